# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Connection options, environment and kubeconfig as a configuration of the kubernetes client."""

from __future__ import annotations

import logging
import math
import os
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.l2ops.metallb.plugins.module_utils._kube.constants import (
    READ_TIMEOUT,
    TIMEOUT_VARIABLE,
    Headers,
    Object,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.dependencies import (
    AUTH_ARG_MAP,
    AUTH_ARG_SPEC,
    kubernetes_client,
    kubernetes_config,
    urllib3,
    yaml,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError

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
                advice=f"Fix {option} (K8S_AUTH_{attribute.upper()}), or the path in the kubeconfig.",
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
