"""Incidents: when they begin and end, what was bad and why, and when it was known."""

from datetime import datetime, timedelta

from dialtone.model import AVAILABILITY, Flow, Measure, SeriesKey, Sli, SliceCause, SliceSeries, SliceState
from dialtone.sla.account import Pages, account
from dialtone.sla.calendar import Span, month, unix
from dialtone.sla.figures import Incident
from dialtone.sla.pool import pooled
from tests.unit.sla.books import a_correction, a_series, an_objective, work
from tests.unit.sla.histories import TENANT

SPAN = month("2026-10", "America/Montreal")
MINUTE = timedelta(minutes=1)
ALL = (Flow.CALL, Flow.REGISTER)


def cause(
    minute: int,
    text: str,
    *,
    flow: Flow = Flow.CALL,
    location: str = "mtl1",
    after: int = 12,
    measure: Measure = AVAILABILITY,
) -> SliceCause:
    start = SPAN.start + minute * MINUTE
    probe = "calls" if flow is Flow.CALL else "registers"
    key = SeriesKey(TENANT, flow, probe, location, 60, measure)
    return SliceCause(key, unix(start) // 60, text, start + timedelta(seconds=after))


def found(
    *series: SliceSeries, causes: tuple[SliceCause, ...] = (), now: datetime | None = None, **more: object
) -> tuple[Incident, ...]:
    pages = Pages(series, causes, **more)  # type: ignore[arg-type]
    return account(
        an_objective(flows=ALL[: len({one.key.flow for one in series})]),
        pages,
        SPAN,
        now or SPAN.end + 2 * MINUTE,
    ).incidents


def test_an_incident_goes_over_what_is_unknown_and_excluded_until_a_good_slice() -> None:
    series = a_series(SPAN, bad=[100, 101, 105, 130, 200], missing=range(102, 105))
    first, second = found(series, maintenance=(work(SPAN.start + 106 * MINUTE, 24),))
    assert (first.start, first.end) == (SPAN.start + 100 * MINUTE, SPAN.start + 131 * MINUTE)
    assert first.bad == 4 * 60
    assert (second.start, second.bad) == (SPAN.start + 200 * MINUTE, 60)


def test_an_incident_has_the_causes_of_its_flows_in_order_each_once() -> None:
    calls = a_series(SPAN, bad=range(100, 110))
    registers = a_series(SPAN, bad=range(105, 112), flow=Flow.REGISTER, probe="registers")
    causes = (
        cause(100, "timeout: no answer"),
        cause(103, "sip-5xx: 503"),
        cause(105, "timeout: no answer", flow=Flow.REGISTER),
        cause(300, "auth: refused"),
        SliceCause(
            SeriesKey("charlie.zeta.clusterpbx.example", Flow.CALL, "calls", "mtl1", 60),
            unix(SPAN.start) // 60 + 101,
            "not his",
            SPAN.start,
        ),
    )
    (one,) = found(calls, registers, causes=causes)
    assert one.flows == ALL
    assert one.causes == ("timeout: no answer", "sip-5xx: 503")
    assert one.known == SPAN.start + 100 * MINUTE + timedelta(seconds=12)
    assert one.to_detect == 12
    assert one.to_recover == 12 * 60
    assert one.bad == 12 * 60


def test_an_incident_goes_on_while_nothing_good_has_come() -> None:
    now = SPAN.start + 120 * MINUTE
    series = a_series(Span(SPAN.start, now), bad=range(100, 110), missing=range(110, 120))
    (one,) = found(series, now=now)
    assert one.end is None
    assert one.to_recover is None


def test_two_locations_of_three_are_known_with_the_second() -> None:
    places = [a_series(SPAN, bad=range(10, 20), location=place) for place in ("a", "b")]
    causes = (cause(10, "timeout", location="a", after=9), cause(10, "timeout", location="b", after=31))
    (one,) = found(*places, a_series(SPAN, location="c"), causes=causes)
    assert one.to_detect == 31
    assert found(places[0], a_series(SPAN, location="c"), causes=causes) == ()


def test_an_incident_that_a_correction_made_has_no_cause_and_was_never_detected() -> None:
    put = a_correction(SPAN.start + 5 * MINUTE, 3, SliceState.BAD)
    (one,) = found(a_series(SPAN), corrections=(put,))
    assert (one.bad, one.causes, one.known) == (180, (), None)


def test_one_that_began_before_the_month_begins_with_it_and_keeps_its_cause() -> None:
    before = Span(SPAN.start - timedelta(hours=1), SPAN.end)
    (one,) = found(a_series(before, bad=range(50, 70)), causes=(cause(-10, "timeout"),))
    assert one.start == SPAN.start
    assert one.causes == ("timeout",)
    assert one.known is None


def test_a_cause_of_a_slice_that_turned_out_good_is_not_told() -> None:
    (one,) = found(a_series(SPAN, bad=[20]), causes=(cause(10, "timeout"), cause(20, "auth")))
    assert one.causes == ("auth",)


def test_an_incident_of_availability_is_never_explained_by_a_cause_of_latency() -> None:
    slow = Measure(Sli.LATENCY, "srd", 0.5)
    probed, timed = a_series(SPAN, bad=range(20, 24)), a_series(SPAN, bad=range(20, 30), measure=slow)
    causes = (cause(20, "srd over 0.5 s", measure=slow, after=5), cause(21, "timeout", after=40))
    (down,) = found(probed, timed, causes=causes)
    assert (down.causes, down.known) == (("timeout",), None)
    pages = Pages((probed, timed), causes)
    (late,) = account(an_objective(measure=slow), pages, SPAN, SPAN.end + 2 * MINUTE).incidents
    assert (late.causes, late.to_detect) == (("srd over 0.5 s",), 5)


def test_accounts_add_up() -> None:
    now = SPAN.end + 2 * MINUTE
    kept = account(an_objective(), Pages((a_series(SPAN, bad=range(10)),)), SPAN, now)
    missed = account(an_objective(service="second"), Pages((a_series(SPAN, bad=range(90)),)), SPAN, now)
    nothing = account(an_objective(service="third"), Pages(), SPAN, now)
    pool = pooled([kept, missed, nothing])
    assert (pool.met, pool.missed, pool.unmeasured, pool.accounts) == (1, 1, 1, 3)
    assert pool.corrected == kept.corrected + missed.corrected
    assert pool.worst is missed
    assert pooled([]).worst is None
