# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Reading a cluster through the API server, with few parallel list calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import (
    FLUX_HELM,
    FLUX_KUSTOMIZE,
    HELM_RELEASE_ANNOTATION,
    TRACKING_ID,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_labels,
    as_text,
    metadata_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.workloads import component_of
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.read import read_release
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.release import ReleaseError
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import DEFAULT_NAMESPACE, FOREIGN
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.slim import slim
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot, _namespace_of

if TYPE_CHECKING:
    from ansible_collections.l2ops.metallb.plugins.module_utils._kube.client import Kube
    from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError
    from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListOutcome, ListRequest

# -- the cluster ------------------------------------------------------------------------------------------------------

# Failures that say nothing about one kind, but about the whole connection.
_HOPELESS = ("unreachable", "tls", "unauthorized")
# What the election looks at, and nothing more.
ELECTION = ("nodes", "services", "endpointslices", "pods", "daemonsets", "ipaddresspools", "l2advertisements")
# Without its schema, selectors of services count where they are used.
_OF_ELECTION = frozenset((*ELECTION, "customresourcedefinitions"))


def gather(
    kube: Kube, request: type[ListRequest], namespace: str | None = None, election_only: bool = False
) -> Snapshot:
    """Read a cluster by about twenty list calls, side by side, in two waves; by eight, if only the election is asked for.

    request is _kube's ListRequest, given by the module as kube is, so that a snapshot on disk needs neither. namespace is
    MetalLB's. Without it, MetalLB is looked for everywhere, which needs cluster-wide rights for its own kinds and for pods;
    where these are lacking, metallb-system is read alone. A kind that may not be read is in missing.

    Raises ApiError when the cluster cannot be read at all.
    """
    answers: dict[str, ListOutcome] = {}
    first = [one for one in _requests(request, namespace) if not election_only or one.plural in _OF_ELECTION]
    answers.update(kube.list_all(first))
    errors = [outcome.error for outcome in answers.values() if outcome.error is not None]
    for error in errors:
        if error.kind_of_failure in _HOPELESS:
            raise error
    if errors and len(errors) == len(answers):
        raise errors[0]
    found: dict[str, list[Object]] = {}
    for one in first:
        if answers[one.answer_key].error is None:
            found.setdefault(one.plural, []).extend(answers[one.answer_key].objects)
    home = namespace or _namespace_of(found) or DEFAULT_NAMESPACE
    # What may not be read everywhere may perhaps be read there.
    again = [
        one
        for one in first
        if _forbidden(answers[one.answer_key]) and one.namespace is None and one.plural in _NAMESPACED
    ]
    more = [
        request("events", namespace=home, key="events@home"),
        request("secrets", namespace=home, metadata_only=True),
        request("configmaps", namespace=home, key="configmaps@home"),
    ]
    if _may_be_tracked_by_label(found):
        more.append(request("applications", "argoproj.io", "v1alpha1"))
    if election_only:
        more = []
    second = [
        *more,
        *(
            request(
                one.plural,
                one.group,
                one.version,
                namespace=home,
                label_selector=one.label_selector,
                key=one.answer_key,
            )
            for one in again
        ),
    ]
    if second:
        answers.update(kube.list_all(second))
    snapshot = _assembled([*first, *more], answers, home)
    return snapshot if election_only else _with_release(kube, request, snapshot)


def _with_release(kube: Kube, request: type[ListRequest], snapshot: Snapshot) -> Snapshot:
    """The snapshot with Helm's record of MetalLB's release, compared with what is there."""
    installed = snapshot.metallb
    records: list[Object] = []
    missing = dict(snapshot.missing)
    missing.pop("releases", None)
    if installed["release"]:
        if "secrets" in missing:
            missing["releases"] = f"Helm's record of release {installed['release']} is a Secret: {missing['secrets']}"
        else:
            try:
                record = read_release(
                    kube, request, snapshot.raw("secrets"), installed["namespace"], installed["release"]
                )
                records = [record] if record is not None else []
            except ReleaseError as error:
                missing["releases"] = str(error)
    objects = dict(snapshot.objects)
    if "releases" not in missing:
        objects["releases"] = records
    return replace(snapshot, objects=objects, missing=missing)


_NAMESPACED = frozenset(
    [
        "pods",
        "deployments",
        "daemonsets",
        "ipaddresspools",
        "l2advertisements",
        "bgpadvertisements",
        "bgppeers",
        "servicel2statuses",
        "configurationstates",
    ]
)


def _requests(request: type[ListRequest], namespace: str | None) -> list[ListRequest]:
    """The first wave. Of other people's objects only the kinds, names and fields that something here reads."""
    own, old = "app.kubernetes.io/name=metallb", "app=metallb"
    group = "metallb.io"
    return [
        request("nodes"),
        request("services"),
        request("endpointslices", "discovery.k8s.io", "v1"),
        request("events", field_selector="involvedObject.kind=Service"),
        request("namespaces"),
        # All of them: kube-proxy, frr-k8s, kube-vip and ServiceLB are DaemonSets, too.
        request("daemonsets", "apps", "v1"),
        request("deployments", "apps", "v1", namespace=namespace, label_selector=own),
        request("deployments", "apps", "v1", namespace=namespace, label_selector=old, key="deployments@old"),
        request("pods", namespace=namespace, label_selector=own),
        request("pods", namespace=namespace, label_selector=old, key="pods@old"),
        request("ipaddresspools", group, "v1beta1", namespace=namespace),
        request("l2advertisements", group, "v1beta1", namespace=namespace),
        request("bgpadvertisements", group, "v1beta1", namespace=namespace),
        request("bgppeers", group, "v1beta2", namespace=namespace, metadata_only=True),
        request("servicel2statuses", group, "v1beta1", namespace=namespace),
        request("configurationstates", group, "v1beta1", namespace=namespace),
        # Schemas of all kinds would be megabytes: of this one only.
        request(
            "customresourcedefinitions",
            "apiextensions.k8s.io",
            "v1",
            field_selector="metadata.name=l2advertisements.metallb.io",
        ),
        # All of them: one of an earlier installation may have another name.
        request("validatingwebhookconfigurations", "admissionregistration.k8s.io", "v1"),
        request("configmaps", namespace="kube-system", field_selector="metadata.name=kube-proxy"),
        request("servicecidrs", "networking.k8s.io", "v1"),
        request("ciliumloadbalancerippools", "cilium.io", "v2alpha1"),
    ]


_MAY_BE_TRACKED = ("deployments", "daemonsets", "ipaddresspools", "l2advertisements")


def _may_be_tracked_by_label(found: Mapping[str, Sequence[Object]]) -> bool:
    """Whether Argo CD may track something of MetalLB by label: then only its Applications tell whether the chart set that label."""
    for plural in _MAY_BE_TRACKED:
        for obj in found.get(plural, ()):
            metadata = metadata_of(obj)
            labels, annotations = as_dict(metadata.get("labels")), as_dict(metadata.get("annotations"))
            if "app.kubernetes.io/instance" not in labels:
                continue
            if plural == "daemonsets" and not component_of(as_labels(labels)):
                continue
            if TRACKING_ID in annotations or HELM_RELEASE_ANNOTATION in annotations:
                continue
            if any(str(key).startswith((FLUX_HELM, FLUX_KUSTOMIZE)) for key in labels):
                continue
            return True
    return False


def _forbidden(outcome: ListOutcome) -> bool:
    return outcome.error is not None and outcome.error.kind_of_failure == "forbidden"


def _assembled(requests: Sequence[ListRequest], answers: Mapping[str, ListOutcome], home: str) -> Snapshot:
    objects: dict[str, list[Object]] = {}
    missing: dict[str, str] = {}
    for request in requests:
        outcome = answers[request.answer_key]
        error: ApiError | None = outcome.error
        plural = request.plural
        if error is None:
            objects.setdefault(plural, []).extend(slim(plural, obj) for obj in outcome.objects)
        elif error.kind_of_failure == "absent" and plural in FOREIGN:
            objects.setdefault(plural, [])
        else:
            missing.setdefault(plural, str(error))
    # ConfigMaps of two places, one of which may be closed: what was seen counts.
    for plural in ("configmaps", "events"):
        if plural in objects:
            missing.pop(plural, None)
    if "events" in objects:
        objects["events"] = list(
            {
                as_text(metadata_of(obj).get("uid")) or str(place): obj for place, obj in enumerate(objects["events"])
            }.values()
        )
    if "applications" not in missing:
        # Where nothing may be tracked by label, nobody asks for them.
        objects.setdefault("applications", [])
    for plural in missing:
        # Half of the pods would be worse than none.
        objects.pop(plural, None)
    return Snapshot.from_objects(objects, missing, namespace=home)
