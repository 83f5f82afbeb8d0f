"""Alerts on their real way, over SQLite and HTTP: whatever breaks on it, everything arrives afterwards."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum, auto
from pathlib import Path
from typing import Final

import anyio
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from alerts import AlertWatch, AlertWriter, WebhookNotifier
from alerts.delivery import FIRST_WAIT, LONGEST_WAIT
from dialtone.model import AlertState, MessageState, Scope, Secret, TopologyState
from dialtone.ports import Clock
from dialtone.runtime.clock import SystemClock
from dialtone.store import SqliteStore, open_store
from tests.fakes.alerts import ALERTS, HEALTHY, STOPPED, rules
from tests.fakes.clock import FakeClock
from tests.fakes.mi import FakeMi, http
from tests.integration.service import serving, until, write_config
from tests.integration.test_service_process import figure, fill, in_small_folder, small_disk

__all__ = ["small_disk"]

pytestmark = pytest.mark.integration

TIMEOUT: Final = 0.5
MI: Final = Path(__file__).parents[1] / "data" / "opensips" / "3.6.8"
REPLIES: Final = {
    "get_statistics": "live-get_statistics-all",
    "profile_get_values": "live-profile_get_values-tenant",
    "version": "live-version",
}
HOUR: Final = 3600.0


class Manner(StrEnum):
    """How a receiver behaves."""

    PROPER = auto()
    DOWN = auto()
    HANGS = auto()
    FAILS = auto()
    DROPS = auto()


WORDS: Final = {
    Manner.DOWN: "no connection (Connection refused)",
    Manner.HANGS: "no answer within 0.5 s",
    Manner.FAILS: "the receiver answered 500 Internal Server Error",
    Manner.DROPS: "it closed the connection without an answer",
}
"""What the log and the list say of each."""


@dataclass(slots=True)
class Receiver:
    """A receiver that misbehaves; `taken` are the messages that it said it has, by key and states."""

    port: int = 0
    manner: Manner = Manner.PROPER
    taken: list[tuple[str, list[str]]] = field(default_factory=list)
    tried: int = 0

    @property
    def states(self) -> list[str]:
        """What was told, flat."""
        return [state for _, states in self.taken for state in states]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for the time of the block, always on the same port."""
        app = web.Application()
        app.router.add_post("/hook/planted-7718-key", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True).start()
            self.port = runner.addresses[0][1]
            yield
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.tried += 1
        body = await request.json()
        if self.manner is Manner.HANGS:
            await anyio.sleep_forever()
        if self.manner is Manner.FAILS:
            return web.Response(status=500)
        if self.manner is Manner.DROPS:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        self.taken.append((request.headers["Idempotency-Key"], [a["status"] for a in body["alerts"]]))
        return web.Response()


@asynccontextmanager
async def watching(
    folder: Path, receiver: Receiver, clock: Clock
) -> AsyncIterator[tuple[AlertWatch, SqliteStore]]:
    """Have a watch that runs, with its store."""
    store = await open_store(folder, busy_timeout=0.2)
    url = Secret(f"http://127.0.0.1:{receiver.port}/hook/planted-7718-key")
    writer = AlertWriter(rules(), external_url="http://127.0.0.1:9876", reseller_of=lambda _: None)
    notifier = WebhookNotifier("ops", url, writer, timeout=TIMEOUT)
    watch = AlertWatch(store, {"ops": notifier}, clock, rules=rules(), metric=ALERTS)
    try:
        await watch.restore()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run)
            yield watch, store
            tasks.cancel_scope.cancel()
    finally:
        await store.aclose()


async def flip(watch: AlertWatch, *states: TopologyState) -> None:
    for one in states:
        await watch.topology_judged(one)


def alternating(states: list[str]) -> bool:
    return states == ["firing", "resolved"] * (len(states) // 2)


@pytest.mark.parametrize("manner", WORDS)
async def test_a_receiver_in_trouble_is_named_once_and_gets_everything_afterwards(
    tmp_path: Path, manner: Manner
) -> None:
    receiver = Receiver(manner=manner)
    async with receiver.listening():
        pass  # to have a port
    with capture_logs() as logs:
        async with watching(tmp_path, receiver, SystemClock()) as (watch, store):

            async def tried() -> bool:
                return watch.deliveries["ops"].failed >= 2

            async def told() -> bool:
                return len(receiver.states) == 4

            async def settled() -> bool:
                return not await store.outbox(MessageState.WAITING)

            async with nullcontext() if manner is Manner.DOWN else receiver.listening():
                await flip(watch, STOPPED, HEALTHY, STOPPED, HEALTHY)
                await until("it was tried in vain", tried)
                [first, *_] = await store.outbox(MessageState.WAITING)
            receiver.manner = Manner.PROPER
            async with receiver.listening():
                await until("everything has arrived", told)
                await until("the store knows it", settled)
    assert (first.detail, alternating(receiver.states)) == (WORDS[manner], True)
    assert len({key for key, _ in receiver.taken}) == len(receiver.taken)
    [failing] = [line for line in logs if line["event"] == "alert.delivery_failing"]
    assert (failing["receiver"], failing["why"]) == ("ops", WORDS[manner])
    assert len([line for line in logs if line["event"] == "alert.delivery_recovered"]) == 1
    assert "planted" not in str(logs)


async def test_a_receiver_that_is_down_for_an_hour_and_through_a_restart_gets_everything_in_order(
    tmp_path: Path, clock: FakeClock
) -> None:
    receiver = Receiver()
    async with receiver.listening():
        pass
    flips, wait = 0, FIRST_WAIT
    async with watching(tmp_path, receiver, clock) as (watch, store):
        end = clock.monotonic() + HOUR
        while clock.monotonic() < end:
            await flip(watch, STOPPED, HEALTHY)
            flips += 2

            async def tried(tries: int = flips // 2) -> bool:
                waiting = await store.outbox(MessageState.WAITING)
                return len(waiting) == 2 * tries and waiting[0].tries == tries

            await until("it was tried once more", tried)
            # To the moment of the next try and no further: what it then waits for is no fake.
            await clock.advance(wait)
            wait = min(2 * wait, LONGEST_WAIT)
    assert receiver.tried == 0
    async with receiver.listening(), watching(tmp_path, receiver, clock) as (_, store):

        async def told() -> bool:
            return len(receiver.states) == flips and not await store.outbox(MessageState.WAITING)

        await until("everything has arrived", told)
        [alert] = await store.alerts(Scope.everything())
    assert alert.state is AlertState.RESOLVED
    assert alternating(receiver.states)
    assert receiver.tried == flips >= 30


async def test_a_database_that_another_process_locks_keeps_nobody_from_being_told(tmp_path: Path) -> None:
    receiver = Receiver()
    with capture_logs() as logs:
        async with receiver.listening(), watching(tmp_path, receiver, SystemClock()) as (watch, store):
            with closing(sqlite3.connect(tmp_path / "dialtone.sqlite3", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                await flip(watch, STOPPED, HEALTHY, STOPPED)

                async def told() -> bool:
                    return receiver.states == ["firing", "resolved", "firing"]

                await until("it is told all the same", told)
                other.execute("ROLLBACK")

            async def kept() -> bool:
                alerts = await store.alerts(Scope.everything())
                delivered = await store.outbox(MessageState.DELIVERED)
                return [alert.state for alert in alerts] == [AlertState.FIRING] and len(delivered) == 3

            await until("the store knows what happened meanwhile", kept, seconds=30)
            await flip(watch, HEALTHY)

            async def ended() -> bool:
                return len(await store.outbox(MessageState.DELIVERED)) == 4

            await until("the end is kept and told", ended)
    assert receiver.states == ["firing", "resolved"] * 2
    assert len({key for key, _ in receiver.taken}) == 4, "nothing came twice"
    [failing] = [line for line in logs if line["event"] == "alert.store_failing"]
    assert "another process keeps it locked" in failing["why"]
    assert len([line for line in logs if line["event"] == "alert.store_recovered"]) == 1


async def test_a_full_disk_keeps_nobody_from_being_told_and_is_made_up_for(
    tmp_path: Path, small_disk: Path
) -> None:
    replies = {name: (MI / f"{file}.json").read_bytes() for name, file in REPLIES.items()}
    receiver, node = Receiver(), FakeMi(replies, refuse)
    extra = tmp_path / "rules.yaml"
    extra.write_text("rules: [{name: NodeDown, for: 0s}]\n")
    async with receiver.listening(), node.running():
        url = f"http://127.0.0.1:{receiver.port}/hook/planted-7718-key"
        config = write_config(
            tmp_path,
            data=str(small_disk),
            nodes=[{"name": "sip1", "kind": "opensips", "mi": node.url, "interval": "1s"}],
            alerts={"receivers": [{"name": "ops", "url": url}], "rules": str(extra)},
        )

        async def told(count: int) -> None:
            async def so_many() -> bool:
                return len(receiver.states) >= count

            await until(f"{count} changes are told", so_many)

        async with serving(config, wrapper=in_small_folder(small_disk, 2048)) as service:
            await told(1)
            # The disk is mounted for the service alone; /proc leads there.
            filler = fill(Path(f"/proc/{service.process.pid}/root{small_disk}"))
            for flips in (2, 3, 4):
                node.misbehave = None if flips % 2 == 0 else refuse
                await told(flips)
            [failing] = service.logged("alert.store_failing")
            assert "disk is full" in failing["why"]
            filler.unlink()

            async def kept() -> bool:
                [alert] = (await service.api("/alerts"))["items"]
                return bool(service.logged("alert.store_recovered")) and alert["state"] == "resolved"

            await until("the store knows the last state", kept, seconds=30)
            page = (await service.ask("/metrics"))[1]
            assert figure(page, "dialtone_alert_messages_total") == 4
            assert await service.stop() == 0
    assert receiver.states == ["firing", "resolved"] * 2
    assert len({key for key, _ in receiver.taken}) == 4
    assert "planted" not in service.log.read_text()
    assert "Traceback" not in service.log.read_text()


def refuse(_: dict[str, object]) -> bytes:
    return http(b"{}", "503 Service Unavailable")
