#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check a layer 2 set-up: running, saved, or not yet applied."""

from __future__ import annotations

DOCUMENTATION = r"""
module: l2_validate
short_description: Check a MetalLB layer 2 set-up, running or not yet applied
version_added: 1.0.0
description:
  - Applies all rules of this collection (findings MLB1xx to MLB7xx) to a live cluster, to a saved snapshot, to manifests on
    disk, or to pools, advertisements and services given as options; the latter two alone, or as if they were applied
    to the cluster or snapshot.
  - A check that was skipped says so in RV(checks) and is never taken for passed.
  - It changes nothing. A healthy cluster gives neither errors nor warnings.
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
  manifests:
    description:
      - Files and folders with manifests, in YAML (several documents per file) or JSON. IPAddressPools, L2Advertisements,
        BGPAdvertisements, BGPPeers and Services are judged; other kinds are passed over.
      - A file of a folder that is not a manifest is left out, and RV(judged.notes) says how many and why. Only a file that is named itself
        ends the run.
      - Kustomize's resources, components, patches, replacements and namespaces, Flux' C(postBuild) and C(targetNamespace), and Argo CD's
        destinations are applied before anything is judged. Where the files describe several clusters, each gets its own verdict
        (RV(clusters)).
      - Helm values of MetalLB are honored, too, in a values file, an Argo CD Application or ApplicationSet, a Flux HelmRelease, a HelmChart
        of k3s, or C(helmCharts) of Kustomize, and so are Services that values of other charts ask MetalLB for.
      - So is the order in which Argo CD (sync waves) or Flux (C(dependsOn)) apply them (MLB7xx). Give the whole repository for that,
        with Applications and Kustomizations.
      - Findings about these objects carry RV(findings[].file) and RV(findings[].line).
    type: list
    elements: path
    default: []
  exclude:
    description:
      - Files and folders below O(manifests) that are left out, as patterns like those of C(.gitignore), relative to the folder. A file
        C(.l2opsignore) in the folder has more of them, one a line.
    type: list
    elements: str
    default: []
  clusters:
    description:
      - Folders below O(manifests) of which each is one cluster. Needed only where that cannot be told from the files; what lies in none of
        them, and is applied by none of them, is judged apart.
    type: list
    elements: str
    default: []
  pools:
    description:
      - Pools as M(l2ops.metallb.l2_config) takes them, with C(name), C(addresses), C(auto_assign),
        C(avoid_buggy_ips), C(service_allocation), C(labels) and C(annotations).
    type: list
    elements: dict
  advertisements:
    description:
      - Advertisements as M(l2ops.metallb.l2_config) takes them, with C(name), C(ip_address_pools),
        C(ip_address_pool_selectors), C(node_selectors), C(interfaces), C(service_selectors), C(labels) and C(annotations).
    type: list
    elements: dict
  services:
    description:
      - Services as Kubernetes objects.
    type: list
    elements: dict
  against:
    description:
      - What O(manifests), O(pools), O(advertisements) and O(services) are laid over, as if they were applied there.
      - By default V(snapshot) with O(snapshot), else V(nothing) if any of them is given, else V(cluster).
    type: str
    choices: [cluster, snapshot, nothing]
  prune:
    description:
      - Whether pools, if any are given, replace all pools of the cluster or snapshot instead of only those of the same name,
        and advertisements likewise.
    type: bool
    default: false
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
  - module: l2ops.metallb.l2_config
  - module: l2ops.metallb.l2_diagnose
  - module: l2ops.metallb.l2_info
"""

EXAMPLES = r"""
- name: Is anything wrong with this cluster?
  l2ops.metallb.l2_validate:
    gateway: [192.168.7.1]
    dhcp_ranges: [192.168.7.100-192.168.7.199]

- name: What would be wrong if this folder were applied?
  l2ops.metallb.l2_validate:
    manifests: [infrastructure/metallb/config]
    against: cluster

- name: The same in a pipeline, without a cluster
  l2ops.metallb.l2_validate:
    manifests: [infrastructure/metallb]
    gateway: [192.168.7.1]
    node_networks: [192.168.7.0/24]
    fail_on: warning

- name: Check variables before anything is installed
  l2ops.metallb.l2_validate:
    pools:
      - name: main-pool
        addresses: [192.168.7.200-192.168.7.250]
    advertisements:
      - name: l2-adv
        ip_address_pools: [main-pool]
        interfaces: [eth0]
    ignore: [MLB513]

- name: Look at what somebody sent with a support ticket
  l2ops.metallb.l2_validate:
    snapshot: cluster.json.gz
    fail_on: never
"""

RETURN = r"""
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
    cluster:
      description: The cluster, where the files describe several; several names where it is the same in all of them.
      returned: when the files describe several clusters
      type: str
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
    - The worst of it, V(error), V(warning) or V(none), which O(fail_on) is compared with. For those who let it fail V(never) and
      judge by themselves.
    - V(unknown) also where files were given and nothing in them could be judged; then RV(unknown) has C(manifests) with the reason.
  returned: unless nothing could be read
  type: str
  sample: error
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
  description:
    - V(findings) when O(fail_on) made it fail, V(unknown) when O(unknown) did, also where files were given and nothing in them could be
      judged, V(execution) when nothing could be read at all.
  returned: failure
  type: str
  sample: findings
judged:
  description: What was judged.
  returned: unless nothing could be read
  type: dict
  contains:
    against:
      description: V(cluster), V(snapshot) or V(nothing).
      type: str
    files:
      description: Files that were read.
      type: list
      elements: str
    written:
      description: Objects that were given, as C(kind namespace/name).
      type: list
      elements: str
    notes:
      description: Remarks about the files, such as how many were left out and why.
      type: list
      elements: str
    unread:
      description: Files that mention metallb and were not read.
      type: list
      elements: str
  sample:
    against: cluster
    files: []
    written: []
    notes: []
    unread: []
clusters:
  description: One row for each cluster that the files describe; one row without a name where there is only one.
  returned: unless nothing could be read
  type: list
  elements: dict
  contains:
    name:
      description: Name of the folder or destination.
      type: str
    worst:
      description: V(error), V(warning) or V(none).
      type: str
    errors:
      description: Number of errors.
      type: int
    warnings:
      description: Number of warnings.
      type: int
    infos:
      description: Number of other findings.
      type: int
    verdict:
      description: The most important of it in one line.
      type: str
  sample:
    - name: east
      worst: none
      errors: 0
      warnings: 0
      infos: 0
      verdict: Nothing is wrong.
"""

from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.analysis import (
    ARGUMENTS,
    analyze_until_settled,
    options_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.conclusion import (
    UNKNOWN,
    explained,
    failure_kind,
    unknown_kinds,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.list_options import listed, spread
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.repository import (
    capped,
    combined,
    headline,
    overview,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.manifests import (
    ManifestError,
    Manifests,
    Reading,
    read,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.module import argument_spec, connect, guarded
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListRequest
from ansible_collections.l2ops.metallb.plugins.module_utils._model.options import (
    OPTION_FIELDS,
    advertisement_to_object,
    pool_to_object,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.wire_facts import OptionError
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import SnapshotError, load
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.gather import gather
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.kinds import DEFAULT_NAMESPACE, PLURALS
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import from_manifests

try:
    import yaml

    YAML_ERROR = None
except ImportError as error:
    yaml = None
    YAML_ERROR = error


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


def read_files(module):
    """What the files describe, by cluster; one empty cluster without files."""
    params = module.params
    found = Reading(clusters=[Manifests(namespace=params["namespace"] or DEFAULT_NAMESPACE)])
    if params["manifests"]:
        if yaml is None:
            module.fail_json(
                msg=missing_required_lib("PyYAML", reason="to read manifests"),
                exception=str(YAML_ERROR),
                failure_kind="execution",
            )
        try:
            found = read(params["manifests"], params["namespace"], yaml, params["exclude"], params["clusters"])
        except ManifestError as error:
            fail(module, f"manifests: {error}")
    return found


def one_cluster(module, reading):
    """What is laid over a cluster or a snapshot must be of one cluster."""
    several = [one for one in reading.clusters if one.worst == "error"]
    if len(several) > 1:
        names = ", ".join(one.name for one in several)
        fail(
            module,
            f"manifests: the files describe {len(several)} clusters ({names}). Give the folder of one of them, or leave the others "
            "out with exclude (metallb_validate_exclude).",
        )
    return reading.clusters[0]


def given(module, found, namespace):
    """Objects that the user wrote, out of files of one cluster and options."""
    params = module.params
    for option, kind, convert in (
        ("pools", "IPAddressPool", pool_to_object),
        ("advertisements", "L2Advertisement", advertisement_to_object),
    ):
        names = set()
        for place, one in enumerate(params[option] or ()):
            if not one.get("name"):
                fail(module, f"{option}: entry {place + 1} has no name.")
            unknown = sorted(key for key in one if key not in OPTION_FIELDS[kind])
            if unknown:
                known = ", ".join(OPTION_FIELDS[kind])
                fail(module, f"{option}: {one['name']} has {unknown[0]}, which is none of {known}.")
            if one["name"] in names:
                fail(module, f"{option}: {one['name']} is given twice.")
            names.add(one["name"])
            texts = ("addresses", "interfaces", "ip_address_pools")
            one = {**one, **{key: listed(one[key]) for key in texts if key in one}}
            found.objects.append(convert(one, namespace))
    for place, one in enumerate(params["services"] or ()):
        metadata = one.get("metadata")
        if one.get("kind", "Service") != "Service" or not isinstance(metadata, dict) or not metadata.get("name"):
            fail(
                module, f"services: entry {place + 1} is no Service: it needs metadata.name and spec, as in a manifest."
            )
        found.objects.append(
            {**one, "kind": "Service", "metadata": {"namespace": "default", **metadata}},
        )
    return found


def against_of(params):
    if params["against"]:
        return params["against"]
    if params["snapshot"]:
        return "snapshot"
    wrote = params["manifests"] or any(params[option] is not None for option in ("pools", "advertisements", "services"))
    return "nothing" if wrote else "cluster"


def main() -> None:
    objects = {"type": "list", "elements": "dict"}
    module = AnsibleModule(
        argument_spec=argument_spec(
            manifests={"type": "list", "elements": "path", "default": []},
            pools=objects,
            advertisements=objects,
            services=objects,
            exclude={"type": "list", "elements": "str", "default": []},
            clusters={"type": "list", "elements": "str", "default": []},
            against={"type": "str", "choices": ["cluster", "snapshot", "nothing"]},
            prune={"type": "bool", "default": False},
            **ARGUMENTS,
        ),
        supports_check_mode=True,
    )
    module.params.update(spread(module.params, module.argument_spec))
    params = module.params
    against = against_of(params)
    if (against == "snapshot") != bool(params["snapshot"]):
        fail(module, "against: snapshot needs the option snapshot, and the option snapshot needs against: snapshot.")
    try:
        options, notes = options_of(params)
    except OptionError as error:
        fail(module, str(error))
    reading, nothing = None, ""
    with guarded(module):
        if against == "nothing":
            reading = read_files(module)
            verdicts = []
            for found in reading.clusters:
                given(module, found, found.namespace)
                base = from_manifests(
                    found.objects, found.sources, found.settings, found.namespace, found.plan, found.faults
                )
                context, verdict = analyze_until_settled(lambda base=base: base, options, 0)
                verdicts.append((found.name, capped(verdict, found.worst)))
            if params["manifests"] and not any(params[option] for option in ("pools", "advertisements")):
                nothing = reading.nothing()
        else:
            look, seconds = snapshot_source(module)

            def take():
                nonlocal reading
                snapshot = look()
                if reading is None:
                    reading = read_files(module)
                    given(module, one_cluster(module, reading), params["namespace"] or snapshot.namespace)
                found = reading.clusters[0]
                if not found.objects and not found.settings and not found.plan.steps:
                    return snapshot
                kinds = {PLURALS[one["kind"]] for one in found.objects} - {"services"} if params["prune"] else ()
                laid = snapshot.overlay(found.objects, found.sources, found.settings, kinds, found.plan)
                return replace(laid, faults=found.faults)

            context, verdict = analyze_until_settled(take, options, seconds)
            verdicts = [("", verdict)]
    verdict = combined(verdicts)
    rows = overview(verdicts)
    told = headline(verdict, rows, nothing)
    nothing = nothing if verdict.worst == "none" else ""
    for note in (*notes, *verdict.notes, *reading.told):
        module.warn(note)
    # Files alone say nothing of a cluster, and nobody asked.
    unknown = {} if against == "nothing" else unknown_kinds(context.snapshot)
    result = dict(
        verdict.as_result(),
        changed=False,
        msg=explained(told, unknown),
        verdict=told,
        worst=UNKNOWN if (unknown or nothing) and verdict.worst != "error" else verdict.worst,
        unknown={**unknown, "manifests": nothing} if nothing else unknown,
        clusters=rows,
        skipped_kinds=dict(context.snapshot.missing),
        judged={
            "against": against,
            "files": reading.files,
            "written": [
                f"{one['kind']} {one['metadata'].get('namespace')}/{one['metadata']['name']}"
                for found in reading.clusters
                for one in found.objects
            ],
            "notes": reading.told,
            "unread": [one.path for one in reading.unread],
        },
    )
    kind = failure_kind(result["worst"], result["unknown"], params["fail_on"], params["unknown"])
    if kind:
        module.fail_json(failure_kind=kind, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
