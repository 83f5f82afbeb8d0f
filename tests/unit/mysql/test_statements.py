"""The closed list: nothing that is sent can change anything."""

import re

import pytest

from collectors.mysql.snapshot import Flavour
from collectors.mysql.statements import FIXED, SPELLINGS, STATUS, VARIABLES, Part, heartbeat_statement

WRITES = re.compile(
    r"\b(INSERT|UPDATE|DELETE|REPLACE|INTO|SET|CREATE|ALTER|DROP|GRANT|REVOKE|LOCK|FLUSH|KILL|RESET|CALL|DO|LOAD"
    r"|START|STOP|CHANGE|PURGE|SHUTDOWN|SLEEP|GET_LOCK|BENCHMARK)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("statement", [*sorted(FIXED), heartbeat_statement("dialtone.heartbeat")])
def test_every_statement_only_reads(statement: str) -> None:
    assert statement.split()[0] in ("SELECT", "SHOW")
    assert not WRITES.search(statement)
    assert ";" not in statement
    assert "--" not in statement
    assert "/*" not in statement


@pytest.mark.parametrize("statement", [VARIABLES, STATUS])
def test_each_name_is_asked_for_once(statement: str) -> None:
    names = re.findall(r"'(\w+)'", statement)
    assert len(names) > 20
    assert len(set(names)) == len(names)


def test_every_flavour_is_asked_for_its_channels_and_its_place() -> None:
    assert {part for flavour, part in SPELLINGS if flavour is Flavour.MARIADB} == {Part.CHANNELS, Part.PLACE}
    assert {part for flavour, part in SPELLINGS if flavour is Flavour.MYSQL} == set(Part) - {Part.HEARTBEAT}


def test_what_may_have_many_rows_has_a_limit() -> None:
    tables = [statement for statement in FIXED if "FROM performance_schema" in statement]
    assert len(tables) == 6
    assert all("LIMIT" in statement or "COUNT(*)" in statement for statement in tables)


@pytest.mark.parametrize(
    "table",
    [
        "heartbeat",
        "a.b.c",
        "dialtone.",
        ".heartbeat",
        "dialtone.heart beat",
        "dialtone.`h`; DROP TABLE x; --",
        "dialtone.heartbeat`",
        "dialtone.heartbeat\n",
        "dialtone." + "x" * 65,
        "1a.b",
    ],
)
def test_a_table_that_is_not_two_plain_identifiers_is_refused(table: str) -> None:
    with pytest.raises(ValueError, match=r"is not a table; write SCHEMA\.TABLE"):
        heartbeat_statement(table)


def test_the_heartbeat_comes_with_the_servers_own_utc_clock() -> None:
    assert heartbeat_statement("dialtone.heartbeat") == (
        "SELECT server_id, LEFT(ts, 41) AS ts, UTC_TIMESTAMP(6) AS now FROM `dialtone`.`heartbeat` LIMIT 4096"
    )
