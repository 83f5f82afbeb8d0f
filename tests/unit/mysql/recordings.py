"""What real servers answered in each state of trouble; tests/data/mysql/VERSION.json."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.mysql.statements import SERVER
from collectors.mysqlclient import Row
from tests.fakes.mysql import Answer, Result

_DATA = Path(__file__).parents[2] / "data" / "mysql"


@dataclass(frozen=True)
class Recording:
    """A server in one state: `rows` as it answered `statement`, every value a text as on the wire."""

    version: str
    statement: str
    read_only: int
    rows: Sequence[Row]

    @property
    def answers(self) -> dict[str, Answer]:
        """The same for a fake server, by statement."""
        return {
            SERVER: Result([{"version": self.version, "read_only": str(self.read_only)}]),
            self.statement: Result(self.rows),
        }


def recording(server: str, state: str) -> Recording:
    """Return one: server is mariadb-10.11, mariadb-11.8 or mysql-9.7."""
    found = json.loads((_DATA / f"{server}.json").read_text())
    then = found["states"][state]
    rows = [{name: _as_sent(value) for name, value in row.items()} for row in then["rows"]]
    return Recording(found["version"], found["statement"], then["read_only"], rows)


def _as_sent(value: object) -> str | None:
    # The recordings were made through a driver that turned numbers into numbers.
    return None if value is None else str(value)
