# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster, the LAN and the client on it: made, looked at, taken down."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import time
from pathlib import Path
from typing import Any, Callable

from . import build
from .host import Engine, allow_watchers, check_forwarding, check_subnet, prepare_host
from .settings import (
    BIN,
    ENV_SH,
    EXCLUDE_LABEL,
    INVENTORY,
    KUBECONFIG,
    KUBERNETES,
    LAB_SOURCE,
    LOGS,
    METALLB,
    PUBLISHED_NODE_IMAGE,
    ROOT,
    RUN,
    SHAPE,
    SSH_KEY,
    STATE,
    TALOS_CLUSTER,
    Settings,
)  # fmt: skip
from .ui import LabError, run, say, stage


def kubectl(*args: str, stdin: str | None = None, check: bool = True, timeout: float | None = 120) -> str:
    return run([BIN / "kubectl", "--kubeconfig", KUBECONFIG, *args], stdin=stdin, check=check, timeout=timeout).stdout


def kubectl_json(*args: str) -> Any:
    return json.loads(kubectl(*args, "-o", "json"))


def wait_for(what: str, holds: Callable[[], bool], seconds: float, hint: str = "") -> None:
    """Await a condition, bounded; on time-out the message says what was awaited."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise LabError(f"Waited {seconds:.0f} s in vain for {what}. {hint}".rstrip())
        time.sleep(0.25)


def answers() -> bool:
    return KUBECONFIG.exists() and "ok" in kubectl(
        "get", "--raw", "/readyz", "--request-timeout=5s", check=False, timeout=20
    )


def up(settings: Settings, engine: Engine) -> None:
    """Everything that `make lab` promises; what stands already is left alone."""
    RUN.mkdir(parents=True, exist_ok=True)
    prepare_host()
    check_forwarding()
    check_subnet(settings, engine)
    pulled = build.prefer_pull(engine, settings.images, PUBLISHED_NODE_IMAGE)
    if pulled:
        build.client_programs()
        images, chart = build.Images(PUBLISHED_NODE_IMAGE, pulled_client(engine)), None
    else:
        images, chart = build.build_images(engine), build.metallb_chart(settings.metallb)
    shape = {**settings.shape(), "node_image": images.node, "client_image": images.client}
    if SHAPE.exists() and json.loads(SHAPE.read_text(encoding="utf-8")) == shape and answers():
        say(f"The lab is up already: cluster {settings.cluster}, {len(settings.node_names)} nodes")
    else:
        down(settings, engine, quiet=True)
        allow_watchers(settings)
        create_network(settings, engine)
        with stage(
            f"Creating cluster {settings.cluster}: {settings.control_planes} control plane(s), {settings.workers} worker(s)",
            "40 s",
        ):
            create_cluster(settings, engine, images.node, pulled)
        SHAPE.write_text(json.dumps(shape, indent=1), encoding="utf-8")
    start_client(settings, engine, images.client)
    if not pulled and settings.metallb != METALLB:
        load_metallb(settings, engine)
    write_files(settings, engine, chart)


def load_metallb(settings: Settings, engine: Engine) -> None:
    """The images of one of MetalLB's other versions, into the nodes of a lab that stands."""
    archive = build.metallb_images(settings.metallb)
    key = build.digest(archive)
    mark = f"/kind/{archive.stem}"
    without = [
        node for node in settings.node_names if engine.execute(node, "cat", mark, check=False).stdout.strip() != key
    ]
    if without:
        with stage(f"Loading the images of MetalLB {settings.metallb} into {len(without)} nodes", "10 s"):
            for node in without:
                engine.run("cp", archive, f"{node}:/kind/metallb.tar")
                load = f"ctr -n k8s.io images import /kind/metallb.tar && rm /kind/metallb.tar && echo {key} > {mark}"
                engine.execute(node, "sh", "-ec", load)


def pulled_client(engine: Engine) -> str:
    """The LAN client on a machine with a registry: the same Containerfile on Debian's published image plus its packages."""
    image = "localhost/l2ops-lan-client:pulled"
    if not engine.exists("image", image):
        base = "FROM docker.io/library/debian:bookworm-slim\nRUN apt-get update && apt-get install -y --no-install-recommends "
        base += "openssh-server python3 iproute2 arping tcpdump catatonit procps && rm -rf /var/lib/apt/lists/*\n"
        with stage("Building the LAN client image", "60 s"):
            engine.run("build", "-t", "localhost/l2ops-base:pulled", "-", stdin=base, log=LOGS / "images.log")
            engine.run(
                "build",
                "--build-arg",
                "BASE=localhost/l2ops-base:pulled",
                "-t",
                image,
                build.FILES / "client",
                log=LOGS / "images.log",
            )
    return image


def create_network(settings: Settings, engine: Engine) -> None:
    if engine.exists("network", settings.network):
        return
    flags = ["--subnet", str(settings.subnet), "--gateway", settings.gateway, "--ip-range", settings.containers_range]
    if settings.dual_stack:
        flags += ["--ipv6", "--subnet", str(settings.subnet6), "--gateway", settings.host6(1)]
    try:
        engine.run("network", "create", "--driver", "bridge", *flags, settings.network, log=LOGS / "cluster.log")
    except LabError as why:
        if "already used" not in str(why) and "overlaps" not in str(why):
            raise
        raise LabError(
            f"{engine.name} keeps {settings.subnet} for another of its networks (see: {engine.name} network ls). "
            "Choose a free one: make lab LAB_SUBNET=10.77.0.0/24"
        ) from None


def kind_config(settings: Settings, image: str, pulled: bool) -> dict[str, Any]:
    labels = {EXCLUDE_LABEL: ""}  # kubeadm puts it on control planes, as Talos does; the source's worker had it too
    nodes: list[dict[str, Any]] = [{"role": "control-plane", "image": image} for _ in range(settings.control_planes)]
    nodes += [{"role": "worker", "image": image, "labels": labels} for _ in range(settings.workers)]
    config: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": settings.cluster,
        "networking": {"kubeProxyMode": "nftables", "ipFamily": "dual" if settings.dual_stack else "ipv4"},
        "nodes": nodes,
    }
    if not pulled:
        config["networking"]["disableDefaultCNI"] = True
        config["kubeadmConfigPatches"] = [
            json.dumps({"kind": "InitConfiguration", "skipPhases": ["addon/coredns"]}),
            json.dumps({"kind": "KubeletConfiguration", "cgroupDriver": "cgroupfs", "failCgroupV1": False}),
        ]
    return config


def kind_env(settings: Settings, engine: Engine) -> dict[str, str]:
    env = {**engine.env, "KIND_EXPERIMENTAL_PROVIDER": engine.name}
    env[f"KIND_EXPERIMENTAL_{engine.name.upper()}_NETWORK"] = settings.network
    return env


def create_cluster(settings: Settings, engine: Engine, image: str, pulled: bool) -> None:
    config = RUN / "kind.json"  # JSON is YAML
    config.write_text(json.dumps(kind_config(settings, image, pulled), indent=1), encoding="utf-8")
    KUBECONFIG.resolve().unlink(missing_ok=True)
    run(
        [BIN / "kind", "create", "cluster", "--config", config, "--kubeconfig", KUBECONFIG, "--retain"],
        env=kind_env(settings, engine),
        log=LOGS / "cluster.log",
        timeout=600,
    )
    if not pulled:
        pod_routes(settings, engine)
    kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=180s", timeout=200)


def pod_routes(settings: Settings, engine: Engine) -> None:
    """A static route per node's pod networks on every other node: all that a network plugin would do on one LAN."""

    def cidrs() -> dict[str, list[str]]:
        return {n["metadata"]["name"]: n["spec"].get("podCIDRs", []) for n in kubectl_json("get", "nodes")["items"]}

    wait_for(
        "every node to get its pod CIDR", lambda: len(cidrs()) == len(settings.node_names) and all(cidrs().values()), 60
    )
    addresses = {
        n["metadata"]["name"]: [a["address"] for a in n["status"]["addresses"] if a["type"] == "InternalIP"]
        for n in kubectl_json("get", "nodes")["items"]
    }
    networks = cidrs()
    for node in settings.node_names:
        lines = []
        for other in settings.node_names:
            for network in networks[other] if other != node else []:
                via = next((a for a in addresses[other] if (":" in a) == (":" in network)), None)
                if via:
                    lines.append(f"route replace {network} via {via}")
        engine.execute(
            node,
            "sh",
            "-ec",
            "mkdir -p /kind && cat > /kind/routes && ip -batch /kind/routes",
            stdin="\n".join(lines) + "\n",
        )


def start_client(settings: Settings, engine: Engine, image: str) -> None:
    """The host on the LAN that is no node."""
    if engine.run("inspect", "-f", "{{.State.Running}}", settings.client, check=False).stdout.strip() != "true":
        engine.run("rm", "-f", settings.client, check=False)
        SSH_KEY.parent.mkdir(parents=True, exist_ok=True)
        if not SSH_KEY.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "l2ops-lab", "-f", SSH_KEY])
        keys = SSH_KEY.parent / "authorized_keys"
        shutil.copyfile(f"{SSH_KEY}.pub", keys)
        address = ["--ip", settings.host(62)]
        if settings.dual_stack:
            address += ["--ip6", settings.host6(62)]
        engine.run(
            "run", "-d", "--name", settings.client, "--hostname", "lan-client", "--network", settings.network, *address,
            "--cap-add", "NET_RAW", "--cap-add", "NET_ADMIN", "-v", f"{keys}:/etc/l2lab/authorized_keys:ro", image,
            log=LOGS / "cluster.log",
        )  # fmt: skip
    wait_for(
        "the LAN client to accept SSH",
        lambda: (
            run(["ssh", *ssh_options(), f"root@{settings.host(62)}", "true"], check=False, timeout=20).returncode == 0
        ),
        30,
        f"See: {engine.name} logs {settings.client}",
    )


def ssh_options() -> list[str]:
    # The container is made anew with every lab, and its host key with it.
    return [
        "-i", str(SSH_KEY), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
        "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=5",
    ]  # fmt: skip


def write_files(
    settings: Settings, engine: Engine, chart: Path | None, context: str = "", more: dict[str, Any] | None = None
) -> None:
    """.lab/inventory.yml and .lab/env.sh; `more` are variables of the cluster's host."""
    python = STATE / "venv" / "main" / "bin"
    cluster: dict[str, Any] = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "metallb_kubeconfig": str(KUBECONFIG),
        "metallb_context": context or f"kind-{settings.cluster}",
        "metallb_helm_binary": str(BIN / "helm"),
        "metallb_version": settings.metallb.lstrip("v"),
        "metallb_pool_addresses": settings.pool,
        "metallb_interfaces": ["eth0"],
        "metallb_gateway": [settings.gateway],
        "metallb_verify_services": [
            {"name": "traefik/traefik", "address": settings.host(203), "port": 80, "protocol": "http", "status": 200},
            {"name": "traefik/traefik", "address": settings.host(203), "port": 443, "protocol": "https", "status": 200},
            {"name": "default/my-nginx", "address": settings.host(201), "port": 80, "protocol": "http", "status": 200},
            {
                "name": "default/nginx-lb-service",
                "address": settings.host(200),
                "port": 80,
                "protocol": "http",
                "status": 200,
            },
        ],
    }
    cluster.update(more or {})
    if chart is not None:
        cluster["metallb_chart_ref"] = str(chart)
    probe = {
        "ansible_host": settings.host(62),
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(SSH_KEY),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_pipelining": True,
    }
    inventory = {
        "all": {
            "children": {
                "metallb_clusters": {"hosts": {"lab": cluster}},
                "metallb_probes": {"hosts": {"lan-client": probe}},
            }
        }
    }
    INVENTORY.write_text(
        "# Written by `make lab`; JSON is YAML.\n" + json.dumps(inventory, indent=2) + "\n", encoding="utf-8"
    )
    exports = exported(settings, engine)
    lines = ["# Written by `make lab`: . .lab/env.sh"] + [f"export {k}={shlex.quote(v)}" for k, v in exports.items()]
    lines.append(f'export PATH={shlex.quote(str(BIN))}:{shlex.quote(str(python))}:"$PATH"')
    ENV_SH.write_text("\n".join(lines) + "\n", encoding="utf-8")


def exported(settings: Settings, engine: Engine) -> dict[str, str]:
    """What .lab/env.sh sets, PATH apart, and what playbooks run from here get."""
    return {
        "KUBECONFIG": str(KUBECONFIG),
        "K8S_AUTH_KUBECONFIG": str(KUBECONFIG),
        "ANSIBLE_COLLECTIONS_PATH": str(STATE / "collections"),
        "ANSIBLE_INVENTORY": str(INVENTORY),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "L2OPS_INVENTORY": str(INVENTORY),
        # Whether Molecule's scenario default is to make kind's lab, and reset.yml its services.
        "L2OPS_LAB": "0" if settings.cluster == TALOS_CLUSTER else "1",
        "LAB_CLUSTER": settings.cluster,
        "LAB_METALLB": settings.metallb,
        **{
            f"LAB_{name.upper()}": str(int(value) if isinstance(value, bool) else value)
            for name, value in settings.shape().items()
            if name != "cluster"
        },
        **kind_env(settings, engine),
    }


def down(settings: Settings, engine: Engine, quiet: bool = False) -> None:
    if (BIN / "kind").exists():
        run(
            [BIN / "kind", "delete", "cluster", "--name", settings.cluster, "--kubeconfig", KUBECONFIG],
            env=kind_env(settings, engine),
            check=False,
        )
    for container in (settings.client, settings.rogue):
        engine.run("rm", "-f", "-v", container, check=False)
    if engine.exists("network", settings.network):
        engine.run("network", "rm", "-f" if engine.name == "podman" else "--force", settings.network, check=False)
    for file in (SHAPE, INVENTORY, ENV_SH, KUBECONFIG):
        file.resolve().unlink(missing_ok=True)
    if not quiet:
        say(
            f"The lab {settings.cluster} is down; what was built stays in {STATE.relative_to(ROOT) if STATE.is_relative_to(ROOT) else STATE}"
        )


def demo_certificate() -> Path:
    """The folder with tls.crt and tls.key of the demo services, made once for each lab."""
    certificate = RUN / "tls"
    if not (certificate / "tls.crt").exists():
        certificate.mkdir(parents=True, exist_ok=True)
        run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
             "-keyout", certificate / "tls.key", "-out", certificate / "tls.crt", "-subj", "/CN=traefik.lab.invalid"],
            log=LOGS / "services.log",
        )  # fmt: skip
    return certificate


def demo_manifests(settings: Settings) -> str:
    """The demo services and the pods behind them, with this lab's addresses."""
    text = (LAB_SOURCE / "manifests" / "services.yml").read_text(encoding="utf-8")
    for name, facts in settings.services.items():
        text = text.replace(f"ADDRESS({name})", facts["address"])
    return text


def services(settings: Settings) -> None:
    """The source document's services, as real pods behind them."""
    certificate = demo_certificate()
    secret = kubectl(
        "create", "secret", "tls", "demo-tls", "-n", "traefik", "--dry-run=client", "-o", "yaml",
        f"--cert={certificate / 'tls.crt'}", f"--key={certificate / 'tls.key'}",
    )  # fmt: skip
    kubectl("apply", "-f", "-", stdin=demo_manifests(settings))
    kubectl("apply", "-f", "-", stdin=secret)
    for deployment in ("traefik/traefik", "default/my-nginx", "default/nginx"):
        namespace, name = deployment.split("/")
        kubectl("-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=120s", timeout=150)


def status(settings: Settings, engine: Engine) -> None:
    if not answers():
        raise LabError("No lab is up (its API does not answer). Start it with: make lab")
    print(kubectl("get", "nodes", "-o", "wide", "-L", EXCLUDE_LABEL))
    print(kubectl("get", "services", "-A", "-o", "wide"))
    print(f"LAN client: {settings.client} {engine.address(settings.client)}; Kubernetes {KUBERNETES}; . .lab/env.sh")
    if os.environ.get("LAB_VERBOSE"):
        print(kubectl("get", "pods", "-A", "-o", "wide"))
