"""Errors, percentiles, and the verdict that they come to."""

import json
import math
from dataclasses import replace

import pytest

from benchmarks.probes.comparison import Pair, compare, in_order, percentile
from benchmarks.probes.report import Result, as_json, as_text


def pairs(*errors: float, wire: float = 0.01) -> list[Pair]:
    """Probes with these errors in milliseconds."""
    return [(wire + error / 1e3, wire) for error in errors]


GOOD = compare("sippy", "srd", pairs(*[0.03] * 200))
RESULT = Result(
    rate=20,
    seconds=10,
    achieved=20.0,
    outcomes={"pass": 200},
    rows=[GOOD],
    peer=[],
    packets=5000,
    dropped=0,
    machine={"python": "3.11"},
    load=(0.1, 0.2),
    sabotaged=False,
)


def test_the_error_has_a_sign_and_a_size() -> None:
    row = compare("sippy", "srd", pairs(-0.2, 0.4))
    assert (row.mean, row.absolute, row.max) == pytest.approx((0.1, 0.3, 0.4))
    assert row.wire == pytest.approx(10)


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile(range(1, 101), share) == value


def test_nothing_has_no_percentile() -> None:
    assert math.isnan(percentile([], 0.99))


def test_small_errors_are_within_the_limits() -> None:
    assert GOOD.faults == ()


def test_an_error_that_cancels_out_is_seen_in_the_p99() -> None:
    row = compare("sippy", "srd", pairs(*[0.6, -0.6] * 100))
    assert row.faults == ("p99 not under 0.2 ms",)


@pytest.mark.parametrize("error", [0.0500001, -0.0500001])
def test_a_small_error_that_all_share_is_seen_in_the_mean(error: float) -> None:
    assert compare("sippy", "srd", pairs(*[error] * 200)).faults == ("mean error not under 0.05 ms",)


def test_two_in_a_hundred_are_seen_in_the_p99() -> None:
    rare = [0.0] * 98
    assert compare("sippy", "srd", pairs(*rare, 0.0, 0.6)).faults == ()
    assert compare("sippy", "srd", pairs(*rare, 0.6, 0.6)).faults == ("p99 not under 0.2 ms",)


@pytest.mark.parametrize("lost", [(0.01, None), (None, 0.01), (None, None)])
def test_one_probe_without_its_packets_is_a_failure(lost: Pair) -> None:
    row = compare("sippy", "srd", [*pairs(*[0.0] * 200), lost])
    assert (row.n, row.matched) == (201, 200)
    assert row.faults == ("1 of 201 not matched",)


def test_too_few_values_are_no_success() -> None:
    assert compare("sippy", "srd", pairs(*[0.0] * 99)).faults == ("fewer than 100 values",)


def test_no_probe_at_all_is_no_success() -> None:
    assert len(compare("sippy", "srd", []).faults) == 3


def test_lists_of_one_length_are_paired_by_order() -> None:
    assert in_order([1, 2], [3, 4]) == [(1, 3), (2, 4)]


def test_one_value_missing_anywhere_leaves_all_unmatched() -> None:
    assert compare("sipp", "srd", in_order([0.01] * 199, [0.01] * 200)).matched == 0
    assert compare("sipp", "srd", in_order([], [0.01] * 200)).n == 200


def test_good_rows_of_a_sound_run_pass() -> None:
    assert RESULT.passes
    assert as_text(RESULT).endswith("verdict: pass")


def test_one_bad_row_fails_the_run() -> None:
    bad = compare("sippy", "sdd", pairs(*[1.0] * 200))
    assert not replace(RESULT, rows=[GOOD, bad]).passes


def test_the_peers_rows_decide_nothing() -> None:
    assert replace(RESULT, peer=[compare("sipp", "srd", pairs(*[4.0] * 200))]).passes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outcomes": {"pass": 197, "overloaded": 3}}, "only 197 of 200 probes passed"),
        ({"outcomes": {}}, "only 0 of 0 probes passed"),
        ({"achieved": 19.5}, "only 19.5 calls/s left, 20 were asked"),
        ({"dropped": 1}, "the capture lost 1 packets"),
    ],
)
def test_a_run_that_was_not_sound_fails_and_says_why(changes: dict[str, object], said: str) -> None:
    result = replace(RESULT, **changes)  # type: ignore[arg-type]
    assert not result.passes
    assert f"fault: {said}" in as_text(result)
    assert as_text(result).endswith("verdict: FAIL")


def test_a_run_without_rows_fails() -> None:
    assert not replace(RESULT, rows=[]).passes


def test_a_sabotaged_run_says_so() -> None:
    assert "SABOTAGED" not in as_text(RESULT)
    assert "SABOTAGED" in as_text(replace(RESULT, sabotaged=True))
    assert json.loads(as_json(replace(RESULT, sabotaged=True)))["sabotaged"] is True


def test_json_has_null_where_nothing_matched() -> None:
    document = json.loads(as_json(replace(RESULT, rows=[compare("sippy", "srd", [(0.01, None)])])))
    assert document["rows"][0]["p99"] is None
    assert document["rows"][0]["n"] == 1
    assert document["passes"] is False
