"""What the live tests hold to be right of a stream, against figures worked by hand."""

from collections.abc import Callable, Sequence

import pytest

from lab.faults.media.truth import Noted, Truth
from tests.live.opinion import Opinion, opinion


def a_truth(
    lost: Sequence[int] = (), late: Callable[[int], float] = lambda _: 0.0, packets: int = 100
) -> Truth:
    came = [Noted(n, (2**32 - 1600 + 160 * n) % 2**32, 0, 7, 0.02 * n) for n in range(packets)]
    went = [
        packet._replace(at=packet.at + late(packet.sequence))
        for packet in came
        if packet.sequence not in lost
    ]
    return Truth(came=came, went=sorted(went, key=lambda packet: packet.at))


def test_what_came_as_it_was_sent_is_worth_the_most() -> None:
    right = opinion(a_truth())
    assert (right.sent, right.lost, right.late, right.twice, right.burst) == (100, 0, 0, 0, 1.0)
    assert right.jitter == pytest.approx(0.0, abs=1e-9)
    assert right.mos(0.0) == pytest.approx(4.41, abs=0.005)


def test_losses_count_in_percent_and_in_runs() -> None:
    alone = opinion(a_truth(lost=range(0, 100, 20)))
    assert alone.loss_ratio == 0.05
    assert Opinion(100, 5, 0, 0, 0.0, 1.0).mos(0.0) == pytest.approx(3.92, abs=0.005)
    together = opinion(a_truth(lost=range(40, 45)))
    assert together.burst == pytest.approx(1 / (1 / 95 + 1 / 5))
    assert together.mos(0.0) < alone.mos(0.0)


def test_jitter_is_the_mean_of_rfc_3550s_after_each_packet() -> None:
    """Packets late in turn: |D| is always 8 ms, and J comes to 8 (1 - (15/16)^n)."""
    right = opinion(a_truth(late=lambda number: 0.008 * (number % 2)))
    by_hand = [0.008 * (1 - (15 / 16) ** n) for n in range(1, 100)]
    assert right.jitter == pytest.approx(sum(by_hand) / 99)


def test_what_comes_later_than_the_buffer_is_late_and_a_twin_is_not_lost() -> None:
    truth = a_truth(late=lambda number: 0.3 * (number == 50))
    truth.went.append(truth.went[0])
    right = opinion(truth)
    assert (right.late, right.lost, right.twice) == (1, 0, 1)


@pytest.mark.parametrize(
    ("percent", "burst", "mouth_to_ear", "mos"),
    [
        (0, 1, 0.15, 4.406),
        (0, 1, 0.4, 3.556),
        (1, 2, 0.05, 4.326),
        (5, 1, 0.25, 3.526),
        (10, 2, 0.15, 3.176),
        (10, 2, 0.4, 1.947),
    ],
)
def test_the_score_is_that_of_the_worked_vectors(
    percent: int, burst: float, mouth_to_ear: float, mos: float
) -> None:
    """Of a packet and a buffer of 20 ms each; the rest is half the round trip."""
    right = Opinion(100, percent, 0, 0, 0.0, burst)
    assert right.mos(2 * (mouth_to_ear - 0.04)) == pytest.approx(mos, abs=0.001)
