# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity in local mode, on a copy of the checkout, without network but for pip."""

from __future__ import annotations

import os
import re
from pathlib import Path

from . import checkout, pyenvs, tree
from .places import STATE
from .report import Report, program

# The oldest first.
MATRIX = ("core-2.16", "core-2.19", "core-2.21", "core-2.22")

# Sanity tests left out, and why.
SKIPPED = {
    "core-2.22": {"pylint": "the candidate's pylint requirements name an archive on GitHub, which pip may not reach"},
}

# ansible-test fetches get-pip.py from a host of its own to equip the environments that it makes. Python carries pip along,
# so a stand-in where it keeps its downloads does. ensurepip runs in a child: in this process it would point
# PIP_CONFIG_FILE at nothing, and pip would forget how to reach its index.
GET_PIP = """\
import os
import subprocess
import sys

if __name__ == "__main__":
    args = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
    env = {k: v for k, v in os.environ.items() if k != "GET_PIP"}
    subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL, env=env)
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *args]))
"""
# The names under which the ansible-core versions of the matrix look for it.
GET_PIP_VERSIONS = ("20_3_4", "21_3_1", "23_1_2", "24_2", "25_2", "25_3", "26_0")
# Programs of the checkout that no artifact holds. ansible-test's rules are for a collection's content: it refuses several
# documents in a YAML file, as Kubernetes manifests have, a shebang, and tabs, also in the text of a Go program.
NOT_CONTENT = ("tests/bench/", "tests/fuzz/", "tests/lab/", "tests/tools/")
# Fewer sanity tests than this means that it looked at next to nothing.
FEWEST = 15
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


def home(name: str) -> Path:
    """A home of its own: ansible-test keeps its environments there, and the user's ~/.ansible stays as it is."""
    folder = STATE / "sanity" / name / "home"
    cache = folder / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in GET_PIP_VERSIONS:
        script = cache / f"get_pip_{version}.py"
        if not script.exists() or script.read_text(encoding="utf-8") != GET_PIP:
            script.write_text(GET_PIP, encoding="utf-8")
    # ansible-test passes hardly any environment variable on: what pip needs to know, it must find in files.
    for given in (".config/pip", ".pip", ".netrc"):
        source, target = Path.home() / given, folder / given
        if source.exists() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    return folder


def _path(name: str) -> str:
    """The environment's programs first, then every interpreter of the range: import and compile run on each."""
    folders = [str(pyenvs.bin_of(name))]
    for version in PYTHONS:
        python = pyenvs.find(version)
        if python:
            folders.append(str(Path(python.path).parent))
    # pyenv's shims would offer versions that then do not run.
    rest = [p for p in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(p).name != "shims"]
    return os.pathsep.join(dict.fromkeys(folders + rest))


def sanity(report: Report, name: str, tests: tuple[str, ...] = ()) -> bool:
    """All sanity tests, or the named ones, with the ansible-core of an environment."""
    programs = pyenvs.ensure(name)
    tree.ensure()
    collection = checkout.copy(STATE / "sanity" / name, without=NOT_CONTENT)
    skipped = SKIPPED.get(name, {})
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "PYTHON"))},
        "HOME": str(home(name)),
        "PATH": _path(name),
    }
    command: list[str | Path] = [programs / "ansible-test", "sanity", "--color", "no"]
    for test in skipped:
        command += ["--skip-test", test]
    for test in tests:
        command += ["--test", test]

    def wrong(output: str) -> str:
        """It ends well, too, when it finds nothing to test."""
        ran = len(re.findall(r"^Running sanity test", output, re.MULTILINE))
        if "All targets skipped" in output or ran < (len(tests) or FEWEST):
            return f"it ran {ran} tests only"
        return ""

    return program(
        report,
        f"sanity, ansible-{name}",
        command,
        env=env,
        cwd=collection,
        wrong=wrong,
        only=lambda line: line.startswith(("ERROR", "FATAL", "WARNING: Unable")),
        note="; ".join(f"without {test}: {why}" for test, why in skipped.items()),
    )
