"""What a phone does on its own meanwhile: a few tasks, of which none outlives the phone."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog

from synthetic.probes.base import FlowError

_log = structlog.get_logger(__name__)

MAX_CHORES: Final = 16
"""How many may run at once: each answers something that the platform sent."""


class Chores:
    """The tasks of one phone. A chore that fails has done what it could: its failure is no flow's."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, object]) -> bool:
        """Start one; False, and nothing done, where too many run."""
        if len(self._running) >= MAX_CHORES:
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(_harmless(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: work.close())  # of one that is cancelled before it began
        return True

    async def finish(self) -> None:
        """Wait until none is left; those that are started meanwhile count."""
        while self._running:
            await asyncio.wait(self._running)

    def cancel(self) -> None:
        """End all of them."""
        for task in self._running:
            task.cancel()


async def _harmless(work: Coroutine[Any, Any, object]) -> None:
    try:
        await work
    except FlowError as error:
        _log.debug("a phone's chore failed", code=error.code)
    except Exception:  # noqa: BLE001 - a task's edge
        _log.exception("a phone's chore broke down")
