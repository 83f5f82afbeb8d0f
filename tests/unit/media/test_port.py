"""RTP of a phone: a voice is known again after what platforms do to it, and nothing else is taken for it."""

import asyncio
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import FailureCode
from synthetic.agents.sdp import Stream
from synthetic.media.port import MAX_HEARD, MediaPort
from synthetic.media.voice import SAMPLES, heard, spoken, voice
from synthetic.probes.base import FlowError

CODE = voice("r1", "transferee")
PCMU, PCMA = 0, 8


def packet(samples: bytes, payload_type: int = PCMU, head: int = 0x80, extra: bytes = b"") -> bytes:
    return struct.pack("!BBHII", head, payload_type, 1, 160, 7) + extra + samples


def mu_to_a(samples: bytes) -> bytes:
    """Change mu-law into A-law as to sign and rough size (G.711): 5.3 dB quieter, for good measure."""
    return bytes((0xC5 if value & 0x80 else 0x45) ^ (value & 0x0F) for value in samples)


def test_a_voice_is_its_partys_and_its_probes_alone() -> None:
    parties = {voice(probe, party) for probe in ("r1", "r2") for party in ("caller", "callee", "target")}
    assert len(parties) == 6


@pytest.mark.parametrize("payload_type", [PCMU, PCMA])
def test_a_voice_is_heard_in_both_laws(payload_type: int) -> None:
    samples = spoken(CODE, payload_type)
    assert len(samples) == SAMPLES
    assert heard(packet(samples, payload_type), CODE)
    assert not heard(packet(samples, payload_type), voice("r1", "target"))


def test_a_voice_is_heard_after_another_law_other_frames_and_another_header() -> None:
    samples = spoken(CODE, PCMU)
    assert heard(packet(mu_to_a(samples), PCMA), CODE)
    for shift in range(SAMPLES):
        assert heard(packet(samples[shift:] + samples[:shift]), CODE)
    assert heard(packet(samples, head=0x82, extra=b"\xff" * 8), CODE)  # two contributing sources
    assert heard(packet(samples, head=0x90, extra=b"\xbe\xde\x00\x01" + b"\x7f" * 4), CODE)
    assert heard(packet(samples, payload_type=0x80 | PCMU), CODE)  # the marker bit


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        packet(spoken(CODE, PCMU), payload_type=101),
        packet(spoken(CODE, PCMU), head=0x40),
        packet(spoken(CODE, PCMU)[:79]),
        packet(spoken(CODE, PCMU), head=0x9F),
        packet(b"\xff" * 160),
        packet(spoken(CODE, PCMA), payload_type=PCMU),
        packet(spoken(CODE, PCMU), payload_type=PCMA),
    ],
)
def test_what_is_not_that_voice_is_not_heard(datagram: bytes) -> None:
    assert not heard(datagram, CODE)


@given(st.binary(max_size=300))
def test_any_datagram_is_heard_or_not(datagram: bytes) -> None:
    assert not heard(datagram, CODE)


async def test_one_port_hears_what_another_speaks_and_falls_silent_when_told() -> None:
    speaker, ear = MediaPort("127.0.0.1"), MediaPort("127.0.0.1")
    going_on = True
    try:
        speaker.agreed(Stream(("127.0.0.1", ear.port), (PCMA,), "sendrecv"))
        speaker.speak(CODE, lambda: going_on)
        async with asyncio.timeout(5):
            first = await ear.hear(CODE)
            assert await ear.hear(CODE) > first
        going_on = False
        speaker._speaker.frame(0)  # type: ignore[union-attr]
        assert not speaker._speaker.going_on  # type: ignore[union-attr]
    finally:
        speaker.close()
        ear.close()


async def test_nobody_is_sent_to_while_on_hold_or_where_nothing_can_be() -> None:
    port, other = MediaPort("127.0.0.1"), MediaPort("127.0.0.1")
    try:
        with pytest.raises(FlowError, match="nowhere to send RTP") as failed:
            port.speak(CODE, lambda: True)
        assert failed.value.code is FailureCode.UNEXPECTED_MESSAGE
        for stream in (
            Stream(("127.0.0.1", other.port), (PCMU,), "recvonly"),
            Stream(("127.0.0.1", other.port), (PCMU,), "inactive"),
            Stream(("::1", other.port), (PCMU,), "sendrecv"),
        ):
            port.agreed(stream)
            assert not port.send(lambda *_: b"x")
        with pytest.raises(BlockingIOError):
            other._socket.recv(10)
    finally:
        port.close()
        other.close()


async def test_listening_to_a_flood_of_others_ends() -> None:
    port = MediaPort("127.0.0.1")
    try:
        port._heard = MAX_HEARD
        listening = asyncio.create_task(port.hear(CODE))
        await asyncio.sleep(0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
            noisy.sendto(packet(b"\xff" * 160), ("127.0.0.1", port.port))
            with pytest.raises(FlowError, match="none in the voice"):
                await listening
    finally:
        port.close()
