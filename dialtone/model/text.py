"""Words of others, made fit to be shown."""

from typing import Final

MAX_LINE: Final = 500
"""Characters of a line."""


def one_line(text: str) -> str:
    """Return text from a server as one printable line of at most 500 characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * MAX_LINE]).split())
    return line if len(line) <= MAX_LINE else line[: MAX_LINE - 1] + "…"
