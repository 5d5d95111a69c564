# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""In which order Argo CD or Flux apply what a repository holds.

Argo CD orders by waves, and only within one sync: what one Application holds, child Applications among it. Flux orders by dependsOn,
between Kustomizations and between HelmReleases, and what one Kustomization holds is applied at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.helm_values import (
    balanced,
    brings_kinds,
    releases,
    sources_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.kustomize import CHART, Item
from ansible_collections.l2ops.metallb.plugins.module_utils._model.apply_order import (
    ADVERTISEMENT,
    KINDS,
    OTHER,
    POOL,
    SERVICE,
    SyncItem,
    SyncOrder,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import IGNORE_ANNOTATION
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
    "ApplicationSet": "argoproj.io/",
    "HelmChart": "helm.cattle.io/",
    "Kustomization": "kustomize.toolkit.fluxcd.io/",
    "HelmRelease": "helm.toolkit.fluxcd.io/",
    "OCIRepository": "source.toolkit.fluxcd.io/",
    "CustomResourceDefinition": "apiextensions.k8s.io/",
    "ConfigMap": "v1",
}
_APPLIERS = frozenset(["Application", "Kustomization"])


# -- making a plan out of manifests -----------------------------------------------------------------------------------


def wanted(obj: Object) -> bool:
    """Whether it says something of the order or of charts, beside the kinds that are analyzed anyway."""
    kind = as_text(obj.get("kind"))
    if kind not in _GROUPS or not as_text(obj.get("apiVersion")).startswith(_GROUPS[kind]):
        return False
    name = as_text(metadata_of(obj).get("name"))
    return (
        name.endswith(".metallb.io") if kind == "CustomResourceDefinition" else bool(name) or kind == "ApplicationSet"
    )


def is_applier(item: Item) -> bool:
    return item.ref.kind in _APPLIERS and wanted(item.obj)


def registries_of(items: Sequence[Item]) -> dict[str, str]:
    return {
        item.ref.name: as_text(as_dict(item.obj.get("spec")).get("url"))
        for item in items
        if item.ref.kind == "OCIRepository"
    }


def plan_of(items: Sequence[Item], registries: Mapping[str, str], yaml: Any) -> SyncOrder:
    """The order of everything that one cluster gets. yaml is PyYAML, for Helm values that are text."""
    health = ""
    for item in items:
        kind, name = item.ref.kind, item.ref.name
        data = as_dict(item.obj.get("data"))
        if kind == "ConfigMap" and name == "argocd-cm":
            known = HEALTH_KEYS[0] in data or "argoproj.io/Application" in as_text(data.get(HEALTH_KEYS[1]))
            health = "seen" if known else health or "lacking"
        for release in releases(item, registries, yaml):
            if release.chart == "argo-cd":
                cm = as_dict(as_dict(release.values.get("configs")).get("cm"))
                if HEALTH_KEYS[0] in cm or "argoproj.io/Application" in as_text(cm.get(HEALTH_KEYS[1])):
                    health = "seen"
    tolerant = {item.ref for item in items if is_applier(item) and SKIP_DRY_RUN in _options(item.obj)}
    steps = [
        _step(item, tolerant, registries, yaml)
        for item in items
        if item.ref.kind not in ("ConfigMap", "OCIRepository", "ApplicationSet", "EnvoyProxy")
    ]
    return SyncOrder(tuple(steps), health)


def _options(obj: Object) -> str:
    """Sync options of a whole Application, as one text."""
    policy = as_dict(as_dict(obj.get("spec")).get("syncPolicy"))
    return ",".join(as_text(one) for one in as_list(policy.get("syncOptions")))


def _step(item: Item, tolerant: set[Ref], registries: Mapping[str, str], yaml: Any) -> SyncItem:
    ref, scope = item.ref, item.scope
    spec = as_dict(item.obj.get("spec"))
    annotations = as_dict(metadata_of(item.obj).get("annotations"))
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
    policy = as_dict(spec.get("syncPolicy"))
    automated = policy.get("automated") is not None and as_dict(policy.get("automated")).get("enabled") is not False
    limit = as_dict(policy.get("retry")).get("limit")
    return SyncItem(
        ref,
        frozenset(_brought(item, registries, yaml)),
        scope,
        wave,
        waved,
        after,
        waits=spec.get("wait") is True or bool(spec.get("healthChecks")),
        tolerant=SKIP_DRY_RUN in as_text(annotations.get(SYNC_OPTIONS)) or scope in tolerant,
        ignored=as_text(annotations.get(IGNORE_ANNOTATION)),
        retries="for ever"
        if as_dict(policy.get("automated")).get("selfHeal") is True or (isinstance(limit, int) and limit < 0)
        else "a few times"
        if automated
        else "",
        follows=ref.kind == "Application" and any(one.get("path") for one in sources_of(spec)),
    )


def _brought(item: Item, registries: Mapping[str, str], yaml: Any) -> Iterator[str]:
    kind, spec = item.ref.kind, as_dict(item.obj.get("spec"))
    if kind in _KINDS:
        yield _KINDS[kind]
    elif kind == "CustomResourceDefinition":
        yield KINDS
    elif kind == "Service" and spec.get("type") == "LoadBalancer":
        yield SERVICE
    elif kind == CHART or kind in _GROUPS:
        for release in releases(item, registries, yaml):
            if release.chart == "metallb":
                if brings_kinds(release.values):
                    yield KINDS
            elif balanced(release.chart, release.values):
                yield SERVICE
