# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of the judging modules run, and return what RETURN says and nothing else."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.file import save
from ansible_collections.l2ops.metallb.plugins.modules import l2_diagnose, l2_info, l2_validate
from ansible_collections.l2ops.metallb.tests.unit.run_module import run
from ansible_collections.l2ops.metallb.tests.unit.served import served
from ansible_collections.l2ops.metallb.tests.unit.world import World, answer, wire

MODULES = {one.__name__.rpartition(".")[2]: one for one in (l2_diagnose, l2_info, l2_validate)}
# What Ansible itself documents for every module.
EVERYWHERE = {"changed", "failed", "msg", "warnings"}
# What a template in an example stands for.
KNOWN = {"wire": wire(answer("192.168.7.201", "cp-2"), answer("192.168.7.203", "cp-2"))}


def tasks(module):
    return [
        task
        for task in yaml.safe_load(module.EXAMPLES)
        if f"l2ops.metallb.{module.__name__.rpartition('.')[2]}" in task
    ]


CASES = [
    pytest.param(module, task, id=f"{name}-{task['name']}")
    for name, module in MODULES.items()
    for task in tasks(module)
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with what the examples name."""
    folder = tmp_path / "infrastructure" / "metallb" / "config"
    folder.mkdir(parents=True)
    (folder / "pool.yml").write_text(
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: main-pool}\n"
        "spec: {addresses: [192.168.7.200-192.168.7.250]}\n"
    )
    (folder / "advertisement.yml").write_text(
        "apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: l2-adv}\n"
        "spec: {ipAddressPools: [main-pool], interfaces: [eth0]}\n"
    )
    save(World().snapshot(), str(tmp_path / "cluster.json.gz"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arguments(task, module, home):
    given = dict(task[f"l2ops.metallb.{module.__name__.rpartition('.')[2]}"] or {})
    for name, one in given.items():
        if isinstance(one, str) and "{{" in one:
            given[name] = KNOWN[name]
    if "save_to" in given:
        given["save_to"] = str(home / "saved.json.gz")
    return given


@pytest.mark.parametrize(("module", "task"), CASES)
def test_example(module, task, home):
    with served(World()) as (_api, connection):
        result = run(module, **connection, **arguments(task, module, home))
    assert not result["failed"], result["msg"]
    documented = yaml.safe_load(module.RETURN)
    assert result.keys() <= documented.keys() | EVERYWHERE
    for name, spec in documented.items():
        if spec["returned"] in ("success", "unless nothing could be read", "always"):
            assert name in result, f"{name} is documented as returned: {spec['returned']}"
    _contains(result, documented)


def _contains(result, documented):
    """Keys of dictionaries, and of dictionaries in lists, are those that are documented."""
    for name, spec in documented.items():
        inner = spec.get("contains")
        if not inner or name not in result:
            continue
        for one in result[name] if isinstance(result[name], list) else [result[name]]:
            assert one.keys() <= inner.keys(), (
                f"{name}: {sorted(one.keys() - inner.keys())} is returned and not documented"
            )
            _contains(one, inner)


@pytest.mark.parametrize("name", MODULES)
def test_what_a_failure_returns_is_documented(name, home):
    module = MODULES[name]
    documented = yaml.safe_load(module.RETURN)
    result = run(module, host="http://127.0.0.1:9", api_key="token")
    assert result["failure_kind"] == "execution" and result.keys() <= documented.keys() | EVERYWHERE
    if name == "l2_info":
        return
    world = World()
    world.get("endpointslices", "my-nginx-abcde")["endpoints"] = []
    with served(world) as (_api, connection):
        result = run(module, settle=0, **connection)
    assert result["failure_kind"] == "findings" and result.keys() <= documented.keys() | EVERYWHERE
    _contains(result, documented)
