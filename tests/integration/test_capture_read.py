"""Captures read by the real tshark and pyshark: what is found in them, and what is said of bad ones."""

import contextlib
import os
import random
import shutil
import signal
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio
import pytest

from synthetic.capture.file import CaptureError
from synthetic.capture.reading import read_capture
from synthetic.capture.records import Read, Record, RtcpPacket, RtpPacket, SipPacket
from synthetic.capture.wire import Limits
from tests.fakes import captures
from tests.fakes.captures import AT, A, B

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark on PATH"),
]


async def everything(path: Path, *, limits: Limits | None = None) -> tuple[list[Record], Read]:
    records: list[Record] = []
    with anyio.fail_after(60):
        async with read_capture(path, limits=limits) as reading:
            async for batch in reading:
                records += batch
            return records, reading.read


async def of(folder: Path, file: bytes, *, limits: Limits | None = None) -> tuple[list[Record], Read]:
    path = folder / "file.pcap"
    path.write_bytes(file)
    return await everything(path, limits=limits)


def stream(count: int, *, port: int = 4000, start: int = 0, ssrc: int = 0xCAFE) -> list[captures.Packet]:
    return [
        (AT + n * 0.02, captures.udp(A, 30_000, B, port, captures.rtp(start + n, ssrc=ssrc)))
        for n in range(count)
    ]


def tshark(path: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("link", [captures.RAW, captures.ETHERNET, captures.COOKED, captures.NULL])
@pytest.mark.parametrize("six", [False, True])
async def test_what_carries_the_packets_does_not_matter(tmp_path: Path, link: int, six: bool) -> None:
    source, destination = ("2001:db8::1", "2001:db8::2") if six else (A, B)
    packets = [
        captures.udp(source, 5060, destination, 5070, captures.sip()),
        captures.udp(source, 4000, destination, 4002, captures.rtp(7, marker=True)),
    ]
    file = captures.pcap([(AT, captures.linked(p, link)) for p in packets], link=link)
    records, read = await of(tmp_path, file)
    assert records == [
        SipPacket(AT, (source, 5060), (destination, 5070), "UDP", captures.sip()),
        RtpPacket(AT, (source, 4000), (destination, 4002), 0xCAFE, 7, 1120, 0, True, 160),
    ]
    assert read == Read(2, 0, AT, AT)


@pytest.mark.parametrize("kind", ["vlan", "nanoseconds", "pcapng", "gzip"])
async def test_every_form_of_file_is_read(tmp_path: Path, kind: str) -> None:
    packet = captures.udp(A, 4000, B, 4002, captures.rtp(7))
    tagged = captures.linked(packet, captures.ETHERNET, vlan=True)
    files = {
        "vlan": captures.pcap([(AT, tagged)], link=captures.ETHERNET),
        "nanoseconds": captures.pcap([(AT + 0.5, packet)], nanoseconds=True),
        "pcapng": captures.pcapng([(AT, packet)]),
        "gzip": captures.gzipped(captures.pcap([(AT, packet)])),
    }
    records, read = await of(tmp_path, files[kind])
    assert [type(record) for record in records] == [RtpPacket]
    assert read.problems == ()


async def test_an_invite_in_fragments_is_one_message(tmp_path: Path) -> None:
    message = captures.sip(body="a=x\r\n" * 800)
    parts = captures.fragments(captures.udp(A, 5060, B, 5060, message), 1480)
    records, read = await of(tmp_path, captures.pcap([(AT + n, part) for n, part in enumerate(parts)]))
    assert len(parts) == 3
    assert records == [SipPacket(AT + 2, (A, 5060), (B, 5060), "UDP", message)]
    assert (read.packets, read.other) == (3, 2)


async def test_sip_over_tcp_is_put_together_from_split_shared_and_late_segments(tmp_path: Path) -> None:
    texts = [captures.sip("INVITE", body="v=0\r\n"), captures.sip("ACK"), captures.sip("BYE")]
    whole = b"".join(texts)
    first, second = 50, len(texts[0]) + 30
    pieces = [(0, first), (second, len(whole)), (first, second), (first, second)]
    packets = [
        (AT + n, captures.tcp(A, 40_000, B, 7777, 1000 + start, whole[start:end]))
        for n, (start, end) in enumerate(pieces)
    ]
    between = (AT + 1.5, captures.udp(A, 4000, B, 4002, captures.rtp(1)))
    records, _ = await of(tmp_path, captures.pcap([*packets[:2], between, *packets[2:]]))
    assert isinstance(records[0], RtpPacket)
    assert [(r.transport, r.data) for r in records if isinstance(r, SipPacket)] == [("TCP", t) for t in texts]
    assert {(r.at, r.source, r.destination) for r in records[1:]} == {(AT + 2, (A, 40_000), (B, 7777))}


async def test_streams_are_counted_as_tshark_counts_them(tmp_path: Path) -> None:
    chance = random.Random(8)
    packets: list[captures.Packet] = []
    for n, (ssrc, port) in enumerate([(1, 4000), (2, 4000), (3, 65_000), (0xFFFFFFFF, 10_000)]):
        sent = stream(300, port=port, start=65_400, ssrc=ssrc)
        packets += [(at + n * 0.001, p) for at, p in sent if chance.random() > 0.1 * n]
    path = tmp_path / "file.pcap"
    path.write_bytes(captures.pcap(sorted(packets)))
    records, read = await everything(path)
    ours = Counter((r.ssrc, r.destination[1]) for r in records if isinstance(r, RtpPacket))
    table = tshark(path, "-q", "--enable-heuristic", "rtp_udp", "-z", "rtp,streams").splitlines()
    theirs = {
        (int(words[6], 16), int(words[5])): int(words[8])
        for words in map(str.split, table)
        if len(words) > 8 and words[6].startswith("0x")
    }
    assert len(theirs) == 4
    assert ours == theirs
    assert read.other == 0


async def test_rtp_is_found_on_odd_ports_and_with_a_dynamic_payload_type(tmp_path: Path) -> None:
    packets = [captures.udp(A, 4001, B, 33_333, captures.rtp(n, payload_type=111)) for n in range(3)]
    records, _ = await of(tmp_path, captures.pcap([(AT, packet) for packet in packets]))
    assert [r.payload_type for r in records if isinstance(r, RtpPacket)] == [111] * 3


@pytest.mark.parametrize("port", [4003, 4002], ids=["apart", "with-the-media"])
async def test_the_round_trip_of_rtcp_is_the_one_of_tshark(tmp_path: Path, port: int) -> None:
    back = captures.receiver_report(2, reports=[captures.report_block(1, ntp=1000.25, delay=0.5)])
    packets = [
        (AT, captures.udp(A, port, B, port, captures.sender_report(1, 1000.25, packets=50))),
        (AT + 0.58, captures.udp(B, port, A, port, back)),
    ]
    path = tmp_path / "file.pcap"
    path.write_bytes(captures.pcap(packets))
    records, _ = await everything(path)
    first, second = records
    assert isinstance(first, RtcpPacket)
    assert isinstance(second, RtcpPacket)
    assert (first.ssrc, first.about, first.rtt, first.sent) == (1, None, None, 50)
    assert (second.ssrc, second.about, second.sent) == (2, 1, None)
    calculate = ("-o", "rtcp.show_roundtrip_calculation:TRUE", "-d", f"udp.port=={port},rtcp")
    shown = tshark(path, *calculate, "-T", "fields", "-e", "rtcp.roundtrip-delay").split()
    assert second.rtt == pytest.approx(0.08, abs=1e-4)
    assert second.rtt == pytest.approx(int(shown[-1]) / 1000, abs=1e-3)


async def test_other_protocols_are_not_taken_for_media(tmp_path: Path) -> None:
    query = b"\x80\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04acme\x07example\x00\x00\x01\x00\x01"
    quic = b"\xc0\x00\x00\x00\x01" + bytes(1200)
    refused = captures.ip(B, A, 1, b"\x03\x03\0\0\0\0\0\0" + captures.udp(A, 4000, B, 4002, captures.rtp(1)))
    stun = struct.pack("!HHI12x", 1, 0, 0x2112A442)
    packets = [
        *(captures.udp(A, 30_000, B, 53, query) for _ in range(3)),
        captures.udp(A, 30_000, B, 443, quic),
        captures.udp(A, 30_000, B, 3478, stun),
        captures.udp(A, 5060, B, 5060, b"\r\n\r\n"),
        captures.udp(A, 5060, B, 5060, b""),
        refused,
    ]
    records, read = await of(tmp_path, captures.pcap([(AT, packet) for packet in packets]))
    assert records == []
    assert read.other == len(packets)


async def test_a_message_of_60_kb_full_of_control_characters_arrives_as_it_is(tmp_path: Path) -> None:
    body = "".join(chr(n % 256) for n in range(60_000)).encode("latin-1")
    message = captures.sip() + b"\x1b[2J\x1b]0;owned\x07" + body[:59_000]
    records, read = await of(tmp_path, captures.pcap([(AT, captures.udp(A, 5060, B, 5060, message))]))
    assert [r.data for r in records if isinstance(r, SipPacket)] == [message]
    assert read.problems == ()


async def test_messages_over_the_limits_are_left_out_and_said_so(tmp_path: Path) -> None:
    packets = [(AT, captures.udp(A, 5060, B, 5060, captures.sip())) for _ in range(5)]
    records, read = await of(tmp_path, captures.pcap(packets), limits=Limits(messages=2))
    assert len(records) == 2
    assert "3 SIP messages were left out" in read.problems[0]
    few, _ = await of(tmp_path, captures.pcap(packets), limits=Limits(sip_bytes=len(captures.sip()) * 3))
    assert len(few) == 3


@pytest.mark.parametrize("gzip", [False, True])
async def test_a_file_that_ends_in_a_packet_is_read_up_to_there(tmp_path: Path, gzip: bool) -> None:
    whole = captures.pcap([(AT, captures.udp(A, 4000, B, 4002, captures.rtp(n))) for n in range(2000)])
    file = captures.gzipped(whole)[:-40] if gzip else whole[:-100]
    records, read = await of(tmp_path, file)
    assert 1000 < len(records) < 2000
    assert read.problems == (
        "the file ends in the middle of a packet: the figures are of what stands before that",
    )


@pytest.mark.parametrize("kept", [4, 8, 12, 24, 28, 60, 100])
async def test_a_file_that_ends_in_its_head_is_refused_with_words(tmp_path: Path, kept: int) -> None:
    comment = struct.pack("<HH", 1, 100) + b"x" * 100 + bytes(4)
    whole = struct.pack("<IIIHHq", 0x0A0D0D0A, 28 + len(comment), 0x1A2B3C4D, 1, 0, -1) + comment
    with pytest.raises(CaptureError, match="cut off or damaged in its head") as caught:
        await of(tmp_path, whole[:kept])
    assert caught.value.mend


@pytest.mark.parametrize("kept", [4, 20, 24, 30])
async def test_a_classic_file_without_a_whole_packet_says_so(tmp_path: Path, kept: int) -> None:
    records, read = await of(tmp_path, captures.pcap(stream(1))[:kept])
    assert (records, read.packets, len(read.problems)) == ([], 0, 1)


async def test_a_damaged_file_is_read_up_to_the_damage(tmp_path: Path) -> None:
    whole = captures.pcap(stream(10))
    records, read = await of(tmp_path, whole + random.Random(1).randbytes(100))
    assert len(records) == 10
    assert "damaged" in read.problems[0]


async def test_packets_cut_when_captured_still_tell_their_length(tmp_path: Path) -> None:
    message = captures.sip()
    packets = [*stream(3), (AT + 1, captures.udp(A, 5060, B, 5060, message))]
    records, read = await of(tmp_path, captures.pcap(packets, snaplen=96))
    assert [r.size for r in records if isinstance(r, RtpPacket)] == [160] * 3
    assert [r.data for r in records if isinstance(r, SipPacket)] == [message[:68]]
    assert read.problems == (
        "4 packets were cut short when captured: record with a snapshot length of 0 (-s 0)",
    )


async def test_what_tls_hides_is_said_by_its_server(tmp_path: Path) -> None:
    hello = b"\x17\x03\x03\x00\x20" + bytes(32)
    packets = [(AT + n, captures.tcp(A, 40_000, B, 5061, 1 + 37 * n, hello)) for n in range(12)]
    records, read = await of(tmp_path, captures.pcap(packets))
    assert records == []
    assert read.problems == (f"12 packets of TLS to {B}:5061: SIP in it can't be read",)


async def test_a_file_without_packets_says_so(tmp_path: Path) -> None:
    records, read = await of(tmp_path, captures.pcap([]))
    assert (records, read) == ([], Read(0, 0, None, None, ("the file holds no packets",)))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "is empty"),
        (b"INVITE sip:a@b SIP/2.0\r\n", "is no capture file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is no capture file"),
        (b"\xff" * 5000, "is no capture file"),
        (captures.gzipped(b"just text"), "is no capture file"),
        (captures.gzipped(b""), "is gzipped and empty"),
        (b"\x1f\x8b\x08\x00broken gzip", "damaged gzip"),
        (b"\x1f\x8b", "damaged gzip"),
    ],
    ids=["empty", "sip", "picture", "bytes", "text-gz", "empty-gz", "broken-gz", "cut-gz"],
)
async def test_what_is_no_capture_is_refused(tmp_path: Path, file: bytes, said: str) -> None:
    with pytest.raises(CaptureError, match=said) as caught:
        await of(tmp_path, file)
    assert caught.value.mend


async def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, said in (("absent", "No such file"), ("", "is a directory"), ("fifo", "is no regular file")):
        with pytest.raises(CaptureError, match=said):
            await everything(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    path.write_bytes(captures.pcap([]))
    path.chmod(0)
    with pytest.raises(CaptureError, match="Permission denied"):
        await everything(path)


async def test_without_tshark_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CaptureError, match="install the Debian package tshark"):
        await of(tmp_path, captures.pcap(stream(1)))


async def test_progress_goes_up_to_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    path.write_bytes(captures.pcap(stream(60_000)))
    told: list[tuple[int, int]] = []
    async with read_capture(path, on_progress=lambda done, size: told.append((done, size))) as reading:
        async for _ in reading:
            pass
    size = path.stat().st_size
    assert told == sorted(told)
    assert told[-1] == (size, size)
    assert len(told) > 2


def alive(group: int) -> list[str]:
    """Return the programs of a process group that still run."""
    names = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            name, fields = (entry / "stat").read_text().rpartition(")")[::2]
            state, _, member = fields.split()[:3]
            if int(member) == group and state != "Z":
                names.append(name.partition("(")[2])
    return names


async def test_nothing_runs_on_when_the_reading_is_left_half_way(tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    segment = captures.tcp(A, 40_000, B, 7777, 1, captures.sip())
    path.write_bytes(captures.pcap([(AT, segment), *stream(60_000)]))
    async with read_capture(path) as reading:
        async for _ in reading:
            break
        assert "tshark" in alive(reading.pid)
    assert await ended(reading.pid)


async def test_a_reader_that_is_killed_is_a_clear_error(tmp_path: Path) -> None:
    said, group = await hindered(tmp_path, lambda pid: os.kill(pid, signal.SIGKILL))
    assert "was ended by SIGKILL" in said
    assert await ended(group)


@pytest.mark.parametrize("whom", ["reader", "tshark"])
async def test_a_reading_that_stands_still_is_given_up(tmp_path: Path, whom: str) -> None:
    def stop(pid: int) -> None:
        for each in [pid] if whom == "reader" else children(pid):
            os.kill(each, signal.SIGSTOP)

    said, group = await hindered(tmp_path, stop)
    assert "has not come further for 1 s" in said
    assert await ended(group)


async def hindered(folder: Path, act: Callable[[int], None]) -> tuple[str, int]:
    """Read, act on the reader at each batch; return what was said at the end, and its group."""
    path = folder / "file.pcap"
    path.write_bytes(captures.pcap(stream(60_000)))
    group = 0
    try:
        with anyio.fail_after(30):
            async with read_capture(path, patience=1.0) as reading:
                group = reading.pid
                async for _ in reading:
                    with contextlib.suppress(ProcessLookupError):  # gone since the last batch
                        act(group)
    except CaptureError as error:
        return str(error), group
    return "", group


async def ended(group: int) -> bool:
    """Wait a moment until nothing of a group runs any more."""
    with anyio.move_on_after(5):
        while alive(group):  # noqa: ASYNC110 - what dies says nothing
            await anyio.sleep(0.01)
        return True
    return False


def children(pid: int) -> Iterable[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def resident(group: int) -> int:
    """Return the bytes of memory of all processes of a group together."""
    total = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                total += int(fields[21]) * os.sysconf("SC_PAGESIZE")
    return total


@pytest.mark.parametrize("kind", ["media", "sip"])
async def test_a_hundred_thousand_packets_are_read_in_seconds_and_in_bounded_memory(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "file.pcap"
    if kind == "media":
        path.write_bytes(captures.pcap(stream(100_000)))
    else:
        path.write_bytes(
            captures.pcap(
                (AT + n * 0.001, captures.udp(A, 5060, B, 5060, captures.sip(call=f"c{n}")))
                for n in range(100_000)
            )
        )
    count, most = 0, 0
    with anyio.fail_after(30):
        async with read_capture(path) as reading:
            async for batch in reading:
                count += len(batch)
                if count % 8000 < 400:
                    most = max(most, resident(reading.pid))
    assert count == 100_000
    assert 0 < most < 350_000_000


async def test_a_segment_of_sip_that_is_missing_is_told(tmp_path: Path) -> None:
    texts = [captures.sip("INVITE", call=f"c{n}") for n in range(12)]
    start, packets = 1000, []
    for n, text in enumerate(texts):
        if n != 3:
            packets.append((AT + n, captures.tcp(A, 40_000, B, 5060, start, text)))
        start += len(text)
    records, read = await of(tmp_path, captures.pcap(packets))
    assert len(records) == 3
    assert any("one before them was not captured" in problem for problem in read.problems)


async def test_an_empty_line_before_a_message_is_passed_over(tmp_path: Path) -> None:
    message = captures.sip("INVITE")
    packet = captures.udp(A, 5060, B, 5060, b"\r\n\r\n" + message)
    records, _ = await of(tmp_path, captures.pcap([(AT, packet)]))
    assert [record.data for record in records if isinstance(record, SipPacket)] == [message]
