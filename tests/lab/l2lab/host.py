# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine the lab runs on: what it lacks, what must be installed, which container engine works and with which settings."""

from __future__ import annotations

import ipaddress
import json
import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from .settings import LOGS, STATE, Settings
from .ui import LabError, run, say, stage

# program -> Debian package
RUN_PACKAGES = {
    "podman": "podman",
    "netavark": "netavark",
    "aardvark-dns": "aardvark-dns",
    "runc": "runc",
    "newuidmap": "uidmap",
    "catatonit": "catatonit",
    "ip": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ssh": "openssh-client",
    "openssl": "openssl",
}
BUILD_PACKAGES = {"mmdebstrap": "mmdebstrap"}
EXTRA_FOLDERS = ("/usr/lib/podman", "/usr/libexec/podman", "/usr/sbin", "/sbin", "/usr/lib/dpkg")


def find(program: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), *EXTRA_FOLDERS])
    return shutil.which(program, path=path)


def is_root() -> bool:
    return os.geteuid() == 0


def install(programs: dict[str, str]) -> None:
    """Install Debian packages for programs that are not there; names them before it does."""
    lacking = {program: package for program, package in programs.items() if not find(program)}
    if not lacking:
        return
    packages = sorted(set(lacking.values()))
    command = "apt-get install --no-install-recommends " + " ".join(packages)
    why = f"The lab needs {', '.join(sorted(lacking))}, which this machine lacks"
    if os.environ.get("LAB_INSTALL", "1") == "0":
        raise LabError(f"{why}, and LAB_INSTALL=0 forbids installing. Install: {', '.join(packages)}")
    if not shutil.which("apt-get"):
        raise LabError(f"{why}, and there is no apt-get here. Install their equivalents by hand: {', '.join(packages)}")
    if not is_root():
        raise LabError(f"{why}, and installing takes root. Run as root: {command}")
    say(f"To be installed as root, as Debian packages: {', '.join(packages)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with stage("Installing Debian packages", "20 s"):
        run(["apt-get", "update", "-qq"], log=LOGS / "apt.log", env=quiet)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], log=LOGS / "apt.log", env=quiet)


@dataclass(frozen=True)
class Engine:
    """A container engine that works here: its name and the environment that each of its calls needs."""

    name: str
    env: dict[str, str]

    def run(
        self,
        *args: str | Path,
        check: bool = True,
        log: Path | None = None,
        stdin: str | None = None,
        timeout: float | None = None,
    ):  # type: ignore[no-untyped-def]
        return run([self.name, *args], env=self.env, check=check, log=log, stdin=stdin, timeout=timeout)

    def exists(self, kind: str, name: str) -> bool:
        return self.run(kind, "inspect", name, check=False).returncode == 0

    def bridge(self, network: str) -> str | None:
        """The network's bridge on this machine; None without the network."""
        out = self.run("network", "inspect", network, check=False).stdout
        for facts in json.loads(out or "[]"):
            return str(facts.get("network_interface") or f"br-{facts.get('Id', '')[:12]}")
        return None

    def address(self, container: str) -> str:
        """The container's IPv4 address on its (one) network."""
        out = self.run("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container).stdout
        return out.strip()

    def execute(
        self, container: str, *command: str, check: bool = True, stdin: str | None = None, timeout: float | None = None
    ):  # type: ignore[no-untyped-def]
        flags = ["-i"] if stdin is not None else []
        return self.run("exec", *flags, container, *command, check=check, stdin=stdin, timeout=timeout)


def _podman_config() -> dict[str, str]:
    """Settings for a machine whose root may not raise limits or whose cgroups are v1: by file and environment, never in /etc."""
    lines = ["[containers]", "pids_limit = 0"]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 1048576:
        lines.append('default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]')
    lines.append("[engine]")
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        lines += ['cgroup_manager = "cgroupfs"', 'runtime = "runc"', 'events_logger = "file"']
    lines += ["[network]", 'network_backend = "netavark"']
    target = STATE / "etc" / "containers.conf"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"CONTAINERS_CONF": str(target)}


def engine(settings: Settings) -> Engine:
    """The engine to use: Docker where its daemon answers, else podman (installed if need be), which has to be root's."""
    if settings.engine in ("auto", "docker") and shutil.which("docker"):
        if run(["docker", "version"], check=False, timeout=20).returncode == 0:
            return Engine("docker", {})
        if settings.engine == "docker":
            raise LabError(
                "LAB_ENGINE=docker, but no Docker daemon answers. Start it, or unset LAB_ENGINE to use podman."
            )
    if settings.engine == "docker":
        raise LabError("LAB_ENGINE=docker, but there is no docker here. Install it, or unset LAB_ENGINE to use podman.")
    if not is_root():
        raise LabError(
            "The lab needs a real LAN between containers: run it as root with podman, or start a Docker daemon that you may use."
        )
    install(RUN_PACKAGES)
    found = Engine("podman", _podman_config())
    found.run("info", "--format", "{{.Host.OCIRuntime.Name}}", timeout=60)
    return found


def prepare_host() -> None:
    """The one thing outside .lab that kind insists on."""
    modules = Path("/lib/modules")
    if not modules.exists():
        if not is_root():
            raise LabError("/lib/modules does not exist, and kind mounts it. As root: mkdir /lib/modules")
        say("Making the empty folder /lib/modules, which kind mounts and this machine lacks")
        modules.mkdir()


def check_forwarding() -> None:
    """Bridged frames pass the FORWARD chain where br_netfilter is on; a dropping policy silently kills pod traffic."""
    if Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists() and is_root() and find("iptables"):
        policy = run([str(find("iptables")), "-S", "FORWARD"], check=False).stdout.splitlines()[:1]
        called = Path("/proc/sys/net/bridge/bridge-nf-call-iptables").read_text(encoding="ascii").strip()
        if policy == ["-P FORWARD DROP"] and called == "1":
            raise LabError(
                "The iptables FORWARD policy is DROP (a Docker daemon was started here?) and bridged traffic passes it: pods "
                "would not reach each other. Fix: iptables -P FORWARD ACCEPT, or stop that daemon and run it."
            )


# inotify instances that a node takes, measured: 27 on a control plane, 14 on a worker; some to spare.
WATCHERS_CONTROL_PLANE, WATCHERS_WORKER, WATCHERS_ENOUGH = 32, 16, 1024
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")


def watchers_in_use(proc: Path = Path("/proc")) -> int:
    """inotify instances of all processes; of those that may not be looked at, none."""
    return sum(_is_watcher(one) for table in proc.glob("[0-9]*/fd") for one in _listed(table))


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # ended meanwhile, or somebody else's
        return []


def _is_watcher(descriptor: Path) -> bool:
    # One by one: the descriptor that the listing itself used is always gone by now.
    try:
        return str(descriptor.readlink()) == "anon_inode:inotify"
    except OSError:
        return False


def allow_watchers(settings: Settings) -> None:
    """A kubelet that gets no inotify instance dies ("too many open files"), and with it the third control plane's etcd."""
    if not INOTIFY.exists():
        return
    limit = int(INOTIFY.read_text(encoding="ascii"))
    need = watchers_in_use()
    need += settings.control_planes * WATCHERS_CONTROL_PLANE + settings.workers * WATCHERS_WORKER
    if need <= limit:
        return
    more = max(WATCHERS_ENOUGH, 2 * need)
    say(
        f"Raising the kernel's fs.inotify.max_user_instances from {limit} to {more} until the next boot: the nodes need {need}"
    )
    try:
        INOTIFY.write_text(str(more), encoding="ascii")
    except OSError as why:
        raise LabError(
            f"The kernel allows {limit} inotify instances, and the nodes of this lab need {need} ({why.strerror}). "
            f"As root: sysctl -w fs.inotify.max_user_instances={more}; or fewer nodes: LAB_WORKERS=1"
        ) from None


def check_subnet(settings: Settings, found: Engine) -> None:
    """Refuse a subnet that this machine already routes elsewhere, rather than shadow the user's own LAN."""
    own = found.bridge(settings.network)
    routes = json.loads(run([find("ip") or "ip", "-j", "-4", "route", "show", "table", "all"]).stdout or "[]")
    for route in routes:
        if (
            route.get("dst") in (None, "default")
            or route.get("dev") == own
            or route.get("type") in ("broadcast", "local", "multicast")
        ):
            continue
        net = ipaddress.ip_network(route["dst"], strict=False)
        if net.version == 4 and net.overlaps(settings.subnet) and net.prefixlen > 0:
            raise LabError(
                f"This machine already routes {net} (interface {route.get('dev', '?')}), which overlaps the lab's {settings.subnet}. "
                "The lab would cut you off from it. Choose a free one: make lab LAB_SUBNET=10.77.0.0/24"
            )
