"""Loopback ports for several labs at once, none of them twice."""

import errno
import random
import socket
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Final

from lab.base import LabError
from lab.files import locked, read_json, write_json

LOOPBACK: Final = "127.0.0.1"
LOOPBACK6: Final = "::1"
RANGE: Final = range(30_000, 32_768)
"""Below the kernel's ephemeral ports, so that no client socket takes a port while its server restarts."""

_LOOPBACKS: Final = ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, LOOPBACK6))
_BUSY: Final = "other labs are choosing ports; try again"


class LoopbackPorts:
    """Ports of one lab, kept in its folder; implements lab.base.Ports.

    `claims` is a file shared by all labs of this user: port -> folder of the lab that holds it. A
    claim whose lab no longer lists the port in its own ports.json is void, so a lab that was
    deleted by hand blocks nothing.
    """

    def __init__(self, root: Path, claims: Path, candidates: range = RANGE) -> None:
        self._mine = root / "ports.json"
        self._root = root
        self._claims = claims
        self._candidates = candidates

    def take(self, name: str) -> int:
        """Return the port of that name: free for TCP and UDP on loopback; the same one when asked again."""
        with self._locked():
            mine = _numbers(self._mine)
            if name in mine:
                return mine[name]
            held = self._held()
            order = random.sample(self._candidates, len(self._candidates))
            port = next((p for p in order if p not in held and is_free(p)), None)
            if port is None:
                raise LabError(
                    f"no free port between {self._candidates.start} and {self._candidates.stop - 1} on "
                    f"loopback for {name}: end other labs (dialtone lab down)"
                )
            write_json(self._mine, mine | {name: port})
            write_json(self._claims, {str(p): str(r) for p, r in (held | {port: self._root}).items()})
            return port

    def give_back(self) -> None:
        """Give back every port of this lab; others may take them at once."""
        with self._locked():
            self._mine.unlink(missing_ok=True)
            write_json(self._claims, {str(port): str(root) for port, root in self._held().items()})

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self._claims.with_suffix(".lock"), busy=_BUSY)

    def _held(self) -> dict[int, Path]:
        """The claims that still hold: each is listed by the lab that made it."""
        claims = {int(port): Path(str(root)) for port, root in read_json(self._claims).items()}
        listed = {root: set(_numbers(root / "ports.json").values()) for root in set(claims.values())}
        return {port: root for port, root in claims.items() if port in listed[root]}


def is_free(port: int) -> bool:
    """Whether nothing on 127.0.0.1 (and ::1, where there is IPv6) is bound to this port by TCP or UDP."""
    return all(
        _binds(family, address, port, kind)
        for family, address in _LOOPBACKS[: 1 + has_ipv6()]
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    )


def has_ipv6() -> bool:
    """Whether this machine has ::1."""
    try:
        return _binds(socket.AF_INET6, LOOPBACK6, 0, socket.SOCK_DGRAM)
    except OSError:  # no IPv6 in the kernel, or none on the loopback interface
        return False


def _binds(family: socket.AddressFamily, address: str, port: int, kind: socket.SocketKind) -> bool:
    with closing(socket.socket(family, kind)) as probe:
        if kind == socket.SOCK_STREAM:
            # A connection that only waits out TIME_WAIT keeps no server from starting.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _numbers(path: Path) -> dict[str, int]:
    return {name: port for name, port in read_json(path).items() if isinstance(port, int)}
