"""The benchmark of SLA: what is within its limits, and how it is told."""

from dataclasses import replace

import pytest

from benchmarks.sla.__main__ import LIMITS, as_text, is_within


def test_what_is_at_its_limit_is_within() -> None:
    assert is_within(LIMITS)


@pytest.mark.parametrize("figure", ["status_of_one", "status_of_all", "statements", "size"])
def test_what_is_over_any_limit_is_not(figure: str) -> None:
    assert not is_within(replace(LIMITS, **{figure: getattr(LIMITS, figure) * 2}))


def test_figures_are_told_beside_their_limits() -> None:
    found = replace(LIMITS, status_of_one=0.0037, size=1_234_000_000)
    first, *_, last = as_text(found).splitlines()
    assert first.split() == ["status", "of", "one", "tenant", "3.7", "ms", "limit", "10", "ms"]
    assert last.split() == ["store", "1234", "MB", "limit", "2000", "MB"]
