"""What the benchmark of streams makes of what the ends of calls say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.media import __main__ as benchmarks
from benchmarks.media import sipp, streams
from benchmarks.media.ends import End, dropped
from benchmarks.media.pair import Pair, Side
from benchmarks.media.streams import LIMIT, Result

LATE: dict[str, Any] = {"lateness": {"packets": 1000, "p50": 0.0006, "p99": 0.0012, "most": 0.005}}
TABLE = "header\n" + "".join(
    f"  {n}: 0100007F:{port:04X} 00000000:0000 07 0:0 00:0 0 0 0 {n} 2 0 {drops}\n"
    for n, (port, drops) in enumerate({30000: 3, 30002: 4, 30004: 9}.items())
)


def side(ends: Sequence[End], share: float = 0.2, drops: int = 0) -> Side:
    return Side(share, ends, drops, LATE)


def ends(count: int = 100, **changed: Any) -> list[End]:
    return [replace(End(500, 500, 0.0004, "voice"), **changed) for _ in range(count)]


def pair(near: Side | None = None, far: Side | None = None) -> Pair:
    return Pair("ours", near or side(ends()), far or side(ends()), talked=10.0)


def result(ours: Pair) -> Result:
    peer = Pair("sippy's RTP", side(ends()), side(ends()), 10.0)
    return Result(ours, peer, sipp.Cost(0.0005, 0.0004), {"python": "3.11"}, (0.1, 0.2))


def test_the_cost_of_a_stream_is_that_of_the_process_whose_cpu_is_asked_for_by_its_calls() -> None:
    assert pair(near=side(ends(50), share=0.1), far=side(ends(50), share=0.9)).cost == pytest.approx(0.002)


def test_under_the_limit_with_nothing_lost_is_a_pass_whatever_the_peers_take() -> None:
    assert result(pair()).faults == []
    text = streams.as_text(result(pair()), 10)
    assert text.endswith("verdict: pass")
    assert "| ours | 0.200% | 100,000 | 100,000 | 0 | 0 |" in text
    assert "SIPp's rtp_echo | 0.040%" in text


def test_at_the_limit_is_a_failure() -> None:
    found = result(pair(near=side(ends(), share=100 * LIMIT)))
    assert found.faults == ["a stream takes 0.250% of a core, not under 0.25%"]
    assert streams.as_text(found, 10).endswith("verdict: FAIL")


def test_what_one_end_got_too_much_makes_up_for_nothing_that_another_lost() -> None:
    uneven = [End(500, 490, 0.0004, "voice"), End(500, 510, 0.0004, "voice")]
    one = pair(near=side(uneven, share=0.001), far=side(ends(2)))
    assert one.lost == 10
    assert any("10 packets lost" in fault for fault in result(one).faults)


def test_what_the_kernel_dropped_on_either_side_is_a_failure() -> None:
    assert result(pair(far=side(ends(), drops=1))).faults == ["0 packets lost, 1 dropped by the kernel"]


def test_packets_that_were_due_and_never_sent_are_a_failure() -> None:
    late = [End(497, 500, 0.0004, "voice"), *ends(99)]
    one = pair(near=side(late), far=side([End(500, 497, 0.0004, "voice"), *ends(99)]))
    assert (one.unsent, one.lost) == (3, 0)
    assert result(one).faults == ["3 packets were due and never sent"]


def test_an_end_that_heard_another_voice_is_a_failure() -> None:
    wrong = side([*ends(99), End(500, 500, 0.0004, "other")])
    assert result(pair(near=wrong)).faults == ["1 ends did not hear the voice of their partner"]


def test_the_pacing_is_told_in_milliseconds() -> None:
    text = streams.as_text(result(pair()), 10)
    assert "Jitter floor, ours: mean 0.400 ms" in text
    assert "0.60 ms (p50), 1.20 ms (p99), 5.00 ms (most); 1,000 packets" in text


def test_drops_are_read_of_our_own_sockets_alone() -> None:
    assert dropped(TABLE, [30000, 30002]) == 7
    assert dropped(TABLE, [30001]) == 0
    assert dropped("", [30000]) == 0


@pytest.mark.parametrize("words", [[], ["memory"], ["--help"]])
def test_a_benchmark_that_there_is_not_is_a_wrong_option(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmarks.main(words) == 2
    assert "streams|timing|soak|captures" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--streams", "0"], ["--streams", "501"], ["--seconds", "1"]])
def test_streams_or_a_time_out_of_bounds_are_a_wrong_option(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        streams.main(words)
