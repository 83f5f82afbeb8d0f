"""dialtone lab faults: faults produced before the lab's servers, and what the probes of each engine say."""

import functools
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import click

from dialtone import wiring
from dialtone.cli.exits import Exit
from dialtone.cli.signals import until_signal
from dialtone.runtime.clock import SystemClock
from lab import lab as the_lab
from lab.faults.matrix import Row, run_matrix
from lab.state import LabState

_PARTS: Final = ("sip", "asterisk", "http")
"""What the faults are produced before."""
_NAME: Final = 44
_FLOW: Final = 17
_ENGINE: Final = 8


@click.command()
@click.option("--name", help="A lab that runs; without it one is started, and ended afterwards.")
@click.option(
    "--only", multiple=True, metavar="WORD", help="Faults of this flow, engine or name; may be repeated."
)
@click.option("--sabotage", is_flag=True, help="Leave the faults out: every row must turn red.")
@click.option("--format", "shape", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
def faults(name: str | None, only: tuple[str, ...], sabotage: bool, shape: str) -> int:
    """Produce faults before the lab's real servers and say what the probes called them.

    A row is red when the probe said anything but what it must. Exit 0 when none is, 2 otherwise.
    """
    rows = anyio.run(until_signal, functools.partial(_produced, name, only, sabotage, shape == "text"))
    if shape == "markdown":
        click.echo(markdown(rows))
    red = sum(not row.right for row in rows)
    click.echo(f"{len({row.fault.name for row in rows})} faults, {len(rows)} rows, {red} red", err=True)
    return Exit.FAILED if red or not rows else Exit.OK


async def _produced(name: str | None, only: Sequence[str], sabotage: bool, aloud: bool) -> list[Row]:
    own = name or f"faults-{os.getpid()}"
    state = the_lab.status(own) if name else await the_lab.up(own, only=_PARTS)
    if state is None:
        raise click.UsageError(f"the lab {own} is not running; start it (dialtone lab up --name {own})")
    try:
        return await _matrix(state, only, sabotage, aloud)
    finally:
        if name is None:
            with anyio.CancelScope(shield=True):
                await the_lab.down(own)
                shutil.rmtree(state.root, ignore_errors=True)


async def _matrix(state: LabState, only: Sequence[str], sabotage: bool, aloud: bool) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="dialtone-faults-") as spool:
        async with wiring.engines(SystemClock(), Path(spool)) as probers:
            return await run_matrix(
                state, probers, sabotage=sabotage, told=_tell if aloud else _keep_quiet, only=only
            )


def _tell(row: Row) -> None:
    """Print a row, 80 columns."""
    said = row.said if row.right else f"{row.said}, not {row.fault.code}"
    colour = "green" if row.right else "red"
    line = f"{row.fault.name:{_NAME}.{_NAME}} {row.fault.flow:{_FLOW}} {row.engine:{_ENGINE}}"
    click.echo(line + click.style(said, fg=colour))


def _keep_quiet(_: Row) -> None:
    """Print nothing."""


def markdown(rows: Sequence[Row]) -> str:
    """Return the table as docs keep it: a line a fault, the engines side by side."""
    lines = ["| fault | flow | code | engines | right |", "|---|---|---|---|---|"]
    by_fault: dict[str, list[Row]] = {}
    for row in rows:
        by_fault.setdefault(row.fault.name, []).append(row)
    for name, ones in by_fault.items():
        fault = ones[0].fault
        right = sum(one.right for one in ones)
        engines = ", ".join(one.engine for one in ones)
        lines.append(f"| {name} | {fault.flow} | `{fault.code}` | {engines} | {right}/{len(ones)} |")
    return "\n".join(lines)
