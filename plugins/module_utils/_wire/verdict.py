# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What the answers to one address mean: one word per address (``outcome``), and a sentence when it isn't ``ok``. Pure.

A copy of ``_rules/wire_facts.py`` (``Wire.outcome``), since this runs on probe hosts with the standard library alone; a test
compares the two.

The words, worst reading first, for modes sweep and watch:

``not-asked``     nothing can be concluded: not on link, interface unusable … (MLB608)
``silent``        nobody answers broadcast, nor unicast where that was asked (MLB601)
``broadcast-lost``  silent to broadcast, but a node answers when asked alone: broadcast is lost on the way (MLB609)
``foreign``       a MAC that is no node's answers (MLB602)
``many``          more than one node, or more than one MAC where no nodes are given (MLB603)
``unknown-node``  one MAC answers, and it cannot be told whose it is, for some node's own MAC is not known (MLB608)
``other-node``    one node answers, not the expected one (MLB604)
``one-node-twice``  one node answers with several MACs: several of its interfaces are in the segment (MLB610)
``ok``            one node answers, the expected one if one is expected

For mode conflict: ``in-use`` (MLB605), ``free``, ``not-asked``, ``unproven`` (silence that proves nothing).
"""

from __future__ import annotations

# The finding that an outcome is, by itself. l2_diagnose says more: it knows what the API has to say of the address.
FINDINGS = {
    "not-asked": "MLB608",
    "silent": "MLB601",
    "broadcast-lost": "MLB609",
    "foreign": "MLB602",
    "many": "MLB603",
    "one-node-twice": "MLB610",
    "other-node": "MLB604",
    "unknown-node": "MLB608",
    "ok": "",
    "in-use": "MLB605",
    "free": "",
    "unproven": "MLB608",
}


def finding(word: str, conclusive: bool) -> str:
    """The code of the finding that an outcome is, or empty. Silence that proves nothing is the probe's fault (MLB608)."""
    return "MLB608" if word == "silent" and not conclusive else FINDINGS[word]


def outcome(
    asked: bool,
    macs: list[str],
    nodes: dict[str, str],
    expected: str | None,
    nodes_given: bool,
    nodes_complete: bool,
    unicast_macs: list[str],
    local: bool = False,
) -> str:
    """The word for one address of a sweep.

    :param macs: MACs that answered broadcast
    :param nodes: MAC -> node
    :param expected: the node that should answer, or None
    :param nodes_given: whether there are any nodes to compare with
    :param nodes_complete: whether the MAC of every node is known
    :param unicast_macs: MACs that answered when asked alone
    :param local: whether this host itself holds the address
    """
    if not asked:
        return "not-asked"
    if len(macs) == 1 and not unicast_macs and not expected and (not nodes_given or macs[0] in nodes):
        return "ok"  # the usual case, without further ado
    heard = sorted(set(macs) | set(unicast_macs))
    if not heard:
        return "silent"
    owners = sorted({nodes[mac] for mac in heard if mac in nodes})
    strangers = [mac for mac in heard if mac not in nodes]
    if nodes_given and strangers and (nodes_complete or local):
        return "foreign"
    if len(owners) > 1 or len(strangers) > 1 or (owners and strangers):
        return "many"
    if nodes_given and strangers:
        return "unknown-node"
    if expected and owners and owners[0] != expected:
        return "other-node"
    if len(heard) > 1:
        return "one-node-twice"
    if not macs:
        return "broadcast-lost"
    return "ok"


def sentence(
    word: str,
    address: str,
    interface: str,
    heard: list[str],
    nodes: dict[str, str],
    expected: str | None,
    tries: int,
) -> str:
    """One line for people about an outcome; empty for ``ok`` and ``free``."""

    if word in ("ok", "free"):
        return ""

    def who(mac: str) -> str:
        return f"{mac} ({nodes[mac]})" if mac in nodes else f"{mac} (no node's)"

    named = ", ".join(who(mac) for mac in heard)
    if word == "silent":
        return f"{address}: nobody answers on {interface} after {tries} requests."
    if word == "broadcast-lost" and ":" in address:
        return (
            f"{address}: nobody answers solicitations to multicast on {interface}, but {named} does when asked alone: "
            "multicast is lost on the way (a switch that snoops MLD without a querier), or the speaker has lost the "
            "group after its interface was down; then restart that speaker."
        )
    if word == "broadcast-lost":
        return (
            f"{address}: nobody answers requests to broadcast on {interface}, but {named} does when asked alone: "
            "broadcast is lost on the way (ARP suppression or inspection, storm control, a Wi-Fi or virtual switch)."
        )
    if word == "foreign":
        strangers = ", ".join(mac for mac in heard if mac not in nodes)
        return (
            f"{address}: {strangers} answers on {interface} and is no node's: another host has the address, or a "
            "proxy answers for it."
        )
    if word == "many":
        return f"{address}: several hosts answer on {interface}: {named}. Traffic goes to whichever answered last."
    if word == "one-node-twice":
        return (
            f"{address}: one node answers on {interface} with several MACs ({named}): several of its interfaces are "
            "in this segment."
        )
    if word == "other-node":
        return f"{address}: {named} answers on {interface}, expected is {expected}."
    if word == "unknown-node" and not heard:
        return f"{address}: somebody has the address (a TCP connection was accepted or refused), but not who."
    if word == "unknown-node":
        return (
            f"{address}: {', '.join(heard)} answers on {interface}; it cannot be told whose it is, as not every "
            "node's own address was answered."
        )
    if word == "in-use":
        return (
            f"{address}: already used on {interface} by "
            f"{named if nodes else ', '.join(heard) or 'a host of unknown MAC'}."
        )
    return ""
