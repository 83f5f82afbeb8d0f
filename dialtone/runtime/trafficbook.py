"""The book of one server's sessions: where its counters stood, and what they grew by since (pure)."""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from dialtone.model import SESSION_COUNTS, MetricDef, Reading, SessionResult, TrafficMark, has_restarted

_MOST: Final = 10**12
"""No server has counted more: what says so is not believed."""
_HOURS: Final = 24
"""Hours whose growth is kept apart while the store does not take it; beyond them it is the newest's."""

_NAMES: Final = tuple(SESSION_COUNTS.values())

Counts = tuple[int, ...]
"""What was counted of a tenant, in the order of _NAMES: without names of their own, for there are many."""
_NOTHING: Final[Counts] = (0,) * len(_NAMES)


class Seen(NamedTuple):
    """One reading, None for what it lacks, with the seconds of a monotonic clock when it came.

    `whole` says that tenants without counts have none. `now` are the tenants that were configured when it
    came, `settled` those that were before it as well.
    """

    at: datetime
    monotonic: float
    uptime: float | None
    counts: Mapping[str, Sequence[int | None]]
    whole: bool
    settled: frozenset[str]
    now: frozenset[str]


@dataclass(frozen=True, slots=True)
class Owed:
    """What the store is to take at once: a mark, the growth up to it, and tenants whose marks go."""

    mark: TrafficMark
    growth: Mapping[str, Mapping[str, int]]
    gone: frozenset[str]


@dataclass(slots=True)
class Book:
    """What is known of one server; `monotonic` is None where the last reading was an earlier run's.

    What the store does not have yet is `owed`, of each hour one, the oldest first, and what has come up since
    the last of these: `growth`, `changed` and `gone`. `written` is when it last took any, on the monotonic
    clock. `awaited` are tenants of an earlier run that this one has not found yet.
    """

    at: datetime
    uptime: float | None
    counts: dict[str, Counts]
    monotonic: float | None = None
    written: float | None = None
    growth: dict[str, list[int]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    owed: deque[Owed] = field(default_factory=deque)
    awaited: frozenset[str] = frozenset()

    @property
    def has_news(self) -> bool:
        """Whether there is something that the store does not have."""
        return bool(self.changed or self.gone or self.owed)

    def passed(self, seen: Seen) -> float:
        """Return the seconds since the last reading."""
        if self.monotonic is not None:
            return seen.monotonic - self.monotonic
        return (seen.at - self.at).total_seconds()

    def drop(self, seen: Seen, left: Collection[str], *, late: bool) -> None:
        """Forget where tenants stood that are no more, or had `left`: what was nobody's is not theirs.

        Those of an earlier run may be discovered yet, unless it is `late`.
        """
        self.awaited = frozenset() if late else self.awaited - seen.now
        gone = {one for one in self.counts if one not in seen.now and one not in self.awaited}
        gone.update(one for one in left if one in self.counts)
        for tenant in gone:
            del self.counts[tenant]
        self.changed -= gone
        self.gone |= gone

    def take(self, seen: Seen) -> None:
        """Add what the server's counters have grown by since the last reading, and go on from this one."""
        if self._is_another(seen):
            # What stood there is gone: whatever a tenant's counters have reached by now is growth.
            self.counts = dict.fromkeys(self.counts, _NOTHING)
            self.changed.update(self.counts)
        for tenant, found in seen.counts.items():
            before = self.counts.get(tenant)
            known = _NOTHING if before is None else before
            now = tuple(last if value is None else value for last, value in zip(known, found, strict=True))
            if now == before:
                continue
            if before is not None:
                growth = self.growth.setdefault(tenant, list(_NOTHING))
                for place, (last, value) in enumerate(zip(before, now, strict=True)):
                    if value != last:
                        growth[place] += value - last if value > last else value
            self.counts[tenant] = now
            self.changed.add(tenant)
        if seen.whole:
            quiet = seen.settled - self.counts.keys()
            self.counts.update(dict.fromkeys(quiet, _NOTHING))
            self.changed |= quiet
        self.at, self.uptime, self.monotonic = seen.at, seen.uptime, seen.monotonic

    def owe(self, name: str) -> None:
        """Note what has come up as something that the store is to take, apart from that of other hours."""
        last = self.owed[-1] if self.owed else None
        apart = last is None or (hour(last.mark.at) != hour(self.at) and len(self.owed) < _HOURS)
        before = None if apart else self.owed.pop()
        counts: dict[str, Mapping[str, int]] = {}
        growth: dict[str, Mapping[str, int]] = {}
        gone = self.gone
        if before is not None:
            counts.update((tenant, was) for tenant, was in before.mark.counts.items() if tenant not in gone)
            growth.update(before.growth)
            gone |= before.gone
        counts.update((tenant, _named(self.counts[tenant])) for tenant in self.changed)
        for tenant, more in self.growth.items():
            growth[tenant] = dict(Counter(growth.get(tenant, {})) + Counter(_named(more)))
        mark = TrafficMark(name, self.at, self.uptime, counts)
        self.owed.append(Owed(mark, growth, frozenset(gone - counts.keys())))
        self.growth, self.changed, self.gone = {}, set(), set()

    def _is_another(self, seen: Seen) -> bool:
        """Whether the server has been restarted since the last reading."""
        if seen.uptime is None or self.uptime is None:
            return False
        return has_restarted(self.uptime, seen.uptime, self.passed(seen))


class SessionReader:
    """Finds the counters and the uptime among the samples of a reading; see TrafficBooks for the metrics.

    `results` are those that are asked for; if nothing else is said those of SESSION_COUNTS.
    """

    def __init__(
        self, sessions: MetricDef, uptime: MetricDef, results: Iterable[SessionResult] = SESSION_COUNTS
    ) -> None:
        self._places = {str(result): place for place, result in enumerate(results)}
        self._sessions = sessions.name
        self._tenant = sessions.labels.index("tenant")
        self._result = sessions.labels.index("result")
        self._uptime = uptime.name

    def read(self, reading: Reading) -> tuple[dict[str, list[int | None]], float | None]:
        """Return the counters by tenant, in the order of the results, and the server's uptime in seconds."""
        found: dict[str, list[int | None]] = {}
        uptime: float | None = None
        for metric, labels, value, _ in reading.samples:
            if metric == self._sessions:
                place = self._places.get(labels[self._result])
                if place is not None and 0 <= value <= _MOST:
                    tenant = labels[self._tenant]
                    if tenant not in found:
                        found[tenant] = [None] * len(self._places)
                    found[tenant][place] = int(value)
            elif metric == self._uptime and 0 <= value <= _MOST:
                uptime = value
        return found, uptime


def recalled(marks: Mapping[str, TrafficMark]) -> dict[str, Book]:
    """Return the books that an earlier run left, by server."""
    return {
        name: Book(
            mark.at,
            mark.uptime,
            {
                tenant: tuple(counts.get(count, 0) for count in _NAMES)
                for tenant, counts in mark.counts.items()
            },
            awaited=frozenset(mark.counts),
        )
        for name, mark in marks.items()
    }


def hour(moment: datetime) -> datetime:
    """Return the beginning of an instant's hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _named(counts: Iterable[int]) -> dict[str, int]:
    """Return counts by name, but those of nothing."""
    return {name: count for name, count in zip(_NAMES, counts, strict=True) if count}
