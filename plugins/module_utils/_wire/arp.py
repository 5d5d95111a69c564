# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""ARP frames: built, read, and filtered in the kernel.

Layout (RFC 826 on Ethernet), offsets in octets from the start of the frame::

    0 dst  6 src  12 type 0806 | 14 hrd  16 pro  18 hln  19 pln  20 op  22 sha  28 spa  32 tha  38 tpa

That is 42 octets, padded to 60.

What MetalLB answers (internal/layer2/arp.go, v0.15.3): requests (op 1) sent to broadcast or to its own MAC, whatever
spa is; the reply goes to the request's *sha*, not to its Ethernet source. So sha must be our own MAC, and spa must
never be the address asked for: MetalLB and every other host would take that for an announcement (RFC 5227 section 1.1).
"""

from __future__ import annotations

import struct

ETHERTYPE = 0x0806
REQUEST = 1
REPLY = 2
BROADCAST = b"\xff" * 6
UNSPECIFIED = b"\x00" * 4

_HEADER = struct.pack("!HHBB", 1, 0x0800, 6, 4)
_PADDING = b"\x00" * 18
_UNKNOWN_MAC = b"\x00" * 6
_FIELDS = struct.Struct("!6s6sHHHBBH6s4s6s4s")


class ArpPacket:
    """One ARP packet as read from the wire. MACs are 6 octets, addresses 4, ``operation`` 1 (request) or 2 (reply) or
    other."""

    __slots__ = (
        "ethernet_destination",
        "ethernet_source",
        "operation",
        "sender_address",
        "sender_mac",
        "target_address",
        "target_mac",
    )

    def __init__(
        self,
        ethernet_destination: bytes,
        ethernet_source: bytes,
        operation: int,
        sender_mac: bytes,
        sender_address: bytes,
        target_mac: bytes,
        target_address: bytes,
    ) -> None:
        self.ethernet_destination = ethernet_destination
        self.ethernet_source = ethernet_source
        self.operation = operation
        self.sender_mac = sender_mac
        self.sender_address = sender_address
        self.target_mac = target_mac
        self.target_address = target_address

    @property
    def gratuitous(self) -> bool:
        """An announcement (RFC 5227 section 1.1): sender and target address are the same, as request or as reply."""
        return self.sender_address == self.target_address and self.sender_address != UNSPECIFIED


def request(mac: bytes, source: bytes, target: bytes, destination: bytes = BROADCAST) -> bytes:
    """A request for ``target``: 60 octets, ready to send.

    :param mac: our own MAC (Ethernet source and sha)
    :param source: our own address, or 0.0.0.0 for a probe that teaches nobody anything (RFC 5227 section 2.1.1)
    :param target: the address asked for
    :param destination: broadcast, or one node's MAC: MetalLB answers that only on the node that announces
    :raises ValueError: when source is target, which would claim the address
    """
    if source == target:
        raise ValueError("an ARP request whose sender is the address asked for is an announcement and is never sent")
    return b"".join(
        (
            destination,
            mac,
            b"\x08\x06",
            _HEADER,
            b"\x00\x01",
            mac,
            source,
            _UNKNOWN_MAC,
            target,
            _PADDING,
        )
    )


def parse(frame: bytes) -> ArpPacket | None:
    """The packet in a frame, or None when it isn't ARP for IPv4 over Ethernet. Never raises, whatever the octets.

    Hardware type 6 (IEEE 802) is read like 1: some hosts answer so, and MetalLB and Linux accept it.
    """
    if len(frame) < 42:
        return None
    (
        destination,
        source,
        ethertype,
        hardware,
        protocol,
        hardware_length,
        protocol_length,
        operation,
        sender_mac,
        sender_address,
        target_mac,
        target_address,
    ) = _FIELDS.unpack_from(frame)
    if (
        ethertype != ETHERTYPE
        or protocol != 0x0800
        or hardware not in (1, 6)
        or hardware_length != 6
        or protocol_length != 4
    ):
        return None
    return ArpPacket(destination, source, operation, sender_mac, sender_address, target_mac, target_address)


def filter_replies_to(mac: bytes) -> list[tuple[int, int, int, int]]:
    """A classic BPF program: replies whose *tha* is ``mac``.

    On tha and not on the Ethernet destination, for some hosts send their replies to broadcast (RFC 5227 section 2.6
    allows it). Other people's ARP never reaches our queue then, however busy the segment is.
    """
    high, low = struct.unpack("!IH", mac)
    return [
        (0x28, 0, 0, 12),  # ldh [12]           ethertype
        (0x15, 0, 7, ETHERTYPE),  # jeq, else drop
        (0x28, 0, 0, 20),  # ldh [20]           operation
        (0x15, 0, 5, REPLY),
        (0x20, 0, 0, 32),  # ld  [32]           tha, first four octets
        (0x15, 0, 3, high),
        (0x28, 0, 0, 36),  # ldh [36]           tha, last two
        (0x15, 0, 1, low),
        (0x06, 0, 0, 0xFFFF),  # accept
        (0x06, 0, 0, 0),  # drop
    ]


def filter_all() -> list[tuple[int, int, int, int]]:
    """A classic BPF program: every ARP packet (conflict and watch modes hear announcements and other hosts' probes
    too)."""
    return [(0x28, 0, 0, 12), (0x15, 0, 1, ETHERTYPE), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)]
