"""Percentages on paper are cut off, in the locale's own writing."""

from fractions import Fraction

import pytest
from babel import Locale
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.sla.statements.numbers import (
    cut,
    digits_for,
    digits_of,
    exact_percent,
    percent,
    percent_text,
)

FRENCH, ENGLISH, CANADIAN = Locale("fr"), Locale("en"), Locale("fr", "CA")


@pytest.mark.parametrize(
    ("locale", "written"),
    [(ENGLISH, "99.949%"), (FRENCH, "99,949\u00a0%"), (CANADIAN, "99,949\u00a0%")],
)
def test_a_share_is_cut_off_and_not_rounded_in_each_locale(locale: Locale, written: str) -> None:
    assert percent(Fraction(9994999, 10**7), 3, locale).replace("\u202f", "\u00a0") == written


def test_less_than_all_is_never_a_hundred_percent() -> None:
    assert percent(1 - Fraction(1, 10**12), 3, ENGLISH) == "99.999%"
    assert percent(1 - Fraction(1, 10**12), 0, ENGLISH) == "99%"
    assert percent(Fraction(1), 3, ENGLISH) == "100.000%"


def test_figures_have_as_many_decimals_as_the_target_and_three_at_least() -> None:
    assert [digits_for(Fraction(text)) for text in ("0.99", "0.9995", "0.99999", "0.999999")] == [3, 3, 3, 4]


def test_a_target_without_an_end_has_nine_decimals_at_most() -> None:
    assert digits_of(Fraction(2, 3)) == 9


def test_what_was_agreed_is_written_as_it_was() -> None:
    assert [exact_percent(Fraction(text), ENGLISH) for text in ("0.9995", "0.9", "1")] == [
        "99.95%",
        "90%",
        "100%",
    ]


def test_a_budget_that_is_overspent_is_cut_off_downwards() -> None:
    assert percent_text(Fraction(-1, 3), 2) == "-33.34"


@settings(max_examples=60)
@given(st.fractions(0, 1, max_denominator=10**7), st.integers(0, 6))
def test_what_is_written_is_at_most_what_it_is_and_less_than_a_last_digit_off(
    share: Fraction, digits: int
) -> None:
    written = Fraction(cut(share, digits))
    assert written <= share * 100 < written + Fraction(1, 10**digits)
