"""What real servers hear of a watcher, by their own general logs and counters: it reads, and nothing else."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from collectors.mysql.collector import MysqlCollector
from collectors.mysql.fleet import Fleet
from collectors.mysql.grants import GRANTS
from collectors.mysql.statements import (
    ALL_REPLICAS,
    BINARY_LOG_STATUS,
    BINLOG_STATUS,
    DUMPS,
    FIXED,
    LINKS,
    REPLICA,
    SERVER,
    STATUS,
    VARIABLES,
    WORKERS,
    heartbeat_statement,
)
from collectors.mysqlclient.limits import BEGINNING
from dialtone.runtime.clock import SystemClock
from lab.base import LabContext
from lab.mysql import galera as cluster
from lab.mysql.database import Database
from lab.mysql.flavour import Flavour, missing
from lab.mysql.plan import Plan, Wishes, galera, primary_replica
from lab.mysql.replication import HEARTBEAT_TABLE, WATCHER
from lab.mysql.stage import Stage, staged, workshop
from tests.integration.database_stage import node_of

pytestmark = pytest.mark.integration

POLLS: Final = 10
BEATS: Final = heartbeat_statement(HEARTBEAT_TABLE)
CLOSED_LIST: Final = FIXED | {BEATS}
EACH_POLL: Final = (SERVER, VARIABLES, STATUS, BEATS)
MARIADB: Final = (*EACH_POLL, ALL_REPLICAS, BINLOG_STATUS)
MYSQL_SOURCE: Final = (*EACH_POLL, REPLICA, BINARY_LOG_STATUS, DUMPS)
MYSQL_REPLICA: Final = (*MYSQL_SOURCE, WORKERS, LINKS)

_LIMITS: Final = re.compile(
    rf"{BEGINNING}\d+, innodb_lock_wait_timeout=\d+, max_(statement_time=\d+\.\d{{3}}|execution_time=\d+)"
)
_FIRST: Final = re.compile(r"SELECT |SHOW ")
_FORBIDDEN: Final = re.compile(
    r"\b(FOR\s+UPDATE|FOR\s+SHARE|ORDER\s+BY|GROUP\s+BY|DISTINCT|LOCK|UNLOCK|INTO|GET_LOCK|SLEEP|CALL)\b|;",
    re.IGNORECASE,
)
_TABLE: Final = re.compile(r"\b(?:FROM|JOIN)\s+([^\s,()]+)", re.IGNORECASE)
_COUNTED: Final = re.compile(r"(Com|Sort)_")
_READING: Final = re.compile(r"Com_(select|show_\w+|set_option)$")
"""Of the server's counters of statements (Com_*) and of sorting (Sort_*), those that may move."""


def objection(statement: str) -> str:
    """Return what is wrong with a statement for a watcher to send, "" where nothing is."""
    if _LIMITS.fullmatch(statement):
        return ""
    if not _FIRST.match(statement):
        return "neither SELECT nor SHOW"
    if found := _FORBIDDEN.search(statement):
        return f"has {found[0]}"
    for table in _TABLE.findall(statement):
        if table == "`dialtone`.`heartbeat`" and statement == BEATS:
            continue
        if table.partition(".")[0] not in ("performance_schema", "information_schema"):
            return f"reads {table}"
    return "" if statement in CLOSED_LIST else "not on the closed list"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (VARIABLES, ""),
        (BEATS, ""),
        (GRANTS, ""),
        ("SET SESSION lock_wait_timeout=2, innodb_lock_wait_timeout=2, max_statement_time=1.900", ""),
        ("SET SESSION sql_log_bin=0", "neither SELECT nor SHOW"),
        ("SET GLOBAL read_only=0", "neither SELECT nor SHOW"),
        ("BEGIN", "neither SELECT nor SHOW"),
        (f"{BEATS} FOR UPDATE", "has FOR UPDATE"),
        (f"{BEATS} LOCK IN SHARE MODE", "has LOCK"),
        (f"{WORKERS} order by 1", "has order by"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "has INTO"),
        ("SHOW GRANTS; DROP TABLE x", "has ;"),
        ("SELECT user FROM mysql.user", "reads mysql.user"),
        ("SELECT ts FROM `dialtone`.`heartbeat`", "reads `dialtone`.`heartbeat`"),
        ("SELECT 1", "not on the closed list"),
        (f"{WORKERS} ", "not on the closed list"),
    ],
)
def test_what_a_watcher_must_not_send_is_objected_to(statement: str, expected: str) -> None:
    assert objection(statement) == expected


@pytest.mark.parametrize("statement", sorted(CLOSED_LIST))
def test_nothing_on_the_closed_list_is_objected_to(statement: str) -> None:
    assert objection(statement) == ""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[LabContext]:
    with workshop(tmp_path / "lab") as context:
        yield context


async def counters(server: Database) -> Mapping[str, int]:
    """Return how often the server ran statements of each kind, and how much it sorted."""
    rows = await server.status("%")
    return {name: int(value) for name, value in rows.items() if _COUNTED.match(name) and value.isdigit()}


async def heard(server: Database) -> Sequence[tuple[str, str]]:
    """Return what the server's log holds of the watcher: kind of event and text."""
    rows = await server.sql(
        "SELECT command_type AS kind, argument FROM mysql.general_log WHERE user_host LIKE %s"
        " ORDER BY event_time",
        f"%[{WATCHER}]%",
    )
    return [(str(row["kind"]), _text(row["argument"])) for row in rows]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


async def watched(stage: Stage) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Poll all servers ten times; return what each of them heard, by its name.

    Nobody else says anything meanwhile: their counters are the watcher's and those of who reads them.
    """
    clock, fleet = SystemClock(), Fleet()
    await stage.caught_up()
    for heart in stage.hearts:
        await heart.stop()
    await stage.caught_up()
    for server in stage.servers:
        await server.sql("SET GLOBAL log_output = 'TABLE'")
        await server.sql("SET GLOBAL general_log = ON")
    before = {server.name: await counters(server) for server in stage.servers}
    collectors = [MysqlCollector(node_of(stage, server.name), clock, fleet) for server in stage.servers]
    for _ in range(POLLS):
        for collector in collectors:
            assert not (await collector.collect()).unread
    for server in stage.servers:
        after = await counters(server)
        moved = {name for name, count in after.items() if count != before[server.name][name]}
        assert "Com_select" in moved
        assert {name for name in moved if not _READING.match(name)} == set(), server.name
    return {server.name: await heard(server) for server in stage.servers}


async def check(shop: LabContext, plan: Plan, expected: Mapping[str, Sequence[str]]) -> None:
    """Hold what the servers of a stage heard against what is to be sent to each in a poll."""
    async with staged(shop, plan) as stage:
        for name, events in (await watched(stage)).items():
            assert Counter(kind for kind, _ in events if kind != "Query") == {
                "Connect": POLLS,
                "Quit": POLLS,
            }, name
            sent = [text for kind, text in events if kind == "Query"]
            assert {text: why for text in sent if (why := objection(text))} == {}, name
            limits = [text for text in sent if _LIMITS.fullmatch(text)]
            # The rights of the account are asked for once, not in each poll.
            assert Counter(text for text in sent if text not in limits) == {
                GRANTS: 1,
                **dict.fromkeys(expected[name], POLLS),
            }, name
            assert len(limits) == POLLS, name


def _needs(flavour: Flavour, *more: str) -> pytest.MarkDecorator:
    lacks = [*missing(flavour), *more]
    return pytest.mark.skipif(bool(lacks), reason="; ".join(lacks))


@_needs(Flavour.MARIADB)
async def test_a_primary_and_a_replica_of_mariadb_hear_the_closed_list_alone(shop: LabContext) -> None:
    await check(shop, primary_replica(), {"db1": MARIADB, "db2": MARIADB})


@_needs(Flavour.MYSQL_9)
@pytest.mark.live
async def test_a_source_and_a_replica_of_mysql_9_hear_the_closed_list_alone(shop: LabContext) -> None:
    plan = primary_replica(wishes=Wishes(Flavour.MYSQL_9, workers=4))
    await check(shop, plan, {"db1": MYSQL_SOURCE, "db2": MYSQL_REPLICA})


@_needs(Flavour.MARIADB, *cluster.missing())
@pytest.mark.live
async def test_the_nodes_of_a_cluster_hear_the_closed_list_alone(shop: LabContext) -> None:
    await check(shop, galera(), dict.fromkeys(("g1", "g2", "g3"), MARIADB))
