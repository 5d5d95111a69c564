# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of real life, made for real in the lab, each of which can be taken back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Callable

from .cluster import kubectl, kubectl_json, wait_for
from .host import Engine
from .settings import EXCLUDE_LABEL, SHAPE, Settings
from .ui import LabError, say

METALLB_NAMESPACE = "metallb-system"
Action = Callable[[Settings, Engine], None]


@dataclass(frozen=True)
class Fault:
    what: str
    inject: Action
    undo: Action


def _label(_settings: Settings, _engine: Engine) -> None:
    kubectl("label", "nodes", "--all", "--overwrite", f"{EXCLUDE_LABEL}=")


def _unlabel(_settings: Settings, _engine: Engine) -> None:
    kubectl("label", "nodes", "--all", f"{EXCLUDE_LABEL}-")


def _interfaces(names: list[str]) -> None:
    patch = json.dumps({"spec": {"interfaces": names}})
    kubectl("-n", METALLB_NAMESPACE, "patch", "l2advertisement", "l2-adv", "--type=merge", "-p", patch)


def _rogue_on(settings: Settings, engine: Engine, number: int = 203) -> None:
    image = json.loads(SHAPE.read_text(encoding="utf-8"))["client_image"]
    if not engine.exists("container", settings.rogue):
        engine.run(
            "run", "-d", "--name", settings.rogue, "--network", settings.network, "--ip", settings.host(61), "--cap-add", "NET_ADMIN",
            "--cap-add", "NET_RAW", "--entrypoint", "/usr/bin/sleep", image, "infinity",
        )  # fmt: skip
    engine.execute(
        settings.rogue,
        "ip",
        "address",
        "replace",
        f"{settings.host(number)}/{settings.subnet.prefixlen}",
        "dev",
        "eth0",
    )


def _rogue_off(settings: Settings, engine: Engine) -> None:
    engine.run("rm", "-f", "-v", settings.rogue, check=False)


def _speaker() -> str:
    """The speaker DaemonSet's name, of Helm or of the raw manifests."""
    for item in kubectl_json("-n", METALLB_NAMESPACE, "get", "daemonsets")["items"]:
        labels = item["spec"]["selector"].get("matchLabels", {})
        if "speaker" in (labels.get("app.kubernetes.io/component"), labels.get("component")):
            return str(item["metadata"]["name"])
    raise LabError("MetalLB's speaker is not installed in this lab. Run: make demo")


def _speaker_gone(settings: Settings, _engine: Engine) -> None:
    """No speaker on the node that announces traefik's address: a taint keeps it from coming back (as upstream's e2e does)."""
    node = announcer(settings) or settings.node_names[-1]
    kubectl("taint", "node", node, "l2ops.lab/no-speaker=true:NoSchedule", "--overwrite")
    pods = kubectl_json("-n", METALLB_NAMESPACE, "get", "pods", "--field-selector", f"spec.nodeName={node}")["items"]
    for pod in pods:
        if any(o["name"] == _speaker() for o in pod["metadata"].get("ownerReferences", [])):
            kubectl("-n", METALLB_NAMESPACE, "delete", "pod", pod["metadata"]["name"], "--wait=true")


def _speaker_back(settings: Settings, _engine: Engine) -> None:
    for node in settings.node_names:
        kubectl("taint", "node", node, "l2ops.lab/no-speaker-", check=False)
    kubectl("-n", METALLB_NAMESPACE, "rollout", "status", f"daemonset/{_speaker()}", "--timeout=120s", timeout=150)


def announcer(_settings: Settings, service: str = "traefik") -> str | None:
    """The node that MetalLB's status names as announcing the service; None without one."""
    found = kubectl_json(
        "-n", METALLB_NAMESPACE, "get", "servicel2statuses", "-l", f"metallb.io/service-name={service}"
    )["items"]
    return str(found[0]["metadata"]["labels"]["metallb.io/node"]) if found else None


def _local_far(settings: Settings, _engine: Engine) -> None:
    """Policy Local, while the only pod is on a node that may not announce."""
    home = settings.node_names[-1]
    pin = {"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": home}}}}}
    kubectl("-n", "default", "patch", "deployment", "my-nginx", "-p", json.dumps(pin))
    kubectl("-n", "default", "rollout", "status", "deployment/my-nginx", "--timeout=60s")
    kubectl("-n", "default", "patch", "service", "my-nginx", "-p", '{"spec":{"externalTrafficPolicy":"Local"}}')
    others = [n for n in settings.node_names if n != home]
    selector = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": others}]}
    patch = json.dumps({"spec": {"nodeSelectors": [selector]}})
    kubectl("-n", METALLB_NAMESPACE, "patch", "l2advertisement", "l2-adv", "--type=merge", "-p", patch)


def _local_back(_settings: Settings, _engine: Engine) -> None:
    kubectl(
        "-n",
        METALLB_NAMESPACE,
        "patch",
        "l2advertisement",
        "l2-adv",
        "--type=json",
        "-p",
        '[{"op":"remove","path":"/spec/nodeSelectors"}]',
        check=False,
    )
    kubectl("-n", "default", "patch", "service", "my-nginx", "-p", '{"spec":{"externalTrafficPolicy":"Cluster"}}')
    kubectl(
        "-n", "default", "patch", "deployment", "my-nginx", "-p", '{"spec":{"template":{"spec":{"nodeSelector":null}}}}'
    )
    kubectl("-n", "default", "rollout", "status", "deployment/my-nginx", "--timeout=60s")


def _same_address(settings: Settings, _engine: Engine) -> None:
    """A second service asks for traefik's address on the same port."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "second",
            "namespace": "default",
            "annotations": {"metallb.io/loadBalancerIPs": settings.host(203)},
        },
        "spec": {"type": "LoadBalancer", "selector": {"app": "nginx"}, "ports": [{"port": 80}]},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(service))


def _same_address_undo(_settings: Settings, _engine: Engine) -> None:
    kubectl("-n", "default", "delete", "service", "second", "--ignore-not-found")


FAULTS = {
    "exclude-label": Fault(
        "the exclude label is back on every node (speakers ignore it or fall silent)", _label, _unlabel
    ),
    "interface-renamed": Fault(
        "the L2Advertisement names an interface that no node has",
        lambda s, e: _interfaces(["eth9"]),
        lambda s, e: _interfaces(["eth0"]),
    ),
    "rogue-host": Fault("a host that is no node holds the address of traefik/traefik", _rogue_on, _rogue_off),
    "squatter": Fault(
        "a host that is no node holds a pool address (.240) that no service has yet",
        lambda s, e: _rogue_on(s, e, 240),
        _rogue_off,
    ),
    "speaker-gone": Fault(
        "the announcing node loses its speaker pod, and it cannot come back", _speaker_gone, _speaker_back
    ),
    "local-policy-far-pod": Fault(
        "policy Local, and the only pod is on a node that may not announce", _local_far, _local_back
    ),
    "same-address": Fault("two services want one address and port", _same_address, _same_address_undo),
}


def listing() -> str:
    lines = [f"  {name:22} {fault.what}" for name, fault in FAULTS.items()]
    return "\n".join(["Faults (make lab-fault NAME=…, make lab-undo NAME=…):", *lines])


def _fault(name: str) -> Fault:
    if name not in FAULTS:
        raise LabError(f"There is no fault {name!r}.\n{listing()}")
    return FAULTS[name]


def inject(name: str, settings: Settings, engine: Engine) -> None:
    _fault(name).inject(settings, engine)
    say(f"Fault {name}: {FAULTS[name].what}. Take it back: make lab-undo NAME={name}")


def undo(name: str, settings: Settings, engine: Engine) -> None:
    _fault(name).undo(settings, engine)
    say(f"Fault {name} taken back")


__all__ = ["FAULTS", "Fault", "announcer", "inject", "listing", "undo", "wait_for"]
