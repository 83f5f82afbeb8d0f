"""The client against a server on a real socket that hangs, lies, floods, refuses and eavesdrops."""

import asyncio
import re
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest

from collectors.mysqlclient import MAX_SESSION_BYTES, MysqlClient, RefusedError
from collectors.mysqlclient.tls import tls_of
from dialtone.model import CollectError, CollectFailure, Secret, TlsPlan
from tests.fakes.mysql import (
    HANG_UP,
    SILENCE,
    Answer,
    FakeMysql,
    Ok,
    Raw,
    Refusal,
    Result,
    column,
    packet,
)

PASSWORD = "s3cr3t-Ω"
SERVER = "SELECT VERSION() AS version, @@GLOBAL.read_only AS read_only, @@GLOBAL.server_id AS id"
REPLICA = "SHOW REPLICA STATUS"
STATEMENTS = frozenset({SERVER, REPLICA})
BEAT = "REPLACE INTO dialtone.heartbeat VALUES (1)"
ROW = {"version": "9.7.4", "read_only": "1", "accents": "é", "nothing": None}
A_RESULT = packet(1, b"\x01") + packet(2, column("version")) + packet(3, b"\xfe\0\0\2\0")


def client(
    server: FakeMysql,
    *,
    deadline: float = 5.0,
    tls: TlsPlan | None = None,
    host: str = "127.0.0.1",
    most: int = MAX_SESSION_BYTES,
    most_packet: int = MAX_SESSION_BYTES,
) -> MysqlClient:
    """A client of that server."""
    return MysqlClient(
        f"mysql://{host}:{server.port}",
        username="dialtone",
        password=Secret(PASSWORD),
        deadline=deadline,
        tls=tls,
        statements=STATEMENTS | {BEAT},
        most=most,
        most_packet=most_packet,
    )


async def failure_of(reader: MysqlClient, statement: str = SERVER) -> CollectError:
    """Ask once; return how it failed."""
    with pytest.raises(CollectError) as raised:
        async with reader.session() as session:
            await session.rows(statement)
    assert PASSWORD not in str(raised.value)
    assert "\n" not in str(raised.value)
    return raised.value


async def test_rows_come_with_their_names_and_the_server_is_told_goodbye() -> None:
    server = FakeMysql({SERVER: Result([ROW])})
    async with server.running():
        async with client(server).session() as session:
            assert await session.rows(SERVER) == [ROW]
        await server.left.wait()
    assert (server.statements, server.goodbyes) == ([SERVER], 1)


async def test_a_statement_off_the_list_is_not_sent() -> None:
    server = FakeMysql()
    async with server.running(), client(server).session() as session:
        with pytest.raises(ValueError, match="not on the list"):
            await session.rows("DROP TABLE subscriber")
    assert server.statements == []


async def test_warnings_are_not_asked_for_by_a_statement_of_the_drivers_own() -> None:
    server = FakeMysql({SERVER: Result([ROW], warnings=3)})
    async with server.running(), client(server).session() as session:
        assert await session.rows(SERVER) == [ROW]
    assert server.statements == [SERVER]


@pytest.mark.parametrize(
    ("login", "failure"),
    [
        (
            Refusal(1045, "Access denied for user 'dialtone'@'127.0.0.1' (using password: YES)"),
            CollectFailure.AUTH,
        ),
        (Refusal(1698, "Access denied for user 'dialtone'@'127.0.0.1'"), CollectFailure.AUTH),
        (Refusal(1130, "Host '127.0.0.1' is not allowed to connect"), CollectFailure.AUTH),
        (Refusal(1040, "Too many connections"), CollectFailure.SERVER),
        (Refusal(3159, "Connections using insecure transport are prohibited"), CollectFailure.TLS),
        (HANG_UP, CollectFailure.CONNECT),
        (SILENCE, CollectFailure.TIMEOUT),
    ],
)
async def test_a_login_that_fails_says_why(login: Answer, failure: CollectFailure) -> None:
    server = FakeMysql(login=login)
    async with server.running():
        error = await failure_of(client(server, deadline=0.2 if login is SILENCE else 5.0))
    assert error.failure is failure
    assert f"127.0.0.1:{server.port}" in error.detail
    if isinstance(login, Refusal) and login.code:
        assert login.text in error.detail


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Refusal(1227, "Access denied; you need SLAVE MONITOR"), CollectFailure.DENIED),
        (Refusal(1142, "SELECT command denied"), CollectFailure.DENIED),
        (
            Refusal(1969, "Query execution was interrupted (max_statement_time exceeded)"),
            CollectFailure.SERVER,
        ),
        (Refusal(3024, "maximum statement execution time exceeded"), CollectFailure.SERVER),
        (Refusal(1317, "Query execution was interrupted"), CollectFailure.SERVER),
        (HANG_UP, CollectFailure.CONNECT),
        (SILENCE, CollectFailure.SERVER),  # it let us in
        (Raw(A_RESULT), CollectFailure.SERVER),
        (Raw(packet(1, b"\xfb/etc/passwd")), CollectFailure.PROTOCOL),  # LOAD DATA LOCAL
        (Raw(packet(9, b"\x01")), CollectFailure.PROTOCOL),  # out of sequence
        (Raw(packet(1, b"\x01") + packet(2, b"\x03def")), CollectFailure.PROTOCOL),  # half a column
        (Raw(A_RESULT + packet(4, b"\x20short")), CollectFailure.PROTOCOL),
        (Raw(A_RESULT + packet(4, b"\xfd\xff\xff\xff")), CollectFailure.PROTOCOL),
        (Raw(packet(1, b"\x00\x00\x00\x02\x00\x00\x00")), CollectFailure.PROTOCOL),  # OK: no rows at all
        (Raw(A_RESULT + packet(4, b"\xff\x25\x05#70100interrupted")), CollectFailure.SERVER),
        (Raw(b"\xff\xff\xff\x01"), CollectFailure.TOO_LARGE),  # announces 16 MiB
    ],
)
async def test_a_statement_that_fails_says_why(answer: Answer, failure: CollectFailure) -> None:
    server = FakeMysql({SERVER: answer})
    async with server.running():
        error = await failure_of(client(server, deadline=0.2 if failure is CollectFailure.SERVER else 5.0))
    assert error.failure is failure


async def test_a_refused_statement_leaves_the_session_usable() -> None:
    server = FakeMysql({SERVER: Result([ROW])})
    async with server.running(), client(server).session() as session:
        with pytest.raises(RefusedError) as raised:
            await session.rows(REPLICA)
        assert raised.value.code == 1064
        assert await session.rows(SERVER) == [ROW]


@pytest.mark.parametrize(
    "greeting",
    [
        Raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        Raw(packet(0, b"\x0a8.0\0")),
    ],
)
async def test_something_else_on_that_port_is_not_taken_for_a_server(greeting: Raw) -> None:
    server = FakeMysql(greeting=greeting)
    async with server.running():
        error = await failure_of(client(server, deadline=0.5))
    assert error.failure in (CollectFailure.PROTOCOL, CollectFailure.TOO_LARGE, CollectFailure.TIMEOUT)


async def test_a_server_that_never_stops_sending_rows_is_stopped() -> None:
    server = FakeMysql({SERVER: Result([{"version": "x" * 10_000}], endless=True)})
    async with server.running():
        error = await failure_of(client(server))
    assert error.failure is CollectFailure.TOO_LARGE


async def test_a_result_over_the_limit_is_refused() -> None:
    many = Result([{"version": "x" * 1000, "read_only": "0"}] * (MAX_SESSION_BYTES // 1000 + 100))
    server = FakeMysql({SERVER: many})
    async with server.running():
        error = await failure_of(client(server))
    assert (error.failure, "1024 KiB" in error.detail) == (CollectFailure.TOO_LARGE, True)


async def test_a_result_just_under_the_limit_is_read() -> None:
    many = Result([{"version": "x" * 1000, "read_only": "0"}] * (MAX_SESSION_BYTES // 1000 - 100))
    server = FakeMysql({SERVER: many})
    async with server.running(), client(server).session() as session:
        assert len(await session.rows(SERVER)) == len(many.rows)


async def test_a_row_over_the_limit_is_refused_before_it_has_come_whole() -> None:
    """A packet of 16 MiB less a byte says that another follows: without end, were all of them waited for."""
    part = b"\xff\xff\xff\x04" + b"x" * 100_000
    server = FakeMysql({SERVER: Raw(A_RESULT + part)})
    async with server.running():
        reader = client(server, most=2**30, most_packet=64 * 1024)
        error = await failure_of(reader)
    assert (error.failure, "64 KiB in one row" in error.detail) == (CollectFailure.TOO_LARGE, True)


@pytest.mark.parametrize(("size", "fits"), [(64_000, True), (66_000, False)])
async def test_the_limit_of_a_row_is_for_each(size: int, fits: bool) -> None:
    server = FakeMysql({SERVER: Result([{"version": "x" * (size // 2), "host": "x" * (size // 2)}] * 5)})
    async with server.running():
        reader = client(server, most=2**30, most_packet=64 * 1024)
        if fits:
            async with reader.session() as session:
                assert len(await session.rows(SERVER)) == 5
        else:
            assert (await failure_of(reader)).failure is CollectFailure.TOO_LARGE


async def test_rows_without_a_column_that_must_be_there_are_refused() -> None:
    server = FakeMysql({SERVER: Result([ROW])})
    async with server.running(), client(server).session() as session:
        assert await session.rows(SERVER, ("version", "nothing")) == [ROW]
        with pytest.raises(CollectError, match="no column hostname") as raised:
            await session.rows(SERVER, ("version", "hostname"))
    assert raised.value.failure is CollectFailure.PROTOCOL


async def test_a_refused_port_is_connect() -> None:
    server = FakeMysql()
    async with server.running():
        pass
    assert (await failure_of(client(server))).failure is CollectFailure.CONNECT


async def test_a_name_that_does_not_resolve_is_dns() -> None:
    error = await failure_of(client(FakeMysql(port=3306), host="db.invalid"))
    assert error.failure is CollectFailure.DNS


async def test_a_cancelled_poll_leaves_no_connection() -> None:
    server = FakeMysql({SERVER: SILENCE})
    async with server.running():
        poll = asyncio.create_task(failure_of(client(server, deadline=60)))
        await server.asked.wait()
        poll.cancel()
        with pytest.raises(asyncio.CancelledError):
            await poll
        await server.left.wait()
    assert server.goodbyes == 0


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"dialog", b"mysql_old_password"])
async def test_the_password_is_not_told_to_a_server_that_asks_for_it_in_clear(plugin: bytes) -> None:
    heard = bytearray()

    async def eavesdrop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0, FakeMysql().handshake()))
        heard.extend(await reader.read(4096))
        writer.write(packet(2, b"\xfe" + plugin + b"\0Password: "))
        heard.extend(await reader.read(4096))
        writer.close()
        await writer.wait_closed()
        done.set()

    done = asyncio.Event()
    server = await asyncio.start_server(eavesdrop, "127.0.0.1", 0)
    async with server:
        fake = FakeMysql(port=server.sockets[0].getsockname()[1])
        error = await failure_of(client(fake))
        await done.wait()
    assert error.failure is CollectFailure.AUTH
    assert "in clear" in error.detail
    assert PASSWORD.encode() not in heard


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    found = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"),
            *("-out", str(found[0]), "-keyout", str(found[1])),
        ],
        check=True,
        capture_output=True,
    )
    return found


def server_side(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """The server's end of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def test_tls_is_used_when_asked_for(certificate: tuple[Path, Path]) -> None:
    server = FakeMysql({SERVER: Result([ROW])}, tls=server_side(certificate))
    trusting = TlsPlan(ca=str(certificate[0]))
    async with server.running(), client(server, tls=trusting, host="localhost").session() as session:
        assert await session.rows(SERVER) == [ROW]
    assert len(server.logins) == 1


async def test_the_certificate_may_be_for_the_name_that_is_written(certificate: tuple[Path, Path]) -> None:
    server = FakeMysql({SERVER: Result([ROW])}, tls=server_side(certificate))
    named = TlsPlan(ca=str(certificate[0]), name="localhost")
    async with server.running(), client(server, tls=named, host="127.0.0.1").session() as session:
        assert await session.rows(SERVER) == [ROW]


async def test_a_session_is_private_on_this_machine_and_over_verified_tls(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, encrypted = FakeMysql(), FakeMysql(tls=server_side(certificate))
    trusting = TlsPlan(ca=str(certificate[0]), name="localhost")

    async def private(server: FakeMysql, tls: TlsPlan | None) -> bool:
        async with client(server, tls=tls).session() as session:
            return session.private

    async with plain.running(), encrypted.running():
        assert await private(plain, None)
        monkeypatch.setattr("collectors.mysqlclient.connection.ip_address", lambda _: ip_address("192.0.2.1"))
        assert not await private(plain, None)
        assert await private(encrypted, trusting)
        assert not await private(encrypted, TlsPlan(verify=False))


async def test_nobody_is_asked_who_he_is_where_that_is_written(certificate: tuple[Path, Path]) -> None:
    server = FakeMysql({SERVER: Result([ROW])}, tls=server_side(certificate))
    async with server.running(), client(server, tls=TlsPlan(verify=False)).session() as session:
        assert await session.rows(SERVER) == [ROW]


@pytest.mark.parametrize(
    ("trust", "host", "words"),
    [
        ("nobody", "localhost", "self-signed, by nobody that is trusted here: .* tls: {ca: FILE}"),
        ("its CA", "127.0.0.1", "another address .*; expected 127.0.0.1: .* tls: {name: NAME}"),
        ("another name", "localhost", "another name .*; expected db9.example: .* tls: {name: NAME}"),
        ("a missing file", "localhost", "nowhere.pem: No such file"),
        ("a file without certificates", "localhost", "holds no certificate"),
    ],
)
async def test_a_certificate_that_is_not_right_is_refused_with_words_that_help(
    certificate: tuple[Path, Path], trust: str, host: str, words: str
) -> None:
    ca = str(certificate[0])
    plan = {
        "nobody": TlsPlan(),
        "its CA": TlsPlan(ca=ca),
        "another name": TlsPlan(ca=ca, name="db9.example"),
        "a missing file": TlsPlan(ca=f"{certificate[0].parent}/nowhere.pem"),
        "a file without certificates": TlsPlan(ca=str(certificate[1])),
    }[trust]
    server = FakeMysql({SERVER: Result([ROW])}, tls=server_side(certificate))
    async with server.running():
        error = await failure_of(client(server, tls=plan, host=host))
    assert error.failure is CollectFailure.TLS
    assert error.detail.startswith(f"{host}:{server.port}: ")
    assert re.search(words, error.detail)
    assert server.logins == []


@pytest.mark.parametrize("code", [1045, 3159])
async def test_whoever_is_refused_without_tls_is_told_where_the_server_has_it(code: int) -> None:
    """MariaDB says "Access denied" to an account that it would let in by TLS alone."""
    promise = packet(0, FakeMysql(tls=ssl.create_default_context()).handshake())
    no = packet(2, b"\xff" + code.to_bytes(2, "little") + b"#28000Access denied for user 'dialtone'")
    async with listening(bytearray(), promise, no) as port:
        error = await failure_of(client(FakeMysql(port=port)))
    assert error.detail.endswith("by that alone: write tls: {})")
    server = FakeMysql(login=Refusal(code, "Access denied for user 'dialtone'"))
    async with server.running():
        assert "write tls" not in (await failure_of(client(server))).detail


async def test_a_wrong_name_is_told_with_those_of_the_certificate_which_is_looked_at_once(
    certificate: tuple[Path, Path],
) -> None:
    server = FakeMysql({SERVER: Result([ROW])}, tls=server_side(certificate))
    async with server.running():
        reader = client(server, tls=TlsPlan(ca=str(certificate[0]), name="db9.example"))
        for connections in (2, 3):
            error = await failure_of(reader)
            assert error.detail.endswith("write tls: {name: NAME}; the certificate is for localhost")
            assert server.connections == connections
    assert server.logins == []


async def test_a_server_without_tls_is_told_nothing_at_all() -> None:
    heard = bytearray()
    async with listening(heard, packet(0, FakeMysql().handshake())) as port:
        error = await failure_of(client(FakeMysql(port=port), tls=TlsPlan(), host="localhost"))
    assert error.failure is CollectFailure.TLS
    assert "has no TLS, and nothing was sent: give it a certificate" in error.detail
    assert heard == b""


async def test_a_server_that_promises_tls_and_speaks_in_clear_gets_no_login(
    certificate: tuple[Path, Path],
) -> None:
    """It answers the request for TLS with an OK, as if we were let in: an old way to strip it."""
    heard = bytearray()
    promise = FakeMysql(tls=server_side(certificate)).handshake()
    async with listening(heard, packet(0, promise), packet(2, b"\0\0\0\2\0\0\0")) as port:
        error = await failure_of(client(FakeMysql(port=port), tls=TlsPlan(), host="localhost"))
    assert error.failure is CollectFailure.TLS
    assert "does not speak TLS" in error.detail
    assert b"dialtone" not in heard


async def test_a_password_in_clear_is_for_servers_whose_certificate_was_verified(
    certificate: tuple[Path, Path],
) -> None:
    wants_it = Raw(packet(3, b"\xfemysql_clear_password\0"))
    server = FakeMysql(login=wants_it, tls=server_side(certificate))
    async with server.running():
        error = await failure_of(client(server, tls=TlsPlan(verify=False)))
    assert error.failure is CollectFailure.AUTH
    assert "verified TLS only" in error.detail


@asynccontextmanager
async def listening(heard: bytearray, *says: bytes) -> AsyncIterator[int]:
    """A port where somebody says things one after the other, and hears what is said after each."""
    done = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for words in says:
            writer.write(words)
            heard.extend(await reader.read(4096))
        heard.extend(await reader.read(4096))
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await done.wait()


async def test_the_server_is_told_first_how_long_a_statement_may_take() -> None:
    for version, limit in (
        ("8.4.5", "max_execution_time=2500"),
        ("5.5.5-10.11.14-MariaDB-0+deb12u2", "max_statement_time=2.500"),
    ):
        server = FakeMysql({SERVER: Result([ROW])}, version=version)
        async with server.running(), client(server, deadline=2.5).session() as session:
            assert session.version == version.removeprefix("5.5.5-")
            await session.rows(SERVER)
        assert server.limits == [
            f"SET SESSION lock_wait_timeout=3, innodb_lock_wait_timeout=3, {limit}",
        ]
        assert server.statements == [SERVER]


@pytest.mark.parametrize("code", [1193, 1227, 1231, 1064])
async def test_a_server_that_takes_no_limits_is_read_all_the_same(code: int) -> None:
    server = FakeMysql({SERVER: Result([ROW])}, limit=Refusal(code, "Unknown system variable"))
    async with server.running(), client(server).session() as session:
        assert await session.rows(SERVER) == [ROW]
    assert server.limits[1:] == ["SET SESSION lock_wait_timeout=5"]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (SILENCE, CollectFailure.SERVER),
        (HANG_UP, CollectFailure.CONNECT),
        (Result([ROW]), CollectFailure.PROTOCOL),
    ],
)
async def test_a_server_that_is_lost_over_the_limits_is_a_failure(
    answer: Answer, failure: CollectFailure
) -> None:
    server = FakeMysql({SERVER: Result([ROW])}, limit=answer)
    async with server.running():
        error = await failure_of(client(server, deadline=0.2 if answer is SILENCE else 5.0))
    assert (error.failure, server.statements) == (failure, [])


async def test_a_statement_is_timed_around_its_answer_by_the_clock_that_is_given() -> None:
    server = FakeMysql({SERVER: Result([ROW, ROW])})
    ticks = iter((100.0, 100.25, 999.0))
    async with server.running(), client(server).session() as session:
        timed = await session.timed(SERVER, ("version",), clock=lambda: next(ticks))
        assert (timed.rows, timed.sent, timed.received) == ([ROW, ROW], 100.0, 100.25)
        with pytest.raises(ValueError, match="not on the list"):
            await session.timed("SELECT SLEEP(1)")
        with pytest.raises(CollectError, match="no column hostname"):
            await session.timed(SERVER, ("hostname",))
    assert server.statements == [SERVER, SERVER]


async def polled(reader: MysqlClient, server: FakeMysql) -> str:
    """Poll once; return "read", "hung" or why it was left out. A poll that hangs is cancelled, as by the
    runner when its own deadline is the first to strike."""

    async def read() -> str:
        try:
            async with reader.session() as session:
                await session.rows(SERVER)
        except CollectError as error:
            assert error.failure is CollectFailure.SERVER  # noqa: PT017 - the other branch is no failure
            return error.detail
        return "read"

    server.asked.clear()
    poll, hears = asyncio.create_task(read()), asyncio.create_task(server.asked.wait())
    await asyncio.wait({poll, hears}, return_when=asyncio.FIRST_COMPLETED)
    hears.cancel()
    if not poll.done() and server.answers[SERVER] is SILENCE:
        poll.cancel()
        with pytest.raises(asyncio.CancelledError):
            await poll
        return "hung"
    return await poll


async def test_a_server_on_which_a_statement_hangs_is_asked_less_and_less_often() -> None:
    server = FakeMysql({SERVER: SILENCE})
    async with server.running():
        reader = client(server, deadline=60)
        went = [await polled(reader, server) for _ in range(24)]
    assert [number for number, how in enumerate(went) if how == "hung"] == [0, 1, 3, 7, 15, 23]
    assert len(server.logins) == 24, "that it lets us in is seen each time"
    assert (len(server.statements), len(server.limits)) == (6, 6), "in between nothing is sent that may hang"
    assert server.goodbyes == 18
    hanging = f"127.0.0.1:{server.port}: not asked again yet: a statement hangs there, {SERVER[:60]}"
    assert went[2] == f"{hanging} (again at the next poll)"
    assert went[4:7] == [
        f"{hanging} (again in 3 polls)",
        f"{hanging} (again in 2 polls)",
        f"{hanging} (again at the next poll)",
    ]


async def test_a_server_that_answers_again_is_asked_at_every_poll_again() -> None:
    answers: dict[str, Answer] = {SERVER: SILENCE}
    server = FakeMysql(answers)
    async with server.running():
        reader = client(server, deadline=60)
        assert [await polled(reader, server) for _ in range(3)][:2] == ["hung", "hung"]
        answers[SERVER] = Result([ROW])
        assert [await polled(reader, server) for _ in range(3)] == ["read"] * 3
        answers[SERVER] = SILENCE
        assert [await polled(reader, server) for _ in range(2)] == ["hung", "hung"]


async def test_a_deadline_of_ours_over_a_hanging_statement_names_it_and_counts() -> None:
    server = FakeMysql({SERVER: SILENCE})
    async with server.running():
        reader = client(server, deadline=0.5)
        for _ in range(2):
            assert (await failure_of(reader)).detail.endswith(
                f"not done in 0.5 s, no answer to {SERVER[:60]}"
            )
        assert "not asked again yet" in (await failure_of(reader)).detail


async def test_a_server_that_dies_while_it_is_held_back_is_silent_at_once() -> None:
    server = FakeMysql({SERVER: SILENCE})
    async with server.running():
        reader = client(server, deadline=0.2)
        for _ in range(2):
            assert (await failure_of(reader)).failure is CollectFailure.SERVER
        server.greeting = SILENCE
        assert (await failure_of(reader)).failure is CollectFailure.TIMEOUT
        server.greeting, server.login = None, Refusal(1045, "Access denied")
        assert (await failure_of(reader)).failure is CollectFailure.AUTH


async def test_restraint_is_for_hanging_statements_and_for_nothing_else() -> None:
    for greeting, login in ((SILENCE, None), (None, SILENCE), (None, HANG_UP)):
        server = FakeMysql(greeting=greeting, login=login)
        async with server.running():
            reader = client(server, deadline=0.05)
            went = [(await failure_of(reader)).detail for _ in range(5)]
        assert not any("not asked" in how for how in went)
    for answer in (HANG_UP, Refusal(1317, "Query execution was interrupted"), Raw(packet(9, b"\x01"))):
        server = FakeMysql({SERVER: answer})
        async with server.running():
            reader = client(server)
            went = [(await failure_of(reader)).detail for _ in range(3)]
        assert not any("not asked" in how for how in went)


async def test_a_poll_that_we_are_slow_in_ourselves_is_not_held_against_the_server() -> None:
    server = FakeMysql({SERVER: Result([ROW])})
    async with server.running():
        reader = client(server, deadline=0.2)

        async def slow() -> None:
            async with reader.session() as session:
                await session.rows(SERVER)
                await asyncio.sleep(60)

        for _ in range(3):
            with pytest.raises(CollectError, match=r"not done in 0\.2 s$"):
                await slow()


def test_options_of_trust_without_tls_are_a_mistake_and_not_a_connection_in_clear() -> None:
    assert tls_of({"heartbeat": "dialtone.heartbeat"}) is None
    assert tls_of({"tls": "on"}) == TlsPlan()
    full = {"tls": "on", "tls_ca": "/ca.pem", "tls_name": "db1", "tls_verify": "false"}
    assert tls_of(full) == TlsPlan("/ca.pem", "db1", False)
    for wrong in ({"tls": "off"}, {"tls": "verify"}, {"tls_ca": "/ca.pem"}, {"tls_verify": "false"}):
        with pytest.raises(ValueError, match="tls is"):
            tls_of(wrong)


@pytest.mark.parametrize("endpoint", ["127.0.0.1:3306", "http://127.0.0.1", "mysql://"])
def test_an_address_that_is_no_servers_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="mysql://HOST:3306"):
        MysqlClient(endpoint, username="dialtone", password=None, deadline=1.0, statements=STATEMENTS)


async def test_a_standing_session_is_one_connection_for_many_statements() -> None:
    server = FakeMysql({BEAT: Ok(), SERVER: Result([ROW])})
    async with server.running():
        async with client(server).standing() as session:
            await session.done(BEAT)
            await session.done(BEAT)
            assert await session.rows(SERVER) == [ROW]
            assert session.open
        await server.left.wait()
    assert (server.statements, len(server.logins), server.goodbyes) == ([BEAT, BEAT, SERVER], 1, 1)


async def test_a_standing_session_outlives_its_deadline_and_the_bytes_of_a_session() -> None:
    """Each statement has the whole deadline, and the whole limit of bytes: a writer beats for months."""
    server = FakeMysql({SERVER: Result([{"version": "x" * 30_000}])})
    async with server.running(), client(server, deadline=0.2, most=64 * 1024).standing() as session:
        await asyncio.sleep(0.25)
        for _ in range(4):
            assert len(await session.rows(SERVER)) == 1


async def test_a_standing_session_goes_on_after_a_no() -> None:
    server = FakeMysql({BEAT: Refusal(1290, "running with the --read-only option"), SERVER: Result([ROW])})
    async with server.running(), client(server).standing() as session:
        with pytest.raises(RefusedError) as raised:
            await session.done(BEAT)
        assert (raised.value.code, session.open) == (1290, True)
        assert await session.rows(SERVER) == [ROW]


async def test_a_statement_off_the_list_is_not_sent_on_a_standing_session_and_ends_nothing() -> None:
    server = FakeMysql({BEAT: Ok()})
    async with server.running(), client(server).standing() as session:
        with pytest.raises(ValueError, match="not on the list"):
            await session.done("DELETE FROM dialtone.heartbeat")
        await session.done(BEAT)
    assert server.statements == [BEAT]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (SILENCE, CollectFailure.TIMEOUT),
        (HANG_UP, CollectFailure.CONNECT),
        (Refusal(1927, "Connection was killed"), CollectFailure.CONNECT),
        (Refusal(1053, "Server shutdown in progress"), CollectFailure.CONNECT),
        (Refusal(4031, "disconnected by the server because of inactivity"), CollectFailure.CONNECT),
        (Result([ROW]), CollectFailure.PROTOCOL),  # rows, where there are none
        (Raw(packet(9, b"\x00")), CollectFailure.PROTOCOL),
    ],
)
async def test_a_standing_session_is_over_after_an_error(answer: Answer, failure: CollectFailure) -> None:
    server = FakeMysql({BEAT: answer, SERVER: Result([ROW])})
    async with server.running():
        async with client(server, deadline=0.2 if answer is SILENCE else 5.0).standing() as session:
            with pytest.raises(CollectError) as raised:
                await session.done(BEAT)
            assert (raised.value.failure, session.open) == (failure, False)
            with pytest.raises(CollectError, match="over") as after:
                await session.rows(SERVER)
            assert after.value.failure is CollectFailure.CONNECT
            await server.left.wait()
        assert server.statements == [BEAT]


async def test_a_cancelled_statement_ends_a_standing_session() -> None:
    server = FakeMysql({BEAT: SILENCE, SERVER: Result([ROW])})
    async with server.running(), client(server).standing() as session:
        beat = asyncio.create_task(session.done(BEAT))
        await server.asked.wait()
        beat.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beat
        await server.left.wait()
        with pytest.raises(CollectError, match="over"):
            await session.rows(SERVER)
    assert (server.statements, server.goodbyes) == ([BEAT], 0)


async def test_a_connection_that_was_closed_between_two_beats_is_noticed() -> None:
    server = FakeMysql({BEAT: Ok()})
    async with server.running(), client(server).standing() as session:
        await session.done(BEAT)
        server.hang_up()
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not session.open
        with pytest.raises(CollectError) as raised:
            await session.done(BEAT)
    assert raised.value.failure is CollectFailure.CONNECT


async def test_a_standing_session_that_is_not_let_in_says_why() -> None:
    server = FakeMysql(login=SILENCE)
    async with server.running():
        with pytest.raises(CollectError) as raised:
            async with client(server, deadline=0.2).standing():
                pytest.fail("nobody was let in")
    assert raised.value.failure is CollectFailure.TIMEOUT


async def test_the_time_between_two_beats_is_nobodys_error() -> None:
    """What the block does, and what it raises, is its own affair: it comes through as it is."""
    server = FakeMysql({BEAT: Ok()})

    async def beat_and_fail() -> None:
        async with client(server).standing() as session:
            await session.done(BEAT)
            raise TimeoutError("the block's")

    async with server.running():
        with pytest.raises(TimeoutError, match="the block's"):
            await beat_and_fail()
        await server.left.wait()
