"""Recorded answers of Asterisk 16.28 and 22.10 into a snapshot."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest

from collectors.asterisk.parse import (
    Channel,
    parse_channels,
    parse_offset,
    parse_processed,
    parse_startup,
    parse_version,
)
from dialtone.model import CollectError, CollectFailure
from tests.unit.asterisk.conftest import VERSIONS, blocks, items


@pytest.mark.parametrize("version", VERSIONS)
def test_channels_are_read_without_the_halves_of_local_ones(version: str) -> None:
    channels = parse_channels(items(version, "CoreShowChannels"))
    assert len(channels) == 12  # 14 were listed, two of them Local
    assert Counter(channel.account_code for channel in channels) == {"acme": 4, "bd": 4, "globex": 4}
    assert Counter(channel.state for channel in channels) == {"up": 11, "ring": 1}


@pytest.mark.parametrize("version", VERSIONS)
def test_legs_of_a_call_share_their_linked_id(version: str) -> None:
    channels = parse_channels(items(version, "CoreShowChannels"))
    # acme: echo, wait, phone to phone. bd: queue with agent, two in a conference (each a call of its
    # own). globex: ringing, over the trunk, over a Local channel.
    calls = {
        code: {c.linked_id for c in channels if c.account_code == code} for code in ("acme", "bd", "globex")
    }
    assert {code: len(ids) for code, ids in calls.items()} == {"acme": 3, "bd": 3, "globex": 3}


def test_a_call_that_came_in_by_the_trunk_has_the_code_that_the_dialplan_gave_it() -> None:
    (channel,) = parse_channels(items("16.28.0", "CoreShowChannels-carrier-inbound"))
    assert channel == Channel("lab16-1795392220.9438", "bd", "up")


def test_an_idle_server_has_no_channels() -> None:
    assert parse_channels(items("22.10.1", "CoreShowChannels-idle")) == ()


@pytest.mark.parametrize("name", ["Local/1@a-0;1", "CBAnn/room-0;2", "CBRec/room-0"])
def test_internal_channels_are_nobodys(name: str) -> None:
    assert parse_channels([{"Channel": name, "ChannelState": "6", "Linkedid": "1"}]) == ()


@pytest.mark.parametrize("state", ["0", "3", "9", "77", "", "up"])
def test_states_between_are_one(state: str) -> None:
    (channel,) = parse_channels([{"Channel": "PJSIP/a-1", "ChannelState": state, "Linkedid": "1"}])
    assert channel.state == "other"


@pytest.mark.parametrize("lacks", ["Channel", "ChannelState", "Linkedid"])
def test_half_a_channel_is_no_reading(lacks: str) -> None:
    block = {"Channel": "PJSIP/a-1", "ChannelState": "6", "Linkedid": "1"}
    del block[lacks]
    with pytest.raises(CollectError) as caught:
        parse_channels([block])
    assert caught.value.failure is CollectFailure.PROTOCOL


@pytest.mark.parametrize("version", VERSIONS)
def test_the_version_is_asterisks_own_without_the_packagers(version: str) -> None:
    assert parse_version(blocks(version, "CoreSettings")[0]) == version


@pytest.mark.parametrize(
    ("text", "version"),
    [("certified/20.7-cert2", "20.7"), ("GIT-master-4f2a", "4f2a"), ("unknown", "unknown"), ("", "")],
)
def test_odd_versions_are_shown_as_well_as_they_can_be(text: str, version: str) -> None:
    assert parse_version({"AsteriskVersion": text}) == version


def test_processed_calls_came_with_a_later_version() -> None:
    assert parse_processed(blocks("16.28.0", "CoreStatus")[0]) is None
    assert parse_processed(blocks("22.10.1", "CoreStatus")[0]) == 41


@pytest.mark.parametrize("text", ["", "-1", "1.5", "nan", "٣", "9" * 400])
def test_processed_calls_that_are_no_number_are_none(text: str) -> None:
    assert parse_processed({"CoreProcessedCalls": text}) is None


def test_the_start_is_a_wall_clock_reading_without_zone() -> None:
    assert parse_startup(blocks("22.10.1", "CoreStatus")[0]) == datetime(2026, 11, 22, 23, 19, 28)  # noqa: DTZ001
    assert parse_startup({"CoreStartupDate": "yesterday"}) is None
    assert parse_startup({}) is None


@pytest.mark.parametrize(("text", "minutes"), [("+0000", 0), ("-0500", -300), ("+0545", 345), ("+1400", 840)])
def test_offsets_are_strftimes(text: str, minutes: int) -> None:
    assert parse_offset(text) == timezone(timedelta(minutes=minutes))


@pytest.mark.parametrize("text", ["", "UTC", "+05", "+9900", "0500", "+05:00"])
def test_what_is_no_offset_is_no_zone(text: str) -> None:
    assert parse_offset(text) is None


def test_no_offset_is_not_utc() -> None:
    assert parse_offset("%z") is not UTC
