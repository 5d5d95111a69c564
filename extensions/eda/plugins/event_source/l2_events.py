# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watch a cluster for what matters to layer 2, and tell ansible-rulebook of it in typed events.

One file on purpose: ansible-rulebook runs an event source by its path, in a Python in which no collection can be imported.
aiohttp is always there, since ansible-rulebook itself needs it; the Python package kubernetes is needed for a kubeconfig.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import random
import re
import ssl
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import aiohttp

DOCUMENTATION = r"""
module: l2_events
short_description: Changes of nodes, announcers and MetalLB's events as they happen
description:
  - Watches nodes, ServiceL2Status and MetalLB's events of one cluster, and emits an event for each change that matters to
    layer 2. On a healthy cluster it emits nothing, however often nodes send their heartbeats.
  - "What an event says stands in C(type): V(label_added), V(label_contested), V(label_removed), V(node_not_ready), V(node_ready),
    V(node_network_unavailable), V(node_network_available), V(node_added), V(node_removed), V(announcer_changed),
    V(announcer_lost), V(announcer_reported), V(announce_failed), V(allocation_failed), V(watch_interrupted), V(watch_resumed).
    docs/eda.md of the collection lists what each carries."
  - No change is missed. A lost connection is resumed from the last resourceVersion seen, bookmarks included. When the API
    server has forgotten that one (410 Gone), everything is listed again and compared with what was known.
  - "It never asks for a fight: a label that came back after two removals gives V(label_contested) instead of a third
    V(label_added), and stays so until it was away for O(contest_seconds)."
author:
  - l2ops.metallb contributors (@l2ops)
options:
  cluster:
    description:
      - Name of the inventory host that is this cluster, or of a group. Each event carries it, for rules that run a playbook.
    type: str
    default: metallb_clusters
  kubeconfig:
    description:
      - Path of a kubeconfig. Else E(K8S_AUTH_KUBECONFIG); else, in a pod, its ServiceAccount; else C(~/.kube/config).
    type: path
  context:
    description:
      - Context within the kubeconfig. Else E(K8S_AUTH_CONTEXT), then the current context.
    type: str
  host:
    description:
      - URL of the API server, to do without a kubeconfig. Else E(K8S_AUTH_HOST).
    type: str
  api_key:
    description:
      - Bearer token. Else E(K8S_AUTH_API_KEY).
    type: str
  ca_cert:
    description:
      - File with the certificate of the API server's authority. Else E(K8S_AUTH_SSL_CA_CERT).
    type: path
  client_cert:
    description:
      - File with a client certificate, together with O(host). Else E(K8S_AUTH_CERT_FILE).
    type: path
  client_key:
    description:
      - File with its key. Else E(K8S_AUTH_KEY_FILE).
    type: path
  validate_certs:
    description:
      - Whether to check the API server's certificate. Else E(K8S_AUTH_VERIFY_SSL).
    type: bool
    default: true
  namespace:
    description:
      - Namespace of MetalLB, to need no rights on ServiceL2Status elsewhere. All namespaces by default.
    type: str
  label:
    description:
      - Key of the label to watch for.
    type: str
    default: node.kubernetes.io/exclude-from-external-load-balancers
  initial:
    description:
      - Whether what is wrong when it starts (the label, a node that is not ready) is told, too. Such events have C(initial) set.
    type: bool
    default: true
  settle_seconds:
    description:
      - Seconds in which further changes of a service's announcer count as one. A failover takes the old ServiceL2Status away
        before it writes the new one.
    type: float
    default: 3
  contest_seconds:
    description:
      - A label that returns sooner than this after it was removed is contested. Seconds.
    type: float
    default: 600
  repeat_seconds:
    description:
      - The same failure of the same service or node is told again no sooner than this. Seconds.
    type: float
    default: 300
notes:
  - "RBAC: in a ClusterRole C(list) and C(watch) on C(nodes), C(events) and C(servicel2statuses) (C(metallb.io)); the last may
    stand in a Role if O(namespace) is given."
"""

EXAMPLES = r"""
- name: Keep services answering
  hosts: metallb_clusters
  sources:
    - name: Changes of the cluster
      l2ops.metallb.l2_events:
        cluster: lab
        kubeconfig: /etc/eda/kubeconfig
  rules:
    - name: Take the label off again
      condition: event.type == "label_added"
      action:
        run_playbook:
          name: l2ops.metallb.monitor
          extra_vars:
            metallb_hosts: "{{ event.cluster }}"
            metallb_monitor_fix: [exclude-label]
            metallb_monitor_nodes: "{{ event.nodes }}"
"""

Object = dict[str, Any]
Event = dict[str, Any]

logger = logging.getLogger(__name__)

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
OWNED_LABELS_ANNOTATION = "talos.dev/owned-labels"
# How often a removal is tried before whoever puts the label back is taken for its owner; as in module exclude_label.
TRIES = 2
# Labels that several nodes get together (an upgrade, a new machine configuration) make one event.
GATHER_SECONDS = 0.3

LIST_SECONDS = 30.0
PAGE = 500
# A watch is ended and resumed this often, so that a server that vanished silently is noticed.
WATCH_SECONDS = 60
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
# An interruption that lasts this long is told.
PATIENCE = 30.0
# MetalLB's CRDs may come later than this.
ABSENT_PAUSE = 15.0

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


# -- what is known of the cluster, and what a change of it means: no I/O ----------------------------------------------


@dataclass(frozen=True)
class Node:
    """What matters of a Node. value is None when the label is not there; "" is there."""

    uid: str
    value: str | None
    manager: str
    operation: str
    written: str
    owned_by_talos: bool
    ready: bool
    ready_reason: str
    network_unavailable: bool


@dataclass
class Contest:
    """How often a node's label came back."""

    returns: int = 0
    removed_at: float | None = None
    told_at: float | None = None


@dataclass(frozen=True)
class Seen:
    """An Event object as it was last seen."""

    count: int
    last: str


@dataclass
class Tracker:
    """Turns objects into events: only what differs from what was known is told, so duplicates tell nothing.

    Times are seconds of a monotonic clock, handed in.
    """

    cluster: str = "metallb_clusters"
    label: str = EXCLUDE_LABEL
    initial: bool = True
    settle_seconds: float = 3.0
    contest_seconds: float = 600.0
    repeat_seconds: float = 300.0
    nodes: dict[str, Node] = field(default_factory=dict)
    _listed: set[str] = field(default_factory=set)
    _contests: dict[str, Contest] = field(default_factory=dict)
    _added: dict[str, Event] = field(default_factory=dict)
    _added_due: float | None = None
    # by namespace and name of the ServiceL2Status: service, node
    _statuses: dict[str, tuple[str, str]] = field(default_factory=dict)
    _announcers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _unsettled: dict[str, float] = field(default_factory=dict)
    _events: dict[str, Seen] = field(default_factory=dict)
    _reported: dict[str, str] = field(default_factory=dict)
    _told: dict[tuple[str, ...], float] = field(default_factory=dict)

    def listed(self, kind: str, objects: list[Object], now: float) -> list[Event]:
        """All objects of a kind as they are: at the start, and after changes may have been missed."""
        first = kind not in self._listed
        self._listed.add(kind)
        if kind == "nodes":
            return self._nodes_listed(objects, now, first)
        if kind == "servicel2statuses":
            return self._statuses_listed(objects, now, first)
        return self._events_listed(objects, now, first)

    def changed(self, kind: str, change: str, obj: Object, now: float) -> list[Event]:
        """One event of a watch: ADDED, MODIFIED or DELETED."""
        if kind == "nodes":
            name = _name(obj)
            return self._node(name, None if change == "DELETED" else self._read_node(obj), now)
        if kind == "servicel2statuses":
            self._status(_path(obj), None if change == "DELETED" else _read_status(obj), now)
            return []
        if change == "DELETED":
            # It expired: nothing happened.
            self._events.pop(_uid(obj), None)
            return []
        return self._event(obj, now)

    def due(self, now: float) -> list[Event]:
        """What was held back until now."""
        told: list[Event] = []
        if self._added_due is not None and self._added_due <= now:
            told.append(self._label_added())
        for service in sorted(name for name, when in self._unsettled.items() if when <= now):
            del self._unsettled[service]
            told += self._settled(service)
        return told

    @property
    def next_due(self) -> float | None:
        times = list(self._unsettled.values())
        if self._added_due is not None:
            times.append(self._added_due)
        return min(times, default=None)

    def tell(self, kind: str, **what: Any) -> Event:
        return {"type": kind, "cluster": self.cluster, "at": _timestamp(), "initial": False, **what}

    # nodes

    def _nodes_listed(self, objects: list[Object], now: float, first: bool) -> list[Event]:
        told: list[Event] = []
        for name in sorted(set(self.nodes) - {_name(obj) for obj in objects}):
            told += self._node(name, None, now)
        for obj in sorted(objects, key=_name):
            told += self._node(_name(obj), self._read_node(obj), now, first=first, relisted=not first)
        return told

    def _read_node(self, obj: Object) -> Node:
        metadata = obj.get("metadata") or {}
        labels = metadata.get("labels") or {}
        manager = operation = written = ""
        for entry in metadata.get("managedFields") or []:
            fields = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:labels") or {}
            # RFC 3339 in UTC sorts as text.
            if f"f:{self.label}" in fields and str(entry.get("time") or "") >= written:
                manager, operation = str(entry.get("manager") or ""), str(entry.get("operation") or "")
                written = str(entry.get("time") or "")
        conditions = {one.get("type"): one for one in (obj.get("status") or {}).get("conditions") or []}
        ready = conditions.get("Ready") or {}
        return Node(
            uid=_uid(obj),
            value=str(labels[self.label] or "") if self.label in labels else None,
            manager=manager,
            operation=operation,
            written=written,
            owned_by_talos=self.label in _owned_labels(metadata.get("annotations") or {}),
            ready=ready.get("status") == "True",
            ready_reason=str(ready.get("message") or ready.get("reason") or ""),
            network_unavailable=(conditions.get("NetworkUnavailable") or {}).get("status") == "True",
        )

    def _node(
        self, name: str, after: Node | None, now: float, first: bool = False, relisted: bool = False
    ) -> list[Event]:
        before = self.nodes.pop(name, None)
        told: list[Event] = []
        if before is not None and (after is None or after.uid != before.uid):
            # A new node of the old name is another node.
            told.append(self.tell("node_removed", node=name))
            self._contests.pop(name, None)
            self._added.pop(name, None)
            before = None
        if after is None:
            return told
        self.nodes[name] = after
        if before is None:
            if first and not self.initial:
                return told
            if not first:
                told.append(self.tell("node_added", node=name, ready=after.ready))
            before = replace(after, value=None, ready=True if first else after.ready, network_unavailable=False)
        told += self._conditions(name, before, after, first)
        # Between two lists the label may have gone and come again: then somebody wrote it later.
        rewritten = relisted and (before.manager, before.written) != (after.manager, after.written)
        if before.value is not None and (after.value is None or rewritten):
            told += self._removed(name, before, now)
        if after.value is not None and (before.value is None or rewritten):
            told += self._returned(name, after, now, first)
        return told

    def _conditions(self, name: str, before: Node, after: Node, first: bool) -> list[Event]:
        told = []
        if before.ready != after.ready:
            kind = "node_ready" if after.ready else "node_not_ready"
            told.append(self.tell(kind, node=name, reason=after.ready_reason, initial=first))
        if before.network_unavailable != after.network_unavailable:
            kind = "node_network_unavailable" if after.network_unavailable else "node_network_available"
            told.append(self.tell(kind, node=name, initial=first))
        return told

    def _removed(self, name: str, before: Node, now: float) -> list[Event]:
        contest = self._contests.setdefault(name, Contest())
        contest.removed_at = now
        # If it was gone before anybody was told that it came, there is nothing to remove any more.
        self._added.pop(name, None)
        if not self._added:
            self._added_due = None
        return [self.tell("label_removed", node=name, label=self.label, value=before.value)]

    def _returned(self, name: str, after: Node, now: float, first: bool) -> list[Event]:
        contest = self._contests.get(name)
        away: float | None = None
        if contest is None or contest.removed_at is None or now - contest.removed_at > self.contest_seconds:
            contest = Contest()
        else:
            away = round(now - contest.removed_at, 3)
            contest = Contest(contest.returns + 1, None, contest.told_at)
        self._contests[name] = contest
        one = {
            "node": name,
            "value": after.value,
            "manager": after.manager,
            "operation": after.operation,
            "written": after.written,
            "owned_by_talos": after.owned_by_talos,
            "returns": contest.returns,
            "away_seconds": away,
        }
        if contest.returns < TRIES:
            self._added[name] = {**one, "initial": first}
            if self._added_due is None:
                self._added_due = now + GATHER_SECONDS
            return []
        if contest.told_at is not None and now - contest.told_at < self.repeat_seconds:
            return []
        contest.told_at = now
        return [self.tell("label_contested", label=self.label, **one, message=self._advice(name, after, contest))]

    def _label_added(self) -> Event:
        labels = [self._added[name] for name in sorted(self._added)]
        self._added, self._added_due = {}, None
        return self.tell(
            "label_added",
            label=self.label,
            node=labels[0]["node"],
            nodes=[one["node"] for one in labels],
            labels=labels,
            initial=all(one["initial"] for one in labels),
        )

    def _advice(self, name: str, node: Node, contest: Contest) -> str:
        who = node.manager or "an unknown writer"
        ignore = (
            ", or let MetalLB ignore it (Helm value speaker.ignoreExcludeLB: true)"
            if self.label == EXCLUDE_LABEL
            else ""
        )
        if node.owned_by_talos:
            fix = (
                "Talos owns it. Lasting: take it out of the machine configuration (machine.nodeLabels, or KubeNodeConfig from "
                'Talos 1.14 on; first set it to "", then $patch: delete, as two patches in one call; role l2ops.metallb.nodes)'
                f"{ignore}. See finding MLB202."
            )
        else:
            fix = f"Find out what {who} is and why it sets the label{ignore}."
        return (
            f"The label {self.label} was removed from {name} {contest.returns} times, and {who} put it back each time. "
            f"It is not removed any more. {fix}"
        )

    # announcers

    def _statuses_listed(self, objects: list[Object], now: float, first: bool) -> list[Event]:
        there = {_path(obj) for obj in objects}
        for path in sorted(set(self._statuses) - there):
            self._status(path, None, now)
        for obj in objects:
            self._status(_path(obj), _read_status(obj), now)
        if first:
            self._unsettled.clear()
            self._announcers = self._now_announcing()
        return []

    def _status(self, path: str, after: tuple[str, str] | None, now: float) -> None:
        before = self._statuses.pop(path, None)
        if after is not None:
            self._statuses[path] = after
        if before != after:
            for service in {one[0] for one in (before, after) if one is not None}:
                self._unsettled[service] = now + self.settle_seconds

    def _now_announcing(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, set[str]] = {}
        for service, node in self._statuses.values():
            if node:
                found.setdefault(service, set()).add(node)
        return {service: tuple(sorted(names)) for service, names in found.items()}

    def _settled(self, service: str) -> list[Event]:
        before = self._announcers.pop(service, ())
        after = self._now_announcing().get(service, ())
        if after:
            self._announcers[service] = after
        if before == after:
            return []
        kind = "announcer_changed" if after else "announcer_lost"
        return [
            self.tell(
                kind,
                service=service,
                node=after[0] if len(after) == 1 else None,
                announcers=list(after),
                before=list(before),
            )
        ]

    # MetalLB's events

    def _events_listed(self, objects: list[Object], now: float, first: bool) -> list[Event]:
        told: list[Event] = []
        gone = set(self._events) - {_uid(obj) for obj in objects}
        for uid in gone:
            del self._events[uid]
        for obj in sorted(objects, key=lambda one: _seen(one).last):
            # What happened before we looked is for a diagnosis to judge, not news.
            if first:
                self._remember(obj)
            else:
                told += self._event(obj, now)
        return told

    def _remember(self, obj: Object) -> bool:
        """Whether it is news."""
        if not _of_metallb(obj):
            return False
        uid, seen = _uid(obj), _seen(obj)
        if self._events.get(uid) == seen:
            return False
        self._events[uid] = seen
        if obj.get("reason") == "nodeAssigned":
            service, node = _service_of(obj), _quoted_node(obj)
            if self._reported.get(service) == node:
                return False
            self._reported[service] = node
        return True

    def _event(self, obj: Object, now: float) -> list[Event]:
        service, reason = _service_of(obj), str(obj.get("reason") or "")
        before = self._reported.get(service)
        if not self._remember(obj):
            return []
        node, message = _quoted_node(obj), str(obj.get("message") or "")
        if reason == "nodeAssigned":
            if before is None:
                # The first word about a service is no change.
                return []
            return [self.tell("announcer_reported", service=service, node=node, before=before)]
        kind = {"announceFailed": "announce_failed", "AllocationFailed": "allocation_failed"}.get(reason)
        if kind is None:
            return []
        key = (kind, service, node, message)
        if key in self._told and now - self._told[key] < self.repeat_seconds:
            return []
        self._told = {one: when for one, when in self._told.items() if now - when < self.repeat_seconds}
        self._told[key] = now
        return [self.tell(kind, service=service, node=node or None, message=message)]


def _timestamp() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _name(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("name") or "")


def _uid(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("uid") or "")


def _path(obj: Object) -> str:
    return f"{(obj.get('metadata') or {}).get('namespace') or ''}/{_name(obj)}"


def _owned_labels(annotations: Object) -> list[str]:
    try:
        owned = json.loads(annotations.get(OWNED_LABELS_ANNOTATION) or "[]")
    except ValueError:
        return []
    return [str(label) for label in owned] if isinstance(owned, list) else []


def _read_status(obj: Object) -> tuple[str, str]:
    """Service and node of a ServiceL2Status. Its status is written after the object itself; its labels come with it."""
    labels = (obj.get("metadata") or {}).get("labels") or {}
    status = obj.get("status") or {}
    name = status.get("serviceName") or labels.get("metallb.io/service-name") or ""
    namespace = status.get("serviceNamespace") or labels.get("metallb.io/service-namespace") or ""
    return f"{namespace}/{name}", str(status.get("node") or labels.get("metallb.io/node") or "")


def _of_metallb(obj: Object) -> bool:
    component = obj.get("reportingComponent") or (obj.get("source") or {}).get("component") or ""
    return str(component).startswith("metallb-") and (obj.get("involvedObject") or {}).get("kind") == "Service"


def _service_of(obj: Object) -> str:
    about = obj.get("involvedObject") or {}
    return f"{about.get('namespace') or ''}/{about.get('name') or ''}"


def _quoted_node(obj: Object) -> str:
    found = re.search(r'node "([^"]+)"', str(obj.get("message") or ""))
    return found[1] if found else ""


def _seen(obj: Object) -> Seen:
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime") or ""
    return Seen(int(series.get("count") or obj.get("count") or 1), str(last))


# -- the API server ---------------------------------------------------------------------------------------------------


class SourceError(Exception):
    """What is wrong with the arguments or the rights, and what fixes it. ansible-rulebook prints it and ends."""


class Gone(Exception):
    """The API server has forgotten the resourceVersion that we asked to go on from."""


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"HTTP {status}: {message}" if message else f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after


TROUBLES = (Refused, aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError)


@dataclass(frozen=True)
class Kind:
    """What to list and watch."""

    plural: str
    group: str = ""
    version: str = "v1"
    namespace: str = ""
    field_selector: str = ""

    @property
    def path(self) -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{self.namespace}/{self.plural}" if self.namespace else f"{root}/{self.plural}"

    def rule(self) -> str:
        where = f"a Role in namespace {self.namespace}" if self.namespace else "a ClusterRole"
        return f'apiGroups: ["{self.group}"], resources: ["{self.plural}"], verbs: ["list", "watch"] (in {where})'


def kinds(args: Object) -> list[Kind]:
    return [
        Kind("nodes"),
        Kind("servicel2statuses", "metallb.io", "v1beta1", str(args.get("namespace") or "")),
        # MetalLB writes its events about Services.
        Kind("events", field_selector="involvedObject.kind=Service"),
    ]


def _true(given: Any) -> bool:
    return given if isinstance(given, bool) else str(given).strip().lower() in ("1", "true", "yes", "on", "y", "t")


class Server:
    """Where the API server is, and who we are to it. Read again after 401: tokens are renewed in their files."""

    def __init__(self, args: Object) -> None:
        self._args = args
        self.url = ""
        self.ssl: ssl.SSLContext | bool = True
        self.proxy: str | None = None
        self._token_of: Any = None

    def _given(self, name: str, variable: str) -> Any:
        given = self._args.get(name)
        return given if given not in (None, "") else os.environ.get(f"K8S_AUTH_{variable}") or None

    def load(self) -> None:
        """Blocking: a kubeconfig may run a program for a token. Raises SourceError."""
        host = self._given("host", "HOST")
        kubeconfig = self._given("kubeconfig", "KUBECONFIG")
        token_file = SERVICE_ACCOUNT / "token"
        in_pod = os.environ.get("KUBERNETES_SERVICE_HOST") and token_file.exists()
        if host:
            self._direct(str(host), self._given("api_key", "API_KEY"))
        elif in_pod and not kubeconfig:
            name, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
            self.url = f"https://{f'[{name}]' if ':' in name else name}:{port}"
            self.ssl = _context(str(SERVICE_ACCOUNT / "ca.crt"), None, None, True)
            self._token_of = lambda: f"Bearer {token_file.read_text(encoding='utf-8').strip()}"
        else:
            self._from_kubeconfig(kubeconfig)

    def _checked(self) -> bool:
        given = self._args.get("validate_certs")
        return _true(os.environ.get("K8S_AUTH_VERIFY_SSL") or True if given in (None, "") else given)

    def _direct(self, host: str, token: str | None) -> None:
        self.url = host.rstrip("/")
        self.ssl = _context(
            self._given("ca_cert", "SSL_CA_CERT"),
            self._given("client_cert", "CERT_FILE"),
            self._given("client_key", "KEY_FILE"),
            self._checked(),
        )
        self._token_of = lambda: f"Bearer {token}" if token else ""

    def _from_kubeconfig(self, path: str | None) -> None:
        try:
            from kubernetes import client, config
        except ImportError as error:
            raise SourceError(
                "l2_events needs the Python package kubernetes to read a kubeconfig, in the Python that runs ansible-rulebook: "
                "pip install kubernetes. Or give host, api_key and ca_cert."
            ) from error
        configuration = client.Configuration()
        where = str(Path(str(path)).expanduser()) if path else None
        try:
            config.load_kube_config(
                config_file=where,
                context=self._given("context", "CONTEXT"),
                client_configuration=configuration,
                persist_config=False,
            )
        except Exception as error:  # whatever is wrong with the file or its plugins
            raise SourceError(
                f"l2_events: kubeconfig {where or '~/.kube/config'} cannot be used: {error}. Give kubeconfig, or host and api_key, "
                "or set K8S_AUTH_KUBECONFIG."
            ) from error
        self.url = str(configuration.host).rstrip("/")
        checked = self._checked() and bool(configuration.verify_ssl)
        self.ssl = _context(configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file, checked)
        self.proxy = configuration.proxy or None
        self._token_of = lambda: _bearer(configuration)

    async def headers(self) -> dict[str, str]:
        token = await asyncio.to_thread(self._token_of)
        named = {"Accept": "application/json", "User-Agent": "l2ops.metallb.l2_events"}
        return {**named, "Authorization": token} if token else named


def _bearer(configuration: Any) -> str:
    """The header's content; renewed where the kubeconfig says how. Its name within the client changed with version 36."""
    for one in configuration.auth_settings().values():
        if one.get("in") == "header" and str(one.get("key")).lower() == "authorization" and one.get("value"):
            return str(one["value"])
    return ""


def _context(ca: str | None, cert: str | None, key: str | None, checked: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        # Python 3.13 demands extensions that the authorities of many clusters lack.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        if not checked:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if cert:
            context.load_cert_chain(str(cert), str(key) if key else None)
    except OSError as error:
        named = ", ".join(str(one) for one in (ca, cert, key) if one)
        raise SourceError(f"l2_events: a certificate cannot be read ({named}): {error}") from error
    return context


class Watcher:
    """Follows the kinds side by side and puts what the tracker makes of them on the queue."""

    def __init__(self, queue: Any, server: Server, tracker: Tracker, wanted: list[Kind]) -> None:
        self.queue = queue
        self.server = server
        self.tracker = tracker
        self.wanted = wanted
        self.watch_seconds: float = WATCH_SECONDS
        self.patience = PATIENCE
        self._woken = asyncio.Event()
        self._silent_since: dict[str, float] = {}
        self._interrupted: set[str] = set()

    async def run(self) -> None:
        await asyncio.to_thread(self.server.load)
        tasks: list[asyncio.Task[None]] = []
        # total=None: a watch lasts as long as the server lets it.
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=10)) as session:
            tasks.append(asyncio.ensure_future(self._tick()))
            tasks += [asyncio.ensure_future(self._follow(session, kind)) for kind in self.wanted]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _put(self, events: list[Event]) -> None:
        for event in events:
            await self.queue.put(event)
        self._woken.set()

    async def _tick(self) -> None:
        """Tell what was held back, when it is due."""
        while True:
            self._woken.clear()
            due = self.tracker.next_due
            if due is None:
                await self._woken.wait()
                continue
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._woken.wait(), max(0.0, due - time.monotonic()))
            events = self.tracker.due(time.monotonic())
            for event in events:
                await self.queue.put(event)

    async def _follow(self, session: aiohttp.ClientSession, kind: Kind) -> None:
        version, pause, listed_once, wait = "", FIRST_PAUSE, False, 0.0
        while True:
            try:
                if not version:
                    objects, version = await self._list(session, kind)
                    await self._put(self.tracker.listed(kind.plural, objects, time.monotonic()))
                    if not listed_once:
                        logger.info("l2_events: watching %s at %s", kind.plural, self.server.url)
                    listed_once = True
                    await self._contact(kind)
                async for change, obj in self._watch(session, kind, version):
                    pause = FIRST_PAUSE
                    # What was told to the queue is what we go on from: never the other way round.
                    if change != "BOOKMARK":
                        await self._put(self.tracker.changed(kind.plural, change, obj, time.monotonic()))
                    version = str((obj.get("metadata") or {}).get("resourceVersion") or version)
                    await self._contact(kind)
                # The server ended the watch in order, as it does after watch_seconds: go on at once, but never spin.
                await self._contact(kind)
                await asyncio.sleep(FIRST_PAUSE)
                continue
            except Gone:
                logger.info(
                    "l2_events: %s: the API server forgot resourceVersion %s, listing again", kind.plural, version
                )
                version = ""
                await asyncio.sleep(random.uniform(0.0, FIRST_PAUSE))
                continue
            except TROUBLES as error:
                wait = await self._trouble(kind, error, pause, listed_once)
            await asyncio.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _trouble(self, kind: Kind, error: BaseException, pause: float, listed_once: bool) -> float:
        """What to do about it: raise what will not pass by itself, else how many seconds to wait."""
        status = error.status if isinstance(error, Refused) else 0
        if status == 404 and kind.group:
            logger.info("l2_events: no %s.%s yet (is MetalLB installed?)", kind.plural, kind.group)
            return ABSENT_PAUSE
        if status in (401, 403) and not listed_once:
            raise SourceError(_advice_for(kind, status, error, self.server.url)) from error
        if status == 401:
            with contextlib.suppress(SourceError):
                await asyncio.to_thread(self.server.load)
        now = time.monotonic()
        silent = now - self._silent_since.setdefault(kind.plural, now)
        logger.warning("l2_events: %s: %s, trying again", kind.plural, _words(error))
        if silent >= self.patience and kind.plural not in self._interrupted:
            self._interrupted.add(kind.plural)
            advice = _advice_for(kind, status, error, self.server.url)
            await self._put(
                [self.tracker.tell("watch_interrupted", resource=kind.plural, seconds=round(silent), message=advice)]
            )
        # Not all at the same moment when an API server comes back.
        wait = pause * random.uniform(0.5, 1.0)
        return max(wait, error.retry_after) if isinstance(error, Refused) else wait

    async def _contact(self, kind: Kind) -> None:
        since = self._silent_since.pop(kind.plural, None)
        if kind.plural in self._interrupted:
            self._interrupted.discard(kind.plural)
            seconds = round(time.monotonic() - since) if since is not None else 0
            await self._put([self.tracker.tell("watch_resumed", resource=kind.plural, seconds=seconds)])

    async def _list(self, session: aiohttp.ClientSession, kind: Kind) -> tuple[list[Object], str]:
        objects: list[Object] = []
        query = {"limit": str(PAGE)}
        if kind.field_selector:
            query["fieldSelector"] = kind.field_selector
        while True:
            timeout = aiohttp.ClientTimeout(total=LIST_SECONDS)
            async with session.get(
                self.server.url + kind.path,
                params=query,
                headers=await self.server.headers(),
                ssl=self.server.ssl,
                proxy=self.server.proxy,
                timeout=timeout,
            ) as response:
                if response.status == 410:
                    # The list changed too much between two of its pages.
                    raise Gone
                if response.status != 200:
                    raise await _refusal(response)
                answer = await response.json(content_type=None)
            objects += answer.get("items") or []
            metadata = answer.get("metadata") or {}
            if not metadata.get("continue"):
                return objects, str(metadata.get("resourceVersion") or "")
            query["continue"] = metadata["continue"]

    async def _watch(self, session: aiohttp.ClientSession, kind: Kind, version: str) -> Any:
        """Pairs (change, object) until the server ends the watch. Raises Gone."""
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, round(self.watch_seconds))),
        }
        if kind.field_selector:
            query["fieldSelector"] = kind.field_selector
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=self.watch_seconds + 10)
        async with session.get(
            self.server.url + kind.path,
            params=query,
            headers=await self.server.headers(),
            ssl=self.server.ssl,
            proxy=self.server.proxy,
            timeout=timeout,
        ) as response:
            if response.status == 410:
                raise Gone
            if response.status != 200:
                raise await _refusal(response)
            rest = b""
            # Not line by line: aiohttp limits the length of a line, and Nodes with many images are longer.
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = json.loads(line)
                    change, obj = str(event.get("type")), event.get("object") or {}
                    if change == "ERROR":
                        if int(obj.get("code") or 0) == 410:
                            raise Gone
                        raise Refused(int(obj.get("code") or 0), str(obj.get("message") or ""))
                    yield change, obj


async def _refusal(response: aiohttp.ClientResponse) -> Refused:
    text = await response.text(errors="replace")
    try:
        message = str(json.loads(text).get("message") or "")
    except (ValueError, AttributeError):
        message = " ".join(text.split())[:200]
    try:
        after = float(response.headers.get("Retry-After") or 0)
    except ValueError:
        after = 0.0
    return Refused(response.status, message, min(after, LONGEST_PAUSE))


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _advice_for(kind: Kind, status: int, error: BaseException, url: str) -> str:
    what = f"l2_events cannot list and watch {kind.plural} at {url}: {_words(error)}."
    if status == 403:
        return f"{what} It needs this rule: {kind.rule()}. See docs/eda.md."
    if status == 401:
        return (
            f"{what} The token or certificate is not accepted: check kubeconfig or api_key, and whether it has expired."
        )
    return f"{what} It is tried again at most every {LONGEST_PAUSE:g} s; nothing is missed meanwhile."


OPTIONS = {
    "cluster",
    "kubeconfig",
    "context",
    "host",
    "api_key",
    "ca_cert",
    "client_cert",
    "client_key",
    "validate_certs",
    "namespace",
    "label",
    "initial",
    "settle_seconds",
    "contest_seconds",
    "repeat_seconds",
}


def tracker_of(args: Object) -> Tracker:
    """Raises SourceError for what cannot be meant."""
    # ansible-rulebook adds this one by itself.
    unknown = sorted(set(args) - OPTIONS - {"eda_feedback_queue"})
    if unknown:
        raise SourceError(f"l2_events knows no option {', '.join(unknown)}. There are {', '.join(sorted(OPTIONS))}.")
    tracker = Tracker()
    if args.get("cluster"):
        tracker.cluster = str(args["cluster"])
    if args.get("label"):
        tracker.label = str(args["label"])
    if args.get("initial") not in (None, ""):
        tracker.initial = _true(args["initial"])
    for name in ("settle_seconds", "contest_seconds", "repeat_seconds"):
        if args.get(name) in (None, ""):
            continue
        try:
            seconds = float(args[name])
        except (TypeError, ValueError):
            seconds = -1.0
        if seconds < 0:
            raise SourceError(f"l2_events: {name} must be a number of seconds, 0 or more, not {args[name]!r}.")
        setattr(tracker, name, seconds)
    return tracker


async def main(queue: Any, args: Object) -> None:
    """What ansible-rulebook calls; returns only by an exception."""
    tracker = tracker_of(args)
    await Watcher(queue, Server(args), tracker, kinds(args)).run()


if __name__ == "__main__":
    # By hand: KUBECONFIG's cluster, one event a line.
    class Printer:
        async def put(self, event: Event) -> None:
            print(json.dumps(event), flush=True)

    try:
        asyncio.run(main(Printer(), {"kubeconfig": os.environ.get("KUBECONFIG") or ""}))
    except KeyboardInterrupt:
        pass
