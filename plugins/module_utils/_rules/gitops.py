# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Rules about the order in which Argo CD or Flux apply a repository (MLB7xx)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding
from ansible_collections.l2ops.metallb.plugins.module_utils._model.apply_order import (
    ADVERTISEMENT,
    KINDS,
    OBJECTS,
    POOL,
    SERVICE,
    Meeting,
    Plan,
    Step,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context, Judge, Skip, listing

WAVE = "metadata.annotations.argocd.argoproj.io/sync-wave"


def _plan(context: Context) -> Plan:
    plan = context.snapshot.plan
    if not plan.tools:
        raise Skip("no manifests with sync waves, Applications of Argo CD or Kustomizations of Flux were given")
    return plan


def _held(step: Step, part: Step) -> str:
    """How a step comes into a sync, for a sentence."""
    return "it is" if part is step else f"{part.ref}, which holds it, is"


def _in_wave(step: Step) -> str:
    return f"in wave {step.wave}" if step.waved else f"in no wave, which means {step.wave},"


def _scope(meeting: Meeting) -> str:
    return f"of {meeting.scope}" if meeting.scope else "of the sync"


def _path(step: Step) -> str:
    return WAVE if step.waved else "metadata"


def _late(chart: Step, part: Step) -> bool:
    """Whether kinds come too late for what is in this wave: a chart needs its time, and a CRD in the same wave goes first."""
    return part.wave <= chart.wave if chart.ref.kind == "Application" else part.wave < chart.wave


def kinds_come_later(context: Context) -> Iterator[Finding]:
    plan = _plan(context)
    charts = plan.bringing(KINDS)
    for step in plan.bringing(*OBJECTS):
        meetings = [one for chart in charts for one in [plan.meet(chart, step)] if one is not None]
        if meetings and all(_late(one.one, one.other) for one in meetings):
            worst = min(meetings, key=_earlier)
            yield Finding(
                "MLB701",
                step.ref,
                f"{_held(step, worst.other)} {_in_wave(worst.other)} {_scope(worst)}, and {worst.one.ref}, which brings its kind, "
                f"{'too' if worst.one.wave == worst.other.wave else f'not before wave {worst.one.wave}'}",
                fix=f'Give {worst.other.ref} the annotation argocd.argoproj.io/sync-wave: "{worst.one.wave + 1}", or more.',
                evidence={
                    "wave": worst.other.wave,
                    "wave_of_the_kind": worst.one.wave,
                    "kind_comes_with": str(worst.one.ref),
                },
                path=_path(step) if worst.other is step else "",
            )
            continue
        yield from _flux_kinds(plan, charts, step)


def _earlier(meeting: Meeting) -> int:
    return meeting.one.wave


def _flux_kinds(plan: Plan, charts: Iterable[Step], step: Step) -> Iterator[Finding]:
    mine = plan.kustomizations(step)
    if not mine:
        return
    told: list[Finding] = []
    for chart in charts:
        its = plan.kustomizations(chart)
        if not its or chart.ref.kind != "HelmRelease":
            continue
        if its[-1] is mine[-1]:
            told.append(
                Finding(
                    "MLB701",
                    step.ref,
                    f"it is in the same Flux Kustomization ({mine[-1].ref.path}) as {chart.ref}, which brings its kind: Flux tries all of a "
                    "Kustomization before it applies any of it, so neither ever comes",
                    fix=f"Put it into a Kustomization of its own, with dependsOn {its[-1].ref.name}, and wait: true in that one.",
                    evidence={"kustomization": mine[-1].ref.path, "kind_comes_with": str(chart.ref)},
                )
            )
            continue
        held_by = [one for one in plan.waited_for(step) if any(one is other for other in its)]
        if not held_by:
            told.append(
                Finding(
                    "MLB701",
                    step.ref,
                    f"nothing makes Flux apply {its[-1].ref.path}, with the chart that brings its kind, before {mine[-1].ref.path}: it fails "
                    "until it happens to come later",
                    fix=f"Give Kustomization {mine[-1].ref.path} dependsOn: [{{name: {its[-1].ref.name}}}], and that one wait: true.",
                    severity="warning",
                    evidence={"kustomization": mine[-1].ref.path, "kind_comes_with": str(chart.ref)},
                )
            )
        elif not any(one.waits for one in held_by):
            told.append(
                Finding(
                    "MLB701",
                    step.ref,
                    f"Kustomization {held_by[0].ref.path} is ready as soon as {chart.ref} is written, not when it is installed, so "
                    f"{mine[-1].ref.path} may come before its kind does",
                    fix=f"Give Kustomization {held_by[0].ref.path} wait: true.",
                    severity="warning",
                    evidence={"kustomization": held_by[0].ref.path, "kind_comes_with": str(chart.ref)},
                )
            )
        else:
            # One chart that comes first is enough.
            return
    yield from told[:1]


def _asks(step: Step, context: Context) -> bool:
    """Whether a Service is MetalLB's to give an address; a chart that brings one is taken for it."""
    service = context.snapshot.services.get((step.ref.namespace, step.ref.name)) if step.ref.kind == "Service" else None
    return service is None or context.snapshot.serves(service)


def services_come_earlier(context: Context) -> Iterator[Finding]:
    plan = _plan(context)
    pools, advertisements, charts = plan.bringing(POOL), plan.bringing(ADVERTISEMENT), plan.bringing(KINDS)
    for step in plan.bringing(SERVICE):
        if not _asks(step, context):
            continue
        for needed, what, severity, why in (
            (
                pools,
                "a pool",
                "error",
                "it gets no address, and Argo CD waits for that before it goes on to the next wave",
            ),
            (
                charts,
                "MetalLB",
                "error",
                "it gets no address, and Argo CD waits for that before it goes on to the next wave",
            ),
            (advertisements, "an advertisement", "warning", "it has an address, and nobody announces it until then"),
        ):
            meetings = [one for other in needed for one in [plan.meet(other, step)] if one is not None]
            if meetings and all(one.other.wave < one.one.wave for one in meetings):
                first = min(meetings, key=_earlier)
                yield Finding(
                    "MLB702",
                    step.ref,
                    f"{_held(step, first.other)} {_in_wave(first.other)} {_scope(first)}, and {what} comes in wave {first.one.wave} "
                    f"({first.one.ref}): {why}",
                    fix=f'Give {first.other.ref} the annotation argocd.argoproj.io/sync-wave: "{first.one.wave + 1}", or more.',
                    severity=severity,
                    evidence={
                        "wave": first.other.wave,
                        "wave_of_the_other": first.one.wave,
                        "other": str(first.one.ref),
                    },
                    path=_path(step) if first.other is step else "",
                )
                break
        else:
            yield from _flux_services(plan, step, [*pools, *advertisements])


def _flux_services(plan: Plan, step: Step, needed: Iterable[Step]) -> Iterator[Finding]:
    mine = [one for one in plan.chain(step) if one.ref.kind in ("Kustomization", "HelmRelease")]
    for other in needed:
        its = plan.chain(other)
        behind = [
            one
            for one in plan.waited_for(other)
            if any(one is own for own in mine) and not any(one is up for up in its)
        ]
        if behind:
            yield Finding(
                "MLB702",
                step.ref,
                f"{other.ref} waits for {behind[0].ref}, which holds it, so it gets no address or no announcement before that is ready",
                fix=f"Turn it round: {behind[0].ref} is what has to wait, by dependsOn, for the one that holds {other.ref}.",
                severity="warning",
                evidence={"other": str(other.ref), "waits_for": str(behind[0].ref)},
            )
            return


def waves_do_not_wait(context: Context) -> Iterator[Finding]:
    plan = _plan(context)
    if plan.health == "seen":
        return
    later = plan.bringing(SERVICE, *OBJECTS)
    told = set()
    for chart in plan.bringing(KINDS):
        for step in later:
            meeting = plan.meet(chart, step)
            if (
                meeting is None
                or meeting.one.ref.kind != "Application"
                or meeting.one.wave >= meeting.other.wave
                or meeting.one.ref in told
            ):
                continue
            told.add(meeting.one.ref)
            yield Finding(
                "MLB703",
                meeting.one.ref,
                "the waves after it wait until this Application is healthy only if argocd-cm says how healthy an Application is; "
                + ("the argocd-cm among the files does not" if plan.health else "no argocd-cm is among the files"),
                severity="warning" if plan.health else "info",
                evidence={"wave": meeting.one.wave, "next": f"{meeting.other.ref} in wave {meeting.other.wave}"},
                path=WAVE if meeting.one.waved else "",
            )


def kinds_are_checked_first(context: Context) -> Iterator[Finding]:
    plan = _plan(context)
    charts = plan.bringing(KINDS)
    for step in plan.bringing(*OBJECTS):
        meetings = [
            one for chart in charts for one in [plan.meet(chart, step)] if one is not None and one.other is step
        ]
        if step.tolerant or not meetings or any(one.one.ref.kind != "Application" for one in meetings):
            continue
        if all(_late(one.one, one.other) for one in meetings):
            continue
        first = meetings[0]
        sure = first.scope is not None
        yield Finding(
            "MLB704",
            step.ref,
            f"{'' if sure else 'if one Application syncs both, '}Argo CD looks whether its kind is known before the first wave, and on a "
            f"cluster where {first.one.ref} was never applied it is not: the whole sync is refused",
            severity="warning" if sure else "info",
            evidence={"kind_comes_with": str(first.one.ref), "scope": str(first.scope or "")},
            path="metadata.annotations",
        )


def dependencies_fail(context: Context) -> Iterator[Finding]:
    plan = _plan(context)
    concerned = {}
    for step in plan.steps:
        if step.brings:
            concerned.update({id(one): one for one in plan.chain(step) if one.after})
    if not any(one.after for one in plan.steps):
        raise Skip("nothing with dependsOn was given")
    for step in concerned.values():
        for ref in step.after:
            if plan.step(ref) is None:
                names = [one.ref.name for one in plan.steps if one.ref.kind == ref.kind and one is not step]
                near = _near(ref.name, names)
                if near:
                    yield Finding(
                        "MLB705",
                        step.ref,
                        f"it waits for {ref}, which is not among the files; did you mean {near}?",
                        severity="warning",
                        evidence={"waits_for": str(ref), "there_are": listing(sorted(names))},
                        path="spec.dependsOn",
                    )
        round_trip = _circle(plan, step)
        if round_trip:
            yield Finding(
                "MLB705",
                step.ref,
                f"it waits for itself: {' waits for '.join(round_trip)}",
                fix="Take one of them out of dependsOn: pools wait for MetalLB's chart, services for the advertisement.",
                evidence={"circle": round_trip},
                path="spec.dependsOn",
            )


def _circle(plan: Plan, start: Step) -> list[str]:
    """The way back to itself by dependsOn, as paths; empty where there is none."""
    ways: list[list[Step]] = [[start]]
    seen: set[Step] = set()
    while ways:
        way = ways.pop(0)
        for ref in way[-1].after:
            found = plan.step(ref)
            if found is start:
                return [one.ref.path for one in [*way, start]]
            if found is not None and found not in seen:
                seen.add(found)
                ways.append([*way, found])
    return []


def _near(name: str, names: list[str]) -> str:
    # Imported here: most repositories have no such fault, and difflib is not small.
    import difflib

    found = difflib.get_close_matches(name, names, 1)
    return found[0] if found else ""


RULES = (
    Judge("MLB701", (), kinds_come_later),
    Judge("MLB702", (), services_come_earlier),
    Judge("MLB703", (), waves_do_not_wait),
    Judge("MLB704", (), kinds_are_checked_first),
    Judge("MLB705", (), dependencies_fail),
)
