# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Rules about nodes (MLB2xx)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import format_address
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import AWAY_TAINT, EXCLUDE_LABEL
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import listing
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import (
    Context,
    Rule,
    Skip,
    plural,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import EXCLUDED, NETWORK_UNAVAILABLE


def _ruled_out(context: Context, reason: str) -> tuple[set[str], dict[str, str]]:
    """Nodes that this reason rules out for some pool, and those of them whose return would end a silence, with what it is."""
    election = context.election
    touched: set[str] = set()
    critical: dict[str, str] = {}
    for names in context.groups.values():
        advertisements = election.advertisements_of(names[0])
        if not advertisements:
            continue
        eligible = election.candidates(advertisements)
        here = {node for node, why in eligible.reasons.items() if why == reason}
        touched |= here
        if not eligible.nodes:
            for node in here:
                critical.setdefault(node, f"no node is left to announce pool {listing(names, 3)}")
    for outcome in context.outcomes:
        if outcome.verdict != "no-local-endpoint" or outcome.eligible is None:
            continue
        for node in outcome.local_nodes:
            if outcome.eligible.reasons.get(node) == reason:
                critical.setdefault(
                    node, f"no node with a pod of {outcome.service.path} (policy Local) is left to announce it"
                )
    return touched, critical


def exclude_label(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    context.demand_metallb()
    ignore = snapshot.speakers.ignore_exclude
    if ignore is None:
        raise Skip("whether the speakers ignore the label cannot be seen: no speaker and no DaemonSet of theirs")
    if ignore:
        return
    touched, critical = _ruled_out(context, EXCLUDED)
    mixed = "; not all running speakers ignore it" if snapshot.speakers.mixed else ""
    for name in sorted(touched):
        node = snapshot.nodes[name]
        text = node.labels.get(EXCLUDE_LABEL, "")
        told = f'with the value "{text}"' if text else "with an empty value, which counts like any other"
        yield Finding(
            "MLB201",
            Ref("Node", "", name),
            f"it has the label {EXCLUDE_LABEL} {told}, so it announces nothing"
            + (f", and {critical[name]}" if name in critical else "")
            + mixed,
            fix=(
                "Take it out of Talos' machine configuration (see MLB202), or set the Helm value speaker.ignoreExcludeLB: true."
                if node.exclude_label_owned
                else f"kubectl label node {name} {EXCLUDE_LABEL}- (role l2ops.metallb.nodes), or Helm value "
                "speaker.ignoreExcludeLB: true."
            ),
            severity="error" if name in critical else "warning",
            evidence={"label": EXCLUDE_LABEL, "label_value": text, "owned_by_talos": node.exclude_label_owned},
        )


def owned_by_talos(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    context.demand_metallb()
    if snapshot.speakers.ignore_exclude is None:
        raise Skip("whether the speakers ignore the label cannot be seen: no speaker and no DaemonSet of theirs")
    if snapshot.speakers.ignore_exclude:
        # The label does no harm then, and control planes of Talos have it by default.
        return
    for name, node in sorted(snapshot.nodes.items()):
        if node.excluded and node.exclude_label_owned:
            yield Finding(
                "MLB202",
                Ref("Node", "", name),
                "Talos owns the exclude label: removed through the API, it is back at once",
                fix="talosctl patch machineconfig with two patches in one call: machine.nodeLabels."
                f'"{EXCLUDE_LABEL}": "" first, then the same key with $patch: delete (in KubeNodeConfig from Talos 1.14 on). '
                "Or Helm value speaker.ignoreExcludeLB: true.",
                evidence={"annotation": "talos.dev/owned-labels"},
            )


def network_unavailable(context: Context) -> Iterator[Finding]:
    context.demand_metallb()
    touched, critical = _ruled_out(context, NETWORK_UNAVAILABLE)
    for name in sorted(touched):
        yield Finding(
            "MLB203",
            Ref("Node", "", name),
            "its condition NetworkUnavailable is True, so it announces nothing"
            + (f", and {critical[name]}" if name in critical else ""),
            severity="error" if name in critical else "warning",
            changed=context.snapshot.nodes[name].changed,
        )


def announcer_not_ready(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    down = frozenset(name for name, node in snapshot.nodes.items() if node.ready is not True)
    if not down:
        return
    silent: dict[str, list[str]] = {}
    for outcome in context.outcomes:
        if outcome.verdict != "announced" or not outcome.candidates & down:
            continue
        elected = context.elect(outcome.service)
        if elected is not None and elected.elected_node in down and elected.address is not None:
            if elected.elected_node is None:
                raise AssertionError("an election without reason against it has both")
            silent.setdefault(elected.elected_node, []).append(
                f"{outcome.service.path} ({format_address(elected.address)})"
            )
    for name, services in sorted(silent.items()):
        node = snapshot.nodes[name]
        yield Finding(
            "MLB204",
            Ref("Node", "", name),
            f"it is not ready ({node.ready_reason or 'its kubelet says nothing'}) and announces "
            f"{plural(len(services), 'service')}: {listing(services, 3)}",
            evidence={"services": services[:20], "reason": node.ready_reason},
            changed=node.changed,
        )


def speaker_kept_away(context: Context) -> Iterator[Finding]:
    for name, node in sorted(context.snapshot.nodes.items()):
        if any(taint.key == AWAY_TAINT for taint in node.taints):
            yield Finding(
                "MLB205",
                Ref("Node", "", name),
                f"it carries the taint {AWAY_TAINT} of a failover test, so no speaker starts there",
                fix=f"If no failover test is running: kubectl taint node {name} {AWAY_TAINT}-",
            )


RULES = (
    Rule("MLB201", ("nodes", "l2advertisements", "ipaddresspools"), exclude_label),
    Rule("MLB202", ("nodes",), owned_by_talos),
    Rule("MLB203", ("nodes", "l2advertisements", "ipaddresspools"), network_unavailable, transient=True),
    Rule(
        "MLB204",
        ("nodes", "pods", "services", "ipaddresspools", "l2advertisements"),
        announcer_not_ready,
        transient=True,
        chain_step="announcer",
    ),
    Rule("MLB205", ("nodes",), speaker_kept_away),
)
