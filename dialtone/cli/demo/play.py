"""How the demo goes: everything up, a fault at a third, healed at two thirds, a verdict at the end."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

import aiohttp
import anyio
import click
from anyio.abc import Process
from rich.console import Console
from rich.live import Live

from dialtone.cli.demo.receiver import Receiver
from dialtone.cli.demo.screen import screen, tables
from dialtone.cli.demo.service import address, check_alive, flows, serving, write_config
from dialtone.cli.demo.verdict import Proof
from dialtone.cli.demo.view import Api, View
from lab import lab
from lab.mysql import start_sql_thread, stop_sql_thread
from lab.processes import mark
from lab.state import LabState

_CYCLE: Final = 60.0
"""Without an end, the fault comes at a third of this (seconds) and is healed at two thirds."""
_LOOK_EVERY: Final = 1.0
_PLAIN_EVERY: Final = 10.0
_READY_WITHIN: Final = 20.0
_REPLICA: Final = "db2"
_ALERT: Final = "ReplicationBroken"
_STATUSES: Final = ("firing", "resolved")


async def play(seconds: float | None, *, sabotage: bool) -> bool:
    """Play the demo, for so many seconds or until cancelled; return whether it proved its point.

    The lab's folder goes with it, unless something went wrong and its logs may tell why. Raises
    LabError where the lab or the service can't run.
    """
    console = Console(stderr=True, highlight=False)
    name = f"demo-{os.getpid()}"
    folder = lab.state_root() / name
    failed = True
    try:
        proof = await _watched_platform(console, name, seconds, sabotage=sabotage)
        failed = bool(proof.missing())
    except anyio.get_cancelled_exc_class():
        failed = False
        raise
    finally:
        if failed:
            console.print(f"what each program said is in {folder / 'logs'};", soft_wrap=True)
            console.print(f"dialtone lab down --purge --name {name} removes it")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    click.echo(proof.summary())
    return not failed


async def _watched_platform(console: Console, name: str, seconds: float | None, *, sabotage: bool) -> Proof:
    """Own the lab, the receiver and the service for the time of the demo."""
    async with AsyncExitStack() as stack:
        console.print("starting real servers on loopback ...")
        state = await stack.enter_async_context(_lab(name))
        receiver = await stack.enter_async_context(Receiver().running())
        config = write_config(state.config, receiver.url)
        log = state.root / "logs" / "serve.log"
        process = await stack.enter_async_context(serving(config, log, mark(state.root)))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        base = address(config)
        stage = _Stage(Api(session, base), flows(config), receiver, state, process, log, base)
        await stage.wait_until_ready()
        console.print("how promises are kept, while it runs:", markup=False)
        console.print(f"  dialtone sla status {config}", markup=False, soft_wrap=True)
        console.print(f"  {base}/api/v1/sla", markup=False, soft_wrap=True)
        return await stage.run(console, seconds, sabotage=sabotage)


@asynccontextmanager
async def _lab(name: str) -> AsyncIterator[LabState]:
    """Own a lab of this demo alone, so that several demos can run."""
    try:
        yield await lab.up(name)
    finally:
        with anyio.CancelScope(shield=True):
            await lab.down(name)


@dataclass
class _Stage:
    """Everything that is running, and what has happened so far."""

    api: Api
    flows: tuple[str, ...]
    receiver: Receiver
    lab: LabState
    process: Process
    log: Path
    base: str
    events: list[str] = field(default_factory=list)
    view: View = field(default_factory=lambda: View((), ()))
    started: float = field(default_factory=monotonic)
    told: int = 0

    async def wait_until_ready(self) -> None:
        """Return once the service answers. Raises LabError where it ends instead."""
        with anyio.move_on_after(_READY_WITHIN):
            while not await self._look():
                check_alive(self.process, self.log)
                await anyio.sleep(0.1)
        check_alive(self.process, self.log)

    async def run(self, console: Console, seconds: float | None, *, sabotage: bool) -> Proof:
        """Show, break, heal, show; return what was seen."""
        self.started = monotonic()
        cycle = seconds or _CYCLE
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._break_and_heal, cycle, sabotage)
            with anyio.move_on_after(seconds):
                await self._show(console, seconds)
            tasks.cancel_scope.cancel()
        await self._look()
        self._tell_webhooks()
        outcomes = await self.api.outcomes()
        clients = tuple(client.domain for client in self.view.clients)
        came = {status: self.receiver.got(_ALERT, _REPLICA, status) for status in _STATUSES}
        return Proof(self.view, clients, self.flows, outcomes, came)

    async def _break_and_heal(self, cycle: float, sabotage: bool) -> None:
        acts: tuple[tuple[str, Callable[..., Awaitable[None]]], ...] = (
            (f"stopped the SQL thread of {_REPLICA}", stop_sql_thread),
            (f"healed it: SQL thread of {_REPLICA} started", start_sql_thread),
        )
        if sabotage:
            self._say("sabotage: the fault is left out")
            return
        for what, act in acts:
            await anyio.sleep(cycle / 3)
            await act(self.lab.addresses, _REPLICA)
            self._say(what)

    async def _show(self, console: Console, seconds: float | None) -> None:
        if not console.is_terminal:
            await self._show_plain(console)
        with Live(console=console, auto_refresh=False, transient=False) as live:
            while True:
                await self._look()
                self._tell_webhooks()
                live.update(screen(self.view, self.flows, self.events, self._head(seconds)), refresh=True)
                await anyio.sleep(_LOOK_EVERY)

    async def _show_plain(self, console: Console) -> None:
        """Show on what is no terminal: each event as it comes, the table now and then."""
        shown, next_table = 0, monotonic() + _PLAIN_EVERY
        for line in self._head(None):
            console.print(line, soft_wrap=True)
        while True:
            await self._look()
            self._tell_webhooks()
            for event in self.events[shown:]:
                console.print(event, markup=False, soft_wrap=True)
            shown = len(self.events)
            if monotonic() >= next_table:
                next_table += _PLAIN_EVERY
                console.print(*tables(self.view, self.flows), sep="\n")
            await anyio.sleep(_LOOK_EVERY)

    async def _look(self) -> bool:
        """Look at the service; a look that fails is no news unless the service is gone."""
        try:
            self.view = await self.api.look()
        except (aiohttp.ClientError, TimeoutError):
            check_alive(self.process, self.log)
            return False
        return True

    def _tell_webhooks(self) -> None:
        for alert in self.receiver.alerts[self.told :]:
            self._say(f"webhook {alert.status}: {alert.summary}")
        self.told = len(self.receiver.alerts)

    def _say(self, what: str) -> None:
        self.events.append(f"{monotonic() - self.started:5.1f} s  {what}")

    def _head(self, seconds: float | None) -> tuple[str, ...]:
        """Return the lines above the tables: how long, what runs, where to look."""
        left = f", {max(0, seconds - (monotonic() - self.started)):.0f} s left" if seconds else ""
        front = next((part.says for part in self.lab.parts if part.name == "sip"), "")
        return (
            f"Dialtone demo{left}",
            front,
            f"page {self.base}/  metrics {self.base}/metrics",
        )
