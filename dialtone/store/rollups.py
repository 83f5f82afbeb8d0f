"""What the scheduled results of each hour and day add up to, as jobs of one transaction.

A result is added in the transaction that adds the result itself, so that a rollup holds every result that
ever was, whether or not that has been pruned, and however late it came.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from dialtone.model import Engine, Flow, ProbeResult, Rollup, RollupKey, rollup_key
from dialtone.store.packed import pack, unpack
from dialtone.store.reading import RowReader
from dialtone.store.rows import at, instant, row_result
from dialtone.store.statements import sql

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Span:
    """Spans of one length, in microseconds, numbered from 1970-01-01 UTC. `name` is in their statements."""

    name: str
    length: int

    def number(self, moment: datetime) -> int:
        """Return the number of the span that an instant is in. Raises ValueError where it has no zone."""
        return instant(moment) // self.length

    def from_on(self, moment: datetime) -> int:
        """Return the number of the first span that starts at an instant or later."""
        return -(-instant(moment) // self.length)

    def start(self, number: int) -> datetime:
        """Return when a span starts."""
        return at(number * self.length)


HOURS: Final = Span("hourly", 3_600_000_000)
DAYS: Final = Span("daily", 24 * HOURS.length)


def grouped(results: Iterable[ProbeResult]) -> dict[tuple[Span, RollupKey, int], Rollup]:
    """Return what results add up to by hour and by day, each by key and number of its span."""
    found: dict[tuple[Span, RollupKey, int], Rollup] = {}
    for result in results:
        if (key := rollup_key(result)) is None:
            continue
        for span in (HOURS, DAYS):
            place = span, key, span.number(result.started)
            if place not in found:
                found[place] = Rollup(key, span.start(place[2]))
            found[place].count(result)
    return found


def add(db: sqlite3.Connection, new: Iterable[ProbeResult]) -> None:
    """Add results that were not there before to their hours and days: one read and one write of each row."""
    ids: dict[RollupKey, int] = {}
    for (span, key, number), more in grouped(new).items():
        if key not in ids:
            ids[key] = _series(db, key)
        values = {"start": number, "series": ids[key]}
        row = db.execute(sql(f"{span.name}_rollup"), values).fetchone()
        if row is not None:
            more.add(_kept(row["data"], span, more))
        db.execute(sql(f"put_{span.name}_rollup"), values | {"data": pack(more)})


def read(
    db: sqlite3.Connection, reader: RowReader, seen: str, values: Mapping[str, Any], span: Span
) -> list[Rollup]:
    """Return the rollups of spans numbered from `since` to before `until`, of `tenant` or (None) of all.

    By start, then key. `values` has those, and what `seen` wants: see probes.totals.
    """

    def rollup(row: Mapping[str, Any]) -> Rollup:
        key = RollupKey(
            row["tenant"], Flow(row["flow"]), row["probe"], Engine(row["engine"]), row["location"]
        )
        return unpack(row["data"], Rollup(key, span.start(row["start"])))

    table = f"{span.name}_rollups"
    return sorted(reader.read(table, db.execute(seen + sql(table), values), rollup), key=order)


def order(rollup: Rollup) -> tuple[datetime, str, str, str, str, str]:
    """Return what rollups are sorted by: start, then key."""
    key = rollup.key
    return rollup.start, key.tenant, key.flow, key.probe, key.engine, key.location


def catch_up(db: sqlite3.Connection, reader: RowReader, limit: int) -> bool:
    """Add some of the results that were there before rollups were; return whether that may not be all.

    Tenant by tenant, so that many results are of few rollups.
    """
    left = db.execute(sql("rollup_backlog")).fetchone()
    if left is None:
        return False
    rows = db.execute(sql("backlog_results"), dict(left) | {"limit": limit}).fetchall()
    add(db, reader.read("results", rows, row_result))
    if len(rows) < limit:
        db.execute(sql("end_backlog"))
        return False
    db.execute(sql("move_backlog"), {column: rows[-1][column] for column in ("tenant", "started", "id")})
    return True


def _series(db: sqlite3.Connection, key: RollupKey) -> int:
    values = {
        "tenant": key.tenant,
        "flow": key.flow.value,
        "probe": key.probe,
        "engine": key.engine.value,
        "location": key.location,
    }
    found: Sequence[int] | None = db.execute(sql("rollup_series_id"), values).fetchone()
    if found is None:
        found = db.execute(sql("add_rollup_series"), values).fetchone()
    return found[0]


def _kept(data: bytes, span: Span, more: Rollup) -> Rollup:
    """Return what a row holds; one that is damaged begins anew, so that it keeps no result out."""
    try:
        return unpack(data, Rollup(more.key, more.start))
    except (ValueError, LookupError) as error:
        why = f"{type(error).__name__}: {error}"
        _log.error("store.rollup_unreadable", span=span.name, start=more.start, why=why, row="begins anew")
        return Rollup(more.key, more.start)
