# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Talos lab: up, down, reboot NODE, test. `make lab-talos` and `make test-talos` call it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# A lab of its own beside the other: settings reads these when it is imported (and has the name, too: TALOS_CLUSTER).
os.environ["LAB_CLUSTER"] = "talos"
for name, value in (("LAB_SUBNET", "192.168.17.0/24"), ("LAB_WORKERS", "1")):
    os.environ[name] = os.environ.get(f"LAB_TALOS_{name[4:]}", "").strip() or value
# It has IPv4 only, and the images of one version of MetalLB.
os.environ.update(LAB_DUAL_STACK="0", LAB_METALLB="")
sys.path.insert(0, str(Path(__file__).resolve().parent))

from l2lab import build, cluster, drive, host, talos, ui  # noqa: E402
from l2lab.settings import ROOT, Settings  # noqa: E402
from suite import OF_TALOS, Suite  # noqa: E402


def test(settings: Settings, engine: host.Engine) -> int:
    """The lab, what talosctl makes of the patches, and the Molecule scenario that tells the source document's story."""
    python = drive.Environment()
    talos.up(settings, engine)
    python.ready()
    env = drive.environment(settings, engine)
    env["MOLECULE_GLOB"] = "extensions/molecule/*/molecule.yml"
    suite = Suite()
    molecule, pytest = str(drive.VENV / "molecule"), str(drive.VENV / "pytest")
    for module in (build.TALOSCTL, *build.NEWER_TALOSCTL):
        build.build_go(module, build.go_version())
        suite.step(module.folder, [pytest, "-q", OF_TALOS], {**env, "TALOSCTL": str(module.target / "talosctl")})
    # A run that was broken off counts as prepared otherwise.
    ui.run([molecule, "reset", "-s", "talos"], env=env, cwd=ROOT)
    suite.step("molecule talos", [molecule, "test", "-s", "talos"], env)
    return suite.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what in (
        ("up", "make the lab, or find it standing"),
        ("down", "take it down; what was built stays"),
        ("services", "apply the demo services"),
        ("test", "the lab, and the Molecule scenario talos"),
    ):
        verbs.add_parser(verb, help=what)
    verbs.add_parser("reboot", help="restart a node").add_argument("node")
    chosen = parser.parse_args()
    try:
        settings = Settings()
        engine = host.engine(settings)
        if chosen.verb == "up":
            talos.up(settings, engine)
            ui.say(
                f"Talos lab ready: {', '.join(talos.addresses(settings))} on {settings.subnet}. Use it: . .lab/talos/env.sh"
            )
        elif chosen.verb == "down":
            talos.down(settings, engine)
        elif chosen.verb == "services":
            with ui.stage("Applying the demo services", "15 s"):
                cluster.services(settings)
        elif chosen.verb == "reboot":
            with ui.stage(f"Restarting {chosen.node}", "60 s"):
                talos.reboot(settings, engine, chosen.node)
        else:
            return test(settings, engine)
    except ui.LabError as why:
        ui.die(str(why))
    return 0


if __name__ == "__main__":
    sys.exit(main())
