# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""l2_ready against a small API server."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.l2ops.metallb.plugins.modules import l2_ready
from ansible_collections.l2ops.metallb.tests.unit.fake_api import FakeApi, Refused
from ansible_collections.l2ops.metallb.tests.unit.run_module import run
from ansible_collections.l2ops.metallb.tests.unit.world import World, l2_status

NAMESPACE = "metallb-system"
MEMBERLIST = {"name": "METALLB_ML_BIND_ADDR", "valueFrom": {}}


def labels(component, helm=True):
    if not helm:
        return {"app": "metallb", "component": component}
    return {
        "app.kubernetes.io/name": "metallb",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "Helm",
    }


def install(api, helm=True, ready=True, image="quay.io/metallb/{}:v0.15.3"):
    for kind, component, status in (
        ("Deployment", "controller", {"readyReplicas": int(ready), "updatedReplicas": 1}),
        (
            "DaemonSet",
            "speaker",
            {
                "desiredNumberScheduled": 2,
                "currentNumberScheduled": 2,
                "updatedNumberScheduled": 2,
                "numberReady": 2 if ready else 1,
            },
        ),
    ):
        marks = labels(component, helm)
        template = {
            "metadata": {"labels": marks},
            "spec": {"containers": [{"name": component, "image": image.format(component), "env": [MEMBERLIST]}]},
        }
        api.add(
            {
                "kind": kind,
                "metadata": {
                    "name": component,
                    "namespace": NAMESPACE,
                    "labels": marks,
                    "generation": 1,
                    "annotations": {"meta.helm.sh/release-name": "lb"} if helm else {},
                },
                "spec": {"replicas": 1, "selector": {"matchLabels": marks}, "template": template},
                "status": dict(status, observedGeneration=1),
            }
        )


def add_pod(api, component, **status):
    owner = "deployments" if component == "controller" else "daemonsets"
    workload = api.get(owner, component, NAMESPACE)
    api.add(
        {
            "kind": "Pod",
            "metadata": {
                "name": f"{component}-1",
                "namespace": NAMESPACE,
                "labels": workload["metadata"]["labels"],
                "ownerReferences": [{"kind": "DaemonSet", "uid": workload["metadata"]["uid"]}],
            },
            "spec": {"nodeName": "w-1"} if component == "speaker" else {},
            "status": status,
        }
    )


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setattr(l2_ready, "POLL", 0.01)
    with FakeApi() as fake:
        yield fake


def call(api, **arguments):
    return run(l2_ready, host=api.url, api_key="token", **arguments)


@pytest.mark.parametrize(
    "helm, image, method, release, version",
    [
        (True, "quay.io/metallb/{}:v0.15.3", "helm", "lb", "0.15.3"),
        (False, "registry:5000/{}:v0.16.1@sha256:0123", "manifests", "", "0.16.1"),
        (False, "registry:5000/{}", "manifests", "", ""),
        (True, "x/{}:main", "helm", "lb", "main"),
    ],
)
def test_what_works_is_described_and_left_alone(api, helm, image, method, release, version):
    install(api, helm=helm, image=image)
    before = api.version
    result = call(api)
    assert result["ready"] and not result["failed"] and not result["changed"]
    assert result["metallb"] == {"method": method, "namespace": NAMESPACE, "release": release, "version": version}
    assert api.version == before
    (post,) = api.sent("POST")
    assert post["query"]["dryRun"] == "All"
    assert post["body"]["spec"]["addresses"] == ["192.0.2.1/32"]


def test_it_waits_for_the_webhook_not_only_for_the_pods(api):
    install(api)
    api.fault("POST", "/apis/metallb.io", 500, 'failed calling webhook "x": connection refused', times=3)
    assert call(api)["ready"]
    assert len(api.sent("POST")) == 4


@pytest.mark.parametrize(
    "code, message",
    [(403, 'admission webhook "x" denied the request: overlaps'), (409, 'ipaddresspools "x" already exists')],
)
def test_a_refusal_is_an_answer(api, code, message):
    install(api)
    api.fault("POST", "/apis/metallb.io", code, message, times=9)
    assert call(api)["ready"]


def test_it_goes_on_as_soon_as_they_are_ready(api):
    install(api, ready=False)
    first_look = threading.Event()
    real = api.answer

    def answer(*arguments):
        reply = real(*arguments)
        first_look.set()
        return reply

    api.answer = answer

    def fix():
        first_look.wait(10)
        api.write("deployments", "controller", lambda obj: obj["status"].update(readyReplicas=1), NAMESPACE)
        api.write("daemonsets", "speaker", lambda obj: obj["status"].update(numberReady=2), NAMESPACE)

    threading.Thread(target=fix, daemon=True).start()
    assert call(api, timeout=30)["ready"]


def test_a_controller_that_finds_no_node(api):
    install(api, ready=False)
    add_pod(
        api,
        "controller",
        conditions=[
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": "0/3 nodes are available: 3 node(s) had untolerated taint",
            }
        ],
    )
    api.fault("POST", "/apis/metallb.io", 500, 'failed calling webhook "x": no endpoints available', times=99)
    result = call(api, timeout=0)
    assert result["failed"] and result["failure_kind"] == "findings"
    assert [one["code"] for one in result["causes"]] == ["MLB104", "MLB105"]
    assert result["msg"].startswith(
        "MetalLB is not ready after 0 s: MLB104 controller controller-1: Unschedulable: 0/3 nodes"
    )
    assert "0 of 1 controllers are ready" in result["lacking"]


def test_speakers_that_pod_security_keeps_away(api):
    install(api)
    api.write(
        "daemonsets", "speaker", lambda obj: obj["status"].update(currentNumberScheduled=0, numberReady=0), NAMESPACE
    )
    uid = api.get("daemonsets", "speaker", NAMESPACE)["metadata"]["uid"]
    api.add(
        {
            "kind": "Event",
            "metadata": {"name": "e", "namespace": NAMESPACE},
            "reason": "FailedCreate",
            "involvedObject": {"uid": uid},
            "message": 'violates PodSecurity "baseline:latest"',
        }
    )
    result = call(api, timeout=0)
    assert [one["code"] for one in result["causes"]] == ["MLB101"]


def test_a_speaker_that_crashes(api):
    install(api, ready=False)
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    add_pod(api, "speaker", containerStatuses=[{"name": "speaker", "ready": False, "state": state}])
    result = call(api, timeout=0)
    assert "MLB102 speaker speaker-1 on w-1: container speaker is waiting: CrashLoopBackOff" in result["msg"]


@pytest.mark.parametrize(
    "plural, name, change, lacking",
    [
        ("deployments", "controller", {"observedGeneration": 0}, "not yet looked at"),
        ("daemonsets", "speaker", {"observedGeneration": 0}, "not yet looked at"),
        ("daemonsets", "speaker", {"desiredNumberScheduled": 0}, "no node is to run a speaker"),
        ("daemonsets", "speaker", {"updatedNumberScheduled": 1}, "1 of 2 speakers"),
        ("deployments", "controller", {"updatedReplicas": 0}, "controllers are ready"),
    ],
)
def test_a_rollout_that_is_not_over(api, plural, name, change, lacking):
    install(api)
    api.write(plural, name, lambda obj: obj["status"].update(change), NAMESPACE)
    result = call(api, timeout=0)
    assert result["failed"] and any(lacking in one for one in result["lacking"])


def test_an_empty_namespace_is_not_waited_for_to_the_end(api, monkeypatch):
    monkeypatch.setattr(l2_ready, "EMPTY_PATIENCE", 0.05)
    result = call(api, timeout=3600)
    assert result["failed"] and result["metallb"]["method"] == "none"
    assert "namespace metallb-system holds nothing of MetalLB" in result["msg"]


def test_crds_that_are_not_there_are_said(api):
    install(api)
    api.absent.add("ipaddresspools")
    result = call(api, timeout=0)
    assert "the CRDs of MetalLB are not there" in result["msg"]


def test_a_missing_permission_is_no_reason_to_wait(api):
    install(api)
    api.forbidden.add(("create", "ipaddresspools"))
    result = call(api, timeout=3600)
    assert result["failed"] and result["failure_kind"] == "execution"
    assert 'resources: ["ipaddresspools"], verbs: ["create"]' in result["msg"]


def test_an_api_server_that_restarts_is_waited_for(api):
    install(api)
    real, count = api.answer, []

    def answer(method, path, *more):
        if method == "POST":
            count.append(1)
            if len(count) == 1:
                raise Refused(500, "etcdserver: leader changed")
            if len(count) == 2:
                raise Refused(500, 'failed calling webhook "x"')
        return real(method, path, *more)

    api.answer = answer
    first = call(api, timeout=0)
    assert first["failed"], "on the first look it is the caller's affair"
    assert call(api, timeout=30)["ready"]


def status(api, node, label=None):
    pods = api.objects["pods"].values()
    api.add(
        {
            "kind": "ServiceL2Status",
            "metadata": {
                "name": "l2-x",
                "namespace": NAMESPACE,
                "labels": {
                    "metallb.io/node": label or node,
                    "metallb.io/service-name": "web",
                    "metallb.io/service-namespace": "default",
                },
                "ownerReferences": [{"kind": "Pod", "uid": next(iter(pods))["metadata"]["uid"]}],
            },
            "status": {"node": node},
        }
    )


def test_statuses_are_waited_for_when_asked(api):
    install(api)
    add_pod(api, "speaker", conditions=[{"type": "Ready", "status": "True"}])
    missing = call(api, until="l2_status", services=["default/web"], timeout=0)
    assert missing["failed"] and "default/web has no ServiceL2Status" in missing["msg"]
    status(api, "w-1", label="w-2")
    wrong = call(api, until="l2_status", timeout=0)
    assert wrong["failed"] and "default/web says w-1" in wrong["msg"]
    api.remove("servicel2statuses", "l2-x", NAMESPACE)
    status(api, "w-1")
    assert call(api, until="l2_status", services=["default/web"])["ready"]
    assert call(api, until="l2_status")["ready"]


def of(world, plural, name):
    obj = world.get(plural, name)
    obj["metadata"].setdefault("generation", 1)
    return obj


def from_world(api, world):
    """The recorded cluster, served by the small API server."""
    for obj in (of(world, "deployments", "metallb-controller"), of(world, "daemonsets", "metallb-speaker")):
        obj["status"].update(observedGeneration=1, updatedReplicas=1, updatedNumberScheduled=4)
        obj["spec"]["selector"] = {"matchLabels": obj["spec"]["template"]["metadata"]["labels"]}
    snapshot = world.snapshot()
    for plural, objects in snapshot.objects.items():
        if plural in api.objects:
            for obj in objects:
                api.add({**obj, "metadata": {key: obj["metadata"][key] for key in obj["metadata"] if key != "uid"}})


def test_the_election_says_who_is_to_announce(api):
    """Statuses agree with themselves, and are wrong: only the election knows."""
    world = World()
    world.write_statuses = False
    world.objects["servicel2statuses"] += [l2_status("default/my-nginx", "cp-1"), l2_status("traefik/traefik", "cp-2")]
    for one in world.objects["servicel2statuses"]:
        one["metadata"].pop("ownerReferences")
    from_world(api, world)
    result = call(api, until="l2_status", timeout=0)
    assert result["failed"] and result["lacking"] == [
        "ServiceL2Status of default/my-nginx says cp-1, but the election gives cp-2"
    ]


def test_a_service_that_nobody_may_announce_is_named_with_its_cause(api):
    world = World()
    world.write_statuses = False
    world.get("services", "my-nginx")["spec"]["externalTrafficPolicy"] = "Local"
    world.get("l2advertisements", "l2-adv")["spec"]["nodeSelectors"] = [
        {"matchLabels": {"kubernetes.io/hostname": "cp-1"}}
    ]
    from_world(api, world)
    result = call(api, until="l2_status", services=["default/my-nginx"], timeout=0)
    assert result["lacking"][0] == "nobody may announce default/my-nginx"
    assert [one["code"] for one in result["causes"]] == ["MLB507"]
    assert "externalTrafficPolicy is Local" in result["msg"]


def no_secret(world):
    world.drop("secrets")


def no_memberlist(world):
    for obj in (*world.objects["daemonsets"], *world.objects["pods"]):
        spec = obj["spec"]["template"]["spec"] if obj["kind"] == "DaemonSet" else obj["spec"]
        for container in spec["containers"]:
            container["env"] = []


def rejected(world):
    state = world.get("configurationstates", "speaker-cp-1")
    state["status"].update(result="Invalid", errorSummary="secret type mismatch")


@pytest.mark.parametrize(
    ("change", "code"),
    [(no_secret, "MLB106"), (no_memberlist, "MLB107"), (rejected, "MLB111"), (lambda _world: None, None)],
)
def test_the_rules_name_what_pods_do_not_show(api, change, code):
    world = World()
    change(world)
    from_world(api, world)
    api.fault("POST", "/apis/metallb.io", 500, 'failed calling webhook "x": connection refused', times=9)
    result = call(api, timeout=0)
    assert result["failed"]
    assert [one["code"] for one in result["causes"]] == ["MLB105", *([code] if code else [])]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"timeout": -1}, "timeout"),
        ({"services": ["default/web"]}, "until=l2_status"),
        ({"services": ["web"], "until": "l2_status"}, "namespace/name"),
    ],
)
def test_wrong_arguments(api, wrong, said):
    result = call(api, **wrong)
    assert result["failed"] and said in result["msg"] and not api.requests
