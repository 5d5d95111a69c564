# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argo CD in the lab: `test` is the whole (`make test-argocd`), the other verbs are the steps that the Molecule scenario calls."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from l2lab import argocd, argocd_checks, cluster, drive, host, schemas, ui
from l2lab.settings import ROOT, Settings
from suite import Suite


def test(settings: Settings, engine: host.Engine) -> int:
    suite = Suite()
    argocd_checks.REPORT.unlink(missing_ok=True)
    try:
        python = drive.Environment()
        cluster.up(settings, engine)
        argocd.up(settings, engine)
        python.ready()
        env = drive.environment(settings, engine)
        env["MOLECULE_GLOB"] = "extensions/molecule/*/molecule.yml"
        molecule = str(drive.VENV / "molecule")
        suite.step("schemas", [sys.executable, __file__, "schemas"], env)
        # A run that was broken off counts as prepared otherwise.
        ui.run([molecule, "reset", "-s", "argocd"], env=env, cwd=ROOT)
        suite.step("molecule argocd", [molecule, "test", "-s", "argocd"], env)
    except ui.LabError as why:
        print(f"\n{why}", file=sys.stderr)
        suite.results.append((f"stopped: {str(why).splitlines()[0]}", False, time.monotonic() - ui.START))
    if argocd_checks.REPORT.exists():
        print(argocd_checks.REPORT.read_text(encoding="utf-8"))
    return suite.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what in (
        ("test", "the lab, Argo CD in it, and the Molecule scenario argocd"),
        ("up", "install Argo CD and the repositories in the lab that is up"),
        ("schemas", "a server-side dry run of what role gitops writes, in all styles, with the real CRDs"),
        ("start", "no MetalLB, no Application, an empty repository"),
        ("push", "commit and push what changed in the working copy"),
        ("bootstrap", "what the headers of the bootstrap files say; wait until all is there"),
        ("bootstrap-without-health", "the same, with the setting of argocd-cm forgotten"),
        ("order", "fail unless the waves came one after the other"),
        ("disorder", "fail unless they did not"),
        ("resync", "sync all once more; fail if that changes anything"),
        ("drift", "change and delete things by hand; fail unless they are healed"),
        ("down", "take it all out of the lab again; fail if anything of MetalLB is left"),
    ):
        verbs.add_parser(verb, help=what)
    verb = parser.parse_args().verb
    try:
        settings = Settings()
        engine = host.engine(settings)
        if verb == "test":
            return test(settings, engine)
        run(verb, settings, engine)
    except ui.LabError as why:
        ui.die(str(why))
    return 0


def run(verb: str, settings: Settings, engine: host.Engine) -> None:
    if verb == "up":
        argocd.up(settings, engine)
    elif verb == "schemas":
        for style, count in schemas.check(settings, engine).items():
            argocd_checks.note(f"objects that the API server takes, style {style}", count)
    elif verb == "start":
        argocd_checks.start(settings)
    elif verb == "push":
        print("changed" if argocd_checks.push() else "nothing to commit")
    elif verb.startswith("bootstrap"):
        health = verb == "bootstrap"
        changed = argocd_checks.bootstrap(health)
        seconds = argocd_checks.settle()
        if changed:
            argocd_checks.note(f"all synced and healthy{'' if health else ', health forgotten'}", f"{seconds:.1f} s")
        print("changed" if changed else "nothing to do")
    elif verb in ("order", "disorder"):
        found = argocd_checks.seen()
        broken = argocd_checks.disorder(found)
        argocd_checks.note(f"waves, {verb}", argocd_checks.table(found))
        if verb == "order" and broken:
            raise ui.LabError("The waves did not come one after the other:\n  " + "\n  ".join(broken))
        if verb == "disorder":
            if not broken:
                raise ui.LabError(
                    "The waves came one after the other although Argo CD was not told to wait for Applications."
                )
            argocd_checks.note("without health of Applications", broken)
    elif verb == "resync":
        argocd_checks.note("objects that a second sync left alone", argocd_checks.resync())
    elif verb == "drift":
        argocd_checks.drift(settings)
    else:
        argocd_checks.down()


if __name__ == "__main__":
    sys.exit(main())
