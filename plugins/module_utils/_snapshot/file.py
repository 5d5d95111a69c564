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
import zlib

from ansible_collections.l2ops.metallb.plugins.module_utils._model.files import OddFile, read_regular
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    as_dict,
    as_text,
    printable,
    refuse_halves,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.slim import slim
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

FORMAT = "l2ops.metallb/snapshot"
FORMAT_VERSION = 1
# The largest snapshot that is read, unpacked. A cluster of 5,000 nodes and 10,000 services has 17 MB.
MAX_SIZE = 512_000_000
# What a file may unpack to without a question, and beyond it how many times its own size. Snapshots shrink to a twentieth or
# thirtieth; a thousandth is nothing but blanks.
_SMALL, _MOST_TIMES = 32_000_000, 200
_ADVICE = "Save one with the module l2ops.metallb.l2_info and its option save_to."


class SnapshotError(Exception):
    """A file that is no snapshot, or none that this version can read. The message says what and what to do."""

    def __str__(self) -> str:
        return printable(super().__str__())


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
    try:
        data = read_regular(path, MAX_SIZE)
    except OddFile as error:
        raise SnapshotError(f"{path} is not a snapshot: it is {error}. {_ADVICE}") from error
    return loads(data, path)


def _unpacked(data: bytes, name: str) -> bytes:
    """What gzip made of it, within bounds: read piece by piece, for a small file may hold gigabytes of blanks."""
    parts: list[bytes] = []
    size = used = 0
    reader, rest = zlib.decompressobj(wbits=31), b""
    try:
        while True:
            if not rest:
                rest = data[used : used + 65536]
                used += len(rest)
            if reader.eof:
                if not rest:
                    return b"".join(parts)
                reader = zlib.decompressobj(wbits=31)  # one gzip file after another is one, too
            part = reader.decompress(rest, 1 << 20)
            if not part and not rest and not reader.eof:
                raise EOFError
            rest = reader.unused_data if reader.eof else reader.unconsumed_tail
            parts.append(part)
            size += len(part)
            if size > MAX_SIZE or (size > _SMALL and size > _MOST_TIMES * used):
                raise SnapshotError(
                    f"{name} is not a snapshot: it unpacks to more than {size // 1_000_000} MB, and no snapshot does. {_ADVICE}"
                )
    except (zlib.error, EOFError) as error:
        raise SnapshotError(f"{name} is damaged: it cannot be decompressed. {_ADVICE}") from error


def _parsed(data: bytes, name: str) -> object:
    try:
        text = data.decode("utf-8-sig")
        content = json.loads(text)
        refuse_halves(text, content)
    except UnicodeEncodeError as error:
        raise SnapshotError(f"{name} is damaged: it holds text that is not Unicode. {_ADVICE}") from error
    except RecursionError as error:
        raise SnapshotError(f"{name} is not a snapshot: its JSON is nested too deeply. {_ADVICE}") from error
    except ValueError as error:
        raise SnapshotError(f"{name} is no snapshot: it is no JSON. {_ADVICE}") from error
    return content


def _time(raw: object, name: str) -> float:
    """Seconds since 1970; 0 where the snapshot does not say it."""
    if not isinstance(raw, (int, float)) or isinstance(raw, bool):
        return 0.0
    # NaN is not within bounds, and an integer may be too large for a float.
    if not 0 <= raw < 1e11:
        raise SnapshotError(f"{name} is damaged: the time at which it was taken is not a time. {_ADVICE}")
    return float(raw)


def loads(data: bytes, name: str = "the snapshot") -> Snapshot:
    content = _parsed(_unpacked(data, name) if data[:2] == b"\x1f\x8b" else data, name)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        hint = ""
        if isinstance(content, dict) and "apiVersion" in content:
            hint = " It holds Kubernetes objects: give it as a manifest (option manifests) instead."
        raise SnapshotError(f"{name} is no snapshot of this collection.{hint} {_ADVICE}")
    version = content.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SnapshotError(f"{name} is a snapshot of no known version ({version!r}). {_ADVICE}")
    if version > FORMAT_VERSION:
        raise SnapshotError(
            f"{name} is a snapshot of version {version}; this collection reads up to {FORMAT_VERSION}. "
            "Use the collection that wrote it, or a newer one."
        )
    objects, missing = content.get("objects"), content.get("missing")
    if not isinstance(objects, dict) or not all(
        isinstance(found, list) and all(isinstance(one, dict) for one in found) for found in objects.values()
    ):
        raise SnapshotError(f"{name} is damaged: its objects are no lists of objects. {_ADVICE}")
    return Snapshot.from_objects(
        objects,
        {str(key): str(text) for key, text in as_dict(missing).items()},
        namespace=as_text(content.get("namespace")),
        taken=_time(content.get("taken"), name),
    )
