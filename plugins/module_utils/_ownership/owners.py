# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Who owns an object: the one who writes it again after somebody else changed it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import (
    EXCLUDE_LABEL,
    FLUX_HELM,
    FLUX_KUSTOMIZE,
    HELM_RELEASE_ANNOTATION,
    HELM_RELEASE_NAMESPACE_ANNOTATION,
    OWNED_LABELS_ANNOTATION,
    TRACKING_ID,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_labels,
    as_list,
    as_text,
    metadata_of,
)

ARGOCD, FLUX, HELM, OPERATOR, TALOS, COLLECTION, MANIFESTS = (
    "argocd",
    "flux",
    "helm",
    "operator",
    "talos",
    "l2ops",
    "manifests",
)
# They write their source again, so that what is changed in the cluster does not last.
GITOPS = (ARGOCD, FLUX)
INSTANCE = "app.kubernetes.io/instance"
MANAGED_BY = "app.kubernetes.io/managed-by"
DEFAULT_ARGOCD_NAMESPACE = "argocd"
# Kinds of the cluster itself own objects without being anybody who installs them.
_BUILT_IN = frozenset(["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet", "Job", "CronJob", "Service", "Node"])
_ARGOCD_MANAGERS = ("argocd-controller", "argocd-application-controller")

# group, kind, namespace, name
Identity = tuple[str, str, str, str]


@dataclass(frozen=True)
class Owner:
    """Who owns an object, and what says so. For tool manifests nobody does: it is applied by hand or by a script."""

    tool: str
    kind: str = ""
    namespace: str = ""
    name: str = ""
    evidence: str = ""

    def __str__(self) -> str:
        if self.tool == MANIFESTS:
            return "nobody (raw manifests)"
        if self.tool == COLLECTION:
            return "this collection"
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"

    def as_result(self) -> Object:
        return {
            "tool": self.tool,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "evidence": self.evidence,
        }

    @property
    def reconciles(self) -> bool:
        """Whether it undoes what somebody else changes."""
        return self.tool in (*GITOPS, OPERATOR, TALOS)


@dataclass(frozen=True)
class Evidence:
    """What is known beside the object itself.

    applications maps what Applications list in status.resources to (namespace, name) of the Application; None where they could
    not be read or nobody asked. releases are Helm releases that exist, as (namespace, name). argocd is Argo CD's namespace.
    """

    applications: Mapping[Identity, tuple[str, str]] | None = None
    releases: Collection[tuple[str, str]] = field(default_factory=frozenset)
    argocd: str = ""


def applications_by_resource(applications: Iterable[Object]) -> dict[Identity, tuple[str, str]]:
    """What each Argo CD Application manages, from its status.resources."""
    found: dict[Identity, tuple[str, str]] = {}
    for application in applications:
        metadata = metadata_of(application)
        named = (as_text(metadata.get("namespace")), as_text(metadata.get("name")))
        for one in map(as_dict, as_list(as_dict(application.get("status")).get("resources"))):
            identity = (
                as_text(one.get("group")),
                as_text(one.get("kind")),
                as_text(one.get("namespace")),
                as_text(one.get("name")),
            )
            found[identity] = named
    return found


def releases_of_secrets(secrets: Iterable[Object]) -> set[tuple[str, str]]:
    """Helm releases by the Secrets in which Helm keeps them; their metadata is enough."""
    found = set()
    for secret in secrets:
        metadata = metadata_of(secret)
        parts = as_text(metadata.get("name")).rsplit(".", 1)
        if len(parts) == 2 and parts[0].startswith("sh.helm.release.v1.") and parts[1][:1] == "v":
            if as_labels(metadata.get("labels")).get("status") in ("uninstalled", "uninstalling"):
                continue
            found.add((as_text(metadata.get("namespace")), parts[0][len("sh.helm.release.v1.") :]))
    return found


def identity_of(obj: Object, kind: str = "") -> Identity:
    metadata = metadata_of(obj)
    version = as_text(obj.get("apiVersion"))
    return (
        version.rpartition("/")[0],
        as_text(obj.get("kind")) or kind,
        as_text(metadata.get("namespace")),
        as_text(metadata.get("name")),
    )


def owner_of(obj: Object, evidence: Evidence, kind: str = "") -> Owner:
    """The owner of one object. The strongest evidence counts; what two tools wrote belongs to the one that writes again."""
    metadata = metadata_of(obj)
    labels, annotations = as_labels(metadata.get("labels")), as_labels(metadata.get("annotations"))
    identity = identity_of(obj, kind)
    return (
        _tracked(identity, annotations, evidence)
        or _listed(identity, evidence)
        or _flux(labels)
        or _helm(labels, annotations, evidence)
        or _controller(metadata)
        or _by_manager(metadata, labels, evidence)
        or _unowned(metadata, labels)
    )


def _tracked(identity: Identity, annotations: Mapping[str, str], evidence: Evidence) -> Owner | None:
    """By annotation tracking-id: APPLICATION:GROUP/KIND:NAMESPACE/NAME. One that was copied with an object names another one."""
    text = annotations.get(TRACKING_ID, "")
    application, _colon, rest = text.partition(":")
    what, _colon, where = rest.partition(":")
    group, _slash, kind = what.rpartition("/")
    namespace, _slash, name = where.rpartition("/")
    if not application or not name or (kind, name) != (identity[1], identity[3]):
        return None
    # Objects of the cluster carry the Application's destination as their namespace.
    if identity[2] and namespace and namespace != identity[2]:
        return None
    # Groups are known only where the object's apiVersion is.
    if identity[0] and group != identity[0]:
        return None
    home, underscore, name = application.rpartition("_")
    if not underscore:
        home = _home_of(application, evidence)
    return Owner(ARGOCD, "Application", home, name, f"annotation {TRACKING_ID}: {text}")


def _home_of(application: str, evidence: Evidence) -> str:
    for namespace, name in (evidence.applications or {}).values():
        if name == application:
            return namespace
    return evidence.argocd


def _listed(identity: Identity, evidence: Evidence) -> Owner | None:
    """By what Applications list: label tracking looks like the chart's own label app.kubernetes.io/instance."""
    for other, (namespace, name) in (evidence.applications or {}).items():
        if other[1:] == identity[1:] and (not identity[0] or other[0] == identity[0]):
            return Owner(
                ARGOCD, "Application", namespace, name, f"status.resources of Application {namespace}/{name} lists it"
            )
    return None


def _flux(labels: Mapping[str, str]) -> Owner | None:
    # A Kustomization may bring the HelmRelease, whose objects are the HelmRelease's.
    for prefix, kind in ((FLUX_HELM, "HelmRelease"), (FLUX_KUSTOMIZE, "Kustomization")):
        if labels.get(f"{prefix}name"):
            name, namespace = labels[f"{prefix}name"], labels.get(f"{prefix}namespace", "")
            return Owner(FLUX, kind, namespace, name, f"label {prefix}name: {name}")
    return None


def _helm(labels: Mapping[str, str], annotations: Mapping[str, str], evidence: Evidence) -> Owner | None:
    release = annotations.get(HELM_RELEASE_ANNOTATION, "")
    namespace = annotations.get(HELM_RELEASE_NAMESPACE_ANNOTATION, "")
    if not release:
        return None
    there = any(name == release and (not namespace or home == namespace) for home, name in evidence.releases)
    proof = f"annotation {HELM_RELEASE_ANNOTATION}: {release}"
    return Owner(HELM, "Helm release", namespace, release, proof + (", and the release's Secret" if there else ""))


def _controller(metadata: Object) -> Owner | None:
    for one in map(as_dict, as_list(metadata.get("ownerReferences"))):
        kind, name = as_text(one.get("kind")), as_text(one.get("name"))
        if kind and name and kind not in _BUILT_IN:
            return Owner(
                OPERATOR, kind, as_text(metadata.get("namespace")), name, f"ownerReferences name {kind} {name}"
            )
    return None


def managers_of(metadata: Mapping[str, Any]) -> list[str]:
    """Who wrote it, by managedFields, without writers of its status."""
    found = [
        as_text(one.get("manager"))
        for one in map(as_dict, as_list(metadata.get("managedFields")))
        if not one.get("subresource")
    ]
    return list(dict.fromkeys(name for name in found if name))


def _by_manager(metadata: Object, labels: Mapping[str, str], evidence: Evidence) -> Owner | None:
    """Argo CD with label tracking, where Applications could not be read: its manager and the label say it together."""
    application = labels.get(INSTANCE, "")
    managers = [name for name in managers_of(metadata) if name in _ARGOCD_MANAGERS]
    if evidence.applications is None and application and managers:
        return Owner(
            ARGOCD,
            "Application",
            evidence.argocd,
            application,
            f"label {INSTANCE}: {application}, and {managers[0]} wrote it",
        )
    return None


def _unowned(metadata: Object, labels: Mapping[str, str]) -> Owner:
    if labels.get(MANAGED_BY) == "l2ops.metallb":
        return Owner(COLLECTION, evidence=f"label {MANAGED_BY}: l2ops.metallb")
    managers = managers_of(metadata)
    return Owner(MANIFESTS, evidence=f"written by {', '.join(managers[:5])}" if managers else "")


def owner_of_label(node: Object, key: str = EXCLUDE_LABEL) -> Owner | None:
    """The owner of a label of a node; None where the node does not have it."""
    metadata = metadata_of(node)
    if key not in as_dict(metadata.get("labels")):
        return None
    owned = as_text(as_dict(metadata.get("annotations")).get(OWNED_LABELS_ANNOTATION))
    if f'"{key}"' in owned:
        return Owner(
            TALOS,
            "machine configuration of node",
            "",
            as_text(metadata.get("name")),
            f"annotation {OWNED_LABELS_ANNOTATION} names it",
        )
    return Owner(MANIFESTS, evidence="no annotation names an owner")


_CHANGES = ("kubectl label", "kubectl annotate", "kubectl edit", "kubectl patch", "kubectl scale", "kubectl delete")


def fix_for(fix: str, owner: Owner, where: str = "") -> str:
    """A fix in the owner's terms: what is changed in the cluster is undone by an owner that reconciles it.

    where is the file of the owner's source, if it is known.
    """
    if not owner.reconciles or owner.tool == TALOS or str(owner) in fix:
        return fix
    source = f" in {where}" if where else ""
    if "Helm value" in fix:
        return f"{owner}{source}: {_lower(fix)}"
    if any(command in fix for command in _CHANGES):
        return f"{owner} owns it and undoes changes that are made in the cluster. Make this one in its source{source}: {fix}"
    return fix


def _lower(text: str) -> str:
    """As the rest of a sentence; a name that begins with a capital keeps it."""
    word = text.partition(" ")[0]
    return (
        text[:1].lower() + text[1:] if word[1:].islower() and word in ("Add", "Set", "Let", "Where", "Label") else text
    )


class Owners:
    """Who owns what in one cluster, from the objects of a snapshot by their plural kinds."""

    def __init__(self, objects: Mapping[str, Sequence[Object]], kinds: Mapping[str, str]) -> None:
        self._objects = objects
        self._kinds = kinds
        listed = objects.get("applications")
        namespaces = {as_text(metadata_of(obj).get("name")) for obj in objects.get("namespaces", ())}
        self.evidence = Evidence(
            applications=None if listed is None else applications_by_resource(listed),
            releases=releases_of_secrets(objects.get("secrets", ())),
            argocd=DEFAULT_ARGOCD_NAMESPACE if DEFAULT_ARGOCD_NAMESPACE in namespaces else "",
        )
        self._found: dict[tuple[str, str, str], Owner | None] = {}

    def of(self, kind: str, namespace: str, name: str) -> Owner | None:
        """The owner of an object; None where the object is not known."""
        key = (kind, namespace, name)
        if key not in self._found:
            self._found[key] = self._look_up(*key)
        return self._found[key]

    def _look_up(self, kind: str, namespace: str, name: str) -> Owner | None:
        plural = next((plural for plural, other in self._kinds.items() if other == kind), "")
        for obj in self._objects.get(plural, ()):
            metadata = metadata_of(obj)
            if metadata.get("name") == name and as_text(metadata.get("namespace")) in ("", namespace):
                return owner_of(obj, self.evidence, kind)
        return None

    def of_all(self, plurals: Iterable[str], wanted: Callable[[str, Object], bool]) -> list[tuple[str, Object, Owner]]:
        """Kind, object and owner of all objects of these kinds that are wanted."""
        found = []
        for plural in plurals:
            for obj in self._objects.get(plural, ()):
                if wanted(plural, obj):
                    found.append((self._kinds[plural], obj, owner_of(obj, self.evidence, self._kinds[plural])))
        return found
