"""`dialtone heartbeat` as people run it, on real servers that replicate to each other."""

import asyncio
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from subprocess import DEVNULL
from typing import Final

import anyio
import pytest
from anyio.abc import Process

from collectors.mysql.heartbeat import FIXED, beat_statement
from collectors.mysqlclient.limits import BEGINNING
from lab.debian import BUNDLES, default_cache, unpacked
from lab.mysql.database import Database
from lab.mysql.flavour import Flavour, missing
from lab.mysql.plan import Wishes, active_passive
from lab.mysql.stage import Stage, begin, workshop
from tests.integration.service import dialtone, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing(Flavour.MARIADB)), reason="; ".join(missing(Flavour.MARIADB))),
]

EVERY: Final = 0.2
PASSWORD: Final = "planted-beat-7733"
TABLE: Final = "dialtone.heartbeat"
_AT_HAND: Final = [bundle.name for bundle in BUNDLES if unpacked(bundle, default_cache())]


def flavour(kind: Flavour) -> object:
    """A flavour to run on, left out where its programs would have to be fetched first."""
    left_out = pytest.mark.skipif(
        kind is not Flavour.MARIADB and kind not in _AT_HAND, reason=f"{kind} is not in the cache"
    )
    return pytest.param(kind, marks=left_out, id=str(kind))


@dataclass(frozen=True)
class Pair:
    """An active-passive pair whose heart is ours, and the configuration of its writers."""

    stage: Stage
    config: Path

    @property
    def active(self) -> Database:
        return self.stage["db1"]

    @property
    def passive(self) -> Database:
        return self.stage["db2"]


@pytest.fixture(
    scope="module", params=[flavour(Flavour.MARIADB), flavour(Flavour.MARIADB_11), flavour(Flavour.MYSQL_9)]
)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The pair that tests share; each leaves it healthy, db1 active, and nobody writing."""
    root = tmp_path_factory.mktemp("hearts")
    with workshop(root / "lab") as lab:
        plan = replace(active_passive(wishes=Wishes(flavour=request.param)), hearts=())
        stage = asyncio.run(begin(lab, plan))
        running = Pair(stage, configuration(root, stage))
        asyncio.run(set_up(running))
        yield running


def configuration(root: Path, stage: Stage) -> Path:
    """Write what a person writes; return its path."""
    for name, text in (("beat", PASSWORD), ("watcher", stage.passwords.watcher)):
        (root / name).write_text(text)
        (root / name).chmod(0o600)
    writer = "writer: {username: beat, password: {file: beat}}"
    heartbeat = f"{{table: {TABLE}, every: {EVERY * 1000:.0f}ms, {writer}}}"
    nodes = "".join(
        f'  - {{name: {server.name}, kind: mysql, dsn: "mysql://dialtone@{server.address}",\n'
        f"     password: {{file: watcher}}, heartbeat: {heartbeat}}}\n"
        for server in stage.servers
    )
    path = root / "dialtone.yaml"
    path.write_text(f"location: mtl1\nplatform: {{domain: clusterpbx.example}}\nnodes:\n{nodes}")
    return path


async def set_up(pair: Pair) -> None:
    """Run the SQL that the command prints on the active server, as a person does."""
    printed = await dialtone("heartbeat", pair.config, "--node", "db1", "--sql")
    assert printed.code == 0, printed.err
    assert PASSWORD not in printed.out
    sql = printed.out.replace("<host>", "'127.0.0.1'").replace("<password>", f"'{PASSWORD}'")
    lines = [line for line in sql.splitlines() if not line.startswith("--")]
    for statement in "\n".join(lines).split(";"):
        if statement.strip():
            await pair.active.sql(statement)
    await caught_up(pair)


async def caught_up(pair: Pair) -> None:
    """Return once all that was written to db1 is on db2."""
    number = await pair.stage.mark("db1")
    await until("db2 has caught up", lambda: pair.stage.has_mark("db2", number))


@dataclass(frozen=True)
class Writer:
    """A `dialtone heartbeat` that runs."""

    process: Process
    log: Path

    def events(self, node: str) -> list[str]:
        """What it logged of a node's heart."""
        return re.findall(rf"event=heartbeat\.(\S+) .*node={node}\b", self.log.read_text())

    async def tells(self, node: str, *events: str) -> None:
        """Return once it has logged just that of a node's heart."""

        async def has_told() -> bool:
            return self.events(node) == list(events)

        await until(f"{', '.join(events)} of {node}", has_told)

    async def stop(self) -> float:
        """End it as a service manager does; return the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert await self.process.wait() == 0
        return time.monotonic() - began


@asynccontextmanager
async def writing(pair: Pair, *nodes: str) -> AsyncIterator[Writer]:
    """Run the writer for the time of the block; afterwards it is gone."""
    log = pair.config.with_name("heartbeat.log")
    options = [word for node in nodes for word in ("--node", node)]
    argv = [sys.executable, "-m", "dialtone", "heartbeat", pair.config, *options]
    with log.open("wb") as said:
        process = await anyio.open_process(
            [str(word) for word in argv], stdin=DEVNULL, stdout=said, stderr=said
        )
    try:
        yield Writer(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        assert PASSWORD not in log.read_text()


async def beat_of(source: Database, at: Database) -> datetime | None:
    """The newest heartbeat of a server at a server."""
    rows = await at.sql("SELECT ts FROM dialtone.heartbeat WHERE server_id = %s", source.number)
    return rows[0]["ts"] if rows else None


def later(source: Database, at: Database, than: datetime | None) -> Callable[[], Awaitable[bool]]:
    """Whether there is a heartbeat later than that."""

    async def is_later() -> bool:
        found = await beat_of(source, at)
        return found is not None and (than is None or found > than)

    return is_later


async def beats_arrive(source: Database, at: Database, seconds: float = 10.0) -> None:
    """Return once two more heartbeats of a server have come to a server."""
    for _ in range(2):
        await until(
            f"a heartbeat of {source.name} at {at.name}",
            later(source, at, await beat_of(source, at)),
            seconds=seconds,
        )


async def test_beats_arrive_on_the_replica_by_the_sources_own_clock(pair: Pair) -> None:
    async with writing(pair, "db1") as writer:
        await beats_arrive(pair.active, pair.passive)
        now = await pair.active.value("UTC_TIMESTAMP(6)")
        newest = await beat_of(pair.active, pair.active)
        assert isinstance(now, datetime)
        assert newest is not None
        assert abs((now - newest).total_seconds()) < 10 * EVERY
        assert writer.events("db1") == ["beats"]


async def test_the_passive_side_is_left_alone_until_it_is_the_active_one(pair: Pair) -> None:
    async with writing(pair) as writer:
        await beats_arrive(pair.active, pair.passive)
        await writer.tells("db2", "read-only")
        assert await beat_of(pair.passive, pair.passive) is None, "nothing was ever written into a replica"
        try:
            await pair.active.set_writable(False)
            last = await beat_of(pair.active, pair.active)
            await pair.passive.set_writable(True)
            await beats_arrive(pair.passive, pair.active)
            assert await beat_of(pair.active, pair.active) == last
        finally:
            await pair.passive.set_writable(False)
            await pair.active.set_writable(True)
        await beats_arrive(pair.active, pair.passive)
        await writer.tells("db1", "beats", "read-only", "beats")
        await writer.tells("db2", "read-only", "beats", "read-only")
    await pair.active.sql("DELETE FROM dialtone.heartbeat WHERE server_id = %s", pair.passive.number)
    await caught_up(pair)


async def test_a_killed_connection_is_back_within_a_second(pair: Pair) -> None:
    async with writing(pair, "db1") as writer:
        await beats_arrive(pair.active, pair.active)
        (thread,) = await pair.active.sql(
            "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = 'beat'"
        )
        await pair.active.sql(f"KILL {thread['id']}")
        await beats_arrive(pair.active, pair.active, seconds=1.0)
        assert writer.events("db1") == ["beats", "fails", "beats"]
        assert (
            len(await pair.active.sql("SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = 'beat'"))
            == 1
        )


async def test_a_server_that_was_killed_has_its_heart_again_when_it_is_back(pair: Pair) -> None:
    async with writing(pair, "db1") as writer:
        await beats_arrive(pair.active, pair.passive)
        await pair.active.kill()
        await writer.tells("db1", "beats", "fails")
        await pair.active.start()
        await beats_arrive(pair.active, pair.active, seconds=15.0)
        assert writer.events("db1") == ["beats", "fails", "beats"]
    await caught_up(pair)


async def test_a_locked_table_leaves_no_queue_of_beats_behind(pair: Pair) -> None:
    async with writing(pair, "db1") as writer:
        await beats_arrive(pair.active, pair.active)
        async with pair.active.session() as root:
            await root.rows("FLUSH TABLES WITH READ LOCK")
            await writer.tells("db1", "beats", "fails")
            waiting = await pair.active.sql(
                "SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = 'beat'"
            )
            assert len(waiting) == 1
            await root.rows("UNLOCK TABLES")
        await beats_arrive(pair.active, pair.active)
        assert writer.events("db1") == ["beats", "fails", "beats"]


async def test_a_replica_that_acknowledges_nothing_makes_no_heap_of_hanging_beats(pair: Pair) -> None:
    if pair.active.mysql:
        pytest.skip("MySQL has semi-synchronous replication in a plugin, which is not loaded")
    threads = "SELECT STATE AS state FROM information_schema.PROCESSLIST WHERE USER = 'beat'"
    for statement in ("SET GLOBAL rpl_semi_sync_slave_enabled = 1", "STOP SLAVE", "START SLAVE"):
        await pair.passive.sql(statement)
    await pair.active.sql("SET GLOBAL rpl_semi_sync_master_timeout = 3600000")
    await pair.active.sql("SET GLOBAL rpl_semi_sync_master_enabled = 1")
    try:
        async with writing(pair, "db1") as writer:
            await beats_arrive(pair.active, pair.passive)
            await pair.passive.sql("STOP SLAVE IO_THREAD")
            await writer.tells("db1", "beats", "fails", "waits")
            await anyio.sleep(2.2)  # another beat would have been given up by now
            states = [row["state"] for row in await pair.active.sql(threads)]
            assert len(states) == 2, "one that hangs and one that waits for it"
            assert "Waiting for semi-sync ACK from slave" in states
            await pair.passive.sql("START SLAVE IO_THREAD")
            await writer.tells("db1", "beats", "fails", "waits", "beats")
            assert len(await pair.active.sql(threads)) == 1
    finally:
        await pair.active.sql("SET GLOBAL rpl_semi_sync_master_enabled = 0")
        await pair.active.sql("SET GLOBAL rpl_semi_sync_master_timeout = DEFAULT")
        await pair.passive.sql("SET GLOBAL rpl_semi_sync_slave_enabled = 0")
        for statement in ("STOP SLAVE", "START SLAVE"):
            await pair.passive.sql(statement)
    await caught_up(pair)


async def test_the_server_hears_nothing_but_the_statements_of_the_list(pair: Pair) -> None:
    async with pair.active.session() as root:
        await root.rows("SET GLOBAL log_output = 'TABLE'")
        await root.rows("TRUNCATE mysql.general_log")
        await root.rows("SET GLOBAL general_log = 1")
        try:
            async with writing(pair, "db1"):
                await beats_arrive(pair.active, pair.active)
                await beats_arrive(pair.active, pair.active)
        finally:
            await root.rows("SET GLOBAL general_log = 0")
        heard = await root.rows(
            "SELECT command_type, CONVERT(argument USING utf8mb4) AS said FROM mysql.general_log"
            " WHERE user_host LIKE '%%beat%%' ORDER BY event_time"
        )
    said = [row["said"] for row in heard if row["command_type"] == "Query"]
    beat = beat_statement(TABLE, pair.active.number)
    assert said.count(beat) >= 3
    assert {one for one in said if not one.startswith(BEGINNING)} == FIXED | {beat}
    assert {row["command_type"] for row in heard} <= {"Connect", "Query", "Quit"}


async def test_sigterm_ends_it_within_a_second(pair: Pair) -> None:
    async with writing(pair) as writer:
        await beats_arrive(pair.active, pair.active)
        assert await writer.stop() < 1.0


async def test_sigterm_ends_it_within_a_second_also_while_its_server_hangs(pair: Pair) -> None:
    async with writing(pair, "db1") as writer:
        await beats_arrive(pair.active, pair.active)
        pair.active.freeze()
        try:
            await anyio.sleep(2 * EVERY)  # a statement is under way, and there is nobody to tell of it
            assert await writer.stop() < 1.0
        finally:
            pair.active.thaw()
    await caught_up(pair)


async def test_an_account_that_may_write_through_read_only_never_does(pair: Pair) -> None:
    right = "CONNECTION_ADMIN" if pair.active.mysql else "READ ONLY ADMIN"
    await pair.active.sql(f"GRANT {right} ON *.* TO beat@'127.0.0.1'")
    try:
        before = await beat_of(pair.active, pair.active)
        async with writing(pair, "db1") as writer:
            await writer.tells("db1", "fails")
            assert "may write to a server that is read_only" in writer.log.read_text()
            assert await beat_of(pair.active, pair.active) == before
    finally:
        await pair.active.sql(f"REVOKE {right} ON *.* FROM beat@'127.0.0.1'")


async def test_no_password_is_on_its_command_line(pair: Pair) -> None:
    async with writing(pair, "db1") as writer:
        await beats_arrive(pair.active, pair.active)
        process = anyio.Path(f"/proc/{writer.process.pid}")
        for file in ("cmdline", "environ"):
            assert PASSWORD.encode() not in await (process / file).read_bytes()
