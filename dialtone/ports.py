"""The seams of the project: small protocols that one part offers and another uses.

Every implementation, real or fake, passes the contract suite of its port (tests/contract/).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from dialtone.model import (
    AlertEvent,
    AlertMessage,
    AuditRow,
    Closing,
    Correction,
    DomainsFound,
    Maintenance,
    MessageState,
    NodeState,
    OutboxEntry,
    ProbeRequest,
    ProbeResult,
    ProbeRun,
    ProbeTotals,
    Reading,
    Rollup,
    Scope,
    SeriesKey,
    SliceCause,
    SliceMark,
    SliceSeries,
    Tenant,
    TopologyState,
    TrafficMark,
)


class Clock(Protocol):
    """Where time comes from; tests pass one that they turn by hand."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back; only differences mean anything."""

    async def sleep(self, seconds: float) -> None:
        """Wait that long on this clock; at once for zero or less."""

    def alarm(self, seconds: float, ring: Callable[[], object]) -> Callable[[], None]:
        """Call `ring` when that long has passed, never at once; return what calls it off."""


class Collector(Protocol):
    """Reads one node. The runner adds deadline, timing, `up` and back-off around it."""

    async def collect(self) -> Reading:
        """Poll once. Raises CollectError with the reason; gives all of a reading or nothing."""

    async def aclose(self) -> None:
        """Give back connections."""


class TenantLookup(Protocol):
    """Says whose a figure is: what collectors ask of the tenant tree."""

    @property
    def domains(self) -> Sequence[str]:
        """The domains of all tenants, the platform's included, in the order of the tree."""

    def match(self, host: str) -> Tenant | None:
        """Return the tenant of a SIP host name as a server wrote it, None where nobody has it."""

    def by_account_code(self, code: str) -> Tenant | None:
        """Return the tenant that an Asterisk account code stands for, None where nobody has it."""

    def by_context(self, context: str) -> Tenant | None:
        """Return the tenant that an Asterisk context stands for, None where nobody has it."""

    def reseller(self, domain: str) -> str:
        """Return the reseller's domain of a tenant, "" where the domain is nobody's."""

    def fixed(self) -> "TenantLookup":
        """Return the tenants as they are at this moment, for answers that must agree with each other.

        Discovery may change them between any two moments in which the event loop has a turn; and at any
        moment for who asks in another thread.
        """


class Prober(Protocol):
    """Runs probes on one engine."""

    async def run(self, request: ProbeRequest) -> ProbeRun:
        """Run one probe to its end. Trouble of our own is an inconclusive run, never an exception."""


class TenantSource(Protocol):
    """Finds tenants on a server. Whoever asks sees to the deadline."""

    async def domains(self) -> DomainsFound:
        """Return all domains that the server lists now, or raise CollectError: never a part of them."""

    async def aclose(self) -> None:
        """Give back connections."""


class Sink(Protocol):
    """Takes what collectors and probes found. A sink never raises for what it was handed."""

    async def node_polled(self, state: NodeState) -> None:
        """A poll ended: this is the node now. A state without reading withdraws its series."""

    async def probe_ended(self, run: ProbeRun) -> None:
        """A probe ended."""


class TopologySink(Protocol):
    """Takes what is known of topologies. Never raises for what it was handed."""

    async def topology_judged(self, state: TopologyState) -> None:
        """A member was polled, or its reading withdrawn: this is the topology now."""


class StoreError(Exception):
    """The store could not do it (disk full, locked, corrupt); nothing was half done."""


class Store(Protocol):
    """What must survive a restart. Every read takes the Scope of who asks."""

    @property
    def books(self) -> "Books":
        """What SLA is computed from, in the same place."""

    async def add_results(self, results: Sequence[ProbeResult]) -> None:
        """Keep results, all or none; one that is already kept (same id) changes nothing."""

    async def results(
        self,
        scope: Scope,
        *,
        tenant: str | None = None,
        flow: str | None = None,
        since: datetime | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[ProbeResult]:
        """Return results that the scope may see, newest first (by started, then id).

        `since` leaves out what started before it; `before` is the (started, id) of a result, and only
        what comes after it in that order is returned: so one page follows another.
        """

    async def latest_results(self, scope: Scope) -> list[ProbeResult]:
        """Return the newest result of each (tenant, probe, location), by tenant, then probe."""

    async def result(self, scope: Scope, result_id: str) -> ProbeResult | None:
        """Return one result, or None where there is none that the scope may see."""

    async def begin_result(self, result: ProbeResult) -> None:
        """Note that a probe begins, as the result that it has if nothing ends it.

        add_results with the same id takes its place. Until then no read returns it.
        """

    async def adopt_unended(self) -> list[ProbeResult]:
        """Make results of the probes that began and never ended, free their accounts, return them.

        For the service's start: nobody else begins results in its data folder.
        """

    async def probe_totals(self, scope: Scope) -> list[ProbeTotals]:
        """Return what the results add up to, by series; pruning takes nothing away from them."""

    async def probe_counts(self, scope: Scope, *, since: datetime) -> Mapping[str, Mapping[str, int]]:
        """Return what conclusive scheduled probes counted (model.COUNTS), by tenant, from that hour on.

        They are kept by the full hour (UTC): the one that `since` is in counts whole.
        """

    async def count_traffic(
        self, mark: TrafficMark, growth: Mapping[str, Mapping[str, int]], gone: Collection[str] = ()
    ) -> None:
        """Add what a server's counters grew by, by tenant and name of COUNTS, to the mark's hour (UTC).

        The mark takes the place of the server's last one for the tenants that it names; those that are `gone`
        are forgotten, and those that it does not name stay as they were. All or none of it: a growth is
        counted once, whatever happens.
        """

    async def traffic_marks(self) -> Mapping[str, TrafficMark]:
        """Return how far the counters of each server are in the books. The service's own: it has no scope."""

    async def traffic_counts(self, scope: Scope, *, since: datetime) -> Mapping[str, Mapping[str, int]]:
        """Return what the tenants' own traffic counted, as probe_counts does; kept as long."""

    async def put_alerts(self, events: Sequence[AlertEvent], messages: Sequence[AlertMessage] = ()) -> None:
        """Keep the present state of alerts and the messages about it, all or none of both.

        The newest state of a fingerprint wins. A message whose key is kept already changes nothing.
        """

    async def outbox(
        self, state: MessageState | None = None, *, limit: int | None = None
    ) -> list[OutboxEntry]:
        """Return messages in the order in which they were put, of one state or of all.

        With a limit, the first so many. The outbox is the service's own: it has no scope, and no page or
        API shows it to a tenant.
        """

    async def note_try(self, key: str, detail: str) -> None:
        """Note that a message was tried and not taken; it goes on waiting."""

    async def settle_message(self, key: str, state: MessageState, at: datetime, detail: str = "") -> None:
        """Take a message out of those that wait. One that is settled, or unknown, stays as it is."""

    async def message_totals(self) -> Mapping[tuple[str, str], int]:
        """Return what ever became of messages: counts by receiver and outcome; pruning takes nothing away.

        Outcomes are the states that settle, and `failed`: tries that were not taken.
        """

    async def prune_messages(self, before: datetime) -> int:
        """Forget messages settled before that instant; return how many."""

    async def alerts(self, scope: Scope) -> list[AlertEvent]:
        """Return the present state of the alerts that the scope may see, newest first."""

    async def lease_accounts(
        self, accounts: Sequence[str], holder: str, *, now: datetime, until: datetime
    ) -> bool:
        """Lease all of these accounts (user@domain) to the holder, or none; True if it has them now.

        A lease past its end is free. A holder may lease again what it holds, which extends it.
        """

    async def release_accounts(self, accounts: Sequence[str], holder: str) -> None:
        """Give back what this holder holds of these; what others hold is left alone."""

    async def prune_results(
        self, before: datetime, *, most: int | None = None, counts: datetime | None = None
    ) -> int:
        """Forget results started before that instant; return how many.

        Where more than `most` results are left the oldest passes go first, then the oldest of all: rollups
        hold what they add up to. Hours of counts that ended before `counts` (`before`, where it is not given)
        go too, and marks of servers not read since.
        """

    async def aclose(self) -> None:
        """Close files; a closed store raises StoreError."""


MadeFrom: TypeAlias = Callable[[Sequence[SliceSeries], Sequence[SliceCause]], bool]
"""Whether a closing was made from these slices and causes. It reads nothing itself, and is quick."""


class BooksClosedError(StoreError):
    """What was to be written lies in a month that is closed, or the chain of closings has moved on."""


class Books(Protocol):
    """What SLA is computed from: slices, what is laid over them, closed months. Nothing of it is pruned.

    Slices of probes are written by Store.add_results, in the transaction that adds the result. Every write is
    on the disk (synchronous FULL) when it returns. Every read takes the Scope of who asks.
    """

    async def plan_series(self, location: str, keys: Collection[SeriesKey], at: datetime) -> None:
        """Open the series that are placed at a location from now on, end those of it that are not.

        One that is open already goes on; `at` is cut to the minute. Passive series ("") are a location too.
        """

    async def mark_slices(self, marks: Sequence[SliceMark]) -> None:
        """Put down verdicts of the tenants' traffic; a bad one stands over a good one, whatever comes later.

        Marks without an open series of their key, or in a closed month, change nothing.
        """

    async def slices(
        self, scope: Scope, *, since: datetime, until: datetime, tenants: Collection[str] | None = None
    ) -> list[SliceSeries]:
        """Return the series that were placed at some time of that span, with the days that touch it.

        By tenant, then flow, probe, location, since. `tenants` asks for those alone.
        """

    async def causes(
        self, scope: Scope, *, since: datetime, until: datetime, tenants: Collection[str] | None = None
    ) -> list[SliceCause]:
        """Return why slices that begin in that span became bad, by tenant, then slot."""

    async def declare(self, maintenance: Maintenance) -> Maintenance:
        """Put down maintenance; return it with its id (that it was given is not looked at)."""

    async def withdraw(self, scope: Scope, id_: int, *, at: datetime, author: str) -> Maintenance | None:
        """Withdraw maintenance that the scope may see: no occurrence begins from then on.

        One withdrawn before stays as it was. None where there is none.
        """

    async def maintenance(self, scope: Scope) -> list[Maintenance]:
        """Return all that was ever declared for tenants whom the scope may see, by id.

        Not what is declared further up and holds for them too: ask for that with a wider scope.
        """

    async def correct(self, correction: Correction) -> Correction:
        """Put down a correction; return it with its id."""

    async def withdraw_correction(
        self, scope: Scope, id_: int, *, at: datetime, author: str
    ) -> Correction | None:
        """Withdraw a correction, as `withdraw` does maintenance."""

    async def corrections(self, scope: Scope) -> list[Correction]:
        """Return all corrections of tenants whom the scope may see, by id."""

    async def close(self, closing: Closing, *, made_from: MadeFrom | None = None) -> Closing:
        """Freeze a month; return it with its sequence.

        Raises BooksClosedError where the tenant's month is closed already, or `previous` is not the hash of
        the last closing (somebody else closed one meanwhile: take up the chain and try again), or
        `made_from` says no to the tenant's slices and causes of its spans as they are in the very
        transaction that freezes them: results came between reading them and now.
        """

    async def closings(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None, whole: bool = True
    ) -> list[Closing]:
        """Return closings in sequence; but for `whole` ones without inputs and figures: all of a store's are
        gigabytes.
        """

    async def last_hash(self) -> str:
        """Return the hash of the last closing, "" before the first. It tells nothing about anybody."""

    async def audit(self, scope: Scope, *, tenant: str | None = None, limit: int = 100) -> list[AuditRow]:
        """Return the changes of the books, newest first."""

    async def rollups(
        self,
        scope: Scope,
        *,
        since: datetime,
        until: datetime,
        tenant: str | None = None,
        daily: bool = False,
    ) -> list[Rollup]:
        """Return what the results of each hour (or UTC day) that starts in that span add up to.

        By start, then key.
        """

    async def prune_rollups(self, before: datetime) -> int:
        """Forget hours that ended before that instant; return how many rows. Days are kept."""


class DeliveryError(Exception):
    """A message was not taken. `permanent` means that sending it again can't help."""

    def __init__(self, detail: str, *, permanent: bool) -> None:
        super().__init__(detail)
        self.permanent = permanent


class Notifier(Protocol):
    """Tells one receiver about alerts."""

    async def send(self, message: AlertMessage) -> None:
        """Deliver one message, with its key where the receiver can use it. Raises DeliveryError."""
