"""The NOTIFYs of a subscription, as the trace of the watcher's run has them (RFC 6665)."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from dialtone.model import EventPackage
from synthetic import presence_documents
from synthetic.presence_documents import DocumentError
from synthetic.probes.base import Notification
from synthetic.sipp.record import Said

PACKAGES: Final[Mapping[EventPackage, tuple[str, Callable[[bytes, str], str]]]] = {
    EventPackage.PRESENCE: (presence_documents.PIDF, presence_documents.read_pidf),
    EventPackage.DIALOG: (
        presence_documents.DIALOG_INFO,
        lambda document, _: presence_documents.read_dialog_info(document),
    ),
}
"""The type of an event package's documents, and what reads them, given the tuple of this run."""
_MAX_REASON: Final = 64
_REASON: Final = re.compile(r";[ \t]*reason[ \t]*=[ \t]*([^;,\s]{1,64})", re.IGNORECASE)


def notifications(heard: Iterable[Said], event: EventPackage, probe: str = "") -> list[Notification]:
    """Return the NOTIFYs of that event in the order of time; one that comes again, or too late, is none.

    `probe` is the id of the probe whose publication counts, where documents tell it apart.
    """
    found, last, own = [], -1, presence_documents.own_tuple(probe)
    for message in heard:
        if (message.direction, message.method, message.status) != ("received", "NOTIFY", None):
            continue
        state = _value(message.text, "subscription-state")
        if _value(message.text, "event|o").partition(";")[0].strip() != event or not state:
            continue
        if message.number <= last:
            continue
        last = message.number
        reason = _REASON.search(state)
        active = state.partition(";")[0].strip().lower() != "terminated"
        document, problem = _read(message.text, event, own)
        found.append(Notification(message.at, document, active, reason[1] if reason else "", problem))
    return found


def _read(text: str, event: EventPackage, own: str) -> tuple[str | None, str]:
    """Return what the document says, or None and why not; a NOTIFY without one is no problem."""
    body = text.partition("\r\n\r\n")[2]
    if not body:  # servers that know of no dialog leave the document out
        return ("terminated" if event is EventPackage.DIALOG else None), ""
    kind, read = PACKAGES[event]
    given = _value(text, "content-type|c")
    if given.partition(";")[0].strip().lower() != kind:
        return None, f"the NOTIFY has a document of the type {given[:60]!r}, not {kind}"
    try:
        return read(body.encode("utf-8", "replace"), own), ""
    except DocumentError as error:
        return None, str(error)


def _value(text: str, name: str) -> str:
    """Return the value of a header, "" without one; `name` is a pattern of its long and short form."""
    head = text.partition("\r\n\r\n")[0]
    found = re.search(rf"^(?:{name})[ \t]*:[ \t]*([^\r\n]*)", head, re.IGNORECASE | re.MULTILINE)
    return found[1].strip() if found else ""
