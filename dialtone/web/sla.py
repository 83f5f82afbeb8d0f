"""The routes of what was promised and kept: /sla, /statements, /closings, /timings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime

from dialtone.sla.calendar import period_of
from dialtone.sla.statements import render
from dialtone.web import cursor as cursors
from dialtone.web.access import Reads
from dialtone.web.beside import answered, beside
from dialtone.web.declaredout import ClosingOut, TimingOut
from dialtone.web.models import Listing
from dialtone.web.problems import DOCUMENTED
from dialtone.web.slaout import AccountDetailOut, AccountOut, BrokenOut, SlaOut, TenantSlaOut, worst

router: Final = APIRouter(prefix="/api/v1", responses=dict(DOCUMENTED))

_MONTH: Final = r"^2[0-9]{3}-(0[1-9]|1[0-2])$"
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2999
"""As in the months: an instant at the ends of the calendar has no UTC, and no day before it."""
_EAST: Final = timedelta(hours=14)
"""How far ahead of UTC a month begins where it begins first."""

Tenant = Annotated[str, Path(max_length=254, description="A domain")]
Month = Annotated[str | None, Query(pattern=_MONTH, description="A calendar month, such as 2026-10")]
OneTenant = Annotated[str | None, Query(max_length=254, description="A domain")]


class Step(StrEnum):
    """Of what length the spans are that timings are told for."""

    HOUR = "hour"
    DAY = "day"


_MOST: Final[Mapping[Step, timedelta]] = {Step.HOUR: timedelta(days=31), Step.DAY: timedelta(days=400)}
"""How much time may be asked for at once."""


class Format(StrEnum):
    """What a statement is given as."""

    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class _Kind:
    media_type: str
    suffix: str
    shown: bool
    """In the browser; else it is saved."""


_KINDS: Final[Mapping[Format, _Kind]] = {
    Format.HTML: _Kind("text/html; charset=utf-8", "html", shown=True),
    Format.PDF: _Kind("application/pdf", "pdf", shown=False),
    Format.CSV: _Kind("text/csv; charset=utf-8", "csv", shown=False),
    Format.JSON: _Kind("application/json", "json", shown=True),
    Format.TEXT: _Kind("text/plain; charset=utf-8", "txt", shown=True),
}

_DOCUMENT_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of a statement, which carries its style and pictures in itself: it can run and load nothing, and its
sandbox shares no origin with the service."""


@router.get("/sla", response_model=SlaOut)
async def sla(
    reader: Reads,
    tenant: OneTenant = None,
    service: Annotated[str | None, Query(max_length=100)] = None,
    period: Month = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 100,
) -> Response:
    """Every service's figures over the period that runs, or over a month; the least budget left first."""
    _check_begun(period, reader.now(), "query")
    found, broken = await reader.books.sound_accounts(tenant=_domain(tenant), period=period)

    def told() -> SlaOut:
        ours = sorted((one for one in found if service in (None, one.objective.service)), key=worst)
        return SlaOut(
            items=[AccountOut.of(one) for one in ours[:limit]],
            total=len(ours),
            broken=[BrokenOut.of(one) for one in broken[:limit]],
        )

    return await answered(told)


@router.get("/sla/{tenant}", response_model=TenantSlaOut)
async def tenant_sla(tenant: Tenant, reader: Reads, period: Month = None) -> Response:
    """A tenant's services with days, incidents and burn rates, as declared beforehand and as corrected."""
    _check_begun(period, reader.now(), "query")
    domain = tenant.lower().removesuffix(".")
    if not reader.books.has(domain):
        raise HTTPException(404)
    found = await reader.books.accounts(tenant=domain, period=period)
    return await answered(
        lambda: TenantSlaOut(tenant=domain, items=[AccountDetailOut.of(one) for one in found])
    )


@router.get(
    "/statements/{tenant}/{period}",
    response_class=Response,
    responses={
        200: {
            "description": "The document; PDF and CSV are to be saved, the others are shown",
            "content": {kind.media_type.partition(";")[0]: {} for kind in _KINDS.values()},
        }
    },
)
async def statement(
    tenant: Tenant,
    period: Annotated[str, Path(pattern=_MONTH, description="A calendar month, such as 2026-10")],
    reader: Reads,
    format: Annotated[Format, Query(description="Of the document")] = Format.HTML,  # noqa: A002 - its name
) -> Response:
    """A tenant's month, in its language: for whoever pays, and whoever is paid."""
    _check_begun(period, reader.now(), "path")
    found = await reader.books.statement(tenant.lower().removesuffix("."), period)
    if found is None:
        raise HTTPException(404)
    kind = _KINDS[format]
    document = await beside(partial(render, found, format.value))
    plain = re.sub(r"[^a-z0-9._-]", "_", found.tenant.domain)
    name = f'filename="statement-{plain}-{period}.{kind.suffix}"'
    headers = {
        "Content-Type": kind.media_type,
        "Content-Disposition": f"{'inline' if kind.shown else 'attachment'}; {name}",
    }
    if format is Format.HTML:
        headers["Content-Security-Policy"] = _DOCUMENT_POLICY
    return Response(document, headers=headers)


@router.get("/closings", response_model=Listing[ClosingOut])
async def closings(
    reader: Reads,
    tenant: OneTenant = None,
    period: Month = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=400, description="`next` of the page before")] = None,
) -> Response:
    """The months that are frozen, the last first."""
    try:
        after = cursors.read_month(cursor) if cursor is not None else None
    except ValueError as error:
        raise RequestValidationError([{"loc": ("query", "cursor"), "msg": str(error)}]) from None
    page = await reader.books.closings(tenant=_domain(tenant), period=period, limit=limit, after=after)
    items = [ClosingOut.of(one, whole=reader.sees_all) for one in page.items]
    return await answered(
        lambda: Listing(items=items, next=cursors.write_month(*page.end) if page.end else None)
    )


@router.get("/timings", response_model=Listing[TimingOut])
async def timings(
    reader: Reads,
    tenant: Annotated[str, Query(max_length=254, description="A domain")],
    since: Annotated[
        AwareDatetime | None, Query(description="RFC 3339; a day (hours) or a month (days) ago if not given")
    ] = None,
    until: Annotated[AwareDatetime | None, Query(description="RFC 3339; now if not given")] = None,
    step: Step = Step.HOUR,
) -> Response:
    """How long a tenant's probes that passed took, by hour or day (UTC): also of results that are gone."""
    domain, now = tenant.lower().removesuffix("."), reader.now()
    end = now if until is None else min(_utc(until, "until"), now)
    usual = timedelta(days=1 if step is Step.HOUR else 31)
    begin = end - usual if since is None else _utc(since, "since")
    if end - begin > _MOST[step]:
        words = f"must be within {_MOST[step].days} days before `until`, for steps of a {step}"
        raise RequestValidationError([{"loc": ("query", "since"), "msg": words}])
    if not reader.books.has(domain):
        raise HTTPException(404)
    daily = step is Step.DAY
    found = await reader.books.timings(domain, since=_floor(begin, daily), until=end, daily=daily)
    return await answered(lambda: Listing(items=[TimingOut.of(row) for row in found]))


def _check_begun(period: str | None, now: datetime, place: str) -> None:
    if period is not None and period > period_of(now + _EAST, "UTC"):
        raise RequestValidationError([{"loc": (place, "period"), "msg": "has not begun yet"}])


def _utc(at: datetime, place: str) -> datetime:
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        words = f"must be within the years {_FIRST_YEAR} to {_LAST_YEAR}"
        raise RequestValidationError([{"loc": ("query", place), "msg": words}])
    return at.astimezone(UTC)


def _domain(tenant: str | None) -> str | None:
    return tenant.lower().removesuffix(".") if tenant else None


def _floor(at: datetime, daily: bool) -> datetime:
    whole = at.replace(minute=0, second=0, microsecond=0)
    return whole.replace(hour=0) if daily else whole
