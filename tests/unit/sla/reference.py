"""The definitions of availability once more, instant by instant, as slow and plain as can be.

Written from the definitions alone; it imports nothing of dialtone, so that the two can only agree by both
being right. Times are whole seconds from 1970. `step` says how far apart the instants are: 1 is every second;
more only where nothing begins or ends in between.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

WINDOWS = (5 * 60, 30 * 60, 3600, 2 * 3600, 6 * 3600, 24 * 3600, 72 * 3600)


@dataclass
class Seen:
    """One probe of a flow at one location while it was placed; or the tenant's traffic."""

    flow: str
    probe: str
    location: str
    interval: int
    since: int
    until: int | None
    is_traffic: bool = False
    results: list[tuple[int, int, str]] = field(default_factory=list)
    """Slot, attempt, outcome, in the order in which they came."""
    marks: dict[int, str] = field(default_factory=dict)

    def placed(self, at: int) -> bool:
        return self.since <= at and (self.until is None or at < self.until)

    def states(self) -> dict[int, str]:
        """Definitions 2: fail+fail is bad; a pass, or fail+pass, good; anything else unknown."""
        if self.is_traffic:
            return dict(self.marks)
        slots: defaultdict[int, set[tuple[int, str]]] = defaultdict(set)
        for slot, attempt, outcome in self.results:
            slots[slot].add((attempt, outcome))
        found = {}
        for slot, told in slots.items():
            failed = (1, "fail") in told
            if (1, "pass") in told or (failed and (2, "pass") in told):
                found[slot] = "good"
            elif failed and (2, "fail") in told:
                found[slot] = "bad"
            else:
                found[slot] = "unknown"
        return found


@dataclass
class Work:
    """Maintenance: its occurrences as they were planned, when it was declared and withdrawn."""

    flows: tuple[str, ...]
    spans: list[tuple[int, int]]
    declared: int
    withdrawn: int | None = None


@dataclass
class Put:
    """A correction."""

    id: int
    flows: tuple[str, ...]
    start: int
    end: int
    state: str
    withdrawn: bool = False


@dataclass
class History:
    """Everything that happened, and what was promised."""

    flows: tuple[str, ...]
    target: Fraction
    zone: str
    start: int
    end: int
    now: int
    evidence: str = "synthetic"
    hours: list[tuple[set[int], int, int]] = field(default_factory=list)
    cap: int = 4 * 3600
    first_day: date | None = None
    last_day: date | None = None
    seen: list[Seen] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    puts: list[Put] = field(default_factory=list)


@dataclass
class Books:
    """What comes out. Figures are seconds of good, bad, unknown, excluded."""

    start: int
    end: int
    until: int
    raw: tuple[int, int, int, int]
    corrected: tuple[int, int, int, int]
    budget: Fraction
    rates: dict[int, Fraction | None]
    bad_slices: dict[int, int]
    days: list[tuple[date, tuple[int, int, int, int]]]
    incidents: list[tuple[int, int | None, int, set[str]]]


class Reference:
    """Computes a history's books."""

    def __init__(self, history: History, step: int = 1) -> None:
        self.h = history
        self.step = step
        self.zone = ZoneInfo(history.zone)
        self._walls: dict[int, datetime] = {}
        kinds = {"synthetic": (False,), "passive": (True,), "either": (False, True)}[history.evidence]
        self.seen = [one for one in history.seen if one.is_traffic in kinds and one.since < history.now]
        self.states = [one.states() for one in self.seen]
        self.time = self._time()
        self.allowed = self._allowed()

    def books(self) -> Books | None:
        """None where the tenant was not there."""
        h, step = self.h, self.step
        if self.time is None:
            return None
        start, end, there = self.time
        until = min(max(self._settled({one.interval for one in there}), start), end)

        raw: Counter[str] = Counter()
        total: Counter[str] = Counter()
        days: dict[date, Counter[str]] = {}
        timeline: list[tuple[int, str, list[str]]] = []
        for at in range(start, until, step):
            day = days.setdefault(self._wall(at).date(), Counter())
            if self._open(at):
                before, (after, bad) = self._service(at, put=False)[0], self._service(at, put=True)
                raw[before] += step
                total[after] += step
                day[after] += step
                timeline.append((at, after, bad))
        service = sum(step for at in range(start, end, step) if self._open(at))
        rates, slices = self._burns(until)
        return Books(
            start,
            end,
            until,
            _four(raw),
            _four(total),
            (1 - h.target) * (service - total["excluded"]),
            rates,
            slices,
            [(day, _four(count)) for day, count in days.items()],
            self._incidents(timeline),
        )

    def _time(self) -> tuple[int, int, list[Seen]] | None:
        """From when to when the tenant was there in the period, and who looked then."""
        low, high = self.h.start, self.h.end
        while low < high and not self._contract(low):
            low += self.step
        while low < high and not self._contract(high - self.step):
            high -= self.step
        there = [s for s in self.seen if s.since < high and (s.until is None or s.until > max(low, s.since))]
        if low >= high or not there:
            return None
        start = max(low, min(s.since for s in there))
        end = min(high, max(high if s.until is None else s.until for s in there))
        return (start, end, there) if start < end else None

    def _is_before_it_came(self, at: int) -> bool:
        """Whether an instant is before the contract, or in the month, but before the day, it came in."""
        if self.h.first_day is not None and self._wall(at).date() < self.h.first_day:
            return True
        came = self.time[0] if self.time is not None else self.h.start
        wall, then = self._wall(at), self._wall(came)
        return self.h.start < came and at < came and (wall.year, wall.month) == (then.year, then.month)

    def _settled(self, intervals: set[int]) -> int:
        found = []
        for interval in intervals:
            end = self.h.now // interval * interval
            while end - interval + 2 * interval > self.h.now:
                end -= interval
            found.append(end)
        return min(found)

    def _wall(self, at: int) -> datetime:
        minute = at // 60
        if minute not in self._walls:
            self._walls[minute] = datetime.fromtimestamp(minute * 60, UTC).astimezone(self.zone)
        return self._walls[minute]

    def _contract(self, at: int) -> bool:
        day = self._wall(at).date()
        return (self.h.first_day is None or day >= self.h.first_day) and (
            self.h.last_day is None or day <= self.h.last_day
        )

    def _open(self, at: int) -> bool:
        """Whether an instant is in the hours of service."""
        if not self.h.hours:
            return True
        wall = self._wall(at)
        day, minute = wall.weekday(), wall.hour * 60 + wall.minute
        for days, start, end in self.h.hours:
            if start < end:
                if day in days and start <= minute < end:
                    return True
            elif (day in days and minute >= start) or ((day - 1) % 7 in days and minute < end):
                return True
        return False

    def _spans(self, flow: str | None) -> Iterator[tuple[int, int]]:
        """The occurrences that were declared beforehand, of a flow or of any."""
        for work in self.h.works:
            of = work.flows or self.h.flows
            if flow in of if flow else any(one in of for one in self.h.flows):
                for start, end in work.spans:
                    if start >= work.declared and (work.withdrawn is None or start < work.withdrawn):
                        yield start, end

    def _allowed(self) -> set[int]:
        """The instants of work that are under the cap of their month."""
        instants: set[int] = set()
        for start, end in self._spans(None):
            instants.update(range(start, end, self.step))
        found: set[int] = set()
        spent: Counter[tuple[int, int]] = Counter()
        for at in sorted(instants):
            wall = self._wall(at)
            if self._is_before_it_came(at):
                continue
            if self._open(at) and spent[wall.year, wall.month] < self.h.cap:
                spent[wall.year, wall.month] += self.step
                found.add(at)
        return found

    def _flow(self, flow: str, at: int, *, put: bool) -> str:
        state = self._measured(flow, at)
        if at in self.allowed and any(start <= at < end for start, end in self._spans(flow)):
            state = "excluded"
        if put:
            for one in sorted(self.h.puts, key=lambda one: one.id):
                if not one.withdrawn and flow in (one.flows or self.h.flows) and one.start <= at < one.end:
                    state = one.state
        return state

    def _measured(self, flow: str, at: int) -> str:
        here: defaultdict[str, list[str]] = defaultdict(list)
        traffic: list[str] = []
        for one, states in zip(self.seen, self.states, strict=True):
            if one.flow == flow and one.placed(at):
                state = states.get(at // one.interval, "unknown")
                (traffic if one.is_traffic else here[one.location]).append(state)
        if self.h.evidence == "passive":
            return _worst(traffic)
        if self.h.evidence == "either" and "bad" in traffic:
            return "bad"
        locations = [_worst(states) for states in here.values()]
        if len(locations) < 2:
            return locations[0] if locations else "unknown"
        bad, good = locations.count("bad"), locations.count("good")
        if bad >= 2 and bad > (bad + good) / 2:
            return "bad"
        return "good" if good else "unknown"

    def _service(self, at: int, *, put: bool) -> tuple[str, list[str]]:
        states = {flow: self._flow(flow, at, put=put) for flow in self.h.flows}
        bad = [flow for flow, state in states.items() if state == "bad"]
        if bad:
            return "bad", bad
        if "unknown" in states.values():
            return "unknown", []
        return ("good" if "good" in states.values() else "excluded"), []

    def _burns(self, until: int) -> tuple[dict[int, Fraction | None], dict[int, int]]:
        h, step = self.h, self.step
        begin = min([one.since for one in self.seen] + [one.start for one in h.puts])
        seen = [
            (at, *self._service(at, put=True))
            for at in range(max(begin, until - max(WINDOWS)), until, step)
            if self._contract(at) and self._open(at)
        ]
        rates: dict[int, Fraction | None] = {}
        slices: dict[int, int] = {}
        for window in WINDOWS:
            good = bad = 0
            spent: Counter[int] = Counter()
            for at, state, flows in seen:
                if at >= until - window:
                    good += state == "good"
                    bad += state == "bad"
                    if state == "bad":
                        spent[max(self._length(flow, at) for flow in flows)] += step
            share = 1 - h.target
            rates[window] = Fraction(bad, good + bad) / share if good + bad and share else None
            slices[window] = sum(seconds // length for length, seconds in spent.items())
        return rates, slices

    def _length(self, flow: str, at: int) -> int:
        """How long the longest slice lasts by which a flow is bad; a minute where none was measured."""
        found = [
            one.interval
            for one, states in zip(self.seen, self.states, strict=True)
            if one.flow == flow and one.placed(at) and states.get(at // one.interval) == "bad"
        ]
        return max(found, default=60)

    def _incidents(
        self, line: list[tuple[int, str, list[str]]]
    ) -> list[tuple[int, int | None, int, set[str]]]:
        found: list[tuple[int, int | None, int, set[str]]] = []
        start, last, bad, flows = -1, -1, 0, set[str]()
        for at, state, of in line:
            if state == "bad":
                if start < 0:
                    start, bad, flows = at, 0, set()
                last = at + self.step
                bad += self.step
                flows |= set(of)
            elif state == "good" and start >= 0:
                found.append((start, last, bad, flows))
                start = -1
        if start >= 0:
            found.append((start, None, bad, flows))
        return found


def _worst(states: list[str]) -> str:
    if "bad" in states:
        return "bad"
    return "good" if states and "unknown" not in states else "unknown"


def _four(count: Counter[str]) -> tuple[int, int, int, int]:
    return count["good"], count["bad"], count["unknown"], count["excluded"]
