"""The real clock."""

import time
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
