"""The page that compares what is said of faults."""

from dataclasses import replace

from benchmarks.mysql.faults import Compared, Table
from benchmarks.mysql.markdown import markdown
from benchmarks.mysql.shown import Link, Shown
from lab.mysql.faults.case import Case, says
from lab.mysql.faults.matrix import Row
from lab.mysql.faults.table import FAULTS

CASE = next(case for case in FAULTS if case.stage == "pair")
WELL = {"db2": Shown(page=True, up=1, read_only=1, links=(Link("", 1, 1, 0),))}
BROKEN = {"db2": Shown(page=True, up=1, read_only=1, links=(Link("", 1, 0, None),))}
LATE = {"db2": Shown(page=True, up=1, read_only=1, links=(Link("", 1, 1, 9),))}


def case(name: str) -> Case:
    return replace(CASE, name=name, expected=(says(CASE.expected[0].trouble, "db2"),))


def compared(name: str, shown: dict[str, Shown], *, wrong: str = "") -> Compared:
    return Compared(Row(case(name), None if wrong else 2, wrong), WELL, shown)


def lines(*rows: Compared) -> dict[str, str]:
    text = markdown(Table(rows, {"pair": WELL}, {"pair": "10.11.19"}), "# Faults")
    return {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines()}


def test_each_fault_is_a_row_with_what_both_say() -> None:
    found = lines(compared("broken", BROKEN), compared("silent", WELL), compared("late", LATE))
    said = f"{CASE.expected[0].trouble} db2; 2 polls"
    assert found["broken"] == (
        f"| broken | pair | {said} | db2: up 1, read_only 1; IO 1, SQL 0, lag gone |"
        " MySQLReplicationNotRunning db2 |"
    )
    assert found["silent"].endswith("lag 0 | none; shown as before |")
    assert found["late"].endswith("lag 9 | MySQLReplicationLag, past 30 s |")


def test_the_faults_are_counted() -> None:
    rows = (
        compared("a", BROKEN),
        compared("b", WELL),
        compared("c", LATE),
        compared("d", WELL, wrong="not said"),
    )
    text = " ".join(lines(*rows))
    assert "Of 4 faults Dialtone named 3" in text
    assert "would come for 1, and for 1 more" in text
    assert "With 2 all series" in text


def test_a_red_row_says_why_and_keeps_its_columns() -> None:
    found = lines(compared("red", WELL, wrong="not said: late db2 | said: nothing"))
    assert "**RED**: not said: late db2 / said: nothing" in found["red"]
    assert found["red"].count("|") == 6


def test_a_fault_that_the_lab_failed_to_make_is_told_apart_from_one_that_nobody_sees() -> None:
    row = Compared(Row(case("failed"), None, "the lab failed"), {}, {})
    assert lines(row)["failed"].endswith("| not looked at | none |")


def test_what_is_shown_of_healthy_servers_stands_first_with_the_alerts_that_never_end() -> None:
    well = {"db1": Shown(page=True, up=0)}
    text = markdown(Table((), {"pair": well}, {"pair": "10.11.19"}), "# Faults")
    assert "primary and replica (10.11.19) | db1: up 0 | MySQLDown db1 |" in text


def test_the_table_is_right_when_dialtone_named_all() -> None:
    good, red = compared("a", WELL), compared("b", BROKEN, wrong="not said")
    assert Table((good,), {}, {}).right
    assert not Table((good, red), {}, {}).right
