"""The sippy engine under load: register and call probes through the very path that the service uses."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio

from dialtone.model import Account, Engine, Flow, Origin, Outcome, ProbeRequest, ProbeRun
from dialtone.ports import Clock, Prober

_TIMEOUT: Final = 4.0
_LOCATION: Final = "benchmark"
FLOWS: Final = (Flow.CALL, Flow.REGISTER)


@dataclass(frozen=True, slots=True)
class Phones:
    """The lab's phones. A callee is bound, so it serves one probe at a time; callers only send."""

    callers: Sequence[Account]
    callees: Sequence[Account]

    @classmethod
    def of(cls, accounts: Sequence[Account]) -> "Phones":
        """Make the last phone of each tenant its caller, the others callees, tenants taking turns."""
        tenants: dict[str, list[Account]] = {}
        for account in accounts:
            tenants.setdefault(account.tenant, []).append(account)
        turns = zip(*(phones[:-1] for phones in tenants.values()), strict=True)
        return cls([phones[-1] for phones in tenants.values()], [phone for turn in turns for phone in turn])

    def caller_of(self, callee: Account) -> Account:
        """Return the phone that calls this one."""
        return next(caller for caller in self.callers if caller.tenant == callee.tenant)


@dataclass(slots=True)
class Load:
    """What was placed: every run, and when each call left, in seconds of the clock."""

    runs: list[ProbeRun] = field(default_factory=list)
    left: list[float] = field(default_factory=list)

    @property
    def calls_per_second(self) -> float:
        """The rate that the calls really left at; 0 where there were not two of them."""
        return (len(self.left) - 1) / (self.left[-1] - self.left[0]) if len(self.left) > 1 else 0.0

    def outcomes(self) -> dict[str, int]:
        """Return how many probes ended in which way: `pass`, or the failure's code."""
        return dict(Counter(_outcome(run) for run in self.runs))

    def passed(self, flow: Flow) -> list[ProbeRun]:
        """Return the runs of a flow that passed: RFC 6076 keeps their timings apart."""
        return [run for run in self.runs if run.result.flow is flow and run.result.outcome is Outcome.PASS]


class Placing:
    """Places probes as these phones at a target. Run it once; `name` makes its probes' ids its own.

    Of `every` so many passes one leaves evidence.
    """

    def __init__(
        self,
        prober: Prober,
        clock: Clock,
        phones: Phones,
        target: str,
        *,
        name: str = "timing",
        every: int = 1,
    ) -> None:
        self._prober = prober
        self._clock = clock
        self._phones = phones
        self._target = target
        self._name = name
        self._every = every
        self._placed = 0
        self._load = Load()
        self._give_back, self._free = anyio.create_memory_object_stream[Account](len(phones.callees))

    async def run(self, rate: float, seconds: float, flows: Collection[Flow] = FLOWS) -> Load:
        """Place `rate` calls a second for so long, and between any two a register probe; return all runs.

        `flows` may leave one of the two out. One probe of each goes ahead and is not counted, so that the
        engine is warm. A call waits for a free callee where there is none: the load's rate tells.
        """
        for callee in self._phones.callees:
            self._give_back.send_nowait(callee)
        count = round(rate * seconds)
        with self._give_back, self._free:
            warm = self._phones.callees[0]
            await self._probe(Flow.REGISTER, "warm", warm)
            await self._probe(Flow.CALL, "warm", self._phones.caller_of(warm), warm)
            async with anyio.create_task_group() as group:

                async def call(number: int) -> None:
                    callee = await self._free.receive()
                    self._load.left.append(self._clock.monotonic())
                    group.start_soon(self._call, number, callee)

                async def register(number: int) -> None:
                    phone = self._phones.callers[number % len(self._phones.callers)]
                    group.start_soon(self._place, Flow.REGISTER, number, phone)

                if Flow.CALL in flows:
                    group.start_soon(self._paced, call, 0.0, rate, count)
                if Flow.REGISTER in flows:
                    group.start_soon(self._paced, register, 0.5 / rate, rate, count)
        return self._load

    async def _paced(
        self, start: Callable[[int], Awaitable[None]], offset: float, rate: float, count: int
    ) -> None:
        """Start so many, `rate` a second; one that was late does not put off the next."""
        began = self._clock.monotonic() + offset
        for number in range(count):
            await self._clock.sleep(began + number / rate - self._clock.monotonic())
            await start(number)

    async def _call(self, number: int, callee: Account) -> None:
        await self._place(Flow.CALL, number, self._phones.caller_of(callee), callee)
        self._give_back.send_nowait(callee)

    async def _place(self, flow: Flow, number: int, *accounts: Account) -> None:
        self._load.runs.append(await self._probe(flow, str(number), *accounts))

    async def _probe(self, flow: Flow, name: str, *accounts: Account) -> ProbeRun:
        self._placed += 1
        return await self._prober.run(
            ProbeRequest(
                id=f"{self._name}-{flow}-{name}",
                probe="timing",
                flow=flow,
                engine=Engine.SIPPY,
                tenant=accounts[0].tenant,
                target=self._target,
                location=_LOCATION,
                accounts=accounts,
                origin=Origin.MANUAL,
                slot=0,
                attempt=1,
                timeout=_TIMEOUT,
                evidence=self._placed % self._every == 0,
            )
        )


def _outcome(run: ProbeRun) -> str:
    failure = run.result.failure
    return str(run.result.outcome) if failure is None else str(failure.code)
