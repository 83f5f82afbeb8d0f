"""What the kernel says about processes (Linux, proc(5))."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_DEAD: Final = "ZX"


@dataclass(frozen=True, slots=True)
class Process:
    """A process that can't be mistaken for another: `started` is in clock ticks since boot.

    The kernel gives a pid again once it is free, but never with the same start.
    """

    pid: int
    started: int
    session: int
    state: str = field(compare=False)

    @property
    def runs(self) -> bool:
        """Whether it is more than a zombie that its parent hasn't fetched yet."""
        return self.state not in _DEAD

    def signal(self, number: int) -> None:
        """Send a signal, unless it is gone by now."""
        now = look_up(self.pid)
        if now is not None and now.started == self.started:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def look_up(pid: int) -> Process | None:
    """Return what runs, or lies as a zombie, under that pid; None where there is nothing."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # "pid (name) state ppid pgrp session ...": the name may hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    return Process(pid, started=int(fields[19]), session=int(fields[3]), state=fields[0])


def running() -> Iterator[Process]:
    """Yield every process that runs now."""
    for entry in _PROC.iterdir():
        if entry.name.isdecimal() and (process := look_up(int(entry.name))) is not None and process.runs:
            yield process


def environment(pid: int) -> frozenset[bytes]:
    """Return the NAME=value pairs that a process was started with; empty where they may not be read."""
    try:
        return frozenset((_PROC / str(pid) / "environ").read_bytes().split(b"\0"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return frozenset()
