# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as AWX runs it: ansible-runner, a private data directory of AWX's layout, credentials injected by AWX's own code.

Where AWX starts a container, this starts a user namespace: another user than root, without any capability (so no raw
sockets), whose name for itself is that of an ordinary account.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from awx_plugins.credentials.plugins import kubernetes_bearer_token
from awx_plugins.interfaces._temporary_private_api import ManagedCredentialType
from awx_plugins.interfaces._temporary_private_credential_api import Credential
from awx_plugins.interfaces._temporary_private_inject_api import inject_credential

Object = dict[str, Any]
BIN = Path(sys.executable).parent
# An account that every system has, and that is not root: ssh wants the user to have a name.
USER, GROUP = 1, 1
# What AWX sets for every job.
ALWAYS = {
    "ANSIBLE_FORCE_COLOR": "True",
    "ANSIBLE_HOST_KEY_CHECKING": "False",
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "AWX_HOST": "https://awx.example.org",
    "INVENTORY_ID": "1",
    "JOB_ID": "1",
    "MAX_EVENT_RES": "700000",
    "PROJECT_REVISION": "0" * 40,
}
META = {"id": 1, "launch_type": "manual", "job_template_id": 7, "user_name": "admin"}


@dataclass
class Done:
    status: int
    events: list[Object]
    stdout: str
    seconds: float
    folder: Path
    env: dict[str, str] = field(repr=False)
    # Of all processes of the job together, in MiB: the most that was seen.
    memory: float = 0.0

    @property
    def artifacts(self) -> Object:
        """What AWX keeps as the job's artifacts, and passes on in a workflow."""
        found: Object = {}
        for event in self.events:
            found = event.get("event_data", {}).get("artifact_data") or found
        return found

    def of(self, *kinds: str) -> list[Object]:
        return [event for event in self.events if event["event"] in kinds]

    @property
    def changed(self) -> dict[str, int]:
        stats = self.of("playbook_on_stats")[0]["event_data"]
        return {host: number for host, number in stats["changed"].items() if number}

    @property
    def failures(self) -> list[str]:
        """The last line that a person reads of each failed task."""
        failed = self.of("runner_on_failed", "runner_item_on_failed")
        return [str(e["event_data"]["res"].get("msg", "")) for e in failed if not e["event_data"].get("ignore_errors")]

    @property
    def largest_event(self) -> int:
        return max(len(json.dumps(event)) for event in self.events)


def kubeconfig_type(data: Object) -> ManagedCredentialType:
    """The credential type as the data file has it, for AWX's injector."""
    spec = next(one for one in data["controller_credential_types"] if one["name"] == "Kubernetes kubeconfig")
    return custom_type(spec)


def custom_type(spec: Object) -> ManagedCredentialType:
    return ManagedCredentialType(
        namespace=spec["name"].lower().replace(" ", "_"),
        name=spec["name"],
        kind=spec["kind"],
        inputs=spec["inputs"],
        injectors=spec["injectors"],
    )


BEARER_TOKEN = kubernetes_bearer_token


def inject(kind: ManagedCredentialType, inputs: Object, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Environment of the job, and what AWX shows of it; files go where they would, under another name than /runner."""
    env: dict[str, str] = {}
    shown: dict[str, str] = {}
    (folder / "env").mkdir(parents=True, exist_ok=True)
    inject_credential(kind, Credential(inputs), env, shown, [], str(folder))
    return {name: value.replace("/runner/", f"{folder}/") for name, value in env.items()}, shown


def dumped(variables: Object, safe: Object) -> str:
    """Extra variables as AWX writes them: what a survey brought may hold no templates, what the job template says may."""

    class Unsafe(yaml.SafeDumper):
        pass

    Unsafe.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))
    lines = []
    for name, value in variables.items():
        kind = yaml.SafeDumper if safe.get(name) == value else Unsafe
        lines.append(yaml.dump({name: value}, Dumper=kind, default_flow_style=False))
    return "".join(lines)


def inventory(
    hosts: dict[str, Object], groups: dict[str, list[str]], group_vars: dict[str, Object] | None = None
) -> Object:
    """As AWX hands an inventory over; hosts that a slice left out are out of their groups, too."""
    found: Object = {
        name: {"hosts": [one for one in members if one in hosts], "vars": (group_vars or {}).get(name, {})}
        for name, members in groups.items()
    }
    grouped = {one for members in groups.values() for one in members}
    found["all"] = {"hosts": [one for one in hosts if one not in grouped], "children": list(groups)}
    found["_meta"] = {"hostvars": hosts}
    return found


def run(
    folder: Path,
    project: Path,
    template: Object,
    hosts: Object,
    *,
    answers: Object | None = None,
    env: dict[str, str] | None = None,
    ssh_key: str = "",
    options: tuple[str, ...] = (),
    collections: str = "",
    path: str = "",
    timeout: int = 900,
) -> Done:
    """Run a job template's playbook. `answers` are the extra variables that a survey brought."""
    for part in ("env", "inventory", "project", "artifacts", "cp", "tmp", "home"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    shutil.copytree(project, folder / "project", dirs_exist_ok=True)
    script = folder / "inventory" / "hosts"
    script.write_text(
        f"#! /usr/bin/env python3\nprint('''{json.dumps(hosts)}''')\n".replace("\\n", "\\\\n"), encoding="utf-8"
    )
    script.chmod(0o700)
    meta = {f"{prefix}_job_{name}": value for name, value in META.items() for prefix in ("awx", "tower")}
    safe = template.get("extra_vars") or {}
    (folder / "env" / "extravars").write_text(dumped({**safe, **meta, **(answers or {})}, safe), encoding="utf-8")
    words = ["-u", "root"]
    words += ["--check"] if template.get("job_type") == "check" else []
    words += ["--diff"] if template.get("diff_mode") else []
    words += [f"--forks={template['forks']}"] if template.get("forks") else []
    (folder / "env" / "cmdline").write_text(" ".join([*words, *options]), encoding="utf-8")
    (folder / "env" / "settings").write_text(json.dumps({"suppress_output_file": False}), encoding="utf-8")
    if ssh_key:
        (folder / "env" / "ssh_key").write_text(ssh_key, encoding="utf-8")
    job = {
        **ALWAYS,
        "PATH": os.pathsep.join(part for part in (str(BIN), path, "/usr/local/bin", "/usr/bin", "/bin") if part),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "AWX_PRIVATE_DATA_DIR": str(folder),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
        "ANSIBLE_COLLECTIONS_PATH": f"{folder}/requirements_collections:{collections}",
        **(env or {}),
    }
    (folder / "env" / "envvars").write_text(json.dumps(job), encoding="utf-8")
    # Nobody writes into a project.
    for one in [*(folder / "project").rglob("*"), folder / "project"]:
        one.chmod(stat.S_IMODE(one.stat().st_mode) & ~0o222)
    command = ["unshare", "--user", f"--map-user={USER}", f"--map-group={GROUP}", "--"]
    command += [str(BIN / "ansible-runner"), "run", str(folder), "--ident", "1", "-p", template["playbook"], "--quiet"]
    began = time.monotonic()
    with (folder / "runner.log").open("wb") as log:
        process = subprocess.Popen(command, env=job, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        most = _watch(process, began + timeout)
    seconds = time.monotonic() - began
    events = sorted(
        (folder / "artifacts" / "1" / "job_events").glob("*.json"), key=lambda one: int(one.name.split("-")[0])
    )
    stdout = folder / "artifacts" / "1" / "stdout"
    return Done(
        process.returncode,
        [json.loads(one.read_text(encoding="utf-8")) for one in events if "partial" not in one.name],
        stdout.read_text(encoding="utf-8") if stdout.exists() else (folder / "runner.log").read_text(encoding="utf-8"),
        seconds,
        folder,
        job,
        most,
    )


def _watch(process: subprocess.Popen[bytes], deadline: float) -> float:
    """Wait for the end, and look at the memory on the way; the most, in MiB."""
    most = 0.0
    while True:
        try:
            process.wait(0.5)
            return most
        except subprocess.TimeoutExpired:
            most = max(most, _memory(process.pid))
            if time.monotonic() > deadline:
                process.terminate()
                process.wait(30)
                raise


def _memory(pid: int) -> float:
    """Of a process and all below it, what is theirs alone and their part of what they share."""
    total = 0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii")
            total += int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")))
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(word) for word in (task / "children").read_text(encoding="ascii").split()]
        except (OSError, StopIteration):
            continue
    return total / 1024
