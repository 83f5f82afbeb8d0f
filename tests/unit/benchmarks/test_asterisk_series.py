"""How the benchmark of Asterisk counts series."""

from dataclasses import replace
from datetime import UTC, datetime

from benchmarks.asterisk.series import Shown, lines, lines_of, right
from dialtone.model import Reading, Sample, Spread

AT = datetime(2026, 11, 23, tzinfo=UTC)
READING = Reading(
    (Sample("m", ("pbx1", "a"), 1.0, AT), Sample("m", ("pbx1", "b"), 1.0, AT)),
    spreads=(Spread("h", ("pbx1", "a"), (1, 2, 3), 9.0, AT),),
)


def test_a_histogram_has_a_series_for_each_bucket_and_two_more() -> None:
    assert lines_of(READING) == 2 + 3 + 2


def test_what_has_another_value_is_the_same_series() -> None:
    later = replace(READING, samples=tuple(sample._replace(value=7.0) for sample in READING.samples))
    assert lines(READING) == lines(later)


def test_as_many_series_after_many_calls_as_after_few_are_right() -> None:
    assert right([Shown(10, 35, 35, 40), Shown(10_000, 35, 35, 40_000)])


def test_a_series_more_is_not_right_and_neither_is_one_that_took_anothers_place() -> None:
    assert not right([Shown(10, 35, 35, 40), Shown(10_000, 36, 36, 40_000)])
    assert not right([Shown(10, 35, 35, 40), Shown(10_000, 35, 36, 40_000)])
