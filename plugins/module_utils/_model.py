# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Frozen records of what is judged, each made from a raw Kubernetes object by from_object.

No object, however malformed, makes from_object fail: a field of the wrong type counts as absent, and pools and
advertisements note what is wrong with them in ``problems``, as (path of the field, why).
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._addresses import (
    Address,
    AddressError,
    Span,
    parse_address,
    parse_span,
)

Object = dict[str, Any]
Labels = Mapping[str, str]
Key = tuple[str, str]  # namespace, name
Problems = tuple[tuple[str, str], ...]

# k8s.io/api/core/v1 LabelNodeExcludeBalancers
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
OWNED_LABELS_ANNOTATION = "talos.dev/owned-labels"
# controller/service.go, v0.15.3
PREFIX = "metallb.io/"
OLD_PREFIX = "metallb.universe.tf/"
ADDRESS_POOL = "address-pool"
LOAD_BALANCER_IPS = "loadBalancerIPs"
ALLOW_SHARED_IP = "allow-shared-ip"
ALLOCATED_FROM = "ip-allocated-from-pool"
ANNOTATIONS = (ADDRESS_POOL, LOAD_BALANCER_IPS, ALLOW_SHARED_IP, ALLOCATED_FROM)

# Helm's labels, and those of the raw manifests.
COMPONENT_LABELS = (
    ("app.kubernetes.io/name", "metallb", "app.kubernetes.io/component"),
    ("app", "metallb", "component"),
)

API_VERSION = "metallb.io/v1beta1"
POOL_FIELDS = frozenset(["addresses", "autoAssign", "avoidBuggyIPs", "serviceAllocation"])
ALLOCATION_FIELDS = frozenset(["priority", "namespaces", "namespaceSelectors", "serviceSelectors"])
# serviceSelectors since 0.16, preferredNodeSelectors after it: whether they hold is said by the installed CRD.
ADVERTISEMENT_FIELDS = frozenset(["ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "interfaces"])
LATER_ADVERTISEMENT_FIELDS = frozenset(["serviceSelectors", "preferredNodeSelectors"])


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


# -- nodes and workloads ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Taint:
    key: str
    text: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}={self.text}:{self.effect}" if self.text else f"{self.key}:{self.effect}"


@dataclass(frozen=True)
class Node:
    """ready is None where the kubelet has not said. addresses are InternalIPs, in their order."""

    name: str
    labels: Labels
    annotations: Labels
    addresses: tuple[Address, ...]
    external_addresses: tuple[Address, ...]
    ready: bool | None
    ready_reason: str
    network_unavailable: bool
    unschedulable: bool
    taints: tuple[Taint, ...]
    pod_cidrs: tuple[Span, ...]
    changed: float
    os_image: str

    @classmethod
    def from_object(cls, obj: Object) -> Node:
        metadata, spec, status = metadata_of(obj), as_dict(obj.get("spec")), as_dict(obj.get("status"))
        internal: list[Address] = []
        external: list[Address] = []
        for one in as_list(status.get("addresses")):
            one = as_dict(one)
            address = parse_address(as_text(one.get("address")))
            if address is not None:
                (internal if one.get("type") == "InternalIP" else external).append(address)
        ready: bool | None = None
        reason = ""
        unavailable = False
        changed = 0.0
        for one in as_list(status.get("conditions")):
            one = as_dict(one)
            if one.get("type") == "Ready":
                ready = one.get("status") == "True"
                reason = as_text(one.get("reason"))
                changed = max(changed, seconds_of(one.get("lastTransitionTime")))
            elif one.get("type") == "NetworkUnavailable":
                unavailable = one.get("status") == "True"
                changed = max(changed, seconds_of(one.get("lastTransitionTime")))
        cidrs = []
        for text in as_texts(spec.get("podCIDRs")) or ((as_text(spec.get("podCIDR")),) if spec.get("podCIDR") else ()):
            try:
                cidrs.append(parse_span(text))
            except AddressError:
                continue
        return cls(
            name=as_text(metadata.get("name")),
            labels=as_labels(metadata.get("labels")),
            annotations=as_labels(metadata.get("annotations")),
            addresses=tuple(internal),
            external_addresses=tuple(external),
            ready=ready,
            ready_reason=reason,
            network_unavailable=unavailable,
            unschedulable=spec.get("unschedulable") is True,
            taints=tuple(
                Taint(as_text(one.get("key")), as_text(one.get("value")), as_text(one.get("effect")))
                for one in map(as_dict, as_list(spec.get("taints")))
            ),
            pod_cidrs=tuple(cidrs),
            changed=changed,
            os_image=as_text(as_dict(status.get("nodeInfo")).get("osImage")),
        )

    @property
    def excluded(self) -> bool:
        """internal/k8s/nodes/nodes.go IsNodeExcludedFromBalancers: presence alone counts."""
        return EXCLUDE_LABEL in self.labels

    @property
    def exclude_label_owned(self) -> bool:
        try:
            owned = json.loads(self.annotations.get(OWNED_LABELS_ANNOTATION) or "[]")
        except ValueError:
            return False
        return isinstance(owned, list) and EXCLUDE_LABEL in owned


@dataclass(frozen=True)
class Container:
    name: str
    image: str
    args: tuple[str, ...]
    env: Labels

    @classmethod
    def from_object(cls, raw: Any) -> Container:
        raw = as_dict(raw)
        env = {}
        for one in map(as_dict, as_list(raw.get("env"))):
            # valueFrom counts as set to something
            env[as_text(one.get("name"))] = as_text(one.get("value")) if "valueFrom" not in one else "(from elsewhere)"
        return cls(
            name=as_text(raw.get("name")),
            image=as_text(raw.get("image")),
            args=as_texts(raw.get("command")) + as_texts(raw.get("args")),
            env=env,
        )

    def flag(self, name: str) -> str | None:
        """The text of --name=text, "true" for --name alone, None when it is not given."""
        for place, arg in enumerate(self.args):
            head, equals, rest = arg.partition("=")
            if head.lstrip("-") != name or not head.startswith("-"):
                continue
            if equals:
                return rest
            following = self.args[place + 1 : place + 2]
            return following[0] if following and not following[0].startswith("-") else "true"
        return None

    @property
    def version(self) -> str:
        """From the image's tag, without the v; "" where it tells nothing."""
        tag = self.image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        return tag[1:] if tag[:1] == "v" and tag[1:2].isdigit() else tag


def component_of(labels: Labels) -> str:
    """controller or speaker of MetalLB by labels of Helm or of the raw manifests; "" for anything else."""
    for name, metallb, component in COMPONENT_LABELS:
        if labels.get(name) == metallb and labels.get(component) in ("controller", "speaker"):
            return labels[component]
    return ""


def _secret_of(pod_spec: Object) -> str:
    for volume in map(as_dict, as_list(pod_spec.get("volumes"))):
        if volume.get("name") == "memberlist":
            return as_text(as_dict(volume.get("secret")).get("secretName"))
    return ""


@dataclass(frozen=True)
class Workload:
    """A DaemonSet or Deployment."""

    kind: str
    namespace: str
    name: str
    uid: str
    labels: Labels
    annotations: Labels
    pod_labels: Labels
    containers: tuple[Container, ...]
    node_selector: Labels
    tolerations: tuple[Object, ...]
    memberlist_secret: str
    wanted: int
    created: int
    ready: int
    replica_failure: str
    changed: float

    @classmethod
    def from_object(cls, obj: Object, kind: str) -> Workload:
        metadata, spec, status = metadata_of(obj), as_dict(obj.get("spec")), as_dict(obj.get("status"))
        template = as_dict(spec.get("template"))
        pod_spec = as_dict(template.get("spec"))
        daemon = kind == "DaemonSet"
        changed = seconds_of(metadata.get("creationTimestamp"))
        failure = ""
        for one in map(as_dict, as_list(status.get("conditions"))):
            changed = max(changed, seconds_of(one.get("lastTransitionTime")))
            if one.get("type") == "ReplicaFailure" and one.get("status") == "True":
                failure = as_text(one.get("message"))
        return cls(
            kind=kind,
            namespace=as_text(metadata.get("namespace")),
            name=as_text(metadata.get("name")),
            uid=as_text(metadata.get("uid")),
            labels=as_labels(metadata.get("labels")),
            annotations=as_labels(metadata.get("annotations")),
            pod_labels=as_labels(metadata_of(template).get("labels")),
            containers=tuple(Container.from_object(one) for one in as_list(pod_spec.get("containers"))),
            node_selector=as_labels(pod_spec.get("nodeSelector")),
            tolerations=tuple(map(as_dict, as_list(pod_spec.get("tolerations")))),
            memberlist_secret=_secret_of(pod_spec),
            wanted=as_int(status.get("desiredNumberScheduled")) if daemon else as_int(spec.get("replicas", 1)),
            created=as_int(status.get("currentNumberScheduled")) if daemon else as_int(status.get("replicas")),
            ready=as_int(status.get("numberReady")) if daemon else as_int(status.get("readyReplicas")),
            replica_failure=failure,
            changed=changed,
        )

    @property
    def component(self) -> str:
        return component_of(self.labels) or component_of(self.pod_labels)

    def container(self, name: str) -> Container | None:
        return next((one for one in self.containers if one.name == name), None)

    def tolerates(self, taint: Taint) -> bool:
        """k8s.io/component-helpers ToleratesTaint; what a DaemonSet's pods tolerate by themselves counts, too."""
        if taint.effect == "PreferNoSchedule" or taint.key in _DAEMON_TAINTS:
            return True
        for one in self.tolerations:
            if one.get("effect") and one.get("effect") != taint.effect:
                continue
            if one.get("key") and one.get("key") != taint.key:
                continue
            if one.get("operator") == "Exists" or (one.get("key") and as_text(one.get("value")) == taint.text):
                return True
        return False


# pkg/controller/daemon/util: added to every DaemonSet's pods (network-unavailable for pods in the host's network only).
_DAEMON_TAINTS = frozenset(
    f"node.kubernetes.io/{name}"
    for name in (
        "not-ready",
        "unreachable",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
        "network-unavailable",
    )
)


@dataclass(frozen=True)
class Pod:
    namespace: str
    name: str
    uid: str
    labels: Labels
    owners: tuple[str, ...]  # uids
    node: str
    phase: str
    ready: bool
    leaving: bool
    why: str
    memberlist_secret: str
    containers: tuple[Container, ...]
    changed: float

    @classmethod
    def from_object(cls, obj: Object) -> Pod:
        metadata, spec, status = metadata_of(obj), as_dict(obj.get("spec")), as_dict(obj.get("status"))
        ready = False
        changed = seconds_of(metadata.get("creationTimestamp"))
        for one in map(as_dict, as_list(status.get("conditions"))):
            if one.get("type") == "Ready":
                ready = one.get("status") == "True"
            changed = max(changed, seconds_of(one.get("lastTransitionTime")))
        return cls(
            namespace=as_text(metadata.get("namespace")),
            name=as_text(metadata.get("name")),
            uid=as_text(metadata.get("uid")),
            labels=as_labels(metadata.get("labels")),
            owners=tuple(as_text(as_dict(one).get("uid")) for one in as_list(metadata.get("ownerReferences"))),
            node=as_text(spec.get("nodeName")) or _meant_for(spec),
            phase=as_text(status.get("phase")),
            ready=ready,
            leaving=bool(metadata.get("deletionTimestamp")),
            why="" if ready else _why_not_ready(metadata, status),
            memberlist_secret=_secret_of(spec),
            containers=tuple(Container.from_object(one) for one in as_list(spec.get("containers"))),
            changed=changed,
        )

    def container(self, name: str) -> Container | None:
        return next((one for one in self.containers if one.name == name), None)


def _meant_for(spec: Object) -> str:
    """The node that a DaemonSet's pod waits for."""
    affinity = as_dict(as_dict(spec.get("affinity")).get("nodeAffinity"))
    required = as_dict(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))
    for term in map(as_dict, as_list(required.get("nodeSelectorTerms"))):
        for match in map(as_dict, as_list(term.get("matchFields"))):
            named = as_texts(match.get("values"))
            if match.get("key") == "metadata.name" and named:
                return named[0]
    return ""


def _why_not_ready(metadata: Object, status: Object) -> str:
    if metadata.get("deletionTimestamp"):
        return "it is being deleted"
    for one in map(as_dict, as_list(status.get("initContainerStatuses")) + as_list(status.get("containerStatuses"))):
        if one.get("ready"):
            continue
        state = as_dict(one.get("state"))
        waiting = as_dict(state.get("waiting"))
        ended = as_dict(as_dict(one.get("lastState")).get("terminated")) or as_dict(state.get("terminated"))
        if as_dict(state.get("terminated")).get("exitCode") == 0:
            continue
        text = f"container {as_text(one.get('name'))}"
        if waiting.get("reason"):
            text += f" waits: {as_text(waiting['reason'])}"
            if waiting.get("message"):
                text += f" ({shorten(as_text(waiting['message']))})"
        else:
            text += " runs but is not ready"
        if ended:
            text += f", last exit code {as_int(ended.get('exitCode'))} ({as_text(ended.get('reason')) or 'no reason'})"
        return text
    for one in map(as_dict, as_list(status.get("conditions"))):
        if one.get("status") == "False" and one.get("message"):
            return f"{as_text(one.get('reason')) or as_text(one.get('type'))}: {shorten(as_text(one['message']))}"
    return f"phase {as_text(status.get('phase')) or 'unknown'}"


def shorten(text: str, most: int = 300) -> str:
    """One line of limited length, for quoting."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


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

    @classmethod
    def from_object(cls, obj: Object) -> Pool:
        metadata, spec = metadata_of(obj), as_dict(obj.get("spec"))
        problems: list[tuple[str, str]] = []
        given = spec.get("addresses")
        if not isinstance(given, list) or not given:
            problems.append(("spec.addresses", "it must be a list of at least one range or prefix"))
            given = [given] if isinstance(given, str) else []
        ranges: list[tuple[str, Span | None, str]] = []
        for text in given:
            text = as_text(text)
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
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(span for _text, span, _why in self.ranges if span is not None)


@dataclass(frozen=True)
class Advertisement:
    """An L2Advertisement. service_selectors is None where the field is not given; changed is 0 where nobody says when."""

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

    @classmethod
    def from_object(cls, obj: Object) -> Advertisement:
        metadata, spec = metadata_of(obj), as_dict(obj.get("spec"))
        problems: list[tuple[str, str]] = []
        selectors: tuple[Selector, ...] | None = None
        if spec.get("serviceSelectors"):
            selectors = read_selectors(spec.get("serviceSelectors"), "spec.serviceSelectors", problems)
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


# -- services ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Port:
    protocol: str
    port: int
    name: str

    def __str__(self) -> str:
        return f"{self.protocol}/{self.port}"


@dataclass(frozen=True)
class Service:
    """A Service of any type. ingress are the addresses of its status; those that are none are in odd_ingress."""

    namespace: str
    name: str
    labels: Labels
    annotations: Labels
    type: str
    load_balancer_class: str
    local: bool
    load_balancer_ip: str
    ports: tuple[Port, ...]
    selector: Labels
    cluster_ips: tuple[Address, ...]
    ip_families: tuple[str, ...]
    ip_family_policy: str
    ingress: tuple[Address, ...]
    odd_ingress: tuple[str, ...]
    created: float
    leaving: bool

    @classmethod
    def from_object(cls, obj: Object) -> Service:
        metadata, spec, status = metadata_of(obj), as_dict(obj.get("spec")), as_dict(obj.get("status"))
        ingress, odd = [], []
        for one in map(as_dict, as_list(as_dict(status.get("loadBalancer")).get("ingress"))):
            address = parse_address(as_text(one.get("ip")))
            if address is not None:
                ingress.append(address)
            else:
                odd.append(as_text(one.get("ip") or one.get("hostname")))
        cluster = as_texts(spec.get("clusterIPs")) or as_texts([spec.get("clusterIP")])
        return cls(
            namespace=as_text(metadata.get("namespace")) or "default",
            name=as_text(metadata.get("name")),
            labels=as_labels(metadata.get("labels")),
            annotations=as_labels(metadata.get("annotations")),
            type=as_text(spec.get("type")) or "ClusterIP",
            load_balancer_class=as_text(spec.get("loadBalancerClass")),
            local=spec.get("externalTrafficPolicy") == "Local",
            load_balancer_ip=as_text(spec.get("loadBalancerIP")),
            ports=tuple(
                Port(as_text(one.get("protocol")) or "TCP", as_int(one.get("port")), as_text(one.get("name")))
                for one in map(as_dict, as_list(spec.get("ports")))
            ),
            selector=as_labels(spec.get("selector")),
            cluster_ips=tuple(address for address in map(parse_address, cluster) if address is not None),
            ip_families=as_texts(spec.get("ipFamilies")),
            ip_family_policy=as_text(spec.get("ipFamilyPolicy")),
            ingress=tuple(ingress),
            odd_ingress=tuple(odd),
            created=seconds_of(metadata.get("creationTimestamp")),
            leaving=bool(metadata.get("deletionTimestamp")),
        )

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    @property
    def path(self) -> str:
        return f"{self.namespace}/{self.name}"

    def annotation(self, name: str) -> str:
        """controller/service.go valueForAnnotation: the new prefix wins, even with an empty text."""
        found = self.annotations.get(PREFIX + name)
        return found if found is not None else self.annotations.get(OLD_PREFIX + name, "")

    @property
    def wanted_pool(self) -> str:
        return self.annotation(ADDRESS_POOL)

    @property
    def sharing_key(self) -> str:
        return self.annotation(ALLOW_SHARED_IP)

    @property
    def backend_key(self) -> str:
        """internal/allocator/k8salloc BackendKey: services of policy Local share only with the same pods behind."""
        return ",".join(f"{key}={text}" for key, text in sorted(self.selector.items())) if self.local else ""

    @property
    def families(self) -> tuple[int, ...]:
        """IP versions that the service has, by its cluster addresses, else by what its spec says."""
        if self.cluster_ips:
            return tuple(dict.fromkeys(version for version, _number in self.cluster_ips))
        named = tuple(4 if one == "IPv4" else 6 for one in self.ip_families)
        return tuple(dict.fromkeys(named))

    def wanted_addresses(self) -> tuple[tuple[Address, ...], str]:
        """The addresses that it asks for, and what is wrong with how it asks (controller/service.go getDesiredLbIPs)."""
        text = self.annotation(LOAD_BALANCER_IPS)
        if text and self.load_balancer_ip:
            return (), "twice"
        parts = text.split(",") if text else [self.load_balancer_ip] if self.load_balancer_ip else []
        found = []
        for part in parts:
            address = parse_address(part.strip())
            if address is None:
                return (), f"{part.strip() or 'an empty entry'!r} is no address"
            found.append(address)
        if len(found) > 2:
            return (), "it asks for more than two addresses"
        if len(found) == 2 and found[0][0] == found[1][0]:
            return (), "it asks for two addresses of the same family"
        return tuple(found), ""


@dataclass(frozen=True)
class Endpoint:
    """leaving: its pod is terminating; it may serve until it is gone."""

    node: str
    serving: bool
    leaving: bool = False


@dataclass(frozen=True)
class EndpointSlice:
    """serving as MetalLB sees it (internal/k8s/epslices/epslices.go EndpointCanServe)."""

    namespace: str
    service: str
    endpoints: tuple[Endpoint, ...]
    changed: float

    @classmethod
    def from_object(cls, obj: Object) -> EndpointSlice:
        metadata = metadata_of(obj)
        endpoints = []
        for one in as_list(obj.get("endpoints")):
            one = as_dict(one)
            conditions = as_dict(one.get("conditions"))
            serving = conditions.get("ready") in (None, True) or conditions.get("serving") is True
            leaving = conditions.get("terminating") is True
            endpoints.append(Endpoint(as_text(one.get("nodeName")), serving, leaving))
        annotations = as_dict(metadata.get("annotations"))
        return cls(
            namespace=as_text(metadata.get("namespace")),
            service=as_text(as_dict(metadata.get("labels")).get("kubernetes.io/service-name")),
            endpoints=tuple(endpoints),
            changed=max(
                seconds_of(metadata.get("creationTimestamp")),
                seconds_of(annotations.get("endpoints.kubernetes.io/last-change-trigger-time")),
            ),
        )


@dataclass(frozen=True)
class Event:
    namespace: str
    kind: str  # of the object it is about
    name: str
    reason: str
    message: str
    warning: bool
    last: float
    source: str

    @classmethod
    def from_object(cls, obj: Object) -> Event:
        about = as_dict(obj.get("involvedObject")) or as_dict(obj.get("regarding"))
        series = as_dict(obj.get("series"))
        stamps = (
            series.get("lastObservedTime"),
            obj.get("lastTimestamp"),
            obj.get("eventTime"),
            obj.get("firstTimestamp"),
        )
        return cls(
            namespace=as_text(about.get("namespace")),
            kind=as_text(about.get("kind")),
            name=as_text(about.get("name")),
            reason=as_text(obj.get("reason")),
            message=as_text(obj.get("message")) or as_text(obj.get("note")),
            warning=obj.get("type") == "Warning",
            last=next((seconds_of(stamp) for stamp in stamps if stamp), 0.0),
            source=as_text(as_dict(obj.get("source")).get("component")) or as_text(obj.get("reportingComponent")),
        )


# -- options of the modules and roles ---------------------------------------------------------------------------------


def pool_to_object(options: Object, namespace: str) -> Object:
    """An IPAddressPool out of one element of the option pools, in Kubernetes' own spelling."""
    spec: Object = {"addresses": options.get("addresses")}
    if isinstance(spec["addresses"], list):
        spec["addresses"] = [as_text(one).strip() for one in spec["addresses"]]
    _take(options, spec, auto_assign="autoAssign", avoid_buggy_ips="avoidBuggyIPs")
    allocation = options.get("service_allocation")
    if isinstance(allocation, dict):
        spec["serviceAllocation"] = {}
        _take(
            allocation,
            spec["serviceAllocation"],
            priority="priority",
            namespaces="namespaces",
            namespace_selectors="namespaceSelectors",
            service_selectors="serviceSelectors",
        )
    elif allocation is not None:
        spec["serviceAllocation"] = allocation
    return _named("IPAddressPool", options, namespace, spec)


def advertisement_to_object(options: Object, namespace: str) -> Object:
    """An L2Advertisement out of one element of the option advertisements, in Kubernetes' own spelling."""
    spec: Object = {}
    _take(
        options,
        spec,
        ip_address_pools="ipAddressPools",
        ip_address_pool_selectors="ipAddressPoolSelectors",
        node_selectors="nodeSelectors",
        interfaces="interfaces",
        service_selectors="serviceSelectors",
    )
    return _named("L2Advertisement", options, namespace, spec)


_COMMON = ("name", "labels", "annotations")
OPTION_FIELDS = {
    "IPAddressPool": ("addresses", "auto_assign", "avoid_buggy_ips", "service_allocation", *_COMMON),
    "L2Advertisement": (
        "ip_address_pools",
        "ip_address_pool_selectors",
        "node_selectors",
        "interfaces",
        "service_selectors",
        *_COMMON,
    ),
}


def _take(options: Object, target: Object, **names: str) -> None:
    for option, name in names.items():
        given = options.get(option)
        if given is not None and given != []:
            target[name] = given


def _named(kind: str, options: Object, namespace: str, spec: Object) -> Object:
    metadata: Object = {"name": as_text(options.get("name")), "namespace": namespace}
    for part in ("labels", "annotations"):
        if isinstance(options.get(part), dict) and options[part]:
            # YAML reads true and 10 as no texts; labels are nothing else.
            metadata[part] = {
                str(key): str(text).lower() if isinstance(text, bool) else as_text(text)
                for key, text in options[part].items()
            }
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
