"""What a tenant's own traffic proves: enough calls, and beyond chance."""

from dataclasses import replace
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import EvidenceKind, Flow, Measure, Objective, Sli, SliceState
from dialtone.sla.passive import judged, passive_measures

SEER: Final = Measure(Sli.PASSIVE, threshold=0.9)
ISA: Final = Measure(Sli.PASSIVE, other=0.05)
BOTH: Final = Measure(Sli.PASSIVE, threshold=0.9, other=0.05)
GOOD: Final = (SliceState.GOOD, "")
UNKNOWN: Final = (SliceState.UNKNOWN, "")


def counts(invite: int, ok: int = 0, user: int = 0, redirected: int = 0, failed: int = 0) -> dict[str, int]:
    """Return a slice's counts; the rest of the INVITEs failed otherwise."""
    return {
        "invite": invite,
        "invite_200": ok,
        "invite_end_user": user,
        "invite_3xx": redirected,
        "invite_ineffective": failed,
    }


def test_a_seer_under_its_threshold_beyond_chance_is_bad_and_says_so() -> None:
    # 23/57: (0.4035 + 0.0337 + 1.96 * sqrt(0.4035 * 0.5965 / 57 + 0.000296)) / 1.0674 = 0.5338 < 0.9
    assert judged(counts(57, ok=20, user=3), SEER) == (
        SliceState.BAD,
        "traffic: SEER 40.3 % of 57 calls, under 90 % beyond chance",
    )


def test_a_seer_under_its_threshold_that_may_be_chance_is_good() -> None:
    # 17/20 = 0.85, upper bound (0.85 + 0.09604 + 1.96 * sqrt(0.006375 + 0.002401)) / 1.19208 = 0.9476
    assert judged(counts(20, ok=17), SEER) == GOOD
    # 13/20 = 0.65, upper bound (0.65 + 0.09604 + 1.96 * sqrt(0.011375 + 0.002401)) / 1.19208 = 0.8188
    assert judged(counts(20, ok=13), SEER)[0] is SliceState.BAD


def test_what_the_called_side_chose_counts_as_success() -> None:
    assert judged(counts(40, ok=5, user=35), SEER) == GOOD


def test_an_isa_over_its_bound_beyond_chance_is_bad_and_says_so() -> None:
    # 8/40: (0.2 + 0.04802 - 1.96 * sqrt(0.004 + 0.00060025)) / 1.09604 = 0.1050 > 0.05
    assert judged(counts(40, ok=32, failed=8), ISA) == (
        SliceState.BAD,
        "traffic: ISA 20.0 % of 40 calls, over 5 % beyond chance",
    )
    # 3/40: (0.075 + 0.04802 - 1.96 * sqrt(0.00173438 + 0.00060025)) / 1.09604 = 0.0258
    assert judged(counts(40, ok=37, failed=3), ISA) == GOOD


def test_either_of_the_two_makes_a_slice_bad_and_both_are_named() -> None:
    # 34/40: (0.85 + 0.04802 + 1.96 * sqrt(0.0031875 + 0.00060025)) / 1.09604 = 0.9294, over 0.9
    assert judged(counts(40, ok=34, failed=6), BOTH) == (
        SliceState.BAD,
        "traffic: ISA 15.0 % of 40 calls, over 5 % beyond chance",
    )
    seer, isa = (
        "SEER 0.0 % of 40 calls, under 90 % beyond chance",
        "ISA 100.0 % of 40 calls, over 5 % beyond chance",
    )
    assert judged(counts(40, failed=40), BOTH) == (SliceState.BAD, f"traffic: {seer}; {isa}")


@pytest.mark.parametrize("measure", [SEER, ISA, BOTH])
def test_nineteen_calls_prove_nothing_and_twenty_do(measure: Measure) -> None:
    assert judged(counts(19, failed=19), measure) == UNKNOWN
    assert judged(counts(19, ok=19), measure) == UNKNOWN
    assert judged(counts(20, failed=20), measure)[0] is SliceState.BAD
    assert judged(counts(20, ok=20), measure) == GOOD


def test_redirected_calls_are_no_attempts_of_seer_and_are_of_isa() -> None:
    assert judged(counts(30, redirected=11), SEER) == UNKNOWN
    assert judged(counts(30, redirected=11), ISA) == GOOD
    assert judged(counts(30, redirected=10), SEER)[0] is SliceState.BAD


def test_a_slice_is_good_only_where_all_that_was_asked_for_could_be_judged() -> None:
    assert judged(counts(30, ok=19, redirected=11), BOTH) == UNKNOWN
    assert judged(counts(30, redirected=11, failed=19), BOTH)[0] is SliceState.BAD


def test_no_traffic_and_no_bounds_prove_nothing() -> None:
    assert judged({}, BOTH) == UNKNOWN
    assert judged(counts(100, failed=100), Measure(Sli.PASSIVE)) == UNKNOWN


@given(
    st.fixed_dictionaries({name: st.integers(0, 200) for name in counts(0)}),
    st.sampled_from([SEER, ISA, BOTH]),
)
def test_any_counts_have_a_verdict_and_a_cause_if_bad(found: dict[str, int], measure: Measure) -> None:
    """Also those that can't be: more answered than asked for."""
    state, cause = judged(found, measure)
    assert (state is SliceState.BAD) == bool(cause)
    assert "\n" not in cause


def test_a_share_is_truncated_and_a_bound_is_said_as_it_was_configured() -> None:
    seer = Measure(Sli.PASSIVE, threshold=0.999)
    _, cause = judged(counts(3000, ok=2969), seer)  # 98.966... %
    assert cause == "traffic: SEER 98.9 % of 3000 calls, under 99.9 % beyond chance"


def test_each_tenant_is_judged_by_what_its_own_objectives_ask_for() -> None:
    calls = Objective("acme", "calls", (Flow.CALL,), Fraction(999, 1000), "UTC")
    either = replace(calls, evidence=EvidenceKind.EITHER, passive=SEER)
    objectives = (
        either,
        replace(either, service="more", passive=BOTH, evidence=EvidenceKind.PASSIVE),
        replace(either, service="again"),
        replace(calls, tenant="bolt", passive=SEER),  # by probes alone
        replace(either, tenant="charlie", passive=None),
    )
    assert passive_measures(objectives) == {"acme": (SEER, BOTH)}


@pytest.mark.parametrize(("calls", "effective", "ineffective"), [(20, 15, 3), (100, 84, 10), (1000, 881, 64)])
def test_what_is_beyond_chance_is_what_the_documentation_says(
    calls: int, effective: int, ineffective: int
) -> None:
    """docs/ratios.md, Traffic as evidence."""
    assert judged(counts(calls, ok=effective), SEER)[0] is SliceState.BAD
    assert judged(counts(calls, ok=effective + 1), SEER) == GOOD
    assert judged(counts(calls, failed=ineffective), ISA)[0] is SliceState.BAD
    assert judged(counts(calls, failed=ineffective - 1), ISA) == GOOD
