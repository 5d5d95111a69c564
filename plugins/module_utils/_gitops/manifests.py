# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Objects that a person wrote: YAML and JSON files and folders, as each cluster gets them.

A file of a folder that is not a manifest is noted and left out; only a file that was named itself ends the run. What Kustomize, Flux and
Helm values change is applied (kustomize, flux_substitute, helm_values), and what each cluster gets is told apart (clusters).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.clusters import (
    LEFTOVER,
    UNLISTED,
    Cluster,
    Resolver,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.faults import faults_of, values_faults
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.helm_values import (
    Release,
    is_values,
    releases,
    services,
    settings_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.kustomize import NAMES, Folders, Item, changed
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.reader import (
    Document,
    Unreadable,
    as_json,
    decode,
    documents,
    load_text,
    read_octets,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.repository import (
    plan_of,
    registries_of,
    wanted,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.tree import (
    SUFFIXES,
    LeftOut,
    grouped,
    left,
    mentions,
    walk,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.apply_order import FileFault, SyncOrder
from ansible_collections.l2ops.metallb.plugins.module_utils._model.files import OddFile
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_list,
    as_text,
    metadata_of,
    printable,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import (
    DEFAULT_NAMESPACE,
    PLURALS,
    USER_KINDS,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Source

_KINDS = frozenset(kind for kind, plural in PLURALS.items() if plural in USER_KINDS)
# MetalLB's kinds that are not analyzed, but whose format may be a finding.
_OTHERS = frozenset(["AddressPool", "BFDProfile", "Community"])
_ENCRYPTED = "ENC["
NOT_A_MANIFEST, NO_NAME, ENCRYPTED = "not a Kubernetes manifest", "an object without a name", "encrypted (SOPS)"
ODD_SPEC = "an object whose spec is not a dictionary"


class ManifestError(Exception):
    """A file that was named itself and cannot be read as manifests. The message names file and line."""

    def __str__(self) -> str:
        # Names of files, and what libyaml quotes of them.
        return printable(super().__str__())


@dataclass
class Manifests:
    """What one cluster gets: objects that are analyzed, where they stand, settings out of Helm values, and the order in which Argo CD or Flux
    apply all that. name is "" where there is one cluster only.
    """

    name: str = ""
    namespace: str = DEFAULT_NAMESPACE
    objects: list[Object] = field(default_factory=list)
    sources: dict[tuple[str, str, str], Source] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: tuple[FileFault, ...] = ()
    plan: SyncOrder = field(default_factory=SyncOrder)
    paths: frozenset[str] = frozenset()

    @property
    def worst(self) -> str:
        """The highest severity that a finding may have: what is not applied breaks nothing."""
        return "info" if self.name == UNLISTED else "warning" if self.name == LEFTOVER else "error"

    @property
    def empty(self) -> bool:
        return not (self.objects or self.settings.get("seen") or self.faults)


@dataclass
class Reading:
    """All that was read: files, what was left out, and what each cluster gets."""

    files: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    clusters: list[Manifests] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def told(self) -> list[str]:
        """Remarks for the user, one for each reason and not for each file."""
        return [*map(printable, grouped(self.left_out)), *map(printable, self.notes)]

    @property
    def unread(self) -> list[LeftOut]:
        """Files that mention metallb and were not read."""
        return [one for one in self.left_out if one.mentions]

    def nothing(self) -> str:
        """Why nothing could be analyzed, for a headline; "" where something could."""
        if any(not one.empty for one in self.clusters):
            if any(one["kind"] == "IPAddressPool" for found in self.clusters for one in found.objects):
                return ""
            if any(found.faults or found.settings.get("seen") for found in self.clusters):
                return ""
            if any(one["kind"] != "Service" for found in self.clusters for one in found.objects):
                return ""
        encrypted = any(one.reason == ENCRYPTED for one in self.left_out)
        why = "everything of MetalLB is encrypted" if encrypted and not self.unread else "no IPAddressPool found"
        names = [one.path for one in (self.unread or [one for one in self.left_out if one.reason == ENCRYPTED])]
        if not names:
            return f"Nothing could be analyzed: {why}."
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        what = "mention metallb and were not read" if self.unread else "are encrypted and were not read"
        return printable(f"Nothing could be analyzed: {why}; these files {what}: {shown}.")


@dataclass
class _Collected:
    yaml: Any
    items: list[Item] = field(default_factory=list)
    kustomizations: dict[str, Item] = field(default_factory=dict)
    values: list[Item] = field(default_factory=list)
    charts: dict[str, Object] = field(default_factory=dict)
    plain: dict[str, list[Any]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def load(self, full: str) -> list[Any]:
        """Documents of any file, for patches and values; empty where it cannot be read."""
        full = os.path.normpath(full).replace(os.sep, "/")
        if full not in self.plain:
            try:
                text = self.texts.get(full)
                if text is None:
                    text = decode(read_octets(full))
                self.plain[full] = [one.value for one in documents(text, self.yaml)]
            except (OSError, OddFile, Unreadable):
                self.plain[full] = []
        return self.plain[full]


def read(
    paths: Iterable[str],
    namespace: str | None,
    yaml: Any,
    exclude: Collection[str] = (),
    clusters: Collection[str] = (),
) -> Reading:
    """Read files, and folders with all below. namespace is MetalLB's where the user says it; else the files tell.

    yaml is PyYAML, which the module imports and this package does not. exclude are patterns as in .gitignore. clusters are folders whose
    contents are one cluster each, where these cannot be told. Raises ManifestError for what is not there, or a file named in paths that is
    not a manifest.
    """
    found, collected = Reading(), _Collected(yaml)
    tops = []
    for path in paths:
        if not os.path.exists(path):
            raise ManifestError(f"{path} does not exist.")
        if os.path.isdir(path):
            tree = walk(path, exclude)
            if not tree.files and not tree.left_out:
                raise ManifestError(f"{path} holds no manifest: no file in it ends in {', '.join(SUFFIXES)}.")
            tops.append(path)
            found.left_out += tree.left_out
            for name in tree.files:
                _read_file(name, found, collected, named=False)
        else:
            _read_file(path, found, collected, named=True)
    given = [
        next((os.path.join(top, one) for top in tops if os.path.isdir(os.path.join(top, one))), one) for one in clusters
    ]
    for one in given:
        if not os.path.isdir(one):
            raise ManifestError(f"clusters: {one} is not a folder of the manifests.")
    return _resolved(found, collected, namespace, given)


def read_repository(top: str, texts: Mapping[str, str | None], namespace: str, yaml: Any) -> Reading:
    """A repository as it will be: all below top, with these texts (or, for None, without these files) by path within it.

    top may be empty; then there are only the texts. Raises ManifestError for one of the texts.
    """
    found, collected = Reading(), _Collected(yaml)
    collected.texts = {_absolute(os.path.join(top, name)): text for name, text in texts.items() if text is not None}
    names: set[str] = set()
    if top and os.path.isdir(top):
        tree = walk(top)
        found.left_out += tree.left_out
        names = {os.path.relpath(one, top) for one in tree.files}
    for name in sorted(names | texts.keys()):
        path, text = os.path.join(top, name), texts.get(name)
        if text is not None:
            _read_text(path, text, found, collected, named=True)
        elif name not in texts:
            _read_file(path, found, collected, named=False)
    return _resolved(found, collected, namespace, ())


# -- files ------------------------------------------------------------------------------------------------------------


def _read_file(path: str, found: Reading, collected: _Collected, named: bool) -> None:
    try:
        text = decode(read_octets(path))
    except OSError as error:
        if named:
            raise ManifestError(f"{path} cannot be read: {error.strerror}.") from error
        found.left_out.append(LeftOut("cannot be opened", path, 0, str(error.strerror)))
        return
    except OddFile as error:
        if named:
            raise ManifestError(f"{path} is {error}.") from error
        found.left_out.append(LeftOut(str(error), path))
        return
    except Unreadable as error:
        if named:
            raise ManifestError(f"{path} is {error}.") from error
        found.left_out.append(left(error.reason, path))
        return
    _read_text(path, text, found, collected, named)


def _read_text(path: str, text: str, found: Reading, collected: _Collected, named: bool) -> None:
    found.files.append(path)
    reader = _File(path, text, found, collected, named)
    try:
        for document in documents(text, collected.yaml):
            reader.document(document)
    except Unreadable as error:
        reason, line, detail = error.reason, error.line, error.detail
        if path.endswith(".json"):
            try:
                reader.document(Document(as_json(text), 1))
                return
            except Unreadable as other:
                reason, line, detail = other.reason, other.line, other.detail
        reader.odd(reason, line, detail)


class _File:
    def __init__(self, path: str, text: str, found: Reading, collected: _Collected, named: bool) -> None:
        self.path, self.text, self.found, self.collected, self.named = path, text, found, collected, named
        self.full, self.name = _absolute(path), os.path.basename(path)
        self.top = _top(os.path.dirname(self.full))

    def odd(self, reason: str, line: int = 0, detail: str = "") -> None:
        if self.named:
            where = f"{self.path}, line {line}" if line else self.path
            hint = (
                " Render the template first (helm template, ansible.builtin.template)." if "template" in reason else ""
            )
            raise ManifestError(
                f"{where}: {detail or reason}" + (f" ({reason})" if detail and detail != reason else "") + f".{hint}"
            )
        metallb, pools = mentions(self.text.encode("utf-8", "replace"))
        self.found.left_out.append(LeftOut(reason, self.path, line, detail, metallb, pools))

    def item(self, obj: Object, document: Document, line: int) -> Item:
        return Item(obj, self.path, self.full, line, document, self.top)

    def document(self, document: Document) -> None:
        self._object(document.value, document, document.line)

    def _object(self, raw: Any, document: Document, line: int, depth: int = 0) -> None:
        if raw is None:
            return
        if not isinstance(raw, dict):
            what = "a list" if isinstance(raw, list) else "a text" if isinstance(raw, str) else "a single value"
            self.odd(f"{NOT_A_MANIFEST}: {what}", line, f"a manifest is a dictionary, and this is {what}")
            return
        kind, version = as_text(raw.get("kind")), as_text(raw.get("apiVersion"))
        if kind == "List" and depth < 5:
            marks = document.marks.get(id(raw.get("items")))
            for place, one in enumerate(as_list(raw.get("items"))):
                self._object(one, document, marks[place] if isinstance(marks, list) else line, depth + 1)
            return
        if self.name == "Chart.yaml" and not version.startswith("apps"):
            self.collected.charts[os.path.dirname(self.full)] = raw
            return
        if self.name in NAMES and "kustomize.toolkit" not in version:
            self.collected.kustomizations[os.path.dirname(self.full)] = self.item(raw, document, line)
            return
        if kind.startswith(_ENCRYPTED) or version.startswith(_ENCRYPTED):
            self.odd(ENCRYPTED, 0, "kind and apiVersion are encrypted")
            return
        if not kind:
            self._no_kind(raw, document, line, version)
            return
        if wanted(raw) or (kind == "ConfigMap" and version == "v1") or kind == "EnvoyProxy":
            self.collected.items.append(self.item(raw, document, line))
            return
        ours = version.startswith("metallb.io/") and kind in (_KINDS | _OTHERS)
        if not ours and not (kind in _KINDS and version == "v1"):
            return
        if not as_text(metadata_of(raw).get("name")):
            self.odd(NO_NAME, line, f"the {kind} has no metadata.name")
            return
        if raw.get("spec") is not None and not isinstance(raw["spec"], dict):
            self.odd(ODD_SPEC, line, f"spec of the {kind} {as_text(metadata_of(raw).get('name'))} is not a dictionary")
            return
        self.collected.items.append(self.item(raw, document, line))

    def _no_kind(self, raw: Object, document: Document, line: int, version: str) -> None:
        folder = os.path.dirname(self.full)
        if is_values(raw):
            self.collected.values.append(self.item(raw, document, line))
        elif self.name in ("values.yaml", "values.yml") and folder in self.collected.charts:
            for one in map(as_dict, as_list(self.collected.charts[folder].get("dependencies"))):
                under = as_text(one.get("alias")) or as_text(one.get("name"))
                if one.get("name") == "metallb" and isinstance(raw.get(under), dict):
                    self.collected.values.append(self.item(raw[under], document, line))
        elif self.name in ("values.yaml", "values.yml") and isinstance(raw.get("metallb"), dict):
            if is_values(raw["metallb"]):
                self.collected.values.append(self.item(raw["metallb"], document, line))
        elif version:
            self.odd(f"{NOT_A_MANIFEST}: no kind", line, "the object has no kind")
        elif not self.named:
            self.odd(NOT_A_MANIFEST, 0)


def _absolute(path: str) -> str:
    return os.path.abspath(path).replace(os.sep, "/")


@functools.lru_cache(maxsize=10_000)
def _top(folder: str) -> str:
    """Top of the working copy that a folder lies in; "" where it lies in none."""
    if os.path.exists(os.path.join(folder, ".git")):
        return folder.replace(os.sep, "/")
    above = os.path.dirname(folder)
    return "" if above == folder else _top(above)


# -- clusters ---------------------------------------------------------------------------------------------------------


def _resolved(found: Reading, collected: _Collected, namespace: str | None, given: Collection[str]) -> Reading:
    _top.cache_clear()
    folders = Folders(
        collected.items,
        collected.kustomizations,
        collected.load,
        lambda text: load_text(text, collected.yaml),
    )
    resolver = Resolver(collected.items, folders, given)
    registries = registries_of(collected.items)
    pools_unread = next((one for one in found.left_out if one.pools), None)
    clusters = resolver.clusters()
    for cluster in clusters:
        manifests = _manifests(cluster, registries, namespace, collected)
        if pools_unread is not None:
            manifests.settings["pools_unread"] = pools_unread.path
        found.clusters.append(manifests)
        found.notes += manifests.notes
    _values_files(found, collected)
    if folders.remote:
        names = sorted({f"{resource} ({os.path.relpath(folder)})" for folder, resource in folders.remote})
        if any("metallb" in name.lower() for name in names):
            names = [name for name in names if "metallb" in name.lower()]
            found.notes.append(f"Not read, because it is elsewhere: {', '.join(names[:5])}.")
    for folder, what in sorted(folders.partial.items()):
        rendered = folders.kustomization(folder)
        if any(item.ref.kind in _KINDS for item in rendered):
            found.notes.append(
                f"{folder}: Kustomize's {what} are not applied, so what it holds is analyzed without them."
            )
    return found


def _values_files(found: Reading, collected: _Collected) -> None:
    """Values files hold for each cluster that has no values of its own: nothing says where they are used."""
    for item in collected.values:
        faults = tuple(values_faults(item))
        for cluster in found.clusters:
            if not cluster.settings.get("file"):
                cluster.settings.update(settings_of(item.obj), file=item.path)
            cluster.faults += faults


def _manifests(
    cluster: Cluster, registries: Mapping[str, str], namespace: str | None, collected: _Collected
) -> Manifests:
    found = Manifests(cluster.name)
    faults: list[FileFault] = []
    installed: list[tuple[Item, Release]] = []
    for item in cluster.items:
        for release in releases(item, registries, collected.yaml):
            if release.chart == "metallb":
                installed.append((item, release))
    found.namespace = namespace or _home(cluster, installed)
    if not namespace and installed and installed[0][1].namespace == found.namespace:
        found.settings["namespace_from"] = f"{installed[0][0].ref} installs it there"
    for item, release in installed:
        found.settings.update(settings_of(release.values), file=item.path)
        faults += values_faults(item, release.values)
    items = [_placed(item, found.namespace) for item in cluster.items]
    for item in items:
        _add(item, found, faults)
        if item.ref.kind in ("HelmRelease", "HelmChart", "Application", "ApplicationSet", "HelmChartInflation"):
            for release in releases(item, registries, collected.yaml):
                if release.chart != "metallb":
                    _add_services(item, release, found)
        elif item.ref.kind == "EnvoyProxy":
            values = as_dict(item.obj.get("spec"))
            _add_services(item, Release("envoy", values, item.ref.name, item.ref.namespace, "", "spec"), found)
    found.plan = plan_of(items, registries, collected.yaml)
    found.faults = tuple(faults)
    found.paths = frozenset(item.file for item in cluster.items)
    return found


def _home(cluster: Cluster, installed: list[tuple[Item, Release]]) -> str:
    """The namespace of MetalLB: where its chart is installed, else the one that all pools and advertisements are in."""
    for _item, release in installed:
        if release.namespace and "${" not in release.namespace and "{{" not in release.namespace:
            return release.namespace
    names = {
        item.ref.namespace
        for item in cluster.items
        if item.ref.kind in ("IPAddressPool", "L2Advertisement") and item.ref.namespace
    }
    return names.pop() if len(names) == 1 else DEFAULT_NAMESPACE


def _placed(item: Item, namespace: str) -> Item:
    """With the namespace that an object without one gets."""
    metadata = metadata_of(item.obj)
    if item.ref.kind not in _KINDS or metadata.get("namespace"):
        return item
    return changed(
        item,
        {**item.obj, "metadata": {**metadata, "namespace": "default" if item.ref.kind == "Service" else namespace}},
    )


def _add(item: Item, found: Manifests, faults: list[FileFault]) -> None:
    kind, metadata = item.ref.kind, metadata_of(item.obj)
    faults += faults_of(item)
    if kind not in _KINDS:
        found.sources.setdefault((kind, item.ref.namespace, item.ref.name), Source(item.path, item.line, item.lines))
        return
    obj = {**item.obj, "spec": as_dict(item.obj.get("spec")), "metadata": dict(metadata)}
    key = (kind, as_text(obj["metadata"]["namespace"]), item.ref.name)
    if key in found.sources:
        before = found.sources[key]
        if (before.file, before.line) != (item.path, item.line):
            found.notes.append(
                f"{kind} {key[1]}/{key[2]} stands in {before.file} (line {before.line}) and in {item.path} (line {item.line}); "
                "the latter counts."
            )
    found.sources[key] = Source(item.path, item.line, item.lines)
    found.objects.append(obj)


def _add_services(item: Item, release: Release, found: Manifests) -> None:
    for wish in services(release):
        metadata = wish.obj["metadata"]
        key = ("Service", as_text(metadata["namespace"]), as_text(metadata["name"]))
        if key in found.sources:
            continue
        lines = {}
        if wish.path:
            for path, line in item.lines.items():
                if path.startswith(wish.path + "."):
                    below = path[len(wish.path) + 1 :]
                    lines[f"metadata.{below}" if below.startswith("annotations") else f"spec.{below}"] = line
        line = item.lines.get(wish.path, item.line) if wish.path else item.line
        found.sources[key] = Source(item.path, line, lines)
        found.objects.append(wish.obj)
