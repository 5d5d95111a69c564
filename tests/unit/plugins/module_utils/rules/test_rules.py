# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every finding has a cluster that raises it and one that nearly does and must not. And nothing else may be an error."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any, Callable

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._findings.catalogue import CATALOGUE
from ansible_collections.l2ops.metallb.plugins.module_utils._model.apply_order import (
    ADVERTISEMENT,
    KINDS,
    POOL,
    SERVICE,
    FileFault,
    SyncItem,
    SyncOrder,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.drift import Difference
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import RULES, evaluate
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.slim import slim
from ansible_collections.l2ops.metallb.tests.unit.world import (
    CONTROLLER,
    EXCLUDE,
    HOME,
    LONG_AGO,
    World,
    answer,
    condition,
    l2_status,
    mac_of,
    metadata,
    ports,
    wire,
)

NGINX, TRAEFIK = "192.168.7.201", "192.168.7.203"  # both elected on cp-2


@dataclass
class Case:
    """change breaks a healthy world. object is the path that is to be found, or None when nothing may be."""

    code: str
    name: str
    change: Callable[[World], Any]
    object: str | None = None
    severity: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    # other codes that are errors of their own in this world, not consequences
    also: tuple[str, ...] = ()
    says: str = ""

    def __str__(self) -> str:
        return f"{self.code}-{'good' if self.object is None else 'bad'}-{self.name}"


CASES: list[Case] = []


def bad(code: str, object: str, severity: str = "", also: tuple[str, ...] = (), says: str = "", **options: Any):
    def keep(change: Callable[[World], Any]) -> Callable[[World], Any]:
        CASES.append(Case(code, change.__name__, change, object, severity, options, also, says))
        return change

    return keep


def good(code: str, also: tuple[str, ...] = (), **options: Any):
    def keep(change: Callable[[World], Any]) -> Callable[[World], Any]:
        CASES.append(Case(code, change.__name__, change, None, "", options, also))
        return change

    return keep


def pool(world: World) -> dict:
    return world.get("ipaddresspools", "main-pool")


def addresses(world: World, *texts: str) -> None:
    pool(world)["spec"]["addresses"] = list(texts)


def advertisement(world: World) -> dict:
    return world.get("l2advertisements", "l2-adv")["spec"]


def nginx(world: World) -> dict:
    return world.get("services", "my-nginx")


def annotate(world: World, **annotations: str) -> None:
    nginx(world)["metadata"]["annotations"].update({key.replace("__", "/"): text for key, text in annotations.items()})


def pending(world: World) -> dict:
    """my-nginx without its address."""
    nginx(world)["status"] = {"loadBalancer": {}}
    return nginx(world)


def speaker(world: World) -> dict:
    return world.get("daemonsets", "metallb-speaker")


# -- MLB1xx -----------------------------------------------------------------------------------------------------------


def refuse_speakers(world: World) -> None:
    speaker(world)["status"] = {"desiredNumberScheduled": 4, "currentNumberScheduled": 0, "numberReady": 0}
    for node in ("cp-1", "cp-2", "cp-3", "worker-1"):
        world.remove_speaker(node)


@bad("MLB101", HOME, says="4 could be created")
def pod_security_refuses(world):
    world.get("namespaces", HOME)["metadata"]["labels"] = {}
    refuse_speakers(world)
    text = 'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    world.add_event("DaemonSet", f"{HOME}/metallb-speaker", "FailedCreate", text)


@bad("MLB101", HOME)
def enforced_baseline_waits_for_the_next_start(world):
    world.get("namespaces", HOME)["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "baseline"}


@good("MLB101")
def unlabelled_namespace_where_speakers_run(world):
    world.get("namespaces", HOME)["metadata"]["labels"] = {}


@good("MLB101")
def old_refusal_long_fixed(world):
    world.add_event("DaemonSet", f"{HOME}/metallb-speaker", "FailedCreate", 'violates PodSecurity "baseline:latest"')


def break_pod(world: World, name: str, reason: str = "CrashLoopBackOff", message: str = "back-off") -> None:
    status = world.get("pods", name)["status"]
    status["conditions"] = [condition("Ready", "False")]
    status["containerStatuses"] = [
        {
            "name": "speaker",
            "ready": False,
            "state": {"waiting": {"reason": reason, "message": message}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
        }
    ]


@bad("MLB102", f"{HOME}/metallb-speaker-worker-1", says="CrashLoopBackOff")
def speaker_crashes(world):
    break_pod(world, "metallb-speaker-worker-1")


@bad("MLB102", f"{HOME}/metallb-speaker-worker-1", says="last exit code 137 (OOMKilled): it used more memory")
def speaker_out_of_memory(world):
    break_pod(world, "metallb-speaker-worker-1")
    (state,) = world.get("pods", "metallb-speaker-worker-1")["status"]["containerStatuses"]
    state["lastState"]["terminated"] = {"exitCode": 137, "reason": "OOMKilled"}


@bad("MLB102", f"{HOME}/metallb-speaker-worker-1", says="has ended, last exit code 1 (Error)")
def speaker_that_ended(world):
    break_pod(world, "metallb-speaker-worker-1")
    (state,) = world.get("pods", "metallb-speaker-worker-1")["status"]["containerStatuses"]
    state.update(state={"terminated": {"exitCode": 1, "reason": "Error"}}, lastState={})


@good("MLB102")
def speaker_is_being_replaced(world):
    break_pod(world, "metallb-speaker-worker-1")
    world.get("pods", "metallb-speaker-worker-1")["metadata"]["deletionTimestamp"] = LONG_AGO


@good("MLB102")
def speaker_of_a_node_that_is_gone(world):
    break_pod(world, "metallb-speaker-worker-1")
    world.get("pods", "metallb-speaker-worker-1")["spec"]["nodeName"] = "worker-9"
    advertisement(world)["nodeSelectors"] = [{"matchLabels": {"kubernetes.io/hostname": "cp-2"}}]


@bad("MLB103", "worker-1", "warning", says="dedicated=storage:NoSchedule")
def taint_that_speakers_do_not_tolerate(world):
    world.get("nodes", "worker-1")["spec"]["taints"] = [
        {"key": "dedicated", "value": "storage", "effect": "NoSchedule"}
    ]
    world.remove_speaker("worker-1")


@bad("MLB103", "worker-1", "error")
def no_selected_node_has_a_speaker(world):
    advertisement(world)["nodeSelectors"] = [{"matchLabels": {"kubernetes.io/hostname": "worker-1"}}]
    world.remove_speaker("worker-1")


@good("MLB103")
def node_without_speaker_that_nobody_selects(world):
    world.remove_speaker("worker-1")
    advertisement(world)["nodeSelectors"] = [
        {"matchExpressions": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]}
    ]


def break_controller(world: World) -> None:
    world.get("deployments", "metallb-controller")["status"] = {"replicas": 1, "readyReplicas": 0}
    world.get("pods", "metallb-controller-1")["spec"].pop("nodeName")
    world.get("pods", "metallb-controller-1")["status"] = {
        "phase": "Pending",
        "conditions": [
            condition(
                "PodScheduled", "False", reason="Unschedulable", message="0/4 nodes are available: untolerated taint(s)"
            )
        ],
    }
    world.get("endpointslices", "metallb-webhook-service-abcde")["endpoints"] = []


@bad("MLB104", f"{HOME}/metallb-controller", says="untolerated taint")
def controller_finds_no_node(world):
    break_controller(world)


@bad("MLB104", f"{HOME}/metallb-controller", says="scaled to 0", also=())
def controller_scaled_away(world):
    world.get("deployments", "metallb-controller")["spec"]["replicas"] = 0
    world.get("deployments", "metallb-controller")["status"] = {}
    world.drop("pods", "metallb-controller-1")
    world.get("endpointslices", "metallb-webhook-service-abcde")["endpoints"] = []


@good("MLB104")
def one_of_two_controllers_is_ready(world):
    world.get("deployments", "metallb-controller")["spec"]["replicas"] = 2
    world.get("deployments", "metallb-controller")["status"] = {"replicas": 2, "readyReplicas": 1}


def hang_controller(world: World, reason: str = "ErrImagePull") -> dict:
    """Beside the old pod, one of a new ReplicaSet that does not start."""
    world.get("pods", "metallb-controller-1")["metadata"]["labels"]["pod-template-hash"] = "old"
    state = {"name": "controller", "ready": False, "state": {"waiting": {"reason": reason, "message": "no such tag"}}}
    pod = {
        "kind": "Pod",
        "metadata": metadata("metallb-controller-2", HOME, labels={**CONTROLLER, "pod-template-hash": "new"}),
        "spec": {"nodeName": "worker-1", "containers": [{"name": "controller"}]},
        "status": {"phase": "Pending", "conditions": [condition("Ready", "False")], "containerStatuses": [state]},
    }
    world.objects["pods"].append(pod)
    return pod


@bad("MLB104", f"{HOME}/metallb-controller", "warning", says="container controller waits: ErrImagePull (no such tag)")
def new_controller_hangs_beside_the_old_one(world):
    hang_controller(world)


@bad("MLB104", f"{HOME}/metallb-controller", "warning", says="has timed out progressing")
def new_controller_misses_its_deadline(world):
    status = world.get("deployments", "metallb-controller")["status"]
    message = 'ReplicaSet "metallb-controller-new" has timed out progressing.'
    status["conditions"].append(condition("Progressing", "False", reason="ProgressDeadlineExceeded", message=message))


@good("MLB104")
def second_controller_of_the_same_settings_is_not_ready(world):
    hang_controller(world)["metadata"]["labels"]["pod-template-hash"] = "old"


@bad("MLB105", "metallb-webhook-configuration", says="CA bundle")
def webhook_without_ca_bundle(world):
    world.objects["validatingwebhookconfigurations"][0]["webhooks"][0]["clientConfig"].pop("caBundle")


@bad("MLB105", "metallb-webhook-configuration", says="no ready endpoint")
def webhook_without_endpoint(world):
    world.get("endpointslices", "metallb-webhook-service-abcde")["endpoints"][0]["conditions"] = {"ready": False}


@good("MLB105")
def webhook_with_one_of_two_endpoints(world):
    world.get("endpointslices", "metallb-webhook-service-abcde")["endpoints"].append({"conditions": {"ready": False}})


def left_over_webhook(world: World) -> dict:
    config = copy.deepcopy(world.objects["validatingwebhookconfigurations"][0])
    config["metadata"]["name"] = "validating-webhook-configuration"
    config["webhooks"][0]["clientConfig"]["service"]["name"] = "webhook-service"
    world.objects["validatingwebhookconfigurations"].append(config)
    return config["webhooks"][0]


@bad("MLB105", "validating-webhook-configuration", says="its service metallb-system/webhook-service does not exist")
def webhook_of_an_earlier_installation(world):
    left_over_webhook(world)


@bad("MLB105", "validating-webhook-configuration", says="does not exist")
def webhook_by_the_kinds_that_it_is_asked_about(world):
    hook = left_over_webhook(world)
    hook.update(name="pools.example.com", rules=[{"apiGroups": ["metallb.io"]}])


@bad("MLB105", "validating-webhook-configuration", "warning", says="no change of a pool is checked")
def webhook_that_may_be_away(world):
    left_over_webhook(world)["failurePolicy"] = "Ignore"


@good("MLB105")
def webhook_of_another_project(world):
    left_over_webhook(world)["name"] = "pools.example.com"


@bad("MLB106", f"{HOME}/metallb-memberlist")
def memberlist_secret_gone(world):
    world.drop("secrets")
    break_pod(world, "metallb-speaker-worker-1", "ContainerCreating")
    text = 'MountVolume.SetUp failed for volume "memberlist" : secret "metallb-memberlist" not found'
    world.add_event("Pod", f"{HOME}/metallb-speaker-worker-1", "FailedMount", text)


@bad("MLB106", f"{HOME}/metallb-memberlist")
def memberlist_secret_told_by_an_event_alone(world):
    memberlist_secret_gone(world)
    world.hide("secrets")


@good("MLB106")
def secrets_may_not_be_read(world):
    world.hide("secrets")


@good("MLB106")
def other_secret_is_missing(world):
    world.hide("secrets")
    world.add_event("Pod", f"{HOME}/metallb-speaker-worker-1", "FailedMount", 'secret "other" not found')


def env_of(world: World) -> list[list[dict]]:
    specs = [speaker(world)["spec"]["template"]["spec"]]
    specs += [one["spec"] for one in world.objects["pods"] if "speaker" in one["metadata"]["name"]]
    return [spec["containers"][0]["env"] for spec in specs]


@bad("MLB107", f"{HOME}/metallb-speaker")
def memberlist_off(world):
    for env in env_of(world):
        env[:] = [one for one in env if one["name"] != "METALLB_ML_BIND_ADDR"]


@good("MLB107")
def memberlist_bound_to_a_fixed_address(world):
    for env in env_of(world):
        for one in env:
            if one["name"] == "METALLB_ML_BIND_ADDR":
                one.pop("valueFrom")
                one["value"] = "192.168.7.11"


@bad("MLB108", f"{HOME}/metallb-speaker", "info")
def frr_beside_every_speaker(world):
    speaker(world)["spec"]["template"]["spec"]["containers"].append({"name": "frr"})


@bad("MLB108", f"{HOME}/metallb-frr-k8s", "info")
def frr_k8s_runs(world):
    world.objects["daemonsets"].append(
        {
            "kind": "DaemonSet",
            "metadata": metadata("metallb-frr-k8s", HOME),
            "spec": {"template": {"spec": {"containers": []}}},
            "status": {"desiredNumberScheduled": 4, "currentNumberScheduled": 4, "numberReady": 4},
        }
    )


@good("MLB108")
def frr_in_use(world):
    frr_beside_every_speaker(world)
    world.objects["bgppeers"].append({"kind": "BGPPeer", "metadata": metadata("router", HOME)})


def cilium(world: World, **spec: Any) -> None:
    world.objects["ciliumloadbalancerippools"].append(
        {"kind": "CiliumLoadBalancerIPPool", "metadata": metadata("blue"), "spec": spec}
    )


@bad("MLB109", "blue")
def cilium_gives_addresses_too(world):
    cilium(world)


@bad("MLB109", "kube-system/svclb-my-nginx-0a1b")
def service_lb_of_k3s(world):
    world.objects["daemonsets"].append(
        {
            "kind": "DaemonSet",
            "metadata": metadata(
                "svclb-my-nginx-0a1b", "kube-system", labels={"svccontroller.k3s.cattle.io/svcname": "my-nginx"}
            ),
            "spec": {"template": {"spec": {"containers": []}}},
            "status": {},
        }
    )


def kube_vip(world: World, services: str) -> None:
    container = {
        "name": "kube-vip",
        "image": "ghcr.io/kube-vip/kube-vip:v1.0.0",
        "env": [{"name": "svc_enable", "value": services}],
    }
    world.objects["daemonsets"].append(
        {
            "kind": "DaemonSet",
            "metadata": metadata("kube-vip", "kube-system"),
            "spec": {"template": {"spec": {"containers": [container]}}},
            "status": {},
        }
    )


@bad("MLB109", "kube-system/kube-vip")
def kube_vip_with_services(world):
    kube_vip(world, "true")


@good("MLB109")
def kube_vip_for_the_api_alone(world):
    kube_vip(world, "false")


@good("MLB109")
def cilium_pool_for_other_services(world):
    cilium(world, serviceSelector={"matchLabels": {"io.kubernetes.service.namespace": "elsewhere"}})


@good("MLB109")
def cilium_pool_switched_off(world):
    cilium(world, disabled=True)


@bad("MLB110", "kube-system/kube-proxy")
def ipvs_by_argument(world):
    container = world.get("daemonsets", "kube-proxy")["spec"]["template"]["spec"]["containers"][0]
    container["command"] = ["/usr/local/bin/kube-proxy", "--proxy-mode=ipvs"]


@bad("MLB110", "kube-system/kube-proxy")
def ipvs_by_configuration(world):
    container = world.get("daemonsets", "kube-proxy")["spec"]["template"]["spec"]["containers"][0]
    container["command"] = ["/usr/local/bin/kube-proxy", "--config=/var/lib/kube-proxy/config.conf"]
    text = 'kind: KubeProxyConfiguration\nipvs:\n  strictARP: false\nmode: "ipvs"\n'
    world.objects["configmaps"].append(
        {"kind": "ConfigMap", "metadata": metadata("kube-proxy", "kube-system"), "data": {"config.conf": text}}
    )


@good("MLB110")
def ipvs_with_strict_arp(world):
    ipvs_by_configuration(world)
    config = world.get("configmaps", "kube-proxy")["data"]
    config["config.conf"] = config["config.conf"].replace("false", "true")


@good("MLB110")
def ipvs_with_strict_arp_by_argument(world):
    ipvs_by_argument(world)
    world.get("daemonsets", "kube-proxy")["spec"]["template"]["spec"]["containers"][0]["command"].append(
        "--ipvs-strict-arp=true"
    )


@bad("MLB111", f"{HOME}/speaker-worker-1", says="duplicate")
def speaker_rejects_configuration(world):
    world.get("configurationstates", "speaker-worker-1")["status"].update(result="Invalid", errorSummary="duplicate x")


@good("MLB111")
def rejection_by_a_node_that_is_gone(world):
    world.objects["configurationstates"].append(
        world.config_state(
            "speaker-worker-9",
            {"metallb.io/component-type": "speaker", "metallb.io/node-name": "worker-9"},
            "Invalid",
            "x",
        )
    )


@bad("MLB112", HOME, says="no speaker DaemonSet")
def speakers_were_removed(world):
    world.drop("daemonsets", "metallb-speaker")
    world.objects["pods"] = [one for one in world.objects["pods"] if "speaker" not in one["metadata"]["name"]]
    world.objects["secrets"] = []
    world.objects["configurationstates"] = []


@bad("MLB112", HOME, says="not installed")
def nothing_is_installed(world):
    for plural in (
        "daemonsets",
        "deployments",
        "pods",
        "services",
        "configurationstates",
        "validatingwebhookconfigurations",
    ):
        world.drop(plural)
    for plural in ("ipaddresspools", "l2advertisements", "servicel2statuses"):
        world.hide(plural, "The cluster does not know ipaddresspools.metallb.io")


@good("MLB112")
def raw_manifests_have_other_labels(world):
    for plural, component in (("daemonsets", "speaker"), ("deployments", "controller")):
        workload = world.get(plural, f"metallb-{component}")
        workload["metadata"]["name"] = component
        workload["metadata"]["labels"] = {"app": "metallb", "component": component}
        workload["spec"]["template"]["metadata"]["labels"] = {"app": "metallb", "component": component}
    for one in world.objects["pods"]:
        one["metadata"]["labels"] = {
            "app": "metallb",
            "component": "speaker" if "speaker" in one["metadata"]["name"] else "controller",
        }


# -- MLB2xx -----------------------------------------------------------------------------------------------------------


@bad("MLB201", "cp-1", "warning", says="empty value")
def label_on_control_planes(world):
    world.heed_labels()


@bad("MLB201", "worker-1", "error")
def label_on_every_node(world):
    world.heed_labels()
    world.get("nodes", "worker-1")["metadata"]["labels"][EXCLUDE] = "true"


@bad("MLB201", "worker-1", "error", says="policy Local")
def label_on_the_only_node_with_a_pod(world):
    world.heed_labels()
    world.unlabel()
    world.get("nodes", "worker-1")["metadata"]["labels"][EXCLUDE] = ""
    nginx(world)["spec"]["externalTrafficPolicy"] = "Local"


@good("MLB201")
def labels_that_speakers_ignore(world):
    world.get("nodes", "worker-1")["metadata"]["labels"][EXCLUDE] = ""


@good("MLB201")
def label_on_nodes_that_nobody_selects(world):
    world.heed_labels()
    advertisement(world)["nodeSelectors"] = [{"matchLabels": {"kubernetes.io/hostname": "worker-1"}}]


@bad("MLB202", "cp-1", "warning")
def talos_owns_the_label(world):
    world.heed_labels()


@good("MLB202")
def label_by_hand_on_talos(world):
    world.heed_labels()
    for name in ("cp-1", "cp-2", "cp-3"):
        world.get("nodes", name)["metadata"]["annotations"]["talos.dev/owned-labels"] = "[]"


@good("MLB202")
def annotation_that_is_no_json(world):
    world.heed_labels()
    for name in ("cp-1", "cp-2", "cp-3"):
        world.get("nodes", name)["metadata"]["annotations"]["talos.dev/owned-labels"] = "{"


def unavailable(world: World, *names: str, status: str = "True") -> None:
    for name in names:
        world.get("nodes", name)["status"]["conditions"].append(condition("NetworkUnavailable", status))


@bad("MLB203", "worker-1", "warning")
def network_of_one_node_unavailable(world):
    unavailable(world, "worker-1")


@bad("MLB203", "worker-1", "error")
def network_of_all_nodes_unavailable(world):
    unavailable(world, "cp-1", "cp-2", "cp-3", "worker-1")


@good("MLB203")
def network_available_says_calico(world):
    unavailable(world, "worker-1", status="False")


@bad("MLB204", "cp-2", says="192.168.7.201")
def announcer_is_cut_off(world):
    world.not_ready("cp-2")


@good("MLB204")
def another_node_is_cut_off(world):
    world.not_ready("worker-1")
    for name in ("my-nginx", "traefik"):
        world.get("endpointslices", f"{name}-abcde")["endpoints"][0]["nodeName"] = "cp-1"


@bad("MLB205", "worker-1", says="no speaker starts there")
def taint_that_a_failover_test_left(world):
    world.get("nodes", "worker-1")["spec"]["taints"] = [{"key": "l2ops.metallb/speaker-away", "effect": "NoSchedule"}]


@good("MLB205")
def taint_of_somebody_else(world):
    world.get("nodes", "worker-1")["spec"]["taints"] = [{"key": "example.org/away", "effect": "NoSchedule"}]


# -- MLB3xx -----------------------------------------------------------------------------------------------------------


@bad("MLB301", f"{HOME}/main-pool", says="192.168.7.21 (worker-1)")
def pool_over_a_node(world):
    addresses(world, "192.168.7.200-192.168.7.250", "192.168.7.20/31")


@good("MLB301")
def pool_beside_nodes(world):
    addresses(world, "192.168.7.200-192.168.7.250", "192.168.7.22/31")


@bad("MLB302", f"{HOME}/main-pool", gateway=["192.168.7.201"], says="the gateway")
def pool_over_the_gateway(_world):
    pass


@bad("MLB302", f"{HOME}/main-pool", reserved=["192.168.7.240-192.168.7.255"], says="192.168.7.240-192.168.7.250")
def pool_over_reserved_ones(_world):
    pass


@good("MLB302", gateway=["192.168.7.1"], reserved=["192.168.7.199", "192.168.7.251"])
def pool_between_reserved_ones(_world):
    pass


@bad("MLB303", f"{HOME}/second")
def two_pools_overlap(world):
    world.add_pool("second", "192.168.7.250/32")
    advertisement(world)["ipAddressPools"].append("second")


@good("MLB303")
def two_pools_touch(world):
    world.add_pool("second", "192.168.7.251/32")
    advertisement(world)["ipAddressPools"].append("second")


@bad("MLB304", f"{HOME}/main-pool", "error", node_networks=["192.168.7.0/25"])
def pool_outside_known_networks(_world):
    pass


@bad("MLB304", f"{HOME}/second", "error")
def pool_far_from_every_node(world):
    world.add_pool("second", "172.20.0.0/24", avoidBuggyIPs=True)
    advertisement(world)["ipAddressPools"].append("second")


@bad("MLB304", f"{HOME}/second", "warning")
def pool_in_the_neighbouring_24(world):
    world.add_pool("second", "192.168.8.10-192.168.8.20")
    advertisement(world)["ipAddressPools"].append("second")


@good("MLB304", node_networks=["192.168.0.0/20"])
def pool_in_a_large_known_network(world):
    pool_in_the_neighbouring_24(world)


@good("MLB304", interfaces={"worker-1": [{"name": "eth0", "addresses": ["192.168.7.21/21"]}]})
def pool_in_a_network_of_an_interface(world):
    world.add_pool("second", "192.168.6.10-192.168.6.20")
    advertisement(world)["ipAddressPools"].append("second")


@bad("MLB305", f"{HOME}/main-pool", says="192.168.7.192/26")
def prefix_with_host_bits(world):
    addresses(world, "192.168.7.200/26")


@good("MLB305")
def prefix_without_host_bits(world):
    addresses(world, "192.168.7.192/27", "192.168.7.225/32")


@bad("MLB306", f"{HOME}/main-pool", says="192.168.7.255")
def pool_with_the_broadcast_address(world):
    addresses(world, "192.168.7.192/26")


@bad("MLB306", f"{HOME}/main-pool", node_networks=["192.168.7.0/24", "192.168.7.224/27"], says="192.168.7.224")
def pool_with_the_first_address_of_a_known_network(_world):
    pass


@good("MLB306")
def broadcast_address_kept_back(world):
    addresses(world, "192.168.7.192/26")
    pool(world)["spec"]["avoidBuggyIPs"] = True


def fill(world: World, count: int) -> None:
    for number in range(count):
        world.add_service(f"default/s{number}", f"192.168.7.{204 + number}")


@bad("MLB307", f"{HOME}/main-pool", "error", also=())
def pool_full_and_somebody_waits(world):
    fill(world, 7)
    addresses(world, "192.168.7.201/32", "192.168.7.203-192.168.7.210")
    world.add_service("default/late")


@bad("MLB307", f"{HOME}/main-pool", "warning")
def pool_nearly_full(world):
    fill(world, 8)
    addresses(world, "192.168.7.201-192.168.7.211")


@good("MLB307")
def small_pool_full_on_purpose(world):
    addresses(world, "192.168.7.201/32", "192.168.7.203/32")


@bad("MLB308", f"{HOME}/second", "error", node_networks=["10.0.0.0/8", "192.168.7.0/24"], says="Pod network")
def pool_in_the_pod_network(world):
    world.add_pool("second", "10.244.3.16/28")
    advertisement(world)["ipAddressPools"].append("second")


@bad("MLB308", f"{HOME}/second", node_networks=["10.0.0.0/8", "192.168.7.0/24"])
def pool_over_a_cluster_address(world):
    world.hide("servicecidrs", "forbidden")
    world.add_pool("second", "10.96.0.1-10.96.0.9")
    advertisement(world)["ipAddressPools"].append("second")


@good("MLB308", cluster_networks=["10.0.0.0/8"])
def pool_away_from_cluster_networks(_world):
    pass


@bad("MLB309", f"{HOME}/second", says="bare address")
def pool_of_a_bare_address(world):
    world.add_pool("second", "192.168.7.199")
    advertisement(world)["ipAddressPools"].append("second")


@bad("MLB309", f"{HOME}/second", says="ends before it begins", also=())
def range_backwards(world):
    world.add_pool("second", "192.168.7.199-192.168.7.190")
    advertisement(world)["ipAddressPools"].append("second")


@bad("MLB309", f"{HOME}/second", says="link-local", also=("MLB304",))
def pool_of_link_local_addresses(world):
    world.add_pool("second", "169.254.1.0/28")
    advertisement(world)["ipAddressPools"].append("second")


@bad("MLB309", f"{HOME}/second", says="must be a list")
def addresses_as_a_text(world):
    world.add_pool("second")["spec"]["addresses"] = "192.168.7.190/32"
    advertisement(world)["ipAddressPools"].append("second")


@good("MLB309")
def range_with_blanks_and_one_address(world):
    world.add_pool("second", "192.168.7.190 - 192.168.7.190")
    advertisement(world)["ipAddressPools"].append("second")


@bad("MLB310", f"{HOME}/main-pool", dhcp_ranges=["192.168.7.100-192.168.7.200"], says="192.168.7.200")
def pool_over_dhcp(_world):
    pass


@good("MLB310", dhcp_ranges=["192.168.7.100-192.168.7.199"])
def pool_after_dhcp(_world):
    pass


@bad("MLB311", "default/lost")
def pool_in_another_namespace(world):
    world.add_pool("lost", "192.168.7.190/32")["metadata"]["namespace"] = "default"


@good("MLB311")
def pool_in_the_namespace_of_metallb(world):
    world.add_pool("found", "192.168.7.190/32")
    advertisement(world)["ipAddressPools"].append("found")


# -- MLB4xx -----------------------------------------------------------------------------------------------------------


@bad("MLB401", f"{HOME}/second")
def second_pool_forgotten(world):
    world.add_pool("second", "192.168.7.190/32")


@good("MLB401")
def second_pool_selected_by_label(world):
    world.add_pool("second", "192.168.7.190/32", labels={"zone": "lan"})
    advertisement(world)["ipAddressPoolSelectors"] = [{"matchLabels": {"zone": "lan"}}]


@good("MLB401")
def advertisement_of_all_pools(world):
    world.add_pool("second", "192.168.7.190/32")
    del advertisement(world)["ipAddressPools"]


@good("MLB401")
def second_pool_by_bgp(world):
    world.add_pool("second", "192.168.7.190/32")
    world.objects["bgpadvertisements"].append(
        {"kind": "BGPAdvertisement", "metadata": metadata("bgp", HOME), "spec": {"ipAddressPools": ["second"]}}
    )
    world.objects["bgppeers"].append({"kind": "BGPPeer", "metadata": metadata("router", HOME)})


@bad("MLB402", f"{HOME}/l2-adv", says="did you mean main-pool")
def pool_misspelt(world):
    advertisement(world)["ipAddressPools"].append("main_pool")


@good("MLB402")
def pool_spelt_right(world):
    world.add_pool("main-pool-2", "192.168.7.190/32")
    advertisement(world)["ipAddressPools"].append("main-pool-2")


@bad("MLB403", f"{HOME}/extra")
def selector_of_no_node(world):
    world.add_advertisement("extra", interfaces=["eth0"], nodeSelectors=[{"matchLabels": {"rack": "none"}}])


@good("MLB403")
def one_of_two_selectors_hits(world):
    selectors = [{"matchLabels": {"rack": "none"}}, {"matchLabels": {"kubernetes.io/hostname": "cp-2"}}]
    world.add_advertisement("extra", interfaces=["eth0"], nodeSelectors=selectors)


@bad("MLB404", f"{HOME}/l2-adv", "info")
def no_interfaces(world):
    del advertisement(world)["interfaces"]


@good("MLB404")
def two_interfaces(world):
    advertisement(world)["interfaces"] = ["eth0", "eth1"]


NAMES = ("cp-1", "cp-2", "cp-3", "worker-1")


@bad(
    "MLB405",
    f"{HOME}/l2-adv",
    interfaces={"cp-1": ["eth0"], "cp-2": ["enp1s0"], "cp-3": ["eth0"], "worker-1": ["eth0"]},
    says="cp-2",
)
def one_node_has_another_name(_world):
    pass


@good("MLB405", interfaces={"cp-1": ["eth0"], "cp-2": ["enp1s0"], "cp-3": ["eth0"], "worker-1": ["eth0"]})
def another_name_is_named_as_well(world):
    advertisement(world)["interfaces"] = ["eth0", "enp1s0"]


@bad("MLB406", f"{HOME}/l2-adv", interfaces={"cp-2": [{"name": "eth0", "master": "bond0"}, "bond0"]}, says="bond0")
def port_of_a_bond(_world):
    pass


@bad("MLB406", f"{HOME}/l2-adv", interfaces={"cp-2": [{"name": "eth0", "up": False}]}, says="is down")
def interface_is_down(_world):
    pass


@good("MLB406", interfaces={"cp-2": [{"name": "eth0", "master": "bond0"}, "bond0"]})
def bond_is_named_as_well(world):
    advertisement(world)["interfaces"] = ["eth0", "bond0"]


@bad("MLB407", f"{HOME}/l2-adv")
def second_advertisement_of_all(world):
    world.add_advertisement("all")


@good("MLB407")
def second_advertisement_for_other_nodes(world):
    host = "kubernetes.io/hostname"
    advertisement(world)["nodeSelectors"] = [{"matchLabels": {host: "worker-1"}}]
    world.add_advertisement(
        "rest", nodeSelectors=[{"matchExpressions": [{"key": host, "operator": "NotIn", "values": ["worker-1"]}]}]
    )


@bad("MLB408", f"{HOME}/l2-adv", says="interface")
def field_misspelt(world):
    advertisement(world)["interface"] = ["eth0"]


@bad("MLB408", f"{HOME}/l2-adv", says="serviceSelectors")
def field_of_a_later_version(world):
    advertisement(world)["serviceSelectors"] = [{"matchLabels": {"lan": "yes"}}]


@good("MLB408")
def field_that_the_crd_has(world):
    world.set_fields("ipAddressPools", "nodeSelectors", "interfaces", "serviceSelectors")
    advertisement(world)["serviceSelectors"] = [{"matchExpressions": [{"key": "hidden", "operator": "DoesNotExist"}]}]


def newest(world, *more):
    world.set_fields(
        "ipAddressPools", "nodeSelectors", "interfaces", "serviceSelectors", "preferredNodeSelectors", *more
    )


@bad("MLB410", f"{HOME}/l2-adv", says="prefer nothing")
def preference_for_nobody(world):
    newest(world)
    advertisement(world)["preferredNodeSelectors"] = [{"weight": 10, "preference": {"matchLabels": {"rack": "one"}}}]


@good("MLB410")
def preference_for_some(world):
    newest(world)
    advertisement(world)["preferredNodeSelectors"] = [
        {"weight": 10, "preference": {"matchLabels": {"rack": "one"}}},
        {"weight": 1, "preference": {"matchLabels": {"kubernetes.io/hostname": "cp-2"}}},
    ]


@bad("MLB411", f"{HOME}/l2-adv", says="electionMode")
def field_of_a_newer_metallb(world):
    newest(world, "electionMode")
    advertisement(world)["electionMode"] = "least-loaded"


@good("MLB411")
def field_of_a_newer_metallb_that_nobody_uses(world):
    newest(world, "electionMode")


@bad("MLB409", f"{HOME}/l2-adv", says="needs values")
def selector_without_values(world):
    advertisement(world)["nodeSelectors"] = [{"matchExpressions": [{"key": "a", "operator": "NotIn"}]}, {}]


@bad("MLB409", f"{HOME}/l2-adv", says="twice")
def pool_named_twice(world):
    advertisement(world)["ipAddressPools"] = ["main-pool", "main-pool"]


@good("MLB409")
def selector_of_everything(world):
    advertisement(world)["nodeSelectors"] = [{}]


def file_fault(code, line=3):
    return FileFault(code, Ref("IPAddressPool", HOME, "main-pool"), "it is wrong", "Set it right.", "pool.yml", line)


@bad("MLB412", f"{HOME}/main-pool", says="it is wrong")
def value_of_a_wrong_type(world):
    world.faults = (file_fault("MLB412"),)


@good("MLB412")
def only_a_key_given_twice(world):
    world.faults = (file_fault("MLB706"),)


def exclude(world: World, *expressions: str, inline: bool = False) -> None:
    spec = speaker(world)["spec"]["template"]["spec"]
    spec["volumes"].append({"name": "metallb-excludel2", "configMap": {"name": "metallb-excludel2"}})
    listed = f" [{', '.join(expressions)}]\n" if inline else "\n" + "".join(f"- {one}\n" for one in expressions)
    world.objects["configmaps"].append(
        {
            "kind": "ConfigMap",
            "metadata": metadata("metallb-excludel2", HOME),
            "data": {"excludel2.yaml": f"announcedInterfacesToExclude:{listed}"},
        }
    )


@bad("MLB413", f"{HOME}/l2-adv", says="answer on none of its interfaces")
def interface_that_the_speakers_exclude(world):
    exclude(world, "^docker.*", "^eth.*")


@bad("MLB413", f"{HOME}/l2-adv", "warning", says="answer on the others only")
def one_of_two_interfaces_is_excluded(world):
    exclude(world, '"^docker.*"', "'^eth.*'", inline=True)
    advertisement(world)["interfaces"].append("ens3")


@bad(
    "MLB413",
    f"{HOME}/l2-adv",
    says="by which worker-1 is on the LAN",
    interfaces={"worker-1": [{"name": "br0", "addresses": ["192.168.7.21/24"]}]},
)
def interface_of_the_node_is_excluded(world):
    exclude(world, "^br.*")
    advertisement(world).pop("interfaces")


@good("MLB413")
def interfaces_that_nobody_names_are_excluded(world):
    exclude(world, "^docker.*", "^cbr.*", "^lo$")


@good("MLB413")
def configmap_that_no_speaker_mounts(world):
    exclude(world, "^eth.*")
    speaker(world)["spec"]["template"]["spec"]["volumes"].pop()


# -- MLB5xx -----------------------------------------------------------------------------------------------------------


@bad("MLB501", "default/my-nginx", says="exploded")
def no_address_and_an_event(world):
    pending(world)
    world.add_event("Service", "default/my-nginx", "AllocationFailed", "the controller exploded")


@bad("MLB501", "default/my-nginx", says="no IPAddressPool")
def no_pool_at_all(world):
    for name in ("traefik", "my-nginx"):
        world.get("services", name)["status"] = {"loadBalancer": {}}
    world.drop("ipaddresspools")
    world.drop("l2advertisements")


@good("MLB501")
def service_of_another_class(world):
    pending(world)["spec"]["loadBalancerClass"] = "example.com/other"


@good("MLB501")
def service_of_another_type(world):
    pending(world)["spec"]["type"] = "NodePort"


@bad("MLB502", "default/my-nginx", says="192.168.7.99")
def address_outside(world):
    pending(world)
    annotate(world, metallb__x="")
    nginx(world)["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": "192.168.7.99"}


@bad("MLB502", "default/my-nginx", says="kube-vip.io/loadbalancerIPs is meant for kube-vip")
def service_of_kube_vip(world):
    pending(world)["spec"]["loadBalancerIP"] = "192.168.7.99"
    nginx(world)["metadata"]["annotations"]["kube-vip.io/loadbalancerIPs"] = "192.168.7.99"


@bad("MLB501", "default/my-nginx", says="is meant for Cilium")
def pending_service_of_cilium(world):
    pending(world)
    nginx(world)["metadata"]["annotations"]["lbipam.cilium.io/ips"] = "192.168.9.99"


@bad("MLB502", "default/my-nginx", says="does not exist")
def pool_that_does_not_exist(world):
    pending(world)
    nginx(world)["metadata"]["annotations"] = {"metallb.io/address-pool": "mainpool"}


@bad("MLB502", "default/my-nginx", says="serviceAllocation")
def pool_for_other_namespaces(world):
    pool(world)["spec"]["serviceAllocation"] = {"namespaces": ["traefik"]}
    pending(world)
    nginx(world)["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": "192.168.7.210"}


@bad("MLB502", "default/my-nginx", says="no pool may give")
def nothing_is_given_by_itself(world):
    pool(world)["spec"]["autoAssign"] = False
    pending(world)


@bad("MLB502", "default/my-nginx", says="IPv6")
def family_that_no_pool_has(world):
    world.drop("services", "my-nginx")
    world.drop("endpointslices", "my-nginx-abcde")
    world.add_service("default/my-nginx", families=("IPv6",))


@good("MLB502")
def address_of_a_pool_that_gives_nothing_by_itself(world):
    pool(world)["spec"]["autoAssign"] = False
    nginx(world)["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": NGINX}


@good("MLB502")
def pool_for_this_namespace(world):
    pool(world)["spec"]["serviceAllocation"] = {
        "namespaceSelectors": [{"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]}]
    }
    nginx(world)["metadata"]["annotations"] = {"metallb.io/address-pool": "main-pool"}


@bad("MLB503", "default/second", says="default/my-nginx")
def address_of_another(world):
    service = world.add_service("default/second", annotations={"metallb.io/loadBalancerIPs": NGINX})
    service["status"] = {"loadBalancer": {}}


def share(world: World, port: int, key: str = "one", **spec: Any) -> None:
    nginx(world)["metadata"]["annotations"]["metallb.io/allow-shared-ip"] = "one"
    asked = {"metallb.io/loadBalancerIPs": NGINX, "metallb.io/allow-shared-ip": key}
    world.add_service("default/second", NGINX, annotations=asked, ports=(port,), **spec)


@bad("MLB503", "default/second", says="TCP/80")
def same_port(world):
    share(world, 80)


@bad("MLB503", "default/second", says="sharing keys")
def other_sharing_key(world):
    share(world, 81, "two")


@bad("MLB503", "default/second", says="same pods")
def local_policy_with_other_pods(world):
    nginx(world)["spec"]["externalTrafficPolicy"] = "Local"
    share(world, 81, externalTrafficPolicy="Local")


@good("MLB503")
def shared_as_it_should_be(world):
    share(world, 81)


@good("MLB503")
def local_policy_with_the_same_pods(world):
    nginx(world)["spec"]["externalTrafficPolicy"] = "Local"
    share(world, 81, externalTrafficPolicy="Local", selector={"app": "my-nginx"})


@bad("MLB504", "default/my-nginx", "warning")
def old_prefix(world):
    nginx(world)["metadata"]["annotations"] = {"metallb.universe.tf/loadBalancerIPs": NGINX}


@bad("MLB504", "default/my-nginx", "error")
def prefixes_that_disagree(world):
    nginx(world)["metadata"]["annotations"] = {
        "metallb.io/loadBalancerIPs": NGINX,
        "metallb.universe.tf/loadBalancerIPs": TRAEFIK,
    }


@good("MLB504")
def what_an_old_controller_left_behind(world):
    nginx(world)["metadata"]["annotations"] = {"metallb.universe.tf/ip-allocated-from-pool": "main-pool"}


@bad("MLB505", "default/my-nginx")
def asked_in_two_ways(world):
    nginx(world)["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": NGINX}
    nginx(world)["spec"]["loadBalancerIP"] = NGINX


@good("MLB505")
def asked_in_one_way(world):
    nginx(world)["spec"]["loadBalancerIP"] = NGINX


@bad("MLB506", "default/my-nginx", says="did you mean metallb.io/allow-shared-ip")
def annotation_misspelt(world):
    nginx(world)["metadata"]["annotations"] = {"metallb.io/allow-shared": "one"}


@bad("MLB506", "default/my-nginx", says="loadBalancerIPs")
def annotation_in_other_letters(world):
    nginx(world)["metadata"]["annotations"] = {"metallb.io/loadbalancerIP": NGINX}


@good("MLB506")
def annotations_of_others(world):
    nginx(world)["metadata"]["annotations"] = {
        "metallb.io/ip-allocated-from-pool": "main-pool",
        "external-dns.alpha.kubernetes.io/hostname": "x.example.com",
        "metallb.example.com/anything": "x",
    }


def local(world: World, *nodes: str) -> None:
    nginx(world)["spec"]["externalTrafficPolicy"] = "Local"
    piece = world.get("endpointslices", "my-nginx-abcde")
    piece["endpoints"] = [{"nodeName": node, "conditions": {"ready": True}} for node in nodes]


@bad("MLB507", "default/my-nginx", says="worker-1")
def pod_on_a_node_that_is_not_selected(world):
    local(world, "worker-1")
    advertisement(world)["nodeSelectors"] = [{"matchLabels": {"kubernetes.io/hostname": "cp-2"}}]


@good("MLB507")
def pod_on_a_node_that_may_announce(world):
    local(world, "worker-1", "cp-1")


@bad("MLB508", "default/my-nginx", says="not ready")
def only_pod_not_ready(world):
    world.get("endpointslices", "my-nginx-abcde")["endpoints"][0]["conditions"] = {"ready": False, "serving": False}


@bad("MLB508", "default/my-nginx", says="no pod matches")
def selector_of_no_pod(world):
    world.get("endpointslices", "my-nginx-abcde")["endpoints"] = []


@good("MLB508")
def terminating_pod_still_serves(world):
    world.get("endpointslices", "my-nginx-abcde")["endpoints"][0]["conditions"] = {
        "ready": False,
        "serving": True,
        "terminating": True,
    }


@good("MLB508")
def endpoint_without_conditions(world):
    world.get("endpointslices", "my-nginx-abcde")["endpoints"] = [{"nodeName": "worker-1"}]


@bad("MLB509", "default/my-nginx", says="exclude label")
def every_node_labelled(world):
    world.heed_labels()
    world.get("nodes", "worker-1")["metadata"]["labels"][EXCLUDE] = ""


@bad("MLB509", "default/my-nginx", says="allow-shared-ip")
def shared_address_with_selectors(world):
    newest(world)
    world.get("services", "my-nginx")["metadata"]["annotations"]["metallb.io/allow-shared-ip"] = "k"
    world.get("services", "my-nginx")["metadata"]["labels"]["lan"] = "yes"
    advertisement(world)["serviceSelectors"] = [{"matchLabels": {"lan": "yes"}}]
    world.add_advertisement("rest", ipAddressPools=["main-pool"], interfaces=["eth0"])
    version_of(world, "0.16.2")


def version_of(world, version):
    for kind in ("deployments", "daemonsets", "pods"):
        for obj in world.objects[kind]:
            labels = obj["metadata"].get("labels", {})
            if "helm.sh/chart" in labels:
                labels["helm.sh/chart"] = f"metallb-{version}"
            spec = obj["spec"]["template"]["spec"] if "template" in obj["spec"] else obj["spec"]
            for container in spec["containers"]:
                if "metallb/" in container.get("image", ""):
                    container["image"] = container["image"].rpartition(":")[0] + f":v{version}"


def sharing(world, **one):
    """Two services on one address; the second with these labels."""
    for name, port, labels in (("left", 80, {}), ("right", 81, one)):
        world.add_service(
            f"default/{name}",
            NODE_CHOOSES,
            ports=(port,),
            annotations={"metallb.io/allow-shared-ip": "k"},
            labels=labels,
        )


NODE_CHOOSES = "192.168.7.230"


@bad("MLB514", "default/left", says="2 nodes at once")
def shared_address_of_two_advertisements(world):
    world.set_fields("ipAddressPools", "nodeSelectors", "interfaces", "serviceSelectors")
    advertisement(world)["serviceSelectors"] = [{"matchExpressions": [{"key": "lan", "operator": "DoesNotExist"}]}]
    advertisement(world)["nodeSelectors"] = [{"matchLabels": {"kubernetes.io/hostname": "cp-1"}}]
    world.add_advertisement(
        "second", ipAddressPools=["main-pool"], interfaces=["eth0"], serviceSelectors=[{"matchLabels": {"lan": "yes"}}],
        nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "cp-2"}}],
    )  # fmt: skip
    sharing(world, lan="yes")


@good("MLB514")
def shared_address_of_one_advertisement(world):
    sharing(world)


def named_target(world: World, *names: str) -> None:
    """my-nginx asks for a port that its pods do not have; their ports are these."""
    nginx(world)["spec"]["ports"] = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]
    world.get("endpointslices", "my-nginx-abcde")["ports"] = [
        {"name": name, "port": 8080, "protocol": "TCP"} for name in names
    ]


@bad("MLB515", "default/my-nginx", says="no container of its pods has a port named http")
def target_port_that_no_pod_has(world):
    named_target(world)


@bad("MLB515", "default/my-nginx", says="made by hand")
def slice_by_hand_names_another_port(world):
    named_target(world, "web")
    nginx(world)["spec"].pop("selector")


@good("MLB515")
def some_pods_have_the_port(world):
    named_target(world)
    world.add_endpoints("default", "my-nginx", ["cp-1"], ports=[{"name": "http", "port": 8080, "protocol": "TCP"}])


@bad("MLB515", "default/dual", says="no endpoint serves IPv6, so connections to fd00:7::100")
def pods_of_one_family_behind_a_dual_service(world):
    addresses(world, "192.168.7.200-192.168.7.250", "fd00:7::100-fd00:7::120")
    world.add_service("default/dual", "192.168.7.210", "fd00:7::100")
    world.get("endpointslices", "dual-abcde")["addressType"] = "IPv4"


@good("MLB515")
def pods_of_both_families(world):
    pods_of_one_family_behind_a_dual_service(world)
    port = world.get("endpointslices", "dual-abcde")["ports"]
    world.add_endpoints("default", "dual", ["cp-1"], ports=port)["addressType"] = "IPv6"


@good("MLB515")
def the_unnamed_port(world):
    named_target(world)
    nginx(world)["spec"]["ports"] = [{"port": 80, "protocol": "TCP"}]
    world.get("endpointslices", "my-nginx-abcde")["ports"] = [{"name": "", "port": 8080, "protocol": "TCP"}]


@bad("MLB516", "default/my-nginx", "warning", says="192.168.7.205, 192.168.7.206")
def external_ips_of_a_pool(world):
    nginx(world)["spec"]["externalIPs"] = ["192.168.7.205", "192.168.7.206"]


@bad("MLB516", "default/my-nginx", "info", says="192.168.9.1")
def external_ips_outside_the_pools(world):
    nginx(world)["spec"]["externalIPs"] = ["192.168.9.1"]


@bad("MLB516", "default/inside", "error", says="traefik/traefik: port TCP/80")
def external_ip_that_metallb_gave_away(world):
    world.add_service("default/inside", type="ClusterIP", externalIPs=[TRAEFIK])


@bad("MLB516", "traefik/traefik", "error", says="may lead to the pods of default/inside")
def holder_of_an_external_ip(world):
    external_ip_that_metallb_gave_away(world)


@bad("MLB516", "default/inside", "warning", says="their ports differ")
def external_ip_with_another_port(world):
    world.add_service("default/inside", type="ClusterIP", externalIPs=[TRAEFIK], ports=(81,))


@good("MLB516")
def external_ip_of_a_node_and_of_its_own(world):
    nginx(world)["spec"]["externalIPs"] = ["192.168.7.11", NGINX]


@bad("MLB517", "default/my-nginx", says="the word 'nil'")
def class_that_a_template_printed(world):
    pending(world)["spec"]["loadBalancerClass"] = "nil"


@bad("MLB517", "default/my-nginx", "warning", says="of kube-vip")
def class_of_a_load_balancer_that_does_not_run(world):
    pending(world)["spec"]["loadBalancerClass"] = "kube-vip.io/kube-vip-class"


@bad("MLB517", "default/my-nginx", "info", says="kube-system/kube-vip of that class runs")
def class_of_a_load_balancer_that_runs(world):
    class_of_a_load_balancer_that_does_not_run(world)
    kube_vip(world, "false")
    world.get("daemonsets", "kube-vip")["status"] = {"numberReady": 3, "desiredNumberScheduled": 3}


@bad("MLB517", "default/my-nginx", "info", says="default/other of the same class has an address")
def class_that_another_service_has_an_address_of(world):
    pending(world)["spec"]["loadBalancerClass"] = "tailscale"
    world.add_service("default/other", loadBalancerClass="tailscale")["status"] = {
        "loadBalancer": {"ingress": [{"hostname": "other.example.ts.net"}]}
    }


@bad(
    "MLB517",
    "default/my-nginx",
    "error",
    says="its loadBalancerClass is metallb, and MetalLB serves only the class metallb.io/lan",
)
def class_that_is_nearly_metallbs(world):
    serve_class(world, "metallb.io/lan")
    pending(world)["spec"]["loadBalancerClass"] = "metallb"
    world.drop("services", "traefik")


@bad(
    "MLB517",
    "default/my-nginx",
    "warning",
    says="it has no loadBalancerClass, and MetalLB serves only the class metallb.io/lan",
)
def service_without_the_class_of_metallb(world):
    serve_class(world, "metallb.io/lan")
    pending(world)


def serve_class(world: World, name: str) -> None:
    for obj in (*world.objects["daemonsets"], *world.objects["pods"]):
        if "speaker" in obj["metadata"]["name"]:
            spec = obj["spec"]["template"]["spec"] if obj["kind"] == "DaemonSet" else obj["spec"]
            spec["containers"][0]["args"].append(f"--lb-class={name}")


@good("MLB517")
def service_that_another_load_balancer_serves(world):
    nginx(world)["spec"]["loadBalancerClass"] = "io.cilium/l2-announcer"


@bad("MLB509", "default/my-nginx", says="serviceSelectors")
def no_advertisement_wants_the_service(world):
    world.set_fields("ipAddressPools", "nodeSelectors", "interfaces", "serviceSelectors")
    advertisement(world)["serviceSelectors"] = [{"matchLabels": {"lan": "yes"}}]
    world.get("services", "traefik")["metadata"]["labels"]["lan"] = "yes"


@good("MLB509")
def one_node_left(world):
    world.heed_labels()


@good("MLB509")
def advertised_by_bgp_only(world):
    world.drop("l2advertisements")
    world.objects["bgpadvertisements"].append(
        {"kind": "BGPAdvertisement", "metadata": metadata("bgp", HOME), "spec": {}}
    )
    world.objects["bgppeers"].append({"kind": "BGPPeer", "metadata": metadata("router", HOME)})


def status(world: World, node: str, label: str | None = None) -> None:
    world.write_statuses = False
    world.objects["servicel2statuses"] = [
        l2_status("default/my-nginx", node, label),
        l2_status("traefik/traefik", "cp-2"),
    ]


@bad("MLB510", f"{HOME}/l2-my-nginx", "warning", says="its own label says cp-2")
def status_differs_from_its_label(world):
    status(world, "worker-1", "cp-2")


@bad("MLB510", f"{HOME}/l2-my-nginx", "warning", says="the election gives cp-2")
def status_differs_from_the_election(world):
    status(world, "worker-1")


@bad("MLB510", f"{HOME}/l2-my-nginx", "warning", says="no node of the cluster")
def status_of_a_node_that_is_gone(world):
    status(world, "worker-9")


@bad("MLB510", "default/my-nginx", "warning", says="no ServiceL2Status")
def no_status_at_all(world):
    status(world, "cp-2")
    world.drop("servicel2statuses", "l2-my-nginx")


@good("MLB510")
def status_is_right(world):
    status(world, "cp-2")


ANNOUNCE_FAILED = 'the interfaces specified by LB IP "192.168.7.201" doesn\'t exist in assigned node "cp-2"'


@bad("MLB511", "default/my-nginx")
def interface_is_missing_says_a_speaker(world):
    world.add_event("Service", "default/my-nginx", "announceFailed", ANNOUNCE_FAILED, "2026-11-23T21:10:00Z")
    # in the same breath
    world.add_event(
        "Service", "default/my-nginx", "nodeAssigned", 'announcing from node "cp-2"', "2026-11-23T21:10:00Z"
    )


@bad("MLB511", "default/my-nginx", "info", says="before l2-adv was changed")
def advertisement_was_fixed_and_no_event_says_so(world):
    """The advertisement was changed since, and MetalLB's events about the service were held back, being too many."""
    world.add_event("Service", "default/my-nginx", "announceFailed", ANNOUNCE_FAILED, "2026-11-23T21:10:00Z")
    world.get("l2advertisements", "l2-adv")["metadata"]["managedFields"] = [{"time": "2026-11-23T21:10:01Z"}]


@good("MLB511")
def interface_was_missing_once(world):
    world.add_event("Service", "default/my-nginx", "announceFailed", ANNOUNCE_FAILED, "2026-11-23T21:10:00Z")
    world.add_event(
        "Service", "default/my-nginx", "nodeAssigned", 'announcing from node "cp-2"', "2026-11-23T21:20:00Z"
    )


@bad("MLB512", "default/my-nginx")
def pool_shrank(world):
    addresses(world, "192.168.7.202-192.168.7.250")


@bad("MLB512", "default/dual", says="different pools", node_networks=["192.168.7.0/24", "fd00:7::/64"])
def families_in_two_pools(world):
    world.add_pool("six", "fd00:7::100-fd00:7::120")
    advertisement(world)["ipAddressPools"].append("six")
    world.add_service("default/dual", "192.168.7.210", "fd00:7::100")


@good("MLB512", node_networks=["192.168.7.0/24", "fd00:7::/64"])
def families_in_one_pool(world):
    addresses(world, "192.168.7.200-192.168.7.250", "fd00:7::100-fd00:7::120")
    world.add_service("default/dual", "192.168.7.210", "fd00:7::100")


@bad("MLB513", "default/my-nginx", "info")
def local_on_one_node(world):
    local(world, "worker-1")


@good("MLB513")
def local_on_two_nodes(world):
    local(world, "worker-1", "cp-1")


# -- MLB6xx -----------------------------------------------------------------------------------------------------------


def unchanged(_world):
    pass


def on_wire(code: str, name: str, object: str | None, *targets: dict, change=unchanged, also=(), says="", **more: Any):
    severity = more.pop("severity", "")
    CASES.append(Case(code, name, change, object, severity, {"wire": wire(*targets, **more)}, also, says))


on_wire("MLB601", "silence", "default/my-nginx", answer(NGINX), says="cp-2 is elected")
on_wire("MLB601", "it answers", None, answer(NGINX, "cp-2"))
on_wire("MLB601", "it answers alone", None, answer(NGINX, alone=("cp-2",)), also=("MLB609",))
on_wire("MLB601", "not asked", None, answer(NGINX, asked=False, reason="not-on-link"), also=("MLB608",))
on_wire("MLB602", "rogue host", "default/my-nginx", answer(NGINX, foreign=("02:00:00:00:00:01",)))
on_wire("MLB602", "beside the node", "default/my-nginx", answer(NGINX, "cp-2", foreign=("02:00:00:00:00:01",)))
on_wire(
    "MLB602",
    "no nodes known",
    None,
    {**answer(NGINX), "answered": True, "macs": ["02:00:00:00:00:01"], "answers": [{"mac": "02:00:00:00:00:01"}]},
    nodes={},
)
on_wire("MLB602", "MAC known by the probe", None, {**answer(NGINX, "cp-2"), "answers": [{"mac": mac_of("cp-2")}]})
on_wire("MLB603", "two nodes", "default/my-nginx", answer(NGINX, "cp-2", "worker-1"), says="another program")


def both_speakers_say_so(world: World) -> None:
    for node in ("cp-2", "worker-1"):
        told = f'announcing from node "{node}" with protocol "layer2"'
        world.add_event("Service", "default/my-nginx", "nodeAssigned", told)


on_wire(
    "MLB603",
    "two nodes that say so",
    "default/my-nginx",
    answer(NGINX, "cp-2", "worker-1"),
    change=both_speakers_say_so,
    says="do not see each other",
)
on_wire("MLB603", "all nodes", "default/my-nginx", answer(NGINX, *NAMES), says="ipvs")
on_wire("MLB603", "the same node alone and by broadcast", None, answer(NGINX, "cp-2", alone=("cp-2",)))
on_wire("MLB604", "other node", "default/my-nginx", answer(NGINX, "worker-1"), says="the election gives cp-2")
on_wire("MLB604", "elected node", None, answer(NGINX, "cp-2"))
on_wire("MLB605", "free address taken", "192.168.7.220", answer("192.168.7.220", foreign=("02:00:00:00:00:01",)))
on_wire("MLB605", "free address is free", None, answer("192.168.7.220"))
on_wire("MLB605", "address of no pool", None, answer("192.168.7.5", foreign=("02:00:00:00:00:01",)))
on_wire(
    "MLB607",
    "answers with no endpoint",
    "default/my-nginx",
    answer(NGINX, "cp-2"),
    change=selector_of_no_pod,
    also=("MLB508",),
)
on_wire(
    "MLB607",
    "answers after announceFailed",
    "default/my-nginx",
    answer(NGINX, "cp-2"),
    change=interface_is_missing_says_a_speaker,
    also=("MLB511",),
)
on_wire("MLB607", "answers as it should", None, answer(NGINX, "cp-2"))
on_wire(
    "MLB607",
    "advertisement fixed since announceFailed",
    None,
    answer(NGINX, "cp-2"),
    change=advertisement_was_fixed_and_no_event_says_so,
)
on_wire("MLB608", "not on link", "192.168.7.201", answer(NGINX, asked=False, reason="not-on-link"))
on_wire("MLB608", "kernel's table only", "probe", answer(NGINX, "cp-2"), conclusive=False, severity="warning")
on_wire("MLB608", "raw sockets", None, answer(NGINX, "cp-2"))
on_wire("MLB609", "broadcast lost", "default/my-nginx", answer(NGINX, alone=("cp-2",)))
on_wire("MLB609", "both ways", None, answer(NGINX, "cp-2", alone=("cp-2",)))
on_wire(
    "MLB610",
    "two interfaces",
    "default/my-nginx",
    {
        **answer(NGINX, "cp-2"),
        "answers": [{"mac": "02:00:00:00:00:01", "node": "cp-2"}, {"mac": "02:00:00:00:00:02", "node": "cp-2"}],
        "macs": ["02:00:00:00:00:01", "02:00:00:00:00:02"],
    },
)
on_wire("MLB610", "one interface", None, answer(NGINX, "cp-2"))


def own(node: str, answered: bool, **more: Any) -> dict:
    return {"name": node, "address": "192.168.7.12", "answered": answered, "reason": "", **more}


def status_names_worker_1(world: World) -> None:
    world.write_statuses = False
    world.objects["servicel2statuses"] += [
        l2_status("default/my-nginx", "worker-1"),
        l2_status("traefik/traefik", "cp-2"),
    ]


on_wire(
    "MLB611",
    "elected node silent",
    "cp-2",
    answer(NGINX),
    node_addresses=[own("cp-2", False), own("worker-1", True)],
    severity="error",
    says="nobody answers for",
    also=("MLB601",),
)
on_wire("MLB611", "nodes answer", None, answer(NGINX, "cp-2"), node_addresses=[own("cp-2", True)])
on_wire(
    "MLB611",
    "answers alone",
    None,
    answer(NGINX, alone=("cp-2",)),
    node_addresses=[own("cp-2", False, answered_alone=True)],
)
on_wire(
    "MLB604",
    "another took over from a silent node",
    None,
    answer(NGINX, "worker-1"),
    node_addresses=[own("cp-2", False), own("worker-1", True)],
)
on_wire(
    "MLB612",
    "status agrees",
    "default/my-nginx",
    answer(NGINX, "worker-1"),
    change=status_names_worker_1,
    says="0.15.3",
)
on_wire("MLB612", "status disagrees", None, answer(NGINX, "worker-1"))
on_wire("MLB604", "status agrees with the LAN", None, answer(NGINX, "worker-1"), change=status_names_worker_1)
on_wire("MLB510", "the LAN agrees with the status", None, answer(NGINX, "worker-1"), change=status_names_worker_1)


@good("MLB511")
def event_of_a_node_that_is_not_elected(world):
    said = 'the interfaces specified by LB IP "192.168.7.201" doesn\'t exist in assigned node "worker-1" with protocol "layer2"'
    world.add_event("Service", "default/my-nginx", "announceFailed", said)


def on_ports(name: str, object: str | None, *results: tuple[str, str, int, str], says: str = "") -> None:
    CASES.append(Case("MLB606", name, unchanged, object, "", {"ports": ports(*results)}, (), says))


on_ports("refused", "default/my-nginx", ("default/my-nginx", NGINX, 80, "refused"), says="refused")
on_ports(
    "refused everywhere",
    "traefik/traefik",
    ("default/my-nginx", NGINX, 80, "refused"),
    ("traefik/traefik", TRAEFIK, 443, "refused"),
    says="every service",
)
on_ports("answers", None, ("default/my-nginx", NGINX, 80, ""))


# -- MLB7xx -----------------------------------------------------------------------------------------------------------

ARGO, FLUX = "argocd", "flux-system"
ROOT = Ref("Application", ARGO, "infrastructure")
CHART = Ref("Application", ARGO, "metallb-helm")
THINGS = {
    "pool": (Ref("IPAddressPool", HOME, "main-pool"), POOL),
    "advertisement": (Ref("L2Advertisement", HOME, "l2-adv"), ADVERTISEMENT),
    "service": (Ref("Service", "traefik", "traefik"), SERVICE),
    "chart": (CHART, KINDS),
    "traefik": (Ref("Application", ARGO, "traefik-helm"), SERVICE),
}


def waves(world: World, within: Ref | None = ROOT, health: str = "seen", tolerant: bool = True, **given: int) -> None:
    """One sync of Argo CD with these things in these waves, and the Application that syncs them."""
    steps = [SyncItem(ROOT)] if within else []
    for name, wave in given.items():
        ref, brings = THINGS[name]
        steps.append(SyncItem(ref, frozenset([brings]), within, wave, wave is not None, tolerant=tolerant))
    world.plan = SyncOrder(tuple(steps), health)


def flux(world: World, *more: SyncItem, wait: bool = True, config_after: tuple[str, ...] = ("metallb",)) -> None:
    """Kustomizations metallb, with the chart, and config, with pool and advertisement."""

    def names(*after: str) -> tuple[Ref, ...]:
        return tuple(Ref("Kustomization", FLUX, name) for name in after)

    chart, config = names("metallb", "config")
    world.plan = SyncOrder(
        (
            SyncItem(chart, waits=wait),
            SyncItem(config, after=names(*config_after), waits=True),
            SyncItem(Ref("HelmRelease", HOME, "metallb"), frozenset([KINDS]), chart),
            SyncItem(THINGS["pool"][0], frozenset([POOL]), config),
            SyncItem(THINGS["advertisement"][0], frozenset([ADVERTISEMENT]), config),
            *more,
        )
    )


@bad("MLB701", "metallb-system/main-pool", says="in wave -1")
def pool_before_the_chart(world):
    waves(world, chart=0, pool=-1, advertisement=2)


@bad("MLB701", "metallb-system/l2-adv", says="in wave 1")
def advertisement_in_the_wave_of_the_chart(world):
    waves(world, chart=1, pool=2, advertisement=1)


@bad("MLB701", "flux-system/metallb", says="same Flux Kustomization")
def pool_beside_its_helm_release(world):
    flux(world)
    steps = [one for one in world.plan.steps if one.ref.kind != "IPAddressPool"]
    chart = next(one for one in steps if KINDS in one.brings)
    world.plan = SyncOrder((*steps, SyncItem(THINGS["pool"][0], frozenset([POOL]), chart.scope)))


@bad("MLB701", "flux-system/config", severity="warning", says="nothing makes Flux")
def kustomization_without_depends_on(world):
    flux(world, config_after=())


@bad("MLB701", "flux-system/metallb", severity="warning", says="not when it is installed")
def kustomization_that_does_not_wait(world):
    flux(world, wait=False)


@good("MLB701")
def waves_of_the_source_document(world):
    waves(world, chart=0, pool=1, advertisement=2, traefik=3, service=4)


@good("MLB701")
def flux_in_order(world):
    flux(world)


@good("MLB701")
def pool_in_another_sync_than_the_chart(world):
    """The pool is in an Application of its own, whose waves are compared with nothing outside."""
    own = Ref("Application", ARGO, "metallb-config")
    pool_step = SyncItem(THINGS["pool"][0], frozenset([POOL]), own, -5, True)
    chart = SyncItem(CHART, frozenset([KINDS]), ROOT, 0, True)
    world.plan = SyncOrder((SyncItem(ROOT), chart, SyncItem(own, frozenset(), ROOT, 1, True), pool_step), "seen")


@good("MLB701")
def pools_without_waves_that_no_application_among_the_files_holds(world):
    pool_step = SyncItem(THINGS["pool"][0], frozenset([POOL]))
    world.plan = SyncOrder((SyncItem(CHART, frozenset([KINDS]), None, 0, True), pool_step), "seen")


@good("MLB701")
def pool_in_the_wave_of_a_plain_crd(world):
    crd = SyncItem(Ref("CustomResourceDefinition", "", "ipaddresspools.metallb.io"), frozenset([KINDS]), ROOT)
    world.plan = SyncOrder((SyncItem(ROOT), crd, SyncItem(THINGS["pool"][0], frozenset([POOL]), ROOT)), "seen")


@bad("MLB702", "traefik/traefik", says="a pool comes in wave 3")
def service_before_its_pool(world):
    waves(world, chart=0, service=2, pool=3, advertisement=4)


@bad("MLB702", "argocd/traefik-helm", severity="warning", says="nobody announces it")
def chart_with_a_service_before_the_advertisement(world):
    waves(world, chart=0, pool=1, traefik=1, advertisement=2)


@bad("MLB702", "flux-system/config", severity="warning", says="waits for Kustomization")
def flux_makes_the_advertisement_wait_for_the_service(world):
    apps = Ref("Kustomization", FLUX, "apps")
    service = SyncItem(THINGS["service"][0], frozenset([SERVICE]), apps)
    flux(world, SyncItem(apps, waits=True), service, config_after=("metallb", "apps"))


@good("MLB702")
def service_in_the_wave_of_pool_and_advertisement(world):
    waves(world, chart=0, pool=1, advertisement=1, service=1)


@good("MLB702")
def a_second_pool_comes_later(world):
    waves(world, chart=0, pool=1, advertisement=2, service=3)
    late = SyncItem(Ref("IPAddressPool", HOME, "later"), frozenset([POOL]), ROOT, 9, True)
    world.plan = SyncOrder((*world.plan.steps, late), "seen")


@good("MLB702")
def service_of_another_load_balancer(world):
    world.get("services", "traefik")["spec"]["loadBalancerClass"] = "example.org/other"
    waves(world, chart=0, service=0, pool=1, advertisement=2)


@good("MLB702")
def flux_applies_services_whenever_it_likes(world):
    flux(world, SyncItem(Ref("Kustomization", FLUX, "apps")), SyncItem(THINGS["service"][0], frozenset([SERVICE])))


@bad("MLB703", "argocd/metallb-helm", says="the argocd-cm among the files does not")
def argocd_cm_without_health_of_applications(world):
    waves(world, health="lacking", chart=0, pool=1, advertisement=2)


@bad("MLB703", "argocd/metallb-helm", severity="info", says="no argocd-cm is among the files")
def no_argocd_cm_among_the_files(world):
    waves(world, health="", chart=0, pool=1, advertisement=2)


@good("MLB703")
def argocd_cm_with_health_of_applications(world):
    waves(world, chart=0, pool=1, advertisement=2)


@good("MLB703")
def nothing_comes_after_the_chart(world):
    waves(world, health="", chart=0)


@bad("MLB704", "metallb-system/main-pool", says="the whole sync is refused")
def pool_without_skip_dry_run(world):
    waves(world, tolerant=False, chart=0, pool=1, advertisement=2)


@bad("MLB704", "metallb-system/main-pool", severity="info", says="if one Application syncs both")
def pool_without_skip_dry_run_in_whatever_syncs_it(world):
    waves(world, within=None, tolerant=False, chart=0, pool=1, advertisement=2)


@good("MLB704")
def pool_with_skip_dry_run(world):
    waves(world, chart=0, pool=1, advertisement=2)


@good("MLB704")
def pool_beside_a_plain_crd(world):
    crd = SyncItem(Ref("CustomResourceDefinition", "", "ipaddresspools.metallb.io"), frozenset([KINDS]), ROOT)
    world.plan = SyncOrder((SyncItem(ROOT), crd, SyncItem(THINGS["pool"][0], frozenset([POOL]), ROOT, 1, True)), "seen")


@bad("MLB705", "flux-system/config", says="config waits for")
def kustomizations_in_a_circle(world):
    flux(world)
    steps = [one for one in world.plan.steps if one.ref.name != "metallb" or one.ref.kind != "Kustomization"]
    config = Ref("Kustomization", FLUX, "config")
    world.plan = SyncOrder((*steps, SyncItem(Ref("Kustomization", FLUX, "metallb"), after=(config,), waits=True)))


@bad("MLB705", "flux-system/config", severity="warning", says="did you mean metallb?")
def dependency_misspelt(world):
    flux(world, config_after=("metalb",))


@good("MLB705")
def dependency_of_another_repository(world):
    flux(world, config_after=("metallb", "cert-manager"))


# -- Helm's release ---------------------------------------------------------------------------------------------------


def release(world, *differences, **status):
    """Helm's record of the release, with what differs from it."""
    record = {"revision": 3, "status": "deployed", "latest": {"revision": 3, "status": "deployed"}, "unread": {}}
    record.update(status, differences=[Difference(*one).as_result() for one in differences])
    world.objects["releases"] = [
        {"kind": "Release", "metadata": {"namespace": HOME, "name": "metallb"}, "status": record}
    ]


SPEAKERS = ("DaemonSet", HOME, "metallb-speaker")
ARGS = "spec.template.spec.containers[speaker].args"


@bad("MLB113", "metallb:speaker", says="does not exist")
def a_cluster_role_binding_is_deleted(world):
    release(world, ("missing", "ClusterRoleBinding", "", "metallb:speaker"))


@bad("MLB113", f"{HOME}/metallb-excludel2")
def the_speakers_configmap_is_deleted(world):
    """Speakers cannot start without it, and the finding about them names the cause."""
    release(world, ("missing", "ConfigMap", HOME, "metallb-excludel2"))
    world.not_ready("worker-1")


@bad("MLB113", "metallb-webhook-configuration", severity="warning")
def the_webhook_is_deleted(world):
    release(world, ("missing", "ValidatingWebhookConfiguration", "", "metallb-webhook-configuration"))


@good("MLB113")
def all_of_the_release_is_there(world):
    release(world)


@bad("MLB114", f"{HOME}/metallb-speaker", says="tolerations is not set, the release sets [] (written by kubectl-edit)")
def tolerations_are_emptied(world):
    release(world, ("differs", *SPEAKERS, "spec.template.spec.tolerations", "[]", "", "kubectl-edit"))


@bad("MLB114", f"{HOME}/metallb-speaker", says="which the release does not set")
def a_key_is_added_to_the_node_selector(world):
    release(world, ("foreign", *SPEAKERS, "spec.template.spec.nodeSelector.example.com/x", "", "y"))


@good("MLB114")
def nothing_differs_from_the_release(world):
    release(world)


@bad("MLB115", f"{HOME}/metallb-speaker", says="the release has the Helm value speaker.ignoreExcludeLB")
def the_flag_is_taken_away(world):
    release(world, ("differs", *SPEAKERS, ARGS, '["--ignore-exclude-lb"]', '["--port=7472"]', "kubectl-edit"))


@good("MLB115")
def another_argument_differs(world):
    release(world, ("differs", *SPEAKERS, ARGS, '["--log-level=info"]', '["--log-level=debug"]'))


@bad(
    "MLB116",
    f"{HOME}/metallb",
    says="revision 4 of the Helm release is pending-upgrade; the last one that is deployed is 3",
)
def an_upgrade_was_broken_off(world):
    release(world, latest={"revision": 4, "status": "pending-upgrade"})


@bad("MLB116", f"{HOME}/metallb", says="none is deployed")
def the_first_installation_failed(world):
    release(world, revision=0, status="", latest={"revision": 1, "status": "failed"})


@good("MLB116")
def the_release_is_deployed(world):
    release(world)


@bad("MLB701", "flux-system/metallb", says="the order is reversed")
def flux_waits_the_wrong_way_round(world):
    flux(world, config_after=())
    config = Ref("Kustomization", FLUX, "config")
    steps = [
        replace(one, after=(config,)) if one.ref == Ref("Kustomization", FLUX, "metallb") else one
        for one in world.plan.steps
    ]
    world.plan = SyncOrder(tuple(steps))


@bad("MLB706", f"{HOME}/main-pool", says="it is wrong")
def key_given_twice(world):
    world.faults = (file_fault("MLB706"),)


@good("MLB706")
def only_a_value_of_a_wrong_type(world):
    world.faults = (file_fault("MLB412"),)


@bad("MLB707", f"{HOME}/main-pool", says="it is wrong")
def format_from_before_0_13(world):
    world.faults = (file_fault("MLB707"),)


@good("MLB707")
def formats_of_today(world):
    world.faults = (file_fault("MLB706"),)


# -- the grid ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule(case):
    world = World()
    case.change(world)
    verdict = evaluate(world.snapshot(), Options.make(**case.options))
    found = [finding for finding in verdict.findings if finding.code == case.code]
    if case.object is None:
        assert [str(finding) for finding in found] == []
        (check,) = [one for one in verdict.checks if one.id == case.code]
        assert check.result in ("passed", "skipped")
    else:
        here = [finding for finding in found if finding.object.path == case.object]
        assert here, f"not found; found were {[str(one) for one in verdict.findings]}"
        assert here[0].severity == (case.severity or CATALOGUE[case.code]["severity"])
        assert any(case.says in finding.summary for finding in here), [finding.summary for finding in here]
        assert all(finding.fix and finding.summary and not finding.summary.endswith(".") for finding in here)
    roots = {finding.code for finding in verdict.roots() if finding.severity == "error"}
    allowed = {case.code, *case.also} if case.object is not None else set(case.also)
    if case.object is not None and case.code in ("MLB201", "MLB509"):
        allowed |= {"MLB201"}
    strangers = [
        str(finding) for finding in verdict.roots() if finding.severity == "error" and finding.code not in allowed
    ]
    if case.object is not None:
        # A consequence names its cause; anything else would send its reader astray.
        assert strangers == [], roots


@pytest.mark.parametrize("case", [case for case in CASES if case.object is not None], ids=str)
def test_a_snapshot_keeps_what_rules_read(case):
    """What gather cuts out of the objects must change no finding."""
    world = World()
    case.change(world)
    made = world.snapshot()
    kept = {plural: [slim(plural, obj) for obj in objects] for plural, objects in made.objects.items()}
    options = Options.make(**case.options)
    whole, cut = (evaluate(one, options) for one in (made, replace(made, objects=kept)))
    assert [str(one) for one in cut.findings] == [str(one) for one in whole.findings]
    assert cut.checks == whole.checks


def test_a_rejection_for_the_sake_of_a_living_address_names_it():
    """Seen in the lab: a pool is deleted under a service while no controller runs, and its speaker keeps the old configuration."""
    world = World()
    pool_shrank(world)
    world.get("configurationstates", "speaker-cp-2")["status"].update(result="Invalid", errorSummary="sync state error")
    (finding,) = evaluate(world.snapshot()).of("MLB111")
    assert finding.caused_by == ("MLB512",)


def test_every_code_is_raised_and_nearly_raised():
    live = {code for code, entry in CATALOGUE.items() if not entry["retired"]}
    assert {case.code for case in CASES if case.object is not None} == live
    assert {case.code for case in CASES if case.object is None} == live
    assert {rule.code for rule in RULES} == live


def test_rules_stand_in_order_and_once():
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))


def test_what_differs_from_the_release_is_the_cause_and_its_fix_counts():
    world = World()
    a_key_is_added_to_the_node_selector(world)
    world.remove_speaker("worker-1")
    verdict = evaluate(world.snapshot())
    (cause,), (finding,) = verdict.of("MLB114"), verdict.of("MLB103")
    assert finding.caused_by[0] == "MLB114" and finding.fix == cause.fix
    patch = '{"spec": {"template": {"spec": {"nodeSelector": {"example.com/x": null}}}}}'
    assert cause.fix == f"kubectl -n {HOME} patch daemonset metallb-speaker --type merge -p '{patch}'"


def test_an_owner_that_is_not_helm_skips_the_comparison_with_the_reason():
    (check,) = [one for one in evaluate(World().snapshot()).checks if one.id == "MLB113"]
    assert check.result == "skipped" and "was not found among the Secrets" in check.reason
    world = World()
    release(world, unread={"ClusterRole": "forbidden"})
    (check,) = [one for one in evaluate(world.snapshot()).checks if one.id == "MLB114"]
    assert check.result == "skipped" and "ClusterRole" in check.reason


def test_a_port_that_no_endpoint_serves_is_the_cause_of_its_silence():
    world = World()
    target_port_that_no_pod_has(world)
    world.objects["daemonsets"].append(
        {
            "kind": "DaemonSet",
            "metadata": metadata("my-nginx", "default"),
            "spec": {
                "template": {
                    "metadata": {"labels": {"app": "my-nginx"}},
                    "spec": {"containers": [{"name": "nginx", "ports": [{"name": "web", "containerPort": 80}]}]},
                }
            },
        }
    )
    probed = ports(("default/my-nginx", NGINX, 80, "refused"), ("traefik/traefik", TRAEFIK, 80, ""))
    verdict = evaluate(world.snapshot(), Options.make(ports=probed))
    (cause,), (refused,) = verdict.of("MLB515"), verdict.of("MLB606")
    assert refused.caused_by == ("MLB515",) and "(web), or a number" in cause.fix


def test_slices_of_older_snapshots_say_nothing_of_ports():
    world = World()
    target_port_that_no_pod_has(world)
    for piece in world.objects["endpointslices"]:
        piece.pop("ports")
    verdict = evaluate(world.snapshot())
    (check,) = [one for one in verdict.checks if one.id == "MLB515"]
    assert check.result == "skipped" and "my-nginx" in check.reason and not verdict.of("MLB515")
