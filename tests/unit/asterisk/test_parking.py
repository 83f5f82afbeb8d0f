"""Parked calls: how many, by the lots' bridges and the snapshot, and for how long."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from collectors.asterisk.level import Scene
from collectors.asterisk.manager import HOLDING, check
from collectors.asterisk.parking import LOTS, METRICS, lots, parse_lots, parse_times, times
from collectors.asterisk.parse import Channel, parse_channels
from collectors.asterisk.wire import Block
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Catalog, CollectError, CollectFailure
from tests.unit.asterisk.conftest import VERSIONS, items, whole
from tests.unit.asterisk.lists import LAB, Figures, channel, client, lab_tenants, scene, told, without

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME, BOLT = f"acme.ntek.{LAB}", f"bolt.ntek.{LAB}"
LOT = {
    "Event": "BridgeListItem",
    "BridgeUniqueid": "b1",
    "BridgeType": "parking",
    "BridgeTechnology": "holding_bridge",
    "BridgeCreator": "Parking",
    "BridgeName": "default",
    "BridgeNumChannels": "1",
}
PARKED = whole("Parkee") | {
    "Event": "ParkedCall",
    "ParkeeChannel": "PJSIP/trunk-00000001",
    "ParkeeUniqueid": "pbx1-1.1",
    "ParkeeLinkedid": "pbx1-1.1",
    "Parkinglot": "default",
    "ParkingDuration": "9",
}


def durations(blocks: Sequence[Block], seen: Scene, tenants: TenantTree) -> Figures:
    shown = times()
    shown.take(parse_times(blocks, seen))
    return told(shown.samples("pbx1", tenants, AT))


def parked(blocks: Sequence[Block], seen: Scene, tenants: TenantTree) -> dict[str, float]:
    """Return parked calls by tenant."""
    shown = lots()
    shown.take(parse_lots(blocks, seen))
    return {key[1]: value for key, value in told(shown.samples("pbx1", tenants, AT)).items()}


def legs(*codes: str, bridge: str = "b1", first: int = 1) -> list[Channel]:
    """Return one channel in a bridge for each of these account codes."""
    return [replace(channel(f"1.{n}", code), bridge=bridge) for n, code in enumerate(codes, first)]


def lot(number: int, name: str = "default", bridge: str = "b1") -> Block:
    return LOT | {"BridgeNumChannels": str(number), "BridgeName": name, "BridgeUniqueid": bridge}


def test_the_table_keeps_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


# How many


@pytest.mark.parametrize("version", VERSIONS)
def test_parked_calls_are_those_in_lots_and_not_those_that_wait_elsewhere(version: str) -> None:
    tenants = lab_tenants()
    legs = parse_channels(items(version, "CoreShowChannels-parked"))
    # A call of acme's waits in BridgeWait, in a bridge called as acme's lot is; one of bolt's is in none.
    assert len(legs) == 5
    blocks = items(version, "BridgeList")
    assert [block["BridgeCreator"] for block in blocks].count("BridgeWait") == 1
    assert parked(blocks, scene(tenants, legs), tenants) == {ACME: 2, BOLT: 1}
    assert parked(items(version, "BridgeList-idle"), scene(tenants), tenants) == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_parked_calls_are_their_channels_tenants_in_whoevers_lot(version: str) -> None:
    tenants = lab_tenants()
    legs = parse_channels(items(version, "CoreShowChannels-parked"))
    blocks = [{**block, "BridgeName": "default"} for block in items(version, "BridgeList")]
    assert parked(blocks, scene(tenants, legs), tenants) == {ACME: 2, BOLT: 1}


def test_a_lot_of_several_tenants_is_counted_for_each(tenants: TenantTree) -> None:
    seen = scene(tenants, legs("acme", "bd", "acme"))
    assert parked([lot(3)], seen, tenants) == {client("acme"): 2, client("bd"): 1}


def test_a_call_parked_since_the_snapshot_is_the_tenants_that_the_lot_is_called_by(
    tenants: TenantTree,
) -> None:
    seen = scene(tenants, legs("acme"))
    assert parked([lot(2, "globex-lot")], seen, tenants) == {client("acme"): 1, client("globex"): 1}
    assert parked([lot(2)], seen, tenants) == {client("acme"): 1, UNKNOWN_TENANT: 1}
    assert parked([lot(2, "acme-lot")], seen, tenants) == {client("acme"): 2}


def test_a_call_of_nobodys_is_the_tenants_that_the_lot_is_called_by(tenants: TenantTree) -> None:
    seen = scene(tenants, legs("", "bd"))
    assert parked([lot(2, "globex-lot")], seen, tenants) == {client("globex"): 1, client("bd"): 1}
    assert parked([lot(2)], seen, tenants) == {UNKNOWN_TENANT: 1, client("bd"): 1}


def test_a_call_taken_since_the_snapshot_is_not_counted(tenants: TenantTree) -> None:
    seen = scene(tenants, legs("bd", "acme", "acme"))
    assert parked([lot(0, "acme-lot")], seen, tenants) == {}
    assert parked([lot(1, "acme-lot")], seen, tenants) == {client("acme"): 1}
    assert parked([lot(2, "acme-lot")], seen, tenants) == {client("acme"): 2}
    assert sum(parked([lot(2)], seen, tenants).values()) == 2


@pytest.mark.parametrize("seen", range(4))
@pytest.mark.parametrize("number", range(4))
def test_the_total_is_what_the_lots_say_whatever_the_snapshot_had(
    number: int, seen: int, tenants: TenantTree
) -> None:
    channels = [*legs(*("acme", "", "bd")[:seen]), *legs("acme", "bd", bridge="b2", first=10)]
    found = parked([lot(number), lot(2, bridge="b2")], scene(tenants, channels), tenants)
    assert sum(found.values()) == number + 2


def test_a_call_that_went_from_one_lot_to_another_is_counted_once(tenants: TenantTree) -> None:
    seen = scene(tenants, legs("acme"))
    assert parked([lot(0), lot(1, "acme-two", "b2")], seen, tenants) == {client("acme"): 1}


def test_a_leg_in_no_bridge_is_not_parked(tenants: TenantTree) -> None:
    seen = scene(tenants, [*legs("bd", bridge=""), *legs("bd", bridge="b9", first=2)])
    assert parked([lot(1, "acme-lot")], seen, tenants) == {client("acme"): 1}


@pytest.mark.parametrize("name", ["", "x" * 100_000, "a\x00b", "_unknown"])
def test_a_lot_of_any_name_is_counted(name: str, tenants: TenantTree) -> None:
    assert parked([lot(1, name)], scene(tenants), tenants) == {UNKNOWN_TENANT: 1}


@pytest.mark.parametrize(
    "block",
    [
        without(LOT, "BridgeUniqueid"),
        without(LOT, "BridgeNumChannels"),
        LOT | {"BridgeUniqueid": ""},
        *(LOT | {"BridgeNumChannels": number} for number in ("", "-1", "nan", "1.5", "9" * 30)),
    ],
)
def test_half_a_lot_is_no_reading(block: Block, tenants: TenantTree) -> None:
    with pytest.raises(CollectError) as caught:
        parse_lots([LOT, block], scene(tenants))
    assert caught.value.failure is CollectFailure.PROTOCOL


def test_what_is_no_lot_is_left_out_whatever_it_lacks(tenants: TenantTree) -> None:
    assert parked([{}, LOT | {"BridgeType": "base"}, {"BridgeType": ""}], scene(tenants), tenants) == {}


def test_a_lot_that_comes_twice_is_counted_once(tenants: TenantTree) -> None:
    assert parked([LOT, LOT], scene(tenants, legs("bd")), tenants) == {client("bd"): 1}


def test_bridges_are_asked_for_where_channels_wait_and_no_others() -> None:
    check(LOTS, HOLDING)
    wrong: Iterable[dict[str, str]] = ({}, {"BridgeType": "basic"}, {**HOLDING, "Channel": "x"})
    for headers in wrong:
        with pytest.raises(ValueError, match="BridgeList"):
            check(LOTS, headers)


# For how long


@pytest.mark.parametrize("version", VERSIONS)
def test_a_parked_call_is_its_channels_tenants_whatever_the_lot_is_called(version: str) -> None:
    tenants = lab_tenants()
    found = durations(items(version, "ParkedCalls"), scene(tenants), tenants)
    assert found == {("longest_parked_seconds", ACME): 4, ("longest_parked_seconds", BOLT): 4}


def test_a_trunk_leg_is_the_tenants_that_its_call_is(tenants: TenantTree) -> None:
    found = durations([PARKED], scene(tenants, [channel("pbx1-1.1", "bd")]), tenants)
    assert found == {("longest_parked_seconds", client("bd")): 9}


def test_a_leg_of_nobody_is_the_tenants_that_the_lot_is_called_by(tenants: TenantTree) -> None:
    legs = [channel("pbx1-1.1")]
    for lot in ("Parkinglot", "ParkingLot"):
        block = without(PARKED, "Parkinglot") | {lot: "globex-lot"}
        found = durations([block], scene(tenants, legs), tenants)
        assert found == {("longest_parked_seconds", client("globex")): 9}


def test_a_call_parked_by_nobody_in_nobodys_lot_is_unknown(tenants: TenantTree) -> None:
    assert durations([PARKED], scene(tenants), tenants)["longest_parked_seconds", UNKNOWN_TENANT] == 9


def test_the_longest_is_each_tenants_own(tenants: TenantTree) -> None:
    calls = [
        PARKED | {"ParkeeUniqueid": str(n), "ParkeeAccountCode": code, "ParkingDuration": duration}
        for n, (code, duration) in enumerate([("acme", "5"), ("acme", "70"), ("acme", "6"), ("bd", "8")])
    ]
    found = durations(calls, scene(tenants), tenants)
    assert found["longest_parked_seconds", client("acme")] == 70
    assert found["longest_parked_seconds", client("bd")] == 8


@pytest.mark.parametrize("duration", ["", "-5", "nan", "9" * 30, "1795390370"])
def test_a_duration_that_makes_no_sense_is_not_the_longest(duration: str, tenants: TenantTree) -> None:
    odd = PARKED | {"ParkingDuration": duration}
    found = durations([odd, PARKED, odd], scene(tenants), tenants)
    assert found == {("longest_parked_seconds", UNKNOWN_TENANT): 9}
    assert durations([odd], scene(tenants), tenants) == {("longest_parked_seconds", UNKNOWN_TENANT): 0}


def test_half_a_parked_call_is_left_out_and_the_others_are_read(tenants: TenantTree) -> None:
    half = without(PARKED, "ParkeeChannel") | {"ParkingDuration": "99"}
    assert parse_times([PARKED, half], scene(tenants)) == parse_times([PARKED], scene(tenants))


def test_a_tenant_that_parks_no_more_shows_zero(tenants: TenantTree) -> None:
    seen = scene(tenants)
    number, longest = lots(), times()
    for values in (parse_lots([lot(1, "acme-lot")], seen), parse_lots([], seen)):
        number.take(values)
    for values in (parse_times([PARKED | {"ParkeeAccountCode": "acme"}], seen), parse_times([], seen)):
        longest.take(values)
    shown = [*number.samples("pbx1", tenants, AT), *longest.samples("pbx1", tenants, AT)]
    assert [sample.value for sample in shown] == [0, 0]
