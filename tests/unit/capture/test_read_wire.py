"""Records and requests come out of the pipe as they went in."""

import json
from pathlib import Path

import pytest

from synthetic.capture import wire
from synthetic.capture.records import Read, Record, RtcpPacket, RtpPacket, SipPacket

A = ("2001:db8::1", 5060)
B = ("10.0.0.2", 65_535)


@pytest.mark.parametrize(
    "record",
    [
        SipPacket(1.5, A, B, "TLS", bytes(range(256)) * 200),
        RtpPacket(1772366400.123456, A, B, 0xFFFFFFFF, 65_535, 0xFFFFFFFF, 127, True, 160),
        RtcpPacket(1.5, A, B, 1, 2, 0.25, None),
        RtcpPacket(1.5, A, B, 1, None, None, 99),
    ],
    ids=["sip", "rtp", "receiver", "sender"],
)
def test_a_record_travels_whole(record: Record) -> None:
    line = json.dumps(wire.encode_record(record))
    again = wire.Decoder().record(json.loads(line))
    assert again == record
    assert type(again) is type(record)


def test_an_address_that_comes_again_is_the_same_object() -> None:
    decoder = wire.Decoder()
    row = wire.encode_record(SipPacket(1.5, A, B, "UDP", b""))
    assert decoder.record(list(row)).source is decoder.record(list(row)).source


def test_a_read_and_a_request_travel_whole() -> None:
    read = Read(3, 1, 1.5, None, ("one", "two"))
    assert wire.decode_read(json.loads(json.dumps(wire.encode_read(read)))) == read
    limits = wire.Limits(messages=3, sip_bytes=4)
    request = wire.encode_request(Path("/a b"), limits)
    assert wire.decode_request(json.loads(json.dumps(request))) == (Path("/a b"), limits)


@pytest.mark.parametrize("row", [[], ["r"], ["r", 1, "h", 1, "h", 2, 3], ["s", 1, "h", 1, "h", 2]])
def test_a_row_that_is_none_is_refused(row: list[object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        wire.Decoder().record(row)
