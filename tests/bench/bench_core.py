#!/usr/bin/env python3
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time and memory that judging and diagnosing a generated cluster take.

    tests/bench/bench_core.py                    5,000 nodes, 10,000 services, 500 pools, 200 advertisements; racks of 25 nodes
    tests/bench/bench_core.py --flat             the same as one network: every advertisement selects every node
    tests/bench/bench_core.py --broken           the same with the exclude label on every node, which nobody ignores: all is wrong
    tests/bench/bench_core.py --growth           a tenth, a fifth, a half and the whole, and how it grows
    tests/bench/bench_core.py --imports          what importing the judging modules costs, beside the API client

Limits: 5 s and 1 GB for load, validate, diagnose and the result together; growth by at most the power 1.3 of the size; a module's import
costs no more, beyond the API client, than that client. Times are of the processor, which on an idle machine are those of the clock (all
of it runs in one thread). Ends with 1 when a limit is exceeded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".lab" / "collections"))
RACK = 25
SECONDS, MEGABYTES, POWER = 5.0, 1024, 1.3
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


def cluster(nodes: int, services: int, pools: int, advertisements: int, flat: bool, broken: bool = False) -> dict:
    """Objects as an API server lists them, healthy all through unless broken: what is found must be nothing."""
    racks = max(1, nodes // RACK)
    stamp = "2026-01-01T00:00:00Z"

    def metadata(name: str, namespace: str = "", **more: object) -> dict:
        base = {"name": name, "uid": f"uid-{name}", "creationTimestamp": stamp, **more}
        return {**base, "namespace": namespace} if namespace else base

    made: dict[str, list] = {plural: [] for plural in PLURALS}
    container = {
        "name": "speaker",
        "image": "quay.io/metallb/speaker:v0.15.3",
        "args": ["--port=7472"] if broken else ["--port=7472", "--ignore-exclude-lb"],
        "env": [{"name": "METALLB_ML_BIND_ADDR", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    }
    labels = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
    home = "metallb-system"
    made["namespaces"].append({"metadata": metadata(home, labels={"pod-security.kubernetes.io/enforce": "privileged"})})
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    made["daemonsets"].append(
        {
            "metadata": metadata("metallb-speaker", home, labels=labels),
            "spec": {"template": template},
            "status": {"desiredNumberScheduled": nodes, "currentNumberScheduled": nodes, "numberReady": nodes},
        }
    )
    controller = {**labels, "app.kubernetes.io/component": "controller"}
    made["deployments"].append(
        {
            "metadata": metadata("metallb-controller", home, labels=controller),
            "spec": {"replicas": 1, "template": {"metadata": {"labels": controller}, "spec": {"containers": []}}},
            "status": {"replicas": 1, "readyReplicas": 1},
        }
    )
    for number in range(nodes):
        name, rack = f"node-{number:05}", number // RACK % racks
        address = f"10.{rack // 200}.{rack % 200}.{10 + number % RACK}"
        made["nodes"].append(
            {
                "metadata": metadata(
                    name,
                    labels={
                        "rack": f"r{rack}",
                        "kubernetes.io/hostname": name,
                        "kubernetes.io/os": "linux",
                        **({EXCLUDE: ""} if broken else {}),
                    },
                ),
                "spec": {"podCIDRs": [f"100.{64 + number // 256}.{number % 256}.0/24"]},
                "status": {
                    "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
                    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": stamp}],
                },
            }
        )
        made["pods"].append(
            {
                "metadata": metadata(
                    f"speaker-{number}", home, labels=labels, ownerReferences=[{"uid": "uid-metallb-speaker"}]
                ),
                "spec": {"nodeName": name, "containers": [container]},
                "status": {
                    "phase": "Running",
                    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": stamp}],
                },
            }
        )
    ranges = []
    for number in range(pools):
        rack = number % racks
        # pools of one rack lie side by side behind its nodes: 40 addresses each, three at most
        first = 100 + 45 * (number // racks % 3)
        base = f"10.{rack // 200}.{rack % 200}"
        if number // racks >= 3:
            base, first = f"10.{100 + number // 250}.{number % 250}", 10
        ranges.append((rack, base, first))
        made["ipaddresspools"].append(
            {
                "kind": "IPAddressPool",
                "metadata": metadata(f"pool-{number}", home, labels={"rack": f"r{rack}"}),
                "spec": {"addresses": [f"{base}.{first}-{base}.{first + 44}"]},
            }
        )
    for number in range(advertisements):
        rack = number % racks
        spec: dict = {"interfaces": ["eth0"], "ipAddressPoolSelectors": [{"matchLabels": {"rack": f"r{rack}"}}]}
        if not flat:
            spec["nodeSelectors"] = [{"matchLabels": {"rack": f"r{rack}"}}]
        made["l2advertisements"].append(
            {"kind": "L2Advertisement", "metadata": metadata(f"adv-{number}", home), "spec": spec}
        )
    everybody = [node["metadata"]["name"] for node in made["nodes"]]
    for number in range(services):
        pool = number % pools
        rack, base, first = ranges[pool]
        address = f"{base}.{first + number // pools}"
        namespace, name = f"team-{number % 100}", f"service-{number}"
        candidates = everybody if flat else everybody[rack * RACK : (rack + 1) * RACK]
        elected_node = (
            min(candidates, key=lambda node: hashlib.sha256(f"{node}#{address}".encode()).digest())
            if not flat
            else candidates[0]
        )
        made["services"].append(
            {
                "kind": "Service",
                "metadata": metadata(name, namespace, annotations={"metallb.io/loadBalancerIPs": address}),
                "spec": {
                    "type": "LoadBalancer",
                    "externalTrafficPolicy": "Local" if number % 10 == 0 else "Cluster",
                    "ports": [{"port": 80, "protocol": "TCP"}],
                    "selector": {"app": name},
                    "clusterIPs": [f"172.{16 + number // 65536}.{number // 256 % 256}.{number % 256}"],
                    "ipFamilies": ["IPv4"],
                },
                "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
            }
        )
        homes = [elected_node, candidates[number % len(candidates)]]
        made["endpointslices"].append(
            {
                "metadata": metadata(f"{name}-x", namespace, labels={"kubernetes.io/service-name": name}),
                "endpoints": [{"nodeName": node, "conditions": {"ready": True}} for node in homes],
            }
        )
        if flat:
            continue
        made["servicel2statuses"].append(
            {
                "metadata": metadata(
                    f"l2-{number}",
                    home,
                    labels={
                        "metallb.io/node": elected_node,
                        "metallb.io/service-name": name,
                        "metallb.io/service-namespace": namespace,
                    },
                ),
                "status": {
                    "node": elected_node,
                    "serviceName": name,
                    "serviceNamespace": namespace,
                    "interfaces": [{"name": "eth0"}],
                },
            }
        )
    if flat:
        # Their winners would take longer to work out than all the rest. Without the kind, its rule is skipped.
        del made["servicel2statuses"]
    return made


PLURALS = (
    "nodes",
    "namespaces",
    "pods",
    "services",
    "endpointslices",
    "daemonsets",
    "deployments",
    "ipaddresspools",
    "l2advertisements",
    "bgpadvertisements",
    "bgppeers",
    "servicel2statuses",
    "configurationstates",
    "events",
    "customresourcedefinitions",
    "validatingwebhookconfigurations",
    "configmaps",
    "servicecidrs",
    "ciliumloadbalancerippools",
)


def measure(path: str) -> dict:
    """In a process of its own, so that memory is that of the work alone."""
    clock = time.perf_counter()
    began = time.process_time()
    from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.analysis import analyze_until_settled
    from ansible_collections.l2ops.metallb.plugins.module_utils._diagnosis.diagnosis import diagnose_all
    from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
    from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import load

    imported = time.process_time()
    snapshot = load(path)
    loaded = time.process_time()
    context, verdict = analyze_until_settled(lambda: snapshot, Options.make(gateway=["10.0.0.1"]), 0)
    judged = time.process_time()
    # What takes long for tens of thousands of services on thousands of nodes is announced by the check, not by a pause.
    diagnoses = diagnose_all(context, verdict)
    done = time.process_time()
    result = {
        **verdict.as_result(),
        "diagnoses": [one.as_result() for one in diagnoses],
        "headline": verdict.headline(),
    }
    size = len(json.dumps(result))
    returned = time.process_time()
    states: dict[str, int] = {}
    for one in diagnoses:
        states[one.state] = states.get(one.state, 0) + 1
    return {
        "import_s": imported - began,
        "load_s": loaded - imported,
        "validate_s": judged - loaded,
        "diagnose_s": done - judged,
        "result_s": returned - done,
        "result_mb": size / 2**20,
        "total_s": returned - began,
        "clock_s": time.perf_counter() - clock,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "findings": verdict.summary,
        "first": [str(one) for one in verdict.findings[:3]],
        "reasons": [f"{one.id}: {one.reason}" for one in verdict.checks if one.id == "MLB510" and one.reason],
        "states": states,
        "hashes": context.election.hashes,
    }


def run(scale: float, flat: bool, broken: bool) -> dict:
    size = [max(1, int(number * scale)) for number in (5000, 10000, 500, 200)]
    objects = cluster(*size, flat, broken)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as stream:
        json.dump(
            {"format": "l2ops.metallb/snapshot", "version": 1, "taken": time.time(), "objects": objects, "missing": {}},
            stream,
        )
        stream.flush()
        megabytes = Path(stream.name).stat().st_size / 2**20
        told = subprocess.run(
            [sys.executable, __file__, "--measure", stream.name], check=True, capture_output=True, text=True
        )
    return {"size": size, "file_mb": megabytes, **json.loads(told.stdout)}


def show(result: dict) -> None:
    print(
        "{} nodes, {} services, {} pools, {} advertisements, {:.0f} MB of JSON".format(
            *result["size"], result["file_mb"]
        )
    )
    print(
        "  load {load_s:.2f} s, validate {validate_s:.2f} s, diagnose {diagnose_s:.2f} s, result {result_s:.2f} s "
        "({result_mb:.0f} MB), with start {total_s:.2f} s ({clock_s:.2f} s by the clock), {peak_mb:.0f} MB of memory; "
        "{hashes} hashes".format(**result)
    )
    print(
        f"  findings {result['findings']}, states {result['states']}", *result["first"], *result["reasons"], sep="\n  "
    )


def growth(results: list[dict]) -> float:
    """The power of the size by which the time grows between the smallest and the largest, start-up aside."""
    small, large = results[0], results[-1]
    times = [one["total_s"] - one["import_s"] for one in (small, large)]
    return math.log(times[1] / times[0]) / math.log(large["size"][1] / small["size"][1])


MODULES = ("l2_info", "l2_validate", "l2_diagnose")


def imports() -> bool:
    """Processor time that imports cost, the best of several: what a module adds to Ansible's own, and what the client adds."""

    def cost(statement: str) -> float:
        best = math.inf
        for _try in range(7):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, "-c", statement],
                check=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / ".lab" / "collections")},
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return best

    empty = cost("pass")
    others = "import ansible.module_utils.basic"
    basic = cost(others)
    others += ", kubernetes.client, kubernetes.config"
    both = cost(others)
    client = both - basic
    print(f"python {empty * 1000:.0f} ms, ansible.module_utils.basic {(basic - empty) * 1000:.0f} ms more")
    print(f"the API client: {client * 1000:.0f} ms more")
    good = True
    for name in MODULES:
        own = cost(f"{others}, ansible_collections.l2ops.metallb.plugins.modules.{name}") - both
        good = good and own <= client
        print(f"{name}: {own * 1000:.0f} ms more")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flat", action="store_true")
    parser.add_argument("--broken", action="store_true")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--imports", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return 0
    if given.imports:
        return 0 if imports() else 1
    good, results = True, []
    for scale in (0.1, 0.2, 0.5, 1.0) if given.growth else (1.0,):
        result = run(scale, given.flat, given.broken)
        results.append(result)
        if given.json:
            print(json.dumps(result))
        else:
            show(result)
        good = good and result["total_s"] <= SECONDS and result["peak_mb"] <= MEGABYTES
    if given.growth:
        power = growth(results)
        good = good and power <= POWER
        print(f"It grows by the power {power:.2f} of the size.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
