"""RTP of a phone (RFC 3550): a voice that says whose it is, and an ear that knows it again.

A voice is 80 signs of G.711 samples, drawn from the probe's id and the party's name, over and over. The sign
is the first bit of a sample in both laws (G.711 tables 1 and 2): it comes through a bridge, a change between
the laws and a change of volume, and whatever renumbers or re-frames the packets.
"""

import asyncio
import hashlib
import secrets
import socket
import struct
import time
from collections.abc import Callable
from typing import Final

from dialtone.model import FailureCode
from synthetic.agents.sdp import Stream
from synthetic.probes.base import FlowError

FRAME: Final = 0.02
"""Seconds of sound in a packet."""
SAMPLES: Final = 160
CODE: Final = 80
"""Samples of a packet, at 8000 a second, and of a voice before it begins again."""
MAX_HEARD: Final = 10_000
"""Packets that one port listens to: over a minute of two speakers at once."""

_LOUD: Final = {0: (b"\x3f", b"\xbf"), 8: (b"\x15", b"\x95")}
"""By payload type: a sample of about -2000, and of +2000 (of 8159 in mu-law, 4096 doubled in A-law)."""
_SIGNS: Final = bytes(0x31 if value & 0x80 else 0x30 for value in range(256))
_HEADER: Final = struct.Struct("!BBHII")
_RECEIVE_BUFFER: Final = 4096
_BATCH: Final = 16


def voice(probe: str, party: str) -> bytes:
    """Return the voice of a party of a probe: its signs as the characters 0 and 1."""
    drawn = hashlib.sha256(f"{probe} {party}".encode()).digest()[: CODE // 8]
    return "".join(f"{byte:08b}" for byte in drawn).encode()


def spoken(code: bytes, payload_type: int) -> bytes:
    """Return the samples of one packet in a voice."""
    low, high = _LOUD[payload_type]
    return b"".join(high if sign == 0x31 else low for sign in code) * (SAMPLES // CODE)


def heard(packet: bytes, code: bytes) -> bool:
    """Whether a datagram is RTP in that voice."""
    if len(packet) < _HEADER.size or packet[0] >> 6 != 2 or packet[1] & 0x7F not in _LOUD:
        return False
    start = _HEADER.size + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:  # a header extension (RFC 3550 5.3.1)
        if len(packet) < start + 4:
            return False
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    return code in packet[start:].translate(_SIGNS)


class MediaPort:
    """A bound UDP port to name in a description, so that what the platform sends there reaches no one else.

    Nothing reads it unless somebody listens: the kernel drops what comes. Raises OSError where none is free.
    """

    def __init__(self, host: str) -> None:
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            self._socket.bind((host, 0))
        except OSError:
            self._socket.close()
            raise
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self.rtcp_port = self.port + 1
        self._described = ""
        self._version = 0
        self._stream: Stream | None = None
        self._speaker: _Speaker | None = None
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
        self._stream = stream or self._stream

    def speak(self, code: bytes, going_on: Callable[[], bool]) -> None:
        """Send packets in a voice while that says True. Raises FlowError where there is nowhere to."""
        if self._stream is None or self._stream.address is None:
            raise FlowError(
                FailureCode.UNEXPECTED_MESSAGE, "the session description names nowhere to send RTP to"
            )
        if self._socket.fileno() >= 0 and (self._speaker is None or not self._speaker.going_on):
            self._speaker = _Speaker(self._send, code, going_on)

    @property
    def speaking(self) -> bool:
        """Whether it has been told to speak."""
        return self._speaker is not None

    async def hear(self, code: bytes) -> float:
        """Wait for a packet in a voice; return when it was read (CLOCK_MONOTONIC, seconds).

        Raises FlowError with unexpected-message once MAX_HEARD packets have come.
        """
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[float] = loop.create_future()
        if not self._listeners:
            loop.add_reader(self._socket.fileno(), self._readable)
        self._listeners[waiting] = code
        try:
            return await waiting
        finally:
            self._listeners.pop(waiting, None)
            if not self._listeners and self._socket.fileno() >= 0:
                loop.remove_reader(self._socket.fileno())

    def close(self) -> None:
        """Fall silent, stop listening and give the port back."""
        if self._speaker is not None:
            self._speaker.stop()
        if self._listeners and self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def _send(self, make: Callable[[int], bytes]) -> None:
        stream = self._stream
        if stream is None or stream.address is None or not stream.wants_ours:
            return  # on hold
        if (":" in stream.address[0]) != (self._family == socket.AF_INET6):
            return
        try:
            self._socket.sendto(make(stream.payloads[0]), stream.address)
        except OSError:
            return  # nobody there, or no room: RTP is never repeated

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                packet = self._socket.recv(2048)
            except BlockingIOError:
                return
            except OSError:
                continue  # the ICMP error of something that we have sent
            self._heard += 1
            self._tell(packet)

    def _tell(self, packet: bytes) -> None:
        now = time.monotonic()
        for waiting, code in self._listeners.items():
            if waiting.done():
                continue
            if heard(packet, code):
                waiting.set_result(now)
            elif self._heard > MAX_HEARD:
                said = f"{MAX_HEARD} packets came to the RTP port, and none in the voice that was waited for"
                waiting.set_exception(FlowError(FailureCode.UNEXPECTED_MESSAGE, said))


class _Speaker:
    """Packets of one voice, one every FRAME; a late loop leaves some out instead of sending them at once."""

    def __init__(
        self, send: Callable[[Callable[[int], bytes]], None], code: bytes, going_on: Callable[[], bool]
    ) -> None:
        self.going_on = True
        self._send = send
        self._wanted = going_on
        self._samples = {payload_type: spoken(code, payload_type) for payload_type in _LOUD}
        self._source = secrets.randbits(32)
        self._sequence = secrets.randbits(15)
        self._clock = secrets.randbits(31)
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._next = self._loop.call_soon(self._tick)

    def stop(self) -> None:
        """Send no more."""
        self.going_on = False
        self._next.cancel()

    def _tick(self) -> None:
        self.going_on = self._wanted()
        if not self.going_on:
            return
        self._send(self._packet)
        self._sequence = (self._sequence + 1) & 0xFFFF
        passed = 1 + max(0, int((self._loop.time() - self._due) / FRAME))
        self._clock = (self._clock + passed * SAMPLES) & 0xFFFFFFFF
        self._due += passed * FRAME
        self._next = self._loop.call_at(self._due, self._tick)

    def _packet(self, payload_type: int) -> bytes:
        head = _HEADER.pack(0x80, payload_type, self._sequence, self._clock, self._source)
        return head + self._samples[payload_type]


def bound(host: str, close_with: Callable[[MediaPort], None]) -> MediaPort:
    """Return a port of that address, told to whom will close it. Raises FlowError with no-port."""
    try:
        port = MediaPort(host)
    except OSError as error:
        raise FlowError(FailureCode.NO_PORT, f"no media port on {host}: {error.strerror}") from None
    close_with(port)
    return port
