"""The rules: what counts as trouble, with whom, and what it means to people.

A rule looks at what a collector or a probe found and says of each subject how it is. What can't be
judged (a node that did not answer, an inconclusive probe) yields nothing at all, so it neither raises
an alert nor clears one: no data is no proof of health.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from dialtone.model import NodeState, ProbeResult, Severity, TopologyState, Trouble


class When(StrEnum):
    """The kinds of trouble: what a rule looks at."""

    NODE_DOWN = "node-down"
    DATABASE_TROUBLE = "database-trouble"
    PROBE_FAILING = "probe-failing"
    CERTIFICATE_EXPIRING = "certificate-expiring"


class Verdict(StrEnum):
    """How a subject is: the first two clear, the last two raise.

    FINE ends every alert of it, EASING one that fires and not one that is pending, SUSPECT is bad and
    not enough to fire, BAD fires once it has lasted as long as the rule asks.
    """

    FINE = "fine"
    EASING = "easing"
    SUSPECT = "suspect"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Subject:
    """Exactly what an alert is about; None where a part does not apply."""

    tenant: str | None = None
    node: str | None = None
    flow: str | None = None
    channel: str | None = None
    probe: str | None = None
    location: str | None = None
    topology: str | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One verdict on one subject. `cause` is one line for a person, used where it is bad.

    Of a database, `bad` and `fine` are the troubles that it certainly has and has not; what could not be
    judged is in neither. `tenants` are all that have something of it.
    """

    subject: Subject
    verdict: Verdict
    value: float
    cause: str = ""
    bad: frozenset[Trouble] = frozenset()
    fine: frozenset[Trouble] = frozenset()
    tenants: tuple[str, ...] = ()


NodeJudge: TypeAlias = Callable[[NodeState], Iterable[Observation]]


def judges_no_node(_: NodeState) -> Iterator[Observation]:
    """Judge nothing: the rule is about probes."""
    return iter(())


ProbeJudge: TypeAlias = Callable[[ProbeResult], Iterable[Observation]]


def judges_no_result(_: ProbeResult) -> Iterator[Observation]:
    """Judge nothing by itself: the rule is about nodes, or about several results together."""
    return iter(())


TopologyJudge: TypeAlias = Callable[[TopologyState], Iterable[Observation]]


def judges_no_topology(_: TopologyState) -> Iterator[Observation]:
    """Judge nothing: the rule is about something else than databases."""
    return iter(())


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of trouble, and from when on people are told.

    It fires at the first bad observation that is at least `hold` seconds later than the first one in a
    row. Rules about probes have no `hold`; that they fail fires at `failing` bad slots of the last `of`.
    Those about databases say which `troubles` they look at. `judge_node` is what the rule makes of a poll,
    `judge_topology` of a topology, `judge_result` of one result. `summary` and `felt` are words for a
    person, what is wrong and what the tenants feel: str.format templates over ABOUT.
    """

    name: str
    severity: Severity
    when: When
    summary: str
    felt: str
    hold: float = 0.0
    failing: int = 1
    of: int = 1
    judge_node: NodeJudge = judges_no_node
    judge_result: ProbeJudge = judges_no_result
    troubles: frozenset[Trouble] = frozenset()
    judge_topology: TopologyJudge = judges_no_topology


def probe_subject(result: ProbeResult) -> Subject:
    """Return what an alert about a probe's results is about."""
    return Subject(tenant=result.tenant, flow=result.flow, probe=result.probe, location=result.location)
