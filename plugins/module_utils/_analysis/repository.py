# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""The verdict on several clusters that one repository describes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import (
    Check,
    Finding,
    Verdict,
    sort_findings,
)

_RANK = {"failed": 0, "warning": 1, "passed": 2, "skipped": 3}


def capped(verdict: Verdict, worst: str) -> Verdict:
    """The verdict with no finding above this severity, for what is not applied."""
    if worst == "error":
        return verdict
    lower = {"error": worst, "warning": "info" if worst == "info" else "warning"}
    results = {
        "failed": "warning" if worst == "warning" else "passed",
        "warning": "warning" if worst == "warning" else "passed",
    }
    return replace(
        verdict,
        findings=tuple(replace(one, severity=lower.get(one.severity, one.severity)) for one in verdict.findings),
        checks=tuple(replace(one, result=results.get(one.result, one.result)) for one in verdict.checks),
    )


def combined(verdicts: Sequence[tuple[str, Verdict]]) -> Verdict:
    """One verdict of several clusters'. The worst result of a check counts, so that a broken cluster is never hidden by a good one.

    A finding that all clusters share, of one file that they share, is told once.
    """
    if len(verdicts) == 1:
        return verdicts[0][1]
    findings: dict[Any, Finding] = {}
    checks: dict[str, Check] = {}
    for name, verdict in verdicts:
        for finding in verdict.findings:
            key = (finding.code, finding.object, finding.summary, finding.file, finding.line)
            there = findings.get(key)
            findings[key] = replace(there or finding, cluster=f"{there.cluster}, {name}" if there is not None else name)
        for check in verdict.checks:
            there_check = checks.get(check.id)
            if there_check is None or _RANK[check.result] < _RANK[there_check.result]:
                checks[check.id] = check
    return Verdict(
        findings=tuple(sort_findings(findings.values())),
        checks=tuple(checks.values()),
        ignored=sum(verdict.ignored for _name, verdict in verdicts),
        notes=tuple(dict.fromkeys(note for _name, verdict in verdicts for note in verdict.notes)),
    )


def overview(verdicts: Iterable[tuple[str, Verdict]]) -> list[dict[str, Any]]:
    """One row for each cluster, as a module returns it."""
    rows = []
    for name, verdict in verdicts:
        counts = verdict.summary
        rows.append(
            {
                "name": name,
                "worst": verdict.worst,
                "errors": counts["errors"],
                "warnings": counts["warnings"],
                "infos": counts["infos"],
                "verdict": verdict.headline(),
            }
        )
    return rows


def headline(verdict: Verdict, rows: Sequence[dict[str, Any]], nothing: str) -> str:
    """The most important of it in one line: with several clusters, first how each of them fares."""
    text = verdict.headline()
    if nothing:
        return f"{nothing} {text}" if verdict.findings else nothing
    if len(rows) < 2:
        return text
    words = {"error": "errors", "warning": "warnings", "none": "well"}
    named = ", ".join(f"{row['name']}: {words[row['worst']]}" for row in rows[:10])
    more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
    return f"{len(rows)} clusters ({named}{more}). {text}"
