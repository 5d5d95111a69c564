# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real cluster to break, judged by the collection's own modules, run in this process: a look costs tens of milliseconds."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Callable

from ansible_collections.l2ops.metallb.plugins.modules import l2_diagnose, l2_info, l2_ready, l2_validate
from ansible_collections.l2ops.metallb.tests.unit.run_module import run
from l2lab import host
from l2lab.cluster import kubectl, kubectl_json
from l2lab.settings import KUBECONFIG, Settings

Object = dict[str, Any]
HOME = "metallb-system"
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
# What a cluster may take to come to rest after the worst of these faults.
PATIENCE = 25.0
# The same where a kubelet starts again: it may have to wait for a busy API server before it looks at its pods.
KUBELET_PATIENCE = 60.0
AT_ONCE = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}}


def pool(name: str, *addresses: str, **spec: Any) -> Object:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"addresses": list(addresses), "autoAssign": False, **spec},
    }


def advertisement(name: str, *pools: str, **spec: Any) -> Object:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "L2Advertisement",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"interfaces": ["eth0"], **({"ipAddressPools": list(pools)} if pools else {}), **spec},
    }


def service(name: str, address: str = "", app: str = "my-nginx", **more: Any) -> Object:
    """A LoadBalancer service in front of a demo deployment's pods. more goes into spec, annotations and labels aside."""
    annotations = dict(more.pop("annotations", {}))
    if address:
        annotations.setdefault("metallb.io/loadBalancerIPs", address)
    labels = more.pop("labels", {})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations, "labels": labels},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": app},
            "ports": [{"name": "web", "port": 80, "targetPort": 80}],
            **more,
        },
    }


def told(findings: list[Object]) -> str:
    return "\n".join(
        f"  {one['code']} {one['severity']} {path_of(one)}: {one['summary']} {one['caused_by'] or ''}"
        for one in findings
    )


def path_of(finding: Object) -> str:
    ref = finding["object"]
    return f"{ref['namespace']}/{ref['name']}" if ref["namespace"] else str(ref["name"])


# What differs from Helm's release.
DRIFT = ("MLB113", "MLB114", "MLB115")


class Live:
    """The lab. Nothing that it changes stays: every change is a context manager."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.engine = host.engine(self.settings)

    # -- judging ------------------------------------------------------------------------------------------------------

    def diagnose(self, **options: Any) -> Object:
        return self._judged(l2_diagnose, options)

    def validate(self, **options: Any) -> Object:
        return self._judged(l2_validate, options)

    def info(self, **options: Any) -> Object:
        return run(l2_info, kubeconfig=str(KUBECONFIG), **options)

    @staticmethod
    def _judged(module: Any, options: Object) -> Object:
        """drift: whether what differs from Helm's release counts. The tests change a lot of it on purpose."""
        if not options.pop("drift", False):
            options = {**options, "ignore": [*options.get("ignore", []), *DRIFT]}
        result = run(module, kubeconfig=str(KUBECONFIG), fail_on="never", **options)
        assert not result["failed"], result
        return result

    def healthy(self, patience: float = PATIENCE, **options: Any) -> None:
        """Wait until all is well: no error, and no warning but of the demo's own deprecated annotation.

        MetalLB 0.15.3 leaves ServiceL2Status wrong or missing after a failover. That is a finding (MLB510), and its own fix
        is what fixes it here.
        """
        found: list[Object] = []

        def rest() -> bool:
            findings = self.diagnose(settle=0, **options)["findings"]
            found[:] = [one for one in findings if one["severity"] != "info" and not demo(one)]
            return not found

        # A speaker that starts before the others writes its status again after the first removal.
        for seconds in (2, patience, patience):
            if wait(rest, seconds):
                return
            for one in found:
                if one["code"] == "MLB510":
                    subprocess.run(
                        one["fix"].partition(":")[0], shell=True, check=False, capture_output=True, timeout=60
                    )
        pods = kubectl("-n", HOME, "get", "pods", "-o", "wide", check=False)
        events = kubectl("-n", HOME, "get", "events", "--sort-by=.lastTimestamp", check=False).splitlines()[-15:]
        raise AssertionError("\n".join([f"not healthy after twice {patience:.0f} s:", told(found), pods, *events]))

    # -- the wire -----------------------------------------------------------------------------------------------------

    def probe(self, addresses: list[str], expected: Object | None = None) -> Object:
        """l2_probe on the LAN client, with the nodes' own MACs."""
        arguments = {"targets": addresses, "nodes": self.addresses, "expected": expected or {}, "fail_on": "never"}
        return ansible("lan-client", "l2_probe", arguments)

    # -- things that are there ----------------------------------------------------------------------------------------

    @property
    def nodes(self) -> list[str]:
        return self.settings.node_names

    @cached_property
    def addresses(self) -> dict[str, list[str]]:
        return {
            one["metadata"]["name"]: [a["address"] for a in one["status"]["addresses"] if a["type"] == "InternalIP"]
            for one in kubectl_json("get", "nodes")["items"]
        }

    def address(self, number: int) -> str:
        return self.settings.host(number)

    def speakers_on(self, node: str) -> list[str]:
        names = kubectl(
            "-n", HOME, "get", "pods", "-l", "app.kubernetes.io/component=speaker", "--field-selector",
            f"spec.nodeName={node}", "-o", "jsonpath={.items[*].metadata.name}",
        )  # fmt: skip
        return names.split()

    def speaker_on(self, node: str) -> str:
        assert wait(lambda: bool(self.speakers_on(node)), 30), f"no speaker on {node}"
        return self.speakers_on(node)[-1]

    def announced(self) -> set[str]:
        """MetalLB's services."""
        return {one["name"] for one in self.info()["services"]}

    def announcer(self, path: str) -> str:
        return next(one["elected"] for one in self.info()["services"] if one["name"] == path)

    def links(self) -> dict[str, list[Object]]:
        """Facts of the nodes' interfaces, as the option interfaces takes them."""
        found = {}
        for node in self.nodes:
            raw = json.loads(self.engine.execute(node, "ip", "-j", "address").stdout)
            found[node] = [
                {
                    "name": one["ifname"],
                    "up": "UP" in one["flags"],
                    "master": one.get("master", ""),
                    "arp": "NOARP" not in one["flags"],
                    "addresses": [f"{a['local']}/{a['prefixlen']}" for a in one["addr_info"]],
                }
                for one in raw
            ]
        return found

    # -- changes ------------------------------------------------------------------------------------------------------

    @contextmanager
    def applied(self, *objects: Object) -> Iterator[None]:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        try:
            kubectl("apply", "-f", "-", stdin=text)
            yield
        finally:
            kubectl("delete", "--ignore-not-found", "--wait=true", "-f", "-", stdin=text)

    @contextmanager
    def patched(self, kind: str, name: str, patch: Any, namespace: str = HOME, how: str = "merge") -> Iterator[None]:
        """Patched, and then put back as it was, spec for spec."""
        scope = ("-n", namespace) if namespace else ()
        before = kubectl_json(*scope, "get", kind, name)
        try:
            kubectl(*scope, "patch", kind, name, f"--type={how}", "-p", json.dumps(patch))
            yield
        finally:
            self.put_back(kind, before)

    @staticmethod
    def put_back(kind: str, before: Object) -> None:
        """An object's own fields as they were. The API server adds its own to the rest."""
        metadata = before["metadata"]
        scope = ("-n", metadata["namespace"]) if metadata.get("namespace") else ()
        now = kubectl_json(*scope, "get", kind, metadata["name"])
        steps = [
            {"op": "replace" if field in now else "add", "path": f"/{field}", "value": before[field]}
            for field in ("spec", "data", "webhooks")
            if field in before and before[field] != now.get(field)
        ]
        for field in ("labels", "annotations"):
            if metadata.get(field) != now["metadata"].get(field):
                steps.append({"op": "add", "path": f"/metadata/{field}", "value": metadata.get(field) or {}})
        if steps:
            kubectl(*scope, "patch", kind, metadata["name"], "--type=json", "-p", json.dumps(steps))

    @contextmanager
    def labelled(self, nodes: list[str], text: str) -> Iterator[None]:
        key = text.partition("=")[0]
        try:
            kubectl("label", "nodes", *nodes, "--overwrite", text)
            yield
        finally:
            kubectl("label", "nodes", *nodes, f"{key}-")

    @contextmanager
    def condition(self, nodes: list[str], kind: str) -> Iterator[None]:
        """A condition that no kubelet writes, True on these nodes."""
        try:
            for node in nodes:
                self.set_condition(node, kind, "True")
            yield
        finally:
            for node in nodes:
                self._patch_status(node, {"type": kind, "$patch": "delete"})

    def set_condition(self, node: str, kind: str, status: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._patch_status(
            node, {"type": kind, "status": status, "reason": "Test", "message": "by a test", "lastTransitionTime": now}
        )

    @staticmethod
    def _patch_status(node: str, condition: Object) -> None:
        patch = json.dumps({"status": {"conditions": [condition]}})
        kubectl("patch", "node", node, "--subresource=status", "--type=strategic", "-p", patch)

    @contextmanager
    def deleted(self, kind: str, name: str, *how: str, namespace: str = HOME) -> Iterator[None]:
        """Gone, and then made again as it was."""
        before = kubectl_json("-n", namespace, "get", kind, name)
        for field in ("resourceVersion", "uid", "creationTimestamp", "generation"):
            before["metadata"].pop(field, None)
        before.pop("status", None)
        try:
            kubectl("-n", namespace, "delete", kind, name, *how)
            yield
        finally:
            # Whoever owns it may have been quicker.
            kubectl("create", "-f", "-", stdin=json.dumps(before), check=False)

    @contextmanager
    def pool(self, called: str, *addresses: str, **spec: Any) -> Iterator[None]:
        """A pool and an advertisement of the same name, whose spec this is."""
        with self.applied(pool(called, *addresses), advertisement(called, called, **spec)):
            yield

    @contextmanager
    def given(self, path: str) -> Iterator[None]:
        """Go on when this service has its address."""
        namespace, _slash, name = path.partition("/")

        def has() -> bool:
            return bool(
                kubectl("-n", namespace, "get", "service", name, "-o", "jsonpath={.status.loadBalancer.ingress}")
            )

        assert wait(has, 30), f"{path} got no address"
        yield

    @contextmanager
    def pod_on(self, app: str, *nodes: str) -> Iterator[None]:
        """A web server on each of these nodes."""
        container = {
            "name": "web",
            "image": "registry.k8s.io/e2e-test-images/agnhost:2.57",
            "args": ["netexec", "--http-port=80", "--udp-port=-1"],
            "readinessProbe": {"httpGet": {"path": "/hostname", "port": 80}, "periodSeconds": 1},
        }
        pods = [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"{app}-{place}", "namespace": "default", "labels": {"app": app}},
                "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]},
            }
            for place, node in enumerate(nodes)
        ]
        with self.applied(*pods):
            kubectl(
                "-n",
                "default",
                "wait",
                "pods",
                "-l",
                f"app={app}",
                "--for=condition=Ready",
                "--timeout=60s",
                timeout=90,
            )
            yield

    @contextmanager
    def advertised_from(self, *nodes: str) -> Iterator[None]:
        """The main pool from these nodes only."""
        selector = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}]}
        with self.patched("l2advertisement", "l2-adv", {"spec": {"nodeSelectors": [selector]}}):
            yield

    @contextmanager
    def without_speaker(self, node: str) -> Iterator[None]:
        """Its speaker goes, and a taint keeps the next one out."""
        kubectl("taint", "node", node, "l2ops.lab/no-speaker=true:NoSchedule", "--overwrite")
        try:
            self.drop_speaker(node)
            yield
        finally:
            kubectl("taint", "node", node, "l2ops.lab/no-speaker-")
            # The DaemonSet's own count lags behind the taint.
            assert wait(lambda: bool(self.speakers_on(node))), f"no speaker came back to {node}"
            self.rolled_out()

    @contextmanager
    def brisk(self) -> Iterator[None]:
        """Probes that look every second from the start: MetalLB's chart waits ten seconds, and here many pods are replaced.

        How long a pod may fail before it is not ready stays as in the chart, 30 s: with three seconds, a busy machine's pause
        is a fault of its own.
        """
        before = [
            (kind, name, kubectl_json("-n", HOME, "get", kind, name))
            for kind, name in (("daemonset", "metallb-speaker"), ("deployment", "metallb-controller"))
        ]

        def change(kind: str, name: str, steps: list[Object]) -> None:
            if kind == "daemonset":
                steps = [*steps, {"op": "add", "path": "/spec/updateStrategy", "value": AT_ONCE}]
            kubectl("-n", HOME, "patch", kind, name, "--type=json", "-p", json.dumps(steps))

        for kind, name, workload in before:
            containers = workload["spec"]["template"]["spec"]["containers"]
            probe = "/spec/template/spec/containers/{at}/readinessProbe/{field}"
            steps = [
                {"op": "add", "path": probe.format(at=at, field=field), "value": seconds}
                for at, container in enumerate(containers)
                if "readinessProbe" in container
                for field, seconds in (("initialDelaySeconds", 0), ("periodSeconds", 1), ("failureThreshold", 30))
            ]
            change(kind, name, steps)
            kubectl("-n", HOME, "annotate", kind, name, "--overwrite", f"l2ops.metallb/ignore={','.join(DRIFT)}")
        try:
            for kind, name, _workload in before:
                self.rolled_out(f"{kind}/{name}")
            yield
        finally:
            for kind, name, workload in before:
                kubectl("-n", HOME, "annotate", kind, name, "l2ops.metallb/ignore-")
                change(kind, name, [{"op": "replace", "path": "/spec/template", "value": workload["spec"]["template"]}])
            for kind, name, workload in before:
                self.rolled_out(f"{kind}/{name}")
                self.put_back(kind, workload)

    @contextmanager
    def bare_speakers(self, memberlist: bool = False) -> Iterator[None]:
        """Speakers without --ignore-exclude-lb, and without memberlist unless asked for; rolled out all at once."""
        daemonset = kubectl_json("-n", HOME, "get", "daemonset", "metallb-speaker")
        spec = daemonset["spec"]["template"]["spec"]
        ((at, container),) = [pair for pair in enumerate(spec["containers"]) if pair[1]["name"] == "speaker"]
        path = f"/spec/template/spec/containers/{at}"
        env = [one for one in container["env"] if memberlist or one["name"] != "METALLB_ML_BIND_ADDR"]
        steps = [
            {
                "op": "replace",
                "path": f"{path}/args",
                "value": [one for one in container["args"] if "exclude" not in one],
            },
            {"op": "replace", "path": f"{path}/env", "value": env},
            {"op": "add", "path": "/spec/updateStrategy", "value": AT_ONCE},
        ]
        with self.patched("daemonset", "metallb-speaker", steps, how="json"):
            self.rolled_out()
            yield
            # Back at once, too: the strategy goes last.
            template = {"op": "replace", "path": "/spec/template", "value": daemonset["spec"]["template"]}
            kubectl("-n", HOME, "patch", "daemonset", "metallb-speaker", "--type=json", "-p", json.dumps([template]))
            self.rolled_out()

    def drop_speaker(self, node: str) -> None:
        kubectl("-n", HOME, "delete", "pod", self.speaker_on(node), "--wait=true", "--grace-period=1")

    def rolled_out(self, workload: str = "daemonset/metallb-speaker", namespace: str = HOME) -> None:
        kubectl("-n", namespace, "rollout", "status", workload, "--timeout=120s", timeout=150)
        if "controller" in workload:
            # Ready comes before the webhook can be reached from the API server.
            result = run(l2_ready, kubeconfig=str(KUBECONFIG), timeout=60)
            assert result["ready"], result["msg"]

    @staticmethod
    def ready(node: str) -> None:
        kubectl("wait", "node", node, "--for=condition=Ready", "--timeout=60s", timeout=90)

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """Go on when the API server no longer asks the webhook about pools: it learns that within a second."""
        trial = json.dumps(pool("matrix-trial", *self.settings.pool))

        def taken() -> bool:
            return "created" in kubectl("create", "--dry-run=server", "-f", "-", stdin=trial, check=False)

        assert wait(taken, 20), "the webhook still refuses a pool that overlaps"
        yield

    @staticmethod
    def past_the_last_event(reason: str) -> None:
        """Wait until the clock has left the second of the last event with this reason."""

        def past() -> bool:
            events = kubectl_json("get", "events", "--all-namespaces", f"--field-selector=reason={reason}")["items"]
            last = max((one["lastTimestamp"] for one in events), default="")
            return last < time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))

        assert wait(past, 20)

    @staticmethod
    def nobody_behind_the_webhook() -> None:
        def gone() -> bool:
            slices = kubectl_json(
                "-n", HOME, "get", "endpointslices", "-l", "kubernetes.io/service-name=metallb-webhook-service"
            )
            return not any(one.get("endpoints") for one in slices["items"])

        assert wait(gone, 30), "the webhook still has endpoints"


def demo(finding: Object) -> bool:
    """The demo's my-nginx carries the deprecated annotation on purpose, as the source document's service does."""
    return finding["code"] == "MLB504" and finding["object"]["name"] == "my-nginx"


def wait(holds: Callable[[], bool], seconds: float = PATIENCE, pause: float = 0.3) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def ansible(target: str, module: str, arguments: Object) -> Object:
    """One task on one host of the lab's inventory."""
    done = subprocess.run(
        ["ansible", target, "-m", f"l2ops.metallb.{module}", "-a", json.dumps(arguments)],
        env={
            **os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", "ANSIBLE_NOCOLOR": "1",
        },
        text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=180, check=False,
    )  # fmt: skip
    start = done.stdout.find("{")
    assert start >= 0, done.stdout + done.stderr
    return json.JSONDecoder().raw_decode(done.stdout[start:])[0]
