"""Events of usrloc (module event_datagram) from the datagrams that carry them; pure, in both dialects.

3.x and 4.x send JSON-RPC notifications, 1.11 and 2.4 the event's name and `key::value`, a line each.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class EventKind(StrEnum):
    """What happened; the values are label values."""

    AOR_INSERT = "aor_insert"
    AOR_DELETE = "aor_delete"
    CONTACT_INSERT = "contact_insert"
    CONTACT_UPDATE = "contact_update"
    CONTACT_DELETE = "contact_delete"


EVENTS: Final = {f"E_UL_{kind.upper()}": kind for kind in EventKind}
"""The events that are subscribed to, by OpenSIPS's names. 1.11 has those of AORs alone."""
CONTACT_EVENTS: Final = tuple(name for name in EVENTS if "CONTACT" in name)

LOCATION: Final = "location"
"""The table of usrloc that is followed: the one that registrar's save("location") fills."""

_MAX_AOR: Final = 512
_MAX_TEXT: Final = 4096
_CSEQ: Final = 2**32
_OURS: Final = "E_UL_"


class PassedOver(StrEnum):
    """Why a datagram is none that counts; the values are label values."""

    MALFORMED = "malformed"
    OTHER = "other"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the table `location`. All but `aor` are of a contact, else empty.

    `expires` is when the contact ends, in seconds since 1970 by the server's clock; 0 for never, or unsaid.
    """

    kind: EventKind
    aor: str
    uri: str = ""
    call_id: str = ""
    cseq: int = 0
    expires: int = field(default=0, compare=False)


def parse_event(raw: bytes) -> Event | PassedOver:
    """Return what a datagram says, or why it is passed over: nonsense, another event or another table."""
    # A phone may put any bytes into its contact; they need only stay the same ones.
    text = raw.decode("utf-8", "replace")
    name, values = _json(text) if text.lstrip().startswith("{") else _lines(text)
    kind = EVENTS.get(name)
    if kind is None:
        return PassedOver.OTHER if name.startswith("E_") else PassedOver.MALFORMED
    if values.get("domain", LOCATION) != LOCATION:
        return PassedOver.OTHER
    aor = values.get("aor")
    if not isinstance(aor, str) or not 0 < len(aor) <= _MAX_AOR:
        return PassedOver.MALFORMED
    if name not in CONTACT_EVENTS:
        return Event(kind, aor)
    uri, call_id, cseq = values.get("uri"), values.get("callid"), _whole(values.get("cseq"))
    if not isinstance(uri, str) or not isinstance(call_id, str) or cseq is None:
        return PassedOver.MALFORMED
    if not uri or len(uri) > _MAX_TEXT or len(call_id) > _MAX_TEXT:
        return PassedOver.MALFORMED
    return Event(kind, aor, uri, call_id, cseq, _whole(values.get("expires")) or 0)


def _json(text: str) -> tuple[str, Mapping[str, object]]:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return "", {}
    if not isinstance(found, dict):
        return "", {}
    name, values = found.get("method"), found.get("params")
    return (name if isinstance(name, str) else ""), (values if isinstance(values, dict) else {})


def _lines(text: str) -> tuple[str, Mapping[str, object]]:
    name, *lines = text.split("\n")
    if not name.startswith(_OURS):
        return name, {}
    values: dict[str, object] = {}
    for line in lines:
        key, divider, value = line.partition("::")
        if divider:
            values.setdefault(key, value)
    return name, values


def _whole(raw: object) -> int | None:
    """Return a CSeq or a time, a number on 3.x and 4.x and digits before, None where it is none."""
    if isinstance(raw, str):
        raw = int(raw) if raw.isascii() and raw.isdigit() and len(raw) <= 10 else None
    if not isinstance(raw, int) or isinstance(raw, bool):
        return None
    return raw % _CSEQ  # the older dialect and the tables are signed
