# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What a module does with the API client: its options, connecting, and failing with a message."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.auth import (
    _configuration,
    _impersonation,
    _options,
    _timeout_from_environment,
    fits_header,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.client import Kube
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.constants import CONNECT_TIMEOUT, MAX_PARALLEL, Object
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.dependencies import (
    AUTH_ARG_SPEC,
    KUBERNETES_CORE_IMPORT_ERROR,
    KUBERNETES_IMPORT_ERROR,
    kubernetes_client,
    urllib3,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError, _host_of
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.secrets import hide_credentials, secrets_in
from ansible_collections.l2ops.metallb.plugins.module_utils._model.secrets import hide


def argument_spec(**own: Any) -> Object:
    """The options of the doc fragment l2ops.metallb.kubernetes, and a module's own."""
    spec = copy.deepcopy(AUTH_ARG_SPEC)
    spec.update(own)
    return dict(spec)


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
    hide(module, secrets_in(given))
    # Its warnings would be lines on stderr between a module's result; what they tell is in ApiError.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    configuration = _configuration(given)
    hide_credentials(module, configuration)
    if not configuration.verify_ssl:
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
    configuration.retries = False
    if configuration.proxy_headers and not all(map(fits_header, configuration.proxy_headers.values())):
        raise ApiError("proxy_headers holds characters that no HTTP header may hold.", advice="Fix proxy_headers.")
    configuration.connection_pool_maxsize = MAX_PARALLEL
    try:
        api_client = kubernetes_client.ApiClient(configuration)
    except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
        raise ApiError(
            f"Cannot prepare the connection to {_host_of(configuration.host)}: {error}.",
            advice="Check ca_cert, client_cert, client_key and proxy.",
        ) from error
    except ImportError as error:
        raise ApiError(
            f"Cannot prepare the connection to {_host_of(configuration.host)}: the proxy {_host_of(configuration.proxy)} speaks "
            "SOCKS, and the Python library PySocks is missing.",
            advice="Install it where the module runs (pip install PySocks), or name an HTTP proxy (proxy, K8S_AUTH_PROXY, or "
            "proxy-url in the kubeconfig).",
        ) from error
    return Kube(
        api_client,
        headers=_impersonation(given),
        connect_timeout=connect_timeout,
        read_timeout=read_timeout or _timeout_from_environment(),
    )


@contextmanager
def guarded(module: Any, result: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Turns an ApiError inside into the module's failure, with what stands in `result` by then as data.

    Every module that reaches a cluster does its work in here, with or without a connection: secrets in its options are masked first.
    """
    hide(module, secrets_in(_options(module.params)))
    try:
        yield
    except ApiError as error:
        data = dict(result or {})
        data.update(failure_kind="execution", api_error=error.as_result())
        module.fail_json(msg=str(error), **data)
