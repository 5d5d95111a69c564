# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""A node label in Talos' machine configuration, and the patches that take it out for good.

Pure: documents of a machine configuration in, texts of patches out. Talos 1.8 and newer write the exclude label into the
configuration of control planes (pkg/machinery/config/generate/init.go), and put it back on the Node whenever it is gone
(internal/app/machined/pkg/controllers/k8s/node_apply.go). Talos 1.14 keeps labels in a document of kind KubeNodeConfig.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import ODD_YAML, as_dict

try:
    import yaml
except ImportError:  # the modules say it to the user
    pass

Document = t.Mapping[str, t.Any]

MACHINE, NODE_CONFIG = "machine.nodeLabels", "KubeNodeConfig"
# From here on Talos has documents of kind KubeNodeConfig.
NODE_CONFIG_SINCE = (1, 14)
NAMES = ("metallb-l2-a-set", "metallb-l2-b-delete", "metallb-l2-c-set", "metallb-l2-d-delete")


def loaded(text: str) -> list[t.Any]:
    """The documents of a text. Raises yaml.YAMLError, whatever is wrong with it; its words quote nothing but for those of PyYAML."""
    try:
        return list(yaml.safe_load_all(text))
    except ODD_YAML:
        # An impossible date, a number of 6,000 digits, brackets nested 30,000 deep.
        raise yaml.YAMLError("a value that is not of the kind it says") from None


def places(documents: t.Iterable[Document], key: str) -> list[str]:
    """Where the configuration holds the label: MACHINE, NODE_CONFIG, both or neither."""
    found = []
    for one in documents:
        if not isinstance(one, dict):
            continue
        if one.get("kind") == NODE_CONFIG and key in as_dict(one.get("labels")):
            found.append(NODE_CONFIG)
        elif "kind" not in one and key in as_dict(as_dict(one.get("machine")).get("nodeLabels")):
            found.append(MACHINE)
    return found


def places_of(versions: t.Iterable[str]) -> list[str]:
    """Where the configurations of machines of these versions ("v1.12.0", or a Node's osImage "Talos (v1.12.0)") may hold the label.

    A configuration born before Talos 1.14 keeps it under machine.nodeLabels for ever, and when it was born is not to be seen from outside:
    from 1.14 on both places are cleared, which does no harm where there is nothing. An older Talos refuses the new document.
    """
    found = (re.match(r"(?:Talos \()?v?(\d+)\.(\d+)", one) for one in versions)
    new = any((int(one[1]), int(one[2])) >= NODE_CONFIG_SINCE for one in found if one)
    return [MACHINE, NODE_CONFIG] if new else [MACHINE]


def _document(place: str, key: str, label: t.Any) -> Document:
    if place == NODE_CONFIG:
        return {"apiVersion": "v1alpha1", "kind": NODE_CONFIG, "labels": {key: label}}
    return {"machine": {"nodeLabels": {key: label}}}


def documents_of(place: str, key: str) -> tuple[Document, Document]:
    """Two patches, to be given separately and in this order: set the label, then delete it.

    Deleting alone fails ("lookup failed") where the label is not there, so on workers, on configurations born before Talos 1.8, and the
    second time. Both in one patch do nothing at all, and say nothing.
    """
    return _document(place, key, ""), _document(place, key, {"$patch": "delete"})


def patches(found: t.Iterable[str], key: str) -> list[str]:
    """The patches as JSON, which Talos reads as YAML; none where the label is nowhere."""
    return [json.dumps(one) for place in dict.fromkeys(found) for one in documents_of(place, key)]


def outcome(said: str) -> str:
    """What `talosctl patch machineconfig` did, from its words (Talos v1.12.0, applyconfiguration's answers)."""
    if "no changes detected" in said:
        return "unchanged"
    if "Applied configuration" in said:
        return "applied"
    return ""


def _numbered(key: str, where: t.Iterable[str]) -> list[tuple[int, str, Document]]:
    every = [document for place in where for document in documents_of(place, key)]
    return [(490 + number, name, document) for number, (name, document) in enumerate(zip(NAMES, every))]


def config_patches(cluster: str, machine_set: str, key: str, where: t.Iterable[str] = (MACHINE,)) -> list[Document]:
    """ConfigPatches for `omnictl apply`, two for each place: their ids decide the order in which Omni applies them."""
    return [
        {
            "metadata": {
                "namespace": "default",
                "type": "ConfigPatches.omni.sidero.dev",
                "id": f"{weight}-{machine_set}-{name}",
                "labels": {"omni.sidero.dev/cluster": cluster, "omni.sidero.dev/machine-set": machine_set},
            },
            "spec": {"data": json.dumps(document)},
        }
        for weight, name, document in _numbered(key, where)
    ]


def template_patches(key: str, where: t.Iterable[str] = (MACHINE,)) -> list[Document]:
    """Entries for `patches` of the ControlPlane document of an Omni cluster template."""
    return [{"name": name, "inline": document} for _weight, name, document in _numbered(key, where)]


def render_patches(
    form: str, key: str, cluster: str = "", machine_set: str = "", versions: t.Iterable[str] = ()
) -> list[str]:
    """The patches as texts of JSON for a person: "talos" (files), "omni" (resources), "omni-template" (one list).

    Two for each place that the versions know. Raises ValueError for another form, and for "omni" without a cluster.
    """
    where = places_of(versions)
    if form == "talos":
        return [json.dumps(one, indent=2) for place in where for one in documents_of(place, key)]
    if form == "omni-template":
        return [json.dumps(template_patches(key, where), indent=2)]
    if form != "omni":
        raise ValueError(f"form must be talos, omni or omni-template, not {form!r}")
    if not cluster:
        raise ValueError("the name of the cluster in Omni is wanted (metallb_omni_cluster)")
    # Omni names the machine set of the control planes after the cluster; the other ones have no such label.
    given = config_patches(cluster, machine_set or f"{cluster}-control-planes", key, where)
    return [json.dumps(one, indent=2) for one in given]
