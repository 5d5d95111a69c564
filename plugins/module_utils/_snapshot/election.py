# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Who announces an address, and for each other node why not.

MetalLB's own election (speaker/layer2_controller.go ShouldAnnounce, v0.14.9 to v0.16.2):

- nobody, unless at least one endpoint of the service serves, under the policy Cluster too;
- candidates are nodes with a living speaker (all nodes where memberlist is off), without the condition
  NetworkUnavailable, without the exclude label (unless speakers ignore it), selected by an L2Advertisement of the pool
  (since 0.16 only by those whose serviceSelectors match the service);
- with externalTrafficPolicy Local only those that are home of a serving endpoint;
- since 0.16.2 the node with the highest sum of weights (preferredNodeSelectors of all advertisements that apply to the
  service, each for the nodes that it selects itself) wins, and nobody announces a service with annotation allow-shared-ip
  by advertisements with serviceSelectors;
- among these the least sha256 of "node#address" wins, with the service's first address for all of them.

Whether a node is Ready and which interfaces it has plays no part. 0.14 differs in two ways: cordoned nodes are no candidates,
and without memberlist nobody is (its list of speakers is empty then; 0.15.0 takes all nodes instead). An advertisement that
uses a field which is not known here makes the elected node unknown (ElectionResult.doubt).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import Address, format_address
from ansible_collections.l2ops.metallb.plugins.module_utils._model.objects import Advertisement, Pool
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import listing
from ansible_collections.l2ops.metallb.plugins.module_utils._model.selectors import LabelIndex
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.capabilities import NEWEST
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

# Why a node is no candidate, in the order in which it is looked for: the first that holds is what must be fixed first.
NO_SPEAKER = "no-speaker"
SPEAKER_NOT_READY = "speaker-not-ready"
NETWORK_UNAVAILABLE = "network-unavailable"
EXCLUDED = "exclude-label"
CORDONED = "cordoned"
NO_MEMBERLIST = "no-memberlist"
NOT_SELECTED = "not-selected"
NO_LOCAL_ENDPOINT = "no-local-endpoint"
CANDIDATE = "candidate"
ELECTED = "announcer"

WORDS = {
    NO_SPEAKER: "runs no speaker",
    SPEAKER_NOT_READY: "has a speaker that is not ready",
    NETWORK_UNAVAILABLE: "has NetworkUnavailable=True",
    EXCLUDED: "carries the exclude label",
    CORDONED: "is cordoned, which MetalLB 0.14 honors",
    NO_MEMBERLIST: "is unknown to the others, since MetalLB 0.14 announces nothing without memberlist",
    NOT_SELECTED: "is selected by no advertisement of the pool",
}

# Codes of findings that a reason is the consequence of.
CODES = {
    NO_SPEAKER: ("MLB103", "MLB101", "MLB106", "MLB112"),
    SPEAKER_NOT_READY: ("MLB102", "MLB106"),
    NETWORK_UNAVAILABLE: ("MLB203",),
    EXCLUDED: ("MLB201", "MLB202"),
    NO_MEMBERLIST: ("MLB107",),
    NOT_SELECTED: ("MLB403",),
    NO_LOCAL_ENDPOINT: ("MLB507",),
}


Scores = Mapping[str, int]
_NO_SCORES: Scores = {}


def ranked(nodes: Iterable[str], address: str, scores: Scores | None = None) -> list[str]:
    """Nodes in the order in which they would announce this address; the first does.

    address is as Go prints it; scores are the sums of weights by node (speaker/layer2_controller.go sortL2Candidates).
    """
    tail = f"#{address}".encode()
    digest = hashlib.sha256
    scores = scores or _NO_SCORES
    return sorted(nodes, key=lambda node: (-scores.get(node, 0), digest(node.encode() + tail).digest()))


def elected(nodes: Iterable[str], address: str, scores: Scores | None = None) -> str | None:
    """The first of ranked, without sorting. None without nodes."""
    tail = f"#{address}".encode()
    digest = hashlib.sha256
    if not scores:
        return min(nodes, key=lambda node: digest(node.encode() + tail).digest(), default=None)
    return min(nodes, key=lambda node: (-scores.get(node, 0), digest(node.encode() + tail).digest()), default=None)


@dataclass(frozen=True)
class Candidates:
    """Nodes for all services of one pool that the same advertisements reach; reasons has every node that is no candidate."""

    nodes: frozenset[str]
    reasons: dict[str, str]

    @cached_property
    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for reason in self.reasons.values():
            found[reason] = found.get(reason, 0) + 1
        return found

    @cached_property
    def ordered(self) -> tuple[str, ...]:
        return tuple(sorted(self.nodes))

    @cached_property
    def ineligible(self) -> tuple[str, ...]:
        """Nodes that an advertisement selects and that may not announce, in order of their names."""
        return tuple(sorted(node for node, why in self.reasons.items() if why != NOT_SELECTED))

    @cached_property
    def not_selected(self) -> tuple[str, ...]:
        return tuple(sorted(node for node, why in self.reasons.items() if why == NOT_SELECTED))

    def _reasons_of(self, nodes: frozenset[str] | None) -> Iterable[tuple[str, str]]:
        """Of these nodes only, without looking at all others."""
        if nodes is None:
            return self.reasons.items()
        return [(node, self.reasons[node]) for node in nodes if node in self.reasons]

    def explain(self, nodes: frozenset[str] | None = None, most: int = 4) -> str:
        """ "each of 2 nodes (a, b) carries the exclude label; c runs no speaker", for all nodes or these only."""
        grouped: dict[str, list[str]] = {}
        for node, why in self._reasons_of(nodes):
            grouped.setdefault(why, []).append(node)
        parts = []
        for why, words in WORDS.items():
            names = sorted(grouped.get(why, ()))
            if len(names) == 1:
                parts.append(f"{names[0]} {words}")
            elif names:
                parts.append(f"each of {len(names)} nodes ({listing(names, most)}) {words}")
        return "; ".join(parts)

    def causes(self, nodes: frozenset[str] | None = None) -> tuple[str, ...]:
        """Codes that rule nodes out, of these nodes only where given, most frequent reason first."""
        counts: dict[str, int] = {}
        for _node, why in self._reasons_of(nodes):
            counts[why] = counts.get(why, 0) + 1
        ordered = sorted(counts, key=lambda why: (why == NOT_SELECTED, -counts[why], why))
        return tuple(dict.fromkeys(code for why in ordered for code in CODES.get(why, ())))

    @cached_property
    def why_nobody(self) -> tuple[str, tuple[str, ...]]:
        """Why none of the nodes may announce, in words and as codes; worked out once for all services that share them."""
        return self.explain(frozenset(self.ineligible) or None) or "there is no node", self.causes()


@dataclass(frozen=True)
class ElectionResult:
    """What the election gives for one service.

    verdict is announced, or why nobody announces: no-address, no-pool, no-advertisement, shared-with-selectors, no-endpoints,
    no-candidate or no-local-endpoint (the last with policy Local only). candidates are those after the policy was taken into
    account; eligible are those before it. scores are the sums of weights of preferredNodeSelectors by node. doubt says why the
    elected node cannot be told although somebody announces the service.
    """

    service: Service
    verdict: str
    elected_node: str | None = None
    pool: Pool | None = None
    advertisements: tuple[Advertisement, ...] = ()
    eligible: Candidates | None = None
    candidates: frozenset[str] = frozenset()
    local_nodes: frozenset[str] = frozenset()
    scores: Scores = field(default_factory=dict)
    doubt: str = ""

    @property
    def names(self) -> Sequence[str]:
        """Candidates in order of their names; sorted once for all services that have the same."""
        if self.eligible is not None and self.candidates is self.eligible.nodes:
            return self.eligible.ordered
        return sorted(self.candidates)

    @property
    def address(self) -> Address | None:
        """The one that is hashed."""
        return self.service.ingress[0] if self.service.ingress else None


class Election:
    """The election for all services of one snapshot. What services share is worked out once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._by_pool: dict[str, tuple[Advertisement, ...]] = {}
        self._selected: dict[tuple[str, str], frozenset[str]] = {}
        self._candidates: dict[tuple[str, ...], Candidates] = {}
        self._pool_labels = LabelIndex((pool.name, pool.labels) for pool in snapshot.pools.values())
        self._scores: dict[tuple[str, ...], dict[str, int]] = {}
        self._outcomes: dict[tuple[str, str], ElectionResult] = {}
        # how many hashes were made, for those who must keep within a time
        self.hashes = 0

    # -- advertisements -------------------------------------------------------------------------------------------

    def pools_of(self, advertisement: Advertisement) -> frozenset[str]:
        """Names of existing pools that it reaches (internal/config/config.go setL2AdvertisementsToPools)."""
        if advertisement.all_pools:
            return frozenset(self.snapshot.pools)
        named = frozenset(name for name in advertisement.pools if name in self.snapshot.pools)
        return named | self._pool_labels.any_of(advertisement.pool_selectors)

    @cached_property
    def _advertised(self) -> dict[str, list[Advertisement]]:
        found: dict[str, list[Advertisement]] = {}
        for advertisement in self.snapshot.advertisements:
            for name in self.pools_of(advertisement):
                found.setdefault(name, []).append(advertisement)
        return found

    def advertisements_of(self, pool: str) -> tuple[Advertisement, ...]:
        if pool not in self._by_pool:
            self._by_pool[pool] = tuple(self._advertised.get(pool, ()))
        return self._by_pool[pool]

    def advertisements_for(self, pool: str, service: Service) -> tuple[Advertisement, ...]:
        """Those of the pool that also want this service (serviceSelectors, 0.16 and later)."""
        found = self.advertisements_of(pool)
        # Where the schema was not seen, they count where they are used: an API server keeps only what its CRD has.
        if self.snapshot.capabilities.service_selectors is False:
            return found
        return tuple(
            one
            for one in found
            if not one.service_selectors or any(selector.matches(service.labels) for selector in one.service_selectors)
        )

    def nodes_of(self, advertisement: Advertisement) -> frozenset[str]:
        """Nodes that its nodeSelectors choose; all without any."""
        key = (advertisement.namespace, advertisement.name)
        if key not in self._selected:
            labels = self.snapshot.node_labels
            self._selected[key] = (
                labels.any_of(advertisement.node_selectors) if advertisement.node_selectors else labels.everything
            )
        return self._selected[key]

    def interfaces_on(self, advertisements: Iterable[Advertisement], node: str) -> frozenset[str] | None:
        """Interfaces on which this node answers by these advertisements; None means all (ipAdvertisementFor)."""
        names: set[str] = set()
        for one in advertisements:
            if node not in self.nodes_of(one):
                continue
            if not one.interfaces:
                return None
            names.update(one.interfaces)
        return frozenset(names)

    # -- nodes ----------------------------------------------------------------------------------------------------

    @cached_property
    def _ineligible(self) -> dict[str, str]:
        """Nodes that may announce nothing at all, with the reason."""
        snapshot = self.snapshot
        speakers = snapshot.speakers
        ineligible: dict[str, str] = {}
        capabilities = snapshot.capabilities
        if capabilities.needs_memberlist and speakers.memberlist is False:
            return dict.fromkeys(snapshot.nodes, NO_MEMBERLIST)
        for name, node in snapshot.nodes.items():
            # Without memberlist every node counts as having a speaker, be it dead. Unknown pods count as living: what
            # could not be checked is not held against a node.
            if speakers.memberlist is not False and snapshot.has("pods"):
                pod = speakers.by_node.get(name)
                if pod is None:
                    ineligible[name] = NO_SPEAKER
                    continue
                if not pod.ready or pod.terminating:
                    ineligible[name] = SPEAKER_NOT_READY
                    continue
            if capabilities.excludes_cordoned and node.unschedulable:
                ineligible[name] = CORDONED
            elif node.network_unavailable:
                ineligible[name] = NETWORK_UNAVAILABLE
            elif node.excluded and not speakers.ignore_exclude:
                ineligible[name] = EXCLUDED
        return ineligible

    @property
    def ineligible(self) -> Mapping[str, str]:
        """Nodes that may announce nothing at all, whatever advertisement selects them, with the reason."""
        return self._ineligible

    def candidates(self, advertisements: tuple[Advertisement, ...]) -> Candidates:
        """Nodes that may announce by any of these advertisements, endpoints aside."""
        key = tuple(f"{one.namespace}/{one.name}" for one in advertisements)
        found = self._candidates.get(key)
        if found is None:
            selected: frozenset[str] = frozenset().union(*(self.nodes_of(one) for one in advertisements))
            ineligible = self._ineligible
            # "not selected" is what its author meant, so it comes before anything else that holds.
            why = dict.fromkeys((name for name in self.snapshot.nodes if name not in selected), NOT_SELECTED)
            why.update((name, ineligible[name]) for name in ineligible if name in selected)
            found = self._candidates[key] = Candidates(
                frozenset(name for name in selected if name not in ineligible), why
            )
        return found

    def scores(self, advertisements: tuple[Advertisement, ...]) -> Scores:
        """Sum of weights by node (internal/config/config.go preferredNodeScores, layer2_controller.go preferredScoresFor)."""
        if self.snapshot.capabilities.preferred_nodes is False or not any(one.preferences for one in advertisements):
            return _NO_SCORES
        key = tuple(f"{one.namespace}/{one.name}" for one in advertisements)
        found = self._scores.get(key)
        if found is None:
            found = self._scores[key] = {}
            for one in advertisements:
                selected = self.nodes_of(one)
                for weight, selector in one.preferences:
                    for node in self.snapshot.node_labels.any_of((selector,)) & selected:
                        found[node] = found.get(node, 0) + weight
        return found

    def preferred_by(self, advertisement: Advertisement) -> frozenset[str]:
        """Nodes that the advertisement selects and that one of its preferences matches."""
        selectors = tuple(selector for _weight, selector in advertisement.preferences)
        return self.snapshot.node_labels.any_of(selectors) & self.nodes_of(advertisement) if selectors else frozenset()

    def doubt(self, advertisements: tuple[Advertisement, ...]) -> str:
        """Why the elected node cannot be told: an advertisement uses a field that is not known here."""
        foreign = self.snapshot.capabilities.unknown_fields
        used = sorted({name for one in advertisements for name in one.given & foreign}) if foreign else []
        if not used:
            return ""
        return (
            f"{', '.join(used)} of an L2Advertisement may take part in the election, and this collection, made for MetalLB up to "
            f"{NEWEST}, does not know it"
        )

    def without(self, advertisements: tuple[Advertisement, ...], reason: str) -> frozenset[str]:
        """Nodes that would be candidates if this reason held nowhere."""
        eligible = self.candidates(advertisements)
        return eligible.nodes | frozenset(name for name, why in eligible.reasons.items() if why == reason)

    # -- services -------------------------------------------------------------------------------------------------

    def serving_nodes(self, service: Service) -> tuple[bool, frozenset[str]]:
        """Whether any endpoint serves, and the nodes of those that do."""
        serving = False
        nodes = set()
        for piece in self.snapshot.endpoints.get(service.key, ()):
            for endpoint in piece.endpoints:
                if endpoint.serving:
                    serving = True
                    if endpoint.node:
                        nodes.add(endpoint.node)
        return serving, frozenset(nodes)

    def in_motion(self, service: Service) -> bool:
        """Whether another node, or nobody, announces it as soon as pods that are terminating now are gone."""
        if not any(
            one.terminating and one.serving
            for piece in self.snapshot.endpoints.get(service.key, ())
            for one in piece.endpoints
        ):
            return False
        found = self.elect(service)
        left = {
            one.node
            for piece in self.snapshot.endpoints.get(service.key, ())
            for one in piece.endpoints
            if one.serving and not one.terminating
        }
        if found.verdict != "announced" or found.elected_node is None:
            return False
        return not left or (service.local and found.elected_node not in left)

    def outcome(self, service: Service) -> ElectionResult:
        """Without the elected node, which costs a hash for every candidate: see elect."""
        found = self._outcomes.get(service.key)
        if found is None:
            found = self._outcomes[service.key] = self._outcome(service)
        return found

    def _outcome(self, service: Service) -> ElectionResult:
        if not service.ingress:
            return ElectionResult(service, "no-address")
        pool = self.snapshot.pool_of(service.ingress)
        if pool is None or service.odd_ingress:
            return ElectionResult(service, "no-pool")
        advertisements = self.advertisements_for(pool.name, service)
        if not advertisements:
            return ElectionResult(service, "no-advertisement", pool=pool)
        if (
            service.shares
            and self.snapshot.capabilities.refuses_shared_with_selectors
            and any(one.service_selectors for one in advertisements)
        ):
            return ElectionResult(service, "shared-with-selectors", pool=pool, advertisements=advertisements)
        eligible = self.candidates(advertisements)
        if self.snapshot.has("endpointslices"):
            serving, local = self.serving_nodes(service)
        else:
            serving, local = True, eligible.nodes
        nodes = eligible.nodes & local if service.local else eligible.nodes
        known: dict[str, Any] = {
            "pool": pool,
            "advertisements": advertisements,
            "eligible": eligible,
            "candidates": nodes,
            "local_nodes": local,
            "scores": self.scores(advertisements),
            "doubt": self.doubt(advertisements),
        }
        if not serving:
            return ElectionResult(service, "no-endpoints", **known)
        if not eligible.nodes:
            return ElectionResult(service, "no-candidate", **known)
        if not nodes:
            return ElectionResult(service, "no-local-endpoint", **known)
        return ElectionResult(service, "announced", **known)

    def elect(self, service: Service) -> ElectionResult:
        """With the elected node."""
        found = self.outcome(service)
        if found.verdict != "announced" or found.elected_node is not None or found.doubt:
            return found
        if found.address is None:
            raise AssertionError("an election without reason against it has both")
        self.hashes += len(found.candidates)
        elected_node = elected(found.candidates, format_address(found.address), found.scores)
        found = self._outcomes[service.key] = replace(found, elected_node=elected_node)
        return found


def predictions(snapshot: Snapshot) -> dict[tuple[str, str], str | None]:
    """Of every service of MetalLB's the node that announces it; None where nobody does."""
    election = Election(snapshot)
    return {service.key: election.elect(service).elected_node for service in snapshot.load_balancer_services}


def expected(snapshot: Snapshot) -> dict[str, str]:
    """Address to announcing node, for what is announced: what l2_probe takes as its option expected."""
    election = Election(snapshot)
    found: dict[str, str] = {}
    for service in snapshot.load_balancer_services:
        elected_node = election.elect(service).elected_node
        if elected_node is not None:
            found.update((format_address(address), elected_node) for address in service.ingress)
    return found
