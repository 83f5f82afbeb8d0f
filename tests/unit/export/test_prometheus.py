"""The exposition: identical to prometheus_client's, honest about age, bounded."""

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dialtone.export.metrics import METRICS, count_metric
from dialtone.export.prometheus import Exposition
from dialtone.model import (
    COUNTS,
    Catalog,
    CatalogError,
    CollectFailure,
    FailureCode,
    Flow,
    Found,
    Kind,
    MediaStream,
    MetricDef,
    MetricScope,
    NodeState,
    Origin,
    Reading,
    Sample,
    Scope,
    Spread,
)
from dialtone.store import MemoryStore
from tests.fakes.clock import FakeClock
from tests.fakes.records import a_stream
from tests.fakes.results import ACME, BOLT, NOON, a_node, a_run, a_state

RESELLER = "ntek.clusterpbx.example"
CERTIFICATE = "dialtone_probe_certificate_expires_timestamp_seconds"
REQUESTS = MetricDef("opensips_core_requests_total", Kind.COUNTER, "Requests received", ("node", "method"))
CALLS = MetricDef(
    "opensips_tenant_calls",
    Kind.GAUGE,
    "Calls that are up",
    ("node", "tenant", "reseller"),
    MetricScope.TENANT,
)
ODD = MetricDef(
    "odd_ratio", Kind.GAUGE, 'A \\ help with "quotes" and a\nsecond line', ("zebra", "ant"), unit="ratio"
)
SCORES = MetricDef(
    "asterisk_tenant_rtp_mos",
    Kind.HISTOGRAM,
    "Scores, in 100 %",
    ("node", "tenant", "reseller", "direction"),
    MetricScope.TENANT,
    buckets=(3.6, 4.03),
)
ZEBRAS = MetricDef("zebra_seconds", Kind.HISTOGRAM, "Zebras", ("zebra", "ant"), unit="seconds", buckets=(1,))
CATALOG = Catalog(METRICS, (REQUESTS, CALLS, ODD, SCORES, ZEBRAS))

RRD = (0,) * (len(CATALOG["dialtone_probe_rrd_seconds"].buckets) + 1)

Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def exposition_of(
    clock: FakeClock, *, max_series: int = 100_000, tenants: tuple[str, ...] = ()
) -> Exposition:
    return Exposition(CATALOG, lambda _: RESELLER, clock, max_series, tenants)


@pytest.fixture
def exposition(clock: FakeClock) -> Exposition:
    return exposition_of(clock)


def page(exposition: Exposition) -> str:
    """Render, and check on the way that prometheus_client would have written the same."""
    registry = CollectorRegistry()
    registry.register(exposition)
    rendered = exposition.render()
    assert rendered == generate_latest(registry)
    return rendered.decode()


def series(exposition: Exposition) -> Series:
    """Return what a Prometheus would read from the page."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(page(exposition)):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(exposition: Exposition, name: str, **labels: str) -> float | None:
    """Return the value of the one series with that name and these among its labels."""
    fits = [
        value
        for (found, pairs), value in series(exposition).items()
        if found == name and pairs >= frozenset(labels.items())
    ]
    assert len(fits) <= 1
    return fits[0] if fits else None


def calls(tenant: str, value: float, *, node: str = "sip1", at: datetime = NOON) -> Sample:
    return CALLS.sample(node, tenant, RESELLER, value=value, at=at)


def scores(
    tenant: str, *counts: int, total: float = 0.0, node: str = "sip1", direction: str = "sent"
) -> Spread:
    return SCORES.spread(node, tenant, RESELLER, direction, counts=counts, total=total, at=NOON)


def test_a_page_says_help_type_and_series(exposition: Exposition) -> None:
    exposition.put("a", [REQUESTS.sample("sip1", "INVITE", value=1234567, at=NOON)])
    exposition.put("b", [ODD.sample('a"b\\c', "d\ne", value=0.5, at=NOON)])
    assert page(exposition) == (
        "# HELP dialtone_series_folded Series of tenants past the series cap that are shown in sum as"
        " tenant _other\n"
        "# TYPE dialtone_series_folded gauge\n"
        "dialtone_series_folded 0.0\n"
        '# HELP odd_ratio A \\\\ help with "quotes" and a\\nsecond line\n'
        "# TYPE odd_ratio gauge\n"
        'odd_ratio{ant="d\\ne",zebra="a\\"b\\\\c"} 0.5\n'
        "# HELP opensips_core_requests_total Requests received\n"
        "# TYPE opensips_core_requests_total counter\n"
        'opensips_core_requests_total{method="INVITE",node="sip1"} 1.234567e+06\n'
    )


def test_a_histogram_of_a_reading_is_shown_with_cumulative_buckets_count_and_sum(
    exposition: Exposition,
) -> None:
    exposition.put("a", [], [scores('a"%s\\', 3, 0, 4, total=30.5)])
    assert page(exposition).startswith(
        "# HELP asterisk_tenant_rtp_mos Scores, in 100 %\n"
        "# TYPE asterisk_tenant_rtp_mos histogram\n"
        + "".join(
            f"asterisk_tenant_rtp_mos{part}\n"
            for part in (
                f'_bucket{{direction="sent",le="3.6",node="sip1",{WHOSE}}} 3.0',
                f'_bucket{{direction="sent",le="4.03",node="sip1",{WHOSE}}} 3.0',
                f'_bucket{{direction="sent",le="+Inf",node="sip1",{WHOSE}}} 7.0',
                f'_count{{direction="sent",node="sip1",{WHOSE}}} 7.0',
                f'_sum{{direction="sent",node="sip1",{WHOSE}}} 30.5',
            )
        )
    )


WHOSE = f'reseller="{RESELLER}",tenant="a\\"%s\\\\"'
TEXT = st.text(max_size=8) | st.text('\\"\n{}=,ü\ud800', max_size=8)
NUMBER = st.floats() | st.integers(-(2**70), 2**70)
COUNTS_AND_SUM = st.tuples(st.integers(0, 2**70), st.integers(0, 9), st.floats())


@settings(deadline=None)
@given(
    st.dictionaries(st.tuples(TEXT, TEXT), NUMBER, max_size=8),
    st.dictionaries(st.tuples(TEXT, TEXT), COUNTS_AND_SUM, max_size=8),
    st.lists(st.tuples(TEXT, st.floats(0, 1e6)), max_size=8),
    st.integers(0, 60),
)
async def test_the_page_is_the_same_byte_for_byte_as_prometheus_clients(
    samples: dict[tuple[str, str], float],
    spreads: dict[tuple[str, str], tuple[int, int, float]],
    probes: list[tuple[str, float]],
    cap: int,
) -> None:
    clock = FakeClock()
    exposition = exposition_of(clock, max_series=cap)
    utf8 = {tuple(t.encode("utf-8", "replace").decode() for t in k): v for k, v in samples.items()}
    grown = {tuple(t.encode("utf-8", "replace").decode() for t in k): v for k, v in spreads.items()}
    exposition.put(
        "odd",
        [ODD.sample(*labels, value=number, at=NOON) for labels, number in utf8.items()],
        [ZEBRAS.spread(*pair, counts=(a, b), total=c, at=NOON) for pair, (a, b, c) in grown.items()],
    )
    exposition.put(
        "scores", [], [scores(f"{x}/{y}", a, b, 0, total=c) for (x, y), (a, b, c) in grown.items()]
    )
    exposition.put("calls", [calls(f"{a}/{b}", number) for (a, b), number in utf8.items()])
    for number, (location, seconds) in enumerate(probes):
        await exposition.probe_ended(
            a_run(f"t{number % 3}", location=location, timings={"srd": seconds, "sdt": seconds})
        )
    await exposition.node_polled(a_state())
    page(exposition)


def test_special_values_are_written_as_prometheus_reads_them(exposition: Exposition) -> None:
    for name, number in {"nan": math.nan, "plus": math.inf, "minus": -math.inf}.items():
        exposition.put(name, [ODD.sample(name, "", value=number, at=NOON)])
    text = page(exposition)
    for line in ('zebra="nan"} NaN', 'zebra="plus"} +Inf', 'zebra="minus"} -Inf'):
        assert line in text


def test_undecodable_bytes_of_a_server_do_not_spoil_the_page(exposition: Exposition) -> None:
    exposition.put("a", [ODD.sample(b"\xff".decode("utf-8", "surrogateescape"), "", value=1, at=NOON)])
    assert 'zebra="?"' in page(exposition)


def test_put_replaces_all_of_a_sources_samples_and_nobody_elses(exposition: Exposition) -> None:
    exposition.put("a", [calls(ACME, 1), calls(BOLT, 2)])
    exposition.put("b", [calls(ACME, 7, node="sip2")])
    exposition.put("a", [calls(BOLT, 3)])
    assert value(exposition, CALLS.name, tenant=BOLT) == 3
    assert value(exposition, CALLS.name, tenant=ACME) == 7
    exposition.withdraw("b")
    exposition.withdraw("never there")
    assert value(exposition, CALLS.name, tenant=ACME) is None


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (Sample("opensips_unheard_of", (), 1, NOON), "no metric is called"),
        (Sample(CALLS.name, ("sip1",), 1, NOON), "got 1 values"),
        (Sample(CALLS.name, ("sip1", ACME, 5), 1, NOON), "texts, not int"),  # type: ignore[arg-type]
        (Sample("dialtone_probe_srd_seconds", ("a",) * 5, 1, NOON), "made by the exposition itself"),
        (Sample("dialtone_up", ("sip1", "opensips"), 1, NOON), "made by the exposition itself"),
        (calls(BOLT, 2), "twice"),
        (calls(BOLT, 2, node="sip2"), "as other does"),
    ],
)
def test_a_sample_that_breaks_the_catalogue_is_refused_and_changes_nothing(
    exposition: Exposition, sample: Sample, why: str
) -> None:
    exposition.put("other", [calls(BOLT, 5, node="sip2")])
    exposition.put("a", [calls(ACME, 1)])
    before = exposition.render()
    with pytest.raises(CatalogError, match=why):
        exposition.put("a", [calls(BOLT, 2), calls(ACME, 9), sample])
    assert exposition.render() == before


@pytest.mark.parametrize(
    ("spread", "why"),
    [
        (Spread("asterisk_unheard_of", (), (1, 2), 1, NOON), "no metric is called"),
        (Spread(SCORES.name, ("sip1",), (1, 2, 3), 1, NOON), "got 1 values"),
        (Spread(SCORES.name, ("sip1", ACME, "", 5), (1, 2, 3), 1, NOON), "texts, not int"),  # type: ignore[arg-type]
        (Spread(SCORES.name, ("sip1", ACME, "", "sent"), (1, 2), 1, NOON), "2 counts, not 3"),
        (Spread(CALLS.name, ("sip1", BOLT, RESELLER), (1,), 1, NOON), "buckets of .* which is a gauge"),
        (Spread("dialtone_probe_srd_seconds", ("a",) * 5, (0,) * 20, 1, NOON), "20 counts"),
        (Spread("dialtone_probe_rrd_seconds", ("a",) * 5, RRD, 1, NOON), "made by the exposition itself"),
        (scores(BOLT, 1, 2, 3), "twice"),
        (scores(BOLT, 1, 2, 3, node="sip2"), "as other does"),
    ],
)
def test_a_histogram_that_breaks_the_catalogue_is_refused_and_neither_samples_nor_histograms_change(
    exposition: Exposition, spread: Spread, why: str
) -> None:
    exposition.put("other", [], [scores(BOLT, 9, 9, 9, node="sip2")])
    exposition.put("a", [calls(ACME, 1)], [scores(ACME, 1, 1, 1)])
    before = exposition.render()
    with pytest.raises(CatalogError, match=why):
        exposition.put("a", [calls(ACME, 9)], [scores(ACME, 7, 7, 7), scores(BOLT, 1, 2, 3), spread])
    assert exposition.render() == before


def test_a_histogram_with_other_buckets_is_refused_on_a_later_poll_as_well(exposition: Exposition) -> None:
    exposition.put("a", [calls(ACME, 1)], [scores(ACME, 1, 1, 1), scores(BOLT, 1, 1, 1)])
    before = exposition.render()
    with pytest.raises(CatalogError, match="4 counts, not 3"):
        exposition.put(
            "a", [calls(ACME, 2)], [scores(ACME, 2, 2, 2), scores(BOLT, 1, 1, 1)._replace(counts=(1,) * 4)]
        )
    assert exposition.render() == before


def test_a_broken_sample_keeps_the_histograms_of_before_and_the_other_way_round(
    exposition: Exposition,
) -> None:
    single = Sample(SCORES.name, ("sip1", ACME, RESELLER, "sent"), 1, NOON)
    exposition.put("a", [calls(ACME, 1)], [scores(ACME, 1, 1, 1)])
    before = exposition.render()
    for samples in ([calls(ACME, 2), single], [single], [Sample("opensips_unheard_of", (), 1, NOON)]):
        for spreads in ([scores(ACME, 2, 2, 2)], []):
            with pytest.raises(CatalogError):
                exposition.put("a", samples, spreads)
            assert exposition.render() == before


def test_put_replaces_all_of_a_sources_histograms_and_nobody_elses(exposition: Exposition) -> None:
    count = f"{SCORES.name}_count"
    exposition.put("a", [calls(ACME, 1)], [scores(ACME, 1, 0, 0), scores(BOLT, 2, 0, 0)])
    exposition.put("b", [], [scores(ACME, 4, 0, 0, node="sip2")])
    exposition.put("a", [calls(ACME, 2)], [scores(BOLT, 2, 1, 0)])
    assert value(exposition, count, tenant=BOLT) == 3
    assert value(exposition, count, tenant=ACME) == 4
    assert value(exposition, CALLS.name, tenant=ACME) == 2
    exposition.put("a", [calls(ACME, 3)])
    assert value(exposition, count, tenant=BOLT) is None
    exposition.put("a", [], [scores(BOLT, 5, 0, 0)])
    assert value(exposition, CALLS.name) is None
    exposition.withdraw("a")
    assert value(exposition, count, tenant=BOLT) is None
    assert value(exposition, count) == 4


def test_the_same_histograms_in_another_order_are_not_mixed_up(exposition: Exposition) -> None:
    given = [scores(ACME, 1, 0, 0, total=1), scores(BOLT, 2, 0, 0, total=2)]
    exposition.put("a", [], given)
    exposition.put("a", [], given[::-1])
    assert value(exposition, f"{SCORES.name}_sum", tenant=ACME) == 1
    assert value(exposition, f"{SCORES.name}_sum", tenant=BOLT) == 2


async def test_a_page_that_is_written_later_is_of_the_moment_when_it_was_asked_for(
    exposition: Exposition,
) -> None:
    exposition.put("a", [], [scores(ACME, 1, 0, 0)])
    await exposition.probe_ended(a_run(timings={"srd": 0.1}))
    early = exposition.page()
    exposition.put("a", [], [scores(ACME, 1, 0, 5)])
    await exposition.probe_ended(a_run(timings={"srd": 0.1}))
    written = b"".join(early).decode()
    assert (
        f'{SCORES.name}_count{{direction="sent",node="sip1",reseller="{RESELLER}",tenant="{ACME}"}} 1.0'
        in written
    )
    assert re.search(r"^dialtone_probe_srd_seconds_count\{.*\} 1\.0$", written, re.MULTILINE)
    assert value(exposition, f"{SCORES.name}_count") == 6
    assert value(exposition, "dialtone_probe_srd_seconds_count") == 2


def test_a_sum_that_changed_alone_is_shown(exposition: Exposition) -> None:
    for total in (3.0, 4.0):
        exposition.put("a", [], [scores(ACME, 1, 0, 0, total=total)])
        assert value(exposition, f"{SCORES.name}_sum") == total


async def test_a_nodes_histograms_are_withdrawn_with_its_reading(
    exposition: Exposition, clock: FakeClock
) -> None:
    count = f"{SCORES.name}_count"
    await exposition.node_polled(a_state(reading=Reading((), spreads=(scores(ACME, 1, 2, 3),))))
    assert value(exposition, count, node="sip1", tenant=ACME) == 6
    await clock.advance(46)
    assert value(exposition, count) is None
    await exposition.node_polled(
        a_state(reading=Reading((), spreads=(scores(ACME, 1, 2, 4),)), at=clock.now())
    )
    assert value(exposition, count) == 7
    await exposition.node_polled(
        NodeState(a_node(), False, NOON, NOON, 1, NOON, None, CollectFailure.TIMEOUT)
    )
    assert value(exposition, count) is None


async def test_a_reading_whose_histograms_break_the_catalogue_is_not_shown_at_all(
    exposition: Exposition,
) -> None:
    broken = Reading((calls(ACME, 1),), spreads=(scores(ACME, 1, 2, 3), scores(ACME, 1, 2, 3)))
    with structlog.testing.capture_logs() as logs:
        await exposition.node_polled(a_state(reading=broken))
    assert [(entry["node"], entry["log_level"]) for entry in logs] == [("sip1", "error")]
    assert value(exposition, CALLS.name) is None
    assert value(exposition, f"{SCORES.name}_count") is None


def test_histograms_of_tenants_past_the_cap_are_added_up_bucket_by_bucket(clock: FakeClock) -> None:
    exposition = exposition_of(clock, max_series=6)
    exposition.put(
        "sip1",
        [],
        [
            scores(ACME, 1, 0, 0, total=3),
            scores(BOLT, 1, 2, 0, total=11),
            scores("c.example", 0, 4, 8, total=50),
        ],
    )
    for number in (0, 1):
        assert value(exposition, f"{SCORES.name}_count", tenant=ACME) == 1
        assert value(exposition, f"{SCORES.name}_count", tenant=BOLT) is None
        shown = {
            le: value(exposition, f"{SCORES.name}_bucket", tenant="_other", le=le)
            for le in ("3.6", "4.03", "+Inf")
        }
        assert shown == {"3.6": 1 + number, "4.03": 7 + number, "+Inf": 15 + number}
        assert value(exposition, f"{SCORES.name}_sum", tenant="_other") == 61
        assert folded(exposition) == 10
        exposition.put(
            "sip1",
            [],
            [
                scores(ACME, 1, 0, 0, total=3),
                scores(BOLT, 2, 2, 0, total=11),
                scores("c.example", 0, 4, 8, total=50),
            ],
        )


async def test_a_reading_that_breaks_the_catalogue_is_logged_once_and_harms_no_other_node(
    exposition: Exposition,
) -> None:
    broken = Reading((Sample("opensips_unheard_of", (), 1, NOON),))
    await exposition.node_polled(a_state(a_node("sip2"), reading=Reading((calls(ACME, 1, node="sip2"),))))
    with structlog.testing.capture_logs() as logs:
        await exposition.node_polled(a_state(reading=broken))
        await exposition.node_polled(a_state(reading=broken))
    assert [(entry["node"], entry["log_level"]) for entry in logs] == [("sip1", "error")]
    assert value(exposition, CALLS.name, node="sip1") is None
    assert value(exposition, CALLS.name, node="sip2") == 1


async def test_a_node_that_was_read_shows_up_duration_age_and_its_samples(
    exposition: Exposition, clock: FakeClock
) -> None:
    await exposition.node_polled(a_state(reading=Reading((calls(ACME, 3),))))
    await clock.advance(10)
    labels = {"node": "sip1", "kind": "opensips"}
    assert value(exposition, "dialtone_up", **labels) == 1
    assert value(exposition, "dialtone_collect_duration_seconds", **labels) == 0.01
    assert value(exposition, "dialtone_snapshot_age_seconds", **labels) == 10
    assert value(exposition, "dialtone_collect_failing", **labels) is None
    assert value(exposition, CALLS.name, node="sip1", tenant=ACME) == 3


async def test_the_age_grows_while_nothing_comes_and_past_three_intervals_only_it_and_the_reason_remain(
    exposition: Exposition, clock: FakeClock
) -> None:
    await exposition.node_polled(a_state(reading=Reading((calls(ACME, 3),))))
    await clock.advance(45)
    assert value(exposition, CALLS.name) == 3
    assert value(exposition, "dialtone_up") == 1
    await clock.advance(1)
    assert value(exposition, CALLS.name) is None
    assert value(exposition, "dialtone_up") == 0
    assert value(exposition, "dialtone_collect_failing", failure="timeout") == 1
    assert value(exposition, "dialtone_snapshot_age_seconds") == 46


async def test_a_failed_poll_shows_its_reason_and_keeps_the_fresh_reading_with_its_age(
    exposition: Exposition, clock: FakeClock
) -> None:
    reading = Reading((calls(ACME, 3),))
    await exposition.node_polled(a_state(reading=reading))
    await clock.advance(15)
    failed = NodeState(
        a_node(), False, clock.now(), clock.now(), 0.5, NOON, reading, CollectFailure.CONNECT, "refused"
    )
    await exposition.node_polled(failed)
    assert value(exposition, "dialtone_up") == 0
    assert value(exposition, "dialtone_collect_failing", failure="connect") == 1
    assert value(exposition, "dialtone_snapshot_age_seconds") == 15
    assert value(exposition, CALLS.name) == 3


async def test_a_node_that_was_never_read_has_no_age(exposition: Exposition) -> None:
    failed = NodeState(a_node(), False, NOON, NOON, 0.5, failure=CollectFailure.AUTH)
    await exposition.node_polled(failed)
    assert value(exposition, "dialtone_up") == 0
    assert value(exposition, "dialtone_collect_failing", failure="auth") == 1
    assert value(exposition, "dialtone_snapshot_age_seconds") is None


async def test_a_state_without_reading_withdraws_the_nodes_series_and_no_others(
    exposition: Exposition,
) -> None:
    for node in ("sip1", "sip2"):
        await exposition.node_polled(a_state(a_node(node), reading=Reading((calls(ACME, 3, node=node),))))
    await exposition.node_polled(
        NodeState(a_node(), False, NOON, NOON, 1, NOON, None, CollectFailure.TIMEOUT)
    )
    assert value(exposition, CALLS.name) == 3
    assert value(exposition, CALLS.name, node="sip1") is None


async def test_a_step_of_the_wall_clock_makes_no_node_old(exposition: Exposition, clock: FakeClock) -> None:
    await exposition.node_polled(a_state())
    clock.jump(86_400)
    assert value(exposition, "dialtone_up") == 1
    assert value(exposition, "dialtone_snapshot_age_seconds") == 0


async def test_outcomes_are_counted_by_failure_and_carry_tenant_and_reseller(exposition: Exposition) -> None:
    for failure in (None, None, FailureCode.TIMEOUT, FailureCode.NO_PORT):
        await exposition.probe_ended(a_run(failure=failure))
    labels = {"tenant": ACME, "reseller": RESELLER, "flow": "call", "engine": "sippy", "location": "mtl1"}
    name = "dialtone_probe_outcome_total"
    assert value(exposition, name, **labels, outcome="pass") == 2
    assert value(exposition, name, **labels, outcome="fail", failure="timeout") == 1
    assert value(exposition, name, **labels, outcome="inconclusive", failure="no-port") == 1


async def test_trouble_of_our_own_does_not_touch_success(exposition: Exposition) -> None:
    async def success_after(failure: FailureCode | None) -> float | None:
        await exposition.probe_ended(a_run(failure=failure))
        return value(exposition, "dialtone_probe_success", tenant=ACME)

    assert await success_after(FailureCode.ENGINE_CRASHED) is None
    assert await success_after(None) == 1
    assert await success_after(FailureCode.OVERLOADED) == 1
    assert await success_after(FailureCode.SIP_5XX) == 0
    assert await success_after(FailureCode.ENGINE_MISSING) == 0


async def test_of_several_probes_of_a_flow_one_that_fails_is_not_hidden_by_another_that_passes(
    exposition: Exposition,
) -> None:
    async def success_after(probe: str, failure: FailureCode | None) -> float | None:
        await exposition.probe_ended(a_run(probe=probe, failure=failure))
        return value(exposition, "dialtone_probe_success", tenant=ACME)

    assert await success_after("echo", None) == 1
    assert await success_after("voicemail", FailureCode.SIP_4XX) == 0
    assert await success_after("echo", None) == 0
    assert await success_after("voicemail", None) == 1


def counters(exposition: Exposition, **labels: str) -> dict[str, float]:
    """Return the counters of requests with these labels, by the name of what they count."""
    found = {name: value(exposition, count_metric(name), **labels) for name in COUNTS}
    return {name: count for name, count in found.items() if count is not None}


async def test_requests_of_conclusive_probes_are_counted_whatever_they_ended_in(
    exposition: Exposition,
) -> None:
    answered = {"invite": 1, "invite_200": 1, "session_complete": 1}
    await exposition.probe_ended(a_run(counts=answered))
    await exposition.probe_ended(
        a_run(failure=FailureCode.TIMEOUT, counts={"invite": 1, "invite_ineffective": 1})
    )
    await exposition.probe_ended(a_run(failure=FailureCode.NO_PORT, counts={"invite": 10}))
    await exposition.probe_ended(a_run(origin=Origin.MANUAL, counts={"invite": 100}))
    assert counters(exposition, tenant=ACME, reseller=RESELLER, flow="call") == {
        "invite": 2,
        "invite_200": 1,
        "invite_3xx": 0,
        "invite_end_user": 0,
        "invite_ineffective": 1,
        "session_complete": 1,
    }


async def test_a_flow_without_requests_of_a_kind_has_no_counter_of_it(exposition: Exposition) -> None:
    await exposition.probe_ended(a_run(flow=Flow.REGISTER, counts={"register": 1}))
    assert counters(exposition) == {"register": 1, "register_failed": 0}
    await exposition.probe_ended(a_run(BOLT, flow=Flow.HTTP))
    assert counters(exposition, tenant=BOLT) == {}


@pytest.mark.parametrize("counts", [{"faxes": 1}, {"invite": -1}])
async def test_a_count_that_makes_no_sense_is_logged_once_and_left_out(
    exposition: Exposition, counts: Mapping[str, int]
) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await exposition.probe_ended(a_run(counts=counts))
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert counters(exposition) == {}
    assert value(exposition, "dialtone_probe_outcome_total") == 3


async def test_of_several_certificates_the_first_to_end_is_shown_until_it_is_renewed(
    exposition: Exposition,
) -> None:
    async def expires_after(probe: str, days: float | None) -> float | None:
        expires = None if days is None else NOON + timedelta(days=days)
        await exposition.probe_ended(a_run(probe=probe, flow=Flow.HTTP, expires=expires))
        shown = value(exposition, CERTIFICATE, tenant=ACME, flow="http")
        return None if shown is None else (shown - NOON.timestamp()) / 86_400

    assert await expires_after("plain", None) is None
    assert await expires_after("admin", 60) == 60
    assert await expires_after("provisioning", 5) == 5
    assert await expires_after("admin", 59) == 5
    assert await expires_after("provisioning", None) == 5
    assert await expires_after("provisioning", 90) == 59


async def test_timings_of_probes_that_passed_fill_cumulative_buckets(exposition: Exposition) -> None:
    for seconds in (0.004, 0.005, 0.15, 60.0):
        await exposition.probe_ended(a_run(timings={"srd": seconds}))
    await exposition.probe_ended(a_run(failure=FailureCode.SIP_4XX, timings={"srd": 0.01}))
    name = "dialtone_probe_srd_seconds"
    buckets = {
        le: value(exposition, f"{name}_bucket", le=le) for le in ("0.005", "0.1", "0.2", "10.0", "+Inf")
    }
    assert buckets == {"0.005": 2, "0.1": 2, "0.2": 3, "10.0": 3, "+Inf": 4}
    assert value(exposition, f"{name}_count", tenant=ACME) == 4
    assert value(exposition, f"{name}_sum", tenant=ACME) == pytest.approx(60.159)


async def test_what_conclusive_probes_heard_fills_buckets_by_listener(exposition: Exposition) -> None:
    good, poor = a_stream("callee", mos=4.34), a_stream("callee", mos=3.0, lost=25)
    deaf = MediaStream("callee", "caller", Found.NOTHING, sent=100, lost=100)
    await exposition.probe_ended(a_run(media=(good, a_stream("caller"))))
    await exposition.probe_ended(a_run(failure=FailureCode.POOR_MEDIA, media=(poor, deaf)))
    await exposition.probe_ended(a_run(failure=FailureCode.CANARY_FAILED, media=(poor, poor)))
    await exposition.probe_ended(a_run(origin=Origin.MANUAL, media=(poor, poor)))
    buckets = [
        value(exposition, "dialtone_probe_mos_bucket", le=le, listener="callee", tenant=ACME)
        for le in ("2.58", "3.1", "3.6", "4.03", "4.34", "+Inf")
    ]
    assert buckets == [0, 1, 1, 1, 2, 2]
    assert value(exposition, "dialtone_probe_mos_count", listener="caller") == 1
    assert value(exposition, "dialtone_probe_loss_ratio_sum", listener="callee") == pytest.approx(0.2)
    assert value(exposition, "dialtone_probe_loss_ratio_sum", listener="caller") == 1
    assert value(exposition, "dialtone_probe_jitter_seconds_count", listener="caller") == 1
    assert value(exposition, "dialtone_probe_rtt_seconds_bucket", listener="callee", le="0.05") == 2
    assert value(exposition, "dialtone_probe_rtt_seconds_bucket", listener="callee", le="0.025") == 0


async def test_a_figure_of_media_that_makes_no_sense_poisons_no_histogram(exposition: Exposition) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await exposition.probe_ended(a_run(media=(a_stream(mos=math.nan, jitter=-1.0),)))
    assert [entry["name"] for entry in logs] == ["dialtone_probe_mos", "dialtone_probe_jitter_seconds"]
    assert not value(exposition, "dialtone_probe_mos_count")
    assert value(exposition, "dialtone_probe_loss_ratio_count") == 3


@pytest.mark.parametrize("timings", [{"xyz": 1.0}, {"srd": math.nan}, {"srd": -1.0}, {"srd": math.inf}])
async def test_a_timing_that_makes_no_sense_poisons_no_histogram(
    exposition: Exposition, timings: Mapping[str, float]
) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await exposition.probe_ended(a_run(timings=timings))
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert not value(exposition, "dialtone_probe_srd_seconds_count")
    assert value(exposition, "dialtone_probe_outcome_total") == 3


async def test_a_service_that_starts_again_goes_on_counting_from_what_the_store_has(
    exposition: Exposition, clock: FakeClock
) -> None:
    store = MemoryStore()
    failures = (None, None, FailureCode.TIMEOUT, FailureCode.NO_PORT, None, FailureCode.AUTH)
    runs = [
        a_run(
            tenant,
            started=NOON + timedelta(seconds=number),
            failure=failure,
            timings={"srd": 0.004 * number, "sdt": 3.0},
            counts={"invite": 1, "invite_200": number % 2},
            expires=NOON + timedelta(days=number),
            media=(a_stream("callee", lost=number), a_stream("caller", mos=4.4 - number / 2)),
        )
        for tenant in (ACME, BOLT)
        for number, failure in enumerate(failures)
    ]
    stress = a_run(origin=Origin.STRESS, started=NOON - timedelta(hours=1), timings={"srd": 1.0})
    for run in (*runs, stress):
        await exposition.probe_ended(run)
        await store.add_results([run.result])
    again = exposition_of(clock)
    everything = Scope.everything()
    again.recall(await store.probe_totals(everything), await store.latest_results(everything))
    assert page(again) == page(exposition)
    one_more = a_run(started=NOON + timedelta(hours=1), timings={"srd": 0.1})
    for each in (exposition, again):
        await each.probe_ended(one_more)
    assert page(again) == page(exposition)


async def test_an_inconclusive_last_result_says_nothing_about_success_after_a_restart(
    exposition: Exposition,
) -> None:
    exposition.recall((), [a_run(failure=FailureCode.ENGINE_CRASHED).result])
    assert value(exposition, "dialtone_probe_success") is None


@pytest.mark.parametrize("origin", [Origin.STRESS, Origin.MANUAL])
async def test_stress_tests_and_probes_by_hand_are_not_the_tenants_day(
    exposition: Exposition, origin: Origin
) -> None:
    await exposition.probe_ended(a_run(origin=origin, timings={"srd": 1.0}))
    assert not [name for name, _ in series(exposition) if name.startswith("dialtone_probe_")]


async def test_the_number_of_series_does_not_grow_with_calls(exposition: Exposition) -> None:
    async def probe(count: int) -> int:
        for number in range(count):
            started = NOON + timedelta(minutes=number)
            timings = {"srd": number / 100, "pdd": 0.1}
            media = (a_stream("callee", lost=number), a_stream("caller", rtt=number / 100))
            await exposition.probe_ended(a_run(started=started, timings=timings, media=media))
        return len(series(exposition))

    assert await probe(1) == await probe(500)


def folded(exposition: Exposition) -> float | None:
    return value(exposition, "dialtone_series_folded")


def test_at_the_cap_nothing_is_folded_and_past_it_the_last_tenants_are(clock: FakeClock) -> None:
    exposition = exposition_of(clock, max_series=4)
    exposition.put("sip1", [calls("a.example", 1), calls("b.example", 2), calls("c.example", 4)])
    assert folded(exposition) == 0
    assert len(series(exposition)) == 4
    exposition.put("sip2", [calls("c.example", 8, node="sip2"), calls("d.example", 16, node="sip1")])
    assert folded(exposition) == 3
    assert value(exposition, CALLS.name, tenant="_other", node="sip1") == 4 + 16
    assert value(exposition, CALLS.name, tenant="_other", node="sip2") == 8
    assert value(exposition, CALLS.name, tenant="a.example") == 1
    assert value(exposition, CALLS.name, tenant="c.example") is None
    exposition.withdraw("sip2")
    assert folded(exposition) == 0
    assert value(exposition, CALLS.name, tenant="c.example") == 4


def test_configured_tenants_come_before_those_that_were_merely_seen(clock: FakeClock) -> None:
    exposition = exposition_of(clock, max_series=2, tenants=("z.example", "y.example"))
    exposition.put("sip1", [calls("a.example", 1), calls("y.example", 2), calls("z.example", 4)])
    assert value(exposition, CALLS.name, tenant="z.example") == 4
    assert value(exposition, CALLS.name, tenant="_other") == 3


def test_tenants_that_come_and_go_for_years_take_no_memory_and_no_configured_place(clock: FakeClock) -> None:
    exposition = exposition_of(clock, max_series=2, tenants=("z.example",))
    for number in range(500):
        exposition.put("sip1", [calls(f"t{number}.example", 1), calls("stays.example", 2)])
        exposition.render()
    assert len(exposition._order) < 10
    exposition.put("sip1", [calls("new.example", 1), calls("z.example", 4)])
    assert value(exposition, CALLS.name, tenant="z.example") == 4
    assert value(exposition, CALLS.name, tenant="new.example") is None


def test_a_small_tenant_does_not_slip_past_a_large_one_before_it(clock: FakeClock) -> None:
    exposition = exposition_of(clock, max_series=3)
    exposition.put("sip1", [calls("large.example", 1), calls("small.example", 2)])
    exposition.put("sip2", [calls("large.example", 1, node=f"sip{number}") for number in range(2, 6)])
    assert value(exposition, CALLS.name, tenant="small.example") is None


def test_servers_and_unattributed_traffic_are_never_folded(clock: FakeClock) -> None:
    exposition = exposition_of(clock, max_series=1)
    alert = CATALOG["dialtone_alerts"].sample("node-down", "critical", "", "firing", value=1, at=NOON)
    requests = REQUESTS.sample("sip1", "INVITE", value=5, at=NOON)
    exposition.put("sip1", [requests, calls("_unknown", 7), calls(ACME, 1), alert])
    assert value(exposition, REQUESTS.name) == 5
    assert value(exposition, CALLS.name, tenant="_unknown") == 7
    assert value(exposition, CALLS.name, tenant="_other") == 1
    assert value(exposition, "dialtone_alerts") == 1


async def test_of_folded_tenants_the_worst_success_and_the_first_certificate_to_end_are_shown(
    clock: FakeClock,
) -> None:
    exposition = exposition_of(clock, max_series=1)
    await exposition.probe_ended(a_run(ACME, expires=NOON + timedelta(days=9), counts={"invite": 3}))
    await exposition.probe_ended(a_run(BOLT, expires=NOON + timedelta(days=8), counts={"invite": 4}))
    await exposition.probe_ended(a_run("c.example", expires=NOON + timedelta(days=10)))

    def other(name: str) -> float | None:
        return value(exposition, name, tenant="_other")

    assert other("dialtone_probe_success") == 1
    assert other(CERTIFICATE) == (NOON + timedelta(days=8)).timestamp()
    assert other(count_metric("invite")) == 7
    await exposition.probe_ended(a_run(BOLT, failure=FailureCode.TLS))
    assert other("dialtone_probe_success") == 0


def test_of_folded_tenants_the_worst_service_is_shown(clock: FakeClock) -> None:
    exposition = exposition_of(clock, max_series=1)
    kept = {"a.example": (0.999, 0.4, 1.0), "b.example": (0.99, -0.2, 16.5), "c.example": (1.0, 1.0, 0.0)}

    def samples(tenant: str, kept: float, left: float, rate: float) -> list[Sample]:
        service = (tenant, RESELLER, "calls")
        return [
            CATALOG["dialtone_sla_availability_ratio"].sample(*service, value=kept, at=NOON),
            CATALOG["dialtone_sla_budget_remaining_ratio"].sample(*service, value=left, at=NOON),
            CATALOG["dialtone_sla_burn_rate"].sample(*service, "1h", value=rate, at=NOON),
            CATALOG["dialtone_sla_open_incident"].sample(*service, value=float(left < 0), at=NOON),
        ]

    exposition.put(
        "sla", [sample for tenant, figures in kept.items() for sample in samples(tenant, *figures)]
    )
    assert {name: number for (name, _), number in series(exposition).items() if "_sla_" in name} == {
        "dialtone_sla_availability_ratio": 0.99,
        "dialtone_sla_budget_remaining_ratio": -0.2,
        "dialtone_sla_burn_rate": 16.5,
        "dialtone_sla_open_incident": 1,
    }


async def test_folded_probes_are_summed_bucket_by_bucket_and_go_on_counting(clock: FakeClock) -> None:
    exposition = exposition_of(clock, max_series=1)
    for tenant, seconds in ((ACME, 0.01), (BOLT, 0.3)):
        await exposition.probe_ended(a_run(tenant, flow=Flow.REGISTER, timings={"rrd": seconds}))
    name = "dialtone_probe_rrd_seconds"
    assert value(exposition, f"{name}_bucket", tenant="_other", le="0.01") == 1
    assert value(exposition, f"{name}_count", tenant="_other") == 2
    await exposition.probe_ended(a_run(BOLT, flow=Flow.REGISTER, timings={"rrd": 0.3}))
    assert value(exposition, f"{name}_count", tenant="_other") == 3
    assert value(exposition, "dialtone_probe_outcome_total", tenant="_other") == 3
    assert not [labels for _, labels in series(exposition) if ("tenant", ACME) in labels]
