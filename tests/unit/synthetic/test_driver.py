"""The driver: accounts, caps, confirmation, and results that survive what else breaks."""

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dialtone.config import EvidenceLimits
from dialtone.model import (
    Engine,
    Failure,
    FailureCode,
    Flow,
    NodeState,
    Origin,
    Outcome,
    Plan,
    ProbeRequest,
    ProbeResult,
    ProbeRun,
    Scope,
)
from dialtone.ports import Prober, StoreError
from dialtone.store import MemoryStore
from synthetic.driver import ProbeDriver
from synthetic.evidence import EvidenceStore
from synthetic.probes.runner import TIDY
from synthetic.storing import PATIENCE, REST
from tests.fakes.clock import FakeClock
from tests.fakes.prober import FakeProber
from tests.fakes.sip_probes import TENANT, an_account

CHARLIE = "charlie.example"
ACCOUNTS = {
    TENANT: tuple(an_account(str(user)) for user in range(100, 105)),
    CHARLIE: (an_account("200", CHARLIE),),
}
EVERYTHING = Scope.everything()


@dataclass(frozen=True)
class Spec:
    """A configured probe."""

    name: str = "calls"
    flow: Flow = Flow.CALL
    engine: Engine = Engine.SIPPY
    target: str = "sip:127.0.0.1:5060"
    interval: float = 60.0
    timeout: float = 10.0
    plan: Plan = field(default_factory=Plan)


class Judge:
    """A canary that says what it is told, and remembers who asked."""

    def __init__(self, *says: Failure | None) -> None:
        self._says = list(says)
        self.asked: list[Engine] = []

    async def trouble(self, engine: Engine) -> Failure | None:
        """Say it."""
        self.asked.append(engine)
        return self._says.pop(0) if len(self._says) > 1 else self._says[0]


class Notes:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.runs: list[ProbeRun] = []

    async def node_polled(self, state: NodeState) -> None:
        """Not for us."""

    async def probe_ended(self, run: ProbeRun) -> None:
        """Remember."""
        self.runs.append(run)


class FullDisk(MemoryStore):
    """A store that, while `broken`, takes neither results nor leases; while it `hangs`, it says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.hangs = False

    async def add_results(self, results: Sequence[ProbeResult]) -> None:
        """Take results, or raise."""
        await self._check()
        await super().add_results(results)

    async def begin_result(self, result: ProbeResult) -> None:
        """Note a beginning, or raise."""
        await self._check()
        await super().begin_result(result)

    async def lease_accounts(
        self, accounts: Sequence[str], holder: str, *, now: datetime, until: datetime
    ) -> bool:
        """Lease, or raise."""
        await self._check()
        return await super().lease_accounts(accounts, holder, now=now, until=until)

    async def release_accounts(self, accounts: Sequence[str], holder: str) -> None:
        """Release, or raise."""
        await self._check()
        await super().release_accounts(accounts, holder)

    async def _check(self) -> None:
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.broken:
            raise StoreError("database or disk is full")


class NoEvidence(EvidenceStore):
    """Keeps none: no thread, whose time is not the clock's."""

    async def keep(self, run: ProbeRun, plan: Plan, *, passes: bool) -> None:
        """Keep nothing."""


@pytest.fixture
def no_evidence(tmp_path: Path) -> EvidenceStore:
    return NoEvidence(tmp_path, EvidenceLimits())


@pytest.fixture
def store() -> FullDisk:
    return FullDisk()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def driver_of(clock: FakeClock, store: FullDisk, notes: Notes, tmp_path: Path) -> Callable[..., ProbeDriver]:
    def make(
        prober: Prober | None,
        caps: tuple[float, int] = (1000.0, 50),
        canary: Judge | None = None,
        evidence: EvidenceStore | None = None,
    ) -> ProbeDriver:
        return ProbeDriver(
            probers={} if prober is None else {Engine.SIPPY: prober},
            store=store,
            clock=clock,
            sinks=[notes],
            accounts=ACCOUNTS,
            location="mtl1",
            caps=caps,
            evidence=evidence or EvidenceStore(tmp_path, EvidenceLimits()),
            rng=random.Random(7),
            canary=canary,
        )

    return make


Make = Callable[..., ProbeDriver]


async def run(
    driver: ProbeDriver,
    clock: FakeClock,
    *,
    tenant: str = TENANT,
    origin: Origin = Origin.SCHEDULE,
    spec: Spec | None = None,
) -> ProbeRun:
    running = asyncio.create_task(driver.run(spec or Spec(), tenant, origin=origin, slot=7))
    while not running.done():
        await clock.advance(0.5)
        await asyncio.wait([running], timeout=0.01)
    return await running


async def test_a_pass_is_stored_told_and_has_evidence(
    driver_of: Make, clock: FakeClock, store: FullDisk, notes: Notes, tmp_path: Path
) -> None:
    ended = await run(driver_of(FakeProber(clock)), clock)
    assert ended.result.outcome is Outcome.PASS
    assert ended.result.evidence is not None
    assert (tmp_path / ended.result.evidence / "ladder.txt").is_file()
    assert await store.results(EVERYTHING) == [ended.result]
    assert notes.runs == [ended]


async def test_an_engine_is_told_whether_a_pass_is_to_leave_evidence(
    driver_of: Make, clock: FakeClock
) -> None:
    prober = FakeProber(clock)
    driver = driver_of(prober)
    for _ in range(11):
        await run(driver, clock)
    await run(driver, clock, origin=Origin.MANUAL)
    wanted = [request.evidence for request in prober.requests]
    assert wanted == [True, *[False] * 9, True, True]


async def test_a_scheduled_failure_is_repeated_within_ten_seconds_and_both_are_kept(
    driver_of: Make, clock: FakeClock, store: FullDisk, notes: Notes
) -> None:
    ended = await run(driver_of(FakeProber(clock, [FailureCode.TIMEOUT])), clock)
    assert (ended.result.attempt, ended.result.outcome) == (2, Outcome.PASS)
    first, second = (told.result for told in notes.runs)
    assert (first.attempt, first.outcome) == (1, Outcome.FAIL)
    assert first.slot == second.slot
    assert first.id != second.id
    assert timedelta(0) < second.started - first.started <= timedelta(seconds=10)
    assert len(await store.results(EVERYTHING)) == 2


async def test_a_second_failure_is_not_repeated(driver_of: Make, clock: FakeClock, notes: Notes) -> None:
    ended = await run(driver_of(FakeProber(clock, [FailureCode.TIMEOUT] * 3)), clock)
    assert ended.result.outcome is Outcome.FAIL
    assert [told.result.attempt for told in notes.runs] == [1, 2]


@pytest.mark.parametrize(
    ("origin", "code"),
    [(Origin.MANUAL, FailureCode.TIMEOUT), (Origin.SCHEDULE, FailureCode.ENGINE_CRASHED)],
)
async def test_manual_and_inconclusive_probes_are_not_repeated(
    driver_of: Make, clock: FakeClock, notes: Notes, origin: Origin, code: FailureCode
) -> None:
    await run(driver_of(FakeProber(clock, [code])), clock, origin=origin)
    assert len(notes.runs) == 1


async def test_accounts_are_the_tenants_own_and_rotate(driver_of: Make, clock: FakeClock) -> None:
    prober = FakeProber(clock)
    driver = driver_of(prober)
    for _ in range(3):
        await run(driver, clock)
    used = [[account.user for account in request.accounts] for request in prober.requests]
    assert used == [["100", "101"], ["102", "103"], ["104", "100"]]
    await run(driver, clock, tenant=CHARLIE, spec=Spec(flow=Flow.REGISTER))
    assert prober.requests[-1].accounts == ACCOUNTS[CHARLIE]


async def test_the_callee_that_a_plan_names_is_called_whatever_the_rotation(
    driver_of: Make, clock: FakeClock
) -> None:
    """A DID leads to one phone: with any other, a healthy platform would seem to fail."""
    prober = FakeProber(clock)
    driver = driver_of(prober)
    for _ in range(4):
        await run(driver, clock, spec=Spec(plan=Plan(number="5145550100", callee="101")))
    assert [request.accounts[-1].user for request in prober.requests] == ["101"] * 4
    assert all(request.accounts[0].user != "101" for request in prober.requests)


@pytest.mark.parametrize(
    ("callee", "code"), [("101", FailureCode.ACCOUNT_BUSY), ("999", FailureCode.MISCONFIGURED)]
)
async def test_a_named_callee_that_is_busy_or_unknown_is_inconclusive(
    driver_of: Make, clock: FakeClock, store: FullDisk, callee: str, code: FailureCode
) -> None:
    prober = FakeProber(clock)
    until = clock.now() + timedelta(hours=1)
    await store.lease_accounts([f"101@{TENANT}"], "somebody", now=clock.now(), until=until)
    ended = await run(driver_of(prober), clock, spec=Spec(plan=Plan(callee=callee)))
    assert ended.result.failure is not None
    assert ended.result.failure.code is code
    assert prober.requests == []


async def test_an_account_that_another_process_holds_is_passed_over(
    driver_of: Make, clock: FakeClock, store: FullDisk
) -> None:
    prober = FakeProber(clock)
    until = clock.now() + timedelta(hours=1)
    await store.lease_accounts([f"100@{TENANT}"], "somebody", now=clock.now(), until=until)
    await run(driver_of(prober), clock)
    assert [account.user for account in prober.requests[0].accounts] == ["101", "102"]


async def test_accounts_stay_leased_while_a_short_probe_tidies_up(
    driver_of: Make, clock: FakeClock, store: FullDisk
) -> None:
    """A probe may take its timeout, then tidy up: another process must not get its accounts meanwhile."""
    spec = Spec(timeout=1.0)
    prober = FakeProber(clock, lasts=spec.timeout + TIDY)
    running = asyncio.create_task(driver_of(prober).run(spec, TENANT, origin=Origin.MANUAL, slot=0))
    await clock.advance(spec.timeout + TIDY - 0.1)
    (request,) = prober.requests
    held = [account.aor for account in request.accounts]
    until = clock.now() + timedelta(hours=1)
    assert not await store.lease_accounts(held, "somebody", now=clock.now(), until=until)
    await clock.advance(1.0)
    await running


async def test_too_few_free_accounts_are_inconclusive_and_none_stays_leased(
    driver_of: Make, clock: FakeClock, store: FullDisk
) -> None:
    until = clock.now() + timedelta(hours=1)
    others = [f"{user}@{TENANT}" for user in range(100, 104)]
    await store.lease_accounts(others, "somebody", now=clock.now(), until=until)
    ended = await run(driver_of(FakeProber(clock)), clock)
    assert ended.result.failure is not None
    assert ended.result.failure.code is FailureCode.ACCOUNT_BUSY
    assert ended.result.outcome is Outcome.INCONCLUSIVE
    assert await store.lease_accounts([f"104@{TENANT}"], "x", now=clock.now(), until=until)


async def test_accounts_are_given_back_after_the_run(
    driver_of: Make, clock: FakeClock, store: FullDisk
) -> None:
    await run(driver_of(FakeProber(clock)), clock)
    everyone = [account.aor for account in ACCOUNTS[TENANT]]
    assert await store.lease_accounts(everyone, "x", now=clock.now(), until=clock.now() + timedelta(hours=1))


async def test_a_scheduled_probe_that_is_cut_short_is_inconclusive_for_who_starts_next(
    driver_of: Make, clock: FakeClock, store: FullDisk
) -> None:
    prober = FakeProber(clock, lasts=5.0)
    running = asyncio.create_task(driver_of(prober).run(Spec(), TENANT, origin=Origin.SCHEDULE, slot=7))
    while not prober.running:
        await clock.advance(0.1)
    running.cancel()
    await asyncio.wait([running])
    assert await store.results(EVERYTHING) == []
    [adopted] = await store.adopt_unended()
    assert adopted.outcome is Outcome.INCONCLUSIVE
    assert adopted.failure is not None
    assert adopted.failure.code is FailureCode.ENGINE_CRASHED
    assert (adopted.id, adopted.slot, adopted.attempt) == (prober.requests[0].id, 7, 1)
    assert await store.results(EVERYTHING) == [adopted]


async def test_a_probe_that_ended_by_itself_leaves_nothing_to_adopt(
    driver_of: Make, clock: FakeClock, store: FullDisk
) -> None:
    await run(driver_of(FakeProber(clock, [FailureCode.TIMEOUT, None])), clock)
    assert await store.adopt_unended() == []
    assert len(await store.results(EVERYTHING)) == 2


async def test_a_probe_by_hand_that_is_cut_short_is_nobody_elses_to_adopt(
    driver_of: Make, clock: FakeClock, store: FullDisk
) -> None:
    prober = FakeProber(clock, lasts=5.0)
    running = asyncio.create_task(driver_of(prober).run(Spec(), TENANT, origin=Origin.MANUAL, slot=7))
    while not prober.running:
        await clock.advance(0.1)
    running.cancel()
    await asyncio.wait([running])
    assert await store.adopt_unended() == []


async def test_accounts_are_given_back_when_the_run_is_cancelled(
    driver_of: Make, clock: FakeClock, store: FullDisk
) -> None:
    prober = FakeProber(clock, lasts=100.0)
    running = asyncio.create_task(driver_of(prober).run(Spec(), TENANT, origin=Origin.MANUAL, slot=0))
    await clock.advance(1)
    assert prober.running == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    everyone = [account.aor for account in ACCOUNTS[TENANT]]
    assert await store.lease_accounts(everyone, "x", now=clock.now(), until=clock.now() + timedelta(hours=1))


async def test_a_tenant_with_too_few_accounts_is_misconfigured_and_borrows_from_nobody(
    driver_of: Make, clock: FakeClock
) -> None:
    prober = FakeProber(clock)
    ended = await run(driver_of(prober), clock, tenant=CHARLIE)
    assert ended.result.failure is not None
    assert ended.result.failure.code is FailureCode.MISCONFIGURED
    assert prober.requests == []


async def test_an_engine_that_is_not_there_is_inconclusive(driver_of: Make, clock: FakeClock) -> None:
    ended = await run(driver_of(None), clock)
    assert ended.result.failure is not None
    assert ended.result.failure.code is FailureCode.ENGINE_MISSING


async def test_no_more_run_at_a_time_than_the_cap_and_who_waits_too_long_is_overloaded(
    driver_of: Make, clock: FakeClock
) -> None:
    prober = FakeProber(clock, lasts=4.0)
    driver = driver_of(prober, (1000.0, 1))
    spec = Spec(flow=Flow.REGISTER)
    runs = [asyncio.create_task(driver.run(spec, TENANT, origin=Origin.MANUAL, slot=0)) for _ in range(3)]
    for _ in range(40):
        await clock.advance(0.5)
        await asyncio.wait(runs, timeout=0.01)
    results = [(await ended).result for ended in runs]
    assert prober.most_at_once == 1
    codes = [result.failure.code if result.failure else None for result in results]
    assert codes == [None, None, FailureCode.OVERLOADED]


async def test_a_confirmation_comes_before_who_waits_for_a_first_try(
    driver_of: Make, clock: FakeClock, no_evidence: EvidenceStore
) -> None:
    prober = FakeProber(clock, [FailureCode.TIMEOUT], lasts=2.0)
    driver = driver_of(prober, (1000.0, 1), evidence=no_evidence)
    spec = Spec(flow=Flow.OPTIONS)
    runs = []
    for slot, wait in ((1, 1.5), (2, 1.0), (3, 20)):
        runs.append(asyncio.create_task(driver.run(spec, TENANT, origin=Origin.SCHEDULE, slot=slot)))
        await clock.advance(wait)
    await asyncio.gather(*runs)
    assert [(request.slot, request.attempt) for request in prober.requests] == [
        (1, 1),
        (2, 1),
        (1, 2),
        (3, 1),
    ]


async def test_probes_start_no_faster_than_the_cap(driver_of: Make, clock: FakeClock) -> None:
    prober = FakeProber(clock)
    driver = driver_of(prober, (2.0, 50))
    spec = Spec(flow=Flow.REGISTER)
    runs = [asyncio.create_task(driver.run(spec, TENANT, origin=Origin.MANUAL, slot=0)) for _ in range(4)]
    for _ in range(8):
        await clock.advance(0.5)
        await asyncio.wait(runs, timeout=0.01)
    started = sorted([(await ended).result.started for ended in runs])
    assert [(later - started[0]).total_seconds() for later in started] == [0.0, 0.5, 1.0, 1.5]


async def test_a_full_disk_stops_neither_probes_nor_sinks_and_results_are_written_later(
    driver_of: Make, clock: FakeClock, store: FullDisk, notes: Notes
) -> None:
    driver = driver_of(FakeProber(clock))
    store.broken = True
    for _ in range(3):
        assert (await run(driver, clock)).result.outcome is Outcome.PASS
    assert len(notes.runs) == 3
    assert driver.backlog == 3
    store.broken = False
    await run(driver, clock)
    assert driver.backlog == 0
    assert len(await store.results(EVERYTHING)) == 4


async def test_a_store_that_hangs_costs_all_probes_one_wait_and_none_of_them_its_end(
    driver_of: Make, clock: FakeClock, store: FullDisk, notes: Notes, no_evidence: EvidenceStore
) -> None:
    prober = FakeProber(clock, lasts=1.0)
    driver = driver_of(prober, evidence=no_evidence)
    store.hangs = True
    spec, charlies = Spec(), Spec(flow=Flow.REGISTER)
    first = [
        asyncio.create_task(driver.run(spec, TENANT, origin=Origin.SCHEDULE, slot=0)),
        asyncio.create_task(driver.run(charlies, CHARLIE, origin=Origin.SCHEDULE, slot=0)),
    ]
    await clock.advance(2 * PATIENCE)
    assert [(await one).result.outcome for one in first] == [Outcome.PASS] * 2
    later = asyncio.create_task(driver.run(spec, TENANT, origin=Origin.SCHEDULE, slot=1))
    await clock.advance(1)
    assert (await later).result.outcome is Outcome.PASS
    assert len(notes.runs) == driver.backlog == 3
    store.hangs = False
    await clock.advance(REST)
    await run(driver, clock, spec=charlies, tenant=CHARLIE)
    assert driver.backlog == 0
    assert len(await store.results(EVERYTHING)) == 4


async def test_results_that_a_hanging_store_never_took_are_offered_at_the_stop(
    driver_of: Make, clock: FakeClock, store: FullDisk, no_evidence: EvidenceStore
) -> None:
    driver = driver_of(FakeProber(clock), evidence=no_evidence)
    store.hangs = True
    running = asyncio.create_task(driver.run(Spec(), TENANT, origin=Origin.SCHEDULE, slot=0))
    await clock.advance(2 * PATIENCE)
    await running
    assert driver.backlog == 1
    store.hangs = False
    await driver.aclose()
    assert driver.backlog == 0


async def test_a_result_that_no_store_can_take_takes_no_other_down_with_it(
    driver_of: Make, clock: FakeClock, store: FullDisk, notes: Notes
) -> None:
    class Nonsense(FakeProber):
        async def run(self, request: ProbeRequest) -> ProbeRun:
            found = await super().run(request)
            odd = {"rrd": math.nan} if len(self.requests) == 2 else found.result.timings
            return replace(found, result=replace(found.result, timings=odd))

    driver = driver_of(Nonsense(clock))
    store.broken = True
    for _ in range(3):
        await run(driver, clock)
    store.broken = False
    with capture_logs() as logs:
        await run(driver, clock)
    assert (driver.backlog, driver.lost, len(notes.runs)) == (0, 1, 4)
    assert len(await store.results(EVERYTHING)) == 3
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert [entry["result"] for entry in errors] == [notes.runs[1].result.id]


async def test_what_the_store_would_not_take_is_offered_at_the_stop_and_said_if_it_is_lost(
    driver_of: Make, clock: FakeClock, store: FullDisk
) -> None:
    driver = driver_of(FakeProber(clock))
    store.broken = True
    await run(driver, clock)
    with capture_logs() as logs:
        await driver.aclose()
    lost = [entry for entry in logs if entry["log_level"] == "error"]
    assert [entry["count"] for entry in lost] == [1]
    store.broken = False
    with capture_logs() as logs:
        await driver.aclose()
    assert not [entry for entry in logs if entry["log_level"] == "error"]
    assert len(await store.results(EVERYTHING)) == 1


async def test_an_engine_that_breaks_down_is_logged_once_and_once_when_it_works_again(
    driver_of: Make, clock: FakeClock
) -> None:
    crashes = [FailureCode.ENGINE_CRASHED] * 3
    driver = driver_of(FakeProber(clock, [*crashes, FailureCode.ACCOUNT_BUSY, None, None]))
    with capture_logs() as logs:
        for _ in range(6):
            await run(driver, clock)
        await run(driver_of(FakeProber(clock, crashes)), clock, origin=Origin.MANUAL)
    assert [entry["log_level"] for entry in logs] == ["warning", "info"]
    assert {entry["engine"] for entry in logs} == {Engine.SIPPY}


async def test_without_a_store_no_account_is_given_out_twice(
    driver_of: Make, clock: FakeClock, store: FullDisk
) -> None:
    store.broken = True
    prober = FakeProber(clock, lasts=1.0)
    driver = driver_of(prober)
    runs = [asyncio.create_task(driver.run(Spec(), TENANT, origin=Origin.MANUAL, slot=0)) for _ in range(3)]
    for _ in range(10):
        await clock.advance(0.5)
        await asyncio.wait(runs, timeout=0.01)
    codes = {(await ended).result.failure for ended in runs}
    used = [account.user for request in prober.requests for account in request.accounts]
    assert len(used) == len(set(used)) == 4
    assert {failure.code for failure in codes if failure} == {FailureCode.ACCOUNT_BUSY}


BROKEN = Failure(FailureCode.TIMEOUT, "no answer from 127.0.0.1")


async def test_a_failure_while_our_own_canary_fails_is_inconclusive_and_says_both(
    driver_of: Make, clock: FakeClock, notes: Notes, store: FullDisk
) -> None:
    canary = Judge(BROKEN)
    ended = await run(driver_of(FakeProber(clock, [FailureCode.AUTH]), canary=canary), clock)
    assert ended.result.outcome is Outcome.INCONCLUSIVE
    assert ended.result.failure == Failure(
        FailureCode.CANARY_FAILED,
        "our own canary failed (timeout: no answer from 127.0.0.1); without that: auth: as told",
    )
    assert canary.asked == [Engine.SIPPY]
    assert [told.result.attempt for told in notes.runs] == [1]
    assert await store.results(EVERYTHING) == [ended.result]


async def test_a_failure_while_our_own_canary_passes_stays_one_and_is_confirmed(
    driver_of: Make, clock: FakeClock, notes: Notes
) -> None:
    canary = Judge(None)
    ended = await run(driver_of(FakeProber(clock, [FailureCode.TIMEOUT] * 2), canary=canary), clock)
    assert ended.result.failure == Failure(FailureCode.TIMEOUT, "as told")
    assert len(canary.asked) == len(notes.runs) == 2


async def test_a_canary_that_fails_at_the_confirmation_makes_only_that_inconclusive(
    driver_of: Make, clock: FakeClock, notes: Notes
) -> None:
    canary = Judge(None, BROKEN)
    await run(driver_of(FakeProber(clock, [FailureCode.TIMEOUT] * 2), canary=canary), clock)
    assert [told.result.outcome for told in notes.runs] == [Outcome.FAIL, Outcome.INCONCLUSIVE]


@pytest.mark.parametrize(
    ("code", "origin"),
    [
        (None, Origin.SCHEDULE),
        (FailureCode.ENGINE_CRASHED, Origin.SCHEDULE),
        (FailureCode.TIMEOUT, Origin.MANUAL),
    ],
)
async def test_no_canary_is_asked_about_a_pass_nor_our_own_trouble_nor_by_hand(
    driver_of: Make, clock: FakeClock, code: FailureCode | None, origin: Origin
) -> None:
    canary = Judge(BROKEN)
    driver = driver_of(FakeProber(clock, [code]), canary=canary)
    ended = await run(driver, clock, origin=origin)
    assert canary.asked == []
    assert (ended.result.failure.code if ended.result.failure else None) is code


async def test_flows_of_every_kind_share_the_accounts_and_never_hold_one_twice(
    driver_of: Make, clock: FakeClock
) -> None:
    prober = FakeProber(clock, lasts=3.0)
    driver = driver_of(prober)
    flows = (Flow.BLIND_TRANSFER, Flow.REGISTER, Flow.PRESENCE, Flow.OPTIONS)
    runs = [
        asyncio.create_task(driver.run(Spec(flow=flow), TENANT, origin=Origin.MANUAL, slot=0))
        for flow in flows
    ]
    for _ in range(10):
        await clock.advance(0.5)
        await asyncio.wait(runs, timeout=0.01)
    codes = [(await ended).result.failure for ended in runs]
    used = [account.user for request in prober.requests for account in request.accounts]
    assert len(used) == len(set(used)) == 4
    assert [failure.code if failure else None for failure in codes] == [
        None,
        None,
        FailureCode.ACCOUNT_BUSY,
        None,
    ]


async def test_a_target_names_the_tenant_that_is_probed(driver_of: Make, clock: FakeClock) -> None:
    prober = FakeProber(clock)
    spec = Spec(flow=Flow.OPTIONS, target="sip:{tenant};transport=tcp")
    ended = await run(driver_of(prober), clock, spec=spec)
    assert prober.requests[0].target == ended.result.target == f"sip:{TENANT};transport=tcp"
