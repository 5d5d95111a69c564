# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What the probes saw on the LAN, as records that the rules read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import Address, parse_address
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import as_list
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service


class OptionError(ValueError):
    """An option that cannot be read. The message names the option."""


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
