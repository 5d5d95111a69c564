# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Results of the judging modules for people (console, Markdown) and for machines (JUnit XML, SARIF).

Pure: what l2_validate or l2_diagnose returned goes in, text comes out. No output changes the verdict: what fails a run is decided
by the module's fail_on, and here only repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from ansible_collections.l2ops.metallb.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.l2ops.metallb.plugins.module_utils._findings import DOCS, FAIL_ON, fails

Result = Mapping[str, Any]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://github.com/l2ops/metallb"
NARROWEST = 60
# More rows of a kind than these help nobody on a screen; files have them all.
MOST = 20
_STATES = {"broken": "BROKEN", "unknown": "UNKNOWN", "warning": "WARNING", "ok": "ok"}
_RESULTS = {"passed": "ok", "failed": "FAILED", "warning": "WARNING", "skipped": "-"}


class RenderError(ValueError):
    """What was given is no result of a judging module."""


def checked(result: Any) -> Result:
    """The result itself. Raises RenderError with what to do where it is none, or one of a module that could not look."""
    if not isinstance(result, Mapping):
        raise RenderError(f"this is no result of l2_validate or l2_diagnose, but a {type(result).__name__}")
    if result.get("failure_kind") == "execution":
        raise RenderError(f"the module could not look, so there is nothing to report: {result.get('msg')}")
    if not all(name in result for name in ("findings", "checks", "summary")):
        why = "; its task was skipped" if result.get("skipped") else ""
        raise RenderError(
            f"this is no result of l2_validate or l2_diagnose: findings, checks or summary are missing{why}"
        )
    return result


def _named(ref: Mapping[str, str]) -> str:
    return f"{ref['kind']} {ref['namespace']}/{ref['name']}" if ref.get("namespace") else f"{ref['kind']} {ref['name']}"


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
    looked = f"{done} of {_count(len(result['checks']), 'check')} could look"
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
        if not sentence and result["findings"]:
            return _judged(result)
        return str(result.get("verdict") or result.get("msg") or "")
    diagnoses = result["diagnoses"]
    wrong = [one for one in diagnoses if one["state"] != "ok"]
    if not diagnoses:
        return "There is no LoadBalancer service that MetalLB serves."
    if not wrong:
        return f"Nothing is wrong with {_count(len(diagnoses), 'service')}."
    if len(diagnoses) == 1 and sentence:
        return str(wrong[0]["sentence"])
    states = [(state, sum(1 for one in wrong if one["state"] == state)) for state in ("broken", "unknown", "warning")]
    told = ", ".join(
        f"{number} {'with warnings' if state == 'warning' else state}" for state, number in states if number
    )
    counted = (
        f"{len(wrong)} of {_count(len(diagnoses), 'service')} {'is' if len(wrong) == 1 else 'are'} not fine ({told})."
    )
    return f"{counted} {wrong[0]['sentence']}" if sentence else counted


def _alike(diagnoses: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Services that the same cause breaks at the same place, together."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for one in diagnoses:
        chain = tuple((step["result"], *step["codes"]) for step in one["steps"])
        groups.setdefault((one["state"], one["remedy"], chain), []).append(one)
    return list(groups.values())


def _grouped(findings: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], list[str]]]:
    """Findings that say the same of several objects, told once, with the objects."""
    groups: dict[tuple[Any, ...], tuple[Mapping[str, Any], list[str]]] = {}
    for one in findings:
        key = (one["code"], one["severity"], one["summary"], one["fix"], one.get("file"), one.get("line"))
        groups.setdefault(key, (one, []))[1].append(_named(one["object"]))
    return list(groups.values())


def _unseen(result: Result) -> list[tuple[str, list[str]]]:
    """Reasons why checks could not look, with the codes of these checks."""
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


def _where(finding: Mapping[str, Any], base: str) -> str:
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
    checked(result)
    page = _Page(width)
    page.add((f"{title}: " if title else "") + headline(result, sentence=False))
    page.add(_numbers(result))
    diagnoses = result.get("diagnoses", [])
    wrong = _alike(one for one in diagnoses if one["state"] != "ok")
    for alike in wrong[:most]:
        _service(page, alike[0])
        if len(alike) > 1:
            names = [f"{one['service']} ({', '.join(one['addresses']) or 'no address'})" for one in alike[1:]]
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
                one["predicted"] or "-",
                ", ".join(one["answering"]) or "not looked at",
            )
            for one in fine
        ]
        page.table(("SERVICE", "ADDRESS", "NODE (ELECTED)", "NODE (WIRE)"), rows, 2 * most)
    if result["findings"]:
        page.title("Findings")
        groups = _grouped(result["findings"])
        for finding, objects in groups[: 2 * most]:
            _finding(page, finding, objects, base)
        if len(groups) > 2 * most:
            page.add(f"({len(groups) - 2 * most} more; a report in a file has them all)")
    unseen = _unseen(result)
    if unseen:
        page.title("Not looked at")
        for reason, codes in unseen:
            page.add(f"{_listed(codes)}: {reason}", hanging=4)
    return "\n".join(page.lines)


def _service(page: _Page, one: Mapping[str, Any]) -> None:
    page.title(" ".join([_STATES[one["state"]], one["service"], ", ".join(one["addresses"])]).rstrip())
    if one["cause"]:
        page.add(one["cause"], first="Cause:   ", hanging=9)
    if one["remedy"]:
        page.add(one["remedy"], first="Remedy:  ", hanging=9)
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
    where = _where(finding, base)
    page.add(f"{finding['severity']:7}  {finding['code']}  {_listed(objects)}", hanging=17)
    if where:
        page.add(where, first="         ", hanging=9)
    page.add(finding["summary"], first="         ", hanging=9)
    if finding["caused_by"]:
        page.add(f"because of {', '.join(finding['caused_by'])}", first="         ", hanging=9)
    else:
        page.add(finding["fix"], first="         -> ", hanging=12)


# -- Markdown ---------------------------------------------------------------------------------------------------------


def _cell(words: Any) -> str:
    """Text that stays text within Markdown and its tables."""
    safe = str(words).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
    return re.sub(r"([*_`\[\]])", r"\\\1", safe)


def markdown(result: Result, title: str = "MetalLB, layer 2", base: str = "") -> str:
    """For an issue or a chat. base is the folder that paths are shown relative to."""
    checked(result)
    lines = [f"## {_cell(title)}", "", f"**{_cell(headline(result))}**", "", _cell(_numbers(result)), ""]
    diagnoses = result.get("diagnoses", [])
    if diagnoses:
        lines += ["| Service | Address | State | Elected | Answers on the wire |", "|---|---|---|---|---|"]
        for one in diagnoses:
            cells = (
                one["service"],
                ", ".join(one["addresses"]) or "none",
                one["state"],
                one["predicted"] or "nobody",
                ", ".join(one["answering"]) or "not looked at",
            )
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
        lines.append("")
    for one in diagnoses:
        if one["state"] == "ok":
            continue
        lines += [f"### {_cell(one['service'])}: {one['state']}", ""]
        lines += [f"- **Cause:** {_cell(one['cause'])}"] if one["cause"] else []
        lines += [f"- **Remedy:** {_cell(one['remedy'])}"] if one["remedy"] else []
        lines += ["", "| Step | Result | |", "|---|---|---|"]
        lines += [f"| {step['step']} | {step['result']} | {_cell(step['text'])} |" for step in one["steps"]]
        if one["candidates"]:
            lines += ["", "| Node | Why, or why not |", "|---|---|"]
            lines += [f"| {_cell(row['node'])} | {_cell(row['text'])} |" for row in one["candidates"]]
        lines.append("")
    if result["findings"]:
        lines += ["### Findings", "", "| | Code | About | What, and what mends it |", "|---|---|---|---|"]
        for finding, objects in _grouped(result["findings"]):
            where = f" ({_where(finding, base)})" if finding.get("file") else ""
            then = (
                f"because of {', '.join(finding['caused_by'])}"
                if finding["caused_by"]
                else f"*{_cell(finding['fix'])}*"
            )
            lines.append(
                f"| {finding['severity']} | [{finding['code']}]({finding['docs']}) | {_cell(_listed(objects) + where)} "
                f"| {_cell(finding['summary'])}<br>{then} |"
            )
        lines.append("")
    unseen = _unseen(result)
    if unseen:
        lines += [
            f"<details><summary>{sum(len(codes) for _reason, codes in unseen)} checks could not look</summary>",
            "",
        ]
        lines += [f"- {', '.join(codes)}: {_cell(reason)}" for reason, codes in unseen]
        lines += ["", "</details>", ""]
    return "\n".join(lines)


# -- JUnit ------------------------------------------------------------------------------------------------------------

# What XML 1.0 cannot hold at all.
_UNXML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml(words: Any) -> str:
    return _UNXML.sub("?", str(words))


def junit(result: Result, title: str = "MetalLB, layer 2", fail_on: str = "error", base: str = "") -> str:
    """For CI: a suite of checks, and one of services where they were diagnosed. fail_on is the module's option."""
    checked(result)
    if fail_on not in FAIL_ON:
        raise RenderError(f"fail_on must be one of {', '.join(FAIL_ON)}, not {fail_on!r}")
    suites = ElementTree.Element("testsuites", name=_xml(title))
    by_code: dict[str, list[Mapping[str, Any]]] = {}
    for finding in result["findings"]:
        by_code.setdefault(finding["code"], []).append(finding)
    cases = []
    for check in result["checks"]:
        code = check["id"]
        entry = CATALOGUE[code]
        case = ElementTree.Element(
            "testcase", classname=f"l2ops.metallb.{entry['category']}", name=f"{code} {entry['slug']}"
        )
        found = by_code.get(code, [])
        bad = [one for one in found if fails(one["severity"], fail_on)]
        told = "\n\n".join(_plain(one, base) for one in found)
        if bad:
            failure = ElementTree.SubElement(case, "failure", message=_xml(bad[0]["summary"]), type=bad[0]["severity"])
            failure.text = _xml(told)
        elif check["result"] == "skipped":
            ElementTree.SubElement(case, "skipped", message=_xml(check["reason"]))
        elif found:
            ElementTree.SubElement(case, "system-out").text = _xml(told)
        cases.append(case)
    _suite(suites, f"{title}: checks", cases)
    if "diagnoses" in result:
        cases = []
        for one in result["diagnoses"]:
            case = ElementTree.Element("testcase", classname="l2ops.metallb.service", name=_xml(one["service"]))
            chain = "\n".join(f"{step['step']}: {step['result']}: {step['text']}" for step in one["steps"])
            if fails({"broken": "error"}.get(one["state"], one["state"]), fail_on):
                failure = ElementTree.SubElement(case, "failure", message=_xml(one["cause"]), type=one["state"])
                failure.text = _xml(f"{one['sentence']}\n\n{chain}")
            elif one["state"] == "unknown":
                ElementTree.SubElement(case, "skipped", message=_xml(one["cause"]))
            elif one["state"] != "ok":
                ElementTree.SubElement(case, "system-out").text = _xml(f"{one['sentence']}\n\n{chain}")
            cases.append(case)
        _suite(suites, f"{title}: services", cases)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _suite(suites: ElementTree.Element, name: str, cases: Sequence[ElementTree.Element]) -> None:
    failures = sum(1 for case in cases if case.find("failure") is not None)
    skipped = sum(1 for case in cases if case.find("skipped") is not None)
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name=_xml(name),
        tests=str(len(cases)),
        failures=str(failures),
        errors="0",
        skipped=str(skipped),
    )
    suite.extend(cases)


def _plain(finding: Mapping[str, Any], base: str) -> str:
    where = f"{_where(finding, base)}: " if finding.get("file") else ""
    causes = f"\nbecause of {', '.join(finding['caused_by'])}" if finding["caused_by"] else ""
    return (
        f"{where}{finding['severity']}: {finding['code']} {_named(finding['object'])}: {finding['summary']}{causes}\n"
        f"{finding['fix']}\n{finding['docs']}"
    )


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
    "not_looked_at",
)


def as_json(result: Result) -> str:
    """All that the module said, without what Ansible adds to a result."""
    checked(result)
    return json.dumps({name: result[name] for name in _OURS if name in result}, indent=2, ensure_ascii=False) + "\n"


# -- SARIF ------------------------------------------------------------------------------------------------------------

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def sarif(result: Result, base: str = "") -> str:
    """SARIF 2.1.0 of the findings that stand in a file; the others are notifications, since readers want a place for each result.

    base is the repository's folder: paths are given relative to it, as code hosts want them. Files outside it keep their path.
    """
    checked(result)
    located = [one for one in result["findings"] if one.get("file")]
    codes = sorted({one["code"] for one in located})
    place = {code: number for number, code in enumerate(codes)}
    results = []
    for one in located:
        uri, based = _uri(one["file"], base)
        location: dict[str, Any] = {"uri": uri}
        if based:
            location["uriBaseId"] = "SRCROOT"
        about = f"{_named(one['object'])} {one.get('field', '')}".strip()
        print_of = hashlib.sha256(f"{one['code']} {uri} {about}".encode()).hexdigest()[:32]
        because = f" (because of {', '.join(one['caused_by'])})" if one["caused_by"] else ""
        results.append(
            {
                "ruleId": one["code"],
                "ruleIndex": place[one["code"]],
                "level": _LEVELS[one["severity"]],
                "message": {"text": f"{_named(one['object'])}: {one['summary']}{because}. {one['fix']}"},
                "locations": [
                    {
                        "physicalLocation": {
                            "artifactLocation": location,
                            "region": {"startLine": max(1, int(one["line"]))},
                        },
                        "logicalLocations": [{"fullyQualifiedName": about, "kind": "object"}],
                    }
                ],
                # Lines move, objects keep their names: so a code host knows an alert again.
                "partialFingerprints": {"l2opsMetallb/v1": print_of},
            }
        )
    driver = {"name": "l2ops.metallb", "informationUri": HOME, "rules": [_rule(code) for code in codes]}
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": True, "toolExecutionNotifications": list(_notifications(result, located))}
        ],
        "results": results,
    }
    if base:
        run["originalUriBaseIds"] = {"SRCROOT": {"description": {"text": "The repository"}}}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _uri(path: str, base: str) -> tuple[str, bool]:
    """The path as URI, and whether it is relative to base."""
    relative = _relative(path, base)
    if relative:
        return quote(relative.replace(os.sep, "/")), True
    if os.path.isabs(path):
        return "file://" + quote(path.replace(os.sep, "/")), False
    return quote(path.replace(os.sep, "/")), False


def _rule(code: str) -> dict[str, Any]:
    entry: Mapping[str, Any] = CATALOGUE[code]
    commands = "".join(f"\n    {one}" for one in entry["commands"])
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in str(entry["slug"]).split("-")),
        "shortDescription": {"text": f"{entry['title']}."},
        "fullDescription": {"text": entry["meaning"]},
        "help": {
            "text": f"{entry['remedy']}{commands}",
            "markdown": f"{entry['remedy']}\n{commands}\n\n[{code}]({DOCS}/{code}.md)",
        },
        "helpUri": f"{DOCS}/{code}.md",
        "defaultConfiguration": {"level": _LEVELS[str(entry["severity"])]},
        "properties": {"tags": ["metallb", entry["category"]]},
    }


def _notifications(result: Result, located: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    there = {id(one) for one in located}
    for one in result["findings"]:
        if id(one) not in there:
            text_of = f"{one['code']} {_named(one['object'])}: {one['summary']}"
            yield {"level": _LEVELS[one["severity"]], "message": {"text": text_of}}
    for reason, codes in _unseen(result):
        yield {"level": "note", "message": {"text": f"{', '.join(codes)} could not look: {reason}"}}
