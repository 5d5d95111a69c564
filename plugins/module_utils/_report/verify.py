# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Join what the API says of services with what the wire and the ports say, into rows a person can read.

Pure: dictionaries as modules ``l2_info``, ``l2_probe`` and ``service_probe`` return them in, rows and lines of text out.
"""

from __future__ import annotations

import ipaddress
import textwrap
import typing as t

Row = dict[str, t.Any]

COLUMNS = (
    ("service", "SERVICE"),
    ("address", "ADDRESS"),
    ("announcer_api", "NODE (API)"),
    ("mac", "MAC (WIRE)"),
    ("announcer_wire", "NODE (WIRE)"),
    ("port", "PORT"),
    ("verdict", "VERDICT"),
)
NOTHING = "-"


def same_address(left: str, right: str) -> bool:
    """Whether two texts mean one IP address, however they are written (``fd00::1`` and ``fd00:0::1``)."""
    try:
        return ipaddress.ip_address(left) == ipaddress.ip_address(right)
    except ValueError:
        return left == right


def probe_targets(
    services: t.Sequence[t.Mapping[str, t.Any]], wanted: t.Sequence[t.Mapping[str, t.Any]]
) -> list[dict[str, t.Any]]:
    """Targets for ``service_probe``: what the user listed, else every TCP port of every service at every address.

    A listed entry without a port gets every TCP port of its service. Services without an address give no target.
    """
    by_name = {s["name"]: s for s in services}
    entries = list(wanted) or [{"name": name} for name in by_name]
    targets: list[dict[str, t.Any]] = []
    for entry in entries:
        service = by_name.get(entry["name"])
        if service is None:
            continue
        ports = (
            [entry["port"]]
            if entry.get("port")
            else [p["port"] for p in service["ports"] if p.get("protocol", "TCP") == "TCP"]
        )
        for address in service["addresses"]:
            for port in ports:
                target = {
                    "name": entry["name"],
                    "address": address,
                    "port": port,
                    "protocol": entry.get("protocol") or "tcp",
                }
                if target["protocol"] in ("http", "https"):
                    target.update(
                        {
                            option: entry[option]
                            for option in ("path", "host", "status")
                            if entry.get(option) is not None
                        }
                    )
                if target["protocol"] in ("tls", "https"):
                    # As lenient as curl -k unless asked: what is to be shown is that the service answers.
                    target["verify"] = bool(entry.get("verify_tls"))
                targets.append(target)
    return targets


def _wire_of(address: str, wire: t.Mapping[str, t.Any] | None) -> t.Mapping[str, t.Any] | None:
    for target in (wire or {}).get("targets", []):
        if same_address(target["address"], address):
            return t.cast("t.Mapping[str, t.Any]", target)
    return None


def _judge_wire(target: t.Mapping[str, t.Any] | None, announcer: str, known_nodes: set[str]) -> list[str]:
    """What is wrong with the answers for one address; empty when one node answers, and the right one."""
    if target is None:
        return []
    if not target.get("answered"):
        return ["nobody answers ARP/NDP (MLB601)"]
    answers = target.get("answers", [])
    foreign = sorted({a["mac"] for a in answers if not a.get("node")})
    nodes = sorted({a["node"] for a in answers if a.get("node")})
    problems = []
    if foreign:
        problems.append(f"a host that is no node answers: {', '.join(foreign)} (MLB602)")
    if len(nodes) > 1:
        problems.append(f"several nodes answer: {', '.join(nodes)} (MLB603)")
    elif nodes and announcer not in (NOTHING, nodes[0]):
        problems.append(f"{nodes[0]} answers, not {announcer} (MLB604)")
    if nodes and not set(nodes) <= known_nodes:
        problems.append(f"{', '.join(sorted(set(nodes) - known_nodes))} is no node of the cluster")
    return problems


def _stale(reported: str, elected: str, known_nodes: set[str]) -> str:
    """What is wrong with the API's word on who announces; empty when it is right."""
    if reported == NOTHING:
        return "no ServiceL2Status names an announcer (MLB510)"
    if reported not in known_nodes:
        return f"ServiceL2Status names {reported}, which is no node (MLB510)"
    return f"ServiceL2Status still names {reported} (MLB510)" if reported != elected else ""


def verdict(
    info: t.Mapping[str, t.Any],
    wanted: t.Sequence[t.Mapping[str, t.Any]],
    wire: t.Mapping[str, t.Any] | None,
    ports: t.Mapping[str, t.Any] | None,
    wire_required: bool = False,
) -> dict[str, t.Any]:
    """Judge services by all witnesses.

    Args: ``info`` from ``l2_info``; ``wanted`` the user's list (``name``, ``address``, ``port`` …), empty for all; ``wire`` from
    ``l2_probe`` or None; ``ports`` from ``service_probe`` or None.

    Returns ``rows`` (one per service, address and port), ``table`` (lines of them), ``failures`` (texts),
    ``unproven`` (what could not be looked at), ``warnings`` (wrong in the API, right on the wire),
    ``ok`` and ``verdict`` (one line).
    """
    services = {s["name"]: s for s in info.get("services", [])}
    nodes = {n["name"] for n in info.get("nodes", [])}
    expected: dict[str, list[str]] = {}
    for entry in wanted:
        expected.setdefault(entry["name"], [])
        if entry.get("address"):
            expected[entry["name"]].append(entry["address"])
    names = list(dict.fromkeys(e["name"] for e in wanted)) or sorted(services)
    probes = list((ports or {}).get("targets", []))
    rows: list[Row] = []
    failures: list[str] = []
    unproven: list[str] = []
    warnings: list[str] = []
    if wire is not None and not wire.get("conclusive", True):
        why = wire.get("inconclusive_reason") or "the probe host cannot see it"
        if wire_required:
            failures.append(
                "the wire was not looked at, though metallb_verify_wire is 'always'. Run it from a host on the segment "
                f"(group metallb_probes, or metallb_probe_host): {why}"
            )
        else:
            unproven.append(f"the wire: {why}")
    conclusive = wire is not None and bool(wire.get("conclusive", True))
    if wire is None and wire_required:
        failures.append(
            "the wire was not looked at, though metallb_verify_wire is 'always': no probe host. Put one into group metallb_probes"
        )
    elif wire is None:
        unproven.append(
            "the wire: no probe host; put a host of the LAN that is no node into inventory group metallb_probes"
        )
    for name in names:
        service = services.get(name)
        if service is None:
            failures.append(f"{name}: there is no such LoadBalancer service of MetalLB")
            rows.append(_row(name, NOTHING, None, NOTHING, None, None, ["no such service"]))
            continue
        missing = [a for a in expected.get(name, []) if not any(same_address(a, b) for b in service["addresses"])]
        if not service["addresses"] or missing:
            have = ", ".join(service["addresses"]) or "no address"
            problem = f"has {have}, expected {', '.join(missing)}" if missing else "has no address (MLB501)"
            failures.append(f"{name}: {problem}")
            if not service["addresses"]:
                rows.append(_row(name, NOTHING, service, NOTHING, None, None, [problem]))
                continue
        reported = service.get("reported") or NOTHING
        for address in service["addresses"]:
            target = _wire_of(address, wire if conclusive else None)
            problems = [f"expected {', '.join(missing)}"] if missing else []
            if service.get("cause"):
                # By the election, whatever a ServiceL2Status that nobody has taken back yet still says.
                still = f" (ServiceL2Status still names {reported})" if reported != NOTHING else ""
                problems.append(f"nobody announces it: {service['cause']}{still}")
            # ServiceL2Status may be stale or lost (0.15.x): the election is what the wire is held against.
            elected = service.get("predicted") or reported
            on_wire = _judge_wire(target, elected, nodes)
            stale = "" if service.get("cause") else _stale(reported, elected, nodes)
            # The wire beats the API: where the elected node answers, and it alone, a wrong word of the API breaks nothing.
            proven = target is not None and not on_wire
            problems += ([stale] if stale and not proven and reported not in nodes else []) + on_wire
            remark = stale if proven else ""
            if remark:
                warnings.append(f"{name} {address}: {remark}")
            mine = [p for p in probes if p.get("name") == name and same_address(p["address"], address)]
            for probe in mine or [None]:
                wrong = (
                    []
                    if probe is None or probe.get("ok")
                    else [probe.get("message") or probe.get("failure") or "the port does not answer"]
                )
                rows.append(_row(name, address, service, reported, target, probe, problems + wrong, remark))
                failures += [f"{name}: {w}" for w in wrong]
            failures += [f"{name} {address}: {p}" for p in problems if not p.startswith("expected")]
    good = sum(1 for r in rows if r["ok"])
    line = f"{good} of {len(rows)} checks are good"
    if failures:
        line = f"{len(failures)} failure(s): {failures[0]}" + (
            f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        )
    elif not rows:
        line = "no LoadBalancer service of MetalLB to verify"
    elif warnings:
        more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
        line += f"; the API is wrong, though: {warnings[0]}{more}"
    elif unproven:
        line += f"; not looked at: {unproven[0]}"
    return {
        "rows": rows,
        "table": table(rows),
        "failures": failures,
        "unproven": unproven,
        "warnings": warnings,
        "ok": not failures,
        "verdict": line,
    }


def _row(
    name: str,
    address: str,
    service: t.Mapping[str, t.Any] | None,
    reported: str,
    target: t.Mapping[str, t.Any] | None,
    probe: t.Mapping[str, t.Any] | None,
    problems: t.Sequence[str],
    remark: str = "",
) -> Row:
    answers = (target or {}).get("answers", [])
    port = NOTHING
    if probe:
        said = probe.get("http_status") or ("open" if probe.get("ok") else probe.get("failure"))
        port = f"{probe['port']}/{probe.get('protocol', 'tcp')} {said}"
    return {
        "service": name,
        "address": address,
        "announcer_api": reported,
        "announcer_elected": (service or {}).get("predicted") or NOTHING,
        "mac": ", ".join(dict.fromkeys(a["mac"] for a in answers)) or NOTHING,
        "announcer_wire": ", ".join(dict.fromkeys(a.get("node") or "no node" for a in answers)) or NOTHING,
        "port": port,
        "http_status": (probe or {}).get("http_status"),
        "ok": not problems,
        "verdict": "; ".join(problems) or (f"ok, but {remark}" if remark else "ok"),
    }


def table(rows: t.Sequence[Row], width: int = 0) -> list[str]:
    """Rows as lines of an aligned table; with ``width`` the verdict is wrapped to it, under its own column."""
    head = dict(COLUMNS)
    sizes = {key: max(len(str(r[key])) for r in [head, *rows]) for key, _title in COLUMNS}
    before = sum(sizes[key] + 2 for key, _title in COLUMNS[:-1])
    last = COLUMNS[-1][0]
    lines = []
    for row in [head, *rows]:
        start = "  ".join(f"{row[key]!s:{sizes[key]}}" for key, _title in COLUMNS[:-1])
        text = [str(row[last])]
        if width > before + 20:
            text = textwrap.wrap(str(row[last]), width - before) or [""]
        lines.append(f"{start}  {text[0]}".rstrip())
        lines += [" " * before + more for more in text[1:]]
    return lines
