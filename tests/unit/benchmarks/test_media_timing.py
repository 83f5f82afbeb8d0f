"""The timings beside media calls are right only if those calls were really there, and well themselves."""

from dataclasses import replace

import pytest

from benchmarks.media import timing
from benchmarks.media.tally import Tally
from benchmarks.media.timing import Condition, Result
from benchmarks.probes.comparison import MEAN_LIMIT, Row
from dialtone.model import Found, MediaStream

ROW = Row("sippy", "srd", 200, 200, wire=2.0, mean=0.01, absolute=0.01, p50=0.01, p99=0.05, max=0.3)
STREAM = MediaStream("caller", "callee", Found.VOICE, sent=250, received=250, mos=4.41)


def heard(stream: MediaStream = STREAM) -> Tally:
    tally = Tally()
    tally.add("pass", None, "", [stream], (0.0, 5.0))
    return tally


ALONE = Condition(0, [ROW], {"pass": 400}, None)
BESIDE = Condition(50, [ROW], {"pass": 400}, heard(), (49.9, 50.0))


def result(beside: Condition = BESIDE, alone: Condition = ALONE, dropped: int = 0) -> Result:
    return Result([alone, beside], 3, dropped, {"python": "3.11"}, (0.1, 0.2))


def test_errors_within_the_limits_with_and_without_media_pass() -> None:
    assert result().faults == []
    assert timing.as_text(result(), 20).endswith("verdict: pass")


@pytest.mark.parametrize("calls", [0, 50])
def test_an_error_over_the_limit_fails_on_either_side_and_says_on_which(calls: int) -> None:
    wrong = [replace(ROW, mean=MEAN_LIMIT)]
    found = result(replace(BESIDE, rows=wrong)) if calls else result(alone=replace(ALONE, rows=wrong))
    assert found.faults == [f"{calls} calls with media: sippy srd: mean error not under 0.05 ms"]
    assert timing.as_text(found, 20).endswith("verdict: FAIL")


def test_a_round_without_the_calls_that_were_asked_for_proves_nothing() -> None:
    found = result(replace(BESIDE, up=(49.9, 31.9)))
    assert found.faults == ["50 calls with media: only 31.9 calls were up in the mean"]


def test_media_calls_that_lose_a_packet_fail_it() -> None:
    assert result(replace(BESIDE, heard=heard(replace(STREAM, lost=1)))).faults


def test_probes_that_did_not_pass_are_no_measure() -> None:
    assert result(replace(BESIDE, outcomes={"pass": 390, "overloaded": 10})).faults


def test_a_capture_with_gaps_is_no_measure() -> None:
    assert result(dropped=1).faults == ["the capture lost 1 packets"]


@pytest.mark.parametrize("words", [["--calls", "0"], ["--rate", "0"], ["--seconds", "4"], ["--rounds", "11"]])
def test_options_out_of_bounds_are_wrong_options(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        timing.main(words)
