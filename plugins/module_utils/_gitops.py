# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Files of a GitOps repository that bring MetalLB, its pools and advertisements into a cluster, in this order.

Pure: wishes in, texts by path out. The same wishes give the same texts, byte for byte, with any PyYAML. Each file begins with a
header that holds a digest of the rest, by which a change made by hand is known from one made here.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model import (
    API_VERSION,
    advertisement_to_object,
    as_text,
    pool_to_object,
)

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

_DIGEST = "# l2ops.metallb/digest: "
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?")
# What YAML 1.2 reads as a number and PyYAML, which knows 1.1, would write without quotes.
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0[xob][0-9a-fA-F]+")


class GitopsError(ValueError):
    """A wish that cannot be fulfilled. The message names the option."""


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
class Wishes:
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
    """(chart, repo) out of role install's metallb_chart_ref and metallb_chart_repo. Raises GitopsError for a local one."""
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
            "(metallb_chart_ref: metallb), one in a registry (oci://…), or take style manifests, which renders it here."
        )
    return ref, repo


def traefik(namespace: str, repo: str, version: str, address: str) -> Chart:
    """The source document's Traefik: its Service with policy Cluster, and an address of its own where one is given."""
    service: Object = {"spec": {"externalTrafficPolicy": "Cluster"}, "type": "LoadBalancer"}
    if address:
        service["annotations"] = {"metallb.io/loadBalancerIPs": address}
    return Chart("traefik", namespace, "traefik", repo, version, {"service": service})


# -- the three styles -------------------------------------------------------------------------------------------------


def render(wishes: Wishes, yaml: Any) -> dict[str, str]:
    """Texts by path in the repository, headers included. yaml is PyYAML. Raises GitopsError."""
    if wishes.style not in STYLES:
        raise GitopsError(f"style: {wishes.style!r} is none of {', '.join(STYLES)}.")
    _check(wishes)
    files: dict[str, str] = {}
    for path, (contents, notes) in _STYLES[wishes.style](wishes).items():
        body = contents if isinstance(contents, str) else _dump(contents, yaml)
        files[path] = headed(body, wishes.style, notes)
    return files


_File = tuple[Any, Sequence[str]]


def _argocd(wishes: Wishes) -> dict[str, _File]:
    files: dict[str, _File] = {}
    apps = [_application(wishes, "metallb-helm", 0, wishes.metallb)]
    apps += [_application(wishes, one.name, one.wave, one.chart, one) for one in wishes.apps]
    files[f"{wishes.folder}/infrastructure-apps.yaml"] = (
        apps,
        ["Wave 0 is MetalLB itself; waves 1 and 2 are in metallb/config."],
    )
    for name, wave, objects in _config(wishes):
        files[f"{wishes.folder}/metallb/config/{name}"] = ([_waved(one, wave) for one in objects], [])
    if wishes.traefik is not None:
        files[f"{wishes.folder}/traefik/traefik-helmchart.yaml"] = (
            [_application(wishes, "traefik-helm", 3, wishes.traefik)],
            ["Wave 3: its Service gets an address at once, since pools and advertisements are there."],
        )
        files[f"{wishes.folder}/traefik/config/middleware.yaml"] = ([_waved(_middleware(wishes.traefik), 4)], [])
    above = _above(wishes.folder)
    files[f"{above}bootstrap/argocd-cm.yaml"] = (
        [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": "argocd-cm",
                    "namespace": wishes.argocd_namespace,
                    "labels": {"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"},
                },
                "data": {HEALTH_KEY: HEALTH},
            }
        ],
        [
            "One key of Argo CD's own ConfigMap: without it a wave does not wait for the Applications in it.",
            f"Add it once: kubectl -n {wishes.argocd_namespace} patch configmap argocd-cm --type merge --patch-file {above}bootstrap/argocd-cm.yaml",
        ],
    )
    if wishes.repo_url:
        parent = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": posixpath.basename(wishes.folder), "namespace": wishes.argocd_namespace},
            "spec": {
                "project": wishes.project,
                "source": {
                    "repoURL": wishes.repo_url,
                    "targetRevision": wishes.revision,
                    "path": wishes.folder,
                    "directory": {"recurse": True},
                },
                "destination": {"server": wishes.server, "namespace": wishes.argocd_namespace},
                "syncPolicy": _sync_policy(),
            },
        }
        files[f"{above}bootstrap/{posixpath.basename(wishes.folder)}.yaml"] = (
            [parent],
            [
                "The Application of all that is below: in its one sync the waves are ordered.",
                f"Apply it once: kubectl apply -f {above}bootstrap/{posixpath.basename(wishes.folder)}.yaml",
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


def _application(wishes: Wishes, name: str, wave: int, chart: Chart | None, app: App | None = None) -> Object:
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
            "repoURL": wishes.repo_url,
            "targetRevision": wishes.revision,
            "path": app.folder if app else "",
            "directory": {"recurse": True},
        }
    namespace = chart.namespace if chart else app.namespace if app else ""
    labels = {"managedNamespaceMetadata": {"labels": dict(PRIVILEGED)}} if chart and chart.privileged else {}
    return _waved(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": wishes.argocd_namespace},
            "spec": {
                "project": wishes.project,
                "source": source,
                "destination": {"server": wishes.server, "namespace": namespace},
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


def _config(wishes: Wishes) -> list[tuple[str, int, list[Object]]]:
    """Files of metallb/config: name, wave, objects. Objects have the user's order, which MetalLB heeds in places."""
    home = wishes.metallb.namespace
    pools = [_sorted_metadata(pool_to_object(dict(one), home)) for one in wishes.pools]
    advertisements = [_sorted_metadata(advertisement_to_object(dict(one), home)) for one in wishes.advertisements]
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


def _flux(wishes: Wishes) -> dict[str, _File]:
    files: dict[str, _File] = {}
    stages: list[tuple[int, str, str, str]] = []  # wave, name, folder, namespace that its objects lack

    def release(wave: int, name: str, folder: str, chart: Chart) -> None:
        stages.append((wave, name, f"{folder}/release", ""))
        files[f"{folder}/release/namespace.yaml"] = ([_namespace(chart)], [])
        files[f"{folder}/release/helmrelease.yaml"] = (_helm_release(chart), [])

    release(0, "metallb-helm", f"{wishes.folder}/metallb", wishes.metallb)
    config = _config(wishes)
    for name, _wave, objects in config:
        files[f"{wishes.folder}/metallb/config/{name}"] = (objects, [])
    if config:
        stages.append((2, "metallb-config", f"{wishes.folder}/metallb/config", ""))
    if wishes.traefik is not None:
        release(3, "traefik-helm", f"{wishes.folder}/traefik", wishes.traefik)
        files[f"{wishes.folder}/traefik/config/middleware.yaml"] = ([_middleware(wishes.traefik)], [])
        stages.append((4, "traefik-config", f"{wishes.folder}/traefik/config", ""))
    for app in wishes.apps:
        if app.chart is not None:
            release(app.wave, app.name, f"{wishes.folder}/{app.name}", app.chart)
        else:
            stages.append((app.wave, app.name, app.folder, app.namespace))
    chain = [
        _stage(
            wishes,
            name,
            folder,
            namespace,
            [other for before, other, *_rest in stages if before == _before(stages, wave)],
        )
        for wave, name, folder, namespace in sorted(stages, key=_wave_of)
    ]
    files[f"{wishes.folder}/infrastructure-apps.yaml"] = (
        chain,
        ["Each waits for those under dependsOn, until they are ready."],
    )
    # Otherwise Flux takes every file below for its own, and all of it at once.
    files[f"{wishes.folder}/kustomization.yaml"] = (
        [
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": ["infrastructure-apps.yaml"],
            }
        ],
        [],
    )
    name = posixpath.basename(wishes.folder)
    above = _above(wishes.folder)
    top: list[Object] = [_stage(wishes, name, wishes.folder, "", [])]
    # It would wait for all that it holds, while it is itself what they wait to be changed by.
    top[0]["spec"]["wait"] = False
    if wishes.repo_url:
        top.insert(
            0,
            {
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "GitRepository",
                "metadata": {"name": wishes.source, "namespace": wishes.flux_namespace},
                "spec": {"interval": "1m", "url": wishes.repo_url, "ref": _git_ref(wishes.revision)},
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


def _stage(wishes: Wishes, name: str, folder: str, namespace: str, after: Sequence[str]) -> Object:
    spec: Object = {"dependsOn": [{"name": one} for one in after]} if after else {}
    spec.update(
        interval="10m",
        retryInterval="1m",
        timeout="5m",
        sourceRef={"kind": "GitRepository", "name": wishes.source},
        path=f"./{folder}",
        prune=True,
        wait=True,
    )
    if namespace:
        spec["targetNamespace"] = namespace
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": wishes.flux_namespace},
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


def _manifests(wishes: Wishes) -> dict[str, _File]:
    files: dict[str, _File] = {}
    step = 0

    def at(path: str, contents: Any, *notes: str) -> None:
        nonlocal step
        step += 1
        files[f"{wishes.folder}/{path}"] = (
            contents,
            [f"Step {step}. {one}" if not place else one for place, one in enumerate(notes)],
        )

    def release(folder: str, chart: Chart) -> None:
        at(
            f"{folder}/namespace.yaml",
            [_namespace(chart)],
            f"kubectl apply --server-side -f {wishes.folder}/{folder}/namespace.yaml",
        )
        text = wishes.rendered.get(chart.name)
        if text is None:
            at(
                f"{folder}/values.yaml",
                [_sorted(chart.settings)],
                f"helm upgrade --install {chart.name} {_helm_reference(chart)} --namespace {chart.namespace} --wait "
                f"--values {wishes.folder}/{folder}/values.yaml",
            )
        else:
            at(
                f"{folder}/{chart.name}.yaml",
                tidied(text),
                f"kubectl apply --server-side -f {wishes.folder}/{folder}/{chart.name}.yaml",
                f"Chart {chart.chart} {chart.version} of {chart.repo or 'this machine'}, by helm template.",
                *(
                    f"Then wait: kubectl -n {chart.namespace} rollout status {one} --timeout=5m"
                    for one in (f"deployment/{chart.name}-controller", f"daemonset/{chart.name}-speaker")
                    if chart.privileged
                ),
            )

    release("metallb", wishes.metallb)
    for name, _wave, objects in _config(wishes):
        path = f"metallb/config/{name}"
        at(path, objects, f"kubectl apply --server-side -f {wishes.folder}/{path}")
    if wishes.traefik is not None:
        release("traefik", wishes.traefik)
        path = "traefik/config/middleware.yaml"
        at(path, [_middleware(wishes.traefik)], f"kubectl apply --server-side -f {wishes.folder}/{path}")
    return files


def _helm_reference(chart: Chart) -> str:
    where = f"{chart.repo}/{chart.chart}" if chart.repo.startswith("oci://") else chart.chart
    repo = f" --repo {chart.repo}" if chart.repo and not chart.repo.startswith("oci://") else ""
    return f"{where}{repo} --version {chart.version}"


def _namespace(chart: Chart) -> Object:
    metadata: Object = {"name": chart.namespace}
    if chart.privileged:
        metadata["labels"] = dict(PRIVILEGED)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


_STYLES = {"argocd": _argocd, "flux": _flux, "manifests": _manifests}


def _above(folder: str) -> str:
    """The folder around it with a slash, or nothing at the top of the repository."""
    parent = posixpath.dirname(folder)
    return f"{parent}/" if parent else ""


# -- what cannot be ---------------------------------------------------------------------------------------------------


def _check(wishes: Wishes) -> None:
    if not inside(wishes.folder):
        raise GitopsError(
            f"folder: {wishes.folder!r} is no folder within the repository, such as infrastructure or clusters/home/infrastructure."
        )
    reserved = {
        "metallb-helm",
        "metallb-config",
        "traefik-helm",
        "traefik-config",
        "metallb",
        "traefik",
        posixpath.basename(wishes.folder),
    }
    seen = set(reserved)
    for app in wishes.apps:
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
            if _within(app.folder, wishes.folder) or _within(wishes.folder, app.folder):
                raise GitopsError(
                    f"apps: path {app.folder} of {app.name} and folder {wishes.folder} lie within each other, so both would apply the same files."
                )
            if wishes.style == "argocd" and not wishes.repo_url:
                raise GitopsError(
                    f"apps: {app.name} is a folder of the repository, so repo_url (metallb_gitops_repo_url) must say where that is."
                )


def inside(path: str) -> bool:
    """Whether it is a path below the top of a repository, in its shortest spelling."""
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


def tidied(text: str) -> str:
    """Rendered charts without what differs between versions of Helm: blanks at ends of lines, empty lines at both ends."""
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    body = "\n".join(lines).strip("\n")
    return (body[len("---\n") :] if body.startswith("---\n") else body) + "\n"


def headed(body: str, style: str, notes: Sequence[str] = ()) -> str:
    """The body with a header before it."""
    lines = [
        f"# Written by playbook l2ops.metallb.gitops (style {style}) out of Ansible variables: change those, and run it again.",
        "# A change made here by hand is not overwritten, unless with metallb_gitops_force: true.",
        *(f"# {one}" for one in notes),
        f"{_DIGEST}{digest(body)}",
        "---",
    ]
    return "\n".join([*lines, body])


def digest(body: str) -> str:
    return hashlib.sha256(_plain(body).encode("utf-8")).hexdigest()[:32]


def _plain(text: str) -> str:
    """As Git would store it: an editor or Git on Windows ends lines otherwise, and a last line break may be lost."""
    return text.replace("\r\n", "\n").rstrip("\n") + "\n"


def same(one: str, other: str) -> bool:
    """Whether two texts differ in nothing but how lines end."""
    return _plain(one) == _plain(other)


def origin(text: str) -> str:
    """Whose text a file is: "ours", "changed" (ours, changed by hand since), or "foreign"."""
    plain = _plain(text)
    head, marker, rest = plain.partition(f"\n{_DIGEST}")
    if not marker or not all(line.startswith("#") for line in head.split("\n")):
        return "foreign"
    told, _break, rest = rest.partition("\n")
    if not rest.startswith("---\n"):
        return "changed"
    return "ours" if digest(rest[len("---\n") :]) == told.strip() else "changed"


def body_of(text: str) -> str:
    """A file's text without comments before its first document and without that document's mark."""
    lines = _plain(text).split("\n")
    start = 0
    while start < len(lines) - 1 and (lines[start].startswith("#") or not lines[start].strip()):
        start += 1
    if lines[start].strip() == "---":
        start += 1
    return "\n".join(lines[start:])


# -- what is to be done -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What becomes of a file. action is created, changed, removed, unchanged, or kept (no longer wanted, and not to be removed).

    refused says why it may not be done without force.
    """

    path: str
    action: str
    before: str = ""
    after: str = ""
    refused: str = ""


def decide(wanted: Mapping[str, str], there: Mapping[str, str], prune: bool = False) -> list[Change]:
    """What to do, by path: wanted are texts of render, there are texts of files in the repository, those of both and all others of ours."""
    changes = []
    for path in sorted({*wanted, *there}):
        before, after = there.get(path), wanted.get(path)
        if after is None:
            assumed = origin(before or "")
            if assumed == "foreign":
                continue
            refused = "it was changed by hand since it was written" if assumed == "changed" else ""
            changes.append(Change(path, "removed" if prune else "kept", before or "", "", refused if prune else ""))
        elif before is None:
            changes.append(Change(path, "created", "", after))
        elif same(before, after):
            changes.append(Change(path, "unchanged", before, after))
        else:
            whose = origin(before)
            refused = ""
            # The same objects behind another header, or none, take nothing from anybody.
            if whose != "ours" and body_of(before) != body_of(after):
                refused = (
                    "it was changed by hand since it was written"
                    if whose == "changed"
                    else "it was not written by this playbook"
                )
            changes.append(Change(path, "changed", before, after, refused))
    return changes
