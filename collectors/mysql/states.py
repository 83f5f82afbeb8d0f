"""What the states of a server's threads mean, in the words of its processlist; pure.

MySQL 8.4 Reference Manual, "General Thread States"; MariaDB KB, "General Thread States".
"""

import re
from typing import Final

_LOCK: Final = re.compile(
    # Metadata, table, commit, backup, global read and user locks, and FLUSH TABLES WITH READ LOCK.
    r"Waiting for (?:\S+ )*lock$|Waiting for tables?(?: flush)?$|User lock$|Locked$",
    re.IGNORECASE,
)


def waits_for_lock(state: str) -> bool:
    """Whether a thread in that state waits for a lock of somebody else's, other than one of InnoDB's rows.

    Those don't show: a thread that waits for a row is in the state of one that changes many ("Applying batch
    of row changes (delete)", seen on MySQL 9.7).
    """
    return _LOCK.match(state) is not None
