"""Long work on the event loop, with turns for others."""

import asyncio
from typing import Final

AT_ONCE: Final = 20
"""Rows or addresses between two looks at how long others have waited."""
_HELD: Final = 0.005
"""Seconds after which others have their turn."""


class Turns:
    """Lets others have their turn, whenever they have waited for some milliseconds."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._count = 0

    async def pause(self) -> None:
        """Be called for every row or address."""
        self._count += 1
        if self._count % AT_ONCE == 0 and self._loop.time() - self._since > _HELD:
            await asyncio.sleep(0)
            self._since = self._loop.time()
