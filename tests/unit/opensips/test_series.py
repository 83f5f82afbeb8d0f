"""What series of the statistics module say of tenants, and the names of those that nobody configured."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.opensips.layout import MOST_OTHERS
from collectors.opensips.metrics import Publisher
from collectors.opensips.parse import OpensipsSnapshot, parse_kinds, parse_statistics
from collectors.opensips.series import MOST
from collectors.opensips.strangers import MOST as MOST_NAMES
from collectors.opensips.strangers import Strangers
from dialtone.config import TenantTree
from dialtone.model import Kind, Level, Sample, Tenant
from tests.fakes.clock import FakeClock
from tests.unit.opensips.conftest import Tenants, recorded

ACME = ("acme.ntek.example.net", "ntek.example.net")
BD = ("bd.ntek.example.net", "ntek.example.net")


def of(statistics: Mapping[str, float], kind: Kind | None = Kind.GAUGE) -> tuple[Sample, ...]:
    kinds = {} if kind is None else dict.fromkeys(statistics, kind)
    snapshot = OpensipsSnapshot("3.6.8", statistics, None, kinds=kinds)
    return Publisher("sip1").publish(snapshot, Tenants(), FakeClock().now())[0]


def values(samples: tuple[Sample, ...], metric: str) -> dict[tuple[str, ...], float]:
    return {sample.labels[1:]: sample.value for sample in samples if sample.metric == f"opensips_{metric}"}


@pytest.mark.parametrize("version", ["3.6.8", "4.0.1"])
def test_the_series_of_a_recorded_server_are_its_tenants(version: str) -> None:
    statistics = parse_statistics(json.loads(recorded(version, "live-get_statistics-all"))["result"])
    kinds = parse_kinds(json.loads(recorded(version, "live-list_statistics"))["result"])
    snapshot = OpensipsSnapshot(version, statistics, None, kinds=kinds)
    samples = Publisher("sip1").publish(snapshot, Tenants(), FakeClock().now())[0]
    assert values(samples, "tenant_answer_seizure_ratio") == {ACME: 1, BD: 0.66}
    assert values(samples, "tenant_post_dial_delay_seconds") == {ACME: 0.12, BD: 0.12}
    assert values(samples, "tenant_window_calls") == {ACME: 3, BD: 3}
    left = values(samples, "statistic")
    assert left["tenant_asr", "asr_globex.modulis.example.net"] == 100
    assert not [name for group, name in left if "ntek" in name and group.startswith("tenant_")]


def test_another_series_of_a_tenant_keeps_its_name_in_whatever_group_it_is() -> None:
    samples = of({"media:mos_x10_ACME.ntek.example.net": 41, "tenants:acd_bd.ntek.example.net": 95})
    assert values(samples, "tenant_series") == {(*ACME, "mos_x10"): 41, (*BD, "acd"): 95}
    assert not values(samples, "statistic")


@pytest.mark.parametrize(
    "name",
    [
        "x:asr_globex.modulis.example.net",
        "x:asr-acme.ntek.example.net",
        "x:asracme.ntek.example.net",
        "x:acme.ntek.example.net",
        "x:acme.ntek.example.net_asr",
        "x:asr_sub.acme.ntek.example.net",
        "x:_",
        "x:",
    ],
)
def test_what_is_named_after_no_tenant_stays_a_statistic(name: str) -> None:
    samples = of({name: 5})
    assert list(values(samples, "statistic").values()) == [5]
    assert len(samples) == 1


@pytest.mark.parametrize("kind", [Kind.COUNTER, None])
def test_a_counter_and_what_nobody_knows_the_kind_of_are_no_series(kind: Kind | None) -> None:
    samples = of({"x:calls_acme.ntek.example.net": 5}, kind)
    assert [sample.metric for sample in samples if "tenant" in sample.metric] == []
    assert len(samples) == 1


def test_an_empty_window_is_neither_a_ratio_nor_a_delay() -> None:
    quiet = {
        "a:asr_acme.ntek.example.net": 0,
        "a:pdd_acme.ntek.example.net": 0,
        "a:cps_acme.ntek.example.net": 0,
    }
    samples = of(quiet)
    assert values(samples, "tenant_window_calls") == {ACME: 0}
    assert len(samples) == 1, "0 is what a server says of no calls too"


def test_a_tenant_whose_calls_all_fail_has_a_ratio_of_zero() -> None:
    samples = of(
        {"a:asr_acme.ntek.example.net": 0, "a:cps_acme.ntek.example.net": 2, "a:asr_bd.ntek.example.net": 0}
    )
    assert values(samples, "tenant_answer_seizure_ratio") == {ACME: 0}


def test_a_share_beyond_a_hundred_is_of_another_factor_and_no_ratio() -> None:
    samples = of({"a:asr_acme.ntek.example.net": 870})
    assert values(samples, "tenant_series") == {(*ACME, "asr"): 870}
    assert not values(samples, "tenant_answer_seizure_ratio")


def test_a_name_that_comes_twice_is_one_series_and_one_statistic() -> None:
    samples = of({"a:asr_acme.ntek.example.net": 50, "b:ASR_acme.ntek.example.net": 60})
    assert values(samples, "tenant_answer_seizure_ratio") == {ACME: 0.5}
    assert values(samples, "statistic") == {("b", "ASR_acme.ntek.example.net"): 60}


def test_series_of_ever_new_names_are_bounded() -> None:
    samples = of({f"a:caller{number}_acme.ntek.example.net": 1 for number in range(MOST + 5)})
    assert len(values(samples, "tenant_series")) == MOST
    assert len(values(samples, "statistic")) == 5


def test_a_series_of_a_tenant_with_underscores_in_its_domain_is_the_tenants() -> None:
    tenants = TenantTree(
        Tenant("example.net", None, Level.PLATFORM, "Platform"),
        [Tenant("my_pbx.example.net", "example.net", Level.CLIENT, "Mine")],
    )
    statistics = {"a:cps_my_pbx.example.net": 2.0, "a:mos_x10_my_pbx.example.net": 41.0}
    snapshot = OpensipsSnapshot("3.6.8", statistics, None, kinds=dict.fromkeys(statistics, Kind.GAUGE))
    samples = Publisher("sip1").publish(snapshot, tenants, FakeClock().now())[0]
    mine = ("my_pbx.example.net", "example.net")
    assert values(samples, "tenant_window_calls") == {mine: 2}
    assert values(samples, "tenant_series") == {(*mine, "mos_x10"): 41}
    assert len(samples) == 2


@given(st.dictionaries(st.text(max_size=40), st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_whatever_statistics_are_called_each_series_is_there_once(statistics: dict[str, float]) -> None:
    named = {f"a:{name}_acme.ntek.example.net": value for name, value in statistics.items()}
    seen = [(sample.metric, sample.labels) for sample in of(parse_statistics(statistics | named))]
    assert len(set(seen)) == len(seen)


def notes(calls: Mapping[str, int], *events: str) -> dict[str, str]:
    statistics = {f"tenants:{event}": 1.0 for event in events}
    snapshot = OpensipsSnapshot("3.6.8", statistics, calls, kinds=dict.fromkeys(statistics, Kind.COUNTER))
    return Publisher("sip1").publish(snapshot, Tenants(), FakeClock().now())[1]


def test_domains_that_nobody_configured_are_named() -> None:
    calls = {"globex.modulis.example.net": 1, "acme.ntek.example.net": 2, "": 3, "customer 7": 1}
    said = notes(
        calls, "a.example_registers", "a.example_notfound", "bd.ntek.example.net_registers", "total_x"
    )
    assert said == {"unknown domains": "a.example, customer 7, globex.modulis.example.net"}


def test_where_all_domains_are_configured_nothing_is_said() -> None:
    assert notes({"acme.ntek.example.net": 2}, "bd.ntek.example.net_registers") == {}


def test_the_names_of_unknown_domains_are_few_short_and_printable() -> None:
    calls = {f"d{number:04}.example": 1 for number in range(1000)}
    said = notes(calls)["unknown domains"]
    assert said.endswith(" and 980 more")
    assert said.count(",") == MOST_NAMES - 1
    hostile = [
        "\x1b[2J.example",
        "a\nb.example",
        "\ud800.example",
        "\u202eevil.example",
        "x" * 9999 + ".example",
    ]
    for name in hostile:
        told = notes({name: 1})["unknown domains"]
        assert told.isprintable()
        assert len(told) <= 253


def test_a_lookup_that_remembers_strangers_answers_as_the_one_behind_it() -> None:
    tenants = Tenants()
    strangers = Strangers(tenants)
    assert strangers.match("acme.ntek.example.net") is tenants.match("acme.ntek.example.net")
    assert strangers.by_account_code("bd.ntek.example.net") is tenants.by_account_code("bd.ntek.example.net")
    assert strangers.by_context("bd.ntek.example.net") is tenants.by_context("bd.ntek.example.net")
    assert strangers.domains == tenants.domains
    assert strangers.reseller("bd.ntek.example.net") == "ntek.example.net"
    assert strangers.fixed() is tenants
    assert str(strangers) == ""


def test_of_what_has_no_metric_of_its_own_so_much_is_shown_and_the_rest_is_said() -> None:
    strange = {f"calls:asr_x{number}.example": 1.0 for number in range(MOST_OTHERS + 7)}
    ours = {"core:rcv_requests": 5.0, "calls:asr_acme.ntek.example.net": 50.0}
    statistics = strange | ours
    kinds = dict.fromkeys(statistics, Kind.GAUGE)
    snapshot = OpensipsSnapshot("3.6.8", statistics, None, kinds=kinds)
    samples, notes = Publisher("sip1").publish(snapshot, Tenants(), FakeClock().now())
    assert len(values(samples, "statistic")) == MOST_OTHERS
    assert values(samples, "tenant_answer_seizure_ratio") == {ACME: 0.5}
    assert values(samples, "core_requests_total") == {("received",): 5}
    assert notes["other statistics"] == "7 without a metric of their own are left out"
