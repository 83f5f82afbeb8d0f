"""Call probes with media, so many at once, through the very path that the service uses."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import anyio

from benchmarks.probes.load import Phones
from dialtone.model import Account, Engine, Flow, MediaPlan, Origin, Plan, ProbeRequest, ProbeRun
from dialtone.ports import Prober

_AROUND: Final = 6.0
"""Seconds that a probe has besides its media."""


class MediaCalls:
    """Places calls with media between these phones, each pair of them one after the other.

    `runs` keeps all of them, with their evidence.
    """

    def __init__(self, prober: Prober, phones: Phones, target: str, media: MediaPlan, name: str) -> None:
        self._prober = prober
        self._phones = phones
        self._target = target
        self._media = media
        self._name = name
        self._placed = 0
        self._going_on = True
        self.runs: list[ProbeRun] = []

    @asynccontextmanager
    async def kept_up(self, count: int) -> AsyncIterator[None]:
        """Have so many calls under way for the time of the block; their starts are spread over a call's time.

        It is entered once all are under way. What is under way at its end is let go on to its own end.
        """
        callees = self._phones.callees[:count]
        if len(callees) < count:
            raise ValueError(f"{count} calls at once need as many callees, there are {len(callees)}")
        apart = self._media.seconds / count
        async with anyio.create_task_group() as group:
            for callee in callees:
                group.start_soon(self._again_and_again, callee)
                await anyio.sleep(apart)
            try:
                yield
            finally:
                self._going_on = False

    async def _again_and_again(self, callee: Account) -> None:
        while self._going_on:
            self.runs.append(await self._prober.run(self._request(callee)))

    def _request(self, callee: Account) -> ProbeRequest:
        self._placed += 1
        return ProbeRequest(
            id=f"{self._name}-{self._placed}",
            probe="media",
            flow=Flow.CALL,
            engine=Engine.SIPPY,
            tenant=callee.tenant,
            target=self._target,
            location="benchmark",
            accounts=(self._phones.caller_of(callee), callee),
            origin=Origin.MANUAL,
            slot=0,
            attempt=1,
            timeout=self._media.seconds + _AROUND,
            plan=Plan(media=self._media),
            evidence=True,
        )


def parted(phones: Phones, count: int) -> tuple[Phones, Phones]:
    """Return two halves that share no phone: tenants with at least so many callees, and the other tenants."""
    tenants: list[str] = []
    found = 0
    for caller in phones.callers:
        if found >= count:
            break
        tenants.append(caller.tenant)
        found += sum(callee.tenant == caller.tenant for callee in phones.callees)
    ours = set(tenants)
    return _only(phones, ours.__contains__), _only(phones, lambda tenant: tenant not in ours)


def _only(phones: Phones, wanted: Callable[[str], bool]) -> Phones:
    def those(accounts: Sequence[Account]) -> list[Account]:
        return [account for account in accounts if wanted(account.tenant)]

    return replace(phones, callers=those(phones.callers), callees=those(phones.callees))
