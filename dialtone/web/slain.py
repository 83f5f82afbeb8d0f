"""The shapes of what the API is told: maintenance and corrections. Nothing unknown, nothing guessed.

Here is what no entry may be, whoever it is for; what the books refuse as they stand, the Ledger says.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, NoReturn, Self

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from dialtone.model import LONGEST_MAINTENANCE, Correction, Flow, Maintenance, SliceState
from dialtone.sla.calendar import zone_of
from dialtone.sla.recurrence import check_rrule

StateWord = Literal["good", "bad", "unknown", "excluded"]

_UNSIGNED: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def _minute(at: datetime) -> datetime:
    if at.utcoffset() is not None and (at.second or at.microsecond):
        raise ValueError("must be on a whole minute")
    if not _FIRST <= at <= _LAST:
        raise ValueError("must be between the years 2000 and 2200")
    return at.astimezone(UTC)


def _one_line(text: str) -> str:
    found = text.strip()
    if not found:
        raise ValueError("must say something")
    if not found.isprintable():
        raise ValueError("must be one line of text")
    return found


def _domain(text: str) -> str:
    return text.lower().removesuffix(".")


def _zone(name: str) -> str:
    zone_of(name)
    return name


Minute = Annotated[
    AwareDatetime,
    AfterValidator(_minute),
    Field(description="RFC 3339 with its zone, on a whole minute: 2026-03-01T12:00:00Z"),
]
Reason = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
TenantName = Annotated[str, Field(max_length=253), AfterValidator(_domain)]
Flows = Annotated[
    tuple[Flow, ...], Field(max_length=len(Flow), description="Which it is about; none for all")
]


class Told(BaseModel):
    """What all requests have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MaintenanceIn(Told):
    """Work that is declared beforehand: for a tenant and all below it."""

    tenant: TenantName
    begins: Minute
    seconds: Annotated[
        int, Field(ge=60, le=LONGEST_MAINTENANCE, multiple_of=60, strict=True, description="Whole minutes")
    ]
    reason: Reason
    flows: Flows = ()
    recurs: Annotated[
        str, Field(max_length=500, description="An RRULE (RFC 5545), FREQ=WEEKLY;BYDAY=SU; empty: once")
    ] = ""
    zone: Annotated[
        str | None,
        Field(max_length=64, description="By whose wall clock it recurs (IANA); null: the tenant's"),
        AfterValidator(lambda name: None if name is None else _zone(name)),
    ] = None

    @model_validator(mode="after")
    def _rule_can_be_followed(self) -> Self:
        if self.recurs:
            check_rrule(self.recurs, self.zone or "UTC")
        return self

    def declared(self, zone: str) -> Maintenance:
        """Return what is to be put down, unsigned; `zone` is the tenant's."""
        return Maintenance(
            id=0,
            tenant=self.tenant,
            begins=self.begins,
            seconds=self.seconds,
            author="",
            reason=self.reason,
            declared=_UNSIGNED,
            flows=tuple(dict.fromkeys(self.flows)),
            recurs=self.recurs,
            zone=self.zone or zone,
        )


class CorrectionIn(Told):
    """What slices are to count as, put down afterwards: for a tenant and all below it."""

    tenant: TenantName
    begins: Minute
    ends: Minute
    state: StateWord
    reason: Reason
    flows: Flows = ()

    def declared(self) -> Correction:
        """Return what is to be put down, unsigned."""
        return Correction(
            id=0,
            tenant=self.tenant,
            begins=self.begins,
            ends=self.ends,
            state=SliceState[self.state.upper()],
            author="",
            reason=self.reason,
            declared=_UNSIGNED,
            flows=tuple(dict.fromkeys(self.flows)),
        )


def refuse(field: str, words: str) -> NoReturn:
    """Refuse what was told, naming the field."""
    raise RequestValidationError([{"loc": ("body", field), "msg": words}])
