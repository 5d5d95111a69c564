# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports: what matters first, within the width; and formats that other programs read."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._diagnosis.diagnosis import diagnose_all
from ansible_collections.l2ops.metallb.plugins.module_utils._report.analysis import (
    RenderError,
    as_json,
    headline,
    text,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._report.junit import junit
from ansible_collections.l2ops.metallb.plugins.module_utils._report.markdown import markdown
from ansible_collections.l2ops.metallb.plugins.module_utils._report.sarif import sarif
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import evaluate
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.tests.unit.world import EXCLUDE, World, answer, wire


def result_of(world, diagnosed=True, **options):
    """As l2_diagnose or l2_validate would return it."""
    context = Context(world.snapshot(), Options.make(**options))
    verdict = evaluate(context.snapshot, context=context)
    result = {**verdict.as_result(), "verdict": verdict.headline(), "worst": verdict.worst, "msg": verdict.headline()}
    if diagnosed:
        result["diagnoses"] = [one.as_result() for one in diagnose_all(context, verdict)]
    return result


def labelled():
    world = World()
    world.heed_labels()
    world.get("nodes", "worker-1")["metadata"]["labels"][EXCLUDE] = ""
    return world


def one_broken():
    world = World()
    world.get("endpointslices", "my-nginx-abcde")["endpoints"] = []
    return world


HEALTHY = result_of(World(), wire=wire(answer("192.168.7.201", "cp-2"), answer("192.168.7.203", "cp-2")))
LABELLED = result_of(labelled())
BROKEN = result_of(one_broken())


def located(summary="s", file="/repo/infra/lab pools.yml", line=7, **more):
    """A finding that stands in a file."""
    return {
        "code": "MLB301",
        "slug": "pool-holds-node-address",
        "severity": "error",
        "object": {"kind": "IPAddressPool", "namespace": "metallb-system", "name": "main-pool"},
        "summary": summary,
        "evidence": {},
        "fix": "Take it out.",
        "docs": "https://example.com/MLB301.md",
        "caused_by": [],
        "field": "spec.addresses[0]",
        "file": file,
        "line": line,
        **more,
    }


def validated(*findings):
    checks = [
        {"id": "MLB301", "result": "failed" if findings else "passed", "reason": ""},
        {"id": "MLB310", "result": "skipped", "reason": "no DHCP ranges are known: give the option dhcp_ranges"},
    ]
    summary = {"errors": len(findings), "warnings": 0, "infos": 0, "skipped": 1, "ignored": 0}
    return {"findings": list(findings), "checks": checks, "summary": summary, "verdict": "v", "worst": "error"}


# -- console ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 79, 100, 200])
@pytest.mark.parametrize("result", [HEALTHY, LABELLED, BROKEN], ids=["healthy", "labelled", "one broken"])
def test_lines_keep_to_the_width(result, width):
    for line in text(result, width).splitlines():
        # A word or a row of a table may be longer than that.
        assert len(line) <= width or len(line.split()) <= 2 or "  " in line.strip(), line


def test_what_matters_comes_first():
    lines = text(BROKEN, 100, "home").splitlines()
    assert lines[0] == "home: 1 of 2 services is not fine (1 broken)."
    assert re.match(r"\d+ errors?, .*; \d+ of \d+ checks ran\.", lines[1])
    assert lines[3] == "BROKEN default/my-nginx 192.168.7.201"
    assert lines[5].startswith("Cause:   ") and any(line.startswith("Fix: ") for line in lines[6:10])
    assert "  FAILED   endpoints" in "\n".join(lines)


def test_healthy_is_short():
    lines = text(HEALTHY, 100).splitlines()
    assert lines[0] == "Nothing is wrong with 2 services."
    assert "Findings" not in lines
    assert any(re.match(r"traefik/traefik +192\.168\.7\.203 +cp-2 +cp-2", line) for line in lines)


def test_services_that_break_alike_are_told_once():
    told = text(LABELLED, 100)
    assert told.count("Cause:") == 1
    assert "The same breaks traefik/traefik (192.168.7.203)." in told
    assert told.count("Talos owns the exclude label") == 1, "three nodes, one finding"


def test_what_could_not_be_looked_at_is_told_with_its_reason():
    told = text(validated(), 100)
    assert "Skipped" in told and "MLB310: no DHCP ranges are known" in told


def test_findings_of_files_show_the_line():
    assert "infra/lab pools.yml:7" in text(validated(located()), 100, base="/repo")
    assert "/repo/infra/lab pools.yml:7" in text(validated(located()), 100, base="/elsewhere")


def test_thousands_are_not_printed():
    findings = [located(f"number {number}", line=number) for number in range(3000)]
    told = text(validated(*findings), 100)
    assert len(told.splitlines()) < 250 and "more; a report in a file has them all" in told


def test_plain_characters():
    """A console in the locale C shows it as well."""
    for result in (HEALTHY, LABELLED, BROKEN):
        assert text(result, 100).isascii()


# -- Markdown ---------------------------------------------------------------------------------------------------------


def test_markdown_tables_have_as_many_cells_in_every_row():
    for result in (HEALTHY, LABELLED, BROKEN, validated(located("a | b <script> *x*\nnext"))):
        told = re.sub(r"\\\|", "", markdown(result))
        assert "<script>" not in told
        for block in told.split("\n\n"):
            rows = [line.count("|") for line in block.splitlines() if line.startswith("|")]
            assert len(set(rows)) <= 1, block


def test_markdown_says_cause_and_remedy():
    told = markdown(BROKEN, "home")
    assert told.startswith("## home\n\n**1 of 2 services is not fine")
    assert "### default/my-nginx: broken" in told and "- **Cause:**" in told and "- **Fix:**" in told
    assert "checks were skipped</summary>" in told


# -- JUnit ------------------------------------------------------------------------------------------------------------


def suites(report):
    return {suite.get("name").partition(": ")[2]: suite for suite in ElementTree.fromstring(report)}


def test_junit_has_a_case_for_each_check_and_service():
    found = suites(junit(BROKEN, "home"))
    checks, services = found["checks"], found["services"]
    assert len(checks) == int(checks.get("tests")) == len(BROKEN["checks"])
    assert int(checks.get("skipped")) == BROKEN["summary"]["skipped"] == len(checks.findall("testcase/skipped"))
    failed = [case.get("name") for case in checks if case.find("failure") is not None]
    assert failed == ["MLB508 no-endpoints"] and checks.get("failures") == "1"
    (case,) = [case for case in services if case.find("failure") is not None]
    assert case.get("name") == "default/my-nginx" and "endpoint" in case.find("failure").get("message")


@pytest.mark.parametrize(("fail_on", "failures"), [("error", 0), ("warning", 1), ("never", 0)])
def test_junit_fails_as_the_module_does(fail_on, failures):
    world = World()
    annotations = world.get("services", "my-nginx")["metadata"].setdefault("annotations", {})
    annotations["metallb.universe.tf/address-pool"] = "main-pool"
    checks = suites(junit(result_of(world, diagnosed=False), fail_on=fail_on))["checks"]
    assert int(checks.get("failures")) == failures
    if not failures:
        assert any("MLB504" in case.get("name") for case in checks if case.find("system-out") is not None)


def test_junit_survives_what_xml_cannot_hold():
    report = junit(validated(located("a\x00b\x1b[31m \ud800 <&> ]]> \U0001f600")))
    (failure,) = ElementTree.fromstring(report.encode("utf-8")).iter("failure")
    assert "a\ufffdb\ufffd[31m \ufffd <&> ]]> \U0001f600" in failure.text


# -- SARIF ------------------------------------------------------------------------------------------------------------


def test_sarif_points_at_the_line():
    log = json.loads(sarif(validated(located(), located(file="/other/b.yml", line=0)), "/repo"))
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    first, second = run["results"]
    place = first["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "infra/lab%20pools.yml", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 7},
    }
    assert "SRCROOT" in run["originalUriBaseIds"]
    other = second["locations"][0]["physicalLocation"]
    assert other["artifactLocation"] == {"uri": "file:///other/b.yml"} and other["region"]["startLine"] == 1
    for one in run["results"]:
        rule = run["tool"]["driver"]["rules"][one["ruleIndex"]]
        assert rule["id"] == one["ruleId"] and one["level"] in ("error", "warning", "note")
        assert rule["helpUri"].endswith("/MLB301.md") and rule["shortDescription"]["text"].endswith(".")
        assert re.fullmatch("[A-Z][A-Za-z]+", rule["name"])


def test_sarif_knows_an_alert_again_when_lines_move():
    def prints(line, field="spec.addresses[0]"):
        log = json.loads(sarif(validated(located(line=line, field=field)), "/repo"))
        return log["runs"][0]["results"][0]["partialFingerprints"]

    assert prints(7) == prints(70) != prints(7, "spec.addresses[1]")


def test_sarif_keeps_what_stands_in_no_file_among_the_notifications():
    (run,) = json.loads(sarif(BROKEN))["runs"]
    assert run["results"] == [] and run["tool"]["driver"]["rules"] == []
    told = [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]
    assert any(line.startswith("MLB508 Service default/my-nginx") for line in told)
    assert any("skipped: " in line for line in told)


# -- all --------------------------------------------------------------------------------------------------------------


def test_json_is_the_result_without_ansibles_own():
    result = {**BROKEN, "invocation": {"module_args": {}}, "failed_when_result": False}
    assert json.loads(as_json(result)).keys() == BROKEN.keys()


def test_no_format_changes_the_verdict():
    """What one analyzer of others does: findings fail the run in one format, and not in another."""
    for render in (text, markdown, junit, sarif, as_json):
        before = json.dumps(BROKEN, sort_keys=True)
        render(BROKEN)
        assert json.dumps(BROKEN, sort_keys=True) == before


def test_headline():
    assert headline(HEALTHY) == "Nothing is wrong with 2 services."
    assert headline(BROKEN).endswith(BROKEN["diagnoses"][0]["sentence"])
    assert (
        headline({**BROKEN, "diagnoses": [], "findings": []}) == "There is no LoadBalancer service that MetalLB serves."
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("text", "but a str"),
        ({"skipped": True}, "its task was skipped"),
        (
            {"failed": True, "msg": "no cluster", "failure_kind": "execution"},
            "could not read anything, so there is nothing to report: no cluster",
        ),
        ({"findings": []}, "missing"),
    ],
)
def test_what_is_no_result(given, words):
    for render in (text, markdown, junit, sarif, as_json):
        with pytest.raises(RenderError, match=words):
            render(given)
    with pytest.raises(RenderError, match="fail_on"):
        junit(BROKEN, fail_on="sometimes")
