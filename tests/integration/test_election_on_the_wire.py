# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The election is MetalLB's: for dozens of services the predicted node is the one whose MAC answers on the LAN, every time.

Services of both policies, on pods of one, two and all nodes, sharing addresses, advertised from all nodes or from labelled ones;
IPv6 and dual stack where the lab has it. Judged after every change of what the election looks at.
"""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest
from ansible_collections.l2ops.metallb.tests.integration.live import EXCLUDE, advertisement, pool, service, wait
from l2lab.cluster import kubectl, kubectl_json

pytestmark = pytest.mark.usefixtures("brisk")

ZONE = "l2ops.lab/zone"
NAME = "election"


def pinned(name: str, address: str, app: str, **more):
    made = service(f"{NAME}-{name}", address, app=app, **more)
    made["metadata"]["labels"][NAME] = "yes"
    return made


def services(live):
    """About sixty, with as many addresses asked for by name."""
    # How many nodes have a pod, by app.
    apps = {f"{NAME}-one": [live.nodes[-1]], f"{NAME}-two": live.nodes[-2:], f"{NAME}-all": live.nodes}
    made = []
    numbers = iter(range(100, 200))
    for place in range(18):
        made.append(pinned(f"cluster-{place}", live.address(next(numbers)), list(apps)[place % 3]))
    for place in range(18):
        address = live.address(next(numbers))
        made.append(pinned(f"local-{place}", address, list(apps)[place % 3], externalTrafficPolicy="Local"))
    for place in range(6):
        key = {"metallb.io/allow-shared-ip": f"pair-{place}"}
        address = live.address(next(numbers))
        for port in (80, 8080):
            ports = [{"name": "web", "port": port, "targetPort": 80}]
            made.append(pinned(f"shared-{place}-{port}", address, f"{NAME}-all", annotations=dict(key), ports=ports))
    for place in range(12):
        # In the pool that labelled nodes advertise.
        address = live.address(180 + place)
        local = {"externalTrafficPolicy": "Local"} if place % 3 == 0 else {}
        made.append(pinned(f"zone-{place}", address, f"{NAME}-all", **local))
    if live.settings.dual_stack:
        for place in range(12):
            six = live.settings.host6(0x1000 + place)
            if place % 2:
                family = {"ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack"}
                made.append(pinned(f"six-{place}", six, list(apps)[place % 3], **family))
            else:
                both = f"{live.address(next(numbers))},{six}"
                family = {
                    "ipFamilies": [["IPv4", "IPv6"], ["IPv6", "IPv4"]][place // 2 % 2],
                    "ipFamilyPolicy": "RequireDualStack",
                }
                local = {"externalTrafficPolicy": "Local"} if place % 4 == 0 else {}
                made.append(pinned(f"dual-{place}", both, f"{NAME}-two", **family, **local))
    return apps, made


@pytest.fixture(scope="module")
def many(live):
    live.healthy()
    apps, made = services(live)
    ranges = [f"{live.address(100)}-{live.address(179)}"]
    if live.settings.dual_stack:
        ranges.append(f"{live.settings.host6(0x1000)}-{live.settings.host6(0x10FF)}")
    labelled = {"matchLabels": {ZONE: "a"}}
    with ExitStack() as stack:
        stack.enter_context(live.labelled([live.nodes[0], live.nodes[-1]], f"{ZONE}=a"))
        for app, nodes in apps.items():
            stack.enter_context(live.pod_on(app, *nodes))
        stack.enter_context(
            live.applied(
                pool(NAME, *ranges),
                pool(f"{NAME}-zone", f"{live.address(180)}-{live.address(199)}"),
                advertisement(NAME, NAME),
                advertisement(f"{NAME}-zone", f"{NAME}-zone", nodeSelectors=[labelled]),
            )
        )
        stack.enter_context(live.applied(*made))

        def given() -> bool:
            there = kubectl_json("-n", "default", "get", "services", "-l", f"{NAME}=yes")["items"]
            return len(there) == len(made) and all(one["status"]["loadBalancer"].get("ingress") for one in there)

        assert wait(given, 60), "not every service got its address"
        yield len(made)
    live.healthy()


def proven(live, least: int, silent: int = 0) -> dict[str, str]:
    """Who answers for each address, when it is whom the election names for every single one; who is nobody's, is silent."""
    answers: dict[str, str] = {}
    wrong: dict[str, str] = {}

    def equal() -> bool:
        info = live.info()
        mine = [one for one in info["services"] if NAME in one["name"]]
        predicted = {address: one["elected"] for one in mine for address in one["addresses"]}
        assert len(predicted) >= least
        heard = {
            one["address"]: sorted({a["node"] for a in one["answers"]})
            for one in live.probe(sorted(predicted))["targets"]
        }
        answers.clear()
        wrong.clear()
        for address, node in predicted.items():
            there = heard[address]
            answers[address] = node
            if there != ([node] if node else []):
                wrong[address] = f"elected {node or 'nobody'}, answered by {', '.join(there) or 'nobody'}"
        return not wrong

    # Who announced last may answer a moment longer; speakers that start all at once may miss each other, and try again after
    # a minute.
    assert wait(equal, 90, 1.0), f"{len(wrong)} of {len(answers)} addresses differ:\n" + json.dumps(wrong, indent=1)
    assert sum(1 for node in answers.values() if not node) >= silent
    return answers


def test_prediction_equals_the_node_that_answers(live, many, record_property):
    """All in one: each step keeps the services and changes what the election looks at."""
    least = 54
    compared = 0

    def step(silent: int = 0) -> dict[str, str]:
        nonlocal compared
        answers = proven(live, least, silent)
        compared += len(answers)
        return answers

    before = step()
    assert len(set(before.values())) == len(live.nodes), "every node wins something, or this proves little"

    # These speakers run with --ignore-exclude-lb: the label moves nothing.
    with live.labelled(live.nodes, f"{EXCLUDE}="):
        assert step() == before

    last = live.nodes[-1]
    with live.condition([last], "NetworkUnavailable"):
        assert last not in step(silent=1).values()
    assert step() == before

    with live.labelled([live.nodes[1]], f"{ZONE}=a"):
        assert step() != before

    # A cordoned node announces since 0.15.
    kubectl("cordon", last)
    try:
        assert step() == before
    finally:
        kubectl("uncordon", last)

    with live.without_speaker(last):
        assert last not in step(silent=1).values()
    assert step() == before
    record_property("compared", compared)


def test_speakers_that_heed_the_label(live, many):
    with live.bare_speakers(memberlist=True):
        before = proven(live, 54)
        with live.labelled([live.nodes[-1]], f"{EXCLUDE}="):
            assert live.nodes[-1] not in proven(live, 54, silent=1).values()
        assert proven(live, 54) == before
