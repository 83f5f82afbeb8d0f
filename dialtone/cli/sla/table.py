"""Services as a table of 80 columns, the worst first: two lines each, for names may be long."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from dialtone.cli.books import minute
from dialtone.cli.sla.words import (
    bounds,
    budget_left,
    burn_told,
    fastest,
    kept,
    paragraph,
    promised,
    share,
    verdict,
)
from dialtone.sla.figures import Account, Standing
from dialtone.sla.pool import pooled

_HEAD = ("", "kept", "promised", "bounds", "covered", "budget", "burn", "inc")
_LINE = "  {:<7} {:>9} {:>8} {:>16} {:>7} {:>7} {:>13} {:>4}"
_BOUNDS_DIGITS = 3
_SO_FAR = "kept, below: so far; missed: whatever is to come, it can't be kept any more"
_RANKS = {
    Standing.MISSED: 0,
    Standing.BELOW: 1,
    Standing.KEPT: 2,
    Standing.MET: 2,
    Standing.UNMEASURED: 3,
}
_BURN = (
    "burn: how many times too fast the budget goes, in the window where it goes fastest; 1x spends it just "
    "within the period"
)
_PROVISIONAL = "* provisional: less than 95 % of the time that counts was measured"


def table(accounts: Sequence[Account]) -> Iterator[str]:
    """Yield the lines of accounts, the worst first, and what they add up to."""
    yield from _heading(accounts)
    for account in sorted(accounts, key=worst):
        yield from paragraph(f"{account.objective.tenant}: {account.objective.service}", indent="    ")
        yield _row(account)
    yield ""
    yield from _together(accounts)
    if any(account.is_met is not None and not account.is_over for account in accounts):
        yield _SO_FAR
    if any(fastest(account) is not None for account in accounts):
        yield from paragraph(_BURN)
    if any(account.is_met is not None and account.corrected.is_provisional for account in accounts):
        yield _PROVISIONAL


def worst(account: Account) -> tuple[int, Fraction, str, str]:
    """Return what sorts accounts: the missed, the low, the kept, by budget left; what nothing is known of."""
    rank, left, objective = _RANKS[account.standing], account.budget.left, account.objective
    return rank, Fraction(-1) if left is None else left, objective.tenant, objective.service


def _heading(accounts: Sequence[Account]) -> Iterator[str]:
    until = max(account.until for account in accounts)
    yield f"counted until {minute(until)} UTC"
    yield _LINE.format(*_HEAD).rstrip()


def _row(account: Account) -> str:
    corrected = account.corrected
    return _LINE.format(
        verdict(account),
        kept(account),
        promised(account),
        bounds(corrected, _BOUNDS_DIGITS) if corrected.lower is not None else "-",
        share(corrected.coverage, 1),
        budget_left(account),
        burn_told(fastest(account)),
        len(account.incidents),
    )


def _together(accounts: Sequence[Account]) -> Iterator[str]:
    pool = pooled(accounts)
    count = f"{pool.accounts} service{'s' if pool.accounts != 1 else ''}"
    below = f"{pool.below} below so far, " if pool.below else ""
    met = "met" if all(account.is_over for account in accounts) else "kept"
    kept_by = f"{pool.met} {met}, {pool.missed} missed, {below}{pool.unmeasured} without data"
    yield from paragraph(f"together {count}: {kept_by}", indent="    ")
    found = pool.corrected
    if found.availability is not None:
        shares = f"{share(found.availability, _BOUNDS_DIGITS)}, bounds {bounds(found, _BOUNDS_DIGITS)}"
        yield from paragraph(f"added up: kept {shares}, covered {share(found.coverage, 1)}", "  ", "    ")
