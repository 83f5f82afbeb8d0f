"""Text result sets from the packets that carry them; pure, and every length is checked.

The driver's own reader is compiled without bounds checks: a damaged or malicious reply crashes the
process there (seen with asyncmy 0.2.18). So the driver connects, encrypts and logs in, and what
comes after is read here. Format: MySQL Internals Manual, "COM_QUERY Response" and "Text Resultset".
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final

from dialtone.model import CollectError, CollectFailure

Row = Mapping[str, str | None]
"""Columns by name. Everything is text on the wire; NULL is None."""

MAX_COLUMNS: Final = 4096
"""The most that a server can have (MySQL 8.4 Reference Manual, "Limits on Table Column Count")."""

_NAME: Final = 4
"""A column is catalog, schema, table, original table, name, and more that nobody needs."""

_SHORT: Final = 256
_NULL: Final = 0xFB
_LOCAL_INFILE: Final = 0xFB
_END: Final = 0xFE
_EOF_LENGTH: Final = 5
_ENDS: Final = bytes([_END])
_WIDTHS: Final = {0xFC: 2, 0xFD: 3, 0xFE: 8}


def column_count(packet: bytes) -> int:
    """Return how many columns a reply has. Raises CollectError where it is no result set."""
    if not packet or packet[0] in (0, _LOCAL_INFILE):
        # 0xFB asks for a file of ours (LOAD DATA LOCAL), whatever the statement was: malice.
        raise _malformed("no result set")
    count, end = _number(packet, 0)
    if end != len(packet) or not 0 < count <= MAX_COLUMNS:
        raise _malformed("no number of columns")
    return count


def check_ok(packet: bytes) -> None:
    """Take an OK packet, of a statement without rows. Raises CollectError where it is something else."""
    if not packet or packet[0] != 0:
        raise _malformed("no OK")


def column_name(packet: bytes) -> str:
    """Return the name in a column's definition. Raises CollectError.

    A server sends the same definitions in each poll: short ones are read once.
    """
    return _known_name(packet) if len(packet) <= _SHORT else _name(packet)


def _name(packet: bytes) -> str:
    position = 0
    for _ in range(_NAME):
        _, position = _text(packet, position)
    name, _ = _text(packet, position)
    return name or ""


_known_name: Final = lru_cache(maxsize=1024)(_name)


def check_columns(names: Collection[str], wanted: Collection[str]) -> None:
    """Raise CollectError where a column of those is missing."""
    if missing := sorted(set(wanted).difference(names)):
        raise _malformed(f"no column {missing[0]}")


def divides(packet: bytes) -> bool:
    """Whether this closes the column definitions; newer servers leave that out (CLIENT_DEPRECATE_EOF)."""
    return len(packet) == _EOF_LENGTH and packet[0] == _END


def ends(packet: bytes) -> bool:
    """Whether this closes the rows: by EOF, or by an OK packet under CLIENT_DEPRECATE_EOF.

    As the length of a first column, 0xFE would announce more than 16 MiB, which nobody gets here.
    """
    return packet.startswith(_ENDS)


def row(packet: bytes, names: Sequence[str]) -> Row:
    """Return a row. Raises CollectError where it hasn't exactly these columns."""
    values: dict[str, str | None] = {}
    position = 0
    for name in names:
        values[name], position = _text(packet, position)
    if position != len(packet):
        raise _malformed("a row longer than its columns")
    return values


def _text(packet: bytes, position: int) -> tuple[str | None, int]:
    """Return a string with its length before it, and where it ends."""
    length, start = _first(packet, position), position + 1
    if length == _NULL:
        return None, start
    if length > _NULL:
        length, start = _number(packet, position)
    end = start + length
    if end > len(packet):
        raise _malformed("a text that ends after its packet")
    return packet[start:end].decode("utf-8", "replace"), end


def _number(packet: bytes, position: int) -> tuple[int, int]:
    """Return a length-encoded integer, and where it ends."""
    first = _first(packet, position)
    if first < _NULL:
        return first, position + 1
    end = position + 1 + _WIDTHS.get(first, len(packet))
    if end > len(packet):
        raise _malformed("a number that ends after its packet")
    return int.from_bytes(packet[position + 1 : end], "little"), end


def _first(packet: bytes, position: int) -> int:
    if position >= len(packet):
        raise _malformed("a packet that ends too early")
    return packet[position]


def _malformed(what: str) -> CollectError:
    return CollectError(CollectFailure.PROTOCOL, f"the server's reply is damaged: {what}")
