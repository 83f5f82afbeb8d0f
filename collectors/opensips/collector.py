"""Reads one OpenSIPS: asks, parses, publishes."""

from typing import Final

import structlog

from collectors.opensips.client import MiClient, client_of
from collectors.opensips.jsonrpc import NOT_FOUND, MiRefused
from collectors.opensips.lists import Lists
from collectors.opensips.metrics import Publisher, samples
from collectors.opensips.parse import (
    SCRIPTS,
    OpensipsSnapshot,
    parse_profile_values,
    parse_profiles,
    parse_version,
)
from collectors.opensips.profiles import Profiles
from collectors.opensips.registrations import Registrations
from collectors.opensips.statistics import PARTIAL, Statistics
from collectors.opensips.unknown import Unknown
from dialtone.model import CollectError, Node, Reading
from dialtone.ports import Clock, TenantLookup

_log = structlog.get_logger(__name__)

DEFAULT_PROFILE: Final = "tenant"
"""The dialog profile that carries the tenant's domain: set_dlg_profile("tenant", "$fd")."""


class OpensipsCollector:
    """Implements ports.Collector. `node.options["profile"]` names the dialog profile of tenants.

    `client` is the node's, where somebody else asks it as well (see client_of): one request at a time.
    """

    def __init__(
        self, node: Node, tenants: TenantLookup, clock: Clock, client: MiClient | None = None
    ) -> None:
        self._node = node
        self._tenants = tenants
        self._clock = clock
        self._profile = node.options.get("profile", DEFAULT_PROFILE)
        self._client = client or client_of(node)
        self._version: str | None = None
        self._restarts = 0
        self._statistics = Statistics(self._client, clock)
        self._lists = Lists(self._client, clock)
        self._profiles = Profiles(self._client, clock, self._profile, node.timeout)
        self._registrations = Registrations(node, self._client, clock)
        self._publisher = Publisher(node.name)
        self._unknown = Unknown()
        self._profile_missing = False
        self._no_calls = ""

    async def collect(self) -> Reading:
        """Poll once: statistics, live calls by tenant, what the modules list; the version after a restart."""
        began = self._clock.monotonic()
        statistics = await self._statistics.read()
        if self._restarts != self._statistics.restarts:
            # Once each, whatever becomes of the rest of this poll.
            self._restarts = self._statistics.restarts
            self._version = None
            self._lists.forget()
            self._profiles.forget()
            self._registrations.forget()
            self._unknown.forget()
        if self._version is None:
            self._version = parse_version(await self._client.version())
        await self._registrations.poll(statistics, self._version)
        calls = await self._calls()
        roles = await self._lists.read()
        profiles = await self._profiles.read(began)
        snapshot = OpensipsSnapshot(self._version, statistics, calls, roles, self._statistics.kinds, profiles)
        node, tenants, now = self._node.name, self._tenants.fixed(), self._clock.now()
        found, notes = self._publisher.publish(snapshot, tenants, now)
        steady = self._unknown.steadied(
            found,
            tenants,
            counted=self._statistics.unread.isdisjoint(SCRIPTS),
            among=lambda others: samples(node, snapshot, others, now),
        )
        registered, wanting = self._registrations.told(tenants)
        info = {"version": snapshot.version} | notes | wanting | self._troubles(snapshot)
        return Reading((*steady, *registered), info, self._registrations.unread)

    def _troubles(self, snapshot: OpensipsSnapshot) -> dict[str, str]:
        """Return what could not be read, and why."""
        said = {f"lists/{command}": text for command, text in self._lists.troubles.items()}
        if self._statistics.trouble:
            said["statistics"] = self._statistics.trouble
        if self._profiles.trouble:
            said["profiles"] = self._profiles.trouble
        if snapshot.calls is None:
            said["tenants"] = self._no_calls or (
                f"the script sets no dialog profile {self._profile!r}: calls per tenant are not known; "
                f'add profiles_with_value and set_dlg_profile("{self._profile}", "$fd")'
            )
        return said

    async def _calls(self) -> dict[str, int] | None:
        self._no_calls = ""
        try:
            reply = await self._client.profile_values(self._profile)
            if reply is None and await self._lacks_profile():
                reply = MiRefused(NOT_FOUND, "no such profile")
            if not isinstance(reply, MiRefused):
                self._profile_missing = False
                return {} if reply is None else parse_profile_values(reply)
        except CollectError as error:
            if error.failure not in PARTIAL:
                raise
            # Too many values for a datagram, or one that nobody can read: the rest of the server is read.
            self._no_calls = f"calls per tenant can't be read: {error.detail}"
            return None
        # No such profile, or no dialog module at all: the rest of the server is still read.
        if not reply.is_unknown:
            raise reply.error()
        if not self._profile_missing:
            _log.warning("opensips.no-tenant-profile", node=self._node.name, profile=self._profile)
        self._profile_missing = True
        return None

    async def _lacks_profile(self) -> bool:
        """Whether the profile that had nothing to tell is one that there is not: 1.11 says neither."""
        reply = await self._client.profiles()
        return isinstance(reply, MiRefused) or self._profile not in parse_profiles(reply)

    async def aclose(self) -> None:
        """Close the MI connection, the socket for events, and what is read of the database."""
        await self._registrations.aclose()
        await self._client.aclose()
