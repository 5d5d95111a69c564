# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests of any shape: each is read, or refused with a reason, and nothing ends in a traceback, a hang or a crash of libyaml."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.manifests import ManifestError, read
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.reader import Unreadable, as_json, documents
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import nested_too_deeply


class WithoutLibyaml:
    """PyYAML as it is where libyaml is not."""

    def __getattr__(self, name):
        if name.startswith("C"):
            raise AttributeError(name)
        return getattr(yaml, name)


BOTH = pytest.mark.parametrize("parser", [yaml, WithoutLibyaml()], ids=["libyaml", "pure"])
POOL = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a, namespace: b}\nspec: {addresses: [10.0.0.1/32]}\n"


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        30_000 * "[",
        30_000 * "[" + 30_000 * "]",
        30_000 * "{a: ",
        30_000 * "- ",
        "a: \x07b",
        "a: \x1b[2J",
        'a: "\\ud83d"',
        'a: "\\UFFFFFFFF"',
        "? [a]\n: b",
    ],
    ids=["open", "closed", "braces", "dashes", "bell", "escape", "half", "beyond", "list as key"],
)
def test_odd_text_is_refused_with_a_reason(parser, text):
    with pytest.raises(Unreadable) as caught:
        list(documents(text, parser))
    assert caught.value.reason


@BOTH
@pytest.mark.parametrize("text", ["a: " + 6000 * "7", "a: !!int " + 6000 * "7", "a: 2026-13-45", "a: !!timestamp x"])
def test_odd_values_are_texts(parser, text):
    (document,) = documents(text, parser)
    assert isinstance(document.value["a"], str)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (6000 * "7", "digits"),
        (200 * "[" + 200 * "]", "too deeply"),
        (100_000 * "[", "too deeply"),
        ('{"a": "\\ud83d"}', "half of a character"),
        ("{", "Expecting"),
    ],
)
def test_odd_json_is_refused_with_a_reason(text, said):
    with pytest.raises(Unreadable, match=said):
        as_json(text)


def test_what_is_nested_too_deeply_for_libyaml():
    assert nested_too_deeply(2000 * "[") and nested_too_deeply(2000 * "- ") and nested_too_deeply(2000 * " " + "a")
    assert nested_too_deeply(2000 * '{"a":[')
    assert not nested_too_deeply(2000 * "[]" + POOL + 2000 * "- a\n" + 2000 * "a: {b: c}\n")


def test_only_regular_files_are_manifests(tmp_path):
    (tmp_path / "pool.yaml").write_text(POOL)
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.j2")
    os.mkfifo(tmp_path / ".l2opsignore")
    found = read([str(tmp_path)], None, yaml)
    assert [one["metadata"]["name"] for one in found.clusters[0].objects] == ["a"]
    assert {Path(one.path).name: one.reason for one in found.left_out}["pipe.yaml"] == "not a regular file"
    for name in ("pipe.yaml", "zero.yaml"):
        with pytest.raises(ManifestError, match="not a regular file"):
            read([str(tmp_path / name)], None, yaml)


def test_a_patch_that_is_a_pipe_is_no_patch(tmp_path):
    (tmp_path / "pool.yaml").write_text(POOL)
    os.mkfifo(tmp_path / "patch")
    (tmp_path / "kustomization.yaml").write_text("resources: [pool.yaml]\npatches: [{path: patch}]\n")
    assert read([str(tmp_path)], None, yaml).clusters[0].objects


def test_a_manifest_is_not_larger_than_a_bound(tmp_path):
    (tmp_path / "large.yaml").write_bytes(b"#" * 8_000_001)
    with pytest.raises(ManifestError, match="more than 8 MB"):
        read([str(tmp_path / "large.yaml")], None, yaml)
