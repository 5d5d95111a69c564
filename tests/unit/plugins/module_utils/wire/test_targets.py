# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user may write as targets, nodes, expected, source; and what each mistake is told."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.analysis import facts
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import octets, targets
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import TargetError
from ansible_collections.l2ops.metallb.tests.unit.world import World
from hypothesis import given
from hypothesis import strategies as st


def texts(wanted):
    return [octets.address_text(one.address) for one in wanted]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (["192.168.7.203"], ["192.168.7.203"]),
        ("192.168.7.203", ["192.168.7.203"]),
        (["192.168.7.254-192.168.8.1"], ["192.168.7.254", "192.168.7.255", "192.168.8.0", "192.168.8.1"]),
        (["192.168.7.200 - 192.168.7.201"], ["192.168.7.200", "192.168.7.201"]),
        (["192.168.7.6/30"], ["192.168.7.4", "192.168.7.5", "192.168.7.6", "192.168.7.7"]),
        (["fd00::fffe-fd00::1:1"], ["fd00::fffe", "fd00::ffff", "fd00::1:0", "fd00::1:1"]),
        (["FD00:0:0::0203/128"], ["fd00::203"]),
        (["192.168.7.1,192.168.7.2", "192.168.7.1"], ["192.168.7.1", "192.168.7.2"]),
        ([{"address": "192.168.7.1"}, {"addresses": ["192.168.7.2", "192.168.7.4/31"]}],
         ["192.168.7.1", "192.168.7.2", "192.168.7.4", "192.168.7.5"]),
    ],
)  # fmt: skip
def test_forms_of_targets(raw, expected):
    assert texts(targets.parse_targets(raw, 100)) == expected


def test_kubernetes_objects_are_targets():
    pool = {
        "kind": "IPAddressPool",
        "metadata": {"name": "main-pool", "namespace": "metallb-system"},
        "spec": {"addresses": ["192.168.7.200-192.168.7.201", "fd00::200/127"]},
    }
    service = {
        "kind": "Service",
        "metadata": {"name": "traefik", "namespace": "traefik"},
        "spec": {"type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.168.7.201"}, {"ip": "fd00::201"}, {"hostname": "x"}]}},
    }
    pending = {"kind": "Service", "metadata": {"name": "new"}, "spec": {}, "status": {"loadBalancer": {}}}
    wanted = targets.parse_targets([pool, service, pending], 100)
    assert texts(wanted) == ["192.168.7.200", "192.168.7.201", "fd00::200", "fd00::201"]
    assert wanted[1].names == ["IPAddressPool metallb-system/main-pool", "Service traefik/traefik"]


def test_a_target_names_itself_and_its_node():
    wanted = targets.parse_targets([{"address": "192.168.7.203", "name": "traefik/traefik", "node": "w2"}], 100)
    assert (wanted[0].names, wanted[0].expected) == (["traefik/traefik"], "w2")


def test_services_and_pools_of_a_snapshot_are_targets():
    """As l2_info returns them; a service without an address yet asks for nothing."""
    info = facts(World().snapshot(), 10)
    assert any(service["addresses"] for service in info["services"])
    wanted = {octets.address_text(one.address): one for one in targets.parse_targets(info["services"], 100)}
    assert {text: one.expected for text, one in wanted.items()} == info["expected"]
    assert all(one.names for one in wanted.values())
    free = targets.parse_targets(info["pools"], 1000, info["services"])
    assert free and not {one.address for one in free} & {one.address for one in wanted.values()}
    assert targets.parse_targets([{"name": "new", "addresses": [], "elected": ""}, "192.168.7.9"], 9)[0].names == []


def test_excluded_addresses_are_not_asked():
    wanted = targets.parse_targets(
        ["192.168.7.0/29"], 100, exclude=["192.168.7.1-192.168.7.5", {"address": "192.168.7.7"}]
    )
    assert texts(wanted) == ["192.168.7.0", "192.168.7.6"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([], "no address to ask"),
        ([""], "no address to ask"),
        (["192.168.7.300"], "neither an address"),
        (["app.example.com"], "Names are not looked up"),
        (["fe80::1%eth0"], "zone"),
        (["192.168.7.200-250"], "Write both ends in full"),
        (["192.168.7.250-192.168.7.200"], "ends before it begins"),
        (["192.168.7.1-fd00::1"], "one address family"),
        (["192.168.7.0/33"], "no prefix"),
        (["192.168.7.0/x"], "no prefix"),
        ([{"name": "x"}], "needs the entry address"),
        ([17], "neither text nor a dict"),
        (["10.0.0.0/8"], "16777216 addresses .* more than max_targets \\(1000\\)"),
        (["fd00::/64"], "about 2\\^64"),
    ],
)
def test_wrong_targets_are_told_what_and_how(raw, words):
    with pytest.raises(TargetError, match=words):
        targets.parse_targets(raw, 1000)


def test_the_limit_counts_all_entries_together():
    assert len(targets.parse_targets(["10.0.0.0/25", "10.0.1.0/25"], 256)) == 256
    with pytest.raises(TargetError, match="257"):
        targets.parse_targets(["10.0.0.0/25", "10.0.1.0/25", "10.0.2.1"], 256)


@given(st.lists(st.text(max_size=30), max_size=3))
def test_no_text_crashes_the_reader(raw):
    try:
        assert targets.parse_targets(raw, 300)
    except TargetError as error:
        assert str(error).startswith("targets:")


def node_facts(nodes):
    return [
        (node.name, [octets.address_text(a) for a in node.addresses], [mac.hex() for mac in node.macs])
        for node in nodes
    ]


def test_forms_of_nodes():
    kubernetes = {
        "metadata": {"name": "w3"},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": "192.168.7.23"},
                {"type": "InternalIP", "address": "fd00::23"},
                {"type": "ExternalIP", "address": "203.0.113.1"},
                {"type": "Hostname", "address": "w3"},
            ]
        },
    }
    assert node_facts(targets.parse_nodes([{"name": "w1", "addresses": ["192.168.7.21"]}, kubernetes])) == [
        ("w1", ["192.168.7.21"], []),
        ("w3", ["192.168.7.23", "fd00::23"], []),
    ]
    assert node_facts(
        targets.parse_nodes({"w1": "192.168.7.21", "w2": ["192.168.7.22"], "w4": {"mac": "52-54-00-00-00-04"}})
    ) == [("w1", ["192.168.7.21"], []), ("w2", ["192.168.7.22"], []), ("w4", [], ["525400000004"])]
    assert targets.parse_nodes(None) == []
    as_status = [{"type": "InternalIP", "address": "192.168.7.21"}, {"type": "Hostname", "address": "w1"}]
    assert node_facts(targets.parse_nodes([{"name": "w1", "addresses": as_status}])) == [("w1", ["192.168.7.21"], [])]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (["w1"], "is no node"),
        ("w1", "write a list"),
        ([{"addresses": ["192.168.7.21"]}], "has no name"),
        ({"w1": "example.com"}, "of node w1 is no address"),
        ({"w1": {"macs": ["xx"]}}, "of node w1 is no MAC"),
    ],
)
def test_wrong_nodes_are_told_what(raw, words):
    with pytest.raises(TargetError, match=words):
        targets.parse_nodes(raw)


def test_expected_overrides_by_address_range_and_prefix():
    wanted = targets.parse_targets([{"address": "10.0.0.1", "node": "old"}, "10.0.0.2", "10.0.0.9", "fd00::1"], 10)
    targets.parse_expected({"10.0.0.0/30": "w1", "10.0.0.9": "w2", "10.9.9.9": "w3", "fd00::1": None}, wanted)
    assert [one.expected for one in wanted] == ["w1", "w1", "w2", None]


def test_expected_must_be_a_dict_of_addresses():
    with pytest.raises(TargetError, match="dict of address"):
        targets.parse_expected(["w1"], [])
    with pytest.raises(TargetError, match="neither an address"):
        targets.parse_expected({"w1": "10.0.0.1"}, [])


def test_a_source_must_be_our_own_and_none_of_the_targets():
    wanted = targets.parse_targets(["192.168.7.203", "192.168.7.2"], 10)
    own = {octets.to_address("192.168.7.2"): None, octets.to_address("192.168.7.3"): None}
    assert targets.check_source("192.168.7.3", own, wanted) == octets.to_address("192.168.7.3")
    assert targets.check_source("0.0.0.0", own, wanted) == b"\x00" * 4
    for text, words in (
        ("x", "is no address"),
        ("192.168.7.9", "no address of this host"),
        ("192.168.7.2", "announcement"),
    ):
        with pytest.raises(TargetError, match=words):
            targets.check_source(text, own, wanted)
