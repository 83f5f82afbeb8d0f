"""Incidents: runs of bad slices of a service, with the flows that were bad and what the alerts called it."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from dialtone.model import Flow, SeriesKey, Sli, SliceCause
from dialtone.sla.calendar import from_unix
from dialtone.sla.exclusions import States
from dialtone.sla.figures import Incident
from dialtone.sla.lines import Grid, Line, reaches, runs


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of a flow's bad time in which a series was bad for one reason."""

    start: int
    end: int
    key: SeriesKey
    cause: SliceCause


def incidents(
    grid: Grid,
    service: States,
    flows: Mapping[Flow, States],
    within: int,
    lines: Sequence[tuple[SeriesKey, Line]],
    causes: Sequence[SliceCause],
) -> tuple[Incident, ...]:
    """Return the incidents of a service within a plane of time, in order.

    One lasts from its first bad slice until its last before a good one; it goes on while no good one has
    come. `lines` are what was measured, by series.
    """
    bad = service.bad & within
    if not bad:
        return ()
    bad_runs = runs(bad)
    spans, is_over = _joined(bad_runs, service.good & within, grid.count)
    starts = [start for start, _ in spans]
    planes = {flow: states.bad & bad for flow, states in flows.items()}
    of_flows = {flow: runs(plane) for flow, plane in planes.items()}
    seen = {flow: {bisect_right(starts, run[0]) - 1 for run in found} for flow, found in of_flows.items()}
    steps: defaultdict[int, int] = defaultdict(int)
    for start, end in bad_runs:
        steps[bisect_right(starts, start) - 1] += end - start
    named = _named(grid, starts, planes, of_flows, lines, causes)
    found: list[Incident] = []
    for number, (first, last) in enumerate(spans):
        pieces = named.get(number, ())
        found.append(
            Incident(
                start=from_unix(grid.time(first)),
                end=from_unix(grid.time(last)) if number < len(spans) - 1 or is_over else None,
                bad=steps[number] * grid.step,
                flows=tuple(flow for flow in flows if number in seen[flow]),
                causes=tuple(dict.fromkeys(one.cause.cause for one in pieces)),
                known=_known(grid, first, pieces, lines) if pieces else None,
            )
        )
    return tuple(found)


def _joined(bad: Sequence[tuple[int, int]], good: int, count: int) -> tuple[list[tuple[int, int]], bool]:
    """Join runs of bad that no good lies between; and say whether good comes after the last."""
    gaps = [(end, start) for (_, end), (start, _) in pairwise((*bad, (count, count)))]
    found = [bad[0]]
    *between, last = reaches(good, gaps)
    for run, good_before in zip(bad[1:], between, strict=True):
        if good_before:
            found.append(run)
        else:
            found[-1] = (found[-1][0], run[1])
    return found, last


def _named(
    grid: Grid,
    starts: Sequence[int],
    bad: Mapping[Flow, int],
    bad_runs: Mapping[Flow, Sequence[tuple[int, int]]],
    lines: Sequence[tuple[SeriesKey, Line]],
    causes: Sequence[SliceCause],
) -> Mapping[int, Sequence[_Piece]]:
    """Return what is known of why, in order of time, by the number of the incident."""
    found: defaultdict[int, list[_Piece]] = defaultdict(list)
    if causes:
        pieces = _pieces(grid, bad, bad_runs, lines, causes)
        for piece in sorted(pieces, key=lambda one: (one.start, one.cause.slot, one.cause.cause)):
            found[bisect_right(starts, piece.start) - 1].append(piece)
    return found


def _pieces(
    grid: Grid,
    bad: Mapping[Flow, int],
    bad_runs: Mapping[Flow, Sequence[tuple[int, int]]],
    lines: Sequence[tuple[SeriesKey, Line]],
    causes: Iterable[SliceCause],
) -> Iterator[_Piece]:
    by_series: defaultdict[SeriesKey, list[SliceCause]] = defaultdict(list)
    for cause in causes:
        by_series[cause.key].append(cause)
    for key, line in lines:
        of_series = by_series.get(key)
        if not of_series or not line.bad:
            continue
        of_flow = bad_runs[key.flow]
        own = of_flow if line.bad == bad[key.flow] else runs(line.bad)
        for start, end, cause in _in_force(grid, own, of_series):
            at = bisect_right(of_flow, (start, grid.count)) - 1
            for low, high in of_flow[max(at, 0) :]:
                if low >= end:
                    break
                if high > start:
                    yield _Piece(max(low, start), min(high, end), key, cause)


def _in_force(
    grid: Grid, bad: Sequence[tuple[int, int]], causes: Sequence[SliceCause]
) -> Iterator[tuple[int, int, SliceCause]]:
    """Return where each cause of a series holds: until the next one, or the end of the bad run it is in."""
    laid: dict[int, SliceCause] = {}
    for cause in sorted(causes, key=lambda one: (one.slot, one.known)):
        laid[max((cause.slot * cause.key.interval - grid.start) // grid.step, 0)] = cause
    bits = sorted(laid)
    for start, end in bad:
        low, high = bisect_left(bits, start), bisect_left(bits, end)
        for at in range(low, high):
            yield bits[at], bits[at + 1] if at + 1 < high else end, laid[bits[at]]


def _known(
    grid: Grid, first: int, pieces: Sequence[_Piece], lines: Sequence[tuple[SeriesKey, Line]]
) -> datetime | None:
    """Return when the slice that an incident begins with was confirmed, None where that is not on record.

    A flow is known to be bad with the first of its probes that is; where several locations are placed, with
    the second of them, for a bad slice takes two.
    """
    earliest: defaultdict[Flow, dict[str, datetime]] = defaultdict(dict)
    found: list[datetime] = []
    for piece in pieces:
        key, known = piece.key, piece.cause.known
        if piece.start > first:
            break
        if key.measure.sli is Sli.PASSIVE:
            found.append(known)
        else:
            of_flow = earliest[key.flow]
            of_flow[key.location] = min(known, of_flow.get(key.location, known))
    for flow, by_location in earliest.items():
        probed = [one for one in lines if one[0].flow is flow and one[0].measure.sli is not Sli.PASSIVE]
        placed = {key.location for key, line in probed if len(probed) > 1 and line.placed >> first & 1}
        needed = 1 if len(placed) < 2 else 2
        if len(by_location) >= needed:
            found.append(sorted(by_location.values())[needed - 1])
    start = from_unix(grid.time(first))
    return min(found) if found and min(found) >= start else None
