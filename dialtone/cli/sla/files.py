"""Statements as files: one whole or not at all; all of a month into a folder."""

import os
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from dialtone.cli.books import asked, nothing_yet
from dialtone.cli.exits import Exit
from dialtone.cli.words import printable
from dialtone.config import Settings
from dialtone.model import Scope, normalise_domain
from dialtone.sla.calendar import month
from dialtone.sla.statements import render
from dialtone.wiring.ledger import Ledger


def write_all(settings: Settings, period: str, shape: str, language: str | None, folder: Path) -> int:
    """Write the statements of all whom a month has into a folder, which is made; return the exit code.

    Each is in the tenant's language where none is given. One that can't be made or written is said, and stops
    no other.
    """
    try:
        month(period, "UTC")
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise click.BadParameter(f"{folder}: {why(error)}", param_hint="--output") from None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--period") from None
    counts = asked(settings, partial(_written, settings, period, shape, language, folder))
    if counts is None:
        click.echo(f"dialtone: {nothing_yet(settings)}", err=True)
        return Exit.USAGE
    written, failed = counts
    if not written and not failed:
        click.echo(f"dialtone: {settings.source} promises nothing, and {period} is not closed", err=True)
        return Exit.USAGE
    click.echo(f"{written} statement{'' if written == 1 else 's'} of {period} in {folder}")
    if failed:
        click.echo(f"{failed} could not be made or written", err=True)
    return Exit.FAILED if failed else Exit.OK


async def _written(
    settings: Settings, period: str, shape: str, language: str | None, folder: Path, ledger: Ledger
) -> tuple[int, int]:
    """Return how many were written, and how many could not be."""
    everything = Scope.everything()
    closings = await ledger.books.closings(everything, period=period, whole=False)
    tenants = dict.fromkeys([one.tenant for one in settings.objectives] + [one.tenant for one in closings])
    written = 0
    with click.progressbar(
        tenants, label="statements", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for tenant in bar:
            try:
                statement = await ledger.statement(everything, normalise_domain(tenant), period)
                if statement is None:
                    raise ValueError("was promised nothing")
                made = statement if language is None else replace(statement, language=language)
                write_whole(folder / f"{statement.tenant.domain}-{period}.{shape}", render(made, shape))
            except (OSError, ValueError) as error:
                click.echo(f"{printable(tenant)}: {printable(str(why(error)))}", err=True)
            else:
                written += 1
    return written, len(tenants) - written


def write_whole(path: Path, data: bytes) -> None:
    """Write a file (0600) whole or not at all: what was there stays until the new one is.

    Raises OSError, or ValueError for a path that can't be one.
    """
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


def why(error: OSError | ValueError) -> str:
    """Return what went wrong, without the path."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
