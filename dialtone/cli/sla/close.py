"""dialtone sla close: freeze a month, of one tenant or of all."""

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import click

from dialtone.cli.books import asked, author_of, author_option, nothing_yet, percent
from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument, domain_of
from dialtone.cli.sla.words import paragraph
from dialtone.cli.words import printable
from dialtone.config import load
from dialtone.model import Closing
from dialtone.wiring.ledger import ClosingAttempt, Ledger


@click.command()
@config_argument
@click.option("--period", required=True, metavar="YYYY-MM", help="The month.")
@click.option(
    "--tenant", metavar="DOMAIN", help="This tenant's only; of all that have objectives if not given."
)
@author_option
def close(config: Path, period: str, tenant: str | None, author: str | None) -> int:
    """Freeze a month of CONFIG: what its figures came from, and the figures, in a chain of hashes.

    A month can be closed an hour after its end, if anything was to be measured in it; where less than 95 % of
    the time was, it is closed with a warning. What is closed already is said and left. Exit 0 when all are
    closed, 2 when one can't be; 7 where the data folder can't be used.
    """
    settings = load(config)
    tenants = None if tenant is None else [domain_of(settings, tenant)]
    try:
        attempts = asked(settings, partial(_closed, period, author_of(author), tenants))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--period") from None
    if attempts is None:
        click.echo(nothing_yet(settings), err=True)
        return Exit.FAILED
    if not attempts:
        click.echo(f"{settings.source} promises nothing; add objectives:", err=True)
        return Exit.FAILED
    for attempt in attempts:
        _tell(attempt, period)
    return Exit.FAILED if any(attempt.closing is None for attempt in attempts) else Exit.OK


async def _closed(
    period: str, author: str, tenants: Sequence[str] | None, ledger: Ledger
) -> list[ClosingAttempt]:
    return await ledger.close(period, author=author, tenants=tenants)


def _tell(attempt: ClosingAttempt, period: str) -> None:
    made = attempt.closing
    if made is None:
        _warn(f"{attempt.tenant} {period}: not closed: {attempt.refused}")
        return
    if attempt.is_new:
        click.echo(f"{attempt.tenant} {period}: closed, number {made.sequence} of the chain")
        for warning in _provisional(made):
            _warn(f"{attempt.tenant} {period}: {warning}")
    else:
        when = f"{made.closed:%Y-%m-%d %H:%M} UTC by {printable(made.author)}"
        click.echo(f"{attempt.tenant} {period}: was closed {when}, number {made.sequence} of the chain")
    click.echo(f"  hash {made.hash}")


def _provisional(closing: Closing) -> Iterator[str]:
    """Yield what is to be said of services of which too little was measured."""
    for one in json.loads(closing.figures):
        coverage = one["corrected"]["coverage"]
        if one["provisional"] and coverage is not None:
            share = Fraction(coverage["numerator"], coverage["denominator"])
            measured = f"only {percent(share, 2)}" if share else "nothing"
            yield f"{one['service']} is provisional: {measured} of the time was measured"


def _warn(text: str) -> None:
    for line in paragraph(text):
        click.echo(line, err=True)
