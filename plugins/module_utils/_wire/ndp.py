# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Neighbour discovery (RFC 4861) frames: built, read, and filtered in the kernel.

Layout, offsets in octets: 0 Ethernet, 14 IPv6 (20 next header, 21 hop limit, 22 source, 38 destination), 54 ICMPv6
(type, code, checksum, 58 flags, 62 target, 78 options).

What MetalLB answers (internal/layer2/ndp.go, v0.15.3): only solicitations that carry a source link-layer address option
and whose source is not ``::``; those for duplicate address detection and unicast ones to the VIP it does not. Its
answer comes from the node's link-local address, which names the node, with S=1 and O=0. ``ndisc6`` drops just that
answer.
"""

from __future__ import annotations

import struct

from ansible_collections.l2ops.metallb.plugins.module_utils._wire.octets import is_multicast

ETHERTYPE = 0x86DD
SOLICITATION = 135
ADVERTISEMENT = 136
UNSPECIFIED = b"\x00" * 16
ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")

_SOLICITED_NODE_PREFIX = bytes.fromhex("ff0200000000000000000001ff")
_OPTION_SOURCE = 1
_OPTION_TARGET = 2


class Advertisement:
    """One neighbour advertisement.

    ``source``, ``destination`` and ``target`` are 16 octets; ``link_layer`` is the MAC of the target link-layer address
    option, or None when there is none (RFC 4861 7.1.2 allows that for answers to unicast solicitations).
    """

    __slots__ = (
        "destination",
        "ethernet_destination",
        "ethernet_source",
        "link_layer",
        "override",
        "router",
        "solicited",
        "source",
        "target",
    )

    def __init__(
        self,
        ethernet_destination: bytes,
        ethernet_source: bytes,
        source: bytes,
        destination: bytes,
        target: bytes,
        flags: int,
        link_layer: bytes | None,
    ) -> None:
        self.ethernet_destination = ethernet_destination
        self.ethernet_source = ethernet_source
        self.source = source
        self.destination = destination
        self.target = target
        self.router = bool(flags & 0x80)
        self.solicited = bool(flags & 0x40)
        self.override = bool(flags & 0x20)
        self.link_layer = link_layer

    @property
    def mac(self) -> bytes:
        """The MAC to believe: the option's, and the Ethernet source where there is no option."""
        return self.link_layer if self.link_layer is not None else self.ethernet_source


def solicited_node(address: bytes) -> bytes:
    """The solicited-node multicast address of an address (RFC 4291 section 2.7.1)."""
    return _SOLICITED_NODE_PREFIX + address[13:]


def multicast_mac(address: bytes) -> bytes:
    """The Ethernet address of an IPv6 multicast address (RFC 2464 section 7)."""
    return b"\x33\x33" + address[12:]


def eui64_link_local(mac: bytes) -> bytes:
    """The link-local address that a host with this MAC has unless it uses privacy addresses (RFC 4291 appendix A)."""
    return b"\xfe\x80" + b"\x00" * 6 + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:]


def checksum(source: bytes, destination: bytes, message: bytes) -> int:
    """The ICMPv6 checksum over pseudo-header and message (RFC 8200 section 8.1); 0 for a message that carries its right
    one."""
    data = source + destination + struct.pack("!II", len(message), 58) + message
    if len(data) % 2:
        data += b"\x00"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def solicitation(
    mac: bytes, source: bytes, target: bytes, destination_mac: bytes | None = None, destination: bytes | None = None
) -> bytes:
    """A neighbour solicitation for ``target`` with our MAC as source link-layer address option.

    :param mac: our own MAC
    :param source: our link-local address (MetalLB takes a global one too, but not ``::``)
    :param target: the address asked for
    :param destination_mac: one node's MAC to ask only that node; None for the multicast MAC
    :param destination: one node's link-local address; None for the target's solicited-node group
    :raises ValueError: when source is ``::`` (nobody would answer us) or the target itself
    """
    if source in (UNSPECIFIED, target):
        raise ValueError("a solicitation needs a source of our own, which is not the address asked for")
    ip_destination = solicited_node(target) if destination is None else destination
    if destination_mac is None:
        destination_mac = multicast_mac(ip_destination)
    body = b"\x00" * 4 + target + bytes((_OPTION_SOURCE, 1)) + mac
    total = checksum(source, ip_destination, bytes((SOLICITATION, 0, 0, 0)) + body)
    message = bytes((SOLICITATION, 0)) + struct.pack("!H", total) + body
    header = struct.pack("!IHBB", 0x60000000, len(message), 58, 255)
    return destination_mac + mac + b"\x86\xdd" + header + source + ip_destination + message


def parse(frame: bytes) -> Advertisement | None:
    """The advertisement in a frame, or None. Never raises, whatever the octets.

    Checks what RFC 4861 section 7.1.2 demands: hop limit 255, checksum, code 0, length, options of a length above 0, a
    target that is no multicast address, S=0 when sent to multicast. An advertisement that fails one of these is no
    answer.
    """
    if len(frame) < 78 or frame[12:14] != b"\x86\xdd" or frame[14] >> 4 != 6 or frame[20] != 58 or frame[21] != 255:
        return None
    length = (frame[18] << 8) | frame[19]
    if length < 24 or len(frame) < 54 + length:
        return None
    message = frame[54 : 54 + length]
    if message[0] != ADVERTISEMENT or message[1] != 0:
        return None
    source, destination, target = frame[22:38], frame[38:54], message[8:24]
    flags = message[4]
    if is_multicast(target) or (is_multicast(destination) and flags & 0x40) or checksum(source, destination, message):
        return None
    link_layer = None
    position = 24
    while position < length:
        if position + 2 > length:
            return None
        size = message[position + 1] * 8
        if size == 0 or position + size > length:
            return None
        if message[position] == _OPTION_TARGET and size == 8:
            link_layer = message[position + 2 : position + 8]
        position += size
    return Advertisement(frame[0:6], frame[6:12], source, destination, target, flags, link_layer)


def filter_advertisements() -> list[tuple[int, int, int, int]]:
    """A classic BPF program: ICMPv6 neighbour advertisements without extension headers (RFC 6980 forbids fragments)."""
    return [
        (0x28, 0, 0, 12),  # ldh [12]   ethertype
        (0x15, 0, 5, ETHERTYPE),
        (0x30, 0, 0, 20),  # ldb [20]   next header
        (0x15, 0, 3, 58),
        (0x30, 0, 0, 54),  # ldb [54]   ICMPv6 type
        (0x15, 0, 1, ADVERTISEMENT),
        (0x06, 0, 0, 0xFFFF),
        (0x06, 0, 0, 0),
    ]
