# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places in the checkout. Everything the tools make lies under `.lab`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
STATE = ROOT / ".lab"
LOGS = STATE / "log"
VENVS = STATE / "venv"
REQUIREMENTS = ROOT / "tests" / "requirements"
NAMESPACE, NAME = "l2ops", "metallb"
FQCN = f"{NAMESPACE}.{NAME}"
