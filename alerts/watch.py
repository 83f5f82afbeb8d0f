"""The sink that turns what was found into alerts: judged at once, kept with its messages, then delivered."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import anyio
import structlog

from alerts.delivery import Delivery, DeliveryCounts
from alerts.engine import AlertEngine
from alerts.messages import announced, messages_about
from alerts.outbox import Earlier, Outbox
from alerts.rules import Rule
from dialtone.model import (
    AlertEvent,
    AlertMessage,
    AlertState,
    MessageState,
    MetricDef,
    NodeState,
    ProbeResult,
    ProbeRun,
    Sample,
    TopologyState,
)
from dialtone.ports import Clock, Notifier, Store

_log = structlog.get_logger(__name__)

_STILL_COUNTS: Final = timedelta(days=1)
"""How old the end of a probe's alert may be for slots of before it to be in a rule's window still."""

_STEP: Final = timedelta(seconds=0.5)
"""A change of wall clock against monotonic clock that is a step, and no measuring noise."""


def _always(_: AlertEvent) -> bool:
    return True


class AlertWatch:
    """A Sink and a TopologySink. Judging takes no time and does no I/O; `run` keeps and delivers the changes.

    `receivers` are notifiers by name; each gets every change, in order, at its own pace. `metric` is
    the gauge of present alerts, with the labels rule, severity, tenant and state in any order.
    `watched` says of an alert of an earlier run whether its topology, node or tenant still exists.
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
        self._clock = clock
        self._engine = AlertEngine(rules)
        self._metric = metric
        self._watched = watched
        self._zero = self._monotonic_zero()
        self._told: set[str] = set()
        self._ended: list[AlertEvent] = []
        self._outbox = Outbox(store, clock, hand_over=self._hand_over, take_up=self._take_up)
        self._deliveries = {
            name: Delivery(name, notifier, clock, self._outbox) for name, notifier in receivers.items()
        }

    async def restore(self) -> None:
        """Take up alerts, messages and counts of earlier runs; await it before the first poll.

        A store that can't be read is logged and counted, and read later. Until then we begin with
        nothing, and what is still wrong is announced again rather than never. What was waiting then comes
        before all that was not tried yet; where a later state of an alert has been told meanwhile, the
        earlier one is not told any more, so that the last word is always the latest.
        """
        await self._outbox.restore()

    @property
    def probe_series(self) -> set[tuple[str, str]]:
        """The (tenant, flow) of the probe alerts whose last results `recall` wants.

        They are those that pend or fire, and those that ended within a day: an alert ends while some of
        its slots are bad, and those count for the next one.
        """
        since = self._clock.now() - _STILL_COUNTS
        events = (*self._engine.active, *(e for e in self._ended if e.since >= since))
        return {(e.tenant, e.flow) for e in events if e.tenant and e.flow}

    def recall(self, results: Iterable[ProbeResult]) -> None:
        """Remember the results of the last slots, so that k of n counts on.

        Call it after `restore` and before the first probe ends.
        """
        self._engine.recall(results)

    async def node_polled(self, state: NodeState) -> None:
        """Judge a poll."""
        self._take(self._engine.node_polled(state, self._now()))

    async def topology_judged(self, state: TopologyState) -> None:
        """Judge a topology."""
        self._take(self._engine.topology_judged(state, self._now()))

    async def probe_ended(self, run: ProbeRun) -> None:
        """Judge a probe."""
        self._take(self._engine.probe_ended(run.result, self._now()))

    async def run(self) -> None:
        """Keep and deliver until cancelled. What waits then is in the store; what is not is logged."""
        try:
            async with anyio.create_task_group() as tasks:
                for delivery in self._deliveries.values():
                    tasks.start_soon(delivery.run)
                await self._outbox.run()
        finally:
            self._outbox.tell_what_is_lost()

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
        return {name: delivery.counts for name, delivery in self._deliveries.items()}

    @property
    def waiting(self) -> dict[str, int]:
        """How many messages each receiver has not taken yet."""
        return {name: delivery.waiting for name, delivery in self._deliveries.items()}

    @property
    def store_errors(self) -> int:
        """How often the store failed since the start."""
        return self._outbox.errors

    def _now(self) -> datetime:
        """Return the wall clock; where it was set, the engine gets to know before it counts by it."""
        step = self._monotonic_zero() - self._zero
        if abs(step) >= _STEP:
            self._zero += step
            self._engine.clock_set(step)
        return self._clock.now()

    def _monotonic_zero(self) -> datetime:
        return self._clock.now() - timedelta(seconds=self._clock.monotonic())

    def _take(self, changes: Iterable[AlertEvent]) -> None:
        events = list(changes)
        # To be kept, and nothing to tell; what has changed since comes after it.
        if named := self._engine.take_named():
            self._outbox.record(named, ())
        for event in filter(announced, events):
            self._told.add(event.fingerprint)
            _log.warning(f"alert.{event.state}", rule=event.rule, cause=event.cause, **event.about)
        if events:
            self._outbox.record(events, messages_about(events, self._deliveries, self._clock.now()))

    def _hand_over(self, message: AlertMessage) -> None:
        self._deliveries[message.receiver].add(message)

    def _take_up(self, earlier: Earlier) -> None:
        by_receiver: dict[str, list[AlertMessage]] = {}
        for message in earlier.waiting:
            by_receiver.setdefault(message.receiver, []).append(message)
        for name, messages in by_receiver.items():
            if name in self._deliveries:
                self._deliveries[name].add_earlier(messages)
            else:
                self._give_up(name, messages)
        for name, delivery in self._deliveries.items():
            delivery.counts.add({outcome: n for (who, outcome), n in earlier.totals.items() if who == name})
        self._ended = [e for e in earlier.alerts if e.flow and e.state is AlertState.RESOLVED]
        # What this run has told already, because the store could not be read before, is newer.
        alerts = [event for event in earlier.alerts if event.fingerprint not in self._told]
        self._take(self._engine.restore(alerts, watched=self._watched, now=self._clock.now()))

    def _give_up(self, receiver: str, messages: Sequence[AlertMessage]) -> None:
        _log.warning("alert.receiver_gone", receiver=receiver, messages=len(messages))
        for message in messages:
            self._outbox.settle(message, MessageState.REFUSED, "the receiver is no longer configured")
