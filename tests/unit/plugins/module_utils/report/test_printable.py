# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts from the cluster, the LAN and the file system in every output: no control, C1 or bidirectional character comes through."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from xml.etree import ElementTree

import pytest
import yaml
from ansible_collections.l2ops.metallb.plugins.action import show
from ansible_collections.l2ops.metallb.plugins.filter import outcomes, report
from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.manifests import ManifestError, read
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.request import GitopsError
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import clean, printable, shorten
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import SnapshotError
from ansible_collections.l2ops.metallb.tests.unit.plugins.module_utils.report import (
    test_analysis,
    test_html,
    test_outcomes,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Words that decide, and not texts: states, codes, times.
FIXED = frozenset(
    [
        "state",
        "result",
        "severity",
        "id",
        "code",
        "codes",
        "caused_by",
        "slug",
        "docs",
        "outcome",
        "event",
        "protocol",
        "address",
        "addresses",
        "against",
        "scope",
    ]
)
EVIL = "\x1b[2K\r\nok\x9b1A\u202e\u2066\u200f\u061c\u2028\x00\x7f\t\ufeff"
MARKS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
FOUND = test_analysis.validated(
    test_analysis.located("a summary"), test_analysis.located("another", file="/repo/b.yaml", code="MLB302")
)
BAD = {"name": "bad", "address": "192.168.7.201", "port": 80, "protocol": "tcp", "ok": False, "failure": "refused"}


def planted(value, mark, key=""):
    """A result in which every text ends in this."""
    if isinstance(value, str):
        return value if key in FIXED else value + mark
    if isinstance(value, dict):
        return {name: planted(below, mark, name) for name, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [planted(one, mark, key) for one in value]
    return value


def outputs(mark):
    """Every output there is, by name, of results with this in every text."""
    for number, base in enumerate((test_analysis.HEALTHY, test_analysis.BROKEN, FOUND)):
        result = planted(base, mark)
        info, wire = planted(test_html.INFO, mark), planted(test_html.WIRE, mark)
        yield f"text {number}", report.report_text(result, 100, f"home{mark}")
        yield f"markdown {number}", report.report_markdown(result, f"home{mark}")
        yield f"junit {number}", report.report_junit(result, f"home{mark}")
        yield f"sarif {number}", report.report_sarif(result)
        yield f"json {number}", report.report_json(result)
        yield f"html {number}", report.report_html(result, f"home{mark}", info, wire, f"now{mark}")
        if "diagnoses" in result:
            named = [{"name": one["service"], "port": 80} for one in result["diagnoses"]] + [{"name": f"none{mark}"}]
            ports = {"targets": [{**BAD, "name": one["name"], "http_status": mark} for one in named]}
            for wanted in ([], named):
                shown = report.verdict(result, wanted, wire, ports)
                yield (
                    f"verify {number} {len(wanted)}",
                    "\n".join([*shown["table"], shown["verdict"].replace("\n", "\x00")]),
                )
    used = planted({"targets": [{**test_outcomes.used(test_outcomes.ROGUE)}], "conclusive": False}, mark)
    used["inconclusive_reasons"] = [f"why{mark}"]
    shown = outcomes.preflight(used)
    yield "preflight", "\n".join([*shown["table"], shown["verdict"].replace("\n", "\x00")])
    watch = planted(test_outcomes.watched(*test_outcomes.THERE, *test_outcomes.BACK), mark)
    shown = outcomes.failover(watch, None, test_outcomes.AWAY)
    yield "failover", "\n".join([*shown["table"], shown["verdict"].replace("\n", "\x00")])
    yield "failover html", report.failover_html({**shown, "service": mark}, mark, mark)


def checked(name, told):
    hidden = MARKS.findall(told)
    assert not hidden, f"{name}: {hidden!r}"
    told.encode("utf-8")
    if name.startswith(("json", "sarif")):
        json.loads(told)
    if name.startswith("junit"):
        ElementTree.fromstring(told)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(st.characters(), max_size=8)
    | st.lists(st.sampled_from(EVIL + "|\\*`[]<&\"'\ud83d"), max_size=8).map("".join)
)
def test_no_output_holds_what_a_terminal_obeys(mark):
    for name, told in outputs(mark):
        checked(name, told)


def test_the_worst_of_all_at_once():
    for name, told in outputs(EVIL):
        checked(name, told)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\u2028", "\x85", "\x0b"])
def test_a_line_break_in_a_name_splits_no_row(end):
    plain = dict(outputs("a b"))
    for name, told in outputs(f"a{end}b"):
        if not name.startswith(("junit", "json", "sarif")):
            assert told == plain[name], name


def test_json_loses_nothing():
    result = planted(FOUND, EVIL)
    assert json.loads(report.report_json(result))["findings"] == result["findings"]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a\\|b", "a\\\\\\|b"),
        ("\\[x](http://evil)", "\\\\\\[x\\](http://evil)"),
        ("a\r# heading", "a # heading"),
        ("a\r\n\r\n- item", "a  - item"),
    ],
)
def test_markdown_stays_text(words, shown):
    told = report.report_markdown(test_analysis.validated(test_analysis.located(words)))
    assert f"| {shown}<br>" in told


def test_a_file_whose_name_is_not_utf_8_is_an_address_all_the_same():
    name = b"/repo/p\xf6ol.yaml".decode("utf-8", "surrogateescape")
    told = report.report_sarif(test_analysis.validated(test_analysis.located(file=name)), "/repo")
    assert '"uri": "p%F6ol.yaml"' in told
    told = report.report_sarif(test_analysis.validated(test_analysis.located(file="/repo/\ud83d\x1b.yaml")), "/repo")
    assert '"uri": "%3F%1B.yaml"' in told


def test_printable():
    assert printable("plain, \xfcml\xe4ut, \u6f22\u5b57, \U0001f600") == "plain, \xfcml\xe4ut, \u6f22\u5b57, \U0001f600"
    assert printable("a\r\nb\tc\x1b[2Kd") == "a b c\ufffd[2Kd"
    assert printable("a\r\nb\tc\rd", lines=True) == "a\nb\tc\nd"
    assert printable(None) == "None" and printable(7) == "7"
    assert clean({"a\x1b": ["b\n", ("c\r",)], "d": 1}) == {"a\ufffd": ["b ", ["c "]], "d": 1}
    for number in range(0x20000):
        told = printable(chr(number), lines=True)
        assert told in "\n\t" or unicodedata.category(told) not in ("Cc", "Zl", "Zp", "Cs")


def test_a_finding_and_an_error_are_printable():
    finding = Finding("MLB601", Ref("Service", "a", f"b{EVIL}"), f"c{EVIL}", f"d{EVIL}", evidence={"e": [EVIL]})
    error = ApiError(f"a{EVIL}", reason=EVIL, advice=EVIL, name=EVIL)
    told = [str(error), error.reason, error.advice, *finding.as_result()["object"].values()]
    told += [finding.as_result()["summary"], finding.as_result()["fix"], *finding.as_result()["evidence"]["e"]]
    assert not any(map(MARKS.search, told)) and "\n" not in "".join(told[:6])


@pytest.mark.parametrize("kind", [SnapshotError, ManifestError, GitopsError])
def test_errors_about_files_and_options_are_printable(kind):
    assert str(kind(f"a{EVIL}\nb")).isprintable()


def test_quoted_messages_and_names_of_files_are_printable(tmp_path):
    assert shorten(f"a{EVIL}b").isprintable()
    (tmp_path / "a\x1b[2K.yaml").write_text("{{ metallb }}")
    (tmp_path / "b\u202e\n.yaml").write_text("[")
    (tmp_path / os.fsdecode(b"c\xff.yaml")).write_text("[")
    reading = read([str(tmp_path)], None, yaml)
    assert reading.told and all(one.isprintable() for one in [*reading.told, reading.nothing()])
    with pytest.raises(ManifestError) as caught:
        read([str(tmp_path / "a\x1b[2K.yaml")], None, yaml)
    assert str(caught.value).isprintable()


def test_show_prints_lines_and_nothing_that_a_terminal_obeys(monkeypatch):
    printed = []
    monkeypatch.setattr(show.display, "display", printed.append)
    monkeypatch.setattr(show.ActionBase, "run", lambda *_all: {})
    action = show.ActionModule.__new__(show.ActionModule)
    action._task = type("Task", (), {"no_log": False})
    monkeypatch.setattr(show.ActionModule, "validate_argument_spec", lambda *_all: (None, {"text": f"one{EVIL}\ntwo"}))
    action.run()
    assert not MARKS.search(printed[0]) and printed[0].endswith("\ntwo")
