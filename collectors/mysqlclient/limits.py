"""The one statement that opens a session: the server is told how long it may take over the next ones.

What we give up goes on there otherwise: a server doesn't notice that its client is gone before it has rows to
send. MariaDB ends any statement by max_statement_time (MariaDB KB, "Aborting Statements that Exceed a Certain
Time to Execute"), MySQL a SELECT by max_execution_time and nothing else (MySQL 8.4 Reference Manual, "Server
System Variables"); both give up waiting for somebody's lock.
"""

import math
from typing import Final

BEGINNING: Final = "SET SESSION lock_wait_timeout="


def limits(version: str, seconds: float) -> tuple[str, ...]:
    """Return how to say it to a server of that version: the first one that it takes.

    `seconds` are for each statement; locks are waited for in whole ones, rounded up. The last one is for a
    server that is not what its version says, or is too old.
    """
    whole = max(1, math.ceil(seconds))
    locks = f"{BEGINNING}{whole}, innodb_lock_wait_timeout={whole}"
    if "mariadb" in version.lower():
        return f"{locks}, max_statement_time={seconds:.3f}", f"{BEGINNING}{whole}"
    return f"{locks}, max_execution_time={max(1, math.ceil(seconds * 1000))}", f"{BEGINNING}{whole}"
