# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Helm's record of a release: decoded, and compared with what is there."""

from __future__ import annotations

import base64
import copy
import gzip
import json

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.drift import Difference, differences, plural_of
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.release import (
    ReleaseError,
    decode,
    manifest_objects,
    release_secrets,
)
from ansible_collections.l2ops.metallb.plugins.modules import l2_info
from ansible_collections.l2ops.metallb.tests.unit.run_module import run
from ansible_collections.l2ops.metallb.tests.unit.served import served
from ansible_collections.l2ops.metallb.tests.unit.world import HOME, World

MANIFEST = """---
# Source: metallb/charts/crds/templates/crds.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations: {a: b}
  name: l2advertisements.metallb.io
spec: {group: metallb.io}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: metallb-excludel2
data:
  excludel2.yaml: |
    announcedInterfacesToExclude: ["^lo$"]
"""
SPEAKER = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "metallb-speaker", "labels": {"app.kubernetes.io/version": "v0.15.3"}},
    "spec": {
        "template": {
            "spec": {
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "tolerations": [
                    {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule", "operator": "Exists"},
                    {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule", "operator": "Exists"},
                ],
                "volumes": [{"name": "memberlist", "secret": {"secretName": "s", "defaultMode": 420}}],
                "containers": [
                    {
                        "name": "speaker",
                        "image": "quay.io/metallb/speaker:v0.15.3",
                        "args": ["--port=7472", "--ignore-exclude-lb"],
                        "env": [{"name": "A", "value": "1"}],
                        "ports": [{"name": "monitoring", "containerPort": 7472}],
                        "resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}},
                        "volumeMounts": [{"name": "x", "mountPath": "/a"}, {"name": "x", "mountPath": "/b"}],
                    }
                ],
            }
        }
    },
}
ROLE = {
    "kind": "ClusterRole",
    "metadata": {"name": "metallb:speaker"},
    "rules": [{"apiGroups": [""], "resources": ["nodes", "services"], "verbs": ["get", "list"]}],
}
HOOK = {
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "metallb-webhook-configuration"},
    "webhooks": [{"name": "a.metallb.io", "failurePolicy": "Fail", "clientConfig": {"caBundle": "Cg=="}}],
}


def pod(obj):
    return obj["spec"]["template"]["spec"]


def container(obj):
    return pod(obj)["containers"][0]


def defaults(obj):
    """What the API server and controllers add and rewrite."""
    pod(obj).update(dnsPolicy="ClusterFirst", schedulerName="default-scheduler")
    pod(obj)["tolerations"].reverse()
    container(obj).update(imagePullPolicy="IfNotPresent", terminationMessagePath="/dev/termination-log")
    container(obj)["args"].reverse()
    container(obj)["ports"][0]["protocol"] = "TCP"
    container(obj)["resources"]["limits"] = {"cpu": "1", "memory": "1024Mi"}
    container(obj)["volumeMounts"].reverse()
    obj["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    obj["status"] = {"numberReady": 4}


def compared(wanted, change):
    live = copy.deepcopy(wanted)
    change(live)
    key = (wanted["kind"], HOME if wanted["kind"] == "DaemonSet" else "", wanted["metadata"]["name"])
    return differences([wanted], {key: live}, HOME)


def test_defaults_quantities_and_order_are_no_difference():
    assert compared(SPEAKER, defaults) == []
    assert compared(HOOK, lambda obj: obj["webhooks"][0]["clientConfig"].update(caBundle="TUlJ")) == []
    assert compared(ROLE, lambda obj: obj["rules"][0]["verbs"].reverse()) == []


def emptied(obj, *names):
    for name in names:
        pod(obj).pop(name)


@pytest.mark.parametrize(
    ("wanted", "change", "problem", "path"),
    [
        (SPEAKER, lambda o: container(o)["args"].pop(), "differs", "containers[speaker].args"),
        (SPEAKER, lambda o: container(o)["args"].append("--lb-class=x"), "differs", "containers[speaker].args"),
        (SPEAKER, lambda o: container(o).update(image="x:y"), "differs", "containers[speaker].image"),
        (SPEAKER, lambda o: emptied(o, "tolerations"), "differs", "spec.tolerations"),
        (SPEAKER, lambda o: pod(o)["tolerations"].pop(), "differs", "spec.tolerations"),
        (SPEAKER, lambda o: pod(o)["nodeSelector"].update({"a.b/c": "d"}), "foreign", "nodeSelector.a.b/c"),
        (SPEAKER, lambda o: emptied(o, "nodeSelector"), "differs", "spec.nodeSelector"),
        (SPEAKER, lambda o: pod(o).update(affinity={"nodeAffinity": {}}), "foreign", "spec.affinity"),
        (SPEAKER, lambda o: container(o)["resources"]["limits"].update(cpu="2"), "differs", "limits.cpu"),
        (SPEAKER, lambda o: container(o)["ports"].clear(), "differs", "ports[monitoring]"),
        (SPEAKER, lambda o: container(o)["env"][0].update(value="2"), "differs", "env[A].value"),
        (SPEAKER, lambda o: container(o)["volumeMounts"].pop(), "differs", "volumeMounts[x]"),
        (SPEAKER, lambda o: o["metadata"]["labels"].clear(), "differs", "metadata.labels.app.kubernetes.io/version"),
        (ROLE, lambda o: o["rules"][0]["resources"].pop(), "differs", "rules"),
        (ROLE, lambda o: o["rules"].append({"verbs": ["*"]}), "differs", "rules"),
        (HOOK, lambda o: o["webhooks"][0].update(failurePolicy="Ignore"), "differs", "webhooks[a.metallb.io].failurePolicy"),
        (HOOK, lambda o: o["webhooks"].clear(), "differs", "webhooks[a.metallb.io]"),
    ],
)  # fmt: skip
def test_a_change_by_another_hand(wanted, change, problem, path):
    found = compared(wanted, change)
    assert [one.problem for one in found] == [problem], found
    assert found[0].path.endswith(path)
    assert Difference.from_result(found[0].as_result()) == found[0]


def test_what_is_missing_and_what_was_not_read():
    (one,) = differences([SPEAKER, ROLE], {("DaemonSet", HOME, "metallb-speaker"): None}, HOME)
    assert str(one) == f"DaemonSet {HOME}/metallb-speaker is missing"


def test_by_whom():
    def edit(obj):
        container(obj)["image"] = "x:y"
        obj["metadata"]["managedFields"] = [
            {"manager": "helm", "time": "1", "fieldsV1": {"f:spec": {"f:template": {}}}},
            {
                "manager": "kubectl-set",
                "time": "2",
                "fieldsV1": {
                    "f:spec": {
                        "f:template": {"f:spec": {"f:containers": {'k:{"name":"speaker"}': {".": {}, "f:image": {}}}}}
                    }
                },
            },
            {"manager": "kube-controller-manager", "time": "3", "subresource": "status", "fieldsV1": {"f:status": {}}},
        ]

    (one,) = compared(SPEAKER, edit)
    assert one.by == "kubectl-set" and "is x:y, the release sets quay.io/metallb/speaker:v0.15.3" in str(one)


def test_contents_of_secrets_are_never_shown():
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "b2xk"}, "stringData": {"a": "b"}}
    live = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "bmV3"}}
    assert differences([secret], {("Secret", HOME, "s"): live}, HOME) == []


def packed(release):
    data = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
    return {
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {
            "name": f"sh.helm.release.v1.{release['name']}.v{release['version']}",
            "namespace": HOME,
            "labels": {"owner": "helm", "status": release["info"]["status"]},
        },
        "data": {"release": data},
    }


RELEASE = {
    "name": "metallb",
    "namespace": HOME,
    "version": 10,
    "info": {"status": "deployed"},
    "chart": {"metadata": {"name": "metallb", "version": "0.15.3"}},
    "config": {"loadBalancerClass": "x"},
    "manifest": MANIFEST,
}


def test_a_release_is_decoded():
    release = decode(packed(RELEASE))
    assert (release.revision, release.status, release.chart_version) == (10, "deployed", "0.15.3")
    assert release.config == {"loadBalancerClass": "x"}
    names = [obj["metadata"]["name"] for obj in manifest_objects(release.manifest)]
    assert names == ["l2advertisements.metallb.io", "metallb-excludel2"]


@pytest.mark.parametrize("text", ["", "%%%", "eA==", base64.b64encode(base64.b64encode(b"[]")).decode()])
def test_what_is_no_release(text):
    with pytest.raises(ReleaseError):
        decode({"data": {"release": text}})


def test_the_newest_revision_counts_by_number():
    secrets = [packed({**RELEASE, "version": number}) for number in (9, 10, 2)]
    assert [one[0] for one in release_secrets(secrets, HOME, "metallb")] == [10, 9, 2]
    assert release_secrets(secrets, HOME, "other") == []


@pytest.mark.parametrize(
    ("kind", "plural"),
    [("NetworkPolicy", "networkpolicies"), ("ClusterRole", "clusterroles"), ("Ingress", "ingresses")],
)
def test_plurals(kind, plural):
    assert plural_of(kind) == plural


def test_l2_info_returns_what_differs():
    world = World()
    world.objects["secrets"] += [
        packed({**RELEASE, "version": 9, "info": {"status": "superseded"}}),
        packed(RELEASE),
        packed({**RELEASE, "version": 11, "info": {"status": "failed"}}),
    ]
    with served(world) as (_api, connection):
        for secret in world.objects["secrets"]:
            _api.add(secret)
        release = run(l2_info, **connection)["release"]
    assert release["revision"] == 10 and release["latest"] == {"revision": 11, "status": "failed"}
    assert "loadBalancerClass" not in json.dumps(release)
    assert [one["summary"] for one in release["differences"]] == [f"ConfigMap {HOME}/metallb-excludel2 is missing"]


def test_without_the_right_to_read_secrets_it_is_said():
    world = World()
    world.hide("secrets")
    with served(world) as (_api, connection):
        result = run(l2_info, **connection)
    assert (
        result["release"] == {}
        and "Helm's record of release metallb is a Secret" in result["skipped_kinds"]["releases"]
    )


@pytest.mark.parametrize(
    "manifest",
    [
        30_000 * "[" + 30_000 * "]",
        30_000 * "- " + "a",
        "a: 2026-13-45",
        "a: !!int ''",
        "a: !!bool x",
        "a: " + 6000 * "7",
    ],
    ids=["brackets", "dashes", "date", "int", "bool", "digits"],
)
def test_a_manifest_that_is_odd_is_an_error_and_no_crash(manifest):
    """libyaml recurses in C: 30,000 brackets ended the process."""
    with pytest.raises(ReleaseError, match="cannot be read"):
        manifest_objects(manifest)


def test_a_release_that_is_nested_deeply_is_an_error():
    packed = base64.b64encode(base64.b64encode(gzip.compress(100_000 * b"["))).decode()
    with pytest.raises(ReleaseError, match="too deeply"):
        decode({"data": {"release": packed}})
