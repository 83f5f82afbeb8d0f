"""A TenantSource that does what a test has put on its list."""

from collections.abc import Sequence

import anyio

from dialtone.model import DomainsFound


class FakeSource:
    """Lists, raises or hangs (None) as scripted, one entry each time; the last entry is repeated."""

    def __init__(self, *script: Sequence[str] | DomainsFound | Exception | None) -> None:
        self._script = list(script)
        self.closed = False

    async def domains(self) -> DomainsFound:
        """Do the next thing of the script."""
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(step, Exception):
            raise step
        if step is None:
            await anyio.sleep_forever()
            raise AssertionError("forever has an end")
        return step if isinstance(step, DomainsFound) else DomainsFound(tuple(step))

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.closed = True
