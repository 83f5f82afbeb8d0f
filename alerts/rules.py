"""The rules: what counts as trouble, with whom, and what it means to people.

A rule looks at what a collector or a probe found and says of each subject whether it is bad. What can't
be judged (a node that did not answer, an inconclusive probe) yields nothing at all, so it neither raises
an alert nor clears one: no data is no proof of health.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from dialtone.model import Catalog, NodeState, Origin, Outcome, ProbeResult, Severity

_MAX_CAUSE: Final = 500

PROBE_FAILING: Final = "ProbeFailing"


@dataclass(frozen=True, slots=True)
class Subject:
    """Exactly what an alert is about; None where a part does not apply.

    `series` tells apart what has the same tenant and flow but is watched separately (probe, location).
    """

    tenant: str | None = None
    node: str | None = None
    flow: str | None = None
    channel: str | None = None
    series: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """One verdict on one subject. `cause` is one line for a person, used where it is bad."""

    subject: Subject
    bad: bool
    value: float
    cause: str = ""


def probe_subject(tenant: str, flow: str, probe: str, location: str) -> Subject:
    """Return what an alert about a probe is about."""
    return Subject(tenant=tenant, flow=flow, series=(probe, location))


def _nothing(_: object) -> Iterator[Observation]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of trouble.

    It fires at the `after`-th bad observation in a row; one good observation resolves it. `summary` and
    `felt` are words for a person (str.format templates over tenant, node, flow and channel): what is
    wrong, and what the tenants feel.
    """

    name: str
    severity: Severity
    after: int
    summary: str
    felt: str
    judge_node: Callable[[NodeState], Iterable[Observation]] = _nothing
    judge_result: Callable[[ProbeResult], Iterable[Observation]] = _nothing


def one_line(text: str) -> str:
    """Return text from a server as one printable line of at most 500 characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * _MAX_CAUSE]).split())
    return line if len(line) <= _MAX_CAUSE else line[: _MAX_CAUSE - 1] + "…"


def _node_down(state: NodeState) -> Iterator[Observation]:
    why = ": ".join(part for part in (state.failure, state.detail) if part) or "no answer"
    yield Observation(Subject(node=state.node.name), not state.up, float(state.up), one_line(why))


def _probe_failing(result: ProbeResult) -> Iterator[Observation]:
    # Somebody trying a wrong password by hand, or a stress run, says nothing about the service.
    if result.origin is not Origin.SCHEDULE or result.outcome is Outcome.INCONCLUSIVE:
        return
    bad = result.outcome is Outcome.FAIL
    why = ""
    if result.failure is not None:
        why = ": ".join(part for part in (result.failure.code, result.failure.detail) if part)
    subject = probe_subject(result.tenant, result.flow, result.probe, result.location)
    yield Observation(subject, bad, float(not bad), one_line(why))


_THREADS: Final = {"mysql_replication_io_running": "I/O", "mysql_replication_sql_running": "SQL"}


def _replication_judge(catalog: Catalog) -> Callable[[NodeState], Iterator[Observation]]:
    """Return the judge of replica threads; label positions come from the catalogue, once.

    Raises CatalogError where the catalogue lacks the metrics.
    """
    channel_at = {name: catalog[name].labels.index("channel") for name in _THREADS}

    def judge(state: NodeState) -> Iterator[Observation]:
        # A node that is down keeps its last reading for a while; that one has been judged already.
        if not state.up or state.reading is None:
            return
        running: dict[str, dict[str, bool]] = {}
        for sample in state.reading.samples:
            at = channel_at.get(sample.metric)
            if at is not None:
                running.setdefault(sample.labels[at], {})[_THREADS[sample.metric]] = sample.value != 0
        for channel, threads in running.items():
            stopped = [name for name in _THREADS.values() if threads.get(name) is False]
            if not stopped and len(threads) < len(_THREADS):
                continue
            which = " and ".join(stopped)
            verb = "thread has" if len(stopped) == 1 else "threads have"
            error = state.reading.info.get(f"channel/{channel}/error", "")
            why = f"the {which} {verb} stopped" + (f": {error}" if error else "")
            subject = Subject(node=state.node.name, channel=channel)
            yield Observation(subject, bool(stopped), float(not stopped), one_line(why))

    return judge


def first_rules(catalog: Catalog) -> tuple[Rule, ...]:
    """Return the rules that every platform has. Raises CatalogError where a metric they need is unknown."""
    return (
        Rule(
            name="NodeDown",
            severity=Severity.CRITICAL,
            after=2,
            summary="{node} does not answer",
            felt="Nothing is known of this server: if it is down, calls and registrations through it fail.",
            judge_node=_node_down,
        ),
        Rule(
            name="ReplicationBroken",
            severity=Severity.CRITICAL,
            after=1,
            summary="Replication on {node} is broken",
            felt="Tenants feel nothing yet: the standby falls behind, and a switch to it would lose changes.",
            judge_node=_replication_judge(catalog),
        ),
        Rule(
            name=PROBE_FAILING,
            severity=Severity.CRITICAL,
            after=2,
            summary="{flow} fails for {tenant}",
            felt="The phones of {tenant} most likely fail the same way.",
            judge_result=_probe_failing,
        ),
    )
