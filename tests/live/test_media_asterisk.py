"""What is heard through Asterisks that do more than pass it on: other keypads, ways, tones, a conference."""

import re
from collections.abc import Iterator
from typing import Final

import pytest

from dialtone.model import FailureCode, Found, Hears, MediaPlan
from lab.asterisk.series import Series
from lab.faults.media.harm import Harm
from tests.integration.asterisk_media import ACME, SERIES, Platform, both_asterisks, failed, held

pytestmark = pytest.mark.live

_DIALLED: Final = MediaPlan(seconds=0.8, dtmf="14#")
# G sends both sides of an answered call elsewhere: the caller to the priority, the callee to the next one.
_NUMBERS: Final = """
[{acme}](+)
exten => {p}190,1,Answer()
 same => n,Dial(PJSIP/{acme}-102,30,b(told^s^1)G(test-tone-echo^s^1))
exten => {p}191,1,Answer()
 same => n,Dial(PJSIP/{acme}-102,30,b(told^s^1)G(test-tones^s^1))
exten => {p}192,1,Answer()
 same => n,Dial(PJSIP/{acme}-102,30,b(told^s^1)G(test-conference^s^1))
exten => {p}193,1,Set(JITTERBUFFER(adaptive)=default)
 same => n,Dial(PJSIP/{acme}-102,30,b(told^s^1))
exten => {p}194,1,Set(JITTERBUFFER(fixed)=default)
 same => n,Dial(PJSIP/{acme}-102,30,b(told^s^1))
exten => {p}195,1,Answer()
 same => n,Playback(silence/10)
[test-tone-echo]
exten => s,1,Milliwatt()
 same => n,Echo()
[test-tones]
exten => s,1,Goto(s,3)
 same => n,Goto(s,3)
 same => n,Milliwatt()
[test-conference]
exten => s,1,Goto(s,3)
 same => n,Goto(s,3)
 same => n,ConfBridge(test)
"""


@pytest.fixture(scope="module")
def lab_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with both_asterisks(tmp_path_factory.mktemp("labs")) as up:
        yield up


@pytest.fixture(params=SERIES, ids=lambda series: series.part)
def series(request: pytest.FixtureRequest) -> Series:
    chosen: Series = request.param
    return chosen


@pytest.fixture
async def platform(lab_up: Platform, series: Series) -> Platform:
    """The lab with the numbers above, a jitter buffer and what native bridging takes."""
    if "Milliwatt" not in await lab_up.tell(series, "dialplan show test-tones"):
        await lab_up.dialplan(series, _NUMBERS.format(acme=ACME, p=series.prefix))
        for module in ("func_jitterbuffer", "bridge_native_rtp"):
            await lab_up.tell(series, f"module load {module}.so")
    return lab_up


@pytest.mark.parametrize("mode", ["info", "inband", "none"])
async def test_digits_that_a_leg_takes_in_another_way_do_not_arrive_and_that_is_said(
    platform: Platform, series: Series, mode: str
) -> None:
    async with platform.changed(series, held(f"dtmf_mode = {mode}")):
        report, _ = await platform.between_phones(_DIALLED, dial=f"{series.prefix}0{{user}}")
    code, detail = failed(report)
    assert code is FailureCode.NO_DTMF
    assert "the callee can't send the digits #41" in detail
    assert "takes no telephone events (RFC 4733)" in detail
    assert "the caller sent the digits 14#, and to the callee came nothing" in detail
    assert {(stream.found, stream.lost) for stream in report.media} == {(Found.VOICE, 0)}


@pytest.mark.parametrize("mode", ["auto", "auto_info"])
async def test_digits_arrive_where_a_leg_takes_telephone_events_among_others(
    platform: Platform, series: Series, mode: str
) -> None:
    async with platform.changed(series, held(f"dtmf_mode = {mode}")):
        report, _ = await platform.between_phones(_DIALLED, dial=f"{series.prefix}0{{user}}")
    assert failed(report) == (None, "")
    assert {stream.digits for stream in report.media} == {"14#", "#41"}


async def test_ports_that_change_in_mid_call_lose_nothing(platform: Platform, series: Series) -> None:
    async with platform.changed(series, {"direct_media = no": "direct_media = yes"}):
        report, evidence = await platform.between_phones(
            MediaPlan(seconds=2.0, dtmf="14#"), dial=f"{series.prefix}{{user}}"
        )
    assert failed(report) == (None, "")
    invites = [m.text for m in evidence.messages if m.text.startswith("INVITE") and "m=audio" in m.text]
    named = {port for text in invites for port in re.findall(r"m=audio (\d+)", text)}
    assert len(invites) > len(named) > 2, "Asterisk has sent no re-INVITE"
    assert [(stream.found, stream.lost) for stream in report.media] == [(Found.VOICE, 0)] * 2


async def test_a_round_trip_is_of_both_hops_where_asterisk_hands_packets_on_under_their_own_ssrc(
    platform: Platform, series: Series
) -> None:
    # The delay is on the caller's hop; Asterisk reports to each phone under the other's SSRC.
    async with platform.harmed(Harm(delay=0.04)) as (target, _):
        report, _ = await platform.between_phones(
            MediaPlan(seconds=2.0), target=target, dial=f"{series.prefix}{{user}}"
        )
    assert failed(report) == (None, "")
    for stream in report.media:
        assert stream.rtt is not None
        assert 0.04 <= stream.rtt < 0.2


@pytest.mark.parametrize("number", ["193", "194"])
async def test_voices_and_digits_come_through_asterisks_jitter_buffers(
    platform: Platform, series: Series, number: str
) -> None:
    report, _ = await platform.between_phones(_DIALLED, number=series.prefix + number)
    assert failed(report) == (None, "")
    assert [(stream.found, stream.lost, stream.digits) for stream in report.media] == [
        (Found.VOICE, 0, "#41"),
        (Found.VOICE, 0, "14#"),
    ]


async def test_a_tone_instead_of_the_other_phone_is_no_media_and_told_from_silence(
    platform: Platform, series: Series
) -> None:
    code, detail = failed((await platform.between_phones(number=f"{series.prefix}191"))[0])
    assert code is FailureCode.NO_MEDIA
    assert detail.count("of some other sound") == 2
    report = await platform.hears(f"{series.prefix}195", Hears.SOUND)
    code, detail = failed(report)
    assert code is FailureCode.NO_MEDIA
    assert "all silence" in detail
    assert [stream.found for stream in report.media] == [Found.SILENCE]


async def test_ones_own_voice_instead_of_the_other_phones_is_said(platform: Platform, series: Series) -> None:
    code, detail = failed((await platform.between_phones(number=f"{series.prefix}190"))[0])
    assert code is FailureCode.NO_MEDIA
    assert "the caller does not hear the callee" in detail
    assert "of some other sound" in detail
    assert "in its own voice" in detail


async def test_a_conference_of_two_passes_the_voices_on_and_not_the_digits(
    platform: Platform, series: Series
) -> None:
    code, detail = failed((await platform.between_phones(_DIALLED, number=f"{series.prefix}192"))[0])
    assert code is FailureCode.NO_DTMF
    assert "came nothing" in detail


async def test_what_a_conference_fills_with_silence_is_lost_and_no_burst(
    platform: Platform, series: Series
) -> None:
    async with platform.harmed(Harm(every=10)) as (target, media):
        report, _ = await platform.between_phones(
            MediaPlan(seconds=1.0, mos=1.0), target=target, number=f"{series.prefix}192"
        )
        (truth,) = await media.truth()
    (stream,) = (stream for stream in report.media if stream.listener == "callee")
    assert (stream.found, stream.lost, stream.burst) == (Found.VOICE, truth.to_callee.lost, 1.0)
    assert stream.lost > 3
