# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection; it may change or vanish at any time.
"""In which order a GitOps tool applies the objects of a repository, as records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ansible_collections.l2ops.metallb.plugins.module_utils._model.refs import Ref

# What a step brings into the cluster.
KINDS, POOL, ADVERTISEMENT, OTHER, SERVICE = "kinds", "pool", "advertisement", "other", "service"
# Objects of MetalLB's kinds.
OBJECTS = frozenset([POOL, ADVERTISEMENT, OTHER])


@dataclass(frozen=True)
class SyncItem:
    """One object, and its place in the order.

    scope is the Application or Flux Kustomization that applies it, None where none of those among the files does. waved is whether it
    says its wave itself. after are those named in Flux' dependsOn. waits is whether a Kustomization is ready only when all that it
    applies is. tolerant is whether Argo CD is told to apply it though its kind is unknown before the first wave. ignored is the text of
    the annotation l2ops.metallb/ignore. retries is whether Argo CD tries a failed sync of this Application again: "for ever" (selfHeal),
    "a few times" (five, within three minutes), or "". follows is whether an Application syncs a folder of a repository.
    """

    ref: Ref
    brings: frozenset[str] = frozenset()
    scope: Ref | None = None
    wave: int = 0
    waved: bool = False
    after: tuple[Ref, ...] = ()
    waits: bool = False
    tolerant: bool = False
    ignored: str = ""
    retries: str = ""
    follows: bool = False


@dataclass(frozen=True)
class FileFault:
    """A fault of a file that is seen while it is read: the code of its finding, and what the finding says."""

    code: str
    ref: Ref
    summary: str
    fix: str
    file: str
    line: int
    path: str = ""


class Meeting(NamedTuple):
    """Two steps in one sync of Argo CD: the ones there that are or hold them. scope is None where no Application among the files syncs both."""

    one: SyncItem
    other: SyncItem
    scope: Ref | None


@dataclass(frozen=True)
class SyncOrder:
    """All steps. health is whether waves wait for Applications: "seen", "lacking" (an argocd-cm without it), or "" where no argocd-cm is."""

    steps: tuple[SyncItem, ...] = ()
    health: str = ""

    @property
    def tools(self) -> bool:
        """Whether anything of Argo CD or Flux is in it."""
        return any(one.waved or one.ref.kind in ("Application", "Kustomization", "HelmRelease") for one in self.steps)

    def bringing(self, *what: str) -> list[SyncItem]:
        return [one for one in self.steps if one.brings.intersection(what)]

    @cached_property
    def _by_ref(self) -> dict[Ref, SyncItem]:
        return {one.ref: one for one in self.steps}

    def step(self, ref: Ref) -> SyncItem | None:
        return self._by_ref.get(ref)

    @cached_property
    def _above(self) -> dict[Ref, list[SyncItem]]:
        return {}

    def chain(self, step: SyncItem) -> list[SyncItem]:
        """What applies it, and what applies that, outermost first; the step itself is the last."""
        if step.scope is None:
            return [step]
        above = self._above.get(step.scope)
        if above is None:
            # All steps of one scope have the same chain above them.
            above = self._above[step.scope] = self._chain(step)[:-1]
        return [one for one in above if one is not step] + [step]

    def _chain(self, step: SyncItem) -> list[SyncItem]:
        found = [step]
        while found[0].scope is not None:
            above = self.step(found[0].scope)
            # An app of apps may hold itself.
            if above is None or any(above is one for one in found):
                break
            found.insert(0, above)
        return found

    # -- Argo CD ------------------------------------------------------------------------------------------------------

    def meet(self, one: SyncItem, other: SyncItem) -> Meeting | None:
        """Where one sync of Argo CD orders them; None where none does, or one holds the other.

        Without an Application that syncs both, one is assumed where both say waves, as the source document's files do.
        """
        for mine, others in zip(self.chain(one), self.chain(other)):
            if mine is others:
                continue
            if mine.scope is None and others.scope is None:
                return Meeting(mine, others, None) if mine.waved and self._waved(others) else None
            scope = mine.scope
            return (
                Meeting(mine, others, scope)
                if scope == others.scope and scope and scope.kind == "Application"
                else None
            )
        return None

    def _waved(self, step: SyncItem) -> bool:
        """Whether it says a wave, or others of MetalLB's objects do, so that it was forgotten here. Services may be anybody's."""
        return step.waved or (bool(step.brings & OBJECTS) and self._objects_are_waved)

    @cached_property
    def _objects_are_waved(self) -> bool:
        return any(one.waved and one.scope is None and one.brings & OBJECTS for one in self.steps)

    # -- Flux ---------------------------------------------------------------------------------------------------------

    def kustomizations(self, step: SyncItem) -> list[SyncItem]:
        return [one for one in self.chain(step) if one.ref.kind == "Kustomization"]

    @cached_property
    def _waited_for(self) -> dict[tuple[Ref | None, tuple[Ref, ...]], list[SyncItem]]:
        return {}

    def waited_for(self, step: SyncItem) -> list[SyncItem]:
        """Everything that Flux waits for before it applies the step, by whatever detour."""
        key = (step.scope, step.after)
        found = self._waited_for.get(key)
        if found is None:
            found = self._waited_for[key] = list(self._awaited(step))
        return found

    @cached_property
    def _awaited_refs(self) -> dict[int, frozenset[Ref]]:
        return {}

    def awaited_refs(self, step: SyncItem) -> frozenset[Ref]:
        """What waited_for gives, for looking up."""
        found = self._awaited_refs.get(id(step))
        if found is None:
            found = self._awaited_refs[id(step)] = frozenset(one.ref for one in self.waited_for(step))
        return found

    def _awaited(self, step: SyncItem) -> Iterator[SyncItem]:
        todo = list(self.chain(step))
        seen: set[int] = set()
        while todo:
            for ref in todo.pop().after:
                found = self.step(ref)
                if found is not None and id(found) not in seen:
                    seen.add(id(found))
                    todo += self.chain(found)
                    yield found
