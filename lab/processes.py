"""Programs that outlive the command which started them, and end when they are told."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lab.base import LabError
from lab.files import read_json, write_json
from lab.proc import Process, environment, look_up, running

_MARK: Final = "DIALTONE_LAB"
_PAUSE: Final = 0.02
_KILLED: Final = 5.0
"""Seconds for the kernel to clear away a process after SIGKILL."""
_TAIL_BYTES: Final = 65_536


def mark(root: Path) -> dict[str, str]:
    """Return the environment variable that makes a process one of the lab's in this folder."""
    return {_MARK: str(root)}


def python_path() -> str:
    """Return a PYTHONPATH on which a process of its own finds this package, installed or not."""
    ours = str(Path(__file__).parent.parent)
    return os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))


class _Child(subprocess.Popen[bytes]):
    """A child that is meant to be left behind: letting go of it is no mistake to warn of."""

    def __del__(self) -> None:
        """Say nothing; its pid is on disk."""


class LabProcesses:
    """The programs of one lab; implements lab.base.Processes.

    Each runs in a session of its own and carries the lab's folder in its environment. Both are
    inherited, so that what a program started itself is found and ended too, even if the program
    died first, and even if this lab's files were lost.
    """

    def __init__(self, root: Path) -> None:
        self._run = root / "run"
        self._logs = root / "logs"
        self._mark = f"{_MARK}={root}"

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Start a program in its own session, its output in logs/NAME.log; return its pid.

        `env` is added to this process's environment. Raises LabError when a program of that name
        runs already or can't be started.
        """
        if self.alive(name):
            raise LabError(f"{name} runs already in {self._run.parent}: dialtone lab down")
        for folder in (self._run, self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        log = os.open(self._log(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            with _no_signal_blocked():
                child = _Child(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=cwd,
                    env={**os.environ, **(env or {}), **mark(self._run.parent)},
                    start_new_session=True,
                )
        except OSError as error:
            raise LabError(f"{name} can't be started ({argv[0]}: {error.strerror})") from None
        finally:
            os.close(log)
        process = look_up(child.pid)
        if process is None:  # not even a zombie: somebody else fetched our child
            raise LabError(f"{name} ended as it started\n{self.log_tail(name)}")
        write_json(self._run / f"{name}.json", {"pid": process.pid, "started": process.started})
        return child.pid

    def alive(self, name: str) -> bool:
        """Whether the program of that name is still running."""
        return self._find(name) is not None

    def names(self) -> tuple[str, ...]:
        """Return the names of all programs that were started and not stopped, by name."""
        return tuple(sorted(path.stem for path in self._run.glob("*.json")))

    def stop(self, name: str, *, grace: float = 5.0) -> None:
        """SIGTERM, then SIGKILL after the grace (seconds); returns when it and all it started are gone."""
        self._stop([name], self._family([name]), grace)

    def stop_all(self, *, grace: float = 10.0) -> None:
        """Stop every program of this lab at once, and whatever else carries its mark."""
        names = self.names()
        marked = {p for p in running() if p.pid != os.getpid() and self._carries_mark(p)}
        self._stop(names, self._family(names) | marked, grace)

    def log_tail(self, name: str, lines: int = 20) -> str:
        """Return the end of its output, for error messages."""
        try:
            with self._log(name).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                text = file.read(_TAIL_BYTES).decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _stop(self, names: Sequence[str], family: set[Process], grace: float) -> None:
        # The leaders first: servers end their own workers in order, and some workers ignore SIGTERM.
        leaders = {p.pid for p in family}
        for process in family:
            if process.pid == process.session or process.session not in leaders:
                process.signal(signal.SIGTERM)
        left = _wait(family, grace)
        for process in left:
            process.signal(signal.SIGKILL)
        left = _wait(left, _KILLED)
        if left:
            pids = ", ".join(str(process.pid) for process in left)
            raise LabError(f"{', '.join(names)}: the processes {pids} don't end, not even by SIGKILL")
        for name in names:
            (self._run / f"{name}.json").unlink(missing_ok=True)

    def _family(self, names: Sequence[str]) -> set[Process]:
        """These programs and all in their sessions; strays whose leader is gone must carry our mark."""
        leaders = {process.pid: process for name in names if (process := self._find(name)) is not None}
        recorded = {pid for name in names if isinstance(pid := self._record(name).get("pid"), int)}
        strays = {
            p for p in running() if p.session in leaders or (p.session in recorded and self._carries_mark(p))
        }
        return strays | set(leaders.values())

    def _carries_mark(self, process: Process) -> bool:
        return self._mark.encode() in environment(process.pid)

    def _find(self, name: str) -> Process | None:
        record = self._record(name)
        pid = record.get("pid")
        process = look_up(pid) if isinstance(pid, int) else None
        return process if process and process.started == record.get("started") and _lives(process) else None

    def _record(self, name: str) -> dict[str, object]:
        return read_json(self._run / f"{name}.json")

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


@contextmanager
def _no_signal_blocked() -> Iterator[None]:
    """Have this thread block no signal: a program inherits the mask that it is started with (sigprocmask(2)).

    Whoever imported sippy blocks SIGURG, and Asterisk, which wakes its threads by that, would never boot.
    """
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _wait(family: set[Process], patience: float) -> set[Process]:
    """Wait until they are gone, at most so many seconds; return those that aren't."""
    deadline = time.monotonic() + patience
    while True:
        family = {p for p in family if (now := look_up(p.pid)) == p and _lives(now)}
        if not family or time.monotonic() >= deadline:
            return family
        time.sleep(_PAUSE)


def _lives(process: Process) -> bool:
    """Whether it runs; a zombie doesn't, and if it is a child of this process it is laid to rest."""
    if not process.runs:
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
    return process.runs
