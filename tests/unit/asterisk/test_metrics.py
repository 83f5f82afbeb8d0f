"""What is published: calls as people count them, and every tenant whether it calls or not."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from collectors.asterisk.metrics import METRICS, Publisher
from collectors.asterisk.parse import STATES, AsteriskSnapshot, Channel, parse_channels
from collectors.asterisk.whose import Whose
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Catalog
from tests.unit.asterisk.conftest import RESELLER, VERSIONS, items

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
Figures = dict[tuple[str, ...], float]


def leg(call: str, code: str, state: str, driver: str = "PJSIP", *, internal: bool = False) -> Channel:
    """Return a channel of a call, with a Uniqueid of its own."""
    serial = f"{call}-{code}-{state}-{driver}"
    return Channel(serial, call, f"{driver}/{serial}-00000001", driver, state, internal, code)


def figures(
    channels: Iterable[Channel], tenants: TenantTree, publisher: Publisher | None = None, **more: object
) -> Figures:
    """Return the samples as (metric without prefix, labels without node and reseller) -> value."""
    snapshot = AsteriskSnapshot(
        version="22.10.1",
        started=more.get("started"),  # type: ignore[arg-type]
        processed=more.get("processed"),  # type: ignore[arg-type]
        channels=tuple(channels),
    )
    owners = Whose(tenants).channels(snapshot.channels)
    found: Figures = {}
    for sample in (publisher or Publisher("pbx1")).samples(snapshot, owners, tenants, AT):
        assert sample.labels[0] == "pbx1"
        assert sample.at == AT
        labels = list(sample.labels[1:])
        if "_tenant_" in sample.metric:
            labels.pop(1)
        key = (sample.metric.removeprefix("asterisk_"), *labels)
        assert key not in found, f"{key} is there twice"
        found[key] = sample.value
    return found


def client(name: str) -> str:
    return f"{name}.{RESELLER}"


def test_the_table_keeps_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


@pytest.mark.parametrize("version", VERSIONS)
def test_calls_of_each_tenant_are_counted_as_people_count_them(version: str, tenants: TenantTree) -> None:
    found = figures(parse_channels(items(version, "CoreShowChannels")), tenants)
    calls = {key[1]: value for key, value in found.items() if key[0] == "tenant_calls"}
    assert calls == {
        "clusterpbx.example": 0,
        RESELLER: 0,
        client("acme"): 3,
        client("bd"): 3,
        client("globex"): 3,
        client("quiet"): 0,
        UNKNOWN_TENANT: 0,
    }
    assert found["calls",] == 9
    assert found["tenant_early_calls", client("globex")] == 1
    assert found["tenant_channels", client("globex"), "ring", "PJSIP"] == 1
    assert found["tenant_channels", client("globex"), "up", "PJSIP"] == 3
    assert found["channels", "up", "PJSIP"] == 11


def test_a_silent_server_shows_zeros_and_not_nothing(tenants: TenantTree) -> None:
    found = figures((), tenants)
    assert set(found.values()) == {0}
    assert {key[1] for key in found if key[0] == "tenant_calls"} == {*tenants.domains, UNKNOWN_TENANT}


def test_the_number_of_series_does_not_depend_on_the_calls(tenants: TenantTree) -> None:
    publisher = Publisher("pbx1")
    first = figures([leg("1", "acme", "up")], tenants, publisher)
    many = [leg(str(n), f"code{n % 7}", "ringing") for n in range(500)]
    assert figures([*many, leg("x", "acme", "up")], tenants, publisher).keys() == first.keys()
    assert figures((), tenants, publisher).keys() == first.keys()


def test_channels_are_shown_from_a_tenants_first_one_on(tenants: TenantTree) -> None:
    publisher = Publisher("pbx1")
    before = figures((), tenants, publisher)
    assert {key[1] for key in before if key[0] == "tenant_channels"} == {UNKNOWN_TENANT}
    figures([leg("1", "acme", "up")], tenants, publisher)
    after = figures((), tenants, publisher)
    assert {
        key[2]: v for key, v in after.items() if key[:2] == ("tenant_channels", client("acme"))
    } == dict.fromkeys(STATES, 0)
    assert ("tenant_channels", client("quiet"), "up", "PJSIP") not in after


def test_a_technology_is_shown_from_its_first_channel_on(tenants: TenantTree) -> None:
    publisher = Publisher("pbx1")
    assert ("channels", "up", "IAX2") not in figures((), tenants, publisher)
    found = figures([leg("1", "acme", "up", "IAX2"), leg("2", "acme", "up")], tenants, publisher)
    assert found["tenant_channels", client("acme"), "up", "IAX2"] == 1
    assert found["tenant_channels", client("acme"), "up", "PJSIP"] == 1
    assert figures((), tenants, publisher)["channels", "up", "IAX2"] == 0


def test_halves_of_asterisk_itself_are_no_channels_and_make_no_calls(tenants: TenantTree) -> None:
    found = figures([leg("1", "acme", "up", "other", internal=True)], tenants)
    assert found["calls",] == found["tenant_calls", client("acme")] == 0
    assert ("channels", "up", "other") not in found


def test_a_local_half_tells_whose_the_trunk_leg_of_its_call_is(tenants: TenantTree) -> None:
    found = figures([leg("1", "", "up"), leg("1", "acme", "up", "other", internal=True)], tenants)
    assert (
        found["tenant_calls", client("acme")] == found["tenant_channels", client("acme"), "up", "PJSIP"] == 1
    )
    assert found["tenant_calls", UNKNOWN_TENANT] == 0


def test_a_code_that_is_nobodys_is_counted_as_unknown_and_nowhere_else(tenants: TenantTree) -> None:
    found = figures([leg("1", "charlie", "up"), leg("2", "", "ring")], tenants)
    assert found["tenant_calls", UNKNOWN_TENANT] == 2
    assert found["tenant_early_calls", UNKNOWN_TENANT] == 1
    assert sum(v for key, v in found.items() if key[0] == "tenant_calls") == 2


def test_a_domain_is_its_own_account_code(tenants: TenantTree) -> None:
    found = figures([leg("1", client("quiet"), "up")], tenants)
    assert found["tenant_calls", client("quiet")] == 1


def test_a_client_that_is_not_configured_is_not_its_reseller(tenants: TenantTree) -> None:
    found = figures([leg("1", f"new.{RESELLER}", "up")], tenants)
    assert found["tenant_calls", RESELLER] == 0
    assert found["tenant_calls", UNKNOWN_TENANT] == 1


def test_a_trunk_leg_without_code_makes_no_second_call(tenants: TenantTree) -> None:
    found = figures([leg("1", "acme", "up"), leg("1", "", "up")], tenants)
    assert found["tenant_calls", client("acme")] == 1
    assert found["tenant_calls", UNKNOWN_TENANT] == 0
    assert found["tenant_channels", client("acme"), "up", "PJSIP"] == 2
    assert found["tenant_channels", UNKNOWN_TENANT, "up", "PJSIP"] == 0
    assert found["calls",] == 1


def test_a_call_between_two_tenants_is_a_call_of_both_but_one_of_the_server(tenants: TenantTree) -> None:
    found = figures([leg("1", "acme", "up"), leg("1", "bd", "ringing")], tenants)
    assert found["tenant_calls", client("acme")] == found["tenant_calls", client("bd")] == 1
    assert found["calls",] == 1


def test_a_call_is_early_until_any_of_its_channels_is_up(tenants: TenantTree) -> None:
    early = figures([leg("1", "acme", "ring"), leg("1", "acme", "ringing")], tenants)
    assert early["tenant_early_calls", client("acme")] == 1
    queued = figures([leg("1", "acme", "up"), leg("1", "acme", "ringing")], tenants)
    assert queued["tenant_early_calls", client("acme")] == 0


def test_tenant_samples_carry_the_reseller(tenants: TenantTree) -> None:
    snapshot = AsteriskSnapshot("22", None, None, ())
    found = Publisher("pbx1").samples(snapshot, {}, tenants, AT)
    whose = {s.labels[1]: s.labels[2] for s in found if "_tenant_" in s.metric}
    assert whose[client("acme")] == RESELLER
    assert whose[UNKNOWN_TENANT] == ""


def test_what_the_server_did_not_say_is_absent_and_not_zero(tenants: TenantTree) -> None:
    found = figures((), tenants)
    assert ("calls_processed_total",) not in found
    assert ("uptime_seconds",) not in found
    full = figures((), tenants, processed=0, started=AT - timedelta(hours=2))
    assert full["calls_processed_total",] == 0
    assert full["uptime_seconds",] == 7200


def test_a_start_in_our_future_is_no_negative_age(tenants: TenantTree) -> None:
    assert figures((), tenants, started=AT + timedelta(seconds=3))["uptime_seconds",] == 0
