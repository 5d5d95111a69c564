# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network segment in simulated time: no socket, no sleep, the same result every run.

Hosts receive what is sent to their MAC, to broadcast or to multicast, through a queue like a speaker's (256 frames),
handle it at a set speed, may be stopped most of the time (a CPU limit), and answer after a delay.
"""

from __future__ import annotations

import heapq
from collections import deque

from ansible_collections.l2ops.metallb.plugins.module_utils._wire import arp, ndp
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.links import Interface, Route, Table

US = 1_000
MS = 1_000_000
EPOCH = 1_795_470_000_000_000_000


class SimulatedClock:
    """The segment's time. ``wait`` jumps to the next delivery or to ``until``."""

    def __init__(self):
        self.time = 0
        self.events = []
        self._number = 0

    def now(self):
        return self.time

    def wall(self):
        return EPOCH + self.time

    def at(self, time, action):
        self._number += 1
        heapq.heappush(self.events, (time, self._number, action))

    def pass_time(self, duration):
        self.run_until(self.time + duration)

    def run_until(self, time):
        while self.events and self.events[0][0] <= time:
            due, _number, action = heapq.heappop(self.events)
            self.time = max(self.time, due)
            action()
        self.time = max(self.time, time)

    def wait(self, ports, until):
        if any(port.inbox for port in ports):
            return
        while self.time < until:
            if not self.events or self.events[0][0] > until:
                self.time = until
                return
            due, _number, action = heapq.heappop(self.events)
            self.time = max(self.time, due)
            action()
            if any(port.inbox for port in ports):
                return


class SimulatedHost:
    """Answers ARP and neighbour solicitations for its addresses.

    ``delay`` from handling to answering; ``service`` time per frame; ``running`` of every ``period`` (a CPU limit);
    ``queue`` frames at most.
    """

    def __init__(
        self,
        mac,
        addresses,
        delay=50 * US,
        service=10 * US,
        queue=256,
        running=0,
        period=100 * MS,
        broadcast_replies=False,
        deaf_to_broadcast=False,
        only_link_local=False,
        ipv6_source=None,
        answers_all=False,
    ):
        self.mac = mac
        self.addresses = set(addresses)
        self.delay = delay
        self.service = service
        self.queue = queue
        self.running = running
        self.period = period
        self.broadcast_replies = broadcast_replies
        self.deaf_to_broadcast = deaf_to_broadcast
        self.only_link_local = only_link_local
        self.ipv6_source = ipv6_source or ndp.eui64_link_local(mac)
        self.answers_all = answers_all
        self.dropped = 0
        self.received = 0
        self._finish = deque()

    def _runs_at(self, time):
        if not self.running:
            return time
        phase = time % self.period
        return time if phase < self.running else time + self.period - phase

    def frame(self, network, frame):
        """A frame arrives."""
        now = network.clock.time
        group = frame[0] & 1
        if not group and frame[:6] != self.mac:
            return
        if group and self.deaf_to_broadcast:
            return
        self.received += 1
        while self._finish and self._finish[0] <= now:
            self._finish.popleft()
        if len(self._finish) >= self.queue:
            self.dropped += 1
            return
        begin = max(now, self._finish[-1] if self._finish else now)
        finish = self._runs_at(begin) + self.service
        self._finish.append(finish)
        answer = self._answer(frame)
        if answer is not None:
            network.clock.at(finish + self.delay, lambda: network.deliver(answer))

    def _answer(self, frame):
        packet = arp.parse(frame)
        if packet is not None:
            wanted = packet.target_address in self.addresses or self.answers_all
            if packet.operation != arp.REQUEST or not wanted:
                return None
            destination = arp.BROADCAST if self.broadcast_replies else packet.sender_mac
            body = b"\x00\x01\x08\x00\x06\x04\x00\x02" + self.mac + packet.target_address
            return destination + self.mac + b"\x08\x06" + body + packet.sender_mac + packet.sender_address
        if frame[12:14] == b"\x86\xdd" and frame[54] == ndp.SOLICITATION:
            target, source = frame[62:78], frame[22:38]
            if self.only_link_local and frame[38:54] != self.ipv6_source:
                return None
            if target in self.addresses or self.answers_all:
                return advertisement(self.mac, self.ipv6_source, frame[6:12], source, target)
        return None


def advertisement(mac, source, destination_mac, destination, target, flags=0x40, option=True):
    """A neighbour advertisement as MetalLB sends it: from a link-local address, S=1, O=0."""
    body = bytes((flags, 0, 0, 0)) + target + (b"\x02\x01" + mac if option else b"")
    total = ndp.checksum(source, destination, bytes((ndp.ADVERTISEMENT, 0, 0, 0)) + body)
    message = bytes((ndp.ADVERTISEMENT, 0)) + total.to_bytes(2, "big") + body
    header = b"\x60\x00\x00\x00" + len(message).to_bytes(2, "big") + b"\x3a\xff"
    return destination_mac + mac + b"\x86\xdd" + header + source + destination + message


class SimulatedPort:
    """The prober's socket: each ``send`` takes 12 µs; ``lose`` decides which frames the wire loses."""

    def __init__(self, network, interface, ipv6):
        self.network = network
        self.interface = interface
        self.ipv6 = ipv6
        self.inbox = deque()
        self.sent = []
        self.send_errors = 0
        self.dropped = 0
        self.refuse = 0
        self.closed = False

    def send(self, frame):
        if self.refuse:
            self.refuse -= 1
            self.send_errors += 1
            return False
        clock = self.network.clock
        self.sent.append((clock.time, frame))
        self.network.frames.append((clock.time, frame))
        if not self.network.lose(frame):
            for host in self.network.hosts:
                clock.at(clock.time + 20 * US, lambda host=host: host.frame(self.network, frame))
        clock.pass_time(12 * US)
        return True

    def receive(self):
        return self.inbox.popleft() if self.inbox else None

    def drops(self):
        return self.dropped

    def fileno(self):
        return -1

    def close(self):
        self.closed = True


class SimulatedNetwork:
    """Hosts and the prober's ports on one segment."""

    def __init__(self, *hosts, lose=None):
        self.clock = SimulatedClock()
        self.hosts = list(hosts)
        self.frames = []
        self.ports = []
        self.lose = lose or (lambda frame: False)

    def deliver(self, frame):
        """A frame reaches the prober, if its filter would let it through."""
        for port in self.ports:
            if port.closed or (frame[12:14] == b"\x86\xdd") != port.ipv6:
                continue
            own = port.interface.mac
            if not port.listen and not port.ipv6 and frame[32:38] != own:
                continue
            if port.ipv6 and frame[0:6] != own and not frame[0] & 1:
                continue
            port.inbox.append((frame, EPOCH + self.clock.time))

    def open_port(self, interface, ipv6, listen):
        port = SimulatedPort(self, interface, ipv6)
        port.listen = listen
        self.ports.append(port)
        return port


PROBER_MAC = bytes.fromhex("525400000001")


def interface(name="eth0", index=2, addresses=("192.168.7.2/24", "fe80::5054:ff:fe00:1/64", "fd00::2/64"), **more):
    """The prober's interface."""
    import socket

    parsed = []
    for text in addresses:
        address, _slash, length = text.partition("/")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        parsed.append((socket.inet_pton(family, address), int(length)))
    return Interface(index, name, more.pop("mac", PROBER_MAC), addresses=parsed, **more)


class SimulatedTable(Table):
    """A host's interfaces, and the routes that its kernel would tell: octets -> Route or None."""

    def __init__(self, *interfaces, routes=None):
        super().__init__(list(interfaces))
        self.routes = routes or {}
        self.asked = 0

    def route(self, address):
        self.asked += 1
        return self.routes.get(address)


__all__ = [
    "EPOCH",
    "MS",
    "PROBER_MAC",
    "US",
    "Route",
    "SimulatedClock",
    "SimulatedHost",
    "SimulatedNetwork",
    "SimulatedTable",
    "advertisement",
    "interface",
]
