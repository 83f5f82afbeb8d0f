"""Attempts, sessions and figures by RFC 6076, counted by hand."""

import random
from collections.abc import Iterable
from typing import Any

import pytest

from synthetic.capture import calls as module
from synthetic.capture.analysis import Analysis, Call, Report
from synthetic.capture.calls import Ending
from synthetic.capture.figures import SHOWN_DOMAINS
from synthetic.capture.records import Read, SipPacket
from tests.fakes.sip_capture import CALLEE, CALLER, PROXY, answered, back, sip

CREDENTIALS = "Proxy-Authorization: Digest x\r\n"


def told(packets: Iterable[SipPacket], until: float = 100.0) -> Report:
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
    random.seed(seed)
    again = random.choices(ours, k=4)
    packets = sorted([*ours, *beyond, *again], key=lambda packet: packet.at)
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
    report = told([packet for n in range(10) for packet in answered(n * 20.0, f"c{n}")], until=300)
    assert len(report.calls) == 3
    assert report.figures.counts["session_complete"] == 10
    assert any("7 calls more" in note for note in report.notes)


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
