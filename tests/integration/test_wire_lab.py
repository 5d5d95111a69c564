# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the wire can tell, in the lab: addresses in use, stale announcements, failover, IPv6, and probes without rights."""

from __future__ import annotations

import ipaddress
import json
import os
import time
from pathlib import Path

import pytest


def said(text):
    """The output as one line, since callbacks wrap."""
    assert "Traceback" not in text
    return " ".join(text.split())


@pytest.fixture(scope="module")
def pool(kubectl):
    """The first range of the lab's pool: (first, last) address."""
    spec = json.loads(kubectl("-n", "metallb-system", "get", "ipaddresspool", "main-pool", "-o", "json"))["spec"]
    return [ipaddress.ip_address(one) for one in spec["addresses"][0].split("-")]


def test_preflight_finds_the_host_that_has_a_free_address(playbook, lab, pool, tmp_path):
    report = tmp_path / "preflight.json"
    lab("fault", "squatter")
    try:
        status, text = playbook("preflight", metallb_preflight_report=str(report))
        tolerant, _text = playbook("preflight", metallb_preflight_fail=False)
    finally:
        lab("undo", "squatter")
    found = json.loads(report.read_text(encoding="utf-8"))
    squatted = str(pool[0] + 40)
    assert status != 0 and "MLB605" in said(text) and squatted in said(text)
    assert [one["address"] for one in found["in_use"]] == [squatted]
    assert found["in_use"][0]["macs"][0] in text
    assert tolerant == 0
    # Its neighbours are free, and addresses of services are not asked for.
    assert found["free"] == found["asked"] - 1 == int(pool[1]) - int(pool[0]) + 1 - 3 - 1
    status, text = playbook("preflight")
    assert status == 0, text


def test_a_stale_announcement_answers_and_is_called_that(playbook, lab):
    """The speaker goes on answering for an interface that the advertisement no longer names: until it restarts."""
    lab("fault", "interface-renamed")
    try:
        status, text = playbook("diagnose")
    finally:
        lab("undo", "interface-renamed")
    assert status != 0
    assert "MLB511" in said(text) and "MLB607" in said(text) and "goes silent when that speaker restarts" in said(text)


def test_failover_is_measured_and_undone(playbook, kubectl, tmp_path):
    report = tmp_path / "failover.json"
    status, text = playbook("failover_test")
    assert status != 0 and "metallb_failover_confirm=true" in said(text), "nothing is done without a yes"
    assert "speaker-away" not in kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.taints}")
    status, text = playbook(
        "failover_test", metallb_failover_confirm=True, metallb_failover_hold=5, metallb_failover_report=str(report)
    )
    assert status == 0, text
    result = json.loads(report.read_text(encoding="utf-8"))
    assert result["node_before"] and result["node_during"] and result["node_before"] != result["node_during"]
    assert result["away"]["node"] == result["node_during"]
    assert 0 < result["away"]["garp_ms"] < 10_000 and 0 < result["away"]["arp_ms"] < 10_000
    assert "speaker-away" not in kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.taints}")
    kubectl("-n", "metallb-system", "rollout", "status", "daemonset", "--timeout=60s")


def test_a_probe_host_without_raw_sockets_is_told_what_it_lacks(playbook, tmp_path):
    """As an unprivileged user the kernel's neighbour table is all there is, and it proves too little."""
    inventory = json.loads(Path(os.environ["L2OPS_INVENTORY"]).read_text(encoding="utf-8").split("\n", 1)[1])
    poor = dict(inventory["all"]["children"]["metallb_probes"]["hosts"]["lan-client"])
    poor.update(
        ansible_become=True, ansible_become_method="su", ansible_become_user="nobody", ansible_become_flags="-s /bin/sh"
    )
    inventory["all"]["children"]["metallb_probes"]["hosts"] = {"poor": poor}
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(inventory), encoding="utf-8")
    status, text = playbook("preflight", "-i", str(path), metallb_probe_host="poor")
    assert status != 0
    assert "CAP_NET_RAW" in said(text) and "become" in said(text)
    status, text = playbook("verify", "-i", str(path), metallb_probe_host="poor")
    assert status == 0, text
    assert "not looked at: the wire" in said(text) and "CAP_NET_RAW" in said(text)


def test_ipv6_addresses_are_answered_by_their_nodes(playbook, kubectl):
    families = {
        ipaddress.ip_address(one).version
        for one in kubectl(
            "get", "nodes", "-o", "jsonpath={.items[*].status.addresses[?(@.type=='InternalIP')].address}"
        ).split()
    }
    if 6 not in families:
        pytest.skip("this lab has no IPv6 (LAB_DUAL_STACK=1)")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "six", "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "ipFamilies": ["IPv6"],
            "selector": {"app": "my-nginx"},
            "ports": [{"port": 80}],
        },
    }
    kubectl("create", "-f", "-", stdin=json.dumps(service))
    try:
        end = time.monotonic() + 30
        path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
        while ":" not in kubectl("-n", "default", "get", "service", "six", "-o", path):
            assert time.monotonic() < end
            time.sleep(0.2)
        status, text = playbook("verify")
        assert status == 0, text
        assert any(line.startswith("default/six") and line.rstrip().endswith("ok") for line in text.splitlines()), text
    finally:
        kubectl("-n", "default", "delete", "service", "six")
