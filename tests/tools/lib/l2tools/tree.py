# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree `.lab/collections/ansible_collections`: kubernetes.core, and this collection as a symbolic link to the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from . import borrowed
from .places import LOGS, NAME, NAMESPACE, REQUIREMENTS, ROOT, STATE
from .ui import ToolError, alone, run, say, tail

TREE = STATE / "collections"
HOME = TREE / "ansible_collections"
CHECKOUT = HOME / NAMESPACE / NAME
KUBERNETES_CORE = HOME / "kubernetes" / "core"
# The release that the package pinned in tests/requirements/collections.txt carries.
KUBERNETES_CORE_VERSION = "6.6.0"


def link() -> None:
    """The checkout under the name by which Ansible and Python import it."""
    borrowed.separate(STATE)
    if CHECKOUT.is_symlink() and os.path.realpath(CHECKOUT) == str(ROOT):
        return
    if CHECKOUT.exists() and not CHECKOUT.is_symlink():
        raise ToolError(f"{CHECKOUT} is no symbolic link; move it away: the checkout belongs there.")
    CHECKOUT.parent.mkdir(parents=True, exist_ok=True)
    # Under another name first: somebody may be importing through the old one.
    fresh = CHECKOUT.with_name(f".{NAME}-{os.getpid()}")
    fresh.symlink_to(os.path.relpath(ROOT, CHECKOUT.parent))
    fresh.replace(CHECKOUT)


def version_of(collection: Path) -> str:
    """What a collection's manifest says; empty when there is none."""
    try:
        manifest = json.loads((collection / "MANIFEST.json").read_text(encoding="utf-8"))
        return str(manifest["collection_info"]["version"])
    except (OSError, ValueError, KeyError):
        return ""


def kubernetes_core() -> None:
    """kubernetes.core out of the PyPI package `ansible`: it is to be had wherever pip works, also without Galaxy."""
    if version_of(KUBERNETES_CORE) == KUBERNETES_CORE_VERSION:
        return
    say(f"kubernetes.core {KUBERNETES_CORE_VERSION}, out of the Python package ansible (50 MB, usually 5 s) …")
    KUBERNETES_CORE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=TREE) as name:
        folder = Path(name)
        # For another Python than this one: the wheel holds no compiled code, but asks for a newer Python than may be here.
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version", "3.13", "--dest", name]
        log = LOGS / "kubernetes-core.log"
        command = _pip(command)
        done = run([*command, "-r", str(REQUIREMENTS / "collections.txt")], "kubernetes.core", log=log)
        wheels = list(folder.glob("ansible-*.whl"))
        if done.code or not wheels:
            raise ToolError(f"kubernetes.core cannot be had by pip (whole output: {log}):\n{tail(done.output)}")
        prefix = "ansible_collections/kubernetes/core/"
        with zipfile.ZipFile(wheels[0]) as wheel:
            members = [m for m in wheel.namelist() if m.startswith(prefix)]
            wheel.extractall(folder, members)
        fresh = folder / prefix
        if version_of(fresh) != KUBERNETES_CORE_VERSION:
            raise ToolError(
                f"{wheels[0].name} holds kubernetes.core {version_of(fresh) or 'not at all'}, but "
                f"{KUBERNETES_CORE_VERSION} is written down in tests/tools/lib/l2tools/tree.py: the two belong together."
            )
        if KUBERNETES_CORE.exists():
            shutil.rmtree(KUBERNETES_CORE)
        fresh.replace(KUBERNETES_CORE)
    say(f"    done: kubernetes.core, {done.seconds:.1f} s")


def _pip(command: list[str]) -> list[str]:
    """The same command with an interpreter that has pip: the system's often has none."""
    from . import pyenvs

    if subprocess.run([*command[:3], "--version"], capture_output=True, check=False).returncode == 0:
        return command
    return [str(pyenvs.ensure("main") / "python"), *command[1:]]


def ensure() -> Path:
    """Make the tree unless it is there; returns what belongs in ANSIBLE_COLLECTIONS_PATH."""
    borrowed.separate(STATE)
    with alone(TREE / ".lock", "collection tree"):
        link()
        kubernetes_core()
    return TREE
