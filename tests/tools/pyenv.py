# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make Python environments under .lab/venv: `pyenv.py [main|importer|core-2.16|…]`, `main` without arguments."""

from __future__ import annotations

import sys

sys.path[0] += "/lib"

import argparse

from l2tools import pyenvs
from l2tools.ui import ToolError, say


def main() -> int:
    names = "\n".join(f"  {name:12}{env.purpose}" for name, env in pyenvs.ENVIRONMENTS.items())
    parser = argparse.ArgumentParser(
        description="Make Python environments under .lab/venv; those that are there as wanted are left as they are.",
        epilog=f"environments:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", default=["main"], metavar="NAME", help="environment, or `all`")
    wanted = parser.parse_args().names
    try:
        for name in pyenvs.ENVIRONMENTS if wanted == ["all"] else wanted:
            folder = pyenvs.ensure(name)
            say(f"environment {name} is ready: {folder.parent}")
    except ToolError as why:
        print(f"\npyenv: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
