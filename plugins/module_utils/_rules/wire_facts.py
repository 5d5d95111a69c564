# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What the probes saw on the LAN, as records that the rules read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import Address, parse_address
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import as_dict, as_list
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
    alone_macs: tuple[str, ...] = ()  # MACs that answered when asked alone
    alone_foreign: tuple[str, ...] = ()  # those of them that are no known node's
    conclusive: bool = True  # whether silence of this address proves anything
    local: bool = False  # the probe host itself holds the address
    interface: str = ""

    @property
    def heard(self) -> tuple[str, ...]:
        """Nodes that answered, to everybody or alone."""
        return tuple(dict.fromkeys([*self.nodes, *self.alone]))

    @property
    def strangers(self) -> tuple[str, ...]:
        """MACs that answered and are no known node's."""
        return tuple(dict.fromkeys([*self.foreign, *self.alone_foreign]))

    @property
    def everybody(self) -> tuple[str, ...]:
        """MACs that answered, to everybody or alone."""
        return tuple(dict.fromkeys([*self.macs, *self.alone_macs]))

    @property
    def silent(self) -> bool:
        return not (self.answered or self.everybody or self.heard)


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
    # nodes whose own addresses the probe was given, and those of them of which no MAC is known
    nodes_asked: frozenset[str] = frozenset()
    nodes_unknown: frozenset[str] = frozenset()
    # nodes that did not answer for any of their own addresses, with the first of these
    nodes_silent: Mapping[str, str] = field(default_factory=dict)
    # addresses of the probe host
    sources: tuple[Address, ...] = ()

    def outcome(self, target: WireTarget, expected: Collection[str] = ()) -> str:
        """The one word for what the answers to an address mean, as in outcome of l2_probe.

        expected are the nodes that the election gives: several where services that share the address elect different ones. The probe host
        has a copy (_wire/verdict.py, without any import); a test compares the two.
        """
        if not target.asked:
            return "not-asked"
        if target.silent:
            return "silent"
        if not target.everybody and not target.heard:
            return "unknown-node"
        owners, strangers = target.heard, target.strangers
        given = bool(self.nodes_asked) or self.nodes_known
        complete = given and not self.nodes_unknown and (bool(self.nodes_asked) or target.outcome != "unknown-node")
        if strangers and given and (complete or target.local):
            return "foreign"
        if len(owners) > 1 or len(strangers) > 1 or (owners and strangers):
            return "many"
        if strangers and given:
            return "unknown-node"
        if expected and owners and owners[0] not in expected:
            return "other-node"
        if len(target.everybody) > 1:
            return "one-node-twice"
        return "ok" if target.macs or target.nodes else "broadcast-lost"

    @classmethod
    def from_results(cls, probe: Any = None, ports: Any = None) -> Wire:
        """Out of what l2_probe and service_probe returned; either may be None. Raises OptionError."""
        targets: dict[Address, WireTarget] = {}
        conclusive, why, nodes_known, looked = True, "", False, False
        own: list[dict[str, Any]] = []
        owners: dict[str, str] = {}
        sources: list[Address] = []
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
            own = [one for one in as_list(probe.get("node_addresses")) if isinstance(one, dict) and one.get("name")]
            for entry in entries:
                target = _wire_target(entry, owners, conclusive)
                targets[target.address] = target
            for link in (probe.get("interfaces") or {}).values() if isinstance(probe.get("interfaces"), dict) else ():
                for text in as_list(as_dict(link).get("addresses")):
                    found = parse_address(str(text).partition("/")[0])
                    if found is not None:
                        sources.append(found)
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
        known = {str(name) for name in owners.values()}
        names = frozenset(str(one["name"]) for one in own)
        return cls(
            targets,
            tuple(results),
            looked,
            conclusive,
            why,
            nodes_known,
            names,
            names - known,
            _silent_nodes(own),
            tuple(sources),
        )

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


def _silent_nodes(own: list[dict[str, Any]]) -> dict[str, str]:
    """Nodes all of whose addresses were asked for, and none answered. One that cannot be asked from here tells nothing."""
    silent: dict[str, str] = {}
    for name in dict.fromkeys(str(one["name"]) for one in own):
        mine = [one for one in own if one["name"] == name]
        asked = [one for one in mine if not one.get("reason")]
        if asked and not any(one.get("answered") or one.get("answered_alone") for one in mine):
            silent[name] = str(asked[0].get("address") or "")
    return silent


def _wire_target(entry: dict[str, Any], owners: Mapping[str, str], conclusive: bool) -> WireTarget:
    address = parse_address(str(entry["address"]))
    if address is None:
        raise OptionError(f"wire: {entry['address']!r} is no address.")
    answers = [one for one in as_list(entry.get("answers")) if isinstance(one, dict)]
    nodes = [str(one.get("node") or owners.get(str(one.get("mac")), "")) for one in answers]
    foreign = [str(one.get("mac")) for one, node in zip(answers, nodes) if not node]
    single = [one for one in as_list(entry.get("unicast")) if isinstance(one, dict)]
    replied = [one for one in single if one.get("answered")]
    alone = [str(one.get("node") or owners.get(str(one.get("mac")), "")) for one in replied]
    stated = entry.get("conclusive")
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
        alone_macs=tuple(dict.fromkeys(str(one["mac"]) for one in replied if one.get("mac"))),
        alone_foreign=tuple(
            dict.fromkeys(str(one["mac"]) for one, node in zip(replied, alone) if one.get("mac") and not node)
        ),
        conclusive=(conclusive if stated is None else bool(stated)) and entry.get("outcome") != "unproven",
        local=entry.get("reason") == "local" or any(one.get("local") for one in answers),
        interface=str(entry.get("interface") or ""),
    )
