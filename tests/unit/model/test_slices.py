"""Slices over many days: days put together, and taken apart again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.model import (
    DAY_SECONDS,
    DaySlices,
    Flow,
    SeriesKey,
    Slices,
    SliceSeries,
    joined_days,
    plane_bytes,
    plane_size,
)

TENANT = "acme.ntek.clusterpbx.example"
# 1,440, 720, 12, 1,350 and 1 slices a day: whole bytes, and not.
INTERVALS = (60, 120, 7200, 64, 86_400)


def a_series(slices: Slices, interval: int) -> SliceSeries:
    key = SeriesKey(TENANT, Flow.CALL, "calls", "mtl1", interval)
    return SliceSeries(1, key, datetime(2026, 9, 1, tzinfo=UTC), None, slices)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(INTERVALS))
def test_days_put_together_are_the_same_days(data: st.DataObject, interval: int) -> None:
    slots = DAY_SECONDS // interval
    planes = st.integers(1, (1 << slots) - 1)
    days = {
        day: DaySlices(day, good, data.draw(planes) & ~good)
        for day, good in data.draw(st.dictionaries(st.integers(20_000, 20_040), planes, max_size=5)).items()
    }
    joined = joined_days(
        {day: plane_bytes(one.good, one.bad, interval) for day, one in days.items()}, interval
    )
    assert a_series(joined, interval).days == tuple(days[day] for day in sorted(days))


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_first_bit_is_the_first_slot_of_the_first_day(interval: int) -> None:
    series = a_series(joined_days({20_001: plane_bytes(1, 0, interval)}, interval), interval)
    assert series.first * interval == 20_001 * DAY_SECONDS
    assert (series.slices.good, series.slices.bad) == (1, 0)


@pytest.mark.parametrize("interval", [7200, 64, 86_400])
def test_bits_beyond_a_day_are_no_slots_of_the_next(interval: int) -> None:
    size, slots = plane_size(interval), DAY_SECONDS // interval
    joined = joined_days({1: b"\xff" * 2 * size, 2: bytes(2 * size)}, interval)
    assert joined == Slices(1, (1 << slots) - 1, (1 << slots) - 1)


def test_no_days_are_no_slices() -> None:
    assert joined_days({}, 60) == Slices()
    assert a_series(Slices(), 60).days == ()
