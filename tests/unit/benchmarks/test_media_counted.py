"""The counts of streams, by whoever counted them, are read alike and held against each other."""

from datetime import UTC, datetime

import pytest

from benchmarks.media.counted import Count, by_analysis, by_answerers, by_tshark, compare, media_ports
from dialtone.model import (
    Engine,
    Evidence,
    Flow,
    Found,
    MediaStream,
    Message,
    Origin,
    Outcome,
    ProbeResult,
    ProbeRun,
)

TSHARK = """\
======================== RTP Streams ========================
 Start time  End time  Src IP addr  Port  Dest IP addr  Port  SSRC  Payload  Pkts  Lost
   1.000000  6.000000    127.0.0.1 40000     127.0.0.1 40002 0x1A2B3C4D        g711U   250     0 (0.0%)   0.0
   1.000000  6.000000    127.0.0.1 40002     127.0.0.1 40000 0x00000001  g711A, 101    248     2 (0.8%)  0 X
   9.000000 14.000000    127.0.0.1 40000     127.0.0.1 40002 0xFFFFFFFF        g711U   100    -1 (-1.0%)
"""
CALLER, CALLEE = ("127.0.0.1", 40000), ("127.0.0.1", 40002)


def described(party: str, port: int, first: str) -> Message:
    sdp = f"v=0\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    return Message(0.0, party, "sent", "a:1", "b:2", "UDP", f"{first}\r\nCall-ID: 1\r\n\r\n{sdp}")


def run(*streams: MediaStream) -> ProbeRun:
    result = ProbeResult(
        "1",
        "media",
        Flow.CALL,
        Engine.SIPPY,
        "acme.example",
        "sip:127.0.0.1",
        "here",
        "",
        Origin.MANUAL,
        0,
        1,
        datetime(2026, 11, 24, tzinfo=UTC),
        5.0,
        Outcome.PASS,
        media=streams,
    )
    messages = (
        described("caller", 40000, "INVITE sip:1 SIP/2.0"),
        described("callee", 40002, "SIP/2.0 200 OK"),
    )
    return ProbeRun(result, Evidence(messages))


def stream(speaker: str, listener: str, received: int, lost: int) -> MediaStream:
    return MediaStream(speaker, listener, Found.VOICE, received=received, lost=lost)


def test_tsharks_table_is_read_by_addresses_whatever_the_payloads_are_called() -> None:
    assert by_tshark(TSHARK) == {(CALLER, CALLEE): Count(350, -1), (CALLEE, CALLER): Count(248, 2)}


def test_what_is_no_table_of_tshark_is_said() -> None:
    with pytest.raises(ValueError, match="no table"):
        by_tshark("tshark: The file isn't a capture file")


def test_the_analysis_counts_each_packet_once_as_the_phones_do() -> None:
    one = {"source": "127.0.0.1:40000", "destination": "127.0.0.1:40002"}
    report = {"streams": [{**one, "packets": 252, "duplicates": 2, "lost": 1}]}
    assert by_analysis(report) == {(CALLER, CALLEE): Count(250, 1)}


def test_the_phones_counts_go_by_the_ports_that_they_described() -> None:
    one = run(stream("caller", "callee", 250, 0), stream("callee", "caller", 248, 2))
    assert media_ports(one) == {"caller": CALLER, "callee": CALLEE}
    assert by_answerers([one]) == {(CALLER, CALLEE): Count(250, 0), (CALLEE, CALLER): Count(248, 2)}


def test_calls_over_the_same_ports_count_as_one() -> None:
    one = run(stream("caller", "callee", 250, 1))
    assert by_answerers([one, one]) == {(CALLER, CALLEE): Count(500, 2)}


def test_the_same_counts_are_the_same_whatever_else_was_captured() -> None:
    ours = {(CALLER, CALLEE): Count(250, 0)}
    assert compare({**ours, (CALLEE, CALLER): Count(9, 9)}, ours).same


@pytest.mark.parametrize("theirs", [Count(249, 0), Count(250, 1)])
def test_one_packet_of_difference_is_seen(theirs: Count) -> None:
    assert not compare({(CALLER, CALLEE): theirs}, {(CALLER, CALLEE): Count(250, 0)}).same


def test_a_stream_that_they_do_not_show_is_missing() -> None:
    found = compare({}, {(CALLER, CALLEE): Count(250, 0)})
    assert (found.streams, found.missing, found.same) == (1, 1, False)


def test_no_streams_at_all_are_not_the_same() -> None:
    assert not compare({}, {}).same
