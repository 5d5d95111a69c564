# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make fuzz` in small: its targets still fit what they call, and a fault would be seen."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fuzz"))
import fuzz_run as run
import fuzz_targets as targets


@pytest.mark.parametrize("name", list(targets.TARGETS))
def test_a_few_cases(name):
    for number in range(5):
        assert not run.tried(name, 0, number)


def test_a_fault_is_seen(monkeypatch):
    monkeypatch.setitem(targets.TARGETS, "bad", lambda chance: 1 // 0)
    assert "ZeroDivisionError" in run.tried("bad", 0, 0)


def test_a_case_can_be_repeated():
    one, other = (targets.mutated(random.Random("a 1 2"), targets.RESULT, 0.2) for _count in range(2))
    assert repr(one) == repr(other)
