# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's own decisions: its shape from variables, what it refuses, and what it asks of the machine."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[1] / "lab"
if not LAB.is_dir():
    pytest.skip("tests/lab is not here", allow_module_level=True)
if str(LAB) not in sys.path:
    sys.path.insert(0, str(LAB))

from l2lab import build, cluster, host, metallb  # noqa: E402
from l2lab.settings import EXCLUDE_LABEL, METALLB, METALLB_VERSIONS, Settings  # noqa: E402
from l2lab.ui import LabError  # noqa: E402


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("WORKERS", "CONTROL_PLANES", "DUAL_STACK", "SUBNET", "IMAGES", "ENGINE", "INSTALL", "METALLB"):
        monkeypatch.delenv(f"LAB_{name}", raising=False)


def test_without_variables_it_is_the_source_documents_world():
    lab = Settings()
    assert lab.pool == ["192.168.7.200-192.168.7.250", "fd00:192:168:7::200-fd00:192:168:7::250"]
    assert {name: one["address"] for name, one in lab.services.items()} == {
        "traefik/traefik": "192.168.7.203",
        "default/my-nginx": "192.168.7.201",
        "default/nginx-lb-service": "192.168.7.200",
    }
    nodes = cluster.kind_config(lab, "image", pulled=False)["nodes"]
    assert [one["role"] for one in nodes] == ["control-plane", "worker", "worker", "worker"]
    assert all(one["labels"] == {EXCLUDE_LABEL: ""} for one in nodes[1:])


def test_everything_follows_the_subnet(monkeypatch):
    monkeypatch.setenv("LAB_SUBNET", "10.77.0.0/24")
    monkeypatch.setenv("LAB_CONTROL_PLANES", "3")
    lab = Settings()
    assert lab.pool == ["10.77.0.200-10.77.0.250", "fd00:10:77::200-fd00:10:77::250"]
    assert lab.services["traefik/traefik"]["address"] == "10.77.0.203"
    config = cluster.kind_config(lab, "image", pulled=False)
    assert config["networking"]["ipFamily"] == "dual"
    assert [one["role"] for one in config["nodes"]].count("control-plane") == 3


def test_a_lab_of_ipv4_only(monkeypatch):
    monkeypatch.setenv("LAB_DUAL_STACK", "0")
    lab = Settings()
    assert lab.pool == ["192.168.7.200-192.168.7.250"]
    assert cluster.kind_config(lab, "image", pulled=False)["networking"]["ipFamily"] == "ipv4"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("LAB_SUBNET", "192.168.7.0/26", "/16 to /24"),
        ("LAB_SUBNET", "8.8.8.0/24", "private"),
        ("LAB_SUBNET", "the lan", "no IPv4 network"),
        ("LAB_WORKERS", "many", "whole number"),
        ("LAB_WORKERS", "10", "from 0 to 9"),
        ("LAB_ENGINE", "lxc", "podman, docker"),
        ("LAB_METALLB", "0.16.2", "v0.15.3, v0.14.9, v0.16.1, v0.16.2"),
    ],
)
def test_nonsense_is_refused_with_what_would_do(monkeypatch, name, text, says):
    monkeypatch.setenv(name, text)
    with pytest.raises(LabError, match=says) as said:
        Settings()
    assert name in str(said.value)


def test_every_version_of_metallb_has_its_module_and_the_default_one_comes_last(monkeypatch):
    assert Settings().metallb == METALLB == metallb.versions([])[-1]
    assert sorted(metallb.versions([])) == sorted(METALLB_VERSIONS) == sorted({METALLB, *build.OTHER_METALLB})
    for version, module in build.OTHER_METALLB.items():
        assert f"go.universe.tf/metallb {version}" in (module.source / "go.mod").read_text(encoding="utf-8")
        assert all((module.source / ours).is_file() for _theirs, ours in module.overlay)
        assert module.target != build.BIN, "the default version's programs stay as they are"
    assert metallb.versions(["v0.15.3", "v0.14.9"]) == ["v0.14.9", "v0.15.3"]
    with pytest.raises(LabError, match=r"no MetalLB 0\.16\.2; it has v0\.14\.9"):
        metallb.versions(["0.16.2"])
    monkeypatch.setenv("LAB_METALLB", "v0.16.2")
    assert Settings().metallb == "v0.16.2" and Settings().shape() == Settings(metallb=METALLB).shape(), "the same lab"


@pytest.fixture
def limit(monkeypatch, tmp_path):
    """A kernel that allows so many inotify instances, 100 of which are taken."""
    file = tmp_path / "max_user_instances"
    monkeypatch.setattr(host, "INOTIFY", file)
    monkeypatch.setattr(host, "watchers_in_use", lambda: 100)
    return file


def test_the_kernel_is_left_alone_where_it_allows_enough(limit):
    limit.write_text("8192", encoding="ascii")
    host.allow_watchers(Settings())
    assert limit.read_text(encoding="ascii") == "8192"


def test_the_kernel_is_asked_for_more_and_the_user_is_told(limit, capsys):
    limit.write_text("128", encoding="ascii")
    host.allow_watchers(Settings())
    assert limit.read_text(encoding="ascii") == "1024"
    assert "fs.inotify.max_user_instances from 128 to 1024" in capsys.readouterr().out


def test_a_kernel_that_refuses_is_named_with_the_command(limit, monkeypatch):
    limit.write_text("128", encoding="ascii")

    def refuse(*_arguments, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(LabError, match=re.escape("sysctl -w fs.inotify.max_user_instances=1024")):
        host.allow_watchers(Settings())


def test_watchers_of_running_processes_are_counted(tmp_path):
    (tmp_path / str(os.getpid())).symlink_to("/proc/self")  # this process alone, for others come and go
    before = host.watchers_in_use(tmp_path)
    descriptor = ctypes.CDLL(None).inotify_init()
    try:
        assert host.watchers_in_use(tmp_path) == before + 1
        assert host.watchers_in_use() >= 1
    finally:
        os.close(descriptor)


def test_a_descriptor_that_is_gone_or_a_process_of_others_hides_no_watcher(tmp_path):
    """As in /proc: a listing shows the descriptor it was read by, which is closed before it can be asked."""
    for process, links in {"7": ("anon_inode:inotify", "socket:[1]"), "8": ("anon_inode:inotify",)}.items():
        (tmp_path / process / "fd").mkdir(parents=True)
        for number, link in enumerate(links):
            (tmp_path / process / "fd" / str(number)).symlink_to(link)
    (tmp_path / "7" / "fd" / "9").write_text("", encoding="ascii")  # no link: readlink fails
    (tmp_path / "9").mkdir()
    (tmp_path / "9" / "fd").symlink_to("nowhere")
    assert host.watchers_in_use(tmp_path) == 2
