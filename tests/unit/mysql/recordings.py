"""What real servers answered in each state of trouble; tests/data/mysql/*.json say where from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.mysql.fields import Facts
from collectors.mysql.parse_channels import parse_channels
from collectors.mysql.parse_galera import parse_galera
from collectors.mysql.parse_server import parse_replicas, parse_server
from collectors.mysql.snapshot import Channel, ClockReading, MysqlSnapshot
from collectors.mysql.statements import (
    DUMPS,
    LINKS,
    OLD_WORKERS,
    SERVER,
    STATUS,
    VARIABLES,
    WORKERS,
    WORKERS_ALONE,
)
from collectors.mysqlclient import Row
from tests.fakes.mysql import Answer, Result

_DATA = Path(__file__).parents[2] / "data" / "mysql"

NOW = "2026-03-01 12:00:00.250000"
"""The server's clock, a quarter of a second ahead of a FakeClock's start."""


@dataclass(frozen=True)
class Recording:
    """A server in one state, every value a text as on the wire; `rows` are its channels.

    `workers` and `links` are rows of MySQL's performance schema, `replicas` its dump threads; None on
    MariaDB. `asks` are the statements that this version understands, by part.
    """

    version: str
    asks: Mapping[str, str]
    variables: Sequence[Row]
    status: Sequence[Row]
    rows: Sequence[Row]
    place: Sequence[Row]
    workers: Sequence[Row] | None
    links: Sequence[Row] | None
    replicas: Sequence[Row] | None

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Its channels, parsed."""
        return parse_channels(self.rows, Facts(self.variables), workers=self.workers, links=self.links or ())

    @property
    def snapshot(self) -> MysqlSnapshot:
        """All of it, parsed; our clocks show 1000 s."""
        variables, status, channels = Facts(self.variables), Facts(self.status), self.channels
        server = parse_server(
            self.version,
            variables,
            status,
            ClockReading(0.25, 0.001),
            place=self.place,
            executed=channels[0].executed if channels else "",
            replicas=parse_replicas(self.replicas or ()),
        )
        return MysqlSnapshot(1000.0, 1000.0, server, channels, galera=parse_galera(variables, status))

    @property
    def answers(self) -> dict[str, Answer]:
        """The same for a fake server, by statement."""
        found: dict[str, Answer] = {
            SERVER: Result([{"version": self.version, "now": NOW}]),
            VARIABLES: Result(self.variables),
            STATUS: Result(self.status),
            self.asks["channels"]: Result(self.rows),
            self.asks["place"]: Result(self.place),
        }
        if self.workers is not None and self.links is not None and self.replicas is not None:
            old = self.asks["workers"] == "old"
            alone = [{name: row[name] for name in row if name != "doing"} for row in self.workers]
            found |= {
                OLD_WORKERS if old else WORKERS: Result(self.workers),
                WORKERS_ALONE[old]: Result(alone),
                LINKS: Result(self.links),
                DUMPS: Result(self.replicas),
            }
        return found


def recording(server: str, state: str) -> Recording:
    """Return one: server is the name of a file, such as mariadb-10.11, mysql-9.7 or xtradb-8.0."""
    found = json.loads((_DATA / f"{server}.json").read_text())
    then = found["states"][state]
    return Recording(
        version=found["version"],
        asks=found["asks"],
        variables=_facts(then["variables"]),
        status=_facts(then["status"]),
        rows=_rows(then["channels"]),
        place=_rows(then["place"]),
        workers=_rows(then["workers"]) if "workers" in then else None,
        links=_rows(then["links"]) if "links" in then else None,
        replicas=_rows([{"replicas": then["replicas"]}]) if "replicas" in then else None,
    )


def _facts(values: Mapping[str, str]) -> list[Row]:
    return [{"Variable_name": name, "Value": value} for name, value in values.items()]


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    return [{name: _as_sent(value) for name, value in row.items()} for row in rows]


def _as_sent(value: object) -> str | None:
    # The recordings were made through a driver that turned numbers into numbers.
    return None if value is None else str(value)
