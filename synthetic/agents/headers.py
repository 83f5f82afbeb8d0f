"""Headers that sippy has no class for, written as they are given and read with bounds."""

from typing import Any, Final

from dialtone.model import FailureCode
from synthetic.agents.siplib import SipHeader
from synthetic.probes.base import FlowError

MAX_VALUE: Final = 1024
"""How much of a header's value is looked at, in characters."""

_COMPACT: Final = {"event": "o", "refer-to": "r", "referred-by": "b"}
"""Compact forms (RFC 3515, 3892, 6665) that sippy leaves as they are in headers that it doesn't know."""

_NEEDED: Final = ("via", "from", "to", "call-id", "cseq")
_COPIED: Final = ("via", "record-route")
"""Headers that every request must have, and those that every answer to it repeats (RFC 3261 8.1.1, 8.2.6)."""


class Plain:
    """A header body of text that keeps its name's spelling; sippy's own would capitalise and split it."""

    parsed = True

    def __init__(self, name: str, text: str) -> None:
        self.hf_names = (name.lower(),)
        self._name = name
        self._text = text

    def __str__(self) -> str:
        return self._text

    def localStr(self, _local: object = None) -> str:  # noqa: N802 - sippy's name
        """Return the text: nothing in it depends on where it is sent from."""
        return self._text

    def getCanName(self, _name: str, _compact: bool = False) -> str:  # noqa: N802 - sippy's name
        """Return the name as it was given."""
        return self._name

    def getCopy(self) -> "Plain":  # noqa: N802 - sippy's name
        """Return another one like it."""
        return Plain(self._name, self._text)


def header(name: str, text: str) -> Any:
    """Return a header with exactly this text. Raises FlowError (misconfigured) for control characters."""
    if not (name + text).isprintable():
        raise FlowError(FailureCode.MISCONFIGURED, f"the header {name!r} has characters that none may have")
    wire = text.encode("utf-8").decode("latin-1")  # there a character stands for a byte (see transport)
    return SipHeader(name=name, body=Plain(name, wire))


def text_of(message: Any, name: str) -> str:
    """Return the first value of a header, cut at MAX_VALUE; nothing where it has none."""
    return next(iter(texts_of(message, name)), "")


def texts_of(message: Any, name: str) -> list[str]:
    """Return the values of a header, each cut at MAX_VALUE."""
    names = {name, _COMPACT.get(name, name)}
    return [str(entry.body).strip()[:MAX_VALUE] for entry in message.headers if entry.name in names]


def readable(request: Any) -> bool:
    """Whether those headers of a request can be read that an answer to it is made of.

    sippy takes a header apart when it is first asked for, and raises anything then. An INVITE needs a Contact
    too (RFC 3261 12.1.1).
    """
    try:
        for name in _NEEDED:
            request.getHFBody(name)
        for name in _COPIED:
            request.getHFBodys(name)
        return request.getMethod() != "INVITE" or request.getHFBody("contact").getUrl() is not None
    except Exception:  # noqa: BLE001 - hostile bytes make sippy's parser raise anything
        return False


def value_of(text: str) -> str:
    """Return what comes before a header's parameters, in lower case: "presence" of "presence;id=1"."""
    return text.partition(";")[0].strip().lower()


def parameter_of(text: str, name: str) -> str:
    """Return a parameter of a header's value; nothing where it has none."""
    for entry in text.split(";")[1:]:
        key, _, value = entry.partition("=")
        if key.strip().lower() == name:
            return value.strip().strip('"')
    return ""


def number_of(text: str) -> int | None:
    """Return a number of at most nine digits, as delta-seconds are written; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def document_of(message: Any) -> bytes:
    """Return a message's body as the bytes that it was."""
    body = message.getBody()
    return b"" if body is None else str(body).encode("latin-1", "replace")
