#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait until MetalLB works."""

from __future__ import annotations

DOCUMENTATION = r"""
module: l2_ready
short_description: Wait until MetalLB works
version_added: 1.0.0
description:
  - Waits until MetalLB's controller and speakers are up to date and ready, and its webhook answers. Only then can pools
    be created. The webhook is asked by a dry run of a pool, which the API server passes on to it and then forgets.
  - When the time is over it fails with the cause instead of a bare time-out, for example that the controller finds no
    node to run on, that pod security keeps the speakers away, that the Secret of memberlist is gone, or that a speaker
    rejects the configuration.
author:
  - l2ops.metallb contributors (@l2ops)
extends_documentation_fragment:
  - l2ops.metallb.kubernetes
  - l2ops.metallb.attributes
  - l2ops.metallb.attributes.info
  - l2ops.metallb.attributes.actiongroup_all
options:
  namespace:
    description:
      - Namespace of MetalLB.
    type: str
    default: metallb-system
  timeout:
    description:
      - Seconds to wait at most. V(0) looks once.
      - Where the namespace holds nothing of MetalLB, waiting ends after 10 seconds.
    type: int
    default: 120
  until:
    description:
      - V(webhook) waits for the controller, the speakers and the webhook.
      - V(l2_status) waits on, until every service that is to be announced has a right ServiceL2Status, by MetalLB's own
        election.
    type: str
    choices: [webhook, l2_status]
    default: webhook
  services:
    description:
      - With O(until=l2_status), only these services, as C(namespace/name). They must then be announced.
    type: list
    elements: str
notes:
  - "RBAC: in a Role in MetalLB's namespace C(deployments) and C(daemonsets) (C(apps)), C(pods), C(events) with C(list),
    C(ipaddresspools) (C(metallb.io)) with C(create), which is used for dry runs only, and for O(until=l2_status)
    C(servicel2statuses) (C(metallb.io)) with C(list)."
  - To hold the election, and to name more causes, it lists what M(l2ops.metallb.l2_info) lists, as far as it may. Without
    these rights the objects are compared with their own labels.
seealso:
  - module: l2ops.metallb.l2_info
"""

EXAMPLES = r"""
- name: Wait until pools can be created
  l2ops.metallb.l2_ready:
    timeout: 180

- name: Wait until a service is announced
  l2ops.metallb.l2_ready:
    until: l2_status
    services: [traefik/traefik]
"""

RETURN = r"""
metallb:
  description: What is installed. Empty strings where nothing is.
  returned: always
  type: dict
  contains:
    method:
      description: V(helm), V(manifests) or V(none).
      type: str
    namespace:
      description: Namespace of MetalLB.
      type: str
    release:
      description: Name of the Helm release.
      type: str
    version:
      description: Version, from the tag of the controller's image.
      type: str
  sample:
    method: helm
    namespace: metallb-system
    release: metallb
    version: 0.15.3
ready:
  description: Whether it works.
  returned: always
  type: bool
  sample: true
waited:
  description: Seconds that were waited.
  returned: always
  type: float
  sample: 12.4
lacking:
  description: What is still missing. Empty when it works.
  returned: always
  type: list
  elements: str
  sample: []
causes:
  description: Why it does not work, as codes of findings.
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description: Code of the finding.
      type: str
    summary:
      description: The cause.
      type: str
  sample:
    - code: MLB104
      summary: "controller metallb-controller-7d98-4dzjm: Unschedulable: 0/3 nodes are available"
failure_kind:
  description: V(findings) when MetalLB does not work, V(execution) when that could not be found out.
  returned: failure
  type: str
  sample: findings
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.list_options import spread
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.client import Kube
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.module import argument_spec, connect, guarded
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListRequest, resource_path
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.speakers import (
    causes_of,
    describe,
    expected_from,
    is_controller,
    is_speaker,
    missing_statuses,
    pods_of,
    read_status,
    unready,
    wrong_statuses,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import evaluate
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import predictions
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.gather import ELECTION, gather

POLL = 1.0
# What keeps MetalLB as a whole from working, and what keeps a service from being announced.
INSTALLATION = frozenset(f"MLB{number}" for number in (101, 102, 103, 104, 105, 106, 107, 111))
SERVICES = frozenset(f"MLB{number}" for number in (201, 203, 501, 507, 508, 509, 511, 512))
MOST_CAUSES = 10
# Helm and kubectl create everything within seconds; a namespace that is empty for longer is the wrong one.
EMPTY_PATIENCE = 10.0

# From the block that RFC 5737 sets aside for documentation: nobody's address, whatever becomes of it.
TRIAL_POOL = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "IPAddressPool",
    "metadata": {"name": "l2ops-metallb-dry-run"},
    "spec": {"addresses": ["192.0.2.1/32"], "autoAssign": False},
}


class Wait:
    """One run."""

    def __init__(self, module: AnsibleModule, kube: Kube) -> None:
        self.module = module
        self.kube = kube
        self.namespace: str = module.params["namespace"]
        self.services = parse_services(module)
        self.controller: dict | None = None
        self.daemonset: dict | None = None
        self.webhook_error = ""
        self.result: dict = {
            "changed": False,
            "metallb": describe(None, None),
            "ready": False,
            "waited": 0.0,
            "lacking": [],
            "causes": [],
        }

    def wait(self) -> None:
        start = time.monotonic()
        timeout = self.module.params["timeout"]
        looked = False
        while True:
            try:
                lacking = self.look()
                looked = True
            except ApiError as error:
                # An API server that was there a moment ago, and restarts, is waited for. Wrong options are not.
                if not looked or error.kind_of_failure in ("forbidden", "unauthorized", "tls"):
                    raise
                lacking = [str(error)]
            waited = time.monotonic() - start
            self.result.update(lacking=lacking, waited=round(waited, 1), ready=not lacking)
            if not lacking:
                return
            nothing = self.controller is None and self.daemonset is None
            if waited >= timeout or (looked and nothing and waited >= EMPTY_PATIENCE):
                return
            time.sleep(min(POLL, max(0.0, timeout - waited)))

    def look(self) -> list[str]:
        """What is lacking now."""
        outcomes = self.kube.list_all(
            [
                ListRequest("deployments", "apps", "v1", namespace=self.namespace),
                ListRequest("daemonsets", "apps", "v1", namespace=self.namespace),
            ]
        )
        for outcome in outcomes.values():
            if outcome.error is not None:
                raise outcome.error
        self.controller = next((one for one in outcomes["deployments"].objects if is_controller(one)), None)
        self.daemonset = next((one for one in outcomes["daemonsets"].objects if is_speaker(one)), None)
        self.result["metallb"] = describe(self.controller, self.daemonset)
        lacking = unready(self.controller, self.daemonset)
        if self.controller is not None:
            self.webhook_error = self.ask_webhook()
            if self.webhook_error:
                lacking.append(f"the webhook does not answer: {self.webhook_error}")
        if not lacking and self.module.params["until"] == "l2_status":
            lacking = self.look_at_statuses()
        return lacking

    def ask_webhook(self) -> str:
        """Why it does not answer, or nothing. A refusal is an answer."""
        path = resource_path("ipaddresspools", "metallb.io", "v1beta1", self.namespace)
        try:
            self.kube.create(path, TRIAL_POOL, dry_run=True)
        except ApiError as error:
            if error.webhook_denied or (error.kind_of_failure == "conflict" and not error.webhook_unavailable):
                return ""
            if error.webhook_unavailable:
                return error.reason
            if error.kind_of_failure == "absent":
                return "the CRDs of MetalLB are not there"
            raise
        return ""

    def look_at_statuses(self) -> list[str]:
        request = ListRequest("servicel2statuses", "metallb.io", "v1beta1", namespace=self.namespace)
        pods = self.kube.list(ListRequest("pods", namespace=self.namespace))
        statuses = [read_status(obj) for obj in self.kube.list(request)]
        # The election where it can be held, else what the objects' own labels say.
        expected: dict = dict(expected_from(statuses))
        snapshot = gather(self.kube, ListRequest, self.namespace, election_only=True)
        if snapshot.has(*ELECTION):
            expected.update(predictions(snapshot))
        lacking = []
        if self.services is not None:
            statuses = [status for status in statuses if status.service in self.services]
            lacking = [
                f"nobody may announce {'/'.join(service)}"
                for service in sorted(self.services)
                if service in expected and expected[service] is None
            ]
            expected = {service: expected.get(service, "") for service in self.services}
        living = {pod.uid for pod in pods_of(self.daemonset or {}, pods)}
        lacking += [f"{'/'.join(service)} has no ServiceL2Status" for service in missing_statuses(statuses, expected)]
        known = {service: node for service, node in expected.items() if node != ""}
        lacking += [
            f"ServiceL2Status of {'/'.join(one.status.service)} says {one.status.node}, but {one.why}"
            for one in wrong_statuses(statuses, known, living)
        ]
        return lacking

    def explain(self) -> None:
        """Ask why, once, at the end."""
        outcomes = self.kube.list_all(
            [ListRequest("pods", namespace=self.namespace), ListRequest("events", namespace=self.namespace)]
        )
        self.result["causes"] = causes_of(
            self.controller,
            self.daemonset,
            outcomes["pods"].objects,
            outcomes["events"].objects,
            self.webhook_error,
        )
        if self.controller is not None or self.daemonset is not None:
            self.result["causes"] += self.by_rules({one["code"] for one in self.result["causes"]})

    def by_rules(self, known: set[str]) -> list[dict]:
        """What the rules find beyond that, as far as this user may look."""
        try:
            snapshot = gather(self.kube, ListRequest, self.namespace)
        except ApiError:
            return []
        codes = INSTALLATION | (SERVICES if self.module.params["until"] == "l2_status" else frozenset())
        verdict = evaluate(snapshot, Options(settle=0), codes=codes)
        wanted = None if self.services is None else {"/".join(service) for service in self.services}
        found = []
        for one in verdict.findings:
            of_others = one.object.kind == "Service" and wanted is not None and one.object.path not in wanted
            if one.severity == "info" or one.code in known or of_others:
                continue
            found.append({"code": one.code, "summary": f"{one.object}: {one.summary}"})
        return found[:MOST_CAUSES]

    def fail(self) -> None:
        result = self.result
        if self.controller is None and self.daemonset is None:
            why = (
                f"namespace {self.namespace} holds nothing of MetalLB. Is it installed, and there? See: kubectl get "
                "deployments,daemonsets --all-namespaces | grep -e controller -e speaker"
            )
        elif result["causes"]:
            why = "; ".join(f"{one['code']} {one['summary']}" for one in result["causes"])
            if self.module.params["until"] == "l2_status":
                why = f"{'; '.join(result['lacking'][:5])}. Causes: {why}"
        else:
            why = "; ".join(result["lacking"])
        self.module.fail_json(
            msg=f"MetalLB is not ready after {result['waited']:.0f} s: {why}.", failure_kind="findings", **result
        )


def parse_services(module: AnsibleModule) -> set[tuple[str, str]] | None:
    names = module.params["services"]
    if names is None:
        return None
    services = set()
    for text in names:
        namespace, slash, name = text.partition("/")
        if not (namespace and slash and name) or "/" in name:
            module.fail_json(
                msg=f"services: {text!r} is no service. Write namespace/name, for example traefik/traefik.",
                failure_kind="execution",
            )
        services.add((namespace, name))
    return services


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            namespace={"type": "str", "default": "metallb-system"},
            timeout={"type": "int", "default": 120},
            until={"type": "str", "choices": ["webhook", "l2_status"], "default": "webhook"},
            services={"type": "list", "elements": "str"},
        ),
        supports_check_mode=True,
    )
    module.params.update(spread(module.params, module.argument_spec))
    if module.params["timeout"] < 0:
        module.fail_json(msg="timeout must be 0 seconds or more.", failure_kind="execution")
    if module.params["services"] is not None and module.params["until"] != "l2_status":
        module.fail_json(msg="services has a meaning only with until=l2_status.", failure_kind="execution")
    with guarded(module):
        wait = Wait(module, connect(module))
    with guarded(module, wait.result):
        wait.wait()
        if not wait.result["ready"]:
            wait.explain()
    if not wait.result["ready"]:
        wait.fail()
    module.exit_json(**wait.result)


if __name__ == "__main__":
    main()
