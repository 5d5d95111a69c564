# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What playbooks preflight and failover_test make of the probes' results.

Pure: dictionaries as modules ``l2_probe``, ``service_probe`` and ``speaker_away`` return them in, a verdict and lines of text out.
"""

from __future__ import annotations

import typing as t

from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.list_options import listed
from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import (
    AddressError,
    Span,
    format_address,
    merged,
    parse_any,
)

Result = t.Mapping[str, t.Any]
Entry = dict[str, t.Any]
NOTHING = "-"


def lines_of(head: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> list[str]:
    """An aligned table."""
    sizes = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    return ["  ".join(f"{cell:{size}}" for cell, size in zip(row, sizes)).rstrip() for row in [head, *rows]]


# -- preflight --------------------------------------------------------------------------------------------------------


def chunk_addresses(pools: t.Sequence[str], held: t.Sequence[str], most: int, size: int = 512) -> list[Entry]:
    """The addresses of pools that nobody holds, in pieces that a person can watch go by.

    ``pools`` are ranges, prefixes and, for whoever asks about a few, addresses; several may stand in one text, as a survey of AWX sends
    them. Returns dictionaries of ``targets`` (addresses, ``size``
    at most) and ``label`` ("first to last, 2 of 8"). Raises ValueError for more than ``most`` addresses, and for a text that is none
    of these.
    """
    taken = {(span.version, span.first) for span in map(parse_any, held)}
    spans = merged(_asked(text) for texts in pools for text in listed(texts))
    total = sum(span.size for span in spans)
    if total > most:
        raise ValueError(
            f"the pools hold {total} addresses, more than metallb_preflight_max ({most}). Asking takes about a second for 300 of them: "
            "raise it, or name the part that matters in metallb_pool_addresses."
        )
    free = [
        (span.version, number)
        for span in spans
        for number in range(span.first, span.last + 1)
        if (span.version, number) not in taken
    ]
    pieces = [free[start : start + size] for start in range(0, len(free), size)]
    return [
        {
            "targets": [format_address(one) for one in piece],
            "label": f"{format_address(piece[0])} to {format_address(piece[-1])}, {place} of {len(pieces)}",
        }
        for place, piece in enumerate(pieces, 1)
    ]


def _asked(text: str) -> Span:
    try:
        return parse_any(text)
    except AddressError as why:
        raise ValueError(f"{text!r} cannot be asked about: {why}") from None


def preflight(probe: Result) -> Entry:
    """Which addresses of a pool somebody has already (MLB605), from ``l2_probe`` with ``mode: conflict``, looped over or not.

    Returns ``ok``, ``verdict`` (one line), ``table`` (lines), ``in_use`` (address, macs, who) and ``unproven`` (address, why).
    An address that could not be asked is never free.
    """
    in_use: list[Entry] = []
    unproven: list[Entry] = []
    free = 0
    probes = [one for one in probe.get("results", [probe]) if not one.get("skipped")]
    for target in [target for one in probes for target in one.get("targets", [])]:
        outcome = target.get("outcome")
        if outcome == "free":
            free += 1
        elif outcome == "in-use":
            answers = target.get("answers", [])
            in_use.append(
                {
                    "address": target["address"],
                    "macs": list(dict.fromkeys(one["mac"] for one in answers)),
                    "who": list(dict.fromkeys(_who(one) for one in answers)),
                }
            )
        else:
            unproven.append({"address": target["address"], "why": target.get("message") or target.get("reason") or ""})
    # A probe that failed, or whose host could not be reached, returned no targets.
    unproven += [{"address": NOTHING, "why": f"the probe host did not ask: {why}"} for why in _silent(probes)]
    reasons = [why for one in probes if not one.get("conclusive", True) for why in one.get("inconclusive_reasons", [])]
    for why in dict.fromkeys(reasons):
        unproven.append({"address": NOTHING, "why": why})
    rows = [(one["address"], ", ".join(one["macs"]) or NOTHING, "; ".join(one["who"]), "MLB605") for one in in_use]
    rows += [(one["address"], NOTHING, one["why"], "not proven") for one in unproven]
    asked = free + len(in_use) + sum(1 for one in unproven if one["address"] != NOTHING)
    return {
        "ok": not in_use and not unproven,
        "verdict": _preflight_verdict(asked, free, in_use, unproven),
        "table": lines_of(("ADDRESS", "MAC", "WHO", "FINDING"), rows) if rows else [],
        "in_use": in_use,
        "unproven": unproven,
        "asked": asked,
        "free": free,
    }


def _silent(probes: t.Sequence[Result]) -> list[str]:
    told = [str(one.get("msg") or "it gave no result").strip() for one in probes if "targets" not in one and one]
    return list(dict.fromkeys(told))


def _who(answer: Result) -> str:
    if answer.get("node"):
        return f"node {answer['node']}"
    if answer.get("local"):
        return "this probe host"
    return str(answer.get("vendor") or "unknown host")


def _preflight_verdict(asked: int, free: int, in_use: t.Sequence[Entry], unproven: t.Sequence[Entry]) -> str:
    if in_use:
        first = in_use[0]
        more = f" (and {len(in_use) - 1} more)" if len(in_use) > 1 else ""
        return (
            f"{len(in_use)} of {asked} addresses are in use already (MLB605): {first['address']} by "
            f"{', '.join(first['macs'])} ({'; '.join(first['who'])}){more}. Take them from these hosts (DHCP server, switch table), or "
            "leave them out of the pool."
        )
    if unproven:
        return f"{free} of {asked} addresses are free, the rest is not proven: {unproven[0]['why']}"
    return f"{free} of {asked} addresses are free" if asked else "No address was asked for: services hold all of them"
