"""The closed list: nothing that is sent can change anything."""

import re

import pytest

from collectors.mysql.statements import (
    ALL_REPLICAS,
    ALL_SLAVES,
    FIXED,
    REPLICA,
    SLAVE,
    channel_statements,
    heartbeat_statement,
)

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


@pytest.mark.parametrize(
    ("version", "statements"),
    [
        ("10.11.19-MariaDB-0+deb12u1-log", (ALL_REPLICAS, ALL_SLAVES)),
        ("11.8.6-MariaDB-0+deb13u1 from Debian-log", (ALL_REPLICAS, ALL_SLAVES)),
        ("5.5.5-10.3.39-mariadb", (ALL_REPLICAS, ALL_SLAVES)),
        ("9.7.4-2", (REPLICA, SLAVE)),
        ("5.7.44-log", (REPLICA, SLAVE)),
        ("8.0.36-28 Percona Server", (REPLICA, SLAVE)),
    ],
)
def test_the_version_says_how_channels_are_asked_for(version: str, statements: tuple[str, ...]) -> None:
    assert channel_statements(version) == statements


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


def test_the_heartbeat_is_compared_with_the_servers_own_utc_clock() -> None:
    assert heartbeat_statement("dialtone.heartbeat") == (
        "SELECT server_id, TIMESTAMPDIFF(MICROSECOND, ts, UTC_TIMESTAMP(6)) AS age"
        " FROM `dialtone`.`heartbeat` LIMIT 64"
    )
