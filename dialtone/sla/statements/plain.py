"""Texts from outside: names, causes, reasons. They are shown as text and as nothing else."""

import unicodedata
from typing import Final

MOST_CHARACTERS: Final = 400
"""So much of a text is shown; the JSON has all of it."""

_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def plain(text: str) -> str:
    """Return a text from outside in one line: no control characters, nothing that turns the writing round.

    White space becomes single spaces; what can't be printed is shown by its code. Too long a text is cut,
    and ends in an ellipsis.
    """
    words = " ".join(text.split())
    if not words.isprintable():
        words = "".join(_visible(character) for character in words)
    return shortened(words)


def shortened(words: str) -> str:
    """Return words of which there may be too many: cut, they end in an ellipsis."""
    return words if len(words) <= MOST_CHARACTERS else words[: MOST_CHARACTERS - 1] + "…"


def cell(text: str) -> str:
    """Return a text from outside as a spreadsheet may be told it: never a formula."""
    said = plain(text)
    return "'" + said if said.startswith(_FORMULA) else said


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return " " if unicodedata.category(character) == "Zs" else f"[U+{ord(character):04X}]"
