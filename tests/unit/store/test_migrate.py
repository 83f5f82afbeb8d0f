"""Migrations: numbered, whole or not at all, once."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialtone.ports import StoreError
from dialtone.store.migrate import migrate, scripts, statements


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "d.sqlite3", isolation_level=None)
    yield connection
    connection.close()


def tables(database: sqlite3.Connection) -> list[str]:
    return [name for (name,) in database.execute("SELECT name FROM sqlite_schema ORDER BY name")]


def version(database: sqlite3.Connection) -> int:
    found: int = database.execute("PRAGMA user_version").fetchone()[0]
    return found


def test_each_script_runs_once_in_order(database: sqlite3.Connection, tmp_path: Path) -> None:
    first = "CREATE TABLE a (x INTEGER);"
    second = "-- the second\nALTER TABLE a ADD COLUMN y TEXT;\nINSERT INTO a VALUES (1, 'one; two');\n"
    migrate(database, tmp_path, [first])
    assert version(database) == 1
    migrate(database, tmp_path, [first, second])
    migrate(database, tmp_path, [first, second])
    assert version(database) == 2
    assert database.execute("SELECT * FROM a").fetchall() == [(1, "one; two")]


def test_a_script_that_fails_in_the_middle_changes_nothing(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    good = "CREATE TABLE a (x INTEGER);"
    bad = "CREATE TABLE b (x INTEGER);\nINSERT INTO a VALUES (1);\nINSERT INTO nowhere VALUES (1);\n"
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(database, tmp_path, [good, bad])
    assert tables(database) == []
    assert version(database) == 0
    assert not database.in_transaction


def test_a_newer_schema_is_refused(database: sqlite3.Connection, tmp_path: Path) -> None:
    database.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="newer dialtone"):
        migrate(database, tmp_path, ["CREATE TABLE a (x INTEGER);"])
    assert tables(database) == []
    assert not database.in_transaction


def test_the_shipped_scripts_are_numbered_without_gaps_and_run(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    migrate(database, tmp_path)
    assert version(database) == len(scripts()) >= 1
    assert {"results", "latest_results", "alerts", "leases"} <= set(tables(database))


def test_a_trigger_stays_one_statement() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM b;\n  DELETE FROM c;\nEND;\n"
    assert list(statements("CREATE TABLE a (x);\n" + trigger + "\n-- the end\n")) == [
        "CREATE TABLE a (x);\n",
        trigger,
        "\n-- the end\n",
    ]
