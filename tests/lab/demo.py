# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a real cluster from nothing, site.yml against it, and the table of services."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from l2lab import cluster, drive, host, ui
from l2lab.settings import STATE, Settings

REPORT = STATE / "demo.json"


def main() -> int:
    began = time.monotonic()
    try:
        settings = Settings()
        engine = host.engine(settings)
        python = drive.Environment()
        cluster.up(settings, engine)
        with ui.stage("Applying the demo services", "15 s"):
            cluster.services(settings)
        python.ready()
        REPORT.unlink(missing_ok=True)
        result = drive.playbook("site", settings, engine, "-e", f"metallb_verify_report={REPORT}")
    except ui.LabError as why:
        ui.die(str(why))
    print()
    report = json.loads(REPORT.read_text(encoding="utf-8")) if REPORT.exists() else {"table": [], "ok": False}
    print("\n".join(report["table"]))
    seconds = time.monotonic() - began
    if result or not report["ok"]:
        print(
            f"\nDemo FAILED after {seconds:.0f} s: {report.get('verdict', 'site.yml did not get as far as the verification')}"
        )
        return 1
    print(
        f"\nDemo OK in {seconds:.0f} s: {report['verdict']}. Use it: . .lab/env.sh; break it: make lab-fault; take it down: make lab-down"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
