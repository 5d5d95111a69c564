# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What a failover test measured, as text and verdict."""

from __future__ import annotations

import typing as t

from ansible_collections.l2ops.metallb.plugins.module_utils._report.preflight import NOTHING, Entry, Result, lines_of

# -- failover ---------------------------------------------------------------------------------------------------------


def failover(watch: Result, tcp: Result | None, away: Result, clock: float = 0.0) -> Entry:
    """What a failover cost, from ``l2_probe`` with ``mode: watch``, ``service_probe`` with a duration, and ``speaker_away``.

    ``clock`` is added to the probe host's times (seconds), where its clock differs. Milliseconds in the result count from the
    deletion of the speaker pod (``away``) and from the moment it might come back (``back``); None is "not seen".
    """
    target = (list(watch.get("targets", [])) or [{}])[0]
    seen = target.get("watch") or {}
    before, after = seen.get("nodes_before", []), seen.get("nodes_after", [])
    events = [dict(one, at=one["at"] + clock) for one in seen.get("events", []) if "at" in one]
    gone = _step([one for one in events if one["at"] >= away["deleted_at"]], before, away["deleted_at"])
    returned: Entry = {"garp_ms": None, "arp_ms": None, "node": ""}
    if gone["arp_at"]:
        later = [one for one in events if one["at"] > max(gone["arp_at"], away["released_at"])]
        returned = _step(later, [gone["node"]], away["released_at"])
    outages = [one for target in (tcp or {}).get("targets", []) for one in target.get("outages", [])]
    longest = max((one["ms"] for one in outages), default=0.0) if tcp else None
    steps = {
        name: {key: step[key] for key in ("garp_ms", "arp_ms", "node")}
        for name, step in (("away", gone), ("back", returned))
    }
    moved = bool(gone["arp_at"])
    result: Entry = {
        "ok": moved,
        "service": ", ".join(target.get("names", [])),
        "address": target.get("address", ""),
        "node_before": ", ".join(before),
        "node_during": gone["node"],
        "node_after": ", ".join(after),
        **steps,
        "longest_arp_gap_ms": seen.get("longest_gap_ms"),
        "longest_tcp_outage_ms": longest,
        "speaker_back_ms": round((away["ready_at"] - away["released_at"]) * 1000, 1),
    }
    result["verdict"] = _failover_verdict(result)
    rows = [
        (
            "announcer",
            result["node_before"] or NOTHING,
            result["node_during"] or NOTHING,
            result["node_after"] or NOTHING,
        ),
        ("gratuitous ARP after", NOTHING, _ms(gone["garp_ms"]), _ms(returned["garp_ms"])),
        ("first answered ARP after", NOTHING, _ms(gone["arp_ms"]), _ms(returned["arp_ms"])),
        ("longest without ARP answer", NOTHING, _ms(result["longest_arp_gap_ms"]), ""),
        ("longest TCP outage", NOTHING, _ms(longest), ""),
    ]
    result["table"] = lines_of(("", "BEFORE", "AWAY", "BACK"), rows)
    return result


def _step(events: t.Sequence[Entry], before: t.Sequence[str], since: float) -> Entry:
    """The first announcement and the first answer of another node than before, counted from since."""
    found: Entry = {"garp_ms": None, "arp_ms": None, "node": "", "arp_at": 0.0}
    for event in events:
        nodes = [node for node in event.get("nodes", []) if node and node not in before]
        if not nodes:
            continue
        kind = event.get("event")
        passed = round((event["at"] - since) * 1000, 1)
        if kind == "announced" and found["garp_ms"] is None:
            found["garp_ms"] = passed
        if kind in ("changed", "returned", "answered") and found["arp_ms"] is None:
            found.update(arp_ms=passed, node=nodes[0], arp_at=event["at"])
        if found["garp_ms"] is not None and found["arp_ms"] is not None:
            break
    return found


def _ms(value: float | None) -> str:
    return "not seen" if value is None else f"{value:.0f} ms"


def _failover_verdict(result: Entry) -> str:
    if not result["ok"]:
        return (
            f"{result['address']} was not taken over: no other node answered while the speaker of "
            f"{result['node_before'] or 'its node'} was away. Why: l2ops.metallb.diagnose; memberlist (MLB106, MLB107) first."
        )
    tcp = result["longest_tcp_outage_ms"]
    said = f"{result['address']} went from {result['node_before']} to {result['node_during']} in {_ms(result['away']['arp_ms'])}"
    said += f", longest TCP outage {_ms(tcp)}" if tcp is not None else ""
    if result["node_after"] == result["node_before"]:
        return f"{said}, and came back"
    return f"{said}; it is on {result['node_after'] or 'no node'} now"
