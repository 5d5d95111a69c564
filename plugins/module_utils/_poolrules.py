# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Rules over pools and advertisements: what MetalLB's webhook accepts without a word, and should not be applied. Pure.

The webhook (v0.15.3) checks syntax and overlap of pools; it does not know nodes, gateways, interfaces or what a name refers to.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.l2ops.metallb.plugins.module_utils._addresses import (
    AddressError,
    Span,
    format_address,
    host_bits,
    parse_address,
    parse_any,
    parse_span,
    unusable,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._announcer import any_matches, matches

Object = t.Mapping[str, t.Any]

CATALOGUE = {
    "MLB301": ("pool-holds-node-address", "error"),
    "MLB302": ("pool-holds-reserved-address", "error"),
    "MLB303": ("pools-overlap", "error"),
    "MLB304": ("pool-outside-node-network", "error"),
    "MLB305": ("cidr-host-bits", "warning"),
    "MLB306": ("pool-holds-network-or-broadcast", "warning"),
    "MLB309": ("pool-not-usable-range", "error"),
    "MLB310": ("pool-overlaps-dhcp", "error"),
    "MLB401": ("pool-not-advertised", "error"),
    "MLB402": ("advertisement-unknown-pool", "error"),
    "MLB403": ("advertisement-selects-no-node", "error"),
    "MLB404": ("advertisement-without-interfaces", "warning"),
    "MLB407": ("interfaces-overridden", "warning"),
}
# Rules that look at nodes: without them they have not passed.
NEED_NODES = ("MLB301", "MLB304", "MLB403")
SEVERITIES = ("error", "warning", "info")
# Node networks are rarely written down in Kubernetes: without a word from the user the nodes' own /24 and /64 stand for them.
GUESSED_PREFIX = {4: 24, 6: 64}


@dataclass(frozen=True)
class Surroundings:
    """What the rules know of the LAN: texts as the user gave them, and the cluster's Nodes."""

    nodes: t.Sequence[Object] = ()
    gateway: t.Sequence[str] = ()
    reserved: t.Sequence[str] = ()
    dhcp_ranges: t.Sequence[str] = ()
    node_networks: t.Sequence[str] = ()
    ignore: t.Sequence[str] = field(default_factory=tuple)


def finding(code: str, kind: str, obj: Object, summary: str, fix: str, **evidence: t.Any) -> dict[str, t.Any]:
    slug, severity = CATALOGUE[code]
    metadata = obj.get("metadata") or {}
    return {
        "code": code,
        "slug": slug,
        "severity": severity,
        "object": {"kind": kind, "namespace": metadata.get("namespace", ""), "name": metadata.get("name", "")},
        "summary": summary,
        "evidence": evidence,
        "fix": fix,
    }


def sentence(found: t.Mapping[str, t.Any]) -> str:
    """A finding on one line."""
    return f"{found['code']} {found['object']['kind']} {found['object']['name']}: {found['summary']} {found['fix']}"


def judge(
    pools: t.Sequence[Object], advertisements: t.Sequence[Object], around: Surroundings
) -> list[dict[str, t.Any]]:
    """All findings, errors first. Raises AddressError for what the user gave as surroundings and cannot be read."""
    reserved = [("the gateway", text, parse_any(text)) for text in around.gateway]
    reserved += [("reserved", text, parse_any(text)) for text in around.reserved]
    dhcp = [(text, parse_any(text)) for text in around.dhcp_ranges]
    networks = [_network(text) for text in around.node_networks]
    found: list[dict[str, t.Any]] = []
    ranges: list[tuple[Object, Span, str]] = []
    for pool in pools:
        for text in (pool.get("spec") or {}).get("addresses") or []:
            try:
                span = parse_span(text)
            except AddressError as why:
                fix = "Ranges look like 192.168.7.200-192.168.7.250, prefixes like 192.168.7.192/26 or fd00::200/120."
                found.append(finding("MLB309", "IPAddressPool", pool, f"{text!r}: {why}.", fix, text=str(text)))
                continue
            bad = unusable(span)
            if bad:
                fix = "Write addresses of the LAN."
                found.append(finding("MLB309", "IPAddressPool", pool, f"{text}: {bad}.", fix, text=text))
                continue
            ranges.append((pool, span, text))
            found += _judge_span(pool, span, text, reserved, dhcp, networks, around.nodes)
    found += _overlaps(ranges)
    found += _judge_advertisements(pools, advertisements, around.nodes)
    kept = [f for f in found if f["code"] not in around.ignore]
    return sorted(kept, key=lambda f: (SEVERITIES.index(f["severity"]), f["code"], f["object"]["name"]))


def judged(found: t.Sequence[t.Mapping[str, t.Any]], unseen: str) -> list[dict[str, str]]:
    """Every rule with its result; with ``unseen`` (why nodes could not be read), rules about nodes count as skipped."""
    checks = []
    for code in CATALOGUE:
        severities = {one["severity"] for one in found if one["code"] == code}
        result = "failed" if "error" in severities else "warning" if severities else "passed"
        skipped = bool(unseen) and code in NEED_NODES
        checks.append({"id": code, "result": "skipped" if skipped else result, "reason": unseen if skipped else ""})
    return checks


def _network(text: str) -> Span:
    """An on-link network, host bits allowed ("192.168.7.1/24")."""
    return parse_span(host_bits(text) or text)


def _node_addresses(nodes: t.Sequence[Object]) -> t.Iterator[tuple[str, tuple[int, int]]]:
    for node in nodes:
        for address in (node.get("status") or {}).get("addresses") or []:
            parsed = (
                parse_address(address.get("address", ""))
                if address.get("type") in ("InternalIP", "ExternalIP")
                else None
            )
            if parsed is not None:
                yield str((node.get("metadata") or {}).get("name")), parsed


def _judge_span(
    pool: Object,
    span: Span,
    text: str,
    reserved: t.Sequence[tuple[str, str, Span]],
    dhcp: t.Sequence[tuple[str, Span]],
    networks: t.Sequence[Span],
    nodes: t.Sequence[Object],
) -> t.Iterator[dict[str, t.Any]]:
    kind = "IPAddressPool"
    whole = host_bits(text)
    if whole:
        fix = "Write the network, or the range you mean."
        yield finding("MLB305", kind, pool, f"{text} means all of {whole}.", fix, range=whole)
    for name, address in _node_addresses(nodes):
        if address in span:
            what = f"{text} holds {format_address(address)}, the address of node {name}."
            fix = "A service given it cuts the node off: take it out of the pool."
            yield finding("MLB301", kind, pool, what, fix, node=name, address=format_address(address))
    for why, other_text, other in reserved:
        if span.overlaps(other):
            what = f"{text} holds {other_text}, which is {why}."
            yield finding("MLB302", kind, pool, what, "Take it out of the pool.", reserved=other_text)
    for other_text, other in dhcp:
        if span.overlaps(other):
            what = f"{text} overlaps the DHCP range {other_text}."
            yield finding(
                "MLB310", kind, pool, what, "Move one: a lease would take a service's address.", dhcp=other_text
            )
    mine = [n for n in networks if n.version == span.version]
    if not networks:
        texts = {
            f"{format_address(a)}/{GUESSED_PREFIX[a[0]]}" for _name, a in _node_addresses(nodes) if a[0] == span.version
        }
        mine = sorted({_network(one) for one in texts})
    if mine and not any(n.covers(span) for n in mine):
        names = ", ".join(str(n) for n in mine)
        what = f"{text} lies in no network of the nodes ({names}): nobody on the LAN would ask for it."
        fix = "Choose addresses of that network."
        if not networks:
            fix = "Choose addresses of that network, or, if its mask is wider, name it in node_networks (role: metallb_node_networks)."
        yield finding("MLB304", kind, pool, what, fix, networks=names, guessed=not networks)
    if span.version == 4 and not (pool.get("spec") or {}).get("avoidBuggyIPs"):
        for network in [n for n in mine if n.covers(span)]:
            ends = [format_address((4, end)) for end in (network.first, network.last) if (4, end) in span]
            if ends:
                what = f"{text} holds {' and '.join(ends)}, network or broadcast address of {network}."
                yield finding("MLB306", kind, pool, what, "Leave it out, or set avoid_buggy_ips: true.", addresses=ends)


def _overlaps(ranges: t.Sequence[tuple[Object, Span, str]]) -> t.Iterator[dict[str, t.Any]]:
    """Pools sharing addresses: sorted, then each against the farthest end so far, so hundreds of pools cost nothing."""
    farthest: tuple[Object, Span, str] | None = None
    for pool, span, text in sorted(ranges, key=lambda one: one[1]):
        if farthest is not None and farthest[1].overlaps(span):
            other = (farthest[0].get("metadata") or {}).get("name", "")
            what = f"{text} shares addresses with {farthest[2]} of pool {other}."
            yield finding("MLB303", "IPAddressPool", pool, what, "MetalLB refuses such pools: shrink one.", other=other)
        if farthest is None or span.version != farthest[1].version or span.last > farthest[1].last:
            farthest = (pool, span, text)


def _reaches(advertisement: Object, pool: Object) -> bool:
    spec = advertisement.get("spec") or {}
    names, selectors = spec.get("ipAddressPools") or [], spec.get("ipAddressPoolSelectors") or []
    metadata = pool.get("metadata") or {}
    if not names and not selectors:
        return True
    return metadata.get("name") in names or any(matches(s, metadata.get("labels") or {}) for s in selectors)


def _judge_advertisements(
    pools: t.Sequence[Object], advertisements: t.Sequence[Object], nodes: t.Sequence[Object]
) -> t.Iterator[dict[str, t.Any]]:
    kind = "L2Advertisement"
    known = {(p.get("metadata") or {}).get("name") for p in pools}
    for pool in pools:
        if not any(_reaches(a, pool) for a in advertisements):
            yield finding(
                "MLB401", "IPAddressPool", pool, "no L2Advertisement reaches it: its addresses are given out, but nobody answers for them.",
                "Name it in ip_address_pools of an advertisement.",
            )  # fmt: skip
    for advertisement in advertisements:
        spec = advertisement.get("spec") or {}
        for name in spec.get("ipAddressPools") or []:
            if name not in known:
                yield finding(
                    "MLB402", kind, advertisement, f"names pool {name}, which does not exist.",
                    f"Existing pools: {', '.join(sorted(str(k) for k in known)) or 'none'}.", pool=name,
                )  # fmt: skip
        selectors = spec.get("nodeSelectors") or []
        if (
            selectors
            and nodes
            and not any(any_matches(selectors, (n.get("metadata") or {}).get("labels") or {}) for n in nodes)
        ):
            yield finding(
                "MLB403", kind, advertisement, "its node selectors match no node: nobody would announce.",
                "See the labels: kubectl get nodes --show-labels",
            )  # fmt: skip
        if spec.get("interfaces"):
            continue
        overridden = sorted(
            {
                str((other.get("metadata") or {}).get("name"))
                for other in advertisements
                if other is not advertisement
                and (other.get("spec") or {}).get("interfaces")
                and any(_reaches(advertisement, p) and _reaches(other, p) for p in pools)
            }
        )
        if overridden:
            yield finding(
                "MLB407", kind, advertisement, f"has no interfaces, which means all, and so overrides those of {', '.join(overridden)}.",
                "Give it interfaces too, or remove it.", overrides=overridden,
            )  # fmt: skip
        else:
            yield finding(
                "MLB404", kind, advertisement, "names no interfaces: it announces on every interface of the nodes.",
                "Set interfaces, for example [eth0], if the nodes have more than one.",
            )  # fmt: skip
