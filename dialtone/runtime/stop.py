"""Graceful stop: the first signal asks, the second ends at once, and patience is bounded."""

import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import structlog
from anyio.abc import TaskStatus

_log = structlog.get_logger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EXIT_STUCK: Final = 70
"""The exit code when the work did not end in time: EX_SOFTWARE of sysexits.h."""


async def run_until_signal(
    work: Callable[[], Awaitable[None]], *, grace: float = 5.0
) -> signal.Signals | None:
    """Run the work until it ends or SIGTERM, SIGINT or SIGHUP comes; return the signal, None without one.

    At a signal the work is cancelled. The process then has the grace (seconds) to end: what comes after
    this call is included, such as closing a locked file or a thread that still waits for a name server.
    After that, or at a second signal during the work, it ends as it is. What the work raises comes
    through. Main thread only.
    """
    stop = _Stop(grace)
    try:
        async with anyio.create_task_group() as group:
            await group.start(stop.listen, group.cancel_scope)
            await work()
            group.cancel_scope.cancel()
    except BaseExceptionGroup as raised:
        # The group wraps whatever leaves it; listening raises nothing, so what is inside is the work's own.
        raise raised.exceptions[0] from None
    finally:
        stop.give_back_signals()
    return stop.by


class _Stop:
    def __init__(self, grace: float) -> None:
        self.by: signal.Signals | None = None
        self._grace = grace
        # A thread, because a loop that is blocked could not end itself.
        self._timer = threading.Timer(grace, self._give_up)
        self._timer.daemon = True
        # nohup ignores SIGHUP for whom it starts; that stays so.
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._signals = tuple(number for number in _SIGNALS if number is not signal.SIGHUP or not ignored)
        self._handlers = {n: signal.getsignal(n) or signal.SIG_DFL for n in self._signals}

    async def listen(self, work: anyio.CancelScope, *, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(*self._signals) as signals:
            task_status.started()
            async for number in signals:
                self.by = number
                break
        for number in self._signals:
            signal.signal(number, signal.SIG_DFL)
        self._timer.start()
        _log.info("stopping", signal=self.by.name if self.by is not None else None)
        work.cancel()

    def give_back_signals(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _give_up(self) -> None:
        _log.error("not everything ended in time", grace=self._grace)
        os._exit(EXIT_STUCK)
