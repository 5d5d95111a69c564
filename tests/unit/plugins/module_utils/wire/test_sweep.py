# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sweep on a simulated segment: nobody alive is missed, late duplicates are heard, no limit is exceeded."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import arp, ndp
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import sweep as _sweep
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.pace import SECOND, Flyer, Pacer
from ansible_collections.l2ops.metallb.tests.unit.plugins.module_utils.wire.simulated_network import (
    MS,
    PROBER_MAC,
    US,
    SimulatedHost,
    SimulatedNetwork,
    interface,
)
from hypothesis import given, settings
from hypothesis import strategies as st

IP = socket.inet_aton("192.168.7.2")
KERNEL = bytes.fromhex("525400000002")
SPEAKER = bytes.fromhex("525400000003")


def addresses(count, start=0):
    return [(0x0A4D0000 + start + number).to_bytes(4, "big") for number in range(count)]


def sweep(network, wanted, **options):
    """Ask for all of ``wanted``; the lane and the queries by address."""
    port = network.open_port(interface(), False, False)
    queries = [_sweep.Query(address, arp.request(PROBER_MAC, IP, address)) for address in wanted]
    lane = _sweep.Lane(port, False, queries, _sweep.Settings(**options), network.clock.now())
    _sweep.run([lane], network.clock)
    return lane, {query.address: query for query in queries}


def found(queries):
    return {address for address, query in queries.items() if query.answers}


@pytest.mark.parametrize("count", [1, 51, 254, 1022])
def test_all_that_are_live_are_found_with_one_request_each(count):
    wanted = addresses(count)
    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted))
    lane, queries = sweep(network, wanted, window=100 * MS)
    assert found(queries) == set(wanted)
    assert lane.frames == count
    # the window, and no more than the time that sending takes
    assert network.clock.time < 100 * MS + count * 40 * US + 2 * MS


@pytest.mark.parametrize("phase", [0, 5, 15, 60, 95])
@pytest.mark.parametrize(("running", "period"), [(10, 100), (5, 100), (20, 100)])
def test_a_starved_speaker_loses_no_address(running, period, phase):
    wanted = addresses(1000)
    speaker = SimulatedHost(SPEAKER, wanted, running=running * MS, period=period * MS, service=20 * US)
    network = SimulatedNetwork(speaker)
    network.clock.time = phase * MS
    _lane, queries = sweep(network, wanted)
    assert found(queries) == set(wanted)


def test_a_plain_burst_does_lose_addresses_of_a_starved_speaker():
    # the reason for all the pacing: without it, this simulation shows what was measured with real speakers
    wanted = addresses(1000)
    speaker = SimulatedHost(SPEAKER, wanted, running=10 * MS, service=20 * US)
    network = SimulatedNetwork(speaker)
    network.clock.time = 15 * MS
    _lane, queries = sweep(network, wanted, burst=10_000, timeouts=(300 * MS,))
    assert len(found(queries)) < 600


def test_a_starved_speaker_among_quick_hosts_and_silence_loses_no_address():
    # quick kernels say that all is well, silent addresses give nothing back, and the speaker is stopped most of the
    # time
    wanted = addresses(1020)
    quick, vips = wanted[0::4], wanted[1::20]
    for phase in (0, 3, 12, 30, 50, 80):
        speaker = SimulatedHost(SPEAKER, vips, running=10 * MS, service=20 * US)
        network = SimulatedNetwork(SimulatedHost(KERNEL, quick), speaker)
        network.clock.time = phase * MS
        _lane, queries = sweep(network, wanted)
        assert found(queries) == set(quick) | set(vips)


def test_silence_is_believed_only_after_every_request_had_its_time():
    wanted = addresses(3)
    network = SimulatedNetwork(SimulatedHost(KERNEL, []))
    lane, queries = sweep(network, wanted)
    assert [query.tries for query in queries.values()] == [3, 3, 3]
    assert lane.frames == 9
    assert 550 * MS <= network.clock.time < 556 * MS
    sent = [time for time, frame in network.frames if frame[38:42] == wanted[0]]
    assert [round(time / MS) for time in sent] == [0, 100, 250]


def test_half_silent_takes_hardly_longer_than_one_silent():
    wanted = addresses(1020)
    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted[::2]))
    lane, queries = sweep(network, wanted)
    assert found(queries) == set(wanted[::2])
    assert all(query.tries == 3 for address, query in queries.items() if address not in found(queries))
    assert not lane.slow
    assert network.clock.time < 700 * MS


def test_the_last_wait_is_shorter_where_everybody_is_quick_and_only_there():
    wanted = addresses(20)
    quick = SimulatedNetwork(SimulatedHost(KERNEL, wanted[:10]))
    sweep(quick, wanted, window=100 * MS)
    assert 450 * MS <= quick.clock.time < 456 * MS
    few = SimulatedNetwork(SimulatedHost(KERNEL, wanted[:7]))
    sweep(few, wanted, window=100 * MS)
    assert 550 * MS <= few.clock.time < 556 * MS
    exact = SimulatedNetwork(SimulatedHost(KERNEL, wanted[:10]))
    sweep(exact, wanted, window=100 * MS, quick_end=0)
    assert 550 * MS <= exact.clock.time < 556 * MS
    slow = SimulatedNetwork(SimulatedHost(KERNEL, wanted[:10]), SimulatedHost(SPEAKER, wanted[10:11], delay=50 * MS))
    sweep(slow, wanted)
    assert slow.clock.time >= 1150 * MS  # two further rounds


def test_an_answer_after_the_last_request_ends_the_waiting():
    wanted = addresses(1)
    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted), lose=lambda frame: len(network.frames) < 3)
    _lane, queries = sweep(network, wanted, window=100 * MS)
    assert queries[wanted[0]].tries == 3
    assert network.clock.time < 360 * MS


@pytest.mark.parametrize("late", [0, 5, 50, 200])
@pytest.mark.parametrize("count", [1, 51])
def test_late_duplicates_are_heard(count, late):
    wanted = addresses(count)
    held_twice = wanted[-5:]
    rogue = SimulatedHost(SPEAKER, held_twice, delay=late * MS + 30 * US)
    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted), rogue)
    _lane, queries = sweep(network, wanted)
    assert {address for address, query in queries.items() if len(query.answers) == 2} == set(held_twice)
    answer = queries[held_twice[-1]].answers[SPEAKER]
    assert late * MS <= answer.rtt < (late + 3) * MS


def test_a_duplicate_later_than_the_window_is_not_waited_for():
    wanted = addresses(1)
    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted), SimulatedHost(SPEAKER, wanted, delay=200 * MS))
    _lane, queries = sweep(network, wanted, window=100 * MS)
    assert len(queries[wanted[0]].answers) == 1
    assert network.clock.time < 102 * MS


@pytest.mark.parametrize("lost", [1, 2])
def test_lost_frames_are_asked_again(lost):
    wanted = addresses(51)
    seen = {}

    def lose(frame):
        seen[frame[38:42]] = seen.get(frame[38:42], 0) + 1
        return seen[frame[38:42]] <= lost

    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted), lose=lose)
    _lane, queries = sweep(network, wanted)
    assert found(queries) == set(wanted)
    assert all(query.tries == lost + 1 for query in queries.values())


def test_replies_to_broadcast_count():
    wanted = addresses(2)
    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted, broadcast_replies=True))
    _lane, queries = sweep(network, wanted)
    assert all(query.answers[KERNEL].broadcast for query in queries.values())


def test_never_more_than_the_burst_is_ahead_of_the_answers():
    wanted = addresses(1000)
    speaker = SimulatedHost(SPEAKER, wanted, running=10 * MS, service=20 * US)
    network = SimulatedNetwork(speaker)
    network.clock.time = 15 * MS
    sweep(network, wanted)
    assert speaker.dropped == 0


@pytest.mark.parametrize("ceiling", [1, 10, 15])
def test_the_ceiling_holds_in_every_second(ceiling):
    wanted = addresses(20)
    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted[:10]))
    sweep(network, wanted, ceiling=ceiling)
    times = [time for time, _frame in network.frames]
    for start in times:
        assert len([time for time in times if start <= time < start + SECOND]) <= ceiling
    assert len(times) == 10 + 3 * 10


def test_a_full_local_queue_is_tried_again():
    wanted = addresses(20)
    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted))
    port = network.open_port(interface(), False, False)
    port.refuse = 7
    queries = [_sweep.Query(address, arp.request(PROBER_MAC, IP, address)) for address in wanted]
    lane = _sweep.Lane(port, False, queries, _sweep.Settings(), 0)
    _sweep.run([lane], network.clock)
    assert all(query.answers for query in queries)
    assert lane.frames == 20
    assert port.send_errors == 7


def test_two_families_are_asked_side_by_side():
    target = socket.inet_pton(socket.AF_INET6, "fd00::203")
    network = SimulatedNetwork(SimulatedHost(KERNEL, [target, *addresses(1)]))
    port4 = network.open_port(interface(), False, False)
    port6 = network.open_port(interface(), True, False)
    link_local = interface().link_local
    query4 = _sweep.Query(addresses(1)[0], arp.request(PROBER_MAC, IP, addresses(1)[0]))
    query6 = _sweep.Query(target, ndp.solicitation(PROBER_MAC, link_local, target))
    lanes = [
        _sweep.Lane(port4, False, [query4], _sweep.Settings(), 0),
        _sweep.Lane(port6, True, [query6], _sweep.Settings(), 0),
    ]
    _sweep.run(lanes, network.clock)
    assert set(query4.answers) == set(query6.answers) == {KERNEL}
    assert query6.answers[KERNEL].source == ndp.eui64_link_local(KERNEL)
    assert query6.answers[KERNEL].flags == ("solicited",)
    assert network.clock.time < 255 * MS


def test_a_question_to_one_host_is_answered_by_that_host_only():
    wanted = addresses(1)
    network = SimulatedNetwork(SimulatedHost(KERNEL, []), SimulatedHost(SPEAKER, wanted, deaf_to_broadcast=True))
    port = network.open_port(interface(), False, False)
    queries = [
        _sweep.Query(wanted[0], arp.request(PROBER_MAC, IP, wanted[0], mac), only=mac) for mac in (KERNEL, SPEAKER)
    ]
    _sweep.run([_sweep.Lane(port, False, queries, _sweep.Settings(), 0)], network.clock)
    assert [bool(query.answers) for query in queries] == [False, True]


def test_what_others_are_told_is_no_answer_to_us_but_use_when_listening():
    wanted = addresses(2)
    announcement = (
        b"\xff" * 6 + SPEAKER + arp.request(SPEAKER, IP, wanted[0])[12:28] + wanted[0] + b"\x00" * 6 + wanted[0]
    )
    probe_of_other = arp.request(SPEAKER, arp.UNSPECIFIED, wanted[1])
    for listen, expected in ((False, set()), (True, set(wanted))):
        network = SimulatedNetwork()
        port = network.open_port(interface(), False, listen)
        for frame in (announcement, probe_of_other):
            network.clock.at(20 * MS, lambda frame=frame, network=network: network.deliver(frame))
        queries = [_sweep.Query(one, arp.request(PROBER_MAC, arp.UNSPECIFIED, one)) for one in wanted]
        lane = _sweep.Lane(port, False, queries, _sweep.Settings(), 0, listen, PROBER_MAC)
        _sweep.run([lane], network.clock)
        assert {query.address for query in queries if query.answers} == expected
        assert all(answer.announced for query in queries for answer in query.answers.values())


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=90), max_size=40), st.integers(0, 60))
def test_no_frames_crash_a_sweep_or_keep_it_from_ending(frames, live):
    wanted = addresses(60)
    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted[:live]))
    for ipv6 in (False, True):
        port = network.open_port(interface(), ipv6, True)
        port.inbox.extend((frame, 0) for frame in frames)
        queries = [_sweep.Query(one, arp.request(PROBER_MAC, IP, one)) for one in wanted]
        lane = _sweep.Lane(port, ipv6, queries, _sweep.Settings(), network.clock.now(), True, PROBER_MAC)
        _sweep.run([lane], network.clock)
        if not ipv6:
            assert found({query.address: query for query in queries}) == set(wanted[:live])


@given(st.integers(1, 3000))
def test_the_mixing_order_visits_each_once(count):
    queries = [_sweep.Query(number.to_bytes(4, "big"), b"") for number in range(count)]
    mixed = _sweep._spread(queries)
    assert sorted(query.address for query in mixed) == [query.address for query in queries]


def test_the_mixing_order_alternates_live_and_dead_stretches():
    queries = [_sweep.Query(number.to_bytes(4, "big"), b"") for number in range(1000)]
    longest = run = 0
    for query in _sweep._spread(queries):
        run = 0 if int.from_bytes(query.address, "big") < 500 else run + 1
        longest = max(longest, run)
    assert longest <= 4


@given(
    st.integers(1, 300),
    st.integers(1, 5000),
    st.lists(st.tuples(st.integers(0, 50 * MS), st.integers(0, 30), st.integers(0, 30)), max_size=30),
)
def test_the_window_never_gives_more_than_burst_rate_and_answers(burst, rate, steps):
    pacer = Pacer(burst, rate)
    waiting = []
    now = taken = answered = 0
    for wait, takes, answers in steps:
        now += wait
        for flyer in waiting[:answers]:
            pacer.credit(flyer)
            answered += 1
        del waiting[:answers]
        for _once in range(takes):
            flyer = Flyer()
            if pacer.take(flyer, now):
                taken += 1
                waiting.append(flyer)
        assert taken <= burst + answered + now * rate / SECOND + 1e-6


def test_a_late_answer_makes_no_room_a_second_time():
    # a speaker that stops again and again: each stop gives up some frames, whose answers come all the same
    pacer = Pacer(100, 1000)
    waiting = []
    now = 0
    for _stop in range(20):
        sent = 0
        for _step in range(90):
            now += MS
            flyer = Flyer()
            while pacer.take(flyer, now):
                waiting.append(flyer)
                sent += 1
                flyer = Flyer()
        assert sent <= 100 + 91
        for flyer in waiting:
            pacer.credit(flyer)
        waiting.clear()


@given(st.integers(1, 300), st.integers(1, 5000), st.integers(0, 100))
def test_the_window_is_open_when_it_says_so(burst, rate, ceiling):
    pacer = Pacer(burst, rate, ceiling)
    now = 0
    for _once in range(burst + 20):
        ready = pacer.ready_at(now)
        assert ready >= now
        if ready > now + 2:
            assert not pacer.take(Flyer(), ready - 2)
        now = ready
        assert pacer.take(Flyer(), now)


def test_a_few_silent_ones_after_a_hurried_sweep_are_asked_once_more():
    wanted = addresses(600)
    network = SimulatedNetwork(SimulatedHost(KERNEL, [*wanted[:150], *wanted[210:]]))
    lane, queries = sweep(network, wanted)
    assert not lane.slow
    assert {query.tries for query in queries.values() if not query.answers} == {4}


@pytest.mark.parametrize("phase", range(0, 100, 7))
def test_one_starved_speaker_among_a_thousand_quick_hosts_is_not_missed(phase):
    wanted = addresses(1000)
    speaker = SimulatedHost(SPEAKER, wanted[700:701], running=10 * MS, service=20 * US)
    network = SimulatedNetwork(SimulatedHost(KERNEL, wanted[:700] + wanted[701:]), speaker)
    network.clock.time = phase * MS
    _lane, queries = sweep(network, wanted)
    assert found(queries) == set(wanted)
