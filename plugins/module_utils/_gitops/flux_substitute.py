# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Variables that Flux puts into manifests (spec.postBuild), as far as their values stand in the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VARIABLE = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-=])([^}]*))?\}")
DISABLED = "kustomize.toolkit.fluxcd.io/substitute"


def substituted(value: Any, known: Mapping[str, str]) -> Any:
    """The same with every variable whose value is known; others stay as they are, which means that the value is not known."""
    if isinstance(value, str):
        if "${" not in value:
            return value
        return _VARIABLE.sub(lambda match: _one(match, known), value)
    if isinstance(value, dict):
        return {key: substituted(one, known) for key, one in value.items()}
    if isinstance(value, list):
        return [substituted(one, known) for one in value]
    return value


def _one(match: re.Match[str], known: Mapping[str, str]) -> str:
    escaped, name, operator, default = match.groups()
    if escaped:
        return match.group(0)[1:]
    value = known.get(name)
    if value is not None and (value or not (operator or "").startswith(":")):
        return value
    return default if operator else match.group(0)
