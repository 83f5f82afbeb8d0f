"""A Python child process that answers requests: for what may crash, hang or must not share our loop."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio
import structlog
from anyio.abc import TaskGroup

from dialtone.ports import Clock
from dialtone.runtime.conversation import ChildDied, ChildError, ChildRefused, ChildTimeout, Conversation
from dialtone.runtime.deadline import within

__all__ = ["ChildDied", "ChildError", "ChildProcess", "ChildRefused", "ChildTimeout"]

_log = structlog.get_logger(__name__)

_KEPT_ENVIRONMENT: Final = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
_BACK_OFF: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before a start, by how many children in a row died young."""
_GREW_UP: Final = 10.0
"""A child that lived this long (seconds) did not die young: the next starts at once."""


class ChildProcess:
    """Runs `python -m module` as a child and asks it things; use as an async context manager.

    The module calls `dialtone.runtime.childside.serve_requests`. The first request starts the child.
    When it dies, all that wait on it fail at once and the next request starts another, with a
    growing pause while they die young. A child whose loop has stopped is killed `grace` seconds
    after the first request that it left unanswered. Leaving the context ends it: SIGTERM, after
    `grace` SIGKILL, to its whole process group. It never outlives us: see childside.

    Its environment is a handful of harmless variables; secrets travel in requests alone.
    """

    def __init__(self, module: str, *, clock: Clock, grace: float = 2.0) -> None:
        self._module = module
        self._clock = clock
        self._grace = grace
        self._starting = anyio.Lock()
        self._child: Conversation | None = None
        self._closed = False
        self._died_young = 0
        self._not_before = clock.monotonic()
        self._group: TaskGroup

    async def __aenter__(self) -> Self:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        await self.finish()
        return await self._group.__aexit__(exc_type, exc, traceback)

    @property
    def pid(self) -> int | None:
        """The child's process id, which is its group's too; None while none runs."""
        return self._child.process.pid if self._child is not None else None

    @property
    def rests(self) -> float:
        """Seconds until a request would start another child, where they die young; 0 while one runs."""
        return max(0.0, self._pause) if self._child is None else 0.0

    async def finish(self) -> None:
        """End the child and start none any more, as leaving the context does: several can end together."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            async with self._starting:
                if self._child is not None:
                    await self._child.end(self._grace)

    async def request(self, payload: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        """Send a request and return its reply; `timeout` (seconds) includes a start where one is needed.

        Raises ChildDied, ChildTimeout or ChildRefused.
        """
        try:
            return await within(self._clock, timeout, lambda: self._ask(payload, timeout))
        except TimeoutError:
            if self._child is not None and not self._closed:
                self._group.start_soon(self._end_if_stuck, self._child)
            raise ChildTimeout(f"{self._module} did not answer within {timeout:g} s") from None

    async def _ask(self, payload: Mapping[str, object], timeout: float) -> dict[str, object]:
        child = await self._running(timeout)
        return await child.ask({"request": dict(payload), "timeout": timeout})

    async def _running(self, patience: float) -> Conversation:
        if self._child is not None and not self._closed:
            return self._child  # without the lock: hundreds ask at the same time
        while True:
            await self._rest(patience)
            async with self._starting:
                if self._closed:
                    raise ChildDied(f"{self._module} has been closed")
                if self._child is not None:
                    return self._child
                if self._pause > 0:
                    continue  # somebody else's start has just failed
                with anyio.CancelScope(shield=True):  # a start given up half-way would leave an orphan
                    child = await self._start()
                self._child = child
                self._group.start_soon(self._tend, child)
                return child

    async def _rest(self, patience: float) -> None:
        if self._child is None and self._pause > 0:
            if self._pause > patience:
                raise ChildDied(f"{self._module} keeps dying; its next start is in {self._pause:.1f} s")
            await self._clock.sleep(self._pause)

    @property
    def _pause(self) -> float:
        return self._not_before - self._clock.monotonic()

    async def _start(self) -> Conversation:
        try:
            process = await anyio.open_process(
                # -P: what stands in the working directory is not on the child's path, unless it is on ours.
                [sys.executable, "-P", "-m", self._module],
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            self._count_death(lived=0.0)
            raise ChildDied(f"{self._module} can't be started: {error}") from error
        _log.info("child started", module=self._module, pid=process.pid)
        return Conversation(self._module, process, self._clock)

    async def _tend(self, child: Conversation) -> None:
        """Stay with a child to its end, which comes by itself or by `__aexit__`, never by cancellation."""
        started = self._clock.monotonic()
        with anyio.CancelScope(shield=True):
            why = await child.converse()
        if self._child is child:
            self._child = None
        if not self._closed:
            self._count_death(self._clock.monotonic() - started)
            _log.warning("child died", module=self._module, pid=child.process.pid, why=why)
        child.fail_pending(why)

    def _count_death(self, lived: float) -> None:
        self._died_young = 0 if lived >= _GREW_UP else self._died_young + 1
        pause = _BACK_OFF[min(max(self._died_young - 1, 0), len(_BACK_OFF) - 1)]
        self._not_before = self._clock.monotonic() + pause

    async def _end_if_stuck(self, child: Conversation) -> None:
        """Kill a child that doesn't answer a ping; the operating system's time, not our clock's, is meant."""
        with anyio.move_on_after(self._grace) as scope:
            try:
                await child.ask({})
            except ChildError:
                return
        if scope.cancelled_caught and self._child is child:
            _log.warning("child is stuck", module=self._module, pid=child.process.pid)
            child.signal(signal.SIGKILL)


def _environment() -> dict[str, str]:
    """Return what the child's environment holds: nothing of ours but the harmless, and our import path."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    return kept | {
        "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
        "PYTHONUNBUFFERED": "1",
    }
