"""The ledger over the books in memory: accounts, statements, closing, verifying, maintenance, corrections."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from dialtone.config import Settings, load
from dialtone.model import Closing, Correction, Flow, Maintenance, Scope, SliceState
from dialtone.sla.closing import BrokenClosingError, RefusedError
from dialtone.store import MemoryStore
from dialtone.wiring.ledger import Ledger
from tests.fakes.clock import FakeClock
from tests.fakes.months import ACME, BOLT, CHARLIE, NTEK, PHONES, PLATFORM, PROMISES, probed

BEGAN = datetime(2026, 10, 31, 12, tzinfo=UTC)
"""When the tenants came: the last twelve hours of the month are theirs."""
MINUTES = 720
MONTH = "2026-10"
EVERYTHING = Scope.everything()
OVER = datetime(2026, 11, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "accounts.csv").write_text(PHONES)
    (tmp_path / "accounts.csv").chmod(0o600)
    (tmp_path / "dialtone.yaml").write_text(PROMISES)
    return load(tmp_path / "dialtone.yaml")


async def a_month(
    settings: Settings, *, now: datetime = OVER, failing: Iterable[int] = range(100, 172)
) -> Ledger:
    """Return a ledger: Acme failed for 72 of 720 minutes, Bolt never, Charlie was not probed at all."""
    store = MemoryStore()
    ledger = Ledger(settings, store.books, FakeClock(now))
    await ledger.settle(BEGAN)
    await store.add_results(list(probed(ACME, BEGAN, MINUTES, failing=failing)))
    await store.add_results(list(probed(BOLT, BEGAN, MINUTES)))
    return ledger


def correction(**changes: object) -> Correction:
    begins = BEGAN + timedelta(minutes=100)
    one = Correction(
        0, ACME, begins, begins + timedelta(minutes=72), SliceState.EXCLUDED, "bob", "their uplink", BEGAN
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def work(**changes: object) -> Maintenance:
    one = Maintenance(0, NTEK, OVER + timedelta(days=2), 7200, "bob", "new cores", BEGAN)
    return replace(one, **changes)  # type: ignore[arg-type]


async def test_accounts_are_exact_and_in_the_order_of_the_configuration(settings: Settings) -> None:
    ledger = await a_month(settings)
    found = await ledger.accounts(EVERYTHING, period=MONTH)
    assert [one.objective.tenant for one in found] == [ACME, BOLT, CHARLIE]
    assert [one.corrected.availability for one in found] == [Fraction(9, 10), Fraction(1), None]
    assert [one.is_met for one in found] == [False, True, None]
    assert found[2].corrected.unknown == MINUTES * 60


async def test_nobody_sees_the_accounts_of_another_reseller(settings: Settings) -> None:
    ledger = await a_month(settings)
    ntek, zeta = settings.tree.scope(NTEK), settings.tree.scope(CHARLIE)
    assert [one.objective.tenant for one in await ledger.accounts(ntek, period=MONTH)] == [ACME, BOLT]
    assert [one.objective.tenant for one in await ledger.accounts(zeta)] == [CHARLIE]
    assert await ledger.accounts(zeta, tenant=ACME, period=MONTH) == []
    assert await ledger.statement(zeta, ACME, MONTH) is None
    await ledger.close(MONTH, author="alice")
    assert await ledger.accounts(zeta, tenant=ACME, period=MONTH) == []
    assert await ledger.statement(zeta, ACME, MONTH) is None
    assert [one.closing.tenant for one in await ledger.verify(zeta)] == [CHARLIE]
    assert await ledger.verify(zeta, tenant=ACME) == []
    with pytest.raises(RefusedError, match="is not a tenant here"):
        await ledger.declare(zeta, work())
    with pytest.raises(RefusedError, match="is not a tenant here"):
        await ledger.correct(zeta, correction())


async def test_without_a_period_it_is_the_one_that_runs(settings: Settings) -> None:
    ledger = await a_month(settings, now=BEGAN + timedelta(hours=6))
    [found] = await ledger.accounts(EVERYTHING, tenant=ACME)
    assert found.start == BEGAN
    assert found.until == BEGAN + timedelta(hours=6, minutes=-1)
    assert not found.is_over


async def test_a_month_to_come_is_refused_in_words(settings: Settings) -> None:
    ledger = await a_month(settings)
    with pytest.raises(RefusedError, match="2026-12 has not begun yet"):
        await ledger.accounts(EVERYTHING, period="2026-12")
    with pytest.raises(RefusedError, match="2026-12 has not begun yet"):
        await ledger.statement(EVERYTHING, ACME, "2026-12")
    with pytest.raises(ValueError, match="is no month"):
        await ledger.accounts(EVERYTHING, period="soon")


async def test_who_was_promised_nothing_has_no_statement(settings: Settings) -> None:
    ledger = await a_month(settings)
    assert await ledger.statement(EVERYTHING, NTEK, MONTH) is None


async def test_a_month_closes_an_hour_after_its_end_and_once(settings: Settings) -> None:
    early = await a_month(settings, now=OVER - timedelta(seconds=1))
    [tried] = await early.close(MONTH, author="alice", tenants=[ACME])
    assert tried.closing is None
    assert "not over and settled before 2026-11-01 01:00 UTC" in tried.refused
    ledger = await a_month(settings)
    made = await ledger.close(MONTH, author="alice")
    assert [one.is_new for one in made] == [True] * 3
    again = await ledger.close(MONTH, author="bob")
    assert [(one.is_new, one.closing) for one in again] == [(False, one.closing) for one in made]
    [future] = await ledger.close("2027-01", author="alice", tenants=[ACME])
    assert future.refused == "2027-01 has not begun yet"
    [nothing] = await ledger.close(MONTH, author="alice", tenants=[NTEK])
    assert "was promised nothing" in nothing.refused


async def test_closed_months_verify_and_a_correction_is_told_with_what_it_changes(settings: Settings) -> None:
    ledger = await a_month(settings)
    await ledger.close(MONTH, author="alice")
    assert all(one.is_good and not one.changes for one in await ledger.verify(EVERYTHING))
    put = await ledger.correct(EVERYTHING, correction())
    assert [(one.tenant, one.period) for one in put.closed] == [(ACME, MONTH)]
    acme, bolt, charlie = await ledger.verify(EVERYTHING)
    assert acme.is_good
    assert acme.later == ("correction 1 of 2026-11-01 by bob: their uplink",)
    [change] = acme.changes
    assert (change.was.availability, change.now.availability) == (Fraction(9, 10), Fraction(1))
    assert (change.was_met, change.now_met) == (False, True)
    assert (bolt.changes, charlie.changes) == ((), ())
    await ledger.books.withdraw_correction(EVERYTHING, 1, at=OVER, author="bob")
    [acme] = await ledger.verify(EVERYTHING, tenant=ACME)
    assert (acme.is_good, acme.later, acme.changes) == (True, (), ())


async def test_a_correction_withdrawn_after_the_closing_is_told_too(settings: Settings) -> None:
    ledger = await a_month(settings)
    await ledger.correct(EVERYTHING, correction())
    await ledger.close(MONTH, author="alice", tenants=[ACME])
    await ledger.books.withdraw_correction(EVERYTHING, 1, at=OVER + timedelta(days=1), author="carol")
    [acme] = await ledger.verify(EVERYTHING, tenant=ACME)
    assert acme.is_good
    assert acme.later == ("correction 1 withdrawn 2026-11-02 by carol",)
    assert [(one.was.availability, one.now.availability) for one in acme.changes] == [
        (Fraction(1), Fraction(9, 10))
    ]


async def test_a_closed_month_is_stated_as_it_was_closed(settings: Settings) -> None:
    ledger = await a_month(settings)
    before = await ledger.statement(EVERYTHING, ACME, MONTH)
    assert before is not None
    assert (before.closing, before.tenant.name, before.issuer.name) == (None, "Acme", "NTEK")
    [attempt] = await ledger.close(MONTH, author="alice", tenants=[ACME])
    await ledger.correct(EVERYTHING, correction())
    other = load_changed(settings, "target: 99.9%", "target: 50%", ("name: Acme", "name: Renamed"))
    changed = Ledger(other, ledger.books, FakeClock(OVER))
    after = await changed.statement(EVERYTHING, ACME, MONTH)
    assert after is not None
    assert after == replace(before, made=after.made, closing=attempt.closing)
    [account] = await changed.accounts(EVERYTHING, tenant=ACME, period=MONTH)
    assert account.objective.target == Fraction(999, 1000)
    assert [one.is_good for one in await changed.verify(EVERYTHING)] == [True]


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("figures", "[]", "the books don't give what was closed"),
        ("inputs", "{nonsense", "what was closed can't be read"),
        ("inputs", '{"version": 1}', "what was closed can't be read"),
    ],
)
async def test_a_closing_that_was_changed_is_not_stated_but_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, column: str, value: str, why: str
) -> None:
    ledger = await a_month(settings)
    await ledger.close(MONTH, author="alice")
    honest = ledger.books.closings

    async def changed(scope: Scope, *, tenant: str | None = None, period: str | None = None) -> list[Closing]:
        found = await honest(scope, tenant=tenant, period=period)
        return [replace(one, **{column: value}) if one.tenant == ACME else one for one in found]  # type: ignore[arg-type]

    monkeypatch.setattr(ledger.books, "closings", changed)
    words = rf"{ACME} {MONTH}: {why}.*; run `dialtone sla verify`"
    with pytest.raises(BrokenClosingError, match=words):
        await ledger.accounts(EVERYTHING, period=MONTH)
    with pytest.raises(BrokenClosingError, match=words):
        await ledger.statement(EVERYTHING, ACME, MONTH)
    assert [one.objective.tenant for one in await ledger.accounts(Scope.of(BOLT), period=MONTH)] == [BOLT]


async def test_a_tenant_that_left_the_configuration_has_its_closed_months(settings: Settings) -> None:
    ledger = await a_month(settings)
    await ledger.close(MONTH, author="alice")
    gone = load_changed(
        settings,
        "  - {domain: acme.ntek.clusterpbx.example, name: Acme}\n",
        "",
        ("[acme.ntek.clusterpbx.example, ", "["),
        accounts=PHONES.replace(f"{ACME},100,,sesame-phone-5523\n", "").replace(
            f"{ACME},101,,sesame-phone-5523\n", ""
        ),
    )
    changed = Ledger(gone, ledger.books, FakeClock(OVER))
    await changed.settle(OVER)
    statement = await changed.statement(EVERYTHING, ACME, MONTH)
    assert statement is not None
    assert statement.tenant.name == "Acme"
    assert all(one.is_good for one in await changed.verify(EVERYTHING))
    assert ACME in [one.objective.tenant for one in await changed.accounts(EVERYTHING, period=MONTH)]


async def test_settling_again_changes_nothing_and_a_location_that_was_renamed_ends(
    settings: Settings,
) -> None:
    ledger = await a_month(settings)
    before = await ledger.books.slices(EVERYTHING, since=BEGAN, until=OVER)
    await ledger.settle(BEGAN + timedelta(hours=1))
    assert await ledger.books.slices(EVERYTHING, since=BEGAN, until=OVER) == before
    moved = Ledger(replace(settings, location="tor1"), ledger.books, FakeClock(OVER))
    await moved.settle(OVER)
    found = await ledger.books.slices(EVERYTHING, since=BEGAN, until=OVER + timedelta(hours=1))
    ends = {(one.key.location, one.until) for one in found}
    assert ends == {("mtl1", OVER), ("tor1", None)}


async def test_the_configurations_maintenance_is_declared_once_and_withdrawn_when_it_goes(
    settings: Settings,
) -> None:
    entry = work(name="cores", source="config", author="configuration")
    with_it = replace(settings, maintenance=(entry,))
    store = MemoryStore()
    ledger = Ledger(with_it, store.books, FakeClock(BEGAN))
    for _ in range(2):
        await ledger.settle(BEGAN)
    [one] = await store.books.maintenance(EVERYTHING)
    assert (one.declared, one.withdrawn, one.source) == (BEGAN, None, "config")
    later = replace(settings, maintenance=(replace(entry, seconds=3600),))
    await Ledger(later, store.books, FakeClock(BEGAN)).settle(BEGAN + timedelta(hours=1))
    first, second = await store.books.maintenance(EVERYTHING)
    assert (first.withdrawn, second.seconds) == (BEGAN + timedelta(hours=1), 3600)
    await Ledger(settings, store.books, FakeClock(BEGAN)).settle(BEGAN + timedelta(hours=2))
    assert all(one.withdrawn for one in await store.books.maintenance(EVERYTHING))


async def test_a_resellers_maintenance_holds_for_its_clients_who_see_when_and_why_not_who(
    settings: Settings,
) -> None:
    store = MemoryStore()
    ledger = Ledger(settings, store.books, FakeClock(BEGAN - timedelta(hours=1)))
    await ledger.declare(
        settings.tree.scope(NTEK), work(begins=BEGAN + timedelta(minutes=100), seconds=72 * 60)
    )
    await ledger.settle(BEGAN)
    await store.add_results(list(probed(ACME, BEGAN, MINUTES, failing=range(100, 172))))
    over = Ledger(settings, store.books, FakeClock(OVER))
    statement = await over.statement(Scope.of(ACME), ACME, MONTH)
    assert statement is not None
    assert statement.accounts[0].corrected.availability == 1
    [excluded] = statement.excluded
    assert (excluded.reason, excluded.author, excluded.is_correction) == ("new cores", "", False)
    assert excluded.end - excluded.start == timedelta(minutes=72)


async def test_maintenance_of_the_configuration_says_so_whoever_it_is_of(settings: Settings) -> None:
    entry = work(
        name="cores",
        source="config",
        author="configuration",
        begins=BEGAN + timedelta(minutes=100),
        seconds=72 * 60,
    )
    store = MemoryStore()
    await Ledger(replace(settings, maintenance=(entry,)), store.books, FakeClock(BEGAN)).settle(BEGAN)
    await store.add_results(list(probed(ACME, BEGAN, MINUTES)))
    statement = await Ledger(settings, store.books, FakeClock(OVER)).statement(Scope.of(ACME), ACME, MONTH)
    assert statement is not None
    assert entry.tenant != ACME
    assert [one.author for one in statement.excluded] == ["configuration"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"begins": OVER - timedelta(minutes=1)}, "is past: maintenance is declared before"),
        ({"begins": OVER + timedelta(days=3000)}, "more than two years ahead"),
        ({"begins": OVER + timedelta(days=1, seconds=5)}, "whole minutes"),
        ({"seconds": 90}, "whole minutes"),
        ({"seconds": 0}, "from a minute to 31 days"),
        ({"seconds": 86_400 * 40}, "from a minute to 31 days"),
        ({"recurs": "FREQ=NEVER"}, "FREQ must be one of"),
        ({"recurs": "FREQ=DAILY", "zone": "Nowhere/Land"}, "no time zone"),
        ({"reason": " "}, "the reason is missing"),
        ({"author": "a\nb"}, "one line of printable text"),
        ({"tenant": "nobody.example"}, "is not a tenant here"),
    ],
)
async def test_maintenance_that_makes_no_sense_is_refused(
    settings: Settings, changes: dict[str, object], words: str
) -> None:
    ledger = Ledger(settings, MemoryStore().books, FakeClock(OVER))
    with pytest.raises(RefusedError, match=words):
        await ledger.declare(EVERYTHING, work(**changes))
    assert await ledger.books.maintenance(EVERYTHING) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ends": BEGAN}, "not after its beginning"),
        ({"ends": OVER + timedelta(minutes=1)}, "is not over"),
        ({"ends": OVER - timedelta(seconds=1)}, "whole minutes"),
        ({"begins": OVER - timedelta(days=400)}, "a year at most"),
        ({"reason": ""}, "the reason is missing"),
    ],
)
async def test_a_correction_that_makes_no_sense_is_refused(
    settings: Settings, changes: dict[str, object], words: str
) -> None:
    ledger = Ledger(settings, MemoryStore().books, FakeClock(OVER))
    with pytest.raises(RefusedError, match=words):
        await ledger.correct(EVERYTHING, correction(**changes))
    assert await ledger.books.corrections(EVERYTHING) == []


async def test_maintenance_that_overlaps_is_declared_and_said(settings: Settings) -> None:
    ledger = Ledger(settings, MemoryStore().books, FakeClock(OVER))
    first = await ledger.declare(EVERYTHING, work(recurs="FREQ=DAILY"))
    assert first.overlapping == ()
    inside = work(tenant=ACME, begins=OVER + timedelta(days=9, hours=1), flows=(Flow.CALL,))
    assert (await ledger.declare(EVERYTHING, inside)).overlapping == (first.maintenance,)
    elsewhere = work(tenant=CHARLIE, begins=OVER + timedelta(days=9))
    assert (await ledger.declare(EVERYTHING, elsewhere)).overlapping == ()
    aside = work(tenant=ACME, begins=OVER + timedelta(days=9, hours=3))
    assert (await ledger.declare(EVERYTHING, aside)).overlapping == ()
    mine = await ledger.declare(Scope.of(ACME), work(tenant=ACME, begins=OVER + timedelta(days=5)))
    assert mine.overlapping == (), "what is declared above is not shown to whom it is not for"
    assert (await ledger.declare(EVERYTHING, work(tenant=PLATFORM))).overlapping == (first.maintenance,)


def load_changed(
    settings: Settings, old: str, new: str, *more: tuple[str, str], accounts: str = PHONES
) -> Settings:
    text = PROMISES
    for before, after in ((old, new), *more):
        assert before in text
        text = text.replace(before, after)
    (settings.source.parent / "accounts.csv").write_text(accounts)
    other = settings.source.with_name("other.yaml")
    other.write_text(text)
    return load(other)


async def test_services_of_other_zones_and_rolling_days_close_together_when_the_last_is_over(
    settings: Settings,
) -> None:
    more = (
        "objectives:\n"
        "  - {name: quick, flows: [call], latency: {timing: srd, under: 500ms}, target: 95%,\n"
        "     zone: America/Montreal}\n"
        "  - {name: month-long, flows: [call], target: 99%, period: 30d, zone: Asia/Tokyo}\n"
    )
    several = load_changed(settings, "objectives:\n", more)
    ledger = await a_month(several)
    [early] = await ledger.close(MONTH, author="alice", tenants=[ACME])
    assert "not over and settled before 2026-11-01 05:00 UTC" in early.refused
    late = Ledger(several, ledger.books, FakeClock(OVER + timedelta(hours=4)))
    assert all(one.is_new for one in await late.close(MONTH, author="alice"))
    assert all(one.is_good for one in await late.verify(EVERYTHING))
    statement = await late.statement(EVERYTHING, ACME, MONTH)
    assert statement is not None
    ends = {one.objective.service: one.end for one in statement.accounts}
    assert ends["quick"] == OVER + timedelta(hours=3)
    assert ends["month-long"] == datetime(2026, 10, 31, 15, tzinfo=UTC)
    assert ends["telephony"] == datetime(2026, 11, 1, tzinfo=UTC)


async def test_a_month_before_the_tenants_came_is_not_closed(settings: Settings) -> None:
    ledger = await a_month(settings)
    [attempt] = await ledger.close("1999-02", author="alice", tenants=[ACME])
    assert attempt.closing is None
    assert attempt.refused == f"nothing was measured of {ACME} in 1999-02; its books begin on 2026-10-31"
    empty = Ledger(settings, MemoryStore().books, FakeClock(OVER))
    [attempt] = await empty.close(MONTH, author="alice", tenants=[ACME])
    assert attempt.refused == f"nothing was measured of {ACME} in {MONTH}; there are no books of it yet"
    assert await empty.books.closings(EVERYTHING) == []
