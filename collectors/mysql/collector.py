"""Reads one MySQL or MariaDB server: asks, parses, publishes, and tells the fleet."""

from collections.abc import Iterator, Mapping
from typing import Final

import structlog

from collectors.mysql.asking import Asking, Words
from collectors.mysql.fields import Facts
from collectors.mysql.fleet import Fleet, NodeView
from collectors.mysql.grants import read_note
from collectors.mysql.lag import true_lag
from collectors.mysql.metrics import samples
from collectors.mysql.parse_channels import parse_channels
from collectors.mysql.parse_galera import parse_galera
from collectors.mysql.parse_heartbeats import EMPTY, FULL, IN_LOCAL_TIME, in_local_time, parse_heartbeats
from collectors.mysql.parse_server import (
    flavour_of,
    parse_clock,
    parse_replicas,
    parse_server,
    parse_version,
)
from collectors.mysql.snapshot import Channel, ClockReading, Flavour, Heartbeat, MysqlSnapshot
from collectors.mysql.statements import (
    FIXED,
    HEARTBEATS,
    SERVER,
    STATUS,
    VARIABLES,
    WORKERS_ALONE,
    Part,
    heartbeat_statement,
)
from collectors.mysqlclient import MysqlClient, RefusedError, Session
from collectors.mysqlclient.tls import tls_of
from dialtone.model import CollectFailure, Node, Reading
from dialtone.ports import Clock

_log = structlog.get_logger(__name__)

_OURS: Final = 0.95
"""Of the poll's deadline: which statement a server hangs on is said before the poll is cut off."""

_RIGHTS_EVERY: Final = 100
"""Polls: a right that was taken away or given makes no other difference where all can be read."""

_GRANTS: Final = "SLAVE MONITOR on MariaDB, REPLICATION CLIENT on MySQL, and SELECT on what is read"


class MysqlCollector:
    """Implements ports.Collector. `fleet` is where the collectors of a service leave what they read.

    `node.options` may hold `heartbeat`, the table schema.table that a heartbeat is written to, and
    `heartbeat_every`, the seconds between two of them (default 1); `tls`, `tls_ca`, `tls_name` and
    `tls_verify` (see mysqlclient/tls.py). Raises ValueError for a node without user name, or for other
    values of these.
    """

    def __init__(self, node: Node, clock: Clock, fleet: Fleet | None = None) -> None:
        if not node.username:
            raise ValueError(f"{node.name}: a mysql node needs a user name")
        self._node = node
        self._clock = clock
        self._fleet = fleet or Fleet()
        table = node.options.get("heartbeat")
        self._table = table
        self._heartbeat = heartbeat_statement(table) if table else None
        self._every = heartbeat_every(node)
        self._client = MysqlClient(
            node.endpoint,
            username=node.username,
            password=node.secret,
            deadline=_OURS * node.timeout,
            statements=FIXED | {self._heartbeat} if self._heartbeat else FIXED,
            tls=tls_of(node.options),
            grants=_GRANTS,
        )
        self._words = Words()
        self._unread: Mapping[str, CollectFailure] = {}
        self._rights: str | None = None
        self._rights_asked = 0

    async def collect(self) -> Reading:
        """Poll once: the server, its channels, the heartbeats if there is a table for them."""
        async with self._client.session() as session:
            snapshot = await self._snapshot(session)
        self._tell(snapshot)
        self._fleet.put(self._node.name, snapshot)
        lags = {channel.name: self._true_lag(channel, snapshot) for channel in snapshot.channels}
        info = {"version": snapshot.server.version, **snapshot.notes}
        for channel in snapshot.channels:
            info |= _words(channel)
        return Reading(
            tuple(samples(self._node.name, snapshot, lags, self._clock.now())), info, snapshot.unread
        )

    async def aclose(self) -> None:
        """Do nothing: no connection outlives its poll."""

    async def _snapshot(self, session: Session) -> MysqlSnapshot:
        taken = self._clock.monotonic()
        who = await session.timed(SERVER, clock=self._wall)
        version = parse_version(who.rows)
        clocks = [parse_clock(who)]
        variables = Facts(await session.rows(VARIABLES))
        status = Facts(await session.rows(STATUS))
        flavour = flavour_of(version, variables)
        asking = Asking(session, self._words.of(version), flavour)
        rows = await asking.rows(Part.CHANNELS) or ()
        workers = links = replicas = None
        if flavour is Flavour.MYSQL:
            # Switched off, the performance schema knows of no threads; of channels it does.
            if variables.raw("performance_schema").upper() != "OFF":
                replicas = await asking.rows(Part.REPLICAS)
            if rows:
                # What workers wait for is with the threads, as the replicas are.
                alone = () if replicas is not None else WORKERS_ALONE
                workers = await asking.rows(Part.WORKERS, alone)
                links = await asking.rows(Part.LINKS)
        channels = parse_channels(rows, variables, workers=workers, links=links or ())
        place = None if variables.off("log_bin") else await asking.rows(Part.PLACE)
        at = (who.sent + who.received) / 2
        heartbeats: Mapping[int, Heartbeat] | None = None
        if self._heartbeat is not None:
            taken = self._clock.monotonic()
            try:
                beats = await session.timed(self._heartbeat, clock=self._wall)
            except RefusedError as error:
                # No table yet, or no right to read it: what the server says of its threads counts.
                asking.refused(Part.HEARTBEAT, error)
            else:
                at = (beats.sent + beats.received) / 2
                clocks.append(parse_clock(beats))
                heartbeats = parse_heartbeats(beats.rows)
        server = parse_server(
            version,
            variables,
            status,
            _best(clocks),
            place=place or (),
            executed=next((channel.executed for channel in channels if channel.executed), ""),
            replicas=parse_replicas(replicas or ()),
        )
        if heartbeats is not None:
            asking.notes.update(self._of_heartbeats(server.server_id, heartbeats))
        self._rights_asked += 1
        old = self._rights is None or self._rights_asked >= _RIGHTS_EVERY
        if old or asking.unread.keys() != self._unread.keys():
            self._rights = await read_note(session, flavour, version, self._table)
            self._rights_asked = 0
        if self._rights:
            asking.notes["grants"] = self._rights
        galera = parse_galera(variables, status)
        return MysqlSnapshot(taken, at, server, channels, heartbeats, galera, asking.unread, asking.notes)

    def _of_heartbeats(self, own: int, heartbeats: Mapping[int, Heartbeat]) -> Iterator[tuple[str, str]]:
        if not heartbeats:
            yield Part.HEARTBEAT, EMPTY
        if own not in heartbeats and len(heartbeats) >= HEARTBEATS:
            yield Part.HEARTBEAT, FULL
        before = self._fleet.last(self._node.name)
        if before is not None and in_local_time(heartbeats.get(own), (before.heartbeats or {}).get(own)):
            yield Part.HEARTBEAT, IN_LOCAL_TIME

    def _true_lag(self, channel: Channel, snapshot: MysqlSnapshot) -> float | None:
        if channel.source_id == snapshot.server.server_id:
            return None
        name = self._fleet.having(channel.source_id, beside=self._node.name)
        if name is None:
            return true_lag(channel, snapshot, None, self._fleet.before(self._node.name))
        source = self._fleet.last(name)
        if source is not None and snapshot.taken - source.taken > self._node.fresh_for:
            source = None
        view = NodeView(name, now=source, clock=self._fleet.clock(name), heartbeat=self._every)
        return true_lag(channel, snapshot, view)

    def _wall(self) -> float:
        return self._clock.now().timestamp()

    def _tell(self, snapshot: MysqlSnapshot) -> None:
        """Log each part once when it can't be read, and once when it can be again."""
        for part in snapshot.unread.keys() - self._unread.keys():
            _log.warning("mysql.unread", node=self._node.name, part=part, error=snapshot.notes[part])
        for part in self._unread.keys() - snapshot.unread.keys():
            _log.info("mysql.read-again", node=self._node.name, part=part)
        self._unread = snapshot.unread


def heartbeat_every(node: Node) -> float:
    """Return the seconds between two heartbeats of a node. Raises ValueError for what is no such time."""
    told = node.options.get("heartbeat_every", "1")
    try:
        every = float(told)
    except ValueError:
        every = 0.0
    if not 0.0 < every <= 3600.0:
        raise ValueError(f"{node.name}: heartbeat_every is {told!r}; write seconds, up to 3600")
    return every


def _best(clocks: list[ClockReading | None]) -> ClockReading:
    return min((clock for clock in clocks if clock is not None), key=lambda clock: clock.error)


def _words(channel: Channel) -> dict[str, str]:
    words = {f"channel/{channel.name}/source": str(channel.source_id)}
    if channel.source_address:
        words[f"channel/{channel.name}/address"] = channel.source_address
    errors = [error.text for error in (channel.io_error, channel.sql_error) if error is not None]
    if errors:
        words[f"channel/{channel.name}/error"] = "; ".join(errors)
    return words
