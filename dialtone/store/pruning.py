"""What is forgotten, in steps between which other work gets its turn.

Nothing is counted by reading it: triggers keep how many results there are, and indexes by time, one of all
results and one of the passes, give the oldest.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from dialtone.store import rollups, traffic
from dialtone.store.database import Database
from dialtone.store.reading import RowReader
from dialtone.store.rows import hour_of, instant
from dialtone.store.statements import sql

_AT_ONCE: Final = 2_000
"""Rows deleted in one transaction: some tens of milliseconds, so that new results don't wait long."""

_NEVER: Final = 2**63 - 1
"""After every instant: SQLite's greatest integer."""

_ADDED_AT_ONCE: Final = 1_000
"""Results of an earlier version that are added to rollups in one transaction: as long."""


async def prune_results(
    database: Database, reader: RowReader, before: datetime, most: int | None, counts: datetime
) -> int:
    """Forget results and counts, as ports.Store says; return how many results.

    Those that an earlier version left are added to the rollups first.
    """
    while await database.write(lambda db: rollups.catch_up(db, reader, _ADDED_AT_ONCE)):
        pass
    gone = await prune(database, "prune_results", {"before": instant(before)})
    if most is not None:
        gone += await _prune_beyond(database, most)
    await _execute(database, "prune_hourly_counts", {"before": hour_of(counts)})
    await database.write(lambda db: traffic.prune(db, counts))
    return gone


async def prune_rollups(database: Database, before: datetime) -> int:
    """Forget hours that ended before an instant; return how many rows."""
    return await prune(database, "prune_hourly_rollups", {"before": rollups.HOURS.number(before)})


async def prune(
    database: Database, statement: str, values: Mapping[str, Any], most: int | None = None
) -> int:
    """Run a statement that forgets up to `limit` rows until it finds no more, or has forgotten `most`."""
    gone = 0
    while True:
        limit = _AT_ONCE if most is None else min(_AT_ONCE, most - gone)
        step = await _execute(database, statement, {**values, "limit": limit}) if limit > 0 else 0
        gone += step
        if step < _AT_ONCE:
            return gone


async def _prune_beyond(database: Database, most: int) -> int:
    """Forget what is over `most` results: the oldest passes, then the oldest of all."""
    (kept,) = await database.read(lambda db: tuple(db.execute(sql("result_count")).fetchone()))
    passes = await prune(database, "prune_passes", {}, kept - most)
    return passes + await prune(database, "prune_results", {"before": _NEVER}, kept - most - passes)


async def _execute(database: Database, statement: str, values: Mapping[str, Any]) -> int:
    return await database.write(lambda db: db.execute(sql(statement), values).rowcount)
