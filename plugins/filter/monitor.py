# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of role monitor: thin shells around the private ``_monitor``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import remediation


def _told(name: str, function: t.Callable[..., dict[str, t.Any]], *arguments: t.Any) -> dict[str, t.Any]:
    try:
        return function(*arguments)
    except remediation.MonitorError as error:
        raise AnsibleFilterError(f"l2ops.metallb.{name}: {error}") from error


def monitor_plan(
    result: t.Any, state: str = "", fix: t.Any = (), nodes: t.Any = (), remembers: bool = True, carriers: t.Any = ()
) -> dict[str, t.Any]:
    return _told("monitor_plan", remediation.plan, result, state, fix, nodes, remembers, carriers or ())


def monitor_report(
    result: t.Any,
    state: str,
    planned: t.Any,
    done: t.Any,
    now: str,
    severity: str = "error",
    check: bool = False,
) -> dict[str, t.Any]:
    return _told("monitor_report", remediation.report, result, state, planned, done, now, severity, check)


class FilterModule:
    """Filters of l2ops.metallb."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"monitor_plan": monitor_plan, "monitor_report": monitor_report}
