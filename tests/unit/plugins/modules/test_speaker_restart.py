# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""speaker_restart against a small API server whose DaemonSet controller and speakers are played by the test."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.modules import speaker_restart
from ansible_collections.l2ops.metallb.tests.unit.fake_api import FakeApi
from ansible_collections.l2ops.metallb.tests.unit.run_module import run

NAMESPACE = "metallb-system"
LABELS = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
NODES = ["cp-1", "w-1", "w-2"]


class Speakers:
    """Brings a new pod for each that goes."""

    def __init__(self, api):
        self.api = api
        self.count = 0
        self.broken = set()
        self.unplaced = set()
        for name in NODES:
            api.add({"kind": "Node", "metadata": {"name": name}})
        self.daemonset = api.add(
            {
                "kind": "DaemonSet",
                "metadata": {"name": "metallb-speaker", "namespace": NAMESPACE, "labels": LABELS},
                "spec": {"selector": {"matchLabels": LABELS}, "template": {"metadata": {"labels": LABELS}}},
            }
        )
        for name in NODES:
            self.pod(name)
        api.reaction = self.react

    def pod(self, node):
        self.count += 1
        ready = node not in self.broken
        uid = self.daemonset["metadata"]["uid"]
        status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
        if not ready:
            waiting = {"reason": "CrashLoopBackOff", "message": "back-off"}
            status["containerStatuses"] = [{"name": "speaker", "ready": False, "state": {"waiting": waiting}}]
        return self.api.add(
            {
                "kind": "Pod",
                "metadata": {
                    "name": f"speaker-{self.count}",
                    "namespace": NAMESPACE,
                    "labels": LABELS,
                    "ownerReferences": [{"kind": "DaemonSet", "uid": uid}],
                },
                "spec": {"nodeName": node},
                "status": status,
            }
        )

    def react(self, event, plural, obj):
        if event == "DELETED" and plural == "pods":
            node = obj["spec"]["nodeName"]
            if node not in self.unplaced:
                self.pod(node)

    def status(self, name, service, node, label=None):
        owner = next(pod for pod in self.api.objects["pods"].values() if pod["spec"]["nodeName"] == (label or node))
        return self.api.add(
            {
                "kind": "ServiceL2Status",
                "metadata": {
                    "name": name,
                    "namespace": NAMESPACE,
                    "labels": {
                        "metallb.io/node": label or node,
                        "metallb.io/service-name": service,
                        "metallb.io/service-namespace": "default",
                    },
                    "ownerReferences": [{"kind": "Pod", "uid": owner["metadata"]["uid"]}],
                },
                "status": {"node": node, "serviceName": service, "serviceNamespace": "default"},
            }
        )


@pytest.fixture
def api():
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def speakers(api, monkeypatch):
    for name, seconds in (("POLL", 0.01), ("PATIENCE", 0.03), ("QUIET", 0.05), ("NODE_CHECK", 0.1)):
        monkeypatch.setattr(speaker_restart, name, seconds)
    return Speakers(api)


def call(api, **arguments):
    return run(speaker_restart, host=api.url, api_key="token", **arguments)


def test_one_after_the_other_and_the_daemonset_stays_as_it_is(api, speakers):
    speakers.status("x", "web", "cp-1")
    api.requests.clear()
    result = call(api, reason="a test", settle=0)
    assert result["changed"] and not result["failed"]
    assert result["planned_nodes"] == ["w-1", "w-2", "cp-1"], "those that announce nothing come first"
    assert [one["node"] for one in result["restarted"]] == result["planned_nodes"]
    assert result["reason"] == "a test" and result["daemonset"] == "metallb-speaker"
    assert not api.sent("PATCH", "POST")
    deletions = [number for number, one in enumerate(api.requests) if one["method"] == "DELETE"]
    assert len(deletions) == 3
    assert all(api.requests[number + 1]["method"] == "GET" for number in deletions), "each is waited for"


def test_check_mode_says_the_same_and_deletes_nothing(api, speakers):
    result = call(api, check=True)
    assert result["changed"] and result["planned_nodes"] == NODES and result["restarted"] == []
    assert not api.sent("DELETE")


def test_only_the_nodes_that_were_meant(api, speakers):
    assert [one["node"] for one in call(api, nodes=["w-2"], settle=0)["restarted"]] == ["w-2"]
    result = call(api, nodes=["w-2", "zz"])
    assert result["failed"] and "zz" in result["msg"] and "cp-1, w-1, w-2" in result["msg"]
    assert len(api.sent("DELETE")) == 1


def test_a_speaker_that_does_not_come_back_stops_it_and_says_why(api, speakers):
    speakers.broken.add("w-1")
    result = call(api, timeout=1)
    assert result["failed"] and result["changed"] and result["failure_kind"] == "execution"
    assert [one["node"] for one in result["restarted"]] == ["cp-1"]
    assert "w-1" in result["msg"] and "CrashLoopBackOff (back-off)" in result["msg"] and "MLB102" in result["msg"]
    assert "Restarted before it: cp-1. Not touched: w-2" in result["msg"]


def test_a_speaker_that_pod_security_keeps_away(api, speakers):
    speakers.unplaced.add("cp-1")
    api.add(
        {
            "kind": "Event",
            "metadata": {"name": "e", "namespace": NAMESPACE},
            "reason": "FailedCreate",
            "involvedObject": {"uid": speakers.daemonset["metadata"]["uid"]},
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "message": 'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces',
        }
    )
    result = call(api, timeout=1)
    assert result["failed"] and "MLB101" in result["msg"] and "PodSecurity" in result["msg"]


def test_a_node_that_vanishes_is_not_waited_for(api, speakers):
    speakers.unplaced.add("cp-1")
    api.remove("nodes", "cp-1")
    result = call(api, settle=0)
    assert not result["failed"]
    assert [(one["node"], bool(one["new_pod"])) for one in result["restarted"]] == [
        ("cp-1", False),
        ("w-1", True),
        ("w-2", True),
    ]


def test_a_pod_that_is_gone_already_is_waited_for_all_the_same(api, speakers):
    api.fault("DELETE", "/api/v1/namespaces/metallb-system/pods/speaker-1", 409, "Precondition failed: UID")
    real = speaker_restart.Restart.wait_for

    def wait_for(self, pod, deadline):
        if pod.node == "cp-1":
            api.remove("pods", pod.name, NAMESPACE)
        return real(self, pod, deadline)

    speaker_restart.Restart.wait_for = wait_for
    try:
        assert len(call(api, settle=0)["restarted"]) == 3
    finally:
        speaker_restart.Restart.wait_for = real


def test_a_status_that_is_left_wrong_is_deleted_and_the_right_one_awaited(api, speakers):
    def react(event, plural, obj):
        speakers.react(event, plural, obj)
        if event == "ADDED" and plural == "pods" and obj["spec"]["nodeName"] == "w-2":
            # the last to be restarted leaves behind what 0.15.3 leaves behind
            speakers.status("l2-old", "web", "w-1", label="w-2")
        if event == "DELETED" and plural == "servicel2statuses":
            speakers.status("l2-new", "web", "w-2")

    api.reaction = react
    result = call(api)
    assert not result["failed"]
    assert [(one["name"], one["node"], one["should_be"]) for one in result["deleted_statuses"]] == [
        ("l2-old", "w-1", "w-2")
    ]
    assert [name for _namespace, name in api.objects["servicel2statuses"]] == ["l2-new"]


def test_a_status_that_comes_back_wrong_is_a_failure_and_no_endless_fight(api, speakers):
    count = []

    def react(event, plural, obj):
        speakers.react(event, plural, obj)
        if event == "DELETED" and plural == "servicel2statuses":
            count.append(1)
            speakers.status(f"again-{len(count)}", "web", "w-1", label="w-2")

    speakers.status("first", "web", "w-1", label="w-2")
    api.reaction = react
    result = call(api, settle=3)
    assert result["failed"] and "MLB510" in result["msg"] and "default/web" in result["msg"]
    assert len(result["deleted_statuses"]) == speaker_restart.ROUNDS


def web(api):
    """default/web, whose only pod is on w-2, with policy Local: w-2 is elected."""
    ports = {
        "type": "LoadBalancer",
        "ports": [{"port": 80}],
        "clusterIP": "10.96.0.9",
        "externalTrafficPolicy": "Local",
    }
    spec = {"addresses": ["192.168.7.200-192.168.7.250"]}
    for kind, name, namespace, more in (
        (
            "Service",
            "web",
            "default",
            {"spec": ports, "status": {"loadBalancer": {"ingress": [{"ip": "192.168.7.201"}]}}},
        ),
        ("IPAddressPool", "main", NAMESPACE, {"spec": spec}),
        ("L2Advertisement", "adv", NAMESPACE, {"spec": {}}),
    ):
        api.add({"kind": kind, "metadata": {"name": name, "namespace": namespace}, **more})
    api.add(
        {
            "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [{"nodeName": "w-2", "conditions": {"ready": True}}],
        }
    )


def test_a_status_that_agrees_with_its_own_label_is_held_against_the_election(api, speakers):
    """0.15.3's objects may be wrong in label and status alike: only the election tells."""
    web(api)

    def react(event, plural, obj):
        speakers.react(event, plural, obj)
        if event == "DELETED" and plural == "servicel2statuses":
            speakers.status("right", "web", "w-2")

    speakers.status("wrong", "web", "w-1")
    api.reaction = react
    result = call(api)
    assert not result["failed"], result
    assert [(one["node"], one["should_be"], one["reason"]) for one in result["deleted_statuses"]] == [
        ("w-1", "w-2", "the election gives w-2")
    ]
    assert not result["missing_statuses"]


@pytest.mark.parametrize("allowed", [True, False])
def test_an_announced_service_without_a_status_gets_an_empty_one_that_its_speaker_fills(api, speakers, allowed):
    web(api)
    if not allowed:
        api.forbidden.add(("create", "servicel2statuses"))

    def react(event, plural, obj):
        speakers.react(event, plural, obj)
        if event == "ADDED" and plural == "servicel2statuses" and not obj.get("status"):
            assert obj["metadata"]["labels"]["metallb.io/node"] == "w-2"
            filled = {"node": "w-2", "serviceName": "web", "serviceNamespace": "default"}
            api.write(plural, obj["metadata"]["name"], lambda made: made.update(status=filled), NAMESPACE)

    api.reaction = react
    result = call(api, settle=5 if allowed else 1)
    assert not result["failed"], result
    assert result["created_statuses"] == ([{"service": "default/web", "node": "w-2"}] if allowed else [])
    assert result["missing_statuses"] == ([] if allowed else ["default/web"])


def test_a_metallb_without_statuses(api, speakers):
    api.absent.add("servicel2statuses")
    assert len(call(api)["restarted"]) == 3


def test_no_metallb(api):
    result = call(api)
    assert result["failed"] and "no speaker DaemonSet in namespace metallb-system" in result["msg"]
    assert "kubectl get daemonsets" in result["msg"]


def test_no_permission(api, speakers):
    api.forbidden.add(("delete", "pods"))
    result = call(api)
    assert (
        result["failed"]
        and 'resources: ["pods"], verbs: ["delete"] (in a Role in namespace metallb-system)' in result["msg"]
    )
    assert not result["changed"]


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"settle": -1}])
def test_wrong_arguments(api, wrong):
    assert call(api, **wrong)["failed"] and not api.requests
