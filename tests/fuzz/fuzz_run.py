# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make fuzz`: every parser and renderer with damaged, hostile and odd input, for FUZZ_SECONDS (120).

FUZZ_SEED begins elsewhere, FUZZ_TARGETS="objects words" takes some. A fault is printed with the command that repeats it:
FUZZ_CASE="objects 17 1234" (target, seed, number).
"""

from __future__ import annotations

import faulthandler
import os
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A case that takes longer is a fault, too.
SLOW = 5.0


def prepared() -> int:
    """Run again with the Python that has what is needed."""
    sys.path.insert(0, str(ROOT / "tests" / "tools" / "lib"))
    from l2tools import pyenvs, tree

    python = pyenvs.ensure("main") / "python"
    env = {**os.environ, "PYTHONPATH": str(tree.ensure()), "FUZZ_PREPARED": "1"}
    return subprocess.run([str(python), __file__], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode


def tried(name: str, seed: int, number: int) -> str:
    """One case: what is wrong, or nothing."""
    import fuzz_targets as targets

    start = time.monotonic()
    try:
        targets.TARGETS[name](random.Random(f"{name} {seed} {number}"))
    except Exception:
        return traceback.format_exc()
    seconds = time.monotonic() - start
    return f"It took {seconds:.1f} s.\n" if seconds > SLOW else ""


def main() -> int:
    if "FUZZ_PREPARED" not in os.environ:
        return prepared()
    faulthandler.enable()
    import fuzz_targets as targets

    if os.environ.get("FUZZ_CASE"):
        name, seed, number = os.environ["FUZZ_CASE"].split()
        fault = tried(name, int(seed), int(number))
        print(fault or "Nothing is wrong.")
        return bool(fault)
    seconds, seed = float(os.environ.get("FUZZ_SECONDS") or 120), int(os.environ.get("FUZZ_SEED") or 1)
    names = os.environ.get("FUZZ_TARGETS", "").split() or list(targets.TARGETS)
    faults = 0
    for name in names:
        end, number, failed = time.monotonic() + seconds / len(names), 0, 0
        while time.monotonic() < end and failed < 3:
            fault = tried(name, seed, number)
            if fault:
                failed += 1
                print(f'{fault}Again: FUZZ_CASE="{name} {seed} {number}" make fuzz', flush=True)
            number += 1
        print(f"{name:14} {number:8} cases, {failed} faults{' (given up)' if failed == 3 else ''}", flush=True)
        faults += failed
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
