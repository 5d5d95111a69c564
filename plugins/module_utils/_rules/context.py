# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What rules have in common: their options, what they look at, and how they say that they could not look."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Callable

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import Elector, Outcome
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot


class Skip(Exception):
    """The rule could not look; the text says why."""


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
            winner = (elected.winner if elected is not None else "") or ""
            if winner:
                failed = [one for one in failed if one.node in ("", winner)]
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
