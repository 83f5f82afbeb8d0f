"""Tenants' sessions from a script's events: the ratios are RFC 6076's, and each statistic counts once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.opensips.metrics import METRICS, samples
from collectors.opensips.parse import OpensipsSnapshot
from collectors.opensips.traffic import TENANT_EVENTS, TENANT_SESSIONS
from dialtone.model import COUNTS, SESSION_COUNTS, Kind, Sample, SessionResult
from dialtone.quality import ratios
from tests.unit.opensips.conftest import Tenants

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME: Final = "acme.ntek.example.net"
BD: Final = "bd.ntek.example.net"
NTEK: Final = "ntek.example.net"


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
