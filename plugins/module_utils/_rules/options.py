# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What only the user can know about a cluster: networks, reserved addresses, interfaces, probe results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import AddressError, Span, parse_any
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.wire_facts import OptionError, Wire

# About ten seconds after a change of a node or endpoint everything in the cluster has heard of it.
SETTLE = 10.0
# Winners cost a hash per candidate and service: more than these would take longer than a person waits.
MOST_HASHES = 1_000_000


@dataclass(frozen=True)
class Link:
    """An interface of a node. Unknown parts are taken for good."""

    name: str
    up: bool = True
    master: str = ""
    arp: bool = True
    networks: tuple[Span, ...] = ()


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
