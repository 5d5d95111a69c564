# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""What a pass of the monitor fixes, leaves and reports, and what it remembers for the next one. Decisions only, no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.conclusion import nothing_to_check
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.list_options import listed
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import node_labels

Object = dict[str, Any]

EXCLUDE_LABEL, STALE_STATUS, SPEAKER_RESTART = FIXES = ("exclude-label", "stale-status", "speaker-restart")
VERSION = 1
_MENDABLE = ("MLB201", "MLB202", "MLB510")
_RANK = {"error": 0, "warning": 1, "info": 2}


class MonitorError(Exception):
    """What was given cannot be used; in words that a person can act on."""


def read_state(text: str) -> Object:
    """What the last pass left, or an empty state. Raises MonitorError."""
    empty: Object = {"version": VERSION, "findings": {}, "contested": {}}
    if not text.strip():
        return empty
    try:
        state = json.loads(text)
    except ValueError:
        state = None
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise MonitorError(
            "the file metallb_monitor_state names holds no state of this monitor. Name another one, or delete it: "
            "all findings then count as new once, and labels that were given up are tried again."
        )
    return {**empty, **state}


def plan(
    result: Mapping[str, Any],
    state_text: str,
    fix: Any,
    nodes: Any = (),
    remembers: bool = True,
    carriers: Sequence[Object] = (),
) -> Object:
    """Nodes to take the label off, ServiceL2Statuses to delete, whether to restart speakers; and what is left alone, and why.

    nodes are those that the caller knows to carry the label: the caller answers for not fighting its owner. carriers
    are the Node objects that carry it, also where speakers ignore it. There an owner is left in peace silently.
    """
    allowed = set(_texts(fix))
    unknown = sorted(allowed - set(FIXES))
    if unknown:
        raise MonitorError(f"metallb_monitor_fix knows no {', '.join(unknown)}. There are {', '.join(FIXES)}.")
    contested = read_state(state_text)["contested"]
    findings = result.get("findings") or []
    harmed = {str(one["object"]["name"]): one for one in findings if one["code"] == "MLB201"}
    owned = {name for name, one in harmed.items() if (one.get("evidence") or {}).get("owned_by_talos")}
    there = [node_labels.read(node, node_labels.EXCLUDE_LABEL) for node in carriers]
    owned |= {node.name for node in there if node.owned_by_talos}
    labelled = set(harmed) | {node.name for node in there}
    to_free: list[str] = []
    withheld: list[Object] = []
    for name in sorted(labelled if EXCLUDE_LABEL in allowed else ()):
        if name in contested:
            why = _given_up(contested[name])
        elif name in owned and not (remembers and name in harmed):
            why = (
                "Talos owns the label and would put it back. Not removed, since without metallb_monitor_state every pass would "
                "try again. Lasting: the machine configuration, see finding MLB202"
            )
        else:
            to_free.append(name)
            continue
        if name in harmed:
            withheld.append({"node": name, "why": why})
    given = _texts(nodes)
    if given:
        to_free, withheld = (given if EXCLUDE_LABEL in allowed else []), []
    statuses = [
        {"namespace": one["object"]["namespace"], "name": one["object"]["name"]}
        for one in findings
        if one["code"] == "MLB510" and one["object"]["kind"] == "ServiceL2Status" and STALE_STATUS in allowed
    ]
    return {
        "labelled": sorted(labelled | set(given)),
        "nodes": sorted(set(to_free)),
        "withheld": withheld,
        "statuses": statuses,
        "restart": SPEAKER_RESTART in allowed and any(one["code"] == "MLB607" for one in findings),
    }


def report(
    result: Mapping[str, Any],
    state_text: str,
    planned: Mapping[str, Any],
    done: Sequence[Mapping[str, Any]],
    now: str,
    severity: str = "error",
    check: bool = False,
) -> Object:
    """The verdict of a pass. done are results of tasks that fix, each with `fix`, `result` and, for a loop, `item`s."""
    state = read_state(state_text)
    if severity not in _RANK:
        raise MonitorError(f"metallb_monitor_severity must be error or warning, not {severity!r}")
    fixed, failed, given_up, freed = _outcomes(done, now)
    findings = [one for one in result.get("findings") or [] if _RANK[one["severity"]] <= _RANK["warning"]]
    if check:
        # Nothing was done, so what would be gone is still there.
        findings = [one for one in findings if not (one["code"] in _MENDABLE and _named(one, fixed))]
    since = state["findings"]
    standing = {_key(one): since.get(_key(one), now) for one in findings}
    # A check that did not run says nothing: what it found in the last pass is neither gone nor new. Where there is nothing left that it
    # could look at, what it found is gone.
    idle = {
        one["id"]
        for one in result.get("checks") or []
        if (one["result"] == "skipped" or one.get("reason")) and not nothing_to_check(one)
    }
    carried = {key: at for key, at in since.items() if key not in standing and key.partition(" ")[0] in idle}
    standing.update(carried)
    unread = dict(result.get("unknown") or {})
    labelled = {one["object"]["name"] for one in findings if one["code"] == "MLB201"}
    # Those of a label that does no harm: as it was when this pass began, or as it ended.
    labelled |= set(planned.get("labelled") or [])
    # A label that went away for good is forgotten: when it comes back it is tried again.
    contested = {name: one for name, one in {**state["contested"], **given_up}.items() if name in labelled}
    new = [_short(one) for one in findings if _key(one) not in since]
    counting = [one for one in findings if _RANK[one["severity"]] <= _RANK[severity]]
    withheld = [f"Node {one['node']}: label left alone: {one['why']}." for one in planned.get("withheld") or []]
    remaining = failed + withheld + [_short(one) for one in counting]
    status = "remaining" if remaining else "unknown" if unread else "fixed" if fixed else "healthy"
    verdict = _verdict(status, fixed, remaining, len(findings), check)
    if unread:
        verdict += f"; not known: {', '.join(unread)} could not be read ({next(iter(unread.values())).rstrip('.')})"
    gone = sorted(set(since) - set(standing))
    lines = [verdict]
    lines += [f"  {'would fix' if check else 'fixed'}: {one}" for one in fixed]
    lines += [f"  remains: {one}" for one in failed + withheld]
    lines += [f"  new: {one}" for one in new]
    lines += [f"  since {since[_key(one)]}: {_short(one)}" for one in findings if _key(one) in since]
    lines += [f"  gone: {one}" for one in gone]
    lines += [f"  not checked this time, known since {at}: {key}" for key, at in sorted(carried.items())]
    return {
        "status": status,
        "verdict": verdict,
        "fixed": fixed,
        "remaining": remaining,
        "new": new,
        "gone": gone,
        "carried": sorted(carried),
        "unknown": unread,
        "known": len(findings) - len(new),
        "new_remaining": bool(failed) or any(_key(one) not in since for one in counting),
        "contested": sorted(contested),
        "labelled": sorted(set(planned.get("labelled") or []) - freed),
        "lines": lines,
        "quiet": status == "healthy" and not new and not gone,
        "state": {"version": VERSION, "at": now, "findings": standing, "contested": contested},
    }


def _named(finding: Mapping[str, Any], fixed: Sequence[str]) -> bool:
    about = _key(finding).partition(" ")[2]
    return any(one.startswith((f"{about}:", f"{about} ")) for one in fixed)


def _verdict(status: str, fixed: list[str], remaining: list[str], findings: int, check: bool) -> str:
    if status == "healthy":
        return "healthy: nothing remains" + (f" but {findings} warning{'s' * (findings > 1)}" if findings else "")
    count = f"{len(fixed)} {'would be fixed' if check else 'fixed'}"
    if status == "fixed":
        return f"fixed: {count}, nothing remains"
    if status == "unknown":
        return f"unknown: {count}"
    return f"remaining: {count}, {len(remaining)} to look at: {remaining[0]}"


def _outcomes(done: Sequence[Mapping[str, Any]], now: str) -> tuple[list[str], list[str], Object, set[str]]:
    """What was fixed, what failed, labels that were given up by node, and nodes that lost theirs."""
    fixed: list[str] = []
    failed: list[str] = []
    given_up: Object = {}
    freed: set[str] = set()
    for one in done:
        fix, result = one["fix"], one.get("result") or {}
        # `results` of a loop, else the task itself.
        for outcome in result.get("results", [result]):
            if outcome.get("skipped") or not outcome:
                continue
            message = str(outcome.get("msg") or "").strip()
            bad = outcome.get("failed") or outcome.get("failure_kind")
            if fix == EXCLUDE_LABEL:
                back = [entry for entry in outcome.get("returned") or [] if not entry.get("held")]
                for entry in back:
                    given_up[entry["node"]] = {**entry, "given_up_at": now}
                lost = {entry["node"] for entry in back} | {e["node"] for e in outcome.get("failed_nodes") or []}
                kept = [name for name in outcome.get("changed_nodes") or [] if name not in lost]
                freed.update(kept)
                fixed += [f"Node {name}: {outcome.get('key')} taken off" for name in kept]
            elif outcome.get("changed") and not bad:
                item = outcome.get("metallb_monitor_item") or {}
                what = f"ServiceL2Status {item.get('namespace')}/{item.get('name')} deleted: its speaker writes a right one"
                fixed.append(what if fix == STALE_STATUS else "speakers restarted, one after the other")
            if bad or (message and outcome.get("failed_when_result") is False and not outcome.get("changed")):
                failed.append(f"{fix}: {message or 'failed silently'}")
    return fixed, failed, given_up, freed


def _given_up(one: Mapping[str, Any]) -> str:
    who = "Talos, which owns it" if one.get("owned_by_talos") else (one.get("manager") or "an unknown writer")
    fix = (
        "Lasting: take it out of the machine configuration (role l2ops.metallb.nodes), see finding MLB202"
        if one.get("owned_by_talos")
        else f"Find out why {who} sets it"
    )
    return f"{who} put it back each of {one.get('times', 2)} times that it was removed, last {one.get('given_up_at', '')}. {fix}"


def _key(finding: Mapping[str, Any]) -> str:
    about = finding["object"]
    path = f"{about['namespace']}/{about['name']}" if about.get("namespace") else about["name"]
    return f"{finding['code']} {about['kind']} {path}"


def _short(finding: Mapping[str, Any]) -> str:
    return f"{_key(finding)}: {finding['summary']} -> {finding['fix']}"


def _texts(given: Any) -> list[str]:
    """A list, or what a survey of AWX makes of one."""
    return [str(one) for one in listed(given) or []]
