# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Results of the judging modules as JUnit XML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from ansible_collections.l2ops.metallb.plugins.module_utils._analysis import conclusion
from ansible_collections.l2ops.metallb.plugins.module_utils._findings.catalogue import CATALOGUE
from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import FAIL_ON, fails
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import printable
from ansible_collections.l2ops.metallb.plugins.module_utils._report.analysis import (
    _UNXML,
    RenderError,
    Result,
    checked,
    place_of,
)


def _xml(words: Any) -> str:
    return _UNXML.sub("?", printable(words, lines=True))


def junit(result: Result, title: str = "MetalLB, layer 2", fail_on: str = "error", base: str = "") -> str:
    """For CI: a suite of checks, and one of services where they were diagnosed. fail_on is the module's option."""
    result = checked(result)
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
    where = f"{place_of(finding, base)}: " if finding.get("file") else ""
    causes = f"\nbecause of {', '.join(finding['caused_by'])}" if finding["caused_by"] else ""
    return (
        f"{where}{finding['severity']}: {finding['code']} {conclusion.named(finding['object'])}: {finding['summary']}{causes}\n"
        f"{finding['fix']}\n{finding['docs']}"
    )
