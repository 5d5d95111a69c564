# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Objects cut down to the fields that the rules read."""

from __future__ import annotations

import re
from typing import Any, Callable

from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import (
    IGNORE_ANNOTATION,
    OLD_PREFIX,
    OWNED_LABELS_ANNOTATION,
    PREFIX,
    TRACKING_ID,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.objects import is_metallb_webhook
from ansible_collections.l2ops.metallb.plugins.module_utils._model.other_load_balancers import ANNOTATION_PREFIXES
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_list,
    as_text,
    metadata_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.workloads import excluded_interfaces_of
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import KINDS

# -- less is enough ---------------------------------------------------------------------------------------------------

_METADATA = ("name", "namespace", "uid", "labels", "creationTimestamp", "deletionTimestamp", "ownerReferences")
_ANNOTATIONS = (PREFIX, OLD_PREFIX, "meta.helm.sh/")
_KEPT_ANNOTATIONS = frozenset(
    [IGNORE_ANNOTATION, OWNED_LABELS_ANNOTATION, TRACKING_ID, "endpoints.kubernetes.io/last-change-trigger-time"]
)


_WRITERS_KEPT = frozenset(["l2advertisements", "ipaddresspools", "deployments", "namespaces"])


def slim(plural: str, obj: Object) -> Object:
    """The object without secrets, bookkeeping, and what nothing here reads."""
    metadata = metadata_of(obj)
    kept = {key: metadata[key] for key in _METADATA if metadata.get(key)}
    annotations = {
        key: text
        for key, text in as_dict(metadata.get("annotations")).items()
        if key in _KEPT_ANNOTATIONS or key.startswith(_ANNOTATIONS)
    }
    if plural == "services":
        # Of other load balancers' annotations only the names tell something; values may be credentials.
        for key in as_dict(metadata.get("annotations")):
            if key.startswith(ANNOTATION_PREFIXES) and key not in annotations:
                annotations[key] = ""
    if annotations:
        kept["annotations"] = annotations
    if plural in _WRITERS_KEPT and metadata.get("managedFields"):
        # When it was changed last, and by whom; nothing else of an object says so.
        kept["managedFields"] = [
            _picked(one, "time", "manager", "subresource") for one in as_list(metadata["managedFields"])
        ]
    result: Object = {"kind": KINDS[plural], "metadata": kept}
    if obj.get("apiVersion"):
        result["apiVersion"] = obj["apiVersion"]
    shrink = _SLIM.get(plural)
    if shrink is not None:
        result.update(shrink(obj))
    return result


def _picked(raw: Any, *names: str) -> Object:
    return {name: raw[name] for name in names if name in as_dict(raw)}


def _slim_node(obj: Object) -> Object:
    status = as_dict(obj.get("status"))
    conditions = [
        _picked(one, "type", "status", "reason", "lastTransitionTime")
        for one in as_list(status.get("conditions"))
        if as_dict(one).get("type") in ("Ready", "NetworkUnavailable")
    ]
    return {
        "spec": _picked(obj.get("spec"), "podCIDR", "podCIDRs", "taints", "unschedulable"),
        "status": {
            "addresses": status.get("addresses"),
            "conditions": conditions,
            "nodeInfo": _picked(status.get("nodeInfo"), "osImage", "kubeletVersion"),
        },
    }


def _slim_service(obj: Object) -> Object:
    spec = _picked(
        obj.get("spec"),
        "type",
        "loadBalancerClass",
        "loadBalancerIP",
        "externalIPs",
        "externalTrafficPolicy",
        "ports",
        "selector",
        "clusterIP",
        "clusterIPs",
        "ipFamilies",
        "ipFamilyPolicy",
    )
    if spec.get("type") != "LoadBalancer":
        # Their ports matter where they share an address with a Service of MetalLB's.
        spec = _picked(
            spec, "type", "clusterIP", "clusterIPs", *(("externalIPs", "ports") if spec.get("externalIPs") else ())
        )
        return {"spec": spec}
    return {"spec": spec, "status": _picked(obj.get("status"), "loadBalancer")}


def _slim_slice(obj: Object) -> Object:
    result: Object = {"endpoints": [_picked(one, "nodeName", "conditions") for one in as_list(obj.get("endpoints"))]}
    if obj.get("addressType"):
        result["addressType"] = obj["addressType"]
    if "ports" in obj:
        result["ports"] = [_picked(one, "name", "port", "protocol") for one in as_list(obj["ports"])]
    return result


def _slim_pod_spec(spec: Any) -> Object:
    spec = as_dict(spec)
    result = _picked(spec, "nodeName", "nodeSelector", "tolerations", "affinity")
    result["containers"] = [
        {**_picked(one, "name", "image"), **_slim_args(one), **_slim_ports(one), "env": _slim_env(one)}
        for one in as_list(spec.get("containers"))
    ]
    result["volumes"] = [
        {"name": "memberlist", "secret": _picked(one.get("secret"), "secretName")}
        if one.get("name") == "memberlist"
        else {"configMap": _picked(one.get("configMap"), "name")}
        for one in map(as_dict, as_list(spec.get("volumes")))
        if one.get("name") == "memberlist" or excluded_interfaces_of([one])
    ]
    return result


# Arguments that rules read, without hyphens; besides these, all whose name speaks of a class.
_SWITCHES = frozenset(["ignore-exclude-lb", "ipvs-strict-arp"])
_FLAGS = frozenset(["lb-class", "proxy-mode", *_SWITCHES])


def _slim_args(container: Any) -> Object:
    """Command and arguments, reduced to what rules read: those of any program may hold passwords and tokens."""
    kept: Object = {}
    for field in ("command", "args"):
        given = [as_text(one) for one in as_list(as_dict(container).get(field))]
        found: list[str] = []
        for place, arg in enumerate(given):
            name, equals, _rest = arg.partition("=")
            if not name.startswith("-") or not (name.lstrip("-") in _FLAGS or _OF_A_CLASS.fullmatch(name)):
                continue
            found.append(arg)
            following = given[place + 1 : place + 2]
            # A switch has no word behind it but these two.
            switch = name.lstrip("-") in _SWITCHES and following[:1] not in (["true"], ["false"])
            if not equals and following and not following[0].startswith("-") and not switch:
                found += following
        if found:
            kept[field] = found
    return kept


_OF_A_CLASS = re.compile(r"--?[a-z-]*class(?:-?names?)?", re.IGNORECASE)


def _slim_ports(container: Any) -> Object:
    """Named ports only: a Service may ask for one by its name."""
    named = [_picked(one, "name", "containerPort", "protocol") for one in as_list(as_dict(container).get("ports"))]
    named = [one for one in named if one.get("name")]
    return {"ports": named} if named else {}


def _slim_env(container: Any) -> list[Object]:
    kept = []
    for one in map(as_dict, as_list(as_dict(container).get("env"))):
        # Other programs' environment may hold passwords.
        name = as_text(one.get("name"))
        if name.startswith("METALLB_") or name in ("svc_enable", "lb_class_only"):
            hidden = "valueFrom" in one or any(word in name for word in ("SECRET", "KEY", "PASSWORD", "TOKEN"))
            kept.append({"name": one.get("name"), "valueFrom": {}} if hidden else _picked(one, "name", "value"))
    return kept


def _slim_pod(obj: Object) -> Object:
    status = as_dict(obj.get("status"))
    return {
        "spec": _slim_pod_spec(obj.get("spec")),
        "status": {
            "phase": status.get("phase"),
            "conditions": _slim_conditions(status),
            "containerStatuses": [_slim_container_status(one) for one in as_list(status.get("containerStatuses"))],
            "initContainerStatuses": [
                _slim_container_status(one) for one in as_list(status.get("initContainerStatuses"))
            ],
        },
    }


def _slim_conditions(status: Object) -> list[Object]:
    return [
        _picked(one, "type", "status", "reason", "message", "lastTransitionTime")
        for one in as_list(status.get("conditions"))
    ]


def _slim_container_status(raw: Any) -> Object:
    """Without what a container said when it ended (terminationMessagePath): the end of its log, perhaps."""

    def state(of: Any) -> Object:
        of = as_dict(of)
        result: Object = {}
        if "waiting" in of:
            result["waiting"] = _picked(of["waiting"], "reason", "message")
        if "terminated" in of:
            result["terminated"] = _picked(of["terminated"], "exitCode", "reason")
        return result

    return {
        **_picked(raw, "name", "ready"),
        **{name: state(as_dict(raw)[name]) for name in ("state", "lastState") if name in as_dict(raw)},
    }


def _slim_workload(obj: Object) -> Object:
    spec = as_dict(obj.get("spec"))
    template = as_dict(spec.get("template"))
    conditions = _slim_conditions(as_dict(obj.get("status")))
    return {
        "spec": {
            **_picked(spec, "replicas"),
            "template": {
                "metadata": _picked(metadata_of(template), "labels"),
                "spec": _slim_pod_spec(template.get("spec")),
            },
        },
        "status": {
            **_picked(
                obj.get("status"),
                "desiredNumberScheduled",
                "currentNumberScheduled",
                "numberReady",
                "replicas",
                "readyReplicas",
            ),
            **({"conditions": conditions} if conditions else {}),
        },
    }


# Events whose messages rules read and show: those of MetalLB about Services, and of Kubernetes about MetalLB's pods.
EVENTS_READ = frozenset(
    [
        "AllocationFailed",
        "FailedCreate",
        "FailedMount",
        "InternalError",
        "LoadBalancerFailed",
        "announceFailed",
        "noclusterIPsIPFamily",
        "nodeAssigned",
        "nolbIPsIPFamily",
        "not enough clusterips",
    ]
)


def _slim_event(obj: Object) -> Object:
    said = as_text(obj.get("message")) or as_text(obj.get("note"))
    return {
        **_picked(obj, "reason", "type", "lastTimestamp", "eventTime", "firstTimestamp", "reportingComponent"),
        **({"message": said} if said and obj.get("reason") in EVENTS_READ else {}),
        **({"series": _picked(obj["series"], "lastObservedTime")} if obj.get("series") else {}),
        "involvedObject": _picked(obj.get("involvedObject"), "kind", "namespace", "name"),
        "source": _picked(obj.get("source"), "component"),
    }


def _slim_application(obj: Object) -> Object:
    resources = as_list(as_dict(obj.get("status")).get("resources"))
    return {"status": {"resources": [_picked(one, "group", "kind", "namespace", "name") for one in resources]}}


def _slim_crd(obj: Object) -> Object:
    versions = []
    for version in as_list(as_dict(obj.get("spec")).get("versions")):
        schema = as_dict(as_dict(as_dict(version).get("schema")).get("openAPIV3Schema"))
        spec = as_dict(as_dict(as_dict(schema.get("properties")).get("spec")).get("properties"))
        names: Object = {"properties": {"spec": {"properties": {name: {} for name in spec}}}}
        versions.append({"name": as_dict(version).get("name"), "schema": {"openAPIV3Schema": names}})
    return {"spec": {"versions": versions}} if versions else {}


def _slim_webhook(obj: Object) -> Object:
    hooks = []
    for hook in map(as_dict, as_list(obj.get("webhooks"))):
        if not is_metallb_webhook(hook):
            continue
        client = as_dict(hook.get("clientConfig"))
        hooks.append(
            {
                "name": hook.get("name"),
                "failurePolicy": hook.get("failurePolicy"),
                "rules": [_picked(one, "apiGroups") for one in as_list(hook.get("rules"))],
                # The bundle is long and only its presence matters.
                "clientConfig": {**_picked(client, "service"), "caBundle": "present" if client.get("caBundle") else ""},
            }
        )
    return {"webhooks": hooks}


def _slim_configmap(obj: Object) -> Object:
    name = as_text(metadata_of(obj).get("name"))
    if name.endswith("excludel2"):
        # Expressions for names of interfaces, which MLB413 compares.
        return {"data": _picked(obj.get("data"), "excludel2.yaml")}
    if name != "kube-proxy":
        return {}
    # Its kubeconfig stands in the same ConfigMap.
    texts = {key: as_text(text).splitlines() for key, text in as_dict(obj.get("data")).items()}
    return {"data": {key: "\n".join(filter(_PROXY_MODE.match, lines)) for key, lines in texts.items()}}


_PROXY_MODE = re.compile(r"\s*(?:mode|strictARP):\s*[\"']?\w*[\"']?\s*$")


_SLIM: dict[str, Callable[[Object], Object]] = {
    "nodes": _slim_node,
    "services": _slim_service,
    "endpointslices": _slim_slice,
    "pods": _slim_pod,
    "daemonsets": _slim_workload,
    "deployments": _slim_workload,
    "events": _slim_event,
    "customresourcedefinitions": _slim_crd,
    "validatingwebhookconfigurations": _slim_webhook,
    "configmaps": _slim_configmap,
    "ipaddresspools": lambda obj: _picked(obj, "spec", "status"),
    "l2advertisements": lambda obj: _picked(obj, "spec"),
    "bgpadvertisements": lambda obj: {"spec": _picked(obj.get("spec"), "ipAddressPools", "ipAddressPoolSelectors")},
    "servicel2statuses": lambda obj: _picked(obj, "status"),
    "configurationstates": lambda obj: _picked(obj, "status"),
    "applications": _slim_application,
    "releases": lambda obj: _picked(obj, "status"),
    "servicecidrs": lambda obj: _picked(obj, "spec"),
    "ciliumloadbalancerippools": lambda obj: {"spec": _picked(obj.get("spec"), "disabled", "serviceSelector")},
}
