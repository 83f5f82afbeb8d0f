"""The client against a server on a real socket that hangs, lies, floods, refuses and eavesdrops."""

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest

from collectors.mysql.statements import FIXED, REPLICA, SERVER
from collectors.mysqlclient import MAX_SESSION_BYTES, MysqlClient, RefusedError
from dialtone.model import CollectError, CollectFailure, Secret
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
BEAT = "REPLACE INTO dialtone.heartbeat VALUES (1)"
ROW = {"version": "9.7.4", "read_only": "1", "accents": "é", "nothing": None}
A_RESULT = packet(1, b"\x01") + packet(2, column("version")) + packet(3, b"\xfe\0\0\2\0")


def client(
    server: FakeMysql,
    *,
    deadline: float = 5.0,
    tls: ssl.SSLContext | None = None,
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
        statements=FIXED | {BEAT},
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
            CollectFailure.TIMEOUT,
        ),
        (Refusal(1317, "Query execution was interrupted"), CollectFailure.SERVER),
        (HANG_UP, CollectFailure.CONNECT),
        (SILENCE, CollectFailure.TIMEOUT),
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
        error = await failure_of(client(server, deadline=0.2 if answer is SILENCE else 5.0))
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
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    async with server.running(), client(server, tls=trusting, host="localhost").session() as session:
        assert await session.rows(SERVER) == [ROW]


async def test_tls_with_a_certificate_that_nobody_vouches_for_is_refused(
    certificate: tuple[Path, Path],
) -> None:
    server = FakeMysql({SERVER: Result([ROW])}, tls=server_side(certificate))
    async with server.running():
        error = await failure_of(client(server, tls=ssl.create_default_context(), host="localhost"))
    assert error.failure is CollectFailure.TLS
    assert server.logins == []


async def test_tls_that_the_server_does_not_have_fails_and_sends_no_login() -> None:
    server = FakeMysql({SERVER: Result([ROW])})
    async with server.running():
        error = await failure_of(client(server, tls=ssl.create_default_context(), host="localhost"))
    assert error.failure is CollectFailure.TLS
    assert server.logins == []


@pytest.mark.parametrize("endpoint", ["127.0.0.1:3306", "http://127.0.0.1", "mysql://"])
def test_an_address_that_is_no_servers_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="mysql://HOST:3306"):
        MysqlClient(endpoint, username="dialtone", password=None, deadline=1.0, statements=FIXED)


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
