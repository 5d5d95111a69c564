# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Connection options, environment and kubeconfig as a configuration of the kubernetes client."""

from __future__ import annotations

import logging
import math
import os
import stat
import subprocess
import types
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
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import ODD_YAML, as_dict, as_list

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
    user = given.get("impersonate_user")
    headers: Headers = []
    for header, option, names in (
        ("Impersonate-User", "impersonate_user", [user] if user else []),
        ("Impersonate-Group", "impersonate_groups", given.get("impersonate_groups") or []),
    ):
        for text in map(str, names):
            if not fits_header(text):
                raise ApiError(
                    f"{option}: {text!r} holds characters that no HTTP header may hold.",
                    advice=f"Give the plain name, without line breaks ({option}, K8S_AUTH_{option.upper()}).",
                )
            headers.append((header, text))
    return headers


def fits_header(text: str) -> bool:
    """Whether an HTTP header may hold it: nothing beyond Latin-1, which is how HTTP sends it, and no control characters."""
    return all("\x20" <= one <= "\xff" and not "\x7f" <= one < "\xa0" for one in text)


def _configuration(given: Object) -> Any:
    """Options, else kubeconfig or context, else the pod's own account, else ~/.kube/config."""

    def has(*names: str) -> bool:
        return all(given.get(name) for name in names)

    if given.get("host"):
        _check_server(str(given["host"]))
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
            try:
                configuration.proxy_headers = urllib3.util.make_headers(**found)
            except UnicodeError as error:
                raise ApiError(
                    "proxy_headers holds characters that no HTTP header may hold.", advice="Fix proxy_headers."
                ) from error
        elif option == "host":
            configuration.host = str(found).rstrip("/")
        else:
            setattr(configuration, true_name, found)

    _check_server(configuration.host)
    _check_proxy(getattr(configuration, "proxy", None))
    for name in ("username", "password"):
        text = getattr(configuration, name, None)
        if text and not fits_header(str(text)):
            raise ApiError(
                f"The {name} for the API server holds characters that no HTTP header may hold.",
                kind_of_failure="unauthorized",
                advice=f"Fix {name} (K8S_AUTH_{name.upper()}), or the kubeconfig.",
            )
    for attribute, option in (("ssl_ca_cert", "ca_cert"), ("cert_file", "client_cert"), ("key_file", "client_key")):
        path = getattr(configuration, attribute, None)
        if path and not os.path.isfile(path):
            raise ApiError(
                f"The file {path} does not exist.",
                advice=f"Fix {option} (K8S_AUTH_{attribute.upper()}), or the path in the kubeconfig.",
            )
    return configuration


def _address_fault(text: Any, schemes: tuple[str, ...]) -> str:
    """What is wrong with a URL as the address of a server; "" if nothing."""
    if not isinstance(text, str):
        return f"it is of type {type(text).__name__}, not a text"
    try:
        url = urlsplit(text)
        host, _port = url.hostname, url.port
    except ValueError as error:
        rest = text.partition("://")[2].partition("/")[0].rpartition("@")[2]
        if rest.startswith("[") != ("]" in rest) or rest.count("[") != rest.count("]"):
            return "a bracket around its IPv6 address is missing"
        if rest.count(":") > 1 and not rest.startswith("["):
            return f"an IPv6 address stands in brackets there, as in https://[{rest.rpartition(':')[0]}]:{rest.rpartition(':')[2]}"
        return "its port is not a number from 0 to 65535" if "ort " in str(error) else str(error)
    if url.scheme not in schemes:
        return f"it does not begin with {' or '.join(f'{one}://' for one in schemes[:2])}"
    if not host:
        return "it names no host"
    if any(one.isspace() or not one.isprintable() for one in text):
        return "it holds blanks, line breaks or control characters"
    return ""


def _without_password(text: Any) -> str:
    """A URL for a message: what stands before @ may be a password."""
    scheme, mark, rest = str(text).partition("://")
    return repr(scheme + mark + rest.rpartition("@")[2])


def _check_server(text: Any) -> None:
    fault = _address_fault(text, ("http", "https"))
    if fault:
        raise ApiError(
            f"The API server's address {_without_password(text)} is no URL: {fault}.",
            advice="Write it like https://192.168.7.2:6443 (host, K8S_AUTH_HOST, or server in the kubeconfig).",
        )


def _check_proxy(text: Any) -> None:
    if text is None or text == "":
        return
    fault = _address_fault(text, ("http", "https", "socks5", "socks5h", "socks4", "socks4a"))
    if fault:
        raise ApiError(
            f"The proxy {_without_password(text)} is no URL: {fault}.",
            advice="Write it like http://proxy.example.org:3128 (proxy, K8S_AUTH_PROXY, or proxy-url in the kubeconfig).",
        )


class _CredentialProgram(subprocess.Popen):  # type: ignore[type-arg]
    """A credential plugin of a kubeconfig, which the kubernetes client waits for without a limit."""

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        limit = timeout or _timeout_from_environment()
        try:
            return super().communicate(input, limit)
        except subprocess.TimeoutExpired:
            self.kill()
            # Not communicate again: a program that it started may hold the pipes open.
            for stream in (self.stdout, self.stderr):
                if stream is not None:
                    stream.close()
            self.wait()
            program = self.args[0] if isinstance(self.args, (list, tuple)) else self.args
            raise kubernetes_config.ConfigException(
                f"{program!s} did not end within {limit:g} s ({TIMEOUT_VARIABLE})"
            ) from None


def _limit_credential_programs() -> None:
    provider = getattr(kubernetes_config, "exec_provider", None)
    if provider is not None and hasattr(provider, "subprocess"):
        provider.subprocess = types.SimpleNamespace(Popen=_CredentialProgram, PIPE=subprocess.PIPE)


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
    _limit_credential_programs()
    if isinstance(kubeconfig, dict):
        name = "The kubeconfig given as a dictionary"
        _check_parts(kubeconfig, given, name, "", advice)
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
            _check_parts(
                _check_kubeconfig_file(path, advice), given, f"The kubeconfig {path}", os.path.dirname(path), advice
            )
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
    except (OSError, *ODD_YAML, yaml.YAMLError) as error:
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


def _check_parts(content: Object, given: Object, name: str, folder: str, advice: str) -> None:
    """What the client would trip over without saying where: the server's and the proxy's URL, and the token's file, of this context."""

    def entry(kind: str, called: Any) -> Object:
        found = next((one for one in map(as_dict, as_list(content.get(kind))) if one.get("name") == called), {})
        return as_dict(found.get(kind[:-1]))

    context = entry("contexts", given.get("context") or content.get("current-context"))
    cluster, user = entry("clusters", context.get("cluster")), entry("users", context.get("user"))
    if "server" in cluster and not given.get("host"):
        _check_server(cluster["server"])
    if not given.get("proxy"):
        _check_proxy(cluster.get("proxy-url"))
    path = user.get("tokenFile")
    if path and not user.get("token") and not given.get("api_key"):
        full = os.path.join(folder, str(path))
        if not os.path.isfile(full) or not os.access(full, os.R_OK):
            why = "does not exist" if not os.path.exists(full) else "cannot be read"
            raise ApiError(f"{name} names a tokenFile that {why}: {full}.", advice=advice)


def _check_kubeconfig_file(path: str, advice: str) -> Object:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise ApiError(
                f"The kubeconfig {path} is not a regular file, and it is read more than once.", advice=advice
            )
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
    except ODD_YAML as error:
        raise ApiError(f"The kubeconfig {path} is malformed: {type(error).__name__}.", advice=advice) from error
    if not isinstance(content, dict) or not content.get("clusters"):
        encrypted = isinstance(content, str) and content.startswith("$ANSIBLE_VAULT")
        why = "is encrypted with Ansible Vault and was not decrypted" if encrypted else "names no cluster"
        if encrypted:
            advice = "Name it by the task's option kubeconfig: files in K8S_AUTH_KUBECONFIG are not decrypted."
        raise ApiError(f"The kubeconfig {path} {why}.", advice=advice)
    return content
