"""MI as JSON-RPC through a FIFO (module mi_fifo of 3.x and 4.x), for a server that offers nothing else.

The server reads its FIFO in one process, and writes each reply into a FIFO that we make. Whoever reads slowly
keeps every other client waiting, so what comes is read to its end at once, and the file is gone in any case.
"""

import asyncio
import errno
import itertools
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from collectors.opensips import jsonrpc
from collectors.opensips.jsonrpc import MAX_REPLY_BYTES, MiRefused, Params
from dialtone.model import CollectError, CollectFailure

REPLIES: Final = Path("/tmp")  # noqa: S108 - mi_fifo's own default (parameter reply_dir)
_CHUNK: Final = 64 * 1024
_PIPE_BUF: Final = 4096
"""What is written into a FIFO at once and whole (pipe(7)), whoever else writes."""


class Fifo:
    """Asks through the FIFO at a path, `fifo:///PATH[?replies=/FOLDER]`; implements client.Transport.

    The folder is mi_fifo's `reply_dir`, where the server looks for the file to answer into; `patience` is
    how many seconds it may take for a reply.
    """

    def __init__(self, endpoint: str, *, patience: float | None = None) -> None:
        url = urlsplit(endpoint)
        self._path = Path(url.path)
        self._replies = Path(url.query.removeprefix("replies=")) if url.query else REPLIES
        self._patience = patience
        self._has_answered = False
        self._numbers = itertools.count(secrets.randbelow(2**30) + 1)  # who else may write can't guess it

    async def ask(self, command: str, params: Params) -> object | MiRefused:
        """Return a command's result, or how it was refused. Raises CollectError."""
        number = next(self._numbers)
        body = jsonrpc.request(number, command, params)
        name = f"dialtone_{secrets.token_hex(12)}"
        file = self._replies / name
        try:
            reader = _fifo(file)
            try:
                self._write(f":{name}:".encode() + body + b"\n")
                async with asyncio.timeout(self._patience):
                    raw = await _read(reader)
                self._has_answered = True
                return jsonrpc.result(raw, number)
            finally:
                os.close(reader)
        except TimeoutError:
            raise CollectError(CollectFailure.TIMEOUT, self._silence(command)) from None
        except OSError as error:
            why = f"can't make a file for the reply in {self._replies}: {error.strerror}"
            raise CollectError(CollectFailure.CONNECT, why) from None
        finally:
            with suppress(OSError):
                file.unlink()

    def _silence(self, command: str) -> str:
        said = f"no reply to {command} from {self._path} in {self._patience:g} s"
        if self._has_answered:
            return said
        # The server puts the reply's name behind reply_dir as it is, slash or not.
        return f"{said}: is `reply_dir` the folder {self._replies}, with a slash at its end?"

    async def aclose(self) -> None:
        """Nothing is kept open."""

    def _write(self, line: bytes) -> None:
        if len(line) > _PIPE_BUF:
            raise ValueError(f"a request has at most {_PIPE_BUF} bytes, this one {len(line)}")
        try:
            writer = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            try:
                if not stat.S_ISFIFO(os.fstat(writer).st_mode):
                    raise CollectError(CollectFailure.CONNECT, f"{self._path} is no FIFO")
                os.write(writer, line)
            finally:
                os.close(writer)
        except BlockingIOError:
            raise CollectError(
                CollectFailure.CONNECT, f"{self._path} is full: the server does not read it"
            ) from None
        except OSError as error:
            why = "nobody reads it" if error.errno == errno.ENXIO else error.strerror
            raise CollectError(CollectFailure.CONNECT, f"can't write to {self._path}: {why}") from None


def _fifo(file: Path) -> int:
    """Make a FIFO that the server, another user as a rule, may write to; return it open to read."""
    os.mkfifo(file)
    file.chmod(0o622)
    return os.open(file, os.O_RDONLY | os.O_NONBLOCK)


async def _read(reader: int) -> bytes:
    """Read to the end: until the server has closed its side. Raises CollectError where it is too much."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    raw = bytearray()
    loop.add_reader(reader, readable.set)
    try:
        while True:
            await readable.wait()
            readable.clear()
            try:
                chunk = os.read(reader, _CHUNK)
            except BlockingIOError:
                continue
            if not chunk:
                return bytes(raw)
            raw += chunk
            if len(raw) > MAX_REPLY_BYTES:
                raise jsonrpc.too_large()
            readable.set()
    finally:
        loop.remove_reader(reader)
