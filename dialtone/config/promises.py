"""One of `objectives:` -> its terms, as far as it gives them; what can't go together in it is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dialtone.config.contracts import CreditEntry, LatencyEntry, ObjectiveEntry, PassiveEntry
from dialtone.config.problem import Where, listing
from dialtone.config.report import Report
from dialtone.config.terms import percent
from dialtone.config.values import Tenants
from dialtone.model import Credit, EvidenceKind, Measure, Sli

DEFAULT_PASSIVE: Final = Measure(Sli.PASSIVE, threshold=0.9, other=0.1)
"""What traffic is judged by unless `passive` says otherwise: SEER 90 % at least, ISA 10 % at most."""

_NO_TERMS: Final = frozenset({"name", "tenants", "promised"})
_MOST_CREDITS: Final = 20
_PLAIN: Final[Mapping[str, str]] = {
    "flows": "flows", "probes": "probes", "target": "target", "period": "rolling", "zone": "zone",
    "maintenance": "maintenance", "starts": "starts", "ends": "ends", "hours": "hours",
    "title": "titles",
}  # fmt: skip
"""Keys whose values are what the objective has, under the name of its field."""


@dataclass(frozen=True, slots=True)
class Promise:
    """An entry: whom it is for, and its terms by the names of Objective's fields, those that it gives."""

    where: Where
    name: str
    tenants: Tenants
    promised: bool
    terms: Mapping[str, object]

    def key(self, term: str) -> str:
        """Return the key by which a term is written here, "" where it is not."""
        if term not in self.terms:
            return ""
        if term == "measure":
            measure = self.terms[term]
            return "mos" if isinstance(measure, Measure) and measure.sli is Sli.MOS else "latency"
        return {"rolling": "period", "titles": "title"}.get(term, term)


def read_promise(report: Report, raw: object, where: Where) -> Promise | None:
    """Return the entry of a place, None with its problems noted."""
    entry = report.take(ObjectiveEntry, raw, where)
    if entry is None:
        return None
    before = len(report.problems)
    given = entry.model_fields_set
    terms: dict[str, object] = {field: getattr(entry, key) for key, field in _PLAIN.items() if key in given}
    if "evidence" in given:
        terms["evidence"] = EvidenceKind(entry.evidence)
    if "latency" in given:
        terms["measure"] = _latency(report, entry, (*where, "latency"))
    if "mos" in given:
        terms["measure"] = Measure(Sli.MOS, threshold=entry.mos)
    if "passive" in given:
        terms["passive"] = _passive(report, entry, (*where, "passive"))
    if "credits" in given:
        terms["credits"] = _credits(report, entry, (*where, "credits"))
    if {"latency", "mos"} <= given:
        report.problem((*where, "mos"), "does not go with `latency`; make two objectives of them")
    if not entry.promised and (more := sorted(given - _NO_TERMS)):
        report.problem((*where, "promised"), f"false goes with no terms; take out {listing(more)}, or it")
    if len(report.problems) > before:
        return None
    return Promise(where, entry.name, entry.tenants, entry.promised, terms)


def _latency(report: Report, entry: ObjectiveEntry, where: Where) -> Measure | None:
    read = report.take(LatencyEntry, entry.latency, where)
    return None if read is None else Measure(Sli.LATENCY, read.timing, read.under)


def _passive(report: Report, entry: ObjectiveEntry, where: Where) -> Measure | None:
    read = report.take(PassiveEntry, entry.passive, where)
    if read is None:
        return None
    if read.seer is None and read.isa is None:
        report.problem(where, "needs `seer`, the least share, `isa`, the greatest, or both")
    return Measure(
        Sli.PASSIVE,
        threshold=None if read.seer is None else float(read.seer),
        other=None if read.isa is None else float(read.isa),
    )


def _credits(report: Report, entry: ObjectiveEntry, where: Where) -> tuple[Credit, ...]:
    if len(entry.credits) > _MOST_CREDITS:
        report.problem(where, f"has {len(entry.credits):,} entries; {_MOST_CREDITS} are the most")
        return ()
    found: list[Credit] = []
    for there, item in report.entries(entry.credits, where):
        read = report.take(CreditEntry, item, there)
        if read is None:
            continue
        if found and read.below >= found[-1].below:
            report.problem(
                (*there, "below"),
                f"{percent(read.below)} is not under {percent(found[-1].below)} of the entry before it; "
                "go from the highest bound to the lowest",
            )
        elif found and read.credit <= found[-1].share:
            report.problem(
                (*there, "credit"),
                f"{percent(read.credit)} is not over {percent(found[-1].share)} of the entry before it; "
                "who got less gets more back",
            )
        found.append(Credit(read.below, read.credit))
    return tuple(found)
