# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""In which order Argo CD or Flux apply what a repository holds.

Argo CD orders by waves, and only within one sync: what one Application holds, child Applications among it. Flux orders by dependsOn,
between Kustomizations and between HelmReleases, and what one Kustomization holds is applied at once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.apply_order import (
    ADVERTISEMENT,
    KINDS,
    OTHER,
    POOL,
    SERVICE,
    Plan,
    Step,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import (
    IGNORE_ANNOTATION,
    OLD_PREFIX,
    PREFIX,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_list,
    as_text,
    metadata_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref

# What Argo CD calls the order of things, and where it is told how healthy an Application is (before 2.x: within the second).
WAVE = "argocd.argoproj.io/sync-wave"
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
SKIP_DRY_RUN = "SkipDryRunOnMissingResource=true"
HEALTH_KEYS = ("resource.customizations.health.argoproj.io_Application", "resource.customizations")
_KINDS = {"IPAddressPool": POOL, "L2Advertisement": ADVERTISEMENT, "BGPAdvertisement": ADVERTISEMENT, "BGPPeer": OTHER}
# By API group: Application and Kustomization are names of other projects' kinds, too.
_GROUPS = {
    "Application": "argoproj.io/",
    "Kustomization": "kustomize.toolkit.fluxcd.io/",
    "HelmRelease": "helm.toolkit.fluxcd.io/",
    "OCIRepository": "source.toolkit.fluxcd.io/",
    "CustomResourceDefinition": "apiextensions.k8s.io/",
    "ConfigMap": "v1",
}
# Charts whose Service is a load balancer unless their values say another type.
_BALANCED_CHARTS = frozenset(["traefik", "ingress-nginx"])


# -- making a plan out of manifests -----------------------------------------------------------------------------------


def wanted(obj: Object) -> bool:
    """Whether it says something of the order, beside the kinds that are judged anyway."""
    kind = as_text(obj.get("kind"))
    if kind not in _GROUPS or not as_text(obj.get("apiVersion")).startswith(_GROUPS[kind]):
        return False
    name = as_text(metadata_of(obj).get("name"))
    if kind == "ConfigMap":
        return name == "argocd-cm"
    return name.endswith(".metallb.io") if kind == "CustomResourceDefinition" else bool(name)


@dataclass(frozen=True)
class Place:
    """An object and its file. file and top, that of the working copy or "", are absolute paths with slashes."""

    obj: Object
    file: str
    top: str = ""


@dataclass
class Repository:
    """What was read: objects, all files, and what each folder's kustomization.yaml names."""

    places: list[Place] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    kustomize: dict[str, Sequence[str]] = field(default_factory=dict)

    def plan(self, yaml: Any) -> Plan:
        """yaml is PyYAML, for Helm values that are text."""
        health = ""
        registries: dict[str, str] = {}
        for place in self.places:
            kind, name = place.obj.get("kind"), as_text(metadata_of(place.obj).get("name"))
            if kind == "ConfigMap":
                data = as_dict(place.obj.get("data"))
                known = HEALTH_KEYS[0] in data or "argoproj.io/Application" in as_text(data.get(HEALTH_KEYS[1]))
                health = "seen" if known else health or "lacking"
            elif kind == "OCIRepository":
                registries[name] = as_text(as_dict(place.obj.get("spec")).get("url"))
        claims = self._claims()
        tolerant = {ref for ref, place in self._appliers() if SKIP_DRY_RUN in _options(place.obj)}
        steps = []
        for place in self.places:
            if place.obj.get("kind") in ("ConfigMap", "OCIRepository"):
                continue
            ref = _ref(place.obj)
            above = [one for one in claims.get(place.file, ()) if one != ref]
            steps.append(_step(place, ref, above[0] if above else None, tolerant, registries, yaml))
        return Plan(tuple(steps), health)

    def _appliers(self) -> Iterator[tuple[Ref, Place]]:
        for place in self.places:
            if place.obj.get("kind") in ("Application", "Kustomization"):
                yield _ref(place.obj), place

    def _claims(self) -> Mapping[str, Sequence[Ref]]:
        """Who applies each file: Applications and Kustomizations, the one with the longest path first."""
        found: dict[str, list[tuple[int, Ref]]] = {}
        for ref, place in self._appliers():
            spec = as_dict(place.obj.get("spec"))
            if ref.kind == "Application":
                several = spec.get("sources")
                sources = [as_dict(one) for one in (several if isinstance(several, list) else [spec.get("source")])]
                paths = [
                    (as_text(one.get("path")), as_dict(one.get("directory")).get("recurse") is True)
                    for one in sources
                    if "path" in one and "chart" not in one
                ]
            else:
                paths = [(as_text(spec.get("path")), True)]
            for path, deep in paths:
                folder = self._folder(path, place)
                if folder:
                    for name in self._below(folder, deep, set()):
                        found.setdefault(name, []).append((-len(folder), ref))
        return {name: [ref for _length, ref in sorted(refs)] for name, refs in found.items()}

    def _folder(self, path: str, place: Place) -> str:
        """The folder that a path within the repository means; "" where none of the files lies there."""
        path = posixpath.normpath(path.lstrip("/") or ".")
        tops = [place.top] if place.top else []
        if not tops and path != ".":
            # Not a working copy: the nearest folder above that has such a path.
            around = posixpath.dirname(place.file)
            while around not in tops:
                tops.append(around)
                around = posixpath.dirname(around)
        for top in tops:
            folder = posixpath.normpath(posixpath.join(top, path))
            if any(_within(name, folder) for name in self.files):
                return folder
        return ""

    def _below(self, folder: str, deep: bool, seen: set[str]) -> Iterator[str]:
        """Files that are applied with a folder."""
        if folder in seen:
            return
        seen.add(folder)
        if folder in self.kustomize:
            for resource in self.kustomize[folder]:
                target = posixpath.normpath(posixpath.join(folder, resource))
                if target in self.files:
                    yield target
                else:
                    yield from self._below(target, True, seen)
            return
        for name in self.files:
            if posixpath.dirname(name) == folder or (deep and _within(name, folder)):
                yield name


def _within(name: str, folder: str) -> bool:
    return name.startswith(folder.rstrip("/") + "/")


def _ref(obj: Object) -> Ref:
    metadata = metadata_of(obj)
    return Ref(as_text(obj.get("kind")), as_text(metadata.get("namespace")), as_text(metadata.get("name")))


def _options(obj: Object) -> str:
    """Sync options of a whole Application, as one text."""
    policy = as_dict(as_dict(obj.get("spec")).get("syncPolicy"))
    return ",".join(as_text(one) for one in as_list(policy.get("syncOptions")))


def _step(
    place: Place, ref: Ref, scope: Ref | None, tolerant: set[Ref], registries: Mapping[str, str], yaml: Any
) -> Step:
    spec = as_dict(place.obj.get("spec"))
    annotations = as_dict(metadata_of(place.obj).get("annotations"))
    try:
        wave, waved = int(as_text(annotations[WAVE]).strip()), True
    except (KeyError, ValueError):
        # Argo CD takes what is no number for none.
        wave, waved = 0, False
    after = tuple(
        Ref(ref.kind, as_text(as_dict(one).get("namespace")) or ref.namespace, as_text(as_dict(one).get("name")))
        for one in as_list(spec.get("dependsOn"))
        if ref.kind in ("Kustomization", "HelmRelease")
    )
    return Step(
        ref,
        frozenset(_brought(ref.kind, spec, registries, yaml)),
        scope,
        wave,
        waved,
        after,
        waits=spec.get("wait") is True or bool(spec.get("healthChecks")),
        tolerant=SKIP_DRY_RUN in as_text(annotations.get(SYNC_OPTIONS)) or scope in tolerant,
        ignored=as_text(annotations.get(IGNORE_ANNOTATION)),
    )


def _brought(kind: str, spec: Object, registries: Mapping[str, str], yaml: Any) -> Iterator[str]:
    if kind in _KINDS:
        yield _KINDS[kind]
    elif kind == "CustomResourceDefinition":
        yield KINDS
    elif kind == "Service" and spec.get("type") == "LoadBalancer":
        yield SERVICE
    for chart, settings in _charts(kind, spec, registries, yaml):
        if chart == "metallb":
            yield KINDS
        elif balanced(chart, settings):
            yield SERVICE


def _charts(kind: str, spec: Object, registries: Mapping[str, str], yaml: Any) -> Iterator[tuple[str, Any]]:
    """Charts of an Application or HelmRelease, with their values."""
    if kind == "HelmRelease":
        chart = as_text(as_dict(as_dict(as_dict(spec.get("chart")).get("spec"))).get("chart"))
        reference = as_dict(spec.get("chartRef"))
        if not chart and reference.get("kind") == "OCIRepository":
            chart = registries.get(as_text(reference.get("name")), "").rpartition("/")[2]
        yield chart, as_dict(spec.get("values"))
    elif kind == "Application":
        several = spec.get("sources")
        for source in several if isinstance(several, list) else [spec.get("source")]:
            helm = as_dict(as_dict(source).get("helm"))
            yield as_text(as_dict(source).get("chart")).rpartition("/")[2], application_values(helm, yaml)


def application_values(helm: Object, yaml: Any) -> Object:
    """Helm values within a source of an Argo CD Application."""
    given: Any = helm.get("valuesObject")
    if given is None and isinstance(helm.get("values"), str):
        try:
            given = yaml.safe_load(helm["values"])
        except yaml.YAMLError:
            return {}
    return as_dict(given)


def balanced(chart: str, settings: Object) -> bool:
    """Whether a chart brings a Service of type LoadBalancer, as far as its values tell."""
    if not chart:
        return False
    told = list(_types(settings))
    return "LoadBalancer" in told or (chart in _BALANCED_CHARTS and not told)


def _types(settings: Any) -> Iterator[str]:
    """Types of services, and LoadBalancer where somebody asks MetalLB for something, anywhere in values."""
    if isinstance(settings, dict):
        for key, one in settings.items():
            if key == "type" and one in ("LoadBalancer", "ClusterIP", "NodePort"):
                yield one
            elif as_text(key).startswith((PREFIX, OLD_PREFIX)):
                yield "LoadBalancer"
            yield from _types(one)
    elif isinstance(settings, list):
        for one in settings:
            yield from _types(one)
