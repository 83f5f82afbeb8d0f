"""What probes hear in calls through a relay that harms the sound on purpose and knows the truth of it.

Real front, real engine in its worker processes. Loss, jitter and scores are those that the relay's own notes
come to; and one-way, silent and crossed sound are told apart, call after call.
"""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Final

import anyio
import pytest

from dialtone.model import (
    Account,
    FailureCode,
    Flow,
    MediaPlan,
    MediaStream,
    Outcome,
    Plan,
    ProbeResult,
    Secret,
)
from dialtone.ports import Prober
from dialtone.runtime.clock import SystemClock
from lab import lab
from lab.faults.media.harm import Harm, Spread
from lab.faults.media.relay import MediaRelay
from lab.faults.media.settings import Settings
from lab.faults.media.truth import Truth, Truths
from lab.faults.relay import SipRelay
from lab.sample import sample
from lab.state import LabState
from synthetic.agents.link import WORKER, sippy_prober
from tests.fakes.sip_probes import a_request
from tests.integration.service import descendants
from tests.live.opinion import opinion

pytestmark = pytest.mark.live

LOSS, JITTER, MOS = 0.001, 0.0003, 0.05
"""How far a figure may be from the truth: a share of packets, seconds, points."""
ROUND_TRIP: Final = 0.015
"""How far a round trip by RTCP may be from what the relay has added to it, in seconds."""
AT_ONCE: Final = 4
SECONDS: Final = 5.0
SHORT: Final = 1.2
TIMES: Final = 10
TRIES: Final = 4
"""How often a call is placed where our own machine was too busy: such a call says nothing."""


def alike(**harm: object) -> Settings:
    """The same harm both ways, though not on the same packets."""
    return Settings(Harm(**harm, seed=1), Harm(**harm, seed=2))  # type: ignore[arg-type]


NORMAL: Final = Spread.NORMAL
HEALTHY: Final[Mapping[str, Settings]] = {
    "a way that grows 45 ms longer in mid-talk": alike(steps=((2.5, 0.045),)),
    "a way that grows 45 ms shorter in mid-talk": alike(delay=0.05, steps=((2.5, -0.045),)),
    "a drift": alike(drift=0.005),
    "a step and a drift": alike(steps=((2.0, 0.06), (4.0, 0.0)), drift=0.002),
}
"""Calls that nobody would complain of: they pass by the usual threshold."""
SETTINGS: Final[Mapping[str, Settings]] = {
    "nothing": Settings(),
    "1 % lost": alike(loss=0.01),
    "2 % lost": alike(loss=0.02),
    "5 % lost": alike(loss=0.05),
    "10 % lost": alike(loss=0.1),
    "20 % lost": alike(loss=0.2),
    "each tenth lost": alike(every=10),
    "short bursts lost": alike(burst=(0.03, 0.4)),
    "long bursts lost": alike(burst=(0.02, 0.15)),
    "the head lost": alike(head=10),
    "the tail lost": alike(last=230),
    "head and tail lost": alike(head=15, last=235),
    "uniform jitter of 20 ms in order": alike(jitter=0.02),
    "uniform jitter of 40 ms": alike(jitter=0.04, overtaking=True),
    "uniform jitter of 80 ms": alike(jitter=0.08, overtaking=True),
    "normal jitter of 10 ms": alike(delay=0.04, jitter=0.01, spread=NORMAL, overtaking=True),
    "normal jitter of 30 ms": alike(delay=0.1, jitter=0.03, spread=NORMAL, overtaking=True),
    "150 ms": alike(delay=0.15),
    "60 ms to the callee alone": Settings(to_callee=Harm(delay=0.06)),
    "twins": alike(twice=0.1),
    "out of order": alike(held=(0.1, 0.03)),
    "some far too late": alike(held=(0.1, 0.25)),
    "loss and jitter and twins": alike(loss=0.05, jitter=0.05, twice=0.05, overtaking=True),
    "bursts and delay and disorder": alike(burst=(0.02, 0.3), delay=0.12, held=(0.05, 0.03)),
    "loss one way, jitter the other": Settings(Harm(loss=0.1, seed=3), Harm(jitter=0.06, overtaking=True)),
    "good one way, bad the other": Settings(Harm(), Harm(loss=0.15, delay=0.1, jitter=0.02, seed=4)),
    **HEALTHY,
}
LAWS: Final = (("PCMU", "PCMA"), ("PCMA", "PCMU"))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabState]:
    root: Path = tmp_path_factory.mktemp("labs")
    made = asyncio.run(lab.up("media", only=["sip"], root=root))
    try:
        yield made
    finally:
        asyncio.run(lab.down("media", root=root))


@dataclass(frozen=True, slots=True)
class Call:
    """How a call ended, and what was done to it."""

    result: ProbeResult
    truths: Truths | None = None

    def said(self, *codes: FailureCode) -> str:
        """The detail of its failure, which must be by one of those codes."""
        assert self.result.failure is not None, "the call passed"
        assert self.result.failure.code in codes, self.result.failure
        return self.result.failure.detail

    def passed(self) -> None:
        assert self.result.failure is None, self.result.failure
        assert self.result.outcome is Outcome.PASS

    def directions(self) -> list[tuple[MediaStream, Truth]]:
        """Each direction as its listener had it, with the truth."""
        assert self.truths is not None
        by_listener = {"caller": self.truths.to_caller, "callee": self.truths.to_callee}
        assert {stream.listener for stream in self.result.media} == {*by_listener}
        return [(stream, by_listener[stream.listener]) for stream in self.result.media]


class Calls:
    """Places calls through relays of their own, each tenant one at a time."""

    def __init__(self, state: LabState, prober: Prober) -> None:
        host, _, port = state.addresses["sip"].rpartition(":")
        self._front = (host, int(port))
        self._prober = prober
        self._free: dict[str, list[Account]] = {}
        for phone in sample(state.root / "accounts.csv").phones:
            account = Account(phone.tenant, phone.user, phone.user, Secret(phone.password))
            self._free.setdefault(phone.tenant, []).append(account)
        self._number = 0

    async def place(self, settings: Settings, plan: MediaPlan, tries: int = TRIES) -> list[Call]:
        """Place as many calls at once as the settings are about; again, where we were too busy ourselves."""
        tenant, accounts = self._free.popitem()
        try:
            for _ in range(tries):
                calls = await self._placed(settings, plan, accounts)
                failures = [call.result.failure for call in calls]
                if not any(failure and failure.code is FailureCode.OVERLOADED for failure in failures):
                    break
            return calls
        finally:
            self._free[tenant] = accounts

    async def one(self, settings: Settings, plan: MediaPlan, tries: int = TRIES) -> Call:
        """Place one call."""
        (call,) = await self.place(settings, plan, tries)
        return call

    async def _placed(self, settings: Settings, plan: MediaPlan, accounts: Sequence[Account]) -> list[Call]:
        results: dict[int, ProbeResult] = {}

        async def run(number: int) -> None:
            self._number += 1
            request = a_request(
                Flow.CALL,
                relay.target,
                id=f"call-{self._number}",
                tenant=accounts[0].tenant,
                accounts=tuple(accounts[2 * number : 2 * number + 2]),
                plan=Plan(media=plan),
                timeout=plan.seconds + 10,
            )
            results[number] = (await self._prober.run(request)).result

        async with MediaRelay(settings) as media, SipRelay(self._front, media=media) as relay:
            async with anyio.create_task_group() as group:
                for number in range(settings.calls):
                    group.start_soon(run, number)
            truths = await media.truth()
        # Which call came to the relay first is not known where there are several.
        known = truths if settings.calls == 1 else [None] * settings.calls
        return [Call(results[number], known[number]) for number in range(settings.calls)]


@asynccontextmanager
async def placing(state: LabState) -> AsyncIterator[Calls]:
    async with sippy_prober(SystemClock()) as prober:
        yield Calls(state, prober)


def wrong(stream: MediaStream, truth: Truth, added: float) -> list[str]:
    """Say what of a direction is not as the truth has it; `added` is what the relay added to a round trip."""
    assert not truth.overflow
    assert not truth.unaimed
    right, found = opinion(truth), []
    if stream.sent != right.sent:
        found.append(f"sent {stream.sent}, true {right.sent}")
    if stream.loss_ratio is None or abs(stream.loss_ratio - right.loss_ratio) > LOSS:
        found.append(f"loss {stream.loss_ratio}, true {right.loss_ratio:.4f}")
    if abs(stream.jitter - right.jitter) > JITTER:
        found.append(f"jitter {stream.jitter * 1000:.3f} ms, true {right.jitter * 1000:.3f} ms")
    if stream.duplicates != right.twice:
        found.append(f"{stream.duplicates} duplicates, true {right.twice}")
    if stream.rtt is None or not 0 <= stream.rtt - added < ROUND_TRIP:
        found.append(f"round trip {stream.rtt}, of which the relay added {added:.4f}")
    if stream.mos is None or abs(stream.mos - right.mos(added)) > MOS:
        found.append(f"MOS {stream.mos}, true {right.mos(added):.3f} ({right.late} late, {stream.late} said)")
    return [f"{one} to the {stream.listener}" for one in found]


async def test_loss_jitter_and_scores_are_the_truth_in_every_setting(state: LabState) -> None:
    async with placing(state) as calls:
        limit, found = anyio.CapacityLimiter(AT_ONCE), []

        async def compare(name: str, settings: Settings, codecs: tuple[str, ...]) -> None:
            plan = MediaPlan(seconds=SECONDS, codecs=codecs)
            async with limit:
                call = await calls.one(settings, plan if name in HEALTHY else replace(plan, mos=1.0))
            if call.result.failure is not None:
                found.append(f"{name}: {call.result.failure}")
                return
            added = sum(fmean(truth.reports or [0.0]) for _, truth in call.directions())
            for stream, truth in call.directions():
                found.extend(f"{name}: {one}" for one in wrong(stream, truth, added))
                if stream.codec != codecs[0]:
                    found.append(f"{name}: {stream.codec} to the {stream.listener}")

        async with anyio.create_task_group() as group:
            for number, (name, settings) in enumerate(SETTINGS.items()):
                group.start_soon(compare, name, settings, LAWS[number % 2])
    assert not found, "\n" + "\n".join(found)


async def test_one_way_silent_and_crossed_sound_are_told_apart_and_good_calls_pass_every_time(
    state: LabState,
) -> None:
    plan = MediaPlan(seconds=SHORT)
    async with placing(state) as calls:

        async def mute(number: int) -> None:
            listener, speaker, settings = towards(number, Harm(loss=1.0))
            said = (await calls.one(settings, plan)).said(FailureCode.ONE_WAY_MEDIA)
            assert re.match(rf"the {listener} does not hear the {speaker}: .* no packet came\b", said), said

        async def silent(number: int) -> None:
            listener, speaker, settings = towards(number, Harm(silent=True))
            said = (await calls.one(settings, plan)).said(FailureCode.ONE_WAY_MEDIA)
            wanted = (
                rf"the {listener} does not hear the {speaker}: .* [1-9][0-9]* packets came, all silence\b"
            )
            assert re.match(wanted, said), said

        async def crossed(_: int) -> None:
            for call in await calls.place(Settings(calls=2, crossed=True), plan):
                said = call.said(FailureCode.CROSSED_MEDIA)
                for listener in ("caller", "callee"):
                    assert f"the {listener} hears a voice that is not of this call" in said

        async def good(_: int) -> None:
            (await calls.one(Settings(), plan)).passed()

        for number in range(TIMES):
            async with anyio.create_task_group() as group:
                for kind in (mute, silent, crossed, good):
                    group.start_soon(kind, number)


def towards(number: int, harm: Harm) -> tuple[str, str, Settings]:
    """The side that hears the harm and the one that it hears, each in its turn."""
    if number % 2:
        return "caller", "callee", Settings(to_caller=harm)
    return "callee", "caller", Settings(to_callee=harm)


async def test_a_worker_that_is_late_itself_says_so_and_never_that_the_sound_is_poor(state: LabState) -> None:
    async with placing(state) as calls, anyio.create_task_group() as group:

        async def hold_up() -> None:
            while True:
                await anyio.sleep(0.5)
                tell_workers(signal.SIGSTOP)
                try:
                    await anyio.sleep(0.4)
                finally:
                    tell_workers(signal.SIGCONT)

        group.start_soon(hold_up)
        call = await calls.one(Settings(), MediaPlan(seconds=3.0, mos=4.3), tries=1)
        group.cancel_scope.cancel()
    call.said(FailureCode.OVERLOADED)


def tell_workers(number: signal.Signals) -> None:
    """Send a signal to the engine's processes, which are ours."""
    for pid in descendants(os.getpid()):
        if WORKER.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, number)
