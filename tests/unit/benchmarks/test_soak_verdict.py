"""A soak is red when anything grows, gets lost or is left behind."""

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.processes import Holding, alive, holding
from benchmarks.soak.verdict import Ended, judge, second_half_growth

IN_ORDER = Ended(0, 0, 0)
ALL_WELL = {"pass": 1000.0}


def holdings(
    change: Callable[[int, Holding], Holding] = lambda _, one: one, count: int = 100
) -> list[Holding]:
    flat = Holding(0.0, (1, 2, 3), 200 << 20, 100, 50, 12)
    return [change(number, replace(flat, at=10.0 * number)) for number in range(count)]


def red(*args: object) -> set[str]:
    return {check.name for check in judge(*args) if not check.right}  # type: ignore[arg-type]


def test_what_stays_flat_is_right() -> None:
    assert red(holdings(), ALL_WELL, IN_ORDER, 1000.0) == set()


def test_warming_up_in_the_first_half_is_no_growth() -> None:
    warming = holdings(lambda n, one: replace(one, memory=(100 << 20) + min(n, 45) * (2 << 20)))
    assert red(warming, ALL_WELL, IN_ORDER, 1000.0) == set()


def test_memory_that_grows_by_three_percent_is_red() -> None:
    growing = holdings(lambda n, one: replace(one, memory=(200 << 20) + n * (200 << 20) // 1200))
    assert second_half_growth([one.memory for one in growing]) > 0.02
    assert red(growing, ALL_WELL, IN_ORDER, 1000.0) == {"memory over the second half"}


def test_a_descriptor_lost_now_and_then_is_red_though_probes_under_way_make_it_swing() -> None:
    def leaking(number: int, one: Holding) -> Holding:
        return replace(one, descriptors=100 + number % 7 + number // 5, sockets=50 + number % 7)

    assert red(holdings(leaking), ALL_WELL, IN_ORDER, 1000.0) == {"descriptors over the second half"}


def test_a_process_that_stays_is_red() -> None:
    staying = holdings(lambda n, one: replace(one, pids=tuple(range(3 + n // 10))))
    assert red(staying, ALL_WELL, IN_ORDER, 1000.0) == {"processes over the second half"}


@pytest.mark.parametrize(
    ("outcomes", "ended", "name"),
    [
        ({"pass": 900.0}, IN_ORDER, "probes placed"),
        ({"pass": 990.0, "fail": 10.0}, IN_ORDER, "probes that failed"),
        ({"pass": 970.0, "inconclusive": 30.0}, IN_ORDER, "probes inconclusive"),
        (ALL_WELL, Ended(1, 0, 0), "exit code of the service"),
        (ALL_WELL, Ended(None, 0, 0), "exit code of the service"),
        (ALL_WELL, Ended(0, 1, 0), "processes left"),
        (ALL_WELL, Ended(0, 0, 1), "files left"),
    ],
)
def test_what_is_lost_or_left_is_red(outcomes: dict[str, float], ended: Ended, name: str) -> None:
    assert red(holdings(), outcomes, ended, 1000.0) == {name}


def test_a_few_looks_prove_nothing() -> None:
    with pytest.raises(ValueError, match="too few"):
        judge(holdings(count=5), ALL_WELL, IN_ORDER, 50.0)


def test_this_process_holds_memory_and_descriptors_and_is_alive() -> None:
    here = holding(os.getpid(), 0.0)
    assert here.pids[0] == os.getpid()
    assert here.memory > 1 << 20
    assert here.descriptors > 2
    assert alive(os.getpid())
    assert not alive(2**22 + 1)
