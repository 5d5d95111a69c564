# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Which nodes get or lose a label, by which patch, and whether somebody puts it back. Decisions only, no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
OWNED_LABELS_ANNOTATION = "talos.dev/owned-labels"

# A removal is tried this often; then whoever puts the label back owns it, and fighting on would be noise for all.
TRIES = 2

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True)
class Writer:
    """Who set the label last, as the API server recorded it."""

    manager: str
    operation: str
    time: str


@dataclass(frozen=True)
class NodeLabel:
    """One node, as far as one label is concerned. value is None when the label is not there; "" is there."""

    name: str
    uid: str
    # of the node as a whole, as it was read
    version: str
    value: str | None
    owned_by_talos: bool
    writer: Writer | None

    @property
    def present(self) -> bool:
        return self.value is not None


@dataclass(frozen=True)
class Change:
    """What is to become of one node's label. value is None for its removal."""

    node: NodeLabel
    value: str | None


@dataclass
class Return:
    """A label that came back after its removal."""

    node: str
    value: str
    times: int
    after_seconds: float
    manager: str
    operation: str
    at: str
    owned_by_talos: bool

    def as_result(self) -> Object:
        return {
            "node": self.node,
            "value": self.value,
            "times": self.times,
            "after_seconds": self.after_seconds,
            "manager": self.manager,
            "operation": self.operation,
            "at": self.at,
            "owned_by_talos": self.owned_by_talos,
        }


def wrong_key(key: str) -> str | None:
    """Why this cannot be the key of a label, or None."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _PREFIX.fullmatch(prefix)):
        return "the part before the slash is no DNS name"
    if not _NAME.fullmatch(name):
        return "the name must have 1 to 63 letters, digits, '-', '_' or '.', and begin and end with a letter or digit"
    return None


def wrong_value(value: str) -> str | None:
    """Why this cannot be the value of a label, or None."""
    if value and not _NAME.fullmatch(value):
        return "it must have at most 63 letters, digits, '-', '_' or '.', and begin and end with a letter or digit"
    return None


def read(node: Object, key: str) -> NodeLabel:
    """A Node object, or its metadata alone."""
    metadata = node.get("metadata") or {}
    labels = metadata.get("labels") or {}
    return NodeLabel(
        name=str(metadata.get("name") or ""),
        uid=str(metadata.get("uid") or ""),
        version=str(metadata.get("resourceVersion") or ""),
        value=None if key not in labels else str(labels[key] or ""),
        owned_by_talos=key in owned_labels(metadata.get("annotations") or {}),
        writer=last_writer(metadata.get("managedFields") or [], key),
    )


def owned_labels(annotations: Object) -> list[str]:
    """The labels that Talos put on the node out of its machine configuration, and puts back."""
    try:
        owned = json.loads(annotations.get(OWNED_LABELS_ANNOTATION) or "[]")
    except ValueError:
        return []
    return [str(label) for label in owned] if isinstance(owned, list) else []


def last_writer(managed_fields: list[Object], key: str) -> Writer | None:
    found: Writer | None = None
    for entry in managed_fields:
        labels = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:labels") or {}
        if f"f:{key}" not in labels:
            continue
        writer = Writer(
            manager=str(entry.get("manager") or ""),
            operation=str(entry.get("operation") or ""),
            time=str(entry.get("time") or ""),
        )
        # RFC 3339 in UTC sorts as text.
        if found is None or writer.time >= found.time:
            found = writer
    return found


def decide(node: NodeLabel, state: str, value: str | None) -> Change | None:
    """What this node needs. Without a value, a label that is there satisfies state=present whatever it says."""
    if state == "absent":
        return Change(node, None) if node.present else None
    if node.present and value in (None, node.value):
        return None
    return Change(node, value or "")


def patch_of(change: Change, key: str) -> Object:
    """A strategic merge patch that applies only to what was seen: this very node, and nobody wrote to it since.

    Of all patches with a precondition it costs the API server least, a tenth less than a JSON patch that tests the label. It
    conflicts with a heartbeat of the kubelet too, but of those there is one in five minutes for each node.
    """
    return {"metadata": {"resourceVersion": change.node.version, "labels": {key: change.value}}}


def diff_of(change: Change, key: str) -> Object:
    """For Ansible's --diff: only the label, since nothing else changes."""

    def text(value: str | None) -> str:
        return "" if value is None else f"{key}: {json.dumps(value)}\n"

    header = f"Node {change.node.name}, metadata.labels"
    return {
        "before_header": header,
        "after_header": header,
        "before": text(change.node.value),
        "after": text(change.value),
    }


def writers_of(nodes: Iterable[NodeLabel]) -> list[Object]:
    return [
        {
            "node": node.name,
            "manager": node.writer.manager if node.writer else "",
            "operation": node.writer.operation if node.writer else "",
            "time": node.writer.time if node.writer else "",
        }
        for node in nodes
        if node.present
    ]


class Hold:
    """Follows nodes that lost the label, by the events of a watch on "nodes that have the label".

    Such a watch reports the loss as DELETED and a return as ADDED, and nothing of the nodes' heartbeats.
    """

    def __init__(self, key: str, removed_at: dict[str, float]) -> None:
        self._key = key
        self._removed_at = dict(removed_at)
        self._gone: set[str] = set()
        self._tries = dict.fromkeys(removed_at, 1)
        self.returned: dict[str, Return] = {}

    @property
    def lost(self) -> bool:
        """Every node got the label back after the last try: there is nothing left to watch."""
        return bool(self._tries) and all(
            tries >= TRIES and node not in self._gone and node in self.returned and self.returned[node].times >= TRIES
            for node, tries in self._tries.items()
        )

    def event(self, kind: str, node: Object, now: float) -> NodeLabel | None:
        """The node to take the label off again, if it came back and may be tried again."""
        label = read(node, self._key)
        if label.name not in self._tries:
            return None
        if kind == "DELETED":
            self._gone.add(label.name)
            return None
        if label.name not in self._gone:
            # an event from before our own removal
            return None
        return self.back(label, now)

    def back(self, label: NodeLabel, now: float) -> NodeLabel | None:
        self._gone.discard(label.name)
        before = self.returned.get(label.name)
        self.returned[label.name] = Return(
            node=label.name,
            value=label.value or "",
            times=before.times + 1 if before else 1,
            after_seconds=before.after_seconds if before else round(now - self._removed_at[label.name], 3),
            manager=label.writer.manager if label.writer else "",
            operation=label.writer.operation if label.writer else "",
            at=label.writer.time if label.writer else "",
            owned_by_talos=label.owned_by_talos,
        )
        if self._tries[label.name] >= TRIES:
            return None
        self._tries[label.name] += 1
        return label

    def still_there(self) -> list[Return]:
        """Where the label stands at the end. A node that is free again after the second try held."""
        return [self.returned[node] for node in sorted(self.returned) if node not in self._gone]


def not_lasting(returned: Iterable[Object]) -> list[Object]:
    """Of the results of Return, with `held`: those whose label is back, or will be.

    Talos v1.12.0 sometimes misses a removal that follows its own write at once: seen once in 80, with NodeApplyController
    left at "waiting for kubelet client config", and the label away for 47 minutes. It puts the label back at its next event:
    a restart, an applied configuration, another change of the label.
    """
    return [one for one in returned if not one["held"] or one["owned_by_talos"]]


def owner_hint(nodes: list[str], key: str) -> str:
    """What to tell about nodes whose label Talos owns."""
    return (
        f"Talos owns the label {key} on {listing(nodes)} (annotation {OWNED_LABELS_ANNOTATION}) and puts it back when "
        "it is removed through the API. Lasting: take it out of the machine configuration (machine.nodeLabels, or "
        'KubeNodeConfig from Talos 1.14 on; first set it to "", then $patch: delete, as two patches in one call)'
        f"{_or_ignore(key)}. See finding MLB202."
    )


def stranger_hint(managers: str, key: str) -> str:
    """What to tell when somebody else keeps putting the label back."""
    return f"Find out what {managers} is and why it sets the label{_or_ignore(key)}."


def _or_ignore(key: str) -> str:
    return ", or let MetalLB ignore it (Helm value speaker.ignoreExcludeLB: true)" if key == EXCLUDE_LABEL else ""


def listing(names: Iterable[str], most: int = 10) -> str:
    """Names for a sentence; thousands of them help nobody."""
    every = list(names)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
