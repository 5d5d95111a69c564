# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Files of a repository for Argo CD: Applications, sync waves, health."""

from __future__ import annotations

import posixpath
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.request import (
    HEALTH,
    HEALTH_KEY,
    PRIVILEGED,
    SKIP_DRY_RUN,
    SYNC_OPTIONS,
    WAVE,
    App,
    Chart,
    Object,
    RepositoryRequest,
    _above,
    _config,
    _File,
    _middleware,
    _sorted,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import as_text


def _argocd(request: RepositoryRequest) -> dict[str, _File]:
    files: dict[str, _File] = {}
    apps = [_application(request, "metallb-helm", 0, request.metallb)]
    apps += [_application(request, one.name, one.wave, one.chart, one) for one in request.apps]
    files[f"{request.folder}/infrastructure-apps.yaml"] = (
        apps,
        ["Wave 0 is MetalLB itself; waves 1 and 2 are in metallb/config."],
    )
    for name, wave, objects in _config(request):
        files[f"{request.folder}/metallb/config/{name}"] = ([_waved(one, wave) for one in objects], [])
    if request.traefik is not None:
        files[f"{request.folder}/traefik/traefik-helmchart.yaml"] = (
            [_application(request, "traefik-helm", 3, request.traefik)],
            ["Wave 3: its Service gets an address at once, since pools and advertisements are there."],
        )
        files[f"{request.folder}/traefik/config/middleware.yaml"] = ([_waved(_middleware(request.traefik), 4)], [])
    above = _above(request.folder)
    files[f"{above}bootstrap/argocd-cm.yaml"] = (
        [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": "argocd-cm",
                    "namespace": request.argocd_namespace,
                    "labels": {"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"},
                },
                "data": {HEALTH_KEY: HEALTH},
            }
        ],
        [
            "One key of Argo CD's own ConfigMap: without it a wave does not wait for the Applications in it.",
            f"Add it once: kubectl -n {request.argocd_namespace} patch configmap argocd-cm --type merge --patch-file {above}bootstrap/argocd-cm.yaml",
        ],
    )
    if request.repo_url:
        parent = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": posixpath.basename(request.folder), "namespace": request.argocd_namespace},
            "spec": {
                "project": request.project,
                "source": {
                    "repoURL": request.repo_url,
                    "targetRevision": request.revision,
                    "path": request.folder,
                    "directory": {"recurse": True},
                },
                "destination": {"server": request.server, "namespace": request.argocd_namespace},
                "syncPolicy": _sync_policy(),
            },
        }
        files[f"{above}bootstrap/{posixpath.basename(request.folder)}.yaml"] = (
            [parent],
            [
                "The Application of all that is below: in its one sync the waves are ordered.",
                f"Apply it once: kubectl apply -f {above}bootstrap/{posixpath.basename(request.folder)}.yaml",
            ],
        )
    return files


def _sync_policy(*options: str, **more: Any) -> Object:
    return {
        "automated": {"prune": True, "selfHeal": True},
        "syncOptions": [*options, "ServerSideApply=true"],
        # A first roll-out may take several tries: images are pulled, a webhook starts.
        "retry": {"limit": 10, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m"}},
        **more,
    }


def _application(
    request: RepositoryRequest, name: str, wave: int, chart: Chart | None, app: App | None = None
) -> Object:
    if chart is not None:
        source: Object = {
            # Of a registry Argo CD wants the address alone.
            "repoURL": chart.repo[len("oci://") :] if chart.repo.startswith("oci://") else chart.repo,
            "chart": chart.chart,
            "targetRevision": chart.version,
            "helm": {"releaseName": chart.name},
        }
        if chart.settings:
            source["helm"]["valuesObject"] = _sorted(chart.settings)
    else:
        source = {
            "repoURL": request.repo_url,
            "targetRevision": request.revision,
            "path": app.folder if app else "",
            "directory": {"recurse": True},
        }
    namespace = chart.namespace if chart else app.namespace if app else ""
    labels = {"managedNamespaceMetadata": {"labels": dict(PRIVILEGED)}} if chart and chart.privileged else {}
    return _waved(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": request.argocd_namespace},
            "spec": {
                "project": request.project,
                "source": source,
                "destination": {"server": request.server, "namespace": namespace},
                "syncPolicy": _sync_policy("CreateNamespace=true", **labels),
            },
        },
        wave,
    )


def _waved(obj: Object, wave: int) -> Object:
    """With its wave; a custom resource also says that its CRD comes with an earlier wave."""
    metadata = dict(obj["metadata"])
    annotations = {**metadata.get("annotations", {}), WAVE: str(wave)}
    if obj["kind"] != "Application":
        given = as_text(annotations.get(SYNC_OPTIONS))
        if SKIP_DRY_RUN not in given:
            annotations[SYNC_OPTIONS] = f"{given},{SKIP_DRY_RUN}" if given else SKIP_DRY_RUN
    metadata["annotations"] = dict(sorted(annotations.items()))
    return {**obj, "metadata": metadata}
