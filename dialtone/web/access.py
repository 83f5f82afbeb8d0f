"""The one read filter: a Reader is built for who asks, and every route reads through it alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from dialtone.model import (
    AlertEvent,
    AlertState,
    Flow,
    Holding,
    KnownTopology,
    NodeState,
    ProbeResult,
    Scope,
    Tenant,
)
from dialtone.web.beside import beside
from dialtone.web.bookreader import BooksReader
from dialtone.web.bookwriter import BooksWriter
from dialtone.web.context import Visitor, WebContext
from dialtone.web.ratios import Source, TenantRatios, ratios_of


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the start and the id of its last result."""

    started: datetime
    id: str


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Some results, newest first, and where the next page begins; None at the end."""

    results: tuple[ProbeResult, ...]
    end: Position | None


class Reader:
    """Reads what one scope may see. Foreign things are not refused, they do not exist.

    Store and board filter by scope themselves; what they return is held against the scope again, so
    that a mistake in one place shows nothing to the wrong people.
    """

    def __init__(self, context: WebContext, scope: Scope) -> None:
        self._context = context
        self._scope = scope

    @property
    def books(self) -> BooksReader:
        """What was promised and kept, seen by the same scope."""
        return BooksReader(self._context, self._scope)

    @property
    def sees_all(self) -> bool:
        """Whether the platform itself asks: only then nodes and platform figures exist."""
        return self._scope.sees_all

    def now(self) -> datetime:
        """Return the time, for ages."""
        return self._context.clock.now()

    @property
    def location(self) -> str:
        """Where the probes run."""
        return self._context.location

    @property
    def version(self) -> str:
        """Which version of the service answers."""
        return self._context.version

    @property
    def has_probes(self) -> bool:
        """Whether probes are configured, whoever's they are."""
        return self._context.has_probes

    def tenants(self) -> tuple[Tenant, ...]:
        """Return the tenants in scope; a parent outside it is not named."""
        return tuple(
            tenant if self._scope.allows(tenant.parent) else replace(tenant, parent=None)
            for tenant in self._context.tenants()
            if self._scope.allows(tenant.domain)
        )

    def nodes(self) -> tuple[NodeState, ...]:
        """Return the nodes; a server's figures mix tenants, so only the platform sees any."""
        return tuple(self._context.board.nodes(self._scope)) if self._scope.sees_all else ()

    def node(self, name: str) -> NodeState | None:
        """Return one node."""
        return self._context.board.node(self._scope, name) if self._scope.sees_all else None

    def topologies(self) -> tuple[KnownTopology, ...]:
        """Return the topologies; they name servers, so only the platform sees any."""
        return tuple(self._context.board.topologies(self._scope)) if self._scope.sees_all else ()

    def topology(self, name: str) -> KnownTopology | None:
        """Return one topology."""
        return self._context.board.topology(self._scope, name) if self._scope.sees_all else None

    def holdings(self) -> tuple[Holding, ...]:
        """Return what the tenants in scope may know of the topologies that hold their data."""
        found = self._context.board.holdings(self._scope)
        if self._scope.sees_all:
            return tuple(found)
        ours = ((one, tuple(filter(self._scope.allows, one.tenants))) for one in found)
        return tuple(replace(one, tenants=tenants) for one, tenants in ours if tenants)

    def latest(self) -> tuple[ProbeResult, ...]:
        """Return the last result of each tenant's probes."""
        return self._ours(self._context.board.results(self._scope))

    async def results(
        self,
        *,
        tenant: str | None,
        flow: Flow | None,
        since: datetime | None,
        limit: int,
        after: Position | None,
    ) -> ResultPage:
        """Return the page that follows `after`, from the newest without it. Raises StoreError."""
        found = self._ours(
            await self._context.store.results(
                self._scope,
                tenant=tenant,
                flow=flow,
                since=since,
                before=(after.started, after.id) if after else None,
                limit=limit + 1,
            )
        )
        page = found[:limit]
        return ResultPage(page, Position(page[-1].started, page[-1].id) if len(found) > limit else None)

    async def result(self, result_id: str) -> ProbeResult | None:
        """Return one result. Raises StoreError."""
        found = await self._context.store.result(self._scope, result_id)
        return found if found is not None and self._scope.allows(found.tenant) else None

    async def ratios(self, since: datetime, source: Source = Source.PROBES) -> tuple[TenantRatios, ...]:
        """Return what a source makes of the time since that hour, by tenant. Raises StoreError."""
        store = self._context.store
        read = store.probe_counts if source is Source.PROBES else store.traffic_counts
        found = await read(self._scope, since=since)
        ours = {tenant: counts for tenant, counts in found.items() if self._scope.allows(tenant)}
        return await beside(partial(ratios_of, self.tenants(), ours))

    async def alerts(self) -> tuple[AlertEvent, ...]:
        """Return pending, firing and resolved alerts, newest first; those that never fired are left out.

        Raises StoreError.
        """
        return tuple(
            event if self._scope.sees_all else replace(event, node=None, channel=None)
            for event in await self._context.store.alerts(self._scope)
            if self._scope.allows(event.tenant)
            and (event.state is not AlertState.RESOLVED or event.started is not None)
        )

    def _ours(self, results: Sequence[ProbeResult]) -> tuple[ProbeResult, ...]:
        return tuple(result for result in results if self._scope.allows(result.tenant))


# The gate in front of the application has checked the token; this one tells OpenAPI that there is one.
_bearer: Final = HTTPBearer(auto_error=False, description="A token of the `access:` configuration")


def _visitor(request: Request, _: Annotated[object, Security(_bearer)] = None) -> Visitor:
    # Set by the gate. Were the gate missing, this would fail and show nothing.
    visitor: Visitor = request.state.visitor
    return visitor


def _reader(request: Request, visitor: Annotated[Visitor, Depends(_visitor)]) -> Reader:
    return Reader(request.app.state.context, visitor.scope)


def _writer(request: Request, visitor: Annotated[Visitor, Depends(_visitor)]) -> BooksWriter:
    return BooksWriter(request.app.state.context, visitor)


Reads = Annotated[Reader, Depends(_reader)]
"""A route's parameter of this type is the Reader of who asks."""

Writes = Annotated[BooksWriter, Depends(_writer)]
"""A route's parameter of this type declares and withdraws for who asks, where the gate lets them."""
