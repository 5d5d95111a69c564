# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Services that are meant for another load balancer: by their class, or by their annotations."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.other_load_balancers import (
    NO_VALUES,
    OtherLoadBalancer,
    by_annotation,
    by_class,
    by_images,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import is_unknown, listing
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service
from ansible_collections.l2ops.metallb.plugins.module_utils._model.workloads import Workload
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context, Skip, plural, service_ref


def meant_for_another(service: Service) -> str:
    """For a sentence about a service without an address: whose it is by its annotations; "" where these say nothing."""
    found = by_annotation(service.annotations)
    return "" if found is None else f"; its annotation {found[1]} is meant for {found[0].name}, not for MetalLB"


def leave_to_another(service: Service) -> str:
    """How a service is kept from MetalLB, where its annotations are meant for another load balancer; "" where they are not."""
    found = by_annotation(service.annotations)
    if found is None:
        return ""
    other, annotation = found
    own = (
        f"loadBalancerClass: {other.own_class}"
        if other.own_class
        else f"the loadBalancerClass that {other.name} serves, if it has one"
    )
    return (
        f"If {other.name} is to serve it: {own} (a service that exists must be made anew for that), or give MetalLB a class of its own: "
        "Helm value loadBalancerClass, and the same class in the services that MetalLB is to serve. Else remove the annotation "
        f"{annotation}."
    )


def _server_of_class(context: Context, lb_class: str) -> str:
    """Evidence that another load balancer serves this class, for a sentence; "" where there is none."""
    snapshot = context.snapshot
    served = [
        one.path
        for one in snapshot.services.values()
        if one.type == "LoadBalancer"
        and one.load_balancer_class == lb_class
        # An address of a pool may be one that MetalLB gave before it had another class.
        and (one.odd_ingress or any(snapshot.pool_of([address]) is None for address in one.ingress))
    ]
    if served:
        return f"{listing(served, 1)} of the same class has an address"
    for workload in snapshot.daemonsets:
        if workload.ready and _serves_class(context, workload, lb_class):
            return f"{workload.kind} {workload.namespace}/{workload.name} of that class runs"
    return ""


def _serves_class(context: Context, workload: Workload, lb_class: str) -> bool:
    other = by_images(container.image for container in workload.containers)
    if lb_class:
        known = by_class(lb_class)
        return (known is not None and known is other) or any(
            lb_class in text for container in workload.containers for text in (*container.args, *container.env.values())
        )
    if other is None or any(one.env.get("lb_class_only", "").lower() == "true" for one in workload.containers):
        return False
    return _gives_addresses(context, workload, other)


def _gives_addresses(context: Context, workload: Workload, other: OtherLoadBalancer) -> bool:
    """Whether a program that has other uses, too, is set up to give addresses to services."""
    if other.name == "kube-vip":
        return any(one.env.get("svc_enable", "").lower() == "true" for one in workload.containers)
    if other.name == "Cilium":
        return bool(context.snapshot.raw("ciliumloadbalancerippools"))
    return True


def class_not_served(context: Context) -> Iterator[Finding]:
    """A service of a class that MetalLB does not serve, without an address: who is to give it one?"""
    snapshot = context.snapshot
    context.demand_metallb()
    ours = snapshot.speakers.lb_class
    open_question = []
    servers: dict[str, str] = {}
    for service in sorted(snapshot.services.values(), key=lambda one: one.key):
        lb_class = service.load_balancer_class
        if service.type != "LoadBalancer" or service.terminating or service.ingress or service.odd_ingress:
            continue
        if snapshot.serves(service):
            continue
        no_value = lb_class.lower() in NO_VALUES
        looks_like_ours = "metallb" in lb_class.lower()
        # Files alone do not say which other load balancers there are, nor a cluster without its Deployments which class MetalLB serves.
        known = not snapshot.static or (looks_like_ours and "lb_class" in snapshot.settings)
        if is_unknown(lb_class) or (not no_value and not known):
            open_question.append(service.path)
            continue
        if lb_class not in servers:
            servers[lb_class] = "" if no_value or looks_like_ours else _server_of_class(context, lb_class)
        served = servers[lb_class]
        why, fix = _told(service, ours, no_value)
        if served:
            fix = f"See what the load balancer of its class says: kubectl -n {service.namespace} describe service {service.name}"
        yield Finding(
            "MLB517",
            service_ref(service),
            f"it gets no address: {why}"
            + (f"; {served}, so it is not for MetalLB" if served else ", and nobody who serves its class was seen"),
            fix=fix,
            severity="info" if served else "error" if no_value or looks_like_ours else "warning",
            evidence={"class": lb_class, "metallb_class": ours, "served_by": served},
            changed=service.created,
            path="spec.loadBalancerClass" if lb_class else "spec",
        )
    if open_question:
        raise Skip(
            f"whether somebody serves the class of {plural(len(open_question), 'service')} ({listing(open_question, 3)}) cannot be seen: "
            "no cluster was looked at"
        )


def _told(service: Service, ours: str, no_value: bool) -> tuple[str, str]:
    """Why MetalLB does not serve it, and what fixes that."""
    lb_class = service.load_balancer_class
    serves = f"MetalLB serves only the class {ours}" if ours else "MetalLB serves only services without a class"
    if not lb_class:
        return f"it has no loadBalancerClass, and {serves}", _make_anew(service, ours)
    if no_value:
        return (
            f"its loadBalancerClass is the word {lb_class!r}, which Kubernetes takes for the name of a class, and {serves}",
            _make_anew(service, ours),
        )
    known = by_class(lb_class)
    whose = f" (of {known.name})" if known else ""
    return (
        f"its loadBalancerClass is {lb_class}{whose}, and {serves}",
        f"If MetalLB is to serve it: {_make_anew(service, ours)}. Else see why {known.name if known else 'the controller of its class'} does not run.",
    )


def _make_anew(service: Service, ours: str) -> str:
    """The field cannot be changed, so the service is deleted and created again."""
    if not service.load_balancer_class:
        change = f"sed 's|^spec:|spec:\\n  loadBalancerClass: {ours}|'"
    elif ours:
        change = f"sed 's|^  loadBalancerClass:.*|  loadBalancerClass: {ours}|'"
    else:
        change = "sed '/^  loadBalancerClass:/d'"
    return (
        f"{f'Set loadBalancerClass: {ours}' if ours else 'Remove loadBalancerClass'} where the service is written. The field cannot be changed, so "
        f"delete and create the service: kubectl -n {service.namespace} get service {service.name} -o yaml | {change} | kubectl replace --force -f -"
    )
