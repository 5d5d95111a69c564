# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""How fast frames may go out.

MetalLB's responder reads from a packet socket that holds 256 small frames (net.core.rmem_default 212992 octets, measured);
what comes while it is full is lost, and every broadcast ARP frame of the segment counts. A speaker with a small CPU limit is
stopped for 90 of 100 ms. So never more than ``burst`` frames are ahead of the answers, and what is not answered is refilled
slowly. An answer gives its token back: where everybody answers, the sweep runs as fast as the answers come (the way TCP is
clocked by its acknowledgements).
"""

from __future__ import annotations

SECOND = 1_000_000_000


class Pacer:
    """A token bucket whose tokens come back with the answers. Times are nanoseconds of a monotonic clock.

    :ivar rate: tokens per second that come back without an answer; the owner may change it at any time
    """

    __slots__ = ("_burst", "_ceiling", "_next", "_stamp", "_tokens", "rate")

    def __init__(self, burst: int, rate: float, ceiling: int = 0, now: int = 0) -> None:
        """
        :param burst: tokens at the start and at most
        :param ceiling: frames in any one second that are never exceeded, answers or not, evenly spaced (for switch ports whose ARP
            inspection shuts them: 15 per second is a usual limit); 0 for none
        """
        self._burst = float(burst)
        self._tokens = float(burst)
        self._stamp = now
        self._ceiling = SECOND // ceiling + 1 if ceiling else 0
        self._next = now
        self.rate = rate

    def take(self, now: int) -> bool:
        """Whether one frame may be sent now; if so, its token is gone."""
        if self._ceiling and now < self._next:
            return False
        if self._tokens < 1.0:
            self._refill(now)
            if self._tokens < 1.0:
                return False
        self._tokens -= 1.0
        if self._ceiling:
            self._next = now + self._ceiling
        return True

    def credit(self) -> None:
        """An answer came: its frame has left the responder's queue."""
        self._tokens = min(self._burst, self._tokens + 1.0)

    def ready_at(self, now: int) -> int:
        """The earliest time at which :meth:`take` can say yes without another answer."""
        self._refill(now)
        ready = now if self._tokens >= 1.0 else now + int((1.0 - self._tokens) / self.rate * SECOND) + 1
        return max(ready, self._next) if self._ceiling else ready

    def _refill(self, now: int) -> None:
        elapsed = now - self._stamp
        if elapsed > 0:
            self._tokens = min(self._burst, self._tokens + elapsed * self.rate / SECOND)
            self._stamp = now
