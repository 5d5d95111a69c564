# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""The diagnosis of services as rows that a person can read, each with what the API, the LAN and the port said.

Pure: dictionaries as modules ``l2_diagnose``, ``l2_probe`` and ``service_probe`` return them in, rows and lines of text out.
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


def verdict(
    diagnosis: t.Mapping[str, t.Any],
    wanted: t.Sequence[t.Mapping[str, t.Any]],
    wire: t.Mapping[str, t.Any] | None,
    ports: t.Mapping[str, t.Any] | None,
    wire_required: bool = False,
) -> dict[str, t.Any]:
    """The diagnosis as a table of services, and what the user wanted beside it. It judges no fact of the cluster or the LAN by itself.

    Args: ``diagnosis`` from ``l2_diagnose``, which was given ``wire`` and ``ports``; ``wanted`` the user's list (``name``, ``address``,
    ``port`` …), empty for all; ``wire`` from ``l2_probe`` or None; ``ports`` from ``service_probe`` or None.

    Returns ``rows`` (one per service, address and port), ``table`` (lines of them), ``failures`` (texts),
    ``unproven`` (what is not known), ``warnings`` (what does not break a service), ``cause`` (of the first broken service, in a
    sentence with codes), ``ok`` and ``verdict`` (one line).
    """
    services = {s["service"]: s for s in diagnosis.get("diagnoses", [])}
    expected: dict[str, list[str]] = {}
    for entry in wanted:
        expected.setdefault(entry["name"], [])
        if entry.get("address"):
            expected[entry["name"]].append(entry["address"])
    names = list(dict.fromkeys(e["name"] for e in wanted)) or sorted(services)
    probes = list((ports or {}).get("targets", []))
    rows: list[Row] = []
    failures: list[str] = []
    warnings: list[str] = []
    unproven: list[str] = []
    blind = _why_blind(wire)
    if blind and wire_required:
        failures.append(
            "the LAN was not probed, though metallb_verify_wire is 'always'. Run it from a host on the segment (group metallb_probes, or "
            f"metallb_probe_host): {blind}"
        )
    elif blind:
        unproven.append(f"the LAN: {blind}")
    if ports is not None and "targets" not in ports:
        why = str(ports.get("msg") or "service_probe gave no result").strip()
        (failures if wire_required else unproven).append(f"the ports: {why}")
    failures += [f"{kind} could not be read: {why}" for kind, why in (diagnosis.get("unknown") or {}).items()]
    for name in names:
        service = services.get(name)
        if service is None:
            if "services" not in (diagnosis.get("unknown") or {}):
                failures.append(f"{name}: there is no such LoadBalancer service of MetalLB")
            rows.append(_row(name, NOTHING, None, None, None, ["not found"], []))
            continue
        missing = [a for a in expected.get(name, []) if not any(same_address(a, b) for b in service["addresses"])]
        have = ", ".join(service["addresses"]) or "no address"
        unmet = [f"has {have}, expected {', '.join(missing)}"] if missing else []
        failures += [f"{name}: {one}" for one in unmet]
        told: set[int] = set()
        for address in service["addresses"] or [""]:
            target = _wire_of(address, wire)
            mine = [p for p in probes if p.get("name") == name and same_address(p["address"], address)]
            for probe in mine or [None]:
                found = [one for one in service["problems"] if _concerns(one, address, probe)]
                said = {
                    one: [_text(p) for p in found if p["severity"] == one] for one in ("error", "warning", "unknown")
                }
                rows.append(
                    _row(
                        name,
                        address or NOTHING,
                        service,
                        target,
                        probe,
                        unmet + said["error"],
                        said["warning"] + said["unknown"],
                    )
                )
                for one in found:
                    if id(one) in told:
                        continue
                    told.add(id(one))
                    where = f"{name} {one['address']}" if one["address"] else name
                    {"error": failures, "warning": warnings}.get(one["severity"], unproven).append(
                        f"{where}: {_text(one)}"
                    )
                    if one["severity"] == "unknown" and wire_required and not blind:
                        failures.append(f"{where}: {_text(one)}")
        if service["state"] == "unknown" and not service["problems"]:
            unproven.append(service["sentence"])
    return {
        "rows": rows,
        "table": table(rows),
        "failures": failures,
        "unproven": unproven,
        "warnings": warnings,
        "cause": _cause(services, names),
        "ok": not failures,
        "verdict": _line(rows, failures, warnings, unproven),
    }


def _why_blind(wire: t.Mapping[str, t.Any] | None) -> str:
    """Why the LAN's word is missing or incomplete; empty where it is there."""
    if wire is None:
        return "no probe host; put a host of the LAN that is no node into inventory group metallb_probes"
    if "targets" not in wire:
        return str(wire.get("msg") or "l2_probe gave no result")
    if not wire.get("conclusive", True):
        return str(wire.get("inconclusive_reason") or "the probe host cannot see it")
    return ""


def _concerns(problem: t.Mapping[str, t.Any], address: str, probe: t.Mapping[str, t.Any] | None) -> bool:
    """Whether a row of this address and port is the place for a problem of its service."""
    if problem["address"] and not same_address(problem["address"], address):
        return False
    return not problem["port"] or probe is None or int(probe["port"]) == problem["port"]


def _text(problem: t.Mapping[str, t.Any]) -> str:
    return f"{problem['text']} ({problem['code']})" if problem["code"] else str(problem["text"])


def _cause(services: t.Mapping[str, t.Mapping[str, t.Any]], names: t.Sequence[str]) -> str:
    for name in [one for one in services if one in names]:
        one = services[name]
        if one["state"] == "broken":
            codes = [f["code"] for f in one["findings"] if f["code"] not in one["sentence"]]
            return str(one["sentence"]) + (f" ({', '.join(dict.fromkeys(codes))})" if codes else "")
    return ""


def _line(rows: list[Row], failures: list[str], warnings: list[str], unproven: list[str]) -> str:
    def first(texts: list[str]) -> str:
        return texts[0] + (f" (and {len(texts) - 1} more)" if len(texts) > 1 else "")

    if failures:
        return f"{len(failures)} failure(s): {first(failures)}"
    if not rows:
        return "no LoadBalancer service of MetalLB to verify"
    line = f"{sum(1 for r in rows if r['ok'])} of {len(rows)} checks are good"
    if warnings:
        line += f"; warning: {first(warnings)}"
    if unproven:
        line += f"; not checked: {first(unproven)}"
    return line


def _row(
    name: str,
    address: str,
    service: t.Mapping[str, t.Any] | None,
    target: t.Mapping[str, t.Any] | None,
    probe: t.Mapping[str, t.Any] | None,
    problems: t.Sequence[str],
    remarks: t.Sequence[str],
) -> Row:
    answers = (target or {}).get("answers", [])
    port = NOTHING
    if probe:
        said = probe.get("http_status") or ("open" if probe.get("ok") else probe.get("failure"))
        port = f"{probe['port']}/{probe.get('protocol', 'tcp')} {said}"
    return {
        "service": name,
        "address": address,
        "announcer_api": ", ".join((service or {}).get("reported") or ()) or NOTHING,
        "announcer_elected": (service or {}).get("elected") or NOTHING,
        "mac": ", ".join(dict.fromkeys(a["mac"] for a in answers)) or NOTHING,
        "announcer_wire": ", ".join(dict.fromkeys(a.get("node") or "no node" for a in answers)) or NOTHING,
        "port": port,
        "http_status": (probe or {}).get("http_status"),
        "ok": not problems,
        "verdict": "; ".join(problems) or (f"ok, but {'; '.join(remarks)}" if remarks else "ok"),
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
