# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person does to a repository that Argo CD reads, and what Argo CD is seen to make of it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .argocd import NAMESPACE, REPOS, VARIABLES, WEB, WORKING_COPY
from .cluster import demo_manifests, kubectl, kubectl_json, wait_for
from .settings import BIN, KUBECONFIG, RUN, Settings
from .ui import LabError, run, say

HEALTH_KEY = "resource.customizations.health.argoproj.io_Application"
REPORT = RUN / "argocd-report.json"
WAVE = "argocd.argoproj.io/sync-wave"
CHILDREN = {"metallb-helm": 0, "traefik-helm": 3, "web": 5}
PARENT = "infrastructure"
METALLB_NAMESPACE = "metallb-system"


def note(part: str, value: object) -> None:
    """Keep a figure for the report at the end, and say it."""
    facts = json.loads(REPORT.read_text(encoding="utf-8")) if REPORT.exists() else {}
    facts[part] = value
    REPORT.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    say(f"{part}: {value}")


def git(*args: str) -> str:
    who = ["-c", "user.name=lab", "-c", "user.email=lab@l2ops.invalid"]
    return run(["git", "-C", WORKING_COPY, *who, *args], log=None).stdout


def applications() -> dict[str, Any]:
    return {a["metadata"]["name"]: a for a in kubectl_json("-n", NAMESPACE, "get", "applications.argoproj.io")["items"]}


def clear() -> None:
    """No Application, and nothing of what they brought: cascading, as a person would who gives the whole up."""
    for name in applications():
        finalizers = {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}}
        kubectl("-n", NAMESPACE, "patch", "application", name, "--type=merge", "-p", json.dumps(finalizers))
    if PARENT in applications():
        kubectl("-n", NAMESPACE, "delete", "application", PARENT, "--timeout=180s", timeout=200)
    if applications():
        kubectl("-n", NAMESPACE, "delete", "application", "--all", "--timeout=180s", timeout=200)
    for namespace in (METALLB_NAMESPACE, "traefik"):
        kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s", timeout=150)
    kubectl("-n", "default", "delete", "deployment,service", "-l", "component!=apiserver", timeout=150)


def leftovers() -> list[str]:
    """What the whole cluster still had of the charts, which is removed now: a Helm release would refuse what it did not make."""
    kinds = "crd,clusterrole,clusterrolebinding,validatingwebhookconfiguration"
    found = [n for n in kubectl("get", kinds, "-o", "name").split() if re.search("metallb|traefik", n)]
    if found:
        kubectl("delete", *found, timeout=120)
    return found


def down() -> None:
    """Take Argo CD, the repositories and all that they brought out of the lab."""
    if kubectl("get", "crd", "applications.argoproj.io", "--ignore-not-found"):
        clear()
    crds = [c for c in kubectl("get", "crd", "-o", "name").split() if c.endswith(".argoproj.io")]
    kubectl("delete", "namespace", NAMESPACE, REPOS, "--ignore-not-found", "--timeout=180s", timeout=200)
    roles = ["-l", "app.kubernetes.io/part-of=argocd"]
    kubectl("delete", "clusterrole,clusterrolebinding", *roles, timeout=60)
    if crds:
        kubectl("delete", *crds, timeout=60)
    # Argo CD deletes no CRD when an Application goes.
    left = [n for n in leftovers() if not n.startswith("customresourcedefinition")]
    if left:
        raise LabError(f"Something of MetalLB was left in the cluster: {', '.join(left)}")


def start(settings: Settings) -> None:
    """Nothing of MetalLB in the cluster, an empty repository, argocd-cm as Argo CD's manifests have it."""
    clear()
    leftovers()
    custom = [{"op": "remove", "path": f"/data/{HEALTH_KEY}"}]
    if HEALTH_KEY in kubectl_json("-n", NAMESPACE, "get", "configmap", "argocd-cm")["data"]:
        kubectl("-n", NAMESPACE, "patch", "configmap", "argocd-cm", "--type=json", "-p", json.dumps(custom))
    shutil.rmtree(WORKING_COPY, ignore_errors=True)
    web = WORKING_COPY / WEB / "web.yaml"
    web.parent.mkdir(parents=True)
    mine = [d for d in demo_manifests(settings).split("---\n") if "traefik" not in d]
    web.write_text("---\n".join(mine), encoding="utf-8")
    run(["git", "init", "-q", "-b", "main", WORKING_COPY])
    git("remote", "add", "origin", json.loads(VARIABLES.read_text(encoding="utf-8"))["metallb_gitops_repo_url"])
    git("add", ".")
    git("commit", "-q", "-m", "The services, as they were")
    git("push", "-q", "--force", "origin", "main")


def push() -> bool:
    """Commit and push what changed in the working copy, if anything did."""
    git("add", ".")
    if not git("status", "--porcelain"):
        return False
    git("commit", "-q", "-m", "MetalLB")
    git("push", "-q", "origin", "main")
    return True


def advised(file: Path) -> list[str]:
    """The kubectl command that a file's header tells people to give."""
    found = re.search(r"^# .*once: (kubectl .+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise LabError(f"{file} tells nobody how to apply it.")
    return shlex.split(found[1])


def bootstrap(health: bool = True) -> bool:
    """Do what the headers of the bootstrap files say; without `health`, forget the one of argocd-cm. True if anything changed."""
    before = kubectl_json("-n", NAMESPACE, "get", "configmap", "argocd-cm")["data"]
    changed = False
    for name in ["argocd-cm", PARENT] if health else [PARENT]:
        command = advised(WORKING_COPY / "bootstrap" / f"{name}.yaml")
        said = run([BIN / command[0], *command[1:]], cwd=WORKING_COPY, env={"KUBECONFIG": str(KUBECONFIG)}).stdout
        changed |= "no change" not in said and "unchanged" not in said
    after = kubectl_json("-n", NAMESPACE, "get", "configmap", "argocd-cm")["data"]
    lost = before.keys() - after.keys()
    if lost:
        raise LabError(f"The bootstrap took settings out of argocd-cm: {', '.join(sorted(lost))}")
    return changed


def settled() -> bool:
    """All Applications there, Synced and Healthy, their last operation ended well."""
    apps = applications()
    return apps.keys() == {PARENT, *CHILDREN} and all(
        a.get("status", {}).get("sync", {}).get("status") == "Synced"
        and a["status"].get("health", {}).get("status") == "Healthy"
        and a["status"].get("operationState", {}).get("phase") == "Succeeded"
        for a in apps.values()
    )


def settle(seconds: float = 240) -> float:
    """Await `settled`; returns how long it took. On failure the message has each Application's own words."""
    began = time.monotonic()
    try:
        wait_for("all Applications to be Synced and Healthy", settled, seconds)
    except LabError as why:
        words = []
        for name, app in applications().items():
            status = app.get("status", {})
            operation = status.get("operationState", {})
            words.append(
                f"{name}: {status.get('sync', {}).get('status')}, {status.get('health', {}).get('status')}, "
                f"{operation.get('phase')}: {operation.get('message')}"
            )
            words += [f"{name}: {c['type']}: {c['message']}" for c in status.get("conditions", [])]
        raise LabError("\n  ".join([str(why), *words])) from None
    return time.monotonic() - began


@dataclass(frozen=True)
class Seen:
    """Something of a wave: when it was made, and when the wave's workload was ready (both RFC 3339, whole seconds)."""

    wave: int
    what: str
    made: str
    ready: str


def _made(obj: Any) -> str:
    return str(obj["metadata"]["creationTimestamp"])


def _ready(workload: Any) -> str:
    """When a Deployment became available; workloads without conditions count from when they were made."""
    conditions = {c["type"]: c for c in workload.get("status", {}).get("conditions", [])}
    available = conditions.get("Available", {})
    return str(available["lastTransitionTime"]) if available.get("status") == "True" else _made(workload)


def seen() -> list[Seen]:
    """The waves as the cluster's own clocks have them."""

    def get(kind: str, namespace: str, name: str) -> Any:
        return kubectl_json("-n", namespace, "get", kind, name)

    apps = applications()
    found = [
        Seen(
            CHILDREN[name],
            f"Application {name}",
            _made(apps[name]),
            max(_ready(get("deployment", *d)) for d in deployments),
        )
        for name, deployments in (
            ("metallb-helm", [(METALLB_NAMESPACE, "metallb-controller")]),
            ("traefik-helm", [("traefik", "traefik")]),
            ("web", [("default", "nginx"), ("default", "my-nginx")]),
        )
    ]
    for wave, kind, namespace, name in (
        (1, "ipaddresspools.metallb.io", METALLB_NAMESPACE, "main-pool"),
        (2, "l2advertisements.metallb.io", METALLB_NAMESPACE, "l2-adv"),
        (3, "service", "traefik", "traefik"),
        (4, "middlewares.traefik.io", "traefik", "redirect-https"),
        (5, "service", "default", "my-nginx"),
        (5, "service", "default", "nginx-lb-service"),
    ):
        obj = get(kind, namespace, name)
        found.append(Seen(wave, f"{obj['kind']} {name}", _made(obj), _made(obj)))
    return sorted(found, key=lambda s: (s.wave, s.made, s.what))


def disorder(found: Iterable[Seen]) -> list[str]:
    """One line for each wave that began before an earlier one was ready; none if the order was kept."""
    all_seen = list(found)
    return [
        f"{later.what} (wave {later.wave}) was made at {later.made}, before {earlier.what} (wave {earlier.wave}) was ready at {earlier.ready}"
        for later in all_seen
        for earlier in all_seen
        if earlier.wave < later.wave and later.made < earlier.ready
    ]


def table(found: Iterable[Seen]) -> list[str]:
    return [f"wave {s.wave}  made {s.made[11:19]}  ready {s.ready[11:19]}  {s.what}" for s in found]


def managed() -> dict[str, tuple[int, str]]:
    """Generation and resourceVersion of everything that Argo CD manages here, Applications apart: their status is always on the move."""
    found = {}
    for app in applications().values():
        for r in app["status"].get("resources", []):
            if r["kind"] == "Application":
                continue
            kind = f"{r['kind']}.{r['version']}.{r['group']}" if r.get("group") else r["kind"]
            where = ["-n", r["namespace"]] if r.get("namespace") else []
            meta = kubectl_json(*where, "get", kind, r["name"])["metadata"]
            key = f"{r['kind']} {r.get('namespace', '')}/{r['name']}"
            found[key] = (meta.get("generation", 0), meta["resourceVersion"])
    return found


def resync() -> int:
    """Have every Application synced once more by hand, and hold the objects against what they were; returns how many."""
    wait_for("the objects to be at rest", lambda: managed() == managed(), 60)
    before, specs = managed(), {n: a["spec"] for n, a in applications().items()}
    finished = {n: a["status"]["operationState"]["finishedAt"] for n, a in applications().items()}
    for name, spec in specs.items():
        # As Argo CD's API server fills in what a person asks for: an operation knows no option of the Application by itself.
        sync = {"prune": True, "syncOptions": spec["syncPolicy"]["syncOptions"]}
        asked = {
            "metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}},
            "operation": {"initiatedBy": {"username": "lab"}, "sync": sync},
        }
        kubectl("-n", NAMESPACE, "patch", "application", name, "--type=merge", "-p", json.dumps(asked))
    wait_for(
        "the second sync of every Application to end",
        lambda: all(
            "operation" not in a and a["status"]["operationState"].get("finishedAt", "") > finished[n]
            for n, a in applications().items()
        ),
        120,
    )
    settle(60)
    after = managed()
    moved = [
        f"{k}: {before.get(k)} -> {after.get(k)}" for k in before.keys() | after.keys() if before.get(k) != after.get(k)
    ]
    moved += [f"Application {n}: its spec" for n, a in applications().items() if a["spec"] != specs.get(n)]
    if moved:
        raise LabError("A second sync changed what was there:\n  " + "\n  ".join(sorted(moved)))
    return len(after)


def heals(what: str, harm: Callable[[], object], healed: Callable[[], bool], seconds: float = 60) -> None:
    """Do harm by hand, see that it is done, await that it is undone, and note how long that took."""
    if not healed():
        raise LabError(f"{what}: not as it should be before anything was done to it.")
    harm()
    began = time.monotonic()
    wait_for(f"Argo CD to heal: {what}", healed, seconds)
    note(f"healed: {what}", f"{time.monotonic() - began:.1f} s")


def drift(settings: Settings) -> None:
    """Four things that people do with kubectl, each undone by selfHeal."""
    k = ["-n", METALLB_NAMESPACE]

    def value(kind: str, name: str, path: str) -> str:
        return kubectl(*k, "get", kind, name, "-o", f"jsonpath={path}", "--ignore-not-found", check=False)

    addresses = json.dumps(settings.pool, separators=(",", ":"))
    other = {"spec": {"addresses": [f"{settings.host(240)}-{settings.host(250)}"]}}
    heals(
        "an edited pool",
        lambda: kubectl(*k, "patch", "ipaddresspool", "main-pool", "--type=merge", "-p", json.dumps(other)),
        lambda: value("ipaddresspool", "main-pool", "{.spec.addresses}") == addresses,
    )
    uid = value("ipaddresspool", "main-pool", "{.metadata.uid}")
    heals(
        "a deleted pool",
        lambda: kubectl(*k, "delete", "ipaddresspool", "main-pool"),
        lambda: value("ipaddresspool", "main-pool", "{.spec.addresses}") == addresses,
    )
    if value("ipaddresspool", "main-pool", "{.metadata.uid}") == uid:
        raise LabError("The pool was never deleted.")
    heals(
        "a deleted advertisement",
        lambda: kubectl(*k, "delete", "l2advertisement", "l2-adv"),
        lambda: value("l2advertisement", "l2-adv", "{.spec.ipAddressPools}") == '["main-pool"]',
    )
    selector = {"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/os": "none"}}}}}
    heals(
        "speakers sent away",
        lambda: kubectl(*k, "patch", "daemonset", "metallb-speaker", "--type=merge", "-p", json.dumps(selector)),
        lambda: (
            value("daemonset", "metallb-speaker", r"{.spec.template.spec.nodeSelector.kubernetes\.io/os}") == "linux"
        ),
    )
    settle()
    kubectl(*k, "rollout", "status", "daemonset/metallb-speaker", "--timeout=120s", timeout=150)
