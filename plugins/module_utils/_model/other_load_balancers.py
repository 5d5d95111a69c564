# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Other programs that give addresses to Services of type LoadBalancer, and the marks by which they are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class OtherLoadBalancer:
    """classes and annotations are beginnings; a class without a slash is meant as it is. images are parts of an image's name.

    own_class is the loadBalancerClass by which a Service is left to it; empty where it knows none.
    """

    name: str
    classes: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    own_class: str = ""

    def has_class(self, load_balancer_class: str) -> bool:
        return any(
            load_balancer_class.startswith(one) if "/" in one else load_balancer_class == one for one in self.classes
        )


OTHERS = (
    OtherLoadBalancer(
        "kube-vip", ("kube-vip.io/",), ("kube-vip.io/",), ("kube-vip/kube-vip",), "kube-vip.io/kube-vip-class"
    ),
    OtherLoadBalancer(
        "Cilium",
        ("io.cilium/",),
        ("io.cilium/lb-ipam", "lbipam.cilium.io/"),
        ("cilium/cilium",),
        "io.cilium/l2-announcer",
    ),
    OtherLoadBalancer("ServiceLB of k3s", (), ("svccontroller.k3s.cattle.io/",), ("klipper-lb",)),
    OtherLoadBalancer("PureLB", ("purelb.io/",), ("purelb.io/",), ("purelb/",), "purelb.io/purelb"),
    OtherLoadBalancer(
        "OpenELB",
        ("lb.kubesphere.io/",),
        ("lb.kubesphere.io/", "eip.openelb.kubesphere.io/", "protocol.openelb.kubesphere.io/"),
        ("kubesphere/openelb",),
    ),
    OtherLoadBalancer("LoxiLB", ("loxilb.io/",), ("loxilb.io/",), ("loxilb-io/",), "loxilb.io/loxilb"),
    OtherLoadBalancer("Tailscale", ("tailscale",), ("tailscale.com/",), ("tailscale/",), "tailscale"),
    OtherLoadBalancer("Harvester's cloud provider", (), ("cloudprovider.harvesterhci.io/",), ()),
    OtherLoadBalancer(
        "the AWS controller",
        ("service.k8s.aws/", "eks.amazonaws.com/"),
        ("service.beta.kubernetes.io/aws-load-balancer-",),
        (),
        "service.k8s.aws/nlb",
    ),
    OtherLoadBalancer("Azure's cloud provider", (), ("service.beta.kubernetes.io/azure-",)),
    OtherLoadBalancer(
        "Google's cloud provider", ("networking.gke.io/",), ("networking.gke.io/", "cloud.google.com/l4-")
    ),
    OtherLoadBalancer("Hetzner's cloud provider", (), ("load-balancer.hetzner.cloud/",)),
    OtherLoadBalancer("OpenStack's cloud provider", (), ("loadbalancer.openstack.org/",)),
    OtherLoadBalancer("DigitalOcean's cloud provider", (), ("service.beta.kubernetes.io/do-loadbalancer-",)),
    OtherLoadBalancer("Oracle's cloud provider", (), ("oci.oraclecloud.com/", "service.beta.kubernetes.io/oci-")),
)
# What slim keeps of a Service.
ANNOTATION_PREFIXES = tuple(prefix for one in OTHERS for prefix in one.annotations)
# What templates print where no value was meant. All are valid names of a class for the API server.
NO_VALUES = frozenset(["nil", "null", "none", "undefined", "false", "nan", "no-value", "default"])


def by_annotation(annotations: Mapping[str, str]) -> tuple[OtherLoadBalancer, str] | None:
    """The load balancer that a Service's annotations are meant for, and the annotation."""
    for key in sorted(annotations):
        for one in OTHERS:
            if key.startswith(one.annotations):
                return one, key
    return None


def by_class(load_balancer_class: str) -> OtherLoadBalancer | None:
    return next((one for one in OTHERS if one.has_class(load_balancer_class)), None)


def by_images(images: Iterable[str]) -> OtherLoadBalancer | None:
    named = list(images)
    return next((one for one in OTHERS if any(part in image for part in one.images for image in named)), None)
