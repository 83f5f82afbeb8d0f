"""A ledger that gives what it was handed: for routes and jobs, without books behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dialtone.model import Closing, Correction, Maintenance, Scope
from dialtone.ports import Books
from dialtone.sla.closing import BrokenClosingError, RefusedError
from dialtone.sla.figures import Account
from dialtone.sla.statement import Statement


@dataclass(frozen=True, slots=True)
class Declared:
    """Maintenance that was put down; nothing overlaps it."""

    maintenance: Maintenance
    overlapping: Sequence[Maintenance] = ()


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction that was put down; no month is closed."""

    correction: Correction
    closed: Sequence[Closing] = ()


@dataclass(frozen=True, slots=True)
class Sound:
    """Accounts, and closed months that are broken."""

    accounts: Sequence[Account]
    broken: Sequence[BrokenClosingError]


@dataclass(slots=True)
class FakeLedger:
    """Gives accounts and statements by scope; a `leaky` one gives everything to everybody.

    `fails` is raised by whatever is asked; `asked` are the scopes and periods that accounts were asked for,
    `settled` when it was told to settle. What is declared goes into `books`.
    """

    given: Sequence[Account] = ()
    statements: Sequence[Statement] = ()
    books: Books | None = None
    leaky: bool = False
    refused: str = ""
    fails: Exception | None = None
    broken: Sequence[BrokenClosingError] = ()
    asked: list[tuple[Scope, str | None]] = field(default_factory=list)
    settled: list[datetime] = field(default_factory=list)

    async def accounts(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None
    ) -> list[Account]:
        """Return what was given, of the tenants in scope."""
        self._check()
        self.asked.append((scope, period))
        return [
            one
            for one in self.given
            if self.leaky or (scope.allows(one.objective.tenant) and tenant in (None, one.objective.tenant))
        ]

    async def sound_accounts(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None
    ) -> Sound:
        """Return what `accounts` does, and what is broken of the tenants in scope."""
        found = await self.accounts(scope, tenant=tenant, period=period)
        return Sound(found, [one for one in self.broken if self.leaky or scope.allows(one.tenant)])

    async def statement(self, scope: Scope, tenant: str, period: str) -> Statement | None:
        """Return the tenant's; a leaky one gives the first that there is."""
        self._check()
        for one in self.statements:
            if self.leaky or (one.tenant.domain == tenant and one.period == period and scope.allows(tenant)):
                return one
        return None

    async def settle(self, at: datetime) -> None:
        """Remember that it was told."""
        self._check()
        self.settled.append(at)

    async def declare(self, scope: Scope, maintenance: Maintenance) -> Declared:
        """Put it into the books."""
        self._check()
        assert self.books is not None
        return Declared(await self.books.declare(maintenance))

    async def correct(self, scope: Scope, correction: Correction) -> Corrected:
        """Put it into the books."""
        self._check()
        assert self.books is not None
        return Corrected(await self.books.correct(correction))

    def _check(self) -> None:
        if self.fails is not None:
            raise self.fails
        if self.refused:
            raise RefusedError(self.refused)
