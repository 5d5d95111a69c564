# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What the user asks role gitops for, as records, and the Kubernetes objects that every style shares."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import API_VERSION
from ansible_collections.l2ops.metallb.plugins.module_utils._model.options import (
    advertisement_to_object,
    pool_to_object,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import printable

Object = dict[str, Any]
STYLES = ("argocd", "manifests", "flux")
# What Argo CD and Flux call the order of things.
WAVE = "argocd.argoproj.io/sync-wave"
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
# Argo CD looks whether it knows all kinds before the first wave, unless it is told not to (gitops-engine, sync_context.go).
SKIP_DRY_RUN = "SkipDryRunOnMissingResource=true"
# Where Argo CD keeps how healthy a kind is; for Application it has nothing of its own since 1.8.
HEALTH_KEY = "resource.customizations.health.argoproj.io_Application"
HEALTH = """\
hs = {status = "Progressing", message = "not synced yet"}
local now = obj.status or {}
if now.health ~= nil and now.sync ~= nil and now.sync.status == "Synced" then
  hs.status = now.health.status or "Progressing"
  hs.message = now.health.message or ""
end
return hs
"""
PRIVILEGED = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("audit", "enforce", "warn")}
FIRST_APP_WAVE = 5


class GitopsError(ValueError):
    """A wish that cannot be fulfilled. The message names the option."""

    def __str__(self) -> str:
        return printable(super().__str__())


@dataclass(frozen=True)
class Chart:
    """A Helm chart in a namespace. repo is the URL of a Helm repository, or oci://… without the chart's name."""

    name: str  # of the release
    namespace: str
    chart: str
    repo: str
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    privileged: bool = False


@dataclass(frozen=True)
class App:
    """Something of the user's that comes after MetalLB: a folder of the repository, or a chart."""

    name: str
    namespace: str
    wave: int = FIRST_APP_WAVE
    folder: str = ""
    chart: Chart | None = None


@dataclass(frozen=True)
class RepositoryRequest:
    """What is wanted. folder is one of the repository, with slashes; pools and advertisements are as l2_config takes them.

    rendered are texts of charts by the release's name (helm template), for style manifests.
    """

    style: str
    metallb: Chart
    pools: Sequence[Object]
    advertisements: Sequence[Object]
    folder: str = "infrastructure"
    repo_url: str = ""
    revision: str = "main"
    argocd_namespace: str = "argocd"
    project: str = "default"
    server: str = "https://kubernetes.default.svc"
    flux_namespace: str = "flux-system"
    source: str = "flux-system"
    traefik: Chart | None = None
    apps: Sequence[App] = ()
    rendered: Mapping[str, str] = field(default_factory=dict)


# -- charts -----------------------------------------------------------------------------------------------------------


def chart_of(ref: str, repo: str) -> tuple[str, str]:
    """(chart, repo) out of role gitops' metallb_gitops_chart_ref and metallb_gitops_chart_repo. Raises GitopsError for a local one."""
    if ref.startswith("oci://"):
        base, _slash, chart = ref.rpartition("/")
        if base in ("oci:/", "oci:", ""):
            raise GitopsError(
                f"chart_ref: {ref} names no chart within a registry, as oci://registry.example/charts/metallb does."
            )
        return chart, base
    if "/" in ref or ref.endswith(".tgz"):
        raise GitopsError(
            f"chart_ref: {ref} is a folder or an archive of this machine, which the cluster cannot read. Name a chart in chart_repo "
            "(metallb_gitops_chart_ref: metallb), one in a registry (oci://…), or take style manifests, which renders it here."
        )
    return ref, repo


def traefik(namespace: str, repo: str, version: str, address: str) -> Chart:
    """The source document's Traefik: its Service with policy Cluster, and an address of its own where one is given."""
    service: Object = {"spec": {"externalTrafficPolicy": "Cluster"}, "type": "LoadBalancer"}
    if address:
        service["annotations"] = {"metallb.io/loadBalancerIPs": address}
    return Chart("traefik", namespace, "traefik", repo, version, {"service": service})


_File = tuple[Any, Sequence[str]]


def _config(request: RepositoryRequest) -> list[tuple[str, int, list[Object]]]:
    """Files of metallb/config: name, wave, objects. Objects have the user's order, which MetalLB honors in places."""
    home = request.metallb.namespace
    pools = [_sorted_metadata(pool_to_object(dict(one), home)) for one in request.pools]
    advertisements = [_sorted_metadata(advertisement_to_object(dict(one), home)) for one in request.advertisements]
    files = [("ipaddresspool.yaml", 1, pools), ("l2advertisement.yaml", 2, advertisements)]
    return [one for one in files if one[2]]


def _middleware(chart: Chart) -> Object:
    """An example of what wave 4 is for: it does nothing until a route refers to it."""
    return {
        "apiVersion": "traefik.io/v1alpha1",
        "kind": "Middleware",
        "metadata": {"name": "redirect-https", "namespace": chart.namespace},
        "spec": {"redirectScheme": {"scheme": "https", "permanent": True}},
    }


def _namespace(chart: Chart) -> Object:
    metadata: Object = {"name": chart.namespace}
    if chart.privileged:
        metadata["labels"] = dict(PRIVILEGED)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _above(folder: str) -> str:
    """The folder around it with a slash, or nothing at the top of the repository."""
    parent = posixpath.dirname(folder)
    return f"{parent}/" if parent else ""


# Git's own folder, in spellings that some file system takes for it.
_GITS = frozenset([".git", "git~1"])


def inside(path: str) -> bool:
    """Whether it is a path below the top of a repository, in its shortest spelling, and neither Git's own nor unprintable."""
    return (
        path.isprintable() and not any(part.rstrip(". ").lower() in _GITS for part in path.split("/")) and _below(path)
    )


def _below(path: str) -> bool:
    return (
        bool(path)
        and not path.startswith("/")
        and "\\" not in path
        and posixpath.normpath(path) == path
        and not path.startswith("..")
        and path != "."
    )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


# -- texts ------------------------------------------------------------------------------------------------------------


def _sorted(given: Any) -> Any:
    """Dictionaries in one order for ever, whatever order somebody wrote them in; lists keep theirs."""
    if isinstance(given, Mapping):
        return {key: _sorted(given[key]) for key in sorted(given, key=str)}
    if isinstance(given, (list, tuple)):
        return [_sorted(one) for one in given]
    return given


def _sorted_metadata(obj: Object) -> Object:
    metadata = {key: _sorted(one) for key, one in obj["metadata"].items()}
    return {"apiVersion": API_VERSION, "kind": obj["kind"], "metadata": metadata, "spec": obj["spec"]}
