"""What became of calls with media is added up of each stream, and one that is not perfect is red."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.media.tally import LEAST_MOS, Tally, at_once, checks, tally
from dialtone.model import Found, MediaStream, stream_to_json

STREAM = MediaStream("caller", "callee", Found.VOICE, "PCMU", sent=250, received=250, jitter=0.0004, mos=4.41)
Call = tuple[str, str | None, Sequence[MediaStream]]
PASSED: Call = ("pass", None, [STREAM, STREAM])


def told(*calls: Call) -> Tally:
    heard = Tally()
    for outcome, code, media in calls:
        heard.add(outcome, code, f"why {code}", media, (0.0, 5.0))
    return heard


def red(heard: Tally) -> set[str]:
    return {check.name for check in checks(heard) if not check.right}


def test_calls_that_all_passed_without_a_loss_are_right() -> None:
    heard = told(PASSED, PASSED)
    assert red(heard) == set()
    assert (heard.streams, heard.sent, heard.lost, heard.worst) == (4, 1000, 0, 4.41)
    assert heard.faults == []


def test_no_call_at_all_is_not_right() -> None:
    assert "calls that failed" in red(told())
    assert "packets lost" in red(told())


def test_one_packet_of_a_thousand_calls_is_too_many() -> None:
    lossy: Call = ("pass", None, [replace(STREAM, received=249, lost=1)])
    assert red(told(*[PASSED] * 1000, lossy)) == {"packets lost"}


def test_a_score_under_the_least_is_red_and_so_is_none() -> None:
    assert red(told(PASSED, ("pass", None, [replace(STREAM, mos=LEAST_MOS - 0.01)]))) == {
        "streams under MOS 4.3"
    }
    assert red(told(PASSED, ("pass", None, [replace(STREAM, mos=None)]))) == {"streams under MOS 4.3"}


def test_a_call_for_which_this_machine_was_late_is_red_as_that_and_its_streams_say_nothing() -> None:
    late: Call = ("inconclusive", "overloaded", [replace(STREAM, lost=50, mos=1.0)])
    heard = told(PASSED, late)
    assert red(heard) == {"calls overloaded"}
    assert "overloaded: why overloaded" in str(heard)


def test_a_failed_call_is_red_and_says_why_once() -> None:
    heard = told(PASSED, ("fail", "no-media", []), ("fail", "no-media", []))
    assert red(heard) == {"calls that failed"}
    assert str(heard).count("why no-media") == 1
    assert heard.faults == ["calls that failed: 2 of 3"]


def test_an_inconclusive_call_that_is_no_overload_is_red_too() -> None:
    assert red(told(PASSED, ("inconclusive", "no-port", []))) == {"calls that failed"}


def test_calls_at_once_are_counted_between_the_ramps() -> None:
    spans = [(0.1 * number, 1.0) for number in range(100)]
    mean, most = at_once(spans)
    assert mean == pytest.approx(10, abs=0.2)
    assert most in (10, 11)


def test_one_call_after_the_other_is_one_at_once() -> None:
    assert at_once([(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]) == (1.0, 1)
    assert at_once([]) == (0.0, 0)


def test_the_store_of_a_service_is_added_up(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite3"
    media = json.dumps([stream_to_json(STREAM), stream_to_json(replace(STREAM, lost=2))])
    with closing(sqlite3.connect(store)) as connection:
        connection.execute(
            "CREATE TABLE results (failure_code, failure_detail, outcome, started, duration, media)"
        )
        connection.executemany(
            "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?)",
            [
                (None, None, "pass", 1_000_000, 5.0, media),
                ("overloaded", "late", "inconclusive", 2_000_000, 5.0, "[]"),
            ],
        )
        connection.commit()
    heard = tally(store)
    assert heard.outcomes == {"pass": 1, "overloaded": 1}
    assert (heard.streams, heard.sent, heard.lost) == (2, 500, 2)
    assert heard.spans == [(1.0, 5.0), (2.0, 5.0)]


def test_a_file_that_is_no_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite3").touch()
    with pytest.raises(ValueError, match="store can't be read"):
        tally(tmp_path / "empty.sqlite3")
