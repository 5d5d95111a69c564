# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ansible-playbook of this environment, with no cluster and no setting of Ansible but those given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("ansible-playbook")
available = pytest.mark.skipif(not PROGRAM.exists(), reason="no ansible-playbook beside this Python")
# A play on this host, whichever inventory there may be.
LOCALHOST = ("-i", "localhost,", "-c", "local")


def run_playbook(root: Path, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a folder of its own, which also keeps what Ansible leaves behind. root is the checkout."""
    tree = root / ".lab" / "collections"
    if not (tree / "ansible_collections" / "kubernetes" / "core").exists():
        pytest.skip("no kubernetes.core here: python3 tests/tools/collection_tree.py")
    kept = {k: text for k, text in os.environ.items() if not k.startswith(("ANSIBLE_", "K8S_AUTH_", "KUBECONFIG"))}
    env = {
        **kept,
        "ANSIBLE_COLLECTIONS_PATH": str(tree),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "COLUMNS": "200",
        **environment,
    }
    return subprocess.run(
        [str(PROGRAM), *arguments],
        cwd=folder,
        env=env,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
