# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Argo CD in the lab, and the Git and Helm repositories that it reads."""

from __future__ import annotations

import inspect
import json
import re
import secrets
import shutil
from pathlib import Path

from . import build
from .cluster import demo_certificate, kind_env, kubectl, kubectl_json, wait_for
from .host import Engine
from .settings import BIN, CACHE, LAB_SOURCE, LOGS, METALLB, PUBLISHED_NODE_IMAGE, RUN, SHAPE, Settings
from .ui import LabError, run, stage

ARGOCD = "v3.2.1"
MODULE = "github.com/argoproj/argo-cd/v3"
GO = build.GoModule("argocd", {"argocd": f"{MODULE}/cmd"}, (f"{MODULE}/common.version={ARGOCD[1:]}",), "4 to 7 min")
# Debian's Redis stands in for the one of the manifests; Python serves the repositories.
TREE_PACKAGES = ["ca-certificates", "git", "gpg", "gpg-agent", "python3", "redis-server", "tini"]
# The names by which Argo CD's one program is called, and behaves.
CALLED = ("application-controller", "applicationset-controller", "cmp-server", "k8s-auth", "repo-server")
FILES = LAB_SOURCE / "files" / "argocd"
NAMESPACE = "argocd"
REPOS = "repos"
REPOS_PORT = 30080
VARIABLES = RUN / "argocd.json"
WORKING_COPY = RUN / "platform"
# Where in the repository the manifests of the other services are.
WEB = "apps/web"


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


def pulled() -> bool:
    """Whether the running lab is one of published images, and may pull more of them."""
    if not SHAPE.exists():
        raise LabError("No lab is up. Start it with: make lab")
    return bool(json.loads(SHAPE.read_text(encoding="utf-8"))["node_image"] == PUBLISHED_NODE_IMAGE)


def images(engine: Engine, settings: Settings, manifest: str) -> str:
    """Bring Argo CD's images, under the names that the manifest has, into the nodes; returns the name of the repositories' image."""
    if pulled():
        repos = "localhost/l2ops-repos:pulled"
        base = "FROM docker.io/library/debian:bookworm-slim\nRUN apt-get update && apt-get install -y --no-install-recommends "
        if not engine.exists("image", repos):
            engine.run(
                "build",
                "-t",
                repos,
                "-",
                stdin=f"{base} git python3 && rm -rf /var/lib/apt/lists/*\n",
                log=LOGS / "images.log",
            )
        load(engine, settings, "pulled", [repos])
        return repos
    go_key = build.build_go(GO, build.go_version())
    tree, tree_key = build.debian_tree("argocd-tree", TREE_PACKAGES, "the Debian tree of Argo CD's images", "50 s")
    named = set(re.findall(r"^ *(?:- )?image: (\S+)$", manifest, re.MULTILINE))
    argocd, redis = next(n for n in named if "/argocd:" in n), next(n for n in named if "/redis:" in n)
    repos = "localhost/l2ops-repos:built"
    helm = next(m for m in build.GO_MODULES if m.folder == "helm")
    helm_key = build.build_go(helm, build.go_version())
    key = build.digest(go_key, tree_key, helm_key, FILES / "Containerfile", CALLED, inspect.getsource(build_images))
    if not (build.stands("argocd-images", key) and all(engine.exists("image", i) for i in (argocd, redis, repos))):
        build_images(engine, tree, f"localhost/l2ops-argocd-base:{tree_key}", argocd, redis, repos)
        build.stamp("argocd-images", key)
    load(engine, settings, key, [argocd, redis, repos])
    return repos


def build_images(engine: Engine, tree: Path, base: str, argocd: str, redis: str, repos: str) -> None:
    """Three images of one Debian tree, the programs that were built here laid over it."""
    with stage("Building Argo CD's images", "10 s"):
        context = CACHE / "argocd-image"
        shutil.rmtree(context, ignore_errors=True)
        programs = context / "root" / "usr" / "local" / "bin"
        programs.mkdir(parents=True)
        (context / "root" / "home" / "argocd").mkdir(parents=True)
        for program in ("argocd", "helm"):
            shutil.copy2(BIN / program, programs / program)
        for wrapper in ("gpg-wrapper.sh", "git-verify-wrapper.sh"):
            shutil.copy2(module_folder() / "hack" / wrapper, programs / wrapper)
            (programs / wrapper).chmod(0o755)
        for name in CALLED:
            (programs / f"argocd-{name}").symlink_to("argocd")
        shutil.copy2(FILES / "Containerfile", context / "Containerfile")
        engine.run("import", tree, base, log=LOGS / "images.log")
        for target, name in (("argocd", argocd), ("redis", redis)):
            engine.run(
                "build", "--pull=never", "--build-arg", f"BASE={base}", "--target", target, "-t", name, context,
                log=LOGS / "images.log",
            )  # fmt: skip
        engine.run("tag", base, repos)
        shutil.rmtree(context)


def load(engine: Engine, settings: Settings, key: str, names: list[str]) -> None:
    """Import images into every node's containerd, once for each lab."""
    # On the nodes, not in .lab: a lab taken down takes the mark with it.
    mark = f"/kind/argocd-images-{key}"
    if all(engine.execute(n, "test", "-e", mark, check=False).returncode == 0 for n in settings.node_names):
        return
    archive = CACHE / f"argocd-images-{settings.cluster}.tar"
    archive.unlink(missing_ok=True)
    with stage(f"Loading {len(names)} images into {len(settings.node_names)} nodes", "30 s"):
        several = ["--multi-image-archive"] if engine.name == "podman" else []
        engine.run("save", *several, "-o", archive, *names, log=LOGS / "images.log")
        run(
            [BIN / "kind", "load", "image-archive", archive, "--name", settings.cluster],
            env=kind_env(settings, engine),
            log=LOGS / "images.log",
        )
        archive.unlink()
    for node in settings.node_names:
        engine.execute(node, "touch", mark)


def repositories_url(settings: Settings) -> str:
    """Where the repositories are, seen from pods and from this machine alike: a port of the first node."""
    node = next(n for n in kubectl_json("get", "nodes")["items"] if n["metadata"]["name"] == settings.node_names[0])
    address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
    return f"http://{address}:{REPOS_PORT}"


def chart_repository() -> Path:
    """A folder that is a Helm repository with MetalLB's chart and the stand-in for Traefik's."""
    folder = RUN / "charts"
    version = METALLB.lstrip("v")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / f"metallb-{version}.tgz").exists():
        if pulled():
            chart = ["pull", "metallb", "--repo", "https://metallb.github.io/metallb", "--version", version]
        else:
            chart = ["package", str(build.metallb_chart()), "--version", version, "--app-version", METALLB]
        run([BIN / "helm", *chart, "--destination", folder], log=LOGS / "argocd.log")
    stand_in = RUN / "traefik"
    shutil.rmtree(stand_in, ignore_errors=True)
    shutil.copytree(FILES / "traefik", stand_in)
    for file in demo_certificate().iterdir():
        shutil.copy2(file, stand_in / file.name)
    run([BIN / "helm", "package", stand_in, "--destination", folder], log=LOGS / "argocd.log")
    shutil.rmtree(stand_in)
    run([BIN / "helm", "repo", "index", folder], log=LOGS / "argocd.log")
    return folder


def configmap(name: str, namespace: str, folder: Path) -> None:
    text = kubectl(
        "create", "configmap", name, "-n", namespace, f"--from-file={folder}", "--dry-run=client", "-o", "yaml"
    )
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def serve_repositories(image: str) -> None:
    """The Git repository `platform`, which may be pushed to, and the charts, in a pod."""
    text = (LAB_SOURCE / "manifests" / "argocd-repos.yml").read_text(encoding="utf-8").replace("IMAGE", image)
    namespace, workload = text.split("---\n", 1)
    kubectl("apply", "-f", "-", stdin=namespace)
    configmap("program", REPOS, FILES / "serve.py")
    configmap("charts", REPOS, chart_repository())
    kubectl("apply", "-f", "-", stdin=workload)
    kubectl("-n", REPOS, "rollout", "status", "deployment/repos", "--timeout=120s", timeout=150)


def up(settings: Settings, engine: Engine) -> None:
    """Argo CD and the repositories; what stands is left alone."""
    manifest = core_install().read_text(encoding="utf-8")
    repos = images(engine, settings, manifest)
    if not pulled():
        manifest = manifest.replace("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent")
    documents = re.split(r"^---$", manifest, flags=re.MULTILINE)
    workloads = [d for d in documents if re.search(r"^kind: (Deployment|StatefulSet)$", d, re.MULTILINE)]
    with stage("Installing Argo CD", "30 s"):
        if not kubectl("get", "namespace", NAMESPACE, "--ignore-not-found"):
            kubectl("create", "namespace", NAMESPACE)
        apply = ["-n", NAMESPACE, "apply", "--server-side", "--force-conflicts", "-f", "-"]
        kubectl(*apply, stdin="\n---\n".join(d for d in documents if d not in workloads))
        # The lab has no DNS; the core has no API server, which elsewhere makes a session key and the project `default`.
        at = {
            s["metadata"]["name"]: s["spec"]["clusterIP"] for s in kubectl_json("-n", NAMESPACE, "get", "svc")["items"]
        }
        servers = {"redis.server": f"{at['argocd-redis']}:6379", "repo.server": f"{at['argocd-repo-server']}:8081"}
        kubectl(
            "-n",
            NAMESPACE,
            "patch",
            "configmap",
            "argocd-cmd-params-cm",
            "--type=merge",
            "-p",
            json.dumps({"data": servers}),
        )
        if not kubectl("-n", NAMESPACE, "get", "secret", "argocd-secret", "-o", "jsonpath={.data.server\\.secretkey}"):
            key = {"stringData": {"server.secretkey": secrets.token_urlsafe(32)}}
            kubectl("-n", NAMESPACE, "patch", "secret", "argocd-secret", "--type=merge", "-p", json.dumps(key))
        anything = {"group": "*", "kind": "*"}
        project = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {"name": "default"},
            "spec": {
                "sourceRepos": ["*"],
                "destinations": [{"namespace": "*", "server": "*"}],
                "clusterResourceWhitelist": [anything],
            },
        }
        wait_for(
            "the API to serve AppProject",
            lambda: "appprojects" in kubectl("get", "--raw", "/apis/argoproj.io/v1alpha1", check=False),
            30,
        )
        kubectl(*apply, stdin=json.dumps(project))
        kubectl(*apply, stdin="\n---\n".join(workloads))
        serve_repositories(repos)
        for kind in ("deployment", "statefulset"):
            for item in kubectl_json("-n", NAMESPACE, "get", kind)["items"]:
                name = f"{kind}/{item['metadata']['name']}"
                kubectl("-n", NAMESPACE, "rollout", "status", name, "--timeout=180s", timeout=200)
    write_variables(settings)


def write_variables(settings: Settings) -> None:
    """.lab/argocd.json: what role gitops is to be told here."""
    url = repositories_url(settings)
    chart = (FILES / "traefik" / "Chart.yaml").read_text(encoding="utf-8")
    stand_in = re.search(r"^version: (\S+)$", chart, re.MULTILINE)
    variables = {
        "metallb_gitops_path": str(WORKING_COPY),
        "metallb_gitops_repo_url": f"{url}/git/platform.git",
        "metallb_gitops_chart_ref": "metallb",
        "metallb_gitops_chart_repo": f"{url}/charts",
        "metallb_gitops_traefik_repo": f"{url}/charts",
        "metallb_gitops_traefik_version": stand_in[1] if stand_in else "",
        "metallb_gitops_traefik_address": settings.services["traefik/traefik"]["address"],
        "metallb_gitops_apps": [{"name": "web", "namespace": "default", "path": WEB, "wave": 5}],
    }
    VARIABLES.write_text(json.dumps(variables, indent=1) + "\n", encoding="utf-8")
