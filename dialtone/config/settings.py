"""What a valid configuration says, as frozen values that the rest of the program uses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dialtone.config.tree import TenantTree
from dialtone.model import (
    AccessRole,
    Account,
    Database,
    Engine,
    Flow,
    Maintenance,
    Node,
    Objective,
    Plan,
    Secret,
    Topology,
    WeekSpan,
)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the service answers. Port 0 lets the system choose one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Discover:
    """Where tenants are looked for, `every` so many seconds.

    That is the domain module of an opensips `node`, or a `database`, asked by the statement `sql`. `name` is
    the label of its figures: no address.
    """

    name: str
    every: float
    node: Node | None = None
    database: Database | None = None
    sql: str = ""


@dataclass(frozen=True, slots=True)
class TenantQuery:
    """Where to ask, `every` so many seconds, whose data a topology holds: the domains that `sql` lists."""

    topology: str
    database: Database
    sql: str
    every: float


@dataclass(frozen=True, slots=True)
class HeartbeatWriter:
    """As whom heartbeats are written to a node."""

    username: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """A scheduled probe. `interval` and `timeout` (the whole flow's) are seconds.

    `skipped` are the tenants that were asked for but have too few accounts for the flow; `target` may hold
    `{tenant}`, the domain that is probed; in its `quiet` hours it is not placed.
    """

    name: str
    flow: Flow
    engine: Engine
    target: str
    tenants: tuple[str, ...]
    skipped: tuple[str, ...]
    interval: float
    timeout: float
    plan: Plan = field(default_factory=Plan)
    quiet: tuple[WeekSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Caps:
    """Bounds on what the service itself may do: exposed series, and the load of its probes."""

    series: int = 200_000
    calls_per_second: float = 10
    concurrent_calls: int = 50


@dataclass(frozen=True, slots=True)
class EvidenceLimits:
    """Which records of probes are kept, and how long.

    Those of passes for `keep` seconds, all others for `keep_failures`; of the passes of a tenant's flow one
    in `every`; all of them together in at most `max_size` bytes.
    """

    keep: float = 7 * 86400.0
    keep_failures: float = 30 * 86400.0
    every: int = 10
    max_size: int = 10_000_000_000


@dataclass(frozen=True, slots=True)
class ResultLimits:
    """How long what probes found is kept in the store.

    Results for `keep` seconds and at most `most` of them: beyond that the oldest passes go first. What they
    add up to by the hour for `hours` seconds; by the day, and slices, for ever.
    """

    keep: float = 30 * 86400.0
    most: int = 1_000_000
    hours: float = 90 * 86400.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook that is told about alerts; chat services put their key into the URL, so it is a secret."""

    name: str
    url: Secret


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token, the domain that it is for (that tenant and all below it), and what it may do there."""

    name: str
    scope: str
    token: Secret
    role: AccessRole = AccessRole.VIEWER


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration. `data` and `rules` are absolute; `accounts` are by tenant domain, `heartbeats`
    by node.

    `rules` is the operator's own file of alert rules; its contents are for the alerts to read.
    `objectives` are every tenant's, in the order of the file, then of the tree; `maintenance` has no
    `declared` of its own yet (the epoch); `logos` are absolute, by the domain that has one of its own.
    `notes` say what was left out and why: nothing is wrong, but `check` shows it.
    """

    source: Path
    location: str
    data: Path
    listen: Listen
    tree: TenantTree
    nodes: tuple[Node, ...]
    topologies: tuple[Topology, ...]
    accounts: Mapping[str, tuple[Account, ...]]
    probes: tuple[ProbeSpec, ...]
    caps: Caps
    receivers: tuple[Receiver, ...]
    rules: Path | None
    tokens: tuple[AccessToken, ...]
    external_url: str | None
    notes: tuple[str, ...]
    evidence: EvidenceLimits = field(default_factory=EvidenceLimits)
    discover: tuple[Discover, ...] = ()
    tenant_queries: tuple[TenantQuery, ...] = ()
    heartbeats: Mapping[str, HeartbeatWriter] = field(default_factory=dict)
    objectives: tuple[Objective, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    logos: Mapping[str, Path] = field(default_factory=dict)
    results: ResultLimits = field(default_factory=ResultLimits)
