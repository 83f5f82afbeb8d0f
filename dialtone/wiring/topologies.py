"""Topologies, joined: which there are, whose data they hold, and who is told of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

import anyio
import structlog

from collectors import mysql
from collectors.mysql.topology.metrics import topology_samples
from dialtone.config import Settings, TenantQuery
from dialtone.export.prometheus import Exposition
from dialtone.model import CatalogError, NodeKind, Topology, TopologyKind, TopologyState
from dialtone.ports import Clock, TenantLookup
from dialtone.runtime.asking import Asked
from dialtone.runtime.scheduler import Planned, Scheduler
from dialtone.runtime.tenantquery import TopologyTenants

_log = structlog.get_logger(__name__)

_DATABASE: Final = 5.0
"""Seconds that a database has to list its domains."""
_SPARE: Final = 1.0
"""Seconds by which the whole outlasts its parts, whose own words say more of what was late."""


def topologies_of(settings: Settings) -> tuple[Topology, ...]:
    """Return the topologies: those that are configured, and each mysql node by itself that is in none."""
    named = {node for topology in settings.topologies for node in topology.nodes}
    alone = (
        Topology(node.name, TopologyKind.STANDALONE, (node.name,), tenants=())
        for node in settings.nodes
        if node.kind is NodeKind.MYSQL and node.name not in named
    )
    return (*settings.topologies, *alone)


@asynccontextmanager
async def topology_tenants(
    queries: Iterable[TenantQuery], tenants: TenantLookup, clock: Clock
) -> AsyncIterator[TopologyTenants]:
    """Own what is asked for the tenants of topologies; it is given back at the end, within a deadline."""
    asked = [_asked(query) for query in queries]
    try:
        yield TopologyTenants(asked, tenants, clock)
    finally:
        with anyio.move_on_after(1, shield=True):
            for one in asked:
                await one.source.aclose()


def _asked(query: TenantQuery) -> Asked:
    source = mysql.MysqlTenants(query.database, deadline=_DATABASE, sql=query.sql)
    return Asked(query.topology, source, query.every, _DATABASE + _SPARE)


def plan(tenants: TopologyTenants, scheduler: Scheduler) -> None:
    """Give the scheduler a job a query; each is asked at once, and then every so often."""
    for asked in tenants.sources:
        scheduler.add(f"tenants/{asked.name}", asked.every, _asking(tenants, asked.name), at_once=True)


def _asking(tenants: TopologyTenants, name: str) -> Callable[[Planned], Awaitable[None]]:
    async def ask(_: Planned) -> None:
        await tenants.run(name)

    return ask


class TopologyFigures:
    """A TopologySink that shows topologies in the exposition, until the next judgement replaces them."""

    def __init__(self, exposition: Exposition, tenants: TenantLookup) -> None:
        self._exposition = exposition
        self._tenants = tenants
        self._rejected: dict[str, str] = {}

    async def topology_judged(self, state: TopologyState) -> None:
        """Show a topology; figures that break the catalogue are logged instead, once."""
        name = state.topology.name
        source = f"topology/{name}"
        try:
            self._exposition.put(source, topology_samples(state, self._tenants, state.at))
            self._rejected.pop(name, None)
        except CatalogError as error:
            self._exposition.withdraw(source)
            if self._rejected.get(name) != str(error):
                self._rejected[name] = str(error)
                _log.error(
                    "a topology breaks the catalogue and is not shown", topology=name, error=str(error)
                )
