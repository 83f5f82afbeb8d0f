"""What processes hold and use: memory, descriptors, sockets, threads, CPU (proc(5))."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_ANONYMOUS: Final = re.compile(r"^Anonymous:\s+([0-9]+) kB", re.MULTILINE)
_THREADS: Final = re.compile(r"^Threads:\s+([0-9]+)", re.MULTILINE)

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TIMES: Final = slice(11, 15)
"""Where a process's stat has its user and system time, and those of its children that have ended."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a tree of processes held at one moment; `memory` is what is its own, in bytes: anonymous
    pages. Programs and libraries are left out, whose share changes with what else runs on the machine.

    `pids` are the processes: the first is the root.
    """

    at: float
    pids: tuple[int, ...]
    memory: int
    descriptors: int
    sockets: int
    threads: int


def holding(root: int, at: float) -> Holding:
    """Look at a process and its descendants; one that ends meanwhile counts for nothing."""
    pids = tuple(_tree(root))
    memory = descriptors = sockets = threads = 0
    for pid in pids:
        with suppress(OSError):
            memory += 1024 * sum(
                map(int, _ANONYMOUS.findall((_PROC / str(pid) / "smaps_rollup").read_text()))
            )
            threads += sum(map(int, _THREADS.findall((_PROC / str(pid) / "status").read_text())))
            held = list(_descriptors(pid))
            descriptors += len(held)
            sockets += sum(target.startswith("socket:") for target in held)
    return Holding(at, pids, memory, descriptors, sockets, threads)


def resident(root: int) -> int:
    """Return the bytes that a process and its descendants have in memory (RSS), shared ones in each."""
    return sum(map(_resident, _tree(root)))


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def cpu(pids: Iterable[int]) -> float:
    """Return the CPU seconds that these processes took up to now, with their children that have ended."""
    return sum(map(_cpu, pids))


def cpu_of_all() -> float:
    """Return the CPU seconds that everything on this machine took since it started, idling apart."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return _TICK * (user + nice + system + irq + softirq)


def _cpu(pid: int) -> float:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return _TICK * sum(map(int, fields[_TIMES]))


def _resident(pid: int) -> int:
    try:
        return _PAGE * int((_PROC / str(pid) / "statm").read_text().split()[1])
    except OSError:
        return 0


def _tree(root: int) -> Iterator[int]:
    yield root
    with suppress(OSError):
        for task in (_PROC / str(root) / "task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def _descriptors(pid: int) -> Iterator[str]:
    for link in (_PROC / str(pid) / "fd").iterdir():
        with suppress(OSError):
            yield str(link.readlink())
