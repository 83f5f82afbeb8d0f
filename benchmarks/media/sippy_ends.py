"""The peer: ends of sippy's own RTP (rtpsynth, in C, with threads), in a process of their own.

It codes too: a tone comes from samples, and what arrives becomes samples again, after a buffer that puts it
in order. G.711 mu-law at 8000 Hz, nothing resampled.
"""

import asyncio
import math
from array import array
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

from sippy.Rtp.Codecs.G711 import G711Codec
from sippy.Rtp.Core.AudioChunk import AudioChunk
from sippy.Rtp.EPoint import RTPEPoint
from sippy.Rtp.Params import RTPParams

from benchmarks.media.ends import HOST, End, serve
from synthetic.media.voice import FRAME

_RATE: Final = 8000
_SECOND: Final = array("h", (int(2000 * math.sin(2 * math.pi * 400 * n / _RATE)) for n in range(_RATE)))


class _Point(RTPEPoint):  # type: ignore[misc]
    """Counts what it sends besides."""

    sent = 0

    def send_pkt(self, pkt: bytes) -> None:
        self.sent += 1
        super().send_pkt(pkt)


class SippyEnds:
    """Implements Ends."""

    def __init__(self) -> None:
        self._points: list[Any] = []
        self._speaking = True
        self._task: asyncio.Task[None] | None = None

    def open(self, count: int) -> list[int]:
        conf = SimpleNamespace(palloc=lambda _attempt: 0)
        for _ in range(count):
            self._points.append(_Point(conf, _params(None), _heard))
        return [point.rserv.local_addr[1] for point in self._points]

    def talk(self, number: int, port: int) -> None:
        point = self._points[number]
        point.update(_params((HOST, port)))
        point.soundout(AudioChunk(_SECOND[:], _RATE))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._feed())

    def hush(self) -> None:
        self._speaking = False
        for point in self._points:
            point.writer.end()

    def ends(self) -> list[End]:
        return [End(sent=point.sent, received=point.rsess.npkts) for point in self._points]

    def more(self) -> Mapping[str, object]:
        return {}

    async def _feed(self) -> None:
        """Keep a second or two of sound before each."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._speaking:
            for point in self._points:
                point.soundout(AudioChunk(_SECOND[:], _RATE))
            due += 1.0
            await asyncio.sleep(due - loop.time())


def _params(target: tuple[str, int] | None) -> Any:
    params = RTPParams(target, out_ptime=round(1000 * FRAME), out_sr=_RATE)
    params.codec = G711Codec
    params.rtp_laddr = HOST
    return params


def _heard(_chunk: object) -> None:
    """What arrives is of no use here."""


if __name__ == "__main__":
    asyncio.run(serve(SippyEnds()))
