"""What results add up to: the order never matters, thresholds are exact, percentiles a tenth off at most."""

import copy
from collections import Counter
from datetime import timedelta
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.model import (
    LOG_BOUNDS,
    Failure,
    FailureCode,
    LogHistogram,
    Origin,
    Outcome,
    ProbeResult,
    Rollup,
    RollupKey,
    added_up,
    billionths,
    rollup_key,
)
from tests.fakes.records import NOON, a_result, a_stream

SIZES: Final = st.floats(0, 200_000) | st.floats(0, 2) | st.sampled_from(LOG_BOUNDS)
ANY: Final = SIZES | st.floats(allow_nan=False, allow_infinity=False)
THRESHOLDS: Final = st.builds(
    lambda step, decade: float(f"{step / 10:.1f}e{decade}"), st.integers(10, 99), st.integers(-6, 4)
)


def histogram(*values: float) -> LogHistogram:
    made = LogHistogram()
    for value in values:
        made.observe(value)
    return made


def summed(*histograms: LogHistogram) -> LogHistogram:
    total = LogHistogram()
    for one in histograms:
        total.add(one)
    return total


def key(**changes: Any) -> RollupKey:
    found = rollup_key(a_result(**changes))
    assert found is not None
    return found


def rollup(*results: ProbeResult) -> Rollup:
    made = Rollup(key(), NOON)
    for result in results:
        made.count(result)
    return made


def test_the_bounds_are_zero_and_all_numbers_of_two_digits_in_order() -> None:
    assert LOG_BOUNDS[:3] == (0.0, 0.000001, 0.0000011)
    assert LOG_BOUNDS[-2:] == (98_000.0, 99_000.0)
    assert len(LOG_BOUNDS) == 1 + 11 * 90
    assert list(LOG_BOUNDS) == sorted(set(LOG_BOUNDS))
    assert {0.18, 0.2, 0.25, 1.5, 3.6, 4.3, 10.0} <= set(LOG_BOUNDS)


@settings(max_examples=100)
@given(st.lists(ANY), st.lists(ANY), st.lists(ANY))
def test_adding_is_the_same_in_any_order_and_grouping(
    one: list[float], two: list[float], three: list[float]
) -> None:
    a, b, c = histogram(*one), histogram(*two), histogram(*three)
    assert summed(a, b) == summed(b, a)
    assert summed(summed(a, b), c) == summed(a, summed(b, c)) == histogram(*three, *one, *two)


@settings(max_examples=200)
@given(st.lists(SIZES), THRESHOLDS | st.just(0.0))
def test_how_many_were_at_most_a_threshold_of_two_digits_is_exact(
    values: list[float], threshold: float
) -> None:
    assert histogram(*values).at_most(threshold) == sum(value <= threshold for value in values)


def test_a_value_a_hair_over_a_threshold_is_over_it() -> None:
    hair = 0.18 + 2**-50
    assert histogram(0.18, hair).at_most(0.18) == 1
    assert histogram(hair).at_most(0.18) == 0


def test_what_is_past_the_last_bound_is_kept_only_where_the_greatest_value_is() -> None:
    made = histogram(1.0, 100_000.0, 300_000.0)
    assert [made.at_most(limit) for limit in (99_000, 200_000, 299_999, 300_000, 1e300)] == [1, 1, 1, 3, 3]


def test_nothing_is_at_most_less_than_nothing() -> None:
    assert histogram(0.0, 0.5).at_most(-1e-9) == 0
    assert LogHistogram().at_most(0.18) == 0


def true_quantile(values: list[float], share: Fraction) -> float:
    """Return the nearest-rank quantile: the least value that has so large a share at or under it."""
    return next(x for x in sorted(values) if sum(value <= x for value in values) >= share * len(values))


@settings(max_examples=200)
@given(st.lists(st.floats(0, 99_000), min_size=1), st.integers(0, 1000))
def test_a_quantile_is_never_under_the_true_one_and_at_most_a_tenth_over_it(
    values: list[float], thousandths: int
) -> None:
    found = histogram(*values).quantile(thousandths / 1000)
    true = true_quantile(values, Fraction(thousandths, 1000))
    assert found is not None
    assert true - 1e-9 <= found <= max(true * 1.1 * (1 + 1e-12), 0.000001)


def test_a_quantile_of_values_past_the_last_bound_is_the_greatest() -> None:
    made = histogram(1.0, 150_000.0, 250_000.0)
    assert made.quantile(0.5) == made.quantile(1) == 250_000.0


def test_a_quantile_without_values_is_none() -> None:
    assert LogHistogram().quantile(0.95) is None


def test_nearest_rank_counts_up_to_the_share_and_no_further() -> None:
    made = histogram(*[0.1] * 95, *[0.9] * 5)
    assert (made.quantile(0.95), made.quantile(0.951), made.quantile(0)) == (0.1, 0.9, 0.1)


@pytest.mark.parametrize(
    "value", [0.0, -0.0, -1.5, -1e300, 1e300, 1.7976931348623157e308, 5e-324, 1e15 + 0.3]
)
def test_zero_negative_tiny_and_huge_values_are_counted(value: float) -> None:
    made = summed(histogram(value), LogHistogram())
    assert made.count == 1
    assert made.total == billionths(value)
    assert made.least == made.most == made.quantile(0.5) == round(value, 9)


@given(ANY)
def test_a_value_in_billionths_is_the_nearest_integer_and_comes_back_from_it(value: float) -> None:
    units = billionths(value)
    if abs(value) >= 1e6:
        assert abs(units - Fraction(value) * 10**9) <= Fraction(1, 2)
    assert abs(units - Fraction(value) * 10**9) <= Fraction(3, 5)
    assert billionths(units / 10**9) == units


def test_the_sum_is_exact_to_the_billionth_however_many_values() -> None:
    made = histogram(*[0.1] * 1000)
    assert made.total == 100_000_000_000


def test_bins_go_by_value_and_empty_ones_are_left_out() -> None:
    made = histogram(0.2, 0.1, 0.2)
    made.bins[3] = 0
    assert [(LOG_BOUNDS[bin_], count) for bin_, count in made.nonzero()] == [(0.1, 1), (0.2, 2)]


def test_a_rollup_counts_attempts_by_outcome_and_failure_and_which_were_confirming() -> None:
    timeout = Failure(FailureCode.TIMEOUT)
    made = rollup(
        a_result("1"),
        a_result("2", outcome=Outcome.FAIL, failure=timeout),
        a_result("3", outcome=Outcome.FAIL, failure=timeout, attempt=2),
        a_result("4", outcome=Outcome.INCONCLUSIVE, failure=Failure(FailureCode.NO_PORT), attempt=2),
    )
    assert made.outcomes == {
        (Outcome.PASS, ""): 1,
        (Outcome.FAIL, "timeout"): 2,
        (Outcome.INCONCLUSIVE, "no-port"): 1,
    }
    assert made.confirming == {Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 1}


def test_timings_are_of_passes_alone_and_of_names_that_the_model_knows() -> None:
    made = rollup(
        a_result(timings={"srd": 0.2, "of a later version": 1.0}),
        a_result(outcome=Outcome.FAIL, failure=Failure(FailureCode.NO_MEDIA), timings={"srd": 9.0}),
    )
    assert made.timings == {"srd": histogram(0.2)}


def test_media_are_of_all_that_was_conclusive() -> None:
    heard = (a_stream("callee", mos=4.1, received=0, sent=None, rtt=None),)
    made = rollup(
        a_result(media=heard),
        a_result(media=heard, outcome=Outcome.FAIL, failure=Failure(FailureCode.POOR_MEDIA)),
        a_result(media=heard, outcome=Outcome.INCONCLUSIVE, failure=Failure(FailureCode.OVERLOADED)),
    )
    assert made.media == {("callee", "mos"): histogram(4.1, 4.1)}


@pytest.mark.parametrize("origin", [Origin.MANUAL, Origin.STRESS])
def test_only_scheduled_results_are_added_up(origin: Origin) -> None:
    assert rollup_key(a_result(origin=origin)) is None


def test_adding_rollups_changes_neither_of_the_parts() -> None:
    parts = [rollup(a_result(media=(a_stream(),), attempt=2)), rollup(a_result(timings={"srd": 0.5}))]
    before = copy.deepcopy(parts)
    total = added_up(parts, key(), NOON - timedelta(hours=12))
    added_up(parts, key(), NOON)
    assert parts == before
    assert total.start == NOON - timedelta(hours=12)
    assert total.timings == {"srd": histogram(0.0125, 0.5), "pdd": histogram(0.03)}
    assert total.outcomes == Counter({(Outcome.PASS, ""): 2})
