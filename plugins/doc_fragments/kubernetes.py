# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach an API server: the same options, under the same names, as in kubernetes.core.

A fragment of our own, because Galaxy and Automation Hub read documentation with only this collection at hand, and lose
that of every module which extends another collection's fragment.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path to a kubeconfig file, or its content as a dictionary.
      - Several files may be given, separated by C(:) (C(;) on Windows), as for C(kubectl).
      - With a local connection, a relative path is looked for where Ansible looks for files of the play or role, and a
        file encrypted with Ansible Vault is decrypted.
      - Without it and without O(host), the environment variable E(K8S_AUTH_KUBECONFIG) is used, then the pod's own
        service account when running in a pod, then C(~/.kube/config).
    type: raw
  context:
    description:
      - Name of the context in the kubeconfig; its current context by default.
      - Environment variable E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description:
      - URL of the API server, for example V(https://192.168.7.2:6443).
      - Environment variable E(K8S_AUTH_HOST).
    type: str
  api_key:
    description:
      - Bearer token for the API server.
      - Environment variable E(K8S_AUTH_API_KEY).
    type: str
  username:
    description:
      - User name for HTTP basic authentication, which Kubernetes itself no longer offers, but proxies before it may.
      - Environment variable E(K8S_AUTH_USERNAME).
    type: str
  password:
    description:
      - Password that belongs to O(username).
      - Environment variable E(K8S_AUTH_PASSWORD).
    type: str
  client_cert:
    description:
      - Path to a client certificate.
      - Environment variable E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - Path to the key of O(client_cert).
      - Environment variable E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - Path to the certificate of the authority that signed the API server's certificate.
      - Environment variable E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether the API server's certificate is verified. It is by default, unless the kubeconfig says otherwise.
      - Environment variable E(K8S_AUTH_VERIFY_SSL).
      - AWX sets that variable to V(False) for a credential without CA data, even if its box B(Verify SSL) is ticked.
    type: bool
    aliases: [verify_ssl]
  proxy:
    description:
      - URL of an HTTP proxy between this host and the API server.
      - Environment variable E(K8S_AUTH_PROXY).
    type: str
  no_proxy:
    description:
      - Comma separated hosts, domains, addresses and networks that are reached without O(proxy).
      - Environment variable E(K8S_AUTH_NO_PROXY).
    type: str
  proxy_headers:
    description:
      - Headers for the proxy.
    type: dict
    suboptions:
      proxy_basic_auth:
        description:
          - User name and password for the proxy, separated by a colon.
          - Environment variable E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH).
        type: str
      basic_auth:
        description:
          - User name and password for a basic authentication header, separated by a colon.
          - Environment variable E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH).
        type: str
      user_agent:
        description:
          - User agent for the proxy, for example V(foo/1.0).
          - Environment variable E(K8S_AUTH_PROXY_HEADERS_USER_AGENT).
        type: str
  persist_config:
    description:
      - Whether tokens that were refreshed are written back to the kubeconfig.
      - Environment variable E(K8S_AUTH_PERSIST_CONFIG).
    type: bool
  impersonate_user:
    description:
      - User to impersonate.
      - Environment variable E(K8S_AUTH_IMPERSONATE_USER).
    type: str
  impersonate_groups:
    description:
      - Groups to impersonate.
      - Environment variable E(K8S_AUTH_IMPERSONATE_GROUPS), comma separated.
    type: list
    elements: str
requirements:
  - python >= 3.9
  - kubernetes >= 24.2.0
  - PyYAML >= 3.11
notes:
  - Connecting to the API server may take 5 seconds and each of its answers 30 seconds. The environment variable
    E(L2OPS_METALLB_API_TIMEOUT) sets another number of seconds for the answers, and for the credential plugin of a
    kubeconfig. An answer that comes in pieces may take four times as long.
  - A kubeconfig that opens a browser to log in (C(oidc-login), as Omni's for people) cannot work unattended. Use one
    with a token or a client certificate.
  - The options can be set once for a whole play by C(module_defaults) with the group C(group/l2ops.metallb.all), which
    holds the modules of M(kubernetes.core.k8s) and M(kubernetes.core.helm), too.
"""
