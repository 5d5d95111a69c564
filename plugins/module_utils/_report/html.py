# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Results of the modules as one self-contained HTML page: no script, style, font or image from elsewhere.

Pure: dictionaries as the modules return them in, text out. Every text from the cluster or the LAN passes ``_e``, which
escapes it and replaces control and bidirectional characters; nothing is written as HTML that was not written here.
"""

from __future__ import annotations

import html as _html
import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import DOCS
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import clean, printable
from ansible_collections.l2ops.metallb.plugins.module_utils._report import analysis
from ansible_collections.l2ops.metallb.plugins.module_utils._report.html_assets import SCRIPT, STYLE

Result = Mapping[str, Any]

# What the map of the segment draws at most; the rest is counted.
MAX_NODES = 24
MAX_PILLS = 6
# Addresses of one pool that are drawn one by one; a larger pool is drawn as a bar.
MAX_CELLS = 1024
MAX_SERVICES_WITH_CHAIN = 500
# Findings that say the same are one entry; objects beyond this number are counted.
MAX_OBJECTS = 12
MAX_FINDINGS = 2000
# Long lists are laid out as they come into view.
MANY = ' class="many"'

_COMMAND = re.compile(r"(?:kubectl|talosctl|omnictl|helm|ansible-playbook|ansible-galaxy|make|tcpdump)(?: [^\s;]+)+")
_STATE_WORDS = {"ok": "ok", "warning": "warning", "broken": "broken", "unknown": "unknown"}


def _e(value: Any) -> str:
    """A text from anywhere, safe between tags and in quoted attributes."""
    return _html.escape(printable(value), quote=True)


def _tag(name: str, content: str, **attributes: str) -> str:
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{_e(value)}"' for key, value in attributes.items())
    return f"<{name}{given}>{content}</{name}>"


def page(
    result: Result,
    title: str = "MetalLB, layer 2",
    info: Result | None = None,
    wire: Result | None = None,
    taken: str = "",
    base: str = "",
) -> str:
    """The page about one cluster.

    Args: ``result`` of l2_diagnose or l2_validate; ``info`` of l2_info and ``wire`` of l2_probe, where there are any, for the
    map and the pools; ``taken`` says when, as text; ``base`` is the folder that files are shown relative to.

    Raises RenderError where result is no result of a judging module.
    """
    result = analysis.checked(result)
    info, wire = clean(info or {}), clean(wire or {})
    parts = [
        _head(result, title, taken),
        _segment(result, info, wire),
        _pools(info, wire),
        _broken(result),
        _findings(result, base),
        _services(result),
        _skipped(result),
    ]
    return _document(title, "".join(part for part in parts if part))


def failover_page(outcome: Result, title: str = "Failover", taken: str = "") -> str:
    """The page of a failover test: its verdict, and its timings as a plot.

    Args: ``outcome`` as ``failover.failover`` returns it.
    """
    outcome = clean(outcome)
    state = "ok" if outcome.get("ok", True) else "error"
    body = _banner(state, str(outcome.get("verdict") or ""), title, taken, [])
    return _document(title, body + _timings(outcome))


def _document(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; img-src data:\">\n"
        f"<title>{_e(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<a class="skip-link" href="#main">To the report</a>\n<main id="main">\n{body}</main>\n'
        "<footer>Made by <b>l2ops.metallb</b>. This file is complete in itself: it loads nothing from anywhere.</footer>\n"
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


# -- verdict ----------------------------------------------------------------------------------------------------------


def _worst(result: Result) -> str:
    summary = result["summary"]
    if summary.get("errors"):
        return "error"
    if result.get("failure_kind") == "unknown" or any(one["state"] == "unknown" for one in result.get("diagnoses", ())):
        return "unknown"
    return "warning" if summary.get("warnings") else "ok"


def _head(result: Result, title: str, taken: str) -> str:
    summary = result["summary"]
    skipped = sum(1 for check in result["checks"] if check["result"] == "skipped")
    diagnoses = result.get("diagnoses", ())
    counts = [
        ("services", len(diagnoses), "") if "diagnoses" in result else None,
        ("errors", summary["errors"], "error" if summary["errors"] else ""),
        ("warnings", summary["warnings"], "warning" if summary["warnings"] else ""),
        ("checks ran", len(result["checks"]) - skipped, ""),
        ("skipped", skipped, "unknown" if skipped else ""),
    ]
    return _banner(
        _worst(result), analysis.headline(result, sentence=False), title, taken, [one for one in counts if one]
    )


def _banner(state: str, headline: str, title: str, taken: str, counts: Sequence[tuple[str, int, str]]) -> str:
    words = {"ok": "OK", "warning": "Warnings", "error": "Broken", "unknown": "Unknown"}
    figures = "".join(
        f'<div class="figure {kind}"><b>{number:,}</b><span>{_e(name)}</span></div>' for name, number, kind in counts
    )
    when = f'<span class="when">{_e(taken)}</span>' if taken else ""
    return (
        f'<header class="banner {state}"><div class="top"><h1>{_e(title)}</h1>{when}'
        '<button type="button" id="theme" aria-label="Switch between light and dark">Theme</button></div>'
        f'<p class="verdict"><span class="badge {state}">{words[state]}</span> {_e(headline)}</p>'
        f'<div class="figures">{figures}</div></header>\n'
    )


# -- the segment ------------------------------------------------------------------------------------------------------


def _answers(result: Result, wire: Result) -> dict[str, list[tuple[str, str]]]:
    """Address to who answered it: pairs of node (empty for a stranger) and MAC."""
    found: dict[str, list[tuple[str, str]]] = {}
    for target in wire.get("targets") or ():
        for answer in target.get("answers") or ():
            found.setdefault(str(target.get("address")), []).append(
                (str(answer.get("node") or ""), str(answer.get("mac") or ""))
            )
    return found


def _segment(result: Result, info: Result, wire: Result) -> str:
    nodes = list(info.get("nodes") or ())
    if not nodes:
        return ""
    answers = _answers(result, wire)
    services = {str(one.get("name")): one for one in info.get("services") or ()}
    states = {str(one["service"]): str(one["state"]) for one in result.get("diagnoses") or ()}
    macs: dict[str, str] = {str(node): str(mac) for mac, node in (wire.get("nodes") or {}).items()}
    hung: dict[str, list[tuple[str, str, str]]] = {str(node["name"]): [] for node in nodes}
    strangers: dict[str, list[tuple[str, str, str]]] = {}
    silent: list[tuple[str, str, str]] = []
    for name, service in services.items():
        for address in service.get("addresses") or ():
            state = states.get(name, "ok")
            heard = answers.get(str(address))
            pill = (str(address), name, state)
            if heard:
                for node, mac in heard:
                    place = hung.setdefault(node, []) if node else strangers.setdefault(mac, [])
                    place.append(pill)
            elif wire.get("targets"):
                silent.append(pill)
            elif service.get("elected"):
                hung.setdefault(str(service["elected"]), []).append(pill)
            else:
                silent.append(pill)
    told = "answered by ARP or NDP" if wire.get("targets") else "elected; no probe host looked at the LAN"
    order = sorted(nodes, key=lambda one: (-len(hung[str(one["name"])]), str(one["name"])))
    shown, more = order[:MAX_NODES], len(order) - MAX_NODES
    boxes = [_node_box(node, macs.get(str(node["name"]), ""), hung[str(node["name"])]) for node in shown]
    boxes += [
        (f"another host\n{mac}", "stranger", "is no node", pills)
        for mac, pills in sorted(strangers.items())[:MAX_NODES]
    ]
    if silent:
        boxes.append(("nobody", "silent", "no answer", silent))
    drawing = _draw(boxes)
    rest = f'<p class="note">{more:,} more nodes announce nothing here.</p>' if more > 0 else ""
    return (
        f'<section><h2>Segment</h2><p class="note">Addresses hang below the host that has them ({told}). '
        "Red marks a host that is no node.</p>"
        f'<div class="scroll">{drawing}</div>{rest}</section>\n'
    )


Pills = Sequence[tuple[str, str, str]]
Box = tuple[str, str, str, Pills]


def _node_box(node: Result, mac: str, pills: Pills) -> Box:
    kind = "node"
    remark = "may announce"
    if not node.get("ready", True):
        kind, remark = "down", "not ready"
    elif node.get("eligible") is False:
        kind, remark = "idle", str(node.get("reason") or "may not announce")
    return f"{node['name']}\n{mac or ', '.join(map(str, node.get('addresses') or ()))}", kind, remark, pills


def _draw(boxes: Sequence[Box]) -> str:
    """One row of hosts on a line, the LAN; wraps after six."""
    width, gap, columns = 190, 18, 6
    rows = [boxes[start : start + columns] for start in range(0, len(boxes), columns)]
    parts: list[str] = []
    top = 6
    across = max((len(row) for row in rows), default=1) * (width + gap) + gap
    for row in rows:
        lan = top + 16
        parts.append(f'<line class="lan" x1="8" y1="{lan}" x2="{across - 8}" y2="{lan}"/>')
        deepest = 0
        for place, (label, kind, remark, pills) in enumerate(row):
            x = gap + place * (width + gap)
            middle = x + width / 2
            name, _line, below = label.partition("\n")
            box = lan + 22
            parts.append(f'<line class="drop" x1="{middle}" y1="{lan}" x2="{middle}" y2="{box}"/>')
            parts.append(f'<circle class="tap" cx="{middle}" cy="{lan}" r="4"/>')
            parts.append(
                f'<g class="host {kind}"><title>{_e(name)}: {_e(remark)}</title>'
                f'<rect x="{x}" y="{box}" width="{width}" height="62" rx="10"/>'
                f'<text class="name" x="{middle}" y="{box + 23}">{_e(_cut(name, 24))}</text>'
                f'<text class="mac" x="{middle}" y="{box + 40}">{_e(_cut(below, 28))}</text>'
                f'<text class="remark" x="{middle}" y="{box + 55}">{_e(_cut(remark, 32))}</text></g>'
            )
            y = box + 72
            for address, service, state in pills[:MAX_PILLS]:
                parts.append(
                    f'<g class="pill {_STATE_WORDS.get(state, "unknown")}"><title>{_e(address)} {_e(service)}</title>'
                    f'<rect x="{x + 8}" y="{y}" width="{width - 16}" height="34" rx="8"/>'
                    f'<text class="address" x="{x + 18}" y="{y + 14}">{_e(_cut(address, 26))}</text>'
                    f'<text class="service" x="{x + 18}" y="{y + 28}">{_e(_cut(service, 28))}</text></g>'
                )
                y += 40
            if len(pills) > MAX_PILLS:
                parts.append(f'<text class="more" x="{middle}" y="{y + 12}">and {len(pills) - MAX_PILLS:,} more</text>')
                y += 20
            deepest = max(deepest, y)
        top = deepest + 14
    return (
        f'<svg class="segment" role="img" aria-label="Hosts of the segment and the addresses they answer for" '
        f'viewBox="0 0 {across} {top}" width="{across}" height="{top}">{"".join(parts)}</svg>'
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# -- pools ------------------------------------------------------------------------------------------------------------


def _span(text: str) -> tuple[int, int, int] | None:
    """Version, first and last address of a range or prefix; None for anything else."""
    first, dash, last = text.partition("-")
    try:
        if dash:
            start, end = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
            return (start.version, int(start), int(end)) if start.version == end.version else None
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    return network.version, int(network.network_address), int(network.broadcast_address)


def _pools(info: Result, wire: Result) -> str:
    pools = list(info.get("pools") or ())
    if not pools:
        return ""
    used: dict[tuple[int, int], str] = {}
    for service in info.get("services") or ():
        for address in service.get("addresses") or ():
            parsed = ipaddress.ip_address(str(address))
            used[(parsed.version, int(parsed))] = str(service.get("name"))
    foreign: set[tuple[int, int]] = set()
    for target in wire.get("targets") or ():
        if any(not answer.get("node") for answer in target.get("answers") or ()) and wire.get("nodes"):
            parsed = ipaddress.ip_address(str(target["address"]))
            foreign.add((parsed.version, int(parsed)))
    drawn = "".join(_pool(pool, used, foreign) for pool in pools)
    return (
        '<section><h2>Pools</h2><p class="legend"><i class="used"></i>used <i class="free"></i>free '
        f'<i class="foreign"></i>used by another host</p>{drawn}</section>\n'
    )


def _pool(pool: Result, used: Mapping[tuple[int, int], str], foreign: set[tuple[int, int]]) -> str:
    spans = [span for span in (_span(str(text)) for text in pool.get("addresses") or ()) if span]
    size, taken = int(pool.get("size") or 0), int(pool.get("used") or 0)
    head = (
        f'<h3>{_e(pool["name"])} <span class="note">{_e(", ".join(map(str, pool.get("addresses") or ())))}</span></h3>'
        f'<p class="note">{taken:,} of {size:,} used, {int(pool.get("free") or 0):,} free'
        + (
            f"; advertised by {_e(', '.join(map(str, pool.get('advertisements') or ())))}"
            if pool.get("advertisements")
            else "; advertised by nothing"
        )
        + "</p>"
    )
    if sum(last - first + 1 for _version, first, last in spans) > MAX_CELLS:
        share = 100 * taken / size if size else 0
        return (
            f'<div class="pool">{head}<div class="bar" role="img" aria-label="{taken:,} of {size:,} used">'
            f'<span style="width:{max(share, 0.4 if taken else 0):.2f}%"></span></div></div>'
        )
    cells = []
    for version, first, last in spans:
        for number in range(first, last + 1):
            address = ipaddress.ip_address(number) if version == 4 else ipaddress.IPv6Address(number)
            key = (version, number)
            owner = used.get(key, "")
            kind = "foreign" if key in foreign else "used" if owner else "free"
            told = f"{address} {owner or ('another host' if kind == 'foreign' else 'free')}"
            cells.append(f'<i class="{kind}" title="{_e(told)}"></i>')
    return f'<div class="pool">{head}<div class="cells">{"".join(cells)}</div></div>'


# -- services ---------------------------------------------------------------------------------------------------------


def _fix(text: str) -> str:
    """A fix, with a button that copies each command in it."""
    done, last = [], 0
    for found in _COMMAND.finditer(text):
        command = found[0].rstrip(".,:)")
        done.append(_e(text[last : found.start()]))
        done.append(
            f'<span class="command"><code>{_e(command)}</code>'
            f'<button type="button" class="copy" data-copy="{_e(command)}" aria-label="Copy the command">Copy</button></span>'
        )
        last = found.start() + len(command)
    return "".join(done) + _e(text[last:])


def _said(one: Result) -> str:
    return str(one.get("fix") or "")


def _broken(result: Result) -> str:
    wrong = [one for one in result.get("diagnoses", ()) if one["state"] != "ok"]
    if not wrong:
        return ""
    cards = []
    for group in analysis.alike(wrong)[:MAX_SERVICES_WITH_CHAIN]:
        one = group[0]
        others = "".join(
            f'<li>{_e(other["service"])} <span class="note">{_e(", ".join(other["addresses"]) or "no address")}</span></li>'
            for other in group[1:]
        )
        chain = "".join(
            f'<li class="{_e(step["result"])}"><b>{_e(step["step"])}</b><span>{_e(step["text"])}'
            + "".join(f" {_code(code)}" for code in step.get("codes") or ())
            + "</span></li>"
            for step in one["steps"]
        )
        nodes = "".join(
            f"<tr><td>{_e(row['node'])}</td><td>{_e(row['text'])}</td></tr>" for row in one.get("candidates") or ()
        )
        same = f"<details><summary>The same for {len(group) - 1:,} more</summary><ul>{others}</ul></details>"
        cards.append(
            f'<article class="card {_e(one["state"])}"><h3><span class="badge {_e(one["state"])}">{_e(one["state"])}</span> '
            f'{_e(one["service"])} <span class="note">{_e(", ".join(one["addresses"]))}</span></h3>'
            f'<p class="cause"><b>Cause</b> {_e(one["cause"])}</p>'
            + (f'<p class="fix"><b>Fix</b> {_fix(_said(one))}</p>' if _said(one) else "")
            + f'<ol class="chain">{chain}</ol>'
            + (
                f"<details><summary>Why each node announces it, or not</summary><table>{nodes}</table></details>"
                if nodes
                else ""
            )
            + (same if others else "")
            + "</article>"
        )
    return f"<section><h2>Services that need attention</h2>{''.join(cards)}</section>\n"


def _services(result: Result) -> str:
    diagnoses = result.get("diagnoses")
    if not diagnoses:
        return ""
    rows = "".join(
        f'<tr class="{_e(one["state"])}"><td>{_e(one["service"])}</td><td>{_e(", ".join(one["addresses"]) or "-")}</td>'
        f"<td>{_e(one.get('elected') or '-')}</td>"
        f"<td>{_e(', '.join(one['answering']) or '-')}</td><td>{_e(one['state'])}</td></tr>"
        for one in diagnoses
    )
    return (
        f'<section><h2>All services <span class="note">{len(diagnoses):,}</span></h2>'
        '<input type="search" class="filter" data-for="services" placeholder="Filter: name, address, node, state" '
        'aria-label="Filter the services">'
        '<div class="scroll"><table id="services" class="wide fixed"><thead><tr><th>Service</th><th>Address</th>'
        "<th>Elected node</th><th>Answering node</th><th>State</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>\n"
    )


# -- findings ---------------------------------------------------------------------------------------------------------


def _code(code: str) -> str:
    return f'<a class="code" href="{_e(f"{DOCS}/{code}.md")}">{_e(code)}</a>'


def _findings(result: Result, base: str) -> str:
    groups = analysis.grouped(result["findings"])
    if not groups:
        return ""
    cards = []
    for finding, objects in groups[:MAX_FINDINGS]:
        where = analysis.place_of(finding, base)
        shown = ", ".join(objects[:MAX_OBJECTS])
        more = f" and {len(objects) - MAX_OBJECTS:,} more" if len(objects) > MAX_OBJECTS else ""
        because = (
            f'<p class="note">because of {" ".join(_code(code) for code in finding["caused_by"])}</p>'
            if finding["caused_by"]
            else f'<p class="fix"><b>Fix</b> {_fix(str(finding["fix"]))}</p>'
        )
        cards.append(
            f'<article class="card {_e(finding["severity"])}"><h3>'
            f'<span class="badge {_e(finding["severity"])}">{_e(finding["severity"])}</span> {_code(finding["code"])} '
            f"{_e(shown)}{more}</h3><p>{_e(finding['summary'])}</p>"
            + (f'<p class="note"><code>{_e(where)}</code></p>' if where else "")
            + f"{because}</article>"
        )
    rest = f'<p class="note">{len(groups) - MAX_FINDINGS:,} more.</p>' if len(groups) > MAX_FINDINGS else ""
    return (
        f'<section><h2>Findings <span class="note">{len(result["findings"]):,}</span></h2>'
        '<input type="search" class="filter" data-for="findings" placeholder="Filter: code, object, text" '
        f'aria-label="Filter the findings"><div id="findings"{MANY if len(cards) > 100 else ""}>{"".join(cards)}</div>{rest}</section>\n'
    )


def _skipped(result: Result) -> str:
    skipped = analysis.unseen(result)
    if not skipped:
        return ""
    rows = "".join(
        f"<tr><td>{' '.join(_code(code) for code in codes)}</td><td>{_e(reason)}</td></tr>" for reason, codes in skipped
    )
    return (
        '<section><h2>Skipped</h2><p class="note">These checks did not run. What they would have found is unknown.</p>'
        f'<div class="scroll"><table class="wide"><thead><tr><th>Checks</th><th>Reason</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>\n"
    )


# -- failover ---------------------------------------------------------------------------------------------------------


def _timings(outcome: Result) -> str:
    """Milliseconds as horizontal bars, one per measurement; what was not seen is said."""
    bars: list[tuple[str, float | None]] = [
        ("other node: gratuitous ARP", _step(outcome, "away", "garp_ms")),
        ("other node: first answered ARP", _step(outcome, "away", "arp_ms")),
        ("longest time without an ARP answer", outcome.get("longest_arp_gap_ms")),
        ("longest TCP outage", outcome.get("longest_tcp_outage_ms")),
        ("back: gratuitous ARP", _step(outcome, "back", "garp_ms")),
        ("back: first answered ARP", _step(outcome, "back", "arp_ms")),
        ("speaker ready again", outcome.get("speaker_back_ms")),
    ]
    longest = max((value for _name, value in bars if value is not None), default=0.0) or 1.0
    rows = []
    for place, (name, value) in enumerate(bars):
        y = 10 + place * 30
        wide = 2.0 if value is None else max(2.0, 400 * value / longest)
        told = "not seen" if value is None else f"{value:,.0f} ms"
        rows.append(
            f'<text class="name" x="0" y="{y + 14}">{_e(name)}</text>'
            f'<rect class="time" x="260" y="{y}" width="{wide:.1f}" height="20" rx="4"/>'
            f'<text class="value" x="{268 + wide:.1f}" y="{y + 15}">{told}</text>'
        )
    height = 20 + 30 * len(bars)
    return (
        f'<section><h2>Timings</h2><p class="note">{_e(outcome.get("service"))} {_e(outcome.get("address"))}: '
        f"from {_e(outcome.get('node_before') or 'no node')} to {_e(outcome.get('node_during') or 'no node')}, then "
        f"{_e(outcome.get('node_after') or 'no node')}. Milliseconds from the deletion of the speaker pod, and from the moment "
        'it may come back.</p><div class="scroll">'
        f'<svg class="timings" role="img" aria-label="Timings of the failover" viewBox="0 0 760 {height}" width="760" '
        f'height="{height}">{"".join(rows)}</svg></div></section>\n'
    )


def _step(outcome: Result, step: str, name: str) -> float | None:
    value = (outcome.get(step) or {}).get(name)
    return float(value) if isinstance(value, (int, float)) else None
