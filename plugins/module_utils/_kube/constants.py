# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Types and limits of the API client."""

from __future__ import annotations

from typing import Any, TypeVar

Object = dict[str, Any]
Objects = list[Object]
Query = dict[str, str]
Headers = list[tuple[str, str]]
Chain = list[BaseException]
Job = TypeVar("Job")
Result = TypeVar("Result")
USER_AGENT = "l2ops.metallb"
FIELD_MANAGER = "l2ops.metallb"
MAX_PARALLEL = 32
PAGE_SIZE = 500
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
# A whole answer may take so many times as long as a piece of it.
WHOLE_TIMES = 4
TIMEOUT_VARIABLE = "L2OPS_METALLB_API_TIMEOUT"
ATTEMPTS = 6
LONGEST_PAUSE = 10.0
