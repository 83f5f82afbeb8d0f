"""The outbox on disk, as jobs of one transaction: what becomes of a message is counted with the change."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from dialtone.model import MessageState, OutboxEntry
from dialtone.store.reading import RowReader
from dialtone.store.rows import FAILED, row_entry
from dialtone.store.statements import sql


def entries(
    db: sqlite3.Connection, reader: RowReader, state: MessageState | None, limit: int | None
) -> list[OutboxEntry]:
    """Return messages in the order in which they were put."""
    statement, values = ("outbox", {}) if state is None else ("outbox_in_state", {"state": state.value})
    # The limit is not the statement's: what can't be read must not hold up what comes after it.
    with closing(db.execute(sql(statement), values)) as rows:
        return reader.read("outbox", rows, row_entry, limit=None if limit is None else max(limit, 0))


def note_try(db: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    """Note a try of a message that waits."""
    _change(db, "note_try", values, FAILED)


def settle(db: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    """Take a message out of those that wait."""
    _change(db, "settle_message", values, values["state"])


def _change(db: sqlite3.Connection, statement: str, values: Mapping[str, Any], outcome: str) -> None:
    for row in db.execute(sql(statement), values).fetchall():
        db.execute(sql("count_message"), {"receiver": row["receiver"], "outcome": outcome})
