"""The books while the service runs: settled once, shown by tenants at a time, old figures say so."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import pytest
import structlog

from dialtone.export.metrics import METRICS
from dialtone.export.prometheus import Exposition
from dialtone.model import Catalog, Sample, Scope, SliceMark
from dialtone.ports import StoreError
from dialtone.runtime.passive import PassiveSlices
from dialtone.sla.burn import WINDOWS
from dialtone.sla.figures import Account, Budget, Burn, Figures
from dialtone.wiring.accounting import Accounting, account_samples, traffic_samples, window_name
from dialtone.wiring.parts import build_catalog
from tests.fakes.alerts import NOON
from tests.fakes.clock import FakeClock
from tests.fakes.ledger import FakeLedger
from tests.fakes.statements import an_account, an_incident, an_objective

ACME: Final = "acme.ntek.clusterpbx.example"
NTEK: Final = "ntek.clusterpbx.example"


def account_of(tenant: str = ACME, **changes: Any) -> Account:
    """Return the month of a tenant's calls until NOON."""
    made = an_account("2026-03", objective=an_objective(tenant=tenant), until=NOON)
    burns = tuple(Burn(window, Fraction(2), 1) for window in WINDOWS)
    return replace(made, **{"burns": burns, **changes})


class Shown:
    """What was put into the exposition, by source; `refuses` is raised instead."""

    def __init__(self) -> None:
        self.by_source: dict[str, dict[tuple[str, tuple[str, ...]], float]] = {}
        self.refuses: Exception | None = None

    def put(self, source: str, samples: Iterable[Sample]) -> None:
        """Take a source's samples."""
        if self.refuses is not None:
            raise self.refuses
        self.by_source[source] = {(one.metric, one.labels): one.value for one in samples}


def accounting(ledger: FakeLedger, clock: FakeClock, *tenants: str, shown: Shown | None = None) -> Accounting:
    """Return the accounting of these tenants, whose reseller is NTEK."""
    return Accounting(ledger, tenants, lambda _: NTEK, (shown or Shown()).put, clock)


def own(of: Accounting) -> dict[str, float]:
    """Return what it says of itself."""
    return {one.metric: one.value for one in of.figures()}


def values(account: Account) -> dict[str, float]:
    """Return an account's samples by metric; those of windows by metric and window."""
    found = account_samples(account, lambda _: NTEK, NOON)
    return {" ".join((one.metric, *one.labels[3:])): one.value for one in found}


def test_a_service_has_its_figures_by_tenant_reseller_and_window() -> None:
    incident = replace(an_incident(NOON), end=None)
    made = values(
        account_of(
            corrected=Figures(good=900, bad=100, unknown=1000),
            budget=Budget(Fraction(400), 100),
            incidents=(incident,),
        )
    )
    assert made["dialtone_sla_availability_ratio"] == 0.9
    assert made["dialtone_sla_coverage_ratio"] == 0.5
    assert made["dialtone_sla_target_ratio"] == 0.9995
    assert made["dialtone_sla_budget_remaining_ratio"] == 0.75
    assert made["dialtone_sla_open_incident"] == 1
    assert [made[f"dialtone_sla_burn_rate {one}"] for one in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")] == [
        2.0
    ] * 7
    assert made["dialtone_sla_bad_slices 5m"] == 1
    labels = {one.labels[:3] for one in account_samples(account_of(), lambda _: NTEK, NOON)}
    assert labels == {(ACME, NTEK, "Calls")}


def test_what_does_not_exist_has_no_series_and_is_never_0() -> None:
    nothing = account_of(
        corrected=Figures(),
        budget=Budget(Fraction(0), 0),
        burns=tuple(Burn(window, None, 0) for window in WINDOWS),
    )
    assert values(nothing) == {"dialtone_sla_target_ratio": 0.9995, "dialtone_sla_open_incident": 0}
    unknown = replace(nothing, corrected=Figures(unknown=600))
    assert values(unknown)["dialtone_sla_coverage_ratio"] == 0
    assert "dialtone_sla_availability_ratio" not in values(unknown)


def test_bad_slices_of_a_target_that_leaves_nothing_to_spend_are_counted_all_the_same() -> None:
    made = values(account_of(burns=(Burn(300, None, 2),)))
    assert made["dialtone_sla_bad_slices 5m"] == 2
    assert "dialtone_sla_burn_rate 5m" not in made


@pytest.mark.parametrize(("seconds", "name"), [(300, "5m"), (7200, "2h"), (86_400, "1d"), (90, "90s")])
def test_windows_are_written_as_in_promql(seconds: int, name: str) -> None:
    assert window_name(seconds) == name


async def test_all_tenants_are_shown_some_at_a_time_each_asked_for_alone(clock: FakeClock) -> None:
    tenants = [f"t{number:02d}.example" for number in range(45)]
    ledger, shown = FakeLedger([account_of(one) for one in tenants]), Shown()
    await accounting(ledger, clock, *tenants, *tenants, shown=shown).refresh()
    assert [len(scope.domains or ()) for scope, _ in ledger.asked] == [20, 20, 5]
    assert not any(scope.sees_all for scope, _ in ledger.asked)
    seen = {labels[0] for samples in shown.by_source.values() for _, labels in samples}
    assert seen == set(tenants)


async def test_what_is_shown_fits_the_exposition(clock: FakeClock) -> None:
    exposition = Exposition(Catalog(METRICS), lambda _: NTEK, clock, 1000)
    made = Accounting(FakeLedger([account_of()]), [ACME], lambda _: NTEK, exposition.put, clock)
    await made.refresh()
    exposition.put("self", made.figures())
    page = exposition.render().decode()
    series = f'reseller="{NTEK}",service="Calls",tenant="{ACME}"'
    assert f"dialtone_sla_availability_ratio{{{series}}} 1.0\n" in page
    assert f'dialtone_sla_burn_rate{{{series},window="3d"}} 2.0\n' in page
    assert "dialtone_sla_age_seconds 0.0\n" in page


async def test_books_are_settled_once_and_a_store_that_fails_is_tried_again(clock: FakeClock) -> None:
    ledger = FakeLedger(fails=StoreError("database or disk is full"))
    made = accounting(ledger, clock)
    with structlog.testing.capture_logs() as logs:
        await made.settle()
        await made.settle()
    assert [one["log_level"] for one in logs] == ["warning"]
    assert own(made)["dialtone_sla_errors_total"] == 2
    ledger.fails = None
    await made.settle()
    await made.settle()
    assert ledger.settled == [NOON]


async def test_a_mistake_in_settling_stops_nothing_and_it_is_tried_again(clock: FakeClock) -> None:
    ledger = FakeLedger(fails=KeyError("a mistake"))
    made = accounting(ledger, clock)
    with structlog.testing.capture_logs() as logs:
        await made.settle()
    assert [(one["log_level"], one["exc_info"]) for one in logs] == [("warning", True)]
    assert own(made)["dialtone_sla_errors_total"] == 1
    ledger.fails = None
    await made.settle()
    assert ledger.settled == [NOON]


async def test_what_fails_in_several_places_is_logged_once_each_until_it_works_again(
    clock: FakeClock,
) -> None:
    ledger = FakeLedger([account_of()], fails=StoreError("disk I/O error"))
    made = accounting(ledger, clock, ACME)
    with structlog.testing.capture_logs() as logs:
        await made.settle()
        for _ in range(3):
            await made.settle()
            await made.refresh()
    assert len(logs) == 2
    ledger.fails = None
    with structlog.testing.capture_logs() as logs:
        await made.settle()
        await made.refresh()
        ledger.fails = StoreError("disk I/O error")
        await made.refresh()
    assert [one["log_level"] for one in logs] == ["info", "warning"]


class Losing(PassiveSlices):
    """Has lost some of everything."""

    dropped, lost, store_errors = 1, 2, 3


async def test_what_is_lost_of_calls_as_evidence_is_told(clock: FakeClock) -> None:
    async def mark(_: Sequence[SliceMark]) -> None:
        """Take nothing."""

    catalog = build_catalog()
    sessions, uptime = catalog["opensips_tenant_sessions_total"], catalog["opensips_uptime_seconds"]
    exposition = Exposition(catalog, lambda _: NTEK, clock, 1000)
    exposition.put("self", traffic_samples(Losing(mark, clock, {}, sessions=sessions, uptime=uptime), NOON))
    page = exposition.render().decode()
    for name, value in (("dropped", 1), ("lost", 2), ("store_errors", 3)):
        assert f"dialtone_sla_traffic_{name}_total {value}.0\n" in page


async def test_figures_that_fail_stay_as_they_were_and_their_age_grows(clock: FakeClock) -> None:
    ledger, shown = FakeLedger([account_of()]), Shown()
    made = accounting(ledger, clock, ACME, shown=shown)
    await made.settle()
    await made.refresh()
    before = dict(shown.by_source)
    ledger.fails = ZeroDivisionError("a mistake")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await clock.advance(60)
            await made.refresh()
    assert [one["log_level"] for one in logs] == ["warning"]
    assert shown.by_source == before
    assert own(made) | {"dialtone_sla_refresh_seconds": 0} == {
        "dialtone_sla_errors_total": 3,
        "dialtone_sla_age_seconds": 180,
        "dialtone_sla_refresh_seconds": 0,
    }
    ledger.fails = None
    with structlog.testing.capture_logs() as logs:
        await made.refresh()
        await made.refresh()
    assert [one["event"] for one in logs] == ["figures of SLA are computed again"]
    assert own(made)["dialtone_sla_age_seconds"] == 0


async def test_tenants_whose_figures_fail_keep_none_of_the_others_from_theirs(clock: FakeClock) -> None:
    tenants = [f"t{number:02d}.example" for number in range(40)]

    class Half(FakeLedger):
        """Fails for the first tenants."""

        async def accounts(
            self, scope: Scope, *, tenant: str | None = None, period: str | None = None
        ) -> list[Account]:
            """Return what was given, or fail."""
            if scope.allows(tenants[0]):
                raise StoreError("database is locked")
            return await FakeLedger.accounts(self, scope, tenant=tenant, period=period)

    shown = Shown()
    made = accounting(Half([account_of(one) for one in tenants]), clock, *tenants, shown=shown)
    await made.refresh()
    assert {labels[0] for samples in shown.by_source.values() for _, labels in samples} == set(tenants[20:])
    assert own(made)["dialtone_sla_errors_total"] == 1


async def test_where_nothing_was_promised_there_is_no_age(clock: FakeClock) -> None:
    made = accounting(FakeLedger(), clock)
    await made.refresh()
    assert own(made) == {"dialtone_sla_errors_total": 0}
