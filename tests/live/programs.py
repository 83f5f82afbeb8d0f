"""Ending the lab's programs the hard way, and starting them again as they were."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.files import read_json
from lab.proc import environment, running
from lab.processes import LabProcesses

_GONE_WITHIN: Final = 5.0
_KEPT: Final = (b"PYTHONPATH=", b"HOME=")


@dataclass(frozen=True, slots=True)
class _Program:
    """How a program was started, and its pid, which is its session as well."""

    name: str
    pid: int
    argv: tuple[str, ...]
    folder: Path
    env: dict[str, str]

    @classmethod
    def of(cls, root: Path, name: str) -> "_Program":
        """Read it from the kernel; it must be running."""
        pid = read_json(root / "run" / f"{name}.json")["pid"]
        assert isinstance(pid, int)
        proc = Path("/proc") / str(pid)
        argv = (proc / "cmdline").read_bytes().decode().rstrip("\0").split("\0")
        pairs = (pair.decode().partition("=") for pair in environment(pid) if pair.startswith(_KEPT))
        return cls(name, pid, tuple(argv), (proc / "cwd").readlink(), {key: value for key, _, value in pairs})


@asynccontextmanager
async def killed(root: Path, names: Sequence[str]) -> AsyncIterator[None]:
    """Have every process of these programs killed (SIGKILL) for the time of the block; then start them again.

    It returns once they are started, not once they answer.
    """
    programs = [_Program.of(root, name) for name in names]
    processes = LabProcesses(root)
    sessions = {program.pid for program in programs}
    for process in running():
        if process.session in sessions:
            process.signal(signal.SIGKILL)
    end = time.monotonic() + _GONE_WITHIN
    while any(process.session in sessions for process in running()):
        assert time.monotonic() < end, f"{names} outlive SIGKILL"
        await asyncio.sleep(0.02)
    try:
        yield
    finally:
        for program in programs:
            processes.start(program.name, program.argv, cwd=program.folder, env=program.env)


@asynccontextmanager
async def stopped(root: Path, name: str) -> AsyncIterator[None]:
    """Have a program ended in order for the time of the block; then start it again."""
    program = _Program.of(root, name)
    processes = LabProcesses(root)
    await asyncio.to_thread(processes.stop, name)
    try:
        yield
    finally:
        processes.start(name, program.argv, cwd=program.folder, env=program.env)
