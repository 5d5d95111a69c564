# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters that are well, each in its own way: no error and no warning. What is installed otherwise than here is rendered.

The lab has images of MetalLB 0.15.3 only. The chart of 0.16.1 and the raw manifests of 0.15.3 are therefore taken from MetalLB's
Go modules, rendered, and put in the place of what is installed in a snapshot of the live cluster, with a ready pod for each.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import save
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import PLURALS
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot
from ansible_collections.l2ops.metallb.tests.integration.live import (
    EXCLUDE,
    HOME,
    advertisement,
    demo,
    pool,
    service,
    told,
)
from l2lab.cluster import kubectl
from l2lab.settings import BIN, CACHE

VARIANTS = {}


def variant(made):
    VARIANTS[made.__name__] = made
    return made


@variant
def dual_stack_services(live, keep):
    if not live.settings.dual_stack:
        pytest.skip("this lab has IPv4 only: LAB_DUAL_STACK=1")
    four, six = live.address(230), live.settings.host6(0x230)
    both = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}
    keep(live.applied(service("variant", f"{four},{six}", **both)), live.given("default/variant"))
    prefer = {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack"}
    keep(live.applied(service("variant-2", **prefer)), live.given("default/variant-2"))
    only = {"ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack"}
    keep(live.applied(service("variant-3", live.settings.host6(0x231), **only)), live.given("default/variant-3"))


@variant
def several_pools_and_advertisements(live, keep):
    keep(
        live.applied(
            pool("variant-a", f"{live.address(160)}-{live.address(165)}"),
            pool("variant-b", f"{live.address(170)}/32", serviceAllocation={"namespaces": ["default"], "priority": 10}),
            advertisement("variant-a", "variant-a"),
            advertisement("variant-both", "variant-a", "variant-b"),
        )
    )
    keep(live.applied(service("variant", live.address(160))), live.given("default/variant"))
    # Full with its one service, and nobody waits: that is what it is for.
    keep(live.applied(service("variant-2", live.address(170))), live.given("default/variant-2"))


@variant
def advertisements_by_node_and_pool_labels(live, keep):
    keep(live.labelled([live.nodes[0]], "l2ops.lab/zone=a"), live.labelled([live.nodes[-1]], "l2ops.lab/edge=b"))
    labelled = pool("variant", f"{live.address(160)}-{live.address(165)}")
    labelled["metadata"]["labels"] = {"zone": "a"}
    selectors = {"ipAddressPoolSelectors": [{"matchLabels": {"zone": "a"}}]}
    keep(
        live.applied(
            labelled,
            advertisement("variant-a", nodeSelectors=[{"matchLabels": {"l2ops.lab/zone": "a"}}], **selectors),
            advertisement(
                "variant-b",
                nodeSelectors=[{"matchExpressions": [{"key": "l2ops.lab/edge", "operator": "Exists"}]}],
                **selectors,
            ),
        )
    )
    keep(live.applied(service("variant", live.address(160))), live.given("default/variant"))


@variant
def services_that_share_an_address(live, keep):
    key = {"metallb.io/allow-shared-ip": "together"}
    for name, port in (("variant", 80), ("variant-2", 8080)):
        ports = [{"name": "web", "port": port, "targetPort": 80}]
        keep(
            live.applied(service(name, live.address(230), annotations=dict(key), ports=ports)),
            live.given(f"default/{name}"),
        )


@variant
def local_policy_with_a_pod_on_every_node(live, keep):
    keep(live.pod_on("variant", *live.nodes))
    keep(live.applied(service("variant", live.address(230), app="variant", externalTrafficPolicy="Local")))
    keep(live.given("default/variant"))


@variant
def a_service_of_another_controllers_class(live, keep):
    keep(live.applied(service("variant", loadBalancerClass="example.com/other")))
    # That controller is at work: it gave the service an address of its own. Without one the class is served by nobody (MLB517).
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}
    kubectl("patch", "service", "variant", "--subresource=status", "--type=merge", "-p", json.dumps(status))


@variant
def exclude_label_that_the_speakers_ignore(live, keep):
    keep(live.labelled(live.nodes, f"{EXCLUDE}="))


@variant
def a_cordoned_node(live, keep):
    keep(live.patched("node", live.nodes[-1], {"spec": {"unschedulable": True}}, namespace=""))


@variant
def a_service_that_asks_for_nothing(live, keep):
    keep(live.applied(service("variant")), live.given("default/variant"))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_healthy_cluster_has_no_finding(live, name):
    live.healthy()
    with ExitStack() as stack:

        def keep(*contexts):
            for one in contexts:
                stack.enter_context(one)

        VARIANTS[name](live, keep)
        # One call, as a user makes it: what is young must be waited for, not reported.
        findings = [one for one in live.diagnose()["findings"] if one["severity"] != "info" and not demo(one)]
        assert not findings, told(findings)
    live.healthy()


# -- other ways to install --------------------------------------------------------------------------------------------


def module_folder(version: str) -> Path:
    """MetalLB's own source, as the Go module proxy has it."""
    env = {**os.environ, "GOMODCACHE": str(CACHE / "go-mod"), "GOFLAGS": "-mod=mod", "GO111MODULE": "on"}
    done = subprocess.run(
        ["go", "mod", "download", "-json", f"go.universe.tf/metallb@v{version}"],
        env=env, cwd="/", text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=180, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"MetalLB {version} cannot be had: {(done.stderr or done.stdout).strip()[-200:]}")
    return Path(json.loads(done.stdout)["Dir"])


def chart(version: str, *values: str) -> list[dict]:
    done = subprocess.run(
        [str(BIN / "helm"), "template", "metallb", str(module_folder(version) / "charts" / "metallb"), "-n", HOME,
         "--include-crds", *(part for one in values for part in ("--set", one))],
        text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=True,
    )  # fmt: skip
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def manifests(version: str) -> list[dict]:
    text = (module_folder(version) / "config" / "manifests" / "metallb-native.yaml").read_text(encoding="utf-8")
    return [one for one in yaml.safe_load_all(text) if one]


COUNTS = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "replicas", "readyReplicas")


def installed_otherwise(live, objects: list[dict], folder: Path) -> Path:
    """A snapshot of the live cluster in which these objects stand for MetalLB's own workloads, running."""
    path = folder / "live.json"
    assert not live.info(save_to=str(path))["failed"]
    content = json.loads(path.read_text(encoding="utf-8"))
    there = content["objects"]
    speakers = {one["metadata"]["name"] for one in there["pods"] if "speaker" in one["metadata"]["name"]}
    there["pods"] = []
    there["deployments"] = []
    there["daemonsets"] = [one for one in there["daemonsets"] if one["metadata"]["namespace"] != HOME]
    there["configurationstates"] = []
    there["customresourcedefinitions"] = []
    assert speakers
    old = there["validatingwebhookconfigurations"]
    there["validatingwebhookconfigurations"] = []
    secret = ""
    for obj in objects:
        kind, metadata = obj.get("kind"), obj["metadata"]
        plural = PLURALS.get(kind, "")
        if kind in ("DaemonSet", "Deployment"):
            obj = copy.deepcopy(obj)
            metadata = obj["metadata"]
            metadata.update(namespace=HOME, uid=f"uid-{metadata['name']}", creationTimestamp="2026-01-01T00:00:00Z")
            spec = obj["spec"]["template"]["spec"]
            nodes = live.nodes if kind == "DaemonSet" else live.nodes[:1]
            obj["status"] = dict.fromkeys(COUNTS, len(nodes))
            there[plural].append(obj)
            for volume in spec.get("volumes", []):
                secret = volume.get("secret", {}).get("secretName", "") if volume["name"] == "memberlist" else secret
            for node in nodes:
                there["pods"].append(
                    {
                        "kind": "Pod",
                        "metadata": {
                            "name": f"{metadata['name']}-{node}",
                            "namespace": HOME,
                            "labels": obj["spec"]["template"]["metadata"]["labels"],
                            "ownerReferences": [{"kind": kind, "uid": metadata["uid"]}],
                        },
                        "spec": {**spec, "nodeName": node},
                        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
                    }
                )
        elif kind == "CustomResourceDefinition" and metadata["name"] == "l2advertisements.metallb.io":
            there[plural].append(obj)
        elif kind == "ValidatingWebhookConfiguration":
            # The controller writes the bundle; here it is the live one's.
            obj = copy.deepcopy(obj)
            for hook in obj["webhooks"]:
                hook["clientConfig"]["caBundle"] = old[0]["webhooks"][0]["clientConfig"]["caBundle"]
                hook["clientConfig"]["service"]["name"] = "metallb-webhook-service"
                hook["clientConfig"]["service"]["namespace"] = HOME
            there[plural].append(obj)
    there["secrets"] = [{"kind": "Secret", "metadata": {"name": secret, "namespace": HOME}}] if secret else []
    made = folder / "otherwise.json"
    save(Snapshot.from_objects(there, content["missing"], namespace=HOME, taken=content["taken"]), str(made))
    return made


L2_ONLY = ("speaker.frr.enabled=false", "frrk8s.enabled=false", "speaker.ignoreExcludeLB=true")


@pytest.mark.parametrize(
    ("version", "objects", "method"),
    [
        ("0.15.3", lambda: chart("0.15.3", *L2_ONLY), "helm"),
        ("0.16.1", lambda: chart("0.16.1", *L2_ONLY), "helm"),
        ("0.15.3", lambda: manifests("0.15.3"), "manifests"),
        ("0.16.1", lambda: manifests("0.16.1"), "manifests"),
    ],
    ids=["chart-0.15.3", "chart-0.16.1", "manifests-0.15.3", "manifests-0.16.1"],
)
def test_another_installation_has_no_finding(live, tmp_path, version, objects, method):
    live.healthy()
    path = installed_otherwise(live, objects(), tmp_path)
    info = live.info(snapshot=str(path))
    metallb = info["metallb"]
    assert (metallb["version"], metallb["method"]) == (version, method)
    assert metallb["memberlist"] and metallb["speakers_ready"] == len(live.nodes) and metallb["controller_ready"]
    found = live.diagnose(snapshot=str(path))
    findings = [one for one in found["findings"] if one["severity"] != "info" and not demo(one)]
    assert not findings, told(findings)
    # Nothing was passed over but what only the wire, the user or a repository's files (MLB412, MLB7xx) can know.
    skipped = {one["id"] for one in found["checks"] if one["result"] == "skipped"}
    assert {one for one in skipped if not one.startswith(("MLB6", "MLB7"))} <= {
        # A snapshot of another installation holds no ConfigurationState.
        "MLB111",
        "MLB302",
        "MLB310",
        "MLB405",
        "MLB406",
        "MLB412",
        "MLB413",
    }, skipped


def test_what_the_chart_of_0_16_1_would_run_by_itself_is_named(live, tmp_path):
    """frr-k8s is its default: not wrong, but worth knowing where nothing but layer 2 is configured."""
    path = installed_otherwise(live, chart("0.16.1"), tmp_path)
    found = live.diagnose(snapshot=str(path))["findings"]
    assert [one["object"]["name"] for one in found if one["code"] == "MLB108"] == ["metallb-frr-k8s"]
