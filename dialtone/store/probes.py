"""What is kept of probes, as jobs of one transaction: results, those that never ended, what they add up to.

Totals are counted in the transaction that adds the result, and only where it was not there before.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from dialtone.model import COUNTS, Engine, Flow, Outcome, ProbeResult, ProbeTotals
from dialtone.store import rollups
from dialtone.store.judging import judge
from dialtone.store.reading import RowReader
from dialtone.store.rows import row_result
from dialtone.store.slices import SqlPages
from dialtone.store.statements import sql
from dialtone.store.totals import BOUNDS, Series, Tally, tally


def add(
    db: sqlite3.Connection, results: Sequence[tuple[ProbeResult, Mapping[str, Any]]], reader: RowReader
) -> list[ProbeResult]:
    """Add results, each given with its row, in place of those noted as begun; return the new ones."""
    new = [result for result, row in results if db.execute(sql("add_result"), row).rowcount == 1]
    db.executemany(sql("end_result"), [{"id": result.id} for result, _ in results])
    _count(db, tally(new))
    rollups.add(db, new)
    judge(SqlPages(db, reader), new)
    return new


def adopt(db: sqlite3.Connection, reader: RowReader) -> list[ProbeResult]:
    """Make results of the probes that never ended and free their accounts; return the results."""
    rows = [dict(row) for row in db.execute(sql("unended"))]
    found = reader.read("unended", rows, lambda row: (row_result(row), row))
    db.executemany(sql("release_holder"), [{"id": result.id} for result, _ in found])
    return add(db, found, reader)


def totals(
    db: sqlite3.Connection, reader: RowReader, seen: str, values: Mapping[str, Any]
) -> list[ProbeTotals]:
    """Return what results add up to: those that `seen`, which stands before the queries, lets through."""
    found = Tally()

    def outcome(row: Mapping[str, Any]) -> None:
        found.outcomes[_series(row), Outcome(row["outcome"]), row["failure"]] += row["count"]

    def timing(row: Mapping[str, Any]) -> None:
        # By other bounds: of another version. That histogram begins anew.
        if row["bounds"] == BOUNDS.get(row["timing"]):
            found.timings.put((_series(row), row["timing"]), row["bucket"], row["count"], row["sum"])

    def heard(row: Mapping[str, Any]) -> None:
        if row["bounds"] == BOUNDS.get(row["figure"]):
            key = _series(row), row["listener"], row["figure"]
            found.media.put(key, row["bucket"], row["count"], row["sum"])

    def request(row: Mapping[str, Any]) -> None:
        if row["name"] in COUNTS:
            found.requests[_series(row), row["name"]] += row["count"]

    reader.read("probe_outcomes", db.execute(seen + sql("probe_outcomes"), values), outcome)
    reader.read("probe_timings", db.execute(seen + sql("probe_timings"), values), timing)
    reader.read("probe_media", db.execute(seen + sql("probe_media"), values), heard)
    reader.read("probe_counts", db.execute(seen + sql("probe_counts"), values), request)
    return found.totals()


def counts(
    db: sqlite3.Connection, seen: str, values: Mapping[str, Any], since: int
) -> dict[str, dict[str, int]]:
    """Return the counts of the hours from `since` (microseconds) on, by tenant; `seen` as in `totals`."""
    found: dict[str, dict[str, int]] = {}
    for row in db.execute(seen + sql("hourly_counts"), {**values, "since": since}):
        if row["name"] in COUNTS:
            found.setdefault(row["tenant"], {})[row["name"]] = row["count"]
    return found


def _count(db: sqlite3.Connection, more: Tally) -> None:
    db.executemany(
        sql("add_outcome"),
        [
            series._asdict() | {"outcome": outcome, "failure": failure, "count": count}
            for (series, outcome, failure), count in more.outcomes.items()
        ],
    )
    db.executemany(
        sql("add_timing"),
        [
            series._asdict()
            | {"timing": timing, "bounds": BOUNDS[timing], "bucket": bucket, "count": count, "sum": seconds}
            for (series, timing), bucket, count, seconds in more.timings.buckets()
        ],
    )
    db.executemany(
        sql("add_media"),
        [
            series._asdict()
            | {"listener": listener, "figure": figure, "bounds": BOUNDS[figure]}
            | {"bucket": bucket, "count": count, "sum": total}
            for (series, listener, figure), bucket, count, total in more.media.buckets()
        ],
    )
    db.executemany(
        sql("add_count"),
        [
            series._asdict() | {"name": name, "count": count}
            for (series, name), count in more.requests.items()
        ],
    )
    db.executemany(
        sql("add_hourly_count"),
        [
            {"hour": hour, "tenant": tenant, "name": name, "count": count}
            for (hour, tenant, name), count in more.hours.items()
        ],
    )


def _series(row: Mapping[str, Any]) -> Series:
    return Series(row["tenant"], Flow(row["flow"]), Engine(row["engine"]), row["location"])
