#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the files of a GitOps repository that bring MetalLB, pools and advertisements into a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gitops_files
short_description: Write MetalLB, its pools and advertisements as files of a GitOps repository
version_added: 1.0.0
description:
  - Writes what the roles P(l2ops.metallb.install#role) and P(l2ops.metallb.config#role) would do to a cluster as files that Argo CD,
    Flux or C(kubectl) apply, in an order in which nothing comes before what it needs.
  - The same options give the same files, byte for byte. Each file begins with a header that holds a digest of the rest.
  - A file that was changed by hand since, or that something else wrote, is not overwritten. Then nothing is written at all, unless
    O(force=true).
  - What the repository will hold is judged first, as M(l2ops.metallb.l2_validate) does, the order of things included; see O(fail_on).
    Looked at are the new files and all others in the folder that O(folder) is in.
  - No cluster is asked or changed.
author:
  - l2ops.metallb contributors (@l2ops)
extends_documentation_fragment:
  - l2ops.metallb.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description:
      - Folder on this host with the working copy of the repository. What is missing is made.
      - Without it nothing is written, and all files are in RV(files).
    type: path
  style:
    description:
      - Who applies the files.
      - V(argocd) writes Applications and sync waves, 0 for MetalLB's chart, 1 for pools, 2 for advertisements, 3 for Traefik, 4 for its
        configuration, 5 and more for O(apps).
      - V(flux) writes HelmReleases, and Kustomizations with C(dependsOn) and C(wait).
      - V(manifests) writes plain manifests; the header of each file says which step it is.
    type: str
    choices: [argocd, manifests, flux]
    default: argocd
  folder:
    description:
      - Folder of the repository to write below. Beside it, C(bootstrap) holds what a person applies once.
      - Each cluster needs a folder of its own.
    type: str
    default: infrastructure
  namespace:
    description:
      - Namespace of MetalLB.
    type: str
    default: metallb-system
  release_name:
    description:
      - Name of MetalLB's Helm release.
    type: str
    default: metallb
  chart_ref:
    description:
      - Name of MetalLB's chart in O(chart_repo), or an V(oci://) reference. A local folder or archive can be had only with
        O(style=manifests).
    type: str
    default: metallb
  chart_repo:
    description:
      - URL of the Helm repository.
    type: str
    default: https://metallb.github.io/metallb
  version:
    description:
      - Version of MetalLB's chart.
    type: str
    default: 0.15.3
  chart_values:
    description:
      - Helm values of MetalLB.
    type: dict
    default: {}
  pools:
    description:
      - Pools as M(l2ops.metallb.l2_config) takes them.
    type: list
    elements: dict
    default: []
  advertisements:
    description:
      - Advertisements as M(l2ops.metallb.l2_config) takes them.
    type: list
    elements: dict
    default: []
  repo_url:
    description:
      - URL by which Argo CD or Flux read the repository.
      - Without it there is no Application (Argo CD) or GitRepository (Flux) for the repository itself in C(bootstrap). Something else
        must then apply O(folder).
    type: str
    default: ''
  revision:
    description:
      - Branch that they read.
    type: str
    default: main
  argocd_namespace:
    description:
      - Namespace of Argo CD.
    type: str
    default: argocd
  argocd_project:
    description:
      - Project of the Applications.
    type: str
    default: default
  argocd_server:
    description:
      - API server of the cluster that Argo CD deploys to.
    type: str
    default: https://kubernetes.default.svc
  flux_namespace:
    description:
      - Namespace of Flux's own objects.
    type: str
    default: flux-system
  flux_source:
    description:
      - Name of the GitRepository. V(flux-system) is the one that C(flux bootstrap) makes.
    type: str
    default: flux-system
  traefik:
    description:
      - Traefik with policy C(Cluster), the example of waves 3 and 4. Without it there is none.
    type: dict
    suboptions:
      namespace:
        description: Its namespace.
        type: str
        default: traefik
      chart_repo:
        description: URL of the Helm repository.
        type: str
        default: https://traefik.github.io/charts
      version:
        description: Version of the chart.
        type: str
        default: 37.4.0
      address:
        description: Address of its Service. Without it, the first that is free.
        type: str
        default: ''
  apps:
    description:
      - What comes after MetalLB, waves 5 and more. Each has either O(apps[].path) or O(apps[].chart). Not written with
        O(style=manifests).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the Application or Kustomization, and of the Helm release.
        type: str
        required: true
      namespace:
        description: Where it goes.
        type: str
        required: true
      wave:
        description: Its wave.
        type: int
        default: 5
      path:
        description: Folder of the same repository with its manifests.
        type: str
        default: ''
      chart:
        description: Name of a chart in O(apps[].repo).
        type: str
        default: ''
      repo:
        description: URL of a Helm repository.
        type: str
        default: ''
      version:
        description: Version of the chart.
        type: str
        default: ''
      chart_values:
        description: Helm values.
        type: dict
        default: {}
  rendered:
    description:
      - Texts of charts by name of the release, as C(helm template) wrote them, for O(style=manifests). For a chart that is not among
        them its values are written, and the Helm command.
    type: dict
    default: {}
  prune:
    description:
      - Remove files of O(folder), and its own of C(bootstrap), that this module wrote and that are no longer wanted.
    type: bool
    default: false
  force:
    description:
      - Overwrite, and with O(prune) remove, what was changed by hand or written by something else.
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
      - Other addresses, ranges or prefixes that no pool may hold (MLB302).
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
      - On-link networks of the nodes as prefixes (MLB304, MLB306).
    type: list
    elements: str
    default: []
  cluster_networks:
    description:
      - Networks of Services and pods (MLB308).
    type: list
    elements: str
    default: []
  ignore:
    description:
      - Findings that are ignored, by code, slug or pattern, as in M(l2ops.metallb.l2_validate).
    type: list
    elements: str
    default: []
  fail_on:
    description:
      - V(error) writes nothing and fails when there is a finding of severity error, V(warning) also for warnings, V(never) writes in any
        case.
    type: str
    choices: [error, warning, never]
    default: error
seealso:
  - module: l2ops.metallb.l2_validate
  - module: l2ops.metallb.l2_config
"""

EXAMPLES = r"""
- name: Write the repository that Argo CD reads
  l2ops.metallb.gitops_files:
    path: ~/src/platform
    repo_url: https://git.example.org/ops/platform.git
    chart_values:
      speaker: {ignoreExcludeLB: true}
    pools:
      - name: main-pool
        addresses: [192.168.7.200-192.168.7.250]
    advertisements:
      - name: l2-adv
        ip_address_pools: [main-pool]
        interfaces: [eth0]
    traefik: {address: 192.168.7.203}

- name: The same for Flux, for one cluster of several
  l2ops.metallb.gitops_files:
    path: ~/src/fleet
    style: flux
    folder: clusters/home/infrastructure
    pools: "{{ metallb_pools }}"
    advertisements: "{{ metallb_advertisements }}"
    apps:
      - name: web
        namespace: web
        path: clusters/home/web
"""

RETURN = r"""
files:
  description: Every file, by path within the repository.
  returned: success, or when files may not be overwritten
  type: list
  elements: dict
  contains:
    path:
      description: Where it is.
      type: str
    action:
      description: V(created), V(changed), V(removed), V(unchanged), or V(kept) for one of its own that is no longer wanted.
      type: str
    content:
      description: Its text.
      type: str
    refused:
      description: Why it may not be overwritten without O(force).
      type: str
  sample:
    - path: infrastructure/metallb/config/ipaddresspool.yaml
      action: created
      content: "# Written by playbook l2ops.metallb.gitops …"
      refused: ""
written:
  description: Paths of files that were written or removed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [infrastructure/metallb/config/ipaddresspool.yaml]
findings:
  description:
    - What is wrong with what the repository will hold, as M(l2ops.metallb.l2_validate) returns it; the worst first.
  returned: unless the options make no files
  type: list
  elements: dict
  sample:
    - code: MLB404
      severity: warning
      summary: "L2Advertisement metallb-system/l2-adv: it names no interfaces, so addresses are announced on every interface of the elected node"
      file: platform/infrastructure/metallb/config/l2advertisement.yaml
      line: 8
checks:
  description: Every finding of the catalogue, whether it was looked for, and why not, as M(l2ops.metallb.l2_validate) returns it.
  returned: unless the options make no files
  type: list
  elements: dict
  sample:
    - id: MLB301
      result: passed
      reason: ""
summary:
  description: How many findings there are of each severity.
  returned: unless the options make no files
  type: dict
  sample: {errors: 0, warnings: 1, infos: 0, skipped: 3, ignored: 0}
failure_kind:
  description: V(findings) when findings were the reason, else V(execution).
  returned: failure
  type: str
  sample: findings
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.analysis import ARGUMENTS as JUDGING
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.analysis import analyze_until_settled, options_of
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.list_options import listed, spread
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.repository import combined
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.manifests import ManifestError, read_repository
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.ownership import decide
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.render import render
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.request import (
    STYLES,
    App,
    Chart,
    GitopsError,
    RepositoryRequest,
    chart_of,
    traefik,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.wire_facts import OptionError
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import from_manifests

try:
    import yaml

    YAML_ERROR = None
except ImportError as error:
    yaml = None
    YAML_ERROR = error

SUFFIXES = (".yaml", ".yml")


def text(default=""):
    return {"type": "str", "default": default}


ARGUMENTS = {
    "path": {"type": "path"},
    "style": {"type": "str", "choices": list(STYLES), "default": "argocd"},
    "folder": text("infrastructure"),
    "namespace": text("metallb-system"),
    "release_name": text("metallb"),
    "chart_ref": text("metallb"),
    "chart_repo": text("https://metallb.github.io/metallb"),
    "version": text("0.15.3"),
    "chart_values": {"type": "dict", "default": {}},
    "pools": {"type": "list", "elements": "dict", "default": []},
    "advertisements": {"type": "list", "elements": "dict", "default": []},
    "repo_url": text(),
    "revision": text("main"),
    "argocd_namespace": text("argocd"),
    "argocd_project": text("default"),
    "argocd_server": text("https://kubernetes.default.svc"),
    "flux_namespace": text("flux-system"),
    "flux_source": text("flux-system"),
    "traefik": {
        "type": "dict",
        "options": {
            "namespace": text("traefik"),
            "chart_repo": text("https://traefik.github.io/charts"),
            "version": text("37.4.0"),
            "address": text(),
        },
    },
    "apps": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "wave": {"type": "int", "default": 5},
            "path": text(),
            "chart": text(),
            "repo": text(),
            "version": text(),
            "chart_values": {"type": "dict", "default": {}},
        },
    },
    "rendered": {"type": "dict", "default": {}},
    "prune": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    **{
        option: JUDGING[option]
        for option in (
            "gateway",
            "reserved",
            "dhcp_ranges",
            "node_networks",
            "cluster_networks",
            "ignore",
            "fail_on",
        )
    },
}


def fail(module, msg, kind="execution", **result):
    module.fail_json(msg=msg, changed=False, failure_kind=kind, **result)


def wishes_of(params):
    """Raises GitopsError."""
    if params["style"] == "manifests":
        chart, repo = params["chart_ref"], params["chart_repo"]
        if "/" in chart or chart.endswith(".tgz"):
            repo = ""
    else:
        chart, repo = chart_of(params["chart_ref"], params["chart_repo"])
    texts = ("addresses", "interfaces", "ip_address_pools")
    meant = {
        option: [{**one, **{key: listed(one[key]) for key in texts if key in one}} for one in params[option]]
        for option in ("pools", "advertisements")
    }
    return RepositoryRequest(
        style=params["style"],
        metallb=Chart(
            params["release_name"], params["namespace"], chart, repo, params["version"], params["chart_values"], True
        ),
        folder=params["folder"],
        repo_url=params["repo_url"],
        revision=params["revision"],
        argocd_namespace=params["argocd_namespace"],
        project=params["argocd_project"],
        server=params["argocd_server"],
        flux_namespace=params["flux_namespace"],
        source=params["flux_source"],
        traefik=params["traefik"]
        and traefik(*(params["traefik"][key] for key in ("namespace", "chart_repo", "version", "address"))),
        apps=[app_of(one) for one in params["apps"]],
        rendered=params["rendered"],
        **meant,
    )


def app_of(one):
    chart = None
    if one["chart"]:
        if not one["repo"] or not one["version"]:
            raise GitopsError(f"apps: {one['name']} has a chart, so it needs repo and version, too.")
        chart = Chart(one["name"], one["namespace"], one["chart"], one["repo"], one["version"], one["chart_values"])
    return App(one["name"], one["namespace"], one["wave"], one["path"], chart)


def read(module, top, wanted, folder):
    """Texts of files that are wanted, and of all others that this cluster may have, by path."""
    names = set(wanted)
    for around, folders, files in os.walk(os.path.join(top, folder)):
        folders.sort()
        names |= {os.path.relpath(os.path.join(around, one), top) for one in files if one.endswith(SUFFIXES)}
    # Others of bootstrap may be another cluster's.
    names.add(os.path.join(os.path.dirname(folder), "bootstrap", f"{os.path.basename(folder)}.yaml"))
    there = {}
    for name in sorted(names):
        full = os.path.join(top, name)
        # Also what is not there yet: a folder around it may be a link.
        inside(module, top, name)
        if not os.path.lexists(full):
            continue
        if os.path.exists(full) and not os.path.isfile(full):
            fail(module, f"path: {full} is not a regular file, so it is none of this module's. Move it away.")
        try:
            with open(full, encoding="utf-8", newline="") as stream:
                there[name] = stream.read()
        except UnicodeDecodeError:
            if name in wanted:
                fail(module, f"path: {full} is no text in UTF-8, so it is none of this module's. Move it away.")
        except OSError as error:
            fail(module, f"path: {full} cannot be read: {error.strerror}.")
    return there


def inside(module, top, name):
    """What leads out of the repository is not followed."""
    real, around = os.path.realpath(os.path.join(top, name)), os.path.realpath(top)
    if os.path.commonpath([real, around]) != around:
        fail(module, f"path: {os.path.join(top, name)} is a link that leads out of {top}, to {real}. Remove it.")


def judgement(module, params, top, request, changes):
    """The verdict on what will be there, in the folder around this cluster's: beyond it may be other clusters'."""
    around = os.path.dirname(request.folder)
    texts = {
        os.path.relpath(one.path, around or "."): None if one.action == "removed" else one.after
        for one in changes
        if one.action in ("created", "changed", "unchanged", "removed")
    }
    try:
        options, notes = options_of(params)
        found = read_repository(os.path.join(top, around) if top else "", texts, request.metallb.namespace, yaml)
    except (OptionError, ManifestError) as error:
        fail(module, str(error))
    ours = {
        os.path.abspath(os.path.join(top or "", around if top else "", name)).replace(os.sep, "/") for name in texts
    }
    concerned = [one for one in found.clusters if one.paths & ours] or found.clusters
    verdicts = []
    for one in concerned:
        base = from_manifests(one.objects, one.sources, one.settings, one.namespace, one.plan, one.faults)
        verdicts.append((one.name, analyze_until_settled(lambda base=base: base, options, 0)[1]))
    verdict = combined(verdicts)
    for note in (*notes, *verdict.notes, *found.told):
        module.warn(note)
    return verdict


def write(module, top, change):
    full = os.path.join(top, change.path)
    try:
        if change.action == "removed":
            os.remove(full)
            return
        os.makedirs(os.path.dirname(full), exist_ok=True)
        handle, name = tempfile.mkstemp(dir=module.tmpdir)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(change.after)
        new = not os.path.exists(full)
        module.atomic_move(name, full)
        if new:
            # mkstemp makes files that only their owner reads.
            module.set_mode_if_different(full, "0644", False)
    except OSError as error:
        fail(module, f"path: {full} cannot be written: {error.strerror}.")


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = spread(module.params, ARGUMENTS)
    if yaml is None:
        module.fail_json(msg=missing_required_lib("PyYAML", reason="to write manifests"), exception=str(YAML_ERROR))
    try:
        request = wishes_of(params)
        wanted = render(request, yaml)
    except GitopsError as error:
        fail(module, str(error))
    top = params["path"]
    if top and os.path.exists(top) and not os.path.isdir(top):
        fail(module, f"path: {top} is no folder.")
    changes = decide(wanted, read(module, top, wanted, request.folder) if top else {}, params["prune"])
    listing = [
        {"path": one.path, "action": one.action, "content": one.after or one.before, "refused": one.refused}
        for one in changes
    ]
    todo = [one for one in changes if one.action in ("created", "changed", "removed")]
    diff = [
        {"before": one.before, "after": one.after, "before_header": one.path, "after_header": one.path} for one in todo
    ]
    verdict = judgement(module, params, top, request, changes)
    told = verdict.as_result()
    about = {"files": listing, "diff": diff, **told}
    if verdict.fails(params["fail_on"]):
        fail(module, f"Nothing was written. {verdict.headline()}", "findings", **about)
    refused = [one for one in todo if one.refused]
    if refused and not params["force"]:
        names = "; ".join(f"{one.path}: {one.refused}" for one in refused)
        fail(
            module,
            f"Nothing was written, for {len(refused)} of {len(changes)} files would lose what somebody else wrote: {names}. Look at the difference "
            "(--check --diff), bring what is worth keeping into the variables, then give force (metallb_gitops_force: true).",
            **about,
        )
    if top and not module.check_mode:
        for one in todo:
            write(module, top, one)
    kept = [one.path for one in changes if one.action == "kept"]
    if kept:
        module.warn(
            f"{', '.join(kept)}: written once and no longer wanted. prune (metallb_gitops_prune: true) removes them."
        )
    if not top:
        about["diff"] = []
    module.exit_json(
        msg=verdict.headline(), changed=bool(top and todo), written=[one.path for one in todo] if top else [], **about
    )


if __name__ == "__main__":
    main()
