# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Lists as a survey of AWX sends them: one text, with commas or line breaks between, and "" for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]


def spread(params: Mapping[str, Any], spec: Mapping[str, Any]) -> Object:
    """A module's parameters with every list of texts as it was meant.

    Ansible itself makes a list of a text at its commas only: of "a\\nb, c" it makes ["a\\nb", " c"], of "" [""]. Here these
    become [a, b, c] and []. Items of a real list keep their commas.
    """
    return {name: _spread(value, spec.get(name) or {}) for name, value in params.items()}


def listed(value: Any) -> Any:
    """What the user wrote where a list of texts belongs, for options that declare none within: [a, b] of "a, b"."""
    if not isinstance(value, str):
        return value
    return [word for word in (part.strip() for line in value.splitlines() for part in line.split(",")) if word]


def _spread(value: Any, option: Mapping[str, Any]) -> Any:
    inner = option.get("options")
    if isinstance(value, list):
        if option.get("elements") in ("str", "path"):
            lines = [line.strip() for one in value for line in str(one).splitlines()]
            return [line for line in lines if line]
        if inner:
            return [spread(one, inner) if isinstance(one, dict) else one for one in value]
    if inner and isinstance(value, dict):
        return spread(value, inner)
    return value
