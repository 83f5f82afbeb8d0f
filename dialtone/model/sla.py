"""What was promised: objectives; and what is agreed or put right beside the measurements.

Declarations of maintenance and corrections are never changed or removed, only withdrawn: whoever reads the
books later sees all of them, with who, when and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Final

from dialtone.model.probe import Flow
from dialtone.model.slices import AVAILABILITY, Measure, Sli, SliceState
from dialtone.model.week import WeekSpan

LEAST_COVERAGE: Final = Fraction(95, 100)
"""Of the time that counts: where less was measured, a figure is provisional (docs/sla.md)."""

LONGEST_MAINTENANCE: Final = 31 * 86_400
"""Seconds that one piece of work may last."""


class EvidenceKind(StrEnum):
    """What an objective is judged by: our probes, the tenant's own traffic, or probes and what traffic adds.

    Under EITHER traffic may make a slice bad, and never clears one.
    """

    SYNTHETIC = "synthetic"
    PASSIVE = "passive"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Credit:
    """What a tenant gets back: `share` of its fee (0 to 1) where the figure is below `below`."""

    below: Fraction
    share: Fraction


@dataclass(frozen=True, slots=True)
class Objective:
    """What one tenant was promised of one service.

    - `service` is its name; it is made of `flows`, and of all probes of these, or of those named in `probes`.
    - `measure` says what makes a slice good; `target` is the share of good ones, over 0 and at most 1.
    - `rolling` is the period in days, 0 for the calendar month in `zone` (IANA).
    - `hours` are those of service, by the zone's wall clock; () for always.
    - `maintenance` is how many seconds of a calendar month may be excluded.
    - `passive` is what the tenant's traffic is judged by, None where it is not.
    - `starts` and `ends` are the contract's first and last day in the zone, None for open.
    - `credits` go from the highest bound to the lowest.
    - `titles` are what people read for the service's name, by language tag; "" is for any language.
    """

    tenant: str
    service: str
    flows: tuple[Flow, ...]
    target: Fraction
    zone: str
    measure: Measure = AVAILABILITY
    probes: tuple[str, ...] = ()
    rolling: int = 0
    evidence: EvidenceKind = EvidenceKind.SYNTHETIC
    passive: Measure | None = None
    hours: tuple[WeekSpan, ...] = ()
    maintenance: int = 4 * 3600
    credits: tuple[Credit, ...] = ()
    starts: date | None = None
    ends: date | None = None
    titles: Mapping[str, str] = field(default_factory=dict, hash=False)

    def title(self, language: str) -> str:
        """Return what people of a language (a tag such as fr-CA) read: its title, or the service's name.

        It is the title of the language, or else of its base (fr), or else the one for any language.
        """
        base = language.replace("_", "-").partition("-")[0]
        found = (self.titles.get(one) for one in (language, base, ""))
        return next((one for one in found if one), self.service)

    def has_flow(self, flow: Flow, probe: str) -> bool:
        """Whether a probe of that flow belongs to the service."""
        return flow in self.flows and (not self.probes or probe in self.probes)

    @property
    def sli(self) -> Sli:
        """What is judged of each slot."""
        return self.measure.sli


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Work that was declared: of a tenant and all below it, of some flows (() for all).

    `begins` is the first occurrence's start, whole minutes, each lasts `seconds` (whole minutes). `recurs` is
    an RRULE (RFC 5545 3.3.10) by the wall clock of `zone`, "" for once. An occurrence that began before it
    was declared, or after it was withdrawn, is none.
    `source` is where it was declared: config, cli or api; `name` is that of the configuration's entry.
    """

    id: int
    tenant: str
    begins: datetime
    seconds: int
    author: str
    reason: str
    declared: datetime
    flows: tuple[Flow, ...] = ()
    recurs: str = ""
    zone: str = "UTC"
    source: str = "cli"
    name: str = ""
    withdrawn: datetime | None = None
    withdrawn_by: str = ""


@dataclass(frozen=True, slots=True)
class Correction:
    """What slices are to count as, put down afterwards: of a tenant and all below it, of some flows or all.

    `flows` are () for all. From `begins` until `ends`, whole minutes. Of two that overlap the later one
    (`id`) counts. `declared` is when it was put down.
    """

    id: int
    tenant: str
    begins: datetime
    ends: datetime
    state: SliceState
    author: str
    reason: str
    declared: datetime
    flows: tuple[Flow, ...] = ()
    withdrawn: datetime | None = None
    withdrawn_by: str = ""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change of the books: who did what to whom, when. `id` counts without gaps."""

    id: int
    at: datetime
    author: str
    action: str
    tenant: str
    detail: str


@dataclass(frozen=True, slots=True)
class Closing:
    """A month of a tenant, frozen.

    `inputs` is canonical JSON of everything that the figures came from, `figures` that of the statement;
    `hash` is the SHA-256 (hex) of `previous`, inputs and figures; `previous` is the hash of the closing
    before it in the store, whoever's it is, "" of the first. `sequence` counts from 1.
    `spans` are the times (UTC) in which slices of the tenant can't change any more.
    """

    sequence: int
    tenant: str
    period: str
    closed: datetime
    author: str
    inputs: str
    figures: str
    previous: str
    hash: str
    spans: tuple[tuple[datetime, datetime], ...]
