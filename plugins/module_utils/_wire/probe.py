# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""From the user's request to the result of a sweep: which address is asked where, what came back, whose it is.

Returned data is plain (dicts, lists, text, numbers), as ``l2_probe`` documents it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable

from ansible_collections.l2ops.metallb.plugins.module_utils._wire import (
    arp,
    ndp,
    sweep,
    verdict,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import (
    touch as _touch,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import (
    watch as _watch,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import PermissionMissing, WireError
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.links import (
    Choice,
    Chooser,
    Interface,
    Table,
    check_interface,
    read_table,
    source_for,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.octets import (
    address_text,
    family_of,
    is_link_local,
    mac_text,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.packet import HOW_TO_GET_RIGHTS, PacketPort
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.targets import Node, Wanted, check_source
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.vendor import vendor_of

TYPE_CHECKING = False  # typing.TYPE_CHECKING, without 8 ms of importing typing
if TYPE_CHECKING:
    from typing import Any

# Questions of the second phase that unicast=auto asks at most: 1000 silent addresses of 100 nodes would take minutes.
_MOST_ALONE = 2000
_DOCUMENTATION_NETWORKS = ("192.0.2.1", "2001:db8::1")


class Watch:
    """How long to watch, how often to ask (both ns), and when to end early (see ``_watch.run``)."""

    def __init__(self, duration: int, interval: int, until: str = "duration") -> None:
        self.duration = duration
        self.interval = interval
        self.until = until


class Request:
    """Everything a sweep needs to know.

    :ivar wanted: the addresses asked for
    :ivar nodes: the cluster's nodes: their own addresses are asked in the same sweep, which tells whose a MAC is
    :ivar interface: its name, or empty to choose by route
    :ivar source: text of the sender address, or empty to choose
    :ivar settings: pace and waiting
    :ivar unicast: ``never``, ``auto`` (only for addresses whose broadcast answers leave a doubt), ``always``
    :ivar canaries: addresses that surely nobody holds; who answers for one is a proxy
    :ivar conflict: ask with sender 0.0.0.0 (RFC 5227), hear also announcements and other hosts' probes
    :ivar watch: after the sweep, keep asking; None for a sweep alone
    :ivar fallback: ``neighbour``: without raw sockets, use the kernel's neighbour table; ``fail``: raise instead
    """

    def __init__(
        self,
        wanted: list[Wanted],
        nodes: list[Node] | None = None,
        interface: str = "",
        source: str = "",
        settings: sweep.Settings | None = None,
        unicast: str = "auto",
        canaries: list[bytes] | None = None,
        conflict: bool = False,
        fallback: str = "neighbour",
        watch: Watch | None = None,
    ) -> None:
        self.wanted = wanted
        self.nodes = nodes or []
        self.interface = interface
        self.source = source
        self.settings = settings or sweep.Settings()
        self.unicast = unicast
        self.canaries = canaries or []
        self.conflict = conflict
        self.fallback = fallback
        self.watch = watch


OpenPort = Callable[[Interface, bool, bool], sweep.Port]


def open_port(interface: Interface, ipv6: bool, listen: bool) -> sweep.Port:
    """A raw socket for one family on one interface; with ``listen`` also for what is not meant for us.

    :raises PermissionMissing: no CAP_NET_RAW
    :raises WireError: ``interface``
    """
    if ipv6:
        return PacketPort(interface.name, interface.index, ndp.ETHERTYPE, ndp.filter_advertisements(), multicast=listen)
    program = arp.filter_all() if listen else arp.filter_replies_to(interface.mac)
    return PacketPort(interface.name, interface.index, arp.ETHERTYPE, program, multicast=False)


class _Place:
    """One address with the choice made for it, and what came of asking."""

    def __init__(self, address: bytes, choice: Choice) -> None:
        self.address = address
        self.choice = choice
        self.query: sweep.Query | None = None
        self.touched: _touch.Touched | None = None
        self.unicast: list[tuple[bytes, sweep.Query]] = []
        # a node's own address that is silent: its MAC as the kernel's neighbour table has it
        self.learnt: bytes | None = None

    @property
    def answers(self) -> dict[bytes, sweep.Answer]:
        return self.query.answers if self.query is not None else {}


class Probe:
    """One sweep. :meth:`run` does it; tests hand in a table, ports and a clock of their own."""

    def __init__(
        self,
        request: Request,
        table: Table | None = None,
        opener: OpenPort = open_port,
        clock: sweep.Clock | None = None,
        learnt: Callable[[dict[bytes, int]], dict[bytes, bytes]] = _touch.learnt,
    ) -> None:
        self._learnt = learnt
        self.request = request
        self.method = "raw"
        self.reasons: list[str] = []
        self.clock = clock or sweep.Clock()
        self._open_port = opener
        try:
            self.table = table if table is not None else read_table()
        except WireError as error:
            if (
                error.reason != "platform"
                or request.fallback == "fail"
                or request.interface
                or request.watch is not None
            ):
                raise
            self.method = "connection"
            self.table = Table([])
            self.reasons.append(
                f"{error} Opened a TCP connection to each address instead: one that is accepted or refused shows that "
                "somebody has the address, silence shows nothing, and no MAC, node or duplicate can be seen."
            )
        self.frames = self.answers = self.malformed = self.drops = self.send_errors = self.rounds = 0
        self.slow = False
        self.not_asked_alone = 0
        self.places: dict[bytes, _Place] = {}
        self._vendors: dict[str, str] = {}

    # -- asking

    def run(self) -> dict[str, Any]:
        """:raises WireError: the interface cannot be used; raw sockets are forbidden and ``fallback`` is ``fail``"""
        begun = time.monotonic_ns()
        started_at = time.time()
        request = self.request
        forced = check_interface(self.table, request.interface) if request.interface else None
        source = check_source(request.source, self.table.own, request.wanted) if request.source else b""
        if self.method == "connection":
            return self._told(self._by_connection(), begun, started_at)
        chooser = Chooser(self.table, forced)
        order: Iterable[bytes] = [
            *(address for node in request.nodes for address in node.addresses),
            *request.canaries,
            *(one.address for one in request.wanted),
        ]
        for address in order:
            if address not in self.places:
                self.places[address] = _Place(address, chooser.choose(address))
        try:
            self._broadcast(source)
        except PermissionMissing as error:
            if request.fallback == "fail":
                raise
            self._without_raw(str(error))
        if self.method == "raw":
            self._learn()
        nodes = self._nodes(frozenset())
        if self.method == "raw" and not request.conflict:
            self._ask_alone(nodes, source)
            nodes = self._nodes(self._proxies())
        result = self._result(nodes)
        if request.watch is not None:
            result["watch"] = self._follow(request.watch, result["targets"], nodes, source)
        return self._told(result, begun, started_at)

    @staticmethod
    def _told(result: dict[str, Any], begun: int, started_at: float) -> dict[str, Any]:
        result["statistics"]["elapsed_ms"] = round((time.monotonic_ns() - begun) / 1e6, 1)
        result["started_at"] = round(started_at, 3)
        return result

    @property
    def _asked(self) -> frozenset[bytes]:
        return frozenset(one.address for one in self.request.wanted)

    def _broadcast(self, source: bytes) -> None:
        groups: dict[tuple[int, bool], list[_Place]] = {}
        for place in self.places.values():
            if place.choice.interface is not None:
                groups.setdefault((place.choice.interface.index, len(place.address) == 16), []).append(place)
        forbidden = self._asked
        self._go(
            [
                (
                    self.table.by_index[index],
                    ipv6,
                    self._queries(self.table.by_index[index], places, source, forbidden),
                )
                for (index, ipv6), places in groups.items()
            ],
            self.request.settings,
        )

    def _queries(
        self, interface: Interface, places: list[_Place], source: bytes, forbidden: frozenset[bytes]
    ) -> list[sweep.Query]:
        found = []
        for place in places:
            place.query = sweep.Query(
                place.address, self._frame_from(interface, place.address, source, forbidden, None)
            )
            found.append(place.query)
        return found

    def _frame_from(
        self, interface: Interface, address: bytes, source: bytes, forbidden: frozenset[bytes], mac: bytes | None
    ) -> bytes:
        if len(address) == 16:
            own = source if len(source) == 16 and any(source) else source_for(interface, address, forbidden)
            return ndp.solicitation(interface.mac, own, address, destination_mac=mac)
        if self.request.conflict:
            own = arp.UNSPECIFIED
        elif len(source) == 4:
            own = source
        else:
            own = source_for(interface, address, forbidden)
        return arp.request(interface.mac, own, address, mac if mac is not None else arp.BROADCAST)

    def _go(self, groups: list[tuple[Interface, bool, list[sweep.Query]]], settings: sweep.Settings) -> None:
        ports: list[sweep.Port] = []
        lanes: list[sweep.Lane] = []
        try:
            for interface, ipv6, queries in groups:
                port = self._open_port(interface, ipv6, self.request.conflict)
                ports.append(port)
                lanes.append(
                    sweep.Lane(port, ipv6, queries, settings, self.clock.now(), self.request.conflict, interface.mac)
                )
            sweep.run(lanes, self.clock)
        finally:
            for port in ports:
                self.drops += port.drops()
                self.send_errors += port.send_errors
                port.close()
        for lane in lanes:
            self.frames += lane.frames
            self.answers += sum(answer.count for query in lane.queries for answer in query.answers.values())
            self.malformed += lane.malformed
            self.rounds = max(self.rounds, lane.rounds)
            self.slow = self.slow or lane.slow

    def _follow(
        self, watch: Watch, targets: list[dict[str, Any]], nodes: dict[bytes, str], source: bytes
    ) -> dict[str, Any]:
        """Keep asking; what came of it goes into each target's ``watch``."""
        if self.method != "raw":
            raise WireError(
                "permission", f"mode watch cannot be done through the kernel's neighbour table. {HOW_TO_GET_RIGHTS}."
            )
        groups: dict[tuple[int, bool], list[_watch.Watched]] = {}
        by_text: dict[str, _watch.Watched] = {}
        forbidden = self._asked
        for one in self.request.wanted:
            place = self.places[one.address]
            interface = place.choice.interface
            if interface is None:
                continue
            frame = self._frame_from(interface, one.address, source, forbidden, None)
            watched = _watch.Watched(one.address, frame, frozenset(place.answers))
            by_text[address_text(one.address)] = watched
            groups.setdefault((interface.index, len(one.address) == 16), []).append(watched)
        # never faster than the rate allows, whatever interval was asked for
        rate = self.request.settings.ceiling or self.request.settings.rate
        interval = max(watch.interval, len(by_text) * 1_000_000_000 // rate)
        ports: list[sweep.Port] = []
        lanes: list[_watch.WatchLane] = []
        drops = 0
        started_at = self.clock.wall()
        try:
            for (index, ipv6), members in groups.items():
                port = self._open_port(self.table.by_index[index], ipv6, True)
                ports.append(port)
                lanes.append(_watch.WatchLane(port, ipv6, self.table.by_index[index].mac, members))
            _watch.run(lanes, self.clock, watch.duration, interval, watch.until)
        finally:
            for port in ports:
                drops += port.drops()
                port.close()
        ended_at = self.clock.wall()
        self.frames += sum(lane.frames for lane in lanes)
        self.drops += drops
        for target in targets:
            story = by_text.get(target["address"])
            target["watch"] = self._story(story, nodes, started_at) if story is not None else None
        return {
            "started_at": round(started_at / 1e9, 3),
            "seconds": round((ended_at - started_at) / 1e9, 3),
            "interval_ms": round(interval / 1e6, 1),
            "local_drops": drops,
        }

    def _story(self, story: _watch.Watched, nodes: dict[bytes, str], started_at: int) -> dict[str, Any]:
        by_text = {mac_text(mac): name for mac, name in nodes.items()}
        events = []
        for event in sorted(story.events, key=lambda one: int(one["wall"])):
            told = {
                "event": event["event"],
                "at": round(event["wall"] / 1e9, 4),
                "at_ms": round((event["wall"] - started_at) / 1e6, 2),
                **{key: event[key] for key in event if key not in ("event", "wall")},
            }
            told["nodes"] = sorted({by_text[mac] for mac in event["macs"] if mac in by_text})
            events.append(told)
        return {
            "before": sorted(mac_text(mac) for mac in story.before),
            "after": sorted(mac_text(mac) for mac in story.answering),
            "nodes_before": sorted({nodes[mac] for mac in story.before if mac in nodes}),
            "nodes_after": sorted({nodes[mac] for mac in story.answering if mac in nodes}),
            "changes": story.changes,
            "announcements": {mac_text(mac): count for mac, count in sorted(story.announcements.items())},
            "requests": story.requests,
            "answered": story.answered,
            "longest_gap_ms": round(story.longest_gap / 1e6, 2),
            "events": events,
        }

    def _by_connection(self) -> dict[str, Any]:
        """Where neither raw sockets nor netlink are: is anybody there?"""
        timeout = max(1_000_000_000, sum(self.request.settings.timeouts))
        addresses = [one.address for one in self.request.wanted]
        for address, touch in _touch.by_connection(addresses, timeout).items():
            place = self.places[address] = _Place(address, Choice(None, False, "platform", ""))
            place.touched = touch
        for node in self.request.nodes:
            for address in node.addresses:
                if address not in self.places:
                    self.places[address] = _Place(address, Choice(None, False, "platform", ""))
        return self._result({})

    def _without_raw(self, why: str) -> None:
        self.method = "neighbour"
        places = {
            place.address: (place.choice.interface.name, place.choice.interface.index)
            for place in self.places.values()
            if place.choice.interface is not None
        }
        timeouts = self.request.settings.timeouts
        touched = _touch.by_neighbour_table(places, max(3_200_000_000, sum(timeouts)), 2)
        for address, touch in touched.items():
            self.places[address].touched = touch
        self.reasons.append(
            f"{why} Asked through the kernel's neighbour table instead, which shows one MAC per address at most: a "
            "second host with the same address, the time of an answer, and an address in use by a host that the "
            "kernel confuses with an older entry cannot be seen."
        )

    # -- whose MAC it is

    def _learn(self) -> None:
        """MACs of nodes whose own address is silent, from the neighbour table of this host: who talked to a node has it.

        Where broadcast is lost on the way to a node, its own address is silent as well, and this is how it can be asked alone.
        """
        silent: dict[bytes, int] = {}
        for node in self.request.nodes:
            places = [self.places[address] for address in node.addresses]
            if node.macs or any(self._macs_of(place) for place in places):
                continue
            for place in places:
                if place.choice.interface is not None:
                    silent[place.address] = place.choice.interface.index
        if silent:
            for address, mac in self._learnt(silent).items():
                self.places[address].learnt = mac

    def _macs_of(self, place: _Place) -> list[bytes]:
        if place.choice.reason == "local":
            own = self.table.own.get(place.address)
            return [own.mac] if own is not None and len(own.mac) == 6 else []
        if place.touched is not None:
            return [place.touched.mac] if place.touched.mac is not None else []
        return list(place.answers)

    def _nodes(self, proxies: frozenset[bytes]) -> dict[bytes, str]:
        """MAC -> node. A MAC that answers for addresses of two nodes, or for those of nobody (``proxies``), names
        none."""
        claims: dict[bytes, set[str]] = {}
        for node in self.request.nodes:
            for mac in node.macs:
                claims.setdefault(mac, set()).add(node.name)
            for address in node.addresses:
                for mac in self._macs_of(self.places[address]):
                    claims.setdefault(mac, set()).add(node.name)
                learnt = self.places[address].learnt
                if learnt is not None:
                    claims.setdefault(learnt, set()).add(node.name)
        return {mac: next(iter(names)) for mac, names in claims.items() if len(names) == 1 and mac not in proxies}

    def _proxies(self) -> frozenset[bytes]:
        """MACs that answered for a canary: to broadcast, or when asked alone."""
        known = {one.address for one in self.request.wanted} | {
            a for node in self.request.nodes for a in node.addresses
        }
        return frozenset(
            mac
            for address, place in self.places.items()
            if address in self.request.canaries or address not in known
            for mac in [*place.answers, *(mac for mac, query in place.unicast if query.answers)]
        )

    def _ask_alone(self, nodes: dict[bytes, str], source: bytes) -> None:
        """The second phase: the same questions to one MAC each.

        MetalLB answers a unicast request only on the node that announces (v0.15.3, arp.go: destination must be broadcast
        or the interface's own MAC; announcer.go shouldAnnounce), so this needs no broadcast to get through.
        """
        request = self.request
        if request.unicast == "never":
            return
        asks: list[tuple[Interface, _Place, bytes]] = []
        strangers: dict[tuple[int, bool], set[bytes]] = {}
        node_macs: dict[int, set[bytes]] = {}
        # first those with an expected node, which matter most where there are too many to ask
        for one in sorted(request.wanted, key=lambda each: not each.expected):
            place = self.places[one.address]
            interface = place.choice.interface
            if interface is None:
                continue
            macs = set(place.answers)
            unknown = {mac for mac in macs if mac not in nodes} if request.nodes else set()
            doubt = (
                len(macs) != 1
                or bool(unknown)
                or bool(one.expected and request.nodes and nodes.get(next(iter(macs))) != one.expected)
            )
            if request.unicast == "always" or doubt:
                if interface.index not in node_macs:
                    node_macs[interface.index] = self._on_segment(nodes, interface.index)
                # every node's MAC on this segment, and who answered already
                alone = sorted(node_macs[interface.index] | macs)
                if request.unicast == "auto" and len(asks) + len(alone) > _MOST_ALONE:
                    self.not_asked_alone += 1
                else:
                    asks.extend((interface, place, mac) for mac in alone)
            if unknown:
                strangers.setdefault((interface.index, len(one.address) == 16), set()).update(unknown)
        for node in request.nodes:
            for address in node.addresses:
                place = self.places[address]
                if len(place.answers) > 1 and place.choice.interface is not None:
                    key = (place.choice.interface.index, len(address) == 16)
                    strangers.setdefault(key, set()).update(place.answers)
        # a silent node whose MAC is known: does it live, and is only broadcast lost?
        for node in request.nodes:
            places = [self.places[address] for address in node.addresses]
            if any(self._macs_of(place) for place in places):
                continue
            for place in places:
                if place.choice.interface is None:
                    continue
                mine = {*node.macs, *([place.learnt] if place.learnt is not None else [])}
                asks.extend((place.choice.interface, place, mac) for mac in sorted(mine) if mac in nodes)
        for (index, ipv6), macs in strangers.items():
            # a proxy answers unicast at once, while it may delay its answer to broadcast by 800 ms
            # (net.ipv4.neigh.*.proxy_delay)
            canary = self._canary(index, ipv6)
            if canary is not None:
                asks.extend((self.table.by_index[index], canary, mac) for mac in sorted(macs))
        groups: dict[tuple[int, bool], list[sweep.Query]] = {}
        forbidden = self._asked
        link_locals = {
            answer.mac: answer.source
            for place in self.places.values()
            for answer in place.answers.values()
            if answer.source is not None and is_link_local(answer.source)
        }
        for interface, place, mac in asks:
            if mac == interface.mac:
                continue
            frames = [self._frame_from(interface, place.address, source, forbidden, mac)]
            if len(place.address) == 16:
                # First to its link-local address, where a speaker listens even if it has lost the solicited-node
                # group (MetalLB forgets it when the interface was down for longer than its scan, ndp.go v0.15.3); then
                # to the group, in case that address is a privacy one that we do not know.
                own = source if len(source) == 16 and any(source) else source_for(interface, place.address, forbidden)
                link_local = link_locals.get(mac) or ndp.eui64_link_local(mac)
                frames.insert(0, ndp.solicitation(interface.mac, own, place.address, mac, link_local))
            query = sweep.Query(place.address, *frames, only=mac)
            place.unicast.append((mac, query))
            groups.setdefault((interface.index, len(place.address) == 16), []).append(query)
        if groups:
            # each node's queue gets only its own questions
            rate = min(request.settings.fast_rate, request.settings.rate * len({mac for _i, _p, mac in asks}))
            settings = sweep.Settings(
                request.settings.timeouts if self.slow else request.settings.timeouts[:2],
                min(request.settings.window, 100 * sweep.MILLISECOND),
                request.settings.burst,
                rate,
                rate,
                request.settings.ceiling,
                request.settings.quick_end,
            )
            self._go(
                [(self.table.by_index[index], ipv6, queries) for (index, ipv6), queries in groups.items()], settings
            )

    def _on_segment(self, nodes: dict[bytes, str], index: int) -> set[bytes]:
        """The nodes' MACs that were heard on that interface, and those heard nowhere, which the user gave."""
        heard: dict[bytes, set[int]] = {}
        for place in self.places.values():
            if place.choice.interface is not None:
                for mac in place.answers:
                    heard.setdefault(mac, set()).add(place.choice.interface.index)
        return {mac for mac in nodes if mac not in heard or index in heard[mac]}

    def _canary(self, index: int, ipv6: bool) -> _Place | None:
        """The place of a canary on that interface: the user's, or an address that is for documentation only (RFC 5737,
        3849)."""
        for address in self.request.canaries:
            choice = self.places[address].choice
            if len(address) == (16 if ipv6 else 4) and choice.interface is not None and choice.interface.index == index:
                return self.places[address]
        address = socket.inet_pton(
            socket.AF_INET6 if ipv6 else socket.AF_INET, _DOCUMENTATION_NETWORKS[1 if ipv6 else 0]
        )
        interface = self.table.by_index[index]
        if address in self.places or interface.holds_network_of(address) >= 0:
            return None
        place = self.places[address] = _Place(address, Choice(interface, True))
        return place

    # -- telling

    def _answer_facts(self, answer: sweep.Answer, nodes: dict[bytes, str]) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "mac": mac_text(answer.mac),
            "node": nodes.get(answer.mac, ""),
            "rtt_us": answer.rtt // 1000 if answer.rtt is not None else None,
            "late_us": answer.late // 1000,
            "count": answer.count,
            "broadcast": answer.broadcast,
        }
        if self.request.conflict:
            facts["announced"] = answer.announced
        if answer.ethernet_source != answer.mac:
            facts["ethernet_source"] = mac_text(answer.ethernet_source)
        if answer.source is not None:
            facts["source"] = address_text(answer.source)
            facts["flags"] = list(answer.flags)
        return facts

    def _answers_of(self, place: _Place, nodes: dict[bytes, str]) -> list[dict[str, Any]]:
        found = self._bare_answers_of(place, nodes)
        for answer in found:
            if not answer["node"] and (self.request.nodes or self.request.conflict):
                answer["vendor"] = self._vendor(answer["mac"])
        return found

    def _vendor(self, mac: str) -> str:
        if mac not in self._vendors:
            self._vendors[mac] = vendor_of(bytes.fromhex(mac.replace(":", "")))
        return self._vendors[mac]

    def _bare_answers_of(self, place: _Place, nodes: dict[bytes, str]) -> list[dict[str, Any]]:
        if place.choice.reason == "local":
            return [
                {
                    "mac": mac_text(mac),
                    "node": nodes.get(mac, ""),
                    "rtt_us": None,
                    "late_us": 0,
                    "count": 0,
                    "broadcast": False,
                    "local": True,
                }
                for mac in self._macs_of(place)
            ]
        if place.touched is not None:
            touch = place.touched
            if touch.mac is None:
                return []
            return [
                {
                    "mac": mac_text(touch.mac),
                    "node": nodes.get(touch.mac, ""),
                    "rtt_us": None,
                    "late_us": None,
                    "count": 1,
                    "broadcast": False,
                    "state": touch.state,
                    "fresh": touch.fresh,
                }
            ]
        answers = list(place.answers.values())
        if len(answers) > 1:
            answers.sort(key=lambda one: one.late)
        return [self._answer_facts(answer, nodes) for answer in answers]

    def _result(self, nodes: dict[bytes, str]) -> dict[str, Any]:
        request = self.request
        by_text = {mac_text(mac): name for mac, name in nodes.items()}
        node_facts, unresolved = self._node_facts(by_text)
        proxies = sorted(self._proxies())
        own_macs = {mac_text(interface.mac) for interface in self.table.interfaces if len(interface.mac) == 6}
        is_node = sorted({name for mac, name in by_text.items() if mac in own_macs})
        targets = [self._target(one, nodes, by_text, not unresolved, is_node, proxies) for one in request.wanted]
        if self.drops and any(not target["answered"] for target in targets):
            self.reasons.append(
                f"This host's kernel dropped {self.drops} answers before they were read, so silence may be our own "
                "loss. Ask fewer addresses at once, or lower rate and burst."
            )
        if (
            is_node
            and not request.conflict
            and any(target["outcome"] in ("silent", "other-node") for target in targets)
        ):
            self.reasons.append(
                f"This host is node {', '.join(is_node)} itself: what its own speaker answers never reaches the wire "
                "here. Probe from a host that is no node."
            )
        off = [target["address"] for target in targets if target["outcome"] == "not-asked"]
        if off:
            self.reasons.append(
                f"{len(off)} of {len(targets)} addresses could not be asked from here: "
                f"{', '.join(off[:5])}{' …' if len(off) > 5 else ''}."
            )
        unproven = [t["address"] for t in targets if t["outcome"] != "not-asked" and not t["conclusive"]]
        if unproven and not self.reasons:
            self.reasons.append(
                f"For {', '.join(unproven[:5])}{' …' if len(unproven) > 5 else ''} the answers prove nothing; see "
                "the message of each."
            )
        used = {target["interface"] for target in targets} | {node["interface"] for node in node_facts}
        return {
            "targets": targets,
            "nodes": by_text,
            "node_addresses": node_facts,
            "proxies": [mac_text(mac) for mac in proxies],
            "interfaces": {name: self.table.by_name[name].facts() for name in sorted(used) if name},
            "method": self.method,
            "conclusive": not self.reasons,
            "inconclusive_reasons": list(self.reasons),
            "inconclusive_reason": " ".join(self.reasons),
            "statistics": {
                "frames_sent": self.frames,
                "answers": self.answers,
                "malformed": self.malformed,
                "local_drops": self.drops,
                "send_errors": self.send_errors,
                "rounds": self.rounds,
                "slow_responder": self.slow,
                "not_asked_alone": self.not_asked_alone,
            },
        }

    def _node_facts(self, by_text: dict[str, str]) -> tuple[list[dict[str, Any]], list[str]]:
        """The nodes' own addresses, and the names of nodes of which no MAC is known."""
        facts = []
        unresolved = []
        for node in self.request.nodes:
            known = bool(node.macs)
            for address in node.addresses:
                place = self.places[address]
                macs = [mac_text(mac) for mac in self._macs_of(place)]
                known = known or any(by_text.get(mac) == node.name for mac in macs)
                learnt = mac_text(place.learnt) if place.learnt is not None else ""
                known = known or by_text.get(learnt) == node.name
                alone = any(query.answers for _mac, query in place.unicast)
                facts.append(
                    {
                        "name": node.name,
                        "address": address_text(address),
                        "family": family_of(address),
                        "interface": place.choice.interface.name if place.choice.interface is not None else "",
                        "answered": bool(macs),
                        "answered_alone": alone,
                        "macs": macs,
                        "learnt_mac": learnt,
                        "duplicate": len(macs) > 1,
                        "reason": place.choice.reason,
                        "message": place.choice.message or _node_message(node.name, address, bool(macs), alone),
                    }
                )
            if not known:
                unresolved.append(node.name)
        return facts, unresolved

    def _target(
        self,
        one: Wanted,
        nodes: dict[bytes, str],
        by_text: dict[str, str],
        complete: bool,
        is_node: list[str],
        proxies: list[bytes],
    ) -> dict[str, Any]:
        request = self.request
        place = self.places[one.address]
        choice = place.choice
        interface = choice.interface
        if interface is None and choice.reason == "local":
            interface = self.table.own.get(one.address)
        asked = choice.interface is not None or choice.reason in ("local", "platform")
        answers = self._answers_of(place, nodes)
        macs = [answer["mac"] for answer in answers]
        alone = [mac_text(mac) for mac, query in place.unicast if query.answers]
        alive = place.touched is not None and place.touched.alive
        tries = place.query.tries if place.query is not None else 0
        address = address_text(one.address)
        where = interface.name if interface is not None else ""
        conclusive = asked and choice.on_link and self.method == "raw" and not (self.drops and not macs)
        if request.conflict:
            word = "not-asked" if not asked else "in-use" if macs or alive else "free" if conclusive else "unproven"
        else:
            word = verdict.outcome(
                asked, macs, by_text, one.expected, bool(request.nodes), complete, alone, choice.reason == "local"
            )
            if alive and not macs:
                word = "unknown-node"
            if is_node and word in ("silent", "other-node"):
                conclusive = False
        if macs and self.method == "raw":
            conclusive = True  # an answer proves more than silence does
        heard = sorted({*macs, *alone}) if alone or len(macs) > 1 else macs
        return {
            "address": address,
            "family": family_of(one.address),
            "names": one.names,
            "interface": where,
            "vlan": interface.vlan if interface is not None else None,
            "asked": asked,
            "on_link": choice.on_link,
            "answered": bool(macs) or alive,
            "answers": answers,
            "macs": macs,
            "node": by_text.get(macs[0], "") if len(macs) == 1 else "",
            "answering_nodes": sorted({by_text[mac] for mac in heard if mac in by_text}),
            "duplicate": len(macs) > 1,
            "expected": one.expected or "",
            "unicast": [
                {
                    "mac": mac_text(mac),
                    "node": nodes.get(mac, ""),
                    "answered": bool(query.answers),
                    "rtt_us": next((a.rtt // 1000 for a in query.answers.values() if a.rtt is not None), None),
                }
                for mac, query in place.unicast
            ],
            "proxy": bool(proxies) and any(mac_text(mac) in macs for mac in proxies),
            "tries": tries,
            "outcome": word,
            "finding": verdict.finding(word, conclusive),
            "conclusive": conclusive,
            "reason": choice.reason,
            "message": choice.message or verdict.sentence(word, address, where, heard, by_text, one.expected, tries),
        }


def _node_message(name: str, address: bytes, answered: bool, alone: bool) -> str:
    if answered:
        return ""
    how = "answers only when it is asked alone" if alone else "does not answer"
    return f"{address_text(address)} of node {name} {how}."


def probe(request: Request) -> dict[str, Any]:
    """Sweep once on this host's real interfaces."""
    return Probe(request).run()
