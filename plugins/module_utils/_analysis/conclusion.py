# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What a result comes to: the one place that makes headline, worst severity and failure from findings and diagnoses.

Module, console, files, artifact and exit status all ask here, so that they cannot disagree. Input is the result as the
modules return it (``findings``, ``diagnoses``, ``unknown``), output plain values. Unknown is never good: a kind of object
that the answer rests on and that could not be read makes the result unknown, unless something is known to be broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import NOTHING_THERE, fails
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

# The kinds that the way from a Service to its announcement rests on.
CHAIN_KINDS = ("services", "ipaddresspools", "l2advertisements", "nodes", "pods", "daemonsets", "endpointslices")
# Asked for, and of use only where something is wrong with memberlist, or to name an owner.
NOT_NEEDED = ("secrets", "applications", "releases")
POLICIES = ("fail", "report")
UNKNOWN = "unknown"

_RANK = {"error": 0, "broken": 0, "unknown": 1, "warning": 2}


def unknown_kinds(snapshot: Snapshot) -> dict[str, str]:
    """Kinds of CHAIN_KINDS that could not be read, each with the reason.

    Where MetalLB is known not to be installed, its own kinds are not unknown: there are none.
    """
    kinds: Sequence[str] = CHAIN_KINDS
    if snapshot.has("deployments", "daemonsets") and not snapshot.installed:
        kinds = [kind for kind in CHAIN_KINDS if kind not in ("ipaddresspools", "l2advertisements", "pods")]
    return {kind: snapshot.missing[kind] for kind in kinds if kind in snapshot.missing}


def _about_unknown(unknown: Mapping[str, str]) -> str:
    kinds = list(unknown)
    named = ", ".join(kinds[:-1]) + f" and {kinds[-1]}" if len(kinds) > 1 else kinds[0]
    reason = str(unknown[kinds[0]]).rstrip(".")
    return f"Unknown: {named} could not be read ({reason})."


def explained(text: str, unknown: Mapping[str, str]) -> str:
    """A headline of findings, after what could not be read."""
    return f"{_about_unknown(unknown)} {text}" if unknown else text


def named(ref: Mapping[str, str]) -> str:
    """The object of a finding, for people."""
    return f"{ref['kind']} {ref['namespace']}/{ref['name']}" if ref.get("namespace") else f"{ref['kind']} {ref['name']}"


def _identity(finding: Mapping[str, Any]) -> tuple[Any, ...]:
    ref = finding["object"]
    return finding["code"], ref["kind"], ref.get("namespace"), ref["name"], finding["summary"]


def statements(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything that is not good, as (severity, sentence), worst first.

    Services come with the sentence of their diagnosis; findings that no diagnosis speaks of, and that are no consequence of
    another one, follow. Where services were asked for by name (``scope`` is ``named``), only what concerns them counts.
    """
    told: list[tuple[int, int, str, str]] = []
    spoken: set[tuple[Any, ...]] = set()
    for one in result.get("diagnoses") or ():
        if one["state"] == "ok":
            continue
        severity = {"broken": "error"}.get(one["state"], one["state"])
        told.append((_RANK[severity], 0, severity, str(one["sentence"])))
        spoken.update(_identity(finding) for finding in one.get("findings") or ())
    unknown = result.get("unknown") or {}
    if unknown:
        told.append((_RANK[UNKNOWN], -1, UNKNOWN, _about_unknown(unknown)))
    for finding in () if result.get("scope") == "named" else result.get("findings") or ():
        if finding["severity"] not in _RANK or finding["caused_by"] or _identity(finding) in spoken:
            continue
        text = f"{finding['code']} {named(finding['object'])}: {finding['summary']}"
        told.append((_RANK[finding["severity"]], 1, finding["severity"], text))
    told.sort(key=lambda entry: entry[:2])
    return [(severity, text) for _rank, _order, severity, text in told]


def headline(result: Mapping[str, Any]) -> str:
    """The one sentence that matters most, and how much more there is."""
    told = statements(result)
    diagnoses = result.get("diagnoses")
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    # Warnings about what works are told behind the services, not instead of them.
    works = (
        bool(diagnoses) and all(one["state"] == "ok" for one in diagnoses or ()) and told and told[0][0] == "warning"
    )
    if told and not works:
        return f"{told[0][1]}{more}"
    # Kinds that no service's way rests on, but that some check reads: not a failure, and not silent either.
    unread = [kind for kind in result.get("skipped_kinds") or () if kind not in NOT_NEEDED]
    aside = f" (not read: {', '.join(unread)})" if unread else ""
    if diagnoses is None:
        return f"Nothing is wrong{aside}."
    if not diagnoses:
        return f"There is no LoadBalancer service that MetalLB serves{aside}."
    well = f"Nothing is wrong with {len(diagnoses)} service{'s' * (len(diagnoses) != 1)}{aside}"
    return f"{well}; a warning: {told[0][1]}{more}" if told else f"{well}."


def worst(result: Mapping[str, Any]) -> str:
    """error, unknown, warning or none."""
    told = {severity for severity, _text in statements(result)}
    return next((severity for severity in ("error", UNKNOWN, "warning") if severity in told), "none")


def failure_kind(worst_severity: str, unknown: Mapping[str, str], fail_on: str, policy: str) -> str:
    """Why a run fails: findings, unknown, or "" where it does not.

    A service whose state alone is unknown counts as a warning does; a kind that could not be read fails by its own policy.
    """
    severity = "warning" if worst_severity == UNKNOWN else worst_severity
    if fails(severity, fail_on):
        return UNKNOWN if worst_severity == UNKNOWN else "findings"
    return UNKNOWN if unknown and policy == "fail" else ""


def conclude(result: Mapping[str, Any], fail_on: str, policy: str) -> dict[str, Any]:
    """msg, worst, ok and, where the run fails, failure_kind, for the result of a judging module."""
    found = worst(result)
    well = found in ("none", "warning") and all(one["state"] == "ok" for one in result.get("diagnoses") or ())
    concluded: dict[str, Any] = {"msg": headline(result), "worst": found, "ok": well}
    kind = failure_kind(found, result.get("unknown") or {}, fail_on, policy)
    if kind:
        concluded["failure_kind"] = kind
    return concluded


def nothing_to_check(check: Mapping[str, Any]) -> bool:
    """Whether a check was skipped because what it is about is known not to be there, as against not readable."""
    return str(check.get("reason") or "").startswith(NOTHING_THERE)


def counted(diagnoses: Sequence[Mapping[str, Any]]) -> str:
    """How many services are not fine, by state; empty where all are."""
    wrong = [one for one in diagnoses if one["state"] != "ok"]
    if not wrong:
        return ""
    states = [(state, sum(1 for one in wrong if one["state"] == state)) for state in ("broken", UNKNOWN, "warning")]
    told = ", ".join(
        f"{number} {'with warnings' if state == 'warning' else state}" for state, number in states if number
    )
    total = f"{len(diagnoses)} service{'s' * (len(diagnoses) != 1)}"
    return f"{len(wrong)} of {total} {'is' if len(wrong) == 1 else 'are'} not fine ({told})."
