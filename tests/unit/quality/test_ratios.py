"""RFC 6076's ratios: their formulas, and what must hold of them whatever is counted."""

from dataclasses import asdict
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import COUNTS
from dialtone.quality import Ratios, added, ratios

NOTHING: Final = Ratios(None, None, None, None, None)


@st.composite
def counted(draw: st.DrawFn) -> dict[str, int]:
    """Draw what requests can really add up to: each INVITE and REGISTER ends in one way at most."""
    ways = ("invite_200", "invite_3xx", "invite_end_user", "invite_ineffective")
    found = {name: draw(st.integers(0, 1000)) for name in (*ways, "register_failed")}
    found["session_complete"] = draw(st.integers(0, found["invite_200"]))
    found["invite"] = sum(found[way] for way in ways) + draw(st.integers(0, 1000))
    found["register"] = found["register_failed"] + draw(st.integers(0, 1000))
    return found


def test_the_formulas_are_those_of_rfc_6076() -> None:
    counts = {
        "register": 50,
        "register_failed": 2,
        "invite": 120,
        "invite_200": 80,
        "invite_3xx": 20,
        "invite_end_user": 12,
        "invite_ineffective": 6,
        "session_complete": 78,
    }
    assert set(counts) == set(COUNTS)
    found = ratios(counts)
    assert found.ser == 80 / (120 - 20)  # 4.6: 3xx is subtracted
    assert found.seer == (80 + 12) / (120 - 20)  # 4.7
    assert found.isa == 6 / 120  # 4.8: of all, redirected ones too
    assert found.ira == 2 / 50  # 4.2
    assert found.scr == 78 / 120  # 4.9


def test_nothing_counted_gives_no_ratio_at_all() -> None:
    assert ratios({}) == NOTHING
    assert ratios(dict.fromkeys(COUNTS, 0)) == NOTHING


def test_failures_alone_are_zero_and_not_absent() -> None:
    assert ratios({"invite": 3, "register": 2}) == Ratios(0.0, 0.0, 0.0, 0.0, 0.0)


def test_where_every_invite_was_redirected_only_ser_and_seer_are_absent() -> None:
    assert ratios({"invite": 4, "invite_3xx": 4}) == Ratios(None, None, 0.0, None, 0.0)


def test_registrations_say_nothing_of_calls_nor_calls_of_registrations() -> None:
    assert ratios({"register": 4, "register_failed": 1}) == Ratios(None, None, None, 0.25, None)
    assert ratios({"invite": 4, "invite_200": 1}).ira is None


@given(counted())
def test_ratios_are_shares_and_absent_exactly_without_a_denominator(counts: dict[str, int]) -> None:
    found = asdict(ratios(counts))
    assert all(value is None or 0 <= value <= 1 for value in found.values())
    calls = counts["invite"] - counts["invite_3xx"]
    assert (found["ser"] is None) == (found["seer"] is None) == (calls == 0)
    assert (found["isa"] is None) == (found["scr"] is None) == (counts["invite"] == 0)
    assert (found["ira"] is None) == (counts["register"] == 0)


@given(counted())
def test_effectiveness_is_at_least_establishment_and_what_is_ineffective_was_not_established(
    counts: dict[str, int],
) -> None:
    found = ratios(counts)
    if found.ser is not None and found.seer is not None and found.isa is not None and found.scr is not None:
        assert found.ser <= found.seer
        assert found.scr <= found.ser
        assert found.isa + counts["invite_200"] / counts["invite"] <= 1 + 1e-12


@given(counted())
def test_redirected_invites_change_neither_ser_nor_seer(counts: dict[str, int]) -> None:
    more = {**counts, "invite": counts["invite"] + 7, "invite_3xx": counts["invite_3xx"] + 7}
    assert (ratios(more).ser, ratios(more).seer) == (ratios(counts).ser, ratios(counts).seer)


@given(st.lists(counted(), max_size=5))
def test_the_ratios_of_a_sum_lie_between_those_of_its_parts(parts: list[dict[str, int]]) -> None:
    whole = asdict(ratios(added(parts)))
    for name, value in whole.items():
        of_parts = [share for part in parts if (share := asdict(ratios(part))[name]) is not None]
        assert (value is None) == (not of_parts)
        if value is not None:
            assert min(of_parts) - 1e-12 <= value <= max(of_parts) + 1e-12


def test_counts_add_up_name_by_name() -> None:
    assert added([{"invite": 1, "register": 2}, {"invite": 3}, {}]) == {"invite": 4, "register": 2}
    assert added([]) == {}


@pytest.mark.parametrize("name", COUNTS)
def test_every_count_of_the_model_is_part_of_some_ratio(name: str) -> None:
    counts = {"invite": 10, "invite_200": 5, "register": 10, "register_failed": 1}
    assert ratios(counts) != ratios({**counts, name: counts.get(name, 0) + 2})
