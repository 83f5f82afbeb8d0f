"""RTP headers as RFC 3550 5.1 has them, and whatever else a datagram may be."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.media.packet import Packet, is_rtcp, read, write

SOUND = b"\x11" * 160


def rtp(payload: bytes = SOUND, head: int = 0x80, second: int = 0, extra: bytes = b"") -> bytes:
    return struct.pack("!BBHII", head, second, 7, 1600, 0xABCD) + extra + payload


def test_what_is_written_is_read_again() -> None:
    assert read(write(8, True, 65_536 + 3, 2**32 + 5, 9) + SOUND) == Packet(8, True, 3, 5, 9, SOUND)


@pytest.mark.parametrize(
    "datagram",
    [
        rtp(),
        rtp(head=0x82, extra=b"\xff" * 8),
        rtp(head=0x90, extra=b"\xbe\xde\x00\x01" + b"\x7f" * 4),
        rtp(head=0x91, extra=b"\xff" * 4 + b"\xbe\xde\x00\x00"),
        rtp(SOUND + b"\x00\x00\x00\x04", head=0xA0),
        rtp(SOUND + b"\x01", head=0xB1, extra=b"\xff" * 4 + b"\xbe\xde\x00\x01" + b"\x7f" * 4),
    ],
    ids=["plain", "two sources", "an extension", "a source and an empty extension", "padded", "all of it"],
)
def test_the_payload_is_what_lies_between_the_header_and_the_padding(datagram: bytes) -> None:
    assert read(datagram) == Packet(0, False, 7, 1600, 0xABCD, SOUND)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        rtp(b"")[:11],
        rtp(head=0x40),
        rtp(b"", head=0x81),
        rtp(b"\xff" * 3, head=0x90),
        rtp(b"\xbe\xde\xff\xff", head=0x90),
        rtp(b"\x11\x00", head=0xA0),
        rtp(b"\x11\x03", head=0xA0),
        rtp(b"", head=0xA0),
    ],
    ids=[
        *("nothing", "short", "version 1", "no sources", "half an extension"),
        *("a long one", "no padding", "more", "of nothing"),
    ],
)
def test_what_says_to_be_longer_than_it_is_is_no_rtp(datagram: bytes) -> None:
    assert read(datagram) is None


@given(st.binary(max_size=80))
def test_any_datagram_is_read_or_not(datagram: bytes) -> None:
    found = read(datagram)
    assert found is None or len(found.payload) <= len(datagram) - 12


def test_rtcp_on_the_port_of_rtp_is_told_by_its_type() -> None:
    assert is_rtcp(rtp(second=200))
    assert not is_rtcp(rtp(second=0x80 | 101))
    assert not is_rtcp(rtp(second=8))
    assert not is_rtcp(b"\x80\xc8\x00")
