# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What role install does about a MetalLB that is there: whether another tool owns it, and what it would have to change."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import as_dict, as_text
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.owners import Owner

Object = dict[str, Any]


class InstallationError(ValueError):
    """An input that is not what it should be. The message says which."""


def version_key(version: str) -> tuple[int, ...] | None:
    """0.15.3, v0.15.3 and 0.15.3-rc1 as (0, 15, 3); None for what is no version, such as latest."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-+].*)?$", version)
    return tuple(int(part or 0) for part in found.groups()) if found else None


def is_downgrade(installed: str, wanted: str) -> bool:
    """Whether the wanted version is lower than the installed one; never where one of them is not known."""
    have, want = version_key(installed), version_key(wanted)
    return have is not None and want is not None and want < have


def installation_of(metallb: Mapping[str, Any], wanted: Mapping[str, Any]) -> Object:
    """What runs (RV metallb of l2_info) beside what the variables ask for.

    wanted has version (empty where a chart's own decides), ignore_exclude_lb, memberlist_secret and optionally frr (False unless said).

    Returns owned (whether a tool that undoes changes, or an operator, owns it), managed_by, differences (a list of value, have, want, fix),
    values (the Helm values that make them go, nested), downgrade, and lines for a person. Raises InstallationError.
    """
    given = as_dict(metallb.get("owner"))
    try:
        owner = Owner(**{name: as_text(text) for name, text in given.items()}) if given else None
    except TypeError as error:
        raise InstallationError(f"owner is not one of l2_info: {error}") from error
    installed = as_text(metallb.get("version"))
    version = as_text(wanted.get("version"))
    asked: list[tuple[str, Any, Any]] = []
    if version and installed and version_key(installed) != version_key(version):
        asked.append(("version", installed, version))
    asked.append(
        ("speaker.ignoreExcludeLB", bool(metallb.get("ignores_exclude_label")), bool(wanted.get("ignore_exclude_lb")))
    )
    asked.append(
        ("speaker.secretName", as_text(metallb.get("memberlist_secret")), as_text(wanted.get("memberlist_secret")))
    )
    asked.append(("speaker.frr.enabled", bool(metallb.get("frr")), bool(wanted.get("frr"))))
    who = str(owner) if owner is not None else ""
    differences = [
        {"value": value, "have": have, "want": want, "fix": _fix(value, want, who)}
        for value, have, want in asked
        if have != want
    ]
    values: Object = {}
    for one in differences:
        if one["value"] != "version":
            _nest(values, str(one["value"]).split("."), one["want"])
    if values.get("speaker", {}).get("frr") == {"enabled": False}:
        # Which of the two is on by default differs between chart versions.
        values["frrk8s"] = {"enabled": False}
    return {
        "owned": owner is not None and owner.reconciles,
        "managed_by": who,
        "differences": differences,
        "values": values,
        "downgrade": is_downgrade(installed, version),
        "lines": _lines(who, installed, differences),
    }


def _fix(value: str, want: Any, who: str) -> str:
    change = f"chart version {want}" if value == "version" else f"Helm value {value}: {json.dumps(want)}"
    return f"{who or 'there'}: set {change}"


def _nest(values: Object, path: list[str], leaf: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = leaf


def _lines(who: str, installed: str, differences: list[Object]) -> list[str]:
    lines = [f"MetalLB {installed or 'of unknown version'} is managed by {who}: nothing of it is changed here."]
    if not differences:
        return [*lines, "It runs as the variables ask."]
    lines.append("It differs from what the variables ask. Change its source:")
    for one in differences:
        have = json.dumps(one["have"]) if one["have"] not in ("", None) else "not set"
        lines.append(f"- {one['fix']} (now {have})")
    return lines
