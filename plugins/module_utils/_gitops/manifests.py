# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Objects that a person wrote: YAML and JSON files and folders, with the line of every field.

Besides Kubernetes objects (also within a List) this reads the Helm values of MetalLB: a values file, an Argo CD Application or a
Flux HelmRelease of the chart metallb, and what says in which order all that is applied (see _order). Templates of Jinja are no YAML and
are named as unreadable; templates of a Helm chart are passed over.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.repository import (
    Place,
    Repository,
    application_values,
    wanted,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.apply_order import Plan
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_list,
    as_text,
    metadata_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import PLURALS, WRITTEN
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Source

SUFFIXES = (".yaml", ".yml", ".json")
_KINDS = frozenset(kind for kind, plural in PLURALS.items() if plural in WRITTEN)
# Folders that hold no manifests of the user's own.
_SKIPPED = frozenset([".git", ".github", "node_modules", "__pycache__", ".venv"])
# Kustomize reads these by their name; the kind may be left out.
_KUSTOMIZE = frozenset(["kustomization.yaml", "kustomization.yml"])
# A values file of MetalLB's chart has at least one of these at its top, with these below.
_VALUES = {"speaker": ("ignoreExcludeLB", "frr", "memberlist", "secretName", "tolerations"), "frrk8s": ("enabled",)}


class ManifestError(Exception):
    """A file that cannot be read as manifests. The message names file and line."""


@dataclass
class Manifests:
    """What was found: objects that are judged, where they stand, settings out of Helm values, what was passed over, and the order in
    which Argo CD or Flux apply all that.
    """

    objects: list[Object] = field(default_factory=list)
    sources: dict[tuple[str, str, str], Source] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    repository: Repository = field(default_factory=Repository)
    plan: Plan = field(default_factory=Plan)


def read(paths: Iterable[str], namespace: str, yaml: Any) -> Manifests:
    """Read files, and folders with all below. namespace stands for that of pools and advertisements that name none.

    yaml is PyYAML, which the module imports and this room does not. Raises ManifestError for what is not there, no YAML, or an
    object that cannot be one.
    """
    found = Manifests()
    for path in paths:
        files = list(_files(path, found))
        if not files:
            raise ManifestError(f"{path} holds no manifest: no file in it ends in {', '.join(SUFFIXES)}.")
        for name in files:
            _read_text(name, _text_of(name), namespace, found, yaml)
    found.plan = found.repository.plan(yaml)
    return found


def read_repository(top: str, texts: Mapping[str, str | None], namespace: str, yaml: Any) -> Manifests:
    """A repository as it will be: all below top, with these texts (or, for None, without these files) by path within it.

    top may be empty; then there are only the texts. A file that is no YAML and none of these is passed over with a note, for it may
    be anything. Raises ManifestError for one of the texts.
    """
    found = Manifests()
    names = {os.path.relpath(one, top) for one in _files(top, found)} if top and os.path.isdir(top) else set()
    for name in sorted(names | texts.keys()):
        path = os.path.join(top, name)
        text = texts.get(name)
        if text is not None:
            _read_text(path, text, namespace, found, yaml)
        elif name not in texts:
            try:
                _read_text(path, _text_of(path), namespace, found, yaml)
            except ManifestError as why:
                found.notes.append(f"Not judged: {why}")
    found.plan = found.repository.plan(yaml)
    return found


def _files(path: str, found: Manifests) -> Iterator[str]:
    if not os.path.exists(path):
        raise ManifestError(f"{path} does not exist.")
    if not os.path.isdir(path):
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(one for one in folders if one not in _SKIPPED)
        if "Chart.yaml" in names and "templates" in folders:
            folders.remove("templates")
            found.notes.append(
                f"Not judged: {os.path.join(folder, 'templates')} holds templates of a Helm chart; helm template renders them."
            )
        for name in sorted(names):
            if name.endswith(SUFFIXES):
                yield os.path.join(folder, name)


def _text_of(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8-sig")
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is no text in UTF-8.") from error


def _read_text(path: str, text: str, namespace: str, found: Manifests, yaml: Any) -> None:
    found.files.append(path)
    found.repository.files.append(_absolute(path))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            _document(loader, node, path, namespace, found, yaml)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        hint = ""
        if "{{" in text:
            hint = " It holds {{ … }}: render the template first (helm template, ansible.builtin.template)."
        raise ManifestError(
            f"{path}{where}: this is no YAML: {getattr(error, 'problem', None) or error}.{hint}"
        ) from error
    except RecursionError as error:
        raise ManifestError(f"{path}: it is nested too deeply.") from error
    except (ValueError, TypeError, OverflowError) as error:
        # A date like 2026-13-45 is one to YAML and none to Python.
        raise ManifestError(f"{path}: it has a value that cannot be read: {error}.") from error
    finally:
        loader.dispose()


def _document(loader: Any, node: Any, path: str, namespace: str, found: Manifests, yaml: Any) -> None:
    if isinstance(node, yaml.MappingNode) and _kind_of(node) == "List":
        for key, below in node.value:
            if key.value == "items" and isinstance(below, yaml.SequenceNode):
                for one in below.value:
                    _document(loader, one, path, namespace, found, yaml)
        return
    raw = loader.construct_document(node)
    line = node.start_mark.line + 1
    if raw is None:
        return
    if not isinstance(raw, dict):
        raise ManifestError(f"{path}, line {line}: a manifest is a dictionary, and this is a {type(raw).__name__}.")
    kind = as_text(raw.get("kind"))
    if os.path.basename(path) == "Chart.yaml" and not kind:
        return
    if os.path.basename(path) in _KUSTOMIZE and "kustomize.toolkit" not in as_text(raw.get("apiVersion")):
        named = [as_text(one) for key in ("resources", "components", "bases") for one in as_list(raw.get(key))]
        found.repository.kustomize[os.path.dirname(_absolute(path)).replace(os.sep, "/")] = named
        return
    if not kind:
        settings = _settings(raw)
        if settings:
            found.settings.update(settings, file=path)
        elif "apiVersion" in raw:
            raise ManifestError(f"{path}, line {line}: the object has no kind.")
        return
    if wanted(raw):
        metadata = metadata_of(raw)
        key = (kind, as_text(metadata.get("namespace")), as_text(metadata.get("name")))
        found.sources[key] = Source(path, line, dict(_lines(node, "", yaml)))
        found.repository.places.append(_place(raw, path))
        settings = _chart_settings(kind, raw, yaml) if kind in ("Application", "HelmRelease") else {}
        if settings:
            found.settings.update(settings, file=path)
        return
    if kind not in _KINDS or not as_text(raw.get("apiVersion")).startswith(("metallb.io/", "v1")):
        return
    name = as_text(metadata_of(raw).get("name"))
    if not name:
        raise ManifestError(f"{path}, line {line}: the {kind} has no metadata.name.")
    obj = dict(raw)
    metadata = dict(metadata_of(raw))
    if not metadata.get("namespace"):
        metadata["namespace"] = "default" if kind == "Service" else namespace
    obj["metadata"] = metadata
    if "spec" in obj and not isinstance(obj["spec"], dict):
        raise ManifestError(f"{path}, line {line}: spec of the {kind} {name} is no dictionary.")
    key = (kind, as_text(metadata["namespace"]), name)
    if key in found.sources:
        before = found.sources[key]
        found.notes.append(
            f"{kind} {metadata['namespace']}/{name} stands in {before.file} (line {before.line}) and in {path} (line {line}); "
            "the latter counts."
        )
    found.sources[key] = Source(path, line, dict(_lines(node, "", yaml)))
    found.objects.append(obj)
    found.repository.places.append(_place(obj, path))


def _absolute(path: str) -> str:
    return os.path.abspath(path).replace(os.sep, "/")


def _place(obj: Object, path: str) -> Place:
    full = os.path.abspath(path)
    return Place(obj, _absolute(path), _top(os.path.dirname(full)).replace(os.sep, "/"))


@functools.lru_cache(maxsize=1000)
def _top(folder: str) -> str:
    """Top of the working copy that a folder lies in; "" where it lies in none."""
    while not os.path.exists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return ""
        folder = above
    return folder


def _kind_of(node: Any) -> str:
    for key, below in node.value:
        if key.value == "kind":
            return as_text(below.value)
    return ""


def _lines(node: Any, path: str, yaml: Any) -> Iterator[tuple[str, int]]:
    """Paths of fields to lines, counted from 1; a mapping's field stands where its key does."""
    if isinstance(node, yaml.MappingNode):
        for key, below in node.value:
            name = f"{path}.{key.value}" if path else as_text(key.value)
            yield name, key.start_mark.line + 1
            yield from _lines(below, name, yaml)
    elif isinstance(node, yaml.SequenceNode):
        for place, below in enumerate(node.value):
            name = f"{path}[{place}]"
            yield name, below.start_mark.line + 1
            yield from _lines(below, name, yaml)


def _settings(chart_values: Object) -> Object:
    """What rules want to know out of Helm values of MetalLB's chart; empty where they are none."""
    if not any(
        key in chart_values and (key == "frrk8s" or any(name in as_dict(chart_values[key]) for name in names))
        for key, names in _VALUES.items()
    ):
        return {}
    speaker = as_dict(chart_values.get("speaker"))
    found: Object = {}
    if "ignoreExcludeLB" in speaker:
        found["ignore_exclude_lb"] = speaker["ignoreExcludeLB"] is True
    if "frr" in speaker:
        found["frr"] = as_dict(speaker["frr"]).get("enabled") is True
    if "frrk8s" in chart_values:
        found["frrk8s"] = as_dict(chart_values["frrk8s"]).get("enabled") is True
    if chart_values.get("loadBalancerClass"):
        found["lb_class"] = as_text(chart_values["loadBalancerClass"])
    return found or {"seen": True}


def _chart_settings(kind: str, obj: Object, yaml: Any) -> Object:
    """Helm values within an Argo CD Application or a Flux HelmRelease of the chart metallb."""
    spec = as_dict(obj.get("spec"))
    if kind == "HelmRelease":
        chart = as_dict(as_dict(as_dict(spec.get("chart")).get("spec")))
        return _settings(as_dict(spec.get("values"))) if chart.get("chart") == "metallb" else {}
    found: Object = {}
    several = spec.get("sources")
    for source in several if isinstance(several, list) else [spec.get("source")]:
        if as_dict(source).get("chart") == "metallb":
            found.update(_settings(application_values(as_dict(as_dict(source).get("helm")), yaml)))
    return found
