# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules l2_probe and service_probe: options in, results and failures out, and their documentation."""

from __future__ import annotations

import re
import socket
import threading

import pytest

yaml = pytest.importorskip("yaml")
pytest.importorskip("ansible.module_utils.basic", reason="no ansible-core here")

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.catalogue import CATALOGUE  # noqa: E402
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import probe as _probe  # noqa: E402
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import verdict  # noqa: E402
from ansible_collections.l2ops.metallb.plugins.modules import l2_probe, service_probe  # noqa: E402
from ansible_collections.l2ops.metallb.tests.unit import run_module  # noqa: E402
from ansible_collections.l2ops.metallb.tests.unit.plugins.module_utils.wire.simulated_network import (  # noqa: E402
    SimulatedHost,
    SimulatedNetwork,
    SimulatedTable,
    interface,
)

MAC = bytes.fromhex("525400000021")
VIP = "192.168.7.203"


@pytest.fixture
def segment(monkeypatch):
    """Module l2_probe on a simulated segment where one node holds the VIP."""
    network = SimulatedNetwork(SimulatedHost(MAC, [socket.inet_aton(VIP), socket.inet_aton("192.168.7.21")]))

    def probe(request):
        network.request = request
        return _probe.Probe(request, SimulatedTable(interface()), network.open_port, network.clock).run()

    monkeypatch.setattr(_probe, "probe", probe)
    return network


def test_a_healthy_address(segment):
    result = run_module.run(
        l2_probe, targets=[VIP], nodes={"w1": "192.168.7.21"}, expected={VIP: "w1"}, fail_on="error"
    )
    assert not result["failed"] and result["changed"] is False
    assert result["targets"][0]["outcome"] == "ok"
    assert result["nodes"] == {"52:54:00:00:00:21": "w1"}


def test_every_documented_return_is_returned_and_no_other(segment):
    documented = yaml.safe_load(l2_probe.RETURN)
    result = run_module.run(
        l2_probe, targets=[VIP, "192.168.7.9"], nodes={"w1": "192.168.7.21"}, mode="watch", duration=1
    )
    extra = {"failed", "changed", "warnings"}
    assert set(result) - extra == set(documented) - {"failure_kind", "reason"}
    fields = set(documented["targets"]["contains"])
    assert all(set(target) == fields for target in result["targets"])
    answers = set(documented["targets"]["contains"]["answers"]["contains"])
    assert set(result["targets"][0]["answers"][0]) <= answers
    assert set(result["statistics"]) == set(documented["statistics"]["sample"])
    assert set(result["node_addresses"][0]) == set(documented["node_addresses"]["sample"][0])
    assert set(result["targets"][0]["watch"]) == set(documented["targets"]["contains"]["watch"]["sample"])
    assert set(result["watch"]) == set(documented["watch"]["sample"])


def test_fail_on_error_fails_with_the_sentence_and_all_data(segment):
    result = run_module.run(l2_probe, targets=["192.168.7.9", VIP], fail_on="error")
    assert result["failed"] and result["failure_kind"] == "findings"
    assert result["msg"].startswith("MLB601 192.168.7.9: nobody answers")
    assert [target["finding"] for target in result["targets"]] == ["MLB601", ""]


def test_in_conflict_mode_an_answer_is_the_failure(segment):
    assert not run_module.run(l2_probe, targets=["192.168.7.9"], mode="conflict", fail_on="error")["failed"]
    result = run_module.run(l2_probe, targets=[VIP], mode="conflict", fail_on="error")
    assert result["failed"] and result["msg"].startswith("MLB605 ") and "already used" in result["msg"]


def test_what_cannot_be_told_fails_too(segment):
    result = run_module.run(l2_probe, targets=["10.9.9.9"], fail_on="error")
    assert result["failed"] and result["failure_kind"] == "findings"
    assert result["msg"].startswith("MLB608 this host has no route to 10.9.9.9") and not result["conclusive"]


def test_every_outcome_is_a_finding_of_the_catalogue_or_none():
    documented = yaml.safe_load(l2_probe.RETURN)["targets"]["contains"]["outcome"]["description"]
    words = set(re.findall(r"V\(([a-z-]+)\)", " ".join(documented)))
    assert words == set(verdict.FINDINGS)
    assert {code for code in verdict.FINDINGS.values() if code} <= set(CATALOGUE)
    assert [word for word, code in verdict.FINDINGS.items() if not code] == ["ok", "free"]


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        ({"targets": ["10.0.0.0/8"]}, "targets", "max_targets"),
        ({"targets": []}, "targets", "no address to ask"),
        ({"targets": ["192.168.7.9-192.168.7.1"]}, "targets", "ends before it begins"),
        ({"targets": ["192.168.7.1-fd00::1"]}, "targets", "address family"),
        ({"targets": ["192.168.7.256"]}, "targets", "neither an address"),
        ({"targets": [VIP], "nodes": ["w1"]}, "targets", "nodes:"),
        ({"targets": [VIP], "canary": ["x"]}, "targets", "canary"),
        ({"targets": [VIP], "interface": "nosuch0"}, "interface", "no interface nosuch0"),
        ({"targets": [VIP], "source": "192.168.7.99"}, "targets", "no address of this host"),
        ({"targets": [VIP], "rate": 0}, "options", "rate: 0 is out of range"),
        ({"targets": [VIP], "timeout": [0]}, "options", "timeout"),
        ({"targets": [VIP], "duration": 0}, "options", "duration"),
    ],
)
def test_mistakes_are_execution_failures_in_words(segment, options, reason, words):
    result = run_module.run(l2_probe, **options)
    assert result["failed"] and result["failure_kind"] == "execution"
    assert result["reason"] == reason
    assert words in result["msg"]


@pytest.mark.parametrize(
    ("options", "timeouts"),
    [
        ({}, [100, 150, 300]),
        ({"mode": "conflict"}, [500, 1000, 1000]),
        ({"retries": 0}, [100]),
        ({"retries": 4}, [100, 150, 300, 300, 300]),
        ({"timeout": [50], "retries": 2}, [50, 50, 50]),
        ({"timeout": [1, 2]}, [1, 2]),
    ],
)
def test_timeouts_and_retries(segment, options, timeouts):
    run_module.run(l2_probe, targets=[VIP], **options)
    assert [number // 1_000_000 for number in segment.request.settings.timeouts] == timeouts


@pytest.mark.parametrize(("options", "milliseconds"), [({}, 200), ({"timeout": [100]}, 0), ({"mode": "conflict"}, 0)])
def test_times_that_were_set_are_kept_to(segment, options, milliseconds):
    run_module.run(l2_probe, targets=[VIP], **options)
    assert segment.request.settings.quick_end == milliseconds * 1_000_000


def test_check_mode_asks_just_the_same(segment):
    assert run_module.run(l2_probe, check=True, targets=[VIP])["targets"][0]["answered"]


def test_services_many_at_once():
    with socket.socket() as server, socket.socket() as closed:
        server.bind(("127.0.0.1", 0))
        server.listen(200)
        closed.bind(("127.0.0.1", 0))
        targets = [
            {"name": "a", "address": "127.0.0.1", "port": server.getsockname()[1]},
            {"name": "b", "address": "127.0.0.1", "port": closed.getsockname()[1], "retries": 0},
        ]
        result = run_module.run(service_probe, targets=targets)
        assert not result["failed"]
        assert [target["ok"] for target in result["targets"]] == [True, False]
        assert result["summary"] == {"asked": 2, "ok": 1, "failed": 1, "failures": {"refused": 1}}
        documented = yaml.safe_load(service_probe.RETURN)
        assert set(result) - {"failed", "changed", "warnings"} == set(documented) - {"failure_kind"}
        assert all(set(target) <= set(documented["targets"]["contains"]) for target in result["targets"])
        failed = run_module.run(service_probe, targets=targets, fail_on="error")
        assert failed["failed"] and failed["failure_kind"] == "findings"
        assert "b: 127.0.0.1" in failed["msg"] and len(failed["targets"]) == 2
        watched = run_module.run(service_probe, targets=targets, duration=0.05, interval=10)
        assert watched["targets"][0]["outages"] == [] and watched["targets"][1]["outages"][0]["at_end"]
        assert all(set(target) <= set(documented["targets"]["contains"]) for target in watched["targets"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"targets": []}, "no service"),
        ({"targets": [{"address": "x"}]}, "has no port"),
        ({"targets": [{"address": "x", "port": 70000}]}, "no port; it may be"),
        ({"targets": [{"address": "x", "port": 1}], "concurrency": 0}, "concurrency"),
        ({"targets": [{"address": "x", "protocol": "http", "status": "2xx"}]}, "'2xx' is no HTTP status"),
        ({"targets": [{"address": "x", "protocol": "http", "body_regex": "("}]}, "no regular expression"),
        ({"targets": [{"address": "x", "protocol": "http", "path": "/a b"}]}, "%20"),
        ({"targets": [{"address": "x", "protocol": "http", "headers": {"X": "a\r\nEvil: b"}}]}, "line break"),
        ({"targets": [{"address": "x", "port": 1, "payload": "zz", "payload_encoding": "hex"}]}, "no hex"),
        ({"targets": [{"address": "x", "port": 1}], "timeout": 0}, "timeout"),
        ({"targets": [{"address": "x", "port": 1}] * 2, "duration": 1, "concurrency": 1}, "raise concurrency"),
    ],
)
def test_mistakes_in_services_are_execution_failures_in_words(options, words):
    result = run_module.run(service_probe, **options)
    assert result["failed"] and result["failure_kind"] == "execution"
    assert words in result["msg"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        (200, [(200, 200)]),
        ("200-399", [(200, 399)]),
        ("200, 404", [(200, 200), (404, 404)]),
        ([200, "300-302"], [(200, 200), (300, 302)]),
    ],
)
def test_forms_of_status(raw, expected):
    assert service_probe.build_status(raw) == expected


def test_top_level_options_are_defaults_of_targets():
    assert set(service_probe.DEFAULTS) <= set(service_probe.INHERITED)
    documented = yaml.safe_load(service_probe.DOCUMENTATION)["options"]
    suboptions = set(documented["targets"]["suboptions"]) - {"name", "address", "port"}
    assert suboptions == set(service_probe.INHERITED) <= set(documented)


@pytest.mark.parametrize("module", [l2_probe, service_probe])
def test_examples_name_only_documented_options(module):
    options = yaml.safe_load(module.DOCUMENTATION)["options"]
    tasks = yaml.safe_load(module.EXAMPLES)
    used = [task[key] for task in tasks for key in task if key == f"l2ops.metallb.{module.__name__.rsplit('.', 1)[-1]}"]
    assert used
    for arguments in used:
        assert set(arguments) <= set(options)


@pytest.mark.parametrize("module", [l2_probe, service_probe])
def test_no_mac_in_the_documentation_is_read_as_a_number(module):
    assert not re.search(r": [0-9a-f]{2}(:[0-9a-f]{2}){5}$", module.RETURN, re.MULTILINE)
    for text in (module.DOCUMENTATION, module.RETURN, module.EXAMPLES):
        assert yaml.safe_load(text)


def test_what_a_host_answers_reaches_no_terminal():
    """An escape sequence in a reason phrase could make a row of a table read "ok"."""

    def serve():
        connection = server.accept()[0]
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 500 \x1b[2K\x9bok\r\nServer: a\x1b]0;b\x07\r\nContent-Length: 0\r\n\r\n")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        target = {"address": "127.0.0.1", "port": server.getsockname()[1], "protocol": "http", "retries": 0}
        (result,) = run_module.run(service_probe, targets=[target])["targets"]
    assert result["http_reason"] == "\ufffd[2K\ufffdok" and result["server"] == "a\ufffd]0;b\ufffd"
    assert "\ufffd" in result["message"] and result["message"].isprintable()
