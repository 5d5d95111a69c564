# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault matrix: every finding that needs no wire is made for real in the lab, found on the right object, and undone.

Each case says which codes are to be found on which objects. Nothing else may be an error, unless it names one of them as its
cause. Afterwards the cluster must be without error and warning again. What the API server would never take is judged as it
would be before somebody applies it: on top of the same live cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._findings.catalogue import CATALOGUE
from ansible_collections.l2ops.metallb.tests.integration.live import (
    EXCLUDE,
    HOME,
    KUBELET_PATIENCE,
    PATIENCE,
    Live,
    Object,
    advertisement,
    path_of,
    pool,
    service,
    told,
    wait,
)
from l2lab.cluster import kubectl, kubectl_json

pytestmark = pytest.mark.usefixtures("brisk")


@dataclass
class Expected:
    """codes: the findings that this is, each with its object or objects. With validate, these options of l2_validate hold what
    is to be judged; options are l2_diagnose's. patience: seconds to come to rest once it is undone."""

    codes: dict[str, str | set[str]]
    says: str = ""
    validate: Object | None = None
    options: Object = field(default_factory=dict)
    patience: float = PATIENCE


Fault = Callable[[Live], Iterator[Expected]]
# By name: the codes and the fault; those of the second need speakers of their own.
CASES: dict[str, tuple[tuple[str, ...], Fault]] = {}
BARE: dict[str, tuple[tuple[str, ...], Fault]] = {}


def case(*codes: str) -> Callable[[Fault], Fault]:
    def keep(fault: Fault) -> Fault:
        CASES[fault.__name__] = (codes, fault)
        return fault

    return keep


def bare(*codes: str) -> Callable[[Fault], Fault]:
    def keep(fault: Fault) -> Fault:
        BARE[fault.__name__] = (codes, fault)
        return fault

    return keep


# What is seen by facts that this lab cannot have; test_rules.py has clusters for each.
NOT_HERE: dict[str, str] = dict.fromkeys(
    ("MLB701", "MLB702", "MLB703", "MLB704", "MLB705"),
    "of the order in which Argo CD or Flux apply a repository: l2_validate judges its files, a cluster has none (tests/unit)",
)
NOT_HERE.update(
    dict.fromkeys(
        ("MLB412", "MLB706", "MLB707"), "of files that no API server takes: l2_validate judges them (tests/unit)"
    )
)
NOT_HERE.update(
    dict.fromkeys(
        ("MLB410", "MLB411", "MLB514"),
        "of fields that MetalLB 0.15.3 does not have: serviceSelectors and preferredNodeSelectors (tests/unit, make test-metallb)",
    )
)


# -- installation -----------------------------------------------------------------------------------------------------


@case("MLB101")
def pod_security_keeps_a_speaker_out(live):
    levels = {f"pod-security.kubernetes.io/{mode}": "baseline" for mode in ("enforce", "audit", "warn")}
    with live.patched("namespace", HOME, {"metadata": {"labels": levels}}, namespace=""):
        live.drop_speaker(live.nodes[0])
        yield Expected({"MLB101": HOME}, says="could be created")
    live.rolled_out()


@case("MLB102")
def speaker_whose_image_is_nowhere(live):
    pod = live.speaker_on(live.nodes[0])
    image = {"spec": {"containers": [{"name": "speaker", "image": "localhost:1/speaker:none"}]}}
    kubectl("-n", HOME, "patch", "pod", pod, "--type=strategic", "-p", json.dumps(image))
    try:
        yield Expected({"MLB102": f"{HOME}/{pod}"}, says="container speaker waits")
    finally:
        live.drop_speaker(live.nodes[0])
        live.rolled_out()


@case("MLB103")
def taint_that_speakers_do_not_tolerate(live):
    with live.without_speaker(live.nodes[0]):
        yield Expected({"MLB103": live.nodes[0]}, says="l2ops.lab/no-speaker=true:NoSchedule")


@case("MLB103", "MLB509")
def no_selected_node_runs_a_speaker(live):
    node = live.nodes[0]
    with live.without_speaker(node), live.advertised_from(node):
        yield Expected({"MLB103": node, "MLB509": live.announced()}, says="none of the nodes that l2-adv selects does")


@case("MLB104", "MLB105")
def controller_scaled_to_nothing(live):
    with live.patched("deployment", "metallb-controller", {"spec": {"replicas": 0}}):
        yield Expected(
            {"MLB104": f"{HOME}/metallb-controller", "MLB105": "metallb-webhook-configuration"}, says="scaled to 0"
        )
    live.rolled_out("deployment/metallb-controller")


@case("MLB104")
def controller_that_no_node_takes(live):
    """As on a cluster of tainted control planes only."""
    nowhere = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}, "template": {"spec": {"nodeSelector": {"l2ops.lab/none": "x"}}}}}  # fmt: skip
    with live.patched("deployment", "metallb-controller", nowhere):
        yield Expected({"MLB104": f"{HOME}/metallb-controller"}, says="Unschedulable")
    live.rolled_out("deployment/metallb-controller")


@case("MLB105")
def webhook_behind_which_nobody_stands(live):
    with live.patched("service", "metallb-webhook-service", {"spec": {"selector": {"l2ops.lab/none": "x"}}}):
        yield Expected({"MLB105": "metallb-webhook-configuration"}, says="no ready endpoint")


@case("MLB106")
def memberlist_secret_deleted(live):
    with live.deleted("secret", "metallb-memberlist"):
        yield Expected({"MLB106": f"{HOME}/metallb-memberlist"}, says="cannot start again")


@case("MLB106", "MLB102")
def speaker_that_waits_for_the_secret(live):
    with live.deleted("secret", "metallb-memberlist"):
        live.drop_speaker(live.nodes[0])
        assert wait(lambda: bool(live.speakers_on(live.nodes[0])))
        pod = live.speaker_on(live.nodes[0])
        yield Expected(
            {"MLB106": f"{HOME}/metallb-memberlist", "MLB102": f"{HOME}/{pod}"}, says="1 speaker cannot start"
        )
    # The kubelet asks for the Secret again only after a while; a new pod asks at once.
    live.drop_speaker(live.nodes[0])
    live.rolled_out()


@case("MLB108")
def values_that_start_frr_for_nothing(live, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("speaker:\n  ignoreExcludeLB: true\n  frr:\n    enabled: true\n", encoding="utf-8")
    yield Expected({"MLB108": str(values)}, validate={"manifests": [str(values)], "against": "cluster"})


@case("MLB109")
def kube_vip_beside_it(live):
    """Its DaemonSet as kube-vip's own manifest has it; that no node takes it here changes nothing for the judge."""
    container = {
        "name": "kube-vip",
        "image": "ghcr.io/kube-vip/kube-vip:v1.0.1",
        "args": ["manager"],
        "env": [{"name": "svc_enable", "value": "true"}],
    }
    template = {
        "metadata": {"labels": {"app": "kube-vip"}},
        "spec": {"nodeSelector": {"l2ops.lab/none": "x"}, "containers": [container]},
    }
    daemonset = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "kube-vip", "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": {"app": "kube-vip"}}, "template": template},
    }
    with live.applied(daemonset):
        yield Expected({"MLB109": "kube-system/kube-vip"})


@case("MLB110")
def kube_proxy_set_to_ipvs(live):
    """The configuration that kube-proxy reads at its next start."""
    text = kubectl_json("-n", "kube-system", "get", "configmap", "kube-proxy")["data"]["config.conf"]
    assert "mode: nftables" in text
    changed = {"data": {"config.conf": text.replace("mode: nftables", "mode: ipvs")}}
    with live.patched("configmap", "kube-proxy", changed, namespace="kube-system"):
        yield Expected({"MLB110": "kube-system/kube-proxy"}, says="strictARP")


@case("MLB111")
def peer_with_a_secret_of_the_wrong_type(live):
    """The webhook lets it pass; every speaker then rejects its whole configuration."""
    metadata = {"name": "matrix", "namespace": HOME}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "stringData": {"password": "x"},
    }
    peer = {
        "apiVersion": "metallb.io/v1beta2",
        "kind": "BGPPeer",
        "metadata": {"name": "matrix", "namespace": HOME},
        "spec": {
            "myASN": 64500,
            "peerASN": 64501,
            "peerAddress": live.address(60),
            "passwordSecret": {"name": "matrix"},
        },
    }
    with live.applied(secret, peer):
        yield Expected({"MLB111": {f"{HOME}/speaker-{node}" for node in live.nodes}}, says="secret type mismatch")


@case("MLB112")
def speakers_without_a_daemonset(live):
    with live.deleted("daemonset", "metallb-speaker", "--cascade=orphan"):
        yield Expected({"MLB112": HOME}, says="no speaker DaemonSet")
    live.rolled_out()


@case("MLB113")
def object_of_the_release_deleted(live):
    """What new speakers need and running ones do not."""
    with live.deleted("configmap", "metallb-excludel2"):
        yield Expected({"MLB113": f"{HOME}/metallb-excludel2"}, says="does not exist", options={"drift": True})


@case("MLB114")
def field_of_the_release_changed(live):
    with live.patched(
        "configmap", "metallb-excludel2", {"data": {"excludel2.yaml": "announcedInterfacesToExclude: []\n"}}
    ):
        yield Expected({"MLB114": f"{HOME}/metallb-excludel2"}, options={"drift": True})


@case("MLB116")
def upgrade_that_did_not_end(live):
    """A record of Helm's that says pending, as an upgrade that was killed leaves it."""
    name = "sh.helm.release.v1.metallb.v999"
    labels = {"owner": "helm", "name": "metallb", "status": "pending-upgrade", "version": "999"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {"name": name, "namespace": HOME, "labels": labels},
        "stringData": {"release": ""},
    }
    with live.applied(secret):
        yield Expected({"MLB116": f"{HOME}/metallb"}, says="pending-upgrade")


# -- nodes ------------------------------------------------------------------------------------------------------------
# MLB107, 201, 202 and 204 need speakers that honor the label and do without memberlist: rolled out once for all of them.


@pytest.fixture(scope="module")
def bare_speakers(live):
    with live.bare_speakers():
        yield
    live.healthy()


@bare("MLB107")
def memberlist_switched_off(live):
    yield Expected({"MLB107": f"{HOME}/metallb-speaker"})


@bare("MLB115")
def value_of_the_release_that_is_not_in_force(live):
    """These speakers run without --ignore-exclude-lb, which the release sets."""
    # The lab's other changes of the DaemonSet are not to be told.
    kubectl("-n", HOME, "annotate", "daemonset", "metallb-speaker", "l2ops.metallb/ignore-")
    try:
        yield Expected(
            {"MLB115": f"{HOME}/metallb-speaker"},
            says="ignoreExcludeLB",
            options={"drift": True, "ignore": ["MLB114", "MLB107"]},
        )
    finally:
        kubectl(
            "-n",
            HOME,
            "annotate",
            "daemonset",
            "metallb-speaker",
            "--overwrite",
            "l2ops.metallb/ignore=MLB113,MLB114,MLB115",
        )


@case("MLB205")
def taint_that_a_failover_test_left(live):
    node = live.nodes[-1]
    try:
        kubectl("taint", "node", node, "l2ops.metallb/speaker-away=true:NoSchedule")
        yield Expected({"MLB205": node}, says="no speaker starts there")
    finally:
        kubectl("taint", "node", node, "l2ops.metallb/speaker-away-")


@bare("MLB201")
def exclude_label_on_one_node(live):
    with live.labelled([live.nodes[-1]], f"{EXCLUDE}=false"):
        yield Expected({"MLB201": live.nodes[-1]}, says='with the value "false"')


@bare("MLB201", "MLB202", "MLB509")
def exclude_label_of_talos_on_every_node(live):
    owned = f'talos.dev/owned-labels=["{EXCLUDE}"]'
    with live.labelled(live.nodes, f"{EXCLUDE}="):
        kubectl("annotate", "nodes", "--all", "--overwrite", owned)
        try:
            everywhere = set(live.nodes)
            yield Expected(
                {"MLB201": everywhere, "MLB202": everywhere, "MLB509": live.announced()}, says="with an empty value"
            )
        finally:
            kubectl("annotate", "nodes", "--all", "talos.dev/owned-labels-")


@bare("MLB204")
def announcer_that_is_not_ready(live):
    """Without memberlist nobody takes over from a node whose kubelet is gone."""
    node = live.announcer("traefik/traefik")
    live.engine.execute(node, "systemctl", "stop", "kubelet")
    try:
        live.set_condition(node, "Ready", "Unknown")
        yield Expected({"MLB204": node}, says="traefik/traefik", patience=KUBELET_PATIENCE)
    finally:
        live.engine.execute(node, "systemctl", "start", "kubelet")
        live.ready(node)


@case("MLB203")
def network_unavailable_on_one_node(live):
    with live.condition([live.nodes[-1]], "NetworkUnavailable"):
        yield Expected({"MLB203": live.nodes[-1]})


@case("MLB203", "MLB509")
def network_unavailable_everywhere(live):
    with live.condition(live.nodes, "NetworkUnavailable"):
        yield Expected({"MLB203": set(live.nodes), "MLB509": live.announced()}, says="no node is left to announce pool")


# -- pools ------------------------------------------------------------------------------------------------------------


@case("MLB301")
def pool_over_a_nodes_address(live):
    node = live.addresses[live.nodes[0]][0]
    with live.pool("matrix", f"{node}/32"):
        yield Expected({"MLB301": f"{HOME}/matrix"}, says=live.nodes[0])


@case("MLB302")
def pool_over_the_gateway(live):
    with live.pool("matrix", f"{live.address(1)}/32"):
        yield Expected({"MLB302": f"{HOME}/matrix"}, options={"gateway": [live.address(1)]})


@case("MLB303")
def pools_that_share_addresses(live):
    """The webhook refuses it, so it is judged before."""
    more = [{"name": "matrix", "addresses": [f"{live.address(240)}-{live.address(252)}"]}]
    yield Expected(
        {"MLB303": f"{HOME}/matrix", "MLB401": f"{HOME}/matrix"}, validate={"pools": more, "against": "cluster"}
    )


@case("MLB303", "MLB111")
def pools_that_share_addresses_past_the_webhook(live):
    """A webhook that looks away: the API server takes both pools, and MetalLB rejects its whole configuration."""
    name = "metallb-webhook-configuration"
    hooks = kubectl_json("get", "validatingwebhookconfiguration", name)["webhooks"]
    blind = {"matchLabels": {"l2ops.lab/none": "x"}}
    path = [{"op": "add", "path": f"/webhooks/{place}/objectSelector", "value": blind} for place in range(len(hooks))]
    with (
        live.patched("validatingwebhookconfiguration", name, path, namespace="", how="json"),
        live.unguarded(),
        live.pool("matrix", f"{live.address(240)}-{live.address(252)}"),
    ):
        states = {f"{HOME}/{name}" for name in ("controller", *(f"speaker-{node}" for node in live.nodes))}
        yield Expected({"MLB303": f"{HOME}/matrix", "MLB111": states})


@case("MLB304")
def pool_off_the_nodes_network(live):
    with live.pool("matrix", "172.31.255.10-172.31.255.20"):
        yield Expected({"MLB304": f"{HOME}/matrix"}, options={"node_networks": [str(live.settings.subnet)]})


@case("MLB305")
def prefix_with_host_bits(live):
    with live.pool("matrix", f"{live.address(161)}/28"):
        yield Expected({"MLB305": f"{HOME}/matrix"}, says=f"{live.address(160)}/28")


@case("MLB306")
def pool_with_the_broadcast_address(live):
    last = str(live.settings.subnet.broadcast_address)
    with live.pool("matrix", f"{last}/32"):
        yield Expected({"MLB306": f"{HOME}/matrix"}, options={"node_networks": [str(live.settings.subnet)]})


@case("MLB307", "MLB501")
def pool_without_a_free_address(live):
    ask = {"annotations": {"metallb.io/address-pool": "matrix"}}
    with (
        live.pool("matrix", f"{live.address(160)}/32"),
        live.applied(service("matrix-1", **ask)),
        live.given("default/matrix-1"),
        live.applied(service("matrix-2", **ask)),
    ):
        yield Expected(
            {"MLB307": f"{HOME}/matrix", "MLB501": "default/matrix-2"},
            says="all 1 are in use, and 1 service waits for one",
        )


@case("MLB308")
def pool_within_the_service_network(live):
    network = kubectl_json("get", "servicecidr", "kubernetes")["spec"]["cidrs"][0]
    address = network.rsplit(".", 2)[0] + ".200.10/32"
    with live.pool("matrix", address):
        yield Expected(
            {"MLB308": f"{HOME}/matrix", "MLB304": f"{HOME}/matrix"},
            options={"node_networks": [str(live.settings.subnet)]},
        )


@case("MLB309")
def pool_of_loopback_addresses(live):
    with live.pool("matrix", "127.0.0.10-127.0.0.20"):
        yield Expected(
            {"MLB309": f"{HOME}/matrix", "MLB304": f"{HOME}/matrix"},
            options={"node_networks": [str(live.settings.subnet)]},
        )


@case("MLB309")
def pool_that_nobody_can_read(live):
    more = [{"name": "matrix", "addresses": [f"{live.address(170)}-{live.address(160)}", "ten addresses"]}]
    yield Expected(
        {"MLB309": f"{HOME}/matrix", "MLB401": f"{HOME}/matrix"}, validate={"pools": more, "against": "cluster"}
    )


@case("MLB310")
def pool_over_the_dhcp_range(live):
    with live.pool("matrix", f"{live.address(160)}/32"):
        yield Expected(
            {"MLB310": f"{HOME}/matrix"}, options={"dhcp_ranges": [f"{live.address(150)}-{live.address(199)}"]}
        )


@case("MLB311")
def pool_in_another_namespace(live, tmp_path):
    """The webhook refuses it, so it is judged before."""
    manifest = pool("matrix", f"{live.address(160)}/32")
    manifest["metadata"]["namespace"] = "default"
    path = tmp_path / "pool.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    yield Expected({"MLB311": "default/matrix"}, validate={"manifests": [str(path)], "against": "cluster"})


# -- advertisements ---------------------------------------------------------------------------------------------------


@case("MLB401", "MLB509")
def pool_that_nothing_advertises(live):
    with live.applied(pool("matrix", f"{live.address(160)}/32"), service("matrix", live.address(160))):
        yield Expected({"MLB401": f"{HOME}/matrix", "MLB509": "default/matrix"})


@case("MLB402")
def advertisement_of_a_pool_that_is_not_there(live):
    with live.applied(advertisement("matrix", "main-poool")):
        yield Expected({"MLB402": f"{HOME}/matrix"}, says="did you mean main-pool?")


@case("MLB403", "MLB509")
def advertisement_that_selects_no_node(live):
    selector = {"matchLabels": {"kubernetes.io/hostname": "nowhere"}}
    with (
        live.pool("matrix", f"{live.address(160)}/32", nodeSelectors=[selector]),
        live.applied(service("matrix", live.address(160))),
    ):
        yield Expected({"MLB403": f"{HOME}/matrix", "MLB509": "default/matrix"}, says="hostname=nowhere")


@case("MLB404")
def advertisement_without_interfaces(live):
    with live.pool("matrix", f"{live.address(160)}/32", interfaces=[]):
        yield Expected({"MLB404": f"{HOME}/matrix"})


@case("MLB405", "MLB511")
def interface_that_no_node_has(live):
    with live.patched("l2advertisement", "l2-adv", {"spec": {"interfaces": ["eth9"]}}):
        yield Expected(
            {"MLB405": f"{HOME}/l2-adv", "MLB511": live.announced()}, options={"interfaces": live.links()}, says="eth9"
        )
        # Events and changes are told apart by whole seconds.
        live.past_the_last_event("announceFailed")


@case("MLB406")
def interface_that_is_a_port_of_a_bridge(live):
    """MetalLB says nothing at all about it."""
    for node in live.nodes:
        live.engine.execute(
            node, "sh", "-ec",
            "ip link add l2br type bridge; ip link add l2port type veth peer name l2end; "
            "ip link set l2port master l2br up; ip link set l2end up; ip link set l2br up",
        )  # fmt: skip
    try:
        with live.pool("matrix", f"{live.address(160)}/32", interfaces=["l2port"]):
            yield Expected({"MLB406": f"{HOME}/matrix"}, options={"interfaces": live.links()}, says="port of l2br")
    finally:
        for node in live.nodes:
            live.engine.execute(node, "sh", "-c", "ip link delete l2port; ip link delete l2br")


@case("MLB407")
def second_advertisement_without_interfaces(live):
    with live.applied(advertisement("matrix", "main-pool", interfaces=[])):
        yield Expected({"MLB407": f"{HOME}/l2-adv", "MLB404": f"{HOME}/matrix"})


@case("MLB408")
def field_that_this_version_does_not_know(live):
    """The API server drops it silently, so it is judged before. 0.16 knows it."""
    more = [
        {
            "name": "matrix",
            "ip_address_pools": ["main-pool"],
            "interfaces": ["eth0"],
            "service_selectors": [{"matchLabels": {"a": "b"}}],
        }
    ]
    yield Expected({"MLB408": f"{HOME}/matrix"}, validate={"advertisements": more, "against": "cluster"})


@case("MLB409")
def selector_that_nobody_can_read(live):
    """The webhook refuses it, so it is judged before."""
    wrong = {"matchExpressions": [{"key": "a", "operator": "Is", "values": ["b"]}]}
    more = [
        {"name": "matrix", "ip_address_pools": ["main-pool"], "interfaces": ["eth0"], "node_selectors": [wrong]},
    ]
    yield Expected(
        {"MLB409": f"{HOME}/matrix", "MLB403": f"{HOME}/matrix"},
        validate={"advertisements": more, "against": "cluster"},
    )


@case("MLB413")
def interface_that_the_speakers_exclude(live):
    """Judged before it is applied: the chart's own list has ^docker.*, among others."""
    more = [{"name": "matrix", "ip_address_pools": ["main-pool"], "interfaces": ["docker0"]}]
    yield Expected(
        {"MLB413": f"{HOME}/matrix"}, says="docker0", validate={"advertisements": more, "against": "cluster"}
    )


# -- services ---------------------------------------------------------------------------------------------------------


@case("MLB502", "MLB501")
def address_that_is_in_no_pool(live):
    with live.applied(service("matrix", live.address(160))):
        yield Expected({"MLB502": "default/matrix", "MLB501": "default/matrix"}, says=live.address(160))


@case("MLB502", "MLB501")
def pool_whose_allocation_keeps_it_out(live):
    closed = {"serviceAllocation": {"namespaces": ["traefik"]}}
    with (
        live.applied(pool("matrix", f"{live.address(160)}/32", **closed), advertisement("matrix", "matrix")),
        live.applied(service("matrix", annotations={"metallb.io/address-pool": "matrix"})),
    ):
        yield Expected({"MLB502": "default/matrix", "MLB501": "default/matrix"}, says="serviceAllocation")


@case("MLB503", "MLB501")
def two_services_want_one_address(live):
    with live.applied(service("matrix", live.address(203))):
        yield Expected({"MLB503": "default/matrix", "MLB501": "default/matrix"}, says="traefik/traefik")


@case("MLB504")
def annotations_that_disagree(live):
    both = {"metallb.universe.tf/loadBalancerIPs": live.address(241), "metallb.io/loadBalancerIPs": live.address(240)}
    with live.applied(service("matrix", annotations=both)), live.given("default/matrix"):
        yield Expected({"MLB504": {"default/matrix", "default/my-nginx"}}, says="which holds")


@case("MLB505", "MLB501")
def address_asked_for_twice(live):
    with live.applied(service("matrix", live.address(240), loadBalancerIP=live.address(241))):
        yield Expected({"MLB505": "default/matrix", "MLB501": "default/matrix"})


@case("MLB506")
def annotation_that_metallb_does_not_read(live):
    typo = {"metallb.io/loadBalancerIP": live.address(240)}
    with live.applied(service("matrix", annotations=typo)), live.given("default/matrix"):
        yield Expected({"MLB506": "default/matrix"}, says="did you mean metallb.io/loadBalancerIPs?")


@case("MLB507")
def policy_local_and_no_pod_where_it_is_announced(live):
    """Its pod runs on the last node, the others announce."""
    with (
        live.pod_on("matrix-far", live.nodes[-1]),
        live.advertised_from(*live.nodes[:-1]),
        live.applied(service("matrix", live.address(240), app="matrix-far", externalTrafficPolicy="Local")),
    ):
        yield Expected({"MLB507": "default/matrix"}, says=live.nodes[-1])


@case("MLB508")
def service_whose_pods_are_gone(live):
    with live.applied(service("matrix", live.address(240), app="nothing-has-this")), live.given("default/matrix"):
        yield Expected({"MLB508": "default/matrix"}, says="no pod matches its selector (app=nothing-has-this)")


@case("MLB510")
def status_that_its_speaker_cannot_mend(live):
    """As 0.15.3 leaves it after a failover: status.node cannot be changed, so the object stays with the old node's name."""
    node = live.announcer("traefik/traefik")
    other = [one for one in live.nodes if one != node][0]  # noqa: RUF015 (no next() in a generator)
    labels = {
        "metallb.io/node": "nobody-looks",
        "metallb.io/service-name": "traefik",
        "metallb.io/service-namespace": "traefik",
    }
    made = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "ServiceL2Status",
        "metadata": {"name": "l2-matrix", "namespace": HOME, "labels": labels},
    }
    fields = {"status": {"node": other, "serviceName": "traefik", "serviceNamespace": "traefik"}}
    ours = ("-n", HOME, "servicel2status")
    with live.applied(made):
        kubectl(
            *ours[:2], "patch", ours[2], "l2-matrix", "--subresource=status", "--type=merge", "-p", json.dumps(fields)
        )
        # The right one gone, the speaker takes this one for its own: it may change the label, and not the status.
        right = f"metallb.io/service-name=traefik,metallb.io/node={node}"
        kubectl(*ours[:2], "delete", ours[2], "-l", right)
        yield Expected({"MLB510": f"{HOME}/l2-matrix"}, says=f"its status says {other}, its own label says {node}")


@case("MLB512", "MLB104")
def pool_deleted_while_the_controller_is_away(live):
    """Nobody guards the deletion, and nobody is there to take the address back."""
    with live.applied(service("matrix", live.address(160))):
        with live.pool("matrix", f"{live.address(160)}/32"), live.given("default/matrix"):
            before = kubectl_json("-n", HOME, "get", "deployment", "metallb-controller")
            kubectl("-n", HOME, "scale", "deployment/metallb-controller", "--replicas=0")
            live.nobody_behind_the_webhook()
        try:
            yield Expected(
                {
                    "MLB512": "default/matrix",
                    "MLB502": "default/matrix",
                    "MLB104": f"{HOME}/metallb-controller",
                    "MLB105": "metallb-webhook-configuration",
                },
                says=live.address(160),
            )
        finally:
            live.put_back("deployment", before)
            live.rolled_out("deployment/metallb-controller")


@case("MLB513")
def policy_local_with_a_single_pod(live):
    with (
        live.pod_on("matrix-far", live.nodes[-1]),
        live.applied(service("matrix", live.address(240), app="matrix-far", externalTrafficPolicy="Local")),
    ):
        yield Expected({"MLB513": "default/matrix"}, says=live.nodes[-1])


@case("MLB515")
def target_port_that_no_pod_has(live):
    ports = [{"name": "web", "port": 80, "targetPort": "no-such-port"}]
    with live.applied(service("matrix", live.address(240), ports=ports)), live.given("default/matrix"):
        yield Expected({"MLB515": "default/matrix"}, says="no container of its pods has a port named no-such-port")


@case("MLB516")
def external_ips_that_nobody_announces(live):
    with (
        live.applied(service("matrix", live.address(240), externalIPs=[live.address(241)])),
        live.given("default/matrix"),
    ):
        yield Expected({"MLB516": "default/matrix"}, says=live.address(241))


@case("MLB517")
def class_that_a_template_printed(live):
    with live.applied(service("matrix", loadBalancerClass="nil")):
        yield Expected({"MLB517": "default/matrix"}, says="the word 'nil'")


# -- the tests --------------------------------------------------------------------------------------------------------


def objects(findings: list[Object], code: str) -> set[str]:
    return {path_of(one) for one in findings if one["code"] == code}


def unlike(expected: Expected, findings: list[Object]) -> str:
    """What is missing or too much; nothing when it is as expected."""
    for code, wanted in expected.codes.items():
        there = objects(findings, code)
        if there != ({wanted} if isinstance(wanted, str) else wanted):
            return f"{code} was found on {sorted(there) or 'nothing'}, not on {wanted}"
    if expected.says and not any(expected.says in one["summary"] for one in findings if one["code"] in expected.codes):
        return f"no summary says {expected.says!r}"
    causes = set(expected.codes)
    for one in findings:
        if one["severity"] == "error" and one["code"] not in causes and not causes & set(one["caused_by"]):
            return f"{one['code']} is an error of its own"
    return ""


def judge(live: Live, expected: Expected) -> list[Object]:
    if expected.validate is not None:
        return live.validate(**expected.validate)["findings"]
    # What is young counts at once: the waiting is the affair of test_healthy_variants.py.
    return live.diagnose(settle=0, **expected.options)["findings"]


def check(live: Live, fault: Fault, tmp_path: Path, **healthy: Any) -> None:
    """Break, judge until it is as expected, undo (what a fault does after its yield), and see that all is well."""
    wants_path = "tmp_path" in fault.__code__.co_varnames[: fault.__code__.co_argcount]
    made = fault(live, tmp_path) if wants_path else fault(live)
    expected = next(made)
    findings: list[Object] = []
    wrong = ""

    def found() -> bool:
        nonlocal findings, wrong
        findings = judge(live, expected)
        wrong = unlike(expected, findings)
        return not wrong

    try:
        assert wait(found, 20), f"{wrong}; found:\n{told(findings)}"
    finally:
        next(made, None)
    live.healthy(expected.patience, **healthy)


@pytest.fixture(scope="module", autouse=True)
def _well_before(live):
    live.healthy()


@pytest.mark.parametrize("name", CASES)
def test_fault_is_found_and_undone(live, name, tmp_path):
    check(live, CASES[name][1], tmp_path)


@pytest.mark.parametrize("name", BARE)
@pytest.mark.usefixtures("bare_speakers")
def test_fault_of_bare_speakers_is_found_and_undone(live, name, tmp_path):
    check(live, BARE[name][1], tmp_path, ignore=["MLB107"])


def test_every_finding_without_a_wire_is_in_the_matrix():
    """A new code needs a case here, or a reason why there is none."""
    made = {code for codes, _fault in (*CASES.values(), *BARE.values()) for code in codes}
    wanted = {code for code, entry in CATALOGUE.items() if "W" not in entry["needs"] and not entry["retired"]}
    assert wanted - made - set(NOT_HERE) == set()
    assert not made & set(NOT_HERE)
