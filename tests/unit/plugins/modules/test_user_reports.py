# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users of MetalLB reported in public, in our own words and values: what they wrote, and what is the right answer.

Written are the files that l2_validate is given; live is the same fault in a cluster, with the codes that l2_diagnose is to find.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any, Callable

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import save
from ansible_collections.l2ops.metallb.plugins.modules import l2_diagnose, l2_validate
from ansible_collections.l2ops.metallb.tests.unit.run_module import run
from ansible_collections.l2ops.metallb.tests.unit.world import HOME, World, answer, condition, metadata, ports, wire

LAN = ["192.168.7.0/24"]


def pool(*addresses: str, name: str = "lan") -> dict:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"addresses": list(addresses)},
    }


def advertisement(name: str = "lan", **spec: Any) -> dict:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "L2Advertisement",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"ipAddressPools": ["lan"], "interfaces": ["eth0"], **spec},
    }


def service(name: str, labels: dict | None = None, annotations: dict | None = None, **spec: Any) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "labels": labels or {}, "annotations": annotations or {}},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": 80}],
            **spec,
        },
    }


@dataclass
class Report:
    """expected maps codes to what the summary, the fix or the headline must say; never are words that would mislead."""

    expected: dict[str, str]
    objects: list[dict] = field(default_factory=list)
    change: Callable[[World], Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    never: tuple[str, ...] = ()
    headline: str = ""


BASE = [pool("192.168.7.200-192.168.7.250"), advertisement()]
WRITTEN = {
    "the word nil as class": Report(
        {"MLB517": "the word 'nil'"}, [*BASE, service("haproxy", loadBalancerClass="nil")], headline="MLB517"
    ),
    "an address for kube-vip": Report(
        {"MLB502": "loadBalancerClass"},
        [
            *BASE,
            service(
                "expose",
                annotations={"kube-vip.io/loadbalancerIPs": "192.168.7.50"},
                loadBalancerIP="192.168.7.50",
            ),
        ],
        never=("Add 192.168.7.50 to a pool",),
    ),
    "an annotation instead of a field": Report(
        {"MLB506": "metallb.universe.tf/L2Advertisement"},
        [*BASE, service("test", annotations={"metallb.universe.tf/L2Advertisement": "lan"})],
    ),
    "one address, two advertisements": Report(
        {"MLB514": "ad-a for default/a; ad-b for default/b"},
        [
            pool("192.168.7.200/32"),
            advertisement("ad-a", serviceSelectors=[{"matchLabels": {"app": "a"}}]),
            advertisement("ad-b", serviceSelectors=[{"matchLabels": {"app": "b"}}]),
            *(
                service(
                    name,
                    labels={"app": name},
                    annotations={"metallb.io/allow-shared-ip": "k", "metallb.io/loadBalancerIPs": "192.168.7.200"},
                    ports=[{"name": "one", "port": number}],
                )
                for name, number in (("a", 80), ("b", 443))
            ),
        ],
    ),
    "externalIPs of the pool": Report(
        {"MLB516": "192.168.7.205, 192.168.7.206"},
        [*BASE, service("traefik", externalIPs=["192.168.7.205", "192.168.7.206"])],
    ),
    "externalIPs that another service asks for": Report(
        {"MLB516": "its port TCP/80 may lead to the pods of default/inside"},
        [
            *BASE,
            service("web", annotations={"metallb.io/loadBalancerIPs": "192.168.7.205"}),
            service("inside", type="ClusterIP", externalIPs=["192.168.7.205"]),
        ],
    ),
}


def pending_class(world: World) -> None:
    one = world.get("services", "my-nginx")
    one["spec"]["loadBalancerClass"] = "nil"
    one["status"] = {"loadBalancer": {}}


def kube_vip_takes_services(world: World) -> None:
    env = [{"name": name, "value": "true"} for name in ("vip_arp", "cp_enable", "svc_enable")]
    world.objects["daemonsets"].append(
        {
            "kind": "DaemonSet",
            "metadata": metadata("kube-vip-ds", "kube-system"),
            "spec": {
                "template": {
                    "spec": {
                        "containers": [{"name": "kube-vip", "image": "ghcr.io/kube-vip/kube-vip:v0.8.7", "env": env}]
                    }
                }
            },
            "status": {"numberReady": 3},
        }
    )


def kube_vip_owns_a_service(world: World) -> None:
    kube_vip_takes_services(world)
    world.add_service(
        "kube-system/expose",
        annotations={"kube-vip.io/loadbalancerIPs": "192.168.7.50"},
        loadBalancerIP="192.168.7.50",
    )


def tainted_servers(world: World) -> None:
    """The only nodes with pods run no speaker, since it does not tolerate their taint."""
    taint = {"key": "CriticalAddonsOnly", "value": "true", "effect": "NoExecute"}
    world.get("nodes", "worker-1")["spec"]["taints"] = [taint]
    world.remove_speaker("worker-1")
    world.get("services", "my-nginx")["spec"]["externalTrafficPolicy"] = "Local"


def pods_crash(world: World) -> None:
    (endpoint,) = world.get("endpointslices", "my-nginx-abcde")["endpoints"]
    endpoint["conditions"] = {"ready": False, "serving": False}


def stale_webhook(world: World) -> None:
    config = copy.deepcopy(world.objects["validatingwebhookconfigurations"][0])
    config["metadata"]["name"] = "validating-webhook-configuration"
    config["webhooks"][0]["clientConfig"]["service"]["name"] = "webhook-service"
    world.objects["validatingwebhookconfigurations"].append(config)


def external_ips_that_metallb_gave_away(world: World) -> None:
    world.add_service("default/inside", type="ClusterIP", externalIPs=["192.168.7.201"])


def target_port_of_no_pod(world: World) -> None:
    world.get("services", "my-nginx")["spec"]["ports"][0]["targetPort"] = "http"
    world.get("endpointslices", "my-nginx-abcde")["ports"] = []


def klipper(world: World) -> None:
    world.objects["daemonsets"].append(
        {
            "kind": "DaemonSet",
            "metadata": metadata(
                "svclb-my-nginx-1", "kube-system", labels={"svccontroller.k3s.cattle.io/svcname": "my-nginx"}
            ),
            "spec": {"template": {"spec": {"containers": [{"name": "lb", "image": "rancher/klipper-lb:v0.4.9"}]}}},
            "status": {"numberReady": 4},
        }
    )
    world.get("services", "my-nginx")["status"]["loadBalancer"]["ingress"] = [{"ip": "192.168.7.21"}]


def controller_hangs(world: World) -> None:
    world.get("deployments", "metallb-controller")["status"]["conditions"].append(
        condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="it has timed out progressing")
    )


LIVE = {
    "the word nil as class": Report({"MLB517": "the word 'nil'"}, change=pending_class, headline="MLB517"),
    "kube-vip takes services": Report({"MLB109": "svc_enable"}, change=kube_vip_takes_services),
    "a service of kube-vip": Report(
        {"MLB109": "svc_enable", "MLB502": "loadBalancerClass"},
        change=kube_vip_owns_a_service,
        never=("Add 192.168.7.50 to a pool",),
    ),
    "a taint that speakers do not tolerate": Report(
        {"MLB507": "worker-1", "MLB103": "CriticalAddonsOnly"}, change=tainted_servers
    ),
    "pods that crash": Report({"MLB508": "its only pod is not ready"}, change=pods_crash),
    "a stale webhook": Report(
        {"MLB105": "kubectl delete validatingwebhookconfiguration validating-webhook-configuration"},
        change=stale_webhook,
        never=("MLB104",),
    ),
    "externalIPs given away": Report(
        {"MLB516": "its port TCP/80 may lead to the pods of default/inside"},
        change=external_ips_that_metallb_gave_away,
    ),
    "a port that no pod has": Report(
        {"MLB515": "no container of its pods has a port named http", "MLB606": ""},
        change=target_port_of_no_pod,
        options={"ports": ports(("default/my-nginx", "192.168.7.201", 80, "refused"))},
    ),
    "broadcast is lost": Report(
        {"MLB609": ""},
        change=lambda world: None,
        options={
            "wire": wire(
                answer("192.168.7.201", alone=("cp-2",)),
                answer("192.168.7.203", alone=("cp-2",)),
            )
        },
    ),
    "ServiceLB of k3s beside": Report({"MLB109": "ServiceLB of k3s", "MLB512": "192.168.7.21"}, change=klipper),
    "a controller that hangs": Report({"MLB104": "timed out progressing"}, change=controller_hangs),
}


def check(report: Report, result: dict) -> None:
    found = result["findings"]
    for code, said in report.expected.items():
        here = [one for one in found if one["code"] == code]
        assert here, f"{code} is missing: {[(one['code'], one['summary']) for one in found]}"
        assert any(said in f"{one['summary']} {one['fix']}" for one in here), here
    text = json.dumps(result)
    for words in report.never:
        assert words not in text
    assert report.headline in result["msg"]
    strangers = [
        one
        for one in found
        if one["severity"] == "error" and one["code"] not in report.expected and not one["caused_by"]
    ]
    assert strangers == [], "another party is blamed"


@pytest.mark.parametrize("name", WRITTEN)
def test_what_was_written(name, tmp_path):
    report = WRITTEN[name]
    # JSON is YAML.
    path = tmp_path / "manifests.yaml"
    path.write_text("\n---\n".join(json.dumps(one) for one in report.objects), "utf-8")
    check(report, run(l2_validate, manifests=[str(path)], node_networks=LAN, **report.options))


@pytest.mark.parametrize("name", LIVE)
def test_the_same_in_a_cluster(name, tmp_path):
    report = LIVE[name]
    world = World()
    report.change(world)
    path = tmp_path / "world.json"
    save(world.snapshot(), str(path))
    result = run(l2_diagnose, snapshot=str(path), node_networks=LAN, **report.options)
    check(report, {key: one for key, one in result.items() if key in ("findings", "diagnoses", "msg")})


def test_a_service_of_a_class_that_nobody_serves_is_broken_by_name_too(tmp_path):
    world = World()
    pending_class(world)
    path = tmp_path / "world.json"
    save(world.snapshot(), str(path))
    result = run(l2_diagnose, snapshot=str(path), services=["default/my-nginx"])
    (one,) = result["diagnoses"]
    assert one["state"] == "broken" and one["steps"][0]["codes"] == ["MLB517"]
    assert "kubectl replace --force" in one["fix"] and result["failed"]


def test_a_service_that_another_load_balancer_serves_is_not_ours(tmp_path):
    world = World()
    world.get("services", "my-nginx")["spec"]["loadBalancerClass"] = "tailscale"
    path = tmp_path / "world.json"
    save(world.snapshot(), str(path))
    (one,) = run(l2_diagnose, snapshot=str(path), services=["default/my-nginx"])["diagnoses"]
    assert one["state"] == "unknown" and "MetalLB serves only services without one" in one["cause"]
