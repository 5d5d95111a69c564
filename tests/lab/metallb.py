# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MetalLB's versions in the lab: `metallb.py test [v0.16.2 …]` runs the tests against each, `metallb.py record` records snapshots."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from l2lab import drive, host, metallb, ui
from l2lab.settings import ROOT, Settings
from suite import Suite

TESTS = ("test_matrix.py", "test_faults.py", "test_healthy_variants.py", "test_election_on_the_wire.py")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("test", "record", "install"))
    parser.add_argument("versions", nargs="*", metavar="VERSION", help=f"all by default: {', '.join(metallb.ORDER)}")
    parser.add_argument("-k", default="", help="test: only the tests that match, as pytest's -k")
    chosen = parser.parse_args()
    suite = Suite()
    try:
        versions = metallb.versions(chosen.versions)
        engine = host.engine(Settings())
        drive.Environment().ready()
        for version in versions:
            _settings, env = metallb.install(version, engine)
            if chosen.verb == "test":
                tests = [f"tests/integration/{name}" for name in TESTS]
                command = [str(drive.VENV / "pytest"), "-q", "-rfE", "-k", chosen.k, *tests]
                suite.step(f"MetalLB {version}", command, env)
            elif chosen.verb == "record":
                command = [str(drive.VENV / "python"), str(ROOT / "tests" / "lab" / "record.py"), version]
                suite.step(f"MetalLB {version}", command, env)
    except ui.LabError as why:
        ui.die(str(why))
    return suite.close() if suite.results else 0


if __name__ == "__main__":
    sys.exit(main())
