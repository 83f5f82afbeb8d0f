"""What a page of mysqld_exporter says of replication, and which alerts of its mixin that meets; pure.

The alerts are those of the mysqld-mixin in prometheus/mysqld_exporter, by their condition at one moment: how
long it must hold there (1 to 5 minutes), and the trend that MySQLReplicationLag wants besides, are left out.
Its alert on the heartbeat's lag needs a collector that is off by default, and that on InnoDB's log an hour.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

LATE: Final = 30.0
"""Seconds over which MySQLReplicationLag counts a replica as late."""
_QUEUE: Final = 100
_SYNCED: Final = 4
_DONOR: Final = 2
_STEP: Final = 3.0
"""Seconds by which a lag must differ to be another one: what the lab's topologies count as late."""

_SLAVE: Final = "mysql_slave_status_"
_STATUS: Final = "mysql_global_status_"
_VARIABLE: Final = "mysql_global_variables_"


@dataclass(frozen=True, slots=True)
class Link:
    """A channel by the exporter's series; None is a series that isn't there.

    `lag` is seconds_behind_master, `delay` what of it is meant.
    """

    name: str
    io: float | None
    sql: float | None
    lag: float | None
    delay: float = 0.0

    def __str__(self) -> str:
        """Return it in words: IO 1, SQL 0, lag gone."""
        lag = "gone" if self.lag is None else f"{self.lag:.0f}"
        name = f"{self.name}: " if self.name else ""
        return f"{name}IO {_number(self.io)}, SQL {_number(self.sql)}, lag {lag}"


@dataclass(frozen=True, slots=True)
class Galera:
    """What it shows of a node's cluster."""

    primary: float | None
    ready: float | None
    size: float | None
    state: float | None
    desync: float | None
    queue: float | None

    def __str__(self) -> str:
        """Return it in words: status 1, ready 1, size 3, state 4."""
        told = f"status {_number(self.primary)}, ready {_number(self.ready)}, size {_number(self.size)}"
        desync = ", desync 1" if self.desync else ""
        return f"{told}, state {_number(self.state)}{desync}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the exporter beside one server shows. `page` is whether it answered; `failed` are collectors of
    it that met an error. Where `galera` is there, `member` says whether the server belongs to any cluster.
    """

    page: bool
    up: float | None = None
    read_only: float | None = None
    links: tuple[Link, ...] = ()
    galera: Galera | None = None
    member: bool = False
    failed: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it in words: up 1, read_only 1; IO 1, SQL 0, lag gone."""
        if not self.page:
            return "no page"
        told = [f"up {_number(self.up)}"]
        if self.read_only is not None:
            told[0] += f", read_only {_number(self.read_only)}"
        told += map(str, self.links)
        if self.galera is not None and self.member:
            told.append(str(self.galera))
        told += [f"{name} fails" for name in self.failed]
        return "; ".join(told)

    def differs(self, other: "Shown") -> bool:
        """Whether anything else is shown than there, a lag that is much the same apart."""
        return _plain(self) != _plain(other) or any(
            _other_lag(one.lag, two.lag) for one, two in zip(self.links, other.links, strict=False)
        )


def read(page: str, *, member: bool = False) -> Shown:
    """Return what a page shows. Raises ValueError where it is none.

    `member` is whether the server is one of a cluster: of others the exporter shows wsrep's series too,
    where the server is built with it.
    """
    values: dict[str, float] = {}
    links: dict[str, dict[str, float]] = {}
    failed: list[str] = []
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name.startswith(_SLAVE):
                name = sample.labels.get("connection_name") or sample.labels.get("channel_name") or ""
                links.setdefault(name, {})[sample.name.removeprefix(_SLAVE)] = sample.value
            elif sample.name == "mysql_exporter_scrape_errors_total" and sample.value:
                failed.append(sample.labels.get("collector", "").removeprefix("collect."))
            elif not sample.labels:
                values[sample.name] = sample.value
    return Shown(
        page=True,
        up=values.get("mysql_up"),
        read_only=values.get(f"{_VARIABLE}read_only"),
        links=tuple(_link(name, links[name]) for name in sorted(links)),
        galera=_galera(values),
        member=member,
        failed=tuple(sorted(failed)),
    )


def _link(name: str, series: Mapping[str, float]) -> Link:
    return Link(
        name,
        series.get("slave_io_running"),
        series.get("slave_sql_running"),
        series.get("seconds_behind_master"),
        series.get("sql_delay", 0.0),
    )


def _galera(values: Mapping[str, float]) -> Galera | None:
    found = Galera(
        values.get(f"{_STATUS}wsrep_cluster_status"),
        values.get(f"{_STATUS}wsrep_ready"),
        values.get(f"{_STATUS}wsrep_cluster_size"),
        values.get(f"{_STATUS}wsrep_local_state"),
        values.get(f"{_VARIABLE}wsrep_desync"),
        values.get(f"{_STATUS}wsrep_local_recv_queue"),
    )
    return found if found.ready is not None or found.state is not None else None


def alerts(shown: Shown) -> tuple[str, ...]:
    """Return the mixin's alerts whose condition this meets."""
    return tuple(dict.fromkeys(_alerts(shown)))


def _alerts(shown: Shown) -> Iterator[str]:
    if shown.up is not None and shown.up != 1:
        yield "MySQLDown"
    if (galera := shown.galera) is not None:
        if galera.ready is not None and galera.ready != 1:
            yield "MySQLGaleraNotReady"
        if galera.state is not None and galera.state != _SYNCED and galera.desync == 0:
            yield "MySQLGaleraOutOfSync"
        if galera.state == _DONOR and (galera.queue or 0) > _QUEUE:
            yield "MySQLGaleraDonorFallingBehind"
    for link in shown.links:
        if 0 in (link.io, link.sql):
            yield "MySQLReplicationNotRunning"
        if link.lag is not None and link.lag - link.delay > LATE:
            yield "MySQLReplicationLag"


def falls_behind(shown: Shown, before: Shown) -> bool:
    """Whether a lag that is shown has grown: MySQLReplicationLag may come once it is over its 30 s."""
    was = {link.name: link.lag for link in before.links}
    return any(
        link.lag is not None and link.lag - (was.get(link.name) or 0.0) >= _STEP for link in shown.links
    )


def _plain(shown: Shown) -> tuple[object, ...]:
    galera = shown.galera
    cluster = galera and (galera.primary, galera.ready, galera.size, galera.state, galera.desync)
    links = tuple((link.name, link.io, link.sql) for link in shown.links)
    return shown.page, shown.up, shown.read_only, links, cluster, shown.failed


def _other_lag(one: float | None, two: float | None) -> bool:
    if one is None or two is None:
        return one is not two
    return abs(one - two) >= _STEP


def _number(value: float | None) -> str:
    return "gone" if value is None else f"{value:g}"


def fired(shown: Mapping[str, Shown], before: Mapping[str, Shown]) -> Sequence[str]:
    """Return the alerts that fire and didn't before, each with its server: MySQLDown db1."""
    return [
        f"{alert} {name}"
        for name, one in shown.items()
        for alert in alerts(one)
        if name not in before or alert not in alerts(before[name])
    ]
