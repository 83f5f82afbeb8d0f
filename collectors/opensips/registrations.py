"""Who is registered at a server, and its presence: kept by events, put right by its tables.

Events are subscribed to over MI. After a gap (the start, a restart of the server, a subscription that lapsed)
they begin anew, and the figures are told again once all registrations are known: when the table has been
read, or when there are as many as the server itself counts.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

import structlog

from collectors.opensips import registered
from collectors.opensips.book import MAX_CONTACTS, MAX_CONTACTS_OF_ONE, REMEMBERED, Aor, Book, Pair, pair
from collectors.opensips.client import MiClient
from collectors.opensips.database import Census, Tables, TablesSession
from collectors.opensips.events import CONTACT_EVENTS, EVENTS, Event, EventKind, PassedOver
from collectors.opensips.jsonrpc import MiRefused
from collectors.opensips.listener import Listener
from collectors.opensips.presence import PresenceTables
from collectors.opensips.statistics import PARTIAL
from collectors.opensips.strangers import Strangers
from collectors.opensips.turns import AT_ONCE, Turns
from dialtone.model import CollectError, CollectFailure, Node, Sample
from dialtone.ports import Clock, TenantLookup

_log = structlog.get_logger(__name__)

EXPIRES: Final = 600
"""Seconds that a subscription lasts; it is renewed after a third of them."""
RESYNC: Final = 600.0
"""Seconds between two readings of the whole table, beside events."""
CENSUS: Final = 60.0
"""Seconds between two countings of a table; a count is told for three of them."""
LAG: Final = 120.0
"""Seconds that a table may lag behind the server (write-back): events of that time go before it."""
DISAGREES: Final = 3
"""Polls in a row after which numbers that differ from the server's own are no accident of the moment."""
OVERDUE: Final = 300.0
"""Seconds that a contact may still be there after its end: the timer's turn, clocks that differ."""
RESYNC_SOON: Final = 60.0
"""Seconds between two readings of the whole table where numbers differ: events were lost."""
_AGAIN: Final = 60.0
_AGAIN_DENIED: Final = 300.0
"""Seconds until a database is asked again that failed, or did not let us in."""
_FORGOTTEN: Final = 100
"""Addresses that are forgotten before others have their turn."""
_MENDED: Final = 0.9
"""Share of what fits into a Book under which a full one is begun anew."""
_CLOSING: Final = 1.0
"""Seconds that closing waits for what is read of a database."""
_WRITTEN: Final = 2.0
"""Seconds that a server may take from an event to the row that goes with it, where it writes at once."""
_NEGLIGIBLE: Final = 0.001
"""Share of a server's registrations that may have ended while its table was read."""
_WAIT: Final = 0.25
"""Share of a poll's time that it waits for a database, where nothing could be told otherwise."""

_NO_HOST: Final = 'set modparam("usrloc", "use_domain", 1) so that addresses have one'


class Registrations:
    """Reads registrations and presence of one node. poll() raises CollectError where MI fails."""

    def __init__(self, node: Node, client: MiClient, clock: Clock) -> None:
        self._node = node
        self._client = client
        self._clock = clock
        address = node.options.get("events")
        self._listener = Listener(address, self._take) if address else None
        self._tables = Tables(node.database) if node.database else None
        self._book = Book()
        self._events: Counter[EventKind] = Counter(dict.fromkeys(EventKind, 0))
        self._corrections = 0
        self._subscribed_at: float | None = None
        self._has_contacts = True
        self._has_counted = False
        self._keeps_none = False
        self._is_lossy = False
        self._is_believed = False
        self._old: list[Book] = []
        self._resynced_at: float | None = None
        self._resync_after = -math.inf
        self._late = 0
        self._generation = 0
        self._server: tuple[float | None, float | None] = (None, None)
        self._disagreed = 0
        self._off = self._moved = 0.0
        self._checked = (0, 0.0)
        self._in_vain = False
        self._resync_now = False
        self._census: Census = {}
        self._census_at: float | None = None
        self._is_census_empty = False
        self._presence = PresenceTables(node.name, clock)
        self._by_tenant = registered.ByTenant(node.name)
        self._task: asyncio.Task[None] | None = None
        self._not_before = -math.inf
        self._troubles: dict[str, str] = {}
        self._failures: dict[str, CollectFailure] = {}

    def forget(self) -> None:
        """The server has been restarted: what was known of it is void, and it knows no subscriptions."""
        self._lose()
        self._has_counted = self._keeps_none = False

    async def poll(self, statistics: Mapping[str, float], version: str) -> None:
        """Subscribe where due, compare with the server's own numbers, have its tables read where due."""
        self._server = (
            statistics.get("usrloc:location-users"),
            statistics.get("usrloc:location-contacts"),
        )
        if self._listener is not None:
            await self._listen(self._listener, version)
            self._weigh()
            if self._disagrees():
                # It may have forgotten the subscription: a restart right after a restart looks like none.
                await self._subscribe(self._listener, version, self._clock.monotonic())
                await self._mend()
        if self._tables is not None:
            await self._read_tables(self._tables)
        while self._old:
            if not self._old[-1].give_back(_FORGOTTEN):
                self._old.pop()
            await asyncio.sleep(0)

    @property
    def unread(self) -> dict[str, CollectFailure]:
        """What could not be read, by the name of its note: `events`, `database`, `presence`."""
        return {part: failure for part, failure in self._failures.items() if part in self._troubles}

    def _fail(self, part: str, failure: CollectFailure, why: str) -> None:
        if part == "events" and part not in self._troubles:
            _log.warning("opensips.no-events", node=self._node.name, error=why)
        self._troubles[part], self._failures[part] = why, failure

    async def aclose(self) -> None:
        """Stop listening and reading. The server drops the subscription when it ends."""
        if self._listener is not None:
            self._listener.close()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=_CLOSING)
            if task.done():
                self._ended(task)
            else:
                task.add_done_callback(self._ended)

    # Events

    def _take(self, event: Event) -> None:
        self._events[event.kind] += 1
        if not self._keeps_none:
            self._book.apply(event, self._clock.monotonic())

    def _lose(self) -> None:
        """There is a gap in the events: all that was known may be wrong."""
        self._subscribed_at = None
        self._is_lossy = False
        self._resync_after = -math.inf
        self._late = 0
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Know nothing, until every phone has registered once more or the table has been read."""
        self._generation += 1
        self._old.append(self._book)
        self._book = Book()
        self._resynced_at = None
        self._is_believed = False
        self._disagreed = 0
        self._off = 0.0
        self._in_vain = False

    async def _listen(self, listener: Listener, version: str) -> None:
        now = self._clock.monotonic()
        try:
            await listener.open()
        except OSError as error:
            self._fail(
                "events", CollectFailure.CONNECT, f"can't listen for events: {error.strerror or error}"
            )
            self._lose()
            return
        await listener.read()
        if self._subscribed_at is not None and now - self._subscribed_at >= EXPIRES:
            _log.warning("opensips.subscription-lapsed", node=self._node.name)
            self._lose()
        if self._subscribed_at is None or now - self._subscribed_at >= EXPIRES / 3:
            await self._subscribe(listener, version, now)
        more = True
        while more:
            more = self._book.forget(now - REMEMBERED, _FORGOTTEN)
            await asyncio.sleep(0)

    async def _subscribe(self, listener: Listener, version: str, now: float) -> None:
        if listener.is_udp:
            await listener.hear_only(self._node.endpoint)
        refused: dict[str, MiRefused] = {}
        for name in EVENTS:
            try:
                reply = await self._client.subscribe(name, listener.for_server, EXPIRES)
            except CollectError as error:
                if error.failure not in PARTIAL:
                    raise
                self._fail("events", error.failure, f"event_subscribe: {error.detail}")
                return
            if isinstance(reply, MiRefused):
                refused[name] = reply
        # 1.11 answers nothing, to what it has and to what it lacks.
        has_contacts = not version.startswith("1.") and not refused.keys() & CONTACT_EVENTS
        if refused.keys() - CONTACT_EVENTS:
            reply = next(iter(refused.values()))
            self._fail(
                "events",
                CollectFailure.SERVER,
                f"the server sends no events to {listener.for_server} (MI error {reply.code}: "
                f"{reply.message}): load event_datagram and usrloc",
            )
            self._lose()
            return
        if has_contacts is not self._has_contacts:
            self._lose()
        self._has_contacts = has_contacts
        self._subscribed_at = now
        if self._troubles.pop("events", None) is not None:
            _log.info("opensips.events-back", node=self._node.name)

    def _weigh(self) -> None:
        """See by the server's own numbers whether it keeps a list, and whether that fits into ours again."""
        aors, contacts = self._server
        if not self._has_counted and (aors or contacts):
            self._has_counted = True
            if self._keeps_none:
                self._keeps_none = False
                self._resync_after = -math.inf
                self._begin_anew()
        most = None if aors is None else max(aors, contacts or 0.0)
        if self._book.full and self._tables is None and most is not None and most < _MENDED * MAX_CONTACTS:
            self._begin_anew()

    def _disagrees(self) -> bool:
        """Whether the number of registrations goes on differing from the server's own: events were lost."""
        now, book = self._clock.monotonic(), self._book
        changes, at = self._checked
        self._checked = book.changes, now
        aors, contacts = self._server
        if self._subscribed_at is None or aors is None or (contacts is None and self._has_contacts):
            return False
        if self._keeps_none:
            return False
        self._off = self._off_from(book)
        if not self._off and self._has_counted:
            book.whole, self._is_lossy = True, False
            if book.contacts == contacts:
                book.thin_out()
        # Its numbers are a moment old: so many may have changed in that second.
        self._moved = max(book.changes - changes, 0) / max(now - at, 1.0)
        self._disagreed = self._disagreed + 1 if self._off > self._moved else 0
        if not self._disagreed:
            self._in_vain = False
        return self._disagreed >= DISAGREES and self._disagreed % DISAGREES == 0

    async def _mend(self) -> None:
        """Have the table read, where that may help; without one, nothing is known until numbers agree.

        What was not told of as new comes with its next REGISTER. What was not told of as gone is what should
        have expired long ago; where there are too many all the same, they begin anew.
        """
        if self._tables is not None and not self._in_vain:
            if _is_over(self._resynced_at, self._clock.monotonic(), RESYNC_SOON):
                self._resync_now = self._in_vain = True
            return
        if self._tables is not None and self._is_believed:
            return
        book = self._book
        if self._exceeds(book) and await self._end_overdue(book):
            return
        if self._book is not book:  # the table has been read meanwhile
            return
        self._is_lossy = self._is_lossy or book.whole
        book.whole = False
        if self._exceeds(book):
            self._begin_anew()

    async def _end_overdue(self, book: Book) -> bool:
        """Take out what should have ended long ago, if that is what a book has too many; whether it was."""
        _, contacts = self._server
        if not self._has_contacts or contacts is None:
            return False
        before = int(self._clock.now().timestamp() - OVERDUE)
        too_many = book.contacts - contacts + self._moved
        found: list[tuple[Aor, Pair]] = []
        turns = Turns()
        for one in book.overdue(before):
            if one is None:
                await turns.pause()
            elif len(found) >= too_many:
                return False
            else:
                found.append(one)
        for aor, pair_ in found:
            book.end(aor, pair_, before)
        self._off = self._off_from(book)
        return self._off <= self._moved

    def _exceeds(self, book: Book) -> bool:
        """Whether a book has more than the server said of itself at the poll."""
        aors, contacts = self._server
        has_more = self._has_contacts and contacts is not None and book.contacts > contacts
        return has_more or (aors is not None and book.aors > aors)

    def _off_from(self, book: Book) -> float:
        """Return by how many a book differs from what the server said of itself at the poll."""
        aors, contacts = self._server
        off = 0.0 if aors is None else abs(book.aors - aors)
        if not self._has_contacts or contacts is None:
            return off
        more = book.contacts - contacts
        return max(off, more if book.crowded else abs(more))

    # Tables

    async def _read_tables(self, tables: Tables) -> None:
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            self._ended(task)
        now = self._clock.monotonic()
        jobs = self._due(now)
        if self._task is not None or not jobs or now < self._not_before:
            return
        nothing_known = not self._is_kept and not self._is_counted(now)
        self._task = asyncio.create_task(self._read(tables, jobs))
        if nothing_known:
            await asyncio.wait({self._task}, timeout=self._node.timeout * _WAIT)

    def _due(self, now: float) -> list[Callable[[TablesSession], Awaitable[None]]]:
        listens = self._subscribed_at is not None and not self._book.full and not self._keeps_none
        found: list[Callable[[TablesSession], Awaitable[None]]] = []
        if not (listens and self._has_contacts) and _is_over(self._census_at, now, CENSUS):
            found.append(self._count)
        if (
            listens
            and now >= self._resync_after
            and (self._resync_now or _is_over(self._resynced_at, now, RESYNC))
        ):
            found.append(self._resync)
        # Last: where it fails, or takes all of the session's time, registrations have been read.
        if self._presence.is_due(now):
            found.append(self._read_presence)
        return found

    async def _read(self, tables: Tables, jobs: list[Callable[[TablesSession], Awaitable[None]]]) -> None:
        try:
            async with tables.session() as session:
                for job in jobs:
                    await job(session)
        except CollectError as error:
            self._fail("database", error.failure, error.detail)
            denied = error.failure in (CollectFailure.AUTH, CollectFailure.DENIED)
            self._not_before = self._clock.monotonic() + (_AGAIN_DENIED if denied else _AGAIN)
            _log.warning("opensips.no-database", node=self._node.name, error=error.detail)
        else:
            self._troubles.pop("database", None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Take the outcome of a reading: whatever it is, MI's poll goes on."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            why = f"its tables could not be read ({type(error).__name__})"
            self._fail("database", CollectFailure.INTERNAL, why)
            self._not_before = self._clock.monotonic() + _AGAIN_DENIED
            _log.error("opensips.database-failed", node=self._node.name, exc_info=error)

    async def _read_presence(self, session: TablesSession) -> None:
        await self._presence.read(session)
        if (refused := self._presence.refused) is not None:
            self._fail("presence", refused.failure, refused.detail)
        else:
            self._troubles.pop("presence", None)

    async def _count(self, session: TablesSession) -> None:
        told = self._server[0]
        self._census = await session.census()
        self._census_at = self._clock.monotonic()
        self._is_census_empty = bool(told) and not self._census_contacts()
        if self._is_census_empty:
            self._troubles["registrations"] = _doubt(0, told or 0)
        else:
            self._troubles.pop("registrations", None)
        if self._book.full and max(self._census_contacts(), told or 0.0) < _MENDED * MAX_CONTACTS:
            self._lose()

    async def _resync(self, session: TablesSession) -> None:
        self._resync_now = False
        generation, began, live, found = self._generation, self._clock.monotonic(), self._book, Book()
        try:
            expired = await self._gather(session, live, found)
            await self._settle(live, found, began, generation)
            if generation == self._generation:
                self._adopt(found, began, expired)
        finally:
            self._old.append(live if found is self._book else found)
        if self._keeps_none:
            await self._count(session)

    async def _gather(self, session: TablesSession, live: Book, found: Book) -> int:
        """Put a table's registrations into a book; return how many have just expired and are left out."""
        expired, turns = 0, Turns()
        async for row in session.contacts():
            await turns.pause()
            aor, one = (row.host, row.user), pair(row.uri, row.call_id)
            if row.is_gone and not (live.holds(aor, one) if self._has_contacts else live.knows(aor)):
                expired += 1
            elif self._has_contacts:
                found.add(aor, one, row.cseq)
            else:
                found.add_aor(aor)
        return expired

    async def _settle(self, live: Book, found: Book, began: float, generation: int) -> None:
        """Put what events said into a table's registrations."""
        since, corrections, turns = began - LAG, 0, Turns()
        if self._off > self._moved >= self._off_from(found):
            since = began - _WRITTEN  # it is not the table that lags: events were lost
        if live.whole:
            for corrections in live.differing(found, since):  # noqa: B007 - the last one counts
                await turns.pause()
        mark, touched = live.changes, live.remembered
        while len(touched) > AT_ONCE:
            for aor in touched:
                live.settle(found, aor, since)
                await turns.pause()
            mark, touched = live.changes, live.touched(since, after=mark)
        # No await from here on, _adopt() included: what came meanwhile goes in, and nothing comes after.
        for aor in touched:
            live.settle(found, aor, since)
        if generation == self._generation:
            self._corrections += corrections

    def _adopt(self, found: Book, began: float, expired: int) -> None:
        """Let a table's registrations take the place of the others, unless those are nearer the server's own.

        Where the server has more than the table and what has just `expired`, the table is written late: then
        they are not all known, and the table is read again soon, later and later.
        """
        if found.aors and self._server[0] == 0 and not self._has_counted:
            self._keeps_none = True
            self._troubles.pop("registrations", None)
            return
        by_contacts = self._has_contacts and not found.crowded
        live, told = self._book, self._server[1] if by_contacts else self._server[0]
        missing = 0.0 if told is None else told - (found.contacts if by_contacts else found.aors)
        is_late = missing - expired > max(2 * self._moved, (told or 0.0) * _NEGLIGIBLE)
        is_off = (live.whole or is_late) and self._off_from(found) > self._off_from(live)
        self._is_believed = not is_late and not is_off
        if is_late or is_off:
            self._troubles["registrations"] = _doubt(found.aors, self._server[0] or 0.0)
        else:
            self._troubles.pop("registrations", None)
        if not is_off:
            found.succeed(live)
            found.whole = not is_late
            self._book, self._disagreed = found, 0
        self._resynced_at = began if self._book.whole else None
        self._late = 0 if self._book.whole else self._late + 1
        if self._late:
            self._resync_after = began + min(_AGAIN * 2 ** min(self._late - 1, 10), RESYNC)

    # What is told

    @property
    def _is_kept(self) -> bool:
        """Whether events have all registrations."""
        listens = self._subscribed_at is not None and not self._keeps_none
        return listens and self._book.whole and not self._book.full

    def _is_counted(self, now: float) -> bool:
        """Whether the table has been counted of late, and was not empty while the server had some."""
        return (
            self._census_at is not None and now - self._census_at <= 3 * CENSUS and not self._is_census_empty
        )

    def _census_contacts(self) -> int:
        return sum(one.contacts for one in self._census.values())

    def told(self, tenants: TenantLookup) -> tuple[tuple[Sample, ...], dict[str, str]]:
        """Return the samples as of now, and notes on what is missing or wants mending."""
        strangers = Strangers(tenants)
        samples = tuple(self._samples(strangers, self._clock.now()))
        notes = dict(self._troubles)
        if names := str(strangers):
            notes["unknown domains of registrations"] = names
        notes |= self._notes()
        return samples, notes

    def _samples(self, tenants: Strangers, at: datetime) -> Iterator[Sample]:
        kept, counted = self._is_kept, self._is_counted(self._clock.monotonic())
        hosts = list(self._book.by_host()) if kept else []
        aors = [(host, number) for host, number, _ in hosts]
        contacts = [(host, number) for host, _, number in hosts]
        if counted and not kept:
            aors = [(host, one.aors) for host, one in self._census.items()]
        if counted and not (kept and self._has_contacts):
            contacts = [(host, one.contacts) for host, one in self._census.items()]
        if kept or counted:
            yield from self._by_tenant.samples(registered.AORS, aors, tenants, at)
        if counted or (kept and self._has_contacts):
            yield from self._by_tenant.samples(registered.CONTACTS, contacts, tenants, at)
        yield from self._presence.samples(tenants, at)
        yield from self._own(at)

    def _own(self, at: datetime) -> Iterator[Sample]:
        node, now = self._node.name, self._clock.monotonic()
        for source, wanted in (("events", self._listener), ("database", self._tables)):
            if wanted is not None:
                up = source not in self._troubles
                yield registered.SOURCE_UP.sample(node, source, value=float(up), at=at)
        if self._listener is not None:
            for kind, number in self._events.items():
                yield registered.EVENTS_TOTAL.sample(node, kind, value=number, at=at)
            for reason, number in self._listener.passed_over.items():
                yield registered.IGNORED.sample(node, reason, value=number, at=at)
            if self._tables is not None:
                yield registered.CORRECTIONS.sample(node, value=self._corrections, at=at)
        read_at = self._resynced_at if self._is_kept else self._census_at
        if read_at is not None:
            yield registered.RESYNC_AGE.sample(node, value=now - read_at, at=at)

    def _notes(self) -> dict[str, str]:
        notes: dict[str, str] = {}
        now, kept = self._clock.monotonic(), self._is_kept
        if self._listener is None and self._tables is None:
            return notes
        if not kept and not self._is_counted(now):
            notes["registrations"] = self._troubles.get("registrations") or self._why_nothing()
        elif any(not host for host, *_ in self._book.by_host()) or (not kept and "" in self._census):
            notes["registrations/_unknown"] = f"there are addresses without a domain: {_NO_HOST}"
        if kept and self._book.crowded:
            notes["registrations/contacts"] = (
                f"{len(self._book.crowded)} addresses have more than {MAX_CONTACTS_OF_ONE} contacts, one of "
                f"them at {next(iter(self._book.crowded))[0] or 'no domain'}: each counts as having so many"
            )
        if self._keeps_none:
            notes["events/list"] = (
                "the table location has contacts and the server counts none: it keeps no list in memory "
                "(sql-only), so events are not used and the table is counted each minute"
            )
        if self._listener is not None and self._listener.passed_over[PassedOver.FOREIGN]:
            notes["events/strangers"] = (
                f"{self._listener.stranger} sends events and is not the node: name in `mi` the address that "
                "it sends from, or use a UNIX socket"
            )
        if left_out := self._presence.left_out:
            notes["presence/events"] = f"{left_out} entries are of more kinds of events than are told apart"
        return notes

    def _why_nothing(self) -> str:
        if self._book.full:
            return f"there are more than {MAX_CONTACTS} of them: give the node its `database`"
        if self._tables is None and self._server[0] == 0 and not self._has_counted:
            return (
                "the server counts none: they are known from the first one on, unless it keeps no list in "
                "memory (sql-only); give the node its `database` to know"
            )
        if self._tables is None and self._is_lossy:
            return (
                "events were lost: all are known again once every phone has registered anew and the server "
                "counts as many itself; give the node its `database` to know them sooner"
            )
        if self._tables is None:
            return (
                "not all of them are known yet: events began after them. They will be once the server "
                "counts as many itself; give the node its `database` to know them at once"
            )
        return "not known yet: the table location has not been read"


def _doubt(table: int, server: float) -> str:
    return (
        f"the table location holds {table} addresses of record, the server {server:.0f}: does usrloc write "
        "them there (sql_write_mode, db_mode)?"
    )


def _is_over(at: float | None, now: float, pause: float) -> bool:
    return at is None or now - at >= pause
