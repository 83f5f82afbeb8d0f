"""`heartbeat:` of a mysql node that is right; what is wrong is in tests/data/config/broken."""

from typing import Final

from dialtone.config import HeartbeatWriter
from dialtone.model import Secret
from tests.unit.config.conftest import HEAD, Reader

NODE: Final = '  - {name: NAME, kind: mysql, dsn: "mysql://dialtone@127.0.0.1", heartbeat: HEARTBEAT}\n'
WRITER: Final = "writer: {username: beat, password: {env: DB_PASSWORD}}"


def node(name: str, heartbeat: str) -> str:
    return NODE.replace("NAME", name).replace("HEARTBEAT", heartbeat)


def test_a_table_alone_is_read_and_written_by_others_every_second(read: Reader) -> None:
    for heartbeat in ("percona.heartbeat", "{table: percona.heartbeat}"):
        found = read(HEAD + "nodes:\n" + node("db1", heartbeat))
        assert found.nodes[0].options == {"heartbeat": "percona.heartbeat", "heartbeat_every": "1"}
        assert found.heartbeats == {}


def test_an_interval_may_be_of_200_milliseconds_to_a_minute(read: Reader) -> None:
    for written, seconds in (("200ms", "0.2"), ("2.5s", "2.5"), ("1m", "60")):
        found = read(HEAD + "nodes:\n" + node("db1", f"{{table: percona.heartbeat, every: {written}}}"))
        assert found.nodes[0].options["heartbeat_every"] == seconds


def test_the_writers_credentials_are_by_node_and_in_no_option(read: Reader) -> None:
    own = node("db1", f"{{table: dialtone.heartbeat, every: 500ms, {WRITER}}}")
    settings = read(HEAD + "nodes:\n" + own + node("db2", "dialtone.heartbeat"))
    db1, db2 = settings.nodes
    assert db1.options == {"heartbeat": "dialtone.heartbeat", "heartbeat_every": "0.5"}
    assert (db1.username, db1.secret) == ("dialtone", None)
    assert db2.options == {"heartbeat": "dialtone.heartbeat", "heartbeat_every": "1"}
    assert settings.heartbeats == {"db1": HeartbeatWriter("beat", Secret("sesame-db"))}
    assert "sesame-db" not in repr(settings)


def test_a_node_without_a_heartbeat_has_no_options_of_one(read: Reader) -> None:
    found = read(HEAD + 'nodes: [{name: db1, kind: mysql, dsn: "mysql://dialtone@127.0.0.1"}]\n')
    assert (found.nodes[0].options, found.heartbeats) == ({}, {})
