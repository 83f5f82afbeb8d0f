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
from dialtone.sla.figures import Account
from dialtone.sla.pool import pooled

_HEAD = ("", "kept", "promised", "bounds", "covered", "budget", "burn", "inc")
_LINE = "  {:<7} {:>9} {:>9} {:>16} {:>7} {:>8} {:>11} {:>4}"
_BOUNDS_DIGITS = 3
_PROVISIONAL = "* provisional: less than 95 % of the time that counts was measured"


def table(accounts: Sequence[Account]) -> Iterator[str]:
    """Yield the lines of accounts, the worst first, and what they add up to."""
    yield from _heading(accounts)
    for account in sorted(accounts, key=worst):
        yield from paragraph(f"{account.objective.tenant}: {account.objective.service}", indent="    ")
        yield _row(account)
    yield ""
    yield from _together(accounts)
    if any(account.is_met is not None and account.corrected.is_provisional for account in accounts):
        yield _PROVISIONAL


def worst(account: Account) -> tuple[int, Fraction, str, str]:
    """Return what sorts accounts: the missed, what nothing is known of, the kept; by budget left."""
    order = {False: 0, None: 1, True: 2}[account.is_met]
    left = account.budget.left
    objective = account.objective
    return order, Fraction(-1) if left is None else left, objective.tenant, objective.service


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
    kept_by = f"{pool.met} met, {pool.missed} missed, {pool.unmeasured} without data"
    yield from paragraph(f"together {count}: {kept_by}", indent="    ")
    found = pool.corrected
    if found.availability is not None:
        shares = f"{share(found.availability, _BOUNDS_DIGITS)}, bounds {bounds(found, _BOUNDS_DIGITS)}"
        yield from paragraph(f"added up: kept {shares}, covered {share(found.coverage, 1)}", "  ", "    ")
