"""How an account is told in a line of text."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from dialtone.cli.words import folded, printable
from dialtone.sla.figures import Account, Burn, Figures, Standing
from dialtone.sla.statements.numbers import digits_for, digits_of, percent_text

WIDTH: Final = 80
_LEAST_LEFT: Final = Fraction(-999, 100)
"""What is overspent more than ten times over is told as that."""
_MOST_RATE: Final = 9999
"""What burns faster is told as that."""
_WINDOWS: Final = (("d", 86_400), ("h", 3600), ("m", 60))


def verdict(account: Account) -> str:
    """Return how the promise stands in a word, with a * where too little was measured to say so."""
    said = "no data" if account.standing is Standing.UNMEASURED else account.standing.value
    return said + ("*" if account.is_met is not None and account.corrected.is_provisional else "")


def share(found: Fraction | None, digits: int, unit: str = "%") -> str:
    """Return a share in percent, cut off; a dash where there is none."""
    return "-" if found is None else percent_text(found, digits) + unit


def kept(account: Account) -> str:
    """Return the availability, with as many decimals as the target asks for."""
    return share(account.corrected.availability, digits_for(account.objective.target))


def promised(account: Account) -> str:
    """Return the target."""
    return share(account.objective.target, digits_of(account.objective.target))


def bounds(figures: Figures, digits: int) -> str:
    """Return the least and the most that the availability may be, whatever the unknown was."""
    return f"{share(figures.lower, digits, '')}..{share(figures.upper, digits, '')}"


def budget_left(account: Account) -> str:
    """Return the share of the budget that is left; below 0 where it is overspent."""
    left = account.budget.left
    if left is None:
        return "none"
    return share(left, 1) if left > _LEAST_LEFT else "<-999%"


def fastest(account: Account) -> Burn | None:
    """Return the window over which the budget is spent fastest, None where nothing is spent."""
    spent = [burn for burn in account.burns if burn.rate is not None and burn.rate > 0]
    return max(spent, key=lambda burn: (burn.rate or 0, -burn.window), default=None)


def burn_told(burn: Burn | None) -> str:
    """Return a burn rate with its window, like "14.4x in 1h", cut off after a tenth (from 1000 on, whole)."""
    if burn is None or burn.rate is None:
        return "-"
    whole = burn.rate // 1
    rate = f">{_MOST_RATE}" if whole > _MOST_RATE else str(whole) if whole >= 1000 else rate_told(burn.rate)
    return f"{rate}x in {window_told(burn.window)}"


def rate_told(rate: Fraction) -> str:
    """Return a burn rate, cut off after a tenth."""
    tenths = rate * 10 // 1
    return f"{tenths // 10}.{tenths % 10}"


def window_told(seconds: int) -> str:
    """Return a window like 5m, 1h or 3d."""
    for unit, size in _WINDOWS:
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def paragraph(text: str, first: str = "", indent: str = "  ") -> Iterator[str]:
    """Yield text in lines of 80 columns, the later ones indented."""
    yield from folded(first, printable(text).split(" "), width=WIDTH, indent=indent, gap=" ")
