# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""l2_validate: a live cluster, a snapshot, files and options, alone and laid over a cluster; and whatever is handed to it wrongly."""

from __future__ import annotations

import gzip
import json
import textwrap

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import save
from ansible_collections.l2ops.metallb.plugins.modules import l2_diagnose, l2_validate
from ansible_collections.l2ops.metallb.tests.unit.run_module import run
from ansible_collections.l2ops.metallb.tests.unit.served import now, served
from ansible_collections.l2ops.metallb.tests.unit.world import HOME, World, metadata

# What every judging module returns, however it ends.
ALIKE = {"findings", "checks", "summary", "verdict", "worst", "skipped_kinds", "changed", "msg"}


def validate(world=None, **arguments):
    """The module's result for this cluster, looked at once."""
    with served(world or World()) as (_api, connection):
        return run(l2_validate, **{"settle": 0, **connection, **arguments})


def written(folder, **files):
    """Files with these texts; a name like a__b.yml is a/b.yml. The folder."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/").rsplit("_", 1)[0] + "." + name.rsplit("_", 1)[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).lstrip("\n").encode())
    return str(folder)


def places(result):
    """Code, file and line of all findings that stand in a file."""
    return [(one["code"], one["file"].rpartition("/")[2], one["line"]) for one in result["findings"] if one.get("file")]


def codes(result):
    return sorted({one["code"] for one in result["findings"]})


def refused(result, *words):
    """It could read nothing, says so in one sentence with these words, and returns no verdict."""
    assert result["failed"] and result["failure_kind"] == "execution"
    assert "findings" not in result
    for word in words:
        assert word in result["msg"], result["msg"]
    assert "Traceback" not in result["msg"]


POOL = """
    apiVersion: metallb.io/v1beta1
    kind: IPAddressPool
    metadata:
      name: lan
      namespace: metallb-system
    spec:
      addresses:
        - 192.168.7.180-192.168.7.189
        - 192.168.7.10/31
    ---
    apiVersion: metallb.io/v1beta1
    kind: L2Advertisement
    metadata: {name: lan, namespace: metallb-system}
    spec:
      ipAddressPools: [lan]
      interfaces: [eth0]
"""


# -- a live cluster ---------------------------------------------------------------------------------------------------


def test_healthy():
    result = validate(gateway=["192.168.7.1"])
    assert not result["failed"] and result["findings"] == [] and result["worst"] == "none"
    assert "failure_kind" not in result and not result["changed"]
    assert result.keys() >= ALIKE
    assert result["judged"] == {"against": "cluster", "files": [], "written": [], "notes": [], "unread": []}
    assert {check["result"] for check in result["checks"]} == {"passed", "skipped"}
    assert all(check["reason"] for check in result["checks"] if check["result"] == "skipped")
    assert result["summary"]["skipped"] == sum(check["result"] == "skipped" for check in result["checks"])


def broken():
    world = World()
    world.get("ipaddresspools", "main-pool")["spec"]["addresses"] = ["192.168.7.11-192.168.7.250"]
    del world.get("l2advertisements", "l2-adv")["spec"]["interfaces"]
    return world


def test_findings_fail_it_and_everything_is_returned():
    result = validate(broken())
    assert result["failed"] and result["failure_kind"] == "findings"
    assert "MLB301 IPAddressPool metallb-system/main-pool" in result["msg"]
    assert result.keys() >= ALIKE and result["worst"] == "error"
    (check,) = [one for one in result["checks"] if one["id"] == "MLB301"]
    assert check == {"id": "MLB301", "result": "failed", "reason": ""}
    finding = result["findings"][0]
    assert finding["object"] == {"kind": "IPAddressPool", "namespace": HOME, "name": "main-pool"}
    assert finding["field"] == "spec.addresses[0]" and finding["docs"].endswith("/MLB301.md") and finding["fix"]


@pytest.mark.parametrize(
    ("fail_on", "ignore", "fails"),
    [
        ("error", [], True),
        ("warning", [], True),
        ("never", [], False),
        ("error", ["MLB301"], False),
        ("warning", ["MLB301", "advertisement-without-interfaces"], False),
        ("warning", ["MLB3*", "MLB404=L2Advertisement metallb-system/l2-*"], False),
        ("error", ["MLB301=other-pool"], True),
    ],
)
def test_what_fails_it(fail_on, ignore, fails):
    result = validate(broken(), fail_on=fail_on, ignore=ignore)
    assert result["failed"] == fails
    assert result.get("failure_kind") == ("findings" if fails else None)
    assert result["summary"]["ignored"] == sum(len(one.split("=")) == 1 or "l2-*" in one for one in ignore)


def test_ignored_by_the_object_itself():
    world = broken()
    world.get("ipaddresspools", "main-pool")["metadata"]["annotations"] = {"l2ops.metallb/ignore": "MLB301, MLB306"}
    result = validate(world)
    assert codes(result) == ["MLB404"] and result["summary"]["ignored"] == 1


def test_ignoring_what_does_not_exist_is_told():
    result = validate(ignore=["MLB999", "no-such-thing"])
    assert not result["failed"]
    assert [text for text in result["warnings"] if "MLB999" in text] and len(result["warnings"]) == 2


def test_what_only_the_user_knows():
    known = {
        "gateway": ["192.168.7.201"],
        "reserved": ["192.168.7.240-192.168.7.241", "192.168.7.242", "192.168.7.244/31"],
        "dhcp_ranges": ["192.168.7.100-192.168.7.200"],
        "node_networks": ["192.168.7.0/25"],
        "cluster_networks": ["192.168.7.248/29"],
    }
    result = validate(fail_on="never", **known)
    assert codes(result) == ["MLB302", "MLB304", "MLB308", "MLB310"]
    shared = [one["evidence"]["shared"] for one in result["findings"] if one["code"] == "MLB302"]
    assert shared == ["192.168.7.201", "192.168.7.240/31", "192.168.7.242", "192.168.7.244/31"]


@pytest.mark.parametrize(
    ("option", "given", "word"),
    [
        ("gateway", ["192.168.7"], "192.168.7"),
        ("reserved", ["a-b"], "a-b"),
        ("reserved", ["9" * 5000 + ".0.0.1"], "999…'"),
        ("dhcp_ranges", ["192.168.7.9-192.168.7.1"], "ends before it begins"),
        ("node_networks", ["192.168.7.0/33"], "too long"),
        ("node_networks", ["192.168.7.0/" + "9" * 5000], "too long"),
        ("cluster_networks", ["10.0.0.0/8,"], "10.0.0.0/8"),
        ("interfaces", {"cp-1": "eth0"}, "cp-1"),
        ("interfaces", {"cp-1": [{"up": True}]}, "no name"),
        ("wire", {"targets": "x"}, "l2_probe"),
        ("wire", {"targets": [{"address": "nonsense"}]}, "nonsense"),
        ("wire", {"targets": [{"address": "192.168.7.201"}], "nodes": ["cp-1"]}, "nodes"),
        ("ports", {"targets": [{"address": "192.168.7.201", "port": "http"}]}, "port"),
        ("ports", {"answers": []}, "service_probe"),
    ],
)
def test_options_that_cannot_be_read(option, given, word):
    refused(validate(**{option: given}), f"{option}:", word)


def test_a_probe_that_gave_nothing_is_left_out():
    for wire in (
        {"skipped": True, "skip_reason": "Conditional result was False", "changed": False},
        {"failed": True, "msg": "no raw sockets", "failure_kind": "execution"},
        {"failed": False, "failed_when_result": False, "msg": "no raw sockets", "failure_kind": "execution"},
        {"unreachable": True, "msg": "no route to host"},
    ):
        result = validate(wire=wire)
        assert not result["failed"], wire
        assert [text for text in result["warnings"] if text.startswith("wire: l2_probe gave no result")]
        (check,) = [one for one in result["checks"] if one["id"] == "MLB601"]
        assert check["result"] == "skipped"


def test_cluster_out_of_reach():
    result = run(l2_validate, host="http://127.0.0.1:9", api_key="token")
    refused(result, "127.0.0.1:9")


def test_what_may_not_be_read_is_named_and_the_rest_judged():
    world = broken()
    for kind in ("nodes", "secrets", "events"):
        world.hide(kind)
    result = validate(world, fail_on="never")
    assert {"nodes", "secrets", "events"} <= result["skipped_kinds"].keys()
    assert "cannot list" in result["skipped_kinds"]["nodes"] or "forbidden" in result["skipped_kinds"]["nodes"]
    skipped = {one["id"]: one["reason"] for one in result["checks"] if one["result"] == "skipped"}
    assert skipped["MLB301"].startswith("nodes: ") and "MLB301" not in codes(result)
    assert "MLB404" in codes(result)


def test_empty_cluster():
    world = World()
    world.objects = {plural: [] for plural in world.objects}
    world.write_statuses = False
    result = validate(world)
    assert codes(result) == ["MLB112"] and result["failure_kind"] == "findings"


def test_metallb_absent():
    with served(World()) as (api, connection):
        api.absent |= {name for name, (version, _kind) in _kinds().items() if version.startswith("metallb.io")}
        for plural in ("daemonsets", "deployments", "pods", "validatingwebhookconfigurations"):
            api.objects[plural].clear()
        result = run(l2_validate, settle=0, **connection)
    assert result["failure_kind"] == "findings" and "MLB112" in result["msg"]
    assert "ipaddresspools" in result["skipped_kinds"]


def test_kinds_of_an_older_metallb():
    """0.14.9 has no ConfigurationState, and its IPAddressPool no status."""
    with served(World()) as (api, connection):
        api.absent.add("configurationstates")
        result = run(l2_validate, settle=0, **connection)
    assert not result["failed"] and result["findings"] == []
    (check,) = [one for one in result["checks"] if one["id"] == "MLB111"]
    assert check["result"] == "skipped" and "configurationstates" in check["reason"]


def _kinds():
    from ansible_collections.l2ops.metallb.tests.unit.fake_api import KINDS

    return KINDS


# -- settling ---------------------------------------------------------------------------------------------------------


def test_a_young_mismatch_is_waited_for(monkeypatch):
    """The endpoint of a service has just become ready, and its ServiceL2Status comes a moment later."""
    world = World()
    piece = world.get("endpointslices", "my-nginx-abcde")
    piece["metadata"]["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"] = now()
    piece["endpoints"][0]["conditions"] = {"ready": False, "serving": False}
    naps = []
    with served(world) as (api, connection):

        def nap(seconds):
            naps.append(seconds)
            api.write(
                "endpointslices",
                "my-nginx-abcde",
                lambda obj: obj["endpoints"][0].update(conditions={"ready": True, "serving": True}),
                "default",
            )

        monkeypatch.setattr(
            l2_validate.analyze_until_settled,
            "__defaults__",
            (nap, *l2_validate.analyze_until_settled.__defaults__[1:]),
        )
        result = run(l2_validate, settle=15, **connection)
    assert not result["failed"], result["msg"]
    assert naps and "MLB508" not in codes(result)


def test_what_stays_wrong_is_told_in_the_end(monkeypatch):
    world = World()
    piece = world.get("endpointslices", "my-nginx-abcde")
    piece["metadata"]["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"] = now()
    piece["endpoints"] = []
    clock = [0.0]

    def nap(seconds):
        clock[0] += seconds

    monkeypatch.setattr(l2_validate.analyze_until_settled, "__defaults__", (nap, lambda: clock[0], 1.0))
    result = validate(world, settle=3)
    assert result["failure_kind"] == "findings" and "MLB508" in codes(result)
    assert 3.0 <= clock[0] < 4.1, "no longer than its own deadline"


# -- a saved snapshot -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cluster.json", "cluster.json.gz"])
def test_snapshot_is_judged_like_the_cluster(tmp_path, name):
    world = broken()
    save(world.snapshot(), str(tmp_path / name))
    result = run(l2_validate, snapshot=str(tmp_path / name))
    live = validate(world)
    assert result["findings"] == live["findings"] and result["failure_kind"] == "findings"
    assert result["judged"]["against"] == "snapshot"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", ("no JSON", "save_to")),
        (b"[]", ("no snapshot",)),
        (b'{"apiVersion": "v1", "kind": "List", "items": []}', ("option manifests",)),
        (b'{"format": "l2ops.metallb/snapshot", "version": 99}', ("version 99", "newer")),
        (b'{"format": "l2ops.metallb/snapshot", "version": "x"}', ("no known version",)),
        (b'{"format": "l2ops.metallb/snapshot", "version": 1, "objects": {"nodes": [1]}}', ("damaged",)),
        (b"\x1f\x8b\x08nonsense", ("damaged",)),
        (gzip.compress(b"\xff\xfe", mtime=0), ("no JSON",)),
    ],
)
def test_snapshot_that_is_none(tmp_path, content, words):
    path = tmp_path / "file"
    path.write_bytes(content)
    refused(run(l2_validate, snapshot=str(path)), str(path), *words)


def test_snapshot_that_is_not_there(tmp_path):
    refused(run(l2_validate, snapshot=str(tmp_path / "none.json")), "none.json", "No such file")


def test_snapshot_of_odd_objects_is_judged_without_a_traceback(tmp_path):
    """Nothing promises that a file that calls itself a snapshot holds what a cluster would."""
    odd = [
        {},
        {"metadata": None, "spec": 1, "status": []},
        {"metadata": {"name": 7}, "spec": {"addresses": 5, "type": []}},
    ]
    kinds = World().snapshot().objects
    content = {"format": "l2ops.metallb/snapshot", "version": 1, "taken": "x", "objects": dict.fromkeys(kinds, odd)}
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(content))
    result = run(l2_validate, snapshot=str(path), fail_on="never")
    assert not result["failed"] and result["checks"]


# -- files ------------------------------------------------------------------------------------------------------------


def test_files_alone_need_no_cluster(tmp_path):
    folder = written(tmp_path, pools_yml=POOL)
    result = run(l2_validate, manifests=[folder], node_networks=["192.168.7.0/24"], gateway=["192.168.7.11"])
    assert places(result) == [("MLB302", "pools.yml", 9)]
    assert result["failure_kind"] == "findings" and result["judged"]["against"] == "nothing"
    assert result["judged"]["written"] == ["IPAddressPool metallb-system/lan", "L2Advertisement metallb-system/lan"]


def test_every_finding_points_at_its_line(tmp_path):
    text = """
        # a comment
        apiVersion: v1
        kind: List
        items:
          - apiVersion: metallb.io/v1beta1
            kind: IPAddressPool
            metadata:
              name: lan
              namespace: default
            spec:
              addresses: [192.168.7.180-192.168.7.189,
                          192.168.7.10/24]
              autoAsign: true
          - apiVersion: metallb.io/v1beta1
            kind: L2Advertisement
            metadata: {name: lan, namespace: metallb-system}
            spec:
              interfaces: [eth0]
              ipAddressPools:
                - main
              nodeSelectors:
                - matchExpressions: [{key: a, operator: In}]
        ---
        apiVersion: metallb.io/v1beta1
        kind: IPAddressPool
        metadata: {name: wan}
        spec:
          addresses:
            - 10.0.0.1
        ---
        apiVersion: v1
        kind: Service
        metadata:
          name: web
          annotations:
            metallb.universe.tf/loadBalancerIPs: 10.0.0.9
            metallb.io/loadbalancerip: 10.0.0.9
        spec:
          type: LoadBalancer
    """
    result = run(l2_validate, manifests=[written(tmp_path, all_yaml=text)], fail_on="never")
    assert set(places(result)) >= {
        ("MLB311", "all.yaml", 9),
        ("MLB309", "all.yaml", 29),
        ("MLB402", "all.yaml", 20),
        ("MLB409", "all.yaml", 22),
        ("MLB504", "all.yaml", 36),
        ("MLB506", "all.yaml", 37),
    }
    assert all(one["file"] and one["line"] for one in result["findings"])


def test_folders_are_read_with_all_below(tmp_path):
    folder = written(
        tmp_path, a__one_yml=POOL, git_yml="x: 1", b__deep__er_json=b"\xef\xbb\xbf[]"[:3] + b'{"kind": "ConfigMap"}'
    )
    written(tmp_path, **{".git__config_yml": "{{ no yaml }}", "b__notes_txt": "{{ none either"})
    result = run(l2_validate, manifests=[folder], node_networks=["192.168.7.0/24"], fail_on="never")
    assert [one.rpartition("/")[2] for one in result["judged"]["files"]] == ["git.yml", "one.yml", "er.json"]
    assert result["judged"]["written"] == ["IPAddressPool metallb-system/lan", "L2Advertisement metallb-system/lan"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [1\nb: 2\n", ("bad.yml, line 2", "not valid YAML")),
        ("kind: IPAddressPool\nmetadata: {name: {{ pool }}}\n", ("bad.yml, line 2", "Render the template")),
        ("addresses: {{ pools }}\n", ("bad.yml",)),
        ("a: 1\n---\n- 1\n", ("bad.yml, line 3", "a dictionary")),
        ("just words\n", ("bad.yml, line 1", "a dictionary")),
        ("apiVersion: v1\nmetadata: {name: x}\n", ("bad.yml, line 1", "no kind")),
        ("apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nspec: {}\n", ("bad.yml, line 1", "no metadata.name")),
        ("apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: x\n", ("bad.yml, line 1", "no metadata.name")),
        (
            "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: x}\nspec: [1]\n",
            ("bad.yml, line 1", "spec"),
        ),
        (b"\xff\xfe\x00", ("bad.yml", "UTF-8")),
        ("a: &a [*a]\nkind: *b\n", ("bad.yml, line 1", "aliases")),
        ("? [a, b]\n: 1\n", ("bad.yml",)),
        ("{a: 1}: 2\n", ("bad.yml",)),
        ("[" * 3000, ("bad.yml",)),
        ("a: \x07\n", ("bad.yml",)),
    ],
)
def test_files_that_cannot_be_read(tmp_path, content, words):
    """A file that was named ends the run; in a folder it is noted and left out, and what is beside it is analyzed."""
    folder = written(tmp_path, bad_yml=content, pools_yml=POOL.replace("192.168.7.189", "192.168.7.300"))
    refused(run(l2_validate, manifests=[f"{folder}/bad.yml"]), "manifests: ", *words)
    result = run(l2_validate, manifests=[folder], fail_on="never")
    assert codes(result) == ["MLB309"]
    assert [text for text in result["warnings"] if "1 file was left out" in text and "bad.yml" in text]
    assert result["judged"]["notes"] == result["warnings"]


@pytest.mark.parametrize("content", ["a: !!python/object:os.system x\n", "kind: !!binary x\n", "kind: 2026-13-45\n"])
def test_what_kubernetes_reads_is_read(tmp_path, content):
    folder = written(tmp_path, bad_yml=content, pools_yml=POOL)
    assert not run(l2_validate, manifests=[folder])["failed"]
    assert "cannot be read" not in run(l2_validate, manifests=[f"{folder}/bad.yml"], fail_on="never")["msg"]


def test_what_is_no_manifest_is_passed_over(tmp_path):
    folder = written(
        tmp_path,
        chart_yml="apiVersion: v2\nkind: Chart\nname: x\n",
        empty_yml="",
        two_yml="---\n---\n",
        other_yml="apiVersion: example.com/v1\nkind: Service\nmetadata: {name: x}\nspec: {type: LoadBalancer}\n",
        kustomization_yml="resources: [a.yml]\n",
    )
    result = run(l2_validate, manifests=[folder])
    assert result["failed"] and result["failure_kind"] == "unknown" and result["judged"]["written"] == []
    assert result["worst"] == "unknown" and "no IPAddressPool found" in result["msg"]


def test_folder_without_manifests_and_file_that_is_not_there(tmp_path):
    refused(run(l2_validate, manifests=[str(tmp_path)]), "holds no manifest", str(tmp_path))
    refused(run(l2_validate, manifests=[str(tmp_path / "none.yml")]), "does not exist")


def test_the_same_object_twice_is_told(tmp_path):
    folder = written(tmp_path, a_yml=POOL, b_yml=POOL)
    result = run(l2_validate, manifests=[folder], fail_on="never")
    assert [text for text in result["warnings"] if "a.yml (line 1)" in text and "b.yml (line 1)" in text]


def test_unknown_fields(tmp_path):
    text = POOL.replace("interfaces: [eth0]", "interface: [eth0]").replace(
        "spec:\n      addresses", "spec:\n      adresses: []\n      addresses"
    )
    result = run(l2_validate, manifests=[written(tmp_path, a_yml=text)], fail_on="never")
    assert [place for place in places(result) if place[0] == "MLB408"] == [
        ("MLB408", "a.yml", 7),
        ("MLB408", "a.yml", 17),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "speaker:\n  frr:\n    enabled: true\n",
        """
        apiVersion: argoproj.io/v1alpha1
        kind: Application
        metadata: {name: metallb}
        spec:
          source:
            chart: metallb
            helm:
              valuesObject: {speaker: {frr: {enabled: true}}}
        """,
        """
        apiVersion: argoproj.io/v1alpha1
        kind: Application
        metadata: {name: metallb}
        spec:
          sources:
            - chart: metallb
              helm:
                values: |
                  frrk8s: {enabled: true}
        """,
        """
        apiVersion: helm.toolkit.fluxcd.io/v2
        kind: HelmRelease
        metadata: {name: metallb}
        spec:
          chart: {spec: {chart: metallb}}
          values: {speaker: {frr: {enabled: true}}}
        """,
    ],
    ids=["values", "argo", "argo with several sources", "flux"],
)
def test_helm_values(tmp_path, text):
    folder = written(tmp_path, values_yml=text, pools_yml=POOL)
    result = run(l2_validate, manifests=[folder], node_networks=["192.168.7.0/24"])
    assert codes(result) == ["MLB108"] and not result["failed"]
    alone = run(l2_validate, manifests=[f"{folder}/values.yml"])
    (check,) = [one for one in alone["checks"] if one["id"] == "MLB108"]
    assert check["result"] == "skipped", "whether BGP is used cannot be told from values alone"


def test_helm_values_decide_whether_labels_count(tmp_path):
    """All nodes are labelled; the values that are to be applied make speakers ignore that."""
    world = World()
    world.heed_labels()
    world.get("nodes", "worker-1")["metadata"]["labels"]["node.kubernetes.io/exclude-from-external-load-balancers"] = ""
    folder = written(tmp_path, values_yml="speaker: {ignoreExcludeLB: true}\n")
    assert "MLB201" in codes(validate(world))
    after = validate(world, manifests=[folder], against="cluster", fail_on="never")
    assert "MLB201" not in codes(after)


# -- laid over a cluster ----------------------------------------------------------------------------------------------


def test_what_would_be_wrong_if_it_were_applied(tmp_path):
    folder = written(tmp_path, a_yml=POOL.replace("192.168.7.180-192.168.7.189", "192.168.7.240-192.168.7.255"))
    result = validate(manifests=[folder], against="cluster")
    found = {one["code"]: one for one in result["findings"]}
    assert "main-pool" in found["MLB303"]["summary"] and found["MLB303"]["line"] == 8
    assert "cp-1" not in found["MLB301"]["summary"] or found["MLB301"]["line"] == 9
    assert result["judged"]["against"] == "cluster"
    before = validate()
    assert before["findings"] == [], "and the cluster itself is well"


def test_over_a_snapshot(tmp_path):
    save(World().snapshot(), str(tmp_path / "s.json"))
    folder = written(tmp_path / "m", a_yml=POOL)
    result = run(l2_validate, manifests=[folder], snapshot=str(tmp_path / "s.json"))
    assert result["judged"]["against"] == "snapshot"
    assert [one["code"] for one in result["findings"]] == ["MLB301"]
    refused(run(l2_validate, manifests=[folder], against="snapshot"), "against", "snapshot")
    refused(run(l2_validate, manifests=[folder], snapshot=str(tmp_path / "s.json"), against="cluster"), "against")


def test_a_pool_that_is_shrunk_under_a_service(tmp_path):
    smaller = [{"name": "main-pool", "addresses": ["192.168.7.202-192.168.7.250"]}]
    result = validate(pools=smaller, against="cluster")
    assert [(one["code"], one["object"]["name"]) for one in result["findings"]] == [("MLB512", "my-nginx")]


def test_a_service_that_is_there_and_is_written_again_as_it_is(tmp_path):
    """A manifest lacks what the API server filled in: its families, its address, its status."""
    text = """
        apiVersion: v1
        kind: Service
        metadata:
          name: dual
          namespace: default
          annotations: {metallb.io/address-pool: six}
        spec:
          type: LoadBalancer
          selector: {app: dual}
          ports: [{port: 80}]
    """
    world = World()
    world.add_pool("six", "fd00:7::100-fd00:7::120")
    world.get("l2advertisements", "l2-adv")["spec"]["ipAddressPools"].append("six")
    world.add_service("default/dual", "fd00:7::100", annotations={"metallb.io/address-pool": "six"})
    result = validate(
        world, manifests=[written(tmp_path, a_yml=text)], against="cluster", node_networks=["fd00:7::/64"]
    )
    assert result["findings"] == []


def test_a_service_that_is_not_there_yet_has_no_address_yet(tmp_path):
    text = """
        apiVersion: v1
        kind: Service
        metadata: {name: new, annotations: {metallb.io/loadBalancerIPs: ADDRESS}}
        spec: {type: LoadBalancer, ports: [{port: 80}]}
    """
    folder = written(tmp_path, a_yml=text.replace("ADDRESS", "192.168.7.222"))
    assert validate(manifests=[folder], against="cluster")["findings"] == []
    folder = written(tmp_path, a_yml=text.replace("ADDRESS", "192.168.7.201"))
    result = validate(manifests=[folder], against="cluster")
    assert [one["code"] for one in result["findings"]] == ["MLB503"] and "my-nginx" in result["msg"]


def test_prune():
    """With prune, what is not given goes: the old pool, and the advertisement that names it."""
    pools = [{"name": "new", "addresses": ["192.168.7.200-192.168.7.250"]}]
    advertisements = [{"name": "new", "ip_address_pools": ["new"], "interfaces": ["eth0"]}]
    kept = validate(pools=pools, advertisements=advertisements, against="cluster", fail_on="never")
    assert codes(kept) == ["MLB303"]
    pruned = validate(pools=pools, advertisements=advertisements, against="cluster", prune=True, fail_on="warning")
    assert not pruned["failed"], pruned["msg"]


# -- options as manifests ---------------------------------------------------------------------------------------------


def test_variables_alone():
    result = run(
        l2_validate,
        pools=[{"name": "lan", "addresses": ["192.168.7.200-192.168.7.250", "192.168.7.250/32"]}],
        advertisements=[{"name": "lan", "ip_address_pools": ["lam"], "interfaces": ["eth0"]}],
        services=[{"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "loadBalancerIP": "192.168.7.9"}}],
        fail_on="never",
    )
    assert {"MLB303", "MLB401", "MLB402", "MLB502"} <= set(codes(result))
    assert result["judged"]["written"][-1] == "Service default/web"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pools": [{"addresses": []}]}, ("pools", "no name")),
        ({"pools": [{"name": "a", "adresses": []}]}, ("pools", "adresses", "addresses")),
        ({"pools": [{"name": "a"}, {"name": "a"}]}, ("pools", "twice")),
        (
            {"advertisements": [{"name": "a", "nodeSelectors": []}]},
            ("advertisements", "nodeSelectors", "node_selectors"),
        ),
        ({"services": [{"kind": "Pod", "metadata": {"name": "x"}}]}, ("services", "no Service")),
        ({"services": [{"metadata": "x"}]}, ("services", "no Service")),
    ],
)
def test_options_that_are_no_objects(options, words):
    refused(run(l2_validate, **options), *words)


def test_odd_values_in_options_are_findings():
    result = run(
        l2_validate,
        pools=[{"name": "a", "addresses": "192.168.7.1-192.168.7.9"}, {"name": "b", "addresses": [None, 7, {"x": 1}]}],
        advertisements=[{"name": "a", "node_selectors": ["x", {"matchLabels": 7}], "interfaces": "eth0"}],
        services=[{"metadata": {"name": "x", "annotations": []}, "spec": "none"}],
        fail_on="never",
    )
    assert not result["failed"] and {"MLB309", "MLB409"} <= set(codes(result))


def test_worst_first_and_causes_before_consequences(tmp_path):
    """Also where a cause that a finding might have is none in this cluster."""
    world = World()
    world.get("ipaddresspools", "main-pool")["spec"]["addresses"] = ["192.168.7.202-192.168.7.250"]
    world.get("l2advertisements", "l2-adv")["spec"]["nodeSelectors"] = [{"matchLabels": {"rack": "none"}}]
    world.get("services", "my-nginx")["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": "192.168.7.201"}
    world.get("services", "traefik")["metadata"]["annotations"] = {"metallb.universe.tf/address-pool": "main-pool"}
    found = validate(world, fail_on="never")["findings"]
    severities = ["error", "warning", "info"]
    order = [(severities.index(one["severity"]), bool(one["caused_by"]), one["code"]) for one in found]
    assert len(found) > 4 and order == sorted(order)
    assert any(one["caused_by"] for one in found)


# -- alike ------------------------------------------------------------------------------------------------------------


def test_judging_modules_return_the_same_things():
    with served(broken()) as (_api, connection):
        validated = run(l2_validate, settle=0, **connection)
        diagnosed = run(l2_diagnose, settle=0, **connection)
    assert validated.keys() >= ALIKE and diagnosed.keys() >= ALIKE
    assert validated["findings"] == diagnosed["findings"] and validated["checks"] == diagnosed["checks"]
    assert validated["failure_kind"] == diagnosed["failure_kind"] == "findings"


def test_changes_nothing_in_check_mode_and_out_of_it():
    for check in (False, True):
        with served(World()) as (api, connection):
            result = run(l2_validate, check=check, settle=0, **connection)
            assert not result["changed"] and not api.sent("POST", "PATCH", "DELETE", "PUT")


def test_services_of_one_name_in_two_namespaces(tmp_path):
    """An event, an address and an endpoint of the same name elsewhere are not mixed up."""
    world = World()
    world.add_service("other/my-nginx", "192.168.7.230")
    world.objects["namespaces"].append({"kind": "Namespace", "metadata": metadata("other")})
    save(world.snapshot(), str(tmp_path / "s.json"))
    assert run(l2_validate, snapshot=str(tmp_path / "s.json"))["findings"] == []
