# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checkout as others will have it: its files, and copies of them where Ansible wants a collection to lie."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from . import tree
from .places import NAME, NAMESPACE, ROOT
from .ui import ToolError


def files(*under: str) -> list[Path]:
    """Tracked files, and new ones that git does not ignore, relative to the root; links count, what is deleted does not."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *under]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"git does not list the files of {ROOT}: {done.stderr.strip()}")
    return [Path(name) for name in sorted(set(done.stdout.split("\0")) - {""}) if os.path.lexists(ROOT / name)]


def copy(home: Path, without: tuple[str, ...] = ()) -> Path:
    """A copy as `<home>/ansible_collections/l2ops/metallb`, with kubernetes.core beside it. Only what changed is copied.

    ansible-test wants a collection to lie so. It asks git for the files: with no repository there it would ask the
    checkout's, which ignores everything here, and test nothing.
    """
    base = home / "ansible_collections"
    goal = base / NAMESPACE / NAME
    wanted = {path for path in files() if not path.as_posix().startswith(without)}
    for path in wanted:
        source, target = ROOT / path, goal / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            if not target.is_symlink() or target.readlink() != source.readlink():
                target.unlink(missing_ok=True)
                target.symlink_to(source.readlink())
        elif not _same(source, target):
            shutil.copy2(source, target)
    for folder, folders, names in os.walk(goal, topdown=False):
        here = Path(folder)
        for name in names:
            if (here / name).relative_to(goal) not in wanted and _ours(here / name, goal):
                (here / name).unlink()
        for name in folders:
            path = here / name
            if _ours(path, goal) and path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
                path.rmdir()
    if not (goal / ".git").is_dir():
        subprocess.run(["git", "init", "--quiet", goal], check=True, capture_output=True)
    core = base / "kubernetes" / "core"
    if not core.is_symlink():
        core.parent.mkdir(parents=True, exist_ok=True)
        core.symlink_to(os.path.relpath(tree.KUBERNETES_CORE, core.parent))
    return goal


def _same(source: Path, target: Path) -> bool:
    if not target.is_file() or target.is_symlink():
        return False
    one, other = source.stat(), target.stat()
    return (one.st_size, one.st_mtime_ns, one.st_mode) == (other.st_size, other.st_mtime_ns, other.st_mode)


def _ours(path: Path, goal: Path) -> bool:
    """Neither git's nor ansible-test's own output, which holds what makes its second run quick."""
    parts = path.relative_to(goal).parts
    return parts[0] != ".git" and parts[:2] != ("tests", "output")
