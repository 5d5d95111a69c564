# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What rules have in common: their options, what they look at, and how they say that they are skipped."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Callable

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import NOTHING_THERE, Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import IGNORE_ANNOTATION
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import as_dict, as_text, metadata_of
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Port, Service
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import Election, ElectionResult
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import KINDS
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot


class Skip(Exception):
    """The check is skipped; the text says why."""


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
        self.election = Election(snapshot)
        self.now = options.now if options.now is not None else snapshot.taken or time.time()
        # services whose elected node was not worked out
        self.unelected = 0

    @cached_property
    def ignored_codes(self) -> dict[tuple[str, str, str], str]:
        """Texts of the annotation l2ops.metallb/ignore by kind, namespace and name. Few objects have it."""
        snapshot = self.snapshot
        texts: dict[tuple[str, str, str], str] = {}
        for plural, objects in snapshot.objects.items():
            for obj in objects:
                metadata = metadata_of(obj)
                text = as_dict(metadata.get("annotations")).get(IGNORE_ANNOTATION)
                if not text:
                    continue
                namespace = as_text(metadata.get("namespace"))
                if plural in ("ipaddresspools", "l2advertisements"):
                    namespace = namespace or snapshot.namespace
                texts[(KINDS[plural], namespace, as_text(metadata.get("name")))] = as_text(text)
        # Applications and the like are in no snapshot.
        texts.update({step.ref: step.ignored for step in snapshot.plan.steps if step.ignored})
        return texts

    @cached_property
    def outcomes(self) -> list[ElectionResult]:
        """Of every service of MetalLB's, without winners."""
        return [self.election.outcome(service) for service in self.snapshot.load_balancer_services]

    def elect(self, service: Service) -> ElectionResult | None:
        """With the elected node; None where that would take too long (Options.most_hashes)."""
        outcome = self.election.outcome(service)
        if outcome.elected_node is None and outcome.verdict == "announced":
            if self.election.hashes + len(outcome.candidates) > self.options.most_hashes:
                self.unelected += 1
                return None
            outcome = self.election.elect(service)
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
            advertisements = self.election.advertisements_of(name)
            found.setdefault(tuple((one.namespace, one.name) for one in advertisements), []).append(name)
        return found

    @cached_property
    def failed_announcements(self) -> dict[tuple[str, str], FailedAnnouncement]:
        """Services whose latest word from the elected node's speaker is announceFailed.

        A speaker that starts believes itself alone for a moment and says announceFailed for every service, so the event of a node
        that is not elected tells nothing. The speaker says nodeAssigned in the same breath (speaker/layer2_controller.go SetBalancer
        returns no error), so only a clearly later one, or a later one of another node, takes it back.
        """
        found = {}
        for (kind, namespace, name), events in self.snapshot.events.items():
            service = self.snapshot.services.get((namespace, name))
            if kind != "Service" or service is None:
                continue
            failed = [one for one in events if one.reason == "announceFailed"]
            if not failed:
                continue
            elected = self.elect(service)
            elected_node = (elected.elected_node if elected is not None else "") or ""
            if elected_node:
                failed = [one for one in failed if one.node in ("", elected_node)]
            if not failed:
                continue
            last = failed[-1]
            good = [one for one in events if one.reason == "nodeAssigned"]
            if any(
                one.last > last.last + 2.0 or (one.last > last.last and last.node and one.node not in ("", last.node))
                for one in good
            ):
                continue
            # Word of success may never come: after 25 events on one object a source may send one in five minutes only.
            since = [
                one.name
                for one in (self.election.outcome(service).advertisements if service is not None else ())
                if one.changed > last.last
            ]
            found[(namespace, name)] = FailedAnnouncement(last.message, tuple(since))
        return found

    def cannot_announce(self, service: Service) -> bool:
        """Whether a speaker said so of this service, and nothing was changed since that may have fixed it."""
        failed = self.failed_announcements.get(service.key)
        return failed is not None and not failed.changed_since

    def unserved_families(self, service: Service) -> list[int]:
        """IP versions of a service's addresses for which none of its serving endpoints has an address, though it has such endpoints."""
        versions = {one.version for one in self.snapshot.endpoints.get(service.key, ()) if one.serves}
        if not versions or 0 in versions:
            return []
        return sorted({version for version, _number in service.ingress} - versions)

    def unserved_ports(self, service: Service) -> list[Port]:
        """Ports of a service that none of its serving endpoints has, though it has such endpoints (pkg/proxy: by name and protocol).

        MetalLB announces the address all the same: it looks at the endpoints, not at their ports.
        """
        slices = [one for one in self.snapshot.endpoints.get(service.key, ()) if one.serves]
        if not slices or any(one.ports is None for one in slices):
            return []
        served = {(port.protocol, port.name) for one in slices for port in one.ports or ()}
        return [port for port in service.ports if (port.protocol, port.name) not in served]


CheckFunction = Callable[[Context], Iterable[Finding]]


@dataclass(frozen=True)
class Rule:
    """A check and what is known about it.

    requires are the kinds that it cannot do without. subjects are what it must have seen at least one of to pass
    (None: the same kinds): "a|b" is one of the two, and of a kind only what is MetalLB's counts (SUBJECTS). A
    transient finding may last for a moment only, after a change of a node, pod or endpoint. chain_step is the link of
    a service's chain (diagnosis.STEPS) that a finding about that very service breaks.
    """

    code: str
    requires: tuple[str, ...]
    check: CheckFunction
    transient: bool = False
    chain_step: str = ""
    subjects: tuple[str, ...] | None = None

    def nothing_seen(self, snapshot: Snapshot) -> str:
        """Why a check that found nothing did not look at anything, either; "" where it did."""
        for subject in self.requires if self.subjects is None else self.subjects:
            names = subject.split("|")
            if not any(_seen(snapshot, name) for name in names):
                return f"{NOTHING_THERE}{' and no '.join(_word(name) for name in names)}"
        return ""


# What counts as seen where not every object of the kind does, and the word for it.
SUBJECTS: dict[str, tuple[Callable[[Snapshot], Sized], str]] = {
    "services": (lambda snapshot: snapshot.load_balancer_services, "Service that MetalLB serves"),
    "load balancers": (
        lambda snapshot: [one for one in snapshot.services.values() if one.type == "LoadBalancer"],
        "Service of type LoadBalancer",
    ),
    "addresses": (lambda snapshot: snapshot.services_by_address, "Service of MetalLB's that has an address"),
    "all services": (lambda snapshot: snapshot.services, "Service"),
    "ipaddresspools": (lambda snapshot: snapshot.pools, "IPAddressPool that MetalLB reads"),
    "l2advertisements": (lambda snapshot: snapshot.advertisements, "L2Advertisement that MetalLB reads"),
    "pods": (lambda snapshot: snapshot.speakers.by_node, "speaker's Pod"),
}


def _seen(snapshot: Snapshot, subject: str) -> bool:
    if subject in SUBJECTS:
        return len(SUBJECTS[subject][0](snapshot)) > 0
    return len(snapshot.raw(subject)) > 0


def _word(subject: str) -> str:
    return SUBJECTS[subject][1] if subject in SUBJECTS else KINDS[subject]


def pool_ref(name: str, context: Context) -> Ref:
    pool = context.snapshot.pools.get(name)
    return Ref("IPAddressPool", (pool.namespace if pool else "") or context.snapshot.namespace, name)


def advertisement_ref(namespace: str, name: str, context: Context) -> Ref:
    return Ref("L2Advertisement", namespace or context.snapshot.namespace, name)


def service_ref(service: Service) -> Ref:
    return Ref("Service", service.namespace, service.name)


def some(names: Iterable[str], most: int = 20) -> list[str]:
    """Names as evidence, few enough to read."""
    every = sorted(names)
    return every if len(every) <= most else [*every[:most], f"({len(every) - most} more)"]


def plural(number: int, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"
