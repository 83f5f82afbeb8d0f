"""What the rules make of a poll of a node, or of one result of a probe (pure)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from alerts.rules import (
    NodeJudge,
    Observation,
    ProbeJudge,
    Subject,
    Verdict,
    When,
    judges_no_node,
    judges_no_result,
    one_line,
    probe_subject,
)
from dialtone.model import Catalog, NodeKind, NodeState, ProbeResult

_IO: Final = "mysql_replication_io_running"
_SQL: Final = "mysql_replication_sql_running"
_LAG: Final = "mysql_replication_lag_seconds"
_DELAY: Final = "mysql_replication_sql_delay_seconds"
_HEARTBEAT: Final = "mysql_replication_heartbeat_lag_seconds"

_THREADS: Final = {_IO: "I/O", _SQL: "SQL"}


def node_judge(when: When, catalog: Catalog, over: float) -> NodeJudge:
    """Return what judges polls for a rule of that kind; `over` is the lag, in seconds, that is too much.

    Label positions come from the catalogue, once. Raises CatalogError where it lacks a metric.
    """
    return _JUDGES[when](catalog, over)


def _node_down(_: Catalog, __: float) -> NodeJudge:
    def judge(state: NodeState) -> Iterator[Observation]:
        why = ": ".join(part for part in (state.failure, state.detail) if part) or "no answer"
        yield Observation(
            Subject(node=state.node.name), _verdict(not state.up), float(state.up), one_line(why)
        )

    return judge


def _replication_broken(catalog: Catalog, _: float) -> NodeJudge:
    at = {name: catalog[name].labels.index("channel") for name in _THREADS}

    def judge(state: NodeState) -> Iterator[Observation]:
        for channel, found in _by_label(state, at).items():
            stopped = [words for metric, words in _THREADS.items() if found.get(metric) == 0]
            if not stopped and len(found) < len(_THREADS):
                continue
            subject = Subject(node=state.node.name, channel=channel)
            cause = _threads_stopped(stopped, _info(state, channel, "error"))
            yield Observation(subject, _verdict(bool(stopped)), float(not stopped), cause)

    return judge


def _threads_stopped(stopped: list[str], error: str) -> str:
    verb = "thread does" if len(stopped) == 1 else "threads do"
    return one_line(f"the {' and '.join(stopped)} {verb} not run" + (f": {error}" if error else ""))


def _replication_late(catalog: Catalog, over: float) -> NodeJudge:
    at = {name: catalog[name].labels.index("channel") for name in (_IO, _SQL, _LAG, _DELAY)}
    source_at = {_HEARTBEAT: catalog[_HEARTBEAT].labels.index("source")}

    def judge(state: NodeState) -> Iterator[Observation]:
        heartbeats = _by_label(state, source_at)
        for channel, found in _by_label(state, at).items():
            # A thread that stands still is broken replication: its lag is unknown, or of the past.
            if not (found.get(_IO) and found.get(_SQL)):
                continue
            # Each server of a pair has heartbeats of both; only the source's tell of this channel.
            source = _info(state, channel, "source")
            said, true = found.get(_LAG), heartbeats.get(source, {}).get(_HEARTBEAT)
            if true is not None and true < -over:
                true = None  # the clocks are further apart than what is to be measured
            # Over a link that died silently the replica says 0; a heartbeat's age can't be deceived.
            lag = said if true is None else true
            if lag is None:
                continue
            late = max(0.0, lag - found.get(_DELAY, 0.0))
            # For the same reason its 0 proves nothing while the heartbeat that is meant to be there is not.
            if true is None and late <= over and state.node.options.get("heartbeat"):
                continue
            cause = _behind(late, over, said, None if true is None else source)
            subject = Subject(node=state.node.name, channel=channel)
            yield Observation(subject, _verdict(late > over), late, cause)

    return judge


def _behind(late: float, over: float, said: float | None, source: str | None) -> str:
    words = f"{late:.0f} s behind, more than {over:g} s"
    if source is None:
        return words
    replica = "knows nothing" if said is None else f"says {said:.0f} s"
    return one_line(f"{words}, by the heartbeat of server {source}; the replica itself {replica}")


def _by_label(state: NodeState, at: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Return the values of those metrics, by the label at that position, then by metric.

    Nothing of a node that is down: it keeps its last reading for a while, which has been judged already.
    Nothing of other servers either, without a look at the ten thousand samples that they may have.
    """
    found: dict[str, dict[str, float]] = {}
    if state.node.kind is not NodeKind.MYSQL or not state.up or state.reading is None:
        return found
    for sample in state.reading.samples:
        position = at.get(sample.metric)
        if position is not None:
            found.setdefault(sample.labels[position], {})[sample.metric] = sample.value
    return found


def _info(state: NodeState, channel: str, what: str) -> str:
    return "" if state.reading is None else state.reading.info.get(f"channel/{channel}/{what}", "")


def _verdict(bad: bool) -> Verdict:
    return Verdict.BAD if bad else Verdict.FINE


_JUDGES: Final[Mapping[When, Callable[[Catalog, float], NodeJudge]]] = {
    When.NODE_DOWN: _node_down,
    When.REPLICATION_BROKEN: _replication_broken,
    When.REPLICATION_LATE: _replication_late,
    When.PROBE_FAILING: lambda _, __: judges_no_node,
    When.CERTIFICATE_EXPIRING: lambda _, __: judges_no_node,
}


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
