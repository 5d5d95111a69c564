# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The election against MetalLB's own values, and the reason for every node that does not announce."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._announcer import EXCLUDE_LABEL, elect, matches, winner

NODES = ["cp-1", "cp-2", "cp-3", "worker-1", "worker-2"]


@pytest.mark.parametrize(
    ("address", "order"),
    [
        ("192.168.1.240", ["cp-1", "cp-3", "worker-2", "cp-2", "worker-1"]),
        ("192.168.1.241", ["cp-1", "cp-3", "worker-1", "cp-2", "worker-2"]),
        ("fd00::240", ["worker-1", "cp-2", "cp-3", "worker-2", "cp-1"]),
    ],
)
def test_order_is_metallbs(address, order):
    left = set(NODES)
    for node in order:
        assert winner(left, address) == node
        left.remove(node)
    assert winner(left, address) is None


def test_an_address_is_hashed_in_its_canonical_form():
    assert winner(NODES, "FD00:0:0::0240") == winner(NODES, "fd00::240") == "worker-1"


def node(name, labels=None, **conditions):
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "status": {"conditions": [{"type": kind, "status": state} for kind, state in conditions.items()]},
    }


ADVERTISEMENT = {"spec": {"ipAddressPools": ["main-pool"]}}
SLICES = [{"endpoints": [{"nodeName": "worker-1", "conditions": {"ready": True}}]}]


def run(nodes, **changes):
    given = {
        "speakers": {n["metadata"]["name"] for n in nodes},
        "advertisements": [ADVERTISEMENT],
        "slices": SLICES,
        "local": False,
        "ignore_exclude": False,
        **changes,
    }
    return elect("192.168.1.240", nodes, **given)


@pytest.mark.parametrize("value", ["", "true", "false"])
def test_the_labels_value_plays_no_part(value):
    nodes = [node("cp-1", {EXCLUDE_LABEL: value}), node("worker-1")]
    result = run(nodes)
    assert result.node == "worker-1"
    assert "MLB201" in result.reasons["cp-1"]
    assert run(nodes, ignore_exclude=True).node == "cp-1"


def test_reasons_and_cause_when_nobody_may():
    nodes = [node("cp-1", {EXCLUDE_LABEL: ""}), node("cp-2", NetworkUnavailable="True"), node("worker-2")]
    result = run(nodes, speakers={"cp-1", "cp-2"})
    assert result.node is None and result.candidates == []
    assert [result.reasons[n][-7:-1] for n in ("cp-1", "cp-2", "worker-2")] == ["MLB201", "MLB203", "MLB103"]
    assert result.cause.startswith("MLB509") and "worker-2" in result.cause


def test_no_endpoint_means_nobody_under_policy_cluster_too():
    assert run([node("cp-1")], slices=[]).cause.startswith("MLB508")
    dying = [{"endpoints": [{"nodeName": "cp-1", "conditions": {"ready": False, "serving": True}}]}]
    assert run([node("cp-1")], slices=dying).node == "cp-1"
    dead = [{"endpoints": [{"nodeName": "cp-1", "conditions": {"ready": False}}]}]
    assert run([node("cp-1")], slices=dead).node is None


def test_policy_local_wants_an_endpoint_on_the_node():
    nodes = [node("cp-1"), node("worker-1")]
    assert run(nodes).node == "cp-1"
    local = run(nodes, local=True)
    assert local.node == "worker-1" and "MLB507" in local.reasons["cp-1"]


def test_selectors_of_several_advertisements_are_a_union():
    nodes = [node("cp-1"), node("worker-1", {"zone": "a"}), node("worker-2", {"zone": "b"})]
    zones = [{"spec": {"nodeSelectors": [{"matchLabels": {"zone": zone}}]}} for zone in "ab"]
    assert set(run(nodes, advertisements=zones).candidates) == {"worker-1", "worker-2"}
    assert "MLB403" in run(nodes, advertisements=zones).reasons["cp-1"]
    assert run(nodes, advertisements=[]).cause.startswith("MLB401")


def test_without_memberlist_every_node_is_taken_to_have_a_speaker():
    assert run([node("cp-1")], speakers=None).node == "cp-1"
    assert run([node("cp-1")], speakers=set()).node is None


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "b", "operator": "Exists"}, False),
        ({"key": "b", "operator": "DoesNotExist"}, True),
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, True),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, False),
        ({"key": "b", "operator": "NotIn", "values": ["1"]}, True),
        ({"key": "a", "operator": "Nonsense"}, False),
    ],
)
def test_match_expressions(expression, result):
    assert matches({"matchExpressions": [expression]}, {"a": "1"}) is result
