"""The verdict on each service, and on all of them."""

from collections.abc import Sequence
from fractions import Fraction

from dialtone.sla.figures import Account, Budget, Figures, Standing
from dialtone.sla.statements.credits import credit_of
from dialtone.sla.statements.dates import duration
from dialtone.sla.statements.language import Language
from dialtone.sla.statements.numbers import digits_for, exact_percent, percent
from dialtone.sla.statements.plain import plain
from dialtone.sla.statements.sheet import Verdict
from dialtone.sla.statements.terms import about

NONE = "–"
"""Stands where there is no figure."""


def verdict(account: Account, language: Language) -> Verdict:
    """Return what was promised and kept of one service."""
    objective, locale = account.objective, language.locale
    digits = digits_for(objective.target)
    budget = account.budget
    return Verdict(
        service=plain(objective.title(language.tag)),
        about=about(objective, language),
        target=exact_percent(objective.target, locale),
        raw=share(account.raw.availability, digits, language),
        raw_bounds=_bounds(account.raw, digits, language),
        corrected=share(account.corrected.availability, digits, language),
        corrected_bounds=_bounds(account.corrected, digits, language),
        coverage=share(account.corrected.coverage, 2, language),
        is_provisional=account.corrected.is_provisional,
        spent=duration(budget.spent, locale),
        budget=duration(max(0, int(budget.seconds)), locale),
        left=_left(budget, language),
        is_overspent=budget.seconds < budget.spent,
        result=account.standing,
        said=_said(account, language),
        credit=_credit(account, language),
    )


def headline(accounts: Sequence[Account], language: Language) -> tuple[Standing, str]:
    """Return the verdict on all services in one line, and what of it rests on too little.

    The standing is the worst one's.
    """
    standing, line = _headline(accounts, language)
    return standing, " ".join(part for part in (line, _little(accounts, language)) if part)


def _little(accounts: Sequence[Account], language: Language) -> str:
    """Say how many verdicts rest on less than what is asked for, "" where none does."""
    found = [one for one in accounts if one.is_met is not None and one.corrected.is_provisional]
    if not found:
        return ""
    if len(accounts) == 1:
        return language.gettext("This is provisional: only {share} of the time was measured.").format(
            share=share(found[0].corrected.coverage, 2, language)
        )
    return language.ngettext(
        "{provisional} verdict of {count} is provisional: less than 95% of the time was measured.",
        "{provisional} verdicts of {count} are provisional: less than 95% of the time was measured.",
        len(found),
    ).format(provisional=len(found), count=len(accounts))


def _headline(accounts: Sequence[Account], language: Language) -> tuple[Standing, str]:
    _, ngettext = language.gettext, language.ngettext
    standings = [account.standing for account in accounts]
    count, kept = len(standings), standings.count(Standing.KEPT)
    if not standings:
        return Standing.UNMEASURED, _("No service was promised in this period.")
    if standings.count(Standing.MET) == count:
        return Standing.MET, ngettext(
            "The target was met.", "The targets of all {count} services were met.", count
        ).format(count=count)
    if standings.count(Standing.MET) + kept == count:
        return Standing.KEPT, ngettext(
            "The target is kept so far.", "The targets of all {count} services are kept so far.", count
        ).format(count=count)
    missed, below, unmeasured = map(standings.count, (Standing.MISSED, Standing.BELOW, Standing.UNMEASURED))
    parts = []
    if missed:
        parts.append(
            _("The target was missed.")
            if count == 1
            else ngettext(
                "{missed} service of {count} missed its target.",
                "{missed} services of {count} missed their targets.",
                missed,
            ).format(missed=missed, count=count)
        )
    if below:
        parts.append(
            _("The target is not kept so far, but still can be.")
            if count == 1
            else ngettext(
                "{below} service of {count} is below its target so far, but can still keep it.",
                "{below} services of {count} are below their targets so far, but can still keep them.",
                below,
            ).format(below=below, count=count)
        )
    if unmeasured:
        parts.append(
            _("Nothing was measured.")
            if count == 1
            else ngettext(
                "{unmeasured} service of {count} was not measured.",
                "{unmeasured} services of {count} were not measured.",
                unmeasured,
            ).format(unmeasured=unmeasured, count=count)
        )
    worst = Standing.MISSED if missed else Standing.BELOW if below else Standing.UNMEASURED
    return worst, " ".join(parts)


def share(value: Fraction | None, digits: int, language: Language) -> str:
    """Return a measured share, a dash where there is none."""
    return NONE if value is None else percent(value, digits, language.locale)


def _left(budget: Budget, language: Language) -> str:
    _ = language.gettext
    rest = budget.seconds - budget.spent
    if rest < 0:
        return _("overspent by {time}").format(time=duration(-(rest // 1), language.locale))
    if budget.left is None:
        return _("nothing to spend")
    # No figure of the contract: one decimal will do.
    digits = 0 if budget.left == 1 else 1
    return _("{share} left").format(share=percent(budget.left, digits, language.locale))


def _bounds(figures: Figures, digits: int, language: Language) -> str:
    if figures.lower is None or figures.upper is None:
        return NONE
    # A line may break after the dash, and nowhere else.
    return "\u00a0– ".join(percent(each, digits, language.locale) for each in (figures.lower, figures.upper))


def _said(account: Account, language: Language) -> str:
    _ = language.gettext
    said = {
        Standing.MET: _("Met"),
        Standing.MISSED: _("Missed"),
        Standing.KEPT: _("Met so far"),
        Standing.BELOW: _("Below target so far"),
        Standing.UNMEASURED: _("Not measured"),
    }[account.standing]
    return _provisional(said, account, language)


def _credit(account: Account, language: Language) -> str:
    _ = language.gettext
    credit = credit_of(account)
    if credit is None:
        has_table = account.objective.credits and account.is_met is not None
        return _provisional(_("None"), account, language) if has_table else NONE
    words = _("{share} of the fee") if account.is_over else _("{share} of the fee so far")
    said = words.format(share=exact_percent(credit.share, language.locale))
    return _provisional(said, account, language)


def _provisional(said: str, account: Account, language: Language) -> str:
    """Return a verdict or a credit with the word for it where it rests on too little."""
    rests_on_little = account.is_met is not None and account.corrected.is_provisional
    return language.gettext("{said}, provisional").format(said=said) if rests_on_little else said
