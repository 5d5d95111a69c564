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

from awxtest import fetch  # noqa: E402
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
def project_playbooks(data):
    """What AWX would list, and what is named already although the collection has no such playbook yet."""
    named = {one["playbook"] for one in data["controller_templates"]}
    waiting = {name for name in named if not (ROOT / "playbooks" / name).exists()}
    return sorted({*playbooks_of(PROJECT), *waiting})


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
