# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""talos_exclude_label against a stand-in that prints what no talosctl should. The real one: tests/integration."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.modules import talos_exclude_label
from ansible_collections.l2ops.metallb.tests.unit.run_module import run


def talosctl(folder, printed, code=0):
    (folder / "printed").write_bytes(printed)
    program = folder / "talosctl"
    program.write_text(
        f'#!/bin/sh\ncat "{folder}/printed"; cat "{folder}/printed" >&2; exit {code}\n', encoding="utf-8"
    )
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    "printed",
    [
        b"machine: {taken: 2026-13-45}",
        b"machine: {number: " + 6000 * b"7" + b"}",
        b"machine: {number: !!int ''}",
        b"machine: {flag: !!bool perhaps}",
        30_000 * b"[",
        b"\xff\xfe machine: [",
        b"a: \x07",
    ],
    ids=["date", "digits", "int", "bool", "brackets", "octets", "bell"],
)
def test_what_is_no_machine_configuration_is_said(tmp_path, printed):
    result = run(talos_exclude_label, nodes={"cp-1": "192.0.2.1"}, talosctl=talosctl(tmp_path, printed))
    assert result["failed"] and "no YAML" in result["msg"] and "Nothing was changed" in result["msg"]


def test_octets_that_are_not_utf_8_are_replaced(tmp_path):
    result = run(talos_exclude_label, nodes={"cp-1": "192.0.2.1"}, talosctl=talosctl(tmp_path, b"machine: {x: \xff}"))
    assert not result["failed"] and result["nodes"] == [{"name": "cp-1", "places": [], "action": "none"}]
    result = run(talos_exclude_label, nodes={"cp-1": "192.0.2.1"}, talosctl=talosctl(tmp_path, b"no \xff", code=1))
    assert result["failed"] and "no \ufffd" in result["msg"]


@pytest.mark.parametrize(
    "printed", [b"machine: 5", b"machine: [1]", b"{kind: KubeNodeConfig, labels: 5}", b"[1]", b"x"]
)
def test_a_configuration_of_another_shape_holds_no_label(tmp_path, printed):
    result = run(talos_exclude_label, nodes={"cp-1": "192.0.2.1"}, talosctl=talosctl(tmp_path, printed))
    assert not result["failed"] and not result["changed"]
