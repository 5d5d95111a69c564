# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTML page: complete in itself, every text escaped, and small and quick enough for a large cluster."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._report import html
from ansible_collections.l2ops.metallb.plugins.module_utils._report.analysis import RenderError

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "input", "rect", "line", "circle", "br"}


class Reader(HTMLParser):
    """Tags that are open, attributes that load something, and the text that a person reads."""

    def __init__(self, page):
        super().__init__()
        self.open, self.loads, self.scripts, self.text, self.copies = [], [], 0, [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.scripts += tag == "script"
        self.loads += [given[name] for name in ("src", "srcset", "data", "action") if name in given]
        self.loads += [given["href"]] if tag == "link" else []
        assert not any(name.startswith("on") for name in given), f"an event handler on {tag}"
        if "data-copy" in given:
            self.copies.append(given["data-copy"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"{tag} closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)


def diagnosis(name="default/web", state="ok", address="192.168.7.201", **more):
    return {
        "service": name, "state": state, "cause": "" if state == "ok" else "Nobody answers.",
        "fix": "" if state == "ok" else "Restart: kubectl -n metallb-system rollout restart daemonset/speaker.",
        "sentence": f"{name}: x", "addresses": [address], "elected": "worker-1", "reported": ["worker-1"],
        "answering": ["worker-1"], "candidates": [{"node": "worker-1", "text": "may announce it"}], "candidate_counts": {},
        "steps": [{"step": "wire", "result": "passed" if state == "ok" else "failed", "text": "said", "codes": []}], **more,
    }  # fmt: skip


def finding(code="MLB601", severity="error", name="web", summary="nobody answers", fix="kubectl get pods", **more):
    return {
        "code": code, "severity": severity, "summary": summary, "fix": fix, "caused_by": [], "slug": "no-answer",
        "object": {"kind": "Service", "namespace": "default", "name": name}, **more,
    }  # fmt: skip


def result(diagnoses=(), findings=(), **more):
    counts = {kind: sum(1 for one in findings if one["severity"] == kind) for kind in ("error", "warning", "info")}
    return {
        "findings": list(findings), "diagnoses": list(diagnoses),
        "checks": [{"id": "MLB601", "result": "passed", "reason": ""}, {"id": "MLB405", "result": "skipped", "reason": "no facts"}],
        "summary": {"errors": counts["error"], "warnings": counts["warning"], "infos": counts["info"], "skipped": 1}, **more,
    }  # fmt: skip


INFO = {
    "nodes": [
        {"name": "worker-1", "addresses": ["192.168.7.21"], "ready": True, "eligible": True, "reason": ""},
        {"name": "worker-2", "addresses": ["192.168.7.22"], "ready": False, "eligible": False, "reason": ""},
    ],
    "services": [{"name": "default/web", "addresses": ["192.168.7.201"], "elected": "worker-1"}],
    "pools": [
        {
            "name": "home",
            "addresses": ["192.168.7.200-192.168.7.209"],
            "size": 10,
            "used": 1,
            "free": 9,
            "advertisements": ["l2"],
        },
        {"name": "six", "addresses": ["fd00::/112"], "size": 65536, "used": 0, "free": 65536, "advertisements": []},
    ],
}
WIRE = {
    "nodes": {"52:54:00:00:00:01": "worker-1"},
    "targets": [
        {
            "address": "192.168.7.201",
            "answers": [{"mac": "52:54:00:00:00:01", "node": "worker-1"}, {"mac": "42:00:00:00:00:09", "node": ""}],
        }
    ],
}


def test_a_page_is_complete_in_itself():
    page = html.page(result([diagnosis(state="broken")], [finding()]), "home", INFO, WIRE)
    seen = Reader(page)
    assert seen.open == [] and seen.loads == [] and seen.scripts == 1
    assert re.findall(r"url\(|@import", page) == []
    text = " ".join(seen.text)
    for told in (
        "home",
        "Broken",
        "Nobody answers.",
        "worker-1",
        "42:00:00:00:00:09",
        "another host",
        "1 of 10 used",
        "no facts",
    ):
        assert told in text, told
    assert "kubectl -n metallb-system rollout restart daemonset/speaker" in seen.copies
    assert "kubectl get pods" in seen.copies


def test_every_name_is_escaped():
    one = diagnosis(EVIL, "broken", address="192.168.7.201")
    one.update(
        cause=EVIL, fix=f"kubectl get {EVIL}", steps=[{"step": EVIL, "result": EVIL, "text": EVIL, "codes": [EVIL]}]
    )
    one["candidates"] = [{"node": EVIL, "text": EVIL}]
    info = {
        "nodes": [{"name": EVIL, "addresses": [EVIL], "ready": True, "eligible": False, "reason": EVIL}],
        "services": [{"name": EVIL, "addresses": ["192.168.7.201"], "elected": EVIL}],
        "pools": [
            {
                "name": EVIL,
                "addresses": [EVIL, "192.168.7.200/30"],
                "size": 4,
                "used": 1,
                "free": 3,
                "advertisements": [EVIL],
            }
        ],
    }
    wire = {"nodes": {}, "targets": [{"address": "192.168.7.201", "answers": [{"mac": EVIL, "node": ""}]}]}
    found = finding(name=EVIL, summary=EVIL, fix=EVIL, file=EVIL, line=3)
    given = result([one], [found])
    given["checks"].append({"id": EVIL, "result": "skipped", "reason": EVIL})
    page = html.page(given, EVIL, info, wire, taken=EVIL)
    seen = Reader(page)
    assert seen.scripts == 1 and seen.open == []
    assert "<script>alert" not in page


@pytest.mark.parametrize("mark", ["\x1b[2K", "\u202e", "\x9b", "\u2066", "\x00", "\ud800"])
def test_control_and_bidirectional_characters_are_replaced(mark):
    page = html.page(result([], [finding(summary=f"a{mark}b")]), f"t{mark}")
    assert mark[0] not in page and "a\ufffd" in page
    page.encode("utf-8")


def test_an_unknown_verdict_is_not_ok():
    assert '<header class="banner unknown">' in html.page(result([diagnosis(state="unknown")]))
    assert '<header class="banner unknown">' in html.page(result([diagnosis()], failure_kind="unknown"))
    assert '<header class="banner ok">' in html.page(result([diagnosis()]))
    assert '<header class="banner error">' in html.page(result([diagnosis()], [finding()]))


def test_without_a_probe_the_map_says_so():
    page = html.page(result([diagnosis()]), "home", INFO)
    assert "no probe host looked at the LAN" in page and "another host\n" not in page


def test_what_is_no_result_is_refused():
    with pytest.raises(RenderError):
        html.page({"msg": "no"})


def test_ten_thousand_services_make_a_small_page_quickly():
    many = [
        diagnosis(
            f"team-{number % 50}/service-{number}",
            "broken" if number % 3 == 0 else "ok",
            f"10.{number // 250}.0.{number % 250 + 1}",
        )
        for number in range(10_000)
    ]
    findings = [
        finding(name=one["service"], summary=f"{one['service']}: nobody answers")
        for one in many
        if one["state"] == "broken"
    ]
    info = {
        "nodes": [
            {"name": f"node-{n}", "addresses": ["10.9.9.9"], "ready": True, "eligible": True, "reason": ""}
            for n in range(300)
        ],
        "services": [
            {"name": one["service"], "addresses": one["addresses"], "elected": f"node-{n % 300}"}
            for n, one in enumerate(many)
        ],
        "pools": [
            {
                "name": "big",
                "addresses": ["10.0.0.0/8"],
                "size": 2**24,
                "used": 10_000,
                "free": 2**24 - 10_000,
                "advertisements": ["l2"],
            }
        ],
    }
    began = time.process_time()
    page = html.page(result(many, findings), "large", info)
    assert time.process_time() - began < 3
    assert len(page.encode()) < 10_000_000
    assert page.count('<tr class="') == 10_000


def test_the_timings_of_a_failover():
    outcome = {
        "ok": True, "verdict": "192.168.7.203 went from a to b in 80 ms", "service": EVIL, "address": "192.168.7.203",
        "node_before": "a", "node_during": "b", "node_after": "a", "away": {"garp_ms": 50.0, "arp_ms": 80.0}, "back": {"garp_ms": None},
        "longest_arp_gap_ms": 140.0, "longest_tcp_outage_ms": 0.0, "speaker_back_ms": 700.0,
    }  # fmt: skip
    seen = Reader(html.failover_page(outcome, "home"))
    text = " ".join(seen.text)
    assert "80 ms" in text and "140 ms" in text and "not seen" in text and seen.scripts == 1
