# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table that verify prints is a view of the diagnosis: probe, rules, diagnosis and table say the same of each class of answers."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._diagnosis.diagnosis import diagnose
from ansible_collections.l2ops.metallb.plugins.module_utils._report.verify import probe_targets, table, verdict
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.wire_facts import Wire
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import verdict as classify
from ansible_collections.l2ops.metallb.tests.unit.world import World, answer, mac_of, ports, wire

SERVICE = {
    "name": "traefik/traefik",
    "addresses": ["192.168.7.203"],
    "ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
}
NGINX = "192.168.7.201"  # elected on cp-2
ROGUE = "02:00:00:00:00:01"


def view(facts, port="", wanted=(), required=False, world=None):
    found = ports(("default/my-nginx", NGINX, 80, port))
    one = diagnose((world or World()).snapshot(), "default/my-nginx", wire=facts, ports=found)
    return one, verdict({"diagnoses": [one.as_result()]}, list(wanted), facts, found, required)


TWICE = {
    **answer(NGINX, "cp-2"),
    "answers": [{"mac": mac_of("cp-2"), "node": "cp-2"}, {"mac": "02:00:00:00:00:02", "node": "cp-2"}],
    "macs": [mac_of("cp-2"), "02:00:00:00:00:02"],
}
UNKNOWN = {"node_addresses": [{"name": "new", "address": "192.168.7.30", "answered": False, "reason": ""}]}
CLASSES = [
    ("ok", answer(NGINX, "cp-2"), {}, "ok", ""),
    ("silent", answer(NGINX), {}, "broken", "MLB601"),
    ("broadcast-lost", answer(NGINX, alone=("cp-2",)), {}, "broken", "MLB609"),
    ("foreign", answer(NGINX, foreign=(ROGUE,)), {}, "broken", "MLB602"),
    ("foreign", answer(NGINX, "cp-2", foreign=(ROGUE,)), {}, "broken", "MLB602"),
    ("many", answer(NGINX, "cp-2", "worker-1"), {}, "broken", "MLB603"),
    ("other-node", answer(NGINX, "worker-1"), {}, "broken", "MLB604"),
    ("one-node-twice", TWICE, {}, "warning", "MLB610"),
    ("unknown-node", answer(NGINX, foreign=(ROGUE,)), UNKNOWN, "unknown", "MLB608"),
    ("not-asked", answer(NGINX, asked=False, reason="not-on-link"), {}, "unknown", "MLB608"),
]


@pytest.mark.parametrize(("word", "target", "more", "state", "code"), CLASSES, ids=lambda one: str(one)[:20])
def test_every_place_says_the_same(word, target, more, state, code):
    facts = wire(target, **more)
    owners = {**facts["nodes"], **({"02:00:00:00:00:02": "cp-2"} if target is TWICE else {})}
    alone = [one["mac"] for one in target["unicast"] if one["answered"]]
    probed = classify.outcome(
        target["asked"], target["macs"], owners, "cp-2", True, "node_addresses" not in more, alone
    )
    read = Wire.from_results(facts)
    (known,) = read.targets.values()
    assert probed == read.outcome(known, {"cp-2"}) == word
    assert classify.finding(word, True) == code
    one, shown = view(facts)
    on_lan = [problem.code for problem in one.problems if problem.code.startswith("MLB6")]
    assert one.state == state and on_lan == ([code] if code else [])
    assert shown["ok"] == (state != "broken")
    said = {"ok": [""], "broken": shown["failures"], "warning": shown["warnings"], "unknown": shown["unproven"]}[state]
    assert any(code in text for text in said) and code in shown["verdict"] + shown["rows"][0]["verdict"]
    if state == "unknown":
        assert not view(facts, required=True)[1]["ok"], "who says always wants proof"


def test_a_service_that_is_well():
    _one, shown = view(wire(answer(NGINX, "cp-2")))
    (row,) = shown["rows"]
    assert shown["ok"] and shown["verdict"] == "1 of 1 checks are good" and shown["table"]
    assert (row["announcer_api"], row["announcer_wire"], row["mac"], row["port"]) == (
        "cp-2",
        "cp-2",
        mac_of("cp-2"),
        "80/tcp open",
    )


def test_a_port_that_refuses():
    _one, shown = view(wire(answer(NGINX, "cp-2")), port="refused")
    assert not shown["ok"] and "MLB606" in shown["failures"][0] and "MLB606" in shown["verdict"]


def test_a_wrong_address_and_a_missing_service():
    facts = wire(answer(NGINX, "cp-2"))
    wanted = [{"name": "default/my-nginx", "address": "192.168.7.9"}]
    assert "expected 192.168.7.9" in view(facts, wanted=wanted)[1]["verdict"]
    assert "no such LoadBalancer service" in view(facts, wanted=[{"name": "default/gone"}])[1]["verdict"]


def test_what_could_not_be_looked_at_is_never_fine_in_silence():
    well = view(None)[0].as_result()
    shown = verdict({"diagnoses": [well]}, [], None, None)
    assert shown["ok"] and "not checked: the LAN" in shown["verdict"]
    assert not verdict({"diagnoses": [well]}, [], None, None, True)["ok"]


def test_targets_are_every_tcp_port_or_what_was_asked_for():
    assert [t["port"] for t in probe_targets([SERVICE], [])] == [80]
    asked = [{"name": "traefik/traefik", "port": 443, "protocol": "https", "status": 200}]
    assert probe_targets([SERVICE], asked) == [
        {
            "name": "traefik/traefik",
            "address": "192.168.7.203",
            "port": 443,
            "protocol": "https",
            "status": 200,
            "verify": False,
        }
    ]


def test_the_table_is_aligned_and_wraps_only_the_verdict():
    rows = view(wire(answer(NGINX)))[1]["rows"]
    head, first = table(rows)[:2]
    assert head.index("VERDICT") == first.index("nobody")
    assert all(len(line) <= 120 for line in table(rows, 120))
