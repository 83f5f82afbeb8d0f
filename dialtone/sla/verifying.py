"""Verifying a closed month: whether the books still give what was closed, and what was put down since."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace

from dialtone.model import Closing, Correction, Maintenance
from dialtone.sla.account import Pages
from dialtone.sla.closing import BrokenClosingError, Inputs, inputs_of, pages_then
from dialtone.sla.encoding import plain
from dialtone.sla.figures import Account, Figures
from dialtone.sla.terms import Terms, cut

_WITHDRAWAL = frozenset({"withdrawn", "withdrawn_by"})


@dataclass(frozen=True, slots=True)
class Change:
    """What was put down after the closing makes of a service: its corrected figures as closed, and as now.

    `was_met` and `now_met` are the verdicts, None where nothing was measured that counts.
    """

    service: str
    was: Figures
    now: Figures
    was_met: bool | None
    now_met: bool | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of a closing.

    `problems` are why it does not verify, () where it does. `later` are corrections that were put down or
    withdrawn since, in words; `changes` what they would make of the figures: the closing stands.
    """

    closing: Closing
    problems: tuple[str, ...]
    later: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether the books give what was closed, to the byte."""
        return not self.problems


def verified(closing: Closing, links: Iterable[str], pages: Pages) -> Verified:
    """Compare a closing with the tenant's pages as they are now.

    `links` are the problems of its place in the chain, which others found (closing.chain_problems).
    """
    problems = list(links)
    try:
        inputs = inputs_of(closing)
        problems += _columns(closing, inputs)
        then = pages_then(inputs, pages)
        of_month = cut(inputs.terms, pages)
        by = inputs.version
        before = by.accounts(inputs.terms, then, closing.closed)
        after = by.accounts(inputs.terms, of_month, closing.closed)
    except (ValueError, OverflowError) as error:
        return Verified(closing, (*problems, f"it can't be computed again: {error}"))
    problems += _differing_series(inputs.series, by.digests(then))
    problems += _lost("maintenance", inputs.maintenance, pages.maintenance)
    problems += _lost("correction", inputs.corrections, pages.corrections)
    if by.figures(before) != closing.figures and not problems:
        problems.append(
            "the same inputs give other figures now; was it closed by another version of dialtone?"
        )
    problems += _backdated(inputs, of_month)
    later = tuple(_later(inputs.corrections, of_month.corrections))
    return Verified(closing, tuple(problems), later, tuple(_changes(before, after)))


def terms_of(closing: Closing) -> Terms:
    """Return whose month a closing is, and what was promised. Raises BrokenClosingError."""
    try:
        return inputs_of(closing).terms
    except ValueError as error:
        raise _broken(closing, f"what was closed can't be read: {error}") from error


def closed_accounts(closing: Closing, pages: Pages) -> tuple[Account, ...]:
    """Return the accounts of a closed month, as they were closed.

    Raises BrokenClosingError where the books don't give them any more.
    """
    try:
        inputs = inputs_of(closing)
        accounts = inputs.version.accounts(inputs.terms, pages_then(inputs, pages), closing.closed)
    except (ValueError, OverflowError) as error:
        raise _broken(closing, f"what was closed can't be computed again: {error}") from error
    if inputs.version.figures(accounts) != closing.figures:
        raise _broken(closing, "the books don't give what was closed")
    return accounts


def _broken(closing: Closing, why: str) -> BrokenClosingError:
    return BrokenClosingError(
        f"{closing.tenant} {closing.period}: {why}; run `dialtone sla verify`, which says what differs",
        tenant=closing.tenant,
        period=closing.period,
    )


def _columns(closing: Closing, inputs: Inputs) -> Iterator[str]:
    """Yield where what stands beside the inputs is not what stands in them."""
    written = json.loads(closing.inputs)
    beside: Mapping[str, tuple[object, object]] = {
        "tenant": (closing.tenant, inputs.terms.tenant.domain),
        "period": (closing.period, inputs.terms.period),
        "author": (closing.author, written.get("author")),
        "time": (plain(closing.closed), written.get("closed")),
        "span": (closing.spans, ((inputs.terms.whole.start, inputs.terms.whole.end),)),
    }
    for name, (found, meant) in beside.items():
        if found != meant:
            yield f"its {name} was changed beside its inputs"


def _differing_series(
    then: Iterable[Mapping[str, object]], now: Iterable[Mapping[str, object]]
) -> Iterator[str]:
    """Yield which days of which series are not what they were."""
    before, after = _by_series(then), _by_series(now)
    for name, known in before.items():
        found = after.get(name)
        if found is None:
            yield f"{name}: the series is not in the books any more"
            continue
        days, others = known.get("days"), found.get("days")
        if not isinstance(days, dict) or not isinstance(others, dict):
            yield f"{name}: its days can't be read"
            continue
        yield from (
            f"{name}: the slices of {day} differ"
            for day in sorted({*days, *others})
            if days.get(day) != others.get(day)
        )
        if known.get("until") != found.get("until"):
            yield f"{name}: its end was changed"
        if known.get("causes") != found.get("causes"):
            yield f"{name}: the causes of its failures differ"
    yield from (
        f"{name}: the series is new in a month that was closed" for name in after if name not in before
    )


def _by_series(rows: Iterable[Mapping[str, object]]) -> dict[str, Mapping[str, object]]:
    return {_named(row): row for row in rows}


def _named(row: Mapping[str, object]) -> str:
    key = row.get("series")
    if not isinstance(key, dict):
        return "a series without a name"
    measure = key.get("measure")
    kind = measure.get("sli") if isinstance(measure, dict) else ""
    what = " ".join(str(key.get(part)) for part in ("flow", "probe") if key.get(part))
    place = f" at {key['location']}" if key.get("location") else ""
    # A threshold is part of who it is: two objectives may judge the same timing by two of them.
    rule = "" if kind == "availability" or not isinstance(measure, dict) else _rule(measure)
    return f"{what}{place}, {kind}{rule} every {key.get('interval')} s from {row.get('since')}"


def _rule(measure: Mapping[str, object]) -> str:
    words = [
        str(measure[name]) for name in ("timing", "threshold", "other") if measure.get(name) not in (None, "")
    ]
    return f" ({' '.join(words)})"


def _lost(
    what: str, then: Iterable[Maintenance | Correction], now: Iterable[Maintenance | Correction]
) -> Iterator[str]:
    """Yield the entries that are not in the books as they were; those withdrawn since still are."""
    found = {one.id: one for one in now}
    for one in then:
        other = found.get(one.id)
        if other is None:
            yield f"{what} {one.id} is not in the books any more"
        elif names := _differing(one, other):
            yield f"{what} {one.id} was changed: {', '.join(names)}"


def _differing(one: Maintenance | Correction, other: Maintenance | Correction) -> list[str]:
    names = [field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)]
    return [name for name in names if one.withdrawn is not None or name not in _WITHDRAWAL]


def _backdated(inputs: Inputs, of_month: Pages) -> Iterator[str]:
    """Yield maintenance that was not known at the closing, and claims to have been declared for the month."""
    known, end = {one.id for one in inputs.maintenance}, inputs.terms.whole.end
    for one in of_month.maintenance:
        if one.id not in known and one.declared < end:
            yield f"maintenance {one.id} was put in after the closing, with an earlier date"


def _later(then: Iterable[Correction], now: Iterable[Correction]) -> Iterator[str]:
    known = {one.id: one for one in then}
    for one in now:
        before = known.get(one.id)
        if before is None and one.withdrawn is None:
            yield f"correction {one.id} of {one.declared:%Y-%m-%d} by {one.author}: {one.reason}"
        elif before is not None and before.withdrawn is None and one.withdrawn is not None:
            yield f"correction {one.id} withdrawn {one.withdrawn:%Y-%m-%d} by {one.withdrawn_by}"


def _changes(before: Iterable[Account], after: Iterable[Account]) -> Iterator[Change]:
    for was, now in zip(before, after, strict=True):
        if replace(was, objective=now.objective) != now:
            yield Change(
                was.objective.service,
                was.corrected,
                now.corrected,
                was.is_met,
                now.is_met,
            )
