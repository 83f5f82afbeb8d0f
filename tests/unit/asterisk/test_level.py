"""Gauges per tenant that are read now and then."""

from datetime import UTC, datetime

from collectors.asterisk.level import Level, Levels, tenant_gauge
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT
from tests.unit.asterisk.conftest import RESELLER
from tests.unit.asterisk.lists import client, told

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
METRIC = tenant_gauge("things", "Things", "colour")
COLOURS = (("red",), ("blue",))


def test_a_tenant_that_has_had_one_shows_zero_for_all_it_has_not(tenants: TenantTree) -> None:
    level = Level(METRIC, COLOURS)
    level.put({(client("acme"), "red"): 2})
    level.put({(client("bd"), "blue"): 1})
    assert told(level.samples("pbx1", tenants, AT)) == {
        ("things", client("acme"), "red"): 0,
        ("things", client("acme"), "blue"): 0,
        ("things", client("bd"), "red"): 0,
        ("things", client("bd"), "blue"): 1,
    }


def test_what_is_not_known_is_absent_where_it_is_not_zero(tenants: TenantTree) -> None:
    level = Level(METRIC, COLOURS, absent=True)
    level.put({(client("acme"), "red"): 0})
    assert told(level.samples("pbx1", tenants, AT)) == {("things", client("acme"), "red"): 0}
    level.put({})
    assert told(level.samples("pbx1", tenants, AT)) == {}


def test_nothing_is_shown_before_something_was_read_and_after_it_was_withdrawn(tenants: TenantTree) -> None:
    levels = Levels(Level(METRIC, COLOURS))
    assert told(levels.samples("pbx1", tenants, AT)) == {}
    levels.take([{(client("acme"), "red"): 2}])
    assert told(levels.samples("pbx1", tenants, AT))["things", client("acme"), "red"] == 2
    levels.withdraw()
    assert told(levels.samples("pbx1", tenants, AT)) == {}
    levels.take([{}])
    assert told(levels.samples("pbx1", tenants, AT))["things", client("acme"), "red"] == 0


def test_a_tenant_that_has_gone_is_forgotten_and_nobody_is_not(tenants: TenantTree) -> None:
    level = Level(METRIC, COLOURS)
    level.put({(client("acme"), "red"): 2, (UNKNOWN_TENANT, "red"): 3})
    level.keep(())
    level.put({})
    assert {key[1] for key in told(level.samples("pbx1", tenants, AT))} == {UNKNOWN_TENANT}


def test_samples_carry_the_reseller(tenants: TenantTree) -> None:
    level = Level(METRIC, COLOURS)
    level.put({(client("acme"), "red"): 2, (UNKNOWN_TENANT, "red"): 3})
    resellers = {sample.labels[1]: sample.labels[2] for sample in level.samples("pbx1", tenants, AT)}
    assert resellers == {client("acme"): RESELLER, UNKNOWN_TENANT: ""}
