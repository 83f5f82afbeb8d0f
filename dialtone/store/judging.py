"""What new results and marks make of slices, wherever these are kept: one arithmetic for disk and memory.

Whatever the order in which results come, and however often, slices and causes are the same in the end: a slot
is judged by all of its attempts that are kept, and what is known of a slice only grows (model.merged).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from dialtone.model import (
    AVAILABILITY,
    Attempts,
    Measure,
    Outcome,
    ProbeResult,
    SliceMark,
    SliceState,
    is_on_the_books,
    measured,
    merged,
    one_line,
    slice_interval,
    verdict,
)
from dialtone.store.rows import encodable, instant
from dialtone.store.tenures import Place, Span, Tenure, covering, opening

_LAST_SECOND: Final = 253_370_764_800
"""9999-01-01: instants after it are none of datetime's."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a slot is bad. Of two the one that was known first is told."""

    slot: int
    text: str
    known: datetime
    evidence: str | None = None


class Pages(Protocol):
    """Where slices, causes and tenures are kept; all of it belongs to one transaction."""

    def closed(self, tenant: str) -> Sequence[Span]:
        """Return the times of a tenant in which nothing changes any more."""

    def tenures(self, place: Place) -> Sequence[Tenure]:
        """Return all tenures of all series of a place."""

    def open(self, place: Place, measure: Measure, since: int, until: int | None) -> Tenure:
        """Put down a new tenure."""

    def move(self, tenure: int, since: int, until: int | None) -> None:
        """Change when a tenure begins and ends."""

    def attempts(self, place: Place, slot: int) -> Sequence[ProbeResult]:
        """Return the kept results of a slot that failed, or were a second attempt."""

    def day(self, series: int, day: int, place: Place) -> tuple[int, int] | None:
        """Return the planes of a day, None where what is kept of it is damaged."""

    def put_day(self, series: int, day: int, place: Place, good: int, bad: int) -> None:
        """Put down the planes of a day."""

    def cause(self, series: int, slot: int) -> Cause | None:
        """Return the last cause of a series at that slot or before it."""

    def put_cause(self, series: int, cause: Cause) -> None:
        """Put down a cause at its slot."""

    def drop_cause(self, series: int, slot: int) -> None:
        """Forget what is put down at that very slot."""


def judge(pages: Pages, results: Iterable[ProbeResult]) -> None:
    """Make slices of new results, which are kept by now."""
    places: defaultdict[Place, defaultdict[int, list[ProbeResult]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        if is_on_the_books(result) and 0 <= result.slot * result.interval < _LAST_SECOND:
            places[Place.has(result)][result.slot].append(result)
    for place, slots in places.items():
        _Judge(pages, place).judge(slots)


def checked(marks: Iterable[SliceMark]) -> tuple[SliceMark, ...]:
    """Return marks that can be put down. Raises ValueError for those that can't."""
    found = tuple(marks)
    for one in found:
        instant(one.known)
        start = one.slot * one.key.interval
        if slice_interval(one.key.interval) is None or not 0 <= start < _LAST_SECOND:
            raise ValueError(f"slot {one.slot} of {one.key.interval} s is none that the books have")
        if one.state not in (SliceState.GOOD, SliceState.BAD):
            raise ValueError(f"a mark says good or bad, not {one.state.name.lower()}")
    return found


def mark(pages: Pages, marks: Iterable[SliceMark]) -> None:
    """Put down verdicts of traffic. A bad one stands over a good one."""
    places: defaultdict[Place, list[SliceMark]] = defaultdict(list)
    for one in marks:
        places[Place.of(one.key)].append(one)
    for place, of_place in places.items():
        _Judge(pages, place).mark(sorted(of_place, key=lambda one: (one.slot, one.known, one.cause)))


def within(pages: Pages, series: int, place: Place, cause: Cause, since: int) -> Cause | None:
    """Return a cause as a span tells it that begins at a second: no earlier than with its first slot.

    None where the cause is over by then: given the last one before the span, that slot is not bad.
    """
    first = -(-since // place.interval)
    if cause.slot >= first:
        return cause
    bad = _Sheet(pages, series, place).state(first) is SliceState.BAD
    return replace(cause, slot=first) if bad else None


def keep_cause(pages: Pages, series: int, place: Place, since: int) -> None:
    """Put down at the first slot of a span the cause that goes on into it, if any.

    Not where that slot is closed already: then all that leads up to it is closed with it.
    """
    first = -(-since // place.interval)
    if place.is_closed(first, pages.closed(place.tenant)):
        return
    cause = pages.cause(series, first)
    if cause is not None and (own := within(pages, series, place, cause, since)) is not None:
        pages.put_cause(series, own)


class _Judge:
    """Judges the slots of one place; each day of each series is read and written once."""

    def __init__(self, pages: Pages, place: Place) -> None:
        self._pages: Final = pages
        self._place: Final = place
        self._closed: Final = pages.closed(place.tenant)
        self._tenures: Final = list(pages.tenures(place))
        self._sheets: Final[dict[int, _Sheet]] = {}

    def judge(self, slots: "defaultdict[int, list[ProbeResult]]") -> None:
        for slot in sorted(slots):
            if not self._is_closed(slot):
                self._judge_availability(slot, slots[slot])
                for tenure in self._placed(slot):
                    if tenure.measure != AVAILABILITY:
                        self._judge_measure(tenure, slot, slots[slot])
        self._write()

    def mark(self, marks: Sequence[SliceMark]) -> None:
        for one in marks:
            of_key = [tenure for tenure in self._placed(one.slot) if tenure.measure == one.key.measure]
            for tenure in of_key:
                sheet = self._sheet(tenure)
                if self._is_closed(one.slot) or sheet.state(one.slot) is SliceState.BAD:
                    continue
                sheet.put(one.slot, one.state)
                if one.state is SliceState.BAD:
                    self._tell(sheet, one.slot, Cause(one.slot, encodable(one_line(one.cause)), one.known))
        self._write()

    def _judge_availability(self, slot: int, results: Sequence[ProbeResult]) -> None:
        tenure = self._availability(slot)
        if tenure is None:
            return
        attempts = results
        state = verdict(_attempts(results))
        if state is not SliceState.GOOD and any(may_decide(result) for result in results):
            attempts = self._pages.attempts(self._place, slot)
            state = verdict(_attempts(attempts))
        sheet = self._sheet(tenure)
        before = sheet.state(slot)
        after = merged(before, state)
        if after is before and after is not SliceState.BAD:
            return
        sheet.put(slot, after)
        cause = _cause(attempts) if after is SliceState.BAD else None
        if cause is not None or (before is SliceState.BAD and after is not before):
            self._tell(sheet, slot, cause)

    def _judge_measure(self, tenure: Tenure, slot: int, results: Sequence[ProbeResult]) -> None:
        sheet = self._sheet(tenure)
        state = sheet.state(slot)
        for result in results:
            state = merged(state, measured(result, tenure.measure))
        sheet.put(slot, state)

    def _availability(self, slot: int) -> Tenure | None:
        """Return the tenure of a slot, opened if need be."""
        known = [tenure for tenure in self._tenures if tenure.measure == AVAILABILITY]
        start = slot * self._place.interval
        found = covering(known, start)
        if found is not None or (needed := opening(known, start, self._closed)) is None:
            return found
        if needed.id is None:
            found = self._pages.open(self._place, AVAILABILITY, needed.since, needed.until)
        else:
            found = replace(next(one for one in known if one.id == needed.id), since=needed.since)
            self._pages.move(found.id, found.since, found.until)
            self._tenures[:] = [one for one in self._tenures if one.id != found.id]
        self._tenures.append(found)
        return found

    def _placed(self, slot: int) -> Iterator[Tenure]:
        start = slot * self._place.interval
        return (tenure for tenure in tuple(self._tenures) if tenure.covers(start))

    def _is_closed(self, slot: int) -> bool:
        return self._place.is_closed(slot, self._closed)

    def _tell(self, sheet: "_Sheet", slot: int, cause: Cause | None) -> None:
        """Put down why a slot is bad, or (None) that it is not; the next slot's cause stays what it was.

        A slot has a cause of its own unless the slot before is bad for the same one.
        """
        after = slot + 1
        theirs = None
        if sheet.state(after) is SliceState.BAD and not self._is_closed(after):
            theirs = self._pages.cause(sheet.series, after)
            if theirs is not None and theirs.slot != after:
                # Pruned results can't say it any more: then it is what the run's first slot says.
                kept = _cause(self._pages.attempts(self._place, after))
                theirs = kept or replace(theirs, slot=after)
        if cause is None:
            self._pages.drop_cause(sheet.series, slot)
        else:
            self._put_cause(sheet, cause)
        if theirs is not None:
            self._put_cause(sheet, theirs)

    def _put_cause(self, sheet: "_Sheet", cause: Cause) -> None:
        before = None
        if sheet.state(cause.slot - 1) is SliceState.BAD:
            before = self._pages.cause(sheet.series, cause.slot - 1)
        if before is not None and before.text == cause.text:
            self._pages.drop_cause(sheet.series, cause.slot)
        else:
            self._pages.put_cause(sheet.series, cause)

    def _sheet(self, tenure: Tenure) -> "_Sheet":
        sheet = self._sheets.get(tenure.id)
        if sheet is None:
            sheet = self._sheets[tenure.id] = _Sheet(self._pages, tenure.id, self._place)
        return sheet

    def _write(self) -> None:
        for sheet in self._sheets.values():
            sheet.write()


class _Sheet:
    """The days of a series that a batch touches."""

    def __init__(self, pages: Pages, series: int, place: Place) -> None:
        self.series: Final = series
        self._pages: Final = pages
        self._place: Final = place
        self._days: Final[dict[int, tuple[int, int] | None]] = {}
        self._changed: Final[set[int]] = set()

    def state(self, slot: int) -> SliceState:
        day, bit = divmod(slot, self._place.slots_a_day)
        good, bad = self._planes(day) or (0, 0)
        return SliceState((good >> bit & 1) + 2 * (bad >> bit & 1))

    def put(self, slot: int, state: SliceState) -> None:
        """Change a slot; a day that is damaged stays as it is."""
        day, bit = divmod(slot, self._place.slots_a_day)
        planes = self._planes(day)
        if planes is None or self.state(slot) is state:
            return
        mask = 1 << bit
        good, bad = (plane & ~mask for plane in planes)
        good |= mask if state is SliceState.GOOD else 0
        bad |= mask if state is SliceState.BAD else 0
        self._days[day] = good, bad
        self._changed.add(day)

    def write(self) -> None:
        for day in sorted(self._changed):
            planes = self._days[day]
            if planes is not None:
                self._pages.put_day(self.series, day, self._place, *planes)
        self._changed.clear()

    def _planes(self, day: int) -> tuple[int, int] | None:
        if day not in self._days:
            self._days[day] = self._pages.day(self.series, day, self._place)
        return self._days[day]


def may_decide(result: ProbeResult) -> bool:
    """Whether a result can decide its slot together with another one."""
    return result.attempt == 2 or result.outcome is Outcome.FAIL


def _attempts(results: Iterable[ProbeResult]) -> Attempts:
    found: dict[Literal[1, 2], frozenset[Outcome]] = {}
    for result in results:
        if result.outcome is not Outcome.INCONCLUSIVE:
            found[result.attempt] = found.get(result.attempt, frozenset()) | {result.outcome}
    return found


def _cause(attempts: Iterable[ProbeResult]) -> Cause | None:
    """Return what the confirming attempt says: of several the one that ended first."""
    confirming = (one for one in attempts if one.attempt == 2 and one.outcome is Outcome.FAIL)
    first = min(confirming, key=lambda one: (_ended(one), one.id), default=None)
    if first is None:
        return None
    text = one_line(first.failure.said) if first.failure is not None else ""
    return Cause(first.slot, text, _ended(first), first.evidence)


def _ended(result: ProbeResult) -> datetime:
    return result.started + timedelta(seconds=result.duration)
