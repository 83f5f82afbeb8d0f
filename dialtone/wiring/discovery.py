"""Discovery, joined: its sources, and what it tells of itself."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import anyio

from collectors import mysql, opensips
from dialtone.config import Discover, Settings, TenantDirectory
from dialtone.model import Catalog, Node, Sample
from dialtone.ports import Clock, TenantSource
from dialtone.runtime.asking import Asked
from dialtone.runtime.discovery import Discovery
from dialtone.runtime.scheduler import Planned, Scheduler
from dialtone.wiring.parts import MiClients

_DATABASE: Final = 5.0
"""Seconds that a database has to list its domains."""
_SHARE: Final = 0.5
"""Of a node's timeout: a poll that finds our request under way still has as much time."""
_SPARE: Final = 1.0
"""Seconds by which the whole outlasts its parts, whose own words say more of what was late."""


def mi_clients(settings: Settings) -> MiClients:
    """Return the clients of the nodes whose domains are asked for; their collectors ask through them too."""
    return {one.node.name: opensips.client_of(one.node) for one in settings.discover if one.node}


@asynccontextmanager
async def discovering(
    settings: Settings, directory: TenantDirectory, clock: Clock, clients: MiClients
) -> AsyncIterator[Discovery]:
    """Own the sources of `discover:` and these clients; they are given back at the end, within a deadline."""
    asked = [_asked(one, clients) for one in settings.discover]
    try:
        yield Discovery(asked, directory, clock)
    finally:
        with anyio.move_on_after(1, shield=True):
            for one in asked:
                await one.source.aclose()
            for client in clients.values():
                await client.aclose()


def _asked(one: Discover, clients: MiClients) -> Asked:
    if one.database is not None:
        table = mysql.MysqlTenants(one.database, deadline=_DATABASE, sql=one.sql)
        return Asked(one.name, table, one.every, _DATABASE + _SPARE)
    if one.node is None:
        raise ValueError(f"{one.name} is neither a node nor a database")
    return _asked_of(one, one.node, clients[one.node.name])


def _asked_of(one: Discover, node: Node, client: opensips.MiClient) -> Asked:
    table: TenantSource | None = None
    deadline = within = _SHARE * node.timeout
    if node.database is not None:
        table = mysql.MysqlTenants(node.database, deadline=_DATABASE)
        within += _DATABASE
    source = opensips.OpensipsTenants(client, deadline=deadline, table=table)
    return Asked(one.name, source, one.every, within + _SPARE)


def plan(discovery: Discovery, scheduler: Scheduler) -> None:
    """Give the scheduler a job a source; each looks at once, and then every so often."""
    for asked in discovery.sources:
        scheduler.add(f"discover/{asked.name}", asked.every, _looking(discovery, asked.name), at_once=True)


def _looking(discovery: Discovery, name: str) -> Callable[[Planned], Awaitable[None]]:
    async def look(_: Planned) -> None:
        await discovery.run(name)

    return look


def figures(
    discovery: Discovery, directory: TenantDirectory, catalog: Catalog, now: datetime
) -> Iterator[Sample]:
    """Yield how many tenants there are, and what became of the looks at the sources."""

    def of(name: str, value: float, *labels: str) -> Sample:
        return catalog[name].sample(*labels, value=value, at=now)

    yield of("dialtone_tenants", directory.configured, "configured")
    yield of("dialtone_tenants", directory.discovered, "discovered")
    yield of("dialtone_tenants_appeared_total", discovery.appeared)
    yield of("dialtone_tenants_disappeared_total", discovery.disappeared)
    for source in discovery.figures():
        yield of("dialtone_discovery_success", source.success, source.name)
        yield of("dialtone_discovery_left_out", source.left_out, source.name)
        if source.age is not None:
            yield of("dialtone_discovery_age_seconds", source.age, source.name)
