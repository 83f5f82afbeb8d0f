"""The twin in memory of what results add up to by hour and day."""

from collections.abc import Iterable
from datetime import datetime

from dialtone.model import ProbeResult, Rollup, RollupKey, Scope, added_up
from dialtone.store.rollups import DAYS, HOURS, Span, grouped, order


class MemoryRollups:
    """What scheduled results add up to; pruning results takes nothing away."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Span, RollupKey, int], Rollup] = {}

    def add(self, new: Iterable[ProbeResult]) -> None:
        """Add results that were not there before."""
        for place, more in grouped(new).items():
            if (kept := self._kept.setdefault(place, more)) is not more:
                kept.add(more)

    def read(
        self, scope: Scope, since: datetime, until: datetime, tenant: str | None, *, daily: bool
    ) -> list[Rollup]:
        """See ports.Books.rollups."""
        span = DAYS if daily else HOURS
        first, end = span.from_on(since), span.from_on(until)
        found = [
            added_up([kept], key, kept.start)
            for (of, key, number), kept in self._kept.items()
            if of is span
            and first <= number < end
            and tenant in (None, key.tenant)
            and scope.allows(key.tenant)
        ]
        return sorted(found, key=order)

    def prune(self, before: datetime) -> int:
        """See ports.Books.prune_rollups."""
        first = HOURS.number(before)
        gone = [place for place in self._kept if place[0] is HOURS and place[2] < first]
        for place in gone:
            del self._kept[place]
        return len(gone)
