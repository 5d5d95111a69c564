# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small healthy cluster in raw objects, to be broken by tests: the source document's own, on Talos, with MetalLB 0.15.3."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.apply_order import SyncOrder
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import predictions
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

Object = dict[str, Any]

HOME = "metallb-system"
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
OWNED = "talos.dev/owned-labels"
# Everything is an hour old when the snapshot is taken, so nothing counts as young.
LONG_AGO = "2026-11-23T21:00:00Z"
TAKEN = 1795473000.0  # 2026-11-23T22:30:00Z
JUST_NOW = "2026-11-23T22:29:57Z"
SPEAKER = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
CONTROLLER = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller"}
HELM = {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "metallb-0.15.3"}


def metadata(name: str, namespace: str = "", **more: Any) -> Object:
    made = {"name": name, "uid": f"uid-{namespace}-{name}", "creationTimestamp": LONG_AGO, **more}
    return {**made, "namespace": namespace} if namespace else made


def condition(kind: str, status: str, **more: Any) -> Object:
    return {"type": kind, "status": status, "lastTransitionTime": LONG_AGO, **more}


class World:
    """objects maps plural kinds to raw objects. Statuses of services are written by snapshot(), as speakers would."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Object]] = {
            plural: []
            for plural in (
                "applications",
                "bgpadvertisements",
                "bgppeers",
                "ciliumloadbalancerippools",
                "configmaps",
                "configurationstates",
                "customresourcedefinitions",
                "daemonsets",
                "deployments",
                "endpointslices",
                "events",
                "ipaddresspools",
                "l2advertisements",
                "namespaces",
                "nodes",
                "pods",
                "releases",
                "secrets",
                "servicecidrs",
                "servicel2statuses",
                "services",
                "validatingwebhookconfigurations",
            )
        }
        self.missing: dict[str, str] = {}
        self.write_statuses = True
        self.plan = SyncOrder()
        self.faults = ()
        self._metallb()
        for number, name in enumerate(("cp-1", "cp-2", "cp-3"), 11):
            node = self.add_node(name, f"192.168.7.{number}")
            node["metadata"]["labels"].update({"node-role.kubernetes.io/control-plane": "", EXCLUDE: ""})
            node["metadata"]["annotations"][OWNED] = json.dumps(["node-role.kubernetes.io/control-plane", EXCLUDE])
            node["spec"]["taints"] = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
        self.add_node("worker-1", "192.168.7.21")
        self.add_pool("main-pool", "192.168.7.200-192.168.7.250")
        self.add_advertisement("l2-adv", ipAddressPools=["main-pool"], interfaces=["eth0"])
        self.add_service("traefik/traefik", "192.168.7.203", ports=(80, 443))
        self.add_service("default/my-nginx", "192.168.7.201")

    # -- adding -------------------------------------------------------------------------------------------------------

    def _metallb(self) -> None:
        container = {
            "name": "speaker",
            "image": "quay.io/metallb/speaker:v0.15.3",
            "args": ["--port=7472", "--log-level=info", "--ignore-exclude-lb"],
            "env": [
                {"name": "METALLB_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                {"name": "METALLB_ML_BIND_ADDR", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "METALLB_ML_SECRET_KEY_PATH", "value": "/etc/ml_secret_key"},
            ],
        }
        control_plane = {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}
        self.objects["daemonsets"] += [
            {
                "kind": "DaemonSet",
                "metadata": metadata(
                    "metallb-speaker",
                    HOME,
                    labels={**SPEAKER, **HELM},
                    annotations={"meta.helm.sh/release-name": "metallb"},
                ),
                "spec": {
                    "template": {
                        "metadata": {"labels": dict(SPEAKER)},
                        "spec": {
                            "containers": [container],
                            "nodeSelector": {"kubernetes.io/os": "linux"},
                            "tolerations": [control_plane],
                            "volumes": [{"name": "memberlist", "secret": {"secretName": "metallb-memberlist"}}],
                        },
                    }
                },
                "status": {"desiredNumberScheduled": 4, "currentNumberScheduled": 4, "numberReady": 4},
            },
            {
                "kind": "DaemonSet",
                "metadata": metadata("kube-proxy", "kube-system", labels={"k8s-app": "kube-proxy"}),
                "spec": {
                    "template": {
                        "metadata": {},
                        "spec": {
                            "containers": [
                                {
                                    "name": "kube-proxy",
                                    "image": "registry.k8s.io/kube-proxy:v1.34.2",
                                    "command": ["/usr/local/bin/kube-proxy", "--proxy-mode=nftables"],
                                }
                            ]
                        },
                    }
                },
                "status": {"desiredNumberScheduled": 4, "currentNumberScheduled": 4, "numberReady": 4},
            },
        ]
        self.objects["deployments"].append(
            {
                "kind": "Deployment",
                "metadata": metadata(
                    "metallb-controller",
                    HOME,
                    labels={**CONTROLLER, **HELM},
                    annotations={"meta.helm.sh/release-name": "metallb"},
                ),
                "spec": {
                    "replicas": 1,
                    "template": {
                        "metadata": {"labels": dict(CONTROLLER)},
                        "spec": {"containers": [{"name": "controller", "image": "quay.io/metallb/controller:v0.15.3"}]},
                    },
                },
                "status": {"replicas": 1, "readyReplicas": 1, "conditions": [condition("Available", "True")]},
            }
        )
        self.objects["pods"].append(
            {
                "kind": "Pod",
                "metadata": metadata("metallb-controller-1", HOME, labels=dict(CONTROLLER)),
                "spec": {"nodeName": "worker-1", "containers": [{"name": "controller"}]},
                "status": {"phase": "Running", "conditions": [condition("Ready", "True")]},
            }
        )
        privileged = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}
        self.objects["namespaces"] += [
            {"kind": "Namespace", "metadata": metadata(HOME, labels=privileged)},
            {"kind": "Namespace", "metadata": metadata("default", labels={"kubernetes.io/metadata.name": "default"})},
            {"kind": "Namespace", "metadata": metadata("traefik", labels={"kubernetes.io/metadata.name": "traefik"})},
        ]
        self.objects["secrets"].append({"kind": "Secret", "metadata": metadata("metallb-memberlist", HOME)})
        self.objects["validatingwebhookconfigurations"].append(
            {
                "kind": "ValidatingWebhookConfiguration",
                "metadata": metadata("metallb-webhook-configuration"),
                "webhooks": [
                    {
                        "name": "ipaddresspoolvalidationwebhook.metallb.io",
                        "failurePolicy": "Fail",
                        "clientConfig": {
                            "caBundle": "LS0t",
                            "service": {"namespace": HOME, "name": "metallb-webhook-service"},
                        },
                    }
                ],
            }
        )
        self.objects["services"].append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata("metallb-webhook-service", HOME),
                "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.100", "ports": [{"port": 443, "protocol": "TCP"}]},
            }
        )
        self.add_endpoints(HOME, "metallb-webhook-service", ["worker-1"])
        fields = ("ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "interfaces")
        self.set_fields(*fields)
        self.objects["servicecidrs"].append(
            {"kind": "ServiceCIDR", "metadata": metadata("kubernetes"), "spec": {"cidrs": ["10.96.0.0/12"]}}
        )
        self.objects["configurationstates"].append(
            self.config_state("controller", {"metallb.io/component-type": "controller"})
        )

    def config_state(self, name: str, labels: Object, result: str = "Valid", error: str = "") -> Object:
        return {
            "kind": "ConfigurationState",
            "metadata": metadata(name, HOME, labels=labels),
            "status": {"result": result, "errorSummary": error, "conditions": [condition("x", "True")]},
        }

    def set_fields(self, *fields: str) -> None:
        """Fields of the installed L2Advertisement."""
        schema = {"properties": {"spec": {"properties": {name: {} for name in fields}}}}
        self.objects["customresourcedefinitions"] = [
            {
                "kind": "CustomResourceDefinition",
                "metadata": metadata("l2advertisements.metallb.io"),
                "spec": {"versions": [{"name": "v1beta1", "schema": {"openAPIV3Schema": schema}}]},
            }
        ]

    def add_node(self, name: str, *addresses: str) -> Object:
        number = len(self.objects["nodes"])
        node = {
            "kind": "Node",
            "metadata": metadata(
                name, labels={"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}, annotations={}
            ),
            "spec": {"podCIDR": f"10.244.{number}.0/24", "podCIDRs": [f"10.244.{number}.0/24"]},
            "status": {
                "addresses": [
                    *({"type": "InternalIP", "address": address} for address in addresses),
                    {"type": "Hostname", "address": name},
                ],
                "conditions": [condition("Ready", "True", reason="KubeletReady")],
                "nodeInfo": {"osImage": "Talos (v1.12.0)", "kubeletVersion": "v1.34.2"},
            },
        }
        self.objects["nodes"].append(node)
        template = self.get("daemonsets", "metallb-speaker")["spec"]["template"]["spec"]
        self.objects["pods"].append(
            {
                "kind": "Pod",
                "metadata": metadata(
                    f"metallb-speaker-{name}",
                    HOME,
                    labels=dict(SPEAKER),
                    ownerReferences=[{"kind": "DaemonSet", "uid": f"uid-{HOME}-metallb-speaker"}],
                ),
                "spec": {**copy.deepcopy(template), "nodeName": name},
                "status": {"phase": "Running", "conditions": [condition("Ready", "True")]},
            }
        )
        self.objects["configurationstates"].append(
            self.config_state(f"speaker-{name}", {"metallb.io/component-type": "speaker", "metallb.io/node-name": name})
        )
        return node

    def add_pool(self, name: str, *addresses: str, labels: Object | None = None, **spec: Any) -> Object:
        pool = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": metadata(name, HOME, labels=labels or {}),
            "spec": {"addresses": list(addresses), "autoAssign": True, "avoidBuggyIPs": False, **spec},
        }
        self.objects["ipaddresspools"].append(pool)
        return pool

    def add_advertisement(self, name: str, **spec: Any) -> Object:
        advertisement = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "L2Advertisement",
            "metadata": metadata(name, HOME),
            "spec": spec,
        }
        self.objects["l2advertisements"].append(advertisement)
        return advertisement

    def add_service(
        self,
        path: str,
        *addresses: str,
        ports: tuple[int, ...] = (80,),
        on: tuple[str, ...] = ("worker-1",),
        annotations: Object | None = None,
        labels: Object | None = None,
        families: tuple[str, ...] = (),
        **spec: Any,
    ) -> Object:
        namespace, _slash, name = path.partition("/")
        number = len(self.objects["services"]) + 1
        families = families or tuple("IPv6" if ":" in one else "IPv4" for one in addresses) or ("IPv4",)
        cluster = [f"10.96.0.{number}" if family == "IPv4" else f"fd00:96::{number}" for family in families]
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(name, namespace, annotations=dict(annotations or {}), labels=dict(labels or {})),
            "spec": {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Cluster",
                "ports": [{"name": f"p{port}", "port": port, "protocol": "TCP"} for port in ports],
                "selector": {"app": name},
                "clusterIP": cluster[0],
                "clusterIPs": cluster,
                "ipFamilies": list(families),
                "ipFamilyPolicy": "SingleStack" if len(families) == 1 else "RequireDualStack",
                **spec,
            },
            "status": {"loadBalancer": {"ingress": [{"ip": one, "ipMode": "VIP"} for one in addresses]}},
        }
        if not addresses:
            service["status"] = {"loadBalancer": {}}
        self.objects["services"].append(service)
        self.add_endpoints(namespace, name, list(on), ports=service["spec"]["ports"])
        return service

    def add_endpoints(
        self, namespace: str, service: str, nodes: list[str], ready: bool = True, ports: Sequence[Object] = ()
    ) -> Object:
        piece = {
            "kind": "EndpointSlice",
            "metadata": metadata(
                f"{service}-abcde",
                namespace,
                labels={"kubernetes.io/service-name": service},
                annotations={"endpoints.kubernetes.io/last-change-trigger-time": LONG_AGO},
            ),
            "endpoints": [
                {"nodeName": node, "conditions": {"ready": ready, "serving": ready, "terminating": False}}
                for node in nodes
            ],
            "ports": [dict(one) for one in ports],
        }
        self.objects["endpointslices"].append(piece)
        return piece

    def add_event(self, kind: str, path: str, reason: str, message: str, last: str = LONG_AGO) -> None:
        namespace, _slash, name = path.rpartition("/")
        number = len(self.objects["events"])
        self.objects["events"].append(
            {
                "kind": "Event",
                "metadata": metadata(f"{name}.{number}", namespace),
                "involvedObject": {"kind": kind, "namespace": namespace, "name": name},
                "reason": reason,
                "message": message,
                "type": "Warning",
                "lastTimestamp": last,
                "source": {"component": "metallb-speaker"},
            }
        )

    # -- finding ------------------------------------------------------------------------------------------------------

    def get(self, plural: str, name: str) -> Object:
        return next(one for one in self.objects[plural] if one["metadata"]["name"] == name)

    def drop(self, plural: str, name: str = "") -> None:
        self.objects[plural] = [one for one in self.objects[plural] if name and one["metadata"]["name"] != name]

    def hide(self, plural: str, reason: str = "forbidden") -> None:
        del self.objects[plural]
        self.missing[plural] = reason

    def heed_labels(self) -> None:
        """The speakers run without --ignore-exclude-lb."""
        for obj in (*self.objects["daemonsets"], *self.objects["pods"]):
            spec = obj["spec"]["template"]["spec"] if obj["kind"] == "DaemonSet" else obj["spec"]
            for container in spec["containers"]:
                container["args"] = [one for one in container.get("args", ()) if "exclude" not in one]

    def unlabel(self, *names: str) -> None:
        for node in self.objects["nodes"]:
            if node["metadata"]["name"] in names or not names:
                node["metadata"]["labels"].pop(EXCLUDE, None)
                node["metadata"]["annotations"].pop(OWNED, None)

    def remove_speaker(self, node: str) -> None:
        self.drop("pods", f"metallb-speaker-{node}")

    def not_ready(self, node: str) -> None:
        self.get("nodes", node)["status"]["conditions"] = [condition("Ready", "Unknown", reason="NodeStatusUnknown")]

    def snapshot(self) -> Snapshot:
        made = replace(
            Snapshot.from_objects(copy.deepcopy(self.objects), self.missing, taken=TAKEN),
            plan=self.plan,
            faults=self.faults,
        )
        if not self.write_statuses or "servicel2statuses" not in self.objects:
            return made
        objects = copy.deepcopy(self.objects)
        for (namespace, name), node in predictions(made).items():
            if node is not None:
                objects["servicel2statuses"].append(l2_status(f"{namespace}/{name}", node))
        return replace(Snapshot.from_objects(objects, self.missing, taken=TAKEN), plan=self.plan, faults=self.faults)


def l2_status(path: str, node: str, label: str | None = None) -> Object:
    namespace, _slash, name = path.partition("/")
    return {
        "kind": "ServiceL2Status",
        "metadata": metadata(
            f"l2-{name}",
            HOME,
            labels={
                "metallb.io/node": node if label is None else label,
                "metallb.io/service-name": name,
                "metallb.io/service-namespace": namespace,
            },
            ownerReferences=[{"kind": "Pod", "uid": f"uid-{HOME}-metallb-speaker-{node}"}],
        ),
        "status": {
            "node": node,
            "serviceName": name,
            "serviceNamespace": namespace,
            "interfaces": [{"name": "eth0"}],
        },
    }


def answer(
    address: str, *nodes: str, foreign: tuple[str, ...] = (), alone: tuple[str, ...] = (), **more: Any
) -> Object:
    """An entry of targets of l2_probe."""
    answers = [{"mac": mac_of(node), "node": node, "rtt_us": 200} for node in nodes]
    answers += [{"mac": mac, "node": "", "rtt_us": 300} for mac in foreign]
    return {
        "address": address,
        "asked": True,
        "answered": bool(answers),
        "answers": answers,
        "macs": [one["mac"] for one in answers],
        "unicast": [{"mac": mac_of(node), "node": node, "answered": True} for node in alone],
        "outcome": "",
        "reason": "",
        "message": "",
        **more,
    }


def mac_of(node: str) -> str:
    return f"52:54:00:00:00:{sum(node.encode()) % 256:02x}"


def wire(*targets: Object, **more: Any) -> Object:
    nodes = {mac_of(name): name for name in ("cp-1", "cp-2", "cp-3", "worker-1")}
    return {"targets": list(targets), "nodes": nodes, "conclusive": True, **more}


def ports(*results: tuple[str, str, int, str]) -> Object:
    """A result of service_probe out of (service, address, port, failure)."""
    return {
        "targets": [
            {"name": name, "address": address, "port": port, "protocol": "tcp", "ok": not failure, "failure": failure}
            for name, address, port, failure in results
        ]
    }
