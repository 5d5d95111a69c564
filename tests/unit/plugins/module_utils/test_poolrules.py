# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule of pools and advertisements: what raises it, and what nearly does and must not."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._addresses import AddressError
from ansible_collections.l2ops.metallb.plugins.module_utils._poolrules import (
    CATALOGUE,
    NEED_NODES,
    Surroundings,
    judge,
    judged,
)

NODE = {
    "metadata": {"name": "cp-1", "labels": {"zone": "a"}},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.168.7.10"}]},
}
GOOD = ["192.168.7.200-192.168.7.250"]


def pool(addresses=("192.168.7.200-192.168.7.250",), name="main-pool", labels=None, **spec):
    return {
        "metadata": {"name": name, "namespace": "m", "labels": labels or {}},
        "spec": {"addresses": list(addresses), **spec},
    }


def advertisement(name="l2-adv", **spec):
    spec = {"ipAddressPools": ["main-pool"], "interfaces": ["eth0"], **spec}
    return {"metadata": {"name": name, "namespace": "m"}, "spec": spec}


def codes(pools=None, advertisements=None, **around):
    around.setdefault("nodes", [NODE])
    found = judge(
        pools or [pool()], [advertisement()] if advertisements is None else advertisements, Surroundings(**around)
    )
    return [one["code"] for one in found]


def test_the_source_documents_configuration_is_clean():
    assert codes(gateway=["192.168.7.1"]) == []


CASES = {
    "MLB301": ({"pools": [pool(["192.168.7.10/32"])]}, {"pools": [pool(["192.168.7.11/32"])]}),
    "MLB302": ({"gateway": ["192.168.7.200"]}, {"gateway": ["192.168.7.199"]}),
    "MLB303": (
        {
            "pools": [pool(), pool(["192.168.7.250/32"], "second")],
            "advertisements": [advertisement(ipAddressPools=["main-pool", "second"])],
        },
        {
            "pools": [pool(), pool(["192.168.7.251/32"], "second")],
            "advertisements": [advertisement(ipAddressPools=["main-pool", "second"])],
        },
    ),
    "MLB304": (
        {"pools": [pool(["192.168.8.200-192.168.8.250"])]},
        {"pools": [pool(["192.168.6.9/32"])], "node_networks": ["192.168.4.1/22"]},
    ),
    "MLB305": ({"pools": [pool(["192.168.7.201/27"])]}, {"pools": [pool(["192.168.7.192/27"])]}),
    "MLB306": (
        {"pools": [pool(["192.168.7.240-192.168.7.255"])]},
        {"pools": [pool(["192.168.7.240-192.168.7.255"], avoidBuggyIPs=True)]},
    ),
    "MLB309": ({"pools": [pool(["192.168.7.201"])]}, {"pools": [pool(["192.168.7.201/32"])]}),
    "MLB310": ({"dhcp_ranges": ["192.168.7.100-192.168.7.200"]}, {"dhcp_ranges": ["192.168.7.100-192.168.7.199"]}),
    "MLB401": ({"advertisements": []}, {"advertisements": [advertisement(ipAddressPools=[])]}),
    "MLB402": ({"advertisements": [advertisement(ipAddressPools=["main-pool", "gone"])]}, {}),
    "MLB403": (
        {"advertisements": [advertisement(nodeSelectors=[{"matchLabels": {"zone": "b"}}])]},
        {"advertisements": [advertisement(nodeSelectors=[{"matchLabels": {"zone": "a"}}])]},
    ),
    "MLB404": ({"advertisements": [advertisement(interfaces=[])]}, {}),
    "MLB407": (
        {"advertisements": [advertisement(), advertisement("second", interfaces=[])]},
        {"advertisements": [advertisement(), advertisement("second", interfaces=["eth1"])]},
    ),
}


def test_every_rule_has_a_case():
    assert set(CASES) == set(CATALOGUE)


@pytest.mark.parametrize("code", sorted(CASES))
def test_raised_alone_and_not_by_its_neighbour(code):
    bad, good = CASES[code]
    assert set(codes(**bad)) == {code}
    assert codes(**good) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "300.1.1.1/32",
        "192.168.7.250-192.168.7.200",
        "192.168.7.1-fd00::1",
        "127.0.0.1/32",
        "fe80::/64",
        "224.0.0.1/32",
    ],
)
def test_unusable_texts_are_findings_and_no_tracebacks(text):
    assert codes(pools=[pool([text])])[0] == "MLB309"


def test_dual_stack_pools_are_held_against_networks_of_their_family():
    node = {
        "metadata": {"name": "n"},
        "status": {"addresses": [{"type": "InternalIP", "address": a} for a in ("192.168.7.10", "fd00:7::10")]},
    }
    assert codes(pools=[pool([*GOOD, "fd00:7::200-fd00:7::250"])], nodes=[node]) == []
    assert codes(pools=[pool([*GOOD, "fd00:8::200-fd00:8::250"])], nodes=[node]) == ["MLB304"]


def test_ignored_codes_are_left_out():
    assert codes(advertisements=[advertisement(interfaces=[])], ignore=["MLB404"]) == []


def test_surroundings_that_cannot_be_read_are_an_error_not_a_pass():
    with pytest.raises(AddressError):
        codes(gateway=["the router"])


def test_rules_about_nodes_are_skipped_when_nodes_could_not_be_read():
    checks = {one["id"]: one for one in judged([], "forbidden")}
    assert {code for code, one in checks.items() if one["result"] == "skipped"} == set(NEED_NODES)
    assert all(one["result"] == "passed" for one in judged([], ""))
