"""Pages that know how many of them there are."""

from datetime import UTC, datetime
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from dialtone.sla.statements.fonts import REGULAR
from dialtone.sla.statements.language import Language

_SOFT = HexColor("#57606e")


class Pages(Canvas):
    """A canvas that numbers its pages at the end, when their number is known: `page 2 of 5`.

    reportlab makes it, once a document; what it says below each page is bound beforehand, and when the
    statement was computed, which is the document's date.
    """

    def __init__(
        self, *arguments: Any, language: Language, footer: str, made: datetime, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        # reportlab would tell the time of writing, or for the same bytes each time that of the year 2000.
        stamp, at = self._doc._timeStamp, made.astimezone(UTC)  # type: ignore[attr-defined]
        stamp.t, stamp.lt, stamp.YMDhms = at.timestamp(), at.utctimetuple(), at.utctimetuple()[:6]
        self._language = language
        self._footer = footer
        self._kept: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        """Keep a page until all are known."""
        self._kept.append(dict(self.__dict__))
        self._startPage()  # type: ignore[attr-defined]

    def save(self) -> None:
        """Number the pages and write the document."""
        pages = self._kept
        for number, page in enumerate(pages, 1):
            self.__dict__.update(page)
            self._foot(number, len(pages))
            super().showPage()
        super().save()

    def _foot(self, number: int, count: int) -> None:
        self.setFont(REGULAR, 7.5)
        self.setFillColor(_SOFT)
        said = self._language.gettext("Page {number} of {count}").format(number=number, count=count)
        self.drawString(16 * mm, 9 * mm, self._footer)
        self.drawRightString(A4[0] - 16 * mm, 9 * mm, said)
