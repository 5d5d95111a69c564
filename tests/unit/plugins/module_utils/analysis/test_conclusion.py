# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unknown is never good: whatever could not be read, no verdict gets better by it, and every place says the same."""

from __future__ import annotations

import json

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis import conclusion
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.conclusion import CHAIN_KINDS, NOT_NEEDED
from ansible_collections.l2ops.metallb.plugins.module_utils._kube import client
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import remediation
from ansible_collections.l2ops.metallb.plugins.module_utils._report import analysis, html, markdown
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import save
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import FOREIGN
from ansible_collections.l2ops.metallb.plugins.modules import l2_diagnose, l2_info, l2_validate
from ansible_collections.l2ops.metallb.tests.unit.run_module import run
from ansible_collections.l2ops.metallb.tests.unit.served import served
from ansible_collections.l2ops.metallb.tests.unit.world import World

KINDS = sorted(kind for kind in World().objects if kind not in FOREIGN)
RANK = {"error": 0, "unknown": 1, "warning": 2, "none": 3}
# What is tried again takes seconds: once is enough.
REFUSALS = [(kind, status) for kind in CHAIN_KINDS for status in (403, 404)] + [("services", 500), ("nodes", 503)]


def no_endpoints(world):
    world.objects["endpointslices"].clear()


def not_advertised(world):
    world.objects["l2advertisements"].clear()


def labelled(world):
    world.heed_labels()


WORLDS = {
    "well": lambda world: None,
    "no endpoints": no_endpoints,
    "not advertised": not_advertised,
    "labelled": labelled,
}


def made(change, hidden="", reason="HTTP 500: the server is broken"):
    world = World()
    WORLDS[change](world)
    if hidden:
        world.hide(hidden, reason)
    return world


def judged(module, world, tmp_path, **arguments):
    path = tmp_path / "cluster.json"
    save(world.snapshot(), str(path))
    if module is l2_validate:
        arguments["against"] = "snapshot"
    return run(module, snapshot=str(path), **arguments)


@pytest.mark.parametrize("hidden", KINDS)
@pytest.mark.parametrize("change", WORLDS)
@pytest.mark.parametrize("module", [l2_diagnose, l2_validate], ids=["diagnose", "validate"])
def test_no_verdict_gets_better_by_what_is_missing(module, change, hidden, tmp_path):
    whole = judged(module, made(change), tmp_path)
    less = judged(module, made(change, hidden), tmp_path)
    if hidden in CHAIN_KINDS:
        assert less["failed"] and less["worst"] in ("error", "unknown"), less["msg"]
        assert less["unknown"] == {hidden: "HTTP 500: the server is broken"}
        assert less["worst"] == "error" or "could not be read" in less["msg"]
        assert (
            judged(module, made(change, hidden), tmp_path, unknown="report", fail_on="never")["worst"] == less["worst"]
        )
    else:
        assert less["unknown"] == {}
        if RANK[less["worst"]] > RANK[whole["worst"]] or (less["worst"] == "none" and hidden not in NOT_NEEDED):
            assert hidden in less["msg"] or "skipped" in less["msg"] or "were skipped" in less["msg"], less["msg"]
    passed = {one["id"] for one in whole["checks"] if one["result"] == "passed"}
    for check in less["checks"]:
        assert check["result"] != "passed" or check["id"] in passed, f"{check['id']} passes for want of {hidden}"


@pytest.mark.parametrize("hidden, status", REFUSALS)
def test_an_api_server_that_fails_for_one_kind(hidden, status, monkeypatch):
    monkeypatch.setattr(client, "LONGEST_PAUSE", 0.05)
    with served(World()) as (api, connection):
        api.refuse(hidden, status)
        for module in (l2_info, l2_diagnose):
            result = run(module, **connection, settle=0)
            assert result["failed"] and result["failure_kind"] == "unknown", result["msg"]
            assert hidden in result["unknown"] and f"{hidden} could not be read" in result["msg"]
            told = run(
                module, **connection, settle=0, unknown="report", **({} if module is l2_info else {"fail_on": "never"})
            )
            assert not told["failed"] and told["unknown"].keys() == result["unknown"].keys()
            assert "settled" not in told or told["settled"] is False


@pytest.mark.parametrize("kind", ["ipaddresspools", "l2advertisements", "endpointslices", "nodes", "pods"])
def test_what_could_not_be_read_is_no_fact(kind, tmp_path):
    result = judged(l2_info, made("well", kind), tmp_path, unknown="report")
    for service in result["services"]:
        assert not service["cause"] or service["cause"].startswith("unknown: "), service["cause"]


def test_every_report_says_that_it_is_unknown(tmp_path):
    result = judged(l2_diagnose, made("well", "services"), tmp_path)
    assert result["diagnoses"] == [] and result["worst"] == "unknown" and not result["ok"]
    assert analysis.text(result, 200).startswith(
        "Unknown: services could not be read (HTTP 500: the server is broken)."
    )
    assert "Unknown: services could not be read" in markdown.markdown(result, "home")
    assert '<header class="banner unknown">' in html.page(result)
    told = remediation.report(result, "", {}, [], "2026-11-26T20:00:00Z")
    assert told["status"] == "unknown" and "services could not be read" in told["verdict"] and not told["quiet"]


def test_a_finding_of_a_check_that_did_not_run_is_neither_gone_nor_new(tmp_path):
    first = remediation.report(judged(l2_diagnose, made("no endpoints"), tmp_path), "", {}, [], "2026-11-26T20:00:00Z")
    known = [key for key in first["state"]["findings"] if key.startswith("MLB508")]
    assert known and first["new"]
    blind = judged(l2_diagnose, made("no endpoints", "endpointslices"), tmp_path)
    second = remediation.report(blind, json.dumps(first["state"]), {}, [], "2026-11-26T20:05:00Z")
    assert (
        second["gone"] == [] and set(known) <= set(second["carried"]) and set(known) <= set(second["state"]["findings"])
    )
    third = remediation.report(
        judged(l2_diagnose, made("no endpoints"), tmp_path), json.dumps(second["state"]), {}, [], "2026-11-26T20:10:00Z"
    )
    assert third["new"] == [] and third["carried"] == []
    assert {third["state"]["findings"][key] for key in known} == {"2026-11-26T20:00:00Z"}


def test_metallb_that_is_not_there_is_known(tmp_path):
    world = World()
    for kind in ("deployments", "daemonsets", "pods", "servicel2statuses", "services", "configurationstates"):
        world.objects[kind].clear()
    world.hide("ipaddresspools", "absent")
    assert judged(l2_info, world, tmp_path)["unknown"] == {}


# -- one function makes them all -----------------------------------------------------------------------------------------


def finding(code, severity, name="web", caused_by=()):
    ref = {"kind": "Pod", "namespace": "metallb-system", "name": name}
    return {
        "code": code,
        "severity": severity,
        "object": ref,
        "summary": "it is so",
        "fix": "do",
        "caused_by": list(caused_by),
    }


def service(state, findings=()):
    sentence = f"default/web: {state}."
    return {"service": "default/web", "state": state, "sentence": sentence, "findings": list(findings), "addresses": []}


def test_an_error_of_no_service_is_the_headline():
    result = {"diagnoses": [service("ok")], "findings": [finding("MLB102", "error")]}
    assert conclusion.headline(result) == "MLB102 Pod metallb-system/web: it is so"
    assert conclusion.conclude(result, "error", "fail")["failure_kind"] == "findings"


def test_a_warning_of_a_service_does_not_hide_an_error_elsewhere():
    result = {"diagnoses": [service("warning")], "findings": [finding("MLB102", "error")]}
    assert conclusion.headline(result).startswith("MLB102") and conclusion.headline(result).endswith("(and 1 more)")


def test_a_warning_about_what_works_is_told_behind_the_services():
    result = {"diagnoses": [service("ok")], "findings": [finding("MLB504", "warning")]}
    assert (
        conclusion.headline(result)
        == "Nothing is wrong with 1 service; a warning: MLB504 Pod metallb-system/web: it is so"
    )
    assert conclusion.conclude(result, "error", "fail")["ok"]
    assert not conclusion.conclude({"diagnoses": [service("warning")], "findings": []}, "error", "fail")["ok"]


def test_what_a_diagnosis_says_is_not_said_twice():
    one = finding("MLB508", "error")
    result = {
        "diagnoses": [service("broken", [one])],
        "findings": [one, finding("MLB601", "error", caused_by=["MLB508"])],
    }
    assert conclusion.statements(result) == [("error", "default/web: broken.")]


def test_named_services_are_judged_by_what_concerns_them():
    result = {"diagnoses": [service("ok")], "findings": [finding("MLB102", "error")], "scope": "named"}
    assert conclusion.conclude(result, "error", "fail") == {
        "msg": "Nothing is wrong with 1 service.",
        "worst": "none",
        "ok": True,
    }


@pytest.mark.parametrize(
    "worst, unknown, fail_on, policy, kind",
    [
        ("none", {}, "warning", "fail", ""),
        ("error", {}, "error", "fail", "findings"),
        ("error", {"pods": "x"}, "error", "fail", "findings"),
        ("error", {"pods": "x"}, "never", "fail", "unknown"),
        ("error", {"pods": "x"}, "never", "report", ""),
        ("unknown", {"pods": "x"}, "error", "fail", "unknown"),
        ("unknown", {"pods": "x"}, "error", "report", ""),
        ("unknown", {}, "error", "fail", ""),
        ("unknown", {}, "warning", "fail", "unknown"),
        ("warning", {}, "error", "fail", ""),
        ("warning", {}, "warning", "fail", "findings"),
    ],
)
def test_why_a_run_fails(worst, unknown, fail_on, policy, kind):
    assert conclusion.failure_kind(worst, unknown, fail_on, policy) == kind
