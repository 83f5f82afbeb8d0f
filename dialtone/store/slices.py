"""Slices on disk, as jobs of one transaction: tenures, days of bits, causes."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dialtone.model import (
    Flow,
    Measure,
    ProbeResult,
    SeriesKey,
    Sli,
    SliceCause,
    Slices,
    SliceSeries,
    joined_days,
    plane_bytes,
    plane_size,
    planes,
)
from dialtone.store.judging import Cause, keep_cause, within
from dialtone.store.reading import RowReader
from dialtone.store.rows import at, instant, row_result
from dialtone.store.seen import Seen
from dialtone.store.statements import sql
from dialtone.store.tenures import Asked, Place, Span, Tenure

_SECOND: Final = 1_000_000
"""In microseconds."""
_NOTHING: Final = Slices()


@dataclass(frozen=True, slots=True)
class SqlPages:
    """Implements judging.Pages within one transaction."""

    db: sqlite3.Connection
    reader: RowReader

    def closed(self, tenant: str) -> Sequence[Span]:
        """See judging.Pages."""
        rows = self.db.execute(sql("closed_spans"), {"tenant": tenant}).fetchall()
        return [Span(row["since"] // _SECOND, row["until"] // _SECOND) for row in rows]

    def tenures(self, place: Place) -> Sequence[Tenure]:
        """See judging.Pages."""
        rows = self.db.execute(sql("tenures"), place._asdict())
        return self.reader.read("slice_series", rows, _tenure)

    def open(self, place: Place, measure: Measure, since: int, until: int | None) -> Tenure:
        """See judging.Pages."""
        values = place._asdict() | {
            "sli": measure.sli.value,
            "timing": measure.timing,
            "threshold": measure.threshold,
            "other": measure.other,
            "since": since * _SECOND,
            "until": None if until is None else until * _SECOND,
        }
        (made,) = self.db.execute(sql("open_tenure"), values).fetchone()
        return Tenure(made, measure, since, until)

    def move(self, tenure: int, since: int, until: int | None) -> None:
        """See judging.Pages."""
        end = None if until is None else until * _SECOND
        self.db.execute(sql("move_tenure"), {"id": tenure, "since": since * _SECOND, "until": end})

    def open_at(self, location: str) -> Sequence[tuple[SeriesKey, Tenure]]:
        """See planning.Placed."""
        rows = self.db.execute(sql("open_tenures"), {"location": location})
        return self.reader.read("slice_series", rows, lambda row: (_key(row), _tenure(row)))

    def attempts(self, place: Place, slot: int) -> Sequence[ProbeResult]:
        """See judging.Pages."""
        rows = self.db.execute(sql("slot_attempts"), place._asdict() | {"slot": slot})
        return self.reader.read("results", rows, row_result)

    def day(self, series: int, day: int, place: Place) -> tuple[int, int] | None:
        """See judging.Pages."""
        row = self.db.execute(sql("day_bits"), {"series": series, "day": day}).fetchone()
        if row is None:
            return 0, 0
        of_day = {"series": series, "day": day, "bits": row["bits"]}
        found = self.reader.read("slices", [of_day], lambda one: _planes(one["bits"], place.interval))
        return found[0] if found else None

    def put_day(self, series: int, day: int, place: Place, good: int, bad: int) -> None:
        """See judging.Pages."""
        bits = plane_bytes(good, bad, place.interval)
        self.db.execute(sql("put_day_bits"), {"series": series, "day": day, "bits": bits})

    def cause(self, series: int, slot: int) -> Cause | None:
        """See judging.Pages."""
        row = self.db.execute(sql("slot_cause"), {"series": series, "slot": slot}).fetchone()
        return None if row is None else _cause(row)

    def put_cause(self, series: int, cause: Cause) -> None:
        """See judging.Pages."""
        values = {"series": series, "slot": cause.slot, "cause": cause.text, "evidence": cause.evidence}
        self.db.execute(sql("put_slot_cause"), values | {"known": instant(cause.known)})

    def drop_cause(self, series: int, slot: int) -> None:
        """See judging.Pages."""
        self.db.execute(sql("drop_slot_cause"), {"series": series, "slot": slot})


def series(
    db: sqlite3.Connection,
    reader: RowReader,
    seen: Seen,
    asked: Asked,
) -> list[SliceSeries]:
    """Return the series that were placed within a span, with their days."""
    values = _asked(seen, asked)
    rows = db.execute(seen.text + sql("series"), values).fetchall()
    days, unread = _days(db, reader, seen, values, {row["id"]: row["interval"] for row in rows})

    def make(row: Mapping[str, Any]) -> SliceSeries:
        id_, since, until = row["id"], row["since"], row["until"]
        end = None if until is None else at(until // _SECOND * _SECOND)
        begin = at(since // _SECOND * _SECOND)
        return SliceSeries(id_, _key(row), begin, end, days.get(id_, _NOTHING), unread.get(id_, ()))

    return reader.read("slice_series", rows, make)


def causes(
    db: sqlite3.Connection,
    reader: RowReader,
    seen: Seen,
    asked: Asked,
) -> list[SliceCause]:
    """Return why slices of a span are bad; a run that began before it begins with its first slot."""
    values = _asked(seen, asked)
    placed = {row["id"]: row for row in db.execute(seen.text + sql("series"), values).fetchall()}
    found: list[tuple[int, SliceCause]] = []
    pages = SqlPages(db, reader)
    for row in db.execute(seen.text + sql("causes"), values).fetchall():
        of = placed[row["series"]]
        place = _place(of)
        cause = within(pages, of["id"], place, _cause(row), asked.since)
        if cause is not None:
            told = SliceCause(_key(of), cause.slot, cause.text, cause.known, cause.evidence)
            found.append((of["id"], told))
    return [told for _, told in sorted(found, key=lambda one: (one[1].key.tenant, one[1].slot, one[0]))]


def closed_off(pages: SqlPages, tenant: str, spans: Iterable[Span]) -> None:
    """Put down, for each span and series of a tenant, the cause that goes on into it."""
    for row in pages.db.execute(sql("series_of_tenant"), {"tenant": tenant}).fetchall():
        for span in spans:
            keep_cause(pages, row["id"], _place(row), span.since)


def _days(
    db: sqlite3.Connection,
    reader: RowReader,
    seen: Seen,
    values: Mapping[str, Any],
    intervals: Mapping[int, int],
) -> tuple[dict[int, Slices], dict[int, tuple[int, ...]]]:
    """Return the slices of a span by series, and the days that can't be read.

    Plain tuples and no detours: there may be 100,000 and more.
    """
    found: dict[int, Slices] = {}
    unread: dict[int, tuple[int, ...]] = {}
    damaged: list[Mapping[str, Any]] = []
    with closing(db.cursor()) as cursor:
        cursor.row_factory = None
        rows = cursor.execute(seen.text + sql("days"), values)
        for one, of_series in groupby(rows, itemgetter(0)):
            interval = intervals.get(one)
            if interval is None:
                continue
            days = {day: bits for _, day, bits in of_series}
            size = 2 * plane_size(interval)
            if {len(bits) for bits in days.values()} != {size}:
                wrong = [day for day, bits in days.items() if len(bits) != size]
                damaged.extend({"series": one, "day": day, "bits": days.pop(day)} for day in wrong)
                unread[one] = tuple(wrong)
            found[one] = joined_days(days, interval)
    reader.read("slices", damaged, lambda row: _planes(row["bits"], intervals[row["series"]]))
    return found, unread


def _asked(seen: Seen, asked: Asked) -> dict[str, Any]:
    """Return the values of a query of a span. Tenures are on whole seconds, so that cutting loses nothing."""
    return {
        **seen.values,
        "since": asked.since * _SECOND,
        "until": asked.until * _SECOND,
        "since_second": asked.since,
        "until_second": asked.until,
        "first": asked.days.start,
        "last": asked.days.stop - 1,
        "tenants": None if asked.tenants is None else json.dumps(sorted(asked.tenants)),
    }


def _place(row: Mapping[str, Any]) -> Place:
    return Place(row["tenant"], Flow(row["flow"]), row["probe"], row["location"], row["interval"])


def _measure(row: Mapping[str, Any]) -> Measure:
    return _measure_of(row["sli"], row["timing"], row["threshold"], row["other"])


@lru_cache(maxsize=256)
def _measure_of(sli: int, timing: str, threshold: float | None, other: float | None) -> Measure:
    return Measure(Sli(sli), timing, threshold, other)


def _key(row: Mapping[str, Any]) -> SeriesKey:
    return _place(row).key(_measure(row))


def _tenure(row: Mapping[str, Any]) -> Tenure:
    until = row["until"]
    end = None if until is None else until // _SECOND
    return Tenure(row["id"], _measure(row), row["since"] // _SECOND, end)


def _cause(row: Mapping[str, Any]) -> Cause:
    return Cause(row["slot"], row["cause"], at(row["known"]), row["evidence"])


def _planes(bits: bytes, interval: int) -> tuple[int, int]:
    """Return the planes of a day. Raises ValueError where its length is not that of the interval."""
    if len(bits) != 2 * plane_size(interval):
        raise ValueError(f"a day of {interval} s has {len(bits)} bytes")
    return planes(bits)
