# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole probe on a simulated segment: the rows of the signature table, nodes, canaries, conflicts, watching."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import (
    arp,
    sweep,
    touch,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import (
    probe as _probe,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import (
    targets as _targets,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import (
    PermissionMissing,
    TargetError,
    WireError,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.octets import mac_text, to_address
from ansible_collections.l2ops.metallb.tests.unit.plugins.module_utils.wire.simulated_network import (
    EPOCH,
    MS,
    PROBER_MAC,
    SimulatedHost,
    SimulatedNetwork,
    SimulatedTable,
    interface,
)

W1, W2, W3 = (bytes.fromhex(f"5254000000{number:02x}") for number in (0x21, 0x22, 0x23))
ROGUE = bytes.fromhex("bc2411aabbcc")
NODES = {"w1": "192.168.7.21", "w2": "192.168.7.22", "w3": "192.168.7.23"}
VIP = "192.168.7.203"
VIP6 = "fd00::203"


def octets(*texts):
    return [to_address(text) for text in texts]


def host(mac, *addresses, **more):
    return SimulatedHost(mac, octets(*addresses), **more)


def nodes(w1=(), w2=(), w3=()):
    """Three nodes with their own addresses, and what each announces."""
    return [
        host(W1, NODES["w1"], *w1),
        host(W2, NODES["w2"], *w2),
        host(W3, NODES["w3"], *w3),
    ]


def probe(*hosts, targets=(VIP,), expected=None, given_nodes="w1 w2 w3", table=None, lose=None, **more):
    network = SimulatedNetwork(*hosts, lose=lose)
    wanted = _targets.parse_targets(list(targets), 4096)
    _targets.parse_expected(expected or {}, wanted)
    given_nodes = NODES if given_nodes == "w1 w2 w3" else given_nodes
    request = _probe.Request(wanted, _targets.parse_nodes(given_nodes), fallback=more.pop("fallback", "fail"), **more)
    one = _probe.Probe(request, table or SimulatedTable(interface()), network.open_port, network.clock)
    result = one.run()
    result["network"] = network
    return result


def only(result):
    (target,) = result["targets"]
    return target


def test_one_node_answers_and_all_is_silent():
    result = probe(*nodes(w2=[VIP]), expected={VIP: "w2"})
    target = only(result)
    assert (target["outcome"], target["node"], target["message"]) == ("ok", "w2", "")
    assert target["answered"] and not target["duplicate"] and not target["unicast"]
    assert result["conclusive"] and result["inconclusive_reason"] == ""
    assert result["nodes"] == {mac_text(W1): "w1", mac_text(W2): "w2", mac_text(W3): "w3"}
    assert result["statistics"]["frames_sent"] == 4


def test_nodes_and_targets_ride_in_one_sweep():
    result = probe(*nodes(w2=[VIP]))
    assert result["network"].clock.time < 260 * MS


def test_nobody_announces():
    target = only(probe(*nodes(), expected={VIP: "w2"}))
    assert target["outcome"] == "silent"
    assert target["conclusive"]
    assert [one["answered"] for one in target["unicast"]] == [False, False, False]
    assert {one["node"] for one in target["unicast"]} == {"w1", "w2", "w3"}
    assert VIP in target["message"] and "eth0" in target["message"] and "3 requests" in target["message"]


def test_broadcast_is_lost_on_the_way():
    def lose(frame):
        return frame[:6] == arp.BROADCAST and frame[38:42] == to_address(VIP)

    target = only(probe(*nodes(w2=[VIP]), expected={VIP: "w2"}, lose=lose))
    assert target["outcome"] == "broadcast-lost"
    assert target["answering_nodes"] == ["w2"]
    assert not target["answered"]
    assert "broadcast is lost" in target["message"]


def test_the_wrong_node_answers():
    target = only(probe(*nodes(w3=[VIP]), expected={VIP: "w2"}))
    assert target["outcome"] == "other-node"
    assert target["node"] == "w3"
    assert {one["node"]: one["answered"] for one in target["unicast"]} == {"w1": False, "w2": False, "w3": True}


def test_two_nodes_answer():
    target = only(probe(*nodes(w1=[VIP], w2=[VIP]), expected={VIP: "w2"}))
    assert target["outcome"] == "many"
    assert target["duplicate"] and target["answering_nodes"] == ["w1", "w2"]


def test_a_second_node_that_broadcast_does_not_reach_is_found_by_asking_everybody_alone():
    hosts = nodes(w1=[VIP])
    hosts[1] = host(W2, NODES["w2"])
    deaf = host(W2, VIP, deaf_to_broadcast=True)
    assert only(probe(*hosts, deaf, unicast="always"))["outcome"] == "many"
    assert only(probe(*hosts, deaf, unicast="never"))["outcome"] == "ok"


def test_an_answer_without_doubt_is_not_asked_again():
    result = probe(host(ROGUE, VIP), given_nodes=None)
    assert only(result)["unicast"] == []
    assert result["statistics"]["frames_sent"] == 1


def test_the_second_phase_is_bounded_and_asks_what_is_expected_first():
    link = interface(addresses=("10.77.0.1/16", "192.168.7.2/24"))
    result = probe(*nodes(), targets=["10.77.0.0/22"], table=SimulatedTable(link), expected={"10.77.3.255": "w1"})
    asked = [target for target in result["targets"] if target["unicast"]]
    assert len(asked) == 2000 // 3
    assert asked[-1]["address"] == "10.77.3.255"
    assert result["statistics"]["not_asked_alone"] == 1023 - 2000 // 3  # one is the prober's own


def test_another_host_has_the_address():
    target = only(probe(*nodes(), host(ROGUE, VIP), expected={VIP: "w2"}))
    assert target["outcome"] == "foreign"
    assert target["answers"][0]["vendor"] == "Proxmox virtual machine or container"
    assert not target["proxy"]
    assert mac_text(ROGUE) in target["message"]


def test_another_host_has_the_address_as_well():
    target = only(probe(*nodes(w2=[VIP]), host(ROGUE, VIP, delay=200 * MS), expected={VIP: "w2"}))
    assert target["outcome"] == "foreign"
    assert target["duplicate"]
    assert [answer["node"] for answer in target["answers"]] == ["w2", ""]


def test_a_proxy_that_answers_for_everything_is_unmasked():
    result = probe(
        *nodes(), host(ROGUE, answers_all=True), targets=[VIP], expected={VIP: "w2"}, given_nodes={"w1": "192.168.7.21"}
    )
    assert only(result)["proxy"]
    assert result["proxies"] == [mac_text(ROGUE)]


def test_a_proxy_is_unmasked_by_the_users_canary():
    result = probe(*nodes(), host(ROGUE, answers_all=True), canaries=octets("192.168.7.99"), given_nodes=None)
    assert result["proxies"] == [mac_text(ROGUE)]
    assert only(result)["proxy"]


def test_one_node_with_two_interfaces_in_the_segment():
    second = host(bytes.fromhex("5254000000f2"), VIP)
    given_nodes = [{"name": "w2", "addresses": ["192.168.7.22"], "macs": ["52:54:00:00:00:f2"]}]
    target = only(probe(*nodes(w2=[VIP]), second, given_nodes=given_nodes, expected={VIP: "w2"}))
    assert target["outcome"] == "one-node-twice"
    assert target["answering_nodes"] == ["w2"]


def test_a_mac_cannot_be_called_foreign_while_a_node_is_unknown():
    hosts = nodes(w1=[])
    hosts[1] = host(W2, VIP)  # w2 announces, but its own address is silent
    result = probe(*hosts, expected={VIP: "w2"})
    assert only(result)["outcome"] == "unknown-node"
    assert [one["name"] for one in result["node_addresses"] if not one["answered"]] == ["w2"]


def test_a_mac_that_answers_for_two_nodes_names_neither():
    result = probe(host(ROGUE, NODES["w1"], NODES["w2"], VIP), host(W3, NODES["w3"]))
    assert result["nodes"] == {mac_text(W3): "w3"}


def test_without_nodes_one_mac_is_fine_and_two_are_not():
    assert only(probe(host(ROGUE, VIP), given_nodes=None))["outcome"] == "ok"
    assert only(probe(host(ROGUE, VIP), host(W1, VIP), given_nodes=None))["outcome"] == "many"


def test_ipv4_and_ipv6_in_one_call_with_the_nodes_identity():
    result = probe(*nodes(w2=[VIP, VIP6]), targets=[VIP, VIP6], expected={VIP: "w2", VIP6: "w2"})
    assert [target["outcome"] for target in result["targets"]] == ["ok", "ok"]
    answer = result["targets"][1]["answers"][0]
    assert answer["source"] == "fe80::5054:ff:fe00:22"
    assert answer["flags"] == ["solicited"]
    assert answer["node"] == "w2"


def test_ipv6_second_phase_asks_each_node_alone():
    def lose(frame):
        return frame[:2] == b"\x33\x33"

    target = only(probe(*nodes(w2=[VIP6]), targets=[VIP6], lose=lose))
    assert target["outcome"] == "broadcast-lost"
    assert target["answering_nodes"] == ["w2"]


def test_a_speaker_that_lost_the_multicast_group_is_found_at_its_link_local_address():
    hosts = nodes()
    hosts[1] = host(W2, NODES["w2"])
    target = only(probe(*hosts, host(W2, VIP6, only_link_local=True), targets=[VIP6]))
    assert target["outcome"] == "broadcast-lost"
    assert target["answering_nodes"] == ["w2"]
    assert "restart that speaker" in target["message"]


def test_a_node_with_a_privacy_address_is_asked_there_once_it_is_known():
    private = to_address("fe80::1234:5678:9abc:def0")
    hosts = nodes()
    hosts[1] = host(W2, NODES["w2"], "fd00::204", ipv6_source=private)
    lost_group = host(W2, VIP6, only_link_local=True, ipv6_source=private)
    result = probe(*hosts, lost_group, targets=[VIP6, "fd00::204"])
    assert [target["outcome"] for target in result["targets"]] == ["broadcast-lost", "ok"]


def test_ipv4_answers_and_ipv6_is_silent():
    result = probe(*nodes(w2=[VIP]), targets=[VIP, VIP6])
    assert [target["outcome"] for target in result["targets"]] == ["ok", "silent"]


def test_what_is_not_on_link_is_not_asked_and_nothing_is_concluded():
    result = probe(*nodes(w2=[VIP]), targets=[VIP, "10.9.9.9"])
    first, second = result["targets"]
    assert first["outcome"] == "ok" and first["conclusive"]
    assert (second["outcome"], second["asked"], second["conclusive"], second["reason"]) == (
        "not-asked",
        False,
        False,
        "no-route",
    )
    assert not result["conclusive"]
    assert "10.9.9.9" in result["inconclusive_reason"]
    assert all(frame[38:42] != to_address("10.9.9.9") for _time, frame in result["network"].frames)


def test_silence_on_a_forced_interface_outside_the_network_proves_nothing_but_an_answer_does():
    silent = probe(*nodes(), targets=["10.9.9.9"], interface="eth0")
    assert (only(silent)["outcome"], only(silent)["conclusive"], silent["conclusive"]) == ("silent", False, False)
    answered = probe(host(W1, "10.9.9.9"), targets=["10.9.9.9"], interface="eth0", given_nodes=None)
    assert (only(answered)["outcome"], only(answered)["conclusive"], answered["conclusive"]) == ("ok", True, True)


def test_our_own_drops_make_silence_inconclusive():
    network = SimulatedNetwork(*nodes())
    request = _probe.Request(_targets.parse_targets([VIP], 10), [])

    def open_port(link, ipv6, listen):
        port = network.open_port(link, ipv6, listen)
        port.dropped = 3
        return port

    result = _probe.Probe(request, SimulatedTable(interface()), open_port, network.clock).run()
    assert result["statistics"]["local_drops"] >= 3
    assert not result["conclusive"] and not only(result)["conclusive"]
    assert "own loss" in result["inconclusive_reason"]


def test_a_node_that_probes_says_that_it_cannot_see_itself():
    table = SimulatedTable(interface(addresses=("192.168.7.21/24",), mac=W1))
    result = probe(host(W2, NODES["w2"]), host(W3, NODES["w3"]), table=table, expected={VIP: "w1"})
    assert only(result)["outcome"] == "silent"
    assert not only(result)["conclusive"]
    assert "This host is node w1 itself" in result["inconclusive_reason"]


def test_an_address_of_our_own_counts_as_answered():
    target = only(probe(*nodes(), targets=["192.168.7.2"], given_nodes=None))
    assert target["answers"][0]["local"] and target["macs"] == [mac_text(PROBER_MAC)]


def test_no_frame_of_any_mode_claims_an_address_that_is_asked_for():
    link = interface(addresses=("192.168.7.2/24", "192.168.7.203/24", "fe80::5054:ff:fe00:1/64"))
    for more in ({}, {"conflict": True}, {"watch": _probe.Watch(2000 * MS, 100 * MS)}):
        result = probe(*nodes(), targets=[VIP, "192.168.7.2", "192.168.7.204"], table=SimulatedTable(link), **more)
        frames = [frame for _time, frame in result["network"].frames]
        assert frames
        for frame in frames:
            packet = arp.parse(frame)
            assert packet.operation == arp.REQUEST
            assert packet.sender_mac == frame[6:12] == PROBER_MAC
            assert packet.sender_address not in octets(VIP, "192.168.7.2", "192.168.7.204")


def test_a_foreign_source_is_refused():
    with pytest.raises(TargetError, match="no address of this host"):
        probe(*nodes(), source="192.168.7.77")


def test_conflict_mode_asks_without_sender_and_tells_used_from_free():
    result = probe(
        *nodes(),
        host(ROGUE, "192.168.7.210"),
        targets=["192.168.7.210", "192.168.7.211"],
        conflict=True,
        given_nodes=None,
    )
    used, free = result["targets"]
    assert (used["outcome"], free["outcome"]) == ("in-use", "free")
    assert used["answers"][0]["announced"] is False
    assert used["answers"][0]["vendor"].startswith("Proxmox")
    assert "already used" in used["message"] and free["message"] == ""
    assert all(arp.parse(frame).sender_address == b"\x00" * 4 for _time, frame in result["network"].frames)


def test_conflict_mode_finds_an_ipv6_address_in_use():
    target = only(probe(host(ROGUE, VIP6), targets=[VIP6], conflict=True, given_nodes=None))
    assert target["outcome"] == "in-use"


def test_conflict_mode_off_link_is_not_called_free():
    target = only(probe(targets=["10.9.9.9"], conflict=True, given_nodes=None))
    assert target["outcome"] == "not-asked"
    forced = only(probe(targets=["10.9.9.9"], conflict=True, given_nodes=None, interface="eth0"))
    assert forced["outcome"] == "unproven"


def moved(network, address, old, new, at, announce=True):
    """At ``at``, ``new`` takes the address over from ``old``, with MetalLB's announcements."""

    def move():
        old.addresses.discard(address)
        new.addresses.add(address)

    network.clock.at(at, move)
    for number in range(5 if announce else 0):
        for operation in (arp.REQUEST, arp.REPLY):
            body = arp.request(new.mac, b"\x00" * 4, address)[12:20] + bytes((0, operation)) + new.mac + address
            frame = arp.BROADCAST + new.mac + body + arp.BROADCAST + address
            network.clock.at(at + number * 1100 * MS, lambda frame=frame: network.deliver(frame))


def watching(before, after, at, until="duration", duration=6000, announce=True, ipv6=False):
    address = to_address(VIP6 if ipv6 else VIP)
    hosts = nodes()
    network = SimulatedNetwork(*hosts)
    if before is not None:
        hosts[before].addresses.add(address)
    if after is not None:
        nobody = host(ROGUE)
        moved(network, address, hosts[before] if before is not None else nobody, hosts[after], at * MS, announce)
    elif before is not None:
        network.clock.at(at * MS, lambda: hosts[before].addresses.discard(address))
    request = _probe.Request(
        _targets.parse_targets([VIP6 if ipv6 else VIP], 10),
        _targets.parse_nodes(NODES),
        unicast="never",
        watch=_probe.Watch(duration * MS, 100 * MS, until),
    )
    result = _probe.Probe(request, SimulatedTable(interface()), network.open_port, network.clock).run()
    return network, result, only(result)["watch"]


def test_watch_times_a_failover():
    network, result, story = watching(1, 2, at=2000)
    assert (story["nodes_before"], story["nodes_after"], story["changes"]) == (["w2"], ["w3"], 1)
    (changed,) = [event for event in story["events"] if event["event"] == "changed"]
    assert EPOCH / 1e9 + 2.0 <= changed["at"] <= EPOCH / 1e9 + 2.11
    assert changed["nodes"] == ["w3"]
    announced = [event for event in story["events"] if event["event"] == "announced"]
    assert announced[0]["by"] == "request" and announced[1]["by"] == "reply"
    assert abs(announced[0]["at"] - EPOCH / 1e9 - 2.0) < 0.001
    assert story["announcements"] == {mac_text(W3): 8}  # at 0, 1.1, 2.2, 3.3 s; the fifth comes after the end
    assert 90 < story["longest_gap_ms"] < 120
    assert result["watch"]["interval_ms"] == 100.0
    assert network.clock.time >= 6000 * MS


def test_watch_ends_when_the_owner_changed_and_announcements_were_heard():
    network, _result, story = watching(1, 2, at=1000, until="changed")
    assert story["changes"] == 1
    assert network.clock.time < 2800 * MS
    assert story["announcements"] == {mac_text(W3): 4}


def test_watch_notices_a_silent_change_without_announcement():
    _network, _result, story = watching(1, 0, at=1000, announce=False)
    assert story["changes"] == 1 and story["announcements"] == {}


def test_watch_tells_loss_and_silence():
    _network, _result, story = watching(1, None, at=1000, duration=3000)
    (lost,) = story["events"]
    assert lost["event"] == "lost" and lost["nodes"] == ["w2"]
    assert story["longest_gap_ms"] > 2000
    assert story["changes"] == 0


def test_watch_tells_the_first_answer():
    _network, _result, story = watching(None, 0, at=1500, until="answered")
    assert [event["event"] for event in story["events"] if event["event"] != "announced"] == ["answered"]
    assert story["nodes_before"] == [] and story["nodes_after"] == ["w1"]


def test_watch_of_two_that_both_answer_is_no_flapping():
    hosts = nodes(w1=[VIP], w2=[VIP])
    result = probe(*hosts, watch=_probe.Watch(2000 * MS, 100 * MS))
    assert only(result)["watch"]["changes"] == 0
    assert only(result)["watch"]["events"] == []


def test_watch_of_ipv6():
    _network, _result, story = watching(1, 2, at=1000, announce=False, ipv6=True)
    assert story["changes"] == 1 and story["nodes_after"] == ["w3"]


def test_watch_never_asks_faster_than_the_rate():
    result = probe(
        *nodes(), targets=["192.168.7.100-192.168.7.199"], watch=_probe.Watch(3000 * MS, 10 * MS), given_nodes=None,
        settings=sweep.Settings(rate=200, fast_rate=200), unicast="never",
    )  # fmt: skip
    assert result["watch"]["interval_ms"] == 500.0


def no_rights(*_arguments):
    raise PermissionMissing("raw sockets are forbidden to this process.")


def test_without_rights_the_neighbour_table_is_used_and_says_what_it_cannot_see(monkeypatch):
    def by_table(places, timeout, attempts):
        return {
            address: touch.Touched(W2, "reachable", True, True)
            if address == to_address(VIP)
            else touch.Touched(None, "failed", True, False)
            for address in places
        }

    monkeypatch.setattr(touch, "by_neighbour_table", by_table)
    wanted = _targets.parse_targets([VIP, "192.168.7.204"], 10)
    request = _probe.Request(wanted, [])
    result = _probe.Probe(request, SimulatedTable(interface()), no_rights, SimulatedNetwork().clock).run()
    assert result["method"] == "neighbour"
    assert [target["outcome"] for target in result["targets"]] == ["ok", "silent"]
    assert [target["conclusive"] for target in result["targets"]] == [False, False]
    assert not result["conclusive"]
    assert "second host" in result["inconclusive_reason"]
    assert result["targets"][0]["answers"][0]["state"] == "reachable"


def test_without_rights_and_without_fallback_it_fails():
    request = _probe.Request(_targets.parse_targets([VIP], 10), [], fallback="fail")
    with pytest.raises(WireError, match="forbidden") as caught:
        _probe.Probe(request, SimulatedTable(interface()), no_rights, SimulatedNetwork().clock).run()
    assert caught.value.reason == "permission"


def test_without_netlink_a_connection_tells_whether_anybody_is_there(monkeypatch):
    def no_netlink():
        raise WireError("platform", "no netlink here.")

    def by_connection(addresses, timeout):
        return {one: touch.Touched(None, "unknown", False, one == to_address(VIP)) for one in addresses}

    monkeypatch.setattr(_probe, "read_table", no_netlink)
    monkeypatch.setattr(touch, "by_connection", by_connection)
    wanted = _targets.parse_targets([VIP, "192.168.7.204"], 10)
    result = _probe.Probe(_probe.Request(wanted, _targets.parse_nodes(NODES))).run()
    assert result["method"] == "connection"
    assert [target["outcome"] for target in result["targets"]] == ["unknown-node", "silent"]
    assert [target["answered"] for target in result["targets"]] == [True, False]
    assert not result["conclusive"] and not any(target["conclusive"] for target in result["targets"])
    used = _probe.Probe(_probe.Request(wanted, conflict=True)).run()
    assert [target["outcome"] for target in used["targets"]] == ["in-use", "unproven"]
    with pytest.raises(WireError, match="no netlink"):
        _probe.Probe(_probe.Request(wanted, fallback="fail"))


def test_a_connection_accepted_or_refused_shows_that_somebody_is_there():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        open_port = server.getsockname()[1]
        loopback = socket.inet_aton("127.0.0.1")
        assert touch.by_connection([loopback], 2000 * MS, open_port)[loopback].alive
    assert touch.by_connection([loopback], 2000 * MS, open_port)[loopback].alive


def test_ports_are_closed_even_when_an_interface_fails():
    network = SimulatedNetwork()
    opened = []

    def open_port(link, ipv6, listen):
        port = network.open_port(link, ipv6, listen)
        opened.append(port)
        if ipv6:
            raise WireError("interface", "gone")
        return port

    request = _probe.Request(_targets.parse_targets([VIP, VIP6], 10), [])
    with pytest.raises(WireError, match="gone"):
        _probe.Probe(request, SimulatedTable(interface()), open_port, network.clock).run()
    assert opened[0].closed


def test_results_are_plain_data():
    import json

    json.dumps({k: v for k, v in probe(*nodes(w2=[VIP]), targets=[VIP, VIP6, "10.9.9.9"]).items() if k != "network"})


@pytest.mark.skipif(not hasattr(socket, "AF_PACKET"), reason="packet sockets are Linux's")
def test_the_real_socket_tells_missing_rights_in_words(monkeypatch):
    def forbidden(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", forbidden)
    with pytest.raises(PermissionMissing, match=r"CAP_NET_RAW.*become"):
        _probe.open_port(interface(), False, False)
