# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates read without verification, against what OpenSSL wrote; and no octets crash the reader."""

from __future__ import annotations

import ssl
from datetime import datetime, timezone

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import x509
from hypothesis import given
from hypothesis import strategies as st

# openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj
# /C=DE/O=LAN/CN=app.example.com -addext
# subjectAltName=DNS:app.example.com,DNS:*.apps.example.com,IP:192.168.7.203,IP:fd00::203
PEM = """\
-----BEGIN CERTIFICATE-----
MIICCzCCAbGgAwIBAgIUZYlpWkUxNsgvX50bZbNX9JIw018wCgYIKoZIzj0EAwIw
NTELMAkGA1UEBhMCREUxDDAKBgNVBAoMA0xBTjEYMBYGA1UEAwwPYXBwLmV4YW1w
bGUuY29tMCAXDTI2MTEyMzIyMTMxMVoYDzIxMjYxMDMwMjIxMzExWjA1MQswCQYD
VQQGEwJERTEMMAoGA1UECgwDTEFOMRgwFgYDVQQDDA9hcHAuZXhhbXBsZS5jb20w
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASpY03StyWzYpWzBvnowVD1De2Xdncx
5Zf4aunvfqKicX2t3dAFU+zunPGzjvA/S0qI4Fn7VgWGDvDqH6jBBq5do4GcMIGZ
MB0GA1UdDgQWBBRqpsQNXJNSCn4mS+FF2rTYZmo09jAfBgNVHSMEGDAWgBRqpsQN
XJNSCn4mS+FF2rTYZmo09jAPBgNVHRMBAf8EBTADAQH/MEYGA1UdEQQ/MD2CD2Fw
cC5leGFtcGxlLmNvbYISKi5hcHBzLmV4YW1wbGUuY29thwTAqAfLhxD9AAAAAAAA
AAAAAAAAAAIDMAoGCCqGSM49BAMCA0gAMEUCIQC21vgRk9iJeRZ8xsLb/a2KF9Yv
luirUWcygRL1HSMxEAIgD4ru1sQCSxRBs+xKkZE4bc79PZMIAALSTM0x/exdDAk=
-----END CERTIFICATE-----
"""
DER = ssl.PEM_cert_to_DER_cert(PEM)


def test_names_issuer_and_dates():
    certificate = x509.parse(DER)
    assert certificate is not None
    assert certificate.subject == certificate.issuer == "C=DE, O=LAN, CN=app.example.com"
    assert certificate.names == ["app.example.com", "*.apps.example.com", "192.168.7.203", "fd00::203"]
    assert certificate.not_before is not None and certificate.not_after is not None
    assert (certificate.not_after - certificate.not_before).days == 36500
    assert certificate.not_before.tzinfo is timezone.utc


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("app.example.com", True),
        ("APP.Example.com.", True),
        ("x.apps.example.com", True),
        ("apps.example.com", False),
        ("y.x.apps.example.com", False),
        ("192.168.7.203", True),
        ("192.168.7.204", False),
        ("fd00::203", True),
    ],
)
def test_whom_it_is_for(name, fits):
    certificate = x509.parse(DER)
    assert certificate is not None and certificate.fits(name) is fits


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        (0x17, b"491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=timezone.utc)),
        (0x17, b"500101000000Z", datetime(1950, 1, 1, tzinfo=timezone.utc)),
        (0x18, b"20991231235959Z", datetime(2099, 12, 31, 23, 59, 59, tzinfo=timezone.utc)),
        (0x18, b"20991331235959Z", None),
        (0x17, b"junk", None),
    ],
)
def test_both_forms_of_time(tag, text, expected):
    assert x509._time(tag, text) == expected


@given(st.binary(max_size=400))
def test_no_octets_crash_the_reader(data):
    certificate = x509.parse(data)
    assert certificate is None or isinstance(certificate.subject, str)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_no_damaged_certificate_crashes_the_reader(position, octet):
    damaged = bytearray(DER)
    damaged[position] = octet
    certificate = x509.parse(bytes(damaged))
    assert certificate is None or isinstance(certificate.names, list)


@given(st.integers(0, len(DER) - 1))
def test_a_cut_off_certificate_is_none(length):
    assert x509.parse(DER[:length]) is None
