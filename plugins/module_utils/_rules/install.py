# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Rules about the installation (MLB1xx)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.nodes import Node
from ansible_collections.l2ops.metallb.plugins.module_utils._model.objects import is_metallb_webhook
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    as_dict,
    as_list,
    as_text,
    listing,
    metadata_of,
    shorten,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._model.selectors import Selector
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Event, Service
from ansible_collections.l2ops.metallb.plugins.module_utils._model.workloads import Pod, Workload
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import (
    Context,
    Rule,
    Skip,
    plural,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

ENFORCE = "pod-security.kubernetes.io/enforce"


def _events_of(snapshot: Snapshot, workload: Workload) -> list[Event]:
    return snapshot.events.get((workload.kind, workload.namespace, workload.name), [])


def _ref(workload: Workload) -> Ref:
    return Ref(workload.kind, workload.namespace, workload.name)


def namespace_not_privileged(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    speaker = snapshot.speaker
    if speaker is None:
        raise Skip("there are no speakers")
    level = snapshot.namespaces.get(speaker.namespace, {}).get(ENFORCE, "")
    short = speaker.created < speaker.wanted
    refused = [
        one for one in _events_of(snapshot, speaker) if one.reason == "FailedCreate" and "PodSecurity" in one.message
    ]
    said = shorten(refused[-1].message) if refused and short else ""
    if level == "privileged" and not said:
        return
    if not said and not level and not short:
        # Whatever the cluster's default is, it let the speakers in.
        return
    if not said and not level and not _talos(snapshot):
        return
    ref = Ref("Namespace", "", speaker.namespace)
    if level in ("baseline", "restricted"):
        summary = f"it enforces pod security {level}, which speakers cannot keep: " + (
            f"{speaker.created} of {speaker.wanted} could be created"
            if short
            else "they are refused at their next start"
        )
    elif said:
        summary = f"pod security refuses the speakers: {speaker.created} of {speaker.wanted} could be created"
    else:
        summary = (
            f"it has no label {ENFORCE}, Talos then enforces baseline, and {speaker.created} of {speaker.wanted} speakers "
            "could be created"
        )
    yield Finding(
        "MLB101",
        ref,
        summary,
        fix=f"kubectl label namespace {speaker.namespace} --overwrite pod-security.kubernetes.io/enforce=privileged "
        "pod-security.kubernetes.io/audit=privileged pod-security.kubernetes.io/warn=privileged",
        evidence={"enforce": level, "event": said, "created": speaker.created, "wanted": speaker.wanted},
    )


def _talos(snapshot: Snapshot) -> bool:
    return any(node.os_image.startswith("Talos") for node in snapshot.nodes.values())


def speaker_not_ready(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    for node, pod in sorted(snapshot.speakers.by_node.items()):
        if pod.ready or pod.terminating or (snapshot.has("nodes") and node not in snapshot.nodes):
            continue
        there = snapshot.nodes.get(node)
        on = f"on {node}" if node else "on no node yet"
        if there is not None and there.ready is False:
            on += ", which is not ready itself,"
        yield Finding(
            "MLB102",
            Ref("Pod", pod.namespace, pod.name),
            f"the speaker {on} is not ready: {pod.why.rstrip('.')}",
            fix=_crash_fix(pod.why, "speaker")
            or f"kubectl -n {pod.namespace} describe pod {pod.name}; kubectl -n {pod.namespace} logs {pod.name} -c speaker"
            + (" --previous" if "exit code" in pod.why else ""),
            evidence={"node": node, "reason": pod.why},
            caused_by=("MLB106",) if _waits_for_secret(snapshot, pod) else (),
            changed=pod.changed,
        )


def speaker_missing(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    speaker = snapshot.speaker
    if speaker is None:
        raise Skip("there are no speakers")
    missing: dict[str, list[str]] = {}
    nowhere: set[str] = set()
    for advertisement in snapshot.advertisements:
        selected = context.election.nodes_of(advertisement)
        without = [name for name in selected if name not in snapshot.speakers.by_node]
        for name in without:
            missing.setdefault(name, []).append(advertisement.name)
        if selected and len(without) == len(selected):
            nowhere.add(advertisement.name)
    for name, advertisements in sorted(missing.items()):
        node = snapshot.nodes[name]
        alone = [one for one in advertisements if one in nowhere]
        why, fix = _why_no_speaker(snapshot, speaker, node)
        yield Finding(
            "MLB103",
            Ref("Node", "", name),
            f"{listing(advertisements, 3)} selects it, but it runs no speaker: {why}"
            + (f"; none of the nodes that {listing(alone, 3)} selects does" if alone else ""),
            fix=fix,
            severity="error" if alone else "warning",
            evidence={"advertisements": advertisements[:20], "taints": [str(taint) for taint in node.taints]},
            caused_by=("MLB101", "MLB106"),
            changed=max(node.changed, speaker.changed if speaker.created < speaker.wanted else 0.0),
        )


def _why_no_speaker(snapshot: Snapshot, speaker: Workload, node: Node) -> tuple[str, str]:
    taints = [taint for taint in node.taints if not speaker.tolerates(taint)]
    if taints:
        named = listing([str(taint) for taint in taints])
        return (
            f"its taint {named} is not tolerated",
            f"Add a toleration for {named} to the Helm value speaker.tolerations.",
        )
    wrong = [f"{key}={text}" for key, text in speaker.node_selector.items() if node.labels.get(key) != text]
    if wrong:
        named = listing(wrong)
        return (
            f"it lacks the label {named} of the speakers' nodeSelector",
            f"Label it: kubectl label node {node.name} {named}",
        )
    if speaker.created < speaker.wanted:
        failed = [one for one in _events_of(snapshot, speaker) if one.reason == "FailedCreate"]
        said = f": {shorten(failed[-1].message)}" if failed else ""
        return (
            f"only {speaker.created} of {speaker.wanted} speakers could be created{said}",
            f"kubectl -n {speaker.namespace} describe daemonset {speaker.name}",
        )
    return (
        "the DaemonSet has made none for it",
        f"kubectl -n {speaker.namespace} describe daemonset {speaker.name}: see its affinity and the node's taints",
    )


def controller_not_ready(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    controller = snapshot.controller
    if controller is None:
        raise Skip("there is no controller")
    if controller.ready > 0:
        yield from _new_controller_hangs(snapshot, controller)
        return
    pods = [pod for pod in snapshot.pods_of("controller") if not pod.terminating]
    fix = f"kubectl -n {controller.namespace} describe deployment {controller.name}, and its pods"
    if controller.wanted == 0:
        why, fix = (
            "it is scaled to 0",
            f"kubectl -n {controller.namespace} scale deployment {controller.name} --replicas 1",
        )
    elif controller.replica_failure:
        why = shorten(controller.replica_failure)
    elif pods:
        why = pods[0].why or "its pod has just become ready"
        if "taint" in why:
            fix = "Let the controller run on these nodes: Helm value controller.tolerations."
        fix = _crash_fix(why, "controller") or fix
    else:
        why = "it has no pod" if snapshot.has("pods") else "its pods could not be checked"
    yield Finding(
        "MLB104",
        _ref(controller),
        f"no controller is ready, so services get no address and pools cannot be changed: {why.rstrip('.')}",
        fix=fix,
        evidence={"reason": why},
        changed=max([controller.changed, *(pod.changed for pod in pods)]),
    )


def _new_controller_hangs(snapshot: Snapshot, controller: Workload) -> Iterator[Finding]:
    """An old pod works on, while the one of the new ReplicaSet does not come up."""
    pods = [pod for pod in snapshot.pods_of("controller") if not pod.terminating]
    working = {pod.labels.get(_TEMPLATE_HASH, "") for pod in pods if pod.ready}
    waiting = [pod for pod in pods if not pod.ready and pod.labels.get(_TEMPLATE_HASH, "") not in working]
    if not controller.progress_failure and not (waiting and working):
        return
    why = (waiting[0].why if waiting else shorten(controller.progress_failure)).rstrip(".")
    yield Finding(
        "MLB104",
        _ref(controller),
        f"a new controller does not start, and an old one works on: its settings are not in force, and when it goes, none is left: {why}",
        fix=_crash_fix(why, "controller")
        or f"kubectl -n {controller.namespace} rollout status deployment {controller.name}; back to what works: kubectl -n "
        f"{controller.namespace} rollout undo deployment {controller.name}",
        severity="warning",
        evidence={"reason": why, "progress": controller.progress_failure},
        changed=max([controller.changed, *(pod.changed for pod in waiting)]),
    )


_TEMPLATE_HASH = "pod-template-hash"


def _crash_fix(why: str, component: str) -> str:
    """What fixes a pod that does not run, by what its status says; "" where that is not enough."""
    if "OOMKilled" in why:
        return f"Raise or remove its memory limit: Helm value {component}.resources.limits.memory."
    if "ErrImage" in why or "ImagePull" in why or "InvalidImageName" in why:
        return f"See whether the nodes can pull this image: Helm values {component}.image.repository and {component}.image.tag."
    return ""


def webhook_not_ready(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    hooks_of: dict[str, list[dict[str, Any]]] = {}
    for obj in snapshot.raw("validatingwebhookconfigurations"):
        ours = [hook for hook in map(as_dict, as_list(obj.get("webhooks"))) if is_metallb_webhook(hook)]
        if ours:
            hooks_of[as_text(metadata_of(obj).get("name"))] = ours
    if not hooks_of:
        raise Skip("there is no ValidatingWebhookConfiguration with a webhook of MetalLB's")
    alive = {name for name, hooks in hooks_of.items() if any(_service_of(one) in snapshot.services for one in hooks)}
    for name, hooks in sorted(hooks_of.items()):
        told: set[tuple[str, str]] = set()
        for hook in hooks:
            key = _service_of(hook)
            if key in told:
                continue
            told.add(key)
            alike = [one for one in hooks if _service_of(one) == key]
            # A webhook by URL has no Service that could be looked at.
            reasons, fix = _webhook_faults(snapshot, name, alike[0], bool(alive - {name})) if any(key) else ([], "")
            if not reasons:
                continue
            ignored = all(one.get("failurePolicy") == "Ignore" for one in alike)
            gone = key not in snapshot.services and snapshot.has("services")
            yield Finding(
                "MLB105",
                Ref("ValidatingWebhookConfiguration", "", name),
                "the webhook cannot be asked, so "
                + (
                    "no change of a pool is checked (failurePolicy Ignore): "
                    if ignored
                    else "every change of a pool fails: "
                )
                + " and ".join(reasons),
                fix=fix,
                severity="warning" if ignored else "error",
                evidence={"service": "/".join(key), "reasons": reasons},
                # A configuration that is left over has nothing to do with the controller.
                caused_by=() if gone and alive - {name} else ("MLB113", "MLB104") if gone else ("MLB104",),
                changed=max([0.0, *(piece.changed for piece in snapshot.endpoints.get(key, ()))]),
            )


def _service_of(hook: dict[str, Any]) -> tuple[str, str]:
    service = as_dict(as_dict(hook.get("clientConfig")).get("service"))
    return as_text(service.get("namespace")), as_text(service.get("name"))


def _webhook_faults(snapshot: Snapshot, name: str, hook: dict[str, Any], another_works: bool) -> tuple[list[str], str]:
    """What keeps the API server from asking this webhook, and what fixes it where that is not the controller's affair."""
    key = _service_of(hook)
    path = "/".join(key)
    if snapshot.has("services") and key not in snapshot.services:
        delete = f"kubectl delete validatingwebhookconfiguration {name}"
        if another_works or not snapshot.installed:
            return [f"its service {path} does not exist"], f"It is left over from an earlier installation: {delete}"
        return [f"its service {path} does not exist"], (
            f"If the service belongs to this installation, install MetalLB again (role l2ops.metallb.install, or helm upgrade), which makes it; "
            f"if the configuration is left over from an earlier one: {delete}"
        )
    reasons = []
    if not as_dict(hook.get("clientConfig")).get("caBundle"):
        reasons.append("it has no CA bundle yet, which the controller writes when it starts")
    slices = snapshot.endpoints.get(key, [])
    if snapshot.has("endpointslices") and not any(one.serves for one in slices):
        reasons.append(f"service {path} has no ready endpoint")
    return reasons, ""


def _waits_for_secret(snapshot: Snapshot, pod: Pod) -> str:
    """The event that says that this pod's secret is not there."""
    for event in reversed(snapshot.events.get(("Pod", pod.namespace, pod.name), [])):
        if event.reason == "FailedMount" and "secret" in event.message and "not found" in event.message:
            return event.message
    return pod.why if "CreateContainerConfigError" in pod.why and "secret" in pod.why else ""


def memberlist_secret_missing(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    speaker = snapshot.speaker
    if speaker is None:
        raise Skip("there are no speakers")
    secret = speaker.memberlist_secret
    if not secret:
        return
    waiting = [(pod, _waits_for_secret(snapshot, pod)) for pod in snapshot.speakers.by_node.values() if not pod.ready]
    waiting = [(pod, said) for pod, said in waiting if said and secret in said]
    if snapshot.has("secrets"):
        there = any(
            metadata_of(obj).get("name") == secret and metadata_of(obj).get("namespace") in (None, speaker.namespace)
            for obj in snapshot.raw("secrets")
        )
        if there:
            return
    elif not waiting:
        # Pods that run mounted it once; more cannot be told without a look at the Secret.
        return
    yield Finding(
        "MLB106",
        Ref("Secret", speaker.namespace, secret),
        "the speakers refer to this Secret, and it does not exist"
        + (f": {plural(len(waiting), 'speaker')} cannot start" if waiting else ": they cannot start again"),
        fix=f"Restart the controller, which creates it: kubectl -n {speaker.namespace} rollout restart deployment. If it "
        "creates another one, let its METALLB_ML_SECRET_NAME and the speakers' volume name the same.",
        evidence={"event": shorten(waiting[0][1]) if waiting else "", "waiting": len(waiting)},
        caused_by=("MLB104",),
    )


def memberlist_disabled(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    if snapshot.speaker is None:
        raise Skip("there are no speakers")
    if snapshot.speakers.memberlist is None:
        raise Skip("whether memberlist is on cannot be seen: the speakers have no container of that name")
    if snapshot.speakers.memberlist is False:
        yield Finding(
            "MLB107",
            _ref(snapshot.speaker),
            "memberlist is off: when the node that announces an address dies, no other one takes over",
        )


def bgp_backend_without_use(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    if snapshot.raw("bgppeers") or snapshot.raw("bgpadvertisements"):
        return
    running = []
    if snapshot.has("daemonsets"):
        if snapshot.speaker is not None and snapshot.speaker.container("frr") is not None:
            running.append(("FRR", _ref(snapshot.speaker)))
        home = snapshot.metallb["namespace"]
        running += [
            ("frr-k8s", _ref(one))
            for one in snapshot.daemonsets
            if one.namespace == home
            and ("frr-k8s" in one.name or one.labels.get("app.kubernetes.io/component") == "frr-k8s")
            and one.wanted
        ]
    elif not snapshot.settings:
        raise Skip(snapshot.why_missing("daemonsets"))
    if snapshot.speaker is None and not snapshot.settings:
        raise Skip("there are no speakers")
    for setting, backend in (("frr", "FRR"), ("frrk8s", "frr-k8s")):
        if snapshot.settings.get(setting) is True and not running:
            running.append((backend, Ref("HelmValues", "", as_text(snapshot.settings.get("file")))))
    for backend, ref in running:
        yield Finding("MLB108", ref, f"{backend} runs, though nothing but layer 2 is configured")


def second_load_balancer(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    context.demand_metallb()
    ours = snapshot.load_balancer_services
    if snapshot.speakers.lb_class:
        # MetalLB keeps to its own class, so the others have the rest to themselves.
        return
    for obj in snapshot.raw("ciliumloadbalancerippools"):
        spec = as_dict(obj.get("spec"))
        if spec.get("disabled") is True:
            continue
        shared = [one for one in ours if _cilium_selects(spec, one)]
        if shared:
            yield Finding(
                "MLB109",
                Ref("CiliumLoadBalancerIPPool", "", as_text(metadata_of(obj).get("name"))),
                f"Cilium's LB-IPAM gives addresses to services that MetalLB serves as well, such as {shared[0].path}",
                evidence={"services": [one.path for one in shared[:20]]},
            )
    for workload in snapshot.daemonsets:
        klipper = workload.labels.get("svccontroller.k3s.cattle.io/svcname")
        if klipper is not None:
            yield Finding(
                "MLB109",
                _ref(workload),
                f"ServiceLB of k3s serves service {klipper} as well",
                fix="Start the k3s servers with --disable servicelb.",
            )
            continue
        for container in workload.containers:
            if "kube-vip/kube-vip" not in container.image or container.env.get("svc_enable", "").lower() != "true":
                continue
            if container.env.get("lb_class_only", "").lower() == "true":
                continue
            yield Finding(
                "MLB109",
                _ref(workload),
                "kube-vip gives addresses to services as well (svc_enable)",
                fix="Set svc_enable to false in kube-vip's environment, and keep it for the control plane's address; or keep "
                "kube-vip and give MetalLB a loadBalancerClass.",
            )
    if not snapshot.has("ciliumloadbalancerippools"):
        raise Skip(
            f"whether Cilium gives addresses cannot be seen: {snapshot.why_missing('ciliumloadbalancerippools')}"
        )


def _cilium_selects(spec: dict[str, Any], service: Service) -> bool:
    raw = spec.get("serviceSelector")
    if not raw:
        return True
    selector = Selector.from_object(raw)
    labels = dict(service.labels)
    # pseudo labels that Cilium adds
    labels["io.kubernetes.service.namespace"] = service.namespace
    labels["io.kubernetes.service.name"] = service.name
    return selector.matches(labels)


_MODE = re.compile(r"^\s*mode:\s*[\"']?ipvs[\"']?\s*$", re.MULTILINE)
_STRICT = re.compile(r"^\s*strictARP:\s*true\s*$", re.MULTILINE)


def ipvs_without_strict_arp(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    looked = []
    there = False
    for workload in snapshot.daemonsets:
        if workload.name != "kube-proxy":
            continue
        there = True
        for container in workload.containers:
            mode = container.flag("proxy-mode")
            if mode is None:
                continue
            looked.append(True)
            if mode == "ipvs" and (container.flag("ipvs-strict-arp") or "false").lower() != "true":
                yield Finding("MLB110", _ref(workload), "kube-proxy runs in mode ipvs without --ipvs-strict-arp")
    if looked:
        return
    for obj in snapshot.raw("configmaps"):
        if metadata_of(obj).get("name") != "kube-proxy":
            continue
        text = "\n".join(as_text(one) for one in as_dict(obj.get("data")).values())
        looked.append(True)
        if _MODE.search(text) and not _STRICT.search(text):
            yield Finding(
                "MLB110",
                Ref("ConfigMap", as_text(metadata_of(obj).get("namespace")), "kube-proxy"),
                "kube-proxy is configured for mode ipvs without strictARP",
                fix="Set ipvs.strictARP: true in this ConfigMap, then: kubectl -n kube-system rollout restart daemonset kube-proxy",
            )
    if looked:
        return
    if not snapshot.has("daemonsets", "configmaps"):
        raise Skip(snapshot.why_missing("daemonsets", "configmaps"))
    if there:
        raise Skip(
            "the mode of kube-proxy cannot be seen: its DaemonSet has no --proxy-mode, and there is no ConfigMap kube-proxy"
        )
    raise Skip(
        "no kube-proxy was found (DaemonSet or ConfigMap of that name): another program takes its place, or it runs outside of pods, as in k3s"
    )


def config_rejected(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    for state in snapshot.config_states:
        if state.result != "Invalid":
            continue
        # Up to 0.15.3 nobody removes the object of a node that is gone.
        if state.component == "speaker" and snapshot.has("nodes") and state.node not in snapshot.nodes:
            continue
        if state.component == "speaker" and snapshot.has("pods") and state.node not in snapshot.speakers.by_node:
            continue
        who = f"the speaker on {state.node}" if state.component == "speaker" else "the controller"
        yield Finding(
            "MLB111",
            Ref("ConfigurationState", state.namespace, state.name),
            f"{who} rejects the configuration: {shorten(state.error) or 'it does not say why'}",
            evidence={"error": state.error},
            # Speakers also refuse a configuration that would take the address of a living service away.
            caused_by=("MLB303", "MLB309", "MLB409", "MLB512"),
            changed=state.changed,
        )


def metallb_absent(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    lacking = []
    if snapshot.controller is None:
        lacking.append("no controller Deployment")
    if snapshot.speaker is None:
        lacking.append("no speaker DaemonSet")
    # A kind that the API server does not serve, as against one that may not be read.
    why = snapshot.missing.get("ipaddresspools", "")
    if "does not know" in why or "could not find the requested resource" in why:
        lacking.append("no kind IPAddressPool")
    if not lacking:
        return
    where = f"namespace {snapshot.namespace}" if snapshot.installed else "the cluster"
    yield Finding(
        "MLB112",
        Ref("Namespace", "", snapshot.metallb["namespace"] or snapshot.namespace),
        f"{where} has {' and '.join(lacking)}" + ("" if snapshot.installed else ": MetalLB is not installed"),
        evidence={"lacking": lacking},
    )


RULES = (
    Rule("MLB101", ("daemonsets", "namespaces"), namespace_not_privileged),
    Rule("MLB102", ("pods",), speaker_not_ready, transient=True),
    Rule("MLB103", ("nodes", "pods", "daemonsets", "l2advertisements"), speaker_missing, transient=True),
    Rule("MLB104", ("deployments",), controller_not_ready, transient=True),
    Rule("MLB105", ("validatingwebhookconfigurations", "endpointslices"), webhook_not_ready, transient=True),
    Rule("MLB106", ("daemonsets", "pods"), memberlist_secret_missing, subjects=("daemonsets",)),
    Rule("MLB107", ("daemonsets",), memberlist_disabled),
    Rule("MLB108", ("bgpadvertisements", "bgppeers"), bgp_backend_without_use, subjects=()),
    Rule("MLB109", ("daemonsets", "services"), second_load_balancer),
    Rule("MLB110", (), ipvs_without_strict_arp),
    Rule("MLB111", ("configurationstates",), config_rejected, transient=True),
    Rule("MLB112", ("deployments", "daemonsets"), metallb_absent, subjects=()),
)
