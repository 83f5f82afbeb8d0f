"""Fonts of a PDF: Helvetica, which every reader has, and DejaVu Sans for what Helvetica lacks.

What neither has (Chinese, say), and scripts that are written from right to left, which need shaping that the
PDF library does not do, are shown by their codes: ugly, and nothing is lost in silence.
"""

import unicodedata
from functools import cache
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

REGULAR: Final = "Helvetica"
BOLD: Final = "Helvetica-Bold"

_WIDE: Final = ("DejaVuSans.ttf", "Vera.ttf")
"""Looked for in the folders of fonts that reportlab knows; the second one comes with reportlab."""

_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "RLE", "RLO", "RLI"})
_MOST: Final = 600
_SPACES: Final = str.maketrans({"\u202f": "\u00a0", "\u2009": "\u00a0"})


def markup(text: str) -> str:
    """Return a text as a reportlab paragraph takes it: escaped, each part in a font that has it.

    What would be much longer by its codes than it is allowed to be is cut, and ends in an ellipsis.
    """
    parts: list[str] = []
    room = _MOST
    for font, run in groupby(text.translate(_SPACES), _font_of):
        said = "".join(run)
        if font is None:
            said = "".join(f"[U+{ord(character):04X}]" for character in said)
        if len(said) > room:
            parts.append(escape(said[:room]) + "…")
            break
        room -= len(said)
        is_plain = font is None or font == REGULAR
        parts.append(escape(said) if is_plain else f'<font name="{font}">{escape(said)}</font>')
    return "".join(parts)


def spaced(text: str) -> str:
    """Return our own words (which are Latin) for a canvas: spaces that Helvetica lacks are ones it has."""
    return text.translate(_SPACES)


def latin(text: str) -> str:
    """Return a text for a canvas in Helvetica alone: what it lacks is told by its code."""
    return "".join(
        character if _is_latin(character) else f"[U+{ord(character):04X}]" for character in spaced(text)
    )


def _font_of(character: str) -> str | None:
    if _is_latin(character):
        return REGULAR
    wide = _wide_font()
    if unicodedata.bidirectional(character) in _RIGHT_TO_LEFT:
        return None
    return wide.fontName if ord(character) in wide.face.charToGlyph else None


@cache
def _is_latin(character: str) -> bool:
    """Whether the encoding that built-in fonts are used by has a character."""
    try:
        character.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


@cache
def _wide_font() -> TTFont:
    for file in _WIDE:
        try:
            font = TTFont(file.removesuffix(".ttf"), file)
        except TTFError:
            continue
        pdfmetrics.registerFont(font)
        return font
    raise RuntimeError("reportlab was installed without its fonts; install it again")
