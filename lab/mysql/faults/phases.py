"""What happens to healthy servers every week, and is no trouble."""

from typing import Final

import anyio

from lab.mysql.faults.acts import MARKS, kill_senders
from lab.mysql.faults.case import EVERY, Phase
from lab.mysql.galera import whole
from lab.mysql.replication import follow
from lab.mysql.stage import Stage

_QUIET: Final = 3 * EVERY


async def idle(_: Stage) -> None:
    """Do nothing at all."""
    await anyio.sleep(_QUIET)


def restarted(server: str) -> Phase:
    """Restart a server."""

    async def phase(stage: Stage) -> None:
        await stage[server].restart()

    return phase


def told(server: str, *statements: str, pause: float = 0.3, times: int = 1) -> Phase:
    """Tell a server something, with a pause after each statement."""

    async def phase(stage: Stage) -> None:
        for statement in statements * times:
            await stage[server].sql(statement)
            await anyio.sleep(pause)

    return phase


def dump_thread_killed(server: str) -> Phase:
    """Kill the threads that send binary logs; the replicas come again."""

    async def phase(stage: Stage) -> None:
        await kill_senders(stage[server])

    return phase


def heart_restarted(server: str) -> Phase:
    """Restart the heartbeat writer."""

    async def phase(stage: Stage) -> None:
        await stage.heart(server).stop()
        stage.heart(server).start()

    return phase


def switched(old: str, new: str) -> Phase:
    """Switch over as planned, and back: nobody writes for a moment."""

    async def phase(stage: Stage) -> None:
        for gives, takes in ((old, new), (new, old)):
            await stage.heart(gives).stop()
            await stage[gives].set_writable(False)
            await anyio.sleep(0.5)
            await stage[takes].set_writable(True)
            stage.heart(takes).start()
            await anyio.sleep(_QUIET)

    return phase


def locked_briefly(server: str, source: str) -> Phase:
    """Lock a table for less than two polls, as a backup does."""

    async def phase(stage: Stage) -> None:
        async with stage[server].session() as holder:
            await holder.rows(f"LOCK TABLES {MARKS} READ")
            await stage.mark(source)
            await anyio.sleep(0.8 * EVERY)
            await holder.rows("UNLOCK TABLES")

    return phase


def big_transaction(source: str, seconds: float) -> Phase:
    """Have a replica work at one statement for some seconds, fewer than it may be late."""

    async def phase(stage: Stage) -> None:
        async with stage[source].session() as session:
            await session.rows("SET SESSION binlog_format = STATEMENT")
            await session.rows(
                f"INSERT INTO {MARKS} SELECT UUID_SHORT() + "
                f"SLEEP(IF(@@port = {stage[source].port}, 0, {seconds:g}))"
            )

    return phase


def burst(*servers: str, rows: int = 2000) -> Phase:
    """Write a lot at once."""

    async def phase(stage: Stage) -> None:
        for name in servers:
            async with stage[name].session() as session:
                for _ in range(rows):
                    await session.rows(f"INSERT INTO {MARKS} VALUES (UUID_SHORT())")  # noqa: S608

    return phase


def link_cut_briefly(replica: str) -> Phase:
    """Cut a link for a moment; the replica is back within its connect_retry."""

    async def phase(stage: Stage) -> None:
        await stage.link(replica).cut()
        await anyio.sleep(0.3)
        await stage.link(replica).heal()

    return phase


def rebuilt(replica: str) -> Phase:
    """Have a replica follow anew, at once."""

    async def phase(stage: Stage) -> None:
        database = stage[replica]
        await database.sql("STOP REPLICA")
        await database.sql("RESET REPLICA ALL")
        await follow(database, stage.link(replica).port, stage.passwords, mysql=database.mysql)

    return phase


def left_and_joined(node: str) -> Phase:
    """Take a node out of its cluster in order, and have it join again."""

    async def phase(stage: Stage) -> None:
        await stage[node].restart()
        await whole(stage.servers)

    return phase
