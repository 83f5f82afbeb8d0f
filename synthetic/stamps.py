"""When the kernel got a datagram (socket(7), SO_TIMESTAMPNS)."""

import socket
import struct
import time
from collections.abc import Iterable
from typing import Final

SO_TIMESTAMPNS: Final = 35
SPACE: Final = 128
"""Bytes of ancillary data that leave room for a stamp."""

_MAX_AGE_NS: Final = 5_000_000_000
_STAMP: Final = struct.Struct("qq")


def received_at(ancillary: Iterable[tuple[int, int, bytes]]) -> float:
    """Return when the kernel got the datagram, in CLOCK_MONOTONIC seconds; now, where it doesn't say.

    The kernel stamps with CLOCK_REALTIME: only the age is taken from it, so that a step of the wall clock
    can't end up in a measurement unless it falls between these very lines.
    """
    for level, kind, value in ancillary:
        if kind == SO_TIMESTAMPNS and level == socket.SOL_SOCKET and len(value) >= 16:
            seconds, nanoseconds = _STAMP.unpack_from(value)
            # Both clocks at once: what comes between their readings would be an error of the stamp.
            wall, now = time.time_ns(), time.monotonic()
            age = wall - (int(seconds) * 1_000_000_000 + int(nanoseconds))
            if 0 <= age <= _MAX_AGE_NS:
                return now - age / 1e9
    return time.monotonic()
