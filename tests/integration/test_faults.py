# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults made for real in the lab: verify names each of them, and all is well when it is taken back."""

from __future__ import annotations

import subprocess

import pytest


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("rogue-host", "MLB602"),
        ("local-policy-far-pod", "MLB507"),
        ("same-address", "MLB501"),
    ],
)
def test_verify_names_the_fault_and_is_content_when_it_is_gone(playbook, lab, fault, code):
    lab("fault", fault)
    try:
        status, text = playbook("verify", metallb_verify_services=[], metallb_verify_timeout=5)
    finally:
        lab("undo", fault)
    assert status != 0
    assert code in text
    status, text = playbook("verify")
    assert status == 0, text


def test_kube_proxy_keeps_its_elements_through_a_full_sync(playbook, kubectl):
    """A new kube-proxy begins with a full sync over the old one's elements: the hourly trap of docs/lab.md, without the hour."""
    kubectl("-n", "kube-system", "delete", "pods", "-l", "k8s-app=kube-proxy", "--wait=true")
    kubectl("-n", "kube-system", "rollout", "status", "daemonset/kube-proxy", "--timeout=60s")
    pods = kubectl("-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-proxy", "-o", "name").split()
    for pod in pods:
        command = [
            "kubectl",
            "-n",
            "kube-system",
            "exec",
            pod,
            "--",
            "nft",
            "--json",
            "list",
            "map",
            "ip",
            "kube-proxy",
            "service-ips",
        ]
        listed = subprocess.run(command, text=True, capture_output=True, check=True, timeout=60).stdout
        assert '"tcp"' in listed, "protocols must be named, or kube-proxy does not know its own elements"
    status, text = playbook("verify")
    assert status == 0, text
