"""Runs a probe from the schedule or by hand: accounts, caps, confirmation, and where its result goes."""

import random
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Final, Literal, Protocol

import anyio
import structlog

from dialtone.config.addresses import TENANT
from dialtone.model import (
    CONFIRM_AFTER,
    Account,
    Engine,
    Failure,
    FailureCode,
    Flow,
    Origin,
    Outcome,
    Plan,
    ProbeRequest,
    ProbeResult,
    ProbeRun,
)
from dialtone.ports import Clock, Prober, Sink, Store, StoreError
from synthetic.agents.link import GRACE
from synthetic.evidence import EvidenceStore
from synthetic.leases import AccountLeases, AccountsBusyError
from synthetic.probes.runner import TIDY
from synthetic.queueing import Line, LineTooLongError
from synthetic.runs import broken_run
from synthetic.storing import PatientStore

LEASE_BEYOND: Final = TIDY + GRACE + 15.0
"""How long after a probe's timeout its accounts stay leased at most, in seconds: it still tidies up then.

On SIPp that is a CANCEL, the end of two programs, and one more that takes the binding back.
"""
FAREWELL: Final = 2.0
"""Seconds that the store has at a stop to take what still waits."""
BACKLOG: Final = 10_000
"""Results kept in memory while the store takes none; beyond it the oldest are lost."""

_ENGINE_TROUBLE: Final = frozenset({FailureCode.ENGINE_MISSING, FailureCode.ENGINE_CRASHED})

_NO_ROW: Final = (ValueError, TypeError, LookupError, OverflowError)
"""What the store raises of a result that no measurement gives: a mistake of an engine's."""

_log = structlog.get_logger(__name__)


class ProbeSpec(Protocol):
    """What the driver needs of a configured probe; `interval` and `timeout` (the flow's) are seconds."""

    @property
    def name(self) -> str: ...
    @property
    def flow(self) -> Flow: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def target(self) -> str: ...
    @property
    def interval(self) -> float: ...
    @property
    def timeout(self) -> float: ...
    @property
    def plan(self) -> Plan: ...


class Judge(Protocol):
    """What the driver needs of a canary."""

    async def trouble(self, engine: Engine) -> Failure | None:
        """Return what is wrong with our own side, None where nothing is."""


class ProbeDriver:
    """Runs probes of every tenant.

    `accounts` is by tenant domain; `caps` is (probes a second, probes at a time). `canary` judges
    whether a scheduled failure may be our own; without one it never is.

    `lost` counts results that the store never took.
    """

    def __init__(
        self,
        probers: Mapping[Engine, Prober],
        store: Store,
        clock: Clock,
        sinks: Sequence[Sink],
        accounts: Mapping[str, tuple[Account, ...]],
        location: str,
        caps: tuple[float, int],
        evidence: EvidenceStore,
        rng: random.Random,
        canary: Judge | None = None,
    ) -> None:
        self._probers = probers
        self._store = store
        self._clock = clock
        self._sinks = sinks
        self._accounts = accounts
        self._location = location
        self._line = Line(clock, per_second=caps[0], at_a_time=caps[1])
        self._patient = PatientStore(clock)
        self._leases = AccountLeases(store, clock, self._patient)
        self._evidence = evidence
        self._rng = rng
        self._canary = canary
        self._backlog: deque[ProbeResult] = deque()
        self._writing = anyio.Lock()
        self._refusals = 0
        self._store_broken = False
        self._broken_engines: set[Engine] = set()
        self.lost = 0

    @property
    def backlog(self) -> int:
        """How many results wait for the store."""
        return len(self._backlog)

    async def aclose(self) -> None:
        """Offer the store a last time what it would not take, and say what is lost with this process."""
        with anyio.move_on_after(FAREWELL, shield=True):
            async with self._writing:
                self._patient.hope()
                await self._write_backlog()
        if self._backlog:
            _log.error("results are lost: the store would not take them before the stop", count=self.backlog)

    async def run(self, spec: ProbeSpec, tenant: str, *, origin: Origin, slot: int) -> ProbeRun:
        """Run a probe for a tenant; return its last attempt, which is already stored and told to the sinks.

        A scheduled one that fails is repeated once, and both results count (definitions: availability 2).
        """
        run = await self._attempt(spec, tenant, origin, slot, 1)
        if origin is Origin.SCHEDULE and run.result.outcome is Outcome.FAIL:
            await self._clock.sleep(CONFIRM_AFTER)
            run = await self._attempt(spec, tenant, origin, slot, 2)
        return run

    async def _attempt(
        self, spec: ProbeSpec, tenant: str, origin: Origin, slot: int, attempt: Literal[1, 2]
    ) -> ProbeRun:
        request = ProbeRequest(
            id=str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            probe=spec.name,
            flow=spec.flow,
            engine=spec.engine,
            tenant=tenant,
            target=spec.target.replace(TENANT, tenant),
            location=self._location,
            accounts=(),
            origin=origin,
            slot=slot,
            attempt=attempt,
            timeout=spec.timeout,
            plan=spec.plan,
            evidence=origin is Origin.MANUAL or self._evidence.wants_pass(tenant, spec.name),
            interval=spec.interval,
        )
        started = self._clock.now()
        try:
            run = await self._probe(request)
        except LineTooLongError as error:
            run = broken_run(request, Failure(FailureCode.OVERLOADED, str(error)), started)
        except AccountsBusyError as error:
            run = broken_run(request, Failure(FailureCode.ACCOUNT_BUSY, str(error)), started)
        return await self._keep(await self._judged(run), request)

    async def _judged(self, run: ProbeRun) -> ProbeRun:
        """Return a scheduled run that failed as inconclusive where our own canary fails too.

        Whatever it failed of: a worker that computes digests wrongly is refused by everybody. A pass stays
        one, since nothing of ours that is broken brings one about.
        """
        result, failure = run.result, run.result.failure
        if self._canary is None or failure is None or result.origin is not Origin.SCHEDULE:
            return run
        if result.outcome is not Outcome.FAIL or (ours := await self._canary.trouble(result.engine)) is None:
            return run
        detail = f"our own canary failed ({ours.said}); without that: {failure.said}"
        canary_failed = Failure(FailureCode.CANARY_FAILED, detail)
        return replace(run, result=replace(result, outcome=Outcome.INCONCLUSIVE, failure=canary_failed))

    async def _probe(self, request: ProbeRequest) -> ProbeRun:
        prober = self._probers.get(request.engine)
        if prober is None:
            failure = Failure(FailureCode.ENGINE_MISSING, f"there is no engine {request.engine} here")
            return broken_run(request, failure, self._clock.now())
        accounts, needed = self._accounts.get(request.tenant, ()), request.plan.accounts(request.flow)
        callee = request.plan.callee
        if callee and all(account.user != callee for account in accounts):
            failure = Failure(
                FailureCode.MISCONFIGURED,
                f"the phone {callee} of {request.tenant} is to be called, and is no account of it here:"
                " add it to the accounts file, or take the tenant out of the probe",
            )
            return broken_run(request, failure, self._clock.now())
        if len(accounts) < needed:
            failure = Failure(
                FailureCode.MISCONFIGURED,
                f"{request.flow} needs {needed} account(s) of {request.tenant}, there are {len(accounts)}:"
                " add them to the accounts file",
            )
            return broken_run(request, failure, self._clock.now())
        async with self._line.turn(confirms=request.attempt == 2):
            await self._begin(request)
            async with self._leased(request, accounts, needed) as leased:
                return await prober.run(replace(request, accounts=leased))

    @asynccontextmanager
    async def _leased(
        self, request: ProbeRequest, accounts: Sequence[Account], needed: int
    ) -> AsyncIterator[tuple[Account, ...]]:
        """Lease the accounts of a probe; the callee that its plan names is the last of them."""

        def lease(some: Sequence[Account], count: int) -> AbstractAsyncContextManager[tuple[Account, ...]]:
            seconds = request.timeout + LEASE_BEYOND
            return self._leases.lease(request.tenant, some, count, request.id, seconds=seconds)

        named = [account for account in accounts if account.user == request.plan.callee]
        if not request.plan.callee:
            async with lease(accounts, needed) as leased:
                yield leased
            return
        others = [account for account in accounts if account not in named]
        async with lease(named, 1) as callee, lease(others, needed - 1) as leased:
            yield (*leased, *callee)

    async def _begin(self, request: ProbeRequest) -> None:
        """Note a scheduled probe before it runs: one that a dying service cut short is then inconclusive.

        Before its accounts are leased, so that who adopts the result can free them too.
        """
        if request.origin is not Origin.SCHEDULE:
            return
        failure = Failure(FailureCode.ENGINE_CRASHED, "the service stopped while the probe ran")
        unended = broken_run(request, failure, self._clock.now()).result
        try:
            await self._patient.ask(lambda: self._store.begin_result(unended))
        except StoreError as error:
            self._store_failed(error)

    async def _keep(self, run: ProbeRun, request: ProbeRequest) -> ProbeRun:
        """Keep the record and the result, tell the sinks; what fails stops none of the rest."""
        path = await self._evidence.keep(run, request.plan, passes=request.evidence)
        run = replace(run, result=replace(run.result, evidence=path))
        self._watch_engine(run.result)
        await self._store_result(run.result)
        for sink in self._sinks:
            await sink.probe_ended(run)
        return run

    def _watch_engine(self, result: ProbeResult) -> None:
        """Log once that an engine breaks down, and once that it works again: nobody's phone rings for it.

        Who tries one by hand is told by the result.
        """
        if result.origin is not Origin.SCHEDULE:
            return
        broken = result.failure is not None and result.failure.code in _ENGINE_TROUBLE
        if broken and result.engine not in self._broken_engines:
            self._broken_engines.add(result.engine)
            why = result.failure.detail if result.failure is not None else ""
            _log.warning("an engine breaks down; its probes are inconclusive", engine=result.engine, why=why)
        elif not broken and result.engine in self._broken_engines and result.outcome is Outcome.PASS:
            self._broken_engines.discard(result.engine)
            _log.info("an engine works again", engine=result.engine)

    async def _store_result(self, result: ProbeResult) -> None:
        if len(self._backlog) >= BACKLOG:
            self._backlog.popleft()
            self.lost += 1
        self._backlog.append(result)
        refusals = self._refusals
        async with self._writing:
            # Where the store has refused others meanwhile, it is left to the next comer to ask again.
            if self._refusals == refusals:
                await self._write_backlog()

    async def _write_backlog(self) -> None:
        if self._backlog:
            await self._write(list(self._backlog))

    async def _write(self, pending: Sequence[ProbeResult]) -> None:
        """Write results; one that is no row of the store is given up, and takes no other down with it."""
        try:
            await self._patient.ask(lambda: self._store.add_results(pending))
        except StoreError as error:
            self._refusals += 1
            self._store_failed(error)
            return
        except _NO_ROW as error:
            if half := len(pending) // 2:
                await self._write(pending[:half])
                await self._write(pending[half:])
                return
            self.lost += 1
            why = f"{type(error).__name__}: {error}"
            _log.error("a result can't be stored", result=pending[0].id, error=why)
        done = {result.id for result in pending}
        self._backlog = deque(result for result in self._backlog if result.id not in done)
        if self._store_broken:
            self._store_broken = False
            _log.info("results are stored again", written=len(pending), lost=self.lost)

    def _store_failed(self, error: StoreError) -> None:
        if not self._store_broken:
            self._store_broken = True
            _log.warning("results can't be stored; they wait in memory", error=str(error))
