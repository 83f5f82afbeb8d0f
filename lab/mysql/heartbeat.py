"""`python -m lab.mysql.heartbeat`: writes the time into the active server again and again, until SIGTERM."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import structlog

from lab.base import LabError
from lab.mysql.replication import HEART, HEARTBEAT_TABLE
from lab.mysql.sql import Session, connected

INTERVAL: Final = 0.5
"""Seconds between two beats, unless another interval is given."""

_SOON: Final = 0.05
"""Seconds until the next try while there has been no beat: the server is only starting."""

# The id is a value, not @@server_id: replicated as a statement, that would name the replica.
_BEAT: Final = (
    f"INSERT INTO {HEARTBEAT_TABLE} (server_id, ts) VALUES (%s, UTC_TIMESTAMP(6))"  # noqa: S608 - a constant
    " ON DUPLICATE KEY UPDATE ts = UTC_TIMESTAMP(6)"
)

_log = structlog.get_logger(__name__)


async def beat(
    socket: Path, server_id: int, password: str, told_to_end: asyncio.Event, interval: float = INTERVAL
) -> None:
    """Write a heartbeat every `interval` seconds; while the server is away, keep trying."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    failing = False
    ever = False
    async with AsyncExitStack() as connection:
        session: Session | None = None
        while not told_to_end.is_set():
            try:
                if session is None:
                    session = await connection.enter_async_context(connected(socket, HEART, password))
                await session.rows(_BEAT, server_id)
            except LabError as error:
                if not failing:
                    _log.warning("heartbeat fails", error=str(error))
                failing = True
                session = None
                await connection.aclose()  # a connection that failed once is not used again
            else:
                if failing:
                    _log.info("heartbeat is back")
                failing = False
                ever = True
            due = max(
                due + (interval if ever else _SOON), loop.time()
            )  # no drift, and no burst after a pause
            await _either(told_to_end, due - loop.time())


async def _either(told_to_end: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await told_to_end.wait()
    except TimeoutError:
        return


def main(argv: Sequence[str] | None = None) -> int:
    """Run the writer; return the exit code."""
    parser = argparse.ArgumentParser(prog="lab.mysql.heartbeat", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket of the active server")
    parser.add_argument("--server-id", type=int, required=True, help="the active server's server_id")
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("--interval", type=float, default=INTERVAL, help="seconds (default: %(default)s)")
    given = parser.parse_args(argv)
    try:
        password = given.password_file.read_text()
    except OSError as error:
        sys.stderr.write(f"{given.password_file}: {error.strerror}\n")
        return 1
    asyncio.run(_run(given.socket, given.server_id, password, given.interval))
    return 0


async def _run(socket: Path, server_id: int, password: str, interval: float) -> None:
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    await beat(socket, server_id, password, told_to_end, interval)


if __name__ == "__main__":
    sys.exit(main())
