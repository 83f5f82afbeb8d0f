"""What the web part is given: everything its routes may reach, in one frozen value."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dialtone.model import Holding, KnownTopology, NodeState, ProbeResult, Scope, Secret, Tenant
from dialtone.ports import Clock, Store


class Board(Protocol):
    """What is known right now, in memory; every read takes the Scope of who asks."""

    def nodes(self, scope: Scope) -> Sequence[NodeState]:
        """Return the state of every node that the scope may see, by name."""

    def node(self, scope: Scope, name: str) -> NodeState | None:
        """Return one node's state, or None where there is none that the scope may see."""

    def topologies(self, scope: Scope) -> Sequence[KnownTopology]:
        """Return every topology that the scope may see, by name."""

    def topology(self, scope: Scope, name: str) -> KnownTopology | None:
        """Return one topology, or None where there is none that the scope may see."""

    def holdings(self, scope: Scope) -> Sequence[Holding]:
        """Return the topologies that hold data of tenants whom the scope may see, and no others of these."""

    def results(self, scope: Scope) -> Sequence[ProbeResult]:
        """Return the last result of each tenant's probe and location that the scope may see."""


@dataclass(frozen=True, slots=True)
class WebToken:
    """A bearer token: who holds it sees that scope, which discovery may change from one request to the next.

    `name` is for logs, never the secret.
    """

    name: str
    scope: Callable[[], Scope]
    secret: Secret


@dataclass(frozen=True, slots=True)
class WebContext:
    """What create_app needs.

    `tenants` gives every tenant known now, `metrics_page` the exposition (called in the loop's thread,
    where collectors and probes change it, and gone through in another, which makes its text), `ready`
    whether the first polls are done, `has_probes` whether any are configured. `host` is the one that is
    listened on, `external_url` the address under which people reach the service. Without `tokens` whoever
    reaches the service sees everything: the configuration allows that on loopback only.
    """

    store: Store
    board: Board
    tenants: Callable[[], Sequence[Tenant]]
    clock: Clock
    metrics_page: Callable[[], Iterable[bytes]]
    ready: Callable[[], bool]
    has_probes: bool
    location: str
    version: str
    host: str
    external_url: str
    tokens: tuple[WebToken, ...] = ()
