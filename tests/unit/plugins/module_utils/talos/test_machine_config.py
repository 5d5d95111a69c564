# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a machine configuration holds the label, and which patches that gives. The real talosctl's part: tests/integration."""

from __future__ import annotations

import json

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._talos.machine_config import (
    outcome,
    patches,
    places,
    places_of,
    render_patches,
)

KEY = "node.kubernetes.io/exclude-from-external-load-balancers"
OLD = {"version": "v1alpha1", "machine": {"type": "controlplane", "nodeLabels": {KEY: ""}}}
NEW = {"apiVersion": "v1alpha1", "kind": "KubeNodeConfig", "labels": {KEY: "", "other": "x"}}
BARE = {"version": "v1alpha1", "machine": {"type": "worker"}}


@pytest.mark.parametrize(
    ("documents", "found"),
    [
        ([OLD], ["machine.nodeLabels"]),
        ([BARE, NEW], ["KubeNodeConfig"]),
        ([OLD, NEW], ["machine.nodeLabels", "KubeNodeConfig"]),
        ([BARE], []),
        ([], []),
        ([None, "text", {"machine": None}, {"kind": "KubeNodeConfig", "labels": None}], []),
        ([{"kind": "Other", "machine": {"nodeLabels": {KEY: ""}}}], []),
    ],
)
def test_the_label_is_found_where_talos_keeps_it(documents, found):
    assert places(documents, KEY) == found


def test_each_place_gets_a_pair_set_then_delete():
    pairs = [json.loads(one) for one in patches(["machine.nodeLabels", "KubeNodeConfig"], KEY)]
    assert [one.get("kind") for one in pairs] == [None, None, "KubeNodeConfig", "KubeNodeConfig"]
    labels = [one["machine"]["nodeLabels"] if "machine" in one else one["labels"] for one in pairs]
    assert labels == [{KEY: ""}, {KEY: {"$patch": "delete"}}] * 2
    assert patches([], KEY) == []


@pytest.mark.parametrize(
    ("said", "done"),
    [
        (
            "patched MachineConfigs.config.talos.dev/v1alpha1 at the node 10.0.0.1\nApplied configuration without a reboot\n",
            "applied",
        ),
        ("Apply was skipped: no changes detected.\n", "unchanged"),
        ("something else", ""),
    ],
)
def test_talos_words(said, done):
    assert outcome(said) == done


@pytest.mark.parametrize(
    ("versions", "new"),
    [
        ([], False),
        (["Talos (v1.13.11)", "Debian GNU/Linux 14"], False),
        (["Talos (v1.13.11)", "Talos (v1.14.0-rc.1)"], True),
        (["1.12.0"], False),
        (["1.14.1"], True),
        (["v2.0.0"], True),
        (["", "Talos"], False),
    ],
)
def test_from_1_14_on_both_places_are_cleared(versions, new):
    assert places_of(versions) == ["machine.nodeLabels", *(["KubeNodeConfig"] if new else [])]
    for form, texts in (("talos", 2), ("omni", 2), ("omni-template", 1)):
        given = render_patches(form, KEY, "mine", versions=versions)
        assert len(given) == texts * (2 if new and texts == 2 else 1)
        assert ("KubeNodeConfig" in " ".join(given)) is new


def test_omni_wants_a_cluster_and_a_known_form():
    with pytest.raises(ValueError, match="metallb_omni_cluster"):
        render_patches("omni", KEY)
    with pytest.raises(ValueError, match="omni-template"):
        render_patches("helm", KEY)
    ids = [json.loads(one)["metadata"]["id"] for one in render_patches("omni", KEY, "mine")]
    assert ids == ["490-mine-control-planes-metallb-l2-a-set", "491-mine-control-planes-metallb-l2-b-delete"]
