#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_probe
short_description: Ask many services at once whether they answer
version_added: 1.0.0
author:
  - l2ops.metallb contributors (@l2ops)
description:
  - Connects to any number of addresses and ports side by side, by TCP, TLS, HTTP, HTTPS or UDP, and returns for each
    whether it
    answers, how fast, and if not exactly why (refused, time-out, reset, unreachable, TLS, HTTP status, body).
  - Hundreds of services take one task and about as long as the slowest of them. Only the Python standard library is
    needed on the host
    where it runs; no C(curl), no rights beyond those of any user.
  - It changes nothing, so it runs in check mode as well.
options:
  targets:
    description:
      - The services to ask. Each option that a target doesn't have is taken from the option of the same name at the
        top.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - A name to find it again in the result.
        type: str
        default: ''
      address:
        description:
          - An IPv4 or IPv6 address, or a host name.
        type: str
        required: true
      port:
        description:
          - The port. V(80) for V(http), V(443) for V(https) and V(tls) when left out.
        type: int
      protocol:
        description:
          - See O(protocol).
        type: str
        choices: [tcp, udp, tls, http, https]
      timeout:
        description:
          - See O(timeout).
        type: float
      retries:
        description:
          - See O(retries).
        type: int
      path:
        description:
          - See O(path).
        type: str
      method:
        description:
          - See O(method).
        type: str
      host:
        description:
          - See O(host).
        type: str
      headers:
        description:
          - See O(headers).
        type: dict
      status:
        description:
          - See O(status).
        type: raw
      body_regex:
        description:
          - See O(body_regex).
        type: str
      payload:
        description:
          - See O(payload).
        type: str
      payload_encoding:
        description:
          - See O(payload_encoding).
        type: str
        choices: [text, hex, base64]
      verify:
        description:
          - See O(verify).
        type: bool
      server_name:
        description:
          - See O(server_name).
        type: str
      ca_path:
        description:
          - See O(ca_path).
        type: path
  protocol:
    description:
      - V(tcp) connects. V(tls) also does a TLS handshake. V(http) and V(https) also send a request and look at the
        answer. V(udp) sends a
        datagram and waits for one.
    type: str
    choices: [tcp, udp, tls, http, https]
    default: tcp
  timeout:
    description:
      - Seconds for one attempt in all, from the connection to the end of the answer.
    type: float
    default: 3
  retries:
    description:
      - Further attempts after a failure.
    type: int
    default: 1
  retry_delay:
    description:
      - Seconds before a further attempt.
    type: float
    default: 0.2
  path:
    description:
      - The path to ask for (V(http), V(https)).
    type: str
    default: /
  method:
    description:
      - The HTTP method.
    type: str
    default: GET
  host:
    description:
      - The C(Host) header, and the name for TLS unless O(server_name) says another. An Ingress decides by it which
        service answers.
      - The address itself when left out.
    type: str
  headers:
    description:
      - Further HTTP headers. Values of headers that hold credentials (Authorization, Cookie, X-Api-Key and the like) are masked in results.
    type: dict
    default: {}
  status:
    description:
      - HTTP status codes that are right. A number, a range such as V(200-399), or a list of them.
      - V(100-499) when left out. Any answer but a server error shows that the service is reached; an Ingress without a
        route for the host
        answers 404.
    type: raw
  body_regex:
    description:
      - A regular expression (Python, of text or of the first 1 MiB of the body) that must match somewhere in the HTTP
        body or the
        UDP answer.
    type: str
  payload:
    description:
      - What to send by UDP. Empty when left out, which few services answer.
    type: str
  payload_encoding:
    description:
      - How O(payload) is written.
    type: str
    choices: [text, hex, base64]
    default: text
  verify:
    description:
      - Whether a TLS certificate must be trusted and be for the name. With V(false) any will do, as with C(curl -k);
        its names and
        dates are returned all the same.
    type: bool
    default: true
  server_name:
    description:
      - The name to ask for in the TLS handshake (SNI) and to check the certificate with.
    type: str
  ca_path:
    description:
      - A file on the probing host with the certificates to trust, instead of the system's.
    type: path
  source:
    description:
      - The address to connect from. It must be the probing host's own.
    type: str
  interface:
    description:
      - The interface to connect through (Linux).
    type: str
  concurrency:
    description:
      - How many services to ask at a time.
    type: int
    default: 64
  duration:
    description:
      - Keep asking for so many seconds, every O(interval), and return when each service was out of reach and for how
        long
        (RV(targets[].outages)); for measuring a failover. V(0) asks once.
      - There are no retries then, and O(concurrency) must be at least the number of O(targets).
    type: float
    default: 0
  interval:
    description:
      - Milliseconds from one attempt to the next with O(duration).
    type: int
    default: 100
  fail_on:
    description:
      - V(error) fails when a service does not answer as it should; all data is returned nevertheless.
      - V(never) leaves the judgement to the caller.
    type: str
    choices: [error, never]
    default: never
extends_documentation_fragment:
  - l2ops.metallb.attributes
  - l2ops.metallb.attributes.info
notes:
  - Run it on a host of the LAN that is no node of the cluster (group C(metallb_probes)). A node reaches a LoadBalancer
    address by kube-proxy
    without any announcement, so an answer there proves nothing.
seealso:
  - module: l2ops.metallb.l2_probe
"""

EXAMPLES = r"""
- name: Do the services answer?
  l2ops.metallb.service_probe:
    targets:
      - name: traefik/traefik
        address: 192.168.7.203
        protocol: https
        host: app.example.com
        status: 200-399
        verify: false
      - name: default/my-nginx
        address: 192.168.7.201
        protocol: http
        body_regex: Welcome to nginx
      - name: dns/coredns
        address: 192.168.7.202
        port: 53
        protocol: udp
        # a query for the root's name servers
        payload: '000101000001000000000000 00 0002 0001'
        payload_encoding: hex
  register: ports

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ ports.targets | rejectattr('ok') | map(attribute='message') }}"

- name: Fail unless every one answers, trusting a private CA
  l2ops.metallb.service_probe:
    protocol: https
    ca_path: /etc/ssl/certs/lan-ca.pem
    targets:
      - address: 192.168.7.203
        host: app.example.com
      - address: fd00:192:168:7::203
        host: app.example.com
    fail_on: error

- name: Certificates that end within 14 days
  l2ops.metallb.service_probe:
    protocol: tls
    verify: false
    targets:
      - address: 192.168.7.203
        server_name: app.example.com
  register: certificates
  failed_when: certificates.targets | selectattr('ok') | selectattr('tls.days_left', 'lt', 14) | length > 0

- name: How long is the service away during a failover?
  l2ops.metallb.service_probe:
    targets:
      - address: 192.168.7.203
        port: 80
    duration: 60
    timeout: 0.5
"""

RETURN = r"""
targets:
  description: One entry per service, in the order of O(targets).
  returned: always, unless the options are wrong
  type: list
  elements: dict
  contains:
    name:
      description: As given.
      type: str
      sample: traefik/traefik
    address:
      description: As given.
      type: str
      sample: 192.168.7.203
    port:
      description: The port that was asked.
      type: int
      sample: 443
    protocol:
      description: As given.
      type: str
      sample: https
    ok:
      description: Whether it answers as it should.
      type: bool
      sample: true
    failure:
      description:
        - Empty, or V(refused), V(timeout), V(unreachable) (no ARP answer, or no route), V(reset), V(closed) (ended
          without an answer),
          V(tls), V(status), V(body), V(protocol) (the answer is no HTTP), V(dns), V(local) (the probing host's own
          trouble).
      type: str
      sample: ''
    message:
      description: The failure in a sentence.
      type: str
      sample: "192.168.7.203:443/tcp: refused: the address is there, but nothing listens on the port (no ready endpoint,
        or kube-proxy doesn't know the Service)"
    connect_ms:
      description: Milliseconds until the connection stood; null when it never did.
      type: float
      sample: 0.61
    tls_ms:
      description: Milliseconds of the TLS handshake.
      returned: V(tls), V(https)
      type: float
      sample: 4.2
    http_ms:
      description: Milliseconds from the request to the status line.
      returned: V(http), V(https), when an answer came
      type: float
      sample: 1.9
    reply_ms:
      description: Milliseconds until a datagram came back.
      returned: V(udp), when one came
      type: float
      sample: 0.9
    reply_octets:
      description: Length of that datagram.
      returned: V(udp), when one came
      type: int
      sample: 239
    total_ms:
      description: Milliseconds of the last attempt.
      type: float
      sample: 6.9
    elapsed_ms:
      description: Milliseconds of all attempts.
      type: float
      sample: 6.9
    attempts:
      description: How many attempts were made.
      type: int
      sample: 1
    source:
      description: The address that the connection came from.
      returned: when it stood
      type: str
      sample: 192.168.7.2
    http_status:
      description: The HTTP status; null when there was none.
      type: int
      sample: 200
    http_reason:
      description: The words beside it.
      returned: V(http), V(https), when an answer came
      type: str
      sample: OK
    server:
      description: The C(Server) header.
      returned: when there is one
      type: str
      sample: nginx/1.29.0
    location:
      description: The C(Location) header. Redirections are not followed.
      returned: when there is one
      type: str
      sample: https://app.example.com/
    body_matched:
      description: Whether O(body_regex) matched the HTTP body.
      returned: O(body_regex) with V(http) or V(https)
      type: bool
      sample: true
    body_start:
      description: The first 200 octets of what came instead.
      returned: when O(body_regex) did not match
      type: str
      sample: 404 page not found
    tls:
      description: The certificate and the handshake.
      returned: V(tls), V(https)
      type: dict
      sample:
        verified: true
        server_name: app.example.com
        version: TLSv1.3
        subject: CN=app.example.com
        issuer: CN=LAN CA
        names: [app.example.com]
        name_matches: true
        not_before: '2026-01-01T00:00:00+00:00'
        not_after: '2027-01-01T00:00:00+00:00'
        days_left: 39
    outages:
      description: When it did not answer. C(from_ms) and C(to_ms) since RV(started_at), the C(failure), and whether it
        still lasted at the end.
      returned: O(duration) above 0
      type: list
      elements: dict
      sample:
        - from_ms: 2140.0
          to_ms: 2660.3
          ms: 520.3
          failure: timeout
          at_end: false
    longest_outage_ms:
      description: The longest of them, from the last answered attempt before it to the first after it.
      returned: O(duration) above 0
      type: float
      sample: 520.3
    answered:
      description: How many of C(attempts) were answered.
      returned: O(duration) above 0
      type: int
      sample: 594
summary:
  description: How many services were asked, answer, and don't, the latter by failure.
  returned: always, unless the options are wrong
  type: dict
  sample:
    asked: 3
    ok: 2
    failed: 1
    failures:
      refused: 1
started_at:
  description: When it began, in seconds since 1970, UTC.
  returned: always, unless the options are wrong
  type: float
  sample: 1795470532.855
elapsed_ms:
  description: Milliseconds in all.
  returned: always, unless the options are wrong
  type: float
  sample: 9.4
failure_kind:
  description: V(execution) when the options are wrong; V(findings) when O(fail_on) made it fail.
  returned: on failure
  type: str
  sample: findings
"""

import base64
import binascii
import re
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import clean
from ansible_collections.l2ops.metallb.plugins.module_utils._model.secrets import hide
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import service
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import WireError

# options of a target that default to the option of the same name at the top
# Headers whose values are credentials.
SECRET_HEADER = re.compile(r"auth|cookie|token|secret|key|password", re.IGNORECASE)
INHERITED = {
    "protocol": {"type": "str", "choices": list(service.PROTOCOLS)},
    "timeout": {"type": "float"},
    "retries": {"type": "int"},
    "path": {"type": "str"},
    "method": {"type": "str"},
    "host": {"type": "str"},
    "headers": {"type": "dict"},
    "status": {"type": "raw"},
    "body_regex": {"type": "str"},
    "payload": {"type": "str"},
    "payload_encoding": {"type": "str", "choices": ["text", "hex", "base64"]},
    "verify": {"type": "bool"},
    "server_name": {"type": "str"},
    "ca_path": {"type": "path"},
}
DEFAULTS = {
    "protocol": "tcp",
    "timeout": 3,
    "retries": 1,
    "path": "/",
    "method": "GET",
    "headers": {},
    "payload_encoding": "text",
    "verify": True,
}


def bad(option, message):
    return WireError("options", f"{option}: {message}")


def build_status(raw):
    """Ranges of status codes from a number, a text, or a list of them; None for the default."""
    if raw is None or raw == "" or raw == []:
        return None
    ranges = []
    for entry in raw if isinstance(raw, list) else str(raw).split(","):
        match = re.match(r"^\s*([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?\s*$", str(entry))
        if match is None:
            raise bad("status", f"{entry!r} is no HTTP status; write 200, 200-399, or a list of such.")
        ranges.append((int(match.group(1)), int(match.group(2) or match.group(1))))
    return ranges


def build_payload(text, encoding):
    """The octets that a text in that encoding means."""
    text = text or ""
    try:
        if encoding == "hex":
            return bytes.fromhex(text)
        if encoding == "base64":
            return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise bad("payload", f"it is no {encoding}: {error}") from error
    return text.encode("utf-8")


def build_pattern(text):
    """A regular expression over octets from one over text, or None."""
    if not text:
        return None
    try:
        return re.compile(text.encode("utf-8"))
    except re.error as error:
        raise bad("body_regex", f"{text!r} is no regular expression: {error}") from error


def build_check(target, params):
    """One check from a target and the options at the top."""
    merged = {name: target[name] if target.get(name) is not None else params[name] for name in INHERITED}
    protocol = merged["protocol"]
    port = target["port"] if target["port"] is not None else service.DEFAULT_PORT.get(protocol)
    where = target["name"] or target["address"]
    if port is None:
        raise bad("targets", f"{where} has no port, and {protocol} has no usual one.")
    if not 1 <= port <= 65535:
        raise bad("targets", f"{where}: {port} is no port; it may be 1 to 65535.")
    if not 0.01 <= merged["timeout"] <= 3600:
        raise bad("timeout", f"{merged['timeout']} is out of range; it may be 0.01 to 3600 (seconds).")
    if not 0 <= merged["retries"] <= 100:
        raise bad("retries", f"{merged['retries']} is out of range; it may be 0 to 100.")
    for option in ("path", "method", "host"):
        if merged[option] and re.search(r"[\s\x00-\x1f]", merged[option]):
            raise bad(
                option,
                f"{merged[option]!r} of {where} has blanks or control characters; write a blank in a path as %20.",
            )
    for name, text in merged["headers"].items():
        if re.search(r"[\r\n]", f"{name}{text}"):
            raise bad("headers", f"{name!r} of {where} has a line break.")
    pattern = build_pattern(merged["body_regex"])
    return service.Check(
        address=target["address"],
        port=port,
        protocol=protocol,
        name=target["name"],
        timeout=merged["timeout"],
        retries=merged["retries"],
        retry_delay=params["retry_delay"],
        source=params["source"] or "",
        interface=params["interface"] or "",
        verify=merged["verify"],
        server_name=merged["server_name"] or "",
        trust=merged["ca_path"] or "",
        method=merged["method"],
        path=merged["path"],
        host=merged["host"] or "",
        headers={str(name): str(text) for name, text in merged["headers"].items()},
        status=build_status(merged["status"]),
        body=pattern,
        payload=build_payload(merged["payload"], merged["payload_encoding"]),
        reply=pattern,
    )


def summarize(results):
    failures = {}
    for result in results:
        if not result["ok"]:
            failures[result["failure"]] = failures.get(result["failure"], 0) + 1
    wrong = sum(failures.values())
    return {"asked": len(results), "ok": len(results) - wrong, "failed": wrong, "failures": failures}


def secret_headers(params: dict) -> list[str]:
    """Values of HTTP headers that are credentials, and the tokens in them, of all targets."""
    found = []
    for given in (params, *(target for target in params["targets"] if isinstance(target, dict))):
        headers = given.get("headers")
        for name, text in headers.items() if isinstance(headers, dict) else ():
            if SECRET_HEADER.search(str(name)):
                found += [str(text), str(text).partition(" ")[2]]
    return found


def main():
    target_spec = {
        "name": {"type": "str", "default": ""},
        "address": {"type": "str", "required": True},
        "port": {"type": "int"},
    }
    target_spec.update(INHERITED)
    spec = {
        "targets": {"type": "list", "elements": "dict", "required": True, "options": target_spec},
        "retry_delay": {"type": "float", "default": 0.2},
        "source": {"type": "str"},
        "interface": {"type": "str"},
        "concurrency": {"type": "int", "default": 64},
        "duration": {"type": "float", "default": 0},
        "interval": {"type": "int", "default": 100},
        "fail_on": {"type": "str", "choices": ["error", "never"], "default": "never"},
    }
    for name, definition in INHERITED.items():
        spec[name] = dict(definition, default=DEFAULTS[name]) if name in DEFAULTS else dict(definition)
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    params = module.params
    hide(module, secret_headers(params))
    started_at = time.time()
    begun = time.monotonic()
    try:
        if not params["targets"]:
            raise bad("targets", "there is no service to ask.")
        if not 1 <= params["concurrency"] <= 1024:
            raise bad("concurrency", f"{params['concurrency']} is out of range; it may be 1 to 1024.")
        checks = [build_check(target, params) for target in params["targets"]]
        if not 0 <= params["duration"] <= 86_400:
            raise bad("duration", f"{params['duration']} is out of range; it may be 0 to 86400 (seconds).")
        if not 10 <= params["interval"] <= 60_000:
            raise bad("interval", f"{params['interval']} is out of range; it may be 10 to 60000 (milliseconds).")
        if params["duration"] and len(checks) > params["concurrency"]:
            raise bad(
                "concurrency",
                f"with duration all {len(checks)} services are asked at a time; raise concurrency to that.",
            )
        # A reason phrase, a header, a body and the names in a certificate come from whoever answers for the address.
        results = clean(service.check_all(checks, params["concurrency"], params["duration"], params["interval"] / 1000))
    except WireError as error:
        module.fail_json(msg=str(error), failure_kind="execution")
    summary = summarize(results)
    outcome = {
        "targets": results,
        "summary": summary,
        "started_at": round(started_at, 3),
        "elapsed_ms": round((time.monotonic() - begun) * 1000, 1),
    }
    if summary["failed"] and params["fail_on"] == "error":
        wrong = [
            f"{result['name']}: {result['message']}" if result["name"] else result["message"]
            for result in results
            if not result["ok"]
        ]
        more = f" (and {len(wrong) - 5} more)" if len(wrong) > 5 else ""
        module.fail_json(msg=". ".join(wrong[:5]) + more, failure_kind="findings", changed=False, **outcome)
    module.exit_json(changed=False, **outcome)


if __name__ == "__main__":
    main()
