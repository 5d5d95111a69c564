# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""The little of a certificate that a service check tells: names, dates, issuer. DER by hand, standard library only.

Python's ``ssl`` gives a parsed certificate only after it has verified it; a check with verification switched off
(self-signed, a private CA) would know nothing otherwise. Grammar: RFC 5280 section 4.1; encoding: X.690.
"""

from __future__ import annotations

import socket
from datetime import datetime, timezone

_NAMES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
}
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"


class Certificate:
    """What was read. ``subject`` and ``issuer`` as ``CN=x, O=y``; dates as aware datetimes or None; ``names`` the DNS
    names and addresses it is for (of the subject alternative name; the subject's CN where there is none)."""

    __slots__ = ("issuer", "names", "not_after", "not_before", "subject")

    def __init__(self) -> None:
        self.subject = ""
        self.issuer = ""
        self.not_before: datetime | None = None
        self.not_after: datetime | None = None
        self.names: list[str] = []

    def fits(self, name: str) -> bool:
        """Whether the certificate is for that host name or address (RFC 6125 section 6.4: a wildcard is one whole left
        label)."""
        name = name.lower().rstrip(".")
        for own in self.names:
            own = own.lower().rstrip(".")
            if own == name:
                return True
            if own.startswith("*.") and "." in name and name.split(".", 1)[1] == own[2:]:
                return True
        return False


class _Malformed(Exception):
    pass


def _element(data: bytes, position: int) -> tuple[int, bytes, int]:
    """(tag, content, position after it) of the element at ``position``."""
    if position + 2 > len(data):
        raise _Malformed
    tag, length = data[position], data[position + 1]
    position += 2
    if length & 0x80:
        octets = length & 0x7F
        if octets == 0 or octets > 4 or position + octets > len(data):
            raise _Malformed
        length = int.from_bytes(data[position : position + octets], "big")
        position += octets
    if position + length > len(data):
        raise _Malformed
    return tag, data[position : position + length], position + length


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    position = 0
    while position < len(data):
        tag, content, position = _element(data, position)
        found.append((tag, content))
    return found


def _string(tag: int, content: bytes) -> str:
    if tag == 0x1E:  # BMPString
        return content.decode("utf-16-be", "replace")
    return content.decode("utf-8", "replace")


def _name(content: bytes) -> tuple[str, list[str]]:
    """A distinguished name as text, and its common names."""
    parts, common = [], []
    for _set, relative in _elements(content):
        for _sequence, pair in _elements(relative):
            fields = _elements(pair)
            if len(fields) == 2 and fields[0][1] in _NAMES:
                text = _string(*fields[1])
                parts.append(f"{_NAMES[fields[0][1]]}={text}")
                if fields[0][1] == b"\x55\x04\x03":
                    common.append(text)
    return ", ".join(parts), common


def _time(tag: int, content: bytes) -> datetime | None:
    """UTCTime (two digits of year; 50 and above are 19xx) or GeneralizedTime, both in UTC as RFC 5280 4.1.2.5
    demands."""
    text = content.decode("ascii", "replace").rstrip("Z")
    if tag == 0x17 and len(text) == 12 and text.isdigit():
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    if len(text) != 14 or not text.isdigit():
        return None
    try:
        return datetime(
            int(text[0:4]),
            int(text[4:6]),
            int(text[6:8]),
            int(text[8:10]),
            int(text[10:12]),
            int(text[12:14]),
            tzinfo=timezone.utc,
        )
    except ValueError:
        return None


def _alternative_names(extensions: bytes) -> list[str]:
    names = []
    for _tag, sequence in _elements(extensions):
        for _tag2, extension in _elements(sequence):
            fields = _elements(extension)
            if not fields or fields[0][1] != _SUBJECT_ALT_NAME:
                continue
            value = fields[-1][1]
            for _tag3, general_names in _elements(value):
                for tag, content in _elements(general_names):
                    if tag == 0x82:
                        names.append(content.decode("ascii", "replace"))
                    elif tag == 0x87 and len(content) in (4, 16):
                        names.append(
                            socket.inet_ntop(socket.AF_INET if len(content) == 4 else socket.AF_INET6, content)
                        )
    return names


def parse(der: bytes) -> Certificate | None:
    """The certificate in DER, or None when it isn't one. Never raises, whatever the octets."""
    certificate = Certificate()
    try:
        _tag, outer, _end = _element(der, 0)
        _tag, body, _end = _element(outer, 0)
        fields = _elements(body)
        if fields and fields[0][0] == 0xA0:  # version
            fields = fields[1:]
        if len(fields) < 5:
            return None
        certificate.issuer, _common = _name(fields[2][1])
        dates = _elements(fields[3][1])
        if len(dates) != 2:
            return None
        certificate.not_before, certificate.not_after = _time(*dates[0]), _time(*dates[1])
        certificate.subject, common = _name(fields[4][1])
        for tag, content in fields[5:]:
            if tag == 0xA3:
                certificate.names = _alternative_names(content)
        certificate.names = certificate.names or common
    except _Malformed:
        return None
    return certificate
