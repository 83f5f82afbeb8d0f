"""Conferences of the recordings, and of servers that make no sense."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from collectors.asterisk.conferences import METRICS, levels, parse
from collectors.asterisk.level import Scene
from collectors.asterisk.wire import Block
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Catalog, CollectError, CollectFailure
from tests.unit.asterisk.conftest import VERSIONS, items
from tests.unit.asterisk.lists import Figures, channel, client, recorded_scene, scene, told, without

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOM = {"Event": "ConfbridgeListRooms", "Conference": "bd-room", "Parties": "2"}


def figures(blocks: Sequence[Block], seen: Scene, tenants: TenantTree) -> Figures:
    shown = levels()
    shown.take(parse(blocks, seen))
    return told(shown.samples("pbx1", tenants, AT))


def test_the_table_keeps_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_conference_is_its_callers_tenants(version: str, tenants: TenantTree) -> None:
    seen = recorded_scene(version, tenants, names="")
    assert figures(items(version, "ConfbridgeListRooms"), seen, tenants) == {
        ("conferences", client("bd")): 1,
        ("conference_parties", client("bd")): 2,
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_without_the_channels_it_is_the_tenants_that_its_name_stands_for(
    version: str, tenants: TenantTree
) -> None:
    found = figures(items(version, "ConfbridgeListRooms"), scene(tenants), tenants)
    assert found["conference_parties", client("bd")] == 2


def test_a_conference_of_nobody_is_unknown(tenants: TenantTree) -> None:
    found = figures([ROOM], scene(tenants, names=""), tenants)
    assert found == {("conferences", UNKNOWN_TENANT): 1, ("conference_parties", UNKNOWN_TENANT): 2}


def test_a_conference_that_two_tenants_are_in_is_neithers(tenants: TenantTree) -> None:
    legs = [
        channel("1", "acme", application="ConfBridge", arguments="lobby,bridge"),
        channel("2", "globex", application="ConfBridge", arguments="lobby"),
        channel("3", "quiet", application="Echo", arguments="lobby"),
    ]
    found = figures([{"Conference": "lobby", "Parties": "2"}], scene(tenants, legs), tenants)
    assert found == {("conferences", UNKNOWN_TENANT): 1, ("conference_parties", UNKNOWN_TENANT): 2}


def test_a_party_of_nobody_does_not_make_a_tenants_conference_unknown(tenants: TenantTree) -> None:
    legs = [
        channel("1", "acme", application="ConfBridge", arguments="lobby"),
        channel("2", "", application="ConfBridge", arguments="lobby"),
    ]
    found = figures([{"Conference": "lobby", "Parties": "2"}], scene(tenants, legs), tenants)
    assert found["conference_parties", client("acme")] == 2


def test_a_channel_in_another_application_is_in_no_conference(tenants: TenantTree) -> None:
    legs = [
        channel("1", "acme", application="ConfBridge", arguments="lobby"),
        channel("2", "globex", application="Queue", arguments="lobby"),
    ]
    found = figures([{"Conference": "lobby", "Parties": "1"}], scene(tenants, legs), tenants)
    assert found["conference_parties", client("acme")] == 1


def test_a_room_whose_name_begins_another_is_not_that_one(tenants: TenantTree) -> None:
    legs = [channel("1", "acme", application="ConfBridge", arguments="1000")]
    found = figures([{"Conference": "100", "Parties": "1"}], scene(tenants, legs), tenants)
    assert found["conferences", UNKNOWN_TENANT] == 1


@pytest.mark.parametrize(
    "room",
    [
        without(ROOM, "Conference"),
        without(ROOM, "Parties"),
        ROOM | {"Parties": "-1"},
        ROOM | {"Parties": "nan"},
        ROOM | {"Parties": "9" * 100},
    ],
)
def test_half_a_conference_is_no_reading(room: Block, tenants: TenantTree) -> None:
    with pytest.raises(CollectError) as caught:
        parse([ROOM, room], scene(tenants))
    assert caught.value.failure is CollectFailure.PROTOCOL


def test_many_conferences_make_no_more_series(tenants: TenantTree) -> None:
    rooms = [{"Conference": f"bd-{n}", "Parties": "1"} for n in range(100_000)]
    found = figures(rooms, scene(tenants), tenants)
    assert found == {("conferences", client("bd")): 100_000, ("conference_parties", client("bd")): 100_000}
