"""Reads one Asterisk: asks for what is, hears what happens in between, publishes both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from collectors.asterisk.events import Events
from collectors.asterisk.manager import EVENT_CLASSES, AmiRefusedError
from collectors.asterisk.metrics import (
    EVENTS,
    LOGINS,
    LOST_EVENTS,
    MISSABLE,
    MISSING_EVENTS,
    QUEUE_EVENTS,
    UNREADABLE,
    Publisher,
)
from collectors.asterisk.parse import (
    AsteriskSnapshot,
    Channel,
    parse_channel,
    parse_offset,
    parse_processed,
    parse_startup,
    parse_version,
)
from collectors.asterisk.parts import Parts
from collectors.asterisk.recall import Recall
from collectors.asterisk.reloads import Reloads
from collectors.asterisk.rights import Commands, missing, optional, parse_commands, require
from collectors.asterisk.rtp import RtpQuality
from collectors.asterisk.tracker import MAX_CHANNELS, Tracker
from collectors.asterisk.transfers import Transfers
from collectors.asterisk.transports import manager_of
from collectors.asterisk.whose import Whose, read_patterns
from collectors.asterisk.wire import Block
from dialtone.model import UNKNOWN_TENANT, CollectError, CollectFailure, Node, Reading, Sample, Spread
from dialtone.ports import Clock, TenantLookup


@dataclass(frozen=True, slots=True)
class _Seen:
    """What CoreShowChannels listed, and the owners of its channels among the tenants of that moment."""

    channels: tuple[Channel, ...]
    unreadable: int
    owners: Mapping[str, str]
    tenants: TenantLookup


def _lost_words(missing: frozenset[str]) -> str:
    if "call" in missing:
        return (
            "no events of calls: what happens between two polls is not counted; "
            f"set read = {EVENT_CLASSES} in manager.conf"
        )
    names = " and ".join(sorted(missing))
    return f"calls come and go, and no {names} is heard of: an eventfilter in manager.conf holds it back"


class AsteriskCollector:
    """Implements ports.Collector. `node.username` and `node.secret` are the manager's login.

    `node.options["names"]` are patterns of names (see whose.py), `tls_*` say whom to trust (see tls.py).
    """

    def __init__(self, node: Node, tenants: TenantLookup, clock: Clock) -> None:
        self._node = node
        self._tenants = tenants
        self._clock = clock
        self._whose = Whose(tenants, read_patterns(node.options.get("names", "")))
        # Over AJAM events come with the poll: their times are not those of the calls.
        over_http = node.endpoint.startswith("http")
        self._tracker = Tracker(self._whose, timed=not over_http)
        self._transfers = Transfers(self._tracker.owner)
        self._rtp = RtpQuality(self._tracker.owner)
        self._parts = Parts(node.name, clock, timeout=node.timeout, interval=node.interval)
        self._reloads = Reloads()
        self._recall = Recall("CoreShowChannel", "Duration", parse_channel)
        self._publisher = Publisher(node.name)
        self._events = Events(clock, self._whose, self._tracker, self._transfers, self._rtp, self._parts)
        self._manager = manager_of(node, clock, self._events.hear, self._tracker.connected)
        # The connection by which the server's rights were learnt, and that by which its channels were listed.
        self._learnt = self._listed = 0
        self._told_of: TenantLookup | None = None
        self._version = ""
        self._started: datetime | None = None
        self._commands: Commands = {}

    async def collect(self) -> Reading:
        """Poll once: status, channels, lists that are due; version, start and rights once a connection."""
        began = self._clock.monotonic()
        try:
            await self._manager.connect()
            await self._manager.drain()
            status = await self._status()
            items = await self._manager.items("CoreShowChannels", "CoreShowChannelsComplete", self._recall)
        except AmiRefusedError as refused:
            raise CollectError(CollectFailure.SERVER, f"AMI error: {refused}") from None
        seen = await self._events.apart(lambda: self._resync(items))
        await self._parts.read(self._manager, self._whose, seen.owners, seen.channels, self._commands, began)
        processed = parse_processed(status)
        samples, spreads = await self._events.apart(lambda: self._published(seen, processed))
        return Reading(samples, self._info(seen.unreadable), spreads=spreads)

    async def _status(self) -> Block:
        """Return CoreStatus; of a new connection, learn what can't change while it lasts."""
        connection = self._manager.connections
        anew = self._learnt != connection
        if not anew:
            status = await self._manager.ask("CoreStatus")
        else:
            self._commands = parse_commands(await self._manager.lines("ListCommands"))
            require(self._commands)
            status = await self._manager.ask("CoreStatus")
            self._version = parse_version(await self._manager.ask("CoreSettings"))
            started = parse_startup(status)
            self._started = await self._instant(started) if started else None
            self._learnt = connection
        if reloaded := self._reloads.see(status, anew=anew):
            self._reloads.last = await self._instant(reloaded)
        self._tracker.processed(parse_processed(status))
        return status

    async def _instant(self, wall: datetime) -> datetime | None:
        """Return the instant, UTC, at which the server's wall clock read that; None where it doesn't tell.

        The reading, taken for UTC, is within half a day of the instant: near enough to ask which offset
        held, summer time of long ago included.
        """
        near = int(wall.replace(tzinfo=UTC).timestamp())
        try:
            reply = await self._manager.ask("Getvar", {"Variable": f"STRFTIME({near:d},,%z)"})
        except AmiRefusedError:
            return None
        zone = parse_offset(reply.get("Value", ""))
        return None if zone is None else wall.replace(tzinfo=zone).astimezone(UTC)

    def _resync(self, items: Sequence[Channel | None]) -> _Seen:
        """Have the tracker put right by what was listed; return that."""
        channels = tuple(item for item in items if item is not None)
        connection = self._manager.connections
        self._tracker.resync(channels, self._clock.monotonic(), anew=self._listed != connection)
        self._listed = connection
        tenants = self._tenants.fixed()
        return _Seen(channels, len(items) - len(channels), self._whose.channels(channels), tenants)

    def _published(self, seen: _Seen, processed: int | None) -> tuple[tuple[Sample, ...], tuple[Spread, ...]]:
        """Return what is known now, about the tenants of one moment."""
        node, tenants, at = self._node.name, self._tenants.fixed(), self._clock.now()
        counted = (self._tracker, self._transfers, self._rtp, self._parts)
        if tenants is not self._told_of:  # discovery has changed them
            self._told_of = tenants
            kept = {*tenants.domains, UNKNOWN_TENANT}
            for one in counted:
                one.keep(kept)
        same = tenants is seen.tenants
        owners = seen.owners if same else self._whose.channels(seen.channels)
        snapshot = AsteriskSnapshot(self._version, self._started, processed, seen.channels)
        self._tracker.take_peaks()  # here, so that those of a poll that failed are in the next one's
        samples = [
            *self._publisher.samples(snapshot, owners, tenants, at),
            *self._tracker.samples(node, tenants, at),
            *self._transfers.samples(node, tenants, at),
            *self._parts.samples(tenants, at),
            *self._reloads.samples(node, at),
            LOGINS.sample(node, value=self._manager.connections, at=at),
            UNREADABLE.sample(node, value=seen.unreadable, at=at),
            *self._missing_events(at),
            EVENTS.sample(node, value=self._events.count, at=at),
            LOST_EVENTS.sample(node, value=self._manager.lost_events + self._events.lost, at=at),
        ]
        spreads = [
            *self._tracker.spreads(node, tenants, at),
            *self._rtp.spreads(node, tenants, at),
            *self._parts.spreads(tenants, at),
        ]
        return tuple(samples), tuple(spreads)

    def _missing_events(self, at: datetime) -> Iterator[Sample]:
        lacking = {*self._tracker.missing, *({QUEUE_EVENTS} if self._parts.unheard else ())}
        for events in MISSABLE:
            yield MISSING_EVENTS.sample(self._node.name, events, value=events in lacking, at=at)

    def _info(self, unreadable: int) -> dict[str, str]:
        """Return the version, what can't be read and what it would take, and what went wrong."""
        said = {f"missing/{part}": text for part, text in missing(self._commands).items()}
        said |= {f"optional/{part}": text for part, text in optional(self._commands).items()}
        said |= {f"lists/{part}": text for part, text in self._parts.troubles.items()}
        if unheard := self._tracker.missing:
            said["missing/events"] = _lost_words(unheard)
        if self._tracker.full:
            said["calls"] = f"over {MAX_CHANNELS} channels: new ones are not followed by events"
        if self._parts.unheard:
            said["missing/queue-events"] = self._parts.unheard
        if unreadable:
            said["channels"] = (
                f"{unreadable} channels can't be read: a caller's number has line breaks in it, or this is "
                "an Asterisk that Dialtone doesn't know"
            )
        return {"version": self._version} | said

    async def aclose(self) -> None:
        """Log off and close."""
        await self._manager.aclose()
