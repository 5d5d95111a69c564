# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record snapshots of the lab, healthy and broken, into tests/unit/fixtures/recorded: `make record` runs this for every version.

What validate and diagnose make of them is kept beside them: tests/unit/plugins/modules/test_recorded.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".lab" / "collections"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from ansible_collections.l2ops.metallb.tests.integration.live import EXCLUDE, Live, service, wait
from l2lab.cluster import kubectl, kubectl_json
from l2lab.settings import KUBERNETES, ROOT
from l2lab.ui import say

FOLDER = ROOT / "tests" / "unit" / "fixtures" / "recorded"
INDEX = FOLDER / "index.json"
# MetalLB has nothing to say of what was broken this long ago that it has not said.
AT_MOST = 60.0
CASES = {}


def case(made):
    CASES[made.__name__.replace("_", "-")] = contextmanager(made)
    return made


def until(live: Live, code: str) -> None:
    """Wait until the collection itself sees the fault: a record of a cluster on its way there would be of use to nobody."""

    def seen() -> bool:
        return any(finding["code"] == code for finding in live.diagnose(settle=0)["findings"])

    assert wait(seen, AT_MOST), f"no {code} within {AT_MOST:.0f} s"


@case
def healthy(live: Live) -> Iterator[None]:
    """site.yml ran, and three services are announced"""
    yield


@case
def exclude_label(live: Live) -> Iterator[None]:
    """speakers that honor the exclude label, and the label on every node"""
    with live.bare_speakers(memberlist=True), live.labelled(live.nodes, f"{EXCLUDE}="):
        until(live, "MLB201")
        yield


@case
def no_endpoints(live: Live) -> Iterator[None]:
    """a service that has an address and no pod"""
    with live.applied(service("recorded", live.address(230), app="nothing")), live.given("default/recorded"):
        until(live, "MLB508")
        yield


@case
def pool_deleted(live: Live) -> Iterator[None]:
    """the pool of three services is deleted"""
    name = kubectl_json("-n", "metallb-system", "get", "ipaddresspools")["items"][0]["metadata"]["name"]
    with live.deleted("ipaddresspool", name):
        until(live, "MLB402")
        yield


@case
def no_such_interface(live: Live) -> Iterator[None]:
    """the L2Advertisement names an interface that no node has"""
    with live.patched("l2advertisement", "l2-adv", {"spec": {"interfaces": ["eth9"]}}):
        for node in live.nodes:
            live.drop_speaker(node)
        live.rolled_out()
        yield


@case
def no_node_selected(live: Live) -> Iterator[None]:
    """the L2Advertisement selects no node"""
    selectors = [{"matchLabels": {"l2ops.lab/none": "x"}}]
    with live.patched("l2advertisement", "l2-adv", {"spec": {"nodeSelectors": selectors}}):
        until(live, "MLB509")
        yield


@case
def address_outside_every_pool(live: Live) -> Iterator[None]:
    """a service asks for an address that no pool holds"""
    with live.applied(service("recorded", live.address(199))):

        def refused() -> bool:
            events = kubectl("-n", "default", "get", "events", "--field-selector=involvedObject.name=recorded")
            return "AllocationFailed" in events

        assert wait(refused, AT_MOST), "the controller did not refuse"
        yield


@case
def speaker_gone(live: Live) -> Iterator[None]:
    """a taint keeps the speaker off the last node"""
    with live.without_speaker(live.nodes[-1]):
        yield


def main() -> int:
    version = sys.argv[1]
    live = Live()
    FOLDER.mkdir(parents=True, exist_ok=True)
    index = json.loads(INDEX.read_text(encoding="utf-8")) if INDEX.exists() else {}
    for name, broken in CASES.items():
        live.healthy(60)
        with broken(live):
            file = f"{version.lstrip('v')}-{name}.json.gz"
            result = live.info(save_to=str(FOLDER / file))
            assert not result["failed"], result["msg"]
            assert result["metallb"]["version"] == version.lstrip("v"), result["metallb"]
        index[file] = {
            "metallb": version.lstrip("v"),
            "kubernetes": KUBERNETES.lstrip("v"),
            "state": (broken.__doc__ or "").strip(),
            "recorded_by": f"python3 tests/lab/metallb.py record {version}",
        }
        INDEX.write_text(json.dumps(index, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        (FOLDER / file).chmod(0o644)
        say(f"Recorded {file}: {index[file]['state']}")
    live.healthy(60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
