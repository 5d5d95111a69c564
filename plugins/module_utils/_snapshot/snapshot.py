# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""All that is judged about one cluster: gathered in few calls, saved, loaded, overlaid with what is to be applied."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import (
    Address,
    AddressError,
    Span,
    SpanIndex,
    is_buggy,
    parse_span,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.apply_order import FileFault, SyncOrder
from ansible_collections.l2ops.metallb.plugins.module_utils._model.nodes import Node
from ansible_collections.l2ops.metallb.plugins.module_utils._model.objects import (
    Advertisement,
    BgpAdvertisement,
    ConfigState,
    L2Status,
    Pool,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Key,
    Object,
    as_dict,
    as_list,
    as_text,
    metadata_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.selectors import LabelIndex
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import EndpointSlice, Event, Service
from ansible_collections.l2ops.metallb.plugins.module_utils._model.workloads import (
    Container,
    Pod,
    Workload,
    component_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.owners import Owners
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.capabilities import Capabilities
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import DEFAULT_NAMESPACE, KINDS, PLURALS
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.slim import _picked


@dataclass(frozen=True)
class Source:
    """Where a written object stands: file, the line it begins in, and lines of its fields by path (spec.addresses[1])."""

    file: str
    line: int
    lines: Mapping[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """The field's line, or that of the nearest field around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return self.line


@dataclass(frozen=True)
class Speakers:
    """How the speakers are set up. ignore_exclude and memberlist are None where that cannot be seen."""

    ignore_exclude: bool | None
    memberlist: bool | None
    lb_class: str
    by_node: Mapping[str, Pod]
    mixed: bool  # running speakers disagree about ignore_exclude


@dataclass(frozen=True)
class Snapshot:
    """One cluster at one moment. Equal input gives equal records; nothing here changes.

    objects maps plural kinds to raw objects; missing maps kinds that could not be checked to the reason. namespace is
    MetalLB's. taken is seconds since 1970. settings are what Helm values on disk say (see _manifests). planned are services that
    were laid over a cluster which does not have them yet: no controller has seen them. plan is the order in which Argo CD or Flux
    apply what was written. faults are those of the files themselves.
    """

    objects: Mapping[str, Sequence[Object]]
    missing: Mapping[str, str] = field(default_factory=dict)
    namespace: str = DEFAULT_NAMESPACE
    taken: float = 0.0
    sources: Mapping[tuple[str, str, str], Source] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    planned: frozenset[Key] = frozenset()
    plan: SyncOrder = field(default_factory=SyncOrder)
    faults: tuple[FileFault, ...] = ()

    # -- making ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_objects(
        cls,
        objects: Mapping[str, Sequence[Object]],
        missing: Mapping[str, str] | None = None,
        namespace: str | None = None,
        taken: float | None = None,
    ) -> Snapshot:
        """A kind that is neither in objects nor in missing counts as missing: it was not read."""
        reasons = dict(missing or {})
        known = {plural: list(objects[plural]) for plural in KINDS if plural in objects and plural not in reasons}
        for plural in KINDS:
            if plural not in known:
                reasons.setdefault(plural, "not gathered")
        return cls(
            objects=known,
            missing=reasons,
            namespace=namespace or _namespace_of(known) or DEFAULT_NAMESPACE,
            taken=time.time() if taken is None else taken,
        )

    def overlay(
        self,
        objects: Iterable[Object],
        sources: Mapping[tuple[str, str, str], Source] | None = None,
        settings: Mapping[str, Any] | None = None,
        replace_kinds: Iterable[str] = (),
        plan: SyncOrder | None = None,
    ) -> Snapshot:
        """The same cluster as if these objects were applied to it: one of the same kind, namespace and name is replaced.

        Kinds in replace_kinds lose all their other objects, as if those were pruned. The status of a replaced object stays, and
        so do fields of a service that the API server fills in. What speakers report is no longer comparable.
        """
        merged = {plural: list(found) for plural, found in self.objects.items()}
        missing = dict(self.missing)
        planned = set(self.planned)
        for plural in replace_kinds:
            merged[plural] = []
            missing.pop(plural, None)
        places: dict[str, dict[Key, int]] = {}
        for obj in objects:
            plural = PLURALS.get(as_text(as_dict(obj).get("kind")), "")
            if not plural:
                continue
            there = merged.setdefault(plural, [])
            # What was written is enough to look at, even where the cluster's own could not be seen: then only these count.
            missing.pop(plural, None)
            if plural not in places:
                places[plural] = {_key(one): place for place, one in enumerate(there)}
            place = places[plural].get(_key(obj))
            if place is None:
                places[plural][_key(obj)] = len(there)
                there.append(obj)
                if plural == "services":
                    planned.add(_key(obj))
            else:
                there[place] = _applied(plural, obj, there[place])
        if (places or settings) and "servicel2statuses" in merged:
            del merged["servicel2statuses"]
            missing["servicel2statuses"] = "they tell of the cluster as it is, and something was laid over it"
        if any(plural in merged for plural in ("ipaddresspools", "l2advertisements")):
            for plural in ("ipaddresspools", "l2advertisements", "bgpadvertisements", "bgppeers"):
                if plural not in merged and missing.get(plural) in (None, NOT_WRITTEN):
                    merged[plural] = []
                    missing.pop(plural, None)
        return replace(
            self,
            objects=merged,
            missing=missing,
            sources={**self.sources, **(sources or {})},
            settings={**self.settings, **(settings or {})},
            planned=frozenset(planned),
            plan=plan or self.plan,
        )

    def has(self, *plurals: str) -> bool:
        return all(plural in self.objects for plural in plurals)

    def why_missing(self, *plurals: str) -> str:
        """Why the first of these kinds could not be checked; "" when all were."""
        for plural in plurals:
            if plural not in self.objects:
                return f"{plural}: {self.missing.get(plural) or 'not gathered'}"
        return ""

    def raw(self, plural: str) -> Sequence[Object]:
        return self.objects.get(plural, ())

    def source_of(self, kind: str, namespace: str, name: str) -> Source | None:
        return self.sources.get((kind, namespace, name))

    # -- records --------------------------------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> dict[str, Node]:
        return {node.name: node for node in map(Node.from_object, self.raw("nodes"))}

    @cached_property
    def node_labels(self) -> LabelIndex:
        return LabelIndex((node.name, node.labels) for node in self.nodes.values())

    @cached_property
    def namespaces(self) -> dict[str, Mapping[str, str]]:
        """Labels by name."""
        found: dict[str, Mapping[str, str]] = {}
        for obj in self.raw("namespaces"):
            metadata = metadata_of(obj)
            found[as_text(metadata.get("name"))] = {
                key: as_text(text) for key, text in as_dict(metadata.get("labels")).items()
            }
        return found

    @cached_property
    def all_pools(self) -> list[Pool]:
        return sorted(map(Pool.from_object, self.raw("ipaddresspools")), key=lambda one: (one.namespace, one.name))

    @cached_property
    def pools(self) -> dict[str, Pool]:
        """Those that MetalLB reads: in its own namespace. Manifests may leave the namespace to kubectl."""
        return {pool.name: pool for pool in self.all_pools if pool.namespace in ("", self.namespace)}

    @property
    def elsewhere(self) -> bool:
        """Whether there are pools that MetalLB does not read, because of their namespace."""
        return any(pool.namespace not in ("", self.namespace) for pool in self.all_pools)

    @cached_property
    def all_advertisements(self) -> list[Advertisement]:
        found = map(Advertisement.from_object, self.raw("l2advertisements"))
        return sorted(found, key=lambda one: (one.namespace, one.name))

    @cached_property
    def advertisements(self) -> list[Advertisement]:
        return [one for one in self.all_advertisements if one.namespace in ("", self.namespace)]

    @cached_property
    def bgp_advertisements(self) -> list[BgpAdvertisement]:
        return [BgpAdvertisement.from_object(obj) for obj in self.raw("bgpadvertisements")]

    @cached_property
    def services(self) -> dict[Key, Service]:
        """Of all types."""
        return {service.key: service for service in map(Service.from_object, self.raw("services"))}

    @cached_property
    def endpoints(self) -> dict[Key, list[EndpointSlice]]:
        found: dict[Key, list[EndpointSlice]] = {}
        for piece in map(EndpointSlice.from_object, self.raw("endpointslices")):
            if piece.service:
                found.setdefault((piece.namespace, piece.service), []).append(piece)
        return found

    @cached_property
    def l2_statuses(self) -> dict[Key, list[L2Status]]:
        found: dict[Key, list[L2Status]] = {}
        for status in map(L2Status.from_object, self.raw("servicel2statuses")):
            found.setdefault(status.service, []).append(status)
        return found

    @cached_property
    def config_states(self) -> list[ConfigState]:
        return [ConfigState.from_object(obj) for obj in self.raw("configurationstates")]

    @cached_property
    def events(self) -> dict[tuple[str, str, str], list[Event]]:
        """By (kind, namespace, name) of what they are about, oldest first."""
        found: dict[tuple[str, str, str], list[Event]] = {}
        for event in map(Event.from_object, self.raw("events")):
            found.setdefault((event.kind, event.namespace, event.name), []).append(event)
        for about in found.values():
            about.sort(key=lambda event: event.last)
        return found

    @cached_property
    def pods(self) -> list[Pod]:
        return [Pod.from_object(obj) for obj in self.raw("pods")]

    @cached_property
    def daemonsets(self) -> list[Workload]:
        return [Workload.from_object(obj, "DaemonSet") for obj in self.raw("daemonsets")]

    @cached_property
    def deployments(self) -> list[Workload]:
        return [Workload.from_object(obj, "Deployment") for obj in self.raw("deployments")]

    @cached_property
    def crds(self) -> dict[str, Object]:
        """Raw, by full name; metadata alone for most."""
        return {as_text(metadata_of(obj).get("name")): obj for obj in self.raw("customresourcedefinitions")}

    # -- MetalLB --------------------------------------------------------------------------------------------------

    @cached_property
    def controller(self) -> Workload | None:
        return self._component(self.deployments, "controller")

    @cached_property
    def speaker(self) -> Workload | None:
        return self._component(self.daemonsets, "speaker")

    def _component(self, workloads: Sequence[Workload], component: str) -> Workload | None:
        found = [one for one in workloads if one.component == component]
        here = [one for one in found if one.namespace == self.namespace]
        return next(iter(here or found), None)

    @cached_property
    def metallb(self) -> dict[str, str]:
        """What is installed, as method (helm, manifests, none), namespace, release and version."""
        for workload in (self.controller, self.speaker):
            if workload is None:
                continue
            by_helm = (
                workload.labels.get("app.kubernetes.io/managed-by") == "Helm" or "helm.sh/chart" in workload.labels
            )
            named = [one for one in workload.containers if one.name in ("controller", "speaker")]
            return {
                "method": "helm" if by_helm else "manifests",
                "namespace": workload.namespace,
                "release": workload.annotations.get("meta.helm.sh/release-name", ""),
                "version": named[0].version if named else "",
            }
        return {"method": "none", "namespace": "", "release": "", "version": ""}

    @property
    def installed(self) -> bool:
        return self.controller is not None or self.speaker is not None

    def pods_of(self, component: str) -> list[Pod]:
        """MetalLB's pods of one component, by owner where that is known, else by labels."""
        workload = self.speaker if component == "speaker" else None
        namespace = self.metallb["namespace"] or self.namespace
        return [
            pod
            for pod in self.pods
            if pod.namespace == namespace
            and ((workload is not None and workload.uid in pod.owners) or component_of(pod.labels) == component)
        ]

    @cached_property
    def speakers(self) -> Speakers:
        by_node: dict[str, Pod] = {}
        for pod in self.pods_of("speaker"):
            there = by_node.get(pod.node)
            # A rolling update has two for a moment; the one that works counts.
            if there is None or (pod.ready and not pod.terminating) > (there.ready and not there.terminating):
                by_node[pod.node] = pod
        running = [
            container
            for pod in by_node.values()
            if pod.ready and not pod.terminating
            for container in [pod.container("speaker")]
            if container is not None
        ]
        template = self.speaker.container("speaker") if self.speaker is not None else None
        if template is None and self.speaker is not None and self.speaker.containers:
            template = self.speaker.containers[0]
        said = [_ignores_exclude(one) for one in running]
        ignore: bool | None = None
        if "ignore_exclude_lb" in self.settings:
            ignore = bool(self.settings["ignore_exclude_lb"])
        elif said:
            # Every speaker decides by its own setting; one that honors the label is enough to make trouble.
            ignore = all(said)
        elif template is not None:
            ignore = _ignores_exclude(template)
        one = running[0] if running else template
        return Speakers(
            ignore_exclude=ignore,
            # speaker/main.go: without an address to bind, memberlist is off.
            memberlist=None if one is None else bool(one.env.get("METALLB_ML_BIND_ADDR")),
            lb_class=(one.flag("lb-class") or "") if one is not None else as_text(self.settings.get("lb_class")),
            by_node=by_node,
            mixed=len(set(said)) > 1,
        )

    def serves(self, service: Service) -> bool:
        """Whether MetalLB looks at this Service (internal/k8s/controllers, filterByLoadBalancerClass)."""
        return service.type == "LoadBalancer" and service.load_balancer_class == self.speakers.lb_class

    @cached_property
    def owners(self) -> Owners:
        """Who owns which object, from evidence in the objects."""
        return Owners(self.objects, KINDS)

    @cached_property
    def load_balancer_services(self) -> list[Service]:
        """Services that are MetalLB's, in order of their names."""
        return sorted((one for one in self.services.values() if self.serves(one)), key=lambda one: one.key)

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the installed MetalLB can do."""
        return Capabilities(str(self.metallb["version"]), self.advertisement_fields)

    @cached_property
    def advertisement_fields(self) -> frozenset[str] | None:
        """Fields of L2Advertisement.spec in the installed CRD; None where its schema was not seen."""
        crd = self.crds.get("l2advertisements.metallb.io")
        for version in as_list(as_dict(as_dict(crd).get("spec")).get("versions")):
            schema = as_dict(as_dict(as_dict(version).get("schema")).get("openAPIV3Schema"))
            spec = as_dict(as_dict(as_dict(schema.get("properties")).get("spec")).get("properties"))
            if spec:
                return frozenset(spec)
        return None

    # -- addresses ------------------------------------------------------------------------------------------------

    @cached_property
    def pool_index(self) -> SpanIndex[Pool]:
        return SpanIndex([(span, pool) for pool in self.pools.values() for span in pool.spans])

    def pool_of(self, addresses: Iterable[Address]) -> Pool | None:
        """The pool that holds all of these (internal/allocator/allocator.go poolFor)."""
        found: Pool | None = None
        for address in addresses:
            here = next(
                (
                    pool
                    for _span, pool in self.pool_index.holding(address)
                    if not (pool.avoid_buggy and is_buggy(address))
                ),
                None,
            )
            if here is None or (found is not None and here.name != found.name):
                return None
            found = here
        return found

    def admits(self, pool: Pool, service: Service) -> bool | None:
        """Whether the pool is compatible with the Service (internal/allocator/allocator.go isPoolCompatibleWithService).

        None where that rests on namespaces' labels, and these were not read.
        """
        allocation = pool.allocation
        if allocation is None:
            return True
        if allocation.service_selectors and not any(
            one.matches(service.labels) for one in allocation.service_selectors
        ):
            return False
        if not allocation.namespace_selectors:
            return not allocation.namespaces or service.namespace in allocation.namespaces
        if service.namespace in allocation.namespaces:
            return True
        if not self.has("namespaces"):
            return None
        names = {
            *allocation.namespaces,
            *(
                name
                for name, labels in self.namespaces.items()
                if any(selector.matches(labels) for selector in allocation.namespace_selectors)
            ),
        }
        # As MetalLB has it: selectors that choose no namespace at all restrict nothing.
        return not names or service.namespace in names

    @cached_property
    def services_by_address(self) -> dict[Address, list[Service]]:
        """Services by address that they have, MetalLB's only."""
        found: dict[Address, list[Service]] = {}
        for service in self.load_balancer_services:
            for address in service.ingress:
                found.setdefault(address, []).append(service)
        return found

    @cached_property
    def used(self) -> dict[str, set[Address]]:
        """Addresses in use by pool name."""
        found: dict[str, set[Address]] = {name: set() for name in self.pools}
        for address in self.services_by_address:
            for _span, pool in self.pool_index.holding(address):
                found[pool.name].add(address)
                break
        return found

    @cached_property
    def node_address_index(self) -> dict[Address, Node]:
        return {address: node for node in self.nodes.values() for address in node.addresses}

    @cached_property
    def service_networks(self) -> list[Span]:
        found = []
        for obj in self.raw("servicecidrs"):
            for text in as_list(as_dict(obj.get("spec")).get("cidrs")):
                try:
                    found.append(parse_span(as_text(text)))
                except AddressError:
                    continue
        return found

    @property
    def static(self) -> bool:
        """Only what a person wrote: no cluster behind it."""
        return not self.has("nodes") and not self.has("daemonsets")


NOT_WRITTEN = "only manifests or variables were given, no cluster"


def from_manifests(
    objects: Iterable[Object],
    sources: Mapping[tuple[str, str, str], Source] | None = None,
    settings: Mapping[str, Any] | None = None,
    namespace: str = DEFAULT_NAMESPACE,
    plan: SyncOrder | None = None,
    faults: tuple[FileFault, ...] = (),
) -> Snapshot:
    """A snapshot of what a person wrote and nothing else."""
    empty = Snapshot.from_objects({}, dict.fromkeys(KINDS, NOT_WRITTEN), namespace=namespace)
    # Nothing but what was written exists, so a kind of which nothing was written has no objects.
    objects = list(objects)
    return replace(empty.overlay(objects, sources, settings, plan=plan), faults=faults)


_FILLED_IN = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "externalTrafficPolicy", "loadBalancerClass")


def _applied(plural: str, obj: Object, old: Object) -> Object:
    """What becomes of an object when a manifest of it is applied."""
    result = {**obj, "status": old["status"]} if "status" in old else dict(obj)
    if plural == "services" and isinstance(obj.get("spec"), dict):
        result["spec"] = {**_picked(old.get("spec"), *_FILLED_IN), **obj["spec"]}
    return result


def _ignores_exclude(container: Container) -> bool:
    said = container.flag("ignore-exclude-lb")
    # Go's flag package: the flag alone means true.
    return said is not None and said.lower() not in ("false", "f", "0")


def _key(obj: Object) -> Key:
    metadata = metadata_of(obj)
    return as_text(metadata.get("namespace")), as_text(metadata.get("name"))


def _namespace_of(objects: Mapping[str, Sequence[Object]]) -> str:
    """Where MetalLB runs, by its workloads; "" where none is seen."""
    for plural in ("deployments", "daemonsets"):
        for obj in objects.get(plural, ()):
            metadata = metadata_of(obj)
            template = metadata_of(as_dict(as_dict(obj.get("spec")).get("template")))
            if component_of(as_dict(metadata.get("labels"))) or component_of(as_dict(template.get("labels"))):
                return as_text(metadata.get("namespace"))
    return ""
