# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which credentials a job template keeps."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.awx import attached_to, credentials_of

KNOWN = [
    {"name": "clusters", "credential_type": 30},
    {"name": "other clusters", "credential_type": 30},
    {"name": "probes", "credential_type": 1},
]


@pytest.mark.parametrize(
    ("wanted", "attached", "whole", "names"),
    [
        (["clusters"], [], False, ["clusters"]),
        (["clusters"], ["probes"], False, ["probes", "clusters"]),
        (["clusters"], ["other clusters"], False, ["other clusters"]),
        (["clusters"], ["clusters", "probes"], False, ["clusters", "probes"]),
        ([], ["probes"], False, ["probes"]),
        (["clusters"], ["probes"], True, ["clusters"]),
        (["new", "clusters"], ["probes"], False, ["probes", "new", "clusters"]),
    ],
)
def test_what_is_attached_stays(wanted, attached, whole, names):
    assert credentials_of(wanted, [{"name": name} for name in attached], KNOWN, whole) == names


def test_a_template_of_another_organization_is_another_one():
    def template(home, *names):
        summary = {"organization": {"name": home}, "credentials": [{"name": name} for name in names]}
        return {"name": "site", "summary_fields": summary}

    templates = [template("a", "x"), template("b", "y")]
    assert attached_to("site", "b", templates) == [{"name": "y"}]
    assert attached_to("site", "c", templates) == [] and attached_to("other", "a", templates) == []
    assert attached_to("site", "a", [{"name": "site", "summary_fields": None}]) == []
