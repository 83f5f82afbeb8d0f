"""The credit of an account, by the table of its contract."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from dialtone.model import Credit
from dialtone.sla.figures import Figures
from dialtone.sla.statements.credits import credit_of
from dialtone.sla.statements.totals import totals
from tests.fakes.statements import an_account, an_incident, an_objective

TABLE = (
    Credit(Fraction("0.9995"), Fraction("0.1")),
    Credit(Fraction("0.99"), Fraction("0.25")),
    Credit(Fraction("0.95"), Fraction(1)),
)


@pytest.mark.parametrize(
    ("good", "bad", "due"),
    [
        (9995, 5, None),  # just the bound: not under it
        (9994, 6, Fraction("0.1")),
        (9900, 100, Fraction("0.1")),
        (9899, 101, Fraction("0.25")),
        (0, 100, Fraction(1)),
        (0, 0, None),
    ],
)
def test_a_credit_is_that_of_the_lowest_bound_that_the_figure_is_under(
    good: int, bad: int, due: Fraction | None
) -> None:
    account = replace(
        an_account(objective=an_objective(credits=TABLE)), corrected=Figures(good, bad), raw=Figures(0, 1)
    )
    credit = credit_of(account)
    assert (credit and credit.share) == due


def test_a_contract_without_a_table_gives_no_credit() -> None:
    account = replace(an_account(objective=an_objective(credits=())), corrected=Figures(0, 100))
    assert credit_of(account) is None


def test_mean_times_leave_out_what_goes_on_and_what_is_not_on_record() -> None:
    start = datetime(2026, 10, 3, 14, 0, tzinfo=UTC)
    sums = totals(
        an_account(
            incidents=(
                an_incident(start, 300, known=None),
                an_incident(start.replace(day=4), 61),
                an_incident(start.replace(day=5), 60, end=None),
            )
        )
    )
    assert (sums.incidents, sums.to_detect, sums.to_recover) == (3, Fraction(8), Fraction(361, 2))


def test_no_incident_has_no_mean_time() -> None:
    sums = totals(an_account())
    assert (sums.incidents, sums.to_detect, sums.to_recover) == (0, None, None)
