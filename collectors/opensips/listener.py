"""A socket of ours that an OpenSIPS sends its events to, UDP or UNIX. It never blocks either side."""

import asyncio
import ipaddress
import os
import socket
import stat
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from collectors.opensips.events import Event, PassedOver, parse_event

_LARGEST: Final = 8192
"""Bytes of a datagram that is looked into: usrloc keeps 255 characters of each text, and an event has ten."""
_AT_ONCE: Final = 64
_BYTES_AT_ONCE: Final = 16 * 1024
"""Datagrams that are read before others have their turn, and their bytes."""
_TURNS: Final = 64
_BUFFER: Final = 8 * 1024 * 1024
"""Bytes that the kernel may keep for us, as far as its own limit (net.core.rmem_max) lets it."""
_MODE: Final = 0o660


class Listener:
    """Takes events at `udp://HOST:PORT` or `unix:///PATH` and hands each to `take`.

    `passed_over` counts the datagrams that were none, by reason; `stranger` is who last sent one that must
    not. Over UDP only `senders` are heard, all where there are none; who may write to a UNIX socket is for
    the folder's permissions to say.
    """

    def __init__(self, address: str, take: Callable[[Event], None]) -> None:
        self.passed_over: Counter[PassedOver] = Counter(dict.fromkeys(PassedOver, 0))
        self.stranger = ""
        self.senders: frozenset[str] = frozenset()
        self._take = take
        self._socket: socket.socket | None = None
        self._file: tuple[int, int] | None = None
        url = urlsplit(address)
        self._path = address.removeprefix("unix://") if url.scheme == "unix" else ""
        self._host, self._port = url.hostname or "", url.port or 0

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._socket is not None

    @property
    def is_udp(self) -> bool:
        """Whether it is a UDP socket."""
        return not self._path

    @property
    def for_server(self) -> str:
        """The socket as event_subscribe wants it; what it is bound to, so open it first."""
        if self._path:
            return f"unix:{self._path}"
        return f"udp:{self._host}:{self._bound()[1]}"

    async def open(self) -> None:
        """Listen, where it doesn't already. Raises OSError, with words for a file that is in the way."""
        if self._socket is not None:
            return
        own = _unix(Path(self._path)) if self._path else await _udp(self._host, self._port)
        with suppress(OSError):
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        if self._path:
            self._file = _identity(self._path)
        asyncio.get_running_loop().add_reader(own.fileno(), self.take_some)
        self._socket = own

    async def hear_only(self, endpoint: str) -> None:
        """Hear only the server whose management interface this is; a local one has this host's addresses.

        Where its name does not resolve, those of before stay.
        """
        host = urlsplit(endpoint).hostname or "127.0.0.1"  # a UNIX socket or a FIFO is this host's
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except OSError:
            return
        senders = {str(entry[4][0]) for entry in found}
        if any(ipaddress.ip_address(sender.partition("%")[0]).is_loopback for sender in senders):
            senders |= {"127.0.0.1", "::1", str(self._bound()[0])}
        self.senders = frozenset(senders)

    def close(self) -> None:
        """Stop listening; remove the file of a UNIX socket, if it is still ours."""
        own, self._socket = self._socket, None
        if own is None:
            return
        asyncio.get_running_loop().remove_reader(own.fileno())
        own.close()
        with suppress(OSError):
            if self._path and _identity(self._path) == self._file:
                Path(self._path).unlink()

    async def read(self) -> None:
        """Take what has come and was not read yet, before what is known is told."""
        for _ in range(_TURNS):
            if not self.take_some():
                return
            await asyncio.sleep(0)

    def _bound(self) -> tuple[str, int]:
        if self._socket is None:
            return self._host, self._port
        host, port, *_ = self._socket.getsockname()
        return str(host), int(port)

    def take_some(self) -> bool:
        """Take some datagrams; whether there may be more."""
        size = 0
        for _ in range(_AT_ONCE):
            if self._socket is None:
                return False
            if size > _BYTES_AT_ONCE:
                return True
            try:
                raw, sender = self._socket.recvfrom(_LARGEST + 1)
            except OSError:
                return False
            size += len(raw)
            if self.is_udp and self.senders and sender[0] not in self.senders:
                self.passed_over[PassedOver.FOREIGN] += 1
                self.stranger = str(sender[0])
                continue
            found = parse_event(raw) if len(raw) <= _LARGEST else PassedOver.MALFORMED
            if isinstance(found, Event):
                self._take(found)
            else:
                self.passed_over[found] += 1
        return True


async def _udp(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address of ours. OpenSIPS sends over IPv4 alone."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM
    )
    address = found[0][4]
    if ipaddress.ip_address(address[0]).is_unspecified:
        raise OSError(None, "the server needs one address to send to, not all of ours")
    return _bound(socket.AF_INET, address)


def _unix(path: Path) -> socket.socket:
    """Return a socket at that path, in place of one that nobody listens at any more."""
    with suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISSOCK(found.st_mode):
            raise OSError(None, f"{path} is no socket and stays as it is")
        if found.st_uid != os.geteuid():
            raise OSError(None, f"{path} is somebody else's socket")
        if _is_heard(path):
            raise OSError(None, f"somebody listens at {path}")
        path.unlink()
    own = _bound(socket.AF_UNIX, str(path))
    path.chmod(_MODE)
    return own


def _bound(family: int, address: object) -> socket.socket:
    own = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        own.bind(address)  # type: ignore[arg-type] # what getaddrinfo gave, or a path
    except OSError:
        own.close()
        raise
    return own


def _is_heard(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        try:
            sock.connect(str(path))
        except OSError:
            return False
        return True


def _identity(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino
