# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Results of the judging modules for people (console, Markdown) and for machines (JUnit XML, SARIF).

Pure: what l2_validate or l2_diagnose returned goes in, text comes out. No output changes the verdict: what fails a run is decided
by the module's fail_on, and here only repeated.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._analysis import conclusion
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import clean, printable

Result = Mapping[str, Any]
HOME = "https://github.com/l2ops/metallb"
NARROWEST = 60
# More rows of a kind than these help nobody on a screen; files have them all.
MOST = 20
_STATES = {"broken": "BROKEN", "unknown": "UNKNOWN", "warning": "WARNING", "ok": "ok"}
_RESULTS = {"passed": "ok", "failed": "FAILED", "warning": "WARNING", "skipped": "-"}


class RenderError(ValueError):
    """What was given is no result of a judging module."""


def checked(result: Any) -> Result:
    """The result with every text printable. Raises RenderError with what to do where it is none, or one of a module that could read nothing."""
    if not isinstance(result, Mapping):
        raise RenderError(f"this is no result of l2_validate or l2_diagnose, but a {type(result).__name__}")
    if result.get("failure_kind") == "execution":
        raise RenderError(
            f"the module could not read anything, so there is nothing to report: {printable(result.get('msg'))}"
        )
    if not all(name in result for name in ("findings", "checks", "summary")):
        why = "; its task was skipped" if result.get("skipped") else ""
        raise RenderError(
            f"this is no result of l2_validate or l2_diagnose: findings, checks or summary are missing{why}"
        )
    cleaned: Result = clean(result)
    return cleaned


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _numbers(result: Result) -> str:
    """How much of what there is, in one line."""
    summary = result["summary"]
    parts = [_count(summary["errors"], "error"), _count(summary["warnings"], "warning")]
    if summary.get("infos"):
        parts.append(_count(summary["infos"], "info"))
    if summary.get("ignored"):
        parts.append(f"{summary['ignored']} ignored")
    done = sum(1 for check in result["checks"] if check["result"] != "skipped")
    looked = f"{done} of {_count(len(result['checks']), 'check')} ran"
    return f"{', '.join(parts)}; {looked}."


def _judged(result: Result) -> str:
    """What was judged, as far as it says so."""
    judged = result.get("judged") or {}
    written = _count(len(judged.get("written") or ()), "object")
    files = f" in {_count(len(judged['files']), 'file')}" if judged.get("files") else ""
    against = {"nothing": f"{written}{files}", "snapshot": "a saved snapshot"}.get(
        str(judged.get("against")), "the cluster"
    )
    if judged.get("written") and judged.get("against") != "nothing":
        against = f"{written}{files} laid over {against}"
    return f"{against[0].upper()}{against[1:]} judged."


def headline(result: Result, sentence: bool = True) -> str:
    """The one line that matters most; without `sentence` the number of services alone, where their causes follow."""
    if "diagnoses" not in result:
        if not sentence and result["findings"] and not result.get("unknown"):
            return _judged(result)
        return str(result.get("msg") or result.get("verdict") or "")
    counted = conclusion.counted(result["diagnoses"])
    told = conclusion.headline(result)
    if not counted or result.get("unknown") or (sentence and len(result["diagnoses"]) == 1):
        return told
    return f"{counted} {told}" if sentence else counted


def alike(diagnoses: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Services that the same cause breaks at the same place, together."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for one in diagnoses:
        chain = tuple((step["result"], *step["codes"]) for step in one["steps"])
        groups.setdefault((one["state"], one["fix"], chain), []).append(one)
    return list(groups.values())


def grouped(findings: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], list[str]]]:
    """Findings that say the same of several objects, told once, with the objects."""
    groups: dict[tuple[Any, ...], tuple[Mapping[str, Any], list[str]]] = {}
    for one in findings:
        key = (one["code"], one["severity"], one["summary"], one["fix"], one.get("file"), one.get("line"))
        groups.setdefault(key, (one, []))[1].append(conclusion.named(one["object"]))
    return list(groups.values())


def unseen(result: Result) -> list[tuple[str, list[str]]]:
    """Reasons why checks were skipped, with the codes of these checks."""
    skipped = [check for check in result["checks"] if check["result"] == "skipped"]
    # "nodes: no cluster" and "pods: no cluster" are one reason.
    tails: dict[str, set[str]] = {}
    for check in skipped:
        tails.setdefault(check["reason"].partition(": ")[2], set()).add(check["reason"])
    reasons: dict[str, list[str]] = {}
    for check in skipped:
        tail = check["reason"].partition(": ")[2]
        shared = bool(tail) and len(tails[tail]) > 1
        reasons.setdefault(tail if shared else check["reason"], []).append(check["id"])
    return list(reasons.items())


def _listed(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _relative(path: str, base: str) -> str:
    """The path as seen from base; empty where it is not within."""
    if not base:
        return ""
    relative = os.path.relpath(os.path.abspath(path), os.path.abspath(base))
    return "" if relative == os.pardir or relative.startswith(os.pardir + os.sep) else relative


def place_of(finding: Mapping[str, Any], base: str) -> str:
    """file:line, as editors and terminals know it; empty without."""
    if not finding.get("file"):
        return ""
    return f"{_relative(finding['file'], base) or finding['file']}:{finding['line']}"


# -- console ----------------------------------------------------------------------------------------------------------


class _Page:
    """Lines that keep to a width, words that are longer aside."""

    def __init__(self, width: int) -> None:
        self.width = max(NARROWEST, width)
        self.lines: list[str] = []

    def add(self, text: str = "", first: str = "", hanging: int = 0) -> None:
        """A paragraph: `first` before its first line, `hanging` blanks before the others."""
        self.lines += textwrap.wrap(
            text,
            self.width,
            initial_indent=first,
            subsequent_indent=" " * hanging,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [first.rstrip()]

    def title(self, text: str) -> None:
        self.lines += ["", text, "-" * len(text)]

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> None:
        shown = rows[:most]
        sizes = [max(len(row[place]) for row in (head, *shown)) for place in range(len(head))]
        for row in (head, *shown):
            self.lines.append("  ".join(cell.ljust(size) for cell, size in zip(row, sizes)).rstrip())
        if len(rows) > most:
            self.lines.append(f"({len(rows) - most} more)")


def text(result: Result, width: int = 100, title: str = "", base: str = "", most: int = MOST) -> str:
    """For a console of this width: what matters most first. base is the folder that paths are shown relative to."""
    result = checked(result)
    title = printable(title)
    page = _Page(width)
    page.add((f"{title}: " if title else "") + headline(result, sentence=False))
    page.add(_numbers(result))
    diagnoses = result.get("diagnoses", [])
    wrong = alike(one for one in diagnoses if one["state"] != "ok")
    for group in wrong[:most]:
        _service(page, group[0])
        if len(group) > 1:
            names = [f"{one['service']} ({', '.join(one['addresses']) or 'no address'})" for one in group[1:]]
            page.add()
            page.add(f"The same breaks {_listed(names, most)}.")
    if len(wrong) > most:
        page.add()
        page.add(f"{len(wrong) - most} more causes; a report in a file has them all.")
    fine = [one for one in diagnoses if one["state"] == "ok"]
    if fine:
        page.title("Services that are fine")
        rows = [
            (
                one["service"],
                ", ".join(one["addresses"]) or "-",
                one["elected"] or "-",
                ", ".join(one["answering"]) or "not probed",
            )
            for one in fine
        ]
        page.table(("SERVICE", "ADDRESS", "NODE (ELECTED)", "NODE (WIRE)"), rows, 2 * most)
    if result["findings"]:
        page.title("Findings")
        groups = grouped(result["findings"])
        for finding, objects in groups[: 2 * most]:
            _finding(page, finding, objects, base)
        if len(groups) > 2 * most:
            page.add(f"({len(groups) - 2 * most} more; a report in a file has them all)")
    skipped = unseen(result)
    if skipped:
        page.title("Skipped")
        for reason, codes in skipped:
            page.add(f"{_listed(codes)}: {reason}", hanging=4)
    return "\n".join(page.lines)


def _service(page: _Page, one: Mapping[str, Any]) -> None:
    page.title(" ".join([_STATES[one["state"]], one["service"], ", ".join(one["addresses"])]).rstrip())
    if one["cause"]:
        page.add(one["cause"], first="Cause:   ", hanging=9)
    if one["fix"]:
        page.add(one["fix"], first="Fix:     ", hanging=9)
    page.add()
    for step in one["steps"]:
        codes = f" ({', '.join(step['codes'])})" if step["codes"] else ""
        page.add(step["text"] + codes, first=f"  {_RESULTS[step['result']]:7}  {step['step']:13}  ", hanging=26)
    nodes = one["candidates"]
    if nodes and one["state"] in ("broken", "warning"):
        page.add()
        size = max(len(row["node"]) for row in nodes[:MOST])
        for row in nodes[:MOST]:
            page.add(row["text"], first=f"  {row['node'].ljust(size)}  ", hanging=size + 4)
        counted = sum(one["candidate_counts"].values())
        if counted > len(nodes[:MOST]):
            page.add(f"  ({counted - len(nodes[:MOST])} more nodes)")


def _finding(page: _Page, finding: Mapping[str, Any], objects: Sequence[str], base: str) -> None:
    where = place_of(finding, base)
    page.add(f"{finding['severity']:7}  {finding['code']}  {_listed(objects)}", hanging=17)
    if where:
        page.add(where, first="         ", hanging=9)
    page.add(finding["summary"], first="         ", hanging=9)
    if finding["caused_by"]:
        page.add(f"because of {', '.join(finding['caused_by'])}", first="         ", hanging=9)
    else:
        page.add(finding["fix"], first="         -> ", hanging=12)


# -- JUnit ------------------------------------------------------------------------------------------------------------

# What XML 1.0 cannot hold at all.
_HIDDEN = re.compile(
    "[^\n\x20-\x7e\xa0-\u061b\u061d-\u200d\u2010-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\U0010ffff]"
)
_UNXML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# -- JSON ---------------------------------------------------------------------------------------------------------------

_OURS = (
    "msg",
    "verdict",
    "failure_kind",
    "worst",
    "ok",
    "sentences",
    "summary",
    "judged",
    "diagnoses",
    "findings",
    "checks",
    "unknown",
    "skipped_kinds",
)


def as_json(result: Result) -> str:
    """All that the module said, without what Ansible adds to a result."""
    checked(result)
    return json_text({name: result[name] for name in _OURS if name in result})


def json_text(value: Any) -> str:
    """JSON for people, too: what is not printable is written as \\uXXXX, so nothing is lost and no terminal obeys it."""
    told = json.dumps(value, indent=2, ensure_ascii=False)
    # JSON has such characters within texts only.
    return _HIDDEN.sub(lambda found: f"\\u{ord(found.group()):04x}", told) + "\n"


# -- SARIF ------------------------------------------------------------------------------------------------------------

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
