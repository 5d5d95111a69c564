# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The election against MetalLB's own values, version by version, and the reason for every node that does not announce."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.analysis import facts
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.capabilities import Capabilities
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import (
    CANDIDATE,
    CODES,
    CORDONED,
    ELECTED,
    EXCLUDED,
    NETWORK_UNAVAILABLE,
    NO_LOCAL_ENDPOINT,
    NO_MEMBERLIST,
    NO_SPEAKER,
    NOT_SELECTED,
    SPEAKER_NOT_READY,
    WORDS,
    Election,
    elected,
    expected,
    predictions,
    ranked,
)
from ansible_collections.l2ops.metallb.tests.unit.world import EXCLUDE, World, condition
from hypothesis import given
from hypothesis import strategies as st

NODES = ["cp-1", "cp-2", "cp-3", "worker-1", "worker-2"]
VERSIONS = ["0.14.9", "0.15.0", "0.15.3", "0.16.1"]


# -- the hash ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "order"),
    [
        ("192.168.1.240", ["cp-1", "cp-3", "worker-2", "cp-2", "worker-1"]),
        ("192.168.1.241", ["cp-1", "cp-3", "worker-1", "cp-2", "worker-2"]),
        ("fd00::240", ["worker-1", "cp-2", "cp-3", "worker-2", "cp-1"]),
    ],
)
def test_order_is_metallbs(address, order):
    assert ranked(NODES, address) == order
    left = set(NODES)
    for node in order:
        assert elected(left, address) == node
        left.remove(node)
    assert elected(left, address) is None


@given(st.sets(st.text("abcdef-0123456789", min_size=1, max_size=12), max_size=12), st.ip_addresses())
def test_the_winner_is_the_first_in_line_whatever_the_names(nodes, address):
    order = ranked(nodes, str(address))
    assert sorted(order) == sorted(nodes)
    assert elected(nodes, str(address)) == (order[0] if order else None)
    hashes = [hashlib.sha256(f"{node}#{address}".encode()).digest() for node in order]
    assert hashes == sorted(hashes)


@given(st.sets(st.sampled_from(NODES), min_size=2), st.ip_addresses())
def test_only_the_winners_loss_moves_an_address(nodes, address):
    """What makes failover calm: an address does not move when a node goes that did not announce it."""
    elected_node = elected(nodes, str(address))
    for gone in nodes - {elected_node}:
        assert elected(nodes - {gone}, str(address)) == elected_node


# -- upstream's cases (speaker/layer2_controller_test.go): two nodes, 10.20.30.1 is iris2's and .2 is iris1's -----------


def iris(version: str = "0.15.3", address: str = "10.20.30.1", **service) -> World:
    world = World()
    for plural in ("nodes", "services", "endpointslices", "l2advertisements", "ipaddresspools"):
        world.drop(plural)
    world.objects["pods"] = [one for one in world.objects["pods"] if "speaker" not in one["metadata"]["name"]]
    world.get("deployments", "metallb-controller")["spec"]["template"]["spec"]["containers"][0]["image"] = (
        f"quay.io/metallb/controller:v{version}"
    )
    world.heed_labels()
    world.add_node("iris1", "10.20.30.101")
    world.add_node("iris2", "10.20.30.102")
    world.add_pool("default", "10.20.30.0/24")
    if version.startswith("0.16"):
        later = ("preferredNodeSelectors",) if version == "0.16.2" else ()
        world.set_fields("ipAddressPools", "nodeSelectors", "interfaces", "serviceSelectors", *later)
    world.add_service("test/svc", address, **service)
    return world


def on(world: World, *nodes: str) -> None:
    """An advertisement of the pool from these nodes."""
    chosen = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}]}]
    world.add_advertisement(f"on-{'-'.join(nodes)}", ipAddressPools=["default"], nodeSelectors=chosen)


def why_not(outcome, node: str) -> str:
    """The reason word for one node."""
    if node in outcome.candidates:
        return ELECTED if node == outcome.elected_node else CANDIDATE
    return outcome.eligible.reasons.get(node) or NO_LOCAL_ENDPOINT


def elected_node(world: World) -> str | None:
    return predictions(world.snapshot())[("test", "svc")]


LOCAL = {"externalTrafficPolicy": "Local"}
BOTH = ("iris1", "iris2")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("endpoints", "advertised", "policy", "excluded", "ignored", "node"),
    [
        (["iris1"], [["iris1"]], {}, (), False, "iris1"),
        (["iris1"], [["iris1"], ["iris2"]], LOCAL, (), False, "iris1"),
        (["iris1"], [BOTH], {}, (), False, "iris2"),
        (["iris1", "iris2"], [["iris1"]], {}, (), False, "iris1"),
        (["iris1"], [["iris2"]], LOCAL, (), False, None),
        (["iris1"], [BOTH], {}, ("iris2",), False, "iris1"),
        (["iris1"], [BOTH], {}, ("iris1",), False, "iris2"),
        (["iris1"], [BOTH], {}, BOTH, False, None),
        (["iris1"], [BOTH], LOCAL, BOTH, True, "iris1"),
    ],
)
def test_should_announce_from_nodes(version, endpoints, advertised, policy, excluded, ignored, node):
    world = iris(version, on=tuple(endpoints), **policy)
    for nodes in advertised:
        on(world, *nodes)
    for name in excluded:
        world.get("nodes", name)["metadata"]["labels"][EXCLUDE] = ""
    if ignored:
        for pod in world.objects["pods"]:
            pod["spec"]["containers"][0].setdefault("args", []).append("--ignore-exclude-lb")
    assert elected_node(world) == node


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("address", "ready", "node"),
    [
        ("10.20.30.1", {"iris1": True, "iris2": True}, "iris2"),
        ("10.20.30.2", {"iris1": True, "iris2": True}, "iris1"),
        ("10.20.30.1", {"iris1": True, "iris2": False}, "iris1"),
        ("10.20.30.2", {"iris1": False, "iris2": True}, "iris2"),
        ("10.20.30.1", {"iris1": False, "iris2": False}, None),
        ("10.20.30.1", {"iris1": True}, "iris1"),
        ("10.20.30.1", {}, None),
    ],
)
def test_should_announce_by_endpoints_under_policy_local(version, address, ready, node):
    world = iris(version, address, on=(), **LOCAL)
    on(world, *BOTH)
    for name, state in ready.items():
        world.add_endpoints("test", "svc", [name], ready=state)
    assert elected_node(world) == node


@pytest.mark.parametrize(
    ("conditions", "serves"),
    [
        ({"ready": True}, True),
        ({}, True),
        ({"ready": None}, True),
        ({"ready": False, "serving": True, "terminating": True}, True),
        ({"ready": True, "serving": False}, True),
        ({"ready": False}, False),
        ({"ready": False, "serving": False}, False),
    ],
)
def test_which_endpoints_serve(conditions, serves):
    """Under policy Cluster, too: without any, nobody announces."""
    world = iris(on=("iris1",))
    on(world, *BOTH)
    world.get("endpointslices", "svc-abcde")["endpoints"][0]["conditions"] = conditions
    assert elected_node(world) == ("iris2" if serves else None)


# -- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "node"), [("0.14.9", "iris1"), ("0.15.0", "iris2"), ("0.16.1", "iris2")])
def test_a_cordoned_node_announces_since_0_15(version, node):
    world = iris(version, on=("iris1",))
    on(world, *BOTH)
    world.get("nodes", "iris2")["spec"]["unschedulable"] = True
    assert elected_node(world) == node
    election = Election(world.snapshot())
    outcome = election.elect(election.snapshot.load_balancer_services[0])
    assert why_not(outcome, "iris2") == (CORDONED if version == "0.14.9" else ELECTED)


@pytest.mark.parametrize(("version", "node"), [("0.14.9", None), ("0.15.0", "iris2"), ("0.16.1", "iris2")])
def test_without_memberlist_all_nodes_count_since_0_15_and_none_before(version, node):
    world = iris(version, on=("iris1",))
    on(world, *BOTH)
    for obj in (*world.objects["daemonsets"], *world.objects["pods"]):
        spec = obj["spec"]["template"]["spec"] if obj["kind"] == "DaemonSet" else obj["spec"]
        for container in spec["containers"]:
            container["env"] = [one for one in container.get("env", ()) if "BIND_ADDR" not in one["name"]]
    world.remove_speaker("iris2")  # dead, and elected all the same
    assert elected_node(world) == node


@pytest.mark.parametrize(
    ("labels", "selectors", "nodes"),
    [
        ({}, None, {"0.15.3": "iris2", "0.16.1": "iris2"}),
        ({"app": "web"}, [{"matchLabels": {"app": "web"}}], {"0.15.3": "iris2", "0.16.1": "iris2"}),
        ({"app": "db"}, [{"matchLabels": {"app": "web"}}], {"0.15.3": "iris2", "0.16.1": None}),
        (
            {"app": "db"},
            [{"matchLabels": {"app": "web"}}, {"matchLabels": {"app": "db"}}],
            {"0.15.3": "iris2", "0.16.1": "iris2"},
        ),
    ],
)
def test_service_selectors_count_where_the_crd_has_them(labels, selectors, nodes):
    for version, node in nodes.items():
        world = iris(version, on=("iris1",), labels=labels)
        spec = {"serviceSelectors": selectors} if selectors else {}
        world.add_advertisement("all", ipAddressPools=["default"], **spec)
        assert elected_node(world) == node, version


def test_service_and_node_selectors_go_together():
    """0.16: an advertisement's nodes count for the services that it selects, and for no others."""
    world = iris("0.16.1", on=("iris1",), labels={"app": "web"})
    first = {"kubernetes.io/hostname": "iris1"}
    second = {"kubernetes.io/hostname": "iris2"}
    for name, app, node in (("web", "web", first), ("db", "db", second)):
        world.add_advertisement(
            name,
            ipAddressPools=["default"],
            nodeSelectors=[{"matchLabels": node}],
            serviceSelectors=[{"matchLabels": {"app": app}}],
        )
    assert elected_node(world) == "iris1"


# -- preferences, 0.16.2 ------------------------------------------------------------------------------------------------


def prefer(node: str, weight: int) -> dict:
    return {"weight": weight, "preference": {"matchLabels": {"kubernetes.io/hostname": node}}}


def only(node: str) -> list:
    return [{"matchLabels": {"kubernetes.io/hostname": node}}]


# The hash alone elects iris2 for this address.
@pytest.mark.parametrize(
    ("version", "specs", "node"),
    [
        ("0.16.2", [{"preferredNodeSelectors": [prefer("iris1", 1)]}], "iris1"),
        # An API server of 0.16.1 drops the field; where it stands all the same, it does not count.
        ("0.16.1", [{"preferredNodeSelectors": [prefer("iris1", 100)]}], "iris2"),
        ("0.16.2", [{"preferredNodeSelectors": [prefer("iris1", 10), prefer("iris2", 10)]}], "iris2"),
        ("0.16.2", [{"preferredNodeSelectors": [{"weight": 50, "preference": {}}]}], "iris2"),
        # Weights are summed within an advertisement and over those that apply.
        ("0.16.2", [{"preferredNodeSelectors": [prefer("iris1", 5), prefer("iris1", 6), prefer("iris2", 10)]}], "iris1"),
        ("0.16.2", [{"preferredNodeSelectors": [prefer("iris1", 60)]}, {"preferredNodeSelectors": [prefer("iris2", 61)]}], "iris2"),
        ("0.16.2", [{"preferredNodeSelectors": [prefer("iris1", 60)]}] * 2 + [{"preferredNodeSelectors": [prefer("iris2", 100)]}], "iris1"),
        # A preference counts only for nodes that the same advertisement selects.
        ("0.16.2", [{"nodeSelectors": only("iris2"), "preferredNodeSelectors": [prefer("iris1", 100)]}, {}], "iris2"),
        ("0.16.2", [{"nodeSelectors": only("iris1"), "preferredNodeSelectors": [prefer("iris1", 100)]}, {}], "iris1"),
        # Nobody is taken for a candidate by a preference.
        ("0.16.2", [{"nodeSelectors": only("iris2")}, {"nodeSelectors": only("iris2"), "preferredNodeSelectors": [prefer("iris1", 9)]}], "iris2"),
        # Advertisements for other services prefer nothing.
        ("0.16.2", [{"preferredNodeSelectors": [prefer("iris1", 9)], "serviceSelectors": [{"matchLabels": {"app": "db"}}]}, {}], "iris2"),
        ("0.16.2", [{"preferredNodeSelectors": [prefer("iris1", 9)], "serviceSelectors": [{"matchLabels": {"app": "web"}}]}, {}], "iris1"),
        # Weights out of 1 to 100 are refused by the API server; from a file they count for nothing.
        ("0.16.2", [{"preferredNodeSelectors": [prefer("iris1", 0)]}], "iris2"),
        ("0.16.2", [{"preferredNodeSelectors": "nonsense"}], "iris2"),
    ],
)  # fmt: skip
def test_preferred_nodes(version, specs, node):
    world = iris(version, on=("iris1",), labels={"app": "web"})
    for number, spec in enumerate(specs):
        world.add_advertisement(f"number-{number}", ipAddressPools=["default"], **spec)
    assert elected_node(world) == node


def test_a_preferred_node_with_policy_local_needs_an_endpoint():
    world = iris("0.16.2", on=("iris2",), **LOCAL)
    world.add_advertisement("all", ipAddressPools=["default"], preferredNodeSelectors=[prefer("iris1", 100)])
    assert elected_node(world) == "iris2"


@pytest.mark.parametrize("prefix", ["metallb.io/", "metallb.universe.tf/"])
@pytest.mark.parametrize(
    ("version", "key", "node"), [("0.16.2", "k", None), ("0.16.2", "", None), ("0.16.1", "k", "iris2")]
)
def test_a_shared_address_and_service_selectors(prefix, version, key, node):
    world = iris(version, on=("iris1",), labels={"app": "web"}, annotations={f"{prefix}allow-shared-ip": key})
    world.add_advertisement("web", ipAddressPools=["default"], serviceSelectors=[{"matchLabels": {"app": "web"}}])
    assert elected_node(world) == node


def test_a_shared_address_without_service_selectors_is_announced():
    world = iris("0.16.2", on=("iris1",), annotations={"metallb.io/allow-shared-ip": "k"})
    world.add_advertisement("web", ipAddressPools=["default"], preferredNodeSelectors=[prefer("iris1", 1)])
    assert elected_node(world) == "iris1"


def test_a_field_that_nobody_here_knows_makes_the_elected_node_unknown():
    world = iris("0.16.2", on=("iris1",))
    world.set_fields("ipAddressPools", "serviceSelectors", "preferredNodeSelectors", "electionMode")
    world.add_advertisement("all", ipAddressPools=["default"], electionMode="least-loaded")
    election = Election(world.snapshot())
    found = election.elect(election.snapshot.load_balancer_services[0])
    assert found.verdict == "announced" and found.elected_node is None and "electionMode" in found.doubt
    world.get("l2advertisements", "all")["spec"].pop("electionMode")
    assert elected_node(world) == "iris2", "unused, it changes nothing"


@pytest.mark.parametrize(
    ("version", "fields", "excludes_cordoned", "once"),
    [
        ("0.14.9", None, True, False),
        ("0.15.0", None, False, False),
        ("0.15.3", None, False, False),
        ("v0.16.1", None, False, False),
        ("0.16.2", None, False, True),
        ("0.17.0", None, False, True),
        ("1.0.0", None, False, True),
        ("", None, False, False),
        ("main", frozenset(["preferredNodeSelectors"]), False, True),
    ],
)
def test_capabilities(version, fields, excludes_cordoned, once):
    able = Capabilities(version, fields)
    assert (able.excludes_cordoned, able.says_assigned_once) == (excludes_cordoned, once)
    assert able.refuses_shared_with_selectors == once


# -- addresses --------------------------------------------------------------------------------------------------------


def test_an_address_is_hashed_in_gos_form():
    world = World()
    world.add_pool("six", "fd00::/64")
    world.get("l2advertisements", "l2-adv")["spec"]["ipAddressPools"].append("six")
    world.add_service("default/six", "FD00:0:0::0240")
    assert predictions(world.snapshot())[("default", "six")] == elected(
        ["cp-1", "cp-2", "cp-3", "worker-1"], "fd00::240"
    )


def test_the_first_address_decides_for_both_families():
    world = World()
    world.add_pool("six", "fd00::/64")
    world.get("ipaddresspools", "main-pool")["spec"]["addresses"].append("fd00:7::/120")
    nodes = ["cp-1", "cp-2", "cp-3", "worker-1"]
    world.add_service("default/four-first", "192.168.7.240", "fd00:7::40")
    world.add_service("default/six-first", "fd00:7::41", "192.168.7.241", families=("IPv6", "IPv4"))
    found = predictions(world.snapshot())
    assert found[("default", "four-first")] == elected(nodes, "192.168.7.240")
    assert found[("default", "six-first")] == elected(nodes, "fd00:7::41")
    answers = expected(world.snapshot())
    assert answers["fd00:7::40"] == answers["192.168.7.240"] == elected(nodes, "192.168.7.240")


def test_services_that_share_an_address_are_announced_by_one_node():
    world = World()
    key = {"metallb.io/allow-shared-ip": "web"}
    world.add_service("default/tcp", "192.168.7.230", ports=(80,), annotations=key)
    world.add_service("default/udp", "192.168.7.230", ports=(53,), annotations=key)
    found = predictions(world.snapshot())
    assert found[("default", "tcp")] is not None
    assert found[("default", "tcp")] == found[("default", "udp")]


# -- reasons ----------------------------------------------------------------------------------------------------------


def test_every_node_has_its_reason():
    world = World()
    world.heed_labels()
    world.unlabel("cp-2", "worker-1")
    world.add_node("worker-2", "192.168.7.22")
    world.add_node("worker-3", "192.168.7.23")
    world.add_node("worker-4", "192.168.7.24")
    world.add_node("worker-5", "192.168.7.25")
    world.add_node("other", "192.168.7.26")
    world.remove_speaker("worker-2")
    world.get("pods", "metallb-speaker-worker-3")["status"]["conditions"] = [condition("Ready", "False")]
    world.get("nodes", "worker-4")["status"]["conditions"].append(condition("NetworkUnavailable", "True"))
    selector = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["other"]}]}
    world.get("l2advertisements", "l2-adv")["spec"]["nodeSelectors"] = [selector]
    world.add_service("default/far", "192.168.7.210", on=("worker-5", "cp-2"), externalTrafficPolicy="Local")
    election = Election(world.snapshot())
    outcome = election.elect(election.snapshot.services[("default", "far")])
    assert {node: why_not(outcome, node) for node in election.snapshot.nodes} == {
        "cp-1": EXCLUDED,
        "cp-2": ELECTED if outcome.elected_node == "cp-2" else CANDIDATE,
        "cp-3": EXCLUDED,
        "worker-1": NO_LOCAL_ENDPOINT,
        "worker-2": NO_SPEAKER,
        "worker-3": SPEAKER_NOT_READY,
        "worker-4": NETWORK_UNAVAILABLE,
        "worker-5": ELECTED if outcome.elected_node == "worker-5" else CANDIDATE,
        "other": NOT_SELECTED,
    }
    assert outcome.elected_node == elected(["cp-2", "worker-5"], "192.168.7.210")


@pytest.mark.parametrize("text", ["", "true", "false"])
def test_the_labels_value_plays_no_part(text):
    world = iris(on=("iris1",))
    on(world, *BOTH)
    world.get("nodes", "iris2")["metadata"]["labels"][EXCLUDE] = text
    assert elected_node(world) == "iris1"


@pytest.mark.parametrize("ready", ["True", "False", "Unknown"])
def test_whether_a_node_is_ready_plays_no_part(ready):
    world = iris(on=("iris1",))
    on(world, *BOTH)
    world.get("nodes", "iris2")["status"]["conditions"] = [condition("Ready", ready)]
    assert elected_node(world) == "iris2"


@pytest.mark.parametrize(
    ("break_it", "verdict"),
    [
        (lambda world: world.get("services", "svc").update(status={"loadBalancer": {}}), "no-address"),
        (lambda world: world.drop("ipaddresspools"), "no-pool"),
        (lambda world: world.drop("l2advertisements"), "no-advertisement"),
        (lambda world: world.drop("endpointslices"), "no-endpoints"),
        (lambda world: [world.remove_speaker(name) for name in BOTH], "no-candidate"),
        (lambda world: world.get("services", "svc")["spec"].update(LOCAL), "announced"),
    ],
)
def test_why_nobody_announces(break_it, verdict):
    world = iris(on=("iris1",))
    on(world, *BOTH)
    break_it(world)
    snapshot = world.snapshot()
    election = Election(snapshot)
    assert election.elect(snapshot.load_balancer_services[0]).verdict == verdict


def test_every_reason_has_words_and_known_codes():
    from ansible_collections.l2ops.metallb.plugins.module_utils._findings.catalogue import CATALOGUE

    for reason in (NO_SPEAKER, SPEAKER_NOT_READY, NETWORK_UNAVAILABLE, EXCLUDED, CORDONED, NO_MEMBERLIST, NOT_SELECTED):
        assert WORDS[reason]
    assert {code for codes in CODES.values() for code in codes} <= set(CATALOGUE)


# -- pods that are on their way out -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "leaving", "staying", "moves"),
    [
        (LOCAL, "iris2", "iris1", True),
        (LOCAL, "iris2", None, True),
        ({}, "iris2", None, True),
        ({}, "iris2", "iris1", False),
        (LOCAL, "iris1", "iris2", False),
    ],
)
def test_a_terminating_pod_that_decides_is_seen(policy, leaving, staying, moves):
    """The flake of CI: an old pod still serves on its way out, everything agrees, and a second later nothing does."""
    world = iris(on=(), **policy)
    on(world, *BOTH)
    old = world.add_endpoints("test", "svc", [leaving])
    old["endpoints"][0]["conditions"] = {"ready": False, "serving": True, "terminating": True}
    if staying:
        world.add_endpoints("test", "svc", [staying])
    election = Election(world.snapshot())
    assert election.in_motion(election.snapshot.load_balancer_services[0]) is moves
    assert facts(world.snapshot())["settled"] is not moves
