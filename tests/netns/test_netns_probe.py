# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes on real (virtual) Ethernet: kernels and scripted hosts answer, in namespaces of their own."""

from __future__ import annotations

import http.server
import pathlib
import shutil
import subprocess
import sys

import pytest

VIP = "10.77.0.203"
VIP6 = "fd77::203"


def addresses(count, start=2):
    return [f"10.77.{number // 256}.{number % 256}" for number in range(start, start + count)]


def answered(result):
    return [target["address"] for target in result["targets"] if target["answered"]]


def only(result):
    (target,) = result["targets"]
    return target


def await_watch(segment, host):
    """Wait until so many requests reached a host that they cannot be those of the sweep before the watch."""

    def received():
        return int(segment.exec_out(host, "cat", "/sys/class/net/eth0/statistics/rx_packets"))

    begun = received()
    segment.await_that(lambda: received() > begun + 60, "the watch began")


@pytest.mark.parametrize("count", [1, 51, 254, 1020])
def test_all_live_addresses_are_found_with_one_request_each(segment, count):
    wanted = addresses(count)
    segment.host("node", *wanted)
    result = segment.probe(*wanted)
    assert answered(result) == wanted
    assert {mac for target in result["targets"] for mac in target["macs"]} == {segment.macs["node"]}
    assert result["statistics"]["local_drops"] == 0
    assert all(0 < target["answers"][0]["rtt_us"] < 500_000 for target in result["targets"])
    assert all(not target["duplicate"] for target in result["targets"])


def test_half_of_a_large_range_is_silent(segment):
    wanted = addresses(1020)
    segment.host("node", *wanted[::2])
    result = segment.probe(*wanted)
    assert answered(result) == wanted[::2]
    assert all(target["tries"] >= 3 for target in result["targets"][1::2])
    assert all(target["outcome"] == "silent" and target["conclusive"] for target in result["targets"][1::2])


@pytest.mark.parametrize("drop", [1, 2])
def test_lost_requests_are_sent_again(segment, drop):
    wanted = addresses(51)
    segment.responder("node", *wanted, drop_first=drop)
    result = segment.probe(*wanted)
    assert answered(result) == wanted
    assert all(target["tries"] >= drop + 1 for target in result["targets"])


@pytest.mark.parametrize("late", [0, 5, 50, 200])
def test_a_second_host_that_answers_late_is_seen(segment, late):
    wanted = addresses(51)
    segment.host("node", *wanted).responder("rogue", *wanted[-5:], delay_ms=late)
    result = segment.probe(*wanted)
    assert [target["address"] for target in result["targets"] if target["duplicate"]] == wanted[-5:]
    assert set(result["targets"][-1]["macs"]) == {segment.macs["node"], segment.macs["rogue"]}
    rogue = next(answer for answer in result["targets"][-1]["answers"] if answer["mac"] == segment.macs["rogue"])
    assert rogue["rtt_us"] >= late * 1000


@pytest.mark.parametrize("pad", [False, True])
@pytest.mark.parametrize("broadcast", [False, True])
def test_replies_to_broadcast_and_padded_ones_count(segment, pad, broadcast):
    segment.responder("node", VIP, pad=pad, broadcast=broadcast)
    target = only(segment.probe(VIP))
    assert target["macs"] == [segment.macs["node"]]
    assert target["answers"][0]["broadcast"] is broadcast


def test_garbage_between_the_answers_is_no_answer(segment):
    wanted = addresses(20)
    segment.responder("node", *wanted, VIP6, garbage=3)
    result = segment.probe(*wanted, VIP6)
    assert answered(result) == [*wanted, VIP6]


def test_two_interfaces_of_one_node_in_the_segment(segment):
    segment.host("node", "10.77.0.2")
    segment.attach("node", "eth1")
    nodes = [{"name": "node", "addresses": ["10.77.0.2"]}]
    # as Linux does by default: every interface answers for every address of the host
    segment.exec("node", "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0")
    segment.add("node", f"{VIP}/32")
    target = only(segment.probe(VIP, nodes=nodes))
    assert sorted(target["macs"]) == sorted([segment.macs["node"], segment.macs["node/eth1"]])
    assert target["outcome"] == "one-node-twice"


def test_two_interfaces_of_the_prober_in_the_segment(segment):
    segment.attach("probe", "eth1", "10.77.0.9")
    segment.host("node", VIP)
    by_route = only(segment.probe(VIP))
    assert by_route["answered"] and by_route["interface"] in ("eth0", "eth1")
    forced = only(segment.probe(VIP, interface="eth1"))
    assert forced["answered"] and forced["interface"] == "eth1"


def test_ipv6_as_the_kernel_and_as_a_speaker_answer_it(segment):
    segment.host("kernel", "fd77::2").responder("speaker", VIP6)
    result = segment.probe("fd77::2", VIP6, "fd77::99", nodes={"kernel": "fd77::2"})
    kernel, speaker, nobody = result["targets"]
    assert kernel["answers"][0]["flags"] == ["solicited", "override"]
    assert kernel["answers"][0]["source"] == "fd77::2"
    assert (speaker["macs"], speaker["outcome"]) == ([segment.macs["speaker"]], "foreign")
    assert speaker["answers"][0]["flags"] == ["solicited"]
    assert speaker["answers"][0]["source"].startswith("fe80::")
    assert nobody["outcome"] == "silent"


@pytest.mark.parametrize("vip", [VIP, VIP6])
def test_a_node_that_broadcast_does_not_reach_is_found_when_asked_alone(segment, vip):
    segment.host("w1", "10.77.0.2", "fd77::2").host("w2", "10.77.0.3", "fd77::3")
    segment.responder("w2", vip, deaf_to_broadcast=True)
    nodes = {"w1": ["10.77.0.2", "fd77::2"], "w2": ["10.77.0.3", "fd77::3"]}
    target = only(segment.probe(vip, nodes=nodes))
    assert target["outcome"] == "broadcast-lost"
    assert target["answering_nodes"] == ["w2"]
    assert {one["node"]: one["answered"] for one in target["unicast"]} == {"w1": False, "w2": True}


def test_the_kernel_answers_ipv6_when_asked_alone(segment):
    # solicited-node group as IP destination, the node's MAC as Ethernet destination
    segment.host("w1", "fd77::2", VIP6)
    target = only(segment.probe(VIP6, nodes={"w1": "fd77::2"}, unicast="always"))
    assert [one["answered"] for one in target["unicast"]] == [True]
    assert target["outcome"] == "ok"


def test_nobody_announces(segment):
    segment.host("w1", "10.77.0.2").host("w2", "10.77.0.3")
    target = only(segment.probe(VIP, nodes={"w1": "10.77.0.2", "w2": "10.77.0.3"}, expected={VIP: "w1"}))
    assert target["outcome"] == "silent" and target["conclusive"]
    assert [one["answered"] for one in target["unicast"]] == [False, False]


def test_other_node_and_several_nodes(segment):
    segment.host("w1", "10.77.0.2", "10.77.0.203", "10.77.0.204").host("w2", "10.77.0.3", "10.77.0.204")
    nodes = {"w1": "10.77.0.2", "w2": "10.77.0.3"}
    result = segment.probe(VIP, "10.77.0.204", nodes=nodes, expected={VIP: "w2", "10.77.0.204": "w2"})
    assert [target["outcome"] for target in result["targets"]] == ["other-node", "many"]


def test_a_real_proxy_arp_router_is_unmasked(segment):
    # it routes everything elsewhere, and answers for all of it (delayed by up to 800 ms, but not when asked alone)
    segment.host("w1", "10.77.0.2").host("router", "10.77.0.254")
    segment.ip("router", "link add elsewhere type veth peer name far")
    segment.ip("router", "link set far up")
    segment.ip("router", "link set elsewhere up")
    segment.ip("router", "route add default dev elsewhere")
    segment.ip("router", f"route add {VIP}/32 dev elsewhere")
    for setting in ("conf.eth0.proxy_arp=1", "conf.all.forwarding=1", "neigh.eth0.proxy_delay=0"):
        segment.exec("router", "sysctl", "-qw", f"net.ipv4.{setting}")
    result = segment.probe(VIP, nodes={"w1": "10.77.0.2"}, expected={VIP: "w1"})
    target = only(result)
    assert target["outcome"] == "foreign"
    assert target["proxy"] and result["proxies"] == [segment.macs["router"]]


def test_conflict_probes_leave_no_trace_in_anybodys_table(segment):
    segment.host("rogue", VIP)
    result = segment.probe(VIP, "10.77.0.204", conflict=True, timeout=[100, 100, 100])
    assert [target["outcome"] for target in result["targets"]] == ["in-use", "free"]
    assert result["targets"][0]["macs"] == [segment.macs["rogue"]]
    assert "10.77.0.1 " not in segment.ip("rogue", "neigh show").stdout
    # an ordinary request does leave one, which shows that the line before can fail
    segment.probe(VIP)
    assert "10.77.0.1 " in segment.ip("rogue", "neigh show").stdout


def test_conflict_mode_hears_an_announcement_of_a_host_that_answers_nobody(segment):
    segment.responder("rogue", VIP, deaf_to_broadcast=True, announce=0)
    process = segment.start_probe(targets=[VIP], conflict=True, timeout=[300, 300, 300])
    for _again in range(200):
        if process.poll() is not None:
            break
        segment.responder("rogue", VIP, deaf_to_broadcast=True, announce=0)
    target = only(segment.result(process))
    assert target["outcome"] == "in-use"
    assert target["answers"][0]["announced"]


def test_watch_times_a_move_from_one_host_to_another(segment):
    segment.host("w1", "10.77.0.2", VIP, VIP6).host("w2", "10.77.0.3")
    nodes = {"w1": "10.77.0.2", "w2": "10.77.0.3"}
    watch = {"ms": 20_000, "interval": 20, "until": "changed"}
    process = segment.start_probe(targets=[VIP, VIP6], nodes=nodes, watch=watch, unicast="never")
    await_watch(segment, "w1")
    segment.ip("w1", f"addr del {VIP}/22 dev eth0")
    segment.ip("w1", f"addr del {VIP6}/64 dev eth0")
    segment.add("w2", VIP, VIP6)
    segment.responder("w2", VIP, deaf_to_broadcast=True, announce=0)
    result = segment.result(process)
    v4, v6 = (target["watch"] for target in result["targets"])
    assert (v4["nodes_before"], v4["nodes_after"]) == (["w1"], ["w2"])
    assert (v6["nodes_before"], v6["nodes_after"]) == (["w1"], ["w2"])
    assert v4["changes"] == v6["changes"] == 1
    assert v4["announcements"] == {segment.macs["w2"]: 2}
    (changed,) = [event for event in v4["events"] if event["event"] == "changed"]
    assert changed["nodes"] == ["w2"] and changed["at"] > result["started_at"]
    assert v4["longest_gap_ms"] < 10_000
    assert result["watch"]["seconds"] < 20


WITHOUT_RAW = ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv command (Debian package util-linux)")
def test_without_rights_the_kernels_table_tells_what_it_can(segment):
    segment.host("w1", "10.77.0.2", VIP, VIP6)
    wish = {"targets": [VIP, VIP6, "10.77.0.99"], "nodes": {"w1": "10.77.0.2"}}
    result = segment.result(segment.start_probe(WITHOUT_RAW, fallback="neighbour", **wish))
    assert result["method"] == "neighbour"
    assert [target["outcome"] for target in result["targets"]] == ["ok", "ok", "silent"]
    assert result["targets"][0]["node"] == "w1"
    assert not result["conclusive"] and "CAP_NET_RAW" in result["inconclusive_reason"]
    refused = segment.result(segment.start_probe(WITHOUT_RAW, fallback="fail", **wish))
    assert refused["reason"] == "permission" and "become" in refused["error"]


def test_an_interface_that_goes_down_in_the_middle_is_told(segment):
    process = segment.start_probe(targets=[VIP], watch={"ms": 20_000, "interval": 20}, unicast="never")
    segment.host("w1", VIP)
    await_watch(segment, "w1")
    segment.ip("probe", "link set eth0 down")
    result = segment.result(process)
    assert result["reason"] == "interface"
    assert "eth0" in result["error"]


def test_interfaces_that_cannot_be_used_are_told(segment):
    segment.ip("probe", "link add down0 type veth peer name down1")
    segment.ip("probe", "link add br7 type bridge")
    segment.ip("probe", "link set down1 master br7 up")
    segment.ip("probe", "link set down0 up")
    segment.ip("probe", "link set br7 up")
    assert "no interface nosuch0" in segment.probe(VIP, interface="nosuch0")["error"]
    assert "port of bridge br7" in segment.probe(VIP, interface="down1")["error"]
    segment.ip("probe", "link set down0 down")
    assert "is down" in segment.probe(VIP, interface="down0")["error"]
    assert "is not Ethernet" in segment.probe(VIP, interface="lo")["error"]


def test_what_is_off_link_is_not_called_down(segment):
    segment.host("router", "10.77.0.254")
    segment.ip("probe", "route add 10.99.0.0/24 via 10.77.0.254")
    result = segment.probe("10.99.0.1", "10.98.0.1")
    assert [target["outcome"] for target in result["targets"]] == ["not-asked", "not-asked"]
    assert "gateway 10.77.0.254" in result["targets"][0]["message"]
    assert result["statistics"]["frames_sent"] == 0


def test_a_route_on_link_is_enough(segment):
    segment.host("w1", "10.99.0.1/24")
    segment.ip("probe", "route add 10.99.0.0/24 dev eth0")
    assert only(segment.probe("10.99.0.1"))["outcome"] == "ok"


def test_an_interface_without_ipv4_address_asks_without_sender(segment):
    segment.attach("probe", "eth1")
    segment.host("w1", VIP)
    target = only(segment.probe(VIP, interface="eth1"))
    assert target["answered"] and target["on_link"] is False
    assert "10.77.0.1 " not in segment.ip("w1", "neigh show").stdout


def test_the_ceiling_is_kept_on_the_wire(segment):
    segment.host("w1", *addresses(5))
    result = segment.probe(*addresses(5), ceiling=10, window=0)
    assert answered(result) == addresses(5)
    assert result["statistics"]["elapsed_ms"] >= 400


def test_services_across_the_segment(segment):
    segment.host("w1", VIP, VIP6)
    # dead addresses are given up sooner than after 3 s
    for setting in ("ipv4.neigh.eth0.retrans_time_ms=50", "ipv6.neigh.eth0.retrans_time_ms=50"):
        segment.exec("probe", "sysctl", "-qw", f"net.{setting}")
    server = subprocess.Popen(
        ["ip", "netns", "exec", segment.name("w1"), sys.executable, "-u", "-m", "http.server", "80", "--bind", "::"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=pathlib.Path(http.server.__file__).parent,
    )  # fmt: skip
    segment.processes.append(server)
    assert b"Serving" in server.stdout.readline()
    checks = [
        {"address": VIP, "port": 80, "protocol": "http", "interface": "eth0"},
        {"address": VIP6, "port": 80, "protocol": "http", "source": "fd77::1"},
        {"address": VIP, "port": 81, "retries": 0},
        {"address": "10.77.0.99", "port": 80, "retries": 0},
        {"address": "fd77::99", "port": 80, "retries": 0},
        {"address": "10.123.0.1", "port": 80, "retries": 0},
    ]
    results = segment.result(segment.start_probe(checks=checks))
    assert [result["failure"] for result in results] == ["", "", "refused", "unreachable", "unreachable", "unreachable"]
    assert results[0]["http_status"] == 200
