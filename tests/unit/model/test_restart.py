"""Restarts of servers, told by their uptimes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import has_restarted
from dialtone.model.restart import SLACK

LONG = 9000.0


@pytest.mark.parametrize(
    ("before", "after", "passed"),
    [
        (LONG, 3.0, 15.0),
        (LONG, 15.0, 15.0),
        (LONG, 2 * LONG, 10 * LONG),  # up for longer than before, and not for as long as has passed
        (40.0, 45.0, 60.0),
        (4.0, 14.0, 15.0),  # in the first seconds of its life
        (3.0, 1.0, 2.0),
        (1.0, 0.0, 1.0),
    ],
)
def test_a_server_that_is_not_up_for_as_long_as_has_passed_has_restarted(
    before: float, after: float, passed: float
) -> None:
    assert has_restarted(before, after, passed)


@pytest.mark.parametrize(
    ("before", "after", "passed"),
    [
        (LONG, LONG + 15, 15.0),
        (LONG, LONG + 14, 15.4),
        (LONG, LONG + 3, 15.0),  # stood still for 12 s
        (LONG, LONG, 15.0),
        (LONG, LONG + 10, 3600.0),  # for nearly an hour
        (0.0, 15.0, 15.0),
        (1.0, 14.0, 15.0),
        (LONG, LONG + 90, 15.0),  # after having stood still it catches up
        (LONG, LONG + 15, -3600.0),  # our wall clock was set back
    ],
)
def test_a_server_that_stood_still_for_less_than_it_was_up_has_not(
    before: float, after: float, passed: float
) -> None:
    assert not has_restarted(before, after, passed)


@given(st.floats(0, 1e7), st.floats(0, 1e6), st.floats(0, 1))
def test_every_restart_is_told_of_a_server_that_was_up_for_longer_than_the_slack(
    before: float, passed: float, share: float
) -> None:
    assert has_restarted(before + SLACK + 1e-6, passed * share, passed)


@given(st.integers(0, 10**7), st.floats(0, 1e6), st.floats(-1, 1))
def test_no_server_has_restarted_whose_uptime_goes_with_the_time(
    before: int, passed: float, late: float
) -> None:
    assert not has_restarted(float(before), max(before + passed + late, before), passed)
