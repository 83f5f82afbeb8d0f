"""Brings messages to one receiver: in order, tried again while it can help, never in anybody's way."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Final

import anyio
import structlog

from alerts.outbox import Outbox
from dialtone.model import AlertMessage, MessageState
from dialtone.ports import Clock, DeliveryError, Notifier
from dialtone.runtime.deadline import within

_log = structlog.get_logger(__name__)

FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 300.0
LONGEST_ASKED: Final = 3600.0
SEND_DEADLINE: Final = 10.0
"""Seconds: the first and the longest pause before the next try, the longest that a receiver may ask for,
and what one try may take at most."""

LIMIT: Final = 50_000
"""How many messages may wait for a receiver, in memory and in the store: some 100 MB.

A platform of 10,000 tenants that fails with five probes each is told of whole.
"""


class AskedToWaitError(DeliveryError):
    """A message was not taken, and the receiver said in how many seconds to come again."""

    def __init__(self, detail: str, *, seconds: float) -> None:
        super().__init__(detail, permanent=False)
        self.seconds = seconds


@dataclass(slots=True)
class DeliveryCounts:
    """What ever became of a receiver's messages; goes on after a restart.

    `delivered` were taken, `failed` are tries that will be repeated, `refused` were given up because
    trying again can't help, `dropped` had no room any more, or a later message had overtaken them.
    """

    delivered: int = 0
    failed: int = 0
    refused: int = 0
    dropped: int = 0

    def add(self, earlier: Mapping[str, int]) -> None:
        """Add what earlier runs had counted, by outcome."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + earlier.get(field.name, 0))


class Delivery:
    """One receiver's queue and the task that empties it.

    One message is under way at a time. One that can't be delivered holds back those behind it, so that
    "resolved" never overtakes "firing"; at `limit` waiting messages the oldest of them gives way. The
    outbox is told what becomes of each, and the next is sent only when the store has that, so that a
    crash repeats no more than one; while the store fails nobody waits for it.
    """

    def __init__(
        self, name: str, notifier: Notifier, clock: Clock, outbox: Outbox, *, limit: int = LIMIT
    ) -> None:
        self.name = name
        self.counts = DeliveryCounts()
        self._notifier = notifier
        self._clock = clock
        self._outbox = outbox
        self._limit = limit
        self._queue: deque[AlertMessage] = deque()
        self._filled = anyio.Event()
        self._told: dict[str, datetime] = {}
        self._failing = False
        self._full = False
        self._under_way = False

    @property
    def waiting(self) -> int:
        """How many messages have not been delivered yet."""
        return len(self._queue) + self._under_way

    def add(self, message: AlertMessage) -> None:
        """Queue one message; returns at once."""
        self._queue.append(message)
        self._filled.set()
        self._make_room()

    def add_earlier(self, messages: Iterable[AlertMessage]) -> None:
        """Queue messages of an earlier run, in order, before every one that was not tried yet.

        Where a later state of the same alert has been told already, because they could not be read
        before it, theirs is left out: it would say what is no longer so.
        """
        current = []
        for message in messages:
            events = tuple(e for e in message.events if e.since >= self._told.get(e.fingerprint, e.since))
            if events:
                current.append(replace(message, events=events))
            else:
                self._drop(message, "a later message overtook it while the store could not be read")
        self._queue.extendleft(reversed(current))
        self._filled.set()
        self._make_room()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._filled = anyio.Event()
            while self._queue:
                self._under_way = True
                await self._deliver(self._queue.popleft())
                self._under_way = False
            self._full = False
            await self._filled.wait()

    async def _deliver(self, message: AlertMessage) -> None:
        self._told |= {event.fingerprint: event.since for event in message.events}
        wait = FIRST_WAIT
        while (problem := await self._try(message)) is not None:
            if problem.permanent:
                _log.error("alert.refused", receiver=self.name, why=str(problem), alerts=_names(message))
                await self._end(message, MessageState.REFUSED, str(problem))
                self.counts.refused += 1
                return
            self.counts.failed += 1
            self._outbox.tried(message, str(problem))
            self._failed(problem)
            asked = problem.seconds if isinstance(problem, AskedToWaitError) else 0.0
            await self._clock.sleep(max(wait, min(asked, LONGEST_ASKED)))
            wait = min(2 * wait, LONGEST_WAIT)
        self._recovered()
        await self._end(message, MessageState.DELIVERED)
        # Not before the store has it, or the counter would fall where we die in between.
        self.counts.delivered += 1

    async def _end(self, message: AlertMessage, state: MessageState, why: str = "") -> None:
        self._outbox.settle(message, state, why)
        await self._outbox.written(message)

    async def _try(self, message: AlertMessage) -> DeliveryError | None:
        """Send once; return what went wrong, or None."""
        try:
            await within(self._clock, SEND_DEADLINE, lambda: self._notifier.send(message))
        except DeliveryError as error:
            return error
        except TimeoutError as error:
            return DeliveryError(str(error), permanent=False)
        except Exception as error:  # noqa: BLE001 - the edge of the task: a notifier's bug must not end the others
            # The type alone: the text could hold the receiver's address, which may be a secret.
            return DeliveryError(f"the notifier broke ({type(error).__name__})", permanent=True)
        return None

    def _make_room(self) -> None:
        while len(self._queue) > self._limit:
            if not self._full:
                _log.error("alert.no_room", receiver=self.name, limit=self._limit)
            self._full = True
            self._drop(self._queue.popleft(), f"{self._limit} later ones were waiting")

    def _drop(self, message: AlertMessage, why: str) -> None:
        self.counts.dropped += 1
        self._outbox.settle(message, MessageState.DROPPED, why)

    def _failed(self, problem: DeliveryError) -> None:
        if not self._failing:
            _log.warning("alert.delivery_failing", receiver=self.name, why=str(problem))
        self._failing = True

    def _recovered(self) -> None:
        if self._failing:
            _log.info("alert.delivery_recovered", receiver=self.name, waiting=len(self._queue))
        self._failing = False


def _names(message: AlertMessage) -> list[str]:
    return [f"{event.rule}/{event.fingerprint}" for event in message.events]
