"""How late a probe began is found from the results alone, whenever the service was started."""

import itertools
from dataclasses import replace

import pytest

from benchmarks.tenants.lateness import Spread, Start, spread

TENANTS = tuple(f"t{number}.example" for number in range(50))
PROBES = ("register", "call")
WANTED = spread(TENANTS, PROBES, 60.0)


def placed(begin: float, late: float = 0.0, slots: range = range(1000, 1003)) -> list[Start]:
    """Return the starts of a service whose spread begins there, all of them as late."""
    true = replace(WANTED, begin=begin)
    return [Start(job, slot, true.due(job, slot) + late) for slot in slots for job in true.phases]


def lateness(starts: list[Start]) -> list[float]:
    seen = WANTED.as_seen(starts)
    return [seen.lateness(start) for start in starts]


def test_the_starts_are_spread_evenly_over_the_interval() -> None:
    assert len(WANTED.phases) == 100
    assert WANTED.step == 0.6
    in_order = sorted(WANTED.phases.values())
    assert in_order[0] == 0.0
    assert max(later - one for one, later in itertools.pairwise(in_order)) < 0.61


@pytest.mark.parametrize("begin", [0.0, 0.01, 12.3, 30.0, 47.11, 59.5, 59.99])
@pytest.mark.parametrize("late", [0.0, 0.004, 0.9, 5.0, 20.0])
def test_a_lateness_is_never_found_too_small_and_too_great_by_one_step_at_most(
    begin: float, late: float
) -> None:
    found = lateness(placed(begin, late))
    assert min(found) >= late - 1e-6
    assert max(found) <= late + WANTED.step + 1e-6


def test_one_that_is_late_stands_out_among_those_in_time() -> None:
    starts = placed(21.0)
    starts[77] = replace(starts[77], at=starts[77].at + 3.0)
    found = lateness(starts)
    assert found[77] >= 3.0
    assert sum(one >= 3.0 for one in found) == 1


def test_who_has_seen_one_slot_alone_knows_it_too() -> None:
    assert max(lateness(placed(33.3, slots=range(5, 6)))) <= WANTED.step + 1e-6


def test_without_results_nobody_knows() -> None:
    with pytest.raises(ValueError, match="without results"):
        Spread(60.0, {("a", "b"): 0.0}).as_seen([])
