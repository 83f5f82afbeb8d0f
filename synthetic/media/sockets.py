"""The UDP sockets of media ports: mute ones that cost next to nothing, and those that measure."""

import errno
import socket
import struct
from typing import Final

from synthetic.stamps import SO_TIMESTAMPNS

_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("9I")
"""What it tells, the datagrams that were dropped as the last (linux/sock_diag.h)."""
_MUTE: Final = 4096
_BUFFER: Final = 262_144
"""Bytes that the kernel keeps of what comes where media is measured, as far as its own limit lets it."""
_TRIES: Final = 32


def mute(family: int, host: str) -> socket.socket:
    """Return a socket that nobody reads: the kernel drops what comes. Raises OSError."""
    return _bound(family, host, 0, _MUTE)


def measuring(made: socket.socket) -> None:
    """Have the kernel keep what comes, and say when each datagram did."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def side_by_side(family: int, host: str) -> tuple[socket.socket, socket.socket]:
    """Return two measuring sockets, the even one for RTP and the next for RTCP (RFC 3550 11).

    Raises OSError where none are free.
    """
    for _ in range(_TRIES):
        first = _bound(family, host, 0, _BUFFER)
        number = first.getsockname()[1]
        try:
            second = _bound(family, host, number ^ 1, _BUFFER)
        except OSError as error:
            first.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        measuring(first)
        measuring(second)
        return (first, second) if number % 2 == 0 else (second, first)
    raise OSError(errno.EADDRINUSE, f"no two ports side by side are free, of {_TRIES} tried")


def dropped(asked: socket.socket) -> int:
    """Return how many datagrams the kernel had no room for until now; 0 where it doesn't say (Linux 4.12)."""
    try:
        told = asked.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return 0
    return int(_MEMINFO.unpack(told)[-1]) if len(told) == _MEMINFO.size else 0


def _bound(family: int, host: str, port: int, buffer: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
