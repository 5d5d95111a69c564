#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Know a cluster's layer 2 announcements."""

from __future__ import annotations

DOCUMENTATION = r"""
module: l2_info
short_description: Know a cluster's layer 2 announcements
version_added: 1.0.0
description:
  - Reads everything that decides who announces which address, by about twenty parallel list calls, and returns it together
    with the node that MetalLB's election gives for each service, and for other nodes the reason why not.
  - A kind that may not be read is named in RV(skipped_kinds); the rest is returned all the same.
  - Can save what it read to a file, for M(l2ops.metallb.l2_validate) and M(l2ops.metallb.l2_diagnose) to look at without the
    cluster. The file holds what checks read, and beside that no arguments, environments, messages or annotations of anything.
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
  settle:
    description:
      - Seconds that announcements get to become what the election says. V(0) looks once. What differs for 10 seconds and
        does not move while every speaker is ready is not waited for any longer.
      - Whether they did is RV(settled); it is no failure if not.
    type: int
    default: 0
  save_to:
    description:
      - File to write the snapshot to, on the host where the module runs; compressed if its name ends in C(.gz).
      - It is written in check mode, too, since it is no part of the cluster.
    type: path
  max_nodes:
    description:
      - How many nodes are listed for each service at most.
    type: int
    default: 50
notes:
  - "RBAC: in a ClusterRole C(list) on C(nodes), C(services), C(namespaces), C(events), C(endpointslices)
    (C(discovery.k8s.io)), C(daemonsets) (C(apps)), C(servicecidrs) (C(networking.k8s.io)), C(customresourcedefinitions)
    (C(apiextensions.k8s.io)) and C(validatingwebhookconfigurations) (C(admissionregistration.k8s.io)). With O(namespace)
    given, in a Role there C(list) on C(pods), C(configmaps), C(deployments) (C(apps)) and C(ipaddresspools),
    C(l2advertisements), C(bgpadvertisements), C(bgppeers), C(servicel2statuses), C(configurationstates) (C(metallb.io));
    without it, these in the ClusterRole. C(applications) (C(argoproj.io)) are asked for only where Argo CD may track MetalLB
    by label. In C(kube-system) C(configmaps), of which the name C(kube-proxy) is enough. C(secrets) (names only) are asked for and not
    needed."
  - What needs a kind that could not be read is skipped and says why; see O(unknown).
seealso:
  - module: l2ops.metallb.l2_diagnose
  - module: l2ops.metallb.l2_probe
  - module: l2ops.metallb.l2_ready
  - module: l2ops.metallb.l2_validate
"""

EXAMPLES = r"""
- name: Gather who announces what
  l2ops.metallb.l2_info:
  register: cluster

- name: Show services without an announcer, and why
  ansible.builtin.debug:
    msg: "{{ cluster.services | rejectattr('cause', 'equalto', '') | items2dict(key_name='name', value_name='cause') }}"

- name: Ask the LAN whether these nodes answer
  l2ops.metallb.l2_probe:
    targets: "{{ cluster.expected.keys() | list }}"
    nodes: "{{ cluster.nodes }}"
    expected: "{{ cluster.expected }}"
  delegate_to: lan-client

- name: Save a snapshot for a support ticket
  l2ops.metallb.l2_info:
    save_to: /tmp/cluster.json.gz
"""

RETURN = r"""
metallb:
  description: What is installed. Empty strings where nothing is.
  returned: success
  type: dict
  contains:
    method:
      description: V(helm), V(manifests) or V(none).
      type: str
    namespace:
      description: Its namespace.
      type: str
    release:
      description: Name of the Helm release.
      type: str
    version:
      description: Version, from the tag of the controller's image.
      type: str
    ignores_exclude_label:
      description: Whether the speakers run with C(--ignore-exclude-lb).
      type: bool
    memberlist:
      description: Whether another node takes over when one dies.
      type: bool
    load_balancer_class:
      description: The class of services that it serves; empty for those without one.
      type: str
    speakers:
      description: How many nodes have a speaker.
      type: int
    speakers_ready:
      description: How many of those are ready.
      type: int
    controller_ready:
      description: Whether a controller is ready.
      type: bool
    managed_by:
      description: Its owner in words, such as C(Application argocd/metallb) or C(Helm release metallb-system/metallb).
      type: str
    owner:
      description:
        - Its owner, as C(tool), C(kind), C(namespace), C(name) and C(evidence). C(tool) is V(argocd), V(flux), V(helm), V(operator),
          or V(manifests) where nothing names an owner. Empty where MetalLB is not installed.
      type: dict
    memberlist_secret:
      description: The Secret with the speakers' memberlist key, as the DaemonSet mounts it. Empty where it mounts none.
      type: str
    frr:
      description: Whether the speakers run FRR.
      type: bool
  sample:
    method: helm
    namespace: metallb-system
    release: metallb
    version: 0.15.3
    ignores_exclude_label: true
    memberlist: true
    load_balancer_class: ""
    speakers: 4
    speakers_ready: 4
    controller_ready: true
    managed_by: Helm release metallb-system/metallb
    owner:
      tool: helm
      kind: Helm release
      namespace: metallb-system
      name: metallb
      evidence: "annotation meta.helm.sh/release-name: metallb, and the release's Secret"
owners:
  description:
    - Every object that this collection would change, and who owns it. MetalLB's namespace, workloads and webhook, pools, advertisements,
      the services that it serves, and the exclude label of nodes (C(part)).
    - Argo CD is told by its annotation C(tracking-id), with tracking by label from the C(status.resources) of its Applications; Flux by the
      labels of its Kustomizations and HelmReleases; then Helm, ownerReferences and, for labels, Talos.
  returned: success
  type: list
  elements: dict
  sample:
    - object:
        kind: IPAddressPool
        namespace: metallb-system
        name: main-pool
      part: ""
      managed_by: Application argocd/metallb-config
      owner:
        tool: argocd
        kind: Application
        namespace: argocd
        name: metallb-config
        evidence: "annotation argocd.argoproj.io/tracking-id: metallb-config:metallb.io/IPAddressPool:metallb-system/main-pool"
release:
  description:
    - Helm's record of MetalLB's release, the newest that is deployed, compared with what is there. Empty where there is none, or where it
      may not be read.
  returned: success
  type: dict
  contains:
    namespace:
      description: Namespace of the release.
      type: str
    name:
      description: Name of the release.
      type: str
    revision:
      description: Revision of the record.
      type: int
    status:
      description: Its status, V(deployed).
      type: str
    chart:
      description: Name of the chart.
      type: str
    chart_version:
      description: Version of the chart.
      type: str
    latest:
      description: RV(release.revision) and RV(release.status) of the latest revision, which may be V(failed) or V(pending-upgrade).
      type: dict
    differences:
      description:
        - What the release set and what is otherwise now, as C(problem) (V(missing), V(differs), V(foreign)), C(kind), C(namespace),
          C(name), C(path), C(wanted), C(found), C(by) and C(summary).
        - Of CustomResourceDefinitions only the existence is compared, of Secrets only labels and annotations.
      type: list
      elements: dict
    unread:
      description: Kinds that could not be read and so were not compared, with the reason.
      type: dict
  sample:
    namespace: metallb-system
    name: metallb
    revision: 3
    status: deployed
    chart: metallb
    chart_version: 0.15.3
    latest:
      revision: 3
      status: deployed
    differences: []
    unread: {}
nodes:
  description: The nodes, as M(l2ops.metallb.l2_probe) takes them.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name.
      type: str
    addresses:
      description: Internal addresses.
      type: list
      elements: str
    ready:
      description: Whether it is Ready, which plays no part in the election.
      type: bool
    excluded:
      description: Whether it carries the exclude label, whatever its value.
      type: bool
    excluded_by_talos:
      description: Whether Talos owns that label and puts it back.
      type: bool
    os_image:
      description: Operating system, as its kubelet names it.
      type: str
    network_unavailable:
      description: Whether its condition NetworkUnavailable is True.
      type: bool
    speaker:
      description: Whether a ready speaker runs there. Null where that is not known.
      type: bool
    eligible:
      description: Whether it may announce at all, if an advertisement selects it and the service's policy allows.
      type: bool
    reason:
      description: Why it may not. Empty where it may.
      type: str
  sample:
    - name: talos-worker-1
      addresses: [192.168.7.21]
      ready: true
      excluded: false
      excluded_by_talos: false
      os_image: Talos (v1.12.0)
      network_unavailable: false
      speaker: true
      eligible: true
      reason: ""
pools:
  description: The IPAddressPools, with the number of addresses they have and of those that services hold.
  returned: success
  type: list
  elements: dict
  sample:
    - name: main-pool
      namespace: metallb-system
      addresses: [192.168.7.200-192.168.7.250]
      size: 51
      used: 3
      free: 48
      auto_assign: true
      avoid_buggy_ips: false
      advertisements: [l2-adv]
advertisements:
  description: The L2Advertisements; their specification, and what they reach.
  returned: success
  type: list
  elements: dict
  sample:
    - name: l2-adv
      namespace: metallb-system
      ipAddressPools: [main-pool]
      interfaces: [eth0]
      reached_pools: [main-pool]
      selected_nodes: 4
services:
  description: The LoadBalancer services that MetalLB serves, by namespace and name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Namespace and name.
      type: str
    namespace:
      description: The namespace alone.
      type: str
    addresses:
      description: Addresses that it has.
      type: list
      elements: str
    ports:
      description: Its ports.
      type: list
      elements: dict
    policy:
      description: External traffic policy.
      type: str
    pool:
      description: The pool that holds its addresses. Empty for none.
      type: str
    elected:
      description: The node that the election gives. Empty when nobody may announce.
      type: str
    reported:
      description: The node that ServiceL2Status names. It can be stale in MetalLB 0.15.
      type: str
    candidates:
      description: Nodes that may announce it, in the order in which they would (O(max_nodes) at most).
      type: list
      elements: str
    candidate_count:
      description: How many nodes may announce it.
      type: int
    doubt:
      description: Why the elected node cannot be told, where an advertisement uses a field that this collection does not know (finding MLB411);
        else empty.
      type: str
    reasons:
      description: For nodes that do not announce it, why not (O(max_nodes) at most).
      type: dict
    cause:
      description: Why nobody may announce it, in one sentence. Empty when somebody may.
      type: str
  sample:
    - name: traefik/traefik
      namespace: traefik
      addresses: [192.168.7.203]
      ports:
        - name: web
          port: 80
          protocol: TCP
      policy: Cluster
      pool: main-pool
      elected: talos-worker-2
      reported: talos-worker-2
      candidates: [talos-worker-2, talos-worker-1]
      candidate_count: 2
      doubt: ""
      reasons:
        talos-worker-1: talos-worker-2 comes first in the election; it is number 2
      cause: ""
expected:
  description: By address, the node that should answer, as M(l2ops.metallb.l2_probe) takes it.
  returned: success
  type: dict
  sample:
    192.168.7.203: talos-worker-2
settled:
  description: Whether every ServiceL2Status names the elected node, and there is one for every service that is announced.
  returned: success
  type: bool
  sample: true
saved_to:
  description: The file that the snapshot was written to.
  returned: when O(save_to) is given
  type: str
  sample: /tmp/cluster.json.gz
unknown:
  description: Kinds that the answer rests on and that could not be read, each with the reason. Empty when everything was read.
  returned: always
  type: dict
  sample: {}
skipped_kinds:
  description: Kinds that could not be read, and why.
  returned: success
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
  description: V(unknown) when O(unknown) made it fail, V(execution) when the cluster or the file could not be read at all.
  returned: failure
  type: str
  sample: execution
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.analysis import facts
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.conclusion import POLICIES, UNKNOWN, explained
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.module import argument_spec, connect, guarded
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListRequest
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import SnapshotError, load, save
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.gather import gather

POLL = 0.5
STUCK = 10.0


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


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            namespace={"type": "str"},
            snapshot={"type": "path"},
            settle={"type": "int", "default": 0},
            save_to={"type": "path"},
            max_nodes={"type": "int", "default": 50},
            unknown={"type": "str", "choices": list(POLICIES), "default": "fail"},
        ),
        supports_check_mode=True,
    )
    with guarded(module):
        take, seconds = snapshot_source(module)
        deadline = time.monotonic() + seconds
        differing, since = [], time.monotonic()
        while True:
            snapshot = take()
            found = facts(snapshot, max(0, module.params["max_nodes"]))
            left = deadline - time.monotonic()
            differ = [
                (one["name"], one["elected"], one["reported"])
                for one in found["services"]
                if one["elected"] != one["reported"]
            ]
            # After a restart of nodes a speaker is ready only after 10 to 30 s, and nothing moves before.
            starting = found["metallb"]["speakers_ready"] < found["metallb"]["speakers"]
            if differ != differing or starting:
                differing, since = differ, time.monotonic()
            # MetalLB 0.15 leaves some ServiceL2Status wrong for good: what has not moved for so long will not move.
            stuck = bool(differ) and time.monotonic() - since >= STUCK
            if found["settled"] or stuck or left <= 0:
                break
            time.sleep(min(POLL, left))
    path = module.params["save_to"]
    if path:
        try:
            save(snapshot, path)
        except OSError as error:
            fail(module, f"save_to: {path} cannot be written: {error.strerror}.")
        found["saved_to"] = path
    if found["unknown"]:
        found["msg"] = explained("What is returned holds the rest.", found["unknown"])
        if module.params["unknown"] == "fail":
            module.fail_json(failure_kind=UNKNOWN, changed=False, **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
