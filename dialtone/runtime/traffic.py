"""The books of the tenants' own traffic: what servers count of sessions, added up by the hour."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

import anyio
import structlog

from dialtone.model import MetricDef, NodeState, ProbeRun
from dialtone.ports import Clock, Store, StoreError
from dialtone.runtime.trafficbook import Book, Seen, SessionReader, hour, recalled

_log = structlog.get_logger(__name__)

_NOTED_EVERY: Final = 3600.0
"""Seconds after which a mark is moved on though nothing was counted, so that it does not seem forgotten."""
_ENDING: Final = 1.0
"""Seconds that the last write may take when the service ends."""
_WITHOUT_UPTIME: Final = 3600.0
"""Seconds for which readings wait that lack the uptime of a server that said it before: it may be another."""
_FOUND_WITHIN: Final = 600.0
"""Seconds after the start in which tenants that were known before it are discovered again."""


class TrafficBooks:
    """A Sink that counts by how much servers' counters grow: each call once, whoever was away meanwhile.

    The first reading of a server is where counting begins; so it is of a tenant that is configured later, or
    again. A counter that fell has begun anew; so have all of a server that has been restarted.
    `sessions` is the counter whose growth is counted, with the labels `tenant` and `result` (SessionResult);
    `uptime` is the gauge of how long a server has been up, in seconds. `domains` are the tenants configured
    now, `keep` is how long a mark is of use. The store is written to once in `every` seconds, and when an
    hour ends: of thousands of tenants most have new calls at every poll.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        domains: Callable[[], Collection[str]],
        keep: timedelta,
        every: float = 60.0,
        *,
        sessions: MetricDef,
        uptime: MetricDef,
    ) -> None:
        self._store = store
        self._clock = clock
        self._domains = domains
        self._keep = keep
        self._every = every
        self._reader = SessionReader(sessions, uptime)
        self._known = self._at_start = frozenset(domains())
        self._known_by: dict[str, frozenset[str]] = {}
        self._left: dict[str, set[str]] = {}
        self._read_at: dict[str, datetime] = {}
        self._waiting: dict[str, Seen] = {}
        self._wake = anyio.Event()
        self._books: dict[str, Book] | None = None
        self._found_by = 0.0
        self._errors = 0
        self._failing = False

    @property
    def store_errors(self) -> int:
        """How often the store failed since the start; what it did not take is taken with the next reading."""
        return self._errors

    async def node_polled(self, state: NodeState) -> None:
        """Note a reading that is new; run() counts it."""
        name, reading = state.node.name, state.reading
        before, now = self._known_by.get(name, self._at_start), self._tenants()
        self._known_by[name] = now
        if before is not now and (gone := before - now):
            self._left.setdefault(name, set()).update(gone)
        if not state.up or reading is None or state.read_at is None:
            return
        if self._read_at.get(name) == state.read_at:
            return
        self._read_at[name] = state.read_at
        counts, uptime = self._reader.read(reading)
        # A reading's figures may be older than a tenant that has just been found: it counts from the next on.
        settled = now if before is now else before & now
        # Without a figure and with trouble nobody knows whether there are none or they could not be read.
        whole = bool(counts) or "statistics" not in reading.info
        ours = {tenant: found for tenant, found in counts.items() if tenant in now}
        self._waiting[name] = Seen(state.read_at, self._clock.monotonic(), uptime, ours, whole, settled, now)
        self._wake.set()

    async def probe_ended(self, run: ProbeRun) -> None:
        """Nothing: probes have their own counts."""

    async def run(self) -> None:
        """Count what is noted until cancelled. What the store lacks then is counted after a restart."""
        try:
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                await self.count()
        finally:
            with anyio.move_on_after(_ENDING, shield=True):
                for name, book in list((self._books or {}).items()):
                    await self._write(name, book)
            self._books = None

    async def count(self) -> None:
        """Count the readings noted by now."""
        waiting, self._waiting = self._waiting, {}
        try:
            if self._books is None:
                self._books = recalled(await self._store.traffic_marks())
                self._found_by = self._clock.monotonic() + _FOUND_WITHIN
        except StoreError as error:
            self._waiting = waiting | self._waiting
            self._fail(error)
            return
        for name, seen in waiting.items():
            book = self._books.get(name)
            if book is None or seen.at - book.at > self._keep:
                if not seen.whole:
                    continue
                old = set() if book is None else set(book.counts)
                book = self._books[name] = Book(seen.at, seen.uptime, {}, gone=old)
            if seen.uptime is None and book.uptime is not None and book.passed(seen) < _WITHOUT_UPTIME:
                continue  # whether its counters began anew meanwhile, the next one tells
            if hour(seen.at) != hour(book.at):
                await self._write(name, book)
            book.drop(seen, self._left.pop(name, set()), late=seen.monotonic >= self._found_by)
            book.take(seen)
            passed = seen.monotonic - book.written if book.written is not None else _NOTED_EVERY
            if passed >= (self._every if book.has_news else _NOTED_EVERY):
                await self._write(name, book, mark=True)

    async def _write(self, name: str, book: Book, *, mark: bool = False) -> None:
        """Have the store take what it does not have; the mark alone where that is asked for."""
        if book.changed or book.gone or (mark and not book.owed):
            book.owe(name)
        while book.owed:
            owed = book.owed[0]
            try:
                await self._store.count_traffic(owed.mark, owed.growth, owed.gone)
            except StoreError as error:
                self._fail(error)
                return
            except BaseException:
                # Cancelled, as a rule: the store may take it or not. Its mark tells who starts next.
                if self._books is not None:
                    self._books.pop(name, None)
                raise
            book.owed.popleft()
            book.written = book.monotonic
            if self._failing:
                self._failing = False
                _log.info("traffic is counted again")

    def _tenants(self) -> frozenset[str]:
        """Return the tenants configured now: one object as long as they are the same, for they are many."""
        now = frozenset(self._domains())
        if now != self._known:
            self._known = now
        return self._known

    def _fail(self, error: StoreError) -> None:
        self._errors += 1
        if not self._failing:
            _log.warning("traffic can't be counted now; it is made up for", error=str(error))
        self._failing = True
