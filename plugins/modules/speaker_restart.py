#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restart MetalLB's speakers one after the other."""

from __future__ import annotations

DOCUMENTATION = r"""
module: speaker_restart
short_description: Restart MetalLB's speakers one after the other
version_added: 1.0.0
description:
  - Deletes the pods of MetalLB's speaker DaemonSet one by one, each only after the one before has come back and is
    ready. The DaemonSet itself stays as it is, so Helm and GitOps tools see no difference.
  - Begins with speakers that are not ready anyway, then goes on with those that announce the fewest services. Stops at
    the first that does not come back, and says why.
  - Up to MetalLB 0.15.3 a restart can leave ServiceL2Status objects behind that name the node which announced before, and
    leave services without any that are announced all the same. Wrong ones are deleted, and empty ones made where they are
    missing, so that the speakers write right ones, which is waited for.
  - Whether a restart is of use is for the caller to decide. Removing the exclude label, for example, needs none.
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
      - Says which speakers it would restart. Which ServiceL2Status objects a restart leaves wrong cannot be foretold.
  diff_mode:
    support: none
    details:
      - There is no state before and after to compare.
  idempotent:
    support: none
    details:
      - Every run restarts.
options:
  namespace:
    description:
      - Namespace of MetalLB.
    type: str
    default: metallb-system
  nodes:
    description:
      - Names of the nodes whose speakers are restarted. All by default.
    type: list
    elements: str
  reason:
    description:
      - Why the speakers are restarted. It is returned, so that a report can tell.
    type: str
  timeout:
    description:
      - Seconds within which all of them must have been restarted and be ready.
    type: int
    default: 300
  settle:
    description:
      - Seconds after the last restart within which every announced service must have a right ServiceL2Status.
      - V(0) leaves the ServiceL2Status objects alone.
    type: int
    default: 30
notes:
  - "RBAC: in a Role in MetalLB's namespace C(daemonsets) (C(apps)) with C(list), C(pods) with C(list) and C(delete),
    C(events) with C(list), C(servicel2statuses) (C(metallb.io)) with C(list), C(create) and C(delete); C(nodes) with C(get) in a
    ClusterRole."
  - "To compare with MetalLB's election, RBAC also in a ClusterRole: C(nodes), C(services) and
    C(endpointslices) (C(discovery.k8s.io)) with C(list), and in MetalLB's namespace C(ipaddresspools) and
    C(l2advertisements) (C(metallb.io)) with C(list). Without these the objects are compared with their own labels."
  - The address of a service moves to another node while the speaker of its own node restarts, and back.
seealso:
  - module: l2ops.metallb.exclude_label
  - module: l2ops.metallb.l2_info
"""

EXAMPLES = r"""
- name: Restart all speakers, for example after a change of the interfaces to leave out
  l2ops.metallb.speaker_restart:
    reason: metallb-excludel2 was changed

- name: Restart the speaker of one node
  l2ops.metallb.speaker_restart:
    nodes: [worker-2]
    timeout: 60
"""

RETURN = r"""
namespace:
  description: Namespace of MetalLB.
  returned: always
  type: str
  sample: metallb-system
daemonset:
  description: Name of the speakers' DaemonSet.
  returned: when there is one
  type: str
  sample: metallb-speaker
reason:
  description: What the option O(reason) said.
  returned: always
  type: str
  sample: metallb-excludel2 was changed
planned_nodes:
  description: Nodes whose speakers are to be restarted, in that order.
  returned: always
  type: list
  elements: str
  sample: [worker-1, cp-1]
restarted:
  description: Speakers that were restarted. Empty in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    node:
      description: Name of the node.
      type: str
    old_pod:
      description: Pod that was deleted.
      type: str
    new_pod:
      description: Pod that came for it. Empty if the node vanished meanwhile.
      type: str
    seconds:
      description: Seconds until it was ready.
      type: float
  sample:
    - node: worker-1
      old_pod: metallb-speaker-8x2lq
      new_pod: metallb-speaker-qm5wd
      seconds: 4.2
deleted_statuses:
  description: ServiceL2Status objects that were wrong and therefore deleted.
  returned: always
  type: list
  elements: dict
  sample:
    - name: l2-dn7g8
      service: traefik/traefik
      node: worker-2
      should_be: worker-3
      reason: the election gives worker-3
created_statuses:
  description: Services for which an empty ServiceL2Status was made, because their speaker had left none. It fills it in.
  returned: always
  type: list
  elements: dict
  sample:
    - service: traefik/traefik
      node: worker-3
wrong_statuses:
  description: ServiceL2Status objects that are still wrong after O(settle) seconds.
  returned: always
  type: list
  elements: dict
  sample: []
missing_statuses:
  description: Services, as C(namespace/name), that ought to be announced and still have no ServiceL2Status.
  returned: always
  type: list
  elements: str
  sample: []
failure_kind:
  description: V(execution), when the module failed.
  returned: failure
  type: str
  sample: execution
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.list_options import spread
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.client import Kube
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.module import argument_spec, connect, guarded
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListRequest, resource_path
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.speakers import (
    NODE_LABEL,
    SERVICE_NAME_LABEL,
    SERVICE_NAMESPACE_LABEL,
    L2Status,
    SpeakerPod,
    Wrong,
    announced_by,
    is_speaker,
    missing_statuses,
    order,
    pods_of,
    read_status,
    replacement,
    selector_of,
    why_no_pod,
    why_not_ready,
    wrong_statuses,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import predictions
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.gather import ELECTION, gather

POLL = 0.5
# A speaker is back within a few seconds, or it is worth asking whether its node is still there.
NODE_CHECK = 10.0
# A new announcer needs a moment to write; a status that is wrong for longer does not fix itself.
PATIENCE = 2.0
# Speakers join each other after they are ready, and the election may still move.
QUIET = 3.0
ROUNDS = 3


class Restart:
    """One run."""

    def __init__(self, module: AnsibleModule, kube: Kube) -> None:
        self.module = module
        self.kube = kube
        self.namespace: str = module.params["namespace"]
        self.daemonset: dict = {}
        self.result: dict = {
            "changed": False,
            "namespace": self.namespace,
            "reason": module.params["reason"] or "",
            "planned_nodes": [],
            "restarted": [],
            "deleted_statuses": [],
            "created_statuses": [],
            "wrong_statuses": [],
            "missing_statuses": [],
        }

    # -- looking ------------------------------------------------------------------------------------------------------

    def find(self) -> None:
        request = ListRequest("daemonsets", "apps", "v1", namespace=self.namespace)
        found = [one for one in self.kube.list(request) if is_speaker(one)]
        if not found:
            self.fail(
                f"There is no speaker DaemonSet in namespace {self.namespace}. Where is MetalLB? See: kubectl get "
                "daemonsets --all-namespaces | grep speaker. Then set namespace."
            )
        self.daemonset = found[0]
        self.result["daemonset"] = self.daemonset["metadata"]["name"]

    def raw_pods(self, node: str | None = None) -> list[dict]:
        return self.kube.list(
            ListRequest(
                "pods",
                namespace=self.namespace,
                label_selector=selector_of(self.daemonset) or None,
                field_selector=f"spec.nodeName={node}" if node else None,
            )
        )

    def pods(self, node: str | None = None) -> list[SpeakerPod]:
        return pods_of(self.daemonset, self.raw_pods(node))

    def statuses(self) -> list[L2Status] | None:
        """None where this MetalLB writes none."""
        request = ListRequest("servicel2statuses", "metallb.io", "v1beta1", namespace=self.namespace)
        try:
            return [read_status(obj) for obj in self.kube.list(request)]
        except ApiError as error:
            if error.kind_missing:
                return None
            raise

    def plan(self) -> list[SpeakerPod]:
        pods = self.pods()
        wanted = self.module.params["nodes"]
        if wanted is not None:
            without = sorted(set(wanted) - {pod.node for pod in pods})
            if without:
                self.fail(
                    f"No speaker runs on {', '.join(without)}. Speakers run on "
                    f"{', '.join(sorted({pod.node for pod in pods})) or 'no node'}. Nothing was restarted."
                )
        chosen = order(pods, wanted, announced_by(self.statuses() or []))
        self.result["planned_nodes"] = [pod.node for pod in chosen]
        return chosen

    # -- restarting ---------------------------------------------------------------------------------------------------

    def restart(self, pods: list[SpeakerPod]) -> None:
        deadline = time.monotonic() + self.module.params["timeout"]
        for pod in pods:
            start = time.monotonic()
            path = resource_path("pods", namespace=self.namespace, name=pod.name)
            try:
                self.kube.delete(path, preconditions={"uid": pod.uid})
            except ApiError as error:
                # Gone already, or replaced by another: that is a restart, too.
                if error.kind_of_failure not in ("absent", "conflict"):
                    raise
            self.result["changed"] = True
            new = self.wait_for(pod, deadline)
            self.result["restarted"].append(
                {
                    "node": pod.node,
                    "old_pod": pod.name,
                    "new_pod": new.name if new else "",
                    "seconds": round(time.monotonic() - start, 1),
                }
            )

    def wait_for(self, old: SpeakerPod, deadline: float) -> SpeakerPod | None:
        """The pod that came for it; None if its node is gone."""
        look_at_node = time.monotonic() + NODE_CHECK
        while True:
            # All of them, since a pod that waits for a place has no node yet that could be asked for.
            new = replacement(old, self.pods())
            if new is not None:
                return new
            now = time.monotonic()
            if now >= look_at_node or now >= deadline:
                look_at_node = now + NODE_CHECK
                if not self.node_exists(old.node):
                    return None
            if now >= deadline:
                self.give_up(old)
            time.sleep(POLL)

    def node_exists(self, name: str) -> bool:
        try:
            self.kube.get(resource_path("nodes", name=name))
        except ApiError as error:
            # Without leave to look at nodes it is taken to be there: the message then says what was waited for.
            return error.status != 404
        return True

    def give_up(self, old: SpeakerPod) -> None:
        raw = self.raw_pods()
        here = [
            one
            for pod, one in ((pods_of(self.daemonset, [one]), one) for one in raw)
            if pod and pod[0].node == old.node
        ]
        fresh = [one for one in here if one["metadata"].get("uid") != old.uid]
        if fresh:
            why = f"{fresh[0]['metadata']['name']}: {why_not_ready(fresh[0])}"
            code = "MLB102"
        elif here:
            why = f"{old.name} does not end: is its node up?"
            code = "MLB102"
        else:
            events = self.kube.list_all([ListRequest("events", namespace=self.namespace)])["events"]
            why = why_no_pod(self.daemonset, events.objects)
            code = "MLB101" if "MLB101" in why else "MLB103"
        done = [one["node"] for one in self.result["restarted"]]
        left = self.result["planned_nodes"][len(done) + 1 :]
        self.fail(
            f"The speaker of node {old.node} is not back after {self.module.params['timeout']} s ({code}): {why}. "
            f"Restarted before it: {', '.join(done) or 'none'}. Not touched: {', '.join(left) or 'none'}. See: kubectl "
            f"-n {self.namespace} describe pods --field-selector spec.nodeName={old.node}."
        )

    # -- statuses -----------------------------------------------------------------------------------------------------

    def settle(self, seconds: int) -> None:
        """Delete what misleads, until every announced service has a right status, or time is up."""
        deadline = time.monotonic() + seconds
        wrong_since: dict[str, float] = {}
        deleted: dict[tuple[str, str], int] = {}
        missing_since: dict[tuple[str, str], float] = {}
        created: set[tuple[str, str]] = set()
        right_since: float | None = None
        while True:
            statuses = self.statuses()
            if statuses is None:
                return
            expected = self.expected()
            wrong = wrong_statuses(statuses, expected, {pod.uid for pod in self.pods()})
            missing = missing_statuses(statuses, expected)
            now = time.monotonic()
            if wrong or missing:
                right_since = None
            elif right_since is None:
                right_since = now
            elif now - right_since >= min(QUIET, seconds):
                return
            wrong_since = {one.status.uid: wrong_since.get(one.status.uid, now) for one in wrong}
            for one in wrong:
                rounds = deleted.get(one.status.service, 0)
                if now - wrong_since[one.status.uid] >= PATIENCE and rounds < ROUNDS:
                    deleted[one.status.service] = rounds + 1
                    self.drop(one)
            missing_since = {service: missing_since.get(service, now) for service in missing}
            for service in missing:
                if now - missing_since[service] >= PATIENCE and service not in created:
                    created.add(service)
                    self.seed(service, str(expected[service]))
            if now >= deadline:
                self.result["wrong_statuses"] = [one.as_result() for one in wrong]
                self.result["missing_statuses"] = ["/".join(service) for service in missing]
                return
            time.sleep(POLL)

    def expected(self) -> dict:
        """By the election; empty where it cannot be held, and then the objects are judged by themselves."""
        snapshot = gather(self.kube, ListRequest, self.namespace, election_only=True)
        return predictions(snapshot) if snapshot.has(*ELECTION) else {}

    def drop(self, one: Wrong) -> None:
        path = resource_path("servicel2statuses", "metallb.io", "v1beta1", self.namespace, one.status.name)
        try:
            self.kube.delete(path, preconditions={"uid": one.status.uid})
        except ApiError as error:
            if error.kind_of_failure not in ("absent", "conflict"):
                raise
            return
        self.result["deleted_statuses"].append(one.as_result())

    def seed(self, service: tuple[str, str], node: str) -> None:
        """An empty status for a service whose speaker wrote none: it hears of it, and fills it in.

        Up to 0.15.3 the old announcer's object may vanish with its pod after the new one has looked, and nothing makes it look
        again.
        """
        labels = {NODE_LABEL: node, SERVICE_NAMESPACE_LABEL: service[0], SERVICE_NAME_LABEL: service[1]}
        status = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "ServiceL2Status",
            "metadata": {"generateName": "l2-", "namespace": self.namespace, "labels": labels},
        }
        path = resource_path("servicel2statuses", "metallb.io", "v1beta1", self.namespace)
        try:
            self.kube.create(path, status)
        except ApiError as error:
            # Without leave to make one it stays missing, which is said at the end.
            if error.kind_of_failure not in ("forbidden", "conflict"):
                raise
            return
        self.result["created_statuses"].append({"service": "/".join(service), "node": node})

    def fail(self, msg: str) -> None:
        self.module.fail_json(msg=msg, failure_kind="execution", **self.result)


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            namespace={"type": "str", "default": "metallb-system"},
            nodes={"type": "list", "elements": "str"},
            reason={"type": "str"},
            timeout={"type": "int", "default": 300},
            settle={"type": "int", "default": 30},
        ),
        supports_check_mode=True,
    )
    module.params.update(spread(module.params, module.argument_spec))
    for option in ("timeout", "settle"):
        if module.params[option] < (1 if option == "timeout" else 0):
            module.fail_json(msg=f"{option} must be a positive number of seconds.", failure_kind="execution")
    with guarded(module):
        restart = Restart(module, connect(module))
        restart.find()
        pods = restart.plan()
    if module.check_mode:
        restart.result["changed"] = bool(pods)
        module.exit_json(**restart.result)
    with guarded(module, restart.result):
        restart.restart(pods)
        if module.params["settle"]:
            restart.settle(module.params["settle"])
    wrong = restart.result["wrong_statuses"]
    if wrong:
        named = "; ".join(f"{one['service']} says {one['node']}, {one['reason']}" for one in wrong[:5])
        restart.fail(
            f"The speakers are back, but {module.params['settle']} s later ServiceL2Status is still wrong (MLB510): "
            f"{named}. The module l2ops.metallb.l2_info says more."
        )
    if restart.result["missing_statuses"]:
        module.warn(
            f"Not announced {module.params['settle']} s after the restart: "
            f"{', '.join(restart.result['missing_statuses'])}. The module l2ops.metallb.l2_info says why."
        )
    module.exit_json(**restart.result)


if __name__ == "__main__":
    main()
