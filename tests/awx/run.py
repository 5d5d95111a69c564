# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make test-awx`: what AWX needs and does, as far as it can be proved without AWX. Arguments go to pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from l2lab import cluster, drive, host, ui  # noqa: E402
from l2lab.settings import STATE, Settings  # noqa: E402


def main() -> int:
    try:
        settings = Settings()
        engine = host.engine(settings)
        drive.Environment("main", "awx").ready()
        cluster.up(settings, engine)
        cluster.services(settings)
        env = drive.environment(settings, engine)
    except ui.LabError as why:
        print(f"\n{why}", file=sys.stderr)
        return 1
    command = [str(STATE / "venv" / "awx" / "bin" / "pytest"), "-q", "-rs", "tests/awx", *sys.argv[1:]]
    return subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
