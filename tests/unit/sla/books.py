"""Slices put down by hand, for tests of the figures that come out."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from dialtone.model import Correction, Flow, Maintenance, Objective, SeriesKey, SliceSeries, SliceState
from dialtone.sla.calendar import Span, unix
from tests.unit.sla.histories import TENANT, packed


def an_objective(**changes: Any) -> Objective:
    """Return 99.9 % of calls by the clock of Montreal, with what is given instead."""
    values: dict[str, Any] = {
        "tenant": TENANT,
        "service": "telephony",
        "flows": (Flow.CALL,),
        "target": Fraction(999, 1000),
        "zone": "America/Montreal",
    }
    return Objective(**(values | changes))


def a_series(
    span: Span,
    *,
    bad: Iterable[int] = (),
    missing: Iterable[int] = (),
    interval: int = 60,
    until: datetime | None = None,
    **changes: Any,
) -> SliceSeries:
    """Return a series placed from a span's start on, good but in these slots, which count from there."""
    values: dict[str, Any] = {
        "tenant": TENANT,
        "flow": Flow.CALL,
        "probe": "calls",
        "location": "mtl1",
        "interval": interval,
    }
    first, count = unix(span.start) // interval, span.seconds // interval
    states = dict.fromkeys(range(first, first + count), SliceState.GOOD)
    for slot in bad:
        states[first + slot] = SliceState.BAD
    for slot in missing:
        states[first + slot] = SliceState.UNKNOWN
    return SliceSeries(1, SeriesKey(**(values | changes)), span.start, until, packed(states, interval))


def work(begins: datetime, minutes: int, **changes: Any) -> Maintenance:
    """Return maintenance that was declared a year before, with what is given instead."""
    values: dict[str, Any] = {
        "id": 1,
        "tenant": TENANT,
        "begins": begins,
        "seconds": minutes * 60,
        "author": "anna",
        "reason": "new software",
        "declared": begins - timedelta(days=365),
        "zone": "America/Montreal",
    }
    return Maintenance(**(values | changes))


def a_correction(begins: datetime, minutes: int, state: SliceState, **changes: Any) -> Correction:
    """Return a correction, with what is given instead."""
    ends = begins + timedelta(minutes=minutes)
    values: dict[str, Any] = {
        "id": 1,
        "tenant": TENANT,
        "begins": begins,
        "ends": ends,
        "state": state,
        "author": "anna",
        "reason": "the line of the probe was cut",
        "declared": ends + timedelta(days=1),
    }
    return Correction(**(values | changes))
