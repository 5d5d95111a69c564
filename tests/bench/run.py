# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: how fast the core, the removal of a label and the sweep are, held against their goals. Arguments go to bench_wire.py, as `--runs 3`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

from l2lab import drive, host, ui  # noqa: E402
from l2lab.settings import INVENTORY, ROOT, Settings  # noqa: E402


def main() -> int:
    try:
        settings = Settings()
        engine = host.engine(settings)
        drive.Environment().ready()
        env = drive.environment(settings, engine)
    except ui.LabError as why:
        print(f"\n{why}", file=sys.stderr)
        return 1
    standing = INVENTORY.exists() and engine.exists("container", settings.client)
    if not standing:
        # The wire's bench then leaves its part of the lab out, and says so.
        env.pop("L2OPS_INVENTORY", None)
    python = str(drive.VENV / "python")
    commands = (
        [python, str(HERE / "bench_core.py"), "--growth"],
        [python, str(HERE / "bench_core.py"), "--broken"],
        [python, str(HERE / "bench_core.py"), "--imports"],
        [python, str(HERE / "bench_label.py"), "--check"],
        [python, str(HERE / "bench_wire.py"), "--check", *sys.argv[1:]],
    )
    status = 0
    for command in commands:
        ui.say(f"== {' '.join(Path(part).name for part in command[1:])}")
        status |= subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
