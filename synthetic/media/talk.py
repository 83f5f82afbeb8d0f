"""A phone that speaks and listens in a call: the talk of one media port."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dialtone.model import FailureCode
from synthetic.media.listening import Ear
from synthetic.media.pacing import pacer
from synthetic.media.rtcp import Control
from synthetic.media.speaking import Speaker
from synthetic.probes.base import FlowError

if TYPE_CHECKING:
    from synthetic.media.heard import Heard
    from synthetic.media.port import MediaPort

MAX_AT_ONCE: Final = 500
"""Packets that are read of one port in 0.1 s: a hundred times those of one who speaks. The kernel keeps about
as many, and drops what comes then.
"""
MAX_KEPT: Final = 1000
"""Packets that are read when a talk begins and when somebody asks what was heard: all that the kernel can
have kept.
"""


class PortTalk:
    """Speaks and listens on a port until it is stopped; synthetic.probes.base.Talk."""

    def __init__(
        self,
        port: "MediaPort",
        code: bytes,
        ear: Ear,
        going_on: Callable[[], bool] | None,
    ) -> None:
        self.ear = ear
        self._port = port
        self._going_on = going_on
        self._speaker = Speaker(port.send, code)
        self.control = Control(self._speaker, ear.sources, time.monotonic())
        self._dropped = 0
        self._pacer = pacer()
        self._pacer.join(self)

    @property
    def source(self) -> int:
        """The SSRC of what it sends."""
        return self._speaker.source

    @property
    def sent(self) -> int:
        """Packets of its voice that it has sent."""
        return self._speaker.sent

    @property
    def unsent(self) -> int:
        """Frames of its voice that had nowhere to go."""
        return self._speaker.unsent

    def hush(self) -> None:
        """Say no more; listen on. The last report leaves, so that the other side's round trip is known."""
        if self._speaker.talking:
            self._speaker.talking = False
            self._port.read(MAX_AT_ONCE)
            self._port.report(self.control.report())

    async def dial(self, digits: str) -> None:
        """Send telephone events, one after the other; return when the last has ended.

        Raises FlowError with no-dtmf where the other side takes none.
        """
        if not self._port.takes_events:
            said = "the session description of the other side takes no telephone events (RFC 4733)"
            raise FlowError(FailureCode.NO_DTMF, said)
        await self._speaker.dial(digits)

    def heard(self, sent: int | None = None) -> "Heard":
        """Return what has come until now.

        With `sent`, how many packets the phone that should be heard has sent, what is missing of those is
        lost, whichever were missing; without it what is missing between the first and the last.
        """
        self._port.read(MAX_KEPT)
        self._dropped = max(self._dropped, self._port.dropped)
        heard = self.ear.heard(sent, self.control.rtt, self._remarks())
        return replace(heard, reporter=self.control.reporter, dropped=self._dropped)

    def stop(self) -> None:
        """Speak and listen no more."""
        self._speaker.stop()
        self._pacer.leave(self)

    def frame(self, left_out: int) -> None:
        """Say the next 20 ms."""
        if self._going_on is not None and not self._going_on():
            self._speaker.stop()
        self._speaker.frame(left_out)

    def read(self) -> None:
        """Take what has come, and report on it when it is time."""
        self._port.read(MAX_AT_ONCE)
        if self._speaker.talking and self.control.due(time.monotonic()):
            self._port.report(self.control.report())

    def _remarks(self) -> list[str]:
        said = []
        if self._dropped:
            said.append(f"{self._dropped} packets were dropped by this machine: its buffer was full")
        if self._speaker.left_out:
            said.append(f"{self._speaker.left_out} frames of ours were left out: this machine was late")
        if self._speaker.unsent:
            said.append(
                f"{self._speaker.unsent} frames of ours had nowhere to go: the call was held, or no route"
            )
        return said
