"""A Collector that does what a test has put on its list."""

from collections.abc import Iterable

import anyio

from dialtone.model import Reading


class FakeCollector:
    """Gives, raises or hangs (None) as scripted, one entry a poll; the last entry is repeated."""

    def __init__(self, *script: Reading | Exception | None) -> None:
        self._script = list(script) or [Reading(())]
        self.asked = 0
        self.closed = False

    def then(self, script: Iterable[Reading | Exception | None]) -> None:
        """Replace what comes next."""
        self._script = list(script)

    async def collect(self) -> Reading:
        """Do the next thing of the script."""
        self.asked += 1
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(step, Exception):
            raise step
        if step is None:
            await anyio.sleep_forever()
            raise AssertionError("forever has an end")
        return step

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.closed = True
