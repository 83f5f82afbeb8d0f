"""The entries of one objective at or above a tenant -> its terms; what does not go together is refused."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from dialtone.config.problem import Where, listing, nearest, quote
from dialtone.config.promises import DEFAULT_PASSIVE, Promise
from dialtone.config.proof import MINUTE
from dialtone.config.report import Report
from dialtone.config.settings import ProbeSpec
from dialtone.model import AVAILABILITY, EvidenceKind, Flow, Node, NodeKind, Objective, Sli

TIMED_BY: Final[Mapping[Flow, tuple[str, ...]]] = {
    Flow.OPTIONS: ("options_delay",),
    Flow.REGISTER: ("rrd", "binding_delay"),
    Flow.CALL: ("srd", "sdd", "sdt", "pdd"),
    Flow.PRESENCE: ("presence_delay",),
    Flow.BLIND_TRANSFER: ("transfer_delay", "notify_delay"),
    Flow.ATTENDED_TRANSFER: ("transfer_delay", "notify_delay"),
    Flow.HTTP: ("http_first_byte", "http_duration"),
}
"""The timings that a pass of each flow has."""

Chain: TypeAlias = tuple[Promise, ...]
"""The entries of one name at or above a tenant, the nearest last."""

_NEEDED: Final[Mapping[str, str]] = {"flows": "[register, call]", "target": "99.9%"}


class Merging:
    """Puts chains together, each once; whose tenant and zone it is, is left open ("")."""

    def __init__(
        self, report: Report, probes: Sequence[ProbeSpec] | None, nodes: Sequence[Node] | None
    ) -> None:
        self._report, self._probes, self._nodes = report, probes, nodes
        self._known: dict[tuple[Where, ...], Objective | None] = {}
        self._said: set[tuple[Where, str]] = set()

    def merged(self, chain: Chain) -> Objective | None:
        """Return what a chain promises; None where nothing, or where something is wrong, which is noted."""
        key = tuple(promise.where for promise in chain)
        if key not in self._known:
            self._known[key] = self._merge(chain)
        return self._known[key]

    def problem(self, where: Where, message: str) -> None:
        """Note a problem, once: many tenants may have it."""
        if (where, message) not in self._said:
            self._said.add((where, message))
            self._report.problem(where, message)

    def _merge(self, chain: Chain) -> Objective | None:
        last = chain[-1]
        if not last.promised:
            if len(chain) == 1:
                self.problem(
                    (*last.where, "promised"),
                    f"false takes back what is promised above, and no entry above promises {last.name}",
                )
            return None
        terms: dict[str, object] = {}
        for promise in chain:
            terms.update(promise.terms)
        lacks = [key for key in _NEEDED if key not in terms]
        for key in lacks:
            self.problem(
                (*last.where, key),
                f"is missing, and no entry of {last.name} above gives it; write for example "
                f"`{key}: {_NEEDED[key]}`",
            )
        if lacks:
            return None
        evidence = terms.setdefault("evidence", EvidenceKind.SYNTHETIC)
        if evidence is EvidenceKind.SYNTHETIC:
            terms["passive"] = None
        else:
            terms.setdefault("passive", DEFAULT_PASSIVE)
        # The values were read by their models; what is left out has Objective's own default.
        given: dict[str, Any] = {"zone": "", **terms}
        made = Objective(tenant="", service=last.name, **given)
        wrong = list(self._contradictions(chain, made))
        for term, message in wrong:
            self.problem(_place(chain, term), message)
        return None if wrong else made

    def _contradictions(self, chain: Chain, made: Objective) -> Iterator[tuple[str, str]]:
        """Yield what is wrong: the term that it stands at, and words for a person."""
        yield from _of_measure(made)
        yield from self._of_evidence(chain, made)
        yield from self._of_probes(made)
        if made.starts is not None and made.ends is not None and made.ends < made.starts:
            yield "ends", f"{made.ends} is before it starts, {made.starts}"

    def _of_evidence(self, chain: Chain, made: Objective) -> Iterator[tuple[str, str]]:
        if made.evidence is EvidenceKind.SYNTHETIC:
            if "passive" in chain[-1].terms:
                yield "passive", "goes with `evidence: passive` or `evidence: either`; write one of them"
            return
        if made.measure != AVAILABILITY:
            yield "evidence", f"{made.evidence} is of availability, not of latency or mos; take it out"
        if made.evidence is EvidenceKind.PASSIVE and made.flows != (Flow.CALL,):
            yield "flows", "with `evidence: passive` must be [call]: nothing else is seen of the traffic"
        elif Flow.CALL not in made.flows:
            yield "evidence", f"{made.evidence} is of calls, and flow call is not in the service"
        if self._nodes is None:
            return
        seeing = [node.interval for node in self._nodes if node.kind is NodeKind.OPENSIPS]
        if not seeing:
            yield "evidence", f"{made.evidence} needs a node of kind opensips, which sees the traffic"
        elif min(seeing) > MINUTE:
            words = (
                f"needs a node of kind opensips that is read every minute: an `interval` of {MINUTE}s at most"
            )
            yield "evidence", f"{made.evidence} {words}"

    def _of_probes(self, made: Objective) -> Iterator[tuple[str, str]]:
        if self._probes is None:
            return
        known = {probe.name: probe for probe in self._probes}
        for name in made.probes:
            if name not in known:
                yield "probes", f"{quote(name)} is not a configured probe{nearest(name, known)}"
            elif (flow := known[name].flow) not in made.flows:
                yield "probes", f"{name} is a probe of flow {flow}, which is not in the service"
            elif not measures(known[name], made):
                yield "probes", f"{name} listens to nothing; a `mos` is that of a call with `media`"
        for flow in made.flows if made.probes else ():
            if not any(known[name].flow is flow for name in made.probes if name in known):
                yield "probes", f"names no probe of flow {flow}, which is in the service"


def measures(probe: ProbeSpec, objective: Objective) -> bool:
    """Whether a probe's results have what the objective judges."""
    return objective.sli is not Sli.MOS or probe.plan.media is not None


def _of_measure(made: Objective) -> Iterator[tuple[str, str]]:
    timing = made.measure.timing
    if made.sli is Sli.LATENCY:
        without = [flow for flow in made.flows if timing not in TIMED_BY[flow]]
        if without:
            known = listing(sorted({name for flow in made.flows for name in TIMED_BY[flow]}))
            yield (
                "measure",
                f"flow {listing(without)} has no timing {timing}; those of the service are {known}",
            )
    if made.sli is Sli.MOS and (others := [flow for flow in made.flows if flow is not Flow.CALL]):
        yield "measure", f"flow {listing(others)} has no sound; a `mos` is that of calls with `media`"


def _place(chain: Chain, term: str) -> Where:
    """Return where a term stands: in the nearest entry that gives it, or else in the nearest one."""
    for promise in reversed(chain):
        if key := promise.key(term):
            return (*promise.where, key)
    return chain[-1].where
