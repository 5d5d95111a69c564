# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who loses address or announcement, by hand and against an oracle that follows MetalLB's Go code, not our model."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._operations import guard
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.guard import judge
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

HOME = "metallb-system"
SPEAKER = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


def pool(name, *addresses, labels=None, **spec):
    metadata = {"name": name, "namespace": HOME, "labels": labels or {}}
    return {"kind": "IPAddressPool", "metadata": metadata, "spec": {"addresses": list(addresses), **spec}}


def advertisement(name="adv", **spec):
    return {"kind": "L2Advertisement", "metadata": {"name": name, "namespace": HOME}, "spec": spec}


def service(name, *addresses, namespace="default", labels=None, annotations=None, **spec):
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels or {},
            "annotations": annotations or {},
        },
        "spec": {"type": "LoadBalancer", **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}},
    }


def node(name, labels=None, unavailable=False):
    conditions = [{"type": "NetworkUnavailable", "status": "True"}] if unavailable else []
    return {"metadata": {"name": name, "labels": labels or {}}, "status": {"conditions": conditions}}


def speaker_pod(name):
    return {
        "metadata": {"name": f"speaker-{name}", "namespace": HOME, "labels": SPEAKER},
        "spec": {"nodeName": name},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def daemonset(version, *args):
    container = {
        "name": "speaker",
        "image": f"quay.io/metallb/speaker:{version}",
        "args": list(args),
        "env": [{"name": "METALLB_ML_BIND_ADDR", "valueFrom": {}}],
    }
    return {
        "metadata": {"name": "speaker", "namespace": HOME, "labels": SPEAKER},
        "spec": {"template": {"metadata": {"labels": SPEAKER}, "spec": {"containers": [container]}}},
    }


def endpoints(name, nodes, namespace="default"):
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "endpoints": [{"nodeName": one, "conditions": {"ready": True}} for one in nodes],
    }


def losses(before, after, services, unread=(), **kinds):
    """before and after are (pools, advertisements); the rest of the cluster is one node with a speaker."""
    objects = {
        "services": services,
        "nodes": [node("a", {"zone": "1"}), node("b", {"zone": "2"})],
        "namespaces": [{"metadata": {"name": "default"}}, {"metadata": {"name": "team", "labels": {"team": "yes"}}}],
        "daemonsets": [daemonset("v0.16.2")],
        "pods": [speaker_pod("a"), speaker_pod("b")],
        "endpointslices": [endpoints(one["metadata"]["name"], ["a"], one["metadata"]["namespace"]) for one in services],
        **kinds,
    }
    return judge(*(snapshot(objects, config, unread) for config in (before, after)))


def snapshot(objects, config, unread=()):
    pools, advertisements = config
    known = {plural: found for plural, found in objects.items() if plural not in unread}
    known.update(ipaddresspools=pools, l2advertisements=advertisements)
    return Snapshot.from_objects(known, dict.fromkeys(unread, "no"), HOME, taken=0)


ADV = [advertisement()]


def told(found):
    assert not found.unknown
    return [(one.name, one.address, one.loses, one.moves_to) for one in found.losses]


def test_addresses_that_no_pool_holds_any_more():
    before = [pool("a", "10.0.0.10-10.0.0.20"), pool("b", "10.0.0.21-10.0.0.30")]
    services = [
        service("kept", "10.0.0.10"),
        service("lost", "10.0.0.20"),
        {**service("cluster-ip", "10.0.0.19"), "spec": {"type": "ClusterIP"}},
        service("other-class", "10.0.0.18", loadBalancerClass="other"),
    ]
    after = [pool("a", "10.0.0.10-10.0.0.15"), pool("b", "10.0.0.21-10.0.0.30")]
    found = losses((before, ADV), (after, ADV), services)
    assert [one.as_result() for one in found.losses] == [
        {
            "namespace": "default",
            "name": "lost",
            "address": "10.0.0.20",
            "pool": "a",
            "moves_to": "",
            "loses": "address",
            "why": "no pool holds 10.0.0.20 any more",
        }
    ]
    after = [pool("a", "10.0.0.10-10.0.0.15"), pool("b", "10.0.0.16-10.0.0.30")]
    assert told(losses((before, ADV), (after, ADV), services)) == [("lost", "10.0.0.20", "address", "b")]
    assert [one[0] for one in told(losses((before, ADV), ([], ADV), services))] == ["kept", "lost"]
    after = [pool("a", "10.0.0.0-10.0.0.20")]
    assert told(losses((before, ADV), (after, ADV), services)) == []
    unread = losses((before, ADV), ([], ADV), services, unread=["daemonsets"])
    assert {one.name for one in unread.losses} == {"kept", "lost", "other-class"}, "its class cannot be seen"


@pytest.mark.parametrize("address", ["10.0.0.2", "::ffff:10.0.0.2", "::ffff:a00:2"])
@pytest.mark.parametrize("addresses", [["10.0.0.0/24"], ["::ffff:10.0.0.0-::ffff:10.0.0.9"], [" 10.0.0.2 - 10.0.0.2 "]])
def test_a_live_address_is_found_in_any_spelling_of_the_pool(addresses, address):
    """For a pool in IPv4-mapped addresses the guard found no service, and let it be taken away."""
    after = [pool("p", "192.168.99.0/30")]
    found = losses(([pool("p", *addresses)], ADV), (after, ADV), [service("s", address)])
    assert told(found) == [("s", "10.0.0.2", "address", "")]
    same = losses(([pool("p", *addresses)], ADV), ([pool("p", "10.0.0.0-10.0.0.9")], ADV), [service("s", address)])
    assert told(same) == []


def test_avoid_buggy_ips_takes_an_address_away():
    before, after = [pool("p", "10.0.0.0/24")], [pool("p", "10.0.0.0/24", avoidBuggyIPs=True)]
    found = losses((before, ADV), (after, ADV), [service("s", "10.0.0.255"), service("t", "10.0.0.254")])
    assert told(found) == [("s", "10.0.0.255", "address", "")]
    assert found.losses[0].why == "avoidBuggyIPs of pool p keeps back addresses that end in .0 or .255"
    assert told(losses((after, ADV), (before, ADV), [service("s", "10.0.0.255")])) == []


@pytest.mark.parametrize(
    "allocation, lost",
    [
        ({"namespaces": ["team"]}, ["s"]),
        ({"namespaces": ["team", "default"]}, []),
        ({"namespaceSelectors": [{"matchLabels": {"team": "yes"}}]}, ["s"]),
        ({"namespaceSelectors": [{"matchLabels": {"nobody": "x"}}]}, []),
        ({"serviceSelectors": [{"matchLabels": {"app": "other"}}]}, ["s", "t"]),
        ({"priority": 3}, []),
    ],
)
def test_a_service_that_the_pool_no_longer_admits_loses_its_address(allocation, lost):
    before, after = [pool("p", "10.0.0.0/24")], [pool("p", "10.0.0.0/24", serviceAllocation=allocation)]
    services = [service("s", "10.0.0.1"), service("t", "10.0.0.2", namespace="team")]
    found = losses((before, ADV), (after, ADV), services)
    assert [one[0] for one in told(found)] == lost
    assert all("serviceAllocation" in one.why for one in found.losses)


def test_namespaces_that_could_not_be_read_are_unknown_not_well():
    allocation = {"namespaceSelectors": [{"matchLabels": {"team": "yes"}}]}
    before, after = [pool("p", "10.0.0.0/24")], [pool("p", "10.0.0.0/24", serviceAllocation=allocation)]
    found = losses((before, ADV), (after, ADV), [service("s", "10.0.0.1")], unread=["namespaces"])
    assert found.unknown == {"namespaces": ("default/s",)} and not found.losses
    grown = [pool("p", "10.0.0.0/23", serviceAllocation=allocation)]
    found = losses((after, ADV), (grown, ADV), [service("s", "10.0.0.1")], unread=["namespaces"])
    assert not found.unknown and not found.losses, "nothing that rests on namespaces changes"


def test_both_addresses_go_when_one_does():
    before, after = [pool("p", "10.0.0.0/24", "fd00::/120")], [pool("p", "10.0.0.0/24")]
    found = losses((before, ADV), (after, ADV), [service("s", "10.0.0.1", "fd00::1")])
    assert told(found) == [("s", "10.0.0.1", "address", ""), ("s", "fd00::1", "address", "")]
    assert "one pool" in found.losses[0].why and "fd00::1" in found.losses[0].why


@pytest.mark.parametrize(
    "advertisements, pools, said",
    [
        ([], None, "no L2Advertisement applies to pool p any more (adv did)"),
        ([advertisement(ipAddressPools=["q"])], None, "no L2Advertisement applies"),
        ([advertisement(ipAddressPoolSelectors=[{"matchLabels": {"x": "y"}}])], None, "no L2Advertisement applies"),
        (
            [advertisement(serviceSelectors=[{"matchLabels": {"app": "z"}}])],
            None,
            "serviceSelectors of adv do not match",
        ),
        ([advertisement(nodeSelectors=[{"matchLabels": {"zone": "9"}}])], None, "adv selects no node"),
        ([advertisement(nodeSelectors=[{"matchLabels": {"zone": "2"}}])], None, "externalTrafficPolicy Local"),
        ([advertisement(nodeSelectors=[{"matchLabels": {"zone": "3"}}])], None, "c runs no speaker"),
        ([advertisement(interfaces=["eth7"])], None, ""),
        ([advertisement("other")], None, ""),
    ],
)
def test_announcements_that_end(advertisements, pools, said):
    before = [pool("p", "10.0.0.0/24")]
    found = losses(
        (before, ADV),
        (pools or before, advertisements),
        [service("s", "10.0.0.1", externalTrafficPolicy="Local")],
        nodes=[node("a", {"zone": "1"}), node("b", {"zone": "2"}), node("c", {"zone": "3"})],
    )
    assert told(found) == ([("s", "10.0.0.1", "announcement", "")] if said else [])
    assert all(said in one.why for one in found.losses)


def test_a_label_of_a_pool_is_what_an_advertisement_selects():
    adv = [advertisement(ipAddressPoolSelectors=[{"matchLabels": {"tier": "x"}}])]
    before, after = [pool("p", "10.0.0.0/24", labels={"tier": "x"})], [pool("p", "10.0.0.0/24", labels={"tier": "y"})]
    assert told(losses((before, adv), (after, adv), [service("s", "10.0.0.1")])) == [
        ("s", "10.0.0.1", "announcement", "")
    ]


def test_what_is_down_already_and_stays_so_is_no_loss_but_its_last_advertisement_is():
    before = [pool("p", "10.0.0.0/24")]
    down = {"endpointslices": [], "pods": []}
    narrower = [advertisement(nodeSelectors=[{"matchLabels": {"zone": "2"}}])]
    assert told(losses((before, ADV), (before, narrower), [service("s", "10.0.0.1")], **down)) == []
    assert len(told(losses((before, ADV), (before, []), [service("s", "10.0.0.1")], **down))) == 1
    assert told(losses((before, []), (before, []), [service("s", "10.0.0.1")], **down)) == []


@pytest.mark.parametrize("unread", ["nodes", "pods", "daemonsets", "endpointslices"])
def test_fewer_nodes_rest_on_what_runs_there(unread):
    before = [pool("p", "10.0.0.0/24")]
    narrower = [advertisement(nodeSelectors=[{"matchLabels": {"zone": "1"}}])]
    services = [service("s", "10.0.0.1", externalTrafficPolicy="Local")]
    assert told(losses((before, ADV), (before, narrower), services)) == []
    found = losses((before, ADV), (before, narrower), services, unread=[unread])
    assert found.unknown == {unread: ("default/s",)}
    wider = losses((before, narrower), (before, ADV), services, unread=[unread])
    assert not wider.unknown and not wider.losses


def test_a_service_that_the_pool_did_not_admit_before_loses_nothing_by_the_change():
    other, third = ({"namespaces": [name]} for name in ("team", "third"))
    before, after = (pool("p", "10.0.0.0/24", serviceAllocation=one) for one in (other, third))
    assert told(losses(([before], ADV), ([after], ADV), [service("s", "10.0.0.1")])) == []


def test_one_selector_of_several_is_enough_and_a_named_namespace_needs_no_labels():
    either = {"serviceSelectors": [{"matchLabels": {"app": "x"}}, {"matchLabels": {"app": "y"}}]}
    named = {"namespaces": ["default"], "namespaceSelectors": [{"matchLabels": {"team": "yes"}}]}
    services = [service("s", "10.0.0.1", labels={"app": "y"})]
    for allocation in (either, named):
        before, after = [pool("p", "10.0.0.0/24")], [pool("p", "10.0.0.0/24", serviceAllocation=allocation)]
        assert told(losses((before, ADV), (after, ADV), services, unread=["namespaces"])) == []


def test_sharing_an_address_and_service_selectors():
    """MetalLB 0.16.2 announces no such Service; which version runs is in the DaemonSet."""
    before = [pool("p", "10.0.0.0/24")]
    selecting = [advertisement(serviceSelectors=[{}])]
    services = [service("s", "10.0.0.1", annotations={"metallb.io/allow-shared-ip": "k"})]
    found = losses((before, ADV), (before, selecting), services)
    assert told(found) == [("s", "10.0.0.1", "announcement", "")] and "allow-shared-ip" in found.losses[0].why
    older = [daemonset("v0.16.1")]
    assert told(losses((before, ADV), (before, selecting), services, daemonsets=older)) == []
    unread = losses((before, ADV), (before, selecting), services, unread=["daemonsets"])
    assert unread.unknown == {"daemonsets": ("default/s",)}
    same = losses((before, selecting), (before, selecting), services, unread=["daemonsets"])
    assert not same.unknown, "it is so already"


def test_a_node_that_the_label_excludes_today_may_be_the_one_that_announces():
    """Whether speakers ignore the label is in the DaemonSet: unread, the only living speaker could be on that node."""
    nodes = [node("a", {"zone": "1", EXCLUDE: ""}), node("b", {"zone": "2"})]
    narrower = [advertisement(nodeSelectors=[{"matchLabels": {"zone": "2"}}])]
    before = [pool("p", "10.0.0.0/24")]
    found = losses((before, ADV), (before, narrower), [service("s", "10.0.0.1")], ["daemonsets", "pods"], nodes=nodes)
    assert found.unknown == {"daemonsets": ("default/s",), "pods": ("default/s",)}


def test_without_nodes_an_advertisement_for_all_nodes_is_enough():
    before = [pool("p", "10.0.0.0/24")]
    zone = {"nodeSelectors": [{"matchLabels": {"zone": "2"}}]}
    both = [advertisement("x", **zone), advertisement("y")]
    for advertisements, unknown in ((both, False), (both[:1], True)):
        found = losses((before, ADV), (before, advertisements), [service("s", "10.0.0.1")], unread=["nodes"])
        assert bool(found.unknown) is unknown and not found.losses


@pytest.mark.parametrize(
    "before, after, nothing",
    [
        (None, pool("p", "10.0.0.0/24"), True),
        (pool("p", "10.0.0.0/24"), None, False),
        (pool("p", "10.0.0.0/24"), pool("p", "10.0.0.0/25", "10.0.0.128-10.0.0.255", autoAssign=False), True),
        (pool("p", "10.0.0.0/24"), pool("p", "10.0.0.0/25"), False),
        (pool("p", "10.0.0.0/24"), pool("p", "10.0.0.0/24", avoidBuggyIPs=True), False),
        (pool("p", "10.0.0.0/24", avoidBuggyIPs=True), pool("p", "10.0.0.0/24"), True),
        (pool("p", "10.0.0.0/24"), pool("p", "10.0.0.0/24", serviceAllocation={"namespaces": ["x"]}), False),
        (pool("p", "10.0.0.0/24", labels={"a": "b"}), pool("p", "10.0.0.0/24"), False),
        (pool("p", "10.0.0.0/24"), pool("p", "10.0.0.0/24", labels={"app.kubernetes.io/managed-by": "x"}), True),
    ],
)
def test_changes_for_which_no_service_need_be_known(before, after, nothing):
    assert guard.takes_nothing_away("ipaddresspools", before, after) is nothing


def test_changes_of_advertisements_for_which_no_service_need_be_known():
    one, other = advertisement(), advertisement(interfaces=["eth0"])
    selecting = advertisement(serviceSelectors=[{}])
    found = [
        guard.takes_nothing_away("l2advertisements", *pair)
        for pair in ((None, one), (one, one), (one, other), (one, None), (None, selecting))
    ]
    assert found == [True, True, False, False, False]


# -- the oracle -------------------------------------------------------------------------------------------------------
# MetalLB v0.15.3 and v0.16.2, function by function, on raw objects: it shares no code with the guard.


def selector_matches(selector, labels):
    return all(labels.get(key) == text for key, text in selector.get("matchLabels", {}).items())


def holds(one, text):
    number = ipaddress.ip_address(text)
    for written in one["spec"]["addresses"]:
        low, high = map(ipaddress.ip_address, written.split("-"))
        if low.version == number.version and low <= number <= high:
            return True
    return False


def pool_for(pools, ips):
    """internal/allocator/allocator.go poolFor."""
    for one in pools:
        count = 0
        for ip in ips:
            if one["spec"].get("avoidBuggyIPs") and "." in ip and ip.rsplit(".", 1)[1] in ("0", "255"):
                continue
            count += holds(one, ip)
        if count == len(ips):
            return one
    return None


def compatible(one, svc, namespaces):
    """internal/config/config.go addressPoolServiceAllocationsFromCR, internal/allocator isPoolCompatibleWithService."""
    to = one["spec"].get("serviceAllocation")
    if to is None:
        return True
    names = set(to.get("namespaces", []))
    for selector in to.get("namespaceSelectors", []):
        names |= {ns["metadata"]["name"] for ns in namespaces if selector_matches(selector, ns["metadata"]["labels"])}
    if names and svc["metadata"]["namespace"] not in names:
        return False
    selectors = to.get("serviceSelectors", [])
    return not selectors or any(selector_matches(one, svc["metadata"]["labels"]) for one in selectors)


def addresses_of(svc):
    return [one["ip"] for one in svc["status"]["loadBalancer"]["ingress"]]


def assigned(world, config, svc):
    """The pool from which Assign lets it keep its addresses."""
    found = pool_for(config[0], addresses_of(svc))
    return found if found is not None and compatible(found, svc, world["namespaces"]) else None


def announced(world, config, svc):
    """Whether ShouldAnnounce is true on some node."""
    active = [one for piece in world["endpointslices"] if piece["metadata"]["name"] == svc["metadata"]["name"]
              for one in piece["endpoints"]]  # fmt: skip
    if not active:
        return False
    found = assigned(world, config, svc)
    if found is None:
        return False
    effective = []
    for adv in config[1]:
        spec = adv["spec"]
        named, chosen = spec.get("ipAddressPools", []), spec.get("ipAddressPoolSelectors", [])
        if (
            (named or chosen)
            and found["metadata"]["name"] not in named
            and not any(selector_matches(one, found["metadata"]["labels"]) for one in chosen)
        ):
            continue
        wanted = spec.get("serviceSelectors", [])
        if wanted and not any(selector_matches(one, svc["metadata"]["labels"]) for one in wanted):
            continue
        effective.append(adv)
    if (
        world["version"] == "v0.16.2"
        and "metallb.io/allow-shared-ip" in svc["metadata"]["annotations"]
        and any(adv["spec"].get("serviceSelectors") for adv in effective)
    ):
        return False
    alive = {one["spec"]["nodeName"] for one in world["pods"]}
    available = set()
    for one in world["nodes"]:
        name, labels = one["metadata"]["name"], one["metadata"]["labels"]
        if name not in alive or one["status"]["conditions"]:
            continue
        if EXCLUDE in labels and not world["ignore"]:
            continue
        for adv in effective:
            chosen = adv["spec"].get("nodeSelectors", [])
            if not chosen or any(selector_matches(selector, labels) for selector in chosen):
                available.add(name)
    if svc["spec"].get("externalTrafficPolicy") == "Local":
        available &= {one["nodeName"] for one in active}
    return bool(available)


# Eight addresses around a border of .255 and .0, and four of IPv6.
SPACE = [str(ipaddress.ip_address("10.0.0.252") + n) for n in range(8)] + [f"fd00::{n}" for n in range(4)]
LABELS = st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=2)
SELECTORS = st.lists(
    st.fixed_dictionaries({"matchLabels": st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=1)}),
    max_size=2,
    unique_by=str,
)


def optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


ALLOCATIONS = optional(
    namespaces=st.lists(st.sampled_from(["n1", "n2"]), max_size=2, unique=True),
    namespaceSelectors=SELECTORS,
    serviceSelectors=SELECTORS,
)


@st.composite
def configurations(draw, version):
    # Each address belongs to one pool or none, as the webhook wants.
    homes = draw(st.lists(st.sampled_from(["p", "p", "q", ""]), min_size=len(SPACE), max_size=len(SPACE)))
    pools = []
    for name in ("p", "q"):
        held = [f"{text}-{text}" for text, home in zip(SPACE, homes) if home == name]
        if held:
            spec = draw(optional(avoidBuggyIPs=st.booleans(), autoAssign=st.booleans(), serviceAllocation=ALLOCATIONS))
            pools.append(pool(name, *held, labels=draw(LABELS), **spec))
    fields = {
        "ipAddressPools": st.lists(st.sampled_from("pqr"), max_size=2, unique=True),
        "ipAddressPoolSelectors": SELECTORS,
        "nodeSelectors": SELECTORS,
    }
    if version == "v0.16.2":
        fields["serviceSelectors"] = SELECTORS
    specs = draw(st.lists(optional(**fields), max_size=2))
    return pools, [advertisement(f"adv-{place}", **spec) for place, spec in enumerate(specs)]


@st.composite
def worlds(draw):
    version = draw(st.sampled_from(["v0.15.3", "v0.16.2"]))
    ignore = draw(st.booleans())
    nodes = []
    for name in ("a", "b", "c"):
        labels = {**draw(LABELS), **({EXCLUDE: ""} if draw(st.integers(0, 3)) == 0 else {})}
        nodes.append(node(name, labels, draw(st.integers(0, 4)) == 0))
    names = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True)
    services, slices = [], []
    for place in range(draw(st.integers(1, 4))):
        first = draw(st.sampled_from(SPACE[:8]))
        second = draw(st.sampled_from(["", "", *SPACE[8:]]))
        spec = draw(optional(externalTrafficPolicy=st.sampled_from(["Local", "Cluster"])))
        shared = {"metallb.io/allow-shared-ip": "k"} if draw(st.booleans()) else {}
        services.append(
            service(
                f"s{place}",
                *[text for text in (first, second) if text],
                namespace=draw(st.sampled_from(["n1", "n2"])),
                labels=draw(LABELS),
                annotations=shared,
                **spec,
            )
        )
        slices.append(endpoints(f"s{place}", draw(names), services[-1]["metadata"]["namespace"]))
    before, after = draw(configurations(version)), draw(configurations(version))
    # Half of the pairs differ in one kind only, or they would lose everything at once.
    same = draw(st.sampled_from(["", "", "pools", "advertisements"]))
    if same:
        after = (before[0], after[1]) if same == "pools" else (after[0], before[1])
    return {
        "version": version,
        "ignore": ignore,
        "nodes": nodes,
        "namespaces": [{"metadata": {"name": name, "labels": draw(LABELS)}} for name in ("n1", "n2")],
        "pods": [speaker_pod(name) for name in draw(names)],
        "daemonsets": [daemonset(version, *(["--ignore-exclude-lb"] if ignore else []))],
        "services": services,
        "endpointslices": slices,
    }, before, after  # fmt: skip


def expected_losses(world, before, after):
    """Service and what it loses, for those that MetalLB lets keep their addresses today."""
    found = {}
    for svc in world["services"]:
        held = assigned(world, before, svc)
        if held is None:
            continue
        kept = assigned(world, after, svc)
        if kept is None or kept["metadata"]["name"] != held["metadata"]["name"]:
            found[svc["metadata"]["name"]] = "address"
        elif announced(world, before, svc) and not announced(world, after, svc):
            found[svc["metadata"]["name"]] = "announcement"
    return found


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_whoever_loses_something_by_metallbs_code_is_listed_and_nobody_else(drawn):
    world, before, after = drawn
    expected = expected_losses(world, before, after)
    listed = {one.name: one.loses for one in judge(*(snapshot(world, one) for one in (before, after))).losses}
    for svc in world["services"]:
        name = svc["metadata"]["name"]
        if assigned(world, before, svc) is None:
            continue  # not live by MetalLB's rules; listed all the same where its address goes
        if name in expected or listed.get(name) == "address":
            assert listed.get(name) == expected.get(name), (name, before, after)
        elif name in listed:
            # Nobody announces it now; the change takes away what would bring it back.
            assert not announced(world, before, svc) and not announced(world, after, svc)


@settings(max_examples=150, deadline=None)
@given(worlds(), st.sets(st.sampled_from(guard.KINDS), min_size=1))
def test_without_a_kind_whoever_loses_something_is_listed_or_unknown(drawn, unread):
    world, before, after = drawn
    found = judge(*(snapshot(world, one, unread) for one in (before, after)))
    told = {one.name for one in found.losses} | {
        path.split("/")[1] for paths in found.unknown.values() for path in paths
    }
    assert set(expected_losses(world, before, after)) <= told
    assert set(found.unknown) <= set(unread)
