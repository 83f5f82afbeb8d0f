"""For commands that own servers: a signal ends the work, and nothing is left half tidied up."""

import signal
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

T = TypeVar("T")

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalledError(Exception):
    """The work was ended by a signal; `code` is what the process exits with, 128 and its number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.code = 128 + number


async def until_signal(work: Callable[[], Awaitable[T]]) -> T:
    """Return what the work returns, or raise what it raises; SignalledError where a signal came first.

    The first signal cancels the work; those that come while it tidies up are swallowed. Main thread only.
    """
    ended_by: list[int] = []
    results: list[T] = []
    try:
        with anyio.open_signal_receiver(*ENDING) as signals:
            async with anyio.create_task_group() as tasks:
                with anyio.CancelScope() as scope:

                    async def listen() -> None:
                        async for number in signals:
                            ended_by.append(number)
                            scope.cancel()

                    tasks.start_soon(listen)
                    results.append(await work())
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as raised:
        # The group wraps whatever leaves it; listening raises nothing, so what is inside is the work's own.
        raise raised.exceptions[0] from None
    if not results:
        raise SignalledError(ended_by[0])
    return results[0]
