"""The books' twin in memory. What comes in goes through the rows of the disk, so it refuses the same."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dialtone.model import (
    AuditRow,
    Closing,
    Correction,
    Maintenance,
    ProbeResult,
    Rollup,
    Scope,
    SeriesKey,
    SliceCause,
    SliceMark,
    SliceSeries,
)
from dialtone.ports import MadeFrom
from dialtone.store import book_rows, judging, planning
from dialtone.store.memory_rollups import MemoryRollups
from dialtone.store.memory_slices import MemoryPages
from dialtone.store.rows import at as at_instant
from dialtone.store.tenures import Asked


class MemoryBooks:
    """Implements ports.Books. `check` raises where the store is closed; `results` gives those it keeps."""

    def __init__(
        self,
        check: Callable[[], None],
        results: Callable[[], Iterable[ProbeResult]],
        rollups: MemoryRollups,
    ) -> None:
        self._check = check
        self._pages = MemoryPages(results)
        self._rollups = rollups
        self._maintenance: dict[int, Maintenance] = {}
        self._corrections: dict[int, Correction] = {}
        self._closings: list[Closing] = []
        self._audit: list[AuditRow] = []

    def judge(self, results: Iterable[ProbeResult]) -> None:
        """Make slices of new results, which are kept by now."""
        judging.judge(self._pages, results)

    async def plan_series(self, location: str, keys: Collection[SeriesKey], at: datetime) -> None:
        """See ports.Books."""
        self._check()
        planning.plan(self._pages, location, keys, planning.checked(location, keys, at))

    async def mark_slices(self, marks: Sequence[SliceMark]) -> None:
        """See ports.Books."""
        self._check()
        judging.mark(self._pages, judging.checked(marks))

    async def slices(
        self, scope: Scope, *, since: datetime, until: datetime, tenants: Collection[str] | None = None
    ) -> list[SliceSeries]:
        """See ports.Books."""
        self._check()
        return self._pages.series(scope, Asked.of(since, until, tenants))

    async def causes(
        self, scope: Scope, *, since: datetime, until: datetime, tenants: Collection[str] | None = None
    ) -> list[SliceCause]:
        """See ports.Books."""
        self._check()
        return self._pages.causes(scope, Asked.of(since, until, tenants))

    async def declare(self, maintenance: Maintenance) -> Maintenance:
        """See ports.Books."""
        self._check()
        row = book_rows.maintenance_row(maintenance)
        made = book_rows.row_maintenance(_new(row, self._maintenance))
        self._maintenance[made.id] = made
        self._note(book_rows.declared(made))
        return made

    async def withdraw(self, scope: Scope, id_: int, *, at: datetime, author: str) -> Maintenance | None:
        """See ports.Books."""
        self._check()
        values = book_rows.withdrawal_row(id_, at, author)
        known = self._maintenance.get(id_)
        if known is None or not scope.allows(known.tenant):
            return None
        if known.withdrawn is None:
            known = replace(known, withdrawn=at_instant(values["at"]), withdrawn_by=values["author"])
            self._maintenance[id_] = known
            self._note(book_rows.undeclared(known))
        return known

    async def maintenance(self, scope: Scope) -> list[Maintenance]:
        """See ports.Books."""
        self._check()
        return [one for one in self._maintenance.values() if scope.allows(one.tenant)]

    async def correct(self, correction: Correction) -> Correction:
        """See ports.Books."""
        self._check()
        row = book_rows.correction_row(correction)
        made = book_rows.row_correction(_new(row, self._corrections))
        self._corrections[made.id] = made
        self._note(book_rows.corrected(made))
        return made

    async def withdraw_correction(
        self, scope: Scope, id_: int, *, at: datetime, author: str
    ) -> Correction | None:
        """See ports.Books."""
        self._check()
        values = book_rows.withdrawal_row(id_, at, author)
        known = self._corrections.get(id_)
        if known is None or not scope.allows(known.tenant):
            return None
        if known.withdrawn is None:
            known = replace(known, withdrawn=at_instant(values["at"]), withdrawn_by=values["author"])
            self._corrections[id_] = known
            self._note(book_rows.uncorrected(known))
        return known

    async def corrections(self, scope: Scope) -> list[Correction]:
        """See ports.Books."""
        self._check()
        return [one for one in self._corrections.values() if scope.allows(one.tenant)]

    async def close(self, closing: Closing, *, made_from: MadeFrom | None = None) -> Closing:
        """See ports.Books."""
        self._check()
        row = book_rows.closing_row(closing)
        if any((one.tenant, one.period) == (closing.tenant, closing.period) for one in self._closings):
            raise book_rows.closed_already(closing.tenant, closing.period)
        if closing.previous != (self._closings[-1].hash if self._closings else ""):
            raise book_rows.moved_on()
        made = book_rows.row_closing({**row, "sequence": len(self._closings) + 1})
        if made_from is not None:
            scope, asked = Scope.of(made.tenant), book_rows.closed_time(made)
            if not made_from(self._pages.series(scope, asked), self._pages.causes(scope, asked)):
                raise book_rows.moved_on()
        self._closings.append(made)
        self._pages.close(made.tenant, book_rows.closed_spans(made))
        self._note(book_rows.closed(made))
        return made

    async def closings(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None, whole: bool = True
    ) -> list[Closing]:
        """See ports.Books."""
        self._check()
        return [
            one if whole else replace(one, inputs="", figures="")
            for one in self._closings
            if scope.allows(one.tenant) and tenant in (None, one.tenant) and period in (None, one.period)
        ]

    async def last_hash(self) -> str:
        """See ports.Books."""
        self._check()
        return self._closings[-1].hash if self._closings else ""

    async def audit(self, scope: Scope, *, tenant: str | None = None, limit: int = 100) -> list[AuditRow]:
        """See ports.Books."""
        self._check()
        found = [one for one in self._audit if scope.allows(one.tenant) and tenant in (None, one.tenant)]
        return found[::-1][: max(limit, 0)]

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
        self._check()
        return self._rollups.read(scope, since, until, tenant, daily=daily)

    async def prune_rollups(self, before: datetime) -> int:
        """See ports.Books."""
        self._check()
        return self._rollups.prune(before)

    def _note(self, row: Mapping[str, Any]) -> None:
        self._audit.append(book_rows.row_audit({**row, "id": len(self._audit) + 1}))


def _new(row: Mapping[str, Any], known: Mapping[int, object]) -> dict[str, Any]:
    """Return a row with what the table gives it."""
    return {**row, "id": len(known) + 1, "withdrawn": None, "withdrawn_by": ""}
