# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Talos lab's own decisions, and that kind's lab keeps its hands off it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[1] / "lab"
if not LAB.is_dir():
    pytest.skip("tests/lab is not here", allow_module_level=True)
if str(LAB) not in sys.path:
    sys.path.insert(0, str(LAB))

from l2lab import talos  # noqa: E402
from l2lab.settings import Settings  # noqa: E402
from l2lab.ui import LabError  # noqa: E402


@pytest.fixture
def settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith("LAB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LAB_SUBNET", "192.168.17.0/24")
    monkeypatch.setenv("LAB_WORKERS", "1")
    monkeypatch.setenv("LAB_DUAL_STACK", "0")
    return Settings()


@pytest.mark.parametrize("verb", ["up", "down"])
def test_kinds_lab_refuses_the_name_of_the_talos_lab(verb):
    """Molecule's scenario default once made a kind cluster in place of the Talos nodes."""
    done = subprocess.run(
        [sys.executable, str(LAB / "lab.py"), verb],
        env={**os.environ, "LAB_CLUSTER": "talos"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "make lab-talos" in done.stdout + done.stderr


def test_nodes_have_fixed_addresses_of_the_subnet(settings):
    assert list(talos.addresses(settings).values()) == ["192.168.17.11", "192.168.17.12"]


def test_a_full_disk_of_this_machine_taints_no_node(settings):
    kubelet = talos.machine_patch(settings)["machine"]["kubelet"]["extraConfig"]
    assert set(kubelet["evictionHard"].values()) == {"0%"}
    assert kubelet["imageGCHighThresholdPercent"] == 100


def test_everything_is_pulled_from_the_registry_of_the_lab(settings):
    mirrors = talos.machine_patch(settings)["machine"]["registries"]["mirrors"]
    assert {end for one in mirrors.values() for end in one["endpoints"]} == {"http://192.168.17.61:5000"}


def test_a_tree_grows_files_and_folders_once(tmp_path):
    tree, whole = tmp_path / "tree.tar", tmp_path / "whole.tar"
    with tarfile.open(tree, "w") as tar:
        for name, data in (
            ("./etc/resolv.conf", b"of Debian"),
            ("./usr/lib/cni/ptp", b"plugin"),
            ("./etc/kept", b"kept"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    talos.grown_tree(tree, whole, {"etc/resolv.conf": b"", "usr/sbin/init": b"machined"})
    with tarfile.open(whole) as tar:
        names = [one.name for one in tar]
        assert len(names) == len(set(names))
        assert tar.getmember("./usr/sbin/init").mode == 0o755
        assert tar.getmember("./etc/resolv.conf").size == 0
        assert tar.getmember("./opt/cni/bin/ptp").size == len(b"plugin")
        assert "./system/state" in names
        assert "./etc/kept" in names


def test_a_damaged_archive_is_not_pushed(monkeypatch):
    registry = talos.Registry("192.0.2.1")
    monkeypatch.setattr(registry, "ask", lambda *_args, **_more: pytest.fail("it asked the registry"))
    with pytest.raises(LabError, match="damaged"):
        registry._push_blob("pause", "sha256:" + hashlib.sha256(b"other").hexdigest(), b"data")


def test_an_image_that_the_registry_has_is_not_pushed_again(tmp_path, monkeypatch):
    manifest = b'{"config": {}, "layers": []}'
    digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
    index = {
        "manifests": [
            {
                "digest": digest,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "annotations": {"org.opencontainers.image.ref.name": "registry.k8s.io/pause:3.10"},
            }
        ]
    }
    archive = tmp_path / "images.tar"
    with tarfile.open(archive, "w") as tar:
        for name, data in (("index.json", json.dumps(index).encode()), (f"blobs/{digest.replace(':', '/')}", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    asked = []

    def ask(method, path, *_more):
        asked.append((method, path))
        return 200, {"docker-content-digest": digest}

    registry = talos.Registry("192.0.2.1")
    monkeypatch.setattr(registry, "ask", ask)
    registry.push(archive)
    assert asked == [("HEAD", "/v2/pause/manifests/3.10")]
