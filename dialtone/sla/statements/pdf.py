"""A statement as a PDF of A4 pages; the same sheet is always the same bytes."""

from collections.abc import Iterator, Sequence
from functools import partial
from io import BytesIO
from threading import Lock
from typing import Any, Final

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    KeepTogether,
    LongTable,
    PageTemplate,
    Paragraph,
    Spacer,
    TableStyle,
)

from dialtone.sla.figures import Standing
from dialtone.sla.statements.fonts import BOLD, REGULAR, latin, markup
from dialtone.sla.statements.pages import Pages
from dialtone.sla.statements.pdfdays import Legend, Weeks
from dialtone.sla.statements.pdflogo import logo_of
from dialtone.sla.statements.sheet import Calendar, Sheet, Table, Verdict

_INK: Final = HexColor("#171c24")
_SOFT: Final = HexColor("#57606e")
_LINE: Final = HexColor("#d9dee5")
_BAD: Final = HexColor("#b3202c")
_RESULTS: Final = {
    Standing.MET: HexColor("#14703f"),
    Standing.KEPT: HexColor("#14703f"),
    Standing.MISSED: _BAD,
    Standing.BELOW: HexColor("#8a5a00"),
    Standing.UNMEASURED: _SOFT,
}

_MARGIN: Final = 16 * mm
_WIDTH: Final = A4[0] - 2 * _MARGIN
_MOST_WEEKS: Final = 16

_ONE_AT_A_TIME: Final = Lock()
"""reportlab keeps its fonts for the whole process, and does not guard them."""


def _style(size: float, *, color: Color = _INK, font: str = REGULAR, **named: Any) -> ParagraphStyle:
    return ParagraphStyle("", fontName=font, fontSize=size, leading=size * 1.3, textColor=color, **named)


_TITLE: Final = _style(18, font=BOLD)
_MONTH: Final = _style(12, color=_SOFT)
_ISSUER: Final = _style(10, font=BOLD, alignment=TA_RIGHT)
_SECTION: Final = _style(12, font=BOLD, spaceBefore=6 * mm, spaceAfter=2 * mm)
_PART: Final = _style(9.5, font=BOLD, spaceBefore=3 * mm, spaceAfter=1.5 * mm)
_FACT: Final = _style(9)
_LABEL: Final = _style(9, color=_SOFT)
_CELL: Final = _style(8)
_CELL_RIGHT: Final = _style(8, alignment=TA_RIGHT)
_SMALL: Final = _style(7, color=_SOFT)
_SMALL_RIGHT: Final = _style(7, color=_SOFT, alignment=TA_RIGHT)
_BOUNDS: Final = _style(6.6, color=_SOFT, alignment=TA_RIGHT)
_SMALL_BAD: Final = _style(7, color=_BAD, font=BOLD, alignment=TA_RIGHT)
_STRONG: Final = _style(9, font=BOLD)
_STRONG_RIGHT: Final = _style(9, font=BOLD, alignment=TA_RIGHT)
_HEAD: Final = _style(7.5, color=_SOFT, font=BOLD)
_HEAD_RIGHT: Final = _style(7.5, color=_SOFT, font=BOLD, alignment=TA_RIGHT)
_NOTE: Final = _style(
    9, backColor=HexColor("#fdf7e6"), borderColor=HexColor("#dcb765"), borderWidth=0.6, borderPadding=4,
    leftIndent=5, rightIndent=5, spaceBefore=4.5 * mm, spaceAfter=4.5 * mm,
)  # fmt: skip
_METHOD: Final = _style(8, leftIndent=4 * mm, bulletIndent=0, spaceAfter=1 * mm)

_BARE: Final = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 0.4 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 0.4 * mm),
    ]
)


def _listed(rights: Sequence[bool]) -> TableStyle:
    """Return the style of a table; a column that follows one set to the right keeps away from it."""
    apart = [at for at in range(1, len(rights)) if rights[at - 1] and not rights[at]]
    return TableStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-2, -1), 2.6 * mm),
            ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 1.3 * mm),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.3 * mm),
            ("LINEBELOW", (0, 1), (-1, -1), 0.4, _LINE),
            ("LINEBELOW", (0, 0), (-1, 0), 0.9, _INK),
            *(("LEFTPADDING", (at, 0), (at, -1), 2 * mm) for at in apart),
        ]
    )


def as_pdf(sheet: Sheet) -> bytes:
    """Return a statement as a PDF; of several threads one at a time, the others wait."""
    with _ONE_AT_A_TIME:
        return _written(sheet)


def _written(sheet: Sheet) -> bytes:
    written = BytesIO()
    document = BaseDocTemplate(
        written,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=14 * mm,
        bottomMargin=16 * mm,
        title=f"{sheet.title} · {sheet.tenant} · {sheet.subtitle}",
        author=sheet.issuer,
        lang=sheet.language.tag,
        invariant=1,
    )
    frame = Frame(
        _MARGIN,
        16 * mm,
        _WIDTH,
        A4[1] - 30 * mm,
        leftPadding=0,
        rightPadding=0,
        topPadding=0,
        bottomPadding=0,
    )
    document.addPageTemplates([PageTemplate(frames=[frame])])
    footer = latin(f"{sheet.domain} · {sheet.subtitle}")
    document.build(
        list(_story(sheet)),
        canvasmaker=partial(Pages, language=sheet.language, footer=footer, made=sheet.made),
    )
    return written.getvalue()


def _story(sheet: Sheet) -> Iterator[Flowable]:
    _ = sheet.language.gettext
    yield from _head(sheet)
    yield _headline(sheet)
    for note in sheet.notes:
        yield _say(note, _NOTE)
    if sheet.verdicts:
        yield Spacer(0, 2 * mm)
        yield _verdicts(sheet)
        if sheet.remark:
            yield Spacer(0, 2 * mm)
            yield _say(sheet.remark, _LABEL)
        for number, calendar in enumerate(sheet.calendars):
            title = [_say(_("Days"), _SECTION)] if not number else []
            yield from _calendar(calendar, title)
        yield Spacer(0, 1.5 * mm)
        yield Legend(tuple((key.kind, key.said) for key in sheet.keys))
        yield CondPageBreak(45 * mm)
        yield _say(_("Incidents"), _SECTION)
        for table in sheet.incidents:
            yield from _titled(_say(table.title, _PART), table)
    for table in (sheet.excluded, sheet.corrections, sheet.totals):
        yield from _titled(_say(table.title, _SECTION), table)
    yield CondPageBreak(30 * mm)
    yield _say(_("How this was computed"), _SECTION)
    for paragraph in sheet.method:
        yield Paragraph(markup(paragraph), _METHOD, bulletText="\u2022")
    if sheet.seal:
        yield KeepTogether([_say(_("Closing"), _SECTION), _pairs(sheet.seal)])


def _head(sheet: Sheet) -> Iterator[Flowable]:
    logo = logo_of(sheet.logo)
    left: list[Flowable] = [_say(sheet.title, _TITLE), _say(sheet.subtitle, _MONTH)]
    right: list[Flowable] = [*([logo, Spacer(0, 1.5 * mm)] if logo else []), _say(sheet.issuer, _ISSUER)]
    row = LongTable([[left, right]], colWidths=[_WIDTH * 0.6, _WIDTH * 0.4], style=_BARE)
    row.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, 0), 1.2, _INK),
                ("BOTTOMPADDING", (0, 0), (-1, 0), 3 * mm),
                ("ALIGN", (1, 0), (1, 0), "RIGHT"),
            ]
        )
    )
    yield row
    yield Spacer(0, 3 * mm)
    yield _pairs(sheet.facts)


def _pairs(pairs: Sequence[tuple[str, str]]) -> Flowable:
    rows = [[_say(name, _LABEL), _say(said, _FACT)] for name, said in pairs]
    return LongTable(rows, colWidths=[32 * mm, _WIDTH - 32 * mm], style=_BARE, hAlign="LEFT")


def _headline(sheet: Sheet) -> Flowable:
    color = _RESULTS[sheet.result]
    line = LongTable([[_say(sheet.headline, _style(13, font=BOLD))]], colWidths=[_WIDTH], style=_BARE)
    line.setStyle(
        TableStyle([("LINEBEFORE", (0, 0), (0, 0), 3, color), ("LEFTPADDING", (0, 0), (0, 0), 3.5 * mm)])
    )
    line.spaceBefore, line.spaceAfter = 4 * mm, 3 * mm
    return line


def _verdicts(sheet: Sheet) -> Flowable:
    _ = sheet.language.gettext
    heads = (
        (_("Service"), 35, False),
        (_("Target"), 18, True),
        (_("As measured"), 30, True),
        (_("Corrected"), 30, True),
        (_("Time measured"), 18, True),
        (_("Budget spent"), 25, True),
        (_("Credit"), 21, True),
        (_("Verdict"), 20, False),
    )
    unit = _WIDTH / sum(width for _head, width, _right in heads)
    rows: list[list[object]] = [
        [_say(head, _HEAD_RIGHT if right else _HEAD) for head, _width, right in heads]
    ]
    rows += [_verdict(one, sheet) for one in sheet.verdicts]
    return LongTable(
        rows,
        colWidths=[width * unit for _head, width, _right in heads],
        style=_listed([right for _head, _width, right in heads]),
        repeatRows=1,
        splitInRow=1,
    )


def _verdict(one: Verdict, sheet: Sheet) -> list[object]:
    _ = sheet.language.gettext
    provisional = [_say(_("provisional"), _SMALL_BAD)] if one.is_provisional else []
    return [
        [_say(one.service, _STRONG), *(_say(line, _SMALL) for line in one.about)],
        _say(one.target, _CELL_RIGHT),
        [_say(one.raw, _CELL_RIGHT), _say(one.raw_bounds, _BOUNDS)],
        [_say(one.corrected, _STRONG_RIGHT), _say(one.corrected_bounds, _BOUNDS)],
        [_say(one.coverage, _CELL_RIGHT), *provisional],
        [
            _say(one.spent, _CELL_RIGHT),
            _say(_("of {budget}").format(budget=one.budget), _SMALL_RIGHT),
            _say(one.left, _SMALL_BAD if one.is_overspent else _SMALL_RIGHT),
        ],
        _say(one.credit, _CELL_RIGHT),
        _say(one.said, _style(9, font=BOLD, color=_RESULTS[one.result])),
    ]


def _calendar(calendar: Calendar, title: Sequence[Flowable]) -> Iterator[Flowable]:
    head: list[Flowable] = [*title, _say(calendar.service, _PART)]
    for at in range(0, len(calendar.weeks), _MOST_WEEKS):
        weeks = Weeks(calendar.weekdays, calendar.weeks[at : at + _MOST_WEEKS])
        yield KeepTogether([*head, weeks])
        head = []


def _titled(title: Flowable, table: Table) -> Iterator[Flowable]:
    """Yield a table below its title, which never stands alone at the foot of a page."""
    if not table.rows:
        yield KeepTogether([title, _say(table.empty, _LABEL)])
        return
    yield CondPageBreak(34 * mm)
    yield title
    unit = _WIDTH / sum(column.width for column in table.columns)
    heads = [_say(column.head, _HEAD_RIGHT if column.is_right else _HEAD) for column in table.columns]
    rows = [
        [
            _say(said, _CELL_RIGHT if column.is_right else _CELL)
            for said, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]
    yield LongTable(
        [heads, *rows],
        colWidths=[column.width * unit for column in table.columns],
        style=_listed([column.is_right for column in table.columns]),
        repeatRows=1,
        splitInRow=1,
    )
    if table.note:
        yield _say(table.note, _LABEL)


def _say(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(markup(text), style)
