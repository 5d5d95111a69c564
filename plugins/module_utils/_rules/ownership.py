# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Who owns what a finding is about, fixes in that owner's terms, and what differs from Helm's release."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    as_dict,
    as_int,
    as_labels,
    as_list,
    as_text,
    metadata_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._model.workloads import component_of
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.drift import FOREIGN, MISSING, Difference
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.owners import (
    Owner,
    fix_for,
    owner_of_label,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context, Rule, Skip
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

# What this collection would change, beside labels of nodes.
OWNED_KINDS = (
    "namespaces",
    "deployments",
    "daemonsets",
    "customresourcedefinitions",
    "validatingwebhookconfigurations",
    "ipaddresspools",
    "l2advertisements",
    "services",
)


def owner_of_metallb(snapshot: Snapshot) -> Owner | None:
    """The owner of the installation: that of its workloads. None where MetalLB is not installed."""
    for workload in (snapshot.controller, snapshot.speaker):
        if workload is not None:
            return snapshot.owners.of(workload.kind, workload.namespace, workload.name)
    return None


def ownership_list(snapshot: Snapshot) -> list[dict[str, object]]:
    """Every object that this collection would change, with its owner."""

    def wanted(plural: str, obj: dict[str, object]) -> bool:
        metadata = metadata_of(obj)
        if plural == "namespaces":
            return metadata.get("name") == (snapshot.metallb["namespace"] or snapshot.namespace)
        if plural in ("deployments", "daemonsets"):
            return bool(component_of(as_labels(metadata.get("labels"))))
        if plural == "services":
            return (as_text(metadata.get("namespace")), as_text(metadata.get("name"))) in balanced
        return True

    balanced = {service.key for service in snapshot.load_balancer_services}
    found = []
    for kind, obj, owner in snapshot.owners.of_all(OWNED_KINDS, wanted):
        metadata = metadata_of(obj)
        found.append(_entry(kind, as_text(metadata.get("namespace")), as_text(metadata.get("name")), "", owner))
    for node in snapshot.raw("nodes"):
        label_owner = owner_of_label(node)
        if label_owner is not None:
            found.append(_entry("Node", "", as_text(metadata_of(node).get("name")), "exclude label", label_owner))
    return found


def _entry(kind: str, namespace: str, name: str, part: str, owner: Owner) -> dict[str, object]:
    return {
        "object": {"kind": kind, "namespace": namespace, "name": name},
        "part": part,
        "owner": owner.as_result(),
        "managed_by": str(owner),
    }


def with_owner(context: Context, finding: Finding) -> Finding:
    """The finding with its fix in the owner's terms, where somebody would undo a change made in the cluster."""
    snapshot = context.snapshot
    if snapshot.static:
        return finding
    ref = finding.object
    owner = owner_of_metallb(snapshot) if "Helm value" in finding.fix else None
    if owner is None:
        owner = snapshot.owners.of(ref.kind, ref.namespace, ref.name)
    if owner is None or not owner.reconciles:
        return finding
    fix = fix_for(finding.fix, owner)
    if fix == finding.fix:
        return finding
    return replace(finding, fix=fix, evidence={**finding.evidence, "owner": str(owner)})


# -- Helm's release ---------------------------------------------------------------------------------------------------

# Without them speakers or the controller do not run, or may not do their work.
_NEEDED = frozenset(
    [
        "DaemonSet",
        "Deployment",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "ConfigMap",
        "CustomResourceDefinition",
    ]
)
# Arguments of the speakers, and the Helm values that set them.
_VALUES = {
    "--ignore-exclude-lb": "speaker.ignoreExcludeLB",
    "--lb-class": "loadBalancerClass",
    "--ml-bindport": "speaker.memberlist.mlBindPort",
}
_SPEAKERS = ("MLB102", "MLB103", "MLB106", "MLB111", "MLB509", "MLB510", "MLB601")
_CONTROLLER = ("MLB104", "MLB105", "MLB501")
_LABEL = ("MLB201", "MLB509")
_PLACEMENT = ("MLB103", "MLB104", "MLB509", "MLB601")


def _release(context: Context) -> dict[str, object]:
    """The record's status, with namespace and name."""
    context.demand_metallb()
    owner = owner_of_metallb(context.snapshot)
    for record in context.snapshot.raw("releases"):
        metadata = metadata_of(record)
        return {"namespace": metadata.get("namespace"), "name": metadata.get("name"), **as_dict(record.get("status"))}
    if owner is not None and owner.tool in ("helm", "flux"):
        raise Skip("Helm's record of the release was not found among the Secrets of its namespace")
    raise Skip(f"MetalLB is no Helm release; its owner is {owner}" if owner else "MetalLB is not installed")


def _unread(release: dict[str, object]) -> None:
    """Skip for what was not compared, after what was found."""
    unread = as_dict(release.get("unread"))
    if unread:
        kind, why = next(iter(sorted(unread.items())))
        raise Skip(f"not compared with Helm's release: {', '.join(sorted(unread))} ({kind}: {why})")


def _differences(release: dict[str, object]) -> list[Difference]:
    return [Difference.from_result(one) for one in as_list(release.get("differences"))]


def _fix(context: Context, release: dict[str, object], one: Difference) -> str:
    namespace, name = as_text(release.get("namespace")), as_text(release.get("name"))
    if one.problem == FOREIGN:
        return f"kubectl -n {one.namespace} patch {one.kind.lower()} {one.name} --type merge -p '{_removal(one.path)}'"
    owner = owner_of_metallb(context.snapshot)
    if owner is not None and owner.tool == "flux":
        return f"Let Flux put it back: flux reconcile helmrelease {owner.name} -n {owner.namespace} --force"
    return (
        f"Let Helm put it back: helm -n {namespace} rollback {name} {as_int(release.get('revision'))} (the same revision; "
        "the playbook l2ops.metallb.site does it)"
    )


def _removal(path: str) -> str:
    """A merge patch that removes this field. The key of a nodeSelector may hold dots, so it is what follows the field's name."""
    head, selector, key = path.partition("nodeSelector.")
    steps = [*head.strip(".").split("."), "nodeSelector", key] if selector else path.split(".")
    patch: object = None
    for step in reversed(steps):
        patch = {step: patch}
    return json.dumps(patch)


def _affected(one: Difference) -> tuple[str, ...]:
    """Codes of findings of which it may be the cause."""
    text = f"{one.kind} {one.name}"
    if one.problem != MISSING and one.path.startswith("metadata."):
        return ()
    if one.path.startswith("spec.template.spec.") and any(
        part in one.path for part in ("nodeSelector", "affinity", "tolerations")
    ):
        return _PLACEMENT
    if one.problem != MISSING and "args" in one.path:
        return (*_LABEL, *_SPEAKERS) if "speaker" in text else _CONTROLLER
    if "controller" in text or "webhook" in text:
        return _CONTROLLER
    if one.kind in _NEEDED:
        return _SPEAKERS if "speaker" in text else (*_SPEAKERS, *_CONTROLLER)
    return ()


def _lost_value(one: Difference) -> str:
    """The Helm value whose argument is gone; "" for none."""
    if not one.path.endswith("args"):
        return ""
    return next((value for flag, value in _VALUES.items() if flag in one.wanted and flag not in one.found), "")


def release_object_missing(context: Context) -> Iterator[Finding]:
    release = _release(context)
    for one in _differences(release):
        if one.problem != MISSING:
            continue
        yield Finding(
            "MLB113",
            Ref(one.kind, one.namespace, one.name),
            f"Helm release {release['namespace']}/{release['name']} made it, and it does not exist",
            fix=_fix(context, release, one),
            severity="error" if one.kind in _NEEDED else "warning",
            evidence={"release": release["name"], "affects": list(_affected(one))},
        )
    _unread(release)


def release_field_differs(context: Context) -> Iterator[Finding]:
    release = _release(context)
    for one in _differences(release):
        if one.problem == MISSING or _lost_value(one):
            continue
        yield Finding(
            "MLB114",
            Ref(one.kind, one.namespace, one.name),
            str(one).partition(": ")[2],
            fix=_fix(context, release, one),
            evidence={**_evidence(one), "release": release["name"], "affects": list(_affected(one))},
            path=one.path,
        )
    _unread(release)


def _evidence(one: Difference) -> dict[str, object]:
    return {"wanted": one.wanted, "found": one.found, "by": one.by, "problem": one.problem}


def release_value_not_in_force(context: Context) -> Iterator[Finding]:
    release = _release(context)
    for one in _differences(release):
        value = _lost_value(one)
        if value:
            yield Finding(
                "MLB115",
                Ref(one.kind, one.namespace, one.name),
                f"the release has the Helm value {value}, and it is not in force: {one.path} is {one.found or 'not set'}"
                + (f" (written by {one.by})" if one.by else ""),
                fix=_fix(context, release, one),
                evidence={**_evidence(one), "value": value, "affects": list(_affected(one))},
                path=one.path,
            )
    _unread(release)


def release_not_deployed(context: Context) -> Iterator[Finding]:
    release = _release(context)
    latest = as_dict(release.get("latest"))
    status, revision = as_text(latest.get("status")), as_int(latest.get("revision"))
    if status in ("", "deployed", "superseded"):
        return
    namespace, name = as_text(release.get("namespace")), as_text(release.get("name"))
    deployed = as_int(release.get("revision"))
    if status == "pending-install" or not deployed:
        clear = f"helm -n {namespace} uninstall {name} --keep-history=false"
        clear += " removes what it made, pools with their CRDs too: save them first; then install again"
        if status.startswith("pending"):
            clear = f"kubectl -n {namespace} delete secret sh.helm.release.v1.{name}.v{revision}, then install again"
    else:
        clear = f"helm -n {namespace} rollback {name} {deployed}"
    yield Finding(
        "MLB116",
        Ref("Release", namespace, name),
        f"revision {revision} of the Helm release is {status}"
        + (f"; the last one that is deployed is {deployed}" if deployed else ", and none is deployed"),
        fix=f"If no Helm process is at work on it: {clear}",
        evidence={"status": status, "revision": revision, "deployed": deployed},
    )


def behind_drift(findings: Sequence[Finding]) -> list[Finding]:
    """Findings that what differs from the release explains name it as their cause, and take over its fix."""
    causes = [one for one in findings if one.code in ("MLB113", "MLB114", "MLB115")]
    if not causes:
        return list(findings)
    result = []
    for finding in findings:
        why = [one for one in causes if finding.code in as_list(one.evidence.get("affects"))]
        if not why or finding in causes:
            result.append(finding)
            continue
        codes = tuple(dict.fromkeys([*(one.code for one in why), *finding.caused_by]))
        result.append(replace(finding, caused_by=codes, fix=why[0].fix))
    return result


RULES = (
    Rule("MLB113", ("releases",), release_object_missing),
    Rule("MLB114", ("releases",), release_field_differs),
    Rule("MLB115", ("releases",), release_value_not_in_force),
    Rule("MLB116", ("releases",), release_not_deployed),
)
