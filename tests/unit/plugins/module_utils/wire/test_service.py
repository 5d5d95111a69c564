# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Service checks against servers on loopback that behave, misbehave, or don't answer at all."""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import service
from hypothesis import given
from hypothesis import strategies as st

OK = b"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Length: 5\r\n\r\nhello"


class Server:
    """A TCP server on loopback; ``handle(connection, request)`` is called once per connection."""

    def __init__(self, handle, read=True, family=socket.AF_INET):
        self.handle = handle
        self.read = read
        self.requests = []
        self.stopping = threading.Event()
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.listener.listen(200)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                connection, _peer = self.listener.accept()
            except OSError:
                return
            if self.stopping.is_set():
                connection.close()
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with contextlib.suppress(OSError), connection:
            request = b""
            if self.read:
                while b"\r\n\r\n" not in request:
                    data = connection.recv(4096)
                    if not data:
                        break
                    request += data
            self.requests.append(request)
            self.handle(connection, request)

    def stop(self):
        self.stopping.set()
        with contextlib.suppress(OSError):
            socket.create_connection(self.listener.getsockname()[:2], 1).close()
        self.listener.close()
        self.thread.join(5)


@pytest.fixture
def serve():
    servers = []

    def start(handle, **more):
        if isinstance(handle, bytes):
            data = handle
            server = Server(lambda connection, request: connection.sendall(data), **more)
        else:
            server = Server(handle, **more)
        servers.append(server)
        return server.port

    start.servers = servers
    yield start
    for server in servers:
        server.stop()


def check(port, protocol="http", **more):
    more.setdefault("retries", 0)
    more.setdefault("timeout", 5.0)
    return service.check_once(service.Check(more.pop("address", "127.0.0.1"), port, protocol, **more))


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_http_answers(serve):
    port = serve(OK)
    result = check(port, host="app.example.com", path="/x?y=1", headers={"X-Test": "1"}, name="default/web")
    assert result["ok"] and result["failure"] == "" and result["message"] == ""
    assert (result["http_status"], result["http_reason"], result["server"]) == (200, "OK", "test")
    assert (result["name"], result["address"], result["port"], result["attempts"]) == (
        "default/web",
        "127.0.0.1",
        port,
        1,
    )
    assert result["connect_ms"] <= result["total_ms"] and result["source"] == "127.0.0.1"
    lines = serve.servers[0].requests[0].decode().split("\r\n")
    assert lines[0] == "GET /x?y=1 HTTP/1.1"
    assert "Host: app.example.com" in lines and "X-Test: 1" in lines and "Connection: close" in lines


def test_the_host_header_is_the_address_with_an_unusual_port(serve):
    port = serve(OK)
    check(port)
    assert f"Host: 127.0.0.1:{port}\r\n".encode() in serve.servers[0].requests[0]


def test_ipv6(serve):
    try:
        port = serve(OK, family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    assert check(port, address="::1")["ok"]
    assert f"Host: [::1]:{port}\r\n".encode() in serve.servers[0].requests[0]


def test_tcp_needs_no_more_than_a_connection(serve):
    assert check(serve(b"", read=False), "tcp")["ok"]


def test_refused():
    result = check(free_port(), "tcp")
    assert (result["ok"], result["failure"], result["connect_ms"]) == (False, "refused", None)
    assert "nothing listens" in result["message"]


@pytest.mark.parametrize("protocol", ["http", "https", "tls"])
def test_silence_after_connecting_is_a_timeout(serve, protocol):
    released = threading.Event()
    port = serve(lambda connection, request: released.wait(10), read=False)
    result = check(port, protocol, timeout=0.2, verify=False)
    released.set()
    assert result["failure"] == "timeout"
    assert result["connect_ms"] is not None
    assert 190 <= result["total_ms"] < 2000


def test_a_server_that_drips_cannot_outlast_the_timeout(serve):
    stop = threading.Event()

    def drip(connection, request):
        for octet in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 10_000:
            connection.sendall(bytes((octet,)))
            if stop.wait(0.02):
                return

    result = check(serve(drip), timeout=0.3)
    stop.set()
    assert result["failure"] == "timeout"
    assert result["total_ms"] < 2000


def test_reset(serve):
    def reset(connection, request):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    result = check(serve(reset))
    assert result["failure"] == "reset"


def test_closed_without_an_answer(serve):
    result = check(serve(b""))
    assert result["failure"] == "closed"


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 20x OK\r\n\r\n", b"\x00" * 70000, b"HTTP/2 200\r\n\r\n"]
)
def test_what_is_not_http_is_told(serve, data):
    result = check(serve(data))
    assert result["failure"] == "protocol"
    assert "not HTTP" in result["message"]


@pytest.mark.parametrize(
    ("status", "wanted", "ok"),
    [
        (200, None, True),
        (404, None, True),
        (499, None, True),
        (500, None, False),
        (503, None, False),
        (301, [(200, 200)], False),
        (301, [(200, 200), (300, 399)], True),
        (503, [(503, 503)], True),
    ],
)
def test_statuses(serve, status, wanted, ok):
    result = check(serve(f"HTTP/1.1 {status} Whatever\r\nLocation: /there\r\n\r\n".encode()), status=wanted)
    assert result["ok"] is ok
    assert result["http_status"] == status
    assert result["location"] == "/there"
    if not ok:
        assert result["failure"] == "status" and f"status {status} Whatever" in result["message"]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        OK,
        CHUNKED,
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK,
        OK.replace(b"\r\n", b"\n"),
    ],
    ids=["length", "chunked", "until closed", "interim answer first", "bare line feeds"],
)
def test_bodies(serve, data):
    port = serve(data)
    assert check(port, body=re.compile(b"^hello$"))["body_matched"]
    result = check(port, body=re.compile(b"goodbye"))
    assert (result["failure"], result["body_matched"], result["body_start"]) == ("body", False, "hello")


def test_a_body_is_read_no_further_than_its_limit(serve):
    port = serve(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500_000 + b"needle")
    assert check(port, body=re.compile(b"needle"), body_limit=100_000)["failure"] == "body"
    assert check(port, body=re.compile(b"needle"))["ok"]


def test_a_body_is_not_waited_for_once_it_matched(serve):
    released = threading.Event()

    def stall(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello")
        released.wait(10)

    result = check(serve(stall), body=re.compile(b"hello"))
    released.set()
    assert result["ok"]


def test_retries_end_with_the_first_success(serve):
    seen = []

    def second_time(connection, request):
        seen.append(request)
        connection.sendall(OK if len(seen) > 1 else b"HTTP/1.1 503 Not yet\r\n\r\n")

    result = check(serve(second_time), retries=5, retry_delay=0.0)
    assert result["ok"] and result["attempts"] == 2


def test_retries_are_counted_when_all_fail():
    result = check(free_port(), "tcp", retries=2, retry_delay=0.0)
    assert result["attempts"] == 3


def test_an_unknown_name_is_told_and_not_tried_again():
    result = check(80, address="no-such-host.invalid", retries=3)
    assert (result["failure"], result["attempts"]) == ("dns", 1)
    assert "getent" in result["message"]


def test_a_source_that_is_not_ours_is_told(serve):
    result = check(serve(OK), source="192.0.2.1")
    assert result["failure"] == "local"
    assert "192.0.2.1" in result["message"] and "ip addr" in result["message"]


def test_a_source_of_ours_is_used(serve):
    assert check(serve(OK), source="127.0.0.9")["source"] == "127.0.0.9"


def test_an_interface_that_is_not_there_is_told(serve):
    result = check(serve(OK), interface="nosuchif")
    assert result["failure"] == "local"
    assert "nosuchif" in result["message"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.ECONNREFUSED, "refused"),
        (errno.ECONNRESET, "reset"),
        (errno.ETIMEDOUT, "timeout"),
        (errno.EMFILE, "local"),
        (errno.EADDRNOTAVAIL, "local"),
        (errno.EPIPE, "reset"),
    ],
)
def test_errors_of_the_kernel_in_words(number, kind):
    failure = service._failure(service.Check("fd00::1", 80), OSError(number, "x"), "connecting")
    assert failure.kind == kind
    assert "[fd00::1]:80/tcp" in str(failure)


class Datagrams:
    def __init__(self, answer):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.socket.recvfrom(4096)
                if self.answer(data):
                    self.socket.sendto(self.answer(data), peer)


def test_udp_answers_are_matched():
    server = Datagrams(lambda data: b"pong" if data == b"ping" else b"")
    result = check(server.port, "udp", payload=b"ping", reply=re.compile(b"^po"))
    assert result["ok"] and result["reply_octets"] == 4
    assert check(server.port, "udp", payload=b"ping", reply=re.compile(b"x"))["failure"] == "body"
    silent = check(server.port, "udp", payload=b"?", timeout=0.1)
    assert silent["failure"] == "timeout" and "payload" in silent["message"]
    server.socket.close()


def test_udp_refused():
    assert check(free_port(socket.SOCK_DGRAM), "udp", payload=b"x")["failure"] == "refused"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make a key with")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=app.example.com",
         "-addext", "subjectAltName=DNS:app.example.com,IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def tls(serve, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    def handle(connection, request):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            data = b""
            while b"\r\n\r\n" not in data:
                more = wrapped.recv(4096)
                if not more:
                    return
                data += more
            wrapped.sendall(OK)

    return serve(handle, read=False)


def test_https_unverified_tells_the_certificate(tls):
    result = check(tls, "https", verify=False, host="other.example.com", body=re.compile(b"hello"))
    assert result["ok"]
    facts = result["tls"]
    assert facts["verified"] is False and facts["server_name"] == "other.example.com"
    assert facts["subject"] == facts["issuer"] == "CN=app.example.com"
    assert facts["names"] == ["app.example.com", "127.0.0.1"]
    assert facts["name_matches"] is False
    assert facts["days_left"] in (29, 30)
    assert facts["version"].startswith("TLSv1")


def test_https_verified_by_a_given_ca(tls, certificate):
    result = check(tls, "https", trust=str(certificate / "cert.pem"), server_name="app.example.com")
    assert result["ok"] and result["tls"]["verified"] and result["tls"]["name_matches"]


def test_an_untrusted_certificate_is_told(tls):
    result = check(tls, "https")
    assert (result["ok"], result["failure"]) == (False, "tls")
    assert "ca_path" in result["message"] and "verify" in result["message"]
    assert result["tls"]["verified"] is False


def test_a_certificate_for_another_name_is_told(tls, certificate):
    result = check(tls, "tls", trust=str(certificate / "cert.pem"), server_name="wrong.example.com")
    assert result["failure"] == "tls" and "wrong.example.com" in result["message"]


def test_a_ca_file_that_is_not_there_is_told(tls):
    result = check(tls, "tls", trust="/nowhere/ca.pem")
    assert result["failure"] == "local" and "/nowhere/ca.pem" in result["message"]


def test_tls_to_a_port_that_speaks_plain_http(serve):
    result = check(serve(b"HTTP/1.1 400 Bad Request\r\n\r\n", read=False), "https", verify=False)
    assert result["failure"] in ("tls", "reset")


def test_hundreds_side_by_side_take_no_longer_than_one(serve):
    barrier = threading.Barrier(100, timeout=20)

    def together(connection, request):
        barrier.wait()  # breaks unless 100 are asked at a time
        connection.sendall(OK)

    port = serve(together)
    closed = free_port()
    checks = [service.Check("127.0.0.1", port, "http", timeout=20, retries=0, name=str(n)) for n in range(100)]
    checks += [service.Check("127.0.0.1", closed, "tcp", retries=0, name=str(n)) for n in range(100, 200)]
    results = service.check_all(checks, 128)
    assert [result["name"] for result in results] == [str(n) for n in range(200)]
    assert all(result["ok"] for result in results[:100])
    assert {result["failure"] for result in results[100:]} == {"refused"}


def test_concurrency_is_bounded(serve):
    lock = threading.Lock()
    state = {"now": 0, "most": 0}

    def count(connection, request):
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
        with lock:
            state["now"] -= 1
        connection.sendall(OK)

    port = serve(count)
    results = service.check_all([service.Check("127.0.0.1", port, "http") for _unused in range(40)], 4)
    assert all(result["ok"] for result in results)
    assert state["most"] <= 4


def test_outages_are_timed(serve):
    begun = time.monotonic()
    broken = (0.3, 0.7)

    def flaky(connection, request):
        away = broken[0] <= time.monotonic() - begun < broken[1]
        connection.sendall(b"HTTP/1.1 503 Away\r\n\r\n" if away else OK)

    one = service.Check("127.0.0.1", serve(flaky), "http", timeout=1.0)
    (result,) = service.check_all([one], 1, duration=1.2, interval=0.02)
    assert result["ok"]
    assert len(result["outages"]) == 1
    outage = result["outages"][0]
    assert outage["failure"] == "status" and outage["at_end"] is False
    assert result["longest_outage_ms"] == outage["ms"]
    assert 380 <= outage["ms"] <= 700
    assert 0 < result["answered"] < result["attempts"]


def test_an_outage_until_the_end_is_told():
    one = service.Check("127.0.0.1", free_port(), "tcp")
    (result,) = service.check_all([one], 1, duration=0.1, interval=0.02)
    assert result["outages"][0]["at_end"] and result["outages"][0]["from_ms"] == 0.0
    assert result["answered"] == 0


@given(st.binary(max_size=300))
def test_no_octets_crash_the_http_reader(data):
    head = service.parse_head(data)
    assert head is None or 0 <= head[0] <= 999
    body, complete = service.unchunk(data)
    assert len(body) <= len(data) and isinstance(complete, bool)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6))
def test_chunks_are_put_together(chunks):
    data = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert service.unchunk(data) == (b"".join(chunks), True)
