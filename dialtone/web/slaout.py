"""The shapes of the API's answers about SLA. Shares are from 0 to 1, and null where nothing was measured."""

from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction

from pydantic import Field

from dialtone.model import EvidenceKind, Flow, Objective
from dialtone.sla.burn import burning
from dialtone.sla.closing import BrokenClosingError
from dialtone.sla.figures import Account, Burn, Figures, Incident
from dialtone.web.models import Answer


class FiguresOut(Answer):
    """Seconds of each state, and the shares that they make."""

    good: int
    bad: int
    unknown: int = Field(description="Not measured, of the time that counts")
    excluded: int = Field(description="By maintenance or a correction: outside of all shares")
    availability: float | None = Field(description="good / (good + bad)")
    lower: float | None = Field(description="The availability if all that is unknown was bad")
    upper: float | None = Field(description="The availability if all that is unknown was good")
    coverage: float | None = Field(description="(good + bad) of the time that counts")
    provisional: bool = Field(description="Less than 95 % was measured")

    @classmethod
    def of(cls, figures: Figures) -> "FiguresOut":
        """Show figures."""
        return cls(
            good=figures.good,
            bad=figures.bad,
            unknown=figures.unknown,
            excluded=figures.excluded,
            availability=_number(figures.availability),
            lower=_number(figures.lower),
            upper=_number(figures.upper),
            coverage=_number(figures.coverage),
            provisional=figures.is_provisional,
        )


class BudgetOut(Answer):
    """The bad seconds that the target leaves in the whole period."""

    seconds: float
    spent: int
    left: float | None = Field(description="Share; below 0 where it is overspent; null where there is none")


class BurningOut(Answer):
    """The budget is spent too fast over both windows, by at least three bad slices."""

    severity: str = Field(description="page or ticket")
    long: int = Field(description="Seconds")
    short: int = Field(description="Seconds")
    factor: float = Field(description="The burn rate that both exceed")


class AccountOut(Answer):
    """A service of a tenant over its period, corrections counted in."""

    tenant: str
    service: str
    flows: list[Flow]
    target: float
    met: bool | None = Field(description="So far; null where nothing was measured")
    start: datetime
    end: datetime = Field(description="Of the whole period, cut to the tenant's time with us")
    until: datetime = Field(description="How far it is counted")
    figures: FiguresOut
    budget: BudgetOut
    burning: list[BurningOut]
    open_incident: bool

    @classmethod
    def of(cls, account: Account) -> "AccountOut":
        """Show an account."""
        return cls(**_account(account))


class ObjectiveOut(Answer):
    """What was promised."""

    sli: str = Field(description="availability, latency, mos or passive")
    timing: str = Field(description="Of a latency objective")
    threshold: float | None = Field(description="Seconds of the timing, or the MOS")
    evidence: EvidenceKind
    zone: str
    rolling: int = Field(description="Days of the period; 0 for the calendar month")
    maintenance: int = Field(description="Seconds of a month that may be excluded")
    starts: date | None
    ends: date | None

    @classmethod
    def of(cls, objective: Objective) -> "ObjectiveOut":
        """Show an objective."""
        return cls(
            sli=objective.sli.name.lower(),
            timing=objective.measure.timing,
            threshold=objective.measure.threshold,
            evidence=objective.evidence,
            zone=objective.zone,
            rolling=objective.rolling,
            maintenance=objective.maintenance,
            starts=objective.starts,
            ends=objective.ends,
        )


class IncidentOut(Answer):
    """A run of bad slices."""

    start: datetime
    end: datetime | None = Field(description="null while it goes on")
    bad: int = Field(description="Seconds")
    flows: list[Flow]
    causes: list[str]
    to_detect: float | None = Field(description="Seconds until it was confirmed; null if not on record")
    to_recover: float | None = Field(description="Seconds from start to end")

    @classmethod
    def of(cls, incident: Incident) -> "IncidentOut":
        """Show an incident."""
        return cls(
            start=incident.start,
            end=incident.end,
            bad=incident.bad,
            flows=list(incident.flows),
            causes=list(incident.causes),
            to_detect=incident.to_detect,
            to_recover=incident.to_recover,
        )


class DayOut(Answer):
    """A calendar day in the objective's zone."""

    day: date
    good: int
    bad: int
    unknown: int
    excluded: int


class BurnOut(Answer):
    """How fast the budget is spent over a window."""

    window: int = Field(description="Seconds")
    rate: float | None
    bad: int = Field(description="Bad slices")

    @classmethod
    def of(cls, burn: Burn) -> "BurnOut":
        """Show a burn rate."""
        return cls(window=burn.window, rate=_number(burn.rate), bad=burn.bad)


class AccountDetailOut(AccountOut):
    """A service with its days, incidents and burn rates; as declared beforehand, and as corrected."""

    objective: ObjectiveOut
    raw: FiguresOut = Field(description="Without the corrections of later; `figures` are with them")
    days: list[DayOut]
    incidents: list[IncidentOut]
    burns: list[BurnOut]

    @classmethod
    def of(cls, account: Account) -> "AccountDetailOut":
        """Show an account with everything."""
        return cls(
            **_account(account),
            objective=ObjectiveOut.of(account.objective),
            raw=FiguresOut.of(account.raw),
            days=[
                DayOut(day=day, good=one.good, bad=one.bad, unknown=one.unknown, excluded=one.excluded)
                for day, one in account.days
            ],
            incidents=[IncidentOut.of(one) for one in account.incidents],
            burns=[BurnOut.of(one) for one in account.burns],
        )


class BrokenOut(Answer):
    """A closed month that the books don't give any more."""

    tenant: str
    period: str
    problem: str = Field(description="What is wrong and how to find out more")

    @classmethod
    def of(cls, error: BrokenClosingError) -> "BrokenOut":
        """Show it."""
        return cls(tenant=error.tenant, period=error.period, problem=str(error))


class SlaOut(Answer):
    """Services, the one with the least budget left first."""

    items: list[AccountOut]
    total: int = Field(description="How many there are; `items` has the worst of them")
    broken: list[BrokenOut] = Field(
        description="Closed months that the books don't give any more: their services are not in `items`"
    )


class TenantSlaOut(Answer):
    """The services of a tenant, in the order of the configuration."""

    tenant: str
    items: list[AccountDetailOut]


def worst(account: Account) -> tuple[bool, Fraction, str, str]:
    """Return what sorts accounts: the least budget left first, what was not measured last."""
    left = account.budget.left
    if left is None:
        left = Fraction(-account.budget.spent if account.budget.spent else 1)
    objective = account.objective
    return account.corrected.availability is None, left, objective.tenant, objective.service


def _account(account: Account) -> Mapping[str, object]:
    objective, budget = account.objective, account.budget
    return {
        "tenant": objective.tenant,
        "service": objective.service,
        "flows": list(objective.flows),
        "target": float(objective.target),
        "met": account.is_met,
        "start": account.start,
        "end": account.end,
        "until": account.until,
        "figures": FiguresOut.of(account.corrected),
        "budget": BudgetOut(seconds=float(budget.seconds), spent=budget.spent, left=_number(budget.left)),
        "burning": [
            BurningOut(
                severity=one.severity,
                long=one.long.window,
                short=one.short.window,
                factor=float(one.factor),
            )
            for one in burning(account)
        ],
        "open_incident": any(one.end is None for one in account.incidents),
    }


def _number(share: Fraction | None) -> float | None:
    return None if share is None else float(share)
