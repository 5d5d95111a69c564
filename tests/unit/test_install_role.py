# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role install among owners, run by ansible-playbook against a small API server on loopback."""

from __future__ import annotations

import json
import sys

import pytest
from ansible_collections.l2ops.metallb.tests.unit.run_playbook import LOCALHOST, available, run_playbook
from ansible_collections.l2ops.metallb.tests.unit.served import served
from ansible_collections.l2ops.metallb.tests.unit.world import World

pytestmark = available
PLAY = [{"hosts": "localhost", "gather_facts": False, "roles": ["l2ops.metallb.install"]}]


def owned_world(tool):
    world = World()
    for plural, name in (("daemonsets", "speaker"), ("deployments", "controller")):
        for obj in world.objects[plural]:
            metadata = obj["metadata"]
            if name not in metadata["name"]:
                continue
            kind = {"daemonsets": "DaemonSet", "deployments": "Deployment"}[plural]
            metadata.get("annotations", {}).clear()
            if tool == "argocd":
                tracking = f"metallb-helm:apps/{kind}:{metadata['namespace']}/{metadata['name']}"
                metadata["annotations"] = {"argocd.argoproj.io/tracking-id": tracking}
            elif tool == "flux":
                metadata.setdefault("labels", {}).update(
                    {"helm.toolkit.fluxcd.io/name": "metallb", "helm.toolkit.fluxcd.io/namespace": "flux-system"}
                )
    world.get("daemonsets", "metallb-speaker")["status"].update(
        updatedNumberScheduled=4, currentNumberScheduled=4, numberReady=4
    )
    world.get("deployments", "metallb-controller")["status"].update(updatedReplicas=1, readyReplicas=1)
    return world


@pytest.fixture
def play(tmp_path, root):
    (tmp_path / "play.json").write_text(json.dumps(PLAY), encoding="utf-8")

    def run(given, **variables):
        wanted = {"ansible_python_interpreter": sys.executable, "metallb_helm_binary": "/nonexistent/helm", **variables}
        done = run_playbook(
            root,
            tmp_path,
            "play.json",
            *LOCALHOST,
            "-e",
            json.dumps(wanted),
            K8S_AUTH_HOST=given["host"],
            K8S_AUTH_API_KEY="token",
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


@pytest.mark.parametrize(
    ("tool", "owner"), [("argocd", "Application metallb-helm"), ("flux", "HelmRelease flux-system/metallb")]
)
def test_what_an_owner_runs_as_asked_is_left_alone(tool, owner, play):
    """Helm is not even looked for, and nothing is written."""
    with served(owned_world(tool)) as (api, given):
        status, text = play(given, metallb_wait_timeout=5)
        written = [one for one in api.requests if one["method"] != "GET" and "dryRun" not in str(one)]
    assert (
        f"is managed by {owner}: nothing of it is changed here" in text and "It runs as the variables ask." in text
    ), text
    assert (status, written) == (0, []) and "changed=0" in text, text


@pytest.mark.parametrize("owned", ["fail", "report"])
def test_what_differs_is_a_change_for_the_owners_source(owned, play):
    with served(owned_world("argocd")) as (api, given):
        status, text = play(given, metallb_wait_timeout=5, metallb_owned=owned, metallb_ignore_exclude_lb=False)
        written = [one for one in api.requests if one["method"] != "GET" and "dryRun" not in str(one)]
    assert "Application metallb-helm: set Helm value speaker.ignoreExcludeLB: false (now true)" in text, text
    assert "As Helm values: speaker: ignoreExcludeLB: false" in text, text
    assert (status, written) == (2 if owned == "fail" else 0, []) and "changed=0" in text, text
    assert ("To go on all the same: metallb_owned=report" in text) == (owned == "fail")


def test_an_older_version_is_refused_unless_it_is_meant(play):
    with served(World()) as (_api, given):
        status, text = play(given, metallb_version="0.9.3")
        assert status == 2 and "metallb_allow_downgrade=true" in text and "metallb_version is 0.9.3" in text, text
        status, text = play(given, metallb_version="0.9.3", metallb_allow_downgrade=True)
    assert "Helm was not found" in text, text
