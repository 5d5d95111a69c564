# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Rules about address pools (MLB3xx)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import (
    Address,
    Span,
    SpanIndex,
    format_address,
    host_bits,
    is_buggy,
    merged,
    overlaps,
    prefix_length,
    unusable,
    usable_count,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.objects import NOT_KNOWN, Pool
from ansible_collections.l2ops.metallb.plugins.module_utils._model.other_load_balancers import by_annotation
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import listing
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import (
    CheckFunction,
    Context,
    Rule,
    Skip,
    plural,
    pool_ref,
    some,
)


class Range(NamedTuple):
    """One entry of spec.addresses."""

    pool: Pool
    place: int
    text: str

    @property
    def path(self) -> str:
        return f"spec.addresses[{self.place}]"


def _ranges(context: Context) -> list[tuple[Span, Range]]:
    return [
        (span, Range(pool, place, text))
        for pool in context.snapshot.pools.values()
        for place, (text, span, _why) in enumerate(pool.ranges)
        if span is not None
    ]


def _ref(pool: Pool, context: Context) -> Ref:
    return pool_ref(pool.name, context)


def _given(span: Span, pool: Pool) -> bool:
    """Whether a single address would be given out at all."""
    return not (span.size == 1 and pool.avoid_buggy and is_buggy((span.version, span.first)))


def holds_node_address(context: Context) -> Iterator[Finding]:
    index = SpanIndex(_ranges(context))
    hits: dict[tuple[str, int], list[tuple[Address, str]]] = {}
    entries: dict[tuple[str, int], Range] = {}
    for address, node in context.snapshot.node_address_index.items():
        for _span, entry in index.holding(address):
            if entry.pool.avoid_buggy and is_buggy(address):
                continue
            key = (entry.pool.name, entry.place)
            hits.setdefault(key, []).append((address, node.name))
            entries[key] = entry
    for key, found in sorted(hits.items()):
        entry = entries[key]
        named = [f"{format_address(address)} ({node})" for address, node in sorted(found)]
        yield Finding(
            "MLB301",
            _ref(entry.pool, context),
            f"{entry.text} holds the address of {plural(len(found), 'node')}: {listing(named)}",
            fix=f"Take {listing([format_address(address) for address, _node in sorted(found)])} out of {entry.text}.",
            evidence={"range": entry.text, "nodes": some(named)},
            path=entry.path,
        )


def _against(
    context: Context,
    code: str,
    others: Iterable[tuple[Span, str]],
    words: str,
    fix: str = "Take {common} out of {range}.",
) -> Iterator[Finding]:
    """Pools that share addresses with something else: one finding per entry of a pool and thing."""
    index = SpanIndex(list(others))
    for span, entry in _ranges(context):
        for other, what in sorted(index.overlapping(span), key=lambda one: (one[0], one[1])):
            common = span.common(other)
            if common is None or not _given(common, entry.pool):
                continue
            yield Finding(
                code,
                _ref(entry.pool, context),
                words.format(range=entry.text, what=what, common=common),
                fix=fix.format(range=entry.text, what=what, common=common),
                evidence={"range": entry.text, "other": what, "shared": str(common)},
                path=entry.path,
            )


def holds_reserved(context: Context) -> Iterator[Finding]:
    options = context.options
    if not options.gateway and not options.reserved:
        raise Skip(
            "no reserved addresses are known: give the options gateway and reserved (metallb_gateway, metallb_reserved)"
        )
    others = [(span, f"the gateway {span}") for span in options.gateway]
    others += [(span, f"the reserved {span}") for span in options.reserved]
    yield from _against(context, "MLB302", others, "{range} holds {common}, which belongs to {what}")


def pools_overlap(context: Context) -> Iterator[Finding]:
    for one, first, other, second in overlaps(_ranges(context)):
        common = one.common(other)
        same = first.pool.name == second.pool.name
        where = "itself" if same else f"pool {first.pool.name}"
        yield Finding(
            "MLB303",
            _ref(second.pool, context),
            f"{second.text} shares {common} with {first.text} of {where}; MetalLB rejects that",
            fix=f"Take {common} out of one of the two.",
            evidence={
                "range": second.text,
                "other_pool": first.pool.name,
                "other_range": first.text,
                "shared": str(common),
            },
            path=second.path,
        )


def _networks_of_links(context: Context) -> list[Span]:
    return [network for links in context.options.links.values() for link in links for network in link.networks]


def _guess(address: Address) -> Span:
    """The network that a node's address is in, if its prefix is the usual one: /24, and /64 for IPv6."""
    bits = 8 if address[0] == 4 else 64
    first = address[1] >> bits << bits
    return Span(address[0], first, first + (1 << bits) - 1)


_PRIVATE_192 = Span(4, 192 << 24 | 168 << 16, (192 << 24 | 169 << 16) - 1)


def outside_node_network(context: Context) -> Iterator[Finding]:
    """Networks are known (node_networks, interface facts) or guessed from addresses, and then trusted accordingly little."""
    snapshot, options = context.snapshot, context.options
    known = merged([*options.node_networks, *_networks_of_links(context)])
    if not known and not snapshot.has("nodes"):
        raise Skip(
            "the nodes' networks are not known: give the option node_networks (metallb_node_networks), or look at a cluster"
        )
    guesses: dict[int, set[Span]] = {}
    for address in snapshot.node_address_index:
        guesses.setdefault(address[0], set()).add(_guess(address))
    unknown: set[int] = set()
    for span, entry in _ranges(context):
        if known and any(network.version == span.version for network in known):
            if any(network.covers(span) for network in known):
                continue
            named = listing([str(network) for network in known if network.version == span.version])
            yield Finding(
                "MLB304",
                _ref(entry.pool, context),
                f"{entry.text} is not within the nodes' networks ({named})",
                evidence={"range": entry.text, "networks": named, "guessed": False},
                path=entry.path,
            )
            continue
        near = guesses.get(span.version)
        if not near:
            unknown.add(span.version)
            continue
        # The nodes' own addresses may span more than the usual prefix; what lies between them is theirs as well.
        reach = Span(span.version, min(one.first for one in near), max(one.last for one in near))
        if any(one.overlaps(span) for one in near) or (len(near) > 1 and reach.covers(span)):
            continue
        shared = max(_shared_bits(one, span) for one in near)
        named = listing(sorted(str(one) for one in near), 3)
        text = f"{entry.text} is not near any address of a node ({named})"
        severity = "error"
        if span.version == 4 and shared >= 16:
            # A larger network than /24 is common in 10.0.0.0/8, and rare in 192.168.0.0/16.
            severity = "warning" if _PRIVATE_192.covers(span) else "info"
        elif shared >= (8 if span.version == 4 else 48):
            severity = "warning"
        if severity != "error":
            text += "; whether it is on their network cannot be told from addresses alone"
        yield Finding(
            "MLB304",
            _ref(entry.pool, context),
            text,
            fix="If the nodes' network does hold it, say so: node_networks (metallb_node_networks). Else use addresses of that "
            "network.",
            severity=severity,
            evidence={"range": entry.text, "networks": named, "guessed": True},
            path=entry.path,
        )
    if unknown:
        families = " and ".join(f"IPv{version}" for version in sorted(unknown))
        raise Skip(
            f"nodes have no {families} address to compare with: give the option node_networks (metallb_node_networks)"
        )


def _shared_bits(one: Span, other: Span) -> int:
    bits = 32 if one.version == 4 else 128
    return bits - (one.first ^ other.first).bit_length()


def cidr_host_bits(context: Context) -> Iterator[Finding]:
    for span, entry in _ranges(context):
        meant = host_bits(entry.text)
        if meant is not None:
            start = entry.text.partition("/")[0]
            yield Finding(
                "MLB305",
                _ref(entry.pool, context),
                f"{entry.text} means all of {meant}, from {format_address((span.version, span.first))} on",
                fix=f"Write {meant} if all of it is meant, else a range: "
                f"{start}-{format_address((span.version, span.last - 1 if span.size > 2 else span.last))}.",
                evidence={"range": entry.text, "means": meant},
                path=entry.path,
            )


def network_or_broadcast(context: Context) -> Iterator[Finding]:
    snapshot, options = context.snapshot, context.options
    known = [*options.node_networks, *_networks_of_links(context)]
    networks = [one for one in known if one.version == 4 and one.size > 2 and prefix_length(one) is not None]
    guessed = False
    if not networks:
        guessed = True
        networks = sorted({_guess(address) for address in snapshot.node_address_index if address[0] == 4})
    edges: dict[int, tuple[str, Span]] = {}
    for network in merged(networks) if guessed else networks:
        pieces = [network] if not guessed else [one for one in networks if network.covers(one)]
        for piece in pieces:
            edges[piece.first] = ("network", piece)
            edges[piece.last] = ("broadcast", piece)
    unseen = 0
    index = SpanIndex([(Span(4, number, number), number) for number in edges])
    for span, entry in _ranges(context):
        if span.version != 4:
            continue
        found = {number: edges[number] for _span, number in index.overlapping(span)}
        if not networks and span.size > 2 and "/" in entry.text and (prefix_length(span) or 32) <= 24:
            # Nothing is known of the network: a whole prefix is most likely one of its own.
            found = {span.first: ("network", span), span.last: ("broadcast", span)}
        elif not networks:
            unseen += 1
        for number, (what, network) in sorted(found.items()):
            address = (4, number)
            if entry.pool.avoid_buggy and is_buggy(address):
                continue
            yield Finding(
                "MLB306",
                _ref(entry.pool, context),
                f"{entry.text} holds {format_address(address)}, the {what} address of {network}"
                + (" (its prefix is a guess)" if guessed else ""),
                fix=f"Take {format_address(address)} out of the pool"
                + (", or set avoidBuggyIPs: true." if is_buggy(address) else "."),
                evidence={"range": entry.text, "address": format_address(address), "network": str(network)},
                path=entry.path,
            )
    if unseen:
        raise Skip(
            "the nodes' networks are not known: give the option node_networks (metallb_node_networks), or look at a cluster"
        )


def pool_may_serve(pool: Pool, service: Service, context: Context) -> bool:
    """Whether the pool is compatible with the service; what cannot be told counts as yes."""
    return context.snapshot.admits(pool, service) is not False


def pool_exhausted(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    waiting = [one for one in snapshot.load_balancer_services if not one.ingress and not one.terminating]
    for pool in snapshot.pools.values():
        if not pool.spans:
            continue
        for version in (4, 6):
            size = sum(usable_count(span, pool.avoid_buggy) for span in merged(pool.spans) if span.version == version)
            used = sum(1 for address in snapshot.used[pool.name] if address[0] == version)
            if not size or used * 100 < size * context.options.pool_warning:
                continue
            free = max(0, size - used)
            wanting = [
                one
                for one in waiting
                if version in (one.families or (4,))
                and pool_may_serve(pool, one, context)
                and (
                    one.wanted_pool == pool.name
                    or (not one.wanted_pool and not one.wanted_addresses()[0] and pool.auto_assign)
                )
            ]
            # A pool of one or a few addresses, made for as many services, is full on purpose: unless somebody waits.
            if size < 10 and not (free == 0 and wanting):
                continue
            severity = "error" if free == 0 else "warning"
            family = f"IPv{version} " if any(span.version != version for span in pool.spans) else ""
            yield Finding(
                "MLB307",
                _ref(pool, context),
                (
                    f"no {family}address is free: all {size} are in use"
                    if free == 0
                    else f"{free} of {size} {family}addresses are free"
                )
                + (f", and {plural(len(wanting), 'service')} waits for one" if free == 0 and len(wanting) == 1 else "")
                + (f", and {len(wanting)} services wait for one" if free == 0 and len(wanting) > 1 else ""),
                fix=_fix_exhausted(wanting) if free == 0 else "",
                severity=severity,
                evidence={"size": size, "used": used, "free": free, "waiting": [one.path for one in wanting[:20]]},
            )


def _fix_exhausted(wanting: list[Service]) -> str:
    """A larger pool is no help to services that wait for another load balancer."""
    others = [one for one in wanting if by_annotation(one.annotations) is not None]
    if not others:
        return ""
    return (
        f"The annotations of {listing([one.path for one in others], 3)} are meant for another load balancer: give such services its "
        "loadBalancerClass (they must be made anew for that), or MetalLB a class of its own (Helm value loadBalancerClass)."
        + ("" if len(others) == len(wanting) else " For the others, add addresses to the pool.")
    )


def overlaps_cluster_network(context: Context) -> Iterator[Finding]:
    snapshot, options = context.snapshot, context.options
    networks = [(span, f"the Service network {span}") for span in snapshot.service_networks]
    networks += [(span, f"the cluster's network {span}") for span in options.cluster_networks]
    pods = [span for node in snapshot.nodes.values() for span in node.pod_cidrs]
    networks += [(span, f"the Pod network ({span})") for span in merged(pods)]
    if not networks and not any(one.cluster_ips for one in snapshot.services.values()):
        raise Skip(
            "the cluster's networks are not known: give the option cluster_networks (metallb_cluster_networks), or look at a cluster"
        )
    seen = set()
    for finding in _against(context, "MLB308", networks, "{range} shares {common} with {what}"):
        seen.add((finding.object, finding.path))
        yield finding
    # Older clusters do not show the Service network: then its addresses tell.
    index = SpanIndex(_ranges(context))
    for service in snapshot.services.values():
        for address in service.cluster_ips:
            for _span, entry in index.holding(address):
                key = (_ref(entry.pool, context), entry.path)
                if key in seen:
                    continue
                seen.add(key)
                yield Finding(
                    "MLB308",
                    _ref(entry.pool, context),
                    f"{entry.text} holds {format_address(address)}, the cluster address of service {service.path}",
                    evidence={"range": entry.text, "service": service.path},
                    path=entry.path,
                )


def not_usable_range(context: Context) -> Iterator[Finding]:
    for pool in context.snapshot.pools.values():
        for path, why in pool.problems:
            if path == "spec.addresses":
                yield Finding("MLB309", _ref(pool, context), f"addresses: {why}", evidence={"range": ""}, path=path)
        for place, (text, span, why) in enumerate(pool.ranges):
            path = f"spec.addresses[{place}]"
            if why == NOT_KNOWN:
                continue
            if span is None:
                yield Finding(
                    "MLB309",
                    _ref(pool, context),
                    f"{text!r} cannot be read, so MetalLB rejects its whole configuration: {why}",
                    evidence={"range": text},
                    path=path,
                )
                continue
            reason = unusable(span)
            if reason is not None:
                yield Finding(
                    "MLB309",
                    _ref(pool, context),
                    f"{text} holds addresses that no service can have: {reason}",
                    evidence={"range": text},
                    path=path,
                )


def overlaps_dhcp(context: Context) -> Iterator[Finding]:
    if not context.options.dhcp_ranges:
        raise Skip("no DHCP ranges are known: give the option dhcp_ranges (metallb_dhcp_ranges)")
    others = [(span, f"the DHCP range {span}") for span in context.options.dhcp_ranges]
    yield from _against(
        context,
        "MLB310",
        others,
        "{range} shares {common} with {what}",
        "Take {common} out of {range}, or out of {what}.",
    )


def other_namespace(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    for kind, found in (("IPAddressPool", snapshot.all_pools), ("L2Advertisement", snapshot.all_advertisements)):
        for one in found:
            if one.namespace not in ("", snapshot.namespace):
                yield Finding(
                    "MLB311",
                    Ref(kind, one.namespace, one.name),
                    f"it is in namespace {one.namespace}, and MetalLB reads its configuration in {snapshot.namespace} only"
                    + (f" ({snapshot.settings['namespace_from']})" if snapshot.settings.get("namespace_from") else ""),
                    fix=f"Set metadata.namespace: {snapshot.namespace}, or say with the option namespace where MetalLB is.",
                    path="metadata.namespace",
                )


def _known(rule: CheckFunction) -> CheckFunction:
    """The rule, and that it did not see ranges whose value is not known."""

    def complete(context: Context) -> Iterator[Finding]:
        yield from rule(context)
        number = sum(one.unknown_ranges for one in context.snapshot.pools.values())
        if number:
            raise Skip(f"{plural(number, 'range')} of pools is not known (a variable, or encrypted)")

    return complete


POOLS = ("ipaddresspools",)
RULES = (
    Rule("MLB301", (*POOLS, "nodes"), _known(holds_node_address)),
    Rule("MLB302", POOLS, _known(holds_reserved)),
    Rule("MLB303", POOLS, _known(pools_overlap)),
    Rule("MLB304", POOLS, _known(outside_node_network)),
    Rule("MLB305", POOLS, _known(cidr_host_bits)),
    Rule("MLB306", POOLS, _known(network_or_broadcast)),
    Rule("MLB307", (*POOLS, "services", "nodes"), pool_exhausted, subjects=POOLS),
    Rule("MLB308", POOLS, _known(overlaps_cluster_network)),
    Rule("MLB309", POOLS, _known(not_usable_range)),
    Rule("MLB310", POOLS, _known(overlaps_dhcp)),
    Rule("MLB311", POOLS, other_namespace, subjects=("ipaddresspools|l2advertisements",)),
)
