# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""How fast frames may go out.

MetalLB's responder reads from a packet socket that holds 256 small frames (net.core.rmem_default 212992 octets,
measured); what comes while it is full is lost, and every broadcast ARP frame of the segment counts. A speaker with a
small CPU limit is stopped for 90 of 100 ms. So a window: no more than ``burst`` frames are in flight, that is sent and
neither answered nor given up. An answer makes room at once, so where everybody answers the sweep runs as fast as the
answers come (the way TCP is clocked by its acknowledgements); for what nobody answers, the oldest frame is given up
``rate`` times a second. Each frame makes room once: a late answer to one that was given up makes none, or every stop of
a speaker would widen the window.
"""

from __future__ import annotations

from collections import deque

SECOND = 1_000_000_000


class Flyer:
    """What can be in flight: ``outstanding`` counts its frames that are."""

    __slots__ = ("outstanding",)

    def __init__(self) -> None:
        self.outstanding = 0


class Pacer:
    """A window over frames. Times are nanoseconds of a monotonic clock.

    :ivar rate: frames per second that are given up; the owner may change it at any time
    :ivar youngest: the least age (ns) at which a frame was given up: less than ``burst`` / ``rate`` when it went faster
    """

    __slots__ = ("_burst", "_ceiling", "_count", "_earned", "_flight", "_next", "_stamp", "rate", "youngest")

    def __init__(self, burst: int, rate: float, ceiling: int = 0, now: int = 0) -> None:
        """
        :param burst: frames in flight at most
        :param ceiling: frames in any one second that are never exceeded, answers or not, evenly spaced (for switch
            ports whose ARP inspection shuts them: 15 per second is a usual limit); 0 for none
        """
        self._burst = burst
        self._flight: deque[tuple[int, Flyer]] = deque()
        self._count = 0
        self._earned = 0.0
        self._stamp = now
        self._ceiling = SECOND // ceiling + 1 if ceiling else 0
        self._next = now
        self.rate = rate
        self.youngest = 1 << 62

    def take(self, flyer: Flyer, now: int) -> bool:
        """Whether a frame may be sent now; if so, it is in flight."""
        if self._ceiling and now < self._next:
            return False
        if self._count >= self._burst:
            self._give_up(now)
            if self._count >= self._burst:
                return False
        elif not self._count:
            self._stamp = now  # an empty window earns nothing
            self._earned = 0.0
        flyer.outstanding += 1
        self._flight.append((now, flyer))
        self._count += 1
        if self._ceiling:
            self._next = now + self._ceiling
        return True

    def credit(self, flyer: Flyer) -> None:
        """An answer came: its frames have left the responder's queue."""
        self._count -= flyer.outstanding
        flyer.outstanding = 0

    def ready_at(self, now: int) -> int:
        """The earliest time at which :meth:`take` can say yes without another answer."""
        if self._count >= self._burst:
            self._give_up(now)
        ready = now
        if self._count >= self._burst:
            ready = now + int((1.0 - self._earned) / self.rate * SECOND) + 1
        return max(ready, self._next) if self._ceiling else ready

    def _give_up(self, now: int) -> None:
        """Let the oldest frames go that time has paid for."""
        elapsed = now - self._stamp
        if elapsed > 0:
            self._earned += elapsed * self.rate / SECOND
            self._stamp = now
        while self._earned >= 1.0 and self._count:
            sent, flyer = self._flight.popleft()
            if flyer.outstanding:
                self.youngest = min(self.youngest, now - sent)
                flyer.outstanding -= 1
                self._count -= 1
                self._earned -= 1.0
        if not self._count:
            self._earned = 0.0
