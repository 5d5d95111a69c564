# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Pods, DaemonSets and Deployments, and why a pod is not ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import COMPONENT_LABELS
from ansible_collections.l2ops.metallb.plugins.module_utils._model.nodes import Taint
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Labels,
    Object,
    as_dict,
    as_int,
    as_labels,
    as_list,
    as_text,
    as_texts,
    metadata_of,
    seconds_of,
    shorten,
)


@dataclass(frozen=True)
class Container:
    name: str
    image: str
    args: tuple[str, ...]
    env: Labels
    port_names: tuple[str, ...] = ()

    @classmethod
    def from_object(cls, raw: Any) -> Container:
        raw = as_dict(raw)
        env = {}
        for one in map(as_dict, as_list(raw.get("env"))):
            # valueFrom counts as set to something
            env[as_text(one.get("name"))] = as_text(one.get("value")) if "valueFrom" not in one else "(from elsewhere)"
        return cls(
            name=as_text(raw.get("name")),
            image=as_text(raw.get("image")),
            args=as_texts(raw.get("command")) + as_texts(raw.get("args")),
            env=env,
            port_names=tuple(
                as_text(one.get("name")) for one in map(as_dict, as_list(raw.get("ports"))) if one.get("name")
            ),
        )

    def flag(self, name: str) -> str | None:
        """The text of --name=text, "true" for --name alone, None when it is not given."""
        for place, arg in enumerate(self.args):
            head, equals, rest = arg.partition("=")
            if head.lstrip("-") != name or not head.startswith("-"):
                continue
            if equals:
                return rest
            following = self.args[place + 1 : place + 2]
            return following[0] if following and not following[0].startswith("-") else "true"
        return None

    @property
    def version(self) -> str:
        """From the image's tag, without the v; "" where it tells nothing."""
        tag = self.image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        return tag[1:] if tag[:1] == "v" and tag[1:2].isdigit() else tag


def component_of(labels: Labels) -> str:
    """controller or speaker of MetalLB by labels of Helm or of the raw manifests; "" for anything else."""
    for name, metallb, component in COMPONENT_LABELS:
        if labels.get(name) == metallb and labels.get(component) in ("controller", "speaker"):
            return labels[component]
    return ""


def _secret_of(pod_spec: Object) -> str:
    for volume in map(as_dict, as_list(pod_spec.get("volumes"))):
        if volume.get("name") == "memberlist":
            return as_text(as_dict(volume.get("secret")).get("secretName"))
    return ""


def excluded_interfaces_of(volumes: Any) -> str:
    """The ConfigMap with the interfaces on which speakers do not announce (excludel2.yaml); "" where none is mounted."""
    for volume in map(as_dict, as_list(volumes)):
        name = as_text(as_dict(volume.get("configMap")).get("name"))
        if name.endswith("excludel2"):
            return name
    return ""


@dataclass(frozen=True)
class Workload:
    """A DaemonSet or Deployment."""

    kind: str
    namespace: str
    name: str
    uid: str
    labels: Labels
    annotations: Labels
    pod_labels: Labels
    containers: tuple[Container, ...]
    node_selector: Labels
    tolerations: tuple[Object, ...]
    memberlist_secret: str
    wanted: int
    created: int
    ready: int
    replica_failure: str
    changed: float
    excluded_interfaces: str = ""  # the ConfigMap that names them
    progress_failure: str = ""  # why a new ReplicaSet does not come up within progressDeadlineSeconds

    @classmethod
    def from_object(cls, obj: Object, kind: str) -> Workload:
        metadata, spec, status = metadata_of(obj), as_dict(obj.get("spec")), as_dict(obj.get("status"))
        template = as_dict(spec.get("template"))
        pod_spec = as_dict(template.get("spec"))
        daemon = kind == "DaemonSet"
        changed = seconds_of(metadata.get("creationTimestamp"))
        failure = stuck = ""
        for one in map(as_dict, as_list(status.get("conditions"))):
            changed = max(changed, seconds_of(one.get("lastTransitionTime")))
            if one.get("type") == "ReplicaFailure" and one.get("status") == "True":
                failure = as_text(one.get("message"))
            if one.get("type") == "Progressing" and one.get("status") == "False":
                stuck = as_text(one.get("message")) or as_text(one.get("reason"))
        return cls(
            kind=kind,
            namespace=as_text(metadata.get("namespace")),
            name=as_text(metadata.get("name")),
            uid=as_text(metadata.get("uid")),
            labels=as_labels(metadata.get("labels")),
            annotations=as_labels(metadata.get("annotations")),
            pod_labels=as_labels(metadata_of(template).get("labels")),
            containers=tuple(Container.from_object(one) for one in as_list(pod_spec.get("containers"))),
            node_selector=as_labels(pod_spec.get("nodeSelector")),
            tolerations=tuple(map(as_dict, as_list(pod_spec.get("tolerations")))),
            memberlist_secret=_secret_of(pod_spec),
            wanted=as_int(status.get("desiredNumberScheduled")) if daemon else as_int(spec.get("replicas", 1)),
            created=as_int(status.get("currentNumberScheduled")) if daemon else as_int(status.get("replicas")),
            ready=as_int(status.get("numberReady")) if daemon else as_int(status.get("readyReplicas")),
            replica_failure=failure,
            changed=changed,
            excluded_interfaces=excluded_interfaces_of(pod_spec.get("volumes")),
            progress_failure=stuck,
        )

    @property
    def component(self) -> str:
        return component_of(self.labels) or component_of(self.pod_labels)

    def container(self, name: str) -> Container | None:
        return next((one for one in self.containers if one.name == name), None)

    def tolerates(self, taint: Taint) -> bool:
        """k8s.io/component-helpers ToleratesTaint; what a DaemonSet's pods tolerate by themselves counts, too."""
        if taint.effect == "PreferNoSchedule" or taint.key in _DAEMON_TAINTS:
            return True
        for one in self.tolerations:
            if one.get("effect") and one.get("effect") != taint.effect:
                continue
            if one.get("key") and one.get("key") != taint.key:
                continue
            if one.get("operator") == "Exists" or (one.get("key") and as_text(one.get("value")) == taint.text):
                return True
        return False


# pkg/controller/daemon/util: added to every DaemonSet's pods (network-unavailable for pods in the host's network only).
_DAEMON_TAINTS = frozenset(
    f"node.kubernetes.io/{name}"
    for name in (
        "not-ready",
        "unreachable",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
        "network-unavailable",
    )
)


@dataclass(frozen=True)
class Pod:
    namespace: str
    name: str
    uid: str
    labels: Labels
    owners: tuple[str, ...]  # uids
    node: str
    phase: str
    ready: bool
    terminating: bool
    why: str
    memberlist_secret: str
    containers: tuple[Container, ...]
    changed: float

    @classmethod
    def from_object(cls, obj: Object) -> Pod:
        metadata, spec, status = metadata_of(obj), as_dict(obj.get("spec")), as_dict(obj.get("status"))
        ready = False
        changed = seconds_of(metadata.get("creationTimestamp"))
        for one in map(as_dict, as_list(status.get("conditions"))):
            if one.get("type") == "Ready":
                ready = one.get("status") == "True"
            changed = max(changed, seconds_of(one.get("lastTransitionTime")))
        return cls(
            namespace=as_text(metadata.get("namespace")),
            name=as_text(metadata.get("name")),
            uid=as_text(metadata.get("uid")),
            labels=as_labels(metadata.get("labels")),
            owners=tuple(as_text(as_dict(one).get("uid")) for one in as_list(metadata.get("ownerReferences"))),
            node=as_text(spec.get("nodeName")) or _meant_for(spec),
            phase=as_text(status.get("phase")),
            ready=ready,
            terminating=bool(metadata.get("deletionTimestamp")),
            why="" if ready else _why_not_ready(metadata, status),
            memberlist_secret=_secret_of(spec),
            containers=tuple(Container.from_object(one) for one in as_list(spec.get("containers"))),
            changed=changed,
        )

    def container(self, name: str) -> Container | None:
        return next((one for one in self.containers if one.name == name), None)


def _meant_for(spec: Object) -> str:
    """The node that a DaemonSet's pod waits for."""
    affinity = as_dict(as_dict(spec.get("affinity")).get("nodeAffinity"))
    required = as_dict(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))
    for term in map(as_dict, as_list(required.get("nodeSelectorTerms"))):
        for match in map(as_dict, as_list(term.get("matchFields"))):
            named = as_texts(match.get("values"))
            if match.get("key") == "metadata.name" and named:
                return named[0]
    return ""


# Of what a container says, as much as fits into a sentence.
_MESSAGE = 200


def _how_it_ended(ended: Object) -> str:
    reason = as_text(ended.get("reason"))
    text = f", last exit code {as_int(ended.get('exitCode'))} ({reason or 'no reason'})"
    if reason == "OOMKilled":
        text += ": it used more memory than its limit allows"
    # What the container wrote to /dev/termination-log is in no snapshot: it may be a secret.
    return text


def _why_not_ready(metadata: Object, status: Object) -> str:
    if metadata.get("deletionTimestamp"):
        return "it is being deleted"
    for one in map(as_dict, as_list(status.get("initContainerStatuses")) + as_list(status.get("containerStatuses"))):
        if one.get("ready"):
            continue
        state = as_dict(one.get("state"))
        waiting = as_dict(state.get("waiting"))
        ended = as_dict(as_dict(one.get("lastState")).get("terminated")) or as_dict(state.get("terminated"))
        if as_dict(state.get("terminated")).get("exitCode") == 0:
            continue
        text = f"container {as_text(one.get('name'))}"
        if waiting.get("reason"):
            text += f" waits: {as_text(waiting['reason'])}"
            if waiting.get("message"):
                text += f" ({shorten(as_text(waiting['message']), _MESSAGE)})"
        elif state.get("terminated"):
            text += " has ended"
        else:
            text += " runs but is not ready"
        return text + (_how_it_ended(ended) if ended else "")
    for one in map(as_dict, as_list(status.get("conditions"))):
        if one.get("status") == "False" and one.get("message"):
            return f"{as_text(one.get('reason')) or as_text(one.get('type'))}: {shorten(as_text(one['message']))}"
    return f"phase {as_text(status.get('phase')) or 'unknown'}"
