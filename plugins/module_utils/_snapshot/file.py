# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""A snapshot as a file: save and load."""

from __future__ import annotations

import gzip
import json
import os
import tempfile

from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import as_dict, as_text
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.slim import slim
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

FORMAT = "l2ops.metallb/snapshot"
FORMAT_VERSION = 1


class SnapshotError(Exception):
    """A file that is no snapshot, or none that this version can read. The message says what and what to do."""


# -- files ------------------------------------------------------------------------------------------------------------


def save(snapshot: Snapshot, path: str) -> None:
    """Write it as JSON, compressed where the name ends in .gz, for the owner's eyes only, whole or not at all.

    Raises OSError.
    """
    content = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "taken": snapshot.taken,
        "namespace": snapshot.namespace,
        "missing": dict(snapshot.missing),
        "objects": {plural: [slim(plural, obj) for obj in found] for plural, found in snapshot.objects.items()},
    }
    data = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
    if path.endswith(".gz"):
        # mtime 0: the same snapshot gives the same file
        data = gzip.compress(data, 6, mtime=0)
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=".snapshot-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def load(path: str) -> Snapshot:
    """Read what save wrote. Raises SnapshotError for anything else, OSError for what cannot be read."""
    with open(path, "rb") as stream:
        data = stream.read()
    return loads(data, path)


def loads(data: bytes, name: str = "the snapshot") -> Snapshot:
    advice = "Save one with the module l2ops.metallb.l2_info and its option save_to."
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise SnapshotError(f"{name} is damaged: it cannot be decompressed. {advice}") from error
    try:
        content = json.loads(data)
    except ValueError as error:
        raise SnapshotError(f"{name} is no snapshot: it is no JSON. {advice}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        hint = ""
        if isinstance(content, dict) and "apiVersion" in content:
            hint = " It holds Kubernetes objects: give it as a manifest (option manifests) instead."
        raise SnapshotError(f"{name} is no snapshot of this collection.{hint} {advice}")
    version = content.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SnapshotError(f"{name} is a snapshot of no known version ({version!r}). {advice}")
    if version > FORMAT_VERSION:
        raise SnapshotError(
            f"{name} is a snapshot of version {version}; this collection reads up to {FORMAT_VERSION}. "
            "Use the collection that wrote it, or a newer one."
        )
    objects, missing = content.get("objects"), content.get("missing")
    if not isinstance(objects, dict) or not all(
        isinstance(found, list) and all(isinstance(one, dict) for one in found) for found in objects.values()
    ):
        raise SnapshotError(f"{name} is damaged: its objects are no lists of objects. {advice}")
    taken = content.get("taken")
    return Snapshot.from_objects(
        objects,
        {str(key): str(text) for key, text in as_dict(missing).items()},
        namespace=as_text(content.get("namespace")),
        taken=float(taken) if isinstance(taken, (int, float)) else 0.0,
    )
