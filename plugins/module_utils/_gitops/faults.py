# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Faults of a file that are seen before any rule: keys given twice, formats that MetalLB no longer reads, values of a wrong type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.kustomize import Item
from ansible_collections.l2ops.metallb.plugins.module_utils._model.apply_order import FileFault
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_list,
    as_text,
    metadata_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref

DUPLICATE, FORMAT, TYPE = "MLB706", "MLB707", "MLB412"
# API versions that MetalLB 0.14 to 0.16 serves.
_VERSIONS = {
    "IPAddressPool": ("v1beta1",),
    "L2Advertisement": ("v1beta1",),
    "BGPAdvertisement": ("v1beta1",),
    "BGPPeer": ("v1beta1", "v1beta2"),
    "BFDProfile": ("v1beta1",),
    "Community": ("v1beta1",),
}
# The CRDs' schema, as far as a type can be wrong.
_TEXT, _TEXTS, _BOOL, _INT, _DICT, _LIST = (
    "a text",
    "a list of texts",
    "true or false",
    "a whole number",
    "a dictionary",
    "a list",
)
_SCHEMA: Mapping[str, Mapping[str, str]] = {
    "IPAddressPool": {"addresses": _TEXTS, "autoAssign": _BOOL, "avoidBuggyIPs": _BOOL, "serviceAllocation": _DICT},
    "L2Advertisement": {
        "ipAddressPools": _TEXTS,
        "ipAddressPoolSelectors": _LIST,
        "nodeSelectors": _LIST,
        "interfaces": _TEXTS,
        "serviceSelectors": _LIST,
    },
    "BGPAdvertisement": {"ipAddressPools": _TEXTS, "aggregationLength": _INT, "localPref": _INT, "peers": _TEXTS},
    "BGPPeer": {"myASN": _INT, "peerASN": _INT, "peerAddress": _TEXT},
    "Service": {
        "type": _TEXT,
        "loadBalancerIP": _TEXT,
        "loadBalancerClass": _TEXT,
        "ports": _LIST,
        "externalTrafficPolicy": _TEXT,
    },
}


def faults_of(item: Item) -> Iterator[FileFault]:
    kind, version = item.ref.kind, as_text(item.obj.get("apiVersion"))
    ours = version.startswith("metallb.io/")
    if ours or (kind == "Service" and as_dict(item.obj.get("spec")).get("type") == "LoadBalancer"):
        yield from _duplicates(item)
        yield from _types(item)
    if ours:
        yield from _format(item, kind, version.partition("/")[2])
    if (
        kind == "ConfigMap"
        and item.ref.name in ("config", "metallb-config", "metallb")
        and "address-pools" in as_text(as_dict(item.obj.get("data")).get("config"))
    ):
        yield FileFault(
            FORMAT,
            item.ref,
            "MetalLB has not read its configuration from a ConfigMap since 0.13, so none of this is in force",
            "Write an IPAddressPool and an L2Advertisement instead of the ConfigMap.",
            item.path,
            item.lines.get("data.config", item.line),
        )


def values_faults(item: Item, values: Any = None) -> Iterator[FileFault]:
    """Faults of Helm values of MetalLB: a file of their own, or an object that holds them."""
    ref = item.ref if values is not None else Ref("File", "", item.path)
    yield from _duplicates(item, ref)
    given = as_dict(item.obj if values is None else values)
    if given.get("configInline"):
        lines = item.lines
        yield FileFault(
            FORMAT,
            ref,
            "MetalLB's chart has not read configInline since 0.13, and refuses to be installed with it",
            "Remove configInline, and write an IPAddressPool and an L2Advertisement instead.",
            item.path,
            next((line for path, line in lines.items() if path.rpartition(".")[2] == "configInline"), item.line),
        )


def _duplicates(item: Item, ref: Ref | None = None) -> Iterator[FileFault]:
    if item.document is None:
        return
    for key, first, second in item.document.duplicates:
        yield FileFault(
            DUPLICATE,
            ref or item.ref,
            f"the key {key} is given twice in one dictionary, in line {first} and in line {second}: what line {first} says is dropped",
            f"Bring both into one {key}, or remove one of them (lines {first} and {second}).",
            item.path,
            second,
        )


def _format(item: Item, kind: str, version: str) -> Iterator[FileFault]:
    line = item.lines.get("apiVersion", item.line)
    if kind == "AddressPool":
        yield FileFault(
            FORMAT,
            item.ref,
            "the kind AddressPool was replaced by IPAddressPool in MetalLB 0.13, and newer versions do not know it",
            "Write an IPAddressPool with these addresses, and an L2Advertisement that names it.",
            item.path,
            item.lines.get("kind", item.line),
        )
    elif kind in _VERSIONS and version not in _VERSIONS[kind]:
        known = " or ".join(f"metallb.io/{one}" for one in _VERSIONS[kind])
        yield FileFault(
            FORMAT,
            item.ref,
            f"MetalLB has no {kind} in API version metallb.io/{version}, so the API server refuses it",
            f"Write apiVersion: {known}.",
            item.path,
            line,
        )


def _fits(value: Any, wanted: str) -> bool:
    if isinstance(value, str) and ("${" in value or "{{" in value or value.startswith("ENC[")):
        return True
    if wanted == _TEXT:
        return isinstance(value, str)
    if wanted == _TEXTS:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if wanted == _BOOL:
        return isinstance(value, bool)
    if wanted == _INT:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, dict if wanted == _DICT else list)


def _types(item: Item) -> Iterator[FileFault]:
    for path, wanted, value in _typed(item.obj, item.ref.kind):
        if value is not None and not _fits(value, wanted):
            said = _named(value)
            yield FileFault(
                TYPE,
                item.ref,
                f"{path} must be {wanted} and is {said}, so the API server refuses the object",
                f"Write {path} as {wanted}" + (", in quotes." if wanted == _TEXT else "."),
                item.path,
                item.lines.get(path, item.line),
                path,
            )


def _typed(obj: Object, kind: str) -> Iterator[tuple[str, str, Any]]:
    metadata, spec = metadata_of(obj), as_dict(obj.get("spec"))
    yield "metadata.name", _TEXT, metadata.get("name")
    yield "metadata.namespace", _TEXT, metadata.get("namespace")
    for part in ("annotations", "labels"):
        for key, value in as_dict(metadata.get(part)).items():
            yield f"metadata.{part}.{key}", _TEXT, value
    for key, wanted in _SCHEMA.get(kind, {}).items():
        # Rules of their own tell these (MLB309, MLB409).
        lists = wanted in (_TEXTS, _LIST, _DICT)
        if not lists or (kind != "L2Advertisement" and isinstance(spec.get(key), list)):
            yield f"spec.{key}", wanted, spec.get(key)
    if kind == "Service":
        for place, port in enumerate(as_list(spec.get("ports"))):
            yield f"spec.ports[{place}].port", _INT, as_dict(port).get("port")


def _named(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a dictionary"
