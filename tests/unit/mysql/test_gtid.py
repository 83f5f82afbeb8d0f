"""Sets of MySQL and positions of MariaDB: what one server has and another lacks."""

import pytest

from collectors.mysql import gtid

A = "a43003cc-e6cd-11f1-a6ea-02fc00000001"
B = "b42d4271-e6cd-11f1-87ed-02fc00000001"


@pytest.mark.parametrize(
    ("have", "wanted", "lacks"),
    [
        (f"{A}:1-46", f"{A}:1-52", 6),
        (f"{A}:1-46", f"{A}:1-46", 0),
        (f"{A}:1-52", f"{A}:1-46", 0),
        ("", f"{A}:1-10:12", 11),
        ("", "", 0),
        (f"{A}:1-10:12", "", 0),
        (f"{A}:2-3:7", f"{A}:1-8", 5),
        (f"{A}:3", f"{A}:1-2:4-5", 4),
        (f"{A}:1-5", f"{A}:1-5,\n{B}:1-3", 3),
        (f"{A.upper()}:1-5", f"{A}:1-6", 1),
        (f"{A}:1-4:5-9", f"{A}:1-9", 0),
        (f"{A}:1-3", f"{A}:1-3:night:1-7", 7),
        (f"{A}:1-3:night:1-5", f"{A}:1-4:night:1-7, {A}:day:2", 4),
        ("0-1-9", "0-1-12", 3),
        ("0-1-9", "0-2-12,1-3-4", 7),
        ("0-2-12,1-3-4", "0-1-9", 0),
        ("", "0-1-12", 12),
        ("0-1-12", "", 0),
    ],
)
def test_transactions_that_one_lacks_are_counted(have: str, wanted: str, lacks: int) -> None:
    assert gtid.missing(have, wanted) == lacks


def test_what_fifty_servers_have_is_read_once_a_round() -> None:
    texts = [f"{A}:1-{number}" for number in range(300)]
    found = [gtid.parse(text) for text in texts]
    assert all(gtid.parse(text) is known for text, known in zip(texts, found, strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        f"{A}:1-x",
        f"{A}:-1",
        f"{A}:1-2-3",
        f"{A[:-1]}:1",
        f"{A}:1,0-1-2",
        "0-1-2," + A,
        "0-1",
        "0-1-99999999999999999999999",
        f"{A}:{'9' * 25}",
        f"{A}:" + ":".join(str(number) for number in range(1, 20_000, 2)),
        f"{A}:1-{'2' * gtid.MOST}",
        ",".join(f"{number}-1-1" for number in range(5000)),
    ],
)
def test_what_can_not_be_read_is_unknown_and_not_nothing(text: str) -> None:
    assert gtid.missing("", text) is None
    assert gtid.missing(text, f"{A}:1") is None
    assert gtid.errant(text, [f"{A}:1"]) is None


def test_a_run_that_ends_before_it_begins_holds_nothing() -> None:
    assert gtid.missing("", f"{A}:9-3:5") == 1


def test_a_wide_run_costs_no_more_than_a_narrow_one() -> None:
    assert gtid.missing(f"{A}:5", f"{A}:1-9223372036854775806") == 9223372036854775805


def test_overlapping_runs_count_once() -> None:
    found = gtid.parse(f"{A}:1-5:3-8,{A}:7-9:20")
    assert found == {A: ((1, 9), (20, 20))}
    assert gtid.count(found) == 10


def test_a_transaction_that_no_source_has_is_errant() -> None:
    assert gtid.errant(f"{A}:1-10,{B}:1-2", [f"{A}:1-10"]) == 2
    assert gtid.errant(f"{A}:1-10,{B}:1-2", [f"{A}:1-10", f"{B}:1-2"]) == 0


def test_what_a_source_wrote_since_it_was_read_is_not_errant() -> None:
    assert gtid.errant(f"{A}:1-12,{B}:1-2", [f"{A}:1-10"], apart=[A.upper()]) == 2
    assert gtid.errant(f"{A}:1-12:night:1", [f"{A}:1-10"], apart=[A]) == 0


def test_positions_of_mariadb_do_not_tell_who_is_errant() -> None:
    assert gtid.errant("0-1-12", ["0-1-9"]) is None


@pytest.mark.parametrize(
    ("positions", "together"),
    [
        (("0-1-9", "0-1-12"), "0-1-12"),
        (("0-1-9", ""), "0-1-9"),
        (("", ""), ""),
        (("1-2-5,0-1-9", "0-3-7,2-2-1"), "0-1-9,1-2-5,2-2-1"),
        (("10-1-1,9-1-1", "x"), "9-1-1,10-1-1"),
    ],
)
def test_positions_join_to_the_furthest_of_each_domain(positions: tuple[str, ...], together: str) -> None:
    assert gtid.joined(*positions) == together
