# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Frozen records of what is judged, each made from a raw Kubernetes object by from_object.

No object, however malformed, makes from_object fail: a field of the wrong type counts as absent, and pools and
advertisements note what is wrong with them in ``problems``, as (path of the field, why).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import AddressError, Span, parse_span
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import (
    ADVERTISEMENT_FIELDS,
    ALLOCATION_FIELDS,
    LATER_ADVERTISEMENT_FIELDS,
    POOL_FIELDS,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Key,
    Labels,
    Object,
    Problems,
    as_dict,
    as_int,
    as_labels,
    as_list,
    as_text,
    as_texts,
    is_unknown,
    metadata_of,
    seconds_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.selectors import (
    Selector,
    _read_names,
    read_selectors,
)

# Why a range has no span, where its value is filled in later.
NOT_KNOWN = "its value is not known"

# -- MetalLB's own ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Allocation:
    """serviceAllocation of a pool (internal/config/config.go addressPoolServiceAllocationsFromCR)."""

    priority: int
    namespaces: tuple[str, ...]
    namespace_selectors: tuple[Selector, ...]
    service_selectors: tuple[Selector, ...]


@dataclass(frozen=True)
class Pool:
    """ranges has one entry per text of spec.addresses, in order: the text, and its Span or why it has none."""

    namespace: str
    name: str
    labels: Labels
    annotations: Labels
    ranges: tuple[tuple[str, Span | None, str], ...]
    auto_assign: bool
    avoid_buggy: bool
    allocation: Allocation | None
    problems: Problems
    unknown_fields: tuple[str, ...]
    # Entries of addresses whose value is not known: a variable, or encrypted. They have no span.
    unknown_ranges: int = 0

    @classmethod
    def from_object(cls, obj: Object) -> Pool:
        metadata, spec = metadata_of(obj), as_dict(obj.get("spec"))
        problems: list[tuple[str, str]] = []
        given = spec.get("addresses")
        if isinstance(given, str) and is_unknown(given):
            given = [given]
        if not isinstance(given, list) or not given:
            problems.append(("spec.addresses", "it must be a list of at least one range or prefix"))
            given = [given] if isinstance(given, str) else []
        ranges: list[tuple[str, Span | None, str]] = []
        unknown_ranges = 0
        for text in given:
            text = as_text(text)
            if is_unknown(text):
                unknown_ranges += 1
                # Its place is kept: paths count entries.
                ranges.append((text, None, NOT_KNOWN))
                continue
            try:
                ranges.append((text, parse_span(text), ""))
            except AddressError as error:
                ranges.append((text, None, str(error)))
        unknown = [f"spec.{key}" for key in spec if key not in POOL_FIELDS]
        allocation = None
        raw = spec.get("serviceAllocation")
        if isinstance(raw, dict):
            path = "spec.serviceAllocation"
            unknown += [f"{path}.{key}" for key in raw if key not in ALLOCATION_FIELDS]
            allocation = Allocation(
                priority=as_int(raw.get("priority")),
                namespaces=_read_names(raw.get("namespaces"), f"{path}.namespaces", problems),
                namespace_selectors=read_selectors(
                    raw.get("namespaceSelectors"), f"{path}.namespaceSelectors", problems
                ),
                service_selectors=read_selectors(raw.get("serviceSelectors"), f"{path}.serviceSelectors", problems),
            )
        elif raw is not None:
            problems.append(("spec.serviceAllocation", "it must be a dictionary"))
        return cls(
            namespace=as_text(metadata.get("namespace")),
            name=as_text(metadata.get("name")),
            labels=as_labels(metadata.get("labels")),
            annotations=as_labels(metadata.get("annotations")),
            ranges=tuple(ranges),
            auto_assign=spec.get("autoAssign") is not False,
            avoid_buggy=spec.get("avoidBuggyIPs") is True,
            allocation=allocation,
            problems=tuple(problems),
            unknown_fields=tuple(unknown),
            unknown_ranges=unknown_ranges,
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(span for _text, span, _why in self.ranges if span is not None)


def _read_preferences(raw: object, problems: list[tuple[str, str]]) -> Iterator[tuple[int, Selector]]:
    """preferredNodeSelectors (0.16.2): a weight from 1 to 100 and a selector; an empty one matches every node."""
    path = "spec.preferredNodeSelectors"
    if raw is not None and not isinstance(raw, list):
        problems.append((path, "it must be a list of weights and preferences"))
    for place, one in enumerate(as_list(raw)):
        entry = as_dict(one)
        weight = entry.get("weight")
        if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= 100:
            problems.append((f"{path}[{place}].weight", f"{weight!r} is not a number from 1 to 100"))
            continue
        selector = Selector.from_object(entry.get("preference") if entry.get("preference") is not None else {})
        if selector.error:
            problems.append((f"{path}[{place}].preference", selector.error))
            continue
        yield weight, selector


@dataclass(frozen=True)
class Advertisement:
    """An L2Advertisement. service_selectors is None where the field is not given; changed is 0 where nobody says when.

    preferences are the weights of preferredNodeSelectors (1 to 100) with the nodes that they are for. given are the names of
    the fields of spec that hold something.
    """

    namespace: str
    name: str
    labels: Labels
    annotations: Labels
    pools: tuple[str, ...]
    pool_selectors: tuple[Selector, ...]
    node_selectors: tuple[Selector, ...]
    interfaces: tuple[str, ...]
    service_selectors: tuple[Selector, ...] | None
    problems: Problems
    unknown_fields: tuple[str, ...]
    changed: float = 0.0
    preferences: tuple[tuple[int, Selector], ...] = ()
    given: frozenset[str] = frozenset()

    @classmethod
    def from_object(cls, obj: Object) -> Advertisement:
        metadata, spec = metadata_of(obj), as_dict(obj.get("spec"))
        problems: list[tuple[str, str]] = []
        selectors: tuple[Selector, ...] | None = None
        if spec.get("serviceSelectors"):
            selectors = read_selectors(spec.get("serviceSelectors"), "spec.serviceSelectors", problems)
        preferences = tuple(_read_preferences(spec.get("preferredNodeSelectors"), problems))
        known = ADVERTISEMENT_FIELDS | LATER_ADVERTISEMENT_FIELDS
        return cls(
            namespace=as_text(metadata.get("namespace")),
            name=as_text(metadata.get("name")),
            labels=as_labels(metadata.get("labels")),
            annotations=as_labels(metadata.get("annotations")),
            pools=_read_names(spec.get("ipAddressPools"), "spec.ipAddressPools", problems),
            pool_selectors=read_selectors(spec.get("ipAddressPoolSelectors"), "spec.ipAddressPoolSelectors", problems),
            node_selectors=read_selectors(spec.get("nodeSelectors"), "spec.nodeSelectors", problems),
            interfaces=_read_names(spec.get("interfaces"), "spec.interfaces", problems, unique=False),
            service_selectors=selectors,
            problems=tuple(problems),
            unknown_fields=tuple(f"spec.{key}" for key in spec if key not in known),
            preferences=preferences,
            given=frozenset(key for key, given in spec.items() if given not in (None, [], {}, "")),
            changed=max(
                seconds_of(metadata.get("creationTimestamp")),
                max(
                    (seconds_of(as_dict(one).get("time")) for one in as_list(metadata.get("managedFields"))),
                    default=0.0,
                ),
            ),
        )

    @property
    def all_pools(self) -> bool:
        return not self.pools and not self.pool_selectors


@dataclass(frozen=True)
class BgpAdvertisement:
    """A BGPAdvertisement, as far as it advertises pools."""

    name: str
    pools: tuple[str, ...]
    pool_selectors: tuple[Selector, ...]

    @classmethod
    def from_object(cls, obj: Object) -> BgpAdvertisement:
        spec = as_dict(obj.get("spec"))
        return cls(
            name=as_text(metadata_of(obj).get("name")),
            pools=as_texts(spec.get("ipAddressPools")),
            pool_selectors=read_selectors(spec.get("ipAddressPoolSelectors"), "", []),
        )


def is_metallb_webhook(hook: Object) -> bool:
    """Whether a webhook of a ValidatingWebhookConfiguration of any name is MetalLB's: by its name, or by the kinds that it is asked about."""
    if as_text(hook.get("name")).endswith("metallb.io"):
        return True
    return any("metallb.io" in as_texts(as_dict(one).get("apiGroups")) for one in as_list(hook.get("rules")))


@dataclass(frozen=True)
class L2Status:
    """A ServiceL2Status. label_node is what its writer thought, node is what it could write."""

    namespace: str
    name: str
    service: Key
    node: str
    label_node: str
    interfaces: tuple[str, ...]
    owner_uid: str
    created: float

    @classmethod
    def from_object(cls, obj: Object) -> L2Status:
        metadata, status = metadata_of(obj), as_dict(obj.get("status"))
        labels = as_labels(metadata.get("labels"))
        owners = [as_dict(one) for one in as_list(metadata.get("ownerReferences"))]
        return cls(
            namespace=as_text(metadata.get("namespace")),
            name=as_text(metadata.get("name")),
            service=(
                labels.get("metallb.io/service-namespace") or as_text(status.get("serviceNamespace")),
                labels.get("metallb.io/service-name") or as_text(status.get("serviceName")),
            ),
            node=as_text(status.get("node")),
            label_node=labels.get("metallb.io/node", ""),
            interfaces=tuple(as_text(as_dict(one).get("name")) for one in as_list(status.get("interfaces"))),
            owner_uid=next((as_text(one.get("uid")) for one in owners if one.get("kind") == "Pod"), ""),
            created=seconds_of(metadata.get("creationTimestamp")),
        )


@dataclass(frozen=True)
class ConfigState:
    """A ConfigurationState (0.15.3 and later): component is controller or speaker, node only for speakers."""

    namespace: str
    name: str
    component: str
    node: str
    result: str
    error: str
    changed: float

    @classmethod
    def from_object(cls, obj: Object) -> ConfigState:
        metadata, status = metadata_of(obj), as_dict(obj.get("status"))
        labels = as_labels(metadata.get("labels"))
        conditions = [as_dict(one) for one in as_list(status.get("conditions"))]
        said = [
            as_text(one.get("message")) for one in conditions if one.get("status") == "False" and one.get("message")
        ]
        return cls(
            namespace=as_text(metadata.get("namespace")),
            name=as_text(metadata.get("name")),
            component=labels.get("metallb.io/component-type", ""),
            node=labels.get("metallb.io/node-name", ""),
            result=as_text(status.get("result")),
            error=as_text(status.get("errorSummary")) or "; ".join(said),
            changed=max([0.0, *(seconds_of(one.get("lastTransitionTime")) for one in conditions)]),
        )
