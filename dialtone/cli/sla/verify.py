"""dialtone sla verify: whether the books still give what was closed."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from dialtone.cli.books import asked, domain_of, nothing_yet, percent
from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument
from dialtone.cli.sla.words import paragraph
from dialtone.cli.words import printable
from dialtone.config import load
from dialtone.model import Scope
from dialtone.sla.statements.numbers import MOST_DIGITS
from dialtone.sla.verifying import Change, Verified
from dialtone.wiring.ledger import Ledger

_VERDICTS = {True: "met", False: "missed", None: "nothing measured"}


@click.command()
@config_argument
@click.option("--tenant", metavar="DOMAIN", help="This tenant's months only.")
@click.option("--period", metavar="YYYY-MM", help="This month only.")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
def verify(config: Path, tenant: str | None, period: str | None, shape: str) -> int:
    """Compute the closed months of CONFIG again from the slices, and compare them byte by byte.

    The chain of hashes is checked too. Exit 0 when all verify; corrections that were put down after a closing
    are told, with what they would change, and are no fault. Exit 2 when a month does not verify: it says
    which day of which series, entry or link differs. 7 where the data folder can't be used.
    """
    settings = load(config)
    found = asked(settings, partial(_verified, None, period))
    if found is None:
        click.echo(nothing_yet(settings) if shape == "text" else "[]")
        return Exit.OK
    if tenant is not None:
        domain = domain_of(settings, tenant, known={one.closing.tenant for one in found})
        found = [one for one in found if one.closing.tenant == domain]
    if shape == "json":
        click.echo(json.dumps([_as_json(one) for one in found], indent=2))
    elif not found:
        click.echo("nothing of that is closed yet: `dialtone sla close` does it")
    else:
        for one in found:
            for line in _told(one):
                click.echo(line)
    return Exit.OK if all(one.is_good for one in found) else Exit.FAILED


async def _verified(tenant: str | None, period: str | None, ledger: Ledger) -> list[Verified]:
    return await ledger.verify(Scope.everything(), tenant=tenant, period=period)


def _told(one: Verified) -> Iterator[str]:
    closing = one.closing
    verdict = "verified" if one.is_good else "DOES NOT VERIFY"
    yield f"{printable(closing.tenant)} {printable(closing.period)}: {verdict}"
    who = f"closed {closing.closed:%Y-%m-%d %H:%M} UTC by {printable(closing.author)}"
    yield from paragraph(f"number {closing.sequence}, {who}", "  ", "    ")
    yield f"  hash {printable(closing.hash)}"
    for problem in one.problems:
        yield from paragraph(f"- {problem}", "  ", "    ")
    if one.later:
        yield "  the closing stands; put down since:"
        for later in one.later:
            yield from paragraph(f"- {later}", "    ", "      ")
        for change in one.changes:
            yield from paragraph(f"with that {_change(change)}", "  ", "    ")
        if not one.changes:
            yield "  which changes no figure"


def _change(change: Change) -> str:
    digits = next(
        (n for n in range(3, MOST_DIGITS) if percent(change.was, n) != percent(change.now, n)), MOST_DIGITS
    )
    shares = f"{percent(change.was, digits)} to {percent(change.now, digits)}"
    verdicts = f"{_VERDICTS[change.was_met]} -> {_VERDICTS[change.now_met]}"
    said = verdicts if change.was_met != change.now_met else f"still {_VERDICTS[change.now_met]}"
    return f"{change.service} goes from {shares} ({said})"


def _as_json(one: Verified) -> dict[str, object]:
    closing = one.closing
    return {
        "tenant": closing.tenant,
        "period": closing.period,
        "sequence": closing.sequence,
        "closed": closing.closed.isoformat(),
        "author": closing.author,
        "hash": closing.hash,
        "verified": one.is_good,
        "problems": list(one.problems),
        "later": list(one.later),
        "changes": [
            {
                "service": change.service,
                "was": None if change.was is None else str(change.was),
                "now": None if change.now is None else str(change.now),
                "was_met": change.was_met,
                "now_met": change.now_met,
            }
            for change in one.changes
        ],
    }
