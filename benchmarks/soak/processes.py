"""What a process and all it has started hold: memory, descriptors, sockets, threads (proc(5))."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_PSS: Final = re.compile(r"^Pss:\s+([0-9]+) kB", re.MULTILINE)
_THREADS: Final = re.compile(r"^Threads:\s+([0-9]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a tree of processes held at one moment; `memory` is its proportional set size, in bytes.

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
            memory += 1024 * sum(map(int, _PSS.findall((_PROC / str(pid) / "smaps_rollup").read_text())))
            threads += sum(map(int, _THREADS.findall((_PROC / str(pid) / "status").read_text())))
            held = list(_descriptors(pid))
            descriptors += len(held)
            sockets += sum(target.startswith("socket:") for target in held)
    return Holding(at, pids, memory, descriptors, sockets, threads)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


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
