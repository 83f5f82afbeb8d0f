"""Devices and contacts of the recordings."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from collectors.asterisk.endpoints import (
    METRICS,
    STATES,
    STATUSES,
    contacts,
    devices,
    parse_contacts,
    parse_devices,
)
from collectors.asterisk.wire import Block
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Catalog, CollectError, CollectFailure
from tests.unit.asterisk.conftest import items
from tests.unit.asterisk.lists import Figures, client, scene, told, without

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTACT = {
    "ObjectName": "acme-100;@e9",
    "Endpoint": "acme-100",
    "Status": "Reachable",
    "RoundtripUsec": "551",
}


def of_devices(blocks: Sequence[Block], tenants: TenantTree, *, names: str = "{tenant}-*") -> Figures:
    shown = devices()
    shown.take(parse_devices(blocks, scene(tenants, names=names)))
    return told(shown.samples("pbx1", tenants, AT))


def of_contacts(blocks: Sequence[Block], tenants: TenantTree, *, names: str = "{tenant}-*") -> Figures:
    shown = contacts()
    shown.take(parse_contacts(blocks, scene(tenants, names=names)))
    return told(shown.samples("pbx1", tenants, AT))


def states(found: Figures, domain: str) -> dict[str, float]:
    return {key[2]: value for key, value in found.items() if key[1] == domain and value}


def test_the_table_keeps_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


def test_devices_of_each_tenant_by_state(tenants: TenantTree) -> None:
    found = of_devices(items("16.28.0", "DeviceStateList"), tenants)
    assert states(found, client("acme")) == {"idle": 2, "in-use": 3, "busy": 1, "unavailable": 1}
    assert states(found, client("bd")) == {"idle": 1, "in-use": 3, "busy": 1, "unavailable": 1}
    assert states(found, client("globex")) == {"idle": 1, "in-use": 3, "unavailable": 2}
    assert states(found, UNKNOWN_TENANT) == {"in-use": 1}  # the trunk
    assert sum(found.values()) == 20


def test_of_the_new_version_too(tenants: TenantTree) -> None:
    found = of_devices(items("22.10.1", "DeviceStateList"), tenants)
    assert sum(found.values()) == 20
    assert states(found, client("bd")) == {"idle": 1, "in-use": 3, "busy": 1, "unavailable": 1}


def test_every_state_is_shown_of_a_tenant_that_has_a_device(tenants: TenantTree) -> None:
    found = of_devices([{"Device": "SIP/acme-1", "State": "INUSE"}], tenants)
    assert [key[2] for key in found] == list(STATES)


@pytest.mark.parametrize(
    "device",
    [
        "Queue:acme-support_pause_PJSIP/acme-101",
        "Queue:acme-support",
        "Custom:acme-1",
        "MWI:100@acme",
        "park:701@acme",
        "confbridge:acme-room",
        "Local/101@acme",
        "Agent/acme-1",
        "PJSIP",
        "acme-1",
        "/acme-1",
        "PJSIP ",
    ],
)
def test_what_is_no_phone_is_not_counted(device: str, tenants: TenantTree) -> None:
    assert of_devices([{"Device": device, "State": "INUSE"}], tenants) == {}


@pytest.mark.parametrize("technology", ["PJSIP", "SIP", "IAX2", "DAHDI", "SCCP", "Skinny", "USTM", "MGCP"])
def test_phones_of_all_technologies_are(technology: str, tenants: TenantTree) -> None:
    found = of_devices([{"Device": f"{technology}/acme-1", "State": "RINGING"}], tenants)
    assert states(found, client("acme")) == {"ringing": 1}


@pytest.mark.parametrize(
    ("state", "folded"),
    [
        ("RINGINUSE", "in-use"),
        ("ONHOLD", "on-hold"),
        ("INVALID", "unavailable"),
        ("UNKNOWN", "other"),
        ("inuse", "other"),
        ("x" * 5000, "other"),
    ],
)
def test_states_are_folded_to_a_closed_list(state: str, folded: str, tenants: TenantTree) -> None:
    found = of_devices([{"Device": "PJSIP/acme-1", "State": state}], tenants)
    assert states(found, client("acme")) == {folded: 1}


def test_a_name_that_was_cut_is_nobodys(tenants: TenantTree) -> None:
    device = f"PJSIP/acme-{'x' * 100}"[:79]
    assert states(of_devices([{"Device": device, "State": "INUSE"}], tenants), UNKNOWN_TENANT) == {
        "in-use": 1
    }
    assert states(of_devices([{"Device": device[:78], "State": "INUSE"}], tenants), client("acme"))


@pytest.mark.parametrize("block", [{"State": "INUSE"}, {"Device": "PJSIP/acme-1"}, {}])
def test_half_a_device_is_no_reading(block: Block, tenants: TenantTree) -> None:
    with pytest.raises(CollectError) as caught:
        parse_devices([block], scene(tenants))
    assert caught.value.failure is CollectFailure.PROTOCOL


def test_many_devices_make_no_more_series(tenants: TenantTree) -> None:
    many = [{"Device": f"PJSIP/phone{n}", "State": f"STATE{n}"} for n in range(100_000)]
    found = of_devices(many, tenants)
    assert len(found) == len(STATES)
    assert states(found, UNKNOWN_TENANT) == {"other": 100_000}


@pytest.mark.parametrize(("version", "trip"), [("16.28.0", 0.000551), ("22.10.1", 0.000574)])
def test_contacts_are_the_tenants_that_their_endpoint_is_called_by(
    version: str, trip: float, tenants: TenantTree
) -> None:
    assert of_contacts(items(version, "PJSIPShowContacts"), tenants) == {
        ("contacts", client("acme"), "reachable"): 1,
        ("contacts", client("acme"), "unreachable"): 0,
        ("contacts", client("acme"), "not-qualified"): 0,
        ("contacts", client("acme"), "other"): 0,
        ("contact_rtt_seconds", client("acme"), "0.5"): pytest.approx(trip),
        ("contact_rtt_seconds", client("acme"), "1"): pytest.approx(trip),
    }


def test_a_contact_without_endpoint_is_called_by_its_address_of_record(tenants: TenantTree) -> None:
    for block in (without(CONTACT, "Endpoint"), CONTACT | {"Endpoint": ""}):
        assert of_contacts([block], tenants)["contacts", client("acme"), "reachable"] == 1


def test_round_trips_are_each_tenants_own(tenants: TenantTree) -> None:
    blocks = [CONTACT | {"RoundtripUsec": trip} for trip in ("1000", "9000", "2000", "4000")]
    blocks += [CONTACT | {"Endpoint": "bd-1", "RoundtripUsec": "700000"}]
    found = of_contacts(blocks, tenants)
    assert found["contact_rtt_seconds", client("acme"), "0.5"] == pytest.approx(0.003)
    assert found["contact_rtt_seconds", client("acme"), "1"] == pytest.approx(0.009)
    assert found["contact_rtt_seconds", client("bd"), "0.5"] == pytest.approx(0.7)


@pytest.mark.parametrize("trip", ["N/A", "0", "nan", "-nan", "-5", "", "1e3", "9" * 11, "9" * 400, None])
def test_a_round_trip_that_is_not_known_is_absent_and_not_zero(trip: str | None, tenants: TenantTree) -> None:
    block = without(CONTACT, "RoundtripUsec") if trip is None else CONTACT | {"RoundtripUsec": trip}
    found = of_contacts([block], tenants)
    assert found["contacts", client("acme"), "reachable"] == 1
    assert not [key for key in found if key[0] == "contact_rtt_seconds"]


@pytest.mark.parametrize(
    ("status", "folded"),
    [
        ("Unreachable", "unreachable"),
        ("NonQualified", "not-qualified"),
        ("Unknown", "other"),
        ("Removed", "other"),
        ("", "other"),
    ],
)
def test_statuses_are_folded_to_a_closed_list(status: str, folded: str, tenants: TenantTree) -> None:
    found = of_contacts([CONTACT | {"Status": status, "RoundtripUsec": "N/A"}], tenants)
    assert states(found, client("acme")) == {folded: 1}
    assert len(found) == len(STATUSES)


def test_a_contact_without_status_is_no_reading(tenants: TenantTree) -> None:
    with pytest.raises(CollectError) as caught:
        parse_contacts([CONTACT, without(CONTACT, "Status")], scene(tenants))
    assert caught.value.failure is CollectFailure.PROTOCOL
