"""Absurd rules, spans and years: an answer or words, in milliseconds."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from dialtone.model import SliceState
from dialtone.sla.account import Pages, account
from dialtone.sla.calendar import Span, days_of, month, previous_period, rolling, zone_of
from dialtone.sla.exclusions import occurrences
from dialtone.sla.recurrence import starts
from tests.unit.sla.books import a_correction, a_series, an_objective, work

LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)
FAR_OFF = datetime(9999, 12, 30, tzinfo=UTC)
SPAN = month("2026-10", "UTC")


@pytest.mark.parametrize("begins", [LONG_AGO, datetime(1971, 1, 1, tzinfo=UTC), FAR_OFF])
@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=1000",
        "FREQ=WEEKLY;INTERVAL=1000;BYMONTH=2",
        "FREQ=YEARLY;BYDAY=53MO,-53TU",
        "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=366,-366;COUNT=1000",
        "FREQ=DAILY;COUNT=1000",
        "FREQ=DAILY",
    ],
)
@pytest.mark.parametrize("zone", ["America/Montreal", "Pacific/Kiritimati"])
def test_no_rule_costs_more_than_moments(rule: str, begins: datetime, zone: str) -> None:
    begun = time.process_time()
    assert len(starts(rule, begins, zone, SPAN)) <= 32
    assert time.process_time() - begun < 0.5


def test_maintenance_without_end_excludes_what_the_cap_allows() -> None:
    for one in (
        work(SPAN.start, 10**15, zone="UTC"),
        work(SPAN.start, 10**15, zone="UTC", recurs="FREQ=DAILY"),
        work(SPAN.start - timedelta(days=300), 10**7, zone="UTC", declared=LONG_AGO),
    ):
        pages = Pages((a_series(SPAN),), maintenance=(one,))
        found = account(an_objective(zone="UTC"), pages, SPAN, SPAN.end + timedelta(hours=1))
        assert found.corrected.excluded == 4 * 3600
        assert found.incidents == ()


def test_maintenance_that_ends_before_it_begins_is_none() -> None:
    backwards = work(SPAN.start + timedelta(days=1), -600)
    assert occurrences(backwards, SPAN) == []


def test_corrections_of_all_time_or_of_none_are_laid_down_as_they_are() -> None:
    ever = a_correction(LONG_AGO, 0, SliceState.EXCLUDED, ends=FAR_OFF)
    never = a_correction(SPAN.end, 0, SliceState.BAD, ends=SPAN.start, id=2)
    pages = Pages((a_series(SPAN),), corrections=(ever, never))
    found = account(an_objective(zone="UTC"), pages, SPAN, SPAN.end + timedelta(hours=1))
    assert found.corrected.excluded == SPAN.seconds
    assert found.is_met is None


def test_a_series_of_all_time_is_counted_within_the_period() -> None:
    series = a_series(Span(LONG_AGO, LONG_AGO))
    found = account(an_objective(zone="UTC"), Pages((series,)), SPAN, SPAN.end + timedelta(hours=1))
    assert (found.start, found.end, found.corrected.unknown) == (SPAN.start, SPAN.end, SPAN.seconds)


@pytest.mark.parametrize(
    "period",
    [
        "",
        "2026",
        "2026-13",
        "2026-00",
        "2026-1",
        "2026-10-01",
        " 2026-10",
        "0001-01",
        "9999-12",
        "٢٠٢٦-١٠",
        "2026-10\n",
    ],
)
def test_what_is_no_month_is_refused_in_words(period: str) -> None:
    with pytest.raises(ValueError, match=r"is no month|out of range"):
        month(period, "UTC")
    with pytest.raises(ValueError, match=r"is no month|out of range"):
        previous_period(period)


@pytest.mark.parametrize("zone", ["Nowhere/Else", "../zoneinfo", ""])
def test_a_month_in_no_zone_is_refused_in_words(zone: str) -> None:
    with pytest.raises(ValueError, match="is no time zone; use an IANA name"):
        month("2026-10", zone)


@pytest.mark.parametrize(("end", "days"), [(LONG_AGO, 30), (FAR_OFF, 0), (FAR_OFF, -1), (FAR_OFF, 10**9)])
def test_a_rolling_period_that_can_not_be_is_refused_in_words(end: datetime, days: int) -> None:
    with pytest.raises(ValueError, match="days"):
        rolling(end, days)


def test_the_first_and_the_last_month_can_be_counted() -> None:
    for period, zone in (("1971-01", "Pacific/Kiritimati"), ("9998-12", "America/Montreal")):
        span = month(period, zone)
        now = span.end + timedelta(days=1)
        pages = Pages((a_series(span),), maintenance=(work(span.start, 60, recurs="FREQ=DAILY"),))
        assert account(an_objective(zone=zone), pages, span, now).corrected.good > 0


@pytest.mark.parametrize(
    "zone", ["localtime", "posixrules", "Factory", "right/America/Montreal", "posix/Europe/Paris"]
)
def test_a_zone_that_is_another_on_another_machine_or_has_leap_seconds_is_refused_in_words(zone: str) -> None:
    with pytest.raises(ValueError, match=r"on another machine; use an IANA|machine; write [AE]"):
        zone_of(zone)


def test_a_day_that_a_zone_skipped_is_not_there() -> None:
    # Samoa went from 29 to 31 December 2011.
    days = [day.day for day, _ in days_of(month("2011-12", "Pacific/Apia"), "Pacific/Apia")]
    assert 30 not in days
    assert len(days) == 30


def test_a_day_without_midnight_begins_with_its_first_instant() -> None:
    # Sao Paulo, 4 November 2018: 00:00 became 01:00, at 03:00 UTC.
    span = month("2018-11", "America/Sao_Paulo")
    fourth = {day.day: one for day, one in days_of(span, "America/Sao_Paulo")}[4]
    assert fourth.start == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert fourth.seconds == 23 * 3600
