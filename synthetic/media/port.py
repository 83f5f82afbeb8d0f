"""The UDP port of a phone for RTP (RFC 3550), and the one for RTCP beside it where media is measured."""

import asyncio
import contextlib
import math
import socket
import time
from collections.abc import Callable
from typing import Final

from dialtone.model import FailureCode, Hears
from synthetic.address import Address
from synthetic.agents.sdp import EVENTS, Stream
from synthetic.media import sockets
from synthetic.media.listening import Ear
from synthetic.media.pacing import pacer
from synthetic.media.packet import MAX_SIZE, is_rtcp
from synthetic.media.speaking import Made, Speaker
from synthetic.media.talk import MAX_KEPT, PortTalk
from synthetic.media.voice import heard, voice
from synthetic.probes.base import FlowError
from synthetic.stamps import SPACE, received_at

__all__ = ["MAX_HEARD", "MediaPort", "bound", "voice"]

MAX_HEARD: Final = 10_000
"""Packets that one port listens to for a voice: over a minute of two speakers at once."""

_BATCH: Final = 16
_NOWHERE: Final = Stream(None, (), "inactive")


class MediaPort:
    """A bound UDP port to name in a description, so that what the platform sends there reaches no one else.

    Nothing reads it unless somebody listens: the kernel keeps some of what comes and drops the rest. With
    `rtcp` its number is even and the next one is bound too (RFC 3550 11). Raises OSError where none is free.
    """

    def __init__(self, host: str, *, rtcp: bool = False) -> None:
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._control: socket.socket | None = None
        if rtcp:
            self._socket, self._control = sockets.side_by_side(self._family, host)
        else:
            self._socket = sockets.mute(self._family, host)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self.rtcp_port = self.port + 1
        self._dropped_before = 0
        self._described = ""
        self._version = 0
        self._stream: Stream | None = None
        self._sends: Stream | None = None  # the same, where anything may be sent
        self._speaker: _Going | None = None
        self._talk: PortTalk | None = None
        self._listeners: dict[asyncio.Future[float], bytes] = {}
        self._heard = 0

    def version(self, described: str) -> int:
        """Return the number of a description of it: a new one where it differs from the last."""
        if described != self._described:
            self._described = described
            self._version += 1
        return self._version

    def agreed(self, stream: Stream | None) -> None:
        """Send to where a description of the other side says, from now on; None leaves it as it was."""
        if stream is None:
            return
        self._stream = stream
        here = stream.address is not None and not self._foreign(stream.address)
        self._sends = stream if here and stream.wants_ours and stream.payloads else None

    def speak(self, code: bytes, going_on: Callable[[], bool]) -> None:
        """Send packets in a voice while that says True. Raises FlowError where there is nowhere to."""
        if self._stream is None or self._stream.address is None:
            raise FlowError(
                FailureCode.UNEXPECTED_MESSAGE, "the session description names nowhere to send RTP to"
            )
        if self._socket.fileno() >= 0 and (self._speaker is None or not self._speaker.going_on):
            self._speaker = _Going(self.send, code, going_on)

    @property
    def speaking(self) -> bool:
        """Whether it has been told to speak."""
        return self._speaker is not None

    def talk(
        self,
        code: bytes,
        hears: Hears,
        of: bytes | None = None,
        going_on: Callable[[], bool] | None = None,
    ) -> PortTalk:
        """Speak in a voice from now on, and listen and count; what was talked here before is over.

        `of` is the voice that should come where that is one. Once `going_on` says False, nothing more is
        spoken. What came until now (early media) is read first, so that the kernel has room, and only what
        of it is in that voice counts.
        Raises FlowError with no-media where there is nowhere to send to.
        """
        stream = self._stream or _NOWHERE
        if stream.address is None or not stream.payloads or self._foreign(stream.address):
            why = stream.why or "names nowhere to send RTP to"
            raise FlowError(FailureCode.NO_MEDIA, f"the session description of the other side {why}")
        if self._socket.fileno() < 0:
            raise FlowError(FailureCode.NO_MEDIA, "the call is over")
        if self._talk is not None:
            self._talk.stop()
        if self._control is None:  # it was bound for a call without media
            sockets.measuring(self._socket)
        ear = Ear(code, hears, of, math.inf)
        self._talk = PortTalk(self, code, ear, going_on)
        self.read(MAX_KEPT, MAX_KEPT)
        self._dropped_before = sockets.dropped(self._socket)
        ear.began = time.monotonic()
        return self._talk

    @property
    def dropped(self) -> int:
        """Datagrams that the kernel had no room for since the talk began; 0 once the port is closed."""
        return 0 if self._socket.fileno() < 0 else sockets.dropped(self._socket) - self._dropped_before

    @property
    def takes_events(self) -> bool:
        """Whether the other side takes telephone events."""
        return self._stream is not None and self._stream.events is not None

    async def hear(self, code: bytes) -> float:
        """Wait for a packet in a voice; return when it came (CLOCK_MONOTONIC, seconds).

        Raises FlowError with unexpected-message once MAX_HEARD packets have come.
        """
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[float] = loop.create_future()
        if not self._listeners:
            loop.add_reader(self._socket.fileno(), self.read, _BATCH)
        self._listeners[waiting] = code
        try:
            return await waiting
        finally:
            self._listeners.pop(waiting, None)
            if not self._listeners and self._socket.fileno() >= 0:
                loop.remove_reader(self._socket.fileno())

    def send(self, make: Made) -> bool:
        """Send what is made for the payload types that were agreed; say whether it left."""
        stream = self._sends
        if stream is None or stream.address is None:
            return False  # on hold
        datagram = make(stream.payloads[0], stream.events)
        if not datagram:
            return False
        try:
            self._socket.sendto(datagram, stream.address)
        except OSError:
            return False  # nobody there, or no room: RTP is never repeated
        return True

    def report(self, compound: bytes) -> None:
        """Send a packet of RTCP, where the other side takes any."""
        address = (self._stream or _NOWHERE).rtcp
        if address is not None and self._control is not None and not self._foreign(address):
            with contextlib.suppress(OSError):
                self._control.sendto(compound, address)

    def read(self, most: int, most_control: int = _BATCH) -> None:
        """Take so many datagrams of those that have come, and so many of RTCP."""
        if self._socket.fileno() < 0:
            return
        self._read_voice(most)
        if self._control is not None and self._talk is not None:
            self._read_control(self._control, self._talk, most_control)

    def _read_voice(self, most: int) -> None:
        stream = self._stream or _NOWHERE
        events = (EVENTS, stream.events)
        for _ in range(most):
            try:
                datagram, ancillary, _, sender = self._socket.recvmsg(MAX_SIZE, SPACE)
            except BlockingIOError:
                return
            except OSError:
                continue  # the ICMP error of something that we have sent
            at = received_at(ancillary)
            if self._talk is not None and is_rtcp(datagram):  # RFC 5761, whether or not it was agreed
                self._talk.control.take(datagram, at)
            elif self._talk is not None:
                self._talk.ear.take(
                    datagram,
                    at,
                    sender[:2],
                    expected=stream.address,
                    payloads=stream.payloads,
                    events=events,
                )
            if self._listeners:
                self._heard += 1
                self._tell(datagram, at)

    def close(self) -> None:
        """Fall silent, stop listening and give the port back."""
        if self._speaker is not None:
            self._speaker.stop()
        if self._talk is not None:
            self._talk.stop()
        if self._listeners and self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        if self._control is not None:
            self._control.close()

    def _read_control(self, control: socket.socket, talk: PortTalk, most: int) -> None:
        for _ in range(most):
            try:
                datagram, ancillary, _, _ = control.recvmsg(MAX_SIZE, SPACE)
            except BlockingIOError:
                return
            except OSError:
                continue
            talk.control.take(datagram, received_at(ancillary))

    def _foreign(self, address: Address) -> bool:
        """Whether an address is of the other family, which this socket can't reach."""
        return (":" in address[0]) != (self._family == socket.AF_INET6)

    def _tell(self, packet: bytes, at: float) -> None:
        for waiting, code in self._listeners.items():
            if waiting.done():
                continue
            if heard(packet, code):
                waiting.set_result(at)
            elif self._heard > MAX_HEARD:
                said = f"{MAX_HEARD} packets came to the RTP port, and none in the voice that was waited for"
                waiting.set_exception(FlowError(FailureCode.UNEXPECTED_MESSAGE, said))


class _Going:
    """A voice that speaks while it is wanted, and listens to nothing."""

    def __init__(self, send: Callable[[Made], bool], code: bytes, going_on: Callable[[], bool]) -> None:
        self.going_on = True
        self._wanted = going_on
        self._speaker = Speaker(send, code)
        self._pacer = pacer()
        self._pacer.join(self)

    def stop(self) -> None:
        """Send no more."""
        self.going_on = False
        self._pacer.leave(self)

    def frame(self, left_out: int) -> None:
        """Say the next 20 ms, if that is still wanted."""
        self.going_on = self._wanted()
        if self.going_on:
            self._speaker.frame(left_out)
        else:
            self.stop()

    def read(self) -> None:
        """Leave what comes to who listens."""


def bound(host: str, close_with: Callable[[MediaPort], None], *, rtcp: bool = False) -> MediaPort:
    """Return a port of that address, told to whom will close it. Raises FlowError with no-port."""
    try:
        port = MediaPort(host, rtcp=rtcp)
    except OSError as error:
        raise FlowError(FailureCode.NO_PORT, f"no media port on {host}: {error.strerror}") from None
    close_with(port)
    return port
