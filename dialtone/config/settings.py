"""What a valid configuration says, as frozen values that the rest of the program uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dialtone.config.tree import TenantTree
from dialtone.model import Account, Engine, Flow, Node, Secret


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the service answers. Port 0 lets the system choose one."""

    host: str
    port: int


class TopologyKind(StrEnum):
    """How database nodes belong together."""

    PRIMARY_REPLICA = "primary-replica"
    ACTIVE_PASSIVE = "active-passive"
    MULTI_PRIMARY = "multi-primary"
    GALERA = "galera"


@dataclass(frozen=True, slots=True)
class Topology:
    """Nodes that replicate to each other, and the tenants whose data they hold."""

    name: str
    kind: TopologyKind
    nodes: tuple[str, ...]
    tenants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """A scheduled probe. `interval` and `timeout` (the whole flow's) are seconds.

    `skipped` are the tenants that were asked for but have too few accounts for the flow.
    """

    name: str
    flow: Flow
    engine: Engine
    target: str
    tenants: tuple[str, ...]
    skipped: tuple[str, ...]
    interval: float
    timeout: float


@dataclass(frozen=True, slots=True)
class Caps:
    """Bounds on what the service itself may do: exposed series, and the load of its probes."""

    series: int = 200_000
    calls_per_second: float = 10
    concurrent_calls: int = 50


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook that is told about alerts; chat services put their key into the URL, so it is a secret."""

    name: str
    url: Secret


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token, and the domain that it may read: that tenant and all below it."""

    name: str
    scope: str
    token: Secret


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration. `data` and `rules` are absolute; `accounts` are by tenant domain.

    `rules` is the operator's own file of alert rules; its contents are for the alerts to read.
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
