"""How many slices were bad, which a burn rate asks for: as many as failures were confirmed."""

from fractions import Fraction
from typing import Final

import pytest

from dialtone.sla.account import account
from dialtone.sla.burn import burning
from dialtone.sla.calendar import Span
from tests.unit.sla.histories import moment, the_objective, the_pages
from tests.unit.sla.reference import History, Put, Seen

JULY: Final = 1_782_864_000  # 2026-07-01 00:00 UTC
DAY: Final = 86_400
NOW: Final = JULY + 20 * DAY + 600


def calls(interval: int, bad: int, *, since: int = JULY, until: int | None = None) -> Seen:
    """Return a probe of calls whose slots fail, so many of them, from 100 s before now on."""
    seen = Seen("call", "calls", "mtl1", interval, since, until)
    first = (NOW - 240) // interval
    for slot in range((NOW - 7200) // interval, NOW // interval):
        failed = first <= slot < first + bad
        seen.results += [(slot, 1, "fail"), (slot, 2, "fail")] if failed else [(slot, 1, "pass")]
    return seen


def traffic(*bad: int) -> Seen:
    """Return a tenant's traffic, bad in these minutes."""
    seen = Seen("call", "", "", 60, JULY, None, is_traffic=True)
    seen.marks = dict.fromkeys(bad, "bad")
    return seen


def july(*seen: Seen, evidence: str = "either", puts: list[Put] | None = None) -> History:
    """Return a month of 99.99 %."""
    return History(
        ("call",),
        Fraction(9999, 10_000),
        "UTC",
        JULY,
        JULY + 31 * DAY,
        NOW,
        evidence,
        seen=list(seen),
        puts=puts or [],
    )


def bad_in_an_hour(history: History) -> tuple[int, set[str]]:
    """Return how many slices of the last hour are bad, and what is called for."""
    period = Span(moment(history.start), moment(history.end))
    found = account(the_objective(history), the_pages(history), period, moment(history.now))
    (hour,) = [one for one in found.burns if one.window == 3600]
    return hour.bad, {one.severity for one in burning(found)}


@pytest.mark.parametrize(("interval", "bad"), [(10, 1), (10, 2), (60, 1), (60, 2)])
def test_one_or_two_failures_call_nobody(interval: int, bad: int) -> None:
    assert bad_in_an_hour(july(calls(interval, bad))) == (bad, set())


@pytest.mark.parametrize("interval", [10, 60])
def test_three_failures_do(interval: int) -> None:
    assert bad_in_an_hour(july(calls(interval, 3))) == (3, {"page", "ticket"})


def test_a_probe_that_was_slower_before_changes_nothing_of_that() -> None:
    """The interval became shorter on the sixth: what the month began with is no measure of today."""
    before = calls(60, 0, until=JULY + 5 * DAY)
    assert bad_in_an_hour(july(before, calls(10, 3, since=JULY + 5 * DAY))) == (3, {"page", "ticket"})


def test_traffic_that_is_good_changes_nothing_of_that() -> None:
    assert bad_in_an_hour(july(calls(10, 3), traffic())) == (3, {"page", "ticket"})


def test_a_minute_of_bad_traffic_is_one_slice_however_often_is_probed() -> None:
    assert bad_in_an_hour(july(calls(10, 0), traffic(NOW // 60 - 4))) == (1, set())
    assert bad_in_an_hour(july(calls(10, 6), traffic((NOW - 240) // 60))) == (1, set())


def test_what_a_correction_makes_bad_counts_by_the_minute() -> None:
    put = Put(1, (), NOW - 300, NOW - 120, "bad")
    assert bad_in_an_hour(july(calls(10, 0), puts=[put])) == (3, {"page", "ticket"})
