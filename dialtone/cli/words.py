"""Texts of servers as a terminal may be told them, in lines that are not too long."""

from collections.abc import Iterable, Iterator

from rich.cells import cell_len, chop_cells


def printable(text: str) -> str:
    """Return what a server says or calls something as a terminal may be told it."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def folded(first: str, words: Iterable[str], *, width: int, indent: str, gap: str = "  ") -> Iterator[str]:
    """Yield lines of at most `width` cells: a beginning, then words with a gap; later lines are indented.

    A word longer than a line is cut into pieces.
    """
    line, begins = first, first.endswith(" ") or not first
    room = width - max(cell_len(indent), 0 if first.strip() else cell_len(first))
    for word in words:
        for number, piece in enumerate(chop_cells(word, room)):
            joint = "" if begins else gap
            if number or (cell_len(line + joint + piece) > width and line.strip()):
                yield line.rstrip()
                line, joint = indent, ""
            line, begins = line + joint + piece, False
    yield line.rstrip()
