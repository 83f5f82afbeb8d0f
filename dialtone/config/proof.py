"""What the intervals of probes can prove of an objective, and what its hours and its target leave of it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from dialtone.config.quiet import WEEK_MINUTES, week_minutes
from dialtone.config.settings import ProbeSpec
from dialtone.config.terms import percent
from dialtone.model import DAY_SECONDS, LEAST_COVERAGE, Objective, Sli, slice_interval

MINUTE: Final = 60
_MONTH_DAYS: Final = 30
_MOST_SPENT: Final = Fraction(5, 100)
"""Of the period's budget, by one bad slice."""
_INTERVALS: Final = (30, 20, 15, 10, 5, 2)
"""Seconds that may be advised; a probe with its confirmation needs more than one."""
_RULE_OF_THREE: Final = 3
"""No failure in N probes proves 1 - 3/N at 95 % (definitions: availability 10)."""
_SAMPLE: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""Which zones are how far apart is taken from this day: enough for a note."""


def wrong_interval(objective: Objective, probe: ProbeSpec) -> str:
    """Return why slices of a probe's interval can't be accounted for, "" where they can."""
    interval = slice_interval(probe.interval)
    way = "change its `interval`, or name others with `probes`"
    if interval is None:
        return f"probe {probe.name}: its interval of {probe.interval:g} s does not cut a day evenly; {way}"
    if objective.sli is Sli.AVAILABILITY and MINUTE % interval:
        return (
            f"probe {probe.name}: its interval of {probe.interval:g} s does not divide a minute, as those of "
            f"availability must (60s, 30s, 20s, 15s, 10s ...); {way}"
        )
    return ""


def notes_of(objective: Objective, probes: Sequence[ProbeSpec], zone: str) -> Iterator[str]:
    """Yield what is weak about an objective. `zone` is that of the probes' quiet hours."""
    what = f"objective {objective.service} ({percent(objective.target)})"
    if objective.target == 1:
        yield (
            f"{what}: a target of 100 % has no budget: the first bad slice misses it, and no burn rate can "
            "warn of it"
        )
    else:
        yield from _unproven(objective, probes, what)
    yield from _unheard(objective, probes, zone, what)
    if over := [credit for credit in objective.credits if credit.below > objective.target]:
        yield (
            f"{what}: gives a credit below {percent(over[0].below)}, also to who got what was promised; "
            "lower the bound, or raise the target"
        )


def _unproven(objective: Objective, probes: Sequence[ProbeSpec], what: str) -> Iterator[str]:
    seconds = _counted(objective)
    budget = (1 - objective.target) * seconds
    for probe in probes:
        interval = slice_interval(probe.interval) or DAY_SECONDS
        spent = interval / budget
        if spent <= _MOST_SPENT:
            continue
        better = [one for one in _INTERVALS if one / budget <= _MOST_SPENT and one < interval]
        advice = f"{better[0]}s would do" if better else "no interval would do; lower the target"
        share = int(spent * 100)
        often = f"{share} % of" if share <= 100 else "more than"
        proven = 1 - Fraction(_RULE_OF_THREE * interval) / seconds
        weak = ""
        if proven < objective.target:
            weak = (
                f". And {seconds // interval:,} probes without one failure prove no more than "
                f"{percent(Fraction(int(max(proven, Fraction(0)) * 100_000), 100_000))}, at 95 % confidence"
            )
        yield (
            f"{what}: one bad slice of probe {probe.name} ({interval} s) spends {often} the budget of a "
            f"{'month' if not objective.rolling else 'period'}; {advice}{weak}"
        )


def _counted(objective: Objective) -> Fraction:
    """Return the seconds of a period that count: a month is taken for 30 days."""
    served = week_minutes(objective.hours).bit_count() if objective.hours else WEEK_MINUTES
    return Fraction((objective.rolling or _MONTH_DAYS) * DAY_SECONDS * served, WEEK_MINUTES)


def _unheard(objective: Objective, probes: Sequence[ProbeSpec], zone: str, what: str) -> Iterator[str]:
    served = week_minutes(objective.hours) if objective.hours else (1 << WEEK_MINUTES) - 1
    for probe in probes:
        if not probe.quiet:
            continue
        quiet = _shifted(week_minutes(probe.quiet), _ahead(objective.zone) - _ahead(zone))
        lost = (quiet & served).bit_count()
        if lost:
            most = Fraction(served.bit_count() - lost, served.bit_count())
            yield (
                f"{what}: probe {probe.name} is quiet for {lost / 60:g} h a week of the hours of service: "
                f"coverage is {int(most * 100)} % at most"
                f"{', and every statement provisional' if most < LEAST_COVERAGE else ''}"
            )


def _ahead(zone: str) -> int:
    """Return the minutes by which a zone is ahead of UTC."""
    offset = _SAMPLE.astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) // MINUTE


def _shifted(minutes: int, by: int) -> int:
    """Return minutes of the week as a clock has them that is `by` minutes ahead."""
    by %= WEEK_MINUTES
    whole = minutes << by
    return (whole & ((1 << WEEK_MINUTES) - 1)) | (whole >> WEEK_MINUTES)
