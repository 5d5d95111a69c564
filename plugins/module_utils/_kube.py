# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""The one way to an API server.

Raw JSON over the connection pool of the official client: no models, no discovery, no retries behind our back. What goes
wrong is an ApiError that says what, where, why and what mends it.

Of kubernetes.core only the vocabulary of options is used. Its client would ask for /version and /api before the first
real request, without a time limit, and leave a cache file in the temporary folder.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import socket
import ssl
import threading
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.l2ops.metallb.plugins.module_utils import _lanes

try:
    import urllib3
    import yaml
    from kubernetes import client as kubernetes_client
    from kubernetes import config as kubernetes_config

    KUBERNETES_IMPORT_ERROR: str | None = None
except ImportError:
    KUBERNETES_IMPORT_ERROR = traceback.format_exc()

try:
    from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_MAP, AUTH_ARG_SPEC

    KUBERNETES_CORE_IMPORT_ERROR: str | None = None
except ImportError:
    KUBERNETES_CORE_IMPORT_ERROR = traceback.format_exc()
    # The same table again, so that a module can still be built and say what is missing. A test compares the two.
    AUTH_ARG_SPEC = {
        "kubeconfig": {"type": "raw"},
        "context": {},
        "host": {},
        "api_key": {"no_log": True},
        "username": {},
        "password": {"no_log": True},
        "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
        "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"]},
        "client_cert": {"type": "path", "aliases": ["cert_file"]},
        "client_key": {"type": "path", "aliases": ["key_file"]},
        "proxy": {"type": "str"},
        "no_proxy": {"type": "str"},
        "proxy_headers": {
            "type": "dict",
            "options": {
                "proxy_basic_auth": {"type": "str", "no_log": True},
                "basic_auth": {"type": "str", "no_log": True},
                "user_agent": {"type": "str"},
            },
        },
        "persist_config": {"type": "bool"},
        "impersonate_user": {},
        "impersonate_groups": {"type": "list", "elements": "str"},
    }
    AUTH_ARG_MAP = {
        "kubeconfig": "kubeconfig",
        "context": "context",
        "host": "host",
        "api_key": "api_key",
        "username": "username",
        "password": "password",
        "verify_ssl": "validate_certs",
        "ssl_ca_cert": "ca_cert",
        "cert_file": "client_cert",
        "key_file": "client_key",
        "proxy": "proxy",
        "no_proxy": "no_proxy",
        "proxy_headers": "proxy_headers",
        "persist_config": "persist_config",
    }

Object = dict[str, Any]
Objects = list[Object]
Query = dict[str, str]
Headers = list[tuple[str, str]]
Chain = list[BaseException]
Job = TypeVar("Job")
Result = TypeVar("Result")

USER_AGENT = "l2ops.metallb"
FIELD_MANAGER = "l2ops.metallb"
MAX_PARALLEL = 32
PAGE_SIZE = 500
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
TIMEOUT_VARIABLE = "L2OPS_METALLB_API_TIMEOUT"
ATTEMPTS = 6
LONGEST_PAUSE = 10.0

PATCH_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;q=0.9"
METADATA_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;q=0.9"

# What stands in a kubeconfig given as a dictionary and must not be seen in any output.
SECRET_FIELDS = frozenset(
    [
        "token",
        "password",
        "client-key-data",
        "client-secret",
        "id-token",
        "refresh-token",
        "access-token",
        "access_token",
    ]
)


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
class ListRequest:
    """One list call: ListRequest("nodes"), ListRequest("ipaddresspools", "metallb.io", "v1beta1", namespace="x")."""

    plural: str
    group: str = ""
    version: str = "v1"
    namespace: str | None = None
    label_selector: str | None = None
    field_selector: str | None = None
    # name in the answer of list_all; the plural when not given
    key: str = ""
    # metadata only: for Secrets, whose content is nobody's business, and for very many objects
    metadata_only: bool = False

    @property
    def path(self) -> str:
        return resource_path(self.plural, self.group, self.version, self.namespace)

    @property
    def answer_key(self) -> str:
        return self.key or self.plural


@dataclass(frozen=True)
class ListOutcome:
    """What a list call gave: objects, or the reason why there are none to see."""

    objects: Objects = field(default_factory=list)
    error: ApiError | None = None
    resource_version: str = ""


@dataclass(frozen=True)
class _Call:
    """What a path means in the words of RBAC."""

    verb: str
    plural: str = ""
    group: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

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

    def rule(self) -> str:
        if not self.plural:
            return f'nonResourceURLs: ["{self.path}"], verbs: ["get"]'
        where = f"a Role in namespace {self.namespace}" if self.namespace else "a ClusterRole"
        return f'apiGroups: ["{self.group}"], resources: ["{self.plural}"], verbs: ["{self.verb}"] (in {where})'


def resource_path(
    plural: str, group: str = "", version: str = "v1", namespace: str | None = None, name: str | None = None
) -> str:
    """The path of a kind, or of one object of it."""
    parts = ["apis", group, version] if group else ["api", version]
    if namespace:
        parts += ["namespaces", namespace]
    parts.append(plural)
    if name:
        parts.append(name)
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _call_of(method: str, path: str, watching: bool = False) -> _Call:
    parts = [part for part in path.partition("?")[0].split("/") if part]
    group, rest = "", []
    if len(parts) > 2 and parts[0] == "api":
        rest = parts[2:]
    elif len(parts) > 3 and parts[0] == "apis":
        group, rest = parts[1], parts[3:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    plural = rest[0] if rest else ""
    name = rest[1] if len(rest) > 1 else ""
    if len(rest) > 2:
        plural += "/" + rest[2]
    verbs = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
    verb = verbs.get(method) or ("watch" if watching else "get" if name or not plural else "list")
    return _Call(verb=verb, plural=plural, group=group, namespace=namespace, name=name, path=path)


def argument_spec(**own: Any) -> Object:
    """The options of the doc fragment l2ops.metallb.kubernetes, and a module's own."""
    spec = copy.deepcopy(AUTH_ARG_SPEC)
    spec.update(own)
    return dict(spec)


class Kube:
    """An API server. Every method may be called from several threads."""

    def __init__(
        self,
        api_client: Any,
        *,
        headers: Sequence[tuple[str, str]] = (),
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._configuration = api_client.configuration
        self._pool = api_client.rest_client.pool_manager
        self._headers = list(headers)
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._attempts = attempts
        self._sleep = sleep
        self._auth_lock = threading.Lock()
        self._lanes: _lanes.Lanes | None = None
        self._url = str(self._configuration.host).rstrip("/")
        parsed = urlsplit(self._url)
        # host and port only: a URL may carry a password
        self.server = f"{parsed.hostname}:{parsed.port or (443 if parsed.scheme == 'https' else 80)}"

    # -- reading ------------------------------------------------------------------------------------------------------

    def list(self, request: ListRequest) -> Objects:
        """All objects, page by page. Raises ApiError."""
        return self._list(request)[0]

    def list_all(self, requests: Sequence[ListRequest]) -> dict[str, ListOutcome]:
        """Many kinds side by side; one that cannot be read is an outcome, not the end."""

        def one(request: ListRequest) -> ListOutcome:
            try:
                objects, resource_version = self._list(request)
            except ApiError as error:
                return ListOutcome([], error, "")
            return ListOutcome(objects, None, resource_version)

        outcomes = self.concurrently(one, requests, workers=min(8, len(requests) or 1))
        return {request.answer_key: outcome for request, outcome in zip(requests, outcomes)}

    def get(self, path: str, query: Query | None = None) -> Object:
        return self._send("GET", path, query)

    def watch(
        self,
        path: str,
        resource_version: str,
        timeout: float,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        metadata_only: bool = False,
    ) -> Iterator[Object]:
        """Events {type, object} from resource_version on, for `timeout` seconds at most, over lost connections.

        Raises ApiError with status 410 when resource_version is too old: list again, then watch from there.
        """
        deadline = time.monotonic() + timeout
        call = _call_of("GET", path, watching=True)
        broken = 0
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            query = _selectors(label_selector, field_selector)
            query.update(watch="1", resourceVersion=resource_version, allowWatchBookmarks="true")
            query["timeoutSeconds"] = str(max(1, math.ceil(left)))
            accept = METADATA_ONE if metadata_only else "application/json"
            response = None
            try:
                # A silent server must not keep us beyond the deadline, so that is the read timeout, too.
                response = self._open("GET", path, query, None, accept, "", read_timeout=left + 0.5, preload=False)
                if response.status != 200:
                    raise self._refusal(call, response.status, response.read(decode_content=True))
                for event in _events(response):
                    broken = 0
                    obj = event.get("object") or {}
                    if event.get("type") == "ERROR":
                        raise self._refusal(call, int(obj.get("code") or 0), json.dumps(obj).encode())
                    resource_version = (obj.get("metadata") or {}).get("resourceVersion") or resource_version
                    if event.get("type") != "BOOKMARK":
                        yield event
                    if time.monotonic() >= deadline:
                        return
            except (urllib3.exceptions.HTTPError, OSError) as error:
                broken += 1
                if time.monotonic() >= deadline:
                    return
                if broken >= self._attempts:
                    raise self._failure(call, error) from error
            finally:
                if response is not None:
                    # The rest of a stream is not worth reading, so the connection cannot be used again.
                    response.close()
            self._sleep(min(0.2, max(0.0, deadline - time.monotonic())))

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(self, path: str, body: Object, *, dry_run: bool = False, strict: bool = False) -> Object:
        """strict: a field that the kind does not know is refused; else the server drops it without a word."""
        return self._send("POST", path, _write_query(dry_run, strict), body, content_type="application/json")

    def patch(
        self,
        path: str,
        body: Object | Objects,
        *,
        patch_type: str = "merge",
        dry_run: bool = False,
        strict: bool = False,
        metadata_only: bool = False,
    ) -> Object:
        """patch_type: json (a list of operations), merge, or strategic (built-in kinds only)."""
        accept = METADATA_ONE if metadata_only else "application/json"
        return self._send(
            "PATCH", path, _write_query(dry_run, strict), body, content_type=PATCH_TYPES[patch_type], accept=accept
        )

    @contextmanager
    def many(self) -> Iterator[None]:
        """Within, patches go by _lanes: for thousands of them. Not through a proxy, whose tunnel is urllib3's affair."""
        if getattr(self._pool, "proxy", None) is None:
            host = urlsplit(self._url).netloc.rpartition("@")[2]
            pool = self._pool.connection_from_url(self._url)
            self._lanes = _lanes.Lanes(pool, host, self._connect_timeout, self._read_timeout)
        try:
            yield
        finally:
            lanes, self._lanes = self._lanes, None
            if lanes is not None:
                lanes.close()

    def delete(self, path: str, *, preconditions: Object | None = None, dry_run: bool = False) -> Object:
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if preconditions:
            body["preconditions"] = preconditions
        query = {"dryRun": "All"} if dry_run else {}
        return self._send("DELETE", path, query, body, content_type="application/json")

    def concurrently(
        self, work: Callable[[Job], Result], jobs: Iterable[Job], workers: int = MAX_PARALLEL
    ) -> Sequence[Result]:
        """work(job) for every job, in threads; results in the order of the jobs."""
        todo = list(jobs)
        if len(todo) < 2:
            return [work(job) for job in todo]
        with ThreadPoolExecutor(max_workers=min(workers, MAX_PARALLEL, len(todo))) as pool:
            return list(pool.map(work, todo))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _list(self, request: ListRequest) -> tuple[Objects, str]:
        restarts = 0
        while True:
            try:
                return self._pages(request, limit=PAGE_SIZE if restarts < 3 else 0)
            except ApiError as error:
                # The token of the next page outlived etcd's compaction: begin again, at last without pages.
                if error.status != 410 or restarts >= 3:
                    raise
                restarts += 1

    def _pages(self, request: ListRequest, limit: int) -> tuple[Objects, str]:
        objects: Objects = []
        query = _selectors(request.label_selector, request.field_selector)
        if limit:
            query["limit"] = str(limit)
        while True:
            page = self._send(
                "GET", request.path, query, accept=METADATA_LIST if request.metadata_only else "application/json"
            )
            kind = str(page.get("kind") or "")
            for item in page.get("items") or []:
                if request.metadata_only:
                    objects.append(_only_metadata(item))
                    continue
                # Lists of built-in kinds leave these out of their items.
                item.setdefault("apiVersion", page.get("apiVersion"))
                item.setdefault("kind", kind[:-4] if kind.endswith("List") else kind)
                objects.append(item)
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return objects, str(metadata.get("resourceVersion") or "")
            query["continue"] = metadata["continue"]

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Object | Objects | None = None,
        *,
        content_type: str = "",
        accept: str = "application/json",
    ) -> Object:
        call = _call_of(method, path)
        payload = None if body is None else json.dumps(body).encode()
        attempt = 1
        while True:
            try:
                response = self._open(method, path, query, payload, accept, content_type)
            except (urllib3.exceptions.ProtocolError, ConnectionResetError) as error:
                # A kept connection that the other side has just dropped. Reading again does no harm; writing might.
                if method != "GET" or attempt > 1:
                    raise self._failure(call, error) from error
                attempt += 1
                continue
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise self._failure(call, error) from error
            if response.status in (429, 503) and attempt < self._attempts:
                self._sleep(_pause(response.headers.get("Retry-After"), attempt))
                attempt += 1
                continue
            if not 200 <= response.status < 300:
                raise self._refusal(call, response.status, response.data, response.headers.get("Location"))
            return self._decode(call, response)

    def _open(
        self,
        method: str,
        path: str,
        query: Query | None,
        payload: bytes | None,
        accept: str,
        content_type: str,
        read_timeout: float | None = None,
        preload: bool = True,
    ) -> Any:
        headers = {"Accept": accept, "User-Agent": USER_AGENT}
        for number, (name, text) in enumerate(self._headers):
            headers[_variant(name, number)] = text
        if content_type:
            headers["Content-Type"] = content_type
        authorization = self._authorization()
        if authorization:
            headers["Authorization"] = authorization
        url = self._url + path
        if query:
            url += "?" + urlencode(query)
        lanes = self._lanes
        if lanes is not None and method == "PATCH" and payload is not None and lanes.usable(headers):
            target = url[url.index("/", url.index("://") + 3) :]
            return lanes.exchange(method, target, headers, payload)
        return self._pool.request(
            method,
            url,
            body=payload,
            headers=headers,
            timeout=urllib3.Timeout(connect=self._connect_timeout, read=read_timeout or self._read_timeout),
            # Retries are ours to decide. A redirect would carry the token to another host.
            retries=False,
            redirect=False,
            preload_content=preload,
        )

    def _authorization(self) -> str | None:
        # The client may refresh a token here, and does so without a lock of its own.
        with self._auth_lock:
            bearer = self._configuration.auth_settings().get("BearerToken")
        if bearer and bearer.get("value"):
            # Files of tokens end with a newline, which no header may hold; http.client's error would quote the token.
            value = str(bearer["value"]).strip()
            if not (value.isascii() and value.isprintable()):
                raise ApiError(
                    "The token for the API server holds characters that no HTTP header may hold.",
                    kind_of_failure="unauthorized",
                    advice="Give the bare token as api_key (K8S_AUTH_API_KEY), or mend the kubeconfig.",
                )
            return value
        if self._configuration.username and self._configuration.password:
            return str(self._configuration.get_basic_auth_token())
        return None

    def _decode(self, call: _Call, response: Any) -> Object:
        try:
            decoded = json.loads(response.data) if response.data else {}
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            content = response.headers.get("Content-Type") or "no content type"
            raise ApiError(
                f"Cannot {call.describe()}: {self.server} answers with something that is no Kubernetes object "
                f"({content}).",
                status=response.status,
                verb=call.verb,
                resource=call.resource,
                namespace=call.namespace,
                name=call.name,
                advice="Most often this is a proxy's or a web server's page: check the address (host, or server in the "
                "kubeconfig) and the proxy.",
            )
        return decoded

    def _refusal(self, call: _Call, status: int, data: bytes, location: str | None = None) -> ApiError:
        """The error that an HTTP answer stands for."""
        reason = _status_message(data)
        kind, advice = "other", ""
        said = reason or "no reason given"
        if status == 401:
            kind = "unauthorized"
            advice = (
                "The credentials are missing, wrong or expired: check the kubeconfig and context (kubeconfig, "
                "K8S_AUTH_KUBECONFIG, context, K8S_AUTH_CONTEXT) or the token (api_key, K8S_AUTH_API_KEY)."
            )
        elif status == 403 and "system:anonymous" in reason:
            kind = "unauthorized"
            advice = (
                "No credentials were sent, or the server does not know them: give a kubeconfig (kubeconfig, "
                "K8S_AUTH_KUBECONFIG) or a token (api_key, K8S_AUTH_API_KEY)."
            )
        elif status == 403 and ("admission webhook" in reason or "violates PodSecurity" in reason):
            kind = "other"
        elif status == 403:
            kind = "forbidden"
            advice = f"Let the account do it: add the RBAC rule {call.rule()}."
        elif status == 404:
            kind = "absent"
            if "could not find the requested resource" in reason or not reason or "page not found" in reason:
                advice = f"The cluster does not know {call.resource}"
                advice += (
                    ": are the CRDs of MetalLB installed? See: kubectl get crd | grep metallb.io."
                    if call.group == "metallb.io"
                    else ": is this the address of a Kubernetes API server, and new enough?"
                )
        elif status == 409:
            kind = "conflict"
            advice = "Somebody else changed it meanwhile: run again."
        elif status in (429, 503):
            kind = "throttled"
            advice = "The API server is overloaded or still starting, and stayed so over all attempts: run again later."
        elif 300 <= status < 400:
            target = urlsplit(location or "").hostname or "another place"
            advice = (
                f"It redirects to {target}, where credentials are not sent: give the API server's own address as host."
            )
        elif status == 400 and "HTTP request to an HTTPS server" in reason:
            advice = (
                "The address begins with http:// and should begin with https:// (host, or server in the kubeconfig)."
            )
        elif "failed calling webhook" in reason:
            advice = (
                "The API server cannot reach MetalLB's controller: kubectl get pods --all-namespaces -l "
                "'app.kubernetes.io/component=controller' must show it ready."
            )
        return ApiError(
            f"Cannot {call.describe()} at {self.server}: {said} (HTTP {status}).",
            status=status,
            verb=call.verb,
            resource=call.resource,
            namespace=call.namespace,
            name=call.name,
            kind_of_failure=kind,
            reason=reason,
            advice=advice,
        )

    def _failure(self, call: _Call, error: BaseException) -> ApiError:
        """The error of a request that got no HTTP answer."""
        # A proxy or a pool wraps the real cause once or twice.
        chain: Chain = [error]
        while len(chain) < 6:
            cause = chain[-1].__cause__ or chain[-1].__context__ or getattr(chain[-1], "reason", None)
            if not isinstance(cause, BaseException) or cause in chain:
                break
            chain.append(cause)
        text = " ".join(str(one) for one in chain)
        kind, why, advice = self._explain(chain, text)
        return ApiError(
            f"Cannot {call.describe()}: {why}.",
            verb=call.verb,
            resource=call.resource,
            namespace=call.namespace,
            name=call.name,
            kind_of_failure=kind,
            reason=why,
            advice=advice,
        )

    def _explain(self, chain: Chain, text: str) -> tuple[str, str, str]:
        is_tls = any(isinstance(one, (ssl.SSLError, urllib3.exceptions.SSLError)) for one in chain)
        if is_tls and "WRONG_VERSION_NUMBER" in text.upper().replace(" ", "_"):
            return (
                "tls",
                f"{self.server} does not speak TLS",
                "Check the port and http:// or https:// (host, or server in the kubeconfig).",
            )
        if is_tls and "certificate verify failed" in text.lower().replace("_", " "):
            if "mismatch" in text.lower() or "doesn't match" in text.lower():
                why = f"the certificate of {self.server} is made out for another name"
                advice = "Use the name or address that the certificate holds (host, or server in the kubeconfig)."
            elif "has expired" in text.lower() or "not yet valid" in text.lower():
                why = f"the certificate of {self.server} is out of date, or this machine's clock is wrong"
                advice = "Renew the API server's certificate, or set the clock."
            else:
                why = f"the certificate of {self.server} is not signed by an authority that is trusted here"
                advice = (
                    "Give the cluster's CA (ca_cert, K8S_AUTH_SSL_CA_CERT, or certificate-authority in the kubeconfig)."
                )
            return "tls", why, advice + " To go on unverified: validate_certs=false (K8S_AUTH_VERIFY_SSL=false)."
        if is_tls:
            return (
                "tls",
                f"TLS with {self.server} failed: {_last_words(chain)}",
                "Check the CA, the client's certificate and its key (ca_cert, client_cert, client_key, or kubeconfig).",
            )
        if any(isinstance(one, urllib3.exceptions.ProxyError) for one in chain):
            why = f"the proxy {_host_of(self._configuration.proxy)} does not lead to {self.server}"
            return "unreachable", why, "Check proxy and no_proxy (K8S_AUTH_PROXY, K8S_AUTH_NO_PROXY)."
        if any(isinstance(one, urllib3.exceptions.ReadTimeoutError) for one in chain):
            return (
                "unreachable",
                f"{self.server} took the request but did not answer within {self._read_timeout:g} s",
                f"Is the API server overloaded? A longer time: environment variable {TIMEOUT_VARIABLE} (seconds).",
            )
        # NewConnectionError is a ConnectTimeoutError too, whatever its cause: look at the cause first.
        if any(isinstance(one, socket.gaierror) for one in chain):
            why = f"the name of {self.server} cannot be resolved"
        elif any(isinstance(one, ConnectionRefusedError) for one in chain):
            why = f"{self.server} refuses the connection"
        elif any(isinstance(one, (socket.timeout, TimeoutError)) for one in chain):
            why = f"{self.server} did not answer within {self._connect_timeout:g} s"
        else:
            why = f"{self.server} cannot be reached: {_last_words(chain)}"
        advice = (
            "Is the API server up, is the address right (host, or server in the kubeconfig), and does no firewall, "
            f"VPN or proxy stand between? Try: curl -k {urlsplit(self._url).scheme}://{self.server}/version."
        )
        return "unreachable", why, advice


def connect(
    module: Any,
    *,
    read_timeout: float | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
) -> Kube:
    """The API server that the module's options (doc fragment l2ops.metallb.kubernetes) and K8S_AUTH_* name.

    Nothing is sent yet. A missing library ends the module with a message; a wrong option raises ApiError.
    """
    if KUBERNETES_IMPORT_ERROR is not None:
        module.fail_json(
            msg=missing_required_lib("kubernetes>=24.2.0"),
            exception=KUBERNETES_IMPORT_ERROR,
            failure_kind="execution",
        )
    if KUBERNETES_CORE_IMPORT_ERROR is not None:
        module.fail_json(
            msg="The Ansible collection kubernetes.core is missing on the machine that runs ansible. Install it: "
            "ansible-galaxy collection install 'kubernetes.core:>=6.5.0,<8.0.0'.",
            exception=KUBERNETES_CORE_IMPORT_ERROR,
            failure_kind="execution",
        )
    given = _options(module.params)
    _hide_secrets(module, given)
    # Its warnings would be lines on stderr between a module's result; what they tell is in ApiError.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    configuration = _configuration(given)
    if not configuration.verify_ssl:
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
    configuration.retries = False
    configuration.connection_pool_maxsize = MAX_PARALLEL
    try:
        api_client = kubernetes_client.ApiClient(configuration)
    except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
        raise ApiError(
            f"Cannot prepare the connection to {_host_of(configuration.host)}: {error}.",
            advice="Check ca_cert, client_cert, client_key and proxy.",
        ) from error
    return Kube(
        api_client,
        headers=_impersonation(given),
        connect_timeout=connect_timeout,
        read_timeout=read_timeout or _timeout_from_environment(),
    )


@contextmanager
def guarded(module: Any, result: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Turns an ApiError inside into the module's failure, with what stands in `result` by then as data."""
    try:
        yield
    except ApiError as error:
        data = dict(result or {})
        data.update(failure_kind="execution", api_error=error.as_result())
        module.fail_json(msg=str(error), **data)


# -- options ----------------------------------------------------------------------------------------------------------


def _options(params: dict[str, Any]) -> Object:
    """Options, and where one is not given its K8S_AUTH_ variable, under both names, as kubernetes.core reads them."""
    given: Object = {}
    for true_name, option in AUTH_ARG_MAP.items():
        found = params.get(option)
        if found is None and option == "proxy_headers":
            found = {}
            for header in AUTH_ARG_SPEC["proxy_headers"]["options"]:
                text = os.environ.get(f"K8S_AUTH_PROXY_HEADERS_{header.upper()}")
                if text:
                    found[header] = text
            found = found or None
        elif found is None:
            found = _from_environment(option) or _from_environment(true_name)
            if found is not None and AUTH_ARG_SPEC[option].get("type") == "bool":
                found = str(found).lower() not in ("0", "false", "no")
        if found is not None:
            given[option] = found
    for option in ("impersonate_user", "impersonate_groups"):
        found = params.get(option)
        if found is None:
            found = _from_environment(option)
            if found is not None and option == "impersonate_groups":
                found = [group for group in str(found).split(",") if group]
        if found:
            given[option] = found
    return given


def _from_environment(name: str) -> str | None:
    return os.environ.get(f"K8S_AUTH_{name.upper()}") or None


def _timeout_from_environment() -> float:
    text = os.environ.get(TIMEOUT_VARIABLE, "")
    try:
        seconds = float(text) if text else READ_TIMEOUT
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise ApiError(
            f"{TIMEOUT_VARIABLE}={text} is no number of seconds.", advice="Set it to a number above 0, or unset it."
        )
    return seconds


def _hide_secrets(module: Any, given: Object) -> None:
    """Secrets that came by a kubeconfig or the environment are no options, so Ansible does not know them as such."""
    secrets = {given[option] for option in ("api_key", "password") if isinstance(given.get(option), str)}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for name, inner in node.items():
                if name in SECRET_FIELDS and isinstance(inner, str) and inner:
                    secrets.add(inner)
                else:
                    walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(given.get("kubeconfig"))
    if secrets and hasattr(module, "no_log_values"):
        module.no_log_values.update(secrets)


def _impersonation(given: Object) -> Headers:
    headers: Headers = []
    if given.get("impersonate_user"):
        headers.append(("Impersonate-User", str(given["impersonate_user"])))
    headers += [("Impersonate-Group", str(group)) for group in given.get("impersonate_groups") or []]
    return headers


def _configuration(given: Object) -> Any:
    """Options, else kubeconfig or context, else the pod's own account, else ~/.kube/config."""

    def has(*names: str) -> bool:
        return all(given.get(name) for name in names)

    configuration = kubernetes_client.Configuration()
    complete = has("host") and (has("username", "password") or has("api_key") or has("client_cert", "client_key"))
    if not complete:
        if has("kubeconfig") or has("context"):
            _load_kubeconfig(given, configuration)
        else:
            try:
                kubernetes_config.load_incluster_config(client_configuration=configuration)
            except kubernetes_config.ConfigException:
                _load_kubeconfig(given, configuration)

    for true_name, option in AUTH_ARG_MAP.items():
        found = given.get(option)
        if found is None or option in ("kubeconfig", "context", "persist_config"):
            continue
        if option == "api_key":
            # A hook of the kubeconfig would put its own token back.
            configuration.refresh_api_key_hook = None
            configuration.api_key = {"authorization": f"Bearer {found}"}
        elif option == "proxy_headers":
            configuration.proxy_headers = urllib3.util.make_headers(**found)
        elif option == "host":
            configuration.host = str(found).rstrip("/")
        else:
            setattr(configuration, true_name, found)

    url = urlsplit(str(configuration.host))
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ApiError(
            f"The API server's address {configuration.host!r} is no URL.",
            advice="Write it like https://192.168.7.2:6443 (host, K8S_AUTH_HOST, or server in the kubeconfig).",
        )
    for attribute, option in (("ssl_ca_cert", "ca_cert"), ("cert_file", "client_cert"), ("key_file", "client_key")):
        path = getattr(configuration, attribute, None)
        if path and not os.path.isfile(path):
            raise ApiError(
                f"The file {path} does not exist.",
                advice=f"Mend {option} (K8S_AUTH_{attribute.upper()}), or the path in the kubeconfig.",
            )
    return configuration


class _Overhear(logging.Handler):
    """The client logs a failing credential plugin and goes on without credentials; this keeps what it said."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def _load_kubeconfig(given: Object, configuration: Any) -> None:
    kubeconfig = given.get("kubeconfig")
    advice = "Give another one by the option kubeconfig or the variable K8S_AUTH_KUBECONFIG."
    if isinstance(kubeconfig, dict):
        name = "The kubeconfig given as a dictionary"
    else:
        paths = str(kubeconfig or kubernetes_config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION).split(os.pathsep)
        there = [os.path.expanduser(path) for path in paths if path and os.path.exists(os.path.expanduser(path))]
        if not there:
            if kubeconfig:
                raise ApiError(f"The kubeconfig {kubeconfig} does not exist.", advice=advice)
            raise ApiError(
                f"No cluster is given: no option names one, and {os.pathsep.join(paths)} does not exist.",
                advice="Give a kubeconfig by the option kubeconfig or the variable K8S_AUTH_KUBECONFIG.",
            )
        name = f"The kubeconfig {os.pathsep.join(there)}"
        for path in there:
            _check_kubeconfig_file(path, advice)
    overhear = _Overhear()
    root = logging.getLogger()
    root.addHandler(overhear)
    try:
        if isinstance(kubeconfig, dict):
            kubernetes_config.load_kube_config_from_dict(
                kubeconfig,
                context=given.get("context"),
                client_configuration=configuration,
                persist_config=bool(given.get("persist_config")),
            )
        else:
            kubernetes_config.load_kube_config(
                config_file=os.pathsep.join(there),
                context=given.get("context"),
                client_configuration=configuration,
                persist_config=bool(given.get("persist_config")),
            )
    except kubernetes_config.ConfigException as error:
        if given.get("context"):
            advice = f"Does the context {given['context']} exist? See: kubectl config get-contexts. {advice}"
        raise ApiError(f"{name} cannot be used: {error}.", advice=advice) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        # The client reads without checking: whatever a malformed file makes it trip over ends here. The error's text
        # may quote a secret, so it stays out.
        raise ApiError(f"{name} cannot be used: it is malformed ({type(error).__name__}).", advice=advice) from error
    finally:
        root.removeHandler(overhear)
    has_credentials = configuration.auth_settings() or configuration.cert_file or given.get("api_key")
    if overhear.said and not has_credentials:
        raise ApiError(
            f"{name} gets its credentials from a program, and that failed: {'; '.join(overhear.said)}.",
            kind_of_failure="unauthorized",
            advice="Install that program where the module runs, or use a kubeconfig with a token or certificate (for "
            "Omni: omnictl kubeconfig --service-account).",
        )


def _check_kubeconfig_file(path: str, advice: str) -> None:
    try:
        with open(path, "rb") as stream:
            content = yaml.safe_load(stream)
    except OSError as error:
        raise ApiError(f"The kubeconfig {path} cannot be read: {error.strerror}.", advice=advice) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise ApiError(f"The kubeconfig {path} is no YAML{where}.", advice=advice) from error
    except UnicodeDecodeError as error:
        raise ApiError(f"The kubeconfig {path} is no text.", advice=advice) from error
    if not isinstance(content, dict) or not content.get("clusters"):
        encrypted = isinstance(content, str) and content.startswith("$ANSIBLE_VAULT")
        why = "is encrypted with Ansible Vault and was not decrypted" if encrypted else "names no cluster"
        if encrypted:
            advice = "Name it by the task's option kubeconfig: files in K8S_AUTH_KUBECONFIG are not decrypted."
        raise ApiError(f"The kubeconfig {path} {why}.", advice=advice)


# -- small parts ------------------------------------------------------------------------------------------------------


def _variant(name: str, number: int) -> str:
    """The same header's name in other letters: a header may be sent several times, but a dict has each key once."""
    return "".join(letter.upper() if number >> place & 1 else letter.lower() for place, letter in enumerate(name))


def _selectors(label_selector: str | None, field_selector: str | None) -> Query:
    query: Query = {}
    if label_selector:
        query["labelSelector"] = label_selector
    if field_selector:
        query["fieldSelector"] = field_selector
    return query


def _write_query(dry_run: bool, strict: bool) -> Query:
    query = {"fieldManager": FIELD_MANAGER}
    if strict:
        query["fieldValidation"] = "Strict"
    if dry_run:
        query["dryRun"] = "All"
    return query


def _only_metadata(item: Object) -> Object:
    # A server that does not know PartialObjectMetadata sends everything; nothing of it may go further. Neither may the
    # copy of a whole Secret that kubectl apply leaves in an annotation.
    metadata = item.get("metadata") or {}
    (metadata.get("annotations") or {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return {"kind": item.get("kind"), "metadata": metadata}


def _pause(retry_after: str | None, attempt: int) -> float:
    try:
        seconds = float(retry_after or "")
    except ValueError:
        seconds = 0.25 * 2 ** (attempt - 1)
    return min(max(seconds, 0.05), LONGEST_PAUSE)


def _status_message(data: bytes) -> str:
    """The message of a Status object; of any other answer a short, single-line beginning."""
    text = data.decode("utf-8", "replace")
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    if isinstance(status, dict) and isinstance(status.get("message"), str):
        return str(status["message"]).strip()
    if text.lstrip().startswith("<"):
        return "an HTML page"
    return " ".join(text.split())[:200]


def _events(response: Any) -> Iterator[Object]:
    rest = b""
    for chunk in response.stream(65536, decode_content=True):
        rest += chunk
        *lines, rest = rest.split(b"\n")
        for line in lines:
            if not line.strip():
                continue
            try:
                event = json.loads(line)
            except ValueError as error:
                raise urllib3.exceptions.ProtocolError("the stream of events is garbled") from error
            if isinstance(event, dict):
                yield event


def _last_words(chain: Chain) -> str:
    """The innermost cause, without the addresses of Python objects that urllib3 writes before it."""
    inner = chain[-1]
    text = getattr(inner, "strerror", None) or str(inner).rsplit(">: ", 1)[-1] or type(inner).__name__
    return str(text)[:200]


def _host_of(url: Any) -> str:
    parsed = urlsplit(str(url or ""))
    return f"{parsed.hostname}:{parsed.port}" if parsed.port else str(parsed.hostname)
