"""Reads one OpenSIPS: asks, parses, publishes."""

from typing import Final

import structlog

from collectors.opensips.client import MiClient
from collectors.opensips.destinations import (
    Destination,
    parse_dispatcher,
    parse_gateways,
    parse_load_balancer,
)
from collectors.opensips.jsonrpc import MiRefused
from collectors.opensips.metrics import samples
from collectors.opensips.parse import (
    OpensipsSnapshot,
    parse_profile_values,
    parse_profiles,
    parse_version,
)
from collectors.opensips.statistics import PARTIAL, Statistics
from dialtone.model import CollectError, CollectFailure, Node, Reading
from dialtone.ports import Clock, TenantLookup

_log = structlog.get_logger(__name__)

DEFAULT_PROFILE: Final = "tenant"
"""The dialog profile that carries the tenant's domain: set_dlg_profile("tenant", "$fd")."""

_LISTS: Final = {
    "lb_list": parse_load_balancer,
    "ds_list": parse_dispatcher,
    "dr_gw_status": parse_gateways,
}
"""What lists the destinations of load_balancer, dispatcher and drouting."""

_NOT_FOUND: Final = 404
_NO_SUCH_METHOD: Final = -32601
_UNKNOWN_COMMAND: Final = 500
"""What 2.4 says of a command of no module that is loaded."""


class OpensipsCollector:
    """Implements ports.Collector. `node.options["profile"]` names the dialog profile of tenants."""

    def __init__(self, node: Node, tenants: TenantLookup, clock: Clock) -> None:
        self._node = node
        self._tenants = tenants
        self._clock = clock
        self._profile = node.options.get("profile", DEFAULT_PROFILE)
        self._client = MiClient(
            node.endpoint, deadline=node.timeout, username=node.username, password=node.secret
        )
        self._version: str | None = None
        self._statistics = Statistics(self._client, clock)
        self._lists = dict(_LISTS)
        self._profile_missing = False

    async def collect(self) -> Reading:
        """Poll once: statistics by group, live calls by tenant; the version anew after a restart."""
        statistics = await self._statistics.read()
        if self._version is None or self._statistics.restarted:
            self._version = None
            self._lists = dict(_LISTS)  # it may have other modules now
            self._version = parse_version(await self._client.version())
        calls = await self._calls()
        destinations, trouble = await self._destinations()
        snapshot = OpensipsSnapshot(self._version, statistics, calls, destinations, self._statistics.kinds)
        info = {"version": snapshot.version}
        if trouble:
            info["destinations"] = trouble
        if self._statistics.trouble:
            info["statistics"] = self._statistics.trouble
        if calls is None:
            info["tenants"] = (
                f"the script sets no dialog profile {self._profile!r}: calls per tenant are not known; "
                f'add profiles_with_value and set_dlg_profile("{self._profile}", "$fd")'
            )
        return Reading(samples(self._node.name, snapshot, self._tenants, self._clock.now()), info)

    async def _destinations(self) -> tuple[tuple[Destination, ...], str]:
        """Return the destinations of the modules that the server has, and what of them could not be read.

        A module that it lacks is not asked for again before its restart.
        """
        found: list[Destination] = []
        trouble = ""
        for command, parse in list(self._lists.items()):
            try:
                reply = await self._client.listed(command)
                if not isinstance(reply, MiRefused):
                    found += parse(reply)
                elif _is_unknown(reply):
                    del self._lists[command]
                else:
                    trouble = f"{command}: MI error {reply.code}: {reply.message}"
            except CollectError as error:
                if error.failure not in PARTIAL:
                    raise
                trouble = f"{command}: {error.detail}"
        return tuple(found), trouble

    async def _calls(self) -> dict[str, int] | None:
        reply = await self._client.profile_values(self._profile)
        if reply is None and await self._lacks_profile():
            reply = MiRefused(_NOT_FOUND, "no such profile")
        if not isinstance(reply, MiRefused):
            self._profile_missing = False
            return {} if reply is None else parse_profile_values(reply)
        # No such profile, or no dialog module at all: the rest of the server is still read.
        if not _is_unknown(reply):
            raise _error(reply)
        if not self._profile_missing:
            _log.warning("opensips.no-tenant-profile", node=self._node.name, profile=self._profile)
        self._profile_missing = True
        return None

    async def _lacks_profile(self) -> bool:
        """Whether the profile that had nothing to tell is one that there is not: 1.11 says neither."""
        reply = await self._client.profiles()
        return isinstance(reply, MiRefused) or self._profile not in parse_profiles(reply)

    async def aclose(self) -> None:
        """Close the MI connection."""
        await self._client.aclose()


def _is_unknown(refused: MiRefused) -> bool:
    """Whether the server has no such thing; 1.11 says so without a code."""
    unknown = refused.code == _UNKNOWN_COMMAND and "not found" in refused.message.lower()
    return unknown or refused.code in (0, _NOT_FOUND, _NO_SUCH_METHOD)


def _error(refused: MiRefused) -> CollectError:
    return CollectError(CollectFailure.SERVER, f"MI error {refused.code}: {refused.message}")
