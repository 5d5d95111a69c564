# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter of role install: a thin shell around the private ``_operations.installation``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import installation as _installation


def installation(
    metallb: t.Any,
    version: str = "",
    ignore_exclude_lb: bool = False,
    memberlist_secret: str = "",
    frr: bool = False,
) -> dict[str, t.Any]:
    if not isinstance(metallb, t.Mapping):
        raise AnsibleFilterError(
            f"l2ops.metallb.installation: metallb of l2ops.metallb.l2_info is wanted, not {type(metallb).__name__}"
        )
    wanted = {
        "version": version,
        "ignore_exclude_lb": ignore_exclude_lb,
        "memberlist_secret": memberlist_secret,
        "frr": frr,
    }
    try:
        return _installation.installation_of(metallb, wanted)
    except _installation.InstallationError as why:
        raise AnsibleFilterError(f"l2ops.metallb.installation: {why}") from why


class FilterModule:
    """Filters of l2ops.metallb."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"installation": installation}
