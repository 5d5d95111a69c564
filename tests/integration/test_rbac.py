# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of docs/rbac do their work with no more than these rights, and no less is said when one is missing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

RBAC = Path(__file__).resolve().parents[2] / "docs" / "rbac"
NAMES = [f"l2ops-{one}" for one in ("read", "operate", "operate-read", "install", "install-read", "install-operate")]


@pytest.fixture(scope="module", autouse=True)
def _accounts(kubectl):
    files = [argument for name in ("install", "read", "operate") for argument in ("-f", str(RBAC / f"{name}.yaml"))]
    kubectl("apply", *files)
    yield
    # The namespace stands in install.yaml too, and is MetalLB's own.
    for kind in ("serviceaccounts", "rolebindings", "roles"):
        for namespace in ("metallb-system", "kube-system"):
            kubectl("-n", namespace, "delete", kind, *NAMES, "--ignore-not-found")
    for kind in ("clusterrolebindings", "clusterroles"):
        kubectl("delete", kind, *NAMES, "--ignore-not-found")


@pytest.fixture
def account(kubectl, tmp_path):
    """account("l2ops-read") -> path of a kubeconfig of that ServiceAccount, and of nobody else."""

    def make(name):
        config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
        token = kubectl("-n", "metallb-system", "create", "token", name).strip()
        config["users"][0]["user"] = {"token": token}
        path = tmp_path / name
        path.write_text(json.dumps(config), encoding="utf-8")
        return str(path)

    return make


def test_who_may_only_read_can_verify_and_diagnose(playbook, account):
    status, text = playbook("verify", metallb_kubeconfig=account("l2ops-read"))
    assert status == 0, text
    status, text = playbook("diagnose", metallb_kubeconfig=account("l2ops-read"))
    assert status == 0, text


def test_who_may_only_read_cannot_change_and_reads_which_rule_is_lacking(playbook, account, kubectl):
    before = kubectl("-n", "metallb-system", "get", "l2advertisements", "-o", "jsonpath={.items[*].spec}")
    status, text = playbook(
        "site", "--tags", "metallb_config", metallb_kubeconfig=account("l2ops-read"), metallb_interfaces=["lan0"]
    )
    assert status != 0 and "Traceback" not in text
    assert "l2advertisements" in text and "patch" in text
    assert kubectl("-n", "metallb-system", "get", "l2advertisements", "-o", "jsonpath={.items[*].spec}") == before


def test_the_operator_mends_a_label_and_needs_no_more(playbook, account, lab, kubectl):
    lab("fault", "exclude-label")
    tags = "metallb_nodes,metallb_config,metallb_verify"
    status, text = playbook("site", "--tags", tags, metallb_kubeconfig=account("l2ops-operate"))
    assert status == 0, text
    labels = kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.labels}")
    assert "exclude-from-external-load-balancers" not in labels


def test_the_installer_installs_from_nothing_without_being_an_administrator(playbook, account):
    subprocess.run(["helm", "-n", "metallb-system", "uninstall", "metallb", "--wait"], check=True, timeout=120)
    config = account("l2ops-install")
    status, text = playbook("site", metallb_kubeconfig=config)
    assert status == 0, text
    status, text = playbook("site", metallb_kubeconfig=config)
    assert status == 0 and "changed=0" in text, text
