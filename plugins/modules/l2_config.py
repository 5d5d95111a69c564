#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pools and advertisements as they are to be."""

from __future__ import annotations

DOCUMENTATION = r"""
module: l2_config
short_description: Address pools and layer 2 advertisements as they are to be
version_added: 1.0.0
description:
  - Creates and changes the IPAddressPool and L2Advertisement objects of MetalLB, all in one pass.
  - Before anything is sent, the result is judged by the rules of this collection, which find what MetalLB's own webhook
    accepts silently, such as a pool that holds the address of a node. Errors are refused.
  - Then everything is rehearsed by the API server (dry run), which is also all that check mode does.
  - Objects that exist under the same names are taken over. Labels and annotations that others wrote stay.
  - A change by which a live service loses its address or its announcement is refused without O(force). Each live service is
    followed from the pools and advertisements that are there to those that are wanted, as MetalLB itself judges them - ranges,
    C(avoidBuggyIPs), C(serviceAllocation), advertisements, the nodes that they select, and the speakers and endpoints on these.
  - What cannot be read does not count as well. An API server that does not answer is a refusal; what may not be read (403) is a
    warning, and what rests on it is judged without it.
  - Addresses can move from one pool to another. MetalLB never sees two pools that overlap. Where two pools swap all they have, one
    of them holds an address of documentation (C(192.0.2.1)) for a moment, which no service can get. No pool is deleted to be made
    again, so what others wrote on it stays wherever the run is interrupted, and the next run completes it.
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
      - The API server and MetalLB's webhook take part by a dry run. A pool that takes over addresses which another one
        gives up in the same run cannot be tried in a dry run, see RV(not_dry_run).
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  namespace:
    description:
      - Namespace of MetalLB. Pools and advertisements work only there.
    type: str
    default: metallb-system
  pools:
    description:
      - Address pools. Those that are not named here stay as they are, unless O(prune) is set.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the IPAddressPool.
        type: str
        required: true
      addresses:
        description:
          - Ranges (V(192.168.7.200-192.168.7.250)) or prefixes (V(192.168.7.192/27)), IPv4 or IPv6.
        type: list
        elements: str
        required: true
      auto_assign:
        description: Whether services that ask for no pool or address may get one of these.
        type: bool
        default: true
      avoid_buggy_ips:
        description: Whether addresses that end in .0 and .255 are kept back.
        type: bool
        default: false
      service_allocation:
        description: Which services may have addresses of this pool. All by default.
        type: dict
        suboptions:
          priority:
            description: Pools with a lower number are used first. V(0) is the same as none, which comes last.
            type: int
          namespaces:
            description: Names of namespaces.
            type: list
            elements: str
          namespace_selectors:
            description: Label selectors for namespaces, with C(matchLabels) and C(matchExpressions).
            type: list
            elements: dict
          service_selectors:
            description: Label selectors for services, with C(matchLabels) and C(matchExpressions).
            type: list
            elements: dict
      labels:
        description: Labels of the object.
        type: dict
      annotations:
        description: Annotations of the object.
        type: dict
  advertisements:
    description:
      - Layer 2 advertisements. Those that are not named here stay as they are, unless O(prune) is set.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the L2Advertisement.
        type: str
        required: true
      ip_address_pools:
        description:
          - Names of the pools that are advertised. With neither this nor O(advertisements[].ip_address_pool_selectors),
            all are.
        type: list
        elements: str
      ip_address_pool_selectors:
        description: Label selectors for pools, with C(matchLabels) and C(matchExpressions).
        type: list
        elements: dict
      node_selectors:
        description:
          - Label selectors for the nodes that may announce, with C(matchLabels) and C(matchExpressions).
          - All nodes by default.
        type: list
        elements: dict
      interfaces:
        description:
          - Interfaces on which is answered. All by default. They do not influence which node announces.
        type: list
        elements: str
      service_selectors:
        description:
          - Label selectors for services, with C(matchLabels) and C(matchExpressions). Needs MetalLB 0.16.
        type: list
        elements: dict
      preferred_node_selectors:
        description:
          - Nodes that are preferred among those that may announce. Weights of all advertisements that apply to a service are
            summed by node, and the node with the most announces. Needs MetalLB 0.16.2.
        type: list
        elements: dict
        suboptions:
          weight:
            description: From 1 to 100.
            type: int
            required: true
          preference:
            description: Label selector for nodes, with C(matchLabels) and C(matchExpressions). Empty matches every node.
            type: dict
            required: true
      labels:
        description: Labels of the object.
        type: dict
      annotations:
        description: Annotations of the object.
        type: dict
  prune:
    description:
      - Whether objects that this module made or took over, and that are no longer named, are removed. They are known by
        the label C(app.kubernetes.io/managed-by=l2ops.metallb). All others stay in any case.
      - Applies to pools only if O(pools) is given, and to advertisements only if O(advertisements) is given.
    type: bool
    default: false
  force:
    description:
      - Whether a change may take the address or the announcement of a live service away. RV(services_losing_address) lists
        such services.
    type: bool
    default: false
  owned:
    description:
      - What to do where Argo CD, Flux or an operator owns an object that is there and differs from what is asked. It would undo the change, so
        the object is left as it is, whichever it is. V(fail) changes nothing at all and says what to change in the owner's source; V(report)
        applies the rest and says it in RV(owned_changes) and a warning.
    type: str
    choices: [fail, report]
    default: fail
  validate:
    description:
      - Whether the result is judged by the rules of this collection.
    type: bool
    default: true
  gateway:
    description:
      - Addresses of the LAN's gateways. No pool may hold them (MLB302).
    type: list
    elements: str
    default: []
  reserved:
    description:
      - Other addresses, ranges or prefixes that no pool may hold, such as a Talos VIP (MLB302).
    type: list
    elements: str
    default: []
  dhcp_ranges:
    description:
      - Ranges that a DHCP server gives out (MLB310).
    type: list
    elements: str
    default: []
  node_networks:
    description:
      - On-link networks of the nodes as prefixes, where they cannot be told from the nodes' addresses (MLB304).
    type: list
    elements: str
    default: []
  ignore:
    description:
      - Findings that are ignored, by code, slug or pattern, and with C(=object) of one object alone.
        An object's annotation C(l2ops.metallb/ignore) does the same.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds to wait for MetalLB's webhook, without which no pool can be changed.
    type: int
    default: 120
notes:
  - "RBAC: in a Role in MetalLB's namespace C(ipaddresspools) and C(l2advertisements) (C(metallb.io)) with C(list),
    C(get), C(create), C(patch), and C(delete) for O(prune). In a ClusterRole C(services) with C(list). O(validate)
    lists C(bgpadvertisements) and C(nodes) besides, the latter in a ClusterRole; what may not be read is skipped, and named
    in RV(checks). Where a change may cost a live service something, C(daemonsets) (C(apps)) and C(pods) of MetalLB's namespace,
    C(namespaces) and C(endpointslices) (C(discovery.k8s.io)) are listed as well."
seealso:
  - module: l2ops.metallb.l2_info
  - module: l2ops.metallb.l2_ready
"""

EXAMPLES = r"""
- name: One pool, advertised on one interface
  l2ops.metallb.l2_config:
    pools:
      - name: main-pool
        addresses: [192.168.7.200-192.168.7.250]
    advertisements:
      - name: l2-adv
        ip_address_pools: [main-pool]
        interfaces: [eth0]
    gateway: [192.168.7.1]

- name: A pool for one team, announced by workers only, and nothing else of ours
  l2ops.metallb.l2_config:
    pools:
      - name: team-a
        addresses: [192.168.7.192/29, "fd00:192:168:7::100/124"]
        auto_assign: false
        service_allocation:
          priority: 10
          namespaces: [team-a]
    advertisements:
      - name: team-a
        ip_address_pools: [team-a]
        node_selectors:
          - matchExpressions:
              - key: node-role.kubernetes.io/control-plane
                operator: DoesNotExist
    prune: true
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(create), V(update) or V(delete).
      type: str
    kind:
      description: V(IPAddressPool) or V(L2Advertisement).
      type: str
    name:
      description: Name of the object.
      type: str
  sample:
    - action: create
      kind: IPAddressPool
      name: main-pool
applied:
  description: The requests that were sent and accepted, in order. Empty in check mode.
  returned: always
  type: list
  elements: str
  sample: [create IPAddressPool main-pool]
services_losing_address:
  description: Live services that lose their address or their announcement by the change, one entry for each address.
  returned: always
  type: list
  elements: dict
  contains:
    namespace:
      description: Namespace of the service.
      type: str
    name:
      description: Name of the service.
      type: str
    address:
      description: Address that it would lose, or that nobody would announce.
      type: str
    pool:
      description: Pool that holds it now.
      type: str
    moves_to:
      description: Pool that takes it over in the same run, or empty.
      type: str
    loses:
      description:
        - V(address), when MetalLB takes the address away, if only until another pool has it.
        - V(announcement), when the service keeps the address and no node announces it any more.
      type: str
    why:
      description: What takes it away.
      type: str
  sample:
    - namespace: traefik
      name: traefik
      address: 192.168.7.203
      pool: main-pool
      moves_to: ""
      loses: address
      why: no pool holds 192.168.7.203 any more
owned_changes:
  description: Objects that another tool owns and that differ from what is asked. They were left as they are.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: V(IPAddressPool) or V(L2Advertisement).
      type: str
    name:
      description: Its name.
      type: str
    managed_by:
      description: Its owner.
      type: str
      sample: Application argocd/metallb-config
    differences:
      description: Each field that differs, with what it is and what is asked.
      type: list
      elements: str
    object:
      description: The object as it is asked for, for the owner's source.
      type: dict
not_dry_run:
  description: Objects that the API server could not try in a dry run, as C(kind name).
  returned: always
  type: list
  elements: str
  sample: []
findings:
  description: What the rules found, each with code, slug, severity, object, summary, evidence and fix. Empty with O(validate=false).
  returned: always
  type: list
  elements: dict
  sample: []
checks:
  description: Which rules were applied, with result (passed, failed, warning or skipped) and the reason of a skip.
  returned: always
  type: list
  elements: dict
  sample: []
summary:
  description: Numbers of findings by severity, and of rules that were skipped.
  returned: when validated
  type: dict
  sample:
    errors: 0
    warnings: 0
    infos: 0
    skipped: 2
    ignored: 0
failure_kind:
  description: V(findings) when the wanted result was refused by rules or O(force) is needed, else V(execution).
  returned: failure
  type: str
  sample: findings
"""

import re
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.list_options import spread
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.client import Kube
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.module import argument_spec, connect, guarded
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import (
    ListOutcome,
    ListRequest,
    resource_path,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.options import (
    advertisement_to_object,
    pool_to_object,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import listing
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.config_plan import (
    ADVERTISEMENTS,
    POOLS,
    Change,
    ConfigPlan,
    diff_of,
    merge_patch,
    plan,
    shown,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.guard import Judgment, judge, takes_nothing_away
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.speakers import (
    causes_of,
    is_controller,
    is_speaker,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules import advertisements, pools
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import evaluate
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.wire_facts import OptionError
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

POLL = 2.0
CONFLICTS = 3
GROUP = "metallb.io"
VERSION = "v1beta1"
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
CODES = frozenset(one.code for one in (*pools.RULES, *advertisements.RULES))
UNKNOWN_FIELD = re.compile(r'unknown field "spec\.([^"]+)"')


class Config:
    """One run."""

    def __init__(self, module: AnsibleModule, kube: Kube, wanted: dict) -> None:
        self.module = module
        self.kube = kube
        self.namespace: str = module.params["namespace"]
        self.wanted = wanted
        self.deadline = time.monotonic() + module.params["timeout"]
        self.current: dict[str, list] = {POOLS: [], ADVERTISEMENTS: []}
        self.seen: dict[str, ListOutcome] = {}
        self.crds_missing = False
        self.plan = ConfigPlan()
        # after-images of the API server, by kind and name
        self.rehearsed: dict[tuple[str, str], dict] = {}
        self.result: dict = {
            "changed": False,
            "changes": [],
            "applied": [],
            "services_losing_address": [],
            "owned_changes": [],
            "not_dry_run": [],
            "findings": [],
            "checks": [],
        }

    # -- looking and deciding -----------------------------------------------------------------------------------------

    def look(self) -> None:
        outcomes = self.kube.list_all(
            [
                ListRequest(POOLS, GROUP, VERSION, namespace=self.namespace),
                ListRequest(ADVERTISEMENTS, GROUP, VERSION, namespace=self.namespace),
                ListRequest("bgpadvertisements", GROUP, VERSION, namespace=self.namespace),
                ListRequest("services"),
                ListRequest("nodes"),
            ]
        )
        self.seen = outcomes
        for plural in (POOLS, ADVERTISEMENTS):
            error = outcomes[plural].error
            if error is None:
                continue
            # In a dry run of a first installation there is nothing yet that could be asked.
            if not (error.kind_missing and self.module.check_mode):
                raise error
            self.crds_missing = True
        self.current = {plural: outcomes[plural].objects for plural in (POOLS, ADVERTISEMENTS)}
        self.set_plan(plan(self.current, self.wanted, self.module.params["prune"]))

    def set_plan(self, found: ConfigPlan) -> None:
        self.plan = found
        self.result["owned_changes"] = [one.as_result() for one in found.owned]
        self.result["changes"] = [
            {"action": step.action, "kind": step.kind, "name": step.name} for step in found.changes
        ]

    def leave_to_owners(self) -> None:
        """What an owner would undo is not sent."""
        owned = self.plan.owned
        if not owned:
            return
        text = "; ".join(str(one) for one in owned[:10]) + (f" (and {len(owned) - 10} more)" if len(owned) > 10 else "")
        if self.module.params["owned"] == "fail":
            self.fail(
                f"{text}. Change it there: owned_changes has the objects as they are asked for. Nothing was changed. To leave these "
                "as they are and apply the rest, set owned: report (role config: metallb_owned).",
                kind="findings",
            )
        self.module.warn(f"{text}. It was left as it is: change it there.")

    def judge(self) -> None:
        """The rules' word on pools and advertisements as they will be. Errors are refused before anything is sent."""
        params = self.module.params
        if not params["validate"]:
            return
        given = {key: params[key] for key in ("gateway", "reserved", "dhcp_ranges", "node_networks", "ignore")}
        try:
            options = Options.make(**given)
        except OptionError as why:
            self.module.fail_json(msg=str(why), failure_kind="execution", **self.result)
        verdict = evaluate(self.outcome(), options, CODES)
        self.result.update(verdict.as_result())
        for note in verdict.notes:
            self.module.warn(note)
        # Refused is what this call would write; what is wrong besides is said. Who gives pools alone may bring their
        # advertisement by another task.
        written = {("IPAddressPool", one["name"]) for one in params["pools"] or []}
        written |= {("L2Advertisement", one["name"]) for one in params["advertisements"] or []}
        alone = params["advertisements"] is None
        errors = []
        for one in verdict.findings:
            text = f"{one.code} {one.object}: {one.summary}. {one.fix}"
            ours = (one.object.kind, one.object.name) in written
            if one.severity == "error" and ours and not (alone and one.code == "MLB401"):
                errors.append(text)
            elif one.severity != "info":
                self.module.warn(text)
        if errors:
            self.module.fail_json(
                msg=f"Nothing was changed: {len(errors)} error(s). " + " | ".join(errors),
                failure_kind="findings",
                **self.result,
            )

    def outcome(self) -> Snapshot:
        """The cluster as it will be, with the objects of others too; of it only what was looked at."""
        return self.snapshot({plural: self.outcome_of(plural) for plural in (POOLS, ADVERTISEMENTS)})

    def snapshot(self, configuration: dict[str, list]) -> Snapshot:
        """What was read, with these pools and advertisements."""
        missing = {plural: str(one.error) for plural, one in self.seen.items() if one.error is not None}
        objects = {plural: one.objects for plural, one in self.seen.items() if one.error is None}
        objects.update(configuration)
        for plural in configuration:
            missing.pop(plural, None)
        return Snapshot.from_objects(objects, missing, self.namespace)

    def outcome_of(self, plural: str) -> list:
        """All objects of a kind as they will be, those of others too."""
        after = {one["metadata"]["name"]: one for one in self.current[plural]}
        for step in self.plan.changes:
            if step.plural == plural:
                after.pop(step.name, None)
        after.update({one["metadata"]["name"]: one for one in self.plan.wanted(plural)})
        return list(after.values())

    def check_what_was_read(self) -> None:
        """What the rules judge by and did not answer is a refusal; what may not be read is said."""
        unread = {
            plural: error
            for plural, outcome in self.seen.items()
            for error in [outcome.error]
            if error is not None and not error.kind_missing
        }
        if not unread or not self.plan.changes or not self.module.params["validate"]:
            return
        for plural, error in unread.items():
            if error.kind_of_failure == "forbidden":
                self.module.warn(f"Rules that compare the result with {plural} were skipped (see checks): {error}")
        failed = [str(error) for error in unread.values() if error.kind_of_failure != "forbidden"]
        if failed:
            self.fail(
                f"Nothing was changed, as the result cannot be compared with the cluster: {' '.join(failed)} Run again when the "
                "API server answers. validate: false writes without this comparison."
            )

    def guard(self) -> None:
        """Nothing live is taken away unasked."""
        force = self.module.params["force"]
        touching = [
            f"{step.kind} {step.name}"
            for step in self.plan.changes
            if not takes_nothing_away(step.plural, step.before, step.after)
        ]
        if not touching:
            return
        error = self.seen["services"].error
        if error is not None:
            text = (
                f"The change of {listing(touching)} may take the address or the announcement of a live service away, and "
                f"whether there is such a service cannot be seen: {error}"
            )
            if not force:
                self.fail(f"{text} Or set force: true.")
            self.module.warn(text)
            return
        found = self.followed()
        if found.losses or found.unknown:
            # What decides is read only where something rests on it.
            self.read_what_decides()
            found = self.followed()
        self.result["services_losing_address"] = [one.as_result() for one in found.losses]
        if found.losses and not force:
            shown_losses = "; ".join(str(one) for one in found.losses[:10])
            more = len(found.losses) - 10
            self.fail(
                f"Live services would lose their address, if only for a moment, or their announcement: {shown_losses}"
                + (f" (and {more} more, see services_losing_address)" if more > 0 else "")
                + ". Change pools and advertisements so that they keep it, or set force: true.",
                kind="findings",
            )
        for plural, services in found.unknown.items():
            why = self.seen[plural].error
            text = f"Whether {listing(services)} would lose address or announcement rests on {plural}, which could not be read: {why}"
            if (why is None or why.kind_of_failure != "forbidden") and not force:
                self.fail(f"{text} Nothing was changed. Run again when the API server answers, or set force: true.")
            self.module.warn(f"{text} It was judged without them.")

    def followed(self) -> Judgment:
        """Live services, from what is there to what is wanted."""
        return judge(self.snapshot(self.current), self.outcome())

    def read_what_decides(self) -> None:
        outcomes = self.kube.list_all(
            [
                ListRequest("namespaces"),
                ListRequest("daemonsets", "apps", "v1", namespace=self.namespace),
                ListRequest("pods", namespace=self.namespace),
                ListRequest("endpointslices", "discovery.k8s.io", "v1"),
            ]
        )
        self.seen = {**self.seen, **outcomes}

    # -- rehearsing and doing -----------------------------------------------------------------------------------------

    def dry_run_all(self) -> None:
        """Send everything as a dry run. Drops changes that turn out to be none."""
        real = []
        for step in self.plan.changes:
            if self.crds_missing:
                self.result["not_dry_run"].append(f"{step.kind} {step.name}")
                real.append(step)
                continue
            try:
                after = self.send(step, step.before, dry_run=True)
            except ApiError as error:
                if not (error.webhook_denied and step.plural == POOLS and self.plan.frees_addresses):
                    self.refused(step, error)
                # It may want what another pool has not yet given up. The real run sends that one first.
                self.result["not_dry_run"].append(f"{step.kind} {step.name}")
                real.append(step)
                continue
            if step.action == "update" and shown(after) == shown(step.before):
                continue
            if step.action != "delete":
                self.rehearsed[(step.plural, step.name)] = after
            real.append(step)
        if len(real) != len(self.plan.changes):
            names = {(step.plural, step.name) for step in real}
            steps = [step for step in self.plan.steps if (step.plural, step.name) in names]
            self.set_plan(ConfigPlan(real, steps, self.plan.unchanged, self.plan.foreign, self.plan.owned))

    def apply(self) -> None:
        live: dict[tuple[str, str], dict | None] = {}
        for step in self.plan.steps:
            key = (step.plural, step.name)
            try:
                live[key] = self.send(step, live.get(key, step.before), dry_run=False)
            except ApiError as error:
                self.refused(step, error)
            self.result["changed"] = True
            self.result["applied"].append(f"{step.action} {step.kind} {step.name}")

    def send(self, step: Change, live: dict | None, *, dry_run: bool) -> dict:
        """One step, over a webhook that is still starting and over changes that do not matter."""
        conflicts = 0
        while True:
            try:
                return self.send_once(step, live, dry_run)
            except ApiError as error:
                if error.webhook_unavailable:
                    self.wait_for_webhook(error)
                elif error.kind_of_failure == "conflict" and step.action == "update" and conflicts < CONFLICTS:
                    # The controller counts addresses in the object's status; that is no change of what is wanted.
                    conflicts += 1
                    fresh = self.kube.get(self.path(step))
                    if shown(fresh) != shown(live):
                        raise
                    live = fresh
                else:
                    raise

    def send_once(self, step: Change, live: dict | None, dry_run: bool) -> dict:
        if step.action == "create":
            body = shown(step.after)
            return self.kube.create(
                resource_path(step.plural, GROUP, VERSION, self.namespace), body, dry_run=dry_run, strict=True
            )
        live = live or {}
        if step.action == "delete":
            preconditions = {"uid": live["metadata"]["uid"]} if live.get("metadata", {}).get("uid") else None
            try:
                self.kube.delete(self.path(step), preconditions=preconditions, dry_run=dry_run)
            except ApiError as error:
                if error.status != 404:
                    raise
            return {}
        patch = merge_patch(step.before or {}, step.after or {})
        patch.setdefault("metadata", {})["resourceVersion"] = live["metadata"]["resourceVersion"]
        return self.kube.patch(self.path(step), patch, dry_run=dry_run, strict=True)

    def path(self, step: Change) -> str:
        return resource_path(step.plural, GROUP, VERSION, self.namespace, step.name)

    def wait_for_webhook(self, error: ApiError) -> None:
        left = self.deadline - time.monotonic()
        if left > 0:
            time.sleep(min(POLL, left))
            return
        outcomes = self.kube.list_all(
            [
                ListRequest("deployments", "apps", "v1", namespace=self.namespace),
                ListRequest("daemonsets", "apps", "v1", namespace=self.namespace),
                ListRequest("pods", namespace=self.namespace),
                ListRequest("events", namespace=self.namespace),
            ]
        )
        causes = causes_of(
            next((one for one in outcomes["deployments"].objects if is_controller(one)), None),
            next((one for one in outcomes["daemonsets"].objects if is_speaker(one)), None),
            outcomes["pods"].objects,
            outcomes["events"].objects,
            error.reason,
        )
        why = "; ".join(f"{one['code']} {one['summary']}" for one in causes)
        self.fail(
            f"MetalLB's webhook did not answer within {self.module.params['timeout']} s, and without it no pool can be "
            f"changed: {why}. {self.so_far()}"
        )

    def refused(self, step: Change, error: ApiError) -> None:
        what = f"{step.action} {step.kind} {step.name}"
        unknown = UNKNOWN_FIELD.search(error.reason)
        if unknown:
            needs = next((f" ({n} needs MetalLB {v})" for n, v in SINCE.items() if n in unknown.group(1)), "")
            self.fail(
                f"Cannot {what}: the installed MetalLB does not know the field spec.{unknown.group(1)}{needs}. "
                f"Leave it out, or upgrade MetalLB. {self.so_far()}"
            )
        if error.kind_of_failure == "conflict":
            self.fail(f"Cannot {what}: somebody else changed it meanwhile. Run again. {self.so_far()}")
        said = " ".join(part for part in (error.reason or str(error), error.advice) if part).rstrip(".")
        self.fail(f"Cannot {what}: {said}. {self.so_far()}", api_error=error.as_result())

    def so_far(self) -> str:
        applied = self.result["applied"]
        return f"Done before: {', '.join(applied)}." if applied else "Nothing was changed."

    def diffs(self) -> list[dict]:
        found = []
        for step in self.plan.changes:
            diff = diff_of(step)
            if (step.plural, step.name) in self.rehearsed:
                diff["after"] = shown(self.rehearsed[(step.plural, step.name)])
            found.append(diff)
        return found

    def fail(self, msg: str, kind: str = "execution", **more: dict) -> None:
        self.module.fail_json(msg=msg, failure_kind=kind, **dict(self.result, **more))


def wanted_objects(module: AnsibleModule) -> dict:
    """The options as objects; a kind that was not given is not in it."""
    wanted = {}
    for option, plural, convert in (
        ("pools", POOLS, pool_to_object),
        ("advertisements", ADVERTISEMENTS, advertisement_to_object),
    ):
        given = module.params[option]
        if given is None:
            continue
        names = [one["name"] for one in given]
        wrong = [name for name in names if not NAME.fullmatch(name)]
        if wrong:
            module.fail_json(
                msg=f"{option}: {wrong[0]!r} is no name of an object: lower case letters, digits, '-' and '.', "
                "beginning and ending with a letter or digit.",
                failure_kind="execution",
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            module.fail_json(msg=f"{option}: {', '.join(twice)} is given more than once.", failure_kind="execution")
        wanted[plural] = [convert(one, module.params["namespace"]) for one in given]
    return wanted


def selectors() -> dict:
    return {"type": "list", "elements": "dict"}


# Fields that came later than 0.14.9.
SINCE = {"serviceSelectors": "0.16", "preferredNodeSelectors": "0.16.2"}


def main() -> None:
    names = {"type": "list", "elements": "str"}
    codes = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec=argument_spec(
            namespace={"type": "str", "default": "metallb-system"},
            pools={
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "addresses": {"type": "list", "elements": "str", "required": True},
                    "auto_assign": {"type": "bool", "default": True},
                    "avoid_buggy_ips": {"type": "bool", "default": False},
                    "service_allocation": {
                        "type": "dict",
                        "options": {
                            "priority": {"type": "int"},
                            "namespaces": names,
                            "namespace_selectors": selectors(),
                            "service_selectors": selectors(),
                        },
                    },
                    "labels": {"type": "dict"},
                    "annotations": {"type": "dict"},
                },
            },
            advertisements={
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "ip_address_pools": names,
                    "ip_address_pool_selectors": selectors(),
                    "node_selectors": selectors(),
                    "interfaces": names,
                    "service_selectors": selectors(),
                    "preferred_node_selectors": {
                        "type": "list",
                        "elements": "dict",
                        "options": {
                            "weight": {"type": "int", "required": True},
                            "preference": {"type": "dict", "required": True},
                        },
                    },
                    "labels": {"type": "dict"},
                    "annotations": {"type": "dict"},
                },
            },
            prune={"type": "bool", "default": False},
            force={"type": "bool", "default": False},
            owned={"type": "str", "choices": ["fail", "report"], "default": "fail"},
            validate={"type": "bool", "default": True},
            gateway=codes,
            reserved=codes,
            dhcp_ranges=codes,
            node_networks=codes,
            ignore=codes,
            timeout={"type": "int", "default": 120},
        ),
        required_one_of=[("pools", "advertisements")],
        supports_check_mode=True,
    )
    module.params.update(spread(module.params, module.argument_spec))
    wanted = wanted_objects(module)
    with guarded(module):
        config = Config(module, connect(module), wanted)
    with guarded(module, config.result):
        config.look()
        if config.crds_missing:
            module.warn("MetalLB's CRDs are not there yet, so nothing could be rehearsed by the API server.")
        for one in config.plan.foreign:
            module.warn(f"{one} is kept by another tool, which may change it back.")
        config.leave_to_owners()
        config.check_what_was_read()
        config.judge()
        config.guard()
        config.dry_run_all()
        if module._diff:
            config.result["diff"] = config.diffs()
        if module.check_mode:
            config.result["changed"] = bool(config.plan.changes)
        else:
            config.apply()
    module.exit_json(**config.result)


if __name__ == "__main__":
    main()
