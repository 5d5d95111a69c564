#!/usr/bin/python
# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: l2_probe
short_description: Ask the LAN who answers for an address
version_added: 1.0.0
author:
  - l2ops.metallb contributors (@l2ops)
description:
  - Sends ARP requests (IPv4) and neighbour solicitations (IPv6) for any number of addresses at once, and returns
    everybody who
    answers, with times and with the node that each answer comes from.
  - This is proof from the wire. The API says which node I(should) announce an address (and C(ServiceL2Status) is wrong
    at times);
    this module says which one does, and whether anybody else does too.
  - It waits for late second answers, so that an address held by two hosts is seen; it never claims an address itself,
    and it
    paces itself by the answers, for a speaker drops what exceeds its queue of 256 frames.
  - Run it on a Linux host of the same network segment that is B(not) a node of the cluster (group C(metallb_probes));
    only
    the Python standard library is needed there.
  - It changes nothing, so it runs in check mode as well.
options:
  targets:
    description:
      - What to ask for. Each entry is an address (V(192.168.7.203)), a range (V(192.168.7.200-192.168.7.250)), a prefix
        (V(192.168.7.0/24)), a dict with C(address) or C(addresses) (and, if you like, C(name), which comes back in the
        result,
        and C(node), the node that should answer), an entry of the C(services) or C(pools) of M(l2ops.metallb.l2_info), of a live
        cluster or a snapshot (a service's C(elected) node is the one that should answer), or a Kubernetes object as
        C(kubernetes.core.k8s_info) returns it, of kind
        IPAddressPool (all its addresses) or Service (those that it was given).
      - Each address is asked for once, however often it is named.
    type: list
    elements: raw
    required: true
  exclude:
    description:
      - Addresses not to ask for, in the same forms as O(targets); for instance those already given to services, when
        the rest of a
        pool must be free.
    type: list
    elements: raw
    default: []
  nodes:
    description:
      - The nodes of the cluster, to tell whose MAC an answer carries. Their own addresses are asked in the same sweep,
        so
        this needs no access to the nodes.
      - A list of dicts with C(name) and C(addresses) (and C(macs) for interfaces of a node that its addresses don't
        show), or of
        Kubernetes Nodes, or a dict of name to address or addresses.
      - Without it, no answer can be called foreign.
    type: raw
  expected:
    description:
      - The node that should answer, by address (or range, or prefix). Overrides C(node) in O(targets).
    type: dict
    default: {}
  mode:
    description:
      - V(sweep) asks for addresses that should be answered, each by one node.
      - V(conflict) asks for addresses that should B(not) be answered, before a pool is made or enlarged, by the probe
        of RFC 5227 (sender
        0.0.0.0), which changes nobody's ARP table. Announcements and other hosts' probes for an address count as use
        too.
      - V(watch) keeps asking for O(duration) seconds and reports every change of MAC, every gratuitous announcement,
        and the
        longest silence, with times; for measuring a failover.
    type: str
    choices: [sweep, conflict, watch]
    default: sweep
  duration:
    description:
      - How many seconds V(watch) watches.
    type: float
    default: 30
  interval:
    description:
      - Milliseconds between two requests for the same address while O(mode=watch).
    type: int
    default: 100
  until:
    description:
      - While O(mode=watch), end before O(duration) has passed as soon as every address has been answered by another MAC
        than at
        the beginning (V(changed); 1.5 seconds more are watched then, for the announcements that follow), or is answered
        at all
        (V(answered)).
    type: str
    choices: [duration, changed, answered]
    default: duration
  interface:
    description:
      - The interface to ask on. When left out, it is chosen for each address by this host's networks and routes.
    type: str
  source:
    description:
      - The sender address for IPv4 requests (or, if it is an IPv6 address, for solicitations). It must be this host's
        own, and none of those
        asked for; V(0.0.0.0) asks without one. When left out, the interface's address in the network of the target.
    type: str
  timeout:
    description:
      - Milliseconds to wait for an answer after the first, second, … request for an address. As many requests are sent
        as there are
        entries.
      - The default is V([100, 150, 300]), and V([500, 1000, 1000]) with O(mode=conflict). Of the former, the last is 200 when at
        least 8 addresses are answered and all of them within 20 ms; what is set here is kept to.
    type: list
    elements: int
  retries:
    description:
      - How many more requests are sent to an address that doesn't answer. The last entry of O(timeout) is repeated as
        needed.
      - The default is as many as O(timeout) has further entries.
    type: int
  duplicate_window:
    description:
      - Milliseconds to listen for further answers after the last request, though every address was answered. A second
        host that is slower
        than the first shows only then.
    type: int
    default: 250
  burst:
    description:
      - Frames that may be sent ahead of the answers. MetalLB's speaker has a queue of 256 frames, which other hosts'
        broadcasts fill too.
    type: int
    default: 100
  rate:
    description:
      - Frames per second that may be sent beyond O(burst) though nobody answers. An answer makes room for a further
        frame at once, so
        a network where everybody answers is swept as fast as it answers.
    type: int
    default: 1000
  fast_rate:
    description:
      - The same as O(rate) as long as all answers come within 20 ms and keep coming, which shows that no responder is behind.
      - One that is behind after all (a speaker that its CPU limit stops for most of the time) is noticed by its first late answer. The
        sweep then goes on at O(rate), and the silent are asked twice more. To be on the safe side where one such speaker may hide among
        many quick hosts and many silent addresses, set it to O(rate).
      - Not used with O(mode=conflict), where there is time.
    type: int
    default: 6000
  max_rate:
    description:
      - Frames in any one second that are never exceeded, answers or not; V(0) for no such limit.
      - For switch ports with ARP inspection, which shut the port at a limit that is often 15 per second. V(10) is safe
        there.
    type: int
    default: 0
  unicast:
    description:
      - Whether to ask each node alone as well. A speaker answers such a request only if it announces the address, and
        no broadcast
        needs to get through, so this separates "nobody announces it" from "broadcast is lost on the way".
      - V(auto) does so for addresses where the answers to broadcast leave a doubt (none, several, or not the expected
        one).
    type: str
    choices: [auto, always, never]
    default: auto
  canary:
    description:
      - Addresses that surely nobody has. Whoever answers for one of them is a proxy that answers for everything, and
        its other answers
        prove nothing.
      - Without it, hosts that are no nodes but answer are asked alone for an address of the documentation networks (RFC
        5737, RFC 3849).
    type: list
    elements: str
    default: []
  fallback:
    description:
      - What to do where raw sockets are forbidden (not root, a container without C(CAP_NET_RAW), no Linux).
      - V(neighbour) makes the kernel ask, by sending an empty datagram, and reads its neighbour table. That shows one
        MAC per address at
        most, so RV(conclusive) is then false and RV(inconclusive_reasons) says what could not be seen and how to get
        it.
      - V(fail) fails.
    type: str
    choices: [neighbour, fail]
    default: neighbour
  max_targets:
    description:
      - Fail rather than ask for more addresses than this.
    type: int
    default: 4096
  fail_on:
    description:
      - V(error) fails when an address has another RV(targets[].outcome) than V(ok) (V(free) with O(mode=conflict)), or
        when that cannot be told. All
        data is returned nevertheless.
      - V(never) leaves the judgement to the caller.
    type: str
    choices: [error, never]
    default: never
extends_documentation_fragment:
  - l2ops.metallb.attributes
  - l2ops.metallb.attributes.info
notes:
  - Needs C(CAP_NET_RAW) on the host where it runs, that is C(become) in most cases; see O(fallback).
  - ICMP (C(ping)) is no test for a MetalLB address; ARP and the service's own port (M(l2ops.metallb.service_probe))
    are.
  - A node cannot see its own answers, so run it on a host that is no node. On a node, the result says so.
  - A sweep of addresses that all answer takes about O(duplicate_window), one with silent addresses the sum of O(timeout); a task shows
    no progress meanwhile. A silent range of thousands of addresses takes as many seconds at O(rate), three times over.
  - An address with C(tries) 3 and no answer has been asked 3 times; a single unanswered request proves nothing.
seealso:
  - module: l2ops.metallb.service_probe
  - module: l2ops.metallb.l2_info
"""

EXAMPLES = r"""
- name: Who answers for these addresses?
  l2ops.metallb.l2_probe:
    targets:
      - 192.168.7.200-192.168.7.250
      - fd00:192:168:7::200
  become: true

- name: Does each address answer from the node that should, and from no other?
  l2ops.metallb.l2_probe:
    targets:
      - address: 192.168.7.203
        name: traefik/traefik
        node: talos-worker-2
      - address: 192.168.7.201
        name: default/my-nginx
        node: talos-worker-1
    nodes:
      talos-cp-1: 192.168.7.11
      talos-worker-1: 192.168.7.21
      talos-worker-2: 192.168.7.22
    fail_on: error
  become: true

- name: Know the cluster, from its API or from a snapshot
  l2ops.metallb.l2_info:
  register: cluster
  delegate_to: localhost

- name: All its services, each from the node that the election gives
  l2ops.metallb.l2_probe:
    targets: "{{ cluster.services }}"
    nodes: "{{ cluster.nodes }}"
    fail_on: error
  become: true

- name: Services as the API has them
  kubernetes.core.k8s_info:
    kind: Service
  register: services
  delegate_to: localhost

- name: Nodes as the API has them
  kubernetes.core.k8s_info:
    kind: Node
  register: nodes
  delegate_to: localhost

- name: Ask for the address of every LoadBalancer Service
  l2ops.metallb.l2_probe:
    targets: "{{ services.resources | selectattr('spec.type', 'equalto', 'LoadBalancer') }}"
    nodes: "{{ nodes.resources }}"
  become: true
  register: wire

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ wire.targets | rejectattr('outcome', 'equalto', 'ok') | map(attribute='message') }}"

- name: Before a pool is enlarged, nobody may use its addresses
  l2ops.metallb.l2_probe:
    targets:
      - 192.168.7.192/26
    exclude: "{{ services.resources | selectattr('spec.type', 'equalto', 'LoadBalancer') }}"
    mode: conflict
    fail_on: error
  become: true

- name: Behind a switch port whose ARP inspection allows 15 frames per second
  l2ops.metallb.l2_probe:
    targets: [192.168.7.200-192.168.7.250]
    max_rate: 10
  become: true

- name: Measure a failover for up to a minute
  l2ops.metallb.l2_probe:
    targets: [192.168.7.203]
    nodes:
      talos-worker-1: 192.168.7.21
      talos-worker-2: 192.168.7.22
    mode: watch
    duration: 60
    until: changed
  become: true
"""

RETURN = r"""
targets:
  description: One entry per address, in the order of O(targets).
  returned: always, unless the probe could not be done at all
  type: list
  elements: dict
  contains:
    address:
      description: The address, in its canonical form.
      type: str
      sample: 192.168.7.203
    family:
      description: V(ipv4) (ARP) or V(ipv6) (neighbour discovery).
      type: str
      sample: ipv4
    names:
      description: On whose behalf it was asked, from O(targets).
      type: list
      elements: str
      sample: [Service traefik/traefik]
    interface:
      description: The interface it was asked on; empty when it was not.
      type: str
      sample: eth0
    vlan:
      description: The VLAN of that interface, when it is a VLAN interface.
      type: int
      sample: null
    asked:
      description: Whether it could be asked. False when it is not on link, or the interface cannot be used; then
        C(reason) and C(message) say why.
      type: bool
      sample: true
    on_link:
      description: Whether the interface has an address in its network. Otherwise silence proves nothing.
      type: bool
      sample: true
    answered:
      description: Whether anybody answered requests to broadcast (or multicast).
      type: bool
      sample: true
    answers:
      description: Everybody who did, the first first.
      type: list
      elements: dict
      sample:
        - mac: '52:54:00:12:34:56'
          node: talos-worker-2
          rtt_us: 184
          late_us: 184
          count: 1
          broadcast: false
      contains:
        mac:
          description: The MAC that the answer claims (ARP sender hardware address, or target link-layer address
            option).
          type: str
          sample: '52:54:00:12:34:56'
        node:
          description: The node whose MAC that is; empty when it is none's.
          type: str
          sample: talos-worker-2
        rtt_us:
          description: Microseconds from the latest request to the kernel's receive stamp; null when that is not known.
          type: int
          sample: 184
        late_us:
          description: Microseconds from the first request for this address.
          type: int
          sample: 184
        count:
          description: How often this MAC answered.
          type: int
          sample: 1
        broadcast:
          description: Whether it answered to everybody rather than to us.
          type: bool
          sample: false
        ethernet_source:
          description: The MAC that the frame itself came from.
          returned: when it is another one, as behind some proxies and bonds
          type: str
          sample: '52:54:00:aa:bb:cc'
        source:
          description: The address that the advertisement came from. MetalLB's is the node's link-local address.
          returned: IPv6
          type: str
          sample: fe80::5054:ff:fe12:3456
        flags:
          description: Flags of the advertisement.
          returned: IPv6
          type: list
          elements: str
          sample: [solicited]
        state:
          description: State of the kernel's neighbour entry.
          returned: RV(method=neighbour)
          type: str
          sample: reachable
        fresh:
          description: Whether that entry was confirmed after we asked.
          returned: RV(method=neighbour)
          type: bool
          sample: true
        local:
          description: The address is this host's own; it was not asked for.
          returned: then
          type: bool
          sample: true
        announced:
          description: The use showed by an announcement or another host's probe, not by an answer to ours.
          returned: O(mode=conflict)
          type: bool
          sample: false
        vendor:
          description: Whose MAC prefix it is, as far as this host knows.
          returned: for a MAC that is no node's, when known
          type: str
          sample: QEMU or KVM virtual machine
    macs:
      description: The MACs of C(answers).
      type: list
      elements: str
      sample: ['52:54:00:12:34:56']
    node:
      description: The node that answered, when exactly one MAC did and it is a node's.
      type: str
      sample: talos-worker-2
    answering_nodes:
      description: All nodes that answered, to broadcast or when asked alone.
      type: list
      elements: str
      sample: [talos-worker-2]
    duplicate:
      description: Whether more than one MAC answered.
      type: bool
      sample: false
    expected:
      description: The node that should answer; empty when none was named.
      type: str
      sample: talos-worker-2
    unicast:
      description: What came of asking single MACs; empty when that was not done (O(unicast)).
      type: list
      elements: dict
      sample: []
      contains:
        mac:
          description: The MAC that was asked.
          type: str
          sample: '52:54:00:12:34:56'
        node:
          description: Its node.
          type: str
          sample: talos-worker-2
        answered:
          description: Whether it answered.
          type: bool
          sample: true
        rtt_us:
          description: Microseconds from request to answer.
          type: int
          sample: 170
    proxy:
      description: Whether one of C(macs) also answered for an address that nobody has.
      type: bool
      sample: false
    tries:
      description: How many requests were sent to broadcast.
      type: int
      sample: 1
    outcome:
      description:
        - V(ok), one node answers, the expected one if one is expected (one MAC, when no O(nodes) are given).
        - V(silent), nobody answers.
        - V(broadcast-lost), only somebody who was asked alone answers.
        - V(foreign), a MAC that is no node's answers.
        - V(many), several nodes (or MACs) answer.
        - V(one-node-twice), one node answers with several MACs.
        - V(other-node), not the expected node answers.
        - V(unknown-node), a MAC answers that may be that of a node whose own address is silent.
        - V(not-asked), see C(reason).
        - With O(mode=conflict) V(in-use), V(free), V(unproven), V(not-asked).
      type: str
      sample: ok
    finding:
      description:
        - The code of the finding that this is, such as V(MLB602), or empty when all is well. See C(docs/findings) of the collection.
        - It rests on the wire alone. M(l2ops.metallb.l2_diagnose), given this result as O(l2ops.metallb.l2_diagnose#module:wire), knows
          what the API says as well, and names cause and fix, also of what only both together show (MLB607).
      type: str
      sample: ''
    conclusive:
      description: Whether the outcome can be relied on.
      type: bool
      sample: true
    reason:
      description: Why it was not asked, or why silence proves nothing. V(not-on-link), V(no-route), V(local),
        V(interface), V(no-link-local), V(multicast) or empty.
      type: str
      sample: ''
    watch:
      description:
        - What happened to the address while it was watched; null when it could not be asked. The other entries of the
          target tell how it
          was before.
        - C(before) and C(after) are the MACs that answered at the beginning and at the end, C(nodes_before) and
          C(nodes_after) their nodes,
          C(changes) how often other MACs answered than before, C(announcements) the number of gratuitous ones by MAC,
          C(requests) and
          C(answered) how many were sent and answered, C(longest_gap_ms) the longest time without an answer.
        - C(events) in order of time, each with C(event), C(at) (seconds since 1970), C(at_ms) (since the watch began),
          C(macs) and C(nodes).
          V(announced), somebody announced the address, C(by) V(request), V(reply) or V(advertisement) (IPv6);
          V(changed), other MACs answer than before (C(before)); V(answered), the first answer ever; V(lost), three
          requests in a row
          were not answered, C(at) is then the last answer; V(returned), the first answer after that, with C(gap_ms).
      returned: O(mode=watch)
      type: dict
      sample:
        before: ['52:54:00:12:34:56']
        after: ['52:54:00:65:43:21']
        nodes_before: [talos-worker-2]
        nodes_after: [talos-worker-1]
        changes: 1
        announcements: {'52:54:00:65:43:21': 4}
        requests: 61
        answered: 60
        longest_gap_ms: 203.1
        events:
          - event: announced
            at: 1795470538.1213
            at_ms: 4710.31
            macs: ['52:54:00:65:43:21']
            by: request
            nodes: [talos-worker-1]
          - event: changed
            at: 1795470538.1604
            at_ms: 4749.42
            before: ['52:54:00:12:34:56']
            macs: ['52:54:00:65:43:21']
            nodes: [talos-worker-1]
    message:
      description: The outcome in a sentence; empty when all is well.
      type: str
      sample: "192.168.7.203: nobody answers on eth0 after 3 requests."
nodes:
  description: MAC to node, as found by asking for the nodes' own addresses and as given.
  returned: always, unless the probe could not be done at all
  type: dict
  sample:
    '52:54:00:12:34:56': talos-worker-2
node_addresses:
  description: The nodes' own addresses and who answered for them. C(learnt_mac) is the MAC of a silent one, out of this host's
    neighbour table; C(answered_alone) says whether a silent one answered when it was asked alone.
  returned: always, unless the probe could not be done at all
  type: list
  elements: dict
  sample:
    - name: talos-worker-2
      address: 192.168.7.22
      family: ipv4
      interface: eth0
      answered: true
      answered_alone: false
      macs: ['52:54:00:12:34:56']
      learnt_mac: ''
      duplicate: false
      reason: ''
      message: ''
proxies:
  description: MACs that answered for an address that nobody has.
  returned: always, unless the probe could not be done at all
  type: list
  elements: str
  sample: []
interfaces:
  description: The interfaces that were used, by name.
  returned: always, unless the probe could not be done at all
  type: dict
  sample:
    eth0:
      name: eth0
      mac: '52:54:00:00:00:01'
      mtu: 1500
      kind: ''
      vlan: null
      up: true
      carrier: true
      addresses: [192.168.7.2/24]
method:
  description: V(raw) (own frames), V(neighbour) (the kernel's neighbour table; see O(fallback)) or V(connection) (TCP, where there
    is no such table to read).
  returned: always, unless the probe could not be done at all
  type: str
  sample: raw
conclusive:
  description: Whether every outcome can be relied on.
  returned: always, unless the probe could not be done at all
  type: bool
  sample: true
inconclusive_reasons:
  description: Why not, in sentences.
  returned: always, unless the probe could not be done at all
  type: list
  elements: str
  sample: []
inconclusive_reason:
  description: The same in one text.
  returned: always, unless the probe could not be done at all
  type: str
  sample: ''
watch:
  description: When the watch began (seconds since 1970), how long it was, how often each address was asked, and answers
    lost by this host.
  returned: O(mode=watch)
  type: dict
  sample:
    started_at: 1795470533.411
    seconds: 6.25
    interval_ms: 100.0
    local_drops: 0
started_at:
  description: When the sweep began, in seconds since 1970, UTC.
  returned: always, unless the probe could not be done at all
  type: float
  sample: 1795470532.855
statistics:
  description:
    - What it took. Frames sent and answers counted; C(malformed) frames that were no answer by the rules of their
      protocol; C(local_drops), answers that this
      host's kernel had to drop; C(send_errors), frames that had to be sent again as the local queue was full; the most
      C(rounds) that an address was
      asked; C(slow_responder), whether an answer came late or only to a further request; C(not_asked_alone),
      addresses that O(unicast=auto) left out as there were too many; C(elapsed_ms).
  returned: always, unless the probe could not be done at all
  type: dict
  sample:
    frames_sent: 55
    answers: 55
    malformed: 0
    local_drops: 0
    send_errors: 0
    rounds: 1
    slow_responder: false
    not_asked_alone: 0
    elapsed_ms: 266.4
failure_kind:
  description: V(execution) when the probe could not be done; V(findings) when it was done and O(fail_on) made it fail.
  returned: on failure
  type: str
  sample: execution
reason:
  description: A word for what hindered. V(targets), V(options), V(interface), V(permission), V(platform).
  returned: when the probe could not be done
  type: str
  sample: permission
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import octets, probe, sweep, targets
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import TargetError, WireError

MILLISECOND = 1_000_000
ROUNDS = {"sweep": [100, 150, 300], "watch": [100, 150, 300], "conflict": [500, 1000, 1000]}
LIMITS = {
    "interval": (10, 60_000),
    "duplicate_window": (0, 60_000),
    "burst": (1, 10_000),
    "rate": (1, 100_000),
    "fast_rate": (1, 100_000),
    "max_rate": (0, 100_000),
    "retries": (0, 100),
    "max_targets": (1, 1 << 20),
}


def within_limits(params):
    """Fail with the option's name and range rather than with what a silly number does later."""
    for option, (low, high) in LIMITS.items():
        number = params[option]
        if number is not None and not low <= number <= high:
            raise WireError("options", f"{option}: {number} is out of range; it may be {low} to {high}.")
    for number in params["timeout"] or []:
        if not 1 <= number <= 60_000:
            raise WireError(
                "options", f"timeout: {number} is out of range; each entry may be 1 to 60000 (milliseconds)."
            )
    if not 0.1 <= params["duration"] <= 86_400:
        raise WireError("options", f"duration: {params['duration']} is out of range; it may be 0.1 to 86400 (seconds).")


def build_settings(params):
    """Pace and waiting from the options; times in nanoseconds."""
    timeouts = list(params["timeout"] or ROUNDS[params["mode"]])
    if params["retries"] is not None:
        timeouts = (timeouts + [timeouts[-1]] * params["retries"])[: params["retries"] + 1]
    return sweep.Settings(
        timeouts=tuple(number * MILLISECOND for number in timeouts),
        window=params["duplicate_window"] * MILLISECOND,
        burst=params["burst"],
        rate=params["rate"],
        # where speed is no concern, never hurry
        fast_rate=params["rate"] if params["mode"] == "conflict" else params["fast_rate"],
        ceiling=params["max_rate"],
        quick_end=0 if params["timeout"] or params["mode"] == "conflict" else 200 * MILLISECOND,
    )


def build_request(params):
    """What to ask, from the options."""
    wanted = targets.parse_targets(params["targets"], params["max_targets"], params["exclude"])
    targets.parse_expected(params["expected"], wanted)
    canaries = []
    for text in params["canary"]:
        address = octets.to_address(text)
        if address is None:
            raise TargetError(f"canary: {text!r} is no address.")
        canaries.append(address)
    watch = None
    if params["mode"] == "watch":
        watch = probe.Watch(
            int(params["duration"] * 1000) * MILLISECOND, params["interval"] * MILLISECOND, params["until"]
        )
    return probe.Request(
        wanted=wanted,
        nodes=targets.parse_nodes(params["nodes"]),
        interface=params["interface"] or "",
        source=params["source"] or "",
        settings=build_settings(params),
        unicast=params["unicast"],
        canaries=canaries,
        conflict=params["mode"] == "conflict",
        fallback="fail" if watch else params["fallback"],
        watch=watch,
    )


def judge(result, mode):
    """The sentences that O(fail_on=error) fails with; empty when all is well."""
    good = {"conflict": "free"}.get(mode, "ok")
    wrong = [
        f"{target['finding']} {target['message'] or target['address'] + ': ' + target['outcome']}".strip()
        for target in result["targets"]
        if target["outcome"] != good
    ]
    return wrong or result["inconclusive_reasons"]


def main():
    module = AnsibleModule(
        argument_spec={
            "targets": {"type": "list", "elements": "raw", "required": True},
            "exclude": {"type": "list", "elements": "raw", "default": []},
            "nodes": {"type": "raw"},
            "expected": {"type": "dict", "default": {}},
            "mode": {"type": "str", "choices": ["sweep", "conflict", "watch"], "default": "sweep"},
            "duration": {"type": "float", "default": 30},
            "interval": {"type": "int", "default": 100},
            "until": {"type": "str", "choices": ["duration", "changed", "answered"], "default": "duration"},
            "interface": {"type": "str"},
            "source": {"type": "str"},
            "timeout": {"type": "list", "elements": "int"},
            "retries": {"type": "int"},
            "duplicate_window": {"type": "int", "default": 250},
            "burst": {"type": "int", "default": 100},
            "rate": {"type": "int", "default": 1000},
            "fast_rate": {"type": "int", "default": 6000},
            "max_rate": {"type": "int", "default": 0},
            "unicast": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
            "canary": {"type": "list", "elements": "str", "default": []},
            "fallback": {"type": "str", "choices": ["neighbour", "fail"], "default": "neighbour"},
            "max_targets": {"type": "int", "default": 4096},
            "fail_on": {"type": "str", "choices": ["error", "never"], "default": "never"},
        },
        supports_check_mode=True,
    )
    try:
        within_limits(module.params)
        result = probe.probe(build_request(module.params))
    except WireError as error:
        module.fail_json(msg=str(error), failure_kind="execution", reason=error.reason)
    wrong = judge(result, module.params["mode"])
    if wrong and module.params["fail_on"] == "error":
        more = f" (and {len(wrong) - 5} more)" if len(wrong) > 5 else ""
        module.fail_json(msg=" ".join(wrong[:5]) + more, failure_kind="findings", changed=False, **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
