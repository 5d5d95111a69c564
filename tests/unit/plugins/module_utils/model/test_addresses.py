# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses, ranges and prefixes: what holds for all of them, with Python's ipaddress as the other opinion."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import (
    AddressError,
    Span,
    SpanIndex,
    canonical,
    format_address,
    host_bits,
    is_buggy,
    merged,
    overlaps,
    parse_address,
    parse_any,
    parse_span,
    prefix_length,
    unusable,
    usable_count,
)

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")
given = hypothesis.given
# The same cases in every run: a test that fails now and then is worse than one that looks at less.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, max_examples=150)
hypothesis.settings.load_profile("same")

# Not the mapped ones, which are IPv4 to Go.
v6 = st.integers(0, 2**128 - 1).filter(lambda number: number >> 32 != 0xFFFF)
addresses = st.one_of(
    st.tuples(st.just(4), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(6), v6),
    # where things happen
    st.tuples(st.just(4), st.integers(0xC0A80000, 0xC0A80000 + 1024)),
)
few = st.integers(0, 600)


@st.composite
def spans(draw, version=None):
    """Small ones that touch, overlap and hold each other."""
    chosen = version or draw(st.sampled_from((4, 6)))
    base = 0xC0A80000 if chosen == 4 else 0xFD00 << 112
    first = base + draw(few)
    return Span(chosen, first, first + draw(st.integers(0, 300)))


def members(many):
    return {(span.version, number) for span in many for number in range(span.first, span.last + 1)}


@given(addresses)
def test_an_address_survives_being_written_and_read(address):
    assert parse_address(format_address(address)) == address


@given(addresses)
def test_addresses_are_written_as_python_writes_them(address):
    kind = ipaddress.IPv4Address if address[0] == 4 else ipaddress.IPv6Address
    assert format_address(address) == str(kind(address[1]))


@given(v6)
def test_every_way_of_writing_an_address_is_the_same_address(number):
    long = ipaddress.IPv6Address(number).exploded
    assert parse_address(long) == parse_address(long.upper()) == (6, number)
    assert canonical(f" {long.upper()} ") == str(ipaddress.IPv6Address(number))


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none(text):
    found = parse_address(text)
    try:
        other = ipaddress.ip_address(text)
    except ValueError:
        other = None
    if found is not None:
        assert other is not None
        mapped = getattr(other, "ipv4_mapped", None)
        assert found == ((4, int(mapped)) if mapped else (other.version, int(other)))


@given(
    st.one_of(
        st.text(max_size=60), st.text("0123456789.:/-af ", max_size=60), st.text("9", min_size=4000, max_size=5000)
    )
)
def test_any_text_is_a_range_or_refused_with_a_reason(text):
    for parse in (parse_span, parse_any):
        try:
            found = parse(text)
        except AddressError as error:
            assert str(error) and "Traceback" not in str(error)
        else:
            assert found.size >= 1 and found.first <= found.last


@pytest.mark.parametrize(
    "text", ["1.2.3." + "9" * 5000, "1.2.3.4/" + "9" * 5000, "1.2.3.0004", "::1/" + "0" * 5000 + "9"]
)
def test_numbers_too_long_for_python(text):
    """int() refuses more than 4300 digits by another error than that of a word."""
    if text.startswith("::1/"):
        assert prefix_length(parse_span(text)) == 9
        return
    with pytest.raises(AddressError):
        parse_span(text)


@given(spans())
def test_a_range_survives_being_written_and_read(span):
    text = str(span)
    if span.size == 1:
        assert parse_any(text) == span
        with pytest.raises(AddressError, match="bare address"):
            parse_span(text)
    else:
        assert parse_span(text) == span
    low, high = format_address((span.version, span.first)), format_address((span.version, span.last))
    assert parse_span(f"{low}-{high}") == parse_span(f" {low} - {high} ") == span


@given(addresses, st.data())
def test_prefixes_are_what_python_makes_of_them(address, data):
    length = data.draw(st.integers(0, 32 if address[0] == 4 else 128))
    text = f"{format_address(address)}/{length}"
    network = ipaddress.ip_network(text, strict=False)
    span = parse_span(text)
    assert (span.first, span.last) == (int(network[0]), int(network[-1]))
    assert prefix_length(span) == length
    meant = host_bits(text)
    assert (meant is None) == (int(network[0]) == address[1])
    if meant is not None:
        assert meant == str(network)


@given(spans(), spans())
def test_what_two_ranges_share(one, other):
    shared = members([one]) & members([other])
    common = one.common(other)
    assert (members([common]) if common else set()) == shared
    assert one.overlaps(other) == other.overlaps(one) == bool(shared)
    assert one.covers(other) == (members([other]) <= members([one]))


@given(st.lists(spans(), max_size=6))
def test_merged_holds_the_same_addresses_in_fewer_pieces(many):
    result = merged(many)
    assert members(result) == members(many)
    assert all(one.version != other.version or one.last + 1 < other.first for one, other in zip(result, result[1:])), (
        "in order, and no two of them touch"
    )


@given(st.lists(spans(), max_size=8), spans())
def test_an_index_finds_what_looking_at_all_finds(many, wanted):
    index = SpanIndex([(span, place) for place, span in enumerate(many)])
    found = sorted(place for _span, place in index.overlapping(wanted))
    assert found == [place for place, span in enumerate(many) if span.overlaps(wanted)]
    address = (wanted.version, wanted.first)
    assert sorted(place for _span, place in index.holding(address)) == [
        place for place, span in enumerate(many) if address in span
    ]
    assert (index.find(address) is None) == (not any(address in span for span in many))


@given(st.lists(spans(), max_size=8))
def test_overlaps_name_every_guilty_entry_and_nothing_else(many):
    pairs = list(overlaps([(span, place) for place, span in enumerate(many)]))
    assert all(one.overlaps(other) and first != second for one, first, other, second in pairs)
    guilty = {
        place
        for place, span in enumerate(many)
        if any(other != place and span.overlaps(many[other]) for other in range(len(many)))
    }
    named = {place for _one, first, _other, second in pairs for place in (first, second)}
    assert named <= guilty
    assert bool(named) == bool(guilty)
    # Every entry that overlaps an earlier one is named; the very first of a heap is named by one of the others.
    assert len(guilty - named) <= len(guilty) // 2


@given(spans(version=4))
def test_addresses_that_can_be_given_out(span):
    everything = members([span])
    assert usable_count(span, False) == len(everything)
    assert usable_count(span, True) == sum(1 for one in everything if not is_buggy(one))


@given(addresses)
def test_unusable_ones_are_those_that_python_calls_so(address):
    kind = ipaddress.IPv4Address if address[0] == 4 else ipaddress.IPv6Address
    other = kind(address[1])
    told = unusable(Span(address[0], address[1], address[1]))
    odd = other.is_loopback or other.is_multicast or other.is_link_local or other.is_unspecified
    if odd:
        assert told
    elif told:
        assert address[0] == 4 and (address[1] >> 24 == 0 or address[1] == 2**32 - 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("192.168.7.200-250", "write both ends in full"),
        ("192.168.7.0/24-192.168.7.9", "plain addresses"),
        ("192.168.7.1-fd00::1", "one address family"),
        ("192.168.7.9-192.168.7.1", "swap its ends"),
        ("192.168.7.1", "write 192.168.7.1/32"),
        ("fd00::1", "write fd00::1/128"),
        ("192.168.7.0/255.255.255.0", "number of bits"),
        ("192.168.7.0/33", "at most /32"),
        ("fe80::1%eth0/64", "no address"),
        ("::ffff:192.168.7.0/120", "write it as IPv4"),
        ("192.168.07.1/32", "no address"),
        ("-", "'nothing' is no address"),
        ("", "neither a range"),
    ],
)
def test_what_is_refused_is_refused_with_what_mends_it(text, words):
    with pytest.raises(AddressError) as refusal:
        parse_span(text)
    assert words in str(refusal.value)


def test_an_ipv4_address_written_as_ipv6_is_ipv4():
    """As Go's net.IP has it."""
    assert parse_address("::ffff:192.168.7.9") == (4, 0xC0A80709)
