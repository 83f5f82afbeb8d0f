"""What the rows of SHOW GRANTS of real servers, and of nobody's, mean for an account."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.mysql.grants import GRANTS, TABLES, Rights, note, read_note, rights_of
from collectors.mysql.snapshot import Flavour
from collectors.mysqlclient import MysqlClient, Session
from tests.fakes.mysql import FakeMysql, Refusal, Result

_RECORDED: Final = json.loads((Path(__file__).parents[2] / "data" / "mysql" / "grants.json").read_text())
_HEARTBEAT: Final = "dialtone.heartbeat"


def recorded(flavour: Flavour, account: str, heartbeat: str | None = None) -> Rights:
    """Rights of an account of a real server: MariaDB 10.11 or MySQL 9.7."""
    server = _RECORDED[flavour]
    return rights(server["grants"][account], flavour, server["version"], heartbeat)


def rights(
    texts: Sequence[str],
    flavour: Flavour = Flavour.MARIADB,
    version: str = "10.11.14-MariaDB",
    heartbeat: str | None = None,
) -> Rights:
    """Rights by those rows."""
    return rights_of([{"Grants for dialtone@%": text} for text in texts], flavour, version, heartbeat)


@pytest.mark.parametrize(
    ("flavour", "account", "missing"),
    [
        (Flavour.MARIADB, "USAGE", ["GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO 'u0'@'127.0.0.1'"]),
        (Flavour.MARIADB, "BINLOG MONITOR", ["GRANT SLAVE MONITOR ON *.* TO 'u2'@'127.0.0.1'"]),
        (Flavour.MARIADB, "SLAVE MONITOR", ["GRANT BINLOG MONITOR ON *.* TO 'u3'@'127.0.0.1'"]),
        (Flavour.MARIADB, "role active", []),
        (Flavour.MARIADB, "too much", []),
        (
            Flavour.MYSQL,
            "role inactive",
            [
                "GRANT REPLICATION CLIENT ON *.* TO 'u1'@'localhost'",
                "GRANT SELECT ON performance_schema.* TO 'u1'@'localhost'",
            ],
        ),
        (Flavour.MYSQL, "role active", ["GRANT SELECT ON performance_schema.* TO 'u2'@'localhost'"]),
        (Flavour.MYSQL, "too much", []),
        (Flavour.MYSQL, "root", []),
    ],
)
def test_a_right_that_is_missing_is_told_as_it_is_typed(
    flavour: Flavour, account: str, missing: list[str]
) -> None:
    assert list(recorded(flavour, account).missing) == missing


def test_select_on_one_table_of_the_performance_schema_is_not_enough_and_on_all_that_are_read_is() -> None:
    assert (
        "GRANT SELECT ON performance_schema.* TO 'u5'@'localhost'"
        in recorded(Flavour.MYSQL, "one table").missing
    )
    rows = [f"GRANT SELECT ON `performance_schema`.`{table}` TO `w`@`%`" for table in TABLES]
    client = "GRANT REPLICATION CLIENT ON *.* TO `w`@`%`"
    assert rights([client, *rows], Flavour.MYSQL, "8.4.5") == Rights()
    assert rights([client, *rows[1:]], Flavour.MYSQL, "8.4.5").missing
    everything = "GRANT SELECT ON `performance_schema`.* TO `w`@`%`"
    assert rights([client, everything], Flavour.MYSQL, "8.4.5") == Rights()


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        ("10.5.1-MariaDB", "REPLICATION CLIENT"),
        ("10.5.2-MariaDB", "SLAVE MONITOR, BINLOG MONITOR"),
        ("11.8.3-MariaDB-log", "SLAVE MONITOR, BINLOG MONITOR"),
        ("some fork of MariaDB", "SLAVE MONITOR, BINLOG MONITOR"),
    ],
)
def test_the_rights_that_a_mariadb_needs_go_by_its_version(version: str, missing: str) -> None:
    found = rights(["GRANT USAGE ON *.* TO `w`@`%`"], version=version)
    assert found.missing == (f"GRANT {missing} ON *.* TO 'w'@'%'",)


@pytest.mark.parametrize(
    ("row", "enough"),
    [
        ("GRANT SELECT ON `dialtone`.`heartbeat` TO `w`@`%`", True),
        ("GRANT SELECT (`server_id`, `ts`) ON `dialtone`.`heartbeat` TO `w`@`%`", True),
        ("GRANT SELECT ON `dialtone`.* TO `w`@`%`", True),
        ("GRANT SELECT ON *.* TO `w`@`%`", True),
        ("GRANT ALL PRIVILEGES ON `dial%`.* TO `w`@`%`", True),
        ("GRANT SELECT ON `dialton_`.* TO `w`@`%`", True),
        ("GRANT SELECT ON `dial\\_one`.* TO `w`@`%`", False),
        ("GRANT SELECT ON `dialtone2`.* TO `w`@`%`", False),
        ("GRANT SELECT ON `dialtone`.`heartbeats` TO `w`@`%`", False),
        ("GRANT INSERT ON `dialtone`.`heartbeat` TO `w`@`%`", False),
        ("GRANT EXECUTE ON PROCEDURE `dialtone`.`heartbeat` TO `w`@`%`", False),
    ],
)
def test_the_table_of_heartbeats_needs_select_where_there_is_one(row: str, enough: bool) -> None:
    rows = ["GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO `w`@`%`", row]
    wanted = () if enough else ("GRANT SELECT ON dialtone.heartbeat TO 'w'@'%'",)
    assert rights(rows, heartbeat=_HEARTBEAT).missing == wanted
    assert rights(rows).missing == ()


def test_a_role_that_is_not_active_is_named_beside_what_is_missing() -> None:
    found = recorded(Flavour.MARIADB, "role inactive")
    assert found.roles == ("outer1",)
    assert "or make its role active by default: outer1" in note(found)
    assert recorded(Flavour.MARIADB, "role active").roles == ()
    assert note(recorded(Flavour.MARIADB, "role active", _HEARTBEAT)) == ""


@pytest.mark.parametrize(
    ("flavour", "account", "spare"),
    [
        (Flavour.MARIADB, "role active", []),
        (Flavour.MARIADB, "REPLICATION SLAVE", ["REPLICATION SLAVE on *.*"]),
        (Flavour.MARIADB, "role inactive", ["ALL PRIVILEGES on dialtone.*", "INSERT on dialtone.heartbeat"]),
        (
            Flavour.MARIADB,
            "too much",
            [
                *("GRANT OPTION on dialtone.*", "SUPER on *.*", "FILE on *.*", "SELECT on *.*"),
                *("CREATE USER on *.*", "EXECUTE on dialtone.*", "PROXY on *.*"),
            ],
        ),
        (
            Flavour.MYSQL,
            "too much",
            [
                *("GRANT OPTION on *.*", "GRANT OPTION on dialtone.*", "SUPER on *.*", "FILE on *.*"),
                *("SELECT on *.*", "CREATE USER on *.*", "BACKUP_ADMIN on *.*"),
                *("SYSTEM_VARIABLES_ADMIN on *.*", "EXECUTE on dialtone.*", "PROXY on *.*"),
            ],
        ),
    ],
)
def test_what_a_watcher_does_not_need_is_named_the_worst_first(
    flavour: Flavour, account: str, spare: list[str]
) -> None:
    assert list(recorded(flavour, account).spare) == spare


@pytest.mark.parametrize(
    ("row", "spare"),
    [
        ("GRANT ALL PRIVILEGES ON *.* TO `w`@`%` WITH GRANT OPTION", ("ALL PRIVILEGES", "GRANT OPTION")),
        ("GRANT SELECT ON `mysql`.* TO `w`@`%`", ("SELECT on mysql.*",)),
        ("GRANT SELECT ON `m%`.* TO `w`@`%`", ("SELECT on m%.*",)),
        ("GRANT SELECT, PROCESS, SHOW VIEW ON `db`.* TO `w`@`%`", ()),
        ("GRANT SOME_NEW_ADMIN ON *.* TO 'w'@'%'", ("SOME_NEW_ADMIN on *.*",)),
    ],
)
def test_what_only_looks_is_no_more_than_needed_and_the_unknown_is(row: str, spare: tuple[str, ...]) -> None:
    found = rights([row]).spare
    assert len(found) == len(spare)
    assert all(text.startswith(start) for text, start in zip(found, spare, strict=True))


def test_the_note_is_one_short_line_however_much_there_is() -> None:
    found = recorded(Flavour.MYSQL, "root")
    assert len(found.spare) > 20
    text = note(found)
    assert text.startswith("more than a watcher needs: GRANT OPTION on *.*, SUPER on *.*, FILE on *.*")
    assert "more" in text.rsplit(",", 1)[-1]
    assert len(text) <= 300


def test_no_hash_of_a_password_is_ever_shown() -> None:
    for server in _RECORDED.values():
        for account, rows in server["grants"].items():
            for flavour in Flavour:
                told = repr(rights(rows, flavour, server["version"], "x.y")) + note(rights(rows, flavour))
                assert "PASSWORD" not in told, account
                assert not any(word.startswith("*") and len(word) > 8 for word in told.split())
    odd = "GRANT USAGE ON *.* TO `w`@`%` IDENTIFIED VIA ed25519 USING 'h4sh' OR unix_socket REQUIRE SSL"
    assert "h4sh" not in repr(rights([odd]))


@pytest.mark.parametrize("name", ["x'; DROP TABLE y; --", "x`y", "a b", "x" * 200, "é\x1b[2J"])
def test_an_account_whose_name_could_do_harm_where_it_is_typed_is_not_repeated(name: str) -> None:
    quoted = name.replace("`", "``")
    found = rights([f"GRANT USAGE ON *.* TO `{quoted}`@`%`"])
    assert found.missing == ("GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO its account",)


@pytest.mark.parametrize(
    "row",
    ["", "GRANT", "GRANT TO", "GRANT SELECT ON", "GRANT SELECT ON `a`.`b", "SELECT 1", "GRANT ALL TO TO"],
)
def test_a_row_that_is_not_understood_gives_no_right(row: str) -> None:
    assert rights([row]).missing == ("GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO its account",)
    assert rights([row]).spare == ()
    assert rights_of([], Flavour.MYSQL, "").missing
    assert rights_of([{}, {"a": None}], Flavour.MYSQL, "8.0.40").missing


_PIECES: Final = st.sampled_from(
    [
        "GRANT ",
        "SELECT",
        ", ",
        " ON ",
        " TO ",
        "*",
        ".",
        "`a`",
        "'b'",
        "@",
        "(",
        ")",
        "%",
        "\\",
        "`",
        "é",
        " ",
    ]
)


@given(st.lists(st.lists(_PIECES, max_size=30).map("".join), max_size=5), st.sampled_from(Flavour))
def test_whatever_a_server_says_is_only_text(texts: list[str], flavour: Flavour) -> None:
    found = rights(texts, flavour, heartbeat=_HEARTBEAT)
    assert len(note(found)) <= 300
    assert note(found).isprintable()


def test_a_row_without_end_takes_no_time() -> None:
    for long in ("GRANT " + "SELECT, " * 500_000, "GRANT `" + "``" * 500_000, "GRANT (" * 200_000):
        assert rights([long] * 20).missing
    pattern = "%a" * 5000
    row = f"GRANT SELECT ON `{pattern}`.* TO `w`@`%`"
    assert len(rights([row] * 500, heartbeat=f"{'a' * 64}.{'b' * 64}").missing) == 2


HAS: Final = Result([{"Grants": "GRANT SLAVE MONITOR, BINLOG MONITOR, SUPER ON *.* TO `w`@`%`"}])
ENOUGH: Final = "more than a watcher needs: SUPER on *.*"


async def read(server: FakeMysql, flavour: Flavour = Flavour.MARIADB) -> str:
    """The note that a server's answer gives."""
    client = MysqlClient(
        server.endpoint, username="w", password=None, deadline=5.0, statements=frozenset({GRANTS})
    )
    async with client.session() as session:
        return await read_note(session, flavour, "10.11.14-MariaDB")


async def test_a_server_that_shows_no_grants_is_no_trouble() -> None:
    server = FakeMysql({GRANTS: Refusal(1141, "There is no such grant defined")})
    async with server.running():
        assert await read(server) == ""
    assert server.statements == [GRANTS]


async def test_a_mariadb_is_not_asked_where_others_may_read_the_hash_of_our_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = FakeMysql({GRANTS: HAS})
    monkeypatch.setattr(Session, "private", property(lambda _: False))
    async with server.running():
        assert await read(server) == ""
        assert server.statements == []
        assert await read(server, Flavour.MYSQL), "which keeps it to itself"
        monkeypatch.undo()
        assert await read(server) == ENOUGH
