# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A segment of network namespaces: a switch, a prober and hosts. All names begin with ``l2w-``; all are deleted
afterwards."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).parent
SCRIPTS = {"responder": HERE / "responder.py", "probe": HERE / "probe_here.py"}


def why_not():
    """Why namespaces cannot be made here; empty when they can."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "not root: making network namespaces needs CAP_SYS_ADMIN"
    if shutil.which("ip") is None:
        return "no ip command (Debian package iproute2)"
    done = subprocess.run(["ip", "netns", "add", f"l2w-{os.getpid()}-try"], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"network namespaces cannot be made: {done.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", f"l2w-{os.getpid()}-try"], check=False)
    return ""


REASON = why_not()


def pytest_collection_modifyitems(items):
    for item in items:
        if REASON and HERE in pathlib.Path(str(item.path)).parents:
            item.add_marker(pytest.mark.skip(reason=REASON))


def await_that(condition, what, seconds=10.0):
    """Wait until ``condition()`` is true; fail with ``what`` when it doesn't become so."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not so within {seconds} s: {what}")
        time.sleep(0.01)


class Segment:
    """One broadcast domain. Hosts are namespaces with interface ``eth0`` on the switch."""

    def __init__(self, tag):
        self.tag = f"l2w-{tag}"
        self.namespaces = []
        self.processes = []
        self.macs = {}
        self._number = 0
        self.namespace("sw")
        self.ip("sw", "link add br0 type bridge mcast_snooping 0 forward_delay 0")
        self.ip("sw", "link set br0 up")

    def name(self, host):
        return f"{self.tag}-{host}"

    def ip(self, host, command, check=True):
        return subprocess.run(
            ["ip", "-n", self.name(host), *command.split()], check=check, capture_output=True, text=True
        )

    def namespace(self, host):
        subprocess.run(["ip", "netns", "add", self.name(host)], check=True)
        self.namespaces.append(host)
        self.ip(host, "link set lo up")

    def host(self, host, *addresses):
        """A new namespace on the segment."""
        self.namespace(host)
        self.attach(host, "eth0", *addresses)
        return self

    def attach(self, host, link, *addresses):
        """A further interface of a host on the segment."""
        self._number += 1
        port = f"p{self._number}"
        self.ip("sw", f"link add {port} type veth peer name {link} netns {self.name(host)}")
        self.ip("sw", f"link set {port} master br0 up")
        self.exec(
            host, "sysctl", "-qw", f"net.ipv6.conf.{link}.accept_dad=0", f"net.ipv6.conf.{link}.router_solicitations=0"
        )
        self.ip(host, f"link set {link} up")
        self.add(host, *addresses, link=link)
        await_that(
            lambda: "fe80" in self.ip(host, f"-6 addr show dev {link} scope link").stdout,
            f"{host} {link} has a link-local address",
        )
        await_that(
            lambda: "tentative" not in self.ip(host, f"-6 addr show dev {link}").stdout,
            f"{host} {link} is not tentative",
        )
        await_that(
            lambda: "forwarding" in self.exec_out("sw", "bridge", "link", "show", "dev", port), f"{port} forwards"
        )
        output = self.exec_out(host, "cat", f"/sys/class/net/{link}/address")
        self.macs[host if link == "eth0" else f"{host}/{link}"] = output.strip()

    def add(self, host, *addresses, link="eth0"):
        lines = []
        for address in addresses:
            length = "" if "/" in address else "/64" if ":" in address else "/22"
            lines.append(f"addr add {address}{length} dev {link}" + (" nodad" if ":" in address else ""))
        command = ["ip", "-n", self.name(host), "-batch", "-"]
        subprocess.run(command, input="\n".join(lines), text=True, check=True, capture_output=True)

    def exec(self, host, *command):
        command = ["ip", "netns", "exec", self.name(host), *command]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    def exec_out(self, host, *command):
        return self.exec(host, *command).stdout

    def responder(self, host, *addresses, **wish):
        """A scripted host (see responder.py) in a new namespace, or on an interface of an existing one."""
        link = wish.pop("link", "eth0")
        if host not in self.namespaces:
            self.host(host)
        wish.update(interface=link, addresses=list(addresses))
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.name(host), sys.executable, str(SCRIPTS["responder"]), json.dumps(wish)],
            stdout=subprocess.PIPE,
        )
        self.processes.append(process)
        assert process.stdout.readline() == b"ready\n"
        return self

    def start_probe(self, before=(), host="probe", **wish):
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.name(host), *before, sys.executable, str(SCRIPTS["probe"])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        process.stdin.write(json.dumps(wish))
        process.stdin.close()
        return process

    await_that = staticmethod(await_that)

    @staticmethod
    def result(process):
        output = process.stdout.read()
        errors = process.stderr.read()
        process.wait(60)
        assert process.returncode == 0, errors
        return json.loads(output)

    def probe(self, *targets, **wish):
        """Probe from host ``probe``: the result as l2_probe returns it, or ``error`` and ``reason``."""
        return self.result(self.start_probe(targets=list(targets), **wish))

    def delete(self):
        for process in self.processes:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        for host in self.namespaces:
            subprocess.run(["ip", "netns", "del", self.name(host)], check=False)


@pytest.fixture
def segment():
    """An empty segment with a prober at 10.77.0.1/22 and fd77::1/64."""
    made = Segment(f"{os.getpid()}-{time.monotonic_ns() % 1000000}")
    try:
        made.host("probe", "10.77.0.1", "fd77::1")
        yield made
    finally:
        made.delete()
