# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Rules about what the wire says (MLB6xx), over results of l2_probe and service_probe."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import Address, format_address
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import listing
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import (
    Context,
    Rule,
    Skip,
    plural,
    service_ref,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.readings import Reading, prediction_doubted, readings
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.wire_facts import PortResult, WireTarget
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import ElectionResult

NOT_ASKED = (
    "the LAN was not asked: give the result of l2_probe as the option wire (roles: a host in group metallb_probes)"
)
# What on the API's side explains silence.
SILENCE = ("MLB507", "MLB508", "MLB509", "MLB511", "MLB512", "MLB405", "MLB406", "MLB204", "MLB102")


def _looked(context: Context) -> list[Reading]:
    """What was asked for on behalf of services."""
    if not context.options.wire.looked:
        raise Skip(NOT_ASKED)
    return [one for one in readings(context) if one.target.asked]


def _evidence(address: Address, target: WireTarget) -> dict[str, object]:
    return {"address": format_address(address), "macs": list(target.macs), "nodes": list(target.nodes)}


def no_answer(context: Context) -> Iterator[Finding]:
    wire = context.options.wire
    for one in _looked(context):
        address, target = one.address, one.target
        if one.outcome != "silent" or not target.conclusive:
            # Silence that proves nothing is the probe's matter (MLB608).
            continue
        alone = len(target.asked_alone)
        also = f", nor does any of {plural(alone, 'node')} that {_were(alone)} asked alone" if alone else ""
        for service in one.services:
            result = context.elect(service)
            elected_node = result.elected_node if result is not None else None
            who = f"; {elected_node} is elected" if elected_node else ""
            causes = _own_causes(context, result) if result is not None else SILENCE
            if elected_node in wire.nodes_silent:
                who += f", and its own address {wire.nodes_silent[str(elected_node)]} does not answer either"
                causes = (*causes, "MLB611")
            elif elected_node and elected_node in wire.nodes_unknown:
                who += ", which could not be asked alone, since its MAC is not known"
            yield Finding(
                "MLB601",
                service_ref(service),
                f"nobody answers {'neighbour discovery' if address[0] == 6 else 'ARP'} for {format_address(address)}{also}{who}",
                fix="" if causes else _silence_fix(context, address, service, target, elected_node or ""),
                evidence={**_evidence(address, target), "asked_alone": list(target.asked_alone)},
                caused_by=causes,
            )


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _silence_fix(context: Context, address: Address, service: Service, target: WireTarget, elected_node: str) -> str:
    """What to do about an address that is silent while the API's side looks well."""
    others = [context.options.wire.targets.get(one) for one in service.ingress if one[0] != address[0]]
    if address[0] == 6 and any(other is not None and other.heard for other in others):
        return (
            "IPv4 answers and IPv6 does not: the interface has no link-local address (IPv6 is off), or it was down for a while "
            "and the speaker has lost its multicast group. Restart that speaker (module l2ops.metallb.speaker_restart); if that "
            "does not help, see the node's IPv6 addresses."
        )
    look = f"tcpdump -ni INTERFACE {'icmp6' if address[0] == 6 else 'arp'} and host {format_address(address)}"
    where = f"on {elected_node}" if elected_node else "on the node that should answer"
    if elected_node and elected_node in target.asked_alone:
        return (
            f"By the API {elected_node} announces it, and it does not answer, even when it is asked alone. Run {look} {where}: if it "
            "shows no answer, see that speaker's log and restart it (module l2ops.metallb.speaker_restart); if it shows "
            "answers, they are lost between the node and the probe host (spoofing protection of a virtual switch, ARP inspection)."
        )
    return (
        f"Run {look} {where} while you probe again: if no request arrives, broadcast is lost on the way (switch, access point, a "
        "filter of the CNI or of the node); if requests arrive and no answer leaves, see the speaker's log; if answers leave, "
        "they are lost on the way back."
    )


def _own_causes(context: Context, outcome: ElectionResult) -> tuple[str, ...]:
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
    node = context.snapshot.nodes.get(outcome.elected_node or "")
    if node is not None and node.ready is not True:
        codes = (*codes, "MLB204")
    if outcome.elected_node is not None and _lacks_interface(context, outcome, outcome.elected_node):
        codes = (*codes, "MLB405", "MLB406")
    return codes


def _lacks_interface(context: Context, outcome: ElectionResult, node: str) -> bool:
    links = context.options.links.get(node)
    names = context.election.interfaces_on(outcome.advertisements, node)
    if links is None or names is None:
        return False
    return not any(link.name in names and link.up and link.arp and not link.master for link in links)


def foreign_answer(context: Context) -> Iterator[Finding]:
    for one in _looked(context):
        address, target = one.address, one.target
        if one.outcome != "foreign":
            continue
        text = format_address(address)
        strangers = listing(target.strangers)
        beside = f", beside {listing(one.nodes)}" if one.nodes else ""
        if target.local:
            where = f" on interface {target.interface}" if target.interface else ""
            summary = f"the probe host itself holds {text}{where}{beside}: it cannot see who else answers, and it never asks the LAN for it"
            fix = f"Remove {text} from the probe host (ip address del {text}/PREFIX dev {target.interface or 'INTERFACE'}), then probe again."
        elif target.proxy:
            summary = f"{strangers} answers for {text}{beside}, and is no node's: a proxy, which answers for addresses that nobody has, too"
            fix = "Switch off proxy ARP (or the NDP proxy) on that router or host."
        else:
            summary = f"{strangers} answers for {text}{beside}, and is no node's: another host has the address, or a proxy answers for it"
            fix = (
                f"Find the host with the MAC {target.strangers[0]} (switch table, DHCP server) and take the address from it, or take "
                f"{text} out of the pool."
            )
        for service in one.services:
            yield Finding(
                "MLB602",
                service_ref(service),
                summary,
                fix=fix,
                evidence={**_evidence(address, target), "foreign": list(target.strangers), "probe_host": target.local},
            )


def _announced_by(context: Context, service: Service) -> set[str]:
    """Nodes whose speakers say that they announce a service, by ServiceL2Status or by an event nodeAssigned."""
    said = {status.node for status in context.snapshot.l2_statuses.get(service.key, ())}
    for event in context.snapshot.events.get(("Service", service.namespace, service.name), ()):
        if event.reason == "nodeAssigned" and event.node:
            said.add(event.node)
    return said


def _why_many(context: Context, one: Reading) -> tuple[str, str, tuple[str, ...], list[str]]:
    """Why several answer: in words, what to do, codes of causes, and nodes that may not announce the address."""
    snapshot, nodes = context.snapshot, set(one.nodes)
    ineligible: list[str] = []
    may: set[str] = set()
    for service in one.services:
        outcome = context.election.outcome(service)
        if outcome.eligible is None:
            may |= nodes
        may |= outcome.candidates
    ineligible = [node for node in one.nodes if node not in may]
    elected = set(one.elected.values())
    if one.target.strangers:
        return "whose all of these MACs are is not known", "", ("MLB110", "MLB109"), ineligible
    if len(one.services) > 1 and len(elected) > 1 and nodes <= elected:
        told = "; ".join(f"{path} elects {node}" for path, node in sorted(one.elected.items()))
        why = f"{len(one.services)} services share the address, and each has an election of its own: {told}"
        fix = "Let the same L2Advertisements reach all services that share the address, or give each an address of its own."
        return why, fix, ("MLB514",), ineligible
    if len(one.nodes) == len(snapshot.nodes) > 2:
        why = "all nodes do, as with kube-proxy in mode ipvs without strictARP or a second announcer"
        return why, "", ("MLB110", "MLB109"), ineligible
    if ineligible:
        why = f"{listing(ineligible)} may not announce it and answers as well, as with kube-proxy in mode ipvs without strictARP or a second announcer"
        return why, "", ("MLB110", "MLB109"), ineligible
    if snapshot.has("servicel2statuses"):
        # Events are gone after an hour; the status stays.
        said = {node for service in one.services for node in _announced_by(context, service)}
        quiet = [node for node in one.nodes if node not in said and node not in elected]
        if quiet:
            why = (
                f"no speaker on {listing(quiet)} says that it announces the address (no event nodeAssigned, no ServiceL2Status), so "
                "another program there holds it"
            )
            fix = (
                f"See who holds it on {quiet[0]}: ip address show to {format_address(one.address)}. Usual ones are kube-vip as a static pod, "
                "ServiceLB of k3s, keepalived, or an address that was added by hand."
            )
            return why, fix, ("MLB109",), ineligible
        if nodes <= said:
            why = "the speaker of each says that it announces it, so the speakers do not see each other"
            fix = "Allow TCP and UDP port 7946 between the nodes, and see the speakers' logs (grep memberlist)."
            return why, fix, ("MLB107", "MLB106"), ineligible
    why = "all of them may announce it: either the speakers do not see each other (TCP and UDP port 7946), or another program holds the address"
    return why, "", ("MLB110", "MLB109"), ineligible


def many_answers(context: Context) -> Iterator[Finding]:
    for one in _looked(context):
        if one.outcome != "many":
            continue
        why, fix, causes, ineligible = _why_many(context, one)
        text = format_address(one.address)
        if one.target.strangers:
            who = f"{plural(len(one.target.everybody), 'MAC')} answer for {text} ({listing(one.target.everybody)})"
        else:
            who = f"{plural(len(one.nodes), 'node')} answer for {text} ({listing(one.nodes)})"
        for service in one.services:
            yield Finding(
                "MLB603",
                service_ref(service),
                f"{who}: {why}",
                fix=fix,
                evidence={**_evidence(one.address, one.target), "may_not_announce": ineligible},
                caused_by=causes,
            )


def other_node(context: Context) -> Iterator[Finding]:
    snapshot, wire = context.snapshot, context.options.wire
    for one in _looked(context):
        if one.outcome != "other-node":
            continue
        node = one.nodes[0]
        for service in one.services:
            elected = context.elect(service)
            if elected is None or elected.elected_node is None or prediction_doubted(context, service):
                continue
            if elected.elected_node in wire.nodes_silent and node in elected.candidates:
                # It took over from a node that is gone, which is told of that node (MLB611).
                continue
            failed = context.cannot_announce(service)
            yield Finding(
                "MLB604",
                service_ref(service),
                f"{node} answers for {format_address(one.address)}, the election gives {elected.elected_node}",
                evidence={**_evidence(one.address, one.target), "elected": elected.elected_node},
                caused_by=("MLB511", "MLB405")
                if failed or _lacks_interface(context, elected, elected.elected_node)
                else (),
                changed=max(
                    (snapshot.nodes[name].changed for name in (node, elected.elected_node) if name in snapshot.nodes),
                    default=0.0,
                ),
            )


def prediction_differs(context: Context) -> Iterator[Finding]:
    if not context.options.wire.looked:
        raise Skip(NOT_ASKED)
    version = context.snapshot.metallb["version"] or "of an unknown version"
    for service in context.snapshot.load_balancer_services:
        node = prediction_doubted(context, service)
        elected = context.elect(service)
        if not node or elected is None:
            continue
        yield Finding(
            "MLB612",
            service_ref(service),
            f"{node} answers and ServiceL2Status names it, too; only the prediction for MetalLB {version} differs ({elected.elected_node}), so the "
            "prediction is doubted, not the service",
            evidence={"answering": node, "reported": node, "elected": elected.elected_node, "version": version},
            changed=max(
                (
                    context.snapshot.nodes[name].changed
                    for name in (node, str(elected.elected_node))
                    if name in context.snapshot.nodes
                ),
                default=0.0,
            ),
        )


def node_silent(context: Context) -> Iterator[Finding]:
    wire, snapshot = context.options.wire, context.snapshot
    if not wire.looked:
        raise Skip(NOT_ASKED)
    if not wire.nodes_asked:
        raise Skip("the nodes' own addresses were not asked: give l2_probe the option nodes")
    silent = {name: own for name, own in wire.nodes_silent.items() if name in snapshot.nodes}
    everybody = len(silent) > 1 and not wire.nodes_asked - set(wire.nodes_silent)
    lost: dict[str, list[str]] = {}
    taken: dict[str, list[str]] = {}
    for one in _looked(context):
        text = format_address(one.address)
        for name in set(one.elected.values()) & set(silent):
            if one.outcome == "silent" and one.target.conclusive:
                lost.setdefault(name, []).append(text)
            elif one.outcome == "other-node" and one.nodes:
                taken.setdefault(name, []).append(f"{one.nodes[0]} answers for {text}")
    for name, own in sorted(silent.items()):
        node = snapshot.nodes[name]
        alone = "" if name in wire.nodes_unknown else ", not even when it is asked alone"
        text = f"it does not answer for its own address {own} on the LAN{alone}"
        if node.ready is True:
            text += "; the API still calls it Ready"
        else:
            text += "; the API calls it NotReady, too"
        if everybody:
            text += f", and so it is with all {len(wire.nodes_asked)} nodes that were asked"
        if name in lost:
            text += f"; it is elected for {listing(lost[name])}, which nobody answers for"
        if name in taken:
            text += f"; {listing(taken[name])} in its place"
        yield Finding(
            "MLB611",
            Ref("Node", "", name),
            text,
            fix=_all_silent_fix()
            if everybody
            else _node_silent_fix(name, node.ready is True, name in wire.nodes_unknown),
            severity="error" if name in lost else "warning",
            evidence={"address": own, "elected_for": lost.get(name, []), "taken_over": taken.get(name, [])},
            caused_by=("MLB204",) if node.ready is not True else (),
            changed=node.changed,
        )


def _node_silent_fix(name: str, ready: bool, unknown: bool) -> str:
    if not ready:
        return f"Bring node {name} or its link back, or, if it is gone for good: kubectl delete node {name}."
    return (
        f"If {name} is down or unplugged, bring it back, or delete it (kubectl delete node {name}). If it is up, requests to broadcast do not "
        f"reach it: run tcpdump -ni INTERFACE arp on {name} while you probe again, and see the switch port, the access point, and filters of "
        "the CNI (VLAN filter) and of the node itself."
        + (" It could not be asked alone, since its MAC is not known." if unknown else "")
    )


def _all_silent_fix() -> str:
    return (
        "See whether the probe host is in the nodes' network segment (VLAN, bridge, wireless isolation) and whether broadcast passes between "
        "them: run tcpdump -ni INTERFACE arp on a node while you probe again."
    )


def free_address_in_use(context: Context) -> Iterator[Finding]:
    wire = context.options.wire
    if not wire.looked:
        raise Skip(NOT_ASKED)
    nodes = context.snapshot.node_address_index
    for address, target in sorted(wire.targets.items()):
        if not target.answered or address in context.snapshot.services_by_address:
            continue
        pool = context.snapshot.pool_of([address])
        if pool is None or address in nodes:
            continue
        wants = [one for one in context.snapshot.load_balancer_services if address in one.wanted_addresses()[0]]
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
    asked: dict[tuple[str, str], Service] = {}
    for service in context.snapshot.load_balancer_services:
        for one in wire.ports_of(service):
            asked[service.key] = service
            if not one.ok:
                wrong.setdefault(service.key, []).append(one)
    dead = {key for key, found in wrong.items() if any(one.failure in ("refused", "timeout") for one in found)}
    everywhere = len(asked) > 1 and dead == set(asked)
    dead_nodes = {} if everywhere else _dead_nodes(context, asked, wrong, dead)
    for key, found in sorted(wrong.items()):
        service = context.snapshot.services[key]
        node = _answering(context, service)
        causes = _port_causes(context, service)
        unserved = {(port.protocol.lower(), port.port) for port in context.unserved_ports(service)}
        families = context.unserved_families(service)
        for one in found:
            summary = _port_text(one)
            fix = _port_fix(one, service)
            if everywhere:
                summary += "; so it is for every service that was asked"
                fix = _EVERYWHERE
            elif node in dead_nodes and key in dead:
                alike = dead_nodes[node]
                summary += (
                    f"; so it is for all {len(alike)} services that {node} announces"
                    if len(alike) > 1
                    else f"; it is the only one that {node} announces"
                )
                summary += ", while what other nodes announce answers"
                fix = (
                    f"See kube-proxy (or the CNI that replaces it) on {node}: kubectl -n kube-system get pods -o wide --field-selector "
                    f"spec.nodeName={node}; then restart it there: kubectl -n kube-system delete pods -l k8s-app=kube-proxy "
                    f"--field-selector spec.nodeName={node}. If it stays, see the node's own firewall and its way back to the probe host."
                )
            yield Finding(
                "MLB606",
                service_ref(service),
                summary,
                fix=fix,
                evidence={
                    "address": format_address(one.address) if one.address else "",
                    "port": one.port,
                    "protocol": one.protocol,
                    "failure": one.failure,
                    "http_status": one.http_status,
                    "answering": node,
                    "dead_on_node": sorted(dead_nodes.get(node, ())),
                },
                caused_by=("MLB515",)
                if (one.protocol.lower(), one.port) in unserved or (one.address and one.address[0] in families)
                else causes,
            )


_EVERYWHERE = "kube-proxy has most likely lost its rules: kubectl -n kube-system rollout restart daemonset kube-proxy"


def _answering(context: Context, service: Service) -> str:
    """The one node that a connection to a service reaches first, as far as that is known."""
    wire = context.options.wire
    nodes = {node for one in service.ingress if one in wire.targets for node in wire.targets[one].heard}
    if not nodes and not wire.looked:
        elected = context.elect(service)
        nodes = {elected.elected_node} if elected is not None and elected.elected_node else set()
    return str(next(iter(nodes))) if len(nodes) == 1 else ""


def _dead_nodes(
    context: Context,
    asked: Mapping[tuple[str, str], Service],
    wrong: Mapping[tuple[str, str], Sequence[PortResult]],
    dead: Collection[tuple[str, str]],
) -> dict[str, list[str]]:
    """Nodes of whose services none answers on any port, while services of other nodes do; with these services."""
    by_node: dict[str, list[tuple[str, str]]] = {}
    for key, service in asked.items():
        by_node.setdefault(_answering(context, service), []).append(key)
    well = {node for node, keys in by_node.items() if node and any(key not in wrong for key in keys)}
    found = {}
    for node, keys in by_node.items():
        if not node or node in well or not well or not all(key in dead for key in keys):
            continue
        # One service alone may as well be its own pods' fault, unless it has pods elsewhere, too.
        spread = any(len(context.election.serving_nodes(asked[key])[1] - {node}) for key in keys)
        if len(keys) > 1 or spread:
            found[node] = ["/".join(key) for key in keys]
    return found


def _port_causes(context: Context, service: Service) -> tuple[str, ...]:
    wire = context.options.wire
    targets = [wire.targets[address] for address in service.ingress if address in wire.targets]
    outcome = context.election.outcome(service)
    if any(target.asked and target.silent for target in targets) or (
        not wire.looked and outcome.verdict != "announced"
    ):
        return ("MLB601", *_own_causes(context, outcome))
    if any(target.foreign or len(target.heard) > 1 for target in targets):
        return ("MLB602", "MLB603")
    serving, nodes = context.election.serving_nodes(service)
    if serving and nodes and nodes <= set(wire.nodes_silent):
        return ("MLB611",)
    return ()


def _port_text(one: PortResult) -> str:
    what = f"HTTP status {one.http_status}" if one.failure == "status" else one.failure or "no answer as expected"
    address = format_address(one.address) if one.address else ""
    if one.message and address and address in one.message:
        # The probe's own words name address and port already.
        return one.message.rstrip(".")
    text = f"{address}:{one.port}" if address else f"port {one.port}"
    if one.address and one.address[0] == 6:
        text = f"[{address}]:{one.port}"
    return f"{text} ({one.protocol}): {what}" + (f": {one.message.rstrip('.')}" if one.message else "")


def _port_fix(one: PortResult, service: Service) -> str:
    listens = f"See whether its pods listen: kubectl -n {service.namespace} describe endpointslices, and the service's targetPort."
    return {
        "refused": f"The node refuses: kube-proxy has no rule for it, or no pod listens. {listens}",
        "timeout": "Something drops the packets: a network policy of its namespace (kubectl -n "
        f"{service.namespace} get networkpolicies), loadBalancerSourceRanges of the service, a firewall on the node, or the way back "
        "(with several interfaces, source routing or rp_filter).",
        "tls": "The port answers but not with a trusted TLS handshake: see its certificate, or do not verify it.",
        "status": "The service answers; its application says no. See its logs, or the status that is expected.",
    }.get(one.failure, listens)


def stale_announcement(context: Context) -> Iterator[Finding]:
    for one in _looked(context):
        if not one.nodes:
            continue
        why = [_why_stale(context, service, one.nodes) for service in one.services]
        if not all(why):
            # One of the services that share the address is announced as it should be.
            continue
        for service, (text, verdict) in zip(one.services, [found for found in why if found]):
            causes = _own_causes(context, context.elect(service) or context.election.outcome(service))
            yield Finding(
                "MLB607",
                service_ref(service),
                f"{listing(one.nodes)} still {_answer(one.nodes)} for {format_address(one.address)}, though {text}: it goes silent when that "
                "speaker restarts",
                evidence={**_evidence(one.address, one.target), "verdict": verdict},
                caused_by=causes,
            )


def _answer(names: Sequence[str]) -> str:
    return "answers" if len(names) == 1 else "answer"


def _why_stale(context: Context, service: Service, heard: Sequence[str]) -> tuple[str, str] | None:
    """Why nobody should answer for a service's address, with the word of the election; None where somebody should."""
    outcome = context.election.outcome(service)
    lacking = [node for node in heard if _lacks_interface(context, outcome, node)]
    failed = context.cannot_announce(service)
    if outcome.verdict == "announced" and not failed and not lacking:
        return None
    if outcome.pool is not None and not outcome.advertisements and outcome.pool.name in context.bgp_pools:
        return None
    if failed:
        return "its speaker said that it could not announce it", outcome.verdict
    if lacking:
        return f"{lacking[0]} has none of the advertised interfaces that could answer", outcome.verdict
    return "by its configuration nobody may announce it", outcome.verdict


def probe_not_on_link(context: Context) -> Iterator[Finding]:
    wire = context.options.wire
    if not wire.looked:
        raise Skip(NOT_ASKED)
    blind: dict[tuple[str, str], list[Address]] = {}
    elected = {one.address: one for one in readings(context)}
    for address, target in sorted(wire.targets.items()):
        word = elected[address].outcome if address in elected else wire.outcome(target)
        if word == "not-asked":
            blind.setdefault((target.reason or "not-asked", "error"), []).append(address)
        elif word == "silent" and not target.conclusive and address in elected:
            blind.setdefault(("silence proves nothing here", "warning"), []).append(address)
        elif word == "unknown-node" and address in elected:
            blind.setdefault(("whose MAC it is, is not known", "warning"), []).append(address)
    for (reason, severity), addresses in sorted(blind.items()):
        target = wire.targets[addresses[0]]
        told = target.message or ("" if severity == "error" else wire.why_inconclusive)
        yield Finding(
            "MLB608",
            Ref("Address", "", format_address(addresses[0])),
            f"the probe host cannot tell who answers for {listing([format_address(one) for one in addresses])} ({reason})"
            + (f": {told}" if told else ""),
            severity=severity,
            evidence={"addresses": [format_address(one) for one in addresses], "reason": reason},
        )
    if not wire.conclusive and not blind:
        yield Finding(
            "MLB608",
            Ref("Host", "", "probe"),
            f"the probe host cannot tell for sure: {wire.why_inconclusive or 'its answers are not conclusive'}",
            severity="warning",
        )


def broadcast_lost(context: Context) -> Iterator[Finding]:
    for one in _looked(context):
        if one.outcome != "broadcast-lost":
            continue
        for service in one.services:
            yield Finding(
                "MLB609",
                service_ref(service),
                f"{listing(one.nodes or one.target.everybody)} answers for {format_address(one.address)} when asked alone, but not to "
                + ("multicast" if one.address[0] == 6 else "broadcast"),
                evidence={**_evidence(one.address, one.target), "answered_alone": list(one.target.alone)},
            )


def one_node_twice(context: Context) -> Iterator[Finding]:
    for one in _looked(context):
        if one.outcome != "one-node-twice":
            continue
        macs = one.target.everybody
        for service in one.services:
            yield Finding(
                "MLB610",
                service_ref(service),
                f"{one.nodes[0] if one.nodes else macs[0]} answers for {format_address(one.address)} with "
                f"{len(macs)} MACs ({listing(macs)})",
                evidence=_evidence(one.address, one.target),
                caused_by=("MLB404", "MLB407"),
            )


_ANNOUNCED = ("services", "ipaddresspools", "l2advertisements", "nodes", "pods", "endpointslices")
RULES = (
    Rule("MLB601", ("services",), no_answer, transient=True, chain_step="wire"),
    Rule("MLB602", ("services",), foreign_answer, chain_step="wire"),
    Rule("MLB603", ("services", "nodes"), many_answers, chain_step="wire"),
    Rule("MLB604", _ANNOUNCED, other_node, transient=True, chain_step="wire"),
    Rule("MLB605", ("services", "ipaddresspools"), free_address_in_use, subjects=("ipaddresspools",)),
    Rule("MLB606", ("services",), service_refuses, transient=True, chain_step="port"),
    Rule("MLB607", _ANNOUNCED, stale_announcement, chain_step="wire"),
    Rule("MLB608", (), probe_not_on_link, chain_step="wire"),
    Rule("MLB609", ("services",), broadcast_lost, chain_step="wire"),
    Rule("MLB610", ("services",), one_node_twice, chain_step="wire"),
    Rule("MLB611", ("services", "nodes"), node_silent),
    Rule("MLB612", (*_ANNOUNCED, "servicel2statuses"), prediction_differs, chain_step="announcer"),
)
