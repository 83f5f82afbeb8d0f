"""What the benchmark of a watched Asterisk concludes from its spans."""

import math
from dataclasses import replace

import pytest

from benchmarks.asterisk.spans import DIALTONE, NOBODY, PROMETHEUS, Pairs, Span, percentile


def pairs(*triples: tuple[float, float, float]) -> Pairs:
    """Return spans whose 99th percentiles are these, in milliseconds: nobody's, ours, res_prometheus's."""
    watchers = (NOBODY, DIALTONE, PROMETHEUS)
    return Pairs(
        tuple(
            Span(watcher, 100, 0.001, p99 / 1000, 0 if watcher == NOBODY else 30, p99 / 100)
            for triple in triples
            for watcher, p99 in zip(watchers, triple, strict=True)
        )
    )


def test_what_differs_less_than_chance_is_right() -> None:
    found = pairs((4.0, 4.5, 9.0), (5.0, 5.2, 9.0), (7.0, 6.0, 9.0))
    assert found.difference(DIALTONE) == pytest.approx(0.0002)
    assert found.spread() == pytest.approx(0.003)
    assert found.right


def test_what_differs_more_than_chance_is_not_right_however_much_the_peer_differs() -> None:
    found = pairs((4.0, 6.0, 90.0), (4.1, 6.1, 90.0), (4.2, 6.2, 90.0))
    assert found.difference(PROMETHEUS) > found.difference(DIALTONE) > found.spread()
    assert not found.right


def test_each_span_is_held_against_that_of_its_own_pair() -> None:
    # The machine slows down by the pair: between the medians lies nothing, between pairs 1 ms.
    found = pairs((1.0, 2.0, 3.0), (2.0, 3.0, 4.0), (3.0, 4.0, 5.0))
    assert found.difference(DIALTONE) == pytest.approx(0.001)
    assert found.difference(PROMETHEUS) == pytest.approx(0.002)


def test_the_medians_are_compared_in_the_same_way() -> None:
    spans = [Span(who, 9, p50, 0.0, 0, 0.0) for p50 in (1.0, 3.0) for who in (NOBODY, DIALTONE, PROMETHEUS)]
    late = [span if span.watcher == NOBODY else replace(span, p50=span.p50 + 1.5) for span in spans]
    found = Pairs(tuple(late))
    assert (found.difference(DIALTONE, 50), found.spread(50)) == (1.5, 2.0)
    assert (found.difference(DIALTONE), found.spread()) == (0.0, 0.0)


def test_one_pair_alone_says_nothing_of_chance_and_is_not_right() -> None:
    assert not pairs((4.0, 4.1, 9.0)).right


def test_the_servers_share_of_a_core_is_the_median_of_each_watchers_spans() -> None:
    found = pairs((1.0, 2.0, 3.0), (1.0, 2.0, 3.0), (9.0, 9.0, 9.0))
    assert [found.cores(who) for who in (NOBODY, DIALTONE, PROMETHEUS)] == [0.01, 0.02, 0.03]


@pytest.mark.parametrize(("share", "value"), [(1, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)])
def test_a_percentile_is_one_of_the_values(share: int, value: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == value


def test_of_no_values_there_is_no_percentile() -> None:
    assert math.isnan(percentile([], 50))
