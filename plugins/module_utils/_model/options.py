# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Pools and advertisements from the options of a module, and as the objects that are sent."""

from __future__ import annotations

from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import API_VERSION
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import Object, as_text

# -- options of the modules and roles ---------------------------------------------------------------------------------


def pool_to_object(options: Object, namespace: str) -> Object:
    """An IPAddressPool out of one element of the option pools, in Kubernetes' own spelling."""
    spec: Object = {"addresses": options.get("addresses")}
    if isinstance(spec["addresses"], list):
        spec["addresses"] = [as_text(one).strip() for one in spec["addresses"]]
    _take(options, spec, auto_assign="autoAssign", avoid_buggy_ips="avoidBuggyIPs")
    allocation = options.get("service_allocation")
    if isinstance(allocation, dict):
        spec["serviceAllocation"] = {}
        _take(
            allocation,
            spec["serviceAllocation"],
            priority="priority",
            namespaces="namespaces",
            namespace_selectors="namespaceSelectors",
            service_selectors="serviceSelectors",
        )
    elif allocation is not None:
        spec["serviceAllocation"] = allocation
    return _named("IPAddressPool", options, namespace, spec)


def advertisement_to_object(options: Object, namespace: str) -> Object:
    """An L2Advertisement out of one element of the option advertisements, in Kubernetes' own spelling."""
    spec: Object = {}
    _take(
        options,
        spec,
        ip_address_pools="ipAddressPools",
        ip_address_pool_selectors="ipAddressPoolSelectors",
        node_selectors="nodeSelectors",
        interfaces="interfaces",
        service_selectors="serviceSelectors",
        preferred_node_selectors="preferredNodeSelectors",
    )
    return _named("L2Advertisement", options, namespace, spec)


_COMMON = ("name", "labels", "annotations")
OPTION_FIELDS = {
    "IPAddressPool": ("addresses", "auto_assign", "avoid_buggy_ips", "service_allocation", *_COMMON),
    "L2Advertisement": (
        "ip_address_pools",
        "ip_address_pool_selectors",
        "node_selectors",
        "interfaces",
        "service_selectors",
        "preferred_node_selectors",
        *_COMMON,
    ),
}


def _take(options: Object, target: Object, **names: str) -> None:
    for option, name in names.items():
        given = options.get(option)
        if given is not None and given != []:
            target[name] = given


def _named(kind: str, options: Object, namespace: str, spec: Object) -> Object:
    metadata: Object = {"name": as_text(options.get("name")), "namespace": namespace}
    for part in ("labels", "annotations"):
        if isinstance(options.get(part), dict) and options[part]:
            # YAML reads true and 10 as no texts; labels are nothing else.
            metadata[part] = {
                str(key): str(text).lower() if isinstance(text, bool) else as_text(text)
                for key, text in options[part].items()
            }
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
