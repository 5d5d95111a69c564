# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make test-report`: the HTML report in headless Chromium. `--screenshots` renews docs/images. Other arguments go to pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from l2lab import drive, host, ui  # noqa: E402
from l2lab.settings import STATE  # noqa: E402


def main() -> int:
    arguments = [one for one in sys.argv[1:] if one != "--screenshots"]
    env = dict(os.environ)
    if len(arguments) < len(sys.argv) - 1:
        env["L2OPS_SCREENSHOTS"] = str(ROOT / "docs" / "images")
    try:
        host.install({"chromium": "chromium"})
        drive.Environment("main", "browser").ready()
    except ui.LabError as why:
        print(f"\n{why}", file=sys.stderr)
        return 1
    command = [
        str(STATE / "venv" / "browser" / "bin" / "pytest"),
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/browser",
        *arguments,
    ]
    return subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
