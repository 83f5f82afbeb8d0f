"""Brings a database to the schema that this program knows, by the numbered scripts of migrations/."""

import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from dialtone.ports import StoreError


def scripts() -> Sequence[str]:
    """Return the text of every migration; the first has number 1, and none is missing."""
    folder = resources.files("dialtone.store") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda f: f.name)
    for number, file in enumerate(files, start=1):
        if not file.name.startswith(f"{number:04}_"):
            raise ValueError(f"migrations/{file.name}: number {number:04} is missing")
    return [file.read_text("utf-8") for file in files]


def migrate(connection: sqlite3.Connection, path: Path, known: Sequence[str] | None = None) -> None:
    """Run what is missing, all in one transaction; user_version counts what has been run.

    The lock is taken before the version is read, so of two processes that start at once one migrates
    and the other finds it done. Raises StoreError where the file is of a newer program, sqlite3.Error
    otherwise; then nothing has changed.
    """
    migrations = scripts() if known is None else known
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(migrations):
            raise StoreError(
                f"{path}: was written by a newer dialtone (its schema is {version}, this program's "
                f"{len(migrations)}); upgrade this one, or name another folder with `data:`"
            )
        for script in migrations[version:]:
            for statement in statements(script):
                connection.execute(statement)
        # Not a bound value: PRAGMA takes none. It is our own number.
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def statements(script: str) -> Iterator[str]:
    """Split a script into statements, each of which ends a line.

    executescript() can't be used: it commits what was begun before it.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
