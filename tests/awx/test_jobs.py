# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each job template's playbook under ansible-runner against the lab, as AWX runs it: status, events, artifacts."""

from __future__ import annotations

import base64
import json
import re

import pytest
from awxtest import job, survey

# AWX cuts results of events above this.
EVENT_LIMIT = 700_000


def judge(done, status=0):
    """What holds for every job."""
    assert done.status == status, done.stdout
    last = done.of("playbook_on_stats")
    assert len(last) == 1
    assert done.largest_event < EVENT_LIMIT
    # Nothing asked, nothing of the credential said, nothing written beside what the runner writes.
    assert "vars_prompt" not in done.stdout
    kubeconfig = (done.folder / "env").glob("tmp*")
    for path in kubeconfig:
        for secret in re.findall(r"client-key-data: (\S{40})|token: (\S+)", path.read_text(encoding="utf-8")):
            assert next(filter(None, secret)) not in done.stdout + json.dumps(done.events)
    if status == 0:
        assert done.failures == []
    # Every line of a table is one line.
    assert all("\\n" not in line for line in done.stdout.splitlines() if "SERVICE  " in line)


def test_site(launch, installed, lab):
    """With answers as a person types them; then again with blanks, when the inventory holds and nothing changes."""
    addresses, gateway = lab.cluster["metallb_pool_addresses"], lab.cluster["metallb_gateway"]
    typed = {
        "metallb_pool_addresses": "\n".join(addresses) + "\n",
        "metallb_interfaces": ", ".join(lab.cluster["metallb_interfaces"]),
        "metallb_gateway": ", ".join(gateway),
        "metallb_reserved": f"{gateway[0]}\n\n",
    }
    # What the survey says wins over the inventory: without it this could not work.
    done = launch("MetalLB site", typed, hosts=lab.inventory(metallb_pool_addresses=["203.0.113.0/24"]))
    judge(done)
    assert done.artifacts["metallb_verify"]["lab"]["ok"] is True
    assert done.artifacts["metallb_verify"]["lab"]["verdict"].endswith("checks are good")

    again = launch("MetalLB site")
    judge(again)
    assert again.changed == {}


def test_blank_texts_mean_unset(launch, installed):
    """As a survey of somebody else sends them: min 0, so "" for each. Nothing changes, since nothing was said."""
    texts = """metallb_hosts metallb_kubeconfig metallb_context metallb_namespace metallb_version metallb_release_name
        metallb_chart_repo metallb_memberlist_secret metallb_exclude_label metallb_probe_host"""
    # ansible-core 2.19 and newer read the blank that AWX writes, !unsafe '', as null, which no list may be: docs/awx.md.
    lists = "metallb_gateway metallb_reserved metallb_dhcp_ranges metallb_node_networks metallb_ignore"
    numbers = {"metallb_verify_timeout": "30", "metallb_wait_timeout": "120", "metallb_settle_timeout": "15"}
    words = {"metallb_prune": "false", "metallb_force": "no", "metallb_ignore_exclude_lb": "true"}
    done = launch(
        "MetalLB site",
        also={**dict.fromkeys(texts.split(), ""), **numbers, **words},
        extra_vars=dict.fromkeys(lists.split(), ""),
    )
    judge(done)
    assert done.changed == {}


def test_a_dry_run_predicts_and_changes_nothing(launch, installed, kubectl, lab):
    before = kubectl("get", "ipaddresspools", "-A", "-o", "jsonpath={.items[*].metadata.resourceVersion}")
    smaller = lab.cluster["metallb_pool_addresses"][0].rsplit(".", 1)[0] + ".249"
    done = launch("MetalLB site, dry run", {"metallb_pool_addresses": smaller})
    judge(done)
    assert done.changed == {"lab": 1}
    assert smaller in done.stdout
    assert kubectl("get", "ipaddresspools", "-A", "-o", "jsonpath={.items[*].metadata.resourceVersion}") == before


def test_a_wrong_answer_is_refused_before_anything_changes(launch, installed):
    done = launch("MetalLB site", {"metallb_pool_addresses": "192.0.2.10-192.0.2.1"})
    judge(done, status=2)
    assert done.changed == {}
    assert "192.0.2.10-192.0.2.1" in done.failures[-1]


@pytest.mark.parametrize("wire", ["auto", "always", "never"])
def test_verify(launch, installed, wire):
    done = launch("MetalLB verify", {"metallb_verify_wire": wire, "metallb_verify_timeout": "20"})
    judge(done)
    found = done.artifacts["metallb_verify"]["lab"]
    assert found["ok"] is True and found["counts"]["failures"] == 0 and found["findings"] == []
    assert found["table"][0].startswith("SERVICE") and len(found["table"]) == 1 + found["counts"]["services"]
    # The same table for a person, line by line.
    assert all(line in done.stdout for line in found["table"])


def test_verify_says_what_failed(launch, installed, lab):
    wanted = [{"name": "default/my-nginx", "port": 81, "protocol": "tcp"}, {"name": "default/no-such"}]
    hosts = lab.inventory(metallb_verify_services=wanted)
    done = launch("MetalLB verify", {"metallb_verify_timeout": "0"}, hosts=hosts)
    judge(done, status=2)
    found = done.artifacts["metallb_verify"]["lab"]
    assert found["ok"] is False and found["counts"]["failures"] == len(found["findings"]) > 0
    # The last line stands alone: it says what failed without what was above it.
    assert "default/no-such" in done.failures[-1] and found["verdict"] in done.failures[-1]


def test_verify_without_raw_sockets_says_where_to_run_it(launch, installed, lab):
    """The execution environment itself as probe: no rights to raw sockets there."""
    done = launch("MetalLB verify", {"metallb_verify_wire": "always"}, also={"metallb_probe_host": "lab"})
    judge(done, status=2)
    told = " ".join(done.failures)
    assert "unreachable" not in told.lower()
    assert "run" in told and "segment" in told, told


def test_validate(launch, installed):
    done = launch("MetalLB validate", {"metallb_validate_fail_on": "error", "metallb_dhcp_ranges": "198.51.100.0/24"})
    judge(done)
    found = done.artifacts["metallb_validate"]["lab"]
    assert found["counts"]["errors"] == 0 and found["verdict"] and found["table"]
    assert done.changed == {}


def test_validate_fails_on_an_error_that_an_answer_brings(launch, installed, lab):
    done = launch("MetalLB validate", {"metallb_dhcp_ranges": lab.cluster["metallb_pool_addresses"][0]})
    judge(done, status=2)
    found = done.artifacts["metallb_validate"]["lab"]
    assert found["counts"]["errors"] > 0
    assert any(line.startswith("MLB310 ") for line in found["findings"])
    assert "MLB310" in done.failures[-1]


def test_diagnose(launch, installed):
    done = launch("MetalLB diagnose", {"metallb_diagnose_services": "default/my-nginx\ntraefik/traefik"})
    judge(done)
    found = done.artifacts["metallb_diagnose"]["lab"]
    assert found["verdict"] == "Nothing is wrong with 2 services." and found["counts"]["errors"] == 0


def test_diagnose_names_the_cause(launch, installed, kubectl):
    kubectl("-n", "metallb-system", "delete", "l2advertisements", "--all")
    try:
        done = launch("MetalLB diagnose")
        judge(done, status=2)
        found = done.artifacts["metallb_diagnose"]["lab"]
        assert found["counts"]["errors"] > 0
        assert any(line.startswith("MLB401 ") for line in found["findings"])
    finally:
        judge(launch("MetalLB site"))


def test_preflight(launch, installed, kubectl, lab):
    """Free addresses are free; one that somebody holds is found, and the job says so in one line."""
    free = lab.cluster["metallb_pool_addresses"][0].split("-")[1]
    done = launch("MetalLB preflight", {"metallb_pool_addresses": f"{free}\n"})
    judge(done)
    assert done.artifacts["metallb_preflight"]["lab"]["ok"] is True

    node = kubectl(
        "get", "nodes", "-o", "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
    ).split()[0]
    done = launch("MetalLB preflight", {"metallb_pool_addresses": f"{free}\n{node}\n"})
    judge(done, status=2)
    assert done.artifacts["metallb_preflight"]["lab"]["ok"] is False
    assert node in done.failures[-1], done.failures


def test_failover(launch, installed):
    """Without a yes nothing is done; with one, the silence is measured."""
    done = launch("MetalLB failover test")
    judge(done, status=2)
    assert done.changed == {} and "Nothing was done" in done.failures[-1]
    done = launch(
        "MetalLB failover test", {"metallb_failover_confirm": "yes", "metallb_failover_service": "default/my-nginx"}
    )
    judge(done)
    assert done.artifacts["metallb_failover"]["lab"]


def test_monitor(launch, installed, kubectl, lab):
    """On a schedule nothing is answered; with an answer, what it allows is fixed."""
    done = launch("MetalLB monitor")
    judge(done)
    assert done.artifacts["metallb_monitor"]["lab"]["status"] == "healthy"
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    kubectl("label", "node", node, f"{label}=")
    # The lab's chart ignores the label, so by itself it does no harm, and no finding asks for its removal.
    also = {"metallb_monitor_severity": "warning"}
    done = launch("MetalLB monitor", {"metallb_monitor_fix": ["exclude-label"]}, also=also)
    found = done.artifacts["metallb_monitor"]["lab"]
    assert found["status"] in ("healthy", "fixed", "remaining") and found["verdict"]
    kubectl("label", "node", node, f"{label}-")


@pytest.mark.parametrize("style", ["argocd", "flux", "manifests"])
def test_gitops(launch, installed, lab, style):
    """Nothing is written without a path: the files are in the output, and what is in them in the artifacts."""
    answers = {
        "metallb_gitops_style": style,
        "metallb_gitops_repo_url": "https://git.example.org/ops/platform.git",
        "metallb_pool_addresses": "\n".join(lab.cluster["metallb_pool_addresses"]) + "\n",
        "metallb_interfaces": "eth0, eth1",
        "metallb_gitops_traefik": "no",
    }
    hosts = lab.inventory(metallb_gitops_render_charts=False)
    done = launch("MetalLB gitops", answers, hosts=hosts)
    judge(done)
    assert done.changed == {}
    found = done.artifacts["metallb_gitops"]["lab"]
    assert found["counts"]["errors"] == 0
    assert "created infrastructure/metallb/config/ipaddresspool.yaml" in found["table"]
    assert "==> infrastructure/metallb/config/l2advertisement.yaml <==" in done.stdout
    assert "    - eth1" in done.stdout
    assert "traefik" not in done.stdout.replace("metallb_gitops_traefik", "")


def test_gitops_says_what_is_wrong(launch, installed, lab):
    answers = {"metallb_gateway": lab.cluster["metallb_pool_addresses"][0].split("-")[0]}
    done = launch("MetalLB gitops", answers, hosts=lab.inventory())
    judge(done, status=2)
    found = done.artifacts["metallb_gitops"]["lab"]
    assert any(line.startswith("MLB302 ") for line in found["findings"])
    assert "MLB302" in done.failures[-1]


# -- credentials


def test_the_bearer_token_of_awx(launch, installed, kubectl, lab):
    """AWX's built-in credential type, injected by AWX's own code: with CA data TLS is verified, without it is not."""
    kubectl("-n", "default", "delete", "serviceaccount", "awx-test", "--ignore-not-found")
    kubectl("-n", "default", "create", "serviceaccount", "awx-test")
    kubectl(
        "create", "clusterrolebinding", "awx-test", "--clusterrole=cluster-admin", "--serviceaccount=default:awx-test"
    )
    try:
        token = kubectl("-n", "default", "create", "token", "awx-test").strip()
        config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))["clusters"][0]["cluster"]
        inputs = {
            "host": config["server"],
            "bearer_token": token,
            "verify_ssl": True,
            "ssl_ca_cert": base64.b64decode(config["certificate-authority-data"]).decode(),
        }
        # A context of a kubeconfig means nothing with a token.
        hosts = lab.inventory(metallb_context="")
        done = launch("MetalLB validate", hosts=hosts, credential=(job.BEARER_TOKEN, inputs))
        judge(done)
        assert done.env["K8S_AUTH_VERIFY_SSL"] == "True"
        assert token not in done.stdout + json.dumps(done.events)

        # The trap: the box is ticked, but without CA data AWX says not to verify.
        done = launch("MetalLB validate", hosts=hosts, credential=(job.BEARER_TOKEN, {**inputs, "ssl_ca_cert": ""}))
        judge(done)
        assert done.env["K8S_AUTH_VERIFY_SSL"] == "False"
    finally:
        kubectl("delete", "clusterrolebinding", "awx-test")
        kubectl("-n", "default", "delete", "serviceaccount", "awx-test")


@pytest.mark.parametrize(
    ("name", "inputs", "variables"),
    [
        (
            "Kubernetes kubeconfig",
            {"kubeconfig": "a: b", "context": "c"},
            {"K8S_AUTH_KUBECONFIG": "a: b", "K8S_AUTH_CONTEXT": ""},
        ),
        ("Talos talosconfig", {"talosconfig": "context: x"}, {"TALOSCONFIG": "context: x"}),
        (
            "Omni service account",
            {"endpoint": "https://omni.example.org", "service_account_key": "hush-hush"},
            {"OMNI_ENDPOINT": "", "OMNI_SERVICE_ACCOUNT_KEY": ""},
        ),
    ],
)
def test_credential_types_reach_the_job(data, tmp_path, name, inputs, variables):
    spec = next(one for one in data["controller_credential_types"] if one["name"] == name)
    env, shown = job.inject(job.custom_type(spec), inputs, tmp_path)
    assert set(env) == set(variables)
    for variable, content in variables.items():
        if content:
            path = tmp_path / "env" / env[variable].rsplit("/", 1)[1]
            assert path.read_text(encoding="utf-8") == content
            assert path.stat().st_mode & 0o777 == 0o600
        else:
            assert env[variable] in inputs.values()
    # What AWX shows of the job's environment.
    secrets = {inputs[field["id"]] for field in spec["inputs"]["fields"] if field.get("secret")}
    assert not secrets & set(shown.values())


# -- surveys


def test_surveys_ask_for_variables_that_the_playbooks_roles_take(data, roles_of):
    for template in data["controller_templates"]:
        if not template["survey_enabled"]:
            continue
        assert survey.wrong_specification(template["survey_spec"]) == ""
        options = roles_of(template["playbook"])
        if options is None:
            continue  # the playbook is not there yet
        for question in template["survey_spec"]["spec"]:
            option = options.get(question["variable"])
            assert option, f"{template['name']}: no role takes {question['variable']}"
            if option["type"] == "bool":
                assert (question["choices"], question["default"]) == (
                    ["no", "yes"],
                    "yes" if option["default"] else "no",
                )
            elif question["type"] == "multiplechoice":
                assert question["choices"] == option["choices"]
                assert question["default"] == option["default"]
            if option["type"] == "list":
                assert question["type"] in ("text", "textarea", "multiselect")
            if question["type"] in survey.TEXTS and not question["required"]:
                assert question["min"] >= 1, "a blank would be sent, and win over the inventory"


def test_every_template_has_a_playbook(data, project_playbooks, root):
    """Every template has a playbook in the project, and the collection has it."""
    there = {path.name for path in (root / "playbooks").glob("*.yml")}
    project = {path.name for path in (root / "extensions/awx/project").glob("*.yml")}
    named = {one["playbook"] for one in data["controller_templates"]}
    assert named == project and project <= there
    for path in (root / "extensions/awx/project").glob("*.yml"):
        assert f"import_playbook: l2ops.metallb.{path.stem}\n" in path.read_text(encoding="utf-8")
