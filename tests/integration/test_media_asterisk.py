"""What is heard in calls through real Asterisks, 22 and 16."""

from collections.abc import Iterator

import pytest

from dialtone.model import FailureCode, Found, Hears, MediaPlan
from lab.asterisk.series import Series
from lab.faults.media.harm import Harm
from tests.integration.asterisk_media import SERIES, Platform, both_asterisks, failed, held

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with both_asterisks(tmp_path_factory.mktemp("labs")) as up:
        yield up


@pytest.fixture(params=SERIES, ids=lambda series: series.part)
def series(request: pytest.FixtureRequest) -> Series:
    chosen: Series = request.param
    return chosen


async def test_phones_hear_each_other_and_each_others_digits_and_nothing_is_lost(
    platform: Platform, series: Series
) -> None:
    media = MediaPlan(seconds=1.5, dtmf="14*#0")  # the lab's Asterisks report each second
    report, evidence = await platform.between_phones(media, dial=f"{series.prefix}{{user}}")
    assert failed(report) == (None, "")
    assert [(one.speaker, one.listener) for one in report.media] == [
        ("callee", "caller"),
        ("caller", "callee"),
    ]
    for stream in report.media:
        digits = "14*#0" if stream.listener == "callee" else "0#*41"
        assert (stream.found, stream.codec, stream.digits) == (Found.VOICE, "PCMU", digits)
        assert stream.sent is not None
        assert stream.sent > 20
        assert (stream.received, stream.lost, stream.duplicates) == (stream.sent, 0, 0)
        assert stream.mos is not None
        assert stream.mos > 4.2
        assert stream.rtt is not None
        assert 0 < stream.rtt < 0.5
    assert {"callee hears the caller", "caller hears the callee"} <= {mark.name for mark in evidence.marks}


async def test_an_echo_brings_back_ones_own_voice_and_digits(platform: Platform, series: Series) -> None:
    media = MediaPlan(seconds=0.8, hears=Hears.ECHO, dtmf="14*")
    report = await platform.to_number(f"{series.prefix}00", media)
    assert failed(report) == (None, "")
    (stream,) = report.media
    assert (stream.speaker, stream.found, stream.lost, stream.digits) == ("platform", Found.ECHO, 0, "14*")
    assert stream.received == stream.sent


async def test_an_announcement_and_a_tone_are_sounds_and_no_echo(platform: Platform, series: Series) -> None:
    for number in ("07", "14"):
        report = await platform.hears(f"{series.prefix}{number}", Hears.SOUND)
        assert failed(report) == (None, "")
        assert [stream.found for stream in report.media] == [Found.SOUND]
    report = await platform.hears(f"{series.prefix}14", Hears.ECHO)
    code, detail = failed(report)
    assert code is FailureCode.NO_MEDIA
    assert "does not hear its own voice come back" in detail
    assert "of some other sound" in detail


async def test_a_number_that_answers_and_sends_nothing_is_no_media(
    platform: Platform, series: Series
) -> None:
    report = await platform.hears(f"{series.prefix}01", Hears.SOUND)
    code, detail = failed(report)
    assert code is FailureCode.NO_MEDIA
    assert "no packet came" in detail
    assert [stream.mos for stream in report.media] == [None]


async def test_a_voice_is_known_again_after_a_change_of_the_law(platform: Platform, series: Series) -> None:
    async with platform.changed(series, held("allow = !all,alaw")):
        report, _ = await platform.between_phones(dial=f"{series.prefix}0{{user}}")
    assert failed(report) == (None, "")
    assert {stream.listener: (stream.codec, stream.found, stream.lost) for stream in report.media} == {
        "caller": ("PCMU", Found.VOICE, 0),
        "callee": ("PCMA", Found.VOICE, 0),
    }


async def test_what_is_lost_on_one_leg_is_lost_from_end_to_end(platform: Platform, series: Series) -> None:
    # The first and the last packets too, which no numbering tells of: Asterisk numbers by its own.
    hurt = Harm(every=10, head=3, last=60)
    async with platform.harmed(hurt) as (target, media):
        report, _ = await platform.between_phones(
            MediaPlan(seconds=1.5, mos=1.0), target=target, dial=f"{series.prefix}{{user}}"
        )
        (truth,) = await media.truth()
    assert failed(report) == (None, "")
    found = {stream.listener: stream for stream in report.media}
    assert truth.to_callee.lost > 10
    assert (found["callee"].sent, found["callee"].lost) == (
        len(truth.to_callee.voice(truth.to_callee.came)),
        truth.to_callee.lost,
    )
    assert (found["caller"].lost, truth.to_caller.lost) == (0, 0)
    assert found["callee"].mos is not None
    assert found["caller"].mos is not None
    assert found["callee"].mos < found["caller"].mos - 0.3
