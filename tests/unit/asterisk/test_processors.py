"""The table of task processors, of both versions."""

from datetime import UTC, datetime

import pytest

from collectors.asterisk.processors import METRICS, Processors, ProcessorsShown, parse
from dialtone.model import Catalog, CollectError, CollectFailure
from tests.unit.asterisk.conftest import VERSIONS, recorded
from tests.unit.asterisk.lists import told

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEAD = "Processor        Processed   In Queue  Max Depth  Low water High water"
HEAD_22 = f"{HEAD} Low time(us) High time(us)"


def lines(version: str, name: str) -> list[tuple[str, str]]:
    """Return a recorded answer's lines as name and value."""
    parts = (line.partition(": ") for line in recorded(version, name).decode().split("\r\n"))
    return [(name, value) for name, _, value in parts]


def output(*texts: str) -> list[tuple[str, str]]:
    return [("Response", "Success"), *(("Output", text) for text in texts)]


def test_the_table_keeps_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


@pytest.mark.parametrize(("version", "count"), [("16.28.0", 142), ("22.10.1", 129)])
def test_as_many_are_read_as_the_server_says(version: str, count: int) -> None:
    answer = lines(version, "Command-core-show-taskprocessors")
    assert ("Output", f"{count} taskprocessors") in answer
    assert parse(answer) == Processors(count, 0, 0, 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_those_over_their_mark_now_and_before_are_counted(version: str) -> None:
    head, times = (HEAD, "") if version == "16.28.0" else (HEAD_22, "  0  1573")
    rows = (
        f"pjsip/distributor-0000001f  900000  499  500  450  500{times}",
        f"stasis/m:manager:core-1     12345   500  502  450  500{times}",
        f"stasis/m:channel:all-2      77      12   499  450  500{times}",
    )
    assert parse(output("", head, *rows, "", "3 taskprocessors", "")) == Processors(3, 1, 2, 500)


def test_names_may_hold_anything() -> None:
    rows = ("a b 7 8 9  1  2  3  4  5", "12345  0  0  0  450  500", "0 0 0  600  600  450  500")
    assert parse(output(HEAD, *rows)) == Processors(3, 1, 1, 600)


def test_what_fits_no_row_is_left_out() -> None:
    rows = (
        "x  1  2",
        "x  1  2  nan  4  5",
        "x  1  2  3  4  5.5",
        "x  1  9  3  4  " + "9" * 30,
        "x 1 2 3 4 5",
    )
    assert parse(output(HEAD, *rows)).all == 1


def test_no_high_water_mark_is_none_that_could_be_reached() -> None:
    assert parse(output(HEAD, "x  1  7  8  0  0", "y  1  7  8  -1  -1")) == Processors(2, 0, 0, 7)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        output(),
        output("No such command 'core show taskprocessors'"),
        output(HEAD),
        output("x  1  2  3  4  5"),
        [("Response", "Success"), ("Other", HEAD), ("Other", "x  1  2  3  4  5")],
        output(HEAD, " " * 60_000),
    ],
)
def test_an_answer_without_a_task_processor_is_no_reading(answer: list[tuple[str, str]]) -> None:
    with pytest.raises(CollectError) as caught:
        parse(answer)
    assert caught.value.failure is CollectFailure.PROTOCOL


def test_the_samples_are_the_nodes_and_go_when_they_are_old() -> None:
    shown = ProcessorsShown()
    assert told(shown.samples("pbx1", AT)) == {}
    shown.take(Processors(142, 1, 2, 731))
    assert told(shown.samples("pbx1", AT)) == {
        ("task_processors",): 142,
        ("task_processors_over_high_water",): 1,
        ("task_processors_been_over_high_water",): 2,
        ("task_processor_queue_max",): 731,
    }
    shown.withdraw()
    assert told(shown.samples("pbx1", AT)) == {}
