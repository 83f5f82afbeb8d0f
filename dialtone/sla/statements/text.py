"""A statement as text in 80 columns."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len, chop_cells, set_cell_size

from dialtone.sla.statements.sheet import Calendar, Day, DayKind, Key, Sheet, Table, Verdict

WIDTH: Final = 80
_CELL: Final = 11
_GAP: Final = "  "

_MARKS: Final = {
    DayKind.GOOD: ".",
    DayKind.SOME: "-",
    DayKind.POOR: "#",
    DayKind.PATCHY: "~",
    DayKind.UNMEASURED: "?",
    DayKind.EXCLUDED: "x",
    DayKind.UNCOUNTED: "=",
    DayKind.ABSENT: "/",
    DayKind.COMING: ">",
}


def as_text(sheet: Sheet) -> str:
    """Return a statement in lines of at most 80 cells."""
    return "\n".join(line.rstrip() for line in _lines(sheet)) + "\n"


def _lines(sheet: Sheet) -> Iterator[str]:
    _ = sheet.language.gettext
    yield from _wrapped(f"{sheet.title} · {sheet.subtitle}", "")
    yield "=" * WIDTH
    yield from _pairs(sheet.facts)
    yield ""
    yield from _wrapped(sheet.headline, "")
    for note in sheet.notes:
        yield from _wrapped(note, "! ", "  ")
    for verdict in sheet.verdicts:
        yield ""
        yield from _verdict(verdict, sheet)
    if sheet.remark:
        yield ""
        yield from _wrapped(sheet.remark, "")
    yield from _heading(_("Days"))
    for calendar in sheet.calendars:
        yield from _calendar(calendar)
    yield from _key(sheet.keys)
    yield from _heading(_("Incidents"))
    for number, table in enumerate(sheet.incidents):
        if number:
            yield ""
        yield from _wrapped(table.title, "")
        yield from _table(table)
    for table in (sheet.excluded, sheet.corrections, sheet.totals):
        yield from _heading(table.title)
        yield from _table(table)
    yield from _heading(_("How this was computed"))
    for paragraph in sheet.method:
        yield from _wrapped(paragraph, "- ", "  ")
    if sheet.seal:
        yield from _heading(_("Closing"))
        yield from _pairs(sheet.seal)


def _verdict(verdict: Verdict, sheet: Sheet) -> Iterator[str]:
    _ = sheet.language.gettext
    yield from _wrapped(f"{verdict.service} – {verdict.said}", "* ", "  ")
    for line in verdict.about:
        yield from _wrapped(line, "  ")
    coverage = verdict.coverage
    if verdict.is_provisional:
        coverage += f" ({_('provisional')})"
    of = _("of {budget}").format(budget=verdict.budget)
    pairs = (
        (_("Target"), verdict.target),
        (_("As measured"), f"{verdict.raw} ({verdict.raw_bounds})"),
        (_("Corrected"), f"{verdict.corrected} ({verdict.corrected_bounds})"),
        (_("Time measured"), coverage),
        (_("Budget spent"), f"{verdict.spent} {of}, {verdict.left}"),
        (_("Credit"), verdict.credit),
    )
    yield from _pairs(pairs, "    ")


def _calendar(calendar: Calendar) -> Iterator[str]:
    yield from _wrapped(calendar.service, "")
    yield "".join(set_cell_size("   " + name, _CELL) for name in calendar.weekdays)
    for week in calendar.weeks:
        for line in zip_longest(*(_day(day) for day in week), fillvalue=""):
            yield "".join(set_cell_size(said, _CELL) for said in line)
    yield ""


def _day(day: Day | None) -> list[str]:
    """Return the lines of a day: its number, its bad time a unit a line, its length where that is odd."""
    if day is None:
        return []
    head = f"{day.label:>2}{_MARKS[day.kind]}"
    parts = day.bad.split(" ") if day.kind in (DayKind.SOME, DayKind.POOR) else []
    if parts and cell_len(head) + cell_len(parts[0]) + 2 <= _CELL:
        head += f" {parts.pop(0)}"
    return [head, *(f"    {part}" for part in parts), *([f"    {day.length}"] if day.length else [])]


def _key(keys: Iterable[Key]) -> Iterator[str]:
    for key in keys:
        yield from _wrapped(key.said, f"{_MARKS[key.kind]}  ", "   ")


def _table(table: Table) -> Iterator[str]:
    """Yield the rows of a table; what may be long stands below its row."""
    if not table.rows:
        yield table.empty
        return
    narrow = [at for at, column in enumerate(table.columns) if not column.is_prose]
    prose = [at for at, column in enumerate(table.columns) if column.is_prose]
    if _too_wide(table, narrow):
        yield from _records(table)
        return
    widths = _widths(table, narrow)
    heads = tuple(column.head for column in table.columns)
    yield from _aligned(heads, table, narrow, widths)
    yield _GAP.join("-" * widths[at] for at in narrow)
    for row in table.rows:
        yield from _aligned(row, table, narrow, widths)
        for at in prose:
            yield from _wrapped(row[at], f"    {heads[at]}: ", "      ")
    if table.note:
        yield from _wrapped(table.note, "")


def _too_wide(table: Table, narrow: Sequence[int]) -> bool:
    return sum(_widths(table, narrow).values()) + len(_GAP) * (len(narrow) - 1) > WIDTH


def _records(table: Table) -> Iterator[str]:
    for number, row in enumerate(table.rows):
        if number:
            yield ""
        yield from _wrapped(row[0], "* ", "  ")
        pairs = zip((column.head for column in table.columns[1:]), row[1:], strict=True)
        yield from _pairs(tuple(pairs), "    ")


def _widths(table: Table, narrow: Iterable[int]) -> dict[int, int]:
    return {
        at: max(cell_len(table.columns[at].head), *(cell_len(row[at]) for row in table.rows)) for at in narrow
    }


def _aligned(
    cells: Sequence[str], table: Table, narrow: Iterable[int], widths: dict[int, int]
) -> Iterator[str]:
    parts = []
    for at in narrow:
        space = " " * (widths[at] - cell_len(cells[at]))
        parts.append(space + cells[at] if table.columns[at].is_right else cells[at] + space)
    yield _GAP.join(parts)


def _heading(words: str) -> Iterator[str]:
    yield ""
    yield words
    yield "-" * WIDTH


def _pairs(pairs: Sequence[tuple[str, str]], indent: str = "") -> Iterator[str]:
    widest = max(cell_len(name) for name, _ in pairs) + 2
    for name, said in pairs:
        first = indent + set_cell_size(name, widest)
        yield from _wrapped(said, first, " " * cell_len(first))


def _wrapped(words: str, first: str, later: str | None = None) -> Iterator[str]:
    """Yield words in lines; a word longer than a line is cut into pieces."""
    later = first if later is None else later
    line, is_empty = first, True
    for word in words.split(" "):
        for piece in chop_cells(word, WIDTH - max(cell_len(first), cell_len(later))) or [""]:
            if not is_empty and cell_len(line) + 1 + cell_len(piece) > WIDTH:
                yield line
                line, is_empty = later, True
            line += piece if is_empty else " " + piece
            is_empty = False
    yield line
