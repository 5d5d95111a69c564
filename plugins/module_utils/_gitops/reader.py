# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""YAML as Kubernetes reads it, with the line of every field, whatever the file holds.

PyYAML's own loader refuses what Kubernetes accepts (a bare ``=``, a second anchor of one name, tags it does not know), builds what
Kubernetes refuses (millions of nodes out of aliases) and recurses in C. Here its parser gives events, one by one, and this module
builds values out of them, with a bound on depth and size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.files import read_beginning
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import refuse_halves

# Deeper than any manifest, and shallow enough for everything that walks over one.
MAX_DEPTH = 100
# Nodes that aliases may add to a document. Kubernetes' own reader allows 400,000 in the worst case.
MAX_ALIASED = 50_000
# The largest file that is read, in bytes. The largest manifests that people commit (bundles of CRDs) have 4 MB.
MAX_SIZE = 8_000_000

NOT_YAML = "not valid YAML"
NOT_TEXT = "not UTF-8 text"
TEMPLATE = "a template with {{ … }}"
TOO_DEEP = "nested too deeply"
TOO_MANY_ALIASES = "too much by aliases"
TOO_LARGE = "too large"

_BOOLS = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"), False),
}
_NULLS = frozenset(["", "~", "null", "Null", "NULL"])
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_FIRST = frozenset("-+.0123456789~nNtTfFyYoO")
_CORE = "tag:yaml.org,2002:"


class Unreadable(Exception):
    """A text that is not read. reason is one of a few, for counting; line is counted from 1, 0 where none is to blame."""

    def __init__(self, reason: str, line: int = 0, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason, self.line, self.detail = reason, line, detail


@dataclass
class Document:
    """One document: its value, the line it begins in, where each field stands, and keys that are given twice.

    marks maps the id of every dictionary and list within to the lines of its entries. duplicates are (key, first line, second line).
    """

    value: Any
    line: int
    marks: dict[int, Any] = field(default_factory=dict)
    duplicates: list[tuple[str, int, int]] = field(default_factory=list)

    def lines(self, value: Any = None) -> dict[str, int]:
        """Paths of fields (spec.addresses[1]) to lines, counted from 1; a dictionary's field stands where its key does."""
        found: dict[str, int] = {}
        todo = [("", self.value if value is None else value)]
        while todo:
            path, one = todo.pop()
            marks = self.marks.get(id(one))
            if marks is None:
                continue
            if isinstance(one, dict):
                for key, below in one.items():
                    name = f"{path}.{key}" if path else key
                    found[name] = marks.get(key, self.line)
                    if isinstance(below, (dict, list)):
                        todo.append((name, below))
            else:
                for place, below in enumerate(one):
                    name = f"{path}[{place}]"
                    found[name] = marks[place]
                    if isinstance(below, (dict, list)):
                        todo.append((name, below))
        return found


@dataclass
class _Frame:
    """A dictionary or list that is being built."""

    value: Any
    marks: Any
    anchor: str | None
    line: int
    weight: int = 1
    key: str | None = None
    key_line: int = 0
    merging: bool = False
    merges: list[Any] = field(default_factory=list)


def resolve(text: str) -> Any:
    """What a plain scalar means to Kubernetes (YAML 1.1 without dates and base 60)."""
    if not text:
        return None
    if text[0] not in _FIRST:
        return text
    if text in _BOOLS:
        return _BOOLS[text]
    if text in _NULLS:
        return None
    if len(text) <= 40:
        if _INT.fullmatch(text):
            return _integer(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


def _integer(text: str) -> Any:
    plain = text.replace("_", "")
    sign = -1 if plain.startswith("-") else 1
    digits = plain.lstrip("+-").lower()
    try:
        if digits.startswith(("0x", "0b", "0o")):
            return sign * int(digits, 0)
        return sign * int(digits, 8 if len(digits) > 1 and digits.startswith("0") else 10)
    except ValueError:
        return text


def documents(text: str, yaml: Any) -> Iterator[Document]:
    """The documents of a text, one by one: what stands before a fault is given. yaml is PyYAML. Raises Unreadable."""
    loader = None
    try:
        # PyYAML without libyaml looks for control characters here.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        builder = _Builder(yaml)
        while loader.check_event():
            document = builder.take(loader.get_event())
            if document is not None:
                yield document
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = TEMPLATE if "{{" in text or "{%" in text else NOT_YAML
        said = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise Unreadable(reason, mark.line + 1 if mark is not None else 0, str(said)) from error
    except Unreadable as error:
        if error.reason == NOT_YAML and "{{" in text:
            error.reason = TEMPLATE
        raise
    except (ValueError, OverflowError) as error:
        raise Unreadable(NOT_YAML, 0, str(error)) from error
    finally:
        if loader is not None:
            loader.dispose()


class _Builder:
    def __init__(self, yaml: Any) -> None:
        self.scalar, self.alias = yaml.ScalarEvent, yaml.AliasEvent
        self.mapping, self.mapping_end = yaml.MappingStartEvent, yaml.MappingEndEvent
        self.sequence, self.sequence_end = yaml.SequenceStartEvent, yaml.SequenceEndEvent
        self.document, self.document_end = yaml.DocumentStartEvent, yaml.DocumentEndEvent
        self._begin(1)

    def _begin(self, line: int) -> None:
        self.frames: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open: set[str] = set()
        self.aliased = 0
        self.found = Document(None, line)

    def take(self, event: Any) -> Document | None:
        kind = type(event)
        if kind is self.scalar:
            self._scalar(event)
        elif kind is self.mapping or kind is self.sequence:
            line = event.start_mark.line + 1
            if len(self.frames) >= MAX_DEPTH:
                raise Unreadable(TOO_DEEP, line)
            if self.frames and self._wants_key(self.frames[-1]):
                raise Unreadable(NOT_YAML, line, "a key of a dictionary must be text")
            if not self.frames:
                self.found.line = line
            if event.anchor:
                self.open.add(event.anchor)
            value: Any = {} if kind is self.mapping else []
            marks: Any = {} if kind is self.mapping else []
            self.frames.append(_Frame(value, marks, event.anchor, line))
        elif kind is self.mapping_end or kind is self.sequence_end:
            self._close(event)
        elif kind is self.alias:
            self._alias(event)
        elif kind is self.document:
            self._begin(event.start_mark.line + 1)
        elif kind is self.document_end:
            return self.found
        return None

    @staticmethod
    def _wants_key(frame: _Frame) -> bool:
        return isinstance(frame.value, dict) and frame.key is None

    def _scalar(self, event: Any) -> None:
        text, line = event.value, event.start_mark.line + 1
        tag = event.tag
        plain = event.implicit[0] and (tag is None or tag == "!")
        if event.style == '"' and not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:  # "\ud800", which libyaml refuses and PyYAML's own parser does not
                raise Unreadable(NOT_YAML, line, "half of a character that takes two") from error
        if self.frames and self._wants_key(self.frames[-1]):
            frame = self.frames[-1]
            frame.key, frame.key_line, frame.merging = text, line, plain and text == "<<"
            if event.anchor:
                self.anchors[event.anchor] = (text, 1)
            return
        value: Any = text
        if plain or (tag and tag.startswith(_CORE) and tag[len(_CORE) :] in ("int", "float", "bool", "null")):
            value = resolve(text)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self._add(value, 1, line)

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if event.anchor in self.open:
            raise Unreadable(TOO_MANY_ALIASES, line, f"the alias {event.anchor} stands within what it means")
        if event.anchor not in self.anchors:
            raise Unreadable(NOT_YAML, line, f"there is no anchor for the alias {event.anchor}")
        value, weight = self.anchors[event.anchor]
        self.aliased += weight
        if self.aliased > MAX_ALIASED:
            raise Unreadable(TOO_MANY_ALIASES, line, f"aliases add more than {MAX_ALIASED} values")
        if self.frames and self._wants_key(self.frames[-1]):
            frame = self.frames[-1]
            if isinstance(value, (dict, list)):
                raise Unreadable(NOT_YAML, line, "a key of a dictionary must be text")
            frame.key, frame.key_line, frame.merging = str(value), line, False
            return
        self._add(value, weight, line)

    def _add(self, value: Any, weight: int, line: int) -> None:
        if not self.frames:
            self.found.value = value
            return
        frame = self.frames[-1]
        frame.weight += weight
        if isinstance(frame.value, list):
            frame.value.append(value)
            frame.marks.append(line)
            return
        key, frame.key = frame.key, None
        if frame.merging:
            frame.merging = False
            frame.merges += value if isinstance(value, list) else [value]
            return
        if key in frame.value:
            self.found.duplicates.append((str(key), frame.marks[key], frame.key_line))
        frame.value[key] = value
        frame.marks[key] = frame.key_line

    def _close(self, event: Any) -> None:
        frame = self.frames.pop()
        for merged in frame.merges:
            if not isinstance(merged, dict):
                raise Unreadable(NOT_YAML, event.start_mark.line + 1, "only a dictionary can be merged (<<)")
            marks = self.found.marks.get(id(merged), {})
            for key, value in merged.items():
                if key not in frame.value:
                    frame.value[key] = value
                    frame.marks[key] = marks.get(key, frame.line)
        self.found.marks[id(frame.value)] = frame.marks
        if frame.anchor:
            self.open.discard(frame.anchor)
            self.anchors[frame.anchor] = (frame.value, frame.weight)
        self._add(frame.value, frame.weight, frame.line)


def decode(raw: bytes) -> str:
    """Raises Unreadable."""
    if len(raw) > MAX_SIZE:
        raise Unreadable(TOO_LARGE, 0, f"it has more than {MAX_SIZE // 1_000_000} MB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(NOT_TEXT) from error


def load_text(text: Any, yaml: Any) -> Any:
    """A value that stands in a text within a manifest, such as Helm values; None where it is not valid YAML."""
    if not isinstance(text, str):
        return None
    try:
        return next((one.value for one in documents(text, yaml)), None)
    except Unreadable:
        return None


def as_json(text: str) -> Any:
    """JSON with tabs is no YAML to PyYAML. Raises Unreadable."""
    try:
        value = json.loads(text)
        level, depth = [value], 0
        while level:
            depth += 1
            if depth > MAX_DEPTH:
                raise RecursionError
            level = [
                below
                for one in level
                if isinstance(one, (dict, list))
                for below in (one.values() if isinstance(one, dict) else one)
            ]
        refuse_halves(text, value)
    except RecursionError as error:
        raise Unreadable("not valid JSON", 0, TOO_DEEP) from error
    except UnicodeEncodeError as error:
        raise Unreadable("not valid JSON", 0, "half of a character that takes two") from error
    except ValueError as error:
        said = str(getattr(error, "msg", "")) or "a number has too many digits"
        raise Unreadable("not valid JSON", getattr(error, "lineno", 0), said) from error
    return value


def read_octets(path: str) -> bytes:
    """What decode takes: one octet more than it accepts, so that it says so. Raises OSError, or OddFile for a FIFO or a device."""
    return read_beginning(path, MAX_SIZE + 1)
