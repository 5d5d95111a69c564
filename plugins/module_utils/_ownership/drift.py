# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What a release made, compared with what is there now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Union

from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_list,
    as_text,
    metadata_of,
)

MISSING, DIFFERS, FOREIGN = "missing", "differs", "foreign"
# kind, namespace, name
Key = tuple[str, str, str]
PathPart = Union[str, int]

CLUSTER_WIDE = frozenset(
    [
        "Namespace",
        "CustomResourceDefinition",
        "ClusterRole",
        "ClusterRoleBinding",
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "PriorityClass",
        "PodSecurityPolicy",
    ]
)


@dataclass(frozen=True)
class Difference:
    """One thing that a release set and that is otherwise now. path is empty where the whole object is missing."""

    problem: str
    kind: str
    namespace: str
    name: str
    path: str = ""
    wanted: str = ""
    found: str = ""
    by: str = ""

    def __str__(self) -> str:
        what = f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"
        if self.problem == MISSING:
            return f"{what} is missing"
        by = f" (written by {self.by})" if self.by else ""
        if self.problem == FOREIGN:
            return f"{what}: {self.path} has {self.found}, which the release does not set{by}"
        return f"{what}: {self.path} is {self.found or 'not set'}, the release sets {self.wanted}{by}"

    def as_result(self) -> Object:
        return {
            "problem": self.problem,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "path": self.path,
            "wanted": self.wanted,
            "found": self.found,
            "by": self.by,
            "summary": str(self),
        }

    @classmethod
    def from_result(cls, raw: Any) -> Difference:
        raw = as_dict(raw)
        names = ("problem", "kind", "namespace", "name", "path", "wanted", "found", "by")
        return cls(**{name: as_text(raw.get(name)) for name in names})


def key_of(obj: Object, namespace: str) -> Key:
    """Kind, namespace and name of an object of a release in this namespace."""
    metadata, kind = metadata_of(obj), as_text(obj.get("kind"))
    home = "" if kind in CLUSTER_WIDE else as_text(metadata.get("namespace")) or namespace
    return kind, home, as_text(metadata.get("name"))


def plural_of(kind: str) -> str:
    """The plural under which the API server serves a kind."""
    word = kind.lower()
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "ch", "x")) else f"{word}s"


def differences(wanted: Sequence[Object], live: Mapping[Key, Object | None], namespace: str) -> list[Difference]:
    """Every object of the release compared with the live one. live maps objects that do not exist to None; others were not read."""
    found: list[Difference] = []
    for obj in wanted:
        key = key_of(obj, namespace)
        if key not in live:
            continue
        there = live[key]
        if there is None:
            found.append(Difference(MISSING, *key))
            continue
        for problem, path, want, have in _compare(obj, there):
            found.append(
                Difference(problem, *key, path_text(path), shown(want), shown(have), writer_of(there, path, problem))
            )
    return found


# -- one object -------------------------------------------------------------------------------------------------------

_Found = tuple[str, tuple[PathPart, ...], Any, Any]
# Written by others as a matter of course, or nobody's business.
_SKIPPED = frozenset(["status", "caBundle"])
_SECRET_FIELDS = ("data", "stringData")
# Maps of which a key too many keeps pods off nodes.
_EXACT = frozenset(["nodeSelector"])


def _compare(wanted: Object, live: Object) -> Iterator[_Found]:
    secret = wanted.get("kind") == "Secret"
    for field in wanted:
        if field in ("apiVersion", "kind", "status") or (secret and field in _SECRET_FIELDS):
            continue
        if field == "metadata":
            for part in ("labels", "annotations"):
                yield from _map((field, part), as_dict(metadata_of(wanted).get(part)), _metadata(live, part))
            continue
        yield from _field((field,), wanted[field], live.get(field))
    pod = as_dict(as_dict(as_dict(wanted.get("spec")).get("template")).get("spec"))
    there = as_dict(as_dict(as_dict(live.get("spec")).get("template")).get("spec"))
    if pod:
        for field in ("nodeSelector", "affinity"):
            if not pod.get(field) and there.get(field):
                yield FOREIGN, ("spec", "template", "spec", field), None, there[field]


def _metadata(live: Object, part: str) -> Object:
    return as_dict(metadata_of(live).get(part))


def _field(path: tuple[PathPart, ...], wanted: Any, live: Any) -> Iterator[_Found]:
    if path[-1] in _SKIPPED or wanted is None:
        return
    if isinstance(wanted, dict):
        if live is None:
            if not _empty(wanted):
                yield DIFFERS, path, wanted, None
        elif isinstance(live, dict):
            yield from _map(path, wanted, live)
        else:
            yield DIFFERS, path, wanted, live
    elif isinstance(wanted, list):
        yield from _list(path, wanted, as_list(live))
    elif not _same(path, wanted, live):
        yield DIFFERS, path, wanted, live


def _map(path: tuple[PathPart, ...], wanted: Object, live: Object) -> Iterator[_Found]:
    for key, want in wanted.items():
        yield from _field((*path, as_text(key)), want, live.get(key))
    # One key says all; an empty map is asked of the template as a whole.
    if path[-1] in _EXACT and wanted:
        for key in sorted(set(live) - set(wanted)):
            yield FOREIGN, (*path, as_text(key)), None, live[key]


def _list(path: tuple[PathPart, ...], wanted: list[Any], live: list[Any]) -> Iterator[_Found]:
    if wanted and all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in wanted):
        yield from _named_list(path, wanted, live)
        return
    if not wanted and not live:
        return
    left = list(live)
    for want in wanted:
        match = next((place for place, have in enumerate(left) if _fits(path, want, have)), None)
        if match is None:
            yield DIFFERS, path, wanted, live
            return
        left.pop(match)
    if left:
        yield DIFFERS, path, wanted, live


def _named_list(path: tuple[PathPart, ...], wanted: list[Any], live: list[Any]) -> Iterator[_Found]:
    # Names are unique in most lists; where they are not (mounts of one volume, subjects), the whole element has to fit.
    names = [one["name"] for one in wanted]
    there = [as_dict(one) for one in live]
    for want in wanted:
        same = [have for have in there if have.get("name") == want["name"]]
        if not same:
            yield DIFFERS, (*path, f"[{want['name']}]"), want, None
        elif names.count(want["name"]) > 1 or len(same) > 1:
            if not any(_fits(path, want, have) for have in same):
                yield DIFFERS, (*path, f"[{want['name']}]"), want, same[0]
        else:
            yield from _map((*path, f"[{want['name']}]"), want, same[0])


def _fits(path: tuple[PathPart, ...], wanted: Any, live: Any) -> bool:
    return not any(True for _one in _field((*path, 0), wanted, live))


def _empty(thing: Any) -> bool:
    """Whether it says nothing: the API server drops such fields."""
    if isinstance(thing, dict):
        return all(_empty(one) for one in thing.values())
    if isinstance(thing, list):
        return not thing
    return thing in (None, "", False) or (thing == 0 and isinstance(thing, int))


def _same(path: tuple[PathPart, ...], wanted: Any, live: Any) -> bool:
    if live is None:
        return _empty(wanted)
    if wanted == live and isinstance(wanted, bool) == isinstance(live, bool):
        return True
    if {"resources", "limits", "requests"} & set(path):
        one, other = _quantity(wanted), _quantity(live)
        return one is not None and one == other
    if isinstance(wanted, bool) or isinstance(live, bool):
        return False
    # Labels and ports are text in one place and numbers in the other.
    return as_text(wanted) == as_text(live)


_SUFFIXES = {
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


def _quantity(raw: Any) -> Decimal | None:
    text = as_text(raw).strip()
    suffix = next((one for one in sorted(_SUFFIXES, key=len, reverse=True) if text.endswith(one)), "")
    try:
        return Decimal(text[: len(text) - len(suffix)]) * _SUFFIXES.get(suffix, Decimal(1))
    except InvalidOperation:
        return None


# -- for people -------------------------------------------------------------------------------------------------------


def path_text(path: Sequence[PathPart]) -> str:
    text = ""
    for step in path:
        step = str(step)
        text += step if step.startswith("[") or not text else f".{step}"
    return text


def shown(thing: Any, most: int = 300) -> str:
    """A value for a sentence."""
    if thing is None:
        return ""
    text = thing if isinstance(thing, str) else json.dumps(thing, sort_keys=True, default=str)
    return text if len(text) <= most else f"{text[:most]} …"


# -- by whom ----------------------------------------------------------------------------------------------------------

_OWN_MANAGERS = ("helm", "Helm")


def writer_of(live: Object, path: Sequence[PathPart], problem: str) -> str:
    """Who wrote this field, as far as managedFields tell; of a field that is gone, who wrote the object last after Helm."""
    deepest, writer = 0, ""
    last: tuple[str, str] = ("", "")
    for entry in map(as_dict, as_list(metadata_of(live).get("managedFields"))):
        manager = as_text(entry.get("manager"))
        if entry.get("subresource") or not manager:
            continue
        if manager not in _OWN_MANAGERS:
            last = max(last, (as_text(entry.get("time")), manager))
        depth = _depth(as_dict(entry.get("fieldsV1")), path)
        if depth > deepest or (depth == deepest and depth and writer in _OWN_MANAGERS):
            deepest, writer = depth, manager
    if deepest == len(path) and writer not in _OWN_MANAGERS:
        return writer
    return last[1]


def _depth(fields: Object, path: Sequence[PathPart]) -> int:
    depth = 0
    for step in path:
        text = str(step)
        if text.startswith("["):
            name = text[1:-1]
            keys = [key for key in fields if key.startswith("k:") and f'"name":"{name}"' in key]
            following = fields.get(keys[0]) if keys else None
        else:
            following = fields.get(f"f:{text}")
        if following is None:
            return depth
        depth += 1
        fields = as_dict(following)
    return depth
