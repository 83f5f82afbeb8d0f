"""Statements as documents: what a reseller sends to a client with an invoice."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from dialtone.sla.statement import Statement
from dialtone.sla.statements.ascsv import as_csv
from dialtone.sla.statements.asjson import statement_json
from dialtone.sla.statements.compose import composed
from dialtone.sla.statements.html import as_html
from dialtone.sla.statements.pdf import as_pdf
from dialtone.sla.statements.text import as_text

_FORMATS: Final[Mapping[str, Callable[[Statement], bytes]]] = MappingProxyType(
    {
        "html": lambda statement: _bytes(as_html(composed(statement))),
        "pdf": lambda statement: as_pdf(composed(statement)),
        "csv": lambda statement: _bytes(as_csv(statement)),
        "json": lambda statement: _bytes(statement_json(statement)),
        "text": lambda statement: _bytes(as_text(composed(statement))),
    }
)

FORMATS: Final = tuple(_FORMATS)
"""What a statement can be rendered as."""


def render(statement: Statement, format: str) -> bytes:  # noqa: A002 - what the command line calls it
    """Return a statement as a file of one of FORMATS; the same statement is always the same bytes.

    Texts are UTF-8. Raises ValueError, with words for a person, for another format.
    """
    if format not in _FORMATS:
        raise ValueError(f"{format!r} is no format of a statement; there are {', '.join(FORMATS)}")
    return _FORMATS[format](statement)


def _bytes(text: str) -> bytes:
    # A half of a surrogate pair, which no file can hold, is told by its code.
    return text.encode("utf-8", "backslashreplace")
