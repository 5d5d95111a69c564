#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a service does not answer, and what to do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: l2_diagnose
short_description: Say why a service does not answer, and what to do
version_added: 1.0.0
description:
  - Follows each service along MetalLB's own chain of decisions (type and class, address, pool, advertisement, endpoints,
    candidates, announcer, interfaces, wire, port), says where it breaks, for each node why it is or isn't the
    announcer, and first of all one sentence of cause and fix.
  - Looks at a live cluster or at a snapshot of one. Given what M(l2ops.metallb.l2_probe) and
    M(l2ops.metallb.service_probe) returned, it also says what the wire means, and believes the wire over the API.
author:
  - l2ops.metallb contributors (@l2ops)
extends_documentation_fragment:
  - l2ops.metallb.kubernetes
  - l2ops.metallb.unknown
  - l2ops.metallb.attributes
  - l2ops.metallb.attributes.info
  - l2ops.metallb.attributes.actiongroup_all
options:
  namespace:
    description:
      - Namespace of MetalLB. Without it, MetalLB is looked for in all namespaces, and where that is not allowed, in
        C(metallb-system).
      - With it, rights in that namespace are enough for pods, deployments and MetalLB's own kinds.
    type: str
  snapshot:
    description:
      - A file that M(l2ops.metallb.l2_info) saved, to look at instead of a live cluster. Neither a cluster nor the Python
        package C(kubernetes) is needed then.
    type: path
  services:
    description:
      - Services to diagnose, as C(namespace/name). All that MetalLB serves by default.
    type: list
    elements: str
  max_nodes:
    description:
      - How many nodes are listed for each service at most.
    type: int
    default: 50
  gateway:
    description:
      - Addresses of the LAN's gateways. No pool may hold them (MLB302).
    type: list
    elements: str
    default: []
  reserved:
    description:
      - Other addresses, ranges or prefixes that no pool may hold, such as a virtual address of Talos (MLB302).
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
      - On-link networks of the nodes as prefixes (MLB304, MLB306). Without them they are guessed from the nodes' addresses,
        and what rests on a guess is judged mildly.
    type: list
    elements: str
    default: []
  cluster_networks:
    description:
      - Networks of Services and pods, where the API does not show them (MLB308).
    type: list
    elements: str
    default: []
  interfaces:
    description:
      - Facts of the nodes' interfaces, by the node's name (MLB405, MLB406). No API of Kubernetes knows them; on Talos
        C(talosctl get links) does.
      - For each node a list of names, or of dictionaries with C(name), C(up), C(master) (the bond or bridge that it is a
        port of), C(arp) (false for NOARP) and C(addresses) (with prefix length).
    type: dict
  wire:
    description:
      - The result of M(l2ops.metallb.l2_probe). What the wire says beats what the API says.
      - The result of a task that was skipped or failed is ignored.
    type: dict
  ports:
    description:
      - The result of M(l2ops.metallb.service_probe), with C(namespace/name) of the services as names of its targets.
    type: dict
  ignore:
    description:
      - Findings that are ignored, by code (V(MLB404)), slug (V(pool-not-advertised)) or pattern (V(MLB4*)), for all
        objects or after an equals sign for some (V(MLB503=Service default/web), V(MLB2*=Node cp-*)).
      - An object may also carry the annotation C(l2ops.metallb/ignore) with codes, separated by commas.
    type: list
    elements: str
    default: []
  fail_on:
    description:
      - V(error) fails when there is a finding of severity error, V(warning) also for warnings, V(never) leaves the
        judgement to the caller. All data is returned in any case.
    type: str
    choices: [error, warning, never]
    default: error
  settle:
    description:
      - Seconds that a live cluster gets to settle. A mismatch that rests on a change of the last 10 seconds (a pod that has just
        become ready, a new endpoint) is looked at again until then, and is held against the cluster if it stays.
      - V(0) looks once and takes everything as it is.
    type: int
    default: 15
notes:
  - "RBAC: in a ClusterRole C(list) on C(nodes), C(services), C(namespaces), C(events), C(endpointslices)
    (C(discovery.k8s.io)), C(daemonsets) (C(apps)), C(servicecidrs) (C(networking.k8s.io)), C(customresourcedefinitions)
    (C(apiextensions.k8s.io)) and C(validatingwebhookconfigurations) (C(admissionregistration.k8s.io)). With O(namespace)
    given, in a Role there C(list) on C(pods), C(configmaps), C(deployments) (C(apps)) and C(ipaddresspools),
    C(l2advertisements), C(bgpadvertisements), C(bgppeers), C(servicel2statuses), C(configurationstates) (C(metallb.io));
    without it, these in the ClusterRole. In C(kube-system) C(configmaps). C(secrets) (names only) are asked for and not
    needed."
  - What needs a kind that could not be read is skipped and says why; see O(unknown).
seealso:
  - module: l2ops.metallb.l2_info
  - module: l2ops.metallb.l2_probe
  - module: l2ops.metallb.l2_validate
  - module: l2ops.metallb.service_probe
"""

EXAMPLES = r"""
- name: Why does this service not answer?
  l2ops.metallb.l2_diagnose:
    services: [traefik/traefik]
    fail_on: never
  register: diagnosis

- name: Show cause and fix
  ansible.builtin.debug:
    msg: "{{ diagnosis.sentences }}"

- name: Gather who should answer
  l2ops.metallb.l2_info:
  register: cluster

- name: Ask the LAN
  l2ops.metallb.l2_probe:
    targets: "{{ cluster.expected.keys() | list }}"
    nodes: "{{ cluster.nodes }}"
  delegate_to: lan-client
  become: true
  register: wire

- name: Diagnose all services with what the wire says
  l2ops.metallb.l2_diagnose:
    wire: "{{ wire }}"
"""

RETURN = r"""
sentences:
  description: For each service that is not fine, its name, the cause, and the fix.
  returned: unless nothing could be read
  type: list
  elements: str
  sample:
    - "traefik/traefik: Nobody may announce 192.168.7.203: each of 4 nodes (cp-1, cp-2, cp-3, worker-1) carries the exclude
      label; the cause is MLB201, Node cp-1: it has the label … Take it out of Talos' machine configuration …"
ok:
  description: Whether every service is known to be fine, and there is no error elsewhere.
  returned: unless nothing could be read
  type: bool
  sample: false
diagnoses:
  description: One for each service, broken ones first.
  returned: unless nothing could be read
  type: list
  elements: dict
  contains:
    service:
      description: Namespace and name.
      type: str
    state:
      description: V(ok), V(warning), V(broken), or V(unknown) when something that would show it could not be checked.
      type: str
    sentence:
      description: The service's name, cause and fix.
      type: str
    cause:
      description: What is the matter. Empty when nothing is.
      type: str
    fix:
      description: What fixes it.
      type: str
    addresses:
      description: Addresses that the service has.
      type: list
      elements: str
    elected:
      description: The node that the election gives. Null for nobody.
      type: str
    reported:
      description: Nodes that ServiceL2Status names.
      type: list
      elements: str
    answering:
      description: Nodes, and MACs of others, that answered on the wire.
      type: list
      elements: str
    steps:
      description: The chain, each with C(step), C(result) (V(passed), V(failed), V(warning), V(skipped)), C(text) and
        C(codes).
      type: list
      elements: dict
    problems:
      description: What is wrong, each with C(code), C(severity) (V(error), V(warning) or V(unknown)), C(text), and C(address) and
        C(port) where it is about one alone.
      type: list
      elements: dict
    candidates:
      description: Nodes, each with C(node), C(eligible), C(reason) (a word), C(text) and C(rank); those that may announce first.
      type: list
      elements: dict
    candidate_counts:
      description: How many nodes may announce it, and how many not for which reason.
      type: dict
    findings:
      description: Findings that concern it, as in RV(findings).
      type: list
      elements: dict
  sample:
    - service: traefik/traefik
      state: ok
      sentence: "traefik/traefik: fine, announced by worker-2."
      cause: ""
      fix: ""
      addresses: [192.168.7.203]
      elected: worker-2
      reported: [worker-2]
      answering: []
      steps:
        - step: type
          result: passed
          text: LoadBalancer, class none, which MetalLB serves
          codes: []
      problems: []
      candidates:
        - node: worker-2
          eligible: true
          reason: announcer
          text: "announces: first in the election"
          rank: 1
      candidate_counts:
        candidate: 3
      findings: []
findings:
  description: What is wrong, worst first, causes before their consequences.
  returned: unless nothing could be read
  type: list
  elements: dict
  contains:
    code:
      description: Code of the finding, stable for ever.
      type: str
    slug:
      description: The same as a word.
      type: str
    severity:
      description: V(error), traffic is or will be broken; V(warning), it works now, but is fragile or discouraged; V(info).
      type: str
    object:
      description: What it is about, with C(kind), C(namespace) and C(name).
      type: dict
    summary:
      description: What is wrong, in one sentence.
      type: str
    evidence:
      description: What it was seen by; depends on the finding.
      type: dict
    fix:
      description: What fixes it.
      type: str
    docs:
      description: Where more is said about it.
      type: str
    caused_by:
      description: Codes of other findings of this run whose consequence this is.
      type: list
      elements: str
    field:
      description: The field of the object, such as V(spec.addresses[1]).
      returned: when one is to blame
      type: str
    file:
      description: The file that the object stands in.
      returned: when it came out of one
      type: str
    line:
      description: The line within it.
      returned: when it came out of a file
      type: int
  sample:
    - code: MLB301
      slug: pool-holds-node-address
      severity: error
      object:
        kind: IPAddressPool
        namespace: metallb-system
        name: main-pool
      summary: "192.168.7.2-192.168.7.250 holds the address of 1 node: 192.168.7.6 (talos-worker-1)"
      evidence:
        range: 192.168.7.2-192.168.7.250
        nodes: [192.168.7.6 (talos-worker-1)]
      fix: Take 192.168.7.6 out of 192.168.7.2-192.168.7.250.
      docs: https://github.com/l2ops/metallb/blob/main/docs/findings/MLB301.md
      caused_by: []
      field: spec.addresses[0]
checks:
  description: Every rule and what came of it.
  returned: unless nothing could be read
  type: list
  elements: dict
  contains:
    id:
      description: Code of the rule's findings.
      type: str
    result:
      description: V(passed), V(failed), V(warning) or V(skipped).
      type: str
    reason:
      description: Why it was skipped, or ran only in part.
      type: str
  sample:
    - id: MLB310
      result: skipped
      reason: "no DHCP ranges are known: give the option dhcp_ranges (metallb_dhcp_ranges)"
summary:
  description: Numbers of findings by severity, of checks that were skipped, and of findings that were ignored.
  returned: unless nothing could be read
  type: dict
  sample:
    errors: 1
    warnings: 0
    infos: 0
    skipped: 15
    ignored: 0
verdict:
  description: The most important of it in one line.
  returned: unless nothing could be read
  type: str
  sample: "1 error, 0 warnings: MLB301 IPAddressPool metallb-system/main-pool: 192.168.7.2-192.168.7.250 holds the address of 1
    node: 192.168.7.6 (talos-worker-1)"
worst:
  description:
    - The worst of it, V(error), V(unknown), V(warning) or V(none), which O(fail_on) is compared with. For those who let it fail V(never) and
      judge by themselves.
  returned: unless nothing could be read
  type: str
  sample: error
scope:
  description: V(named) when services were asked for by name, so that only what concerns them counts, else V(all).
  returned: unless nothing could be read
  type: str
  sample: all
unknown:
  description: Kinds that the answer rests on and that could not be read, each with the reason. Empty when everything was read.
  returned: always
  type: dict
  sample: {}
skipped_kinds:
  description: Kinds that could not be read, and why.
  returned: unless nothing could be read
  type: dict
  sample: {}
api_error:
  description: What the API server said, with C(kind_of_failure), C(status), C(verb), C(resource), C(namespace), C(name) and C(advice).
  returned: when it was the API server that could not be read
  type: dict
  sample:
    kind_of_failure: unreachable
    status: 0
failure_kind:
  description: V(findings) when O(fail_on) made it fail, V(unknown) when O(unknown) did, V(execution) when nothing could be read at all.
  returned: failure
  type: str
  sample: findings
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.analysis import (
    ARGUMENTS,
    analyze_until_settled,
    options_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.conclusion import conclude, unknown_kinds
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.list_options import spread
from ansible_collections.l2ops.metallb.plugins.module_utils._diagnosis.diagnosis import diagnose_all
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.module import argument_spec, connect, guarded
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListRequest
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.wire_facts import OptionError
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import SnapshotError, load
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.gather import gather


def snapshot_source(module):
    """What takes a snapshot, and for how many seconds it is worth taking another one."""
    namespace = module.params["namespace"]
    if module.params["snapshot"]:
        loaded = read_snapshot(module)
        return (lambda: loaded), 0
    kube = connect(module)
    return (lambda: gather(kube, ListRequest, namespace)), max(0, module.params["settle"])


def read_snapshot(module):
    path = module.params["snapshot"]
    try:
        return load(path)
    except SnapshotError as error:
        fail(module, str(error))
    except OSError as error:
        fail(module, f"snapshot: {path} cannot be read: {error.strerror}.")


def fail(module, msg):
    module.fail_json(msg=msg, failure_kind="execution", changed=False)


def chosen(module, snapshot):
    """The services that were asked for, with their namespaces; None for all."""
    asked = module.params["services"]
    if asked is None:
        return None
    names = [name if "/" in name else f"default/{name}" for name in asked]
    there = {service.path for service in snapshot.services.values()}
    if not snapshot.has("services"):
        fail(module, f"Services could not be checked: {snapshot.why_missing('services')}")
    unknown = [name for name in names if name not in there]
    if unknown:
        balanced = ", ".join(service.path for service in snapshot.load_balancer_services[:10]) or "none"
        fail(module, f"services: there is no Service {unknown[0]}. Those that MetalLB serves: {balanced}.")
    return list(dict.fromkeys(names))


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            services={"type": "list", "elements": "str"},
            max_nodes={"type": "int", "default": 50},
            **ARGUMENTS,
        ),
        supports_check_mode=True,
    )
    module.params.update(spread(module.params, module.argument_spec))
    params = module.params
    try:
        options, notes = options_of(params)
    except OptionError as error:
        fail(module, str(error))
    with guarded(module):
        take, seconds = snapshot_source(module)
        context, verdict = analyze_until_settled(take, options, seconds)
    names = chosen(module, context.snapshot)
    diagnoses = diagnose_all(context, verdict, names, max(0, params["max_nodes"]))
    for note in (*notes, *verdict.notes):
        module.warn(note)
    result = dict(
        verdict.as_result(),
        changed=False,
        sentences=[one.sentence for one in diagnoses if one.state != "ok"],
        diagnoses=[one.as_result() for one in diagnoses],
        verdict=verdict.headline(),
        scope="named" if names else "all",
        unknown=unknown_kinds(context.snapshot),
        skipped_kinds=dict(context.snapshot.missing),
    )
    result.update(conclude(result, params["fail_on"], params["unknown"]))
    if "failure_kind" in result:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
