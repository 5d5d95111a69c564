# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What preflight and failover_test say, from results as the lab's probes gave them."""

from __future__ import annotations

import re

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._report.failover import failover
from ansible_collections.l2ops.metallb.plugins.module_utils._report.preflight import chunk_addresses, preflight

FREE = {"address": "192.168.7.202", "outcome": "free", "answers": []}
ROGUE = {"mac": "22:c2:d0:e2:2a:79", "node": "", "vendor": "Raspberry Pi"}


def used(*answers):
    return {"address": "192.168.7.210", "outcome": "in-use", "answers": list(answers)}


def test_free_addresses_are_counted_and_no_table_is_shown():
    result = preflight({"targets": [FREE], "conclusive": True})
    assert result["ok"] and result["table"] == [] and result["verdict"] == "1 of 1 addresses are free"


def test_a_host_that_has_one_is_named_with_mac_and_maker():
    result = preflight({"targets": [FREE, used(ROGUE)], "conclusive": True})
    assert not result["ok"]
    assert "1 of 2" in result["verdict"] and "MLB605" in result["verdict"]
    assert "192.168.7.210 by 22:c2:d0:e2:2a:79 (Raspberry Pi)" in result["verdict"]
    assert result["table"][1].split() == ["192.168.7.210", "22:c2:d0:e2:2a:79", "Raspberry", "Pi", "MLB605"]


@pytest.mark.parametrize(
    ("answer", "who"),
    [
        ({"mac": "a", "node": "w-1"}, "node w-1"),
        ({"mac": "a", "node": "", "local": True}, "this probe host"),
        ({"mac": "a", "node": ""}, "unknown host"),
    ],
)
def test_whoever_has_it_is_told_apart(answer, who):
    assert preflight({"targets": [used(answer)]})["in_use"][0]["who"] == [who]


def test_what_could_not_be_asked_is_never_free():
    target = {
        "address": "10.0.0.1",
        "outcome": "not-asked",
        "reason": "not-on-link",
        "message": "10.0.0.1 is not on link",
    }
    result = preflight({"targets": [target], "conclusive": False, "inconclusive_reasons": ["no raw sockets"]})
    assert not result["ok"] and result["free"] == 0
    assert [one["why"] for one in result["unproven"]] == ["10.0.0.1 is not on link", "no raw sockets"]
    assert "not proven" in result["verdict"]


def test_pools_are_cut_into_pieces_without_what_services_hold():
    pieces = chunk_addresses(["10.0.0.0/30", "10.0.0.2-10.0.0.5", "fd00::1/128"], ["10.0.0.1"], most=100, size=3)
    assert [one["targets"] for one in pieces] == [
        ["10.0.0.0", "10.0.0.2", "10.0.0.3"],
        ["10.0.0.4", "10.0.0.5", "fd00::1"],
    ]
    assert pieces[1]["label"] == "10.0.0.4 to fd00::1, 2 of 2"
    assert chunk_addresses(["10.0.0.1/32"], ["10.0.0.1"], most=10) == []
    assert preflight({"results": []})["ok"]


def test_a_lone_address_may_be_asked_about_and_what_is_none_is_named():
    assert [one["targets"] for one in chunk_addresses(["10.0.0.9", "fd00::9"], [], most=4096)] == [
        ["10.0.0.9", "fd00::9"]
    ]
    typed = chunk_addresses(["10.0.0.9\n10.0.0.20-10.0.0.21, 10.0.0.30\n"], [], most=4096)
    assert typed[0]["targets"] == ["10.0.0.9", "10.0.0.20", "10.0.0.21", "10.0.0.30"]
    with pytest.raises(ValueError, match=re.escape("'10.0.0.900' cannot be asked about: ")):
        chunk_addresses(["10.0.0.1", "10.0.0.900"], [], most=4096)


def test_a_whole_ipv6_prefix_is_refused_before_anything_is_made_of_it():
    with pytest.raises(ValueError, match="metallb_preflight_max"):
        chunk_addresses(["fd00::/64"], [], most=4096)


def test_pieces_are_judged_together():
    one = {"targets": [FREE], "conclusive": True}
    two = {"targets": [used(ROGUE)], "conclusive": False, "inconclusive_reasons": ["no raw sockets"]}
    result = preflight({"results": [one, two, {"skipped": True}]})
    assert (result["asked"], result["free"], len(result["in_use"])) == (2, 1, 1)
    assert result["unproven"] == [{"address": "-", "why": "no raw sockets"}]


AWAY = {"deleted_at": 100.0, "gone_at": 100.9, "released_at": 110.0, "ready_at": 122.0}


def event(kind, at, *nodes):
    return {"event": kind, "at": at, "at_ms": at, "macs": ["m"], "nodes": list(nodes)}


def watched(*events, after=("w-2",), gap=67.0):
    seen = {"nodes_before": ["w-2"], "nodes_after": list(after), "events": list(events), "longest_gap_ms": gap}
    return {"targets": [{"address": "192.168.7.203", "names": ["traefik/traefik"], "watch": seen}]}


THERE = (event("announced", 100.211, "cp"), event("changed", 100.259, "cp"))
BACK = (event("announced", 110.41, "w-2"), event("changed", 110.431, "w-2"))
TCP = {"targets": [{"outages": [{"ms": 520.3}, {"ms": 80.0}]}]}


def test_both_moves_are_measured_from_what_caused_them():
    result = failover(watched(*THERE, *BACK), TCP, AWAY)
    assert result["ok"]
    assert result["away"] == {"garp_ms": 211.0, "arp_ms": 259.0, "node": "cp"}
    assert result["back"] == {"garp_ms": 410.0, "arp_ms": 431.0, "node": "w-2"}
    assert (result["longest_arp_gap_ms"], result["longest_tcp_outage_ms"]) == (67.0, 520.3)
    assert result["verdict"] == (
        "192.168.7.203 went from w-2 to cp in 259 ms, longest TCP outage 520 ms, and came back"
    )
    assert result["table"][1].split() == ["announcer", "w-2", "cp", "w-2"]


def test_a_probe_host_whose_clock_is_behind_measures_the_same():
    late = [dict(one, at=one["at"] - 3600) for one in (*THERE, *BACK)]
    assert failover(watched(*late), TCP, AWAY, clock=3600.0)["away"] == failover(watched(*THERE), TCP, AWAY)["away"]


def test_nobody_took_over():
    result = failover(watched(event("lost", 101.0, "w-2"), event("returned", 112.0, "w-2"), gap=11000.0), None, AWAY)
    assert not result["ok"] and "not taken over" in result["verdict"] and "MLB107" in result["verdict"]
    assert result["longest_tcp_outage_ms"] is None


def test_it_did_not_come_back_within_the_watch():
    result = failover(watched(*THERE, after=("cp",)), TCP, AWAY)
    assert result["ok"] and result["back"]["arp_ms"] is None
    assert result["verdict"].endswith("it is on cp now") and "not seen" in result["table"][3]
