# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What role install does about a MetalLB that is there."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.installation import (
    InstallationError,
    installation_of,
    is_downgrade,
)

ARGOCD = {
    "tool": "argocd",
    "kind": "Application",
    "namespace": "argocd",
    "name": "metallb-helm",
    "evidence": "tracking-id",
}
HELM = {"tool": "helm", "kind": "Helm release", "namespace": "metallb-system", "name": "metallb", "evidence": "Secret"}
RUNS = {
    "version": "0.15.3", "ignores_exclude_label": True, "memberlist_secret": "metallb-memberlist", "frr": False, "owner": ARGOCD,
}  # fmt: skip
ASKED = {"version": "0.15.3", "ignore_exclude_lb": True, "memberlist_secret": "metallb-memberlist"}


def test_an_owner_whose_installation_is_as_asked_has_nothing_to_change():
    found = installation_of(RUNS, ASKED)
    assert found["owned"] and found["managed_by"] == "Application argocd/metallb-helm" and found["differences"] == []
    assert found["lines"][0].startswith(
        "MetalLB 0.15.3 is managed by Application argocd/metallb-helm: nothing of it is changed"
    )


@pytest.mark.parametrize(
    ("change", "values", "words"),
    [
        (
            {"ignores_exclude_label": False},
            {"speaker": {"ignoreExcludeLB": True}},
            "speaker.ignoreExcludeLB: true (now false)",
        ),
        ({"memberlist_secret": ""}, {"speaker": {"secretName": "metallb-memberlist"}}, "(now not set)"),
        (
            {"frr": True},
            {"speaker": {"frr": {"enabled": False}}, "frrk8s": {"enabled": False}},
            "speaker.frr.enabled: false",
        ),
        ({"version": "0.14.9"}, {}, 'set chart version 0.15.3 (now "0.14.9")'),
    ],
)
def test_each_difference_is_a_change_for_the_owners_source(change, values, words):
    found = installation_of({**RUNS, **change}, ASKED)
    assert len(found["differences"]) == 1 and found["values"] == values
    assert words in found["lines"][-1] and "Application argocd/metallb-helm: set" in found["lines"][-1]


def test_helms_own_release_is_no_owner_that_is_in_the_way():
    assert not installation_of({**RUNS, "owner": HELM}, ASKED)["owned"]
    assert not installation_of({"owner": {}, "version": ""}, ASKED)["owned"]


@pytest.mark.parametrize(
    ("installed", "wanted", "down"),
    [
        ("0.16.2", "0.15.3", True), ("v0.15.10", "0.15.3", True), ("0.15.3", "0.15.10", False), ("0.15.3", "0.15.3", False),
        ("latest", "0.15.3", False), ("", "0.15.3", False), ("0.16.2", "", False),
    ],
)  # fmt: skip
def test_a_downgrade_is_told_by_numbers_and_never_guessed(installed, wanted, down):
    assert is_downgrade(installed, wanted) is down
    assert installation_of({**RUNS, "version": installed}, {**ASKED, "version": wanted})["downgrade"] is down


def test_what_is_no_owner_is_refused():
    with pytest.raises(InstallationError, match="owner"):
        installation_of({**RUNS, "owner": {"colour": "red"}}, ASKED)
