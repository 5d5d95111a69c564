# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""awx_configure against a stand-in for AWX's API that checks each request."""

from __future__ import annotations

import ast
import re

import pytest
import yaml

SECRET = "c2VjcmV0LW9mLXRoZS1rdWJlY29uZmln"


@pytest.fixture
def wanted(tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        f"apiVersion: v1\nkind: Config\nusers:\n- name: x\n  user:\n    token: {SECRET}\n", encoding="utf-8"
    )
    return {
        "metallb_awx_project_url": "https://git.example.org/ops/metallb-awx.git",
        "metallb_awx_kubeconfig": str(kubeconfig),
        "metallb_awx_context": "home",
        "metallb_awx_clusters": [
            {"name": "home", "variables": {"metallb_context": "home", "metallb_gateway": ["192.168.7.1"]}},
            {"name": "office"},
        ],
        "metallb_awx_probes": [{"name": "nas", "variables": {"ansible_user": "root"}}],
    }


def test_all_of_it_twice(awx, configure, wanted, data):
    code, output, changed = configure(**wanted)
    assert (code, awx.violations) == (0, []), output
    assert changed > 0
    assert SECRET not in output

    # What is there afterwards.
    assert set(awx.named("organizations")) == {"l2ops"}
    templates = awx.named("job_templates")
    assert set(templates) == {one["name"] for one in data["controller_templates"]}
    for one in data["controller_templates"]:
        assert templates[one["name"]]["playbook"] == one["playbook"]
        assert awx.surveys.get(templates[one["name"]]["id"]) == one.get("survey_spec")
        assert awx.links("job_templates", one["name"], "credentials") == ["MetalLB clusters"]
    assert awx.links("groups", "metallb_clusters", "hosts") == ["home", "office"]
    assert awx.links("groups", "metallb_probes", "hosts") == ["nas"]
    assert yaml.safe_load(awx.named("hosts")["home"]["variables"])["metallb_gateway"] == ["192.168.7.1"]
    # A template for Ansible, not for this run.
    assert "{{ ansible_playbook_python }}" in awx.named("groups")["metallb_clusters"]["variables"]
    kubeconfig = awx.named("credential_types")["Kubernetes kubeconfig"]
    assert kubeconfig["injectors"]["env"]["K8S_AUTH_KUBECONFIG"] == "{{ tower.filename }}"
    assert SECRET in next(iter(awx.secrets.values()))["kubeconfig"]

    # The workflow: site after preflight, verify after site, diagnose where one of the two fails.
    arrows = {
        (node, kind, after)
        for node in awx.named("workflow_job_template_nodes")
        for kind in ("success_nodes", "failure_nodes", "always_nodes")
        for after in awx.links("workflow_job_template_nodes", node, kind)
    }
    assert arrows == {
        ("preflight", "success_nodes", "site"),
        ("site", "success_nodes", "verify"),
        ("site", "failure_nodes", "diagnose"),
        ("verify", "failure_nodes", "diagnose"),
    }

    # Again: nothing to do, nothing sent.
    awx.requests.clear()
    code, output, changed = configure(**wanted)
    assert (code, changed, awx.violations) == (0, 0, []), output
    assert awx.requests == []

    # Of a change, what changed; of a dry run, nothing.
    another = {**wanted, "metallb_awx_image": "registry.example.org/ee:2"}
    code, output, changed = configure("--check", **another)
    assert (code, changed, awx.requests) == (0, 1, []), output
    code, output, _changed = configure(**another)
    number = awx.named("execution_environments")["l2ops.metallb"]["id"]
    assert [(method, path) for method, path, _body in awx.requests] == [
        ("PATCH", f"/api/v2/execution_environments/{number}/")
    ], output


def attach(awx, template, credential):
    number = awx.named("job_templates")[template]["id"]
    body = {"id": awx.named("credentials")[credential]["id"]}
    return awx.send("POST", f"/api/v2/job_templates/{number}/credentials/", body)[0]


def by_hand(awx, name, kind):
    """A credential that somebody made in AWX."""
    organization = awx.named("organizations")["l2ops"]["id"]
    body = {
        "name": name,
        "organization": organization,
        "credential_type": awx.named("credential_types")[kind]["id"],
        "inputs": {},
    }
    assert awx.send("POST", "/api/v2/credentials/", body)[0] == 201


def test_what_somebody_attached_by_hand_stays(awx, configure, wanted):
    code, output, _changed = configure(**wanted)
    assert code == 0, output
    by_hand(awx, "Probe hosts", "Machine")
    by_hand(awx, "Office clusters", "Kubernetes kubeconfig")
    assert attach(awx, "MetalLB verify", "Probe hosts") == 204
    # In the place of ours: AWX takes one of a type.
    number = awx.named("job_templates")["MetalLB site"]["id"]
    ours = {"id": awx.named("credentials")["MetalLB clusters"]["id"], "disassociate": True}
    assert awx.send("POST", f"/api/v2/job_templates/{number}/credentials/", ours)[0] == 204
    assert attach(awx, "MetalLB site", "Office clusters") == 204
    awx.requests.clear()
    code, output, changed = configure(**wanted)
    assert (code, changed, awx.violations, awx.requests) == (0, 0, [], []), output
    assert awx.links("job_templates", "MetalLB verify", "credentials") == ["MetalLB clusters", "Probe hosts"]
    assert awx.links("job_templates", "MetalLB site", "credentials") == ["Office clusters"]
    # Who says that the list is whole gets it, and a dry run tells what it would detach.
    whole = {**wanted, "metallb_awx_credentials_whole": True}
    code, output, changed = configure("--check", **whole)
    assert code == 0 and changed == 1 and awx.requests == [], output
    code, output, _changed = configure(**whole)
    assert awx.links("job_templates", "MetalLB verify", "credentials") == ["MetalLB clusters"], output
    assert awx.links("job_templates", "MetalLB site", "credentials") == ["MetalLB clusters"]


def test_a_machine_credential_for_the_probes(awx, configure, wanted, tmp_path):
    key = tmp_path / "id_ed25519"
    key.write_text(
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n", encoding="utf-8"
    )
    made = {**wanted, "metallb_awx_machine_key": str(key), "metallb_awx_machine_user": "probe"}
    code, output, _changed = configure(**made)
    assert (code, awx.violations) == (0, []) and SECRET not in output, output
    for name in awx.named("job_templates"):
        assert sorted(awx.links("job_templates", name, "credentials")) == ["MetalLB clusters", "MetalLB probe hosts"]
    assert awx.named("credentials")["MetalLB probe hosts"]["inputs"]["username"] == "probe"
    awx.requests.clear()
    code, output, changed = configure(**made)
    assert (code, changed, awx.requests) == (0, 0, []), output


def test_every_template_but_the_failover_test_can_be_launched_without_answers(awx, configure, wanted):
    code, output, _changed = configure(**wanted)
    assert (code, awx.violations) == (0, []), output
    refused = {}
    for name, template in awx.named("job_templates").items():
        path = f"/api/v2/job_templates/{template['id']}/launch/"
        status, answer = awx.send("POST", path, {})
        assert status in (201, 400)
        if status == 400:
            refused[name] = answer
        # Each asks for a limit at least, so the form is shown.
        assert awx.send("GET", path)[1]["can_start_without_user_input"] is False
    assert refused == {
        "MetalLB failover test": {"variables_needed_to_start": ["'metallb_failover_confirm' value missing"]}
    }
    number = awx.named("job_templates")["MetalLB failover test"]["id"]
    body = {"extra_vars": {"metallb_failover_confirm": "yes"}}
    assert awx.send("POST", f"/api/v2/job_templates/{number}/launch/", body)[0] == 201


def test_only_a_confirmation_is_a_required_answer(data):
    """Needs no AWX: a required question is not answered by its default, at launch and in schedules."""
    required = {
        question["variable"]
        for template in [*data["controller_templates"], *data["controller_workflows"]]
        for question in template["survey_spec"]["spec"]
        if question["required"]
    }
    assert required == {"metallb_failover_confirm"}


def test_a_dry_run_on_an_empty_awx_says_what_it_cannot_know(awx, configure, wanted):
    code, output, _changed = configure("--check", **wanted)
    assert (code, awx.requests) == (0, []), output
    assert "the rest cannot be compared before that" in output


def test_what_only_a_person_knows_is_asked_for(configure):
    code, output, _changed = configure()
    assert code != 0
    assert "Set metallb_awx_project_url to the Git repository that holds the files of extensions/awx/project" in output


def test_a_data_file_of_ones_own(awx, configure, tmp_path):
    own = tmp_path / "own.yml"
    # Without a kubeconfig there is no credential either.
    own.write_text(
        "controller_organizations: [{name: another}]\ncontroller_credentials: '{{ metallb_awx_credentials }}'\n",
        encoding="utf-8",
    )
    code, output, _changed = configure(metallb_awx_data=str(own))
    assert (code, set(awx.named("organizations")), awx.violations) == (0, {"another"}, []), output
    assert awx.objects["credentials"] == {}


def test_without_awx_awx_the_message_says_where_to_get_it(configure, tmp_path):
    code, output, _changed = configure(metallb_awx_project_url="x", collections=str(tmp_path))
    assert code != 0
    assert "ansible-galaxy collection install awx.awx" in output.replace("\n", " ")


@pytest.fixture
def made(awx):
    """What a job template refers to."""

    def post(resource, **body):
        code, answer = awx.send("POST", f"/api/v2/{resource}/", body)
        assert code == 201, answer
        return answer["id"]

    organization = post("organizations", name="o")
    return {
        "name": "t",
        "playbook": "site.yml",
        "inventory": post("inventories", name="i", organization=organization),
        "project": post("projects", name="p", organization=organization, scm_type="git", scm_url="https://x/y.git"),
    }


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"playbook": "nowhere.yml"}, "Playbook not found for project: nowhere.yml"),
        ({"timeout": 2**40}, "out of range"),
        ({"forks": "10"}, "A valid integer is required."),
        ({"job_type": "scan"}, "is not a valid choice"),
        ({"inventory": 4711}, "object does not exist"),
        ({"organization": 1}, "no such field"),
        ({"name": "x" * 513}, "longer than 512"),
        ({"name": ""}, "This field is required."),
    ],
)
def test_the_stand_in_refuses_job_templates(awx, made, change, complaint):
    """Without these, the tests above would prove little."""
    assert awx.send("POST", "/api/v2/job_templates/", made)[0] == 201
    code, answer = awx.send("POST", "/api/v2/job_templates/", {**made, "name": "u", **change})
    assert code == 400 and complaint in str(answer)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"env": {"ANSIBLE_X": "y"}}, "environment variable ANSIBLE_X is not allowed"),
        ({"env": {"X": "{{ nothing }}"}}, "undefined"),
        ({"env": {"X": "{{ tower.filename }}"}}, "undefined"),
        ({"files": {}}, "unknown injectors"),
    ],
)
def test_the_stand_in_refuses_credential_types(awx, change, complaint):
    inputs = {"fields": [{"id": "context", "label": "Context"}]}
    body = {"name": "k", "kind": "cloud", "inputs": inputs, "injectors": change}
    code, answer = awx.send("POST", "/api/v2/credential_types/", body)
    assert code == 400 and complaint in str(answer)


@pytest.mark.parametrize(
    ("question", "complaint"),
    [
        ({"type": "list"}, "no such type"),
        ({"required": "yes"}, "required is missing, or no bool"),
        ({"type": "integer", "default": "30"}, "is no integer"),
        ({"type": "multiplechoice", "choices": ["a"], "default": "b"}, "none of its choices"),
        ({"min": "1"}, "min is no integer"),
    ],
)
def test_the_stand_in_refuses_surveys(awx, made, question, complaint):
    number = awx.send("POST", "/api/v2/job_templates/", made)[1]["id"]
    asked = {"type": "text", "question_name": "q", "variable": "v", "required": False, **question}
    spec = {"name": "", "description": "", "spec": [asked]}
    code, answer = awx.send("POST", f"/api/v2/job_templates/{number}/survey_spec/", spec)
    assert code == 400 and complaint in str(answer)


def asking(awx, made, **question):
    """A job template with one question, and the path of its launch."""
    template = {**made, "survey_enabled": True}
    number = awx.send("POST", "/api/v2/job_templates/", template)[1]["id"]
    asked = {"type": "text", "question_name": "q", "variable": "v", "required": False, **question}
    spec = {"name": "", "description": "", "spec": [asked]}
    assert awx.send("POST", f"/api/v2/job_templates/{number}/survey_spec/", spec)[0] == 200
    return number, f"/api/v2/job_templates/{number}/launch/"


def test_the_stand_in_holds_launches_and_schedules_to_required_answers(awx, made):
    number, path = asking(awx, made, required=True, default="d")
    missing = (400, {"variables_needed_to_start": ["'v' value missing"]})
    assert awx.send("POST", path, {}) == missing
    rule = {
        "name": "s",
        "unified_job_template": number,
        "rrule": "DTSTART:20260101T000700Z RRULE:FREQ=HOURLY;INTERVAL=1",
    }
    assert awx.send("POST", "/api/v2/schedules/", rule) == missing
    assert awx.send("POST", "/api/v2/schedules/", {**rule, "extra_data": {"v": "x"}})[0] == 201
    taken = awx.send("POST", path, {"extra_vars": {"v": "x", "w": "y"}})
    assert taken == (201, {"type": "job", "ignored_fields": {"extra_vars": {"w": "y"}}})


def test_the_stand_in_refuses_a_blank_below_the_least_length(awx, made):
    _number, path = asking(awx, made, min=1)
    code, answer = awx.send("POST", path, {"extra_vars": {"v": ""}})
    assert code == 400 and "under 1" in str(answer)
    assert awx.send("POST", path, {})[0] == 201


def test_the_data_file_may_say_whatever_awx_awx_takes(awx_collection, root, data):
    """A key that no task passes on would be lost in silence."""
    tasks = [
        *yaml.safe_load((root / "roles/awx/tasks/organizations.yml").read_text(encoding="utf-8")),
        *yaml.safe_load((root / "roles/awx/tasks/objects.yml").read_text(encoding="utf-8")),
    ]
    passed = {}
    for task in tasks:
        for module, options in task.items():
            if module.startswith("awx.awx."):
                kind = re.search(r"controller_\w+", task["loop"])[0]
                passed[kind] = set(options)
                source = awx_collection / "ansible_collections/awx/awx/plugins/modules" / f"{module.split('.')[2]}.py"
                assigned = [
                    node for node in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(node, ast.Assign)
                ]
                text = next(ast.literal_eval(node.value) for node in assigned if node.targets[0].id == "DOCUMENTATION")
                assert set(options) == set(yaml.safe_load(text)["options"]) - {
                    "new_name",
                    "copy_from",
                    "custom_virtualenv",
                }
    for kind, entries in data.items():
        if kind.startswith("controller_") and isinstance(entries, list):
            assert {key for one in entries for key in one} <= passed[kind], kind
