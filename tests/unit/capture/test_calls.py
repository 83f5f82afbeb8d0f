"""Attempts, sessions and figures by RFC 6076, counted by hand."""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from synthetic.capture import calls as module
from synthetic.capture import rtp as streams
from synthetic.capture.analysis import Analysis, Call, Report
from synthetic.capture.calls import Ending
from synthetic.capture.figures import SHOWN_DOMAINS
from synthetic.capture.records import Address, Read, RtpPacket, SipPacket
from tests.fakes.sip_capture import CALLEE, CALLER, PROXY, answered, back, described, sip, spoken

CREDENTIALS = "Proxy-Authorization: Digest x\r\n"


def told(packets: Iterable[SipPacket | RtpPacket], until: float = 100.0) -> Report:
    analysis = Analysis()
    analysis.add(packets)
    return analysis.report(Read(0, 0, 0.0, until))


def only(report: Report) -> Call:
    (call,) = report.calls
    return call


def test_an_answered_call_is_one_of_each() -> None:
    report = told(answered())
    assert report.figures.counts == {
        "register": 0,
        "register_failed": 0,
        "invite": 1,
        "invite_200": 1,
        "invite_3xx": 0,
        "invite_end_user": 0,
        "invite_ineffective": 0,
        "session_complete": 1,
    }
    ratios = report.figures.ratios
    assert (ratios.ser, ratios.seer, ratios.isa, ratios.scr, ratios.ira) == (1, 1, 0, 1, None)
    times = {name: times.median for name, times in report.figures.times.items()}
    assert times == pytest.approx({"srd": 0.2, "pdd": 0.2, "sdd": 0.05, "sdt": 10.0})
    assert report.figures.classes == {"BYE": {"2xx": 1}, "INVITE": {"2xx": 1}}
    call = only(report)
    assert (call.ending, call.status) == (Ending.ANSWERED, 200)
    assert call.duration == pytest.approx(10)
    assert (call.caller, call.domains) == ("100@acme.ntek.example", ("acme.ntek.example",))
    assert set(report.tenants) == {"acme.ntek.example"}
    assert not call.is_bad


def test_the_challenge_and_the_second_try_are_one_attempt_timed_from_the_first() -> None:
    report = told(
        [
            sip(0, "INVITE"),
            back(0.1, "407"),
            sip(0.11, "ACK", "1 ACK", to_tag="b"),
            sip(0.2, "INVITE", "2 INVITE", branch="z9hG4bK2", more=CREDENTIALS),
            back(0.25, "407"),  # a late retransmission
            back(0.5, "200", "2 INVITE", branch="z9hG4bK2"),
        ]
    )
    assert report.figures.counts["invite"] == report.figures.counts["invite_200"] == 1
    assert report.figures.times["srd"].median == pytest.approx(0.5)
    assert only(report).ending is Ending.UP


def test_a_challenge_that_nobody_answers_is_neither_failed_nor_ineffective() -> None:
    report = told([sip(0, "INVITE"), back(0.1, "407")])
    assert report.figures.counts["invite"] == 1
    assert report.figures.counts["invite_ineffective"] == 0
    assert "srd_failed" not in report.figures.times


@pytest.mark.parametrize("seed", range(5))
def test_retransmissions_hops_and_their_copies_count_once(seed: int) -> None:
    ours = answered()
    beyond = [
        SipPacket(
            packet.at + (0.001 if packet.source == CALLER else -0.001),
            PROXY if packet.source == CALLER else CALLEE,
            CALLEE if packet.source == CALLER else PROXY,
            "UDP",
            packet.data.replace(b"branch=z9hG4bK", b"branch=z9hG4bKproxy"),
        )
        for packet in ours
    ]
    chosen = random.Random(seed)
    again = chosen.choices(ours, k=4)
    late = [replace(packet, at=packet.at + chosen.choice((0.5, 1.5, 4))) for packet in (*again, *beyond[:5])]
    packets = sorted([*ours, *beyond, *again, *late], key=lambda packet: packet.at)
    report = told(packets)
    assert report.figures.counts["invite"] == report.figures.counts["session_complete"] == 1
    assert report.figures.classes == {"BYE": {"2xx": 1}, "INVITE": {"2xx": 1}}
    assert report.figures.times["srd"].median == pytest.approx(0.2)
    assert report.figures.times["sdd"].count == 1
    assert only(report).path == ((CALLER, PROXY), (PROXY, CALLEE))


def test_a_fork_that_answers_wins_over_one_that_refuses() -> None:
    second = ("192.0.2.3", 5060)
    report = told(
        [
            sip(0, "INVITE", branch="z9hG4bKa"),
            sip(0, "INVITE", branch="z9hG4bKb", destination=second),
            back(0.1, "486", branch="z9hG4bKa"),
            back(0.3, "200", branch="z9hG4bKb", source=second),
        ]
    )
    assert report.figures.counts["invite"] == report.figures.counts["invite_200"] == 1
    assert report.figures.counts["invite_end_user"] == 0


@pytest.mark.parametrize("statuses", [("200", "486"), ("486", "503"), ("503", "404")])
def test_a_refusal_after_a_final_response_changes_nothing(statuses: tuple[str, str]) -> None:
    first, second = statuses
    report = told([sip(0, "INVITE"), back(0.2, first), back(0.9, second)])
    assert only(report).status == int(first)
    assert report.figures.counts["invite"] == 1
    assert report.figures.classes == {"INVITE": {f"{first[0]}xx": 1}}


def test_a_re_invite_is_no_attempt() -> None:
    whole = answered()
    again = [
        sip(5, "INVITE", "2 INVITE", to_tag="b", branch="z9hG4bK9"),
        back(5.1, "488", "2 INVITE", branch="z9hG4bK9"),
    ]
    report = told(sorted([*whole, *again], key=lambda packet: packet.at))
    assert report.figures.counts["invite"] == 1
    assert report.figures.classes["re-INVITE"] == {"4xx": 1}
    assert only(report).ending is Ending.ANSWERED


@pytest.mark.parametrize(
    ("status", "count", "ending"),
    [
        ("302", "invite_3xx", Ending.REDIRECTED),
        *((status, "invite_end_user", Ending.FAILED) for status in ("480", "486", "600", "603")),
        *((status, "invite_ineffective", Ending.FAILED) for status in ("408", "500", "503", "504")),
        ("404", None, Ending.FAILED),
        ("502", None, Ending.FAILED),
    ],
)
def test_how_a_status_counts(status: str, count: str | None, ending: Ending) -> None:
    report = told([sip(0, "INVITE"), back(0.4, status)])
    counted = {name for name, value in report.figures.counts.items() if value}
    assert counted == {"invite", *([count] if count else [])}
    assert only(report).ending is ending
    times = report.figures.times
    assert "srd" not in times
    assert ("srd_failed" in times) == (status != "302")


def test_the_callees_choice_raises_seer_and_not_ser() -> None:
    packets = [*answered(0, "c1"), sip(20, "INVITE", call_id="c2"), back(20.1, "486", call_id="c2")]
    packets += [sip(30, "INVITE", call_id="c3"), back(30.1, "302", call_id="c3")]
    ratios = told(packets).figures.ratios
    assert (ratios.ser, ratios.seer, ratios.isa) == (0.5, 1.0, 0.0)


def test_a_call_that_was_given_up_is_cancelled() -> None:
    call = only(told([sip(0, "INVITE"), back(0.2, "180"), sip(5, "CANCEL", "1 CANCEL"), back(5.1, "487")]))
    assert call.ending is Ending.CANCELLED
    assert not call.is_bad


def test_silence_is_ineffective_once_the_sender_has_given_up_and_unknown_before() -> None:
    early = told([sip(0, "INVITE")], until=31)
    assert (early.figures.counts["invite"], early.figures.open) == (0, 1)
    assert early.figures.ratios.ser is None
    late = told([sip(0, "INVITE"), sip(0.5, "INVITE")], until=33)
    assert (late.figures.counts["invite"], late.figures.counts["invite_ineffective"]) == (1, 1)
    assert late.figures.times["srd_failed"].most == pytest.approx(32)
    assert only(late).ending is Ending.NO_ANSWER


def test_a_bye_without_an_answer_leaves_the_session_incomplete() -> None:
    report = told(answered()[:-1], until=60)
    assert report.figures.counts["session_complete"] == 0
    assert "sdd" not in report.figures.times
    assert report.figures.times["sdd_failed"].most == pytest.approx(32)
    assert report.figures.times["sdt"].count == 1


def test_the_callee_may_hang_up() -> None:
    packets = answered()[:-2]
    bye: dict[str, Any] = {"from_tag": "b", "to_tag": "a", "branch": "z9hG4bKx"}
    packets.append(sip(8, "BYE", "1 BYE", source=PROXY, destination=CALLER, **bye))
    packets.append(sip(8.1, "200", "1 BYE", source=CALLER, destination=PROXY, **bye))
    report = told(packets)
    assert report.figures.counts["session_complete"] == 1
    assert only(report).duration == pytest.approx(7)


def test_registrations_are_attempts_too_and_a_refresh_is_another() -> None:
    def register(at: float, number: int, more: str = "") -> SipPacket:
        return sip(at, "REGISTER", f"{number} REGISTER", branch=f"z9hG4bK{number}", more=more)

    def said(at: float, status: str, number: int) -> SipPacket:
        return back(at, status, f"{number} REGISTER", branch=f"z9hG4bK{number}")

    report = told(
        [
            register(0, 1),
            said(0.1, "401", 1),
            register(0.2, 2, "Authorization: Digest x\r\n"),
            said(0.3, "200", 2),
            register(60, 3, "Authorization: Digest x\r\n"),
            said(60.1, "200", 3),
            register(70, 4),
            said(70.1, "403", 4),
        ]
    )
    assert report.figures.counts["register"] == 3
    assert report.figures.counts["register_failed"] == 1
    assert report.figures.ratios.ira == pytest.approx(1 / 3)
    assert sorted((report.figures.times["rrd"].median, report.figures.times["rrd"].most)) == pytest.approx(
        [0.2, 0.3]
    )
    assert report.calls == ()


def test_a_call_that_began_before_the_capture_is_listed_and_counts_nowhere() -> None:
    report = told(answered()[-2:])
    assert only(report).ending is Ending.EARLIER
    assert report.figures.counts["invite"] == report.figures.counts["session_complete"] == 0


def test_responses_alone_are_noted() -> None:
    report = told([back(0, "200")])
    assert any("1 response" in note for note in report.notes)


def test_each_tenant_has_its_own_figures_and_the_many_are_one() -> None:
    packets = [
        packet
        for number in range(SHOWN_DOMAINS + 10)
        for packet in (
            sip(number, "INVITE", call_id=f"c{number}", domain=f"t{number:02}.example"),
            back(number + 0.1, "503", call_id=f"c{number}", domain=f"t{number:02}.example"),
        )
    ]
    packets += answered(90, "last", domain="t07.example")
    report = told(packets, until=200)
    assert len(report.tenants) == SHOWN_DOMAINS + 1
    assert next(iter(report.tenants)) == "t07.example"
    assert report.tenants["t07.example"].ratios.ser == 0.5
    assert report.tenants["_other"].counts["invite"] == 10
    assert sum(figures.counts["invite"] for figures in report.tenants.values()) == SHOWN_DOMAINS + 11


def test_calls_past_the_limit_stay_in_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CALLS", 3)
    packets = [packet for n in range(10) for packet in answered(n * 0.01, f"c{n}")]
    silent = [sip(n * 0.01, "INVITE", call_id=f"s{n}") for n in range(5)]
    report = told(sorted([*packets, *silent], key=lambda packet: packet.at))
    assert len(report.calls) == 3
    counts, times = report.figures.counts, report.figures.times
    assert (counts["invite"], counts["session_complete"], counts["invite_ineffective"]) == (15, 10, 5)
    assert (times["sdt"].count, times["srd"].count, report.figures.open) == (10, 10, 0)
    (note,) = report.notes
    assert note.startswith("12 calls more than the 3 here")


def test_past_what_is_held_those_that_are_over_go_first_and_a_note_says_what_is_incomplete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_CALLS", 1)
    monkeypatch.setattr(module, "MAX_HELD", 5)
    up = [packet for n in range(5) for packet in answered(n * 0.01, f"up{n}")]
    refused = [
        packet
        for n in range(20)
        for packet in (
            sip(2 + n * 0.1, "INVITE", call_id=f"c{n}"),
            back(2.05 + n * 0.1, "486", call_id=f"c{n}"),
        )
    ]
    report = told(sorted([*up, *refused], key=lambda packet: packet.at))
    counts = report.figures.counts
    assert (counts["invite"], counts["session_complete"], counts["invite_end_user"]) == (25, 5, 20)
    assert not any("given up" in note for note in report.notes)
    silent = told([sip(n * 0.1, "INVITE", call_id=f"c{n}") for n in range(20)])
    assert (silent.figures.counts["invite"], silent.figures.open) == (6, 14)
    assert any(note.startswith("14 calls or registrations were given up") for note in silent.notes)


def test_messages_past_the_limits_of_a_call_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 5)
    monkeypatch.setattr(module, "MAX_TEXTS", 10)
    call = only(told(answered()))
    assert (len(call.steps), call.more_steps) == (5, 2)
    assert call.steps[1].data.startswith(b"SIP/2.0 100 Said\r\nCSeq: 1 INVITE")


def test_failures_come_before_what_went_well() -> None:
    packets = [*answered(0, "good"), sip(20, "INVITE", call_id="bad"), back(20.1, "503", call_id="bad")]
    packets += [sip(30, "INVITE", call_id="busy"), back(30.1, "486", call_id="busy")]
    report = told(packets)
    assert [call.call_id for call in report.calls] == ["bad", "busy", "good"]
    assert [call.is_bad for call in report.calls] == [True, False, False]


def test_garbage_is_counted_and_nothing_else() -> None:
    report = told([SipPacket(0.0, CALLER, PROXY, "UDP", b"\x00" * 99)] * 3)
    assert report.calls == ()
    assert any("3 messages could not be read" in note for note in report.notes)


def test_what_came_before_the_challenge_says_nothing_of_the_second_try() -> None:
    again = sip(0.2, "INVITE", "2 INVITE", branch="z9hG4bK2", more=CREDENTIALS)
    report = told([sip(0, "INVITE"), back(0.01, "100"), back(0.05, "183"), back(0.1, "407"), again])
    assert report.figures.counts["invite_ineffective"] == 1
    assert report.figures.classes["INVITE"] == {"none": 1}
    assert "pdd" not in report.figures.times


@pytest.mark.parametrize(
    ("last", "count"), [("486", "invite_end_user"), ("200", "invite_200"), ("404", None)]
)
def test_of_ways_one_after_the_other_the_last_decides(last: str, count: str | None) -> None:
    second: dict[str, Any] = {"branch": "z9hG4bKb", "source": CALLEE}
    packets = [
        sip(0, "INVITE", branch="z9hG4bKa"),
        back(0.1, "503", branch="z9hG4bKa"),
        sip(0.15, "INVITE", branch="z9hG4bKa"),  # a copy
        sip(0.2, "INVITE", branch="z9hG4bKb", destination=CALLEE),
        back(0.3, "503", branch="z9hG4bKa"),  # and another
        back(2, "180", **second),
    ]
    ringing = told(packets)
    assert (ringing.figures.counts["invite"], ringing.figures.open) == (0, 1)
    report = told([*packets, back(5, last, **second), back(5.1, "503", branch="z9hG4bKa")])
    assert {name for name, value in report.figures.counts.items() if value} == {"invite", count} - {None}
    assert only(report).status == int(last)


def test_a_proxy_that_proves_itself_to_the_next_one_is_no_attempt_of_its_own() -> None:
    ours: dict[str, Any] = {"branch": "z9hG4bKphone", "more": CREDENTIALS}
    beyond: dict[str, Any] = {"source": PROXY, "destination": CALLEE}
    behind: dict[str, Any] = {"source": CALLEE, "destination": PROXY}
    report = told(
        [
            sip(0, "INVITE", "2 INVITE", **ours),
            sip(0.1, "INVITE", "2 INVITE", branch="z9hG4bKx", **beyond),
            back(0.2, "407", "2 INVITE", branch="z9hG4bKx", **behind),
            sip(0.3, "INVITE", "3 INVITE", branch="z9hG4bKy", more=CREDENTIALS, **beyond),
            back(1.0, "200", "3 INVITE", branch="z9hG4bKy", **behind),
            back(1.1, "200", "2 INVITE", branch="z9hG4bKphone"),
        ]
    )
    assert report.figures.counts["invite"] == report.figures.counts["invite_200"] == 1
    assert report.figures.times["srd"].median == pytest.approx(1.1)
    assert only(report).path == ((CALLER, PROXY), (PROXY, CALLEE))
    assert report.notes == ()


def registering(
    gap: float, statuses: list[str], more: str = "Authorization: Digest x\r\n"
) -> list[SipPacket]:
    """Return REGISTERs of one Call-ID, each answered after 0.1 s, or not at all where the status is ""."""
    packets = []
    for n, status in enumerate(statuses):
        same: dict[str, Any] = {"sequence": f"{n + 1} REGISTER", "branch": f"z9hG4bK{n}"}
        packets.append(sip(n * gap, "REGISTER", more=more, **same))
        if status:
            packets.append(back(n * gap + 0.1, status, **same))
    return packets


def test_credentials_that_are_refused_again_and_again_are_attempts_each() -> None:
    slow = told(registering(20, ["401"] * 29 + ["200"]), until=700)
    assert slow.figures.counts["register"] == 30
    assert slow.figures.times["rrd"].most == pytest.approx(0.1)
    fast = told(registering(1, ["401"] * 6))
    assert fast.figures.counts["register"] == 3
    stale = told(registering(1, ["401", "200"]))
    assert stale.figures.counts["register"] == 1
    assert stale.figures.times["rrd"].most == pytest.approx(1.1)


def test_registrations_without_answers_fail_each_once_its_time_is_over() -> None:
    report = told(registering(20, [""] * 5, more=""), until=100)
    counts = report.figures.counts
    assert (counts["register"], counts["register_failed"], report.figures.open) == (4, 4, 1)


def test_two_requests_in_flight_have_each_its_answer() -> None:
    inside = [
        sip(2, "INFO", "5 INFO", to_tag="b", branch="z9hG4bK5"),
        sip(2.01, "INFO", "6 INFO", to_tag="b", branch="z9hG4bK6"),
        back(2.05, "200", "5 INFO", branch="z9hG4bK5"),
        back(2.06, "200", "6 INFO", branch="z9hG4bK6"),
    ]
    assert told([*answered()[:5], *inside]).figures.classes["INFO"] == {"2xx": 2}


def test_what_was_open_when_sip_was_no_longer_read_has_not_timed_out() -> None:
    analysis = Analysis()
    analysis.add([sip(0, "INVITE")])
    report = analysis.report(Read(0, 0, 0.0, 400.0, ("broken off",), 20.0))
    assert (report.figures.counts["invite"], report.figures.open) == (0, 1)


def talking(*packets: Iterable[RtpPacket], lines: str = "", until: float = 10.0) -> Call:
    """Return an answered call of 192.0.2.1 and 192.0.2.2 behind the relay 192.0.2.9, and its RTP."""
    whole = answered(duration=until)
    whole[0] = sip(0, "INVITE", body=described("192.0.2.1", 4000, lines))
    whole[3] = back(1, "200", body=described("192.0.2.9", 10002))
    more = [
        sip(0.001, "INVITE", branch="z9hG4bKy", source=PROXY, body=described("192.0.2.9", 10000)),
        back(0.9, "200", branch="z9hG4bKy", source=CALLEE, body=described("192.0.2.2", 4002)),
    ]
    records: list[SipPacket | RtpPacket] = [*whole, *more, *(one for stream in packets for one in stream)]
    return only(told(sorted(records, key=lambda record: record.at)))


NEAR, FAR, RELAY, RELAY_FAR = (
    ("192.0.2.1", 4000),
    ("192.0.2.2", 4002),
    ("192.0.2.9", 10002),
    ("192.0.2.9", 10000),
)


def flow(source: Address, destination: Address, at: float = 1.1, count: int = 100) -> list[RtpPacket]:
    return spoken(range(count), at=at, source=source, destination=destination)


def test_one_way_rtp_is_seen_behind_a_relay_and_where_ports_move() -> None:
    there = flow(NEAR, RELAY), flow(RELAY_FAR, FAR)
    back_again = flow(FAR, RELAY_FAR), flow(RELAY, NEAR)
    assert talking(*there).one_way
    assert not talking(*there, *back_again).one_way
    assert talking(*there, back_again[0]).one_way
    assert talking(flow(NEAR, FAR), flow((NEAR[0], 5000), FAR, 4.0)).one_way
    assert not talking(flow(NEAR, FAR), flow((FAR[0], 5000), NEAR)).one_way


@pytest.mark.parametrize("line", ["a=sendonly", "a=recvonly", "a=inactive", "c=IN IP4 0.0.0.0"])
def test_one_way_that_was_agreed_an_announcement_and_a_moment_are_no_fault(line: str) -> None:
    assert not talking(flow(NEAR, RELAY), lines=f"{line}\r\n").one_way
    assert talking(flow(NEAR, RELAY), lines="a=sendrecv\r\n").one_way
    assert not talking(flow(RELAY, NEAR, at=0.3, count=40)).one_way
    assert not talking(flow(NEAR, RELAY, count=10)).one_way


def test_streams_that_were_left_out_make_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 1)
    assert not talking(flow(NEAR, RELAY), flow(RELAY, NEAR)).one_way
