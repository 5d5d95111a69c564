# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Thousands of small requests over the pool's own connections, each for a third of what the pool asks for one.

A connection is made by urllib3, with its certificates, names and time limits. Then request and answer are HTTP/1.1 by hand:
one write, mostly one read, and of the head only what anybody asks for (tests/bench/bench_label.py measures the difference).
"""

from __future__ import annotations

import re
import socket
import threading
from typing import Any

try:
    import urllib3
except ImportError:  # _kube says it to the user
    pass

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}(?=[ \t]*(;|$))")
# Whoever sends more head than this is no API server.
_MOST_HEAD = 65536


class Head:
    """The headers of one answer, looked at only when asked for."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def get(self, name: str) -> str | None:
        found = re.search(rb"\r\n" + re.escape(name).encode() + rb":[ \t]*([^\r]*)", self._raw, re.IGNORECASE)
        return found.group(1).decode("latin-1").strip() if found else None


class Answer:
    """As much of urllib3's answer as _kube looks at."""

    def __init__(self, status: int, headers: Head, data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


class PatchConnections:
    """One connection for each thread that asks. close() gives them up."""

    def __init__(self, pool: Any, host: str, connect_timeout: float, read_timeout: float) -> None:
        self._pool = pool
        self._host = host
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._own = threading.local()
        self._lock = threading.Lock()
        self._connections: list[Any] = []

    def usable(self, headers: dict[str, str]) -> bool:
        """Whether this urllib3 gives out its connections, and no header's text would begin another header."""
        mine = (text.isascii() and text.isprintable() for text in headers.values())
        return hasattr(self._pool, "_get_conn") and all(mine)

    def exchange(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Raises what urllib3 raises, so urllib3.exceptions.HTTPError or OSError."""
        fields = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
        connection = self._connection()
        try:
            # One write: of two, the second would wake the server twice.
            connection.sock.sendall(head.encode("latin-1") + body)
            answer, last = _read(connection.sock)
        except socket.timeout as error:
            self._drop(connection)
            raise urllib3.exceptions.ReadTimeoutError(self._pool, target, "Read timed out.") from error
        except BaseException:
            self._drop(connection)
            raise
        if last:
            self._drop(connection)
        return answer

    def close(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    def _connection(self) -> Any:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._pool._get_conn()
            if connection.sock is None:
                connection.timeout = self._connect_timeout
                connection.connect()
            connection.sock.settimeout(self._read_timeout)
            self._own.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection

    def _drop(self, connection: Any) -> None:
        self._own.connection = None
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)
        connection.close()


def _read(sock: Any) -> tuple[Answer, bool]:
    """The answer, and whether it is the last one that this connection gives."""
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > _MOST_HEAD:
            raise urllib3.exceptions.ProtocolError("the head of the answer does not end")
        data = _more(sock, data)
    raw, _end, data = data.partition(b"\r\n\r\n")
    status = _STATUS.match(raw)
    if not status or status.group(1) < b"200":
        raise urllib3.exceptions.ProtocolError("the answer is no HTTP")
    head = Head(raw)
    last = raw.startswith(b"HTTP/1.0") or (head.get("Connection") or "").lower() == "close"
    length = head.get("Content-Length")
    if (head.get("Transfer-Encoding") or "").lower() == "chunked":
        data = _unchunked(sock, data)
    elif length is not None and length.isdigit():
        while len(data) < int(length):
            data = _more(sock, data)
    elif status.group(1) != b"204":
        raise urllib3.exceptions.ProtocolError("the answer does not tell its length")
    return Answer(int(status.group(1)), head, data), last


def _unchunked(sock: Any, data: bytes) -> bytes:
    whole = b""
    while True:
        while b"\r\n" not in data:
            data = _more(sock, data)
        size, _end, data = data.partition(b"\r\n")
        number = _SIZE.match(size)
        if not number:
            raise urllib3.exceptions.ProtocolError("the answer's chunks are garbled")
        count = int(number.group(0), 16)
        while len(data) < count + 2:
            data = _more(sock, data)
        if not count:
            return whole
        whole, data = whole + data[:count], data[count + 2 :]


def _more(sock: Any, data: bytes) -> bytes:
    more = sock.recv(65536)
    if not more:
        raise urllib3.exceptions.ProtocolError("Connection aborted.")
    return data + bytes(more)
