# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is decided about labels, without any API."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import node_labels
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.node_labels import (
    EXCLUDE_LABEL,
    Change,
    Hold,
    decide,
    read,
)


def node(name="cp-1", value=None, owned=False, manager="machined", labels=True):
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "7"}
    if labels:
        metadata["labels"] = {"kubernetes.io/os": "linux"}
    if value is not None:
        metadata["labels"][EXCLUDE_LABEL] = value
        metadata["managedFields"] = [
            {"manager": "kubelet", "fieldsV1": {"f:metadata": {"f:labels": {"f:kubernetes.io/os": {}}}}},
            {
                "manager": manager,
                "operation": "Update",
                "time": "2026-01-31T10:00:00Z",
                "fieldsV1": {"f:metadata": {"f:labels": {f"f:{EXCLUDE_LABEL}": {}}}},
            },
        ]
    if owned:
        metadata["annotations"] = {"talos.dev/owned-labels": f'["x", "{EXCLUDE_LABEL}"]'}
    return {"kind": "Node", "metadata": metadata}


def test_any_value_counts_as_present_the_empty_one_too():
    assert read(node(value=""), EXCLUDE_LABEL).present
    assert read(node(value="true"), EXCLUDE_LABEL).present
    assert not read(node(), EXCLUDE_LABEL).present


def test_the_owner_and_the_writer_are_seen():
    label = read(node(value="", owned=True), EXCLUDE_LABEL)
    assert label.owned_by_talos
    assert label.writer.manager == "machined"
    assert not read(node(value=""), EXCLUDE_LABEL).owned_by_talos


@pytest.mark.parametrize("annotation", ["", "no json", '"a string"', "null", "{}"])
def test_a_strange_annotation_owns_nothing(annotation):
    strange = node(value="")
    strange["metadata"]["annotations"] = {"talos.dev/owned-labels": annotation}
    assert not read(strange, EXCLUDE_LABEL).owned_by_talos


def test_the_last_of_several_writers_is_named():
    fields = [
        {"manager": name, "time": time, "fieldsV1": {"f:metadata": {"f:labels": {"f:k": {}}}}}
        for name, time in (("b", "2026-01-02T00:00:00Z"), ("c", "2026-01-03T00:00:00Z"), ("a", "2026-01-01T00:00:00Z"))
    ]
    assert node_labels.last_writer(fields, "k").manager == "c"
    assert node_labels.last_writer([{"manager": "x"}], "k") is None


@pytest.mark.parametrize(
    "value, state, wanted, expected",
    [
        ("", "absent", None, "remove"),
        ("x", "absent", None, "remove"),
        (None, "absent", None, None),
        (None, "present", None, ""),
        (None, "present", "a", "a"),
        ("x", "present", None, None),
        ("x", "present", "x", None),
        ("x", "present", "y", "y"),
        ("x", "present", "", ""),
        ("", "present", "", None),
    ],
)
def test_what_a_node_needs(value, state, wanted, expected):
    change = decide(read(node(value=value), EXCLUDE_LABEL), state, wanted)
    if expected is None:
        assert change is None
    else:
        assert change.value == (None if expected == "remove" else expected)


def test_a_patch_applies_to_nothing_else_than_what_was_seen():
    seen = read(node(value="x"), EXCLUDE_LABEL)
    for change, label in ((Change(seen, None), None), (Change(seen, "y"), "y")):
        metadata = {"resourceVersion": "7", "labels": {EXCLUDE_LABEL: label}}
        assert node_labels.patch_of(change, EXCLUDE_LABEL) == {"metadata": metadata}


@pytest.mark.parametrize("key", ["a", "a.b/c_d", EXCLUDE_LABEL, "A-1", "x" * 63])
def test_keys_that_may_be(key):
    assert node_labels.wrong_key(key) is None


@pytest.mark.parametrize("key", ["", "a/b/c", "-a", "a-", "A.B/c", "/c", "a/", "a b", "x" * 64, "a,b", "ä"])
def test_keys_that_may_not_be(key):
    assert node_labels.wrong_key(key)


def test_values():
    assert node_labels.wrong_value("") is None
    assert node_labels.wrong_value("a.b") is None
    assert node_labels.wrong_value("a b")
    assert node_labels.wrong_value("x" * 64)


def test_a_label_that_stays_away_holds():
    hold = Hold(EXCLUDE_LABEL, {"cp-1": 0.0})
    assert hold.event("MODIFIED", node(value=""), 0.1) is None, "an event from before the removal"
    assert hold.event("DELETED", node(), 0.2) is None
    assert not hold.lost
    assert hold.returned == {}


def test_an_owner_that_fights_back_is_met_once_and_no_more():
    hold = Hold(EXCLUDE_LABEL, {"cp-1": 0.0, "cp-2": 0.0})
    hold.event("DELETED", node(), 0.1)
    again = hold.event("ADDED", node(value="", owned=True), 0.25)
    assert again.name == "cp-1"
    hold.event("DELETED", node(), 0.3)
    assert hold.still_there() == [], "the second try may hold"
    assert hold.event("ADDED", node(value="", owned=True), 0.4) is None
    assert not hold.lost, "cp-2 is still watched"
    (one,) = hold.still_there()
    assert (one.times, one.after_seconds, one.manager, one.owned_by_talos) == (2, 0.25, "machined", True)
    hold.event("DELETED", node("cp-2"), 0.5)
    hold.event("ADDED", node("cp-2", value=""), 0.6)
    hold.event("DELETED", node("cp-2"), 0.7)
    hold.event("ADDED", node("cp-2", value=""), 0.8)
    assert hold.lost


def test_a_node_that_was_not_changed_is_none_of_our_business():
    hold = Hold(EXCLUDE_LABEL, {"cp-1": 0.0})
    assert hold.event("ADDED", node("new", value=""), 1.0) is None
    assert hold.returned == {}


def test_thousands_of_names_make_no_sentence():
    assert node_labels.listing(["a", "b"]) == "a, b"
    assert node_labels.listing([f"n{number}" for number in range(5000)]).endswith("n9 and 4990 more")
