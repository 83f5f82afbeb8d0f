"""dialtone sla status: how every promise stands, the worst first."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from dialtone.cli.books import asked, nothing_yet, period_option
from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument, domain_of
from dialtone.cli.sla.asjson import accounts_json
from dialtone.cli.sla.details import details
from dialtone.cli.sla.table import table
from dialtone.cli.words import printable
from dialtone.config import Settings, load
from dialtone.config.problem import nearest
from dialtone.model import Scope
from dialtone.sla.figures import Account
from dialtone.wiring.ledger import Ledger, SoundAccounts


@click.command()
@config_argument
@click.option("--tenant", metavar="DOMAIN", help="This tenant in detail, and all below it.")
@click.option("--service", metavar="NAME", help="This service only.")
@period_option
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(config: Path, tenant: str | None, service: str | None, period: str | None, shape: str) -> int:
    """Show how the objectives of CONFIG are kept, the worst first: of the period that runs, or of a month.

    Reads the data folder, whether the service runs or not. Exit 0, kept or missed; 2 when a closed month is
    left out because the books don't give it any more; 7 where the data folder can't be used.
    """
    settings = load(config)
    domain = None
    if tenant is not None:
        closed = asked(settings, _closed) or frozenset()
        domain = domain_of(settings, tenant, known=closed)
    if service is not None:
        _check_service(settings, service)
    try:
        found = asked(settings, partial(_accounts, _scope(settings, domain), period))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--period") from None
    accounts, broken = ((), ()) if found is None else (found.accounts, found.broken)
    chosen = [one for one in accounts if service in (None, one.objective.service)]
    for why in broken:
        click.echo(f"left out: {printable(str(why))}", err=True)
    if shape == "json":
        shown = accounts_json(chosen, period, began=found is not None)
        click.echo(json.dumps(shown | {"broken": [str(why) for why in broken]}, indent=2))
    elif found is None:
        click.echo(nothing_yet(settings))
    elif not chosen and not broken:
        whom = f"{domain} and what is below it" if domain is not None else "nobody"
        click.echo(
            f"{settings.source} promises {whom} nothing" if domain else f"{settings.source} has no objectives"
        )
    elif chosen:
        _print(chosen, domain)
    return Exit.FAILED if broken else Exit.OK


async def _accounts(scope: Scope, period: str | None, ledger: Ledger) -> SoundAccounts:
    return await ledger.sound_accounts(scope, period=period)


async def _closed(ledger: Ledger) -> frozenset[str]:
    return frozenset(one.tenant for one in await ledger.books.closings(Scope.everything(), whole=False))


def _scope(settings: Settings, domain: str | None) -> Scope:
    if domain is None:
        return Scope.everything()
    return settings.tree.scope(domain) if domain in settings.tree else Scope.of(domain)


def _check_service(settings: Settings, service: str) -> None:
    known = dict.fromkeys(one.service for one in settings.objectives)
    if service not in known:
        hint = nearest(service, known)
        raise click.BadParameter(
            f"{settings.source} promises no service {service!r}{hint}", param_hint="--service"
        )


def _print(accounts: Sequence[Account], domain: str | None) -> None:
    own = [one for one in accounts if one.objective.tenant == domain]
    for one in own:
        for line in details(one):
            click.echo(line)
        click.echo()
    if len(own) != len(accounts):
        for line in table(accounts):
            click.echo(line)
