"""The calendar of a PDF, drawn."""

from typing import Final

from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from dialtone.sla.statements.fonts import BOLD, REGULAR, spaced
from dialtone.sla.statements.sheet import Day, DayKind

_INK: Final = HexColor("#171c24")
_SOFT: Final = HexColor("#57606e")
_HEAD: Final = 5 * mm
_ROW: Final = 11.2 * mm
_GAP: Final = 0.8 * mm

_GROUNDS: Final = {
    DayKind.GOOD: HexColor("#dff1e6"),
    DayKind.SOME: HexColor("#ffe9b8"),
    DayKind.POOR: HexColor("#a31621"),
    DayKind.PATCHY: HexColor("#eef7f1"),
    DayKind.UNMEASURED: white,
    DayKind.EXCLUDED: HexColor("#e1e5ea"),
    DayKind.UNCOUNTED: HexColor("#f4f5f7"),
    DayKind.ABSENT: white,
    DayKind.COMING: white,
}
_EDGES: Final = {
    DayKind.SOME: HexColor("#c8962a"),
    DayKind.PATCHY: HexColor("#9dc9ad"),
    DayKind.UNMEASURED: HexColor("#8a94a3"),
    DayKind.EXCLUDED: HexColor("#aab2bd"),
    DayKind.ABSENT: HexColor("#aab2bd"),
    DayKind.COMING: HexColor("#d9dee5"),
}
_HATCHES: Final = {DayKind.PATCHY: HexColor("#c9e3d2"), DayKind.UNMEASURED: HexColor("#d5dae1")}


class Weeks(Flowable):
    """Some weeks of a calendar, as wide as the line; it is never divided."""

    def __init__(self, weekdays: tuple[str, ...], weeks: tuple[tuple[Day | None, ...], ...]) -> None:
        super().__init__()
        self._weekdays = weekdays
        self._weeks = weeks

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        """Take the width there is."""
        self.width, self.height = width, _HEAD + _ROW * len(self._weeks)
        return self.width, self.height

    def draw(self) -> None:
        """Draw the names of weekdays, and a box a day."""
        step = self.width / 7
        self.canv.setFont(BOLD, 7.5)
        self.canv.setFillColor(_SOFT)
        for column, name in enumerate(self._weekdays):
            self.canv.drawCentredString((column + 0.5) * step, self.height - _HEAD + 1.6 * mm, spaced(name))
        for row, week in enumerate(self._weeks):
            for column, day in enumerate(week):
                if day is not None:
                    bottom = self.height - _HEAD - (row + 1) * _ROW
                    self._day(day, column * step + _GAP / 2, bottom + _GAP / 2, step - _GAP, _ROW - _GAP)

    def _day(self, day: Day, x: float, y: float, width: float, height: float) -> None:
        swatch(self.canv, day.kind, x, y, width, height)
        pen: Canvas = self.canv
        pen.setFillColor(ink_of(day.kind))
        pen.setFont(BOLD, 7.5)
        pen.drawString(x + 1.2 * mm, y + height - 3.4 * mm, spaced(day.label))
        pen.setFont(REGULAR, 7)
        if day.length:
            pen.drawRightString(x + width - 1.2 * mm, y + height - 3.4 * mm, spaced(day.length))
        pen.drawRightString(x + width - 1.2 * mm, y + height - 6.5 * mm, spaced(day.share))
        if day.bad:
            pen.setFont(BOLD, 7)
            pen.drawRightString(x + width - 1.2 * mm, y + height - 9.4 * mm, spaced(day.bad))


class Legend(Flowable):
    """What the kinds of days are called, as many to a line as fit."""

    _LINE = 4.6 * mm

    def __init__(self, keys: tuple[tuple[DayKind, str], ...]) -> None:
        super().__init__()
        self._keys = keys
        self._places: list[tuple[float, int, DayKind, str]] = []

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        """Find the place of each."""
        self._places, x, line = [], 0.0, 0
        for kind, said in self._keys:
            words = spaced(said)
            wide = stringWidth(words, REGULAR, 7.5) + 10 * mm
            if x and x + wide > width:
                x, line = 0.0, line + 1
            self._places.append((x, line, kind, words))
            x += wide
        self.width, self.height = width, (line + 1) * self._LINE
        return self.width, self.height

    def draw(self) -> None:
        """Draw a swatch and a word each."""
        for x, line, kind, words in self._places:
            y = self.height - (line + 1) * self._LINE
            swatch(self.canv, kind, x, y + 0.6 * mm, 3.2 * mm, 3.2 * mm)
            self.canv.setFillColor(_SOFT)
            self.canv.setFont(REGULAR, 7.5)
            self.canv.drawString(x + 4.6 * mm, y + 1.3 * mm, words)


def ink_of(kind: DayKind) -> Color:
    """Return the colour to write with on a kind of day."""
    if kind is DayKind.POOR:
        return white
    return _SOFT if kind in (DayKind.COMING, DayKind.UNCOUNTED, DayKind.ABSENT) else _INK


def swatch(pen: Canvas, kind: DayKind, x: float, y: float, width: float, height: float) -> None:
    """Draw the ground of a kind of day: its colour, and its hatching or edge, which print in grey too."""
    pen.setFillColor(_GROUNDS[kind])
    pen.rect(x, y, width, height, stroke=0, fill=1)
    if kind in _HATCHES:
        _hatch(pen, _HATCHES[kind], x, y, width, height)
    if kind in _EDGES:
        pen.setStrokeColor(_EDGES[kind])
        pen.setLineWidth(0.5)
        pen.setDash(*([1.5, 1.5] if kind is DayKind.ABSENT else []))
        pen.rect(x, y, width, height, stroke=1, fill=0)
        pen.setDash()


def _hatch(pen: Canvas, color: Color, x: float, y: float, width: float, height: float) -> None:
    pen.saveState()
    outline = pen.beginPath()
    outline.rect(x, y, width, height)
    pen.clipPath(outline, stroke=0, fill=0)
    pen.setStrokeColor(color)
    pen.setLineWidth(0.6)
    at = x - height
    while at < x + width:
        pen.line(at, y, at + height, y + height)
        at += 1.6 * mm
    pen.restoreState()
