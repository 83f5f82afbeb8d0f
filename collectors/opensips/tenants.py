"""The tenants that an OpenSIPS serves: what its domain module holds."""

import asyncio

from collectors.opensips.client import MiClient
from collectors.opensips.jsonrpc import MiRefused
from dialtone.model import CollectError, CollectFailure, DomainsFound, domains_among
from dialtone.ports import TenantSource


class OpensipsTenants:
    """Implements ports.TenantSource, over MI; by the table of the server's database where MI can't say.

    The module lists what it has in memory (its `db_mode` 1): a domain that is new in the table is there
    after the server's next domain_reload. `client` is the collector's own, so that the server has one
    request at a time of ours; `deadline` is seconds for our request, shorter than the client's, so that a
    poll that waits for its turn still has time. The client is not closed here.
    """

    def __init__(self, client: MiClient, *, deadline: float, table: TenantSource | None = None) -> None:
        self._client = client
        self._deadline = deadline
        self._table = table

    async def domains(self) -> DomainsFound:
        """Return the domains of the module, or of the table where MI refuses to list them.

        Raises CollectError.
        """
        try:
            async with asyncio.timeout(self._deadline):
                reply = await self._client.domains()
        except TimeoutError:
            detail = f"no reply to domain_dump in {self._deadline:g} s"
            raise CollectError(CollectFailure.TIMEOUT, detail) from None
        if reply is None:
            # mi_json of 1.11 answers so where something is wrong, and perhaps for no domains at all.
            reply = MiRefused(0, "an empty reply")
        if not isinstance(reply, MiRefused):
            return await asyncio.to_thread(parse_domains, reply)
        if self._table is not None:
            return await self._table.domains()
        raise CollectError(
            CollectFailure.SERVER,
            f"the domain module lists nothing (MI error {reply.code}: {reply.message}): "
            "load it with db_mode 1, or give the node its `database`",
        )

    async def aclose(self) -> None:
        """Close what was opened for the table."""
        if self._table is not None:
            await self._table.aclose()


def parse_domains(result: object) -> DomainsFound:
    """Return the domains of a domain_dump.

    3.x and 4.x send {"Domains": [{"name": text, ...}, ...]}; mi_json of 1.11 and 2.4 {"": [{"value": text,
    ...}, ...]}. Raises CollectError for anything else, and where there are too many.
    """
    rows = result.get("Domains", result.get("")) if isinstance(result, dict) else None
    if not isinstance(rows, list):
        raise CollectError(CollectFailure.PROTOCOL, "domain_dump: the result has no list of domains")
    if not all(isinstance(row, dict) for row in rows):
        raise CollectError(CollectFailure.PROTOCOL, "domain_dump: a row is no object")
    return domains_among(row.get("name", row.get("value")) for row in rows)
