# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The snapshot: gathered, laid over, saved, loaded; and what is not in it says why."""

from __future__ import annotations

import gzip
import json
import os
import stat
import tracemalloc
import zlib

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListOutcome, ListRequest
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import evaluate
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.services import FAILURES
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot import file
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import (
    FORMAT_VERSION,
    SnapshotError,
    load,
    loads,
    save,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.gather import ELECTION, gather
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import KINDS
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.slim import EVENTS_READ, slim
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot, from_manifests
from ansible_collections.l2ops.metallb.tests.unit.world import HOME, TAKEN, World


def shell(taken="1", objects="{}"):
    """A snapshot with these parts as JSON."""
    return f'{{"format": "l2ops.metallb/snapshot", "version": 1, "taken": {taken}, "objects": {objects}}}'.encode()


class Served:
    """What _kube's Kube does for gather: kinds in, outcomes out."""

    def __init__(self, world, forbidden=(), absent=()):
        self.world, self.forbidden, self.absent = world, set(forbidden), set(absent)
        self.asked = []

    def list_all(self, requests):
        self.asked.extend(requests)
        return {request.answer_key: self._one(request) for request in requests}

    def _one(self, request):
        # What may not be listed everywhere may be listed at home.
        if request.plural in self.forbidden and (
            request.namespace is None or f"{request.plural}@home" in self.forbidden
        ):
            return ListOutcome([], error(403, request.plural), "")
        if request.plural in self.absent:
            return ListOutcome([], error(404, request.plural), "")
        found = self.world.objects.get(request.plural, [])
        wanted = dict(part.split("=") for part in (request.label_selector or "").split(",") if part)
        found = [one for one in found if wanted.items() <= (one["metadata"].get("labels") or {}).items()]
        if request.namespace is not None:
            found = [one for one in found if one["metadata"].get("namespace") == request.namespace]
        return ListOutcome(found, None, "1")


def error(status, plural):
    kind = {403: "forbidden", 404: "absent"}[status]
    return ApiError(f"{plural}: {status}", status=status, verb="list", resource=plural, kind_of_failure=kind)


def as_dict(snapshot):
    return {plural: list(found) for plural, found in snapshot.objects.items()}


# -- gathering --------------------------------------------------------------------------------------------------------


def test_gathered_is_what_was_recorded():
    world = World()
    kube = Served(world)
    snapshot = gather(kube, ListRequest)
    assert snapshot.namespace == HOME and not snapshot.missing
    assert set(snapshot.nodes) == {"cp-1", "cp-2", "cp-3", "worker-1"}
    assert [one.path for one in snapshot.load_balancer_services] == ["default/my-nginx", "traefik/traefik"]
    assert len(kube.asked) <= 25, "few calls, whatever the size of the cluster"


def test_webhooks_of_any_name_are_listed():
    """One of an earlier installation has another name, and breaks every change of a pool all the same."""
    kube = Served(World())
    gather(kube, ListRequest)
    (asked,) = [one for one in kube.asked if one.plural == "validatingwebhookconfigurations"]
    assert asked.field_selector is None


def test_for_the_election_alone_few_kinds_are_asked():
    kube = Served(World())
    snapshot = gather(kube, ListRequest, HOME, election_only=True)
    assert snapshot.has(*ELECTION)
    assert len(kube.asked) <= 9 and "events" not in {one.plural for one in kube.asked}


def test_what_may_not_be_listed_everywhere_is_listed_at_home():
    snapshot = gather(Served(World(), forbidden=["pods", "deployments"]), ListRequest)
    assert snapshot.has("pods", "deployments") and len(snapshot.speakers.by_node) == 4


def test_what_may_not_be_listed_at_all_is_missing_and_its_rules_say_so():
    snapshot = gather(Served(World(), forbidden=["nodes"]), ListRequest)
    assert "nodes" in snapshot.missing and not snapshot.has("nodes")
    checks = {one.id: one for one in evaluate(snapshot).checks}
    assert checks["MLB201"].result == "skipped" and "nodes" in checks["MLB201"].reason


def test_kinds_of_others_that_are_not_served_are_empty():
    snapshot = gather(Served(World(), absent=["ciliumloadbalancerippools", "servicecidrs"]), ListRequest)
    assert snapshot.has("ciliumloadbalancerippools", "servicecidrs") and not snapshot.missing


def test_a_cluster_of_which_nothing_may_be_seen_raises():
    with pytest.raises(ApiError):
        gather(Served(World(), forbidden=[*KINDS, *(f"{plural}@home" for plural in KINDS)]), ListRequest)


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cluster.json", "cluster.json.gz"])
def test_saved_and_loaded_is_judged_alike(tmp_path, name):
    world = World()
    world.hide("events", "no rights")
    world.add_pool("over", "192.168.7.11-192.168.7.12")
    before = world.snapshot()
    path = tmp_path / name
    save(before, str(path))
    after = load(str(path))
    assert after.taken == TAKEN and after.namespace == HOME and after.missing == before.missing
    assert [str(one) for one in evaluate(after).findings] == [str(one) for one in evaluate(before).findings]
    assert evaluate(after).of("MLB301")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "addresses and names are nobody else's business"
    save(after, str(tmp_path / f"again-{name}"))
    assert (tmp_path / f"again-{name}").read_bytes() == path.read_bytes()


def planted(world):
    """A cluster with something that nobody may see wherever people and programs leave such things."""
    secret = "hush-hush"
    objects = world.objects
    objects["secrets"][0]["data"] = {"secretkey": secret}
    for plural in ("daemonsets", "deployments"):
        for workload in objects[plural]:
            pod = workload["spec"]["template"]["spec"]
            for container in pod["containers"]:
                container.setdefault("args", []).extend(
                    [f"--token={secret}", "--password", secret, "-c", f"curl -H {secret}", "--classified", secret]
                )
                container.setdefault("command", []).append(secret)
                container.setdefault("env", []).extend(
                    [{"name": name, "value": secret} for name in ("TOKEN", "METALLB_ML_SECRET_KEY", "METALLB_ML_TOKEN")]
                )
                container["lifecycle"] = {"postStart": {"exec": {"command": [secret]}}}
            pod["initContainers"] = [{"name": "x", "args": [secret]}]
            pod.setdefault("volumes", []).append({"name": "x", "csi": {"volumeAttributes": {"x": secret}}})
            workload["metadata"].setdefault("annotations", {})["example.com/token"] = secret
            workload["spec"]["template"]["metadata"].setdefault("annotations", {})["vault/token"] = secret
    for pod in objects["pods"]:
        ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": secret, "containerID": secret}}
        pod["status"]["containerStatuses"] = [{"name": "speaker", "ready": False, "state": ended, "lastState": ended}]
        pod["spec"]["containers"][0].setdefault("args", []).append(secret)
        pod["metadata"].setdefault("annotations", {})["example.com/token"] = secret
    about = {"kind": "Service", "namespace": "default", "name": "my-nginx"}
    for reason in ("SyncLoadBalancerFailed", "Pulled", "Unhealthy"):
        for field in ("message", "note"):
            objects["events"].append(
                {"reason": reason, field: secret, "involvedObject": about, "series": {"x": secret}}
            )
    for node in objects["nodes"]:
        node["metadata"].setdefault("annotations", {})["example.com/token"] = secret
        node["status"]["config"] = {"x": secret}
    for service in objects["services"]:
        annotations = service["metadata"].setdefault("annotations", {})
        annotations["kubectl.kubernetes.io/last-applied-configuration"] = secret
        annotations["service.beta.kubernetes.io/aws-load-balancer-additional-resource-tags"] = secret
    for name, data in (
        (
            "kube-proxy",
            {"kubeconfig.conf": f"users:\n- token: {secret}\n", "config.conf": f"mode: ipvs\nx: {secret}\n"},
        ),
        ("other", {"x": secret}),
    ):
        objects.setdefault("configmaps", []).append(
            {"metadata": {"name": name, "namespace": "kube-system"}, "data": data, "binaryData": {"x": secret}}
        )
    for plural in ("nodes", "services", "pods", "daemonsets", "deployments", "endpointslices", "namespaces"):
        for obj in objects[plural]:
            obj["metadata"]["managedFields"] = [{"manager": "x", "fieldsV1": {secret: {}}}]
            obj["extra"] = {secret: secret}
    return world, secret


def test_no_secret_of_anything_is_saved(tmp_path):
    world, secret = planted(World())
    save(world.snapshot(), str(tmp_path / "x.json"))
    content = json.loads((tmp_path / "x.json").read_text())
    found = [
        (plural, obj) for plural, every in content["objects"].items() for obj in every if secret in json.dumps(obj)
    ]
    assert not found


def test_what_rules_read_of_arguments_is_kept():
    container = {
        "args": ["--lb-class=a", "--ignore-exclude-lb", "--x", "y", "--load-balancer-class", "b", "-lb-class", "-z"],
        "command": ["kube-proxy", "--proxy-mode=ipvs", "--ipvs-strict-arp", "true"],
    }
    kept = slim("daemonsets", {"spec": {"template": {"spec": {"containers": [container]}}}})
    (found,) = kept["spec"]["template"]["spec"]["containers"]
    assert found["args"] == ["--lb-class=a", "--ignore-exclude-lb", "--load-balancer-class", "b", "-lb-class"]
    assert found["command"] == ["--proxy-mode=ipvs", "--ipvs-strict-arp", "true"]


def test_messages_of_events_that_rules_read_are_kept():
    assert set(FAILURES) <= EVENTS_READ
    for reason in EVENTS_READ:
        assert slim("events", {"reason": reason, "note": "x"})["message"] == "x"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no JSON"),
        (b"kind: Pod", "no JSON"),
        (b"[]", "no snapshot"),
        (b'{"apiVersion": "v1", "kind": "List"}', "as a manifest"),
        (b'{"format": "l2ops.metallb/snapshot", "version": "x"}', "no known version"),
        (b'{"format": "l2ops.metallb/snapshot", "version": true}', "no known version"),
        (json.dumps({"format": "l2ops.metallb/snapshot", "version": FORMAT_VERSION + 1}).encode(), "newer one"),
        (b'{"format": "l2ops.metallb/snapshot", "version": 1}', "damaged"),
        (b'{"format": "l2ops.metallb/snapshot", "version": 1, "objects": {"nodes": 1}}', "damaged"),
        (b'{"format": "l2ops.metallb/snapshot", "version": 1, "objects": {"nodes": [1]}}', "damaged"),
        (gzip.compress(b"{}", mtime=0)[:-3], "cannot be decompressed"),
        (gzip.compress(b"{}", mtime=0) + b"rest", "cannot be decompressed"),
        (shell(taken="1" + 400 * "0"), "is not a time"),
        (shell(taken="NaN"), "is not a time"),
        (shell(taken="-Infinity"), "is not a time"),
        (shell(taken="7" * 6000), "is (no JSON|not a time)|damaged|no snapshot"),
        (shell(objects=100_000 * "[" + 100_000 * "]"), "nested too deeply"),
        (100_000 * b'{"a":', "nested too deeply"),
        (shell(objects='{"nodes": [{"metadata": {"name": "cp-\\ud83d"}}]}'), "not Unicode"),
        (b'{"format": "\xed\xa0\xbd"}', "no JSON"),
    ],
)
def test_what_is_no_snapshot_is_said(data, said):
    with pytest.raises(SnapshotError, match=said):
        loads(data, "a.json")


def test_a_character_of_two_halves_is_text():
    smile = shell(objects='{"nodes": [{"metadata": {"name": "a", "labels": {"x": "\\ud83d\\ude00"}}}]}')
    assert loads(smile).nodes["a"].labels == {"x": "\U0001f600"}


def test_a_flipped_bit_is_an_error_with_a_sentence_or_nothing(tmp_path):
    save(World().snapshot(), str(tmp_path / "x.json.gz"))
    good = (tmp_path / "x.json.gz").read_bytes()
    told = 0
    for bit in range(0, 8 * len(good), 37):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            loads(bytes(bad), "a.json.gz")
        except SnapshotError as error:
            told += "a.json.gz is" in str(error)
    assert told > 100


def test_gigabytes_of_blanks_are_not_unpacked(tmp_path):
    packer = zlib.compressobj(9, wbits=31)
    blanks = b" " * 10_000_000
    (tmp_path / "x.json.gz").write_bytes(b"".join(packer.compress(blanks) for _count in range(8)) + packer.flush())
    tracemalloc.start()
    with pytest.raises(SnapshotError, match="unpacks to more than"):
        load(str(tmp_path / "x.json.gz"))
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_gzip_files_one_after_the_other_are_one(tmp_path):
    whole = shell()
    assert not loads(gzip.compress(whole[:9]) + gzip.compress(whole[9:])).installed


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero", "/dev/null"):
        with pytest.raises(SnapshotError, match="not a regular file"):
            load(path)
    with pytest.raises(OSError, match="directory"):
        load(str(tmp_path))


def test_a_snapshot_is_not_larger_than_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "MAX_SIZE", 2_000_000)
    (tmp_path / "x.json").write_bytes(b" " * 2_000_001)
    with pytest.raises(SnapshotError, match="more than 2 MB"):
        load(str(tmp_path / "x.json"))


def test_a_snapshot_of_nothing_is_a_snapshot():
    empty = loads(b'{"format": "l2ops.metallb/snapshot", "version": 1, "objects": {}}')
    assert not empty.installed and empty.load_balancer_services == []
    assert all(check.result in ("skipped", "passed") for check in evaluate(empty).checks)


# -- laying over ------------------------------------------------------------------------------------------------------


def test_what_is_applied_replaces_its_like_and_keeps_its_status():
    world = World()
    world.get("ipaddresspools", "main-pool")["status"] = {"availableIPv4": 49}
    before = world.snapshot()
    changed = {**before.raw("ipaddresspools")[0], "spec": {"addresses": ["192.168.7.220/32"]}}
    changed.pop("status")
    after = before.overlay([changed])
    assert [one.name for one in after.pools.values()] == ["main-pool"]
    assert after.raw("ipaddresspools")[0]["status"] == {"availableIPv4": 49}
    assert (
        len(before.pools["main-pool"].spans) == 1 and after.pools["main-pool"].spans != before.pools["main-pool"].spans
    )


def test_pruning_leaves_only_what_is_written():
    more = {
        "kind": "IPAddressPool",
        "metadata": {"name": "new", "namespace": HOME},
        "spec": {"addresses": ["192.168.7.5/32"]},
    }
    before = World().snapshot()
    assert set(before.overlay([more]).pools) == {"main-pool", "new"}
    assert set(before.overlay([more], replace_kinds=["ipaddresspools"]).pools) == {"new"}


def test_written_alone_has_no_cluster_behind_it():
    one = {"kind": "IPAddressPool", "metadata": {"name": "new"}, "spec": {"addresses": ["10.0.0.0/24"]}}
    snapshot = from_manifests([one])
    assert snapshot.static and snapshot.has("l2advertisements") and not snapshot.has("nodes")
    assert "MLB401" in {finding.code for finding in evaluate(snapshot).findings}


# -- slim -------------------------------------------------------------------------------------------------------------


def test_slim_keeps_what_rules_read():
    world = World()
    world.get("l2advertisements", "l2-adv")["metadata"]["managedFields"] = [
        {"manager": "kubectl", "time": "2026-11-23T21:00:05Z", "fieldsV1": {"f:spec": {}}}
    ]
    before = world.snapshot()
    after = Snapshot.from_objects(
        {plural: [slim(plural, obj) for obj in found] for plural, found in as_dict(before).items()}, taken=TAKEN
    )
    assert [str(one) for one in evaluate(after).findings] == [str(one) for one in evaluate(before).findings] == []
    assert after.advertisements[0].changed == before.advertisements[0].changed > 0
    assert "fieldsV1" not in json.dumps(after.raw("l2advertisements"))
