"""The real clock."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import anyio


class SystemClock:
    """Time as the operating system has it; the Clock of everything but tests."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since some instant; never goes back, and NTP does not step it."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait that long; others run meanwhile even for zero or less."""
        await anyio.sleep(max(0.0, seconds))

    def alarm(self, seconds: float, ring: Callable[[], object]) -> Callable[[], None]:
        """Call `ring` from the running loop when that long has passed; return what calls it off."""
        return asyncio.get_running_loop().call_later(max(0.0, seconds), ring).cancel
