"""The figures of a service over a span of time: exact, in whole seconds.

Nothing here is rounded: shares are Fractions, and whoever writes one down truncates it (definitions:
availability 9). A share without a denominator is None, never 0.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction

from dialtone.model import LEAST_COVERAGE, Flow, Objective


class Standing(StrEnum):
    """What became of a target, or how it stands while the period goes on.

    While it goes on a target is kept or below so far, and missed only where nothing can bring it back.
    """

    MET = "met"
    MISSED = "missed"
    KEPT = "kept"
    BELOW = "below"
    UNMEASURED = "unmeasured"


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds of each state, of the time that has passed and counts; `excluded` is outside of it.

    What is outside the hours of service, or of the tenant's time with us, is in none of them.
    """

    good: int = 0
    bad: int = 0
    unknown: int = 0
    excluded: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        """Return what two of them add up to."""
        return Figures(
            self.good + other.good,
            self.bad + other.bad,
            self.unknown + other.unknown,
            self.excluded + other.excluded,
        )

    @property
    def availability(self) -> Fraction | None:
        """good / (good + bad)."""
        return _share(self.good, self.good + self.bad)

    @property
    def lower(self) -> Fraction | None:
        """The availability if all that is unknown was bad."""
        return _share(self.good, self.good + self.bad + self.unknown)

    @property
    def upper(self) -> Fraction | None:
        """The availability if all that is unknown was good."""
        return _share(self.good + self.unknown, self.good + self.bad + self.unknown)

    @property
    def coverage(self) -> Fraction | None:
        """(good + bad) / (period - excluded)."""
        return _share(self.good + self.bad, self.good + self.bad + self.unknown)

    @property
    def is_provisional(self) -> bool:
        """Whether too little was measured to say how it was."""
        return self.coverage is None or self.coverage < LEAST_COVERAGE


@dataclass(frozen=True, slots=True)
class Budget:
    """The seconds of bad that the target leaves in the whole period, and those that are spent.

    The whole period: also what of it is to come, without what is excluded already. `left` is the share that
    is left, below 0 where it is overspent, None where the target leaves nothing to spend.
    """

    seconds: Fraction
    spent: int

    @property
    def left(self) -> Fraction | None:
        """1 - spent / seconds."""
        return None if self.seconds <= 0 else 1 - self.spent / self.seconds


@dataclass(frozen=True, slots=True)
class Incident:
    """A run of bad slices; what is unknown or excluded in between does not end it, a good one does.

    `start` and `end` are UTC; `end` is None while it goes on. `bad` are its bad seconds. `flows` are those
    that were bad, `causes` what the alerts called it, in order, each once. `known` is when its first slice
    was confirmed to be bad, None where that is not on record (a correction made it bad).
    """

    start: datetime
    end: datetime | None
    bad: int
    flows: tuple[Flow, ...]
    causes: tuple[str, ...]
    known: datetime | None

    @property
    def to_detect(self) -> float | None:
        """Seconds from its start until it was confirmed."""
        return None if self.known is None else (self.known - self.start).total_seconds()

    @property
    def to_recover(self) -> float | None:
        """Seconds from its start to its end."""
        return None if self.end is None else (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast the budget is spent over a window of so many seconds: 1 spends it just within the period.

    `rate` is None where nothing was measured, or the target leaves nothing to spend; `bad` counts bad slices.
    """

    window: int
    rate: Fraction | None
    bad: int


@dataclass(frozen=True, slots=True)
class Account:
    """A service of a tenant over a period.

    `start` and `end` (UTC) are the whole period's, cut to the tenant's time with us; `until` is how far it is
    counted: before `end` where it is not over. `is_new` says that the tenant came, or the contract began,
    within the period: at `start`. `days` are by calendar day in the objective's zone.
    `raw` excludes what was declared beforehand, `corrected` has the corrections of later too; incidents, days
    and budget are of the corrected.
    """

    objective: Objective
    start: datetime
    end: datetime
    until: datetime
    raw: Figures
    corrected: Figures
    budget: Budget
    days: tuple[tuple[date, Figures], ...]
    incidents: tuple[Incident, ...]
    burns: tuple[Burn, ...]
    is_new: bool = False

    @property
    def is_over(self) -> bool:
        """Whether all of the period has passed."""
        return self.until >= self.end

    @property
    def is_met(self) -> bool | None:
        """Whether the target is kept, by the corrected figures; None where nothing was measured."""
        kept = self.corrected.availability
        return None if kept is None else kept >= self.objective.target

    @property
    def is_lost(self) -> bool:
        """Whether the target is missed even if all that is to come is good.

        The bad seconds are more than the target leaves of the whole period, without what was not measured.
        """
        unmeasured = (1 - self.objective.target) * self.corrected.unknown
        return self.corrected.bad > self.budget.seconds - unmeasured

    @property
    def standing(self) -> Standing:
        """How the target stands, by the corrected figures."""
        if self.is_met is None:
            return Standing.UNMEASURED
        if self.is_over:
            return Standing.MET if self.is_met else Standing.MISSED
        if self.is_lost:
            return Standing.MISSED
        return Standing.KEPT if self.is_met else Standing.BELOW


def _share(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None
