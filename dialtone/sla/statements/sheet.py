"""What stands on a statement, in words: whatever writes it down (HTML, PDF, text) only lays it out.

All texts are said in the statement's language already and are plain: texts from outside went through
`plain`. They are not escaped.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dialtone.sla.figures import Standing
from dialtone.sla.statement import Logo
from dialtone.sla.statements.language import Language


class DayKind(StrEnum):
    """How a day went; each has a mark besides its colour."""

    GOOD = "good"
    SOME = "some"
    POOR = "poor"
    PATCHY = "patchy"
    UNMEASURED = "unmeasured"
    EXCLUDED = "excluded"
    UNCOUNTED = "uncounted"
    ABSENT = "absent"
    COMING = "coming"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One service: what was promised, what was kept.

    `about` says what is measured. Shares and bounds are of the raw and of the corrected figures; `left` says
    what remains of the budget, `said` what became of the target.
    """

    service: str
    about: tuple[str, ...]
    target: str
    raw: str
    raw_bounds: str
    corrected: str
    corrected_bounds: str
    coverage: str
    is_provisional: bool
    spent: str
    budget: str
    left: str
    is_overspent: bool
    result: Standing
    said: str
    credit: str


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a calendar: its number, its share, its bad time or what else is to be said of it."""

    label: str
    kind: DayKind
    share: str
    bad: str
    length: str
    title: str


@dataclass(frozen=True, slots=True)
class Key:
    """What a kind of day is called."""

    kind: DayKind
    said: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of a service in weeks of seven; None is a day outside of the period."""

    service: str
    weekdays: tuple[str, ...]
    weeks: tuple[tuple[Day | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: `width` is its share of the line, `is_prose` that its text may be long."""

    head: str
    width: float
    is_right: bool = False
    is_prose: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `empty` is said where it has no rows, `note` below it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All of a statement: `notes` stand before the figures, `remark` (it may be empty) below them."""

    language: Language
    title: str
    subtitle: str
    tenant: str
    domain: str
    issuer: str
    logo: Logo | None
    made: datetime
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    remark: str
    headline: str
    result: Standing
    verdicts: tuple[Verdict, ...]
    calendars: tuple[Calendar, ...]
    keys: tuple[Key, ...]
    incidents: tuple[Table, ...]
    excluded: Table
    corrections: Table
    totals: Table
    method: tuple[str, ...]
    seal: tuple[tuple[str, str], ...]
