"""Two processes with an end each of the same calls: what the calls cost either, and what came of them."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import anyio

from benchmarks.media.ends import End
from dialtone.runtime.child import ChildError, ChildProcess
from dialtone.runtime.clock import SystemClock
from synthetic.media.voice import FRAME

_ANSWERS: Final = 30.0
_WARM: Final = 2.0
"""Seconds of talk before the CPU counts."""
_ON_ITS_WAY: Final = 0.5


class PairError(Exception):
    """The processes did not do their part. The message says which and why."""


@dataclass(frozen=True, slots=True)
class Side:
    """One process. `share` is the part of a core that it took while all its ends talked; `dropped` are
    datagrams that the kernel had no room for, and `more` is what else the process tells.
    """

    share: float
    ends: Sequence[End]
    dropped: int
    more: dict[str, Any]

    @property
    def sent(self) -> int:
        """Packets that its ends sent."""
        return sum(end.sent for end in self.ends)

    @property
    def received(self) -> int:
        """Packets that came to its ends."""
        return sum(end.received for end in self.ends)


@dataclass(frozen=True, slots=True)
class Pair:
    """The calls of one kind: `near` is the process whose CPU is asked for. `talked` is for how many seconds
    the last end to begin has talked, at least.
    """

    who: str
    near: Side
    far: Side
    talked: float

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return len(self.near.ends)

    @property
    def cost(self) -> float:
        """The share of a core that one two-way stream takes: 50 packets a second sent, 50 received."""
        return self.near.share / self.calls

    @property
    def lost(self) -> int:
        """Packets that an end sent and its partner did not get, end by end."""
        ways = (
            *zip(self.near.ends, self.far.ends, strict=True),
            *zip(self.far.ends, self.near.ends, strict=True),
        )
        return sum(max(0, speaker.sent - listener.received) for speaker, listener in ways)

    @property
    def unsent(self) -> int:
        """Packets that were due, one every FRAME, and that their speaker never sent."""
        due = int(self.talked / FRAME)
        return sum(max(0, due - end.sent) for end in (*self.near.ends, *self.far.ends))


async def talk(who: str, near: str, far: str, calls: int, seconds: float) -> Pair:
    """Have so many calls between two modules of ends; all that is said was said after they had warmed up.

    Raises PairError.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        sides = [
            await stack.enter_async_context(ChildProcess(module, clock=clock, grace=_ANSWERS))
            for module in (near, far)
        ]
        try:
            ports = [(await _ask(side, "open", calls))["ports"] for side in sides]
            await _ask(sides[1], "talk", ports[0])
            await _ask(sides[0], "talk", ports[1])
            began = clock.monotonic()
            await anyio.sleep(_WARM)
            before = [await _ask(side, "spent") for side in sides]
            await anyio.sleep(seconds)
            after = [await _ask(side, "spent") for side in sides]
            talked = clock.monotonic() - began
            for side in sides:
                await _ask(side, "hush")
            await anyio.sleep(_ON_ITS_WAY)
            heard = [await _ask(side, "heard") for side in sides]
        except ChildError as error:
            said = f"{who}: {error}"
        else:
            said = ""
    if said:
        raise PairError(said)
    shares = [
        (late["cpu"] - early["cpu"]) / (late["at"] - early["at"])
        for early, late in zip(before, after, strict=True)
    ]
    return Pair(who, _side(shares[0], heard[0]), _side(shares[1], heard[1]), talked)


async def _ask(side: ChildProcess, what: str, value: object = True) -> dict[str, Any]:
    return await side.request({what: value}, timeout=_ANSWERS)


def _side(share: float, heard: dict[str, Any]) -> Side:
    ends = [End(**end) for end in heard.pop("ends")]
    return Side(share, ends, heard.pop("dropped"), heard)
