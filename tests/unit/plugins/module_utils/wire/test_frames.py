# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames against RFC 826, 5227, 4861 and recorded ones; filters against the parsers; and no octets crash a parser."""

from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import arp, ndp, octets
from ansible_collections.l2ops.metallb.tests.unit.plugins.module_utils.wire.simulated_network import advertisement
from hypothesis import example, given
from hypothesis import strategies as st

OWN = bytes.fromhex("525400000001")
OTHER = bytes.fromhex("525400000002")
IP = socket.inet_aton("192.168.7.2")
VIP = socket.inet_aton("192.168.7.203")
LINK_LOCAL = socket.inet_pton(socket.AF_INET6, "fe80::5054:ff:fe00:1")
VIP6 = socket.inet_pton(socket.AF_INET6, "fd00:192:168:7::203")

# Recorded between two network namespaces (veth, Linux 6.18) with AF_PACKET: the kernel's answer, unpadded.
KERNEL_REPLY = bytes.fromhex("329452d917154a2f18454d39080600010800060400024a2f18454d390a4d0002329452d917150a4d0001")
# A MetalLB speaker's answer has the same fields and is padded to 60 octets (mdlayher/ethernet, minPayload 46).
SPEAKER_REPLY = KERNEL_REPLY + b"\x00" * 18


def run_filter(program, frame):
    """A classic BPF machine for the five instructions in use (linux/filter.h)."""
    accumulator = counter = 0
    while True:
        code, true, false, operand = program[counter]
        counter += 1
        if code in (0x20, 0x28, 0x30):
            size = {0x20: 4, 0x28: 2, 0x30: 1}[code]
            if operand + size > len(frame):
                return 0
            accumulator = int.from_bytes(frame[operand : operand + size], "big")
        elif code == 0x15:
            counter += true if accumulator == operand else false
        elif code == 0x06:
            return operand
        else:
            raise AssertionError(f"unknown instruction {code:#x}")


def test_a_request_is_laid_out_as_rfc_826_says():
    frame = arp.request(OWN, IP, VIP)
    assert len(frame) == 60
    assert frame[0:6] == b"\xff" * 6
    assert frame[6:12] == OWN
    assert struct.unpack("!HHHBBH", frame[12:22]) == (0x0806, 1, 0x0800, 6, 4, 1)
    assert (frame[22:28], frame[28:32], frame[32:38], frame[38:42]) == (OWN, IP, b"\x00" * 6, VIP)
    assert not any(frame[42:])


def test_a_conflict_probe_has_no_sender_address_as_rfc_5227_demands():
    frame = arp.request(OWN, arp.UNSPECIFIED, VIP)
    assert frame[28:32] == b"\x00" * 4


def test_no_request_ever_claims_the_address_it_asks_for():
    with pytest.raises(ValueError, match="announcement"):
        arp.request(OWN, VIP, VIP)
    with pytest.raises(ValueError, match="source of our own"):
        ndp.solicitation(OWN, VIP6, VIP6)
    with pytest.raises(ValueError, match="source of our own"):
        ndp.solicitation(OWN, ndp.UNSPECIFIED, VIP6)


@pytest.mark.parametrize("frame", [KERNEL_REPLY, SPEAKER_REPLY], ids=["unpadded", "padded"])
def test_recorded_replies_are_read(frame):
    packet = arp.parse(frame)
    assert packet is not None
    assert packet.operation == arp.REPLY
    assert octets.mac_text(packet.sender_mac) == "4a:2f:18:45:4d:39"
    assert octets.address_text(packet.sender_address) == "10.77.0.2"
    assert octets.mac_text(packet.target_mac) == "32:94:52:d9:17:15"
    assert not packet.gratuitous


@pytest.mark.parametrize("operation", [arp.REQUEST, arp.REPLY])
def test_announcements_are_known_as_request_and_as_reply(operation):
    frame = bytearray(arp.request(OTHER, IP, VIP))
    frame[21] = operation
    frame[28:32] = VIP
    packet = arp.parse(bytes(frame))
    assert packet is not None and packet.gratuitous


def test_a_probe_of_another_host_is_no_announcement():
    packet = arp.parse(arp.request(OTHER, arp.UNSPECIFIED, VIP))
    assert packet is not None and not packet.gratuitous


@pytest.mark.parametrize(
    ("offset", "octet"),
    [(12, 0x86), (14, 0x01), (16, 0x86), (18, 8), (19, 16)],
    ids=["ethertype", "hardware", "protocol", "hardware length", "protocol length"],
)
def test_what_is_not_arp_for_ipv4_over_ethernet_is_left_alone(offset, octet):
    frame = bytearray(KERNEL_REPLY)
    frame[offset] = octet
    assert arp.parse(bytes(frame)) is None


def test_hardware_type_6_is_read_like_1():
    frame = bytearray(KERNEL_REPLY)
    frame[15] = 6
    assert arp.parse(bytes(frame)) is not None


@given(st.binary(max_size=1600))
@example(KERNEL_REPLY[:41])
def test_no_octets_crash_the_parsers(data):
    packet = arp.parse(data)
    assert packet is None or len(packet.sender_address) == 4
    found = ndp.parse(data)
    assert found is None or len(found.target) == 16


@given(st.binary(min_size=42, max_size=70), st.integers(0, 63))
def test_the_kernel_filter_passes_just_the_replies_to_us(data, mutation):
    frame = bytearray(KERNEL_REPLY + data[:18])
    if mutation < 42:
        frame[mutation] = data[mutation]
    own = bytes.fromhex("329452d91715")
    frame = bytes(frame)
    ours = frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02" and frame[32:38] == own
    assert bool(run_filter(arp.filter_replies_to(own), frame)) == ours


def test_the_kernel_filter_passes_replies_to_broadcast():
    frame = b"\xff" * 6 + KERNEL_REPLY[6:]
    assert run_filter(arp.filter_replies_to(bytes.fromhex("329452d91715")), frame)
    assert not run_filter(arp.filter_replies_to(OWN), frame)


def test_the_listening_filter_passes_all_arp_and_nothing_else():
    assert run_filter(arp.filter_all(), arp.request(OTHER, IP, VIP))
    assert not run_filter(arp.filter_all(), ndp.solicitation(OWN, LINK_LOCAL, VIP6))


def test_a_solicitation_is_laid_out_as_rfc_4861_says():
    frame = ndp.solicitation(OWN, LINK_LOCAL, VIP6)
    assert frame[0:6] == bytes.fromhex("3333ff000203")  # RFC 2464 section 7
    assert frame[12:14] == b"\x86\xdd"
    assert (frame[20], frame[21]) == (58, 255)
    assert frame[22:38] == LINK_LOCAL
    assert socket.inet_ntop(socket.AF_INET6, frame[38:54]) == "ff02::1:ff00:203"
    assert (frame[54], frame[55]) == (135, 0)
    assert frame[62:78] == VIP6
    assert frame[78:80] == b"\x01\x01"  # source link-layer address, one unit of 8 octets
    assert frame[80:86] == OWN
    assert struct.unpack("!H", frame[18:20])[0] == len(frame) - 54
    assert ndp.checksum(frame[22:38], frame[38:54], frame[54:]) == 0


def test_the_checksum_is_that_of_a_recorded_message():
    # An echo request ::1 -> ::1, identifier 1, sequence 1, no data, as Linux sends it.
    loopback = socket.inet_pton(socket.AF_INET6, "::1")
    message = bytes.fromhex("8000") + b"\x7f\xb9" + bytes.fromhex("00010001")
    without = bytes.fromhex("8000000000010001")
    # worked by hand: 1 + 1 + 8 + 0x3a + 0x8000 + 1 + 1 = 0x8046, complement 0x7fb9
    assert ndp.checksum(loopback, loopback, without) == 0x7FB9
    assert ndp.checksum(loopback, loopback, message) == 0


def answer(**changes):
    arguments = {
        "mac": OTHER,
        "source": ndp.eui64_link_local(OTHER),
        "destination_mac": OWN,
        "destination": LINK_LOCAL,
        "target": VIP6,
    }
    arguments.update(changes)
    return advertisement(**arguments)


def test_a_speakers_advertisement_is_read():
    found = ndp.parse(answer())
    assert found is not None
    assert found.mac == OTHER
    assert found.target == VIP6
    assert (found.solicited, found.override, found.router) == (True, False, False)
    assert octets.address_text(found.source) == "fe80::5054:ff:fe00:2"


def test_an_advertisement_without_option_is_believed_by_its_ethernet_source():
    found = ndp.parse(answer(option=False))
    assert found is not None and found.link_layer is None and found.mac == OTHER


@pytest.mark.parametrize(
    ("offset", "octet"),
    [(21, 64), (20, 17), (14, 0x40), (54, 135), (55, 1), (56, 0x12), (79, 0)],
    ids=["hop limit", "next header", "version", "type", "code", "checksum", "option of length 0"],
)
def test_an_advertisement_against_rfc_4861_7_1_2_is_no_answer(offset, octet):
    frame = bytearray(answer())
    frame[offset] = octet
    if offset in (54, 55, 79):  # so that it isn't the checksum that is wrong
        frame[56:58] = b"\x00\x00"
        total = ndp.checksum(bytes(frame[22:38]), bytes(frame[38:54]), bytes(frame[54:]))
        frame[56:58] = total.to_bytes(2, "big")
    assert ndp.parse(bytes(frame)) is None


def test_a_solicited_advertisement_to_multicast_is_no_answer():
    assert ndp.parse(answer(destination=ndp.ALL_NODES, flags=0x40)) is None
    assert ndp.parse(answer(destination=ndp.ALL_NODES, flags=0x20)) is not None


def test_an_advertisement_for_a_multicast_address_is_no_answer():
    assert ndp.parse(answer(target=ndp.ALL_NODES)) is None


def test_trailing_padding_is_no_part_of_the_message():
    assert ndp.parse(answer(option=False) + b"\x00" * 8) is not None


@given(st.integers(14, 85), st.integers(0, 255))
def test_an_advertisement_with_one_octet_changed_is_no_answer(position, octet):
    frame = bytearray(answer())
    changed = frame[position] != octet
    frame[position] = octet
    # version and traffic class, flow label: not covered by the checksum, and of no meaning here
    harmless = 15 <= position <= 17 or (position == 14 and octet >> 4 == 6)
    assert (ndp.parse(bytes(frame)) is None) == (changed and not harmless)


def test_the_kernel_filter_passes_just_advertisements():
    assert run_filter(ndp.filter_advertisements(), answer())
    assert not run_filter(ndp.filter_advertisements(), ndp.solicitation(OWN, LINK_LOCAL, VIP6))
    assert not run_filter(ndp.filter_advertisements(), KERNEL_REPLY + b"\x00" * 60)


def test_the_link_local_address_of_a_mac():
    assert octets.address_text(ndp.eui64_link_local(bytes.fromhex("329452d91715"))) == "fe80::3094:52ff:fed9:1715"


@pytest.mark.parametrize("text", ["52:54:00:12:34:56", "52-54-00-12-34-56", "5254.0012.3456", "525400123456"])
def test_macs_are_read_in_every_usual_form(text):
    assert octets.to_mac(text) == bytes.fromhex("525400123456")


@pytest.mark.parametrize("text", ["", "52:54:00", "zz:54:00:12:34:56", "52:54:00:12:34:56:78"])
def test_what_is_no_mac_is_none(text):
    assert octets.to_mac(text) is None


@given(st.text(max_size=40))
def test_no_text_crashes_the_readers_of_addresses(text):
    for found in (octets.to_address(text), octets.to_mac(text)):
        assert found is None or len(found) in (4, 6, 16)


def test_an_ipv4_address_in_ipv6_clothes_is_ipv4():
    assert octets.to_address("::ffff:192.168.7.203") == VIP


@pytest.mark.parametrize(
    ("address", "network", "inside"),
    [
        ("192.168.7.203", "192.168.7.0/24", True),
        ("192.168.8.203", "192.168.7.9/24", False),
        ("10.1.1.1", "0.0.0.0/0", True),
        ("fd00::203", "fd00::1/64", True),
        ("fd01::203", "fd00::1/64", False),
        ("fd00::203", "192.168.7.0/24", False),
    ],
)
def test_prefixes(address, network, inside):
    text, _slash, length = network.partition("/")
    assert octets.in_prefix(octets.to_address(address), octets.to_address(text), int(length)) is inside
