# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Which live Services lose their address or their announcement by a change of pools and advertisements. No I/O.

A Service keeps its address as long as one pool holds all its addresses and admits it (MetalLB v0.15.3, controller/service.go
convergeBalancer, internal/allocator/allocator.go Assign, poolFor and isPoolCompatibleWithService); otherwise MetalLB takes all
of them away. It keeps its announcement as long as an advertisement of that pool applies to it and selects a node that may
announce (speaker/layer2_controller.go ShouldAnnounce). autoAssign plays no part for an address that is given out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import (
    Address,
    format_address,
    is_buggy,
    merged,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.objects import Advertisement, Pool
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import listing
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.config_plan import ADVERTISEMENTS, OWNER_LABEL
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import (
    Candidates,
    Election,
    ElectionResult,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

ADDRESS = "address"
ANNOUNCEMENT = "announcement"

# What the guard reads beyond Services, pools and advertisements, and only where something rests on it.
KINDS = ("nodes", "namespaces", "daemonsets", "pods", "endpointslices")

# Verdicts of the election by which no advertisement brings the Service to the LAN.
_NOT_ADVERTISED = frozenset(["no-address", "no-pool", "no-advertisement", "shared-with-selectors"])


@dataclass(frozen=True)
class Loss:
    """One address of a live Service. loses is address or announcement; pool is the one that holds the address now."""

    namespace: str
    name: str
    address: str
    pool: str
    loses: str
    why: str
    moves_to: str = ""

    def as_result(self) -> dict[str, str]:
        return {
            "namespace": self.namespace,
            "name": self.name,
            "address": self.address,
            "pool": self.pool,
            "moves_to": self.moves_to,
            "loses": self.loses,
            "why": self.why,
        }

    def __str__(self) -> str:
        text = f"{self.namespace}/{self.name} has {self.address} from {self.pool}"
        if self.loses == ANNOUNCEMENT:
            return f"{text} and loses its announcement: {self.why}"
        return f"{text}" + (f", which moves to {self.moves_to}" if self.moves_to else "") + f": {self.why}"


@dataclass(frozen=True)
class Judgment:
    """unknown maps kinds that were not read to the Services for which they decide whether something is lost."""

    losses: tuple[Loss, ...] = ()
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def judge(before: Snapshot, after: Snapshot) -> Judgment:
    """Live Services of MetalLB's that lose their address or announcement from one snapshot to the other.

    Both snapshots are of the same cluster, and differ in pools and advertisements only.
    """
    was, will = Election(before), Election(after)
    losses: list[Loss] = []
    unknown: dict[str, list[str]] = {}
    for service in live_services(before):
        found, kinds = _address_losses(before, after, service)
        if not found and not kinds:
            why, kinds = _announcement_loss(was, will, service)
            pool = before.pool_of(service.ingress)
            if why and pool is not None:
                found = [_loss(service, address, pool, ANNOUNCEMENT, why) for address in service.ingress]
        losses += found
        for kind in kinds:
            unknown.setdefault(kind, []).append(service.path)
    return Judgment(
        tuple(sorted(losses, key=lambda one: (one.pool, one.namespace, one.name, one.address))),
        {kind: tuple(unknown[kind]) for kind in KINDS if kind in unknown},
    )


def live_services(snapshot: Snapshot) -> list[Service]:
    """Services that have an address. Where the speakers' class cannot be seen, those of every class count as MetalLB's."""
    known = snapshot.speaker is not None
    return [
        service
        for _key, service in sorted(snapshot.services.items())
        if service.ingress and service.type == "LoadBalancer" and (not known or snapshot.serves(service))
    ]


def _loss(service: Service, address: Address, pool: Pool, loses: str, why: str, moves_to: str = "") -> Loss:
    return Loss(service.namespace, service.name, format_address(address), pool.name, loses, why, moves_to)


# -- addresses --------------------------------------------------------------------------------------------------------


def _address_losses(before: Snapshot, after: Snapshot, service: Service) -> tuple[list[Loss], tuple[str, ...]]:
    """What it loses, or the kinds without which that is not known."""
    pool = before.pool_of(service.ingress)
    if pool is None:
        # No single pool holds all of them, so MetalLB would not keep them together. Each is followed alone.
        parts = [(before.pool_of([address]), address) for address in service.ingress]
        return [loss for held, address in parts if held for loss in _moved(after, service, held, [address])], ()
    found = _moved(after, service, pool, service.ingress)
    if found:
        return found, ()
    kept = after.pools[pool.name]
    admitted = after.admits(kept, service)
    if admitted is None and kept.allocation != pool.allocation:
        return [], ("namespaces",)
    if admitted is False and before.admits(pool, service) is not False:
        why = f"{_refusal(kept)} of pool {kept.name} no longer admits it"
        return [_loss(service, address, pool, ADDRESS, why) for address in service.ingress], ()
    return [], ()


def _moved(after: Snapshot, service: Service, pool: Pool, addresses: Sequence[Address]) -> list[Loss]:
    """Nothing if the same pool still holds all of these."""
    holder = after.pool_of(addresses)
    if holder is not None and holder.name == pool.name:
        return []
    reasons = {address: _why_not(after, pool, address) for address in addresses}
    found = []
    for address in addresses:
        other = after.pool_of([address])
        moves_to = other.name if other is not None and other.name != pool.name else ""
        why = reasons[address]
        if not why:
            lost = next((format_address(one) for one in addresses if reasons[one]), "")
            why = f"MetalLB takes the addresses of a Service from one pool, and {pool.name} no longer gives it {lost}"
        if moves_to and other is not None and after.admits(other, service) is False:
            why += f", and {_refusal(other)} of {other.name} does not admit the Service"
        found.append(_loss(service, address, pool, ADDRESS, why, moves_to))
    return found


def _why_not(after: Snapshot, pool: Pool, address: Address) -> str:
    """Why the pool does not give out this address any more; "" if it does."""
    text = format_address(address)
    holder = after.pool_of([address])
    if holder is not None:
        return (
            "" if holder.name == pool.name else f"{holder.name} takes {text} over, and in between no pool may hold it"
        )
    for _span, other in after.pool_index.holding(address):
        if other.avoid_buggy and is_buggy(address):
            return f"avoidBuggyIPs of pool {other.name} keeps back addresses that end in .0 or .255"
    return f"no pool holds {text} any more"


def _refusal(pool: Pool) -> str:
    allocation = pool.allocation
    parts = []
    if allocation is not None:
        if allocation.namespaces or allocation.namespace_selectors:
            parts.append("namespaces")
        if allocation.service_selectors:
            parts.append("serviceSelectors")
    return f"serviceAllocation ({', '.join(parts)})" if parts else "serviceAllocation"


# -- announcements ----------------------------------------------------------------------------------------------------


def _announcement_loss(was: Election, will: Election, service: Service) -> tuple[str, tuple[str, ...]]:
    """Why nobody announces it any more because of the change, or the kinds without which that is not known.

    What already keeps everybody from announcing it (no endpoint, no living speaker) and stays is no loss; what would keep
    everybody from announcing it once that is over is one.
    """
    one, other = was.outcome(service), will.outcome(service)
    if one.verdict in _NOT_ADVERTISED or one.pool is None:
        return "", ()
    if other.verdict == "no-advertisement":
        there = will.advertisements_of(one.pool.name)
        if there:
            return f"serviceSelectors of {_named(there)} do not match it", ()
        return f"no L2Advertisement applies to pool {one.pool.name} any more ({_named(one.advertisements)} did)", ()
    if other.verdict == "shared-with-selectors":
        return "MetalLB announces no Service with allow-shared-ip by an L2Advertisement with serviceSelectors", ()
    unknown = []
    if service.shares and _by_selectors(other) and not _by_selectors(one) and not will.snapshot.metallb["version"]:
        # Only some versions refuse it; which one runs is in the speakers' DaemonSet.
        unknown += _unread(will.snapshot, "daemonsets")
    if one.eligible is None or other.eligible is None:
        return "", tuple(unknown)
    if not was.snapshot.has("nodes"):
        if _may_select_fewer(one.advertisements, other.advertisements):
            unknown.append("nodes")
        return "", tuple(unknown)
    selected, left = _selected(one.eligible), _selected(other.eligible)
    if selected and not left:
        return f"{_named(other.advertisements)} selects no node", ()
    if one.eligible.nodes and not other.eligible.nodes:
        return f"no node that {_named(other.advertisements)} selects may announce: {other.eligible.why_nobody[0]}", ()
    if one.verdict == "announced" and other.verdict != "announced":
        return (
            f"no node that {_named(other.advertisements)} selects has an endpoint of it, which externalTrafficPolicy Local needs",
            (),
        )
    if selected - left:
        unknown += _unread(was.snapshot, "daemonsets", "pods", *(["endpointslices"] if service.local else []))
    return "", tuple(dict.fromkeys(unknown))


def _unread(snapshot: Snapshot, *kinds: str) -> list[str]:
    return [kind for kind in kinds if not snapshot.has(kind)]


def _selected(candidates: Candidates) -> frozenset[str]:
    return candidates.nodes | frozenset(candidates.ineligible)


def _by_selectors(found: ElectionResult) -> bool:
    return any(one.service_selectors for one in found.advertisements)


def _may_select_fewer(before: Iterable[Advertisement], after: Iterable[Advertisement]) -> bool:
    """Whether some node may be selected before and not after; nodes were not read."""
    now = list(after)
    if any(not one.node_selectors for one in now):
        return False
    left = {selector for one in now for selector in one.node_selectors}
    return any(not one.node_selectors or not left.issuperset(one.node_selectors) for one in before)


def _named(advertisements: Iterable[Advertisement]) -> str:
    return listing([one.name for one in advertisements], 4)


# -- what a change touches --------------------------------------------------------------------------------------------


def takes_nothing_away(plural: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    """Whether this change of one object cannot cost any Service anything, whatever Services there are."""
    if before is None:
        # An advertisement may stop one: by serviceSelectors and allow-shared-ip.
        return not ((after or {}).get("spec") or {}).get("serviceSelectors")
    if after is None:
        return False
    if plural == ADVERTISEMENTS:
        return bool((before.get("spec") or {}) == (after.get("spec") or {}))
    old, new = Pool.from_object(dict(before)), Pool.from_object(dict(after))
    spans = merged(new.spans)
    kept = all(any(span.covers(one) for span in spans) for one in old.spans)
    # Advertisements select pools by labels; our own mark is no one's business.
    labels = {**old.labels, OWNER_LABEL: ""} == {**new.labels, OWNER_LABEL: ""}
    return kept and labels and (old.avoid_buggy or not new.avoid_buggy) and new.allocation in (None, old.allocation)
