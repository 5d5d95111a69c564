# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How pools and advertisements get from what is there to what is wanted, without any API."""

from __future__ import annotations

import copy
import ipaddress
import random

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import AddressError, parse_span
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import config_plan
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.config_plan import (
    ADVERTISEMENTS,
    POOLS,
    plan,
)
from hypothesis import given
from hypothesis import strategies as st


def pool(name, *addresses, labels=None, annotations=None, rv=None, **spec):
    metadata = {"name": name, "namespace": "metallb-system"}
    if labels is not None:
        metadata["labels"] = labels
    if annotations is not None:
        metadata["annotations"] = annotations
    if rv:
        metadata["resourceVersion"] = rv
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": metadata,
        "spec": dict({"addresses": list(addresses)}, **spec),
    }


def live(name, *addresses, **spec):
    """As the API server gives it back."""
    labels = spec.pop("labels", {"app.kubernetes.io/managed-by": "l2ops.metallb"})
    obj = pool(name, *addresses, labels=labels, rv="7", **dict({"autoAssign": True, "avoidBuggyIPs": False}, **spec))
    obj["status"] = {"assignedIPv4": 1}
    return obj


def advertisement(name, labels=None, **spec):
    metadata = {"name": name, "namespace": "metallb-system"}
    if labels is not None:
        metadata["labels"] = labels
    return {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": metadata, "spec": spec}


def steps(there, wanted, prune=False, advertisements=((), ())):
    found = plan(
        {POOLS: there, ADVERTISEMENTS: advertisements[0]}, {POOLS: wanted, ADVERTISEMENTS: advertisements[1]}, prune
    )
    return [(step.action, step.name) for step in found.steps]


def test_new_objects_are_marked_as_ours_and_pools_come_first():
    found = plan({}, {POOLS: [pool("p", "10.0.0.0/24")], ADVERTISEMENTS: [advertisement("a")]}, False)
    assert [(step.action, step.plural) for step in found.steps] == [("create", POOLS), ("create", ADVERTISEMENTS)]
    assert found.steps[0].after["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "l2ops.metallb"}


def test_the_second_run_has_nothing_to_do():
    there = {
        POOLS: [live("p", "10.0.0.0/24")],
        ADVERTISEMENTS: [advertisement("a", labels={config_plan.OWNER_LABEL: config_plan.OWNER}, interfaces=["eth0"])],
    }
    wanted = {
        POOLS: [pool("p", "10.0.0.0/24")],
        ADVERTISEMENTS: [advertisement("a", interfaces=["eth0"], nodeSelectors=[])],
    }
    found = plan(there, wanted, True)
    assert found.changes == [] and found.steps == []
    assert len(found.unchanged) == 2


@pytest.mark.parametrize(
    "spec, changed",
    [({"autoAssign": True}, False), ({"autoAssign": False}, True), ({"serviceAllocation": {"priority": 1}}, True)],
)
def test_defaults_of_the_crd_are_no_change(spec, changed):
    found = plan({POOLS: [live("p", "10.0.0.0/24")]}, {POOLS: [pool("p", "10.0.0.0/24", **spec)]}, False)
    assert bool(found.changes) is changed


def test_an_empty_selector_is_not_nothing():
    there = [advertisement("a", labels={config_plan.OWNER_LABEL: config_plan.OWNER})]
    wanted = [advertisement("a", nodeSelectors=[{}])]
    assert len(plan({ADVERTISEMENTS: there}, {ADVERTISEMENTS: wanted}, False).changes) == 1


def test_an_object_that_is_there_is_taken_over_and_keeps_what_others_wrote():
    before = live("p", "10.0.0.0/24", labels={"team": "a"})
    before["metadata"]["annotations"] = {"note": "x"}
    wanted = pool("p", "10.0.0.0/25", labels={"tier": "b"}, annotations={"why": "y"})
    (step,) = plan({POOLS: [before]}, {POOLS: [wanted]}, False).changes
    assert step.after["metadata"]["labels"] == {
        "team": "a",
        "tier": "b",
        "app.kubernetes.io/managed-by": "l2ops.metallb",
    }
    assert step.after["metadata"]["annotations"] == {"note": "x", "why": "y"}
    assert step.after["status"] == before["status"]


def test_another_tools_mark_stays_and_is_told_of():
    before = live("p", "10.0.0.0/24", labels={"app.kubernetes.io/managed-by": "Helm"})
    found = plan({POOLS: [before]}, {POOLS: [pool("p", "10.0.0.0/25")]}, True)
    assert found.foreign == ["IPAddressPool p (managed by Helm)"]
    assert found.changes[0].after["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}
    argo = live("p", "10.0.0.0/24")
    argo["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "x"}
    assert "Argo CD" in config_plan.other_owner(argo)


def test_only_our_own_are_pruned_and_only_when_told():
    there = [live("ours", "10.0.0.0/24"), live("theirs", "10.0.1.0/24", labels={})]
    assert steps(there, []) == []
    assert steps(there, [], prune=True) == [("delete", "ours")]


def test_an_advertisement_goes_when_what_replaces_it_is_there():
    """Deleted first, it left the pool without announcement when the run was interrupted."""
    ours = {config_plan.OWNER_LABEL: config_plan.OWNER}
    there, wanted = [advertisement("a", labels=ours)], [advertisement("b")]
    assert steps([live("p", "10.0.0.0/24")], [pool("p", "10.0.0.0/25")], True, (there, wanted)) == [
        ("update", "p"),
        ("create", "b"),
        ("delete", "a"),
    ]


def test_what_one_pool_takes_another_gives_up_first():
    there = [live("a", "10.0.0.10-10.0.0.20"), live("b", "10.0.0.21-10.0.0.30")]
    wanted = [pool("b", "10.0.0.16-10.0.0.30"), pool("a", "10.0.0.10-10.0.0.15")]
    assert steps(there, wanted) == [("update", "a"), ("update", "b")]
    assert steps(there, [pool("new", "10.0.0.21-10.0.0.25"), pool("b", "10.0.0.26-10.0.0.30")]) == [
        ("update", "b"),
        ("create", "new"),
    ]
    assert steps([live("old", "10.0.0.0/24")], [pool("new", "10.0.0.0/25")], True) == [
        ("delete", "old"),
        ("create", "new"),
    ]


def test_pools_that_swap_their_ends_keep_what_they_have_in_common():
    there = [live("a", "10.0.0.10-10.0.0.20"), live("b", "10.0.0.21-10.0.0.30")]
    wanted = [pool("a", "10.0.0.10-10.0.0.15", "10.0.0.26-10.0.0.30"), pool("b", "10.0.0.16-10.0.0.25")]
    found = plan({POOLS: there}, {POOLS: wanted}, False)
    assert [(step.action, step.name, step.partial) for step in found.steps] == [
        ("update", "a", True),
        ("update", "b", False),
        ("update", "a", False),
    ]
    assert found.steps[0].after["spec"]["addresses"] == ["10.0.0.10-10.0.0.15"]


def test_pools_that_swap_everything_are_never_deleted():
    """A pool that was deleted and made again lost for good what others had written on it, if the run ended in between."""
    there = [live("a", "10.0.0.0/25", labels={"team": "x"}), live("b", "10.0.0.128/25")]
    found = plan({POOLS: there}, {POOLS: [pool("a", "10.0.0.128/25"), pool("b", "10.0.0.0/25")]}, False)
    assert [(step.action, step.name) for step in found.steps] == [("update", "a"), ("update", "b"), ("update", "a")]
    assert len(found.changes) == 2, "a report tells what changes, not how it gets there"
    aside, _other, last = found.steps
    assert aside.after["metadata"] == there[0]["metadata"]
    assert aside.after["spec"] == {
        "addresses": ["192.0.2.1-192.0.2.1"],
        "autoAssign": False,
        "avoidBuggyIPs": False,
        "serviceAllocation": {"namespaces": ["l2ops.metallb"]},
    }
    assert config_plan.merge_patch(last.before, last.after)["spec"]["serviceAllocation"] is None
    assert last.after["metadata"]["labels"]["team"] == "x"


def test_the_address_in_between_is_nobodys():
    there = [live("a", "10.0.0.0/25"), live("b", "10.0.0.128/25"), live("c", "192.0.2.0/24")]
    wanted = [pool("a", "10.0.0.128/25"), pool("b", "10.0.0.0/25", "198.51.100.0-198.51.100.9")]
    found = plan({POOLS: there}, {POOLS: wanted}, False)
    assert found.steps[0].after["spec"]["addresses"] == ["198.51.100.10-198.51.100.10"]
    everything = live("c", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
    stuck = [pool("a", "10.0.0.128/25"), pool("b", "10.0.0.0/25")]
    assert [step.partial for step in plan({POOLS: [*there[:2], everything]}, {POOLS: stuck}, False).steps] == [
        False
    ] * 2


def test_a_pool_in_the_way_that_is_not_ours_ends_in_the_webhooks_words():
    assert steps([live("foreign", "10.0.0.0/24", labels={})], [pool("p", "10.0.0.0/25")], True) == [("create", "p")]


def test_no_order_ever_overlaps_and_every_order_ends_where_it_should():
    """What MetalLB's webhook demands, over many random moves."""
    dice = random.Random(20260131)
    for _round in range(400):

        def layout():
            marks = sorted(dice.sample(range(1, 60), 8))
            free = [(marks[place], marks[place + 1] - 1) for place in range(0, 8, 2)]
            dice.shuffle(free)
            names = [name for name in "abcd" if dice.random() < 0.8]
            return {name: [f"10.0.0.{first}-10.0.0.{last}"] for name, (first, last) in zip(names, free)}

        before, after = layout(), layout()
        there = [live(name, *addresses) for name, addresses in before.items()]
        wanted = [pool(name, *addresses) for name, addresses in after.items()]
        held = {name: config_plan.spans(addresses) for name, addresses in before.items()}
        found = plan({POOLS: there}, {POOLS: wanted}, True)
        common = {
            name: config_plan.common_spans(held[name], config_plan.spans(after[name]))
            for name in before
            if name in after
        }
        for step in found.steps:
            assert (step.action == "create") == (step.name not in held)
            assert not (step.action == "delete" and step.partial)
            if step.action == "delete":
                del held[step.name]
            else:
                held[step.name] = config_plan.spans_of(step.after)
            for name, spans in held.items():
                others = [span for other, more in held.items() if other != name for span in more]
                assert not config_plan.overlapping(spans, others), (before, after)
            for name, spans in common.items():
                # What a pool has and keeps is never taken away on the way.
                assert not spans or not config_plan.lost_spans(spans, held.get(name, [])), (before, after)
        assert {name: config_plan.spans(addresses) for name, addresses in after.items()} == held


@pytest.mark.parametrize(
    "before, after, expected",
    [
        (["10.0.0.0/24"], ["10.0.0.0/24"], []),
        (["10.0.0.0-10.0.0.9"], ["10.0.0.3-10.0.0.5"], ["10.0.0.0-10.0.0.2", "10.0.0.6-10.0.0.9"]),
        (["10.0.0.0-10.0.0.9"], ["fd00::/120"], ["10.0.0.0-10.0.0.9"]),
        (["fd00::-fd00::f"], ["fd00::8-fd00::ff"], ["fd00::-fd00::7"]),
        (["10.0.0.7/30"], [], ["10.0.0.4-10.0.0.7"]),
        (["nonsense"], [], []),
        # What MetalLB does not read, nobody holds.
        (
            [
                "10.0.0.0/255.255.255.0",
                "10.0.0.1",
                "10.0.0.9-10.0.0.1",
                "10.0.0.1-fd00::1",
                "fe80::1%eth0-fe80::2%eth0",
            ],
            [],
            [],
        ),
        (["::ffff:10.0.0.0-::ffff:10.0.0.9"], ["10.0.0.0-10.0.0.8"], ["10.0.0.9-10.0.0.9"]),
    ],
)
def test_what_is_given_up(before, after, expected):
    found = config_plan.lost_spans(config_plan.spans(before), config_plan.spans(after))
    assert [config_plan.text_of(span) for span in found] == expected


ADDRESSES = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda n: str(ipaddress.IPv4Address(n))),
    st.integers(0, 2**32 - 1).map(lambda n: f"::ffff:{ipaddress.IPv4Address(n)}"),
    st.integers(0, 2**128 - 1).map(lambda n: str(ipaddress.IPv6Address(n))),
    st.text("0123456789abcdef.:%/- ", max_size=20),
)
POOL_TEXTS = st.one_of(
    ADDRESSES,
    st.tuples(ADDRESSES, ADDRESSES).map("-".join),
    st.tuples(ADDRESSES, st.integers(-1, 130)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    st.tuples(ADDRESSES, ADDRESSES).map("/".join),
)


@given(POOL_TEXTS)
def test_the_guard_and_the_rules_agree_on_what_a_pool_holds(text):
    try:
        span = parse_span(text.strip())
        expected = [(span.version, span.first, span.last)]
    except AddressError:
        expected = []
    assert config_plan.spans([text]) == expected
    assert all(first <= last for _version, first, last in config_plan.spans([text]))


def test_a_patch_says_only_the_difference_and_only_if_nobody_else_changed_it():
    before = live("p", "10.0.0.0/24", serviceAllocation={"priority": 1})
    after = copy.deepcopy(before)
    after["spec"]["addresses"] = ["10.0.0.0/25"]
    del after["spec"]["serviceAllocation"]
    assert config_plan.merge_patch(before, after) == {
        "metadata": {"resourceVersion": "7"},
        "spec": {"addresses": ["10.0.0.0/25"], "serviceAllocation": None},
    }
    assert config_plan.merge_patch(before, before) == {}


def test_a_diff_shows_what_people_write():
    before = live("p", "10.0.0.0/24")
    before["metadata"].update(managedFields=[1], uid="u", annotations={config_plan._LAST_APPLIED: "{}"})
    (step,) = plan({POOLS: [before]}, {POOLS: [pool("p", "10.0.0.0/25")]}, False).changes
    diff = config_plan.diff_of(step)
    assert set(diff["before"]) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(diff["before"]["metadata"]) == {"name", "namespace", "labels"}
    assert diff["before"]["spec"]["addresses"] != diff["after"]["spec"]["addresses"]
