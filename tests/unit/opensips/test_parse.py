"""Replies of real servers, and replies that no server should send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.opensips.metrics import METRICS, samples
from collectors.opensips.parse import (
    MOST,
    OpensipsSnapshot,
    parse_kinds,
    parse_profile_values,
    parse_profiles,
    parse_statistics,
    parse_version,
)
from dialtone.model import Catalog, CollectError
from tests.fakes.clock import FakeClock
from tests.unit.opensips.conftest import VERSIONS, Tenants, recorded

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def result(version: str, name: str) -> object:
    return json.loads(recorded(version, name))["result"]


@pytest.mark.parametrize("version", VERSIONS)
def test_all_statistics_of_a_recorded_server_are_read_as_numbers(version: str) -> None:
    values = parse_statistics(result(version, "live-get_statistics-all"))
    assert values["dialog:active_dialogs"] == 6
    assert values["usrloc:location-contacts"] == 6
    assert values["core:timestamp"] > 0


def test_values_in_strings_are_numbers_as_before_version_3() -> None:
    assert parse_statistics({"core:rcv_requests": "150"}) == {"core:rcv_requests": 150}


def test_a_counter_that_a_script_took_below_zero_is_left_out() -> None:
    assert parse_statistics({"tenants:x": 2**64 - 1, "core:rcv_requests": 1}) == {"core:rcv_requests": 1}


@pytest.mark.parametrize("value", [-1, -0.5, "-3", float("nan"), float("-inf"), 10**400, True, None, [1], ""])
def test_what_is_no_count_is_left_out(value: object) -> None:
    assert parse_statistics({"core:drop_requests": value, "core:rcv_requests": 1}) == {"core:rcv_requests": 1}


def test_of_a_list_without_end_the_first_are_read_and_what_a_script_counts_last() -> None:
    listed = {f"tenants:d{number}.example_x": "incremental" for number in range(MOST)}
    kinds = parse_kinds(listed | {"core:rcv_requests": "incremental"})
    assert list(kinds) == ["core:rcv_requests", *list(listed)[:-1]]
    assert len(parse_kinds(listed)) == MOST


@pytest.mark.parametrize("version", VERSIONS)
def test_the_version_is_the_number_alone(version: str) -> None:
    assert parse_version(result(version, "live-version")) == version


@pytest.mark.parametrize("version", VERSIONS)
def test_live_calls_are_read_for_each_tenant(version: str) -> None:
    assert parse_profile_values(result(version, "live-profile_get_values-tenant")) == {
        "acme.ntek.example.net": 3,
        "bd.ntek.example.net": 2,
        "globex.modulis.example.net": 1,
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_profile_without_values_counts_under_the_empty_name(version: str) -> None:
    assert parse_profile_values(result(version, "live-profile_get_values-allcalls")) == {"": 6}


@given(JSON)
def test_no_reply_breaks_the_parsers_in_any_other_way_than_collect_error(value: object) -> None:
    for parse in (parse_statistics, parse_profile_values, parse_version):
        try:
            parse(value)
        except CollectError as error:
            assert error.detail  # noqa: PT017 - the error is one allowed answer, not the only one


def _samples(version: str, clock: FakeClock, tenants: Tenants) -> dict[tuple[str, ...], float]:
    snapshot = OpensipsSnapshot(
        version,
        parse_statistics(result(version, "live-get_statistics-all")),
        parse_profile_values(result(version, "live-profile_get_values-tenant")),
    )
    return {(s.metric, *s.labels): s.value for s in samples("sip1", snapshot, tenants, clock.now())}


@pytest.mark.parametrize("version", VERSIONS)
def test_statistics_become_metrics_with_labels_instead_of_names(
    version: str, clock: FakeClock, tenants: Tenants
) -> None:
    got = _samples(version, clock, tenants)
    assert got["opensips_dialog_active", "sip1"] == 6
    assert got["opensips_usrloc_contacts", "sip1", "location"] == 6
    assert got["opensips_load_ratio", "sip1", "core", "now"] == 0
    assert ("opensips_process_load_ratio", "sip1", "1", "1m") in got
    assert ("opensips_tm_completed_transactions_total", "sip1", "2xx") in got


@pytest.mark.parametrize("version", VERSIONS)
def test_every_statistic_of_the_polled_groups_is_published(version: str) -> None:
    values = parse_statistics(result(version, "live-get_statistics-all"))
    polled = {
        n: v
        for n, v in values.items()
        if n.split(":")[0] in ("core", "shmem", "usrloc", "dialog", "tm", "sl")
    }
    made = samples("n", OpensipsSnapshot(version, polled, None), Tenants(), FakeClock().now())
    assert len(made) == len(polled)
    assert len({(s.metric, s.labels) for s in made}) == len(made)


def test_a_quiet_tenant_shows_zero_and_a_stranger_counts_as_unknown(
    clock: FakeClock, tenants: Tenants
) -> None:
    got = _samples("3.6.8", clock, tenants)
    metric = "opensips_tenant_dialogs"
    assert got[metric, "sip1", "acme.ntek.example.net", "ntek.example.net"] == 3
    assert got[metric, "sip1", "quiet.ntek.example.net", "ntek.example.net"] == 0
    assert got[metric, "sip1", "_unknown", ""] == 1  # globex is not configured
    of_tenants = [key for key in got if key[0].startswith("opensips_tenant")]
    assert not any("globex" in label for key in of_tenants for label in key)


def test_a_script_without_the_profile_shows_no_tenant_figure_at_all(
    clock: FakeClock, tenants: Tenants
) -> None:
    made = samples("sip1", OpensipsSnapshot("3.6.8", {}, None), tenants, clock.now())
    assert made == ()


def test_the_metric_table_keeps_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


@pytest.mark.parametrize("version", ["1.11", "2.4"])
def test_an_old_servers_replies_are_read_as_a_new_ones(version: str) -> None:
    def read(name: str) -> object:
        return json.loads(recorded(version, name))

    statistics = parse_statistics(read("live-get_statistics-all"))
    assert (statistics["dialog:active_dialogs"], statistics["usrloc:location-contacts"]) == (6, 6)
    assert parse_profile_values(read("live-profile_get_values-tenant")) == {
        "globex.modulis.example.net": 1,
        "acme.ntek.example.net": 3,
        "bd.ntek.example.net": 2,
    }
    assert parse_profile_values(read("live-profile_get_values-allcalls")) == {"": 6}
    assert parse_profiles(read("live-list_all_profiles")) >= {"tenant", "trunk", "allcalls"}
    assert parse_version(read("live-version")).startswith(version)
