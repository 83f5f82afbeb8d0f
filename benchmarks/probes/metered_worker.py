"""The sippy worker with its signalling metered, for `cpu`: `python -m benchmarks.probes.metered_worker`.

It tells, as it goes, how much CPU its SIP side has taken: sockets set up and closed, messages read, parsed,
made, written and sent, transactions, digests and SIP's timers. What is left of the worker's CPU is the event
loop and its tasks, the flow's own steps, phones and media ports, JSON, evidence, and garbage.
"""

import asyncio
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

from synthetic.agents import worker
from synthetic.agents.adapter import Timer
from synthetic.agents.dialog import Dialog
from synthetic.agents.digest import DigestAnswers
from synthetic.agents.forks import PhoneTransactions
from synthetic.agents.line import Line
from synthetic.agents.received import ReceivedCall
from synthetic.agents.transport import UdpEndpoint

_FILE: Final = "dialtone-signalling-{}"
_SECONDS: Final = struct.Struct("d")
_METERED: Final = (
    (UdpEndpoint, ("_readable",)),
    (PhoneTransactions, ("__init__", "newTransaction", "cancelTransaction", "sendResponse", "shutdown")),
    (Line, ("request",)),
    (Dialog, ("request",)),
    (DigestAnswers, ("answer",)),
    (ReceivedCall, ("_respond",)),
    (Timer, ("_fire",)),
)
"""Where the SIP side is entered from the loop, and from the flows; what these call belongs to them."""


def signalling(folder: Path, pid: int) -> float:
    """Return the CPU seconds of a worker's SIP side up to now; its temporary files are in that folder.

    Raises OSError.
    """
    (seconds,) = _SECONDS.unpack((folder / _FILE.format(pid)).read_bytes())
    return float(seconds)


class _Meter:
    """Adds up the thread's CPU inside metered functions, the outermost alone, in a file of this process."""

    def __init__(self) -> None:
        path = Path(tempfile.gettempdir()) / _FILE.format(os.getpid())
        path.write_bytes(_SECONDS.pack(0.0))
        with path.open("r+b") as file:
            self._told = mmap.mmap(file.fileno(), _SECONDS.size)
        self._sum = 0.0
        self._inside = False

    def metered(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same."""

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            if self._inside:
                return function(*arguments, **named)
            self._inside = True
            began = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                self._sum += time.thread_time() - began
                self._inside = False
                _SECONDS.pack_into(self._told, 0, self._sum)

        return call


def main() -> None:
    """Serve as the worker does."""
    meter = _Meter()
    for owner, names in _METERED:
        for name in names:
            setattr(owner, name, meter.metered(getattr(owner, name)))
    asyncio.run(worker.main())


if __name__ == "__main__":
    main()
