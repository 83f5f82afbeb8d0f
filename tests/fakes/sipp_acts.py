"""A SIPp that runs, as a probe sees it from outside: looked at, it shows one state after the other."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

from sipp_flows.roles import Cue, Note
from synthetic.sipp.run import Traced
from synthetic.sipp.stage import Act

T = TypeVar("T")


class SeenAct:
    """Shows each trace in turn, then the last for ever; `cued` are its cues, each with the looks so far."""

    def __init__(self, *traces: Sequence[Traced], notes: Sequence[Note] = ()) -> None:
        self.cued: list[tuple[Cue, int]] = []
        self._traces = traces
        self._notes = notes
        self._looks = 0

    @property
    def act(self) -> Act:
        """What stands in for the real one."""
        return cast("Act", self)

    async def messages(self) -> tuple[Traced, ...]:
        """Return the trace of this look."""
        self._looks += 1
        return tuple(self._traces[min(self._looks, len(self._traces)) - 1])

    async def count(self, note: Note) -> int:
        """Return how often it has noted that."""
        return list(self._notes).count(note)

    async def until(self, within: float, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """Look as often as there are traces."""
        for _ in self._traces:
            if (found := await look()) is not None:
                return found
        return None

    async def cue(self, cue: Cue) -> None:
        """Remember a cue."""
        self.cued.append((cue, self._looks))
