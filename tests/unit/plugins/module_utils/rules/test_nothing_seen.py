# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check passes only where it looked at something: over an empty cluster, and over one that lacks a kind, none passes from nothing."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import BY_CODE, RULES, evaluate
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import KINDS
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot
from ansible_collections.l2ops.metallb.tests.unit.world import World, answer, ports, wire

# Everything that a user can add, so that no rule is skipped for want of it.
OPTIONS = {
    "node_networks": ["192.168.7.0/24"],
    "gateway": ["192.168.7.1"],
    "reserved": ["192.168.7.9"],
    "dhcp_ranges": ["192.168.7.100-192.168.7.120"],
    "cluster_networks": ["10.244.0.0/16"],
    "interfaces": {"cp-2": [{"name": "eth0", "addresses": ["192.168.7.12/24"]}]},
    "wire": wire(answer("192.168.7.201", "cp-2"), answer("192.168.7.203", "cp-2")),
    "ports": ports(("default/my-nginx", "192.168.7.201", 80, "")),
}
# What these rules read of a kind may be absent for good reasons, and that is what they look at.
MAY_BE_ABSENT = {
    "applications",
    "bgpadvertisements",
    "bgppeers",
    "ciliumloadbalancerippools",
    "configmaps",
    "events",
    "releases",
    "secrets",
    "servicecidrs",
}

# Whether the probe host is in the segment of what it asked.
OF_THE_PROBE_ALONE = {"MLB608"}


def results(snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    return {one.id: (one.result, one.reason) for one in evaluate(snapshot, Options.make(**OPTIONS)).checks}


def passed(snapshot: Snapshot) -> set[str]:
    return {code for code, (result, _reason) in results(snapshot).items() if result == "passed"}


def test_nothing_passes_in_an_empty_cluster():
    assert passed(Snapshot.from_objects({plural: [] for plural in KINDS})) == OF_THE_PROBE_ALONE


def test_nothing_passes_where_nothing_could_be_read():
    assert passed(Snapshot.from_objects({})) == OF_THE_PROBE_ALONE


def test_nothing_passes_in_an_empty_cluster_with_metallb():
    """Only what the installation itself shows: its workloads, their pods and the nodes that these run on."""
    world = World()
    for plural in ("services", "ipaddresspools", "l2advertisements", "endpointslices", "nodes", "servicel2statuses"):
        world.objects[plural] = []
    world.objects["configurationstates"] = []
    assert {code[3] for code in passed(world.snapshot()) - OF_THE_PROBE_ALONE} == {"1"}


@pytest.mark.parametrize("plural", sorted(set(KINDS) - MAY_BE_ABSENT))
def test_a_kind_without_objects_lets_no_rule_pass_that_is_about_it(plural):
    world = World()
    world.objects[plural] = []
    world.write_statuses = False
    well = passed(world.snapshot())
    for rule in RULES:
        subjects = rule.requires if rule.subjects is None else rule.subjects
        if plural in subjects:
            assert rule.code not in well, rule.code


@pytest.mark.parametrize("plural", sorted(KINDS))
def test_a_kind_that_cannot_be_read_lets_no_rule_pass_that_needs_it(plural):
    world = World()
    world.hide(plural)
    for code, (result, reason) in results(world.snapshot()).items():
        if plural in BY_CODE[code].requires:
            assert result == "skipped" and "forbidden" in reason, code


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_what_is_skipped_says_why(code):
    for snapshot in (World().snapshot(), Snapshot.from_objects({plural: [] for plural in KINDS})):
        result, reason = results(snapshot)[code]
        assert reason or result != "skipped"


def test_a_healthy_cluster_passes_what_can_be_seen():
    """The other way round: what is there is looked at."""
    skipped = {code for code, (result, _reason) in results(World().snapshot()).items() if result == "skipped"}
    # No Helm record, no ConfigMap of excluded interfaces, no files; and the nodes' own addresses were not asked.
    assert skipped == {"MLB113", "MLB114", "MLB115", "MLB116", "MLB412", "MLB413", "MLB611"} | {
        code for code in BY_CODE if code[3] == "7"
    }


def test_without_kube_proxy_its_mode_is_not_known():
    world = World()
    world.drop("daemonsets", "kube-proxy")
    result, reason = results(world.snapshot())["MLB110"]
    assert result == "skipped" and "no kube-proxy was found" in reason


def test_kube_proxy_whose_mode_is_nowhere():
    world = World()
    (container,) = world.get("daemonsets", "kube-proxy")["spec"]["template"]["spec"]["containers"]
    container["command"] = ["/usr/local/bin/kube-proxy"]
    result, reason = results(world.snapshot())["MLB110"]
    assert result == "skipped" and "mode of kube-proxy cannot be seen" in reason


def test_cilium_pools_that_may_not_be_read_are_not_absent():
    world = World()
    world.hide("ciliumloadbalancerippools")
    result, reason = results(world.snapshot())["MLB109"]
    assert result == "skipped" and "Cilium" in reason
