# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Label selectors of Kubernetes, and an index of labelled objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import Labels, as_dict, as_text, as_texts

# -- selectors --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Selector:
    """A metav1.LabelSelector. One without requirements matches everything; one with an error matches nothing."""

    equal: tuple[tuple[str, str], ...] = ()
    expressions: tuple[tuple[str, str, frozenset[str]], ...] = ()
    error: str = ""

    @classmethod
    def from_object(cls, raw: Any) -> Selector:
        if not isinstance(raw, dict):
            return cls(error="it must be a dictionary with matchLabels or matchExpressions")
        unknown = sorted(str(key) for key in raw if key not in ("matchLabels", "matchExpressions"))
        if unknown:
            return cls(error=f"it has {', '.join(unknown)}; only matchLabels and matchExpressions are known")
        labels = raw.get("matchLabels")
        if labels is not None and not isinstance(labels, dict):
            return cls(error="matchLabels must be a dictionary")
        wrong = [key for key, text in (labels or {}).items() if not isinstance(text, str)]
        if wrong:
            return cls(error=f"the value of matchLabels.{wrong[0]} is no text; put it in quotes")
        equal = tuple(sorted((str(key), str(text)) for key, text in (labels or {}).items()))
        given = raw.get("matchExpressions")
        if given is not None and not isinstance(given, list):
            return cls(error="matchExpressions must be a list")
        expressions = []
        for one in given or []:
            one = as_dict(one)
            key, operator, among = as_text(one.get("key")), as_text(one.get("operator")), as_texts(one.get("values"))
            if not key:
                return cls(error="a matchExpression has no key")
            if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
                return cls(error=f"operator {operator!r} is none of In, NotIn, Exists, DoesNotExist")
            if operator in ("In", "NotIn") and not among:
                return cls(error=f"operator {operator} on {key} needs values")
            if operator in ("Exists", "DoesNotExist") and among:
                return cls(error=f"operator {operator} on {key} must have no values")
            if len(set(among)) < len(among):
                return cls(error=f"operator {operator} on {key} names a value twice")
            expressions.append((key, operator, frozenset(among)))
        return cls(equal, tuple(expressions))

    def matches(self, labels: Labels) -> bool:
        if self.error:
            return False
        for key, text in self.equal:
            if labels.get(key) != text:
                return False
        for key, operator, among in self.expressions:
            there = key in labels
            if operator == "In":
                if not there or labels[key] not in among:
                    return False
            elif operator == "NotIn":
                if there and labels[key] in among:
                    return False
            elif there != (operator == "Exists"):
                return False
        return True

    def __str__(self) -> str:
        parts = [f"{key}={text}" for key, text in self.equal]
        for key, operator, among in self.expressions:
            if operator in ("In", "NotIn"):
                parts.append(f"{key} {'in' if operator == 'In' else 'notin'} ({', '.join(sorted(among))})")
            else:
                parts.append(key if operator == "Exists" else f"!{key}")
        return ",".join(parts) or "everything"


def read_selectors(raw: Any, path: str, problems: list[tuple[str, str]]) -> tuple[Selector, ...]:
    """A list of selectors; what is wrong with them is added to problems, as MetalLB would reject it."""
    if raw is None:
        return ()
    if not isinstance(raw, list):
        problems.append((path, "it must be a list of label selectors"))
        return ()
    selectors: list[Selector] = []
    for place, one in enumerate(raw):
        selector = Selector.from_object(one)
        if selector.error:
            problems.append((f"{path}[{place}]", selector.error))
        elif selector in selectors:
            problems.append((f"{path}[{place}]", "the same selector stands twice in the list"))
        selectors.append(selector)
    return tuple(selectors)


def _read_names(raw: Any, path: str, problems: list[tuple[str, str]], unique: bool = True) -> tuple[str, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list) or any(not isinstance(one, str) for one in raw):
        problems.append((path, "it must be a list of texts"))
        return as_texts(raw)
    seen: set[str] = set()
    for place, one in enumerate(raw):
        if unique and one in seen:
            problems.append((f"{path}[{place}]", f"{one} stands twice in the list"))
        seen.add(one)
    return tuple(raw)


class LabelIndex:
    """Which of many labelled things a selector chooses, without asking each of them."""

    def __init__(self, labelled: Iterable[tuple[str, Labels]]) -> None:
        everything: set[str] = set()
        self._pairs: dict[tuple[str, str], set[str]] = {}
        self._keys: dict[str, set[str]] = {}
        for name, labels in labelled:
            everything.add(name)
            for key, text in labels.items():
                self._pairs.setdefault((key, text), set()).add(name)
                self._keys.setdefault(key, set()).add(name)
        self.everything = frozenset(everything)
        self._cache: dict[Selector, frozenset[str]] = {}

    def select(self, selector: Selector) -> frozenset[str]:
        found = self._cache.get(selector)
        if found is None:
            found = self._cache[selector] = frozenset(self._select(selector))
        return found

    def any_of(self, selectors: Iterable[Selector]) -> frozenset[str]:
        return frozenset().union(*(self.select(selector) for selector in selectors))

    def _select(self, selector: Selector) -> Iterable[str]:
        if selector.error:
            return ()
        nothing: set[str] = set()
        chosen: set[str] | frozenset[str] = self.everything
        for pair in selector.equal:
            chosen = chosen & self._pairs.get(pair, nothing)
        for key, operator, among in selector.expressions:
            if operator in ("In", "NotIn"):
                having = nothing.union(*(self._pairs.get((key, text), nothing) for text in among))
            else:
                having = self._keys.get(key, nothing)
            chosen = chosen & having if operator in ("In", "Exists") else chosen - having
        return chosen
