"""dialtone lab faults: faults produced before the lab's servers, and what the probes of each engine say."""

import functools
import os
import shutil
import tempfile
import textwrap
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import click

from dialtone.cli.exits import Exit
from dialtone.cli.signals import until_signal
from dialtone.model import Engine, Flow
from dialtone.runtime.clock import SystemClock
from dialtone.wiring import parts
from lab import lab as the_lab
from lab.faults.matrix import PARTS, Row, Told, Wanted, run_matrix, unreachable, wanted
from lab.state import LabState
from synthetic.probes.waiting import first_cause
from synthetic.sipp.prober import HELD, SippProber
from synthetic.sipp.program import SippMissingError, find_sipp

COLUMNS: Final = 80
NAME: Final = 46
"""The longest name that a fault can have in print."""
_CODE: Final = 19
_INDENT: Final = "      "


@click.command()
@click.option("--name", help="A lab that runs; without it one is started, and ended afterwards.")
@click.option(
    "--only",
    multiple=True,
    metavar="WORD",
    help="Faults of this flow, on this engine, or with this in their name or code; may be repeated.",
)
@click.option("--sabotage", is_flag=True, help="Leave the faults out: every row must turn red.")
@click.option("--format", "shape", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
def faults(name: str | None, only: tuple[str, ...], sabotage: bool, shape: str) -> int:
    """Produce faults before the lab's real servers and say what the probes called them.

    A row, a fault on an engine, is red when the probe said anything but the code that it must. Exit 0 when
    none is, 2 otherwise.
    """
    try:
        asked = wanted(only)
    except ValueError as error:
        raise click.UsageError(f"--only {error}") from None
    told = Screen(to_stderr=shape == "markdown")
    rows = anyio.run(until_signal, functools.partial(_produced, name, asked, sabotage, told))
    if shape == "markdown":
        click.echo(markdown(rows))
    click.echo(_summary(rows, sabotage), err=True)
    return Exit.OK if all(row.right for row in rows) else Exit.FAILED


def _summary(rows: Sequence[Row], sabotage: bool) -> str:
    red = sum(not row.right for row in rows)
    said = f"{len({row.fault.name for row in rows})} faults, {len(rows)} rows, {red} red"
    passed = sum(row.got is None for row in rows)
    return f"{said}; the faults were left out and {passed} probes passed" if sabotage else said


async def _produced(name: str | None, asked: Wanted, sabotage: bool, told: Told) -> list[Row]:
    if any(Engine.SIPP in engines for _, engines in asked):
        try:
            await find_sipp()
        except SippMissingError as error:
            raise click.UsageError(
                f"{error.detail}; without it: --only {Engine.SIPPY} --only {Flow.HTTP}"
            ) from None
    with first_cause(), tempfile.TemporaryDirectory(prefix="dialtone-faults-") as folder:
        clock, spool = SystemClock(), Path(folder)
        async with _lab(name) as state, parts.engines(clock, spool) as probers:
            for fault in unreachable(state, asked):
                click.echo(f"left out, for the lab has no address for it (see lab up): {fault}", err=True)
            # Six probes run at once here, and messages or seconds decide a fault's code, never a timing:
            # a SIPp may wait for its CPU longer than where timings are kept.
            probers[Engine.SIPP] = SippProber(clock, spool, late=HELD)
            return await run_matrix(state, probers, asked, sabotage=sabotage, told=told)


@asynccontextmanager
async def _lab(name: str | None) -> AsyncIterator[LabState]:
    """Use the lab of that name, or one of our own that is gone afterwards, its folder too."""
    if name is not None:
        state = the_lab.status(name)
        if state is None:
            parts = ",".join(PARTS)
            raise click.UsageError(
                f"the lab {name} is not running: dialtone lab up --name {name} --only {parts}"
            )
        yield state
        return
    own = f"faults-{os.getpid()}"
    click.echo(f"starting the lab {own}: {', '.join(PARTS)}", err=True)
    try:
        yield await the_lab.up(own, only=PARTS)
    finally:
        with anyio.CancelScope(shield=True):
            await the_lab.down(own)
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(the_lab.state_root() / own, True))


class Screen:
    """Prints the table as it comes: a line a fault below its flow, and what was said on engines that are red.

    A line has 80 columns at most. The engines behind the code are those that are right.
    """

    def __init__(self, *, to_stderr: bool) -> None:
        self._err = to_stderr
        self._flow: Flow | None = None

    def __call__(self, rows: Sequence[Row]) -> None:
        """Print the rows of one fault."""
        fault = rows[0].fault
        if fault.flow is not self._flow:
            self._flow = fault.flow
            click.secho(str(fault.flow), bold=True, err=self._err)
        right = " ".join(row.engine for row in rows if row.right)
        line = f"  {fault.name:{NAME}} {fault.code:{_CODE}}"
        click.echo(f"{line} {click.style(right, fg='green')}" if right else line.rstrip(), err=self._err)
        for row in rows:
            if not row.right:
                click.secho(_red(row), fg="red", err=self._err)


def _red(row: Row) -> str:
    said = f"RED on {row.engine}: {row.said}"
    return textwrap.fill(said, COLUMNS, initial_indent=_INDENT, subsequent_indent=_INDENT + "  ")


def markdown(rows: Sequence[Row]) -> str:
    """Return the table as docs/faults.md keeps it: a line a fault, the engines side by side."""
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
