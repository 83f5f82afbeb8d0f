"""What a target has come to: over; or while its period goes on, missed only if nothing can save it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from dialtone.model import Flow, Objective
from dialtone.sla.figures import Account, Budget, Figures, Standing
from dialtone.sla.pool import pooled

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(days=30)
TARGET = Fraction(999, 1000)


def an_account(
    until: datetime, good: int, bad: int, unknown: int = 0, *, target: Fraction = TARGET
) -> Account:
    """Return the account of a 30-day month: 2,592,000 s, of which 99.9 % leaves 2,592 s to spend."""
    figures = Figures(good, bad, unknown)
    objective = Objective("acme.example", "telephony", (Flow.CALL,), target, "UTC")
    budget = Budget((1 - target) * 2_592_000, bad)
    return Account(objective, START, END, until, figures, figures, budget, (), (), ())


DAY = START + timedelta(days=1)
"""After it 86,400 s are counted; one bad minute in them is 99.93 %, two are 99.86 %."""


@pytest.mark.parametrize(
    ("account", "standing"),
    [
        (an_account(DAY, 86_340, 60), Standing.KEPT),
        (an_account(DAY, 86_280, 120), Standing.BELOW),
        (an_account(DAY, 86_400 - 2_592, 2_592), Standing.BELOW),
        (an_account(DAY, 86_400 - 2_593, 2_593), Standing.MISSED),
        (an_account(DAY, 0, 0, 86_400), Standing.UNMEASURED),
        # Half of the day unknown: of the 2,548,800 s that can still be measured 0.1 % are 2,548.8 s.
        (an_account(DAY, 43_200 - 2_548, 2_548, 43_200), Standing.BELOW),
        (an_account(DAY, 43_200 - 2_549, 2_549, 43_200), Standing.MISSED),
        (an_account(DAY, 86_399, 1, target=Fraction(1)), Standing.MISSED),
        (an_account(DAY, 86_400, 0, target=Fraction(1)), Standing.KEPT),
        (an_account(END, 2_592_000 - 2_592, 2_592), Standing.MET),
        (an_account(END, 2_592_000 - 2_593, 2_593), Standing.MISSED),
        # Half of the month unknown, 60 % of the budget spent: it is over, and 99.88 % is no 99.9 %.
        (an_account(END, 1_296_000 - 1_555, 1_555, 1_296_000), Standing.MISSED),
    ],
)
def test_a_target_is_missed_before_its_period_is_over_only_where_nothing_can_save_it(
    account: Account, standing: Standing
) -> None:
    assert account.standing is standing


def test_what_is_lost_is_missed_when_the_rest_is_as_good_as_can_be() -> None:
    for unknown in (0, 43_200):
        for bad in range(2_500, 2_700):
            now = an_account(DAY, 86_400 - unknown - bad, bad, unknown)
            best = replace(now, until=END, corrected=Figures(2_592_000 - unknown - bad, bad, unknown))
            assert now.is_lost is not best.is_met


def test_services_that_are_below_so_far_are_counted_for_themselves() -> None:
    every = [an_account(DAY, 86_340, 60), an_account(DAY, 86_280, 120), an_account(DAY, 80_000, 6_400)]
    pool = pooled(every)
    assert (pool.met, pool.below, pool.missed, pool.unmeasured, pool.accounts) == (1, 1, 1, 0, 3)
