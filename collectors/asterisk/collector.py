"""Reads one Asterisk: asks, parses, publishes."""

import asyncio
from datetime import UTC, datetime

from collectors.asterisk.client import AmiClient
from collectors.asterisk.manager import AmiRefusedError
from collectors.asterisk.metrics import Publisher
from collectors.asterisk.parse import (
    AsteriskSnapshot,
    parse_channels,
    parse_offset,
    parse_processed,
    parse_startup,
    parse_version,
)
from collectors.asterisk.whose import Whose
from collectors.asterisk.wire import Block
from dialtone.model import CollectError, CollectFailure, Node, Reading, Secret
from dialtone.ports import Clock, TenantLookup


class AsteriskCollector:
    """Implements ports.Collector. `node.username` and `node.secret` are the manager's login."""

    def __init__(self, node: Node, tenants: TenantLookup, clock: Clock) -> None:
        self._node = node
        self._tenants = tenants
        self._clock = clock
        self._client = AmiClient(
            node.endpoint, node.username or "", node.secret or Secret(""), deadline=node.timeout
        )
        self._publisher = Publisher(node.name)
        self._asked = 0
        self._version = ""
        self._started: datetime | None = None

    async def collect(self) -> Reading:
        """Poll once: status and channels; version and start once a connection."""
        try:
            await self._client.connect()
            status = await self._client.status()
            if self._asked != self._client.connections:
                await self._learn(status)
            blocks = await self._client.channels()
        except AmiRefusedError as refused:
            raise CollectError(CollectFailure.SERVER, f"AMI error: {refused}") from None
        # 5000 channels take some 50 ms: not on the loop that schedules the probes.
        channels = await asyncio.to_thread(parse_channels, blocks)
        snapshot = AsteriskSnapshot(self._version, self._started, parse_processed(status), channels)
        tenants = self._tenants.fixed()
        owners = Whose(tenants).channels(channels)
        read = tuple(self._publisher.samples(snapshot, owners, tenants, self._clock.now()))
        return Reading(read, {"version": snapshot.version})

    async def _learn(self, status: Block) -> None:
        """Ask what can't change while a connection lasts, because a restart ends it."""
        connection = self._client.connections
        self._version = parse_version(await self._client.settings())
        self._started = await self._start_instant(status)
        self._asked = connection

    async def _start_instant(self, status: Block) -> datetime | None:
        """Return when the server started, in UTC.

        Its wall clock reading, taken for UTC, is within half a day of the instant: near enough to ask
        which offset held, summer time of long ago included.
        """
        wall = parse_startup(status)
        if wall is None:
            return None
        near = int(wall.replace(tzinfo=UTC).timestamp())
        try:
            zone = parse_offset(await self._client.zone_offset(near))
        except AmiRefusedError:
            return None
        return None if zone is None else wall.replace(tzinfo=zone).astimezone(UTC)

    async def aclose(self) -> None:
        """Close the AMI connection."""
        await self._client.aclose()
