# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records out of raw objects: what they read, and that nothing malformed makes them fail."""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._model.nodes import Node, Taint
from ansible_collections.l2ops.metallb.plugins.module_utils._model.objects import (
    Advertisement,
    BgpAdvertisement,
    ConfigState,
    L2Status,
    Pool,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import seconds_of, shorten
from ansible_collections.l2ops.metallb.plugins.module_utils._model.selectors import LabelIndex, Selector
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import EndpointSlice, Event, Service
from ansible_collections.l2ops.metallb.plugins.module_utils._model.workloads import (
    Container,
    Pod,
    Workload,
    component_of,
)
from hypothesis import given
from hypothesis import strategies as st

# -- nothing malformed fails ------------------------------------------------------------------------------------------

FIELDS = [
    "metadata",
    "spec",
    "status",
    "labels",
    "annotations",
    "name",
    "namespace",
    "addresses",
    "address",
    "conditions",
    "type",
    "endpoints",
    "nodeName",
    "ready",
    "serving",
    "terminating",
    "template",
    "containers",
    "env",
    "args",
    "image",
    "tolerations",
    "taints",
    "key",
    "value",
    "effect",
    "operator",
    "values",
    "matchLabels",
    "matchExpressions",
    "ipAddressPools",
    "nodeSelectors",
    "interfaces",
    "serviceSelectors",
    "serviceAllocation",
    "namespaces",
    "priority",
    "ports",
    "port",
    "loadBalancer",
    "ingress",
    "ip",
    "clusterIPs",
    "ipFamilies",
    "involvedObject",
    "series",
    "lastTimestamp",
    "managedFields",
    "time",
    "volumes",
    "secret",
]
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=25,
)
objects = st.dictionaries(st.sampled_from(FIELDS), junk, max_size=6)


@given(objects)
def test_no_object_makes_a_record_fail(obj):
    for record in (
        Node,
        Pod,
        Pool,
        Advertisement,
        BgpAdvertisement,
        L2Status,
        ConfigState,
        Service,
        EndpointSlice,
        Event,
    ):
        record.from_object(obj)
    for kind in ("DaemonSet", "Deployment"):
        Workload.from_object(obj, kind)
    Container.from_object(obj)
    Service.from_object(obj).wanted_addresses()


# -- selectors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "b", "operator": "Exists"}, False),
        ({"key": "b", "operator": "DoesNotExist"}, True),
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, True),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, False),
        ({"key": "b", "operator": "NotIn", "values": ["1"]}, True),
        ({"key": "a", "operator": "Nonsense"}, False),
        ({"key": "a", "operator": "In"}, False),
        ({"key": "a", "operator": "Exists", "values": ["1"]}, False),
        ({"operator": "Exists"}, False),
    ],
)
def test_match_expressions(expression, result):
    assert Selector.from_object({"matchExpressions": [expression]}).matches({"a": "1"}) is result


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "a=b",
        {"app": "web"},
        {"matchLabels": ["a"]},
        {"matchLabels": {"a": 1}},
        {"matchExpressions": {"key": "a"}},
    ],
)
def test_an_unreadable_selector_chooses_nothing_and_says_why(raw):
    selector = Selector.from_object(raw)
    assert selector.error
    assert not selector.matches({}) and not selector.matches({"a": "1"})


def test_an_empty_selector_chooses_everything():
    assert Selector.from_object({}).matches({}) and str(Selector.from_object({})) == "everything"


labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from("123"), max_size=3)
expressions = st.fixed_dictionaries(
    {"key": st.sampled_from("abcd"), "operator": st.sampled_from(["In", "NotIn"])},
    optional={"values": st.lists(st.sampled_from("123"), min_size=1, max_size=2, unique=True)},
) | st.fixed_dictionaries({"key": st.sampled_from("abcd"), "operator": st.sampled_from(["Exists", "DoesNotExist"])})


@given(
    st.dictionaries(st.sampled_from(["n1", "n2", "n3", "n4"]), labels, max_size=4),
    st.lists(
        st.fixed_dictionaries(
            {}, optional={"matchLabels": labels, "matchExpressions": st.lists(expressions, max_size=2)}
        ),
        max_size=3,
    ),
)
def test_the_index_chooses_what_asking_each_would(nodes, raw):
    selectors = [Selector.from_object(one) for one in raw]
    index = LabelIndex(nodes.items())
    for selector in selectors:
        assert index.select(selector) == {name for name, there in nodes.items() if selector.matches(there)}
    assert index.any_of(selectors) == {
        name for name, there in nodes.items() if any(selector.matches(there) for selector in selectors)
    }


# -- single fields ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("2026-11-23T21:39:17Z", 1795469957.0),
        ("1970-01-01T00:00:10.250000Z", 10.25),
        ("", 0.0),
        (None, 0.0),
        (17, 0.0),
        ("2026-11-23T21:39:17+01:00", 0.0),
        ("2026-aa-23T21:39:17Z", 0.0),
    ],
)
def test_time(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--ignore-exclude-lb"], "true"),
        (["--ignore-exclude-lb=false"], "false"),
        (["--ignore-exclude-lb", "--port=1"], "true"),
        (["-ignore-exclude-lb=true"], "true"),
        (["--ignore-exclude-lb-not"], None),
        ([], None),
    ],
)
def test_flags_as_go_reads_them(args, said):
    assert Container.from_object({"args": args}).flag("ignore-exclude-lb") == said


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("quay.io/metallb/speaker:v0.15.3", "0.15.3"),
        ("registry:5000/metallb/speaker:v0.16.1@sha256:0123", "0.16.1"),
        ("registry:5000/metallb/speaker", ""),
        ("speaker:main", "main"),
        ("", ""),
    ],
)
def test_version_of_an_image(image, version):
    assert Container.from_object({"image": image}).version == version


@pytest.mark.parametrize(
    ("given_labels", "component"),
    [
        ({"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}, "speaker"),
        ({"app": "metallb", "component": "controller"}, "controller"),
        ({"app": "metallb", "component": "frr-k8s"}, ""),
        ({"app": "other", "component": "speaker"}, ""),
        ({"component": "speaker"}, ""),
    ],
)
def test_components_by_labels_of_helm_and_of_the_manifests(given_labels, component):
    assert component_of(given_labels) == component


@pytest.mark.parametrize(
    ("tolerations", "tolerated"),
    [
        ([], False),
        ([{"operator": "Exists"}], True),
        ([{"key": "a", "operator": "Exists"}], True),
        ([{"key": "a", "operator": "Exists", "effect": "NoExecute"}], False),
        ([{"key": "a", "value": "x", "effect": "NoSchedule"}], True),
        ([{"key": "a", "value": "y"}], False),
        ([{"key": "b", "operator": "Exists"}], False),
    ],
)
def test_tolerations(tolerations, tolerated):
    obj = {"spec": {"template": {"spec": {"tolerations": tolerations}}}}
    workload = Workload.from_object(obj, "DaemonSet")
    assert workload.tolerates(Taint("a", "x", "NoSchedule")) is tolerated
    assert workload.tolerates(Taint("a", "x", "PreferNoSchedule"))
    assert workload.tolerates(Taint("node.kubernetes.io/not-ready", "", "NoExecute")), "every DaemonSet's pods do"


def service(annotations=None, **spec):
    return Service.from_object({"metadata": {"name": "web", "annotations": annotations or {}}, "spec": spec})


NEW, OLD = "metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"


@pytest.mark.parametrize(
    ("annotations", "spec", "addresses", "wrong"),
    [
        ({}, {}, 0, ""),
        ({NEW: "10.0.0.1"}, {}, 1, ""),
        ({OLD: "10.0.0.1"}, {}, 1, ""),
        ({}, {"loadBalancerIP": "10.0.0.1"}, 1, ""),
        ({NEW: "10.0.0.1, fd00::1"}, {}, 2, ""),
        ({NEW: "10.0.0.1"}, {"loadBalancerIP": "10.0.0.2"}, 0, "twice"),
        ({NEW: "10.0.0.1,10.0.0.2"}, {}, 0, "same family"),
        ({NEW: "10.0.0.1,fd00::1,fd00::2"}, {}, 0, "more than two"),
        ({NEW: "web.example"}, {}, 0, "is no address"),
        ({NEW: "10.0.0.1,"}, {}, 0, "an empty entry"),
        # the new prefix wins, even with an empty text
        ({NEW: "", OLD: "10.0.0.1"}, {}, 0, ""),
    ],
)
def test_what_a_service_asks_for(annotations, spec, addresses, wrong):
    found, why = service(annotations, **spec).wanted_addresses()
    assert len(found) == addresses
    assert wrong in why and bool(why) == bool(wrong)


def test_a_broken_pool_keeps_what_can_be_read():
    pool = Pool.from_object(
        {"metadata": {"name": "p"}, "spec": {"addresses": ["10.0.0.1-10.0.0.5", "nonsense", None], "adresses": []}}
    )
    assert [text for text, _span, _why in pool.ranges] == ["10.0.0.1-10.0.0.5", "nonsense", ""]
    assert len(pool.spans) == 1 and pool.ranges[1][2]
    assert pool.unknown_fields == ("spec.adresses",)


def test_when_an_advertisement_was_changed():
    metadata = {"creationTimestamp": "1970-01-01T00:00:10Z"}
    assert Advertisement.from_object({"metadata": metadata}).changed == 10
    metadata["managedFields"] = [{"time": "1970-01-01T00:00:30Z"}, {"time": "1970-01-01T00:00:20Z"}, {}]
    assert Advertisement.from_object({"metadata": metadata}).changed == 30


def test_quotes_are_short_and_of_one_line():
    assert shorten("a\n  b") == "a b"
    assert len(shorten("x" * 1000)) == 300 and shorten("x" * 1000).endswith("…")
