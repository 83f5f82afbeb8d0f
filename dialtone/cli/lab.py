"""dialtone lab: the real servers on loopback."""

import functools
import shutil
from typing import Final

import anyio
import click

from dialtone.cli.database_faults import database_faults
from dialtone.cli.exits import Exit
from dialtone.cli.faults import faults
from dialtone.cli.signals import until_signal
from lab import lab as the_lab

_name: Final = click.option(
    "--name", default="default", show_default=True, help="Which lab; several can run."
)


@click.group()
def lab() -> None:
    """Start and stop real servers on loopback."""


@lab.command()
@_name
@click.option("--only", metavar="PART[,PART]", help=f"Only these: {', '.join(the_lab.PARTS)}.")
def up(name: str, only: str | None) -> int:
    """Start a lab and print the path of a dialtone.yaml that fits.

    Returns when everything answers; the path is the last line, on stdout. A signal meanwhile takes
    down what had come up.
    """
    parts = [part.strip() for part in only.split(",")] if only else None
    state = anyio.run(until_signal, functools.partial(the_lab.up, name, only=parts))
    if state.already:
        click.echo(f"lab {name} was already running", err=True)
    for part in state.parts:
        click.echo(f"{part.name}: {part.says}", err=True)
    click.echo(state.config)
    return Exit.OK


@lab.command()
@_name
@click.option("--purge", is_flag=True, help="Remove the lab's folder too: its data, logs and passwords.")
def down(name: str, purge: bool) -> int:
    """Stop a lab: every process that it started, by pid."""
    ran = anyio.run(the_lab.down, name)
    if purge:
        shutil.rmtree(the_lab.state_root() / name, ignore_errors=True)
    click.echo(f"lab {name} is down" if ran else f"lab {name} was not running", err=True)
    return Exit.OK


@lab.command()
@_name
def status(name: str) -> int:
    """Say what of a lab is running. Exit 0 when all of it is, 8 otherwise."""
    state = the_lab.status(name)
    if state is None:
        click.echo(f"lab {name}: not running")
        return Exit.LAB
    for part in state.parts:
        click.echo(f"{part.name}: {part.says}")
    for process, alive in state.processes.items():
        click.echo(f"  {process}: {'running' if alive else 'DEAD, see ' + str(state.root / 'logs')}")
    click.echo(state.config)
    return Exit.OK if state.runs else Exit.LAB


lab.add_command(faults)
lab.add_command(database_faults)
