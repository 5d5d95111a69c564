# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which interface an address is asked on, with which source, and what is told when it cannot be asked."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import links as _links
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import netlink
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import WireError
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.octets import address_text, to_address
from ansible_collections.l2ops.metallb.tests.unit.plugins.module_utils.wire.simulated_network import (
    Route,
    SimulatedTable,
    interface,
)
from hypothesis import given
from hypothesis import strategies as st

DOWN = netlink.IFF_BROADCAST
UP = DOWN | netlink.IFF_UP | netlink.IFF_LOWER_UP


def choose(table, text, forced=None):
    return _links.Chooser(table, forced).choose(to_address(text))


def test_the_interface_in_the_network_is_taken_without_asking_the_kernel():
    table = SimulatedTable(interface(), interface("eth1", 3, ("10.0.0.2/8",)))
    choice = choose(table, "192.168.7.203")
    assert (choice.interface.name, choice.on_link, choice.reason) == ("eth0", True, "")
    assert table.asked == 0


def test_the_longest_prefix_wins():
    table = SimulatedTable(interface("eth0", 2, ("10.0.0.2/8",)), interface("eth1", 3, ("10.7.0.2/16",)))
    assert choose(table, "10.7.0.203").interface.name == "eth1"


def test_of_two_interfaces_in_one_segment_the_kernels_choice_is_taken_and_asked_once():
    second = interface("eth1", 3, ("192.168.7.3/24",))
    address = to_address("192.168.7.203")
    table = SimulatedTable(interface(), second, routes={address: Route(netlink.RTN_UNICAST, 3, None, None)})
    chooser = _links.Chooser(table)
    assert chooser.choose(address).interface is second
    assert chooser.choose(to_address("192.168.7.204")).interface is second
    assert table.asked == 1


def test_of_two_interfaces_in_one_segment_the_one_that_is_up_is_taken():
    table = SimulatedTable(interface(flags=DOWN), interface("eth1", 3, ("192.168.7.3/24",)))
    assert choose(table, "192.168.7.203").interface.name == "eth1"


def test_an_address_behind_a_gateway_is_not_asked_and_says_so():
    gateway = to_address("192.168.7.1")
    table = SimulatedTable(interface(), routes={to_address("10.1.1.1"): Route(netlink.RTN_UNICAST, 2, gateway, None)})
    choice = choose(table, "10.1.1.1")
    assert (choice.interface, choice.reason) == (None, "not-on-link")
    assert "gateway 192.168.7.1 on eth0" in choice.message
    assert "metallb_probes" in choice.message


def test_an_address_without_route_is_not_asked_and_says_so():
    choice = choose(SimulatedTable(interface()), "10.1.1.1")
    assert (choice.interface, choice.reason) == (None, "no-route")


def test_a_route_on_link_without_an_address_in_the_network_is_on_link():
    table = SimulatedTable(interface(), routes={to_address("10.1.1.1"): Route(netlink.RTN_UNICAST, 2, None, None)})
    choice = choose(table, "10.1.1.1")
    assert (choice.interface.name, choice.on_link) == ("eth0", True)


def test_our_own_address_is_not_asked():
    choice = choose(SimulatedTable(interface()), "192.168.7.2")
    assert (choice.interface, choice.reason) == (None, "local")


def test_a_multicast_address_is_not_asked():
    assert choose(SimulatedTable(interface()), "224.0.0.1").reason == "multicast"
    assert choose(SimulatedTable(interface()), "ff02::1").reason == "multicast"


def test_a_forced_interface_outside_the_network_is_asked_but_silence_proves_nothing():
    table = SimulatedTable(interface())
    choice = choose(table, "10.1.1.1", forced=table.by_name["eth0"])
    assert (choice.interface.name, choice.on_link, choice.reason) == ("eth0", False, "not-on-link")
    assert "silence proves nothing" in choice.message


def test_ipv6_needs_a_link_local_address():
    table = SimulatedTable(interface(addresses=("fd00::2/64",)))
    choice = choose(table, "fd00::203")
    assert (choice.interface, choice.reason) == (None, "no-link-local")
    assert "disable_ipv6=0" in choice.message
    assert choose(SimulatedTable(interface()), "fd00::203").interface is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flags": DOWN}, "is down.*ip link set dev eth0 up"),
        ({"flags": UP & ~netlink.IFF_LOWER_UP}, "no carrier"),
        ({"flags": UP | netlink.IFF_NOARP}, "ARP switched off"),
        ({"hardware": 65534, "mac": b""}, "is not Ethernet"),
        ({"master": 9}, "is a port of bridge br0.*use interface br0"),
    ],
    ids=["down", "no carrier", "no arp", "tunnel", "bridge port"],
)
def test_an_interface_that_cannot_be_used_is_told_why(changes, words):
    bridge = interface("br0", 9, (), kind="bridge")
    table = SimulatedTable(interface(**changes), bridge)
    with pytest.raises(WireError, match=words) as caught:
        _links.check_interface(table, "eth0")
    assert caught.value.reason == "interface"
    choice = choose(table, "192.168.7.203")
    assert (choice.interface, choice.reason) == (None, "interface")


def test_an_absent_interface_is_told_with_those_there_are():
    table = SimulatedTable(interface(), interface("lo", 1, ("127.0.0.1/8",), hardware=netlink.ARPHRD_LOOPBACK))
    with pytest.raises(WireError, match=r"no interface ens18 .* used here: eth0"):
        _links.check_interface(table, "ens18")


def source(link, target, forbidden=()):
    return address_text(_links.source_for(link, to_address(target), {to_address(text) for text in forbidden}))


def test_the_source_is_in_the_targets_network_and_never_a_target():
    link = interface(addresses=("10.0.0.2/8", "192.168.7.2/24", "192.168.7.203/32", "fe80::1/64", "fd00::2/64"))
    assert source(link, "192.168.7.204") == "192.168.7.2"
    assert source(link, "10.9.9.9") == "10.0.0.2"
    assert source(link, "172.16.0.1") == "10.0.0.2"
    assert source(link, "192.168.7.204", ["192.168.7.2"]) == "10.0.0.2"
    assert source(link, "192.168.7.204", ["192.168.7.2", "10.0.0.2", "192.168.7.203"]) == "0.0.0.0"
    assert source(link, "fd00::203") == "fe80::1"


def test_route_attributes_are_read():
    data = struct.pack("=HH", 8, 1) + b"\x01\x02\x03\x04" + struct.pack("=HH", 6, 2) + b"xy\x00\x00" + b"\x00"
    assert netlink.attributes(data, 0) == {1: b"\x01\x02\x03\x04", 2: b"xy"}


@given(st.binary(max_size=200))
def test_no_octets_crash_the_netlink_readers(data):
    assert isinstance(netlink.attributes(data, 0), dict)
    assert isinstance(list(netlink.messages(data)), list)


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


class RecordedNetlink:
    """What a kernel says of eth0 and of eth0.7 on it; laid out as if_link.h has it."""

    def __enter__(self):
        return self

    def __exit__(self, *_gone):
        pass

    def links(self):
        own = {1: bytes.fromhex("525400000001"), 4: struct.pack("=I", 1500)}
        tag = attribute(1, b"vlan\0") + attribute(2, attribute(1, struct.pack("=H", 7)))
        yield 2, netlink.ARPHRD_ETHER, UP, {**own, 3: b"eth0\0"}
        yield 3, netlink.ARPHRD_ETHER, UP, {**own, 3: b"eth0.7\0", 5: struct.pack("=I", 2), 18: tag}

    def addresses(self):
        yield 2, 24, 0, 0, {2: to_address("192.168.7.2")}
        yield 3, 24, 0, 0, {2: to_address("192.168.77.2")}


def test_an_address_in_a_vlan_is_asked_on_its_interface_and_the_vlan_is_told(monkeypatch):
    monkeypatch.setattr(netlink, "Netlink", RecordedNetlink)
    table = _links.read_table()
    choice = choose(table, "192.168.77.203")
    assert (choice.interface.name, choice.interface.facts()["vlan"], choice.on_link) == ("eth0.7", 7, True)
    assert choice.interface.facts()["kind"] == "vlan"
    assert choose(table, "192.168.7.203").interface.facts()["vlan"] is None


def test_this_hosts_own_table_has_its_loopback():
    table = _links.read_table()
    loopback = table.by_name["lo"]
    assert loopback.hardware == netlink.ARPHRD_LOOPBACK
    assert any(address_text(address) == "127.0.0.1" for address, _length in loopback.addresses)
    assert table.route(to_address("127.0.0.1")).kind == netlink.RTN_LOCAL
