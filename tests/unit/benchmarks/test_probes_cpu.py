"""What the CPU benchmark makes of its figures."""

import json
from dataclasses import replace

import pytest

from benchmarks.probes import __main__ as benchmarks
from benchmarks.probes import cpu
from benchmarks.probes.cpu import LIMIT, Cost, Result

CALL = Cost("call", {"pass": 200}, signalling=LIMIT - 0.01, workers=9.0, service=1.0)
REGISTER = Cost("register", {"pass": 200}, signalling=2 * LIMIT, workers=20.0, service=1.0)
RESULT = Result(
    rate=20,
    seconds=10,
    workers=1,
    costs=[CALL, REGISTER],
    peer=0.5,
    machine={"python": "3.11"},
    load=(0.1, 0.2),
    profiled=False,
)


def test_a_call_under_the_limit_passes_whatever_a_registration_takes() -> None:
    assert RESULT.passes
    assert cpu.as_text(RESULT).endswith("verdict: pass")


def test_a_call_at_the_limit_fails() -> None:
    result = replace(RESULT, costs=[replace(CALL, signalling=LIMIT), REGISTER])
    assert not result.passes
    assert "not under 6 ms" in cpu.as_text(result)
    assert cpu.as_text(result).endswith("verdict: FAIL")


@pytest.mark.parametrize("outcomes", [{"pass": 197, "timeout": 3}, {}])
def test_probes_that_did_not_pass_are_no_measure(outcomes: dict[str, int]) -> None:
    assert not replace(RESULT, costs=[CALL, replace(REGISTER, outcomes=outcomes)]).passes


def test_a_profiled_run_never_passes_and_says_so() -> None:
    result = replace(RESULT, profiled=True)
    assert not result.passes
    assert "PROFILED" in cpu.as_text(result)


def test_a_run_without_costs_fails() -> None:
    assert not replace(RESULT, costs=[]).passes


def test_json_has_the_costs_with_their_faults() -> None:
    document = json.loads(cpu.as_json(replace(RESULT, costs=[replace(CALL, signalling=7.0)])))
    assert document["costs"][0]["faults"] == ["not under 6 ms"]
    assert (document["limit"], document["passes"]) == (LIMIT, False)


@pytest.mark.parametrize("words", [[], ["memory"], ["--help"]])
def test_a_benchmark_that_there_is_not_is_a_wrong_option(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmarks.main(words) == 2
    assert "timing|cpu" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--rate", "0"], ["--rate", "201"], ["--seconds", "1"]])
def test_a_rate_or_time_out_of_bounds_is_a_wrong_option(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cpu.main(words)
