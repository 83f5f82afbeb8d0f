"""dialtone lab: the real servers on loopback."""

import functools
import signal
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import click

from dialtone.cli.exits import Exit
from lab import lab as the_lab
from lab.base import LabError
from lab.state import LabState

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)  # Ctrl-C is a cancellation already

_name: Final = click.option(
    "--name", default="default", show_default=True, help="Which lab; several can run."
)


@click.group()
def lab() -> None:
    """Start and stop real servers on loopback: a SIP front, Asterisk, a MariaDB pair."""


@lab.command()
@_name
@click.option("--only", metavar="PART[,PART]", help=f"Only these: {', '.join(the_lab.PARTS)}.")
def up(name: str, only: str | None) -> int:
    """Start a lab; the last line printed is the path of a dialtone.yaml that fits it."""
    parts = [part.strip() for part in only.split(",")] if only else None
    state = anyio.run(_up_or_none_of_it, functools.partial(the_lab.up, name, only=parts))
    if isinstance(state, int):
        return 128 + state
    if state.already:
        click.echo(f"lab {name} was already running", err=True)
    for part in state.parts:
        click.echo(f"{part.name}: {part.says}", err=True)
    click.echo(state.config)
    return Exit.OK


async def _up_or_none_of_it(start: Callable[[], Awaitable[LabState]]) -> LabState | int:
    """Start a lab; a signal meanwhile takes down what had come up, and is then what is returned."""
    ended_by: list[int] = []
    states: list[LabState] = []
    failed: list[LabError] = []
    with anyio.open_signal_receiver(*_ENDING) as signals:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as starting:

                async def listen() -> None:
                    async for number in signals:
                        ended_by.append(number)
                        starting.cancel()

                tasks.start_soon(listen)
                try:
                    states.append(await start())
                except LabError as error:
                    failed.append(error)
            tasks.cancel_scope.cancel()
    if failed:
        raise failed[0]
    return states[0] if states else ended_by[0]


@lab.command()
@_name
def down(name: str) -> int:
    """Stop a lab: every process that it started, by pid."""
    ran = anyio.run(the_lab.down, name)
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
