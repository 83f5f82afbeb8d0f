"""A statement as one HTML file: no scripts, nothing fetched from anywhere, made to be printed."""

from base64 import b64encode
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from dialtone.sla.statement import Logo
from dialtone.sla.statements.sheet import Sheet

MEDIA_TYPES: Final = ("image/png", "image/jpeg")
"""What a logo may be."""


def as_html(sheet: Sheet) -> str:
    """Return a statement as a page."""
    return _template().render(
        sheet=sheet,
        _=sheet.language.gettext,
        logo=_data_uri(sheet.logo),
    )


def _data_uri(logo: Logo | None) -> str:
    if logo is None or logo.media_type not in MEDIA_TYPES:
        return ""
    return f"data:{logo.media_type};base64,{b64encode(logo.data).decode('ascii')}"


@cache
def _template() -> Template:
    shapes = Environment(
        loader=PackageLoader("dialtone.sla.statements"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return shapes.get_template("statement.html")
