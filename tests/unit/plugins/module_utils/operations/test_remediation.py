# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pass of the monitor: what it may fix, what it says, what the next one knows."""

from __future__ import annotations

import json

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import remediation

NOW, LATER = "2026-01-31T10:00:00Z", "2026-01-31T10:05:00Z"
ALL = list(remediation.FIXES)


def finding(code, name="cp-1", severity="error", kind="Node", namespace="", **evidence):
    about = {"kind": kind, "namespace": namespace, "name": name}
    return {
        "code": code,
        "severity": severity,
        "object": about,
        "summary": "is so",
        "fix": "do that",
        "evidence": evidence,
    }


def result(*findings):
    return {"findings": list(findings)}


LABELLED = finding("MLB201")
OWNED = finding("MLB201", owned_by_talos=True)
STALE = finding("MLB510", "l2-a", "warning", "ServiceL2Status", "metallb-system")


def judged(after, state="", planned=None, done=(), now=NOW, **more):
    return remediation.report(after, state, planned or remediation.plan({}, "", []), list(done), now, **more)


def label_result(**more):
    return {"fix": "exclude-label", "result": {"key": "a-label", "changed": True, "changed_nodes": ["cp-1"], **more}}


def gave_up(**more):
    back = {"node": "cp-1", "times": 2, "manager": "machined", "owned_by_talos": True, "held": False, **more}
    return label_result(returned=[back], failure_kind="execution", msg="put back by machined")


class TestPlan:
    def test_nothing_without_leave(self):
        assert remediation.plan(result(LABELLED, STALE, finding("MLB607")), "", []) == {
            "labelled": ["cp-1"],
            "nodes": [],
            "withheld": [],
            "statuses": [],
            "restart": False,
        }

    def test_what_it_may(self):
        planned = remediation.plan(result(LABELLED, finding("MLB201", "cp-0"), STALE, finding("MLB607")), "", ALL)
        assert planned["nodes"] == ["cp-0", "cp-1"] and planned["restart"] is True
        assert planned["statuses"] == [{"namespace": "metallb-system", "name": "l2-a"}]

    def test_a_service_without_a_status_is_not_deleted(self):
        """MLB510 is about a Service where its status is missing."""
        assert (
            remediation.plan(result(finding("MLB510", "web", kind="Service", namespace="default")), "", ALL)["statuses"]
            == []
        )

    def test_an_answer_of_a_survey(self):
        assert remediation.plan(result(LABELLED), "", "exclude-label\nstale-status")["nodes"] == ["cp-1"]

    def test_an_unknown_word(self):
        with pytest.raises(remediation.MonitorError, match=r"knows no label\. There are exclude-label"):
            remediation.plan({}, "", ["label"])

    def test_named_nodes_and_no_others(self):
        planned = remediation.plan({}, "", ["exclude-label"], ["cp-9"], False)
        assert planned["nodes"] == ["cp-9"]
        assert remediation.plan({}, "", [], ["cp-9"])["nodes"] == []

    def test_a_label_that_speakers_ignore(self):
        """It comes off, too; but nobody is bothered about one that its owner holds."""
        label = "node.kubernetes.io/exclude-from-external-load-balancers"
        owned = {"talos.dev/owned-labels": json.dumps([label])}
        carriers = [
            {"metadata": {"name": "cp-1", "labels": {label: ""}}},
            {"metadata": {"name": "cp-2", "labels": {label: ""}, "annotations": owned}},
        ]
        planned = remediation.plan(result(), "", ALL, carriers=carriers)
        assert planned["nodes"] == ["cp-1"] and planned["labelled"] == ["cp-1", "cp-2"] and planned["withheld"] == []
        said = judged(result(), planned=planned, done=[label_result()])
        assert said["status"] == "fixed" and said["labelled"] == ["cp-2"]
        # Somebody else's that came back: failed once, known then, and quiet while it does no harm.
        said = judged(result(), planned=planned, done=[gave_up(owned_by_talos=False)])
        assert said["status"] == "remaining" and said["contested"] == ["cp-1"]
        planned = remediation.plan(result(), json.dumps(said["state"]), ALL, carriers=carriers)
        assert planned["nodes"] == [] and planned["withheld"] == []
        assert judged(result(), json.dumps(said["state"]), planned)["contested"] == ["cp-1"]

    def test_an_owner_is_not_asked_for_a_fight_at_every_pass(self):
        planned = remediation.plan(result(OWNED), "", ALL, (), False)
        assert planned["nodes"] == [] and "metallb_monitor_state" in planned["withheld"][0]["why"]
        assert remediation.plan(result(OWNED), "", ALL)["nodes"] == ["cp-1"], "what it gives up it will know"


class TestReport:
    def test_healthy_is_quiet(self):
        said = judged(result())
        assert (said["status"], said["quiet"], said["remaining"]) == ("healthy", True, [])

    def test_mended(self):
        said = judged(result(), done=[label_result()])
        assert said["status"] == "fixed" and said["fixed"] == ["Node cp-1: a-label taken off"] and not said["quiet"]

    def test_second_pass_is_quiet(self):
        first = judged(result(), done=[label_result()])
        second = judged(result(), json.dumps(first["state"]), now=LATER)
        assert (second["status"], second["quiet"], second["fixed"]) == ("healthy", True, [])

    def test_what_remains_is_new_once_and_known_then(self):
        first = judged(result(LABELLED))
        assert first["status"] == "remaining" and len(first["new"]) == 1 and first["new_remaining"]
        assert "do that" in first["remaining"][0], "what fixes it"
        second = judged(result(LABELLED), json.dumps(first["state"]), now=LATER)
        assert second["status"] == "remaining" and second["new"] == [] and not second["new_remaining"]
        assert any(NOW in line for line in second["lines"]), "since when"
        third = judged(result(), json.dumps(second["state"]), now=LATER)
        assert third["gone"] == ["MLB201 Node cp-1"] and third["status"] == "healthy" and not third["quiet"]

    def test_what_a_check_found_is_gone_where_nothing_is_left_to_look_at(self):
        """The last Service is deleted: its finding is gone. Services that cannot be read are another matter."""
        lost = finding("MLB503", "web", kind="Service", namespace="default")
        state = json.dumps(judged(result(lost))["state"])

        def later(reason):
            checks = [{"id": "MLB503", "result": "skipped", "reason": reason}]
            return judged({**result(), "checks": checks}, state, now=LATER)

        assert later("there is no Service that MetalLB serves")["gone"] == ["MLB503 Service default/web"]
        assert later("services: forbidden")["gone"] == []

    def test_warnings_are_said_once_and_do_not_fail(self):
        first = judged(result(STALE))
        assert first["status"] == "healthy" and len(first["new"]) == 1 and not first["quiet"]
        assert first["verdict"] == "healthy: nothing remains but 1 warning"
        second = judged(result(STALE), json.dumps(first["state"]))
        assert second["quiet"]
        assert judged(result(STALE), severity="warning")["status"] == "remaining"
        assert judged(result(finding("MLB108", severity="info")))["quiet"]

    def test_a_label_given_up_is_left_alone_until_it_is_gone(self):
        said = judged(result(OWNED), done=[gave_up()])
        assert said["status"] == "remaining" and said["contested"] == ["cp-1"] and said["fixed"] == []
        assert any("put back by machined" in one for one in said["remaining"])
        state = json.dumps(said["state"])
        planned = remediation.plan(result(OWNED), state, ALL)
        assert (
            planned["nodes"] == []
            and "Talos" in planned["withheld"][0]["why"]
            and "MLB202" in planned["withheld"][0]["why"]
        )
        later = judged(result(OWNED), state, planned, now=LATER)
        assert later["status"] == "remaining" and later["contested"] == ["cp-1"], "it remains given up"
        # A warning only, as other nodes announce: what was allowed and cannot be done remains all the same.
        mild = judged(result(finding("MLB201", severity="warning")), state, planned, now=LATER)
        assert mild["status"] == "remaining"
        fixed = judged(result(), json.dumps(later["state"]), now=LATER)
        assert fixed["contested"] == []
        assert remediation.plan(result(OWNED), json.dumps(fixed["state"]), ALL)["nodes"] == ["cp-1"]

    def test_what_could_not_be_done(self):
        refused = {"failed_when_result": False, "changed": False, "msg": "Forbidden: servicel2statuses"}
        said = judged(result(STALE), done=[{"fix": "stale-status", "result": {"results": [refused]}}])
        assert said["status"] == "remaining" and said["remaining"][0] == "stale-status: Forbidden: servicel2statuses"

    def test_deleted_statuses_and_skipped_tasks(self):
        item = {"namespace": "metallb-system", "name": "l2-a"}
        done = [
            {"fix": "exclude-label", "result": {"skipped": True, "changed": False}},
            {"fix": "stale-status", "result": {"results": [{"changed": True, "metallb_monitor_item": item}]}},
            {"fix": "speaker-restart", "result": {"changed": True, "failed_when_result": False, "msg": "done"}},
        ]
        said = judged(result(), done=done)
        assert said["status"] == "fixed" and len(said["fixed"]) == 2
        assert "metallb-system/l2-a" in said["fixed"][0]

    def test_a_dry_run_says_would(self):
        said = judged(result(LABELLED, finding("MLB202", severity="warning")), done=[label_result()], check=True)
        assert said["status"] == "fixed" and said["verdict"] == "fixed: 1 would be fixed, nothing remains"
        assert any("would fix: Node cp-1" in line for line in said["lines"])

    def test_a_state_that_is_none(self):
        for text in ("not json", "[]", '{"version": 99}'):
            with pytest.raises(remediation.MonitorError, match="delete it"):
                judged(result(), text)
