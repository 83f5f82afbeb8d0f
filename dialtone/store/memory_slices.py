"""Slices in memory: the twin of store.slices."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dialtone.model import (
    Measure,
    ProbeResult,
    Scope,
    SeriesKey,
    SliceCause,
    SliceSeries,
    is_on_the_books,
    joined_days,
    plane_bytes,
)
from dialtone.store.judging import Cause, keep_cause, may_decide, within
from dialtone.store.rows import at
from dialtone.store.tenures import Asked, Place, Span, Tenure

_SECOND: Final = 1_000_000


@dataclass(slots=True)
class MemoryPages:
    """Implements judging.Pages and planning.Placed. `results` gives those that are kept."""

    results: Callable[[], Iterable[ProbeResult]]
    spans: defaultdict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    _tenures: dict[int, tuple[Place, Tenure]] = field(default_factory=dict)
    _days: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)
    _causes: dict[int, dict[int, Cause]] = field(default_factory=dict)

    def closed(self, tenant: str) -> Sequence[Span]:
        """See judging.Pages."""
        return self.spans.get(tenant, [])

    def tenures(self, place: Place) -> Sequence[Tenure]:
        """See judging.Pages."""
        return [tenure for of, tenure in self._tenures.values() if of == place]

    def open(self, place: Place, measure: Measure, since: int, until: int | None) -> Tenure:
        """See judging.Pages."""
        made = Tenure(len(self._tenures) + 1, measure, since, until)
        self._tenures[made.id] = place, made
        self._days[made.id] = {}
        self._causes[made.id] = {}
        return made

    def move(self, tenure: int, since: int, until: int | None) -> None:
        """See judging.Pages."""
        place, known = self._tenures[tenure]
        self._tenures[tenure] = place, replace(known, since=since, until=until)

    def open_at(self, location: str) -> Sequence[tuple[SeriesKey, Tenure]]:
        """See planning.Placed."""
        return [
            (place.key(tenure.measure), tenure)
            for place, tenure in self._tenures.values()
            if place.location == location and tenure.until is None
        ]

    def attempts(self, place: Place, slot: int) -> Sequence[ProbeResult]:
        """See judging.Pages."""
        return [
            result
            for result in self.results()
            if result.slot == slot
            and is_on_the_books(result)
            and may_decide(result)
            and Place.has(result) == place
        ]

    def day(self, series: int, day: int, place: Place) -> tuple[int, int] | None:
        """See judging.Pages."""
        return self._days[series].get(day, (0, 0))

    def put_day(self, series: int, day: int, place: Place, good: int, bad: int) -> None:
        """See judging.Pages."""
        self._days[series][day] = good, bad

    def cause(self, series: int, slot: int) -> Cause | None:
        """See judging.Pages."""
        causes = self._causes[series]
        slots = sorted(causes)
        found = bisect_right(slots, slot)
        return causes[slots[found - 1]] if found else None

    def put_cause(self, series: int, cause: Cause) -> None:
        """See judging.Pages."""
        self._causes[series][cause.slot] = cause

    def drop_cause(self, series: int, slot: int) -> None:
        """See judging.Pages."""
        self._causes[series].pop(slot, None)

    def series(self, scope: Scope, asked: Asked) -> list[SliceSeries]:
        """See ports.Books.slices."""
        return [
            SliceSeries(
                tenure.id,
                place.key(tenure.measure),
                at(tenure.since * _SECOND),
                None if tenure.until is None else at(tenure.until * _SECOND),
                joined_days(
                    {
                        day: plane_bytes(*planes, place.interval)
                        for day, planes in self._days[tenure.id].items()
                        if day in asked.days
                    },
                    place.interval,
                ),
            )
            for place, tenure in self._placed(scope, asked)
        ]

    def causes(self, scope: Scope, asked: Asked) -> list[SliceCause]:
        """See ports.Books.causes."""
        found = []
        for place, tenure in self._placed(scope, asked):
            first, end = asked.slots(place.interval)
            before = self.cause(tenure.id, first)
            own = [cause for slot, cause in self._causes[tenure.id].items() if first < slot < end]
            for cause in own if before is None else [before, *own]:
                told = within(self, tenure.id, place, cause, asked.since)
                if told is not None and told.slot < end:
                    key = place.key(tenure.measure)
                    found.append(
                        (tenure.id, SliceCause(key, told.slot, told.text, told.known, told.evidence))
                    )
        found.sort(key=lambda one: (one[1].key.tenant, one[1].slot, one[0]))
        return [told for _, told in found]

    def close(self, tenant: str, spans: Collection[Span]) -> None:
        """Let nothing change within spans any more."""
        for place, tenure in self._tenures.values():
            if place.tenant == tenant:
                for span in spans:
                    keep_cause(self, tenure.id, place, span.since)
        self.spans[tenant].extend(spans)

    def _placed(self, scope: Scope, asked: Asked) -> list[tuple[Place, Tenure]]:
        """The one place where the scope is applied to slices."""
        found = [
            (place, tenure)
            for place, tenure in self._tenures.values()
            if scope.allows(place.tenant) and asked.wants(place.tenant, tenure)
        ]
        return sorted(found, key=lambda one: (*one[0][:4], one[1].since, one[1].id))
