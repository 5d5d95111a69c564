# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small API server on loopback, for tests: real requests and answers, objects in a dictionary.

It is a stand-in. What it does, it does as kube-apiserver 1.34 was seen to do it: lists by pages, label and field
selectors, JSON and merge patches with preconditions, dry runs, watches, and refusals on demand. It knows nothing else.
"""

from __future__ import annotations

import copy
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable
from urllib.parse import parse_qs, unquote, urlsplit

Object = dict[str, Any]

# plural: (group/version, kind)
KINDS = {
    "nodes": ("v1", "Node"),
    "namespaces": ("v1", "Namespace"),
    "pods": ("v1", "Pod"),
    "services": ("v1", "Service"),
    "secrets": ("v1", "Secret"),
    "configmaps": ("v1", "ConfigMap"),
    "events": ("v1", "Event"),
    "deployments": ("apps/v1", "Deployment"),
    "daemonsets": ("apps/v1", "DaemonSet"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "customresourcedefinitions": ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    "validatingwebhookconfigurations": ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    "ipaddresspools": ("metallb.io/v1beta1", "IPAddressPool"),
    "l2advertisements": ("metallb.io/v1beta1", "L2Advertisement"),
    "bgpadvertisements": ("metallb.io/v1beta1", "BGPAdvertisement"),
    "bgppeers": ("metallb.io/v1beta2", "BGPPeer"),
    "servicel2statuses": ("metallb.io/v1beta1", "ServiceL2Status"),
    "configurationstates": ("metallb.io/v1beta1", "ConfigurationState"),
    "applications": ("argoproj.io/v1alpha1", "Application"),
}
CLUSTER_WIDE = {"nodes", "namespaces", "customresourcedefinitions", "validatingwebhookconfigurations"}


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, code: int, message: str = "", reason: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.headers = headers or {}


class FakeApi:
    """with FakeApi() as api: api.add(node); connect(module with host=api.url)."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.objects: dict[str, dict[tuple[str, str], Object]] = {plural: {} for plural in KINDS}
        self.log: list[tuple[int, str, str, Object]] = []  # rv, ADDED|MODIFIED|DELETED, plural, object
        self.requests: list[Object] = []
        self.version = 1000
        self.absent: set[str] = set()  # plurals without a CRD
        self.forbidden: set[tuple[str, str]] = set()  # (verb, plural)
        self.faults: list[Object] = []
        self.refused: dict[str, int] = {}  # plural: status of each list
        # called with (verb, plural, object as it would be stored, old object or None); raises Refused
        self.admission: Callable[[str, str, Object, Object | None], None] | None = None
        # called after a change with (event type, plural, object); may change more
        self.reaction: Callable[[str, str, Object], None] | None = None
        self.compacted = 0
        # whether a resourceVersion that is too old is refused within the stream, as after a compaction, or at once
        self.gone_in_stream = False
        self.token: str | None = None
        # by kind: fields of spec that its schema has; others are dropped, or refused when validation is strict
        self.schema: dict[str, set[str]] = {}
        self.page_tokens: set[str] = set()
        self.generation = 0

    # -- setting the stage --------------------------------------------------------------------------------------------

    def add(self, obj: Object) -> Object:
        plural = next(plural for plural, (_version, kind) in KINDS.items() if kind == obj["kind"])
        with self.lock:
            return self._store("ADDED", plural, obj)

    def fault(self, method: str, path: str, code: int, message: str = "", times: int = 1, **headers: str) -> None:
        """The next requests that begin like this are refused."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        self.faults.append(
            {"method": method, "path": path, "code": code, "message": message, "times": times, "headers": named}
        )

    def refuse(self, plural: str, status: int) -> None:
        """Every list of this kind fails with this status, however often it is tried."""
        if status == 403:
            self.forbidden.add(("list", plural))
        else:
            self.refused[plural] = status

    def get(self, plural: str, name: str, namespace: str = "") -> Object | None:
        with self.lock:
            return copy.deepcopy(self.objects[plural].get((namespace, name)))

    def sent(self, *methods: str) -> list[Object]:
        return [request for request in self.requests if not methods or request["method"] in methods]

    def write(
        self, plural: str, name: str, change: Callable[[Object], None], namespace: str = "", manager: str = ""
    ) -> None:
        """Somebody else changes an object."""
        with self.lock:
            old = self.objects[plural].get((namespace, name))
            if old is None:
                return
            obj = copy.deepcopy(old)
            change(obj)
            if manager:
                _manage(obj, old, manager)
            self._store("MODIFIED", plural, obj)

    def remove(self, plural: str, name: str, namespace: str = "") -> None:
        with self.lock:
            obj = self.objects[plural].pop((namespace, name), None)
            if obj is not None:
                self._record("DELETED", plural, obj)

    def bookmark(self, plural: str) -> int:
        """Tell those who watch this kind how far the log is; what their resourceVersion is then."""
        with self.changed:
            self.version += 1
            obj = {"kind": KINDS[plural][1], "metadata": {"resourceVersion": str(self.version), "uid": ""}}
            self.log.append((self.version, "BOOKMARK", plural, obj))
            self.changed.notify_all()
            return self.version

    def end_watches(self) -> None:
        """End every open stream of events."""
        with self.changed:
            self.generation += 1
            self.changed.notify_all()

    # -- running ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> FakeApi:
        handler = type("Handler", (_Handler,), {"api": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_details: object) -> None:
        with self.changed:
            self.generation += 1
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    # -- the store ----------------------------------------------------------------------------------------------------

    def _store(self, event: str, plural: str, obj: Object) -> Object:
        obj = copy.deepcopy(obj)
        metadata = obj.setdefault("metadata", {})
        self.version += 1
        metadata["resourceVersion"] = str(self.version)
        metadata.setdefault("uid", str(uuid.uuid4()))
        obj.setdefault("apiVersion", KINDS[plural][0])
        self.objects[plural][(metadata.get("namespace", ""), metadata["name"])] = obj
        self._record(event, plural, obj, bump=False)
        return obj

    def _record(self, event: str, plural: str, obj: Object, bump: bool = True) -> None:
        if bump:
            self.version += 1
            obj = copy.deepcopy(obj)
            obj["metadata"]["resourceVersion"] = str(self.version)
        self.log.append((self.version, event, plural, copy.deepcopy(obj)))
        self.changed.notify_all()
        if self.reaction is not None:
            self.reaction(event, plural, copy.deepcopy(obj))

    # -- requests -----------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: Any) -> Object:
        with self.lock:
            if self.token is not None and headers.get("Authorization") != f"Bearer {self.token}":
                raise Refused(401, "Unauthorized", "Unauthorized")
            for fault in self.faults:
                if fault["times"] > 0 and fault["method"] == method and path.startswith(fault["path"]):
                    fault["times"] -= 1
                    raise Refused(fault["code"], fault["message"], headers=fault["headers"])
            if path == "/version":
                return {"major": "1", "minor": "34", "gitVersion": "v1.34.2"}
            plural, namespace, name = self._route(path)
            verb = {"GET": "get" if name else "list", "POST": "create", "PATCH": "patch", "DELETE": "delete"}[method]
            if query.get("watch"):
                verb = "watch"
            if verb == "list" and plural in self.refused:
                raise Refused(self.refused[plural], "the server is broken")
            if (verb, plural) in self.forbidden:
                group = KINDS[plural][0].rpartition("/")[0]
                group = "" if "/" not in KINDS[plural][0] else group
                raise Refused(
                    403,
                    f'{plural} is forbidden: User "test" cannot {verb} resource "{plural}" in API group "{group}" '
                    "at the cluster scope",
                    "Forbidden",
                )
            if verb == "list":
                return self._list(plural, namespace, query, headers)
            if verb == "create":
                return self._create(plural, namespace, body, query)
            key = (namespace, name)
            old = self.objects[plural].get(key)
            if old is None:
                raise Refused(404, f'{plural} "{name}" not found', "NotFound")
            if verb == "get":
                return copy.deepcopy(old)
            if verb == "delete":
                wanted = ((body or {}).get("preconditions") or {}).get("uid")
                if wanted and wanted != old["metadata"]["uid"]:
                    raise Refused(409, "Precondition failed: UID in precondition does not match", "Conflict")
                if self.admission is not None:
                    self.admission("delete", plural, old, old)
                if not query.get("dryRun"):
                    self.objects[plural].pop(key)
                    self._record("DELETED", plural, old)
                return {"kind": "Status", "status": "Success"}
            new = self._patched(copy.deepcopy(old), headers.get("Content-Type", ""), body)
            expected = new["metadata"].get("resourceVersion")
            if expected and expected != old["metadata"]["resourceVersion"]:
                raise Refused(409, "the object has been modified", "Conflict")
            self._prune(plural, new, query)
            if self.admission is not None:
                self.admission("update", plural, new, old)
            if new == old or query.get("dryRun"):
                return new
            _manage(new, old, query.get("fieldManager", "unknown"))
            return copy.deepcopy(self._store("MODIFIED", plural, new))

    def _route(self, path: str) -> tuple[str, str, str]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        version, rest = ("v1", parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        plural = rest[0] if rest else ""
        if plural not in KINDS or KINDS[plural][0] != version or plural in self.absent:
            raise Refused(404, "", "")
        return plural, namespace, rest[1] if len(rest) > 1 else ""

    def _list(self, plural: str, namespace: str, query: dict[str, str], headers: Any) -> Object:
        found = [
            copy.deepcopy(obj)
            for (where, _name), obj in sorted(self.objects[plural].items())
            if (not namespace or where == namespace) and _selected(obj, query)
        ]
        for obj in found:
            # as in real lists of built-in kinds
            obj.pop("kind", None)
            obj.pop("apiVersion", None)
        start = 0
        if query.get("continue"):
            if query["continue"] not in self.page_tokens:
                raise Refused(410, "The provided continue parameter is too old", "Expired")
            start = int(query["continue"].split("-")[1])
        metadata: Object = {"resourceVersion": str(self.version)}
        limit = int(query.get("limit") or 0)
        if limit and start + limit < len(found):
            metadata["continue"] = f"page-{start + limit}"
            self.page_tokens.add(metadata["continue"])
            found = found[start : start + limit]
        else:
            found = found[start:]
        if "PartialObjectMetadataList" in headers.get("Accept", ""):
            found = [{"kind": "PartialObjectMetadata", "metadata": obj["metadata"]} for obj in found]
        version, kind = KINDS[plural]
        return {"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": found}

    def _create(self, plural: str, namespace: str, body: Object, query: dict[str, str]) -> Object:
        obj = copy.deepcopy(body)
        metadata = obj.setdefault("metadata", {})
        if plural not in CLUSTER_WIDE:
            metadata["namespace"] = namespace
        if "name" not in metadata:
            metadata["name"] = metadata.get("generateName", "") + uuid.uuid4().hex[:5]
        if (metadata.get("namespace", ""), metadata["name"]) in self.objects[plural]:
            raise Refused(409, f'{plural} "{metadata["name"]}" already exists', "AlreadyExists")
        self._prune(plural, obj, query)
        if self.admission is not None:
            self.admission("create", plural, obj, None)
        if query.get("dryRun"):
            return obj
        return copy.deepcopy(self._store("ADDED", plural, obj))

    def _prune(self, plural: str, obj: Object, query: dict[str, str]) -> None:
        if plural not in self.schema:
            return
        for field in set(obj.get("spec") or {}) - self.schema[plural]:
            if query.get("fieldValidation") == "Strict":
                raise Refused(400, f'strict decoding error: unknown field "spec.{field}"', "BadRequest")
            del obj["spec"][field]

    @staticmethod
    def _patched(obj: Object, content_type: str, patch: Any) -> Object:
        # Of what is sent here, a strategic merge patch does the same: maps, and no list that has a key of its own.
        if content_type in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
            merged = _merge(obj, patch)
            assert isinstance(merged, dict)
            return merged
        if content_type != "application/json-patch+json":
            raise Refused(415, f"no such patch: {content_type}")
        for operation in patch:
            _operate(obj, operation)
        return obj


def _selected(obj: Object, query: dict[str, str]) -> bool:
    labels = obj["metadata"].get("labels") or {}
    for term in filter(None, query.get("labelSelector", "").split(",")):
        if term.startswith("!"):
            if term[1:] in labels:
                return False
        elif "=" in term:
            key, _eq, wanted = term.partition("=")
            if labels.get(key) != wanted.lstrip("="):
                return False
        elif term not in labels:
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        key, _eq, wanted = term.partition("=")
        node: Any = obj
        for part in key.split("."):
            node = (node or {}).get(part)
        if node != wanted:
            return False
    return True


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, inner in patch.items():
        if inner is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), inner)
    return result


def _operate(obj: Object, operation: Object) -> None:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    parent: Any = obj
    for part in parts[:-1]:
        parent = parent.get(part) if isinstance(parent, dict) else None
    if not isinstance(parent, dict):
        raise Refused(422, "the server rejected our request due to an error in our request", "Invalid")
    last = parts[-1]
    if operation["op"] == "test":
        if parent.get(last) != operation["value"]:
            raise Refused(422, "the server rejected our request due to an error in our request", "Invalid")
    elif operation["op"] == "remove":
        if last not in parent:
            raise Refused(422, "the server rejected our request due to an error in our request", "Invalid")
        del parent[last]
    else:
        parent[last] = operation["value"]


def _manage(new: Object, old: Object, manager: str) -> None:
    """managedFields of the labels, the only ones that anything here reads."""
    before = old["metadata"].get("labels") or {}
    after = new["metadata"].get("labels") or {}
    wrote = [key for key, text in after.items() if before.get(key) != text]
    fields = [entry for entry in new["metadata"].get("managedFields") or [] if "fieldsV1" in entry]
    for entry in fields:
        labels = entry["fieldsV1"].get("f:metadata", {}).get("f:labels", {})
        for key in set(before) | set(after):
            if key not in after or key in wrote:
                labels.pop(f"f:{key}", None)
    if wrote:
        fields.append(
            {
                "manager": manager,
                "operation": "Update",
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "fieldsV1": {"f:metadata": {"f:labels": {f"f:{key}": {} for key in wrote}}},
            }
        )
    if fields:
        new["metadata"]["managedFields"] = fields


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: FakeApi

    def log_message(self, *_arguments: Any) -> None:
        pass

    def _serve(self) -> None:
        parsed = urlsplit(self.path)
        query = {key: texts[0] for key, texts in parse_qs(parsed.query, keep_blank_values=True).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        with self.api.lock:
            self.api.requests.append(
                {
                    "method": self.command,
                    "path": parsed.path,
                    "query": query,
                    "body": body,
                    "headers": self.headers.items(),
                }
            )
        try:
            if query.get("watch"):
                self._watch(parsed.path, query)
                return
            self._reply(
                201 if self.command == "POST" else 200,
                self.api.answer(self.command, parsed.path, query, self.headers, body),
            )
        except Refused as refused:
            if refused.code == 404 and not refused.message:
                self._raw(404, b"404 page not found\n", "text/plain")
                return
            status = {
                "kind": "Status",
                "status": "Failure",
                "code": refused.code,
                "message": refused.message,
                "reason": refused.reason,
            }
            self._reply(refused.code, status, refused.headers)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def _reply(self, code: int, obj: Object, headers: dict[str, str] | None = None) -> None:
        self._raw(code, json.dumps(obj).encode(), "application/json", headers)

    def _raw(self, code: int, data: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, path: str, query: dict[str, str]) -> None:
        api = self.api
        with api.lock:
            for fault in api.faults:
                if fault["times"] > 0 and fault["method"] == "WATCH" and path.startswith(fault["path"]):
                    fault["times"] -= 1
                    raise Refused(fault["code"], fault["message"], headers=fault["headers"])
            plural, namespace, _name = api._route(path)
        seen = int(query["resourceVersion"])
        if seen < api.compacted and not api.gone_in_stream:
            raise Refused(410, f"too old resource version: {seen} ({api.compacted})", "Expired")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if seen < api.compacted:
            self._chunk({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}})
            self.wfile.write(b"0\r\n\r\n")
            return
        deadline = time.monotonic() + float(query.get("timeoutSeconds") or 30)
        matched: dict[str, bool] = {}
        with api.lock:
            generation = api.generation
            for version, event, kind, obj in api.log:
                if version <= seen and kind == plural:
                    matched[obj["metadata"]["uid"]] = event != "DELETED" and _selected(obj, query)
        try:
            while True:
                with api.changed:
                    if api.generation != generation:
                        break
                    fresh = [entry for entry in api.log if entry[0] > seen]
                    if not fresh:
                        left = deadline - time.monotonic()
                        if left <= 0:
                            break
                        api.changed.wait(min(left, 1.0))
                        continue
                for version, event, kind, obj in fresh:
                    seen = version
                    if kind != plural or (namespace and obj["metadata"].get("namespace") != namespace):
                        continue
                    if event == "BOOKMARK":
                        if query.get("allowWatchBookmarks") == "true":
                            self._chunk({"type": event, "object": obj})
                        continue
                    # What begins or ceases to match the selector is ADDED or DELETED to who watches by it.
                    uid = obj["metadata"]["uid"]
                    was, now = matched.get(uid, False), event != "DELETED" and _selected(obj, query)
                    matched[uid] = now
                    if was or now:
                        self._chunk({"type": ("MODIFIED" if was else "ADDED") if now else "DELETED", "object": obj})
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _chunk(self, event: Object) -> None:
        data = json.dumps(event).encode() + b"\n"
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()
