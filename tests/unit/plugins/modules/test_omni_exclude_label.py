# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""omni_exclude_label against tests/unit/fixtures/omnictl.py, a stand-in: no Omni can be had here.

What the ConfigPatches do to a machine configuration is tested with the real talosctl, in tests/integration/test_talosctl.py.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from ansible_collections.l2ops.metallb.plugins.modules import omni_exclude_label
from ansible_collections.l2ops.metallb.tests.unit import run_module

KEY = "node.kubernetes.io/exclude-from-external-load-balancers"
STAND_IN = Path(__file__).resolve().parents[2] / "fixtures" / "omnictl.py"
SET = json.dumps({"machine": {"nodeLabels": {KEY: ""}}})
DELETE = json.dumps({"machine": {"nodeLabels": {KEY: {"$patch": "delete"}}}})
OURS = ["490-home-control-planes-metallb-l2-a-set", "491-home-control-planes-metallb-l2-b-delete"]


def resource(kind, name, labels=None, annotations=None, **spec):
    metadata = {"namespace": "default", "type": f"{kind}.omni.sidero.dev", "id": name}
    return {"metadata": {**metadata, "labels": labels, "annotations": annotations}, "spec": spec}


def config_patch(name, data, **labels):
    named = {f"omni.sidero.dev/{label.replace('_', '-')}": text for label, text in labels.items()}
    return resource("ConfigPatches", name, {"omni.sidero.dev/cluster": "home", **named}, data=data)


class Omni:
    def __init__(self, folder, monkeypatch):
        self.state = folder / "omni.json"
        self.log = folder / "log"
        self.program = folder / "omnictl"
        self.program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n', encoding="utf-8")
        self.program.chmod(0o755)
        monkeypatch.setenv("STAND_IN_OMNI", str(self.state))
        monkeypatch.setenv("STAND_IN_LOG", str(self.log))
        self.holds()

    def holds(self, *more, template=False, talos="1.12.0", machine_sets=("home-control-planes",)):
        mark = {"omni.sidero.dev/managed-by-cluster-templates": ""} if template else None
        in_home = {"omni.sidero.dev/cluster": "home"}
        every = [
            resource("Clusters", "home", annotations=mark, talosversion=talos),
            resource("Clusters", "other"),
            *(
                resource("MachineSets", one, {**in_home, "omni.sidero.dev/role-controlplane": ""})
                for one in machine_sets
            ),
            resource("MachineSets", "home-workers", {**in_home, "omni.sidero.dev/role-worker": ""}),
            *more,
        ]
        self.state.write_text(json.dumps(every), encoding="utf-8")

    def patches(self):
        every = json.loads(self.state.read_text(encoding="utf-8"))
        return {
            one["metadata"]["id"]: one["spec"]["data"] for one in every if "ConfigPatches" in one["metadata"]["type"]
        }

    def calls(self):
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def __call__(self, check=False, diff=False, **options):
        self.log.write_text("", encoding="utf-8")
        options = {"cluster": "home", "omnictl": str(self.program), **options}
        return run_module.run(omni_exclude_label, check=check, diff=diff, **options)


@pytest.fixture
def omni(tmp_path, monkeypatch):
    return Omni(tmp_path, monkeypatch)


def test_two_config_patches_are_applied_and_the_second_run_applies_nothing(omni):
    result = omni()
    assert not result["failed"], result["msg"]
    assert result["changed"] and result["action"] == "applied" and result["config_patches"] == OURS
    assert omni.patches() == dict(zip(OURS, (SET, DELETE)))
    again = omni()
    assert not again["changed"] and again["action"] == "none" and "in place" in again["why"]
    assert not [call for call in omni.calls() if "apply" in call]


def test_check_mode_has_omnictl_try_it_and_diff_shows_it(omni):
    result = omni(check=True, diff=True)
    assert result["changed"] and result["action"] == "would apply" and omni.patches() == {}
    (tried,) = (call for call in omni.calls() if "apply" in call)
    assert "--dry-run" in tried
    assert result["diff"]["before"] == "" and f"{OURS[1]}: {DELETE}" in result["diff"]["after"]
    assert omni(diff=True)["diff"] == result["diff"]


def test_a_cluster_of_a_template_is_not_touched_and_what_belongs_into_it_is_returned(omni):
    omni.holds(template=True)
    result = omni()
    assert not result["changed"] and result["action"] == "template" and "next sync deletes" in result["why"]
    entries = json.loads(result["template_patches"])
    assert [entry["inline"] for entry in entries] == [json.loads(SET), json.loads(DELETE)]
    assert not [call for call in omni.calls() if "apply" in call]
    # What that makes of it, once it is synchronised: the ids that omnictl gives patches of a template.
    names = [f"40{n}-home-control-planes-{entry['name']}" for n, entry in enumerate(entries)]
    omni.holds(
        *(
            config_patch(name, json.dumps(e["inline"]), machine_set="home-control-planes")
            for name, e in zip(names, entries)
        ),
        template=True,
    )
    assert omni()["action"] == "none"


def test_a_patch_of_the_users_own_that_deletes_it_is_enough(omni):
    for labels in ({"machine_set": "home-control-planes"}, {}):
        omni.holds(config_patch("900-mine", DELETE, **labels))
        result = omni()
        assert (result["changed"], result["action"]) == (False, "none") and "900-mine" in result["why"]


@pytest.mark.parametrize(
    "patch",
    [
        config_patch("900-mine", DELETE, machine_set="home-workers"),
        config_patch("900-mine", DELETE, machine_set="home-control-planes", disabled=""),
        config_patch("900-mine", SET),
        config_patch("100-mine", SET, machine_set="home-control-planes"),
        config_patch(
            "100-mine", json.dumps({"machine": {"nodeLabels": {"other": ""}}}), machine_set="home-control-planes"
        ),
        config_patch("100-mine", "machine: [", machine_set="home-control-planes"),
        config_patch("100-mine", "- op: remove\n  path: /machine/nodeLabels\n", machine_set="home-control-planes"),
    ],
)
def test_patches_that_do_not_matter_or_come_before(omni, patch):
    omni.holds(patch)
    assert omni()["action"] == "applied"


@pytest.mark.parametrize(
    ("patches", "says"),
    [
        (
            [config_patch("900-mine", SET, machine_set="home-control-planes")],
            "900-mine, which comes later, sets the label again",
        ),
        ([config_patch("100-cm", SET, cluster_machine="uuid")], "100-cm, which comes later, sets"),
        (
            [config_patch("100-cm", DELETE, cluster_machine="uuid")],
            "100-cm, which comes later, deletes the label once more",
        ),
        (
            [config_patch("900-mine", f"{SET}\n---\n{DELETE}", machine_set="home-control-planes")],
            "in one patch, which leaves it",
        ),
        ([config_patch("900-a", DELETE), config_patch("100-cm", SET, cluster_machine="uuid")], "100-cm"),
    ],
)
def test_a_later_patch_that_would_undo_it_is_named_and_nothing_is_done(omni, patches, says):
    omni.holds(*patches)
    result = omni()
    assert (
        result["failed"] and says in result["msg"] and result["msg"].endswith("Take it out first. Nothing was changed.")
    )
    assert not [call for call in omni.calls() if "apply" in call]


def test_what_is_half_there_is_completed(omni):
    omni.holds(config_patch(OURS[0], SET, machine_set="home-control-planes"))
    assert omni()["action"] == "applied" and list(omni.patches()) == OURS


def test_from_talos_1_14_on_the_new_document_is_cleared_too(omni):
    omni.holds(talos="1.14.0")
    result = omni()
    assert len(result["config_patches"]) == 4 and result["config_patches"] == sorted(result["config_patches"])
    kinds = [json.loads(data).get("kind") for _name, data in sorted(omni.patches().items())]
    assert kinds == [None, None, "KubeNodeConfig", "KubeNodeConfig"]
    assert omni()["action"] == "none"


def test_secrets_of_other_patches_are_never_said(omni):
    omni.holds(
        config_patch("900-mine", f"{SET}\n---\nmachine:\n  token: hush-hush\n", machine_set="home-control-planes")
    )
    assert "hush-hush" not in json.dumps(omni(diff=True))
    omni.holds(config_patch("100-mine", "machine:\n  token: hush-hush\n"))
    assert "hush-hush" not in json.dumps(omni(diff=True))


def test_options_reach_omnictl(omni):
    omni(omniconfig="/somewhere/omniconfig", context="two", machine_set="home-workers")
    assert all(call[:4] == ["--omniconfig", "/somewhere/omniconfig", "--context", "two"] for call in omni.calls())
    assert all("home-workers" in name for name in omni.patches())


def test_a_cluster_or_machine_set_that_is_not_there(omni):
    result = omni(cluster="nowhere")
    assert result["failed"] and "doesn't exist" in result["msg"] and "nowhere" in result["msg"]
    assert "metallb_omni_cluster" in omni(cluster="")["msg"] and omni.calls() == []
    result = omni(machine_set="nobody")
    assert result["failed"] and "nobody" in result["msg"] and "home-control-planes, home-workers" in result["msg"]
    omni.holds(machine_sets=())
    assert "metallb_omni_machine_set" in omni()["msg"]
    omni.holds(machine_sets=("a", "b"))
    assert "a, b" in omni()["msg"]


def test_a_program_that_is_not_there_refuses_or_waits(omni, monkeypatch):
    result = omni(omnictl="/nowhere/omnictl")
    assert result["failed"] and "metallb_omnictl" in result["msg"]
    monkeypatch.setenv("STAND_IN_SAYS", "rpc error: code = PermissionDenied desc = not enough rights")
    result = omni()
    assert result["failed"] and "not enough rights" in result["msg"] and "[WARN]" not in result["msg"]
    monkeypatch.delenv("STAND_IN_SAYS")
    monkeypatch.setenv("STAND_IN_WAITS", "30")
    result = omni(timeout=1)
    assert result["failed"] and "OMNI_SERVICE_ACCOUNT_KEY" in result["msg"]


def test_omnictls_success_is_not_believed_unseen(omni, monkeypatch):
    monkeypatch.setenv("STAND_IN_FORGETS", "1")
    result = omni()
    assert result["failed"] and "Omni does not have them" in result["msg"]


@pytest.mark.skipif(not shutil.which("sh"), reason="no sh")
def test_an_answer_that_is_no_yaml(omni):
    omni.program.write_text("#!/bin/sh\necho 'token: hush: hush: ['\n", encoding="utf-8")
    result = omni()
    assert result["failed"] and "is no YAML" in result["msg"] and "hush" not in result["msg"]


@pytest.mark.parametrize(
    "printed", [b"taken: 2026-13-45", b"n: " + 6000 * b"7", b"n: !!int ''", 30_000 * b"[", b"\xff\xfe: ["]
)
def test_what_omnictl_should_not_print_is_said(tmp_path, printed):
    (tmp_path / "printed").write_bytes(printed)
    program = tmp_path / "omnictl-odd"
    program.write_text(f'#!/bin/sh\ncat "{tmp_path}/printed"\n', encoding="utf-8")
    program.chmod(0o755)
    result = run_module.run(omni_exclude_label, cluster="home", omnictl=str(program))
    assert result["failed"] and "no YAML" in result["msg"]
