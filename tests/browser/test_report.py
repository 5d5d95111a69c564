# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTML report as a person uses it, in headless Chromium: filter, keyboard, both themes, a narrow screen, a large cluster."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".lab" / "collections"))

from ansible_collections.l2ops.metallb.plugins.module_utils._report import html  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

SCREENSHOTS = os.environ.get("L2OPS_SCREENSHOTS")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
ROGUE = "42:6b:17:23:75:2f"
FIX = (
    f"Find the host with the MAC {ROGUE} (switch table, DHCP server) and take the address from it, or take 192.168.7.203 out of the "
    "pool: kubectl -n metallb-system edit ipaddresspool home."
)
CAUSE = f"{ROGUE} answers for 192.168.7.203, beside worker-2, and is no node's: another host has the address."


def diagnosis(name, address, node, state="ok"):
    broken = state == "broken"
    texts = (
        ("type", "LoadBalancer, which MetalLB serves"), ("address", f"has {address}"), ("pool", "its address is in pool home"),
        ("advertisement", "advertised by l2"), ("endpoints", "pods serve on 2 nodes"), ("candidates", "3 nodes may announce it"),
        ("announcer", f"{node} is elected, and ServiceL2Status says so"),
        ("wire", CAUSE if broken else f"{node} answers"), ("port", "80/http 200"),
    )  # fmt: skip
    steps = [
        {"step": step, "text": text, "result": "failed" if broken and step == "wire" else "passed",
         "codes": ["MLB602"] if broken and step == "wire" else []}
        for step, text in texts
    ]  # fmt: skip
    return {
        "service": name, "state": state, "cause": CAUSE if broken else "",
        "fix": FIX if broken else "", "sentence": name, "addresses": [address], "elected": node,
        "reported": [node], "answering": [node], "steps": steps, "candidate_counts": {},
        "candidates": [{"node": node, "text": "elected"}, {"node": "worker-1", "text": "may announce it; second in the election"}],
    }  # fmt: skip


def result(diagnoses):
    broken = [one for one in diagnoses if one["state"] == "broken"]
    findings = [
        {
            "code": "MLB602", "slug": "foreign-answer", "severity": "error", "summary": one["cause"], "fix": one["fix"], "caused_by": [],
            "object": {"kind": "Service", "namespace": one["service"].split("/")[0], "name": one["service"].split("/")[1]},
        }
        for one in broken
    ]  # fmt: skip
    findings.append(
        {
            "code": "MLB404", "slug": "advertisement-without-interfaces", "severity": "info", "caused_by": [],
            "summary": "no interfaces: announced on every interface", "fix": "Name the interfaces of the LAN in spec.interfaces.",
            "object": {"kind": "L2Advertisement", "namespace": "metallb-system", "name": "l2"},
        }
    )  # fmt: skip
    checks = [{"id": f"MLB{number}", "result": "passed", "reason": ""} for number in range(101, 158)]
    checks += [
        {
            "id": "MLB405",
            "result": "skipped",
            "reason": "interfaces of the nodes are not known (metallb_node_interfaces)",
        }
    ]
    summary = {"errors": len(broken), "warnings": 0, "infos": 1, "skipped": 1}
    return {"findings": findings, "checks": checks, "diagnoses": diagnoses, "summary": summary}


SERVICES = (
    ("traefik/traefik", "192.168.7.203", "worker-2", "broken"), ("default/my-nginx", "192.168.7.201", "worker-1", "ok"),
    ("default/nginx-lb-service", "192.168.7.200", "control-plane", "ok"),
)  # fmt: skip
NODES = {"control-plane": "3e:b0:49:20:65:30", "worker-1": "d6:06:50:d6:bc:b8", "worker-2": "b6:93:82:83:f8:7d"}
INFO = {
    "nodes": [{"name": name, "addresses": [], "ready": True, "eligible": True, "reason": ""} for name in NODES],
    "services": [{"name": name, "addresses": [address], "elected": node} for name, address, node, _state in SERVICES],
    "pools": [
        {
            "name": "home",
            "addresses": ["192.168.7.200-192.168.7.250"],
            "size": 51,
            "used": 3,
            "free": 48,
            "advertisements": ["l2"],
        }
    ],
}
WIRE = {
    "nodes": {mac: name for name, mac in NODES.items()},
    "targets": [
        {"address": address, "answers": [{"mac": NODES[node], "node": node}]
         + ([{"mac": ROGUE, "node": ""}] if state == "broken" else [])}
        for _name, address, node, state in SERVICES
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def view(browser, tmp_path):
    """Open a page: view(width, scheme, content). What it asks the network for, and what goes wrong in it, fails the test."""
    opened = []

    def show(width=1200, scheme="light", content=None):
        path = tmp_path / f"report-{len(opened)}.html"
        made = content or html.page(
            result([diagnosis(*one) for one in SERVICES]), "home", INFO, WIRE, "2026-11-26 19:50 UTC"
        )
        path.write_text(made, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.asked, page.wrong = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        opened.append((context, page))
        return page

    yield show
    for context, page in opened:
        assert page.wrong == []
        assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
        context.close()


def colour(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_both_themes(view):
    light, dark = view(scheme="light"), view(scheme="dark")
    assert colour(light) != colour(dark)
    if SCREENSHOTS:
        light.screenshot(path=Path(SCREENSHOTS) / "report-light.png", full_page=True)
        dark.screenshot(path=Path(SCREENSHOTS) / "report-dark.png", full_page=True)
    before = colour(light)
    light.click("#theme")
    assert colour(light) == colour(dark)
    light.click("#theme")
    assert colour(light) == before


def test_the_filter_and_its_keys(view):
    page = view()
    rows = page.locator("#services tbody tr:visible")
    assert rows.count() == 3
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.classList.contains('filter')"), "the slash leads to the filter"
    box = page.get_by_label("Filter the services")
    box.fill("TRAEFIK 203")
    assert rows.count() == 1 and "traefik/traefik" in rows.first.inner_text()
    box.press("Escape")
    assert rows.count() == 3
    page.get_by_label("Filter the findings").fill("mlb404")
    assert page.locator("#findings article:visible").count() == 1


def test_everything_is_reached_by_the_keyboard(view):
    page = view()
    names = []
    for _press in range(40):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "(document.activeElement.getAttribute('aria-label')||document.activeElement.textContent).trim()"
            )
        )
    for wanted in (
        "To the report",
        "Switch between light and dark",
        "Copy the command",
        "Filter the services",
        "MLB602",
    ):
        assert wanted in names, wanted


def test_a_command_is_copied(view):
    page = view()
    page.get_by_label("Copy the command").first.click()
    assert page.get_by_label("Copy the command").first.inner_text() == "Copied"


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_nothing_is_wider_than_the_screen(view, width):
    page = view(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if SCREENSHOTS and width == 360:
        page.screenshot(path=Path(SCREENSHOTS) / "report-narrow.png", full_page=True)


def test_the_stranger_is_red(view):
    page = view()
    stranger = page.locator("svg.segment g.host.stranger")
    assert stranger.count() == 1 and ROGUE in stranger.text_content()
    assert page.locator(".cells i.foreign").count() == 1


def test_it_prints_without_controls(view):
    page = view()
    page.emulate_media(media="print")
    assert page.locator("button:visible").count() == 0 and page.locator("input:visible").count() == 0
    assert page.locator("text=Cause").first.is_visible()


def test_ten_thousand_services_open_in_two_seconds(view):
    many = [
        diagnosis(
            f"team-{n % 50}/service-{n}",
            f"10.{n // 250}.0.{n % 250 + 1}",
            f"node-{n % 300}",
            "broken" if n % 3 == 0 else "ok",
        )
        for n in range(10_000)
    ]
    content = html.page(result(many), "large")
    assert len(content.encode()) < 10_000_000
    view(content="<!DOCTYPE html><title>warm</title>")
    began = time.monotonic()
    page = view(content=content)
    page.wait_for_selector("#services")
    took = time.monotonic() - began
    print(f"10,000 services: {len(content) / 1e6:.1f} MB, open in {took:.2f} s")
    spent = page.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
    assert spent < 2000, f"{spent:.0f} ms in the browser"
    page.get_by_label("Filter the services").fill("service-9999")
    assert page.locator("#services tbody tr:visible").count() == 1
