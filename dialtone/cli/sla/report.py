"""dialtone sla report: a month's statement as a document."""

import sys
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import click

from dialtone.cli.books import asked, nothing_yet
from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument, domain_of
from dialtone.cli.sla.files import why, write_all, write_whole
from dialtone.config import Settings, load
from dialtone.config.values import language as language_tag
from dialtone.model import Scope
from dialtone.sla.statement import Statement
from dialtone.sla.statements import render
from dialtone.wiring.ledger import Ledger

_BINARY = frozenset({"pdf"})
_CLIENTS = 5
"""So many of a reseller's are named."""


@click.command()
@config_argument
@click.option("--tenant", metavar="DOMAIN", help="Whose; of all, into a folder, if not given.")
@click.option("--period", required=True, metavar="YYYY-MM", help="The month.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["text", "html", "pdf", "csv", "json"]),
    default="text",
    show_default=True,
)
@click.option("--language", metavar="TAG", help="en or fr; the tenant's own if not given.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write this file, not to stdout; without --tenant, files of all tenants into this folder.",
)
def report(
    config: Path, tenant: str | None, period: str, shape: str, language: str | None, output: Path | None
) -> int:
    """Make the statement of a tenant's month: what was promised, what was kept, what is owed.

    A closed month is stated as it was closed. Of one that is open the figures may still change, and it says
    so. Without --tenant the statements of all that the month has are written as DOMAIN-YYYY-MM.FORMAT, and
    one that can't be stops no other. Exit 0; 2 where some of all can't be made or written; 3 where there is
    no such statement, or it can't be written; 7 where the data folder can't be used.
    """
    settings = load(config)
    if shape in _BINARY and output is None and sys.stdout.isatty():
        raise click.UsageError(f"{shape} is no text for a terminal: give --output FILE, or send it to a file")
    tag = None if language is None else _language(language)
    if tenant is None:
        if output is None:
            raise click.UsageError("give --tenant DOMAIN, or --output FOLDER for the statements of all")
        return write_all(settings, period, shape, tag, output)
    try:
        made = asked(settings, partial(_stated, settings, tenant, period))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if made is None:
        click.echo(f"dialtone: {nothing_yet(settings)}", err=True)
        return Exit.USAGE
    data = render(made if tag is None else replace(made, language=tag), shape)
    if output is None:
        click.echo(data, nl=False)
    else:
        try:
            write_whole(output, data)
        except (OSError, ValueError) as error:
            words = f"{output}: {why(error)}; nothing was written"
            raise click.BadParameter(words, param_hint="--output") from None
    return Exit.OK


async def _stated(settings: Settings, tenant: str, period: str, ledger: Ledger) -> Statement:
    everything = Scope.everything()
    closed = {one.tenant for one in await ledger.books.closings(everything, whole=False)}
    domain = domain_of(settings, tenant, known=closed)
    statement = await ledger.statement(everything, domain, period)
    if statement is None:
        raise ValueError(_nothing_promised(settings, domain, period))
    return statement


def _nothing_promised(settings: Settings, domain: str, period: str) -> str:
    """Say why a tenant has no statement; of a reseller, how to have those of its clients."""
    scope = settings.tree.scope(domain) if domain in settings.tree else Scope.of(domain)
    below = dict.fromkeys(one.tenant for one in settings.objectives if scope.allows(one.tenant))
    if not below:
        return f"{domain} was promised nothing: it has no objectives, and {period} is not closed"
    lines = ["statements are made per client, and there is none of", domain, "those of its clients:"]
    ask = f"  dialtone sla report {settings.source} --period {period} --tenant"
    lines += [f"{ask} {client}" for client in islice(below, _CLIENTS)]
    if len(below) > _CLIENTS:
        lines.append(f"  and {len(below) - _CLIENTS} more")
    lines += ["what they add up to:", f"  dialtone sla status {settings.source} --tenant {domain}"]
    return "\n".join(lines)


def _language(text: str) -> str:
    """Return the tag of a language; say so where there is no catalogue of it."""
    from dialtone.sla.statements.language import language  # here: babel takes long to load

    try:
        tag = language_tag(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--language") from None
    used = language(tag).tag
    if used.split("-")[0] != tag.replace("_", "-").split("-")[0].lower():
        click.echo(f"note: there are no statements in {tag}: this is in English", err=True)
    return tag
