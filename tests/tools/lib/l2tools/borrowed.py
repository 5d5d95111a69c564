# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `.lab` that is a symbolic link to another checkout's: what was built is shared, what belongs to one checkout is not.

Through such a link, all worktrees share one collection tree, and its link names one of them: each would test the code of whoever
ran a check last.
"""

from __future__ import annotations

import os
from pathlib import Path

from .ui import alone

# Programs, images, environments, and the labs that run. Everything else is made anew: the collection tree, logs, results, caches.
FOLDERS = ("ansible", "bin", "cache", "clusters", "etc", "ssh", "stamps", "talos", "tls", "venv")
FILES = ("env.sh", "inventory.yml", "kind.json", "kubeconfig", "shape.json")
KUBERNETES = "collections/ansible_collections/kubernetes"


def separate(state: Path) -> None:
    """Replace a `.lab` that is a link by a folder whose shared parts are links."""
    if not state.is_symlink():
        return
    lender = state.resolve()
    with alone(lender / ".borrowed.lock", "shared .lab"):
        if not state.is_symlink():
            return
        fresh = state.with_name(f".lab-{os.getpid()}")
        (fresh / KUBERNETES).parent.mkdir(parents=True)
        for name in FOLDERS:
            (lender / name).mkdir(exist_ok=True)
        if (lender / KUBERNETES).exists():
            (fresh / KUBERNETES).symlink_to(lender / KUBERNETES)
        for name in (*FOLDERS, *FILES):
            (fresh / name).symlink_to(lender / name)
        state.unlink()
        fresh.rename(state)
