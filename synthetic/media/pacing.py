"""The beat of all who speak on one event loop: a frame each 20 ms, whoever it is.

They share a few timers, so that a hundred of them cost the loop no more wake-ups than four. A loop that is
late leaves frames out instead of sending them at once: nobody hears the burst, and a bridge would drop it.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakKeyDictionary

import structlog

from synthetic.media.voice import FRAME

PHASES: Final = 4
"""Instants within a frame at which somebody speaks: one each 5 ms."""
_log = structlog.get_logger(__name__)

_READS: Final = 5
"""Who speaks also reads what has come, in each so many frames: the kernel stamps and keeps it."""


class Speaking(Protocol):
    """Somebody on the beat."""

    def frame(self, left_out: int) -> None:
        """It is time for a frame; so many before it were left out."""

    def read(self) -> None:
        """It is time to take what has come."""


class _Phase:
    """One timer, each FRAME from its beginning on, while anybody waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, begins: float) -> None:
        self.members: list[Speaking] = []
        self._loop = loop
        self._due = begins
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._failed: set[Speaking] = set()

    def join(self, member: Speaking) -> None:
        self.members.append(member)
        if self._timer is None:
            behind = max(0.0, self._loop.time() - self._due)
            self._due += (1 + int(behind / FRAME)) * FRAME
            self._timer = self._loop.call_at(self._due, self._tick)

    def leave(self, member: Speaking) -> None:
        self.members.remove(member)
        self._failed.discard(member)
        if not self.members and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        left_out = max(0, int((self._loop.time() - self._due) / FRAME))
        self._due += (left_out + 1) * FRAME
        self._count += 1
        # First, so that whatever happens to a member the others go on.
        self._timer = self._loop.call_at(self._due, self._tick)
        present = tuple(self.members)
        for member in present:
            self._call(member, lambda speaking: speaking.frame(left_out))
        for member in present[self._count % _READS :: _READS]:
            self._call(member, lambda speaking: speaking.read())

    def _call(self, member: Speaking, what: Callable[[Speaking], None]) -> None:
        try:
            what(member)
        except Exception:  # noqa: BLE001 - the others on the beat must not lose their frame
            if member not in self._failed and member in self.members:
                self._failed.add(member)
                _log.exception("media frame failed")


class Pacer:
    """The beat of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        begins = loop.time()
        self._phases = [_Phase(loop, begins + FRAME * number / PHASES) for number in range(PHASES)]

    def join(self, member: Speaking) -> None:
        """Call it from now on, in the phase with the fewest."""
        min(self._phases, key=lambda phase: len(phase.members)).join(member)

    def leave(self, member: Speaking) -> None:
        """Call it no more; whom it does not know is not called anyway."""
        for phase in self._phases:
            if member in phase.members:
                phase.leave(member)


_PACERS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Pacer]] = WeakKeyDictionary()


def pacer() -> Pacer:
    """Return the beat of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _PACERS:
        _PACERS[loop] = Pacer(loop)
    return _PACERS[loop]
