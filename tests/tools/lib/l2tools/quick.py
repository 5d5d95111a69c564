# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lint and unit: what `make check` runs, in seconds."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from . import checkout, pyenvs, tree
from .artifact import environment
from .places import FQCN, ROOT, STATE
from .report import Remembered, Report, program, together

Check = tuple[str, Callable[[], object]]

# Packages that mypy checks strictly.
TYPED = (
    f"ansible_collections.{FQCN}.plugins.module_utils",
    f"ansible_collections.{FQCN}.plugins.filter",
    "l2tools",
)
# What ansible-lint reads: not the tests written in Python.
LINTED = (
    ".ansible-lint",
    ".yamllint",
    "changelogs",
    "extensions",
    "galaxy.yml",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "requirements.txt",
    "tests/config.yml",
    "tests/integration",
    "tests/requirements/main.txt",
    "tests/requirements/collections.txt",
)


def _ansible_lint(report: Report, main: Path, fresh: bool) -> None:
    name = "lint: ansible-lint, profile production"
    remembered = Remembered("ansible-lint", [ROOT / path for path in checkout.files(*LINTED)])
    if not fresh and remembered.holds():
        report.passed(name, 0.0, "nothing that it reads has changed since it last passed; --fresh runs it anyway")
        return
    command: list[str | Path] = [main / "ansible-lint", "--offline", "--profile", "production", "--nocolor", "-q"]
    if program(report, name, command, env=environment(), cwd=ROOT):
        remembered.keep()


def lint(report: Report, fresh: bool = False) -> None:
    main = pyenvs.ensure("main")
    tree.ensure()
    env = environment()

    def check(name: str, *command: str | Path, only: Callable[[str], bool] | None = None) -> Check:
        return name, lambda: program(report, name, command, env=env, cwd=ROOT, only=only)

    def place(line: str) -> bool:
        return line.lstrip().startswith("-->")

    typed = [word for package in TYPED for word in ("-p", package)]
    checks = [
        # The longest first: the others run beside it.
        ("lint: ansible-lint, profile production", lambda: _ansible_lint(report, main, fresh)),
        check("lint: ruff check", main / "ruff", "check", "--quiet", "--output-format=concise", "."),
        # Where, not how: `ruff format` itself knows how.
        check("lint: ruff format", main / "ruff", "format", "--quiet", "--check", ".", only=place),
        check("lint: mypy, strict", main / "mypy", *typed),
    ]
    together(report, checks)


def unit(report: Report, name: str = "main", title: str = "unit", which: str = "") -> None:
    """Plain pytest; which is an expression of markers, such as "not playbook". Tests of waiting sleep, so more of them run side by side than there are processors.

    Workers get few tests at a time: the slow ones, which come first, are spread over all of them.
    """
    programs = pyenvs.ensure(name)
    tree.ensure()
    tests = ROOT / "tests" / "unit"
    if not any(tests.rglob("test_*.py")):
        report.skipped(title, "no unit tests yet")
        return
    env = environment()
    env["PATH"] = os.pathsep.join((str(programs), env["PATH"]))
    workers = str(min(8, 2 * (os.cpu_count() or 2)))
    command: list[str | Path] = [
        programs / "python",
        "-m",
        "pytest",
        "-q",
        "-n",
        workers,
        "--maxschedchunk=2",
        "--color=no",
    ]
    # Of its own per environment: bytecode and results of several versions do not get into each other's way.
    command += ["-m", which] if which else []
    command += ["-o", f"cache_dir={STATE / 'pytest' / name}", tests]
    env["PYTHONPYCACHEPREFIX"] = str(STATE / "pycache" / name)
    program(report, title, command, env=env, cwd=ROOT)
