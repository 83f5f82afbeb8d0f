"""Ends of ours, in a process of their own: media ports that talk as those of a worker's phones do."""

import asyncio
from collections.abc import Mapping

from benchmarks.media.ends import HOST, End, serve
from dialtone.model import Hears
from synthetic.agents.sdp import EVENTS, Stream
from synthetic.media.port import MediaPort, voice
from synthetic.media.talk import PortTalk


class OwnEnds:
    """Implements Ends. What is heard is asked for once, when all is over: what was sent is known then."""

    def __init__(self) -> None:
        self._ports: list[MediaPort] = []
        self._talks: list[PortTalk] = []

    def open(self, count: int) -> list[int]:
        self._ports = [MediaPort(HOST, rtcp=True) for _ in range(count)]
        return [port.port for port in self._ports]

    def talk(self, number: int, port: int) -> None:
        own = self._ports[number]
        own.agreed(Stream((HOST, port), (0, 8), "sendrecv", EVENTS, (HOST, port + 1)))
        # Of each call both sides have a voice; a side is known by whether its port is the lower one.
        mine, other = ("caller", "callee") if own.port < port else ("callee", "caller")
        call = f"stream {min(own.port, port)}"
        code, of = voice(call, mine), voice(call, other)
        self._talks.append(own.talk(code, Hears.VOICE, of))

    def hush(self) -> None:
        for talk in self._talks:
            talk.hush()

    def ends(self) -> list[End]:
        return [self._end(talk) for talk in self._talks]

    def more(self) -> Mapping[str, object]:
        return {}

    @staticmethod
    def _end(talk: PortTalk) -> End:
        heard = talk.heard()
        return End(talk.sent, heard.received.unique, heard.received.jitter, heard.found)


if __name__ == "__main__":
    asyncio.run(serve(OwnEnds()))
