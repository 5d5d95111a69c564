# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What the LAN says of each address, beside what the API expects: the one place where answers get their meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import Address
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.wire_facts import WireTarget


@dataclass(frozen=True)
class Reading:
    """One address that services have, and that was probed. elected has the node that the election gives, by service."""

    address: Address
    services: tuple[Service, ...]
    target: WireTarget
    outcome: str
    elected: dict[str, str]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes that answered, to everybody or alone."""
        return self.target.heard


def readings(context: Context) -> Iterator[Reading]:
    """Every address of a service of MetalLB's that the probe was given, in the order of addresses."""
    wire = context.options.wire
    for address, target in sorted(wire.targets.items()):
        services = context.snapshot.services_by_address.get(address)
        if not services:
            continue
        elected = {}
        for service in services:
            result = context.elect(service)
            if result is not None and result.elected_node:
                elected[service.path] = result.elected_node
        yield Reading(address, tuple(services), target, wire.outcome(target, set(elected.values())), elected)


def prediction_doubted(context: Context, service: Service) -> str:
    """The node that answers and that ServiceL2Status names, where only the predicted node differs; empty elsewhere.

    MetalLB's own word and the LAN agree then, so it is the prediction that is wrong, or made for another version.
    """
    wire = context.options.wire
    found = context.elect(service)
    if not wire.looked or found is None or not found.elected_node or found.elected_node in wire.nodes_silent:
        return ""
    reported = {status.node for status in context.snapshot.l2_statuses.get(service.key, ())}
    targets = [wire.targets[one] for one in service.ingress if one in wire.targets and wire.targets[one].asked]
    answering = {node for target in targets for node in target.heard}
    if not targets or len(reported) != 1 or answering != reported or found.elected_node in reported:
        return ""
    if any(wire.outcome(target, {found.elected_node}) != "other-node" for target in targets):
        return ""
    return next(iter(answering))
