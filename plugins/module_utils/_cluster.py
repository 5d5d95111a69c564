# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What is known of one cluster, read from raw objects, and what follows for each service. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.l2ops.metallb.plugins.module_utils._addresses import (
    AddressError,
    Span,
    parse_address,
    parse_span,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._announcer import (
    EXCLUDE_LABEL,
    Election,
    any_matches,
    elect,
    matches,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._speakers import (
    describe,
    is_controller,
    is_speaker,
    pods_of,
)

Object = dict[str, t.Any]

# Plural, group and version of what is read, one list call each. MetalLB's own objects are looked for in every namespace, since
# which one is not known yet.
KINDS = (
    ("nodes", "", "v1"),
    ("services", "", "v1"),
    ("pods", "", "v1"),
    ("endpointslices", "discovery.k8s.io", "v1"),
    ("deployments", "apps", "v1"),
    ("daemonsets", "apps", "v1"),
    ("ipaddresspools", "metallb.io", "v1beta1"),
    ("l2advertisements", "metallb.io", "v1beta1"),
    ("servicel2statuses", "metallb.io", "v1beta1"),
)


class Snapshot:
    """Everything judged about one cluster: raw objects by plural kind, and why a kind could not be looked at."""

    def __init__(self, objects: t.Mapping[str, t.Sequence[Object]], missing: t.Mapping[str, str] | None = None) -> None:
        self.objects = {kind: list(found) for kind, found in objects.items()}
        self.missing = dict(missing or {})
        speakers = [d for d in self.objects.get("daemonsets", []) if is_speaker(d)]
        controllers = [d for d in self.objects.get("deployments", []) if is_controller(d)]
        self.speaker = speakers[0] if speakers else None
        self.controller = controllers[0] if controllers else None
        self.metallb = describe(self.controller, self.speaker)

    def of(self, kind: str) -> list[Object]:
        return self.objects.get(kind, [])

    # -- speakers ------------------------------------------------------------------------------------------------------

    def _speaker_containers(self) -> list[Object]:
        spec = (((self.speaker or {}).get("spec") or {}).get("template") or {}).get("spec") or {}
        return [c for c in spec.get("containers") or [] if c.get("name") == "speaker"]

    @property
    def ignore_exclude(self) -> bool:
        """Whether the speakers run with --ignore-exclude-lb."""
        arguments = [str(a) for c in self._speaker_containers() for a in c.get("args") or []]
        return any(a in ("--ignore-exclude-lb", "--ignore-exclude-lb=true") for a in arguments)

    @property
    def memberlist(self) -> bool:
        """Whether the speakers use memberlist (its bind address is given to them)."""
        names = {e.get("name") for c in self._speaker_containers() for e in c.get("env") or []}
        return "METALLB_ML_BIND_ADDR" in names or not self._speaker_containers()

    @property
    def speaker_nodes(self) -> set[str] | None:
        """Nodes with a ready speaker; None where that is not known, or does not matter (memberlist disabled)."""
        if self.speaker is None or "pods" in self.missing or not self.memberlist:
            return None
        ready = set()
        for pod in pods_of(self.speaker, self.of("pods")):
            if pod.ready:
                ready.add(pod.node)
        return ready

    # -- pools and services ----------------------------------------------------------------------------------------------

    def pool_ranges(self, pool: Object) -> list[Span]:
        ranges = []
        for text in (pool.get("spec") or {}).get("addresses") or []:
            try:
                ranges.append(parse_span(text))
            except AddressError:
                continue
        return ranges

    def pool_of(self, address: str) -> Object | None:
        wanted = parse_address(address)
        for pool in self.of("ipaddresspools"):
            if wanted is not None and any(wanted in span for span in self.pool_ranges(pool)):
                return pool
        return None

    def advertisements_of(self, pool: Object, service: Object) -> list[Object]:
        """The L2Advertisements that reach a pool (config.go: names, selectors, or neither for all) and the service (0.16.0+)."""
        metadata = pool.get("metadata") or {}
        found = []
        for advertisement in self.of("l2advertisements"):
            spec = advertisement.get("spec") or {}
            names, selectors = spec.get("ipAddressPools") or [], spec.get("ipAddressPoolSelectors") or []
            reaches = metadata.get("name") in names or any(matches(s, metadata.get("labels") or {}) for s in selectors)
            labels = (service.get("metadata") or {}).get("labels") or {}
            if (reaches or not (names or selectors)) and any_matches(spec.get("serviceSelectors"), labels):
                found.append(advertisement)
        return found

    def services(self) -> list[Object]:
        """LoadBalancer services that MetalLB serves: those without a class, or with the class its controller was given."""
        containers = (((self.controller or {}).get("spec") or {}).get("template") or {}).get("spec") or {}
        arguments = [str(a) for c in containers.get("containers") or [] for a in c.get("args") or []]
        wanted = next((a.split("=", 1)[1] for a in arguments if a.startswith("--lb-class=")), None)
        return [
            s
            for s in self.of("services")
            if (s.get("spec") or {}).get("type") == "LoadBalancer"
            and (s["spec"].get("loadBalancerClass") or None) == (wanted or None)
        ]

    def status_of(self, service: Object) -> list[Object]:
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        return [
            s
            for s in self.of("servicel2statuses")
            if (s.get("status") or {}).get("serviceName") == name
            and (s.get("status") or {}).get("serviceNamespace") == namespace
        ]

    def election(self, service: Object) -> Election:
        """Who announces a service, by its first address."""
        addresses = addresses_of(service)
        if not addresses:
            return Election(None, cause="MLB501: it has no address; see: kubectl describe service")
        pool = self.pool_of(addresses[0])
        if pool is None:
            return Election(
                None, cause=f"MLB512: {addresses[0]} lies in no pool any more; add it to one, or delete the address"
            )
        metadata = service["metadata"]
        slices = [
            s
            for s in self.of("endpointslices")
            if s["metadata"].get("namespace") == metadata["namespace"]
            and (s["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == metadata["name"]
        ]
        return elect(
            addresses[0],
            self.of("nodes"),
            self.speaker_nodes,
            self.advertisements_of(pool, service),
            slices,
            (service.get("spec") or {}).get("externalTrafficPolicy") == "Local",
            self.ignore_exclude,
        )


def addresses_of(service: Object) -> list[str]:
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return [str(i["ip"]) for i in ingress if i.get("ip")]


def node_addresses(node: Object) -> list[str]:
    return [
        str(a["address"]) for a in (node.get("status") or {}).get("addresses") or [] if a.get("type") == "InternalIP"
    ]


def facts(snapshot: Snapshot) -> Object:
    """The snapshot as l2_info returns it."""
    services = []
    expected = {}
    settled = True
    for service in sorted(snapshot.services(), key=lambda s: (s["metadata"]["namespace"], s["metadata"]["name"])):
        metadata, spec = service["metadata"], service.get("spec") or {}
        election = snapshot.election(service)
        statuses = snapshot.status_of(service)
        reported = sorted({str(s["status"].get("node")) for s in statuses})
        addresses = addresses_of(service)
        if "servicel2statuses" not in snapshot.missing and reported != ([election.node] if election.node else []):
            settled = False
        if election.node:
            expected.update(dict.fromkeys(addresses, election.node))
        services.append(
            {
                "name": f"{metadata['namespace']}/{metadata['name']}",
                "addresses": addresses,
                "ports": [{"port": p["port"], "protocol": p.get("protocol", "TCP")} for p in spec.get("ports") or []],
                "policy": spec.get("externalTrafficPolicy", "Cluster"),
                "predicted": election.node or "",
                "reported": ", ".join(reported),
                "candidates": election.candidates,
                "reasons": election.reasons,
                "cause": election.cause,
            }
        )
    speakers = snapshot.speaker_nodes
    nodes = [
        {
            "name": n["metadata"]["name"],
            "addresses": node_addresses(n),
            "excluded": EXCLUDE_LABEL in (n["metadata"].get("labels") or {}),
            "speaker": None if speakers is None else n["metadata"]["name"] in speakers,
        }
        for n in snapshot.of("nodes")
    ]
    pools = []
    for pool in snapshot.of("ipaddresspools"):
        ranges = snapshot.pool_ranges(pool)
        used = sum(1 for s in services for a in s["addresses"] if any(parse_address(a) in span for span in ranges))
        size = sum(r.size for r in ranges)
        pools.append(
            {
                "name": pool["metadata"]["name"],
                "addresses": (pool.get("spec") or {}).get("addresses") or [],
                "size": size,
                "used": used,
            }
        )
    return {
        "metallb": {**snapshot.metallb, "ignores_exclude_label": snapshot.ignore_exclude},
        "nodes": nodes,
        "pools": pools,
        "advertisements": [
            {"name": a["metadata"]["name"], **(a.get("spec") or {})} for a in snapshot.of("l2advertisements")
        ],
        "services": services,
        "expected": expected,
        "settled": settled,
        "not_looked_at": snapshot.missing,
    }
