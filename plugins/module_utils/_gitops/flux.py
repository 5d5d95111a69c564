# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Files of a repository for Flux: Kustomizations and HelmReleases with dependsOn."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence

from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.request import (
    Chart,
    Object,
    RepositoryRequest,
    _above,
    _config,
    _File,
    _middleware,
    _namespace,
    _sorted,
)


def _flux(request: RepositoryRequest) -> dict[str, _File]:
    files: dict[str, _File] = {}
    stages: list[tuple[int, str, str, str]] = []  # wave, name, folder, namespace that its objects lack

    def release(wave: int, name: str, folder: str, chart: Chart) -> None:
        stages.append((wave, name, f"{folder}/release", ""))
        files[f"{folder}/release/namespace.yaml"] = ([_namespace(chart)], [])
        files[f"{folder}/release/helmrelease.yaml"] = (_helm_release(chart), [])

    release(0, "metallb-helm", f"{request.folder}/metallb", request.metallb)
    config = _config(request)
    for name, _wave, objects in config:
        files[f"{request.folder}/metallb/config/{name}"] = (objects, [])
    if config:
        stages.append((2, "metallb-config", f"{request.folder}/metallb/config", ""))
    if request.traefik is not None:
        release(3, "traefik-helm", f"{request.folder}/traefik", request.traefik)
        files[f"{request.folder}/traefik/config/middleware.yaml"] = ([_middleware(request.traefik)], [])
        stages.append((4, "traefik-config", f"{request.folder}/traefik/config", ""))
    for app in request.apps:
        if app.chart is not None:
            release(app.wave, app.name, f"{request.folder}/{app.name}", app.chart)
        else:
            stages.append((app.wave, app.name, app.folder, app.namespace))
    chain = [
        _stage(
            request,
            name,
            folder,
            namespace,
            [other for before, other, *_rest in stages if before == _before(stages, wave)],
        )
        for wave, name, folder, namespace in sorted(stages, key=_wave_of)
    ]
    files[f"{request.folder}/infrastructure-apps.yaml"] = (
        chain,
        ["Each waits for those under dependsOn, until they are ready."],
    )
    # Otherwise Flux takes every file below for its own, and all of it at once.
    files[f"{request.folder}/kustomization.yaml"] = (
        [
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": ["infrastructure-apps.yaml"],
            }
        ],
        [],
    )
    name = posixpath.basename(request.folder)
    above = _above(request.folder)
    top: list[Object] = [_stage(request, name, request.folder, "", [])]
    # It would wait for all that it holds, while it is itself what they wait to be changed by.
    top[0]["spec"]["wait"] = False
    if request.repo_url:
        top.insert(
            0,
            {
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "GitRepository",
                "metadata": {"name": request.source, "namespace": request.flux_namespace},
                "spec": {"interval": "1m", "url": request.repo_url, "ref": _git_ref(request.revision)},
            },
        )
    files[f"{above}bootstrap/{name}.yaml"] = (top, [f"Apply it once: kubectl apply -f {above}bootstrap/{name}.yaml"])
    return files


def _git_ref(revision: str) -> Object:
    if revision.startswith("refs/"):
        return {"name": revision}
    return {"commit": revision} if re.fullmatch("[0-9a-f]{40}", revision) else {"branch": revision}


def _wave_of(stage: tuple[int, str, str, str]) -> int:
    return stage[0]


def _before(stages: Iterable[tuple[int, str, str, str]], wave: int) -> int | None:
    return max((one[0] for one in stages if one[0] < wave), default=None)


def _stage(request: RepositoryRequest, name: str, folder: str, namespace: str, after: Sequence[str]) -> Object:
    spec: Object = {"dependsOn": [{"name": one} for one in after]} if after else {}
    spec.update(
        interval="10m",
        retryInterval="1m",
        timeout="5m",
        sourceRef={"kind": "GitRepository", "name": request.source},
        path=f"./{folder}",
        prune=True,
        wait=True,
    )
    if namespace:
        spec["targetNamespace"] = namespace
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": request.flux_namespace},
        "spec": spec,
    }


def _helm_release(chart: Chart) -> list[Object]:
    repository: Object = {"interval": "1h", "url": chart.repo}
    if chart.repo.startswith("oci://"):
        repository["type"] = "oci"
    spec: Object = {
        "interval": "10m",
        "releaseName": chart.name,
        "chart": {
            "spec": {
                "chart": chart.chart,
                "version": chart.version,
                "sourceRef": {"kind": "HelmRepository", "name": chart.name},
            }
        },
        # As Argo CD's selfHeal: what is changed by hand is changed back.
        "driftDetection": {"mode": "enabled"},
        "install": {"remediation": {"retries": 10}},
        "upgrade": {"remediation": {"retries": 3}},
    }
    if chart.settings:
        spec["values"] = _sorted(chart.settings)
    metadata = {"name": chart.name, "namespace": chart.namespace}
    return [
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "HelmRepository",
            "metadata": dict(metadata),
            "spec": repository,
        },
        {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": metadata, "spec": spec},
    ]
