# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""A node label in Omni's ConfigPatches: which patch deletes or sets it, and what is left to do. Pure, no I/O.

Omni makes a machine's configuration anew each time, and applies ConfigPatches in this order: of the cluster, of the machine set, of the
one machine; within each by id (client/pkg/omni/resources/omni, layeredresource.go). A patch that deletes what is not there fails, and
with it the whole configuration.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.l2ops.metallb.plugins.module_utils._talos import machine_config

try:
    import yaml
except ImportError:  # the module says it to the user
    pass

Object = t.Mapping[str, t.Any]

PREFIX = "omni.sidero.dev/"
CLUSTERS, MACHINE_SETS, CONFIG_PATCHES = (
    f"{kind}.{PREFIX[:-1]}" for kind in ("Clusters", "MachineSets", "ConfigPatches")
)
OF_CLUSTER, OF_MACHINE_SET, OF_MACHINE = range(3)


class Touch(t.NamedTuple):
    """A ConfigPatch that has to do with the label."""

    id: str
    scope: int
    # "delete", "set", or "both" where one patch does both, which leaves the label or fails
    effect: str


class OmniPlan(t.NamedTuple):
    """What is to be done: "none", "apply", "template" or "blocked", why, and the ConfigPatches of it."""

    action: str
    why: str
    patches: list[Object]


def documents(text: str) -> list[Object]:
    """What `omnictl get -o yaml` printed. Raises yaml.YAMLError."""
    return [one for one in machine_config.loaded(text) if isinstance(one, dict)]


def metadata(resource: Object) -> Object:
    found = resource.get("metadata")
    return found if isinstance(found, dict) else {}


def _named(resource: Object, of: str) -> Object:
    found = metadata(resource).get(of)
    return found if isinstance(found, dict) else {}


def managed_by_template(resource: Object) -> bool:
    """Whether the next `omnictl cluster template sync` decides about it."""
    return f"{PREFIX}managed-by-cluster-templates" in _named(resource, "annotations")


def control_planes(machine_sets: t.Iterable[Object]) -> list[str]:
    """The machine sets of control planes, by name."""
    return sorted(
        str(metadata(one).get("id") or "")
        for one in machine_sets
        if f"{PREFIX}role-controlplane" in _named(one, "labels")
    )


def places(cluster: Object) -> list[str]:
    """Where a machine configuration of this cluster may hold the label."""
    spec = cluster.get("spec")
    return machine_config.places_of([str((spec if isinstance(spec, dict) else {}).get("talosversion") or "")])


def effect(data: str, key: str) -> str:
    """What the patch does to the label: "delete", "set", "both" or ""."""
    found = set()
    try:
        parts = documents(data)
    except yaml.YAMLError:
        return ""
    for part in parts:
        if part.get("kind") == machine_config.NODE_CONFIG:
            labels = part.get("labels")
        else:
            machine = part.get("machine")
            labels = machine.get("nodeLabels") if isinstance(machine, dict) else None
        if not isinstance(labels, dict):
            continue
        if labels.get("$patch") == "delete":
            found.add("delete")
        elif key in labels:
            found.add("delete" if isinstance(labels[key], dict) and labels[key].get("$patch") == "delete" else "set")
    return "both" if len(found) > 1 else "".join(found)


def touches(config_patches: t.Iterable[Object], key: str, machine_set: str) -> list[Touch]:
    """The patches that touch the label on machines of this machine set, in the order in which Omni applies them."""
    found = []
    for one in config_patches:
        labels = _named(one, "labels")
        if f"{PREFIX}disabled" in labels:
            continue
        if f"{PREFIX}cluster-machine" in labels or f"{PREFIX}machine" in labels:
            scope = OF_MACHINE
        elif f"{PREFIX}machine-set" in labels:
            if labels[f"{PREFIX}machine-set"] != machine_set:
                continue
            scope = OF_MACHINE_SET
        else:
            scope = OF_CLUSTER
        spec = one.get("spec")
        what = effect(str((spec if isinstance(spec, dict) else {}).get("data") or ""), key)
        if what:
            found.append(Touch(str(metadata(one).get("id") or ""), scope, what))
    return sorted(found, key=lambda touch: (touch.scope, touch.id))


def _same(there: Object, ours: Object) -> bool:
    try:
        return documents(str((there.get("spec") or {}).get("data") or "")) == documents(ours["spec"]["data"])
    except (yaml.YAMLError, AttributeError):
        return False


def plan(cluster: Object, config_patches: t.Iterable[Object], key: str, machine_set: str) -> OmniPlan:
    """What this cluster's machine set needs so that the label goes for good."""
    name = str(metadata(cluster).get("id") or "")
    every = list(config_patches)
    ours = machine_config.config_patches(name, machine_set, key, places(cluster))
    ids = [one["metadata"]["id"] for one in ours]
    there = {str(metadata(one).get("id") or ""): one for one in every}
    others = [touch for touch in touches(every, key, machine_set) if touch.id not in ids]
    whole = [touch for touch in others if touch.scope != OF_MACHINE]
    single = [touch for touch in others if touch.scope == OF_MACHINE]
    behind = [touch for touch in whole if touch.scope == OF_MACHINE_SET and touch.id > ids[-1]] + single
    complete = all(one["metadata"]["id"] in there and _same(there[one["metadata"]["id"]], one) for one in ours)
    some = any(one in there for one in ids)
    if not some and whole and whole[-1].effect == "delete" and not any(one.effect != "delete" for one in single):
        return OmniPlan("none", f"ConfigPatch {whole[-1].id} deletes the label already", [])
    if behind:
        return OmniPlan("blocked", _obstacles(behind), ours)
    if complete:
        return OmniPlan("none", f"the ConfigPatches {', '.join(ids)} are in place", [])
    if managed_by_template(cluster):
        return OmniPlan(
            "template", "a cluster template manages the cluster: its next sync deletes what is not in it", ours
        )
    return OmniPlan("apply", "", ours)


def _obstacles(behind: t.Iterable[Touch]) -> str:
    told = {
        "delete": "deletes the label once more, which fails when it is gone already",
        "set": "sets the label again",
        "both": "sets and deletes the label in one patch, which leaves it",
    }
    said = [f"ConfigPatch {one.id}, which comes later, {told[one.effect]}" for one in behind]
    return f"{'; '.join(said)}. Take it out first"


def diff(config_patches: t.Iterable[Object], ours: t.Iterable[Object]) -> dict[str, str]:
    """For Ansible's --diff: our own ConfigPatches only, for other ones may hold secrets."""
    there = {str(metadata(one).get("id") or ""): one for one in config_patches}

    def text(resource: Object | None) -> str:
        return "" if resource is None else f"{metadata(resource).get('id')}: {resource['spec']['data']}\n"

    wanted = list(ours)
    return {
        "before_header": "ConfigPatches in Omni",
        "after_header": "ConfigPatches in Omni",
        "before": "".join(text(there.get(one["metadata"]["id"])) for one in wanted),
        "after": "".join(text(one) for one in wanted),
    }


def manifest(ours: t.Iterable[Object]) -> str:
    """What `omnictl apply -f` is given."""
    return "".join(f"---\n{json.dumps(one, indent=2)}\n" for one in ours)
