# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Files of a GitOps repository that bring MetalLB, its pools and advertisements into a cluster, in this order.

Pure: request in, texts by path out. The same request give the same texts, byte for byte, with any PyYAML. Each file begins with a
header that holds a digest of the rest, by which a change made by hand is known from one made here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.argocd import _argocd
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.flux import _flux
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.ownership import headed, tidied
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.request import (
    FIRST_APP_WAVE,
    STYLES,
    Chart,
    GitopsError,
    RepositoryRequest,
    _config,
    _File,
    _middleware,
    _namespace,
    _sorted,
    _within,
    inside,
)

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?")
_RELEASE = re.compile(r"[a-z0-9]([-.a-z0-9]{0,51}[a-z0-9])?")
# What YAML 1.2 reads as a number and PyYAML, which knows 1.1, would write without quotes.
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0[xob][0-9a-fA-F]+")


# -- the three styles -------------------------------------------------------------------------------------------------


def render(request: RepositoryRequest, yaml: Any) -> dict[str, str]:
    """Texts by path in the repository, headers included. yaml is PyYAML. Raises GitopsError."""
    if request.style not in STYLES:
        raise GitopsError(f"style: {request.style!r} is none of {', '.join(STYLES)}.")
    _check(request)
    files: dict[str, str] = {}
    for path, (contents, notes) in _STYLES[request.style](request).items():
        body = contents if isinstance(contents, str) else _dump(contents, yaml)
        files[path] = headed(body, request.style, notes)
    return files


def _manifests(request: RepositoryRequest) -> dict[str, _File]:
    files: dict[str, _File] = {}
    step = 0

    def at(path: str, contents: Any, *notes: str) -> None:
        nonlocal step
        step += 1
        files[f"{request.folder}/{path}"] = (
            contents,
            [f"Step {step}. {one}" if not place else one for place, one in enumerate(notes)],
        )

    def release(folder: str, chart: Chart) -> None:
        at(
            f"{folder}/namespace.yaml",
            [_namespace(chart)],
            f"kubectl apply --server-side -f {request.folder}/{folder}/namespace.yaml",
        )
        text = request.rendered.get(chart.name)
        if text is None:
            at(
                f"{folder}/values.yaml",
                [_sorted(chart.settings)],
                f"helm upgrade --install {chart.name} {_helm_reference(chart)} --namespace {chart.namespace} --wait "
                f"--values {request.folder}/{folder}/values.yaml",
            )
        else:
            at(
                f"{folder}/{chart.name}.yaml",
                tidied(text),
                f"kubectl apply --server-side -f {request.folder}/{folder}/{chart.name}.yaml",
                f"Chart {chart.chart} {chart.version} of {chart.repo or 'this machine'}, by helm template.",
                *(
                    f"Then wait: kubectl -n {chart.namespace} rollout status {one} --timeout=5m"
                    for one in (f"deployment/{chart.name}-controller", f"daemonset/{chart.name}-speaker")
                    if chart.privileged
                ),
            )

    release("metallb", request.metallb)
    for name, _wave, objects in _config(request):
        path = f"metallb/config/{name}"
        at(path, objects, f"kubectl apply --server-side -f {request.folder}/{path}")
    if request.traefik is not None:
        release("traefik", request.traefik)
        path = "traefik/config/middleware.yaml"
        at(path, [_middleware(request.traefik)], f"kubectl apply --server-side -f {request.folder}/{path}")
    return files


def _helm_reference(chart: Chart) -> str:
    where = f"{chart.repo}/{chart.chart}" if chart.repo.startswith("oci://") else chart.chart
    repo = f" --repo {chart.repo}" if chart.repo and not chart.repo.startswith("oci://") else ""
    return f"{where}{repo} --version {chart.version}"


_STYLES = {"argocd": _argocd, "flux": _flux, "manifests": _manifests}


# -- what cannot be ---------------------------------------------------------------------------------------------------


def _check(request: RepositoryRequest) -> None:
    if not inside(request.folder):
        raise GitopsError(
            f"folder: {request.folder!r} is no folder within the repository, such as infrastructure or clusters/home/infrastructure; "
            ".git is Git's own."
        )
    _check_texts(request)
    reserved = {
        "metallb-helm",
        "metallb-config",
        "traefik-helm",
        "traefik-config",
        "metallb",
        "traefik",
        posixpath.basename(request.folder),
    }
    seen = set(reserved)
    for app in request.apps:
        if not _NAME.fullmatch(app.name):
            raise GitopsError(f"apps: {app.name!r} is no name for Kubernetes: small letters, digits and hyphens.")
        if app.name in seen:
            why = "is one of this role's own" if app.name in reserved else "is given twice"
            raise GitopsError(f"apps: the name {app.name} {why}.")
        seen.add(app.name)
        if app.wave < FIRST_APP_WAVE:
            raise GitopsError(
                f"apps: {app.name} is in wave {app.wave}. Waves 0 to 4 are MetalLB's and Traefik's; applications begin at {FIRST_APP_WAVE}, "
                "so that their services get an address at once."
            )
        if (app.chart is None) == (not app.folder):
            raise GitopsError(
                f"apps: {app.name} needs either path, a folder of the repository, or chart, repo and version."
            )
        if app.folder:
            if not inside(app.folder):
                raise GitopsError(f"apps: path {app.folder!r} of {app.name} is no folder within the repository.")
            if _within(app.folder, request.folder) or _within(request.folder, app.folder):
                raise GitopsError(
                    f"apps: path {app.folder} of {app.name} and folder {request.folder} lie within each other, so both would apply the same files."
                )
            if request.style == "argocd" and not request.repo_url:
                raise GitopsError(
                    f"apps: {app.name} is a folder of the repository, so repo_url (metallb_gitops_repo_url) must say where that is."
                )


def _check_texts(request: RepositoryRequest) -> None:
    """What stands in comments and in names of files is one line: a line break would end the comment."""
    texts: dict[str, str] = {
        option: getattr(request, name)
        for name, option in (
            ("repo_url", "repo_url"),
            ("revision", "revision"),
            ("argocd_namespace", "argocd_namespace"),
            ("project", "argocd_project"),
            ("server", "argocd_server"),
            ("flux_namespace", "flux_namespace"),
            ("source", "flux_source"),
        )
    }
    charts = [("", request.metallb), ("traefik: ", request.traefik), *(("apps: ", app.chart) for app in request.apps)]
    for about, chart in charts:
        if chart is not None:
            names = {"release_name": chart.name, "namespace": chart.namespace, "chart": chart.chart}
            texts.update({f"{about}{name}": text for name, text in names.items()})
            texts.update({f"{about}repo": chart.repo, f"{about}version": chart.version})
            for option, text in texts.items():
                _check_text(option, text)
            if not _RELEASE.fullmatch(chart.name):
                raise GitopsError(f"{about}release_name: {chart.name!r} is no name of a Helm release.")
    for app in request.apps:
        _check_text("apps: namespace", app.namespace)


def _check_text(option: str, text: str) -> None:
    if not text.isprintable():
        raise GitopsError(f"{option}: {text!r} holds line breaks or control characters.")


def _dump(objects: Sequence[Any], yaml: Any) -> str:
    """YAML documents, each but the first behind a line of three hyphens."""

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
            # Lists further in than their key, as yamllint wants them.
            return super().increase_indent(flow, False)

        def ignore_aliases(self, _data: Any) -> bool:
            return True

    def text(dumper: Any, given: str) -> Any:
        style = "|" if "\n" in given else '"' if _NUMBER.fullmatch(given) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", given, style=style)

    Dumper.add_representer(str, text)
    # Wide: where PyYAML breaks a line is not the same in all of its versions.
    return "---\n".join(
        yaml.dump(one, Dumper=Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=1_000_000)
        for one in objects
    )
