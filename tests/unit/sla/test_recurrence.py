"""When recurring maintenance is, by wall clocks that jump."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.sla.calendar import Span, month
from dialtone.sla.exclusions import occurrences
from dialtone.sla.recurrence import check_rrule, starts
from tests.unit.sla.books import work

MONTREAL = "America/Montreal"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_time_that_spring_skips_begins_after_the_gap() -> None:
    # Sundays 02:30; on 8 March 2026 the clock goes from 02:00 EST to 03:00 EDT, at 07:00 UTC.
    nights = work(at("2026-03-01T07:30"), 60, recurs="FREQ=WEEKLY;BYDAY=SU", declared=at("2026-01-01T00:00"))
    found = occurrences(nights, month("2026-03", MONTREAL))
    assert [one.start for one in found] == [
        at("2026-03-01T07:30"),
        at("2026-03-08T07:00"),
        at("2026-03-15T06:30"),
        at("2026-03-22T06:30"),
        at("2026-03-29T06:30"),
    ]
    assert {one.seconds for one in found} == {3600}


def test_a_time_that_autumn_has_twice_begins_with_its_first() -> None:
    # 01:30 on 1 November 2026 is at 05:30 UTC (EDT) and again at 06:30 (EST); two hours are two hours.
    nights = work(at("2026-10-31T05:30"), 120, recurs="FREQ=DAILY", declared=at("2026-01-01T00:00"))
    found = occurrences(nights, Span(at("2026-11-01T00:00"), at("2026-11-03T00:00")))
    assert found == [
        Span(at("2026-11-01T05:30"), at("2026-11-01T07:30")),
        Span(at("2026-11-02T06:30"), at("2026-11-02T08:30")),
    ]


def test_what_began_before_it_was_declared_or_after_it_was_withdrawn_is_none() -> None:
    daily = work(
        at("2026-10-01T12:00"),
        60,
        recurs="FREQ=DAILY",
        declared=at("2026-10-02T12:00"),
        withdrawn=at("2026-10-05T12:00"),
    )
    found = occurrences(daily, month("2026-10", MONTREAL))
    assert [one.start.day for one in found] == [2, 3, 4]


def test_an_occurrence_that_began_before_a_span_reaches_into_it() -> None:
    weekly = work(at("2026-09-30T23:00"), 600, recurs="FREQ=WEEKLY", zone="UTC")
    found = occurrences(weekly, Span(at("2026-10-01T00:00"), at("2026-10-02T00:00")))
    assert found == [Span(at("2026-09-30T23:00"), at("2026-10-01T09:00"))]


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=DAILY;COUNT=3", [5, 6, 7]),
        ("FREQ=DAILY;UNTIL=20261007", [5, 6, 7]),
        ("FREQ=DAILY;UNTIL=20261007T115959Z", [5, 6]),
        ("FREQ=DAILY;UNTIL=20261007T120000Z", [5, 6, 7]),
        ("FREQ=DAILY;UNTIL=20261007T115959", [5, 6]),
        ("FREQ=DAILY;INTERVAL=10", [5, 15, 25]),
        ("freq=weekly;interval=2;byday=tu,mo", [5, 6, 19, 20]),
        ("FREQ=MONTHLY;BYDAY=1SU,-1SU", [25]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", [30]),
        ("FREQ=YEARLY;BYMONTH=10;BYMONTHDAY=31", [31]),
    ],
)
def test_rules_are_followed_as_they_are_written(rule: str, days: list[int]) -> None:
    begins = at("2026-10-05T12:00")  # a Monday
    check_rrule(rule, "UTC")
    assert [one.day for one in starts(rule, begins, "UTC", month("2026-10", "UTC"))] == days


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_rule_means_what_dateutil_says(seed: int) -> None:
    rng = Random(seed)
    freq = rng.choice(("DAILY", "WEEKLY", "MONTHLY", "YEARLY"))
    parts = [f"FREQ={freq}"]
    if rng.random() < 0.5:
        parts.append(f"INTERVAL={rng.randint(1, 5)}")
    if rng.random() < 0.3:
        parts.append(f"COUNT={rng.randint(1, 60)}")
    if rng.random() < 0.5:
        number = rng.choice(("", "1", "-1", "2")) if freq in ("MONTHLY", "YEARLY") else ""
        parts.append("BYDAY=" + ",".join(number + day for day in rng.sample(("MO", "WE", "SU"), 2)))
    # Never both: left alone, dateutil looks for 30 February for many seconds.
    if rng.random() < 0.3 and freq != "WEEKLY":
        parts.append(f"BYMONTHDAY={rng.choice((1, 15, 31, -1))},{rng.choice((8, 29, -3))}")
    elif rng.random() < 0.3:
        parts.append(f"BYMONTH={rng.randint(1, 12)},{rng.randint(1, 12)}")
    if rng.random() < 0.3:
        parts.append(f"WKST={rng.choice(('MO', 'SU'))}")
    if (
        rng.random() < 0.3
        and freq in ("MONTHLY", "YEARLY")
        and len({p.split("=")[0] for p in parts} & BY) > 0
    ):
        parts.append(f"BYSETPOS={rng.choice((1, 2, -1))}")
    rule = ";".join(parts)
    begins = datetime(2024, 1, 1, 9, 30, tzinfo=UTC) + timedelta(days=rng.randrange(700))
    low = begins + timedelta(days=rng.randrange(-30, 900))
    span = Span(low, low + timedelta(days=rng.randrange(1, 100)))
    alone = rrulestr(rule, dtstart=begins.replace(tzinfo=None))
    wanted = alone.between(span.start.replace(tzinfo=None), span.end.replace(tzinfo=None), inc=True)
    found = starts(rule, begins, "UTC", span)
    assert found == [one.replace(tzinfo=UTC) for one in wanted if one < span.end.replace(tzinfo=None)]


BY = {"BYDAY", "BYMONTHDAY", "BYMONTH"}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("", "no part of a rule"),
        ("WEEKLY", "no part of a rule"),
        ("FREQ=HOURLY", "FREQ must be one of DAILY"),
        ("BYDAY=SU", "FREQ must be one of DAILY"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is given twice"),
        ("DTSTART:20260101T000000\nRRULE:FREQ=DAILY", "no part|not known"),
        ("FREQ=DAILY;EXDATE=20260101", "EXDATE is not known"),
        ("FREQ=DAILY;BYHOUR=2", "BYHOUR is not known in a rule; known are FREQ"),
        ("FREQ=DAILY;COUNT=0", "COUNT: '0' is no number from 1 to 1000"),
        ("FREQ=DAILY;COUNT=99999999999999999999", "COUNT"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260101", "not by both"),
        ("FREQ=DAILY;UNTIL=20260230", "does not exist"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL=TOMORROW is no date"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=1,2", "INTERVAL takes one number"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY: 'XX' is no day"),
        ("FREQ=WEEKLY;BYDAY=1SU", "without numbers"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY does not go"),
        ("FREQ=DAILY;BYDAY=MO;BYSETPOS=1", "BYSETPOS goes with"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS goes with"),
        ("FREQ=MONTHLY;BYDAY=53MO", "a month has no day of a number over 5"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY: '32' is no number from 1 to 31"),
        ("FREQ=WEEKLY;WKST=1", "WKST"),
        ("FREQ=DAILY;" + "BYDAY=MO," * 999, "too long"),
    ],
)
def test_a_rule_that_can_not_be_followed_is_refused_in_words(rule: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_rrule(rule, MONTREAL)


@pytest.mark.parametrize("zone", ["", "Montreal", "../../etc/passwd", "/etc/localtime", "a\0b", "America"])
def test_a_zone_that_does_not_exist_is_refused_in_words(zone: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        check_rrule("FREQ=DAILY", zone)
