# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue, its pages under docs/findings, and that nothing in it goes untested or is used twice."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._findings import catalogue
from ansible_collections.l2ops.metallb.plugins.module_utils._findings.catalogue import CATALOGUE
from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import DOCS
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import RULES
from ansible_collections.l2ops.metallb.tests.unit.plugins.module_utils.rules.test_rules import CASES

# Every code that was ever given out. Lines are added, never changed or removed: a code means the same for ever.
GIVEN_OUT = """
MLB101 namespace-not-privileged
MLB102 speaker-not-ready
MLB103 speaker-missing
MLB104 controller-not-ready
MLB105 webhook-not-ready
MLB106 memberlist-secret-missing
MLB107 memberlist-disabled
MLB108 bgp-backend-without-use
MLB109 second-load-balancer
MLB110 ipvs-without-strict-arp
MLB111 config-rejected
MLB112 metallb-absent
MLB113 release-object-missing
MLB114 release-field-differs
MLB115 release-value-not-in-force
MLB116 release-not-deployed
MLB201 exclude-label
MLB202 exclude-label-owned-by-talos
MLB203 network-unavailable
MLB204 announcer-not-ready
MLB205 speaker-kept-away
MLB301 pool-holds-node-address
MLB302 pool-holds-reserved-address
MLB303 pools-overlap
MLB304 pool-outside-node-network
MLB305 cidr-host-bits
MLB306 pool-holds-network-or-broadcast
MLB307 pool-exhausted
MLB308 pool-overlaps-cluster-network
MLB309 pool-not-usable-range
MLB310 pool-overlaps-dhcp
MLB311 object-in-other-namespace
MLB401 pool-not-advertised
MLB402 advertisement-unknown-pool
MLB403 advertisement-selects-no-node
MLB404 advertisement-without-interfaces
MLB405 interface-missing
MLB406 interface-cannot-answer
MLB407 interfaces-overridden
MLB408 field-unknown
MLB409 selector-invalid
MLB410 preference-matches-no-node
MLB411 election-input-unknown
MLB412 field-wrong-type
MLB413 interface-excluded
MLB501 no-address
MLB502 requested-address-not-in-pool
MLB503 address-conflict
MLB504 deprecated-annotation
MLB505 address-asked-twice
MLB506 unknown-annotation
MLB507 local-policy-without-local-endpoint
MLB508 no-endpoints
MLB509 no-announcer
MLB510 announcer-differs
MLB511 announce-failed
MLB512 address-outside-pools
MLB513 local-policy-single-point
MLB514 shared-address-split
MLB515 port-not-served
MLB516 external-ips
MLB517 class-not-served
MLB601 no-answer
MLB602 foreign-answer
MLB603 many-answers
MLB604 other-node-answers
MLB605 free-address-in-use
MLB606 service-refuses
MLB607 stale-announcement
MLB608 probe-not-on-link
MLB609 broadcast-lost
MLB610 one-node-twice
MLB611 node-silent
MLB612 prediction-differs
MLB701 wave-before-kind
MLB702 wave-before-pool
MLB703 waves-do-not-wait
MLB704 kind-checked-before-sync
MLB705 dependency-never-ready
MLB706 key-given-twice
MLB707 format-not-read
"""
FIELDS = {
    "slug": str,
    "severity": str,
    "title": str,
    "meaning": str,
    "fix": str,
    "when": str,
    "commands": list,
    "needs": str,
    "category": str,
    "since": str,
    "until": (str, type(None)),
    "retired": bool,
}
CATEGORIES = {
    "1": "install",
    "2": "nodes",
    "3": "pools",
    "4": "advertisements",
    "5": "services",
    "6": "wire",
    "7": "gitops",
}


@pytest.fixture(scope="module")
def tool(root):
    """tests/tools/findings.py, which is a program and in no package."""
    path = root / "tests" / "tools" / "findings.py"
    if not path.exists():
        pytest.skip("no tools here")
    spec = importlib.util.spec_from_file_location("findings_tool", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_codes_are_stable_for_ever():
    given_out = dict(line.split() for line in GIVEN_OUT.split("\n") if line)
    assert {code: entry["slug"] for code, entry in CATALOGUE.items()} == given_out
    assert len(set(given_out.values())) == len(given_out), "a slug means one thing"


def test_catalogue_is_a_literal():
    """Tools of other languages may read it, too."""
    tree = ast.parse(Path(catalogue.__file__).read_text("utf-8"))
    (assigned,) = [node for node in tree.body if isinstance(node, ast.Assign)]
    assert ast.literal_eval(assigned.value) == CATALOGUE
    keys = [ast.literal_eval(key) for key in assigned.value.keys]
    assert keys == sorted(set(keys)), "in order, and each once"


@pytest.mark.parametrize("code", CATALOGUE)
def test_entry(code):
    entry = CATALOGUE[code]
    assert re.fullmatch(r"MLB[1-7]\d\d", code)
    assert set(entry) == set(FIELDS)
    for name, kind in FIELDS.items():
        assert isinstance(entry[name], kind), name
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", entry["slug"])
    assert entry["severity"] in ("error", "warning", "info")
    assert entry["category"] == CATEGORIES[code[3]]
    assert entry["needs"] and set(entry["needs"]) <= set("SAWF")
    for name in ("since", "until"):
        assert entry[name] is None or re.fullmatch(r"\d+\.\d+\.\d+", entry[name])
    for name in ("meaning", "fix", "when"):
        assert entry[name].endswith("."), name
    assert not entry["title"].endswith("."), "a title is no sentence"
    assert entry["commands"], "what a person types"


@pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])
def test_rules_look_at_what_the_catalogue_says(rule):
    """Static rules must be able to judge manifests without a cluster; rules of the wire cannot do without its answers."""
    letters = set(CATALOGUE[rule.code]["needs"])
    written = {"ipaddresspools", "l2advertisements", "bgpadvertisements", "bgppeers", "services", "daemonsets"}
    if letters == {"S"}:
        assert set(rule.requires) <= written
    assert ("W" in letters) == (CATALOGUE[rule.code]["category"] == "wire")


def test_no_code_lacks_its_page_or_its_tests(tool):
    assert tool.incomplete(CATALOGUE, CASES, tool.pages()) == []


def test_a_code_that_lacks_something_is_told(tool):
    """The check is checked: a new code without page and tests, a retired one, and a test of a code that is none."""
    live = {"retired": False}
    cases = [SimpleNamespace(code="MLB998", object="a"), SimpleNamespace(code="MLB997", object=None)]
    told = tool.incomplete({"MLB999": live, "MLB998": live, "MLB996": {"retired": True}}, cases, {"MLB998.md": ""})
    assert [line[:20] for line in told] == [
        "MLB999: no page",
        "MLB999: no cluster t",
        "MLB999: no cluster t",
        "MLB998: no cluster t",
        "MLB996: no page",
        "MLB997: a test of a ",
    ]


def test_pages_are_what_the_catalogue_and_the_tests_say(tool):
    assert tool.wrong(tool.pages()) == [], "stale; write them again: .lab/venv/main/bin/python tests/tools/findings.py"


def test_links_lead_somewhere(tool, root):
    name = DOCS.partition("/blob/main/")[2]
    assert root / name == tool.FOLDER
    for path in tool.FOLDER.glob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_docs_name_codes_that_exist(root):
    for path in [*root.glob("docs/*.md"), *root.glob("roles/*/README.md"), root / "README.md"]:
        named = set(re.findall(r"MLB\d{3}(?!\d)", path.read_text("utf-8")))
        assert named <= CATALOGUE.keys(), path.name


def test_a_retired_code_stays_listed(tool):
    entry = {**CATALOGUE["MLB301"], "retired": True, "until": "0.15.3"}
    index = tool.index({**CATALOGUE, "MLB301": entry})
    assert "- [MLB301](MLB301.md) pool-holds-node-address" in index.partition("## Retired")[2]
    assert "| [MLB301]" not in index
    page = tool.page("MLB301", entry, [], [], ())
    assert "**Retired**" in page and "0.14.9 to 0.15.3" in page
