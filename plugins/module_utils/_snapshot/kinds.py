# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""The kinds of objects that a snapshot holds."""

from __future__ import annotations

DEFAULT_NAMESPACE = "metallb-system"
# plural: kind as objects carry it
KINDS: dict[str, str] = {
    "nodes": "Node",
    "namespaces": "Namespace",
    "pods": "Pod",
    "services": "Service",
    "endpointslices": "EndpointSlice",
    "daemonsets": "DaemonSet",
    "deployments": "Deployment",
    "ipaddresspools": "IPAddressPool",
    "l2advertisements": "L2Advertisement",
    "bgpadvertisements": "BGPAdvertisement",
    "bgppeers": "BGPPeer",
    "servicel2statuses": "ServiceL2Status",
    "configurationstates": "ConfigurationState",
    "events": "Event",
    "customresourcedefinitions": "CustomResourceDefinition",
    "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
    "secrets": "Secret",
    "configmaps": "ConfigMap",
    "servicecidrs": "ServiceCIDR",
    "ciliumloadbalancerippools": "CiliumLoadBalancerIPPool",
    "applications": "Application",
    # Not a kind of the API: Helm's record of MetalLB's release, compared with what is there (_ownership/read.py).
    "releases": "Release",
}
PLURALS = {kind: plural for plural, kind in KINDS.items()}
# What a person writes and applies; everything else comes out of the cluster.
USER_KINDS = ("ipaddresspools", "l2advertisements", "bgpadvertisements", "bgppeers", "services")
# Kinds of other projects: a cluster that does not serve them has none of them.
FOREIGN = frozenset(["servicecidrs", "ciliumloadbalancerippools", "applications"])
