# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Findings, checks and the verdict that they make up."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.catalogue import CATALOGUE
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import clean, printable
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref

SEVERITIES = ("error", "warning", "info")
FAIL_ON = ("error", "warning", "never")
DOCS = "https://github.com/l2ops/metallb/blob/main/docs/findings"
_ORDER = {severity: place for place, severity in enumerate(SEVERITIES)}
_PATTERN = re.compile(r"MLB[0-9*?]{1,3}|\*|[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one object.

    path names the field within the object (``spec.addresses[1]``), for a file and line; ref.kind is always set.
    caused_by lists codes of findings of which this one is a consequence. changed is when (seconds since 1970) something
    that it rests on changed last: what is younger than the cluster needs to settle is not yet held against it. cluster is the name of
    the cluster, where files describe several.
    """

    code: str
    object: Ref
    summary: str
    fix: str = ""
    severity: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    caused_by: tuple[str, ...] = ()
    path: str = ""
    file: str = ""
    line: int = 0
    changed: float = 0.0
    cluster: str = ""

    def __post_init__(self) -> None:
        if not self.severity:
            object.__setattr__(self, "severity", CATALOGUE[self.code]["severity"])
        if not self.fix:
            object.__setattr__(self, "fix", CATALOGUE[self.code]["fix"])

    @property
    def slug(self) -> str:
        return str(CATALOGUE[self.code]["slug"])

    def as_result(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "code": self.code,
            "slug": self.slug,
            "severity": self.severity,
            "object": {"kind": self.object.kind, "namespace": self.object.namespace, "name": self.object.name},
            "summary": self.summary,
            "evidence": self.evidence,
            "fix": self.fix,
            "docs": f"{DOCS}/{self.code}.md",
            "caused_by": list(self.caused_by),
        }
        if self.path:
            result["field"] = self.path
        if self.cluster:
            result["cluster"] = self.cluster
        if self.file:
            result["file"] = self.file
            result["line"] = self.line
        # Messages of events, of the API server and of hosts of the LAN; a file keeps its name.
        return {
            name: value if name == "file" else clean(value, lines=name == "evidence") for name, value in result.items()
        }

    def __str__(self) -> str:
        return f"{self.code} {self.severity}: {self.object}: {self.summary}"


# How the reason begins where a check had nothing to look at: what it is about is not there, which is known.
NOTHING_THERE = "there is no "


@dataclass(frozen=True)
class Check:
    """One rule as it was applied. reason says why it was skipped; it is empty for passed."""

    id: str
    result: str  # passed, failed, warning, skipped
    reason: str = ""

    def as_result(self) -> dict[str, Any]:
        return {"id": self.id, "result": self.result, "reason": printable(self.reason)}


@dataclass(frozen=True)
class Verdict:
    """Everything that the rules said of one snapshot. notes are for the user, about the input rather than the cluster."""

    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()
    ignored: int = 0
    notes: tuple[str, ...] = ()
    # findings that rest on a change too young to judge; they are in findings, too, as info
    settling: tuple[Finding, ...] = ()

    @property
    def summary(self) -> dict[str, int]:
        counts = dict.fromkeys(SEVERITIES, 0)
        for finding in self.findings:
            counts[finding.severity] += 1
        return {
            "errors": counts["error"],
            "warnings": counts["warning"],
            "infos": counts["info"],
            "skipped": sum(1 for check in self.checks if check.result == "skipped"),
            "ignored": self.ignored,
        }

    def of(self, *codes: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.code in codes]

    def roots(self) -> list[Finding]:
        """Findings that are no consequence of another one."""
        return [finding for finding in self.findings if not finding.caused_by]

    @property
    def worst(self) -> str:
        """error, warning, or none where no finding is worth failing for."""
        counts = self.summary
        return "error" if counts["errors"] else "warning" if counts["warnings"] else "none"

    def fails(self, fail_on: str) -> bool:
        """Whether these findings are to fail a run. Raises ValueError for an unknown word."""
        return fails(self.worst, fail_on)

    def headline(self, most: int = 3) -> str:
        """One line: how many, and the first few that are no consequence of others."""
        counts = self.summary
        total = f"{_count(counts['errors'], 'error')}, {_count(counts['warnings'], 'warning')}"
        if counts["infos"]:
            total += f", {_count(counts['infos'], 'info')}"
        if not self.findings:
            skipped = f" ({_count(counts['skipped'], 'check')} skipped)" if counts["skipped"] else ""
            return f"Nothing is wrong{skipped}."
        worst = self.findings[0].severity
        first = [finding for finding in self.roots() if finding.severity == worst] or list(self.findings)
        named = "; ".join(f"{one.code} {one.object}: {one.summary}" for one in first[:most])
        more = len(first) - most
        return printable(f"{total}: {named}") + (f" (and {more} more)" if more > 0 else "")

    def as_result(self) -> dict[str, Any]:
        return {
            "findings": [finding.as_result() for finding in self.findings],
            "checks": [check.as_result() for check in self.checks],
            "summary": self.summary,
        }


def fails(worst: str, fail_on: str) -> bool:
    """Whether the worst severity (error, warning, none) is to fail a run. Raises ValueError for an unknown word."""
    if fail_on not in FAIL_ON:
        raise ValueError(f"fail_on must be one of {', '.join(FAIL_ON)}, not {fail_on!r}")
    return worst in {"error": ("error",), "warning": ("error", "warning"), "never": ()}[fail_on]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first, then by code and object, so that the same cluster gives the same list. Causes before consequences."""
    return sorted(
        findings, key=lambda one: (_ORDER[one.severity], bool(one.caused_by), one.code, one.object, one.summary)
    )


def prune_causes(findings: Sequence[Finding]) -> list[Finding]:
    """Causes that are not findings themselves are no causes; nothing causes itself."""
    there = {finding.code for finding in findings if finding.severity != "info"}
    pruned = []
    for finding in findings:
        causes = tuple(code for code in dict.fromkeys(finding.caused_by) if code in there and code != finding.code)
        pruned.append(finding if causes == finding.caused_by else replace(finding, caused_by=causes))
    return pruned


class Ignore:
    """What the user does not want to hear: "MLB404", "advertisement-without-interfaces", "MLB2*", "MLB503=Service default/web".

    The part behind the equals sign is the object, with wildcards, with or without its kind.
    """

    def __init__(self, entries: Collection[str]) -> None:
        self.notes: list[str] = []
        self._rules: list[tuple[str, str]] = []
        for entry in entries:
            pattern, _equals, target = str(entry).partition("=")
            pattern = pattern.strip()
            known = any(self._names(pattern, code) for code in CATALOGUE)
            if not _PATTERN.fullmatch(pattern) or not known:
                self.notes.append(
                    f"ignore: {entry!r} names no known finding; codes are like MLB404, patterns like MLB4*."
                )
                continue
            self._rules.append((pattern, target.strip()))

    @staticmethod
    def _names(pattern: str, code: str) -> bool:
        return fnmatch.fnmatchcase(code, pattern) or CATALOGUE[code]["slug"] == pattern

    def matches(self, finding: Finding) -> bool:
        for pattern, target in self._rules:
            if not self._names(pattern, finding.code):
                continue
            if not target or any(
                fnmatch.fnmatchcase(text, target)
                for text in (str(finding.object), finding.object.path, finding.object.name)
            ):
                return True
        return False


def ignored_by_annotation(annotation: str, code: str) -> bool:
    """Whether the text of an object's annotation l2ops.metallb/ignore names this code."""
    words = annotation.replace(",", " ").split()
    return any(fnmatch.fnmatchcase(code, word) or CATALOGUE[code]["slug"] == word for word in words)
