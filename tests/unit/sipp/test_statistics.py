"""The statistics files of 3.6.1 as it wrote them, cut off, extended, and as garbage."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.sipp.run import RoundTrip, Step
from synthetic.sipp.statistics import MAX_ROUND_TRIPS, parse_round_trips, parse_statistics, parse_steps

DATA = Path(__file__).parents[2] / "data/sipp"


def text(name: str) -> str:
    return (DATA / name).read_text()


def columns(**values: str) -> str:
    return ";".join(values) + ";\n" + ";".join(values.values()) + ";\n"


def test_two_calls_that_passed_are_counted() -> None:
    read = parse_statistics(text("passed/statistics.csv"))
    assert read is not None
    assert (read.created, read.successful, read.failed_calls, dict(read.failed)) == (2, 2, 0, {})
    assert read.started == 1795407826.142183


def test_a_refused_call_is_counted_under_its_class() -> None:
    read = parse_statistics(text("refused/statistics.csv"))
    assert read is not None
    assert (read.created, read.successful, read.failed_calls) == (1, 0, 1)
    assert read.failed == {"FailedUnexpectedMessage": 1}


def test_the_line_that_a_killed_sipp_left_half_written_is_passed_over() -> None:
    whole = text("passed/statistics.csv")
    before = whole.rstrip("\n").rpartition("\n")[0] + "\n"
    for cut in range(len(before), len(whole)):
        assert parse_statistics(whole[:cut]) == parse_statistics(before)


@pytest.mark.parametrize("nothing", ["", "\n", "StartTime;Las", "StartTime;SuccessfulCall(C);\n"])
def test_a_file_without_a_whole_line_has_no_statistics_yet(nothing: str) -> None:
    assert parse_statistics(nothing) is None


def test_columns_are_found_by_name_and_those_that_are_missing_are_made_up_for() -> None:
    names = {
        "FailedCall(C)": "3",
        "SuccessfulCall(C)": "4",
        "OutgoingCall(C)": "7",
        "FailedNewlyInvented(C)": "3",
    }
    read = parse_statistics(columns(**names))
    assert read is not None
    assert (read.created, read.successful, read.failed_calls) == (7, 4, 3)
    assert read.failed == {"FailedNewlyInvented": 3}
    assert (read.retransmissions, read.started) == (0, None)


@pytest.mark.parametrize(
    ("garbage", "words"),
    [
        (columns(a="1", b="2"), "no column SuccessfulCall"),
        (columns(**{"SuccessfulCall(C)": "four", "FailedCall(C)": "0"}), "'four', not a count"),
        (columns(**{"SuccessfulCall(C)": "-1", "FailedCall(C)": "0"}), "'-1', not a count"),
        (columns(**{"SuccessfulCall(C)": "9" * 5000, "FailedCall(C)": "0"}), "not a count"),
        ("a;b;\n1;\n", "fields of the header"),
    ],
)
def test_what_is_no_statistics_file_is_refused_with_words(garbage: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_statistics(garbage)


def test_round_trips_have_the_names_of_their_timers_seconds_and_utc() -> None:
    trips = parse_round_trips(text("passed/rtt.csv"), started=1000.0)
    assert [trip.name for trip in trips] == ["srd", "sdd", "srd", "sdd"]
    assert (trips[0].seconds, round(trips[0].at, 3)) == (0.024, 1000.128)


def test_dates_of_a_long_run_are_read_in_their_exponential_form() -> None:
    lines = "Date_ms;response_time_ms;rtd_no\n1.00034e+06;12.5;1\n"
    assert parse_round_trips(lines, 0.0) == (RoundTrip("1", 0.0125, 1000.34),)


def test_round_trips_are_bounded_and_a_cut_line_is_passed_over() -> None:
    assert parse_round_trips("", 0.0) == ()
    assert parse_round_trips("Date_ms;response_time_ms;rtd_no\n4;8;srd\n8;1", 0.0) == (
        RoundTrip("srd", 0.008, 0.004),
    )
    many = "Date_ms;response_time_ms;rtd_no\n" + "4;8;srd\n" * (MAX_ROUND_TRIPS + 5)
    assert len(parse_round_trips(many, 0.0)) == MAX_ROUND_TRIPS


@pytest.mark.parametrize("line", ["nan;1;a", "1;inf;a", "1;-1;a", "x;1;a", "1;2"])
def test_a_response_time_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="response time file"):
        parse_round_trips(f"Date_ms;response_time_ms;rtd_no\n{line}\n", 0.0)


def test_steps_carry_what_happened_at_each() -> None:
    steps = parse_steps(text("passed/counts.csv"))
    assert [step.name for step in steps] == [
        "INVITE",
        "100",
        "180",
        "200",
        "ACK",
        "Pause",
        "Pause",
        "BYE",
        "200",
    ]
    assert steps[0] == Step(0, "INVITE", happened=2)
    assert parse_steps(text("refused/counts.csv"))[1] == Step(1, "100", unexpected=1)


def test_steps_of_a_flow_that_retransmitted_and_waited_in_vain() -> None:
    line = columns(
        **{"0_INVITE_Sent": "1", "0_INVITE_Retrans": "5", "0_INVITE_Timeout": "1", "9_RecvCmd": "2"}
    )
    assert parse_steps(line) == (Step(0, "INVITE", happened=1, retransmissions=5, timeouts=1),)
    assert parse_steps("") == ()


@given(st.text(max_size=400) | st.text(alphabet="0123456789;.eE+-\n_(C)SuccessfulCallFailed", max_size=400))
def test_no_text_makes_a_parser_do_anything_but_answer_or_raise_value_error(garbage: str) -> None:
    for parse in (parse_statistics, parse_steps, lambda lines: parse_round_trips(lines, 0.0)):
        with contextlib.suppress(ValueError):
            parse(garbage)


@given(st.integers(0, 3100), st.text(max_size=20))
def test_damage_anywhere_in_a_real_file_is_no_crash(at: int, damage: str) -> None:
    for name, parse in (("passed/statistics.csv", parse_statistics), ("passed/counts.csv", parse_steps)):
        whole = text(name)
        with contextlib.suppress(ValueError):
            parse(whole[:at] + damage + whole[at + 1 :])
