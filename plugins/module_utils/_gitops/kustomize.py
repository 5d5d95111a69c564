# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""What Kustomize makes of a folder, as far as it concerns MetalLB.

Resources, components, namespace, name prefix and suffix, patches of both kinds, simple replacements, generated ConfigMaps and Helm charts are
applied as Kustomize applies them. What comes from elsewhere, and plugins, are named and left out. Nothing is executed.
"""

from __future__ import annotations

import copy
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.reader import Document
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_list,
    as_text,
    metadata_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
# Kinds without a namespace, of those that matter here.
_CLUSTER_WIDE = frozenset(["CustomResourceDefinition", "Namespace"])
_DEPTH = 30
_CLAUSE = re.compile(r"\s*([^=!\s]+)\s*(==|!=|=|)\s*(.*)", re.S)
# Written as a variable, which no rule takes for a value.
UNRESOLVED = "${replacement}"
# Helm charts that Kustomize inflates, as a kind of their own.
CHART = "HelmChartInflation"


@dataclass(frozen=True)
class Item:
    """An object and where it stands. path is as users see it, file is absolute with slashes; scope is who applies it."""

    obj: Object
    path: str
    file: str
    line: int = 1
    document: Document | None = None
    top: str = ""
    scope: Ref | None = None
    target: str = ""
    waves_of: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def ref(self) -> Ref:
        metadata = metadata_of(self.obj)
        return Ref(as_text(self.obj.get("kind")), as_text(metadata.get("namespace")), as_text(metadata.get("name")))

    @cached_property
    def lines(self) -> Mapping[str, int]:
        return self.document.lines(self.source_value) if self.document is not None else {}

    @property
    def source_value(self) -> Any:
        return self.waves_of.get("value", self.obj)

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.file)


def changed(item: Item, obj: Object) -> Item:
    """The same place with another object; lines stay those of what was written."""
    return made(item, obj, waves_of={"value": item.source_value})


def made(item: Item, obj: Object, **more: Any) -> Item:
    """The same place with another object."""
    changes: dict[str, Any] = {"obj": obj, **more}
    return replace(item, **changes)


class Folders:
    """Everything that was read, by folder, and what Kustomize makes of a folder."""

    def __init__(
        self,
        items: Iterable[Item],
        kustomizations: Mapping[str, Item],
        load: Callable[[str], list[Any]],
        parse: Callable[[str], Any],
    ) -> None:
        self.kustomizations = kustomizations
        self.load, self.parse = load, parse
        self.remote: list[tuple[str, str]] = []
        self.partial: dict[str, str] = {}
        self.by_file: dict[str, list[Item]] = {}
        self.files: dict[str, list[str]] = {}
        self.below: dict[str, set[str]] = {}
        for item in items:
            if item.file not in self.by_file:
                self._know(item.file)
            self.by_file.setdefault(item.file, []).append(item)
        for item in kustomizations.values():
            self._know(item.file, False)
        self._rendered: dict[str, list[Item]] = {}
        self._used: set[str] | None = None

    def _know(self, name: str, listed: bool = True) -> None:
        folder = posixpath.dirname(name)
        if listed:
            self.files.setdefault(folder, []).append(name)
        while True:
            above = posixpath.dirname(folder)
            if above == folder or folder in self.below.setdefault(above, set()):
                return
            self.below[above].add(folder)
            folder = above

    def has(self, folder: str) -> bool:
        return folder in self.files or folder in self.below or folder in self.kustomizations

    def folder(self, folder: str, deep: bool = True, seen: tuple[str, ...] = ()) -> list[Item]:
        """What is applied with a folder: that of its kustomization.yaml, else of all files."""
        if folder in seen or len(seen) > _DEPTH:
            return []
        if folder in self.kustomizations:
            return self.kustomization(folder, seen)
        found = [item for name in sorted(self.files.get(folder, ())) for item in self.by_file[name]]
        if deep:
            for one in sorted(self.below.get(folder, ())):
                found += self.folder(one, True, (*seen, folder))
        return found

    def kustomization(self, folder: str, seen: tuple[str, ...] = ()) -> list[Item]:
        if folder in self._rendered:
            return self._rendered[folder]
        spec = self.kustomizations[folder].obj
        seen = (*seen, folder)
        found: list[Item] = []
        for resource in _texts(spec, "resources", "bases"):
            found += self._resource(folder, resource, seen)
        found += self._generated(folder, spec)
        for component in _texts(spec, "components"):
            target = posixpath.normpath(posixpath.join(folder, component))
            if target in self.kustomizations and target not in seen:
                found += self._resource(folder, component, seen)
                found = self.transform(found, self.kustomizations[target].obj, target)
        found = self.transform(found, spec, folder)
        unknown = [key for key in ("generators", "transformers", "vars") if spec.get(key)]
        if unknown:
            self.partial[folder] = ", ".join(unknown)
        self._rendered[folder] = found
        return found

    def _resource(self, folder: str, resource: str, seen: tuple[str, ...]) -> list[Item]:
        if "://" in resource or resource.startswith(("github.com/", "git@")) or "?ref=" in resource:
            if (folder, resource) not in self.remote:
                self.remote.append((folder, resource))
            return []
        target = posixpath.normpath(posixpath.join(folder, resource))
        if target in self.by_file:
            return list(self.by_file[target])
        if target in self.kustomizations and target not in seen:
            return self.kustomization(target, seen)
        return []

    def _generated(self, folder: str, spec: Object) -> list[Item]:
        where = self.kustomizations[folder]
        found = []
        for one in map(as_dict, as_list(spec.get("configMapGenerator"))):
            data = dict(as_text(text).partition("=")[::2] for text in as_list(one.get("literals")))
            metadata = {"name": as_text(one.get("name")), "namespace": as_text(one.get("namespace")) or None}
            found.append(made(where, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}))
        for one in map(as_dict, as_list(spec.get("helmCharts"))):
            name = as_text(one.get("releaseName")) or as_text(one.get("name"))
            values = one.get("valuesInline")
            if one.get("valuesFile"):
                file = posixpath.normpath(posixpath.join(folder, as_text(one["valuesFile"])))
                values = {**as_dict(next(iter(self.load(file)), None)), **as_dict(values)}
            metadata = {"name": name, "namespace": as_text(one.get("namespace")) or as_text(spec.get("namespace"))}
            chart = {**one, "values": values}
            found.append(made(where, {"kind": CHART, "metadata": metadata, "spec": chart}))
        return found

    def transform(self, items: list[Item], spec: Object, folder: str) -> list[Item]:
        """Patches, then the namespace and names, as one kustomization.yaml says them; a Flux Kustomization has the same fields."""
        for target, patch in self._patches(spec, folder):
            items = patched(items, target, patch)
        for one in map(as_dict, as_list(spec.get("replacements"))):
            loaded = (
                as_list(next(iter(self.load(posixpath.join(folder, as_text(one["path"])))), None))
                if one.get("path")
                else [one]
            )
            for replacement in map(as_dict, loaded):
                items = _replaced(items, replacement)
        namespace = as_text(spec.get("namespace"))
        prefix, suffix = as_text(spec.get("namePrefix")), as_text(spec.get("nameSuffix"))
        if namespace or prefix or suffix:
            items = [_renamed(item, namespace, prefix, suffix) for item in items]
        return items

    def _patches(self, spec: Object, folder: str) -> Iterable[tuple[Object, Any]]:
        for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
            for one in as_list(spec.get(key)):
                target: Object = {}
                text: Any = one
                if isinstance(one, dict):
                    target, text = as_dict(one.get("target")), one.get("patch")
                    if text is None and one.get("path"):
                        yield from ((target, each) for each in self.load(posixpath.join(folder, as_text(one["path"]))))
                        continue
                elif isinstance(one, str) and "\n" not in one and ":" not in one:
                    yield from ((target, each) for each in self.load(posixpath.join(folder, one)))
                    continue
                patch = self.parse(text) if isinstance(text, str) else text
                yield target, patch

    def targets(self, folder: str) -> list[str]:
        """Files and folders that a kustomization.yaml names."""
        spec = self.kustomizations[folder].obj
        return [
            posixpath.normpath(posixpath.join(folder, one))
            for one in _texts(spec, "resources", "bases", "components")
            if "://" not in one
        ]

    def named(self) -> set[str]:
        """Files and folders that any kustomization.yaml names."""
        if self._used is None:
            self._used = {one for folder in self.kustomizations for one in self.targets(folder) if one != folder}
        return self._used


def _texts(spec: Object, *keys: str) -> list[str]:
    return [one for key in keys for one in as_list(spec.get(key)) if isinstance(one, str) and one]


def _renamed(item: Item, namespace: str, prefix: str, suffix: str) -> Item:
    kind = as_text(item.obj.get("kind"))
    metadata = dict(metadata_of(item.obj))
    if namespace and kind not in _CLUSTER_WIDE:
        metadata["namespace"] = namespace
    if (prefix or suffix) and kind not in _CLUSTER_WIDE:
        metadata["name"] = f"{prefix}{as_text(metadata.get('name'))}{suffix}"
    return changed(item, {**item.obj, "metadata": metadata})


# -- patches ----------------------------------------------------------------------------------------------------------


def _matches(item: Item, target: Object, patch: Any) -> bool:
    ref = item.ref
    if not target:
        if not isinstance(patch, dict):
            return False
        metadata = metadata_of(patch)
        return as_text(patch.get("kind")) == ref.kind and as_text(metadata.get("name")) in ("", ref.name)
    group, _slash, version = as_text(item.obj.get("apiVersion")).rpartition("/")
    for key, text in (
        ("kind", ref.kind),
        ("name", ref.name),
        ("namespace", ref.namespace),
        ("group", group),
        ("version", version),
    ):
        wanted = as_text(target.get(key))
        try:
            if wanted and not re.fullmatch(wanted, text):
                return False
        except re.error:
            return False
    for key in ("labelSelector", "annotationSelector"):
        labels = as_dict(metadata_of(item.obj).get("labels" if key == "labelSelector" else "annotations"))
        for clause in filter(None, as_text(target.get(key)).split(",")):
            clause_match = _CLAUSE.fullmatch(clause)
            if clause_match is None:
                return False
            name, operator, value = clause_match.groups()
            if operator in ("=", "==") and as_text(labels.get(name)) != value.strip():
                return False
            if operator == "!=" and as_text(labels.get(name)) == value.strip():
                return False
            if not operator and name not in labels:
                return False
    return True


def patched(items: list[Item], target: Object, patch: Any) -> list[Item]:
    found = []
    for item in items:
        if not _matches(item, target, patch):
            found.append(item)
        elif isinstance(patch, list):
            obj = copy.deepcopy(item.obj)
            for operation in map(as_dict, patch):
                _operate(obj, operation)
            found.append(changed(item, obj))
        elif isinstance(patch, dict):
            if patch.get("$patch") == "delete":
                continue
            body = {key: value for key, value in patch.items() if key not in ("apiVersion", "kind")}
            metadata = {key: value for key, value in metadata_of(body).items() if key not in ("name", "namespace")}
            found.append(changed(item, _merged(item.obj, {**body, "metadata": metadata})))
        else:
            found.append(item)
    return found


def _merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(as_dict(old))
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merged(result.get(key), value)
        else:
            result[key] = value
    return result


def _operate(obj: Object, operation: Object) -> None:
    """One operation of a JSON patch (RFC 6902); one that cannot be applied changes nothing, for Kustomize then fails."""
    words = [one.replace("~1", "/").replace("~0", "~") for one in as_text(operation.get("path")).split("/")[1:]]
    if not words:
        return
    here: Any = obj
    for word in words[:-1]:
        here = _step_into(here, word)
        if here is None:
            return
    last, action = words[-1], operation.get("op")
    value = copy.deepcopy(operation.get("value"))
    if isinstance(here, dict):
        if action == "remove":
            here.pop(last, None)
        elif action in ("add", "replace"):
            here[last] = value
    elif isinstance(here, list):
        if last == "-" and action == "add":
            here.append(value)
        elif last.isdigit() and int(last) <= len(here):
            place = int(last)
            if action == "add":
                here.insert(place, value)
            elif place < len(here):
                if action == "remove":
                    del here[place]
                elif action == "replace":
                    here[place] = value


def _step_into(here: Any, word: str) -> Any:
    if isinstance(here, dict):
        return here.get(word)
    if isinstance(here, list) and word.isdigit() and int(word) < len(here):
        return here[int(word)]
    return None


def _replaced(items: list[Item], replacement: Object) -> list[Item]:
    source = as_dict(replacement.get("source"))
    path = as_text(source.get("fieldPath")) or "metadata.name"
    chosen = {key: source[key] for key in ("kind", "name", "namespace") if source.get(key)}
    value: Any = None
    for item in items:
        if chosen and _matches(item, chosen, None):
            value = item.obj
            for word in _words(path):
                value = _step_into(value, word)
            break
    options = as_dict(source.get("options"))
    if isinstance(value, str) and options.get("delimiter"):
        parts = value.split(as_text(options["delimiter"]))
        index = options.get("index", 0)
        value = parts[index] if isinstance(index, int) and 0 <= index < len(parts) else value
    if value is None:
        # It comes from what is not in the repository, such as an .env file: whatever the target holds now is not what is applied.
        value = UNRESOLVED
    found = []
    for item in items:
        obj = item.obj
        for target in map(as_dict, as_list(replacement.get("targets"))):
            select = {key: text for key, text in as_dict(target.get("select")).items() if isinstance(text, str)}
            if not select or not _matches(item, select, None):
                continue
            if obj is item.obj:
                obj = copy.deepcopy(obj)
            for field_path in map(as_text, as_list(target.get("fieldPaths"))):
                _put(obj, _words(field_path), value, as_dict(target.get("options")))
        found.append(item if obj is item.obj else changed(item, obj))
    return found


def _words(path: str) -> list[str]:
    """Parts of a.b.[c=d].e and a.[metallb.io/x]."""
    return [one.strip("[]") for one in re.findall(r"\[[^\]]*\]|[^.\[\]]+", path)]


def _put(here: Any, words: list[str], value: Any, options: Object) -> None:
    for place, word in enumerate(words):
        last = place == len(words) - 1
        if isinstance(here, list):
            if word == "*":
                for number in range(len(here)):
                    _put(here, [str(number), *words[place + 1 :]], value, options)
                return
            if not word.isdigit() or int(word) >= len(here):
                return
            if last:
                here[int(word)] = _delimited(here[int(word)], value, options)
                return
            here = here[int(word)]
        elif isinstance(here, dict):
            if last:
                if word in here or options.get("create") is True:
                    here[word] = _delimited(here.get(word), value, options)
                return
            if word not in here and options.get("create") is True:
                here[word] = {}
            here = here.get(word)
        else:
            return


def _delimited(old: Any, value: Any, options: Object) -> Any:
    delimiter = as_text(options.get("delimiter"))
    index = options.get("index", 0)
    if not delimiter or not isinstance(old, str) or not isinstance(index, int):
        return value
    parts = old.split(delimiter)
    if 0 <= index < len(parts):
        parts[index] = as_text(value)
    return delimiter.join(parts)
