# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who owns an object, by what is written on it and by what its owners say of themselves."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.owners import (
    Evidence,
    Owner,
    applications_by_resource,
    fix_for,
    owner_of,
    owner_of_label,
    releases_of_secrets,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import evaluate
from ansible_collections.l2ops.metallb.tests.unit.world import EXCLUDE, World

INSTANCE = "app.kubernetes.io/instance"
TRACKING = "argocd.argoproj.io/tracking-id"
OWN = "metallb:apps/DaemonSet:metallb-system/metallb-speaker"


def speaker(labels=None, annotations=None, **more):
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": "metallb-speaker",
            "namespace": "metallb-system",
            "labels": labels or {},
            "annotations": annotations or {},
            **more,
        },
    }


def written_by(*names, **more):
    return {"managedFields": [{"manager": name, **more} for name in names]}


ARGO = "Application argocd/metallb"
UNDOES = "owns it and undoes changes that are made in the cluster. Make this one in its source:"
NOBODY = "nobody (raw manifests)"


@pytest.mark.parametrize(
    ("obj", "says"),
    [
        (speaker(annotations={TRACKING: OWN}), ARGO),
        (speaker(annotations={TRACKING: f"team-a_{OWN}"}), "Application team-a/metallb"),
        # copied with the object, so that it names another one
        (speaker(annotations={TRACKING: OWN.replace("speaker", "other")}), NOBODY),
        (speaker(annotations={TRACKING: OWN.replace("DaemonSet", "Deployment")}), NOBODY),
        (speaker(annotations={TRACKING: OWN.replace("metallb-system", "elsewhere")}), NOBODY),
        (speaker(annotations={TRACKING: "nonsense"}), NOBODY),
        # Argo CD renders charts: what Helm writes on its own releases is not there, or was brought by a rendered file.
        (speaker(annotations={TRACKING: OWN, "meta.helm.sh/release-name": "metallb"}), ARGO),
        (speaker({"helm.toolkit.fluxcd.io/name": "metallb", "helm.toolkit.fluxcd.io/namespace": "flux"}), "HelmRelease flux/metallb"),
        (
            speaker(
                {"helm.toolkit.fluxcd.io/name": "metallb", "kustomize.toolkit.fluxcd.io/name": "apps"},
                {"meta.helm.sh/release-name": "metallb"},
            ),
            "HelmRelease metallb",
        ),
        (speaker({"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "f"}), "Kustomization f/apps"),
        (
            speaker(annotations={"meta.helm.sh/release-name": "metallb", "meta.helm.sh/release-namespace": "metallb-system"}),
            "Helm release metallb-system/metallb",
        ),
        (speaker(ownerReferences=[{"kind": "MetalLB", "name": "metallb"}]), "MetalLB metallb-system/metallb"),
        (speaker(ownerReferences=[{"kind": "Deployment", "name": "x"}]), NOBODY),
        # the chart's own label, rendered and applied by hand
        (speaker({INSTANCE: "metallb", "app.kubernetes.io/managed-by": "Helm"}), NOBODY),
        (speaker({INSTANCE: "metallb"}, **written_by("argocd-controller")), ARGO),
        (speaker({INSTANCE: "metallb"}, **written_by("argocd-controller", subresource="status")), NOBODY),
        (speaker(**written_by("argocd-controller")), NOBODY),
        (speaker({"app.kubernetes.io/managed-by": "l2ops.metallb"}), "this collection"),
        (speaker(), NOBODY),
        ({"kind": "DaemonSet", "metadata": None}, NOBODY),
    ],
)  # fmt: skip
def test_owner(obj, says):
    assert str(owner_of(obj, Evidence(argocd="argocd"))) == says


def test_applications_decide_over_the_label():
    listed = {"group": "apps", "kind": "DaemonSet", "namespace": "metallb-system", "name": "metallb-speaker"}
    application = {"metadata": {"name": "lb", "namespace": "gitops"}, "status": {"resources": [listed, None]}}
    known = Evidence(applications=applications_by_resource([application, {}]))
    assert str(owner_of(speaker({INSTANCE: "metallb"}), known)) == "Application gitops/lb"
    # Applications were read, and none has it: then a manager of long ago is no owner.
    none = Evidence(applications={})
    assert owner_of(speaker({INSTANCE: "metallb"}, **written_by("argocd-controller")), none).tool == "manifests"
    # the namespace of the Application that the annotation names
    named = {"metadata": {"name": "metallb", "namespace": "gitops"}, "status": {"resources": [listed]}}
    elsewhere = Evidence(applications=applications_by_resource([named]), argocd="argocd")
    assert str(owner_of(speaker(annotations={TRACKING: OWN}), elsewhere)) == "Application gitops/metallb"


def test_releases_are_known_by_the_names_of_their_secrets():
    def secret(name, status="deployed"):
        return {"metadata": {"name": name, "namespace": "x", "labels": {"status": status}}}

    found = releases_of_secrets(
        [
            secret("sh.helm.release.v1.metallb.v1", "superseded"),
            secret("sh.helm.release.v1.my.app.v12"),
            secret("sh.helm.release.v1.gone.v1", "uninstalled"),
            secret("metallb-memberlist"),
        ]
    )
    assert found == {("x", "metallb"), ("x", "my.app")}


def test_labels_of_nodes():
    world = World()
    owner = owner_of_label(world.get("nodes", "cp-1"))
    assert owner is not None and owner.tool == "talos"
    assert owner_of_label(world.get("nodes", "worker-1")) is None
    world.get("nodes", "worker-1")["metadata"]["labels"][EXCLUDE] = ""
    owner = owner_of_label(world.get("nodes", "worker-1"))
    assert owner is not None and owner.tool == "manifests"


@pytest.mark.parametrize(
    ("fix", "told"),
    [
        ("Set the Helm value speaker.frr.enabled to false.", "Application argocd/metallb: set the Helm value speaker.frr.enabled to false."),
        (
            "kubectl label namespace x a=b",
            f"{ARGO} {UNDOES} kubectl label namespace x a=b",
        ),
        ("kubectl -n x describe pod y", "kubectl -n x describe pod y"),
    ],
)  # fmt: skip
def test_a_fix_is_told_to_the_owner(fix, told):
    assert fix_for(fix, Owner("argocd", "Application", "argocd", "metallb")) == told
    assert fix_for(fix, Owner("helm", "Helm release", "metallb-system", "metallb")) == fix
    assert fix_for(fix, Owner("manifests")) == fix


def test_findings_name_the_owner():
    world = World()
    world.objects["namespaces"].append({"kind": "Namespace", "metadata": {"name": "argocd"}})
    for plural, name, kind in (("daemonsets", "metallb-speaker", "DaemonSet"), ("deployments", "metallb-controller", "Deployment")):  # fmt: skip
        world.get(plural, name)["metadata"]["annotations"] = {TRACKING: f"metallb:apps/{kind}:metallb-system/{name}"}
    world.get("nodes", "worker-1")["spec"]["taints"] = [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]
    world.remove_speaker("worker-1")
    (finding,) = evaluate(world.snapshot()).of("MLB103")
    assert finding.fix.startswith(
        "Application argocd/metallb: add a toleration for dedicated=x:NoSchedule to the Helm value"
    )
    assert finding.evidence["owner"] == "Application argocd/metallb"
