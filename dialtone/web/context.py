"""What the web part is given: everything its routes may reach, in one frozen value."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from dialtone.model import (
    AccessRole,
    Closing,
    Correction,
    Holding,
    KnownTopology,
    Maintenance,
    NodeState,
    ProbeResult,
    Scope,
    Secret,
    Tenant,
)
from dialtone.ports import Clock, Store
from dialtone.sla.closing import BrokenClosingError
from dialtone.sla.figures import Account
from dialtone.sla.statement import Statement

LOCAL: Final = "local"
"""Signs what is declared without a token: only who is on this machine can."""


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


class Declared(Protocol):
    """Maintenance as the books have it, and what was declared already for times that it overlaps."""

    @property
    def maintenance(self) -> Maintenance:
        """With its id."""

    @property
    def overlapping(self) -> Sequence[Maintenance]:
        """Of tenants that the scope may see."""


class Corrected(Protocol):
    """A correction as the books have it, and the closed months that it lies in: those stand as they are."""

    @property
    def correction(self) -> Correction:
        """With its id."""

    @property
    def closed(self) -> Sequence[Closing]:
        """Of tenants that the scope may see."""


class Sound(Protocol):
    """Accounts; and why some tenants' are not among them: the books don't give a closed month of theirs."""

    @property
    def accounts(self) -> Sequence[Account]:
        """In the order of the configuration."""

    @property
    def broken(self) -> Sequence[BrokenClosingError]:
        """Of tenants that the scope may see."""


class Ledger(Protocol):
    """What was promised and kept, computed from the store's books; it does so beside the event loop.

    What can't be, as the books stand, raises sla.closing.RefusedError, and BrokenClosingError where they
    don't give a closed month any more; a store that fails StoreError.
    """

    async def accounts(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None
    ) -> Sequence[Account]:
        """Return the services of the tenants that the scope may see, in the order of the configuration.

        Of a calendar month (`2026-10`), or of the period that runs now.
        """

    async def sound_accounts(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None
    ) -> Sound:
        """Return what `accounts` does, without the closed months that the books don't give any more."""

    async def statement(self, scope: Scope, tenant: str, period: str) -> Statement | None:
        """Return a month's statement, None where nothing was promised to a tenant of the scope."""

    async def declare(self, scope: Scope, maintenance: Maintenance) -> Declared:
        """Put down maintenance that is to come; its id and when it was declared are not looked at."""

    async def correct(self, scope: Scope, correction: Correction) -> Corrected:
        """Put down what past slices count as; its id and when it was declared are not looked at."""


@dataclass(frozen=True, slots=True)
class WebToken:
    """A bearer token: who holds it sees that scope, which discovery may change from one request to the next.

    `name` is for logs, and signs what is declared with it; never the secret. `role` says whether it may.
    """

    name: str
    scope: Callable[[], Scope]
    secret: Secret
    role: AccessRole = AccessRole.VIEWER


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: what they see, whether they may declare anything, and the name that signs it."""

    scope: Scope
    role: AccessRole
    name: str


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
    ledger: Ledger
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
