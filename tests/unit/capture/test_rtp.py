"""Streams: whose, how many were lost, how they sounded, and what is only noise."""

import random
from collections.abc import Iterable

import pytest

from dialtone.quality import G711_PLC, score
from synthetic.capture import rtp as module
from synthetic.capture.analysis import Analysis, Report
from synthetic.capture.records import Read, Record, RtcpPacket, RtpPacket
from synthetic.capture.rtp import Stream
from tests.fakes.sip_capture import answered, back, described, sip, spoken

HERE, THERE = ("192.0.2.1", 4000), ("192.0.2.2", 4002)


def told(records: Iterable[Record]) -> Report:
    analysis = Analysis()
    analysis.add(sorted(records, key=lambda record: record.at))
    return analysis.report(Read(0, 0, 0.0, 100.0))


def only(report: Report) -> Stream:
    (stream,) = report.streams
    return stream


def call(caller: str, callee: str) -> list[Record]:
    """A call with these descriptions."""
    packets = answered(0)
    packets[0] = sip(0, "INVITE", body=caller)
    packets[3] = back(1, "200", body=callee)
    return list(packets)


def test_a_stream_without_loss() -> None:
    stream = only(told(spoken(range(65_500, 65_700))))
    assert (stream.codec, stream.rate, stream.call_id) == ("PCMU", 8000, None)
    assert (stream.received.packets, stream.received.lost) == (200, 0)
    assert stream.received.jitter == pytest.approx(0, abs=1e-6)
    expected = score(stream.received, G711_PLC, None)
    assert expected is not None
    assert stream.mos == pytest.approx(expected.mos)


def test_what_is_missing_twice_there_and_late_is_counted() -> None:
    numbers = [number for number in range(100) if number not in (10, 11, 50)]
    numbers[30], numbers[31] = numbers[31], numbers[30]
    packets = spoken(numbers)
    swapped = [packet._replace(at=n * 0.02) for n, packet in enumerate(packets)]
    received = only(told([*swapped, swapped[60]._replace(at=swapped[60].at + 0.001)])).received
    assert (received.lost, received.duplicates, received.reordered) == (3, 1, 1)
    assert received.expected == 100


def test_streams_belong_to_the_call_that_described_either_end() -> None:
    records = call(described("192.0.2.1", 4000), described("10.0.0.2", 9999))
    stranger = spoken(range(50), source=("198.51.100.1", 1), destination=("198.51.100.2", 2), ssrc=9)
    report = told(
        [*records, *spoken(range(50), at=1.1), *spoken(range(50), at=1.1, source=THERE, destination=HERE)]
    )
    assert {stream.call_id for stream in report.streams} == {"c1"}
    assert len(report.calls[0].streams) == 2
    assert not report.calls[0].one_way
    assert only(told([*records, *stranger])).call_id is None


def test_rtp_in_one_direction_alone_is_remarked() -> None:
    records = call(described("192.0.2.1", 4000), described("192.0.2.2", 4002))
    report = told([*records, *spoken(range(50), at=1.1)])
    assert report.calls[0].one_way
    assert report.calls[0].is_bad


def test_a_port_that_two_calls_use_in_turn_belongs_to_each_in_its_time() -> None:
    first = [*answered(0, "c1", 5)]
    first[0] = sip(0, "INVITE", call_id="c1", body=described("192.0.2.1", 4000))
    second = [*answered(20, "c2", 5)]
    second[0] = sip(20, "INVITE", call_id="c2", body=described("192.0.2.1", 4000))
    packets = [*spoken(range(50), at=2, ssrc=1), *spoken(range(50), at=22, ssrc=2)]
    found = {stream.ssrc: stream.call_id for stream in told([*first, *second, *packets]).streams}
    assert found == {1: "c1", 2: "c2"}


@pytest.mark.parametrize("numbers", [range(50), range(50, 100), range(1550, 1600)])
def test_a_source_that_two_calls_use_in_turn_is_a_stream_of_each(numbers: range) -> None:
    first = [*answered(0, "c1", 5)]
    first[0] = sip(0, "INVITE", call_id="c1", body=described("192.0.2.1", 4000))
    second = [*answered(20, "c2", 5)]
    second[0] = sip(20, "INVITE", call_id="c2", body=described("192.0.2.1", 4000))
    again = [packet._replace(at=22 + n * 0.02) for n, packet in enumerate(spoken(numbers, ssrc=1))]
    streams = told([*first, *second, *spoken(range(50), at=2, ssrc=1), *again]).streams
    assert {stream.call_id for stream in streams} == {"c1", "c2"}
    assert [(one.received.packets, one.received.lost, one.received.duplicates) for one in streams] == [
        (50, 0, 0)
    ] * 2


def test_a_pause_in_a_call_is_no_new_stream() -> None:
    records = call(described("192.0.2.1", 4000), described("192.0.2.2", 4002))
    later = [packet._replace(at=20 + n * 0.02) for n, packet in enumerate(spoken(range(50, 100)))]
    assert only(told([*records, *spoken(range(50), at=1.1), *later])).received.packets == 100


def test_a_change_to_a_codec_of_another_clock_is_no_jitter() -> None:
    lines = "a=rtpmap:96 opus/48000/2\r\n"
    records = call(described("192.0.2.1", 4000), described("192.0.2.2", 4002, lines, "0 96"))
    opus = spoken(range(100, 200), at=1.1, payload_type=96, step=960, rate=48000)
    stream = only(told([*records, *spoken(range(100), at=1.1), *opus]))
    assert stream.received.packets == 200
    assert stream.received.jitter == pytest.approx(0, abs=1e-6)
    assert stream.mos is not None
    assert stream.mos > 4.3


def test_what_is_described_long_after_it_began_is_of_that_call() -> None:
    records = call(described("192.0.2.1", 4000), described("192.0.2.2", 4002))
    early = spoken(range(300), at=-4)
    assert only(told([*early, *records])).call_id == "c1"


def test_a_candidate_of_ice_is_an_address_of_the_call() -> None:
    lines = "".join(
        f"a=candidate:1 {component} UDP 9 192.0.2.9 {4443 + component} typ host\r\n" for component in (1, 2)
    )
    records = call(described("192.0.2.1", 4000, lines), described("198.51.100.2", 4002))
    packets = spoken(range(50), at=1.1, source=("203.0.113.5", 7), destination=("192.0.2.9", 4444))
    assert only(told([*records, *packets])).call_id == "c1"


def test_a_changed_port_is_followed() -> None:
    records = call(described("192.0.2.1", 4000), described("192.0.2.2", 4002))
    moved = described("192.0.2.1", 5000)
    records.append(sip(5, "INVITE", "2 INVITE", to_tag="b", branch="z9hG4bK5", body=moved))
    packets = spoken(range(50), at=6, source=("192.0.2.77", 1), destination=("192.0.2.1", 5000))
    assert only(told([*records, *packets])).call_id == "c1"


def test_a_dynamic_type_means_what_the_receiver_described() -> None:
    lines = "a=rtpmap:96 opus/48000/2\r\n"
    records = call(described("192.0.2.1", 4000), described("192.0.2.2", 4002, lines, "96"))
    stream = only(told([*records, *spoken(range(50), at=1.1, payload_type=96, step=960, rate=48000)]))
    assert (stream.codec, stream.rate, stream.is_ours) == ("opus", 48000, True)
    assert stream.received.jitter == pytest.approx(0, abs=1e-6)
    assert stream.mos is not None


def test_early_packets_wait_for_the_description_that_explains_them() -> None:
    lines = "a=rtpmap:96 opus/48000/2\r\n"
    records = call(described("192.0.2.1", 4000), described("192.0.2.2", 4002, lines, "96"))
    stream = only(told([*records, *spoken(range(50), at=0.8, payload_type=96, step=960, rate=48000)]))
    assert (stream.codec, stream.rate) == ("opus", 48000)
    assert stream.received.packets == 50


def test_an_unknown_type_has_loss_and_neither_jitter_nor_score() -> None:
    stream = only(told(spoken([n for n in range(100) if n != 5], payload_type=99)))
    assert (stream.codec, stream.rate, stream.mos) == ("payload type 99", 0, None)
    assert (stream.received.lost, stream.received.jitter) == (1, 0.0)


def test_a_codec_that_the_model_does_not_know_has_no_score() -> None:
    stream = only(told(spoken(range(50), payload_type=9)))
    assert (stream.codec, stream.mos) == ("G722", None)


def test_telephone_events_are_no_jitter_and_no_codec() -> None:
    lines = "a=rtpmap:101 telephone-event/8000\r\n"
    records = call(described("192.0.2.1", 4000), described("192.0.2.2", 4002, lines, "0 101"))
    voice = spoken(range(100), at=1.1)
    voice[40:60] = [
        packet._replace(payload_type=101, timestamp=voice[40].timestamp) for packet in voice[40:60]
    ]
    stream = only(told([*records, *voice]))
    assert (stream.codec, stream.events) == ("PCMU", 20)
    assert stream.received.jitter == pytest.approx(0, abs=1e-6)


def test_the_round_trip_is_that_to_both_ends() -> None:
    about = RtcpPacket(3, (THERE[0], 4003), (HERE[0], 4001), 8, 7, 0.03, 10)
    other = RtcpPacket(4, (HERE[0], 4001), (THERE[0], 4003), 7, 8, 0.05, 10)
    report = told([*spoken(range(50)), about, other])
    assert only(report).rtt == pytest.approx(0.08)
    assert only(told([*spoken(range(50)), about])).rtt == pytest.approx(0.03)
    assert only(told([*spoken(range(50)), about._replace(rtt=None)])).rtt is None


def test_two_packets_and_packets_without_order_are_noise() -> None:
    chance = random.Random(5)
    hiss = [
        RtpPacket(n * 0.02, HERE, THERE, 1, chance.randrange(65_536), n * 160, 0, False, 160)
        for n in range(200)
    ]
    report = told([*hiss, *spoken(range(2), ssrc=2)])
    assert report.streams == ()
    assert any("202 packets" in note and "2 sources" in note for note in report.notes)


def test_three_packets_are_a_stream() -> None:
    assert only(told(spoken(range(3)))).received.packets == 3


def test_streams_past_the_limit_are_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STREAMS", 4)
    report = told([packet for n in range(10) for packet in spoken(range(5), at=n * 1.0, ssrc=n)])
    assert len(report.streams) == 4
    assert any(note.startswith("30 packets of RTP are left out") for note in report.notes)
    assert not any("noise" in note for note in report.notes)


def test_a_million_sources_leave_no_trace_but_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STREAMS", 50)
    analysis = Analysis()
    analysis.add(spoken([n], at=n * 0.02, ssrc=n)[0] for n in range(2000))
    assert len(analysis._streams._young) <= 50
    assert any("2000 sources" in note for note in analysis.report(Read(0, 0, 0, 0)).notes)


def test_the_worst_stream_comes_first() -> None:
    poor = spoken([n for n in range(200) if n % 5], ssrc=1)
    assert [stream.ssrc for stream in told([*spoken(range(200), ssrc=2), *poor]).streams] == [1, 2]
