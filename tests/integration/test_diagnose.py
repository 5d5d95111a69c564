# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks diagnose and validate against the healthy lab: they change nothing, look at the wire, and find no error."""

from __future__ import annotations

import json


def test_the_healthy_lab_is_found_healthy_on_the_wire_too(playbook, tmp_path):
    report, snapshot = tmp_path / "diagnosis.json", tmp_path / "lab.json.gz"
    status, text = playbook(
        "diagnose",
        metallb_diagnose_report_json=str(report),
        metallb_diagnose_save=str(snapshot),
        metallb_diagnose_wire="always",
    )
    assert status == 0, text
    assert "Nothing is wrong with" in text and "changed=0" in text
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["summary"]["errors"] == 0 and told["ok"]
    for one in told["diagnoses"]:
        assert one["state"] == "ok" and one["answering"] == [one["elected"]], one["sentence"]
        assert {step["step"]: step["result"] for step in one["steps"]}["port"] == "passed"
    # What was saved is judged the same where there is no cluster.
    status, text = playbook("validate", metallb_validate_snapshot=str(snapshot), metallb_kubeconfig="/nowhere")
    assert status == 0 and "0 errors" in text, text


def test_what_site_would_write_is_judged_over_the_running_cluster(playbook, live):
    taken = live.address(201)
    judged = {"metallb_validate_variables": True, "metallb_validate_against": "cluster"}
    status, text = playbook("validate", **judged)
    assert status == 0 and "laid over the cluster judged." in text, text
    status, text = playbook("validate", **judged, metallb_gateway=[taken], metallb_pool_addresses=[f"{taken}/32"])
    assert status != 0 and "MLB302" in text and "MLB512" in text, (
        "over the gateway, and two services lose their addresses"
    )


def test_a_service_that_does_not_exist(playbook):
    status, text = playbook("diagnose", metallb_diagnose_services=["default/nginx"])
    assert status != 0 and "there is no Service default/nginx" in text and "Traceback" not in text
