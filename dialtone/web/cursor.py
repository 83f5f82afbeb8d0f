"""Where a page ended, as an opaque text for clients: it holds nothing but what they were shown."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Final

from dialtone.web.access import Position

_NONE: Final = "this is no cursor: take `next` of the page before, as it is"


def write(position: Position) -> str:
    """Return the cursor of a position: URL-safe, without padding."""
    return _written(position.started.astimezone(UTC).isoformat(), position.id)


def read(cursor: str) -> Position:
    """Return the position of a cursor. Raises ValueError, in words for a person, for any other text."""
    started, result_id = _parts(cursor)
    try:
        at = datetime.fromisoformat(started)
    except ValueError:
        raise ValueError(_NONE) from None
    if at.tzinfo is None:
        raise ValueError(_NONE)
    return Position(at, result_id)


def write_month(tenant: str, period: str) -> str:
    """Return the cursor of a tenant's month."""
    return _written(tenant, period)


def read_month(cursor: str) -> tuple[str, str]:
    """Return the tenant and the month of a cursor. Raises ValueError, as `read` does."""
    return _parts(cursor)


def _written(first: str, second: str) -> str:
    return base64.urlsafe_b64encode(f"{first}|{second}".encode()).rstrip(b"=").decode()


def _parts(cursor: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise ValueError(_NONE) from None
    first, _, second = text.partition("|")
    if not first or not second:
        raise ValueError(_NONE)
    return first, second
