"""The store on disk."""

import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

from anyio import to_thread

from dialtone.model import AlertEvent, ProbeResult, Scope
from dialtone.ports import StoreError
from dialtone.store.database import Database
from dialtone.store.rows import alert_row, instant, result_row, row_alert, row_result

T = TypeVar("T")

FILE_NAME: Final = "dialtone.sqlite3"

_PRUNED_AT_ONCE: Final = 5_000
"""Rows deleted in one transaction: some tens of milliseconds, so that new results don't wait long."""


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

    async def add_results(self, results: Sequence[ProbeResult]) -> None:
        """See ports.Store."""
        rows = [result_row(result) for result in results]
        await self._write_all("add_result", rows)

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
            row_result,
            tenant=tenant,
            flow=flow,
            since=_EVER if since is None else instant(since),
            before=_NEVER if before is None else instant(before[0]),
            before_id="" if before is None else before[1],
            limit=max(limit, 0),
        )

    async def latest_results(self, scope: Scope) -> list[ProbeResult]:
        """See ports.Store."""
        return await self._select(scope, "latest_results", row_result)

    async def result(self, scope: Scope, result_id: str) -> ProbeResult | None:
        """See ports.Store."""
        found = await self._select(scope, "result", row_result, id=result_id)
        return found[0] if found else None

    async def put_alerts(self, events: Sequence[AlertEvent]) -> None:
        """See ports.Store."""
        rows = [alert_row(event) for event in events]
        await self._write_all("put_alert", rows)

    async def alerts(self, scope: Scope) -> list[AlertEvent]:
        """See ports.Store."""
        return await self._select(scope, "alerts", row_alert)

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
            (taken,) = db.execute(_sql("leased_by_others"), values).fetchone()
            if not taken:
                db.execute(_sql("lease"), values)
            return not taken

        return await self._database.write(lease)

    async def release_accounts(self, accounts: Sequence[str], holder: str) -> None:
        """See ports.Store."""
        await self._write_all("release", [{"accounts": json.dumps(list(accounts)), "holder": holder}])

    async def prune_results(self, before: datetime) -> int:
        """See ports.Store; goes in steps between which other work gets its turn."""
        values = {"before": instant(before), "limit": _PRUNED_AT_ONCE}
        gone = step = await self._prune(values)
        while step == _PRUNED_AT_ONCE:
            step = await self._prune(values)
            gone += step
        return gone

    async def aclose(self) -> None:
        """See ports.Store."""
        await self._database.aclose()

    async def _write_all(self, statement: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Run a statement once for each row, in one transaction."""

        def write(db: sqlite3.Connection) -> None:
            db.executemany(_sql(statement), rows)

        await self._database.write(write)

    async def _prune(self, values: Mapping[str, int]) -> int:
        return await self._database.write(lambda db: db.execute(_sql("prune_results"), values).rowcount)

    async def _select(
        self, scope: Scope, query: str, make: Callable[[Mapping[str, Any]], T], **values: object
    ) -> list[T]:
        """Run a query on what the scope may see: no query names a table, only the views of that prefix."""
        if scope.domains is None:
            text = _sql("visible_all") + _sql(query)
        else:
            text = _sql("visible_some") + _sql(query)
            values["scope"] = json.dumps(sorted(scope.domains))
        return await self._database.read(lambda db: [make(dict(row)) for row in db.execute(text, values)])


@cache
def _sql(name: str) -> str:
    return (resources.files("dialtone.store") / "sql" / f"{name}.sql").read_text("utf-8")
