# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Watching: asks the same addresses again and again, and hears announcements, to time a failover.

One request per address and interval. What answered a request is looked at when the next one is due, so that two hosts
that both answer are one set of two MACs and not a change back and forth.

MetalLB on a change of owner (internal/layer2/announcer.go, v0.15.3): the new owner announces at 0, 1.1, 2.2, 3.3 and
4.4 s, a request and a reply each (IPv6: one unsolicited advertisement each); the old one says nothing. Every re-sync of
a service repeats this without any change, so an announcement alone is no failover; a change of the answering MAC is.
"""

from __future__ import annotations

from collections import deque

from ansible_collections.l2ops.metallb.plugins.module_utils._wire import arp, ndp
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.octets import mac_text
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.sweep import Clock, Port

TYPE_CHECKING = False  # typing.TYPE_CHECKING, without 8 ms of importing typing
if TYPE_CHECKING:
    from typing import Any

SECOND = 1_000_000_000
# Silence for so many requests is a loss; fewer may be one lost frame.
_LOST_AFTER = 3
# After every address changed, listen on so that two rounds of announcements are counted.
_SETTLE = 1_500_000_000
_MAX_EVENTS = 1000


class Watched:
    """One address under watch, and its story.

    :ivar answering: the MACs that answered the latest request that anybody answered
    :ivar before: the MACs that answered before the watch began
    """

    def __init__(self, address: bytes, frame: bytes, before: frozenset[bytes]) -> None:
        self.address = address
        self.frame = frame
        self.before = before
        self.answering = before
        self.requests = 0
        self.answered = 0
        self.changes = 0
        self.announcements: dict[bytes, int] = {}
        self.longest_gap = 0
        self.events: list[dict[str, Any]] = []
        self._current: dict[bytes, int] = {}
        self._silent = 0
        self._lost = False
        self._last_answer = 0
        self._first_request = 0

    def asked(self, wall: int) -> None:
        """A new request goes out at ``wall`` (ns): judge what the one before brought."""
        self._judge(wall)
        if not self._first_request:
            self._first_request = wall
            self._last_answer = wall
        self.requests += 1

    def finish(self, wall: int) -> None:
        """The watch ends: judge the last request, unless it hardly had time to be answered."""
        if self._current:
            self._judge(wall)
        self.longest_gap = max(self.longest_gap, wall - (self._last_answer or wall))

    def heard(self, mac: bytes, wall: int) -> None:
        """An answer to our request."""
        if not self.requests:
            return
        if mac not in self._current:
            if not self._current:
                self.answered += 1
            self._current[mac] = wall
        gap = wall - self._last_answer
        if gap > self.longest_gap:
            self.longest_gap = gap
        if self._lost:
            self._lost = False
            self.event("returned", wall, macs=[mac_text(mac)], gap_ms=_ms(gap))
        self._last_answer = max(self._last_answer, wall)

    def announced(self, mac: bytes, kind: str, wall: int) -> None:
        """A gratuitous announcement by anybody."""
        self.announcements[mac] = self.announcements.get(mac, 0) + 1
        self.event("announced", wall, macs=[mac_text(mac)], by=kind)

    def event(self, kind: str, wall: int, **more: Any) -> None:
        if len(self.events) < _MAX_EVENTS:
            self.events.append({"event": kind, "wall": wall, **more})

    def _judge(self, wall: int) -> None:
        if not self.requests:
            return
        macs = frozenset(self._current)
        if macs:
            self._silent = 0
            if macs != self.answering:
                fresh = [self._current[mac] for mac in macs - self.answering]
                at = min(fresh) if fresh else min(self._current.values())
                if self.answering:
                    self.changes += 1
                    before = sorted(mac_text(mac) for mac in self.answering)
                    self.event("changed", at, before=before, macs=sorted(mac_text(mac) for mac in macs))
                else:
                    self.event("answered", at, macs=sorted(mac_text(mac) for mac in macs))
                self.answering = macs
        else:
            self._silent += 1
            if self._silent == _LOST_AFTER and self.answering and not self._lost:
                self._lost = True
                self.event("lost", self._last_answer, macs=sorted(mac_text(mac) for mac in self.answering))
        self._current = {}


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 2)


class WatchLane:
    """One family on one interface."""

    def __init__(self, port: Port, ipv6: bool, own_mac: bytes, watched: list[Watched]) -> None:
        self.port = port
        self.watched = watched
        self.frames = 0
        self._ipv6 = ipv6
        self._own_mac = own_mac
        self._by_address = {one.address: one for one in watched}

    def receive(self, wall: int) -> bool:
        """Take one frame; False when none is waiting."""
        received = self.port.receive()
        if received is None:
            return False
        frame, stamp = received
        wall = stamp or wall
        if self._ipv6:
            advertisement = ndp.parse(frame)
            if advertisement is None:
                return True
            one = self._by_address.get(advertisement.target)
            if one is not None and advertisement.mac != self._own_mac:
                if advertisement.solicited:
                    one.heard(advertisement.mac, wall)
                else:
                    one.announced(advertisement.mac, "advertisement", wall)
            return True
        packet = arp.parse(frame)
        if packet is None or packet.sender_mac == self._own_mac:
            return True
        one = self._by_address.get(packet.sender_address)
        if one is None:
            return True
        if packet.gratuitous:
            one.announced(packet.sender_mac, "request" if packet.operation == arp.REQUEST else "reply", wall)
        elif packet.operation == arp.REPLY and packet.target_mac == self._own_mac:
            one.heard(packet.sender_mac, wall)
        return True


def run(lanes: list[WatchLane], clock: Clock, duration: int, interval: int, until: str) -> None:
    """Watch all lanes for ``duration`` ns, one request per address every ``interval`` ns, evenly spread over it.

    :param until: ``duration``; ``changed`` or ``answered`` to end as soon as that is so for every address (and 1.5 s
        have passed for the announcements that follow a change)
    :raises WireError: ``interface`` when one goes down meanwhile
    """
    everything = [(lane, one) for lane in lanes for one in lane.watched]
    ports = [lane.port for lane in lanes]
    begun = clock.now()
    end = begun + duration
    step = max(1, interval // max(1, len(everything)))
    due = deque((begun + position * step, lane, one) for position, (lane, one) in enumerate(everything))
    settled_at = 0
    while True:
        now = clock.now()
        if now >= end or not due:
            break
        while due[0][0] <= now:
            at, lane, one = due.popleft()
            one.asked(clock.wall())
            if lane.port.send(one.frame):
                lane.frames += 1
            # after a stall of this host no burst makes up for what was missed
            due.append((max(at + interval, now), lane, one))
        for lane in lanes:
            while lane.receive(clock.wall()):
                continue
        now = clock.now()
        if until != "duration":
            done = all(bool(one.changes) if until == "changed" else bool(one.answered) for _lane, one in everything)
            if done and not settled_at:
                settled_at = now
            if settled_at and now >= settled_at + (_SETTLE if until == "changed" else 0):
                break
        clock.wait(ports, min(due[0][0], end))
    for _lane, one in everything:
        one.finish(clock.wall())
