"""Queues of app_queue per tenant: who waits, who answers, and what became of those who came.

Two sources. QueueStatus (no right is needed) at each poll:
- Completed and Abandoned are app_queue's own counters since its start or the queue's last reset. Completed
  are calls whose talk with an agent has ended; Abandoned are callers who hung up, whose time was up, or who
  were sent away because no agent was left.
- ServicelevelPerf is the share of Completed that was answered within the queue's `servicelevel` seconds: what
  is published as the service level's ratio, and absent before the first one. ServicelevelPerf2, which isn't,
  counts those that gave up that soon as well served: (completed + abandoned, both within) / (both).
- Holdtime and TalkTime are moving averages in whole seconds; each new call weighs a quarter.

Events of class `agent`, from the login on: QueueCallerJoin, AgentConnect, AgentComplete, QueueCallerAbandon,
AgentRingNoAnswer. Their HoldTime is in whole seconds since the caller joined, AgentConnect's after what was
played to the agent; so `answered in time` may be less than app_queue counts.

Whose a queue is, is told by its name alone: app_queue's counters are of calls of before, whoever calls now.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from collectors.asterisk.figures import count, label, ratio, seconds
from collectors.asterisk.level import Scene, tenant_gauge
from collectors.asterisk.parse import is_event
from collectors.asterisk.whose import Whose
from collectors.asterisk.wire import Block
from dialtone.model import (
    UNKNOWN_TENANT,
    CollectError,
    CollectFailure,
    Kind,
    MetricDef,
    MetricScope,
    Sample,
    Spread,
)
from dialtone.ports import TenantLookup

ACTION: Final = "QueueStatus"
ENDS_WITH: Final = "QueueStatusComplete"
EVENTS: Final = frozenset(
    {"QueueCallerJoin", "QueueCallerAbandon", "AgentConnect", "AgentComplete", "AgentRingNoAnswer"}
)

# fmt: off
_SAID: Final = {
    "QueueParams": frozenset({
        "Max", "Strategy", "Calls", "Holdtime", "TalkTime", "Completed", "Abandoned", "ServiceLevel",
        "ServicelevelPerf", "Weight",
    }),
    "QueueMember": frozenset({
        "Name", "Location", "StateInterface", "Membership", "Penalty", "CallsTaken", "LastCall", "InCall",
        "Status", "Paused",
    }),
    "QueueEntry": frozenset({
        "Position", "Channel", "Uniqueid", "CallerIDNum", "CallerIDName", "ConnectedLineNum",
        "ConnectedLineName", "Wait",
    }),
}
# fmt: on
"""What 16 to 22 say in each item: more than fits into a caller's number."""
_NOTHING: Final[frozenset[str]] = frozenset()

MAX_QUEUES: Final = 2_000
"""Queues of a node that have series of their own; the rest of a tenant's are OTHER_QUEUES."""
OTHER_QUEUES: Final = "_other"

AGENTS: Final = ("available", "in-use", "ringing", "paused", "unavailable", "other")
"""What an agent's state is folded to: one who is paused is `paused` whatever the phone does; `other` is a
phone whose state Asterisk doesn't know."""
_AGENT: Final = {
    "1": "available",
    "2": "in-use",
    "3": "in-use",
    "4": "unavailable",
    "5": "unavailable",
    "6": "ringing",
    "7": "in-use",
    "8": "in-use",
}  # include/asterisk/devicestate.h

_LABELS: Final = ("node", "tenant", "reseller", "queue")


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    return tenant_gauge(f"queue_{name}", text, "queue", *labels, unit=unit)


def _counter(name: str, text: str) -> MetricDef:
    name = f"asterisk_tenant_queue_{name}_total"
    return MetricDef(name, Kind.COUNTER, text, _LABELS, MetricScope.TENANT)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> MetricDef:
    name = f"asterisk_tenant_queue_{name}_seconds"
    return MetricDef(name, Kind.HISTOGRAM, text, (*_LABELS, *labels), MetricScope.TENANT, "seconds", buckets)


WAITING: Final = _gauge("waiting", "Callers who wait in the queue")
LONGEST: Final = _gauge(
    "longest_wait_seconds", "Time for which the one who waits longest has waited", unit="seconds"
)
MEMBERS: Final = _gauge("agents", "Agents of the queue by state", "state")
COMPLETED: Final = _counter("completed", "Calls that agents have talked with, as Asterisk counts them")
ABANDONED: Final = _counter("abandoned", "Calls that left the queue unanswered, as Asterisk counts them")
LEVEL_SECONDS: Final = _gauge("service_level_seconds", "Wait that the queue aims at", unit="seconds")
LEVEL_RATIO: Final = _gauge(
    "service_level_ratio", "Share of the completed calls that were answered in that time", unit="ratio"
)
HOLD: Final = _gauge(
    "average_hold_seconds", "Wait of answered calls, Asterisk's moving average", unit="seconds"
)
TALK: Final = _gauge("average_talk_seconds", "Talk with agents, Asterisk's moving average", unit="seconds")
JOINED: Final = _counter("joined", "Callers who were seen to enter the queue")
ANSWERED: Final = _counter("answered", "Calls that agents were seen to answer")
IN_TIME: Final = _counter("answered_in_time", "Of those, the ones answered within the service level")
UNANSWERED: Final = _counter(
    "ring_no_answer", "Times that an agent took no call: rang in vain, busy, congested"
)
WAIT: Final = _histogram(
    "wait",
    "Time that callers waited until an agent answered, or until they left",
    "outcome",
    buckets=(5, 10, 20, 30, 60, 120, 300, 600),
)
TALKED: Final = _histogram(
    "talk", "Time that agents talked with callers", buckets=(15, 30, 60, 120, 300, 600, 1800)
)
OUTCOMES: Final = ("answered", "abandoned")
_HISTOGRAMS: Final = (*((WAIT, (outcome,)) for outcome in OUTCOMES), (TALKED, ()))

METRICS: Final = (
    WAITING,
    LONGEST,
    MEMBERS,
    COMPLETED,
    ABANDONED,
    LEVEL_SECONDS,
    LEVEL_RATIO,
    HOLD,
    TALK,
    JOINED,
    ANSWERED,
    IN_TIME,
    UNANSWERED,
    WAIT,
    TALKED,
)


@dataclass(slots=True)
class Queue:
    """One queue of a tenant, or of `_unknown`, as QueueStatus has it; None is what it didn't tell."""

    domain: str
    waiting: int = 0
    longest: int = 0
    completed: int | None = None
    abandoned: int | None = None
    level: int | None = None
    level_ratio: float | None = None
    hold: int | None = None
    talk: int | None = None
    agents: Counter[str] = field(default_factory=Counter)

    @property
    def ended(self) -> int:
        """Calls that are over, as app_queue counts them."""
        return (self.completed or 0) + (self.abandoned or 0)


def parse(items: Sequence[Block], scene: Scene) -> dict[str, Queue]:
    """Return the queues by name, as label() has it. Raises CollectError where a queue is none.

    A name that comes twice is one queue, of which the last one's numbers are kept. An item that lacks what
    Asterisk says in each is left out: the second half of a waiting caller's, whose number has line breaks.
    """
    queues: dict[str, Queue] = {}
    for item in items:
        name, kind = item.get("Queue", ""), item.get("Event", "")
        if not name or not item.keys() >= _SAID.get(kind, _NOTHING):
            continue
        key = label(name)
        if (queue := queues.get(key)) is None:
            queue = queues[key] = Queue(scene.whose.name(name) or UNKNOWN_TENANT)
        if kind == "QueueParams":
            _take_numbers(queue, item)
        elif kind == "QueueMember":
            paused = item.get("Paused") == "1"
            queue.agents["paused" if paused else _AGENT.get(item.get("Status", ""), "other")] += 1
        elif kind == "QueueEntry":
            queue.longest = max(queue.longest, seconds(item.get("Wait")) or 0)
    if items and not queues:
        raise CollectError(CollectFailure.PROTOCOL, f"{ACTION}: no item that can be read")
    return queues


def _take_numbers(queue: Queue, item: Block) -> None:
    waiting = count(item.get("Calls"))
    if waiting is None:
        raise CollectError(CollectFailure.PROTOCOL, f"{ACTION}: a queue whose Calls is no number")
    queue.waiting = waiting
    queue.completed, queue.abandoned = count(item.get("Completed")), count(item.get("Abandoned"))
    queue.level, queue.hold = seconds(item.get("ServiceLevel")), seconds(item.get("Holdtime")) or None
    queue.level_ratio = queue.talk = None
    if queue.completed:
        queue.level_ratio = ratio(item.get("ServicelevelPerf"))
        queue.hold, queue.talk = seconds(item.get("Holdtime")), seconds(item.get("TalkTime"))


class Queues:
    """The queues of one node: as they were read last, and what events told of them.

    What was counted is kept while both the queue and whose it is stay the same.
    """

    def __init__(self) -> None:
        self.deaf = False
        """Whether the login gets no events of queues: calls have ended that it was told nothing of."""
        self._read: Mapping[str, Queue] = {}
        self._known: dict[str, _Known] = {}
        self._rest: dict[str, _Counts] = {}
        self._folded: dict[str, Queue] = {}
        self._before: Mapping[str, Queue] | None = None
        self._heard = self._missed = False

    def connected(self) -> None:
        """Say that events come by a new connection, so that what was read before tells nothing of them."""
        self._before = None
        self._heard = self._missed = self.deaf = False

    def hear(self, event: Block, whose: Whose) -> None:
        """Count an event of EVENTS. Never raises."""
        name = event.get("Queue", "")
        if not name or event.get("Event") not in EVENTS or not is_event(event):
            return
        self._heard, self.deaf = True, False
        key, domain = label(name), whose.name(name) or UNKNOWN_TENANT
        known = self._place(key, domain)
        counts = self._rest_of(domain) if known is None else known.counts
        queue = self._read.get(key)
        counts.hear(event, None if queue is None else queue.level)

    def take(self, read: Mapping[str, Queue]) -> None:
        """Take what parse() made of a list: queues that are not in it are gone."""
        self._listen(read)
        self._read = read
        for name in [name for name in self._known if name not in read]:
            del self._known[name]
        self._folded = {}
        for name, queue in read.items():
            if self._place(name, queue.domain) is None:
                _fold(self._folded.setdefault(queue.domain, Queue(queue.domain)), queue)
        for domain in self._folded:
            self._rest_of(domain)

    def withdraw(self) -> None:
        """Show no queue's state until there is something new; what was counted stays."""
        self._read = {}
        self._folded = {}

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these; their queues are nobody's until they are known again."""
        kept = {*domains, UNKNOWN_TENANT}
        for name, known in self._known.items():
            if known.domain not in kept:
                self._known[name] = _Known(UNKNOWN_TENANT)
        self._folded = {domain: queue for domain, queue in self._folded.items() if domain in kept}
        self._rest = {domain: counts for domain, counts in self._rest.items() if domain in kept}

    def samples(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the queues' states, and what was counted."""
        for name, known in self._known.items():
            whose = (node, known.domain, tenants.reseller(known.domain), name)
            if (queue := self._read.get(name)) is not None:
                yield from _now(queue, whose, at)
                yield from _own(queue, whose, at)
            yield from known.counts.samples(whose, at)
        for domain, queue in self._folded.items():
            yield from _now(queue, (node, domain, tenants.reseller(domain), OTHER_QUEUES), at)
        for domain, counts in self._rest.items():
            yield from counts.samples((node, domain, tenants.reseller(domain), OTHER_QUEUES), at)

    def spreads(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Spread]:
        """Yield the histograms."""
        for name, known in self._known.items():
            yield from known.counts.spreads((node, known.domain, tenants.reseller(known.domain), name), at)
        for domain, counts in self._rest.items():
            yield from counts.spreads((node, domain, tenants.reseller(domain), OTHER_QUEUES), at)

    def _listen(self, read: Mapping[str, Queue]) -> None:
        """Find out whether events come at all: a call that has ended makes one, and raises a counter.

        One that a list was faster than has come by the next list.
        """
        if self._heard:
            return
        self.deaf = self.deaf or self._missed
        if (before := self._before) is not None:
            self._missed = any(
                name in before and queue.ended > before[name].ended for name, queue in read.items()
            )
        self._before = read

    def _place(self, name: str, domain: str) -> "_Known | None":
        """Return what is known of a queue of a tenant, None for one too many."""
        known = self._known.get(name)
        if known is None and (len(self._known) >= MAX_QUEUES or name == OTHER_QUEUES):
            return None
        if known is None or known.domain != domain:
            known = self._known[name] = _Known(domain)
        return known

    def _rest_of(self, domain: str) -> "_Counts":
        """Return what was counted of a tenant's queues that have no series of their own."""
        if (counts := self._rest.get(domain)) is None:
            counts = self._rest[domain] = _Counts()
        return counts


class _Counts:
    """What events told of one queue, or of all of a tenant's that have no series of their own.

    As tally.py has it, all is 0 the first time that it is shown. There are thousands of these, and most have
    heard of little: a histogram is made with its first value.
    """

    __slots__ = ("_answered", "_counted", "_histograms", "_in_time", "_joined", "_spread", "_unanswered")

    def __init__(self) -> None:
        self._counted = self._spread = False
        self._joined = self._answered = self._in_time = self._unanswered = 0
        self._histograms: dict[tuple[str, ...], tuple[list[int], int]] = {}

    def hear(self, event: Block, level: int | None) -> None:
        """Count an event; `level` is the wait that the queue aims at, where it is known."""
        wait = seconds(event.get("HoldTime"))
        match event.get("Event"):
            case "QueueCallerJoin":
                self._joined += 1
            case "QueueCallerAbandon":
                self._observe(WAIT, wait, "abandoned")
            case "AgentConnect":
                self._answered += 1
                self._observe(WAIT, wait, "answered")
                if wait is not None and level is not None and wait <= level:
                    self._in_time += 1
            case "AgentComplete":
                self._observe(TALKED, seconds(event.get("TalkTime")))
            case "AgentRingNoAnswer":
                self._unanswered += 1

    def _observe(self, metric: MetricDef, value: int | None, *labels: str) -> None:
        if value is not None:
            key = (metric.name, *labels)
            counts, total = self._histograms.get(key) or ([0] * (len(metric.buckets) + 1), 0)
            counts[bisect_left(metric.buckets, value)] += 1
            self._histograms[key] = counts, total + value

    def samples(self, whose: tuple[str, ...], at: datetime) -> Iterator[Sample]:
        counted, self._counted = self._counted, True
        for metric, number in (
            (JOINED, self._joined),
            (ANSWERED, self._answered),
            (IN_TIME, self._in_time),
            (UNANSWERED, self._unanswered),
        ):
            yield metric.sample(*whose, value=number if counted else 0, at=at)

    def spreads(self, whose: tuple[str, ...], at: datetime) -> Iterator[Spread]:
        histograms, self._spread = self._histograms if self._spread else {}, True
        for metric, labels in _HISTOGRAMS:
            counts, total = histograms.get((metric.name, *labels), ((0,) * (len(metric.buckets) + 1), 0))
            yield metric.spread(*whose, *labels, counts=tuple(counts), total=total, at=at)


@dataclass(slots=True)
class _Known:
    """Whose a queue is, and what was counted of it for them."""

    domain: str
    counts: _Counts = field(default_factory=_Counts)


def _fold(into: Queue, queue: Queue) -> None:
    into.waiting += queue.waiting
    into.longest = max(into.longest, queue.longest)
    into.agents += queue.agents


def _now(queue: Queue, whose: tuple[str, ...], at: datetime) -> Iterator[Sample]:
    yield WAITING.sample(*whose, value=queue.waiting, at=at)
    yield LONGEST.sample(*whose, value=queue.longest, at=at)
    for state in AGENTS:
        yield MEMBERS.sample(*whose, state, value=queue.agents[state], at=at)


def _own(queue: Queue, whose: tuple[str, ...], at: datetime) -> Iterator[Sample]:
    """Yield what has no meaning for several queues together: averages, and counters that fall one by one."""
    own = (
        (COMPLETED, queue.completed),
        (ABANDONED, queue.abandoned),
        (LEVEL_SECONDS, queue.level),
        (LEVEL_RATIO, queue.level_ratio),
        (HOLD, queue.hold),
        (TALK, queue.talk),
    )
    for metric, value in own:
        if value is not None:
            yield metric.sample(*whose, value=value, at=at)
