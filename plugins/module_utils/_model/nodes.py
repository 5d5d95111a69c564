# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Nodes, as far as announcing depends on them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import (
    Address,
    AddressError,
    Span,
    parse_address,
    parse_span,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import (
    EXCLUDE_LABEL,
    OWNED_LABELS_ANNOTATION,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Labels,
    Object,
    as_dict,
    as_labels,
    as_list,
    as_text,
    as_texts,
    metadata_of,
    seconds_of,
)

# -- nodes and workloads ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Taint:
    key: str
    text: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}={self.text}:{self.effect}" if self.text else f"{self.key}:{self.effect}"


@dataclass(frozen=True)
class Node:
    """ready is None where the kubelet has not said. addresses are InternalIPs, in their order."""

    name: str
    labels: Labels
    annotations: Labels
    addresses: tuple[Address, ...]
    external_addresses: tuple[Address, ...]
    ready: bool | None
    ready_reason: str
    network_unavailable: bool
    unschedulable: bool
    taints: tuple[Taint, ...]
    pod_cidrs: tuple[Span, ...]
    changed: float
    os_image: str

    @classmethod
    def from_object(cls, obj: Object) -> Node:
        metadata, spec, status = metadata_of(obj), as_dict(obj.get("spec")), as_dict(obj.get("status"))
        internal: list[Address] = []
        external: list[Address] = []
        for one in as_list(status.get("addresses")):
            one = as_dict(one)
            address = parse_address(as_text(one.get("address")))
            if address is not None:
                (internal if one.get("type") == "InternalIP" else external).append(address)
        ready: bool | None = None
        reason = ""
        unavailable = False
        changed = 0.0
        for one in as_list(status.get("conditions")):
            one = as_dict(one)
            if one.get("type") == "Ready":
                ready = one.get("status") == "True"
                reason = as_text(one.get("reason"))
                changed = max(changed, seconds_of(one.get("lastTransitionTime")))
            elif one.get("type") == "NetworkUnavailable":
                unavailable = one.get("status") == "True"
                changed = max(changed, seconds_of(one.get("lastTransitionTime")))
        cidrs = []
        for text in as_texts(spec.get("podCIDRs")) or ((as_text(spec.get("podCIDR")),) if spec.get("podCIDR") else ()):
            try:
                cidrs.append(parse_span(text))
            except AddressError:
                continue
        return cls(
            name=as_text(metadata.get("name")),
            labels=as_labels(metadata.get("labels")),
            annotations=as_labels(metadata.get("annotations")),
            addresses=tuple(internal),
            external_addresses=tuple(external),
            ready=ready,
            ready_reason=reason,
            network_unavailable=unavailable,
            unschedulable=spec.get("unschedulable") is True,
            taints=tuple(
                Taint(as_text(one.get("key")), as_text(one.get("value")), as_text(one.get("effect")))
                for one in map(as_dict, as_list(spec.get("taints")))
            ),
            pod_cidrs=tuple(cidrs),
            changed=changed,
            os_image=as_text(as_dict(status.get("nodeInfo")).get("osImage")),
        )

    @property
    def excluded(self) -> bool:
        """internal/k8s/nodes/nodes.go IsNodeExcludedFromBalancers: presence alone counts."""
        return EXCLUDE_LABEL in self.labels

    @property
    def exclude_label_owned(self) -> bool:
        try:
            owned = json.loads(self.annotations.get(OWNED_LABELS_ANNOTATION) or "[]")
        except ValueError:
            return False
        return isinstance(owned, list) and EXCLUDE_LABEL in owned
