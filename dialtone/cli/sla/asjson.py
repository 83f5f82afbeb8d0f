"""Accounts as JSON: the figures of statements, with whose they are and how fast the budget burns."""

from collections.abc import Sequence
from fractions import Fraction

from dialtone.sla.burn import burning
from dialtone.sla.figures import Account, Figures
from dialtone.sla.pool import pooled
from dialtone.sla.statements.asjson import figures

_DIGITS = 6


def accounts_json(accounts: Sequence[Account], period: str | None, *, began: bool) -> dict[str, object]:
    """Return accounts, and what they add up to; `data` is False where no service ever ran.

    `figures` of an account are those of a statement, in which shares are exact; burn rates are floats.
    """
    return {
        "data": began,
        "period": period,
        "accounts": [
            {
                "tenant": account.objective.tenant,
                "figures": found,
                "burns": [
                    {"window": burn.window, "rate": _number(burn.rate), "bad": burn.bad}
                    for burn in account.burns
                ],
                "burning": [
                    {
                        "severity": one.severity,
                        "long": one.long.window,
                        "short": one.short.window,
                        "factor": _number(one.factor),
                    }
                    for one in burning(account)
                ],
            }
            for account, found in zip(accounts, figures(accounts), strict=True)
        ],
        "together": _together(accounts),
    }


def _together(accounts: Sequence[Account]) -> dict[str, object]:
    pool = pooled(accounts)
    worst = None if pool.worst is None else pool.worst.objective
    return {
        "services": pool.accounts,
        "met": pool.met,
        "missed": pool.missed,
        "below": pool.below,
        "unmeasured": pool.unmeasured,
        "worst": worst and {"tenant": worst.tenant, "service": worst.service},
        "raw": _shares(pool.raw),
        "corrected": _shares(pool.corrected),
    }


def _shares(found: Figures) -> dict[str, object]:
    return {
        "good": found.good,
        "bad": found.bad,
        "unknown": found.unknown,
        "excluded": found.excluded,
        "availability": _number(found.availability),
        "lower": _number(found.lower),
        "upper": _number(found.upper),
        "coverage": _number(found.coverage),
    }


def _number(found: Fraction | None) -> float | None:
    """Return a share as a number cut off (not rounded) after six decimals."""
    return None if found is None else float(Fraction(found * 10**_DIGITS // 1, 10**_DIGITS))
