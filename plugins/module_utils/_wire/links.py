# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Which interface an address is asked on, and with which source; or why it cannot be asked from here.

Pure over :class:`Table`; :func:`read_table` fills one from the kernel.
"""

from __future__ import annotations

import struct

from ansible_collections.l2ops.metallb.plugins.module_utils._wire import netlink as _netlink
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import WireError
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.octets import (
    address_text,
    in_prefix,
    is_link_local,
    is_multicast,
    mac_text,
)

_TENTATIVE, _DAD_FAILED = 0x40, 0x08


class Interface:
    """One interface: ``addresses`` are (octets, prefix length) that are usable (neither tentative nor duplicates)."""

    __slots__ = ("addresses", "flags", "hardware", "index", "kind", "mac", "master", "mtu", "name", "parent", "vlan")

    def __init__(
        self,
        index: int,
        name: str,
        mac: bytes = b"",
        hardware: int = _netlink.ARPHRD_ETHER,
        flags: int = _netlink.IFF_UP | _netlink.IFF_BROADCAST | _netlink.IFF_LOWER_UP,
        addresses: list[tuple[bytes, int]] | None = None,
        master: int = 0,
        kind: str = "",
        vlan: int | None = None,
        parent: int = 0,
        mtu: int = 1500,
    ) -> None:
        self.index = index
        self.name = name
        self.mac = mac
        self.hardware = hardware
        self.flags = flags
        self.addresses = addresses if addresses is not None else []
        self.master = master
        self.kind = kind
        self.vlan = vlan
        self.parent = parent
        self.mtu = mtu

    @property
    def up(self) -> bool:
        return bool(self.flags & _netlink.IFF_UP)

    @property
    def carrier(self) -> bool:
        return bool(self.flags & _netlink.IFF_LOWER_UP)

    @property
    def link_local(self) -> bytes | None:
        """The first usable fe80:: address, or None."""
        for address, _length in self.addresses:
            if len(address) == 16 and is_link_local(address):
                return address
        return None

    def holds_network_of(self, address: bytes) -> int:
        """The longest prefix of this interface that covers ``address``; -1 when none does."""
        best = -1
        for own, length in self.addresses:
            if length > best and in_prefix(address, own, length):
                best = length
        return best

    def facts(self) -> dict[str, object]:
        """As returned to users."""
        return {
            "name": self.name,
            "mac": mac_text(self.mac) if self.mac else "",
            "mtu": self.mtu,
            "kind": self.kind,
            "vlan": self.vlan,
            "up": self.up,
            "carrier": self.carrier,
            "addresses": [f"{address_text(address)}/{length}" for address, length in self.addresses],
        }


class Route:
    """Where the kernel would send a packet: ``kind`` is an RTN_* number, ``gateway`` None when the address is on
    link."""

    __slots__ = ("gateway", "index", "kind", "source")

    def __init__(self, kind: int, index: int, gateway: bytes | None, source: bytes | None) -> None:
        self.kind = kind
        self.index = index
        self.gateway = gateway
        self.source = source


class Table:
    """What this host knows about its network. Subclassed by tests with a made-up :meth:`route`."""

    def __init__(self, interfaces: list[Interface]) -> None:
        self.interfaces = interfaces
        self.by_index = {interface.index: interface for interface in interfaces}
        self.by_name = {interface.name: interface for interface in interfaces}
        self.own = {address: interface for interface in interfaces for address, _length in interface.addresses}

    def route(self, address: bytes) -> Route | None:
        """The route to ``address`` as the kernel has it, or None."""
        with _netlink.Netlink() as netlink:
            answer = netlink.route(address)
        if answer is None:
            return None
        kind, found = answer
        index = int(struct.unpack("=I", found[4])[0]) if 4 in found else 0
        # RTA_GATEWAY 5, RTA_PREFSRC 7, RTA_VIA 18 (an IPv4 route through an IPv6 router, RFC 5549), RTA_MULTIPATH 9
        gateway = found.get(5) or (found[18][2:] if 18 in found else None)
        if 9 in found and not index:
            gateway = b"multipath"
        return Route(kind, index, gateway, found.get(7))


def read_table() -> Table:
    """Interfaces and their addresses, from the kernel.

    :raises WireError: ``platform`` where there is no netlink
    """
    with _netlink.Netlink() as netlink:
        try:
            links = netlink.links()
            addresses = netlink.addresses()
        except OSError as error:
            raise WireError(
                "platform", f"the kernel's interface list cannot be read: {error.strerror or error}"
            ) from error
    interfaces: dict[int, Interface] = {}
    for index, hardware, flags, found in links:
        info = _netlink.attributes(found.get(18, b""), 0)  # IFLA_LINKINFO
        kind = info.get(1, b"").rstrip(b"\x00").decode("ascii", "replace")
        vlan = None
        if kind == "vlan":
            vlan_id = _netlink.attributes(info.get(2, b""), 0).get(1)
            vlan = int(struct.unpack_from("=H", vlan_id)[0]) if vlan_id else None
        interfaces[index] = Interface(
            index=index,
            name=found.get(3, b"").rstrip(b"\x00").decode("utf-8", "replace"),
            mac=found.get(1, b""),
            hardware=hardware,
            flags=flags,
            master=int(struct.unpack("=I", found[10])[0]) if len(found.get(10, b"")) == 4 else 0,
            kind=kind,
            vlan=vlan,
            parent=int(struct.unpack("=I", found[5])[0]) if len(found.get(5, b"")) == 4 else 0,
            mtu=int(struct.unpack("=I", found[4])[0]) if len(found.get(4, b"")) == 4 else 0,
        )
    for index, length, _scope, short_flags, found in addresses:
        flags = int(struct.unpack("=I", found[8])[0]) if len(found.get(8, b"")) == 4 else short_flags
        # IFA_LOCAL 2 is the own address of a point-to-point link, IFA_ADDRESS 1 is then the peer's
        address = found.get(2) or found.get(1)
        if address is None or index not in interfaces or flags & _DAD_FAILED or flags & _TENTATIVE:
            continue
        interfaces[index].addresses.append((address, length))
    return Table(list(interfaces.values()))


class Choice:
    """How one address will be asked.

    ``interface`` None means: not asked, for ``reason`` (``not-on-link``, ``local``, ``no-route``, ``interface``,
    ``multicast``, ``no-link-local``) as ``message`` tells. ``on_link`` says whether silence on this interface proves
    anything.
    """

    __slots__ = ("interface", "message", "on_link", "reason")

    def __init__(self, interface: Interface | None, on_link: bool, reason: str = "", message: str = "") -> None:
        self.interface = interface
        self.on_link = on_link
        self.reason = reason
        self.message = message


def check_interface(table: Table, name: str) -> Interface:
    """The interface of that name, when frames can be sent and answers received on it.

    :raises WireError: ``interface``: absent, down, without carrier, no Ethernet, or a port of a bridge or bond
    """
    interface = table.by_name.get(name)
    if interface is None:
        usable = sorted(i.name for i in table.interfaces if not _unusable(table, i)) or ["none"]
        raise WireError(
            "interface",
            f"there is no interface {name} on this host. Interfaces that can be used here: {', '.join(usable)}. Set "
            "the option interface to one of them, or leave it out to have it chosen by route.",
        )
    problem = _unusable(table, interface)
    if problem:
        raise WireError("interface", problem)
    return interface


def _unusable(table: Table, interface: Interface) -> str:
    name = interface.name
    if interface.hardware != _netlink.ARPHRD_ETHER or len(interface.mac) != 6:
        return (
            f"interface {name} is not Ethernet (it has no ARP and no MAC); use the interface that leads to the "
            "nodes' segment."
        )
    if interface.flags & _netlink.IFF_NOARP:
        return f"interface {name} has ARP switched off (flag NOARP); fix it with: ip link set dev {name} arp on"
    if not interface.up:
        return f"interface {name} is down, so nothing can be asked on it; fix it with: ip link set dev {name} up"
    if not interface.carrier:
        return (
            f"interface {name} has no carrier (cable, switch port, or the virtual peer is down), so nothing can be "
            "asked on it."
        )
    master = table.by_index.get(interface.master)
    if master is not None and master.kind in ("bridge", "bond", "team", "openvswitch"):
        return (
            f"interface {name} is a port of {master.kind} {master.name}, which takes its frames; use interface "
            f"{master.name}."
        )
    return ""


class Chooser:
    """Chooses for many addresses with few questions to the kernel."""

    def __init__(self, table: Table, forced: Interface | None = None) -> None:
        self.table = table
        self.forced = forced
        self._routes: dict[tuple[str, ...], Interface | None] = {}

    def choose(self, address: bytes) -> Choice:
        """How ``address`` is asked for. Never raises: what hinders is in the choice."""
        text = address_text(address)
        if is_multicast(address):
            return Choice(None, False, "multicast", f"{text} is a multicast address; nobody answers for one.")
        own = self.table.own.get(address)
        if own is not None:
            return Choice(None, True, "local", f"{text} is an address of this host itself (interface {own.name}).")
        choice = self._by_route(address) if self.forced is None else self._by_force(address, self.forced)
        if choice.interface is not None and len(address) == 16 and choice.interface.link_local is None:
            name = choice.interface.name
            return Choice(
                None,
                choice.on_link,
                "no-link-local",
                f"{text} cannot be asked for: interface {name} has no usable IPv6 link-local address, and MetalLB "
                f"answers only to one that is not ::. Fix it with: sysctl -w net.ipv6.conf.{name}.disable_ipv6=0",
            )
        return choice

    @staticmethod
    def _by_force(address: bytes, interface: Interface) -> Choice:
        if interface.holds_network_of(address) >= 0:
            return Choice(interface, True)
        text = address_text(address)
        return Choice(
            interface,
            False,
            "not-on-link",
            f"interface {interface.name} has no address in the network of {text}: it is asked for there as you said, "
            "but silence proves nothing unless that segment is the nodes' own.",
        )

    def _by_route(self, address: bytes) -> Choice:
        best = -1
        candidates: list[Interface] = []
        for interface in self.table.interfaces:
            length = interface.holds_network_of(address)
            if length < 0 or length < best or interface.hardware == _netlink.ARPHRD_LOOPBACK:
                continue
            if length > best:
                best, candidates = length, []
            candidates.append(interface)
        candidates = [interface for interface in candidates if not _unusable(self.table, interface)] or candidates
        if len(candidates) == 1:
            return self._usable(address, candidates[0])
        if candidates:
            # several interfaces in one network: the kernel's choice, asked once per set of interfaces
            names = tuple(interface.name for interface in candidates)
            if names not in self._routes:
                route = self.table.route(address)
                chosen = self.table.by_index.get(route.index) if route is not None else None
                self._routes[names] = chosen if chosen in candidates else None
            return self._usable(address, self._routes[names] or candidates[0])
        return self._without_network(address)

    def _usable(self, address: bytes, interface: Interface) -> Choice:
        problem = _unusable(self.table, interface)
        if problem:
            return Choice(None, False, "interface", f"{address_text(address)} is on {interface.name}: {problem}")
        return Choice(interface, True)

    def _without_network(self, address: bytes) -> Choice:
        text = address_text(address)
        route = self.table.route(address)
        if route is not None and route.kind == _netlink.RTN_LOCAL:
            return Choice(None, True, "local", f"{text} is an address of this host itself.")
        if route is None or route.kind not in (_netlink.RTN_UNICAST, _netlink.RTN_BROADCAST):
            return Choice(
                None,
                False,
                "no-route",
                f"this host has no route to {text} and no interface in its network, so nothing can be said about who "
                "answers for it. Run the probe on a host of that network segment (group metallb_probes), or name "
                "the interface.",
            )
        interface = self.table.by_index.get(route.index)
        name = interface.name if interface is not None else "several interfaces"
        if route.gateway is None and interface is not None and not _unusable(self.table, interface):
            return Choice(interface, True)
        if route.gateway is not None:
            via = "several gateways" if route.gateway == b"multipath" else f"gateway {address_text(route.gateway)}"
            where = f"this host reaches it through {via} on {name}"
        else:
            where = f"this host reaches it through {name}, which has no ARP"
        return Choice(
            None,
            False,
            "not-on-link",
            f"{text} is not on a network segment of this host ({where}), and ARP and neighbour discovery do not pass "
            "routers: nothing can be concluded here. Run the probe on a host of that segment (group "
            "metallb_probes), or name the interface.",
        )


def source_for(interface: Interface, address: bytes, forbidden: frozenset[bytes] | set[bytes]) -> bytes:
    """The sender address to ask ``address`` with on ``interface``.

    IPv6: the interface's link-local address. IPv4: its address with the longest prefix that covers ``address``, else
    its first one, else 0.0.0.0; never one of ``forbidden`` (the addresses asked for: who sends from one claims it).
    """
    if len(address) == 16:
        link_local = interface.link_local
        if link_local is None:
            raise WireError("interface", f"interface {interface.name} has no usable IPv6 link-local address.")
        return link_local
    best, chosen = -1, b""
    for own, length in interface.addresses:
        if len(own) != 4 or own in forbidden:
            continue
        fits = length if in_prefix(address, own, length) else 0
        if fits > best:
            best, chosen = fits, own
    return chosen or b"\x00" * 4
