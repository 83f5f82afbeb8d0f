"""Whether SIPp had its CPU: one that waits for it, or is stopped, says nothing about the platform."""

from pathlib import Path
from typing import Final

from synthetic.sipp.drops import dropped

LATE: Final = 0.1
"""Seconds that a SIPp may have waited for a CPU between two looks at it. As on sippy."""
LOOK: Final = LATE / 2
"""Seconds between two looks. SIPp wakes every millisecond or two, so that on a busy machine harmless waits
add up: between two looks they make half of LATE at most, while one wait beyond LATE shows whole in the look
after it (the kernel counts a wait when it is over)."""
_PROC: Final = Path("/proc")
_RUN_DELAY: Final = 1
"""Column of /proc/PID/schedstat, in nanoseconds (Documentation/scheduler/sched-stats.rst), from 0."""


class Watch:
    """What is seen from outside of a SIPp that runs; to be looked at every LOOK seconds.

    `late` is the longest time in seconds that it could not run between two looks; `lost` counts datagrams
    that its socket had no room for, as of the last `count`.
    """

    def __init__(self, pid: int, port: int, now: float, proc: Path = _PROC) -> None:
        self.lost = 0
        self.late = 0.0
        self._pid = pid
        self._port = port
        self._proc = proc
        self._ran = now
        self._waited = waited(pid, proc)

    def look(self, now: float) -> None:
        """Look whether it could run, at an instant of a monotonic clock: two small files of the kernel's."""
        if stopped(self._pid, self._proc):
            self.late = max(self.late, now - self._ran)
            return
        total = waited(self._pid, self._proc)
        self.late = max(self.late, total - self._waited)
        self._ran, self._waited = now, max(total, self._waited)

    def count(self) -> None:
        """Count what its socket has lost. Blocks for a millisecond: for a thread."""
        self.lost = max(self.lost, dropped(self._port, self._proc / "net"))


def waited(pid: int, proc: Path = _PROC) -> float:
    """Return how many seconds a process has waited for a CPU since it began; 0 where nobody can tell."""
    try:
        columns = (proc / str(pid) / "schedstat").read_text().split()
        return int(columns[_RUN_DELAY]) / 1e9
    except (OSError, IndexError, ValueError):  # it is gone, or the kernel keeps no such count
        return 0.0


def stopped(pid: int, proc: Path = _PROC) -> bool:
    """Say whether a process is stopped by a signal, or by a debugger (proc(5), state T or t)."""
    try:
        return (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except (OSError, IndexError):
        return False
