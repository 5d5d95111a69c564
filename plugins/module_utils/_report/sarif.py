# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Results of the judging modules as SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ansible_collections.l2ops.metallb.plugins.module_utils._analysis import conclusion
from ansible_collections.l2ops.metallb.plugins.module_utils._findings.catalogue import CATALOGUE
from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import DOCS
from ansible_collections.l2ops.metallb.plugins.module_utils._report.analysis import (
    _LEVELS,
    HOME,
    Result,
    _relative,
    checked,
    json_text,
    unseen,
)

_OCTETS = re.compile("[^\ud800-\udc7f\udd00-\udfff]*")
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(result: Result, base: str = "") -> str:
    """SARIF 2.1.0 of the findings that stand in a file; the others are notifications, since readers want a place for each result.

    base is the repository's folder: paths are given relative to it, as code hosts want them. Files outside it keep their path.
    """
    # Names of files as the file system has them: as URIs they need not be text.
    paths = (
        [one.get("file") for one in result["findings"]] if isinstance(result, Mapping) and "findings" in result else []
    )
    result = checked(result)
    located = [one for one in result["findings"] if one.get("file")]
    paths = [path for path in paths if path]
    codes = sorted({one["code"] for one in located})
    place = {code: number for number, code in enumerate(codes)}
    results = []
    for one, path in zip(located, paths):
        uri, based = _uri(path, base)
        location: dict[str, Any] = {"uri": uri}
        if based:
            location["uriBaseId"] = "SRCROOT"
        about = f"{conclusion.named(one['object'])} {one.get('field', '')}".strip()
        print_of = hashlib.sha256(f"{one['code']} {uri} {about}".encode()).hexdigest()[:32]
        because = f" (because of {', '.join(one['caused_by'])})" if one["caused_by"] else ""
        results.append(
            {
                "ruleId": one["code"],
                "ruleIndex": place[one["code"]],
                "level": _LEVELS[one["severity"]],
                "message": {"text": f"{conclusion.named(one['object'])}: {one['summary']}{because}. {one['fix']}"},
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
    return json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _uri(path: str, base: str) -> tuple[str, bool]:
    """The path as URI, and whether it is relative to base."""
    relative = _relative(path, base)
    if relative:
        return _quoted(relative), True
    if os.path.isabs(path):
        return "file://" + _quoted(path), False
    return _quoted(path), False


def _quoted(path: str) -> str:
    # A file's name need not be UTF-8: Python keeps such octets as halves of characters (PEP 383). Any other half is nobody's octet.
    return quote(path.replace(os.sep, "/").encode("utf-8", "surrogateescape" if _OCTETS.fullmatch(path) else "replace"))


def _rule(code: str) -> dict[str, Any]:
    entry: Mapping[str, Any] = CATALOGUE[code]
    commands = "".join(f"\n    {one}" for one in entry["commands"])
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in str(entry["slug"]).split("-")),
        "shortDescription": {"text": f"{entry['title']}."},
        "fullDescription": {"text": entry["meaning"]},
        "help": {
            "text": f"{entry['fix']}{commands}",
            "markdown": f"{entry['fix']}\n{commands}\n\n[{code}]({DOCS}/{code}.md)",
        },
        "helpUri": f"{DOCS}/{code}.md",
        "defaultConfiguration": {"level": _LEVELS[str(entry["severity"])]},
        "properties": {"tags": ["metallb", entry["category"]]},
    }


def _notifications(result: Result, located: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    there = {id(one) for one in located}
    for one in result["findings"]:
        if id(one) not in there:
            text_of = f"{one['code']} {conclusion.named(one['object'])}: {one['summary']}"
            yield {"level": _LEVELS[one["severity"]], "message": {"text": text_of}}
    for reason, codes in unseen(result):
        yield {"level": "note", "message": {"text": f"{', '.join(codes)} skipped: {reason}"}}
