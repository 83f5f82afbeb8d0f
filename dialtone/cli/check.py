"""dialtone check: validate a configuration and list every problem."""

import shutil
import sys
import textwrap
from pathlib import Path

import click

from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument
from dialtone.config import ConfigError, load
from dialtone.model import Engine
from dialtone.wiring import parts


@click.command()
@config_argument
def check(config: Path) -> int:
    """Validate CONFIG and its rule file; list every problem. Exit 0, or 2 when there are problems."""
    try:
        settings = load(config)
        parts.build_rules(settings)
    except ConfigError as error:
        click.echo(str(error), err=True)
        count = len(error.problems)
        click.echo(f"{error.source}: {count} problem{'s' if count > 1 else ''}", err=True)
        return Exit.FAILED
    for note in settings.notes:
        _note(note)
    if settings.discover:
        where = ", ".join(f"{one.name} (every {one.every:g} s)" for one in settings.discover)
        _note(f"the service also finds tenants at {where}; they are not probed; this check asked nobody")
    if any(probe.engine is Engine.SIPP for probe in settings.probes) and shutil.which("sipp") is None:
        _note("there is no program sipp on PATH here; without it probes of engine sipp tell nothing")
    flows = sum(len(probe.tenants) for probe in settings.probes)
    click.echo(
        f"{config}: good. Tenants: {len(settings.tree.domains)}, nodes: {len(settings.nodes)}, "
        f"probes: {len(settings.probes)} over {flows} tenant flows."
    )
    return Exit.OK


def _note(text: str) -> None:
    """Print a note: broken into lines for a person at a terminal, whole for a program."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    click.echo(
        textwrap.fill(
            f"note: {text}", width, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False
        )
    )
