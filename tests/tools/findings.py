# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/findings/: a page per finding and an index, from the catalogue and the clusters that test its rule.

`findings.py` writes, `findings.py --check` ends with 1 where a page is missing, stale or too many.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path[0] += "/lib"

import argparse
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "findings"
HEADER = """<!--
SPDX-FileCopyrightText: l2ops.metallb contributors
SPDX-License-Identifier: GPL-3.0-or-later
Written by tests/tools/findings.py out of the catalogue and its tests: change those.
-->
"""
CATEGORIES = {
    "install": "Installation",
    "nodes": "Nodes",
    "pools": "Address pools",
    "advertisements": "Advertisements",
    "services": "Services",
    "wire": "The wire, seen from a host on the LAN",
    "gitops": "GitOps: the order in which Argo CD or Flux apply it",
}
NEEDS = {
    "S": "what somebody wrote (manifests, variables)",
    "A": "a cluster, live or saved",
    "W": "answers from the LAN (`l2_probe`, `service_probe`)",
    "F": "facts of the nodes' interfaces (option `interfaces`)",
}
WORST = {
    "error": "traffic is broken, or will be at the next restart or failover",
    "warning": "it works now, but is fragile or discouraged",
    "info": "worth knowing",
}


def words(case: Any) -> str:
    """What a case is, for people: the sentence or the name that it was given."""
    told = (case.change.__doc__ or "").strip().rstrip(".") if case.change.__name__ == case.name else ""
    return told or case.name.replace("_", " ")


def found_in(case: Any) -> Any:
    """The finding that this case is there for."""
    from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import evaluate
    from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
    from ansible_collections.l2ops.metallb.tests.unit.world import World

    world = World()
    case.change(world)
    verdict = evaluate(world.snapshot(), Options.make(**case.options))
    return next(one for one in verdict.of(case.code) if one.object.path == case.object)


def versions(entry: dict[str, Any]) -> str:
    return f"MetalLB {entry['since']} to {entry['until']}" if entry["until"] else f"MetalLB {entry['since']} and later"


def shown(finding: Any) -> str:
    """As modules return it, in YAML that a person reads; written here, for no library breaks lines alike for ever."""
    result = finding.as_result()
    lines = []
    for key, one in result.items():
        if key in ("docs",) or one in ([], {}):
            continue
        if isinstance(one, dict):
            lines.append(f"{key}:")
            lines += [
                f"  {name}: {json.dumps(inner, ensure_ascii=False)}" for name, inner in one.items() if inner != ""
            ]
        else:
            lines.append(
                f"{key}: {one if key in ('code', 'slug', 'severity') else json.dumps(one, ensure_ascii=False)}"
            )
    return "\n".join(lines)


def page(code: str, entry: dict[str, Any], bad: list[Any], good: list[Any], kinds: tuple[str, ...]) -> str:
    text = [HEADER, f"# {code}: {entry['title']}", ""]
    if entry["retired"]:
        text += [
            "**Retired**: no version of this collection raises it any more, and no other finding gets its code.",
            "",
        ]
    needs = "; ".join(NEEDS[letter] for letter in entry["needs"])
    text += [
        f"`{entry['slug']}` · **{entry['severity']}** ({WORST[entry['severity']]}) · {versions(entry)}",
        "",
        entry["meaning"],
        "",
        "## When",
        "",
        entry["when"],
        "",
    ]
    examples = [(case, found_in(case)) for case in bad]
    if examples:
        text += ["Seen as:", ""]
        for case, finding in examples:
            harder = "" if finding.severity == entry["severity"] else f" ({finding.severity})"
            text.append(f"- {words(case)}{harder}: `{finding.summary}`")
        text += ["", "## Evidence", "", "```yaml", shown(examples[0][1]), "```", ""]
    text += ["## Fix", "", entry["fix"], ""]
    if examples:
        fixes = [fix for fix in dict.fromkeys(finding.fix for _case, finding in examples) if fix != entry["fix"]]
        text += [f"For instance: {fixes[0]}" if len(fixes) == 1 else "For instance:", ""] if fixes else []
        text += [*(f"- {fix}" for fix in fixes), ""] if len(fixes) > 1 else []
    if entry["commands"]:
        text += ["```console", *(f"$ {one}" for one in entry["commands"]), "```", ""]
    if good:
        text += ["## What looks like it and is not found", "", *(f"- {words(case)}" for case in good), ""]
    text += ["## How it is looked for", "", f"It needs {needs}."]
    if kinds:
        named = kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} or {kinds[-1]}"
        text += [f"Where {named} could not be read, the check is `skipped` and says why."]
    text += [
        f'To leave it out of account: `ignore: [{code}]`, for one object `ignore: ["{code}=KIND NAMESPACE/NAME"]`, or the',
        f"object's own annotation `l2ops.metallb/ignore: {code}`.",
        "",
        "[All findings](README.md)",
        "",
    ]
    return "\n".join(text)


def index(catalogue: dict[str, dict[str, Any]]) -> str:
    text = [
        HEADER,
        "# Findings",
        "",
        "What the modules `l2_validate`, `l2_diagnose` and `l2_config` and the roles around them find. A code is stable for ever. Each page",
        "says what it means, when it is raised, what fixes it, and what looks like it and is not found; its examples come out of the tests.",
        "",
        *(f"- **{severity}**: {meaning}" for severity, meaning in WORST.items()),
        "",
    ]
    for category, title in CATEGORIES.items():
        text += [f"## {title}", "", "| Code | Name | Severity | What |", "|---|---|---|---|"]
        text += [
            f"| [{code}]({code}.md) | {entry['slug']} | {entry['severity']} | {entry['title']} |"
            for code, entry in sorted(catalogue.items())
            if entry["category"] == category and not entry["retired"]
        ]
        text.append("")
    retired = [code for code, entry in sorted(catalogue.items()) if entry["retired"]]
    text += ["## Retired", ""]
    text += [f"- [{code}]({code}.md) {catalogue[code]['slug']}" for code in retired] or ["None so far."]
    return "\n".join([*text, ""])


def pages() -> dict[str, str]:
    """Name of file to its text."""
    from ansible_collections.l2ops.metallb.plugins.module_utils._findings.catalogue import CATALOGUE
    from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import RULES
    from ansible_collections.l2ops.metallb.tests.unit.plugins.module_utils.rules.test_rules import CASES

    needs = {rule.code: rule.requires for rule in RULES}
    made = {"README.md": index(CATALOGUE)}
    for code, entry in CATALOGUE.items():
        mine = [case for case in CASES if case.code == code]
        bad = [case for case in mine if case.object is not None]
        good = [case for case in mine if case.object is None]
        made[f"{code}.md"] = page(code, entry, bad, good, needs.get(code, ()))
    return made


def incomplete(catalogue: dict[str, dict[str, Any]], cases: Any, made: dict[str, str]) -> list[str]:
    """What a code lacks: its page, a cluster that raises it, one that nearly does. Retired ones need the page alone."""
    lacking = []
    for code, entry in catalogue.items():
        if f"{code}.md" not in made:
            lacking.append(f"{code}: no page")
        if entry["retired"]:
            continue
        if not any(case.code == code and case.object is not None for case in cases):
            lacking.append(f"{code}: no cluster that raises it (@bad or on_wire in test_rules.py)")
        if not any(case.code == code and case.object is None for case in cases):
            lacking.append(f"{code}: no cluster that nearly raises it (@good in test_rules.py)")
    lacking += [
        f"{case.code}: a test of a code that is not in the catalogue" for case in cases if case.code not in catalogue
    ]
    return lacking


def wrong(made: dict[str, str]) -> list[str]:
    """Files that are missing, stale or nobody's."""
    there = {path.name for path in FOLDER.glob("*")} if FOLDER.is_dir() else set()
    stale = [name for name, text in made.items() if name not in there or (FOLDER / name).read_text("utf-8") != text]
    return sorted([*stale, *(there - made.keys())])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    checking = parser.parse_args().check
    sys.path.insert(0, str(ROOT / ".lab" / "collections"))
    made = pages()
    names = wrong(made)
    if checking:
        for name in names:
            print(f"docs/findings/{name} is not what the catalogue and its tests say")
        return 1 if names else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name in made:
            (FOLDER / name).write_text(made[name], "utf-8")
        else:
            (FOLDER / name).unlink()
    print(f"docs/findings: {len(made)} pages, {len(names)} of them changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
