"""dialtone sla audit: who changed the books, when, and how."""

import json
from functools import partial
from pathlib import Path

import click

from dialtone.cli.books import asked, moment, nothing_yet, zone_of
from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument, domain_of
from dialtone.cli.sla.words import paragraph
from dialtone.config import Settings, load
from dialtone.model import AuditRow, Scope, normalise_domain
from dialtone.sla.encoding import plain
from dialtone.wiring.ledger import Ledger


@click.command()
@config_argument
@click.option("--tenant", metavar="DOMAIN", help="What was done to this tenant's books only.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="So many, the newest."
)
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
def audit(config: Path, tenant: str | None, limit: int, shape: str) -> int:
    """Show the changes of the books of CONFIG, newest first: maintenance, corrections, closings, by whom.

    Exit 0; 7 where the data folder can't be used.
    """
    settings = load(config)
    found = asked(settings, partial(_rows, settings, tenant, limit))
    if shape == "json":
        click.echo(json.dumps(plain(found or []), indent=2))
    elif found is None:
        click.echo(nothing_yet(settings))
    elif not found:
        click.echo("nothing was changed")
    else:
        for row in found:
            _tell(settings, row)
    return Exit.OK


async def _rows(settings: Settings, tenant: str | None, limit: int, ledger: Ledger) -> list[AuditRow]:
    """Return rows of all, or of a tenant, which may have left the configuration."""
    everything = Scope.everything()
    if tenant is None:
        return await ledger.books.audit(everything, limit=limit)
    try:
        rows = await ledger.books.audit(everything, tenant=normalise_domain(tenant), limit=limit)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--tenant") from None
    domain_of(settings, tenant, known={row.tenant for row in rows})
    return rows


def _tell(settings: Settings, row: AuditRow) -> None:
    when = moment(row.at, zone_of(settings, row.tenant, None))
    for line in paragraph(f"{when}  {row.tenant}: {row.action} by {row.author}", "", "    "):
        click.echo(line)
    for line in paragraph(row.detail, "    ", "      "):
        click.echo(line)
