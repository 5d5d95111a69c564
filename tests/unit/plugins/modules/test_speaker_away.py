# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""speaker_away against a small API server: the speaker goes and comes back, and the taint is off whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from ansible_collections.l2ops.metallb.plugins.modules import speaker_away
from ansible_collections.l2ops.metallb.tests.unit.fake_api import FakeApi
from ansible_collections.l2ops.metallb.tests.unit.run_module import run

NAMESPACE = "metallb-system"
LABELS = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
OTHER = {"key": "other", "effect": "NoExecute"}


@pytest.fixture
def api(monkeypatch):
    """A node with a speaker. Without our taint a speaker that was deleted comes back at once."""
    monkeypatch.setattr(speaker_away, "POLL", 0.01)
    with FakeApi() as fake:
        daemonset = fake.add(
            {
                "kind": "DaemonSet",
                "metadata": {"name": "metallb-speaker", "namespace": NAMESPACE, "labels": LABELS},
                "spec": {"selector": {"matchLabels": LABELS}, "template": {"metadata": {"labels": LABELS}}},
            }
        )
        fake.add({"kind": "Node", "metadata": {"name": "w-1"}, "spec": {"taints": [OTHER]}})
        made = []

        def pod():
            made.append(f"speaker-{len(made)}")
            owner = {"kind": "DaemonSet", "uid": daemonset["metadata"]["uid"]}
            metadata = {"name": made[-1], "namespace": NAMESPACE, "labels": LABELS, "ownerReferences": [owner]}
            status = {"conditions": [{"type": "Ready", "status": "True"}]}
            fake.add({"kind": "Pod", "metadata": metadata, "spec": {"nodeName": "w-1"}, "status": status})

        def react(event, plural, _obj):
            gone = not any(kind == "pods" and fake.objects[kind] for kind in fake.objects)
            if gone and not tainted(fake) and (event, plural) == ("MODIFIED", "nodes"):
                pod()

        pod()
        fake.reaction = react
        yield fake


def tainted(api):
    return speaker_away.TAINT in api.get("nodes", "w-1")["spec"].get("taints", [])


def call(api, **arguments):
    return run(speaker_away, host=api.url, api_key="token", **dict({"node": "w-1", "away_seconds": 0.05}, **arguments))


def test_it_goes_and_comes_back_and_the_taints_of_others_stay(api):
    result = call(api)
    assert not result["failed"] and result["changed"]
    assert (result["pod"], result["new_pod"]) == ("speaker-0", "speaker-1")
    assert 0 < result["deleted_at"] <= result["gone_at"] <= result["released_at"] <= result["ready_at"]
    assert result["released_at"] - result["deleted_at"] >= 0.05
    assert api.get("nodes", "w-1")["spec"]["taints"] == [OTHER]


def test_a_takeover_before_the_api_servers_answer_counts_as_after_the_deletion(api):
    seen = []
    inner = api.reaction

    def react(event, plural, obj):
        if (event, plural) == ("DELETED", "pods"):
            seen.append(time.time())
        inner(event, plural, obj)

    api.reaction = react
    assert call(api)["deleted_at"] <= seen[0] + 0.001  # rounded to milliseconds


def test_check_mode_names_the_pod_and_writes_nothing(api):
    result = call(api, check=True)
    assert result["changed"] and result["pod"] == "speaker-0" and result["deleted_at"] == 0.0
    assert not api.sent("PATCH", "DELETE")


def test_a_node_without_a_speaker_is_refused_with_those_that_have_one(api):
    result = call(api, node="w-2")
    assert result["failed"] and "w-2" in result["msg"] and "w-1" in result["msg"]
    assert not api.sent("PATCH", "DELETE")


def test_somebody_elses_change_of_the_node_is_not_lost(api):
    api.fault("PATCH", "/api/v1/nodes/w-1", 409, "the object has been modified", times=2)
    assert not call(api)["failed"]
    assert api.get("nodes", "w-1")["spec"]["taints"] == [OTHER]


def test_a_failure_in_between_still_takes_the_taint_off(api):
    api.fault("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/speaker-0", 403, "may not delete pods")
    result = call(api)
    assert result["failed"] and "pods" in result["msg"] and result["changed"]
    assert not tainted(api) and "The taint is off node w-1 again" in result["msg"]


def expire_after(api, event, plural):
    """From this event on nobody has the right token."""
    inner = api.reaction
    api.token = "token"

    def react(*about):
        if about[:2] == (event, plural):
            api.token = "another"
        inner(*about)

    api.reaction = react


def test_a_token_that_expires_after_the_deletion_leaves_a_message_that_helps(api, monkeypatch):
    """It blocked for 120 s, and ended with the bare 401 and the taint on the node."""
    monkeypatch.setattr(speaker_away, "REFUSED", 0.2)
    expire_after(api, "DELETED", "pods")
    began = time.monotonic()
    result = call(api, away_seconds=0.05)
    assert time.monotonic() - began < 15
    assert result["failed"] and result["failure_kind"] == "execution" and result["changed"]
    assert result["api_error"]["status"] == 401 and result["pod"] == "speaker-0" and result["deleted_at"]
    for part in (
        "node w-1 still has the taint l2ops.metallb/speaker-away=true:NoSchedule",
        "its speaker speaker-0 was deleted",
        "kubectl taint nodes w-1 l2ops.metallb/speaker-away:NoSchedule-",
    ):
        assert part in result["msg"]
    assert tainted(api)
    api.token = None
    pods = api.objects["pods"]
    assert not pods
    api.write("nodes", "w-1", lambda node: node["spec"].update(taints=[OTHER]))
    assert pods, "what the command does brings the speaker back"


def test_an_api_server_that_is_gone_does_not_hold_the_module_up(api, monkeypatch):
    monkeypatch.setattr(speaker_away, "PATIENCE", 0.3)
    monkeypatch.setattr(speaker_away, "STUBBORN", 3.0)
    api.fault("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/speaker-0", 500, "etcd is gone")
    inner = speaker_away.set_taint

    def set_taint(kube, node, present):
        if present:
            return inner(kube, node, present)
        raise speaker_away.ApiError("no route to host", kind_of_failure="unreachable")

    monkeypatch.setattr(speaker_away, "set_taint", set_taint)
    began = time.monotonic()
    result = call(api)
    assert time.monotonic() - began < 3 and result["failed"]
    assert "kubectl taint nodes w-1" in result["msg"] and "goes on trying" in result["msg"]
    assert "was deleted" not in result["msg"]


def test_a_taint_that_may_not_be_set_is_nothing_changed(api):
    api.fault("PATCH", "/api/v1/nodes/w-1", 403, "may not patch nodes")
    result = call(api)
    assert result["failed"] and not result["changed"] and "Nothing was changed." in result["msg"]


def test_a_token_that_expires_once_the_taint_is_off_is_said_with_that(api):
    expire_after(api, "ADDED", "pods")
    result = call(api)
    assert result["failed"] and not tainted(api) and "The taint is off node w-1 again" in result["msg"]


def test_a_taint_that_was_left_is_no_reason_to_fail_and_goes(api):
    api.get("nodes", "w-1")["spec"]["taints"].append(dict(speaker_away.TAINT))
    assert not call(api)["failed"]
    assert api.get("nodes", "w-1")["spec"]["taints"] == [OTHER]


def test_killed_in_the_middle_it_takes_the_taint_off_all_the_same(api):
    arguments = {"host": api.url, "api_key": "token", "node": "w-1", "away_seconds": 60}
    program = (
        "import json, sys\n"
        "from ansible_collections.l2ops.metallb.plugins.modules import speaker_away\n"
        "from ansible_collections.l2ops.metallb.tests.unit.run_module import run\n"
        "run(speaker_away, **json.loads(sys.argv[1]))\n"
    )
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    with subprocess.Popen([sys.executable, "-c", program, json.dumps(arguments)], env=env) as process:
        try:
            wait_until(lambda: tainted(api) and not api.objects["pods"])
        finally:
            process.kill()
    wait_until(lambda: not tainted(api))
    assert api.get("nodes", "w-1")["spec"]["taints"] == [OTHER]


def wait_until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
