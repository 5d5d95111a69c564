# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of the exclude label under each way to patch it out, by the real talosctl over configurations of many versions.

The lab's talosctl is v1.12.0; TALOSCTL=PROGRAM names a newer one, whose own versions are then tested, too. That was done by hand with
v1.13.0, and with Talos' machinery v1.14.0-rc.1 behind the same four commands: all passed. Talos 1.14 keeps labels in a document,
KubeNodeConfig, that no talosctl knows which can be built from published modules. So the rows of its configurations are skipped in
the lab, and what such a document becomes is shown there on one of v1.12.0 that is patched alike, a map in a document of its own (EthernetConfig).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.l2ops.metallb.plugins.module_utils._talos import machine_config
from ansible_collections.l2ops.metallb.plugins.modules import talos_exclude_label
from ansible_collections.l2ops.metallb.tests.unit import run_module

KEY = "node.kubernetes.io/exclude-from-external-load-balancers"
TALOSCTL = os.environ.get("TALOSCTL") or shutil.which("talosctl")


def minor():
    """12 of a talosctl v1.12.0: it generates what that version and all before it generate."""
    said = subprocess.run(
        [TALOSCTL, "version", "--client", "--short"], text=True, capture_output=True, check=True
    ).stdout
    return int(re.search(r"v1\.(\d+)\.", said).group(1))


NEWEST = minor() if TALOSCTL else 12
VERSIONS = [f"v1.{number}" for number in range(7, min(NEWEST, 13) + 1)]
# Whose configurations have a KubeNodeConfig.
NEW_VERSIONS = [f"v1.{number}" for number in range(14, NEWEST + 1)]
pytestmark = pytest.mark.skipif(not TALOSCTL, reason="no talosctl: make lab builds it")

SET, DELETE = (json.dumps(one) for one in machine_config.documents_of(machine_config.MACHINE, KEY))
NEW_SET, NEW_DELETE = (json.dumps(one) for one in machine_config.documents_of(machine_config.NODE_CONFIG, KEY))


def run(*arguments):
    return subprocess.run([str(TALOSCTL), *arguments], text=True, capture_output=True, check=False, timeout=60)


@pytest.fixture(scope="session")
def born(tmp_path_factory):
    """born("v1.8", "controlplane") -> path of a configuration that this version's contract generates."""
    made: dict[str, Path] = {}

    def get(version, role):
        if version not in made:
            folder = tmp_path_factory.mktemp("born")
            done = run("gen", "config", "c", "https://10.0.0.1:6443", "--talos-version", version, "-o", str(folder))
            assert done.returncode == 0, done.stderr
            made[version] = folder
        return made[version] / f"{role}.yaml"

    return get


def patch(config, tmp_path, *texts):
    """(error, documents) of the configuration after these patches."""
    out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}.yaml"
    arguments = [argument for text in texts for argument in ("--patch", text)]
    done = run("machineconfig", "patch", str(config), *arguments, "-o", str(out))
    if done.returncode:
        return done.stderr, []
    assert run("validate", "-c", str(out), "-m", "metal").returncode == 0
    return "", out


def holds(path):
    return bool(machine_config.places(list(yaml.safe_load_all(path.read_text(encoding="utf-8"))), KEY))


@pytest.mark.parametrize("version", VERSIONS)
def test_control_planes_are_born_with_the_label_since_1_8_and_workers_never(born, version):
    assert holds(born(version, "controlplane")) is (version != "v1.7")
    assert not holds(born(version, "worker"))


@pytest.mark.parametrize("role", ["controlplane", "worker"])
@pytest.mark.parametrize("version", VERSIONS)
def test_set_then_delete_works_everywhere_and_again(born, tmp_path, version, role):
    error, once = patch(born(version, role), tmp_path, SET, DELETE)
    assert not error and not holds(once)
    error, twice = patch(once, tmp_path, SET, DELETE)
    assert not error and not holds(twice)
    load = [list(yaml.safe_load_all(one.read_text(encoding="utf-8"))) for one in (once, twice)]
    assert load[0] == load[1], "the second run changes nothing, so Talos says that it skipped it"


@pytest.mark.parametrize("version", VERSIONS)
def test_delete_alone_works_once_and_only_where_the_label_is(born, tmp_path, version):
    error, once = patch(born(version, "controlplane"), tmp_path, DELETE)
    if version == "v1.7":
        assert "lookup failed" in error
    else:
        assert not error and not holds(once)
        assert "lookup failed" in patch(once, tmp_path, DELETE)[0]
    assert "lookup failed" in patch(born(version, "worker"), tmp_path, DELETE)[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_both_in_one_patch_leave_the_label_without_a_word_or_fail(born, tmp_path, version):
    both = f"{SET}\n---\n{DELETE}\n"
    error, out = patch(born(version, "controlplane"), tmp_path, both)
    if version == "v1.7":
        assert error
    else:
        assert not error and holds(out)
    assert patch(born(version, "worker"), tmp_path, both)[0]


def test_json6902_is_refused_for_what_1_12_generates(born, tmp_path):
    remove = json.dumps([{"op": "remove", "path": f"/machine/nodeLabels/{KEY.replace('/', '~1')}"}])
    for version in VERSIONS[5:]:
        assert "JSON6902 patches are not supported" in patch(born(version, "controlplane"), tmp_path, remove)[0]
    for version in VERSIONS[1:5]:
        error, out = patch(born(version, "controlplane"), tmp_path, remove)
        assert not error and not holds(out)


def test_what_omni_is_given_does_the_same(born, tmp_path):
    """Omni applies the patches of its two ConfigPatches one after the other; talosctl stands for it here."""
    given = machine_config.config_patches("mine", "mine-control-planes", KEY)
    assert [one["metadata"]["id"] for one in given] == sorted(one["metadata"]["id"] for one in given)
    error, out = patch(born("v1.12", "controlplane"), tmp_path, *(one["spec"]["data"] for one in given))
    assert not error and not holds(out)
    inline = [json.dumps(one["inline"]) for one in machine_config.template_patches(KEY)]
    error, out = patch(born("v1.7", "controlplane"), tmp_path, *inline)
    assert not error and not holds(out)


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_a_patch_of_the_users_own_that_deletes_after_ours_fails_so_none_is_added(born, tmp_path, version):
    """Why omni_exclude_label does nothing where a ConfigPatch deletes the label, and names one that comes later."""
    ours = [
        json.loads(one["spec"]["data"]) for one in machine_config.config_patches("mine", "mine-control-planes", KEY)
    ]
    after = patch(born(version, "controlplane"), tmp_path, *map(json.dumps, ours), DELETE)[0]
    assert "lookup failed" in after
    error, out = patch(born(version, "controlplane"), tmp_path, DELETE, *map(json.dumps, ours))
    assert not error and not holds(out), "one that comes before does no harm"
    error, out = patch(born(version, "controlplane"), tmp_path, *map(json.dumps, ours), SET)
    assert not error and holds(out), "one that sets it later undoes it"


# -- documents of their own, as Talos 1.14 has them: EthernetConfig stands for KubeNodeConfig ----------------------------------------

FEATURE = "tx-checksum-ipv4"


def ethernet(feature):
    return json.dumps(
        {"apiVersion": "v1alpha1", "kind": "EthernetConfig", "name": "eth0", "features": {FEATURE: feature}}
    )


DOCUMENT_SET, DOCUMENT_DELETE = ethernet(True), ethernet({"$patch": "delete"})


@pytest.fixture
def with_document(born, tmp_path):
    path = tmp_path / "with-document.yaml"
    document = (
        "apiVersion: v1alpha1\nkind: EthernetConfig\nname: eth0\nfeatures:\n  tx-checksum-ipv4: true\n  rx-gro: false\n"
    )
    path.write_text(f"{born('v1.12', 'controlplane').read_text(encoding='utf-8')}---\n{document}", encoding="utf-8")
    return path


def features(path):
    (found,) = (
        one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one.get("kind") == "EthernetConfig"
    )
    return found.get("features") or {}


def test_in_a_document_of_its_own_set_then_delete_works_again_and_again(with_document, tmp_path):
    error, once = patch(with_document, tmp_path, DOCUMENT_SET, DOCUMENT_DELETE)
    assert not error and features(once) == {"rx-gro": False}, "nothing else of the document goes"
    error, twice = patch(once, tmp_path, DOCUMENT_SET, DOCUMENT_DELETE)
    assert not error and features(twice) == {"rx-gro": False}


def test_in_a_document_of_its_own_delete_alone_works_once_and_both_in_one_patch_since_1_14(with_document, tmp_path):
    error, once = patch(with_document, tmp_path, DOCUMENT_DELETE)
    assert not error and FEATURE not in features(once)
    assert "lookup failed" in patch(once, tmp_path, DOCUMENT_DELETE)[0]
    error, out = patch(with_document, tmp_path, f"{DOCUMENT_SET}\n---\n{DOCUMENT_DELETE}\n")
    if NEWEST < 14:
        assert "is not allowed" in error
    else:
        assert not error and FEATURE not in features(out), "1.14 fixed it, for documents of their own"


def test_where_the_document_is_not_the_pair_leaves_an_empty_one(born, tmp_path):
    """So it is given only where the document is, or where Talos 1.14 is known to know it (omni_exclude_label)."""
    error, out = patch(born("v1.12", "controlplane"), tmp_path, DOCUMENT_SET, DOCUMENT_DELETE)
    assert not error and features(out) == {} and holds(out), "and the label under machine.nodeLabels stays"


@pytest.mark.skipif(NEWEST >= 14, reason="this talosctl knows KubeNodeConfig")
def test_a_talos_before_1_14_refuses_the_new_document(born, tmp_path):
    assert "not registered" in patch(born("v1.12", "controlplane"), tmp_path, NEW_SET, NEW_DELETE)[0]


@pytest.mark.parametrize("version", NEW_VERSIONS)
def test_configurations_of_1_14_lose_it_by_the_new_document_only(born, tmp_path, version):
    config = born(version, "controlplane")
    assert machine_config.places(list(yaml.safe_load_all(config.read_text(encoding="utf-8"))), KEY) == [
        machine_config.NODE_CONFIG
    ]
    error, out = patch(config, tmp_path, SET, DELETE)
    assert not error and holds(out), "the old pair leaves the label silently"
    error, once = patch(config, tmp_path, NEW_SET, NEW_DELETE)
    assert not error and not holds(once)
    assert not patch(once, tmp_path, NEW_SET, NEW_DELETE)[0]
    assert "lookup failed" in patch(once, tmp_path, NEW_DELETE)[0]
    error, out = patch(config, tmp_path, f"{NEW_SET}\n---\n{NEW_DELETE}\n")
    assert not error and not holds(out), "both in one patch work here"


@pytest.mark.parametrize("version", NEW_VERSIONS)
def test_workers_of_1_14_take_the_new_pair_and_not_the_deletion_alone(born, tmp_path, version):
    config = born(version, "worker")
    assert not holds(config) and "lookup failed" in patch(config, tmp_path, NEW_DELETE)[0]
    error, once = patch(config, tmp_path, NEW_SET, NEW_DELETE)
    assert not error and not holds(once)
    error, twice = patch(once, tmp_path, NEW_SET, NEW_DELETE)
    assert not error and twice.read_bytes() == once.read_bytes()


@pytest.mark.skipif(NEWEST < 14, reason="this talosctl does not know KubeNodeConfig")
def test_a_talos_of_1_14_refuses_the_new_pair_alone_where_the_label_is_in_the_old_place(born, tmp_path):
    """Why the place is looked up first (talos_exclude_label), or both are cleared (omni_exclude_label)."""
    out = tmp_path / "out.yaml"
    both = [part for text in (NEW_SET, NEW_DELETE) for part in ("--patch", text)]
    assert run("machineconfig", "patch", str(born("v1.12", "controlplane")), *both, "-o", str(out)).returncode == 0
    refused = run("validate", "-c", str(out), "-m", "metal")
    assert refused.returncode and "nodeLabels is already set" in refused.stderr and holds(out)


@pytest.mark.parametrize("version", [*VERSIONS[5:], *NEW_VERSIONS] if NEW_VERSIONS else [])
def test_a_talos_of_1_14_takes_both_pairs_whatever_the_cluster_was_born_with(born, tmp_path, version):
    """As omni_exclude_label gives them from Talos 1.14 on."""
    given = machine_config.config_patches(
        "mine", "mine-control-planes", KEY, (machine_config.MACHINE, machine_config.NODE_CONFIG)
    )
    error, out = patch(born(version, "controlplane"), tmp_path, *(one["spec"]["data"] for one in given))
    assert not error and not holds(out)


# -- the module, with a stand-in for nodes: a script that keeps a configuration and changes it by the real talosctl ------

STAND_IN = """#!/usr/bin/env python3
# A stand-in for talosctl against a machine: its file is the machine, and the real talosctl patches it.
import os, subprocess, sys

arguments = sys.argv[1:]
with open(os.environ["STAND_IN_LOG"], "a") as log:
    log.write(" ".join(arguments) + "\\n")
machine = os.path.join(os.environ["STAND_IN_MACHINES"], arguments[arguments.index("--nodes") + 1])
if "get" in arguments:
    sys.stdout.write(open(machine).read())
    sys.exit(0)
patches = [arguments[n + 1] for n, one in enumerate(arguments) if one == "--patch"]
new = machine + ".new"
given = [part for one in patches for part in ("--patch", one)]
done = subprocess.run([os.environ["REAL_TALOSCTL"], "machineconfig", "patch", machine, *given, "-o", new], text=True, capture_output=True)
if done.returncode:
    sys.exit("error: " + done.stderr)
same = open(machine).read() == open(new).read()
if "--dry-run" in arguments:
    print("Dry run summary:")
elif same:
    print("Apply was skipped: no changes detected.", file=sys.stderr)
else:
    os.replace(new, machine)
    print("Applied configuration without a reboot", file=sys.stderr)
"""


@pytest.fixture
def machines(born, tmp_path, monkeypatch):
    """Control planes born under 1.8 and the newest that can be had, and a worker; call(**options) runs the module against them."""
    folder = tmp_path / "machines"
    folder.mkdir()
    for name, (version, role) in {
        "10.0.0.1": ("v1.8", "controlplane"),
        "10.0.0.2": ([*VERSIONS, *NEW_VERSIONS][-1], "controlplane"),
        "10.0.0.3": ("v1.12", "worker"),
    }.items():
        shutil.copy(born(version, role), folder / name)
    script = tmp_path / "talosctl"
    script.write_text(STAND_IN, encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("STAND_IN_MACHINES", str(folder))
    monkeypatch.setenv("STAND_IN_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("REAL_TALOSCTL", str(TALOSCTL))
    nodes = {"cp-old": "10.0.0.1", "cp-new": "10.0.0.2", "worker": "10.0.0.3"}

    def call(check=False, **options):
        return run_module.run(talos_exclude_label, check=check, **{"nodes": nodes, "talosctl": str(script), **options})

    call.folder = folder
    call.log = tmp_path / "log"
    return call


def actions(result):
    return {one["name"]: one["action"] for one in result["nodes"]}


def test_control_planes_lose_it_for_good_workers_are_left_alone_and_a_second_run_sends_nothing(machines):
    before = (machines.folder / "10.0.0.3").read_text(encoding="utf-8")
    result = machines()
    assert not result["failed"] and result["changed"], result.get("msg")
    assert actions(result) == {"cp-new": "applied", "cp-old": "applied", "worker": "none"}
    assert not holds(machines.folder / "10.0.0.1") and not holds(machines.folder / "10.0.0.2")
    assert (machines.folder / "10.0.0.3").read_text(encoding="utf-8") == before
    machines.log.write_text("", encoding="utf-8")
    again = machines()
    assert not again["changed"] and set(actions(again).values()) == {"none"}
    assert " patch " not in machines.log.read_text(encoding="utf-8")


def test_check_mode_has_talos_try_and_changes_nothing(machines):
    result = machines(check=True)
    assert result["changed"] and actions(result)["cp-old"] == "would apply"
    assert holds(machines.folder / "10.0.0.1")
    tried = [line for line in machines.log.read_text(encoding="utf-8").splitlines() if " patch " in line]
    assert len(tried) == 2 and all("--dry-run" in line and "--mode no-reboot" in line for line in tried)


def test_secrets_of_the_configuration_are_never_said(machines):
    secret = yaml.safe_load((machines.folder / "10.0.0.1").read_text(encoding="utf-8"))["machine"]["token"]
    assert secret not in json.dumps(machines())
    (machines.folder / "10.0.0.1").write_text(f"token: {secret}: [", encoding="utf-8")
    result = machines()
    assert result["failed"] and "no YAML" in result["msg"] and secret not in json.dumps(result)


def test_a_talosctl_that_is_not_there_is_named_with_the_variable(machines):
    result = machines(talosctl="/nowhere/talosctl")
    assert result["failed"] and result["msg"].count("metallb_talosctl") == 1 and "Nothing was changed" in result["msg"]


def test_a_machine_that_is_off_is_named_and_the_others_are_cured(machines):
    (machines.folder / "10.0.0.2").unlink()
    result = machines()
    assert result["failed"] and result["changed"] and [one["node"] for one in result["failed_nodes"]] == ["cp-new"]
    assert result["msg"].startswith("cp-new: ") and result["msg"].endswith("Done all the same: cp-old applied.")
    assert not holds(machines.folder / "10.0.0.1") and actions(result) == {"cp-old": "applied", "worker": "none"}


# -- role nodes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def owned(kubectl):
    """A node whose label Talos would own: label and annotation as Talos leaves them."""
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    kubectl("annotate", "node", node, f"talos.dev/owned-labels={json.dumps([KEY])}", "--overwrite")
    kubectl("label", "node", node, f"{KEY}=", "--overwrite")
    yield node
    kubectl("annotate", "node", node, "talos.dev/owned-labels-")
    kubectl("label", "node", node, f"{KEY}-")


def test_where_talos_owns_the_label_the_patches_that_last_are_shown_and_written(playbook, owned, born, tmp_path):
    status, text = playbook("site", "--tags", "metallb_nodes", metallb_nodes_patches=str(tmp_path))
    assert status == 0, text
    assert f"Talos owns the label on {owned}" in " ".join(text.split())
    written = [(tmp_path / f"patch-{n}.json").read_text(encoding="utf-8") for n in (1, 2)]
    error, out = patch(born("v1.12", "controlplane"), tmp_path, *written)
    assert not error and not holds(out)


@pytest.mark.usefixtures("owned")
def test_for_omni_two_config_patches_or_the_entries_of_the_template(playbook, tmp_path):
    for template, form in ((False, "ConfigPatches.omni.sidero.dev"), (True, "inline")):
        status, text = playbook(
            "site",
            "--tags",
            "metallb_nodes",
            metallb_nodes_method="omni",
            metallb_omni_cluster="mine",
            metallb_omni_template=template,
            metallb_nodes_patches=str(tmp_path),
        )
        assert status == 0, text
        assert form in (tmp_path / "patch-1.json").read_text(encoding="utf-8")
    status, text = playbook("site", "--tags", "metallb_nodes", metallb_nodes_method="omni")
    assert status != 0 and "metallb_omni_cluster" in text
