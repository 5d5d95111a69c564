# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Files of a folder: which are read, and which are left out, with the reason."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ansible_collections.l2ops.metallb.plugins.module_utils._model.files import OddFile, read_beginning

SUFFIXES = (".yaml", ".yml", ".json")
IGNORE_FILE = ".l2opsignore"
# Files that become manifests only when another program has read them.
TEMPLATES = (".j2", ".tf", ".tpl", ".tmpl", ".gotmpl", ".jsonnet", ".libsonnet", ".cue", ".nix", ".erb")
DOT_FOLDER, CHART_TEMPLATES, EXCLUDED = (
    "in a folder whose name begins with a dot",
    "templates of a Helm chart",
    "excluded",
)
NEEDS_RENDERING = "templates of another program"
_SKIPPED = frozenset(["node_modules", "__pycache__"])
_MOST_SEARCHED = 1_000_000


@dataclass
class LeftOut:
    """A file that was not read, or only in part. mentions is whether its text names metallb; pools is whether it may hold pools."""

    reason: str
    path: str
    line: int = 0
    detail: str = ""
    mentions: bool = False
    pools: bool = False

    @property
    def place(self) -> str:
        return f"{self.path}, line {self.line}" if self.line else self.path


@dataclass
class Tree:
    """Files to read, by the path that users see."""

    files: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def search(path: str) -> tuple[bool, bool]:
    """Whether a file names metallb, and whether it may hold pools."""
    try:
        return mentions(read_beginning(path, _MOST_SEARCHED))
    except (OSError, OddFile):
        return False, False


def mentions(raw: bytes) -> tuple[bool, bool]:
    lower = raw.lower()
    return b"metallb" in lower, b"IPAddressPool" in raw or b"address-pools" in raw


def left(reason: str, path: str, line: int = 0, detail: str = "") -> LeftOut:
    return LeftOut(reason, path, line, detail, *search(path))


def walk(top: str, exclude: Collection[str] = ()) -> Tree:
    """All below a folder. exclude are patterns as in .gitignore, relative to the folder; its .l2opsignore has more."""
    found = Tree()
    patterns = [*exclude, *_patterns(top)]
    for folder, folders, names in os.walk(top):
        below = os.path.relpath(folder, top).replace(os.sep, "/")
        below = "" if below == "." else below + "/"
        hidden = [one for one in folders if one.startswith(".") or one in _SKIPPED]
        for one in sorted(hidden):
            if one not in (".git", *_SKIPPED):
                found.left_out += _all_below(os.path.join(folder, one), DOT_FOLDER)
        if "Chart.yaml" in names and "templates" in folders:
            hidden.append("templates")
            found.left_out += _all_below(os.path.join(folder, "templates"), CHART_TEMPLATES)
        kept = []
        for one in sorted(folders):
            if one in hidden:
                continue
            if matches(below + one + "/", patterns):
                found.left_out += _all_below(os.path.join(folder, one), EXCLUDED)
            else:
                kept.append(one)
        folders[:] = kept
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(SUFFIXES):
                if matches(below + name, patterns):
                    found.left_out.append(left(EXCLUDED, path))
                else:
                    found.files.append(path)
            elif name.endswith(TEMPLATES):
                found.left_out.append(left(NEEDS_RENDERING, path))
    return found


def _all_below(top: str, reason: str) -> list[LeftOut]:
    return [
        left(reason, os.path.join(folder, name))
        for folder, _folders, names in os.walk(top)
        for name in sorted(names)
        if name.endswith((*SUFFIXES, *TEMPLATES))
    ]


def _patterns(top: str) -> list[str]:
    try:
        raw = read_beginning(os.path.join(top, IGNORE_FILE), _MOST_SEARCHED)
        lines = [line.strip() for line in raw.decode("utf-8", "replace").splitlines()]
    except (OSError, OddFile):
        return []
    return [line for line in lines if line and not line.startswith("#")]


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether patterns as in .gitignore name this path; one of a folder ends in a slash. The last pattern that matches counts."""
    found = False
    folder = path.endswith("/")
    path = path.rstrip("/")
    for pattern in patterns:
        negated = pattern.startswith("!")
        pattern = pattern[1:] if negated else pattern
        if pattern.endswith("/"):
            if not folder:
                continue
            pattern = pattern.rstrip("/")
        anchored = "/" in pattern
        pattern = pattern.lstrip("/")
        if pattern.startswith("./"):
            pattern = pattern[2:]
        names = [path] if anchored else [path.rpartition("/")[2]]
        if any(fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, f"{pattern}/*") for name in names):
            found = not negated
    return found


def grouped(left_out: Iterable[LeftOut], most: int = 5) -> list[str]:
    """One sentence for each reason, with the number of files and the first few names; those that name metallb come first."""
    groups: dict[str, list[LeftOut]] = {}
    for one in left_out:
        groups.setdefault(one.reason, []).append(one)
    told = []
    for reason, ones in sorted(groups.items()):
        concerned = [one for one in ones if one.mentions]
        shown = [one.place for one in (concerned or ones)[:most]]
        number = "1 file was" if len(ones) == 1 else f"{len(ones)} files were"
        rest = len(concerned or ones) - len(shown)
        names = ", ".join(shown) + (f" and {rest} more" if rest else "")
        about = f"; {len(concerned)} of them mention metallb" if concerned and len(concerned) < len(ones) else ""
        about = about or (
            "; mentions metallb" if concerned and len(ones) == 1 else "; all mention metallb" if concerned else ""
        )
        told.append(f"{number} left out ({reason}{about}): {names}.")
    return told
