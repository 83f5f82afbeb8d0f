"""Numbers and names out of a server's texts."""

import pytest

from collectors.asterisk.figures import count, label, ratio, seconds

NO_NUMBERS = (
    None,
    "",
    "-1",
    "+1",
    "1.5",
    "nan",
    "inf",
    "1e3",
    " 1",
    "1\n",
    "٣",
    "0x10",
    "9" * 13,
    "9" * 5000,
)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_is_none(text: str | None) -> None:
    assert count(text) is None
    assert seconds(text) is None


def test_numbers_are_read_as_they_are() -> None:
    assert (count("0"), count("007"), count("999999999999")) == (0, 7, 999_999_999_999)
    assert (seconds("0"), seconds("86400")) == (0, 86400)


def test_a_duration_by_a_clock_that_was_set_is_none() -> None:
    assert seconds("1795390370") is None


@pytest.mark.parametrize(("text", "value"), [("0.0", 0), ("100.0", 1), ("66.7", 0.667), ("5", 0.05)])
def test_percents_are_ratios(text: str, value: float) -> None:
    assert ratio(text) == pytest.approx(value)


@pytest.mark.parametrize("text", [None, "", "-0.0", "nan", "-nan", "inf", "100.1", "1000", "66,7"])
def test_percents_that_make_no_sense_are_none(text: str | None) -> None:
    assert ratio(text) is None


def test_a_name_of_any_bytes_is_a_label_that_can_be_shown() -> None:
    assert label('Vente "été" {}') == 'Vente "été" {}'
    assert label("a\nb\x00c\x1b[31m") == "a?b?c?[31m"
    assert label("x" * 5000) == "x" * 80
