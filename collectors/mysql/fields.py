"""Texts and numbers from rows; every one is bounded, and what can't be read is a CollectError."""

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from collectors.mysqlclient import Row, one_line
from dialtone.model import CollectError, CollectFailure

MAX_ID: Final = 2**32 - 1
"""Highest server_id."""

_MOST_DIGITS: Final = 20
_LONGEST_NUMBER: Final = 40
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
"""What float() takes beyond that (1_0, spaces, other scripts' digits) no server writes."""
_LONGEST: Final = 300
_MOST_TIME: Final = 40
_ON: Final = frozenset({"1", "ON", "YES", "TRUE"})
_OFF: Final = frozenset({"", "0", "OFF", "NO", "FALSE"})


class Facts:
    """Rows of a name and a value (SHOW VARIABLES, SHOW STATUS) by name, whatever its case."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._values = {text(row, "Variable_name").lower(): text(row, "Value") for row in rows}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, *names: str) -> str:
        """Return the value of the first of these that there is, as one line; "" without any."""
        return line(self.raw(*names))

    def raw(self, *names: str) -> str:
        """Return the same as the server wrote it."""
        return next((self._values[name] for name in names if name in self._values), "")

    def whole(self, *names: str) -> int | None:
        """Return a whole number that is not negative; None without one of these, or where it is empty."""
        value = self.raw(*names)
        return to_whole(value, names[0]) if value else None

    def number(self, *names: str) -> float | None:
        """Return a number; None without one of these, or where it is empty."""
        value = self.raw(*names)
        return to_number(value, names[0]) if value else None

    def on(self, *names: str) -> bool:
        """Whether one of these is switched on."""
        return self.raw(*names).upper() in _ON

    def off(self, *names: str) -> bool:
        """Whether it is switched off, or not there: some switches have more words than ON for it."""
        return self.raw(*names).upper() in _OFF


def value(row: Row, *columns: str) -> str | None:
    """Return the first of these columns that a row has. Raises CollectError without any."""
    for column in columns:
        if column in row:
            return row[column]
    raise wrong(f"no column {' or '.join(columns)}")


def text(row: Row, *columns: str) -> str:
    """Return a column as the server wrote it, "" for NULL. Raises CollectError without it."""
    return value(row, *columns) or ""


def number(row: Row, *columns: str) -> float | None:
    """Return a number, None for NULL. Raises CollectError for anything else."""
    found = value(row, *columns)
    return None if found is None else to_number(found, columns[0])


def whole(row: Row, *columns: str) -> int:
    """Return a whole number that is not negative, 0 for NULL. Raises CollectError for anything else."""
    found = value(row, *columns)
    return 0 if found is None else to_whole(found, columns[0])


def to_number(found: str, name: str) -> float:
    """Return what a text says, as servers write it. Raises CollectError where that is no finite number."""
    if len(found) > _LONGEST_NUMBER or not _NUMBER.fullmatch(found) or not math.isfinite(float(found)):
        raise wrong(f"{name} is no number")
    return float(found)


def to_whole(found: str, name: str) -> int:
    """Return what a text says. Raises CollectError for what has more than 20 digits, a sign, or others."""
    if not (found.isascii() and found.isdigit() and len(found) <= _MOST_DIGITS):
        raise wrong(f"{name} is no number")
    return int(found)


def instant(found: str | None) -> float | None:
    """Return seconds since 1970 of `2026-11-23 20:22:01.001000` or `2026-11-23T20:22:01.001000`, in UTC.

    None for NULL and for what is no time, such as MySQL's 0000-00-00.
    """
    if not found or len(found) > _MOST_TIME:
        return None
    try:
        when = datetime.fromisoformat(found)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def line(found: str) -> str:
    """Return a text as one printable line of at most 300 characters."""
    return found if len(found) <= _LONGEST and found.isprintable() else one_line(found)


def wrong(what: str) -> CollectError:
    """Return the error for a reply that can't be read."""
    return CollectError(CollectFailure.PROTOCOL, f"the server's reply can't be read: {what}")
