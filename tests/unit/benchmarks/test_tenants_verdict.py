"""A run over very many tenants is red when a probe is skipped, late, or does not pass."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.tenants.lateness import spread
from benchmarks.tenants.usage import Look
from benchmarks.tenants.verdict import Span, Verdict, as_text, judge, quantile, usage
from dialtone.model import Engine, Failure, FailureCode, Flow, Origin, Outcome, ProbeResult

TENANTS = tuple(f"t{number}.example" for number in range(500))
WANTED = spread(TENANTS, ("register", "call"), 60.0)
SPAN = Span(1000, 1002)


def results(change: Callable[[ProbeResult], ProbeResult | None] = lambda one: one) -> list[ProbeResult]:
    """Return the results of a slot before those that are judged, and of those."""
    plan = replace(WANTED, begin=17.0)
    made = [
        ProbeResult(
            id=f"{tenant}/{probe}/{slot}",
            probe=probe,
            flow=Flow(probe),
            engine=Engine.SIPPY,
            tenant=tenant,
            target="sip:127.0.0.1",
            location="lab",
            account=f"101@{tenant}",
            origin=Origin.SCHEDULE,
            slot=slot,
            attempt=1,
            started=datetime.fromtimestamp(plan.due((tenant, probe), slot) + 0.01, UTC),
            duration=0.1,
            outcome=Outcome.PASS,
        )
        for slot in range(999, 1002)
        for tenant, probe in plan.phases
    ]
    return [changed for one in made if (changed := change(one)) is not None]


def one_of_them(
    change: Callable[[ProbeResult], ProbeResult | None], *, slot: int = 1001
) -> Callable[[ProbeResult], ProbeResult | None]:
    return lambda one: change(one) if one.id == f"t7.example/call/{slot}" else one


def failed(one: ProbeResult) -> ProbeResult:
    return replace(one, outcome=Outcome.FAIL, failure=Failure(FailureCode.TIMEOUT))


def verdict(change: Callable[[ProbeResult], ProbeResult | None] = lambda one: one) -> Verdict:
    return judge(results(change), WANTED, SPAN)


def test_all_in_time_is_right() -> None:
    found = verdict()
    assert found.right
    assert [(row.probe, row.due, row.placed, row.passed) for row in found.rows] == [
        ("register", 1000, 1000, 1000),
        ("call", 1000, 1000, 1000),
    ]
    assert found.latest <= 0.01 + found.step + 1e-6


def test_one_that_is_missing_is_red() -> None:
    found = verdict(one_of_them(lambda one: None))
    assert found.missing == 1
    assert not found.right


def test_one_that_is_late_is_red() -> None:
    found = verdict(one_of_them(lambda one: replace(one, started=one.started + timedelta(seconds=1.0))))
    assert found.latest > 1.0
    assert not found.right


def test_one_in_a_thousand_may_fail_and_three_may_not() -> None:
    assert verdict(one_of_them(failed)).right
    many = verdict(lambda one: failed(one) if one.tenant in TENANTS[:3] and one.probe == "call" else one)
    assert not many.right
    assert many.failures == {"call: timeout": 6}


def test_what_happens_before_the_first_slot_is_not_judged() -> None:
    assert verdict(one_of_them(lambda one: None, slot=999)).right
    assert verdict(lambda one: failed(one) if one.slot == 999 else one).right


def test_a_confirmation_is_no_start_that_was_due() -> None:
    confirmed = [
        replace(one, id=f"{one.id}/2", attempt=2, started=one.started + timedelta(seconds=3))
        for one in results()
    ]
    assert judge(results() + confirmed, WANTED, SPAN).right


def test_without_results_in_the_span_it_is_red() -> None:
    found = judge(results(lambda one: one if one.slot == 999 else None), WANTED, SPAN)
    assert found.missing == 2000
    assert not found.right


def test_cores_are_seconds_of_cpu_by_seconds_and_others_are_what_remains() -> None:
    looks = [
        Look(100.0, {"service": 5.0, "workers": 10.0}, {"kamailio": 1.0}, 1000.0, 10 << 20),
        Look(110.0, {"service": 6.0, "workers": 11.0}, {"kamailio": 1.5}, 1015.0, 30 << 20),
    ]
    used = usage(looks)
    assert used.dialtone == pytest.approx({"service": 0.1, "workers": 0.1})
    assert used.platform == pytest.approx({"kamailio": 0.05})
    assert used.others == pytest.approx(1.25)
    assert used.memory == 30


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100)])
def test_a_quantile_is_the_value_that_the_share_does_not_pass(share: float, value: float) -> None:
    assert quantile([float(one) for one in range(1, 101)], share) == value


def test_the_report_says_red_where_it_is() -> None:
    look = Look(0.0, {"service": 0.0}, {"kamailio": 0.0}, 0.0, 0)
    used = usage([look, replace(look, at=1.0)])
    assert "RED" not in as_text(verdict(), used, [])
    assert "RED none skipped: 1" in as_text(verdict(one_of_them(lambda one: None)), used, [])
