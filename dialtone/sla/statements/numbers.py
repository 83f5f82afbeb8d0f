"""Shares as people read them: cut off, never rounded (definitions: availability 9)."""

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from babel import Locale
from babel.numbers import NumberPattern, format_percent, parse_pattern

LEAST_DIGITS: Final = 3
"""Decimals of a percentage that was measured; a target with more of them asks for more."""

MOST_DIGITS: Final = 9


def digits_of(share: Fraction) -> int:
    """Return how many decimals a share has when it is written as a percentage, at most MOST_DIGITS."""
    for digits in range(MOST_DIGITS):
        if (share * 100 * 10**digits).denominator == 1:
            return digits
    return MOST_DIGITS


def digits_for(target: Fraction) -> int:
    """Return with how many decimals figures stand beside a target: as many as it has, at least three."""
    return max(LEAST_DIGITS, digits_of(target))


def cut(share: Fraction, digits: int) -> Decimal:
    """Return a share in percent, cut off (downwards) after so many decimals.

    Only a share of 1 is 100, whatever the digits.
    """
    return Decimal(share * 100 * 10**digits // 1).scaleb(-digits)


def percent_text(share: Fraction, digits: int) -> str:
    """Return a share in percent as a program reads it: `99.949`."""
    return f"{cut(share, digits):f}"


@lru_cache(4096)
def percent(share: Fraction, digits: int, locale: Locale) -> str:
    """Return a share in percent as people of a locale write it: `99.949%`, `99,949 %`."""
    found = cut(share, digits)
    return format_percent(found.scaleb(-2), _pattern(digits, locale), locale)


def exact_percent(share: Fraction, locale: Locale) -> str:
    """Return what was agreed on in percent, with the decimals it has: a target, a credit."""
    return percent(share, digits_of(share), locale)


@lru_cache(256)
def _pattern(digits: int, locale: Locale) -> NumberPattern:
    # The locale's own shape (where the sign stands, and the space before it) with so many decimals.
    shape = locale.percent_formats[None].pattern
    return parse_pattern(shape.replace("#,##0", "#,##0." + "0" * digits) if digits else shape)
