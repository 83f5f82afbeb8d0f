"""RTCP: what is written is read again, hostile packets cost nothing, a round trip is what both clocks say."""

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.media import packet
from synthetic.media.listening import Source
from synthetic.media.rtcp import Block, Control, Report, cname, read, write
from synthetic.media.speaking import Speaker
from synthetic.media.voice import voice

BLOCK = Block(7, 128, -3, 0x10005, 40, 0xAABBCCDD, 65_536)
SENT = (0x1234_5678_9ABC_DEF0, 1600, 10, 1600)


def talking(began: float = 100.0) -> tuple[Speaker, dict[int, Source], Control]:
    """Return who has said one packet, and the reports of that."""
    speaker = Speaker(lambda make: bool(make(0, None)), voice("r1", "caller"))
    speaker.frame(0)
    sources: dict[int, Source] = {}
    return speaker, sources, Control(speaker, sources, began)


def test_a_report_is_read_as_it_was_written() -> None:
    assert read(write(9, SENT, [BLOCK, BLOCK], "a name")) == [Report(9, 0x5678_9ABC, (BLOCK, BLOCK))]
    assert read(write(9, None, [BLOCK], "")) == [Report(9, None, (BLOCK,))]
    assert read(write(9, SENT, [], "abc")) == [Report(9, 0x5678_9ABC, ())]


def test_a_packet_is_whole_words_and_says_who_sends_it() -> None:
    for name in ("", "a", "ab", "abc", "abcd"):
        written = write(9, None, [], name)
        assert len(written) % 4 == 0
        first, kind, words, source = struct.unpack_from("!BBHI", written, 8)
        assert (first, kind, source) == (0x81, 202, 9)
        assert 4 * (words + 1) == len(written) - 8
        assert written[16:].rstrip(b"\x00") == (bytes((1, len(name))) + name.encode()).rstrip(b"\x00")


def test_more_blocks_than_a_report_holds_are_left_out() -> None:
    (report,) = read(write(9, SENT, [BLOCK] * 40, "x"))
    assert len(report.blocks) == 31


def test_what_says_to_hold_more_than_it_does_ends_the_packet() -> None:
    whole = write(9, SENT, [BLOCK], "x")
    for end in range(len(whole)):
        assert read(whole[:end]) in ([], [Report(9, 0x5678_9ABC, (BLOCK,))])
    assert read(struct.pack("!BBHI", 0x9F, 201, 1, 9)) == [Report(9, None, ())]
    assert read(struct.pack("!BBHI", 0x81, 200, 1, 9)) == []


def test_a_packet_of_many_is_read_for_a_while() -> None:
    assert len(read(struct.pack("!BBHI", 0x80, 201, 1, 9) * 300)) == 16


@given(st.binary(max_size=300))
def test_any_datagram_is_taken(datagram: bytes) -> None:
    _, sources, control = talking()
    sources[7] = Source()
    for made in (datagram, b"\x81\xc8" + datagram, b"\x9f\xc9\x00\x20" + datagram):
        control.take(made, 100.0)
    assert control.rtt is None or control.rtt >= 0


def test_reports_leave_early_and_then_each_2_s_and_none_is_made_up_for() -> None:
    _, _, control = talking(began=100.0)
    due = [tenth / 10 for tenth in range(1000, 1080) if control.due(tenth / 10)]
    assert due == pytest.approx([100.5, 101.0, 103.0, 105.0, 107.0])
    assert control.due(130.0)
    assert not control.due(130.1)
    assert control.due(132.0)


def test_a_round_trip_is_what_was_not_spent_at_the_other_side() -> None:
    ours, heard, control = talking()
    theirs, sources, other = talking()
    heard[theirs.source], sources[ours.source] = Source(), Source()
    other.take(control.report(lambda: 100.0), 100.04)
    control.take(other.report(lambda: 101.5), 101.53)
    assert control.rtt == pytest.approx(0.07, abs=1e-4)
    assert other.rtt is None
    other.take(control.report(lambda: 102.0), 102.04)
    assert other.rtt == pytest.approx(0.07, abs=1e-4)
    assert (control.reporter, other.reporter) == (theirs.source, ours.source)


def test_a_round_trip_is_to_whoever_reports_last_and_to_nobody_before() -> None:
    ours, _, control = talking()

    def reported(source: int, name: str, begins: float, took: float) -> None:
        ((_, sent, _),) = read(control.report(lambda: begins))
        assert sent is not None
        control.take(write(source, None, [Block(ours.source, 0, 0, 0, 0, sent, 0)], name), begins + took)

    reported(8, "a bridge", 100.0, 0.2)
    reported(8, "a bridge", 101.0, 0.3)
    assert (control.reporter, round(control.rtt or 0, 3)) == (None, 0.25)
    reported(9, "00000009-phone", 102.0, 0.05)
    assert (control.reporter, round(control.rtt or 0, 3)) == (9, 0.05)


def test_a_bridge_that_reports_under_the_ssrc_of_a_phone_is_no_phone() -> None:
    ours, _, control = talking()
    theirs, _, other = talking()
    ((_, sent, _),) = read(control.report(lambda: 100.0))
    assert sent is not None
    block = Block(ours.source, 0, 0, 0, 0, sent, 0)
    for borrowed in ("", "bridge", cname(other.report())[1:], cname(control.report())):
        control.take(write(theirs.source, None, [block], borrowed), 100.1)
        assert (control.reporter, round(control.rtt or 0, 3)) == (None, 0.1)
    control.take(write(theirs.source, None, [block], cname(other.report())), 100.1)
    assert (control.reporter, round(control.rtt or 0, 3)) == (theirs.source, 0.1)


@pytest.mark.parametrize("body", [b"", b"\x01", b"\x01\xff", b"\x02\x01x"])
def test_a_description_that_is_cut_short_or_names_nobody_is_no_name(body: bytes) -> None:
    datagram = bytes((0x81, 202, 0, 1 + len(body) // 4)) + bytes(4) + body.ljust(4, b"\0")
    assert cname(datagram[: 8 + len(body)]) == ""


def test_answers_to_what_was_never_sent_and_those_that_came_before_tell_no_round_trip() -> None:
    ours, _, control = talking()
    ((_, sent, _),) = read(control.report(lambda: 100.0))
    assert sent is not None
    for block in (
        Block(ours.source, 0, 0, 0, 0, sent + 1, 0),
        Block(ours.source, 0, 0, 0, 0, 0, 0),
        Block(ours.source, 0, 0, 0, 0, sent, 10 * 65_536),
        Block(ours.source ^ 1, 0, 0, 0, 0, sent, 0),
    ):
        control.take(write(5, None, [block], "x"), 100.1)
    assert control.rtt is None


def test_who_has_said_nothing_only_receives() -> None:
    speaker = Speaker(lambda _: False, voice("r1", "caller"))
    speaker.frame(0)
    ((_, sent, _),) = read(Control(speaker, {}, 100.0).report(lambda: 100.0))
    assert sent is None


def test_a_round_trip_is_told_though_ntp_begins_again() -> None:
    speaker, _, _ = talking()
    with pytest.MonkeyPatch.context() as clocks:
        clocks.setattr(time, "time", lambda: 2.0**32 - 2_208_988_800 + 0.5)
        clocks.setattr(time, "monotonic", lambda: 100.0)
        control = Control(speaker, {}, 100.0)
    for at in (99.0, 101.0):
        ((_, sent, _),) = read(control.report(lambda at=at: at))  # type: ignore[misc]
        assert sent is not None
        control.take(write(5, None, [Block(speaker.source, 0, 0, 0, 0, sent, 0)], "x"), at + 0.25)
    assert control.rtt == pytest.approx(0.25, abs=0.001)


def test_a_report_says_what_is_lost_since_the_last_one_and_in_all() -> None:
    _, sources, control = talking()
    sources[7] = source = Source()

    def come(*numbers: int) -> Block:
        for number in numbers:
            taken = packet.Packet(0, False, number & 0xFFFF, number * 160, 7, b"")
            source.take(taken, number * 0.02, None)
        ((_, _, (block,)),) = read(control.report(lambda: 100.0))
        return block

    first = come(65_534, 65_535, 65_537, 65_537)
    assert (first.source, first.lost, first.fraction, first.highest) == (7, 1, 64, 65_537)
    second = come(65_538, 65_539)
    assert (second.lost, second.fraction, second.highest) == (1, 0, 65_539)
