# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building what cannot be pulled: programs from pinned Go modules, images from those and from Debian packages.

Every product has a key, the hash of all that it was made from; a product whose key stands is not made again.
"""

from __future__ import annotations

import gzip
import hashlib
import inspect
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .host import BUILD_PACKAGES, Engine, find, install
from .settings import (
    AGNHOST,
    BIN,
    CACHE,
    ETCD,
    HAPROXY_IMAGE,
    KUBERNETES,
    LAB_SOURCE,
    LOGS,
    METALLB,
    PAUSE,
    STAMPS,
    TALOS,
)
from .ui import LabError, run, say, stage

GO_MINIMUM = (1, 25)
FILES = LAB_SOURCE / "files"
ROOTFS_PACKAGES = [
    "systemd",
    "systemd-sysv",
    "containerd",
    "runc",
    "containernetworking-plugins",
    "conntrack",
    "iptables",
    "nftables",
    "netbase",
    "iproute2",
    "ethtool",
    "kmod",
    "procps",
    "jq",
    "curl",
    "socat",
    "arping",
    "tcpdump",
    "python3",
    "openssh-server",
    "haproxy",
    "catatonit",
    "ca-certificates",
]
VERSION_PACKAGE = "k8s.io/component-base/version"
TALOS_PACKAGE = "github.com/siderolabs/talos/pkg/machinery"


@dataclass(frozen=True)
class GoModule:
    """One upstream at a pinned version: its folder under tests/lab/go, what it builds (program -> package) and its stamps."""

    folder: str
    programs: dict[str, str]
    stamps: tuple[str, ...] = ()
    usual: str = ""
    tags: str = ""
    # The folder within .lab/bin; and files of dependencies (path within vendor) that one of the module's own files stands for.
    into: str = ""
    overlay: tuple[tuple[str, str], ...] = ()

    @property
    def target(self) -> Path:
        return BIN / self.into

    @property
    def source(self) -> Path:
        return LAB_SOURCE / "go" / self.folder


_K8S = "k8s.io/kubernetes"
_METALLB = {"controller": "go.universe.tf/metallb/controller", "speaker": "go.universe.tf/metallb/speaker"}
GO_MODULES = (
    GoModule("kind", {"kind": "sigs.k8s.io/kind"}, usual="20 s"),
    GoModule("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, usual="25 s"),
    GoModule(
        "kubernetes",
        {
            **{
                p: f"{_K8S}/cmd/{p}"
                for p in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
            },
            **{p: f"{_K8S}/cmd/{p}" for p in ("kubelet", "kubectl", "kubeadm")},
            "agnhost": f"{_K8S}/test/images/agnhost",
        },
        (
            f"{VERSION_PACKAGE}.gitVersion={KUBERNETES}",
            f"{VERSION_PACKAGE}.gitMajor=1",
            f"{VERSION_PACKAGE}.gitMinor=34",
            f"{VERSION_PACKAGE}.gitTreeState=clean",
        ),
        "6 min",
    ),
    GoModule("metallb", _METALLB, usual="90 s"),
    GoModule("helm", {"helm": "helm.sh/helm/v3/cmd/helm"}, usual="60 s"),
)


def _talosctl(version: str, folder: str = "talosctl", into: str = "") -> GoModule:
    stamps = (f"{TALOS_PACKAGE}/version.Tag={version}", f"{TALOS_PACKAGE}/gendata.VersionTag={version}")
    return GoModule(folder, {"talosctl": "github.com/siderolabs/talos/cmd/talosctl"}, stamps, "3 min", into=into)


# Only for the lab of Talos nodes and tests/integration/test_talosctl.py, which the newer ones run, too.
TALOSCTL = _talosctl(TALOS)
NEWER_TALOSCTL = (
    _talosctl("v1.13.0", "talosctl-1.13", "talosctl-1.13"),
    _talosctl("v1.14.1", "talosctl-1.14", "talosctl-1.14"),
)
# MetalLB's other versions, made when the lab is to run them (LAB_METALLB). v0.16.2 asks for frr-k8s v0.0.27, which not every Go module
# proxy serves; v0.0.26 lacks one type, which only this file of BGP's uses.
OTHER_METALLB = {
    version: GoModule(
        f"metallb-{version.lstrip('v')}",
        _METALLB,
        usual="3 min",
        into=f"metallb-{version.lstrip('v')}",
        overlay=overlay,
    )
    for version, overlay in (
        ("v0.14.9", ()),
        ("v0.16.1", ()),
        ("v0.16.2", (("go.universe.tf/metallb/internal/bgp/frrk8s/frrk8s.go", "frrk8s.go.txt"),)),
    )
}
# What a lab with pulled images still needs on this side.
CLIENT_PROGRAMS = ("kind", "kubectl", "helm")


def digest(*parts: object) -> str:
    """The key of what was made from `parts`: texts, and files or folders by their content."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for file in sorted(p for p in ([part] if part.is_file() else part.rglob("*")) if p.is_file()):
                total.update(str(file.relative_to(part if part.is_dir() else part.parent)).encode())
                total.update(file.read_bytes())
        else:
            total.update(repr(part).encode())
        total.update(b"\0")
    return total.hexdigest()[:16]


def stands(product: str, key: str, made: Iterable[Path] = ()) -> bool:
    stamp = STAMPS / product
    return stamp.is_file() and stamp.read_text(encoding="ascii") == key and all(p.exists() for p in made)


def stamp(product: str, key: str) -> None:
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / product).write_text(key, encoding="ascii")


def go_env() -> dict[str, str]:
    return {
        "CGO_ENABLED": "0",
        "GOCACHE": str(CACHE / "go-build"),
        "GOMODCACHE": str(CACHE / "go-mod"),
        "GOFLAGS": "-modcacherw -trimpath -buildvcs=false -mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def go_version() -> str:
    if not shutil.which("go"):
        raise LabError(
            "The lab's images cannot be pulled here and must be built, but there is no Go. Install Go "
            f"{GO_MINIMUM[0]}.{GO_MINIMUM[1]} or newer, or run where the published images can be pulled (LAB_IMAGES=pull)."
        )
    said = run(["go", "version"]).stdout
    match = re.search(r"go(\d+)\.(\d+)", said)
    if not match or (int(match[1]), int(match[2])) < GO_MINIMUM:
        raise LabError(
            f"The lab needs Go {GO_MINIMUM[0]}.{GO_MINIMUM[1]} or newer to build its programs; here is: {said.strip()}"
        )
    return said.split()[2]


def module_key(module: GoModule, version: str) -> str:
    more = [part for part in (module.tags, module.overlay) if part]
    return digest(version, module.source, module.programs, module.stamps, go_env()["GOFLAGS"], *more)


def vendored(module: GoModule, log: Path) -> tuple[Path, list[str | Path]]:
    """A copy of the module with its dependencies, and the flags that put our files in the place of theirs.

    Go refuses overlays of files in its module cache, hence the copy.
    """
    folder = (CACHE / "vendored").resolve() / module.folder  # Go knows files by their real names
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(module.source, folder)
    run(["go", "mod", "vendor"], log=log, env=go_env(), cwd=folder)
    replaced = {}
    for theirs, ours in module.overlay:
        if not (folder / "vendor" / theirs).is_file():
            raise LabError(f"The overlay of {module.folder} names {theirs}, which its dependencies do not have.")
        replaced[str(folder / "vendor" / theirs)] = str(folder / ours)
    overlay = folder / "overlay.json"
    overlay.write_text(json.dumps({"Replace": replaced}), encoding="utf-8")
    return folder, ["-mod=vendor", "-overlay", overlay]


def build_go(module: GoModule, version: str) -> str:
    """Build one module's programs into .lab/bin; returns their key."""
    key = module_key(module, version)
    if stands(f"go-{module.folder}", key, (module.target / p for p in module.programs)):
        return key
    module.target.mkdir(parents=True, exist_ok=True)
    flags = "-s -w " + " ".join(f"-X {s}" for s in module.stamps)
    log = LOGS / f"go-{module.folder}.log"
    with stage(f"Building {', '.join(module.programs)} from Go module {module.folder}", module.usual):
        named = {
            program: package for program, package in module.programs.items() if package.rsplit("/", 1)[-1] == program
        }
        folder, more = vendored(module, log) if module.overlay else (module.source, [])
        command = ["go", "build", *more, "-tags", module.tags, "-ldflags", flags, "-o"]
        if named:
            run([*command, f"{module.target}/", *named.values()], log=log, env=go_env(), cwd=folder)
        for program in module.programs.keys() - named.keys():
            run([*command, module.target / program, module.programs[program]], log=log, env=go_env(), cwd=folder)
    stamp(f"go-{module.folder}", key)
    return key


def metallb_images(version: str) -> Path:
    """An archive of the images of one of MetalLB's other versions, for nodes that have those of the default one already."""
    module = OTHER_METALLB[version]
    key = digest(build_go(module, go_version()), inspect.getsource(OciArchive))
    archive = CACHE / f"{module.folder}.tar"
    if not stands(f"images-{module.folder}", key, [archive]):
        images = OciArchive(archive)
        for name in module.programs:
            images.image(f"quay.io/metallb/{name}:{version}", {f"/{name}": module.target / name}, [f"/{name}"])
        images.close()
        stamp(f"images-{module.folder}", key)
    return archive


def metallb_chart(version: str = METALLB) -> Path:
    """The chart as the MetalLB module carries it, unchanged."""
    name = "metallb" if version == METALLB else OTHER_METALLB[version].folder
    source = LAB_SOURCE / "go" / name
    folder = run(
        ["go", "list", "-m", "-f", "{{.Dir}}", "go.universe.tf/metallb"], env=go_env(), cwd=source
    ).stdout.strip()
    chart = CACHE / "charts" / name
    product = "chart" if version == METALLB else f"chart-{name}"
    key = digest(version, Path(folder) / "charts" / "metallb")
    if not stands(product, key, [chart / "Chart.yaml"]):
        shutil.rmtree(chart, ignore_errors=True)
        shutil.copytree(Path(folder) / "charts" / "metallb", chart)
        for path in [chart, *chart.rglob("*")]:  # the module cache is read-only
            path.chmod(0o755 if path.is_dir() else 0o644)
        stamp(product, key)
    return chart


def _debian_sources() -> list[str]:
    """This machine's own package sources if it is the same Debian, else the builder's default."""
    release = Path("/etc/os-release")
    if not release.is_file() or "VERSION_CODENAME=bookworm" not in release.read_text(encoding="utf-8"):
        return []
    apt = Path("/etc/apt")
    found = [
        p
        for p in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
        if p.suffix in (".list", ".sources")
    ]
    return [str(p) for p in found if p.is_file() and "bookworm" in p.read_text(encoding="utf-8")]


def debian_tree(product: str, packages: list[str], what: str, usual: str) -> tuple[Path, str]:
    """A tar file of a small Debian with `packages`, and its key."""
    tree = CACHE / f"{product}.tar"
    key = digest(packages)
    if not stands(product, key, [tree]):
        install(BUILD_PACKAGES)
        CACHE.mkdir(parents=True, exist_ok=True)
        with stage(f"Building {what} with mmdebstrap", usual):
            run(
                [
                    "mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar",
                    "--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\"",
                    "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
                    "--dpkgopt=path-exclude=/usr/share/locale/*", f"--include={','.join(packages)}",
                    "bookworm", tree, *_debian_sources(),
                ],
                log=LOGS / f"{product}.log",
            )  # fmt: skip
        stamp(product, key)
    return tree, key


def build_rootfs() -> tuple[Path, str]:
    """A Debian tree with systemd, containerd and the network tools: the base of all the lab's images."""
    return debian_tree("rootfs", ROOTFS_PACKAGES, "the Debian tree of the images", "70 s")


class OciArchive:
    """An OCI image layout in one tar file, written by hand: images of one static program need no engine to be made."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w")  # noqa: SIM115 - closed by close()
        self._seen: set[str] = set()
        self._manifests: list[dict[str, object]] = []
        self._add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')

    def _add(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))

    def _blob(self, data: bytes) -> dict[str, object]:
        name = hashlib.sha256(data).hexdigest()
        if name not in self._seen:
            self._seen.add(name)
            self._add(f"blobs/sha256/{name}", data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    def image(
        self, name: str, files: dict[str, Path | bytes], entrypoint: list[str], links: dict[str, str] | None = None
    ) -> None:
        """Add an image: `files` maps paths inside it to files here (or bytes), `links` symbolic links to their targets."""
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w") as layer:
            folders = {"tmp"} | {
                str(p) for f in [*files, *(links or {})] for p in Path(f.lstrip("/")).parents if str(p) != "."
            }
            for folder in sorted(folders):
                info = tarfile.TarInfo(folder)
                info.type, info.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
                layer.addfile(info)
            for target, source in sorted(files.items()):
                data = source if isinstance(source, bytes) else source.read_bytes()
                info = tarfile.TarInfo(target.lstrip("/"))
                info.size, info.mode = len(data), 0o644 if isinstance(source, bytes) else 0o755
                layer.addfile(info, io.BytesIO(data))
            for link, target in sorted((links or {}).items()):
                info = tarfile.TarInfo(link.lstrip("/"))
                info.type, info.linkname = tarfile.SYMTYPE, target
                layer.addfile(info)
        raw = plain.getvalue()
        packed = gzip.compress(raw, 1, mtime=0)
        config = {
            "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
            "os": "linux",
            "config": {
                "Entrypoint": entrypoint,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/"],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(raw).hexdigest()}"]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                **self._blob(json.dumps(config).encode()),
            },
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **self._blob(packed)}],
        }
        self._manifests.append(
            {
                "mediaType": manifest["mediaType"],
                **self._blob(json.dumps(manifest).encode()),
                "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name},
            }
        )

    def close(self) -> None:
        self._add("index.json", json.dumps({"schemaVersion": 2, "manifests": self._manifests}).encode())
        self._tar.close()


def _from_rootfs(tree: Path, wanted: Iterable[str]) -> tuple[dict[str, Path | bytes], dict[str, str]]:
    """Programs of the Debian tree with the libraries they load, followed through links: what `ldd` would say, without running it."""
    files: dict[str, Path | bytes] = {}
    links: dict[str, str] = {}
    with tarfile.open(tree) as tar:
        members = {m.name.lstrip("./"): m for m in tar.getmembers()}

        def real(path: str) -> str | None:
            """The member's name behind links, the links met on the way being kept."""
            for _hop in range(10):
                path = path.lstrip("/")
                parts = Path(path).parts
                for depth in range(1, len(parts)):  # merged /usr: /lib is a link
                    folder = members.get("/".join(parts[:depth]))
                    if folder is not None and folder.issym():
                        path = os.path.normpath(
                            "/".join([*parts[: depth - 1], folder.linkname, *parts[depth:]])
                        ).lstrip("/")
                        break
                else:
                    member = members.get(path)
                    if member is None:
                        return None
                    if not member.issym():
                        return path
                    links[path] = member.linkname
                    path = (
                        member.linkname
                        if member.linkname.startswith("/")
                        else os.path.normpath(f"{Path(path).parent}/{member.linkname}")
                    )
            return None

        folders = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib"]
        todo = list(wanted)
        while todo:
            name = real(todo.pop())
            if name is None or name in files:
                continue
            handle = tar.extractfile(members[name])
            data = handle.read() if handle else b""
            target = CACHE / "from-rootfs" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            files[name] = target
            if data[:4] == b"\x7fELF":
                for library in set(re.findall(rb"[A-Za-z0-9_+.-]+\.so(?:\.[0-9]+)*", data)):
                    for folder in folders:
                        if f"{folder}/{library.decode()}" in members:
                            todo.append(f"{folder}/{library.decode()}")
                            break
        # iptables loads its extensions by name at run time.
        for name, member in members.items():
            if "/xtables/" in name and name.endswith(".so") and member.isfile() and any("xtables" in f for f in files):
                handle = tar.extractfile(member)
                target = CACHE / "from-rootfs" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(handle.read() if handle else b"")
                files[name] = target
    # The merged /usr of Debian: old places are links.
    links.update({"lib": "usr/lib", "lib64": "usr/lib64", "bin": "usr/bin", "sbin": "usr/sbin"})
    return files, links


def pod_images(tree: Path, target: Path) -> None:
    """Everything the cluster runs in pods, under the names that kubeadm and MetalLB's chart ask for."""
    archive = OciArchive(target)
    k8s = "registry.k8s.io"
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        archive.image(f"{k8s}/{name}:{KUBERNETES}", {f"/usr/local/bin/{name}": BIN / name}, [])
    # /etc/protocols and /etc/services matter: without them nft's JSON says "6" for "tcp", kube-proxy does not know its own
    # elements again at the hourly full sync, and deletes every one of them (all Services dead, nothing in the log).
    loaders = ["usr/lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux-aarch64.so.1"]
    programs = ["usr/sbin/nft", "usr/sbin/conntrack", "usr/sbin/xtables-nft-multi"]
    files, links = _from_rootfs(tree, [*programs, *loaders, "etc/protocols", "etc/services", "etc/nsswitch.conf"])
    for name in ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"):
        links[f"usr/sbin/{name}"] = "xtables-nft-multi"
    files["/usr/local/bin/kube-proxy"] = BIN / "kube-proxy"
    archive.image(f"{k8s}/kube-proxy:{KUBERNETES}", files, [], links)
    archive.image(f"{k8s}/etcd:{ETCD}", {"/usr/local/bin/etcd": BIN / "etcd"}, [])
    pause, _ = _from_rootfs(tree, ["usr/bin/catatonit"])
    archive.image(f"{k8s}/pause:{PAUSE}", {"/pause": pause["usr/bin/catatonit"]}, ["/pause", "-P"])
    for name in ("controller", "speaker"):
        archive.image(f"quay.io/metallb/{name}:{METALLB}", {f"/{name}": BIN / name}, [f"/{name}"])
    archive.image(f"{k8s}/e2e-test-images/agnhost:{AGNHOST}", {"/agnhost": BIN / "agnhost"}, ["/agnhost"])
    archive.close()


@dataclass(frozen=True)
class Images:
    node: str
    client: str


def build_images(engine: Engine) -> Images:
    """Node, LAN client and load balancer images, built here; each anew only when something it is made from has changed."""
    version = go_version()
    go_keys = [build_go(module, version) for module in GO_MODULES if module.folder not in ("kind", "helm")]
    for module in GO_MODULES:
        build_go(module, version)
    tree, tree_key = build_rootfs()
    recipe = [inspect.getsource(part) for part in (OciArchive, _from_rootfs, pod_images, _node_image)]
    node = f"localhost/l2ops-node:{digest(go_keys, tree_key, FILES / 'node', recipe)}"
    client_key, haproxy_key = digest(tree_key, FILES / "client"), digest(tree_key, FILES / "haproxy")
    client = f"localhost/l2ops-lan-client:{client_key}"
    base = f"localhost/l2ops-base:{tree_key}"
    haproxy_stands = stands("haproxy", haproxy_key) and engine.exists("image", HAPROXY_IMAGE)
    if not (
        engine.exists("image", base)
        or (engine.exists("image", node) and engine.exists("image", client) and haproxy_stands)
    ):
        with stage("Importing the Debian tree as an image", "10 s"):
            engine.run("import", "--change", 'CMD ["/bin/sh"]', tree, base, log=LOGS / "images.log")
    if not engine.exists("image", node):
        context = CACHE / "node-image"
        shutil.rmtree(context, ignore_errors=True)
        (context / "bin").mkdir(parents=True)
        with stage("Packing the images that run in pods", "20 s"):
            pod_images(tree, context / "images.tar")
        for program in ("kubelet", "kubeadm", "kubectl"):
            shutil.copy2(BIN / program, context / "bin" / program)
        shutil.copytree(FILES / "node", context / "files")
        with stage("Building the node image", "15 s"):
            _node_image(engine, context, base, node)
        shutil.rmtree(context, ignore_errors=True)
    if not engine.exists("image", client):
        with stage("Building the LAN client's image", "2 s"):
            engine.run(
                "build",
                "--pull=never",
                "--build-arg",
                f"BASE={base}",
                "-t",
                client,
                FILES / "client",
                log=LOGS / "images.log",
            )
    if not haproxy_stands:
        with stage("Building the load balancer's image, for several control planes", "2 s"):
            engine.run(
                "build",
                "--pull=never",
                "--build-arg",
                f"BASE={base}",
                "-t",
                HAPROXY_IMAGE,
                FILES / "haproxy",
                log=LOGS / "images.log",
            )
        stamp("haproxy", haproxy_key)
    return Images(node, client)


def _node_image(engine: Engine, context: Path, base: str, name: str) -> None:
    """The base with kubelet and kubeadm, and the pod images in containerd's store: a container does the import, then is committed."""
    log = LOGS / "images.log"
    containerfile = context / "Containerfile"
    containerfile.write_text(f"FROM {base}\nCOPY bin/ /usr/bin/\nCOPY files/ /\n", encoding="utf-8")
    stem = f"{name}-stem"
    engine.run("build", "--pull=never", "-t", stem, context, log=log)
    worker = "l2ops-image-import"
    engine.run("rm", "-f", worker, check=False, log=log)
    engine.run(
        "run", "-d", "--name", worker, "--privileged", "--network=none", "-v", f"{context}:/context:ro", "--tmpfs", "/run",
        "--entrypoint", "/usr/bin/containerd", stem, log=log,
    )  # fmt: skip
    try:
        script = (
            "for i in $(seq 300); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done; "
            "ctr -n k8s.io images import --no-unpack /context/images.tar && sync && systemctl --version >/dev/null; "
            "for u in containerd kubelet l2lab-routes; do systemctl enable $u; done; systemctl set-default multi-user.target; "
            "systemctl mask getty.target console-getty.service systemd-logind.service haproxy.service ssh.service apt-daily.timer "
            "apt-daily-upgrade.timer systemd-networkd.service systemd-resolved.service; "
            f"mkdir -p /kind/manifests && echo {KUBERNETES} > /kind/version && rm -f /etc/machine-id && touch /etc/machine-id"
        )
        engine.execute(worker, "/bin/sh", "-ec", script)
        engine.run("stop", "-t", "10", worker, log=log)
        engine.run(
            "commit", "--change", 'ENTRYPOINT ["/usr/local/bin/l2lab-entrypoint"]', "--change", "CMD []",
            "--change", "STOPSIGNAL SIGRTMIN+3", worker, name, log=log,
        )  # fmt: skip
    finally:
        engine.run("rm", "-f", worker, check=False, log=log)
        engine.run("rmi", "-f", stem, check=False, log=log)


def prefer_pull(engine: Engine, wanted: str, image: str) -> bool:
    """Whether the published node image can be had; with 'auto' a refusal means building."""
    if wanted == "build":
        return False
    if engine.exists("image", image):
        return True
    say(f"Trying to pull {image} (LAB_IMAGES=build skips this)")
    pulled = engine.run("pull", image, check=False, log=LOGS / "pull.log", timeout=900)
    if pulled.returncode == 0:
        return True
    if wanted == "pull":
        raise LabError(
            f"LAB_IMAGES=pull, but {image} cannot be pulled here (see {LOGS / 'pull.log'}). Unset it to build the images."
        )
    say("    no registry can be reached: the images are built here instead")
    return False


def client_programs() -> None:
    """kubectl, helm and kind for a lab with pulled images: those found on PATH, else built."""
    BIN.mkdir(parents=True, exist_ok=True)
    for program in CLIENT_PROGRAMS:
        if (BIN / program).exists():
            continue
        found = find(program)
        if found:
            (BIN / program).symlink_to(found)
    version = go_version() if any(not (BIN / p).exists() for p in CLIENT_PROGRAMS) else ""
    for module in GO_MODULES:
        if any(p in CLIENT_PROGRAMS and not (BIN / p).exists() for p in module.programs):
            if module.folder == "kubernetes":
                raise LabError(
                    "kubectl is not on PATH: install it (the lab builds it only together with Kubernetes, LAB_IMAGES=build)."
                )
            build_go(module, version)
