# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the lab: up, down, services, status, fault, undo. `make lab…` calls it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from l2lab import cluster, faults, host, ui
from l2lab.settings import TALOS_CLUSTER, Settings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what in (
        ("up", "make the lab, or find it standing"),
        ("down", "take it down; what was built stays"),
        ("services", "apply the demo services"),
        ("status", "show nodes and services"),
        ("faults", "list the faults that can be injected"),
    ):
        verbs.add_parser(verb, help=what)
    for verb in ("fault", "undo"):
        sub = verbs.add_parser(verb, help=f"{'inject' if verb == 'fault' else 'take back'} a fault")
        sub.add_argument("name", nargs="?", default="", help="its name, as `faults` lists them")
    chosen = parser.parse_args()
    try:
        if chosen.verb == "faults" or (chosen.verb in ("fault", "undo") and not chosen.name):
            print(faults.listing())
            return 0
        settings = Settings()
        if settings.cluster == TALOS_CLUSTER and chosen.verb in ("up", "down"):
            raise ui.LabError(
                f"LAB_CLUSTER={TALOS_CLUSTER} is the lab of Talos nodes: make lab-talos, make lab-talos-down. Unset LAB_CLUSTER for kind's."
            )
        engine = host.engine(settings)
        if chosen.verb == "up":
            cluster.up(settings, engine)
            ui.say(
                f"Lab ready: {len(settings.node_names)} nodes and {settings.client} on {settings.subnet}. Use it: . .lab/env.sh"
            )
        elif chosen.verb == "down":
            cluster.down(settings, engine)
        elif chosen.verb == "services":
            with ui.stage("Applying the demo services", "15 s"):
                cluster.services(settings)
        elif chosen.verb == "status":
            cluster.status(settings, engine)
        elif chosen.verb == "fault":
            faults.inject(chosen.name, settings, engine)
        else:
            faults.undo(chosen.name, settings, engine)
    except ui.LabError as why:
        ui.die(str(why))
    return 0


if __name__ == "__main__":
    sys.exit(main())
