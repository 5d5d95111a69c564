# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""awx.awx out of the PyPI package `ansible`, into a tree of its own: nothing else of the tests shall find it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TREE = ROOT / ".lab" / "awx" / "collections"
HOME = TREE / "ansible_collections" / "awx" / "awx"


def ensure() -> Path:
    """What belongs in ANSIBLE_COLLECTIONS_PATH besides the tests' own."""
    if (HOME / "MANIFEST.json").exists():
        return TREE
    TREE.mkdir(parents=True, exist_ok=True)
    print("awx.awx, out of the Python package ansible (50 MB, usually 5 s) …", flush=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=TREE) as name:
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "-q", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", name]
        command += ["-r", str(ROOT / "tests" / "requirements" / "awx-collection.txt")]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        with zipfile.ZipFile(next(Path(name).glob("ansible-*.whl"))) as wheel:
            prefix = "ansible_collections/awx/"
            wheel.extractall(name, [member for member in wheel.namelist() if member.startswith(prefix)])
        HOME.parent.parent.mkdir(exist_ok=True)
        (Path(name) / prefix).replace(HOME.parent)
    return TREE
