"""One end of many calls, in a process of its own that does what it is told: its CPU is that of the media.

Requests, one key each: `open` so many ends, which answers their UDP ports; `talk` to these ports, from then
on; `spent` tells the CPU seconds of the process up to now, and when that was; `hush`; `heard` says what came
of each end, and how many datagrams the kernel has dropped of all.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import anyio

from dialtone.runtime import garbage
from dialtone.runtime.childside import serve_requests
from synthetic.media.voice import FRAME

HOST: Final = "127.0.0.1"
_SEED: Final = 3550
_UDP: Final = Path("/proc/net/udp")
_LOCAL, _DROPS = 1, 12
"""The columns of a socket's own address and port, and of what was dropped of it for want of room."""


@dataclass(frozen=True, slots=True)
class End:
    """What one end sent and got, in packets; `jitter` in seconds and `mos` are None where nobody tells."""

    sent: int
    received: int
    jitter: float | None = None
    found: str = ""


class Ends(Protocol):
    """Ends of one kind."""

    def open(self, count: int) -> list[int]:
        """Bind so many ends on HOST; return their ports."""

    def talk(self, number: int, port: int) -> None:
        """Have one end speak and listen, to and from a port of HOST."""

    def hush(self) -> None:
        """Have all ends say no more."""

    def ends(self) -> list[End]:
        """Return what came of each."""

    def more(self) -> Mapping[str, object]:
        """Return what else is known, by name."""


async def serve(ends: Ends) -> None:
    """Do as told until the parent goes."""
    garbage.settle()
    ports: list[int] = []

    async def handle(request: Mapping[str, Any]) -> dict[str, object]:
        if "open" in request:
            ports.extend(ends.open(int(request["open"])))
            return {"ports": ports}
        if "talk" in request:
            await _begin(ends, request["talk"])
        elif "spent" in request:
            return {"cpu": time.process_time(), "at": time.monotonic()}
        elif "hush" in request:
            ends.hush()
        elif "heard" in request:
            said = [asdict(end) for end in ends.ends()]
            return {"ends": said, "dropped": dropped(_UDP.read_text(), ports), **ends.more()}
        return {}

    await serve_requests(handle)


async def _begin(ends: Ends, ports: Sequence[int]) -> None:
    """Begin at instants drawn over one frame, as calls do that know nothing of each other."""
    drawn = random.Random(_SEED)  # noqa: S311 - no secret
    began = time.monotonic()
    for number, due in enumerate(sorted(drawn.uniform(0, FRAME) for _ in ports)):
        await anyio.sleep(max(0.0, began + due - time.monotonic()))
        ends.talk(number, int(ports[number]))


def dropped(table: str, ports: Sequence[int]) -> int:
    """Return how many datagrams the kernel dropped of these UDP sockets, from its table (proc(5))."""
    wanted = set(ports)
    rows = [line.split() for line in table.splitlines()[1:]]
    return sum(int(row[_DROPS]) for row in rows if int(row[_LOCAL].rpartition(":")[2], 16) in wanted)
