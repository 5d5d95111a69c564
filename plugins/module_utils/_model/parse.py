# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Reading raw Kubernetes objects that may have any shape."""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

Object = dict[str, Any]
Labels = Mapping[str, str]
Key = tuple[str, str]  # namespace, name
Problems = tuple[tuple[str, str], ...]


# -- reading without trust --------------------------------------------------------------------------------------------


def as_dict(raw: Any) -> Object:
    return raw if isinstance(raw, dict) else {}


def as_list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []


def as_text(raw: Any) -> str:
    return raw if isinstance(raw, str) else "" if raw is None else str(raw)


def as_texts(raw: Any) -> tuple[str, ...]:
    return tuple(as_text(one) for one in as_list(raw) if one is not None)


def as_int(raw: Any) -> int:
    if isinstance(raw, bool):
        return 0
    if isinstance(raw, int):
        return raw
    try:
        return int(as_text(raw))
    except ValueError:
        return 0


def as_labels(raw: Any) -> dict[str, str]:
    return {key: text if isinstance(text, str) else as_text(text) for key, text in as_dict(raw).items()}


def metadata_of(obj: Any) -> Object:
    return as_dict(as_dict(obj).get("metadata"))


def seconds_of(timestamp: Any) -> float:
    """RFC 3339 in UTC, as the API server writes it, as seconds since 1970; 0 for anything else."""
    text = as_text(timestamp)
    # "2026-11-23T21:39:17Z" or with microseconds; a zone other than Z never comes from an API server.
    if len(text) < 20 or text[10] != "T" or not text.endswith("Z"):
        return 0.0
    try:
        whole = calendar.timegm(
            (
                int(text[:4]),
                int(text[5:7]),
                int(text[8:10]),
                int(text[11:13]),
                int(text[14:16]),
                int(text[17:19]),
                0,
                1,
                0,
            )
        )
        fraction = float(f"0{text[19:-1]}") if len(text) > 20 else 0.0
    except ValueError:
        return 0.0
    return whole + fraction


def shorten(text: str, most: int = 300) -> str:
    """One line of limited length, for quoting."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


# Control characters (C0 and C1, with the escape sequences of terminals), what changes the direction of text, line breaks that only some
# programs see, and halves of characters, which nothing can write.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_BREAKS = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")


def printable(text: Any, lines: bool = False) -> str:
    """A text from outside as it may be shown: one line, or with `lines` several, and nothing that a terminal obeys.

    Whoever answers for an address, writes an event or names a file decides what stands in it: an escape sequence could make a
    failure look like a success.
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    shown = _BREAKS.sub("\n" if lines else " ", shown)
    return _UNPRINTABLE.sub("\ufffd", shown if lines else shown.replace("\t", " "))


def clean(value: Any, lines: bool = False) -> Any:
    """Dictionaries and lists with every text in them printable."""
    if isinstance(value, str):
        return value if value.isprintable() else printable(value, lines)
    if isinstance(value, Mapping):
        return {clean(key): clean(below, lines) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(one, lines) for one in value]
    return value


def refuse_halves(text: str, value: Any) -> None:
    """Raise UnicodeEncodeError where JSON holds half of a character that takes two: valid, but nothing that could be hashed, written or shown."""
    if "\\ud" in text or "\\uD" in text:
        json.dumps(value, ensure_ascii=False).encode()


# What PyYAML's safe loaders raise beside YAMLError: a date that is impossible, a number of 6,000 digits, a scalar of another kind
# than its tag says, nesting beyond what recursion allows.
ODD_YAML = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
_BRACKETS = re.compile(r"[\[\]{}]")
_LINE_OF_LEVELS = re.compile(r"(?:[-?:][ \t]+){200}|^[ \t]{1000}", re.MULTILINE)


def nested_too_deeply(text: str, most: int = 500) -> bool:
    """Whether YAML or JSON may nest so deeply that libyaml, which recurses in C without a bound, ends the process. Cheap, and
    rather too strict than not: brackets within texts count, too."""
    if _LINE_OF_LEVELS.search(text):
        return True
    if text.count("[") + text.count("{") <= most:
        return False
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth = depth + 1 if found.group() in "[{" else max(0, depth - 1)
        if depth > most:
            return True
    return False


_UNKNOWN = re.compile(r"\$\{[^}]*\}|\{\{.*\}\}|^ENC\[", re.S)


def is_unknown(text: str) -> bool:
    """Whether a text stands for a value that is not known: a variable that is filled in later, or an encrypted value of SOPS."""
    return _UNKNOWN.search(text) is not None


def listing(names: Iterable[str], most: int = 5) -> str:
    """Names for a sentence; thousands of them help nobody."""
    every = list(names)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
