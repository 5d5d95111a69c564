# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets planted in every option that may hold one are in no output: run by the real ansible-playbook of this environment."""

from __future__ import annotations

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.secrets import secrets_in
from ansible_collections.l2ops.metallb.tests.unit.run_playbook import LOCALHOST, PROGRAM, run_playbook

MARK = "pl4nted"
# Modules that reach a cluster, with what else they need.
MODULES = {
    "exclude_label": {"state": "absent"},
    "l2_config": {"pools": [{"name": "a", "addresses": ["10.0.0.1/32"]}]},
    "l2_diagnose": {},
    "l2_info": {},
    "l2_ready": {"timeout": 1},
    "l2_validate": {},
    "speaker_away": {"node": "a", "away_seconds": 1},
    "speaker_restart": {},
}


class Echo(BaseHTTPRequestHandler):
    """A proxy or server that refuses, and sends back what it was given, headers included."""

    def do_GET(self):
        body = json.dumps(
            {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
             "message": "refused: " + " ".join(f"{name}={text}" for name, text in self.headers.items())}
        ).encode()  # fmt: skip
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def echo():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def kubeconfig(url, **user):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}, {"name": "other", "user": {"token": f"{MARK}-of-another-user"}}],
    }


def ways(url):
    """Connection options, each with secrets of another kind."""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "false",
        "interactiveMode": "Never",
        "env": [{"name": "CLIENT_SECRET", "value": f"{MARK}-env-value"}],
        "args": ["get-token", "--client-secret", f"{MARK}-arg", f"--password={MARK}-flag"],
    }
    return {
        "token": {"host": url, "api_key": f"{MARK}-api-key"},
        "basic": {"host": url, "username": "root", "password": f"{MARK}-password"},
        "dictionary": {"kubeconfig": kubeconfig(url, token=f"{MARK}-dict-token")},
        "basic dictionary": {"kubeconfig": kubeconfig(url, username="root", password=f"{MARK}-dict-password")},
        "exec": {"kubeconfig": kubeconfig(url, exec=plugin)},
        "proxy": {
            "host": "http://203.0.113.9",
            "api_key": f"{MARK}-x",
            "proxy": url.replace("//", f"//u:{MARK}-proxy@"),
        },
    }


def find(text):
    """Planted words, plain or as base64, which nothing may show."""
    encoded = [base64.b64encode(f"root:{MARK}-{word}".encode()).decode() for word in ("password", "dict-password")]
    return [line for line in text.splitlines() if MARK in line or any(one in line for one in encoded)]


@pytest.fixture
def play(tmp_path, root):
    if not PROGRAM.exists():
        pytest.skip("no ansible-playbook beside this Python")

    def run(tasks, *arguments):
        for number, task in enumerate(tasks):
            task.update(register=f"result_{number}", ignore_errors=True)
        shown = [{"ansible.builtin.debug": {"var": f"result_{number}"}} for number in range(len(tasks))]
        playbook = tmp_path / "play.json"
        playbook.write_text(
            json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [*tasks, *shown]}]), encoding="utf-8"
        )
        done = run_playbook(
            root,
            tmp_path,
            str(playbook),
            *LOCALHOST,
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            *arguments,
            ANSIBLE_LOG_PATH=str(tmp_path / "ansible.log"),
            L2OPS_METALLB_API_TIMEOUT="5",
        )
        log = tmp_path / "ansible.log"
        said = done.stdout + done.stderr + log.read_text(encoding="utf-8", errors="replace")
        for number in range(len(tasks)):
            assert f'"result_{number}": {{' in done.stdout, done.stdout + done.stderr
        log.unlink()
        return said

    return run


@pytest.mark.parametrize("verbosity", ["-v", "-vvvv"])
def test_no_module_shows_a_token(verbosity, play, echo):
    """A failed task, its registered result and the log, at low and at high verbosity."""
    # What is masked at high verbosity is masked in one place for all.
    names = MODULES if verbosity == "-v" else ("exclude_label", "l2_config", "l2_info")
    tasks = [{f"l2ops.metallb.{name}": {**ways(echo)["token"], **MODULES[name]}} for name in names]
    said = play(tasks, verbosity)
    assert "refused" in said, "the server's own words are shown, without the token that it sent back"
    assert not find(said)


@pytest.mark.parametrize("verbosity", ["-v", "-vvvv"])
def test_no_way_to_connect_shows_its_secrets(verbosity, play, echo):
    names = ways(echo) if verbosity == "-v" else ("basic dictionary", "exec", "proxy")
    assert not find(play([{"l2ops.metallb.l2_info": ways(echo)[name]} for name in names], verbosity))


def test_a_snapshot_needs_no_connection_and_shows_no_secret_all_the_same(play, echo, tmp_path):
    (tmp_path / "none.json").write_text("{}", encoding="utf-8")
    given = {**ways(echo)["dictionary"], "snapshot": str(tmp_path / "none.json")}
    assert not find(
        play([{f"l2ops.metallb.{name}": given} for name in ("l2_info", "l2_diagnose", "l2_validate")], "-vvvv")
    )


def test_headers_of_a_probe_are_masked_and_others_are_not(play, echo):
    port = int(echo.rpartition(":")[2])
    headers = {"Authorization": f"Bearer {MARK}-bearer", "Cookie": f"session={MARK}", "X-Api-Key": f"{MARK}-key"}
    target = {
        "address": "127.0.0.1",
        "port": port,
        "protocol": "http",
        "status": [403],
        "headers": {**headers, "X-Trace": "seen"},
    }
    said = play([{"l2ops.metallb.service_probe": {"targets": [target]}}], "-vvvv")
    assert not find(said) and '"ok": 1' in said


def test_arguments_that_ansible_refuses_are_not_shown(play, echo):
    """No module runs then, so none masks anything."""
    headers = {"headers": {"Authorization": f"Bearer {MARK}-bearer"}}
    tasks = [
        {"l2ops.metallb.l2_info": {**ways(echo)["dictionary"], "no_such_option": True}},
        {"l2ops.metallb.service_probe": {"targets": [{"address": "127.0.0.1", "no_such_option": True, **headers}]}},
    ]
    said = play(tasks, "-vvvv")
    assert "no_such_option" in said and not find(said)


def test_the_action_that_hides_headers_runs_in_the_background_too(play):
    """A failover test watches a port so; kubernetes.core's action would refuse it."""
    target = {"address": "127.0.0.1", "port": 9, "timeout": 0.2}
    said = play([{"l2ops.metallb.service_probe": {"targets": [target], "retries": 0}, "async": 30, "poll": 1}])
    assert '"failed": 1' in said and "does not support async" not in said


def test_what_is_a_secret_and_what_is_not():
    found = secrets_in(
        {**ways("http://u:pass-of-host@h")["exec"], "host": "https://u:of%40host@h:6443", "proxy": "http://p"}
    )
    assert {f"{MARK}-env-value", f"{MARK}-arg", f"{MARK}-flag", "of%40host", "of@host", "pass-of-host"} <= found
    assert not {"get-token", "false", "u", ""} & found
    assert secrets_in({}) == set() and secrets_in({"kubeconfig": "~/.kube/config", "host": "http://[::1"}) == set()
