"""What the rules make of a poll of a node, of a topology, or of one result of a probe (pure)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from alerts.rules import (
    NodeJudge,
    Observation,
    ProbeJudge,
    Subject,
    TopologyJudge,
    Verdict,
    When,
    judges_no_node,
    judges_no_result,
    judges_no_topology,
    probe_subject,
)
from dialtone.model import (
    IMPACTS,
    Check,
    CheckState,
    Impact,
    NodeState,
    ProbeResult,
    TopologyState,
    Trouble,
    one_line,
)

_TROUBLES: Final = frozenset(Trouble)


def node_judge(when: When) -> NodeJudge:
    """Return what judges polls for a rule of that kind."""
    return _node_down if when is When.NODE_DOWN else judges_no_node


def _node_down(state: NodeState) -> Iterator[Observation]:
    why = ": ".join(part for part in (state.failure, state.detail) if part) or "no answer"
    yield Observation(Subject(node=state.node.name), _verdict(not state.up), float(state.up), one_line(why))


def topology_judge(troubles: frozenset[Trouble]) -> TopologyJudge:
    """Return what judges topologies for a rule about those troubles, each subject by all checks of it."""

    def judge(state: TopologyState) -> Iterator[Observation]:
        by_subject: dict[Subject, list[Check]] = {}
        for check in state.checks:
            if check.trouble in troubles:
                subject = Subject(topology=state.topology.name, node=check.node, channel=check.channel)
                by_subject.setdefault(subject, []).append(check)
        for subject, checks in by_subject.items():
            yield _of_checks(subject, checks, state.tenants)

    return judge if troubles else judges_no_topology


def _of_checks(subject: Subject, checks: Sequence[Check], tenants: tuple[str, ...]) -> Observation:
    by_state = {state: [check for check in checks if check.state is state] for state in CheckState}
    bad, suspect = by_state[CheckState.BAD], by_state[CheckState.SUSPECT]
    fine = frozenset(check.trouble for check in by_state[CheckState.FINE])
    found = sorted(bad or suspect, key=lambda check: -IMPACTS.index(check.impact))
    if not found:
        return Observation(subject, Verdict.FINE, checks[0].value, fine=fine)
    return Observation(
        subject,
        Verdict.BAD if bad else Verdict.SUSPECT,
        found[0].value,
        _cause(found),
        bad=frozenset(check.trouble for check in bad),
        fine=fine,
        tenants=() if found[0].impact is Impact.NONE else tenants,
    )


def _cause(checks: Iterable[Check]) -> str:
    """Return "word, word: detail; detail": all words at the head, before anything that a server said."""
    words = dict.fromkeys(check.trouble for check in checks)
    details = dict.fromkeys(check.detail for check in checks if check.detail)
    return one_line(": ".join(filter(None, (", ".join(words), "; ".join(details)))))


def troubles_in(cause: str) -> frozenset[Trouble]:
    """Return the troubles that a cause names at its head; none, where it is of another kind or version."""
    words = cause.partition(": ")[0].split(", ")
    return frozenset(map(Trouble, words)) if _TROUBLES.issuperset(words) else frozenset()


def result_judge(when: When, under: float) -> ProbeJudge:
    """Return what judges single results for a rule of that kind; `under` is the time left, in seconds."""
    return _certificate_expiring(under) if when is When.CERTIFICATE_EXPIRING else judges_no_result


def _certificate_expiring(under: float) -> ProbeJudge:
    def judge(result: ProbeResult) -> Iterator[Observation]:
        # One that has ended is met by no probe that verifies it: that one fails, which is another rule's.
        if (ends := result.certificate_expires) is None:
            return
        left = (ends - result.started).total_seconds()
        cause = f"the certificate ends on {ends:%Y-%m-%d at %H:%M} UTC, in {left / 86400:.1f} days"
        yield Observation(probe_subject(result), _verdict(left < under), left, cause)

    return judge


def _verdict(bad: bool) -> Verdict:
    return Verdict.BAD if bad else Verdict.FINE
