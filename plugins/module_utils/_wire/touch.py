# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Asking without raw sockets: make the kernel ask, then read what it learnt.

An unprivileged process cannot send ARP, but a datagram to an address makes the kernel do so, and its neighbour table
can be read by anybody. That shows *one* MAC per address at most: whether a second host answers too cannot be seen, nor
can times, and an entry that was there before may be old. Where there is no netlink either (macOS), only "somebody is
there" is left: a TCP connection that is accepted or refused.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import time

from ansible_collections.l2ops.metallb.plugins.module_utils._wire import netlink as _netlink
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import WireError
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.octets import address_text

# The neighbour table holds 1024 entries by default (net.ipv4.neigh.default.gc_thresh3).
_CHUNK = 200
_SETTLED = frozenset(("reachable", "permanent", "noarp", "stale", "delay", "probe"))
_TOUCH_PORT = 9  # discard


class Touched:
    """What one touch showed: ``mac`` None when nobody answered; ``state`` of the kernel's entry; ``fresh`` when it was
    confirmed after we asked; ``alive`` when a TCP connection proved that somebody has the address though the MAC is
    unknown."""

    __slots__ = ("alive", "fresh", "mac", "state")

    def __init__(self, mac: bytes | None, state: str, fresh: bool, alive: bool) -> None:
        self.mac = mac
        self.state = state
        self.fresh = fresh
        self.alive = alive


def _poke(address: bytes, interface: str, port: int) -> None:
    """One datagram of no octets; errors are of no interest, the table tells."""
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            if interface and hasattr(socket, "SO_BINDTODEVICE"):
                try:
                    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
                except OSError:
                    pass  # kernels before 5.7 want CAP_NET_RAW for it; the route decides then
            sender.sendto(b"", (address_text(address), port))
    except OSError:
        return


def _entries(netlink: _netlink.Netlink, index_of: dict[bytes, int]) -> dict[bytes, tuple[str, bytes | None, int]]:
    """(state, MAC, ms since it was confirmed) by address."""
    found: dict[bytes, tuple[str, bytes | None, int]] = {}
    families = {socket.AF_INET if len(address) == 4 else socket.AF_INET6 for address in index_of}
    for family in families:
        for index, state, attributes in netlink.neighbours(family):
            address = attributes.get(1, b"")
            if index_of.get(address) != index:
                continue
            confirmed = 1 << 40
            if len(attributes.get(3, b"")) >= 16:  # NDA_CACHEINFO: confirmed, used, updated in 1/100 s, refcnt
                confirmed = int(struct.unpack_from("=I", attributes[3])[0]) * 10
            mac = attributes.get(2)
            found[address] = (_netlink.NUD_STATES.get(state, "none"), mac if mac and len(mac) == 6 else None, confirmed)
    return found


def learnt(places: dict[bytes, int]) -> dict[bytes, bytes]:
    """What the kernel learnt before: MACs of these addresses (address -> interface index), without asking anybody."""
    try:
        with _netlink.Netlink() as netlink:
            entries = _entries(netlink, places)
    except (OSError, WireError):
        return {}
    return {address: mac for address, (state, mac, _age) in entries.items() if mac is not None and state in _SETTLED}


def by_neighbour_table(places: dict[bytes, tuple[str, int]], timeout: int, attempts: int) -> dict[bytes, Touched]:
    """Touch every address and read the neighbour table until each is settled.

    :param places: address -> (interface name, interface index)
    :param timeout: ns to wait for one chunk of addresses; the kernel itself tries three times, one second apart
    :param attempts: datagrams per address at most
    :raises WireError: ``platform`` where there is no netlink
    """
    results: dict[bytes, Touched] = {}
    addresses = list(places)
    with _netlink.Netlink() as netlink:
        for start in range(0, len(addresses), _CHUNK):
            chunk = addresses[start : start + _CHUNK]
            index_of = {address: places[address][1] for address in chunk}
            begun = time.monotonic_ns()
            deadline = begun + timeout
            next_poke, poked = begun, 0
            open_ones = set(chunk)
            while open_ones:
                now = time.monotonic_ns()
                if poked < attempts and now >= next_poke:
                    for address in open_ones:
                        _poke(address, places[address][0], _TOUCH_PORT)
                    poked += 1
                    next_poke = now + timeout // attempts
                since = (now - begun) // 1_000_000
                for address, (state, mac, confirmed) in _entries(netlink, index_of).items():
                    if address not in open_ones or state not in _SETTLED or mac is None:
                        continue
                    fresh = state == "permanent" or (state == "reachable" and confirmed <= since + 30)
                    results[address] = Touched(mac, state, fresh, True)
                    if fresh or state == "reachable":
                        open_ones.discard(address)
                if time.monotonic_ns() >= deadline:
                    break
                time.sleep(0.02)
            for address in open_ones:
                results.setdefault(address, Touched(None, "failed", True, False))
    return results


def by_connection(addresses: list[bytes], timeout: int, port: int = 80) -> dict[bytes, Touched]:
    """Open a TCP connection to every address: accepted or refused proves that somebody has it; silence proves nothing.

    :param timeout: ns for one chunk of addresses
    """
    results: dict[bytes, Touched] = {}
    for start in range(0, len(addresses), _CHUNK):
        chunk = addresses[start : start + _CHUNK]
        with selectors.DefaultSelector() as selector:
            for address in chunk:
                results[address] = Touched(None, "unknown", False, False)
                connection = socket.socket(socket.AF_INET if len(address) == 4 else socket.AF_INET6, socket.SOCK_STREAM)
                connection.setblocking(False)
                code = connection.connect_ex((address_text(address), port))
                if code in (0, errno.ECONNREFUSED):
                    results[address].alive = True
                if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
                    selector.register(connection, selectors.EVENT_WRITE, address)
                else:
                    connection.close()
            deadline = time.monotonic_ns() + timeout
            while selector.get_map():
                remaining = deadline - time.monotonic_ns()
                if remaining <= 0:
                    break
                for key, _events in selector.select(remaining / 1e9):
                    connection = key.fileobj  # type: ignore[assignment]
                    code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    results[key.data].alive = code in (0, errno.ECONNREFUSED)
                    selector.unregister(connection)
                    connection.close()
            for key in list(selector.get_map().values()):
                connection = key.fileobj  # type: ignore[assignment]
                selector.unregister(connection)
                connection.close()
    return results
