#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: l2_info
short_description: Know a cluster's layer 2 announcements
version_added: 1.0.0
description:
  - Reads everything that decides who announces which address, by one round of parallel list calls, and returns it together with
    the node that MetalLB's election gives for each service, and for every other node the reason why not.
  - A kind that may not be read is named in RV(not_looked_at); the rest is returned all the same.
author:
  - l2ops.metallb contributors (@l2ops)
extends_documentation_fragment:
  - l2ops.metallb.kubernetes
  - l2ops.metallb.attributes
  - l2ops.metallb.attributes.info
  - l2ops.metallb.attributes.actiongroup_all
options:
  settle:
    description:
      - Seconds that announcements get to become what the election says. V(0) looks once.
      - Whether they did is RV(settled); it is no failure if not.
    type: int
    default: 0
notes:
  - "RBAC: C(nodes), C(services), C(pods), C(endpointslices) (C(discovery.k8s.io)), C(deployments) and C(daemonsets) (C(apps)),
    C(ipaddresspools), C(l2advertisements) and C(servicel2statuses) (C(metallb.io)), each with C(list), in a ClusterRole."
seealso:
  - module: l2ops.metallb.l2_probe
  - module: l2ops.metallb.l2_ready
"""

EXAMPLES = r"""
- name: Know who announces what
  l2ops.metallb.l2_info:
  register: cluster

- name: Show services without an announcer, and why
  ansible.builtin.debug:
    msg: "{{ cluster.services | rejectattr('cause', 'equalto', '') | items2dict(key_name='name', value_name='cause') }}"
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
  sample:
    method: helm
    namespace: metallb-system
    release: metallb
    version: 0.15.3
    ignores_exclude_label: true
nodes:
  description: The nodes.
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
    excluded:
      description: Whether it carries the exclude label, whatever its value.
      type: bool
    speaker:
      description: Whether a ready speaker runs there. Null where that is not known.
      type: bool
  sample:
    - name: talos-worker-1
      addresses: [192.168.7.21]
      excluded: false
      speaker: true
pools:
  description: The IPAddressPools, with the number of addresses they have and of those that services hold.
  returned: success
  type: list
  elements: dict
  sample:
    - name: main-pool
      addresses: [192.168.7.200-192.168.7.250]
      size: 51
      used: 3
advertisements:
  description: The L2Advertisements, name and specification.
  returned: success
  type: list
  elements: dict
  sample:
    - name: l2-adv
      ipAddressPools: [main-pool]
      interfaces: [eth0]
services:
  description: The LoadBalancer services that MetalLB serves, by namespace and name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Namespace and name.
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
    predicted:
      description: The node that the election gives. Empty when nobody may announce.
      type: str
    reported:
      description: The node that ServiceL2Status names. It can be stale in MetalLB 0.15.
      type: str
    candidates:
      description: Nodes that may announce it.
      type: list
      elements: str
    reasons:
      description: For every node that does not announce it, why not.
      type: dict
    cause:
      description: Why nobody may announce it, in one sentence. Empty when somebody may.
      type: str
  sample:
    - name: traefik/traefik
      addresses: [192.168.7.203]
      ports:
        - port: 80
          protocol: TCP
      policy: Cluster
      predicted: talos-worker-2
      reported: talos-worker-2
      candidates: [talos-worker-1, talos-worker-2]
      reasons:
        talos-worker-1: talos-worker-2 comes first in the election
      cause: ""
expected:
  description: By address, the node that should answer, as M(l2ops.metallb.l2_probe) takes it.
  returned: success
  type: dict
  sample:
    192.168.7.203: talos-worker-2
settled:
  description: Whether every ServiceL2Status names the elected node.
  returned: success
  type: bool
  sample: true
not_looked_at:
  description: Kinds that could not be read, and why.
  returned: success
  type: dict
  sample: {}
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.l2ops.metallb.plugins.module_utils._cluster import KINDS, Snapshot, facts
from ansible_collections.l2ops.metallb.plugins.module_utils._kube import ListRequest, argument_spec, connect, guarded

POLL = 0.5


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(settle={"type": "int", "default": 0}), supports_check_mode=True)
    deadline = time.monotonic() + max(0, module.params["settle"])
    with guarded(module):
        kube = connect(module)
        while True:
            outcomes = kube.list_all([ListRequest(*kind) for kind in KINDS])
            errors = {kind: outcome.error for kind, outcome in outcomes.items() if outcome.error is not None}
            for error in errors.values():
                # Without a connection, a login or the nodes there is nothing to say about the cluster.
                if error.kind_of_failure in ("unreachable", "unauthorized", "tls"):
                    raise error
            objects = {kind: outcome.objects for kind, outcome in outcomes.items()}
            found = facts(Snapshot(objects, {kind: str(error) for kind, error in errors.items()}))
            if found["settled"] or time.monotonic() >= deadline:
                break
            time.sleep(POLL)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
