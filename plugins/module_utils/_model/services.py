# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Services, EndpointSlices and Events."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import Address, parse_address
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import (
    ADDRESS_POOL,
    ALLOW_SHARED_IP,
    LOAD_BALANCER_IPS,
    OLD_PREFIX,
    PREFIX,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Key,
    Labels,
    Object,
    as_dict,
    as_int,
    as_labels,
    as_list,
    as_text,
    as_texts,
    metadata_of,
    seconds_of,
)

# -- services ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Port:
    protocol: str
    port: int
    name: str
    target: str = ""  # targetPort, a name or a number

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
    terminating: bool
    external_ips: tuple[Address, ...] = ()

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
                Port(
                    as_text(one.get("protocol")) or "TCP",
                    as_int(one.get("port")),
                    as_text(one.get("name")),
                    as_text(one.get("targetPort")),
                )
                for one in map(as_dict, as_list(spec.get("ports")))
            ),
            selector=as_labels(spec.get("selector")),
            cluster_ips=tuple(address for address in map(parse_address, cluster) if address is not None),
            ip_families=as_texts(spec.get("ipFamilies")),
            ip_family_policy=as_text(spec.get("ipFamilyPolicy")),
            ingress=tuple(ingress),
            odd_ingress=tuple(odd),
            created=seconds_of(metadata.get("creationTimestamp")),
            terminating=bool(metadata.get("deletionTimestamp")),
            external_ips=tuple(
                address for address in map(parse_address, as_texts(spec.get("externalIPs"))) if address is not None
            ),
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
    def shares(self) -> bool:
        """Whether it carries allow-shared-ip at all, under either prefix, with whatever value (layer2_controller.go)."""
        return any(f"{prefix}{ALLOW_SHARED_IP}" in self.annotations for prefix in (PREFIX, OLD_PREFIX))

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
    """terminating: its pod is terminating; it may serve until it is gone."""

    node: str
    serving: bool
    terminating: bool = False


@dataclass(frozen=True)
class EndpointSlice:
    """serving as MetalLB sees it (internal/k8s/epslices/epslices.go EndpointCanServe).

    ports are those that kube-proxy takes for these endpoints; None where the slice says nothing of ports, as in snapshots of before.
    """

    namespace: str
    service: str
    endpoints: tuple[Endpoint, ...]
    changed: float
    ports: tuple[Port, ...] | None = None
    version: int = 0  # of IP, by addressType; 0 where that is not told

    @property
    def serves(self) -> bool:
        return any(one.serving for one in self.endpoints)

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
            ports=tuple(
                Port(as_text(one.get("protocol")) or "TCP", as_int(one.get("port")), as_text(one.get("name")))
                for one in map(as_dict, as_list(obj.get("ports")))
                # kube-proxy ignores a port without a number (pkg/proxy/endpointslicecache.go)
                if one.get("port")
            )
            if "ports" in obj
            else None,
            version={"IPv4": 4, "IPv6": 6}.get(as_text(obj.get("addressType")), 0),
        )


_NODE_OF_EVENT = re.compile(r'node "([^"]+)"')


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

    @property
    def node(self) -> str:
        """The node that a speaker's event names (announceFailed, nodeAssigned); empty where it names none."""
        found = _NODE_OF_EVENT.search(self.message)
        return found.group(1) if found else ""

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
