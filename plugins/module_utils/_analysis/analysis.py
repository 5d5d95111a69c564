# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""What the judging modules share: their options, waiting for a cluster to settle, and facts for l2_info."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.conclusion import POLICIES, unknown_kinds
from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Verdict
from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import (
    ENDLESS,
    format_address,
    merged,
    usable_count,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import as_dict, as_text, metadata_of
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import evaluate
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import SETTLE, Options
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.ownership import owner_of_metallb, ownership_list
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.services import SHARED_WITH_SELECTORS
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import (
    CANDIDATE,
    NO_LOCAL_ENDPOINT,
    WORDS,
    Election,
    ElectionResult,
    ranked,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

Object = dict[str, Any]

_TEXTS: Object = {"type": "list", "elements": "str", "default": []}
# Options that every judging module has.
ARGUMENTS: Object = {
    "namespace": {"type": "str"},
    "snapshot": {"type": "path"},
    "gateway": _TEXTS,
    "reserved": _TEXTS,
    "dhcp_ranges": _TEXTS,
    "node_networks": _TEXTS,
    "cluster_networks": _TEXTS,
    "interfaces": {"type": "dict"},
    "wire": {"type": "dict"},
    "ports": {"type": "dict"},
    "ignore": _TEXTS,
    "fail_on": {"type": "str", "choices": ["error", "warning", "never"], "default": "error"},
    "settle": {"type": "int", "default": 15},
    "unknown": {"type": "str", "choices": list(POLICIES), "default": "fail"},
}


def options_of(params: Mapping[str, Any]) -> tuple[Options, list[str]]:
    """Options of the rules out of a module's parameters, and remarks for the user. Raises OptionError."""
    notes: list[str] = []
    results: Object = {}
    for name, module in (("wire", "l2_probe"), ("ports", "service_probe")):
        given = params.get(name)
        # A task that was skipped or could not be done registers a result all the same, and `failed_when: false` makes it look well.
        if given and "targets" not in given and _told_nothing(given):
            why = str(given.get("msg") or "it was skipped").rstrip(".")
            notes.append(f"{name}: {module} gave no result ({why}), so it is ignored.")
            given = None
        results[name] = given
    options = Options.make(
        wire=results["wire"],
        ports=results["ports"],
        interfaces=params.get("interfaces"),
        gateway=params.get("gateway"),
        reserved=params.get("reserved"),
        dhcp_ranges=params.get("dhcp_ranges"),
        node_networks=params.get("node_networks"),
        cluster_networks=params.get("cluster_networks"),
        ignore=params.get("ignore"),
    )
    return options, notes


def _told_nothing(result: Mapping[str, Any]) -> bool:
    return any(result.get(sign) for sign in ("skipped", "failed", "unreachable")) or "failed_when_result" in result


def analyze_until_settled(
    take: Callable[[], Snapshot],
    options: Options,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    pause: float = 1.0,
) -> tuple[Context, Verdict]:
    """Take a snapshot and judge it; while something has not settled, and for `seconds` at most, again.

    What stays wrong to the end is then held against the cluster, however young it seems: the clock here may differ from the
    API server's. With seconds 0 nothing is taken for young.
    """
    deadline = clock() + seconds
    while True:
        snapshot = take()
        # It stays to the end: the collector need not look through a large cluster again and again (a third of the time).
        gc.freeze()
        left = deadline - clock()
        context = Context(snapshot, replace(options, settle=SETTLE if left > 0 else 0.0))
        verdict = evaluate(snapshot, context=context)
        if not verdict.settling:
            return context, verdict
        sleep(max(0.0, min(pause, left)))


# -- facts ------------------------------------------------------------------------------------------------------------


def facts(snapshot: Snapshot, max_nodes: int = 50) -> Object:
    """The snapshot as l2_info returns it."""
    election = Election(snapshot)
    services = []
    expected: dict[str, str] = {}
    settled = True
    for service in snapshot.load_balancer_services:
        outcome = election.elect(service)
        statuses = snapshot.l2_statuses.get(service.key, [])
        reported = sorted({status.node for status in statuses})
        # Where the elected node cannot be told, there is nothing to compare with.
        if snapshot.has("servicel2statuses") and not outcome.doubt:
            settled = settled and reported == ([outcome.elected_node] if outcome.elected_node else [])
        # All may agree on an announcer that lasts only until an old pod is gone.
        settled = settled and not election.in_motion(service)
        if outcome.elected_node is not None:
            expected.update((format_address(address), outcome.elected_node) for address in service.ingress)
        services.append(_service(snapshot, election, service, outcome, reported, max_nodes))
    return {
        "metallb": _metallb(snapshot),
        "nodes": _nodes(snapshot, election),
        "pools": _pools(snapshot, election),
        "advertisements": _advertisements(snapshot, election),
        "services": services,
        "expected": expected,
        "owners": ownership_list(snapshot),
        "release": _release(snapshot),
        # What cannot be read cannot be seen to have settled.
        "settled": settled and not unknown_kinds(snapshot),
        "unknown": unknown_kinds(snapshot),
        "skipped_kinds": dict(snapshot.missing),
    }


def _service(
    snapshot: Snapshot, election: Election, service: Service, outcome: ElectionResult, reported: list[str], most: int
) -> Object:
    addresses = [format_address(address) for address in service.ingress]
    order = list(outcome.names[: most + 1])
    if addresses and len(order) <= most:
        order = ranked(order, addresses[0], outcome.scores)
    why: dict[str, str] = {}
    for place, node in enumerate(order[:most], 1):
        if node != outcome.elected_node and outcome.elected_node:
            why[node] = f"{outcome.elected_node} comes first in the election" + (
                f"; it is number {place}" if len(order) <= most else ""
            )
    if outcome.eligible is not None:
        for node in (*outcome.eligible.ineligible, *outcome.eligible.not_selected[:most]):
            if len(why) >= most:
                break
            why[node] = WORDS[outcome.eligible.reasons[node]]
        if service.local:
            for node in sorted(outcome.eligible.nodes - outcome.candidates)[: max(0, most - len(why))]:
                why[node] = "runs no serving pod of it (policy Local)"
    return {
        "name": service.path,
        "namespace": service.namespace,
        "addresses": addresses,
        "ports": [{"name": port.name, "port": port.port, "protocol": port.protocol} for port in service.ports],
        "policy": "Local" if service.local else "Cluster",
        "pool": outcome.pool.name if outcome.pool else "",
        "elected": outcome.elected_node or "",
        "reported": ", ".join(reported),
        "candidates": order[:most],
        "candidate_count": len(outcome.candidates),
        "doubt": outcome.doubt,
        "reasons": why,
        "cause": cause_of(snapshot, election, outcome),
    }


# What each reason for not being announced rests on: where it could not be read, there is no such fact.
_NEEDED: dict[str, tuple[str, ...]] = {
    "no-pool": ("ipaddresspools",),
    "no-advertisement": ("ipaddresspools", "l2advertisements"),
    "shared-with-selectors": ("ipaddresspools", "l2advertisements"),
    "no-endpoints": ("ipaddresspools", "l2advertisements", "endpointslices"),
    "no-local-endpoint": ("ipaddresspools", "l2advertisements", "endpointslices", "nodes", "pods"),
    "no-candidate": ("ipaddresspools", "l2advertisements", "nodes", "pods"),
}


def cause_of(snapshot: Snapshot, election: Election, outcome: ElectionResult) -> str:
    """Why nobody announces a service, in one sentence with the code of the finding; empty when somebody does."""
    service, verdict = outcome.service, outcome.verdict
    if verdict == "announced":
        return ""
    if verdict == "no-address":
        return "MLB501: it has no address"
    unread = snapshot.why_missing(*_NEEDED[verdict])
    if unread:
        return f"unknown: {unread}"
    if verdict == "no-pool":
        return f"MLB512: {', '.join(map(format_address, service.ingress)) or 'its address'} is in no pool"
    pool = outcome.pool.name if outcome.pool else ""
    if verdict == "shared-with-selectors":
        return f"MLB509: {SHARED_WITH_SELECTORS}"
    if verdict == "no-advertisement":
        if election.advertisements_of(pool):
            return f"MLB509: serviceSelectors of the advertisements of pool {pool} do not match its labels"
        return f"MLB401: no L2Advertisement reaches its pool {pool}"
    if verdict == "no-endpoints":
        return "MLB508: it has no serving endpoint"
    if outcome.eligible is None:
        return "MLB509: nobody may announce it"
    if verdict == "no-local-endpoint":
        told = outcome.eligible.explain(outcome.local_nodes)
        return "MLB507: its policy is Local, and no node with a serving pod may announce it" + (
            f": {told}" if told else ""
        )
    return f"MLB509: nobody may announce it: {outcome.eligible.why_nobody[0]}"


def _release(snapshot: Snapshot) -> Object:
    """Helm's record of the release; empty where there is none or it may not be read."""
    for record in snapshot.raw("releases"):
        metadata = metadata_of(record)
        return {"namespace": metadata.get("namespace"), "name": metadata.get("name"), **as_dict(record.get("status"))}
    return {}


def _metallb(snapshot: Snapshot) -> Object:
    speakers = snapshot.speakers
    ready = [pod for pod in speakers.by_node.values() if pod.ready and not pod.terminating]
    owner = owner_of_metallb(snapshot)
    return {
        **snapshot.metallb,
        "managed_by": "" if owner is None else str(owner),
        "owner": {} if owner is None else owner.as_result(),
        "memberlist_secret": snapshot.speaker.memberlist_secret if snapshot.speaker is not None else "",
        "frr": snapshot.speaker is not None and snapshot.speaker.container("frr") is not None,
        "ignores_exclude_label": bool(speakers.ignore_exclude),
        "memberlist": speakers.memberlist is not False,
        "load_balancer_class": speakers.lb_class,
        "speakers": len(speakers.by_node),
        "speakers_ready": len(ready),
        "controller_ready": snapshot.controller is not None and snapshot.controller.ready > 0,
    }


def _nodes(snapshot: Snapshot, election: Election) -> list[Object]:
    speakers = snapshot.speakers.by_node
    known = snapshot.has("pods")
    found = []
    for name, node in sorted(snapshot.nodes.items()):
        pod = speakers.get(name)
        found.append(
            {
                "name": name,
                "addresses": [format_address(address) for address in node.addresses],
                "ready": node.ready is True,
                "excluded": node.excluded,
                "excluded_by_talos": node.excluded and node.exclude_label_owned,
                "os_image": node.os_image,
                "network_unavailable": node.network_unavailable,
                "speaker": (pod is not None and pod.ready and not pod.terminating) if known else None,
                "eligible": name not in election.ineligible,
                "reason": WORDS[election.ineligible[name]] if name in election.ineligible else "",
            }
        )
    return found


def _pools(snapshot: Snapshot, election: Election) -> list[Object]:
    found = []
    for name, pool in sorted(snapshot.pools.items()):
        size = sum(usable_count(span, pool.avoid_buggy) for span in merged(pool.spans))
        used = len(snapshot.used[name])
        found.append(
            {
                "name": name,
                "namespace": pool.namespace,
                "addresses": [text for text, _span, _why in pool.ranges],
                # Numbers beyond 63 bits fail in JSON readers; MetalLB stops counting there, too.
                "size": min(size, ENDLESS),
                "used": used,
                "free": min(max(0, size - used), ENDLESS),
                "auto_assign": pool.auto_assign,
                "avoid_buggy_ips": pool.avoid_buggy,
                "advertisements": [one.name for one in election.advertisements_of(name)],
            }
        )
    return found


def _advertisements(snapshot: Snapshot, election: Election) -> list[Object]:
    raw = {}
    for obj in snapshot.raw("l2advertisements"):
        metadata = metadata_of(obj)
        raw[(as_text(metadata.get("namespace")), as_text(metadata.get("name")))] = as_dict(obj.get("spec"))
    found = []
    for one in snapshot.advertisements:
        selected = election.nodes_of(one)
        found.append(
            {
                **raw.get((one.namespace, one.name), {}),
                "name": one.name,
                "namespace": one.namespace,
                "reached_pools": sorted(election.pools_of(one)),
                "selected_nodes": len(selected),
            }
        )
    return found


__all__ = ["ARGUMENTS", "CANDIDATE", "NO_LOCAL_ENDPOINT", "analyze_until_settled", "facts", "options_of"]
