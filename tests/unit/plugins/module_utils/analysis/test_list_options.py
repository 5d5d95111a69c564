# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists as a survey of AWX sends them, through Ansible's own reading of a module's options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.list_options import spread

TEXTS = {"type": "list", "elements": "str"}
SPEC = {
    "gateway": TEXTS,
    "files": {"type": "list", "elements": "path"},
    "pools": {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}, "addresses": TEXTS}},
    "one": {"type": "dict", "options": {"names": TEXTS}},
    "numbers": {"type": "list", "elements": "int"},
    "text": {"type": "str"},
}


def read(**given):
    result = ArgumentSpecValidator(SPEC).validate(given)
    assert not result.error_messages
    return spread(result.validated_parameters, SPEC)


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("", []),
        ("  \n ", []),
        ("10.0.0.1", ["10.0.0.1"]),
        ("10.0.0.1, 10.0.0.2", ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.10-10.0.0.20\n10.0.1.0/28\r\n", ["10.0.0.10-10.0.0.20", "10.0.1.0/28"]),
        (" a,\n b , c\n\n", ["a", "b", "c"]),
        (["a", "b"], ["a", "b"]),
        (["key in (x, y)"], ["key in (x, y)"]),
        ([], []),
        (None, None),
    ],
)
def test_a_list(answer, meant):
    assert read(gateway=answer)["gateway"] == meant


def test_lists_within():
    assert read(pools=[{"name": "main", "addresses": "a-b\nc"}])["pools"] == [
        {"name": "main", "addresses": ["a-b", "c"]}
    ]
    assert read(one={"names": "x,\ny"})["one"] == {"names": ["x", "y"]}


def test_the_rest_stays():
    got = read(text="a\nb, c", numbers=["1", 2], files="/a\n/b")
    assert (got["text"], got["numbers"], got["files"]) == ("a\nb, c", [1, 2], ["/a", "/b"])


def test_roles_take_a_blank_text_for_their_default():
    """A blank answer to an optional question reaches a role as "" and means what leaving the variable out means."""
    roles = Path(__file__).resolve().parents[5] / "roles"
    found = 0
    for path in [*roles.glob("*/tasks/*.yml"), *roles.glob("*/vars/main.yml")]:
        defaults = yaml.safe_load((path.parents[1] / "defaults" / "main.yml").read_text(encoding="utf-8"))
        for name, fallback in re.findall(
            r"(metallb_\w+) \| default\('([^']+)', true\)", path.read_text(encoding="utf-8")
        ):
            if isinstance(defaults.get(name), str) and defaults[name]:
                assert str(defaults[name]) == fallback, f"{path}: {name}"
                found += 1
    assert found > 10
