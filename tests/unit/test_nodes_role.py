# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role nodes, run by ansible-playbook, with Omni: a small API server on loopback, and the stand-in for omnictl."""

from __future__ import annotations

import json
import sys

import pytest
from ansible_collections.l2ops.metallb.tests.unit.fake_api import FakeApi
from ansible_collections.l2ops.metallb.tests.unit.plugins.modules.test_omni_exclude_label import (
    DELETE,
    KEY,
    OURS,
    SET,
    Omni,
)
from ansible_collections.l2ops.metallb.tests.unit.run_playbook import LOCALHOST, available, run_playbook

pytestmark = available
PLAY = [{"hosts": "localhost", "gather_facts": False, "roles": ["l2ops.metallb.nodes"]}]


@pytest.fixture
def api():
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def omni(tmp_path, monkeypatch):
    return Omni(tmp_path, monkeypatch)


@pytest.fixture
def play(api, omni, tmp_path, root):
    """play("--check", variable=value) -> exit status, and all that it said in one line."""
    (tmp_path / "play.json").write_text(json.dumps(PLAY), encoding="utf-8")

    def run(*arguments, **variables):
        omni.log.write_text("", encoding="utf-8")
        wanted = {
            "metallb_nodes_method": "omni",
            "metallb_omni_cluster": "home",
            "metallb_omni_apply": True,
            "metallb_omnictl": str(omni.program),
            "metallb_speaker_restart": "never",
            "ansible_python_interpreter": sys.executable,
            **variables,
        }
        done = run_playbook(
            root,
            tmp_path,
            "play.json",
            *LOCALHOST,
            "-e",
            json.dumps(wanted),
            *arguments,
            K8S_AUTH_HOST=api.url,
            K8S_AUTH_API_KEY="token",
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


def add(api, name, owned, image="Talos (v1.12.0)"):
    annotations = {"talos.dev/owned-labels": json.dumps([KEY])} if owned else {}
    status = {"nodeInfo": {"osImage": image}, "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}
    api.add(
        {"kind": "Node", "metadata": {"name": name, "labels": {KEY: ""}, "annotations": annotations}, "status": status}
    )


def test_omni_is_given_the_patches_and_the_label_goes(play, api, omni):
    add(api, "cp-1", owned=False)
    status, text = play("--check", "--diff")
    assert status == 0 and "changed=2" in text and omni.patches() == {}, text
    status, text = play()
    assert status == 0 and "changed=2" in text, text
    assert omni.patches() == dict(zip(OURS, (SET, DELETE)))
    assert KEY not in api.get("nodes", "cp-1")["metadata"]["labels"]
    status, text = play()
    assert status == 0 and "changed=0" in text and "apply" not in str(omni.calls()), text


def test_nodes_that_do_not_follow_are_named_with_where_omni_says_why(play, api):
    add(api, "cp-1", owned=True)
    status, text = play(metallb_wait_timeout=1)
    assert status != 0 and "after 1 s cp-1 still has the label from Talos" in text, text
    assert "omnictl get clustermachineconfigstatus -l omni.sidero.dev/cluster=home" in text


@pytest.mark.parametrize("method", ["omni", "auto"])
def test_on_a_cluster_of_a_template_what_belongs_into_it_is_shown_and_written(play, api, omni, tmp_path, method):
    add(api, "cp-1", owned=True)
    omni.holds(template=True, talos="1.14.1")
    status, text = play(metallb_nodes_method=method, metallb_nodes_patches=str(tmp_path / "."))
    assert (
        status == 0 and "omnictl cluster template sync" in text and "its next sync deletes what is not in it" in text
    ), text
    written = json.loads((tmp_path / "patch-1.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in written] == [
        f"metallb-l2-{one}" for one in ("a-set", "b-delete", "c-set", "d-delete")
    ]
    assert omni.patches() == {} and "apply" not in str(omni.calls())


def test_without_being_asked_to_omnictl_is_not_called(play, api, omni):
    add(api, "cp-1", owned=True)
    status, text = play(metallb_omni_apply=False)
    assert status == 0 and "ConfigPatches.omni.sidero.dev" in text and "metallb_omni_apply" in text, text
    assert omni.calls() == []


def without_credentials(play, *arguments, **variables):
    return play(
        *arguments,
        **{"metallb_nodes_method": "auto", "metallb_omni_cluster": "", "metallb_omni_apply": False, **variables},
    )


def test_without_credentials_the_patches_are_shown_and_written_where_the_play_was_called(play, api, tmp_path):
    add(api, "cp-1", owned=True)
    folder = tmp_path / "metallb-patches" / "localhost"
    status, text = without_credentials(play, "--check")
    assert status == 0 and "--patch @patch-1.json --patch @patch-2.json" in text and not folder.exists(), text
    status, text = without_credentials(play)
    assert status == 0 and f"Written to {folder}" in text and "changed=1" in text, text
    assert sorted(one.name for one in folder.iterdir()) == ["patch-1.json", "patch-2.json"]
    assert "KubeNodeConfig" not in (folder / "patch-2.json").read_text(encoding="utf-8")


def test_from_talos_1_14_on_the_patches_clear_the_new_document_too(play, api, tmp_path):
    """A configuration born under 1.14 would take the old pair silently, and keep the label."""
    add(api, "cp-1", owned=True, image="Talos (v1.14.0)")
    add(api, "worker-1", owned=False, image="Talos (v1.13.2)")
    status, text = without_credentials(play)
    assert status == 0 and "--patch @patch-3.json --patch @patch-4.json" in text, text
    written = [
        (tmp_path / f"metallb-patches/localhost/patch-{n}.json").read_text(encoding="utf-8") for n in range(1, 5)
    ]
    assert ["KubeNodeConfig" in one for one in written] == [False, False, True, True]


def test_a_folder_that_cannot_be_written_to_is_no_reason_to_stop(play, api, tmp_path):
    add(api, "cp-1", owned=True)
    (tmp_path / "file").write_text("", encoding="utf-8")
    status, text = without_credentials(play, metallb_nodes_patches=str(tmp_path / "file" / "folder"))
    assert status == 0 and "could not be written to" in text and "metallb_nodes_patches" in text, text
    assert "$patch" in text, "they are shown all the same"


def test_method_talos_on_a_cluster_without_talos_says_so(play, api):
    add(api, "cp-1", owned=False, image="Debian GNU/Linux 13 (trixie)")
    status, text = without_credentials(play, metallb_nodes_method="talos")
    assert status != 0 and "No node of this cluster runs Talos (Debian GNU/Linux 13 (trixie))" in text, text
    status, text = without_credentials(play, metallb_talosconfig="/nowhere")
    assert status == 0 and KEY not in api.get("nodes", "cp-1")["metadata"]["labels"], text


def talos(api):
    """Puts the label back at once, on cp-1."""

    def back(event, plural, obj):
        if plural == "nodes" and event == "MODIFIED" and KEY not in obj["metadata"]["labels"]:
            api.write("nodes", "cp-1", lambda node: node["metadata"]["labels"].update({KEY: ""}), manager="machined")

    api.reaction = back


def test_what_lasts_is_written_before_the_role_fails(play, api, tmp_path):
    """With hold, the label's return is a failure; the patches are what the reader needs then."""
    add(api, "cp-1", owned=True)
    talos(api)
    status, text = play(
        metallb_nodes_method="auto",
        metallb_omni_cluster="",
        metallb_omni_apply=False,
        metallb_exclude_label_watch_seconds=20,
        metallb_nodes_patches=str(tmp_path / "."),
    )
    assert status != 0 and "put back by machined" in text and "failed=1" in text, text
    assert "Talos owns the label on cp-1" in text and "--patch @patch-1.json" in text, text
    assert json.loads((tmp_path / "patch-2.json").read_text(encoding="utf-8")) == {
        "machine": {"nodeLabels": {KEY: {"$patch": "delete"}}}
    }


TALOSCTL = """#!/bin/sh
# A stand-in for talosctl and the one machine that it reaches: a file with its configuration.
case "$*" in
  *" get "*) cat MACHINE ;;
  *" --dry-run"*) echo "Dry run summary:" ;;
  *" patch "*) echo '{machine: {type: controlplane}}' > MACHINE; echo "Applied configuration without a reboot" >&2 ;;
esac
"""


@pytest.fixture
def talosctl(tmp_path):
    machine, program = tmp_path / "machine.yaml", tmp_path / "talosctl"
    machine.write_text(f'machine: {{type: controlplane, nodeLabels: {{{KEY}: ""}}}}\n', encoding="utf-8")
    program.write_text(TALOSCTL.replace("MACHINE", str(machine)), encoding="utf-8")
    program.chmod(0o755)
    return program


def test_method_talos_looks_at_the_node_whatever_talosctl_said(play, api, talosctl):
    """A changed configuration is a promise; the Node is what counts."""
    add(api, "cp-1", owned=True)
    wanted = {"metallb_nodes_method": "talos", "metallb_talosctl": str(talosctl), "metallb_wait_timeout": 1}
    status, text = without_credentials(play, "--check", **wanted)
    assert status == 0 and "changed=2" in text, text
    status, text = without_credentials(play, **wanted)
    assert status != 0 and api.sent("PATCH") == [], text
    assert "hold the label no more, and after 1 s cp-1 still has the label from Talos" in text, text
    assert "controller-runtime" in text and "metallb_wait_timeout" in text


def test_an_owner_is_not_fought(play, api):
    """Removed once, with hold twice; then the role stops, and says who owns the label and what fixes it for good."""
    add(api, "cp-1", owned=True)
    talos(api)
    status, text = play(metallb_nodes_method="api", metallb_omni_apply=False)
    assert status == 0 and len(api.sent("PATCH")) == 1, text
    assert f"Talos owns the label {KEY} on cp-1" in text and "machine.nodeLabels" in text
    api.requests.clear()
    status, text = play(metallb_nodes_method="api", metallb_omni_apply=False, metallb_exclude_label_watch_seconds=20)
    assert status != 0 and len(api.sent("PATCH")) == 2, text
    assert "put back by machined" in text and "Not tried any further" in text and "$patch: delete" in text
