# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the tree .lab/collections: kubernetes.core, and this collection as a symbolic link to the checkout."""

from __future__ import annotations

import sys

sys.path[0] += "/lib"

import argparse

from l2tools import tree
from l2tools.ui import ToolError, say


def main() -> int:
    argparse.ArgumentParser(
        description="Make .lab/collections: kubernetes.core, and this collection as a link to the checkout."
    ).parse_args()
    try:
        say(f"collection tree is ready: ANSIBLE_COLLECTIONS_PATH={tree.ensure()}")
    except ToolError as why:
        print(f"\ncollection_tree: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
