# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""site.yml on a MetalLB that another tool owns: the marks of Argo CD or Flux on the real objects, and no Helm release."""

from __future__ import annotations

import json

import pytest

HOME = "metallb-system"
OBJECTS = (
    ("apps", "Deployment", "metallb-controller"),
    ("apps", "DaemonSet", "metallb-speaker"),
    ("", "ServiceAccount", "metallb-controller"),
    ("", "ServiceAccount", "metallb-speaker"),
    ("metallb.io", "IPAddressPool", ""),
    ("metallb.io", "L2Advertisement", ""),
)


def marks(tool, group, kind, name):
    """Arguments of kubectl annotate or label, and those that take the mark off again."""
    if tool == "argocd":
        key, value = "argocd.argoproj.io/tracking-id", f"metallb:{group}/{kind}:{HOME}/{name}"
        return "annotate", [f"{key}={value}"], [f"{key}-"]
    prefix = "helm.toolkit.fluxcd.io/" if kind[0] in "DS" else "kustomize.toolkit.fluxcd.io/"
    return (
        "label",
        [f"{prefix}name=metallb", f"{prefix}namespace=flux-system"],
        [f"{prefix}name-", f"{prefix}namespace-"],
    )


@pytest.fixture(params=["argocd", "flux"])
def owned(request, kubectl):
    """MetalLB as that tool leaves it: its marks on every object, and no record of a Helm release."""
    found = json.loads(kubectl("-n", HOME, "get", "secrets", "-l", "owner=helm,name=metallb", "-o", "json"))["items"]
    assert found, "the lab's MetalLB was installed by Helm"
    taken = []
    for one in found:
        meta = one["metadata"]
        one["metadata"] = {name: meta[name] for name in ("name", "namespace", "labels")}
        kubectl("-n", HOME, "delete", "secret", meta["name"])
    try:
        for group, kind, given in OBJECTS:
            names = [given] if given else kubectl("-n", HOME, "get", kind, "-o", "name").split()
            for name in (one.rpartition("/")[2] for one in names):
                verb, put, take = marks(request.param, group, kind, name)
                taken.append((verb, kind, name, take))
                kubectl("-n", HOME, verb, "--overwrite", kind, name, *put)
        yield request.param
    finally:
        for verb, kind, name, take in taken:
            kubectl("-n", HOME, verb, kind, name, *take)
        for one in found:
            kubectl("create", "-f", "-", stdin=json.dumps(one))


def generations(kubectl):
    """Of everything owned: a write of ours changes the resourceVersion, a controller's status of a pool does not change its spec."""
    kinds = "deployment,daemonset,serviceaccount,ipaddresspool,l2advertisement"
    items = json.loads(kubectl("-n", HOME, "get", kinds, "-o", "json"))["items"]
    return {
        f"{one['kind']}/{one['metadata']['name']}": (
            one["metadata"].get("generation"),
            one["metadata"].get("labels"),
            one.get("spec"),
        )
        for one in items
    }


def test_site_leaves_an_owned_metallb_alone_and_goes_on(owned, playbook, kubectl, live):
    before = generations(kubectl)
    status, text = playbook("site")
    told = " ".join(text.split())
    owner = {"argocd": "Application metallb", "flux": "HelmRelease flux-system/metallb"}[owned]
    assert status == 0 and "changed=0" in told, text
    assert f"is managed by {owner}: nothing of it is changed here. It runs as the variables ask." in told, text
    assert "checks are good" in told, "and what answers is verified all the same"
    assert generations(kubectl) == before


def test_site_names_the_change_for_the_owners_source(owned, playbook, kubectl, live):
    before = generations(kubectl)
    status, text = playbook("site", metallb_ignore_exclude_lb=False)
    told = " ".join(text.split())
    assert status == 2 and "set Helm value speaker.ignoreExcludeLB: false (now true)" in told, text
    assert "speaker: ignoreExcludeLB: false" in told and "metallb_owned=report" in told, text
    status, text = playbook("site", "--tags", "metallb_config", metallb_interfaces=["lan0"])
    told = " ".join(text.split())
    assert status == 2 and "L2Advertisement" in told and "is managed by" in told and "spec.interfaces is" in told, text
    assert generations(kubectl) == before
