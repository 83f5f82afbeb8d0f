"""The Wilson score interval: against hand-worked values, a published table, and what must always hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.quality import wilson

COUNTS = st.integers(1, 100_000).flatmap(
    lambda attempts: st.tuples(st.integers(0, attempts), st.just(attempts))
)


@pytest.mark.parametrize(
    ("successes", "attempts", "lower", "upper"),
    [
        # z = 2: bounds = (x/n + 2/n -+ 2/n * sqrt(x (n - x) / n + 1)) / (1 + 4/n)
        (6, 12, 1 / 4, 3 / 4),  # (1/2 + 1/6 -+ 1/6 * sqrt(3 + 1)) / (4/3) = (2/3 -+ 1/3) * 3/4
        (4, 16, 1 / 10, 1 / 2),  # (1/4 + 1/8 -+ 1/8 * sqrt(3 + 1)) / (5/4) = (3/8 -+ 1/4) * 4/5
        (12, 16, 1 / 2, 9 / 10),  # the same with failures for successes
        (0, 12, 0, 1 / 4),  # (0 + 1/6 + 1/6 * sqrt(0 + 1)) / (4/3) = 1/3 * 3/4
        (12, 12, 3 / 4, 1),
    ],
)
def test_bounds_worked_by_hand_at_two_deviates(
    successes: int, attempts: int, lower: float, upper: float
) -> None:
    assert wilson(successes, attempts, z=2) == pytest.approx((lower, upper), abs=1e-15)


@pytest.mark.parametrize(
    ("successes", "attempts", "lower", "upper"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_bounds_are_those_of_newcombes_table(
    successes: int, attempts: int, lower: float, upper: float
) -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 95 %, to four digits."""
    found = wilson(successes, attempts)
    assert (round(found[0], 4), round(found[1], 4)) == (lower, upper)


@pytest.mark.parametrize("attempts", [1, 2, 3, 7, 20, 57, 1000, 10**12])
def test_the_edges_are_exact(attempts: int) -> None:
    assert wilson(0, attempts)[0] == 0.0
    assert wilson(attempts, attempts)[1] == 1.0


def test_no_attempts_prove_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(COUNTS)
def test_a_bound_is_where_the_share_is_just_so_many_deviates_off(counts: tuple[int, int]) -> None:
    """Wilson's definition: |x/n - p| = z * sqrt(p (1 - p) / n)."""
    successes, attempts = counts
    for bound in wilson(successes, attempts):
        off = abs(successes / attempts - bound)
        deviation = 1.96 * math.sqrt(bound * (1 - bound) / attempts)
        assert off == pytest.approx(deviation, rel=1e-6, abs=1e-9)


@given(COUNTS)
def test_the_share_lies_between_the_bounds_and_failures_have_their_mirror_image(
    counts: tuple[int, int],
) -> None:
    successes, attempts = counts
    lower, upper = wilson(successes, attempts)
    assert 0 <= lower <= successes / attempts <= upper <= 1
    assert wilson(attempts - successes, attempts) == pytest.approx((1 - upper, 1 - lower), abs=1e-12)


@given(COUNTS)
def test_more_attempts_of_the_same_share_prove_more(counts: tuple[int, int]) -> None:
    successes, attempts = counts
    few, many = wilson(successes, attempts), wilson(successes * 4, attempts * 4)
    assert many[1] - many[0] < few[1] - few[0]


@pytest.mark.parametrize(("successes", "attempts"), [(-1, 5), (6, 5), (0, -1), (-2, -1)])
def test_counts_that_cannot_be_are_refused(successes: int, attempts: int) -> None:
    with pytest.raises(ValueError, match=f"^{successes} of {attempts} attempts can't have succeeded$"):
        wilson(successes, attempts)


@pytest.mark.parametrize("z", [0.0, -1.96, math.inf, math.nan])
def test_a_deviate_that_is_none_is_refused(z: float) -> None:
    with pytest.raises(ValueError, match="z must be over 0 and finite"):
        wilson(1, 2, z)
