# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments under `.lab/venv`, each keyed by its requirements and its interpreter."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .places import LOGS, REQUIREMENTS, STATE, VENVS
from .ui import ToolError, alone, run, say, tail

# What makes a virtual environment another one although requirements and interpreter are the same: the way it is made.
RECIPE = "1"


@dataclass(frozen=True)
class Environment:
    """`pythons`: the versions that will do, the best first."""

    purpose: str
    pythons: tuple[str, ...]


# Each is tests/requirements/<name>.txt. What ansible-core runs on which Python: 2.16 3.10-3.12, 2.19 3.11-3.13,
# 2.21 3.12-3.14, 2.22 3.13-3.15; main takes an older ansible-core where there is nothing newer than Python 3.11.
ENVIRONMENTS = {
    "main": Environment("ansible-core, Molecule, linters, pytest", ("3.12", "3.13", "3.14", "3.11")),
    "importer": Environment("galaxy-importer, whose requirements fit with no other's", ("3.12", "3.13", "3.11")),
    "core-2.16": Environment("ansible-core 2.16, the oldest supported", ("3.11", "3.12")),
    "core-2.19": Environment("ansible-core 2.19", ("3.11", "3.12", "3.13")),
    "core-2.21": Environment("ansible-core 2.21, the newest released", ("3.12", "3.13", "3.14")),
    "core-2.22": Environment("ansible-core 2.22, the newest candidate", ("3.13", "3.14")),
    "awx": Environment("ansible-runner and ansible-builder, for the AWX tests", ("3.12", "3.13", "3.14")),
    "eda": Environment("ansible-rulebook, for the test of the event source", ("3.12", "3.11", "3.13")),
    "browser": Environment("Playwright, for the test of the HTML report", ("3.12", "3.13", "3.11")),
    "python-3.9": Environment("the oldest Python that modules run on", ("3.9",)),
}


@dataclass(frozen=True)
class Python:
    path: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


_PROBE = "import sys, venv, ensurepip; print(*sys.version_info[:3]); print(sys.executable)"
_found: dict[str, Python | None] = {}


def _candidates(version: str) -> list[Path]:
    """Where an interpreter may lie: pyenv's versions, the PATH, the one that runs this."""
    places: list[Path] = []
    for root in (os.environ.get("PYENV_ROOT"), "~/.pyenv"):
        if root:
            versions = Path(root).expanduser() / "versions"
            # Newest patch release first; names such as 3.13t or 3.14-dev count as the release that they belong to.
            named = [p for p in versions.glob(f"{version}*") if re.fullmatch(rf"{re.escape(version)}(\.\d+)?", p.name)]
            named.sort(key=lambda p: [int(n) for n in p.name.split(".")], reverse=True)
            places += [p / "bin" / f"python{version}" for p in named]
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        # pyenv's shims exist for versions that are not active, and then fail.
        if folder and Path(folder).name != "shims":
            places.append(Path(folder) / f"python{version}")
    if ".".join(map(str, sys.version_info[:2])) == version:
        places.append(Path(sys.executable))
    return places


def find(version: str) -> Python | None:
    """An interpreter of this version that can make virtual environments."""
    if version not in _found:
        _found[version] = None
        for path in dict.fromkeys(_candidates(version)):
            if not os.access(path, os.X_OK):
                continue
            done = subprocess.run([path, "-c", _PROBE], capture_output=True, text=True, check=False, cwd=STATE.parent)
            if done.returncode == 0:
                numbers, executable = done.stdout.splitlines()[:2]
                _found[version] = Python(executable, tuple(int(n) for n in numbers.split()))
                break
    return _found[version]


def choose(name: str) -> Python:
    """The best interpreter for an environment; a ToolError that says what is missing where there is none."""
    wanted = ENVIRONMENTS[name].pythons
    for version in wanted:
        python = find(version)
        if python:
            return python
    have = [v for v in ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15") if find(v)]
    raise ToolError(
        f"environment {name} ({ENVIRONMENTS[name].purpose}) needs Python {' or '.join(wanted)} with the modules venv "
        f"and ensurepip; found: {', '.join(have) or 'none'}. Install one, for example `pyenv install {wanted[0]}` or "
        f"`apt-get install python{wanted[0]} python{wanted[0]}-venv`."
    )


def text_of(requirements: Path) -> str:
    """A requirements file with the files it takes in."""
    lines = []
    for line in requirements.read_text(encoding="utf-8").splitlines():
        taken = re.fullmatch(r"-[rc]\s+(\S+)", line.strip())
        lines.append(text_of(requirements.parent / taken[1]) if taken else line)
    return "\n".join(lines)


def key(name: str, python: Python) -> str:
    what = "\n".join((RECIPE, text_of(REQUIREMENTS / f"{name}.txt"), python.path, str(python)))
    return hashlib.sha256(what.encode()).hexdigest()


def bin_of(name: str) -> Path:
    return VENVS / name / "bin"


def ensure(name: str) -> Path:
    """Make the environment unless it is there as wanted; returns its folder of programs."""
    if name not in ENVIRONMENTS:
        raise ToolError(f"there is no environment {name!r}; there are {', '.join(ENVIRONMENTS)}.")
    python = choose(name)
    folder = VENVS / name
    stamp = folder / ".stamp"
    wanted = key(name, python)
    with alone(VENVS / f".{name}.lock", f"environment {name}"):
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted and (folder / "bin" / "python").exists():
            return folder / "bin"
        say(f"environment {name}: {ENVIRONMENTS[name].purpose}, Python {python} (usually 10-30 s) …")
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        log = LOGS / f"venv-{name}.log"
        done = run([python.path, "-m", "venv", folder], f"environment {name}", log=log)
        seconds = done.seconds
        if done.code == 0:
            # Bytecode comes by itself when a file is first used; most files never are.
            pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
            options = ["--no-compile", "-r", str(REQUIREMENTS / f"{name}.txt")]
            done = run([*pip, "install", *options], f"environment {name}", log=log)
            seconds += done.seconds
        if done.code:
            raise ToolError(
                f"environment {name} could not be made (whole output: {log}). If there is no way to a package index "
                f"from here, configure pip (`pip config`) for one.\n{tail(done.output)}"
            )
        stamp.write_text(wanted, encoding="utf-8")
        say(f"    done: environment {name}, {seconds:.1f} s")
    return folder / "bin"
