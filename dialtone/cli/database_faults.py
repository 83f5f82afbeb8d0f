"""dialtone lab database-faults: faults produced on real database servers, and what is said of them."""

import functools
import itertools
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import anyio
import click

from dialtone.cli.exits import Exit
from dialtone.cli.signals import until_signal
from dialtone.runtime import logs
from dialtone.runtime.clock import SystemClock
from lab.base import LabContext
from lab.mysql.faults.case import Case
from lab.mysql.faults.matrix import Row, Run, run_matrix
from lab.mysql.faults.stages import STAGES
from lab.mysql.faults.table import FAULTS, PHASES
from lab.mysql.stage import workshop

COLUMNS: Final = 80
NAME: Final = 44
"""The longest name that a case can have in print."""
_INDENT: Final = "      "
_KINDS: Final = ("faults", "healthy")


@click.command("database-faults")
@click.option(
    "--only",
    multiple=True,
    metavar="WORD",
    help=f"Cases of this stage ({', '.join(STAGES)}), `faults` or `healthy`, or with this in their name;"
    " may be repeated.",
)
@click.option("--sabotage", is_flag=True, help="Leave the faults out: every row must turn red.")
@click.option("--format", "shape", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
def database_faults(only: tuple[str, ...], sabotage: bool, shape: str) -> int:
    """Produce faults on real database servers, and healthy phases, and say what Dialtone said.

    A fault's row is red unless it was said with the right cause within two polls, and nothing else. A healthy
    phase's is red when anything was said, or nothing of the fault that follows it. Exit 0 when none is, 2
    otherwise.
    """
    cases = wanted(only)
    logs.configure("error", "text", sys.stderr)
    err = shape == "markdown"
    rows = anyio.run(until_signal, functools.partial(_produced, cases, sabotage, err))
    if shape == "markdown":
        click.echo(markdown(rows))
    red = sum(not row.right for row in rows)
    healthy = sum(row.case.phase is not None for row in rows)
    said = f"{len(rows) - healthy} faults, {healthy} healthy phases, {red} red"
    click.echo(f"{said}; the faults were left out" if sabotage else said, err=True)
    return Exit.OK if not red else Exit.FAILED


def wanted(only: Sequence[str]) -> list[Case]:
    """Return the cases that one of these words names; all without any. Raises UsageError for another word."""
    everything = [*FAULTS, *PHASES]
    if not only:
        return everything
    found: dict[int, Case] = {}
    for word in only:
        fits = {number: case for number, case in enumerate(everything) if _fits(case, word)}
        if not fits:
            stages = ", ".join(STAGES)
            raise click.UsageError(
                f"--only {word}: no case, and neither {', '.join(_KINDS)} nor a stage ({stages})"
            )
        found |= fits
    return [found[number] for number in sorted(found)]


def _fits(case: Case, word: str) -> bool:
    if word in _KINDS:
        return (case.phase is not None) is (word == "healthy")
    return word == case.stage if word in STAGES else word.casefold() in case.name.casefold()


async def _produced(cases: Sequence[Case], sabotage: bool, err: bool) -> list[Row]:
    with ExitStack() as held:
        root = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="dialtone-databases-")))
        numbers = itertools.count()

        def lab(name: str) -> LabContext:
            return held.enter_context(workshop(root / f"{name}-{next(numbers)}"))

        return await run_matrix(cases, Run(lab, SystemClock(), Screen(to_stderr=err), sabotage))


class Screen:
    """Prints each row as it comes, in 80 columns: what was produced, in how many polls it was seen."""

    def __init__(self, *, to_stderr: bool) -> None:
        self._err = to_stderr

    def __call__(self, row: Row) -> None:
        """Print a row."""
        case = row.case
        name = f"{case.name}" if case.phase is None else f"{case.name} (healthy)"
        line = f"{case.stage:11}{name:{NAME + 10}.{NAME + 10}}"
        if row.right:
            polls = "poll" if row.polls == 1 else "polls"
            click.echo(f"{line} {click.style(f'{row.polls} {polls}', fg='green')}", err=self._err)
            return
        click.echo(f"{line} {click.style('RED', fg='red')}", err=self._err)
        told = textwrap.fill(row.wrong, COLUMNS, initial_indent=_INDENT, subsequent_indent=_INDENT)
        click.secho(told, fg="red", err=self._err)


def markdown(rows: Sequence[Row]) -> str:
    """Return the tables as docs/database-faults.md keeps them: the faults, then the healthy phases."""
    faults = [row for row in rows if row.case.phase is None]
    phases = [row for row in rows if row.case.phase is not None]
    lines = ["| fault | on | said | seen in |", "|---|---|---|---|"]
    lines += [f"| {_case(row)} | {_said(row)} | {_polls(row)} |" for row in faults]
    lines += ["", "| healthy | on | said | then said | seen in |", "|---|---|---|---|---|"]
    lines += [
        f"| {_case(row)} | {'nothing' if row.right else 'RED'} | {_said(row)} | {_polls(row)} |"
        for row in phases
    ]
    return "\n".join(lines)


def _case(row: Row) -> str:
    return f"{row.case.name} | {STAGES[row.case.stage][0]}"


def _said(row: Row) -> str:
    return ", ".join(f"`{one.trouble}`{_about(one.nodes)}" for one in row.case.expected)


def _about(nodes: Sequence[str]) -> str:
    return f" {' or '.join(nodes)}" if any(nodes) else ""


def _polls(row: Row) -> str:
    if not row.right:
        return f"RED: {row.wrong}".replace("|", "/")
    return "1 poll" if row.polls == 1 else f"{row.polls} polls"
