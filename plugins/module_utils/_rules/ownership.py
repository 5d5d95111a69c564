# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Who owns what a finding is about, and fixes in that owner's terms."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import as_labels, as_text, metadata_of
from ansible_collections.l2ops.metallb.plugins.module_utils._model.workloads import component_of
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.owners import (
    Owner,
    Owners,
    fix_for,
    owner_of_label,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import KINDS
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

# What this collection would change, beside labels of nodes.
OWNED_KINDS = (
    "namespaces",
    "deployments",
    "daemonsets",
    "customresourcedefinitions",
    "validatingwebhookconfigurations",
    "ipaddresspools",
    "l2advertisements",
    "services",
)


def owners_in(snapshot: Snapshot) -> Owners:
    """The owners in a snapshot, worked out once."""
    cache = snapshot.__dict__
    found: Owners | None = cache.get("_owners")
    if found is None:
        found = cache["_owners"] = Owners(snapshot.objects, KINDS)
    return found


def owner_of_metallb(snapshot: Snapshot) -> Owner | None:
    """The owner of the installation: that of its workloads. None where MetalLB is not installed."""
    for workload in (snapshot.controller, snapshot.speaker):
        if workload is not None:
            return owners_in(snapshot).of(workload.kind, workload.namespace, workload.name)
    return None


def ownership_list(snapshot: Snapshot) -> list[dict[str, object]]:
    """Every object that this collection would change, with its owner."""

    def wanted(plural: str, obj: dict[str, object]) -> bool:
        metadata = metadata_of(obj)
        if plural == "namespaces":
            return metadata.get("name") == (snapshot.metallb["namespace"] or snapshot.namespace)
        if plural in ("deployments", "daemonsets"):
            return bool(component_of(as_labels(metadata.get("labels"))))
        if plural == "services":
            return (as_text(metadata.get("namespace")), as_text(metadata.get("name"))) in balanced
        return True

    balanced = {service.key for service in snapshot.balanced}
    found = []
    for kind, obj, owner in owners_in(snapshot).of_all(OWNED_KINDS, wanted):
        metadata = metadata_of(obj)
        found.append(_entry(kind, as_text(metadata.get("namespace")), as_text(metadata.get("name")), "", owner))
    for node in snapshot.raw("nodes"):
        label_owner = owner_of_label(node)
        if label_owner is not None:
            found.append(_entry("Node", "", as_text(metadata_of(node).get("name")), "exclude label", label_owner))
    return found


def _entry(kind: str, namespace: str, name: str, part: str, owner: Owner) -> dict[str, object]:
    return {
        "object": {"kind": kind, "namespace": namespace, "name": name},
        "part": part,
        "owner": owner.as_result(),
        "managed_by": str(owner),
    }


def with_owner(context: Context, finding: Finding) -> Finding:
    """The finding with its fix in the owner's terms, where somebody would undo a change made in the cluster."""
    snapshot = context.snapshot
    if snapshot.static:
        return finding
    ref = finding.object
    owner = owner_of_metallb(snapshot) if "Helm value" in finding.fix else None
    if owner is None:
        owner = owners_in(snapshot).of(ref.kind, ref.namespace, ref.name)
    if owner is None or not owner.reconciles:
        return finding
    fix = fix_for(finding.fix, owner)
    if fix == finding.fix:
        return finding
    return replace(finding, fix=fix, evidence={**finding.evidence, "owner": str(owner)})
