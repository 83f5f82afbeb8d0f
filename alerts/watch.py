"""The sink that turns what was found into alerts: judged at once, kept, then delivered."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import anyio
import structlog

from alerts.delivery import Delivery, DeliveryCounts
from alerts.engine import AlertEngine
from alerts.payload import grouped
from alerts.rules import Rule
from dialtone.model import AlertEvent, AlertState, MetricDef, NodeState, ProbeRun, Sample, Scope
from dialtone.ports import Clock, Notifier, Store, StoreError
from dialtone.runtime.deadline import within

_log = structlog.get_logger(__name__)

KEEP_AGAIN: Final = 10.0
"""Seconds until alerts that the store would not take are offered to it again."""

KEEP_DEADLINE: Final = 10.0
"""Seconds that the store has to take them: a disk that hangs is no reason to tell nobody."""

_INBOX: Final = 10_000


def _always(_: AlertEvent) -> bool:
    return True


class AlertWatch:
    """A Sink. Judging takes no time and does no I/O; the task `run` keeps and delivers the changes.

    `receivers` are notifiers by name; each gets every change, in order, at its own pace. `metric` is
    the gauge of present alerts, with the labels rule, severity, tenant and state in any order.
    `watched` says of an alert of an earlier run whether its node or tenant still exists.
    """

    def __init__(
        self,
        store: Store,
        receivers: Mapping[str, Notifier],
        clock: Clock,
        *,
        rules: Sequence[Rule],
        metric: MetricDef,
        watched: Callable[[AlertEvent], bool] = _always,
    ) -> None:
        self._store = store
        self._clock = clock
        self._engine = AlertEngine(rules)
        self._metric = metric
        self._watched = watched
        self._deliveries = tuple(Delivery(name, notifier, clock) for name, notifier in receivers.items())
        self._inbox: deque[AlertEvent] = deque(maxlen=_INBOX)
        self._unkept: dict[str, AlertEvent] = {}
        self._store_failing = False
        self._wake = anyio.Event()
        self.store_errors = 0

    async def restore(self) -> None:
        """Take up the alerts of the last run; await it before the first poll.

        A store that can't be read is logged and counted: we begin with nothing, and what is still wrong
        is announced again rather than never.
        """
        try:
            events = await self._store.alerts(Scope.everything())
        except StoreError as error:
            self._store_failed(error)
            return
        self._take(self._engine.restore(events, watched=self._watched, now=self._clock.now()))

    async def node_polled(self, state: NodeState) -> None:
        """Judge a poll."""
        self._take(self._engine.node_polled(state, self._clock.now()))

    async def probe_ended(self, run: ProbeRun) -> None:
        """Judge a probe."""
        self._take(self._engine.probe_ended(run.result, self._clock.now()))

    async def run(self) -> None:
        """Keep and deliver until cancelled. What was not delivered by then is logged."""
        try:
            async with anyio.create_task_group() as tasks:
                for delivery in self._deliveries:
                    tasks.start_soon(delivery.run)
                while True:
                    await self._next()
                    await self._work_off()
        finally:
            left = {d.name: d.waiting for d in self._deliveries if d.waiting}
            if left or self._inbox:
                _log.warning("alert.undelivered_at_stop", messages=left, changes=len(self._inbox))

    def samples(self, now: datetime) -> list[Sample]:
        """Return how many alerts are pending and firing, by rule, severity and tenant ("" for a node's)."""
        counts = Counter((e.rule, e.severity, e.tenant or "", e.state) for e in self._engine.active)
        found = []
        for (rule, severity, tenant, state), count in sorted(counts.items()):
            by_name = {"rule": rule, "severity": severity, "tenant": tenant, "state": state}
            labels = (str(by_name[name]) for name in self._metric.labels)
            found.append(self._metric.sample(*labels, value=float(count), at=now))
        return found

    @property
    def deliveries(self) -> dict[str, DeliveryCounts]:
        """What became of the messages, by receiver."""
        return {delivery.name: delivery.counts for delivery in self._deliveries}

    def _take(self, changes: Iterable[AlertEvent]) -> None:
        for event in changes:
            self._inbox.append(event)
            if _announced(event):
                about = {
                    "tenant": event.tenant,
                    "node": event.node,
                    "flow": event.flow,
                    "channel": event.channel,
                }
                named = {name: value for name, value in about.items() if value}
                _log.warning(f"alert.{event.state}", rule=event.rule, cause=event.cause, **named)
            self._wake.set()

    async def _next(self) -> None:
        """Wait for a change; with alerts that still have to be kept, no longer than KEEP_AGAIN."""
        if not self._unkept:
            await self._wake.wait()
            return
        async with anyio.create_task_group() as race:

            async def too_long() -> None:
                await self._clock.sleep(KEEP_AGAIN)
                race.cancel_scope.cancel()

            race.start_soon(too_long)
            await self._wake.wait()
            race.cancel_scope.cancel()

    async def _work_off(self) -> None:
        self._wake = anyio.Event()
        changes = list(self._inbox)
        self._inbox.clear()
        self._unkept |= {event.fingerprint: event for event in changes}
        await self._keep()
        for events in grouped(filter(_announced, changes)):
            for delivery in self._deliveries:
                delivery.add(events)

    async def _keep(self) -> None:
        events = tuple(self._unkept.values())
        try:
            await within(self._clock, KEEP_DEADLINE, lambda: self._store.put_alerts(events))
        except (StoreError, TimeoutError) as error:
            self._store_failed(error)
            return
        self._unkept.clear()
        if self._store_failing:
            _log.info("alert.store_recovered")
        self._store_failing = False

    def _store_failed(self, error: StoreError | TimeoutError) -> None:
        self.store_errors += 1
        if not self._store_failing:
            _log.error("alert.store_failing", why=str(error))
        self._store_failing = True


def _announced(event: AlertEvent) -> bool:
    """Whether people are told: it fires, or it ended after it had fired."""
    if event.state is AlertState.RESOLVED:
        return event.started is not None
    return event.state is AlertState.FIRING
