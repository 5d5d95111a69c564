# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift in the lab: a pass of the monitor, and ansible-rulebook with the rulebook of the collection."""

from __future__ import annotations

import asyncio
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
# How long the rulebook is watched on a healthy cluster: `make test` watches 600 s beside the Talos lab (tests/lab/suite.py).
QUIET_SECONDS = float(os.environ.get("L2OPS_QUIET_SECONDS") or 20)
# A label is gone so soon after its return.
WITHIN_SECONDS = 10.0


@pytest.fixture(scope="module")
def nodes(kubectl):
    names = kubectl("get", "nodes", "-o", "name").split()
    # Workers first; with no worker the control planes do.
    return sorted((name.partition("/")[2] for name in names), key=lambda name: ("control-plane" in name, name))


@pytest.fixture(autouse=True)
def clean(kubectl, nodes, live):
    """A cluster at rest to begin with, a minute after whatever other tests did to it; and no label before and after."""
    kubectl("label", "nodes", *nodes, f"{LABEL}-")
    live.healthy(patience=60)
    yield
    kubectl("label", "nodes", *nodes, f"{LABEL}-")


@pytest.fixture
def owner():
    from ansible_collections.l2ops.metallb.tests.eda.stand_in import Owner

    return Owner


def carriers(kubectl):
    return kubectl("get", "nodes", "-l", LABEL, "-o", "name").split()


def until(condition, seconds, what):
    """Seconds that it took."""
    began = time.monotonic()
    while not condition():
        passed = time.monotonic() - began
        assert passed < seconds, f"waited {seconds} s for {what()}"
        time.sleep(0.1)
    return time.monotonic() - began


# -- one pass ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def monitor(playbook, tmp_path):
    """monitor(*arguments, **variables) -> (exit status, what was said, artifact); the state is kept within one test."""

    def run(*arguments, **variables):
        report = tmp_path / "report.json"
        report.unlink(missing_ok=True)
        given = {
            "metallb_monitor_fix": ["exclude-label"],
            "metallb_monitor_state": str(tmp_path / "state.json"),
            "metallb_monitor_report": str(report),
            "metallb_diagnose_wire": "never",
            "metallb_monitor_watch_seconds": 2,
        }
        status, text = playbook("monitor", *arguments, **{**given, **variables})
        assert report.exists(), text
        return status, text, json.loads(report.read_text(encoding="utf-8"))

    return run


def changes(text):
    return int(re.search(r"changed=(\d+)", text)[1])


def test_a_pass_mends_a_label_that_is_back_and_the_next_is_quiet(monitor, kubectl, nodes):
    kubectl("label", "node", nodes[0], f"{LABEL}=")
    status, text, said = monitor("--check")
    assert (status, said["remaining"], said["status"]) == (0, [], "fixed") and "would fix" in text, text
    assert carriers(kubectl) == [f"node/{nodes[0]}"], "a dry run writes nothing"
    status, text, said = monitor()
    assert (status, said["remaining"], said["status"], changes(text)) == (0, [], "fixed", 1), text
    assert said["fixed"] == [f"Node {nodes[0]}: {LABEL} taken off"] and said["labelled"] == []
    assert carriers(kubectl) == []
    status, text, said = monitor()
    assert (status, said["remaining"], said["status"], changes(text)) == (0, [], "healthy", 0), text
    assert "healthy" not in text, "nothing to say"


def test_a_pass_fails_for_what_remains_and_knows_it_then(monitor, lab):
    lab("fault", "same-address")
    try:
        status, text, said = monitor()
        assert (status, said["status"]) == (2, "remaining") and "MLB501" in text, text
        assert any("MLB501" in one for one in said["new"])
        status, text, said = monitor(metallb_monitor_fail_on="new")
        assert (status, said["status"], said["new"]) == (0, "remaining", []), text
    finally:
        lab("undo", "same-address")


def test_a_pass_gives_up_on_a_label_that_is_put_back(monitor, kubectl, nodes, owner):
    with owner(nodes[0], manager="stand-in", owned=False) as stand_in:
        status, text, said = monitor()
        assert (status, said["status"], said["contested"]) == (2, "remaining", [nodes[0]]), text
        assert "put back by stand-in" in text and stand_in.removals == 2
        status, text, said = monitor()
        assert stand_in.removals == 2, "it is left alone from then on"
        assert status == 0, f"the lab's speakers ignore the label, so it does no harm: {text}"
    with owner(nodes[0]) as stand_in:
        status, text, said = monitor(metallb_monitor_state="")
        assert (status, stand_in.removals, said["labelled"]) == (0, 0, [nodes[0]]), text


# -- the event source -------------------------------------------------------------------------------------------------


@pytest.fixture
def watcher(kubectl):
    """Address, authority and token of a ServiceAccount; without rights until allow() gives it those of docs/eda.md."""
    page = (ROOT / "docs/eda.md").read_text(encoding="utf-8")
    manifest = re.search(r"```yaml\n(apiVersion: rbac.*?)```", page, re.DOTALL)[1]
    role = re.search(r"^  name: (\S+)", manifest, re.MULTILINE)[1]

    def apply(verb, *arguments):
        subprocess.run(
            ["kubectl", verb, *arguments, "-f", "-"], input=manifest, text=True, check=True, capture_output=True
        )

    def allow():
        apply("apply")
        kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", f"--serviceaccount=default:{role}")

    kubectl("-n", "default", "create", "serviceaccount", role)
    try:
        token = kubectl("-n", "default", "create", "token", role).strip()
        host = kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
        yield {"host": host, "api_key": token, "validate_certs": False}, allow
    finally:
        kubectl("-n", "default", "delete", "serviceaccount", role)
        kubectl("delete", "clusterrolebinding", role, "--ignore-not-found")
        apply("delete", "--ignore-not-found")


def test_the_rights_in_the_docs_are_enough(watcher, kubectl, nodes):
    arguments, allow = watcher
    source = runpy.run_path(str(ROOT / "extensions/eda/plugins/event_source/l2_events.py"))
    queue = asyncio.Queue()

    async def watch(seconds):
        work = asyncio.ensure_future(source["main"](queue, arguments))
        began = asyncio.get_running_loop().time()
        try:
            while queue.empty() and asyncio.get_running_loop().time() < began + seconds:
                await asyncio.wait([work], timeout=0.2)
                if work.done():
                    work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    with pytest.raises(source["SourceError"], match=r'verbs: \["list", "watch"\]') as caught:
        asyncio.run(watch(20))
    assert arguments["api_key"] not in str(caught.value)
    allow()
    kubectl("label", "node", nodes[0], f"{LABEL}=")
    queue = asyncio.Queue()
    asyncio.run(watch(20))
    event = queue.get_nowait()
    assert (event["type"], event["nodes"], event["initial"]) == ("label_added", [nodes[0]], True)


# -- ansible-rulebook -------------------------------------------------------------------------------------------------


class Rulebook:
    """ansible-rulebook at work on the lab, as a user starts it."""

    def __init__(self, program, folder):
        self.log = folder / "rulebook.log"
        variables = folder / "variables.json"
        variables.write_text(json.dumps({"metallb_cluster": "metallb_clusters"}), encoding="utf-8")
        command = [str(program), "--rulebook", "l2ops.metallb.keep_answering", "-i", os.environ["L2OPS_INVENTORY"]]
        command += ["-e", str(variables), "--print-events", "-v"]
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=folder,
            )

    @property
    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def events(self, kind=r"\w+"):
        """Types of events that reached the rulebook."""
        return re.findall(rf"^ 'type': '({kind})'", self.text, re.MULTILINE)

    def running(self):
        assert self.process.poll() is None, self.text
        return True

    def watching(self):
        return self.running() and len(set(re.findall(r"l2_events: watching (\w+)", self.text))) == 3

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def java():
    """The major version of Java, 0 for none."""
    program = shutil.which("java")
    if not program:
        return 0
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


@pytest.fixture(scope="module")
def rulebook(tmp_path_factory):
    if java() < 17:
        pytest.skip("ansible-rulebook needs Java 17 or newer: apt-get install openjdk-17-jre-headless")
    sys.path.insert(0, str(ROOT / "tests" / "tools" / "lib"))
    try:
        from l2tools import pyenvs
    finally:
        sys.path.pop(0)
    at_work = Rulebook(pyenvs.ensure("eda") / "ansible-rulebook", tmp_path_factory.mktemp("eda"))
    try:
        until(at_work.watching, 60, lambda: f"the watches: {at_work.text}")
        yield at_work
    finally:
        at_work.stop()


def test_the_rulebook_is_quiet_on_a_healthy_cluster(rulebook):
    before = rulebook.events()
    end = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < end:  # that nothing happens can only be waited for
        assert rulebook.running() and rulebook.events() == before, rulebook.text
        time.sleep(min(1.0, QUIET_SECONDS))


def test_the_rulebook_takes_a_returned_label_off(rulebook, kubectl, nodes):
    plays = rulebook.text.count("PLAY RECAP")
    for turn in (1, 2):
        began = time.monotonic()
        kubectl("label", "node", nodes[-turn], f"{LABEL}=")
        until(lambda: not carriers(kubectl), WITHIN_SECONDS, lambda: f"the label to be gone: {rulebook.text}")
        print(f"label gone {time.monotonic() - began:.1f} s after its return")
    until(lambda: rulebook.text.count("PLAY RECAP") == plays + 2, 60, lambda: f"both plays to end: {rulebook.text}")
    assert "failed=1" not in rulebook.text and "fixed: 1 fixed" in rulebook.text


def test_the_rulebook_does_not_fight_an_owner(rulebook, kubectl, nodes, owner):
    """A stand-in for Talos: see tests/eda/stand_in.py."""
    added = len(rulebook.events("label_added"))
    plays = rulebook.text.count("PLAY RECAP")
    with owner(nodes[0]) as stand_in:
        until(lambda: rulebook.events("label_contested"), 60, lambda: f"it to be contested: {rulebook.text}")
        # Both removals, and what is run when it is contested.
        until(
            lambda: rulebook.text.count("PLAY RECAP") == plays + 3, 60, lambda: f"three plays to end: {rulebook.text}"
        )
        assert stand_in.removals == 2, "not a third time"
        assert len(rulebook.events("label_added")) == added + 2
        assert carriers(kubectl) == [f"node/{nodes[0]}"]
    said = " ".join(rulebook.text.split())
    assert "was removed from" in said and "put it back each time" in said
    for fix in ("Talos owns it", "machine configuration", "ignoreExcludeLB", "MLB202"):
        assert fix in said, "the lasting fix"
