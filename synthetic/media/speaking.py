"""What a phone says, frame by frame: its voice, or the digits that it dials."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable

from dialtone.model import FailureCode
from synthetic.media import events, packet
from synthetic.media.voice import PCMA, PCMU, SAMPLES, spoken
from synthetic.probes.base import FlowError

Made = Callable[[int, int | None], bytes]
"""A datagram to send, made of the payload types of the voice and of events that were agreed; b"" for none."""
Send = Callable[[Made], bool]
"""Sends what is made, where anything may be sent; says whether it left."""


class Speaker:
    """The RTP of one source. `sent` counts the packets of its voice, `packets` and `octets` all that it said.

    `left_out` counts the frames that were due while this machine was late, and `unsent` those that could not
    be sent, held calls among them.
    """

    def __init__(self, send: Send, code: bytes) -> None:
        self.source = secrets.randbits(32)
        self.talking = True
        self.sent = self.packets = self.octets = 0
        self.left_out = self.unsent = 0
        self._send = send
        self._samples = {payload_type: spoken(code, payload_type) for payload_type in (PCMU, PCMA)}
        self._sequence = secrets.randbits(15)
        self._clock = secrets.randbits(31)
        self._begins = True
        self._dialled: deque[bytes] = deque()
        self._event = b""
        self._event_begins = False
        self._event_clock = 0
        self._done: asyncio.Future[None] | None = None

    @property
    def clock(self) -> int:
        """The timestamp of the last frame that was due."""
        return (self._clock - SAMPLES) & 0xFFFFFFFF

    def frame(self, left_out: int) -> None:
        """Say the next 20 ms, after so many of which nothing was said."""
        self._clock = (self._clock + left_out * SAMPLES) & 0xFFFFFFFF
        if self._dialled:
            self._key()
        elif self.talking:
            self.left_out += left_out
            if self._send(self._voice):
                self.sent += 1
                self._said(SAMPLES)
                self._begins = False
            else:
                self.unsent += 1
                self._begins = True
        self._clock = (self._clock + SAMPLES) & 0xFFFFFFFF

    async def dial(self, digits: str) -> None:
        """Say digits one after the other; return after the last. Raises ValueError for what can't be said."""
        if len(digits) > events.MAX_DIGITS:
            raise ValueError(f"more than {events.MAX_DIGITS} digits")
        said = [payload for digit in digits for payload in events.payloads(digit)]
        if not said:
            return
        if self._done is not None:
            raise ValueError("digits are being dialled already")
        self._done = asyncio.get_running_loop().create_future()
        self._dialled.extend(said)
        try:
            await self._done
        finally:
            self._dialled.clear()
            self._done = None

    def stop(self) -> None:
        """Say no more, and let nobody wait for digits."""
        self.talking = False
        self._dialled.clear()
        if self._done is not None and not self._done.done():
            self._done.set_exception(
                FlowError(FailureCode.NO_DTMF, "the call ended while digits were dialled")
            )

    def _key(self) -> None:
        """Say the next packet of a digit, or pause. One that can't be sent is lost, as any may be."""
        left = len(self._dialled) % events.FRAMES
        self._event, self._event_begins = self._dialled.popleft(), left == 0
        if self._event_begins:
            self._event_clock = self._clock
        if self._event and self._send(self._digit):
            self._said(len(self._event))
        self._begins = True
        if not self._dialled and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _said(self, octets: int) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += octets

    def _voice(self, payload_type: int, _events: int | None) -> bytes:
        head = packet.write(payload_type, self._begins, self._sequence, self._clock, self.source)
        return head + self._samples[payload_type]

    def _digit(self, _payload_type: int, events_type: int | None) -> bytes:
        if events_type is None:  # taken back by a new description
            return b""
        head = packet.write(events_type, self._event_begins, self._sequence, self._event_clock, self.source)
        return head + self._event
