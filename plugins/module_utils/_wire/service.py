# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Does the service behind an address answer? TCP, TLS, HTTP, HTTPS and UDP, many side by side, each within its own
time.

Failures are words (:data:`FAILURES`), for what a person does next differs: ``refused`` (nothing listens, or kube-proxy
has no endpoint), ``timeout`` (dropped on the way), ``unreachable`` (no ARP answer, or a router says so), ``reset`` and
``closed`` (somebody was there), ``tls``, ``status``, ``body``, ``protocol`` (no HTTP came back), ``dns``, ``local``
(this host's own trouble).
"""

from __future__ import annotations

import errno
import re
import socket
import threading
import time
from collections import deque
from datetime import datetime, timezone
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._wire import x509
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.octets import to_address

FAILURES = ("refused", "timeout", "unreachable", "reset", "closed", "tls", "status", "body", "protocol", "dns", "local")
PROTOCOLS = ("tcp", "udp", "tls", "http", "https")
DEFAULT_PORT = {"http": 80, "https": 443, "tls": 443}
_HEAD_LIMIT = 64 << 10
_UNREACHABLE = frozenset((errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN))
_LOCAL = frozenset(
    (
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.EADDRINUSE,
        errno.EPERM,
        errno.EACCES,
        errno.ENODEV,
        errno.EINVAL,
    )
)


class Check:
    """One service to check; see module ``service_probe`` for what each means. ``status`` is a list of (low, high)."""

    __slots__ = (
        "address",
        "body",
        "body_limit",
        "headers",
        "host",
        "interface",
        "method",
        "name",
        "path",
        "payload",
        "port",
        "protocol",
        "reply",
        "retries",
        "retry_delay",
        "server_name",
        "source",
        "status",
        "timeout",
        "trust",
        "verify",
    )

    def __init__(
        self,
        address: str,
        port: int,
        protocol: str = "tcp",
        name: str = "",
        timeout: float = 3.0,
        retries: int = 1,
        retry_delay: float = 0.2,
        source: str = "",
        interface: str = "",
        verify: bool = True,
        server_name: str = "",
        trust: str = "",
        method: str = "GET",
        path: str = "/",
        host: str = "",
        headers: dict[str, str] | None = None,
        status: list[tuple[int, int]] | None = None,
        body: re.Pattern[bytes] | None = None,
        body_limit: int = 1 << 20,
        payload: bytes = b"",
        reply: re.Pattern[bytes] | None = None,
    ) -> None:
        self.address = address
        self.port = port
        self.protocol = protocol
        self.name = name
        self.timeout = timeout
        self.retries = retries
        self.retry_delay = retry_delay
        self.source = source
        self.interface = interface
        self.verify = verify
        self.server_name = server_name
        self.trust = trust
        self.method = method
        self.path = path
        self.host = host
        self.headers = headers or {}
        self.status = status if status is not None else [(100, 499)]
        self.body = body
        self.body_limit = body_limit
        self.payload = payload
        self.reply = reply


class Failure(Exception):
    """A check that didn't pass: ``kind`` is one of :data:`FAILURES`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Deadline:
    """Seconds that are left of one attempt; every blocking call gets no more than these."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, doing: str) -> float:
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise Failure("timeout", f"no end within {self.seconds:g} s while {doing}")
        return remaining


def _milliseconds(since: int) -> float:
    return round((time.monotonic_ns() - since) / 1e6, 2)


def _where(check: Check) -> str:
    address = f"[{check.address}]" if ":" in check.address else check.address
    return f"{address}:{check.port}/{'udp' if check.protocol == 'udp' else 'tcp'}"


def _failure(check: Check, error: OSError, doing: str) -> Failure:
    """The failure that an OSError of a socket call means."""
    where = _where(check)
    if isinstance(error, (socket.timeout, TimeoutError)) or error.errno == errno.ETIMEDOUT:
        return Failure(
            "timeout",
            f"{where}: no answer within {check.timeout:g} s while {doing}: dropped on the way (firewall, no route "
            "back, no endpoint)",
        )
    if error.errno == errno.ECONNREFUSED:
        return Failure(
            "refused",
            f"{where}: refused: the address is there, but nothing listens on the port (no ready endpoint, or "
            "kube-proxy doesn't know the Service)",
        )
    if error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return Failure("reset", f"{where}: connection reset while {doing}")
    if error.errno in _UNREACHABLE:
        return Failure(
            "unreachable",
            f"{where}: {error.strerror}: nobody answers ARP or neighbour discovery for it, or a router has no way to "
            "it",
        )
    if error.errno in _LOCAL:
        return Failure(
            "local",
            f"{where}: this host cannot ask: {error.strerror}. Look at source, interface, concurrency and this "
            "host's limits (ulimit -n)",
        )
    return Failure("local" if error.errno is None else "reset", f"{where}: {error.strerror or error} while {doing}")


def _open(check: Check, deadline: _Deadline) -> tuple[socket.socket, Any]:
    """An unconnected socket, bound as wished, and the address to connect it to."""
    kind = socket.SOCK_DGRAM if check.protocol == "udp" else socket.SOCK_STREAM
    literal = to_address(check.address.partition("%")[0]) is not None
    try:
        flags = socket.AI_NUMERICHOST if literal else 0
        family, _kind, protocol, _name, destination = socket.getaddrinfo(check.address, check.port, 0, kind, 0, flags)[
            0
        ]
    except (socket.gaierror, UnicodeError) as error:
        raise Failure(
            "dns", f"the name {check.address!r} is not found: {error}. Check it with: getent ahosts {check.address}"
        ) from error
    try:
        connection = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _failure(check, error, "opening a socket") from error
    try:
        if check.interface:
            if not hasattr(socket, "SO_BINDTODEVICE"):
                raise Failure(
                    "local", "interface: this system cannot bind a connection to an interface; use source instead"
                )
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, check.interface.encode() + b"\0")
        if check.source:
            connection.bind((check.source, 0))
        connection.settimeout(deadline.left("connecting"))
    except (OSError, Failure) as error:
        connection.close()
        if isinstance(error, Failure):
            raise
        # OSError also covers socket.gaierror: a source that is no address
        wish = ", ".join(
            f"{word} {text}" for word, text in (("source", check.source), ("interface", check.interface)) if text
        )
        raise Failure(
            "local", f"{_where(check)}: cannot be asked from {wish}: {error.strerror or error}. See: ip addr show"
        ) from error
    return connection, destination


def _tls(check: Check, connection: socket.socket, result: dict[str, Any], deadline: _Deadline) -> socket.socket:
    """The connection with TLS on it; fills in ``result["tls"]``."""
    try:
        import ssl  # not every Python has it
    except ImportError as error:
        raise Failure("local", "this host's Python was built without ssl, so TLS cannot be checked") from error
    name = check.server_name or check.host or check.address
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if check.verify:
        try:
            if check.trust:
                context.load_verify_locations(cafile=check.trust)
            else:
                context.load_default_certs()
        except OSError as error:
            raise Failure("local", f"ca_path: {check.trust}: {error.strerror or error}") from error
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    begun = time.monotonic_ns()
    facts = result["tls"] = {"verified": False, "server_name": name}
    wrapped = context.wrap_socket(connection, server_hostname=name, do_handshake_on_connect=False)
    try:
        wrapped.settimeout(deadline.left("the TLS handshake"))
        wrapped.do_handshake()
    except ssl.SSLCertVerificationError as error:
        raise Failure(
            "tls",
            f"{_where(check)}: the certificate is not trusted for {name}: {error.verify_message}. Give the CA by "
            "ca_path, the name by server_name, or set verify to false",
        ) from error
    except ssl.SSLError as error:
        if "timed out" in str(error):
            raise _failure(check, socket.timeout(), "the TLS handshake") from error
        raise Failure("tls", f"{_where(check)}: TLS handshake failed: {error.reason or error}") from error
    except (ConnectionError, TimeoutError, socket.timeout) as error:
        raise _failure(check, error, "the TLS handshake") from error
    finally:
        result["tls_ms"] = _milliseconds(begun)
    facts["verified"] = check.verify
    facts["version"] = wrapped.version() or ""
    der = wrapped.getpeercert(binary_form=True)
    certificate = x509.parse(der) if der else None
    if certificate is not None:
        facts.update(
            subject=certificate.subject,
            issuer=certificate.issuer,
            names=certificate.names,
            name_matches=certificate.fits(name),
            not_before=certificate.not_before.isoformat() if certificate.not_before else None,
            not_after=certificate.not_after.isoformat() if certificate.not_after else None,
            days_left=(certificate.not_after - datetime.now(timezone.utc)).days if certificate.not_after else None,
        )
    return wrapped


class _Reader:
    """Octets from a connection, never longer than the deadline."""

    def __init__(self, check: Check, connection: socket.socket, deadline: _Deadline) -> None:
        self.data = b""
        self.ended = False
        self._check = check
        self._connection = connection
        self._deadline = deadline

    def more(self, doing: str) -> bool:
        """Read once; False at the end of the stream."""
        if self.ended:
            return False
        self._connection.settimeout(self._deadline.left(doing))
        try:
            data = self._connection.recv(65536)
        except OSError as error:
            if type(error).__name__ == "SSLEOFError" or type(error).__name__ == "SSLZeroReturnError":
                data = b""  # closed without a TLS goodbye, as many servers do
            elif "timed out" in str(error):
                raise _failure(self._check, socket.timeout(), doing) from error
            else:
                raise _failure(self._check, error, doing) from error
        self.ended = not data
        self.data += data
        return bool(data)


def _request(check: Check) -> bytes:
    host = check.host or check.address
    if not check.host:
        host = f"[{host}]" if ":" in host else host
        if check.port != DEFAULT_PORT[check.protocol]:
            host = f"{host}:{check.port}"
    lines = [f"{check.method} {check.path} HTTP/1.1", f"Host: {host}"]
    names = {name.lower() for name in check.headers}
    if "user-agent" not in names:
        lines.append("User-Agent: l2ops.metallb service_probe")
    if "accept" not in names:
        lines.append("Accept: */*")
    lines.extend(f"{name}: {text}" for name, text in check.headers.items())
    lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def parse_head(data: bytes) -> tuple[int, str, dict[str, str], int] | None:
    """(status, reason, headers with small-letter names, length of the head) of an HTTP/1 answer, None if it isn't one.

    RFC 9112 sections 4 and 5, read leniently: bare line feeds count as line ends. Never raises.
    """
    end = re.search(rb"\r?\n\r?\n", data)
    if end is None:
        return None
    lines = re.split(rb"\r?\n", data[: end.start()])
    first = re.match(rb"HTTP/1\.[01] ([0-9]{3})(?: (.*))?$", lines[0])
    if first is None:
        return None
    headers = {}
    for line in lines[1:]:
        name, colon, text = line.partition(b":")
        if colon:
            headers[name.strip().decode("latin-1").lower()] = text.strip().decode("latin-1")
    return int(first.group(1)), (first.group(2) or b"").decode("latin-1").strip(), headers, end.end()


def unchunk(data: bytes) -> tuple[bytes, bool]:
    """(what is decoded so far, whether the last chunk is there) of a chunked body (RFC 9112 section 7.1). Never
    raises."""
    body = b""
    position = 0
    while True:
        line_end = data.find(b"\n", position)
        if line_end < 0:
            return body, False
        size_text = data[position:line_end].split(b";")[0].strip()
        if not re.match(rb"^[0-9a-fA-F]{1,8}$", size_text):
            return body, True
        size = int(size_text, 16)
        start = line_end + 1
        if size == 0:
            return body, True
        body += data[start : start + size]
        if len(data) < start + size + 2:
            return body, False
        position = start + size + (2 if data[start + size : start + size + 2] == b"\r\n" else 1)


def _http(check: Check, connection: socket.socket, result: dict[str, Any], deadline: _Deadline) -> None:
    begun = time.monotonic_ns()
    connection.settimeout(deadline.left("sending the request"))
    try:
        connection.sendall(_request(check))
    except OSError as error:
        raise _failure(check, error, "sending the request") from error
    reader = _Reader(check, connection, deadline)
    while True:
        head = parse_head(reader.data)
        while head is not None and 100 <= head[0] < 200 and head[0] != 101:  # interim answers, RFC 9110 section 15.2
            reader.data = reader.data[head[3] :]
            head = parse_head(reader.data)
        if head is not None:
            break
        if len(reader.data) > _HEAD_LIMIT or not reader.more("waiting for the HTTP answer"):
            if not reader.data:
                raise Failure(
                    "closed",
                    f"{_where(check)}: the connection was closed without an answer to {check.method} {check.path}",
                )
            raise Failure("protocol", f"{_where(check)}: what came back is not HTTP: {reader.data[:60]!r}")
    status, reason, headers, start = head
    result["http_status"] = status
    result["http_reason"] = reason
    result["http_ms"] = _milliseconds(begun)
    for header, name in (("server", "server"), ("location", "location")):
        if header in headers:
            result[name] = headers[header]
    if not any(low <= status <= high for low, high in check.status):
        wished = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in check.status)
        raise Failure(
            "status",
            f"{_where(check)}: {check.method} {check.path} gives HTTP status {status} {reason}".rstrip()
            + f", expected {wished}",
        )
    if check.body is not None:
        reader.data = reader.data[start:]
        _body(check, check.body, reader, headers, result)


def _body(
    check: Check, pattern: re.Pattern[bytes], reader: _Reader, headers: dict[str, str], result: dict[str, Any]
) -> None:
    chunked = "chunked" in headers.get("transfer-encoding", "").lower()
    length_text = headers.get("content-length", "")
    length = int(length_text) if length_text.isdigit() and len(length_text) < 16 else None
    while True:
        body, complete = (
            unchunk(reader.data) if chunked else (reader.data, length is not None and len(reader.data) >= length)
        )
        if pattern.search(body):
            result["body_matched"] = True
            return
        if complete or len(reader.data) > check.body_limit or not reader.more("reading the body"):
            break
    result["body_matched"] = False
    result["body_start"] = body[:200].decode("utf-8", "replace")
    raise Failure(
        "body",
        f"{_where(check)}: the body of {check.path} ({len(body)} octets) has nothing that matches "
        f"{pattern.pattern.decode('utf-8', 'replace')!r}",
    )


def _udp(check: Check, connection: socket.socket, result: dict[str, Any], deadline: _Deadline) -> None:
    begun = time.monotonic_ns()
    try:
        connection.send(check.payload)
        connection.settimeout(deadline.left("waiting for a datagram"))
        data = connection.recv(65536)
    except (socket.timeout, TimeoutError) as error:
        raise Failure(
            "timeout",
            f"{_where(check)}: no datagram came back within {check.timeout:g} s. A UDP service may stay silent to a "
            "payload that it doesn't understand: give one by payload that it answers",
        ) from error
    except OSError as error:
        raise _failure(check, error, "waiting for a datagram") from error
    result["reply_ms"] = _milliseconds(begun)
    result["reply_octets"] = len(data)
    if check.reply is not None and not check.reply.search(data):
        result["body_start"] = data[:200].decode("utf-8", "replace")
        raise Failure(
            "body",
            f"{_where(check)}: the datagram that came back does not match "
            f"{check.reply.pattern.decode('utf-8', 'replace')!r}",
        )


def _attempt(check: Check) -> dict[str, Any]:
    """One attempt. Never raises: the failure is in the result."""
    result: dict[str, Any] = {"ok": False, "failure": "", "message": "", "connect_ms": None, "http_status": None}
    begun = time.monotonic_ns()
    deadline = _Deadline(check.timeout)
    connection: socket.socket | None = None
    try:
        connection, destination = _open(check, deadline)
        try:
            connection.connect(destination)
        except OSError as error:
            raise _failure(check, error, "connecting") from error
        result["connect_ms"] = _milliseconds(begun)
        result["source"] = connection.getsockname()[0]
        if check.protocol == "udp":
            _udp(check, connection, result, deadline)
        if check.protocol in ("tls", "https"):
            connection = _tls(check, connection, result, deadline)
        if check.protocol in ("http", "https"):
            _http(check, connection, result, deadline)
        result["ok"] = True
    except Failure as failure:
        result["failure"] = failure.kind
        result["message"] = str(failure)
    finally:
        if connection is not None:
            connection.close()
    result["total_ms"] = _milliseconds(begun)
    return result


def check_once(check: Check) -> dict[str, Any]:
    """One service, with its retries: the result that ``service_probe`` documents per target."""
    attempts = 0
    begun = time.monotonic_ns()
    while True:
        attempts += 1
        result = _attempt(check)
        if result["ok"] or attempts > check.retries or result["failure"] in ("dns", "local"):
            break
        time.sleep(check.retry_delay)
    return {
        "name": check.name,
        "address": check.address,
        "port": check.port,
        "protocol": check.protocol,
        **result,
        "attempts": attempts,
        "elapsed_ms": _milliseconds(begun),
    }


def watch_once(check: Check, duration: float, interval: float) -> dict[str, Any]:
    """One service, asked every ``interval`` for ``duration`` (seconds): the last attempt's result, and when there was
    no answer."""
    begun = time.monotonic_ns()
    end = begun + int(duration * 1e9)
    attempts = answered = 0
    last_ok = begun
    failure = ""
    outages: list[dict[str, Any]] = []

    def note(now: int, at_end: bool) -> None:
        outages.append(
            {
                "from_ms": round((last_ok - begun) / 1e6, 1),
                "to_ms": round((now - begun) / 1e6, 1),
                "ms": round((now - last_ok) / 1e6, 1),
                "failure": failure,
                "at_end": at_end,
            }
        )

    while True:
        started = time.monotonic_ns()
        result = _attempt(check)
        now = time.monotonic_ns()
        attempts += 1
        if result["ok"]:
            answered += 1
            if failure:
                note(now, False)
            failure = ""
            last_ok = now
        elif not failure:
            failure = result["failure"]
        pause = min(started + int(interval * 1e9), end) - time.monotonic_ns()
        if time.monotonic_ns() >= end:
            break
        if pause > 0:
            time.sleep(pause / 1e9)
        if time.monotonic_ns() >= end:
            break
    if failure:
        note(time.monotonic_ns(), True)
    return {
        "name": check.name,
        "address": check.address,
        "port": check.port,
        "protocol": check.protocol,
        **result,
        "attempts": attempts,
        "answered": answered,
        "outages": outages,
        "longest_outage_ms": max([outage["ms"] for outage in outages], default=0.0),
        "elapsed_ms": _milliseconds(begun),
    }


def check_all(
    checks: list[Check], concurrency: int, duration: float = 0.0, interval: float = 0.1
) -> list[dict[str, Any]]:
    """All services, at most ``concurrency`` at a time; results in the order of ``checks``.

    :param duration: seconds to keep asking (see :func:`watch_once`); 0 to ask once, with retries
    """
    results: list[dict[str, Any]] = [{} for _unused in checks]
    waiting = deque(range(len(checks)))
    errors: list[BaseException] = []

    def work() -> None:
        while True:
            try:
                index = waiting.popleft()
            except IndexError:
                return
            try:
                check = checks[index]
                results[index] = watch_once(check, duration, interval) if duration else check_once(check)
            except BaseException as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=work, daemon=True) for _unused in range(min(concurrency, len(checks)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
