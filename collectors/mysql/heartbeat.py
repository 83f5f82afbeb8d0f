"""Writes a server's heartbeat: the time, in the row of its own server_id, again and again.

How old a source's row is on a replica is the lag of what the replica has applied, whatever the servers say
of themselves. This is the one part of Dialtone that writes into a database, and nobody who doesn't start it
has it.

A replica must not be written to: what it alone has breaks replication later. The server itself sees to that:
while it is read_only it refuses a writer without special rights, in the same instant in which it becomes so.
(To ask for @@read_only beforehand would leave a gap between the answer and the write, in just the moment
of a switch.) So an account that may write through read_only is refused here, at each login: a session keeps
the global rights that it began with (MySQL 8.4 Reference Manual, "When Privilege Changes Take Effect").

A commit may wait for long, and no limit of time ends that: for a semi-synchronous replica that doesn't
acknowledge (rpl_semi_sync_master_timeout), say. The server's thread stays although its client is gone, and
takes one of max_connections. So nothing is written while an earlier statement of this account still hangs.
"""

import re
from collections.abc import Sequence
from typing import Final

import structlog

from collectors.mysql.statements import quoted_table
from collectors.mysqlclient import MysqlClient, RefusedError, Row, StandingSession
from collectors.mysqlclient.errors import NO_PRIVILEGE, NO_SUCH_TABLE, SYNTAX_ERROR
from collectors.mysqlclient.tls import tls_of
from dialtone.model import CollectError, CollectFailure, Node, Secret
from dialtone.ports import Clock

SETTINGS: Final = (
    "SET SESSION autocommit = 1, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, wait_timeout = 300"
)
"""Whatever the server's defaults are. Whoever locks the table (a backup) has no queue of ours behind it."""

SERVER_ID: Final = "SELECT @@GLOBAL.server_id AS server_id"
"""Whose row it is."""

NO_ROLE: Final = "SET ROLE NONE"
"""What a role allows is given up, for RIGHTS doesn't tell of it. MySQL 5.7 has no roles: a syntax error."""

RIGHTS: Final = (
    "SELECT CURRENT_USER() AS me, GRANTEE AS grantee, PRIVILEGE_TYPE AS privilege"
    " FROM information_schema.USER_PRIVILEGES"
    " WHERE PRIVILEGE_TYPE IN ('SUPER', 'CONNECTION_ADMIN', 'READ_ONLY ADMIN', 'READ ONLY ADMIN')"
)
"""Who may write through read_only, as far as we may know: by SUPER (MySQL, MariaDB before 10.11), READ ONLY
ADMIN (MariaDB) or CONNECTION_ADMIN (MySQL from 8.0). SHOW GRANTS tells one thing more, such a right of
everybody's (PUBLIC, MariaDB from 10.11), but there it brings the hash of our password along, in clear without
TLS."""

HANGING: Final = (
    "SELECT COUNT(*) AS hanging FROM information_schema.PROCESSLIST"
    " WHERE ID <> CONNECTION_ID() AND USER = SUBSTRING_INDEX(USER(), '@', 1)"
    " AND COMMAND IN ('Query', 'Killed') AND TIME >= 1"
)
"""Sessions of this account in which a statement has been under way for a second; no right is needed to see
one's own (MySQL 8.4 Reference Manual, "The INFORMATION_SCHEMA PROCESSLIST Table"; MariaDB KB, likewise)."""

FIXED: Final = frozenset({SETTINGS, HANGING, SERVER_ID, NO_ROLE, RIGHTS})
"""All that is ever sent, but for the beat itself."""

READ_ONLY: Final = frozenset({1290, 1836})
"""How a server refuses that takes no writes: it has read_only or super_read_only, or innodb_read_only."""

_DEADLOCK: Final = 1213
"""Also how a Galera node says that another one changed the same row first."""
_QUARREL: Final = 3
"""Deadlocks, beyond one in ten beats, after which somebody else beats the same row for certain."""
_NOT_SET_UP: Final = NO_PRIVILEGE | NO_SUCH_TABLE
_ID: Final = re.compile(r"[0-9]{1,10}")

_DEADLINE: Final = 2.0
_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0
_RESTRAINT: Final = 30.0
"""Seconds until a server that refused our credentials is asked again: some lock accounts after a few."""
_LONGEST_LOOK: Final = 30.0
_BLIND: Final = 30.0
_LONGEST_BLIND: Final = 600.0
"""Seconds after a statement that was not answered, on a server that doesn't tell whether it still hangs."""

_log = structlog.get_logger(__name__)


def beat_statement(table: str, server_id: int) -> str:
    """Return what writes a heartbeat. Raises ValueError for what is no table (schema.table).

    The id is a number: `@@server_id`, replicated as a statement, would be the replica's. UTC_TIMESTAMP() is
    safe then: the source's time goes along.
    """
    return (
        f"INSERT INTO {quoted_table(table)} (server_id, ts)"  # noqa: S608 - a number and a checked name
        f" VALUES ({server_id:d}, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE ts = UTC_TIMESTAMP(6)"
    )


def setup_sql(table: str, writer: str, watcher: str) -> str:
    """Return the SQL that makes the table and gives both users their rights; the same for all servers.

    What only the operator knows stands in <angles>, which is a syntax error until it is replaced. Raises
    ValueError for what is no table (schema.table).
    """
    place = quoted_table(table)
    schema = place.partition(".")[0]
    return f"""\
-- MariaDB and MySQL alike. Run it on the server that takes writes; the others get it by replication.
-- Put a password for <password>, and for <host> where Dialtone connects from, such as '192.0.2.7'.
CREATE DATABASE IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {place} (
  server_id INT UNSIGNED NOT NULL PRIMARY KEY,
  ts DATETIME(6) NOT NULL
);
CREATE USER {_quoted(writer)}@<host> IDENTIFIED BY <password>;
GRANT SELECT, INSERT, UPDATE ON {place} TO {_quoted(writer)}@<host>;
GRANT SELECT ON {place} TO {_quoted(watcher)}@<host>;
"""


class Heart:
    """Beats in one server.

    `node` is the server as it is watched, but for its credentials; its options have the table (`heartbeat`)
    and the seconds between two beats (`heartbeat_every`). The account needs SELECT (for MariaDB),
    INSERT and UPDATE on that table. Raises ValueError for other options.
    """

    def __init__(self, node: Node, username: str, secret: Secret, clock: Clock) -> None:
        self._node, self._username, self._secret, self._clock = node, username, secret, clock
        self._table = node.options["heartbeat"]
        self._every = float(node.options["heartbeat_every"])
        self._tls = tls_of(node.options)
        self._server_id = 0
        self._client = self._client_of(0)
        self._pause = 0.0
        self._blind = 0.0
        self._said = _Said(node.name)

    async def run(self) -> None:
        """Beat until cancelled. Trouble with the server is logged, once, and tried again for ever."""
        while True:
            pause = self._pause
            self._pause = min(max(2 * pause, _PAUSE), _LONGEST_PAUSE)
            await self._clock.sleep(pause)
            try:
                async with self._client.standing() as session:
                    await self._live(session)
            except CollectError as error:
                self._said.fails(error.failure, error.detail)
                if error.failure in (CollectFailure.AUTH, CollectFailure.DENIED):
                    self._pause = _RESTRAINT

    async def _live(self, session: StandingSession) -> None:
        """Beat until the session ends; raises CollectError when it does."""
        entered = False
        try:
            entered = await self._enter(session)
            if entered:
                await self._beat(session)
        except CollectError as error:
            if error.failure is CollectFailure.TIMEOUT:  # who let us in: a thread of ours may hang there
                self._blind = min(max(2 * self._blind, _BLIND), _LONGEST_BLIND)
                if not entered:
                    self._pause = self._blind
            raise

    async def _enter(self, session: StandingSession) -> bool:
        """Return whether this session may send the beat: not as long as the server's id was unknown.

        The list of statements is closed, and the id is in one of them. Raises CollectError.
        """
        await session.done(SETTINGS)
        await self._let_finish(session)
        found = _server_id(await session.rows(SERVER_ID, ("server_id",)))
        await _give_up_roles(session)
        _check_rights(await session.rows(RIGHTS, ("me", "grantee", "privilege")), self._table)
        known, self._server_id = self._server_id, found
        if found == known:
            return True
        self._client = self._client_of(found)
        if known:
            raise CollectError(
                CollectFailure.PROTOCOL,
                f"the address leads to another server than before (server_id {found}, not {known}); "
                "it must be one server's own",
            )
        self._pause = 0.0
        return False

    async def _let_finish(self, session: StandingSession) -> None:
        """Wait, on this connection, until no statement that was given up still hangs in the server.

        Where the server doesn't say, that is after a while, the longer the more were given up in a row.
        """
        pause, waited = 1.0, 0.0
        while True:
            try:
                hanging = _count(await session.rows(HANGING, ("hanging",)))
            except RefusedError:
                hanging = None
            if hanging == 0 or (hanging is None and waited >= self._blind):
                return
            self._said.waits(hanging)
            await self._clock.sleep(pause)
            waited += pause
            pause = min(2 * pause, _LONGEST_LOOK)

    async def _beat(self, session: StandingSession) -> None:
        """Beat until the session ends, at the interval, without drift and without a burst after a pause."""
        statement = beat_statement(self._table, self._server_id)
        due = self._clock.monotonic()
        quarrel = 0.0
        while True:
            pause = self._every
            try:
                await session.done(statement)
            except RefusedError as error:
                if error.code in READ_ONLY:
                    self._said.read_only()
                elif error.code in _NOT_SET_UP:
                    pause = _LONGEST_PAUSE
                    self._said.fails(error.failure, f"{error.detail}; `--sql` prints what makes it right")
                elif error.code == _DEADLOCK:
                    quarrel += 1
                    if quarrel >= _QUARREL:
                        pause, quarrel = _RESTRAINT, 0.0
                        detail = (
                            f"{error.detail}; another writer beats the row of server_id {self._server_id}"
                        )
                        self._said.fails(
                            error.failure, f"{detail}: have one writer, or give each server its own"
                        )
                else:
                    self._said.fails(error.failure, error.detail)
            else:
                quarrel = max(0.0, quarrel - 0.1)
                self._said.beats(self._table, self._server_id, self._every)
            self._pause = self._blind = 0.0
            now = self._clock.monotonic()
            due = due + pause if due + pause > now else now + pause
            await self._clock.sleep(due - now)

    def _client_of(self, server_id: int) -> MysqlClient:
        return MysqlClient(
            self._node.endpoint,
            username=self._username,
            password=self._secret,
            deadline=max(self._every, _DEADLINE),
            statements=FIXED | {beat_statement(self._table, server_id)},
            tls=self._tls,
            grants=f"SELECT, INSERT and UPDATE on {self._table}, to the user and not to a role",
        )


class _Said:
    """Logs a change once: that it beats, that the server is read-only, or what is wrong."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._state = ""
        self._failures: set[CollectFailure] = set()
        self._waits = False

    def beats(self, table: str, server_id: int, every: float) -> None:
        if self._changes("beats"):
            _log.info("heartbeat.beats", node=self._node, table=table, server_id=server_id, every=every)

    def read_only(self) -> None:
        if self._changes("read-only"):
            _log.info("heartbeat.read-only", node=self._node, detail="writes begin when it takes some")

    def fails(self, failure: CollectFailure, detail: str) -> None:
        if self._changes("fails") or failure not in self._failures:
            _log.warning("heartbeat.fails", node=self._node, failure=failure, error=detail)
        self._failures.add(failure)

    def waits(self, hanging: int | None) -> None:
        if self._changes("fails") or not self._waits:
            sessions = "a session" if hanging is None else f"{hanging} of this account's sessions"
            detail = f"the server doesn't finish a beat ({sessions}): waiting, for each takes a connection"
            _log.warning("heartbeat.waits", node=self._node, detail=detail)
        self._waits = True

    def _changes(self, state: str) -> bool:
        changes, self._state = state != self._state, state
        if changes:
            self._failures.clear()
            self._waits = False
        return changes


def _server_id(rows: Sequence[Row]) -> int:
    text = rows[0]["server_id"] if len(rows) == 1 else None
    if text is None or not _ID.fullmatch(text):
        raise CollectError(CollectFailure.PROTOCOL, "the server's reply has no server_id")
    if int(text) == 0:
        raise CollectError(
            CollectFailure.SERVER,
            "the server's server_id is 0, so that it replicates to nobody; give it one of its own",
        )
    return int(text)


def _count(rows: Sequence[Row]) -> int:
    text = rows[0]["hanging"] if len(rows) == 1 else None
    if text is None or not _ID.fullmatch(text):
        raise CollectError(CollectFailure.PROTOCOL, "the server's reply has no number of sessions")
    return int(text)


async def _give_up_roles(session: StandingSession) -> None:
    try:
        await session.done(NO_ROLE)
    except RefusedError as error:
        if error.code != SYNTAX_ERROR:
            raise


def _check_rights(rows: Sequence[Row], table: str) -> None:
    """Raise CollectError for who may write through read_only."""
    through = sorted(row["privilege"] or "" for row in rows if row["grantee"] == _grantee(row["me"] or ""))
    if through:
        raise CollectError(
            CollectFailure.DENIED,
            f"{rows[0]['me']} may write to a server that is read_only ({', '.join(through)}), and what a "
            "replica alone has breaks replication: nothing is written; leave it SELECT, INSERT and UPDATE on "
            f"{table} alone",
        )


def _grantee(me: str) -> str:
    user, _, host = me.rpartition("@")
    return f"'{user}'@'{host}'"


def _quoted(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"
