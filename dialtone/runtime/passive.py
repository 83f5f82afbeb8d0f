"""Passive evidence: slices by the tenants' own traffic, as the servers count it."""

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
import structlog

from dialtone.model import (
    Flow,
    Measure,
    MetricDef,
    NodeKind,
    NodeState,
    ProbeRun,
    SeriesKey,
    SliceMark,
    SliceState,
)
from dialtone.ports import Clock, StoreError
from dialtone.runtime.passivebook import (
    ENDED,
    INTERVAL,
    SliceSums,
    Standing,
    grown,
    named,
    standing,
)
from dialtone.runtime.trafficbook import SessionReader
from dialtone.sla.passive import judged

_log = structlog.get_logger(__name__)

_EVERY: Final = 5.0
"""Seconds between two looks for slices that are over."""
_PATIENCE: Final = timedelta(seconds=60)
"""After a slice's end, for a server that has not been polled since."""
_MOST_WAITING: Final = 100_000
"""Marks that wait for a store; beyond them the oldest are lost."""
_ENDING: Final = 1.0
"""Seconds that the last write may take when the service ends."""


def passive_key(tenant: str, measure: Measure) -> SeriesKey:
    """Return the series of a tenant's traffic: no probe, no location."""
    return SeriesKey(tenant, Flow.CALL, "", "", INTERVAL, measure)


class PassiveSlices:
    """A Sink that judges slices by what OpenSIPS servers count of the tenants' sessions.

    For the service: hand it to the collectors as a sink, beside TrafficBooks, and start `run` as a task.
    `mark` is Books.mark_slices, `measures` are sla.passive.passive_measures() of the objectives; `sessions`
    and `uptime` are the metrics that TrafficBooks takes. Series are opened by who plans them (passive_key()
    tells which): marks without one change nothing.

    An attempt is an INVITE that has ended, and counts in the slice in which its end was read: one that rings
    over a slice's end would be a failure of the first and too much in the second. What the counters grew by
    between two polls is of the slice of the later one; polls a minute apart at most, of a server that was
    not restarted meanwhile. The servers' growths add up. A slice is judged once each server that is up has
    been polled after its end, a minute after it at the latest. A run of bad ones has the cause of its first.
    What this loses when the service stops stays unknown.
    """

    def __init__(
        self,
        mark: Callable[[Sequence[SliceMark]], Awaitable[None]],
        clock: Clock,
        measures: Mapping[str, Collection[Measure]],
        *,
        sessions: MetricDef,
        uptime: MetricDef,
    ) -> None:
        self._mark = mark
        self._clock = clock
        self._keys = {tenant: [passive_key(tenant, one) for one in of] for tenant, of in measures.items()}
        self._reader = SessionReader(sessions, uptime, ENDED)
        self._last: dict[str, Standing] = {}
        self._polled: dict[str, datetime | None] = {}
        self._sums = SliceSums()
        self._bad: dict[SeriesKey, tuple[int, str]] = {}
        self._marks = deque[tuple[SliceMark, ...]]()
        self._lost = 0
        self._errors = 0
        self._failing = False
        self._has_told = False

    @property
    def dropped(self) -> int:
        """How many tenants' growths were dropped: too late, or of a clock that was wrong."""
        return self._sums.dropped

    @property
    def store_errors(self) -> int:
        """How often judging or keeping slices failed since the start."""
        return self._errors

    @property
    def waiting(self) -> int:
        """How many marks the store has not taken yet."""
        return sum(map(len, self._marks))

    @property
    def lost(self) -> int:
        """How many marks were given up because the store was away for too long."""
        return self._lost

    async def node_polled(self, state: NodeState) -> None:
        """Add what a reading that is new has more than the last one."""
        if state.node.kind is not NodeKind.OPENSIPS or not self._keys:
            return
        name = state.node.name
        self._polled[name] = state.polled_at if state.up else None
        if not state.up or state.reading is None or state.read_at is None:
            return
        before = self._last.get(name)
        if before is not None and before.at == state.read_at:
            return
        found, uptime = self._reader.read(state.reading)
        now = standing(state.read_at, self._clock.monotonic(), found, uptime, self._keys)
        self._last[name] = now
        if before is not None:
            self._sums.add(now.at, self._clock.now(), grown(before, now))

    async def probe_ended(self, run: ProbeRun) -> None:
        """Nothing: probes are judged for themselves."""

    async def run(self) -> None:
        """Judge slices as they end, until cancelled."""
        try:
            while True:
                await self._clock.sleep(_EVERY)
                await self._settle_or_say()
        finally:
            with anyio.move_on_after(_ENDING, shield=True):
                await self._write()

    async def settle(self) -> None:
        """Judge the slices that are over, and have the store take what it does not have."""
        now = self._clock.now()
        for slot in self._sums.over(now):
            if not self._is_awaited(slot, now):
                self._put(tuple(self._judged(slot, now)))
        await self._write()

    async def _settle_or_say(self) -> None:
        """Settle; what can't be leaves the service as it is, and is tried again."""
        try:
            await self.settle()
        except Exception as error:  # noqa: BLE001 - the edge of one part: the probes go on without it
            self._mistaken("slices of traffic can't be judged", error)

    def _is_awaited(self, slot: int, now: datetime) -> bool:
        """Whether a server is still to be polled that may have counted within that slice."""
        end = datetime.fromtimestamp((slot + 1) * INTERVAL, UTC)
        return now < end + _PATIENCE and any(at is not None and at < end for at in self._polled.values())

    def _judged(self, slot: int, now: datetime) -> Iterator[SliceMark]:
        for tenant, counts in self._sums.take(slot).items():
            by_name = named(counts)
            for key in self._keys[tenant]:
                state, cause = judged(by_name, key.measure)
                if state is SliceState.BAD:
                    last, before = self._bad.get(key, (slot, cause))
                    cause = before if last == slot - 1 else cause
                    self._bad[key] = slot, cause
                    yield SliceMark(key, slot, SliceState.BAD, cause, now)
                elif state is SliceState.GOOD:
                    yield SliceMark(key, slot, SliceState.GOOD, "", now)

    def _put(self, marks: tuple[SliceMark, ...]) -> None:
        if marks:
            self._marks.append(marks)
        while len(self._marks) > 1 and self.waiting > _MOST_WAITING:
            self._lost += len(self._marks.popleft())

    async def _write(self) -> None:
        """Have the store take the marks that wait, slice by slice."""
        while self._marks:
            marks = self._marks[0]
            try:
                await self._mark(marks)
            except StoreError as error:
                self._errors += 1
                if not self._failing:
                    _log.warning("slices of traffic can't be kept now; they wait", error=str(error))
                self._failing = True
                return
            except Exception as error:  # noqa: BLE001 - as above; these would fail again, those behind may not
                self._mistaken("slices of traffic can't be kept, they are lost", error)
                self._lost += len(self._marks.popleft())
                continue
            self._marks.popleft()
            if self._failing:
                self._failing = False
                _log.info("slices of traffic are kept again")

    def _mistaken(self, what: str, error: Exception) -> None:
        """Count a mistake of ours; the first is logged, with where it was made."""
        self._errors += 1
        if not self._has_told:
            _log.error(what, error=str(error), exc_info=error)
        self._has_told = True
