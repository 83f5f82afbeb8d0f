"""How evenly packets leave is told by the clock of their own stream."""

import math

import pytest

from benchmarks.media.lateness import Stamp, lateness


def stream(late: list[float], first: int = 0, began: float = 100.0) -> list[Stamp]:
    return [
        ((first + 160 * number) % (1 << 32), began + 0.02 * number + seconds)
        for number, seconds in enumerate(late)
    ]


def test_even_packets_are_late_by_nothing() -> None:
    found = lateness([stream([0.0] * 100)])
    assert found.packets == 100
    assert found.most == pytest.approx(0, abs=1e-9)


def test_the_packet_that_came_soonest_is_the_measure_of_its_stream_and_of_no_other() -> None:
    found = lateness([stream([0.005] + [0.001] * 99), stream([0.002] * 100)])
    assert found.packets == 200
    assert found.p50 == pytest.approx(0, abs=1e-9)
    assert found.most == pytest.approx(0.004)


def test_a_clock_that_wraps_is_no_lateness() -> None:
    assert lateness([stream([0.0] * 100, first=(1 << 32) - 800)]).most == pytest.approx(0, abs=1e-9)


def test_a_packet_out_of_order_counts_by_its_own_clock() -> None:
    stamps = stream([0.0] * 10)
    assert lateness([[*stamps[:3], stamps[4], stamps[3], *stamps[5:]]]).most == pytest.approx(0, abs=1e-9)


def test_frames_that_were_left_out_are_no_lateness() -> None:
    stamps = stream([0.0] * 100)
    assert lateness([stamps[:20] + stamps[60:]]).most == pytest.approx(0, abs=1e-9)


def test_of_nothing_there_is_no_figure() -> None:
    assert math.isnan(lateness([[], []]).p50)
