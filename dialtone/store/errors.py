"""SQLite's errors -> StoreError, in words that say what is wrong with which file and how to mend it."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dialtone.ports import StoreError

# Primary result codes (https://www.sqlite.org/rescode.html); the extended ones share their low byte.
_WORDS: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, the next write goes on by itself",
    sqlite3.SQLITE_BUSY: "another process keeps it locked; find it with: fuser -v {path}",
    sqlite3.SQLITE_LOCKED: "another process keeps it locked; find it with: fuser -v {path}",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; stop dialtone, move it away and put back a copy",
    sqlite3.SQLITE_NOTADB: "the file is no database; move it away, a new one is made",
    sqlite3.SQLITE_READONLY: "it may not be written by this user; change owner or mode of file and folder",
    sqlite3.SQLITE_PERM: "it may not be written by this user; change owner or mode of file and folder",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened; look at owner and mode of file and folder",
    sqlite3.SQLITE_IOERR: "the disk fails, or a quota or file size limit is reached; look at both",
}


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether another process's lock was in the way."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY


def store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """Return the StoreError for what SQLite raised about the database at `path`."""
    # Errors of the Python layer (a value too large, say) have no code; they are mistakes of ours.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    words = _WORDS.get(code & 0xFF) if code is not None else None
    return StoreError(f"{path}: {words.format(path=path) if words else 'SQLite failed'} ({error})")
