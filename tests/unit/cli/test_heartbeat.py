"""dialtone heartbeat: whom it writes to, the SQL that it prints, and a password that is nowhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from dialtone.config import Settings
from dialtone.model import Node
from dialtone.wiring import heartbeat as beating
from tests.unit.cli.conftest import DB_PASSWORD, Dialtone

NODES: Final = """\
location: mtl1
platform: {domain: clusterpbx.example}
nodes:
  - {name: db1, kind: mysql, dsn: "mysql://dialtone@127.0.0.1:1", heartbeat: {table: dialtone.heartbeat,
     writer: {username: beat, password: {env: DB_PASSWORD}}}}
  - {name: db2, kind: mysql, dsn: "mysql://dialtone@127.0.0.1:2", heartbeat: {table: dialtone.heartbeat,
     every: 500ms, writer: {username: beat, password: {env: DB_PASSWORD}}}}
  - {name: db3, kind: mysql, dsn: "mysql://dialtone@127.0.0.1:3", heartbeat: {table: percona.heartbeat,
     writer: {username: beat, password: {env: DB_PASSWORD}}}}
  - {name: db4, kind: mysql, dsn: "mysql://dialtone@127.0.0.1:4", heartbeat: dialtone.heartbeat}
"""


@pytest.fixture
def hearts(tmp_path: Path) -> Path:
    """Return a configuration with three writers."""
    path = tmp_path / "dialtone.yaml"
    path.write_text(NODES)
    return path


@pytest.fixture
def beaten(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the nodes that are written to; nothing is."""
    names: list[str] = []

    async def beat(settings: Settings, nodes: Sequence[Node]) -> None:
        assert {settings.heartbeats[node.name].secret.reveal() for node in nodes} == {DB_PASSWORD}
        names.extend(node.name for node in nodes)

    monkeypatch.setattr(beating, "beat", beat)
    return names


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([], ["db1", "db2", "db3"]),
        (["--node", "db2"], ["db2"]),
        (["--node", "db3", "--node", "db1", "--node", "db3"], ["db3", "db1"]),
    ],
)
def test_the_nodes_with_a_writer_are_written_to_each_once(
    dialtone: Dialtone, hearts: Path, beaten: list[str], options: list[str], names: list[str]
) -> None:
    said = dialtone("heartbeat", hearts, *options)
    assert (said.code, said.out) == (0, "")
    assert beaten == names


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("db5", "no node is called 'db5'; "),
        (
            "db4",
            "the node db4 has no writer; give a mysql node heartbeat: {table: dialtone.heartbeat, writer: ",
        ),
    ],
)
def test_a_node_without_a_writer_is_exit_code_3_and_nothing_is_written(
    dialtone: Dialtone, hearts: Path, beaten: list[str], node: str, words: str
) -> None:
    for more in ([], ["--sql"]):
        said = dialtone("heartbeat", hearts, "--node", "db1", "--node", node, *more)
        assert (said.code, said.out) == (3, "")
        assert words in said.err
    assert beaten == []


def test_a_configuration_without_writers_says_how_to_have_one(dialtone: Dialtone, config: Path) -> None:
    said = dialtone("heartbeat", config)
    assert said.code == 3
    assert "no node of " in said.err
    assert "writer: {username: heartbeat, password: {file: PATH}}" in said.err


def test_a_broken_configuration_is_exit_code_3(dialtone: Dialtone, hearts: Path, beaten: list[str]) -> None:
    hearts.write_text(NODES.replace("500ms", "50ms"))
    said = dialtone("heartbeat", hearts)
    assert said.code == 3
    assert "nodes[1].heartbeat.every" in said.err
    assert beaten == []


def test_the_sql_is_printed_once_for_nodes_that_need_the_same_and_runs_nowhere(
    dialtone: Dialtone, hearts: Path, beaten: list[str]
) -> None:
    said = dialtone("heartbeat", hearts, "--sql")
    assert (said.code, said.err, beaten) == (0, "", [])
    assert [line for line in said.out.splitlines() if line.startswith("-- For")] == [
        "-- For db1, db2.",
        "-- For db3.",
    ]
    assert said.out.count("CREATE TABLE IF NOT EXISTS `dialtone`.`heartbeat` (") == 1
    assert "GRANT SELECT ON `percona`.`heartbeat` TO 'dialtone'@<host>;" in said.out
    assert "CREATE USER 'beat'@<host> IDENTIFIED BY <password>;" in said.out
