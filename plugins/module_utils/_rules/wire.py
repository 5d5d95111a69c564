# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Rules about what the wire says (MLB6xx), over results of l2_probe and service_probe."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import Address, format_address
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import (
    Context,
    Judge,
    Skip,
    listing,
    plural,
    service_ref,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.wire_facts import PortResult, WireTarget
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import Outcome

NOT_ASKED = (
    "the LAN was not asked: give the result of l2_probe as the option wire (roles: a host in group metallb_probes)"
)
# What on the API's side explains silence.
SILENCE = ("MLB507", "MLB508", "MLB509", "MLB511", "MLB512", "MLB405", "MLB406", "MLB204", "MLB102")


def _looked(context: Context) -> list[tuple[Address, Service, WireTarget]]:
    """What was asked for on behalf of services, as far as answers or silence mean something."""
    if not context.options.wire.looked:
        raise Skip(NOT_ASKED)
    return [
        (address, holders[0], target)
        for address, target in sorted(context.options.wire.targets.items())
        for holders in [context.snapshot.holders.get(address)]
        if holders and target.asked
    ]


def _evidence(address: Address, target: WireTarget) -> dict[str, object]:
    return {"address": format_address(address), "macs": list(target.macs), "nodes": list(target.nodes)}


def _heard(target: WireTarget) -> list[str]:
    """Nodes that answered, to everybody or alone."""
    return list(dict.fromkeys([*target.nodes, *target.alone]))


def no_answer(context: Context) -> Iterator[Finding]:
    wire = context.options.wire
    for address, service, target in _looked(context):
        if target.answered or target.alone or target.outcome == "unproven":
            continue
        elected = context.elect(service)
        who = f"; {elected.winner} is elected" if elected is not None and elected.winner else ""
        if not wire.conclusive:
            # Found out elsewhere (MLB608); the kernel's table alone does not prove silence.
            continue
        alone = len(target.asked_alone)
        also = f", nor does any of {plural(alone, 'node')} that was asked alone" if alone else ""
        causes = _own_causes(context, elected) if elected is not None else SILENCE
        yield Finding(
            "MLB601",
            service_ref(service),
            f"nobody answers {'neighbour discovery' if address[0] == 6 else 'ARP'} for {format_address(address)}{also}{who}",
            fix="" if causes else _silence_fix(context, address, service, alone),
            evidence={**_evidence(address, target), "asked_alone": list(target.asked_alone)},
            caused_by=causes,
        )


def _silence_fix(context: Context, address: Address, service: Service, alone: int) -> str:
    """What to do about an address that is silent while the API's side looks well."""
    others = [context.options.wire.targets.get(one) for one in service.ingress if one[0] != address[0]]
    if address[0] == 6 and any(other is not None and _heard(other) for other in others):
        return (
            "IPv4 answers and IPv6 does not: the interface has no link-local address (IPv6 switched off), or it was down for a while "
            "and the speaker has lost its multicast group. Restart that speaker (module l2ops.metallb.speaker_restart); if that "
            "does not help, see the node's IPv6 addresses."
        )
    if alone:
        return (
            "By the API somebody ought to announce it, and no node does: see the speakers' logs, and whether they run with the "
            "configuration that the API shows (module l2ops.metallb.speaker_restart)."
        )
    return ""


def _own_causes(context: Context, outcome: Outcome) -> tuple[str, ...]:
    """Only what is wrong with this very service explains its silence."""
    codes = {
        "no-endpoints": ("MLB508",),
        "no-local-endpoint": ("MLB507",),
        "no-candidate": ("MLB509",),
        "no-advertisement": ("MLB509",),
        "no-pool": ("MLB512",),
    }.get(outcome.verdict, ())
    if context.cannot_announce(outcome.service):
        codes = (*codes, "MLB511", "MLB405")
    node = context.snapshot.nodes.get(outcome.winner or "")
    if node is not None and node.ready is not True:
        codes = (*codes, "MLB204")
    if outcome.winner is not None and _lacks_interface(context, outcome, outcome.winner):
        codes = (*codes, "MLB405", "MLB406")
    return codes


def _lacks_interface(context: Context, outcome: Outcome, node: str) -> bool:
    links = context.options.links.get(node)
    names = context.elector.interfaces_on(outcome.advertisements, node)
    if links is None or names is None:
        return False
    return not any(link.name in names and link.up and link.arp and not link.master for link in links)


def foreign_answer(context: Context) -> Iterator[Finding]:
    wire = context.options.wire
    for address, service, target in _looked(context):
        # Without the nodes' MACs nobody can be called foreign; an unknown MAC may be a node's whose own address was silent.
        if not target.foreign or not wire.nodes_known or target.outcome == "unknown-node":
            continue
        beside = f", beside {listing(target.nodes)}" if target.nodes else ""
        yield Finding(
            "MLB602",
            service_ref(service),
            f"{listing(target.foreign)} answers for {format_address(address)}{beside}, and is no node's: "
            + (
                "a proxy, which answers for addresses that nobody has, too"
                if target.proxy
                else "another host has the address, or a proxy answers for it"
            ),
            fix="Switch off proxy ARP (or the NDP proxy) on that router or host."
            if target.proxy
            else f"Find the host with the MAC {target.foreign[0]} (switch table, DHCP server) and take the address from it, or take "
            f"{format_address(address)} out of the pool.",
            evidence={**_evidence(address, target), "foreign": list(target.foreign)},
        )


def many_answers(context: Context) -> Iterator[Finding]:
    everybody = len(context.snapshot.nodes)
    for address, service, target in _looked(context):
        heard = _heard(target)
        if len(heard) < 2:
            continue
        outcome = context.elector.outcome(service)
        unfit = [node for node in heard if outcome.base is not None and node not in outcome.candidates]
        if len(heard) == everybody > 2:
            hint = "all nodes do, as with kube-proxy in mode ipvs without strictARP or a second announcer"
        elif unfit:
            hint = "nodes that may not announce it answer as well, as with kube-proxy in mode ipvs without strictARP or a second announcer"
        else:
            hint = "all of them may announce it, so the speakers do not see each other (TCP and UDP port 7946)"
        yield Finding(
            "MLB603",
            service_ref(service),
            f"{len(heard)} nodes answer for {format_address(address)} ({listing(heard)}): {hint}",
            evidence={**_evidence(address, target), "may_not_announce": unfit},
            caused_by=("MLB110", "MLB109"),
        )


def other_node(context: Context) -> Iterator[Finding]:
    for address, service, target in _looked(context):
        heard = _heard(target)
        if len(heard) != 1 or target.foreign:
            continue
        elected = context.elect(service)
        if elected is None or elected.winner is None or elected.winner == heard[0]:
            continue
        stale = [one for one in context.snapshot.l2_statuses.get(service.key, ()) if one.node == heard[0]]
        failed = context.cannot_announce(service)
        yield Finding(
            "MLB604",
            service_ref(service),
            f"{heard[0]} answers for {format_address(address)}, the election gives {elected.winner}"
            + (", and ServiceL2Status agrees with the wire" if stale else ""),
            evidence={**_evidence(address, target), "elected": elected.winner},
            caused_by=("MLB511", "MLB405") if failed or _lacks_interface(context, elected, elected.winner) else (),
            changed=max(
                (
                    context.snapshot.nodes[name].changed
                    for name in (heard[0], elected.winner)
                    if name in context.snapshot.nodes
                ),
                default=0.0,
            ),
        )


def free_address_in_use(context: Context) -> Iterator[Finding]:
    wire = context.options.wire
    if not wire.looked:
        raise Skip(NOT_ASKED)
    nodes = context.snapshot.node_address_index
    for address, target in sorted(wire.targets.items()):
        if not target.answered or address in context.snapshot.holders:
            continue
        pool = context.snapshot.pool_of([address])
        if pool is None or address in nodes:
            continue
        wants = [one for one in context.snapshot.balanced if address in one.wanted_addresses()[0]]
        yield Finding(
            "MLB605",
            Ref("Address", "", format_address(address)),
            f"no service has it, and {listing([*target.nodes, *target.foreign] or target.macs)} answers for it; it is free in pool "
            f"{pool.name}" + (f", and {wants[0].path} asks for it" if wants else ""),
            evidence={**_evidence(address, target), "pool": pool.name},
        )


def service_refuses(context: Context) -> Iterator[Finding]:
    wire = context.options.wire
    if not wire.ports:
        raise Skip(
            "no port was asked: give the result of service_probe as the option ports (roles: a host in group metallb_probes)"
        )
    wrong: dict[tuple[str, str], list[PortResult]] = {}
    asked: set[tuple[str, str]] = set()
    for service in context.snapshot.balanced:
        for one in wire.ports_of(service):
            asked.add(service.key)
            if not one.ok:
                wrong.setdefault(service.key, []).append(one)
    refused = {key for key, found in wrong.items() if any(one.failure in ("refused", "timeout") for one in found)}
    everywhere = len(asked) > 1 and refused == asked
    for key, found in sorted(wrong.items()):
        service = context.snapshot.services[key]
        targets = [wire.targets.get(address) for address in service.ingress]
        silent = any(
            target is not None and target.asked and not target.answered and not target.alone for target in targets
        )
        outcome = context.elector.outcome(service)
        causes: tuple[str, ...] = ()
        if silent or (not wire.looked and outcome.verdict != "announced"):
            causes = ("MLB601", *_own_causes(context, outcome))
        elif any(target is not None and (target.foreign or len(_heard(target)) > 1) for target in targets):
            causes = ("MLB602", "MLB603")
        for one in found:
            text = f"{format_address(one.address)}:{one.port}" if one.address else f"port {one.port}"
            what = (
                f"HTTP status {one.http_status}" if one.failure == "status" else one.failure or "no answer as expected"
            )
            yield Finding(
                "MLB606",
                service_ref(service),
                f"{text} ({one.protocol}): {what}"
                + (f": {one.message}" if one.message else "")
                + ("; so it is for every service that was asked" if everywhere else ""),
                fix="kube-proxy has most likely lost its rules: kubectl -n kube-system rollout restart daemonset kube-proxy"
                if everywhere and not causes
                else _port_fix(one, service),
                evidence={
                    "port": one.port,
                    "protocol": one.protocol,
                    "failure": one.failure,
                    "http_status": one.http_status,
                },
                caused_by=causes,
            )


def _port_fix(one: PortResult, service: Service) -> str:
    listens = f"See whether its pods listen: kubectl -n {service.namespace} describe endpointslices, and the service's targetPort."
    return {
        "refused": f"The node refuses: kube-proxy has no rule for it, or no pod listens. {listens}",
        "timeout": "Something drops the packets: a network policy, a firewall on the node, or the way back "
        "(with several interfaces, source routing or rp_filter).",
        "tls": "The port answers but not with a trusted TLS handshake: see its certificate, or do not verify it.",
        "status": "The service answers; its application says no. See its logs, or the status that is expected.",
    }.get(one.failure, listens)


def stale_announcement(context: Context) -> Iterator[Finding]:
    for address, service, target in _looked(context):
        heard = _heard(target)
        if not heard:
            continue
        outcome = context.elector.outcome(service)
        causes = _own_causes(context, context.elect(service) or outcome)
        lacking = [node for node in heard if _lacks_interface(context, outcome, node)]
        failed = context.cannot_announce(service)
        if outcome.verdict == "announced" and not failed and not lacking:
            continue
        if outcome.pool is not None and not outcome.advertisements and outcome.pool.name in context.bgp_pools:
            continue
        if failed:
            why = "a speaker said that it could not announce it"
        elif lacking:
            why = f"{lacking[0]} has none of the advertised interfaces that could answer"
        else:
            why = "by its configuration nobody may announce it"
        yield Finding(
            "MLB607",
            service_ref(service),
            f"{listing(heard)} still answers for {format_address(address)}, though {why}: it goes silent when that speaker restarts",
            evidence={**_evidence(address, target), "verdict": outcome.verdict},
            caused_by=causes,
        )


def probe_not_on_link(context: Context) -> Iterator[Finding]:
    wire = context.options.wire
    if not wire.looked:
        raise Skip(NOT_ASKED)
    blind: dict[str, list[Address]] = {}
    for address, target in sorted(wire.targets.items()):
        if not target.asked:
            blind.setdefault(target.reason or "not-asked", []).append(address)
    for reason, addresses in sorted(blind.items()):
        told = wire.targets[addresses[0]].message
        yield Finding(
            "MLB608",
            Ref("Address", "", format_address(addresses[0])),
            f"the probing host cannot tell who answers for {listing([format_address(one) for one in addresses])} ({reason})"
            + (f": {told}" if told else ""),
            evidence={"addresses": [format_address(one) for one in addresses[:20]], "reason": reason},
        )
    if not wire.conclusive and not blind:
        yield Finding(
            "MLB608",
            Ref("Host", "", "probe"),
            f"the probing host cannot tell for sure: {wire.why_inconclusive or 'its answers are not conclusive'}",
            severity="warning",
        )


def broadcast_lost(context: Context) -> Iterator[Finding]:
    for address, service, target in _looked(context):
        if not target.answered and target.alone:
            yield Finding(
                "MLB609",
                service_ref(service),
                f"{listing(target.alone)} answers for {format_address(address)} when asked alone, but not to "
                + ("multicast" if address[0] == 6 else "broadcast"),
                evidence={**_evidence(address, target), "answered_alone": list(target.alone)},
            )


def one_node_twice(context: Context) -> Iterator[Finding]:
    for address, service, target in _looked(context):
        if len(target.macs) > 1 and len(_heard(target)) == 1 and not target.foreign:
            yield Finding(
                "MLB610",
                service_ref(service),
                f"{target.nodes[0] if target.nodes else _heard(target)[0]} answers for {format_address(address)} with "
                f"{len(target.macs)} MACs ({listing(target.macs)})",
                evidence=_evidence(address, target),
                caused_by=("MLB404", "MLB407"),
            )


_ANNOUNCED = ("services", "ipaddresspools", "l2advertisements", "nodes", "pods", "endpointslices")
RULES = (
    Judge("MLB601", ("services",), no_answer),
    Judge("MLB602", ("services",), foreign_answer),
    Judge("MLB603", ("services", "nodes"), many_answers),
    Judge("MLB604", _ANNOUNCED, other_node),
    Judge("MLB605", ("services", "ipaddresspools"), free_address_in_use),
    Judge("MLB606", ("services",), service_refuses),
    Judge("MLB607", _ANNOUNCED, stale_announcement),
    Judge("MLB608", (), probe_not_on_link),
    Judge("MLB609", ("services",), broadcast_lost),
    Judge("MLB610", ("services",), one_node_twice),
)
