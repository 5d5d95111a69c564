# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role gitops writes, judged by the lab's API server with the schemas of Argo CD, Flux, Traefik and MetalLB: a server-side dry run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from . import argocd, build, drive
from .cluster import kubectl, wait_for
from .host import Engine
from .settings import BIN, CACHE, LAB_SOURCE, LOGS, RUN, Settings
from .ui import LabError, run, stage

FLUX = LAB_SOURCE / "go" / "flux"
# Flux publishes no CRDs as a Go module, only the types; its own build makes them by the same generator.
FLUX_TYPES = tuple(f"github.com/fluxcd/{one}" for one in ("source-controller/api/v1", "kustomize-controller/api/v1", "helm-controller/api/v2"))  # fmt: skip
TRAEFIK = "github.com/traefik/traefik/v3@v3.6.1"
STYLES = ("argocd", "flux", "manifests")
NAMESPACES = ("argocd", "flux-system", "metallb-system", "traefik")
MANAGER = "--field-manager=l2ops-lab"


def flux_crds() -> Path:
    """A folder with the CRDs of Flux' sources, Kustomization and HelmRelease."""
    folder = CACHE / "flux-crds"
    key = build.digest(FLUX / "go.mod", FLUX / "go.sum", FLUX_TYPES, build.go_version())
    if not build.stands("flux-crds", key, [folder]):
        shutil.rmtree(folder, ignore_errors=True)
        with stage("Generating Flux' CRDs", "60 s"):
            paths = [f"paths={one}" for one in FLUX_TYPES]
            run(
                ["go", "tool", "controller-gen", "crd", *paths, f"output:crd:dir={folder}"],
                env=build.go_env(),
                cwd=FLUX,
                log=LOGS / "flux.log",
            )
        build.stamp("flux-crds", key)
    return folder


def traefik_crds() -> Path:
    """Traefik's CRDs: one file, of its module."""
    said = run(["go", "mod", "download", "-json", TRAEFIK], env=build.go_env(), cwd=FLUX).stdout
    fixtures = Path(json.loads(said)["Dir"]) / "integration" / "fixtures" / "k8s"
    found = sorted(fixtures.glob("*traefik-crd.yml"))
    if not found:
        raise LabError(f"{TRAEFIK} has no CRDs where they were: {fixtures}")
    return found[0]


def metallb_crds() -> str:
    """MetalLB's CRDs as its chart renders them, in one text."""
    part = ["--show-only", "charts/crds/templates/crds.yaml"]
    return str(run([BIN / "helm", "template", "metallb", build.metallb_chart(), *part]).stdout)


def apply(*files: Path, dry_run: bool = False, text: str | None = None) -> str:
    where = [argument for one in files for argument in ("-f", str(one))] or ["-f", "-"]
    more = ["--dry-run=server"] if dry_run else []
    return kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", MANAGER, *more, *where, stdin=text, timeout=120)  # fmt: skip


def check(settings: Settings, engine: Engine) -> dict[str, int]:
    """Number of objects that the API server accepted, by style. Raises LabError with its words for one that it refuses."""
    before = set(kubectl("get", "crd,namespace", "-o", "name").split())
    there = {one.partition("/")[2] for one in before}
    try:
        apply(*flux_crds().glob("*.yaml"))
        # What an installation brought stays its own.
        if "applications.argoproj.io" not in there:
            apply(*argocd.crds())
        if "middlewares.traefik.io" not in there:
            apply(traefik_crds())
        if "ipaddresspools.metallb.io" not in there:
            apply(text=metallb_crds())
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", timeout=90)
        for name in NAMESPACES:
            apply(text=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        wait_for("the API to serve Flux' kinds", lambda: "helmreleases" in kubectl("api-resources", "-o", "name"), 60)
        with stage("Asking the API server whether it takes what role gitops writes", "20 s"):
            accepted = {style: judge(style, written(style, settings, engine)) for style in STYLES}
            refuses()
        return accepted
    finally:
        after = set(kubectl("get", "crd,namespace", "-o", "name").split())
        if after - before:
            kubectl("delete", *sorted(after - before), "--timeout=120s", timeout=150)


def written(style: str, settings: Settings, engine: Engine) -> Path:
    """The repository that the playbook writes, in the style."""
    folder = RUN / "schemas" / style
    shutil.rmtree(folder, ignore_errors=True)
    variables = {
        "metallb_gitops_path": str(folder),
        "metallb_gitops_style": style,
        "metallb_gitops_repo_url": "https://git.example.org/ops/platform.git",
        "metallb_gitops_traefik_address": settings.services["traefik/traefik"]["address"],
        "metallb_gitops_chart_ref": str(build.metallb_chart()) if style == "manifests" else "metallb",
    }
    log = LOGS / f"gitops-{style}.log"
    if drive.playbook("gitops", settings, engine, "-e", json.dumps(variables), log=log):
        raise LabError(f"Playbook gitops failed with style {style}: {log}")
    return folder


def judge(style: str, folder: Path) -> int:
    total = 0
    for file in sorted(folder.rglob("*.yaml")):
        if file.name in ("values.yaml", "kustomization.yaml"):
            # Helm values, and a file for kustomize: no API serves them.
            continue
        try:
            said = apply(file, dry_run=True)
        except LabError as why:
            raise LabError(f"Style {style}: the API server refuses {file.relative_to(folder)}: {why}") from why
        total += len(said.split("\n")) - 1
    if not total:
        raise LabError(f"Style {style}: nothing was written to {folder}")
    return total


def refuses() -> None:
    """That a wrong file would have been refused."""
    for style, name, wrong in (
        ("argocd", "infrastructure/infrastructure-apps.yaml", ("selfHeal:", "selfheal:")),
        ("flux", "infrastructure/infrastructure-apps.yaml", ("dependsOn:", "dependson:")),
        ("flux", "infrastructure/metallb/release/helmrelease.yaml", ("releaseName:", "releasename:")),
        ("manifests", "infrastructure/metallb/config/ipaddresspool.yaml", ("addresses:", "adresses:")),
    ):
        text = (RUN / "schemas" / style / name).read_text(encoding="utf-8")
        try:
            apply(dry_run=True, text=text.replace(*wrong))
        except LabError:
            continue
        raise LabError(f"The API server takes {name} with {wrong[1]}, so its word is worth nothing")
