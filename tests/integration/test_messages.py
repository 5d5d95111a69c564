# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads when something is wrong: what, where, and what fixes it; never a traceback."""

from __future__ import annotations

import ipaddress
import json

import pytest


def said(text):
    """The output as one line, since callbacks wrap."""
    assert "Traceback" not in text
    return " ".join(text.split())


def test_a_kubeconfig_that_is_not_there(playbook):
    status, text = playbook("site", metallb_kubeconfig="/nowhere/kubeconfig")
    assert status != 0
    assert "/nowhere/kubeconfig" in said(text)


def test_an_api_server_that_does_not_answer(playbook, kubectl, tmp_path):
    config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    broken = tmp_path / "kubeconfig"
    broken.write_text(json.dumps(config), encoding="utf-8")
    status, text = playbook("site", metallb_kubeconfig=str(broken))
    assert status != 0
    assert "127.0.0.1:1" in said(text)


def test_helm_that_is_not_there(playbook):
    status, text = playbook("site", metallb_helm_binary="/nowhere/helm")
    assert status != 0
    assert "metallb_helm_binary" in said(text) and "/nowhere/helm" in said(text)


def elsewhere(lan):
    """A range of another network than the lab's."""
    there = next(net for net in ("10.99.0", "172.31.99") if ipaddress.ip_address(f"{net}.10") not in lan)
    return f"{there}.10-{there}.20"


@pytest.mark.parametrize(
    ("addresses", "code"),
    [
        (lambda _lan: "not an address", "MLB309"),
        (lambda lan: f"{lan[250]}-{lan[200]}", "MLB309"),
        (elsewhere, "MLB304"),
        (lambda lan: f"{lan[1]}-{lan[250]}", "MLB301"),
    ],
)
def test_a_pool_that_would_break_something_is_refused_and_nothing_is_changed(playbook, kubectl, live, addresses, code):
    before = kubectl("-n", "metallb-system", "get", "ipaddresspools", "-o", "jsonpath={.items[*].spec}")
    status, text = playbook(
        "site", "--tags", "metallb_config", metallb_pool_addresses=[addresses(live.settings.subnet)]
    )
    assert status != 0
    assert code in said(text) and "Nothing was changed" in said(text)
    assert kubectl("-n", "metallb-system", "get", "ipaddresspools", "-o", "jsonpath={.items[*].spec}") == before


def test_an_address_outside_the_pools_is_named(playbook, live):
    outside = live.address(199)
    services = [{"name": "default/my-nginx", "address": outside, "port": 80}]
    status, text = playbook("verify", metallb_verify_services=services)
    assert status != 0
    assert f"expected {outside}" in said(text)


def test_a_user_without_rights_reads_which_rule_is_missing(playbook, kubectl, tmp_path):
    kubectl("-n", "default", "delete", "serviceaccount", "nobody", "--ignore-not-found")
    kubectl("-n", "default", "create", "serviceaccount", "nobody")
    try:
        token = kubectl("-n", "default", "create", "token", "nobody").strip()
        config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
        config["users"][0]["user"] = {"token": token}
        poor = tmp_path / "kubeconfig"
        poor.write_text(json.dumps(config), encoding="utf-8")
        status, text = playbook("site", "--tags", "metallb_nodes", metallb_kubeconfig=str(poor))
    finally:
        kubectl("-n", "default", "delete", "serviceaccount", "nobody")
    assert status != 0
    assert "nodes" in said(text) and "list" in said(text)
    assert token not in text
