"""What the service forgets, and when: results, hours of rollups, messages, records of probes."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from dialtone.config.settings import ResultLimits
from dialtone.ports import Clock, Store
from dialtone.runtime.scheduler import Planned, Scheduler
from dialtone.wiring.parts import KEEP_COUNTS, KEEP_MESSAGES
from synthetic.evidence import EvidenceStore

_EVERY: Final = 3600.0
_SIZE_WATCH: Final = 60.0
"""Seconds after which evidence over its size is noticed: in an outage every probe leaves some."""


def plan_upkeep(
    scheduler: Scheduler, store: Store, evidence: EvidenceStore, limits: ResultLimits, clock: Clock
) -> None:
    """Give the scheduler the jobs that keep the data folder in bounds."""

    async def results(_: Planned) -> None:
        now = clock.now()
        before, counts = now - timedelta(seconds=limits.keep), now - KEEP_COUNTS
        await store.prune_results(before, most=limits.most, counts=counts)

    async def rollups(_: Planned) -> None:
        await store.books.prune_rollups(clock.now() - timedelta(seconds=limits.hours))

    async def messages(_: Planned) -> None:
        await store.prune_messages(clock.now() - KEEP_MESSAGES)

    async def records(_: Planned) -> None:
        await evidence.prune(clock.now())

    async def size(_: Planned) -> None:
        if evidence.is_too_much:
            await evidence.prune(clock.now())

    jobs: dict[str, tuple[float, Callable[[Planned], Awaitable[None]]]] = {
        "results": (_EVERY, results),
        "rollups": (_EVERY, rollups),
        "messages": (_EVERY, messages),
        "evidence": (_EVERY, records),
        "evidence-size": (_SIZE_WATCH, size),
    }
    for name, (every, action) in jobs.items():
        scheduler.add(f"tidy/{name}", every, action)
