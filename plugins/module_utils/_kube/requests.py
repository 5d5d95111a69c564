# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""List requests and their outcomes, and the paths of resources."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from ansible_collections.l2ops.metallb.plugins.module_utils._kube.constants import Objects
from ansible_collections.l2ops.metallb.plugins.module_utils._kube.errors import ApiError


@dataclass(frozen=True)
class ListRequest:
    """One list call: ListRequest("nodes"), ListRequest("ipaddresspools", "metallb.io", "v1beta1", namespace="x")."""

    plural: str
    group: str = ""
    version: str = "v1"
    namespace: str | None = None
    label_selector: str | None = None
    field_selector: str | None = None
    # name in the answer of list_all; the plural when not given
    key: str = ""
    # metadata only: for Secrets, whose content is nobody's business, and for very many objects
    metadata_only: bool = False

    @property
    def path(self) -> str:
        return resource_path(self.plural, self.group, self.version, self.namespace)

    @property
    def answer_key(self) -> str:
        return self.key or self.plural


@dataclass(frozen=True)
class ListOutcome:
    """What a list call gave: objects, or the reason why there are none to see."""

    objects: Objects = field(default_factory=list)
    error: ApiError | None = None
    resource_version: str = ""


def resource_path(
    plural: str, group: str = "", version: str = "v1", namespace: str | None = None, name: str | None = None
) -> str:
    """The path of a kind, or of one object of it."""
    parts = ["apis", group, version] if group else ["api", version]
    if namespace:
        parts += ["namespaces", namespace]
    parts.append(plural)
    if name:
        parts.append(name)
    return "/" + "/".join(quote(part, safe="") for part in parts)
