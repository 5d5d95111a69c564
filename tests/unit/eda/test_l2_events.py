# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source against an API server that hangs up, forgets and repeats itself: every change once, none missed."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import re
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import node_labels
from ansible_collections.l2ops.metallb.tests.unit.fake_api import FakeApi

pytest.importorskip("aiohttp")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "extensions/eda/plugins/event_source/l2_events.py"
LABEL = node_labels.EXCLUDE_LABEL
_spec = importlib.util.spec_from_file_location("l2_events", SOURCE)
source = importlib.util.module_from_spec(_spec)
sys.modules["l2_events"] = source
_spec.loader.exec_module(source)


def node(name, *, labels=None, ready="True", owned=False, network="False"):
    return {
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, **(labels or {})},
            "annotations": {"talos.dev/owned-labels": f'["{LABEL}"]'} if owned else {},
        },
        "status": {
            "conditions": [
                {"type": "NetworkUnavailable", "status": network},
                {
                    "type": "Ready",
                    "status": ready,
                    "reason": "KubeletReady",
                    "message": "kubelet is posting ready status",
                },
            ]
        },
    }


def status(name, service, on):
    namespace, _slash, short = service.partition("/")
    return {
        "kind": "ServiceL2Status",
        "metadata": {
            "name": name,
            "namespace": "metallb-system",
            "labels": {
                "metallb.io/service-name": short,
                "metallb.io/service-namespace": namespace,
                "metallb.io/node": on,
            },
        },
        "status": {"node": on, "serviceName": short, "serviceNamespace": namespace},
    }


def metallb_event(name, reason, message, service="default/web", count=1, last="2026-01-31T10:00:00Z"):
    namespace, _slash, short = service.partition("/")
    return {
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {"kind": "Service", "namespace": namespace, "name": short},
        "source": {"component": "metallb-speaker"},
        "reason": reason,
        "message": message,
        "count": count,
        "lastTimestamp": last,
    }


def set_label(api, name, value="", manager="machined"):
    api.write("nodes", name, lambda obj: obj["metadata"]["labels"].__setitem__(LABEL, value), manager=manager)


def drop_label(api, name):
    api.write("nodes", name, lambda obj: obj["metadata"]["labels"].pop(LABEL), manager="l2ops.metallb")


class Queue:
    """What ansible-rulebook hands to a source."""

    def __init__(self):
        self.events = []

    async def put(self, event):
        self.events.append(event)

    def of(self, *kinds):
        return [event for event in self.events if event["type"] in kinds]

    @property
    def kinds(self):
        return [event["type"] for event in self.events]


async def until(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.01)


class Play:
    """The source at work on a fake cluster; `await play.watching()` until every kind is being watched."""

    def __init__(self, api, **options):
        self.api, self.queue = api, Queue()
        args = {"host": api.url, "settle_seconds": 0.2, **options}
        self.watcher = source.Watcher(self.queue, source.Server(args), source.tracker_of(args), source.kinds(args))

    async def __aenter__(self):
        self.task = asyncio.ensure_future(self.watcher.run())
        await self.watching()
        return self

    async def __aexit__(self, *_details):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    def watches(self, plural=""):
        return [one for one in self.api.sent("GET") if one["query"].get("watch") and one["path"].endswith(plural)]

    def lists(self, plural):
        return [one for one in self.api.sent("GET") if not one["query"].get("watch") and one["path"].endswith(plural)]

    async def watching(self):
        def all_of_them():
            if self.task.done():
                self.task.result()
            return all(self.watches(kind) for kind in ("nodes", "servicel2statuses", "events"))

        await until(all_of_them, "watches of all kinds")

    async def sees(self, kind, times=1):
        await until(lambda: len(self.queue.of(kind)) >= times, f"{times} × {kind}, got {self.queue.kinds}")
        return self.queue.of(kind)[times - 1]

    async def in_step(self):
        """Everything that happened so far has reached the source: a later change has."""
        seen = len(self.queue.of("node_added"))
        self.api.add(node(f"marker-{seen}"))
        await self.sees("node_added", seen + 1)


def on_stage(scene, *objects, **options):
    """Run a coroutine function scene(api, play) with the source at work."""

    async def go():
        with FakeApi() as api:
            for obj in objects:
                api.add(obj)
            async with Play(api, **options) as play:
                await scene(api, play)

    asyncio.run(go())


# -- what it tells ----------------------------------------------------------------------------------------------------


def test_a_healthy_cluster_is_quiet():
    async def scene(api, play):
        for _beat in range(20):
            api.write("nodes", "cp-1", lambda obj: obj["status"].update(beat=time.monotonic()))
            api.write("events", "old", lambda obj, beat=_beat: obj.update(count=beat + 2), "default")
        await play.in_step()
        assert play.queue.kinds == ["node_added"], "the marker only"

    on_stage(
        scene,
        node("cp-1"),
        status("l2-a", "default/web", "cp-1"),
        metallb_event("old", "nodeAssigned", 'announcing from node "cp-1" with protocol "layer2"'),
        metallb_event("older", "announceFailed", "it was so an hour ago"),
    )


def test_a_label_that_comes_and_goes():
    async def scene(api, play):
        set_label(api, "cp-1", manager="kubectl-label")
        event = await play.sees("label_added")
        assert event["nodes"] == ["cp-1"] and event["node"] == "cp-1" and event["cluster"] == "lab"
        assert event["labels"][0]["manager"] == "kubectl-label" and event["labels"][0]["value"] == ""
        assert event["initial"] is False and event["label"] == LABEL
        drop_label(api, "cp-1")
        assert (await play.sees("label_removed"))["node"] == "cp-1"

    on_stage(scene, node("cp-1"), node("cp-2"), cluster="lab")


def test_labels_that_come_together_make_one_event():
    async def scene(api, play):
        for name in ("cp-1", "cp-2", "cp-3"):
            set_label(api, name)
        assert (await play.sees("label_added"))["nodes"] == ["cp-1", "cp-2", "cp-3"]
        await play.in_step()
        assert len(play.queue.of("label_added")) == 1

    on_stage(scene, node("cp-1"), node("cp-2"), node("cp-3"))


def test_what_is_wrong_at_the_start_is_told_as_such():
    async def scene(_api, play):
        assert (await play.sees("label_added"))["initial"] is True
        assert (await play.sees("node_not_ready"))["initial"] is True

    on_stage(scene, node("cp-1", labels={LABEL: ""}), node("cp-2", ready="Unknown"))


def test_what_is_wrong_at_the_start_can_be_left_out():
    async def scene(_api, play):
        await play.in_step()
        assert play.queue.kinds == ["node_added"]

    on_stage(scene, node("cp-1", labels={LABEL: ""}), node("cp-2", ready="Unknown"), initial="false")


def test_a_node_that_is_not_ready_and_recovers():
    def condition(kind, text):
        def change(obj):
            next(one for one in obj["status"]["conditions"] if one["type"] == kind)["status"] = text

        return change

    async def scene(api, play):
        api.write("nodes", "cp-1", condition("Ready", "Unknown"))
        await play.sees("node_not_ready")
        api.write("nodes", "cp-1", condition("Ready", "True"))
        await play.sees("node_ready")
        api.write("nodes", "cp-1", condition("NetworkUnavailable", "True"))
        await play.sees("node_network_unavailable")
        api.remove("nodes", "cp-1")
        assert (await play.sees("node_removed"))["node"] == "cp-1"

    on_stage(scene, node("cp-1"))


def test_a_failover_is_one_change_and_not_a_loss():
    async def scene(api, play):
        api.remove("servicel2statuses", "l2-a", "metallb-system")
        bare = status("l2-b", "default/web", "cp-2")
        told = bare.pop("status")
        api.add(bare)
        api.write("servicel2statuses", "l2-b", lambda obj: obj.update(status=told), "metallb-system")
        event = await play.sees("announcer_changed")
        assert (event["service"], event["before"], event["announcers"]) == ("default/web", ["cp-1"], ["cp-2"])
        api.remove("servicel2statuses", "l2-b", "metallb-system")
        event = await play.sees("announcer_lost")
        assert event["before"] == ["cp-2"] and event["announcers"] == []
        assert len(play.queue.events) == 2

    on_stage(scene, status("l2-a", "default/web", "cp-1"))


def test_events_of_metallb():
    message = 'the interfaces specified by LB IP "192.168.7.203" doesn\'t exist in assigned node "cp-1" with protocol "layer2"'

    async def scene(api, play):
        api.add(metallb_event("failed", "announceFailed", message))
        event = await play.sees("announce_failed")
        assert (event["service"], event["node"], event["message"]) == ("default/web", "cp-1", message)
        # MetalLB repeats it at every reconcile.
        for count in range(2, 6):
            api.write("events", "failed", lambda obj, count=count: obj.update(count=count), "default")
        api.add(metallb_event("full", "AllocationFailed", "no available IPs"))
        assert (await play.sees("allocation_failed"))["message"] == "no available IPs"
        other = metallb_event("other", "announceFailed", "not of MetalLB")
        other["source"] = {"component": "someone-else"}
        api.add(other)
        # A speaker names another node, though no ServiceL2Status changed (0.15.3 may leave it stale).
        for name in ("cp-1", "cp-2"):
            text = f'announcing from node "{name}" with protocol "layer2"'
            api.add(metallb_event(f"assigned-{name}", "nodeAssigned", text))
        event = await play.sees("announcer_reported")
        assert (event["before"], event["node"]) == ("cp-1", "cp-2")
        await play.in_step()
        assert len(play.queue.of("announce_failed")) == 1

    on_stage(scene)


# -- nobody is fought -------------------------------------------------------------------------------------------------


def stubborn(api, manager, owned):
    """Stand-in for machined: whoever takes the label off finds it back at once."""

    def react(_change, plural, obj):
        if plural == "nodes" and LABEL not in obj["metadata"]["labels"] and obj["metadata"]["name"] == "cp-1":
            set_label(api, "cp-1", manager=manager)

    api.reaction = react


@pytest.mark.parametrize(("owned", "words"), [(True, "MLB202"), (False, "Find out what machined is")])
def test_after_two_removals_a_label_is_contested(owned, words):
    async def scene(api, play):
        stubborn(api, "machined", owned)
        await play.sees("label_added")
        drop_label(api, "cp-1")  # first try
        event = await play.sees("label_added", 2)
        assert event["labels"][0]["returns"] == 1 and event["labels"][0]["away_seconds"] < 1
        drop_label(api, "cp-1")  # second try
        event = await play.sees("label_contested")
        assert event["owned_by_talos"] is owned and event["returns"] == 2 and event["manager"] == "machined"
        assert words in event["message"] and "ignoreExcludeLB" in event["message"]
        # Somebody else tries on: no third label_added, and it is not told every time.
        for _again in range(3):
            drop_label(api, "cp-1")
        await play.in_step()
        assert len(play.queue.of("label_added")) == 2 and len(play.queue.of("label_contested")) == 1

    on_stage(scene, node("cp-1", labels={LABEL: ""}, owned=owned))


def test_a_label_that_was_away_for_long_is_a_new_one():
    tracker = source.Tracker(contest_seconds=600)
    with_label, without = node("cp-1", labels={LABEL: ""}), node("cp-1")

    def told(now, obj):
        return [one["type"] for one in tracker.changed("nodes", "MODIFIED", obj, now) + tracker.due(now + 1)]

    tracker.listed("nodes", [without], 0)
    assert told(1, with_label) == ["label_added"]
    for now in (10, 20):
        assert told(now, without) == ["label_removed"]
        told(now + 1, with_label)
    told(30, without)
    assert told(31, with_label) == [], "still contested, and told already"
    told(40, without)
    assert told(700, with_label) == ["label_added"]


def test_a_new_node_of_the_same_name_starts_afresh():
    tracker = source.Tracker()
    old, new = node("cp-1", labels={LABEL: ""}), node("cp-1", labels={LABEL: ""})
    old["metadata"]["uid"], new["metadata"]["uid"] = "1", "2"
    tracker.listed("nodes", [old], 0)
    tracker.due(1)
    told = [one["type"] for one in tracker.listed("nodes", [new], 2) + tracker.due(3)]
    assert told == ["node_removed", "node_added", "label_added"]


# -- nothing is missed, nothing is told twice -------------------------------------------------------------------------


def test_a_lost_connection_is_resumed_from_where_it_was():
    async def scene(api, play):
        set_label(api, "cp-1")
        await play.sees("label_added")
        before = len(play.watches("nodes"))
        api.end_watches()
        drop_label(api, "cp-1")
        await play.sees("label_removed")
        await until(lambda: len(play.watches("nodes")) > before, "another watch")
        assert len(play.lists("nodes")) == 1, "resumed, not listed again"
        assert play.queue.kinds == ["label_added", "label_removed"]

    on_stage(scene, node("cp-1"))


def test_every_change_of_many_disconnects():
    """Changes and hang-ups in turn: each change is told exactly once and in order."""

    async def scene(api, play):
        for turn in range(15):
            api.add(node(f"new-{turn}"))
            api.end_watches()
            await asyncio.sleep(0.02)
        await play.sees("node_added", 15)
        await play.in_step()
        assert [one["node"] for one in play.queue.of("node_added")][:15] == [f"new-{turn}" for turn in range(15)]
        assert len(play.queue.events) == 16
        assert len(play.lists("nodes")) == 1

    on_stage(scene)


def test_bookmarks_spare_the_list():
    """The log before the bookmark is forgotten; who has read the bookmark goes on from it."""

    async def scene(api, play):
        watched = len(play.watches("nodes"))
        for turn in range(3):
            api.write("events", "noise", lambda obj, turn=turn: obj.update(count=turn + 5), "default")
        there = api.bookmark("nodes")
        await asyncio.sleep(0.2)
        with api.lock:
            api.compacted = there
            api.end_watches()
        await until(lambda: len(play.watches("nodes")) > watched, "another watch")
        assert play.watches("nodes")[-1]["query"]["resourceVersion"] == str(there)
        set_label(api, "cp-1")
        await play.sees("label_added")
        assert len(play.lists("nodes")) == 1

    on_stage(scene, node("cp-1"), metallb_event("noise", "IPAllocated", "x"))


@pytest.mark.parametrize("in_stream", [False, True], ids=["refused", "in the stream"])
def test_410_lists_again_and_tells_what_changed_meanwhile(in_stream):
    async def scene(api, play):
        api.gone_in_stream = in_stream
        with api.lock:  # nobody gets anything of this before it is forgotten
            api.end_watches()
            set_label(api, "cp-1")
            api.remove("nodes", "cp-2")
            api.add(node("cp-3"))
            drop_label(api, "cp-4")
            api.add(metallb_event("failed", "announceFailed", 'in assigned node "cp-1"'))
            api.remove("servicel2statuses", "l2-a", "metallb-system")
            api.log.clear()
            api.compacted = api.version
            api.version += 1
        await play.sees("label_added")
        await play.sees("announce_failed")
        await play.sees("announcer_lost")
        await play.in_step()
        told = sorted(play.queue.kinds)
        assert told == sorted(
            [
                "node_removed",
                "node_added",
                "label_removed",
                "label_added",
                "announce_failed",
                "announcer_lost",
                "node_added",
            ]
        )
        assert len(play.lists("nodes")) == 2

    on_stage(
        scene,
        node("cp-1"),
        node("cp-2"),
        node("cp-4", labels={LABEL: ""}),
        status("l2-a", "default/web", "cp-1"),
        initial=False,
    )


def test_a_label_that_went_and_came_while_nobody_looked():
    """Before and after the gap it is there, so only its writer's time says that a removal was undone."""
    tracker = source.Tracker()

    def written(when):
        obj = node("cp-1", labels={LABEL: ""})
        fields = {"f:metadata": {"f:labels": {f"f:{LABEL}": {}}}}
        obj["metadata"]["managedFields"] = [
            {"manager": "machined", "operation": "Update", "time": when, "fieldsV1": fields}
        ]
        return obj

    tracker.listed("nodes", [written("2026-01-31T10:00:00Z")], 0)
    assert [one["type"] for one in tracker.due(1)] == ["label_added"]
    assert tracker.listed("nodes", [written("2026-01-31T10:00:00Z")], 2) == []
    told = tracker.listed("nodes", [written("2026-01-31T10:05:00Z")], 3) + tracker.due(4)
    assert [one["type"] for one in told] == ["label_removed", "label_added"]
    assert told[1]["labels"][0]["returns"] == 1


def test_duplicates_tell_nothing():
    tracker = source.Tracker()
    obj = node("cp-1", labels={LABEL: ""})
    tracker.listed("nodes", [node("cp-1")], 0)
    for now in range(1, 5):
        assert tracker.changed("nodes", "MODIFIED", obj, now) == []
        assert len(tracker.due(now + 0.5)) == (1 if now == 1 else 0)


def test_pages_of_a_long_list():
    async def scene(_api, play):
        assert len(play.lists("nodes")) == 3
        await play.sees("label_added")
        assert len(play.queue.of("label_added")[0]["nodes"]) == 1100

    on_stage(scene, *[node(f"n-{number:04}", labels={LABEL: ""}) for number in range(1100)])


def test_nodes_longer_than_a_line_may_be():
    """aiohttp ends a stream at a line of 128 KiB; Nodes list the images they hold."""

    async def scene(api, play):
        images = [{"names": ["r" * 200], "sizeBytes": 1} for _image in range(2000)]
        api.write("nodes", "cp-1", lambda obj: obj["status"].update(images=images))
        set_label(api, "cp-1")
        await play.sees("label_added")
        assert len(play.lists("nodes")) == 1

    on_stage(scene, node("cp-1"))


# -- trouble ----------------------------------------------------------------------------------------------------------


def test_refusals_are_waited_out_and_told_when_they_last():
    async def scene(api, play):
        play.watcher.patience = 0.3
        api.fault("WATCH", "/api/v1/nodes", 500, "etcdserver: leader changed", times=4)
        api.end_watches()
        set_label(api, "cp-1")
        event = await play.sees("watch_interrupted")
        assert event["resource"] == "nodes" and "leader changed" in event["message"]
        assert (await play.sees("watch_resumed"))["resource"] == "nodes"
        await play.sees("label_added")
        assert len(play.lists("nodes")) == 1, "resumed, not listed again"

    on_stage(scene, node("cp-1"))


def test_pauses_grow_but_not_for_ever():
    async def pauses():
        with FakeApi() as api:
            play = Play(api)
            kind, slept = source.Kind("nodes"), []
            pause = source.FIRST_PAUSE
            for _try in range(12):
                slept.append(await play.watcher._trouble(kind, source.Refused(500, "no"), pause, True))
                pause = min(pause * 2, source.LONGEST_PAUSE)
            asked = await play.watcher._trouble(kind, source.Refused(429, "slow down", 7.0), source.FIRST_PAUSE, True)
            return slept, asked

    slept, asked = asyncio.run(pauses())
    assert slept[0] <= source.FIRST_PAUSE < slept[5] and max(slept) <= source.LONGEST_PAUSE
    assert asked == 7.0, "Retry-After"


def test_missing_rights_end_it_with_the_rule_that_mends_it():
    async def scene():
        with FakeApi() as api:
            api.forbidden.add(("list", "servicel2statuses"))
            await asyncio.wait_for(source.main(Queue(), {"host": api.url}), 10)

    with pytest.raises(source.SourceError) as caught:
        asyncio.run(scene())
    assert 'resources: ["servicel2statuses"], verbs: ["list", "watch"]' in str(caught.value)


def test_a_wrong_token_ends_it_and_is_not_shown():
    async def scene(token):
        with FakeApi() as api:
            api.token = "right"
            await asyncio.wait_for(source.main(Queue(), {"host": api.url, "api_key": token}), 1)

    with pytest.raises(source.SourceError) as caught:
        asyncio.run(scene("wrong-secret"))
    assert "not accepted" in str(caught.value) and "wrong-secret" not in str(caught.value)
    with pytest.raises(asyncio.TimeoutError):  # at work
        asyncio.run(scene("right"))


def test_a_cluster_without_metallb_is_waited_for(monkeypatch):
    monkeypatch.setattr(source, "ABSENT_PAUSE", 0.05)

    async def scene():
        with FakeApi() as api:
            api.absent.add("servicel2statuses")
            api.add(node("cp-1"))
            play = Play(api)
            play.task = asyncio.ensure_future(play.watcher.run())
            try:
                await until(lambda: len(play.lists("servicel2statuses")) > 2, "tries")
                api.absent.clear()
                await play.watching()
                api.add(status("l2-a", "default/web", "cp-1"))
                await play.sees("announcer_changed")
            finally:
                await play.__aexit__()

    asyncio.run(scene())


def test_a_token_of_a_kubeconfig(tmp_path):
    pytest.importorskip("kubernetes")

    async def scene():
        with FakeApi() as api:
            api.token = "from-the-file"
            api.add(node("cp-1", labels={LABEL: ""}))
            kubeconfig = {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "a",
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "clusters": [{"name": "a", "cluster": {"server": api.url}}],
                "users": [{"name": "a", "user": {"token": "from-the-file"}}],
            }
            (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig), encoding="utf-8")
            async with Play(api, host="", kubeconfig=str(tmp_path / "config")) as play:
                await play.sees("label_added")

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"kubeconfg": "x"}, "knows no option kubeconfg"),
        ({"settle_seconds": "soon"}, "settle_seconds must be a number of seconds"),
        ({"kubeconfig": "nowhere/config"}, "nowhere/config cannot be used"),
        ({"host": "https://127.0.0.1:1", "ca_cert": "nowhere/ca.crt"}, "nowhere/ca.crt"),
    ],
)
def test_arguments_that_cannot_be_meant(args, words):
    pytest.importorskip("kubernetes")
    with pytest.raises(source.SourceError) as caught:
        asyncio.run(asyncio.wait_for(source.main(Queue(), args), 10))
    assert words in str(caught.value)


# -- agreement with the rest ------------------------------------------------------------------------------------------


def test_what_a_single_file_repeats_agrees_with_the_collection():
    assert source.EXCLUDE_LABEL == node_labels.EXCLUDE_LABEL
    assert source.OWNED_LABELS_ANNOTATION == node_labels.OWNED_LABELS_ANNOTATION
    assert source.TRIES == node_labels.TRIES
    text = SOURCE.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(from|import) ansible", text, re.MULTILINE), "ansible-rulebook's Python has no Ansible"


def test_options_are_documented():
    documented = yaml.safe_load(source.DOCUMENTATION)["options"]
    assert set(documented) == source.OPTIONS
    tracker = source.Tracker()
    for name in ("cluster", "label", "initial", "settle_seconds", "contest_seconds", "repeat_seconds"):
        assert documented[name]["default"] == getattr(tracker, name), name


def test_rulebooks_name_types_that_exist_and_playbooks_of_ours():
    text = SOURCE.read_text(encoding="utf-8")
    types = set(re.findall(r"V\((\w+)\)", source.DOCUMENTATION))
    for path in (ROOT / "extensions/eda/rulebooks").glob("*.yml"):
        rulebook = path.read_text(encoding="utf-8")
        asked = set(re.findall(r'event\.type == "(\w+)"', rulebook))
        assert asked and asked <= types, path.name
        for name in re.findall(r"name: l2ops\.metallb\.(\w+)", rulebook):
            assert (ROOT / "playbooks" / f"{name}.yml").exists(), name
    told = set(re.findall(r'tell\(\s*"(\w+)"', text)) | set(
        re.findall(r'"(node_[a-z_]+|announce[a-z]*_[a-z]+|allocation_failed)"', text)
    )
    assert told <= types, "every type is documented"
