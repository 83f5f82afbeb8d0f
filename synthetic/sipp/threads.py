"""Threads for SIPp's files, apart from everybody else's: a disk that hangs there costs no probe its time."""

from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

AT_ONCE: Final = 40
"""How many may work at a time, in each event loop; who comes later waits."""
_LIMITER: Final[RunVar[anyio.CapacityLimiter]] = RunVar("the limiter of SIPp's threads")

T = TypeVar("T")
Args = TypeVarTuple("Args")


async def in_thread(work: Callable[[*Args], T], *args: *Args) -> T:
    """Do in a thread what blocks; raise what it raises."""
    limiter = _LIMITER.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(AT_ONCE)
        _LIMITER.set(limiter)
    return await anyio.to_thread.run_sync(work, *args, limiter=limiter)
