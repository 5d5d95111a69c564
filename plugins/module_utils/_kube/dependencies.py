# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""The optional Python libraries and kubernetes.core; what is missing is None, and connect() says so to the user."""

from __future__ import annotations

import traceback
from typing import Any, cast

__all__ = [
    "AUTH_ARG_MAP",
    "AUTH_ARG_SPEC",
    "KUBERNETES_CORE_IMPORT_ERROR",
    "KUBERNETES_IMPORT_ERROR",
    "kubernetes_client",
    "kubernetes_config",
    "urllib3",
    "yaml",
]

try:
    import urllib3
    import yaml
    from kubernetes import client as kubernetes_client
    from kubernetes import config as kubernetes_config

    KUBERNETES_IMPORT_ERROR: str | None = None
except ImportError:
    # Type checkers see the libraries; whoever uses them has passed connect().
    urllib3 = yaml = kubernetes_client = kubernetes_config = cast(Any, None)
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
