# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""What rules have in common: their options, what they look at, and how they say that they could not look."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Callable

from ansible_collections.l2ops.metallb.plugins.module_utils._addresses import (
    Address,
    AddressError,
    Span,
    parse_address,
    parse_any,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._election import Elector, Outcome
from ansible_collections.l2ops.metallb.plugins.module_utils._findings import Finding, Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._model import Service, as_list
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot import Snapshot

# About ten seconds after a change of a node or endpoint everything in the cluster has heard of it.
SETTLE = 10.0
# Winners cost a hash per candidate and service: more than these would take longer than a person waits.
MOST_HASHES = 1_000_000


class OptionError(ValueError):
    """An option that cannot be read. The message names the option."""


class Skip(Exception):
    """The rule could not look; the text says why."""


@dataclass(frozen=True)
class Link:
    """An interface of a node. Unknown parts are taken for good."""

    name: str
    up: bool = True
    master: str = ""
    arp: bool = True
    networks: tuple[Span, ...] = ()


@dataclass(frozen=True)
class WireTarget:
    """What the wire says of one address (an entry of targets of l2_probe)."""

    address: Address
    asked: bool
    reason: str
    answered: bool
    macs: tuple[str, ...]
    nodes: tuple[str, ...]  # that answered, each once
    foreign: tuple[str, ...]  # MACs of nobody known
    alone: tuple[str, ...]  # nodes that answered when asked alone
    asked_alone: tuple[str, ...]  # nodes that were asked alone
    proxy: bool  # whoever answered also did so for an address that nobody has
    outcome: str
    message: str


@dataclass(frozen=True)
class PortResult:
    """What a port said (an entry of targets of service_probe)."""

    name: str
    address: Address | None
    port: int
    protocol: str
    ok: bool
    failure: str
    message: str
    http_status: int


@dataclass(frozen=True)
class Wire:
    """Results of the probes. conclusive is False where silence proves nothing."""

    targets: Mapping[Address, WireTarget] = field(default_factory=dict)
    ports: tuple[PortResult, ...] = ()
    looked: bool = False
    conclusive: bool = True
    why_inconclusive: str = ""
    nodes_known: bool = False

    @classmethod
    def from_results(cls, probe: Any = None, ports: Any = None) -> Wire:
        """Out of what l2_probe and service_probe returned; either may be None. Raises OptionError."""
        targets: dict[Address, WireTarget] = {}
        conclusive, why, nodes_known, looked = True, "", False, False
        if probe:
            entries = _entries(probe, "wire", "l2_probe")
            looked = True
            conclusive = probe.get("conclusive", True) is not False
            why = str(probe.get("inconclusive_reason") or "")
            owners = probe.get("nodes") or {}
            if not isinstance(owners, dict):
                raise OptionError(
                    "wire: nodes is no dictionary of MAC to node: give the result of l2ops.metallb.l2_probe."
                )
            nodes_known = bool(owners)
            for entry in entries:
                target = _wire_target(entry, owners)
                targets[target.address] = target
        results = []
        if ports:
            for entry in _entries(ports, "ports", "service_probe"):
                results.append(
                    PortResult(
                        name=str(entry.get("name") or ""),
                        address=parse_address(str(entry.get("address") or "")),
                        port=_number(entry, "port"),
                        protocol=str(entry.get("protocol") or "tcp"),
                        ok=bool(entry.get("ok")),
                        failure=str(entry.get("failure") or ""),
                        message=str(entry.get("message") or ""),
                        http_status=_number(entry, "http_status"),
                    )
                )
        return cls(targets, tuple(results), looked, conclusive, why, nodes_known)

    def ports_of(self, service: Service) -> list[PortResult]:
        by_name = [one for one in self.ports if one.name == service.path]
        return by_name or [
            one
            for one in self.ports
            if "/" not in one.name
            and one.address in service.ingress
            and any(one.port == port.port for port in service.ports)
        ]


def _number(entry: dict[str, Any], name: str) -> int:
    given = entry.get(name) or 0
    try:
        return int(given)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"ports: {name} {given!r} is no number: give the result of l2ops.metallb.service_probe."
        ) from error


def _entries(result: Any, option: str, module: str) -> list[dict[str, Any]]:
    entries = result.get("targets") if isinstance(result, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) and one.get("address") for one in entries):
        raise OptionError(
            f"{option}: this is no result of l2ops.metallb.{module}: it has no list targets with addresses."
        )
    return entries


def _wire_target(entry: dict[str, Any], owners: Mapping[str, str]) -> WireTarget:
    address = parse_address(str(entry["address"]))
    if address is None:
        raise OptionError(f"wire: {entry['address']!r} is no address.")
    answers = [one for one in as_list(entry.get("answers")) if isinstance(one, dict)]
    nodes = [str(one.get("node") or owners.get(str(one.get("mac")), "")) for one in answers]
    foreign = [str(one.get("mac")) for one, node in zip(answers, nodes) if not node]
    single = [one for one in as_list(entry.get("unicast")) if isinstance(one, dict)]
    alone = [str(one.get("node") or "") for one in single if one.get("answered")]
    return WireTarget(
        address=address,
        asked=entry.get("asked", True) is not False and entry.get("outcome") != "not-asked",
        reason=str(entry.get("reason") or ""),
        answered=bool(entry.get("answered", answers)),
        macs=tuple(
            dict.fromkeys(str(one) for one in as_list(entry.get("macs")) or [one.get("mac") for one in answers])
        ),
        nodes=tuple(dict.fromkeys(node for node in nodes if node)),
        foreign=tuple(dict.fromkeys(foreign)),
        alone=tuple(dict.fromkeys(node for node in alone if node)),
        asked_alone=tuple(dict.fromkeys(str(one.get("node")) for one in single if one.get("node"))),
        proxy=bool(entry.get("proxy")),
        outcome=str(entry.get("outcome") or ""),
        message=str(entry.get("message") or ""),
    )


@dataclass(frozen=True)
class Options:
    """What only the user can know, and what the user wants.

    links are facts of the nodes' interfaces by node name. settle is how many seconds old a change must be before a mismatch
    that rests on it is held against the cluster; now is the moment to which that refers (default: the snapshot's).
    """

    gateway: tuple[Span, ...] = ()
    reserved: tuple[Span, ...] = ()
    dhcp_ranges: tuple[Span, ...] = ()
    node_networks: tuple[Span, ...] = ()
    cluster_networks: tuple[Span, ...] = ()
    links: Mapping[str, tuple[Link, ...]] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    pool_warning: int = 90
    settle: float = SETTLE
    now: float | None = None
    wire: Wire = field(default_factory=Wire)
    most_hashes: int = MOST_HASHES

    @classmethod
    def make(cls, wire: Any = None, ports: Any = None, interfaces: Any = None, **given: Any) -> Options:
        """From texts, as modules have them. Raises OptionError that names the option."""
        ready: dict[str, Any] = {}
        for name in ("gateway", "reserved", "dhcp_ranges", "node_networks", "cluster_networks"):
            ready[name] = tuple(_spans(name, given.pop(name, None)))
        ready["ignore"] = tuple(str(one) for one in given.pop("ignore", None) or ())
        ready["links"] = _links(interfaces)
        ready["wire"] = Wire.from_results(wire, ports)
        ready.update({name: one for name, one in given.items() if one is not None})
        return cls(**ready)


def _spans(option: str, texts: Any) -> Iterator[Span]:
    for text in [texts] if isinstance(texts, str) else texts or ():
        try:
            yield parse_any(text)
        except AddressError as error:
            shown = str(text) if len(str(text)) <= 60 else f"{str(text)[:60]}…"
            raise OptionError(f"{option}: {shown!r} cannot be used: {error}.") from error


def _links(raw: Any) -> dict[str, tuple[Link, ...]]:
    """{node: [{name, up, master, arp, addresses: ["192.168.7.5/24"]}]}; a plain text is a name that is up."""
    if not raw:
        return {}
    if not isinstance(raw, dict):
        raise OptionError("interfaces: write a dictionary of node name to a list of its interfaces.")
    found: dict[str, tuple[Link, ...]] = {}
    for node, links in raw.items():
        if not isinstance(links, list):
            raise OptionError(f"interfaces: what is given for node {node} is no list of interfaces.")
        there = []
        for one in links:
            if isinstance(one, str):
                there.append(Link(one))
                continue
            if not isinstance(one, dict) or not one.get("name"):
                raise OptionError(f"interfaces: {one!r} of node {node} has no name.")
            networks: list[Span] = []
            for text in one.get("addresses") or ():
                if "/" in str(text):
                    networks.extend(_spans("interfaces", [str(text)]))
            there.append(
                Link(
                    name=str(one["name"]),
                    up=one.get("up", True) is not False,
                    master=str(one.get("master") or ""),
                    arp=one.get("arp", True) is not False,
                    networks=tuple(networks),
                )
            )
        found[str(node)] = tuple(there)
    return found


@dataclass(frozen=True)
class FailedAnnouncement:
    """A speaker's event announceFailed; changed_since names advertisements that were changed after it."""

    message: str
    changed_since: tuple[str, ...]


class Context:
    """One snapshot as the rules see it."""

    def __init__(self, snapshot: Snapshot, options: Options) -> None:
        self.snapshot = snapshot
        self.options = options
        self.elector = Elector(snapshot)
        self.now = options.now if options.now is not None else snapshot.taken or time.time()
        # services whose winner was not worked out
        self.unelected = 0

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """Of every service of MetalLB's, without winners."""
        return [self.elector.outcome(service) for service in self.snapshot.balanced]

    def elect(self, service: Service) -> Outcome | None:
        """With the winner; None where that would take too long (Options.most_hashes)."""
        outcome = self.elector.outcome(service)
        if outcome.winner is None and outcome.verdict == "announced":
            if self.elector.hashes + len(outcome.candidates) > self.options.most_hashes:
                self.unelected += 1
                return None
            outcome = self.elector.elect(service)
        return outcome

    def demand_metallb(self) -> None:
        """Skip a rule that makes no sense where MetalLB is known not to be there (which is a finding of its own)."""
        snapshot = self.snapshot
        if snapshot.has("deployments", "daemonsets") and not snapshot.installed:
            raise Skip("MetalLB is not installed")

    @cached_property
    def bgp_pools(self) -> frozenset[str]:
        """Pools that BGPAdvertisements reach."""
        names: set[str] = set()
        for one in self.snapshot.bgp_advertisements:
            if not one.pools and not one.pool_selectors:
                return frozenset(self.snapshot.pools)
            names.update(one.pools)
            for pool in self.snapshot.pools.values():
                if any(selector.matches(pool.labels) for selector in one.pool_selectors):
                    names.add(pool.name)
        return frozenset(names)

    @cached_property
    def groups(self) -> dict[tuple[tuple[str, str], ...], list[str]]:
        """Names of pools by the advertisements that reach them, since what holds for one holds for all of a group."""
        found: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for name in self.snapshot.pools:
            advertisements = self.elector.advertisements_of(name)
            found.setdefault(tuple((one.namespace, one.name) for one in advertisements), []).append(name)
        return found

    @cached_property
    def failed_announcements(self) -> dict[tuple[str, str], FailedAnnouncement]:
        """Services whose latest word from a speaker is announceFailed.

        The speaker says nodeAssigned in the same breath (speaker/layer2_controller.go SetBalancer returns no error), so only
        a clearly later one, or one of another node, takes it back.
        """
        found = {}
        for (kind, namespace, name), events in self.snapshot.events.items():
            if kind != "Service":
                continue
            failed = [one for one in events if one.reason == "announceFailed"]
            if not failed:
                continue
            last = failed[-1]
            good = max((one.last for one in events if one.reason == "nodeAssigned"), default=0.0)
            if last.last + 2.0 >= good:
                service = self.snapshot.services.get((namespace, name))
                # Word of success may never come: after 25 events on one object a source may send one in five minutes only.
                since = [
                    one.name
                    for one in (self.elector.outcome(service).advertisements if service is not None else ())
                    if one.changed > last.last
                ]
                found[(namespace, name)] = FailedAnnouncement(last.message, tuple(since))
        return found

    def cannot_announce(self, service: Service) -> bool:
        """Whether a speaker said so of this service, and nothing was changed since that may have mended it."""
        failed = self.failed_announcements.get(service.key)
        return failed is not None and not failed.changed_since


Rule = Callable[[Context], Iterable[Finding]]


@dataclass(frozen=True)
class Judge:
    """A rule and the kinds that it cannot do without."""

    code: str
    needs: tuple[str, ...]
    rule: Rule


def pool_ref(name: str, context: Context) -> Ref:
    pool = context.snapshot.pools.get(name)
    return Ref("IPAddressPool", (pool.namespace if pool else "") or context.snapshot.namespace, name)


def advertisement_ref(namespace: str, name: str, context: Context) -> Ref:
    return Ref("L2Advertisement", namespace or context.snapshot.namespace, name)


def service_ref(service: Service) -> Ref:
    return Ref("Service", service.namespace, service.name)


def listing(names: Iterable[str], most: int = 5) -> str:
    """Names for a sentence; thousands of them help nobody."""
    every = list(names)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"


def some(names: Iterable[str], most: int = 20) -> list[str]:
    """Names as evidence, few enough to read."""
    every = sorted(names)
    return every if len(every) <= most else [*every[:most], f"({len(every) - most} more)"]


def plural(number: int, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"


def sequence(*rules: Judge) -> Sequence[Judge]:
    return rules
