"""Accounts and statements as tests want them: a month of a client, with as many incidents as asked for."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from dialtone.model import Closing, Correction, Credit, Flow, Objective, SliceState
from dialtone.sla.figures import Account, Budget, Figures, Incident
from dialtone.sla.statement import ExcludedTime, Logo, Party, Statement

MONTREAL = "America/Montreal"
CLIENT = Party("acme.ntek.clusterpbx.example", "Acme")
RESELLER = Party("ntek.clusterpbx.example", "NTEK")
CREDITS = (Credit(Fraction("0.9995"), Fraction("0.1")), Credit(Fraction("0.99"), Fraction("0.25")))
CAUSES = (
    "timeout: no answer to INVITE within 5 s",
    "sip-5xx: 503 Service Unavailable",
    "one-way-media: nothing was heard of the callee in 4.0 s",
    "no-binding: the contact was not seen at the registrar",
)
HASH = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"


def an_objective(**changed: Any) -> Objective:
    """Return the objective `Calls`: 99.95 % of a calendar month in Montreal, with credits."""
    fields: dict[str, Any] = {
        "tenant": CLIENT.domain,
        "service": "Calls",
        "flows": (Flow.CALL,),
        "target": Fraction("0.9995"),
        "zone": MONTREAL,
        "credits": CREDITS,
    }
    return Objective(**fields | changed)


def month_of(period: str, zone: str) -> tuple[datetime, datetime]:
    """Return the first and the last instant (UTC) of a calendar month in a zone."""
    first = date.fromisoformat(period + "-01")
    after = (first + timedelta(days=31)).replace(day=1)
    begin, end = (datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC) for day in (first, after))
    return begin, end


def an_account(
    period: str = "2026-10",
    *,
    objective: Objective | None = None,
    incidents: Sequence[Incident] = (),
    unknown: Mapping[int, int] | None = None,
    excluded: Mapping[int, int] | None = None,
    taken: int = 0,
    until: datetime | None = None,
) -> Account:
    """Return a month of a service; what isn't in incidents, unknown or excluded was good.

    `unknown` and `excluded` are seconds by day of the month; `taken` are seconds that were bad as measured
    and that a correction of later excludes (they have to be among the excluded). An incident's bad seconds
    are those of its first day.
    """
    objective = objective or an_objective()
    start, end = month_of(period, objective.zone)
    until = min(end, until or end)
    zone = ZoneInfo(objective.zone)
    days: list[tuple[date, Figures]] = []
    whole = Figures()
    for day in _days(start, end, zone):
        begin, close = (
            datetime.combine(day + timedelta(days=more), time(), zone).astimezone(UTC) for more in (0, 1)
        )
        passed = max(0, int((min(close, until) - begin).total_seconds()))
        bad = sum(one.bad for one in incidents if begin <= one.start < close)
        lost = min((unknown or {}).get(day.day, 0), passed - bad)
        out = min((excluded or {}).get(day.day, 0), passed - bad - lost)
        figures = Figures(passed - bad - lost - out, bad, lost, out) if passed else Figures()
        days.append((day, figures))
        whole += figures
    raw = Figures(whole.good, whole.bad + taken, whole.unknown, whole.excluded - taken)
    counted = int((end - start).total_seconds()) - whole.excluded
    return Account(
        objective=objective,
        start=start,
        end=end,
        until=until,
        raw=raw,
        corrected=whole,
        budget=Budget((1 - objective.target) * counted, whole.bad),
        days=tuple(days),
        incidents=tuple(incidents),
        burns=(),
    )


def an_incident(start: datetime, seconds: int = 300, **changed: Any) -> Incident:
    """Return an incident of calls that was confirmed after 8.5 seconds."""
    fields: dict[str, Any] = {
        "start": start,
        "end": start + timedelta(seconds=seconds),
        "bad": seconds,
        "flows": (Flow.CALL,),
        "causes": (CAUSES[0],),
        "known": start + timedelta(seconds=8.5),
    }
    return Incident(**fields | changed)


def many_incidents(period: str = "2026-10", count: int = 80, *, zone: str = MONTREAL) -> tuple[Incident, ...]:
    """Return that many incidents, spread over a month, of several lengths, flows and causes."""
    start, end = month_of(period, zone)
    step = (end - start) / max(count, 1)
    return tuple(
        an_incident(
            (start + step * number).replace(second=0, microsecond=0) + timedelta(minutes=number % 7),
            60 * (1 + number * number % 11),
            causes=(CAUSES[number % 4],) if number % 9 else CAUSES[:3],
            flows=(Flow.CALL,) if number % 5 else (Flow.CALL, Flow.REGISTER, Flow.BLIND_TRANSFER),
        )
        for number in range(count)
    )


def a_statement(**changed: Any) -> Statement:
    """Return the closed October 2026 of Acme, client of NTEK, in English: nothing went wrong."""
    fields: dict[str, Any] = {
        "tenant": CLIENT,
        "issuer": RESELLER,
        "period": "2026-10",
        "zone": MONTREAL,
        "language": "en",
        "made": datetime(2026, 11, 1, 13, 0, tzinfo=UTC),
        "accounts": (an_account(),),
        "closing": a_closing(),
    }
    return Statement(**fields | changed)


def a_closing(period: str = "2026-10") -> Closing:
    """Return a closing of Acme's month; its inputs and figures are not those of an account here."""
    return Closing(
        sequence=7,
        tenant=CLIENT.domain,
        period=period,
        closed=datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
        author="books@ntek.clusterpbx.example",
        inputs="{}",
        figures="[]",
        previous="",
        hash=HASH,
        spans=(month_of(period, MONTREAL),),
    )


def an_exclusion(start: datetime, seconds: int = 3600, **changed: Any) -> ExcludedTime:
    """Return an hour of maintenance that was declared beforehand."""
    fields: dict[str, Any] = {
        "start": start,
        "end": start + timedelta(seconds=seconds),
        "reason": "New proxies in Montreal",
        "author": "configuration",
        "is_correction": False,
    }
    return ExcludedTime(**fields | changed)


def a_correction(begins: datetime, seconds: int = 600, **changed: Any) -> Correction:
    """Return a correction that excludes ten minutes."""
    fields: dict[str, Any] = {
        "id": 3,
        "tenant": CLIENT.domain,
        "begins": begins,
        "ends": begins + timedelta(seconds=seconds),
        "state": SliceState.EXCLUDED,
        "author": "marie@ntek.clusterpbx.example",
        "reason": "Fibre cut at the client's own building, ticket 4711",
        "declared": begins + timedelta(days=2),
    }
    return Correction(**fields | changed)


def a_logo(width: int = 360, height: int = 120) -> Logo:
    """Return a PNG: a blue bar with a white one in it."""
    rows = b"".join(
        b"\0" + b"".join(_pixel(x, y, width, height) for x in range(width)) for y in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return Logo("image/png", b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def _pixel(x: int, y: int, width: int, height: int) -> bytes:
    inside = height // 3 < y < height - height // 3 and width // 8 < x < width - width // 8
    return b"\xff\xff\xff" if inside else b"\x1b\x4f\x9c"


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _days(start: datetime, end: datetime, zone: ZoneInfo) -> list[date]:
    first = start.astimezone(zone).date()
    count = (end.astimezone(zone).date() - first).days
    return [first + timedelta(days=number) for number in range(count)]
