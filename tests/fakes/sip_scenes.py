"""The states that a phone of ours can be in, and probes that bring phones there before a hostile server."""

import asyncio
import ctypes
import gc
import itertools
import resource
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dialtone.model import ChangedBy, EventPackage, Evidence, Flow, Plan
from synthetic.lateness import LatenessMeter
from synthetic.probes.runner import TIDY, Report
from tests.fakes.memory import held
from tests.fakes.sip_hostile import HostileServer, Throw, Watched
from tests.fakes.sip_mutations import Mutator
from tests.fakes.sip_probes import a_request, an_account, run_here

THREE: Final = {"100": "first-secret", "101": "second-secret", "102": "third-secret"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A flow, and the method whose first request finds its phones in the state that is meant."""

    flow: Flow
    at: str
    plan: Plan = field(default_factory=Plan)


SCENES: Final[Mapping[str, Scene]] = {
    "asking": Scene(Flow.OPTIONS, "OPTIONS"),
    "registering": Scene(Flow.REGISTER, "REGISTER"),
    "inviting": Scene(Flow.CALL, "INVITE"),
    "in a call": Scene(Flow.CALL, "ACK"),
    "hanging up": Scene(Flow.CALL, "BYE"),
    "subscribing": Scene(Flow.PRESENCE, "SUBSCRIBE"),
    "publishing": Scene(Flow.PRESENCE, "PUBLISH"),
    "subscribed to calls": Scene(
        Flow.PRESENCE, "INVITE", Plan(event=EventPackage.DIALOG, changed_by=ChangedBy.CALL)
    ),
    "transferring": Scene(Flow.BLIND_TRANSFER, "REFER"),
    "told of a transfer": Scene(Flow.BLIND_TRANSFER, "NOTIFY"),
    "transferring with a consultation": Scene(Flow.ATTENDED_TRANSFER, "REFER"),
}


@dataclass(frozen=True, slots=True)
class Played:
    """How a probe ended; `overdue` is how many seconds it took past its timeout and the time to tidy up.

    How long the loop was held meanwhile is none of it: other tests keep the processors busy, and what one
    message may take of them is asked elsewhere (Watched.slowest).
    """

    report: Report
    evidence: Evidence
    thrown: int
    overdue: float


async def play(
    scene: Scene,
    throw: Throw,
    watched: Watched,
    *,
    transport: str = "udp",
    raw: bool = False,
    timeout: float = 8.0,
) -> Played:
    """Run a probe before a server that throws at its phones once they are in the state of the scene."""
    accounts = tuple(an_account(user, password=password) for user, password in THREE.items())
    loop = asyncio.get_running_loop()
    async with HostileServer(THREE, scene.at, throw, transport=transport, raw=raw) as server:
        watched.servers.append(server)
        request = a_request(
            scene.flow,
            server.target,
            accounts=accounts[: scene.plan.accounts(scene.flow)],
            plan=scene.plan,
            timeout=timeout,
        )
        meter = LatenessMeter()
        measuring = asyncio.create_task(meter.run())
        started = loop.time()
        try:
            report, evidence = await run_here(request)
        finally:
            measuring.cancel()
            watched.servers.remove(server)
        took = loop.time() - started - meter.held_since(started)
    return Played(report, evidence, server.thrown, took - timeout - TIDY)


@dataclass(slots=True)
class Storm:
    """What came of many probes: how they ended, the worst seconds overdue, the blocks grown meanwhile."""

    ends: Counter[str] = field(default_factory=Counter)
    probes: int = 0
    overdue: float = -1.0
    grown: int = 0


async def storm(
    watched: Watched, mutator: Mutator, *, total: int, each: int, timeout: float, at_once: int
) -> Storm:
    """Throw until phones have taken `total` mutated messages: `each` at a phone, `at_once` probes at a time.

    Memory is compared from a sixth of them on: by then the parser's tables and the allocator's pools are
    there.
    """
    seen = Storm()
    scenes = itertools.cycle(itertools.product(("udp", "tcp", "udp"), SCENES.values()))
    before = 0

    async def one() -> None:
        transport, scene = next(scenes)
        played = await play(
            scene,
            lambda live, port: [mutator.message(live, port) for _ in range(each)],
            watched,
            transport=transport,
            timeout=timeout,
        )
        failure = played.report.failure
        seen.probes += 1
        seen.ends["passed" if failure is None else failure.code.value] += 1
        seen.overdue = max(seen.overdue, played.overdue)

    while watched.taken < total:
        await asyncio.gather(*(one() for _ in range(at_once)))
        if not before and watched.taken > total / 6:
            before = held()
    seen.grown = held() - before
    return seen


def resident() -> float:
    """Return how much memory this process uses, in MB, without garbage and what malloc keeps for later."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6
