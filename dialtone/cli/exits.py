"""Exit codes, the same for every command and documented in docs/exit-codes.md."""

from enum import IntEnum


class Exit(IntEnum):
    """What the process says to whoever started it.

    2 and 3 mean to `probe` what they mean to Nagios-style schedulers: critical and unknown.
    """

    OK = 0
    BUG = 1
    FAILED = 2
    USAGE = 3
    UNREACHABLE = 4
    CREDENTIALS = 5
    PORT_BUSY = 6
    STORE = 7
    LAB = 8
    STUCK = 70  # by dialtone.runtime.stop
    INTERRUPTED = 130
