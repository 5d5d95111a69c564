# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""What the installed MetalLB can do: the one place that knows how its versions differ.

Fields are known by the schema of the installed CRDs, behaviour by the version. To support a new version of MetalLB, read its
speaker/layer2_controller.go and internal/config/config.go, and add here what differs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import (
    ADVERTISEMENT_FIELDS,
    LATER_ADVERTISEMENT_FIELDS,
)

# The newest version whose election was read and tried.
NEWEST = "0.16.2"

_NUMBERS = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Capabilities:
    """version is MetalLB's as installed ("" where nothing tells it); fields are those of L2Advertisement.spec in the installed
    CRD, None where its schema was not seen."""

    version: str = ""
    fields: frozenset[str] | None = None

    @property
    def _number(self) -> tuple[int, int, int] | None:
        found = _NUMBERS.match(self.version)
        return (int(found[1]), int(found[2]), int(found[3])) if found else None

    def _at_least(self, *number: int) -> bool:
        """What tells no version counts as old or new by its CRD: 0.16.2 is the first with preferredNodeSelectors."""
        known = self._number
        if known is not None:
            return known >= number
        return self.fields is not None and "preferredNodeSelectors" in self.fields

    @property
    def service_selectors(self) -> bool | None:
        """Whether serviceSelectors of an advertisement count (0.16.0); None where nobody says."""
        return None if self.fields is None else "serviceSelectors" in self.fields

    @property
    def preferred_nodes(self) -> bool | None:
        """Whether preferredNodeSelectors of an advertisement count (0.16.2); None where nobody says."""
        return None if self.fields is None else "preferredNodeSelectors" in self.fields

    @property
    def refuses_shared_with_selectors(self) -> bool:
        """Whether nobody announces a service with allow-shared-ip by advertisements with serviceSelectors (0.16.2)."""
        return self._at_least(0, 16, 2)

    @property
    def says_assigned_once(self) -> bool:
        """Whether event nodeAssigned is said at the first announcement only, instead of at each reconcile (0.16.2)."""
        return self._at_least(0, 16, 2)

    @property
    def excludes_cordoned(self) -> bool:
        """Whether cordoned nodes are no candidates (0.14)."""
        known = self._number
        return known is not None and known < (0, 15, 0)

    @property
    def needs_memberlist(self) -> bool:
        """Whether nobody announces anything without memberlist (0.14)."""
        return self.excludes_cordoned

    @property
    def unknown_fields(self) -> frozenset[str]:
        """Fields of L2Advertisement.spec that the installed CRD has and that the election here does not know."""
        if self.fields is None:
            return frozenset()
        return self.fields - ADVERTISEMENT_FIELDS - LATER_ADVERTISEMENT_FIELDS
