# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter of role awx: a thin shell around the private ``_operations.awx``."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import awx as _awx


def _listed(name: str, given: t.Any) -> list[t.Any]:
    if isinstance(given, (str, bytes)) or not isinstance(given, t.Iterable):
        raise AnsibleFilterError(f"l2ops.metallb.awx_credentials: {name} is a list, not {type(given).__name__}")
    return list(given)


def awx_credentials(
    wanted: t.Any,
    template: str,
    organization: str = "",
    templates: t.Any = (),
    credentials: t.Any = (),
    whole: bool = False,
) -> list[str]:
    attached = _awx.attached_to(str(template), str(organization), _listed("templates", templates))
    names = [str(one) for one in _listed("the input", wanted)]
    return _awx.credentials_of(names, attached, _listed("credentials", credentials), bool(whole))


class FilterModule:
    """Filters of l2ops.metallb."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"awx_credentials": awx_credentials}
