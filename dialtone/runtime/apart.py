"""Work that must not hold our event loop: a thread and a loop of its own, for as long as it takes."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def apart(work: Callable[[], Awaitable[T]], *, name: str) -> T:
    """Run the work in a loop and thread of its own; return what it returns, or raise what it raises.

    For exchanges with strangers whose answers a library reads: however busy they keep it, this loop gets
    its turn. Cancelled, it cancels the work and does not wait for it. `work` bounds its own time; the
    thread is a daemon's, so that the process ends without it.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    thread = _Apart(loop, done, work, name)
    thread.start()
    try:
        return await done
    finally:
        thread.cancel()


class _Apart(threading.Thread):
    def __init__(
        self,
        theirs: asyncio.AbstractEventLoop,
        done: "asyncio.Future[T]",
        work: Callable[[], Awaitable[T]],
        name: str,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._theirs = theirs
        self._done = done
        self._work = work
        self._ours: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Run the work. Its end is told before the loop is closed, which may wait for a name server."""
        asyncio.run(self._main())

    def cancel(self) -> None:
        """Have the work cancelled, where it still runs."""
        if self._ours is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # it has ended, and its loop is closed
                self._ours.call_soon_threadsafe(self._task.cancel)

    async def _main(self) -> None:
        self._ours, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            found = await self._work()
        except BaseException as error:  # noqa: BLE001 - handed to who waits, whatever it is
            self._tell(self._done.set_exception, error)
        else:
            self._tell(self._done.set_result, found)

    def _tell(self, end: Callable[..., None], what: object) -> None:
        def tell() -> None:
            if not self._done.done():
                end(what)

        with contextlib.suppress(RuntimeError):  # nobody waits any more: that loop is closed
            self._theirs.call_soon_threadsafe(tell)
