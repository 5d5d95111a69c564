# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""A request to the API server that failed, in words that a person can act on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.l2ops.metallb.plugins.module_utils._kube.constants import Chain, Object
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import printable


class ApiError(Exception):
    """A request that did not succeed, in words that a person can act on."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        verb: str = "",
        resource: str = "",
        namespace: str = "",
        name: str = "",
        kind_of_failure: str = "other",
        reason: str = "",
        advice: str = "",
    ) -> None:
        message, reason, advice = printable(message), printable(reason), printable(advice)
        super().__init__(message)
        self.message = message
        self.status = status
        self.verb = verb
        self.resource = resource
        self.namespace = namespace
        self.name = name
        # forbidden, absent, unauthorized, unreachable, tls, conflict, throttled, other
        self.kind_of_failure = kind_of_failure
        # the API server's own words
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()

    @property
    def webhook_unavailable(self) -> bool:
        """A webhook could not be asked: passes when its pod is ready."""
        return "failed calling webhook" in self.reason

    @property
    def webhook_denied(self) -> bool:
        """A webhook was asked and said no: does not pass by itself."""
        return "admission webhook" in self.reason and "denied the request" in self.reason

    @property
    def kind_missing(self) -> bool:
        """The cluster does not serve this kind at all (no CRD), as against: this object is not there."""
        return self.status == 404 and (not self.name or "could not find the requested resource" in self.reason)

    def as_result(self) -> Object:
        """The same for a module's result."""
        return {
            "status": self.status,
            "verb": self.verb,
            "resource": self.resource,
            "namespace": self.namespace,
            "name": self.name,
            "kind_of_failure": self.kind_of_failure,
            "advice": self.advice,
        }


@dataclass(frozen=True)
class _Call:
    """What a path means in the words of RBAC."""

    verb: str
    plural: str = ""
    group: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    version: str = ""

    @property
    def resource(self) -> str:
        if not self.plural:
            return self.path
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def describe(self) -> str:
        what = f"{self.verb} {self.resource}"
        if self.name:
            what += f" {self.name}"
        if self.namespace:
            what += f" in namespace {self.namespace}"
        return what

    def error(self, message: str, **more: Any) -> ApiError:
        return ApiError(
            message, verb=self.verb, resource=self.resource, namespace=self.namespace, name=self.name, **more
        )

    def rule(self) -> str:
        if not self.plural:
            return f'nonResourceURLs: ["{self.path}"], verbs: ["get"]'
        where = f"a Role in namespace {self.namespace}" if self.namespace else "a ClusterRole"
        return f'apiGroups: ["{self.group}"], resources: ["{self.plural}"], verbs: ["{self.verb}"] (in {where})'


def _call_of(method: str, path: str, watching: bool = False) -> _Call:
    parts = [part for part in path.partition("?")[0].split("/") if part]
    group, version, rest = "", "", []
    if len(parts) > 2 and parts[0] == "api":
        rest = parts[2:]
    elif len(parts) > 3 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    plural = rest[0] if rest else ""
    name = rest[1] if len(rest) > 1 else ""
    if len(rest) > 2:
        plural += "/" + rest[2]
    verbs = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
    verb = verbs.get(method) or ("watch" if watching else "get" if name or not plural else "list")
    return _Call(verb=verb, plural=plural, group=group, namespace=namespace, name=name, path=path, version=version)


def _status_message(data: bytes) -> str:
    """The message of a Status object; of any other answer a short, single-line beginning."""
    text = data.decode("utf-8", "replace")
    try:
        status = json.loads(text)
    except (ValueError, RecursionError):
        status = None
    if isinstance(status, dict) and isinstance(status.get("message"), str):
        return str(status["message"]).strip()
    if text.lstrip().startswith("<"):
        return "an HTML page"
    return " ".join(text.split())[:200]


def _last_words(chain: Chain) -> str:
    """The innermost cause, without the addresses of Python objects that urllib3 writes before it."""
    inner = chain[-1]
    text = getattr(inner, "strerror", None) or str(inner).rsplit(">: ", 1)[-1] or type(inner).__name__
    return str(text)[:200]


def _host_of(url: Any) -> str:
    try:
        parsed = urlsplit(str(url or ""))
        host = f"[{parsed.hostname}]" if ":" in (parsed.hostname or "") else str(parsed.hostname)
        return f"{host}:{parsed.port}" if parsed.port else host
    except ValueError:
        return "the server"
