# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Which credentials a job template of AWX keeps: module awx.awx.job_template takes its list for the whole, and detaches the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import as_dict, as_list, as_text

Entries = Sequence[Mapping[str, Any]]


def attached_to(name: str, organization: str, templates: Entries) -> list[Mapping[str, Any]]:
    """Credentials in summary_fields of the job template of this name and organization, as AWX lists them (id, name)."""
    for template in templates:
        summary = as_dict(template.get("summary_fields"))
        home = as_text(as_dict(summary.get("organization")).get("name"))
        if as_text(template.get("name")) == name and (not home or not organization or home == organization):
            return [as_dict(one) for one in as_list(summary.get("credentials"))]
    return []


def credentials_of(
    wanted: Iterable[str], attached: Iterable[Mapping[str, Any]], credentials: Entries, whole: bool = False
) -> list[str]:
    """Names for a job template: what is attached stays, and of what is wanted that comes in whose type is not there yet.

    AWX takes one credential of a type. credentials are all of them, with name and credential_type. whole says that wanted is the whole
    list: then the rest is detached.
    """
    names = list(dict.fromkeys(wanted))
    if whole:
        return names
    kind_of = {as_text(one.get("name")): one.get("credential_type") for one in credentials}
    kept = list(dict.fromkeys(as_text(one.get("name")) for one in attached))
    kinds = {kind_of[name] for name in kept if name in kind_of}
    for name in names:
        # One that does not exist yet is of a type that nothing of ours is known to have.
        if name not in kept and kind_of.get(name) not in kinds:
            kept.append(name)
    return kept
