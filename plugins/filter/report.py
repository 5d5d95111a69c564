# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the roles: thin shells around the private ``_report``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.l2ops.metallb.plugins.module_utils import _report


def _mapping(what: str, given: t.Any) -> t.Mapping[str, t.Any]:
    if not isinstance(given, t.Mapping):
        raise AnsibleFilterError(
            f"{what} must be a dictionary, the result of a module of this collection; got {type(given).__name__}"
        )
    return given


def verdict(
    info: t.Any,
    wanted: t.Sequence[t.Mapping[str, t.Any]] | None = None,
    wire: t.Any = None,
    ports: t.Any = None,
    wire_required: bool = False,
) -> dict[str, t.Any]:
    return _report.verdict(
        _mapping("the input of l2ops.metallb.verdict", info), wanted or [], wire or None, ports or None, wire_required
    )


def probe_targets(info: t.Any, wanted: t.Sequence[t.Mapping[str, t.Any]] | None = None) -> list[dict[str, t.Any]]:
    return _report.probe_targets(
        _mapping("the input of l2ops.metallb.probe_targets", info).get("services", []), wanted or []
    )


class FilterModule:
    """Filters of l2ops.metallb."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"verdict": verdict, "probe_targets": probe_targets}
