"""The lab's real MariaDB pair, its faults, and what the collector says of them."""

import asyncio
import json
import os
import signal
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from collectors.mysql import MysqlTenants
from collectors.mysql.collector import MysqlCollector
from collectors.mysql.fleet import Fleet
from dialtone.model import CollectError, CollectFailure, Database, Node, NodeKind, Reading, Secret
from dialtone.runtime.clock import SystemClock
from lab.base import LabContext, LabError, PartInfo, Sample
from lab.faultproxy import FaultProxy, steer
from lab.mysql import MysqlPart, start_sql_thread, stop_sql_thread
from lab.mysql.sql import connected
from lab.ports import LoopbackPorts
from lab.processes import LabProcesses
from tests.fakes.clock import FakeClock

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(MysqlPart().missing()), reason="; ".join(MysqlPart().missing())),
]

PATIENCE = 15.0


@dataclass(frozen=True)
class Pair:
    """A running pair."""

    lab: LabContext
    info: PartInfo
    took: float

    @property
    def addresses(self) -> Mapping[str, str]:
        """The part's addresses."""
        return self.info.addresses

    def node(
        self, name: str, *, password: str | None = None, address: str | None = None, **changes: float
    ) -> Node:
        """A node as dialtone.yaml would give it, or reached by another address."""
        entry = next(node for node in self.info.nodes if node["name"] == name)
        return Node(
            name=name,
            kind=NodeKind.MYSQL,
            endpoint=f"mysql://{address or self.addresses[name]}",
            username="dialtone",
            secret=Secret(password or self.info.secrets["mysql"]),
            timeout=changes.get("timeout", 5.0),
            options={"heartbeat": str(entry["heartbeat"])},
        )


@contextmanager
def a_pair(root: Path, cache: Path) -> Iterator[Pair]:
    """Start a pair in that folder; nothing of it is left running."""
    root.mkdir()
    processes = LabProcesses(root)
    ports = LoopbackPorts(root, claims=root.parent / "ports.json")
    lab = LabContext(root, cache, ports, processes, Sample("clusterpbx.example", (), ()))
    began = time.monotonic()
    try:
        info = asyncio.run(MysqlPart().start(lab))
        yield Pair(lab, info, time.monotonic() - began)
    finally:
        processes.stop_all()
        ports.give_back()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of templates, empty at first."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Pair]:
    """The pair that tests share; each leaves it healthy."""
    with a_pair(tmp_path_factory.mktemp("labs") / "default", cache) as running:
        yield running


async def poll(node: Node) -> Reading:
    """Poll once."""
    return await MysqlCollector(node, FakeClock()).collect()


def values(reading: Reading) -> dict[str, float]:
    """Values by the end of the metric's name and its labels but the node."""
    return {
        "/".join(
            (sample.metric.removeprefix("mysql_").removeprefix("replication_"), *sample.labels[1:])
        ): sample.value
        for sample in reading.samples
    }


async def until(node: Node, holds: Callable[[dict[str, float]], bool]) -> Reading:
    """Poll until something holds; return that reading."""
    async with asyncio.timeout(PATIENCE):
        while True:
            reading = await poll(node)
            if holds(values(reading)):
                return reading
            await asyncio.sleep(0.1)


def healthy(found: Mapping[str, float]) -> bool:
    """Whether both threads run and heartbeats arrive."""
    return (
        found["io_running/default"] == 1
        and found["sql_running/default"] == 1
        and found.get("heartbeat_lag_seconds/1", 99.0) < 2.0
    )


@asynccontextmanager
async def fault(
    pair: Pair, cause: Awaitable[object], mend: Callable[[], Awaitable[object]]
) -> AsyncIterator[None]:
    """Break something for the time of the block; afterwards db2 is healthy again."""
    await cause
    try:
        yield
    finally:
        await mend()
        await until(pair.node("db2"), healthy)


async def test_a_healthy_pair_replicates_both_ways_and_db2_takes_no_writes(pair: Pair) -> None:
    passive = values(await until(pair.node("db2"), healthy))
    assert (passive["read_only"], passive["lag_known/default"], passive["sql_delay_seconds/default"]) == (
        1,
        1,
        0,
    )
    active = values(await poll(pair.node("db1")))
    assert (active["read_only"], active["io_running/default"], active["sql_running/default"]) == (0, 1, 1)
    assert active["heartbeat_lag_seconds/1"] < 2.0


async def test_a_reading_carries_version_and_sources_and_no_error(pair: Pair) -> None:
    info = (await until(pair.node("db2"), healthy)).info
    assert "MariaDB" in info["version"]
    assert info.keys() == {"version", "channel/default/source", "channel/default/address"}


async def test_a_stopped_sql_thread_shows_while_the_true_lag_grows_and_heals(pair: Pair) -> None:
    await until(pair.node("db2"), healthy)
    async with fault(pair, stop_sql_thread(pair.addresses), lambda: start_sql_thread(pair.addresses)):
        found = values(await until(pair.node("db2"), lambda now: now["sql_running/default"] == 0))
        assert (found["io_running/default"], found["lag_known/default"]) == (1, 0)
        assert "lag_seconds/default" not in found
        first = found["heartbeat_lag_seconds/1"]
        await until(pair.node("db2"), lambda now: now["heartbeat_lag_seconds/1"] > first + 0.5)
        active = values(await poll(pair.node("db1")))
        assert (active["sql_running/default"], active["heartbeat_lag_seconds/1"] < 2.0) == (1, True)
    assert values(await poll(pair.node("db2")))["lag_known/default"] == 1


async def test_a_blackholed_link_is_seen_by_the_heartbeat_while_the_replica_says_all_is_well(
    pair: Pair,
) -> None:
    await until(pair.node("db2"), healthy)
    control = pair.addresses["db-link-control"]
    async with fault(pair, steer(control, "blackhole"), lambda: steer(control, "heal")):
        reading = await until(pair.node("db2"), lambda now: now["heartbeat_lag_seconds/1"] > 2.0)
        found = values(reading)
        assert (found["io_running/default"], found["sql_running/default"]) == (1, 1)
        assert (found["lag_known/default"], found["lag_seconds/default"]) == (1, 0)
        assert "channel/default/error" not in reading.info


async def test_the_true_lag_grows_over_a_blackholed_link_by_the_clock_of_its_source(pair: Pair) -> None:
    await until(pair.node("db2"), healthy)
    fleet, clock = Fleet(), SystemClock()
    fleet.group(("db1", "db2"))
    active, passive = (MysqlCollector(pair.node(name), clock, fleet) for name in ("db1", "db2"))
    control = pair.addresses["db-link-control"]
    async with fault(pair, steer(control, "blackhole"), lambda: steer(control, "heal")):
        began = time.monotonic()
        await asyncio.sleep(1.5)
        await active.collect()
        found = values(await passive.collect())
        held = time.monotonic() - began
    assert found["lag_seconds/default"] == 0
    # The writer beats twice a second: the row that came through last is older by as much as that.
    assert held - 0.2 < found["true_lag_seconds/default"] < held + 0.5 + 0.05


async def test_a_cut_link_stops_the_io_thread_and_the_servers_words_come_along(pair: Pair) -> None:
    await until(pair.node("db2"), healthy)
    control = pair.addresses["db-link-control"]
    async with fault(pair, steer(control, "cut"), lambda: steer(control, "heal")):
        reading = await until(
            pair.node("db2"), lambda now: any("last_error/default/io/" in name for name in now)
        )
        found = values(reading)
        assert (found["io_running/default"], found["sql_running/default"], found["lag_known/default"]) == (
            0,
            1,
            0,
        )
        assert reading.info["channel/default/error"].startswith("error reconnecting to master")


async def test_a_wrong_password_is_auth_and_is_not_repeated(pair: Pair) -> None:
    with pytest.raises(CollectError) as raised:
        await poll(pair.node("db1", password="wr0ng-one"))
    assert raised.value.failure is CollectFailure.AUTH
    assert "Access denied for user 'dialtone'@'127.0.0.1'" in raised.value.detail
    assert "wr0ng-one" not in str(raised.value)


async def test_a_server_behind_a_dead_network_is_timeout(pair: Pair) -> None:
    host, _, port = pair.addresses["db1"].rpartition(":")
    async with FaultProxy((host, int(port))) as proxy:
        through = pair.node("db1", address=f"127.0.0.1:{proxy.port}", timeout=0.3)
        assert values(await poll(pair.node("db1", address=f"127.0.0.1:{proxy.port}")))["read_only"] == 0
        await proxy.blackhole()
        with pytest.raises(CollectError) as raised:
            await poll(through)
    assert raised.value.failure is CollectFailure.TIMEOUT


async def test_a_poll_says_goodbye_so_that_the_server_counts_no_aborted_client(pair: Pair) -> None:
    async with connected(Path(pair.addresses["db1-socket"])) as root:
        before = await root.rows("SHOW GLOBAL STATUS LIKE 'Aborted_c%%'")
        for _ in range(3):
            await poll(pair.node("db1"))
        assert await root.rows("SHOW GLOBAL STATUS LIKE 'Aborted_c%%'") == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE dialtone.heartbeat SET ts = NOW()",
        "SELECT * FROM mysql.user",
        "STOP REPLICA",
        "CREATE SCHEMA other",
        "SET GLOBAL read_only = 0",
    ],
)
async def test_the_account_that_watches_may_do_nothing_else(pair: Pair, statement: str) -> None:
    asyncmy = pytest.importorskip("asyncmy")
    host, _, port = pair.addresses["db1"].rpartition(":")
    async with asyncmy.connect(
        host=host, port=int(port), user="dialtone", password=pair.info.secrets["mysql"]
    ) as connection:
        with pytest.raises(asyncmy.errors.OperationalError, match="denied"):
            await connection.query(statement)


async def test_root_gets_in_by_the_socket_alone(pair: Pair) -> None:
    as_root = Node("db1", NodeKind.MYSQL, pair.node("db1").endpoint, username="root", timeout=5.0)
    with pytest.raises(CollectError) as raised:
        await poll(as_root)
    assert raised.value.failure is CollectFailure.AUTH
    async with connected(Path(pair.addresses["db1-socket"])) as root:
        assert await root.rows("SELECT CURRENT_USER() AS me") == [{"me": "root@localhost"}]


async def test_the_heartbeat_is_written_to_db1_under_its_own_id(pair: Pair) -> None:
    await until(pair.node("db2"), healthy)
    for node in ("db1", "db2"):
        async with connected(Path(pair.addresses[f"{node}-socket"])) as root:
            rows = await root.rows("SELECT server_id FROM dialtone.heartbeat")
        assert [row["server_id"] for row in rows] == [1]


def test_no_password_is_on_a_command_line_or_in_what_is_told(pair: Pair) -> None:
    secret = pair.info.secrets["mysql"]
    heart = (pair.lab.root / "mysql" / "heartbeat.password").read_text()
    told = repr((pair.info.says, pair.info.nodes, pair.info.config, pair.info.addresses))
    commands = b"".join(
        Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        for pid in map(_pid, ("db1", "db2", "db-link", "db-heartbeat"), [pair.lab] * 4)
    ).decode()
    logs = "".join(path.read_text() for path in (pair.lab.root / "logs").iterdir())
    for password in (secret, heart):
        assert len(password) >= 32
        assert password not in told + commands + logs


def test_only_its_owner_may_look_into_the_folder(pair: Pair) -> None:
    folder = pair.lab.root / "mysql"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "heartbeat.password").stat().st_mode) == 0o600


def test_what_it_says_fits_dialtone_yaml(pair: Pair) -> None:
    assert [node["dsn"] for node in pair.info.nodes] == [
        f"mysql://dialtone@{pair.addresses[name]}" for name in ("db1", "db2")
    ]
    assert pair.info.config == {
        "topologies": [{"name": "main", "kind": "active-passive", "nodes": ["db1", "db2"], "tenants": "all"}]
    }
    assert pair.info.says.startswith("MariaDB 1")


def test_a_second_pair_has_nothing_of_the_first_but_the_template(
    pair: Pair, cache: Path, tmp_path: Path
) -> None:
    (template,) = (path for path in (cache / "mysql").iterdir() if path.is_dir())
    made = template.stat().st_mtime_ns
    # So long that a Unix socket in it has no address of its own (sockaddr_un: 107 bytes).
    with a_pair(tmp_path / ("second-" + "x" * 100), cache) as second:
        assert not set(second.addresses.values()) & set(pair.addresses.values())
        assert second.info.secrets != pair.info.secrets
        asyncio.run(kill_and_revive_the_active_server(second))
    assert template.stat().st_mtime_ns == made


async def kill_and_revive_the_active_server(pair: Pair) -> None:
    """A killed server is `connect`, its replica tells, and a revived one gets heartbeats again."""
    await until(pair.node("db2"), healthy)
    pid = _pid("db1", pair.lab)
    command = _command(pid)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(CollectError) as raised:
        await _until_it_fails(pair.node("db1"))
    assert raised.value.failure is CollectFailure.CONNECT
    orphaned = values(await until(pair.node("db2"), lambda now: now["io_running/default"] == 0))
    assert orphaned["sql_running/default"] == 1
    assert not pair.lab.processes.alive("db1")
    pair.lab.processes.start("db1", command, cwd=pair.lab.root / "mysql" / "db1")
    await until(pair.node("db2"), healthy)


_PROVISIONING = (
    "CREATE DATABASE provisioning",
    "CREATE TABLE provisioning.domain (domain VARCHAR(64) CHARACTER SET utf8mb4)",
    "INSERT INTO provisioning.domain VALUES ('acme.example'), ('Beta.example')",
    "INSERT INTO provisioning.domain VALUES ('192.0.2.1'), ('é.example'), (NULL)",
    """CREATE FUNCTION provisioning.emptied() RETURNS VARCHAR(64) DETERMINISTIC MODIFIES SQL DATA
    BEGIN DELETE FROM provisioning.domain; RETURN 'gone.example'; END""",
    "CREATE USER discoverer@'127.0.0.1' IDENTIFIED BY 'planted-7719'",
    "GRANT ALL ON provisioning.* TO discoverer@'127.0.0.1'",
)


async def test_tenants_are_read_by_a_session_that_can_not_write_although_its_account_may(pair: Pair) -> None:
    database = Database(
        f"mysql://{pair.addresses['db1']}", "provisioning", "discoverer", Secret("planted-7719")
    )
    async with connected(Path(pair.addresses["db1-socket"])) as root:
        try:
            for statement in _PROVISIONING:
                await root.rows(statement)
            found = await MysqlTenants(database, deadline=5.0).domains()
            with pytest.raises(CollectError) as raised:
                await MysqlTenants(database, deadline=5.0, sql="SELECT provisioning.emptied()").domains()
            (left,) = await root.rows("SELECT COUNT(*) AS rows_left FROM provisioning.domain")
        finally:
            await root.rows("DROP DATABASE IF EXISTS provisioning")
            await root.rows("DROP USER IF EXISTS discoverer@'127.0.0.1'")
    assert set(found.domains) == {"acme.example", "beta.example"}
    assert found.left_out == 3
    assert raised.value.failure is CollectFailure.SERVER
    assert "READ ONLY" in raised.value.detail
    assert left["rows_left"] == 5


async def test_sabotage_of_a_lab_without_databases_says_so() -> None:
    with pytest.raises(LabError, match="no database server 'db2': was it started with the part mysql"):
        await stop_sql_thread({"sip": "127.0.0.1:5060"})


async def _until_it_fails(node: Node) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            await poll(node)


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def _pid(name: str, lab: LabContext) -> int:
    return int(json.loads((lab.root / "run" / f"{name}.json").read_text())["pid"])
