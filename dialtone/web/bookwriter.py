"""What may be put down in the books by the API: maintenance and corrections of one's own tenants."""

from dataclasses import replace
from datetime import datetime

from dialtone.model import Correction, Maintenance
from dialtone.web.context import Corrected, Declared, Visitor, WebContext


class FromConfigurationError(Exception):
    """The configuration declares it, and would again at the next start."""


class BooksWriter:
    """Declares and withdraws for one visitor, in its scope alone; the gate has seen to its role.

    Every entry is signed with the visitor's name.
    """

    def __init__(self, context: WebContext, visitor: Visitor) -> None:
        self._context = context
        self._visitor = visitor

    def now(self) -> datetime:
        """Return the time, as the ledger takes it for what is declared."""
        return self._context.clock.now()

    def zone_of(self, tenant: str) -> str | None:
        """Return the time zone of a tenant, None where there is none that the visitor may see."""
        if not self._visitor.scope.allows(tenant):
            return None
        return next((one.timezone for one in self._context.tenants() if one.domain == tenant), None)

    async def declare(self, maintenance: Maintenance) -> Declared:
        """Put down maintenance of a tenant in scope. Raises RefusedError, StoreError."""
        signed = replace(maintenance, declared=self.now(), author=self._visitor.name, source="api")
        return await self._context.ledger.declare(self._visitor.scope, signed)

    async def withdraw(self, id_: int) -> Maintenance | None:
        """Withdraw maintenance of a tenant in scope; None where there is none.

        Raises FromConfigurationError, StoreError.
        """
        books, scope = self._context.store.books, self._visitor.scope
        known = next((one for one in await books.maintenance(scope) if one.id == id_), None)
        if known is None or not scope.allows(known.tenant):
            return None
        if known.source == "config" and known.withdrawn is None:
            raise FromConfigurationError
        return await books.withdraw(scope, id_, at=self.now(), author=self._visitor.name)

    async def correct(self, correction: Correction) -> Corrected:
        """Put down a correction of a tenant in scope. Raises RefusedError, StoreError."""
        signed = replace(correction, declared=self.now(), author=self._visitor.name)
        return await self._context.ledger.correct(self._visitor.scope, signed)

    async def withdraw_correction(self, id_: int) -> Correction | None:
        """Withdraw a correction of a tenant in scope; None where there is none. Raises StoreError."""
        books, scope = self._context.store.books, self._visitor.scope
        known = next((one for one in await books.corrections(scope) if one.id == id_), None)
        if known is None or not scope.allows(known.tenant):
            return None
        return await books.withdraw_correction(scope, id_, at=self.now(), author=self._visitor.name)
