"""Random histories for the reference, and the same as dialtone knows them."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Final, Literal

from dialtone.model import (
    AVAILABILITY,
    Correction,
    EvidenceKind,
    Flow,
    Maintenance,
    Measure,
    Objective,
    Outcome,
    SeriesKey,
    Sli,
    Slices,
    SliceSeries,
    SliceState,
    WeekSpan,
    joined_days,
    plane_bytes,
    verdict,
)
from dialtone.sla.account import Pages
from tests.unit.sla.reference import History, Put, Seen, Work

TENANT: Final = "acme.ntek.clusterpbx.example"
TRAFFIC: Final = Measure(Sli.PASSIVE, threshold=0.95)
FLOWS: Final = ("options", "register", "call")
SCENES: Final = (
    ("America/Montreal", "2026-03-08T07:00"),  # 02:00 becomes 03:00
    ("America/Montreal", "2026-11-01T06:00"),  # 02:00 becomes 01:00, on the first of the month
    ("Europe/Paris", "2026-03-29T01:00"),
    ("Europe/Paris", "2026-10-25T01:00"),
    ("America/Montreal", "2026-07-01T04:00"),  # a month begins
    ("Europe/Paris", "2026-12-31T23:00"),  # a year begins
    ("UTC", "2028-02-29T12:00"),
)


def moment(seconds: int) -> datetime:
    """Return an instant by its seconds from 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def a_history(rng: Random, *, minutes: int = 240, least: int = 5) -> History:
    """Return some hours around a moment at which calendars are difficult, with everything in them."""
    zone, text = rng.choice(SCENES)
    center = int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    start = center - 60 * rng.randrange(minutes * 3 // 4)
    end = start + 60 * rng.randrange(5, minutes)
    now = rng.choice((end + 3600, rng.randrange(start + 1, end + 300)))
    history = History(
        flows=tuple(rng.sample(FLOWS, rng.randint(1, 3))),
        target=Fraction(rng.choice((9, 99, 999, 9995, 1)), 1),
        zone=zone,
        start=start,
        end=end,
        now=now,
        evidence=rng.choice(("synthetic", "synthetic", "either", "passive")),
        cap=60 * rng.choice((0, 7, 30, 240)),
    )
    history.target = (
        Fraction(history.target, 10 ** len(str(history.target))) if history.target > 1 else Fraction(1)
    )
    if rng.random() < 0.4:
        history.hours = [_hours(rng) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.2:
        history.first_day = (moment(center) - timedelta(days=rng.randint(-1, 1))).date()
    if rng.random() < 0.2:
        history.last_day = (moment(center) + timedelta(days=rng.randint(-1, 1))).date()
    _place(rng, history, least)
    history.works = [_work(rng, history, center) for _ in range(rng.choice((0, 1, 2, 4)))]
    history.puts = [_put(rng, history, number + 1) for number in range(rng.choice((0, 0, 1, 3)))]
    return history


def a_month(rng: Random, zone: str, start: int, end: int) -> History:
    """Return a whole month of probes a minute, with maintenance and corrections over it."""
    history = History(
        flows=("call",),
        target=Fraction(999, 1000),
        zone=zone,
        start=start,
        end=end,
        now=end + 3600,
        cap=60 * 100,
        hours=[_hours(rng), _hours(rng)],
    )
    _place(rng, history, 60)
    history.works = [_work(rng, history, start + 86_400 * rng.randrange(30)) for _ in range(8)]
    history.puts = [_put(rng, history, number + 1) for number in range(4)]
    return history


def _hours(rng: Random) -> tuple[set[int], int, int]:
    return set(rng.sample(range(7), rng.randint(2, 7))), 15 * rng.randrange(96), 15 * rng.randrange(96)


def _place(rng: Random, history: History, least: int) -> None:
    intervals = [each for each in (5, 10, 15, 20, 30, 60) if each >= least]
    came = history.start + 60 * rng.choice((-90, -90, -90, 25))
    for flow in history.flows:
        locations = rng.choice((("m",), ("m",), ("m", "p"), ("m", "p", "t"), ("m", "p", "t", "v")))
        for probe in range(rng.choice((1, 1, 2))):
            for location in locations:
                interval = rng.choice(intervals)
                since = max(came, history.start + 60 * rng.choice((-90, -30, -1, 0, 3, 17)))
                until = rng.choice((None, None, None, since + 60 * rng.randrange(1, 120)))
                _seen(rng, history, Seen(flow, f"{flow}{probe}", location, interval, since, until))
                if until is not None and rng.random() < 0.6:
                    again = until + 60 * rng.choice((0, 0, 5))
                    other = rng.choice(intervals)
                    _seen(rng, history, Seen(flow, f"{flow}{probe}", location, other, again, None))
        if history.evidence != "synthetic" and rng.random() < 0.8:
            since = max(came, history.start + 60 * rng.choice((-30, 0, 10)))
            _seen(rng, history, Seen(flow, "", "", 60, since, None, is_traffic=True))


def _seen(rng: Random, history: History, seen: Seen) -> None:
    history.seen.append(seen)
    end = min(history.now, history.end + 600, seen.until or history.now)
    mood = "pass"
    trouble = rng.choice((0.0, 0.02, 0.2))
    for slot in range(-(-seen.since // seen.interval), end // seen.interval):
        if rng.random() < 0.15:
            mood = (
                "pass"
                if rng.random() > trouble
                else rng.choice(("fail", "fail", "gap", "inconclusive", "flap"))
            )
        if mood == "gap":
            continue
        if seen.is_traffic:
            seen.marks[slot] = "bad" if mood == "fail" else "good"
            continue
        told = [(slot, 1, "pass" if mood == "pass" else "inconclusive" if mood == "inconclusive" else "fail")]
        if mood in ("fail", "flap"):
            second = rng.choice(("fail", "fail", "fail", "inconclusive", None)) if mood == "fail" else "pass"
            told += [(slot, 2, second)] if second else []
        if rng.random() < 0.05:
            told.append((slot, rng.choice((1, 2)), rng.choice(("pass", "fail", "inconclusive"))))
        seen.results += told + (told if rng.random() < 0.05 else [])
    rng.shuffle(seen.results)


def _flows(rng: Random, history: History) -> tuple[str, ...]:
    return rng.choice(((), (), (rng.choice(history.flows),), ("http",)))


def _work(rng: Random, history: History, center: int) -> Work:
    start = rng.choice((history.start, center)) + 60 * rng.randrange(-60, 120)
    length = 60 * rng.choice((1, 10, 45, 100))
    declared = start - rng.choice((86_400, 0, -60))
    withdrawn = rng.choice((None, None, start, start + 60))
    return Work(_flows(rng, history), [(start, start + length)], declared, withdrawn)


def _put(rng: Random, history: History, number: int) -> Put:
    start = history.start + 60 * rng.randrange(-20, 120)
    state = rng.choice(("good", "bad", "unknown", "excluded"))
    end = start + 60 * rng.choice((1, 5, 40))
    return Put(number, _flows(rng, history), start, end, state, rng.random() < 0.2)


def the_objective(history: History) -> Objective:
    """Return what was promised in a history."""
    return Objective(
        tenant=TENANT,
        service="telephony",
        flows=tuple(Flow(flow) for flow in history.flows),
        target=history.target,
        zone=history.zone,
        evidence=EvidenceKind(history.evidence),
        passive=TRAFFIC,
        hours=tuple(WeekSpan(frozenset(days), start, end) for days, start, end in history.hours),
        maintenance=history.cap,
        starts=history.first_day,
        ends=history.last_day,
    )


def the_pages(history: History) -> Pages:
    """Return the books of a history, its slices made by the model's functions."""
    return Pages(
        series=tuple(the_series(number, seen) for number, seen in enumerate(history.seen)),
        maintenance=the_maintenance(history),
        corrections=tuple(
            Correction(
                id=put.id,
                tenant=TENANT,
                begins=moment(put.start),
                ends=moment(put.end),
                state=SliceState[put.state.upper()],
                author="anna",
                reason="the probe was wrong",
                declared=moment(put.end),
                flows=tuple(Flow(flow) for flow in put.flows),
                withdrawn=moment(put.end + 60) if put.withdrawn else None,
            )
            for put in history.puts
        ),
    )


def the_maintenance(history: History) -> tuple[Maintenance, ...]:
    """Return what was declared in a history."""
    return tuple(
        Maintenance(
            id=number + 1,
            tenant=TENANT,
            begins=moment(start),
            seconds=end - start,
            author="anna",
            reason="new software",
            declared=moment(work.declared),
            flows=tuple(Flow(flow) for flow in work.flows),
            withdrawn=None if work.withdrawn is None else moment(work.withdrawn),
        )
        for number, work in enumerate(history.works)
        for start, end in work.spans
    )


def the_key(seen: Seen) -> SeriesKey:
    """Return whose slices they are."""
    measure = TRAFFIC if seen.is_traffic else AVAILABILITY
    return SeriesKey(TENANT, Flow(seen.flow), seen.probe, seen.location, seen.interval, measure)


def the_series(number: int, seen: Seen) -> SliceSeries:
    """Return what was seen as slices."""
    attempts: defaultdict[int, dict[Literal[1, 2], set[Outcome]]] = defaultdict(lambda: {1: set(), 2: set()})
    for slot, attempt, outcome in seen.results:
        if outcome != "inconclusive":
            attempts[slot][1 if attempt == 1 else 2].add(Outcome(outcome))
    states = {
        slot: verdict({1: frozenset(told[1]), 2: frozenset(told[2])}) for slot, told in attempts.items()
    }
    states |= {slot: SliceState[state.upper()] for slot, state in seen.marks.items()}
    until = None if seen.until is None else moment(seen.until)
    return SliceSeries(number, the_key(seen), moment(seen.since), until, packed(states, seen.interval))


def packed(states: dict[int, SliceState], interval: int) -> Slices:
    """Return slots as bits."""
    good: defaultdict[int, int] = defaultdict(int)
    bad: defaultdict[int, int] = defaultdict(int)
    for slot, state in states.items():
        day, bit = divmod(slot, 86_400 // interval)
        good[day] |= (state is SliceState.GOOD) << bit
        bad[day] |= (state is SliceState.BAD) << bit
    days = {*good, *bad}
    return joined_days({day: plane_bytes(good[day], bad[day], interval) for day in days}, interval)
