"""The shapes of the API's answers about what is laid over the measurements, and about closed months."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import Field

from dialtone.model import Closing, Correction, Flow, Maintenance, SliceState
from dialtone.web.models import Answer
from dialtone.web.slain import StateWord
from dialtone.web.timings import TimingRow

_ABOVE: Final = "null where it was declared for somebody above you"
_WORDS: Final[Mapping[SliceState, StateWord]] = {
    SliceState.GOOD: "good",
    SliceState.BAD: "bad",
    SliceState.UNKNOWN: "unknown",
    SliceState.EXCLUDED: "excluded",
}


class MaintenanceOut(Answer):
    """Work that was declared."""

    id: int
    tenant: str | None = Field(description=f"It holds for all below it too; {_ABOVE}")
    begins: datetime = Field(description="The first time")
    seconds: int
    recurs: str = Field(description="An RRULE (RFC 5545) by the wall clock of `zone`; empty: once")
    zone: str
    flows: list[Flow] = Field(description="Which it is about; empty: all")
    reason: str
    author: str | None = Field(description=_ABOVE)
    source: str = Field(description="config, cli or api")
    declared: datetime
    withdrawn: datetime | None = Field(description="From then on no time of it begins")

    @classmethod
    def of(cls, one: Maintenance) -> "MaintenanceOut":
        """Show maintenance."""
        return cls(
            id=one.id,
            tenant=one.tenant or None,
            begins=one.begins,
            seconds=one.seconds,
            recurs=one.recurs,
            zone=one.zone,
            flows=list(one.flows),
            reason=one.reason,
            author=one.author or None,
            source=one.source,
            declared=one.declared,
            withdrawn=one.withdrawn,
        )


class DeclaredOut(MaintenanceOut):
    """Maintenance that was put down."""

    overlapping: list[int] = Field(description="Maintenance that was declared already for some of its times")


class CorrectionOut(Answer):
    """What slices count as, put down afterwards."""

    id: int
    tenant: str | None = Field(description=f"It holds for all below it too; {_ABOVE}")
    begins: datetime
    ends: datetime
    state: StateWord
    flows: list[Flow] = Field(description="Which it is about; empty: all")
    reason: str
    author: str | None = Field(description=_ABOVE)
    declared: datetime
    withdrawn: datetime | None

    @classmethod
    def of(cls, one: Correction) -> "CorrectionOut":
        """Show a correction."""
        return cls(
            id=one.id,
            tenant=one.tenant or None,
            begins=one.begins,
            ends=one.ends,
            state=_WORDS[one.state],
            flows=list(one.flows),
            reason=one.reason,
            author=one.author or None,
            declared=one.declared,
            withdrawn=one.withdrawn,
        )


class ClosedOut(Answer):
    """A month of a tenant that is frozen."""

    tenant: str
    period: str


class CorrectedOut(CorrectionOut):
    """A correction that was put down."""

    closed: list[ClosedOut] = Field(
        description="Frozen months that it lies in: they stand as they are, until they are verified"
    )


class ClosingOut(Answer):
    """A month of a tenant that is frozen."""

    tenant: str
    period: str
    closed: datetime
    hash: str = Field(description="SHA-256 of the hash before it, what the figures came from, and them")
    sequence: int | None = Field(description="Its place in the chain of all closings; the platform's alone")
    previous: str | None = Field(description="The hash before it; the platform's alone")
    author: str | None = Field(description="Who closed it; the platform's alone")

    @classmethod
    def of(cls, one: Closing, *, whole: bool) -> "ClosingOut":
        """Show a closing; `whole` is whether the reader may know that there are others."""
        return cls(
            tenant=one.tenant,
            period=one.period,
            closed=one.closed,
            hash=one.hash,
            sequence=one.sequence if whole else None,
            previous=one.previous if whole else None,
            author=one.author if whole else None,
        )


class TimingOut(Answer):
    """One timing of a flow in an hour or day, in seconds: of scheduled probes that passed."""

    start: datetime
    flow: Flow
    timing: str
    count: int
    mean: float
    p50: float = Field(description="Percentiles are at most a tenth over the true ones")
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, row: TimingRow) -> "TimingOut":
        """Show a timing."""
        return cls(
            start=row.start,
            flow=row.flow,
            timing=row.timing,
            count=row.count,
            mean=row.mean,
            p50=row.p50,
            p95=row.p95,
            p99=row.p99,
            max=row.max,
        )
