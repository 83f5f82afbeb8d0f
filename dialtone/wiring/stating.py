"""A statement from a month's terms and pages, with what only the machine has: the clock and a logo's file."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from dialtone.config.logos import LOGO_TYPES, MAX_LOGO
from dialtone.model import Closing
from dialtone.sla.account import Pages
from dialtone.sla.closing import inputs_of, pages_then
from dialtone.sla.exclusions import excluded_times
from dialtone.sla.figures import Account
from dialtone.sla.statement import ExcludedTime, Logo, Statement
from dialtone.sla.terms import Terms, accounts_of, cut
from dialtone.sla.verifying import closed_accounts
from dialtone.wiring.settling import SOURCE


def stated(
    terms: Terms, pages: Pages, closing: Closing | None, now: datetime, logo: Path | None
) -> Statement:
    """Return the statement of a month: as it was closed, or as it stands.

    Raises BrokenClosingError where the books don't give what was closed.
    """
    if closing is None:
        of_month = cut(terms, pages)
        accounts = accounts_of(terms, of_month, now)
    else:
        of_month = pages_then(inputs_of(closing), pages)
        accounts = closed_accounts(closing, pages)
    return Statement(
        terms.tenant,
        terms.issuer,
        terms.period,
        terms.zone,
        terms.language,
        now,
        accounts,
        tuple(one for one in of_month.corrections if one.withdrawn is None),
        _excluded(terms, of_month, accounts),
        None if logo is None else read_logo(logo),
        closing,
    )


def read_logo(path: Path) -> Logo | None:
    """Return a picture, None where there is none any more: a statement goes out without it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LOGO + 1)
    except OSError:
        return None
    kind = next((kind for head, kind in LOGO_TYPES.items() if data.startswith(head)), None)
    return None if kind is None or len(data) > MAX_LOGO else Logo(kind, data)


def _excluded(terms: Terms, pages: Pages, accounts: Iterable[Account]) -> tuple[ExcludedTime, ...]:
    """Return what was outside the figures of any service.

    Of maintenance that is declared above the tenant it is told time and reason, not who declared it; that it
    is in the configuration names nobody.
    """
    own = terms.tenant.domain
    told = [
        one if one.tenant == own or one.source == SOURCE else replace(one, author="")
        for one in pages.maintenance
    ]
    return excluded_times(accounts, told, pages.corrections)
