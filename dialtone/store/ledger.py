"""What is laid over slices, and closed months, on disk, as jobs of one transaction with their audit rows."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from dialtone.model import AuditRow, Closing, Correction, Maintenance, Scope
from dialtone.ports import MadeFrom
from dialtone.store import book_rows
from dialtone.store.reading import RowReader
from dialtone.store.rows import instant
from dialtone.store.seen import Seen, seen_by
from dialtone.store.slices import SqlPages, causes, closed_off, series
from dialtone.store.statements import sql


def declare(db: sqlite3.Connection, row: Mapping[str, Any]) -> Maintenance:
    """Put down maintenance."""
    id_ = db.execute(sql("declare_maintenance"), row).lastrowid
    made = book_rows.row_maintenance({**row, "id": id_, "withdrawn": None, "withdrawn_by": ""})
    db.execute(sql("put_audit"), book_rows.declared(made))
    return made


def withdraw(
    db: sqlite3.Connection, reader: RowReader, seen: Seen, values: Mapping[str, Any]
) -> Maintenance | None:
    """Withdraw maintenance that the reader may see."""
    if not maintenance(db, reader, seen, values["id"]):
        return None
    changed = db.execute(sql("withdraw_maintenance"), values).rowcount
    [now] = maintenance(db, reader, seen, values["id"])
    if changed:
        db.execute(sql("put_audit"), book_rows.undeclared(now))
    return now


def maintenance(
    db: sqlite3.Connection, reader: RowReader, seen: Seen, id_: int | None = None
) -> list[Maintenance]:
    """Return what was declared, by id; with one, that one alone."""
    rows = db.execute(seen.text + sql("maintenance"), {**seen.values, "id": id_})
    return reader.read("maintenance", rows, book_rows.row_maintenance)


def correct(db: sqlite3.Connection, row: Mapping[str, Any]) -> Correction:
    """Put down a correction."""
    id_ = db.execute(sql("put_correction"), row).lastrowid
    made = book_rows.row_correction({**row, "id": id_, "withdrawn": None, "withdrawn_by": ""})
    db.execute(sql("put_audit"), book_rows.corrected(made))
    return made


def withdraw_correction(
    db: sqlite3.Connection, reader: RowReader, seen: Seen, values: Mapping[str, Any]
) -> Correction | None:
    """Withdraw a correction that the reader may see."""
    if not corrections(db, reader, seen, values["id"]):
        return None
    changed = db.execute(sql("withdraw_correction"), values).rowcount
    [now] = corrections(db, reader, seen, values["id"])
    if changed:
        db.execute(sql("put_audit"), book_rows.uncorrected(now))
    return now


def corrections(
    db: sqlite3.Connection, reader: RowReader, seen: Seen, id_: int | None = None
) -> list[Correction]:
    """Return what was put down, by id; with one, that one alone."""
    rows = db.execute(seen.text + sql("corrections"), {**seen.values, "id": id_})
    return reader.read("corrections", rows, book_rows.row_correction)


def close(
    db: sqlite3.Connection, reader: RowReader, row: Mapping[str, Any], made_from: MadeFrom | None
) -> Closing:
    """Freeze a month at the end of the chain."""
    (closed,) = db.execute(sql("closed_periods"), row).fetchone()
    if closed:
        raise book_rows.closed_already(row["tenant"], row["period"])
    if row["previous"] != last_hash(db):
        raise book_rows.moved_on()
    sequence = db.execute(sql("put_closing"), row).lastrowid
    made = book_rows.row_closing({**row, "sequence": sequence})
    if made_from is not None:
        seen, asked = seen_by(Scope.of(made.tenant)), book_rows.closed_time(made)
        if not made_from(series(db, reader, seen, asked), causes(db, reader, seen, asked)):
            raise book_rows.moved_on()
    closed_off(SqlPages(db, reader), made.tenant, book_rows.closed_spans(made))
    for since, until in made.spans:
        span = {"tenant": made.tenant, "since": instant(since), "until": instant(until)}
        db.execute(sql("put_closed_span"), span)
    db.execute(sql("put_audit"), book_rows.closed(made))
    return made


def closings(
    db: sqlite3.Connection, seen: Seen, tenant: str | None, period: str | None, *, whole: bool = True
) -> list[Closing]:
    """Return closings in sequence, all of them: a chain has no gaps (book_rows.row_closing).

    Texts are read as bytes: one that is damaged, and no UTF-8 any more, takes no other down.
    """
    values = {**seen.values, "tenant": tenant, "period": period, "whole": whole}
    rows = db.execute(seen.text + sql("closings"), values)
    return [book_rows.row_closing(_text(row)) for row in rows]


def last_hash(db: sqlite3.Connection) -> str:
    """Return the hash of the last closing, "" before the first."""
    row = db.execute(sql("last_hash")).fetchone()
    return "" if row is None else str(_text(row)["hash"])


def _text(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row with its bytes as text; what is none stands as U+FFFD, and gives another hash."""
    return {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for name, value in dict(row).items()
    }


def audit(db: sqlite3.Connection, seen: Seen, tenant: str | None, limit: int) -> list[AuditRow]:
    """Return changes of the books, newest first."""
    rows = db.execute(seen.text + sql("audit"), {**seen.values, "tenant": tenant, "limit": max(limit, 0)})
    return [book_rows.row_audit(row) for row in rows]
