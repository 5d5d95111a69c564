# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment as far as it can be proved without building it: no registry can be reached from everywhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import BIN, COLLECTIONS

# Names as apt knows them of what the image needs of RPMs.
DEBIAN = {"openssh-clients": "openssh-client"}


def program(name, *arguments, cwd=None):
    command = [str(BIN / name), *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, check=True, cwd=cwd, timeout=300).stdout


@pytest.fixture(scope="module")
def introspected():
    found = yaml.safe_load(program("ansible-builder", "introspect", "--sanitize", COLLECTIONS))
    return {kind: [line.split("  #")[0].strip() for line in lines] for kind, lines in found.items()}


@pytest.fixture(scope="module")
def definition(root):
    return yaml.safe_load((root / "extensions/awx/execution-environment.yml").read_text(encoding="utf-8"))


def test_it_can_be_created(root, tmp_path):
    program(
        "ansible-builder", "create", "-f", root / "extensions/awx/execution-environment.yml", "-c", tmp_path / "context"
    )
    text = (tmp_path / "context" / "Containerfile").read_text(encoding="utf-8")
    assert "/usr/local/bin/helm" in text
    wanted = yaml.safe_load((tmp_path / "context" / "_build" / "requirements.yml").read_text(encoding="utf-8"))
    assert {one["name"] for one in wanted["collections"]} == {"l2ops.metallb", "kubernetes.core"}


def test_versions_agree_with_the_collection(root, definition):
    galaxy = yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))
    collections = {one["name"]: one["version"] for one in definition["dependencies"]["galaxy"]["collections"]}
    assert collections["kubernetes.core"] == galaxy["dependencies"]["kubernetes.core"]
    major = galaxy["version"].split(".")[0]
    assert collections["l2ops.metallb"] == f">={major}.0.0,<{int(major) + 1}.0.0"
    project = yaml.safe_load((root / "extensions/awx/project/collections/requirements.yml").read_text(encoding="utf-8"))
    assert project["collections"] == [{"name": "l2ops.metallb", "version": collections["l2ops.metallb"]}]


def test_python_packages_resolve(definition, introspected):
    """All of them together, by pip, for the Python of the image."""
    assert any(line.startswith("kubernetes>=") for line in introspected["python"])
    version = definition["dependencies"]["python_interpreter"]["package_system"].removeprefix("python")
    lines = [definition["dependencies"][name]["package_pip"] for name in ("ansible_core", "ansible_runner")]
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--dry-run"]
    command += ["--ignore-installed", "--only-binary=:all:", "--python-version", version, "--target", "/nonexistent"]
    command += ["--report", "-", *lines, *introspected["python"]]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    names = {one["metadata"]["name"].lower() for one in json.loads(done.stdout)["install"]}
    assert {"ansible-core", "ansible-runner", "kubernetes", "pyyaml", "jsonpatch"} <= names


def test_system_packages_are_there(introspected):
    """Debian's names, asked of apt. Those of the RPM world cannot be asked for here: their number is held down instead."""
    rpm = {line.split()[0] for line in introspected["system"] if "platform:rpm" in line}
    dpkg = {line.split()[0] for line in introspected["system"] if "platform:dpkg" in line}
    assert rpm == {"openssh-clients"}
    assert dpkg == set(DEBIAN.values())
    if not shutil.which("apt-cache"):
        pytest.skip("no apt here")
    for name in dpkg:
        shown = subprocess.run(["apt-cache", "policy", name], text=True, capture_output=True, check=True).stdout
        assert re.search(r"Candidate: (?!\(none\))\S", shown), f"apt knows no package {name}"


def test_the_project_is_what_awx_looks_for(root, project_playbooks):
    assert "site.yml" in project_playbooks
    assert "collections/requirements.yml" not in project_playbooks
    settings = (root / "extensions/awx/project/ansible.cfg").read_text(encoding="utf-8")
    assert "callback_result_format = yaml" in settings


def test_the_pattern_says_what_the_data_file_says(root, data):
    """extensions/patterns: the same questions under the same names; text as default, as the pattern's schema wants it."""
    folder = root / "extensions/patterns/metallb_l2"
    pattern = json.loads((folder / "meta/pattern.json").read_text(encoding="utf-8"))
    assert pattern["name"] == folder.name and (folder / "README.md").is_file()
    templates = {one["name"]: one for one in data["controller_templates"]}
    found = pattern["aap_resources"]["controller_job_templates"]
    assert [one["name"] for one in found if one.get("primary")] == ["MetalLB site"]
    for one in found:
        ours = templates[one["name"]]
        assert (one["playbook"], one["description"]) == (ours["playbook"], ours["description"])
        texts = [{k: str(v) if k == "default" else v for k, v in q.items()} for q in ours["survey_spec"]["spec"]]
        assert one["survey"]["spec"] == texts
        stem = one["playbook"].removesuffix(".yml")
        (play,) = yaml.safe_load((folder / "playbooks" / one["playbook"]).read_text(encoding="utf-8"))
        assert play["ansible.builtin.import_playbook"] == f"l2ops.metallb.{stem}"
        options = yaml.safe_load((folder / "playbooks" / f"{stem}.meta.yml").read_text(encoding="utf-8"))
        (spec,) = options["argument_specs"].values()
        assert set(spec["options"]) == {question["variable"] for question in texts}
    names = {path.name for path in (folder / "playbooks").glob("*.yml") if not path.name.endswith(".meta.yml")}
    assert names == {one["playbook"] for one in found}
