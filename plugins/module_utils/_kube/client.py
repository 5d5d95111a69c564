# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""The one way to an API server.

Raw JSON over the connection pool of the official client: no models, no discovery, no retries behind our back. What goes
wrong is an ApiError that says what, where, why and what fixes it.

Of kubernetes.core only the vocabulary of options is used. Its client would ask for /version and /api before the first
real request, without a time limit, and leave a cache file in the temporary folder.
"""

from __future__ import annotations

import json
import math
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Callable
from urllib.parse import urlencode, urlsplit

from ansible_collections.l2ops.metallb.plugins.module_utils._kube import bulk
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.constants import (
    ATTEMPTS,
    CONNECT_TIMEOUT,
    FIELD_MANAGER,
    LONGEST_PAUSE,
    MAX_PARALLEL,
    PAGE_SIZE,
    READ_TIMEOUT,
    TIMEOUT_VARIABLE,
    USER_AGENT,
    WHOLE_TIMES,
    Chain,
    Job,
    Object,
    Objects,
    Query,
    Result,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.dependencies import urllib3
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import (
    ApiError,
    _Call,
    _call_of,
    _host_of,
    _last_words,
    _status_message,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListOutcome, ListRequest

PATCH_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;q=0.9"
METADATA_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;q=0.9"


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
        self._lanes: bulk.PatchConnections | None = None
        self._url = str(self._configuration.host).rstrip("/")
        parsed = urlsplit(self._url)
        # host and port only: a URL may carry a password
        host = f"[{parsed.hostname}]" if ":" in (parsed.hostname or "") else parsed.hostname
        self.server = f"{host}:{parsed.port or (443 if parsed.scheme == 'https' else 80)}"
        self._versions: dict[str, list[str]] = {}

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
        """strict: a field that the kind does not know is refused; else the server drops it silently."""
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
            self._lanes = bulk.PatchConnections(pool, host, self._connect_timeout, self._read_timeout)
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
        response = self._pool.request(
            method,
            url,
            body=payload,
            headers=headers,
            timeout=urllib3.Timeout(connect=self._connect_timeout, read=read_timeout or self._read_timeout),
            # Retries are ours to decide. A redirect would carry the token to another host.
            retries=False,
            redirect=False,
            preload_content=False,
        )
        if preload:
            _read_whole(response, WHOLE_TIMES * self._read_timeout)
        return response

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
                    advice="Give the bare token as api_key (K8S_AUTH_API_KEY), or fix the kubeconfig.",
                )
            return value
        if self._configuration.username and self._configuration.password:
            return str(self._configuration.get_basic_auth_token())
        return None

    def _decode(self, call: _Call, response: Any) -> Object:
        data = response.data
        try:
            decoded = json.loads(data) if data else {}
            if b"\\ud" in data or b"\\uD" in data:
                # Half of a character that takes two is no text that could be hashed, written or shown.
                decoded = json.loads(json.dumps(decoded, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            decoded = None
        if not isinstance(decoded, dict):
            content = response.headers.get("Content-Type") or "no content type"
            if decoded is None and data[:1] == b"{":
                raise call.error(
                    f"Cannot {call.describe()}: the answer of {self.server} is JSON that is cut off or damaged ({len(data)} bytes).",
                    status=response.status,
                    advice="Run again. If it stays so, look into the API server's log.",
                )
            raise call.error(
                f"Cannot {call.describe()}: {self.server} answers with something that is no Kubernetes object "
                f"({content}).",
                status=response.status,
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
            served = self._served(call) if "page not found" in reason or not call.name else []
            if served and call.version not in served:
                kind = "other"
                advice = (
                    f"The cluster serves {call.group} in version {', '.join(served)}, and this collection reads {call.version}: the CRDs "
                    "are of another version of MetalLB. Install those of a version that the collection supports (role install)."
                )
            elif "could not find the requested resource" in reason or not reason or "page not found" in reason:
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
        return call.error(
            f"Cannot {call.describe()} at {self.server}: {said} (HTTP {status}).",
            status=status,
            kind_of_failure=kind,
            reason=reason,
            advice=advice,
        )

    def _served(self, call: _Call) -> Sequence[str]:
        """The versions of a group of MetalLB that the cluster serves; empty where it serves none, or does not say it."""
        if call.group != "metallb.io":
            return []
        if call.group not in self._versions:
            found: list[str] = []
            try:
                response = self._open("GET", f"/apis/{call.group}", None, None, "application/json", "")
                listed = self._decode(call, response).get("versions") if response.status == 200 else None
                found = [str(one["version"]) for one in listed or [] if isinstance(one, dict) and one.get("version")]
            except (ApiError, urllib3.exceptions.HTTPError, OSError):
                pass
            self._versions[call.group] = found
        return self._versions[call.group]

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
        return call.error(
            f"Cannot {call.describe()}: {why}.",
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
        if any(isinstance(one, _Unfinished) for one in chain):
            return (
                "unreachable",
                f"{self.server} began its answer, but did not complete it within {WHOLE_TIMES * self._read_timeout:g} s",
                f"Is the way to it slow? A longer time: environment variable {TIMEOUT_VARIABLE} (seconds; {WHOLE_TIMES} times as long).",
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


# -- small parts ------------------------------------------------------------------------------------------------------


class _Unfinished(TimeoutError):
    """An answer that came piece by piece, each in time, and never ended."""


def _read_whole(response: Any, seconds: float) -> None:
    """Read the answer into response.data, for so long at most: a time limit for each piece would never end a stream of single bytes."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        found = _socket_of(response)
        if found is not None:
            with suppress(OSError):
                # Not that of SSLSocket, which takes the TLS state from under whoever reads.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        response.data  # noqa: B018 - urllib3 reads, keeps it, and gives the connection back
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if ended.is_set():
            raise _Unfinished from error
        raise
    finally:
        timer.cancel()
    if ended.is_set():
        raise _Unfinished


def _socket_of(response: Any) -> socket.socket | None:
    """The socket below an answer of urllib3. Where the connection ends with the answer, only the answer knows it."""
    below = getattr(getattr(response, "_connection", None), "sock", None)
    if below is None:
        below = getattr(getattr(getattr(getattr(response, "_fp", None), "fp", None), "raw", None), "_sock", None)
    return below if isinstance(below, socket.socket) else None


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
        if not math.isfinite(seconds):
            raise ValueError
    except ValueError:
        seconds = 0.25 * 2 ** (attempt - 1)
    return min(max(seconds, 0.05), LONGEST_PAUSE)


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
            except (ValueError, RecursionError) as error:
                raise urllib3.exceptions.ProtocolError("the stream of events is garbled") from error
            if isinstance(event, dict):
                yield event
