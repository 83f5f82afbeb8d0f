"""How each fault is produced, and how it is mended again. All raise LabError."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

import anyio

from lab.base import LabError
from lab.mysql.database import Database
from lab.mysql.faults.case import Act
from lab.mysql.galera import force_primary, isolated, provider, whole
from lab.mysql.replication import follow
from lab.mysql.stage import Stage

MARKS: Final = "dialtone_lab.marks"
ITEMS: Final = "dialtone_lab.items"
"""A table with a unique key beside its primary one: what two writers can quarrel about."""

_UNLOGGED: Final = "SET SESSION sql_log_bin = 0"
_PAUSE: Final = 0.1
_PATIENCE: Final = 100
"""How often it is looked whether something has happened, at most."""


def statements(server: str, begin: Sequence[str], end: Sequence[str]) -> Act:
    """Return a fault that is some statements, and others that mend it."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        for statement in begin:
            await stage[server].sql(statement)
        try:
            yield
        finally:
            for statement in end:
                await stage[server].sql(statement)

    return act


def variable(server: str, name: str, value: str, usual: str) -> Act:
    """Return a fault that is a global variable with another value than usual."""
    return statements(server, [f"SET GLOBAL {name} = {value}"], [f"SET GLOBAL {name} = {usual}"])


def both(*acts: Act) -> Act:
    """Return several faults at once."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            for one in acts:
                await held.enter_async_context(one(stage))
            yield

    return act


async def kill_senders(server: Database) -> None:
    """Kill the threads that send a server's binary logs to replicas."""
    rows = await server.sql(
        "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%%'"
    )
    for row in rows:
        with suppress(LabError):  # it may have ended by itself
            await server.sql(f"KILL {next(iter(row.values()))}")


def killed_thread(server: str, command: str) -> Act:
    """Return KILL of a replica's thread, as the processlist names it."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        database = stage[server]
        rows = await database.sql("SELECT id FROM information_schema.processlist WHERE command = %s", command)
        for row in rows:
            await database.sql(f"KILL {next(iter(row.values()))}")
        try:
            yield
        finally:
            await database.sql("START REPLICA")

    return act


def link(replica: str, word: str, source: str | None = None) -> Act:
    """Return a link that is cut or blackholed."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        way = stage.link(replica, source)
        await (way.cut() if word == "cut" else way.blackhole())
        try:
            yield
        finally:
            await way.heal()

    return act


def wrong_password(server: str) -> Act:
    """Return a replica that has a password of the source that isn't right."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        database = stage[server]
        await _repassword(database, "not-the-password")
        try:
            yield
        finally:
            await _repassword(database, stage.passwords.replication)

    return act


async def _repassword(replica: Database, password: str) -> None:
    await replica.sql("STOP REPLICA")
    if replica.mysql:
        await replica.sql("CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = %s", password)
    else:
        await replica.sql("CHANGE MASTER TO MASTER_PASSWORD = %s", password)
    await replica.sql("START REPLICA")


def killed(*servers: str) -> Act:
    """Return servers that die by SIGKILL, all at once, and are started again."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            for name in servers:
                tasks.create_task(stage[name].kill())
        try:
            yield
        finally:
            for name in servers:
                await stage[name].start()

    return act


def frozen(server: str) -> Act:
    """Return a server that is stopped by SIGSTOP: it accepts connections, and is silent."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        stage[server].freeze()
        try:
            yield
        finally:
            stage[server].thaw()

    return act


def no_heart(server: str) -> Act:
    """Return a heartbeat writer that is gone."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        await stage.heart(server).stop()
        try:
            yield
        finally:
            stage.heart(server).start()

    return act


def wrong_clock(server: str, ahead: float) -> Act:
    """Return a clock that is off by so many seconds."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        stage[server].set_clock(ahead)
        await anyio.sleep(1.1)  # it holds within a second
        try:
            yield
        finally:
            stage[server].set_clock(0.0)
            await anyio.sleep(1.1)

    return act


def writable(server: str, yes: bool) -> Act:
    """Return a server that takes writes, or refuses them, and shouldn't."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        await stage[server].set_writable(yes)
        try:
            yield
        finally:
            await stage[server].set_writable(not yes)

    return act


def locked(server: str, source: str) -> Act:
    """Return a table that somebody on the replica holds locked, and a row for it from the source."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        async with stage[server].session() as holder:
            await holder.rows(f"LOCK TABLES {MARKS} READ")
            await stage.mark(source)
            try:
                yield
            finally:
                await holder.rows("UNLOCK TABLES")

    return act


def slow_statement(source: str, seconds: float) -> Act:
    """Return a statement that takes no time at the source and `seconds` at its replicas."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        async with stage[source].session() as session:
            await session.rows("SET SESSION binlog_format = STATEMENT")
            await session.rows(
                f"INSERT INTO {MARKS} SELECT UUID_SHORT() + "
                f"SLEEP(IF(@@port = {stage[source].port}, 0, {seconds:g}))"
            )
        yield

    return act


def missing_row(replica: str, source: str) -> Act:
    """Return a row that the source deletes and the replica never had."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        number = await stage.mark(source)
        await stage.caught_up()
        delete = f"DELETE FROM {MARKS} WHERE id = {number}"  # noqa: S608 - a number
        await _unlogged(stage[replica], delete)
        await stage[source].sql(delete)
        try:
            yield
        finally:
            await _unlogged(stage[replica], f"INSERT INTO {MARKS} VALUES ({number})")  # noqa: S608 - a number
            await stage[replica].sql("START REPLICA")

    return act


def row_twice(replica: str, source: str) -> Act:
    """Return a row that the replica has already when the source's comes."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        number = await stage.mark(source) + 1
        insert = f"INSERT INTO {MARKS} VALUES ({number})"  # noqa: S608 - a number
        await _unlogged(stage[replica], insert)
        await stage[source].sql(insert)
        try:
            yield
        finally:
            await _unlogged(stage[replica], f"DELETE FROM {MARKS} WHERE id = {number}")  # noqa: S608
            await stage[replica].sql("START REPLICA")

    return act


def no_table(replica: str, source: str) -> Act:
    """Return a table that somebody dropped on the replica."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        make = "CREATE TABLE dialtone_lab.gone (id INT PRIMARY KEY)"
        await stage[source].sql(make)
        await stage.caught_up()
        await _unlogged(stage[replica], "DROP TABLE dialtone_lab.gone")
        await stage[source].sql("INSERT INTO dialtone_lab.gone VALUES (1)")
        try:
            yield
        finally:
            await _unlogged(stage[replica], make)
            await stage[replica].sql("START REPLICA")
            await stage[source].sql("DROP TABLE dialtone_lab.gone")

    return act


def purged(replica: str, source: str) -> Act:
    """Return a binary log that the source threw away before the replica had it."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        behind, ahead = stage[replica], stage[source]
        await behind.sql("STOP REPLICA")
        await kill_senders(ahead)  # what still sends a file keeps it from being purged
        await stage.mark(source)
        for _ in range(2):
            await ahead.sql("FLUSH BINARY LOGS")
        logs = await ahead.sql("SHOW BINARY LOGS")
        for _ in range(_PATIENCE):
            await ahead.sql("PURGE BINARY LOGS TO %s", logs[-1]["Log_name"])
            if len(await ahead.sql("SHOW BINARY LOGS")) == 1:
                break
            await anyio.sleep(_PAUSE)
        await behind.sql("START REPLICA")
        try:
            yield
        finally:
            await behind.sql("STOP REPLICA")
            await behind.sql("SET GLOBAL gtid_slave_pos = %s", await ahead.value("@@gtid_binlog_pos"))
            await behind.sql("START REPLICA")

    return act


def forgotten(replica: str) -> Act:
    """Return a replica that was told to forget its source (RESET REPLICA ALL)."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        database = stage[replica]
        await database.sql("STOP REPLICA")
        await database.sql("RESET REPLICA ALL")
        try:
            yield
        finally:
            await follow(database, stage.link(replica).port, stage.passwords, mysql=database.mysql)

    return act


def quarrel(one: str, other: str) -> Act:
    """Return two writers that give the same key to different rows at the same time."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        pair = (stage[one], stage[other])
        await _items(pair[0])
        await stage.caught_up()
        for database in pair:
            await database.sql("STOP REPLICA SQL_THREAD")
        for database in pair:
            await database.sql(f"INSERT INTO {ITEMS} (name) VALUES ('the same')")  # noqa: S608 - a constant
        for database in pair:
            await database.sql("START REPLICA SQL_THREAD")
        try:
            yield
        finally:
            for database in pair:
                await _unlogged(database, f"DELETE FROM {ITEMS}")  # noqa: S608 - a constant
            for database in pair:
                await database.sql("START REPLICA SQL_THREAD")
            await stage.caught_up()
            for database in pair:
                await _unlogged(database, f"DELETE FROM {ITEMS}")  # noqa: S608 - a constant

    return act


def own_transaction(replica: str, source: str) -> Act:
    """Return a transaction that a replica has and its source never had (MySQL); an empty one mends it."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        database = stage[replica]
        before = str(await database.value("@@gtid_executed")).replace("\n", "")
        await database.sql("SET GLOBAL super_read_only = OFF")
        try:
            await stage.mark(replica)
            yield
        finally:
            mine = await database.value(f"GTID_SUBTRACT(@@gtid_executed, '{before}')")
            uuid = str(await database.value("@@server_uuid"))
            numbers = [part for part in str(mine).replace("\n", "").split(",") if part.startswith(uuid)]
            last = int(numbers[0].rpartition(":")[2].rpartition("-")[2])
            async with stage[source].session() as session:
                await session.rows(f"SET GTID_NEXT = '{uuid}:{last}'")
                await session.rows("BEGIN")
                await session.rows("COMMIT")
                await session.rows("SET GTID_NEXT = 'AUTOMATIC'")
            await database.sql("SET GLOBAL super_read_only = ON")

    return act


def isolated_node(node: str) -> Act:
    """Return a node of a cluster that the others don't reach."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        async with isolated(stage[node]):
            yield
        await whole(stage.servers)

    return act


def split(node: str) -> Act:
    """Return a split brain: an isolated node that somebody made a cluster of its own."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        database = stage[node]
        await provider(database, "gmcast.isolate=1")
        for _ in range(_PATIENCE):
            if (await database.status("wsrep_cluster_status"))["wsrep_cluster_status"] != "Primary":
                break
            await anyio.sleep(_PAUSE)
        await force_primary(database)
        try:
            yield
        finally:
            # Two clusters don't become one again: this half gives up what it has, and joins the other.
            await database.kill()
            await asyncio.to_thread(database.make_folder)
            await database.start()
        await whole(stage.servers)

    return act


def lost_majority(last: str, *others: str) -> Act:
    """Return a cluster of which only one node is left, and that gave up for want of a majority."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            for name in others:
                tasks.create_task(stage[name].kill())
        try:
            yield
        finally:
            await force_primary(stage[last])
            for name in others:
                await stage[name].start()
            await whole(stage.servers)

    return act


def held_up(node: str, writer: str) -> Act:
    """Return a node that can't apply what the others write, and so holds up the whole cluster."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        async def write() -> None:
            while True:
                with suppress(LabError):
                    await stage.mark(writer)

        async with stage[node].session() as holder:
            await holder.rows(f"LOCK TABLES {MARKS} READ")
            async with _beside(write, write, write, write):
                await anyio.sleep(1.0)
                try:
                    yield
                finally:
                    await holder.rows("UNLOCK TABLES")

    return act


def conflicts(one: str, other: str) -> Act:
    """Return two nodes of a cluster that change the same row all the time."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncIterator[None]:
        await _items(stage[one])
        await stage[one].sql(f"INSERT INTO {ITEMS} (id, name) VALUES (1, 'quarrel')")  # noqa: S608

        def changing(name: str) -> Callable[[], Coroutine[Any, Any, None]]:
            async def change() -> None:
                async with stage[name].session() as session:
                    while True:
                        with suppress(LabError):
                            await session.rows(f"UPDATE {ITEMS} SET count = count + 1")  # noqa: S608

            return change

        async with _beside(changing(one), changing(one), changing(other), changing(other)):
            yield
        for _ in range(_PATIENCE):  # the last changes may still be under way
            with suppress(LabError):
                await stage[one].sql(f"DELETE FROM {ITEMS}")  # noqa: S608 - a constant
                break

    return act


@asynccontextmanager
async def _beside(*loops: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Have these run beside the block; they end with it."""
    async with anyio.create_task_group() as tasks:
        for loop in loops:
            tasks.start_soon(loop)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


async def _items(database: Database) -> None:
    await database.sql(
        f"CREATE TABLE IF NOT EXISTS {ITEMS} (id BIGINT AUTO_INCREMENT PRIMARY KEY,"
        " name VARCHAR(40) UNIQUE, count INT NOT NULL DEFAULT 0)"
    )


async def _unlogged(database: Database, statement: str) -> None:
    """Run a statement on a replica that no other server gets to know of."""
    async with database.session() as session:
        if database.mysql:
            await session.rows("SET GLOBAL super_read_only = OFF")
        await session.rows(_UNLOGGED)
        await session.rows(statement)
        if database.mysql:
            await session.rows("SET GLOBAL super_read_only = ON")
