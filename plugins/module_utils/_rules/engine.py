# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""The rules: pure functions from a snapshot to findings, and the two things made of them, a verdict and a diagnosis.

Every rule has its code as the id of its check. A rule that needs a kind which could not be checked is skipped, with that
reason, and so is one that found nothing to look at: a skipped check is never a passed one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import (
    Check,
    Finding,
    Ignore,
    Verdict,
    ignored_by_annotation,
    prune_causes,
    sort_findings,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules import (
    advertisements,
    gitops,
    install,
    nodes,
    ownership,
    pools,
    services,
    wire,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context, Rule, Skip
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.ownership import behind_drift, with_owner
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

RULES: tuple[Rule, ...] = (
    *install.RULES,
    *ownership.RULES,
    *nodes.RULES,
    *pools.RULES,
    *advertisements.RULES,
    *services.RULES,
    *wire.RULES,
    *gitops.RULES,
)

BY_CODE = {rule.code: rule for rule in RULES}


def evaluate(
    snapshot: Snapshot,
    options: Options | None = None,
    codes: Collection[str] | None = None,
    context: Context | None = None,
) -> Verdict:
    """Apply all rules, or those of these codes only.

    Findings that rest on a change younger than options.settle seconds become info, and are in Verdict.settling as well: who can
    look again later, should. Give the same context to diagnose afterwards, and nothing is worked out twice.
    """
    context = context or Context(snapshot, options or Options())
    options = context.options
    ignore = Ignore(options.ignore)
    findings: list[Finding] = []
    checks: list[Check] = []
    ignored = 0
    for rule in RULES:
        if codes is not None and rule.code not in codes:
            continue
        found: list[Finding] = []
        reason = snapshot.why_missing(*rule.requires)
        if not reason:
            try:
                # One by one: what was found before a rule gave up counts.
                for finding in rule.check(context):
                    found.append(finding)
            except Skip as skip:
                reason = str(skip)
            if not found and not reason:
                # Nothing is wrong with what is not there, and nothing is right with it.
                reason = rule.nothing_seen(snapshot)
        kept = [one for one in found if not ignore.matches(one) and not _annotated(context, one)]
        ignored += len(found) - len(kept)
        findings.extend(kept)
        checks.append(_check(rule.code, kept, reason))
    settling = [one for one in findings if _is_young(one, context)]
    young = set(map(id, settling))
    findings = [
        _located(snapshot, with_owner(context, _softened(one, context) if id(one) in young else one))
        for one in behind_drift(findings)
    ]
    if settling:
        codes_left = {one.code for one in findings if one.severity != "info"}
        checks = [
            Check(one.id, "passed", "a change is too young to judge")
            if one.result in ("failed", "warning") and one.id not in codes_left
            else one
            for one in checks
        ]
    return Verdict(
        findings=tuple(sort_findings(prune_causes(findings))),
        checks=tuple(checks),
        ignored=ignored,
        notes=tuple(ignore.notes),
        settling=tuple(settling),
    )


def _check(code: str, found: list[Finding], reason: str) -> Check:
    severities = {one.severity for one in found}
    if "error" in severities:
        return Check(code, "failed", reason)
    if "warning" in severities:
        return Check(code, "warning", reason)
    if reason:
        return Check(code, "skipped", reason)
    return Check(code, "passed")


def _is_young(finding: Finding, context: Context) -> bool:
    if not BY_CODE[finding.code].transient or not finding.changed or finding.severity == "info":
        return False
    # A negative age is a clock that differs from the API server's: then nothing is known, and looking again helps.
    return context.now - finding.changed < context.options.settle


def _softened(finding: Finding, context: Context) -> Finding:
    age = max(0.0, context.now - finding.changed)
    return replace(
        finding,
        severity="info",
        summary=f"{finding.summary} (a change {age:.0f} s ago may not have settled yet)",
        evidence={**finding.evidence, "settling": True, "severity_if_it_stays": finding.severity},
    )


def _annotated(context: Context, finding: Finding) -> bool:
    """Whether the object itself says that it is not to be told so (annotation l2ops.metallb/ignore)."""
    ref = finding.object
    annotation = context.ignored_codes.get((ref.kind, ref.namespace, ref.name))
    return annotation is not None and ignored_by_annotation(annotation, finding.code)


def _located(snapshot: Snapshot, finding: Finding) -> Finding:
    """With file and line, where the object came out of a file."""
    if not snapshot.sources or finding.file:
        return finding
    ref = finding.object
    source = snapshot.source_of(ref.kind, ref.namespace, ref.name) or snapshot.source_of(ref.kind, "", ref.name)
    if source is None:
        return finding
    return replace(finding, file=source.file, line=source.line_of(finding.path))
