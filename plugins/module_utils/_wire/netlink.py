# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Interfaces, addresses, routes and the neighbour table from the Linux kernel, without any program and without root.

Formats: linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/neighbour.h; RFC 3549.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import WireError

RTM_NEWLINK, RTM_GETLINK = 16, 18
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTM_NEWNEIGH, RTM_GETNEIGH = 28, 30
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST, _DUMP = 0x1, 0x300

IFF_UP, IFF_BROADCAST, IFF_LOOPBACK, IFF_NOARP, IFF_LOWER_UP = 0x1, 0x2, 0x8, 0x80, 0x10000
ARPHRD_ETHER, ARPHRD_LOOPBACK = 1, 772
RTN_UNICAST, RTN_LOCAL, RTN_BROADCAST = 1, 2, 3

NUD_STATES = {
    0x01: "incomplete",
    0x02: "reachable",
    0x04: "stale",
    0x08: "delay",
    0x10: "probe",
    0x20: "failed",
    0x40: "noarp",
    0x80: "permanent",
}


def attributes(data: bytes, start: int) -> dict[int, bytes]:
    """The route attributes (``struct rtattr``) in ``data`` from ``start``; what is cut off or malformed at the end is
    left out."""
    found: dict[int, bytes] = {}
    position = start
    while position + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, position)
        if length < 4 or position + length > len(data):
            break
        found[kind & 0x3FFF] = data[position + 4 : position + length]
        position += (length + 3) & ~3
    return found


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The netlink messages in one datagram as (type, payload)."""
    position = 0
    while position + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, position)
        if length < 16 or position + length > len(data):
            return
        yield kind, data[position + 16 : position + length]
        position += (length + 3) & ~3


class Netlink:
    """A NETLINK_ROUTE socket. Use as a context manager."""

    def __init__(self) -> None:
        """:raises WireError: ``platform`` where there is no netlink (not Linux, or a sandbox that forbids it)"""
        family = getattr(socket, "AF_NETLINK", None)
        if family is None:
            raise WireError(
                "platform",
                "this system has no netlink sockets (it is not Linux), so its interfaces and routes cannot be read. "
                "Run the probe on a Linux host of the same network segment (group metallb_probes).",
            )
        try:
            self._socket = socket.socket(family, socket.SOCK_RAW, 0)
        except OSError as error:
            raise WireError(
                "platform",
                f"the kernel's interface list cannot be opened (netlink socket: {error.strerror}). A container's "
                "seccomp profile may forbid it; run the probe on another host.",
            ) from error
        self._socket.settimeout(5)
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *unused: object) -> None:
        self._socket.close()

    def request(self, kind: int, body: bytes, dump: bool) -> list[tuple[int, bytes]]:
        """Send one request and collect its answers as (type, payload).

        :raises OSError: the error that the kernel reports (for instance ENETUNREACH for a route)
        """
        self._sequence += 1
        flags = _REQUEST | (_DUMP if dump else 0)
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, flags, self._sequence, 0) + body)
        answers: list[tuple[int, bytes]] = []
        while True:
            data = self._socket.recv(1 << 18)
            for answer_kind, payload in messages(data):
                if answer_kind == _NLMSG_DONE:
                    return answers
                if answer_kind == _NLMSG_ERROR:
                    code = -int(struct.unpack_from("=i", payload)[0])
                    if code:
                        raise OSError(code, os.strerror(code))
                    return answers
                answers.append((answer_kind, payload))
            if not dump:
                return answers

    def links(self) -> list[tuple[int, int, int, dict[int, bytes]]]:
        """(index, ARPHRD type, flags, attributes) of every interface."""
        found = []
        for kind, payload in self.request(RTM_GETLINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0), dump=True):
            if kind == RTM_NEWLINK and len(payload) >= 16:
                _family, hardware, index, flags, _change = struct.unpack_from("=BxHiII", payload)
                found.append((index, hardware, flags, attributes(payload, 16)))
        return found

    def addresses(self) -> list[tuple[int, int, int, int, dict[int, bytes]]]:
        """(interface index, prefix length, scope, flags, attributes) of every address."""
        found = []
        for kind, payload in self.request(RTM_GETADDR, struct.pack("=BBBBi", 0, 0, 0, 0, 0), dump=True):
            if kind == RTM_NEWADDR and len(payload) >= 8:
                _family, length, flags, scope, index = struct.unpack_from("=BBBBi", payload)
                found.append((index, length, scope, flags, attributes(payload, 8)))
        return found

    def route(self, address: bytes) -> tuple[int, dict[int, bytes]] | None:
        """(route type, attributes) of the route that a packet to ``address`` would take, or None when there is none."""
        family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        body = struct.pack("=BBBBBBBBI", family, len(address) * 8, 0, 0, 0, 0, 0, 0, 0)
        body += struct.pack("=HH", 4 + len(address), 1) + address
        try:
            answers = self.request(RTM_GETROUTE, body, dump=False)
        except OSError:
            return None
        for kind, payload in answers:
            if kind == RTM_NEWROUTE and len(payload) >= 12:
                return payload[7], attributes(payload, 12)
        return None

    def neighbours(self, family: int) -> list[tuple[int, int, dict[int, bytes]]]:
        """(interface index, NUD state, attributes) of every entry of the neighbour table of ``AF_INET`` or
        ``AF_INET6``."""
        found = []
        for kind, payload in self.request(RTM_GETNEIGH, struct.pack("=BBHiHBB", family, 0, 0, 0, 0, 0, 0), dump=True):
            if kind == RTM_NEWNEIGH and len(payload) >= 12:
                _family, _pad1, _pad2, index, state, _flags, _type = struct.unpack_from("=BBHiHBB", payload)
                found.append((index, state, attributes(payload, 12)))
        return found
