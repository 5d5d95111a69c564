# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""The sweep: asks many addresses at once and collects everybody who answers.

One :class:`Lane` per interface and family: its own socket, pace and queues. Each address is asked at once, again when
the first waiting time has passed without an answer, and so on (:attr:`Settings.timeouts`); addresses do not wait for
each other. After the last frame a fixed window stays open for late second answers, for a duplicate that answers 50 ms
later is the one that matters.

Times are nanoseconds: ``now`` of a monotonic clock for deciding, ``wall`` of the real-time clock for comparing with the
kernel's receive stamps.
"""

from __future__ import annotations

import select
import time
from collections import deque

from ansible_collections.l2ops.metallb.plugins.module_utils._wire import arp, ndp
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.pace import SECOND, Flyer, Pacer

MILLISECOND = 1_000_000

# An answer that took longer than this comes from a responder that is short of CPU, so its queue may have overflowed.
_LATE = 20 * MILLISECOND
# Without an answer for this long, the fast rate is over: a stopped responder must not be buried.
_STALL = 5 * MILLISECOND
# Quick answers needed before frames that nobody acknowledges may go out at the fast rate.
_EVIDENCE = 8
# Further rounds for the silent once a late answer shows that frames may have been lost in a full queue.
_EXTRA_ROUNDS = 2
# So few silent addresses after a hurried sweep are asked once more without hurry.
_FEW = 64
# Frames sent between two looks at the receive queue.
_BATCH = 16


class Settings:
    """How to sweep.

    :ivar timeouts: ns to wait for an answer after the first, second … request; as many requests as there are entries
    :ivar quick_end: ns to wait after the last request instead, when many answered and all quickly; 0 for no such haste
    :ivar window: ns to listen for further answers after the last request
    :ivar burst: frames ahead of the answers, at most
    :ivar rate: frames per second that may go out without answers
    :ivar fast_rate: the same while all answers are quick (see :class:`Lane`); equal to ``rate`` to switch this off
    :ivar ceiling: frames in any one second, never exceeded; 0 for none
    """

    __slots__ = ("burst", "ceiling", "fast_rate", "quick_end", "rate", "timeouts", "window")

    def __init__(
        self,
        timeouts: tuple[int, ...] = (100 * MILLISECOND, 150 * MILLISECOND, 300 * MILLISECOND),
        window: int = 250 * MILLISECOND,
        burst: int = 100,
        rate: int = 1000,
        fast_rate: int = 6000,
        ceiling: int = 0,
        quick_end: int = 200 * MILLISECOND,
    ) -> None:
        self.quick_end = quick_end
        self.timeouts = timeouts
        self.window = window
        self.burst = burst
        self.rate = rate
        self.fast_rate = max(rate, fast_rate)
        self.ceiling = ceiling


class Answer:
    """One host's answer to one address.

    :ivar mac: the MAC it claims (sha, or the target link-layer option)
    :ivar ethernet_source: the MAC that the frame came from: differs behind a proxy or some bonds
    :ivar source: IPv6: the address the advertisement came from (MetalLB: the node's link-local one); else None
    :ivar rtt: ns from the latest request to the kernel's receive stamp; None when that can't be told
    :ivar late: ns from this address' first request
    :ivar count: frames with the same MAC
    :ivar broadcast: the answer was sent to everybody
    :ivar flags: IPv6: the set of ``router solicited override``
    :ivar announced: it was no answer to us but an announcement, or another host's probe (only a listening lane hears
        these)
    """

    __slots__ = ("announced", "broadcast", "count", "ethernet_source", "flags", "late", "mac", "rtt", "source")

    def __init__(
        self,
        mac: bytes,
        ethernet_source: bytes,
        source: bytes | None,
        rtt: int | None,
        late: int,
        broadcast: bool,
        flags: tuple[str, ...] = (),
        announced: bool = False,
    ) -> None:
        self.announced = announced
        self.mac = mac
        self.ethernet_source = ethernet_source
        self.source = source
        self.rtt = rtt
        self.late = late
        self.count = 1
        self.broadcast = broadcast
        self.flags = flags


class Query(Flyer):
    """One address to ask: ``frames`` go out in turn, one per request, answers for ``address`` come back.

    ``only`` (a MAC) makes it a question to one host: answers of others are none of its own.
    """

    __slots__ = ("address", "answers", "first_wall", "frames", "only", "tries", "wall")

    def __init__(self, address: bytes, *frames: bytes, only: bytes | None = None) -> None:
        super().__init__()
        self.address = address
        self.frames = frames
        self.only = only
        self.tries = 0
        self.wall = 0
        self.first_wall = 0
        self.answers: dict[bytes, Answer] = {}


class Port:
    """What a lane needs of a socket (see ``_packet.PacketPort``); tests give it a made-up network.

    :ivar send_errors: frames that the kernel refused to send (full queue); each was tried again
    """

    send_errors = 0

    def send(self, frame: bytes) -> bool:
        raise NotImplementedError

    def receive(self) -> tuple[bytes, int] | None:
        raise NotImplementedError

    def drops(self) -> int:
        raise NotImplementedError

    def fileno(self) -> int:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Clock:
    """Time and waiting; tests replace it by a simulated one."""

    now = staticmethod(time.monotonic_ns)
    wall = staticmethod(time.time_ns)

    def wait(self, ports: list[Port], until: int) -> None:
        """Return when a port has a frame, or at ``until`` (monotonic ns), whichever is first."""
        remaining = until - time.monotonic_ns()
        poller = select.poll()
        for port in ports:
            poller.register(port.fileno(), select.POLLIN)
        if remaining < 2 * MILLISECOND:
            poller.poll(max(0, -(-remaining // MILLISECOND)))
        elif not poller.poll(remaining // MILLISECOND):
            # poll counts milliseconds; what comes in the rest of this one waits in the queue with its time stamp
            time.sleep(max(0, until - time.monotonic_ns()) / SECOND)


class Lane:
    """One family on one interface.

    The fast rate: addresses that nobody holds never give their token back, so a half-empty range would crawl. While
    every answer so far came within 20 ms and answers keep coming, responders keep up and unanswered frames may go out
    at ``fast_rate``: in a stop that begins then, no more than 256 frames arrive (100 in flight, 30 in 5 ms until the
    stop is noticed, 85 in the rest of a stop of 90 ms). The first late answer (or one that needed a second request)
    ends that for the rest of the sweep, and the silent get two further rounds: their questions may have been lost in
    the same full queue.
    """

    def __init__(
        self,
        port: Port,
        ipv6: bool,
        queries: list[Query],
        settings: Settings,
        now: int,
        listen: bool = False,
        own_mac: bytes = b"",
    ) -> None:
        """
        :param listen: also hear announcements and other hosts' probes for the addresses (RFC 5227 section 2.1.1)
        :param own_mac: ours, whose frames are not to be taken for a conflict
        """
        self.port = port
        self.queries = queries
        self.settings = settings
        self.frames = 0
        self.malformed = 0
        self.slow = False
        self.rounds = 0
        self._ipv6 = ipv6
        self._listen = listen
        self._own_mac = own_mac
        self._quick = 0
        self._silent = len(queries)
        # at the slow rate a full window takes this long; half of it leaves room for a clock that is read late
        self._unhurried = settings.burst * SECOND // settings.rate // 2
        self._last_answer = 0
        self._last_sent = now
        self._by_key: dict[tuple[bytes, bytes | None], Query] = {(q.address, q.only): q for q in queries}
        self._unicast = any(q.only is not None for q in queries)
        self._pacer = Pacer(settings.burst, settings.rate, settings.ceiling, now)
        self._queues: list[deque[tuple[int, Query]]] = [deque((now, q) for q in _spread(queries))]

    # -- sending

    def send(self, now: int, clock: Clock) -> bool:
        """Send what is due, at most a batch; whether more could go out at once."""
        self._pacer.rate = self._rate(now)
        for _unused in range(_BATCH):
            queue = self._due(now)
            if queue is None or not self._pacer.take(queue[0][1], now):
                return False
            _due, query = queue.popleft()
            wall = clock.wall()
            if not self.port.send(query.frames[query.tries % len(query.frames)]):
                self._pacer.credit(query)
                queue.appendleft((now + MILLISECOND, query))
                return False
            self.frames += 1
            query.wall = wall
            if query.tries == 0:
                query.first_wall = wall
            query.tries += 1
            self._last_sent = now
            self.rounds = max(self.rounds, query.tries)
            while len(self._queues) <= query.tries:
                self._queues.append(deque())
            # also after the last request: the entry's time is when silence is final, or when late evidence earns
            # another try
            self._queues[query.tries].append((now + self._timeout(query.tries), query))
        return True

    def _timeout(self, tries: int) -> int:
        """How long to wait after request number ``tries``.

        Where everybody answers within 20 ms, a host that answers none of three requests within 450, 350 and 200 ms will
        not answer at all; the full time is for responders that are stopped or far.
        """
        timeouts = self.settings.timeouts
        if tries >= len(timeouts) > 1 and self.settings.quick_end and not self.slow and self._quick >= _EVIDENCE:
            return min(timeouts[-1], self.settings.quick_end)
        return timeouts[min(tries, len(timeouts)) - 1]

    def _limit(self) -> int:
        """How many requests an address is worth."""
        rounds = len(self.settings.timeouts)
        if rounds > 1 and self.slow:
            return rounds + _EXTRA_ROUNDS
        if rounds > 1 and self._silent <= _FEW and self._pacer.youngest < self._unhurried:
            return rounds + 1
        return rounds

    def _due(self, now: int) -> deque[tuple[int, Query]] | None:
        """The queue whose head is due first; heads that need no further request are thrown away."""
        best: deque[tuple[int, Query]] | None = None
        limit = self._limit()
        for queue in self._queues:
            while queue:
                due, query = queue[0]
                if query.answers or (query.tries >= limit and due <= now):
                    queue.popleft()
                    continue
                if query.tries < limit and due <= now and (best is None or due < best[0][0]):
                    best = queue
                break
        return best

    def _rate(self, now: int) -> int:
        settings = self.settings
        if self.slow or self._quick < _EVIDENCE or self.rounds > len(settings.timeouts):
            return settings.rate
        # in the first round the answers must keep coming; later only the silent are left, and everybody was quick
        if not self._queues[0] or now - self._last_answer < _STALL:
            return settings.fast_rate
        return settings.rate

    def wake_at(self, now: int) -> int | None:
        """When this lane next has something to do; None when it is finished."""
        limit = self._limit()
        due = None
        for queue in self._queues:
            while queue and queue[0][1].answers:
                queue.popleft()
            if queue and (due is None or queue[0][0] < due):
                due = queue[0][0]
                exhausted = queue[0][1].tries >= limit
                if due <= now:
                    if exhausted:
                        return now
                    due = self._pacer.ready_at(now)
        window = self._last_sent + self.settings.window
        if due is not None:
            return due
        return window if window > now else None

    # -- receiving

    def receive(self, now: int, wall: int) -> bool:
        """Take one frame from the port; False when none is waiting."""
        received = self.port.receive()
        if received is None:
            return False
        frame, stamp = received
        if self._ipv6:
            self._advertisement(frame, now, stamp or wall)
        else:
            self._reply(frame, now, stamp or wall)
        return True

    def _reply(self, frame: bytes, now: int, wall: int) -> None:
        packet = arp.parse(frame)
        if packet is None or not (self._listen or packet.operation == arp.REPLY):
            self.malformed += 1
            return
        address, announced = packet.sender_address, False
        if self._listen:
            if packet.sender_mac == self._own_mac:
                return
            announced = packet.operation != arp.REPLY or packet.target_mac != self._own_mac
            if address == arp.UNSPECIFIED and packet.operation == arp.REQUEST:
                address = packet.target_address  # somebody else is about to take it
        query = self._find(address, packet.sender_mac)
        if query is not None:
            broadcast = packet.ethernet_destination == arp.BROADCAST
            self._note(query, packet.sender_mac, packet.ethernet_source, None, broadcast, (), announced, now, wall)

    def _advertisement(self, frame: bytes, now: int, wall: int) -> None:
        packet = ndp.parse(frame)
        if packet is None:
            self.malformed += 1
            return
        if not (self._listen or packet.solicited) or packet.mac == self._own_mac:
            return
        query = self._find(packet.target, packet.mac)
        if query is not None:
            flags = tuple(name for name in ("router", "solicited", "override") if getattr(packet, name))
            broadcast = packet.ethernet_destination[0] & 1 == 1
            self._note(
                query,
                packet.mac,
                packet.ethernet_source,
                packet.source,
                broadcast,
                flags,
                not packet.solicited,
                now,
                wall,
            )

    def _find(self, address: bytes, mac: bytes) -> Query | None:
        if self._unicast:
            return self._by_key.get((address, mac))
        return self._by_key.get((address, None))

    def _note(
        self,
        query: Query,
        mac: bytes,
        ethernet_source: bytes,
        source: bytes | None,
        broadcast: bool,
        flags: tuple[str, ...],
        announced: bool,
        now: int,
        wall: int,
    ) -> None:
        if query.tries == 0 and not announced:
            return  # an answer to an earlier question of this host, not to ours
        known = query.answers.get(mac)
        if known is not None:
            known.count += 1
        else:
            delay = wall - query.wall
            rtt = delay if delay >= 0 and not announced else None
            late = max(0, wall - query.first_wall) if query.tries else 0
            if not query.answers:
                self._silent -= 1
            query.answers[mac] = Answer(mac, ethernet_source, source, rtt, late, broadcast, flags, announced)
            if len(query.answers) == 1 and query.tries and not announced:
                # from the first request on: that an address needed a second one shows loss just as lateness does
                if wall - query.first_wall > _LATE:
                    self.slow = True
                else:
                    self._quick += 1
        self._last_answer = now
        if query.outstanding and not announced:
            self._pacer.credit(query)


def _spread(queries: list[Query]) -> list[Query]:
    """The same queries in an order that mixes the range, so that live and dead stretches alternate.

    A stride by the golden ratio that shares no factor with the length visits each once.
    """
    count = len(queries)
    if count < 4:
        return queries
    stride = int(count * 0.618) | 1
    while _common_factor(stride, count) != 1:
        stride += 2
    return [queries[(position * stride) % count] for position in range(count)]


def _common_factor(first: int, second: int) -> int:
    while second:
        first, second = second, first % second
    return first


def run(lanes: list[Lane], clock: Clock) -> None:
    """Sweep all lanes side by side, until each is finished.

    :raises WireError: ``interface`` when one goes down meanwhile
    """
    ports = [lane.port for lane in lanes]
    active = list(lanes)
    while active:
        more = False
        for lane in active:
            now = clock.now()
            more = lane.send(now, clock) or more
            for _once in range(4 * _BATCH):
                if not lane.receive(clock.now(), clock.wall()):
                    break
            else:
                more = True
        if more:
            continue
        now = clock.now()
        wake = None
        finished = []
        for lane in active:
            lane_wake = lane.wake_at(now)
            if lane_wake is None:
                finished.append(lane)
            elif wake is None or lane_wake < wake:
                wake = lane_wake
        if finished:
            active = [lane for lane in active if lane not in finished]
        if wake is not None and wake > now:
            clock.wait(ports, wake)
