"""The read filter of the books: accounts, statements, closings, and what is laid over the measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeAlias, TypeVar

from dialtone.model import Closing, Correction, Maintenance, Rollup, Scope
from dialtone.sla.closing import BrokenClosingError
from dialtone.sla.figures import Account
from dialtone.sla.statement import Statement
from dialtone.web.beside import beside
from dialtone.web.context import WebContext
from dialtone.web.timings import TimingRow, timing_rows

D = TypeVar("D", Maintenance, Correction)


@dataclass(frozen=True, slots=True)
class DeclaredPage:
    """Some declarations, newest first, and the id that the next page begins under; None at the end."""

    items: Sequence[Maintenance | Correction]
    end: int | None


TenantMonth: TypeAlias = tuple[str, str]
"""A domain and a month: there is one closing of it at most."""


@dataclass(frozen=True, slots=True)
class ClosingPage:
    """Some closed months, the last first, and which one ends the page; None where there are no more."""

    items: Sequence[Closing]
    end: TenantMonth | None


class BooksReader:
    """Reads what one scope may see of the books; a part of access.Reader.

    Ledger and store filter by scope themselves; what they return is held against the scope again.
    """

    def __init__(self, context: WebContext, scope: Scope) -> None:
        self._context = context
        self._scope = scope

    def has(self, tenant: str) -> bool:
        """Whether there is a tenant of that name that the scope may see."""
        return self._scope.allows(tenant) and any(one.domain == tenant for one in self._context.tenants())

    async def accounts(self, *, tenant: str | None = None, period: str | None = None) -> tuple[Account, ...]:
        """Return the services of the tenants in scope, over a month or what runs now. Raises StoreError."""
        found = await self._context.ledger.accounts(self._scope, tenant=tenant, period=period)
        return tuple(one for one in found if self._scope.allows(one.objective.tenant))

    async def sound_accounts(
        self, *, tenant: str | None = None, period: str | None = None
    ) -> tuple[tuple[Account, ...], tuple[BrokenClosingError, ...]]:
        """Return the services that there are, and the closed months that the books don't give any more."""
        found = await self._context.ledger.sound_accounts(self._scope, tenant=tenant, period=period)
        return (
            tuple(one for one in found.accounts if self._scope.allows(one.objective.tenant)),
            tuple(one for one in found.broken if self._scope.allows(one.tenant)),
        )

    async def statement(self, tenant: str, period: str) -> Statement | None:
        """Return a tenant's statement of a month. Raises StoreError."""
        if not self.has(tenant):
            return None
        found = await self._context.ledger.statement(self._scope, tenant, period)
        return found if found is not None and self._scope.allows(found.tenant.domain) else None

    async def closings(
        self, *, tenant: str | None, period: str | None, limit: int, after: TenantMonth | None
    ) -> ClosingPage:
        """Return closed months, the last first, without inputs and figures, from the one after `after` on.

        Raises StoreError.
        """
        books = self._context.store.books
        found = await books.closings(self._scope, tenant=tenant, period=period, whole=False)
        newest = [one for one in reversed(found) if self._scope.allows(one.tenant)]
        months = [(one.tenant, one.period) for one in newest]
        start = 0 if after is None else months.index(after) + 1 if after in months else len(months)
        page = newest[start : start + limit]
        return ClosingPage(page, months[start + limit - 1] if start + limit < len(newest) else None)

    async def maintenance(self, *, limit: int, under: int | None) -> DeclaredPage:
        """Return what was declared for tenants in scope, and for those above them: it holds for both.

        Of what is declared further up there is no name in it. Raises StoreError.
        """
        wider = self._with_those_above()
        found = await self._context.store.books.maintenance(wider)
        return _page([self._seen(one) for one in found if wider.allows(one.tenant)], limit, under)

    async def corrections(self, *, limit: int, under: int | None) -> DeclaredPage:
        """Return the corrections of tenants in scope and above them, as `maintenance` does."""
        wider = self._with_those_above()
        found = await self._context.store.books.corrections(wider)
        return _page([self._seen(one) for one in found if wider.allows(one.tenant)], limit, under)

    async def timings(
        self, tenant: str, *, since: datetime, until: datetime, daily: bool
    ) -> tuple[TimingRow, ...]:
        """Return a tenant's timings by hour or day, flow and name. Raises StoreError."""
        found = await self._context.store.books.rollups(
            self._scope, since=since, until=until, tenant=tenant, daily=daily
        )
        ours: list[Rollup] = [one for one in found if self._scope.allows(one.key.tenant)]
        return await beside(partial(timing_rows, ours))

    def _with_those_above(self) -> Scope:
        """Return the scope with the tenants above those in it: what holds for these holds below them."""
        if self._scope.domains is None:
            return self._scope
        parents: Mapping[str, str | None] = {one.domain: one.parent for one in self._context.tenants()}
        wider = set(self._scope.domains)
        for domain in self._scope.domains:
            above = parents.get(domain)
            while above is not None and above not in wider:
                wider.add(above)
                above = parents.get(above)
        return Scope.of(*wider)

    def _seen(self, declared: D) -> D:
        """Return what a reader may know of it: of what is declared further up no name."""
        if self._scope.allows(declared.tenant):
            return declared
        nameless: D = replace(declared, tenant="", author="", withdrawn_by="")
        return nameless


def _page(found: Sequence[Maintenance | Correction], limit: int, under: int | None) -> DeclaredPage:
    newest = [one for one in reversed(found) if under is None or one.id < under]
    page = newest[:limit]
    return DeclaredPage(page, page[-1].id if len(newest) > limit else None)
