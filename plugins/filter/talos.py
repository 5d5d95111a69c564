# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter of role nodes: a thin shell around the private ``_talos``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.l2ops.metallb.plugins.module_utils._talos import machine_config


def label_patches(
    key: t.Any, form: str = "talos", cluster: str = "", machine_set: str = "", versions: t.Iterable[t.Any] = ()
) -> list[str]:
    if isinstance(versions, str):
        raise AnsibleFilterError(f"l2ops.metallb.label_patches: versions must be a list, not {versions!r}")
    try:
        return machine_config.render_patches(
            str(form), str(key), str(cluster or ""), str(machine_set or ""), [str(one) for one in versions or ()]
        )
    except ValueError as why:
        raise AnsibleFilterError(f"l2ops.metallb.label_patches: {why}") from why


class FilterModule:
    """Filters of l2ops.metallb."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"label_patches": label_patches}
