# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is decided about speakers, without any API."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import speakers
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.speakers import SpeakerPod

HELM = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
MANIFESTS = {"app": "metallb", "component": "speaker"}


def daemonset(labels, uid="ds"):
    return {
        "metadata": {"name": "speaker", "uid": uid, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}},
    }


def pod(name, node, ready=True, owner="ds", **status):
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": [{"kind": "DaemonSet", "uid": owner}]},
        "spec": {"nodeName": node},
        "status": dict({"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}, **status),
    }


def status(name, service="default/web", node="a", label=None, owner="uid-p"):
    namespace, _slash, service_name = service.partition("/")
    return speakers.read_status(
        {
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "labels": {
                    "metallb.io/node": label or node,
                    "metallb.io/service-name": service_name,
                    "metallb.io/service-namespace": namespace,
                },
                "ownerReferences": [{"kind": "Pod", "uid": owner}],
            },
            "status": {"node": node, "serviceName": service_name, "serviceNamespace": namespace},
        }
    )


@pytest.mark.parametrize(
    "labels, expected",
    [
        (HELM, True),
        (MANIFESTS, True),
        ({"app": "metallb"}, False),
        (dict(HELM, **{"app.kubernetes.io/component": "frr-k8s"}), False),
    ],
)
def test_a_speaker_is_known_by_its_labels(labels, expected):
    assert speakers.is_speaker(daemonset(labels)) is expected


def test_the_selector_is_that_of_the_daemonset():
    assert speakers.selector_of(daemonset(MANIFESTS)) == "app=metallb,component=speaker"


def test_only_its_own_pods_are_taken():
    pods = [pod("a", "n1"), pod("debug", "n1", owner="other")]
    assert [one.name for one in speakers.pods_of(daemonset(HELM), pods)] == ["a"]


def test_a_pod_without_a_place_is_known_by_where_it_shall_go():
    waiting = pod("a", "")
    del waiting["spec"]["nodeName"]
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n7"]}]}
    waiting["spec"]["affinity"] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    }
    assert speakers.node_of(waiting) == "n7"


def speaker(node, ready=True, name=None, terminating=False):
    name = name or f"pod-{node}"
    return SpeakerPod(name, f"uid-{name}", node, ready, terminating)


def test_the_broken_first_then_those_that_announce_least():
    pods = [speaker("a"), speaker("b"), speaker("c", ready=False), speaker("d"), speaker("e", terminating=True)]
    assert [pod.node for pod in speakers.order(pods, None, {"a": 2, "d": 1, "c": 5})] == ["c", "b", "d", "a"]
    assert [pod.node for pod in speakers.order(pods, ["a"], {})] == ["a"]


def test_a_speaker_is_back_when_the_new_one_is_ready_and_the_old_one_gone():
    old, new = speaker("a"), speaker("a", name="new")
    assert speakers.replacement(old, [old]) is None
    assert speakers.replacement(old, [old, new]) is None
    assert speakers.replacement(old, [speaker("a", name="new", ready=False)]) is None
    assert speakers.replacement(old, [speaker("b", name="other")]) is None
    assert speakers.replacement(old, [new]) is new


@pytest.mark.parametrize(
    "about, expected",
    [
        (
            {
                "containerStatuses": [
                    {
                        "name": "speaker",
                        "ready": False,
                        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling\nimage"}},
                    }
                ]
            },
            "container speaker is waiting: ImagePullBackOff (Back-off pulling image)",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "speaker",
                        "ready": False,
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}},
                    }
                ]
            },
            "container speaker is waiting: CrashLoopBackOff, last ended with exit code 2 (Error)",
        ),
        (
            {"containerStatuses": [{"name": "speaker", "ready": False, "state": {"running": {}}}]},
            "container speaker runs but is not ready",
        ),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/4 nodes"}
                ]
            },
            "Unschedulable: 0/4 nodes",
        ),
        ({"conditions": [], "phase": "Unknown"}, "phase Unknown"),
    ],
)
def test_why_a_pod_is_not_ready(about, expected):
    assert speakers.why_not_ready(pod("a", "n", False, **about)) == expected


def test_why_there_is_no_pod():
    events = [
        {
            "reason": "FailedCreate",
            "involvedObject": {"uid": "ds"},
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "message": "old",
        },
        {
            "reason": "FailedCreate",
            "involvedObject": {"uid": "ds"},
            "lastTimestamp": "2026-01-02T00:00:00Z",
            "message": 'pods "speaker-" is forbidden: violates PodSecurity "baseline:latest"',
        },
        {"reason": "FailedCreate", "involvedObject": {"uid": "other"}, "message": "not ours"},
    ]
    assert "MLB101" in speakers.why_no_pod(daemonset(HELM), events)
    assert "nodeSelector" in speakers.why_no_pod(daemonset(HELM), [])


def test_a_status_that_contradicts_its_own_label_is_wrong():
    (one,) = speakers.wrong_statuses([status("x", node="a", label="b")], {}, {"uid-p"})
    assert (one.should_be, one.as_result()["service"]) == ("b", "default/web")


def test_the_election_is_believed_over_the_object():
    web = ("default", "web")
    right = status("x", node="a")
    assert speakers.wrong_statuses([right], {web: "a"}, {"uid-p"}) == []
    assert speakers.wrong_statuses([right], {web: "b"}, {"uid-p"})[0].should_be == "b"
    assert speakers.wrong_statuses([right], {web: None}, {"uid-p"})[0].should_be == ""
    assert speakers.wrong_statuses([status("x", node="a", label="b")], {web: "a"}, {"uid-p"})[0].should_be == "a"


def test_a_status_whose_speaker_is_gone_is_wrong():
    assert speakers.wrong_statuses([status("x", owner="uid-dead")], {}, {"uid-p"})[0].status.name == "x"


def test_a_status_that_is_still_being_written_is_not_yet_wrong():
    empty = status("x", node="")
    assert speakers.wrong_statuses([empty], {("default", "web"): "a"}, {"uid-p"}) == []
    assert speakers.missing_statuses([empty], {("default", "web"): "a"}) == [("default", "web")]


def test_services_that_nobody_may_announce_are_not_missed():
    assert speakers.missing_statuses([], {("default", "web"): None}) == []


def test_how_much_each_node_announces():
    assert speakers.announced_by([status("x"), status("y", "default/b"), status("z", node="c", label="d")]) == {
        "a": 2,
        "d": 1,
    }
