# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clusters in one job: the lab, often. FLEET says how often; its numbers stand in docs/awx.md."""

from __future__ import annotations

import os

from awxtest import job

FLEET = int(os.environ.get("FLEET", "12"))
EVENT_LIMIT = 700_000


def slices(hosts, number, count):
    """The part of an inventory that AWX gives a slice: every count-th host in order of names, whatever its group."""
    names = sorted(hosts["_meta"]["hostvars"])[number - 1 :: count]
    variables = {name: hosts["_meta"]["hostvars"][name] for name in names}
    groups = {name: group["hosts"] for name, group in hosts.items() if name not in ("all", "_meta")}
    return job.inventory(variables, groups)


def test_a_fleet_in_one_job(launch, installed, lab, capsys):
    done = launch("MetalLB validate", hosts=lab.inventory(FLEET), timeout=3600)
    assert done.status == 0, done.stdout[-3000:]
    artifacts = done.artifacts["metallb_validate"]
    assert len(artifacts) == FLEET
    assert all(one["verdict"] for one in artifacts.values())
    assert done.largest_event < EVENT_LIMIT
    with capsys.disabled():
        print(
            f"\nfleet: {FLEET} clusters, {done.seconds:.0f} s, {done.seconds / FLEET:.2f} s each, {done.memory:.0f} MiB at most, "
            f"{len(done.events)} events, the largest {done.largest_event} bytes"
        )


def test_slices_together_are_the_whole_and_a_slice_may_have_no_probe(launch, installed, lab):
    """AWX slices hosts, not clusters: the probe host falls into one slice, and the others say that they did not look."""
    hosts = lab.inventory(3)
    seen = {}
    for number in (1, 2):
        done = launch("MetalLB verify", {"metallb_verify_timeout": "20"}, hosts=slices(hosts, number, 2))
        assert done.status == 0, done.stdout
        seen.update(done.artifacts["metallb_verify"])
    assert set(seen) == {"lab-1", "lab-2", "lab-3"}
    looked = {name: "not checked" not in one["verdict"] for name, one in seen.items()}
    assert any(looked.values()) and not all(looked.values()), looked


def test_a_slice_without_probe_may_name_one_that_resolves(launch, installed, lab):
    """docs/awx.md, Many clusters: a probe that is no host of the slice, reached as the machine credential says."""
    hosts = lab.inventory(1, metallb_probe_host=lab.probe["ansible_host"])
    (cluster,) = slices(hosts, 1, 2)["_meta"]["hostvars"]
    assert cluster == "lab"
    done = launch("MetalLB verify", {"metallb_verify_wire": "always"}, hosts=slices(hosts, 1, 2))
    assert done.status == 0, done.stdout
    assert "not checked" not in done.artifacts["metallb_verify"]["lab"]["verdict"]
