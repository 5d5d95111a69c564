# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks diagnose and validate as a person runs them, on saved clusters and files: no cluster, no network."""

from __future__ import annotations

import json
import sys
from xml.etree import ElementTree

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import save
from ansible_collections.l2ops.metallb.tests.unit.run_playbook import available, run_playbook
from ansible_collections.l2ops.metallb.tests.unit.served import served
from ansible_collections.l2ops.metallb.tests.unit.world import World

pytestmark = available


@pytest.fixture
def play(tmp_path, root):
    """play("diagnose", inventory=…, variable=value) in a folder of its own: exit status and all that it said."""

    def run(name, inventory=None, width="120", environment=None, **variables):
        arguments = [f"l2ops.metallb.{name}", "-e", json.dumps(variables)]
        if inventory is not None:
            path = tmp_path / "inventory.json"
            path.write_text(json.dumps(inventory))
            arguments += ["-i", str(path)]
        environment = {"ANSIBLE_HOST_KEY_CHECKING": "false", "COLUMNS": width, **(environment or {})}
        done = run_playbook(root, tmp_path, *arguments, **environment)
        return done.returncode, done.stdout + done.stderr

    return run


HOME = {
    "metallb_clusters": {
        "hosts": {"home": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    }
}


def shown(output):
    """What was printed for people: between the task that shows it and its own result."""
    return output.partition(": Show the result] ")[2].partition("\n")[2].partition("\nok: [")[0]


def broken():
    world = World()
    world.get("endpointslices", "my-nginx-abcde")["endpoints"] = []
    return world


def test_diagnose_tells_cause_and_remedy_and_writes_reports(play, tmp_path):
    save(broken().snapshot(), str(tmp_path / "cluster.json"))
    status, output = play(
        "diagnose",
        HOME,
        width="72",
        metallb_diagnose_snapshot="cluster.json",
        metallb_kubeconfig="/nowhere",
        metallb_diagnose_report_json="diagnosis.json",
        metallb_diagnose_report_markdown="diagnosis.md",
        metallb_diagnose_report_junit="diagnosis.xml",
        metallb_diagnose_report_html="diagnosis.html",
    )
    assert status == 2, output
    told = shown(output)
    assert told.startswith("home: 1 of 2 services is not fine"), output
    assert "Cause:   It has no serving endpoint" in told and "Fix: " in told and "FAILED   endpoints" in told
    assert '"' not in told and "{" not in told, "no dump"
    wide = [line for line in told.splitlines() if len(line) > 72 and len(line.split()) > 3]
    assert all(line.startswith(("SERVICE ", "traefik/traefik ")) for line in wide), "the console's width, tables aside"
    assert "default/my-nginx: It has no serving endpoint" in output.partition("Fail if services do not answer")[2]
    assert "changed=0" in output and "Traceback" not in output
    assert json.loads((tmp_path / "diagnosis.json").read_text())["worst"] == "error"
    assert (tmp_path / "diagnosis.md").read_text().startswith("## home")
    assert "It has no serving endpoint" in (tmp_path / "diagnosis.html").read_text().partition("<title>home</title>")[2]
    assert ElementTree.parse(tmp_path / "diagnosis.xml").getroot().tag == "testsuites"


AWAY = {"hosts": {"away": {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "nobody"}}}


@pytest.mark.parametrize("fail_on", ["error", "never"])
def test_a_probe_host_out_of_reach_is_told_and_the_rest_diagnosed(fail_on, play, tmp_path):
    save(World().snapshot(), str(tmp_path / "cluster.json"))
    status, output = play(
        "diagnose",
        {**HOME, "metallb_probes": AWAY},
        metallb_diagnose_snapshot="cluster.json",
        metallb_diagnose_wire="always",
        metallb_diagnose_fail_on=fail_on,
    )
    flat = " ".join(output.split())
    assert "wire: l2_probe gave no result" in flat and "Nothing is wrong with 2 services." in flat, output
    # Who asks for the LAN's word at any rate hears that it is missing, after all that is known was shown.
    assert ("could not be probed from away" in flat, status) == (True, 2) if fail_on == "error" else (False, 0), output


def verify(play, api, **variables):
    cluster = {"K8S_AUTH_HOST": api["host"], "K8S_AUTH_API_KEY": "token"}
    home = {"metallb_clusters": {"hosts": {"home": {**HOME["metallb_clusters"]["hosts"]["home"]}}}}
    return play("verify", {**home, "metallb_probes": AWAY}, environment=cluster, metallb_verify_timeout=0, **variables)


@pytest.mark.parametrize("wire", ["auto", "always"])
def test_verify_shows_what_the_api_says_where_the_probe_host_cannot_be_reached(wire, play):
    with served(World()) as (_api, given):
        status, output = verify(play, given, metallb_verify_wire=wire)
    flat = " ".join(output.split())
    assert "SERVICE" in output and "default/my-nginx" in output, output
    assert "the LAN" in flat and "connect to the host" in flat, output
    assert status == (2 if wire == "always" else 0), output


def test_verify_that_cannot_read_a_kind_shows_the_table_and_fails(play):
    with served(World()) as (api, given):
        api.forbidden.add(("list", "endpointslices"))
        status, output = verify(play, given, metallb_verify_wire="never")
    assert status == 2 and "SERVICE" in output and "endpointslices could not be read" in " ".join(output.split()), (
        output
    )


def test_looking_at_the_wire_from_nowhere_is_refused(play, tmp_path):
    save(World().snapshot(), str(tmp_path / "cluster.json"))
    status, output = play("diagnose", HOME, metallb_diagnose_snapshot="cluster.json", metallb_diagnose_wire="always")
    assert status == 2 and "metallb_probes" in output and "metallb_probe_host" in output


MANIFESTS = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, namespace: metallb-system}
spec:
  addresses:
    - 192.168.7.180-192.168.7.189
    - 192.168.7.1/32
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan, namespace: metallb-system}
spec: {ipAddressPools: [lan], interfaces: [eth0]}
"""
KNOWN = {"metallb_gateway": ["192.168.7.1"], "metallb_node_networks": ["192.168.7.0/24"]}


def test_validate_points_at_the_line_without_inventory_and_cluster(play, tmp_path):
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "pools.yml").write_text(MANIFESTS)
    status, output = play(
        "validate",
        metallb_validate_manifests=["infra"],
        metallb_validate_report_sarif="out.sarif",
        metallb_validate_report_junit="out.xml",
        **KNOWN,
    )
    assert status == 2, output
    assert "infra/pools.yml:7" in shown(output) and "MLB302" in shown(output)
    (run,) = json.loads((tmp_path / "out.sarif").read_text())["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "infra/pools.yml" and place["region"]["startLine"] == 7
    assert ElementTree.parse(tmp_path / "out.xml").getroot()[0].get("failures") == "1"


def test_validate_that_cannot_look_says_so(play, tmp_path):
    (tmp_path / "bad.yml").write_text("a: [1\nb: 2\n")
    status, output = play("validate", metallb_validate_manifests=["bad.yml"], metallb_validate_fail_on="never")
    assert status == 2 and "not valid YAML" in output and "bad.yml, line 2" in output and "Traceback" not in output


def test_validate_judges_what_role_config_would_write(play, tmp_path):
    """The inventory's variables laid over a saved cluster."""
    save(World().snapshot(), str(tmp_path / "cluster.json"))
    status, output = play(
        "validate",
        HOME,
        metallb_validate_snapshot="cluster.json",
        metallb_kubeconfig="/nowhere",
        metallb_validate_variables=True,
        metallb_validate_fail_on="never",
        metallb_pool_addresses=["192.168.7.200-192.168.7.250", "192.168.7.21/32"],
    )
    assert status == 0, output
    assert "home: 2 objects laid over a saved snapshot judged." in shown(output)
    assert "MLB301" in shown(output) and "worker-1" in shown(output)
