# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the wire can tell, in the lab: addresses in use, stale announcements, failover, IPv6, and probes without rights."""

from __future__ import annotations

import ipaddress
import json
import os
from pathlib import Path

import pytest
from ansible_collections.l2ops.metallb.tests.integration.live import service, wait


def said(text):
    """The output as one line, since callbacks wrap."""
    assert "Traceback" not in text
    return " ".join(text.split())


@pytest.fixture(scope="module")
def pool(kubectl):
    """The ranges of the lab's pool, (first, last) each; the first is IPv4."""
    spec = json.loads(kubectl("-n", "metallb-system", "get", "ipaddresspool", "main-pool", "-o", "json"))["spec"]
    return [[ipaddress.ip_address(end) for end in one.split("-")] for one in spec["addresses"]]


def without_address(kubectl, pool):
    """How many addresses of the pool no service has."""
    path = "jsonpath={.items[*].status.loadBalancer.ingress[*].ip}"
    held = kubectl("get", "services", "--all-namespaces", "-o", path).split()
    return sum(int(last) - int(first) + 1 for first, last in pool) - len(held)


def test_preflight_finds_the_host_that_has_a_free_address(playbook, lab, kubectl, pool, tmp_path):
    report = tmp_path / "preflight.json"
    lab("fault", "squatter")
    try:
        status, text = playbook("preflight", metallb_preflight_report=str(report))
        tolerant, _text = playbook("preflight", metallb_preflight_fail=False)
    finally:
        lab("undo", "squatter")
    found = json.loads(report.read_text(encoding="utf-8"))
    squatted = str(pool[0][0] + 40)
    assert status != 0 and "MLB605" in said(text) and squatted in said(text)
    assert [one["address"] for one in found["in_use"]] == [squatted]
    assert found["in_use"][0]["macs"][0] in text
    assert tolerant == 0
    # Its neighbours are free, and addresses of services are not asked for.
    assert found["free"] == found["asked"] - 1 == without_address(kubectl, pool) - 1
    status, text = playbook("preflight")
    assert status == 0, text


def test_each_address_is_answered_by_the_mac_of_the_elected_node(live):
    """The MAC on the wire is held against the one that the node itself says its interface has."""
    info = live.info()
    expected = info["expected"]
    result = live.probe(list(expected), expected)
    assert expected and result["conclusive"], result
    for target in result["targets"]:
        node = expected[target["address"]]
        own = live.engine.execute(node, "cat", "/sys/class/net/eth0/address").stdout.strip()
        assert (target["macs"], target["node"], target["outcome"], target["finding"]) == ([own], node, "ok", "")


def test_a_second_host_is_seen_beside_the_node_and_by_its_own_mac(live, lab):
    """Both hosts answer; whichever comes first, neither hides the other."""
    expected = live.info()["expected"]
    address = live.address(203)
    lab("fault", "rogue-host")
    try:
        rogue = live.engine.execute(live.settings.rogue, "cat", "/sys/class/net/eth0/address").stdout.strip()
        (target,) = live.probe([address], expected)["targets"]
    finally:
        lab("undo", "rogue-host")
    assert rogue in target["macs"] and target["duplicate"], target
    assert target["answering_nodes"] == [expected[address]]
    assert (target["outcome"], target["finding"], target["proxy"]) == ("foreign", "MLB602", False)
    (target,) = live.probe([address], expected)["targets"]
    assert target["outcome"] == "ok", target


def test_a_stale_announcement_answers_and_is_called_that(playbook, lab):
    """The speaker goes on answering for an interface that the advertisement no longer names: until it restarts."""
    lab("fault", "interface-renamed")
    try:
        status, text = playbook("diagnose")
    finally:
        lab("undo", "interface-renamed")
    assert status != 0
    assert "MLB511" in said(text) and "MLB607" in said(text) and "goes silent when that speaker restarts" in said(text)


def test_a_failed_verify_begins_with_cause_remedy_and_codes(playbook, live):
    with live.applied(service("lonely", app="nobody-runs-this")), live.given("default/lonely"):
        status, text = playbook(
            "verify", metallb_verify_services=[{"name": "default/lonely", "port": 80}], metallb_verify_timeout=0
        )
    assert status != 0
    failure = said(text).partition("Fail if services do not answer as they should]")[2].partition("msg:")[2]
    cause, _comma, rest = failure.partition("failure(s)")
    assert "default/lonely: It has no serving endpoint" in cause, failure
    assert "MLB508" in cause and "MLB601" in cause and "kubectl" in cause, failure
    assert "default/lonely" in rest, failure


def test_failover_is_measured_and_undone(playbook, kubectl, tmp_path):
    report = tmp_path / "failover.json"
    status, text = playbook("failover_test")
    assert status != 0 and "metallb_failover_confirm=true" in said(text), "nothing is done without a yes"
    assert "speaker-away" not in kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.taints}")
    status, text = playbook(
        "failover_test",
        metallb_failover_confirm=True,
        metallb_failover_away_seconds=5,
        metallb_failover_watch=32,
        metallb_failover_report=str(report),
    )
    assert status == 0, text
    result = json.loads(report.read_text(encoding="utf-8"))
    assert result["node_before"] and result["node_during"] and result["node_before"] != result["node_during"]
    assert result["away"]["node"] == result["node_during"]
    assert 0 < result["away"]["garp_ms"] < 10_000 and 0 < result["away"]["arp_ms"] < 10_000
    assert "speaker-away" not in kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.taints}")
    kubectl("-n", "metallb-system", "rollout", "status", "daemonset", "--timeout=60s")


def test_a_probe_host_without_raw_sockets_is_told_what_it_lacks(playbook, pool, tmp_path):
    """As an unprivileged user the kernel's neighbour table is all there is, and it proves too little."""
    inventory = json.loads(Path(os.environ["L2OPS_INVENTORY"]).read_text(encoding="utf-8").split("\n", 1)[1])
    poor = dict(inventory["all"]["children"]["metallb_probes"]["hosts"]["lan-client"])
    poor.update(
        ansible_become=True, ansible_become_method="su", ansible_become_user="nobody", ansible_become_flags="-s /bin/sh"
    )
    inventory["all"]["children"]["metallb_probes"]["hosts"] = {"poor": poor}
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(inventory), encoding="utf-8")
    # Few addresses: the kernel takes three seconds to give one up.
    few = [f"{pool[0][0] + 20}-{pool[0][0] + 22}"]
    status, text = playbook("preflight", "-i", str(path), metallb_probe_host="poor", metallb_pool_addresses=few)
    assert status != 0
    assert "CAP_NET_RAW" in said(text) and "become" in said(text)
    status, text = playbook("verify", "-i", str(path), metallb_probe_host="poor")
    assert status == 0, text
    assert "not checked: the LAN" in said(text) and "CAP_NET_RAW" in said(text)


def test_ipv6_addresses_are_answered_by_their_nodes(playbook, live):
    if not any(":" in address for node in live.addresses.values() for address in node):
        pytest.skip("this lab has no IPv6 (LAB_DUAL_STACK=1)")
    with live.applied(service("six", ipFamilies=["IPv6"])), live.given("default/six"):
        assert wait(lambda: live.info()["settled"])
        info = live.info()
        (six,) = [one for one in info["services"] if one["name"] == "default/six"]
        (target,) = live.probe(six["addresses"], info["expected"])["targets"]
        assert (target["family"], target["outcome"], target["node"]) == ("ipv6", "ok", six["elected"]), target
        # A speaker answers from its link-local address, without the flag that would overrule others.
        assert target["answers"][0]["source"].startswith("fe80:") and target["answers"][0]["flags"] == ["solicited"]
        wanted = [{"name": "default/six", "port": 80, "protocol": "http", "status": 200}]
        status, text = playbook("verify", metallb_verify_services=wanted)
    assert status == 0, text
    assert any(line.startswith("default/six") and line.rstrip().endswith("ok") for line in text.splitlines()), text
