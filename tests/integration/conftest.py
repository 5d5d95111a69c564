# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of the collection against the lab, as a user runs them. `make test` runs this; by hand: . .lab/env.sh, then pytest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = os.environ.get("L2OPS_INVENTORY", "")
# The collection's own modules, run in this process, and the lab's settings and faults.
sys.path[:0] = [str(ROOT / ".lab" / "collections"), str(ROOT / "tests" / "lab")]


@pytest.fixture(scope="session", autouse=True)
def _lab():
    if not INVENTORY or not Path(INVENTORY).exists():
        pytest.fail("No lab: make lab, then . .lab/env.sh")


@pytest.fixture(scope="session")
def playbook():
    """Run a playbook by FQCN: playbook("verify", "--check", variable=value) -> (exit status, all that it said)."""

    def run(name, *arguments, **variables):
        command = ["ansible-playbook", f"l2ops.metallb.{name}", *arguments, "-e", json.dumps(variables)]
        done = subprocess.run(
            command,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture(scope="session")
def lab():
    """The lab's command line: lab("fault", "rogue-host")."""

    def run(*arguments):
        subprocess.run(
            ["python3", str(ROOT / "tests/lab/lab.py"), *arguments], check=True, stdin=subprocess.DEVNULL, timeout=300
        )

    return run


@pytest.fixture(scope="session")
def kubectl():
    """kubectl("get", "nodes") -> what it printed."""

    def run(*arguments, stdin=None):
        command = ["kubectl", *arguments]
        return subprocess.run(command, input=stdin, text=True, capture_output=True, check=True, timeout=60).stdout

    return run


@pytest.fixture(scope="session")
def live(_lab):
    """The lab to break for real and to judge in this process: see live.py."""
    from ansible_collections.l2ops.metallb.tests.integration.live import Live

    return Live()


@pytest.fixture(scope="session")
def brisk(live):
    with live.brisk():
        yield
