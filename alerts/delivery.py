"""Brings messages to one receiver: in order, tried again while it can help, never in anybody's way."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import structlog

from dialtone.model import AlertEvent
from dialtone.ports import Clock, DeliveryError, Notifier

_log = structlog.get_logger(__name__)

FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 300.0
SEND_DEADLINE: Final = 10.0
"""Seconds: the first and the longest pause before the next try, and what one try may take at most."""


@dataclass(slots=True)
class DeliveryCounts:
    """What became of a receiver's messages since the start.

    `delivered` were taken, `failed` are tries that will be repeated, `refused` were given up because
    trying again can't help, `dropped` fell out of a full queue.
    """

    delivered: int = 0
    failed: int = 0
    refused: int = 0
    dropped: int = 0


class Delivery:
    """One receiver's queue and the task that empties it.

    A message that can't be delivered holds back those behind it, so that "resolved" never overtakes
    "firing"; at `limit` waiting messages the oldest gives way.
    """

    def __init__(self, name: str, notifier: Notifier, clock: Clock, *, limit: int = 1000) -> None:
        self.name = name
        self.counts = DeliveryCounts()
        self._notifier = notifier
        self._clock = clock
        self._limit = limit
        self._queue: deque[Sequence[AlertEvent]] = deque()
        self._filled = anyio.Event()
        self._failing = False
        self._under_way = False

    @property
    def waiting(self) -> int:
        """How many messages have not been delivered yet."""
        return len(self._queue) + self._under_way

    def add(self, events: Sequence[AlertEvent]) -> None:
        """Queue one message; returns at once."""
        if len(self._queue) >= self._limit:
            self._queue.popleft()
            self.counts.dropped += 1
        self._queue.append(tuple(events))
        self._filled.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            while self._queue:
                self._under_way = True
                await self._deliver(self._queue.popleft())
                self._under_way = False
            self._filled = anyio.Event()
            await self._filled.wait()

    async def _deliver(self, events: Sequence[AlertEvent]) -> None:
        wait = FIRST_WAIT
        while True:
            problem = await self._try(events)
            if problem is None:
                self.counts.delivered += 1
                self._recovered()
                return
            if problem.permanent:
                self.counts.refused += 1
                _log.error("alert.refused", receiver=self.name, why=str(problem), alerts=_names(events))
                return
            self.counts.failed += 1
            self._failed(problem)
            await self._clock.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def _try(self, events: Sequence[AlertEvent]) -> DeliveryError | None:
        """Send once; return what went wrong, or None."""
        try:
            with anyio.fail_after(SEND_DEADLINE):
                await self._notifier.send(events)
        except DeliveryError as error:
            return error
        except TimeoutError:
            return DeliveryError(f"not done within {SEND_DEADLINE:g} s", permanent=False)
        except Exception as error:  # noqa: BLE001 - the edge of the task: a notifier's bug must not end the others
            # The type alone: the text could hold the receiver's address, which may be a secret.
            return DeliveryError(f"the notifier broke ({type(error).__name__})", permanent=True)
        return None

    def _failed(self, problem: DeliveryError) -> None:
        if not self._failing:
            _log.warning("alert.delivery_failing", receiver=self.name, why=str(problem))
        self._failing = True

    def _recovered(self) -> None:
        if self._failing:
            _log.info("alert.delivery_recovered", receiver=self.name, waiting=self.waiting)
        self._failing = False


def _names(events: Sequence[AlertEvent]) -> list[str]:
    return [f"{event.rule}/{event.fingerprint}" for event in events]
