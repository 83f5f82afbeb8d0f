"""When probes are placed: quiet hours by the tenant's wall clock, and phases spread over the interval."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.config.quiet import quiet_spans
from synthetic.quiet import is_quiet
from synthetic.schedule import phase

MONTREAL = "America/Montreal"
NIGHT = quiet_spans(["22:00-06:00"])


def quiet_minutes(words: list[str], zone: str, day: datetime, hours: int = 24) -> int:
    """Return how many minutes from an instant on are quiet."""
    spans = quiet_spans(words)
    return sum(is_quiet(spans, zone, day + timedelta(minutes=minute)) for minute in range(hours * 60))


@pytest.mark.parametrize(("hour_utc", "quiet"), [(2, False), (3, True), (10, True), (11, False), (20, False)])
def test_a_night_is_the_tenants_own(hour_utc: int, quiet: bool) -> None:
    """In winter Montreal is five hours behind UTC: 22:00 is 03:00, 06:00 is 11:00."""
    assert is_quiet(NIGHT, MONTREAL, datetime(2026, 1, 14, hour_utc, tzinfo=UTC)) is quiet


def test_in_summer_the_same_night_is_an_hour_earlier_in_utc() -> None:
    assert is_quiet(NIGHT, MONTREAL, datetime(2026, 7, 14, 2, tzinfo=UTC))
    assert not is_quiet(NIGHT, MONTREAL, datetime(2026, 7, 14, 10, tzinfo=UTC))


@pytest.mark.parametrize(
    ("day", "minutes"),
    [
        (datetime(2026, 3, 7, 17, tzinfo=UTC), 7 * 60),  # the night to 8 March: 02:00 to 03:00 does not exist
        (
            datetime(2026, 10, 31, 16, tzinfo=UTC),
            9 * 60,
        ),  # the night to 1 November: 01:00 to 02:00 comes twice
        (datetime(2026, 5, 1, 16, tzinfo=UTC), 8 * 60),
    ],
)
def test_a_night_is_as_long_as_the_wall_clock_makes_it(day: datetime, minutes: int) -> None:
    assert quiet_minutes(["22:00-06:00"], MONTREAL, day) == minutes


def test_an_hour_that_comes_twice_is_quiet_twice_and_one_that_is_left_out_never() -> None:
    assert quiet_minutes(["01:00-02:00"], MONTREAL, datetime(2026, 11, 1, 4, tzinfo=UTC)) == 120
    assert quiet_minutes(["02:00-03:00"], MONTREAL, datetime(2026, 3, 8, 5, tzinfo=UTC)) == 0


def test_days_are_days_where_the_tenant_is() -> None:
    """Saturday in Montreal ends at 05:00 UTC on Sunday."""
    weekend = quiet_spans(["sat"])
    assert is_quiet(weekend, MONTREAL, datetime(2026, 1, 18, 4, 59, tzinfo=UTC))
    assert not is_quiet(weekend, MONTREAL, datetime(2026, 1, 18, 5, 0, tzinfo=UTC))


def test_without_spans_nothing_is_quiet() -> None:
    assert not is_quiet((), "UTC", datetime(2026, 1, 1, tzinfo=UTC))


@given(st.integers(1, 300), st.integers(1, 6), st.floats(0, 0.999))
def test_starts_of_one_probe_are_equally_far_apart_and_no_two_starts_fall_together(
    tenants: int, probes: int, offset: float
) -> None:
    every = [
        sorted(phase(place, tenants, number, probes, offset) for place in range(tenants))
        for number in range(probes)
    ]
    for starts in every:
        gaps = [after - before for before, after in pairwise([*starts, starts[0] + 1])]
        assert all(abs(gap - 1 / tenants) < 1e-9 for gap in gaps)
    together = sorted(start for starts in every for start in starts)
    assert all(0 <= start < 1 for start in together)
    between = [
        after - before for before, after in zip(together, [*together[1:], together[0] + 1], strict=True)
    ]
    assert min(between) > 1 / (tenants * probes) - 1e-9


def test_the_probes_of_one_tenant_are_far_apart() -> None:
    starts = sorted(phase(17, 1000, number, 4, 0.3) for number in range(4))
    assert min(after - before for before, after in pairwise(starts)) > 0.24
