# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Rules about advertisements (MLB4xx)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import LATER_ADVERTISEMENT_FIELDS
from ansible_collections.l2ops.metallb.plugins.module_utils._model.objects import Advertisement
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    as_dict,
    as_text,
    is_unknown,
    listing,
    metadata_of,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import (
    Context,
    Rule,
    Skip,
    advertisement_ref,
    plural,
    pool_ref,
    some,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Link


def _ref(one: Advertisement, context: Context) -> Ref:
    return advertisement_ref(one.namespace, one.name, context)


def pool_not_advertised(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    left = [name for name in snapshot.pools if not context.election.advertisements_of(name)]
    if left and not snapshot.has("bgpadvertisements"):
        raise Skip(
            f"whether BGP advertises {listing(left)} cannot be seen: {snapshot.why_missing('bgpadvertisements')}"
        )
    names = [one.name for one in snapshot.advertisements]
    vague = [one.name for one in snapshot.advertisements if any(map(is_unknown, one.pools))]
    for name in left:
        if name in context.bgp_pools or is_unknown(name) or vague:
            continue
        there = f"there is {listing(names, 3)}" if names else "there is none at all"
        yield Finding(
            "MLB401",
            pool_ref(name, context),
            f"no L2Advertisement reaches it: {there}",
            fix=f"Add {name} to ipAddressPools of an L2Advertisement"
            + (f", such as {names[0]}." if names else "; module l2ops.metallb.l2_config makes one."),
            evidence={"advertisements": some(names)},
        )
    if left and vague:
        raise Skip(f"the pools of {listing(vague)} are not known (a variable, or encrypted)")


def unknown_pool(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    vague = [name for name in snapshot.pools if is_unknown(name)]
    unread = snapshot.settings.get("pools_unread")
    missing = 0
    for one in snapshot.advertisements:
        for place, name in enumerate(one.pools):
            if name not in snapshot.pools:
                if is_unknown(name) or vague or unread:
                    missing += 1
                    continue
                near = _near(name, snapshot.pools)
                yield Finding(
                    "MLB402",
                    _ref(one, context),
                    f"it names the pool {name}, which does not exist" + (f"; did you mean {near}?" if near else ""),
                    evidence={"pool": name, "pools": some(snapshot.pools)},
                    path=f"spec.ipAddressPools[{place}]",
                )
    if missing:
        where = f"{unread} may hold pools and was not read" if unread else "names are a variable, or encrypted"
        raise Skip(f"whether {plural(missing, 'pool')} that advertisements name exist is not known: {where}")


def _near(name: str, names: object) -> str:
    # Imported here: most clusters have no such fault, and difflib is not small.
    import difflib

    found = difflib.get_close_matches(name, list(names), 1)  # type: ignore[call-overload]
    return found[0] if found else ""


def selects_no_node(context: Context) -> Iterator[Finding]:
    for one in context.snapshot.advertisements:
        if one.node_selectors and not context.election.nodes_of(one):
            told = " or ".join(str(selector) for selector in one.node_selectors if not selector.error)
            yield Finding(
                "MLB403",
                _ref(one, context),
                f"no node matches its nodeSelectors ({told or 'unreadable'})",
                evidence={"selectors": [str(selector) for selector in one.node_selectors]},
                path="spec.nodeSelectors",
            )


def without_interfaces(context: Context) -> Iterator[Finding]:
    for one in context.snapshot.advertisements:
        if not one.interfaces:
            yield Finding(
                "MLB404",
                _ref(one, context),
                "it names no interfaces, so addresses are announced on every interface of the elected node",
                path="spec",
            )


def _facts(context: Context, one: Advertisement) -> Iterator[tuple[str, dict[str, Link]]]:
    for node in sorted(context.election.nodes_of(one)):
        links = context.options.links.get(node)
        if links is not None:
            yield node, {link.name: link for link in links}


def _demand_facts(context: Context) -> None:
    if not context.options.links:
        raise Skip("the nodes' interfaces are not known: give the option interfaces (metallb_node_interfaces)")


def interface_missing(context: Context) -> Iterator[Finding]:
    _demand_facts(context)
    for one in context.snapshot.advertisements:
        if not one.interfaces:
            continue
        lacking = [node for node, links in _facts(context, one) if not any(name in links for name in one.interfaces)]
        if lacking:
            yield Finding(
                "MLB405",
                _ref(one, context),
                f"{plural(len(lacking), 'node')} ({listing(lacking)}) that it selects has none of its interfaces "
                f"({', '.join(one.interfaces)})",
                evidence={"nodes": some(lacking), "interfaces": list(one.interfaces)},
                path="spec.interfaces",
            )


def interface_cannot_answer(context: Context) -> Iterator[Finding]:
    _demand_facts(context)
    for one in context.snapshot.advertisements:
        silent: dict[str, list[str]] = {}
        for node, links in _facts(context, one):
            named = [links[name] for name in one.interfaces if name in links]
            if not named or any(link.up and link.arp and not link.master for link in named):
                continue
            for link in named:
                why = (
                    f"is a port of {link.master}"
                    if link.master
                    else "is down"
                    if not link.up
                    else "has ARP switched off (NOARP)"
                )
                silent.setdefault(f"{link.name} {why}", []).append(node)
        for what, nodes in sorted(silent.items()):
            yield Finding(
                "MLB406",
                _ref(one, context),
                f"{what} on {listing(nodes)}, so nothing answers there, and MetalLB does not say so",
                evidence={"nodes": some(nodes), "interface": what.partition(" ")[0]},
                path="spec.interfaces",
            )


_EXCLUDED = "announcedInterfacesToExclude"


def _excluded_interfaces(text: str) -> list[str]:
    """The expressions of excludel2.yaml, a YAML list in one of its two forms. (PyYAML may not be there, and there is nothing else in it.)"""
    _before, _key, rest = text.partition(f"{_EXCLUDED}:")
    inline, _newline, below = rest.partition("\n")
    if inline.strip():
        found = inline.strip().strip("[]").split(",")
    else:
        found = []
        for line in below.split("\n"):
            if line.strip() and not line.lstrip().startswith(("-", "#")):
                break
            if line.lstrip().startswith("-"):
                found.append(line.lstrip()[1:])
    return [one.strip().strip("\"'") for one in found if one.strip().strip("\"'")]


def _exclusion(context: Context) -> tuple[str, re.Pattern[str]]:
    """The ConfigMap that the speakers mount, and what it excludes (internal/layer2/announcer.go: one expression out of all)."""
    snapshot = context.snapshot
    if snapshot.speaker is None:
        raise Skip("there are no speakers")
    name = snapshot.speaker.excluded_interfaces
    if not name:
        raise Skip("the speakers mount no ConfigMap excludel2")
    if not snapshot.has("configmaps"):
        raise Skip(snapshot.why_missing("configmaps"))
    for obj in snapshot.raw("configmaps"):
        metadata = metadata_of(obj)
        if metadata.get("name") == name and metadata.get("namespace") == snapshot.speaker.namespace:
            texts = [as_text(one) for one in as_dict(obj.get("data")).values()]
            expressions = [one for text in texts if _EXCLUDED in text for one in _excluded_interfaces(text)]
            if not expressions:
                raise Skip(f"ConfigMap {name} excludes nothing, or is written in a way that is not understood")
            try:
                return name, re.compile("|".join(f"(?:{one})" for one in expressions))
            except re.error as error:
                raise Skip(f"an expression of ConfigMap {name} is not understood: {error}") from error
    raise Skip(f"ConfigMap {name}, which the speakers mount, was not found")


def interface_excluded(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    name, excluded = _exclusion(context)
    home = snapshot.speaker.namespace if snapshot.speaker is not None else snapshot.namespace
    fix = (
        f"Take the expression that matches it out of ConfigMap {home}/{name} (Helm value speaker.excludeInterfaces), then restart the speakers "
        "(module l2ops.metallb.speaker_restart); or name another interface."
    )
    for one in snapshot.advertisements:
        matched = [link for link in one.interfaces if excluded.search(link)]
        if matched:
            every = len(matched) == len(one.interfaces)
            yield Finding(
                "MLB413",
                _ref(one, context),
                f"ConfigMap {name} excludes {listing(matched)}"
                + (
                    ", so the speakers answer on none of its interfaces"
                    if every
                    else ", so the speakers answer on the others only"
                ),
                fix=fix,
                severity="error" if every else "warning",
                evidence={"interfaces": matched, "configmap": name},
                path="spec.interfaces",
            )
        if one.interfaces:
            continue
        silent: dict[str, list[str]] = {}
        for node, links in _facts(context, one):
            own = snapshot.nodes[node].addresses
            for link in links.values():
                if any(address in span for span in link.networks for address in own) and excluded.search(link.name):
                    silent.setdefault(link.name, []).append(node)
        for link_name, nodes in sorted(silent.items()):
            yield Finding(
                "MLB413",
                _ref(one, context),
                f"ConfigMap {name} excludes {link_name}, by which {listing(nodes)} {'is' if len(nodes) == 1 else 'are'} on the LAN, so the "
                "speakers do not answer there",
                fix=fix,
                evidence={"interfaces": [link_name], "nodes": some(nodes), "configmap": name},
            )


def interfaces_overridden(context: Context) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for key, names in sorted(context.groups.items()):
        if len(key) < 2:
            continue
        advertisements = context.election.advertisements_of(names[0])
        unlimited = [one for one in advertisements if not one.interfaces]
        for one in advertisements:
            if not one.interfaces or (one.namespace, one.name) in seen:
                continue
            for other in unlimited:
                if not _meet(context, one, other):
                    continue
                seen.add((one.namespace, one.name))
                yield Finding(
                    "MLB407",
                    _ref(one, context),
                    f"its interfaces ({', '.join(one.interfaces)}) limit nothing for pool {listing(names, 3)}: {other.name} "
                    "advertises it on the same nodes and names none, which means all",
                    fix=f"Name interfaces in {other.name} as well, or remove one of the two.",
                    evidence={"other": other.name, "pools": some(names)},
                    path="spec.interfaces",
                )
                break


def _meet(context: Context, one: Advertisement, other: Advertisement) -> bool:
    """Whether both may hold for the same node and service, as far as that is known."""
    if one.service_selectors and other.service_selectors and one.service_selectors != other.service_selectors:
        return False
    if context.snapshot.has("nodes"):
        return bool(context.election.nodes_of(one) & context.election.nodes_of(other))
    return not one.node_selectors or not other.node_selectors or one.node_selectors == other.node_selectors


def field_unknown(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    for pool in snapshot.pools.values():
        for path in pool.unknown_fields:
            yield Finding(
                "MLB408",
                pool_ref(pool.name, context),
                f"{path} is no field of an IPAddressPool and is dropped",
                path=path,
            )
    known = snapshot.advertisement_fields
    for obj, one in _written_advertisements(context):
        for path in one.unknown_fields:
            if path.partition(".")[2] in snapshot.capabilities.unknown_fields:
                continue
            yield Finding(
                "MLB408", _ref(one, context), f"{path} is no field of an L2Advertisement and is dropped", path=path
            )
        for name in sorted(LATER_ADVERTISEMENT_FIELDS & obj.keys()):
            if known is not None and name not in known and obj[name]:
                yield Finding(
                    "MLB408",
                    _ref(one, context),
                    f"the installed MetalLB {snapshot.metallb['version']} does not know {name}, so it is dropped and limits nothing",
                    fix=f"Upgrade MetalLB ({name} needs {'0.16' if name == 'serviceSelectors' else '0.16.2'}), or "
                    "leave it out.",
                    path=f"spec.{name}",
                )


def _written_advertisements(context: Context) -> Iterator[tuple[dict[str, object], Advertisement]]:
    for obj in context.snapshot.raw("l2advertisements"):
        spec = obj.get("spec")
        one = Advertisement.from_object(obj)
        if one.namespace in ("", context.snapshot.namespace):
            yield spec if isinstance(spec, dict) else {}, one


def selector_invalid(context: Context) -> Iterator[Finding]:
    snapshot = context.snapshot
    for pool in snapshot.pools.values():
        for path, why in pool.problems:
            if path != "spec.addresses":
                yield Finding("MLB409", pool_ref(pool.name, context), f"{path.partition('.')[2]}: {why}", path=path)
    for one in snapshot.advertisements:
        for path, why in one.problems:
            yield Finding("MLB409", _ref(one, context), f"{path.partition('.')[2]}: {why}", path=path)


def preference_matches_no_node(context: Context) -> Iterator[Finding]:
    for one in context.snapshot.advertisements:
        if not one.preferences or context.snapshot.capabilities.preferred_nodes is False:
            continue
        if not context.election.preferred_by(one):
            yield Finding(
                "MLB410",
                _ref(one, context),
                "its preferredNodeSelectors match none of the nodes that its nodeSelectors select, so they prefer nothing",
                path="spec.preferredNodeSelectors",
            )


def election_input_unknown(context: Context) -> Iterator[Finding]:
    for one in context.snapshot.advertisements:
        doubt = context.election.doubt((one,))
        if doubt:
            yield Finding(
                "MLB411",
                _ref(one, context),
                f"{doubt}: the elected node of its services is unknown",
                evidence={"version": context.snapshot.capabilities.version},
            )


def wrong_type(context: Context) -> Iterator[Finding]:
    if not context.snapshot.sources and not context.snapshot.faults:
        raise Skip("no files were given; the API server has checked what it holds")
    for one in context.snapshot.faults:
        if one.code == "MLB412":
            yield Finding(one.code, one.ref, one.summary, fix=one.fix, path=one.path, file=one.file, line=one.line)


BOTH = ("ipaddresspools", "l2advertisements")
EITHER = ("ipaddresspools|l2advertisements",)
RULES = (
    Rule("MLB401", BOTH, pool_not_advertised),
    Rule("MLB402", BOTH, unknown_pool),
    Rule("MLB403", ("l2advertisements", "nodes"), selects_no_node),
    Rule("MLB404", ("l2advertisements",), without_interfaces),
    Rule("MLB405", ("l2advertisements", "nodes"), interface_missing, chain_step="interfaces"),
    Rule("MLB406", ("l2advertisements", "nodes"), interface_cannot_answer, chain_step="interfaces"),
    Rule("MLB407", BOTH, interfaces_overridden),
    Rule("MLB408", BOTH, field_unknown, subjects=EITHER),
    Rule("MLB409", BOTH, selector_invalid, subjects=EITHER),
    Rule("MLB410", ("l2advertisements", "nodes"), preference_matches_no_node),
    Rule(
        "MLB411",
        ("l2advertisements", "customresourcedefinitions"),
        election_input_unknown,
        subjects=("l2advertisements",),
    ),
    Rule("MLB412", (), wrong_type),
    Rule("MLB413", ("l2advertisements", "daemonsets"), interface_excluded, chain_step="interfaces"),
)
