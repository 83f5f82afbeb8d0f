"""The capture file of a record: read back byte by byte, and by tshark in the integration tests."""

import struct
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from dialtone.model import Message
from synthetic.pcapfile import LINKTYPE_RAW, MAGIC, pcap

STARTED = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
TEXT = "OPTIONS sip:acme.example SIP/2.0\r\nSubject: caf\u00e9\r\n\r\n"


def a_message(
    source: str = "127.0.0.1:5062", destination: str = "192.0.2.7:5060", text: str = TEXT
) -> Message:
    return Message(0.9, "phone", "sent", source, destination, "udp", text)


def packets(data: bytes) -> list[tuple[float, bytes]]:
    """Return the packets of a file with their times."""
    magic, major, minor, _, _, snaplen, linktype = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, linktype) == (MAGIC, 2, 4, LINKTYPE_RAW)
    found, at = [], 24
    while at < len(data):
        seconds, micros, kept, length = struct.unpack_from("<IIII", data, at)
        assert kept == length <= snaplen
        assert micros < 1_000_000
        found.append((seconds + micros / 1e6, data[at + 16 : at + 16 + kept]))
        at += 16 + kept
    return found


def sums_to_ones(data: bytes) -> bool:
    """Whether data with its internet checksum inside is whole (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def test_a_message_is_a_datagram_between_its_ends_at_its_time() -> None:
    ((at, packet),) = packets(pcap([a_message()], STARTED))
    assert at == pytest.approx(STARTED.timestamp() + 0.9, abs=1e-6)
    assert sums_to_ones(packet[:20])
    assert packet[0] == 0x45
    assert struct.unpack_from("!H", packet, 2)[0] == len(packet)
    assert (ip_address(packet[12:16]), ip_address(packet[16:20])) == (
        ip_address("127.0.0.1"),
        ip_address("192.0.2.7"),
    )
    source, destination, length = struct.unpack_from("!HHH", packet, 20)
    assert (source, destination, length) == (5062, 5060, len(packet) - 20)
    assert packet[28:].decode() == TEXT
    assert sums_to_ones(packet[12:20] + struct.pack("!HH", 17, length) + packet[20:])


def test_ipv6_has_its_own_header() -> None:
    ((_, packet),) = packets(pcap([a_message("[::1]:5062", "[2001:db8::7%lo]:5061")], STARTED))
    assert packet[0] >> 4 == 6
    assert (packet[6], struct.unpack_from("!H", packet, 4)[0]) == (17, len(packet) - 40)
    assert ip_address(packet[24:40]) == ip_address("2001:db8::7")
    assert sums_to_ones(packet[8:40] + struct.pack("!II", len(packet) - 40, 17) + packet[40:])


@pytest.mark.parametrize(
    "ends",
    [
        ("", ""),
        ("nowhere", "127.0.0.1:1"),
        ("127.0.0.1:1", "host:5060"),
        ("127.0.0.1:1", "127.0.0.1:70000"),
        ("127.0.0.1:1", "127.0.0.1:-1"),
        ("127.0.0.1:1", "[::1]:5060"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_message_between_what_is_no_address_is_left_out(ends: tuple[str, str]) -> None:
    assert len(packets(pcap([a_message(*ends), a_message()], STARTED))) == 1


def test_a_message_too_long_for_a_datagram_is_cut() -> None:
    ((_, packet),) = packets(pcap([a_message(text="x" * 100_000)], STARTED))
    assert len(packet) == 65_535


def test_what_is_no_unicode_is_written_all_the_same() -> None:
    ((_, packet),) = packets(pcap([a_message(text="\udcff")], STARTED))
    assert packet[28:] == b"\\udcff"


def test_no_message_is_a_file_without_packets() -> None:
    assert packets(pcap([], STARTED)) == []
