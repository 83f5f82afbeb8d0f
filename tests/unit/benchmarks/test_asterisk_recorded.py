"""The events and channels that the benchmarks of Asterisk make are as recorded, but for whose they are."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.asterisk import recorded
from benchmarks.asterisk.recorded import VERSIONS, fields, rendered

METRICS = Path(__file__).parents[2] / "data" / "asterisk" / "22.10.1" / "prometheus" / "metrics.reply"
DOMAINS = ("a.r.example", "b.r.example", "c.r.example")

pytestmark = pytest.mark.parametrize("version", VERSIONS)


def blocks(text: bytes) -> list[dict[str, str]]:
    return [fields(block) for block in text.split(b"\r\n\r\n")[:-1]]


def test_an_event_that_is_taken_apart_and_put_together_is_the_same_bytes(version: str) -> None:
    assert len(recorded.stream(version)) > 600
    whole = [block for block in recorded.stream(version) if len(fields(block)) == block.count(b"\r\n") - 1]
    assert len(whole) > 400  # the others have a header twice
    assert [rendered(fields(block)) for block in whole] == whole


def test_a_round_is_the_recorded_stream_with_every_call_ended(version: str) -> None:
    (text,) = recorded.rounds(version, 0, 1)
    assert text.startswith(b"".join(recorded.stream(version)))
    told = blocks(text)
    assert len(told) == recorded.events_of(version)
    begun = [block["Uniqueid"] for block in told if block["Event"] == "Newchannel"]
    ended = Counter(block["Uniqueid"] for block in told if block["Event"] == "Hangup")
    assert set(begun) <= set(ended)
    assert set(ended.values()) == {1}


def test_no_call_of_one_round_comes_in_another(version: str) -> None:
    seen: set[str] = set()
    for text in recorded.rounds(version, 5, 3):
        told = blocks(text)
        assert len(told) == recorded.events_of(version)
        ids = {block[name] for block in told for name in ("Uniqueid", "Linkedid") if name in block}
        assert len(ids) > 10
        assert not ids & seen
        seen |= ids


def test_a_call_begins_and_ends_with_both_of_its_legs(version: str) -> None:
    for number in range(10):
        told = blocks(recorded.call(version, "acme.example", number))
        legs = [block["Uniqueid"] for block in told if block["Event"] == "Newchannel"]
        assert len(set(legs)) == 2
        assert sorted(block["Uniqueid"] for block in told if block["Event"] == "Hangup") == sorted(legs)
        assert {block["Linkedid"] for block in told} == {legs[0]}
        assert {block["AccountCode"] for block in told if "AccountCode" in block} == {"acme.example"}


def test_three_calls_of_five_are_answered_and_one_of_them_waits_in_the_tenants_queue(version: str) -> None:
    told = [blocks(recorded.call(version, "acme.example", number)) for number in range(5)]
    answered = [any(block.get("ChannelState") == "6" for block in call) for call in told]
    assert answered == [True, True, True, False, False]
    queues = [[block["Queue"] for block in call if block["Event"].startswith("Queue")] for call in told]
    assert queues == [[], [], ["acme.example"] * 2, [], []]
    assert [call[-1]["Cause"] for call in told] == ["16", "16", "16", "17", "19"]


def test_the_channels_of_a_poll_are_shared_out_among_tenants_two_a_call(version: str) -> None:
    made = list(recorded.channels(version, DOMAINS, 12, 0))
    assert Counter(channel["AccountCode"] for channel in made) == dict.fromkeys(DOMAINS, 4)
    assert len({channel["Uniqueid"] for channel in made}) == 12
    assert set(Counter(channel["Linkedid"] for channel in made).values()) == {2}
    assert {channel["Event"] for channel in made} == {"CoreShowChannel"}


def test_a_twelfth_of_the_calls_are_others_at_the_next_poll(version: str) -> None:
    one, two = (
        {channel["Uniqueid"] for channel in recorded.channels(version, DOMAINS, 2400, poll)}
        for poll in (7, 8)
    )
    assert len(one) == len(two) == 2400
    assert len(two - one) == 200


def test_a_call_that_stays_has_lasted_longer_at_the_next_poll(version: str) -> None:
    one, two = (
        {
            channel["Uniqueid"]: channel["Duration"]
            for channel in recorded.channels(version, DOMAINS, 240, poll)
        }
        for poll in (7, 8)
    )
    stayed = one.keys() & two.keys()
    assert len(stayed) == 220
    assert all(one[number] < two[number] for number in stayed)
    assert len({two[number] for number in two.keys() - one.keys()}) == 1


def test_the_calls_of_a_poll_are_none_of_those_that_events_tell_of(version: str) -> None:
    told = {
        block["Uniqueid"] for number in range(60) for block in blocks(recorded.call(version, "a.r", number))
    }
    assert not told & {channel["Uniqueid"] for channel in recorded.channels(version, DOMAINS, 120, 0)}


def test_the_page_has_the_recorded_pages_lines_for_the_recorded_channels(version: str) -> None:
    if version != "22.10.1":
        pytest.skip("res_prometheus came after it")
    lines = METRICS.read_text().splitlines()
    shown = [line for line in lines if "asterisk_channels_" in line and "asterisk_channels_count" not in line]
    shown = [line for line in shown if 'type="CBAnn"' not in line]  # which CoreShowChannels leaves out
    said = (recorded.reply(version, "CoreShowChannels") or b"").split(b"\r\n\r\n")[1:-2]
    made = recorded.page([fields(block) for block in said]).splitlines()
    assert len(made) == len(shown)
    # Two channels are in another state than most; durations are all the same in the recording.
    assert {line.rpartition(" ")[0] for line in made} == {line.rpartition(" ")[0] for line in shown}
    assert len(set(made) - set(shown)) <= 2
