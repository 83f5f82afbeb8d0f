"""What the tenants' sessions grew by in each slice, over all servers (pure)."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from dialtone.model import SESSION_COUNTS, SessionResult, has_restarted

INTERVAL: Final = 60
"""Seconds of a slice of traffic."""
APART: Final = 62.0
"""Seconds between two readings beyond which nobody knows of which slice the growth is; with some slack."""

ENDED: Final = (
    SessionResult.ESTABLISHED,
    SessionResult.END_USER,
    SessionResult.REDIRECTED,
    SessionResult.INEFFECTIVE,
    SessionResult.FAILED,
)
"""How an INVITE ends: by one of these, once, a minute or two after it came at most."""

_OLDEST: Final = 5
"""Slices behind the present one beyond which a growth is too late, or the clock was wrong."""
_REMEMBERED: Final = 16
"""Slices that are remembered as judged."""

Counts = tuple[int, ...]
"""What was counted of a tenant, in the order of ENDED."""


class Standing(NamedTuple):
    """Where the counters of a server stood; the tenants of which they could be read whole."""

    at: datetime
    monotonic: float
    uptime: float | None
    counts: Mapping[str, Counts]


def standing(
    at: datetime,
    monotonic: float,
    found: Mapping[str, Sequence[int | None]],
    uptime: float | None,
    tenants: Mapping[str, object],
) -> Standing:
    """Return what a reading says of those tenants."""
    counts: dict[str, Counts] = {}
    for tenant, values in found.items():
        whole = tuple(value for value in values if value is not None)
        if tenant in tenants and len(whole) == len(values):
            counts[tenant] = whole
    return Standing(at, monotonic, uptime, counts)


def grown(before: Standing, now: Standing) -> Iterator[tuple[str, Counts]]:
    """Yield what tenants' counters grew by between two readings of a server.

    Nothing where it is uncertain: after a gap, a restart, or a step of the clock; and of a tenant that was
    not in the first reading, or has a counter that fell.
    """
    passed = now.monotonic - before.monotonic
    if not (0 < passed <= APART and 0 < (now.at - before.at).total_seconds() <= APART):
        return
    if before.uptime is None or now.uptime is None:
        if before.uptime is not now.uptime:
            return
    elif has_restarted(before.uptime, now.uptime, passed):
        return
    for tenant, counts in now.counts.items():
        last = before.counts.get(tenant)
        if last is not None and last != counts:
            growth = tuple(value - old for value, old in zip(counts, last, strict=True))
            if min(growth) >= 0:
                yield tenant, growth


class SliceSums:
    """Sums by slice and tenant, until they are taken out; each slice is taken once."""

    def __init__(self) -> None:
        self._sums: dict[int, dict[str, Counts]] = {}
        self._taken = deque[int](maxlen=_REMEMBERED)
        self.dropped = 0

    def add(self, at: datetime, now: datetime, growth: Iterable[tuple[str, Counts]]) -> None:
        """Add growths that were read at an instant; of no slice that is taken, too old, or to come."""
        slot, present = slot_of(at), slot_of(now)
        if slot in self._taken or not present - _OLDEST <= slot <= present:
            self.dropped += sum(1 for _ in growth)
            return
        sums = self._sums.setdefault(slot, {})
        for tenant, counts in growth:
            before = sums.get(tenant)
            sums[tenant] = counts if before is None else tuple(map(sum, zip(before, counts, strict=True)))

    def over(self, now: datetime) -> list[int]:
        """Return the slices that are over, in order; what a wrong clock left behind is dropped."""
        present = slot_of(now)
        for slot in [slot for slot in self._sums if not present - _OLDEST <= slot <= present + 1]:
            self.dropped += len(self._sums.pop(slot))
        return sorted(slot for slot in self._sums if slot < present)

    def take(self, slot: int) -> dict[str, Counts]:
        """Take a slice out."""
        self._taken.append(slot)
        return self._sums.pop(slot)


def slot_of(at: datetime) -> int:
    """Return the slice that an instant lies in, counted as model.SliceMark does."""
    return int(at.timestamp() // INTERVAL)


def named(counts: Counts) -> dict[str, int]:
    """Return counts by the names of model.COUNTS; INVITEs are those that ended."""
    found = {
        SESSION_COUNTS[one]: count for one, count in zip(ENDED, counts, strict=True) if one in SESSION_COUNTS
    }
    return found | {SESSION_COUNTS[SessionResult.ATTEMPTED]: sum(counts)}
