"""The books on disk: slices, what is laid over them, closed months."""

from collections.abc import Collection, Sequence
from datetime import datetime

from dialtone.model import (
    AuditRow,
    Closing,
    Correction,
    Maintenance,
    Rollup,
    Scope,
    SeriesKey,
    SliceCause,
    SliceMark,
    SliceSeries,
)
from dialtone.ports import MadeFrom
from dialtone.store import judging, ledger, planning, pruning, rollups, slices
from dialtone.store.book_rows import closing_row, correction_row, maintenance_row, withdrawal_row
from dialtone.store.database import Database
from dialtone.store.reading import RowReader
from dialtone.store.seen import seen_by
from dialtone.store.tenures import Asked


class SqliteBooks:
    """Implements ports.Books on the store's file."""

    def __init__(self, database: Database, reader: RowReader) -> None:
        self._database = database
        self._reader = reader

    async def plan_series(self, location: str, keys: Collection[SeriesKey], at: datetime) -> None:
        """See ports.Books."""
        second, planned = planning.checked(location, keys, at), tuple(keys)
        await self._database.write(
            lambda db: planning.plan(slices.SqlPages(db, self._reader), location, planned, second)
        )

    async def mark_slices(self, marks: Sequence[SliceMark]) -> None:
        """See ports.Books."""
        known = judging.checked(marks)
        await self._database.write(lambda db: judging.mark(slices.SqlPages(db, self._reader), known))

    async def slices(
        self, scope: Scope, *, since: datetime, until: datetime, tenants: Collection[str] | None = None
    ) -> list[SliceSeries]:
        """See ports.Books. A day that can't be read is unknown, and the log names it."""
        seen, asked = seen_by(scope), Asked.of(since, until, tenants)
        return await self._database.read(lambda db: slices.series(db, self._reader, seen, asked))

    async def causes(
        self, scope: Scope, *, since: datetime, until: datetime, tenants: Collection[str] | None = None
    ) -> list[SliceCause]:
        """See ports.Books."""
        seen, asked = seen_by(scope), Asked.of(since, until, tenants)
        return await self._database.read(lambda db: slices.causes(db, self._reader, seen, asked))

    async def declare(self, maintenance: Maintenance) -> Maintenance:
        """See ports.Books."""
        row = maintenance_row(maintenance)
        return await self._database.write(lambda db: ledger.declare(db, row))

    async def withdraw(self, scope: Scope, id_: int, *, at: datetime, author: str) -> Maintenance | None:
        """See ports.Books."""
        seen, values = seen_by(scope), withdrawal_row(id_, at, author)
        return await self._database.write(lambda db: ledger.withdraw(db, self._reader, seen, values))

    async def maintenance(self, scope: Scope) -> list[Maintenance]:
        """See ports.Books."""
        seen = seen_by(scope)
        return await self._database.read(lambda db: ledger.maintenance(db, self._reader, seen))

    async def correct(self, correction: Correction) -> Correction:
        """See ports.Books."""
        row = correction_row(correction)
        return await self._database.write(lambda db: ledger.correct(db, row))

    async def withdraw_correction(
        self, scope: Scope, id_: int, *, at: datetime, author: str
    ) -> Correction | None:
        """See ports.Books."""
        seen, values = seen_by(scope), withdrawal_row(id_, at, author)
        return await self._database.write(
            lambda db: ledger.withdraw_correction(db, self._reader, seen, values)
        )

    async def corrections(self, scope: Scope) -> list[Correction]:
        """See ports.Books."""
        seen = seen_by(scope)
        return await self._database.read(lambda db: ledger.corrections(db, self._reader, seen))

    async def close(self, closing: Closing, *, made_from: MadeFrom | None = None) -> Closing:
        """See ports.Books."""
        row = closing_row(closing)
        return await self._database.write(lambda db: ledger.close(db, self._reader, row, made_from))

    async def closings(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None, whole: bool = True
    ) -> list[Closing]:
        """See ports.Books."""
        seen = seen_by(scope)
        return await self._database.read(lambda db: ledger.closings(db, seen, tenant, period, whole=whole))

    async def last_hash(self) -> str:
        """See ports.Books."""
        return await self._database.read(ledger.last_hash)

    async def audit(self, scope: Scope, *, tenant: str | None = None, limit: int = 100) -> list[AuditRow]:
        """See ports.Books."""
        seen = seen_by(scope)
        return await self._database.read(lambda db: ledger.audit(db, seen, tenant, limit))

    async def rollups(
        self,
        scope: Scope,
        *,
        since: datetime,
        until: datetime,
        tenant: str | None = None,
        daily: bool = False,
    ) -> list[Rollup]:
        """See ports.Books."""
        seen, span = seen_by(scope), rollups.DAYS if daily else rollups.HOURS
        values = {
            **seen.values,
            "since": span.from_on(since),
            "until": span.from_on(until),
            "tenant": tenant,
        }
        return await self._database.read(lambda db: rollups.read(db, self._reader, seen.text, values, span))

    async def prune_rollups(self, before: datetime) -> int:
        """See ports.Books."""
        return await pruning.prune_rollups(self._database, before)
