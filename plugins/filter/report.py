# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the roles: thin shells around the private ``_report`` and ``_render``."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import clean
from ansible_collections.l2ops.metallb.plugins.module_utils._report import (
    analysis,
    html,
    junit,
    markdown,
    sarif,
    verify,
)


def _mapping(what: str, given: t.Any) -> t.Mapping[str, t.Any]:
    if not isinstance(given, t.Mapping):
        raise AnsibleFilterError(
            f"{what} must be a dictionary, the result of a module of this collection; got {type(given).__name__}"
        )
    return given


def verdict(
    diagnosis: t.Any,
    wanted: t.Sequence[t.Mapping[str, t.Any]] | None = None,
    wire: t.Any = None,
    ports: t.Any = None,
    wire_required: bool = False,
) -> dict[str, t.Any]:
    given = _mapping("the input of l2ops.metallb.verdict", diagnosis)
    if "diagnoses" not in given:
        raise AnsibleFilterError("l2ops.metallb.verdict: this is not a result of l2_diagnose: it has no diagnoses")
    return verify.verdict(clean(given), clean(wanted or []), clean(wire or None), clean(ports or None), wire_required)


def probe_targets(info: t.Any, wanted: t.Sequence[t.Mapping[str, t.Any]] | None = None) -> list[dict[str, t.Any]]:
    return verify.probe_targets(
        _mapping("the input of l2ops.metallb.probe_targets", info).get("services", []), wanted or []
    )


def _rendered(name: str, render: t.Callable[..., str], *arguments: t.Any) -> str:
    try:
        return render(*arguments)
    except analysis.RenderError as error:
        raise AnsibleFilterError(f"l2ops.metallb.{name}: {error}") from error


def _columns() -> int:
    """Of the console that this play is seen on. Ansible knows a terminal's; where there is none, COLUMNS may say."""
    said = os.environ.get("COLUMNS", "")
    return int(said) if said.isdigit() and int(said) else int(Display().columns)


def report_text(result: t.Any, width: int = 0, title: str = "") -> str:
    return _rendered("report_text", analysis.text, result, int(width) or _columns(), title, os.getcwd())


def report_json(result: t.Any) -> str:
    return _rendered("report_json", analysis.as_json, result)


def report_markdown(result: t.Any, title: str = "MetalLB, layer 2") -> str:
    return _rendered("report_markdown", markdown.markdown, result, title, os.getcwd())


def report_junit(result: t.Any, title: str = "MetalLB, layer 2", fail_on: str = "error") -> str:
    return _rendered("report_junit", junit.junit, result, title, fail_on, os.getcwd())


def report_sarif(result: t.Any, base: str = "") -> str:
    return _rendered("report_sarif", sarif.sarif, result, base or os.getcwd())


def report_html(
    result: t.Any,
    title: str = "MetalLB, layer 2",
    info: t.Any = None,
    wire: t.Any = None,
    taken: str = "",
) -> str:
    # A probe that was skipped, or could not run, registers a result all the same.
    seen = wire if isinstance(wire, t.Mapping) and wire.get("targets") else None
    known = info if isinstance(info, t.Mapping) and info.get("nodes") else None
    return _rendered("report_html", html.page, result, title, known, seen, taken, os.getcwd())


def failover_html(outcome: t.Any, title: str = "Failover", taken: str = "") -> str:
    return html.failover_page(_mapping("the input of l2ops.metallb.failover_html", outcome), title, taken)


class FilterModule:
    """Filters of l2ops.metallb."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "verdict": verdict,
            "probe_targets": probe_targets,
            "report_text": report_text,
            "report_json": report_json,
            "report_markdown": report_markdown,
            "report_junit": report_junit,
            "report_sarif": report_sarif,
            "report_html": report_html,
            "failover_html": failover_html,
        }
