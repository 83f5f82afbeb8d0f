"""What one poll of a server says: the one schema for every server and version.

Fields are what MySQL 8.4's manual and MariaDB's Knowledge Base call them, in new words (source, replica).
None or an empty text means that this server doesn't have or doesn't say it; a right that is missing is in
`unread`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dialtone.model import CollectFailure


class Flavour(StrEnum):
    """Whose server it is; it decides which statements there are."""

    MARIADB = "mariadb"
    MYSQL = "mysql"


@dataclass(frozen=True, slots=True)
class ClockReading:
    """How far a server's clock is ahead of ours, in seconds, give or take `error` (half a round trip)."""

    offset: float
    error: float


@dataclass(frozen=True, slots=True)
class LastError:
    """The last error of a replica's thread. `code` is the server's number, `text` one line."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a source's binary log."""

    file: str
    position: int


@dataclass(frozen=True, slots=True)
class Workers:
    """The threads that apply a channel's changes in parallel: configured, running, and at work now."""

    configured: int
    running: int | None = None
    applying: int | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """One stream of changes from a source.

    `lag` is Seconds_Behind_Source, None where the server says NULL; `delay` is SQL_Delay, the lag that is
    meant; both in seconds. `source_id` is 0 and `source_uuid` "" as long as the source was never reached
    (MariaDB has no UUIDs). `connecting` is an I/O thread that tries to. `received` and `executed` are GTIDs
    as the server writes them, of this channel where the server tells them apart. `applier_state` is the SQL
    thread's state in the server's words (the processlist's), or that of a parallel worker that waits for a
    lock (MySQL). `source_heartbeats` counts replication's own heartbeats, that come every `heartbeat_period`
    seconds over a link without changes.
    """

    name: str
    source_id: int
    source_uuid: str
    source_address: str
    io_running: bool
    connecting: bool
    sql_running: bool
    lag: float | None
    delay: float
    io_error: LastError | None = None
    sql_error: LastError | None = None
    io_state: str = ""
    applier_state: str = ""
    received: str = ""
    executed: str = ""
    read_place: Place | None = None
    executed_place: Place | None = None
    relay_space: int | None = None
    workers: Workers | None = None
    source_heartbeats: int | None = None
    heartbeat_period: float | None = None


@dataclass(frozen=True, slots=True)
class SemiSync:
    """Semi-synchronous replication: what is switched on, and what holds now.

    As a source: `source_enabled` and `source_active` (off while it has fallen back to asynchronous),
    `clients` the replicas that acknowledge, `unacknowledged` the commits that went without. As a replica
    likewise.
    """

    source_enabled: bool = False
    source_active: bool = False
    clients: int = 0
    unacknowledged: int = 0
    replica_enabled: bool = False
    replica_active: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself.

    `gtid` is all that it has, as it writes it (gtid_executed; MariaDB: gtid_binlog_pos joined with what it
    applied, gtid_current_pos). `replicas` is how many are connected to it. `skips` names the setting that
    lets it skip errors ("slave_skip_errors=1062"), "" without one; `skipped` counts errors that were skipped.
    `increment` and `offset` are auto_increment_increment and auto_increment_offset. `net_timeout` and
    `uptime` are seconds.
    """

    version: str
    flavour: Flavour
    server_id: int
    server_uuid: str
    read_only: bool
    super_read_only: bool | None
    clock: ClockReading
    gtid: str = ""
    place: Place | None = None
    increment: int = 1
    offset: int = 1
    replicas: int | None = None
    skips: str = ""
    skipped: int | None = None
    net_timeout: float | None = None
    uptime: float | None = None
    semi_sync: SemiSync | None = None

    @property
    def writable(self) -> bool:
        """Whether clients without special rights can write."""
        return not self.read_only


@dataclass(frozen=True, slots=True)
class Galera:
    """A node of a Galera or Percona XtraDB cluster: the status variables wsrep_*, without the prefix.

    `members` are the addresses of wsrep_incoming_addresses, `own` is the one of this node (by
    wsrep_local_index). `view` is wsrep_cluster_conf_id, None where the node is in no primary component.
    `state` is wsrep_local_state_comment. `paused` are seconds in which flow control held this node up since
    the start. Counters begin with the server. `desync` says that the operator asked for it (wsrep_desync).
    `replicating` is wsrep_on, `rejects` says that wsrep_reject_queries is other than NONE.
    """

    status: str
    size: int
    view: int | None
    cluster_uuid: str
    members: tuple[str, ...]
    own: str
    state: str
    ready: bool
    connected: bool
    committed: int
    receive_queue: int
    send_queue: int
    paused: float
    pauses_sent: int
    pauses_received: int
    pause_requested: bool
    certification_failures: int
    brute_force_aborts: int
    desync: bool
    replicating: bool = True
    rejects: bool = False

    @property
    def primary(self) -> bool:
        """Whether it belongs to the primary component."""
        return self.status.lower() == "primary"

    @property
    def serves(self) -> bool:
        """Whether it takes queries; tables can't be read otherwise (1047)."""
        return self.primary and self.ready and self.connected and not self.rejects


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat row: `written` is its time by the writer's server, `age` how old by this server's clock.

    `written` is seconds since 1970 (UTC), `age` seconds, negative where this server's clock is behind.
    """

    written: float
    age: float


@dataclass(frozen=True, slots=True)
class MysqlSnapshot:
    """One poll. `taken` is our monotonic clock and `at` our wall clock (seconds since 1970) as the server was
    asked for its heartbeats, `heartbeats` are by the writer's server_id; None where no table is configured or
    it can't be read. `galera` is None on a server without wsrep. `unread` says what could not be read, and
    why.
    """

    taken: float
    at: float
    server: Server
    channels: tuple[Channel, ...] = ()
    heartbeats: Mapping[int, Heartbeat] | None = None
    galera: Galera | None = None
    unread: Mapping[str, CollectFailure] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
