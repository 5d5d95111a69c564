# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Which speakers to restart and in which order, whether they are back, and which ServiceL2Status they left wrong.

Decisions only, no I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import shorten

Object = dict[str, Any]
# (namespace, name) of a Service
ServiceKey = tuple[str, str]
# The node that is to announce a service, by the election; None for a service that nobody may announce.
Expected = Mapping[ServiceKey, "str | None"]

# Helm's labels, and those of the raw manifests.
SPEAKER_LABELS = (
    {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"},
    {"app": "metallb", "component": "speaker"},
)

CONTROLLER_LABELS = (
    {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller"},
    {"app": "metallb", "component": "controller"},
)

NODE_LABEL = "metallb.io/node"
MANAGED_BY = "app.kubernetes.io/managed-by"
HELM_RELEASE = "meta.helm.sh/release-name"
SERVICE_NAME_LABEL = "metallb.io/service-name"
SERVICE_NAMESPACE_LABEL = "metallb.io/service-namespace"


@dataclass(frozen=True)
class SpeakerPod:
    """One speaker."""

    name: str
    uid: str
    node: str
    ready: bool
    terminating: bool


@dataclass(frozen=True)
class L2Status:
    """What a ServiceL2Status says. label_node is what its writer thought, node is what it could write."""

    name: str
    uid: str
    service: ServiceKey
    node: str
    label_node: str
    owner_uid: str


@dataclass(frozen=True)
class Wrong:
    """A ServiceL2Status that misleads whoever reads it."""

    status: L2Status
    should_be: str
    why: str

    def as_result(self) -> Object:
        return {
            "name": self.status.name,
            "service": "/".join(self.status.service),
            "node": self.status.node,
            "should_be": self.should_be,
            "reason": self.why,
        }


def is_speaker(daemonset: Object) -> bool:
    return _labelled(daemonset, SPEAKER_LABELS)


def is_controller(deployment: Object) -> bool:
    return _labelled(deployment, CONTROLLER_LABELS)


def _labelled(workload: Object, alternatives: Iterable[Object]) -> bool:
    template = ((workload.get("spec") or {}).get("template") or {}).get("metadata") or {}
    labels = dict(template.get("labels") or {})
    labels.update((workload.get("metadata") or {}).get("labels") or {})
    return any(all(labels.get(key) == text for key, text in wanted.items()) for wanted in alternatives)


def describe(controller: Object | None, daemonset: Object | None) -> Object:
    """What is installed, how, and which version, as far as its two workloads tell."""
    for workload in (controller, daemonset):
        if workload is None:
            continue
        metadata = workload.get("metadata") or {}
        labels = metadata.get("labels") or {}
        by_helm = labels.get(MANAGED_BY) == "Helm" or "helm.sh/chart" in labels
        return {
            "method": "helm" if by_helm else "manifests",
            "namespace": str(metadata.get("namespace") or ""),
            "release": str((metadata.get("annotations") or {}).get(HELM_RELEASE) or ""),
            "version": version_of(workload),
        }
    return {"method": "none", "namespace": "", "release": "", "version": ""}


def version_of(workload: Object) -> str:
    """From its image's tag, since labels may be missing and tell of the chart. "" if there is no such tag."""
    containers = ((((workload.get("spec") or {}).get("template") or {}).get("spec") or {}).get("containers")) or []
    for container in containers:
        if container.get("name") not in ("controller", "speaker"):
            continue
        name = str(container.get("image") or "").partition("@")[0].rpartition("/")[2]
        tag = name.partition(":")[2]
        return tag[1:] if tag[:1] == "v" and tag[1:2].isdigit() else tag
    return ""


def unready(controller: Object | None, daemonset: Object | None) -> list[str]:
    """What the two workloads still lack, in words; nothing when both are as they should be."""
    found = []
    if controller is None:
        found.append("there is no controller Deployment")
    else:
        status = controller.get("status") or {}
        wanted = int((controller.get("spec") or {}).get("replicas", 1))
        if _outdated(controller):
            found.append("the controller Deployment was changed and not yet looked at")
        elif wanted == 0:
            found.append("the controller Deployment is scaled to 0")
        elif int(status.get("updatedReplicas") or 0) < wanted or int(status.get("readyReplicas") or 0) < wanted:
            found.append(f"{int(status.get('readyReplicas') or 0)} of {wanted} controllers are ready")
    if daemonset is None:
        found.append("there is no speaker DaemonSet")
    else:
        status = daemonset.get("status") or {}
        wanted = int(status.get("desiredNumberScheduled") or 0)
        ready = min(int(status.get("numberReady") or 0), int(status.get("updatedNumberScheduled") or 0))
        if ((daemonset.get("spec") or {}).get("updateStrategy") or {}).get("type") == "OnDelete":
            ready = int(status.get("numberReady") or 0)
        if _outdated(daemonset):
            found.append("the speaker DaemonSet was changed and not yet looked at")
        elif wanted == 0:
            found.append("no node is to run a speaker")
        elif ready < wanted:
            found.append(f"{ready} of {wanted} speakers are up to date and ready")
    return found


def _outdated(workload: Object) -> bool:
    generation = int((workload.get("metadata") or {}).get("generation") or 0)
    return int((workload.get("status") or {}).get("observedGeneration") or 0) < generation


def selector_of(daemonset: Object) -> str:
    """The label selector of the DaemonSet's pods, as a query has it."""
    wanted = ((daemonset.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={text}" for key, text in sorted(wanted.items()))


def pods_of(daemonset: Object, pods: Iterable[Object]) -> list[SpeakerPod]:
    """Its pods, by ownership: labels alone would take in what somebody runs beside it."""
    uid = (daemonset.get("metadata") or {}).get("uid")
    found = []
    for pod in pods:
        metadata = pod.get("metadata") or {}
        if not any(owner.get("uid") == uid for owner in metadata.get("ownerReferences") or []):
            continue
        found.append(
            SpeakerPod(
                name=str(metadata.get("name") or ""),
                uid=str(metadata.get("uid") or ""),
                node=node_of(pod),
                ready=is_ready(pod),
                terminating=bool(metadata.get("deletionTimestamp")),
            )
        )
    return found


def node_of(pod: Object) -> str:
    """Where it runs, or, while it waits for a place, where it is meant to run."""
    spec = pod.get("spec") or {}
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in required.get("nodeSelectorTerms") or []:
        for match in term.get("matchFields") or []:
            if match.get("key") == "metadata.name" and match.get("values"):
                return str(match["values"][0])
    return ""


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def order(pods: Iterable[SpeakerPod], only: Collection[str] | None, announced: Mapping[str, int]) -> list[SpeakerPod]:
    """Those to restart: first those that are broken anyway, then those that announce least."""
    chosen = [pod for pod in pods if not pod.terminating and (only is None or pod.node in only)]
    return sorted(chosen, key=lambda pod: (pod.ready, announced.get(pod.node, 0), pod.node))


def replacement(before: SpeakerPod, pods: Iterable[SpeakerPod]) -> SpeakerPod | None:
    """The pod that came for it, if it is ready and the old one is gone."""
    here = [pod for pod in pods if pod.node == before.node]
    if any(pod.uid == before.uid for pod in here):
        return None
    for pod in here:
        if pod.ready and not pod.terminating:
            return pod
    return None


def why_not_ready(pod: Object) -> str:
    """In words, and as near to the cause as the pod's status goes."""
    status = pod.get("status") or {}
    statuses = (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    for container in statuses:
        if container.get("ready") or (container.get("state") or {}).get("terminated", {}).get("exitCode") == 0:
            continue
        waiting = (container.get("state") or {}).get("waiting") or {}
        ended = (container.get("lastState") or {}).get("terminated") or (container.get("state") or {}).get("terminated")
        what = f"container {container.get('name')}"
        if waiting.get("reason"):
            what += f" is waiting: {waiting['reason']}"
            if waiting.get("message"):
                what += f" ({shorten(str(waiting['message']))})"
        else:
            what += " runs but is not ready"
        if ended:
            what += f", last ended with exit code {ended.get('exitCode')} ({ended.get('reason') or 'no reason'})"
        return what
    for condition in status.get("conditions") or []:
        if condition.get("status") == "False" and condition.get("message"):
            return f"{condition.get('reason') or condition.get('type')}: {shorten(str(condition['message']))}"
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return "the old pod is still terminating"
    return f"phase {status.get('phase') or 'unknown'}"


def why_no_pod(daemonset: Object, events: Iterable[Object]) -> str:
    """Why a DaemonSet makes no pod: its own events say, its status doesn't."""
    uid = (daemonset.get("metadata") or {}).get("uid")
    failed = [
        event
        for event in events
        if event.get("reason") == "FailedCreate" and (event.get("involvedObject") or {}).get("uid") == uid
    ]
    if failed:
        last = max(failed, key=_event_time)
        text = shorten(str(last.get("message") or ""))
        hint = ""
        if "PodSecurity" in text:
            hint = " (finding MLB101: label the namespace pod-security.kubernetes.io/enforce=privileged)"
        return f"its pod cannot be created: {text}{hint}"
    return "no new pod appeared: does the DaemonSet's nodeSelector still choose the node, are its taints tolerated?"


def causes_of(
    controller: Object | None,
    daemonset: Object | None,
    pods: Sequence[Object],
    events: Sequence[Object],
    webhook_error: str,
) -> list[Object]:
    """Why MetalLB does not work yet, in the codes of the catalogue, most basic first."""
    found: list[Object] = []

    def add(code: str, summary: str) -> None:
        if not any(one["code"] == code for one in found):
            found.append({"code": code, "summary": summary})

    if daemonset is not None:
        its_pods = [pod for pod in pods if pods_of(daemonset, [pod])]
        status = daemonset.get("status") or {}
        if int(status.get("currentNumberScheduled") or 0) < int(status.get("desiredNumberScheduled") or 0):
            why = why_no_pod(daemonset, events)
            add("MLB101" if "MLB101" in why else "MLB103", f"speaker: {why}")
        elif not its_pods and not int(status.get("desiredNumberScheduled") or 0):
            add("MLB103", "speaker: no node is to run one; see its nodeSelector, and the taints of the nodes")
        for pod in its_pods:
            if not is_ready(pod):
                where = f"speaker {(pod.get('metadata') or {}).get('name')} on {node_of(pod) or 'no node'}"
                add("MLB102", f"{where}: {why_not_ready(pod)}")
    if controller is not None:
        labels = ((controller.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        its_pods = [
            pod
            for pod in pods
            if labels and labels.items() <= ((pod.get("metadata") or {}).get("labels") or {}).items()
        ]
        for pod in its_pods:
            if not is_ready(pod):
                add("MLB104", f"controller {(pod.get('metadata') or {}).get('name')}: {why_not_ready(pod)}")
        if not its_pods and not int((controller.get("status") or {}).get("readyReplicas") or 0):
            add("MLB104", f"controller: no pod. {_replica_failure(controller)}".strip())
    if webhook_error:
        add("MLB105", f"webhook: {shorten(str(webhook_error))}")
    return found


def _replica_failure(deployment: Object) -> str:
    for condition in (deployment.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return shorten(str(condition.get("message") or ""))
    return ""


# -- ServiceL2Status --------------------------------------------------------------------------------------------------


def read_status(obj: Object) -> L2Status:
    metadata = obj.get("metadata") or {}
    labels = metadata.get("labels") or {}
    status = obj.get("status") or {}
    owners = [owner for owner in metadata.get("ownerReferences") or [] if owner.get("kind") == "Pod"]
    return L2Status(
        name=str(metadata.get("name") or ""),
        uid=str(metadata.get("uid") or ""),
        service=(
            str(labels.get(SERVICE_NAMESPACE_LABEL) or status.get("serviceNamespace") or ""),
            str(labels.get(SERVICE_NAME_LABEL) or status.get("serviceName") or ""),
        ),
        node=str(status.get("node") or ""),
        label_node=str(labels.get(NODE_LABEL) or ""),
        owner_uid=str(owners[0].get("uid") or "") if owners else "",
    )


def announced_by(statuses: Iterable[L2Status]) -> dict[str, int]:
    """How many services each node announces, as far as the statuses can be believed."""
    counts: dict[str, int] = {}
    for status in statuses:
        node = status.label_node or status.node
        counts[node] = counts.get(node, 0) + 1
    return counts


def wrong_statuses(statuses: Iterable[L2Status], expected: Expected, living: Collection[str]) -> list[Wrong]:
    """Those that name another node than the one that announces.

    Up to MetalLB 0.15.3 a new announcer finds the old one's object and may not change its status.node. A service that
    the election knows nothing about is judged by its object alone.
    """
    found = []
    for status in statuses:
        should = expected.get(status.service)
        if not status.node:
            # Its writer makes the object first and fills it then.
            continue
        if should is not None and status.node != should:
            found.append(Wrong(status, should, f"the election gives {should}"))
        elif status.service in expected and should is None:
            found.append(Wrong(status, "", "nobody may announce this service"))
        elif status.label_node and status.node != status.label_node:
            found.append(Wrong(status, should or status.label_node, f"its label {NODE_LABEL} says {status.label_node}"))
        elif status.owner_uid and status.owner_uid not in living:
            found.append(Wrong(status, should or status.node, "the speaker pod that owns it is gone"))
    return found


def missing_statuses(statuses: Iterable[L2Status], expected: Expected) -> list[ServiceKey]:
    """Services that ought to be announced and that no ServiceL2Status speaks of."""
    there = {status.service for status in statuses if status.node}
    return sorted(service for service, node in expected.items() if node is not None and service not in there)


def expected_from(statuses: Iterable[L2Status]) -> dict[ServiceKey, str | None]:
    """Without an election to ask: what the objects' labels say, where they agree with each other."""
    said: dict[ServiceKey, set[str]] = {}
    for status in statuses:
        said.setdefault(status.service, set()).add(status.label_node or status.node)
    return {service: next(iter(nodes)) for service, nodes in said.items() if len(nodes) == 1}


def _event_time(event: Object) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
