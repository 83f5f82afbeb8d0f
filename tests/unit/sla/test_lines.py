"""Planes of bits: expanding, cutting, counting."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import Flow, SeriesKey, Slices, SliceSeries
from dialtone.sla.calendar import from_unix
from dialtone.sla.lines import (
    Grid,
    Line,
    common_step,
    counts,
    expanded,
    first_bits,
    quorum,
    reaches,
    runs,
    series_line,
)

planes = st.integers(0, 2**70)


def bits(plane: int, count: int) -> list[int]:
    return [plane >> at & 1 for at in range(count)]


@given(planes)
def test_runs_are_where_bits_are_set(plane: int) -> None:
    found = runs(plane)
    assert sum(((1 << (end - start)) - 1) << start for start, end in found) == plane
    assert all(one[1] < other[0] for one, other in pairwise(found))


@given(planes, st.integers(1, 7))
def test_an_expanded_plane_has_every_bit_so_many_times(plane: int, times: int) -> None:
    assert bits(expanded(plane, times), 75 * times) == [bit for bit in bits(plane, 75) for _ in range(times)]


@given(planes, st.integers(0, 80))
def test_the_first_bits_of_a_plane_are_its_lowest(plane: int, most: int) -> None:
    kept = first_bits(plane, most)
    assert kept.bit_count() == min(most, plane.bit_count())
    assert kept & plane == kept
    assert plane & ((1 << kept.bit_length()) - 1) == kept


@given(
    st.one_of(planes, st.integers(0, 1 << 200), st.integers(0, 200).map(lambda bit: 1 << bit)),
    st.lists(st.tuples(st.integers(0, 210), st.integers(0, 200)), max_size=8),
    st.sampled_from((1, 8)),
)
def test_spans_are_counted_as_by_shifting_and_masking(
    plane: int, spans: list[tuple[int, int]], unit: int
) -> None:
    wanted = [(low // unit * unit, (low + size) // unit * unit) for low, size in spans]
    parts = [plane >> low & ((1 << (high - low)) - 1) for low, high in wanted]
    assert counts(plane, wanted) == [part.bit_count() for part in parts]
    assert reaches(plane, wanted) == [part > 0 for part in parts]


@given(st.lists(st.integers(1, 3), max_size=80))
def test_few_runs_are_found_as_many_are(lengths: list[int]) -> None:
    spans, at = [], 0
    for length in lengths:
        spans.append((at, at + length))
        at += length + 1
    plane = sum(((1 << (end - start)) - 1) << start for start, end in spans)
    assert runs(plane) == spans
    assert runs(plane << 5) == [(start + 5, end + 5) for start, end in spans]


@given(st.lists(st.tuples(planes, planes, planes), min_size=1, max_size=9))
def test_several_locations_decide_as_the_definition_says(found: list[tuple[int, int, int]]) -> None:
    lines = [Line(placed, placed & good, placed & bad & ~good) for placed, good, bad in found]
    line = quorum(lines)
    for at in range(71):
        placed = [one for one in lines if one.placed >> at & 1]
        good = sum(one.good >> at & 1 for one in placed)
        bad = sum(one.bad >> at & 1 for one in placed)
        is_bad = bad > good and bad >= 2 if len(placed) > 1 else bad == 1
        assert (line.bad >> at & 1) == is_bad
        assert (line.good >> at & 1) == (not is_bad and good > 0)
        assert (line.placed >> at & 1) == bool(placed)


def test_an_interval_that_fills_no_whole_bytes_a_day_is_laid_down_as_the_others_are() -> None:
    # 64 s cut a day into 1,350 slices, which is no multiple of eight.
    key = SeriesKey("acme.ntek.clusterpbx.example", Flow.CALL, "calls", "mtl1", 64)
    days = Slices(0, 1 | 4 << 1350, 2)
    grid = Grid(0, common_step([64]), 2 * 86_400 // 4)
    line = series_line(SliceSeries(1, key, from_unix(0), None, days), grid)
    assert runs(line.good) == [(0, 16), (1352 * 16, 1353 * 16)]
    assert runs(line.bad) == [(16, 32)]


def test_a_grid_knows_its_spans() -> None:
    grid = Grid(120, 60, 4)
    assert grid.end == 360
    assert grid.bits(0, 1000) == grid.all == 0b1111
    assert grid.bits(180, 300) == 0b0110
    assert grid.bits(300, 180) == 0
    assert grid.cut(0b0110, Grid(180, 60, 2)) == 0b11
    assert grid.cut(0b0110, Grid(60, 60, 5)) == 0b01100
