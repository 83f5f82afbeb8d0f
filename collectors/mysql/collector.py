"""Reads one MySQL or MariaDB server: asks, parses, publishes."""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from collectors.mysql.metrics import samples
from collectors.mysql.parse import (
    Channel,
    MysqlSnapshot,
    parse_channels,
    parse_heartbeats,
    parse_server,
)
from collectors.mysql.statements import FIXED, SERVER, channel_statements, heartbeat_statement
from collectors.mysqlclient import MysqlClient, RefusedError, Row, Session, one_line
from collectors.mysqlclient.errors import NO_PRIVILEGE, NO_SUCH_TABLE, SYNTAX_ERROR
from collectors.mysqlclient.tls import tls_of
from dialtone.model import CollectFailure, Node, Reading
from dialtone.ports import Clock

_log = structlog.get_logger(__name__)

_GRANTS: Final = "SLAVE MONITOR on MariaDB, REPLICATION CLIENT on MySQL, and SELECT on what is read"
_WITHOUT_HEARTBEAT: Final = NO_PRIVILEGE | NO_SUCH_TABLE


class MysqlCollector:
    """Implements ports.Collector.

    `node.options` may hold `heartbeat`, the table schema.table that a heartbeat is written to;
    `tls`, `tls_ca`, `tls_name` and `tls_verify` (see mysqlclient/tls.py). Raises ValueError for a node
    without user name, or for other values of these.
    """

    def __init__(self, node: Node, clock: Clock) -> None:
        if not node.username:
            raise ValueError(f"{node.name}: a mysql node needs a user name")
        self._node = node
        self._clock = clock
        table = node.options.get("heartbeat")
        self._heartbeat = heartbeat_statement(table) if table else None
        self._client = MysqlClient(
            node.endpoint,
            username=node.username,
            password=node.secret,
            deadline=node.timeout,
            statements=FIXED | {self._heartbeat} if self._heartbeat else FIXED,
            tls=tls_of(node.options),
            grants=_GRANTS,
        )
        self._heartbeat_fails = False

    async def collect(self) -> Reading:
        """Poll once: the server, its channels, the heartbeats if there is a table for them."""
        info: dict[str, str] = {}
        unread: dict[str, CollectFailure] = {}
        async with self._client.session() as session:
            server = parse_server(await session.rows(SERVER))
            channels = parse_channels(await _first(session, channel_statements(server.version)))
            heartbeats = await self._heartbeats(session, info, unread)
        info["version"] = one_line(server.version)
        for channel in channels:
            info |= _words(channel)
        snapshot = MysqlSnapshot(server, channels, heartbeats)
        return Reading(samples(self._node.name, snapshot, self._clock.now()), info, unread)

    async def _heartbeats(
        self, session: Session, info: dict[str, str], unread: dict[str, CollectFailure]
    ) -> Mapping[int, float]:
        if self._heartbeat is None:
            return {}
        try:
            found = parse_heartbeats(await session.rows(self._heartbeat))
        except RefusedError as error:
            # No table yet, or no right to read it: what the server says of its threads counts all the same.
            if error.code not in _WITHOUT_HEARTBEAT:
                raise
            info["heartbeat"], unread["heartbeat"] = error.detail, error.failure
            if not self._heartbeat_fails:
                _log.warning("mysql.no-heartbeat", node=self._node.name, error=error.detail)
            self._heartbeat_fails = True
            return {}
        if self._heartbeat_fails:
            _log.info("mysql.heartbeat-back", node=self._node.name)
        self._heartbeat_fails = False
        if not found:
            info["heartbeat"] = "the table is empty: nobody writes heartbeats"
        return found

    async def aclose(self) -> None:
        """Do nothing: no connection outlives its poll."""


async def _first(session: Session, statements: Sequence[str]) -> Sequence[Row]:
    """Return the rows of the first statement whose words the server knows."""
    *early, last = statements
    for statement in early:
        try:
            return await session.rows(statement)
        except RefusedError as error:
            if error.code != SYNTAX_ERROR:
                raise
    return await session.rows(last)


def _words(channel: Channel) -> dict[str, str]:
    words = {f"channel/{channel.name}/source": str(channel.source)}
    errors = [one_line(text) for text in (channel.io_error, channel.sql_error) if text]
    if errors:
        words[f"channel/{channel.name}/error"] = "; ".join(errors)
    return words
