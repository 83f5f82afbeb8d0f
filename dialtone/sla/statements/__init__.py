"""Statements as documents: what a reseller sends to a client with an invoice.

What writes one is imported when one is written: figures are read by who never writes any, and reportlab,
jinja2 and babel take longer to load than most commands to run.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from dialtone.sla.statement import Statement


def _html(statement: Statement) -> str:
    from dialtone.sla.statements.compose import composed
    from dialtone.sla.statements.html import as_html

    return as_html(composed(statement))


def _pdf(statement: Statement) -> bytes:
    from dialtone.sla.statements.compose import composed
    from dialtone.sla.statements.pdf import as_pdf

    return as_pdf(composed(statement))


def _csv(statement: Statement) -> str:
    from dialtone.sla.statements.ascsv import as_csv

    return as_csv(statement)


def _json(statement: Statement) -> str:
    from dialtone.sla.statements.asjson import statement_json

    return statement_json(statement)


def _text(statement: Statement) -> str:
    from dialtone.sla.statements.compose import composed
    from dialtone.sla.statements.text import as_text

    return as_text(composed(statement))


_FORMATS: Final[Mapping[str, Callable[[Statement], str | bytes]]] = MappingProxyType(
    {"html": _html, "pdf": _pdf, "csv": _csv, "json": _json, "text": _text}
)

FORMATS: Final = tuple(_FORMATS)
"""What a statement can be rendered as."""


def render(statement: Statement, format: str) -> bytes:  # noqa: A002 - what the command line calls it
    """Return a statement as a file of one of FORMATS; the same statement is always the same bytes.

    Texts are UTF-8. Raises ValueError, with words for a person, for another format.
    """
    if format not in _FORMATS:
        raise ValueError(f"{format!r} is no format of a statement; there are {', '.join(FORMATS)}")
    made = _FORMATS[format](statement)
    return made if isinstance(made, bytes) else _bytes(made)


def _bytes(text: str) -> bytes:
    # A half of a surrogate pair, which no file can hold, is told by its code.
    return text.encode("utf-8", "backslashreplace")
