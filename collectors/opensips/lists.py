"""What a server's modules list: asked at each poll, of the modules that it has."""

from collections.abc import Callable
from typing import Final, TypeVar

from collectors.opensips.client import MiClient
from collectors.opensips.destinations import (
    Destination,
    parse_dispatcher,
    parse_gateways,
    parse_load_balancer,
)
from collectors.opensips.jsonrpc import MiRefused
from collectors.opensips.roles import (
    Roles,
    parse_blocked,
    parse_peers,
    parse_processes,
    parse_ratelimit,
    parse_tags,
)
from collectors.opensips.statistics import LIST_AGAIN, PARTIAL
from dialtone.model import CollectError
from dialtone.ports import Clock

_DESTINATIONS: Final[dict[str, Callable[[object], tuple[Destination, ...]]]] = {
    "lb_list": parse_load_balancer,
    "ds_list": parse_dispatcher,
    "dr_gw_status": parse_gateways,
}
"""What lists the destinations of load_balancer, dispatcher and drouting."""

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

    def forget(self) -> None:
        """Take the server for another one: it has been restarted, and may have other modules."""
        self._lacking.clear()
        self._processes_at = None

    async def read(self) -> Roles:
        """Return what the modules list."""
        self.troubles = {}
        destinations: list[Destination] = []
        for command, parse in _DESTINATIONS.items():
            destinations += await self._ask(command, parse) or ()
        return Roles(
            tuple(destinations),
            await self._ask("pike_list", parse_blocked),
            await self._ask("rl_list", parse_ratelimit),
            await self._ask("clusterer_list", parse_peers) or (),
            await self._ask("clusterer_list_shtags", parse_tags) or (),
            await self._roles(),
        )

    async def _roles(self) -> dict[str, str]:
        """Return what each process is for: they change with a restart, and with auto-scaling."""
        now = self._clock.monotonic()
        if self._processes_at is None or now - self._processes_at >= LIST_AGAIN:
            self._processes = await self._ask("ps", parse_processes) or {}
            self._processes_at = now
        return self._processes

    async def _ask(self, command: str, parse: Callable[[object], T]) -> T | None:
        """Return what a command lists; None where the server lacks its module, or it makes no sense."""
        now = self._clock.monotonic()
        if now - self._lacking.get(command, -LIST_AGAIN) < LIST_AGAIN:
            return None
        try:
            reply = await self._client.listed(command)
            if not isinstance(reply, MiRefused):
                return parse(reply)
        except CollectError as error:
            if error.failure not in PARTIAL:
                raise
            self.troubles[command] = error.detail
            return None
        if reply.is_unknown:
            self._lacking[command] = now
        else:
            self.troubles[command] = f"MI error {reply.code}: {reply.message}"
        return None
