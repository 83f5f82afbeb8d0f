"""Parked calls, as the lab's Asterisks list them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from collectors.asterisk.level import Scene
from collectors.asterisk.parking import METRICS, levels, parse
from collectors.asterisk.wire import Block
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Catalog, CollectError, CollectFailure
from tests.unit.asterisk.conftest import VERSIONS, items
from tests.unit.asterisk.lists import LAB, Figures, channel, client, lab_tenants, scene, told, without

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARKED = {
    "Event": "ParkedCall",
    "ParkeeChannel": "PJSIP/trunk-00000001",
    "ParkeeUniqueid": "pbx1-1.1",
    "ParkeeLinkedid": "pbx1-1.1",
    "Parkinglot": "default",
    "ParkingDuration": "9",
}


def figures(blocks: Sequence[Block], seen: Scene, tenants: TenantTree) -> Figures:
    shown = levels()
    shown.take(parse(blocks, seen))
    return told(shown.samples("pbx1", tenants, AT))


def test_the_table_keeps_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_parked_call_is_its_channels_tenants_whatever_the_lot_is_called(version: str) -> None:
    tenants = lab_tenants()
    found = figures(items(version, "ParkedCalls"), scene(tenants), tenants)
    assert found == {
        ("parked_calls", f"acme.ntek.{LAB}"): 1,
        ("parked_calls", f"bolt.ntek.{LAB}"): 1,
        ("longest_parked_seconds", f"acme.ntek.{LAB}"): 4,
        ("longest_parked_seconds", f"bolt.ntek.{LAB}"): 4,
    }


def test_a_trunk_leg_is_the_tenants_that_its_call_is(tenants: TenantTree) -> None:
    found = figures([PARKED], scene(tenants, [channel("pbx1-1.1", "bd")]), tenants)
    assert found == {("parked_calls", client("bd")): 1, ("longest_parked_seconds", client("bd")): 9}


def test_a_leg_of_nobody_is_the_tenants_that_the_lot_is_called_by(tenants: TenantTree) -> None:
    legs = [channel("pbx1-1.1")]
    for lot in ("Parkinglot", "ParkingLot"):
        block = without(PARKED, "Parkinglot") | {lot: "globex-lot"}
        assert figures([block], scene(tenants, legs), tenants)["parked_calls", client("globex")] == 1


def test_a_call_parked_by_nobody_in_nobodys_lot_is_unknown(tenants: TenantTree) -> None:
    assert figures([PARKED], scene(tenants), tenants)["parked_calls", UNKNOWN_TENANT] == 1


def test_the_longest_is_each_tenants_own(tenants: TenantTree) -> None:
    calls = [
        PARKED | {"ParkeeUniqueid": str(n), "ParkeeAccountCode": code, "ParkingDuration": duration}
        for n, (code, duration) in enumerate([("acme", "5"), ("acme", "70"), ("acme", "6"), ("bd", "8")])
    ]
    found = figures(calls, scene(tenants), tenants)
    assert found["longest_parked_seconds", client("acme")] == 70
    assert found["longest_parked_seconds", client("bd")] == 8


@pytest.mark.parametrize("duration", ["", "-5", "nan", "9" * 30, "1795390370"])
def test_a_duration_that_makes_no_sense_counts_the_call_all_the_same(
    duration: str, tenants: TenantTree
) -> None:
    found = figures([PARKED | {"ParkingDuration": duration}], scene(tenants), tenants)
    assert found == {("parked_calls", UNKNOWN_TENANT): 1, ("longest_parked_seconds", UNKNOWN_TENANT): 0}


def test_half_a_parked_call_is_no_reading(tenants: TenantTree) -> None:
    with pytest.raises(CollectError) as caught:
        parse([without(PARKED, "ParkeeChannel")], scene(tenants))
    assert caught.value.failure is CollectFailure.PROTOCOL


def test_a_tenant_that_parks_no_more_shows_zero(tenants: TenantTree) -> None:
    shown = levels()
    shown.take(parse([PARKED | {"ParkeeAccountCode": "acme"}], scene(tenants)))
    shown.take(parse([], scene(tenants)))
    assert set(told(shown.samples("pbx1", tenants, AT)).values()) == {0}
