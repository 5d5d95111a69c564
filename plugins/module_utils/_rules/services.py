# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Rules about services (MLB5xx)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import Address, format_address, is_buggy
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import (
    ADDRESS_POOL,
    ALLOW_SHARED_IP,
    ANNOTATIONS,
    LOAD_BALANCER_IPS,
    OLD_PREFIX,
    PREFIX,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.objects import Pool
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import is_unknown, listing, shorten
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Event, Service
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.classes import (
    class_not_served,
    leave_to_another,
    meant_for_another,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import (
    Context,
    Rule,
    Skip,
    service_ref,
    some,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.pools import pool_may_serve
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.readings import prediction_doubted
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import (
    ElectionResult,
)

# Events of the controller that say why there is no address (controller/service.go, v0.15.3).
FAILURES = (
    "AllocationFailed",
    "LoadBalancerFailed",
    "not enough clusterips",
    "nolbIPsIPFamily",
    "noclusterIPsIPFamily",
    "InternalError",
)

# In words for people, by the election's reason.


def _services(context: Context) -> list[Service]:
    context.demand_metallb()
    return [service for service in context.snapshot.load_balancer_services if not service.terminating]


def last_failure(context: Context, service: Service) -> Event | None:
    """The controller's latest complaint, unless it has given an address since."""
    events = context.snapshot.events.get(("Service", service.namespace, service.name), [])
    failed = [event for event in events if event.reason in FAILURES]
    given = max((event.last for event in events if event.reason == "IPAllocated"), default=0.0)
    return failed[-1] if failed and failed[-1].last >= given else None


# -- what is asked for ------------------------------------------------------------------------------------------------


def impossible_wish(context: Context, service: Service) -> tuple[str, str, str] | None:
    """What no pool can give: why, what fixes it, and the field; None when its request can be met."""
    snapshot = context.snapshot
    addresses, wrong = service.wanted_addresses()
    if unsure(context, service):
        return None
    field = _annotation_path(service, LOAD_BALANCER_IPS) or "spec.loadBalancerIP"
    if wrong and wrong != "twice":
        return (
            f"it asks for an address that cannot be read: {wrong}",
            "Write one address, or one of each family.",
            field,
        )
    wanted_pool = service.wanted_pool
    pool_field = _annotation_path(service, ADDRESS_POOL)
    if wanted_pool and wanted_pool not in snapshot.pools:
        there = listing(snapshot.pools) or "none"
        return (
            f"it asks for the pool {wanted_pool}, which does not exist (there: {there})",
            "Fix the pool's name.",
            pool_field,
        )
    if addresses:
        named = ", ".join(format_address(address) for address in addresses)
        for address in addresses:
            text = format_address(address)
            holders = [pool for _span, pool in snapshot.pool_index.holding(address)]
            if not holders:
                return (
                    f"it asks for {text}, which is in no pool{meant_for_another(service)}",
                    leave_to_another(service)
                    or f"Add {text} to a pool (a pool of its own: {text}/{32 if address[0] == 4 else 128}), or ask for another one.",
                    field,
                )
            if is_buggy(address) and all(pool.avoid_buggy for pool in holders):
                return f"it asks for {text}, which avoidBuggyIPs keeps back", "Ask for another address.", field
        pool = snapshot.pool_of(addresses)
        if pool is None:
            return f"it asks for {named}, which are in different pools", "Put both into one pool.", field
        if wanted_pool and wanted_pool != pool.name:
            return (
                f"it asks for {named}, which is in pool {pool.name}, and for the pool {wanted_pool}",
                "Remove one of the two annotations.",
                field,
            )
        if not pool_may_serve(pool, service, context):
            return (
                f"it asks for {named} of pool {pool.name}, whose serviceAllocation keeps it out",
                f"Let serviceAllocation of {pool.name} hold for namespace {service.namespace} and the service's labels.",
                field,
            )
        versions = {version for version, _number in addresses}
        families = set(service.families)
        if families and versions != families and service.ip_family_policy != "PreferDualStack":
            return (
                f"it asks for {named}, and its ipFamilies are {_families(families)}",
                "Ask for an address of each of its families, or change ipFamilies.",
                field,
            )
        return None
    if service.ingress:
        return None
    if wanted_pool:
        pool = snapshot.pools[wanted_pool]
        if not pool_may_serve(pool, service, context):
            return (
                f"it asks for the pool {wanted_pool}, whose serviceAllocation keeps it out",
                f"Let serviceAllocation of {wanted_pool} hold for namespace {service.namespace} and the service's labels.",
                pool_field,
            )
        lacking = _lacking(service, pool)
        if lacking:
            return (
                f"it asks for the pool {wanted_pool}, which has no {lacking} addresses",
                "Add some to the pool.",
                pool_field,
            )
        return None
    if not snapshot.pools:
        return None
    open_pools = [
        pool for pool in snapshot.pools.values() if pool.auto_assign and pool_may_serve(pool, service, context)
    ]
    if not open_pools:
        return (
            "no pool may give it an address: each has autoAssign off or a serviceAllocation that keeps it out",
            f"Ask for a pool (annotation {PREFIX}{ADDRESS_POOL}), or open one.",
            "",
        )
    lacking = ""
    for pool in open_pools:
        lacking = _lacking(service, pool)
        if not lacking:
            return None
    return f"no pool that may give it an address has {lacking} ones", "Add such addresses to one pool.", ""


def _lacking(service: Service, pool: Pool) -> str:
    """Families of the service that no range of the pool is of; a range that is not known may be of any."""
    if pool.unknown_ranges:
        return ""
    versions = {span.version for span in pool.spans}
    families = service.families
    if service.ip_family_policy == "PreferDualStack" and versions & set(families):
        return ""
    lacking = [version for version in families if version not in versions]
    return _families(lacking) if lacking else ""


def _families(versions: object) -> str:
    return " and ".join(f"IPv{version}" for version in sorted(versions))  # type: ignore[call-overload]


def _annotation_path(service: Service, name: str) -> str:
    for prefix in (PREFIX, OLD_PREFIX):
        if prefix + name in service.annotations:
            return f"metadata.annotations.{prefix}{name}"
    return ""


def unsure(context: Context, service: Service) -> bool:
    """Whether it cannot be told if a service gets what it asks for: a value, or pools that may hold it, are not known."""
    snapshot = context.snapshot
    if any(map(is_unknown, (service.wanted_pool, service.annotation(LOAD_BALANCER_IPS), service.load_balancer_ip))):
        return True
    addresses, _wrong = service.wanted_addresses()
    vague = bool(snapshot.settings.get("pools_unread")) or any(
        one.unknown_ranges or is_unknown(one.name) for one in snapshot.pools.values()
    )
    if not vague or not (addresses or service.wanted_pool):
        return False
    if addresses and all(snapshot.pool_of([address]) is not None for address in addresses):
        return False
    return not (service.wanted_pool in snapshot.pools and not addresses)


def requested_not_in_pool(context: Context) -> Iterator[Finding]:
    vague = [service.path for service in _services(context) if unsure(context, service)]
    for service in _services(context):
        wish = impossible_wish(context, service)
        if wish is not None:
            why, fix, path = wish
            yield Finding(
                "MLB502",
                service_ref(service),
                why,
                fix=fix,
                evidence={
                    "pool": service.wanted_pool,
                    "addresses": service.annotation(LOAD_BALANCER_IPS) or service.load_balancer_ip,
                },
                caused_by=("MLB309", "MLB409", "MLB311") if context.snapshot.elsewhere else ("MLB309", "MLB409"),
                path=path,
            )
    if vague:
        raise Skip(
            f"what {len(vague)} of the services ask for, or the pools that may hold it, is not known (a variable, encrypted, or in a file that "
            f"was not read): {listing(vague)}"
        )


def sharing_obstacle(holder: Service, newcomer: Service) -> str:
    """Why both cannot have one address, ports aside; "" when they can (internal/allocator sharingOK)."""
    if not holder.sharing_key or not newcomer.sharing_key:
        lacking = [one.path for one in (holder, newcomer) if not one.sharing_key]
        verb = "has" if len(lacking) == 1 else "have"
        return f"{' and '.join(lacking)} {verb} no annotation {PREFIX}{ALLOW_SHARED_IP}"
    if holder.sharing_key != newcomer.sharing_key:
        return f"their sharing keys differ ({holder.sharing_key!r} and {newcomer.sharing_key!r})"
    if holder.backend_key != newcomer.backend_key:
        return "externalTrafficPolicy Local allows sharing only between services that select the same pods"
    return ""


def _conflicts(context: Context) -> Iterator[tuple[Service, Address, Service, str]]:
    """Services that cannot have the address they ask for or hold, with the service in their way."""
    claims: dict[Address, list[tuple[bool, float, Service]]] = {}
    for service in _services(context):
        wanted = service.wanted_addresses()[0]
        for address in dict.fromkeys((*service.ingress, *wanted)):
            claims.setdefault(address, []).append((address not in service.ingress, service.created, service))
    for address, found in sorted(claims.items()):
        if len(found) < 2:
            continue
        # Who has it comes before who asks for it, and then who was first.
        found.sort(key=lambda one: (one[0], one[1], one[2].key))
        holder = found[0][2]
        ports = {(port.protocol, port.port): holder for port in holder.ports}
        for _asks, _created, service in found[1:]:
            why = sharing_obstacle(holder, service)
            if why:
                yield service, address, holder, why
                continue
            taken = next((port for port in service.ports if (port.protocol, port.port) in ports), None)
            if taken is not None:
                yield service, address, ports[(taken.protocol, taken.port)], f"both use port {taken}"
                continue
            ports.update({(port.protocol, port.port): service for port in service.ports})


def conflicts(context: Context) -> dict[tuple[str, str], tuple[Address, Service, str]]:
    return {service.key: (address, holder, why) for service, address, holder, why in _conflicts(context)}


def address_conflict(context: Context) -> Iterator[Finding]:
    for service, address, holder, why in _conflicts(context):
        text = format_address(address)
        yield Finding(
            "MLB503",
            service_ref(service),
            f"it wants {text}, which {holder.path} has, and they cannot share it: {why}",
            fix=f"Ask for another address than {text}, or let both share it: the same {PREFIX}{ALLOW_SHARED_IP}, different ports, "
            "policy Cluster.",
            evidence={"address": text, "service": holder.path, "reason": why},
            path=_annotation_path(service, LOAD_BALANCER_IPS),
        )


def deprecated_annotation(context: Context) -> Iterator[Finding]:
    for service in _services(context):
        for name in (ADDRESS_POOL, LOAD_BALANCER_IPS, ALLOW_SHARED_IP):
            old = service.annotations.get(OLD_PREFIX + name)
            if old is None:
                continue
            new = service.annotations.get(PREFIX + name)
            differs = new is not None and new != old
            written = context.snapshot.source_of("Service", service.namespace, service.name)
            yield Finding(
                "MLB504",
                service_ref(service),
                f"{OLD_PREFIX}{name} is deprecated"
                + (f" and says {old!r}, while {PREFIX}{name} says {new!r}, which holds" if differs else ""),
                fix=(
                    f"Remove {OLD_PREFIX}{name} in {written.file}."
                    if new is not None
                    else f"Rename it to {PREFIX}{name} in {written.file}."
                )
                if written is not None
                else f"kubectl -n {service.namespace} annotate service {service.name} --overwrite "
                f"{PREFIX}{name}={new if new is not None else old} {OLD_PREFIX}{name}-",
                severity="error" if differs else "warning",
                evidence={"old": old, "new": new},
                path=f"metadata.annotations.{OLD_PREFIX}{name}",
            )


def asked_twice(context: Context) -> Iterator[Finding]:
    for service in _services(context):
        if service.wanted_addresses()[1] == "twice":
            yield Finding(
                "MLB505",
                service_ref(service),
                f"it asks for {service.annotation(LOAD_BALANCER_IPS)} by annotation and for {service.load_balancer_ip} by "
                "spec.loadBalancerIP; MetalLB refuses both at once",
                path="spec.loadBalancerIP",
            )


def unknown_annotation(context: Context) -> Iterator[Finding]:
    for service in _services(context):
        for key in sorted(service.annotations):
            for prefix in (PREFIX, OLD_PREFIX):
                name = key[len(prefix) :]
                if not key.startswith(prefix) or name in ANNOTATIONS:
                    continue
                near = next((one for one in ANNOTATIONS if _same_letters(one, name)), "")
                yield Finding(
                    "MLB506",
                    service_ref(service),
                    f"MetalLB knows no annotation {key}" + (f"; did you mean {PREFIX}{near}?" if near else ""),
                    evidence={"annotation": key},
                    path=f"metadata.annotations.{key}",
                )


def _same_letters(known: str, given: str) -> bool:
    """Whether given is likely a slip for known: other case, dashes or endings."""

    def plain(text: str) -> str:
        return "".join(letter for letter in text.lower() if letter.isalnum()).rstrip("s")

    one, other = plain(known), plain(given)
    return one == other or (len(other) >= 6 and (one.startswith(other) or other.startswith(one) or other in one))


# -- what is given ----------------------------------------------------------------------------------------------------


def no_address(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    in_conflict = conflicts(context)
    for service in _services(context):
        if service.ingress or service.odd_ingress or service.key in snapshot.planned:
            continue
        event = last_failure(context, service)
        said = shorten(event.message) if event else ""
        wish = impossible_wish(context, service)
        causes: tuple[str, ...] = ()
        if service.wanted_addresses()[1] == "twice":
            why, causes = "it asks for its address in two ways", ("MLB505",)
        elif wish is not None:
            why, causes = wish[0], ("MLB502",)
        elif service.key in in_conflict:
            address, holder, _why = in_conflict[service.key]
            why, causes = f"{format_address(address)} belongs to {holder.path}", ("MLB503",)
        elif not snapshot.pools:
            why = "there is no IPAddressPool" if snapshot.has("ipaddresspools") else "pools could not be checked"
        elif snapshot.controller is not None and snapshot.controller.ready == 0:
            why, causes = "no controller is ready to give one", ("MLB104",)
        elif said:
            why, causes = f"the controller says: {said}", ("MLB307", "MLB111", "MLB303", "MLB309", "MLB409")
        else:
            why, causes = "no event says why", ("MLB307", "MLB111", "MLB303", "MLB309", "MLB409", "MLB104")
        yield Finding(
            "MLB501",
            service_ref(service),
            f"it has no address: {why}" + ("" if causes == ("MLB502",) else meant_for_another(service)),
            fix=_first_fix(context, service, causes),
            evidence={"event": said, "reason": event.reason if event else ""},
            caused_by=causes,
            changed=max(service.created, 0.0),
        )


def _first_fix(context: Context, service: Service, causes: tuple[str, ...]) -> str:
    if causes != ("MLB502",) and meant_for_another(service):
        return leave_to_another(service)
    if not context.snapshot.pools:
        return "Make a pool and an advertisement: module l2ops.metallb.l2_config."
    if causes:
        return ""
    return f"kubectl -n {service.namespace} describe service {service.name}"


def outside_pools(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    if snapshot.static:
        raise Skip("no service has an address yet: no cluster was looked at")
    for service in _services(context):
        if not service.ingress:
            continue
        lost = [address for address in service.ingress if snapshot.pool_of([address]) is None]
        if lost:
            named = ", ".join(format_address(address) for address in lost)
            yield Finding(
                "MLB512",
                service_ref(service),
                f"it holds {named}, which is in no pool, so nobody announces it",
                fix=f"Put {named} back into a pool, or let MetalLB give another address.",
                evidence={"addresses": [format_address(address) for address in lost], "pools": some(snapshot.pools)},
                caused_by=("MLB309", "MLB109"),
            )
        elif snapshot.pool_of(service.ingress) is None:
            yield Finding(
                "MLB512",
                service_ref(service),
                "its addresses are in different pools, and MetalLB announces only what one pool holds",
                fix="Put both addresses into one pool.",
                evidence={"addresses": [format_address(address) for address in service.ingress]},
            )


# -- who announces ----------------------------------------------------------------------------------------------------


def _l2(context: Context, outcome: ElectionResult) -> bool:
    """Whether layer 2 is to announce it: what only BGP advertises is none of this collection's business."""
    return not (outcome.pool is not None and not outcome.advertisements and outcome.pool.name in context.bgp_pools)


def _announceable(context: Context) -> Iterator[ElectionResult]:
    context.demand_metallb()
    for outcome in context.outcomes:
        if not outcome.service.terminating and _l2(context, outcome):
            yield outcome


def _endpoints_changed(context: Context, service: Service) -> float:
    slices = context.snapshot.endpoints.get(service.key, ())
    return max([service.created, *(piece.changed for piece in slices)])


def _nodes_changed(context: Context, nodes: object) -> float:
    known = context.snapshot.nodes
    pods = context.snapshot.speakers.by_node
    latest = 0.0
    for name in nodes:  # type: ignore[attr-defined]
        if name in known:
            latest = max(latest, known[name].changed)
        if name in pods:
            latest = max(latest, pods[name].changed)
    return latest


def _serve_elsewhere(service: Service) -> str:
    if service.selector:
        return "Run a pod on a node that may announce"
    # Its EndpointSlices are written by hand.
    return "Give its EndpointSlices an endpoint on a node that may announce"


def local_without_endpoint(context: Context) -> Iterator[Finding]:
    for outcome in _announceable(context):
        if outcome.verdict != "no-local-endpoint" or outcome.eligible is None:
            continue
        service = outcome.service
        if outcome.local_nodes:
            why = f"its pods run on {listing(sorted(outcome.local_nodes), 3)}, and {outcome.eligible.explain(outcome.local_nodes) or 'these are unknown nodes'}"
        else:
            why = "its endpoints name no node"
        yield Finding(
            "MLB507",
            service_ref(service),
            f"externalTrafficPolicy is Local, and no node with a serving pod may announce: {why}",
            fix=f"{_serve_elsewhere(service)} ({listing(sorted(outcome.eligible.nodes), 3)}), let the pods' nodes announce, or "
            f"kubectl -n {service.namespace} patch service {service.name} -p "
            '\'{"spec":{"externalTrafficPolicy":"Cluster"}}\'',
            evidence={
                "pods_on": some(outcome.local_nodes),
                "may_announce": some(outcome.eligible.nodes),
                "reasons": {node: outcome.eligible.reasons.get(node, "") for node in sorted(outcome.local_nodes)[:20]},
            },
            caused_by=outcome.eligible.causes(outcome.local_nodes),
            changed=max(_endpoints_changed(context, service), _nodes_changed(context, outcome.local_nodes)),
        )


def no_endpoints(context: Context) -> Iterator[Finding]:
    for outcome in _announceable(context):
        if outcome.verdict != "no-endpoints":
            continue
        service = outcome.service
        slices = context.snapshot.endpoints.get(service.key, [])
        total = sum(len(piece.endpoints) for piece in slices)
        selector = ",".join(f"{key}={text}" for key, text in sorted(service.selector.items()))
        if not service.selector:
            why = "it has no selector, and no EndpointSlice was made for it by hand"
        elif not total:
            why = f"no pod matches its selector ({selector})"
        else:
            why = f"none of its {total} pods is ready" if total > 1 else "its only pod is not ready"
        yield Finding(
            "MLB508",
            service_ref(service),
            f"it has no serving endpoint, so nobody announces it: {why}",
            fix=f"kubectl -n {service.namespace} get pods -l '{selector}'"
            if selector
            else "Give it a selector, or EndpointSlices.",
            evidence={"selector": selector, "endpoints": total},
            changed=_endpoints_changed(context, service),
        )


def _port_names(context: Context, service: Service) -> list[str]:
    """Names that the containers behind a service give their ports, of the pods and templates that were read."""
    snapshot = context.snapshot
    if not service.selector:
        return []
    behind = [
        *((pod.labels, pod.containers) for pod in snapshot.pods if pod.namespace == service.namespace),
        *(
            (one.pod_labels, one.containers)
            for one in (*snapshot.daemonsets, *snapshot.deployments)
            if one.namespace == service.namespace
        ),
    ]
    names = [
        name
        for labels, containers in behind
        if service.selector.items() <= labels.items()
        for container in containers
        for name in container.port_names
    ]
    return list(dict.fromkeys(names))


def port_not_served(context: Context) -> Iterator[Finding]:
    vague: list[str] = []
    seen = 0
    for service in _services(context):
        slices = [one for one in context.snapshot.endpoints.get(service.key, ()) if one.serves]
        if any(one.ports is None for one in slices):
            vague.append(service.path)
            continue
        if context.snapshot.source_of("Service", service.namespace, service.name) is not None:
            # Its EndpointSlices are those of the Service as it was.
            continue
        seen += bool(slices)
        versions = {one.version for one in slices}
        lacking = context.unserved_families(service)
        for address in service.ingress:
            if address[0] in lacking:
                yield Finding(
                    "MLB515",
                    service_ref(service),
                    f"no endpoint serves {_families([address[0]])}, so connections to {format_address(address)} are refused or lost: its "
                    f"EndpointSlices have ready endpoints for {_families(versions)} only",
                    fix=f"Let its pods have {_families([address[0]])} addresses (the cluster's pod networks, the CNI), or leave "
                    f"{_families([address[0]])} out of the service's ipFamilies.",
                    evidence={"address": format_address(address), "family": address[0]},
                    changed=_endpoints_changed(context, service),
                    path="spec.ipFamilies",
                )
        for port in context.unserved_ports(service):
            named = f" ({port.name})" if port.name else ""
            target = port.target or str(port.port)
            there = sorted({f"{one.name or 'unnamed'} ({one})" for piece in slices for one in piece.ports or ()})
            if not service.selector:
                why = f"its EndpointSlices, which are made by hand, have no port named {port.name!r} with protocol {port.protocol}"
                fix = f"Give its EndpointSlices the port's name: {port.name!r}" + (
                    f" (they have {listing(there)})." if there else " (they have no ports)."
                )
            else:
                names = _port_names(context, service)
                why = f"no container of its pods has a port named {target} with protocol {port.protocol}"
                if target.isdigit():
                    why = f"its EndpointSlices have no port for targetPort {target} with protocol {port.protocol}"
                have = f"{listing(names)}" if names else ""
                selector = ",".join(f"{key}={text}" for key, text in sorted(service.selector.items()))
                fix = (
                    f"Write one of the names that the pods' ports have ({have}), or a number, as targetPort of port {port.port}."
                    if have
                    else f"Write the number, or a name that the pods have, as targetPort of port {port.port}: kubectl -n {service.namespace} "
                    f"get pods -l '{selector}' -o jsonpath='{{.items[*].spec.containers[*].ports}}' shows them."
                )
            yield Finding(
                "MLB515",
                service_ref(service),
                f"no endpoint serves port {port}{named}, so connections to it are refused or lost: {why}",
                fix=fix,
                evidence={
                    "port": port.port,
                    "protocol": port.protocol,
                    "name": port.name,
                    "target_port": target,
                    "endpoint_ports": there[:20],
                },
                changed=_endpoints_changed(context, service),
                path=f"spec.ports[{service.ports.index(port)}].targetPort",
            )
    if vague:
        raise Skip(f"the ports of the EndpointSlices of {listing(vague)} are not in this snapshot: take a new one")
    if not seen:
        raise Skip("no service has a serving endpoint whose ports could be compared")


def _claims(context: Context) -> dict[Address, list[Service]]:
    """Services of MetalLB's by address that they have or ask for."""
    found: dict[Address, list[Service]] = {}
    for service in _services(context):
        for address in dict.fromkeys((*service.ingress, *service.wanted_addresses()[0])):
            found.setdefault(address, []).append(service)
    return found


def external_ips(context: Context) -> Iterator[Finding]:
    """spec.externalIPs: kube-proxy accepts them on every node, and nobody leads traffic there."""
    snapshot = context.snapshot
    context.demand_metallb()
    claims = _claims(context)
    for service in sorted(snapshot.services.values(), key=lambda one: one.key):
        if not service.external_ips or service.terminating:
            continue
        pooled: list[str] = []
        outside: list[str] = []
        for address in service.external_ips:
            text = format_address(address)
            if address in service.ingress or address in snapshot.node_address_index:
                # MetalLB announces it for this very service, or a node has it: both lead there.
                continue
            others = [one for one in claims.get(address, ()) if one.key != service.key]
            for other in others:
                both = [port for port in service.ports if any(str(port) == str(one) for one in other.ports)]
                named = f"{text} is in its spec.externalIPs, and MetalLB gives it to {other.path}"
                fix = f"Take {text} out of spec.externalIPs of {service.path}. {_OWN_ADDRESS}"
                evidence = {
                    "address": text,
                    "service": service.path,
                    "holder": other.path,
                    "ports": [str(port) for port in both],
                }
                yield Finding(
                    "MLB516",
                    service_ref(service),
                    named
                    + (
                        f": port {listing(map(str, both))} of one leads to the pods of the other"
                        if both
                        else "; their ports differ"
                    ),
                    fix=fix,
                    severity="error" if both else "warning",
                    evidence=evidence,
                    path="spec.externalIPs",
                )
                if both:
                    yield Finding(
                        "MLB516",
                        service_ref(other),
                        f"{text} is in spec.externalIPs of {service.path}, too: its port {listing(map(str, both))} may lead to the pods of "
                        f"{service.path}",
                        fix=fix,
                        severity="error",
                        evidence=evidence,
                    )
            if not others:
                (pooled if snapshot.pool_of([address]) is not None else outside).append(text)
        if pooled:
            yield Finding(
                "MLB516",
                service_ref(service),
                f"its spec.externalIPs ({listing(pooled)}) are announced by nobody, and MetalLB may give them to other services: they are in a "
                "pool",
                fix=f"Take {listing(pooled)} out of spec.externalIPs. {_OWN_ADDRESS}",
                severity="warning",
                evidence={"addresses": pooled[:20], "pool": True},
                path="spec.externalIPs",
            )
        if outside:
            yield Finding(
                "MLB516",
                service_ref(service),
                f"its spec.externalIPs ({listing(outside)}) are announced by nobody, unless a route or another program leads them to a node",
                severity="info",
                evidence={"addresses": outside[:20], "pool": False},
                path="spec.externalIPs",
            )


_OWN_ADDRESS = (
    "MetalLB gives a service one address of each family: for more, make more services with the same selector (annotation "
    f"{PREFIX}{LOAD_BALANCER_IPS})."
)

SHARED_WITH_SELECTORS = (
    "it carries allow-shared-ip, and MetalLB from 0.16.2 on announces such a service for nobody by advertisements with "
    "serviceSelectors"
)


def no_announcer(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    for outcome in _announceable(context):
        service = outcome.service
        if outcome.address is None or outcome.pool is None:
            continue
        address = format_address(outcome.address)
        if outcome.verdict == "no-advertisement":
            others = context.election.advertisements_of(outcome.pool.name)
            causes: tuple[str, ...] = ()
            if others:
                names = listing([one.name for one in others])
                why = f"serviceSelectors of {names} do not match its labels"
                fix = f"Label the service as serviceSelectors of {names} want it, or add an advertisement for it."
            else:
                why, causes = f"no L2Advertisement reaches its pool {outcome.pool.name}", ("MLB401",)
                fix = f"Name {outcome.pool.name} in ipAddressPools of an L2Advertisement."
            yield Finding(
                "MLB509",
                service_ref(service),
                f"nobody may announce {address}: {why}",
                fix=fix,
                evidence={"address": address, "pool": outcome.pool.name, "reasons": {}},
                caused_by=(*causes, "MLB402", "MLB403", "MLB409") if causes else (),
            )
        elif outcome.verdict == "shared-with-selectors":
            names = listing([one.name for one in outcome.advertisements if one.service_selectors])
            yield Finding(
                "MLB509",
                service_ref(service),
                f"nobody may announce {address}: {SHARED_WITH_SELECTORS} ({names})",
                fix=f"Take the annotation {PREFIX}{ALLOW_SHARED_IP} off the service, or advertise pool {outcome.pool.name} to it by "
                f"advertisements without serviceSelectors: take them out of {names}.",
                evidence={"address": address, "pool": outcome.pool.name, "reasons": {}},
            )
        elif outcome.verdict == "no-candidate" and outcome.eligible is not None:
            told, ruled_out = outcome.eligible.why_nobody
            shown = (*outcome.eligible.ineligible[:20], *outcome.eligible.not_selected[:20])[:20]
            yield Finding(
                "MLB509",
                service_ref(service),
                f"nobody may announce {address}: {told}",
                fix="",
                evidence={
                    "address": address,
                    "pool": outcome.pool.name,
                    "counts": dict(outcome.eligible.counts),
                    "reasons": {node: outcome.eligible.reasons[node] for node in shown},
                },
                caused_by=ruled_out,
                changed=max(service.created, _nodes_changed(context, outcome.eligible.ineligible[:100]))
                if snapshot.nodes
                else 0.0,
            )


def announcer_differs(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    before = context.unelected
    for outcome in _announceable(context):
        service = outcome.service
        statuses = snapshot.l2_statuses.get(service.key, [])
        known = context.elect(service)
        changed = max(
            _endpoints_changed(context, service) if service.local else service.created,
            _nodes_changed(context, [status.node for status in statuses]),
            max((status.created for status in statuses), default=0.0),
        )
        if known is not None and known.elected_node is not None:
            changed = max(changed, _nodes_changed(context, [known.elected_node]))
        if outcome.verdict == "announced" and not statuses:
            named = (
                f"{known.elected_node} is to announce it"
                if known is not None and known.elected_node
                else "it is to be announced"
            )
            yield Finding(
                "MLB510",
                service_ref(service),
                f"there is no ServiceL2Status, though {named}",
                fix=f"kubectl -n {service.namespace} annotate service {service.name} --overwrite "
                'l2ops.metallb/refresh="$(date +%s)": '
                "on any change of a service its speaker writes one (after a failover 0.15.3 may leave "
                "none). Else see the events of the service and the speaker's log.",
                evidence={"elected": known.elected_node if known is not None else None},
                caused_by=("MLB511", "MLB405"),
                changed=changed,
            )
        for status in statuses:
            ref = Ref("ServiceL2Status", status.namespace or snapshot.namespace, status.name)
            delete = f"kubectl -n {ref.namespace} delete servicel2status {status.name}: the speaker writes a right one."
            if status.node == prediction_doubted(context, service):
                # The LAN agrees with it (MLB612).
                continue
            if snapshot.has("nodes") and status.node not in snapshot.nodes:
                why = f"it names {status.node or 'no node'}, which is no node of the cluster"
            elif status.label_node and status.label_node != status.node:
                why = f"its status says {status.node}, its own label says {status.label_node}"
            elif known is not None and known.doubt:
                continue
            elif known is not None and outcome.verdict == "announced" and known.elected_node != status.node:
                why = f"it says {status.node}, the election gives {known.elected_node}"
            elif outcome.verdict in (
                "no-endpoints",
                "no-candidate",
                "no-local-endpoint",
                "no-advertisement",
                "shared-with-selectors",
                "no-pool",
            ):
                why = f"it says {status.node}, but nobody may announce the service"
            else:
                continue
            yield Finding(
                "MLB510",
                ref,
                f"ServiceL2Status of {service.path} is stale: {why}",
                fix=delete,
                evidence={
                    "service": service.path,
                    "status_node": status.node,
                    "label_node": status.label_node,
                    "elected": known.elected_node if known is not None else None,
                },
                caused_by=("MLB507", "MLB508", "MLB509", "MLB512") if outcome.verdict != "announced" else (),
                changed=changed,
            )
    if context.unelected > before:
        raise Skip(
            f"{context.unelected - before} services were compared with their own labels only: electing them on this many nodes "
            "would take too long; l2_diagnose does it for single services"
        )


def announce_failed(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    context.demand_metallb()
    for key, failed in sorted(context.failed_announcements.items()):
        service = snapshot.services.get(key)
        if service is None or not snapshot.serves(service) or not service.ingress:
            continue
        since = failed.changed_since
        yield Finding(
            "MLB511",
            service_ref(service),
            f"a speaker could not announce it: {shorten(failed.message)}"
            + (f" (before {listing(since, 3)} was changed)" if since else ""),
            # What was changed may have fixed it; if not, the wire and the nodes' interfaces show.
            severity="info" if since else "",
            evidence={"event": failed.message, "changed_since": list(since)},
            caused_by=("MLB405",),
        )


def local_single_point(context: Context) -> Iterator[Finding]:
    for outcome in _announceable(context):
        if outcome.service.local and outcome.verdict == "announced" and len(outcome.candidates) == 1:
            (node,) = outcome.candidates
            yield Finding(
                "MLB513",
                service_ref(outcome.service),
                f"externalTrafficPolicy is Local, and {node} alone may announce it and has a serving pod",
                evidence={"node": node, "pods_on": some(outcome.local_nodes)},
            )


def shared_address_split(context: Context) -> Iterator[Finding]:
    """Services that share an address and that different advertisements reach: each elects for itself (0.16 and later)."""
    snapshot = context.snapshot
    if snapshot.static:
        yield from _shared_by_different_advertisements(context)
        return
    why = snapshot.why_missing(*_ELECTED)
    if why:
        raise Skip(why)
    for address, sharers in sorted(context.snapshot.services_by_address.items()):
        elected: dict[str, list[Service]] = {}
        for service in sharers if len(sharers) > 1 else ():
            outcome = context.elect(service)
            if outcome is not None and outcome.verdict == "announced" and outcome.elected_node:
                elected.setdefault(outcome.elected_node, []).append(service)
        if len(elected) < 2:
            continue
        told = "; ".join(
            f"{node} for {listing([one.path for one in those], 3)}" for node, those in sorted(elected.items())
        )
        for those in elected.values():
            for service in those:
                yield Finding(
                    "MLB514",
                    service_ref(service),
                    f"{format_address(address)} is announced by {len(elected)} nodes at once: {told}",
                    fix="Let the same advertisements reach all services that share the address: the same labels for serviceSelectors, and "
                    "externalTrafficPolicy Cluster; or give each service an address of its own.",
                    evidence={
                        "address": format_address(address),
                        "elected": {n: [s.path for s in t] for n, t in elected.items()},
                    },
                )


def _shared_by_different_advertisements(context: Context) -> Iterator[Finding]:
    """As far as files tell: whether the same nodes are elected depends on nodes that only a cluster has."""
    for address, sharers in sorted(_claims(context).items()):
        pool = context.snapshot.pool_of([address])
        if pool is None or len({one.sharing_key for one in sharers}) > 1 or not sharers[0].sharing_key:
            continue
        by: dict[tuple[str, ...], list[str]] = {}
        for service in sharers:
            names = tuple(one.name for one in context.election.advertisements_for(pool.name, service))
            by.setdefault(names, []).append(service.path)
        if len(by) < 2 or not all(by):
            continue
        told = "; ".join(f"{listing(names)} for {listing(paths, 3)}" for names, paths in sorted(by.items()))
        for service in sharers:
            yield Finding(
                "MLB514",
                service_ref(service),
                f"{format_address(address)} is shared by services that different advertisements reach ({told}): each elects a node of its own, "
                "and from MetalLB 0.16.2 on nobody announces it",
                fix="Let the same advertisements reach all services that share the address, without serviceSelectors; or give each service an "
                "address of its own.",
                severity="warning",
                evidence={
                    "address": format_address(address),
                    "advertisements": {", ".join(k): v for k, v in by.items()},
                },
                path=_annotation_path(service, LOAD_BALANCER_IPS),
            )


_POOLED = ("services", "ipaddresspools")
_ELECTED = (*_POOLED, "l2advertisements", "nodes", "pods", "endpointslices")
RULES = (
    Rule("MLB501", ("services", "daemonsets"), no_address, transient=True, chain_step="address"),
    Rule("MLB502", _POOLED, requested_not_in_pool, chain_step="address"),
    Rule("MLB503", ("services",), address_conflict, chain_step="address"),
    Rule("MLB504", ("services",), deprecated_annotation),
    Rule("MLB505", ("services",), asked_twice, chain_step="address"),
    Rule("MLB506", ("services",), unknown_annotation),
    Rule("MLB507", _ELECTED, local_without_endpoint, transient=True, chain_step="candidates"),
    Rule(
        "MLB508", (*_POOLED, "l2advertisements", "endpointslices"), no_endpoints, transient=True, chain_step="endpoints"
    ),
    Rule("MLB509", (*_POOLED, "l2advertisements", "nodes", "pods"), no_announcer, transient=True),
    Rule("MLB510", (*_ELECTED, "servicel2statuses"), announcer_differs, transient=True, chain_step="announcer"),
    Rule("MLB511", ("services", "events"), announce_failed, chain_step="interfaces", subjects=("addresses",)),
    Rule("MLB512", _POOLED, outside_pools, chain_step="pool", subjects=("addresses",)),
    Rule("MLB513", _ELECTED, local_single_point),
    Rule("MLB514", (*_POOLED, "l2advertisements"), shared_address_split, chain_step="announcer"),
    Rule("MLB515", ("services", "endpointslices"), port_not_served, transient=True, chain_step="port"),
    Rule("MLB516", _POOLED, external_ips, chain_step="port", subjects=("all services",)),
    Rule(
        "MLB517",
        ("services",),
        class_not_served,
        transient=True,
        chain_step="type",
        subjects=("load balancers",),
    ),
)
