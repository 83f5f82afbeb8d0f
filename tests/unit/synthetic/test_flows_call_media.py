"""call with media: when the sides of ours talk, for how long, and what of it is reported."""

from dataclasses import replace

import pytest

from dialtone.model import AnsweredBy, CalledFrom, FailureCode, Flow, Found, Hears, MediaPlan, Plan, Side
from dialtone.quality import Received
from synthetic.media.heard import Heard
from synthetic.probes.base import FlowError
from tests.fakes.clock import FakeClock
from tests.fakes.sip_phones import FakePhone, FakeTalk, failure_of, hears_all, play

TALKS = Plan(media=MediaPlan())
DIALS = Plan(media=MediaPlan(dtmf="12#"))
ECHO = Plan(number="600", answered_by=AnsweredBy.PLATFORM, media=MediaPlan(hears=Hears.ECHO))
ANNOUNCED = Plan(
    number="604",
    answered_by=AnsweredBy.PLATFORM,
    hangs_up=Side.CALLEE,
    media=MediaPlan(hears=Hears.SOUND),
)
NO_EVENTS = FlowError(FailureCode.NO_DTMF, "it takes no telephone events")


@pytest.fixture
def caller(clock: FakeClock) -> FakePhone:
    return FakePhone(clock, "caller", "100")


@pytest.fixture
def callee(clock: FakeClock, caller: FakePhone) -> FakePhone:
    phone = FakePhone(clock, "callee", "101")
    caller.reaches = phone
    return phone


def deaf(_: FakeTalk, sent: int | None) -> Heard:
    """Hear nothing."""
    return Heard(Found.NOTHING)


def last_ones_late(talk: FakeTalk, sent: int | None) -> Heard:
    """Hear everything, the last ten packets 0.3 s after the end."""
    heard = hears_all(talk, sent)
    until = talk._until
    came = heard.received.unique
    if until is not None and talk._phone.clock.monotonic() >= until + 0.3:
        return heard
    return replace(heard, received=Received(came, came - 10, came, lost=10))


async def test_both_sides_talk_to_each_other_once_the_call_is_up(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    report = await play(Flow.CALL, clock, caller, callee, plan=TALKS)
    assert report.failure is None
    assert [(talk.other, talk.hears) for talk in caller.talks] == [("callee", Hears.VOICE)]
    assert [(talk.other, talk.hears) for talk in callee.talks] == [("caller", Hears.VOICE)]
    assert report.timings["sdt"] == pytest.approx(2.0)
    at = {mark.name: mark.at for mark in report.marks}
    assert at["callee hears the caller"] == pytest.approx(at["callee acknowledged"] + 0.05)
    assert at["caller hears the callee"] == pytest.approx(at["callee acknowledged"] + 0.05)
    assert [(s.speaker, s.listener, s.sent, s.lost) for s in report.media] == [
        ("callee", "caller", 100, 0),
        ("caller", "callee", 100, 0),
    ]
    assert all(stream.mos is not None and stream.mos > 4.4 for stream in report.media)
    assert all(talk.hushed and not talk.dialled for phone in (caller, callee) for talk in phone.talks)


async def test_a_call_without_media_says_nothing(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    report = await play(Flow.CALL, clock, caller, callee)
    assert report.failure is None
    assert report.media == ()
    assert caller.talks == callee.talks == []


async def test_the_plan_says_how_long_is_talked_and_a_longer_hold_is_kept(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    plan = Plan(hold=4.0, media=MediaPlan(seconds=1.0))
    report = await play(Flow.CALL, clock, caller, callee, plan=plan)
    assert report.failure is None
    assert report.timings["sdt"] == pytest.approx(4.0)
    assert [stream.sent for stream in report.media] == [50, 50]


async def test_the_last_packets_are_waited_for(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.ear = last_ones_late
    report = await play(Flow.CALL, clock, caller, callee, plan=TALKS)
    assert report.failure is None
    assert [stream.lost for stream in report.media] == [0, 0]
    assert report.timings["sdt"] == pytest.approx(2.3, abs=0.03)


async def test_they_are_not_waited_for_longer_than_half_a_second(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.ear = deaf
    report = await play(Flow.CALL, clock, caller, callee, plan=TALKS)
    assert failure_of(report).code is FailureCode.ONE_WAY_MEDIA
    assert report.duration == pytest.approx(0.2 + 2.0 + 0.5)


async def test_what_was_heard_is_reported_of_a_failure_too(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    callee.ear = deaf
    report = await play(Flow.CALL, clock, caller, callee, plan=TALKS)
    assert failure_of(report).detail == (
        "the callee does not hear the caller: 100 packets were sent, no packet came"
    )
    assert [(s.listener, s.found, s.mos is None) for s in report.media] == [
        ("caller", Found.VOICE, False),
        ("callee", Found.NOTHING, True),
    ]
    names = {mark.name for mark in report.marks}
    assert "caller hears the callee" in names
    assert "callee hears the caller" not in names
    assert "leave" in caller.done


async def test_digits_go_both_ways_after_the_voices(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.delays["dial"] = callee.delays["dial"] = 0.48
    caller.keyed, callee.keyed = "#21", "12#"
    report = await play(Flow.CALL, clock, caller, callee, plan=DIALS)
    assert report.failure is None
    assert [caller.talks[0].dialled, callee.talks[0].dialled] == ["12#", "#21"]
    assert [stream.digits for stream in report.media] == ["#21", "12#"]
    assert report.timings["sdt"] == pytest.approx(2.98)


async def test_a_last_digit_that_comes_twice_is_waited_for(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.keyed = "#21"

    def ear(talk: FakeTalk, sent: int | None) -> Heard:
        late = clock.monotonic() > talk._began + 2.4
        return replace(hears_all(talk, sent), digits="12##" if late else "12#")

    callee.ear = ear
    report = await play(Flow.CALL, clock, caller, callee, plan=DIALS)
    assert failure_of(report).detail == "the caller sent the digits 12#, and to the callee came only 12##"


async def test_digits_that_do_not_come_are_waited_for_and_then_missed(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.keyed, callee.keyed = "#21", "1"
    report = await play(Flow.CALL, clock, caller, callee, plan=DIALS)
    assert failure_of(report).code is FailureCode.NO_DTMF
    assert failure_of(report).detail == "the caller sent the digits 12#, and to the callee came only 1"
    assert report.duration == pytest.approx(0.2 + 2.0 + 0.5)


async def test_a_side_that_can_not_dial_does_not_keep_the_other_from_it(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.errors["dial"] = NO_EVENTS
    caller.keyed = "#21"
    report = await play(Flow.CALL, clock, caller, callee, plan=DIALS)
    assert failure_of(report).code is FailureCode.NO_DTMF
    assert failure_of(report).detail == "the caller can't send the digits 12#: it takes no telephone events"
    assert callee.talks[0].dialled == "#21"


@pytest.mark.parametrize("party", ["caller", "callee"])
async def test_a_side_that_can_not_talk_for_a_second_fails_and_says_who(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, party: str
) -> None:
    phone = caller if party == "caller" else callee
    phone.errors["talk"] = FlowError(FailureCode.NO_MEDIA, "the answer refuses the audio (port 0)")
    report = await play(Flow.CALL, clock, caller, callee, plan=TALKS)
    assert failure_of(report).code is FailureCode.NO_MEDIA
    assert failure_of(report).detail == f"{party} media: the answer refuses the audio (port 0)"
    assert report.duration == pytest.approx(0.2 + 1.0, abs=0.03)
    assert report.media == ()
    assert report.counts["session_complete"] == 1
    assert all(talk.hushed for each in (caller, callee) for talk in each.talks)


async def test_a_call_that_is_held_and_taken_back_at_once_talks_from_then_on(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    callee.described_at = clock.monotonic() + 0.7
    report = await play(Flow.CALL, clock, caller, callee, plan=TALKS)
    assert report.failure is None
    assert [stream.sent for stream in report.media] == [100, 100]
    assert report.timings["sdt"] == pytest.approx(2.5, abs=0.03)


async def test_a_call_that_is_held_in_mid_talk_is_not_heard(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    callee.unsent = 60
    report = await play(Flow.CALL, clock, caller, callee, plan=TALKS)
    assert failure_of(report).code is FailureCode.ONE_WAY_MEDIA
    assert failure_of(report).detail.startswith("the callee was held by the platform")


@pytest.mark.parametrize("side", [Side.CALLER, Side.CALLEE])
async def test_a_call_that_is_not_heard_is_ended_in_order_and_counted_as_complete(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, side: Side
) -> None:
    callee.ear = deaf
    caller.delays["BYE"] = callee.delays["BYE"] = 0.1
    report = await play(Flow.CALL, clock, caller, callee, plan=replace(TALKS, hangs_up=side))
    assert failure_of(report).code is FailureCode.ONE_WAY_MEDIA
    assert report.counts["session_complete"] == 1
    assert report.timings["sdd"] == pytest.approx(0.1)
    assert report.timings["sdt"] == pytest.approx(2.5)


async def test_an_announcement_that_is_not_heard_is_listened_to_until_its_end(
    clock: FakeClock, caller: FakePhone
) -> None:
    caller.ear, caller.dropped_after = deaf, 4.0
    report = await play(Flow.CALL, clock, caller, plan=ANNOUNCED)
    assert failure_of(report).code is FailureCode.NO_MEDIA
    assert report.counts["session_complete"] == 1
    assert report.timings["sdt"] == pytest.approx(4.0)


async def test_what_was_not_heard_decides_before_a_bye_that_fails_after_it(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    callee.ear = deaf
    caller.errors["BYE"] = FlowError(FailureCode.SIP_5XX, "500 Server Error", 500)
    report = await play(Flow.CALL, clock, caller, callee, plan=TALKS)
    assert (failure_of(report).code, report.status) == (FailureCode.ONE_WAY_MEDIA, None)
    assert failure_of(report).detail == (
        "the callee does not hear the caller: 100 packets were sent, no packet came;"
        " then sip-5xx: caller BYE: 500 Server Error"
    )
    assert "session_complete" not in report.counts


@pytest.mark.parametrize("after", [0.5, 2.2])
async def test_a_side_that_is_hung_up_on_meanwhile_fails_as_ever(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, after: float
) -> None:
    caller.dropped_after = after
    callee.ear = deaf
    report = await play(Flow.CALL, clock, caller, callee, plan=TALKS)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert failure_of(report).detail == "hold: the platform ended the call that had been answered"
    assert [(s.listener, s.found, s.sent, s.lost) for s in report.media] == [
        ("caller", Found.VOICE, None, 0),
        ("callee", Found.NOTHING, None, 0),
    ]
    assert all(talk.hushed for phone in (caller, callee) for talk in phone.talks)


async def test_the_probes_deadline_ends_a_talk(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    report = await play(Flow.CALL, clock, caller, callee, plan=TALKS, timeout=1.0)
    assert failure_of(report).code is FailureCode.TIMEOUT
    assert failure_of(report).detail == "hold: not done 1 s after the start"
    assert all(talk.hushed for phone in (caller, callee) for talk in phone.talks)
    assert "leave" in caller.done


async def test_the_trunks_side_talks_under_its_own_name(clock: FakeClock, callee: FakePhone) -> None:
    trunk = FakePhone(clock, "trunk", "")
    trunk.reaches = callee
    plan = Plan(called_from=CalledFrom.TRUNK, number="15145550123", media=MediaPlan())
    report = await play(Flow.CALL, clock, trunk, callee, plan=plan)
    assert report.failure is None
    assert [stream.listener for stream in report.media] == ["trunk", "callee"]
    assert callee.talks[0].other == "trunk"


async def test_of_a_platform_that_answers_its_one_side_is_heard(clock: FakeClock, caller: FakePhone) -> None:
    report = await play(Flow.CALL, clock, caller, plan=ECHO)
    assert report.failure is None
    assert [(s.speaker, s.listener, s.found, s.sent) for s in report.media] == [
        ("platform", "caller", Found.ECHO, 100)
    ]
    assert caller.talks[0].other is None
    assert "caller hears itself" in {mark.name for mark in report.marks}
    assert report.counts["session_complete"] == 1


async def test_a_platform_that_is_silent_is_no_media(clock: FakeClock, caller: FakePhone) -> None:
    caller.ear = deaf
    report = await play(Flow.CALL, clock, caller, plan=ECHO)
    assert failure_of(report).code is FailureCode.NO_MEDIA


async def test_an_announcement_is_heard_until_its_end(clock: FakeClock, caller: FakePhone) -> None:
    caller.dropped_after = 4.0
    report = await play(Flow.CALL, clock, caller, plan=ANNOUNCED)
    assert report.failure is None
    assert report.timings["sdt"] == pytest.approx(4.0)
    assert [(s.speaker, s.found, s.sent) for s in report.media] == [("platform", Found.SOUND, None)]


async def test_an_announcement_shorter_than_the_talk_has_passed(clock: FakeClock, caller: FakePhone) -> None:
    caller.dropped_after = 0.7
    report = await play(Flow.CALL, clock, caller, plan=ANNOUNCED)
    assert report.failure is None
    assert report.timings["sdt"] == pytest.approx(0.7)
    assert [stream.found for stream in report.media] == [Found.SOUND]


async def test_an_echo_that_is_cut_short_is_not_held_against_what_was_sent_last(
    clock: FakeClock, caller: FakePhone
) -> None:
    asked: list[int | None] = []

    def ear(talk: FakeTalk, sent: int | None) -> Heard:
        asked.append(sent)
        return hears_all(talk, sent)

    caller.dropped_after, caller.ear = 0.7, ear
    report = await play(Flow.CALL, clock, caller, plan=replace(ECHO, hangs_up=Side.CALLEE))
    assert report.failure is None
    assert asked[-1] is None
    assert report.media[0].sent is None


async def test_a_platform_that_hangs_up_on_digits_is_no_dtmf(clock: FakeClock, caller: FakePhone) -> None:
    caller.dropped_after, caller.delays["dial"] = 2.2, 1.0
    media = MediaPlan(hears=Hears.ECHO, dtmf="12#")
    report = await play(Flow.CALL, clock, caller, plan=replace(ECHO, hangs_up=Side.CALLEE, media=media))
    assert failure_of(report).code is FailureCode.NO_DTMF


async def test_a_platform_that_hangs_up_before_digits_are_dialled_is_told_so(
    clock: FakeClock, caller: FakePhone
) -> None:
    caller.dropped_after = 0.7
    media = MediaPlan(hears=Hears.ECHO, dtmf="12#")
    report = await play(Flow.CALL, clock, caller, plan=replace(ECHO, hangs_up=Side.CALLEE, media=media))
    assert failure_of(report).detail == ("the caller can't send the digits 12#: the platform hung up before")
    assert caller.talks[0].dialled == ""


async def test_a_platform_that_never_hangs_up_after_a_talk_is_a_timeout(
    clock: FakeClock, caller: FakePhone
) -> None:
    report = await play(Flow.CALL, clock, caller, plan=ANNOUNCED)
    assert failure_of(report).detail == "platform BYE: not done 10 s after the start"
    assert [stream.found for stream in report.media] == [Found.SOUND]
