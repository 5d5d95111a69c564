# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for AWX's API on loopback, strict where AWX is lenient.

It takes exactly the fields that api.yml lists, checks each value as AWX does, and writes down everything that it refuses in
`violations`. It runs no jobs.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

import yaml
from dateutil import rrule
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from . import survey

Object = dict[str, Any]
CONTRACT: dict[str, Object] = yaml.safe_load((Path(__file__).parent / "api.yml").read_text(encoding="utf-8"))
TOKEN = "stub-token"
ENCRYPTED = "$encrypted$"
DEFAULTS: Object = {"string": "", "boolean": False, "integer": 0, "json": "", "id": None, "choice": ""}
BY_DEFAULT: Object = {
    "job_type": "run",
    "verbosity": 0,
    "enabled": True,
    "job_slice_count": 1,
    "inputs": {},
    "injectors": {},
}
UNIFIED = ("job_templates", "projects", "workflow_job_templates")
# Where an association's entries live.
LIVES = {
    "children": "groups",
    "success_nodes": "workflow_job_template_nodes",
    "failure_nodes": "workflow_job_template_nodes",
    "always_nodes": "workflow_job_template_nodes",
    "galaxy_credentials": "credentials",
}
# AWX lists a file of a project as a playbook when a line of it looks so.
PLAYBOOK = re.compile(r"^\s*-?\s*(hosts|(ansible\.builtin\.)?import_playbook):", re.MULTILINE)


class Refused(Exception):
    def __init__(self, code: int, body: Any) -> None:
        super().__init__(str(body))
        self.code = code
        self.body = body


class Awx:
    """with Awx(playbooks) as awx: run something with CONTROLLER_HOST=awx.url and CONTROLLER_OAUTH_TOKEN=TOKEN."""

    def __init__(self, playbooks: list[str]) -> None:
        self.playbooks = playbooks
        self.objects: dict[str, dict[int, Object]] = {name: {} for name in CONTRACT}
        self.secrets: dict[int, Object] = {}
        self.surveys: dict[int, Object] = {}
        self.linked: dict[tuple[str, int, str], list[int]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.violations: list[str] = []
        self.lock = threading.Lock()
        self.next = 2
        # AWX brings it along (awx/main/models/credential.py, ManagedCredentialType ssh).
        fields = [{"id": "username"}, {"id": "password", "secret": True}, {"id": "ssh_key_data", "secret": True}]
        machine = {
            "id": 1,
            "name": "Machine",
            "kind": "ssh",
            "inputs": {"fields": fields},
            "injectors": {},
            "managed": True,
        }
        self.objects["credential_types"][1] = machine

    def __enter__(self) -> Awx:
        awx = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: Any) -> None:
                pass

            def handle_one(self, method: str) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length) if length else b""
                parts = urlsplit(self.path)
                with awx.lock:
                    try:
                        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                            raise Refused(401, {"detail": "Authentication credentials were not provided."})
                        body = json.loads(raw) if raw else None
                        if method != "GET":
                            awx.requests.append((method, parts.path, body))
                        code, answer = awx.answer(method, parts.path, dict(parse_qsl(parts.query)), body)
                    except Refused as no:
                        code, answer = no.code, no.body
                        awx.violations.append(f"{method} {self.path} {raw.decode()[:400]}: {no.code} {no.body}")
                data = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("X-API-Product-Name", "AWX")
                self.send_header("X-API-Product-Version", "24.6.1")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                self.handle_one("GET")

            def do_POST(self) -> None:
                self.handle_one("POST")

            def do_PATCH(self) -> None:
                self.handle_one("PATCH")

            def do_DELETE(self) -> None:
                self.handle_one("DELETE")

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_why: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    # -- for tests

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request, without a client."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path, data, headers, method=method), timeout=10) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except HTTPError as no:
            return no.code, json.loads(no.read())

    def named(self, resource: str) -> dict[str, Object]:
        return {one.get("name") or one["identifier"]: one for one in self.objects[resource].values()}

    def links(self, resource: str, name: str, association: str) -> list[str]:
        """Names of what is associated."""
        found = self.linked.get((resource, self.named(resource)[name]["id"], association), [])
        there = self.objects[LIVES.get(association, association)]
        return sorted(there[number].get("name") or there[number]["identifier"] for number in found)

    # -- requests

    def answer(self, method: str, path: str, query: Object, body: Any) -> tuple[int, Any]:
        words = path.strip("/").split("/")
        if words[:2] != ["api", "v2"] or not path.endswith("/"):
            raise Refused(404, {"detail": "Not found."})
        resource, rest = words[2], words[3:]
        if resource == "unified_job_templates" and method == "GET" and not rest:
            return 200, self.listing(
                [one for name in UNIFIED for one in self.full(name)], query, "unified_job_templates"
            )
        if resource == "project_updates" and method == "GET":
            return 200, {
                "id": int(rest[0]),
                "status": "successful",
                "finished": "2026-01-01T00:00:00Z",
                "failed": False,
            }
        if resource not in CONTRACT:
            raise Refused(404, {"detail": "Not found."})
        if not rest:
            if method == "GET":
                return 200, self.listing(self.full(resource), query, resource)
            if method == "POST":
                return 201, self.create(resource, body)
            raise Refused(405, {"detail": "Method not allowed."})
        number = int(rest[0])
        if number not in self.objects[resource]:
            raise Refused(404, {"detail": "Not found."})
        if rest[1:] == ["survey_spec"]:
            return self.survey(method, number, body)
        if resource == "job_templates" and rest[1:] == ["launch"]:
            return self.launch(method, number, body)
        if len(rest) == 2:
            return self.associate(method, resource, number, rest[1], body)
        if method == "GET":
            return 200, self.show(resource, self.objects[resource][number])
        if method == "PATCH":
            return 200, self.change(resource, number, body)
        raise Refused(405, {"detail": "Method not allowed."})

    def full(self, resource: str) -> list[Object]:
        return [self.show(resource, one) for one in self.objects[resource].values()]

    def listing(self, found: list[Object], query: Object, resource: str) -> Object:
        known = {"name", "identifier", "organization", "type"} | set(CONTRACT.get(resource, {}).get("fields", ()))
        either = {k[4:]: v for k, v in query.items() if k.startswith("or__")}
        every = {
            k: v for k, v in query.items() if not k.startswith("or__") and k not in ("page", "page_size", "order_by")
        }
        unknown = (set(every) | set(either)) - known - {"id"}
        if unknown:
            raise Refused(400, {"detail": f"{resource} has no field named {sorted(unknown)[0]}"})

        def holds(one: Object, name: str, value: str) -> bool:
            return str(one.get(name)) == value

        found = [one for one in found if all(holds(one, *item) for item in every.items())]
        if either:
            found = [one for one in found if any(holds(one, *item) for item in either.items())]
        return {"count": len(found), "next": None, "previous": None, "results": found}

    def show(self, resource: str, kept: Object) -> Object:
        one = copy.deepcopy(kept)
        url = f"/api/v2/{resource}/{one['id']}/"
        one.update(type=CONTRACT[resource]["type"], url=url, summary_fields={})
        one["related"] = {name: f"{url}{name}/" for name in CONTRACT[resource].get("lists", [])}
        if resource in ("job_templates", "workflow_job_templates"):
            one["related"]["survey_spec"] = f"{url}survey_spec/"
        for name in CONTRACT[resource].get("ignored", []):
            one.setdefault(name, False)
        if resource == "job_templates":
            linked = self.linked.get((resource, one["id"], "credentials"), [])
            names = [{"id": number, "name": self.objects["credentials"][number]["name"]} for number in linked]
            one["summary_fields"] = {"credentials": names}
        if resource == "projects":
            one["scm_revision"] = "0" * 40
            one["summary_fields"] = {"current_update": {"id": 1000 + one["id"]}}
        return one

    def create(self, resource: str, body: Any) -> Object:
        fields = self.checked(resource, body, {})
        specs = CONTRACT[resource]["fields"]
        one = {name: BY_DEFAULT.get(name, self.blank(spec)) for name, spec in specs.items()}
        one.update(fields, id=self.next)
        if resource == "job_templates":
            one["organization"] = self.objects["projects"][one["project"]]["organization"] if one["project"] else None
        self.unique(resource, one)
        self.further(resource, one)
        self.objects[resource][self.next] = one
        self.next += 1
        self.hide(resource, one)
        return self.show(resource, one)

    def change(self, resource: str, number: int, body: Any) -> Object:
        one = {**self.objects[resource][number], **self.checked(resource, body, self.objects[resource][number])}
        self.unique(resource, one)
        self.further(resource, one)
        self.objects[resource][number] = one
        self.hide(resource, one)
        return self.show(resource, one)

    def associate(self, method: str, resource: str, number: int, name: str, body: Any) -> tuple[int, Any]:
        if name not in CONTRACT[resource].get("lists", []):
            raise Refused(404, {"detail": "Not found."})
        there = LIVES.get(name, name)
        linked = self.linked.setdefault((resource, number, name), [])
        if method == "GET":
            return 200, self.listing([self.show(there, self.objects[there][one]) for one in linked], {}, there)
        if method != "POST" or not isinstance(body, dict) or set(body) - {"id", "disassociate"}:
            raise Refused(400, {"detail": "an association is {id} or {id, disassociate}"})
        other = body.get("id")
        if other not in self.objects.get(there, {}):
            raise Refused(400, {"detail": f"no {there} has id {other}"})
        if body.get("disassociate"):
            linked.remove(other)
            return 204, None
        if there == "credentials":
            kinds = [self.objects[there][one]["credential_type"] for one in linked]
            if self.objects[there][other]["credential_type"] in kinds:
                raise Refused(400, {"error": "Cannot assign multiple credentials of the same type."})
        if there == "workflow_job_template_nodes" and self.reaches(other, number):
            raise Refused(400, {"Error": "Cycle detected."})
        linked.append(other)
        return 204, None

    def reaches(self, begin: int, end: int) -> bool:
        if begin == end:
            return True
        lists = ("success_nodes", "failure_nodes", "always_nodes")
        onward = [n for name in lists for n in self.linked.get(("workflow_job_template_nodes", begin, name), [])]
        return any(self.reaches(one, end) for one in onward)

    def survey(self, method: str, number: int, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, self.surveys.get(number, {})
        complaint = survey.wrong_specification(body)
        if method != "POST" or complaint:
            raise Refused(400, {"error": complaint or "POST it"})
        self.surveys[number] = body
        return 200, {}

    def launch(self, method: str, number: int, body: Any) -> tuple[int, Any]:
        """Checks a launch as AWX does; nothing runs."""
        template = self.objects["job_templates"][number]
        spec = self.surveys.get(number, {}) if template["survey_enabled"] else {}
        if method == "GET":
            asks = any(value for name, value in template.items() if name.startswith("ask_"))
            return 200, {
                "can_start_without_user_input": not (asks or spec),
                "survey_enabled": bool(spec),
                "variables_needed_to_start": survey.refused_answers(spec, {}),
            }
        if method != "POST":
            raise Refused(405, {"detail": "Method not allowed."})
        given = (body or {}).get("extra_vars", {})
        wrong = survey.refused_answers(spec, given)
        if wrong:
            raise Refused(400, {"variables_needed_to_start": wrong})
        asked = {question["variable"] for question in spec.get("spec", [])}
        ignored = {} if template["ask_variables_on_launch"] else {k: v for k, v in given.items() if k not in asked}
        return 201, {"type": "job", "ignored_fields": {"extra_vars": ignored} if ignored else {}}

    # -- what AWX checks

    @staticmethod
    def blank(spec: str) -> Any:
        words = spec.split()
        return None if "null" in words else DEFAULTS[words[0]]

    def checked(self, resource: str, body: Any, old: Object) -> Object:
        if not isinstance(body, dict):
            raise Refused(400, {"detail": "not an object"})
        contract = CONTRACT[resource]
        wrong: Object = {}
        for name, spec in contract["fields"].items():
            if "required" in spec.split() and body.get(name, old.get(name)) in (None, ""):
                wrong[name] = ["This field is required."]
        taken: Object = {}
        for name, value in body.items():
            if name in contract.get("ignored", []):
                continue
            if name not in contract["fields"]:
                wrong[name] = ["no such field (AWX would drop it silently)"]
                continue
            complaint = self.wrong(contract["fields"][name], value)
            if complaint:
                wrong[name] = [complaint]
            taken[name] = value
        if wrong:
            raise Refused(400, wrong)
        return taken

    def wrong(self, spec: str, value: Any) -> str:
        words = spec.split()
        limits = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        # awx.awx sends null for what it was not told; AWX takes that for text and choices.
        if value is None:
            return "" if "null" in words or words[0] in ("choice", "string") else "This field may not be null."
        if words[0] == "string":
            if not isinstance(value, str):
                return "Not a valid string."
            return f"longer than {limits['max']}" if len(value) > int(limits.get("max", 10**9)) else ""
        if words[0] == "boolean":
            return "" if isinstance(value, bool) else "Must be a valid boolean."
        if words[0] == "integer":
            if type(value) is not int:
                return "A valid integer is required."
            inside = int(limits.get("min", -(2**31))) <= value <= int(limits.get("max", 2**31 - 1))
            return "" if inside else "out of range"
        if words[0] == "choice":
            return "" if str(value) in limits["in"].split(",") else f"{value!r} is not a valid choice."
        if words[0] == "json":
            try:
                return (
                    ""
                    if isinstance(value, dict) or isinstance(yaml.safe_load(value), (dict, type(None)))
                    else "no object"
                )
            except yaml.YAMLError:
                return "Cannot parse as JSON or YAML."
        places = UNIFIED if limits.get("of") == "unified_job_templates" else (limits.get("of", ""),)
        there = any(value in self.objects.get(place, {}) for place in places)
        return "" if type(value) is int and there else f'Invalid pk "{value}" - object does not exist.'

    def unique(self, resource: str, one: Object) -> None:
        keys = CONTRACT[resource]["unique"]
        for other in self.objects[resource].values():
            if other["id"] != one["id"] and all(other.get(key) == one.get(key) for key in keys):
                raise Refused(400, {"__all__": [f"{resource} with this {' and '.join(keys)} already exists."]})

    def further(self, resource: str, one: Object) -> None:
        """What AWX checks beyond single fields."""
        if resource == "credential_types":
            complaint = wrong_credential_type(one["inputs"], one["injectors"])
        elif resource == "credentials":
            kind = self.objects["credential_types"][one["credential_type"]]
            known = {field["id"] for field in kind["inputs"].get("fields", [])}
            complaint = f"unknown inputs: {set(one['inputs']) - known}" if set(one["inputs"]) - known else ""
            if not (one["organization"] or one.get("user") or one.get("team")):
                complaint = "Missing 'user', 'team', or 'organization'."
        elif resource == "job_templates":
            complaint = ""
            if one["playbook"] not in self.playbooks:
                complaint = f"Playbook not found for project: {one['playbook']}"
            if not one["inventory"] and not one["ask_inventory_on_launch"]:
                complaint = "Must either set a default value or ask to prompt on launch (inventory)."
            if not one["project"]:
                complaint = "A project is needed."
        elif resource == "schedules":
            complaint = wrong_rule(one["rrule"])
            number = one["unified_job_template"]
            if not complaint and self.objects["job_templates"].get(number, {}).get("survey_enabled"):
                given = one["extra_data"] or {}
                given = yaml.safe_load(given) if isinstance(given, str) else given
                wrong = survey.refused_answers(self.surveys.get(number, {}), given)
                if wrong:
                    raise Refused(400, {"variables_needed_to_start": wrong})
        elif resource == "projects" and one["scm_type"] and not one["scm_url"]:
            complaint = "SCM URL is required."
        else:
            complaint = ""
        if complaint:
            raise Refused(400, {"__all__": [complaint]})

    def hide(self, resource: str, one: Object) -> None:
        """AWX never shows a secret again."""
        if resource != "credentials":
            return
        fields = self.objects["credential_types"][one["credential_type"]]["inputs"].get("fields", [])
        secret = {field["id"] for field in fields if field.get("secret")}
        kept = self.secrets.setdefault(one["id"], {})
        kept.update({name: value for name, value in one["inputs"].items() if value != ENCRYPTED})
        one["inputs"] = {name: ENCRYPTED if name in secret else value for name, value in one["inputs"].items()}


def wrong_rule(text: str) -> str:
    """AWX takes one DTSTART and a rule with FREQ and INTERVAL, and none by the second."""
    if len(re.findall(r"DTSTART", text)) != 1:
        return "A rule needs exactly one DTSTART."
    rules = re.findall(r"RRULE:(\S+)", text)
    if not rules or any("INTERVAL=" not in rule or "SECONDLY" in rule for rule in rules):
        return "A rule needs RRULE with INTERVAL, and not SECONDLY."
    try:
        rrule.rrulestr(text.replace(" ", "\n"))
    except ValueError as why:
        return f"rrule parsing failed: {why}"
    return ""


def wrong_credential_type(inputs: Object, injectors: Object) -> str:
    fields = inputs.get("fields", [])
    names = [field.get("id") for field in fields]
    for field in fields:
        if not field.get("id") or not field.get("label") or "tower" in field["id"]:
            return f"field {field} needs an id and a label"
        if field.get("type", "string") not in ("string", "boolean"):
            return f"field {field['id']}: type {field['type']}"
        extra = set(field) - {"id", "label", "type", "secret", "multiline", "help_text", "format", "choices", "default"}
        extra -= {"ask_at_runtime"}
        if extra:
            return f"field {field['id']}: {extra} is not allowed"
        if field.get("secret") and field.get("type") == "boolean":
            return f"field {field['id']}: a secret is a text"
    if len(set(names)) != len(names):
        return "field ids must be unique"
    if set(inputs.get("required", [])) - set(names):
        return "required names an unknown field"
    if set(injectors) - {"file", "env", "extra_vars"}:
        return f"unknown injectors {set(injectors)}"
    files = injectors.get("file", {})
    if any(not re.fullmatch(r"template(\.[a-zA-Z_]+[a-zA-Z0-9_]*)?", name) for name in files):
        return "files are named template, or template.name"

    class Tower:
        filename = "/a/file"

    space: Object = dict.fromkeys(names, "EXAMPLE")
    if "template" in files:
        space["tower"] = Tower()
    sandbox = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    for kind, entries in injectors.items():
        for name, template in entries.items():
            if kind == "env":
                if not re.fullmatch(r"[a-zA-Z_]+[a-zA-Z0-9_]*", name) or name.startswith("ANSIBLE_"):
                    return f"environment variable {name} is not allowed"
                if not template.isascii():
                    return f"environment variable {name} is not ASCII"
            try:
                sandbox.from_string(template).render(space)
            except TemplateError as why:
                return f"{name} uses an undefined field ({why})"
    return ""


def playbooks_of(project: Path) -> list[str]:
    """Files that AWX would offer as playbooks of a project."""
    found = []
    for path in sorted([*project.rglob("*.yml"), *project.rglob("*.yaml")]):
        folders = path.relative_to(project).parts[:-1]
        if {"roles", "tasks", "group_vars", "host_vars"} & set(folders) or any(
            part.startswith(".") for part in folders
        ):
            continue
        if PLAYBOOK.search(path.read_text(encoding="utf-8")):
            found.append(path.relative_to(project).as_posix())
    return found
