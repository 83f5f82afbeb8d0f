"""One SQLite connection on one thread of its own: whole transactions go in, nothing blocks the event loop.

A job that reads runs from BEGIN to COMMIT on the thread. Those that write and wait at the same time share a
transaction, each in a savepoint of its own: what takes its time is the disk, at each COMMIT. A caller who is
cancelled stops waiting; the job it handed in either has not started, and then never runs, or runs to its end.
Half a job does not exist.

A job returns plain values, never a cursor: the event loop's thread would drop it while this thread
uses the connection, which SQLite answers with SQLITE_MISUSE.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import anyio

from dialtone.ports import StoreError
from dialtone.store.errors import is_busy, store_error
from dialtone.store.migrate import migrate

T = TypeVar("T")

_CLOSING: Final = 30.0
"""Seconds that closing waits for jobs already handed in."""

_HARDLY: Final = 0.05
"""Seconds that a job waits for a lock that the one before it waited for in vain."""

_TOGETHER: Final = 64
"""Writes that share a transaction at most."""

_PAUSE: Final = 0.02
"""Seconds between two tries to set a file up; the thread waits, not the event loop."""


@dataclass(frozen=True, slots=True)
class _Write:
    """A job that writes, and where its end is waited for."""

    job: Callable[[sqlite3.Connection], Any]
    end: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Failed:
    """A job raised this."""

    error: Exception


class Database:
    """A migrated database that runs jobs one after another, each in a transaction."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor, busy_timeout: float
    ) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._locked_out = False
        self._connection = connection
        self._thread = thread
        self._closed = False
        self._writes: deque[_Write] = deque()

    @classmethod
    async def open(cls, path: Path, *, busy_timeout: float) -> Self:
        """Open the file, made if need be, and bring its schema up to date. Raises StoreError.

        `busy_timeout` is how long, in seconds, a job waits for another process's lock. Once one has waited in
        vain the next ones hardly wait, until one succeeds: they would all stand behind each other.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="dialtone-store")
        try:
            # Shielded, for no longer than the lock is waited for: nobody would close what it opens.
            with anyio.CancelScope(shield=True):
                connection = await _on(thread, lambda: _connect(path, busy_timeout))
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(path, connection, thread, busy_timeout)

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job that only reads, on one consistent snapshot. Raises StoreError."""
        self._check_open()
        return await _on(self._thread, lambda: self._transaction("BEGIN", job))

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job that writes: all of it is on the disk when this returns, or none. Raises StoreError."""
        self._check_open()
        loop = asyncio.get_running_loop()
        end: asyncio.Future[T] = loop.create_future()
        self._writes.append(_Write(job, end))
        # One visit to the thread for each: who comes first takes along those that wait by then.
        self._thread.submit(self._write_waiting, loop)
        return await end

    async def aclose(self) -> None:
        """Finish the jobs handed in, then close; closing twice is allowed."""
        if self._closed:
            return
        self._closed = True
        with anyio.move_on_after(_CLOSING, shield=True):
            await _on(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"{self._path}: the store is closed")

    def _write_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        writes: list[_Write] = []
        while self._writes and len(writes) < _TOGETHER:
            write = self._writes.popleft()
            if not write.end.cancelled():
                writes.append(write)
        if not writes:
            return
        found: list[Any]
        try:
            found = self._transaction("BEGIN IMMEDIATE", lambda db: [self._saved(db, w.job) for w in writes])
        except StoreError as error:
            found = [_Failed(StoreError(str(error))) for _ in writes]
        except Exception as error:  # noqa: BLE001 - the edge of the thread: whoever waits is told
            found = [_Failed(error) for _ in writes]
        loop.call_soon_threadsafe(_end, writes, found)

    def _saved(self, db: sqlite3.Connection, job: Callable[[sqlite3.Connection], T]) -> T | _Failed:
        """Run a job in a savepoint; what it raises undoes nothing but the job."""
        db.execute("SAVEPOINT job")
        try:
            found: T | _Failed = job(db)
        except Exception as error:
            if not db.in_transaction:
                raise  # SQLite has rolled back everything
            db.execute("ROLLBACK TO job")
            # Without its traceback: those frames hold a cursor, and would carry it to the caller's thread.
            error = error.with_traceback(None)
            found = _Failed(store_error(error, self._path) if isinstance(error, sqlite3.Error) else error)
        db.execute("RELEASE job")
        return found

    def _transaction(self, begin: str, job: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        try:
            connection.execute(begin)
            try:
                found = job(connection)
                connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors (a full disk is one of them).
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self._be_patient(not is_busy(error))
            # Without its traceback: those frames hold a cursor, and would carry it to the caller's thread.
            raise store_error(error, self._path) from error.with_traceback(None)
        self._be_patient(True)
        return found

    def _be_patient(self, patient: bool) -> None:
        if patient is self._locked_out:
            self._locked_out = not patient
            seconds = self._busy_timeout if patient else min(_HARDLY, self._busy_timeout)
            self._connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")


def _end(writes: Sequence[_Write], found: Sequence[Any]) -> None:
    for write, one in zip(writes, found, strict=True):
        if write.end.done():
            continue  # who waited for it was cancelled
        if isinstance(one, _Failed):
            write.end.set_exception(one.error)
        else:
            write.end.set_result(one)


async def _on(thread: ThreadPoolExecutor, job: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, job)


def _connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    connection: sqlite3.Connection | None = None
    try:
        # isolation_level None: we say BEGIN and COMMIT ourselves.
        connection = sqlite3.connect(
            path, timeout=busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.row_factory = sqlite3.Row
        _set_up(connection, path, deadline=time.monotonic() + busy_timeout)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise store_error(error, path) from error
        raise
    return connection


def _set_up(connection: sqlite3.Connection, path: Path, *, deadline: float) -> None:
    """Bring schema and mode up to date, again and again while another process is at it."""
    while True:
        try:
            migrate(connection, path)
            # WAL: readers of other processes never wait for a writer. FULL: an acknowledged commit survives
            # a power cut (https://www.sqlite.org/pragma.html#pragma_synchronous).
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.OperationalError as error:
            # The switch to WAL does not always honour the busy timeout: of two processes that make the
            # file at once, the second is told "locked" without having waited.
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return
