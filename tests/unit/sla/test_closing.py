"""Closings as values: what is hashed, the chain, and what verifying finds where something was changed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from dialtone.model import (
    Closing,
    Correction,
    Credit,
    DaySlices,
    EvidenceKind,
    Flow,
    Maintenance,
    Measure,
    Objective,
    SeriesKey,
    Sli,
    SliceCause,
    Slices,
    SliceSeries,
    SliceState,
    WeekSpan,
    joined_days,
    plane_bytes,
)
from dialtone.sla.account import Pages
from dialtone.sla.closing import RefusedError, chain_problems, closed, hash_of, inputs_of
from dialtone.sla.encoding import plain, revived
from dialtone.sla.statement import Party
from dialtone.sla.terms import Terms, cut
from dialtone.sla.verifying import closed_accounts, verified

ACME = "acme.ntek.clusterpbx.example"
NTEK = "ntek.clusterpbx.example"
AT = datetime(2026, 12, 1, 6, tzinfo=UTC)
"""An hour after November is over in Montreal."""
SINCE = datetime(2026, 11, 29, 5, tzinfo=UTC)
WHOLE_DAY = (1 << 1440) - 1
FIRST = (SINCE.date() - date(1970, 1, 1)).days

OBJECTIVE = Objective(ACME, "telephony", (Flow.CALL,), Fraction(999, 1000), "America/Montreal")
TERMS = Terms(
    Party(ACME, "Acme"),
    Party(NTEK, "NTEK"),
    (NTEK, "clusterpbx.example"),
    "2026-11",
    "America/Montreal",
    "fr",
    (OBJECTIVE,),
)
KEY = SeriesKey(ACME, Flow.CALL, "calls", "mtl1", 60)
BAD = 0b111 << 600


def put_together(*days: DaySlices, interval: int = 60) -> Slices:
    return joined_days({one.day: plane_bytes(one.good, one.bad, interval) for one in days}, interval)


SERIES = SliceSeries(
    1,
    KEY,
    SINCE,
    None,
    put_together(
        DaySlices(FIRST, WHOLE_DAY, 0),
        DaySlices(FIRST + 1, WHOLE_DAY ^ BAD, BAD),
        DaySlices(FIRST + 2, WHOLE_DAY, 0),
    ),
)
CAUSE = SliceCause(KEY, (FIRST + 1) * 1440 + 600, "timeout: no answer", AT)
WORK = Maintenance(1, NTEK, SINCE, 3600, "bob", "cores", SINCE - timedelta(days=1))
FIX = Correction(
    1, ACME, SINCE, SINCE + timedelta(hours=1), SliceState.GOOD, "bob", "ours", AT - timedelta(days=1)
)
PAGES = Pages((SERIES,), (CAUSE,), (WORK,), (FIX,))


def a_closing(pages: Pages = PAGES, **changes: Any) -> Closing:
    made = closed(TERMS, pages, at=AT, author="alice", previous="")
    return replace(made, sequence=1, **changes)


def found(closing: Closing, pages: Pages = PAGES) -> tuple[str, ...]:
    links = chain_problems([closing]).get(1, ())
    return verified(closing, links, pages).problems


def with_series(**changes: Any) -> Pages:
    return replace(PAGES, series=(replace(SERIES, **changes),))


def test_a_month_verifies_as_it_was_closed() -> None:
    assert found(a_closing()) == ()


def test_the_same_pages_give_the_same_bytes_in_any_order_and_by_any_id() -> None:
    other = replace(SERIES, id=77, slices=put_together(*SERIES.days, DaySlices(FIRST + 40, 0, 0)))
    assert a_closing(replace(PAGES, series=(other,))).hash == a_closing().hash


def test_what_lies_beyond_the_month_in_the_same_utc_day_is_not_in_it() -> None:
    *days, last = SERIES.days
    until = (
        int((datetime(2026, 12, 1, 5, tzinfo=UTC) - datetime(2026, 12, 1, tzinfo=UTC)).total_seconds()) // 60
    )
    later = DaySlices(last.day, last.good ^ (0b11 << until), 0b11 << until)
    assert found(a_closing(), with_series(slices=put_together(*days, later))) == ()
    sooner = DaySlices(last.day, last.good ^ (1 << until - 1), 0)
    [problem] = found(a_closing(), with_series(slices=put_together(*days, sooner)))
    assert "the slices of 2026-12-01 differ" in problem


def test_a_bit_that_differs_is_told_with_its_series_and_day() -> None:
    first, second, third = SERIES.days
    second = replace(second, good=second.good | BAD, bad=0)
    changed = with_series(slices=put_together(first, second, third))
    [problem] = found(a_closing(), changed)
    assert problem.startswith("call calls at mtl1, availability every 60 s from 2026-11-29T05:00:00+00:00")
    assert problem.endswith("the slices of 2026-11-30 differ")


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        (replace(PAGES, series=()), "the series is not in the books any more"),
        (
            replace(PAGES, series=(SERIES, replace(SERIES, key=replace(KEY, probe="new")))),
            "the series is new",
        ),
        (with_series(until=datetime(2026, 11, 30, tzinfo=UTC)), "its end was changed"),
        (replace(PAGES, causes=()), "the causes of its failures differ"),
        (replace(PAGES, maintenance=()), "maintenance 1 is not in the books any more"),
        (replace(PAGES, maintenance=(replace(WORK, seconds=7200),)), "maintenance 1 was changed: seconds"),
        (replace(PAGES, corrections=()), "correction 1 is not in the books any more"),
        (
            replace(PAGES, corrections=(replace(FIX, state=SliceState.BAD),)),
            "correction 1 was changed: state",
        ),
        (
            replace(PAGES, maintenance=(WORK, replace(WORK, id=2))),
            "put in after the closing, with an earlier date",
        ),
    ],
)
def test_what_was_changed_in_the_books_is_told(pages: Pages, words: str) -> None:
    assert any(words in problem for problem in found(a_closing(), pages)), found(a_closing(), pages)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, figures=one.figures.replace('"bad":180', '"bad":120')),
        lambda one: replace(one, inputs=one.inputs.replace("telephony", "telephonz")),
        lambda one: replace(one, hash="0" * 64),
        lambda one: replace(one, previous="0" * 64),
        lambda one: replace(one, author="mallory"),
        lambda one: replace(one, period="2026-10"),
        lambda one: replace(one, tenant="bolt.ntek.clusterpbx.example"),
        lambda one: replace(one, closed=AT + timedelta(days=1)),
        lambda one: replace(one, spans=()),
        lambda one: replace(one, inputs="{"),
        lambda one: replace(one, inputs="[]"),
        lambda one: replace(one, inputs='{"version":1}'),
        lambda one: replace(one, inputs=one.inputs.replace("999/1000", "1/0")),
        lambda one: replace(one, inputs=one.inputs.replace("America/Montreal", "Nowhere/Land")),
    ],
)
def test_a_closing_that_was_changed_does_not_verify(change: Callable[[Closing], Closing]) -> None:
    one = a_closing()
    changed = change(one)
    assert changed != one
    assert found(changed)


def test_figures_and_hash_that_were_changed_together_do_not_verify() -> None:
    one = a_closing()
    figures = one.figures.replace('"bad":180', '"bad":120')
    forged = replace(one, figures=figures, hash=hash_of(one.previous, one.inputs, figures))
    [problem] = found(forged)
    assert "the same inputs give other figures now" in problem
    with pytest.raises(ValueError, match="the books don't give what was closed"):
        closed_accounts(forged, PAGES)


def test_the_chain_names_the_link_that_is_broken() -> None:
    first = a_closing()
    second = replace(closed(TERMS, PAGES, at=AT, author="b", previous=first.hash), sequence=2)
    third = replace(closed(TERMS, PAGES, at=AT, author="c", previous=second.hash), sequence=3)
    assert chain_problems([first, second, third]) == {}
    assert chain_problems([first, third]) == {3: ("closing 2 before it is missing",)}
    assert chain_problems([third]) == {3: ("closings 1 to 2 before it are missing",)}
    forged = replace(second, author="x", inputs=second.inputs.replace('"b"', '"x"'))
    assert list(chain_problems([first, forged, third])) == [2]
    rehashed = replace(forged, hash=hash_of(first.hash, forged.inputs, forged.figures))
    assert chain_problems([first, rehashed, third]) == {3: ("it does not follow from closing 2",)}
    assert list(chain_problems([replace(first, previous="f" * 64)])) == [1]


def test_a_probe_of_a_long_interval_keeps_a_month_open_until_it_is_settled() -> None:
    slow = replace(SERIES, key=replace(KEY, interval=7200), slices=Slices(FIRST, (1 << 12) - 1, 0))
    with pytest.raises(RefusedError, match="not settled yet"):
        closed(TERMS, replace(PAGES, series=(slow,)), at=AT, author="alice", previous="")


def test_maintenance_of_others_is_not_laid_over() -> None:
    others = replace(WORK, id=2, tenant="zeta.clusterpbx.example"), replace(WORK, id=3, tenant=NTEK)
    assert [one.id for one in cut(TERMS, replace(PAGES, maintenance=others)).maintenance] == [3]


def test_terms_come_back_as_they_were() -> None:
    objective = replace(
        OBJECTIVE,
        measure=Measure(Sli.LATENCY, "srd", 0.5),
        passive=Measure(Sli.PASSIVE, "", 0.9, None),
        evidence=EvidenceKind.EITHER,
        hours=(WeekSpan(frozenset({0, 4}), 480, 1080),),
        credits=(Credit(Fraction(999, 1000), Fraction(1, 10)),),
        starts=date(2026, 11, 2),
    )
    terms = replace(TERMS, objectives=(objective,))
    assert revived(Terms, json.loads(json.dumps(plain(terms)))) == terms
    for one in (WORK, FIX):
        assert revived(type(one), json.loads(json.dumps(plain(one)))) == one
    assert inputs_of(a_closing()).terms == TERMS


@pytest.mark.parametrize("raw", [None, [], {}, {"tenant": 5}, {**plain(TERMS), "objectives": "x"}])
def test_what_is_no_terms_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        revived(Terms, raw)


def test_titles_are_terms_that_a_closing_keeps() -> None:
    titled = replace(OBJECTIVE, titles={"en": "Telephony", "fr": "Téléphonie"})

    assert revived(Objective, json.loads(json.dumps(plain(titled)))) == titled
    assert revived(Objective, {k: v for k, v in plain(OBJECTIVE).items() if k != "titles"}) == OBJECTIVE
    assert hash(titled) == hash(OBJECTIVE)
    with pytest.raises(ValueError, match="can't be read"):
        revived(Objective, {**plain(titled), "titles": ["en"]})
