# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Argo CD in the lab, and the Git and Helm repositories that it reads."""

from __future__ import annotations

import json
from pathlib import Path

from . import build
from .ui import run

ARGOCD = "v3.2.1"
MODULE = "github.com/argoproj/argo-cd/v3"
GO = build.GoModule("argocd", {"argocd": f"{MODULE}/cmd"}, (f"{MODULE}/common.version={ARGOCD[1:]}",), "7 min")


def module_folder() -> Path:
    """Argo CD's source as the Go module carries it; downloaded where it is not here yet, nothing is built."""
    said = run(["go", "mod", "download", "-json", MODULE], env=build.go_env(), cwd=GO.source).stdout
    return Path(json.loads(said)["Dir"])


def crds() -> list[Path]:
    """The CRDs Application, ApplicationSet and AppProject, one plain YAML file each. Too large for a client-side apply."""
    return sorted((module_folder() / "manifests" / "crds").glob("*-crd.yaml"))


def core_install() -> Path:
    """Argo CD without its API server and UI, CRDs included: one YAML file, without a namespace."""
    return module_folder() / "manifests" / "core-install.yaml"
