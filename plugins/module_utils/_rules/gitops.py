# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Rules about the order in which Argo CD or Flux apply a repository (MLB7xx)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding, ignored_by_annotation
from ansible_collections.l2ops.metallb.plugins.module_utils._model.apply_order import (
    ADVERTISEMENT,
    KINDS,
    OBJECTS,
    POOL,
    SERVICE,
    Meeting,
    SyncItem,
    SyncOrder,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import listing
from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import (
    CheckFunction,
    Context,
    Rule,
    Skip,
    some,
)

WAVE = "metadata.annotations.argocd.argoproj.io/sync-wave"


def _plan(context: Context) -> SyncOrder:
    plan = context.snapshot.plan
    if not plan.tools:
        raise Skip("no manifests with sync waves, Applications of Argo CD or Kustomizations of Flux were given")
    return plan


def _in_wave(step: SyncItem) -> str:
    return f"in wave {step.wave}" if step.waved else f"in no wave, which means {step.wave},"


def _scope(meeting: Meeting) -> str:
    return f"of {meeting.scope}" if meeting.scope else "of the sync"


def _path(step: SyncItem) -> str:
    return WAVE if step.waved else "metadata"


def _late(chart: SyncItem, part: SyncItem) -> bool:
    """Whether kinds come too late for what is in this wave: a chart needs its time, and a CRD in the same wave goes first."""
    return part.wave <= chart.wave if chart.ref.kind == "Application" else part.wave < chart.wave


def _silenced(step: SyncItem, code: str) -> bool:
    """Whether the object itself says that it is not to be told so, though the finding is about what holds it."""
    return bool(step.ignored) and ignored_by_annotation(step.ignored, code)


def _alike(steps: Iterable[SyncItem]) -> dict[tuple[object, ...], list[SyncItem]]:
    """Steps by what decides about their order: those of one scope and wave are told once."""
    found: dict[tuple[object, ...], list[SyncItem]] = {}
    for step in steps:
        found.setdefault((step.scope, step.wave, step.waved, step.after, step.brings, step.tolerant), []).append(step)
    return found


def _holds(steps: Sequence[SyncItem]) -> list[str]:
    return some(str(one.ref) for one in steps)


# How Argo CD goes on after a sync that failed, by SyncItem.retries.
_RETRIES = {
    "for ever": ("info", "its sync fails at first, and Argo CD tries again until the kind is there"),
    "a few times": (
        "warning",
        "its sync fails at first, and Argo CD tries five times within three minutes, which MetalLB may or may not make",
    ),
    "": ("warning", "its sync fails if it is started before the kind is there"),
}


def kinds_come_later(context: Context) -> Iterator[Finding]:
    plan = _plan(context)
    charts = plan.bringing(KINDS)
    if not charts:
        raise Skip("nothing among the files brings MetalLB's kinds: neither its chart nor its CRDs")
    found: dict[tuple[Ref, str], tuple[Finding, list[SyncItem]]] = {}
    for steps in _alike(plan.bringing(*OBJECTS)).values():
        for finding in _kinds_of(plan, charts, steps):
            found.setdefault((finding.object, finding.fix), (finding, []))[1].extend(steps)
    for finding, steps in found.values():
        if not all(_silenced(one, "MLB701") for one in steps):
            yield replace(finding, evidence={**finding.evidence, "objects": _holds(steps)})


def _kinds_of(plan: SyncOrder, charts: Sequence[SyncItem], steps: Sequence[SyncItem]) -> Iterator[Finding]:
    step = steps[0]
    meetings = [one for chart in charts for one in [plan.meet(chart, step)] if one is not None]
    if meetings and all(_late(one.one, one.other) for one in meetings):
        worst = min(meetings, key=_earlier)
        child = worst.other is not step and worst.other.follows
        severity, outcome = "error", ""
        same = worst.one.wave == worst.other.wave
        if child and (same or plan.health != "seen"):
            # An Application of its own: its sync fails and may be tried again, and the waves above go on.
            severity, outcome = _RETRIES[worst.other.retries]
        elif child:
            outcome = "it never becomes healthy, so the later wave never comes"
        for one in [step] if worst.other is not step else steps:
            yield Finding(
                "MLB701",
                worst.other.ref if worst.other is not step else one.ref,
                f"{_held_objects(one, worst.other)} {_in_wave(worst.other)} {_scope(worst)}, and {worst.one.ref}, which brings "
                f"{'their' if worst.other is not step else 'its'} kind, "
                f"{'too' if same else f'not before wave {worst.one.wave}'}" + (f": {outcome}" if outcome else ""),
                fix=f'Give {worst.other.ref} the annotation argocd.argoproj.io/sync-wave: "{worst.one.wave + 1}", or more.',
                severity=severity,
                evidence={
                    "wave": worst.other.wave,
                    "wave_of_the_kind": worst.one.wave,
                    "kind_comes_with": str(worst.one.ref),
                },
                path=_path(worst.other),
            )
        return
    yield from _flux_kinds(plan, charts, step)


def _held_objects(step: SyncItem, part: SyncItem) -> str:
    return "it is" if part is step else f"it holds {step.ref} and is"


def _earlier(meeting: Meeting) -> int:
    return meeting.one.wave


def _flux_kinds(plan: SyncOrder, charts: Iterable[SyncItem], step: SyncItem) -> Iterator[Finding]:
    mine = plan.kustomizations(step)
    if not mine:
        return
    told: list[Finding] = []
    for chart in charts:
        its = plan.kustomizations(chart)
        if not its or chart.ref.kind != "HelmRelease":
            continue
        evidence = {"kustomization": mine[-1].ref.path, "kind_comes_with": str(chart.ref)}
        if its[-1] is mine[-1]:
            told.append(
                Finding(
                    "MLB701",
                    mine[-1].ref,
                    f"it holds both {chart.ref}, which brings MetalLB's kinds, and objects of these kinds: Flux tries all of a Kustomization "
                    "before it applies any of it, so on a new cluster neither ever comes (the same Flux Kustomization)",
                    fix=f"Put pools and advertisements into a Kustomization of their own, with dependsOn {its[-1].ref.name}, and wait: true in "
                    "that one.",
                    evidence=evidence,
                    path="spec.path",
                )
            )
            continue
        held_by = [one for one in plan.waited_for(step) if any(one is other for other in its)]
        back = [one for one in plan.waited_for(chart) if any(one is own for own in mine)]
        if back and held_by:
            # A circle is a finding of its own (MLB705).
            return
        if back:
            told.append(
                Finding(
                    "MLB701",
                    its[-1].ref,
                    f"it brings MetalLB's kinds and waits for {back[0].ref.path}, which holds objects of these kinds: the order is reversed, "
                    "and neither ever becomes ready",
                    fix=f"Remove {back[0].ref.name} from dependsOn of {its[-1].ref.path}, give that one wait: true, and give {back[0].ref.path} "
                    f"dependsOn: [{_dependency(its[-1], back[0])}].",
                    evidence=evidence,
                    path="spec.dependsOn",
                )
            )
            continue
        if not held_by:
            told.append(
                Finding(
                    "MLB701",
                    mine[-1].ref,
                    f"nothing makes Flux apply {its[-1].ref.path}, with the chart that brings MetalLB's kinds, before {mine[-1].ref.path}: it fails "
                    "and is tried again until it happens to come later",
                    fix=f"Give Kustomization {mine[-1].ref.path} dependsOn: [{_dependency(its[-1], mine[-1])}]"
                    + ("." if its[-1].waits else ", and that one wait: true."),
                    severity="warning",
                    evidence=evidence,
                    path="spec.dependsOn",
                )
            )
        elif not any(one.waits for one in held_by):
            told.append(
                Finding(
                    "MLB701",
                    held_by[0].ref,
                    f"it is ready as soon as {chart.ref} is written, not when it is installed, so {mine[-1].ref.path} may come before its kind "
                    "does",
                    fix=f"Give Kustomization {held_by[0].ref.path} wait: true.",
                    severity="warning",
                    evidence=evidence,
                    path="spec.wait",
                )
            )
        else:
            # One chart that comes first is enough.
            return
    yield from told[:1]


def _dependency(needed: SyncItem, step: SyncItem) -> str:
    space = f", namespace: {needed.ref.namespace}" if needed.ref.namespace != step.ref.namespace else ""
    return f"{{name: {needed.ref.name}{space}}}"


def _asks(step: SyncItem, context: Context) -> bool:
    """Whether a Service is MetalLB's to give an address; a chart that brings one is taken for it."""
    service = context.snapshot.services.get((step.ref.namespace, step.ref.name)) if step.ref.kind == "Service" else None
    return service is None or context.snapshot.serves(service)


def services_come_earlier(context: Context) -> Iterator[Finding]:
    plan = _plan(context)
    pools, advertisements, charts = (
        [steps[0] for steps in _alike(plan.bringing(what)).values()] for what in (POOL, ADVERTISEMENT, KINDS)
    )
    services = [step for step in plan.bringing(SERVICE) if _asks(step, context)]
    if services and not (pools or advertisements or charts):
        raise Skip("neither pools nor MetalLB's chart are among the files")
    told: dict[Ref, tuple[Finding, list[SyncItem]]] = {}
    for steps in _alike(services).values():
        finding = next(iter(_early(plan, steps[0], pools, advertisements, charts)), None)
        if finding is None:
            continue
        if finding.object != steps[0].ref:
            told.setdefault(finding.object, (finding, []))[1].extend(steps)
            continue
        for step in steps:
            told[step.ref] = (replace(finding, object=step.ref), [step])
    for finding, steps in told.values():
        if not all(_silenced(one, "MLB702") for one in steps):
            yield replace(finding, evidence={**finding.evidence, "objects": _holds(steps)})


_WAITS = "it gets no address, and Argo CD waits for that before it goes on to the next wave"


def _early(
    plan: SyncOrder, step: SyncItem, pools: list[SyncItem], advertisements: list[SyncItem], charts: list[SyncItem]
) -> Iterator[Finding]:
    for needed, what, severity, why in (
        (pools, "a pool", "error", _WAITS),
        (charts, "MetalLB", "error", _WAITS),
        (advertisements, "an advertisement", "warning", "it has an address, and nobody announces it until then"),
    ):
        meetings = [one for other in needed for one in [plan.meet(other, step)] if one is not None]
        if not meetings or not all(one.other.wave < one.one.wave for one in meetings):
            continue
        first = min(meetings, key=_earlier)
        child = first.other.ref.kind == "Application"
        if child and first.other.follows and severity == "error":
            # Waves wait for a child Application only if argocd-cm says how healthy an Application is (MLB703).
            if plan.health == "lacking":
                severity, why = (
                    "info",
                    "it gets no address until then; waves do not wait for Applications, so that comes by itself",
                )
            elif not plan.health:
                severity = "warning"
                why = "it gets no address until then, and if argocd-cm makes waves wait for the health of Applications, that never comes"
        yield Finding(
            "MLB702",
            first.other.ref,
            f"{_held_objects(step, first.other)} {_in_wave(first.other)} {_scope(first)}, and {what} comes in wave {first.one.wave} "
            f"({first.one.ref}): {why}",
            fix=f'Give {first.other.ref} the annotation argocd.argoproj.io/sync-wave: "{first.one.wave + 1}", or more.',
            severity=severity,
            evidence={
                "wave": first.other.wave,
                "wave_of_the_other": first.one.wave,
                "other": str(first.one.ref),
            },
            path=_path(first.other),
        )
        return
    yield from _flux_services(plan, step, [*pools, *advertisements])


def _flux_services(plan: SyncOrder, step: SyncItem, needed: Iterable[SyncItem]) -> Iterator[Finding]:
    mine = [one for one in plan.chain(step) if one.ref.kind in ("Kustomization", "HelmRelease")]
    if not mine:
        return
    for other in needed:
        its = plan.chain(other)
        waits = plan.awaited_refs(other)
        behind = [one for one in mine if one.ref in waits and not any(one is up for up in its)]
        if behind:
            holder = (plan.kustomizations(other) or [other])[-1]
            yield Finding(
                "MLB702",
                holder.ref,
                f"it holds {other.ref} and waits for {behind[0].ref}, which holds {step.ref}: that gets no address or no announcement before "
                "the other is ready",
                fix=f"Turn it round: {behind[0].ref} is what has to wait, by dependsOn, for the one that holds {other.ref}.",
                severity="warning",
                evidence={"other": str(other.ref), "waits_for": str(behind[0].ref)},
                path="spec.dependsOn",
            )
            return


def waves_do_not_wait(context: Context) -> Iterator[Finding]:
    plan = _plan(context)
    if not plan.bringing(KINDS):
        raise Skip("nothing among the files brings MetalLB's kinds: neither its chart nor its CRDs")
    if plan.health == "seen":
        return
    later = [steps[0] for steps in _alike(plan.bringing(SERVICE, *OBJECTS)).values()]
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
    if not charts:
        raise Skip("nothing among the files brings MetalLB's kinds: neither its chart nor its CRDs")
    for steps in _alike(plan.bringing(*OBJECTS)).values():
        meetings = [
            one for chart in charts for one in [plan.meet(chart, steps[0])] if one is not None and one.other is steps[0]
        ]
        if steps[0].tolerant or not meetings or any(one.one.ref.kind != "Application" for one in meetings):
            continue
        if all(_late(one.one, one.other) for one in meetings):
            continue
        first = meetings[0]
        sure = first.scope is not None
        for step in steps:
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
    round_about = _in_circles(plan)
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
        round_trip = _circle(plan, step) if step.ref in round_about else []
        if round_trip:
            yield Finding(
                "MLB705",
                step.ref,
                f"it waits for itself: {' waits for '.join(round_trip)}",
                fix="Take one of them out of dependsOn: pools wait for MetalLB's chart, services for the advertisement.",
                evidence={"circle": round_trip},
                path="spec.dependsOn",
            )


def _in_circles(plan: SyncOrder) -> set[Ref]:
    """Steps that may wait for themselves: what is left when all that waits for nothing, or that nothing waits for, is taken away."""
    after = {one.ref: {ref for ref in one.after if plan.step(ref) is not None} for one in plan.steps if one.after}
    for ref in {ref for refs in after.values() for ref in refs}:
        after.setdefault(ref, set())
    for _direction in range(2):
        # Then the same with all arrows turned round.
        back: dict[Ref, set[Ref]] = {ref: set() for ref in after}
        for ref, needs in after.items():
            for need in needs:
                if need in back:
                    back[need].add(ref)
        counts = {ref: sum(1 for need in needs if need in after) for ref, needs in after.items()}
        free = [ref for ref, count in counts.items() if not count]
        while free:
            gone = free.pop()
            for ref in back[gone]:
                counts[ref] -= 1
                if not counts[ref]:
                    free.append(ref)
        left = {ref for ref, count in counts.items() if count}
        after = {ref: back[ref] & left for ref in left}
    return set(after)


def _circle(plan: SyncOrder, start: SyncItem) -> list[str]:
    """The way back to itself by dependsOn, as paths; empty where there is none."""
    ways: list[list[SyncItem]] = [[start]]
    seen: set[SyncItem] = set()
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


def _faults(code: str) -> CheckFunction:
    def rule(context: Context) -> Iterator[Finding]:
        if not context.snapshot.sources and not context.snapshot.faults:
            raise Skip("no files were given")
        for one in context.snapshot.faults:
            if one.code == code:
                yield Finding(one.code, one.ref, one.summary, fix=one.fix, path=one.path, file=one.file, line=one.line)

    return rule


RULES = (
    Rule("MLB701", (), kinds_come_later),
    Rule("MLB702", (), services_come_earlier),
    Rule("MLB703", (), waves_do_not_wait),
    Rule("MLB704", (), kinds_are_checked_first),
    Rule("MLB705", (), dependencies_fail),
    Rule("MLB706", (), _faults("MLB706")),
    Rule("MLB707", (), _faults("MLB707")),
)
