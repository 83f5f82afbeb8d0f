"""Events of one Asterisk: given to all that count them, and kept back while a thread reads the counts."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import anyio
import anyio.lowlevel

from collectors.asterisk import queues, rtp, tracker, transfers
from collectors.asterisk.parts import Parts
from collectors.asterisk.rtp import RtpQuality
from collectors.asterisk.tracker import Tracker
from collectors.asterisk.transfers import Transfers
from collectors.asterisk.whose import Whose
from collectors.asterisk.wire import Block
from dialtone.ports import Clock

EVENTS: Final = rtp.EVENTS | transfers.EVENTS | queues.EVENTS | tracker.EVENTS
"""All events that are counted: what an eventfilter of manager.conf has to let pass."""

MAX_HELD: Final = 20_000
"""Events kept back at most; a thread is done in some 50 ms, in which a server sends a few thousand."""
_SLICE: Final = 500
"""Events given at once of those kept back: some 10 ms."""

T = TypeVar("T")
Take = Callable[[Block, float], None]


class Events:
    """Hands each event to whom it concerns, with the moment at which it came."""

    def __init__(
        self,
        clock: Clock,
        whose: Whose,
        calls: Tracker,
        transferred: Transfers,
        media: RtpQuality,
        parts: Parts,
    ) -> None:
        self.count = 0
        """How many have come."""
        self.lost = 0
        """How many were thrown away because too many were kept back."""
        self._clock = clock
        # Whose a leg was is asked before its end is taken in: the tracker is the last.
        takers: Sequence[tuple[frozenset[str], Take]] = (
            (rtp.EVENTS, media.hear),
            (transfers.EVENTS, lambda event, _: transferred.hear(event)),
            (queues.EVENTS, lambda event, _: parts.hear(event, whose)),
            (tracker.EVENTS, calls.hear),
        )
        self._takers = {name: tuple(take for names, take in takers if name in names) for name in EVENTS}
        self._waiting: deque[tuple[Block, float]] | None = None

    def hear(self, event: Block) -> None:
        """Take in an event, now or when the thread is done."""
        self.count += 1
        now = self._clock.monotonic()
        if self._waiting is None:
            self._give(event, now)
        elif len(self._waiting) < MAX_HELD:
            self._waiting.append((event, now))
        else:
            self.lost += 1

    def _give(self, event: Block, now: float) -> None:
        for take in self._takers.get(event.get("Event", ""), ()):
            take(event, now)

    async def apart(self, work: Callable[[], T]) -> T:
        """Do work in a thread that reads or changes what events change; meanwhile they wait.

        A caller whose cancel scope is cancelled waits for the thread all the same, so that it doesn't go on
        beside the events.
        """
        self._waiting = deque()
        try:
            found = await anyio.to_thread.run_sync(work)
            while len(self._waiting) > _SLICE:
                self._give_waiting(_SLICE)
                await anyio.lowlevel.checkpoint()
            return found
        finally:
            self._give_waiting(MAX_HELD)
            self._waiting = None

    def _give_waiting(self, most: int) -> None:
        waiting = self._waiting
        while waiting and most:
            self._give(*waiting.popleft())
            most -= 1
