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
    with anyio.CancelScope() as scope:
        call_off = clock.alarm(seconds, scope.cancel)
        try:
            return await work()
        finally:
            call_off()
    raise TimeoutError(f"not done within {seconds:g} s")
