#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take a label off nodes, or put it on."""

from __future__ import annotations

DOCUMENTATION = r"""
module: exclude_label
short_description: Take the exclude label off nodes, or put it on
version_added: 1.0.0
description:
  - Removes the label C(node.kubernetes.io/exclude-from-external-load-balancers) from nodes. MetalLB's speakers
    announce nothing from a node that carries it, whatever its value, also the empty one, unless they are told to ignore
    it. Kubeadm and Talos put it on control planes.
  - Reads all nodes by one call, changes those that need it side by side, and sends nothing when nothing is to do.
  - Every change applies only to the very node that was read, as it was read. What was changed meanwhile is read again. A
    node that vanished meanwhile is no error.
  - Any other label of nodes can be handled likewise.
author:
  - l2ops.metallb contributors (@l2ops)
extends_documentation_fragment:
  - l2ops.metallb.kubernetes
  - l2ops.metallb.attributes
  - l2ops.metallb.attributes.actiongroup_all
attributes:
  check_mode:
    support: full
    details:
      - O(watch_seconds) is not waited for.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(absent) removes the label, V(present) sets it.
    type: str
    choices: [absent, present]
    default: absent
  nodes:
    description:
      - Names of the nodes.
      - A node that does not exist is an error with O(state=present), and a warning with O(state=absent).
    type: list
    elements: str
  label_selector:
    description:
      - Nodes that this label selector chooses, for example V(node-role.kubernetes.io/control-plane).
    type: str
  all:
    description:
      - All nodes. With O(state=absent) this is so when neither O(nodes) nor O(label_selector) is given.
        O(state=present) demands it, since it would take every node out of layer 2.
    type: bool
  key:
    description:
      - Key of the label.
    type: str
    default: node.kubernetes.io/exclude-from-external-load-balancers
  value:
    description:
      - Value of the label, with O(state=present). Without it, a label that is there stays as it is, and a new one gets
        the empty value.
    type: str
  watch_seconds:
    description:
      - Seconds to watch after a removal whether somebody puts the label back. If so it is removed a second time. If it
        comes back again the module gives up on that node and fails, naming who did it and what fixes it for good.
      - It fails likewise where a label that Talos owns came back once and then stayed away. Talos seldom misses a removal
        (one of 80 of those that followed at once, seen with v1.12.0); it puts the label back at its next restart, or when
        its configuration is applied again.
      - Talos puts a label that its machine configuration holds back within a second. V(5) is enough to see it.
      - Nothing is watched when nothing was removed.
    type: int
    default: 0
notes:
  - "RBAC: C(nodes) with the verbs C(list), C(get), C(patch), and C(watch) for O(watch_seconds), in a ClusterRole."
seealso:
  - module: l2ops.metallb.speaker_restart
  - module: l2ops.metallb.l2_info
"""

EXAMPLES = r"""
- name: Take the exclude label off every node
  l2ops.metallb.exclude_label:
    kubeconfig: ~/.kube/config

- name: Take it off the control planes, and see for 5 seconds whether Talos puts it back
  l2ops.metallb.exclude_label:
    label_selector: node-role.kubernetes.io/control-plane
    watch_seconds: 5

- name: Keep one node out of layer 2 while it is being worked on
  l2ops.metallb.exclude_label:
    state: present
    nodes: [worker-1]
    value: maintenance
"""

RETURN = r"""
key:
  description: Key of the label.
  returned: always
  type: str
  sample: node.kubernetes.io/exclude-from-external-load-balancers
changed_nodes:
  description: Nodes that were changed, or in check mode would be, sorted by name.
  returned: always
  type: list
  elements: str
  sample: [cp-1, cp-2]
nodes_owned_by_talos:
  description:
    - Nodes in reach that carry the label and whose annotation C(talos.dev/owned-labels) holds it. Talos puts it back
      when it is removed through the API.
  returned: always
  type: list
  elements: str
  sample: [cp-1]
writers:
  description: Who wrote the label that was found, for each node in reach that carried it.
  returned: always
  type: list
  elements: dict
  sample:
    - node: cp-1
      manager: machined
      operation: Update
      time: "2026-01-31T10:00:00Z"
missing_nodes:
  description: Nodes named in O(nodes) that do not exist.
  returned: always
  type: list
  elements: str
  sample: []
vanished_nodes:
  description: Nodes that were deleted while the module was at work.
  returned: always
  type: list
  elements: str
  sample: []
failed_nodes:
  description: Nodes that could not be changed, and why.
  returned: always
  type: list
  elements: dict
  sample:
    - node: cp-2
      error: "Cannot patch nodes cp-2 at 192.168.7.2:6443: …"
returned:
  description: Nodes on which the label came back during O(watch_seconds).
  returned: always
  type: list
  elements: dict
  contains:
    node:
      description: Name of the node.
      type: str
    value:
      description: Value that the label came back with.
      type: str
    times:
      description: How often it came back. After the second time the module gives up.
      type: int
    after_seconds:
      description: Seconds between the removal and its first return.
      type: float
    manager:
      description: Who put it back, as C(metadata.managedFields) says.
      type: str
    operation:
      description: How, V(Update) or V(Apply).
      type: str
    at:
      description: When it was last put back.
      type: str
    owned_by_talos:
      description: Whether Talos names it as its own.
      type: bool
    held:
      description: Whether it stayed away after the second removal. Where Talos owns it, that lasts only until Talos looks again.
      type: bool
  sample:
    - node: cp-1
      value: ""
      times: 2
      after_seconds: 0.128
      manager: machined
      operation: Update
      at: "2026-01-31T10:00:01Z"
      owned_by_talos: true
      held: false
failure_kind:
  description: V(execution), when the module failed.
  returned: failure
  type: str
  sample: execution
"""

import threading
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.list_options import spread
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.client import Kube
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.module import argument_spec, connect, guarded
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListRequest, resource_path
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.node_labels import (
    EXCLUDE_LABEL,
    Change,
    Hold,
    NodeLabel,
    decide,
    diff_of,
    listing,
    not_lasting,
    owner_hint,
    patch_of,
    read,
    stranger_hint,
    writers_of,
    wrong_key,
    wrong_value,
)

# A node whose label others change all the time is a fight, too.
PATCH_TRIES = 5


class Task:
    """One run: what was asked for, and what became of it."""

    def __init__(self, module: AnsibleModule, kube: Kube) -> None:
        self.module = module
        self.kube = kube
        self.key: str = module.params["key"]
        self.state: str = module.params["state"]
        self.value: str | None = module.params["value"]
        self.resource_version = ""
        self.stop = threading.Event()
        self.removed_at: dict[str, float] = {}
        self.result: dict = {
            "changed": False,
            "key": self.key,
            "changed_nodes": [],
            "nodes_owned_by_talos": [],
            "writers": [],
            "missing_nodes": [],
            "vanished_nodes": [],
            "failed_nodes": [],
            "returned": [],
        }

    def look(self) -> list[NodeLabel]:
        names = self.module.params["nodes"]
        selector = self.module.params["label_selector"]
        if names is None and selector is None and self.state == "absent":
            # The API server sorts out who has the label: on a big cluster with nothing to do the answer is empty.
            request = ListRequest("nodes", label_selector=self.key, metadata_only=True)
        elif names is not None and len(names) == 1:
            request = ListRequest("nodes", field_selector=f"metadata.name={names[0]}", metadata_only=True)
        else:
            request = ListRequest("nodes", label_selector=selector, metadata_only=True)
        outcome = self.kube.list_all([request])["nodes"]
        if outcome.error is not None:
            raise outcome.error
        self.resource_version = outcome.resource_version
        found = sorted((read(node, self.key) for node in outcome.objects), key=lambda node: node.name)
        if names is not None:
            wanted = set(names)
            self.result["missing_nodes"] = sorted(wanted - {node.name for node in found})
            found = [node for node in found if node.name in wanted]
        self.result["nodes_owned_by_talos"] = [node.name for node in found if node.present and node.owned_by_talos]
        self.result["writers"] = writers_of(found)
        return found

    def check_missing(self) -> None:
        missing = self.result["missing_nodes"]
        if missing and self.state == "present":
            self.module.fail_json(
                msg=f"No such node: {listing(missing)}. See: kubectl get nodes. Nothing was changed.",
                failure_kind="execution",
                **self.result,
            )
        if missing:
            self.module.warn(f"No such node: {listing(missing)}. See: kubectl get nodes.")

    def apply(self, changes: list[Change]) -> None:
        with self.kube.many():
            outcomes = self.kube.concurrently(self.apply_one, changes)
        for change, outcome in zip(changes, outcomes):
            name = change.node.name
            if outcome == "changed":
                self.result["changed_nodes"].append(name)
            elif outcome == "vanished":
                self.result["vanished_nodes"].append(name)
            elif outcome != "settled":
                self.result["failed_nodes"].append({"node": name, "error": outcome})
        self.result["changed"] = bool(self.result["changed_nodes"])

    def apply_one(self, first: Change) -> str:
        """changed, settled (somebody else did it), vanished, or why it failed."""
        change: Change | None = first
        path = resource_path("nodes", name=first.node.name)
        last = ""
        for attempt in range(PATCH_TRIES):
            if self.stop.is_set():
                return "not tried: the same call failed for another node"
            try:
                if attempt:
                    # Read again, as somebody else was quicker. A new node of the old name is another node.
                    node = read(self.kube.get(path), self.key)
                    if node.uid != first.node.uid:
                        return "vanished"
                    change = decide(node, self.state, self.value)
                    if change is None:
                        return "settled"
                self.kube.patch(path, patch_of(change, self.key), patch_type="strategic", metadata_only=True)
            except ApiError as error:
                if error.status == 404:
                    return "vanished"
                if error.status == 409:
                    last = str(error)
                    continue
                if error.kind_of_failure in ("forbidden", "unauthorized", "unreachable", "tls"):
                    self.stop.set()
                return str(error)
            self.removed_at[first.node.name] = time.monotonic()
            return "changed"
        return f"after {PATCH_TRIES} tries, as if somebody else wrote to it all the time: {last}"

    def hold(self, seconds: int) -> None:
        """Watch whether the label comes back, and take it off once more where it does."""
        hold = Hold(self.key, {name: self.removed_at[name] for name in self.result["changed_nodes"]})
        deadline = time.monotonic() + seconds
        path = resource_path("nodes")
        try:
            while not hold.lost:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                try:
                    self.follow(hold, path, left)
                except ApiError as error:
                    if error.status != 410:
                        raise
                    # The changes took so long that the API server forgot the first of them: look where it is back.
                    outcome = self.kube.list_all([ListRequest("nodes", label_selector=self.key, metadata_only=True)])[
                        "nodes"
                    ]
                    if outcome.error is not None:
                        raise outcome.error from error
                    self.resource_version = outcome.resource_version
                    for node in outcome.objects:
                        hold.event("DELETED", node, time.monotonic())
                        self.again(hold.event("ADDED", node, time.monotonic()))
        finally:
            standing = {one.node for one in hold.still_there()}
            self.result["returned"] = [
                dict(hold.returned[name].as_result(), held=name not in standing) for name in sorted(hold.returned)
            ]

    def follow(self, hold: Hold, path: str, left: float) -> None:
        events = self.kube.watch(path, self.resource_version, left, label_selector=self.key, metadata_only=True)
        for event in events:
            node = event.get("object") or {}
            self.resource_version = (node.get("metadata") or {}).get("resourceVersion") or self.resource_version
            self.again(hold.event(str(event.get("type")), node, time.monotonic()))
            if hold.lost:
                return

    def again(self, node: NodeLabel | None) -> None:
        if node is not None:
            self.apply_one(Change(node, None))


def check_arguments(module: AnsibleModule) -> None:
    params = module.params
    why = wrong_key(params["key"])
    if why:
        module.fail_json(msg=f"key {params['key']!r} is no key of a label: {why}.", failure_kind="execution")
    why = wrong_value(params["value"]) if params["value"] is not None else None
    if why:
        module.fail_json(msg=f"value {params['value']!r} is no value of a label: {why}.", failure_kind="execution")
    if params["watch_seconds"] < 0:
        module.fail_json(msg="watch_seconds must be 0 seconds or more.", failure_kind="execution")
    if params["state"] == "present" and not (params["nodes"] or params["label_selector"] or params["all"]):
        module.fail_json(
            msg="state=present would label every node. Name nodes or label_selector, or say all: true.",
            failure_kind="execution",
        )


def finish(module: AnsibleModule, task: Task, planned: int) -> None:
    result = task.result
    failed = result["failed_nodes"]
    if failed:
        named = "; ".join(f"{one['node']}: {one['error']}" for one in failed[:5])
        more = f" (and {len(failed) - 5} more, see failed_nodes)" if len(failed) > 5 else ""
        module.fail_json(
            msg=f"The label {task.key} was changed on {len(result['changed_nodes'])} of {planned} nodes. "
            f"Not on {named}{more}",
            failure_kind="execution",
            **result,
        )
    standing = not_lasting(result["returned"])
    if standing:
        who = ", ".join(sorted({one["manager"] or "an unknown writer" for one in standing}))
        names = [one["node"] for one in standing]
        owned = [one["node"] for one in standing if one["owned_by_talos"]]
        away = [one["node"] for one in standing if one["held"]]
        for_now = f" It is away from {listing(away)} since its second removal, until Talos looks again." if away else ""
        fix = owner_hint(owned, task.key) if owned else stranger_hint(who, task.key)
        module.fail_json(
            msg=f"The label {task.key} was removed from {listing(names)} and put back by {who}, first after "
            f"{min(one['after_seconds'] for one in standing):g} s. Not tried any further.{for_now} {fix}",
            failure_kind="execution",
            **result,
        )
    if result["returned"]:
        names = [one["node"] for one in result["returned"]]
        module.warn(f"The label {task.key} came back on {listing(names)} once; its second removal held. See returned.")
    if task.state == "absent" and result["nodes_owned_by_talos"]:
        module.warn(owner_hint(result["nodes_owned_by_talos"], task.key))
    module.exit_json(**result)


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            state={"type": "str", "choices": ["absent", "present"], "default": "absent"},
            nodes={"type": "list", "elements": "str"},
            label_selector={"type": "str"},
            all={"type": "bool"},
            key={"type": "str", "default": EXCLUDE_LABEL, "no_log": False},
            value={"type": "str"},
            watch_seconds={"type": "int", "default": 0},
        ),
        mutually_exclusive=[("nodes", "label_selector")],
        supports_check_mode=True,
    )
    module.params.update(spread(module.params, module.argument_spec))
    check_arguments(module)
    with guarded(module):
        task = Task(module, connect(module))
        nodes = task.look()
    task.check_missing()
    changes = [change for change in (decide(node, task.state, task.value) for node in nodes) if change is not None]
    if module._diff:
        task.result["diff"] = [diff_of(change, task.key) for change in changes]
    if module.check_mode:
        task.result["changed_nodes"] = [change.node.name for change in changes]
        task.result["changed"] = bool(changes)
    else:
        task.apply(changes)
        seconds = module.params["watch_seconds"]
        if seconds and task.state == "absent" and task.result["changed_nodes"]:
            with guarded(module, task.result):
                task.hold(seconds)
    finish(module, task, len(changes))


if __name__ == "__main__":
    main()
