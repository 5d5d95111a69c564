# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Addresses, ranges and prefixes as MetalLB reads them (internal/config/config.go ParseCIDR, v0.15.3).

An address is a pair (version, number); a Span is a closed interval of numbers of one version. MetalLB's own parser is
Go's net package, which is stricter than Python's in some points (no netmasks, no zones) and looser in one (an
IPv4-mapped IPv6 address is an IPv4 address).
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar

Tag = TypeVar("Tag")
# (4 or 6, the address as a number)
Address = tuple[int, int]

_MAPPED = 0xFFFF << 32
_BITS = {4: 32, 6: 128}
# int64's largest: MetalLB's counters stop there for huge IPv6 ranges (internal/allocator/allocator.go poolCount).
ENDLESS = 2**63 - 1


class AddressError(ValueError):
    """An address, range or prefix that cannot be used. The message says why, without repeating the text."""


@dataclass(frozen=True, order=True)
class Span:
    """All addresses from first to last, both included."""

    version: int
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def __contains__(self, address: object) -> bool:
        return (
            isinstance(address, tuple)
            and len(address) == 2
            and address[0] == self.version
            and self.first <= address[1] <= self.last
        )

    def overlaps(self, other: Span) -> bool:
        return self.version == other.version and self.first <= other.last and other.first <= self.last

    def common(self, other: Span) -> Span | None:
        """What both hold, or None."""
        if not self.overlaps(other):
            return None
        return Span(self.version, max(self.first, other.first), min(self.last, other.last))

    def covers(self, other: Span) -> bool:
        return self.version == other.version and self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        if self.first == self.last:
            return format_address((self.version, self.first))
        length = prefix_length(self)
        if length is not None:
            return f"{format_address((self.version, self.first))}/{length}"
        return f"{format_address((self.version, self.first))}-{format_address((self.version, self.last))}"


def prefix_length(span: Span) -> int | None:
    """The length of the prefix that the span is, or None if it is none."""
    size = span.size
    if size & (size - 1) or span.first % size:
        return None
    return _BITS[span.version] - size.bit_length() + 1


@lru_cache(maxsize=65536)
def parse_address(text: str) -> Address | None:
    """As Go's net.ParseIP: None for what is no address. An IPv4-mapped address is IPv4."""
    if not text.isascii() or "%" in text:
        return None
    if ":" not in text:
        octets = text.split(".")
        # Python before 3.9.5 took leading zeros, which some read as octal.
        if len(octets) != 4 or any(
            not part.isdigit() or len(part) > 3 or (part[0] == "0" and part != "0") for part in octets
        ):
            return None
        numbers = [int(part) for part in octets]
        if max(numbers) > 255:
            return None
        return 4, numbers[0] << 24 | numbers[1] << 16 | numbers[2] << 8 | numbers[3]
    try:
        number = int(ipaddress.IPv6Address(text))
    except ValueError:
        return None
    if number >> 32 == 0xFFFF:
        return 4, number - _MAPPED
    return 6, number


@lru_cache(maxsize=65536)
def format_address(address: Address) -> str:
    """As Go's net.IP.String: lower case, compressed. The election hashes this very text."""
    version, number = address
    if version == 4:
        return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return str(ipaddress.IPv6Address(number))


def canonical(text: str) -> str:
    """An address in the one form that Go prints; any other text as it is."""
    address = parse_address(text.strip())
    return text if address is None else format_address(address)


def parse_span(text: str) -> Span:
    """A range or prefix of a pool, as MetalLB reads it. Raises AddressError for what it cannot read or cannot mean."""
    if not isinstance(text, str):
        raise AddressError("it is no text")
    if "-" not in text:
        return _parse_prefix(text)
    low_text, _dash, high_text = text.partition("-")
    low, high = parse_address(low_text.strip()), parse_address(high_text.strip())
    for end, found in ((low_text, low), (high_text, high)):
        if found is None:
            hint = ""
            if end.strip().isdigit():
                hint = "; write both ends in full, as 192.168.7.200-192.168.7.250"
            elif "/" in end:
                hint = "; a range has plain addresses at its ends, a prefix stands alone"
            raise AddressError(f"{end.strip() or 'nothing'!r} is no address{hint}")
    if low is None or high is None:  # the loop has refused these
        raise AssertionError(text)
    if low[0] != high[0]:
        # MetalLB itself takes this and makes an empty pool of it.
        raise AddressError("it begins in one address family and ends in the other")
    if high[1] < low[1]:
        raise AddressError("it ends before it begins; swap its ends")
    return Span(low[0], low[1], high[1])


def _parse_prefix(text: str) -> Span:
    network, slash, length_text = text.partition("/")
    address = parse_address(network)
    if not slash:
        if address is None:
            raise AddressError("it is neither a range (192.168.7.200-192.168.7.250) nor a prefix (192.168.7.192/27)")
        raise AddressError(f"it is a bare address, which MetalLB refuses; write {text}/{_BITS[address[0]]}")
    if address is None:
        raise AddressError(f"{network.strip() or 'nothing'!r} is no address")
    if not length_text.isascii() or not length_text.isdigit():
        raise AddressError(f"{length_text!r} is no length of a prefix: write a number of bits, as /27")
    bits = _BITS[address[0]]
    if address[0] == 4 and ":" in network:
        raise AddressError("it is an IPv4 address written as IPv6; write it as IPv4")
    # More digits than a length can have are not even a number to Python beyond 4300.
    length = int(length_text.lstrip("0")[:4] or "0")
    if length > bits:
        raise AddressError(
            f"/{length_text[:40]} is too long for an {'IPv4' if bits == 32 else 'IPv6'} prefix: at most /{bits}"
        )
    host_bits = bits - length
    first = address[1] >> host_bits << host_bits
    return Span(address[0], first, first + (1 << host_bits) - 1)


def parse_any(text: str) -> Span:
    """What a person gives as reserved, as network or as DHCP range: an address, a range or a prefix. Raises AddressError."""
    text = str(text).strip()
    address = parse_address(text)
    if address is not None:
        return Span(address[0], address[1], address[1])
    return parse_span(text)


def host_bits(text: str) -> str | None:
    """The prefix that MetalLB makes of this one, if that is another: "192.168.1.10/24" means "192.168.1.0/24"."""
    network, slash, length = text.partition("/")
    address = parse_address(network)
    if not slash or address is None:
        return None
    try:
        span = parse_span(text)
    except AddressError:
        return None
    if span.first == address[1]:
        return None
    return f"{format_address((span.version, span.first))}/{int(length)}"


# Ranges in which no service can have an address, with the reason.
_UNUSABLE: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "means no host at all"),
    ("127.0.0.0/8", "is loopback"),
    ("169.254.0.0/16", "is link-local"),
    ("224.0.0.0/4", "is multicast"),
    ("255.255.255.255/32", "is the broadcast address"),
    ("::/128", "means no host at all"),
    ("::1/128", "is loopback"),
    ("fe80::/10", "is link-local"),
    ("ff00::/8", "is multicast"),
)
UNUSABLE: tuple[tuple[Span, str, str], ...] = tuple((_parse_prefix(text), text, why) for text, why in _UNUSABLE)


def unusable(span: Span) -> str | None:
    """Why no host can have some address of this span, or None."""
    for other, text, why in UNUSABLE:
        if span.overlaps(other):
            return f"{text} {why}"
    return None


def is_buggy(address: Address) -> bool:
    """An IPv4 address ending in .0 or .255, which avoidBuggyIPs keeps back."""
    return address[0] == 4 and address[1] & 255 in (0, 255)


def usable_count(span: Span, avoid_buggy: bool) -> int:
    """How many addresses of the span can be given out."""
    if not avoid_buggy or span.version == 6:
        return span.size
    return span.size - _multiples(span, 0) - _multiples(span, 255)


def _multiples(span: Span, rest: int) -> int:
    """How many numbers of the span leave this rest when divided by 256."""
    return (span.last - rest) // 256 - (span.first - 1 - rest) // 256


@dataclass
class SpanIndex(Generic[Tag]):
    """Finds which spans hold an address, or overlap a span, without looking at all of them.

    Quick as long as spans mostly do not overlap each other: which is so for pools.
    """

    entries: Iterable[tuple[Span, Tag]] = ()
    _spans: dict[int, list[tuple[Span, Tag]]] = field(default_factory=dict, init=False)
    _firsts: dict[int, list[int]] = field(default_factory=dict, init=False)
    # the greatest last of all spans up to here
    _reach: dict[int, list[int]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for span, tag in self.entries:
            self._spans.setdefault(span.version, []).append((span, tag))
        self.entries = ()
        for version, spans in self._spans.items():
            spans.sort(key=lambda entry: (entry[0].first, entry[0].last))
            self._firsts[version] = [span.first for span, _tag in spans]
            reach, furthest = [], -1
            for span, _tag in spans:
                furthest = max(furthest, span.last)
                reach.append(furthest)
            self._reach[version] = reach

    def overlapping(self, wanted: Span) -> Iterator[tuple[Span, Tag]]:
        spans = self._spans.get(wanted.version)
        if not spans:
            return
        reach = self._reach[wanted.version]
        place = bisect_right(self._firsts[wanted.version], wanted.last) - 1
        while place >= 0 and reach[place] >= wanted.first:
            span, tag = spans[place]
            if span.last >= wanted.first:
                yield span, tag
            place -= 1

    def holding(self, address: Address) -> Iterator[tuple[Span, Tag]]:
        return self.overlapping(Span(address[0], address[1], address[1]))

    def find(self, address: Address) -> Tag | None:
        for _span, tag in self.holding(address):
            return tag
        return None


def overlaps(entries: Iterable[tuple[Span, Tag]]) -> Iterator[tuple[Span, Tag, Span, Tag]]:
    """Each entry that overlaps an earlier one (in order of addresses), with the one of those that reaches furthest.

    One pair per entry and not all pairs: enough to name every guilty entry, and linear after sorting.
    """
    furthest: tuple[Span, Tag] | None = None
    for span, tag in sorted(entries, key=lambda entry: (entry[0].version, entry[0].first, entry[0].last)):
        if furthest is not None and furthest[0].overlaps(span):
            yield furthest[0], furthest[1], span, tag
        if furthest is None or furthest[0].version != span.version or span.last > furthest[0].last:
            furthest = (span, tag)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same addresses in as few spans as possible, in order."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and found[-1].version == span.version and span.first <= found[-1].last + 1:
            if span.last > found[-1].last:
                found[-1] = Span(span.version, found[-1].first, span.last)
        else:
            found.append(span)
    return found
