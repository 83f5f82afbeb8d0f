"""A relay of RTP in a process of its own, as the rest of the lab has it."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from typing import Final, Self

from lab.base import LabError
from lab.faults.media.settings import Settings
from lab.faults.media.truth import Truths, read

_PATIENCE: Final = 10.0
_LINE: Final = 64 << 20


class MediaRelay:
    """Relays the RTP of some calls while the block runs. Raises LabError where its process does not start."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ports: Sequence[tuple[int, int]] = ()
        """For each call the ports that stand for its caller and its callee: RTP; RTCP is one higher."""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lab.faults.media", self.settings.encode()),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=_LINE,
        )
        try:
            self.ports = [(caller, callee) for caller, callee in json.loads(await self._line())]
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    def aim(self, call: int, end: int, host: str, rtp: int, rtcp: int) -> None:
        """Say where an end of a call takes RTP and RTCP: 0 is the caller, 1 the callee."""
        self._order([call, end, host, rtp, rtcp])

    async def truth(self) -> list[Truths]:
        """Return what was done until now, for each call. Raises LabError where the process does not say."""
        self._order("truth")
        return read(await self._line())

    def _order(self, order: object) -> None:
        pipe = self._process.stdin
        if pipe is not None and not pipe.is_closing():
            pipe.write(json.dumps(order).encode() + b"\n")

    async def _line(self) -> bytes:
        pipe = self._process.stdout
        try:
            async with asyncio.timeout(_PATIENCE):
                line = await pipe.readline() if pipe is not None else b""
        except TimeoutError:
            raise LabError(f"the relay of RTP has said nothing for {_PATIENCE:g} s") from None
        if not line:
            raise LabError("the relay of RTP has ended")
        return line

    async def _end(self) -> None:
        pipe = self._process.stdin
        if pipe is not None:
            pipe.close()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._process.wait()
        except BaseException:
            self._process.kill()
            await self._process.wait()
            raise
