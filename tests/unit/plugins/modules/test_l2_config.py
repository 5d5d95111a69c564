# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""l2_config against a small API server that refuses overlapping pools, as MetalLB's webhook does."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._kube import client
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import config_plan
from ansible_collections.l2ops.metallb.plugins.modules import l2_config
from ansible_collections.l2ops.metallb.tests.unit.fake_api import FakeApi, Refused
from ansible_collections.l2ops.metallb.tests.unit.run_module import run

NAMESPACE = "metallb-system"
POOL = {"name": "main-pool", "addresses": ["192.168.7.200-192.168.7.250"]}
ADVERTISEMENT = {"name": "l2-adv", "ip_address_pools": ["main-pool"], "interfaces": ["eth0"]}


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setattr(l2_config, "POLL", 0.01)
    with FakeApi() as fake:
        fake.schema["l2advertisements"] = {"ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "interfaces"}

        def webhook(verb, plural, new, _old):
            if plural != "ipaddresspools" or verb == "delete":
                return
            new["spec"].setdefault("autoAssign", True)
            new["spec"].setdefault("avoidBuggyIPs", False)
            for (_namespace, name), other in fake.objects[plural].items():
                if name != new["metadata"]["name"] and config_plan.overlapping(
                    config_plan.spans_of(new), config_plan.spans_of(other)
                ):
                    raise Refused(
                        403, f'admission webhook "p.metallb.io" denied the request: overlaps {name}', "Forbidden"
                    )

        fake.admission = webhook
        yield fake


def call(api, **arguments):
    return run(l2_config, host=api.url, api_key="token", **arguments)


def spec(api, plural, name):
    obj = api.get(plural, name, NAMESPACE)
    return obj and obj["spec"]


def service(api, name, address):
    api.add(
        {
            "kind": "Service",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"type": "LoadBalancer"},
            "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
        }
    )


def test_from_nothing_and_again(api):
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT])
    assert result["changed"] and not result["failed"]
    assert result["applied"] == ["create IPAddressPool main-pool", "create L2Advertisement l2-adv"]
    assert spec(api, "ipaddresspools", "main-pool") == {
        "addresses": ["192.168.7.200-192.168.7.250"],
        "autoAssign": True,
        "avoidBuggyIPs": False,
    }
    assert spec(api, "l2advertisements", "l2-adv") == {"ipAddressPools": ["main-pool"], "interfaces": ["eth0"]}
    api.requests.clear()
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT], prune=True)
    assert not result["changed"] and result["changes"] == [] and result["applied"] == []
    assert not api.sent("POST", "PATCH", "DELETE")


def test_a_pool_over_a_node_is_refused_before_anything_is_sent(api):
    addresses = {"addresses": [{"type": "InternalIP", "address": "192.168.7.210"}]}
    api.add({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "cp-1"}, "status": addresses})
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT])
    assert result["failed"] and result["failure_kind"] == "findings"
    assert [one["code"] for one in result["findings"] if one["severity"] == "error"] == ["MLB301"]
    assert "cp-1" in result["msg"] and "MLB301" in result["msg"]
    assert api.sent("POST") == []
    assert not call(api, pools=[POOL], advertisements=[ADVERTISEMENT], validate=False).get("failed")


def test_nodes_that_may_not_be_read_make_rules_skipped_not_passed(api):
    api.fault("GET", "/api/v1/nodes", 403, "no")
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT])
    checks = {one["id"]: one for one in result["checks"]}
    assert checks["MLB301"]["result"] == "skipped" and "nodes" in checks["MLB301"]["reason"]
    assert checks["MLB303"]["result"] == "passed"
    skipped = {code for code, one in checks.items() if one["result"] == "skipped"}
    assert len(skipped) == result["summary"]["skipped"]
    unseen = {code for code in skipped if "Cannot list nodes" in checks[code]["reason"]}
    assert unseen == {"MLB301", "MLB307", "MLB403", "MLB405", "MLB406", "MLB410"}


def test_check_mode_says_the_same_and_only_rehearses(api):
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT], check=True, diff=True)
    assert result["changed"] and result["applied"] == []
    assert [one["name"] for one in result["changes"]] == ["main-pool", "l2-adv"]
    assert all(one["query"]["dryRun"] == "All" for one in api.sent("POST"))
    assert api.get("ipaddresspools", "main-pool", NAMESPACE) is None
    real = call(api, pools=[POOL], advertisements=[ADVERTISEMENT], diff=True)
    assert real["diff"] == result["diff"] and real["changes"] == result["changes"]
    assert result["diff"][0]["before"] == {}
    assert result["diff"][0]["after"]["spec"]["addresses"] == POOL["addresses"]


def test_every_field_of_both_kinds(api):
    api.schema["l2advertisements"].add("serviceSelectors")
    api.add({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "cp-1", "labels": {"a": "b"}}})
    selector = {"matchLabels": {"a": "b"}}
    pool = dict(
        POOL,
        auto_assign=False,
        avoid_buggy_ips=True,
        service_allocation={
            "priority": 7,
            "namespaces": ["x"],
            "namespace_selectors": [selector],
            "service_selectors": [selector],
        },
        labels={"tier": "a", "number": 1},
        annotations={"on": True},
    )
    advertisement = dict(
        ADVERTISEMENT, ip_address_pool_selectors=[selector], node_selectors=[selector], service_selectors=[selector]
    )
    assert not call(api, pools=[pool], advertisements=[advertisement])["failed"]
    obj = api.get("ipaddresspools", "main-pool", NAMESPACE)
    assert obj["spec"] == {
        "addresses": POOL["addresses"],
        "autoAssign": False,
        "avoidBuggyIPs": True,
        "serviceAllocation": {
            "priority": 7,
            "namespaces": ["x"],
            "namespaceSelectors": [selector],
            "serviceSelectors": [selector],
        },
    }
    assert obj["metadata"]["labels"]["tier"] == "a" and obj["metadata"]["labels"]["number"] == "1"
    assert obj["metadata"]["annotations"] == {"on": "true"}
    assert spec(api, "l2advertisements", "l2-adv")["serviceSelectors"] == [selector]
    assert not call(api, pools=[pool], advertisements=[advertisement])["changed"]


def test_an_option_that_is_left_out_again_is_taken_back(api):
    call(api, pools=[dict(POOL, service_allocation={"priority": 1})], advertisements=[ADVERTISEMENT])
    result = call(api, pools=[POOL], advertisements=[{"name": "l2-adv"}])
    assert len(result["changes"]) == 2
    assert "serviceAllocation" not in spec(api, "ipaddresspools", "main-pool")
    assert spec(api, "l2advertisements", "l2-adv") == {}


def test_a_field_that_this_metallb_does_not_know_is_not_dropped_in_silence(api):
    result = call(api, pools=[POOL], advertisements=[dict(ADVERTISEMENT, service_selectors=[{}])])
    assert result["failed"] and not result["changed"]
    assert (
        "spec.serviceSelectors" in result["msg"] and "0.16" in result["msg"] and "Nothing was changed" in result["msg"]
    )
    assert api.get("ipaddresspools", "main-pool", NAMESPACE) is None, "refused before anything was sent"


def test_prune_takes_only_what_is_ours_and_of_a_kind_that_was_given(api):
    other = {"name": "other", "addresses": ["10.0.0.0/24"]}
    call(api, pools=[POOL, other], advertisements=[ADVERTISEMENT], validate=False)
    api.add(
        {
            "kind": "IPAddressPool",
            "metadata": {"name": "foreign", "namespace": NAMESPACE},
            "spec": {"addresses": ["10.0.1.0/24"]},
        }
    )
    assert not call(api, pools=[POOL])["changed"]
    result = call(api, pools=[POOL], prune=True)
    assert result["applied"] == ["delete IPAddressPool other"]
    assert sorted(name for _namespace, name in api.objects["ipaddresspools"]) == ["foreign", "main-pool"]
    assert api.get("l2advertisements", "l2-adv", NAMESPACE)
    assert call(api, pools=[], advertisements=[], prune=True)["applied"] == [
        "delete IPAddressPool main-pool",
        "delete L2Advertisement l2-adv",
    ]


def test_addresses_move_between_pools(api):
    call(
        api,
        pools=[{"name": "a", "addresses": ["10.0.0.0-10.0.0.20"]}, {"name": "b", "addresses": ["10.0.0.21-10.0.0.30"]}],
    )
    moved = [{"name": "b", "addresses": ["10.0.0.11-10.0.0.30"]}, {"name": "a", "addresses": ["10.0.0.0-10.0.0.10"]}]
    rehearsal = call(api, pools=moved, check=True)
    assert not rehearsal["failed"] and rehearsal["not_dry_run"] == ["IPAddressPool b"]
    result = call(api, pools=moved)
    assert result["applied"] == ["update IPAddressPool a", "update IPAddressPool b"]
    swapped = [{"name": "a", "addresses": ["10.0.0.11-10.0.0.30"]}, {"name": "b", "addresses": ["10.0.0.0-10.0.0.10"]}]
    result = call(api, pools=swapped)
    assert not result["failed"], result["msg"]
    assert spec(api, "ipaddresspools", "a")["addresses"] == ["10.0.0.11-10.0.0.30"]
    assert spec(api, "ipaddresspools", "b")["addresses"] == ["10.0.0.0-10.0.0.10"]
    assert not call(api, pools=swapped)["changed"]


class Killed(BaseException):
    """As SIGKILL: nothing of ours runs after it."""


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_a_swap_that_is_killed_is_completed_and_loses_nothing_of_others(api, monkeypatch, writes):
    ranges = ["10.0.0.0-10.0.0.9", "10.0.0.10-10.0.0.19"]
    for name, addresses in zip("ab", ranges):
        call(api, pools=[{"name": name, "addresses": [addresses]}])
        api.write(
            "ipaddresspools", name, lambda pool: pool["metadata"].setdefault("labels", {}).update(team="x"), NAMESPACE
        )
        api.write(
            "ipaddresspools", name, lambda pool: pool["metadata"].update(annotations={"note": "of others"}), NAMESPACE
        )
    swapped = [{"name": name, "addresses": [addresses]} for name, addresses in zip("ba", ranges)]
    left = [writes]

    def send(config, step, live, *, dry_run):
        if not dry_run:
            if not left[0]:
                raise Killed
            left[0] -= 1
        return real(config, step, live, dry_run=dry_run)

    real = l2_config.Config.send
    monkeypatch.setattr(l2_config.Config, "send", send)
    if writes < 3:
        with pytest.raises(Killed):
            call(api, pools=swapped)
        left[0] = 99
    result = call(api, pools=swapped)
    assert not result["failed"], result["msg"]
    for name, addresses in zip("ba", ranges):
        pool = api.get("ipaddresspools", name, NAMESPACE)
        assert pool["spec"] == {"addresses": [addresses], "autoAssign": True, "avoidBuggyIPs": False}
        assert pool["metadata"]["labels"]["team"] == "x"
        assert pool["metadata"]["annotations"] == {"note": "of others"}
    assert not [one for one in api.sent("DELETE") if not one["query"].get("dryRun")]


def test_an_overlap_with_a_pool_that_stays_is_refused_in_the_webhooks_words(api):
    api.add(
        {
            "kind": "IPAddressPool",
            "metadata": {"name": "theirs", "namespace": NAMESPACE},
            "spec": {"addresses": ["10.0.0.0/8"]},
        }
    )
    for check in (True, False):
        result = call(api, pools=[{"name": "mine", "addresses": ["10.1.0.0/16"]}], check=check, validate=False)
        assert result["failed"] and "overlaps theirs" in result["msg"] and not result["changed"]


def test_live_addresses_are_guarded(api):
    call(api, pools=[POOL])
    service(api, "web", "192.168.7.205")
    smaller = [dict(POOL, addresses=["192.168.7.210-192.168.7.250"])]
    for check in (True, False):
        result = call(api, pools=smaller, check=check)
        assert result["failed"] and result["failure_kind"] == "findings" and not result["changed"]
        assert "default/web has 192.168.7.205 from main-pool" in result["msg"] and "force: true" in result["msg"]
        assert result["services_losing_address"] == [
            {
                "namespace": "default",
                "name": "web",
                "address": "192.168.7.205",
                "pool": "main-pool",
                "moves_to": "",
                "loses": "address",
                "why": "no pool holds 192.168.7.205 any more",
            }
        ]
    assert call(api, pools=[], prune=True)["failed"]
    assert spec(api, "ipaddresspools", "main-pool")["addresses"] == POOL["addresses"]
    forced = call(api, pools=smaller, force=True)
    assert forced["changed"] and [one["name"] for one in forced["services_losing_address"]] == ["web"]


def test_a_guard_that_cannot_see_says_so(api):
    call(api, pools=[POOL])
    api.forbidden.add(("list", "services"))
    assert not call(api, pools=[POOL])["failed"], "nothing is given up, so nothing needs to be seen"
    result = call(api, pools=[dict(POOL, addresses=["192.168.7.210/32"])])
    assert result["failed"] and 'resources: ["services"]' in result["msg"]
    forced = call(api, pools=[dict(POOL, addresses=["192.168.7.210/32"])], force=True)
    assert forced["changed"] and any("cannot be seen" in text for text in forced["warnings"])


@pytest.mark.parametrize(
    "change, loses",
    [
        ({"pools": [dict(POOL, addresses=["192.168.7.200-192.168.7.255"], avoid_buggy_ips=True)]}, "address"),
        ({"pools": [dict(POOL, service_allocation={"namespaces": ["team-a"]})]}, "address"),
        ({"pools": [dict(POOL, service_allocation={"namespace_selectors": [{"matchLabels": {"t": "a"}}]})]}, "address"),
        ({"pools": [dict(POOL, service_allocation={"service_selectors": [{"matchLabels": {"t": "a"}}]})]}, "address"),
        ({"advertisements": [], "prune": True}, "announcement"),
        ({"advertisements": [{"name": "l2-adv", "ip_address_pools": ["other"]}]}, "announcement"),
        ({"advertisements": [dict(ADVERTISEMENT, node_selectors=[{"matchLabels": {"no": "ne"}}])]}, "announcement"),
    ],
)
def test_whatever_takes_address_or_announcement_needs_force(api, change, loses):
    """Before, only addresses that left their pool were looked at: all of these were applied without force."""
    whole = dict(POOL, addresses=["192.168.7.200-192.168.7.255"])
    call(api, pools=[whole], advertisements=[ADVERTISEMENT], validate=False)
    api.add({"kind": "Node", "metadata": {"name": "cp-1"}})
    api.add({"kind": "Namespace", "metadata": {"name": "team-a", "labels": {"t": "a"}}})
    service(api, "web", "192.168.7.255")
    before = spec(api, "ipaddresspools", "main-pool"), spec(api, "l2advertisements", "l2-adv")
    result = call(api, validate=False, **change)
    assert result["failed"] and result["failure_kind"] == "findings" and not result["changed"], result["msg"]
    assert [(one["name"], one["loses"]) for one in result["services_losing_address"]] == [("web", loses)]
    assert result["services_losing_address"][0]["why"] in result["msg"] and "force: true" in result["msg"]
    assert before == (spec(api, "ipaddresspools", "main-pool"), spec(api, "l2advertisements", "l2-adv"))
    forced = call(api, validate=False, force=True, **change)
    assert forced["changed"] and [one["loses"] for one in forced["services_losing_address"]] == [loses]


@pytest.mark.parametrize("plural", ["nodes", "services", "bgpadvertisements"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_the_rules_need_and_the_api_server_does_not_give_is_a_refusal(api, monkeypatch, plural, status):
    """With nodes unreadable (500) a pool over a node's own address was applied silently."""
    monkeypatch.setattr(client, "_pause", lambda _after, _attempt: 0.0)
    api.refuse(plural, status)
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT])
    assert result["failed"] and result["failure_kind"] == "execution" and not api.sent("POST", "PATCH")
    assert f"list {plural}" in result["msg"] and "validate: false" in result["msg"]
    assert not call(api, pools=[POOL], advertisements=[ADVERTISEMENT], validate=False)["failed"]
    assert not call(api, pools=[POOL], advertisements=[ADVERTISEMENT])["failed"], "nothing is to be changed"


def test_nodes_that_may_not_be_read_are_told(api):
    api.refuse("nodes", 403)
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT])
    assert result["changed"] and any('resources: ["nodes"]' in text for text in result["warnings"])


@pytest.mark.parametrize(
    "plural, change",
    [
        (
            "namespaces",
            {"pools": [dict(POOL, service_allocation={"namespace_selectors": [{"matchLabels": {"t": "a"}}]})]},
        ),
        ("pods", {"advertisements": [dict(ADVERTISEMENT, node_selectors=[{"matchLabels": {"zone": "1"}}])]}),
        ("daemonsets", {"advertisements": [dict(ADVERTISEMENT, node_selectors=[{"matchLabels": {"zone": "1"}}])]}),
    ],
)
def test_what_the_guard_needs_and_cannot_read_is_a_refusal_or_a_warning(api, plural, change):
    call(api, pools=[POOL], advertisements=[ADVERTISEMENT], validate=False)
    api.add({"kind": "Node", "metadata": {"name": "cp-1", "labels": {"zone": "1"}}})
    api.add({"kind": "Node", "metadata": {"name": "cp-2", "labels": {"zone": "2"}}})
    service(api, "web", "192.168.7.205")
    api.refuse(plural, 500)
    result = call(api, validate=False, **change)
    assert result["failed"] and f"rests on {plural}" in result["msg"] and "default/web" in result["msg"]
    assert call(api, validate=False, force=True, check=True, **change)["changed"]
    del api.refused[plural]
    api.refuse(plural, 403)
    result = call(api, validate=False, **change)
    assert result["changed"] and any(f"rests on {plural}" in text for text in result["warnings"])


def test_a_change_that_costs_nobody_anything_reads_nothing_more(api):
    call(api, pools=[POOL], advertisements=[ADVERTISEMENT])
    service(api, "web", "192.168.7.205")
    api.requests.clear()
    assert call(api, pools=[dict(POOL, auto_assign=False)], advertisements=[dict(ADVERTISEMENT, interfaces=[])])[
        "changed"
    ]
    assert len(api.sent("GET")) == 5


def test_an_object_of_another_tool_is_changed_with_a_warning(api):
    api.add(
        {
            "kind": "IPAddressPool",
            "metadata": {
                "name": "main-pool",
                "namespace": NAMESPACE,
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
            },
            "spec": {"addresses": ["192.168.7.200-192.168.7.210"], "autoAssign": True, "avoidBuggyIPs": False},
        }
    )
    result = call(api, pools=[POOL])
    assert result["changed"] and any("managed by Helm" in text for text in result["warnings"])
    assert api.get("ipaddresspools", "main-pool", NAMESPACE)["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "Helm"
    }
    assert not call(api, pools=[], prune=True)["changed"]


def test_a_webhook_that_is_still_starting_is_waited_for(api):
    api.fault("POST", "/apis/metallb.io", 500, 'failed calling webhook "p.metallb.io": connection refused', times=3)
    assert call(api, pools=[POOL])["changed"]


def test_a_webhook_that_never_answers_ends_with_the_cause(api):
    api.fault("POST", "/apis/metallb.io", 500, 'failed calling webhook "p.metallb.io": no endpoints', times=99)
    marks = {"app": "metallb", "component": "controller"}
    api.add(
        {
            "kind": "Deployment",
            "metadata": {"name": "controller", "namespace": NAMESPACE, "labels": marks},
            "spec": {"selector": {"matchLabels": marks}},
            "status": {},
        }
    )
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    api.add(
        {
            "kind": "Pod",
            "metadata": {"name": "controller-1", "namespace": NAMESPACE, "labels": marks},
            "status": {"conditions": [condition]},
        }
    )
    result = call(api, pools=[POOL], timeout=0)
    assert result["failed"] and not result["changed"]
    assert "within 0 s" in result["msg"] and "MLB104 controller controller-1: Unschedulable: 0/1 nodes" in result["msg"]


def test_the_controllers_own_counting_is_no_conflict(api):
    call(api, pools=[POOL])
    real = api._patched
    counted = []

    def patched(obj, content_type, patch):
        if len(counted) < 2:
            counted.append(1)
            api.write(
                "ipaddresspools",
                "main-pool",
                lambda pool: pool.update(status={"assignedIPv4": len(counted)}),
                NAMESPACE,
            )
            raise Refused(409, "the object has been modified", "Conflict")
        return real(obj, content_type, patch)

    api._patched = patched
    assert call(api, pools=[dict(POOL, avoid_buggy_ips=True)])["changed"]
    assert spec(api, "ipaddresspools", "main-pool")["avoidBuggyIPs"] is True


def test_a_change_by_somebody_else_is_not_written_over(api):
    call(api, pools=[POOL])
    real = api._patched
    meddled = []

    def patched(obj, content_type, patch):
        if not meddled:
            meddled.append(1)
            api.write("ipaddresspools", "main-pool", lambda pool: pool["spec"].update(autoAssign=False), NAMESPACE)
            raise Refused(409, "the object has been modified", "Conflict")
        return real(obj, content_type, patch)

    api._patched = patched
    result = call(api, pools=[dict(POOL, avoid_buggy_ips=True)])
    assert result["failed"] and "somebody else changed it" in result["msg"]
    assert spec(api, "ipaddresspools", "main-pool")["avoidBuggyIPs"] is False


def test_what_was_done_before_a_failure_is_told(api):
    real = api.admission

    def webhook(verb, plural, new, old):
        real(verb, plural, new, old)
        if plural == "l2advertisements" and api.get("ipaddresspools", "main-pool", NAMESPACE):
            raise Refused(403, 'admission webhook "other" denied the request: no', "Forbidden")

    api.admission = webhook
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT])
    assert result["failed"] and result["changed"]
    assert "Done before: create IPAddressPool main-pool." in result["msg"]


def test_before_metallb_is_installed(api):
    api.absent |= {"ipaddresspools", "l2advertisements"}
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT], check=True)
    assert not result["failed"] and result["changed"] and len(result["not_dry_run"]) == 2
    result = call(api, pools=[POOL])
    assert result["failed"] and "CRD" in result["msg"]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"pools": [POOL, POOL]}, "more than once"),
        ({"pools": [dict(POOL, name="Main Pool")]}, "is no name"),
        ({"advertisements": [{"name": ""}]}, "is no name"),
        ({}, "one of the following is required"),
    ],
)
def test_wrong_arguments(api, wrong, said):
    result = call(api, **wrong)
    assert result["failed"] and said in result["msg"] and not api.requests


def test_a_missing_permission(api):
    api.forbidden.add(("create", "ipaddresspools"))
    result = call(api, pools=[POOL])
    assert result["failed"] and 'resources: ["ipaddresspools"], verbs: ["create"]' in result["msg"]


# -- owners -----------------------------------------------------------------------------------------------------------


def owned(api, marks, **spec):
    metadata = {"name": "main-pool", "namespace": NAMESPACE, **marks}
    given = {"addresses": ["192.168.7.200-192.168.7.250"], "autoAssign": True, "avoidBuggyIPs": False, **spec}
    api.add({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata, "spec": given})


ARGOCD = {
    "annotations": {"argocd.argoproj.io/tracking-id": f"metallb-config:metallb.io/IPAddressPool:{NAMESPACE}/main-pool"}
}
FLUX = {
    "labels": {"kustomize.toolkit.fluxcd.io/name": "config", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
}
OPERATOR = {
    "ownerReferences": [{"apiVersion": "example.org/v1", "kind": "Lan", "name": "home", "uid": "1", "controller": True}]
}


@pytest.mark.parametrize(
    ("marks", "owner"),
    [
        (ARGOCD, "Application metallb-config"),
        (FLUX, "Kustomization flux-system/config"),
        (OPERATOR, "Lan home"),
    ],
)
def test_what_an_owner_has_as_asked_is_left_without_a_mark_of_ours(api, marks, owner):
    owned(api, marks)
    before = api.get("ipaddresspools", "main-pool", NAMESPACE)
    result = call(api, pools=[POOL], prune=True)
    assert not result["failed"] and not result["changed"] and result["owned_changes"] == []
    assert (
        api.get("ipaddresspools", "main-pool", NAMESPACE) == before and api.sent("POST", "PATCH", "PUT", "DELETE") == []
    )


@pytest.mark.parametrize("marks", [ARGOCD, FLUX, OPERATOR])
def test_what_an_owner_has_otherwise_is_named_for_its_source(api, marks):
    owned(api, marks, addresses=["192.168.7.210-192.168.7.220"])
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT])
    assert (
        result["failed"] and result["failure_kind"] == "findings" and api.sent("POST", "PATCH", "PUT", "DELETE") == []
    )
    assert "IPAddressPool main-pool is managed by" in result["msg"] and "metallb_owned" in result["msg"]
    assert (
        'spec.addresses is ["192.168.7.210-192.168.7.220"], asked is ["192.168.7.200-192.168.7.250"]' in result["msg"]
    )
    (change,) = result["owned_changes"]
    assert change["object"]["spec"]["addresses"] == ["192.168.7.200-192.168.7.250"]
    # The rest is applied where that is wanted; what is owned stays as it is.
    result = call(api, pools=[POOL], advertisements=[ADVERTISEMENT], owned="report")
    assert result["applied"] == ["create L2Advertisement l2-adv"] and len(result["owned_changes"]) == 1
    assert any("left as it is" in one for one in result["warnings"])
    assert spec(api, "ipaddresspools", "main-pool")["addresses"] == ["192.168.7.210-192.168.7.220"]


def test_kubectls_copy_of_an_owned_object_is_no_difference(api):
    """It is not ours, and the object for the owner's source has none either."""
    last = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    owned(api, {"annotations": {**ARGOCD["annotations"], **last}}, addresses=["192.168.7.210-192.168.7.220"])
    result = call(api, pools=[POOL])
    assert "metadata" not in result["msg"] and len(result["owned_changes"][0]["differences"]) == 1
    assert result["owned_changes"][0]["object"]["metadata"]["annotations"] == ARGOCD["annotations"]


def test_what_an_owner_brought_is_never_pruned_though_it_bears_our_label(api):
    owned(api, {**ARGOCD, "labels": {"app.kubernetes.io/managed-by": "l2ops.metallb"}})
    result = call(api, pools=[], advertisements=[], prune=True)
    assert not result["changed"] and spec(api, "ipaddresspools", "main-pool")
