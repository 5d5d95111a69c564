# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster in which any one value is something else than anybody expects is judged, diagnosed and described without a traceback.

An API server lets little of that through; manifests and files that call themselves snapshots may hold anything.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._analysis.analysis import facts
from ansible_collections.l2ops.metallb.plugins.module_utils._diagnosis.diagnosis import diagnose_all
from ansible_collections.l2ops.metallb.plugins.module_utils._report import analysis, junit, markdown, sarif
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import evaluate
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.wire_facts import OptionError
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.slim import slim
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot, from_manifests
from ansible_collections.l2ops.metallb.tests.unit.world import HOME, World, answer, ports, wire

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "\u00fc\u0000\ud800",
    "192.168.7.1-192.168.7.9",
    [],
    [None],
    ["x"],
    [[]],
    [{}],
    {},
    {"x": None},
    {"": ""},
    [{"name": 1}],
)
OPTIONS = {
    "wire": wire(answer("192.168.7.201", "cp-2"), answer("192.168.7.203")),
    "ports": ports(("default/my-nginx", "192.168.7.201", 80, "refused")),
    "gateway": ["192.168.7.1"],
    "interfaces": {"cp-1": ["eth0"], "cp-2": [{"name": "eth0", "up": False}]},
}


def world() -> dict[str, list[Any]]:
    made = World()
    made.add_event("Service", "default/my-nginx", "announceFailed", "no interface")
    made.add_advertisement(
        "more", nodeSelectors=[{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
    )
    made.add_pool("more", "192.168.7.190/32", serviceAllocation={"namespaces": ["a"], "serviceSelectors": [{}]})
    made.add_service("default/local", "192.168.7.202", externalTrafficPolicy="Local")
    return {plural: list(found) for plural, found in made.snapshot().objects.items()}


WORLD = world()


def paths(value: Any, above: tuple = ()) -> list[tuple]:
    """Every place within."""
    found = [above] if above else []
    if isinstance(value, dict):
        found += [path for key in value for path in paths(value[key], (*above, key))]
    elif isinstance(value, list):
        found += [path for place in range(len(value)) for path in paths(value[place], (*above, place))]
    return found


# The first of each kind is enough: the others have the same fields.
PLACES = [
    (plural, *path)
    for plural, found in WORLD.items()
    for number in range(len(found))
    if number in (0, len(found) - 1)
    for path in paths(found[number], (number,))
]


def changed(places: list[tuple[tuple, Any]]) -> dict[str, list[Any]]:
    objects = copy.deepcopy(WORLD)
    for (plural, *path), odd in places:
        at: Any = objects[plural]
        try:
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = odd
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change has taken it away
    # loads lets nothing else through
    return {plural: [one for one in found if isinstance(one, dict)] for plural, found in objects.items()}


def look_at(snapshot: Snapshot) -> None:
    context = Context(snapshot, Options.make(**OPTIONS))
    verdict = evaluate(snapshot, context=context)
    diagnoses = diagnose_all(context, verdict)
    result = {**verdict.as_result(), "diagnoses": [one.as_result() for one in diagnoses], "verdict": verdict.headline()}
    json.dumps([result, facts(snapshot)])
    for render in (analysis.text, markdown.markdown, junit.junit, sarif.sarif):
        render(result)


def test_every_place_with_every_oddity():
    """One after the other, each place gets an oddity of its own; all places are seen, all oddities many times."""
    for number, place in enumerate(PLACES):
        look_at(Snapshot.from_objects(changed([(place, ODD[number % len(ODD)])]), namespace=HOME, taken=1.0))


@hypothesis.settings(derandomize=True, deadline=None, max_examples=60)
@hypothesis.given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(ODD)), min_size=1, max_size=12))
def test_several_oddities_at_once(places):
    objects = changed(places)
    look_at(Snapshot.from_objects(objects, taken=1.0))
    # and as gather and save see them
    look_at(
        Snapshot.from_objects(
            {plural: [slim(plural, one) for one in found] for plural, found in objects.items()}, taken=1.0
        )
    )


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_odd_results_of_probes_and_odd_facts(name):
    """Refused with the option's name, or taken for what can be made of them."""
    snapshot = Snapshot.from_objects(WORLD, taken=1.0)
    for number, path in enumerate(paths(OPTIONS[name])):
        for odd in (ODD[number % len(ODD)], ODD[(number + 7) % len(ODD)]):
            given = copy.deepcopy(OPTIONS[name])
            at = given
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = odd
            try:
                options = Options.make(**{**OPTIONS, name: given})
            except OptionError as refusal:
                assert str(refusal).startswith(f"{name}: ")
                continue
            context = Context(snapshot, options)
            json.dumps([one.as_result() for one in diagnose_all(context, evaluate(snapshot, context=context))])


KINDS = ("ipaddresspools", "l2advertisements", "services")


@hypothesis.settings(derandomize=True, deadline=None, max_examples=40)
@hypothesis.given(
    st.lists(
        st.tuples(st.sampled_from([place for place in PLACES if place[0] in KINDS]), st.sampled_from(ODD)), max_size=6
    )
)
def test_oddities_in_manifests(places):
    objects = changed(places)
    given = [
        one
        for kind in KINDS
        for one in objects[kind]
        # what _manifests refuses itself
        if isinstance(one.get("metadata"), dict) and one["metadata"].get("name") and isinstance(one.get("spec"), dict)
    ]
    look_at(from_manifests(given))
    look_at(Snapshot.from_objects(WORLD, taken=1.0).overlay(given))
