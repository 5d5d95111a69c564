# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option of the modules that judge a cluster: what to do where it could not be read."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  unknown:
    description:
      - What to do when a kind of object that the answer rests on could not be read (services, pools, advertisements, nodes, pods,
        DaemonSets, endpoint slices), because of a missing right or an API server that does not answer.
      - V(fail) fails after all data was returned, with RV(ignore:failure_kind) C(unknown). V(report) returns the same data and does not fail
        for this reason. Either way RV(ignore:unknown) names the kinds, and no verdict gets better by what is missing.
    type: str
    choices: [fail, report]
    default: fail
"""
