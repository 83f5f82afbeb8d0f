"""The faults that a demo or a test makes on the pair from outside, over the root socket."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lab.base import LabError
from lab.mysql.sql import connected

PASSIVE: Final = "db2"


async def stop_sql_thread(addresses: Mapping[str, str], node: str = PASSIVE) -> None:
    """Stop applying what a replica receives: IO Yes, SQL No, lag NULL. Raises LabError.

    `addresses` are the part's or the lab's. Stopping twice is no error.
    """
    await _tell(addresses, node, "STOP REPLICA SQL_THREAD")


async def start_sql_thread(addresses: Mapping[str, str], node: str = PASSIVE) -> None:
    """Apply again, beginning with what was held up meanwhile. Raises LabError."""
    await _tell(addresses, node, "START REPLICA SQL_THREAD")


async def _tell(addresses: Mapping[str, str], node: str, statement: str) -> None:
    socket = addresses.get(f"{node}-socket")
    if socket is None:
        raise LabError(f"this lab has no database server {node!r}: was it started with the part mysql?")
    async with connected(Path(socket)) as root:
        await root.rows(statement)
