"""A deadline on our Clock, so that tests reach it without waiting."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from dialtone.ports import Clock

T = TypeVar("T")


async def within(clock: Clock, seconds: float, work: Callable[[], Awaitable[T]]) -> T:
    """Return what the work returns. Raises TimeoutError when it takes longer; it is cancelled then.

    What the work raises comes through as it is. Work that ends in the same instant as the deadline
    has made it.
    """

    async def ring() -> None:
        await clock.sleep(seconds)
        group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(ring)
            result = await work()
            group.cancel_scope.cancel()
            return result
    except BaseExceptionGroup as raised:
        # The group wraps whatever leaves it. The alarm raises nothing: what is inside is the work's own.
        raise raised.exceptions[0] from None
    raise TimeoutError(f"not done within {seconds:g} s")
