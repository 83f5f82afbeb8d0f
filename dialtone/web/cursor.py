"""Where a page of results ended, as an opaque text for clients."""

import base64
import binascii
from datetime import UTC, datetime

from dialtone.web.access import Position


def write(position: Position) -> str:
    """Return the cursor of a position: URL-safe, without padding."""
    text = f"{position.started.astimezone(UTC).isoformat()}|{position.id}"
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def read(cursor: str) -> Position:
    """Return the position of a cursor. Raises ValueError, in words for a person, for any other text."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        started, _, result_id = text.partition("|")
        at = datetime.fromisoformat(started)
    except (binascii.Error, ValueError):
        raise ValueError("this is no cursor: take `next` of the page before, as it is") from None
    if at.tzinfo is None or not result_id:
        raise ValueError("this is no cursor: take `next` of the page before, as it is")
    return Position(at, result_id)
