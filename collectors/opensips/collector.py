"""Reads one OpenSIPS: asks, parses, publishes."""

from typing import Final

import structlog

from collectors.opensips.client import MiClient, MiRefused
from collectors.opensips.metrics import GROUPS, samples
from collectors.opensips.parse import (
    OpensipsSnapshot,
    parse_profile_values,
    parse_statistics,
    parse_version,
)
from dialtone.model import CollectError, CollectFailure, Node, Reading
from dialtone.ports import Clock, TenantLookup

_log = structlog.get_logger(__name__)

DEFAULT_PROFILE: Final = "tenant"
"""The dialog profile that carries the tenant's domain: set_dlg_profile("tenant", "$fd")."""

_NO_SUCH_PROFILE: Final = 404


class OpensipsCollector:
    """Implements ports.Collector. `node.options["profile"]` names the dialog profile of tenants."""

    def __init__(self, node: Node, tenants: TenantLookup, clock: Clock) -> None:
        self._node = node
        self._tenants = tenants
        self._clock = clock
        self._profile = node.options.get("profile", DEFAULT_PROFILE)
        self._client = MiClient(node.endpoint, deadline=node.timeout)
        self._version: str | None = None
        self._uptime = 0.0
        self._profile_missing = False

    async def collect(self) -> Reading:
        """Poll once: statistics by group, live calls by tenant; the version anew after a restart."""
        statistics = parse_statistics(await self._client.statistics(GROUPS))
        calls = await self._calls()
        uptime = statistics.get("core:timestamp", 0.0)
        if self._version is None or uptime < self._uptime:
            self._version = parse_version(await self._client.version())
        self._uptime = uptime
        snapshot = OpensipsSnapshot(self._version, statistics, calls)
        info = {"version": snapshot.version}
        if calls is None:
            info["tenants"] = (
                f"the script sets no dialog profile {self._profile!r}: calls per tenant are not known; "
                f'add profiles_with_value and set_dlg_profile("{self._profile}", "$fd")'
            )
        return Reading(samples(self._node.name, snapshot, self._tenants, self._clock.now()), info)

    async def _calls(self) -> dict[str, int] | None:
        reply = await self._client.profile_values(self._profile)
        if not isinstance(reply, MiRefused):
            self._profile_missing = False
            return parse_profile_values(reply)
        # 404: no such profile; -32601: no dialog module at all. The rest of the server is still read.
        if reply.code not in (_NO_SUCH_PROFILE, -32601):
            raise CollectError(CollectFailure.SERVER, f"MI error {reply.code}: {reply.message}")
        if not self._profile_missing:
            _log.warning("opensips.no-tenant-profile", node=self._node.name, profile=self._profile)
        self._profile_missing = True
        return None

    async def aclose(self) -> None:
        """Close the MI connection."""
        await self._client.aclose()
