# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run checks of the checkout, each with one line of verdict: `check.py [lint] [unit] [sanity] …`, lint and unit by default."""

from __future__ import annotations

import sys

sys.path[0] += "/lib"

import argparse
import functools
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from l2tools import artifact, pyenvs, quick, sanity, tree
from l2tools.report import Report, together
from l2tools.ui import ToolError, stop_all

CHECKS = {
    "lint": "ruff, mypy --strict, ansible-lint with profile production",
    "unit": "pytest tests/unit, without those that run ansible-playbook",
    "playbooks": "the tests in tests/unit that run ansible-playbook, against a small API server on loopback",
    "sanity": "ansible-test sanity on the oldest and the newest ansible-core",
    "importer": "build the artifact, and import it as a hub does",
    "docs": "antsibull-docs, and ansible-doc of everything",
    "changelog": "antsibull-changelog",
    "build": "ansible-galaxy collection build",
    "install-smoke": "install the artifact, keep only what runs, and run it by FQCN",
    "matrix": "sanity and unit tests on every supported ansible-core, unit tests on the oldest Python",
}
OF_ARTIFACT = ("importer", "install-smoke")


def _able(names: Iterable[str], otherwise: Callable[[str, str], object]) -> list[str]:
    """Environments that can be made here; `otherwise` hears of each that cannot, for want of its Python."""
    able = []
    for name in names:
        try:
            pyenvs.choose(name)
            able.append(name)
        except ToolError as why:
            otherwise(f"environment {name}", str(why))
    return able


def _ends(report: Report) -> list[str]:
    """The oldest and the newest ansible-core that this machine has a Python for; what is left out is said."""
    able = _able(sanity.MATRIX, report.skipped)
    if not able:
        raise ToolError("no Python here runs a supported ansible-core; see CONTRIBUTING.md for what is needed")
    return list(dict.fromkeys((able[0], able[-1])))


def _sanity(report: Report, able: list[str], tests: tuple[str, ...]) -> None:
    # Made one after the other: pip alone keeps the line and a processor busy.
    for name in able:
        pyenvs.ensure(name)
    tree.ensure()
    together(report, [(f"sanity, {n}", functools.partial(sanity.sanity, report, n, tests)) for n in able])


def _matrix(report: Report, tests: tuple[str, ...]) -> None:
    able = _able((*sanity.MATRIX, "python-3.9"), lambda name, why: report.failed(name, 0.0, why))
    _sanity(report, [name for name in able if name in sanity.MATRIX], tests)
    for name in able:
        title = "unit, Python 3.9" if name == "python-3.9" else f"unit, ansible-{name}"
        together(report, [(title, functools.partial(quick.unit, report, name, title))])


def main() -> int:
    words = "\n".join(f"  {name:14}{what}" for name, what in CHECKS.items())
    parser = argparse.ArgumentParser(
        description="Run checks of the checkout; what they need is made first, under .lab.",
        epilog=f"checks:\n{words}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="lint and unit by default")
    parser.add_argument("--fresh", action="store_true", help="trust no remembered verdict")
    parser.add_argument("--test", action="append", default=[], help="for sanity and matrix: only this sanity test")
    arguments = parser.parse_args()
    wanted = list(dict.fromkeys(arguments.checks)) or ["lint", "unit"]
    unknown = [name for name in wanted if name not in CHECKS]
    if unknown:
        parser.error(f"no such check: {', '.join(unknown)}; there are {', '.join(CHECKS)}")

    report = Report()
    tests = tuple(arguments.test)
    built: list[Path | None] = []

    def build() -> Path | None:
        if not built:
            built.append(artifact.build(report))
        return built[0]

    runs: dict[str, Callable[[], object]] = {
        "lint": lambda: quick.lint(report, arguments.fresh),
        "unit": lambda: quick.unit(report, which="not playbook"),
        "playbooks": lambda: quick.unit(report, title="playbooks", which="playbook"),
        "sanity": lambda: _sanity(report, _ends(report), tests),
        "importer": lambda: artifact.importer(report, build()),
        "docs": lambda: artifact.docs(report),
        "changelog": lambda: artifact.changelog(report),
        "build": build,
        "install-smoke": lambda: artifact.install_smoke(report, build()),
        "matrix": lambda: _matrix(report, tests),
    }
    # CI ends a run that lasts too long by SIGTERM: what it started must end, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for name in wanted:
            together(report, [(name, runs[name])], workers=1)
    except KeyboardInterrupt:
        stop_all()
        print("\ncheck: interrupted", file=sys.stderr)
        return 130
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
