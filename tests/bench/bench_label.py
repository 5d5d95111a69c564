#!/usr/bin/env python3
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast module exclude_label takes a label off thousands of nodes, beside kubectl and beside the API server's own limit.

    make bench                                     as a part of it
    python tests/bench/bench_label.py [--nodes 1000 5000] [--runs 3] [--parts race nothing beside throttled] [--json FILE] [--check]

A bare kube-apiserver and etcd of the lab's programs (.lab/bin) on loopback, with Node objects of a kubelet's size and no nodes behind
them. The account is an ordinary one, so that the server's priority and fairness apply. Parts:
    race        by turns, `kubectl label nodes --all KEY-`, the leanest client there can be (Go: one list, then bare patches without any
                precondition, 32 or 128 at once: the API server's own limit), the module as a process, and the whole ansible command,
                whose fixed price is shown by a module that does nothing
    apart       the same by turns, but for the ansible command, with the API server as far away as a person's is: a relay delays
                what goes through it, so that a round trip takes so many milliseconds longer (--apart)
    nothing     what is sent when no node carries the label, by the API server's own count
    beside      another client writes to every node all the while: nothing of it may be lost, and the label is gone
    throttled   an API server that takes 4 requests at once and refuses the rest with 429: the label is gone, and nothing failed

``--check`` fails unless the goals are met: see ``unmet`` below.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".lab" / "bin"
COLLECTIONS = ROOT / ".lab" / "collections"
KEY = "node.kubernetes.io/exclude-from-external-load-balancers"
MODULE = "l2ops.metallb.exclude_label"
KUBECTL, PROCESS, TASK = "kubectl label nodes --all", "module, its process", "module, ansible command"
# What the two cost when there is nothing to do.
IDLE, NOOP = "module, nothing to do", "ansible command, ping"
LEAN = {32: "leanest client, 32 at once", 128: "leanest client, 128 at once"}
# How many times faster than kubectl, and how much slower than the API server's own limit.
FASTER, SLOWER = 5.0, 1.5

LEANEST = """
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type parcel struct {
	due  time.Time
	data []byte
}

// Every parcel arrives late, none waits for another: a distance, not a narrow line.
func pass(from, to net.Conn, late time.Duration) {
	road := make(chan parcel, 1024)
	go func() {
		for one := range road {
			time.Sleep(time.Until(one.due))
			if _, err := to.Write(one.data); err != nil {
				from.Close()
			}
		}
		to.Close()
	}()
	for {
		data := make([]byte, 32768)
		count, err := from.Read(data)
		if count > 0 {
			road <- parcel{time.Now().Add(late), data[:count]}
		}
		if err != nil {
			close(road)
			return
		}
	}
}

func listen(at, server string, late time.Duration) {
	listener, err := net.Listen("tcp", at)
	must(err)
	fmt.Println("listening")
	for {
		here, err := listener.Accept()
		must(err)
		there, err := net.Dial("tcp", server)
		must(err)
		go pass(here, there, late)
		go pass(there, here, late)
	}
}

func main() {
	server := flag.String("server", "", "")
	pki := flag.String("pki", "", "folder of the certificates")
	workers := flag.Int("workers", 32, "requests at once")
	create := flag.Int("create", 0, "make so many nodes of the object on standard input, then end")
	body := flag.String("patch", "", "for every node")
	manager := flag.String("manager", "leanest", "who writes it")
	selector := flag.String("selector", "", "of the nodes")
	seconds := flag.Float64("seconds", 0, "go on so long")
	relay := flag.String("relay", "", "listen there, and pass on to -server, late")
	late := flag.Duration("late", 0, "each way")
	flag.Parse()
	if *relay != "" {
		listen(*relay, *server, *late)
	}
	certificate, err := tls.LoadX509KeyPair(*pki+"/admin.crt", *pki+"/admin.key")
	must(err)
	authority, err := os.ReadFile(*pki + "/ca.crt")
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	// HTTP/1.1, a connection for each worker: on one HTTP/2 connection it was never faster.
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}},
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: *workers,
	}}
	const shape = "application/json;g=meta.k8s.io;v=v1;as=PartialObjectMetadata"
	call := func(method, path, kind, accept string, body []byte) []byte {
		for {
			request, err := http.NewRequest(method, *server+path, bytes.NewReader(body))
			must(err)
			request.Header.Set("Accept", accept)
			request.Header.Set("Content-Type", kind)
			answer, err := client.Do(request)
			must(err)
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			must(err)
			if answer.StatusCode == 429 {
				time.Sleep(100 * time.Millisecond)
				continue
			}
			if answer.StatusCode > 299 {
				must(fmt.Errorf("%s %s: %s %s", method, path, answer.Status, text))
			}
			return text
		}
	}
	each := func(names []string, work func(string)) {
		jobs := make(chan string)
		var group sync.WaitGroup
		for range *workers {
			group.Add(1)
			go func() {
				defer group.Done()
				for name := range jobs {
					work(name)
				}
			}()
		}
		for _, name := range names {
			jobs <- name
		}
		close(jobs)
		group.Wait()
	}
	var names []string
	if *create > 0 {
		object, err := io.ReadAll(os.Stdin)
		must(err)
		for number := range *create {
			names = append(names, fmt.Sprintf("node-%05d", number))
		}
		each(names, func(name string) {
			made := bytes.ReplaceAll(object, []byte("NAME"), []byte(name))
			call("POST", "/api/v1/nodes?fieldManager=kubelet", "application/json", shape, made)
		})
		return
	}
	var found struct{ Items []struct{ Metadata struct{ Name string } } }
	must(json.Unmarshal(call("GET", "/api/v1/nodes?labelSelector="+url.QueryEscape(*selector), "", shape+"List", nil), &found))
	for _, item := range found.Items {
		names = append(names, item.Metadata.Name)
	}
	end := time.Now().Add(time.Duration(*seconds * float64(time.Second)))
	for rounds := 1; ; rounds++ {
		text := bytes.ReplaceAll([]byte(*body), []byte("ROUND"), []byte(fmt.Sprint(rounds)))
		each(names, func(name string) {
			call("PATCH", "/api/v1/nodes/"+name+"?fieldManager="+*manager, "application/strategic-merge-patch+json", shape, text)
		})
		if !time.Now().Before(end) {
			fmt.Println(rounds)
			return
		}
	}
}
"""


def node() -> dict:
    """A Node as a kubelet keeps it: 11 kB, most of it the 50 images that it reports at most."""
    stamp = "2026-01-01T00:00:00Z"
    conditions = [
        {
            "type": kind,
            "status": "True" if kind == "Ready" else "False",
            "reason": f"KubeletHas{kind}",
            "message": f"kubelet has looked at {kind}",
            "lastHeartbeatTime": stamp,
            "lastTransitionTime": stamp,
        }
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]
    images = [
        {
            "names": [
                f"registry.example/team/program-{n}@sha256:{n:064x}",
                f"registry.example/team/program-{n}:v1.{n}",
            ],
            "sizeBytes": 10**7 + n,
        }
        for n in range(50)
    ]
    info = ("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion")
    info += ("machineID", "operatingSystem", "osImage", "systemUUID")
    labels = {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": "NAME"}
    room = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "NAME",
            "labels": {**labels, "topology.kubernetes.io/zone": "a"},
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"], "providerID": "bench://NAME"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": "NAME"}],
            "conditions": conditions,
            "capacity": room,
            "allocatable": room,
            "images": images,
            "nodeInfo": dict.fromkeys(info, "x" * 20),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Server:
    """etcd and kube-apiserver on loopback, their files in a folder of their own."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        folder.mkdir()
        self.processes: list[subprocess.Popen] = []
        self.url = f"https://127.0.0.1:{free_port()}"
        # Where those who are measured knock: at the server itself, or at a relay that is far away from it.
        self.door = self.url
        self._certificates()
        etcd, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._start(
            "etcd", "--data-dir", str(folder / "etcd"), "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        )  # fmt: skip
        self._start(
            "kube-apiserver", f"--etcd-servers={etcd}", "--bind-address=127.0.0.1", f"--secure-port={self.url.rpartition(':')[2]}",
            f"--client-ca-file={folder}/ca.crt", f"--tls-cert-file={folder}/server.crt",
            f"--tls-private-key-file={folder}/server.key", "--service-account-issuer=https://bench.invalid",
            f"--service-account-key-file={folder}/server.crt", f"--service-account-signing-key-file={folder}/server.key",
            "--service-cluster-ip-range=10.96.0.0/24", "--authorization-mode=RBAC", *more,
        )  # fmt: skip
        for user in ("root", "admin"):
            self._kubeconfig(user)
        self.context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        self.context.load_cert_chain(folder / "root.crt", folder / "root.key")
        self._await()
        self.kubectl(
            "root", "create", "clusterrolebinding", "bench", "--clusterrole=cluster-admin", "--group=bench:admins"
        )

    def close(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGKILL)
            process.wait()

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def _certificates(self) -> None:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=bench", "-days", "2")
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1\n", encoding="ascii")
        # Only group system:masters is above priority and fairness; who measures is in an ordinary one.
        for name, group in (("server", "bench"), ("root", "system:masters"), ("admin", "bench:admins")):
            self._openssl(
                "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/O={group}/CN={name}"
            )
            signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
            self._openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.crt")

    def _kubeconfig(self, user: str) -> None:
        made = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "bench",
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
            "clusters": [
                {
                    "name": "bench",
                    "cluster": {"server": self.door, "certificate-authority": str(self.folder / "ca.crt")},
                }
            ],
            "users": [
                {
                    "name": "bench",
                    "user": {
                        "client-certificate": str(self.folder / f"{user}.crt"),
                        "client-key": str(self.folder / f"{user}.key"),
                    },
                }
            ],
        }
        (self.folder / f"{user}.conf").write_text(json.dumps(made), encoding="ascii")

    def move_away(self, relay: str, milliseconds: float) -> None:
        """From now on a round trip of those who are measured takes so much longer."""
        port = free_port()
        self.door = f"https://127.0.0.1:{port}"
        target = self.url.partition("//")[2]
        late = f"{milliseconds / 2 * 1000:.0f}us"
        self._start(relay, "-relay", f"127.0.0.1:{port}", "-server", target, "-late", late)
        self._kubeconfig("admin")
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def _start(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{Path(program).name}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [str(BIN / program), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _await(self, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                self.ask("/readyz")
                return
            except OSError as why:
                if time.monotonic() > end or any(process.poll() is not None for process in self.processes):
                    log = (self.folder / "kube-apiserver.log").read_text(encoding="utf-8", errors="replace")
                    raise SystemExit(f"label: the API server does not come up: {why}\n{log[-2000:]}") from why
            time.sleep(0.2)

    def ask(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, context=self.context, timeout=60) as answer:
            return str(answer.read().decode())

    def kubectl(self, user: str, *arguments: str) -> str:
        command = [str(BIN / "kubectl"), "--kubeconfig", str(self.folder / f"{user}.conf"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def counted(self) -> dict[str, float]:
        """Requests for nodes by verb, and all that were refused with 429, as the API server itself counts."""
        total: dict[str, float] = {}
        for line in self.ask("/metrics").splitlines():
            if not line.startswith("apiserver_request_total{"):
                continue
            labels, _space, value = line.partition("{")[2].rpartition(" ")
            if 'resource="nodes"' in labels:
                verb = labels.partition('verb="')[2].partition('"')[0]
                total[verb] = total.get(verb, 0) + float(value)
            if 'code="429"' in labels:
                total["429"] = total.get("429", 0) + float(value)
        return total

    def labelled(self) -> int:
        page = json.loads(self.ask(f"/api/v1/nodes?limit=1&labelSelector={KEY.replace('/', '%2F')}"))
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="l2ops-bench-"))
        self.results: dict[str, dict] = {}
        self.wrong: list[str] = []
        self.server: Server | None = None
        self.leanest = self._build()

    def close(self) -> None:
        if self.server is not None:
            self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _build(self) -> str:
        target = ROOT / ".lab" / "cache" / "bench" / "leanest"
        source = target.with_name("leanest-source")
        if not (target.exists() and (source / "main.go").is_file() and (source / "main.go").read_text() == LEANEST):
            print("label: building the leanest client …", flush=True)
            source.mkdir(parents=True, exist_ok=True)
            (source / "go.mod").write_text("module leanest\n\ngo 1.22\n", encoding="ascii")
            environment = {**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(ROOT / ".lab" / "cache" / "go-build")}
            (source / "main.go").write_text(LEANEST, encoding="ascii")
            subprocess.run(["go", "build", "-o", str(target), "."], cwd=source, check=True, env=environment)
        return str(target)

    def start(self, *more: str) -> Server:
        if self.server is not None:
            self.server.close()
        self.server = Server(self.folder / f"server-{len(list(self.folder.iterdir()))}", *more)
        return self.server

    def lean(self, *arguments: str, stdin: str | None = None, measured: bool = False) -> list[str]:
        assert self.server is not None
        where = self.server.door if measured else self.server.url
        command = [self.leanest, "-server", where, "-pki", str(self.server.folder), *arguments]
        if stdin is not None:
            subprocess.run(command, input=stdin, text=True, check=True)
        return command

    def populate(self, count: int) -> None:
        self.lean("-create", str(count), stdin=json.dumps(node()))

    def label(self) -> None:
        subprocess.run(
            self.lean("-manager", "kubelet", "-patch", json.dumps({"metadata": {"labels": {KEY: ""}}})),
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def commands(self) -> dict[str, tuple[list[str], dict[str, str]]]:
        assert self.server is not None
        config = str(self.server.folder / "admin.conf")
        arguments = self.server.folder / "arguments.json"
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"kubeconfig": config}}), encoding="ascii")
        idle = arguments.with_name("idle.json")
        idle.write_text(
            json.dumps({"ANSIBLE_MODULE_ARGS": {"kubeconfig": config, "key": "bench/none"}}), encoding="ascii"
        )
        environment = {
            **os.environ,
            "PYTHONPATH": str(COLLECTIONS),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "ansible"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "ansible"),
        }
        remove = json.dumps({"metadata": {"labels": {KEY: None}}})
        ansible = [str(Path(sys.executable).with_name("ansible")), "localhost", "-i", "localhost,", "-c", "local"]
        ansible += ["-e", f"ansible_python_interpreter={sys.executable}"]
        module = [
            sys.executable,
            "-m",
            f"ansible_collections.l2ops.metallb.plugins.modules.{MODULE.rpartition('.')[2]}",
        ]
        made = {
            KUBECTL: [str(BIN / "kubectl"), "--kubeconfig", config, "label", "nodes", "--all", f"{KEY}-"],
            **{
                name: self.lean("-workers", str(workers), "-selector", KEY, "-patch", remove, measured=True)
                for workers, name in LEAN.items()
            },
            PROCESS: [*module, str(arguments)],
            IDLE: [*module, str(idle)],
            TASK: [*ansible, "-m", MODULE, "-a", f"kubeconfig={config}"],
            NOOP: [*ansible, "-m", "ansible.builtin.ping"],
        }  # fmt: skip
        return {name: (command, environment) for name, command in made.items()}

    def timed(self, name: str) -> tuple[float, str]:
        command, environment = self.commands()[name]
        begun = time.perf_counter()
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise SystemExit(f"label: {name} ended with {done.returncode}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        return seconds, done.stdout

    # -- parts

    def race(self) -> None:
        for count in self.options.nodes:
            self.start()
            self.populate(count)
            names = list(self.commands())
            row = self.turns(count, names)
            self.tell(f"race {count}", f"race: {count} nodes", row)
            self.judge(f"race {count}", row)
            median = {name: statistics.median(taken) for name, taken in row.items()}
            whole = statistics.median(one / other for one, other in zip(row[KUBECTL], row[TASK]))
            print(
                f"  {median[IDLE]:.2f} s of the module is its start; the whole ansible command: kubectl / it = {whole:.1f}"
            )
            print(f"  beyond an empty ansible command {median[TASK] - median[NOOP]:.2f} s", flush=True)

    def apart(self) -> None:
        for count in self.options.nodes:
            server = self.start()
            self.populate(count)
            server.move_away(self.leanest, self.options.apart)
            row = self.turns(count, [KUBECTL, *LEAN.values(), PROCESS])
            self.tell(f"apart {count}", f"race, {self.options.apart:g} ms apart: {count} nodes", row)
            self.judge(f"apart {count}", row)

    def turns(self, count: int, names: list[str]) -> dict[str, list[float]]:
        """Seconds that each took, by turns: the load of the machine hits all alike. A first round warms up."""
        assert self.server is not None
        row: dict[str, list[float]] = {}
        for run in range(self.options.runs + 1):
            for name in names[run % len(names) :] + names[: run % len(names)]:
                if run == 0 and name == KUBECTL:
                    continue
                if name not in (IDLE, NOOP):
                    self.label()
                seconds, _said = self.timed(name)
                if name not in (IDLE, NOOP) and self.server.labelled():
                    raise SystemExit(f"label: {name} left {self.server.labelled()} of {count} labels")
                if run:
                    row.setdefault(name, []).append(round(seconds, 3))
        return row

    def tell(self, part: str, title: str, row: dict[str, list[float]]) -> None:
        assert self.server is not None
        throttled = self.server.counted().get("429", 0)
        self.results[part] = {"seconds": row, "throttled": throttled}
        size = len(json.dumps(node())) / 1000
        print(f"\n{title} of {size:.0f} kB, {self.options.runs} runs, load {os.getloadavg()[0]:.1f}")
        for name, taken in row.items():
            print(
                f"  {name:28} median {statistics.median(taken):7.2f} s  least {min(taken):7.2f}  most {max(taken):7.2f}"
            )
        print(f"  requests refused with 429: {throttled:.0f}")

    def judge(self, part: str, row: dict[str, list[float]]) -> None:
        """By the median of the ratios within each round: what else runs on the machine hits both sides of a pair."""
        median = {name: statistics.median(taken) for name, taken in row.items()}
        limit = min(LEAN.values(), key=lambda name: median[name])

        def ratio(dear: str, cheap: str) -> float:
            return statistics.median(one / other for one, other in zip(row[dear], row[cheap]))

        slower, faster, most = ratio(PROCESS, limit), ratio(KUBECTL, PROCESS), ratio(KUBECTL, limit)
        print(f"  goal: module / API server's own limit = {slower:.2f} (at most {SLOWER})")
        print(
            f"  goal: kubectl / module = {faster:.1f} (at least {FASTER:g}; the leanest client reaches {most:.1f} here)",
            flush=True,
        )
        self.results[part].update(slower=round(slower, 2), faster=round(faster, 1), most=round(most, 1))
        if slower > SLOWER:
            self.wrong.append(f"{part} nodes: {slower:.2f} times the API server's own limit, at most {SLOWER}")
        if faster < FASTER:
            cannot = (
                f"; no client can: the leanest is {most:.1f} times faster than kubectl here" if most < FASTER else ""
            )
            said = f"{part} nodes: {faster:.1f} times faster than kubectl, at least {FASTER:g}{cannot}"
            if most < FASTER:
                print(f"  not reached: {said}")
            else:
                self.wrong.append(said)

    def nothing(self) -> None:
        server = self.start()
        self.populate(1000)
        before = server.counted()
        seconds, said = self.timed(PROCESS)
        after = server.counted()
        sent = {verb: after[verb] - before.get(verb, 0) for verb in after if after[verb] != before.get(verb, 0)}
        self.results["nothing"] = {"seconds": round(seconds, 3), "sent": sent}
        print(
            f"\nnothing to do on 1000 nodes: {seconds:.2f} s, requests for nodes, as the API server counts them: {sent}",
            flush=True,
        )
        if sent != {"LIST": 1.0} or json.loads(said)["changed"]:
            self.wrong.append(f"nothing to do, and sent {sent}")

    def beside(self) -> None:
        server = self.start()
        self.populate(1000)
        self.label()
        mark = {"metadata": {"annotations": {"bench/round": "ROUND"}, "labels": {"bench/round": "ROUND"}}}
        with subprocess.Popen(
            self.lean("-workers", "8", "-seconds", "8", "-patch", json.dumps(mark)), stdout=subprocess.PIPE, text=True
        ) as other:
            _seconds, said = self.timed(PROCESS)
            during = other.poll() is None
            rounds = (other.communicate()[0] or "").strip()
        found = json.loads(server.ask("/api/v1/nodes?limit=5000"))["items"]
        lost = [
            one["metadata"]["name"]
            for one in found
            if one["metadata"]["labels"].get("bench/round") != rounds or one["metadata"]["annotations"].get("bench/round") != rounds
        ]  # fmt: skip
        result = json.loads(said)
        self.results["beside"] = {"lost": len(lost), "left": server.labelled(), "rounds": rounds}
        print(
            f"\nbeside a client that wrote to each of {len(found)} nodes {rounds} times: {len(lost)} of its writes lost, "
            f"{server.labelled()} labels left, {len(result['failed_nodes'])} nodes failed",
            flush=True,
        )
        if lost or server.labelled() or not during or len(result["changed_nodes"]) != 1000:
            self.wrong.append(f"beside another client: {self.results['beside']}")

    def throttled(self) -> None:
        server = self.start(
            "--enable-priority-and-fairness=false", "--max-requests-inflight=4", "--max-mutating-requests-inflight=4"
        )
        self.populate(1000)
        self.label()
        before = server.counted()
        seconds, said = self.timed(PROCESS)
        refused = server.counted().get("429", 0) - before.get("429", 0)
        self.results["throttled"] = {"seconds": round(seconds, 3), "refused": refused, "left": server.labelled()}
        print(
            f"\nthrottled: 1000 nodes in {seconds:.1f} s with {refused:.0f} requests refused, {server.labelled()} labels left",
            flush=True,
        )
        if server.labelled() or len(json.loads(said)["changed_nodes"]) != 1000:
            self.wrong.append(f"throttled: {self.results['throttled']}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("race", "apart", "nothing", "beside", "throttled")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000, 5000], help="of the parts race and apart")
    parser.add_argument(
        "--apart", type=float, default=5, help="milliseconds that a round trip takes longer in part apart"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", help="write all numbers to this file")
    parser.add_argument("--check", action="store_true", help="fail unless the goals are met")
    options = parser.parse_args()
    missing = [one for one in ("etcd", "kube-apiserver", "kubectl") if not (BIN / one).exists()]
    missing += [one for one in ("go", "openssl") if shutil.which(one) is None]
    if missing:
        print(f"label: left out, there is no {', '.join(missing)}: make lab builds the programs of Kubernetes")
        return 0
    bench = Bench(options)
    try:
        for part in options.parts:
            getattr(bench, part)()
        if options.json:
            Path(options.json).write_text(json.dumps(bench.results, indent=1), encoding="utf-8")
    finally:
        bench.close()
    for sentence in bench.wrong:
        print(f"not reached: {sentence}")
    return 1 if options.check and bench.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
