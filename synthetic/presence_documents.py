"""The two documents that say what a phone does: PIDF (RFC 3863) and dialog-info (RFC 4235). Pure.

What is read comes from anywhere: it is bounded in size, depth and elements, and a document type declaration,
the door to entities, is refused before anything behind it is read.
"""

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

PIDF: Final = "application/pidf+xml"
DIALOG_INFO: Final = "application/dialog-info+xml"

OPEN: Final = "open"
CLOSED: Final = "closed"
_STATES: Final = (OPEN, CLOSED)

MAX_SIZE: Final = 32 * 1024
MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 2000
MAX_VALUE: Final = 64
"""What is read at most: bytes, levels and elements of a document, characters of one value."""

_PIDF_SPACE: Final = "urn:ietf:params:xml:ns:pidf"
_DIALOG_SPACE: Final = "urn:ietf:params:xml:ns:dialog-info"
_BASIC: Final = ("presence", "tuple", "status", "basic")
_STATE: Final = ("dialog-info", "dialog", "state")
_FURTHEST: Final = ("confirmed", "early", "proceeding", "trying", "terminated")
"""A user on the phone is on the phone, whatever other dialogs have ended (RFC 4235 3.7.1)."""


class DocumentError(ValueError):
    """A document that can't be understood; the text says why, in words for a person."""


def own_tuple(probe: str) -> str:
    """Return the id of the tuple that a probe's phone publishes: a presence server merges several phones'."""
    return f"dialtone-{probe}"


def pidf(entity: str, state: str, own: str = "dialtone") -> str:
    """Return a PIDF document that says open or closed of a SIP URI, in a tuple with the id `own`.

    Raises ValueError for other states.
    """
    if state not in _STATES:
        raise ValueError(f"{state!r} is no presence state: open or closed")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n'
        f'<presence xmlns="{_PIDF_SPACE}" entity={quoteattr(entity)}>'
        f"<tuple id={quoteattr(own)}><status><basic>{state}</basic></status>"
        f"<contact>{escape(entity)}</contact></tuple></presence>\r\n"
    )


def read_pidf(document: bytes, own: str = "") -> str:
    """Return open where any tuple is open (a user is there if one device is), else closed.

    Where a tuple has the id `own`, that alone counts: what other phones publish, or one that died, says
    nothing about it. A server that makes one tuple of all tells of all.

    Raises DocumentError for what is no PIDF, and where no tuple has a basic status.
    """
    found = _read(document, _PIDF_SPACE, _BASIC)
    said = [(name, value) for name, value in zip(found.names, found.values, strict=True) if value in _STATES]
    values = {value for name, value in said if own and name == own} or {value for _, value in said}
    if not values:
        raise DocumentError("the PIDF has no tuple with a basic status of open or closed")
    return OPEN if OPEN in values else CLOSED


def read_dialog_info(document: bytes) -> str:
    """Return the furthest state of any dialog in a dialog-info; terminated where it lists none.

    Raises DocumentError for what is no dialog-info, and for states that RFC 4235 does not know.
    """
    found = _read(document, _DIALOG_SPACE, _STATE)
    unknown = [value for value in found.values if value not in _FURTHEST]
    if unknown:
        raise DocumentError(f"the dialog-info has the unknown state {unknown[0]!r}")
    return next((state for state in _FURTHEST if state in found.values), "terminated")


@dataclass(slots=True)
class _Found:
    """What a walk over a document has seen: the path to where it is, the values at the path wanted.

    `names` has, for each value, the id of the tuple or dialog that it is in, nothing where that has none.
    """

    space: str
    wanted: tuple[str, ...]
    path: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    name: str = ""
    elements: int = 0
    text: str | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Go down into an element."""
        self.elements += 1
        if self.elements > MAX_ELEMENTS or len(self.path) >= MAX_DEPTH:
            raise DocumentError("the document is too deep or has too many elements")
        space, _, local = name.rpartition(" ")
        if not self.path and (space, local) != (self.space, self.wanted[0]):
            raise DocumentError(f"the document is no {self.wanted[0]} of {self.space}")
        self.path.append(local if space == self.space else "")
        if len(self.path) == 2:
            self.name = attributes.get("id", "")
        if tuple(self.path) == self.wanted:
            self.text = ""

    def characters(self, data: str) -> None:
        """Take text, where it is wanted."""
        if self.text is not None and tuple(self.path) == self.wanted:
            self.text = (self.text + data)[: MAX_VALUE + 1]

    def end(self, _name: str) -> None:
        """Come up again."""
        if self.text is not None and tuple(self.path) == self.wanted:
            self.values.append(self.text.strip())
            self.names.append(self.name)
            self.text = None
        self.path.pop()


def _read(document: bytes, space: str, wanted: tuple[str, ...]) -> _Found:
    if len(document) > MAX_SIZE:
        raise DocumentError(f"the document has over {MAX_SIZE} bytes")
    found = _Found(space, wanted)
    # The encoding is settled here: what a document declares would be looked up among Python's codecs.
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartElementHandler = found.start
    parser.EndElementHandler = found.end
    parser.CharacterDataHandler = found.characters
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(_as_utf8(document), True)
    except expat.ExpatError as error:
        raise DocumentError(f"the document is no XML ({expat.ErrorString(error.code)})") from None
    return found


def _as_utf8(document: bytes) -> bytes:
    try:
        document.decode("utf-8")
    except UnicodeDecodeError:
        return document.decode("latin-1").encode("utf-8")
    return document


def _refuse_doctype(*_: object) -> None:
    raise DocumentError("the document has a document type declaration, which is not read")
