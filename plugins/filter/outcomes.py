# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of roles preflight and failover: thin shells around the private ``_outcomes``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import clean
from ansible_collections.l2ops.metallb.plugins.module_utils._report import (
    failover as _failover,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._report import (
    preflight as _preflight,
)


def _result(name: str, module: str, given: t.Any) -> t.Mapping[str, t.Any]:
    if not isinstance(given, t.Mapping):
        raise AnsibleFilterError(f"l2ops.metallb.{name}: the result of {module} is wanted, not {type(given).__name__}")
    cleaned: t.Mapping[str, t.Any] = clean(given)
    return cleaned


def preflight(probe: t.Any) -> dict[str, t.Any]:
    return _preflight.preflight(_result("preflight", "l2_probe", probe))


def chunk_addresses(pools: t.Any, held: t.Any = (), most: int = 4096, size: int = 512) -> list[dict[str, t.Any]]:
    if isinstance(pools, (str, t.Mapping)) or not isinstance(pools, t.Iterable):
        raise AnsibleFilterError("l2ops.metallb.chunk_addresses: a list of ranges and prefixes is wanted")
    try:
        return _preflight.chunk_addresses([str(one) for one in pools], [str(one) for one in held], int(most), int(size))
    except ValueError as why:
        raise AnsibleFilterError(str(why)) from why


def failover(watch: t.Any, tcp: t.Any, away: t.Any, clock: float = 0.0) -> dict[str, t.Any]:
    ports = _result("failover", "service_probe", tcp) if tcp else None
    return _failover.failover(
        _result("failover", "l2_probe", watch), ports, _result("failover", "speaker_away", away), float(clock)
    )


class FilterModule:
    """Filters of l2ops.metallb."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"chunk_addresses": chunk_addresses, "preflight": preflight, "failover": failover}
