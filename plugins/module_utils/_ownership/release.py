# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Helm's own record of a release: what it made, and with which values."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    ODD_YAML,
    Object,
    as_dict,
    as_int,
    as_labels,
    as_text,
    metadata_of,
    nested_too_deeply,
)

try:
    import yaml
except ImportError:  # connect() says it to the user
    pass

PREFIX = "sh.helm.release.v1."
# A release is some ten kilobytes; what unpacks to more than this is none.
MOST_BYTES = 50_000_000


class ReleaseError(Exception):
    """A Secret that holds no release. The message says why."""


@dataclass(frozen=True)
class Release:
    name: str
    namespace: str
    revision: int
    status: str
    chart: str
    chart_version: str
    config: Object
    manifest: str


def release_secrets(secrets: Iterable[Object], namespace: str, name: str) -> list[tuple[int, str, str]]:
    """Revision, status and name of the Secrets of one release, newest first; their metadata is enough."""
    found = []
    for secret in secrets:
        metadata = metadata_of(secret)
        text = as_text(metadata.get("name"))
        head, _dot, revision = text.rpartition(".v")
        if head == PREFIX + name and revision.isdigit() and as_text(metadata.get("namespace")) in ("", namespace):
            found.append((int(revision), as_labels(metadata.get("labels")).get("status", ""), text))
    return sorted(found, reverse=True)


def decode(secret: Object) -> Release:
    """The release in a Secret: base64 of Kubernetes around base64 of Helm around gzip around JSON. Raises ReleaseError."""
    text = as_text(as_dict(secret.get("data")).get("release"))
    try:
        packed = base64.b64decode(base64.b64decode(text, validate=True), validate=True)
        if packed[:3] == b"\x1f\x8b\x08":
            unpacker = zlib.decompressobj(31)
            packed = unpacker.decompress(packed, MOST_BYTES)
            if unpacker.unconsumed_tail:
                raise ReleaseError("it is too large for a release")
        content = json.loads(packed)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ReleaseError(f"it cannot be decoded: {error}") from error
    except RecursionError as error:
        raise ReleaseError("it cannot be decoded: it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ReleaseError("it is not a release")
    chart = as_dict(as_dict(content.get("chart")).get("metadata"))
    return Release(
        name=as_text(content.get("name")),
        namespace=as_text(content.get("namespace")),
        revision=as_int(content.get("version")),
        status=as_text(as_dict(content.get("info")).get("status")),
        chart=as_text(chart.get("name")),
        chart_version=as_text(chart.get("version")),
        config=as_dict(content.get("config")),
        manifest=as_text(content.get("manifest")),
    )


_SEPARATOR = re.compile(r"^---[ \t]*(?:#.*)?$", re.MULTILINE)
_CRD = re.compile(r"^kind:[ \t]*CustomResourceDefinition[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"^  name:[ \t]*[\"']?([a-z0-9.-]+)[\"']?[ \t]*$", re.MULTILINE)


def manifest_objects(manifest: str) -> list[Object]:
    """The objects of a release's manifest. Of CustomResourceDefinitions only the name: their schemas are most of the text."""
    found: list[Object] = []
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for text in _SEPARATOR.split(manifest):
        if _CRD.search(text):
            named = _NAME.search(text)
            if named:
                found.append(
                    {
                        "apiVersion": "apiextensions.k8s.io/v1",
                        "kind": "CustomResourceDefinition",
                        "metadata": {"name": named.group(1)},
                    }
                )
            continue
        if nested_too_deeply(text):
            raise ReleaseError("its manifest cannot be read: it is nested too deeply")
        try:
            # The loader is one of the two safe ones.
            obj = yaml.load(text, Loader=loader)
        except yaml.YAMLError as error:
            raise ReleaseError(f"its manifest cannot be read: {error}") from error
        except ODD_YAML as error:
            raise ReleaseError(
                "its manifest cannot be read: it holds a value that is not of the kind it says"
            ) from error
        if isinstance(obj, dict) and obj.get("kind"):
            items = obj.get("items") if as_text(obj["kind"]) == "List" else [obj]
            found.extend(one for one in items or [] if isinstance(one, dict))
    return found
