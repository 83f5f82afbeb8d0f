"""The tables that an OpenSIPS keeps in MySQL: who is registered, who publishes, who watches. Only read.

Times are compared with the database's clock. Tables: OpenSIPS, scripts/mysql (1.11 to 4.0); `expires` of
`location` is a date in the server's own time zone before 2.2, seconds since 1970 from then on, and neither
for a contact that never expires.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from collectors.mysqlclient import MysqlClient, RefusedError, Row, Session
from dialtone.model import CollectError, CollectFailure, Database

DEADLINE: Final = 30.0
"""Seconds for all that is read at once: a million contacts take a while."""
MOST_BYTES: Final = 512 * 1024 * 1024
MOST_ROW_BYTES: Final = 64 * 1024
"""Of all columns that are read, the widest have 255 characters."""
JUST_EXPIRED: Final = 120
"""Seconds for which an expired contact may still be in the server's memory: its timer takes it out."""

EXPIRES_KIND: Final = (
    "SELECT DATA_TYPE AS kind FROM information_schema.COLUMNS"
    " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'location' AND COLUMN_NAME = 'expires'"
)
_CONTACTS: Final = "SELECT username, domain, contact, callid, cseq"
CONTACTS: Final = (
    f"{_CONTACTS}, (expires <> 0 AND expires <= UNIX_TIMESTAMP()) AS gone FROM location"
    f" WHERE expires = 0 OR expires > UNIX_TIMESTAMP() - {JUST_EXPIRED}"
)
CONTACTS_BY_DATE: Final = (
    f"{_CONTACTS}, (expires > '1971-01-01' AND expires <= NOW()) AS gone FROM location"
    f" WHERE expires < '1971-01-01' OR expires > NOW() - INTERVAL {JUST_EXPIRED} SECOND"
)
_CENSUS: Final = (
    "SELECT domain, COUNT(DISTINCT CAST(username AS BINARY)) AS aors, COUNT(*) AS contacts"
    " FROM location WHERE"
)
_BY_DOMAIN: Final = "GROUP BY domain LIMIT 100000"
CENSUS: Final = f"{_CENSUS} expires = 0 OR expires > UNIX_TIMESTAMP() {_BY_DOMAIN}"
CENSUS_BY_DATE: Final = f"{_CENSUS} expires < '1971-01-01' OR expires > NOW() {_BY_DOMAIN}"
PRESENTITIES: Final = (
    "SELECT domain, event, COUNT(DISTINCT CAST(username AS BINARY)) AS number FROM presentity"
    " WHERE expires > UNIX_TIMESTAMP() GROUP BY domain, event LIMIT 100000"
)
WATCHERS: Final = (
    "SELECT SUBSTRING_INDEX(SUBSTRING_INDEX(presentity_uri, '@', -1), ';', 1) AS domain, event,"
    " COUNT(*) AS number FROM active_watchers"
    " WHERE expires > UNIX_TIMESTAMP()"
    " GROUP BY 1, event LIMIT 100000"
)
STATEMENTS: Final = frozenset(
    {EXPIRES_KIND, CONTACTS, CONTACTS_BY_DATE, CENSUS, CENSUS_BY_DATE, PRESENTITIES, WATCHERS}
)
"""Every statement that is ever sent, all of them reading."""

_OF_CONTACTS: Final = ("username", "domain", "contact", "callid", "cseq", "gone")
_OF_CENSUS: Final = ("domain", "aors", "contacts")
_OF_PRESENCE: Final = ("domain", "event", "number")
_NO_SUCH_TABLE: Final = 1146
_DATES: Final = frozenset({"datetime", "timestamp"})


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A contact in the table `location`; `is_gone` says that it has expired a moment ago."""

    host: str
    user: str
    uri: str
    call_id: str
    cseq: int
    is_gone: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """How many are registered of a domain."""

    aors: int
    contacts: int


Census = Mapping[str, Registered]
"""By domain, "" for none."""
Presence = Mapping[tuple[str, str], int]
"""By domain and event."""


class Tables:
    """Opens sessions to a server's database."""

    def __init__(self, database: Database) -> None:
        self._client = MysqlClient(
            database.endpoint,
            username=database.username,
            password=database.secret,
            deadline=DEADLINE,
            statements=STATEMENTS,
            database=database.name,
            most=MOST_BYTES,
            most_packet=MOST_ROW_BYTES,
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator["TablesSession"]:
        """Log in for the time of the block. Raises CollectError, also for what goes wrong in it."""
        async with self._client.session() as session:
            yield TablesSession(session)


class TablesSession:
    """The tables of a database that let us in. Everything raises CollectError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def contacts(self) -> AsyncIterator[ContactRow]:
        """Yield the contacts that are registered or have just expired; go through all of them."""
        statement = CONTACTS_BY_DATE if await self._has_dates() else CONTACTS
        async for row in self._session.each(statement, _OF_CONTACTS):
            user, host = row["username"] or "", (row["domain"] or "").lower()
            if not host and "@" in user:
                user, _, host = user.rpartition("@")
            cseq, gone = _whole(row["cseq"]) % 2**32, _whole(row["gone"])
            yield ContactRow(host, user, row["contact"] or "", row["callid"] or "", cseq, bool(gone))

    async def census(self) -> Census:
        """Return how many are registered now, by domain."""
        statement = CENSUS_BY_DATE if await self._has_dates() else CENSUS
        rows = await self._session.rows(statement, _OF_CENSUS)
        return {_domain(row): Registered(_whole(row["aors"]), _whole(row["contacts"])) for row in rows}

    async def presentities(self) -> Presence | None:
        """Return who publishes, each counted once a domain and event; None where there is no such table."""
        return await self._presence(PRESENTITIES)

    async def watchers(self) -> Presence | None:
        """Return the subscriptions to them; None where there is no such table."""
        return await self._presence(WATCHERS)

    async def _presence(self, statement: str) -> Presence | None:
        try:
            rows = await self._session.rows(statement, _OF_PRESENCE)
        except RefusedError as error:
            if error.code == _NO_SUCH_TABLE:
                return None
            raise
        found: dict[tuple[str, str], int] = {}
        for row in rows:
            domain = _domain(row).removeprefix("sip:").removeprefix("sips:")
            key = (domain, row["event"] or "")
            found[key] = found.get(key, 0) + _whole(row["number"])
        return found

    async def _has_dates(self) -> bool:
        rows = await self._session.rows(EXPIRES_KIND, ("kind",))
        if not rows:
            raise CollectError(
                CollectFailure.DENIED,
                "the database has no table `location`, or its user may not read it (GRANT SELECT)",
            )
        return (rows[0]["kind"] or "").lower() in _DATES


def _domain(row: Row) -> str:
    return (row["domain"] or "").lower()


def _whole(text: str | None) -> int:
    """Return a number as a column has it. Raises CollectError for anything else."""
    if text is None or len(text) > 20 or not text.removeprefix("-").isdecimal() or not text.isascii():
        raise CollectError(CollectFailure.PROTOCOL, "a row of the database has no number where one must be")
    return int(text)
