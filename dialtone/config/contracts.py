"""The shape of what was promised: entries of `objectives:` and `maintenance:`, as in schema.py."""

from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Annotated

from pydantic import ConfigDict, Field, PlainValidator

from dialtone.config import terms, values
from dialtone.config.schema import Entries, Entry, Name, OptionalText, TenantChoice, Text
from dialtone.model import EvidenceKind, Flow, WeekSpan

Flows = Annotated[tuple[Flow, ...], PlainValidator(terms.flows)]
Zone = Annotated[str | None, PlainValidator(values.timezone)]


class ObjectiveEntry(Entry):
    """One of `objectives:`; what it leaves out comes from the entry of its name above, see objectives.py."""

    name: Annotated[Name, Field(examples=["telephony"])]
    tenants: TenantChoice = "all"
    promised: Annotated[bool, PlainValidator(values.truth)] = True
    title: Annotated[Mapping[str, str], PlainValidator(terms.titles), Field(default_factory=dict)]
    flows: Flows = ()
    probes: Annotated[tuple[str, ...], PlainValidator(values.words)] = ()
    target: Annotated[Fraction, PlainValidator(terms.share), Field(examples=["99.9%"])] = Fraction(1)
    latency: Annotated[
        dict[str, object], Field(default_factory=dict, examples=["{timing: srd, under: 500ms}"])
    ]
    mos: Annotated[float | None, PlainValidator(terms.least_mos)] = None
    period: Annotated[int, PlainValidator(terms.period)] = 0
    zone: Zone = None
    hours: Annotated[tuple[WeekSpan, ...], PlainValidator(terms.service_hours)] = ()
    maintenance: Annotated[int, PlainValidator(terms.allowance)] = 4 * terms.HOUR
    evidence: Annotated[str, PlainValidator(values.OneOf(tuple(EvidenceKind)))] = EvidenceKind.SYNTHETIC
    passive: Annotated[dict[str, object], Field(default_factory=dict, examples=["{seer: 90%, isa: 10%}"])]
    credits: Annotated[Entries, Field(default_factory=list, examples=["[{below: 99.9%, credit: 10%}]"])]
    starts: Annotated[date | None, PlainValidator(terms.day)] = None
    ends: Annotated[date | None, PlainValidator(terms.day)] = None

    model_config = ConfigDict(arbitrary_types_allowed=True)


class LatencyEntry(Entry):
    """`latency:` of an objective"""

    timing: Annotated[str, PlainValidator(terms.timing), Field(examples=["srd"])]
    under: Annotated[float, PlainValidator(terms.threshold), Field(examples=["500ms"])]


class PassiveEntry(Entry):
    """`passive:` of an objective"""

    seer: Annotated[Fraction | None, PlainValidator(terms.share)] = None
    isa: Annotated[Fraction | None, PlainValidator(terms.share)] = None

    model_config = ConfigDict(arbitrary_types_allowed=True)


class CreditEntry(Entry):
    """One of `credits:` of an objective"""

    below: Annotated[Fraction, PlainValidator(terms.share), Field(examples=["99.9%"])]
    credit: Annotated[Fraction, PlainValidator(terms.share), Field(examples=["10%"])]

    model_config = ConfigDict(arbitrary_types_allowed=True)


class MaintenanceEntry(Entry):
    """One of `maintenance:`"""

    name: Annotated[Name, Field(examples=["patch-night"])]
    begins: Annotated[datetime, PlainValidator(terms.instant), Field(examples=["2026-11-03T02:00"])]
    lasts: Annotated[int, PlainValidator(terms.length), Field(examples=["2h"])]
    reason: Annotated[Text, Field(examples=["weekly updates"])]
    recurs: OptionalText = None
    zone: Zone = None
    tenants: TenantChoice = "all"
    flows: Flows = ()
