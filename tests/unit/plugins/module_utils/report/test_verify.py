# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table that verify prints: every witness that disagrees is named."""

from __future__ import annotations

from ansible_collections.l2ops.metallb.plugins.module_utils._report.verify import probe_targets, table, verdict

SERVICE = {
    "name": "traefik/traefik",
    "addresses": ["192.168.7.203"],
    "ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
    "predicted": "worker-2",
    "reported": "worker-2",
    "cause": "",
}
INFO = {"services": [SERVICE], "nodes": [{"name": "worker-1"}, {"name": "worker-2"}]}


def wire(*answers, **more):
    target = {
        "address": "192.168.7.203",
        "answered": bool(answers),
        "answers": [{"mac": m, "node": n} for m, n in answers],
    }
    return {"targets": [target], "conclusive": True, **more}


GOOD = wire(("52:54:00:00:00:02", "worker-2"))
PORT = {
    "name": "traefik/traefik",
    "address": "192.168.7.203",
    "port": 80,
    "protocol": "http",
    "ok": True,
    "http_status": 200,
}


def judge(info=None, wanted=(), facts=..., ports=None, required=False):
    facts = GOOD if facts is ... else facts
    return verdict(
        {**INFO, **(info or {})}, list(wanted), facts, {"targets": [PORT if ports is None else ports]}, required
    )


def test_all_witnesses_agree():
    result = judge()
    assert result["ok"] and result["verdict"] == "1 of 1 checks are good"
    (row,) = result["rows"]
    assert (row["announcer_api"], row["announcer_wire"], row["mac"], row["port"]) == (
        "worker-2",
        "worker-2",
        "52:54:00:00:00:02",
        "80/http 200",
    )


def test_the_election_beats_a_status_that_nobody_took_back():
    """CI's flake: the advertisement had just changed, ServiceL2Status and the wire were still as before."""
    service = {
        **SERVICE,
        "predicted": "",
        "cause": "MLB507: its policy is Local, and worker-1 carries the exclude label",
    }
    result = judge({"services": [service]})
    assert not result["ok"]
    assert "MLB507" in result["verdict"] and "ServiceL2Status still names worker-2" in result["verdict"]


def test_where_the_wire_proves_it_a_wrong_status_is_a_warning():
    """As 0.15.3 leaves them after a failover: one lost, one stale, both services well."""
    for reported, said in (
        ("", "no ServiceL2Status"),
        ("worker-1", "still names worker-1"),
        ("gone", "which is no node"),
    ):
        result = judge({"services": [{**SERVICE, "reported": reported}]})
        assert result["ok"] and "MLB510" in result["warnings"][0]
        assert said in result["verdict"] and said in result["rows"][0]["verdict"]


def test_where_nothing_proves_it_a_lost_status_is_a_failure():
    service = {**SERVICE, "reported": ""}
    for facts in (None, wire(), wire(("52:54:00:00:00:02", "worker-2"), conclusive=False)):
        result = judge({"services": [service]}, facts=facts)
        assert not result["ok"] and any("no ServiceL2Status" in one for one in result["failures"])


def test_each_disagreement_has_its_code():
    for facts, code in (
        (wire(), "MLB601"),
        (wire(("52:54:00:00:00:99", "")), "MLB602"),
        (wire(("52:54:00:00:00:02", "worker-2"), ("52:54:00:00:00:01", "worker-1")), "MLB603"),
        (wire(("52:54:00:00:00:01", "worker-1")), "MLB604"),
    ):
        result = judge(facts=facts)
        assert not result["ok"] and code in result["verdict"]


def test_the_wire_is_held_against_the_election_when_the_status_is_stale():
    stale = {**SERVICE, "reported": "worker-1"}
    assert judge({"services": [stale]})["ok"]


def test_a_service_without_address_says_what_was_expected():
    bare = {**SERVICE, "addresses": [], "reported": "", "predicted": ""}
    wanted = [{"name": "traefik/traefik", "address": "192.168.7.203"}]
    assert "has no address, expected 192.168.7.203" in judge({"services": [bare]}, wanted)["verdict"]
    assert "MLB501" in judge({"services": [bare]})["verdict"]


def test_a_wrong_address_and_a_missing_service():
    assert "expected 192.168.7.9" in judge(wanted=[{"name": "traefik/traefik", "address": "192.168.7.9"}])["verdict"]
    assert "no such LoadBalancer service" in judge(wanted=[{"name": "default/gone"}])["verdict"]


def test_a_port_that_refuses():
    result = judge(
        ports={
            **PORT,
            "ok": False,
            "failure": "refused",
            "message": "192.168.7.203:80/tcp refuses",
            "http_status": None,
        }
    )
    assert result["failures"] == ["traefik/traefik: 192.168.7.203:80/tcp refuses"]


def test_what_could_not_be_looked_at_is_never_fine_in_silence():
    result = judge(facts=None)
    assert result["ok"] and "not looked at: the wire" in result["verdict"]
    assert not judge(facts=None, required=True)["ok"]
    blind = judge(facts=wire(conclusive=False, inconclusive_reason="no raw sockets"))
    assert blind["ok"] and "no raw sockets" in blind["verdict"]
    # Whoever says always wants proof, not a table with gaps.
    wanted = judge(facts=wire(conclusive=False, inconclusive_reason="no raw sockets"), required=True)
    assert not wanted["ok"] and "Run it from a host on the segment" in wanted["failures"][0]


def test_addresses_are_compared_by_value():
    six = {**SERVICE, "addresses": ["fd00::203"]}
    wanted = [{"name": "traefik/traefik", "address": "FD00:0::203"}]
    assert "expected" not in judge({"services": [six]}, wanted, facts=None)["verdict"]


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
    rows = judge(facts=wire())["rows"]
    head, first = table(rows)[:2]
    assert head.index("VERDICT") == first.index("nobody")
    assert all(len(line) <= 120 for line in table(rows, 120))
