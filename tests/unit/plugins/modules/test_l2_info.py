# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""l2_info: what is there, who should announce it, who is said to, and a file of it that can be looked at elsewhere."""

from __future__ import annotations

import json
import stat

import pytest
from ansible_collections.l2ops.metallb.plugins.modules import l2_info, l2_validate
from ansible_collections.l2ops.metallb.tests.unit.run_module import run
from ansible_collections.l2ops.metallb.tests.unit.served import served
from ansible_collections.l2ops.metallb.tests.unit.world import EXCLUDE, HOME, World, condition, l2_status


def info(world=None, **arguments):
    with served(world or World()) as (_api, connection):
        return run(l2_info, **connection, **arguments)


def by_name(found, name):
    return next(one for one in found if one["name"] == name)


def test_healthy():
    result = info()
    assert not result["failed"] and not result["changed"] and result["settled"] and result["skipped_kinds"] == {}
    assert result["metallb"] == {
        "method": "helm",
        "namespace": HOME,
        "release": "metallb",
        "version": "0.15.3",
        "ignores_exclude_label": True,
        "memberlist": True,
        "load_balancer_class": "",
        "speakers": 4,
        "speakers_ready": 4,
        "controller_ready": True,
        "managed_by": "Helm release metallb",
        "owner": {
            "tool": "helm",
            "kind": "Helm release",
            "namespace": "",
            "name": "metallb",
            "evidence": "annotation meta.helm.sh/release-name: metallb",
        },
        "memberlist_secret": "metallb-memberlist",
        "frr": False,
    }
    assert by_name(result["nodes"], "cp-1") == {
        "name": "cp-1",
        "addresses": ["192.168.7.11"],
        "ready": True,
        "excluded": True,
        "excluded_by_talos": True,
        "os_image": "Talos (v1.12.0)",
        "network_unavailable": False,
        "speaker": True,
        "eligible": True,
        "reason": "",
    }
    pool = by_name(result["pools"], "main-pool")
    assert (pool["size"], pool["used"], pool["free"], pool["advertisements"]) == (51, 2, 49, ["l2-adv"])
    advertisement = by_name(result["advertisements"], "l2-adv")
    assert advertisement["reached_pools"] == ["main-pool"] and advertisement["selected_nodes"] == 4
    service = by_name(result["services"], "default/my-nginx")
    assert service["elected"] == service["reported"] == "cp-2" and service["cause"] == ""
    assert service["candidates"][0] == "cp-2" and service["candidate_count"] == 4
    assert service["reasons"].keys() == {"cp-1", "cp-3", "worker-1"}
    assert result["expected"] == {"192.168.7.201": "cp-2", "192.168.7.203": "cp-2"}


def every_node_labelled():
    world = World()
    world.heed_labels()
    world.get("nodes", "worker-1")["metadata"]["labels"][EXCLUDE] = ""
    return world


def no_endpoints():
    world = World()
    world.get("endpointslices", "my-nginx-abcde")["endpoints"] = []
    return world


def pending():
    world = World()
    world.get("services", "my-nginx")["status"] = {}
    return world


def no_pool():
    world = World()
    world.get("ipaddresspools", "main-pool")["spec"]["addresses"] = ["192.168.7.203/32"]
    return world


def no_advertisement():
    world = World()
    world.drop("l2advertisements")
    return world


def local_elsewhere():
    world = World()
    world.get("services", "my-nginx")["spec"]["externalTrafficPolicy"] = "Local"
    world.get("l2advertisements", "l2-adv")["spec"]["nodeSelectors"] = [
        {"matchLabels": {"kubernetes.io/hostname": "cp-2"}}
    ]
    return world


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (every_node_labelled, "MLB509"),
        (no_endpoints, "MLB508"),
        (pending, "MLB501"),
        (no_pool, "MLB512"),
        (no_advertisement, "MLB401"),
        (local_elsewhere, "MLB507"),
    ],
)
def test_why_nobody_announces(make, code):
    result = info(make())
    service = by_name(result["services"], "default/my-nginx")
    assert service["elected"] == "" and service["cause"].startswith(f"{code}: ")
    assert "192.168.7.201" not in result["expected"]


def test_which_nodes_may_announce_at_all():
    world = World()
    world.heed_labels()
    world.remove_speaker("worker-1")
    nodes = info(world)["nodes"]
    assert {one["name"]: (one["eligible"], one["reason"]) for one in nodes} == {
        "cp-1": (False, "carries the exclude label"),
        "cp-2": (False, "carries the exclude label"),
        "cp-3": (False, "carries the exclude label"),
        "worker-1": (False, "runs no speaker"),
    }


def test_announcers_that_differ_are_not_settled():
    world = World()
    world.write_statuses = False
    world.objects["servicel2statuses"] = [
        l2_status("default/my-nginx", "worker-1"),
        l2_status("traefik/traefik", "cp-2"),
    ]
    result = info(world)
    assert not result["failed"] and not result["settled"]
    assert by_name(result["services"], "default/my-nginx")["reported"] == "worker-1"


def test_waits_until_they_are(monkeypatch):
    world = World()
    world.write_statuses = False
    world.objects["servicel2statuses"] = [l2_status("traefik/traefik", "cp-2")]
    with served(world) as (api, connection):
        monkeypatch.setattr(l2_info.time, "sleep", lambda _s: api.add(l2_status("default/my-nginx", "cp-2")))
        result = run(l2_info, settle=20, **connection)
    assert result["settled"]


def test_what_does_not_move_is_not_waited_for(monkeypatch):
    """MetalLB 0.15 leaves a ServiceL2Status wrong for good after some failovers; verify waited its whole time for it."""
    world = World()
    world.write_statuses = False
    world.objects["servicel2statuses"] = [l2_status("traefik/traefik", "cp-1"), l2_status("default/my-nginx", "cp-2")]
    clock = [0.0]

    def sleep(seconds):
        clock[0] += seconds

    monkeypatch.setattr(l2_info.time, "sleep", sleep)
    monkeypatch.setattr(l2_info.time, "monotonic", lambda: clock[0])
    with served(world) as (_api, connection):
        result = run(l2_info, settle=600, **connection)
    assert not result["settled"] and not result["failed"]
    assert l2_info.STUCK <= clock[0] < l2_info.STUCK + 2


def test_speakers_that_start_are_waited_for(monkeypatch):
    """Seen on Talos after a restart of all nodes: 30 s until a speaker was ready, and it gave up after 10."""
    world = World()
    speakers = [pod for pod in world.objects["pods"] if "speaker" in pod["metadata"]["name"]]
    for pod in speakers:
        pod["status"]["conditions"] = [condition("Ready", "False")]
    world.write_statuses = False
    world.objects["servicel2statuses"] = [l2_status("traefik/traefik", "cp-2"), l2_status("default/my-nginx", "cp-2")]
    clock = [0.0]
    with served(world) as (api, connection):

        def sleep(seconds):
            clock[0] += seconds
            if clock[0] == 30:
                for pod in speakers:
                    pod["status"]["conditions"] = [condition("Ready", "True")]
                    api.add(pod)

        monkeypatch.setattr(l2_info.time, "sleep", sleep)
        monkeypatch.setattr(l2_info.time, "monotonic", lambda: clock[0])
        result = run(l2_info, settle=60, **connection)
    assert result["settled"] and result["metallb"]["speakers_ready"] == len(speakers)
    assert clock[0] == 30


def test_what_may_not_be_read_is_named():
    world = World()
    for kind in ("pods", "servicel2statuses"):
        world.hide(kind)
    failed = info(world)
    assert failed["failed"] and failed["failure_kind"] == "unknown" and list(failed["unknown"]) == ["pods"]
    assert "pods could not be read" in failed["msg"] and failed["services"], "all data is returned all the same"
    result = info(world, unknown="report")
    assert not result["failed"] and not result["settled"]
    assert {"pods", "servicel2statuses"} <= result["skipped_kinds"].keys()
    assert by_name(result["nodes"], "cp-1")["speaker"] is None, "not known is not no"
    assert by_name(result["services"], "default/my-nginx")["elected"] == "cp-2"


def test_most_nodes():
    result = info(max_nodes=2)
    service = by_name(result["services"], "default/my-nginx")
    assert len(service["candidates"]) == 2 and service["candidate_count"] == 4


def test_snapshot_holds_no_secrets_and_is_for_its_owner(tmp_path):
    world = World()
    world.objects["secrets"][0]["data"] = {"secretkey": "aHVzaA=="}
    for pod in world.objects["pods"]:
        pod["spec"]["containers"][0].setdefault("env", []).append({"name": "PASSWORD", "value": "hush-hush"})
        pod["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "hush-hush"}
    path = tmp_path / "cluster.json"
    result = info(world, save_to=str(path))
    text = path.read_text()
    assert result["saved_to"] == str(path) and "hush-hush" not in text and "aHVzaA" not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(text)["format"] == "l2ops.metallb/snapshot"


@pytest.mark.parametrize("name", ["cluster.json", "cluster.json.gz"])
def test_snapshot_gives_the_same_without_the_cluster(tmp_path, name):
    path = tmp_path / name
    live = info(save_to=str(path))
    live.pop("saved_to")
    assert run(l2_info, snapshot=str(path)) == live
    assert run(l2_validate, snapshot=str(path))["findings"] == []


def test_snapshot_is_saved_in_check_mode_too(tmp_path):
    with served(World()) as (_api, connection):
        run(l2_info, check=True, save_to=str(tmp_path / "s.json"), **connection)
    assert (tmp_path / "s.json").exists()


def test_file_that_cannot_be_written(tmp_path):
    result = info(save_to=str(tmp_path / "none" / "s.json"))
    assert result["failure_kind"] == "execution" and "save_to" in result["msg"] and "No such file" in result["msg"]


def test_snapshot_of_a_later_version(tmp_path):
    path = tmp_path / "s.json"
    path.write_text('{"format": "l2ops.metallb/snapshot", "version": 2}')
    result = run(l2_info, snapshot=str(path))
    assert result["failure_kind"] == "execution" and "version 2" in result["msg"]


def test_cluster_out_of_reach():
    result = run(l2_info, host="http://127.0.0.1:9", api_key="token")
    assert result["failed"] and result["failure_kind"] == "execution" and "127.0.0.1:9" in result["msg"]


def test_few_calls_and_no_writes():
    """About twenty lists however large the cluster is; pages of large kinds come on top."""
    with served(World()) as (api, connection):
        run(l2_info, **connection)
        assert not api.sent("POST", "PATCH", "PUT", "DELETE")
        assert len(api.sent("GET")) <= 30


def managed_by(result):
    return {
        f"{one['object']['kind']} {one['object']['name']}{' ' + one['part'] if one['part'] else ''}": one["managed_by"]
        for one in result["owners"]
    }


def test_owners_of_everything_that_is_changed():
    world = World()
    track(world.get("ipaddresspools", "main-pool"), "metallb-config:metallb.io/IPAddressPool:metallb-system/main-pool")
    world.get("l2advertisements", "l2-adv")["metadata"]["labels"] = {
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    }
    found = managed_by(info(world))
    assert found["IPAddressPool main-pool"] == "Application metallb-config"
    assert found["L2Advertisement l2-adv"] == "Kustomization flux-system/apps"
    assert found["DaemonSet metallb-speaker"] == "Helm release metallb"
    assert found["Node cp-1 exclude label"] == "machine configuration of node cp-1"
    assert "Node worker-1 exclude label" not in found
    assert found["Service my-nginx"] == "nobody (raw manifests)"


def track(obj, text):
    obj["metadata"].setdefault("annotations", {})["argocd.argoproj.io/tracking-id"] = text


def test_label_tracking_is_told_apart_from_the_label_of_the_chart():
    world = World()
    for plural, name in (("daemonsets", "metallb-speaker"), ("deployments", "metallb-controller")):
        metadata = world.get(plural, name)["metadata"]
        metadata["annotations"] = {}
        metadata["labels"]["app.kubernetes.io/instance"] = "metallb"
    with served(world) as (_api, connection):
        result = run(l2_info, **connection)
    assert result["metallb"]["owner"]["tool"] == "manifests", "a chart that was rendered and applied has the label, too"
    application = {
        "metadata": {"name": "metallb", "namespace": "gitops"},
        "status": {"resources": []},
        "kind": "Application",
    }
    application["status"]["resources"].append(
        {"group": "apps", "kind": "Deployment", "namespace": HOME, "name": "metallb-controller", "status": "Synced"}
    )
    world.objects["applications"] = [application]
    assert info(world)["metallb"]["managed_by"] == "Application gitops/metallb"
