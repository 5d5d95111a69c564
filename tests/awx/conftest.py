# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as AWX runs it. `make test-awx` runs this; by hand: . .lab/env.sh, then .lab/venv/awx/bin/pytest tests/awx."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from awxtest import fetch, job, survey  # noqa: E402
from awxtest.stub import TOKEN, Awx, playbooks_of  # noqa: E402

PROJECT = ROOT / "extensions" / "awx" / "project"
BIN = Path(sys.executable).parent
COLLECTIONS = ROOT / ".lab" / "collections"


class Loader(yaml.SafeLoader):
    """YAML as Ansible writes it, without templating."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


@pytest.fixture(scope="session")
def data():
    """The role's data file, templates and all."""
    text = (ROOT / "roles" / "awx" / "files" / "controller.yml").read_text(encoding="utf-8")
    return yaml.load(text, Loader)


@pytest.fixture(scope="session")
def project_playbooks():
    """What AWX would list."""
    return sorted(playbooks_of(PROJECT))


@pytest.fixture
def awx(project_playbooks):
    with Awx(project_playbooks) as stub:
        yield stub


@pytest.fixture(scope="session")
def awx_collection():
    return fetch.ensure()


@pytest.fixture
def configure(awx, awx_collection, tmp_path):
    """configure("--check", metallb_awx_image=…) -> (exit status, output, changed); against the stub."""

    def run(*arguments, collections=awx_collection, **variables):
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "K8S_AUTH", "CONTROLLER_", "TOWER_"))
        }
        env = {
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:{collections}",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "CONTROLLER_HOST": awx.url,
            "CONTROLLER_OAUTH_TOKEN": TOKEN,
        }
        command = [BIN / "ansible-playbook", "l2ops.metallb.awx_configure", *arguments, "-e", json.dumps(variables)]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )
        recap = [line for line in done.stdout.splitlines() if line.startswith("localhost") and "changed=" in line]
        changed = int(recap[-1].split("changed=")[1].split()[0]) if recap else None
        return done.returncode, done.stdout, changed

    return run


# -- jobs against the lab


class Lab:
    """The lab as an inventory of AWX: the kubeconfig and the SSH key come by credentials, not by variables."""

    def __init__(self) -> None:
        path = os.environ.get("L2OPS_INVENTORY", "")
        if not path or not Path(path).exists():
            pytest.fail("No lab: make lab, then . .lab/env.sh")
        groups = json.loads(Path(path).read_text(encoding="utf-8").split("\n", 1)[1])["all"]["children"]
        self.cluster = groups["metallb_clusters"]["hosts"]["lab"]
        self.kubeconfig = Path(self.cluster.pop("metallb_kubeconfig"))
        self.context = self.cluster["metallb_context"]
        self.probe = groups["metallb_probes"]["hosts"]["lan-client"]
        self.ssh_key = Path(self.probe.pop("ansible_ssh_private_key_file")).read_text(encoding="utf-8")
        # With this word ssh would leave out what the agent holds.
        self.probe["ansible_ssh_common_args"] = self.probe["ansible_ssh_common_args"].replace(
            "-o IdentitiesOnly=yes", ""
        )

    def inventory(self, clusters: int = 1, **more: object) -> dict:
        """The lab, as often as wanted; `more` are variables of each."""
        hosts = {f"lab-{n}" if clusters > 1 else "lab": {**self.cluster, **more} for n in range(1, clusters + 1)}
        return job.inventory(
            {**hosts, "lan-client": self.probe},
            {"metallb_clusters": [*hosts], "metallb_probes": ["lan-client"]},
        )


@pytest.fixture(scope="session")
def lab():
    return Lab()


@pytest.fixture(scope="session")
def kubectl(lab):
    def run(*arguments):
        command = ["kubectl", "--kubeconfig", str(lab.kubeconfig), *arguments]
        return subprocess.run(command, text=True, capture_output=True, check=True, timeout=120).stdout

    return run


@pytest.fixture(scope="session")
def launch(lab, data, tmp_path_factory):
    """launch("MetalLB verify", {answers as typed}) -> job.Done. What is not said is as AWX and the lab have it."""

    def run(name, typed=None, *, hosts=None, credential=None, ssh_key=None, **more):
        folder = tmp_path_factory.mktemp("job")
        template = next(one for one in data["controller_templates"] if one["name"] == name)
        template = {**template, "extra_vars": more.pop("extra_vars", {})}
        answers = survey.extra_vars(template["survey_spec"], typed or {}) if template.get("survey_enabled") else {}
        answers.update(more.pop("also", {}))
        kind, inputs = credential or (
            job.kubeconfig_type(data),
            {"kubeconfig": lab.kubeconfig.read_text(encoding="utf-8"), "context": lab.context},
        )
        env, _shown = job.inject(kind, inputs, folder)
        return job.run(
            folder,
            PROJECT,
            template,
            lab.inventory() if hosts is None else hosts,
            answers=answers,
            env=env,
            ssh_key=lab.ssh_key if ssh_key is None else ssh_key,
            collections=str(COLLECTIONS),
            path=str(ROOT / ".lab" / "bin"),
            **more,
        )

    return run


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def roles_of():
    """roles_of("site.yml") -> the options of all roles that the collection's playbook runs, None where it has none such."""

    def options(playbook):
        path = ROOT / "playbooks" / playbook
        if not path.exists():
            return None
        found = {}
        for play in yaml.safe_load(path.read_text(encoding="utf-8")):
            names = [one["role"] for one in play.get("roles", [])]
            names += [
                task[key]["name"]
                for task in play.get("tasks", [])
                for key in ("ansible.builtin.include_role", "ansible.builtin.import_role")
                if key in task
            ]
            for name in names:
                specs = ROOT / "roles" / name.rsplit(".", 1)[1] / "meta" / "argument_specs.yml"
                found.update(yaml.safe_load(specs.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"])
        return found

    return options


@pytest.fixture(scope="session")
def installed(launch):
    """The lab with MetalLB, as a job of AWX made it or left it."""
    done = launch("MetalLB site")
    assert done.status == 0, done.stdout
    return done
