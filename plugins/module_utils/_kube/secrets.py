# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Secrets that came by a kubeconfig, a URL or the environment: Ansible masks only what is an option of its own marked no_log."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.l2ops.metallb.plugins.module_utils._model.secrets import SHORTEST, hide

# Fields of a kubeconfig, wherever they stand.
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
URL_FIELDS = frozenset(["server", "proxy-url"])
# Of what a credential plugin gets, which is mostly no secret.
SHORTEST_WORD = 6
PLAIN_WORD = re.compile(r"[a-z]+(-[a-z]+)*")


def _of_url(url: str) -> Iterator[str]:
    """The password in a URL, as it is written and as it is sent."""
    try:
        password = urlsplit(url).password
    except ValueError:  # no URL; whoever uses it says so
        return
    if password:
        yield password
        yield unquote(password)


def _of_basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")


def _of_kubeconfig(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, inner in node.items():
            if name in SECRET_FIELDS and isinstance(inner, str):
                yield inner
            elif name in URL_FIELDS and isinstance(inner, str):
                yield from _of_url(inner)
            elif name == "exec" and isinstance(inner, Mapping):
                yield from _of_exec(inner)
            else:
                yield from _of_kubeconfig(inner)
        if isinstance(node.get("username"), str) and isinstance(node.get("password"), str):
            yield _of_basic(node["username"], node["password"])
    elif isinstance(node, list):
        for inner in node:
            yield from _of_kubeconfig(inner)


def _of_exec(plugin: Mapping[str, Any]) -> Iterator[str]:
    """Values of variables and arguments of a credential plugin that may be secrets: verbs such as get-token are none."""
    words = [entry.get("value") for entry in plugin.get("env") or () if isinstance(entry, Mapping)]
    for argument in plugin.get("args") or ():
        if isinstance(argument, str):
            flag, _equals, value = argument.partition("=")
            words += [value] if flag.startswith("-") else [argument]
    for word in words:
        if isinstance(word, str) and len(word) >= SHORTEST_WORD and not PLAIN_WORD.fullmatch(word):
            yield word


def secrets_in(given: Mapping[str, Any]) -> set[str]:
    """All secrets in the connection options (names of the doc fragment l2ops.metallb.kubernetes)."""
    found = {str(given[option]) for option in ("api_key", "password") if isinstance(given.get(option), str)}
    for option in ("host", "proxy"):
        if isinstance(given.get(option), str):
            found.update(_of_url(given[option]))
    headers = given.get("proxy_headers")
    if isinstance(headers, Mapping):
        for name in ("basic_auth", "proxy_basic_auth"):
            if isinstance(headers.get(name), str):
                user, _colon, password = headers[name].partition(":")
                found.update((headers[name], password, _of_basic(user, password)))
    if isinstance(given.get("username"), str) and isinstance(given.get("password"), str):
        found.add(_of_basic(given["username"], given["password"]))
    found.update(_of_kubeconfig(given.get("kubeconfig")))
    return {secret for secret in found if len(secret) >= SHORTEST}


def hide_credentials(module: Any, configuration: Any) -> None:
    """What the kubernetes client found in a kubeconfig file, or got from a credential plugin; a server may send it back."""
    found = [str(word).rpartition(" ")[2] for word in (configuration.api_key or {}).values()]
    if configuration.password:
        found += [
            str(configuration.password),
            _of_basic(str(configuration.username or ""), str(configuration.password)),
        ]
    hide(module, found)
