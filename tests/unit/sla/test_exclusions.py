"""What is outside the figures: the cap of maintenance, and the list for a statement."""

from datetime import date, timedelta
from fractions import Fraction

import pytest

from dialtone.model import Flow, SliceState, WeekSpan
from dialtone.sla.account import Pages, account
from dialtone.sla.calendar import Span, month, rolling
from dialtone.sla.exclusions import excluded_times
from dialtone.sla.figures import Account
from tests.unit.sla.books import a_correction, a_series, an_objective, work

SPAN = month("2026-10", "America/Montreal")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def over(pages: Pages, **terms: object) -> Account:
    return account(an_objective(**terms), pages, SPAN, SPAN.end + HOUR)


def test_nested_and_overlapping_maintenance_counts_once() -> None:
    works = (
        work(SPAN.start, 60),
        work(SPAN.start + HOUR / 2, 60, id=2),
        work(SPAN.start + HOUR / 4, 5, id=3),
    )
    assert over(Pages((a_series(SPAN),), maintenance=works)).raw.excluded == 5400


def test_past_the_cap_maintenance_is_time_like_any_other() -> None:
    # Three nights of 100 minutes, 240 allowed: 100 + 100 + 40; the last night's other 60 are bad.
    works = tuple(work(SPAN.start + day * DAY, 100, id=day + 1) for day in range(3))
    series = a_series(SPAN, bad=range(2 * 1440, 2 * 1440 + 100))
    found = over(Pages((series,), maintenance=works))
    assert (found.raw.excluded, found.raw.bad) == (240 * 60, 60 * 60)
    listed = excluded_times([found], works, ())
    assert [(one.start, one.end) for one in listed] == [
        (SPAN.start, SPAN.start + timedelta(minutes=100)),
        (SPAN.start + DAY, SPAN.start + DAY + timedelta(minutes=100)),
        (SPAN.start + 2 * DAY, SPAN.start + 2 * DAY + timedelta(minutes=40)),
    ]


def test_each_calendar_month_of_a_rolling_period_has_its_own_cap() -> None:
    # 90 minutes at the end of September and 90 at the start of October, an hour allowed in each month.
    objective = an_objective(rolling=30, maintenance=3600)
    period = rolling(SPAN.start + 10 * DAY, 30)
    works = (work(SPAN.start - 2 * HOUR, 90), work(SPAN.start + HOUR, 90, id=2))
    pages = Pages((a_series(Span(period.start - 5 * DAY, period.end)),), maintenance=works)
    assert account(objective, pages, period, period.end).raw.excluded == 2 * 3600


def test_what_was_used_of_the_cap_before_a_rolling_period_begins_is_used() -> None:
    period = rolling(SPAN.start + 10 * DAY, 5)
    works = (work(SPAN.start, 40), work(SPAN.start + 7 * DAY, 40, id=2))
    pages = Pages((a_series(Span(SPAN.start, period.end)),), maintenance=works)
    found = account(an_objective(rolling=5, maintenance=3600), pages, period, period.end)
    assert found.raw.excluded == 20 * 60


def test_work_before_a_tenant_came_spends_nothing_of_its_cap() -> None:
    # An hour allowed, and used up on the 1st; the tenant came on the 5th at 10:00, amid other work.
    came = SPAN.start + 4 * DAY + 10 * HOUR
    works = (work(SPAN.start, 60), work(came - HOUR / 2, 50, id=2), work(came + DAY, 90, id=3))
    found = over(Pages((a_series(Span(came, SPAN.end)),), maintenance=works), maintenance=3600)
    assert found.raw.excluded == 3600
    assert [(one.start, one.end) for one in excluded_times([found], works, ())] == [
        (came, came + timedelta(minutes=20)),
        (came + DAY, came + DAY + timedelta(minutes=40)),
    ]
    assert found.budget.seconds == Fraction((27 * 24 - 10 - 1) * 3600, 1000)


def test_work_before_a_contract_began_spends_nothing_of_its_cap() -> None:
    starts = date(2026, 10, 5)
    works = (work(SPAN.start, 60), work(SPAN.start + 4 * DAY, 40, id=2), work(SPAN.start + 9 * DAY, 40, id=3))
    pages = Pages((a_series(Span(SPAN.start - DAY, SPAN.end)),), maintenance=works)
    found = over(pages, maintenance=3600, starts=starts)
    assert found.raw.excluded == 3600
    # The contract began before these five days, in their month, and still has 20 minutes of its hour.
    objective = an_objective(rolling=5, maintenance=3600, starts=starts)
    period = rolling(SPAN.start + 10 * DAY, 5)
    assert account(objective, pages, period, period.end).raw.excluded == 20 * 60
    assert [one.end - one.start for one in excluded_times([found], works, ())] == [HOUR * 2 / 3, HOUR / 3]


def test_work_of_the_month_before_a_tenant_came_within_a_rolling_period_is_of_its_own_cap() -> None:
    period = rolling(SPAN.start + 10 * DAY, 30)
    works = (work(SPAN.start - HOUR, 120), work(SPAN.start + 2 * DAY, 40, id=2))
    pages = Pages((a_series(Span(SPAN.start + DAY, period.end)),), maintenance=works)
    found = account(an_objective(rolling=30, maintenance=3600), pages, period, period.end)
    assert found.raw.excluded == 40 * 60


def test_work_outside_the_hours_of_service_spends_nothing_of_the_cap() -> None:
    # Service 09:00 to 17:00 on weekdays; work from 06:00 to 10:00 on Thursday 1 October takes one hour.
    hours = (WeekSpan(frozenset(range(5)), 9 * 60, 17 * 60),)
    works = (work(SPAN.start + 6 * HOUR, 240), work(SPAN.start + DAY + 12 * HOUR, 240, id=2))
    found = over(Pages((a_series(SPAN),), maintenance=works), hours=hours)
    # 22 weekdays of 8 h; 1 h of the first work and 3 h of the second.
    assert found.raw.excluded == 4 * 3600
    assert found.raw.good == (22 * 8 - 4) * 3600
    assert found.budget.seconds == Fraction((22 * 8 - 4) * 3600, 1000)


def test_hours_of_service_over_midnight_count_every_hour_of_a_long_night() -> None:
    # Saturday 31 October 22:00 until 06:00, in which 01:00 to 02:00 comes twice: 9 h, of which 7 in November.
    november = month("2026-11", "America/Montreal")
    objective = an_objective(hours=(WeekSpan(frozenset({5}), 22 * 60, 6 * 60),))
    found = account(objective, Pages((a_series(november),)), november, november.end + HOUR)
    # Then 7, 14, 21 and 28 November, 8 h each.
    assert found.corrected.good == (7 + 4 * 8) * 3600


def test_a_statement_lists_excluded_time_once_and_not_what_a_correction_put_back() -> None:
    works = (work(SPAN.start, 60), work(SPAN.start + HOUR / 2, 60, id=2, reason="a router"))
    corrections = (
        a_correction(SPAN.start, 10, SliceState.BAD),
        a_correction(SPAN.start + DAY, 20, SliceState.EXCLUDED, id=2, reason="flood"),
        a_correction(SPAN.start + 2 * DAY, 20, SliceState.EXCLUDED, id=3, flows=(Flow.HTTP,)),
    )
    pages = Pages((a_series(SPAN),), maintenance=works, corrections=corrections)
    both = [over(pages), over(pages, service="second")]
    listed = excluded_times(both, works, corrections)
    minutes = [
        ((one.start - SPAN.start) / HOUR * 60, (one.end - one.start) / HOUR * 60, one.reason)
        for one in listed
    ]
    assert minutes == [
        (10, 20, "new software"),
        (30, 30, "new software; a router"),
        (60, 30, "a router"),
        (1440, 20, "flood"),
    ]
    assert [one.is_correction for one in listed] == [False, False, False, True]
    assert sum((one.end - one.start).total_seconds() for one in listed) == both[0].corrected.excluded


def test_time_that_several_took_out_names_them_all_once_and_is_maintenance_where_any_is() -> None:
    works = (
        work(SPAN.start, 60, author="ann"),
        work(SPAN.start, 60, id=2, author="ann", flows=(Flow.CALL,)),
        work(SPAN.start + HOUR, 30, id=3, author="ann"),
        work(SPAN.start, 90, id=4, author="nobody", reason="elsewhere", flows=(Flow.HTTP,)),
    )
    put = a_correction(SPAN.start + HOUR, 60, SliceState.EXCLUDED, author="bob", reason="flood")
    found = over(Pages((a_series(SPAN),), maintenance=works, corrections=(put,)))
    listed = excluded_times([found, over(Pages(), service="unmeasured")], works, (put,))
    at = [((one.start - SPAN.start) / HOUR, (one.end - SPAN.start) / HOUR) for one in listed]
    assert at == [(0, 1), (1, 1.5), (1.5, 2)]
    assert [(one.reason, one.author, one.is_correction) for one in listed] == [
        ("new software", "ann", False),
        ("new software; flood", "ann, bob", False),
        ("flood", "bob", True),
    ]


@pytest.mark.parametrize("flows", [(Flow.REGISTER,), (Flow.HTTP, Flow.OPTIONS)])
def test_work_on_other_flows_excludes_nothing(flows: tuple[Flow, ...]) -> None:
    found = over(Pages((a_series(SPAN),), maintenance=(work(SPAN.start, 60, flows=flows),)))
    assert found.raw.excluded == 0
