"""The verdict on what both sides of a call have heard."""

from dataclasses import replace

import pytest

from dialtone.model import FailureCode, Found, Hears, MediaPlan
from dialtone.quality import G711_PLC, Received, mos
from synthetic.media.heard import Heard
from synthetic.probes.hearing import HELD, Side, is_right, keyed_back, streams, verdict

PLAN = MediaPlan()
DIGITS = MediaPlan(dtmf="12#")
ECHO, SOUND = MediaPlan(hears=Hears.ECHO), MediaPlan(hears=Hears.SOUND)
NO_EVENTS = "the session description of the other side takes no telephone events (RFC 4733)"

CLOCKS = "jitter 0.5 ms, delay 40 ms"
OTHERS = "100 packets came, of some other sound"
SENT = "100 packets were sent"
NOTHING = Heard(Found.NOTHING)


def came(found: Found, packets: int = 100, *, lost: int = 0, late: int = 0, **changes: object) -> Heard:
    """Return what was heard where so many packets came, all of one kind."""
    received = Received(
        packets=packets, unique=packets, expected=packets + lost, lost=lost, late=late, jitter=0.0005
    )
    return replace(Heard(found, received, "PCMU", packets=packets), **changes)  # type: ignore[arg-type]


VOICE = came(Found.VOICE)


def caller(heard: Heard = VOICE, **changes: object) -> Side:
    return replace(Side("caller", 1, 100, heard), **changes)  # type: ignore[arg-type]


def callee(heard: Heard = VOICE, **changes: object) -> Side:
    return replace(Side("callee", 2, 100, heard), **changes)  # type: ignore[arg-type]


def said(plan: MediaPlan, *sides: Side) -> tuple[FailureCode, str]:
    """Return the code and the detail of a call that is not right."""
    failure = verdict(plan, sides)
    assert failure is not None, "all is right"
    return failure.code, failure.detail


@pytest.mark.parametrize(
    ("plan", "sides"),
    [
        (PLAN, [caller(), callee()]),
        (DIGITS, [caller(replace(VOICE, digits="#21")), callee(replace(VOICE, digits="12#"))]),
        (ECHO, [caller(came(Found.ECHO))]),
        (replace(ECHO, dtmf="7"), [caller(came(Found.ECHO, digits="7"))]),
        (SOUND, [caller(came(Found.SOUND))]),
        (replace(SOUND, dtmf="7"), [caller(came(Found.SOUND))]),
        (PLAN, [caller(replace(VOICE, remarks=("2 packets of payload type 13",))), callee()]),
        (replace(PLAN, mos=1.0), [caller(came(Found.VOICE, 1, lost=99)), callee()]),
        (PLAN, [caller(replace(VOICE, received=Received())), callee()]),
    ],
    ids=[
        "both hear each other",
        "and the digits came",
        "the echo came back",
        "with its digits",
        "a sound is heard",
        "nobody sends an announcement's digits back",
        "what is odd is no failure",
        "any score will do",
        "nothing to score by",
    ],
)
def test_what_is_right_has_no_failure(plan: MediaPlan, sides: list[Side]) -> None:
    assert verdict(plan, sides) is None


@pytest.mark.parametrize(
    ("heard", "why"),
    [
        (NOTHING, "no packet came"),
        (came(Found.NOTHING, 7), "7 packets came, none of them sound"),
        (came(Found.SILENCE), "100 packets came, all silence"),
        (came(Found.ECHO), "100 packets came, in its own voice"),
        (came(Found.SOUND), "100 packets came, of some other sound"),
    ],
    ids=["nothing", "no sound", "silence", "itself", "music"],
)
def test_who_does_not_hear_the_other_says_what_came_instead(heard: Heard, why: str) -> None:
    caller_said = f"the caller does not hear the callee: 100 packets were sent, {why}"
    callee_said = f"the callee does not hear the caller: 100 packets were sent, {why}"
    assert said(PLAN, caller(heard), callee()) == (FailureCode.ONE_WAY_MEDIA, caller_said)
    assert said(PLAN, caller(), callee(heard)) == (FailureCode.ONE_WAY_MEDIA, callee_said)
    both = (FailureCode.NO_MEDIA, f"{caller_said}; {callee_said}")
    assert said(PLAN, caller(heard), callee(heard)) == both


@pytest.mark.parametrize(
    ("plan", "heard", "detail"),
    [
        (
            ECHO,
            NOTHING,
            f"the caller does not hear its own voice come back: {SENT}, no packet came",
        ),
        (
            ECHO,
            came(Found.SOUND),
            f"the caller does not hear its own voice come back: {SENT}, {OTHERS}",
        ),
        (
            SOUND,
            came(Found.ECHO),
            "the caller hears its own voice come back: 100 packets came, in its own voice",
        ),
        (SOUND, NOTHING, "the caller hears no sound of the platform: no packet came"),
        (
            SOUND,
            came(Found.SILENCE),
            "the caller hears no sound of the platform: 100 packets came, all silence",
        ),
    ],
)
def test_a_platform_that_is_not_heard_is_no_media(plan: MediaPlan, heard: Heard, detail: str) -> None:
    assert said(plan, caller(heard)) == (FailureCode.NO_MEDIA, detail)


@pytest.mark.parametrize("plan", [PLAN, ECHO, SOUND])
def test_a_voice_that_is_not_of_the_call_is_crossed(plan: MediaPlan) -> None:
    sides = [caller(came(Found.OTHER, others=100)), callee()]
    code, detail = said(plan, *sides[: 2 if plan is PLAN else 1])
    assert code is FailureCode.CROSSED_MEDIA
    assert detail == "the caller hears a voice that is not of this call: 100 packets of it came"


def test_a_stranger_beside_the_right_voice_is_crossed_too() -> None:
    assert said(PLAN, caller(), callee(replace(VOICE, others=40))) == (
        FailureCode.CROSSED_MEDIA,
        "the callee hears a voice that is not of this call: 40 packets of it came beside 100 that should",
    )


def test_silence_from_one_side_and_nothing_from_the_other_is_no_media() -> None:
    code, detail = said(PLAN, caller(came(Found.SILENCE)), callee(NOTHING))
    assert code is FailureCode.NO_MEDIA
    assert "all silence; the callee does not hear the caller: 100 packets were sent, no packet came" in detail


@pytest.mark.parametrize(
    ("heard", "figures"),
    [
        (came(Found.VOICE, 80, lost=20), "of 100 packets 20 were lost (20.0%) and 0 came too late"),
        (came(Found.VOICE, 100, late=25), "of 100 packets 0 were lost (0.0%) and 25 came too late"),
        (came(Found.VOICE, 1, lost=99), "of 100 packets 99 were lost (99.0%) and 0 came too late"),
    ],
)
def test_a_direction_under_the_least_score_is_poor(heard: Heard, figures: str) -> None:
    score = mos(G711_PLC, (heard.received.lost + heard.received.late) / 100, 0.04)
    assert said(PLAN, caller(), callee(heard)) == (
        FailureCode.POOR_MEDIA,
        f"the callee hears the caller with a MOS of {score:.2f}, under 3.6: {figures}, {CLOCKS}",
    )


def test_a_score_is_held_against_the_plans_own() -> None:
    heard = came(Found.VOICE, 97, lost=3)
    assert verdict(PLAN, [caller(), callee(heard)]) is None
    assert said(replace(PLAN, mos=4.4), caller(), callee(heard))[0] is FailureCode.POOR_MEDIA


@pytest.mark.parametrize(
    ("digits", "came_there"),
    [("", "nothing"), ("12", "only 12"), ("12##", "only 12##"), ("21#", "only 21#")],
)
def test_digits_that_do_not_come_as_they_were_sent_are_no_dtmf(digits: str, came_there: str) -> None:
    heard = replace(VOICE, digits=digits)
    assert said(DIGITS, caller(replace(VOICE, digits="#21")), callee(heard)) == (
        FailureCode.NO_DTMF,
        f"the caller sent the digits 12#, and to the callee came {came_there}",
    )


def test_an_echo_owes_its_digits() -> None:
    assert said(replace(ECHO, dtmf="7"), caller(came(Found.ECHO))) == (
        FailureCode.NO_DTMF,
        "the caller sent the digits 7, and to the caller came nothing back",
    )


@pytest.mark.parametrize("plan", [DIGITS, replace(ECHO, dtmf="12#"), replace(SOUND, dtmf="12#")])
def test_digits_that_could_not_be_sent_are_no_dtmf_by_who_refuses_them(plan: MediaPlan) -> None:
    right = came(Found(plan.hears.value))
    back = "#21" if plan is DIGITS else "12#"
    sides = [caller(replace(right, digits=back), undialled=NO_EVENTS), callee(replace(right, digits="12#"))]
    code, detail = said(plan, *sides[: 2 if plan is DIGITS else 1])
    assert (code, detail) == (FailureCode.NO_DTMF, f"the caller can't send the digits 12#: {NO_EVENTS}")


def test_who_hears_nothing_is_not_blamed_for_digits_too() -> None:
    code, detail = said(DIGITS, caller(replace(VOICE, digits="#21")), callee(NOTHING))
    assert code is FailureCode.ONE_WAY_MEDIA
    assert "digits" not in detail


POOR = came(Found.VOICE, 60, lost=40, digits="12#")
BACK = replace(POOR, digits="#21")
CROSSED = came(Found.OTHER, others=100)


@pytest.mark.parametrize(
    ("plan", "first", "second", "codes"),
    [
        (DIGITS, BACK, NOTHING, ("does not hear", "with a MOS")),
        (DIGITS, NOTHING, CROSSED, ("not of this call", "does not hear")),
        (DIGITS, VOICE, POOR, ("sent the digits", "with a MOS")),
        (DIGITS, CROSSED, VOICE, ("not of this call", "sent the digits")),
        (DIGITS, BACK, replace(POOR, digits=""), ("sent the digits", "with a MOS", "with a MOS")),
    ],
    ids=[
        "one-way before poor",
        "crossed before one-way",
        "digits before poor",
        "crossed before digits",
        "all",
    ],
)
def test_of_several_causes_the_worst_is_told_first(
    plan: MediaPlan, first: Heard, second: Heard, codes: tuple[str, ...]
) -> None:
    _, detail = said(plan, caller(first), callee(second))
    parts = detail.split("; ")
    assert len(parts) == len(codes)
    assert all(code in part for code, part in zip(codes, parts, strict=True))


def test_who_hears_a_stranger_alone_is_no_proof_of_one_way_but_neither_of_two() -> None:
    """The worst is said of the side that it is true of; the other's own trouble follows."""
    code, detail = said(PLAN, caller(CROSSED), callee(NOTHING))
    assert code is FailureCode.CROSSED_MEDIA
    assert detail.endswith("the callee does not hear the caller: 100 packets were sent, no packet came")


def dropping(heard: Heard, packets: int) -> Heard:
    return replace(heard, dropped=packets)


@pytest.mark.parametrize(
    ("heard", "without"),
    [
        (dropping(came(Found.VOICE, 66, lost=34, digits="12#"), 34), "poor-media: the callee hears"),
        (dropping(NOTHING, 100), "one-way-media: the callee does not hear"),
        (dropping(replace(VOICE, digits="1"), 6), "no-dtmf: the caller sent the digits"),
    ],
    ids=["loss", "nothing", "digits"],
)
def test_what_our_own_machine_dropped_is_not_the_platforms_failure(heard: Heard, without: str) -> None:
    code, detail = said(DIGITS, caller(replace(VOICE, digits="#21")), callee(heard))
    assert code is FailureCode.OVERLOADED
    assert detail.startswith(
        f"this machine dropped {heard.dropped} packets that came to the callee, its buffer was full;"
        f" without that: {without}"
    )


@pytest.mark.parametrize(
    ("heard", "code"),
    [
        (dropping(came(Found.VOICE, 66, lost=34, digits="12#"), 3), FailureCode.POOR_MEDIA),
        (dropping(NOTHING, 99), FailureCode.ONE_WAY_MEDIA),
        (dropping(replace(VOICE, digits="1"), 5), FailureCode.NO_DTMF),
        (dropping(replace(VOICE, digits="12##"), 99), FailureCode.NO_DTMF),
        (dropping(came(Found.VOICE, late=40, digits="12#"), 99), FailureCode.POOR_MEDIA),
        (dropping(CROSSED, 1000), FailureCode.CROSSED_MEDIA),
    ],
    ids=["loss", "nothing", "digits", "too many digits", "late packets", "a stranger"],
)
def test_what_it_dropped_excuses_no_more_than_it_explains(heard: Heard, code: FailureCode) -> None:
    assert said(DIGITS, caller(replace(VOICE, digits="#21")), callee(heard))[0] is code


def test_a_true_failure_outweighs_what_is_ours() -> None:
    code, detail = said(PLAN, caller(NOTHING), callee(dropping(NOTHING, 100)))
    assert code is FailureCode.NO_MEDIA
    assert "this machine dropped 100 packets that came to the callee" in detail


def test_a_machine_that_dropped_and_heard_all_the_same_has_no_failure() -> None:
    assert verdict(PLAN, [caller(dropping(VOICE, 500)), callee()]) is None


def test_remarks_explain_a_failure_and_are_kept_short() -> None:
    odd = "100 packets came from 192.0.2.7:4000, which the session description does not name"
    _, detail = said(PLAN, caller(), callee(came(Found.SILENCE, remarks=(odd,))))
    assert detail.endswith(f"; callee: {odd}")
    _, detail = said(PLAN, caller(), callee(came(Found.SILENCE, remarks=(odd,) * 50)))
    assert len(detail) < 600


def test_a_stream_is_told_by_its_listener() -> None:
    heard = came(Found.VOICE, 90, lost=10, late=2, digits="12#", rtt=0.03, reporter=1)
    to_caller, to_callee = streams(DIGITS, [caller(), callee(heard)])
    assert (to_caller.speaker, to_caller.listener, to_caller.rtt) == ("callee", "caller", None)
    assert (to_callee.speaker, to_callee.listener, to_callee.sent) == ("caller", "callee", 100)
    assert (to_callee.received, to_callee.lost, to_callee.late) == (90, 10, 2)
    assert (to_callee.codec, to_callee.digits, to_callee.found) == ("PCMU", "12#", Found.VOICE)
    assert to_callee.delay == pytest.approx(0.03 / 2 + 0.04)
    assert to_callee.mos == pytest.approx(mos(G711_PLC, 0.12, 0.055))
    assert to_callee.loss_ratio == pytest.approx(0.1)


@pytest.mark.parametrize("heard", [NOTHING, came(Found.SILENCE), came(Found.ECHO), CROSSED], ids=str)
def test_what_is_not_the_right_sound_has_no_score(heard: Heard) -> None:
    to_caller, _ = streams(PLAN, [caller(heard), callee()])
    assert to_caller.mos is None
    assert to_caller.delay is None
    assert to_caller.sent == 100


@pytest.mark.parametrize(
    ("reporter", "own", "others", "rtt"),
    [
        (2, 0.03, 0.05, 0.03),
        (2, None, 0.05, None),
        (77, 0.03, 0.05, 0.08),
        (77, 0.03, None, None),
        (77, None, 0.05, None),
        (None, None, None, None),
    ],
    ids=["end to end", "not told", "two hops", "one told", "the other told", "none"],
)
def test_a_round_trip_is_of_all_hops(
    reporter: int | None, own: float | None, others: float | None, rtt: float | None
) -> None:
    # A bridge that hands packets on as they are: the voice has its speaker's SSRC, whoever reports.
    sides = [caller(replace(VOICE, source=2, reporter=reporter, rtt=own)), callee(replace(VOICE, rtt=others))]
    assert streams(PLAN, sides)[0].rtt == (None if rtt is None else pytest.approx(rtt))


def test_of_the_platform_one_direction_is_told_with_its_own_round_trip() -> None:
    (stream,) = streams(ECHO, [caller(came(Found.ECHO, rtt=0.02, source=9))])
    assert (stream.speaker, stream.listener, stream.sent, stream.rtt) == ("platform", "caller", 100, 0.02)
    (stream,) = streams(SOUND, [caller(came(Found.SOUND))])
    assert stream.sent is None
    assert stream.mos is not None


def test_each_sound_is_right_for_somebody_or_nobody() -> None:
    right = {hears: {found for found in Found if is_right(hears, Heard(found))} for hears in Hears}
    assert right == {
        Hears.VOICE: {Found.VOICE},
        Hears.ECHO: {Found.ECHO},
        Hears.SOUND: {Found.SOUND, Found.VOICE},
    }


@pytest.mark.parametrize(
    ("digits", "back"),
    [("12#", "#21"), ("17", "71"), ("121", "211"), ("77", "11"), ("1", "2"), ("#", "1"), ("", "")],
)
def test_the_called_side_keys_other_digits_than_the_caller(digits: str, back: str) -> None:
    assert keyed_back(digits) == back


def test_a_side_to_which_its_own_digits_come_back_is_told() -> None:
    looped = caller(replace(VOICE, digits="12#")), callee(replace(VOICE, digits="#21"))
    code, detail = said(DIGITS, *looped)
    assert code is FailureCode.NO_DTMF
    assert "the callee sent the digits #21, and to the caller came only 12#" in detail
    assert "the caller sent the digits 12#, and to the callee came only #21" in detail


def test_a_side_that_is_held_in_mid_talk_is_not_heard() -> None:
    first, second = caller(sent=5, unsent=95), callee(sent=5, unsent=95)
    held = "was held by the platform, or sent where no route is, for 95 of 100 frames"
    both = f"the callee {held}; the caller {held}"
    assert said(PLAN, first, second) == (FailureCode.NO_MEDIA, both)
    assert said(PLAN, first, callee()) == (FailureCode.ONE_WAY_MEDIA, f"the caller {held}")
    assert said(ECHO, caller(came(Found.ECHO), sent=5, unsent=95)) == (
        FailureCode.NO_MEDIA,
        f"the caller {held}",
    )


def test_a_short_hold_passes_and_what_an_announcement_takes_is_not_judged() -> None:
    assert verdict(PLAN, [caller(unsent=HELD), callee(unsent=HELD)]) is None
    assert verdict(SOUND, [caller(came(Found.SOUND), sent=0, unsent=100)]) is None
