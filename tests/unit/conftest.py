# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes ``ansible_collections.l2ops.metallb`` importable in a plain ``pytest``, without PYTHONPATH and before any tool ran."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _tree() -> Path:
    """The folder that holds ansible_collections: the one that this file lies in, or the checkout's own."""
    if ROOT.parts[-3:] == ("ansible_collections", "l2ops", "metallb"):
        return ROOT.parents[2]
    sys.path.insert(0, str(ROOT / "tests" / "tools" / "lib"))
    from l2tools import tree

    tree.link()
    return tree.TREE


# Whoever sourced .lab/env.sh shall get the same results: no unit test may see a real cluster. Here and not in a fixture, since
# the client of Kubernetes reads KUBECONFIG when it is imported.
for _name in [one for one in os.environ if one.startswith("K8S_AUTH_") or one == "KUBECONFIG"]:
    del os.environ[_name]

TREE = _tree()
if str(TREE) not in sys.path:
    sys.path.insert(0, str(TREE))


def pytest_report_header() -> str:
    core = TREE / "ansible_collections" / "kubernetes" / "core"
    if core.is_dir():
        return f"collections: {TREE}"
    return f"collections: {TREE}, without kubernetes.core: make it with `python3 tests/tools/collection_tree.py`"


# The slowest files: each test runs ansible-playbook, or looks at thousands of clusters.
PLAYBOOKS = ("test_secrets", "test_install_role", "test_nodes_role", "test_reporting_playbooks")
FIRST = (*PLAYBOOKS, "test_odd_objects")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones begin first: several workers then end together."""
    for item in items:
        if item.path.stem in PLAYBOOKS:
            item.add_marker("playbook")
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT
