# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Patches by hand over the pool's connections, against a server that says what it was told to."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._kube import constants, module
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError
from ansible_collections.l2ops.metallb.tests.unit.fake_api import FakeApi
from ansible_collections.l2ops.metallb.tests.unit.plugins.module_utils.kube.test_client import Module, connected, node

PATH = "/api/v1/nodes/a"
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"kind": "Node"}'


class Told:
    """Answers the requests of each connection by the texts given, piece by piece; None closes it, "" says nothing."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.heads = []
        self.connections = 0
        self.stop = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.stop.is_set():
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                while self.answers and self.one(connection):
                    pass

    def one(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return False
            head += more
        self.heads.append(head)
        answer = self.answers.pop(0)
        if answer is None:
            return False
        for piece in answer if isinstance(answer, list) else [answer]:
            connection.sendall(piece)
        if not answer:
            self.stop.wait(5)
        return b"Connection: close" not in head

    def __enter__(self):
        return self

    def __exit__(self, *_details):
        self.stop.set()
        self.listener.close()


def patched(api, times=1, **params):
    kube = connected(api, **params)
    with kube.many():
        return [kube.patch(PATH, [{"op": "remove"}], patch_type="json") for _time in range(times)], kube


def test_it_is_the_same_request_as_without():
    with FakeApi() as api:
        api.token = "token"
        api.add(node("a", x="y"))
        kube = connected(api, impersonate_user="someone", impersonate_groups=["g1", "g2"])
        body = {"metadata": {"labels": {"x": None}}}
        kube.patch(PATH, body, dry_run=True)
        with kube.many():
            assert "x" not in kube.patch(PATH, body, dry_run=True)["metadata"]["labels"]
        plain, lean = api.sent("PATCH")

    def said(request):
        left_out = {"accept-encoding", "connection"}
        return sorted((name.lower(), text) for name, text in request["headers"] if name.lower() not in left_out)

    assert said(plain) == said(lean)
    assert {key: plain[key] for key in ("path", "query", "body")} == {
        key: lean[key] for key in ("path", "query", "body")
    }


def test_one_connection_serves_all_that_a_thread_asks():
    with Told(OK, OK, OK) as api:
        found, _kube_client = patched(api, times=3)
        assert found == [{"kind": "Node"}] * 3
        assert api.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        [OK[:9], OK[9:60], OK[60:]],
        b'HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n8;x=y\r\n{"kind":\r\n8\r\n "Node"}\r\n0\r\n\r\n',
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r", b'\n{"kind": "No', b'de"}\r', b"\n0\r\n\r\n"],
        b'HTTP/1.1 200 OK\r\nCONTENT-LENGTH:16\r\nConnection: close\r\n\r\n{"kind": "Node"}',
        b'HTTP/1.0 200 OK\r\nContent-Length: 16\r\n\r\n{"kind": "Node"}',
    ],
)
def test_an_answer_may_come_in_any_shape(answer):
    with Told(answer) as api:
        assert patched(api)[0] == [{"kind": "Node"}]


def test_after_an_answer_that_was_the_last_one_a_new_connection_is_made():
    closing = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{"kind": "Node"}'

    class Closing(Told):
        def one(self, connection):
            super().one(connection)
            return False

    with Closing(closing, closing) as api:
        assert len(patched(api, times=2)[0]) == 2
        assert api.connections == 2


def test_retry_after_is_kept_to():
    busy = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\nContent-Length: 0\r\n\r\n"
    with Told(busy, busy, OK) as api:
        _found, kube = patched(api)
        assert kube.naps == [3.0, 3.0]


def test_a_refusal_is_told_in_the_servers_words():
    status = json.dumps({"kind": "Status", "message": "hands off"}).encode()
    with Told(b"HTTP/1.1 422 Nope\r\nContent-Length: %d\r\n\r\n%s" % (len(status), status)) as api:
        with pytest.raises(ApiError, match="hands off") as caught:
            patched(api)
        assert caught.value.status == 422


@pytest.mark.parametrize(
    "answer, says",
    [
        (None, "Connection aborted"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n", "length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "garbled"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000, "does not end"),
    ],
)
def test_what_is_no_answer_is_an_error_and_is_not_sent_again(answer, says):
    """A patch may have been applied although its answer was lost."""
    with Told(answer, OK) as api:
        with pytest.raises(ApiError, match=says):
            patched(api)
        assert len(api.heads) == 1


def test_a_server_that_stays_silent_is_left_after_the_time_limit(monkeypatch):
    monkeypatch.setenv(constants.TIMEOUT_VARIABLE, "0.2")
    with Told(b"") as api, pytest.raises(ApiError, match=r"did not answer within 0\.2 s"):
        patched(api)


def test_a_header_is_one_header():
    with Told(OK) as api:
        kube = connected(api)
        kube._headers = [("Impersonate-User", "a\r\nImpersonate-Group: system:masters")]  # connect() refuses it before
        with kube.many(), pytest.raises((ApiError, ValueError)):
            kube.patch(PATH, {})
        assert not api.heads


def test_through_a_proxy_it_is_urllib3s_affair():
    with Told(OK) as proxy:
        kube = module.connect(Module(host="http://192.0.2.1:1", api_key="token", proxy=proxy.url))
        with kube.many():
            assert kube.patch(PATH, {}) == {"kind": "Node"}
        assert proxy.heads[0].startswith(b"PATCH http://192.0.2.1:1/api/v1/nodes/a?")
