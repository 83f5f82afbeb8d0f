"""Tenants' sessions from a script's events: the ratios are RFC 6076's, and each statistic counts once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.opensips.metrics import METRICS, Publisher, samples
from collectors.opensips.parse import OpensipsSnapshot
from collectors.opensips.traffic import TENANT_EVENTS, TENANT_SESSIONS
from dialtone.config import TenantTree
from dialtone.model import COUNTS, SESSION_COUNTS, Kind, Level, Sample, SessionResult, Tenant
from dialtone.quality import ratios
from tests.unit.opensips.conftest import Tenants

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME: Final = "acme.ntek.example.net"
BD: Final = "bd.ntek.example.net"
NTEK: Final = "ntek.example.net"
EVENTS: Final = ("invites", "answered", "failed_486", "registers", "a_b", "out_invites")


def read(counted: Mapping[str, float], kind: Kind | None = Kind.COUNTER) -> tuple[Sample, ...]:
    """Return the samples of a server whose script counted that, by `DOMAIN_EVENT`; `kind` None: not told."""
    statistics = {f"tenants:{name}": value for name, value in counted.items()}
    kinds = {} if kind is None else dict.fromkeys(statistics, kind)
    return samples("sip1", OpensipsSnapshot("3.6.8", statistics, None, kinds=kinds), Tenants(), NOW)


def sessions(found: Sequence[Sample], tenant: str = ACME) -> dict[str, float]:
    """Return a tenant's sessions by result."""
    return {s.labels[3]: s.value for s in found if s.metric == TENANT_SESSIONS.name and s.labels[1] == tenant}


def events(found: Sequence[Sample]) -> dict[tuple[str, ...], float]:
    return {s.labels[1:]: s.value for s in found if s.metric == TENANT_EVENTS.name}


def test_every_result_but_one_is_a_count_of_rfc_6076() -> None:
    assert TENANT_SESSIONS in METRICS
    assert set(SESSION_COUNTS) == set(SessionResult) - {SessionResult.FAILED}
    assert set(SESSION_COUNTS.values()) == {name for name in COUNTS if not name.startswith("register")}


def test_results_that_have_not_happened_are_0_of_a_tenant_that_counts_and_missing_of_one_that_does_not() -> (
    None
):
    found = read({f"{ACME}_invites": 1})
    assert sessions(found) == dict.fromkeys(SessionResult, 0.0) | {"attempted": 1}
    assert sessions(found, BD) == {}
    assert {s.labels[2] for s in found if s.metric == TENANT_SESSIONS.name} == {NTEK}
    assert sessions(read({f"{ACME}_registers": 1})) == {}


@pytest.mark.parametrize(
    "event",
    ["failed", "failed_", "failed_99", "failed_299", "failed_700", "failed_0486", "failed_486_twice"],
)
def test_other_events_stay_events(event: str) -> None:
    found = read({f"{ACME}_{event}": 3, f"{ACME}_registers": 4})
    assert events(found) == {(ACME, NTEK, event): 3, (ACME, NTEK, "registers"): 4}
    assert sessions(found) == {}


def test_all_codes_there_are_take_no_series_each_and_leave_the_other_events_their_room() -> None:
    found = read(
        {f"{ACME}_failed_{code}": 1 for code in range(300, 700)} | {f"{ACME}_e{n}": 1 for n in range(50)}
    )
    assert len(events(found)) == 50
    assert sum(sessions(found).values()) == 400


def test_a_domain_in_any_spelling_is_one_tenant_and_an_unknown_one_nobody() -> None:
    found = read({f"{ACME}_invites": 1, f"{ACME.upper()}_invites": 2, "x.example_invites": 4})
    assert sessions(found)["attempted"] == 3
    assert sessions(found, "_unknown")["attempted"] == 4


def test_what_a_tenants_script_counts_is_counters_though_no_list_says_so_and_never_a_gauge() -> None:
    assert sessions(read({f"{ACME}_invites": 7}, None))["attempted"] == 7
    assert sessions(read({f"{ACME}_invites": 7}, Kind.GAUGE)) == {}


CALLS: Final = st.lists(
    st.tuples(
        st.sampled_from([ACME, BD]),
        st.one_of(
            st.none(),
            st.just(200),
            st.sampled_from([300, 302, 399, 400, 404, 480, 486, 487, 600, 603, 604, 408, 500, 503, 504]),
            st.integers(300, 699),
        ),
        st.booleans(),
    ),
    max_size=60,
)
"""A tenant, the final status of its call (None: there is none yet), and whether a BYE was answered."""


@given(CALLS)
def test_the_ratios_are_those_of_the_formulas(calls: list[tuple[str, int | None, bool]]) -> None:
    counted: Counter[str] = Counter()
    for tenant, status, completed in calls:
        counted[f"{tenant}_invites"] += 1
        if status == 200:
            counted[f"{tenant}_answered"] += 1
            counted[f"{tenant}_completed"] += completed
        elif status is not None:
            counted[f"{tenant}_failed_{status}"] += 1
    found = read(dict(counted))
    for tenant in (ACME, BD):
        own = [(status, completed) for name, status, completed in calls if name == tenant]
        by_result = sessions(found, tenant)
        assert sum(by_result.values()) == sum(count for name, count in counted.items() if tenant in name)
        counts = {name: int(by_result.get(result, 0)) for result, name in SESSION_COUNTS.items()}
        made = ratios(counts)

        def share(*statuses: int, of: int, own: list[tuple[int | None, bool]] = own) -> float | None:
            return sum(status in statuses for status, _ in own) / of if of else None

        invites = len(own)
        not_redirected = sum(status is None or not 300 <= status < 400 for status, _ in own)
        completions = sum(status == 200 and completed for status, completed in own)
        assert made.ser == share(200, of=not_redirected)
        assert made.seer == share(200, 480, 486, 600, 603, of=not_redirected)
        assert made.isa == share(408, 500, 503, 504, of=invites)
        assert made.scr == (completions / invites if invites else None)
        assert made.ira is None


UNDERSCORED: Final = "my_pbx.ntek.example.net"
"""A tenant of the tree below: platforms have underscores in their domains."""


def of(statistics: Mapping[str, float], *clients: str, told: bool = True) -> tuple[Sample, ...]:
    """Return the samples of counters by `group:name`, for these tenants."""
    kinds = dict.fromkeys(statistics, Kind.COUNTER) if told else {}
    snapshot = OpensipsSnapshot("3.6.8", statistics, None, kinds=kinds)
    return samples("sip1", snapshot, tree(*clients), NOW)


def tree(*clients: str) -> TenantTree:
    platform = Tenant("example.net", None, Level.PLATFORM, "Platform")
    return TenantTree(platform, [Tenant(name, "example.net", Level.CLIENT, name) for name in clients])


def others(found: Sequence[Sample]) -> dict[tuple[str, ...], float]:
    """Return the statistics that have no metric of their own."""
    return {s.labels[1:]: s.value for s in found if s.metric.startswith("opensips_statistic")}


def test_a_tenant_with_underscores_in_its_domain_has_its_sessions_and_events() -> None:
    counted = {"invites": 5, "failed_486": 2, "registers": 3, "voice_mail_calls": 4}
    found = of({f"tenants:{UNDERSCORED}_{event}": n for event, n in counted.items()}, ACME, UNDERSCORED)
    assert sessions(found, UNDERSCORED)["attempted"] == 5
    assert sessions(found, UNDERSCORED)["end_user"] == 2
    assert {labels[::2]: n for labels, n in events(found).items()} == {
        (UNDERSCORED, "registers"): 3,
        (UNDERSCORED, "voice_mail_calls"): 4,
    }
    assert sessions(found, "_unknown") == {}
    assert others(found) == {}


def test_of_two_domains_that_a_name_may_begin_with_the_longer_one_is_meant() -> None:
    found = of({"tenants:a.example_b_registers": 1, "tenants:a.example_c_registers": 2}, *AMBIGUOUS)
    assert {(labels[0], labels[2]): n for labels, n in events(found).items()} == {
        ("a.example_b", "registers"): 1,
        ("a.example", "c_registers"): 2,
    }


AMBIGUOUS: Final = ("a.example", "a.example_b")


def test_an_event_that_ends_as_a_session_does_is_the_tenants_event() -> None:
    found = read({f"{ACME}_outbound_invites": 3, f"{ACME}_invites": 9})
    assert events(found) == {(ACME, NTEK, "outbound_invites"): 3}
    assert sessions(found)["attempted"] == 9
    assert sessions(found, "_unknown") == {}


@pytest.mark.parametrize(
    "host",
    ["a_{}.example", "{}", "h_{}", "{}.example", "_{}", "[2001:db8::{}]", "a b{}.example", "{}.exa_mple"],
)
@pytest.mark.parametrize("event", ["invites", "failed_486", "answered", "registers"])
def test_whatever_domains_callers_send_they_make_no_series(host: str, event: str) -> None:
    counted = {f"{host.format(number)}_{event}": 1.0 for number in range(300)}
    found = read(counted | {f"{ACME}_registers": 7})
    assert others(found) == {}
    assert len(found) <= 70
    assert all(s.labels[1] in (ACME, "_unknown") for s in found)
    assert sum(s.value for s in found) == 307


@pytest.mark.parametrize("group", ["tenants", "dynamic"])
def test_neither_strangers_nor_the_scripts_own_statistics_take_the_place_of_a_tenants_event(
    group: str,
) -> None:
    names = [f"my_count{n}" for n in range(60)] + [f"x.example_e{n}" for n in range(60)]
    statistics = {f"{group}:{name}": 1.0 for name in names} | {f"{group}:{ACME}_registers": 9.0}
    found = samples("sip1", OpensipsSnapshot("1.11", statistics, None), Tenants(), NOW)
    assert events(found)[ACME, NTEK, "registers"] == 9
    assert len([labels for labels in events(found) if labels[0] == "_unknown"]) <= 51


def test_a_script_of_1_11_keeps_its_own_statistics_beside_the_tenants_ones() -> None:
    own = {"my_count": 1.0, "total_invites": 2.0, "pstn.gw_calls": 3.0}
    theirs = {f"{ACME}_invites": 4.0, f"{ACME}_registers": 5.0}
    strangers = {"x_1.example_invites": 6.0, "x.example_registers": 7.0}
    statistics = {f"dynamic:{name}": value for name, value in (own | theirs | strangers).items()}
    found = samples("sip1", OpensipsSnapshot("1.11", statistics, None), Tenants(), NOW)
    assert others(found) == {("dynamic", name): value for name, value in own.items()}
    assert sessions(found)["attempted"] == 4
    assert sessions(found, "_unknown")["attempted"] == 6
    assert events(found) == {(ACME, NTEK, "registers"): 5, ("_unknown", "", "registers"): 7}


def test_events_of_too_many_kinds_are_one_sum_a_tenant() -> None:
    found = read({f"{ACME}_e{n}": 1 for n in range(60)} | {f"{BD}_e59": 5})
    assert events(found)[ACME, NTEK, "_other"] == 10
    assert events(found)[BD, NTEK, "_other"] == 5
    assert others(found) == {}


COUNTED: Final = st.sampled_from(
    [
        *(f"{host}_{event}" for host in (ACME, BD, "x.example", "a_b.example", "one") for event in EVENTS),
        *("core", "_", "total", "x_", "_x", f"{ACME}_", f"{ACME}_a-b", f"{ACME}_{'e' * 41}"),
    ]
)


@pytest.mark.parametrize("group", ["tenants", "dynamic", "script"])
@given(st.lists(st.lists(COUNTED, max_size=5), max_size=6))
def test_whatever_appears_each_statistic_is_shown_once_and_no_counter_falls(
    group: str, polls: list[list[str]]
) -> None:
    publisher, tenants = Publisher("sip1"), Tenants()
    counted: dict[str, float] = {}
    last: dict[tuple[str, ...], float] = {}
    for appeared in polls:
        for name in appeared:
            counted[f"{group}:{name}"] = counted.get(f"{group}:{name}", 0) + 1
        snapshot = OpensipsSnapshot("3.6.8", counted, None, kinds=dict.fromkeys(counted, Kind.COUNTER))
        found = publisher.publish(snapshot, tenants, NOW)[0]
        shown = {(s.metric, *s.labels): s.value for s in found}
        assert len(shown) == len(found)
        assert sum(shown.values()) == sum(counted.values())
        assert all(shown[series] >= value for series, value in last.items())
        last = shown


def test_what_appears_is_added_to_what_is_laid_out_and_what_disappears_is_gone() -> None:
    publisher, tenants = Publisher("sip1"), Tenants()

    def poll(counted: Mapping[str, float]) -> set[Sample]:
        snapshot = OpensipsSnapshot("3.6.8", counted, None, kinds=dict.fromkeys(counted, Kind.COUNTER))
        found = publisher.publish(snapshot, tenants, NOW)[0]
        fresh = samples("sip1", snapshot, tenants, NOW)
        assert set(found) == set(fresh)
        assert len(found) == len(fresh)
        return set(found)

    first = {"core:rcv_requests": 1.0, f"tenants:{ACME}_invites": 2.0, "tenants:x.example_invites": 3.0}
    poll(first)
    more = {"core:new": 1.0} | first | {f"tenants:{BD}_invites": 4.0, "tenants:y.example_answered": 5.0}
    assert sessions(tuple(poll(more)), "_unknown")["established"] == 5
    poll({name: value * 2 for name, value in more.items()})
    assert sessions(tuple(poll(first)), BD) == {}
