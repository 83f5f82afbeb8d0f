"""What is published: calls as people count them, and every tenant whether it calls or not."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from collectors.asterisk.metrics import METRICS, samples
from collectors.asterisk.parse import AsteriskSnapshot, Channel, parse_channels
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Catalog
from tests.unit.asterisk.conftest import RESELLER, VERSIONS, items

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
Figures = dict[tuple[str, ...], float]


def figures(channels: Iterable[Channel], tenants: TenantTree, **more: object) -> Figures:
    """Return the samples as (metric without prefix, labels without node and reseller) -> value."""
    snapshot = AsteriskSnapshot(
        version="22.10.1",
        started=more.get("started"),  # type: ignore[arg-type]
        processed=more.get("processed"),  # type: ignore[arg-type]
        channels=tuple(channels),
    )
    found: Figures = {}
    for sample in samples("pbx1", snapshot, tenants, AT):
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
    assert found["tenant_channels", client("globex"), "ring"] == 1
    assert found["tenant_channels", client("globex"), "up"] == 3
    assert found["channels", "up"] == 11


def test_a_silent_server_shows_zeros_and_not_nothing(tenants: TenantTree) -> None:
    found = figures((), tenants)
    assert set(found.values()) == {0}
    assert {key[1] for key in found if key[0] == "tenant_calls"} == {*tenants.domains, UNKNOWN_TENANT}


def test_the_number_of_series_does_not_depend_on_the_calls(tenants: TenantTree) -> None:
    many = [Channel(str(n), f"code{n}", "up") for n in range(500)]
    assert figures(many, tenants).keys() == figures((), tenants).keys()


def test_a_code_that_is_nobodys_is_counted_as_unknown_and_nowhere_else(tenants: TenantTree) -> None:
    found = figures([Channel("1", "charlie", "up"), Channel("2", "", "ring")], tenants)
    assert found["tenant_calls", UNKNOWN_TENANT] == 2
    assert found["tenant_early_calls", UNKNOWN_TENANT] == 1
    assert sum(v for key, v in found.items() if key[0] == "tenant_calls") == 2


def test_a_domain_is_its_own_account_code(tenants: TenantTree) -> None:
    found = figures([Channel("1", client("quiet"), "up")], tenants)
    assert found["tenant_calls", client("quiet")] == 1


def test_a_client_that_is_not_configured_is_not_its_reseller(tenants: TenantTree) -> None:
    found = figures([Channel("1", f"new.{RESELLER}", "up")], tenants)
    assert found["tenant_calls", RESELLER] == 0
    assert found["tenant_calls", UNKNOWN_TENANT] == 1


def test_a_trunk_leg_without_code_makes_no_second_call(tenants: TenantTree) -> None:
    found = figures([Channel("1", "acme", "up"), Channel("1", "", "up")], tenants)
    assert found["tenant_calls", client("acme")] == 1
    assert found["tenant_calls", UNKNOWN_TENANT] == 0
    assert found["tenant_channels", UNKNOWN_TENANT, "up"] == 1
    assert found["calls",] == 1


def test_a_call_between_two_tenants_is_a_call_of_both_but_one_of_the_server(tenants: TenantTree) -> None:
    found = figures([Channel("1", "acme", "up"), Channel("1", "bd", "ringing")], tenants)
    assert found["tenant_calls", client("acme")] == found["tenant_calls", client("bd")] == 1
    assert found["calls",] == 1


def test_a_call_is_early_until_any_of_its_channels_is_up(tenants: TenantTree) -> None:
    early = figures([Channel("1", "acme", "ring"), Channel("1", "acme", "ringing")], tenants)
    assert early["tenant_early_calls", client("acme")] == 1
    queued = figures([Channel("1", "acme", "up"), Channel("1", "acme", "ringing")], tenants)
    assert queued["tenant_early_calls", client("acme")] == 0


def test_tenant_samples_carry_the_reseller(tenants: TenantTree) -> None:
    snapshot = AsteriskSnapshot("22", None, None, ())
    whose = {
        s.labels[1]: s.labels[2] for s in samples("pbx1", snapshot, tenants, AT) if "_tenant_" in s.metric
    }
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
