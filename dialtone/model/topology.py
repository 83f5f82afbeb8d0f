"""Topologies: database servers that replicate to each other, and what is known of them together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias


class TopologyKind(StrEnum):
    """How database servers belong together. STANDALONE is what a server is that no topology names."""

    STANDALONE = "standalone"
    PRIMARY_REPLICA = "primary-replica"
    ACTIVE_PASSIVE = "active-passive"
    MULTI_PRIMARY = "multi-primary"
    GALERA = "galera"


@dataclass(frozen=True, slots=True)
class Topology:
    """Nodes that replicate to each other, and the tenants whose data they hold.

    `tenants` are domains, None stands for all that there are. `lag` is how many seconds a replica may be
    behind, beyond the delay that is meant.
    """

    name: str
    kind: TopologyKind
    nodes: tuple[str, ...]
    tenants: tuple[str, ...] | None = None
    lag: float = 60.0


class Trouble(StrEnum):
    """What can be wrong with a database server, with a channel of it, or with a topology: a closed list."""

    # Of a node.
    MEMBER_DOWN = "member-down"
    NOT_READ = "not-read"
    CLOCK_SKEW = "clock-skew"
    ERRORS_SKIPPED = "errors-skipped"
    SEMI_SYNC_OFF = "semi-sync-off"
    HEARTBEAT_STOPPED = "heartbeat-stopped"
    NOT_REPLICATING = "not-replicating"
    REPLICA_WRITABLE = "replica-writable"
    ERRANT_TRANSACTIONS = "errant-transactions"
    # Of a channel.
    IO_STOPPED = "io-stopped"
    IO_AUTH = "io-auth"
    IO_UNREACHABLE = "io-unreachable"
    BINLOG_PURGED = "binlog-purged"
    IO_ERROR = "io-error"
    SQL_STOPPED = "sql-stopped"
    ROW_MISSING = "row-missing"
    DUPLICATE_KEY = "duplicate-key"
    SQL_ERROR = "sql-error"
    APPLIER_BLOCKED = "applier-blocked"
    LINK_SILENT = "link-silent"
    LATE = "late"
    # Of a topology.
    NO_WRITER = "no-writer"
    TWO_WRITERS = "two-writers"
    AUTO_INCREMENT_COLLISION = "auto-increment-collision"
    SPLIT_BRAIN = "split-brain"
    CLUSTER_SMALL = "cluster-small"
    # Of a node of a Galera cluster.
    NON_PRIMARY = "non-primary"
    NOT_READY = "not-ready"
    VIEW_DIFFERS = "view-differs"
    FLOW_CONTROL = "flow-control"
    CERTIFICATION_FAILURES = "certification-failures"
    DESYNCED = "desynced"
    DONOR = "donor"
    JOINING = "joining"


_OF_ANY: Final = frozenset(
    {
        Trouble.MEMBER_DOWN,
        Trouble.NOT_READ,
        Trouble.CLOCK_SKEW,
        Trouble.ERRORS_SKIPPED,
        Trouble.SEMI_SYNC_OFF,
        Trouble.HEARTBEAT_STOPPED,
        Trouble.ERRANT_TRANSACTIONS,
        Trouble.IO_STOPPED,
        Trouble.IO_AUTH,
        Trouble.IO_UNREACHABLE,
        Trouble.BINLOG_PURGED,
        Trouble.IO_ERROR,
        Trouble.SQL_STOPPED,
        Trouble.ROW_MISSING,
        Trouble.DUPLICATE_KEY,
        Trouble.SQL_ERROR,
        Trouble.APPLIER_BLOCKED,
        Trouble.LINK_SILENT,
        Trouble.LATE,
    }
)

JUDGED: Final[Mapping[TopologyKind, frozenset[Trouble]]] = {
    TopologyKind.STANDALONE: _OF_ANY,
    TopologyKind.PRIMARY_REPLICA: _OF_ANY
    | {Trouble.NO_WRITER, Trouble.TWO_WRITERS, Trouble.REPLICA_WRITABLE, Trouble.NOT_REPLICATING},
    TopologyKind.ACTIVE_PASSIVE: _OF_ANY | {Trouble.NO_WRITER, Trouble.TWO_WRITERS, Trouble.NOT_REPLICATING},
    TopologyKind.MULTI_PRIMARY: _OF_ANY
    | {Trouble.NO_WRITER, Trouble.AUTO_INCREMENT_COLLISION, Trouble.NOT_REPLICATING},
    TopologyKind.GALERA: _OF_ANY
    | {
        Trouble.NO_WRITER,
        Trouble.SPLIT_BRAIN,
        Trouble.CLUSTER_SMALL,
        Trouble.NON_PRIMARY,
        Trouble.NOT_READY,
        Trouble.VIEW_DIFFERS,
        Trouble.FLOW_CONTROL,
        Trouble.CERTIFICATION_FAILURES,
        Trouble.DESYNCED,
        Trouble.DONOR,
        Trouble.JOINING,
    },
}
"""What is looked for in a topology of each kind; nothing else is ever bad or fine there."""


class Impact(StrEnum):
    """What the tenants have of it: nothing, nothing yet (one more failure would cost them), or harm now."""

    NONE = "none"
    EXPOSED = "exposed"
    HURT = "hurt"


IMPACTS: Final = tuple(Impact)
"""From the least to the worst."""


class CheckState(StrEnum):
    """How a check came out. SUSPECT is bad in one poll, where only the next one tells whether it lasts."""

    FINE = "fine"
    SUSPECT = "suspect"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, of a topology (`node` None), of a node, or of a channel of it.

    What can't be judged (its server doesn't answer) has no check: that is no proof of health. `detail` is one
    line for a person, "" where it is fine. `value` is what was measured: seconds, a count, or 0 and 1.
    """

    trouble: Trouble
    state: CheckState
    node: str | None = None
    channel: str | None = None
    value: float = 0.0
    detail: str = ""
    impact: Impact = Impact.EXPOSED

    @property
    def key(self) -> "CheckKey":
        """What it is about: the same from one poll to the next, and of no other check of the topology."""
        return self.trouble, self.node, self.channel


CheckKey: TypeAlias = tuple[Trouble, str | None, str | None]
"""What a check is about: its trouble, node and channel."""


class Role(StrEnum):
    """What a server is in its topology, as far as one can see."""

    SOURCE = "source"
    RELAY = "relay"
    REPLICA = "replica"
    ACTIVE = "active"
    PASSIVE = "passive"
    MEMBER = "member"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Member:
    """A server of a topology. `writable` is None while that is unknown.

    `clock_offset` is how many seconds its clock is ahead of ours, give or take `clock_error`. `status` is a
    word or two for a person: of Galera its state, "" elsewhere. Where `channels_known` is False, its channels
    could not be read: that it has no link then doesn't mean that it has none.
    """

    node: str
    up: bool
    role: Role
    writable: bool | None = None
    version: str = ""
    clock_offset: float | None = None
    clock_error: float | None = None
    status: str = ""
    channels_known: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """Who replicates from whom: a channel.

    `source` is the node's name, None where it is none of the topology; `address` is the source's as the
    replica has it, host:port. `lag` is in seconds beyond the delay that is meant, None while it is unknown;
    `measured` says that a heartbeat tells it, and not the replica itself. `gap` counts transactions that the
    source has and the replica has not applied, None where that can't be told.
    """

    replica: str
    channel: str
    source: str | None
    address: str
    io_running: bool
    sql_running: bool
    lag: float | None = None
    measured: bool = False
    delay: float = 0.0
    gap: int | None = None


@dataclass(frozen=True, slots=True)
class TopologyState:
    """A topology as known now; each poll of a member replaces it whole.

    `tenants` are the domains whose data it holds, all of them, in the order of the tree. `switches` counts
    the changes of the writing server since the start.
    """

    topology: Topology
    at: datetime
    members: tuple[Member, ...]
    links: tuple[Link, ...]
    checks: tuple[Check, ...]
    tenants: tuple[str, ...] = ()
    switches: int = 0

    @property
    def troubles(self) -> tuple[Check, ...]:
        """What is wrong for certain, the worst impact first."""
        bad = (check for check in self.checks if check.state is CheckState.BAD)
        return tuple(sorted(bad, key=lambda check: -IMPACTS.index(check.impact)))

    @property
    def impact(self) -> Impact:
        """What the tenants have of it all."""
        return max((check.impact for check in self.troubles), key=IMPACTS.index, default=Impact.NONE)


@dataclass(frozen=True, slots=True)
class KnownTopology:
    """A topology as known now, and since when each of its troubles has been there."""

    state: TopologyState
    since: Mapping[CheckKey, datetime]


@dataclass(frozen=True, slots=True)
class Holding:
    """What of a topology its tenants may know: that it holds their data, and what they have of its troubles.

    `tenants` are those of them whom the reader may see.
    """

    topology: str
    impact: Impact
    tenants: tuple[str, ...]
