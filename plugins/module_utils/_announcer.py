# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""MetalLB's election of the announcing node, pure (speaker/layer2_controller.go ShouldAnnounce, v0.14.9 to v0.16.1).

Winner is the candidate with the least sha256 of ``node#address``, the address being the first of the service's status. NotReady,
cordoned, and the advertisement's interfaces play no part. serviceSelectors (0.16.0+) are honoured where they are set.
"""

from __future__ import annotations

import hashlib
import ipaddress
import typing as t
from dataclasses import dataclass, field

Object = t.Mapping[str, t.Any]

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"


def winner(nodes: t.Iterable[str], address: str) -> str | None:
    """The node that announces ``address``, or None without candidates. The address is hashed in its canonical form."""
    text = str(ipaddress.ip_address(address))
    return min(nodes, key=lambda node: hashlib.sha256(f"{node}#{text}".encode()).digest(), default=None)


def matches(selector: Object | None, labels: Object) -> bool:
    """A Kubernetes label selector against labels; an empty selector matches everything."""
    chosen = selector or {}
    if any(labels.get(key) != value for key, value in (chosen.get("matchLabels") or {}).items()):
        return False
    for term in chosen.get("matchExpressions") or []:
        key, operator, wanted = term.get("key"), term.get("operator"), term.get("values") or []
        there = key in labels
        if operator == "Exists":
            ok = there
        elif operator == "DoesNotExist":
            ok = not there
        elif operator == "In":
            ok = there and labels[key] in wanted
        elif operator == "NotIn":
            ok = not there or labels[key] not in wanted
        else:
            ok = False
        if not ok:
            return False
    return True


def any_matches(selectors: t.Sequence[Object] | None, labels: Object) -> bool:
    """Selectors of a list are alternatives; none at all means everything."""
    return not selectors or any(matches(selector, labels) for selector in selectors)


@dataclass(frozen=True)
class Election:
    """Who announces one address: ``node`` or None, and for every other node why not."""

    node: str | None
    candidates: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    cause: str = ""


def serving(endpoint: Object) -> bool:
    """Whether MetalLB counts an endpoint (internal/k8s/epslices: ready unset or true, or serving)."""
    conditions = endpoint.get("conditions") or {}
    return conditions.get("ready") is not False or conditions.get("serving") is True


def elect(
    address: str,
    nodes: t.Sequence[Object],
    speakers: set[str] | None,
    advertisements: t.Sequence[Object],
    slices: t.Sequence[Object],
    local: bool,
    ignore_exclude: bool,
) -> Election:
    """Elect as the speakers do.

    Args: ``nodes`` Kubernetes Nodes; ``speakers`` nodes with a ready speaker, or None where all count (memberlist disabled);
    ``advertisements`` the L2Advertisements that reach the address's pool and the service; ``slices`` its EndpointSlices.
    """
    endpoints = [e for s in slices for e in s.get("endpoints") or [] if serving(e)]
    if not advertisements:
        return Election(
            None, cause="MLB401: no L2Advertisement reaches its pool; add the pool to ipAddressPools of one"
        )
    if not endpoints:
        return Election(
            None, cause="MLB508: no endpoint is ready, so nobody announces; look at the pods behind the service"
        )
    homes = {e.get("nodeName") for e in endpoints}
    reasons: dict[str, str] = {}
    candidates = []
    for node in nodes:
        metadata = node.get("metadata") or {}
        name, labels = str(metadata.get("name")), metadata.get("labels") or {}
        conditions = (node.get("status") or {}).get("conditions") or []
        if speakers is not None and name not in speakers:
            reasons[name] = "no ready speaker runs there (MLB103)"
        elif any(c.get("type") == "NetworkUnavailable" and c.get("status") == "True" for c in conditions):
            reasons[name] = "condition NetworkUnavailable is True (MLB203)"
        elif EXCLUDE_LABEL in labels and not ignore_exclude:
            reasons[name] = f"it carries the label {EXCLUDE_LABEL} (MLB201)"
        elif not any(any_matches((a.get("spec") or {}).get("nodeSelectors"), labels) for a in advertisements):
            reasons[name] = "no advertisement of the pool selects it (MLB403)"
        elif local and name not in homes:
            reasons[name] = "policy Local, and no serving endpoint is there (MLB507)"
        else:
            candidates.append(name)
    node_name = winner(candidates, address)
    for name in candidates:
        if name != node_name:
            reasons[name] = f"{node_name} comes first in the election"
    cause = ""
    if node_name is None:
        cause = "MLB509: no node may announce it: " + "; ".join(f"{n}: {why}" for n, why in sorted(reasons.items()))
    return Election(node_name, candidates, reasons, cause)
