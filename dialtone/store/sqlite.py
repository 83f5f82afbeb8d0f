"""The store on disk."""

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from anyio import to_thread

from dialtone.model import (
    AlertEvent,
    AlertMessage,
    MessageState,
    OutboxEntry,
    ProbeResult,
    ProbeTotals,
    Scope,
    TrafficMark,
)
from dialtone.ports import StoreError
from dialtone.store import outbox, probes, pruning, traffic
from dialtone.store.books import SqliteBooks
from dialtone.store.database import Database
from dialtone.store.reading import RowReader
from dialtone.store.rows import (
    alert_row,
    hour_of,
    instant,
    message_row,
    result_row,
    row_alert,
    row_result,
    settled_row,
    try_row,
)
from dialtone.store.seen import seen_by
from dialtone.store.statements import sql

T = TypeVar("T")

FILE_NAME: Final = "dialtone.sqlite3"


async def open_store(folder: Path, *, busy_timeout: float = 5.0) -> "SqliteStore":
    """Open the store in a folder; folder (0700) and file (0600) are made if need be. Raises StoreError.

    `busy_timeout` is how long, in seconds, a write waits for another process's write.
    """
    path = folder / FILE_NAME
    await to_thread.run_sync(_make, path)
    return SqliteStore(await Database.open(path, busy_timeout=busy_timeout))


def _make(path: Path) -> None:
    """Make folder and file before SQLite does: it would make them readable by others."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: can't be made or opened: {error.strerror}; look at `data:`") from error


_EVER: Final = -(2**63)
_NEVER: Final = 2**63 - 1
"""Before and after every instant: SQLite's least and greatest integer."""


class SqliteStore:
    """Implements ports.Store on one SQLite file, which several processes may have open."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reader = RowReader()
        self._books = SqliteBooks(database, self._reader)

    @property
    def books(self) -> SqliteBooks:
        """See ports.Store."""
        return self._books

    async def add_results(self, results: Sequence[ProbeResult]) -> None:
        """See ports.Store."""
        rows = [(result, result_row(result)) for result in results]
        await self._database.write(lambda db: probes.add(db, rows, self._reader))

    async def results(
        self,
        scope: Scope,
        *,
        tenant: str | None = None,
        flow: str | None = None,
        since: datetime | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[ProbeResult]:
        """See ports.Store."""
        query = "results" if tenant is None else "results_of_tenant"
        return await self._select(
            scope,
            query,
            _all(row_result),
            tenant=tenant,
            flow=flow,
            since=_EVER if since is None else instant(since),
            before=_NEVER if before is None else instant(before[0]),
            before_id="" if before is None else before[1],
            limit=max(limit, 0),
        )

    async def latest_results(self, scope: Scope) -> list[ProbeResult]:
        """See ports.Store."""
        return await self._select(scope, "latest_results", _all(row_result))

    async def result(self, scope: Scope, result_id: str) -> ProbeResult | None:
        """See ports.Store."""
        found = await self._select(scope, "result", _all(row_result), id=result_id)
        return found[0] if found else None

    async def begin_result(self, result: ProbeResult) -> None:
        """See ports.Store."""
        await self._execute("begin_result", result_row(result))

    async def adopt_unended(self) -> list[ProbeResult]:
        """See ports.Store. What can't be read stays noted, for a version that can."""
        return await self._database.write(lambda db: probes.adopt(db, self._reader))

    async def probe_totals(self, scope: Scope) -> list[ProbeTotals]:
        """See ports.Store."""
        seen = seen_by(scope)
        return await self._database.read(lambda db: probes.totals(db, self._reader, seen.text, seen.values))

    async def probe_counts(self, scope: Scope, *, since: datetime) -> dict[str, dict[str, int]]:
        """See ports.Store."""
        seen = seen_by(scope)
        return await self._database.read(lambda db: probes.counts(db, seen.text, seen.values, hour_of(since)))

    async def count_traffic(
        self, mark: TrafficMark, growth: Mapping[str, Mapping[str, int]], gone: Collection[str] = ()
    ) -> None:
        """See ports.Store."""
        await self._database.write(lambda db: traffic.count(db, mark, growth, gone))

    async def traffic_marks(self) -> dict[str, TrafficMark]:
        """See ports.Store. What can't be read of it is not known."""
        return await self._database.read(lambda db: traffic.marks(db, self._reader))

    async def traffic_counts(self, scope: Scope, *, since: datetime) -> dict[str, dict[str, int]]:
        """See ports.Store."""
        seen = seen_by(scope)
        return await self._database.read(
            lambda db: traffic.counts(db, seen.text, seen.values, hour_of(since))
        )

    async def put_alerts(self, events: Sequence[AlertEvent], messages: Sequence[AlertMessage] = ()) -> None:
        """See ports.Store."""

        def put(db: sqlite3.Connection) -> None:
            # Rows are made here, off the event loop: after an outage there may be tens of thousands.
            db.executemany(sql("put_alert"), map(alert_row, events))
            db.executemany(sql("put_message"), map(message_row, messages))

        await self._database.write(put)

    async def alerts(self, scope: Scope) -> list[AlertEvent]:
        """See ports.Store."""
        return await self._select(scope, "alerts", lambda rows: self._reader.read("alerts", rows, row_alert))

    async def outbox(
        self, state: MessageState | None = None, *, limit: int | None = None
    ) -> list[OutboxEntry]:
        """See ports.Store."""
        return await self._database.read(lambda db: outbox.entries(db, self._reader, state, limit))

    async def note_try(self, key: str, detail: str) -> None:
        """See ports.Store."""
        values = try_row(key, detail)
        await self._database.write(lambda db: outbox.note_try(db, values))

    async def settle_message(self, key: str, state: MessageState, at: datetime, detail: str = "") -> None:
        """See ports.Store."""
        values = settled_row(key, state, at, detail)
        await self._database.write(lambda db: outbox.settle(db, values))

    async def message_totals(self) -> Mapping[tuple[str, str], int]:
        """See ports.Store."""
        return await self._database.read(
            lambda db: {
                (row["receiver"], row["outcome"]): row["count"] for row in db.execute(sql("message_totals"))
            }
        )

    async def prune_messages(self, before: datetime) -> int:
        """See ports.Store; goes in steps as prune_results does."""
        return await pruning.prune(self._database, "prune_messages", {"before": instant(before)})

    async def lease_accounts(
        self, accounts: Sequence[str], holder: str, *, now: datetime, until: datetime
    ) -> bool:
        """See ports.Store."""
        values = {
            "accounts": json.dumps(list(accounts)),
            "holder": holder,
            "now": instant(now),
            "until": instant(until),
        }

        def lease(db: sqlite3.Connection) -> bool:
            (taken,) = db.execute(sql("leased_by_others"), values).fetchone()
            if not taken:
                db.execute(sql("lease"), values)
            return not taken

        return await self._database.write(lease)

    async def release_accounts(self, accounts: Sequence[str], holder: str) -> None:
        """See ports.Store."""
        await self._execute("release", {"accounts": json.dumps(list(accounts)), "holder": holder})

    async def prune_results(
        self, before: datetime, *, most: int | None = None, counts: datetime | None = None
    ) -> int:
        """See ports.Store; goes in steps between which other work gets its turn."""
        hours = before if counts is None else counts
        return await pruning.prune_results(self._database, self._reader, before, most, hours)

    async def aclose(self) -> None:
        """See ports.Store."""
        await self._database.aclose()

    async def _execute(self, statement: str, values: Mapping[str, object]) -> int:
        """Run one statement that writes; return how many rows it changed."""
        return await self._database.write(lambda db: db.execute(sql(statement), values).rowcount)

    async def _select(
        self, scope: Scope, query: str, make: Callable[[Iterable[Mapping[str, Any]]], list[T]], **more: object
    ) -> list[T]:
        """Run a query on what the scope may see."""
        seen = seen_by(scope)
        return await self._database.read(
            lambda db: make(db.execute(seen.text + sql(query), {**seen.values, **more}))
        )


def _all(make: Callable[[Mapping[str, Any]], T]) -> Callable[[Iterable[Mapping[str, Any]]], list[T]]:
    return lambda rows: [make(row) for row in rows]
