"""What a datagram is by its bytes alone: SIP, RTP, RTCP, or none of them."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.capture.packets import Reports, looks_like_sip, rtp
from synthetic.capture.records import RtcpPacket, RtpPacket
from tests.fakes import captures

SOURCE = ("10.0.0.1", 4000)
DESTINATION = ("10.0.0.2", 4002)


def read(data: bytes, size: int | None = None) -> RtpPacket | None:
    return rtp(data, len(data) if size is None else size, 1.0, SOURCE, DESTINATION)


def reports(reader: Reports, data: bytes, at: float = 1.0) -> list[RtcpPacket] | None:
    return reader.read(data, at, SOURCE, DESTINATION)


def test_a_header_is_read_as_it_was_written() -> None:
    packet = captures.rtp(65_535, ssrc=0xFFFFFFFF, payload_type=127, timestamp=0xFFFFFFFF, marker=True)
    assert read(packet) == RtpPacket(1.0, SOURCE, DESTINATION, 0xFFFFFFFF, 65_535, 0xFFFFFFFF, 127, True, 160)


def test_the_payload_is_what_is_left_of_sources_extension_and_padding() -> None:
    head = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 0, 1, 2, 3)
    rest = bytes(8) + struct.pack("!HH", 0xBEDE, 3) + bytes(12) + bytes(100) + b"\0\0\0\4"
    found = read(head + rest)
    assert found is not None
    assert found.size == 100


def test_a_packet_cut_when_captured_has_the_size_that_it_had() -> None:
    found = read(captures.rtp(1)[:20], size=172)
    assert found is not None
    assert found.size == 160


@pytest.mark.parametrize(
    "data",
    [
        b"",
        captures.rtp(1)[:11],
        b"\x00" + captures.rtp(1)[1:],
        b"\x40" + captures.rtp(1)[1:],
        b"\xc0" + captures.rtp(1)[1:],
        captures.rtp(1, payload_type=72),
        captures.rtp(1, payload_type=95),
        struct.pack("!BBHII", 0x8F, 0, 1, 2, 3) + bytes(59),
        struct.pack("!BBHII", 0xA0, 0, 1, 2, 3) + b"\xff" * 20,
    ],
    ids=["empty", "short", "v0", "v1", "v3", "rtcp", "reserved", "sources-missing", "padding-too-long"],
)
def test_what_cannot_be_rtp_is_not_taken_for_it(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize(
    ("data", "whether"),
    [
        (captures.sip(), True),
        (b"SIP/2.0 200 OK\r\n", True),
        (b"SIP/2.0 180\r\n", True),
        (b"NOTIFY sip:a@b SIP/2.0", True),
        (b"INVITE sip:a@b SIP/", False),
        (b"SIP/2.0 999 No\r\n", False),
        (b"GET / HTTP/1.1\r\n", False),
        (b"\r\n\r\n", False),
        (b"", False),
        (b"A" * 60_000, False),
        (b"INVITE " + b"x" * 60_000, False),
    ],
)
def test_sip_is_told_by_its_first_line(data: bytes, whether: bool) -> None:
    assert looks_like_sip(data) is whether


def test_the_round_trip_leaves_out_what_the_reporter_waited() -> None:
    reader = Reports()
    reports(reader, captures.sender_report(1, 5000.5, packets=10), at=100.0)
    answer = captures.receiver_report(2, reports=[captures.report_block(1, ntp=5000.5, delay=2.0)])
    found = reports(reader, answer, at=102.25)
    assert found is not None
    assert [(r.ssrc, r.about, r.sent) for r in found] == [(2, 1, None)]
    assert found[0].rtt == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize(
    ("about", "ntp", "delay"),
    [(1, 5001.5, 2.0), (9, 5000.5, 2.0), (1, 0.0, 2.0), (1, 5000.5, 3.0)],
    ids=["another-report", "another-source", "none-received", "longer-than-it-took"],
)
def test_without_its_report_there_is_no_round_trip(about: int, ntp: float, delay: float) -> None:
    reader = Reports()
    reports(reader, captures.sender_report(1, 5000.5, packets=10), at=100.0)
    answer = captures.receiver_report(2, reports=[captures.report_block(about, ntp=ntp, delay=delay)])
    found = reports(reader, answer, at=102.25)
    assert found is not None
    assert found[0].rtt is None


def test_a_compound_packet_gives_each_block_with_the_count_of_its_sender() -> None:
    blocks = [captures.report_block(7), captures.report_block(8)]
    description = struct.pack("!BBHI", 0x81, 202, 1, 1)
    found = reports(Reports(), captures.sender_report(1, 1.0, packets=99, reports=blocks) + description)
    assert found is not None
    assert [(r.ssrc, r.about, r.sent) for r in found] == [(1, 7, 99), (1, 8, 99)]


def test_rtcp_without_a_report_is_rtcp_all_the_same() -> None:
    assert reports(Reports(), struct.pack("!BBHI", 0x81, 203, 1, 1)) == []


def test_rtp_is_not_taken_for_rtcp() -> None:
    assert all(
        reports(Reports(), captures.rtp(n, marker=True, payload_type=n % 64)) is None for n in range(64)
    )


def test_reports_that_nobody_answers_are_forgotten() -> None:
    reader = Reports()
    for n in range(30_000):
        reports(reader, captures.sender_report(n, 5.5, packets=1))
    block = captures.report_block(1, ntp=5.5)
    found = reports(reader, captures.receiver_report(2, reports=[block]), at=2.0)
    assert found is not None
    assert found[0].rtt is None


@given(st.binary(max_size=200))
def test_no_bytes_break_a_reader(data: bytes) -> None:
    for each in (data, b"\x80\xc8" + data, b"\x9f\xc9\x00\x07" + data, b"\xbf\x00" + data):
        read(each)
        reports(Reports(), each)
        looks_like_sip(each)


def test_of_random_bytes_few_look_like_rtp_and_no_three_are_of_one_source() -> None:
    chance = random.Random(1)
    found = [packet for _ in range(20_000) if (packet := read(chance.randbytes(100))) is not None]
    assert len(found) < 20_000 / 5
    assert len({packet.ssrc for packet in found}) > len(found) - 3
