#!/usr/bin/env python3
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast and how truthful the sweep is, beside arp-scan, nmap and iputils' arping, all in the same run.

    make bench                                     all of it, the lab included where it stands
    sudo python tests/bench/bench_wire.py [--runs 5] [--parts kernel duplicates speaker module lab] [--json FILE] [--check]

Everything but the part lab happens in network namespaces of its own (``l2w-bench-*``, deleted at the end); no frame leaves the
machine. Tools that are not installed are left out. ``--arping PROGRAM`` names iputils' arping where another program has the name.

Parts:
    kernel      51, 253 and 1021 addresses, all, half or a quarter of them live; wall time of the whole process
    duplicates  5 of 51 addresses held by a second host that answers 0, 5, 50 or 200 ms late
    speaker     51, 250 and 1000 addresses of MetalLB's own responder (built from the Go module with the ``go`` command, or
                --responder PROGRAM), also stopped for 90 of every 100 ms as a small CPU limit does; --speaker-runs times
    module      the whole Ansible task (needs ansible on PATH), against a task that does nothing
    lab         51 services of real speakers in the lab (after ``. .lab/env.sh``), asked from its LAN client; the tools as processes,
                and the whole Ansible task over SSH

``--check`` fails unless the goals of the project are met: see ``GOALS`` below.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "netns"))

ENGINE = """
import sys
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import _probe, _sweep, _targets
with open(sys.argv[1]) as file:
    wanted = _targets.parse_targets(file.read().split(), 5000)
settings = _sweep.Settings(window=int(sys.argv[2]) * 1000000)
result = _probe.probe(_probe.Request(wanted, settings=settings, unicast="never", fallback="fail"))
for target in result["targets"]:
    if target["macs"]:
        print(target["address"], *target["macs"])
"""
RESPONDER = """
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-kit/log"
	"go.universe.tf/metallb/internal/layer2"
)

func main() {
	announcer, err := layer2.New(log.NewNopLogger(), nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for len(announcer.GetInterfaces()) == 0 {
		time.Sleep(50 * time.Millisecond)
	}
	number := 0
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		if ip := net.ParseIP(scanner.Text()); ip != nil {
			announcer.SetBalancer(fmt.Sprint(number), layer2.NewIPAdvertisement(ip, true, nil))
			number++
		}
	}
	fmt.Println("ready", number)
	time.Sleep(24 * time.Hour)
}
"""
METALLB = "go.universe.tf/metallb@v0.15.3"

# (what, of which row, at most so many times the row's other tool)
GOALS = (
    ("all live, 100 ms window", "all", "l2ops (window 100)", "arp-scan tuned", 3.0),
    ("half silent", "half", "l2ops (window 100)", "arp-scan tuned", 0.8),
    ("half silent", "half", "l2ops (window 100)", "arp-scan default", 0.4),
    ("half silent", "half", "l2ops (window 100)", "nmap", 0.5),
)


def addresses(count, start=2):
    return [f"10.77.{number // 256}.{number % 256}" for number in range(start, start + count)]


class Bench:
    def __init__(self, options):
        from conftest import Segment

        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="l2w-bench-"))
        self.segment = Segment(f"bench-{os.getpid()}")  # one that was killed leaves its own behind
        self.segment.host("probe", "10.77.0.1")
        self.prefix = ["ip", "netns", "exec", self.segment.name("probe")]
        self.results = {"kernel": {}, "duplicates": {}, "speaker": {}, "module": {}, "lab": {}}
        self.environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.environment["PYTHONPYCACHEPREFIX"] = str(self.folder / "pycache")
        self.environment["PYTHONPATH"] = str(ROOT / ".lab" / "collections")

    @functools.cached_property
    def iputils(self):
        """Whether the arping here is iputils': another program of that name has other options."""
        if shutil.which(self.options.arping) is None:
            return False
        done = subprocess.run([self.options.arping, "-V"], capture_output=True, text=True, check=False)
        return "iputils" in done.stdout + done.stderr

    def close(self):
        self.segment.delete()
        shutil.rmtree(self.folder)

    def list_file(self, wanted):
        path = self.folder / "targets"
        path.write_text("\n".join(wanted) + "\n", encoding="ascii")
        return str(path)

    def tools(self, wanted, only=()):
        """Name -> command of every tool that is there."""
        file = self.list_file(wanted)
        found = {
            "l2ops (window 100)": [sys.executable, "-c", ENGINE, file, "100"],
            "l2ops (default)": [sys.executable, "-c", ENGINE, file, "250"],
        }
        if shutil.which("arp-scan"):
            scan = ["arp-scan", "-I", "eth0", "-f", file]
            found["arp-scan tuned"] = [*scan, "-N", "-q", "-i", "10u", "-r", "2", "-t", "300"]
            found["arp-scan default"] = scan
        if shutil.which("nmap"):
            found["nmap"] = ["nmap", "-sn", "-PR", "-n", "-e", "eth0", "-iL", file, "-oG", "-"]
        if self.iputils and len(wanted) <= 51:
            loop = f'while read a; do {self.options.arping} -f -c2 -w1 -I eth0 "$a"; done < {file}'
            found["arping loop"] = ["sh", "-c", loop]
        return {name: command for name, command in found.items() if not only or name in only}

    def run(self, name, command):
        """(wall ms, addresses found, addresses seen twice)"""
        begun = time.perf_counter()
        done = subprocess.run(
            [*self.prefix, *command], capture_output=True, text=True, check=False, env=self.environment
        )
        wall = (time.perf_counter() - begun) * 1000
        found, twice = {}, set()
        for line in done.stdout.splitlines():
            if name.startswith("l2ops"):
                address, *macs = line.split()
            elif name.startswith("arp-scan"):
                fields = line.split("\t")
                if len(fields) < 2 or not fields[0].startswith("10."):
                    continue
                address, macs = fields[0], [fields[1].split()[0]]
            elif name == "nmap":  # never more than one MAC per address
                if "Status: Up" not in line:
                    continue
                address, macs = line.split()[1], ["?"]
            elif line.startswith("Unicast reply from"):
                address, macs = line.split()[3], [line.split()[4]]
            else:
                continue
            known = found.setdefault(address, set())
            known.update(macs)
            if len(known) > 1:
                twice.add(address)
        return wall, set(found), twice

    # -- parts

    def kernel(self):
        steps = {"all": 1, "half": 2, "quarter": 4}
        for count in self.options.counts:
            wanted = addresses(count)
            for share in self.options.shares:
                step = steps[share]
                live = wanted[::step]
                host = f"n{count}{share}"
                self.segment.host(host, *live)
                row = self.results["kernel"].setdefault(f"{count} {share}", {})
                for _run in range(self.options.runs):
                    for name, command in self.tools(wanted).items():
                        if name == "arping loop" and (share != "all" or _run):
                            continue
                        wall, found, _twice = self.run(name, command)
                        cell = row.setdefault(name, {"ms": [], "missed": 0, "wrong": 0})
                        cell["ms"].append(round(wall, 1))
                        cell["missed"] += len(set(live) - found)
                        cell["wrong"] += len(found - set(live))
                self.segment.ip(host, "link del eth0")
                self.show("kernel", f"{count} {share}", row)

    def duplicates(self):
        wanted = addresses(51)
        self.segment.host("dup", *wanted)
        for position, twice in (("last", wanted[-5:]), ("first", wanted[:5])):
            for late in (0, 5, 50, 200):
                host = f"r{position}{late}"
                self.segment.responder(host, *twice, delay_ms=late)
                row = self.results["duplicates"].setdefault(f"{position} 5 of 51, {late} ms late", {})
                for _run in range(self.options.runs):
                    for name, command in self.tools(wanted).items():
                        if name == "arping loop":
                            continue
                        wall, _found, seen = self.run(name, command)
                        cell = row.setdefault(name, {"ms": [], "missed": 0})
                        cell["ms"].append(round(wall, 1))
                        cell["missed"] += len(set(twice) - seen)
                self.segment.processes[-1].kill()
                self.segment.ip(host, "link del eth0")
                self.show("duplicates", f"{position} {late} ms late", row)

    def build_responder(self):
        if self.options.responder:
            return self.options.responder
        target = ROOT / ".lab" / "cache" / "bench" / "metallb-responder"
        if target.exists():
            return str(target)
        if shutil.which("go") is None:
            print("speaker: left out, neither --responder nor the go command is there")
            return None
        print(f"speaker: building MetalLB's responder from {METALLB} …", flush=True)
        environment = {**os.environ, "GOFLAGS": "-mod=mod"}
        listing = subprocess.run(
            ["go", "mod", "download", "-json", METALLB], capture_output=True, text=True, check=True, env=environment
        )
        source = self.folder / "metallb"
        shutil.copytree(json.loads(listing.stdout)["Dir"], source)
        subprocess.run(["chmod", "-R", "u+w", str(source)], check=True)
        command = source / "cmd" / "l2ops-responder"
        command.mkdir(parents=True)
        (command / "main.go").write_text(RESPONDER, encoding="ascii")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["go", "build", "-o", str(target), "./cmd/l2ops-responder"], cwd=source, check=True, env=environment
        )
        return str(target)

    def speaker(self):
        program = self.build_responder()
        if program is None:
            return
        for count in (51, 250, 1000):
            wanted = addresses(count)
            host = f"s{count}"
            self.segment.host(host)
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.segment.name(host), program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self.segment.processes.append(process)
            process.stdin.write("\n".join(wanted) + "\n")
            process.stdin.close()
            if not process.stdout.readline().startswith("ready"):
                raise SystemExit("speaker: MetalLB's responder did not start")
            time.sleep(12)  # its interface scan (every 10 s) and the gratuitous announcements
            for starved in (False, True):
                label = f"{count}{' starved' if starved else ''}"
                row = self.results["speaker"].setdefault(label, {})
                stop = threading.Event()
                starver = threading.Thread(target=starve, args=(process.pid, stop), daemon=True)
                if starved:
                    starver.start()
                try:
                    ours = self.options.speaker_runs if count == 1000 else self.options.runs
                    for run in range(max(ours, self.options.runs)):
                        for name, command in self.tools(wanted).items():
                            if name == "arping loop":
                                continue
                            if name != "l2ops (default)" and run >= self.options.runs:
                                continue
                            wall, found, _twice = self.run(name, command)
                            cell = row.setdefault(name, {"ms": [], "found": []})
                            cell["ms"].append(round(wall, 1))
                            cell["found"].append(len(found & set(wanted)))
                finally:
                    stop.set()
                    if starved:
                        starver.join()
                self.show("speaker", label, row)
            process.kill()
            process.wait()
            self.segment.ip(host, "link del eth0")

    def module(self):
        if shutil.which("ansible") is None:
            print("module: left out, no ansible command on PATH")
            return
        wanted = addresses(51)
        self.segment.host("m51", *wanted)
        inventory = f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n"
        (self.folder / "hosts.ini").write_text(inventory, encoding="utf-8")
        environment = {**self.environment, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab" / "collections")}
        environment["ANSIBLE_LOCAL_TEMP"] = environment["ANSIBLE_REMOTE_TEMP"] = str(self.folder / "ansible")
        plays = {
            "a task that does nothing (ping)": ("ansible.builtin.ping", {}),
            "l2_probe, 51 addresses": ("l2ops.metallb.l2_probe", {"targets": wanted}),
        }
        command = [*self.prefix, "ansible", "-i", str(self.folder / "hosts.ini"), "localhost"]
        self.ansible("module", "whole ansible command", command, plays, environment)
        self.segment.ip("m51", "link del eth0")

    def ansible(self, part, label, command, plays, environment):
        row = self.results[part].setdefault(label, {})
        for _run in range(self.options.runs):
            for name, (module, arguments) in plays.items():
                more = ["-a", json.dumps(arguments)] if arguments else []
                begun = time.perf_counter()
                subprocess.run([*command, "-m", module, *more], check=True, capture_output=True, env=environment)
                cell = row.setdefault(name, {"ms": []})
                cell["ms"].append(round((time.perf_counter() - begun) * 1000, 1))
        self.show(part, label, row)

    def lab(self):
        """Real speakers: 51 services, announced by the lab's nodes, asked from the lab's LAN client."""
        if not os.environ.get("L2OPS_INVENTORY"):
            print("lab: left out, no lab: make lab, make demo, then . .lab/env.sh")
            return
        sys.path.insert(0, str(ROOT / "tests" / "lab"))
        from l2lab import host
        from l2lab.settings import Settings

        settings = Settings()
        client = host.engine(settings).run("inspect", "-f", "{{.State.Pid}}", settings.client).stdout.strip()
        wanted = [settings.host(number) for number in range(100, 151)]
        made = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(lab_objects(wanted))})
        before, self.prefix = self.prefix, ["nsenter", "-t", client, "-n"]
        try:
            subprocess.run(["kubectl", "apply", "-f", "-"], input=made, text=True, check=True, capture_output=True)
            row = self.results["lab"].setdefault("51 services of real speakers", {})
            tools = self.tools(wanted)
            self.await_all(tools["l2ops (default)"], set(wanted))
            for run in range(self.options.runs):
                for name, command in tools.items():
                    if name == "arping loop" and run:
                        continue
                    wall, found, _twice = self.run(name, command)
                    cell = row.setdefault(name, {"ms": [], "missed": 0})
                    cell["ms"].append(round(wall, 1))
                    cell["missed"] += len(set(wanted) - found)
            self.show("lab", "51 services of real speakers", row)
            if shutil.which("ansible") is not None:
                plays = {
                    "a task that does nothing (ping)": ("ansible.builtin.ping", {}),
                    "l2_probe, 51 addresses": ("l2ops.metallb.l2_probe", {"targets": wanted}),
                }
                self.ansible(
                    "lab", "whole ansible command, over SSH", ["ansible", "lan-client"], plays, dict(os.environ)
                )
        finally:
            self.prefix = before
            subprocess.run(
                ["kubectl", "delete", "--ignore-not-found", "-f", "-"],
                input=made, text=True, check=False, capture_output=True,
            )  # fmt: skip

    def await_all(self, command, wanted, seconds=90):
        """Wait until every service has its address and is announced."""
        end = time.monotonic() + seconds
        while True:
            _wall, found, _twice = self.run("l2ops", command)
            if found >= wanted:
                return
            if time.monotonic() > end:
                raise SystemExit(
                    f"lab: {len(wanted - found)} of {len(wanted)} services do not answer within {seconds} s. "
                    "They stand before the demo's pods: make demo, or python3 tests/lab/lab.py services"
                )
            time.sleep(1)

    # -- telling

    @staticmethod
    def show(part, label, row):
        print(f"\n{part}: {label}")
        for name, cell in row.items():
            more = ""
            if "missed" in cell:
                more += f"  missed {cell['missed']} in {len(cell['ms'])} runs"
            if cell.get("wrong"):
                more += f"  wrong {cell['wrong']}"
            if "found" in cell:
                more += f"  found least {min(cell['found'])}, median {statistics.median(cell['found']):g}"
                more += f" of {len(cell['found'])} runs"
            ms = cell["ms"]
            print(
                f"  {name:34} median {statistics.median(ms):8.1f} ms  least {min(ms):8.1f}  most {max(ms):8.1f}{more}"
            )
        sys.stdout.flush()

    def unmet(self):
        """What of the goals is not reached, in sentences."""
        wrong = []
        sweeps = [(label, label.split()[1], row) for label, row in self.results["kernel"].items()]
        sweeps += [(label, "all", row) for label, row in self.results["lab"].items()]
        for label, share, row in sweeps:
            for what, which, ours, theirs, most in GOALS:
                if which != share or theirs not in row:
                    continue
                ratio = statistics.median(row[ours]["ms"]) / statistics.median(row[theirs]["ms"])
                print(f"goal: {label}: {ours} / {theirs} = {ratio:.2f} (at most {most})")
                if ratio > most:
                    wrong.append(f"{label}, {what}: {ratio:.2f} times {theirs}, at most {most}")
            wrong += [f"{label}: {name} missed" for name, cell in row.items() if "l2ops" in name and cell["missed"]]
        for label, row in self.results["duplicates"].items():
            if row["l2ops (default)"]["missed"]:
                wrong.append(f"{label}: {row['l2ops (default)']['missed']} duplicates missed")
        for label, row in self.results["speaker"].items():
            least = min(row["l2ops (default)"]["found"])
            if least < int(label.split()[0]):
                wrong.append(f"speaker {label}: found only {least}")
        return wrong


def lab_objects(addresses):
    """A pool of its own, its advertisement, and a service for each address in front of the demo's pods."""
    for kind, spec in (
        ("IPAddressPool", {"addresses": [f"{addresses[0]}-{addresses[-1]}"], "autoAssign": False}),
        ("L2Advertisement", {"ipAddressPools": ["bench"]}),
    ):
        metadata = {"name": "bench", "namespace": "metallb-system"}
        yield {"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}
    for number, address in enumerate(addresses):
        asks = {"metallb.io/loadBalancerIPs": address}
        metadata = {"name": f"bench-{number}", "namespace": "default", "annotations": asks}
        spec = {"type": "LoadBalancer", "selector": {"app": "my-nginx"}, "ports": [{"port": 80}]}
        yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def starve(pid, stop):
    """Let a process run for 10 of every 100 ms."""
    try:
        while not stop.is_set():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.09)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.01)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("kernel", "duplicates", "speaker", "module", "lab")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="+", default=[51, 253, 1021], help="of part kernel")
    parser.add_argument("--shares", nargs="+", choices=("all", "half", "quarter"), default=["all", "half", "quarter"])
    parser.add_argument("--speaker-runs", type=int, default=100)
    parser.add_argument("--responder", help="MetalLB's responder, built beforehand")
    parser.add_argument("--arping", default="arping", help="iputils' arping")
    parser.add_argument("--json", help="write all numbers to this file")
    parser.add_argument("--check", action="store_true", help="fail unless the goals are met")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("network namespaces need root: run it with sudo")
    bench = Bench(options)
    try:
        for part in options.parts:
            getattr(bench, part)()
        wrong = bench.unmet()
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(bench.results, indent=1), encoding="utf-8")
    finally:
        bench.close()
    for sentence in wrong:
        print(f"not reached: {sentence}")
    return 1 if options.check and wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
