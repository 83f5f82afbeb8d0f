"""Months computed by hand; the arithmetic stands beside each."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random

import pytest

from dialtone.model import Flow, SliceState
from dialtone.sla.account import Pages, account, current_period, known_at
from dialtone.sla.burn import burning
from dialtone.sla.calendar import Span, month, rolling
from dialtone.sla.figures import Account, Figures
from tests.unit.sla.books import a_correction, a_series, an_objective, work
from tests.unit.sla.histories import a_month, the_pages
from tests.unit.sla.test_reference import assert_equal

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def over(period: str, zone: str, **series: object) -> Account:
    """Return the account of a month that is over, of one probe a minute."""
    span = month(period, zone)
    return account(an_objective(zone=zone), Pages((a_series(span, **series),)), span, span.end + HOUR)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("period", "zone", "hours", "budget", "met", "missed"),
    [
        # 31 days less an hour: 31 * 24 - 1 = 743 h = 2,674,800 s; a thousandth is 2,674.8 s, so 44 bad
        # minutes (2,640 s) are within it and 45 (2,700 s) are not.
        ("2026-03", "America/Montreal", 743, "2674.8", 44, 45),
        # 30 * 24 + 1 = 721 h = 2,595,600 s; 2,595.6 s: 43 minutes are 2,580 s, 44 are 2,640 s.
        ("2026-11", "America/Montreal", 721, "2595.6", 43, 44),
        # 31 * 24 + 1 = 745 h = 2,682,000 s; 2,682 s: 44 minutes are 2,640 s, 45 are 2,700 s.
        ("2026-10", "Europe/Paris", 745, "2682", 44, 45),
        # A leap year: 29 * 24 = 696 h = 2,505,600 s; 2,505.6 s: 41 minutes are 2,460 s, 42 are 2,520 s.
        ("2028-02", "America/Montreal", 696, "2505.6", 41, 42),
    ],
)
def test_a_month_has_the_hours_and_the_budget_that_its_zone_gives_it(
    period: str, zone: str, hours: int, budget: str, met: int, missed: int
) -> None:
    kept, broken = over(period, zone, bad=range(met)), over(period, zone, bad=range(100, 100 + missed))
    assert kept.corrected == Figures(hours * 3600 - met * 60, met * 60, 0, 0)
    assert kept.budget.seconds == Fraction(budget)
    assert kept.is_met is True
    assert broken.is_met is False
    assert broken.budget.left == 1 - Fraction(missed * 60) / Fraction(budget)
    assert sum(day.good + day.bad for _, day in kept.days) == hours * 3600


def test_a_day_has_23_or_25_hours_when_the_clock_changes() -> None:
    march, november = over("2026-03", "America/Montreal"), over("2026-11", "America/Montreal")
    assert dict(march.days)[date(2026, 3, 8)] == Figures(good=23 * 3600)
    assert dict(november.days)[date(2026, 11, 1)] == Figures(good=25 * 3600)
    assert len(march.days) == 31
    assert len(november.days) == 30


def test_99_9499_percent_miss_99_95_although_they_round_to_it() -> None:
    # January: 31 * 8,640 slices of 10 s = 267,840, of which 134 are bad: 267,706 / 267,840 = 0.99949970...
    # 99.95 % leaves 267,840 * 0.0005 = 133.92 slices; truncated to four places it is 99.9499 %.
    span = month("2026-01", "UTC")
    objective = an_objective(zone="UTC", target=Fraction(9995, 10_000))
    found = account(objective, Pages((a_series(span, bad=range(134), interval=10),)), span, span.end + HOUR)
    assert found.corrected.availability == Fraction(267_706, 267_840)
    assert int(found.corrected.availability * 1_000_000) == 999_499
    assert round(float(found.corrected.availability) * 100, 2) == 99.95
    assert found.is_met is False
    one_less = Pages((a_series(span, bad=range(133), interval=10),))
    assert account(objective, one_less, span, span.end + HOUR).is_met is True


@pytest.mark.parametrize(("target", "minutes"), [("0.999", "43.2"), ("0.9999", "4.32")])
def test_what_a_target_leaves_of_30_days(target: str, minutes: str) -> None:
    # 30 * 1,440 = 43,200 min; a thousandth of them is 43.2, a ten-thousandth 4.32.
    now = datetime(2026, 7, 20, 12, tzinfo=UTC)
    span = rolling(now, 30)
    objective = an_objective(rolling=30, target=Fraction(target))
    found = account(objective, Pages((a_series(Span(span.start - 5 * DAY, now)),)), span, now)
    assert found.budget.seconds == Fraction(minutes) * 60
    assert current_period(objective, now) == span
    assert (found.start, found.end, found.until) == (now - 30 * DAY, now, now - timedelta(minutes=1))
    assert found.days[0][0] == date(2026, 6, 20)


def test_one_failure_in_an_hour_of_a_probe_a_minute_is_fast_but_three_are_a_fire() -> None:
    # 1/60 bad over 1/1000 is 16.67 times the budget's pace, over 14.4; but three bad slices are asked for.
    # 3/60 over 1/1000 is 50, and the last five minutes have 3/5 over 1/1000 = 600.
    span = month("2026-10", "America/Montreal")
    now = span.start + 20 * DAY
    minutes = 20 * 1440

    def burnt(*bad: int) -> Account:
        # now - 60 s is the last boundary that is settled: the last slot is two before `now`.
        series = a_series(Span(span.start, now), bad=[minutes - 1 - one for one in bad])
        return account(an_objective(), Pages((series,)), span, now)

    one, three = burnt(1), burnt(1, 2, 3)
    hour = {burn.window: burn for burn in one.burns}[3600]
    assert hour.rate == Fraction(1000, 60)
    assert hour.bad == 1
    assert burning(one) == ()
    page = burning(three)[0]
    assert page.severity == "page"
    assert [page.long.rate, page.short.rate] == [50, 600]
    # October has 744 h where 30 days have 720: the factor is 14.4 * 744 / 720 = 14.88.
    assert page.factor == Fraction("14.88")


def test_a_failure_that_is_over_calls_nobody_but_is_a_ticket() -> None:
    # Ten minutes, 40 minutes ago: 10/60 in the hour, but nothing in its last 5 minutes, or 30; 10/1440 in the
    # day is 6.9 and 10/120 in two hours 83.3; 10/4320 in three days is 2.3 and 10/360 in six hours 27.8.
    span = month("2026-10", "America/Montreal")
    now = span.start + 20 * DAY
    series = a_series(Span(span.start, now), bad=range(20 * 1440 - 50, 20 * 1440 - 40))
    found = account(an_objective(), Pages((series,)), span, now)
    assert [(one.severity, one.long.window) for one in burning(found)] == [
        ("ticket", 86_400),
        ("ticket", 3 * 86_400),
    ]


def test_burn_rates_reach_back_before_the_month_begins() -> None:
    span = month("2026-10", "America/Montreal")
    before = Span(span.start - 4 * DAY, span.start + HOUR)
    series = a_series(before, bad=range(4 * 1440 - 30, 4 * 1440))
    found = account(an_objective(), Pages((series,)), span, span.start + 10 * timedelta(minutes=1))
    assert found.corrected == Figures(good=9 * 60)
    rates = {one.window: one for one in found.burns}
    assert rates[3600].bad == 30
    assert rates[3600].rate == 500  # 30 of 60 minutes are 0.5, over a thousandth
    assert rates[300].rate == 0
    assert not found.incidents


def test_a_tenant_that_came_within_the_month_is_counted_from_then_on() -> None:
    span = month("2026-10", "America/Montreal")
    came = span.start + 10 * DAY
    found = account(an_objective(), Pages((a_series(Span(came, span.end)),)), span, span.end + HOUR)
    assert (found.start, found.end) == (came, span.end)
    assert found.corrected == Figures(good=21 * 86_400)
    assert found.budget.seconds == Fraction(21 * 86_400, 1000)
    assert found.days[0][0] == date(2026, 10, 11)


def test_a_tenant_that_left_within_the_month_is_counted_until_then() -> None:
    span = month("2026-10", "America/Montreal")
    left = span.start + 10 * DAY
    series = a_series(Span(span.start, left), until=left)
    found = account(an_objective(), Pages((series,)), span, span.end + HOUR)
    assert (found.start, found.end, found.until) == (span.start, left, left)
    assert found.corrected == Figures(good=10 * 86_400)


@pytest.mark.parametrize("period", ["2026-08", "2026-10"])
def test_a_month_in_which_a_tenant_was_not_with_us_has_nothing(period: str) -> None:
    span = month("2026-09", "America/Montreal")
    other = month(period, "America/Montreal")
    pages = Pages((a_series(span, until=span.end),))
    found = account(an_objective(), pages, other, span.end + 100 * DAY)
    assert found.start == found.end == found.until
    assert (found.corrected, found.is_met, found.budget.left) == (Figures(), None, None)
    assert burning(found) == ()


def test_a_service_with_no_probe_at_all_has_nothing() -> None:
    span = month("2026-09", "America/Montreal")
    assert account(an_objective(), Pages(), span, span.end).corrected == Figures()


def test_a_contract_is_counted_on_its_days_alone() -> None:
    span = month("2026-03", "America/Montreal")
    objective = an_objective(starts=date(2026, 3, 8), ends=date(2026, 3, 9))
    found = account(objective, Pages((a_series(span),)), span, span.end + HOUR)
    assert found.corrected == Figures(good=47 * 3600)
    over_before = an_objective(ends=date(2026, 2, 1))
    assert account(over_before, Pages((a_series(span),)), span, span.end + HOUR).corrected == Figures()


def test_a_period_to_come_is_refused_in_words() -> None:
    span = month("2027-01", "America/Montreal")
    with pytest.raises(ValueError, match="has not begun"):
        account(an_objective(), Pages(), span, span.start)


def test_a_probe_whose_interval_changed_within_the_month_loses_nothing() -> None:
    # 15 days of minutes, then 16 days of 10 s; 5 bad minutes and 5 bad slices of 10 s: 350 s.
    span = month("2026-10", "America/Montreal")
    change = span.start + 15 * DAY
    pages = Pages(
        (
            a_series(Span(span.start, change), bad=range(5), until=change),
            a_series(Span(change, span.end), bad=range(5), interval=10),
        )
    )
    found = account(an_objective(), pages, span, span.end + HOUR)
    assert found.corrected == Figures(31 * 86_400 - 350, 350, 0, 0)


def test_what_was_not_measured_is_unknown_and_bounds_say_what_it_may_be() -> None:
    # Of 744 h, 37.2 h (5 %) unknown: coverage is exactly 95 %, and one minute less makes it provisional.
    span = month("2026-10", "America/Montreal")
    unknown = 2232
    pages = Pages((a_series(span, missing=range(unknown)),))
    found = account(an_objective(), pages, span, span.end + HOUR).corrected
    assert (found.coverage, found.is_provisional) == (Fraction(95, 100), False)
    assert [found.availability, found.lower, found.upper] == [1, Fraction(95, 100), 1]
    less = Pages((a_series(span, missing=range(unknown + 1)),))
    assert account(an_objective(), less, span, span.end + HOUR).corrected.is_provisional


def test_corrections_are_laid_over_the_raw_figures_and_can_be_withdrawn() -> None:
    span = month("2026-10", "America/Montreal")
    pages = Pages((a_series(span, bad=range(60)),))
    put = a_correction(span.start, 40, SliceState.EXCLUDED)
    later = a_correction(span.start + timedelta(minutes=20), 10, SliceState.GOOD, id=2)
    found = account(an_objective(), Pages(pages.series, corrections=(later, put)), span, span.end + 9 * DAY)
    assert found.raw == Figures(31 * 86_400 - 3600, 3600, 0, 0)
    # 20 bad minutes stay, 30 are excluded, 10 are good.
    assert found.corrected == Figures(31 * 86_400 - 3000, 1200, 0, 1800)
    assert found.budget.seconds == Fraction(31 * 86_400 - 1800, 1000)
    gone = a_correction(span.start, 40, SliceState.EXCLUDED, withdrawn=span.end + 5 * DAY)
    withdrawn = Pages(pages.series, corrections=(gone,))
    assert account(an_objective(), withdrawn, span, span.end + 9 * DAY).corrected == found.raw
    then = known_at(withdrawn, span.end + 4 * DAY)
    assert account(an_objective(), then, span, span.end + 9 * DAY).corrected.excluded == 2400
    assert known_at(withdrawn, span.start) == pages


def test_maintenance_of_one_flow_excuses_no_other() -> None:
    span = month("2026-10", "America/Montreal")
    objective = an_objective(flows=(Flow.CALL, Flow.REGISTER))
    pages = Pages(
        (
            a_series(span, bad=range(30)),
            a_series(span, bad=range(20, 40), flow=Flow.REGISTER, probe="registers"),
        ),
        maintenance=(work(span.start, 60, flows=(Flow.CALL,)),),
    )
    found = account(objective, pages, span, span.end + HOUR)
    assert found.raw == Figures(31 * 86_400 - 1200, 1200, 0, 0)
    assert [one.flows for one in found.incidents] == [(Flow.REGISTER,)]


def test_another_tenants_slices_are_never_counted() -> None:
    span = month("2026-10", "America/Montreal")
    charlie = a_series(span, bad=range(500), tenant="charlie.zeta.clusterpbx.example")
    found = account(an_objective(), Pages((a_series(span), charlie)), span, span.end + HOUR)
    assert found.corrected == Figures(good=31 * 86_400)


@pytest.mark.parametrize(
    ("period", "zone"),
    [("2026-03", "America/Montreal"), ("2026-10", "Europe/Paris")],
)
def test_whole_random_months_are_counted_as_the_reference_counts_them(period: str, zone: str) -> None:
    span = month(period, zone)
    history = a_month(Random(period + zone), zone, int(span.start.timestamp()), int(span.end.timestamp()))
    assert_equal(history, the_pages(history), 60)
