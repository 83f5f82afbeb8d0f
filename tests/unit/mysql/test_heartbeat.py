"""The writer of heartbeats against a server on a real socket that says no in every way; no time passes."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from collectors.mysql.heartbeat import (
    FIXED,
    HANGING,
    NO_ROLE,
    RIGHTS,
    SERVER_ID,
    SETTINGS,
    Heart,
    beat_statement,
    setup_sql,
)
from dialtone.model import Node, NodeKind, Secret
from tests.fakes.mysql import HANG_UP, SILENCE, Answer, FakeMysql, Ok, Refusal, Result

PASSWORD: Final = "s3cr3t-beat"
TABLE: Final = "dialtone.heartbeat"
BEAT: Final = beat_statement(TABLE, 7)
OPENING: Final = [SETTINGS, HANGING, SERVER_ID, NO_ROLE, RIGHTS]
READ_ONLY: Final = Refusal(1290, "The MySQL server is running with the --read-only option")

Log = Sequence[Mapping[str, Any]]


class Naps:
    """A clock on which everybody's sleep is over at once, so many times; `over` is set at the one after.

    `slept` are the seconds that were asked for. A sleep takes longer by what `late` has for its number, and
    `at` has what happens in it.
    """

    def __init__(
        self,
        count: int,
        *,
        late: Mapping[int, float] | None = None,
        at: Mapping[int, Callable[[], object]] | None = None,
    ) -> None:
        self.slept: list[float] = []
        self.over = asyncio.Event()
        self._count = count
        self._late = late or {}
        self._at = at or {}
        self._time = 1000.0

    def now(self) -> datetime:
        """Return no wall clock worth the name."""
        return datetime.fromtimestamp(self._time, UTC)

    def monotonic(self) -> float:
        """Return the seconds that were slept, and a thousand."""
        return self._time

    async def sleep(self, seconds: float) -> None:
        """Take a nap."""
        number = len(self.slept)
        if number == self._count:
            self.over.set()
            await asyncio.Event().wait()
        self.slept.append(seconds)
        self._time += seconds + self._late.get(number, 0.0)
        self._at.get(number, lambda: None)()
        await asyncio.sleep(0)

    def alarm(self, seconds: float, ring: Callable[[], object]) -> Callable[[], None]:
        """Nobody asks for one."""
        raise NotImplementedError


def answers(**changes: Answer) -> dict[str, Answer]:
    """What a server says that is as it should be; `beat`, `rights`, `role`, `server_id` may differ."""
    return {
        SETTINGS: Ok(),
        HANGING: changes.get("hanging", hanging(0)),
        SERVER_ID: changes.get("server_id", Result([{"server_id": "7"}])),
        NO_ROLE: changes.get("role", Ok()),
        RIGHTS: changes.get("rights", Result([])),
        BEAT: changes.get("beat", Ok()),
    }


def hanging(count: int) -> Result:
    """So many sessions of ours in which something is under way."""
    return Result([{"hanging": str(count)}])


def rights(*found: tuple[str, str]) -> Result:
    """What RIGHTS tells somebody who is heartbeat@10.0.0.1: grantee and privilege."""
    return Result([{"me": "heartbeat@10.0.0.1", "grantee": who, "privilege": what} for who, what in found])


async def beats(server: FakeMysql, clock: Naps, *, every: str = "1", **options: str) -> Log:
    """Let a heart beat until its naps are over; return what it logged, the password nowhere in it."""
    node = Node(
        "db1",
        NodeKind.MYSQL,
        server.endpoint,
        username="dialtone",
        options={"heartbeat": TABLE, "heartbeat_every": every} | options,
    )
    heart = Heart(node, "heartbeat", Secret(PASSWORD), clock)
    with capture_logs() as log:
        task = asyncio.create_task(heart.run())
        async with asyncio.timeout(30):
            await asyncio.wait(
                [task, over := asyncio.create_task(clock.over.wait())], return_when="FIRST_COMPLETED"
            )
        assert over.done(), task.exception()
        over.cancel()
        task.cancel()
        await asyncio.gather(task, over, return_exceptions=True)
    assert PASSWORD not in repr(log)
    return log


def events(log: Log) -> list[str]:
    return [line["event"].removeprefix("heartbeat.") for line in log]


async def test_a_heart_beats_in_its_servers_own_row_over_one_connection() -> None:
    server, clock = FakeMysql(answers()), Naps(6)
    async with server.running():
        log = await beats(server, clock)
    # The first connection only asks whose server this is.
    assert server.statements == [*OPENING, *OPENING, *[BEAT] * 5]
    assert len(server.logins) == 2
    assert clock.slept == [0, 0, 1, 1, 1, 1]
    (line,) = log
    assert (line["event"], line["log_level"]) == ("heartbeat.beats", "info")
    assert (line["node"], line["table"], line["server_id"], line["every"]) == ("db1", TABLE, 7, 1.0)


async def test_a_late_beat_makes_no_next_one_early_and_there_is_no_burst_after_a_pause() -> None:
    server, clock = FakeMysql(answers()), Naps(9, late={2: 0.25, 4: 60.0, 6: 0.5})
    async with server.running():
        await beats(server, clock)
    assert clock.slept == [0, 0, 1, 0.75, 1, 1, 1, 0.5, 1]


async def test_a_read_only_server_is_tried_at_the_interval_and_told_of_once() -> None:
    given = answers(beat=READ_ONLY)
    clock = Naps(9, at={6: lambda: given.update({BEAT: Ok()})})
    server = FakeMysql(given)
    async with server.running():
        log = await beats(server, clock, every="0.5")
    assert clock.slept == [0, 0, *[0.5] * 7]
    assert len(server.logins) == 2
    assert [(line["event"], line["log_level"]) for line in log] == [
        ("heartbeat.read-only", "info"),
        ("heartbeat.beats", "info"),
    ]


async def test_who_becomes_read_only_is_left_alone_on_the_same_connection() -> None:
    given = answers()
    clock = Naps(8, at={4: lambda: given.update({BEAT: Refusal(1836, "Running in read-only mode")})})
    server = FakeMysql(given)
    async with server.running():
        assert events(await beats(server, clock)) == ["beats", "read-only"]
    assert len(server.logins) == 2


@pytest.mark.parametrize("privilege", ["SUPER", "READ_ONLY ADMIN", "CONNECTION_ADMIN"])
async def test_an_account_that_may_write_through_read_only_never_writes(privilege: str) -> None:
    given = answers(rights=rights(("'root'@'localhost'", "SUPER"), ("'heartbeat'@'10.0.0.1'", privilege)))
    server, clock = FakeMysql(given), Naps(3)
    async with server.running():
        (line,) = await beats(server, clock)
    assert server.statements == OPENING * 3
    assert clock.slept == [0, 30, 30]
    assert (line["event"], line["failure"]) == ("heartbeat.fails", "denied")
    assert line["error"].startswith(
        f"heartbeat@10.0.0.1 may write to a server that is read_only ({privilege})"
    )
    assert line["error"].endswith(f"leave it SELECT, INSERT and UPDATE on {TABLE} alone")


async def test_the_rights_of_others_are_not_ours() -> None:
    found = rights(("'root'@'localhost'", "SUPER"), ("'heartbeat'@'%'", "SUPER"))
    server = FakeMysql(answers(rights=found))
    async with server.running():
        assert events(await beats(server, Naps(3))) == ["beats"]


async def test_a_server_without_roles_has_none_to_give_up() -> None:
    server = FakeMysql(answers(role=Refusal(1064, "near 'NONE'")))
    async with server.running():
        assert events(await beats(server, Naps(3))) == ["beats"]


async def test_a_role_that_can_not_be_given_up_is_a_failure() -> None:
    server = FakeMysql(answers(role=Refusal(1227, "you need some privilege")))
    async with server.running():
        (line,) = await beats(server, Naps(2))
    assert (line["failure"], BEAT in server.statements) == ("denied", False)


@pytest.mark.parametrize(
    ("code", "failure"), [(1146, "server"), (1049, "server"), (1054, "server"), (1142, "denied")]
)
async def test_a_table_that_is_missing_or_not_ours_is_told_with_what_mends_it(
    code: int, failure: str
) -> None:
    given = answers(beat=Refusal(code, "no"))
    clock = Naps(6, at={5: lambda: given.update({BEAT: Ok()})})
    server = FakeMysql(given)
    async with server.running():
        wrong, right = await beats(server, clock)
    assert clock.slept == [0, 0, 10, 10, 10, 10]
    assert (wrong["failure"], right["event"]) == (failure, "heartbeat.beats")
    assert wrong["error"].endswith("`--sql` prints what makes it right")
    if failure == "denied":
        assert (
            f"(grant SELECT, INSERT and UPDATE on {TABLE}, to the user and not to a role)" in wrong["error"]
        )


async def test_who_beats_the_row_of_another_writer_gives_way_and_says_why() -> None:
    given = answers(beat=Refusal(1213, "Deadlock found"))
    clock = Naps(7, at={6: lambda: given.update({BEAT: Ok()})})
    server = FakeMysql(given)
    async with server.running():
        wrong, right = await beats(server, clock)
    assert max(clock.slept) == 30
    assert (wrong["event"], right["event"]) == ("heartbeat.fails", "heartbeat.beats")
    assert "another writer beats the row of server_id" in wrong["error"]


async def test_a_lock_holds_beats_up_and_the_session_goes_on() -> None:
    given = answers(beat=Refusal(1205, "Lock wait timeout exceeded"))
    clock = Naps(6, at={5: lambda: given.update({BEAT: Ok()})})
    server = FakeMysql(given)
    async with server.running():
        assert events(await beats(server, clock)) == ["fails", "beats"]
    assert clock.slept == [0, 0, 1, 1, 1, 1]
    assert len(server.logins) == 2


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who beats often gives up a statement after 0.1 s."""
    monkeypatch.setattr("collectors.mysql.heartbeat._DEADLINE", 0.1)


@pytest.mark.usefixtures("impatient")
async def test_while_the_server_does_not_finish_a_beat_none_other_is_sent_and_that_is_told_once() -> None:
    given = answers()

    def hang() -> None:
        given.update({BEAT: SILENCE, HANGING: hanging(1)})

    clock = Naps(14, at={2: hang, 10: lambda: given.update({BEAT: Ok(), HANGING: hanging(0)})})
    server = FakeMysql(given)
    async with server.running():
        log = await beats(server, clock, every="0.125")
    assert clock.slept == [0, 0, 0.125, 0, 1, 2, 4, 8, 16, 30, 30, *[0.125] * 3]
    assert events(log) == ["beats", "fails", "waits", "beats"]
    assert log[2]["detail"].startswith("the server doesn't finish a beat (1 of this account's sessions)")
    assert len(server.logins) == 3, "one to look whose server it is, one that hangs, one that waits"
    assert server.statements.count(BEAT) == 2 + 4


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_never_finishes_a_beat_has_two_sessions_of_ours() -> None:
    given = answers(beat=SILENCE)
    clock = Naps(200, at={2: lambda: given.update({HANGING: hanging(1)})})
    server = FakeMysql(given)
    async with server.running():
        log = await beats(server, clock, every="0.1")
    assert (server.statements.count(BEAT), len(server.logins)) == (1, 3)
    assert events(log) == ["fails", "waits"]


async def test_a_beat_that_an_earlier_writer_left_hanging_is_waited_for_too() -> None:
    server = FakeMysql(answers(hanging=hanging(1)))
    async with server.running():
        assert events(await beats(server, Naps(9))) == ["waits"]
    assert BEAT not in server.statements
    assert len(server.logins) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_does_not_say_what_hangs_is_beaten_ever_more_seldom() -> None:
    given = answers(hanging=Refusal(1142, "denied"))
    looks = [1, 2, 4, 8, 16]
    naps = [0, 0, 0.125, 0, *looks, 0.5, *looks, 30, 1, *looks, 30, 30, 30, 2, *looks, *[30] * 7]
    naps += [4, *looks, *[30] * 15, 8, *looks, *[30] * 19, 10, *looks, *[30] * 19, 10]
    clock = Naps(len(naps), at={2: lambda: given.update({BEAT: SILENCE})})
    server = FakeMysql(given)
    async with server.running():
        log = await beats(server, clock, every="0.125")
    assert clock.slept == naps
    assert server.statements.count(BEAT) == 1 + 8
    assert events(log) == ["beats", "fails", "waits"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("statement", [HANGING, RIGHTS])
async def test_a_question_that_is_not_answered_is_asked_ever_more_seldom_too(statement: str) -> None:
    server, clock = FakeMysql(answers() | {statement: SILENCE}), Naps(8)
    async with server.running():
        assert events(await beats(server, clock, every="0.1")) == ["fails"]
    assert clock.slept == [0, 30, 60, 120, 240, 480, 600, 600]


async def test_what_is_no_number_of_sessions_is_a_protocol_error() -> None:
    for rows in ([], [{"hanging": None}], [{"hanging": "-1"}], [{"hanging": "1"}, {"hanging": "2"}]):
        server = FakeMysql(answers(hanging=Result(rows)))
        async with server.running():
            (line,) = await beats(server, Naps(2))
        assert (line["event"], line["failure"]) == ("heartbeat.fails", "protocol")
        assert BEAT not in server.statements


async def test_a_server_id_of_0_has_no_row() -> None:
    server = FakeMysql(answers(server_id=Result([{"server_id": "0"}])))
    async with server.running():
        (line,) = await beats(server, Naps(3))
    assert "server_id is 0" in line["error"]
    assert BEAT not in server.statements


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"server_id": None}],
        [{"server_id": "-7"}],
        [{"server_id": "7; DROP TABLE x"}],
        [{"server_id": "٧"}],
        [{"server_id": "9" * 5000}],
        [{"other": "7"}],
        [{"server_id": "7"}, {"server_id": "8"}],
    ],
    ids=str,
)
async def test_a_reply_that_is_no_server_id_is_a_protocol_error(rows: list[dict[str, str | None]]) -> None:
    server = FakeMysql(answers(server_id=Result(rows)))
    async with server.running():
        (line,) = await beats(server, Naps(3))
    assert (line["event"], line["failure"]) == ("heartbeat.fails", "protocol")
    assert not [statement for statement in server.statements if statement.startswith("INSERT")]


async def test_an_address_that_leads_to_another_server_changes_the_row_and_is_told() -> None:
    given = answers()
    server = FakeMysql(given)

    def fail_over() -> None:
        given[SERVER_ID] = Result([{"server_id": "8"}])
        given[beat_statement(TABLE, 8)] = Ok()
        server.hang_up()

    clock = Naps(9, at={4: fail_over})
    async with server.running():
        log = await beats(server, clock)
    assert [line["server_id"] for line in log if line["event"] == "heartbeat.beats"] == [7, 8]
    assert [line["failure"] for line in log if line["event"] == "heartbeat.fails"] == ["connect", "protocol"]
    written = [statement for statement in server.statements if statement.startswith("INSERT")]
    assert (written[0], written[-1]) == (BEAT, beat_statement(TABLE, 8))
    assert written == sorted(written), "never 7 again, for it is not there"


async def test_a_lost_connection_is_made_again_at_once() -> None:
    server = FakeMysql(answers())
    clock = Naps(8, at={4: server.hang_up})
    async with server.running():
        log = await beats(server, clock)
    assert events(log) == ["beats", "fails", "beats"]
    assert clock.slept == [0, 0, 1, 1, 1, 0, 1, 1]
    assert len(server.logins) == 3


async def test_a_server_that_is_away_is_tried_less_and_less_and_told_of_once() -> None:
    server, clock = FakeMysql(answers()), Naps(9)
    async with server.running():
        pass
    (line,) = await beats(server, clock)
    assert clock.slept == [0, 0.5, 1, 2, 4, 8, 10, 10, 10]
    assert (line["failure"], line["log_level"]) == ("connect", "warning")


async def test_a_server_that_drops_who_comes_in_is_not_hammered() -> None:
    server, clock = FakeMysql(answers() | {SETTINGS: HANG_UP}), Naps(5)
    async with server.running():
        (line,) = await beats(server, clock)
    assert clock.slept == [0, 0.5, 1, 2, 4]
    assert line["failure"] == "connect"


async def test_refused_credentials_are_tried_with_restraint() -> None:
    server, clock = FakeMysql(login=Refusal(1045, "Access denied (using password: YES)")), Naps(4)
    async with server.running():
        (line,) = await beats(server, clock)
    assert clock.slept == [0, 30, 30, 30]
    assert line["failure"] == "auth"


async def test_a_node_with_tls_is_not_beaten_in_clear() -> None:
    server = FakeMysql(answers())
    async with server.running():
        (line,) = await beats(server, Naps(2), tls="on")
    assert (line["event"], line["failure"]) == ("heartbeat.fails", "tls")
    assert (server.logins, server.statements) == ([], [])


async def test_another_reason_is_told_and_one_that_was_told_not_repeated_until_it_has_beaten_again() -> None:
    denied, full = Refusal(1045, "Access denied"), Refusal(1040, "Too many connections")
    server = FakeMysql(answers(), login=denied)

    def login(answer: Answer | None) -> Callable[[], None]:
        return lambda: setattr(server, "login", answer)

    def lose() -> None:
        server.login = denied
        server.hang_up()

    clock = Naps(
        14, at={2: login(full), 3: login(denied), 4: login(full), 6: login(None), 9: lose, 11: login(full)}
    )
    async with server.running():
        log = await beats(server, clock)
    first, second = ["auth", "server"], ["connect", "auth", "server"]
    assert [line.get("failure", "beats") for line in log] == [*first, "beats", *second]


def test_the_beat_has_its_id_as_a_number_and_no_word_that_mysql_gives_up() -> None:
    assert BEAT == (
        "INSERT INTO `dialtone`.`heartbeat` (server_id, ts) VALUES (7, UTC_TIMESTAMP(6))"
        " ON DUPLICATE KEY UPDATE ts = UTC_TIMESTAMP(6)"
    )


def test_all_else_that_is_sent_writes_nothing() -> None:
    assert not [one for one in FIXED if not re.match(r"SELECT |SET SESSION |SET ROLE NONE$", one)]


@pytest.mark.parametrize("table", ["heartbeat", "a.b.c", "a.b; DROP TABLE c", "a.`b`", "a.b ", ""])
def test_what_is_no_table_is_in_no_statement(table: str) -> None:
    with pytest.raises(ValueError, match="is not a table"):
        beat_statement(table, 1)
    with pytest.raises(ValueError, match="is not a table"):
        setup_sql(table, "heartbeat", "dialtone")


def test_the_sql_makes_the_table_and_gives_no_right_but_to_it() -> None:
    lines = setup_sql(TABLE, "heart'beat", "dialtone").splitlines()
    grants = [line for line in lines if line.startswith("GRANT")]
    assert grants == [
        "GRANT SELECT, INSERT, UPDATE ON `dialtone`.`heartbeat` TO 'heart''beat'@<host>;",
        "GRANT SELECT ON `dialtone`.`heartbeat` TO 'dialtone'@<host>;",
    ]
    assert "CREATE USER 'heart''beat'@<host> IDENTIFIED BY <password>;" in lines
