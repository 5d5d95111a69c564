# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""Names that Kubernetes, MetalLB and Talos give things: labels, annotations, fields of the CRDs."""

from __future__ import annotations

# Objects may carry this annotation with codes, separated by commas or blanks, that are not to be found on them.
IGNORE_ANNOTATION = "l2ops.metallb/ignore"
# k8s.io/api/core/v1 LabelNodeExcludeBalancers
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
OWNED_LABELS_ANNOTATION = "talos.dev/owned-labels"
# Keeps a node's speaker away while a failover is measured (module speaker_away).
AWAY_TAINT = "l2ops.metallb/speaker-away"
# What the tools that own objects write on them.
TRACKING_ID = "argocd.argoproj.io/tracking-id"
FLUX_HELM = "helm.toolkit.fluxcd.io/"
FLUX_KUSTOMIZE = "kustomize.toolkit.fluxcd.io/"
HELM_RELEASE_ANNOTATION = "meta.helm.sh/release-name"
HELM_RELEASE_NAMESPACE_ANNOTATION = "meta.helm.sh/release-namespace"
# controller/service.go, v0.15.3
PREFIX = "metallb.io/"
OLD_PREFIX = "metallb.universe.tf/"
ADDRESS_POOL = "address-pool"
LOAD_BALANCER_IPS = "loadBalancerIPs"
ALLOW_SHARED_IP = "allow-shared-ip"
ALLOCATED_FROM = "ip-allocated-from-pool"
ANNOTATIONS = (ADDRESS_POOL, LOAD_BALANCER_IPS, ALLOW_SHARED_IP, ALLOCATED_FROM)
# Helm's labels, and those of the raw manifests.
COMPONENT_LABELS = (
    ("app.kubernetes.io/name", "metallb", "app.kubernetes.io/component"),
    ("app", "metallb", "component"),
)
API_VERSION = "metallb.io/v1beta1"
POOL_FIELDS = frozenset(["addresses", "autoAssign", "avoidBuggyIPs", "serviceAllocation"])
ALLOCATION_FIELDS = frozenset(["priority", "namespaces", "namespaceSelectors", "serviceSelectors"])
# serviceSelectors since 0.16, preferredNodeSelectors after it: whether they hold is said by the installed CRD.
ADVERTISEMENT_FIELDS = frozenset(["ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "interfaces"])
LATER_ADVERTISEMENT_FIELDS = frozenset(["serviceSelectors", "preferredNodeSelectors"])
