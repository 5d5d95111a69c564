# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Why a service does not answer: the chain from its type to its port, where it breaks, and what fixes it.

The order follows MetalLB's code: type and class, address, pool, advertisement, endpoints, candidates, elected_node, interfaces, wire,
port. The first broken link is the cause; later links of what is already broken are skipped. Where answers from the wire are
given, they beat what the API says, since ServiceL2Status and events can be stale.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._findings.finding import Finding, Verdict
from ansible_collections.l2ops.metallb.plugins.module_utils._model.addresses import format_address
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import clean, listing
from ansible_collections.l2ops.metallb.plugins.module_utils._model.services import Service
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context, plural
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import BY_CODE, evaluate
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.election import (
    CANDIDATE,
    ELECTED,
    NO_LOCAL_ENDPOINT,
    NOT_SELECTED,
    WORDS,
    ElectionResult,
    ranked,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot

STEPS = (
    "type",
    "address",
    "pool",
    "advertisement",
    "endpoints",
    "candidates",
    "announcer",
    "interfaces",
    "wire",
    "port",
)

# Rows of nodes per service: more help nobody, and for thousands of services and nodes would be gigabytes.
MAX_NODES = 50
# With more services than these, unless they are named, fewer nodes and causes are listed for each.
MANY = 500
MAX_NODES_OF_MANY = 5
# Findings of one code among the causes of a service.
MOST_CAUSES = 10
MOST_CAUSES_OF_MANY = 2


# What the probe host cannot tell leaves a service unknown: neither fine nor broken.
UNKNOWN = ("MLB608",)

_OF_ONE_SERVICE = ("Service", "ServiceL2Status", "Address")


@dataclass(frozen=True)
class ChainStep:
    """One link of the chain. result is passed, failed, warning or skipped."""

    name: str
    result: str
    text: str
    codes: tuple[str, ...] = ()

    def as_result(self) -> dict[str, Any]:
        return {"step": self.name, "result": self.result, "text": self.text, "codes": list(self.codes)}


@dataclass(frozen=True)
class Problem:
    """What is wrong with a service at one address and port, as far as it has these. severity is error, warning or unknown."""

    code: str
    severity: str
    text: str
    address: str = ""
    port: int = 0

    def as_result(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "text": self.text,
            "address": self.address,
            "port": self.port,
        }


@dataclass(frozen=True)
class Candidate:
    """One node in the election of one service. rank counts from 1 among those that may announce."""

    node: str
    eligible: bool
    reason: str
    text: str
    rank: int | None = None

    def as_result(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "eligible": self.eligible,
            "reason": self.reason,
            "text": self.text,
            "rank": self.rank,
        }


@dataclass(frozen=True)
class Diagnosis:
    """What is the matter with one service.

    state is ok, warning, broken or unknown (something that would show it could not be checked). cause and fix are one
    sentence each, empty when all is well.
    """

    service: str
    state: str
    cause: str
    fix: str
    addresses: tuple[str, ...] = ()
    elected_node: str | None = None
    reported: tuple[str, ...] = ()
    answering: tuple[str, ...] = ()
    steps: tuple[ChainStep, ...] = ()
    problems: tuple[Problem, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def sentence(self) -> str:
        """Cause and fix for a person, after the service's name."""
        if self.state == "ok":
            return f"{self.service}: fine" + (f", announced by {self.elected_node}." if self.elected_node else ".")
        return f"{self.service}: {self.cause}" + (f" {self.fix}" if self.fix else "")

    def as_result(self) -> dict[str, Any]:
        result: dict[str, Any] = clean(
            {
                "service": self.service,
                "state": self.state,
                "cause": self.cause,
                "fix": self.fix,
                "sentence": self.sentence,
                "addresses": list(self.addresses),
                "elected": self.elected_node,
                "reported": list(self.reported),
                "answering": list(self.answering),
                "steps": [step.as_result() for step in self.steps],
                "problems": [one.as_result() for one in self.problems],
                "candidates": [one.as_result() for one in self.candidates],
                "candidate_counts": self.counts,
            }
        )
        result["findings"] = [finding.as_result() for finding in self.findings]
        return result


class Diagnoser:
    """Diagnoses many services of one snapshot; what they share is worked out once."""

    def __init__(self, context: Context, verdict: Verdict) -> None:
        self.context = context
        self.verdict = verdict
        self._by_object: dict[tuple[str, str, str], list[Finding]] = {}
        self._by_service: dict[str, list[Finding]] = {}
        # causes that services may share: what is about one service is no other's cause
        self._by_code: dict[str, list[Finding]] = {}
        self._of_nodes: set[str] = set()
        self._node_of_pod = {pod.name: node for node, pod in context.snapshot.speakers.by_node.items()}
        for finding in verdict.findings:
            self._by_object.setdefault(finding.object, []).append(finding)
            if finding.object.kind == "Node":
                self._of_nodes.add(finding.code)
            elif finding.object.kind not in _OF_ONE_SERVICE:
                self._by_code.setdefault(finding.code, []).append(finding)
            if finding.object.kind == "Address":
                # Told once for all addresses with the same reason.
                for address in finding.evidence.get("addresses") or ():
                    if address != finding.object.name:
                        self._by_object.setdefault(("Address", "", str(address)), []).append(finding)
            if finding.object.kind == "ServiceL2Status":
                self._by_service.setdefault(str(finding.evidence.get("service")), []).append(finding)
        self._skipped = {check.id: check.reason for check in verdict.checks if check.result == "skipped"}
        self._announcers = {finding.object.name: finding for finding in verdict.of("MLB204")}

    # -- one service ----------------------------------------------------------------------------------------------

    def diagnose(self, service: Service, max_nodes: int = MAX_NODES, bounded: bool = False) -> Diagnosis:
        """bounded: leave the election open where it would exceed Options.most_hashes, for very many services and nodes."""
        context, snapshot = self.context, self.context.snapshot
        addresses = tuple(format_address(address) for address in service.ingress)
        if not snapshot.serves(service):
            return self._not_ours(service, addresses)
        known = context.elect(service)
        outcome = known or (context.election.outcome(service) if bounded else context.election.elect(service))
        many = bounded and len(snapshot.load_balancer_services) > MANY
        own = self.findings_of(service, outcome, MOST_CAUSES_OF_MANY if many else MOST_CAUSES)
        broken = self._broken(service, outcome, own)
        steps = self._steps(service, outcome, broken)
        cause, fix, state = self._sentence(own, steps)
        targets = [context.options.wire.targets.get(address) for address in service.ingress]
        answering = [node for one in targets if one is not None for node in (*one.nodes, *one.foreign, *one.alone)]
        statuses = snapshot.l2_statuses.get(service.key, [])
        return Diagnosis(
            service=service.path,
            state=state,
            cause=cause,
            fix=fix,
            addresses=addresses,
            elected_node=outcome.elected_node,
            reported=tuple(dict.fromkeys(status.node for status in statuses)),
            answering=tuple(dict.fromkeys(answering)),
            steps=tuple(steps),
            problems=tuple(_problems(steps, broken)),
            candidates=tuple(self.candidates(outcome, max_nodes)),
            counts=self._counts(outcome),
            findings=tuple(own),
        )

    def _not_ours(self, service: Service, addresses: tuple[str, ...]) -> Diagnosis:
        lb_class = self.context.snapshot.speakers.lb_class
        if service.type != "LoadBalancer":
            text = f"it is of type {service.type}, and MetalLB serves LoadBalancer services only"
            fix = f'kubectl -n {service.namespace} patch service {service.name} -p \'{{"spec":{{"type":"LoadBalancer"}}}}\''
        else:
            text = f"its loadBalancerClass is {service.load_balancer_class or 'not set'}, and MetalLB serves " + (
                f"only {lb_class}" if lb_class else "only services without one"
            )
            fix = "loadBalancerClass cannot be changed: make the service anew, or set MetalLB's Helm value loadBalancerClass."
        # Nobody serves its class (MLB517), or its address is somebody else's affair.
        own = self._by_object.get(("Service", service.namespace, service.name), [])
        told = next((one for one in own if one.code == "MLB517"), None)
        broken = service.type != "LoadBalancer"
        if told is not None:
            text, fix, broken = told.summary, told.fix, told.severity == "error"
        codes = () if told is None else (told.code,)
        return Diagnosis(
            service=service.path,
            state="broken" if broken else "unknown",
            cause=f"{text[0].upper()}{text[1:]}.",
            fix=_sentence(fix),
            addresses=addresses,
            problems=(Problem("" if told is None else told.code, "error" if broken else "unknown", text),),
            steps=(
                ChainStep("type", "failed" if broken else "skipped", text, codes),
                *(ChainStep(name, "skipped", "it is not MetalLB's") for name in STEPS[1:]),
            ),
            findings=tuple(own),
        )

    def findings_of(self, service: Service, outcome: ElectionResult, most_causes: int = MOST_CAUSES) -> list[Finding]:
        """What concerns this service: itself, its pool, its advertisements, its statuses, its elected node, and causes of all these.

        Of a code that is found on many objects, as causes only those which are about this service, and most_causes of them.
        """
        snapshot = self.context.snapshot
        found = list(self._by_object.get(("Service", service.namespace, service.name), ()))
        found += self._by_service.get(service.path, ())
        for address in service.ingress:
            found += self._by_object.get(("Address", "", format_address(address)), ())
        if outcome.pool is not None:
            namespace = outcome.pool.namespace or snapshot.namespace
            found += self._by_object.get(("IPAddressPool", namespace, outcome.pool.name), ())
        for one in outcome.advertisements:
            found += self._by_object.get(("L2Advertisement", one.namespace or snapshot.namespace, one.name), ())
        if outcome.elected_node in self._announcers:
            found.append(self._announcers[str(outcome.elected_node)])
        for node in sorted(outcome.local_nodes)[:MAX_NODES] if service.local else ():
            found += self._by_object.get(("Node", "", node), ())
        seen = {id(one) for one in found}
        # Causes of causes: three steps reach from a service over speakers to the namespace.
        wanted = {code for one in found for code in one.caused_by}
        for _round in range(3):
            more = [
                one
                for code in sorted(wanted)
                for one in self._causes(code, outcome, most_causes)
                if id(one) not in seen
            ]
            if not more:
                break
            seen.update(map(id, more))
            found += more
            wanted = {code for one in more for code in one.caused_by}
        return found

    def _causes(self, code: str, outcome: ElectionResult, most: int) -> list[Finding]:
        """Findings of this code that can be a cause of what is wrong with this very service, by what they are about."""
        found = [one for one in self._by_code.get(code, ()) if self._may_cause(one, outcome)]
        if code in self._of_nodes:
            # The service's own nodes, instead of a look at thousands of others.
            eligible = outcome.eligible
            asked: Iterable[str] = chain(
                eligible.ineligible if eligible else self.context.snapshot.nodes, outcome.local_nodes
            )
            # Often the very first nodes have it, and there may be thousands.
            for node in chain(asked, [str(outcome.elected_node)]):
                found += [one for one in self._by_object.get(("Node", "", node), ()) if one.code == code]
                if len(found) >= most:
                    break
            found = list({id(one): one for one in found}.values())
        return found[:most]

    def _may_cause(self, finding: Finding, outcome: ElectionResult) -> bool:
        ref = finding.object
        if ref.kind == "IPAddressPool" and outcome.pool is not None:
            return ref.name == outcome.pool.name
        if ref.kind == "Pod" and outcome.eligible is not None:
            node = self._node_of_pod.get(ref.name)
            return node is None or node in outcome.eligible.reasons or node == outcome.elected_node
        return True

    # -- the chain ------------------------------------------------------------------------------------------------

    def _broken(self, service: Service, outcome: ElectionResult, own: list[Finding]) -> dict[str, list[Finding]]:
        """Findings about this very service by the link that they break."""
        broken: dict[str, list[Finding]] = {}
        for finding in own:
            step = BY_CODE[finding.code].chain_step
            if finding.code == "MLB509":
                step = "advertisement" if outcome.verdict == "no-advertisement" else "candidates"
            if step and finding.severity != "info" and self._is_about(finding, service, outcome):
                broken.setdefault(step, []).append(finding)
        return broken

    def _steps(self, service: Service, outcome: ElectionResult, broken: dict[str, list[Finding]]) -> list[ChainStep]:
        steps: list[ChainStep] = []
        failed = ""
        for name in STEPS:
            told, text = self._healthy(name, service, outcome)
            found = broken.get(name, [])
            errors = [one for one in found if one.severity == "error" and one.code not in UNKNOWN]
            if found and all(one.code in UNKNOWN for one in found):
                steps.append(
                    ChainStep(name, "skipped", found[0].summary, tuple(dict.fromkeys(one.code for one in found)))
                )
            elif errors:
                steps.append(
                    ChainStep(name, "failed", errors[0].summary, tuple(dict.fromkeys(one.code for one in found)))
                )
                failed = failed or name
            elif found:
                steps.append(
                    ChainStep(name, "warning", found[0].summary, tuple(dict.fromkeys(one.code for one in found)))
                )
            elif failed and name not in ("wire", "port"):
                steps.append(ChainStep(name, "skipped", f"skipped: {failed} is broken"))
            else:
                steps.append(ChainStep(name, told, text))
        return steps

    @staticmethod
    def _is_about(finding: Finding, service: Service, outcome: ElectionResult) -> bool:
        """Whether a finding breaks this very service, and is not only named as somebody's cause."""
        ref = finding.object
        if ref.kind == "Service":
            return (ref.namespace, ref.name) == service.key
        if ref.kind == "ServiceL2Status":
            return finding.evidence.get("service") == service.path
        if ref.kind == "Node":
            return ref.name == outcome.elected_node
        if finding.code in ("MLB405", "MLB406", "MLB413") and "nodes" in finding.evidence:
            return outcome.elected_node in finding.evidence["nodes"]
        return ref.kind in ("Address", "Host", "L2Advertisement")

    def _healthy(self, name: str, service: Service, outcome: ElectionResult) -> tuple[str, str]:
        """result and text of a link with which nothing is wrong."""
        context, snapshot = self.context, self.context.snapshot
        wire = context.options.wire
        if name == "type":
            return "passed", f"LoadBalancer, class {service.load_balancer_class or 'none'}, which MetalLB serves"
        if name == "address":
            if not service.ingress:
                return "failed", "it has no address"
            return "passed", f"has {', '.join(format_address(one) for one in service.ingress)}"
        if name == "pool":
            if outcome.pool is None:
                return "skipped", snapshot.why_missing("ipaddresspools") or "no pool holds its address"
            return "passed", f"its address is in pool {outcome.pool.name}"
        if name == "advertisement":
            if outcome.pool is not None and not outcome.advertisements and outcome.pool.name in context.bgp_pools:
                return "warning", f"pool {outcome.pool.name} is advertised by BGP only; layer 2 plays no part"
            if not outcome.advertisements:
                return "skipped", snapshot.why_missing("l2advertisements") or "no advertisement reaches it"
            return "passed", f"advertised by {listing([one.name for one in outcome.advertisements])}"
        if name == "endpoints":
            if not snapshot.has("endpointslices"):
                return "skipped", snapshot.why_missing("endpointslices")
            return (
                "passed",
                f"pods serve on {plural(len(outcome.local_nodes), 'node')} ({listing(sorted(outcome.local_nodes), 3)})",
            )
        if name == "candidates":
            if not snapshot.has("nodes", "pods"):
                return "skipped", snapshot.why_missing("nodes", "pods")
            return (
                "passed",
                f"{plural(len(outcome.candidates), 'node')} may announce it ({listing(outcome.names, 3)})",
            )
        if name == "announcer":
            if outcome.doubt:
                return "skipped", outcome.doubt
            if outcome.elected_node is None and outcome.verdict == "announced":
                return (
                    "skipped",
                    f"left open among {len(outcome.candidates)} nodes, to save time: ask for this service by name",
                )
            if outcome.elected_node is None or not snapshot.has("nodes", "pods"):
                return "skipped", snapshot.why_missing("nodes", "pods") or "nobody is elected"
            reported = [one.node for one in snapshot.l2_statuses.get(service.key, ())]
            said = ", and ServiceL2Status says so" if outcome.elected_node in reported else ""
            return "passed", f"{outcome.elected_node} is elected{said}"
        if name == "interfaces":
            return self._interfaces(outcome)
        if name == "wire":
            if not wire.looked:
                return (
                    "skipped",
                    "the LAN was not asked (option wire, from l2_probe; for the roles a host in group metallb_probes)",
                )
            asked = [wire.targets[one] for one in service.ingress if one in wire.targets]
            if not asked:
                return "skipped", "its address was not asked for on the wire"
            heard = [node for one in asked for node in one.nodes]
            return (
                ("passed", f"{listing(dict.fromkeys(heard))} answers")
                if heard
                else ("skipped", "the wire shows no node")
            )
        results = wire.ports_of(service)
        if not results:
            return (
                "skipped",
                "no port was asked (option ports, from service_probe; for the roles a host in group metallb_probes)",
            )
        return "passed", f"{listing([f'{one.port}/{one.protocol}' for one in results])} answers"

    def _interfaces(self, outcome: ElectionResult) -> tuple[str, str]:
        if outcome.elected_node is None:
            return "skipped", "nobody is elected"
        names = self.context.election.interfaces_on(outcome.advertisements, outcome.elected_node)
        if names is None:
            return "passed", "announced on all interfaces"
        told = ", ".join(sorted(names))
        if outcome.elected_node not in self.context.options.links:
            return (
                "skipped",
                f"announced on {told}; whether {outcome.elected_node} has it is not known (option interfaces, metallb_node_interfaces)",
            )
        return "passed", f"announced on {told}, which {outcome.elected_node} has"

    # -- nodes ----------------------------------------------------------------------------------------------------

    def candidates(self, outcome: ElectionResult, most: int) -> Iterable[Candidate]:
        """Nodes with the reason why they are or aren't the announcer: the elected node first, then those that would follow."""
        if outcome.eligible is None:
            return []
        rows: list[Candidate] = []
        if outcome.address is not None and outcome.candidates:
            if outcome.elected_node is not None and len(outcome.candidates) <= most:
                order = ranked(outcome.candidates, format_address(outcome.address), outcome.scores)
            else:
                # Ranks of thousands are not worth a sort for every service.
                order = [str(outcome.elected_node)] if outcome.elected_node else []
            for place, node in enumerate(order, 1):
                first = node == outcome.elected_node
                text = (
                    "announces: first in the election"
                    if first
                    else f"may announce, but {outcome.elected_node} comes first; number {place} in line"
                )
                rows.append(Candidate(node, True, ELECTED if first else CANDIDATE, text, place))
        for node in outcome.eligible.ineligible[: max(0, most - len(rows))]:
            why = outcome.eligible.reasons[node]
            rows.append(Candidate(node, False, why, WORDS[why]))
        if outcome.service.local:
            for node in sorted(outcome.eligible.nodes - outcome.candidates)[: max(0, most - len(rows))]:
                rows.append(Candidate(node, False, NO_LOCAL_ENDPOINT, "runs no serving pod of it (policy Local)"))
        for node in outcome.eligible.not_selected[: max(0, most - len(rows))]:
            rows.append(Candidate(node, False, NOT_SELECTED, WORDS[NOT_SELECTED]))
        return rows

    @staticmethod
    def _counts(outcome: ElectionResult) -> dict[str, int]:
        if outcome.eligible is None:
            return {}
        counts = {CANDIDATE: len(outcome.candidates), **outcome.eligible.counts}
        if outcome.service.local:
            counts[NO_LOCAL_ENDPOINT] = len(outcome.eligible.nodes) - len(outcome.candidates)
        return counts

    # -- in a sentence --------------------------------------------------------------------------------------------

    def _sentence(self, own: list[Finding], steps: list[ChainStep]) -> tuple[str, str, str]:
        bad = [step for step in steps if step.result == "failed"]
        soft = [step for step in steps if step.result == "warning"]
        if not bad and not soft:
            blind = [
                step
                for step in steps
                if step.result == "skipped"
                and (step.name not in ("announcer", "interfaces", "wire", "port") or set(step.codes) & set(UNKNOWN))
            ]
            if blind:
                return (
                    f"Nothing wrong was seen, but {_STEP_WORDS.get(blind[0].name, blind[0].name)} could not be checked: {blind[0].text}.",
                    "",
                    "unknown",
                )
            return "", "", "ok"
        step = self._decisive(bad) if bad else soft[0]
        mine = [one for one in own if one.code in step.codes]
        state = "broken" if bad else "warning"
        if not mine:
            return _sentence(f"{step.text[0].upper()}{step.text[1:]}"), "", state
        finding = mine[0]
        root = self._root(finding, own)
        text = f"{finding.summary[0].upper()}{finding.summary[1:]}"
        if root is not finding:
            text += f"; the cause is {root.code}, {root.object}: {root.summary}"
        return _sentence(text), _sentence(root.fix), state

    @staticmethod
    def _decisive(bad: list[ChainStep]) -> ChainStep:
        """The first broken link, except that a hard fact of the wire beats what the API's side only believes of the announcer."""
        first = bad[0]
        if first.name == "announcer":
            return next((step for step in bad if step.name == "wire"), first)
        return first

    def _root(self, finding: Finding, own: list[Finding]) -> Finding:
        """What a finding is in the end a consequence of."""
        seen: set[str] = set()
        while finding.caused_by and finding.code not in seen:
            seen.add(finding.code)
            there = {one.code: one for one in reversed(own)}
            following = next((there[code] for code in finding.caused_by if code in there and code not in seen), None)
            if following is None:
                break
            finding = following
        return finding


_STEP_WORDS = {"wire": "the LAN"}


def _problems(steps: list[ChainStep], broken: dict[str, list[Finding]]) -> Iterable[Problem]:
    """What breaks or endangers the service, link by link; each with address and port where it is about one alone."""
    for step in steps:
        found = broken.get(step.name, [])
        if not found and step.result == "failed":
            yield Problem("", "error", step.text)
        for one in found:
            if one.code in UNKNOWN:
                severity = "unknown"
            elif one.severity == "error":
                severity = "error"
            else:
                severity = "warning"
            addresses = one.evidence.get("addresses") if one.code in UNKNOWN else [one.evidence.get("address")]
            for address in addresses or [""]:
                port = one.evidence.get("port") if one.code == "MLB606" else 0
                yield Problem(one.code, severity, one.summary, str(address or ""), int(port or 0))


def _sentence(text: str) -> str:
    """With one full stop at its end."""
    text = text.rstrip()
    return text if not text or text[-1] in ".!?" else f"{text}."


def diagnose(
    snapshot: Snapshot,
    service: str,
    wire: Any = None,
    ports: Any = None,
    options: Options | None = None,
    verdict: Verdict | None = None,
) -> Diagnosis:
    """Diagnose one service, given as namespace/name.

    wire and ports are results of l2_probe and service_probe. verdict, if given, is judge's for the same snapshot and options.

    Raises KeyError for a service that is not in the snapshot, OptionError for results that cannot be read.
    """
    if options is None:
        options = Options.make(wire=wire, ports=ports)
    namespace, _slash, name = service.rpartition("/")
    found = snapshot.services[(namespace or "default", name)]
    context = Context(snapshot, options)
    if verdict is None:
        verdict = evaluate(snapshot, options, context=context)
    return Diagnoser(context, verdict).diagnose(found)


def diagnose_all(
    context: Context, verdict: Verdict, services: Collection[str] | None = None, max_nodes: int = MAX_NODES
) -> list[Diagnosis]:
    """Diagnose all of MetalLB's services, or these (namespace/name), broken ones first. Unknown names are left out."""
    snapshot = context.snapshot
    if services is None:
        chosen = list(snapshot.load_balancer_services)
    else:
        keys = [(name.rpartition("/")[0] or "default", name.rpartition("/")[2]) for name in services]
        chosen = [snapshot.services[key] for key in keys if key in snapshot.services]
    diagnoser = Diagnoser(context, verdict)
    order = {"broken": 0, "unknown": 1, "warning": 2, "ok": 3}
    if services is None and len(chosen) > MANY:
        max_nodes = min(max_nodes, MAX_NODES_OF_MANY)
    found = [diagnoser.diagnose(service, max_nodes, bounded=services is None) for service in chosen]
    return sorted(found, key=lambda one: (order[one.state], one.service))
