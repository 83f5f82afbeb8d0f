"""What must hold after a kill: pure functions from what was seen to a list of what is wrong with it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from dialtone.model import AlertEvent, AlertState, FailureCode, Outcome, ProbeResult
from tests.live.figures import Figures

COUNTERS: Final = ("dialtone_probe_outcome_total",)
_MONOTONIC: Final = ("_bucket", "_count", "_sum")

MARGIN: Final = timedelta(seconds=0.1)
"""How far the clocks of the one who kills and of the one who is killed are trusted to agree."""

Series = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as the store keeps it: its key, and what it tells."""

    key: str
    events: tuple[AlertEvent, ...]


@dataclass(frozen=True, slots=True)
class Came:
    """A message as the receiver got it; `at` is in seconds on the clock of the kills."""

    at: float
    key: str
    body: Mapping[str, Any]


def lost(what: str, before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Name everything that was shown before and is gone or different afterwards."""
    return [
        f"{what} {name} is gone" if name not in after else f"{what} {name} has changed: {shown} {after[name]}"
        for name, shown in before.items()
        if after.get(name) != shown
    ]


def misjudged(results: Iterable[ProbeResult], *, allowed: frozenset[FailureCode]) -> list[str]:
    """Name every failure: the platform was healthy. Inconclusive are `allowed` ones alone."""
    return [
        f"result {result.id} is {result.outcome} {result.failure}"
        for result in results
        if result.outcome is Outcome.FAIL
        or (result.failure is not None and result.failure.code not in allowed)
    ]


def misadopted(results: Iterable[ProbeResult], under_way: Iterable[frozenset[str]]) -> list[str]:
    """Name probes that were under way at a kill and are not inconclusive, and the other way round.

    `under_way` has the ids of each kill.
    """
    noted = frozenset[str]().union(*under_way)
    cut = {result.id for result in crashed(results)}
    return [f"probe {name} was cut short and is not inconclusive" for name in sorted(noted - cut)] + [
        f"probe {name} is inconclusive and was not under way" for name in sorted(cut - noted)
    ]


def crashed(results: Iterable[ProbeResult]) -> list[ProbeResult]:
    """Return the results of probes whose engine died."""
    return [
        result
        for result in results
        if result.failure is not None and result.failure.code is FailureCode.ENGINE_CRASHED
    ]


def unrecorded(placed: Iterable[str], results: Iterable[ProbeResult]) -> list[str]:
    """Name probes that the platform saw and no result tells of."""
    known = {result.id for result in results}
    return [f"probe {name} was placed and has no result" for name in sorted({*placed} - known)]


def survived(results: Iterable[ProbeResult], kills: Sequence[datetime]) -> list[str]:
    """Name results that passed or failed although their engine was killed while they ran."""
    return [
        f"result {result.id} is {result.outcome} across a kill of its engine"
        for result in results
        for kill in kills
        if result.outcome is not Outcome.INCONCLUSIVE and _spans(result, kill, -MARGIN)
    ]


def blamed(results: Iterable[ProbeResult], kills: Sequence[datetime]) -> list[str]:
    """Name crashed probes that no kill explains."""
    return [
        f"result {result.id} crashed without a kill"
        for result in crashed(results)
        if not any(_spans(result, kill, MARGIN) for kill in kills)
    ]


def fallen(scrapes: Sequence[Figures]) -> list[str]:
    """Name counters of probes that went down, or away, from one scrape to the next."""
    return [
        f"{name} {dict(labels)} fell from {value:g} to {after.get((name, labels))}"
        for before, after in pairwise(counters(scrape) for scrape in scrapes)
        for (name, labels), value in before.items()
        if after.get((name, labels), -1.0) < value
    ]


def counters(scrape: Figures) -> dict[Series, float]:
    """Return the counters and histograms of probes."""
    return {
        (figure.metric, frozenset(figure.labels.items())): figure.value
        for figure in scrape.all
        if figure.metric in COUNTERS
        or (figure.metric.startswith("dialtone_probe_") and figure.metric.endswith(_MONOTONIC))
    }


def miscounted(scrape: Figures, results: Iterable[ProbeResult]) -> list[str]:
    """Name outcomes and timings of which /metrics tells another number than there are results."""
    wanted: Counter[tuple[str, ...]] = Counter()
    for result in results:
        series = (result.tenant, str(result.flow), str(result.engine))
        failure = result.failure.code if result.failure else ""
        wanted[("outcomes", *series, result.outcome, failure)] += 1
        if result.outcome is Outcome.PASS:
            wanted.update((timing, *series) for timing in result.timings)
    told: Counter[tuple[str, ...]] = Counter()
    for figure in scrape.all:
        labels = figure.labels
        timing = figure.metric.removeprefix("dialtone_probe_").removesuffix("_seconds_count")
        if figure.metric in COUNTERS:
            series = (labels["tenant"], labels["flow"], labels["engine"])
            told[("outcomes", *series, labels["outcome"], labels["failure"])] += int(figure.value)
        elif figure.metric == f"dialtone_probe_{timing}_seconds_count":
            told[(timing, labels["tenant"], labels["flow"], labels["engine"])] += int(figure.value)
    return [
        f"{' '.join(name)}: /metrics has {told[name]}, there are {wanted[name]}"
        for name in sorted(wanted.keys() | told.keys())
        if told[name] != wanted[name]
    ]


def unannounced(alerts: Iterable[AlertEvent], messages: Sequence[Kept]) -> list[str]:
    """Name alerts that are kept in a state that no kept message tells of, or not in the last one told."""
    told = {event.fingerprint: event for message in messages for event in message.events}
    return [
        f"alert {alert.rule} {alert.node or alert.tenant} is kept as {alert.state} since {alert.since}, "
        f"the last message of it is {_told(told.get(alert.fingerprint))}"
        for alert in alerts
        if _announced(alert) and _told(told.get(alert.fingerprint)) != (alert.state, alert.since)
    ]


def out_of_turn(messages: Iterable[Kept]) -> list[str]:
    """Name alerts that are told to fire twice, or to end twice, or to end before they fired."""
    last: dict[str, AlertState] = {}
    wrong = []
    for message in messages:
        for event in message.events:
            if last.get(event.fingerprint, AlertState.RESOLVED) is event.state:
                wrong.append(f"alert {event.rule} {event.node or event.tenant} is {event.state} twice")
            last[event.fingerprint] = event.state
    return wrong


def misdelivered(kept: Sequence[Kept], came: Sequence[Came], kills: Sequence[float]) -> list[str]:
    """Name messages that did not come, came from nowhere, out of order, changed, or too often.

    One may come twice for each kill, in a row and the same.
    """
    keys = [message.key for message in kept]
    firsts: dict[str, Came] = {}
    for one in came:
        firsts.setdefault(one.key, one)
    wrong = [f"message {key} never came" for key in keys if key not in firsts]
    wrong += [f"message {key} was never kept" for key in firsts if key not in {*keys}]
    wrong += [
        f"message {one.key} came again with another body" for one in came if one.body != firsts[one.key].body
    ]
    position = {key: number for number, key in enumerate(keys)}
    wrong += [
        f"message {later.key} came after {earlier.key}"
        for earlier, later in pairwise(came)
        if position.get(later.key, -1) < position.get(earlier.key, -1)
    ]
    return wrong + list(_repeated(came, kills))


def _repeated(came: Sequence[Came], kills: Sequence[float]) -> Iterator[str]:
    known: set[str] = set()
    by_kill: Counter[int] = Counter()
    for one in came:
        if one.key in known:
            kill = sum(at <= one.at for at in kills)
            by_kill[kill] += 1
            if kill == 0 or by_kill[kill] > 1:
                yield f"message {one.key} came again, and kill {kill} explains no more than one"
        known.add(one.key)


def _spans(result: ProbeResult, kill: datetime, tolerance: timedelta) -> bool:
    """Whether a result ran at an instant; a tolerance below zero asks for so much on either side."""
    ended = result.started + timedelta(seconds=result.duration)
    return result.started - tolerance <= kill <= ended + tolerance


def _told(event: AlertEvent | None) -> tuple[AlertState, datetime] | None:
    return (event.state, event.since) if event is not None else None


def _announced(event: AlertEvent) -> bool:
    return event.started is not None and event.state in (AlertState.FIRING, AlertState.RESOLVED)
