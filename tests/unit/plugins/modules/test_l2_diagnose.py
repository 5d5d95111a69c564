# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""l2_diagnose: one sentence of cause and fix, the chain, the nodes; and what each signature on the wire means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import save
from ansible_collections.l2ops.metallb.plugins.modules import l2_diagnose
from ansible_collections.l2ops.metallb.tests.unit.run_module import run
from ansible_collections.l2ops.metallb.tests.unit.served import served
from ansible_collections.l2ops.metallb.tests.unit.world import (
    EXCLUDE,
    HOME,
    World,
    answer,
    l2_status,
    mac_of,
    ports,
    wire,
)

NGINX, TRAEFIK = "192.168.7.201", "192.168.7.203"  # both elected on cp-2
SIX = "fd00:7::100"
ALL = ("cp-1", "cp-2", "cp-3", "worker-1")
STEPS = [
    "type",
    "address",
    "pool",
    "advertisement",
    "endpoints",
    "candidates",
    "announcer",
    "interfaces",
    "wire",
    "port",
]


@pytest.fixture
def diagnose(tmp_path):
    """Of a World, by a snapshot of it: the result."""

    def look(world=None, **arguments):
        path = tmp_path / "world.json"
        save((world or World()).snapshot(), str(path))
        return run(l2_diagnose, snapshot=str(path), **arguments)

    return look


def of(result, service="default/my-nginx"):
    return next(one for one in result["diagnoses"] if one["service"] == service)


def chain(diagnosis):
    return {step["step"]: step["result"] for step in diagnosis["steps"]}


def no_endpoints(world):
    world.get("endpointslices", "my-nginx-abcde")["endpoints"] = []


def every_node_labelled(world):
    world.heed_labels()
    world.get("nodes", "worker-1")["metadata"]["labels"][EXCLUDE] = ""


# -- cause and fix -------------------------------------------------------------------------------------------------


def test_healthy(diagnose):
    result = diagnose()
    assert not result["failed"] and result["ok"] and result["sentences"] == [] and result["worst"] == "none"
    one = of(result)
    assert [step["step"] for step in one["steps"]] == STEPS
    assert chain(one) | {"wire": "", "port": "", "interfaces": ""} == dict.fromkeys(STEPS, "passed") | {
        "wire": "",
        "port": "",
        "interfaces": "",
    }
    assert one["elected"] == "cp-2" and one["reported"] == ["cp-2"] and one["state"] == "ok"
    assert (one["candidates"][0]["node"], one["candidates"][0]["rank"]) == ("cp-2", 1)
    assert {row["node"] for row in one["candidates"]} == set(ALL)


def test_the_sentence_comes_first(diagnose):
    world = World()
    every_node_labelled(world)
    result = diagnose(world)
    assert result["failed"] and result["failure_kind"] == "findings"
    assert result["msg"].startswith(result["sentences"][0])
    one = of(result)
    assert "exclude label" in one["cause"] and "MLB201" in one["cause"]
    assert one["cause"].count(".") >= 1 and "ignoreExcludeLB" in one["fix"]
    assert one["sentence"] == f"default/my-nginx: {one['cause']} {one['fix']}"
    assert {row["reason"] for row in one["candidates"]} == {"exclude-label"}
    assert one["candidate_counts"]["exclude-label"] == 4


@dataclass
class Break:
    """A broken link of the chain: the first step that fails, the codes that it names, and words of the cause."""

    change: Callable[[World], Any]
    step: str
    code: str
    words: str
    after: str = field(default="skipped")


def pending(world):
    world.get("services", "my-nginx")["status"] = {"loadBalancer": {}}
    world.get("services", "my-nginx")["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": "192.168.7.9"}


def shrunk(world):
    world.get("ipaddresspools", "main-pool")["spec"]["addresses"] = ["192.168.7.202-192.168.7.250"]


def no_advertisement(world):
    world.drop("l2advertisements")


def local(world):
    world.get("services", "my-nginx")["spec"]["externalTrafficPolicy"] = "Local"
    world.get("l2advertisements", "l2-adv")["spec"]["nodeSelectors"] = [
        {"matchLabels": {"kubernetes.io/hostname": "cp-1"}}
    ]


def cut_off(world):
    world.not_ready("cp-2")


def failed_interface(world):
    text = 'the interfaces specified by LB IP "192.168.7.201" doesn\'t exist in assigned node "cp-2"'
    world.add_event("Service", "default/my-nginx", "announceFailed", text, "2026-11-23T22:10:00Z")


BREAKS = [
    Break(pending, "address", "MLB502", "192.168.7.9"),
    Break(shrunk, "pool", "MLB512", "no pool"),
    Break(no_advertisement, "advertisement", "MLB509", "MLB401"),
    Break(no_endpoints, "endpoints", "MLB508", "endpoint"),
    Break(every_node_labelled, "candidates", "MLB509", "MLB201"),
    Break(local, "candidates", "MLB507", "Local"),
    Break(cut_off, "announcer", "MLB204", "not ready"),
    Break(failed_interface, "interfaces", "MLB511", "interfaces"),
]


@pytest.mark.parametrize("case", BREAKS, ids=[one.change.__name__ for one in BREAKS])
def test_where_the_chain_breaks(diagnose, case):
    world = World()
    case.change(world)
    result = diagnose(world, services=["default/my-nginx"])
    one = of(result)
    assert result["failed"] and one["state"] == "broken", one["sentence"]
    broken = [step for step in one["steps"] if step["result"] == "failed"]
    assert broken[0]["step"] == case.step, one["steps"]
    assert case.code in broken[0]["codes"] and case.words in one["cause"], (broken[0], one["cause"])
    assert one["fix"].endswith(".") or one["fix"].endswith("`")
    before = STEPS.index(case.step)
    assert all(step["result"] in ("passed", "warning") for step in one["steps"][:before])
    assert all(step["result"] != "passed" for step in one["steps"][before + 1 : STEPS.index("wire")])


def test_the_cause_is_on_a_node_of_the_service(diagnose):
    """Two pools on two nodes, both labelled: each service hears of its own node."""
    world = World()
    world.heed_labels()
    host = "kubernetes.io/hostname"
    world.get("l2advertisements", "l2-adv")["spec"]["nodeSelectors"] = [{"matchLabels": {host: "cp-1"}}]
    world.add_pool("second", "192.168.7.180/32")
    world.add_advertisement(
        "second", ipAddressPools=["second"], interfaces=["eth0"], nodeSelectors=[{"matchLabels": {host: "cp-3"}}]
    )
    world.add_service("default/web", "192.168.7.180")
    result = diagnose(world)
    for service, node, other in (("default/my-nginx", "cp-1", "cp-3"), ("default/web", "cp-3", "cp-1")):
        one = of(result, service)
        assert f"Node {node}" in one["cause"] and other not in one["cause"]
        about = {finding["object"]["name"] for finding in one["findings"] if finding["object"]["kind"] == "Node"}
        assert about == {node}


def test_other_services_findings_are_no_causes(diagnose):
    """Every service is silent for the same reason; each hears of that and of itself."""
    world = World()
    every_node_labelled(world)
    for number in range(20):
        world.add_service(f"default/more-{number}", f"192.168.7.{210 + number}")
    result = diagnose(world, wire=wire(*(answer(f"192.168.7.{210 + number}") for number in range(20))))
    for one in result["diagnoses"]:
        about = {
            f"{f['object']['namespace']}/{f['object']['name']}"
            for f in one["findings"]
            if f["object"]["kind"] == "Service"
        }
        assert about == {one["service"]}


def test_what_is_told_of_thousands_of_services_stays_small(diagnose):
    """With all of them broken, a result with every cause at every service was a gigabyte."""
    world = World()
    every_node_labelled(world)
    world.get("ipaddresspools", "main-pool")["spec"]["addresses"] = ["192.168.7.0/24", "192.168.8.0/22"]
    for number in range(600):
        world.add_service(f"default/more-{number}", f"192.168.{8 + number // 250}.{1 + number % 250}")
    result = diagnose(world, node_networks=["192.168.0.0/16"])
    assert len(result["diagnoses"]) == 602
    assert max(len(one["findings"]) for one in result["diagnoses"]) <= 12
    assert max(len(one["candidates"]) for one in result["diagnoses"]) <= 5
    named = of(diagnose(world, services=["default/more-1"], node_networks=["192.168.0.0/16"]), "default/more-1")
    assert len(named["candidates"]) == 4 and len([f for f in named["findings"] if f["code"] == "MLB201"]) == 4


# -- which services ---------------------------------------------------------------------------------------------------


def test_named_services_are_judged_by_what_concerns_them(diagnose):
    world = World()
    no_endpoints(world)
    assert diagnose(world)["failed"]
    assert not diagnose(world, services=["traefik/traefik"])["failed"]
    assert diagnose(world)["diagnoses"][0]["service"] == "default/my-nginx", "broken ones first"


def test_a_name_alone_means_namespace_default(diagnose):
    assert of(diagnose(services=["my-nginx"]))["state"] == "ok"


def test_service_that_is_not_there(diagnose):
    result = diagnose(services=["default/nginx"])
    assert result["failure_kind"] == "execution" and "default/my-nginx" in result["msg"]


def test_service_of_another_type_or_class(diagnose):
    world = World()
    world.add_service("default/inside", type="ClusterIP")
    world.add_service("default/cloud", loadBalancerClass="example.com/cloud")
    result = diagnose(world, services=["default/inside", "default/cloud"])
    inside, cloud = of(result, "default/inside"), of(result, "default/cloud")
    assert inside["state"] == "broken" and "ClusterIP" in inside["cause"] and "LoadBalancer" in inside["fix"]
    assert cloud["state"] == "unknown" and "example.com/cloud" in cloud["cause"]
    assert chain(cloud)["type"] == "skipped" and chain(cloud)["pool"] == "skipped"


def test_no_service_at_all(diagnose):
    world = World()
    world.drop("services", "my-nginx")
    world.drop("services", "traefik")
    result = diagnose(world)
    assert not result["failed"] and result["diagnoses"] == []


def test_what_could_not_be_looked_at_is_not_fine(diagnose):
    world = World()
    world.hide("endpointslices")
    one = of(diagnose(world))
    assert one["state"] == "unknown" and "endpoints could not be checked" in one["cause"]


def test_fail_on(diagnose):
    world = World()
    world.get("services", "my-nginx")["metadata"]["annotations"] = {"metallb.universe.tf/loadBalancerIPs": NGINX}
    assert not diagnose(world)["failed"]
    assert diagnose(world, fail_on="warning")["failure_kind"] == "findings"
    assert diagnose(world, fail_on="warning")["worst"] == "warning"
    no_endpoints(world)
    result = diagnose(world, fail_on="never")
    assert not result["failed"] and result["worst"] == "error" and "endpoint" in result["msg"]


def test_live_and_read_only():
    with served(World()) as (api, connection):
        result = run(l2_diagnose, settle=0, **connection)
        assert not api.sent("POST", "PATCH", "PUT", "DELETE")
    assert not result["failed"] and result["ok"] and not result["changed"]


# -- the wire beats the API -------------------------------------------------------------------------------------------


def stale_status(world, node="worker-1"):
    world.write_statuses = False
    world.objects["servicel2statuses"] = [l2_status("default/my-nginx", node), l2_status("traefik/traefik", "cp-2")]


def test_a_stale_status_is_no_fault_of_the_service(diagnose):
    """ServiceL2Status says worker-1, the elected node answers: the service is well, the status is not."""
    world = World()
    stale_status(world)
    result = diagnose(world, wire=wire(answer(NGINX, "cp-2"), answer(TRAEFIK, "cp-2")))
    one = of(result)
    assert not result["failed"] and one["state"] == "warning"
    assert chain(one)["wire"] == "passed" and one["answering"] == ["cp-2"]
    assert "stale" in one["cause"] and "delete servicel2status" in one["fix"]


def test_silence_on_the_wire_is_the_cause_where_the_api_sees_none(diagnose):
    result = diagnose(wire=wire(answer(NGINX), answer(TRAEFIK, "cp-2")))
    one = of(result)
    assert one["state"] == "broken" and "nobody answers" in one["cause"].lower()
    assert chain(one)["announcer"] == "passed" and chain(one)["wire"] == "failed"


def test_an_answer_beats_a_node_that_seems_dead(diagnose):
    """The node is NotReady, yet it answers: it announces, and that is what is shown of the wire."""
    world = World()
    cut_off(world)
    one = of(diagnose(world, wire=wire(answer(NGINX, "cp-2"))))
    assert chain(one)["wire"] == "passed" and one["answering"] == ["cp-2"]


def test_a_probe_that_could_not_see_proves_nothing(diagnose):
    blind = wire(answer(NGINX, asked=False, reason="not-on-link", message="eth0 is not in 192.168.7.0/24"))
    result = diagnose(wire=blind)
    assert "MLB601" not in {one["code"] for one in result["findings"]}
    assert "MLB608" in {one["code"] for one in result["findings"]}
    assert "MLB601" not in " ".join(of(result)["sentence"])


def test_a_probe_that_was_skipped_is_left_out(diagnose):
    result = diagnose(wire={"skipped": True, "changed": False}, ports={"unreachable": True, "msg": "no route"})
    assert not result["failed"] and chain(of(result))["wire"] == "skipped"
    assert [text for text in result["warnings"] if "service_probe gave no result (no route)" in text]


# -- signature on the wire and what it means (facts of MetalLB 0.15.3, seen in the lab) -------------------------------


@dataclass
class Row:
    """change makes the world, targets are what the probe saw, code is the finding, words are in the cause or its fix."""

    name: str
    code: str | None
    targets: Callable[[], list]
    words: tuple[str, ...] = ()
    change: Callable[[World], Any] | None = None
    ports: tuple = ()
    root: str = ""


def dual(world):
    world.get("ipaddresspools", "main-pool")["spec"]["addresses"].append("fd00:7::100-fd00:7::120")
    world.drop("services", "my-nginx")
    world.drop("endpointslices", "my-nginx-abcde")
    world.add_service("default/my-nginx", NGINX, SIX)


def ipvs(world):
    container = world.get("daemonsets", "kube-proxy")["spec"]["template"]["spec"]["containers"][0]
    container["command"] = ["/usr/local/bin/kube-proxy", "--proxy-mode=ipvs"]


def two_macs_of_one_node():
    macs = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
    return [{**answer(NGINX, "cp-2"), "answers": [{"mac": mac, "node": "cp-2"} for mac in macs], "macs": macs}]


ROWS = [
    Row("silent, and no endpoint", "MLB601", lambda: [answer(NGINX)], ("endpoint",), no_endpoints, root="MLB508"),
    Row(
        "silent, and all nodes labelled",
        "MLB601",
        lambda: [answer(NGINX)],
        ("exclude label",),
        every_node_labelled,
        root="MLB201",
    ),
    Row(
        "silent, and no advertisement",
        "MLB601",
        lambda: [answer(NGINX)],
        ("L2Advertisement",),
        no_advertisement,
        root="MLB401",
    ),
    Row("silent, and nothing seen in the API", "MLB601", lambda: [answer(NGINX)], ("cp-2 is elected",)),
    Row(
        "silent to broadcast, and to each node asked alone",
        "MLB601",
        lambda: [answer(NGINX, unicast=[{"node": node, "answered": False} for node in ALL])],
        ("4 nodes", "asked alone", "tcpdump"),
    ),
    Row(
        "one MAC, that answers for everything",
        "MLB602",
        lambda: [answer(NGINX, foreign=("02:00:00:00:00:09",), proxy=True)],
        ("nobody has", "Switch off proxy ARP"),
    ),
    Row(
        "silent to broadcast, answers alone",
        "MLB609",
        lambda: [answer(NGINX, alone=("cp-2",))],
        ("asked alone", "broadcast"),
    ),
    Row("one MAC, the elected node's", None, lambda: [answer(NGINX, "cp-2")]),
    Row("one MAC, another node's", "MLB604", lambda: [answer(NGINX, "worker-1")], ("worker-1", "cp-2", "7946")),
    Row(
        "one MAC, nobody's in the cluster",
        "MLB602",
        lambda: [answer(NGINX, foreign=("02:00:00:00:00:09",))],
        ("02:00:00:00:00:09", "proxy"),
    ),
    Row("several MACs of one node", "MLB610", two_macs_of_one_node, ("interface",)),
    Row(
        "all nodes, and kube-proxy in mode ipvs",
        "MLB603",
        lambda: [answer(NGINX, *ALL)],
        ("strictARP",),
        ipvs,
        root="MLB110",
    ),
    Row("all nodes", "MLB603", lambda: [answer(NGINX, *ALL)], ("ipvs", "second announcer")),
    Row(
        "two nodes that may both announce", "MLB603", lambda: [answer(NGINX, "cp-2", "worker-1")], ("another program",)
    ),
    Row(
        "IPv4 answers, IPv6 is silent",
        "MLB601",
        lambda: [answer(NGINX, "cp-2"), answer(SIX)],
        ("IPv4", "IPv6", "link-local", "restart"),
        dual,
    ),
    Row(
        "the right MAC, and the port is dead",
        "MLB606",
        lambda: [answer(NGINX, "cp-2")],
        ("drops the packets",),
        ports=(("default/my-nginx", NGINX, 80, "timeout"),),
    ),
    Row(
        "the right MAC, and the port refuses",
        "MLB606",
        lambda: [answer(NGINX, "cp-2")],
        ("kube-proxy",),
        ports=(("default/my-nginx", NGINX, 80, "refused"),),
    ),
    Row(
        "it answers, and nobody may announce it",
        "MLB607",
        lambda: [answer(NGINX, "cp-2")],
        ("restart",),
        every_node_labelled,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_signature(diagnose, row):
    world = World()
    if row.change is not None:
        row.change(world)
    answers = [*row.targets(), answer(TRAEFIK, "cp-2")]
    given = {"ports": ports(*row.ports)} if row.ports else {}
    result = diagnose(
        world,
        services=["default/my-nginx"],
        wire=wire(*answers),
        node_networks=["192.168.7.0/24", "fd00:7::/64"],
        **given,
    )
    one = of(result)
    mine = {finding["code"]: finding for finding in one["findings"]}
    if row.code is None:
        assert one["state"] == "ok", one["sentence"]
        return
    assert row.code in mine, (sorted(mine), one["sentence"])
    assert one["state"] == ("warning" if mine[row.code]["severity"] == "warning" else "broken")
    for words in row.words:
        assert words in one["sentence"] + mine[row.code]["summary"] + mine[row.code]["fix"], one["sentence"]
    if row.root:
        assert row.root in mine and row.root in one["sentence"] + str(mine[row.code]["caused_by"]), one["sentence"]
        roots = {code for code, finding in mine.items() if finding["severity"] == "error" and not finding["caused_by"]}
        assert row.code not in roots, "a consequence"


def test_ipv6_alone_is_silent_where_multicast_is_lost(diagnose):
    world = World()
    dual(world)
    one = of(
        diagnose(
            world,
            wire=wire(answer(NGINX, "cp-2"), answer(SIX, alone=("cp-2",))),
            node_networks=["192.168.7.0/24", "fd00:7::/64"],
        )
    )
    assert "multicast" in one["cause"] and "MLB609" in {finding["code"] for finding in one["findings"]}


def test_every_port_refuses(diagnose):
    """kube-proxy has lost its rules: everything is refused at once, and one command fixes it."""
    seen = wire(answer(NGINX, "cp-2"), answer(TRAEFIK, "cp-2"))
    asked = ports(("default/my-nginx", NGINX, 80, "refused"), ("traefik/traefik", TRAEFIK, 443, "refused"))
    one = of(diagnose(wire=seen, ports=asked))
    assert "rollout restart daemonset kube-proxy" in one["fix"]


def test_mac_of_another_cluster_beside_the_node(diagnose):
    one = of(diagnose(wire=wire(answer(NGINX, "cp-2", foreign=("02:00:00:00:00:09",)))))
    assert one["state"] == "broken" and one["answering"] == ["cp-2", "02:00:00:00:00:09"]
    assert mac_of("cp-2") not in one["cause"]


def test_namespace_of_metallb_may_be_named():
    with served(World()) as (_api, connection):
        result = run(l2_diagnose, settle=0, namespace=HOME, **connection)
    assert result["ok"]
