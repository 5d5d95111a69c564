# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Which clusters a repository describes, and what each of them gets.

What applies something (a Flux Kustomization, an Argo CD Application, a kustomization.yaml) is followed from the entry points, which are
what nothing else applies. Entry points are of different clusters when they lie in different folders below clusters/, environments/,
overlays/ and the like, when sibling folders hold the same pool or advertisement, or when Argo CD's destinations differ.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.flux_substitute import DISABLED, substituted
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.helm_values import sources_of
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.kustomize import Folders, Item, changed
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.repository import is_applier
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_list,
    as_text,
    metadata_of,
)

# Folders whose subfolders are clusters.
_ABOVE_CLUSTERS = frozenset(["clusters", "cluster", "environments", "environment", "envs", "env", "overlays", "sites"])
# Subfolders that are not.
_SHARED = frozenset(["base", "bases", "common", "shared", "components", "templates", "default", "_shared", "_common"])
_ADVERTISEMENTS = frozenset(["L2Advertisement", "BGPAdvertisement"])
_OURS = frozenset(["IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer"])
_IN_CLUSTER = frozenset(["", "in-cluster", "https://kubernetes.default.svc", "https://kubernetes.default"])
LEFTOVER = "not applied by anything found"
UNLISTED = "not listed in kustomization.yaml"
MAIN = "the repository"


@dataclass
class Cluster:
    """What one cluster gets. name is "" where the repository describes only one."""

    name: str
    items: list[Item]


class Resolver:
    """Follows what applies what. parse reads YAML out of a text; given are folders that the user names as clusters."""

    def __init__(self, items: Collection[Item], folders: Folders, given: Collection[str] = ()) -> None:
        self.items, self.folders = items, folders
        self.given = [os.path.abspath(one).replace(os.sep, "/") for one in given]
        self.maps: dict[str, list[Item]] = {}
        for item in items:
            if item.ref.kind == "ConfigMap":
                self.maps.setdefault(item.ref.name, []).append(item)
        for folder in folders.kustomizations:
            for item in folders._generated(folder, folders.kustomizations[folder].obj):
                if item.ref.kind == "ConfigMap":
                    self.maps.setdefault(item.ref.name, []).append(item)
        self._cache: dict[tuple[str, bool], list[Item]] = {}
        self.reached: set[tuple[str, int]] = set()
        self.unlisted: list[Item] = []
        self.patches = set(self._patch_files())

    # -- folders --------------------------------------------------------------------------------------------------

    def render(self, folder: str, deep: bool) -> list[Item]:
        key = (folder, deep)
        if key not in self._cache:
            found = self.folders.folder(folder, deep)
            # A file that only patches others is no object of its own.
            self._cache[key] = (
                found
                if folder in self.folders.kustomizations
                else [one for one in found if one.file not in self.patches]
            )
        return self._cache[key]

    def _patch_files(self) -> Iterator[str]:
        for folder, item in self.folders.kustomizations.items():
            for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
                for one in as_list(item.obj.get(key)):
                    path = one.get("path") if isinstance(one, dict) else one
                    if isinstance(path, str) and "\n" not in path:
                        yield posixpath.normpath(posixpath.join(folder, path))

    def locate(self, path: str, item: Item) -> str:
        """The folder that a path within the repository means; "" where none of the files lies there."""
        path = posixpath.normpath(path.lstrip("/") or ".")
        tops = [item.top] if item.top else []
        if not tops and path != ".":
            # Not a working copy: the nearest folder above that has such a path.
            around = item.folder
            while around not in tops:
                tops.append(around)
                around = posixpath.dirname(around)
        for top in tops:
            folder = posixpath.normpath(posixpath.join(top, path))
            if self.folders.has(folder):
                return folder
        return ""

    def claims(self, item: Item) -> Iterator[tuple[str, bool]]:
        """Folders that an Application or a Flux Kustomization applies, and whether with all below."""
        spec = as_dict(item.obj.get("spec"))
        if item.ref.kind == "Application":
            for source in sources_of(spec):
                if "path" in source and "chart" not in source:
                    folder = self.locate(as_text(source["path"]), item)
                    if folder:
                        yield folder, as_dict(source.get("directory")).get("recurse") is True
        else:
            folder = self.locate(as_text(spec.get("path")), item)
            if folder:
                yield folder, True

    # -- what is applied ------------------------------------------------------------------------------------------

    def content(self, item: Item) -> Iterator[tuple[int, Item]]:
        """What an Application or Kustomization applies, as the cluster gets it, with the length of its folder's path."""
        spec = as_dict(item.obj.get("spec"))
        flux = item.ref.kind == "Kustomization"
        for folder, deep in self.claims(item):
            found = self.render(folder, deep)
            if flux:
                found = self._flux(item, spec, found, folder)
                target = item.target
            else:
                destination = as_dict(spec.get("destination"))
                target = as_text(destination.get("name")) or as_text(destination.get("server"))
                target = item.target if target in _IN_CLUSTER else target
                into = as_text(destination.get("namespace"))
                found = [_defaulted(one, into) for one in found] if into else found
            for one in found:
                yield len(folder), replace(one, scope=item.ref, target=target)

    def _flux(self, item: Item, spec: Object, found: list[Item], folder: str) -> list[Item]:
        more: Object = {"patches": spec.get("patches"), "components": None}
        if spec.get("targetNamespace"):
            more["namespace"] = spec["targetNamespace"]
        found = self.folders.transform(found, more, folder)
        build = spec.get("postBuild")
        if not isinstance(build, dict):
            return found
        known: dict[str, str] = {}
        for one in map(as_dict, as_list(build.get("substituteFrom"))):
            if one.get("kind") == "ConfigMap":
                known.update(self._configmap(as_text(one.get("name")), item))
        known.update({key: as_text(value) for key, value in as_dict(build.get("substitute")).items()})
        known = {key: value for key, value in known.items() if "ENC[" not in value and "${" not in value}
        result = []
        for held in found:
            off = as_dict(metadata_of(held.obj).get("annotations")).get(DISABLED) == "disabled"
            result.append(held if off else changed(held, substituted(held.obj, known)))
        return result

    def _configmap(self, name: str, item: Item) -> Mapping[str, str]:
        """Data of the ConfigMap of this name that lies nearest."""
        near: Callable[[Item], int] = lambda one: len(posixpath.commonpath([one.folder, item.folder]))  # noqa: E731
        ones = [
            one for one in self.maps.get(name, ()) if one.ref.namespace in ("", item.ref.namespace)
        ] or self.maps.get(name)
        if not ones:
            return {}
        return {key: as_text(value) for key, value in as_dict(max(ones, key=near).obj.get("data")).items()}

    def expand(self, entries: Iterable[Item]) -> list[Item]:
        """Entry points and all that they bring, each object once: by the applier with the longest path."""
        best: dict[tuple[str, int, Any], tuple[int, Item]] = {}
        todo = [(0, item) for item in entries]
        seen: set[tuple[str, int, Any, str]] = set()
        while todo:
            length, item = todo.pop()
            key = (item.file, item.line, item.ref)
            self.reached.add((item.file, item.line))
            if item.scope == item.ref:
                item = replace(item, scope=None)
            if key not in best or length > best[key][0]:
                best[key] = (length, item)
            if is_applier(item) and (*key, item.target) not in seen:
                seen.add((*key, item.target))
                todo += list(self.content(item))
        return [item for _length, item in sorted(best.values(), key=lambda one: (one[1].file, one[1].line))]

    # -- clusters -------------------------------------------------------------------------------------------------

    def entries(self) -> list[tuple[str, list[Item]]]:
        """What nothing else applies: folders of Kustomize and files, by path."""
        claimed: dict[str, set[str]] = {}
        for item in self.items:
            if is_applier(item):
                for folder, deep in self.claims(item):
                    for one in self.render(folder, deep):
                        claimed.setdefault(one.file, set()).add(item.file)
        named = self.folders.named()
        listed: set[str] = set()
        found: list[tuple[str, list[Item]]] = []
        for folder in sorted(self.folders.kustomizations):
            rendered = self.folders.kustomization(folder)
            files = {one.file for one in rendered}
            listed |= files
            if folder not in named and rendered and not any(claimed.get(name, set()) - files for name in files):
                found.append((folder, rendered))
        for name, items in sorted(self.folders.by_file.items()):
            if name in listed or name in self.patches or claimed.get(name, set()) - {name}:
                continue
            if posixpath.dirname(name) in self.folders.kustomizations and name not in claimed:
                # Kustomize does not read what its file does not name.
                self.unlisted += items
            else:
                found.append((name, items))
        return found

    def clusters(self) -> list[Cluster]:
        entries = self.entries()
        labels = self._labels(entries)
        groups: dict[str, list[Item]] = {}
        for path, items in entries:
            groups.setdefault(labels.get(path, ""), []).extend(items)
        several = len([one for one in groups if one]) > 1 or bool(self.given)
        if not several:
            groups = {"": [item for items in groups.values() for item in items]}
        found: dict[str, list[Item]] = {}
        for label, items in groups.items():
            for item in self.expand(items):
                name = item.target or label
                found.setdefault(name, []).append(item)
                if item.target and is_applier(item) and not item.scope:
                    found.setdefault(label, []).append(item)
        # An Application stands in one cluster, and its chart is installed in another.
        for label, items in list(found.items()):
            for item in items:
                target = self._chart_target(item)
                if target and target != label:
                    found.setdefault(target, []).append(item)
                    found[label] = [one for one in found[label] if one is not item]
        unlisted = {item.file for item in self.unlisted}
        # Argo CD's Applications order what they bring into other clusters, too.
        appliers = [item for items in found.values() for item in items if is_applier(item)]
        for label, items in found.items():
            if label and any(item.target == label for item in items):
                there = {item.ref for item in items}
                items += [item for item in appliers if item.ref not in there]
        rest = [
            item
            for item in self.items
            if item.file not in unlisted
            and (item.file, item.line) not in self.reached
            and item.file not in self.patches
            and not self._used(item)
        ]
        if rest:
            here = found.setdefault("", [])
            keys = {item.ref for item in here}
            here += [item for item in self.expand(rest) if item.ref not in keys]
        concerned = {name: items for name, items in found.items() if any(map(matters, items))}
        if not self.given:
            concerned = _layered(concerned)
        result = [Cluster(name or LEFTOVER, items) for name, items in sorted(concerned.items())]
        if len(result) == 1:
            result[0].name = ""
        result = result or [Cluster("", [item for items in found.values() for item in items])]
        applied = {item.ref for cluster in result for item in cluster.items}
        idle = [item for item in self.unlisted if item.ref not in applied]
        if any(map(matters, idle)):
            result[0].name = result[0].name or MAIN
            result.append(Cluster(UNLISTED, idle))
        return result

    def _used(self, item: Item) -> bool:
        """Whether a kustomization.yaml names the file or its folder, so that it is a base of something."""
        if item.file in self.folders.named():
            return True
        folder = item.folder
        return folder in self.folders.named() and folder in self.folders.kustomizations

    @staticmethod
    def _chart_target(item: Item) -> str:
        if item.ref.kind != "Application":
            return ""
        spec = as_dict(item.obj.get("spec"))
        if any(one.get("path") for one in sources_of(spec)):
            return ""
        destination = as_dict(spec.get("destination"))
        target = as_text(destination.get("name")) or as_text(destination.get("server"))
        return "" if target in _IN_CLUSTER else target

    def _labels(self, entries: Collection[tuple[str, list[Item]]]) -> dict[str, str]:
        if self.given:
            return {
                path: posixpath.basename(folder)
                for path, _items in entries
                for folder in self.given
                if path == folder or path.startswith(folder + "/")
            }
        labels = {path: _label(path, items) for path, items in entries}
        if len({one for one in labels.values() if one}) > 1:
            return labels
        folders = self._siblings(entries)
        if folders:
            for path in labels:
                labels[path] = next(
                    (posixpath.basename(one) for one in folders if path == one or path.startswith(one + "/")), ""
                )
        return labels

    @staticmethod
    def _siblings(entries: Collection[tuple[str, list[Item]]]) -> set[str]:
        """Sibling folders that hold the same pool or advertisement."""
        where: dict[Any, list[str]] = {}
        for path, items in entries:
            for item in items:
                if item.ref.kind in _OURS:
                    where.setdefault(item.ref, []).append(path if path == item.file else path + "/")
        found: set[str] = set()
        for paths in where.values():
            first = paths[0]
            for other in paths[1:]:
                one, two = first.split("/"), other.split("/")
                place = next((number for number, (a, b) in enumerate(zip(one, two)) if a != b), -1)
                # The place where they part is a folder in both, not the file itself.
                if 0 <= place < len(one) - 1 and place < len(two) - 1:
                    found |= {"/".join(one[: place + 1]), "/".join(two[: place + 1])}
        return found


def _layered(found: dict[str, list[Item]]) -> dict[str, list[Item]]:
    """Folders of environments beside folders of clusters: one has the advertisement, the other the pool that it names.

    Which cluster is in which environment is not in the files, so each advertisement is looked at with each pool that it names. A folder
    that has both kinds is a cluster of its own, and so is what an Application sends to a named destination.
    """
    pools: dict[str, list[Item]] = {}
    advertisements: dict[str, list[Item]] = {}
    for name, items in found.items():
        kinds = {item.ref.kind for item in items}
        if not name or any(item.target for item in items):
            continue
        if "IPAddressPool" in kinds and not kinds & _ADVERTISEMENTS:
            pools[name] = items
        elif "IPAddressPool" not in kinds and kinds & _ADVERTISEMENTS:
            advertisements[name] = items
    result = dict(found)
    for name, items in advertisements.items():
        wanted = {one for item in items for one in as_list(as_dict(item.obj.get("spec")).get("ipAddressPools"))}
        for other, more in pools.items():
            there = {item.ref.name for item in more if item.ref.kind == "IPAddressPool"}
            if not wanted or wanted & there:
                result.pop(name, None)
                result.pop(other, None)
                result[f"{other} with {name}"] = [*more, *items]
    return result


def _label(path: str, items: list[Item]) -> str:
    top = next((item.top for item in items if item.top), "")
    words = (path[len(top) :] if top and path.startswith(top) else path).split("/")
    # The name after the marker must be a folder, and a folder of Kustomize is one itself.
    last = len(words) - (1 if items and path == items[0].file else 0)
    for place, word in enumerate(words):
        if word in _ABOVE_CLUSTERS and place + 1 < last:
            name = words[place + 1]
            return "" if name in _SHARED else name
    return ""


def _defaulted(item: Item, namespace: str) -> Item:
    """An object without a namespace is put into that of the Application's destination."""
    metadata = metadata_of(item.obj)
    if metadata.get("namespace") or is_applier(item):
        return item
    return changed(item, {**item.obj, "metadata": {**metadata, "namespace": namespace}})


def matters(item: Item) -> bool:
    """Whether an object has to do with MetalLB."""
    kind = item.ref.kind
    if kind in _OURS or kind == "AddressPool":
        return True
    if kind == "Service":
        return as_dict(item.obj.get("spec")).get("type") == "LoadBalancer"
    if kind == "Kustomization" or (
        kind == "Application" and '"chart"' not in json.dumps(item.obj.get("spec"), default=str)
    ):
        return False
    return kind not in ("ConfigMap",) and "metallb" in str(item.obj)
