"""dialtone sla report: a month's statement as a document."""

import os
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from dialtone.cli.books import asked, domain_of, nothing_yet
from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument
from dialtone.config import Settings, load
from dialtone.config.values import language as language_tag
from dialtone.model import Scope
from dialtone.sla.statement import Statement
from dialtone.sla.statements import render
from dialtone.wiring.ledger import Ledger

_BINARY = frozenset({"pdf"})


@click.command()
@config_argument
@click.option("--tenant", required=True, metavar="DOMAIN", help="Whose.")
@click.option("--period", required=True, metavar="YYYY-MM", help="The month.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["text", "html", "pdf", "csv", "json"]),
    default="text",
    show_default=True,
)
@click.option("--language", metavar="TAG", help="en or fr; the tenant's own if not given.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write here, not to stdout.")
def report(
    config: Path, tenant: str, period: str, shape: str, language: str | None, output: Path | None
) -> int:
    """Make the statement of a tenant's month: what was promised, what was kept, what is owed.

    A closed month is stated as it was closed. Of one that is open the figures may still change, and it says
    so. Exit 0; 3 where there is no such statement, or it can't be written; 7 where the data folder can't be
    used.
    """
    settings = load(config)
    if shape in _BINARY and output is None and sys.stdout.isatty():
        raise click.UsageError(f"{shape} is no text for a terminal: give --output FILE, or send it to a file")
    tag = None if language is None else _language(language)
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
        _write(output, data)
    return Exit.OK


async def _stated(settings: Settings, tenant: str, period: str, ledger: Ledger) -> Statement:
    everything = Scope.everything()
    closed = {one.tenant for one in await ledger.books.closings(everything, whole=False)}
    domain = domain_of(settings, tenant, known=closed)
    statement = await ledger.statement(everything, domain, period)
    if statement is None:
        raise ValueError(f"{domain} was promised nothing: it has no objectives, and {period} is not closed")
    return statement


def _language(text: str) -> str:
    try:
        return language_tag(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--language") from None


def _write(path: Path, data: bytes) -> None:
    """Write a file (0600) whole or not at all: what was there stays until the new one is."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = error.strerror if isinstance(error, OSError) else error
        raise click.BadParameter(f"{path}: {why}; nothing was written", param_hint="--output") from None
