# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Which files of a repository are ours: header with digest, changes by hand, what to write and to delete."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_DIGEST = "# l2ops.metallb/digest: "


def tidied(text: str) -> str:
    """Rendered charts without what differs between versions of Helm: blanks at ends of lines, empty lines at both ends."""
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    body = "\n".join(lines).strip("\n")
    return (body[len("---\n") :] if body.startswith("---\n") else body) + "\n"


def headed(body: str, style: str, notes: Sequence[str] = ()) -> str:
    """The body with a header before it."""
    lines = [
        f"# Written by playbook l2ops.metallb.gitops (style {style}) out of Ansible variables: change those, and run it again.",
        "# A change made here by hand is not overwritten, unless with metallb_gitops_force: true.",
        *(f"# {one}" for one in notes),
        f"{_DIGEST}{digest(body)}",
        "---",
    ]
    return "\n".join([*lines, body])


def digest(body: str) -> str:
    return hashlib.sha256(_plain(body).encode("utf-8")).hexdigest()[:32]


def _plain(text: str) -> str:
    """As Git would store it: an editor or Git on Windows ends lines otherwise, and a last line break may be lost."""
    return text.replace("\r\n", "\n").rstrip("\n") + "\n"


def same(one: str, other: str) -> bool:
    """Whether two texts differ in nothing but how lines end."""
    return _plain(one) == _plain(other)


def origin(text: str) -> str:
    """Whose text a file is: "ours", "changed" (ours, changed by hand since), or "foreign"."""
    plain = _plain(text)
    head, marker, rest = plain.partition(f"\n{_DIGEST}")
    if not marker or not all(line.startswith("#") for line in head.split("\n")):
        return "foreign"
    told, _break, rest = rest.partition("\n")
    if not rest.startswith("---\n"):
        return "changed"
    return "ours" if digest(rest[len("---\n") :]) == told.strip() else "changed"


def body_of(text: str) -> str:
    """A file's text without comments before its first document and without that document's mark."""
    lines = _plain(text).split("\n")
    start = 0
    while start < len(lines) - 1 and (lines[start].startswith("#") or not lines[start].strip()):
        start += 1
    if lines[start].strip() == "---":
        start += 1
    return "\n".join(lines[start:])


# -- what is to be done -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What becomes of a file. action is created, changed, removed, unchanged, or kept (no longer wanted, and not to be removed).

    refused says why it may not be done without force.
    """

    path: str
    action: str
    before: str = ""
    after: str = ""
    refused: str = ""


def decide(wanted: Mapping[str, str], there: Mapping[str, str], prune: bool = False) -> list[Change]:
    """What to do, by path: wanted are texts of render, there are texts of files in the repository, those of both and all others of ours."""
    changes = []
    for path in sorted({*wanted, *there}):
        before, after = there.get(path), wanted.get(path)
        if after is None:
            assumed = origin(before or "")
            if assumed == "foreign":
                continue
            refused = "it was changed by hand since it was written" if assumed == "changed" else ""
            changes.append(Change(path, "removed" if prune else "kept", before or "", "", refused if prune else ""))
        elif before is None:
            changes.append(Change(path, "created", "", after))
        elif same(before, after):
            changes.append(Change(path, "unchanged", before, after))
        else:
            whose = origin(before)
            refused = ""
            # The same objects behind another header, or none, take nothing from anybody.
            if whose != "ours" and body_of(before) != body_of(after):
                refused = (
                    "it was changed by hand since it was written"
                    if whose == "changed"
                    else "it was not written by this playbook"
                )
            changes.append(Change(path, "changed", before, after, refused))
    return changes
