# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Results of the judging modules as Markdown."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import printable
from ansible_collections.l2ops.metallb.plugins.module_utils._report.analysis import (
    Result,
    _listed,
    _numbers,
    checked,
    grouped,
    headline,
    place_of,
    unseen,
)

# -- Markdown ---------------------------------------------------------------------------------------------------------


def _cell(words: Any) -> str:
    """Text that stays text within Markdown and its tables."""
    safe = printable(words).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return re.sub(r"([*_`~\[\]])", r"\\\1", safe)


def markdown(result: Result, title: str = "MetalLB, layer 2", base: str = "") -> str:
    """For an issue or a chat. base is the folder that paths are shown relative to."""
    result = checked(result)
    lines = [f"## {_cell(title)}", "", f"**{_cell(headline(result))}**", "", _cell(_numbers(result)), ""]
    diagnoses = result.get("diagnoses", [])
    if diagnoses:
        lines += ["| Service | Address | State | Elected | Answers on the wire |", "|---|---|---|---|---|"]
        for one in diagnoses:
            cells = (
                one["service"],
                ", ".join(one["addresses"]) or "none",
                one["state"],
                one["elected"] or "nobody",
                ", ".join(one["answering"]) or "not probed",
            )
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
        lines.append("")
    for one in diagnoses:
        if one["state"] == "ok":
            continue
        lines += [f"### {_cell(one['service'])}: {one['state']}", ""]
        lines += [f"- **Cause:** {_cell(one['cause'])}"] if one["cause"] else []
        lines += [f"- **Fix:** {_cell(one['fix'])}"] if one["fix"] else []
        lines += ["", "| Step | Result | |", "|---|---|---|"]
        lines += [f"| {step['step']} | {step['result']} | {_cell(step['text'])} |" for step in one["steps"]]
        if one["candidates"]:
            lines += ["", "| Node | Why, or why not |", "|---|---|"]
            lines += [f"| {_cell(row['node'])} | {_cell(row['text'])} |" for row in one["candidates"]]
        lines.append("")
    if result["findings"]:
        lines += ["### Findings", "", "| | Code | About | What, and what fixes it |", "|---|---|---|---|"]
        for finding, objects in grouped(result["findings"]):
            where = f" ({place_of(finding, base)})" if finding.get("file") else ""
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
    skipped = unseen(result)
    if skipped:
        lines += [
            f"<details><summary>{sum(len(codes) for _reason, codes in skipped)} checks were skipped</summary>",
            "",
        ]
        lines += [f"- {', '.join(codes)}: {_cell(reason)}" for reason, codes in skipped]
        lines += ["", "</details>", ""]
    return "\n".join(lines)
