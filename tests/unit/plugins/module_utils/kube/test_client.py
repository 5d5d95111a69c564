# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to an API server, against a small one on loopback."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._kube import (
    auth,
    client,
    constants,
    dependencies,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._kube import (
    module as _module,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListRequest
from ansible_collections.l2ops.metallb.tests.unit.fake_api import FakeApi, Refused

POOLS = ListRequest("ipaddresspools", "metallb.io", "v1beta1", namespace="metallb-system")


class Module:
    """As much of AnsibleModule as connect() needs."""

    def __init__(self, **params):
        self.params = dict.fromkeys(dependencies.AUTH_ARG_SPEC)
        self.params.update(params)
        self.no_log_values = set()

    def fail_json(self, **result):
        raise AssertionError(result)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch, tmp_path):
    for name in ("KUBECONFIG", "HOST", "API_KEY", "CONTEXT", "VERIFY_SSL", "IMPERSONATE_USER"):
        monkeypatch.delenv(f"K8S_AUTH_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def api():
    with FakeApi() as fake:
        yield fake


def connected(api, **params):
    kube = _module.connect(Module(**{"host": api.url, "api_key": "token", **params}))
    kube.naps = []
    kube._sleep = kube.naps.append
    return kube


@contextmanager
def answering(body):
    """A server that answers the first request with this."""

    def serve():
        connection = server.accept()[0]
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        connection.sendall(body)
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


def node(name, **labels):
    return {"kind": "Node", "metadata": {"name": name, "labels": labels, "annotations": {}}, "status": {"big": True}}


def kubeconfig(url, **user):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": user or {"token": "from-the-kubeconfig"}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
    }


# -- options ----------------------------------------------------------------------------------------------------------


def test_the_spec_is_that_of_kubernetes_core_also_where_that_is_missing(monkeypatch):
    args_common = pytest.importorskip("ansible_collections.kubernetes.core.plugins.module_utils.args_common")
    assert _module.argument_spec() == args_common.AUTH_ARG_SPEC
    import importlib
    import sys

    monkeypatch.setitem(sys.modules, "ansible_collections.kubernetes.core.plugins.module_utils.args_common", None)
    spec = importlib.util.spec_from_file_location("alone", dependencies.__file__)
    alone = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "alone", alone)
    spec.loader.exec_module(alone)
    assert alone.KUBERNETES_CORE_IMPORT_ERROR is not None
    assert alone.AUTH_ARG_SPEC == args_common.AUTH_ARG_SPEC
    assert alone.AUTH_ARG_MAP == args_common.AUTH_ARG_MAP


def test_a_missing_library_is_said_and_not_traced(monkeypatch):
    said = {}

    class Stop(Exception):
        pass

    def fail_json(**result):
        said.update(result)
        raise Stop

    module = Module(host="https://x")
    module.fail_json = fail_json
    monkeypatch.setattr(_module, "KUBERNETES_CORE_IMPORT_ERROR", "Traceback …")
    with pytest.raises(Stop):
        _module.connect(module)
    assert "ansible-galaxy collection install" in said["msg"]
    monkeypatch.setattr(_module, "KUBERNETES_IMPORT_ERROR", "Traceback …")
    with pytest.raises(Stop):
        _module.connect(module)
    assert "kubernetes" in said["msg"]


@pytest.mark.parametrize(
    "params, environment",
    [
        ({"host": "https://a:6443", "api_key": "t"}, {}),
        ({}, {"HOST": "https://a:6443", "API_KEY": "t", "VERIFY_SSL": "False"}),
        ({"host": "https://a:6443/", "api_key": "t", "validate_certs": False}, {"VERIFY_SSL": "True"}),
        ({"kubeconfig": kubeconfig("https://a:6443")}, {}),
        ({"kubeconfig": kubeconfig("https://a:6443"), "host": "https://b:6443"}, {}),
        ({"kubeconfig": kubeconfig("https://a:6443", username="u", password="p"), "context": "lab"}, {}),
        ({"host": "https://a:6443", "api_key": "t"}, {"PROXY": "http://p:3128", "NO_PROXY": "b"}),
        ({"host": "https://a:6443", "api_key": "t", "proxy": "http://p", "proxy_headers": {"user_agent": "x"}}, {}),
    ],
)
def test_options_lead_where_kubernetes_core_would_go(params, environment, monkeypatch):
    theirs = pytest.importorskip("ansible_collections.kubernetes.core.plugins.module_utils.k8s.client")
    for name, text in environment.items():
        monkeypatch.setenv(f"K8S_AUTH_{name}", text)
    module = Module(**params)
    # Theirs keeps what a kubeconfig said for the whole process.
    monkeypatch.setattr(dependencies.kubernetes_client.Configuration, "_default", None)
    expected = theirs._create_configuration(theirs._create_auth_spec(module))
    found = auth._configuration(auth._options(module.params))
    assert found.host == expected.host
    assert found.verify_ssl == expected.verify_ssl
    assert found.proxy == expected.proxy
    assert found.no_proxy == expected.no_proxy
    assert (found.proxy_headers or None) == (expected.proxy_headers or None)
    assert found.auth_settings() == expected.auth_settings()


def test_a_kubeconfig_file_is_used_and_its_token_sent_but_never_shown(api, tmp_path):
    import yaml

    api.token = "from-the-kubeconfig"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig(api.url)))
    kube = _module.connect(Module(kubeconfig=str(tmp_path / "kubeconfig")))
    assert kube.list(ListRequest("nodes")) == []
    module = Module(kubeconfig=kubeconfig(api.url))
    _module.connect(module)
    assert module.no_log_values == {"from-the-kubeconfig"}


def test_secrets_from_the_environment_are_hidden(monkeypatch):
    monkeypatch.setenv("K8S_AUTH_API_KEY", "hush-hush")
    monkeypatch.setenv("K8S_AUTH_HOST", "https://a")
    module = Module()
    _module.connect(module)
    assert "hush-hush" in module.no_log_values


def test_a_token_from_the_options_beats_that_of_the_kubeconfig(api):
    api.token = "mine"
    kube = _module.connect(Module(kubeconfig=kubeconfig(api.url), api_key="mine"))
    assert kube.list(ListRequest("nodes")) == []


def test_headers(api):
    kube = connected(api, impersonate_user="jane", impersonate_groups=["a", "b"])
    api.add(node("n"))
    kube.list(ListRequest("nodes"))
    kube.patch("/api/v1/nodes/n", {"metadata": {"labels": {"a": "b"}}})
    for request in api.requests:
        headers = [(name.lower(), text) for name, text in request["headers"]]
        assert ("user-agent", "l2ops.metallb") in headers
        assert ("impersonate-user", "jane") in headers
        assert sorted(text for name, text in headers if name == "impersonate-group") == ["a", "b"]


@pytest.mark.parametrize(
    "content, said",
    [
        ("a: [", "is no YAML (line 1)"),
        ("just words", "names no cluster"),
        ("$ANSIBLE_VAULT;1.1;AES256\n3132", "encrypted with Ansible Vault"),
        ("clusters: [{name: a}]\ncontexts: x\ncurrent-context: a\n", "cannot be used"),
    ],
)
def test_a_broken_kubeconfig_says_what_is_wrong_with_it(content, said, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    with pytest.raises(ApiError) as caught:
        _module.connect(Module(kubeconfig=str(path)))
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "K8S_AUTH_KUBECONFIG" in str(caught.value)


@pytest.mark.parametrize(
    "params, said",
    [
        ({"kubeconfig": "/nonexistent/kubeconfig"}, "The kubeconfig /nonexistent/kubeconfig does not exist"),
        ({}, "No cluster is given"),
        ({"host": "192.168.7.2:6443", "api_key": "t"}, "is no URL"),
        ({"host": "https://a", "api_key": "t", "ca_cert": "/nonexistent/ca"}, "/nonexistent/ca does not exist"),
        ({"kubeconfig": kubeconfig("https://a"), "context": "other"}, "context other"),
        (
            {
                "kubeconfig": kubeconfig(
                    "https://a",
                    exec={"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "no-such-login-program"},
                )
            },
            "no-such-login-program",
        ),
    ],
)
def test_wrong_options_are_named(params, said):
    with pytest.raises(ApiError) as caught:
        _module.connect(Module(**params))
    assert said in str(caught.value)
    assert caught.value.advice


URLS = [
    ("https://192.0.2.1:99999", "port is not a number from 0 to 65535"),
    ("https://192.0.2.1:abc", "port is not a number from 0 to 65535"),
    ("https://fd00::1:6443", "in brackets there, as in https://[fd00::1]:6443"),
    ("https://[fd00::1", "a bracket around its IPv6 address is missing"),
    ("https://fd00::1]:6443", "a bracket around its IPv6 address is missing"),
    ("https://[zz]:6443", "is no URL"),
    ("https://:6443", "names no host"),
    ("https://a\nb:1", "line breaks"),
    ("ftp://192.0.2.1", "does not begin with http:// or https://"),
]


@pytest.mark.parametrize(("url", "said"), URLS)
def test_an_address_that_is_no_url_is_told_with_its_fault(url, said):
    for params in ({"host": url, "api_key": "t"}, {"kubeconfig": kubeconfig(url)}):
        with pytest.raises(ApiError) as caught:
            _module.connect(Module(**params))
        assert said in str(caught.value) and "The API server's address" in str(caught.value)


def proxied(proxy):
    config = kubeconfig("https://127.0.0.1:1")
    config["clusters"][0]["cluster"]["proxy-url"] = proxy
    return config


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        *URLS[:4],
        (5, "of type int"),
        (True, "of type bool"),
        (["x"], "of type list"),
        ("192.0.2.1:3128", "does not begin"),
    ],
)
def test_a_proxy_that_is_no_url_is_told_with_its_fault(proxy, said):
    for params in ({"host": "https://127.0.0.1:1", "api_key": "t", "proxy": proxy}, {"kubeconfig": proxied(proxy)}):
        with pytest.raises(ApiError) as caught:
            _module.connect(Module(**params))
        assert said in str(caught.value) and "The proxy" in str(caught.value) and "K8S_AUTH_PROXY" in str(caught.value)


def test_a_password_in_an_address_is_not_quoted():
    with pytest.raises(ApiError) as caught:
        _module.connect(Module(host="https://me:hush@192.0.2.1:x", api_key="t"))
    assert "hush" not in str(caught.value) and "192.0.2.1:x" in str(caught.value)


def test_a_socks_proxy_without_its_library_is_said(monkeypatch):
    def without(_configuration):
        raise ModuleNotFoundError("No module named 'socks'")

    monkeypatch.setattr(_module.kubernetes_client, "ApiClient", without)
    with pytest.raises(ApiError, match="pip install PySocks"):
        _module.connect(Module(kubeconfig=proxied("socks5://127.0.0.1:1")))


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("impersonate_user", "me\r\nImpersonate-Group: system:masters"),
        ("impersonate_user", "\u20ac"),
        ("impersonate_groups", ["a\nb"]),
        ("username", "\u20ac"),
        ("password", "a\nb"),
        ("proxy_headers", {"user_agent": "a\nb"}),
        ("proxy_headers", {"basic_auth": "\u20ac"}),
    ],
)
def test_what_no_header_may_hold_is_refused_by_name(option, text):
    params = {"host": "https://127.0.0.1:1", "username": "me", "password": "hush", option: text}
    with pytest.raises(ApiError, match=option) as caught:
        _module.connect(Module(**params))
    assert "\n" not in str(caught.value)


def test_the_file_of_a_token_is_named(tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig("https://127.0.0.1:1", tokenFile="no-such-token")))
    with pytest.raises(ApiError, match=f"tokenFile that does not exist: {tmp_path}/no-such-token"):
        _module.connect(Module(kubeconfig=str(path)))
    (tmp_path / "no-such-token").write_text("t")
    _module.connect(Module(kubeconfig=str(path)))


@pytest.mark.parametrize("content", [5000 * "[", "a: 2026-13-45", "a: !!int ''", "a: \x07"])
def test_a_kubeconfig_of_odd_yaml_is_no_traceback(content, tmp_path):
    (tmp_path / "kubeconfig").write_text(content)
    with pytest.raises(ApiError, match="K8S_AUTH_KUBECONFIG"):
        _module.connect(Module(kubeconfig=str(tmp_path / "kubeconfig")))


def test_a_kubeconfig_that_is_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "kubeconfig")
    with pytest.raises(ApiError, match="not a regular file"):
        _module.connect(Module(kubeconfig=str(tmp_path / "kubeconfig")))


def test_a_credential_program_that_hangs_is_given_up(tmp_path, monkeypatch):
    program = tmp_path / "login"
    # The second one holds the pipes open beyond the first one's end.
    program.write_text("#!/bin/sh\nsleep 20 &\nsleep 20\n")
    program.chmod(0o755)
    monkeypatch.setenv(constants.TIMEOUT_VARIABLE, "0.3")
    user = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    start = time.monotonic()
    with pytest.raises(ApiError, match=r"login did not end within 0\.3 s"):
        _module.connect(Module(kubeconfig=kubeconfig("https://127.0.0.1:1", exec=user)))
    assert time.monotonic() - start < 5


def test_a_token_with_a_newline_inside_is_refused_without_being_quoted(api):
    with pytest.raises(ApiError) as caught:
        connected(api, api_key="one\ntwo").list(ListRequest("nodes"))
    assert "one" not in str(caught.value).split()
    connected(api, api_key="one\n").list(ListRequest("nodes"))


def test_the_time_limit_of_the_environment(api, monkeypatch):
    monkeypatch.setenv(constants.TIMEOUT_VARIABLE, "7.5")
    assert connected(api)._read_timeout == 7.5
    monkeypatch.setenv(constants.TIMEOUT_VARIABLE, "soon")
    with pytest.raises(ApiError, match="soon"):
        connected(api)


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_list_is_read_page_by_page_and_its_objects_know_their_kind(api, monkeypatch):
    monkeypatch.setattr(client, "PAGE_SIZE", 3)
    for number in range(8):
        api.add(node(f"n{number}"))
    objects = connected(api).list(ListRequest("nodes"))
    assert [one["metadata"]["name"] for one in objects] == [f"n{number}" for number in range(8)]
    assert {(one["kind"], one["apiVersion"]) for one in objects} == {("Node", "v1")}
    assert len(api.requests) == 3


def test_a_page_that_came_too_late_begins_the_list_again(api, monkeypatch):
    monkeypatch.setattr(client, "PAGE_SIZE", 3)
    for number in range(5):
        api.add(node(f"n{number}"))
    real = api._list
    calls = []

    def once_expired(plural, namespace, query, headers):
        calls.append(query)
        if len(calls) == 2:
            api.page_tokens.clear()
        return real(plural, namespace, query, headers)

    api._list = once_expired
    assert len(connected(api).list(ListRequest("nodes"))) == 5
    assert ["continue" in query for query in calls] == [False, True, False, True]


def test_many_kinds_at_once_where_some_cannot_be_read(api):
    api.add(node("cp-1"))
    api.forbidden.add(("list", "secrets"))
    api.absent.add("ipaddresspools")
    outcomes = connected(api).list_all([ListRequest("nodes"), ListRequest("secrets"), POOLS])
    assert [one["metadata"]["name"] for one in outcomes["nodes"].objects] == ["cp-1"]
    assert outcomes["nodes"].error is None
    assert int(outcomes["nodes"].resource_version) > 0
    forbidden = outcomes["secrets"].error
    assert (forbidden.status, forbidden.kind_of_failure, forbidden.verb) == (403, "forbidden", "list")
    assert 'apiGroups: [""], resources: ["secrets"], verbs: ["list"]' in forbidden.advice
    absent = outcomes["ipaddresspools"].error
    assert (absent.status, absent.kind_of_failure) == (404, "absent")
    assert absent.kind_missing
    assert "CRD" in absent.advice


def test_names_of_secrets_without_their_content(api):
    secret = {"kind": "Secret", "metadata": {"name": "s", "namespace": "x"}, "data": {"key": "c2VjcmV0"}}
    secret["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "c2VjcmV0", "a": "b"}
    api.add(secret)
    (found,) = connected(api).list(ListRequest("secrets", metadata_only=True))
    assert "c2VjcmV0" not in str(found)
    assert found["metadata"]["annotations"] == {"a": "b"}


def test_an_object_that_is_not_there_is_not_a_kind_that_is_not_there(api):
    with pytest.raises(ApiError) as caught:
        connected(api).get("/api/v1/nodes/cp-9")
    assert caught.value.status == 404
    assert not caught.value.kind_missing


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [429, 503])
def test_an_overloaded_server_is_asked_again_when_it_says(api, code):
    api.fault("GET", "/api/v1/nodes", code, times=2, Retry_After="3")
    kube = connected(api)
    assert kube.list(ListRequest("nodes")) == []
    assert kube.naps == [3.0, 3.0]


@pytest.mark.parametrize("said", ["nan", "inf", "-inf", "-5", "1e400", "soon", "99999999999"])
def test_a_pause_is_never_odd(api, said):
    api.fault("GET", "/api/v1/nodes", 429, times=2, Retry_After=said)
    kube = connected(api)
    assert kube.list(ListRequest("nodes")) == []
    assert all(0 < nap <= 10 for nap in kube.naps)


def test_a_server_that_stays_overloaded_is_given_up(api):
    api.fault("GET", "/api/v1/nodes", 429, "Too many requests", times=99)
    kube = connected(api)
    with pytest.raises(ApiError) as caught:
        kube.list(ListRequest("nodes"))
    assert caught.value.kind_of_failure == "throttled"
    assert sum(kube.naps) < 60


@pytest.mark.parametrize(
    "code, message, kind, said",
    [
        (401, "Unauthorized", "unauthorized", "K8S_AUTH_KUBECONFIG"),
        (403, 'nodes is forbidden: User "system:anonymous" cannot list', "unauthorized", "No credentials"),
        (403, 'admission webhook "x.metallb.io" denied the request: overlaps', "other", "overlaps"),
        (409, "the object has been modified", "conflict", "run again"),
        (500, 'Internal error occurred: failed calling webhook "x.metallb.io"', "other", "controller"),
        (302, "", "other", "redirects"),
        (400, "Client sent an HTTP request to an HTTPS server.", "other", "https://"),
        (418, "", "other", "no reason given (HTTP 418)"),
    ],
)
def test_each_refusal_says_what_mends_it(api, code, message, kind, said):
    api.fault("GET", "/api/v1/nodes", code, message, times=9)
    with pytest.raises(ApiError) as caught:
        connected(api).list(ListRequest("nodes"))
    assert caught.value.kind_of_failure == kind
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_two_ways_in_which_a_webhook_fails(api):
    api.fault("GET", "/api/v1/nodes", 500, 'failed calling webhook "a": connection refused')
    api.fault("GET", "/api/v1/nodes", 403, 'admission webhook "a" denied the request: no')
    kube = connected(api)
    with pytest.raises(ApiError) as away:
        kube.list(ListRequest("nodes"))
    with pytest.raises(ApiError) as denied:
        kube.list(ListRequest("nodes"))
    assert (away.value.webhook_unavailable, away.value.webhook_denied) == (True, False)
    assert (denied.value.webhook_unavailable, denied.value.webhook_denied) == (False, True)


def test_an_unreachable_server_fails_at_once_and_is_named(capfd):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(ApiError) as caught:
        _module.connect(Module(host=f"https://127.0.0.1:{port}", api_key="t")).list(ListRequest("nodes"))
    assert time.monotonic() - start < 3
    assert caught.value.kind_of_failure == "unreachable"
    assert caught.value.status == 0
    assert f"127.0.0.1:{port} refuses the connection" in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_server_that_takes_the_call_and_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        kube = _module.connect(Module(host=url, api_key="t"), read_timeout=0.2)
        with pytest.raises(ApiError, match=r"did not answer within 0\.2 s"):
            kube.list(ListRequest("nodes"))


def test_plain_http_where_tls_was_expected(api):
    with pytest.raises(ApiError) as caught:
        _module.connect(Module(host=api.url.replace("http:", "https:"), api_key="t")).list(ListRequest("nodes"))
    assert caught.value.kind_of_failure == "tls"
    assert "does not speak TLS" in str(caught.value)


def test_a_page_of_a_proxy_is_no_answer(api):
    api.answer = lambda *_all: ["<html>"]
    with pytest.raises(ApiError, match="no Kubernetes object"):
        connected(api).list(ListRequest("nodes"))


@pytest.mark.parametrize("body", [b'{"items": [{"metadata": {"na', b'{"a":' * 100_000], ids=["cut", "deep"])
def test_an_answer_that_was_cut_is_not_blamed_on_a_proxy(body, monkeypatch):
    with answering(body) as url, pytest.raises(ApiError, match="cut off or damaged") as caught:
        _module.connect(Module(host=url, api_key="t")).list(ListRequest("nodes"))
    assert "proxy" not in str(caught.value) and "Run again" in str(caught.value)


def test_half_a_character_in_an_answer_is_replaced():
    with answering(b'{"kind": "NodeList", "items": [{"metadata": {"name": "a\\ud83d"}}]}') as url:
        (found,) = _module.connect(Module(host=url, api_key="t")).list(ListRequest("nodes"))
    assert found["metadata"]["name"] == "a?"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 1000\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Content-Length: 1000\r\nConnection: close\r\n",
    ],
    ids=["length", "chunked", "until closed", "length, closed"],
)
def test_an_answer_that_drips_ends_in_time(head):
    """Each byte comes within the time limit for a piece, so only a limit for the whole ends it."""
    served = []

    def serve():
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            served.append(connection)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + head + b"\r\n")
            try:
                if b"chunked" in head:
                    connection.sendall(b"3e8\r\n")
                for _count in range(100):
                    connection.sendall(b" ")
                    time.sleep(0.05)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        kube = _module.connect(
            Module(host=f"http://127.0.0.1:{server.getsockname()[1]}", api_key="t"), read_timeout=0.1
        )
        start = time.monotonic()
        with pytest.raises(ApiError, match=r"did not complete it within 0\.4 s") as caught:
            kube.list(ListRequest("nodes"))
        assert 0.3 < time.monotonic() - start < 2 and caught.value.kind_of_failure == "unreachable"
        assert len(served) == 1, "asking again would take as long again"
    for connection in served:
        connection.close()


def test_connections_are_kept(api):
    kube = connected(api)
    for _count in range(3):
        kube.list(ListRequest("nodes"))
    pool = kube._pool.connection_from_url(api.url)
    assert (pool.num_connections, pool.num_requests) == (1, 3)


def test_a_version_that_is_not_served_is_told_as_that(api, monkeypatch):
    def answer(method, path, *_rest):
        if path == "/apis/metallb.io":
            return {"kind": "APIGroup", "versions": [{"groupVersion": "metallb.io/v1beta2", "version": "v1beta2"}]}
        raise Refused(404, "the server could not find the requested resource")

    api.answer = answer
    with pytest.raises(ApiError, match=r"in version v1beta2, and this collection reads v1beta1") as caught:
        connected(api).list(POOLS)
    assert caught.value.kind_of_failure == "other" and "CRDs of MetalLB installed?" not in str(caught.value)


# -- writing ----------------------------------------------------------------------------------------------------------


def test_dry_runs_are_asked_of_the_server_and_leave_nothing(api):
    kube = connected(api)
    body = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "p"}, "spec": {}}
    kube.create(POOLS.path, body, dry_run=True)
    assert api.get("ipaddresspools", "p", "metallb-system") is None
    assert api.requests[-1]["query"] == {"dryRun": "All", "fieldManager": "l2ops.metallb"}
    kube.create(POOLS.path, body)
    kube.patch(POOLS.path + "/p", {"spec": {"a": 1}}, dry_run=True)
    assert api.get("ipaddresspools", "p", "metallb-system")["spec"] == {}
    kube.delete(POOLS.path + "/p", dry_run=True)
    assert api.get("ipaddresspools", "p", "metallb-system") is not None
    kube.delete(POOLS.path + "/p")
    assert api.get("ipaddresspools", "p", "metallb-system") is None


def test_a_deletion_with_a_precondition_spares_another_object_of_the_name(api):
    api.add(node("n"))
    with pytest.raises(ApiError) as caught:
        connected(api).delete("/api/v1/nodes/n", preconditions={"uid": "of another"})
    assert caught.value.kind_of_failure == "conflict"
    assert api.get("nodes", "n") is not None


def test_work_side_by_side_keeps_its_order(api):
    kube = connected(api)
    gate = threading.Barrier(4, timeout=5)

    def work(number):
        gate.wait()
        return number * 10

    assert kube.concurrently(work, range(4)) == [0, 10, 20, 30]
    assert kube.concurrently(work, []) == []


# -- watching ---------------------------------------------------------------------------------------------------------


def test_a_watch_tells_changes_and_ends_in_time(api):
    api.add(node("n", tier="a"))
    kube = connected(api)
    version = kube.list_all([ListRequest("nodes")])["nodes"].resource_version
    events = kube.watch("/api/v1/nodes", version, 20, label_selector="tier")
    api.write("nodes", "n", lambda obj: obj["metadata"]["labels"].pop("tier"))
    assert next(events)["type"] == "DELETED"
    api.write("nodes", "n", lambda obj: obj["metadata"].update(labels={"tier": "b"}))
    assert next(events)["type"] == "ADDED"
    events.close()
    start = time.monotonic()
    assert list(kube.watch("/api/v1/nodes", str(api.version), 0.3)) == []
    assert time.monotonic() - start < 3


def test_a_watch_over_a_lost_connection_misses_nothing(api):
    kube = connected(api)
    version = str(api.version)
    api.add(node("a"))
    events = kube.watch("/api/v1/nodes", version, 20)
    assert next(events)["object"]["metadata"]["name"] == "a"
    # The server ends the stream, as it does after its own time limit or when it restarts.
    api.end_watches()
    api.add(node("b"))
    assert next(events)["object"]["metadata"]["name"] == "b"
    events.close()
    assert len([one for one in api.requests if one["query"].get("watch")]) == 2


def test_a_watch_from_too_long_ago_says_410(api):
    api.compacted = 5000
    with pytest.raises(ApiError) as caught:
        list(connected(api).watch("/api/v1/nodes", "1", 5))
    assert caught.value.status == 410
    assert caught.value.verb == "watch"
