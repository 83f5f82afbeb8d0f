"""What a server's modules list: asked at each poll, of the modules that it has."""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from collectors.opensips.client import MiClient
from collectors.opensips.destinations import (
    Destination,
    bounded,
    parse_dispatcher,
    parse_gateways,
    parse_load_balancer,
    parse_partitions,
)
from collectors.opensips.jsonrpc import MiRefused
from collectors.opensips.roles import (
    Roles,
    parse_blocked,
    parse_capabilities,
    parse_peers,
    parse_processes,
    parse_ratelimit,
    parse_tags,
)
from collectors.opensips.statistics import LIST_AGAIN, PARTIAL
from dialtone.model import CollectError
from dialtone.ports import Clock

_GATEWAYS: Final = "dr_gw_status"
_PARTITION: Final = "partition_name"
"""What dr_gw_status says that it wants where drouting has partitions."""

T = TypeVar("T")


class Lists:
    """Reads the lists of one server. Raises CollectError as the client does.

    A module that it lacks is not asked for again before a restart, or LIST_AGAIN seconds later: it may have
    refused for another reason. `troubles` says by command what could not be read.
    """

    def __init__(self, client: MiClient, clock: Clock) -> None:
        self.troubles: dict[str, str] = {}
        self._client = client
        self._clock = clock
        self._lacking: dict[str, float] = {}
        self._processes: dict[str, str] = {}
        self._processes_at: float | None = None
        self._partitions: tuple[str, ...] = ()
        self._partitions_at: float | None = None

    def forget(self) -> None:
        """Take the server for another one: it has been restarted, and may have other modules."""
        self._lacking.clear()
        self._processes_at = self._partitions_at = None

    async def read(self) -> Roles:
        """Return what the modules list."""
        self.troubles = {}
        balanced = await self._ask("lb_list", parse_load_balancer) or ()
        dispatched = await self._ask("ds_list", parse_dispatcher) or ()
        destinations, left_out = bounded((*balanced, *dispatched, *await self._gateways()))
        if left_out:
            self.troubles["destinations"] = left_out
        return Roles(
            destinations,
            await self._ask("pike_list", parse_blocked),
            await self._ask("rl_list", parse_ratelimit),
            await self._ask("clusterer_list", parse_peers) or (),
            await self._ask("clusterer_list_shtags", parse_tags) or (),
            await self._ask("clusterer_list_cap", parse_capabilities) or (),
            await self._roles(),
        )

    async def _gateways(self) -> tuple[Destination, ...]:
        """Return the gateways of drouting, of all its partitions where it has any."""
        now = self._clock.monotonic()
        if self._partitions_at is None or now - self._partitions_at >= LIST_AGAIN:
            found = await self._ask(_GATEWAYS, parse_gateways)
            if _PARTITION not in self.troubles.get(_GATEWAYS, ""):
                return found or ()
            del self.troubles[_GATEWAYS]
            self._partitions = await self._ask("dr_reload_status", parse_partitions) or ()
            self._partitions_at = now
        gateways: list[Destination] = []
        for name in self._partitions:
            gateways += await self._ask(_GATEWAYS, partial(parse_gateways, partition=name), name) or ()
        return tuple(gateways)

    async def _roles(self) -> dict[str, str]:
        """Return what each process is for: they change with a restart, and with auto-scaling."""
        now = self._clock.monotonic()
        if self._processes_at is None or now - self._processes_at >= LIST_AGAIN:
            self._processes = await self._ask("ps", parse_processes) or {}
            self._processes_at = now
        return self._processes

    async def _ask(self, command: str, parse: Callable[[object], T], partition: str = "") -> T | None:
        """Return what a command lists; None where the server lacks its module, or it makes no sense."""
        now = self._clock.monotonic()
        what = f"{command} {partition}".rstrip()
        if now - self._lacking.get(what, -LIST_AGAIN) < LIST_AGAIN:
            return None
        try:
            reply = await self._client.listed(command, partition)
            if not isinstance(reply, MiRefused):
                return parse(reply)
        except CollectError as error:
            if error.failure not in PARTIAL:
                raise
            self.troubles[what] = error.detail
            return None
        if reply.is_unknown:
            self._lacking[what] = now
        else:
            self.troubles[what] = f"MI error {reply.code}: {reply.message}"
        return None
