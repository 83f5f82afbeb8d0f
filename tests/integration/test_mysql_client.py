"""The client against real MariaDB servers: TLS, deadlines that they keep, standing sessions, their log."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import trustme

from collectors.mysql.grants import GRANTS, read_note
from collectors.mysql.snapshot import Flavour
from collectors.mysqlclient import MysqlClient, RefusedError
from collectors.mysqlclient.limits import limits
from dialtone.model import CollectError, CollectFailure, Secret, TlsPlan
from lab.base import LabContext, Sample
from lab.certificates import certificates
from lab.certificates import missing as no_openssl
from lab.mysql import MysqlPart
from lab.mysql.server import Server
from lab.mysql.sql import connected
from lab.mysql.template import program, system_user, template, version
from lab.ports import LoopbackPorts
from lab.processes import LabProcesses

_MISSING: Final = [*MysqlPart().missing(), *no_openssl()]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(_MISSING), reason="; ".join(_MISSING)),
]

PASSWORD: Final = "planted-4431"
ME: Final = "SELECT CONNECTION_ID() AS id, CURRENT_USER() AS me"
CIPHER: Final = "SHOW SESSION STATUS LIKE 'Ssl_version'"
SLEEP: Final = "SELECT SLEEP(30) AS slept"
LIMITS: Final = "SELECT @@SESSION.max_statement_time AS seconds, @@SESSION.lock_wait_timeout AS locks"
CLOCK: Final = "SELECT UNIX_TIMESTAMP(NOW(6)) AS now"
BEAT: Final = "REPLACE INTO dialtone.heartbeat VALUES (1, UTC_TIMESTAMP(6))"
STATEMENTS: Final = frozenset({ME, CIPHER, SLEEP, LIMITS, CLOCK, BEAT, GRANTS})
_SETUP: Final = (
    "CREATE DATABASE dialtone",
    "CREATE TABLE dialtone.heartbeat (server_id INT PRIMARY KEY, ts DATETIME(6))",
    f"CREATE USER dialtone@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
    "GRANT SELECT, INSERT, DELETE ON dialtone.heartbeat TO dialtone@'127.0.0.1'",
    "SET GLOBAL log_output = 'TABLE'",
    "SET GLOBAL general_log = ON",
)


@dataclass(frozen=True)
class Running:
    """A server, and the certificate of the authority that vouches for it ("" where it has no TLS)."""

    server: Server
    ca: str

    def client(self, *, deadline: float = 5.0, tls: TlsPlan | None = None) -> MysqlClient:
        """A client of that server."""
        return MysqlClient(
            f"mysql://{self.server.address}",
            username="dialtone",
            password=Secret(PASSWORD),
            deadline=deadline,
            statements=STATEMENTS,
            tls=tls,
        )

    async def root(self, statement: str) -> Sequence[dict[str, object]]:
        """What root is answered."""
        async with connected(self.server.socket) as session:
            return await session.rows(statement)

    async def failure(self, tls: TlsPlan | None) -> CollectError:
        """Ask once; return how it failed. Nobody tried to log in where TLS was what failed."""
        before = await self.logins()
        with pytest.raises(CollectError) as raised:
            async with self.client(tls=tls).session():
                pytest.fail("we were let in")
        assert PASSWORD not in str(raised.value)
        if tls is not None:
            assert await self.logins() == before
        return raised.value

    async def logins(self) -> int:
        """How often somebody came as dialtone, let in or not."""
        (row,) = await self.root(
            "SELECT COUNT(*) AS n FROM mysql.general_log"
            " WHERE command_type = 'Connect' AND argument LIKE '%dialtone%'"
        )
        return int(str(row["n"]))


@contextmanager
def a_server(root: Path, cache: Path, *, tls: bool) -> Iterator[Running]:
    """Start a server in that folder; nothing of it is left running."""
    root.mkdir()
    processes = LabProcesses(root)
    ports = LoopbackPorts(root, claims=root.parent / "ports.json")
    lab = LabContext(root, cache, ports, processes, Sample("clusterpbx.example", (), ()))
    mariadbd = program("mariadbd")
    assert mariadbd is not None
    made = certificates(lab)
    server = Server("db", 1, ports.take("db"), root / "db", read_only=False)
    options = (
        [f"--ssl-ca={made.ca}", f"--ssl-cert={made.chain}", f"--ssl-key={made.key}"]
        if tls
        else ["--skip-ssl"]
    )
    try:
        server.make_folder(template(cache, version([mariadbd]), system_user()))
        processes.start("db", [*server.command(mariadbd), *options], cwd=server.folder)
        asyncio.run(_set_up(server, lab))
        yield Running(server, str(made.ca) if tls else "")
    finally:
        processes.stop_all()
        ports.give_back()


async def _set_up(server: Server, lab: LabContext) -> None:
    await server.wait_until_it_answers(lab)
    async with connected(server.socket) as root:
        for statement in _SETUP:
            await root.rows(statement)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of templates, empty at first."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Running]:
    """A server without TLS."""
    with a_server(tmp_path_factory.mktemp("labs") / "plain", cache, tls=False) as running:
        yield running


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Running]:
    """A server with a certificate of its own authority's, for 127.0.0.1 and localhost."""
    with a_server(tmp_path_factory.mktemp("labs") / "encrypted", cache, tls=True) as running:
        yield running


async def test_a_session_by_tls_is_encrypted_and_without_it_is_not(encrypted: Running) -> None:
    for tls, expected in ((TlsPlan(ca=encrypted.ca), "TLSv1"), (None, "")):
        async with encrypted.client(tls=tls).session() as session:
            (row,) = await session.rows(CIPHER)
            assert (row["Value"] or "")[:5] == expected
            assert session.private


@pytest.mark.parametrize("name", ["localhost", "clusterpbx.example"])
async def test_the_certificate_may_be_for_the_name_that_is_written(encrypted: Running, name: str) -> None:
    async with encrypted.client(tls=TlsPlan(ca=encrypted.ca, name=name)).session() as session:
        assert len(await session.rows(ME)) == 1


async def test_a_wrong_authority_or_name_is_tls_and_no_login(encrypted: Running, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    for tls, words in (
        (TlsPlan(), "unknown CA"),
        (TlsPlan(ca=str(tmp_path / "other.pem")), "unknown CA"),
        (
            TlsPlan(ca=encrypted.ca, name="db9.example"),
            "the certificate is for localhost, clusterpbx.example, 127.0.0.1",
        ),
    ):
        error = await encrypted.failure(tls)
        assert error.failure is CollectFailure.TLS
        assert words in error.detail
        assert "write tls: {" in error.detail


async def test_a_server_without_tls_is_tls_and_no_login(plain: Running) -> None:
    for tls in (TlsPlan(), TlsPlan(verify=False)):
        error = await plain.failure(tls)
        assert error.failure is CollectFailure.TLS
        assert "the server has no TLS, and nothing was sent" in error.detail


async def test_a_server_that_insists_on_tls_says_so_to_whoever_comes_without(encrypted: Running) -> None:
    await encrypted.root("SET GLOBAL require_secure_transport = ON")
    try:
        error = await encrypted.failure(None)
        async with encrypted.client(tls=TlsPlan(ca=encrypted.ca)).session() as session:
            assert len(await session.rows(ME)) == 1
    finally:
        await encrypted.root("SET GLOBAL require_secure_transport = OFF")
    # MariaDB 10.11 says "Access denied", MySQL that insecure transport is prohibited.
    assert error.failure in (CollectFailure.AUTH, CollectFailure.TLS)
    assert "write tls: {}" in error.detail


async def test_the_server_itself_keeps_the_deadline(plain: Running) -> None:
    async with plain.client(deadline=2.5).session() as session:
        (row,) = await session.rows(LIMITS)
        assert "MariaDB" in session.version
        assert not session.version.startswith("5.5.5")
    assert (float(row["seconds"] or 0), row["locks"]) == (2.5, "3")


async def at_work(plain: Running) -> bool:
    """Whether a thread is at the long statement."""
    rows = await plain.root("SELECT INFO AS statement FROM information_schema.PROCESSLIST")
    return any(row["statement"] == SLEEP for row in rows)


async def until_at_work(plain: Running, wanted: bool) -> None:
    """Return once a thread is at the long statement, or none."""
    async with asyncio.timeout(15):
        while True:
            if await at_work(plain) is wanted:
                return
            await asyncio.sleep(0.02)


async def test_a_statement_that_we_gave_up_is_ended_by_the_server_and_not_by_our_going(
    plain: Running,
) -> None:
    async def sleep() -> None:
        async with plain.client(deadline=3.0).session() as session:
            await session.rows(SLEEP)

    began = time.monotonic()
    poll = asyncio.create_task(sleep())
    await until_at_work(plain, True)
    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll
    await asyncio.sleep(0.5)
    assert await at_work(plain), "a server doesn't notice that we are gone, and this test would prove nothing"
    await until_at_work(plain, False)
    assert time.monotonic() - began < 10.0


async def test_a_standing_session_is_one_thread_of_the_server(plain: Running) -> None:
    async with plain.client().standing() as session:
        ids = set()
        for _ in range(3):
            await session.done(BEAT)
            (row,) = await session.rows(ME)
            ids.add(row["id"])
        assert len(ids) == 1
    assert await plain.root("SELECT server_id FROM dialtone.heartbeat") == [{"server_id": 1}]


async def test_a_standing_session_goes_on_after_a_refusal(plain: Running) -> None:
    async with plain.client().standing() as session:
        await plain.root("SET GLOBAL read_only = ON")
        try:
            with pytest.raises(RefusedError) as raised:
                await session.done(BEAT)
        finally:
            await plain.root("SET GLOBAL read_only = OFF")
        assert raised.value.code == 1290
        await session.done(BEAT)


async def test_a_standing_session_that_is_killed_is_noticed_and_the_next_one_works(plain: Running) -> None:
    async with plain.client().standing() as session:
        (row,) = await session.rows(ME)
        await plain.root(f"KILL CONNECTION {row['id']}")
        with pytest.raises(CollectError) as raised:
            await session.done(BEAT)
        assert raised.value.failure is CollectFailure.CONNECT
        assert not isinstance(raised.value, RefusedError)
        assert not session.open
    async with plain.client().standing() as session:
        await session.done(BEAT)


async def test_the_servers_clock_lies_between_sent_and_received(plain: Running) -> None:
    async with plain.client().session() as session:
        timed = await session.timed(CLOCK, ("now",))
    now = float(timed.rows[0]["now"] or 0)
    assert timed.sent - 0.001 <= now <= timed.received + 0.001
    assert timed.received - timed.sent < 1.0


async def test_the_rights_of_the_account_are_told_as_they_are_typed_and_gone_when_granted(
    plain: Running,
) -> None:
    async def look() -> str:
        async with plain.client().session() as session:
            return await read_note(session, Flavour.MARIADB, session.version, "dialtone.heartbeat")

    typed = "GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO 'dialtone'@'127.0.0.1'"
    try:
        first = await look()
        assert first.startswith(f"missing: {typed}; more than a watcher needs: ")
        assert "INSERT on dialtone.heartbeat" in first
        await plain.root(typed)
        assert "missing" not in await look()
    finally:
        await plain.root("REVOKE SLAVE MONITOR, BINLOG MONITOR ON *.* FROM dialtone@'127.0.0.1'")


async def test_the_servers_log_holds_only_statements_of_the_closed_list(plain: Running) -> None:
    await plain.root("TRUNCATE mysql.general_log")
    async with plain.client(deadline=4.0).session() as session:
        version = session.version
        await session.rows(ME)
        await session.timed(CLOCK)
        await session.rows(GRANTS)
        with pytest.raises(ValueError, match="not on the list"):
            await session.rows("SELECT 1")
    async with plain.client(deadline=4.0).standing() as standing:
        await standing.done(BEAT)
    rows = await plain.root(
        "SELECT command_type AS kind, argument FROM mysql.general_log WHERE user_host LIKE '%dialtone%'"
        " ORDER BY event_time, thread_id"
    )
    first = limits(version, 4.0)[0]
    assert [_text(row["argument"]) for row in rows if row["kind"] == "Query"] == [
        *(first, ME, CLOCK, GRANTS),
        *(first, BEAT),
    ]
    assert [row["kind"] for row in rows if row["kind"] != "Query"] == ["Connect", "Quit"] * 2


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
