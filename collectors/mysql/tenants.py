"""The tenants that a database lists: one text column of one statement, as the operator wrote it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from collectors.mysqlclient import MysqlClient
from collectors.mysqlclient.resultset import Row
from dialtone.model import (
    MAX_DISCOVERED,
    CollectError,
    CollectFailure,
    Database,
    DomainsFound,
    domains_among,
)

DOMAINS: Final = "SELECT domain FROM domain"
"""The table of OpenSIPS's domain module, whose `domain` names are unique."""

_MOST_BYTES: Final = 8 * 1024 * 1024


class MysqlTenants:
    """Implements ports.TenantSource. `deadline` is seconds for connecting, asking and reading all.

    The session can't write: the server is told so before the statement (a function that it calls might).
    """

    def __init__(self, database: Database, *, deadline: float, sql: str = DOMAINS) -> None:
        self._sql = sql
        self._client = MysqlClient(
            database.endpoint,
            username=database.username,
            password=database.secret,
            deadline=deadline,
            statements=frozenset({sql}),
            database=database.name,
            most=_MOST_BYTES,
        )

    async def domains(self) -> DomainsFound:
        """Return what the statement lists. Raises CollectError."""
        async with self._client.session() as session:
            await session.write_nothing()
            names = await _names(session.each(self._sql))
        return await asyncio.to_thread(domains_among, names)

    async def aclose(self) -> None:
        """Do nothing: no connection outlives its statement."""


async def _names(rows: AsyncIterator[Row]) -> list[str | None]:
    names: list[str | None] = []
    async for row in rows:
        if len(row) != 1:
            raise CollectError(
                CollectFailure.PROTOCOL, f"the statement gives {len(row)} columns; select the domain alone"
            )
        names += row.values()
        if len(names) > MAX_DISCOVERED:
            raise CollectError(CollectFailure.TOO_LARGE, f"more than {MAX_DISCOVERED:,} domains are listed")
    return names
