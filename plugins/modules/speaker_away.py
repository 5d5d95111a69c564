#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep a node's speaker away for some seconds, and bring it back whatever happens."""

from __future__ import annotations

DOCUMENTATION = r"""
module: speaker_away
short_description: Keep a node's speaker away for some seconds, and bring it back whatever happens
version_added: 1.0.0
description:
  - Makes the other nodes take over what one node announces, as when its speaker dies. Taints the node so that no speaker starts
    there, deletes its speaker pod, waits for O(away_seconds) seconds, takes the taint off, and waits until the speaker is ready again.
  - For measuring a failover, with M(l2ops.metallb.l2_probe) and M(l2ops.metallb.service_probe) watching meanwhile. Playbook
    C(l2ops.metallb.failover_test) does all of it.
  - The taint has effect C(NoSchedule), so other pods of the node stay. New ones go elsewhere for as long as it lasts.
  - The taint is taken off after an error, too, and when this module is killed or Ansible is interrupted. A second process waits
    for nothing else. Only the loss of the host that runs the module, or of its right to write the node, leaves the taint. The next
    run for the node takes it off; the message says what is left and the command that does the same.
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
      - Says whose speaker it would send away, and changes nothing.
  diff_mode:
    support: none
    details:
      - In the end everything is as it was.
  idempotent:
    support: none
    details:
      - Every run sends the speaker away.
options:
  node:
    description:
      - Name of the node.
    type: str
    required: true
  namespace:
    description:
      - Namespace of MetalLB.
    type: str
    default: metallb-system
  lead:
    description:
      - Seconds to wait before anything is done, in which those who watch can see how it was.
    type: float
    default: 0
  away_seconds:
    description:
      - Seconds from the deletion of the pod to the removal of the taint.
    type: float
    default: 10
  timeout:
    description:
      - Seconds within which the old pod must be gone, and again within which the new one must be ready.
    type: int
    default: 60
notes:
  - "RBAC: in a Role in MetalLB's namespace C(daemonsets) (C(apps)) with C(list), C(pods) with C(list) and C(delete), C(events)
    with C(list); in a ClusterRole C(nodes) with C(get) and C(patch)."
seealso:
  - module: l2ops.metallb.l2_probe
  - module: l2ops.metallb.service_probe
  - module: l2ops.metallb.speaker_restart
"""

EXAMPLES = r"""
- name: Let another node take over for ten seconds
  l2ops.metallb.speaker_away:
    node: talos-worker-2
    away_seconds: 10
"""

RETURN = r"""
node:
  description: The node whose speaker was away.
  returned: always
  type: str
  sample: talos-worker-2
pod:
  description: The speaker pod that was deleted.
  returned: always
  type: str
  sample: metallb-speaker-8x2lq
new_pod:
  description: The one that came for it. Empty in check mode.
  returned: always
  type: str
  sample: metallb-speaker-qm5wd
deleted_at:
  description: When the deletion was asked for, in seconds since 1970, UTC. The others may have taken over before the API server's
    answer is here. 0 in check mode.
  returned: always
  type: float
  sample: 1795470533.411
gone_at:
  description: When the pod was gone.
  returned: always
  type: float
  sample: 1795470534.102
released_at:
  description: When the removal of the taint was asked for.
  returned: always
  type: float
  sample: 1795470543.530
ready_at:
  description: When the new speaker was ready.
  returned: always
  type: float
  sample: 1795470549.871
failure_kind:
  description: V(execution), when the module failed.
  returned: failure
  type: str
  sample: execution
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.client import Kube
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.module import argument_spec, connect, guarded
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListRequest, resource_path
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import AWAY_TAINT
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.speakers import (
    SpeakerPod,
    is_speaker,
    pods_of,
    replacement,
    selector_of,
    why_no_pod,
)

TAINT = {"key": AWAY_TAINT, "value": "true", "effect": "NoSchedule"}
POLL = 0.2
CONFLICTS = 20
# How long the second process goes on trying when the API server does not answer, and when it refuses: an expired token does
# not come back, unless somebody renews it.
STUBBORN = 120.0
REFUSED = 5.0
# How long the module waits for it before it says how things stand.
PATIENCE = 15.0


class AwayError(Exception):
    """Something other than the API server ended the run."""


def set_taint(kube: Kube, node: str, present: bool) -> None:
    """Put our taint on the node, or take it off; the others stay. Retried when somebody else writes the node meanwhile."""
    path = resource_path("nodes", name=node)
    for attempt in range(CONFLICTS + 1):
        live = kube.get(path)
        taints = (live.get("spec") or {}).get("taints") or []
        others = [one for one in taints if one.get("key") != TAINT["key"]]
        wanted = [*others, TAINT] if present else others
        if wanted == taints:
            return
        version = live["metadata"]["resourceVersion"]
        try:
            kube.patch(path, {"metadata": {"resourceVersion": version}, "spec": {"taints": wanted or None}})
            return
        except ApiError as error:
            if error.kind_of_failure != "conflict" or attempt == CONFLICTS:
                raise


class Guardian:
    """A second process that takes the taint off when this one ends without having done so."""

    def __init__(self, module: AnsibleModule, node: str) -> None:
        reading, self.writing = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            self._guard(module, node, reading)
        os.close(reading)

    def _guard(self, module: AnsibleModule, node: str, reading: int) -> None:
        """The child. It never returns, and must not hold Ansible's pipes open."""
        status = 1
        try:
            os.setsid()
            os.close(self.writing)
            nothing = os.open(os.devnull, os.O_RDWR)
            for standard in (0, 1, 2):
                os.dup2(nothing, standard)
            if os.read(reading, 1) == b"." or self._take_off(module, node):
                status = 0
        finally:
            os._exit(status)

    def _take_off(self, module: AnsibleModule, node: str) -> bool:
        began = time.monotonic()
        while True:
            try:
                set_taint(connect(module), node, present=False)
                return True
            except ApiError as error:
                if error.status == 404:
                    return True  # The node is gone, and its taints with it.
                refused = error.kind_of_failure in ("unauthorized", "forbidden")
            if time.monotonic() - began >= (REFUSED if refused else STUBBORN):
                return False
            time.sleep(min(1.0, REFUSED))

    def dismiss(self, done: bool) -> bool | None:
        """End it; unless the taint is off already, it takes it off first. Whether it is off; None while it goes on trying."""
        if done:
            os.write(self.writing, b".")
        os.close(self.writing)
        deadline = time.monotonic() + PATIENCE
        while True:
            ended, status = os.waitpid(self.child, os.WNOHANG)
            if ended:
                return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.05)


class Away:
    """One run."""

    def __init__(self, module: AnsibleModule, kube: Kube) -> None:
        self.module = module
        self.kube = kube
        self.node: str = module.params["node"]
        self.namespace: str = module.params["namespace"]
        self.daemonset: dict = {}
        self.tainted = False
        self.result: dict = {"changed": False, "node": self.node, "pod": "", "new_pod": ""}
        self.result.update(dict.fromkeys(("deleted_at", "gone_at", "released_at", "ready_at"), 0.0))

    def find(self) -> SpeakerPod:
        request = ListRequest("daemonsets", "apps", "v1", namespace=self.namespace)
        found = [one for one in self.kube.list(request) if is_speaker(one)]
        if not found:
            self.fail(f"There is no speaker DaemonSet in namespace {self.namespace}. Set namespace to MetalLB's.")
        self.daemonset = found[0]
        pods = [pod for pod in self.pods() if pod.node == self.node and not pod.terminating]
        if not pods:
            running = ", ".join(sorted({pod.node for pod in self.pods()})) or "no node"
            self.fail(f"No speaker runs on {self.node}. Speakers run on {running}. Nothing was changed.")
        self.result["pod"] = pods[0].name
        return pods[0]

    def pods(self) -> list[SpeakerPod]:
        request = ListRequest("pods", namespace=self.namespace, label_selector=selector_of(self.daemonset) or None)
        return pods_of(self.daemonset, self.kube.list(request))

    def taint(self) -> None:
        self.tainted = self.result["changed"] = True
        try:
            set_taint(self.kube, self.node, present=True)
        except ApiError as error:
            # Whether a request without answer was carried out is not known; one that was refused was not.
            self.tainted = self.result["changed"] = not 400 <= error.status < 500
            raise

    def send_away(self, pod: SpeakerPod) -> None:
        self.taint()
        deleted = time.monotonic()
        asked = round(time.time(), 3)
        self.kube.delete(resource_path("pods", namespace=self.namespace, name=pod.name), preconditions={"uid": pod.uid})
        self.result["deleted_at"] = asked
        deadline = deleted + self.module.params["timeout"]
        while any(one.uid == pod.uid for one in self.pods()):
            if time.monotonic() >= deadline:
                self.fail(f"{pod.name} does not end within {self.module.params['timeout']} s: is node {self.node} up?")
            time.sleep(POLL)
        self.result["gone_at"] = round(time.time(), 3)
        time.sleep(max(0.0, deleted + self.module.params["away_seconds"] - time.monotonic()))

    def bring_back(self, pod: SpeakerPod) -> None:
        asked = round(time.time(), 3)
        set_taint(self.kube, self.node, present=False)
        self.result["released_at"] = asked
        deadline = time.monotonic() + self.module.params["timeout"]
        while True:
            new = replacement(pod, self.pods())
            if new is not None:
                self.result["ready_at"] = round(time.time(), 3)
                self.result["new_pod"] = new.name
                return
            if time.monotonic() >= deadline:
                events = self.kube.list_all([ListRequest("events", namespace=self.namespace)])["events"]
                self.fail(
                    f"The speaker of {self.node} is not back after {self.module.params['timeout']} s: "
                    f"{why_no_pod(self.daemonset, events.objects)}. See: kubectl -n {self.namespace} describe pods "
                    f"--field-selector spec.nodeName={self.node}"
                )
            time.sleep(POLL)

    def what_is_left(self, off: bool | None) -> str:
        """How the node stands after a failure, and what to do."""
        if not self.tainted:
            return "Nothing was changed."
        if off:
            return f"The taint is off node {self.node} again, and its speaker can start."
        taint = f"{TAINT['key']}={TAINT['value']}:{TAINT['effect']}"
        return (
            f"What is left: node {self.node} still has the taint {taint}, so no speaker starts there"
            + (f"; its speaker {self.result['pod']} was deleted" if self.result["deleted_at"] else "")
            + f". Take it off: kubectl taint nodes {self.node} {TAINT['key']}:{TAINT['effect']}-"
            + (f" (a process on this host goes on trying for {STUBBORN:g} s)." if off is None else ".")
        )

    def fail(self, msg: str) -> None:
        raise AwayError(msg)


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            node={"type": "str", "required": True},
            namespace={"type": "str", "default": "metallb-system"},
            lead={"type": "float", "default": 0},
            away_seconds={"type": "float", "default": 10},
            timeout={"type": "int", "default": 60},
        ),
        supports_check_mode=True,
    )
    for option, least in (("lead", 0), ("away_seconds", 0), ("timeout", 1)):
        if module.params[option] < least:
            module.fail_json(msg=f"{option} must be at least {least} seconds.", failure_kind="execution")
    with guarded(module):
        away = Away(module, connect(module))
        try:
            pod = away.find()
        except AwayError as error:
            module.fail_json(msg=str(error), failure_kind="execution", **away.result)
    if module.check_mode:
        away.result["changed"] = True
        module.exit_json(**away.result)
    time.sleep(module.params["lead"])
    guardian = Guardian(module, away.node)
    failure: dict = {}
    try:
        away.send_away(pod)
        away.bring_back(pod)
    except ApiError as error:
        failure = {"msg": str(error), "api_error": error.as_result()}
    except AwayError as error:
        failure = {"msg": str(error)}
    finally:
        # Whatever ends this process before, SIGKILL too, closes its end of the pipe, and the guardian fixes.
        off = guardian.dismiss(done=bool(away.result["released_at"]) or not away.tainted)
    if failure:
        failure["msg"] += f" {away.what_is_left(off)}"
        module.fail_json(failure_kind="execution", **failure, **away.result)
    module.exit_json(**away.result)


if __name__ == "__main__":
    main()
