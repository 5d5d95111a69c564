# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's drivers share: the Python environment made while Go builds, and playbooks run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

from . import cluster
from .host import Engine
from .settings import BIN, INVENTORY, LOGS, ROOT, STATE, Settings
from .ui import LabError, run, say

TOOLS = ROOT / "tests" / "tools"
VENV = STATE / "venv" / "main" / "bin"


class Environment:
    """Makes the Python environment and the collection tree in the background; `ready()` waits for it and reports its failure."""

    def __init__(self, *names: str) -> None:
        self._failure: Exception | None = None
        self._names = names or ("main",)
        self._thread = threading.Thread(target=self._make, daemon=True)
        self._thread.start()

    def _make(self) -> None:
        try:
            run(["python3", TOOLS / "pyenv.py", *self._names], log=LOGS / "pyenv.log")
            run(["python3", TOOLS / "collection_tree.py"], log=LOGS / "collection-tree.log")
        except LabError as why:
            self._failure = why

    def ready(self) -> None:
        if self._thread.is_alive():
            say("Waiting for the Python environment …")
        self._thread.join()
        if self._failure:
            raise self._failure


def environment(settings: Settings, engine: Engine) -> dict[str, str]:
    """What .lab/env.sh sets, for processes started from here."""
    return {
        **os.environ,
        **cluster.exported(settings, engine),
        "PATH": f"{BIN}{os.pathsep}{VENV}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_NOCOLOR": os.environ.get("ANSIBLE_NOCOLOR", "1"),
    }


def playbook(name: str, settings: Settings, engine: Engine, *arguments: str, log: Path | None = None) -> int:
    """Run a playbook of the collection by its FQCN; its output goes to the terminal, or to `log`."""
    command = [str(VENV / "ansible-playbook"), f"l2ops.metallb.{name}", "-i", str(INVENTORY), *arguments]
    say(f"$ ansible-playbook l2ops.metallb.{name} {' '.join(arguments)}".rstrip())
    env = environment(settings, engine)
    if log is None:
        return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    with log.open("w", encoding="utf-8") as sink:
        return subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, check=False
        ).returncode
