# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Reading Helm's record of a release and the live objects that it names, as one object for a snapshot.

The record holds the comparison and neither values nor manifests: these may hold passwords.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import Object, as_text, metadata_of
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.drift import (
    CLUSTER_WIDE,
    Key,
    differences,
    key_of,
    plural_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership.release import (
    Release,
    ReleaseError,
    decode,
    manifest_objects,
    release_secrets,
)

if TYPE_CHECKING:
    from ansible_collections.l2ops.metallb.plugins.module_utils._kube.client import Kube
    from ansible_collections.l2ops.metallb.plugins.module_utils._kube.requests import ListRequest

CRD = "CustomResourceDefinition"


def read_release(
    kube: Kube, request: type[ListRequest], secrets: Iterable[Object], namespace: str, name: str
) -> Object | None:
    """The record of a release by the metadata of the Secrets in its namespace; None where Helm keeps none there.

    Raises ReleaseError where it may not be read or is damaged.
    """
    revisions = release_secrets(secrets, namespace, name)
    if not revisions:
        return None
    deployed = next((one for one in revisions if one[1] == "deployed"), None)
    latest = {"revision": revisions[0][0], "status": revisions[0][1]}
    record: Object = {
        "kind": "Release",
        "metadata": {"namespace": namespace, "name": name},
        "status": {"latest": latest, "differences": [], "unread": {}},
    }
    if deployed is None:
        return record
    outcome = kube.list_all([request("secrets", namespace=namespace, field_selector=f"metadata.name={deployed[2]}")])
    error = outcome["secrets"].error
    if error is not None or not outcome["secrets"].objects:
        raise ReleaseError(f"Secret {namespace}/{deployed[2]}: {error or 'it is gone'}")
    try:
        release = decode(outcome["secrets"].objects[0])
        wanted = manifest_objects(release.manifest)
    except ReleaseError as error:
        raise ReleaseError(f"Secret {namespace}/{deployed[2]}: {error}") from error
    live, unread = read_live(kube, request, wanted, namespace)
    record["status"].update(
        _described(release),
        differences=[one.as_result() for one in differences(wanted, live, namespace)],
        unread=unread,
    )
    return record


def _described(release: Release) -> Object:
    return {
        "revision": release.revision,
        "status": release.status,
        "chart": release.chart,
        "chart_version": release.chart_version,
    }


def read_live(
    kube: Kube, request: type[ListRequest], wanted: Sequence[Object], namespace: str
) -> tuple[dict[Key, Object | None], dict[str, str]]:
    """The live objects by key, None for one that does not exist; and kinds that could not be read, with the reason."""
    keys: dict[str, Key] = {}
    requests = []
    crds: set[Key] = set()
    for number, obj in enumerate(wanted):
        key = key_of(obj, namespace)
        if not key[0] or not key[2]:
            continue
        group, _slash, version = as_text(obj.get("apiVersion")).rpartition("/")
        if key[0] == CRD:
            crds.add(key)
            continue
        answer = f"live/{number}"
        keys[answer] = key
        requests.append(
            request(
                plural_of(key[0]),
                group,
                version,
                namespace=None if key[0] in CLUSTER_WIDE else key[1],
                field_selector=f"metadata.name={key[2]}",
                key=answer,
                # What is in Secrets is nobody's business.
                metadata_only=key[0] == "Secret",
            )
        )
    if crds:
        # Names are all that is compared: schemas of all kinds would be megabytes.
        requests.append(
            request(
                "customresourcedefinitions", "apiextensions.k8s.io", "v1", key="live/definitions", metadata_only=True
            )
        )
    answers = kube.list_all(requests)
    live: dict[Key, Object | None] = {}
    unread: dict[str, str] = {}
    for answer, key in keys.items():
        outcome = answers[answer]
        if outcome.error is None:
            live[key] = next((one for one in outcome.objects if metadata_of(one).get("name") == key[2]), None)
        else:
            unread.setdefault(key[0], str(outcome.error))
    if crds:
        outcome = answers["live/definitions"]
        if outcome.error is None:
            there = {as_text(metadata_of(one).get("name")): one for one in outcome.objects}
            for key in crds:
                live[key] = {"metadata": {"name": key[2]}} if key[2] in there else None
        else:
            unread[CRD] = str(outcome.error)
    return live, unread
