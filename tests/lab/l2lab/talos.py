# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second lab: real Talos nodes in containers, on a LAN of their own, with the LAN client beside them.

Everything is built, from Talos' own source as the Go module carries it; the programs it wants to pull come from a registry on that LAN.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import inspect
import io
import json
import shutil
import tarfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import build, cluster
from .host import Engine, allow_watchers, check_forwarding, check_subnet
from .settings import BIN, CACHE, EXCLUDE_LABEL, KUBECONFIG, KUBERNETES, RUN, SHAPE, TALOS, Settings
from .ui import LabError, run, say, stage

CONTAINERD = "v2.1.5"
# What Talos v1.12.0 asks for (pkg/machinery/constants); under the tag of its etcd stands the one that the lab builds anyway.
TALOS_ETCD, TALOS_PAUSE = "v3.6.7", "3.10"
GO = (
    build.GoModule(
        "talos",
        {"machined": "github.com/siderolabs/talos/internal/app/machined", "talos-launcher": "l2ops.invalid/lab/talos/launcher"},
        (f"{build.TALOS_PACKAGE}/version.Tag={TALOS}", f"{build.TALOS_PACKAGE}/gendata.VersionTag={TALOS}"),
        "5 min",
        "grpcnotrace,tcell_minimal",
    ),
    build.GoModule(
        "containerd",
        {name: f"github.com/containerd/containerd/v2/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
        (f"github.com/containerd/containerd/v2/version.Version={CONTAINERD}",),
        "2 min",
        "no_btrfs,no_zfs,no_devmapper",
    ),
)  # fmt: skip
TREE_PACKAGES = [
    "ca-certificates", "catatonit", "conntrack", "containernetworking-plugins", "docker-registry", "iproute2", "iptables",
    "kmod", "mount", "netbase", "nftables", "procps", "runc",
]  # fmt: skip
CNI_PLUGINS = ("host-local", "loopback", "portmap", "ptp")
# Talos' root is mounted read-only, and these are mounted upon.
FOLDERS = (
    "etc/cni", "etc/cri/conf.d/hosts", "etc/kubernetes", "opt/cni/bin", "opt/containerd/bin", "opt/containerd/lib", "system",
    "system/state", "usr/etc", "usr/lib/firmware", "usr/lib/modules", "usr/libexec/kubernetes",
    "usr/local/lib/kubelet/credentialproviders", "usr/local/share", "usr/share/spdx",
)  # fmt: skip
EMPTY = (
    "etc/resolv.conf", "etc/hosts", "etc/hostname", "etc/machine-id", "etc/cri/conf.d/cri.toml",
    "etc/cri/conf.d/01-registries.part", "etc/cri/conf.d/10-extensions.part", "etc/cri/conf.d/20-customization.part",
    "etc/cri/conf.d/base-spec.json",
)  # fmt: skip
VOLUMES = ("/var", "/system/state", "/etc/cni", "/etc/kubernetes", "/usr/libexec/kubernetes", "/opt")
REGISTRY_PORT = 5000
TALOSCONFIG = RUN / "talosconfig"
CLIENT_NUMBER, REGISTRY_NUMBER, FIRST_NODE = 62, 61, 11


def registry_name(settings: Settings) -> str:
    return f"{settings.cluster}-registry"


def addresses(settings: Settings) -> dict[str, str]:
    """Node -> its address: fixed, since Talos' certificates name them."""
    return {name: settings.host(FIRST_NODE + place) for place, name in enumerate(settings.node_names)}


def talosctl(*args: str | Path, check: bool = True, timeout: float = 60) -> str:
    done = run([BIN / "talosctl", "--talosconfig", TALOSCONFIG, *args], check=check, timeout=timeout)
    return str(done.stdout + done.stderr)


# -- what is built


def module_folder(name: str) -> Path:
    return Path(run(["go", "list", "-m", "-f", "{{.Dir}}", name], env=build.go_env(), cwd=GO[0].source).stdout.strip())


def node_files() -> dict[str, Path | bytes]:
    """What makes a Debian tree the root of a Talos node, besides folders to mount upon: upstream's own files where it has them."""
    hack = module_folder("github.com/siderolabs/talos") / "hack"
    machinery = module_folder("github.com/siderolabs/talos/pkg/machinery")
    # The lab's containers may not lower oom_score_adj, and their cgroups may lack the controller for huge pages.
    cri = (hack / "cri-plugin.part").read_text(encoding="utf-8")
    cri += '\n[plugins."io.containerd.cri.v1.runtime"]\n  restrict_oom_score_adj = true\n  tolerate_missing_hugetlb_controller = true\n'
    files: dict[str, Path | bytes] = dict.fromkeys(EMPTY, b"")
    files |= {
        "usr/sbin/init": BIN / "machined",
        "usr/sbin/l2lab-launcher": BIN / "talos-launcher",
        **{f"usr/bin/{program}": BIN / program for program in GO[1].programs},
        "etc/containerd/config.toml": hack / "containerd.toml",
        "etc/cri/containerd.toml": hack / "cri-containerd.toml",
        "etc/cri/conf.d/00-base.part": cri.encode(),
        "etc/nfsmount.conf": hack / "nfsmount.conf",
        "etc/os-release": machinery / "version" / "os-release",
        "etc/extensions.yaml": b"layers: []\n",
        "etc/l2lab/registry.yml": (build.FILES / "talos" / "registry.yml").read_bytes(),
    }
    return files


def node_image(engine: Engine) -> str:
    """Talos' root file system as an image; the registry runs from the same."""
    version = build.go_version()
    keys = [build.build_go(module, version) for module in GO]
    tree, tree_key = build.debian_tree("talos-tree", TREE_PACKAGES, "the Debian tree of Talos' nodes", "40 s")
    name = f"localhost/l2ops-talos-node:{build.digest(keys, tree_key, build.FILES / 'talos', inspect.getsource(node_files), FOLDERS, EMPTY)}"
    if not engine.exists("image", name):
        whole = CACHE / "talos-node.tar"
        with stage("Building the image of Talos' nodes", "20 s"):
            grown_tree(tree, whole, node_files())
            engine.run(
                "import",
                "--change",
                'ENTRYPOINT ["/usr/sbin/l2lab-launcher"]',
                whole,
                name,
                log=RUN / "log" / "images.log",
            )
            whole.unlink()
    return name


def grown_tree(tree: Path, target: Path, files: dict[str, Path | bytes]) -> None:
    """A copy of a tar file of a Debian with files and folders besides, or instead of its own."""
    folders = {str(p) for f in FOLDERS for p in [Path(f), *Path(f).parents] if str(p) != "."}
    with tarfile.open(tree) as old, tarfile.open(target, "w") as new:
        for member in old:
            name = member.name.lstrip("./")
            folders.discard(name)
            if name.startswith("usr/lib/cni/") and Path(name).name in CNI_PLUGINS:
                handle = old.extractfile(member)
                files[f"opt/cni/bin/{Path(name).name}"] = handle.read() if handle else b""
            if name not in files:
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
        for folder in sorted(folders):
            info = tarfile.TarInfo(f"./{folder}")
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            new.addfile(info)
        for name, source in sorted(files.items()):
            data = source if isinstance(source, bytes) else source.read_bytes()
            info = tarfile.TarInfo(f"./{name}")
            program = "/bin/" in f"/{name}" or "/sbin/" in f"/{name}"
            info.size, info.mode = len(data), 0o755 if program else 0o644
            new.addfile(info, io.BytesIO(data))
        for link in ("poweroff", "shutdown", "dashboard"):
            info = tarfile.TarInfo(f"./usr/sbin/{link}")
            info.type, info.linkname = tarfile.SYMTYPE, "init"
            new.addfile(info)


def pull_images() -> list[Path]:
    """Archives of all that Talos and the pods on it pull, under the names they ask for."""
    version = build.go_version()
    keys = [build.build_go(module, version) for module in build.GO_MODULES]
    tree, tree_key = build.build_rootfs()
    archives = {build.pod_images: CACHE / "pod-images.tar", talos_images: CACHE / "talos-images.tar"}
    key = build.digest(keys, tree_key, [inspect.getsource(part) for part in (build.OciArchive, *archives)])
    if not build.stands("talos-images", key, archives.values()):
        with stage("Packing the images that Talos pulls", "25 s"):
            for pack, target in archives.items():
                pack(tree, target)
        build.stamp("talos-images", key)
    return list(archives.values())


def talos_images(tree: Path, target: Path) -> None:
    archive = build.OciArchive(target)
    loaders = ["usr/lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux-aarch64.so.1"]
    files, links = build._from_rootfs(tree, ["usr/bin/mount", "usr/bin/umount", "usr/bin/catatonit", *loaders])
    pause = files.pop("usr/bin/catatonit")
    files["/usr/local/bin/kubelet"] = BIN / "kubelet"
    files |= {"etc/passwd": b"root:x:0:0:root:/root:/sbin/nologin\n", "etc/group": b"root:x:0:\n"}
    links["var/run"] = "/run"  # Talos mounts its /run there, and kubelet looks for containerd in /run
    archive.image(f"ghcr.io/siderolabs/kubelet:{KUBERNETES}", files, ["/usr/local/bin/kubelet"], links)
    archive.image(f"registry.k8s.io/etcd:{TALOS_ETCD}", {"/usr/local/bin/etcd": BIN / "etcd"}, [])
    archive.image(f"registry.k8s.io/pause:{TALOS_PAUSE}", {"/pause": pause}, ["/pause", "-P"])
    archive.close()


# -- the registry


class Registry:
    """Pushes an OCI layout by the distribution API: https://github.com/opencontainers/distribution-spec, Pushing Blobs, Pushing Manifests."""

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream"
    ) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection(self._address, REGISTRY_PORT, timeout=60)
        try:
            connection.request(method, path, body or None, {"Content-Type": kind, "Content-Length": str(len(body))})
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}
        finally:
            connection.close()

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/v2/")[0] == 200
        except OSError:
            return False

    def push(self, archive: Path) -> None:
        with tarfile.open(archive) as tar:

            def blob(digest: str) -> bytes:
                handle = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
                return handle.read() if handle else b""

            index = tar.extractfile("index.json")
            for entry in json.loads(index.read() if index else b"{}")["manifests"]:
                name = entry["annotations"]["org.opencontainers.image.ref.name"]
                repository, _, tag = name.partition("/")[2].rpartition(":")
                manifest = blob(entry["digest"])
                status, headers = self.ask("HEAD", f"/v2/{repository}/manifests/{tag}")
                if status == 200 and headers.get("docker-content-digest") == entry["digest"]:
                    continue
                parts = json.loads(manifest)
                for part in (parts["config"], *parts["layers"]):
                    self._push_blob(repository, part["digest"], blob(part["digest"]))
                status, _headers = self.ask("PUT", f"/v2/{repository}/manifests/{tag}", manifest, entry["mediaType"])
                if status != 201:
                    raise LabError(f"The lab's registry refused {name}: status {status}")

    def _push_blob(self, repository: str, digest: str, data: bytes) -> None:
        if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
            raise LabError(
                f"The archive of images is damaged: {digest}. Remove .lab/cache/talos-images.tar and try again."
            )
        if self.ask("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200:
            return
        _status, headers = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        where = urlsplit(headers["location"])
        status, _headers = self.ask(
            "PUT", f"{where.path}?{where.query}{'&' if where.query else ''}digest={digest}", data
        )
        if status != 201:
            raise LabError(f"The lab's registry refused a part of {repository}: status {status}")


def start_registry(settings: Settings, engine: Engine, image: str) -> None:
    archives = pull_images()
    name, store = registry_name(settings), CACHE / "talos-registry"
    registry = Registry(settings.host(REGISTRY_NUMBER))
    if not registry.answers():
        store.mkdir(parents=True, exist_ok=True)
        engine.run("rm", "-f", name, check=False)
        engine.run(
            "run", "-d", "--name", name, "--network", settings.network, "--ip", settings.host(REGISTRY_NUMBER),
            "-v", f"{store}:/var/lib/registry", "--entrypoint", '["/usr/bin/docker-registry", "serve", "/etc/l2lab/registry.yml"]', image,
            log=RUN / "log" / "cluster.log",
        )  # fmt: skip
        cluster.wait_for("the lab's registry", registry.answers, 30, f"See: {engine.name} logs {name}")
    with stage("Handing the images to the registry of the lab", "10 s"):
        for archive in archives:
            registry.push(archive)


# -- the nodes


def machine_patch(settings: Settings) -> dict[str, Any]:
    """What a node in this lab needs that `talosctl gen config` does not give it."""
    mirror = {"endpoints": [f"http://{settings.host(REGISTRY_NUMBER)}:{REGISTRY_PORT}"], "overridePath": False}
    return {
        "machine": {
            "registries": {"mirrors": dict.fromkeys(("ghcr.io", "quay.io", "registry.k8s.io"), mirror)},
            # Talos insists on it in containers.
            "features": {"hostDNS": {"enabled": True, "forwardKubeDNSToHost": True}},
            # As kind does: how full this machine's disk is says nothing about the nodes.
            "kubelet": {
                "extraConfig": {
                    "failCgroupV1": False,
                    "imageGCHighThresholdPercent": 100,
                    "evictionHard": dict.fromkeys(("nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%"),
                }
            },
            "time": {"disabled": True},
        },
        "cluster": {
            "network": {"cni": {"name": "none"}},
            "coreDNS": {"disabled": True},
            "discovery": {"enabled": False},
            "allowSchedulingOnControlPlanes": True,
        },
    }


def machine_configs(settings: Settings) -> Path:
    """Folder with controlplane.yaml, worker.yaml and talosconfig. The worker carries the label too, as in the source document."""
    folder = RUN / "configs"
    shutil.rmtree(folder, ignore_errors=True)
    first = next(iter(addresses(settings).values()))
    worker = {"machine": {"nodeLabels": {EXCLUDE_LABEL: ""}}}
    run(
        [BIN / "talosctl", "gen", "config", settings.cluster, f"https://{first}:6443", "--kubernetes-version", KUBERNETES.lstrip("v"),
         "--config-patch", json.dumps(machine_patch(settings)), "--config-patch-worker", json.dumps(worker),
         "--with-docs=false", "--with-examples=false", "--output", folder],
        log=RUN / "log" / "cluster.log",
    )  # fmt: skip
    shutil.move(folder / "talosconfig", TALOSCONFIG)
    TALOSCONFIG.chmod(0o600)
    for what in ("endpoint", "node"):
        talosctl("config", what, first)
    return folder


def volume(node: str, path: str) -> str:
    """The disk of a node that is mounted there: it outlives a restart."""
    return f"{node}{path.replace('/', '-')}"


def start_node(settings: Settings, engine: Engine, image: str, name: str, address: str, config: Path) -> None:
    volumes = [flag for path in VOLUMES for flag in ("-v", f"{volume(name, path)}:{path}:suid,exec,dev")]
    engine.run(
        "run", "-d", "--name", name, "--hostname", name, "--network", settings.network, "--ip", address, "--restart", "always",
        "--privileged", "--cgroupns=private", "--read-only", "--read-only-tmpfs=false", "--security-opt", "seccomp=unconfined",
        "--tmpfs", "/run:exec", "--tmpfs", "/system:exec", "--tmpfs", "/tmp:exec", *volumes,
        "-e", "PLATFORM=container", "-e", "TALOSSKU=l2lab",
        "-e", f"USERDATA={base64.b64encode(config.read_bytes()).decode()}", image,
        log=RUN / "log" / "cluster.log",
    )  # fmt: skip


def pod_networks(settings: Settings, engine: Engine) -> None:
    """On each node, ptp for its own pods and a static route to the others': all that a network plugin would do on one LAN.

    Routes live in the running node and are gone when it starts anew; then call this again.
    """

    def networks() -> dict[str, str]:
        return {
            n["metadata"]["name"]: n["spec"].get("podCIDR", "") for n in cluster.kubectl_json("get", "nodes")["items"]
        }

    where = addresses(settings)
    cluster.wait_for(
        "every node to get its pod network", lambda: networks().keys() >= where.keys() and all(networks().values()), 120
    )
    found = networks()
    template = (build.FILES / "talos" / "pods.conflist").read_text(encoding="utf-8")
    for node in where:
        lines = "\n".join(f"ip route replace {found[other]} via {where[other]}" for other in where if other != node)
        engine.execute(node, "sh", "-ec", "mkdir -p /etc/cni/net.d && cat > /etc/cni/net.d/10-l2lab.conflist",
                       stdin=template.replace("POD_NETWORK", found[node]))  # fmt: skip
        engine.execute(node, "sh", "-ec", lines or "true")


def ready_nodes() -> set[str]:
    listed = cluster.kubectl("get", "nodes", "-o", "json", "--request-timeout=5s", check=False, timeout=20)
    return {
        node["metadata"]["name"]
        for node in json.loads(listed or '{"items": []}')["items"]
        if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
    }


def up(settings: Settings, engine: Engine) -> None:
    """Everything that `make lab-talos` promises; what stands already is left alone."""
    if engine.name != "podman":
        raise LabError("The Talos lab is made for podman, as root. Unset LAB_ENGINE, or set LAB_ENGINE=podman.")
    RUN.mkdir(parents=True, exist_ok=True)
    check_forwarding()
    check_subnet(settings, engine)
    client = build.build_images(engine).client
    build.build_go(build.TALOSCTL, build.go_version())
    image, chart = node_image(engine), build.metallb_chart()
    shape = {**settings.shape(), "node_image": image, "client_image": client, "machine_patch": machine_patch(settings)}
    if SHAPE.exists() and json.loads(SHAPE.read_text(encoding="utf-8")) == shape and cluster.answers():
        say(f"The Talos lab is up already: {len(settings.node_names)} nodes")
        start_registry(settings, engine, image)
    else:
        down(settings, engine, quiet=True)
        allow_watchers(settings)
        cluster.create_network(settings, engine)
        start_registry(settings, engine, image)
        with stage(
            f"Starting Talos {TALOS}: {settings.control_planes} control plane(s), {settings.workers} worker(s)", "90 s"
        ):
            create_cluster(settings, engine, image)
        SHAPE.write_text(json.dumps(shape, indent=1), encoding="utf-8")
    cluster.start_client(settings, engine, client)
    nodes = addresses(settings)
    cluster.write_files(
        settings, engine, chart, f"admin@{settings.cluster}",
        {"metallb_talosconfig": str(TALOSCONFIG), "metallb_talosctl": str(BIN / "talosctl"), "lab_talos_nodes": nodes},
    )  # fmt: skip


def create_cluster(settings: Settings, engine: Engine, image: str) -> None:
    folder = machine_configs(settings)
    nodes = addresses(settings)
    first = next(iter(nodes))
    for name, address in nodes.items():
        kind = "controlplane" if name in settings.node_names[: settings.control_planes] else "worker"
        start_node(settings, engine, image, name, address, folder / f"{kind}.yaml")
    hint = f"See: {engine.name} logs {first}"
    cluster.wait_for(
        "Talos' API",
        lambda: "Tag:" in talosctl("version", "--short=false", check=False, timeout=20).partition("Server:")[2],
        120,
        hint,
    )
    cluster.wait_for("etcd to be bootstrapped", bootstrapped, 90, hint)
    cluster.wait_for(
        "Talos' kubeconfig", lambda: "rror" not in talosctl("kubeconfig", KUBECONFIG, "--force", check=False), 60, hint
    )
    cluster.wait_for("the Kubernetes API", cluster.answers, 240, hint)
    pod_networks(settings, engine)
    cluster.wait_for("the nodes to be Ready", lambda: ready_nodes() >= nodes.keys(), 180, "See: kubectl describe nodes")


def bootstrapped() -> bool:
    said = talosctl("bootstrap", check=False, timeout=30)
    return not said.strip() or "AlreadyExists" in said


def reboot(settings: Settings, engine: Engine, name: str) -> None:
    """A node restarts as a machine would, with its disks and without what was in its memory."""
    if name not in addresses(settings):
        raise LabError(f"There is no node {name}; there are {', '.join(addresses(settings))}.")
    before = engine.run("inspect", "-f", "{{.State.StartedAt}}", name).stdout
    engine.run("restart", "-t", "30", name, log=RUN / "log" / "cluster.log")
    after = engine.run("inspect", "-f", "{{.State.StartedAt}}", name).stdout
    if before == after:
        raise LabError(f"{name} did not restart")
    began = time.time()
    cluster.wait_for("the Kubernetes API", cluster.answers, 180, f"See: {engine.name} logs {name}")
    pod_networks(settings, engine)
    cluster.wait_for(
        f"{name} to say that it is Ready", lambda: said_ready_after(name, began), 240, "See: kubectl describe nodes"
    )


def said_ready_after(name: str, began: float) -> bool:
    """Whether the kubelet that runs now has said it: its lease is renewed, and the node is Ready."""
    lease = cluster.kubectl(
        "-n", "kube-node-lease", "get", "lease", name, "-o", "jsonpath={.spec.renewTime}", "--request-timeout=5s", check=False, timeout=20
    )  # fmt: skip
    renewed = lease[:19] >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began))
    return renewed and name in ready_nodes()


def down(settings: Settings, engine: Engine, quiet: bool = False) -> None:
    for container in (*addresses(settings), registry_name(settings)):
        engine.run("rm", "-f", "-v", "-t", "0", container, check=False)
        engine.run("volume", "rm", "-f", *(volume(container, path) for path in VOLUMES), check=False)
    TALOSCONFIG.unlink(missing_ok=True)
    cluster.down(settings, engine, quiet=quiet)
