"""The books of the tenants' own traffic: what servers count of sessions, added up by the hour."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import anyio
import structlog

from dialtone.model import SESSION_COUNTS, NodeState, ProbeRun, Reading, TrafficMark
from dialtone.ports import Clock, Store, StoreError

_log = structlog.get_logger(__name__)

SESSIONS: Final = "opensips_tenant_sessions_total"
"""The metric whose growth is counted; its labels are node, tenant, reseller, result."""
UPTIME: Final = "opensips_uptime_seconds"
_SLACK: Final = 2.0
"""Seconds that an uptime may lag behind a clock: it is rounded, and a poll takes a while."""
_MOST: Final = 10**12
"""No server has counted more: what says so is not believed."""
_NOTED_EVERY: Final = 3600.0
"""Seconds after which a mark is moved on though nothing was counted, so that it does not seem forgotten."""
_ENDING: Final = 1.0
"""Seconds that the last write may take when the service ends."""

_PLACES: Final[Mapping[str, int]] = {str(result): place for place, result in enumerate(SESSION_COUNTS)}
_NAMES: Final = tuple(SESSION_COUNTS.values())

_Counts = tuple[int, ...]
"""What was counted of a tenant, in the order of _NAMES: without names of their own, for there are many."""
_NOTHING: Final[_Counts] = (0,) * len(_NAMES)


class _Seen(NamedTuple):
    """One reading, None for what it lacks. `settled` are the tenants that were configured before it."""

    at: datetime
    monotonic: float
    uptime: float | None
    counts: Mapping[str, Sequence[int | None]]
    whole: bool
    settled: frozenset[str]


@dataclass(slots=True)
class _Book:
    """What is known of one server; `monotonic` is None where the last reading was an earlier run's.

    `growth` and `changed` are what the store does not have yet, `written` is when it last took any, on the
    monotonic clock.
    """

    at: datetime
    uptime: float | None
    counts: dict[str, _Counts]
    monotonic: float | None = None
    written: float | None = None
    growth: dict[str, list[int]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)


class TrafficBooks:
    """A Sink that counts by how much servers' counters grow: each call once, whoever was away meanwhile.

    The first reading of a server is where counting begins; so it is of a tenant that is configured later.
    A counter that fell has begun anew; so have all of a server that is up for less time than has passed.
    `domains` are the tenants configured now, `keep` is how long a mark is of use. The store is written to
    once in `every` seconds, and when an hour ends: of thousands of tenants most have new calls at every poll.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        domains: Callable[[], Collection[str]],
        keep: timedelta,
        every: float = 60.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._domains = domains
        self._keep = keep
        self._every = every
        self._known = frozenset(domains())
        self._known_by: dict[str, frozenset[str]] = {}
        self._read_at: dict[str, datetime] = {}
        self._waiting: dict[str, _Seen] = {}
        self._wake = anyio.Event()
        self._books: dict[str, _Book] | None = None
        self._errors = 0
        self._failing = False

    @property
    def store_errors(self) -> int:
        """How often the store failed since the start; what it did not take is taken with the next reading."""
        return self._errors

    async def node_polled(self, state: NodeState) -> None:
        """Note a reading that is new; run() counts it."""
        name, reading = state.node.name, state.reading
        if not state.up or reading is None or state.read_at is None:
            return
        if self._read_at.get(name) == state.read_at:
            return
        self._read_at[name] = state.read_at
        counts, uptime = _read(reading)
        now = frozenset(self._domains())
        # A reading's figures may be older than a tenant that has just been found: it counts from the next on.
        settled = self._known_by.get(name, self._known) & now
        self._known_by[name] = now
        # Without a figure and with trouble nobody knows whether there are none or they could not be read.
        whole = bool(counts) or "statistics" not in reading.info
        ours = {tenant: found for tenant, found in counts.items() if tenant in now}
        self._waiting[name] = _Seen(state.read_at, self._clock.monotonic(), uptime, ours, whole, settled)
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
                for name, book in (self._books or {}).items():
                    await self._write(name, book)

    async def count(self) -> None:
        """Count the readings noted by now."""
        waiting, self._waiting = self._waiting, {}
        try:
            if self._books is None:
                self._books = _recalled(await self._store.traffic_marks())
        except StoreError as error:
            self._waiting = waiting | self._waiting
            self._fail(error)
            return
        for name, seen in waiting.items():
            book = self._books.get(name)
            if book is None or seen.at - book.at > self._keep:
                if not seen.whole:
                    continue
                book = self._books[name] = _Book(seen.at, seen.uptime, {})
            if _hour(seen.at) != _hour(book.at):
                await self._write(name, book)
            _take(book, seen)
            passed = seen.monotonic - book.written if book.written is not None else _NOTED_EVERY
            if passed >= (self._every if book.changed else _NOTED_EVERY):
                await self._write(name, book, mark=True)

    async def _write(self, name: str, book: _Book, *, mark: bool = False) -> None:
        """Have the store take what it does not have; the mark alone where that is asked for."""
        if not book.changed and not mark:
            return
        growth = {tenant: _named(more) for tenant, more in book.growth.items()}
        changed = {tenant: _named(book.counts[tenant]) for tenant in book.changed}
        try:
            await self._store.count_traffic(TrafficMark(name, book.at, book.uptime, changed), growth)
        except StoreError as error:
            self._fail(error)
            return
        if self._failing:
            self._failing = False
            _log.info("traffic is counted again")
        book.written = book.monotonic
        book.growth.clear()
        book.changed.clear()

    def _fail(self, error: StoreError) -> None:
        self._errors += 1
        if not self._failing:
            _log.warning("traffic can't be counted now; it is made up for", error=str(error))
        self._failing = True


def _read(reading: Reading) -> tuple[dict[str, list[int | None]], float | None]:
    """Return the counters of a reading, by tenant in the order of _NAMES, and the server's uptime."""
    found: dict[str, list[int | None]] = {}
    uptime: float | None = None
    for metric, labels, value, _ in reading.samples:
        if metric == SESSIONS:
            _, tenant, _, result = labels
            place = _PLACES.get(result)
            if place is not None and 0 <= value <= _MOST:
                if tenant not in found:
                    found[tenant] = [None] * len(_NAMES)
                found[tenant][place] = int(value)
        elif metric == UPTIME:
            uptime = value
    return found, uptime


def _recalled(marks: Mapping[str, TrafficMark]) -> dict[str, _Book]:
    return {
        name: _Book(
            mark.at,
            mark.uptime,
            {
                tenant: tuple(counts.get(count, 0) for count in _NAMES)
                for tenant, counts in mark.counts.items()
            },
        )
        for name, mark in marks.items()
    }


def _named(counts: Iterable[int]) -> dict[str, int]:
    """Return counts by name, but those of nothing."""
    return {name: count for name, count in zip(_NAMES, counts, strict=True) if count}


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _take(book: _Book, seen: _Seen) -> None:
    """Add what a server's counters have grown by since the last reading, and go on from this one."""
    if _is_another(book, seen):
        # What stood there is gone: whatever a tenant's counters have reached by now is growth.
        book.counts = dict.fromkeys(book.counts, _NOTHING)
        book.changed.update(book.counts)
    for tenant, found in seen.counts.items():
        before = book.counts.get(tenant)
        known = _NOTHING if before is None else before
        now = tuple(last if value is None else value for last, value in zip(known, found, strict=True))
        if now == before:
            continue
        if before is not None:
            growth = book.growth.setdefault(tenant, list(_NOTHING))
            for place, (last, value) in enumerate(zip(before, now, strict=True)):
                if value != last:
                    growth[place] += value - last if value > last else value
        book.counts[tenant] = now
        book.changed.add(tenant)
    if seen.whole:
        quiet = seen.settled - book.counts.keys()
        book.counts.update(dict.fromkeys(quiet, _NOTHING))
        book.changed |= quiet
    book.at, book.uptime, book.monotonic = seen.at, seen.uptime, seen.monotonic


def _is_another(book: _Book, seen: _Seen) -> bool:
    """Whether the server has started since the last reading: it has not been up for as long as has passed.

    One that merely stood still for a while lags behind by that while, and by less than it was up before.
    """
    if seen.uptime is None or book.uptime is None:
        return False
    if book.monotonic is not None:
        passed = seen.monotonic - book.monotonic
    else:
        passed = (seen.at - book.at).total_seconds()
    lag = book.uptime + passed - seen.uptime
    return seen.uptime < book.uptime or (lag > _SLACK and lag >= book.uptime - _SLACK)
