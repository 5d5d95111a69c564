# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Every finding that this collection knows. The one source of codes, texts, docs pages and completeness tests.

A literal: tools may read it with ast.literal_eval. Fields of an entry:

slug      name for people, as stable as the code
severity  error (traffic is, or will be at the next restart or failover, broken), warning (works now, but is fragile or
          discouraged) or info. A rule may say another one where the meaning names two
title     one line
meaning   what it means and why it matters
when      what makes a rule raise it
commands  what a person types to see or fix it; capitals stand for names
fix       what fixes it, in general; a finding itself has a "fix" for the very case
needs     S what the user wrote is enough; A a live API or a snapshot of one; W answers from the wire; F facts of the
          nodes' interfaces. Several letters: each of them contributes
category  install, nodes, pools, advertisements, services, wire or gitops
since     first MetalLB version to which it applies, of those supported ("0.14.9" is the oldest)
until     last version to which it applies, or None
retired   never raised any more; the code is not used again

Codes are stable for ever: never renumbered, never used again.
"""

from __future__ import annotations

CATALOGUE = {
    "MLB101": {
        "slug": "namespace-not-privileged",
        "severity": "error",
        "title": "Pod security keeps the speakers from being created",
        "meaning": "Speakers use the host's network and raw sockets. A namespace that enforces the pod security level "
        "baseline or restricted refuses such pods. Talos enforces baseline wherever a namespace says nothing else, so the "
        "DaemonSet wants pods and gets none, and only its events say why.",
        "fix": "Label MetalLB's namespace pod-security.kubernetes.io/enforce=privileged (and audit, warn), before MetalLB "
        "is installed. The role l2ops.metallb.install does.",
        "when": "MetalLB's namespace (or the cluster's default level where it says nothing) does not enforce privileged, "
        "and speakers are refused, or will be at their next start.",
        "commands": [
            "kubectl label --overwrite namespace metallb-system pod-security.kubernetes.io/{enforce,audit,warn}=privileged",
            "kubectl -n metallb-system get events --field-selector reason=FailedCreate",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB102": {
        "slug": "speaker-not-ready",
        "severity": "error",
        "title": "A speaker is not ready",
        "meaning": "The speaker of this node exists but does not work, so the node announces nothing, and addresses that it "
        "ought to announce go to another node, or to none.",
        "fix": "See why the pod is not ready: kubectl -n metallb-system describe pod, and its logs.",
        "when": "The speaker pod of a node that exists is not ready, and is not on its way out.",
        "commands": [
            "kubectl -n metallb-system get pods -l app.kubernetes.io/component=speaker -o wide",
            "kubectl -n metallb-system describe pod POD",
            "kubectl -n metallb-system logs POD -c speaker --previous",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB103": {
        "slug": "speaker-missing",
        "severity": "warning",
        "title": "A node that is to announce runs no speaker",
        "meaning": "An L2Advertisement selects the node, but no speaker runs there, mostly for a taint that the speakers do "
        "not tolerate or for a nodeSelector. Fewer nodes can take over than one would think. It is an error where none of "
        "the selected nodes runs a speaker.",
        "fix": "Let the speakers tolerate the taint (Helm value speaker.tolerations), widen speaker.nodeSelector, or select "
        "only nodes with speakers in the L2Advertisement.",
        "when": "A node that an L2Advertisement selects has no speaker pod. It is an error where no selected node has "
        "one.",
        "commands": [
            "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints",
            "helm -n metallb-system upgrade metallb metallb/metallb --reuse-values --set 'speaker.tolerations[0].operator=Exists'",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB104": {
        "slug": "controller-not-ready",
        "severity": "error",
        "title": "No controller is ready, or a new one does not start",
        "meaning": "The controller gives addresses to services and answers the webhook. Without it no service gets an address "
        "and no pool can be changed; addresses that were given out stay announced. On clusters of tainted control planes "
        "only, it stays Pending, since it tolerates nothing by default.",
        "fix": "See why: kubectl -n metallb-system describe deployment and pod. Where all nodes are tainted, set the Helm "
        "value controller.tolerations.",
        "when": "The controller's Deployment has no ready replica. It is a warning where an old one is ready and the one of the newest "
        "settings does not start.",
        "commands": [
            "kubectl -n metallb-system describe deployment -l app.kubernetes.io/component=controller",
            "kubectl -n metallb-system describe pods -l app.kubernetes.io/component=controller",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB105": {
        "slug": "webhook-not-ready",
        "severity": "error",
        "title": "The validating webhook cannot be asked",
        "meaning": "Every change of a pool or advertisement goes through MetalLB's webhook. While it has no ready endpoint or "
        "no CA bundle, the API server refuses all of them. A configuration that an earlier installation left behind, under whatever name, does "
        "the same: its Service does not exist any more. It is a warning where failurePolicy is Ignore: then changes are not checked.",
        "fix": "Wait until the controller is ready (module l2ops.metallb.l2_ready). If it is and the webhook still times out, "
        "the API server does not reach pods: see the CNI and network policies.",
        "when": "The webhook's Service has no ready endpoint, or its configuration no CA bundle.",
        "commands": [
            "kubectl -n metallb-system get endpointslices -l kubernetes.io/service-name=metallb-webhook-service",
            "kubectl get validatingwebhookconfigurations metallb-webhook-configuration -o yaml",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB106": {
        "slug": "memberlist-secret-missing",
        "severity": "error",
        "title": "The secret that speakers share is missing",
        "meaning": "Speakers encrypt what they tell each other with the key in this Secret. Pods that name a Secret which does "
        "not exist never start; with different keys they do not see each other, and several nodes answer.",
        "fix": "Let speaker.secretName and the controller's METALLB_ML_SECRET_NAME name the same Secret: the controller "
        "creates it when it starts.",
        "when": "Speakers mount or read a Secret that is not there.",
        "commands": [
            "kubectl -n metallb-system get secrets",
            "kubectl -n metallb-system rollout restart deployment metallb-controller",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB107": {
        "slug": "memberlist-disabled",
        "severity": "warning",
        "title": "Nobody takes over when a node dies",
        "meaning": "Without memberlist every node counts as alive, so an address stays with the node that the election gives, "
        "though that node is dead.",
        "fix": "Leave the Helm value speaker.memberlist.enabled at true, and allow TCP and UDP port 7946 between the nodes.",
        "when": "The speakers are given no address to bind memberlist to (environment METALLB_ML_BIND_ADDR).",
        "commands": [
            "helm -n metallb-system upgrade metallb metallb/metallb --reuse-values --set speaker.memberlist.enabled=true"
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB108": {
        "slug": "bgp-backend-without-use",
        "severity": "info",
        "title": "A BGP daemon runs that nothing uses",
        "meaning": "FRR or frr-k8s runs beside every speaker, as the chart has it by default, though only layer 2 is configured. "
        "It does no harm but takes memory and privileges on every node.",
        "fix": "Set the Helm values speaker.frr.enabled and frrk8s.enabled to false, both: which of them is on by default "
        "depends on the version.",
        "when": "FRR or frr-k8s runs, or Helm values on disk turn it on, and there is neither a BGPPeer nor a "
        "BGPAdvertisement.",
        "commands": [
            "helm -n metallb-system upgrade metallb metallb/metallb --reuse-values --set speaker.frr.enabled=false --set frrk8s.enabled=false"
        ],
        "needs": "SA",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB109": {
        "slug": "second-load-balancer",
        "severity": "error",
        "title": "A second load balancer acts on the same services",
        "meaning": "Another controller (LB-IPAM or L2 announcements of Cilium, kube-vip, ServiceLB of k3s) gives addresses to the "
        "services that MetalLB serves as well. They overwrite each other's address, and two hosts may answer.",
        "fix": "Keep one of them. Or set the Helm value loadBalancerClass of MetalLB and the same class in the services that "
        "it is to serve.",
        "when": "Another controller that serves LoadBalancer services is set up for services that MetalLB serves as well.",
        "commands": [
            "kubectl get daemonsets,deployments -A | grep -iE 'kube-vip|svclb|cilium'",
            "kubectl get ciliumloadbalancerippools",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB110": {
        "slug": "ipvs-without-strict-arp",
        "severity": "error",
        "title": "kube-proxy makes every node answer ARP",
        "meaning": "In mode ipvs kube-proxy puts every service address on a dummy interface of every node, and the kernel then "
        "answers ARP for it on all of them, unless strictARP is on.",
        "fix": "Set ipvs.strictARP: true in kube-proxy's configuration (on Talos cluster.proxy.extraArgs: ipvs-strict-arp: "
        '"true"), or use mode nftables or iptables.',
        "when": "kube-proxy's arguments or ConfigMap say mode ipvs, and not strictARP.",
        "commands": [
            "kubectl -n kube-system get configmap kube-proxy -o yaml | grep -A3 -E 'mode:|strictARP'",
            "kubectl -n kube-system rollout restart daemonset kube-proxy",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB111": {
        "slug": "config-rejected",
        "severity": "error",
        "title": "MetalLB rejects its configuration",
        "meaning": "A ConfigurationState of the controller or of a living speaker says Invalid. It then works on with the last "
        "configuration that was good, or with none after a restart.",
        "fix": "Fix what its message names.",
        "when": "The ConfigurationState of the controller, or of a speaker whose node exists, has the result Invalid.",
        "commands": [
            "kubectl -n metallb-system get configurationstates -o custom-columns=NAME:.metadata.name,RESULT:.status.result,ERROR:.status.errorSummary"
        ],
        "needs": "A",
        "category": "install",
        "since": "0.15.3",
        "until": None,
        "retired": False,
    },
    "MLB112": {
        "slug": "metallb-absent",
        "severity": "error",
        "title": "MetalLB is not installed",
        "meaning": "The cluster has neither MetalLB's kinds nor its controller and speakers, or only a part of them.",
        "fix": "Install it: role l2ops.metallb.install.",
        "when": "The cluster was looked at and has no controller, no speakers, or not the kinds of metallb.io.",
        "commands": ["ansible-playbook l2ops.metallb.site --tags metallb_install", "kubectl get crd | grep metallb.io"],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB113": {
        "slug": "release-object-missing",
        "severity": "error",
        "title": "An object of the Helm release is missing",
        "meaning": "Helm made this object, and somebody deleted it since. Helm looks at what it made only when it upgrades: the release "
        "says deployed all the same. It is an error where speakers or the controller need the object, else a warning.",
        "fix": "Let Helm put it back: helm rollback to the same revision, or the playbook l2ops.metallb.site.",
        "when": "The manifest of the newest deployed release names an object that the cluster does not have.",
        "commands": [
            "helm -n metallb-system get manifest metallb | kubectl diff -f -",
            "helm -n metallb-system rollback metallb REVISION",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB114": {
        "slug": "release-field-differs",
        "severity": "warning",
        "title": "An object differs from what the Helm release set",
        "meaning": "Somebody changed a field that Helm had set, or added a node selector or an affinity that keeps pods off nodes. It holds until "
        "the next upgrade, which undoes it, or for good, where Helm leaves fields of others alone.",
        "fix": "Let Helm put it back: helm rollback to the same revision, or the playbook l2ops.metallb.site. Or set the Helm value that "
        "asks for what is there now.",
        "when": "A field that the manifest of the newest deployed release sets has another value in the cluster. Defaults, "
        "quantities, the order of lists and what the cluster adds are no difference.",
        "commands": [
            "helm -n metallb-system get manifest metallb | kubectl diff -f -",
            "kubectl -n metallb-system get daemonset metallb-speaker -o yaml --show-managed-fields",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB115": {
        "slug": "release-value-not-in-force",
        "severity": "warning",
        "title": "A Helm value is set and not in force",
        "meaning": "The release has the value, and the argument that it gives the speakers was taken away since. Setting the value again "
        "changes nothing: Helm believes that it is in force.",
        "fix": "Let Helm put it back: helm rollback to the same revision, or the playbook l2ops.metallb.site.",
        "when": "An argument that a Helm value of the release gives is not among those of the running DaemonSet or Deployment.",
        "commands": [
            "helm -n metallb-system get values metallb",
            "kubectl -n metallb-system get daemonset metallb-speaker -o jsonpath='{.spec.template.spec.containers[0].args}'",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB116": {
        "slug": "release-not-deployed",
        "severity": "warning",
        "title": "The Helm release is pending or failed",
        "meaning": "The last installation or upgrade did not end well. While a revision is pending, Helm refuses every upgrade (another "
        "operation is in progress).",
        "fix": "If no Helm process is at work: helm rollback to the last deployed revision.",
        "when": "The newest revision of the release is pending-install, pending-upgrade, pending-rollback, failed or the like.",
        "commands": [
            "helm -n metallb-system history metallb",
            "helm -n metallb-system rollback metallb REVISION",
        ],
        "needs": "A",
        "category": "install",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB201": {
        "slug": "exclude-label",
        "severity": "warning",
        "title": "A label keeps the node from announcing",
        "meaning": "The node carries node.kubernetes.io/exclude-from-external-load-balancers. Its presence counts, whatever its "
        "value, the empty one too, and speakers say nothing about it at their usual log level. kubeadm, and Talos since "
        "1.8, set it on control planes. It is an error where it leaves no node to announce some address.",
        "fix": "Take the label away (role l2ops.metallb.nodes; on Talos out of the machine configuration), or let MetalLB "
        "ignore it: Helm value speaker.ignoreExcludeLB: true.",
        "when": "A node that an L2Advertisement selects has the label, and speakers run without --ignore-exclude-lb.",
        "commands": [
            "ansible-playbook l2ops.metallb.site --tags metallb_nodes",
            "kubectl label node NODE node.kubernetes.io/exclude-from-external-load-balancers-",
            "helm -n metallb-system upgrade metallb metallb/metallb --reuse-values --set speaker.ignoreExcludeLB=true",
        ],
        "needs": "A",
        "category": "nodes",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB202": {
        "slug": "exclude-label-owned-by-talos",
        "severity": "warning",
        "title": "Talos puts the exclude label back",
        "meaning": "The label is in the node's annotation talos.dev/owned-labels: it comes out of the machine configuration. "
        "Removed through the API, it is back within a second.",
        "fix": "Take it out of the machine configuration by two patches in one call: set the label to an empty value, then "
        "delete it. Or set the Helm value speaker.ignoreExcludeLB: true.",
        "when": "As MLB201, and the node's annotation talos.dev/owned-labels names the label.",
        "commands": [
            "kubectl get node NODE -o jsonpath='{.metadata.annotations.talos\\.dev/owned-labels}'",
            "talosctl -n NODE patch machineconfig --patch @set-empty.yaml --patch @delete.yaml",
            "helm -n metallb-system upgrade metallb metallb/metallb --reuse-values --set speaker.ignoreExcludeLB=true",
        ],
        "needs": "A",
        "category": "nodes",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB203": {
        "slug": "network-unavailable",
        "severity": "warning",
        "title": "The node's network is reported as unavailable",
        "meaning": "Speakers leave out nodes whose condition NetworkUnavailable is True. Mostly the CNI has not come up there. It "
        "is an error where that leaves no node to announce some address.",
        "fix": "See the CNI's pods on that node.",
        "when": "A node that an L2Advertisement selects has the condition NetworkUnavailable=True.",
        "commands": [
            "kubectl describe node NODE | grep NetworkUnavailable",
            "kubectl get pods -A --field-selector spec.nodeName=NODE",
        ],
        "needs": "A",
        "category": "nodes",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB204": {
        "slug": "announcer-not-ready",
        "severity": "error",
        "title": "The node that announces is not ready",
        "meaning": "Whether a node is Ready plays no part in the election. A node that is cut off may stay elected, and its "
        "addresses are dead until memberlist notices, or for ever where memberlist is off.",
        "fix": "Bring the node back, or take it out of the election: give it the exclude label, or remove its speaker.",
        "when": "The node that the election gives for some address is not Ready.",
        "commands": [
            "kubectl get nodes",
            "kubectl label node NODE node.kubernetes.io/exclude-from-external-load-balancers=",
        ],
        "needs": "A",
        "category": "nodes",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB205": {
        "slug": "speaker-kept-away",
        "severity": "warning",
        "title": "A taint of a failover test keeps the speaker off a node",
        "meaning": "Module speaker_away (playbook failover_test) taints a node for some seconds, so that its speaker goes, and takes the taint off "
        "even when it is killed. A taint that stands longer was left by a run whose host was lost, or which lost its right to write nodes: no "
        "speaker starts there any more.",
        "fix": "Run kubectl taint node NODE l2ops.metallb/speaker-away- where no failover test is running.",
        "when": "A node carries the taint l2ops.metallb/speaker-away. While a failover test runs that is right, for its seconds.",
        "commands": [
            "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints[*].key",
            "kubectl taint node NODE l2ops.metallb/speaker-away-",
        ],
        "needs": "A",
        "category": "nodes",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB301": {
        "slug": "pool-holds-node-address",
        "severity": "error",
        "title": "A pool holds the address of a node",
        "meaning": "MetalLB does not check this. When that address is given to a service, two hosts answer for it, and the node may "
        "be lost for its own administrators.",
        "fix": "Take the address out of the pool.",
        "when": "An address of a node lies in a range of the pool.",
        "commands": ["kubectl get nodes -o wide", "kubectl -n metallb-system edit ipaddresspool POOL"],
        "needs": "SA",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB302": {
        "slug": "pool-holds-reserved-address",
        "severity": "error",
        "title": "A pool holds a reserved address",
        "meaning": "The pool holds an address that belongs to something else: the gateway, a virtual address of Talos' API, or what "
        "was listed as reserved. Given to a service, it takes that away from the whole network.",
        "fix": "Take the address out of the pool.",
        "when": "A range of the pool holds an address given as gateway or reserved.",
        "commands": ["kubectl -n metallb-system edit ipaddresspool POOL"],
        "needs": "S",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB303": {
        "slug": "pools-overlap",
        "severity": "error",
        "title": "Pools share addresses",
        "meaning": "MetalLB refuses a configuration in which an address is in two pools, or twice in one.",
        "fix": "Give each address to one pool.",
        "when": "An address is in ranges of two pools, or in two ranges of one.",
        "commands": [
            "kubectl -n metallb-system get ipaddresspools -o custom-columns=NAME:.metadata.name,ADDRESSES:.spec.addresses"
        ],
        "needs": "S",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB304": {
        "slug": "pool-outside-node-network",
        "severity": "error",
        "title": "A pool lies outside the nodes' networks",
        "meaning": "Nobody on the nodes' network segment has a reason to ask by ARP for an address that is not on that segment, so "
        "layer 2 announcements are not heard. Only a router with a route to the segment could help.",
        "fix": "Take the addresses out of a network that the announcing nodes are on. Where the nodes' networks cannot be told "
        "from their addresses, say them: node_networks (metallb_node_networks).",
        "when": "No network that announcing nodes are on (node_networks, networks of interfaces, else guessed from the "
        "nodes' addresses) holds the range. On a guess alone it is a warning while the range is near.",
        "commands": ["kubectl get nodes -o wide", "talosctl -n NODE get addresses"],
        "needs": "SA",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB305": {
        "slug": "cidr-host-bits",
        "severity": "warning",
        "title": "A prefix means more addresses than it seems",
        "meaning": "MetalLB drops the host part of a prefix: 192.168.1.10/24 means all of 192.168.1.0/24, not the rest of it from "
        ".10 on.",
        "fix": "Write the network itself, or a range with both ends.",
        "when": "A prefix has bits set beyond its length.",
        "commands": ["kubectl -n metallb-system edit ipaddresspool POOL"],
        "needs": "S",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB306": {
        "slug": "pool-holds-network-or-broadcast",
        "severity": "warning",
        "title": "A pool holds the first or last address of a network",
        "meaning": "MetalLB gives out the network's own address and its broadcast address like any other. Hosts on that network do "
        "not talk to them.",
        "fix": "Take them out of the pool, or set avoidBuggyIPs: true, which keeps back addresses ending in .0 and .255.",
        "when": "A range holds the first or last address of an on-link IPv4 network, and avoidBuggyIPs does not keep it "
        "back.",
        "commands": [
            'kubectl -n metallb-system patch ipaddresspool POOL --type merge -p \'{"spec":{"avoidBuggyIPs":true}}\''
        ],
        "needs": "SA",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB307": {
        "slug": "pool-exhausted",
        "severity": "error",
        "title": "A pool has no or hardly any free address",
        "meaning": "The next service that needs an address of this pool gets none and stays pending. It is a warning while a few are "
        "left.",
        "fix": "Enlarge the pool, or remove services that need no address of their own.",
        "when": "All addresses are in use and somebody waits for one (error), or hardly any is left (warning).",
        "commands": [
            "kubectl -n metallb-system get ipaddresspool POOL -o jsonpath='{.status}'",
            "kubectl get services -A | grep pending",
        ],
        "needs": "A",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB308": {
        "slug": "pool-overlaps-cluster-network",
        "severity": "error",
        "title": "A pool overlaps the cluster's own networks",
        "meaning": "The pool shares addresses with the network of Services or of pods. Traffic to such an address is taken by the "
        "cluster's own routing.",
        "fix": "Take the pool out of the LAN's address range, away from the Service and Pod networks.",
        "when": "A range shares addresses with a ServiceCIDR, a node's podCIDR, cluster_networks, or the cluster address "
        "of a service.",
        "commands": ["kubectl get servicecidrs", "kubectl get nodes -o jsonpath='{.items[*].spec.podCIDRs}'"],
        "needs": "SA",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB309": {
        "slug": "pool-not-usable-range",
        "severity": "error",
        "title": "A pool's range cannot be used",
        "meaning": "MetalLB cannot read the entry (and then rejects its whole configuration), or no host can have such an address: "
        "loopback, link-local, multicast.",
        "fix": "Write a range like 192.168.7.200-192.168.7.250 or a prefix like 192.168.7.192/27; a single address needs /32, or "
        "/128.",
        "when": "An entry of addresses is no range or prefix that MetalLB reads, or holds addresses that no host on a LAN"
        " can have.",
        "commands": ["kubectl -n metallb-system get ipaddresspool POOL -o jsonpath='{.spec.addresses}'"],
        "needs": "S",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB310": {
        "slug": "pool-overlaps-dhcp",
        "severity": "error",
        "title": "A pool overlaps a DHCP range",
        "meaning": "The DHCP server will lease an address that a service has, or the other way round, and two hosts answer for it.",
        "fix": "Take the range out of the pool, or out of what the DHCP server gives out.",
        "when": "A range shares addresses with one given as dhcp_ranges.",
        "commands": ["kubectl -n metallb-system edit ipaddresspool POOL"],
        "needs": "S",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB311": {
        "slug": "object-in-other-namespace",
        "severity": "error",
        "title": "A pool or advertisement is outside MetalLB's namespace",
        "meaning": "MetalLB reads its configuration in its own namespace only, and its webhook refuses such objects elsewhere.",
        "fix": "Put the object into MetalLB's namespace.",
        "when": "An IPAddressPool or L2Advertisement is in another namespace than MetalLB.",
        "commands": ["kubectl get ipaddresspools,l2advertisements -A"],
        "needs": "SA",
        "category": "pools",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB401": {
        "slug": "pool-not-advertised",
        "severity": "error",
        "title": "No advertisement reaches the pool",
        "meaning": "Services get addresses of this pool, but no speaker announces them: no L2Advertisement names the pool or selects "
        "its labels, and no BGPAdvertisement does.",
        "fix": "Name the pool in ipAddressPools of an L2Advertisement, or leave out both ipAddressPools and ipAddressPoolSelectors "
        "there, which means all pools.",
        "when": "No L2Advertisement and no BGPAdvertisement names the pool, selects its labels, or stands for all pools.",
        "commands": [
            "kubectl -n metallb-system get l2advertisements -o yaml",
            "kubectl -n metallb-system get ipaddresspools --show-labels",
        ],
        "needs": "SA",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB402": {
        "slug": "advertisement-unknown-pool",
        "severity": "error",
        "title": "An advertisement names a pool that does not exist",
        "meaning": "MetalLB accepts such a name silently. Mostly it is a typing error, and the pool that was meant is not "
        "advertised.",
        "fix": "Fix the name in ipAddressPools, or create the pool.",
        "when": "ipAddressPools names a pool that is neither in the cluster nor among what was given.",
        "commands": ["kubectl -n metallb-system get ipaddresspools,l2advertisements"],
        "needs": "SA",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB403": {
        "slug": "advertisement-selects-no-node",
        "severity": "error",
        "title": "An advertisement selects no node",
        "meaning": "No node has the labels that its nodeSelectors want, so this advertisement announces nothing.",
        "fix": "Fix the nodeSelectors, or label the nodes that are to announce. Without nodeSelectors all nodes may.",
        "when": "None of the nodeSelectors matches any node.",
        "commands": ["kubectl get nodes --show-labels"],
        "needs": "A",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB404": {
        "slug": "advertisement-without-interfaces",
        "severity": "info",
        "title": "An advertisement names no interfaces",
        "meaning": "Addresses are announced on every interface of the elected node. That works, and MetalLB does not require "
        "interfaces; but a node with two interfaces in one network answers twice, and addresses become known on networks "
        "where they are not meant to be.",
        "fix": "Name the LAN interface in interfaces, if it has the same name on all selected nodes.",
        "when": "spec.interfaces is missing or empty.",
        "commands": [
            "talosctl -n NODE get links",
            'kubectl -n metallb-system patch l2advertisement NAME --type merge -p \'{"spec":{"interfaces":["eth0"]}}\'',
        ],
        "needs": "SA",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB405": {
        "slug": "interface-missing",
        "severity": "error",
        "title": "A node has none of the interfaces that are named",
        "meaning": "When such a node is elected, nobody answers: interfaces play no part in the election. If the service answers "
        "nevertheless, its former announcement is still in the speaker's memory and dies at its next restart.",
        "fix": "Name an interface that every selected node has, or use an advertisement with nodeSelectors for each kind of node.",
        "when": "By the facts given as interfaces, a selected node has none of the named interfaces.",
        "commands": ["talosctl -n NODE get links", "kubectl get events -A --field-selector reason=announceFailed"],
        "needs": "AF",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB406": {
        "slug": "interface-cannot-answer",
        "severity": "error",
        "title": "A named interface cannot answer ARP",
        "meaning": "It is a port of a bond or bridge, is down, or has NOARP set. To MetalLB it exists, so there is no event and the "
        "status looks right, but nothing listens there.",
        "fix": "Name the bond, bridge or VLAN above it, or bring it up.",
        "when": "By the facts given as interfaces, the named interface of a selected node is down, a port of a bond or "
        "bridge, or has NOARP, and no other named one can answer.",
        "commands": ["talosctl -n NODE get links -o yaml"],
        "needs": "F",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB407": {
        "slug": "interfaces-overridden",
        "severity": "warning",
        "title": "Another advertisement undoes the interfaces",
        "meaning": "Advertisements of the same pool and node add up. One of them names no interfaces, which means all, so the "
        "interfaces that the other one names limit nothing.",
        "fix": "Name interfaces in both, or remove one.",
        "when": "Two advertisements reach the same pool and node, and only one of them names interfaces.",
        "commands": ["kubectl -n metallb-system get l2advertisements -o yaml"],
        "needs": "SA",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB408": {
        "slug": "field-unknown",
        "severity": "error",
        "title": "A field that the installed MetalLB does not know",
        "meaning": "The API server drops unknown fields silently, so the object does less than it says. It is a typing error, or "
        "a field of a later MetalLB: serviceSelectors of L2Advertisement came with 0.16.",
        "fix": "Fix the field's name, or upgrade MetalLB.",
        "when": "spec has a field that the installed kind has not; without a cluster, one that no supported MetalLB has.",
        "commands": ["kubectl explain l2advertisement.spec", "kubectl explain ipaddresspool.spec"],
        "needs": "SA",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB409": {
        "slug": "selector-invalid",
        "severity": "error",
        "title": "A selector or list that MetalLB rejects",
        "meaning": "A label selector cannot be read, or a list holds an entry twice. MetalLB then rejects its whole configuration.",
        "fix": "Fix the selector: In and NotIn need values, Exists and DoesNotExist must have none.",
        "when": "A label selector is invalid, or a list that must not name anything twice does.",
        "commands": [
            "kubectl -n metallb-system get configurationstates",
            "kubectl -n metallb-system logs -l app.kubernetes.io/component=controller --tail=50",
        ],
        "needs": "S",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB410": {
        "slug": "preference-matches-no-node",
        "severity": "warning",
        "title": "A preference matches no node",
        "meaning": "preferredNodeSelectors order the nodes that nodeSelectors of the same advertisement select. None of these nodes has the "
        "labels that are preferred, so every node is as good as any other.",
        "fix": "Correct the labels in preferredNodeSelectors, label the nodes that are preferred, or let nodeSelectors select them.",
        "when": "preferredNodeSelectors are set, and no node that the advertisement selects matches any of them.",
        "commands": ["kubectl get nodes --show-labels", "kubectl -n metallb-system get l2advertisements -o yaml"],
        "needs": "A",
        "category": "advertisements",
        "since": "0.16.2",
        "until": None,
        "retired": False,
    },
    "MLB411": {
        "slug": "election-input-unknown",
        "severity": "warning",
        "title": "The elected node is unknown: a field of a newer MetalLB",
        "meaning": "The installed CRD has a field that this collection does not know, and an advertisement uses it. It may take part in the "
        "election, so the elected node is not predicted and nothing is held against ServiceL2Status or the LAN for it.",
        "fix": "Upgrade the collection l2ops.metallb to a version made for this MetalLB.",
        "when": "An L2Advertisement sets a field that the installed CRD has and the collection does not know.",
        "commands": ["kubectl explain l2advertisement.spec", "kubectl -n metallb-system get l2advertisements -o yaml"],
        "needs": "A",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB412": {
        "slug": "field-wrong-type",
        "severity": "error",
        "title": "A field has a value of the wrong type",
        "meaning": "The API server compares an object with the schema of its kind and refuses it as a whole where one value has another "
        'type: a number where text belongs, or text where true or false belongs. In YAML, quotes decide: 80 is a number and "80" is text, '
        "and an annotation of yes or true must be in quotes.",
        "fix": "Write the value in the type that the finding names: text in quotes, numbers, true and false without.",
        "when": "A field of a pool, an advertisement, a BGP object or a LoadBalancer Service in a file has another type than its schema says.",
        "commands": ["kubectl apply --dry-run=server -f FILE", "kubectl explain ipaddresspool.spec"],
        "needs": "S",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB413": {
        "slug": "interface-excluded",
        "severity": "error",
        "title": "The speakers exclude the interface",
        "meaning": "Speakers answer on no interface whose name matches an expression in the ConfigMap metallb-excludel2, which Helm makes to "
        "keep them off bridges and virtual interfaces. An interface that an L2Advertisement names, or by which the node is on the LAN, "
        "matches, so nothing answers there, and neither an event nor a status says so. It is a warning where an advertisement names others, too.",
        "fix": "Take the expression out of the ConfigMap (Helm value speaker.excludeInterfaces) and restart the speakers, or name another interface.",
        "when": "The speakers mount a ConfigMap whose name ends in excludel2, and one of its expressions matches an interface that an "
        "L2Advertisement names, or the interface of a node's own address (option interfaces) where it names none.",
        "commands": [
            "kubectl -n metallb-system get configmap metallb-excludel2 -o yaml",
            "kubectl -n metallb-system get l2advertisements -o custom-columns=NAME:.metadata.name,INTERFACES:.spec.interfaces",
        ],
        "needs": "AF",
        "category": "advertisements",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB501": {
        "slug": "no-address",
        "severity": "error",
        "title": "A service gets no address",
        "meaning": "The service is of type LoadBalancer and MetalLB's to serve, and its status has no address.",
        "fix": "See the finding that is named as its cause, or the event that it quotes.",
        "when": "A service of type LoadBalancer that MetalLB serves has no address in its status.",
        "commands": [
            "kubectl -n NAMESPACE describe service NAME",
            "kubectl -n metallb-system logs -l app.kubernetes.io/component=controller --tail=50",
        ],
        "needs": "A",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB502": {
        "slug": "requested-address-not-in-pool",
        "severity": "error",
        "title": "A service asks for what no pool can give",
        "meaning": "The address that it asks for is in no pool, the pool that it asks for does not exist, the pool's "
        "serviceAllocation keeps the service out, or the address is of another family than the service.",
        "fix": "Ask for an address of a pool, enlarge a pool, or leave the choice to MetalLB.",
        "when": "The address or pool that the service asks for is not there, is not for this service, or is of another "
        "family.",
        "commands": [
            "kubectl -n metallb-system get ipaddresspools -o yaml",
            "kubectl -n NAMESPACE get service NAME -o jsonpath='{.metadata.annotations}'",
        ],
        "needs": "SA",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB503": {
        "slug": "address-conflict",
        "severity": "error",
        "title": "A service asks for an address that another service has",
        "meaning": "Services share an address only if both carry the same value in metallb.io/allow-shared-ip, use different ports, "
        "and either both have the policy Cluster or select the same pods.",
        "fix": "Ask for another address, or make both fit for sharing.",
        "when": "The address that the service has or asks for is held by another one with which it may not share.",
        "commands": [
            "kubectl get services -A | grep ADDRESS",
            "kubectl -n NAMESPACE annotate --overwrite service NAME metallb.io/allow-shared-ip=KEY",
        ],
        "needs": "SA",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB504": {
        "slug": "deprecated-annotation",
        "severity": "warning",
        "title": "An annotation with the old prefix",
        "meaning": "metallb.universe.tf/ still works but is deprecated since 0.14.9. Where both prefixes are given, metallb.io/ wins; "
        "it is an error when the two say different things.",
        "fix": "Use the prefix metallb.io/ and remove the old annotation.",
        "when": "A service carries an annotation metallb.universe.tf/ that MetalLB reads.",
        "commands": [
            "kubectl -n NAMESPACE annotate service NAME metallb.io/loadBalancerIPs=ADDRESS metallb.universe.tf/loadBalancerIPs-"
        ],
        "needs": "SA",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB505": {
        "slug": "address-asked-twice",
        "severity": "error",
        "title": "A service asks for its address in two ways",
        "meaning": "MetalLB refuses a service with both spec.loadBalancerIP and the annotation loadBalancerIPs, even if they agree.",
        "fix": "Remove spec.loadBalancerIP, which Kubernetes has deprecated.",
        "when": "A service has both spec.loadBalancerIP and the annotation loadBalancerIPs.",
        "commands": [
            'kubectl -n NAMESPACE patch service NAME --type json -p \'[{"op":"remove","path":"/spec/loadBalancerIP"}]\''
        ],
        "needs": "SA",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB506": {
        "slug": "unknown-annotation",
        "severity": "warning",
        "title": "An annotation that MetalLB does not read",
        "meaning": "It has MetalLB's prefix, but MetalLB knows nothing of that name and ignores it silently. Mostly it is a "
        "typing error.",
        "fix": "Fix the name: address-pool, loadBalancerIPs or allow-shared-ip.",
        "when": "A service has an annotation with one of MetalLB's prefixes whose name MetalLB does not read.",
        "commands": ["kubectl -n NAMESPACE get service NAME -o jsonpath='{.metadata.annotations}'"],
        "needs": "SA",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB507": {
        "slug": "local-policy-without-local-endpoint",
        "severity": "error",
        "title": "Local policy, but no pod on a node that may announce",
        "meaning": "With externalTrafficPolicy Local only a node that runs a serving pod of the service announces it. No such node may "
        "announce, for its labels, its condition, its speaker or the advertisement. Speakers that had announced it log "
        "serviceWithdrawn with the reason notOwner.",
        "fix": "Run the pods on nodes that may announce, let those nodes announce, or use externalTrafficPolicy Cluster.",
        "when": "externalTrafficPolicy is Local, pods serve, and none of them is on a node that may announce.",
        "commands": [
            "kubectl -n NAMESPACE get pods -o wide",
            'kubectl -n NAMESPACE patch service NAME -p \'{"spec":{"externalTrafficPolicy":"Cluster"}}\'',
        ],
        "needs": "A",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB508": {
        "slug": "no-endpoints",
        "severity": "error",
        "title": "A service has no serving pod",
        "meaning": "MetalLB announces a service only while at least one of its endpoints serves, under the policy Cluster too. It has "
        "an address, and nobody answers ARP for it.",
        "fix": "See whether the selector matches pods and whether these are ready.",
        "when": "No endpoint of the service is ready or serving.",
        "commands": [
            "kubectl -n NAMESPACE get endpointslices -l kubernetes.io/service-name=NAME",
            "kubectl -n NAMESPACE get pods --show-labels",
        ],
        "needs": "A",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB509": {
        "slug": "no-announcer",
        "severity": "error",
        "title": "Nobody may announce a service's address",
        "meaning": "The service has an address and serving pods, and yet each node is ruled out. Speakers say so only at log level debug.",
        "fix": "See per node why not, and the finding that is named as its cause.",
        "when": "The service has an address and endpoints, and by MetalLB's election no node may announce it.",
        "commands": [
            'ansible-playbook l2ops.metallb.diagnose -e \'{"metallb_diagnose_services": ["NAMESPACE/NAME"]}\''
        ],
        "needs": "A",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB510": {
        "slug": "announcer-differs",
        "severity": "warning",
        "title": "ServiceL2Status names another node than the one that announces",
        "meaning": "The status is stale: the node in its status differs from the one in its label, or from the election, or the node is "
        "gone. Up to 0.15.3 a plain rolling restart of the speakers does this, since the field cannot be changed. "
        "Traffic is not touched, but whoever reads it is misled.",
        "fix": "Delete the object: the speaker writes a right one within seconds. Fixed in MetalLB 0.16. The module "
        "l2ops.metallb.speaker_restart leaves none behind.",
        "when": "ServiceL2Status names another node than its own label or the election, or is missing though the service "
        "is announced.",
        "commands": [
            "kubectl -n metallb-system get servicel2statuses --show-labels",
            "kubectl -n metallb-system delete servicel2status NAME",
        ],
        "needs": "A",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB511": {
        "slug": "announce-failed",
        "severity": "error",
        "title": "A speaker could not announce a service",
        "meaning": "The elected node has none of the interfaces that the advertisements name. The speaker says so in the event "
        "announceFailed, yet right after it also says nodeAssigned, and its metric says announced. If the service answers, "
        "its former announcement still lives in the speaker's memory, until that restarts.",
        "fix": "Name an interface that every selected node has, or restrict the advertisement to nodes that have it.",
        "when": "The latest event of the elected node's speaker about the service is announceFailed.",
        "commands": [
            "kubectl get events -A --field-selector reason=announceFailed",
            "kubectl -n metallb-system get l2advertisements -o yaml",
        ],
        "needs": "A",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB512": {
        "slug": "address-outside-pools",
        "severity": "error",
        "title": "A service holds an address that is in no pool",
        "meaning": "The pool was removed or made smaller. MetalLB does not announce such an address and gives the service another one "
        "at the next occasion.",
        "fix": "Put the address back into a pool, or let the service have a new one.",
        "when": "The service's addresses are in no pool, or in different ones.",
        "commands": [
            "kubectl -n metallb-system get ipaddresspools -o custom-columns=NAME:.metadata.name,ADDRESSES:.spec.addresses"
        ],
        "needs": "A",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB513": {
        "slug": "local-policy-single-point",
        "severity": "info",
        "title": "Local policy hangs on one node",
        "meaning": "Only one node is at once a candidate and home of a serving pod. When that pod moves or that node goes, the address "
        "falls silent until another pod serves.",
        "fix": "Run the pods on at least two nodes that may announce, with topologySpreadConstraints or a DaemonSet.",
        "when": "externalTrafficPolicy is Local and exactly one node may announce and has a serving pod.",
        "commands": ["kubectl -n NAMESPACE get pods -o wide"],
        "needs": "A",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB514": {
        "slug": "shared-address-split",
        "severity": "error",
        "title": "Two nodes announce one shared address",
        "meaning": "Services that share an address elect each for themselves. Where different advertisements reach them, or policy Local leaves "
        "each other nodes, two nodes answer for the one address, and clients reach whichever answered last.",
        "fix": "Let the same advertisements reach all services that share the address, with policy Cluster, or give each an address of its own.",
        "when": "Two services hold one address and the election gives different nodes for them. It is a warning where files alone show that "
        "different advertisements reach services that ask for one address.",
        "commands": ["kubectl get services -A -o wide", "kubectl -n metallb-system get l2advertisements -o yaml"],
        "needs": "SA",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB515": {
        "slug": "port-not-served",
        "severity": "error",
        "title": "No endpoint serves a port of the service",
        "meaning": "The service has ready pods, and none of them has a port that the service's targetPort names (or, for EndpointSlices made by "
        "hand, no slice names the port as the service does). MetalLB looks at endpoints only and announces the address, and the port "
        "answers nobody.",
        "fix": "Write the number of the port, or the name that the containers give it, as the targetPort of the service. In EndpointSlices made "
        "by hand, name the port as the service names it.",
        "when": "A service has serving endpoints, and none of their EndpointSlices has a port of the service port's name and protocol, or none is "
        "of the family (IPv4, IPv6) of an address that the service has.",
        "commands": [
            "kubectl -n NAMESPACE get endpointslices -l kubernetes.io/service-name=SERVICE -o yaml",
            "kubectl -n NAMESPACE get pods -l SELECTOR -o jsonpath='{.items[*].spec.containers[*].ports}'",
        ],
        "needs": "A",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB516": {
        "slug": "external-ips",
        "severity": "error",
        "title": "spec.externalIPs are not announced by MetalLB",
        "meaning": "kube-proxy accepts these addresses on every node, and nobody answers ARP or neighbour discovery for them: spec.externalIPs is "
        "not MetalLB's. kubectl shows them under EXTERNAL-IP all the same. MetalLB does not know them either and may give the same address to "
        "another service, whose port then leads to the wrong pods. It is an error where another service has or asks for the address and uses "
        "the same port, a warning where it has other ports or the address lies in a pool, else info.",
        "fix": "Take the addresses out of spec.externalIPs, and ask for one by metallb.io/loadBalancerIPs; for more addresses, make more services "
        "with the same selector.",
        "when": "A service of any type has spec.externalIPs that are no node's addresses and not what MetalLB gave to that service.",
        "commands": [
            "kubectl get services -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,EXTERNALIPS:.spec.externalIPs",
            'kubectl -n NAMESPACE patch service SERVICE --type json -p \'[{"op": "remove", "path": "/spec/externalIPs"}]\'',
        ],
        "needs": "SA",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB517": {
        "slug": "class-not-served",
        "severity": "error",
        "title": "Nobody serves the load balancer class of a service",
        "meaning": "A service of type LoadBalancer goes to the controller of its loadBalancerClass alone. A class that nobody serves (such as the "
        "word nil, which a template printed where no value was meant) leaves it pending for ever, without an event or a line in any log. It is "
        "an error where the class is a word for no value or looks like MetalLB's, a warning where no load balancer of that class was "
        "seen, and info where one runs.",
        "fix": "Remove loadBalancerClass, or set the class that MetalLB serves (Helm value loadBalancerClass). The field cannot be changed: the "
        "service has to be deleted and created.",
        "when": "A service of type LoadBalancer has no address and a class that MetalLB does not serve.",
        "commands": [
            "kubectl get services -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,CLASS:.spec.loadBalancerClass",
            "kubectl -n NAMESPACE get service SERVICE -o yaml | sed '/^  loadBalancerClass:/d' | kubectl replace --force -f -",
        ],
        "needs": "SA",
        "category": "services",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB601": {
        "slug": "no-answer",
        "severity": "error",
        "title": "Nobody answers for the address",
        "meaning": "The address was given to a service and is to be announced, but neither ARP nor neighbour discovery brings an answer.",
        "fix": "If a cause is named, fix that. Else run tcpdump on the elected node while you probe again: it shows whether the request "
        "arrives and whether an answer leaves.",
        "when": "Neither broadcast nor asking nodes alone brought an answer for a service's address.",
        "commands": ["ansible-playbook l2ops.metallb.diagnose", "arping -I INTERFACE -c 3 ADDRESS"],
        "needs": "W",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB602": {
        "slug": "foreign-answer",
        "severity": "error",
        "title": "A host that is no node answers",
        "meaning": "The address is in use elsewhere, by a static address, a DHCP lease, another cluster, or a proxy that answers for "
        "all.",
        "fix": "Find the host by its MAC and give it another address, or take the address out of the pool. If it is the probe host itself, "
        "remove the address there.",
        "when": "A MAC that is no node's answers for a service's address, and the MACs of all nodes are known; or the probe host itself holds it.",
        "commands": ["arping -b -I INTERFACE -c 3 ADDRESS", "ip neigh show ADDRESS"],
        "needs": "W",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB603": {
        "slug": "many-answers",
        "severity": "error",
        "title": "Several nodes answer for one address",
        "meaning": "Clients reach whichever answered last. Either another program holds the address (kube-vip, ServiceLB, an address added "
        "by hand), or kube-proxy in mode ipvs answers without strictARP, or the speakers do not see each other (port 7946 over TCP and UDP), "
        "or services share the address and each has an election of its own.",
        "fix": "See what holds the address on each node (ip address show to ADDRESS); keep one announcer; set strictARP; allow port 7946 "
        "between the nodes.",
        "when": "Two or more nodes answer for one address, to broadcast or when asked alone.",
        "commands": [
            "arping -b -I INTERFACE -c 3 ADDRESS",
            "kubectl -n metallb-system logs -l app.kubernetes.io/component=speaker -c speaker --tail=-1 | grep -i memberlist",
        ],
        "needs": "W",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB604": {
        "slug": "other-node-answers",
        "severity": "error",
        "title": "Another node answers than the elected one",
        "meaning": "The speakers decide on other data than the API shows: they see fewer of each other, or the change is very young.",
        "fix": "Look again after ten seconds. If it stays, see whether the speakers reach each other on port 7946.",
        "when": "Exactly one node answers, it is not the one that the election gives, and ServiceL2Status does not name it either.",
        "commands": [
            "kubectl -n metallb-system logs -l app.kubernetes.io/component=speaker -c speaker --tail=-1 | grep -i memberlist",
            "kubectl -n metallb-system rollout restart daemonset metallb-speaker",
        ],
        "needs": "AW",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB605": {
        "slug": "free-address-in-use",
        "severity": "error",
        "title": "A free address of a pool is already in use",
        "meaning": "No service has this address yet, but a host on the network answers for it. The service that gets it will share it "
        "with that host.",
        "fix": "Free the address, or take it out of the pool.",
        "when": "Somebody answers for an address of a pool that no service has.",
        "commands": ["arping -b -I INTERFACE -c 3 ADDRESS", "ip neigh show ADDRESS"],
        "needs": "AW",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB606": {
        "slug": "service-refuses",
        "severity": "error",
        "title": "The address answers, the port does not",
        "meaning": "ARP is answered, so MetalLB does its part. Behind it the connection fails: refused, timed out, TLS, or an HTTP status.",
        "fix": "Refused: kube-proxy has no rule, or the pods do not listen. Timed out: a firewall, a network policy, or the way "
        "back. When every service is refused at once, restart kube-proxy.",
        "when": "A port of a service was asked (service_probe) and did not answer as it should.",
        "commands": [
            "kubectl -n NAMESPACE get endpointslices -l kubernetes.io/service-name=NAME",
            "kubectl -n kube-system rollout restart daemonset kube-proxy",
        ],
        "needs": "W",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB607": {
        "slug": "stale-announcement",
        "severity": "error",
        "title": "It answers though by its configuration nobody should",
        "meaning": "A speaker still answers out of its memory. The service works now and dies when that speaker restarts.",
        "fix": "Fix what the API side names (mostly interfaces), then restart the speakers to see that it holds.",
        "when": "A node answers for the address, though by the configuration nobody may, or a speaker said that it "
        "cannot.",
        "commands": [
            "kubectl get events -A --field-selector reason=announceFailed",
            "kubectl -n metallb-system rollout restart daemonset metallb-speaker",
        ],
        "needs": "AW",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB608": {
        "slug": "probe-not-on-link",
        "severity": "error",
        "title": "The probe host cannot tell",
        "meaning": "It has no interface in the network of the address, or may not send raw frames, so silence means nothing; or one MAC "
        "answers, and whose it is, is not known, since a node's own address is silent. The service is then unknown, neither fine nor broken.",
        "fix": "Probe from a host of that network segment that is no node, as root.",
        "when": "The probe host could not ask for an address (error), or its silence or its only answer proves nothing (warning).",
        "commands": ["ip -brief address", "ansible-playbook l2ops.metallb.diagnose -e metallb_probe_host=HOST"],
        "needs": "W",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB609": {
        "slug": "broadcast-lost",
        "severity": "error",
        "title": "The node answers when asked alone, but not to broadcast",
        "meaning": "The right node announces, but requests to everybody (broadcast, or multicast for IPv6) do not reach it: ARP "
        "suppression or inspection, storm control, a Wi-Fi or virtual switch, a VLAN filter of the CNI; for IPv6 also a speaker that lost the group "
        "when its interface was down.",
        "fix": "See the switch or access point between, and filters on the node (a CNI that drops VLANs which are not its own, nftables). "
        "For IPv6, restart that speaker first.",
        "when": "A node answers when it is asked alone, and not to broadcast or multicast.",
        "commands": ["tcpdump -ni INTERFACE arp or icmp6", "kubectl -n metallb-system delete pod SPEAKER"],
        "needs": "W",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB610": {
        "slug": "one-node-twice",
        "severity": "warning",
        "title": "One node answers with several MACs",
        "meaning": "Several of its interfaces are in this network segment and the advertisement does not choose among them.",
        "fix": "Name one interface in the L2Advertisement.",
        "when": "One node answers for one address with two or more MACs.",
        "commands": [
            "talosctl -n NODE get links",
            'kubectl -n metallb-system patch l2advertisement NAME --type merge -p \'{"spec":{"interfaces":["eth0"]}}\'',
        ],
        "needs": "W",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB611": {
        "slug": "node-silent",
        "severity": "warning",
        "title": "A node does not answer for its own address",
        "meaning": "The probe host asked for the node's own address as well, and nobody answered: the node is down or unplugged, or requests to "
        "broadcast do not reach it. What it announces is silent for the same reason, so neither MetalLB nor the service is to blame.",
        "fix": "Bring the node or its link back, or delete it. If it is up, see where broadcast is lost: switch, access point, a filter of "
        "the CNI or of the node.",
        "when": "None of a node's own addresses answered the probe host, to broadcast or alone. It is an error where the node is elected for "
        "an address that is silent.",
        "commands": ["arping -I INTERFACE -c 3 NODE_ADDRESS", "tcpdump -ni INTERFACE arp"],
        "needs": "AW",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB612": {
        "slug": "prediction-differs",
        "severity": "warning",
        "title": "Only the predicted node differs",
        "meaning": "One node answers, and ServiceL2Status names the same node. Only the node that this collection predicts differs. Nothing is "
        "wrong with the service: the prediction is made for a version of MetalLB, and a newer or patched one may elect in another way.",
        "fix": "Nothing on the cluster. If it stays for minutes, report it with a snapshot (l2_info, option save_to).",
        "when": "Exactly one node answers for a service's addresses, ServiceL2Status names it, and the election gives another one.",
        "commands": ["kubectl -n metallb-system get servicel2statuses --show-labels"],
        "needs": "AW",
        "category": "wire",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB701": {
        "slug": "wave-before-kind",
        "severity": "error",
        "title": "Pools or advertisements are applied before MetalLB",
        "meaning": "IPAddressPool and L2Advertisement are kinds that MetalLB's chart brings. What is applied before the chart, or in "
        "its wave, or in the same Kustomization of Flux, is refused by the API server, and on a new cluster Argo CD and Flux then never "
        "come to the chart. It is a warning where Flux, or the Application of Argo CD that holds them, fails first and is tried again, and "
        "info where Argo CD tries for ever (selfHeal).",
        "fix": "Argo CD: MetalLB's chart in wave 0, pools in wave 1, advertisements in wave 2. Flux: pools in a Kustomization of their "
        "own, with dependsOn on that of the chart, which has wait: true. Role l2ops.metallb.gitops writes both.",
        "when": "Within one sync of Argo CD an object of MetalLB's kinds has no later wave than the Application of the chart, or a CRD. Or "
        "it is in the Kustomization of the HelmRelease, or in one that does not wait for that.",
        "commands": [
            "ansible-playbook l2ops.metallb.gitops -e metallb_gitops_path=.",
            "kubectl -n argocd get applications",
            "kubectl -n flux-system get kustomizations",
        ],
        "needs": "S",
        "category": "gitops",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB702": {
        "slug": "wave-before-pool",
        "severity": "error",
        "title": "A service is applied before MetalLB can serve it",
        "meaning": "Argo CD takes a Service of type LoadBalancer for healthy only when it has an address, and goes on to the next wave "
        "only then. With the pool in a later wave neither ever comes. With the advertisement later, the service has an address that nobody "
        "announces until then, which is a warning.",
        "fix": "Give services, and charts that bring them, a later wave than pools and advertisements: 3 and more.",
        "when": "Within one sync of Argo CD a Service of type LoadBalancer, or a chart with one, has an earlier wave than all pools, or "
        "than MetalLB, or than all advertisements. Or Flux makes a pool or an advertisement wait for it.",
        "commands": [
            "kubectl get services -A --field-selector spec.type=LoadBalancer",
            "kubectl -n argocd get applications",
        ],
        "needs": "S",
        "category": "gitops",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB703": {
        "slug": "waves-do-not-wait",
        "severity": "warning",
        "title": "Argo CD's waves do not wait for an Application",
        "meaning": "Since 1.8 Argo CD does not look how healthy an Application is that another Application holds. To it, MetalLB's "
        "Application is healthy as soon as it is written, and pools follow at once: the sync fails and is tried again, or services come "
        "before their addresses. It is info where no argocd-cm is among the files, since it may be elsewhere.",
        "fix": "Add resource.customizations.health.argoproj.io_Application to ConfigMap argocd-cm. Role l2ops.metallb.gitops writes it "
        "to bootstrap/argocd-cm.yaml.",
        "when": "MetalLB's Application is in a wave of an app of apps, something that needs MetalLB is in a later one, and the files hold "
        "no argocd-cm with that key.",
        "commands": ["kubectl -n argocd get configmap argocd-cm -o yaml | grep -A9 health.argoproj.io_Application"],
        "needs": "S",
        "category": "gitops",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB704": {
        "slug": "kind-checked-before-sync",
        "severity": "warning",
        "title": "Argo CD refuses a sync with kinds that a chart is yet to bring",
        "meaning": "Before the first wave Argo CD asks whether the cluster knows every kind of the sync. Pools beside the Application "
        "of MetalLB's chart are of kinds that only the chart brings, so on a new cluster nothing is applied at all, the chart neither. "
        "Where MetalLB was installed before, it works. It is info where it cannot be seen whether one Application syncs both.",
        "fix": "Give the objects the annotation argocd.argoproj.io/sync-options: SkipDryRunOnMissingResource=true, or the Application "
        "that holds them the same under syncOptions, or put them into an Application of their own.",
        "when": "An object of MetalLB's kinds is in the same sync as the Application of the chart, in a later wave, without that option.",
        "commands": ["kubectl -n argocd get applications", "kubectl get crd ipaddresspools.metallb.io"],
        "needs": "S",
        "category": "gitops",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB705": {
        "slug": "dependency-never-ready",
        "severity": "error",
        "title": "Flux waits for what never becomes ready",
        "meaning": "dependsOn leads back to where it began, and Flux applies none of them. It is a warning where a name is not among the "
        "files but much like one that is.",
        "fix": "Fix dependsOn: pools wait for MetalLB's chart, services for the advertisement, and nothing waits for what waits for it.",
        "when": "A Kustomization or HelmRelease that has to do with MetalLB depends on itself by some detour, or on a misspelt name.",
        "commands": [
            "kubectl -n flux-system get kustomizations -o custom-columns=NAME:.metadata.name,AFTER:.spec.dependsOn"
        ],
        "needs": "S",
        "category": "gitops",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB706": {
        "slug": "key-given-twice",
        "severity": "error",
        "title": "A key is given twice in one dictionary",
        "meaning": "YAML allows each key once. Helm and kubectl take the last one and silently drop what the first one says, with all below "
        "it; Kustomize refuses the file. A second speaker: in Helm values of MetalLB drops the settings of the first.",
        "fix": "Bring both into one, or remove one of them.",
        "when": "An object of MetalLB, a LoadBalancer Service or Helm values of MetalLB in a file have a key twice in one dictionary.",
        "commands": ["kustomize build FOLDER", "yamllint FILE"],
        "needs": "S",
        "category": "gitops",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
    "MLB707": {
        "slug": "format-not-read",
        "severity": "error",
        "title": "A format that MetalLB does not read",
        "meaning": "Before 0.13 MetalLB read a ConfigMap, and its chart the value configInline; the kind AddressPool came between. Current "
        "versions read none of them, the chart refuses configInline, and the API server refuses a kind or an API version that it does not "
        "serve. What stands there is not in force.",
        "fix": "Write an IPAddressPool and an L2Advertisement of API version metallb.io/v1beta1.",
        "when": "A file holds a ConfigMap config with address-pools, configInline in Helm values, an AddressPool, or an API version that "
        "MetalLB does not have.",
        "commands": ["kubectl api-resources --api-group metallb.io"],
        "needs": "S",
        "category": "gitops",
        "since": "0.14.9",
        "until": None,
        "retired": False,
    },
}
