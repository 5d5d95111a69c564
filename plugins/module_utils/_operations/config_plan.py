# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""How to get from the pools and advertisements that are there to those that are wanted. Decisions only, no I/O."""

from __future__ import annotations

import copy
import ipaddress
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import (
    AddressError,
    parse_span,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import as_text
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.owners import Evidence, owner_of

Object = dict[str, Any]
# (IP version, first, last) as numbers
Span = tuple[int, int, int]

OWNER_LABEL = "app.kubernetes.io/managed-by"
OWNER = "l2ops.metallb"
# No namespace can be called so: names of namespaces have no dots.
NO_NAMESPACE = "l2ops.metallb"
POOLS = "ipaddresspools"
ADVERTISEMENTS = "l2advertisements"

# What the CRDs fill in when it is left out.
DEFAULTS: dict[str, Object] = {POOLS: {"autoAssign": True, "avoidBuggyIPs": False}, ADVERTISEMENTS: {}}

# Of no interest in a diff: the API server's bookkeeping, and kubectl's copy of the whole object.
_BOOKKEEPING = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True)
class Change:
    """One request. partial is a step on the way, which a later step completes."""

    action: str  # create, update, delete
    plural: str
    name: str
    before: Object | None
    after: Object | None
    partial: bool = False

    @property
    def kind(self) -> str:
        return "IPAddressPool" if self.plural == POOLS else "L2Advertisement"


@dataclass(frozen=True)
class OwnedChange:
    """An update that is not sent, because an owner would undo it."""

    change: Change
    managed_by: str

    @property
    def differences(self) -> list[str]:
        """As "spec.addresses is [...], asked is [...]"."""
        before, after = shown(self.change.before), shown(self.change.after)
        found = []
        for part in ("spec", "metadata"):
            have, want = before.get(part) or {}, after.get(part) or {}
            for name in sorted({*have, *want}):
                if have.get(name) != want.get(name):
                    told = (json.dumps(one, sort_keys=True, default=str) for one in (have.get(name), want.get(name)))
                    found.append("{}.{} is {}, asked is {}".format(part, name, *told))
        return found

    def __str__(self) -> str:
        told = "; ".join(self.differences)
        return f"{self.change.kind} {self.change.name} is managed by {self.managed_by} and differs: {told}"

    def as_result(self) -> Object:
        return {
            "kind": self.change.kind,
            "name": self.change.name,
            "managed_by": self.managed_by,
            "differences": self.differences,
            "object": shown(self.change.after),
        }


def reconciler_of(obj: Object) -> str:
    """Who undoes changes of this object that are made in the cluster, in words; empty for nobody."""
    owner = owner_of(obj, Evidence(), as_text(obj.get("kind")))
    return str(owner) if owner.reconciles else ""


@dataclass(frozen=True)
class ConfigPlan:
    """What changes, per object, and in which order it is to be sent."""

    changes: list[Change] = field(default_factory=list)
    steps: list[Change] = field(default_factory=list)
    unchanged: list[Object] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    # What is asked for of objects that another tool owns, and would undo: its source has to change, not the cluster.
    owned: list[OwnedChange] = field(default_factory=list)

    @property
    def frees_addresses(self) -> bool:
        """Some pool gives up addresses: a dry run of another that takes them is refused, as none was given up yet."""
        return any(
            step.plural == POOLS and step.action != "create" and lost(step.before, step.after) for step in self.changes
        )

    def wanted(self, plural: str) -> list[Object]:
        """The objects of a kind as they will be, without those that go."""
        return [step.after for step in self.changes if step.plural == plural and step.after is not None] + [
            obj for obj in self.unchanged if obj["kind"] == ("IPAddressPool" if plural == POOLS else "L2Advertisement")
        ]


def plan(current: dict[str, Sequence[Object]], wanted: dict[str, Sequence[Object]], prune: bool) -> ConfigPlan:
    """current and wanted map a plural kind to objects. What is not named stays; with prune it goes, if it is ours.

    A kind that is not in wanted at all is none of this run's business.
    """
    changes: list[Change] = []
    unchanged: list[Object] = []
    foreign: list[str] = []
    owned: list[OwnedChange] = []
    for plural in (POOLS, ADVERTISEMENTS):
        there = {obj["metadata"]["name"]: obj for obj in current.get(plural, ())}
        if plural not in wanted:
            unchanged += there.values()
            continue
        named = set()
        for target in wanted[plural]:
            name = target["metadata"]["name"]
            named.add(name)
            before = there.get(name)
            if before is None:
                changes.append(Change("create", plural, name, None, adopted(target)))
                continue
            reconciler = reconciler_of(before)
            if reconciler:
                after = intended(before, target, plural, mark=False)
                if after != before:
                    owned.append(OwnedChange(Change("update", plural, name, before, after), reconciler))
                unchanged.append(before)
                continue
            other = other_owner(before)
            if other:
                foreign.append(f"{before['kind']} {name} ({other})")
            after = intended(before, target, plural)
            if after == before:
                unchanged.append(before)
            else:
                changes.append(Change("update", plural, name, before, after))
        for name, obj in there.items():
            if name in named:
                continue
            if prune and is_ours(obj) and not reconciler_of(obj):
                changes.append(Change("delete", plural, name, obj, None))
            else:
                unchanged.append(obj)
    return ConfigPlan(changes, ordered(changes, current.get(POOLS, ())), unchanged, foreign, owned)


def adopted(target: Object) -> Object:
    """A new object, with our label."""
    obj = copy.deepcopy(target)
    labels = obj["metadata"].setdefault("labels", {})
    labels.setdefault(OWNER_LABEL, OWNER)
    return obj


def intended(before: Object, target: Object, plural: str, mark: bool = True) -> Object:
    """The object that is there, with what is wanted. Labels and annotations of others stay, and all the rest.

    mark adds our label.
    """
    after = copy.deepcopy(before)
    metadata = after["metadata"]
    labels = dict(metadata.get("labels") or {})
    labels.update(target["metadata"].get("labels") or {})
    # Another tool's mark is not ours to take; its object is not ours to prune either.
    if mark:
        labels.setdefault(OWNER_LABEL, OWNER)
    if labels or "labels" in metadata:
        metadata["labels"] = labels
    annotations = dict(metadata.get("annotations") or {})
    annotations.update(target["metadata"].get("annotations") or {})
    if annotations or "annotations" in metadata:
        metadata["annotations"] = annotations
    if not same_spec(before.get("spec") or {}, target.get("spec") or {}, plural):
        after["spec"] = dict(DEFAULTS[plural], **target.get("spec") or {})
    return after


def same_spec(one: Object, other: Object, plural: str) -> bool:
    def whole(spec: Object) -> Object:
        # An empty list means the same as none; an empty selector within a list does not.
        given = {key: part for key, part in spec.items() if part is not None and part != []}
        return dict(DEFAULTS[plural], **given)

    return whole(one) == whole(other)


def is_ours(obj: Object) -> bool:
    return ((obj.get("metadata") or {}).get("labels") or {}).get(OWNER_LABEL) == OWNER


def other_owner(obj: Object) -> str:
    """Who else keeps this object, and would change it back; "" for nobody known."""
    metadata = obj.get("metadata") or {}
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    if labels.get(OWNER_LABEL) not in (None, OWNER):
        return f"managed by {labels[OWNER_LABEL]}"
    if "argocd.argoproj.io/tracking-id" in annotations or "argocd.argoproj.io/instance" in labels:
        return "managed by Argo CD"
    if "kustomize.toolkit.fluxcd.io/name" in labels or "helm.toolkit.fluxcd.io/name" in labels:
        return "managed by Flux"
    return ""


# -- order ------------------------------------------------------------------------------------------------------------


def ordered(changes: Sequence[Change], pools: Sequence[Object]) -> list[Change]:
    """Pools before advertisements, and of pools deletions first; advertisements that go come last.

    MetalLB refuses pools that overlap, at every moment: what a pool takes over, another must have given up before. An
    advertisement goes when what replaces it is there, so a run that is interrupted leaves nothing without announcement.
    """
    gone = [step for step in changes if step.action == "delete"]
    steps = [step for step in gone if step.plural == POOLS]
    held = {obj["metadata"]["name"]: spans_of(obj) for obj in pools}
    for step in steps:
        held.pop(step.name, None)
    steps += _without_overlap([step for step in changes if step.plural == POOLS and step.action != "delete"], held)
    steps += [step for step in changes if step.plural == ADVERTISEMENTS and step.action != "delete"]
    return steps + [step for step in gone if step.plural == ADVERTISEMENTS]


def _without_overlap(todo: Sequence[Change], held: dict[str, list[Span]]) -> list[Change]:
    steps: list[Change] = []
    waiting = list(todo)
    while waiting:
        for step in waiting:
            others = [span for name, spans in held.items() if name != step.name for span in spans]
            if not overlapping(spans_of(step.after), others):
                break
        else:
            aside = _way_out(waiting, held)
            if aside is None:
                # Not ours to solve: the pool in the way stays. The webhook, and MLB303 before it, say which it is.
                return steps + waiting
            steps.append(aside)
            held[aside.name] = spans_of(aside.after)
            waiting = [
                Change("update", one.plural, one.name, aside.after, one.after) if one.name == aside.name else one
                for one in waiting
            ]
            continue
        steps.append(step)
        held[step.name] = spans_of(step.after)
        waiting.remove(step)
    return steps


def _way_out(waiting: Sequence[Change], held: dict[str, list[Span]]) -> Change | None:
    """Pools that want each other's addresses: one of them first gives up what it will not keep.

    It is never deleted for that: whoever is interrupted there would lose what others wrote on it.
    """
    for step in waiting:
        if step.before is None or step.after is None or not lost_spans(held.get(step.name, []), spans_of(step.after)):
            continue
        if ((step.before["spec"].get("serviceAllocation") or {}).get("namespaces") or []) == [NO_NAMESPACE]:
            continue  # It has given up everything already.
        smaller = copy.deepcopy(step.before)
        keep = common_spans(spans_of(step.before), spans_of(step.after))
        if keep:
            smaller["spec"]["addresses"] = [text_of(span) for span in keep]
        else:
            # A pool without addresses is refused: for the moment it has one that is on no LAN, and gives it to nobody.
            taken = [span for spans_held in held.values() for span in spans_held]
            taken += [span for one in waiting for span in spans_of(one.after)]
            free = next((one for one in _documentation() if not overlapping([one], taken)), None)
            if free is None:
                continue
            smaller["spec"].update(
                addresses=[text_of(free)],
                autoAssign=False,
                avoidBuggyIPs=False,
                serviceAllocation={"namespaces": [NO_NAMESPACE]},
            )
        return Change("update", step.plural, step.name, step.before, smaller, partial=True)
    return None


def _documentation() -> Iterator[Span]:
    """Addresses that RFC 5737 keeps for documentation."""
    for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"):
        span = parse_span(network)
        for number in range(span.first + 1, span.last):
            yield span.version, number, number


# -- addresses --------------------------------------------------------------------------------------------------------


def addresses_of(pool: Object | None) -> list[str]:
    return [str(text) for text in ((pool or {}).get("spec") or {}).get("addresses") or []]


def spans_of(pool: Object | None) -> list[Span]:
    return spans(addresses_of(pool))


def spans(addresses: Iterable[str]) -> list[Span]:
    """As MetalLB reads the addresses of a pool (_model/addresses.py). What is unreadable is left to the rules (MLB309)."""
    found: list[Span] = []
    for text in addresses:
        try:
            span = parse_span(text.strip())
        except AddressError:
            continue
        found.append((span.version, span.first, span.last))
    return found


def overlapping(some: Iterable[Span], others: Iterable[Span]) -> bool:
    others = list(others)
    return any(
        version == other and first <= other_last and other_first <= last
        for version, first, last in some
        for other, other_first, other_last in others
    )


def lost(before: Object | None, after: Object | None) -> list[Span]:
    """What a pool gives up."""
    return lost_spans(spans_of(before), spans_of(after))


def lost_spans(before: Iterable[Span], after: Iterable[Span]) -> list[Span]:
    left = list(before)
    for version, first, last in after:
        rest: list[Span] = []
        for span in left:
            if span[0] != version or span[2] < first or last < span[1]:
                rest.append(span)
                continue
            if span[1] < first:
                rest.append((version, span[1], first - 1))
            if last < span[2]:
                rest.append((version, last + 1, span[2]))
        left = rest
    return left


def common_spans(some: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    others = list(others)
    return [
        (version, max(first, other_first), min(last, other_last))
        for version, first, last in some
        for other, other_first, other_last in others
        if version == other and first <= other_last and other_first <= last
    ]


def text_of(span: Span) -> str:
    version, first, last = span
    address = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    return f"{address(first)}-{address(last)}"


# -- requests and diffs -----------------------------------------------------------------------------------------------


def merge_patch(before: Object, after: Object) -> Object:
    """RFC 7386, from one to the other, and only if nobody changed it meanwhile."""

    def difference(old: Object, new: Object) -> Object:
        patch: Object = {key: None for key in old if key not in new}
        for key, part in new.items():
            if key not in old:
                patch[key] = part
            elif isinstance(part, dict) and isinstance(old[key], dict):
                inner = difference(old[key], part)
                if inner:
                    patch[key] = inner
            elif part != old[key]:
                patch[key] = part
        return patch

    patch = difference(before, after)
    if patch and before["metadata"].get("resourceVersion"):
        patch.setdefault("metadata", {})["resourceVersion"] = before["metadata"]["resourceVersion"]
    return patch


def shown(obj: Object | None) -> Object:
    """The part of an object that people write."""
    if obj is None:
        return {}
    clean = {key: copy.deepcopy(part) for key, part in obj.items() if key != "status"}
    metadata = clean.get("metadata") or {}
    for key in _BOOKKEEPING:
        metadata.pop(key, None)
    if metadata.get("annotations"):
        metadata["annotations"].pop(_LAST_APPLIED, None)
    for key in ("annotations", "labels"):
        if key in metadata and not metadata[key]:
            del metadata[key]
    return clean


def diff_of(step: Change) -> Object:
    header = f"{step.kind} {step.name}"
    return {
        "before_header": header,
        "after_header": header,
        "before": shown(step.before),
        "after": shown(step.after),
    }
