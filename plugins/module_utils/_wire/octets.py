# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Addresses and MACs as octets and as text.

An *address* is 4 or 16 octets in network order everywhere in this package; text is made only at the edges.
``ipaddress`` is avoided on purpose: importing it and making objects costs more than sending the frames of a small
sweep.
"""

from __future__ import annotations

import socket

IPV4 = "ipv4"
IPV6 = "ipv6"


def family_of(address: bytes) -> str:
    """``"ipv4"`` or ``"ipv6"`` of an address of 4 or 16 octets."""
    return IPV4 if len(address) == 4 else IPV6


def to_address(text: str) -> bytes | None:
    """The octets of an address written as text, or None when it is none. Zones (``%eth0``) are not accepted."""
    text = text.strip()
    if ":" in text:
        try:
            packed = socket.inet_pton(socket.AF_INET6, text)
        except (OSError, ValueError):
            return None
        # An IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) is asked for by ARP.
        if packed[:12] == b"\x00" * 10 + b"\xff\xff":
            return packed[12:]
        return packed
    try:
        return socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return None


def address_text(address: bytes) -> str:
    """The canonical text of an address (RFC 5952 for IPv6, as the C library writes it)."""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def mac_text(mac: bytes) -> str:
    """``aa:bb:cc:dd:ee:ff``"""
    return mac.hex(":")


def to_mac(text: str) -> bytes | None:
    """The six octets of a MAC written with ``:``, ``-``, ``.`` or nothing in between; None when it is none."""
    digits = text.strip().replace(":", "").replace("-", "").replace(".", "")
    if len(digits) != 12:
        return None
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return None


def in_prefix(address: bytes, network: bytes, length: int) -> bool:
    """Whether ``address`` lies in ``network/length`` (host bits of ``network`` are ignored)."""
    if len(address) != len(network):
        return False
    shift = len(address) * 8 - length
    return int.from_bytes(address, "big") >> shift == int.from_bytes(network, "big") >> shift


def is_link_local(address: bytes) -> bool:
    """fe80::/10 (RFC 4291 2.5.6) or 169.254.0.0/16 (RFC 3927)."""
    if len(address) == 16:
        return address[0] == 0xFE and address[1] & 0xC0 == 0x80
    return address[:2] == b"\xa9\xfe"


def is_multicast(address: bytes) -> bool:
    """224.0.0.0/4 or ff00::/8."""
    return address[0] == 0xFF if len(address) == 16 else address[0] & 0xF0 == 0xE0
