# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab is to be: read from LAB_* variables, checked, and everything else derived from it."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from .ui import LabError

ROOT = Path(__file__).resolve().parents[3]
LAB_SOURCE = ROOT / "tests" / "lab"
STATE = ROOT / ".lab"
DEFAULT_CLUSTER = "l2ops"
TALOS_CLUSTER = "talos"
CLUSTER = os.environ.get("LAB_CLUSTER", "").strip() or DEFAULT_CLUSTER
# Labs of other names stand side by side with the default one, and share what was built.
RUN = {DEFAULT_CLUSTER: STATE, TALOS_CLUSTER: STATE / "talos"}.get(CLUSTER, STATE / "clusters" / CLUSTER)

KUBERNETES = "v1.34.2"
ETCD = "3.6.5-0"
PAUSE = "3.10.1"
METALLB = "v0.15.3"
METALLB_VERSIONS = (METALLB, "v0.14.9", "v0.16.1", "v0.16.2")
AGNHOST = "2.57"
TALOS = "v1.12.0"
# The name kind v0.30.0 asks for when there is more than one control plane.
HAPROXY_IMAGE = "docker.io/kindest/haproxy:v20230606-42a2262b"
# The newest node image published for kind v0.30.0; used only where images can be pulled.
PUBLISHED_NODE_IMAGE = "docker.io/kindest/node:v1.34.0"
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"


def _number(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdigit() or not least <= int(text) <= most:
        raise LabError(f"{name}={text!r} must be a whole number from {least} to {most}.")
    return int(text)


def _choice(name: str, *allowed: str) -> str:
    text = os.environ.get(name, "").strip() or allowed[0]
    if text not in allowed:
        raise LabError(f"{name}={text!r} must be one of {', '.join(allowed)}.")
    return text


def _subnet() -> ipaddress.IPv4Network:
    text = os.environ.get("LAB_SUBNET", "").strip() or "192.168.7.0/24"
    try:
        net = ipaddress.IPv4Network(text)
    except ValueError as why:
        raise LabError(f"LAB_SUBNET={text!r} is no IPv4 network ({why}). Example: LAB_SUBNET=10.77.0.0/24") from None
    if net.prefixlen > 24 or net.prefixlen < 16 or not net.is_private:
        raise LabError(f"LAB_SUBNET={text} must be a private network of /16 to /24: the pool is its .200 to .250.")
    return net


@dataclass(frozen=True)
class Settings:
    """The lab's shape. Addresses follow the source document: nodes low, pool .200-.250, services .200, .201, .203."""

    cluster: str = CLUSTER
    workers: int = field(default_factory=lambda: _number("LAB_WORKERS", 3, 0, 9))
    control_planes: int = field(default_factory=lambda: _number("LAB_CONTROL_PLANES", 1, 1, 5))
    dual_stack: bool = field(default_factory=lambda: _choice("LAB_DUAL_STACK", "1", "0") == "1")
    images: str = field(default_factory=lambda: _choice("LAB_IMAGES", "auto", "build", "pull"))
    engine: str = field(default_factory=lambda: _choice("LAB_ENGINE", "auto", "podman", "docker"))
    metallb: str = field(default_factory=lambda: _choice("LAB_METALLB", *METALLB_VERSIONS))
    install: bool = field(default_factory=lambda: _choice("LAB_INSTALL", "1", "0") == "1")
    subnet: ipaddress.IPv4Network = field(default_factory=_subnet)

    def host(self, number: int) -> str:
        return str(self.subnet.network_address + number)

    @property
    def subnet6(self) -> ipaddress.IPv6Network:
        """fd00:192:168:7::/64 for 192.168.7.0/24: of its own for each lab, so that dual-stack labs stand side by side."""
        octets = str(self.subnet.network_address).split(".")
        return ipaddress.IPv6Network(f"fd00:{octets[0]}:{octets[1]}:{octets[2]}::/64")

    def host6(self, number: int) -> str:
        return str(self.subnet6.network_address + number)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,20}", self.cluster):
            raise LabError(f"LAB_CLUSTER={self.cluster!r} must be lower case letters, digits and dashes, at most 21.")

    @property
    def network(self) -> str:
        return f"{self.cluster}-lan"

    @property
    def client(self) -> str:
        return f"{self.cluster}-lan-client"

    @property
    def rogue(self) -> str:
        return f"{self.cluster}-rogue"

    @property
    def gateway(self) -> str:
        return self.host(1)

    @property
    def pool(self) -> list[str]:
        pools = [f"{self.host(200)}-{self.host(250)}"]
        if self.dual_stack:
            pools.append(f"{self.host6(0x200)}-{self.host6(0x250)}")
        return pools

    @property
    def containers_range(self) -> str:
        """What the engine may hand out: the first quarter of the last octet, so that a pool address never goes to a container."""
        return f"{self.subnet.network_address}/26"

    @property
    def node_names(self) -> list[str]:
        def names(role: str, count: int) -> list[str]:
            return [f"{self.cluster}-{role}{n if n > 1 else ''}" for n in range(1, count + 1)]

        return names("control-plane", self.control_planes) + names("worker", self.workers)

    @property
    def services(self) -> dict[str, dict[str, str]]:
        """The source document's three services and their addresses."""
        return {
            "traefik/traefik": {"address": self.host(203)},
            "default/my-nginx": {"address": self.host(201)},
            "default/nginx-lb-service": {"address": self.host(200)},
        }

    def shape(self) -> dict[str, object]:
        """What must be equal for a running lab to be the wanted one."""
        return {
            "cluster": self.cluster,
            "workers": self.workers,
            "control_planes": self.control_planes,
            "dual_stack": self.dual_stack,
            "subnet": str(self.subnet),
        }


BIN = STATE / "bin"
CACHE = STATE / "cache"
STAMPS = STATE / "stamps"
LOGS = RUN / "log"
KUBECONFIG = RUN / "kubeconfig"
SSH_KEY = RUN / "ssh" / "id_ed25519"
INVENTORY = RUN / "inventory.yml"
ENV_SH = RUN / "env.sh"
SHAPE = RUN / "shape.json"
