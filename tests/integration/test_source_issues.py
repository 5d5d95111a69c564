# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The issues that the source document tells of, as its author met them: what was seen, and what one command says instead.

Where the document's explanation was wrong, the test shows what holds.
"""

from __future__ import annotations

import pytest
from ansible_collections.l2ops.metallb.tests.integration.live import EXCLUDE, HOME, advertisement, pool, service, wait
from l2lab.cluster import kubectl, kubectl_json

pytestmark = pytest.mark.usefixtures("brisk")

TRAEFIK = "traefik/traefik"


def external_ip(path: str) -> str:
    """As `kubectl get svc` shows it."""
    namespace, _slash, name = path.partition("/")
    return kubectl("-n", namespace, "get", "svc", name, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")


def statuses(path: str) -> list[str]:
    """What `kubectl get servicel2status -A` shows for a service: nodes."""
    namespace, _slash, name = path.partition("/")
    selector = f"metallb.io/service-name={name},metallb.io/service-namespace={namespace}"
    found = kubectl_json("-n", HOME, "get", "servicel2statuses", "-l", selector)["items"]
    return [one.get("status", {}).get("node", "") for one in found]


def answering(live, address: str) -> list[str]:
    return [one["node"] for one in live.probe([address])["targets"][0]["answers"]]


def told(live, path: str) -> str:
    """The one sentence; empty when the service is fine."""
    return " ".join(live.diagnose(services=[path], settle=0)["sentences"])


def test_issue_1_no_servicel2status_because_of_the_exclude_label(live):
    """ "Even with ignoreExcludeLB it can interfere", "an empty value isn't ignored", "restart the speakers": none of it holds."""
    address = external_ip(TRAEFIK)
    # With ignoreExcludeLB: true the label does nothing, empty or not.
    for text in ("", "true"):
        with live.labelled(live.nodes, f"{EXCLUDE}={text}"):
            live.healthy()
            assert answering(live, address) == [live.announcer(TRAEFIK)]
    with live.bare_speakers(memberlist=True):
        with live.labelled(live.nodes, f"{EXCLUDE}="):
            assert wait(lambda: not statuses(TRAEFIK) and not answering(live, address), 75, 1)
            # As the author saw it: an address, no ServiceL2Status, and no event or log line that says why.
            assert external_ip(TRAEFIK) == address
            said = told(live, TRAEFIK)
            assert said.startswith(f"{TRAEFIK}: Nobody may announce {address}")
            assert "MLB201" in said and "with an empty value, which counts like any other" in said
            assert "ignoreExcludeLB" in said
        # Gone again: announced within seconds by the very same speakers.
        pods = {live.speaker_on(node) for node in live.nodes}
        assert wait(lambda: answering(live, address) == [live.announcer(TRAEFIK)], 75, 0.5)
        assert {live.speaker_on(node) for node in live.nodes} == pods
    live.healthy()


def test_issue_2_advertisement_without_interfaces(live):
    """ "MUST be specified": it need not be. Without, all interfaces announce, which is worth a warning."""
    with (
        live.pool("matrix", f"{live.address(160)}/32", interfaces=[]),
        live.applied(service("matrix", live.address(160))),
    ):
        assert wait(lambda: bool(statuses("default/matrix")) and bool(answering(live, live.address(160))), 20, 0.5)
        found = live.diagnose()
        assert [one["code"] for one in found["findings"] if one["object"]["name"] == "matrix"] == ["MLB404"]
        assert answering(live, live.address(160)) == [live.announcer("default/matrix")]
    live.healthy()


def test_issue_3_local_policy_does_not_work(live):
    """ "Root cause unknown": no node was at once home of a pod and allowed to announce. It works as soon as one is."""
    address = live.address(240)
    local = service("matrix", address, app="matrix-far", externalTrafficPolicy="Local")
    with live.pod_on("matrix-far", live.nodes[-1]):
        with live.advertised_from(*live.nodes[:-1]), live.applied(local), live.given("default/matrix"):
            # As the author saw it: an address, and no ServiceL2Status.
            assert not statuses("default/matrix")
            said = told(live, "default/matrix")
            assert "xternalTrafficPolicy is Local, and no node with a serving pod may announce" in said
            assert live.nodes[-1] in said
            # "Switching to Cluster immediately creates ServiceL2Status."
            kubectl("-n", "default", "patch", "service", "matrix", "-p", '{"spec":{"externalTrafficPolicy":"Cluster"}}')
            assert wait(lambda: bool(statuses("default/matrix")), 20)
        with live.applied(local):
            assert wait(lambda: statuses("default/matrix") == [live.nodes[-1]], 20)
            assert wait(lambda: answering(live, address) == [live.nodes[-1]], 20, 0.5)
            assert told(live, "default/matrix") == ""
    live.healthy()


def test_issue_4_cannot_change_sharing_key_address_in_use(live):
    """ "Verify annotation format": either prefix meets the same conflict. The other service is named."""
    address = external_ip(TRAEFIK)
    for prefix in ("metallb.io", "metallb.universe.tf"):
        wish = {f"{prefix}/loadBalancerIPs": address}
        with live.applied(service("matrix", annotations=wish)):
            assert wait(lambda: f"{address}, which {TRAEFIK} has" in told(live, "default/matrix"), 20)
            assert external_ip("default/matrix") == ""
            found = live.diagnose()["findings"]
            mine = {one["code"]: one for one in found if one["object"]["name"] == "matrix"}
            assert mine["MLB503"]["evidence"]["service"] == TRAEFIK
            assert "MLB503" in mine["MLB501"]["caused_by"]
    live.healthy()


def test_issue_5_jellyfin_and_its_annotation(live):
    """ "metallb.io/ is the old format, don't use": it is the other way round, and both give the address."""
    for prefix, warned in (("metallb.io", []), ("metallb.universe.tf", ["MLB504"])):
        wish = {f"{prefix}/loadBalancerIPs": live.address(242)}
        with live.applied(service("jellyfin-service", annotations=wish)), live.given("default/jellyfin-service"):
            assert external_ip("default/jellyfin-service") == live.address(242)
            found = [one for one in live.diagnose()["findings"] if one["object"]["name"] == "jellyfin-service"]
            assert [one["code"] for one in found] == warned
            if warned:
                assert "metallb.io/loadBalancerIPs=" in found[0]["fix"]
    live.healthy()


def test_no_ip_allocated(live):
    """ "Verify IPAddressPool is created and has available IPs": the pool is named, and who waits for it."""
    ask = {"annotations": {"metallb.io/address-pool": "matrix"}}
    with (
        live.applied(pool("matrix", f"{live.address(160)}/32"), advertisement("matrix", "matrix")),
        live.applied(service("matrix-1", **ask)),
        live.given("default/matrix-1"),
        live.applied(service("matrix-2", **ask)),
    ):
        assert wait(lambda: "all 1 are in use" in told(live, "default/matrix-2"), 20)
        assert "MLB307" in told(live, "default/matrix-2")
    live.healthy()


def test_services_withdrawn_immediately_because_no_pod_is_ready(live):
    """The document's third cause of notOwner: under policy Cluster, too, nobody announces what has no serving pod."""
    patch = {"spec": {"replicas": 0}}
    with live.patched("deployment", "my-nginx", patch, namespace="default"):
        assert wait(lambda: not statuses("default/my-nginx"), 30)
        said = told(live, "default/my-nginx")
        assert "no serving endpoint, so nobody announces it" in said
    live.rolled_out("deployment/my-nginx", "default")
    live.healthy()
