"""Recorded answers of Asterisk 16.28 and 22.10 into a snapshot."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.asterisk.parse import (
    MAX_ID,
    MAX_NAME,
    TECHNOLOGIES,
    Channel,
    parse_channel,
    parse_channels,
    parse_offset,
    parse_processed,
    parse_reload,
    parse_startup,
    parse_version,
)
from collectors.asterisk.wire import Block
from tests.unit.asterisk.conftest import VERSIONS, blocks, items, whole


def channel(**headers: str) -> Block:
    """Return a list's item with what Asterisk says of each."""
    told = {"Channel": "PJSIP/a-1", "ChannelState": "6", "Uniqueid": "1", "Linkedid": "1"} | headers
    return whole(**told)


@pytest.mark.parametrize("version", VERSIONS)
def test_channels_are_read_with_the_halves_of_local_ones_told_apart(version: str) -> None:
    channels = parse_channels(items(version, "CoreShowChannels"))
    assert len(channels) == 14
    assert Counter(channel.internal for channel in channels) == {False: 12, True: 2}
    assert {channel.name[:16] for channel in channels if channel.internal} == {"Local/601@globex"}
    counted = [channel for channel in channels if not channel.internal]
    assert Counter(channel.account_code for channel in counted) == {"acme": 4, "bd": 4, "globex": 4}
    assert Counter(channel.state for channel in counted) == {"up": 11, "ring": 1}
    assert {channel.technology for channel in counted} == {"PJSIP"}


@pytest.mark.parametrize("version", VERSIONS)
def test_legs_of_a_call_share_their_linked_id_and_have_each_their_own(version: str) -> None:
    channels = parse_channels(items(version, "CoreShowChannels"))
    # acme: echo, wait, phone to phone. bd: queue with agent, two in a conference (each a call of its
    # own). globex: ringing, over the trunk, over a Local channel.
    calls = {
        code: {c.linked_id for c in channels if c.account_code == code} for code in ("acme", "bd", "globex")
    }
    assert {code: len(ids) for code, ids in calls.items()} == {"acme": 3, "bd": 3, "globex": 3}
    assert len({c.unique_id for c in channels}) == 14
    assert {c.unique_id for c in channels} > {c.linked_id for c in channels}


def test_a_call_that_came_in_by_the_trunk_has_the_code_that_the_dialplan_gave_it() -> None:
    (found,) = parse_channels(items("16.28.0", "CoreShowChannels-carrier-inbound"))
    own = "lab16-1795392220.9438"
    assert found == Channel(
        own, own, "PJSIP/carrier-00000dc2", "PJSIP", "up", internal=False, account_code="bd", context="bd",
        application="Wait", arguments="3600",
    )  # fmt: skip


def test_an_idle_server_has_no_channels() -> None:
    assert parse_channels(items("22.10.1", "CoreShowChannels-idle")) == ()


@pytest.mark.parametrize(
    ("name", "technology", "internal"),
    [
        ("PJSIP/a-1", "PJSIP", False),
        ("SIP/a-1", "SIP", False),
        ("IAX2/a-1", "IAX2", False),
        ("DAHDI/i1/5551234-1", "DAHDI", False),
        ("USTM/101@a-0x7f", "UNIStim", False),
        ("SCCP/a-1", "SCCP", False),
        ("Skinny/a@b-1", "Skinny", False),
        ("MGCP/a-1", "other", False),
        ("Local/1@a-0;1", "other", True),
        ("CBAnn/room-0;2", "other", True),
        ("CBRec/room-0", "other", True),
        ("Surrogate/PJSIP/a-1", "other", True),
        ("MulticastRTP/0x7f", "other", True),
        ("OutgoingSpoolFailed", "other", True),
        ("no slash", "other", False),
    ],
)
def test_a_channels_driver_is_one_of_a_closed_list_or_asterisks_own(
    name: str, technology: str, internal: bool
) -> None:
    (found,) = parse_channels([channel(Channel=name)])
    assert (found.technology, found.internal) == (technology, internal)
    assert found.technology in TECHNOLOGIES


@pytest.mark.parametrize("state", ["0", "3", "9", "77", "", "up"])
def test_states_between_are_one(state: str) -> None:
    (found,) = parse_channels([channel(ChannelState=state)])
    assert found.state == "other"


@pytest.mark.parametrize("lacks", sorted(channel().keys() - {"Event", "Tenantid"}))
def test_half_a_channel_is_none_and_the_others_are_read(lacks: str) -> None:
    block = {key: value for key, value in channel().items() if key != lacks}
    assert parse_channels([channel(), block]) == parse_channels([channel()])


@pytest.mark.parametrize("key", ["Uniqueid", "Linkedid"])
def test_an_id_that_no_asterisk_would_give_is_none(key: str) -> None:
    assert parse_channel(channel(**{key: "x" * MAX_ID})) is not None
    assert parse_channel(channel(**{key: "x" * (MAX_ID + 1)})) is None
    assert parse_channel(channel(**{key: ""})) is None


def test_texts_are_as_long_as_asterisk_has_them_at_most() -> None:
    long = "PJSIP/" + "a" * 1_000_000
    found = parse_channel(channel(Channel=long, AccountCode=long, Context=long, Tenantid=long))
    assert found is not None
    assert {len(text) for text in (found.name, found.account_code, found.context, found.tenant_id)} == {
        MAX_NAME
    }


def test_an_event_of_several_channels_is_read_by_their_prefix() -> None:
    told = {"Channel": "SIP/a-1", "Uniqueid": "7", "Linkedid": "3", "Tenantid": "t", "ChannelState": "5"}
    event = whole("Transferer", **told) | {"Channel": "PJSIP/b-1"}
    assert parse_channel(event, "Transferer") == Channel(
        "7", "3", "SIP/a-1", "SIP", "ringing", internal=False, tenant_id="t"
    )
    assert parse_channel(event) is None
    assert parse_channel(event, "Transferee") is None


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


@pytest.mark.parametrize(
    "date", ["0001-01-01", "1969-12-31", "9999-12-31", "2026-02-30", "9" * 9000, "%Y", ""]
)
def test_a_start_whose_instant_would_be_none_is_not_known(date: str) -> None:
    assert parse_startup({"CoreStartupDate": date, "CoreStartupTime": "23:59:59"}) is None


@given(st.text(), st.text())
def test_no_text_breaks_the_clocks_reading(date: str, time: str) -> None:
    for prefix, read in (("CoreStartup", parse_startup), ("CoreReload", parse_reload)):
        wall = read({f"{prefix}Date": date, f"{prefix}Time": time})
        assert wall is None or wall.tzinfo is None


@pytest.mark.parametrize("date", ["1970-01-01", "9998-12-31"])
@pytest.mark.parametrize("hours", [-24, 24])
def test_whatever_is_believed_has_an_instant_in_every_zone(date: str, hours: int) -> None:
    wall = parse_startup({"CoreStartupDate": date, "CoreStartupTime": "00:00:00"})
    assert wall is not None
    zone = timezone(timedelta(hours=hours) - timedelta(minutes=1 if hours > 0 else -1))
    assert abs(wall.replace(tzinfo=zone).astimezone(UTC).timestamp()) < 1e12


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bridge_that_a_channel_is_in_is_told(version: str) -> None:
    seen = parse_channels(items(version, "CoreShowChannels-parked"))
    assert [len(channel.bridge) for channel in seen].count(36) == 4
    assert [channel.bridge for channel in seen].count("") == 1
    assert parse_channels([channel(BridgeId="x" * 9000)])[0].bridge == "x" * MAX_ID
    assert parse_channels([channel()])[0].bridge == ""


@pytest.mark.parametrize(("text", "minutes"), [("+0000", 0), ("-0500", -300), ("+0545", 345), ("+1400", 840)])
def test_offsets_are_strftimes(text: str, minutes: int) -> None:
    assert parse_offset(text) == timezone(timedelta(minutes=minutes))


@pytest.mark.parametrize("text", ["", "UTC", "+05", "+9900", "0500", "+05:00"])
def test_what_is_no_offset_is_no_zone(text: str) -> None:
    assert parse_offset(text) is None


def test_no_offset_is_not_utc() -> None:
    assert parse_offset("%z") is not UTC
